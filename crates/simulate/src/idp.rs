//! The company's identity provider: a small, real OpenID Provider.
//!
//! Code flow with PKCE, a login form, sessions with `sid`, userinfo, refresh, logout with
//! back-channel notices, key rotation; and faults that tests switch on to see them refused.
//! [`saml`] speaks SAML over the same [`state::State`]: the same people, sessions and login form.

mod admin;
mod authorize;
mod fault;
mod logout;
mod metadata;
mod pages;
mod saml;
mod state;
mod token;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use tokio::sync::broadcast;
use url::Url;

pub use fault::{Fault, Faults};
pub use saml::{Encrypts, KeyOverlap, NameIdKind, RequestRule, SamlClient, SloBinding};
use state::State;

use crate::http::Http;
use crate::jose::Algorithm;
use crate::saml::{Direction, KeyKind, LogoutRequest, QuerySigner, SamlKey, redirect_url};
use crate::{Person, Place, Running, clock};

/// What a provider starts with.
#[derive(Debug)]
pub struct IdpConfig {
    /// Where it listens; the place's URL without the trailing slash is the issuer.
    pub place: Place,
    /// The host name of the login page, where it differs from the issuer's.
    ///
    /// Servers call the issuer and need a name that they can resolve, for example `127.0.0.1`;
    /// `idp.localhost` here makes the login page a site of its own in the browser.
    pub browser_host: Option<String>,
    /// The name on the login page.
    pub company: String,
    /// What its tokens are signed with.
    pub algorithm: Algorithm,
    /// Who can sign in.
    pub people: Vec<Person>,
    /// Which applications it knows.
    pub clients: Vec<Client>,
    /// How long an ID token is good, in seconds.
    pub id_token_ttl: i64,
    /// PEM certificates to trust when it sends logout notices.
    pub root_certificates: Vec<String>,
    /// The bearer token of the JSON admin API; without it that API does not exist.
    pub admin_token: Option<String>,
    /// What kind of key its SAML messages are signed with.
    pub saml_key_kind: KeyKind,
    /// That key, where it is given; else one is made when it is first needed.
    pub saml_key: Option<SamlKey>,
}

impl IdpConfig {
    /// A provider without people and clients that signs with RS256.
    pub fn new(place: Place) -> Self {
        Self {
            place,
            browser_host: None,
            company: "Acme".to_owned(),
            algorithm: Algorithm::default(),
            people: Vec::new(),
            clients: Vec::new(),
            id_token_ttl: 300,
            root_certificates: Vec::new(),
            admin_token: None,
            saml_key_kind: KeyKind::default(),
            saml_key: None,
        }
    }
}

/// An application that is registered at the provider.
#[derive(Debug, Clone)]
pub struct Client {
    /// The client id.
    pub client_id: String,
    /// The secret, for `client_secret_basic` and `client_secret_post`; none for a public client.
    pub client_secret: Option<String>,
    /// Where codes may go, compared exactly.
    pub redirect_uris: Vec<String>,
    /// Where the browser may go after logout.
    pub post_logout_redirect_uris: Vec<String>,
    /// Where back-channel logout notices go.
    pub backchannel_logout_uri: Option<String>,
}

impl Client {
    /// A confidential client.
    pub fn new<'a>(
        client_id: &str,
        client_secret: &str,
        redirect_uris: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self {
            client_id: client_id.to_owned(),
            client_secret: Some(client_secret.to_owned()),
            redirect_uris: redirect_uris.into_iter().map(str::to_owned).collect(),
            post_logout_redirect_uris: Vec::new(),
            backchannel_logout_uri: None,
        }
    }
}

/// Something that happened at the provider.
#[derive(Debug, Clone)]
pub struct IdpEvent {
    /// What happened.
    pub kind: IdpEventKind,
    /// Whom it concerns, if that is known.
    pub user_name: Option<String>,
    /// The application that caused it.
    pub client_id: Option<String>,
    /// When.
    pub at: Instant,
}

/// The kinds of [`IdpEvent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdpEventKind {
    /// A login form was shown.
    LoginShown,
    /// Somebody typed a wrong name or password.
    PasswordRefused,
    /// Somebody signed in with a password.
    SignedIn,
    /// A code was issued, with or without a new sign-in.
    CodeIssued,
    /// A code was exchanged for tokens.
    CodeExchanged,
    /// A SAML assertion was issued, with or without a new sign-in.
    AssertionIssued,
    /// A session ended.
    SignedOut,
}

