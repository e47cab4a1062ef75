//! Authorization codes.

use std::fmt;

use crate::encoding::{base64url, from_base64url, sha256};

const PREFIX: &str = "vac_";

/// Seconds that a code lives at most (IPSIE SL1; RFC 6749 §4.1.2 recommends at most ten minutes).
pub const MAX_TTL: i64 = 60;

/// An authorization code: `vac_` and 256 random bits. The store knows its hash only.
#[derive(Clone)]
pub struct AuthorizationCode(String);

impl AuthorizationCode {
    /// Makes a code of the host's random bytes.
    pub fn from_random(bytes: &[u8; 32]) -> Self {
        Self(format!("{PREFIX}{}", base64url(bytes)))
    }

    /// Reads a presented code; `None` for anything that we cannot have issued.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = from_base64url(text.strip_prefix(PREFIX)?)?;
        (bytes.len() == 32).then(|| Self(text.to_owned()))
    }

    /// The code in clear, for the answer.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the text, for the store.
    pub fn hash(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }
}

impl fmt::Debug for AuthorizationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthorizationCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_comes_back_with_its_hash() {
        let code = AuthorizationCode::from_random(&[7; 32]);
        let parsed = AuthorizationCode::parse(code.expose()).unwrap();
        assert_eq!(parsed.hash(), code.hash());
        assert_eq!(code.expose().len(), 47);
        assert_eq!(format!("{code:?}"), "AuthorizationCode(…)");
    }

    #[test]
    fn what_we_cannot_have_issued_is_none() {
        let code = AuthorizationCode::from_random(&[7; 32]);
        let text = code.expose();
        for bad in [
            &text[1..],
            &text[..46],
            &format!("{text}="),
            &format!("{text}A"),
            "vac_",
            "",
        ] {
            assert!(AuthorizationCode::parse(bad).is_none(), "{bad}");
        }
    }
}
