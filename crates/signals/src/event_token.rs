//! Security event tokens (RFC 8417) as the Shared Signals Framework 1.0 §4 profiles them.
//!
//! The host signs and verifies JWTs; here their claims are written and judged.
//!
//! ```
//! use vestibule_signals::event_token::{EventToken, Initiator, SESSION_REVOKED, SignalEvent};
//! use vestibule_signals::subject::Subject;
//!
//! let event = SignalEvent::new(SESSION_REVOKED).at(1_700_000_000).initiated_by(Initiator::Admin);
//! let subject = Subject::Email("ada@acme.example".to_owned());
//! let token = EventToken::new("https://idp.example", "https://app.example", "jti-1", subject, event, 1_700_000_001);
//! let claims = serde_json::to_value(&token.txn("t-1"))?;
//! let read = EventToken::read(claims.as_object().unwrap(), "https://app.example", 1_700_000_002)?;
//! assert_eq!(read.txn.as_deref(), Some("t-1"));
//! assert_eq!(read.events[0].kind, SESSION_REVOKED);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::subject::Subject;

/// The `typ` of a security event token's header (RFC 8417 §2.3).
pub const TYP: &str = "secevent+jwt";
/// The media type of one that is pushed (RFC 8935 §2.1).
pub const CONTENT_TYPE: &str = "application/secevent+jwt";

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident $uri:literal;)+) => {
        $($(#[$doc])* pub const $name: &str = $uri;)+
        /// Every event that has a name here.
        pub const KNOWN_EVENTS: &[&str] = &[$($name,)+];
    };
}

events! {
    /// CAEP 1.0 §3.1: sessions of the subject are over.
    SESSION_REVOKED "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
    /// CAEP 1.0 §3.2: claims of a token have changed.
    TOKEN_CLAIMS_CHANGE "https://schemas.openid.net/secevent/caep/event-type/token-claims-change";
    /// CAEP 1.0 §3.3: a credential was made, changed, revoked or deleted.
    CREDENTIAL_CHANGE "https://schemas.openid.net/secevent/caep/event-type/credential-change";
    /// CAEP 1.0 §3.4.
    ASSURANCE_LEVEL_CHANGE "https://schemas.openid.net/secevent/caep/event-type/assurance-level-change";
    /// CAEP 1.0 §3.5.
    DEVICE_COMPLIANCE_CHANGE "https://schemas.openid.net/secevent/caep/event-type/device-compliance-change";
    /// RISC 1.0 §2.2: the account is gone for good.
    ACCOUNT_PURGED "https://schemas.openid.net/secevent/risc/event-type/account-purged";
    /// RISC 1.0 §2.3: the account cannot be used.
    ACCOUNT_DISABLED "https://schemas.openid.net/secevent/risc/event-type/account-disabled";
    /// RISC 1.0 §2.4: the account can be used again.
    ACCOUNT_ENABLED "https://schemas.openid.net/secevent/risc/event-type/account-enabled";
    /// RISC 1.0 §2.7: a credential is known to others.
    CREDENTIAL_COMPROMISE "https://schemas.openid.net/secevent/risc/event-type/credential-compromise";
    /// SSF 1.0 §8.1.4.1: the stream works.
    VERIFICATION "https://schemas.openid.net/secevent/ssf/event-type/verification";
    /// SSF 1.0 §8.1.5: the transmitter has changed the stream's status.
    STREAM_UPDATED "https://schemas.openid.net/secevent/ssf/event-type/stream-updated";
}

/// Clocks may be so far apart, in seconds.
const SKEW: i64 = 60;
/// Events that one token may carry; SSF wants one.
const MOST_EVENTS: usize = 8;
const LONGEST_NAME: usize = 255;

/// Who began what a signal tells of (CAEP 1.0 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initiator {
    /// A person who administers.
    Admin,
    /// The subject.
    User,
    /// A rule, such as a directory's.
    Policy,
    /// The system itself.
    System,
}

impl Initiator {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::User => "user",
            Self::Policy => "policy",
            Self::System => "system",
        }
    }
}

/// One event with its claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalEvent {
    /// The URI that names it.
    pub kind: String,
    /// Its claims.
    pub claims: Map<String, Value>,
}

impl SignalEvent {
    /// An event without claims.
    pub fn new(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            claims: Map::new(),
        }
    }

    /// When it happened, in Unix seconds (CAEP 1.0 §2).
    #[must_use]
    pub fn at(self, event_timestamp: i64) -> Self {
        self.with("event_timestamp", event_timestamp.into())
    }

    /// Who began it.
    #[must_use]
    pub fn initiated_by(self, initiator: Initiator) -> Self {
        self.with("initiating_entity", initiator.as_str().into())
    }

    /// Why, for the receiver's administrators, in English.
    #[must_use]
    pub fn reason_admin(self, reason: &str) -> Self {
        self.with("reason_admin", json!({ "en": reason }))
    }

    /// Any other claim of its kind.
    #[must_use]
    pub fn with(mut self, claim: &str, value: Value) -> Self {
        self.claims.insert(claim.to_owned(), value);
        self
    }

    /// A claim that is a text.
    pub fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim).and_then(Value::as_str)
    }
}

