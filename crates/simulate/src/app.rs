//! A small SaaS app that speaks only OpenID Connect to its provider.
//!
//! It does what the standards ask of an app and nothing more, so that what a test sees here is
//! what real apps would see. It keeps the tokens of ended sessions, to show that they died too.

mod backchannel;
mod login;
mod pages;
mod provider;
mod state;

use std::sync::Arc;

use axum::Router;
use tokio::sync::broadcast;
use url::Url;

pub use state::{
    AppEvent, AppEventKind, AppSession, AppState, Ending, LogoutToken, Probe, TokenOutcome,
};

use provider::Provider;
use state::State;

use crate::http::Http;
use crate::{Place, Running};

/// The addresses of an app, as its provider registers them.
#[derive(Debug, Clone)]
pub struct AppUrls {
    /// Where codes go.
    pub redirect_uri: String,
    /// Where the browser goes after logout.
    pub post_logout_redirect_uri: String,
    /// Where logout notices go; by address, because the provider's server has to resolve it.
    pub backchannel_logout_uri: String,
    /// Where the provider starts a login (OIDC Core §4).
    pub initiate_login_uri: String,
}

impl AppUrls {
    /// The addresses of an app at this place.
    pub fn of(place: &Place) -> Self {
        let (public, loopback) = (place.url(), place.loopback_url());
        Self {
            redirect_uri: format!("{public}callback"),
            post_logout_redirect_uri: public.to_string(),
            backchannel_logout_uri: format!("{loopback}backchannel-logout"),
            initiate_login_uri: format!("{public}initiate"),
        }
    }
}

/// What an app starts with.
#[derive(Debug)]
pub struct AppConfig {
    /// Where it listens.
    pub place: Place,
    /// The name on its pages.
    pub name: String,
    /// Its provider's issuer identifier.
    pub issuer: String,
    /// Its client id there.
    pub client_id: String,
    /// Its client secret there, sent by HTTP Basic.
    pub client_secret: String,
    /// What it asks for.
    pub scope: String,
    /// PEM certificates to trust when it calls its provider.
    pub root_certificates: Vec<String>,
}

impl AppConfig {
    /// An app that asks for profile, e-mail address and refresh tokens.
    pub fn new(place: Place, issuer: &str, client_id: &str, client_secret: &str) -> Self {
        Self {
            place,
            name: "Fieldnotes".to_owned(),
            issuer: issuer.to_owned(),
            client_id: client_id.to_owned(),
            client_secret: client_secret.to_owned(),
            scope: "openid profile email offline_access".to_owned(),
            root_certificates: Vec::new(),
        }
    }
}

/// A running app; clones are handles to the same one.
#[derive(Clone)]
pub struct SampleApp {
    state: Arc<State>,
    urls: AppUrls,
    running: Running,
}

impl SampleApp {
    /// Starts to answer; the provider is asked at the first login.
    #[expect(
        clippy::unused_async,
        reason = "a server needs a runtime; `async` makes that the type's matter"
    )]
    pub async fn start(config: AppConfig) -> anyhow::Result<Self> {
        let urls = AppUrls::of(&config.place);
        let provider = Provider {
            http: Http::new(&config.root_certificates)?,
            issuer: config.issuer,
            client_id: config.client_id,
            client_secret: config.client_secret,
            scope: config.scope,
            cache: tokio::sync::Mutex::default(),
        };
        let state = Arc::new(State::new(config.name, urls.clone(), provider));
        let running = config.place.serve(router(state.clone()));
        Ok(Self {
            state,
            urls,
            running,
        })
    }

    /// Its URL for browsers, with a trailing slash.
    pub fn url(&self) -> &Url {
        self.running.url()
    }

    /// Its registered addresses.
    pub fn urls(&self) -> &AppUrls {
        &self.urls
    }

    /// The server beneath.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// Its sessions and the logout notices it received.
    pub fn state(&self) -> AppState {
        self.state.snapshot()
    }

    /// Uses a session's refresh token, also that of an ended session.
    pub async fn refresh(&self, session_id: &str) -> anyhow::Result<TokenOutcome> {
        self.state.refresh(session_id).await
    }

    /// Tries a session's access token at userinfo and then its refresh token, ended or not.
    pub async fn probe(&self, session_id: &str) -> anyhow::Result<Probe> {
        self.state.probe(session_id).await
    }

    /// What happens from now on.
    pub fn events(&self) -> broadcast::Receiver<AppEvent> {
        self.state.events.subscribe()
    }

    /// Stops listening.
    pub async fn shutdown(&self) {
        self.running.shutdown().await;
    }
}

fn router(state: Arc<State>) -> Router {
    use axum::routing::{get, post};
    Router::new()
        .route("/", get(pages::home))
        .route("/style.css", get(pages::style))
        .route("/state", get(pages::state))
        .route("/refresh", post(pages::refresh))
        .route("/logout", post(pages::logout))
        .route("/login", get(login::begin))
        .route(
            "/initiate",
            get(login::initiate).post(login::initiate_by_form),
        )
        .route("/callback", get(login::finish))
        .route("/backchannel-logout", post(backchannel::receive))
        .with_state(state)
}
