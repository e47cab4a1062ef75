//! ID tokens, UserInfo, and ID tokens that come back as hints.

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::encoding::base64url;
use crate::issuer::Issuer;
use crate::keys::{Algorithm, KeySet, VerifyError};
use crate::scope::{Scope, ScopeValue};

/// The `typ` of an ID token's header.
pub const TYP: &str = "JWT";
/// Seconds that an ID token lives at most.
pub const MAX_TTL: i64 = 300;

/// How and when the user signed in, as it stands in tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authentication {
    /// When the user actively signed in, at the company's provider if that is where it happened.
    pub auth_time: i64,
    /// The authentication class.
    pub acr: Option<String>,
    /// The methods, from the IANA registry of RFC 8176.
    pub amr: Vec<String>,
    /// The app session's id: the `sid` that logout tokens name.
    pub sid: String,
    /// The user's organization.
    pub org_id: String,
    /// When the app has to send the user again, at the latest.
    pub session_expiry: Option<i64>,
}

/// What we know about a person, before the scope decides what the app gets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Profile {
    /// E-mail address.
    pub email: Option<String>,
    /// Whether the organization owns the address's domain.
    pub email_verified: bool,
    /// Display name.
    pub name: Option<String>,
    /// Given name.
    pub given_name: Option<String>,
    /// Family name.
    pub family_name: Option<String>,
    /// User name; may change, never a key.
    pub preferred_username: Option<String>,
    /// Names of the groups.
    pub groups: Vec<String>,
    /// Roles in the app.
    pub roles: Vec<String>,
    /// Claims that the host adds for this app; none of them [`is_reserved`].
    pub further: serde_json::Map<String, serde_json::Value>,
}

/// Names that only this crate writes into tokens: what they say is not for a mapping to choose.
pub fn is_reserved(claim: &str) -> bool {
    const OTHERS: [&str; 15] = [
        "nbf",
        "jti",
        "azp",
        "c_hash",
        "s_hash",
        "client_id",
        "scope",
        "gen",
        "events",
        "cnf",
        "act",
        "may_act",
        "tenant",
        "sub_id",
        "token_type",
    ];
    crate::metadata::CLAIMS.contains(&claim) || OTHERS.contains(&claim)
}

/// The claims about a person that a scope lets through.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ScopedClaims {
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    given_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    family_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<Vec<String>>,
    #[serde(flatten)]
    further: serde_json::Map<String, serde_json::Value>,
}

impl Profile {
    /// What `scope` lets through (OpenID Connect Core §5.4).
    ///
    /// `groups` and `roles` are there when asked for, even empty, so that an app can tell "none"
    /// from "not asked".
    pub fn claims(&self, scope: Scope) -> ScopedClaims {
        let mut claims = ScopedClaims {
            further: self.further.clone(),
            ..ScopedClaims::default()
        };
        if scope.contains(ScopeValue::Email) {
            claims.email.clone_from(&self.email);
            claims.email_verified = self.email.is_some().then_some(self.email_verified);
        }
        if scope.contains(ScopeValue::Profile) {
            claims.name.clone_from(&self.name);
            claims.given_name.clone_from(&self.given_name);
            claims.family_name.clone_from(&self.family_name);
            claims
                .preferred_username
                .clone_from(&self.preferred_username);
        }
        if scope.contains(ScopeValue::Groups) {
            claims.groups = Some(self.groups.clone());
        }
        if scope.contains(ScopeValue::Roles) {
            claims.roles = Some(self.roles.clone());
        }
        claims
    }
}

/// The claims of an ID token (OpenID Connect Core §2). `aud` is one string.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IdTokenClaims {
    iss: String,
    sub: String,
    aud: String,
    exp: i64,
    iat: i64,
    auth_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    amr: Vec<String>,
    sid: String,
    org_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_expiry: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_hash: Option<String>,
    #[serde(flatten)]
    person: ScopedClaims,
}