/// The claims of a security event token. It has neither `sub` nor `exp`, so that it never passes for an ID token
/// (RFC 8417 §4.5 to §4.7, SSF 1.0 §4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventToken {
    /// Who tells.
    pub iss: String,
    /// Its id: the same at each try to deliver it.
    pub jti: String,
    /// When it was written, Unix seconds.
    pub iat: i64,
    /// Whom it is for.
    pub aud: String,
    /// What all tokens of one cause share (RFC 8417 §2.2).
    pub txn: Option<String>,
    /// Whom it is about.
    pub subject: Subject,
    /// What happened; one event, where we write it.
    pub events: Vec<SignalEvent>,
}

/// Why a token's claims are refused; [`code`](ReadError::code) is what the sender is told (RFC 8935 §2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// A claim is missing or malformed; the remedy is the sender's.
    #[error("the claim {0} is missing or malformed")]
    Claim(&'static str),
    /// The token is for somebody else; usually the stream names another audience than the receiver.
    #[error("the audience is another one")]
    Audience,
    /// It has `sub` or `exp`, so it may be another kind of token (SSF 1.0 §4.1).
    #[error("a security event token has no {0}")]
    NotAnEvent(&'static str),
    /// It was written in the future; a clock is wrong.
    #[error("it was written in the future")]
    NotYet,
}

impl ReadError {
    /// The error code of RFC 8935 §2.4.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Audience => "invalid_audience",
            Self::Claim(_) | Self::NotAnEvent(_) | Self::NotYet => "invalid_request",
        }
    }
}

impl EventToken {
    /// A token with one event for one receiver.
    pub fn new(
        issuer: &str,
        audience: &str,
        jti: &str,
        subject: Subject,
        event: SignalEvent,
        now: i64,
    ) -> Self {
        Self {
            iss: issuer.to_owned(),
            jti: jti.to_owned(),
            iat: now,
            aud: audience.to_owned(),
            txn: None,
            subject,
            events: vec![event],
        }
    }

    /// The cause, which other tokens may share.
    #[must_use]
    pub fn txn(mut self, txn: &str) -> Self {
        self.txn = Some(txn.to_owned());
        self
    }

    /// Judges the claims of a token whose signature and issuer are good.
    ///
    /// Errors: see [`ReadError`]. An event of an unknown kind is no error (SSF 1.0 §4.1.4): the receiver ignores it.
    pub fn read(claims: &Map<String, Value>, audience: &str, now: i64) -> Result<Self, ReadError> {
        for unwanted in ["sub", "exp", "nonce"] {
            if claims.contains_key(unwanted) {
                return Err(ReadError::NotAnEvent(unwanted));
            }
        }
        let iat = claims.get("iat").and_then(Value::as_i64);
        let iat = iat.filter(|iat| *iat > 0).ok_or(ReadError::Claim("iat"))?;
        if iat > now.saturating_add(SKEW) {
            return Err(ReadError::NotYet);
        }
        if !is_for(claims.get("aud"), audience) {
            return Err(ReadError::Audience);
        }
        let subject = claims.get("sub_id").ok_or(ReadError::Claim("sub_id"))?;
        let txn = match claims.get("txn") {
            None | Some(Value::Null) => None,
            Some(_) => Some(name(claims, "txn")?),
        };
        Ok(Self {
            iss: name(claims, "iss")?,
            jti: name(claims, "jti")?,
            iat,
            aud: audience.to_owned(),
            txn,
            subject: Subject::read(subject).map_err(|_| ReadError::Claim("sub_id"))?,
            events: events(claims)?,
        })
    }
}

fn name(claims: &Map<String, Value>, claim: &'static str) -> Result<String, ReadError> {
    let text = claims.get(claim).and_then(Value::as_str);
    text.filter(|text| is_name(text))
        .map(str::to_owned)
        .ok_or(ReadError::Claim(claim))
}

/// Not every database stores NUL.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_NAME && !text.contains('\0')
}

fn is_for(claim: Option<&Value>, audience: &str) -> bool {
    match claim {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(several)) => several.iter().any(|one| one == audience),
        _ => false,
    }
}

fn events(claims: &Map<String, Value>) -> Result<Vec<SignalEvent>, ReadError> {
    let wrong = ReadError::Claim("events");
    let events = claims.get("events").and_then(Value::as_object);
    let events = events
        .filter(|events| (1..=MOST_EVENTS).contains(&events.len()))
        .ok_or(wrong)?;
    events
        .iter()
        .map(|(kind, claims)| {
            let claims = claims.as_object().filter(|_| is_name(kind)).ok_or(wrong)?;
            Ok(SignalEvent {
                kind: kind.clone(),
                claims: claims.clone(),
            })
        })
        .collect()
}

