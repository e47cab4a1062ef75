//! Signed webhooks after the Standard Webhooks specification, symmetric signatures (`v1`).

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

/// Header with the message's id, the same for every attempt.
pub const ID_HEADER: &str = "webhook-id";
/// Header with the attempt's time, seconds since the Unix epoch.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// Header with the signatures.
pub const SIGNATURE_HEADER: &str = "webhook-signature";
/// Seconds that a message may be old, or ahead of the receiver's clock.
pub const TOLERANCE: i64 = 300;

const SECRET_PREFIX: &str = "whsec_";
const SCHEME: &str = "v1";
/// More signatures than any rotation has; each one costs the receiver a comparison.
const MAX_SIGNATURES: usize = 16;

/// A secret that sender and receiver share: 24 to 64 random bytes.
#[derive(Clone)]
pub struct WebhookSecret {
    key: hmac::Key,
    bytes: Vec<u8>,
}

/// What is wrong with a secret or a message of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// Not `whsec_` and base64.
    #[error("the webhook secret must be whsec_ followed by base64")]
    SecretEncoding,
    /// Not 24 to 64 bytes.
    #[error("the webhook secret must have 24 to 64 bytes")]
    SecretLength,
    /// The id would make the signed text ambiguous, or cannot stand in a header.
    #[error("the message id must be printable ASCII without dots and spaces")]
    MessageId,
}

/// Why a received message is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The id or timestamp is not what the specification says.
    #[error("the webhook headers are malformed")]
    Malformed,
    /// Older than five minutes: replayed, or the receiver's clock is ahead.
    #[error("the webhook is too old")]
    TooOld,
    /// More than five minutes ahead: the receiver's clock is behind.
    #[error("the webhook is from the future")]
    TooNew,
    /// No signature by a secret that we know: another secret, or the body was changed on the way
    /// (verify the bytes as received, never parsed and written again).
    #[error("no signature of the webhook matches")]
    Signature,
}

impl WebhookSecret {
    /// Takes 24 to 64 bytes of the host's generator.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WebhookError> {
        if !(24..=64).contains(&bytes.len()) {
            return Err(WebhookError::SecretLength);
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        Ok(Self {
            key,
            bytes: bytes.to_vec(),
        })
    }

    /// Reads `whsec_…`.
    pub fn parse(text: &str) -> Result<Self, WebhookError> {
        let encoded = text
            .strip_prefix(SECRET_PREFIX)
            .ok_or(WebhookError::SecretEncoding)?;
        let bytes = STANDARD
            .decode(encoded)
            .map_err(|_| WebhookError::SecretEncoding)?;
        Self::from_bytes(&bytes)
    }

    /// The secret in clear, `whsec_…`, for the one answer that shows it.
    pub fn expose(&self) -> String {
        format!("{SECRET_PREFIX}{}", STANDARD.encode(&self.bytes))
    }

    /// The raw bytes, for sealing.
    pub fn expose_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

/// The secrets of one destination: the current one, and older ones while receivers change over.
#[derive(Debug, Clone)]
pub struct WebhookKeys {
    current: WebhookSecret,
    previous: Vec<WebhookSecret>,
}

/// The headers to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeaders {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`.
    pub timestamp: i64,
    /// `webhook-signature`: one `v1,<base64>` per secret, spaces between.
    pub signature: String,
}

impl SignedHeaders {
    /// Names and values.
    pub fn pairs(&self) -> [(&'static str, String); 3] {
        [
            (ID_HEADER, self.id.clone()),
            (TIMESTAMP_HEADER, self.timestamp.to_string()),
            (SIGNATURE_HEADER, self.signature.clone()),
        ]
    }
}

/// The headers of a received message, as they came.
#[derive(Debug, Clone)]
pub struct Received<'a> {
    id: &'a str,
    timestamp: String,
    signature: &'a str,
}

impl<'a> Received<'a> {
    /// Takes the values of the three headers.
    pub fn new(id: &'a str, timestamp: &str, signature: &'a str) -> Self {
        Self {
            id,
            timestamp: timestamp.to_owned(),
            signature,
        }
    }
}

