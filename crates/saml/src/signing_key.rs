//! The service provider's own signing key, for requests, logout and metadata.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};

use crate::algorithm::SignatureAlgorithm;
use crate::certificate::{Certificate, KeyKind};
use crate::pem;

/// What is signed once to see that a key and a certificate belong together; no protocol message looks like it.
const PROBE: &[u8] = b"does this key belong to this certificate";

/// A private key with the certificate that others check its signatures with.
///
/// RSA with 2048 bits or more signs with RSA-SHA256, P-256 with ECDSA-SHA256.
/// `Debug` shows the certificate's fingerprint only.
#[derive(Clone)]
pub struct SigningKey {
    key: Arc<Key>,
    certificate: Certificate,
}

enum Key {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
}

/// Why a private key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is not PEM; usually something was cut off while copying.
    #[error("not a private key in PEM")]
    Encoding,
    /// The text holds no private key, or more than one.
    #[error("exactly one private key is expected")]
    Count,
    /// The key is protected by a password; decrypt it first (`openssl pkcs8 -in key.pem -out plain.pem`).
    #[error("the private key is encrypted")]
    Encrypted,
    /// The form is another than the one expected; `openssl pkcs8 -topk8 -nocrypt` converts.
    #[error("unsupported form of private key, PKCS#8 is needed")]
    Form,
    /// Damaged, too short, too long, or of a kind that is not supported here.
    #[error("unsupported or damaged private key")]
    Rejected,
    /// The certificate holds another public key than this private key's.
    #[error("private key and certificate do not belong together")]
    Mismatch,
    /// The library refused to sign, which it does only when it runs out of memory or randomness.
    #[error("signing failed")]
    Signing,
}

impl SigningKey {
    /// Reads a PKCS#8 private key in PEM; RSA (2048 to 8192 bits) or P-256.
    pub fn from_pem(text: &str, certificate: Certificate) -> Result<Self, KeyError> {
        let block = private_key_block(text)?;
        if block.label != "PRIVATE KEY" {
            return Err(KeyError::Form);
        }
        let der = pem::decode(block.base64).ok_or(KeyError::Encoding)?;
        Self::from_pkcs8_der(&der, certificate)
    }

    /// Reads a PKCS#8 private key in its binary form; RSA (2048 to 8192 bits) or P-256.
    pub fn from_pkcs8_der(der: &[u8], certificate: Certificate) -> Result<Self, KeyError> {
        let key = match certificate.key_kind() {
            KeyKind::Rsa => RsaKeyPair::from_pkcs8(der).map(Key::Rsa),
            KeyKind::P256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map(Key::P256)
            }
            KeyKind::P384 => return Err(KeyError::Rejected),
        }
        .map_err(|_| rejection(der))?;
        let signing_key = Self {
            key: Arc::new(key),
            certificate,
        };
        let signature = signing_key.sign(PROBE)?;
        if !signing_key
            .certificate
            .verify(signing_key.signature_algorithm(), PROBE, &signature)
        {
            return Err(KeyError::Mismatch);
        }
        Ok(signing_key)
    }

    /// The certificate that others check the signatures with.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The identifier for `ds:SignatureMethod` or `SigAlg`.
    pub fn signature_algorithm_uri(&self) -> &'static str {
        self.signature_algorithm().uri()
    }

    /// Signs with the algorithm of [`Self::signature_algorithm_uri`]; ECDSA gives `r || s`.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        match &*self.key {
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(|_| KeyError::Signing)?;
                Ok(signature)
            }
            Key::P256(key) => key
                .sign(&random, message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| KeyError::Signing),
        }
    }

    pub(crate) fn signature_algorithm(&self) -> SignatureAlgorithm {
        match &*self.key {
            Key::Rsa(_) => SignatureAlgorithm::RsaSha256,
            Key::P256(_) => SignatureAlgorithm::EcdsaSha256,
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

/// The only private key of a text; certificates beside it are passed over.
pub(crate) fn private_key_block(text: &str) -> Result<pem::Block<'_>, KeyError> {
    let blocks = pem::blocks(text).ok_or(KeyError::Encoding)?;
    if blocks.is_empty() {
        return Err(KeyError::Encoding);
    }
    let mut keys = blocks
        .into_iter()
        .filter(|block| block.label.ends_with("PRIVATE KEY"));
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return Err(KeyError::Count);
    };
    // The older form keeps its label and says in a header line that it is encrypted (RFC 1421 §4.6.1.1).
    if key.label == "ENCRYPTED PRIVATE KEY" || key.base64.contains("ENCRYPTED") {
        return Err(KeyError::Encrypted);
    }
    Ok(key)
}

