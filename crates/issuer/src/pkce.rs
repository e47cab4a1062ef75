//! Proof Key for Code Exchange (RFC 7636), method S256 only.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::encoding::{base64url, constant_time_eq, from_base64url, sha256};
use crate::secret::Secret;

/// An S256 challenge: the SHA-256 of the verifier, 43 characters of base64url on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeChallenge([u8; 32]);

impl CodeChallenge {
    /// Reads the wire form; `None` when it is not the base64url of 32 bytes.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 43 {
            return None;
        }
        let bytes = from_base64url(text)?;
        Some(Self(bytes.try_into().ok()?))
    }
}

impl fmt::Display for CodeChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url(&self.0))
    }
}

impl Serialize for CodeChallenge {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CodeChallenge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not an S256 code challenge"))
    }
}

/// A code verifier: 43 to 128 unreserved characters (RFC 7636 §4.1).
#[derive(Debug, Clone)]
pub struct CodeVerifier(Secret);

impl CodeVerifier {
    /// Reads a verifier; `None` when its length or alphabet is wrong.
    pub fn parse(text: &str) -> Option<Self> {
        let unreserved =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        let valid = (43..=128).contains(&text.len()) && text.bytes().all(unreserved);
        valid.then(|| Self(Secret::new(text)))
    }

    /// The challenge that belongs to this verifier.
    pub fn challenge(&self) -> CodeChallenge {
        CodeChallenge(sha256(self.0.expose().as_bytes()))
    }
}

/// Why a code exchange fails its proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PkceError {
    /// The authorization request had a challenge, the exchange has no verifier.
    #[error("the code verifier is missing")]
    VerifierMissing,
    /// A verifier without a challenge: a code from a request whose challenge was stripped
    /// (RFC 9700 §4.8.2).
    #[error("the code was issued without a code challenge")]
    ChallengeMissing,
    /// The verifier is another one's.
    #[error("the code verifier does not match")]
    Mismatch,
}

/// Compares in constant time, and demands presence on both sides or on none (RFC 9700 §2.1.1).
pub fn verify(
    challenge: Option<&CodeChallenge>,
    verifier: Option<&CodeVerifier>,
) -> Result<(), PkceError> {
    match (challenge, verifier) {
        (None, None) => Ok(()),
        (Some(_), None) => Err(PkceError::VerifierMissing),
        (None, Some(_)) => Err(PkceError::ChallengeMissing),
        (Some(challenge), Some(verifier)) => {
            if constant_time_eq(&challenge.0, &verifier.challenge().0) {
                Ok(())
            } else {
                Err(PkceError::Mismatch)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn rfc_7636_appendix_b_verifies() {
        let verifier = CodeVerifier::parse(VERIFIER).unwrap();
        let challenge = CodeChallenge::parse(CHALLENGE).unwrap();
        assert_eq!(verifier.challenge().to_string(), CHALLENGE);
        assert_eq!(verify(Some(&challenge), Some(&verifier)), Ok(()));
    }

    #[test]
    fn challenge_replayed_as_verifier_is_refused() {
        let challenge = CodeChallenge::parse(CHALLENGE).unwrap();
        let verifier = CodeVerifier::parse(CHALLENGE).unwrap();
        assert_eq!(
            verify(Some(&challenge), Some(&verifier)),
            Err(PkceError::Mismatch)
        );
    }

    #[test]
    fn presence_must_match_both_ways() {
        let challenge = CodeChallenge::parse(CHALLENGE).unwrap();
        let verifier = CodeVerifier::parse(VERIFIER).unwrap();
        assert_eq!(
            verify(Some(&challenge), None),
            Err(PkceError::VerifierMissing)
        );
        assert_eq!(
            verify(None, Some(&verifier)),
            Err(PkceError::ChallengeMissing)
        );
        assert_eq!(verify(None, None), Ok(()));
    }

    #[test]
    fn syntax_is_strict() {
        assert!(CodeVerifier::parse(&"a".repeat(42)).is_none());
        assert!(CodeVerifier::parse(&"a".repeat(43)).is_some());
        assert!(CodeVerifier::parse(&"~".repeat(128)).is_some());
        assert!(CodeVerifier::parse(&"a".repeat(129)).is_none());
        assert!(CodeVerifier::parse(&format!("{}+", "a".repeat(43))).is_none());
        assert!(CodeChallenge::parse(&CHALLENGE[..42]).is_none());
        assert!(CodeChallenge::parse(&format!("{CHALLENGE}=")).is_none());
        assert!(CodeChallenge::parse(&CHALLENGE.replace('-', "+")).is_none());
    }

    #[test]
    fn verifier_is_redacted() {
        let verifier = CodeVerifier::parse(VERIFIER).unwrap();
        assert!(!format!("{verifier:?}").contains("dBjf"));
    }
}