impl<'a> From<&'a SignedHeaders> for Received<'a> {
    fn from(headers: &'a SignedHeaders) -> Self {
        Self::new(
            &headers.id,
            &headers.timestamp.to_string(),
            &headers.signature,
        )
    }
}

impl WebhookKeys {
    /// One secret.
    pub fn new(current: WebhookSecret) -> Self {
        Self {
            current,
            previous: Vec::new(),
        }
    }

    /// Adds a secret that is being replaced: messages carry a signature by each.
    #[must_use]
    pub fn with_previous(mut self, secret: WebhookSecret) -> Self {
        self.previous.push(secret);
        self
    }

    /// Signs one attempt. `id` stays the same over all attempts of a message, `timestamp` does not.
    pub fn sign(
        &self,
        id: &str,
        timestamp: i64,
        body: &[u8],
    ) -> Result<SignedHeaders, WebhookError> {
        if !is_message_id(id) {
            return Err(WebhookError::MessageId);
        }
        let message = signed_content(id, timestamp, body);
        let signatures: Vec<String> = self
            .secrets()
            .map(|secret| {
                let tag = hmac::sign(&secret.key, &message);
                format!("{SCHEME},{}", STANDARD.encode(tag.as_ref()))
            })
            .collect();
        Ok(SignedHeaders {
            id: id.to_owned(),
            timestamp,
            signature: signatures.join(" "),
        })
    }

    /// Verifies a received message: its age within [`TOLERANCE`], and that one of its signatures is
    /// by one of the secrets. Compares in constant time; unknown schemes (`v1a`) are skipped.
    ///
    /// `body` is what arrived, byte for byte. Remember the id to refuse a second delivery.
    pub fn verify(
        &self,
        received: &Received<'_>,
        body: &[u8],
        now: i64,
    ) -> Result<(), VerifyError> {
        let timestamp = parse_timestamp(&received.timestamp).ok_or(VerifyError::Malformed)?;
        if !is_message_id(received.id) {
            return Err(VerifyError::Malformed);
        }
        let age = now.saturating_sub(timestamp);
        if age > TOLERANCE {
            return Err(VerifyError::TooOld);
        }
        if age < -TOLERANCE {
            return Err(VerifyError::TooNew);
        }
        let message = signed_content(received.id, timestamp, body);
        let mut matched = false;
        for signature in received.signature.split(' ').take(MAX_SIGNATURES) {
            let Some((SCHEME, encoded)) = signature.split_once(',') else {
                continue;
            };
            let Ok(tag) = STANDARD.decode(encoded) else {
                continue;
            };
            for secret in self.secrets() {
                matched |= hmac::verify(&secret.key, &message, &tag).is_ok();
            }
        }
        if matched {
            Ok(())
        } else {
            Err(VerifyError::Signature)
        }
    }

