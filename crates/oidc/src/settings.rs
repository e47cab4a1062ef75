//! What a host knows about one customer's identity provider.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ClientKey, ProviderKind};

/// A value that must not appear in a log: a client secret or a PKCE verifier.
///
/// It has neither `Display` nor `Serialize`, and its `Debug` prints nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the clear value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The clear value, for the request it belongs in or for sealing.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(redacted)")
    }
}

/// How the client proves itself at the token endpoint (OpenID Connect Core §9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClientAuth {
    /// The secret in an `Authorization: Basic` header.
    #[default]
    ClientSecretBasic,
    /// The secret in the form body.
    ClientSecretPost,
    /// An assertion signed with the client's own key (RFC 7523).
    PrivateKeyJwt,
    /// A public client: PKCE alone.
    None,
}

impl ClientAuth {
    /// The name in `token_endpoint_auth_methods_supported`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::None => "none",
        }
    }
}

/// Whom a client assertion is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AssertionAudience {
    /// The provider's issuer as one string, as IPSIE and FAPI 2.0 want it.
    #[default]
    Issuer,
    /// The address that is called, which Okta and Entra insist on; only on the issuer's own host.
    Endpoint,
}

/// Whether requests are handed in beforehand (RFC 9126).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PushedRequests {
    /// Where the provider offers it.
    #[default]
    Auto,
    /// Always; a provider that does not offer it refuses the login.
    Always,
    /// Only where the provider demands it.
    Never,
}

/// A signature algorithm that an ID token may use.
///
/// There is no `none` and no HMAC: an ID token is never trusted for a key that a second party knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256; what Entra, Google and Okta use.
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    #[serde(rename = "RS384")]
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    #[serde(rename = "RS512")]
    Rs512,
    /// RSASSA-PSS with SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// RSASSA-PSS with SHA-384.
    #[serde(rename = "PS384")]
    Ps384,
    /// RSASSA-PSS with SHA-512.
    #[serde(rename = "PS512")]
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// ECDSA on P-384 with SHA-384.
    #[serde(rename = "ES384")]
    Es384,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// What a connection accepts unless told otherwise.
    pub const DEFAULT: [Self; 4] = [Self::Rs256, Self::Es256, Self::Ps256, Self::EdDsa];

    /// What the IPSIE profile accepts: no PKCS#1 v1.5.
    pub const IPSIE: [Self; 3] = [Self::Es256, Self::Ps256, Self::EdDsa];

    /// The name in a JOSE header (RFC 7518 §3.1, RFC 8037 §3.1).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// Whether the claims of the userinfo endpoint are asked for after the ID token was accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UserInfo {
    /// The ID token says enough.
    #[default]
    Skip,
    /// Asked only where the ID token lacks one of [`ConnectionSettings::wanted_claims`].
    Missing,
    /// One more request; an answer about another subject refuses the login.
    Fetch,
}

/// The settings of one connection, before discovery.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionSettings {
    /// The issuer, byte for byte as the identity provider writes it; a trailing slash counts.
    pub issuer: String,
    /// Our identifier at the identity provider.
    pub client_id: String,
    /// Our secret there; absent for a public client.
    pub client_secret: Option<Secret>,
    /// How the client proves itself.
    pub client_auth: ClientAuth,
    /// The key of [`ClientAuth::PrivateKeyJwt`].
    pub client_key: Option<ClientKey>,
    /// Whom assertions are for.
    pub assertion_audience: AssertionAudience,
    /// Whether requests are handed in beforehand.
    pub pushed_requests: PushedRequests,
    /// Whose provider it is, where that brings rules of its own.
    pub provider: ProviderKind,
    /// Scopes beside `openid`, which is always asked for.
    pub scopes: Vec<String>,
    /// Where the identity provider sends the browser back; one per connection, so that two providers never share it.
    pub redirect_uri: String,
    /// Signature algorithms an ID token may use.
    pub algorithms: Vec<Algorithm>,
    /// Audiences that may stand beside ours in `aud`.
    pub trusted_audiences: Vec<String>,
    /// Claims that must be one of these strings, such as `hd` at Google or `tid` at Entra.
    pub required_claims: Vec<(String, Vec<String>)>,
    /// Claims for which userinfo is asked where the ID token lacks one ([`UserInfo::Missing`]).
    pub wanted_claims: Vec<String>,
    /// Whether userinfo is fetched.
    pub userinfo: UserInfo,
}

