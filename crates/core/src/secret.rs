use std::fmt;

use aws_lc_rs::{constant_time, digest};

/// A clear credential on its way in or out: a token, a client secret, a password.
///
/// It has neither `Display` nor `Serialize`, and its `Debug` prints nothing of it.
/// What is stored is its [`hash`](Secret::hash), or a sealed value.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a credential into custody.
    pub fn new(clear: impl Into<String>) -> Self {
        Self(clear.into())
    }

    /// The clear value, for the one reply or comparison that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The SHA-256 of the credential.
    /// Sound only for values with at least 128 bits of chance; passwords need argon2id.
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(self.0.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl From<String> for Secret {
    fn from(clear: String) -> Self {
        Self(clear)
    }
}

/// The SHA-256 of a credential, as the store keeps it.
#[derive(Clone, Copy)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// Hashes a credential's bytes.
    pub fn of(clear: &[u8]) -> Self {
        let mut bytes = [0; 32];
        let digest = digest::digest(&digest::SHA256, clear);
        bytes
            .iter_mut()
            .zip(digest.as_ref())
            .for_each(|(to, from)| *to = *from);
        Self(bytes)
    }

    /// The bytes that the store keeps.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether stored bytes are this hash, compared in constant time.
    pub fn is(&self, stored: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(&self.0, stored).is_ok()
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_prints_nothing_of_a_secret() {
        let secret = Secret::new("hunter2");
        assert_eq!(
            format!("{secret:?} {:?}", secret.hash()),
            "Secret(…) SecretHash(…)"
        );
    }

    #[test]
    fn hash_is_the_same_for_the_same_secret_only() {
        let hash = Secret::new("a").hash();
        assert!(hash.is(Secret::new("a").hash().as_bytes()));
        assert!(!hash.is(Secret::new("b").hash().as_bytes()));
        assert!(!hash.is(&[]));
    }
}
