//! The app's side of OpenID Connect: code flow with PKCE, ID tokens and logout tokens verified by the provider's keys.

use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, ensure};
use aws_lc_rs::{digest, rand};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

pub(crate) struct Provider {
    http: reqwest::Client,
    redirect_uri: String,
    client_id: String,
    client_secret: String,
    metadata: Metadata,
    keys: Mutex<JwkSet>,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    jwks_uri: Url,
}

/// What the app reads of ID tokens and logout tokens.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Claims {
    #[serde(default)]
    pub(crate) sub: String,
    pub(crate) sid: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) jti: Option<String>,
    #[serde(default)]
    events: Value,
}

impl Claims {
    /// Whether this is a logout token (§2.4): it has the event and names somebody, and never a nonce.
    pub(crate) fn is_logout(&self) -> bool {
        let names = self.sid.is_some() || !self.sub.is_empty();
        self.events.get(LOGOUT_EVENT).is_some() && self.nonce.is_none() && names
    }
}

impl Provider {
    /// Reads what the provider says about itself.
    pub(crate) async fn discover(
        app_url: &str,
        issuer: &str,
        client_id: &str,
        client_secret: &str,
    ) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let url = format!("{issuer}/.well-known/openid-configuration");
        let metadata: Metadata = http
            .get(url)
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        ensure!(
            metadata.issuer == issuer,
            "the provider calls itself {}",
            metadata.issuer
        );
        Ok(Self {
            http,
            redirect_uri: format!("{app_url}/callback"),
            client_id: client_id.to_owned(),
            client_secret: client_secret.to_owned(),
            metadata,
            keys: Mutex::new(JwkSet { keys: Vec::new() }),
        })
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.metadata.issuer
    }

    /// Where the browser goes to sign in.
    pub(crate) fn authorize_url(
        &self,
        state: &str,
        nonce: &str,
        verifier: &str,
    ) -> anyhow::Result<Url> {
        let challenge =
            URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
        let parameters = [
            ("response_type", "code"),
            ("client_id", self.client_id.as_str()),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("scope", "openid profile email"),
            ("state", state),
            ("nonce", nonce),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ];
        Ok(Url::parse_with_params(
            self.metadata.authorization_endpoint.as_str(),
            parameters,
        )?)
    }

    /// Turns the code into the verified claims of the ID token.
    pub(crate) async fn exchange(&self, code: &str, verifier: &str) -> anyhow::Result<Claims> {
        #[derive(Deserialize)]
        struct Tokens {
            id_token: String,
        }
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("code_verifier", verifier),
        ];
        let request = self.http.post(self.metadata.token_endpoint.clone());
        let request = request
            .basic_auth(&self.client_id, Some(&self.client_secret))
            .form(&form);
        let tokens: Tokens = request.send().await?.error_for_status()?.json().await?;
        let claims = self.verify(&tokens.id_token).await?;
        ensure!(
            !claims.sub.is_empty() && !claims.is_logout(),
            "not an ID token"
        );
        Ok(claims)
    }

    /// Verifies signature, issuer, audience and expiry.
    pub(crate) async fn verify(&self, token: &str) -> anyhow::Result<Claims> {
        let header = decode_header(token)?;
        ensure!(
            matches!(
                header.alg,
                Algorithm::ES256 | Algorithm::RS256 | Algorithm::EdDSA
            ),
            "the signature's algorithm is not one of ours"
        );
        let key = self
            .key(&header.kid.context("the token names no key")?)
            .await?;
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&self.metadata.issuer]);
        validation.set_audience(&[&self.client_id]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        Ok(decode(token, &key, &validation)?.claims)
    }

    /// A key of the provider; the set is read again when it is not known yet, because keys rotate.
    async fn key(&self, kid: &str) -> anyhow::Result<DecodingKey> {
        let known = |keys: &JwkSet| keys.find(kid).map(DecodingKey::from_jwk).transpose();
        if let Some(key) = known(&self.keys.lock().unwrap_or_else(PoisonError::into_inner))? {
            return Ok(key);
        }
        let answer = self.http.get(self.metadata.jwks_uri.clone()).send().await?;
        let keys: JwkSet = answer.error_for_status()?.json().await?;
        let key = known(&keys)?;
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = keys;
        key.context("the provider does not know the token's key")
    }
}

/// 256 random bits for the browser, the provider or both.
pub(crate) fn random() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes)
        .ok()
        .context("the system gives no random numbers")?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
