//! Refresh tokens.
//!
//! A token is a function of the app session, the generation and a key. So the successor can be said
//! again to a client that lost the answer, and nothing readable is stored.

use std::fmt;

use aws_lc_rs::hmac;

use crate::encoding::{base64url, from_base64url};
use crate::secret::Secret;

/// How every refresh token begins, so that leak scanners can know it.
pub const PREFIX: &str = "vrt_";

const LABEL: &[u8] = b"vestibule refresh token 1\0";
const BODY_BYTES: usize = 16 + 4;

/// The key of the MACs.
#[derive(Clone)]
pub struct RefreshTokenKey(hmac::Key);

/// A refresh token whose MAC was right. Whether it is the session's current one is for the store
/// to say, by [`RefreshToken::hash`].
#[derive(Debug, Clone)]
pub struct RefreshToken {
    session_id: [u8; 16],
    generation: u32,
    text: Secret,
}

impl RefreshToken {
    /// The app session's id.
    pub fn session_id(&self) -> [u8; 16] {
        self.session_id
    }

    /// Which of the session's refresh tokens this is; the first is 0.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// The token in clear, for the answer.
    pub fn secret(&self) -> &Secret {
        &self.text
    }

    /// SHA-256 of the text, for the store.
    pub fn hash(&self) -> [u8; 32] {
        self.text.hash()
    }
}

impl RefreshTokenKey {
    /// Takes 32 random bytes, which nothing else uses.
    pub fn new(key: [u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    /// The session's token of this generation: always the same one.
    pub fn issue(&self, session_id: [u8; 16], generation: u32) -> RefreshToken {
        let mut bytes = body(&session_id, generation);
        let mac = hmac::sign(&self.0, &[LABEL, bytes.as_slice()].concat());
        bytes.extend_from_slice(mac.as_ref());
        let text = Secret::new(format!("{PREFIX}{}", base64url(&bytes)));
        RefreshToken {
            session_id,
            generation,
            text,
        }
    }

    /// The token that follows `token`; `None` after the last generation.
    pub fn successor(&self, token: &RefreshToken) -> Option<RefreshToken> {
        let generation = token.generation.checked_add(1)?;
        Some(self.issue(token.session_id, generation))
    }

    /// Reads a presented token, whose MAC is checked in constant time before any field is looked at.
    pub fn open(&self, text: &str) -> Option<RefreshToken> {
        let bytes = from_base64url(text.strip_prefix(PREFIX)?)?;
        let (body, mac) = bytes.split_first_chunk::<BODY_BYTES>()?;
        hmac::verify(&self.0, &[LABEL, body.as_slice()].concat(), mac).ok()?;
        let (session_id, generation) = body.split_first_chunk::<16>()?;
        let generation = generation.first_chunk::<4>()?;
        Some(RefreshToken {
            session_id: *session_id,
            generation: u32::from_be_bytes(*generation),
            text: Secret::new(text),
        })
    }
}

impl fmt::Debug for RefreshTokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshTokenKey(…)")
    }
}

fn body(session_id: &[u8; 16], generation: u32) -> Vec<u8> {
    let mut body = session_id.to_vec();
    body.extend_from_slice(&generation.to_be_bytes());
    body
}

#[cfg(test)]
mod tests;