impl ConnectionSettings {
    /// Settings with safe defaults: scopes `email profile`, client_secret_basic, [`Algorithm::DEFAULT`].
    pub fn new(
        issuer: impl Into<String>,
        client_id: impl Into<String>,
        redirect_uri: impl Into<String>,
    ) -> Self {
        Self {
            issuer: issuer.into(),
            client_id: client_id.into(),
            client_secret: None,
            client_auth: ClientAuth::default(),
            client_key: None,
            assertion_audience: AssertionAudience::default(),
            pushed_requests: PushedRequests::default(),
            provider: ProviderKind::default(),
            scopes: vec!["email".to_owned(), "profile".to_owned()],
            redirect_uri: redirect_uri.into(),
            algorithms: Algorithm::DEFAULT.to_vec(),
            trusted_audiences: Vec::new(),
            required_claims: Vec::new(),
            wanted_claims: Vec::new(),
            userinfo: UserInfo::default(),
        }
    }

    /// Sets the client secret.
    #[must_use]
    pub fn client_secret(mut self, secret: Secret) -> Self {
        self.client_secret = Some(secret);
        self
    }

    /// Sets how the client proves itself.
    #[must_use]
    pub fn client_auth(mut self, client_auth: ClientAuth) -> Self {
        self.client_auth = client_auth;
        self
    }

    /// Proves the client by assertions that this key signs.
    #[must_use]
    pub fn client_key(mut self, key: ClientKey) -> Self {
        self.client_key = Some(key);
        self.client_auth = ClientAuth::PrivateKeyJwt;
        self
    }

    /// Sets whom assertions are for.
    #[must_use]
    pub fn assertion_audience(mut self, audience: AssertionAudience) -> Self {
        self.assertion_audience = audience;
        self
    }

    /// Sets whether requests are handed in beforehand.
    #[must_use]
    pub fn pushed_requests(mut self, pushed_requests: PushedRequests) -> Self {
        self.pushed_requests = pushed_requests;
        self
    }

    /// Sets whose provider it is; [`ProviderKind::of_issuer`] guesses.
    #[must_use]
    pub fn provider(mut self, provider: ProviderKind) -> Self {
        self.provider = provider;
        self
    }

    /// Replaces the scopes beside `openid`.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Replaces the signature algorithms.
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Accepts a further audience beside ours.
    #[must_use]
    pub fn trust_audience(mut self, audience: impl Into<String>) -> Self {
        self.trusted_audiences.push(audience.into());
        self
    }

    /// Refuses ID tokens in which a claim is not exactly this string.
    #[must_use]
    pub fn require_claim(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.require_one_of(name, [value])
    }

    /// Refuses ID tokens in which a claim is none of these strings; of no strings, every token.
    #[must_use]
    pub fn require_one_of<S: Into<String>>(
        mut self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = S>,
    ) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        self.required_claims.push((name.into(), values));
        self
    }

    /// Sets the claims for which userinfo is asked where the ID token lacks one.
    #[must_use]
    pub fn wanted_claims<S: Into<String>>(mut self, claims: impl IntoIterator<Item = S>) -> Self {
        self.wanted_claims = claims.into_iter().map(Into::into).collect();
        self
    }

    /// Sets whether userinfo is fetched.
    #[must_use]
    pub fn userinfo(mut self, userinfo: UserInfo) -> Self {
        self.userinfo = userinfo;
        self
    }
}
