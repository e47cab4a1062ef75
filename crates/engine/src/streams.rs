//! The transmitter of security event tokens (Shared Signals Framework 1.0): what applications hear about.
//!
//! News are written with what causes them (`store/src/stream_events.rs`) and signed when they leave.

mod access;
mod deliver;
mod manage;

use serde_json::Value;
use vestibule_core::{StreamId, Timestamp};
use vestibule_issuer::{keys::Algorithm, metadata::paths};
use vestibule_signals::{
    event_token::{
        ACCOUNT_DISABLED, ACCOUNT_ENABLED, ACCOUNT_PURGED, CREDENTIAL_CHANGE, EventToken,
        Initiator, SESSION_REVOKED, SignalEvent, TOKEN_CLAIMS_CHANGE, TYP, VERIFICATION,
    },
    stream::{AuthorizationScheme, POLL, PUSH, TransmitterConfiguration},
    subject::Subject,
};
use vestibule_store::{Stream, StreamKind};

use crate::{Engine, Fault};

pub use access::StreamAccess;
pub use manage::StreamFailure;

/// The place to which a stream's `Authorization` header is sealed; the row is the stream's id.
const AUTHORIZATION_PLACE: &str = "streams.authorization";

/// What streams tell of, with the names that it has on the wire.
const TOLD: [(StreamKind, &str); 6] = [
    (StreamKind::SessionRevoked, SESSION_REVOKED),
    (StreamKind::CredentialChange, CREDENTIAL_CHANGE),
    (StreamKind::TokenClaimsChange, TOKEN_CLAIMS_CHANGE),
    (StreamKind::AccountDisabled, ACCOUNT_DISABLED),
    (StreamKind::AccountEnabled, ACCOUNT_ENABLED),
    (StreamKind::AccountPurged, ACCOUNT_PURGED),
];

impl Engine {
    /// What we say about ourselves as a transmitter (SSF 1.0 §7.1).
    pub fn ssf_configuration(&self) -> TransmitterConfiguration {
        TransmitterConfiguration {
            spec_version: Some("1_0".to_owned()),
            issuer: self.issuer().as_str().to_owned(),
            jwks_uri: Some(self.url(paths::JWKS)),
            delivery_methods_supported: vec![PUSH.to_owned(), POLL.to_owned()],
            configuration_endpoint: Some(self.url("/ssf/streams")),
            status_endpoint: Some(self.url("/ssf/status")),
            verification_endpoint: Some(self.url("/ssf/verify")),
            authorization_schemes: vec![AuthorizationScheme {
                spec_urn: "urn:ietf:rfc:6749".to_owned(),
            }],
            default_subjects: Some("ALL".to_owned()),
        }
    }

    /// Where a stream is polled.
    fn poll_url(&self, id: StreamId) -> String {
        self.url(&format!("/ssf/poll/{id}"))
    }

    /// Signs news of a stream; `jti` stays the same at each try.
    fn sign_news(
        &self,
        stream: &Stream,
        (jti, payload): (&str, &Value),
        (happened_at, now): (Timestamp, Timestamp),
    ) -> Result<String, Fault> {
        let (subject, event) = self
            .told(stream, payload, happened_at)
            .ok_or(Fault::internal("news of a stream cannot be read"))?;
        let token = EventToken::new(
            self.issuer().as_str(),
            &stream.application_id.to_string(),
            jti,
            subject,
            event,
            now.unix_seconds(),
        );
        let token = match payload.get("txn").and_then(Value::as_str) {
            Some(cause) => token.txn(cause),
            None => token,
        };
        // The interoperability profile of CAEP wants RS256 with 2048 bits or more.
        Ok(self.keys().sign(Algorithm::Rs256, TYP, &token)?)
    }

    fn told(
        &self,
        stream: &Stream,
        payload: &Value,
        happened_at: Timestamp,
    ) -> Option<(Subject, SignalEvent)> {
        let text = |name: &str| payload.get(name).and_then(Value::as_str);
        let kind: StreamKind = text("kind")?.parse().ok()?;
        if kind == StreamKind::Verification {
            let event = SignalEvent::new(VERIFICATION);
            let event = match text("state") {
                Some(state) => event.with("state", state.into()),
                None => event,
            };
            return Some((Subject::Opaque(stream.id.to_string()), event));
        }
        let (_, name) = TOLD.iter().find(|(known, _)| *known == kind)?;
        let event = SignalEvent::new(name)
            .at(happened_at.unix_seconds())
            .initiated_by(initiator(text("actor").unwrap_or_default()))
            .reason_admin(text("reason").unwrap_or_default());
        let event = match kind {
            StreamKind::CredentialChange => event
                .with("credential_type", "password".into())
                .with("change_type", "update".into()),
            // Which claims it is about is the application's to ask anew; an empty object is not allowed.
            StreamKind::TokenClaimsChange => {
                event.with("claims", serde_json::json!({ "groups": null }))
            }
            _ => event,
        };
        let user = Subject::IssSub {
            iss: self.issuer().as_str().to_owned(),
            sub: text("user_id")?.to_owned(),
        };
        Some(match (text("session_id"), text("organization_id")) {
            (Some(session), Some(organization)) => {
                let session = Subject::Opaque(session.to_owned());
                let tenant = Subject::Opaque(organization.to_owned());
                (Subject::session(user, session, tenant), event)
            }
            _ => (user, event),
        })
    }
}

/// Who began it, from the actor of a receipt.
fn initiator(actor: &str) -> Initiator {
    match actor.split(':').next() {
        Some("user") => Initiator::User,
        Some("api_key" | "operator" | "bootstrap") => Initiator::Admin,
        Some("directory" | "connection" | "identity provider") => Initiator::Policy,
        _ => Initiator::System,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actors_have_their_word() {
        for (actor, word) in [
            ("user", "user"),
            ("api_key:key_1", "admin"),
            ("directory:dir_1", "policy"),
            ("identity provider", "policy"),
            ("system", "system"),
            ("", "system"),
        ] {
            assert_eq!(initiator(actor).as_str(), word, "{actor}");
        }
    }
}
