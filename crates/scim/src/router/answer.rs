//! From an outcome to an HTTP response.

use axum::body::Body;
use axum::response::Response;
use http::header::{
    ALLOW, CONTENT_TYPE, ETAG, HeaderName, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderValue, StatusCode};
use serde_json::Value;

use super::headers::SCIM_JSON;
use crate::error::{Error, ErrorKind};

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// A successful answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Option<Value>,
    pub(super) etag: Option<String>,
    pub(super) location: Option<String>,
    /// The preference that was followed (RFC 7240 §3).
    pub(super) preference: Option<&'static str>,
}

impl Answer {
    /// 200 with a body.
    pub(super) fn ok(body: Value) -> Self {
        Self {
            body: Some(body),
            ..Self::empty(StatusCode::OK)
        }
    }

    /// No body.
    pub(super) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            body: None,
            etag: None,
            location: None,
            preference: None,
        }
    }

    /// Adds the version of the resource.
    pub(super) fn version(mut self, etag: String) -> Self {
        self.etag = Some(etag);
        self
    }

    /// The response in the media type that the client accepts.
    pub(super) fn into_response(self, media: &'static str) -> Response {
        let mut response = build(self.status, self.body.as_ref(), media);
        insert(&mut response, ETAG, self.etag);
        insert(&mut response, LOCATION, self.location);
        let preference = self.preference.map(str::to_owned);
        insert(&mut response, PREFERENCE_APPLIED, preference);
        response
    }
}

/// The response to a refused request.
pub(super) fn refusal(
    error: &Error,
    allow: Option<&'static str>,
    media: Option<&'static str>,
) -> Response {
    let body = error.body();
    let mut response = build(error.status(), Some(&body), media.unwrap_or(SCIM_JSON));
    if error.kind() == ErrorKind::Unauthorized {
        let challenge = "Bearer realm=\"scim\"".to_owned();
        insert(&mut response, WWW_AUTHENTICATE, Some(challenge));
    }
    if error.kind() == ErrorKind::MethodNotAllowed {
        insert(&mut response, ALLOW, allow.map(str::to_owned));
    }
    let wait = error.wait().map(|wait| wait.as_secs().max(1).to_string());
    insert(&mut response, RETRY_AFTER, wait);
    response
}

fn build(status: StatusCode, body: Option<&Value>, media: &'static str) -> Response {
    let mut response = match body {
        None => Response::new(Body::empty()),
        Some(body) => {
            // A JSON value has no map whose keys are not texts, so writing it out does not fail.
            let body = serde_json::to_vec(body).unwrap_or_default();
            let mut response = Response::new(Body::from(body));
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static(media));
            response
        }
    };
    *response.status_mut() = status;
    response
}

/// Ids and versions come from the host; one that is no header value is left out.
fn insert(response: &mut Response, name: HeaderName, value: Option<String>) {
    if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
        response.headers_mut().insert(name, value);
    }
}
