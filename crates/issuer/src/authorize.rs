//! The authorization endpoint: OpenID Connect Core §3.1.2, RFC 6749 §4.1, RFC 9207.
//!
//! A request is read in two steps, because an error found before the redirect URI is known to be
//! the client's must end on a page of ours: [`AuthorizeRequest::parse`] gives the client's id, the
//! host finds its registration, and [`AuthorizeRequest::check`] tells a [`Refusal::Page`] from a
//! [`Refusal::Redirect`].

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::issuer::Issuer;
use crate::params::{Duplicate, Params};
use crate::pkce::CodeChallenge;
use crate::redirect;
use crate::scope::{Scope, ScopeValue};

const MAX_CLIENT_ID: usize = 255;
const MAX_REDIRECT_URI: usize = 2048;
const MAX_STATE: usize = 4096;
const MAX_NONCE: usize = 255;
const MAX_HINT: usize = 512;

/// An authorization request of which only the sender's claim to be a client has been read.
#[derive(Debug, Clone)]
pub struct AuthorizeRequest {
    client_id: String,
    redirect_uri: String,
    params: Params,
    pushed: bool,
}

/// What the host knows about the client.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientRegistration {
    /// The client's id.
    pub client_id: String,
    /// The registered redirect URIs, as checked by [`redirect::validate`].
    pub redirect_uris: Vec<String>,
    /// What the client may ask for; the rest of a request's scope is dropped.
    pub scope: Scope,
    /// Whether the client has to push its requests (RFC 9126 §6).
    pub must_push: bool,
}

impl ClientRegistration {
    /// A client that may ask for every scope.
    pub fn new(client_id: impl Into<String>, redirect_uris: Vec<String>) -> Self {
        Self {
            client_id: client_id.into(),
            redirect_uris,
            scope: Scope::ALL,
            must_push: false,
        }
    }

    /// Refuses requests that come through the browser.
    #[must_use]
    pub fn must_push(mut self, must_push: bool) -> Self {
        self.must_push = must_push;
        self
    }

    /// Limits the scopes that the client may ask for.
    #[must_use]
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }
}

/// A checked authorization request. It has no secrets and may be stored as JSON while the user
/// signs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Authorization {
    /// The client that asks.
    pub client_id: String,
    /// Where and how to answer.
    pub reply: Reply,
    /// What is asked for and allowed; always has `openid`.
    pub scope: Scope,
    /// To be kept with the code and compared at the exchange.
    pub code_challenge: CodeChallenge,
    /// To be repeated in the ID token.
    pub nonce: Option<String>,
    /// How the user may be asked.
    pub prompt: Prompt,
    /// Seconds since the user's last active sign-in; older means sign in again. Zero means always.
    pub max_age: Option<u32>,
    /// The wanted authentication classes, best first.
    pub acr_values: Vec<String>,
    /// An e-mail address or user name to begin with.
    pub login_hint: Option<String>,
    /// A domain whose organization's way of signing in is wanted.
    pub domain_hint: Option<String>,
    /// The id of the organization in which the user must be.
    pub organization: Option<String>,
    /// The id of the connection by which the user must sign in.
    pub connection: Option<String>,
    /// An earlier ID token; check it by [`crate::id_token::IdTokenHint::verify`].
    pub id_token_hint: Option<String>,
    /// Wanted languages, best first.
    pub ui_locales: Vec<String>,
}

/// The values of `prompt` (OpenID Connect Core §3.1.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// Absent: ask only what is needed.
    #[default]
    AsNeeded,
    /// `none`: never show a page; answer at once or with an error.
    None,
    /// At least one of the interactive values.
    Interactive(Interaction),
}

/// The interactive values of `prompt`, which may stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Interaction {
    /// Sign in again even with a session.
    pub login: bool,
    /// Ask for consent.
    pub consent: bool,
    /// Let the user choose among sessions.
    pub select_account: bool,
}

impl Prompt {
    /// The values that discovery announces.
    pub const VALUES: [&str; 4] = ["none", "login", "consent", "select_account"];

    /// Whether no page may be shown.
    pub fn is_none(self) -> bool {
        self == Self::None
    }

    /// Whether the user has to sign in again.
    pub fn wants_login(self) -> bool {
        matches!(self, Self::Interactive(Interaction { login: true, .. }))
    }

