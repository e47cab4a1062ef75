//! Decryption of `xenc:EncryptedData` content with a key that was unwrapped before.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, AES_256, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

const BLOCK: usize = 16;

/// The block encryption algorithms that are accepted (XML Encryption 1.1 §5.2).
///
/// Triple-DES and AES-192 are left out on purpose: nobody needs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentAlgorithm {
    /// Not authenticated: the caller must give one uniform answer for every failure behind it.
    Aes128Cbc,
    /// Not authenticated, as its shorter form.
    Aes256Cbc,
    Aes128Gcm,
    Aes256Gcm,
}

impl ContentAlgorithm {
    const ALL: [Self; 4] = [
        Self::Aes128Cbc,
        Self::Aes256Cbc,
        Self::Aes128Gcm,
        Self::Aes256Gcm,
    ];

    /// The algorithm of this identifier, compared byte for byte.
    pub(crate) fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.uri() == uri)
    }

    pub(crate) fn uri(self) -> &'static str {
        match self {
            Self::Aes128Cbc => "http://www.w3.org/2001/04/xmlenc#aes128-cbc",
            Self::Aes256Cbc => "http://www.w3.org/2001/04/xmlenc#aes256-cbc",
            Self::Aes128Gcm => "http://www.w3.org/2009/xmlenc11#aes128-gcm",
            Self::Aes256Gcm => "http://www.w3.org/2009/xmlenc11#aes256-gcm",
        }
    }

    /// Octets of the key.
    pub(crate) fn key_len(self) -> usize {
        match self {
            Self::Aes128Cbc | Self::Aes128Gcm => 16,
            Self::Aes256Cbc | Self::Aes256Gcm => 32,
        }
    }
}

/// The plain octets of a `CipherValue`, or `None` for whatever is wrong with key, length, tag or padding.
pub(crate) fn decrypt_content(
    algorithm: ContentAlgorithm,
    key: &[u8],
    data: &[u8],
) -> Option<Vec<u8>> {
    if key.len() != algorithm.key_len() {
        return None;
    }
    match algorithm {
        ContentAlgorithm::Aes128Cbc => {
            decrypt_cbc(UnboundCipherKey::new(&AES_128, key).ok()?, data)
        }
        ContentAlgorithm::Aes256Cbc => {
            decrypt_cbc(UnboundCipherKey::new(&AES_256, key).ok()?, data)
        }
        ContentAlgorithm::Aes128Gcm => decrypt_gcm(UnboundKey::new(&AES_128_GCM, key).ok()?, data),
        ContentAlgorithm::Aes256Gcm => decrypt_gcm(UnboundKey::new(&AES_256_GCM, key).ok()?, data),
    }
}

/// The initialization vector is the first block; the last octet says how many octets of padding there are,
/// and the others of the padding may be anything (XML Encryption 1.1 §5.2).
fn decrypt_cbc(key: UnboundCipherKey, data: &[u8]) -> Option<Vec<u8>> {
    let (vector, blocks) = data.split_first_chunk::<BLOCK>()?;
    if blocks.is_empty() || blocks.len() % BLOCK != 0 {
        return None;
    }
    let mut plain = blocks.to_vec();
    DecryptingKey::cbc(key)
        .ok()?
        .decrypt(
            &mut plain,
            DecryptionContext::Iv128(FixedLength::from(vector)),
        )
        .ok()?;
    let padding = usize::from(*plain.last()?);
    if !(1..=BLOCK).contains(&padding) {
        return None;
    }
    plain.truncate(plain.len().checked_sub(padding)?);
    Some(plain)
}

/// A vector of 12 octets comes first and a tag of 16 last (XML Encryption 1.1 §5.2.4).
fn decrypt_gcm(key: UnboundKey, data: &[u8]) -> Option<Vec<u8>> {
    let (vector, sealed) = data.split_first_chunk::<12>()?;
    let mut plain = sealed.to_vec();
    let length = LessSafeKey::new(key)
        .open_in_place(
            Nonce::assume_unique_for_key(*vector),
            Aad::empty(),
            &mut plain,
        )
        .ok()?
        .len();
    plain.truncate(length);
    Some(plain)
}
