//! The first leg: where to send the browser, and what to remember.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{CoreAuthPrompt, CoreClient, CoreResponseType};
use openidconnect::{
    AuthUrl, AuthenticationContextClass, AuthenticationFlow, ClientId, CsrfToken, IssuerUrl,
    JsonWebKeySet, LoginHint, Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{Connection, Error, Secret};

/// The fewest characters of a state handle: 128 bits in base64url.
const SHORTEST_STATE: usize = 22;

/// What the app or its policy wants of this login.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct BeginOptions {
    /// Who probably signs in, so that the provider can skip a question.
    pub login_hint: Option<String>,
    /// The organization's domain, so that the provider can skip a question (Entra, IPSIE).
    pub domain_hint: Option<String>,
    /// The organization's domain as Google wants it (`hd`); the claim of that name is what counts.
    pub hosted_domain: Option<String>,
    /// How long ago the person may have proved themselves, in seconds; checked when the login is finished.
    pub max_age: Option<u32>,
    /// How the provider should involve the person.
    pub prompt: Option<Prompt>,
    /// Authentication context classes, best first. They are a wish: compare
    /// [`Authentication::acr`](crate::Authentication::acr) afterwards.
    pub acr_values: Vec<String>,
}

impl BeginOptions {
    /// No wishes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets who probably signs in.
    #[must_use]
    pub fn login_hint(mut self, login_hint: impl Into<String>) -> Self {
        self.login_hint = Some(login_hint.into());
        self
    }

    /// Sets the organization's domain.
    #[must_use]
    pub fn domain_hint(mut self, domain_hint: impl Into<String>) -> Self {
        self.domain_hint = Some(domain_hint.into());
        self
    }

    /// Sets the organization's domain as Google wants it.
    #[must_use]
    pub fn hosted_domain(mut self, hosted_domain: impl Into<String>) -> Self {
        self.hosted_domain = Some(hosted_domain.into());
        self
    }

    /// Sets how long ago the person may have proved themselves, in seconds.
    #[must_use]
    pub fn max_age(mut self, max_age: u32) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// Sets how the provider should involve the person.
    #[must_use]
    pub fn prompt(mut self, prompt: Prompt) -> Self {
        self.prompt = Some(prompt);
        self
    }

    /// Sets the authentication context classes wished for, best first.
    #[must_use]
    pub fn acr_values<S: Into<String>>(mut self, acr_values: impl IntoIterator<Item = S>) -> Self {
        self.acr_values = acr_values.into_iter().map(Into::into).collect();
        self
    }
}

/// The `prompt` parameter (Core §3.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Prompt {
    /// No page may be shown.
    None,
    /// The person must prove themselves again; a known `auth_time` is checked when the login is finished.
    Login,
    /// The person must consent again.
    Consent,
    /// The person must choose an account.
    SelectAccount,
}

/// A login on its way: send the browser to `authorize_url` and keep `pending`.
#[derive(Clone, Debug)]
#[must_use = "the pending login must be kept until the browser comes back"]
pub struct Begun {
    /// Where the browser goes.
    pub authorize_url: Url,
    /// What [`Connection::finish`] needs again.
    pub pending: Pending,
}

/// A login waiting for the identity provider's answer.
///
/// Keep it on the server under its state handle, bound to the browser by a cookie, and use it up with the first
/// answer, good or bad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    pub(crate) state: String,
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(crate) nonce: Secret,
    pub(crate) pkce_verifier: Secret,
    pub(crate) begun_at: i64,
    pub(crate) max_age: Option<u32>,
    pub(crate) prompt: Option<Prompt>,
}

/// The stored form of [`Pending`], which alone may carry the secrets in clear.
#[derive(Serialize, Deserialize)]
struct StoredPending {
    state: String,
    issuer: String,
    client_id: String,
    nonce: String,
    pkce_verifier: String,
    begun_at: i64,
    max_age: Option<u32>,
    prompt: Option<Prompt>,
}

impl Pending {
    /// The handle that the host gave.
    pub fn state(&self) -> &str {
        &self.state
    }

    /// When the login began, Unix seconds.
    pub fn begun_at(&self) -> i64 {
        self.begun_at
    }

    /// JSON for the host's store. It holds the PKCE verifier and the nonce: seal it.
    pub fn to_stored(&self) -> Secret {
        let stored = StoredPending {
            state: self.state.clone(),
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            nonce: self.nonce.expose().to_owned(),
            pkce_verifier: self.pkce_verifier.expose().to_owned(),
            begun_at: self.begun_at,
            max_age: self.max_age,
            prompt: self.prompt,
        };
        Secret::new(serde_json::to_string(&stored).unwrap_or_default())
    }