impl IdTokenClaims {
    /// Claims that run out after [`MAX_TTL`], or with the session if that is sooner.
    pub fn new(
        issuer: &Issuer,
        client_id: &str,
        sub: &str,
        authentication: Authentication,
        now: i64,
    ) -> Self {
        let latest = now.saturating_add(MAX_TTL);
        Self {
            iss: issuer.as_str().to_owned(),
            sub: sub.to_owned(),
            aud: client_id.to_owned(),
            exp: authentication
                .session_expiry
                .map_or(latest, |expiry| expiry.min(latest)),
            iat: now,
            auth_time: authentication.auth_time,
            nonce: None,
            acr: authentication.acr,
            amr: authentication.amr,
            sid: authentication.sid,
            org_id: authentication.org_id,
            session_expiry: authentication.session_expiry,
            at_hash: None,
            person: ScopedClaims::default(),
        }
    }

    /// Repeats the request's nonce; a refreshed ID token has none (Core §12.2).
    #[must_use]
    pub fn with_nonce(mut self, nonce: Option<String>) -> Self {
        self.nonce = nonce;
        self
    }

    /// Binds the access token of the same answer (Core §3.1.3.6); `algorithm` is what signs.
    #[must_use]
    pub fn with_access_token(mut self, access_token: &str, algorithm: Algorithm) -> Self {
        self.at_hash = Some(at_hash(access_token, algorithm));
        self
    }

    /// Adds the person's claims.
    #[must_use]
    pub fn with_person(mut self, person: ScopedClaims) -> Self {
        self.person = person;
        self
    }

    /// When the token runs out.
    pub fn exp(&self) -> i64 {
        self.exp
    }
}

/// The left half of the hash that belongs to the signature algorithm: SHA-256, or SHA-512 for Ed25519.
fn at_hash(access_token: &str, algorithm: Algorithm) -> String {
    let hash = match algorithm {
        Algorithm::Es256 | Algorithm::Rs256 => &digest::SHA256,
        Algorithm::EdDsa => &digest::SHA512,
    };
    let digest = digest::digest(hash, access_token.as_bytes());
    let bytes = digest.as_ref();
    let (left, _) = bytes.split_at(bytes.len() / 2);
    base64url(left)
}

/// The answer of the UserInfo endpoint (Core §5.3.2): the same person as in the ID token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UserInfo {
    sub: String,
    org_id: String,
    #[serde(flatten)]
    person: ScopedClaims,
}

impl UserInfo {
    /// Puts the answer together.
    pub fn new(sub: &str, org_id: &str, person: ScopedClaims) -> Self {
        Self {
            sub: sub.to_owned(),
            org_id: org_id.to_owned(),
            person,
        }
    }
}

/// An ID token of ours that came back, as `id_token_hint`. It may have run out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct IdTokenHint {
    iss: String,
    /// The user.
    pub sub: String,
    /// The client that the token was issued to.
    pub aud: String,
    /// The app session.
    pub sid: String,
    /// When the token ran or runs out. Hints are not refused for it.
    pub exp: i64,
}

/// Why an `id_token_hint` is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HintError {
    /// It is no ID token that we signed.
    #[error("the id_token_hint was not issued by us")]
    NotOurs(#[from] VerifyError),
    /// It is signed with our key for another issuer.
    #[error("the id_token_hint was issued by another issuer")]
    Issuer,
}

impl IdTokenHint {
    /// Verifies signature, type and issuer. An expired token is accepted, since a session outlives
    /// it (RP-Initiated Logout §2). Compare [`IdTokenHint::aud`] with the client that sent it.
    pub fn verify(token: &str, keys: &KeySet, issuer: &Issuer) -> Result<Self, HintError> {
        let hint: Self = keys.verify(token, TYP)?;
        if hint.iss != issuer.as_str() {
            return Err(HintError::Issuer);
        }
        Ok(hint)
    }
}

#[cfg(test)]
mod tests;
