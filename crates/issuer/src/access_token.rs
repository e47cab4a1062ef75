//! Access tokens: opaque ones with a MAC, and RFC 9068 JWTs where an application wants them.
//!
//! An opaque token needs no row: it names the app session and carries a MAC, and the host asks its
//! store at every use whether the session lives.

use std::fmt;

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::encoding::{base64url, from_base64url};
use crate::id_token::Authentication;
use crate::issuer::Issuer;
use crate::keys::{KeySet, VerifyError};
use crate::scope::Scope;
use crate::secret::Secret;

/// How every opaque access token begins, so that leak scanners can know it.
pub const PREFIX: &str = "vat_";
/// The `typ` of a JWT access token's header (RFC 9068 §2.1).
pub const JWT_TYP: &str = "at+jwt";
/// Seconds that a JWT access token lives at most: nobody can call it back sooner.
pub const JWT_MAX_TTL: i64 = 300;

const LABEL: &[u8] = b"vestibule access token\0";
const VERSION: u8 = 1;
const BODY_BYTES: usize = 16 + 4 + 8 + 1 + 1;
const MAC_BYTES: usize = 32;

/// The key of the MACs.
#[derive(Clone)]
pub struct AccessTokenKey(hmac::Key);

/// What an opaque access token says. Whether its session lives is for the store to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessToken {
    /// The app session's id.
    pub session_id: [u8; 16],
    /// Counts the refreshes; a session may refuse those below a mark.
    pub generation: u32,
    /// When the token runs out, seconds since the epoch.
    pub exp: i64,
    /// What it is good for, which a refresh may have narrowed.
    pub scope: Scope,
}

impl AccessToken {
    /// Whether the token has run out at `now`.
    pub fn is_expired(&self, now: i64) -> bool {
        now >= self.exp
    }

    fn body(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(BODY_BYTES + MAC_BYTES);
        body.extend_from_slice(&self.session_id);
        body.extend_from_slice(&self.generation.to_be_bytes());
        body.extend_from_slice(&self.exp.to_be_bytes());
        body.push(self.scope.bits());
        body.push(VERSION);
        body
    }

    fn from_body(body: &[u8; BODY_BYTES]) -> Option<Self> {
        let (session_id, rest) = body.split_first_chunk::<16>()?;
        let (generation, rest) = rest.split_first_chunk::<4>()?;
        let (exp, rest) = rest.split_first_chunk::<8>()?;
        let [scope, VERSION] = *rest else {
            return None;
        };
        Some(Self {
            session_id: *session_id,
            generation: u32::from_be_bytes(*generation),
            exp: i64::from_be_bytes(*exp),
            scope: Scope::from_bits(scope)?,
        })
    }
}

impl AccessTokenKey {
    /// Takes 32 random bytes, which nothing else uses.
    pub fn new(key: [u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    /// Writes a token.
    pub fn issue(&self, token: &AccessToken) -> Secret {
        let mut bytes = token.body();
        let mac = self.mac(&bytes);
        bytes.extend_from_slice(mac.as_ref());
        Secret::new(format!("{PREFIX}{}", base64url(&bytes)))
    }

    /// Reads a token, whose MAC is checked in constant time before any field is looked at.
    ///
    /// Expiry is not checked: see [`AccessToken::is_expired`] and [`AccessTokenKey::open_at`].
    pub fn open(&self, text: &str) -> Option<AccessToken> {
        let bytes = from_base64url(text.strip_prefix(PREFIX)?)?;
        let (body, mac) = bytes.split_first_chunk::<BODY_BYTES>()?;
        hmac::verify(&self.0, &[LABEL, body.as_slice()].concat(), mac).ok()?;
        AccessToken::from_body(body)
    }

    /// Reads a token that has not run out at `now`.
    pub fn open_at(&self, text: &str, now: i64) -> Option<AccessToken> {
        self.open(text).filter(|token| !token.is_expired(now))
    }

    fn mac(&self, body: &[u8]) -> hmac::Tag {
        hmac::sign(&self.0, &[LABEL, body].concat())
    }
}

impl fmt::Debug for AccessTokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessTokenKey(…)")
    }
}

/// The claims of a JWT access token (RFC 9068 §2.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JwtClaims {
    iss: String,
    exp: i64,
    aud: String,
    sub: String,
    client_id: String,
    iat: i64,
    jti: String,
    sid: String,
    scope: Scope,
    auth_time: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    acr: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    amr: Vec<String>,
    org_id: String,
    /// Compared with the app session's mark when the token comes to us.
    #[serde(rename = "gen")]
    generation: u32,
}

/// Whom a JWT access token is for.
#[derive(Debug, Clone, Copy)]
pub struct JwtGrant<'a> {
    /// The resource server; without one, the issuer's own identifier.
    pub audience: &'a str,
    /// The client.
    pub client_id: &'a str,
    /// The user.
    pub sub: &'a str,
    /// A unique id, from the host's generator.
    pub jti: &'a str,
    /// What it is good for.
    pub scope: Scope,
    /// Counts the refreshes.
    pub generation: u32,
}

/// Why a JWT access token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JwtError {
    /// It is no access token that we signed.
    #[error("the access token was not issued by us")]
    NotOurs(#[from] VerifyError),
    /// It is signed with our key for another issuer.
    #[error("the access token was issued by another issuer")]
    Issuer,
    /// It has run out.
    #[error("the access token has expired")]
    Expired,
}

impl JwtClaims {
    /// Claims that run out after `ttl` seconds, [`JWT_MAX_TTL`] at most, or with the session.
    pub fn new(
        issuer: &Issuer,
        grant: JwtGrant<'_>,
        authentication: Authentication,
        ttl: i64,
        now: i64,
    ) -> Self {
        let latest = now.saturating_add(ttl.clamp(0, JWT_MAX_TTL));
        Self {
            iss: issuer.as_str().to_owned(),
            exp: authentication
                .session_expiry
                .map_or(latest, |expiry| expiry.min(latest)),
            aud: grant.audience.to_owned(),
            sub: grant.sub.to_owned(),
            client_id: grant.client_id.to_owned(),
            iat: now,
            jti: grant.jti.to_owned(),
            sid: authentication.sid,
            scope: grant.scope,
            auth_time: authentication.auth_time,
            acr: authentication.acr,
            amr: authentication.amr,
            org_id: authentication.org_id,
            generation: grant.generation,
        }
    }

    /// Verifies a JWT access token of ours. Whether its session lives is for the store to say.
    pub fn verify(token: &str, keys: &KeySet, issuer: &Issuer, now: i64) -> Result<Self, JwtError> {
        let claims: Self = keys.verify(token, JWT_TYP)?;
        if claims.iss != issuer.as_str() {
            return Err(JwtError::Issuer);
        }
        if now >= claims.exp {
            return Err(JwtError::Expired);
        }
        Ok(claims)
    }

    /// The app session.
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// The client.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The user.
    pub fn sub(&self) -> &str {
        &self.sub
    }

    /// The resource server.
    pub fn audience(&self) -> &str {
        &self.aud
    }

    /// What it is good for.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Counts the refreshes.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// When the token was issued.
    pub fn iat(&self) -> i64 {
        self.iat
    }

    /// When the token runs out.
    pub fn exp(&self) -> i64 {
        self.exp
    }
}

#[cfg(test)]
mod tests;
