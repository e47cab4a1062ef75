//! The service provider's decryption key: unwraps the content keys of encrypted assertions.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512,
    OaepAlgorithm, OaepPrivateDecryptingKey, PrivateDecryptingKey,
};
use zeroize::Zeroizing;

use crate::algorithm::DigestAlgorithm;
use crate::certificate::{Certificate, KeyKind};
use crate::der::{self, Reader};
pub(crate) use crate::oaep::Oaep;
use crate::pem;
use crate::rsa::RawKey;
use crate::signing_key::{KeyError, private_key_block};

/// An RSA private key with 2048 to 8192 bits that identity providers encrypt assertions for.
///
/// Cloning is cheap, and `Debug` prints nothing of it.
#[derive(Clone)]
pub struct DecryptionKey(Arc<Inner>);

struct Inner {
    oaep: OaepPrivateDecryptingKey,
    raw: RawKey,
    /// The public half as an `RSAPublicKey`, to compare with a certificate.
    public: Vec<u8>,
}

impl DecryptionKey {
    /// Reads a private key in PEM, PKCS#8 (`PRIVATE KEY`) or PKCS#1 (`RSA PRIVATE KEY`).
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let block = private_key_block(text)?;
        let der = pem::decode(block.base64).ok_or(KeyError::Encoding)?;
        match block.label {
            "PRIVATE KEY" => Self::from_pkcs8_der(&der),
            "RSA PRIVATE KEY" => Self::from_parts(&wrap_pkcs1(&der), &der),
            _ => Err(KeyError::Form),
        }
    }

    /// Reads a PKCS#8 private key in its binary form.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, KeyError> {
        let pkcs1 = unwrap_pkcs8(der).ok_or(KeyError::Rejected)?;
        Self::from_parts(der, pkcs1)
    }

    /// Whether the certificate, which goes into our metadata, holds the public half of this key.
    pub fn fits(&self, certificate: &Certificate) -> bool {
        certificate.key_kind() == KeyKind::Rsa && certificate.key_octets() == self.0.public
    }

    /// The content key of an `xenc:EncryptedKey`; `None` for whatever is wrong, without telling what.
    pub(crate) fn decrypt_key(&self, oaep: &Oaep, ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        match library_algorithm(oaep) {
            Some(algorithm) => self.decrypt_in_library(algorithm, oaep, ciphertext),
            None => self.decrypt_here(oaep, ciphertext),
        }
    }

    fn decrypt_in_library(
        &self,
        algorithm: &'static OaepAlgorithm,
        oaep: &Oaep,
        ciphertext: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let key = &self.0.oaep;
        if ciphertext.len() != key.key_size_bytes() {
            return None;
        }
        let mut plain = Zeroizing::new(vec![0; key.min_output_size()]);
        let label = (!oaep.label.is_empty()).then_some(oaep.label.as_slice());
        let length = key
            .decrypt(algorithm, ciphertext, &mut plain, label)
            .ok()?
            .len();
        plain.truncate(length);
        Some(plain)
    }

    fn decrypt_here(&self, oaep: &Oaep, ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        oaep.decode(&self.0.raw.decrypt(ciphertext)?)
    }

    fn from_parts(pkcs8: &[u8], pkcs1: &[u8]) -> Result<Self, KeyError> {
        // The library checks the size and that all parts of the key agree.
        let oaep = PrivateDecryptingKey::from_pkcs8(pkcs8)
            .map_err(|_| KeyError::Rejected)
            .and_then(|key| OaepPrivateDecryptingKey::new(key).map_err(|_| KeyError::Rejected))?;
        Ok(Self(Arc::new(Inner {
            oaep,
            raw: RawKey::from_pkcs1(pkcs1).ok_or(KeyError::Rejected)?,
            public: public_half(pkcs1).ok_or(KeyError::Rejected)?,
        })))
    }
}

impl fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecryptionKey").finish_non_exhaustive()
    }
}

/// What the library offers: the same hash twice.
fn library_algorithm(oaep: &Oaep) -> Option<&'static OaepAlgorithm> {
    if oaep.digest != oaep.mgf {
        return None;
    }
    Some(match oaep.digest {
        DigestAlgorithm::Sha1 => &OAEP_SHA1_MGF1SHA1,
        DigestAlgorithm::Sha256 => &OAEP_SHA256_MGF1SHA256,
        DigestAlgorithm::Sha384 => &OAEP_SHA384_MGF1SHA384,
        DigestAlgorithm::Sha512 => &OAEP_SHA512_MGF1SHA512,
    })
}

