//! The pages that people see at the provider.

use std::sync::Arc;

use askama::Template;
use axum::extract::State as Shared;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::state::{COOKIE, State};
use crate::place::cookie_of;

/// No scripts, no foreign parts. `form-action` is absent on purpose: browsers apply it to the
/// redirect back to the application too.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'";

#[derive(Template)]
#[template(path = "idp/login.html")]
pub(super) struct LoginPage<'a> {
    pub(super) company: &'a str,
    pub(super) client: &'a str,
    pub(super) request: &'a str,
    pub(super) user_name: &'a str,
    pub(super) error: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "idp/message.html")]
pub(super) struct MessagePage<'a> {
    pub(super) company: &'a str,
    pub(super) title: &'a str,
    pub(super) text: &'a str,
}

pub(super) fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (
            status,
            [
                (CONTENT_SECURITY_POLICY, POLICY),
                (CACHE_CONTROL, "no-store"),
            ],
            Html(html),
        )
            .into_response(),
        Err(error) => internal_error(&anyhow::Error::new(error)),
    }
}

pub(super) fn message(state: &State, status: StatusCode, title: &str, text: &str) -> Response {
    page(
        status,
        &MessagePage {
            company: &state.company,
            title,
            text,
        },
    )
}

pub(super) fn internal_error(error: &anyhow::Error) -> Response {
    tracing::error!(error = %error, "The simulated identity provider failed");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// Who is signed in at the provider.
pub(super) async fn home(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Response {
    let cookie = cookie_of(&headers, COOKIE);
    let name = cookie.and_then(|cookie| {
        let inner = state.lock();
        let session = inner.session(&cookie)?;
        Some(inner.person(&session.user_name)?.name())
    });
    match name {
        Some(name) => message(
            &state,
            StatusCode::OK,
            &name,
            "You are signed in at your company.",
        ),
        None => message(
            &state,
            StatusCode::OK,
            "Not signed in",
            "Start from the app you want to use.",
        ),
    }
}

pub(super) async fn style() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/css")],
        include_str!("../../assets/idp.css"),
    )
}

pub(super) fn json(status: StatusCode, body: &serde_json::Value) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body.to_string()).into_response()
}
