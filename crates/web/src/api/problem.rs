//! The wire error of the admin API (RFC 9457).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use vestibule_engine::{Fault, admin::AdminError};

/// A refusal, as the client reads it.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    body: ProblemBody,
}

/// Problem details after RFC 9457.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ProblemBody {
    /// `urn:vestibule:problem:` and the code.
    r#type: String,
    /// The code in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong, and what to do about it.
    detail: String,
    /// A word for programs.
    code: &'static str,
    /// The fields that are wrong, when some are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldProblem>,
}

/// What is wrong with a field.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct FieldProblem {
    /// The field, as a path into the request.
    field: String,
    /// What is wrong with it.
    detail: String,
}

impl Problem {
    fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        let body = ProblemBody {
            r#type: format!("urn:vestibule:problem:{code}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            code,
            errors: Vec::new(),
        };
        Self { status, body }
    }

    fn about(mut self, field: impl Into<String>, detail: impl Into<String>) -> Self {
        self.body.errors.push(FieldProblem {
            field: field.into(),
            detail: detail.into(),
        });
        self
    }

    pub(super) fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "Not found",
            "there is no such thing, or the key may not see it; check the path and the id",
        )
    }

    pub(super) fn method_not_allowed() -> Self {
        let detail =
            "the path exists and has no such method; the Allow header names the ones it has";
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "Method not allowed",
            detail,
        )
    }

    pub(super) fn unauthorized(detail: &'static str) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "Unauthorized",
            detail,
        )
    }

    pub(super) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Internal error",
            "the server failed; its log says why",
        )
    }

    pub(super) fn too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            "Body too large",
            "a body has at most 1 MiB",
        )
    }

    pub(super) fn query(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid_query",
            "Invalid query",
            detail,
        )
    }

    pub(super) fn cursor() -> Self {
        Self::query("the cursor is none that this list gave")
            .about("after", "use next_cursor of the page before")
    }

    pub(super) fn unreadable() -> Self {
        let detail = "the connection broke before the body was complete";
        Self::new(
            StatusCode::BAD_REQUEST,
            "unreadable_body",
            "Unreadable body",
            detail,
        )
    }

    pub(super) fn content_type() -> Self {
        let detail = "send the body with Content-Type: application/json";
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "Unsupported media type",
            detail,
        )
    }

    /// A body whose fields do not go together.
    pub(super) fn mixed(field: &'static str, detail: &'static str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid_body",
            "Invalid body",
            detail,
        )
        .about(field, detail)
    }

    pub(super) fn json(error: &serde_json::Error) -> Self {
        if !error.is_data() {
            let detail = format!("the body is not JSON: {error}");
            return Self::new(
                StatusCode::BAD_REQUEST,
                "malformed_json",
                "Malformed JSON",
                detail,
            );
        }
        let text = error.to_string();
        // The position says nothing about a field; the name stands between the first backticks.
        let text = text
            .split(" at line ")
            .next()
            .unwrap_or_default()
            .to_owned();
        let named = text.split('`').nth(1).map(str::to_owned);
        let (code, title) = match text.starts_with("unknown field") {
            true => ("unknown_field", "Unknown field"),
            false => ("invalid_body", "Invalid body"),
        };
        let problem = Self::new(StatusCode::BAD_REQUEST, code, title, text.clone());
        match named
            .filter(|_| text.starts_with("unknown field") || text.starts_with("missing field"))
        {
            Some(field) => problem.about(field, text),
            None => problem,
        }
    }
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::NotFound => Self::not_found(),
            AdminError::Forbidden { detail } => {
                Self::new(StatusCode::FORBIDDEN, "forbidden", "Forbidden", detail)
            }
            AdminError::Conflict { detail } => {
                Self::new(StatusCode::CONFLICT, "conflict", "Conflict", detail)
            }
            AdminError::Invalid { field, detail } => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid_field",
                "Invalid field",
                format!("{field} {detail}"),
            )
            .about(field, detail),
            AdminError::TooMany { detail } => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many",
                "Too many",
                detail,
            ),
            AdminError::Fault(fault) => fault.into(),
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let cause = std::error::Error::source(&fault).map(ToString::to_string);
        if fault.is_busy() {
            tracing::warn!(error = %fault, cause, "The admin API is busy");
            let detail = "the server is busy; repeat the request in a moment";
            return Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Busy", detail);
        }
        tracing::error!(error = %fault, cause, "The admin API failed");
        Self::internal()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(self.body)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer realm=\"vestibule admin API\""),
                );
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}
