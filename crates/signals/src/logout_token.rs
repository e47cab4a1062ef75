//! Logout tokens (OpenID Connect Back-Channel Logout 1.0 §2.4).
//!
//! The host signs the claims as a JWT whose header says [`TYP`] and posts it to the app as the form
//! field [`FORM_FIELD`]. Each attempt has a new token: new `jti`, new `iat`.

use serde::{Serialize, Serializer, ser::SerializeMap as _};

/// The `typ` of a logout token's header.
pub const TYP: &str = "logout+jwt";
/// The form field that carries the token.
pub const FORM_FIELD: &str = "logout_token";
/// The member of `events` that makes a JWT a logout token.
pub const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// Seconds that a logout token lives at most (§2.4 recommends two minutes).
pub const MAX_TTL: i64 = 120;

/// Whose sessions end. There is no way to say "nobody's": one of the two is always named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// All sessions of a user in the app.
    User {
        /// The user.
        sub: String,
    },
    /// One session, for an app that knows sessions only.
    Session {
        /// The app session.
        sid: String,
    },
    /// One session of a user, with both names, so that every app finds it.
    UserSession {
        /// The user.
        sub: String,
        /// The app session.
        sid: String,
    },
}

/// The claims of a logout token. It has no `nonce`, so that it can never pass for an ID token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogoutTokenClaims {
    iss: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    aud: String,
    iat: i64,
    exp: i64,
    jti: String,
    events: Events,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
}

impl LogoutTokenClaims {
    /// Claims for one delivery to one app.
    ///
    /// `issuer` is the `iss` of the app's ID tokens, `client_id` becomes `aud` as one string, and
    /// `jti` is unique per attempt.
    pub fn new(issuer: &str, client_id: &str, subject: Subject, jti: &str, now: i64) -> Self {
        let (sub, sid) = match subject {
            Subject::User { sub } => (Some(sub), None),
            Subject::Session { sid } => (None, Some(sid)),
            Subject::UserSession { sub, sid } => (Some(sub), Some(sid)),
        };
        Self {
            iss: issuer.to_owned(),
            sub,
            aud: client_id.to_owned(),
            iat: now,
            exp: now.saturating_add(MAX_TTL),
            jti: jti.to_owned(),
            events: Events,
            sid,
        }
    }
}

/// One event with an empty object, which is all that the specification wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Events;

impl Serialize for Events {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Empty {}
        let mut events = serializer.serialize_map(Some(1))?;
        events.serialize_entry(EVENT, &Empty {})?;
        events.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn claims(subject: Subject) -> Value {
        let claims = LogoutTokenClaims::new("https://i", "app", subject, "j1", 1000);
        serde_json::to_value(claims).unwrap()
    }

    #[test]
    fn claims_are_those_of_the_specification() {
        let subject = Subject::UserSession {
            sub: "usr_1".into(),
            sid: "ses_1".into(),
        };
        assert_eq!(
            claims(subject),
            json!({
                "iss": "https://i", "sub": "usr_1", "aud": "app", "iat": 1000, "exp": 1120,
                "jti": "j1", "sid": "ses_1",
                "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
            })
        );
    }

    #[test]
    fn every_subject_names_somebody_and_none_has_a_nonce() {
        let user = claims(Subject::User {
            sub: "usr_1".into(),
        });
        assert_eq!((&user["sub"], user.get("sid")), (&json!("usr_1"), None));
        let session = claims(Subject::Session {
            sid: "ses_1".into(),
        });
        assert_eq!(
            (session.get("sub"), &session["sid"]),
            (None, &json!("ses_1"))
        );
        assert!(user.get("nonce").is_none() && session.get("nonce").is_none());
    }

    #[test]
    fn the_end_of_time_does_not_overflow() {
        let subject = Subject::User { sub: "u".into() };
        let claims = LogoutTokenClaims::new("i", "a", subject, "j", i64::MAX);
        assert_eq!(claims.exp, i64::MAX);
    }
}
