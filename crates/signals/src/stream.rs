//! The messages of the Shared Signals Framework 1.0: what transmitter and receiver say to each other about a stream.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Delivery by push (RFC 8935).
pub const PUSH: &str = "urn:ietf:rfc:8935";
/// Delivery by poll (RFC 8936).
pub const POLL: &str = "urn:ietf:rfc:8936";

/// What a transmitter says about itself at `/.well-known/ssf-configuration` (SSF 1.0 §7.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransmitterConfiguration {
    /// The version of the framework, `1_0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec_version: Option<String>,
    /// The `iss` of its tokens.
    pub issuer: String,
    /// Where its keys are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// [`PUSH`] and [`POLL`], as far as they are offered.
    #[serde(default)]
    pub delivery_methods_supported: Vec<String>,
    /// Where streams are made, read, changed and deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration_endpoint: Option<String>,
    /// Where a stream's status is read and set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_endpoint: Option<String>,
    /// Where a verification event is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification_endpoint: Option<String>,
    /// How callers authorize themselves, such as `urn:ietf:rfc:6749`.
    #[serde(default)]
    pub authorization_schemes: Vec<AuthorizationScheme>,
    /// `ALL`: a new stream tells of everybody; `NONE`: of nobody until subjects are added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_subjects: Option<String>,
}

/// A way of authorization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationScheme {
    /// The URN of its specification.
    pub spec_urn: String,
}

/// How a stream's tokens reach the receiver (SSF 1.0 §6.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// [`PUSH`] or [`POLL`].
    pub method: String,
    /// Where tokens are pushed to, or polled from: the receiver's choice for push, the transmitter's for poll.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_url: Option<String>,
    /// The `Authorization` header of pushes; never read back.
    #[serde(default, skip_serializing)]
    pub authorization_header: Option<String>,
}

/// A stream as its transmitter shows it (SSF 1.0 §8.1.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamConfiguration {
    /// Its id.
    pub stream_id: String,
    /// The `iss` of its tokens.
    pub iss: String,
    /// The `aud` of its tokens.
    pub aud: String,
    /// Every event that the transmitter can tell of.
    pub events_supported: Vec<String>,
    /// What the receiver asked for.
    pub events_requested: Vec<String>,
    /// What is told: what was asked for and is supported.
    pub events_delivered: Vec<String>,
    /// How.
    pub delivery: Delivery,
    /// The receiver's note.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Seconds that have to pass between two verifications.
    pub min_verification_interval: i64,
}

/// What a receiver asks for: a new stream, or a change of one.
///
/// Members that the transmitter supplies may come along; they are ignored but for `iss` and `aud`, which have to be right.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct StreamRequest {
    /// Which stream; in changes only.
    #[serde(default)]
    pub stream_id: Option<String>,
    /// The `iss`, as it was read.
    #[serde(default)]
    pub iss: Option<String>,
    /// The `aud`, as it was read.
    #[serde(default)]
    pub aud: Option<Value>,
    /// What it wants to be told; everything where it does not say.
    #[serde(default)]
    pub events_requested: Option<Vec<String>>,
    /// How; poll where it does not say (SSF 1.0 §8.1.1.1).
    #[serde(default)]
    pub delivery: Option<Delivery>,
    /// A note.
    #[serde(default)]
    pub description: Option<String>,
}

/// A stream's status (SSF 1.0 §8.1.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamStatus {
    /// Which stream.
    pub stream_id: String,
    /// `enabled`, `paused` or `disabled`.
    pub status: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The wish for a verification event (SSF 1.0 §8.1.4.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerificationRequest {
    /// Of which stream.
    pub stream_id: String,
    /// What the event repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// An error of a push receiver, and of a poller about one token (RFC 8935 §2.3, RFC 8936 §2.6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryError {
    /// A code of RFC 8935 §2.4.
    pub err: String,
    /// For the sender's administrators.
    #[serde(default)]
    pub description: String,
}

/// What a poller asks (RFC 8936 §2.4).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PollRequest {
    /// How many tokens at most; 0 only acknowledges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_events: Option<i64>,
    /// Whether an empty answer comes at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_immediately: Option<bool>,
    /// The ids of tokens that have arrived.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ack: Vec<String>,
    /// The ids of tokens that were refused, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set_errs: BTreeMap<String, DeliveryError>,
}

/// What a poller gets (RFC 8936 §2.5).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PollResponse {
    /// The tokens by their `jti`.
    #[serde(default)]
    pub sets: BTreeMap<String, String>,
    /// Whether more wait.
    #[serde(default)]
    pub more_available: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_examples_of_rfc_8936_are_read() {
        let request = json!({
            "ack": ["4d3559ec67504aaba65d40b0363faad8"],
            "setErrs": { "4d3559ec67504aaba65d40b0363faad9": { "err": "authentication_failed", "description": "The SET could not be authenticated" } },
            "returnImmediately": true, "maxEvents": 3,
        });
        let read: PollRequest = serde_json::from_value(request.clone()).unwrap();
        assert_eq!((read.max_events, read.ack.len()), (Some(3), 1));
        assert_eq!(serde_json::to_value(&read).unwrap(), request);
        let empty: PollRequest = serde_json::from_value(json!({})).unwrap();
        assert_eq!(empty, PollRequest::default());
        let answer: PollResponse =
            serde_json::from_value(json!({ "sets": { "j": "eyJ0" }, "moreAvailable": true }))
                .unwrap();
        assert!(answer.more_available && answer.sets.contains_key("j"));
    }

    #[test]
    fn an_authorization_header_is_taken_and_never_shown() {
        let delivery: Delivery = serde_json::from_value(
            json!({ "method": PUSH, "endpoint_url": "https://r.example", "authorization_header": "Bearer s" }),
        )
        .unwrap();
        assert_eq!(delivery.authorization_header.as_deref(), Some("Bearer s"));
        assert!(
            serde_json::to_value(&delivery)
                .unwrap()
                .get("authorization_header")
                .is_none()
        );
    }
}
