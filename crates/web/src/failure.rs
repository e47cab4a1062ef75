//! Faults of ours on the wire: the caller learns that it may try again, the log learns why.

use std::any::Any;

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use vestibule_engine::Fault;

use crate::{pages, texts::Trouble};

/// The status of a fault: busy is worth a retry, anything else somebody has to look at.
pub(crate) fn status(fault: &Fault) -> StatusCode {
    match fault.is_busy() {
        true => StatusCode::SERVICE_UNAVAILABLE,
        false => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Writes a fault to the log, once.
pub(crate) fn log(fault: &Fault) {
    let cause = std::error::Error::source(fault)
        .map(ToString::to_string)
        .unwrap_or_default();
    tracing::error!(error = %fault, %cause, "A request failed on our side");
}

/// A fault, as a page.
#[derive(Debug)]
pub(crate) struct PageFailure(pub(crate) Fault);

impl From<Fault> for PageFailure {
    fn from(fault: Fault) -> Self {
        Self(fault)
    }
}

impl From<tower_sessions::session::Error> for PageFailure {
    fn from(error: tower_sessions::session::Error) -> Self {
        tracing::error!(%error, "A page's state could not be kept");
        Self(Fault::page_state())
    }
}

impl IntoResponse for PageFailure {
    fn into_response(self) -> Response {
        log(&self.0);
        let trouble = match self.0.is_busy() {
            true => Trouble::Busy,
            false => Trouble::Failed,
        };
        (status(&self.0), pages::trouble(trouble)).into_response()
    }
}

/// A fault, as the JSON of OAuth (RFC 6749 §5.2 has no code for it; `server_error` is the one of §4.1.2.1).
#[derive(Debug)]
pub(crate) struct OAuthFailure(Fault);

impl From<Fault> for OAuthFailure {
    fn from(fault: Fault) -> Self {
        Self(fault)
    }
}

impl IntoResponse for OAuthFailure {
    fn into_response(self) -> Response {
        log(&self.0);
        let body = serde_json::json!({ "error": "server_error", "error_description": "vestibule failed; try again" });
        (
            status(&self.0),
            [(header::CACHE_CONTROL, "no-store")],
            axum::Json(body),
        )
            .into_response()
    }
}

/// Marks a response in the place of a handler that panicked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Panicked;

/// A panic in a handler: nothing of it reaches the caller.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature that the layer wants"
)]
pub(crate) fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let what = panic
        .downcast_ref::<&str>()
        .copied()
        .or(panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("unknown");
    tracing::error!(what, "A handler panicked");
    let mut response = Response::new(Body::from(r#"{"error":"server_error"}"#));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.extensions_mut().insert(Panicked);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}
