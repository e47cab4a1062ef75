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

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use ContentAlgorithm::{Aes128Cbc, Aes128Gcm, Aes256Cbc, Aes256Gcm};

    /// What OpenSSL encrypted under the key 00 01 02 …; the octets of the CBC padding are random but the last.
    const OPENSSL: [(ContentAlgorithm, &str); 4] = [
        (
            Aes128Cbc,
            "ZGVmZ2hpamtsbW5vcHFyc+fc76r+1sboFNX7SQhIDvLeFedRH7UGCb+gS2r5oMxqdm3qvDnImI+8xADULS0F\
             JBbcgLkb91MuKOLiPkS2uiQ1iadK1u/JZb0CCZvkGaq7",
        ),
        (
            Aes128Gcm,
            "ZGVmZ2hpamtsbW5vJhEvyLc4+YnoWyVk76VFzEjlFJHhk647mQOMtcmAmcnVnSFN+CJJ8Oc9VHz54X5UmtBR\
             Sa8ocRKi/XI4vuoMDwq4PTO58L5Fwy4Mag4Cq0h6/Vrf",
        ),
        (
            Aes256Cbc,
            "ZGVmZ2hpamtsbW5vcHFyc//n+etJQZM0iHkxYvBQkoZ7fX5AWxCL2UL3xRcfwe+HhgJ4BVfdzrOXpiQInDox\
             /HiQxneNXzK2UYksDT4UxJ45Z5SREVh+GDkhq9P6pbiQ",
        ),
        (
            Aes256Gcm,
            "ZGVmZ2hpamtsbW5vdGi/CxXTF+1NBy2cswoE3TqvamT4VoATyr2Rao7Ry3L7iDOpPyj1ZZCWCwWJIfCcWhbU\
             3RJkcRKbgt+znfXM5Wau9DDzul3tf6pm4TrZoUyrxiAe",
        ),
    ];
    const PLAIN: &[u8] = br#"<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"/>"#;

    fn key(algorithm: ContentAlgorithm) -> Vec<u8> {
        (0..=255).take(algorithm.key_len()).collect()
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
        let octets = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]);
        octets.map(|octet| u8::try_from(octet).unwrap()).collect()
    }

    #[test]
    fn what_openssl_encrypted_is_decrypted() {
        for (algorithm, data) in OPENSSL {
            let data = STANDARD.decode(data).unwrap();
            let plain = decrypt_content(algorithm, &key(algorithm), &data);
            assert_eq!(plain.as_deref(), Some(PLAIN), "{algorithm:?}");
        }
    }

    #[test]
    fn vectors_of_nist_sp_800_38a_are_decrypted() {
        // F.2.1 and F.2.5; the last block of the plain text happens to end in 0x10, so all of it reads as padding.
        let plain = hex(
            "6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51
             30c81c46a35ce411e5fbc1191a0a52ef",
        );
        for (algorithm, key, encrypted) in [
            (
                Aes128Cbc,
                "2b7e151628aed2a6abf7158809cf4f3c",
                "7649abac8119b246cee98e9b12e9197d 5086cb9b507219ee95db113a917678b2
                 73bed6b8e3c1743b7116e69e22229516 3ff1caa1681fac09120eca307586e1a7",
            ),
            (
                Aes256Cbc,
                "603deb1015ca71be2b73aef0857d7781 1f352c073b6108d72d9810a30914dff4",
                "f58c4c04d6e5f1ba779eabfb5f7bfbd6 9cfc4e967edb808d679f777bc6702c7d
                 39f23369a9d9bacfa530e26304231461 b2eb05e2c39be9fcda6c19078c6a9d1b",
            ),
        ] {
            let data = hex(&format!("000102030405060708090a0b0c0d0e0f{encrypted}"));
            assert_eq!(
                decrypt_content(algorithm, &hex(key), &data).as_ref(),
                Some(&plain)
            );
        }
    }

    #[test]
    fn vectors_of_the_gcm_specification_are_decrypted() {
        // McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 3 and 15.
        let plain = hex(
            "d9313225f88406e5a55909c5aff5269a 86a7a9531534f7da2e4c303d8a318a72
             1c3c0c95956809532fcf0e2449a6b525 b16aedf5aa0de657ba637b391aafd255",
        );
        let half = "feffe9928665731c6d6a8f9467308308";
        for (algorithm, key, sealed) in [
            (
                Aes128Gcm,
                half.to_owned(),
                "42831ec2217774244b7221b784d0d49c e3aa212f2c02a4e035c17e2329aca12e
                 21d514b25466931c7d8f6a5aac84aa05 1ba30b396a0aac973d58e091473f5985
                 4d5c2af327cd64a62cf35abd2ba6fab4",
            ),
            (
                Aes256Gcm,
                half.repeat(2),
                "522dc1f099567d07f47f37a32a84427d 643a8cdcbfe5c0c97598a2bd2555d1aa
                 8cb08e48590dbb3da7b08b1056828838 c5f61e6393ba7a0abcc9f662898015ad
                 b094dac5d93471bdec1a502270e3cc6c",
            ),
        ] {
            let data = hex(&format!("cafebabefacedbaddecaf888{sealed}"));
            assert_eq!(
                decrypt_content(algorithm, &hex(&key), &data).as_ref(),
                Some(&plain)
            );
        }
    }

    #[test]
    fn the_interoperability_example_of_xmlenc_is_decrypted() {
        // merlin-xmlenc-five of the W3C working group, encrypt-content-aes256-cbc-prop.
        let data = STANDARD.decode(
            "H8n1OuEJFyUgUguDFF6ml8nRbA0IaDYgmtGelWT4V7CSz9q/AvtfxyMzUH+tQZ+FjyXh3otR1+V1+8EsevzE\
             q5nUmNKl+wyxQmWaUvbvXpSwAJnlJdyvnP56JiXUBS+pC2KzlO9kk8l6awtuRd9Z6eVjngwTf7kNprmu5Bv0\
             o+x7dcq96G8wGLvMThbs4uxkiIDK5+qGBzzIlFw3GG82MKmnVBveQw3LD52y76yBtoayuAJFJMnrXa0OEAaB\
             RSI2fjPNGJV3sCyKZDHqGlsQ4X+VvXzevLbBLkFy1xH9/zoUXo8cEaTvsIOBYu/Xn/CJy/dpe/dvOqqji+9v\
             FccAyrBHxHeYSonuFsxfpSDVC6Y=",
        );
        let plain = decrypt_content(
            Aes256Cbc,
            b"abcdefghijklmnopqrstuvwxyz012345",
            &data.unwrap(),
        );
        let plain = String::from_utf8(plain.unwrap()).unwrap();
        assert!(
            plain.trim_start().starts_with("<BillingAddress>"),
            "{plain}"
        );
        assert!(plain.trim_end().ends_with("</CreditCard>"), "{plain}");
    }

    #[test]
    fn whatever_is_altered_or_cut_breaks_gcm() {
        for (algorithm, data) in OPENSSL {
            if matches!(algorithm, Aes128Cbc | Aes256Cbc) {
                continue;
            }
            let data = STANDARD.decode(data).unwrap();
            for position in 0..data.len() {
                let mut altered = data.clone();
                altered[position] ^= 0x80;
                assert_eq!(decrypt_content(algorithm, &key(algorithm), &altered), None);
                let cut = &data[..position];
                assert_eq!(decrypt_content(algorithm, &key(algorithm), cut), None);
            }
        }
    }

    #[test]
    fn an_empty_content_is_sealed_too() {
        // Test case 1 of the GCM specification.
        let data = hex("000000000000000000000000 58e2fccefa7e3061367f1d57a4e7455a");
        assert_eq!(
            decrypt_content(Aes128Gcm, &[0; 16], &data),
            Some(Vec::new())
        );
    }

    #[test]
    fn cbc_takes_whole_blocks_after_its_vector() {
        for (algorithm, data) in OPENSSL {
            if matches!(algorithm, Aes128Gcm | Aes256Gcm) {
                continue;
            }
            let data = STANDARD.decode(data).unwrap();
            for length in (0..=16).chain(17..32).chain([33, data.len() - 1]) {
                let cut = &data[..length];
                assert_eq!(
                    decrypt_content(algorithm, &key(algorithm), cut),
                    None,
                    "{length}"
                );
            }
        }
    }

    #[test]
    fn the_last_octet_of_cbc_says_how_long_the_padding_is() {
        let algorithm = Aes128Cbc;
        let data = STANDARD.decode(OPENSSL[0].1).unwrap();
        // The plain text ends in twelve octets of padding; the block before decides what the last one reads.
        let with_last = |last: u8| {
            let mut altered = data.clone();
            let position = altered.len() - 17;
            altered[position] ^= 0x0c ^ last;
            decrypt_content(algorithm, &key(algorithm), &altered).map(|plain| plain.len())
        };
        for padding in 1..=16 {
            assert_eq!(with_last(padding), Some(80 - usize::from(padding)));
        }
        for padding in (17..=255).chain([0]) {
            assert_eq!(with_last(padding), None, "{padding}");
        }
    }

    #[test]
    fn keys_of_another_length_are_refused() {
        for (algorithm, data) in OPENSSL {
            let data = STANDARD.decode(data).unwrap();
            for length in [0, 15, 16, 17, 24, 31, 32, 33, 64] {
                let right = length == algorithm.key_len();
                let key: Vec<u8> = (0..length)
                    .map(|octet| u8::try_from(octet).unwrap())
                    .collect();
                assert_eq!(decrypt_content(algorithm, &key, &data).is_some(), right);
            }
        }
    }

    #[test]
    fn identifiers_lead_back_to_their_algorithm() {
        for algorithm in ContentAlgorithm::ALL {
            assert_eq!(ContentAlgorithm::from_uri(algorithm.uri()), Some(algorithm));
        }
        for uri in [
            "",
            "http://www.w3.org/2001/04/xmlenc#tripledes-cbc",
            "http://www.w3.org/2001/04/xmlenc#aes192-cbc",
            "http://www.w3.org/2009/xmlenc11#aes192-gcm",
            "http://www.w3.org/2001/04/xmlenc#aes128-gcm",
        ] {
            assert_eq!(ContentAlgorithm::from_uri(uri), None, "{uri}");
        }
    }
}
