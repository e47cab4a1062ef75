//! What a request can fail with, and how it is told to the client (RFC 7644 §3.12).

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

/// URN of the error message.
pub const ERROR_URN: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

type Source = Box<dyn std::error::Error + Send + Sync>;

/// A refused request: what kind of refusal, and one line for the person who reads the client's log.
///
/// The detail names attributes and limits, never a value that the client sent.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    detail: Cow<'static, str>,
    retry_after: Option<Duration>,
    source: Option<Source>,
}

/// The kinds of refusal, grouped by whose fault they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The body is not the JSON that the operation takes (400 `invalidSyntax`).
    InvalidSyntax,
    /// The filter does not parse, or compares what cannot be compared (400 `invalidFilter`).
    InvalidFilter,
    /// A PATCH path does not parse or names no attribute (400 `invalidPath`).
    InvalidPath,
    /// A value is missing or has the wrong type (400 `invalidValue`).
    InvalidValue,
    /// A PATCH path selected nothing (400 `noTarget`).
    NoTarget,
    /// The attribute may not be changed (400 `mutability`).
    Mutability,
    /// The message asks for a version of SCIM that is not spoken (400 `invalidVers`).
    InvalidVers,
    /// The cursor is none, was altered, or belongs to another query (400 `invalidCursor`, RFC 9865 §2.2).
    InvalidCursor,
    /// The cursor is too old (400 `expiredCursor`, RFC 9865 §2.2).
    ExpiredCursor,
    /// The count of a walk by cursor is no count (400 `invalidCount`, RFC 9865 §2.2).
    InvalidCount,
    /// The query would cost more than the server spends (400 `tooMany`).
    TooMany,
    /// Another resource holds a value that must be unique (409 `uniqueness`).
    Uniqueness,
    /// A bulk operation refers to a resource that the same request did not create (409, RFC 7644 §3.7.1).
    Conflict,
    /// The query names something that may not travel in a URL (403 `sensitive`).
    Sensitive,
    /// No token, or one that is not accepted (401).
    Unauthorized,
    /// The token is good and does not allow this (403).
    Forbidden,
    /// No such resource, directory or endpoint (404).
    NotFound,
    /// The endpoint exists and does not take this method (405).
    MethodNotAllowed,
    /// The client accepts no form of JSON (406).
    NotAcceptable,
    /// `If-Match` names an older version (412).
    PreconditionFailed,
    /// The body is over the limit (413).
    PayloadTooLarge,
    /// The body is not JSON by its media type (415).
    UnsupportedMediaType,
    /// Too many requests (429).
    TooManyRequests,
    /// The server does not offer this part of the protocol (501).
    NotImplemented,
    /// The directory is paused; the client should try again (503).
    Unavailable,
    /// A fault of ours (500).
    Internal,
}

impl ErrorKind {
    /// The HTTP status of the answer.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::InvalidSyntax
            | Self::InvalidFilter
            | Self::InvalidPath
            | Self::InvalidValue
            | Self::NoTarget
            | Self::Mutability
            | Self::InvalidVers
            | Self::InvalidCursor
            | Self::ExpiredCursor
            | Self::InvalidCount
            | Self::TooMany => StatusCode::BAD_REQUEST,
            Self::Uniqueness | Self::Conflict => StatusCode::CONFLICT,
            Self::Sensitive | Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The `scimType` keyword, where RFC 7644 §3.12 or RFC 9865 §2.2 names one.
    pub const fn scim_type(self) -> Option<&'static str> {
        match self {
            Self::InvalidSyntax => Some("invalidSyntax"),
            Self::InvalidFilter => Some("invalidFilter"),
            Self::InvalidPath => Some("invalidPath"),
            Self::InvalidValue => Some("invalidValue"),
            Self::NoTarget => Some("noTarget"),
            Self::Mutability => Some("mutability"),
            Self::InvalidVers => Some("invalidVers"),
            Self::InvalidCursor => Some("invalidCursor"),
            Self::ExpiredCursor => Some("expiredCursor"),
            Self::InvalidCount => Some("invalidCount"),
            Self::TooMany => Some("tooMany"),
            Self::Uniqueness => Some("uniqueness"),
            Self::Sensitive => Some("sensitive"),
            Self::Conflict
            | Self::Unauthorized
            | Self::Forbidden
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::NotAcceptable
            | Self::PreconditionFailed
            | Self::PayloadTooLarge
            | Self::UnsupportedMediaType
            | Self::TooManyRequests
            | Self::NotImplemented
            | Self::Unavailable
            | Self::Internal => None,
        }
    }
}