impl Serialize for EventToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let events = self.events.iter();
        let events: Map<String, Value> = events
            .map(|event| (event.kind.clone(), Value::Object(event.claims.clone())))
            .collect();
        let mut claims = json!({
            "iss": self.iss, "jti": self.jti, "iat": self.iat, "aud": self.aud,
            "sub_id": self.subject.to_json(), "events": events,
        });
        if let (Some(txn), Some(claims)) = (&self.txn, claims.as_object_mut()) {
            claims.insert("txn".to_owned(), txn.as_str().into());
        }
        claims.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUDIENCE: &str = "https://app.example";
    const NOW: i64 = 1_700_000_000;

    fn claims() -> Value {
        let event = SignalEvent::new(SESSION_REVOKED)
            .at(NOW)
            .initiated_by(Initiator::Policy)
            .reason_admin("deactivated");
        let subject = Subject::Opaque("u1".to_owned());
        let token = EventToken::new("https://i.example", AUDIENCE, "j", subject, event, NOW);
        serde_json::to_value(token.txn("t")).unwrap()
    }

    fn read(claims: &Value) -> Result<EventToken, ReadError> {
        EventToken::read(claims.as_object().unwrap(), AUDIENCE, NOW)
    }

    #[test]
    fn claims_are_those_of_the_specification() {
        assert_eq!(
            claims(),
            json!({
                "iss": "https://i.example", "aud": AUDIENCE, "iat": NOW, "jti": "j", "txn": "t",
                "sub_id": { "format": "opaque", "id": "u1" },
                "events": { SESSION_REVOKED: {
                    "event_timestamp": NOW, "initiating_entity": "policy", "reason_admin": { "en": "deactivated" } } },
            })
        );
        assert_eq!(read(&claims()).map(|token| token.events.len()), Ok(1));
    }

    #[test]
    fn what_is_no_event_for_us_is_refused() {
        let with = |name: &str, value: Value| {
            let mut claims = claims();
            claims[name] = value;
            claims
        };
        let many: Map<String, Value> = (0..=MOST_EVENTS)
            .map(|n| (format!("https://e.example/{n}"), json!({})))
            .collect();
        let logout = "http://schemas.openid.net/event/backchannel-logout";
        for (claims, error, code) in [
            (
                with("sub", json!("u1")),
                ReadError::NotAnEvent("sub"),
                "invalid_request",
            ),
            (
                with("exp", json!(NOW + 60)),
                ReadError::NotAnEvent("exp"),
                "invalid_request",
            ),
            (
                with("nonce", json!("n")),
                ReadError::NotAnEvent("nonce"),
                "invalid_request",
            ),
            (
                with("aud", json!("https://other.example")),
                ReadError::Audience,
                "invalid_audience",
            ),
            (
                with("aud", json!([])),
                ReadError::Audience,
                "invalid_audience",
            ),
            (
                with("aud", json!({ "a": AUDIENCE })),
                ReadError::Audience,
                "invalid_audience",
            ),
            (
                with("iat", json!(NOW + 3600)),
                ReadError::NotYet,
                "invalid_request",
            ),
            (
                with("iat", json!("now")),
                ReadError::Claim("iat"),
                "invalid_request",
            ),
            (
                with("iat", json!(-1)),
                ReadError::Claim("iat"),
                "invalid_request",
            ),
            (
                with("jti", json!("")),
                ReadError::Claim("jti"),
                "invalid_request",
            ),
            (
                with("jti", json!("x".repeat(256))),
                ReadError::Claim("jti"),
                "invalid_request",
            ),
            (
                with("txn", json!(7)),
                ReadError::Claim("txn"),
                "invalid_request",
            ),
            (
                with("sub_id", json!("u1")),
                ReadError::Claim("sub_id"),
                "invalid_request",
            ),
            (
                with("events", json!({})),
                ReadError::Claim("events"),
                "invalid_request",
            ),
            (
                with("events", json!([SESSION_REVOKED])),
                ReadError::Claim("events"),
                "invalid_request",
            ),
            (
                with("events", json!({ logout: null })),
                ReadError::Claim("events"),
                "invalid_request",
            ),
            (
                with("events", Value::Object(many)),
                ReadError::Claim("events"),
                "invalid_request",
            ),
        ] {
            assert_eq!(read(&claims), Err(error), "{claims}");
            assert_eq!(error.code(), code);
        }
    }

    #[test]
    fn a_name_with_nul_is_refused() {
        for (claim, value) in [
            ("jti", json!("a\u{0}b")),
            ("events", json!({ "https://e.example/\u{0}": {} })),
        ] {
            let mut claims = claims();
            claims[claim] = value;
            assert_eq!(read(&claims), Err(ReadError::Claim(claim)));
        }
    }

    #[test]
    fn an_unknown_event_and_several_audiences_are_fine() {
        let mut several = claims();
        several["aud"] = json!(["https://other.example", AUDIENCE]);
        several["events"] = json!({ "https://e.example/new": {} });
        let token = read(&several).unwrap();
        assert!(!KNOWN_EVENTS.contains(&token.events[0].kind.as_str()));
    }
}