/// Tells a good key of the other kind from one that is of no use at all.
fn rejection(der: &[u8]) -> KeyError {
    let other = RsaKeyPair::from_pkcs8(der).is_ok()
        || EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).is_ok();
    match other {
        true => KeyError::Mismatch,
        false => KeyError::Rejected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(algorithm: &'static rcgen::SignatureAlgorithm) -> (rcgen::KeyPair, Certificate) {
        let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        let certificate = params.self_signed(&pair).unwrap();
        (pair, Certificate::from_der(certificate.der()).unwrap())
    }

    #[test]
    fn what_a_key_signs_its_certificate_verifies() {
        for (algorithm, uri, length) in [
            (
                &rcgen::PKCS_RSA_SHA256,
                "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
                256,
            ),
            (
                &rcgen::PKCS_ECDSA_P256_SHA256,
                "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
                64,
            ),
        ] {
            let (pair, certificate) = pair(algorithm);
            let key = SigningKey::from_pem(&pair.serialize_pem(), certificate.clone()).unwrap();
            let signature = key.sign(b"message").unwrap();
            assert_eq!(key.signature_algorithm_uri(), uri);
            assert_eq!(signature.len(), length);
            let algorithm = SignatureAlgorithm::from_uri(uri).unwrap();
            assert!(certificate.verify(algorithm, b"message", &signature));
            assert!(!certificate.verify(algorithm, b"massage", &signature));
            assert_eq!(key.certificate(), &certificate);
        }
    }

    #[test]
    fn key_and_certificate_belong_together() {
        let (rsa, rsa_certificate) = pair(&rcgen::PKCS_RSA_SHA256);
        let (_, other_rsa) = pair(&rcgen::PKCS_RSA_SHA256);
        let (curve, curve_certificate) = pair(&rcgen::PKCS_ECDSA_P256_SHA256);
        let (_, other_curve) = pair(&rcgen::PKCS_ECDSA_P256_SHA256);
        for (key, certificate) in [
            (&rsa, &other_rsa),
            (&rsa, &curve_certificate),
            (&curve, &other_curve),
            (&curve, &rsa_certificate),
        ] {
            let reason = SigningKey::from_pem(&key.serialize_pem(), certificate.clone());
            assert_eq!(reason.unwrap_err(), KeyError::Mismatch);
        }
    }

    #[test]
    fn other_keys_are_refused() {
        let (p384, p384_certificate) = pair(&rcgen::PKCS_ECDSA_P384_SHA384);
        let (_, certificate) = pair(&rcgen::PKCS_ECDSA_P256_SHA256);
        let reason = |text: &str| SigningKey::from_pem(text, certificate.clone()).unwrap_err();
        assert_eq!(reason(&p384.serialize_pem()), KeyError::Rejected);
        let unsupported = SigningKey::from_pem(&p384.serialize_pem(), p384_certificate);
        assert_eq!(unsupported.unwrap_err(), KeyError::Rejected);

        assert_eq!(reason(""), KeyError::Encoding);
        assert_eq!(reason(&certificate.to_pem()), KeyError::Count);
        assert_eq!(reason(&pem::encode("PRIVATE KEY", &[])), KeyError::Rejected);
        assert_eq!(reason(&pem::encode("RSA PRIVATE KEY", &[])), KeyError::Form);
        let encrypted = pem::encode("ENCRYPTED PRIVATE KEY", &[]);
        assert_eq!(reason(&encrypted), KeyError::Encrypted);
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAQI=\n-----END RSA PRIVATE KEY-----";
        assert_eq!(reason(old), KeyError::Encrypted);
    }

    #[test]
    fn a_key_beside_its_certificate_is_found() {
        let (pair, certificate) = pair(&rcgen::PKCS_ECDSA_P256_SHA256);
        let text = certificate.to_pem() + &pair.serialize_pem();
        assert!(SigningKey::from_pem(&text, certificate).is_ok());
    }

    #[test]
    fn debug_prints_nothing_of_the_key() {
        let (pair, certificate) = pair(&rcgen::PKCS_ECDSA_P256_SHA256);
        let key = SigningKey::from_pem(&pair.serialize_pem(), certificate.clone()).unwrap();
        let expected = format!("SigningKey {{ certificate: {certificate:?}, .. }}");
        assert_eq!(format!("{key:?}"), expected);
    }
}
