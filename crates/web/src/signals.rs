//! What identity providers tell about people: global token revocations, and security event tokens that are pushed.

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::json;
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
    Ok(NoStore(match outcome {
        RevocationOutcome::Done => StatusCode::NO_CONTENT.into_response(),
        RevocationOutcome::Malformed => refused(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "sub_id is missing, or of a format that is not understood here",
        ),
        // The keys could not be read just now.
        RevocationOutcome::Unproven(refusal) if refusal.fault == RefusalActor::Network => refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            refusal.rule,
        ),
        RevocationOutcome::Unproven(refusal) => challenged(refused(
            StatusCode::UNAUTHORIZED,
            "invalid_token",
            refusal.rule,
        )),
        RevocationOutcome::Forbidden => refused(
            StatusCode::FORBIDDEN,
            "insufficient_scope",
            "the address is outside the organization's verified domains",
        ),
        RevocationOutcome::Unknown => refused(
            StatusCode::NOT_FOUND,
            "not_found",
            "nobody is known by this name",
        ),
        RevocationOutcome::NotOwn => refused(
            StatusCode::UNPROCESSABLE_ENTITY,
            "not_own",
            "the person comes in through another connection",
        ),
        RevocationOutcome::TooMany => {
            refused(StatusCode::TOO_MANY_REQUESTS, "slow_down", "too many")
        }
    })
    .into_response())
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
    let outcome = match (connection.parse(), String::from_utf8(body.to_vec())) {
        (Ok(connection_id), Ok(token)) => {
            web.engine
                .receive_signal(
                    connection_id,
                    bearer(&headers),
                    Secret::new(token.trim()),
                    address,
                    now,
                )
                .await?
        }
        (Ok(_), Err(_)) => PushOutcome::Refused(SignalTrouble::InvalidRequest),
        (Err(_), _) => PushOutcome::Gone,
    };
    let error = |status, err: &str, description: &str| {
        (
            status,
            Json(json!({ "err": err, "description": description })),
        )
            .into_response()
    };
    Ok(NoStore(match outcome {
        PushOutcome::Accepted => StatusCode::ACCEPTED.into_response(),
        PushOutcome::Refused(trouble) => {
            let status = match trouble {
                SignalTrouble::Later => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::BAD_REQUEST,
            };
            (status, Json(trouble.to_error())).into_response()
        }
        PushOutcome::Unproven => challenged(error(
            StatusCode::UNAUTHORIZED,
            "authentication_failed",
            "the bearer secret is not the one of this connection",
        )),
        PushOutcome::TooMany => error(
            StatusCode::TOO_MANY_REQUESTS,
            "authentication_failed",
            "too many",
        ),
        PushOutcome::Gone => error(
            StatusCode::NOT_FOUND,
            "access_denied",
            "no connection takes pushes here",
        ),
    })
    .into_response())
}

fn refused(status: StatusCode, error: &str, description: &str) -> Response {
    let body = json!({ "error": error, "error_description": description });
    (status, Json(body)).into_response()
}

fn challenged(mut response: Response) -> Response {
    response.headers_mut().insert(
        header::WWW_AUTHENTICATE,
        axum::http::HeaderValue::from_static("Bearer"),
    );
    response
}