macro_rules! constructors {
    ($($name:ident => $kind:ident),+ $(,)?) => {
        impl Error {
            $(
                #[doc = concat!("A refusal of kind [`ErrorKind::", stringify!($kind), "`].")]
                pub fn $name(detail: impl Into<Cow<'static, str>>) -> Self {
                    Self::new(ErrorKind::$kind, detail)
                }
            )+
        }
    };
}

constructors! {
    invalid_syntax => InvalidSyntax,
    invalid_filter => InvalidFilter,
    invalid_path => InvalidPath,
    invalid_value => InvalidValue,
    no_target => NoTarget,
    mutability => Mutability,
    invalid_vers => InvalidVers,
    invalid_cursor => InvalidCursor,
    expired_cursor => ExpiredCursor,
    invalid_count => InvalidCount,
    too_many => TooMany,
    uniqueness => Uniqueness,
    conflict => Conflict,
    sensitive => Sensitive,
    unauthorized => Unauthorized,
    forbidden => Forbidden,
    not_found => NotFound,
    method_not_allowed => MethodNotAllowed,
    not_acceptable => NotAcceptable,
    precondition_failed => PreconditionFailed,
    payload_too_large => PayloadTooLarge,
    unsupported_media_type => UnsupportedMediaType,
    too_many_requests => TooManyRequests,
    not_implemented => NotImplemented,
    unavailable => Unavailable,
}

impl Error {
    /// A refusal with the sentence that the client reads.
    pub fn new(kind: ErrorKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            retry_after: None,
            source: None,
        }
    }

    /// A fault of ours: the client reads that there was one, the cause stays in [`source`](std::error::Error::source).
    pub fn internal(cause: impl Into<Source>) -> Self {
        Self {
            kind: ErrorKind::Internal,
            detail: Cow::Borrowed("the server could not complete the request"),
            retry_after: None,
            source: Some(cause.into()),
        }
    }

    /// The answer for an id that does not exist, is deleted, or belongs to somebody else.
    pub fn no_such_resource() -> Self {
        Self::not_found("there is no such resource in this directory")
    }

    /// Adds when the client may try again; sent as `Retry-After`, in whole seconds.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The kind of refusal.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The sentence for the client.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// When the client may try again.
    pub fn wait(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The HTTP status of the answer.
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// The `scimType` keyword of the answer.
    pub fn scim_type(&self) -> Option<&'static str> {
        self.kind.scim_type()
    }

    /// The error message of RFC 7644 §3.12; `status` is a JSON string there.
    pub fn body(&self) -> Value {
        let mut body = json!({
            "schemas": [ERROR_URN],
            "status": self.status().as_str(),
            "detail": self.detail,
        });
        if let (Some(scim_type), Some(object)) = (self.scim_type(), body.as_object_mut()) {
            object.insert("scimType".to_owned(), Value::from(scim_type));
        }
        body
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_a_string_in_the_body() {
        let body = Error::uniqueness("userName is taken").body();
        assert_eq!(body["status"], "409");
        assert_eq!(body["scimType"], "uniqueness");
        assert_eq!(body["schemas"], json!([ERROR_URN]));
    }

    #[test]
    fn internal_cause_never_reaches_the_client() {
        let error = Error::internal("password of the database");
        assert!(!error.body().to_string().contains("password"));
        assert!(std::error::Error::source(&error).is_some());
    }
}
