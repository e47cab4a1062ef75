//! Vestibule's axum routers, by audience: apps, people, identity providers, directories, operators, monitoring.
//!
//! A handler reads the request into the types of the protocol, calls one use case of the engine, and writes its outcome
//! for the audience. No rule of the product is decided here.
//!
//! [`router`] gives all of it for one public URL; hosts that embed Vestibule merge it into their own.

pub mod api;
mod assets;
mod break_glass;
mod choices;
mod client_address;
mod cookies;
mod csrf;
mod door;
mod failure;
mod headers;
mod language;
mod monitoring;
mod now;
mod oauth;
mod observe;
mod page_state;
mod pages;
mod people;
mod signals;
mod sso;
mod streams;
mod texts;
mod visit;

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, FromRef},
    middleware,
    response::Redirect,
    routing::get,
};
use ipnet::IpNet;
use url::Url;
use vestibule_engine::{Clock, Engine, Provisioning};

pub use cookies::Cookies;

/// Forms and token requests are small; the admin API and SCIM have limits of their own.
const FORM_LIMIT: usize = 64 * 1024;

/// What a host decides about the routers.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct WebOptions {
    trusted_proxies: Vec<IpNet>,
    metrics: Option<Arc<dyn Fn() -> String + Send + Sync>>,
    name: Option<String>,
}

impl WebOptions {
    /// No proxy is trusted, and there are no metrics.
    pub fn new() -> Self {
        Self::default()
    }

    /// Proxies whose `X-Forwarded-For` says where a request comes from.
    #[must_use]
    pub fn trusted_proxies(mut self, networks: Vec<IpNet>) -> Self {
        self.trusted_proxies = networks;
        self
    }

    /// The name on pages on which no organization is known yet; `Vestibule` if it is not said.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What `/metrics` answers, in Prometheus' text format.
    #[must_use]
    pub fn metrics(mut self, render: Arc<dyn Fn() -> String + Send + Sync>) -> Self {
        self.metrics = Some(render);
        self
    }
}

impl std::fmt::Debug for WebOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebOptions")
            .field("trusted_proxies", &self.trusted_proxies)
            .finish_non_exhaustive()
    }
}

/// What every handler may ask for.
#[derive(Clone)]
pub(crate) struct Web {
    pub(crate) engine: Engine,
    pub(crate) clock: Clock,
    pub(crate) cookies: Cookies,
    pub(crate) options: WebOptions,
}

impl FromRef<Web> for Engine {
    fn from_ref(web: &Web) -> Self {
        web.engine.clone()
    }
}

impl FromRef<Web> for Cookies {
    fn from_ref(web: &Web) -> Self {
        web.cookies.clone()
    }
}

/// Every route of an installation, below the path of its public URL.
///
/// Serve it with `into_make_service_with_connect_info::<SocketAddr>()`: rate limits need to know who calls.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a host hands its engine over"
)]
pub fn router(engine: Engine, clock: Clock, options: WebOptions) -> Router {
    let issuer = engine.issuer().clone();
    let cookies = Cookies::of(&issuer);
    let is_https = issuer.as_str().starts_with("https://");
    let name = options.name.clone();
    let door = door::Door::of(&issuer, name.unwrap_or_else(|| "Vestibule".to_owned()));
    let web = Web {
        engine: engine.clone(),
        clock: clock.clone(),
        cookies,
        options,
    };
    let pages = people::router()
        .merge(choices::router())
        .merge(break_glass::router())
        .merge(sso::router())
        .merge(oauth::page_router())
        .route_layer(page_state::layer(&web))
        .route_layer(middleware::from_fn_with_state(
            headers::Policy::of(&issuer),
            headers::pages,
        ));
    let inner = Router::new()
        .merge(pages)
        .merge(oauth::token_router())
        .merge(assets::router())
        .merge(monitoring::router())
        .merge(sso::document_router())
        .merge(signals::router())
        .merge(streams::router())
        .merge(visit::router())
        .layer(DefaultBodyLimit::max(FORM_LIMIT))
        .with_state(web.clone())
        .merge(api::api_router(engine.clone()))
        .merge(scim_router(&web));
    let nested = match issuer.path() {
        "" | "/" => inner,
        path => {
            let path = path.trim_end_matches('/').to_owned();
            // Our own links name the place with a slash at its end, which nesting does not serve.
            let home = format!("{path}/");
            Router::new()
                .nest(&path, inner)
                .route(&home, get(async move || Redirect::permanent(&path)))
        }
    };
    let whole = nested
        .merge(oauth::well_known_router(&engine))
        .merge(streams::well_known_router(&engine))
        .layer(Extension(clock))
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(
            failure::panicked,
        ))
        .layer(middleware::from_fn(observe::request))
        .layer(middleware::from_fn_with_state(Arc::new(door), door::write))
        .layer(middleware::from_fn(headers::all));
    match is_https {
        true => whole.layer(middleware::from_fn(headers::strict_transport)),
        false => whole,
    }
}

fn scim_router(web: &Web) -> Router {
    let engine = &web.engine;
    let directories = Arc::new(Provisioning::new(engine.clone(), web.clock.clone()));
    let mut router = Router::new();
    // Clients are set up with and without the version in the URL; both are the same directory.
    for base in ["/scim/v2", "/scim"] {
        if let Ok(url) = Url::parse(&engine.url("/scim/v2")) {
            let options = vestibule_scim::Options::new(url);
            router = router.nest(
                base,
                vestibule_scim::router(Arc::clone(&directories), options),
            );
        }
    }
    router.layer(middleware::from_fn_with_state(
        web.clone(),
        client_address::tell_scim,
    ))
}