    fn secrets(&self) -> impl Iterator<Item = &WebhookSecret> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

fn is_message_id(id: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_graphic() && byte != b'.';
    !id.is_empty() && id.bytes().all(valid)
}

/// Digits only, without leading zero, so that one time has one text.
fn parse_timestamp(text: &str) -> Option<i64> {
    let timestamp: i64 = text.parse().ok()?;
    (timestamp >= 0 && timestamp.to_string() == text).then_some(timestamp)
}

fn signed_content(id: &str, timestamp: i64, body: &[u8]) -> Vec<u8> {
    let mut content = format!("{id}.{timestamp}.").into_bytes();
    content.extend_from_slice(body);
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIME: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn keys() -> WebhookKeys {
        WebhookKeys::new(WebhookSecret::parse(SECRET).unwrap())
    }

    fn other_secret() -> WebhookSecret {
        WebhookSecret::from_bytes(&[9; 32]).unwrap()
    }

    fn verify(id: &str, timestamp: &str, signature: &str, body: &[u8]) -> Result<(), VerifyError> {
        keys().verify(&Received::new(id, timestamp, signature), body, TIME)
    }

    #[test]
    fn vector_of_the_specification_is_signed_and_verified() {
        let headers = keys().sign(ID, TIME, BODY).unwrap();
        assert_eq!(
            headers.pairs(),
            [
                ("webhook-id", ID.to_owned()),
                ("webhook-timestamp", "1614265330".to_owned()),
                ("webhook-signature", SIGNATURE.to_owned()),
            ]
        );
        assert_eq!(verify(ID, "1614265330", SIGNATURE, BODY), Ok(()));
    }

    #[test]
    fn any_change_is_refused() {
        let time = "1614265330";
        assert_eq!(
            verify("msg_other", time, SIGNATURE, BODY),
            Err(VerifyError::Signature)
        );
        assert_eq!(
            verify(ID, "1614265331", SIGNATURE, BODY),
            Err(VerifyError::Signature)
        );
        assert_eq!(
            verify(ID, time, SIGNATURE, b"{}"),
            Err(VerifyError::Signature)
        );
        let base64 = &SIGNATURE[3..];
        for signature in [
            "",
            "v1",
            "v1,",
            base64,
            &format!("v1a,{base64}"),
            &SIGNATURE[..20],
        ] {
            assert_eq!(
                verify(ID, time, signature, BODY),
                Err(VerifyError::Signature),
                "{signature}"
            );
        }
    }

    #[test]
    fn malformed_headers_are_refused() {
        for time in [
            "",
            "x",
            "+1614265330",
            "01614265330",
            "1614265330.0",
            "-1",
            "99999999999999999999",
        ] {
            assert_eq!(
                verify(ID, time, SIGNATURE, BODY),
                Err(VerifyError::Malformed),
                "{time}"
            );
        }
        for id in ["", "a.b", "a b", "a\n"] {
            assert_eq!(
                verify(id, "1614265330", SIGNATURE, BODY),
                Err(VerifyError::Malformed),
                "{id:?}"
            );
            assert_eq!(
                keys().sign(id, TIME, BODY),
                Err(WebhookError::MessageId),
                "{id:?}"
            );
        }
    }

    #[test]
    fn age_is_bounded_both_ways() {
        let headers = keys().sign(ID, TIME, BODY).unwrap();
        let at = |now| keys().verify(&Received::from(&headers), BODY, now);
        assert_eq!(at(TIME + TOLERANCE), Ok(()));
        assert_eq!(at(TIME - TOLERANCE), Ok(()));
        assert_eq!(at(TIME + TOLERANCE + 1), Err(VerifyError::TooOld));
        assert_eq!(at(TIME - TOLERANCE - 1), Err(VerifyError::TooNew));
        assert_eq!(at(i64::MIN), Err(VerifyError::TooNew));
    }

    #[test]
    fn during_rotation_old_and_new_secret_both_verify() {
        let sender =
            WebhookKeys::new(other_secret()).with_previous(WebhookSecret::parse(SECRET).unwrap());
        let headers = sender.sign(ID, TIME, BODY).unwrap();
        assert_eq!(headers.signature.split(' ').count(), 2);
        for receiver in [keys(), WebhookKeys::new(other_secret())] {
            assert_eq!(
                receiver.verify(&Received::from(&headers), BODY, TIME),
                Ok(())
            );
        }
        let stranger = WebhookKeys::new(WebhookSecret::from_bytes(&[8; 24]).unwrap());
        let refused = stranger.verify(&Received::from(&headers), BODY, TIME);
        assert_eq!(refused, Err(VerifyError::Signature));
    }

    #[test]
    fn secret_comes_back_and_its_size_is_bounded() {
        assert_eq!(WebhookSecret::parse(SECRET).unwrap().expose(), SECRET);
        for (length, good) in [(23, false), (24, true), (64, true), (65, false)] {
            assert_eq!(
                WebhookSecret::from_bytes(&vec![1; length]).is_ok(),
                good,
                "{length}"
            );
        }
        for bad in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%", "whsec_", ""] {
            assert!(WebhookSecret::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn secret_stays_out_of_debug() {
        assert_eq!(format!("{:?}", other_secret()), "WebhookSecret(…)");
    }
}
