//! Logout notices (OIDC Back-Channel Logout 1.0).

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Form, State as Shared};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::json;

use super::provider::LogoutClaims;
use super::state::{AppEventKind, LogoutToken, State};
use crate::clock;

#[derive(Deserialize)]
pub(super) struct Notice {
    logout_token: String,
}

/// Verifies a logout token fully and ends the sessions that it names.
pub(super) async fn receive(
    Shared(state): Shared<Arc<State>>,
    Form(notice): Form<Notice>,
) -> Response {
    let (received, received_at) = (Instant::now(), clock::unix_millis());
    match state
        .provider
        .judge_logout_token(&notice.logout_token)
        .await
    {
        Ok(LogoutClaims {
            jti,
            sub,
            sid,
            claims,
        }) => {
            let token = LogoutToken {
                received_at,
                received,
                jti,
                sub,
                sid,
                ended: 0,
                claims,
            };
            if state.take_logout_token(token) {
                (StatusCode::OK, [(CACHE_CONTROL, "no-store")]).into_response()
            } else {
                refuse(&state, "the token was used before", received)
            }
        }
        Err(error) => refuse(&state, &format!("{error:#}"), received),
    }
}

fn refuse(state: &State, reason: &str, at: Instant) -> Response {
    state.tell(
        AppEventKind::LogoutNoticeRefused(reason.to_owned()),
        None,
        at,
    );
    let body = json!({"error": "invalid_request", "error_description": reason});
    let headers = [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_TYPE, "application/json"),
    ];
    (StatusCode::BAD_REQUEST, headers, body.to_string()).into_response()
}