    /// Whether the user has to consent.
    pub fn wants_consent(self) -> bool {
        matches!(self, Self::Interactive(Interaction { consent: true, .. }))
    }

    /// Whether the user has to choose among sessions.
    pub fn wants_account(self) -> bool {
        matches!(
            self,
            Self::Interactive(Interaction {
                select_account: true,
                ..
            })
        )
    }

    fn parse(text: &str) -> Option<Self> {
        if text == "none" {
            return Some(Self::None);
        }
        let mut interaction = Interaction::default();
        for value in text.split(' ') {
            match value {
                "login" => interaction.login = true,
                "consent" => interaction.consent = true,
                "select_account" => interaction.select_account = true,
                _ => return None,
            }
        }
        Some(Self::Interactive(interaction))
    }
}

/// An error that must be shown on a page of ours, never sent to the redirect URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PageError {
    /// `client_id` is missing, too long or there twice.
    #[error("the client_id is missing or invalid")]
    ClientId,
    /// `redirect_uri` is missing, too long or there twice.
    #[error("the redirect_uri is missing or invalid")]
    RedirectUri,
    /// The registration handed in belongs to another client.
    #[error("the client is unknown")]
    UnknownClient,
    /// The `request_uri` names no request that this client pushed within the last minute and has not used yet.
    #[error("the request_uri is unknown, too old or used")]
    RequestUri,
    /// The redirect URI is none of the client's. The usual cause is a slash or a port: add the exact
    /// URI to the application.
    #[error("the redirect_uri is not registered for this client")]
    UnregisteredRedirectUri,
}

/// Why a request is not granted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Show a page: nothing says that the redirect URI is the client's.
    #[error(transparent)]
    Page(#[from] PageError),
    /// Tell the client, by [`Reply::refuse`].
    #[error("{error}")]
    Redirect {
        /// The way back.
        reply: Reply,
        /// What to say.
        error: AuthorizeError,
    },
}

/// An error that the client is told in the redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{}: {description}", code.as_str())]
pub struct AuthorizeError {
    /// The standard error code.
    pub code: AuthorizeErrorCode,
    /// For the client's developer; never the request's own text.
    pub description: &'static str,
}

/// Error codes of RFC 6749 §4.1.2.1 and OpenID Connect Core §3.1.2.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthorizeErrorCode {
    /// A parameter is missing, invalid or there twice.
    InvalidRequest,
    /// The client may not do this.
    UnauthorizedClient,
    /// The user or the policy said no.
    AccessDenied,
    /// Not `code`.
    UnsupportedResponseType,
    /// `openid` is missing or the syntax is wrong.
    InvalidScope,
    /// We failed.
    ServerError,
    /// We are overloaded or in maintenance.
    TemporarilyUnavailable,
    /// `prompt=none` and no usable session.
    LoginRequired,
    /// `prompt=none` and something would have to be asked.
    InteractionRequired,
    /// `prompt=none` and several sessions.
    AccountSelectionRequired,
    /// `prompt=none` and consent is missing.
    ConsentRequired,
    /// `request` is not supported.
    RequestNotSupported,
    /// `request_uri` is not supported.
    RequestUriNotSupported,
    /// `registration` is not supported.
    RegistrationNotSupported,
    /// The asked authentication class or age was not reached upstream.
    UnmetAuthenticationRequirements,
}

impl AuthorizeErrorCode {
    /// The value of `error` on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::AccessDenied => "access_denied",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::LoginRequired => "login_required",
            Self::InteractionRequired => "interaction_required",
            Self::AccountSelectionRequired => "account_selection_required",
            Self::ConsentRequired => "consent_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
        }
    }
}

impl AuthorizeError {
    /// An error with a text for the client's developer (printable ASCII without `"` and `\`).
    pub fn new(code: AuthorizeErrorCode, description: &'static str) -> Self {
        Self { code, description }
    }
}

impl From<Duplicate> for AuthorizeError {
    fn from(_: Duplicate) -> Self {
        Self::new(
            AuthorizeErrorCode::InvalidRequest,
            "a parameter is present more than once",
        )
    }
}

/// How an answer travels through the browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// In the query of a redirect.
    #[default]
    Query,
    /// In a form that the browser posts (OAuth 2.0 Form Post Response Mode).
    FormPost,
}

