//! What identity providers tell about people: global token revocations, and security event tokens that are pushed.

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use vestibule_core::Secret;
use vestibule_engine::{PushOutcome, RefusalActor, RevocationOutcome, SignalTrouble};

use crate::{
    Web,
    client_address::ClientAddress,
    failure::OAuthFailure,
    now::Now,
    oauth::{NoStore, bearer},
};

/// Routes for identity providers that are not pages.
pub(crate) fn router() -> Router<Web> {
    Router::new()
        .route("/sso/{connection}/global-token-revocation", post(revoke))
        .route("/sso/{connection}/ssf/events", post(push))
}

/// `POST /sso/{connection}/global-token-revocation` (draft-parecki-oauth-global-token-revocation; Okta Universal Logout).
async fn revoke(
    State(web): State<Web>,
    Now(now): Now,
    ClientAddress(address): ClientAddress,
    Path(connection): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, OAuthFailure> {
    let outcome = match connection.parse() {
        Ok(connection_id) => {
            let token = bearer(&headers);
            web.engine
                .receive_revocation(connection_id, token, body.to_vec(), address, now)
                .await?
        }
        Err(_) => RevocationOutcome::Unknown,
    };
    Ok(NoStore(answer_to_revocation(outcome)).into_response())
}

fn answer_to_revocation(outcome: RevocationOutcome) -> Response {
    let (status, error, description) = match outcome {
        RevocationOutcome::Done => return StatusCode::NO_CONTENT.into_response(),
        RevocationOutcome::Malformed => (
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "sub_id is missing, or of a format that is not understood here",
        ),
        // The keys could not be read just now.
        RevocationOutcome::Unproven(refusal) if refusal.fault == RefusalActor::Network => (
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            refusal.rule,
        ),
        RevocationOutcome::Unproven(refusal) => {
            (StatusCode::UNAUTHORIZED, "invalid_token", refusal.rule)
        }
        RevocationOutcome::Forbidden => (
            StatusCode::FORBIDDEN,
            "insufficient_scope",
            "the address is outside the organization's verified domains",
        ),
        RevocationOutcome::Unknown => (
            StatusCode::NOT_FOUND,
            "not_found",
            "nobody is known by this name",
        ),
        RevocationOutcome::NotOwn => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "not_own",
            "the person comes in through another connection",
        ),
        RevocationOutcome::TooMany => (StatusCode::TOO_MANY_REQUESTS, "slow_down", "too many"),
    };
    let body = json!({ "error": error, "error_description": description });
    refused(status, body)
}

/// `POST /sso/{connection}/ssf/events`: a security event token (RFC 8935 §2).
async fn push(
    State(web): State<Web>,
    Now(now): Now,
    ClientAddress(address): ClientAddress,
    Path(connection): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, OAuthFailure> {
    let outcome = match connection.parse() {
        Ok(connection_id) => {
            let token = Secret::new(String::from_utf8_lossy(&body).trim());
            web.engine
                .receive_signal(connection_id, bearer(&headers), token, address, now)
                .await?
        }
        Err(_) => PushOutcome::Gone,
    };
    Ok(NoStore(answer_to_push(&outcome)).into_response())
}

fn answer_to_push(outcome: &PushOutcome) -> Response {
    let (status, err, description) = match outcome {
        PushOutcome::Accepted => return StatusCode::ACCEPTED.into_response(),
        PushOutcome::Refused(trouble) => {
            let status = match trouble {
                SignalTrouble::Later => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::BAD_REQUEST,
            };
            return (status, Json(trouble.to_error())).into_response();
        }
        PushOutcome::Unproven => (
            StatusCode::UNAUTHORIZED,
            "authentication_failed",
            "the bearer secret is not the one of this connection",
        ),
        PushOutcome::TooMany => (
            StatusCode::TOO_MANY_REQUESTS,
            "authentication_failed",
            "too many",
        ),
        PushOutcome::Gone => (
            StatusCode::NOT_FOUND,
            "access_denied",
            "no connection takes pushes here",
        ),
    };
    refused(status, json!({ "err": err, "description": description }))
}

/// A refusal; with a challenge where the caller has not proven who it is (RFC 9110 §15.5.2).
fn refused(status: StatusCode, body: Value) -> Response {
    let mut response = (status, Json(body)).into_response();
    if status == StatusCode::UNAUTHORIZED {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
