//! The app's own pages.

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::State as Shared;
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, SET_COOKIE,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, Html, IntoResponse, Redirect, Response};
use serde_json::json;
use url::Url;

use super::state::{AppSession, AppState, State};
use crate::place::cookie_of;

/// The session cookie's name; the host is loopback and http, so it cannot carry `__Host-`.
pub(super) const COOKIE: &str = "app_session";
/// `form-action` is absent on purpose: browsers apply it to the redirect to the provider's logout.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'";

#[derive(Template)]
#[template(path = "app/home.html")]
struct HomePage<'a> {
    app: &'a str,
    session: Option<&'a AppSession>,
    notice: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "app/problem.html")]
struct ProblemPage<'a> {
    app: &'a str,
    title: &'a str,
    text: &'a str,
}

/// Shows who is signed in, or a way in.
pub(super) async fn home(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Response {
    let session = current(&state, &headers);
    show(&state, StatusCode::OK, session.as_ref(), None)
}

/// Uses the session's refresh token, on demand.
pub(super) async fn refresh(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Response {
    let as_json = headers
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.starts_with("application/json"));
    let Some(session) = current(&state, &headers) else {
        return if as_json {
            (
                StatusCode::UNAUTHORIZED,
                Json(json!({"error": "no_session"})),
            )
                .into_response()
        } else {
            show(
                &state,
                StatusCode::UNAUTHORIZED,
                None,
                Some("Your session has ended."),
            )
        };
    };
    let (status, notice) = match state.refresh(&session.id).await {
        Ok(outcome) if as_json => return Json(json!(outcome)).into_response(),
        Ok(outcome) => match outcome.error {
            None => (StatusCode::OK, "Fresh tokens arrived.".to_owned()),
            Some(error) => (
                StatusCode::UNAUTHORIZED,
                format!("The provider refused the refresh: {error}."),
            ),
        },
        Err(error) => (
            StatusCode::BAD_GATEWAY,
            format!("The refresh failed: {error:#}."),
        ),
    };
    let session = current(&state, &headers);
    show(&state, status, session.as_ref(), Some(&notice))
}

/// Ends the session here and goes on to the provider (RP-Initiated Logout 1.0 §2).
pub(super) async fn logout(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Response {
    let hint = cookie_of(&headers, COOKIE).and_then(|cookie| state.sign_out(&cookie));
    let metadata = state.provider.metadata().await.ok();
    let endpoint =
        metadata.and_then(|metadata| Url::parse(metadata.end_session_endpoint.as_ref()?).ok());
    let cleared = AppendHeaders([(SET_COOKIE, format!("{COOKIE}=; Path=/; Max-Age=0"))]);
    let target = match (endpoint, hint) {
        (Some(mut url), Some(id_token)) => {
            url.query_pairs_mut()
                .append_pair("id_token_hint", &id_token)
                .append_pair("client_id", &state.provider.client_id)
                .append_pair(
                    "post_logout_redirect_uri",
                    &state.urls.post_logout_redirect_uri,
                );
            String::from(url)
        }
        _ => "/".to_owned(),
    };
    (cleared, Redirect::to(&target)).into_response()
}

/// What tests look at; no tokens, no cookies.
pub(super) async fn state(Shared(state): Shared<Arc<State>>) -> Json<AppState> {
    Json(state.snapshot())
}

pub(super) async fn style() -> impl IntoResponse {
    (
        [(CONTENT_TYPE, "text/css")],
        include_str!("../../assets/app.css"),
    )
}

pub(super) fn problem(state: &State, status: StatusCode, title: &str, text: &str) -> Response {
    page(
        status,
        &ProblemPage {
            app: &state.name,
            title,
            text,
        },
    )
}

fn show(
    state: &State,
    status: StatusCode,
    session: Option<&AppSession>,
    notice: Option<&str>,
) -> Response {
    page(
        status,
        &HomePage {
            app: &state.name,
            session,
            notice,
        },
    )
}

fn current(state: &State, headers: &HeaderMap) -> Option<AppSession> {
    state.session(&cookie_of(headers, COOKIE)?)
}

fn page(status: StatusCode, template: &impl Template) -> Response {
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
        Err(error) => {
            tracing::error!(error = %error, "A page of the sample app failed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
