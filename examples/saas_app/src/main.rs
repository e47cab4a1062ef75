//! A small app that signs its users in through Vestibule and speaks nothing but OpenID Connect.
//!
//! Register it with `POST /api/v1/applications` (redirect URI `http://127.0.0.1:4000/callback`, back-channel logout URI
//! `http://127.0.0.1:4000/backchannel-logout`), put `ISSUER`, `CLIENT_ID` and `CLIENT_SECRET` into the environment,
//! and `cargo run -p saas_app`. An app that is known by another URL names it in `APP_URL`.

mod provider;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Context as _;
use axum::{
    Form, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use provider::{Claims, Provider, random};
use serde::Deserialize;

struct App {
    provider: Provider,
    /// Logins on their way: `state` → `nonce` and PKCE verifier.
    waiting: Mutex<HashMap<String, (String, String)>>,
    /// Who is signed in: cookie → claims of the ID token.
    sessions: Mutex<HashMap<String, Claims>>,
    /// Logout tokens that were used; each works once.
    seen: Mutex<HashSet<String>>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let setting = |name| std::env::var(name).with_context(|| format!("{name} is not set"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:4000").await?;
    let url = setting("APP_URL").unwrap_or_else(|_| "http://127.0.0.1:4000".to_owned());
    println!("{url}/");
    let (issuer, id) = (setting("ISSUER")?, setting("CLIENT_ID")?);
    let provider = Provider::discover(&url, &issuer, &id, &setting("CLIENT_SECRET")?).await?;
    Ok(axum::serve(listener, app(provider)).await?)
}

fn app(provider: Provider) -> Router {
    let app = App {
        provider,
        waiting: Mutex::default(),
        sessions: Mutex::default(),
        seen: Mutex::default(),
    };
    Router::new()
        .route("/", get(home))
        .route("/login", get(login))
        .route("/callback", get(callback))
        .route("/backchannel-logout", post(backchannel_logout))
        .with_state(Arc::new(app))
}

async fn home(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let session = cookie(&headers, "fieldnotes");
    let claims = session.and_then(|id| lock(&app.sessions).get(id).cloned());
    match claims {
        Some(claims) => format!("Hello, {}!\n", claims.name.unwrap_or(claims.sub)).into_response(),
        None => Redirect::to("/login").into_response(),
    }
}

async fn login(State(app): State<Arc<App>>) -> Result<Response, Refused> {
    let (state, nonce, verifier) = (random()?, random()?, random()?);
    let to = app.provider.authorize_url(&state, &nonce, &verifier)?;
    lock(&app.waiting).insert(state.clone(), (nonce, verifier));
    // The answer is taken from the browser that began the login only.
    Ok(with_cookie(
        Redirect::to(to.as_str()),
        "fieldnotes_login",
        &state,
    ))
}

#[derive(Deserialize)]
struct Answer {
    state: String,
    iss: Option<String>,
    code: Option<String>,
    error: Option<String>,
}

async fn callback(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Query(answer): Query<Answer>,
) -> Result<Response, Refused> {
    let own = cookie(&headers, "fieldnotes_login") == Some(answer.state.as_str());
    let waiting = lock(&app.waiting).remove(&answer.state).filter(|_| own);
    let (nonce, verifier) = waiting.context("the login was not begun in this browser")?;
    // RFC 9207: the answer names who gives it, so that no other provider can slip its own in.
    ensure(
        answer.iss.as_deref() == Some(app.provider.issuer()),
        "another provider answered",
    )?;
    let code = answer
        .code
        .with_context(|| format!("the provider refused: {:?}", answer.error))?;
    let claims = app.provider.exchange(&code, &verifier).await?;
    ensure(
        claims.nonce.as_ref() == Some(&nonce),
        "the ID token is for another login",
    )?;
    let session = random()?;
    lock(&app.sessions).insert(session.clone(), claims);
    Ok(with_cookie(Redirect::to("/"), "fieldnotes", &session))
}

#[derive(Deserialize)]
struct Notice {
    logout_token: String,
}

/// OpenID Connect Back-Channel Logout 1.0 §2.6: the provider says that a person's session is over.
async fn backchannel_logout(
    State(app): State<Arc<App>>,
    Form(notice): Form<Notice>,
) -> Result<Response, Refused> {
    let token = app.provider.verify(&notice.logout_token).await?;
    ensure(token.is_logout(), "not a logout token")?;
    let jti = token.jti.clone().context("the token has no jti")?;
    ensure(lock(&app.seen).insert(jti), "the token was used before")?;
    lock(&app.sessions).retain(|_, session| match &token.sid {
        Some(sid) => session.sid.as_ref() != Some(sid),
        None => session.sub != token.sub,
    });
    Ok(([(header::CACHE_CONTROL, "no-store")], "").into_response())
}

/// The browser learns no more than that it has to start again; the reason is for the log.
struct Refused(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        eprintln!("refused: {:#}", self.0);
        (
            StatusCode::BAD_REQUEST,
            "That did not work; go back and start again.\n",
        )
            .into_response()
    }
}

fn ensure(holds: bool, otherwise: &'static str) -> anyhow::Result<()> {
    holds.then_some(()).context(otherwise)
}

fn with_cookie(response: impl IntoResponse, name: &str, value: &str) -> Response {
    // Behind https this cookie is `Secure` and its name begins with `__Host-`.
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax");
    ([(header::SET_COOKIE, cookie)], response).into_response()
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let pairs = headers.get(header::COOKIE)?.to_str().ok()?.split(';');
    let mut pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
