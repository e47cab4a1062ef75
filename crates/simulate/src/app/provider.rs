//! What the app says to its provider, and how it judges the answers.

use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail, ensure};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use super::state::TokenOutcome;
use crate::clock;
use crate::http::{Answer, Http};
use crate::jose::{SignatureFault, Signed, verify};

/// How far clocks may differ, in seconds.
const LEEWAY: i64 = 60;
/// How old a logout token may be, in seconds.
const LOGOUT_TOKEN_AGE: i64 = 300;
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

pub(super) struct Provider {
    pub(super) http: Http,
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) scope: String,
    pub(super) cache: Mutex<Cache>,
}

#[derive(Default)]
pub(super) struct Cache {
    metadata: Option<Arc<Metadata>>,
    keys: Option<Arc<JwkSet>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    pub(super) authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: String,
    jwks_uri: String,
    pub(super) end_session_endpoint: Option<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// What the token endpoint granted.
#[derive(Clone)]
#[expect(
    clippy::struct_field_names,
    reason = "the names of RFC 6749 §5.1 and OIDC Core §3.1.3.3"
)]
pub(super) struct Tokens {
    pub(super) access_token: String,
    pub(super) refresh_token: Option<String>,
    pub(super) id_token: String,
}

impl Tokens {
    /// Takes what a refresh brought; what it did not bring stays.
    pub(super) fn renew(&mut self, fresh: Granted) {
        self.access_token = fresh.access_token;
        self.refresh_token = fresh.refresh_token.or(self.refresh_token.take());
        self.id_token = fresh
            .id_token
            .unwrap_or_else(|| std::mem::take(&mut self.id_token));
    }
}

#[derive(Deserialize)]
#[expect(
    clippy::struct_field_names,
    reason = "the names of RFC 6749 §5.1 and OIDC Core §3.1.3.3"
)]
pub(super) struct Granted {
    access_token: String,
    refresh_token: Option<String>,
    id_token: Option<String>,
}

/// An ID token that holds.
pub(super) struct IdToken {
    pub(super) sub: String,
    pub(super) sid: Option<String>,
    pub(super) claims: Value,
}

/// A logout token that holds.
pub(super) struct LogoutClaims {
    pub(super) jti: String,
    pub(super) sub: Option<String>,
    pub(super) sid: Option<String>,
    pub(super) claims: Value,
}

/// What an ID token has to fit to.
pub(super) struct Expected<'a> {
    pub(super) nonce: &'a str,
    pub(super) max_age: Option<i64>,
}

impl Provider {
    /// The provider's metadata; read once it answered well (OIDC Discovery §4.3).
    pub(super) async fn metadata(&self) -> anyhow::Result<Arc<Metadata>> {
        let mut cache = self.cache.lock().await;
        if let Some(metadata) = &cache.metadata {
            return Ok(metadata.clone());
        }
        let url = format!(
            "{}/.well-known/openid-configuration",
            self.issuer.trim_end_matches('/')
        );
        let body = self.http.get_json(&url, None).await?.success("discovery")?;
        let metadata: Metadata = serde_json::from_value(body).context("discovery is incomplete")?;
        ensure!(
            metadata.issuer == self.issuer,
            "discovery names another issuer"
        );
        let metadata = Arc::new(metadata);
        cache.metadata = Some(metadata.clone());
        Ok(metadata)
    }

    /// Checks the `iss` parameter of an authorization response (RFC 9207 §2.4).
    pub(super) async fn check_iss(&self, iss: Option<&str>) -> anyhow::Result<()> {
        let promised = self
            .metadata()
            .await?
            .authorization_response_iss_parameter_supported;
        match iss {
            Some(iss) => ensure!(iss == self.issuer, "the answer comes from another issuer"),
            None => ensure!(
                !promised,
                "the answer has no iss, though the provider promises it"
            ),
        }
        Ok(())
    }