/// The `RSAPrivateKey` inside a `PrivateKeyInfo` (RFC 5208 §5).
fn unwrap_pkcs8(der: &[u8]) -> Option<&[u8]> {
    let mut key = Reader::new(der).enter(der::SEQUENCE)?;
    key.unsigned()?;
    let identifier = key.enter(der::SEQUENCE)?.take(der::OBJECT_IDENTIFIER)?;
    if identifier != der::RSA_ENCRYPTION {
        return None;
    }
    key.take(der::OCTET_STRING)
}

fn wrap_pkcs1(pkcs1: &[u8]) -> Zeroizing<Vec<u8>> {
    let null = der::element(der::NULL, &[]);
    let identifier = der::element(der::OBJECT_IDENTIFIER, der::RSA_ENCRYPTION);
    let octets = Zeroizing::new(der::element(der::OCTET_STRING, pkcs1));
    let algorithm = der::element(der::SEQUENCE, &[identifier, null].concat());
    let version = der::unsigned_element(&[]);
    let content = Zeroizing::new([&version, &algorithm, &*octets].map(Vec::as_slice).concat());
    Zeroizing::new(der::element(der::SEQUENCE, &content))
}

fn public_half(pkcs1: &[u8]) -> Option<Vec<u8>> {
    let mut key = Reader::new(pkcs1).enter(der::SEQUENCE)?;
    key.unsigned()?;
    let modulus = der::unsigned_element(key.unsigned()?);
    let exponent = der::unsigned_element(key.unsigned()?);
    Some(der::element(der::SEQUENCE, &[modulus, exponent].concat()))
}

