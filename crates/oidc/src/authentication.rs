//! What a finished login proves.

use serde_json::{Map, Value};

use crate::Secret;

/// A person that the identity provider vouches for, after every check passed.
///
/// It says who the identity provider means, not whom of our users: the join is the host's.
#[derive(Clone, Debug)]
#[must_use = "a login that nobody joins to a user is lost"]
#[non_exhaustive]
pub struct Authentication {
    /// The issuer, equal to the connection's.
    pub issuer: String,
    /// The `sub` claim: together with the issuer and the connection the only name of the person that lasts.
    pub subject: String,
    /// All claims of the ID token; where userinfo was asked ([`UserInfo`](crate::UserInfo)) also those of its claims that
    /// the ID token does not have.
    pub claims: Map<String, Value>,
    /// When the person last proved themselves to the identity provider, Unix seconds.
    pub auth_time: Option<i64>,
    /// The authentication context class reached.
    pub acr: Option<String>,
    /// The authentication methods used (RFC 8176).
    pub amr: Vec<String>,
    /// The provider's session, which a back-channel logout names.
    pub sid: Option<String>,
    /// When the provider issued the ID token, Unix seconds of its clock.
    pub issued_at: i64,
    /// The ID token as it came, which a logout at the provider names ([`LogoutRequest`](crate::LogoutRequest)).
    pub id_token: Secret,
    /// When our session should end at the latest, Unix seconds (`session_expiry`, IPSIE).
    pub session_expiry: Option<i64>,
}

impl Authentication {
    /// A claim that is a string.
    pub fn claim(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }

    /// Entra's lasting id of the person, if there is one; `sub` there differs per application.
    pub fn oid(&self) -> Option<&str> {
        self.claim("oid")
    }

    /// The e-mail address, verified or not. It names nobody: addresses are renamed and reassigned.
    pub fn email(&self) -> Option<&str> {
        self.claim("email")
    }

    /// Whether the provider says that the address is the person's.
    ///
    /// True for `true` and for the string `"true"`, which some providers send; everything else is false.
    pub fn email_verified(&self) -> bool {
        match self.claims.get("email_verified") {
            Some(Value::Bool(verified)) => *verified,
            Some(Value::String(verified)) => verified == "true",
            _ => false,
        }
    }
}