    /// Exchanges a code and judges the ID token.
    pub(super) async fn exchange(
        &self,
        code: &str,
        redirect_uri: &str,
        verifier: &str,
        expected: &Expected<'_>,
    ) -> anyhow::Result<(IdToken, Tokens)> {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ];
        let body = self
            .ask_tokens(&fields)
            .await?
            .success("the token endpoint")?;
        let granted: Granted = serde_json::from_value(body).context("the grant is incomplete")?;
        let id_token = granted.id_token.context("the grant has no ID token")?;
        let signed = self.signed(&id_token).await?;
        let judged = self.judge_id_token(signed, expected, &granted.access_token)?;
        let tokens = Tokens {
            access_token: granted.access_token,
            refresh_token: granted.refresh_token,
            id_token,
        };
        Ok((judged, tokens))
    }

    /// Uses a refresh token.
    pub(super) async fn refresh(
        &self,
        refresh_token: &str,
    ) -> anyhow::Result<(TokenOutcome, Option<Granted>)> {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
        ];
        let answer = self.ask_tokens(&fields).await?;
        let outcome = outcome(&answer);
        if !outcome.is_accepted() {
            return Ok((outcome, None));
        }
        let granted = serde_json::from_value(answer.body).context("the grant is incomplete")?;
        Ok((outcome, Some(granted)))
    }

    /// Asks userinfo with an access token.
    pub(super) async fn userinfo(&self, access_token: &str) -> anyhow::Result<TokenOutcome> {
        let endpoint = &self.metadata().await?.userinfo_endpoint;
        Ok(outcome(
            &self.http.get_json(endpoint, Some(access_token)).await?,
        ))
    }

    /// Judges a logout token by every rule of OIDC Back-Channel Logout 1.0 §2.6.
    pub(super) async fn judge_logout_token(&self, token: &str) -> anyhow::Result<LogoutClaims> {
        let Signed { typ, claims } = self.signed(token).await?;
        ensure!(
            typ.as_deref() == Some("logout+jwt"),
            "typ is not logout+jwt"
        );
        self.judge_issuer_and_audience(&claims)?;
        let now = clock::unix_seconds();
        let iat = number(&claims, "iat")?;
        ensure!(iat <= now + LEEWAY, "the token was issued in the future");
        ensure!(
            iat >= now - LOGOUT_TOKEN_AGE,
            "the token was issued too long ago"
        );
        ensure!(
            number(&claims, "exp")? > now - LEEWAY,
            "the token has expired"
        );
        ensure!(claims.get("nonce").is_none(), "the token has a nonce");
        let event = claims
            .get("events")
            .and_then(|events| events.get(LOGOUT_EVENT));
        ensure!(
            event.is_some_and(Value::is_object),
            "the token is about another event"
        );
        let (sub, sid) = (text(&claims, "sub"), text(&claims, "sid"));
        ensure!(
            sub.is_some() || sid.is_some(),
            "the token names neither sub nor sid"
        );
        let jti = text(&claims, "jti").context("the token has no jti")?;
        Ok(LogoutClaims {
            jti,
            sub,
            sid,
            claims,
        })
    }

    async fn ask_tokens(&self, fields: &[(&str, &str)]) -> anyhow::Result<Answer> {
        let endpoint = &self.metadata().await?.token_endpoint;
        let client = Some((self.client_id.as_str(), self.client_secret.as_str()));
        self.http.post_form(endpoint, client, fields).await
    }

    /// Checks a signature; an unknown key makes it read the keys anew, once.
    async fn signed(&self, token: &str) -> anyhow::Result<Signed> {
        let known = self.cache.lock().await.keys.clone();
        if let Some(keys) = known {
            match verify(token, &keys) {
                Ok(signed) => return Ok(signed),
                Err(SignatureFault::Bad(error)) => return Err(error),
                Err(SignatureFault::UnknownKey) => {}
            }
        }
        let keys = self.read_keys().await?;
        verify(token, &keys).map_err(|fault| match fault {
            SignatureFault::Bad(error) => error,
            SignatureFault::UnknownKey => anyhow!("the provider has no such key"),
        })
    }

    async fn read_keys(&self) -> anyhow::Result<Arc<JwkSet>> {
        let url = &self.metadata().await?.jwks_uri;
        let body = self
            .http
            .get_json(url, None)
            .await?
            .success("the key set")?;
        // Keys of kinds that this app does not know are not its concern (RFC 7517 §5).
        let keys = body
            .get("keys")
            .and_then(Value::as_array)
            .context("the key set has no keys")?;
        let keys = keys
            .iter()
            .filter_map(|key| serde_json::from_value(key.clone()).ok())
            .collect();
        let keys = Arc::new(JwkSet { keys });
        self.cache.lock().await.keys = Some(keys.clone());
        Ok(keys)
    }

    /// The rules of OIDC Core §3.1.3.7.
    fn judge_id_token(
        &self,
        signed: Signed,
        expected: &Expected<'_>,
        access_token: &str,
    ) -> anyhow::Result<IdToken> {
        let Signed { typ, claims } = signed;
        ensure!(
            typ.is_none_or(|typ| typ.eq_ignore_ascii_case("jwt")),
            "typ is not JWT"
        );
        self.judge_issuer_and_audience(&claims)?;
        let now = clock::unix_seconds();
        ensure!(
            number(&claims, "exp")? > now - LEEWAY,
            "the ID token has expired"
        );
        ensure!(
            number(&claims, "iat")? <= now + LEEWAY,
            "the ID token is from the future"
        );
        let nonce = text(&claims, "nonce").context("the ID token has no nonce")?;
        ensure!(nonce == expected.nonce, "the nonce is another login's");
        if let Some(max_age) = expected.max_age {
            let auth_time = number(&claims, "auth_time")?;
            ensure!(
                now - auth_time <= max_age + LEEWAY,
                "the sign-in is older than max_age"
            );
        }
        if let Some(at_hash) = text(&claims, "at_hash") {
            let hash = digest::digest(&digest::SHA256, access_token.as_bytes());
            let half = hash.as_ref().get(..16).unwrap_or_default();
            ensure!(
                at_hash == URL_SAFE_NO_PAD.encode(half),
                "at_hash is another token's"
            );
        }
        let sub = text(&claims, "sub").context("the ID token has no sub")?;
        Ok(IdToken {
            sub,
            sid: text(&claims, "sid"),
            claims,
        })
    }

    fn judge_issuer_and_audience(&self, claims: &Value) -> anyhow::Result<()> {
        ensure!(
            text(claims, "iss").as_ref() == Some(&self.issuer),
            "iss is another provider"
        );
        let only_us = match claims.get("aud") {
            Some(Value::String(one)) => *one == self.client_id,
            Some(Value::Array(many)) => {
                matches!(many.as_slice(), [one] if one.as_str() == Some(&self.client_id))
            }
            _ => false,
        };
        ensure!(only_us, "aud is not this app alone");
        match claims.get("azp") {
            Some(azp) if azp.as_str() != Some(&self.client_id) => bail!("azp is another app"),
            _ => Ok(()),
        }
    }
}

fn outcome(answer: &Answer) -> TokenOutcome {
    let error = if answer.is_success() {
        None
    } else {
        Some(
            answer
                .text("error")
                .map_or_else(|| answer.status.to_string(), str::to_owned),
        )
    };
    TokenOutcome {
        status: answer.status,
        error,
    }
}

fn text(claims: &Value, name: &str) -> Option<String> {
    claims
        .get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

fn number(claims: &Value, name: &'static str) -> anyhow::Result<i64> {
    claims
        .get(name)
        .and_then(Value::as_i64)
        .with_context(|| format!("{name} is missing"))
}
