//! Logout at the provider: by the person's browser, and by notice to the applications.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Form, Query, State as Shared};
use axum::http::HeaderMap;
use axum::http::header::SET_COOKIE;
use axum::response::{AppendHeaders, IntoResponse as _, Response};
use serde_json::{Value, json};
use url::Url;

use super::IdpEventKind;
use super::pages::internal_error;
use super::saml::{After, begin_logout};
use super::state::{COOKIE, Session, State};
use crate::chance;
use crate::place::cookie_of;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

type Parameters = HashMap<String, String>;

pub(super) async fn by_query(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Query(parameters): Query<Parameters>,
) -> Response {
    end(&state, &headers, &parameters).await
}

pub(super) async fn by_form(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Form(parameters): Form<Parameters>,
) -> Response {
    end(&state, &headers, &parameters).await
}

/// RP-Initiated Logout 1.0: the browser's session ends, the applications hear of it.
async fn end(state: &State, headers: &HeaderMap, parameters: &Parameters) -> Response {
    let cookie = cookie_of(headers, COOKIE);
    let session = cookie.and_then(|cookie| state.lock().take_session(&cookie));
    let sessions: Vec<Session> = session.into_iter().collect();
    if let Err(error) = notify(state, &sessions).await {
        return internal_error(&error);
    }
    let cleared = AppendHeaders([(SET_COOKIE, format!("{COOKIE}=; Path=/; Max-Age=0"))]);
    let after = return_address(state, parameters).map_or(After::Stay, After::Go);
    // Those that speak SAML hear of it through the browser, before it goes on.
    (cleared, begin_logout(state, &sessions, after)).into_response()
}

/// The registered address to go back to; the client is named beside it.
fn return_address(state: &State, parameters: &Parameters) -> Option<Url> {
    let wanted = parameters.get("post_logout_redirect_uri")?;
    let inner = state.lock();
    let client = inner.client(parameters.get("client_id")?)?;
    if !client.post_logout_redirect_uris.contains(wanted) {
        return None;
    }
    let mut url = Url::parse(wanted).ok()?;
    if let Some(state) = parameters.get("state") {
        url.query_pairs_mut().append_pair("state", state);
    }
    Some(url)
}

pub(super) async fn end_sessions(state: &State, user_name: &str) -> anyhow::Result<usize> {
    let sessions = state.lock().take_sessions(user_name);
    notify(state, &sessions).await
}

pub(super) async fn notify(state: &State, sessions: &[Session]) -> anyhow::Result<usize> {
    let mut accepted = 0;
    for session in sessions {
        state.tell(IdpEventKind::SignedOut, Some(&session.user_name), None);
        let sub = state
            .lock()
            .person(&session.user_name)
            .map(|person| person.sub.clone());
        for client_id in &session.clients {
            let to = state
                .lock()
                .client(client_id)
                .and_then(|c| c.backchannel_logout_uri.clone());
            let Some(to) = to else { continue };
            let token = token_with(state, client_id, &json!({"sub": sub, "sid": session.sid}))?;
            match state
                .http
                .post_form(&to, None, &[("logout_token", &token)])
                .await
            {
                Ok(answer) if answer.is_success() => accepted += 1,
                Ok(answer) => tracing::warn!(status = answer.status, "A logout notice was refused"),
                Err(error) => tracing::warn!(error = %error, "A logout notice got no answer"),
            }
        }
    }
    Ok(accepted)
}

/// A logout token (OIDC Back-Channel Logout 1.0 §2.4) with claims replaced or, by null, removed.
pub(super) fn token_with(
    state: &State,
    client_id: &str,
    changes: &Value,
) -> anyhow::Result<String> {
    let iat = state.lock().now();
    let mut claims = json!({
        "iss": state.issuer,
        "aud": client_id,
        "iat": iat,
        "exp": iat + 120,
        "jti": chance::token()?,
        "events": {EVENT: {}},
    });
    if let (Some(claims), Some(changes)) = (claims.as_object_mut(), changes.as_object()) {
        for (name, value) in changes {
            if value.is_null() {
                claims.remove(name);
            } else {
                claims.insert(name.clone(), value.clone());
            }
        }
    }
    let key = state.lock().signing_key()?;
    key.sign("logout+jwt", &claims)
}