    /// Reads back what [`Pending::to_stored`] wrote.
    pub fn from_stored(stored: &Secret) -> Result<Self, Error> {
        let stored: StoredPending =
            crate::document::parse(stored.expose().as_bytes(), "stored pending login")?;
        Ok(Self {
            state: stored.state,
            issuer: stored.issuer,
            client_id: stored.client_id,
            nonce: Secret::new(stored.nonce),
            pkce_verifier: Secret::new(stored.pkce_verifier),
            begun_at: stored.begun_at,
            max_age: stored.max_age,
            prompt: stored.prompt,
        })
    }
}

impl Connection {
    /// Begins a login with the authorization code flow, PKCE S256 and a nonce.
    ///
    /// `state` is the host's handle of the pending login: at least 22 characters, unguessable, used once.
    /// `entropy` are 64 bytes of a cryptographic generator, never used for anything else.
    pub fn begin(
        &self,
        state: &str,
        entropy: &[u8; 64],
        options: &BeginOptions,
        now: i64,
    ) -> Result<Begun, Error> {
        if state.len() < SHORTEST_STATE {
            return Err(Error::Settings {
                reason: "the state handle is shorter than 22 characters",
            });
        }
        let (for_nonce, for_verifier) = entropy.split_at(32);
        let nonce = URL_SAFE_NO_PAD.encode(for_nonce);
        let pkce_verifier = URL_SAFE_NO_PAD.encode(for_verifier);
        let authorize_url = self.authorize_url(state, &nonce, &pkce_verifier, options)?;
        let pending = Pending {
            state: state.to_owned(),
            issuer: self.settings().issuer.clone(),
            client_id: self.settings().client_id.clone(),
            nonce: Secret::new(nonce),
            pkce_verifier: Secret::new(pkce_verifier),
            begun_at: now,
            max_age: options.max_age,
            prompt: options.prompt,
        };
        Ok(Begun {
            authorize_url,
            pending,
        })
    }

    fn authorize_url(
        &self,
        state: &str,
        nonce: &str,
        pkce_verifier: &str,
        options: &BeginOptions,
    ) -> Result<Url, Error> {
        let settings = self.settings();
        let not_absolute = |name| {
            move |_| Error::Url {
                name,
                reason: "it is not an absolute URL",
            }
        };
        // Not parsed and written anew: the provider compares the redirect URI byte for byte.
        let redirect_uri = RedirectUrl::new(settings.redirect_uri.clone())
            .map_err(not_absolute("redirect URI"))?;
        let client = CoreClient::new(
            ClientId::new(settings.client_id.clone()),
            IssuerUrl::new(settings.issuer.clone()).map_err(not_absolute("issuer"))?,
            JsonWebKeySet::new(Vec::new()),
        )
        .set_redirect_uri(redirect_uri)
        .set_auth_uri(AuthUrl::from_url(
            self.metadata().authorization_endpoint.clone(),
        ));
        let (state, nonce) = (state.to_owned(), nonce.to_owned());
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(
            pkce_verifier.to_owned(),
        ));
        let mut request = client
            .authorize_url(
                AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
                move || CsrfToken::new(state),
                move || Nonce::new(nonce),
            )
            .add_scopes(
                self.settings()
                    .scopes
                    .iter()
                    .filter(|scope| *scope != "openid")
                    .cloned()
                    .map(Scope::new),
            )
            .set_pkce_challenge(challenge);
        if let Some(login_hint) = &options.login_hint {
            request = request.set_login_hint(LoginHint::new(login_hint.clone()));
        }
        if let Some(domain_hint) = &options.domain_hint {
            request = request.add_extra_param("domain_hint", domain_hint.clone());
        }
        if let Some(hosted_domain) = &options.hosted_domain {
            request = request.add_extra_param("hd", hosted_domain.clone());
        }
        if let Some(max_age) = options.max_age {
            request = request.set_max_age(std::time::Duration::from_secs(max_age.into()));
        }
        if let Some(prompt) = options.prompt {
            request = request.add_prompt(match prompt {
                Prompt::None => CoreAuthPrompt::None,
                Prompt::Login => CoreAuthPrompt::Login,
                Prompt::Consent => CoreAuthPrompt::Consent,
                Prompt::SelectAccount => CoreAuthPrompt::SelectAccount,
            });
        }
        for acr_value in &options.acr_values {
            request =
                request.add_auth_context_value(AuthenticationContextClass::new(acr_value.clone()));
        }
        Ok(request.url().0)
    }
}