/// What the browser has to do with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Go to this URL, by 303.
    Redirect(String),
    /// Post these fields to the client's redirect URI.
    Post {
        /// The redirect URI.
        action: String,
        /// The fields of the form.
        fields: Vec<(&'static str, String)>,
    },
}

/// The way back to the client: a checked redirect URI and the client's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    redirect_uri: String,
    state: Option<String>,
    #[serde(default)]
    mode: ResponseMode,
}

impl Reply {
    /// The redirect URI of the request, byte for byte; kept with the code for the exchange.
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// The answer with a code; carries `state` and `iss` (RFC 9207).
    pub fn success(&self, issuer: &Issuer, code: &str) -> Answer {
        self.answer(issuer, &[("code", code)])
    }

    /// The answer with an error; carries `state` and `iss` (RFC 9207).
    pub fn refuse(&self, issuer: &Issuer, error: &AuthorizeError) -> Answer {
        self.answer(
            issuer,
            &[
                ("error", error.code.as_str()),
                ("error_description", error.description),
            ],
        )
    }

    fn answer(&self, issuer: &Issuer, pairs: &[(&'static str, &str)]) -> Answer {
        let mut pairs = pairs.to_vec();
        if let Some(state) = &self.state {
            pairs.push(("state", state));
        }
        pairs.push(("iss", issuer.as_str()));
        match self.mode {
            ResponseMode::Query => {
                Answer::Redirect(redirect::append_query(&self.redirect_uri, &pairs))
            }
            ResponseMode::FormPost => Answer::Post {
                action: self.redirect_uri.clone(),
                fields: pairs
                    .into_iter()
                    .map(|(name, value)| (name, value.to_owned()))
                    .collect(),
            },
        }
    }
}

impl AuthorizeRequest {
    /// Reads who asks and where the answer should go, and nothing else.
    pub fn parse(params: Params) -> Result<Self, PageError> {
        let client_id = short(&params, "client_id", MAX_CLIENT_ID).ok_or(PageError::ClientId)?;
        let redirect_uri =
            short(&params, "redirect_uri", MAX_REDIRECT_URI).ok_or(PageError::RedirectUri)?;
        Ok(Self {
            client_id,
            redirect_uri,
            params,
            pushed: false,
        })
    }

    /// The request was pushed by the authenticated client (RFC 9126).
    #[must_use]
    pub fn pushed(mut self) -> Self {
        self.pushed = true;
        self
    }

    /// The id by which the host finds the registration.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Checks the redirect URI first and then everything else.
    pub fn check(&self, client: &ClientRegistration) -> Result<Authorization, Refusal> {
        if client.client_id != self.client_id {
            return Err(PageError::UnknownClient.into());
        }
        if !redirect::is_registered(&client.redirect_uris, &self.redirect_uri) {
            return Err(PageError::UnregisteredRedirectUri.into());
        }
        let reply = Reply {
            redirect_uri: self.redirect_uri.clone(),
            state: short(&self.params, "state", MAX_STATE),
            // An error, too, goes back as the client asked for it; what is no mode of ours is answered by query.
            mode: match self.params.get("response_mode") {
                Ok(Some("form_post")) => ResponseMode::FormPost,
                _ => ResponseMode::Query,
            },
        };
        self.read(client, reply.clone())
            .map_err(|error| Refusal::Redirect { reply, error })
    }

    fn read(
        &self,
        client: &ClientRegistration,
        reply: Reply,
    ) -> Result<Authorization, AuthorizeError> {
        let params = &self.params;
        params.refuse_duplicates()?;
        refuse_unsupported(params)?;
        if params
            .get("state")?
            .is_some_and(|state| state.len() > MAX_STATE)
        {
            return Err(invalid("state is longer than 4096 bytes"));
        }
        match params.get("response_type")? {
            Some("code") => {}
            None => return Err(invalid("response_type is missing")),
            Some(_) => {
                return Err(AuthorizeError::new(
                    AuthorizeErrorCode::UnsupportedResponseType,
                    "response_type must be code",
                ));
            }
        }
        if params
            .get("response_mode")?
            .is_some_and(|mode| !matches!(mode, "query" | "form_post"))
        {
            return Err(invalid("response_mode must be query or form_post"));
        }
        if client.must_push && !self.pushed {
            return Err(invalid(
                "this client has to push its requests first and send the request_uri",
            ));
        }
        Ok(Authorization {
            client_id: self.client_id.clone(),
            reply,
            scope: scope(params)?.intersection(client.scope.with(ScopeValue::OpenId)),
            code_challenge: code_challenge(params)?,
            nonce: bounded(params, "nonce", MAX_NONCE, "nonce is longer than 255 bytes")?,
            prompt: match params.get("prompt")? {
                None => Prompt::default(),
                Some(text) => Prompt::parse(text).ok_or(invalid(
                    "prompt is unknown, or none stands with another value",
                ))?,
            },
            max_age: max_age(params)?,
            acr_values: words(params, "acr_values")?,
            login_hint: hint(params, "login_hint")?,
            domain_hint: hint(params, "domain_hint")?,
            organization: hint(params, "organization")?,
            connection: hint(params, "connection")?,
            id_token_hint: params.get("id_token_hint")?.map(str::to_owned),
            ui_locales: words(params, "ui_locales")?,
        })
    }
}

fn invalid(description: &'static str) -> AuthorizeError {
    AuthorizeError::new(AuthorizeErrorCode::InvalidRequest, description)
}

fn short(params: &Params, name: &str, max: usize) -> Option<String> {
    let value = params.get(name).ok().flatten()?;
    (value.len() <= max).then(|| value.to_owned())
}

fn bounded(
    params: &Params,
    name: &str,
    max: usize,
    description: &'static str,
) -> Result<Option<String>, AuthorizeError> {
    match params.get(name)? {
        Some(value) if value.len() > max => Err(invalid(description)),
        value => Ok(value.map(str::to_owned)),
    }
}

fn hint(params: &Params, name: &str) -> Result<Option<String>, AuthorizeError> {
    bounded(params, name, MAX_HINT, "a hint is longer than 512 bytes")
}

fn words(params: &Params, name: &str) -> Result<Vec<String>, AuthorizeError> {
    let text = hint(params, name)?.unwrap_or_default();
    Ok(text.split_ascii_whitespace().map(str::to_owned).collect())
}

/// Core §6: a provider that does not support these must say so rather than ignore them.
fn refuse_unsupported(params: &Params) -> Result<(), AuthorizeError> {
    use AuthorizeErrorCode::{
        RegistrationNotSupported, RequestNotSupported, RequestUriNotSupported,
    };
    for (name, code, description) in [
        (
            "request",
            RequestNotSupported,
            "request objects are not supported",
        ),
        (
            "request_uri",
            RequestUriNotSupported,
            "request_uri is not supported",
        ),
        (
            "registration",
            RegistrationNotSupported,
            "registration is not supported",
        ),
    ] {
        if params.get(name)?.is_some() {
            return Err(AuthorizeError::new(code, description));
        }
    }
    Ok(())
}

fn scope(params: &Params) -> Result<Scope, AuthorizeError> {
    let refuse = |description| AuthorizeError::new(AuthorizeErrorCode::InvalidScope, description);
    let text = params
        .get("scope")?
        .ok_or(refuse("scope must contain openid"))?;
    let scope = Scope::parse(text).map_err(|_| refuse("scope has invalid syntax"))?;
    if scope.contains(ScopeValue::OpenId) {
        Ok(scope)
    } else {
        Err(refuse("scope must contain openid"))
    }
}

/// The method has to be named: RFC 7636 §4.3 reads its absence as `plain`.
fn code_challenge(params: &Params) -> Result<CodeChallenge, AuthorizeError> {
    let challenge = params.get("code_challenge")?;
    let challenge = challenge.ok_or(invalid("code_challenge is required"))?;
    if params.get("code_challenge_method")? != Some("S256") {
        return Err(invalid("code_challenge_method must be S256"));
    }
    CodeChallenge::parse(challenge).ok_or(invalid(
        "code_challenge must be the base64url of a SHA-256 hash",
    ))
}

fn max_age(params: &Params) -> Result<Option<u32>, AuthorizeError> {
    let Some(text) = params.get("max_age")? else {
        return Ok(None);
    };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(seconds) if digits => Ok(Some(seconds)),
        _ => Err(invalid("max_age must be a number of seconds")),
    }
}

#[cfg(test)]
mod tests;
