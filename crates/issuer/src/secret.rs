//! Text that must not reach a log.

use std::fmt;

use crate::encoding::{constant_time_eq, sha256};

/// A secret in clear: a code, a token, a client secret.
///
/// It has neither `Display` nor `Serialize`, and its `Debug` prints nothing of it.
/// The way out is [`Secret::expose`], which is easy to find in a review.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret in clear.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the secret's text, for storing and finding it.
    ///
    /// A plain hash is enough only because every secret here carries at least 128 random bits.
    pub fn hash(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }

    /// Whether `hash` is [`Secret::hash`] of this secret, in constant time.
    pub fn matches_hash(&self, hash: &[u8]) -> bool {
        constant_time_eq(&self.hash(), hash)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
    }

    #[test]
    fn hash_matches_only_itself() {
        let secret = Secret::new("a");
        assert!(secret.matches_hash(&Secret::new("a").hash()));
        assert!(!secret.matches_hash(&Secret::new("b").hash()));
        assert!(!secret.matches_hash(&[]));
    }
}