/// A running identity provider; clones are handles to the same one.
#[derive(Clone)]
pub struct IdentityProvider {
    state: Arc<State>,
    running: Running,
}

impl IdentityProvider {
    /// Starts to answer.
    #[expect(
        clippy::unused_async,
        reason = "a server needs a runtime; `async` makes that the type's matter"
    )]
    pub async fn start(config: IdpConfig) -> anyhow::Result<Self> {
        let IdpConfig { place, .. } = &config;
        let issuer = place.url().as_str().trim_end_matches('/').to_owned();
        let mut browser_url = place.url().clone();
        if let Some(host) = &config.browser_host {
            browser_url.set_host(Some(host))?;
        }
        let http = Http::new(&config.root_certificates)?;
        let state = Arc::new(State::new(issuer, browser_url, http, &config)?);
        let running = config.place.serve(router(state.clone()));
        Ok(Self { state, running })
    }

    /// The issuer identifier, without a trailing slash.
    pub fn issuer(&self) -> &str {
        &self.state.issuer
    }

    /// The issuer as a URL, with a trailing slash.
    pub fn url(&self) -> &Url {
        self.running.url()
    }

    /// The page with everything that people can start from here, as browsers reach it.
    pub fn home_url(&self) -> &Url {
        &self.state.browser_url
    }

    /// The server beneath.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// Lets a person sign in; one with the same user name is replaced.
    pub fn add_person(&self, person: Person) {
        self.state.add_person(person);
    }

    /// Takes a person out, and with them their sessions, codes and tokens here.
    pub fn remove_person(&self, user_name: &str) -> Option<Person> {
        self.state.remove_person(user_name)
    }

    /// Everybody who can sign in.
    pub fn people(&self) -> Vec<Person> {
        self.state.lock().people.clone()
    }

    /// Registers an application; one with the same id is replaced.
    pub fn add_client(&self, client: Client) {
        let mut inner = self.state.lock();
        inner
            .clients
            .retain(|known| known.client_id != client.client_id);
        inner.clients.push(client);
    }

    /// Signs with a new key of this algorithm from now on.
    ///
    /// The key before it stays published, so that its tokens still verify; older ones go.
    pub fn rotate_key(&self, algorithm: Algorithm) -> anyhow::Result<()> {
        self.state.rotate_key(algorithm)
    }

    /// Says from now on that people signed in by these methods (RFC 8176); by `pwd` until told otherwise.
    pub fn set_methods(&self, methods: &[&str]) {
        self.state.lock().methods = methods.iter().map(|&method| method.to_owned()).collect();
    }

    /// Lets its clock, as its tokens show it, run so many seconds ahead of the wall's: where the servers that it talks
    /// to are at another time too.
    pub fn set_clock_ahead(&self, seconds: i64) {
        self.state.lock().clock_ahead = seconds;
    }

    /// Misbehaves as told until told otherwise.
    pub fn set_faults(&self, faults: Faults) {
        self.state.lock().faults = faults;
    }

    /// Ends a person's sessions here and tells the applications (OIDC Back-Channel Logout 1.0).
    ///
    /// Returns how many notices were accepted.
    pub async fn end_sessions(&self, user_name: &str) -> anyhow::Result<usize> {
        logout::end_sessions(&self.state, user_name).await
    }

    /// A signed logout token, as [`IdentityProvider::end_sessions`] sends it, with claims replaced
    /// or (null) removed.
    pub fn logout_token(
        &self,
        client_id: &str,
        changes: &serde_json::Value,
    ) -> anyhow::Result<String> {
        logout::token_with(&self.state, client_id, changes)
    }

    /// Any statement signed with the provider's key, such as a security event token; for signals and for forgeries.
    pub fn signed(&self, typ: &str, claims: &serde_json::Value) -> anyhow::Result<String> {
        let key = self.state.lock().signing_key()?;
        key.sign(typ, claims)
    }

    /// Where the provider's keys are.
    pub fn jwks_uri(&self) -> String {
        format!("{}/jwks", self.state.issuer)
    }

    /// The SAML entity id: where the metadata is.
    pub fn saml_entity_id(&self) -> String {
        self.state.saml_entity_id()
    }

    /// The SAML metadata, as `GET /saml/metadata` answers.
    pub fn saml_metadata(&self) -> anyhow::Result<String> {
        saml::metadata_document(&self.state)
    }

    /// Where SAML sign-in requests go.
    pub fn saml_sso_url(&self) -> String {
        self.state.saml_url("sso")
    }

    /// Where SAML logout messages go.
    pub fn saml_slo_url(&self) -> String {
        self.state.saml_url("slo")
    }

    /// The page that begins a login at a service provider from here.
    pub fn saml_start_url(&self, entity_id: &str) -> String {
        let sp: String = url::form_urlencoded::byte_serialize(entity_id.as_bytes()).collect();
        format!("{}?sp={sp}", self.state.saml_url("start"))
    }

    /// Registers a SAML service provider; one with the same entity id is replaced.
    pub fn add_saml_client(&self, client: SamlClient) {
        self.state.lock().saml.add_client(client);
    }

    /// The key that signs SAML messages now, for tests that forge what the provider could have sent.
    pub fn saml_key(&self) -> anyhow::Result<SamlKey> {
        self.state.lock().saml.key()
    }

    /// Publishes the certificate that will sign after [`IdentityProvider::rotate_saml_key`].
    pub fn announce_saml_key(&self) -> anyhow::Result<SamlKey> {
        self.state.lock().saml.announce()
    }

    /// Signs SAML messages with the announced key, or else with a new one, from now on.
    pub fn rotate_saml_key(&self, overlap: KeyOverlap) -> anyhow::Result<SamlKey> {
        self.state.lock().saml.rotate(overlap)
    }

    /// Says which groups a person is in; SAML assertions tell.
    pub fn set_groups<'a>(&self, user_name: &str, groups: impl IntoIterator<Item = &'a str>) {
        let groups = groups.into_iter().map(str::to_owned).collect();
        let mut inner = self.state.lock();
        inner.saml.groups.insert(user_name.to_owned(), groups);
    }

    /// The logout requests of a person's sessions for one service provider, not yet signed.
    pub fn saml_logout_requests(
        &self,
        entity_id: &str,
        user_name: &str,
    ) -> anyhow::Result<Vec<LogoutRequest>> {
        let inner = self.state.lock();
        let to = inner.saml.client(entity_id);
        let to = to.and_then(|client| client.slo_url.clone());
        let to = to.unwrap_or_default();
        inner
            .participants(user_name, entity_id)
            .into_iter()
            .map(|participant| {
                LogoutRequest::new(
                    &self.state.saml_entity_id(),
                    &to,
                    participant.name_id,
                    Some(&participant.session_index),
                    clock::unix_seconds(),
                )
            })
            .collect()
    }

    /// The address with which a browser carries such a request, signed, to the service provider.
    pub fn saml_logout_url(
        &self,
        entity_id: &str,
        request: &LogoutRequest,
    ) -> anyhow::Result<String> {
        use anyhow::Context as _;
        let mut inner = self.state.lock();
        let key = inner.saml.key()?;
        let client = inner.saml.client(entity_id).context("an unknown client")?;
        let to = client.slo_url.as_deref().context("it takes no logout")?;
        let xml = client.style.document(&request.element(client.style));
        redirect_url(
            to,
            Direction::Request,
            &xml,
            None,
            Some(&QuerySigner::new(&key)),
        )
    }

    /// What happens from now on.
    pub fn events(&self) -> broadcast::Receiver<IdpEvent> {
        self.state.events.subscribe()
    }

    /// Stops listening.
    pub async fn shutdown(&self) {
        self.running.shutdown().await;
    }
}

fn router(state: Arc<State>) -> Router {
    use axum::routing::{get, post};
    let mut router = saml::router()
        .route("/", get(pages::home))
        .route("/style.css", get(pages::style))
        .route(
            "/.well-known/openid-configuration",
            get(metadata::discovery),
        )
        .route("/jwks", get(metadata::jwks))
        .route(
            "/authorize",
            get(authorize::by_query).post(authorize::by_form),
        )
        .route("/login", post(authorize::login))
        .route("/token", post(token::exchange))
        .route("/userinfo", get(token::userinfo).post(token::userinfo))
        .route("/logout", get(logout::by_query).post(logout::by_form));
    if state.admin_token.is_some() {
        router = router
            .route("/people", get(admin::list_people).post(admin::add_person))
            .route(
                "/people/{user_name}",
                axum::routing::delete(admin::remove_person),
            )
            .route("/clients", post(admin::add_client))
            .route("/saml/clients", post(admin::add_saml_client));
    }
    router.with_state(state)
}
