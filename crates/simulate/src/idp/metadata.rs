//! What the provider publishes about itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::Fault;
use super::pages::internal_error;
use super::state::State;

/// OpenID Connect Discovery 1.0 §3.
pub(super) async fn discovery(Shared(state): Shared<Arc<State>>) -> Json<Value> {
    let issuer = &state.issuer;
    let browser = state.browser_url.as_str().trim_end_matches('/');
    let inner = state.lock();
    let named = if inner.faults.has(Fault::WrongDiscoveryIssuer) {
        "https://other.example"
    } else {
        issuer
    };
    let alg = inner
        .signing_key()
        .map(|key| key.algorithm().name())
        .unwrap_or_default();
    Json(json!({
        "issuer": named,
        "authorization_endpoint": format!("{browser}/authorize"),
        "end_session_endpoint": format!("{browser}/logout"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [alg],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "token_endpoint_auth_methods_supported":
            ["client_secret_basic", "client_secret_post", "none"],
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login"],
        "claims_supported": [
            "sub", "oid", "sid", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr",
            "name", "given_name", "family_name", "preferred_username", "email", "email_verified",
        ],
        "authorization_response_iss_parameter_supported": true,
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
    }))
}

/// The keys that tokens verify under (RFC 7517 §5).
pub(super) async fn jwks(Shared(state): Shared<Arc<State>>) -> Response {
    let inner = state.lock();
    if inner.faults.has(Fault::KeysDown) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match inner.public_keys() {
        Ok(keys) => Json(json!({ "keys": keys })).into_response(),
        Err(error) => internal_error(&error),
    }
}