#[cfg(test)]
mod fixtures;

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::fixtures::{FIXTURES, Fixture, ODD_CIPHERTEXT, ODD_PKCS8, PKCS1, PKCS8, plain};
    use super::*;

    fn armored(label: &str, base64: &str) -> String {
        pem::encode(label, &STANDARD.decode(base64).unwrap())
    }

    fn key() -> DecryptionKey {
        DecryptionKey::from_pem(&armored("PRIVATE KEY", PKCS8)).unwrap()
    }

    fn parts(fixture: &Fixture) -> (Oaep, Vec<u8>) {
        let oaep = Oaep {
            digest: fixture.digest,
            mgf: fixture.mgf,
            label: fixture.label.to_vec(),
        };
        (oaep, STANDARD.decode(fixture.ciphertext).unwrap())
    }

    #[test]
    fn keys_that_openssl_wrapped_are_unwrapped() {
        let key = key();
        for fixture in FIXTURES {
            let (oaep, ciphertext) = parts(fixture);
            let found = key.decrypt_key(&oaep, &ciphertext);
            assert_eq!(*found.unwrap(), plain(), "{oaep:?}");
        }
    }

    #[test]
    fn our_own_path_agrees_with_the_library() {
        let key = key();
        for fixture in FIXTURES
            .iter()
            .filter(|fixture| fixture.digest == fixture.mgf)
        {
            let (oaep, mut ciphertext) = parts(fixture);
            let algorithm = library_algorithm(&oaep).unwrap();
            let theirs = key.decrypt_in_library(algorithm, &oaep, &ciphertext);
            assert_eq!(*theirs.unwrap(), plain());
            let ours = key.decrypt_here(&oaep, &ciphertext);
            assert_eq!(*ours.unwrap(), plain());

            ciphertext[200] ^= 1;
            assert_eq!(key.decrypt_in_library(algorithm, &oaep, &ciphertext), None);
            assert_eq!(key.decrypt_here(&oaep, &ciphertext), None);
        }
    }

    #[test]
    fn a_key_of_an_odd_size_works_as_well() {
        let key = DecryptionKey::from_pkcs8_der(&STANDARD.decode(ODD_PKCS8).unwrap()).unwrap();
        let oaep = Oaep {
            digest: DigestAlgorithm::Sha256,
            mgf: DigestAlgorithm::Sha1,
            label: Vec::new(),
        };
        let ciphertext = STANDARD.decode(ODD_CIPHERTEXT).unwrap();
        assert_eq!(*key.decrypt_key(&oaep, &ciphertext).unwrap(), plain());
        assert_eq!(key.decrypt_key(&oaep, &ciphertext[1..]), None);
    }

    #[test]
    fn both_forms_of_a_key_are_the_same_key() {
        let key = DecryptionKey::from_pem(&armored("RSA PRIVATE KEY", PKCS1)).unwrap();
        let (oaep, ciphertext) = parts(&FIXTURES[0]);
        assert_eq!(*key.decrypt_key(&oaep, &ciphertext).unwrap(), plain());
    }

    #[test]
    fn other_parameters_than_the_senders_fail() {
        let key = key();
        for fixture in FIXTURES {
            let (oaep, ciphertext) = parts(fixture);
            let label = [&oaep.label[..], b"x"].concat();
            assert_eq!(key.decrypt_key(&Oaep { label, ..oaep }, &ciphertext), None);
        }
    }

    #[test]
    fn ciphertexts_of_another_length_or_size_fail() {
        let key = key();
        let (mixed, ciphertext) = parts(FIXTURES.iter().find(|f| f.digest != f.mgf).unwrap());
        let (same, _) = parts(&FIXTURES[0]);
        for oaep in [mixed, same] {
            for length in [0, 1, 255] {
                assert_eq!(key.decrypt_key(&oaep, &ciphertext[..length]), None);
            }
            assert_eq!(
                key.decrypt_key(&oaep, &[&[0][..], &ciphertext].concat()),
                None
            );
            assert_eq!(key.decrypt_key(&oaep, &[0xff; 256]), None);
            assert_eq!(key.decrypt_key(&oaep, &[0; 256]), None);
        }
    }

    #[test]
    fn texts_that_are_no_rsa_key_are_refused() {
        let reason = |text: &str| DecryptionKey::from_pem(text).unwrap_err();
        let pkcs8 = armored("PRIVATE KEY", PKCS8);
        assert_eq!(reason(""), KeyError::Encoding);
        assert_eq!(reason(PKCS8), KeyError::Encoding);
        assert_eq!(reason(&pkcs8.repeat(2)), KeyError::Count);
        assert_eq!(reason(&pem::encode("CERTIFICATE", &[1])), KeyError::Count);
        assert_eq!(
            reason(&pem::encode("ENCRYPTED PRIVATE KEY", &[1])),
            KeyError::Encrypted
        );
        assert_eq!(reason(&pem::encode("EC PRIVATE KEY", &[1])), KeyError::Form);
        assert_eq!(
            reason(&pem::encode("PRIVATE KEY", &[0x30, 0])),
            KeyError::Rejected
        );
        assert_eq!(
            reason(&pem::encode("RSA PRIVATE KEY", &[0x30, 0])),
            KeyError::Rejected
        );
        let curve = rcgen::KeyPair::generate().unwrap();
        assert_eq!(reason(&curve.serialize_pem()), KeyError::Rejected);
    }

    #[test]
    fn a_key_whose_parts_disagree_is_refused() {
        let mut der = STANDARD.decode(PKCS1).unwrap();
        let last = der.len() - 1;
        der[last] ^= 1;
        let text = pem::encode("RSA PRIVATE KEY", &der);
        assert_eq!(
            DecryptionKey::from_pem(&text).unwrap_err(),
            KeyError::Rejected
        );
    }

    #[test]
    fn a_key_knows_its_certificate() {
        let text = armored("PRIVATE KEY", PKCS8);
        let pair = rcgen::KeyPair::from_pkcs8_pem_and_sign_algo(&text, &rcgen::PKCS_RSA_SHA256);
        let certificate = |pair: &rcgen::KeyPair| {
            let params = rcgen::CertificateParams::new(Vec::new()).unwrap();
            Certificate::from_der(params.self_signed(pair).unwrap().der()).unwrap()
        };
        assert!(key().fits(&certificate(&pair.unwrap())));
        assert!(!key().fits(&certificate(&rcgen::KeyPair::generate().unwrap())));
    }

    #[test]
    fn debug_prints_nothing_of_the_key() {
        assert_eq!(format!("{:?}", key()), "DecryptionKey { .. }");
    }
}
