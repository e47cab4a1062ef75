//! Signing in: to the provider and back.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use aws_lc_rs::digest;
use axum::extract::{Form, Query, State as Shared};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse as _, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use url::Url;

use super::pages::{COOKIE, problem};
use super::provider::Expected;
use super::state::{AppEventKind, Pending, State};
use crate::place::cookie_of;
use crate::{chance, clock};

/// Binds a login under way to the browser that began it.
const LOGIN_COOKIE: &str = "app_login";
/// What `/login` hands on to the provider.
const HANDED_ON: [&str; 8] = [
    "login_hint",
    "organization",
    "connection",
    "domain_hint",
    "prompt",
    "max_age",
    "acr_values",
    "ui_locales",
];

type Parameters = HashMap<String, String>;

/// Sends the browser to the provider with state, nonce and PKCE.
pub(super) async fn begin(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Query(parameters): Query<Parameters>,
) -> Response {
    send(&state, &headers, &parameters).await
}

/// A login that the provider starts (OIDC Core §4).
pub(super) async fn initiate(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Query(parameters): Query<Parameters>,
) -> Response {
    initiated(&state, &headers, &parameters).await
}

/// The same by POST, which §4 asks for too.
pub(super) async fn initiate_by_form(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Form(parameters): Form<Parameters>,
) -> Response {
    initiated(&state, &headers, &parameters).await
}

/// Takes the provider's answer.
pub(super) async fn finish(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Query(parameters): Query<Parameters>,
) -> Response {
    match exchange(&state, &headers, &parameters).await {
        Ok(cookie) => {
            let set = AppendHeaders([
                (
                    SET_COOKIE,
                    format!("{COOKIE}={cookie}; Path=/; HttpOnly; SameSite=Lax"),
                ),
                (SET_COOKIE, format!("{LOGIN_COOKIE}=; Path=/; Max-Age=0")),
            ]);
            (set, Redirect::to("/")).into_response()
        }
        Err(error) => {
            let reason = format!("{error:#}");
            state.tell(
                AppEventKind::LoginRefused(reason.clone()),
                None,
                Instant::now(),
            );
            problem(
                &state,
                StatusCode::BAD_REQUEST,
                "You are not signed in",
                &reason,
            )
        }
    }
}

async fn initiated(state: &State, headers: &HeaderMap, parameters: &Parameters) -> Response {
    if parameters.get("iss") != Some(&state.provider.issuer) {
        let text = "The provider that sent you here is not the one this app knows.";
        return problem(
            state,
            StatusCode::BAD_REQUEST,
            "This link does not work",
            text,
        );
    }
    // `target_link_uri` is ignored: the app has one page, and following it blindly would make the
    // app an open redirector.
    let hint: Parameters = parameters
        .iter()
        .filter(|(name, _)| *name == "login_hint")
        .map(own)
        .collect();
    send(state, headers, &hint).await
}

fn own((name, value): (&String, &String)) -> (String, String) {
    (name.clone(), value.clone())
}

async fn send(state: &State, headers: &HeaderMap, parameters: &Parameters) -> Response {
    match authorization_url(state, headers, parameters).await {
        Ok((url, browser)) => {
            state.tell(AppEventKind::LoginStarted, None, Instant::now());
            let cookie = format!("{LOGIN_COOKIE}={browser}; Path=/; HttpOnly; SameSite=Lax");
            (AppendHeaders([(SET_COOKIE, cookie)]), Redirect::to(&url)).into_response()
        }
        Err(error) => {
            let reason = format!("{error:#}");
            problem(
                state,
                StatusCode::BAD_GATEWAY,
                "The provider cannot be reached",
                &reason,
            )
        }
    }
}

async fn authorization_url(
    state: &State,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> anyhow::Result<(String, String)> {
    let metadata = state.provider.metadata().await?;
    let mut url = Url::parse(&metadata.authorization_endpoint)?;
    let (login, nonce, verifier) = (chance::token()?, chance::token()?, chance::token()?);
    // Logins under way in two tabs share the browser's cookie.
    let browser = match cookie_of(headers, LOGIN_COOKIE) {
        Some(cookie) if !cookie.is_empty() => cookie,
        _ => chance::token()?,
    };
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
    {
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &state.provider.client_id)
            .append_pair("redirect_uri", &state.urls.redirect_uri)
            .append_pair("scope", &state.provider.scope)
            .append_pair("state", &login)
            .append_pair("nonce", &nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        for name in HANDED_ON {
            if let Some(value) = parameters.get(name) {
                query.append_pair(name, value);
            }
        }
    }
    let max_age = parameters
        .get("max_age")
        .and_then(|seconds| seconds.parse().ok());
    let started_at = clock::unix_millis();
    let pending = Pending {
        browser: browser.clone(),
        nonce,
        verifier,
        max_age,
        started_at,
    };
    state.add_pending(login, pending);
    Ok((url.into(), browser))
}

/// Judges the provider's answer and opens a session; returns its cookie.
async fn exchange(
    state: &State,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> anyhow::Result<String> {
    let login = parameters.get("state").context("the answer has no state")?;
    let browser = cookie_of(headers, LOGIN_COOKIE);
    let pending = state
        .take_pending(login, browser.as_deref())
        .context("this browser began no such login, or it took too long")?;
    state
        .provider
        .check_iss(parameters.get("iss").map(String::as_str))
        .await?;
    if let Some(error) = parameters.get("error") {
        let description = parameters
            .get("error_description")
            .map_or("", String::as_str);
        anyhow::bail!("the provider answered {error}: {description}");
    }
    let code = parameters.get("code").context("the answer has no code")?;
    let expected = Expected {
        nonce: &pending.nonce,
        max_age: pending.max_age,
    };
    let (id_token, tokens) = state
        .provider
        .exchange(code, &state.urls.redirect_uri, &pending.verifier, &expected)
        .await?;
    let former = cookie_of(headers, COOKIE);
    state.open_session(id_token, tokens, former.as_deref())
}
