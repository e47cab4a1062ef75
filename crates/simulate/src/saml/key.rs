//! Keys with self-signed certificates, and what is signed with them.

use std::fmt;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaSignatureEncoding, UnparsedPublicKey,
    VerificationAlgorithm,
};
use aws_lc_rs::{digest, hmac, signature};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, KeyPair as CertificateKey, SerialNumber,
};
use time::OffsetDateTime;

use super::{der, rsa};
use crate::chance;

/// 2000-01-01 and 2100-01-01: whatever clock a test has, the certificate is valid.
const WIDE: Validity = Validity {
    not_before: 946_684_800,
    not_after: 4_102_444_800,
};

/// The kind of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyKind {
    /// RSA with 2048 bits, what nearly every identity provider has.
    #[default]
    Rsa2048,
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
}

/// When a certificate is valid, in Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub not_before: i64,
    /// The last second.
    pub not_after: i64,
}

/// A digest of a reference (`ds:DigestMethod`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DigestAlgorithm {
    /// SHA-1, which must be refused unless somebody asked for it.
    Sha1,
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl DigestAlgorithm {
    /// The algorithm's identifier (XML Signature 1.1 §6.2, RFC 6931).
    pub fn uri(self) -> &'static str {
        match self {
            Self::Sha1 => "http://www.w3.org/2000/09/xmldsig#sha1",
            Self::Sha256 => "http://www.w3.org/2001/04/xmlenc#sha256",
            Self::Sha384 => "http://www.w3.org/2001/04/xmldsig-more#sha384",
            Self::Sha512 => "http://www.w3.org/2001/04/xmlenc#sha512",
        }
    }

    /// The digest.
    pub fn digest(self, bytes: &[u8]) -> Vec<u8> {
        digest::digest(self.algorithm(), bytes).as_ref().to_vec()
    }

    pub(super) fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

/// A signature algorithm (`ds:SignatureMethod`, and `SigAlg` in a query).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-1, which must be refused unless somebody asked for it.
    RsaSha1,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RsaSha256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RsaSha384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RsaSha512,
    /// RSASSA-PSS with SHA-256 (RFC 6931 §2.3.10), which SAML products do not send.
    RsaPssSha256,
    /// ECDSA on P-256 with SHA-256, `r` and `s` side by side.
    EcdsaSha256,
    /// ECDSA on P-384 with SHA-384, `r` and `s` side by side.
    EcdsaSha384,
    /// HMAC-SHA256 under the bytes of the certificate, which everybody knows: always a forgery.
    HmacSha256,
}

impl SignatureAlgorithm {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::RsaSha1,
        Self::RsaSha256,
        Self::RsaSha384,
        Self::RsaSha512,
        Self::RsaPssSha256,
        Self::EcdsaSha256,
        Self::EcdsaSha384,
        Self::HmacSha256,
    ];

    /// The algorithm's identifier (XML Signature 1.1 §6.4, RFC 6931 §2.3).
    pub fn uri(self) -> &'static str {
        match self {
            Self::RsaSha1 => "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
            Self::RsaSha256 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            Self::RsaSha384 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
            Self::RsaSha512 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
            Self::RsaPssSha256 => "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
            Self::EcdsaSha256 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
            Self::EcdsaSha384 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
            Self::HmacSha256 => "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        }
    }

    /// The algorithm with this identifier.
    pub fn of_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.uri() == uri)
    }

    fn verification(self) -> Option<&'static dyn VerificationAlgorithm> {
        Some(match self {
            Self::RsaSha1 => &signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Self::RsaSha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::RsaSha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Self::RsaSha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Self::RsaPssSha256 => &signature::RSA_PSS_2048_8192_SHA256,
            Self::EcdsaSha256 => &ECDSA_P256_SHA256_FIXED,
            Self::EcdsaSha384 => &ECDSA_P384_SHA384_FIXED,
            Self::HmacSha256 => return None,
        })
    }
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ecdsa(Box<EcdsaKeyPair>),
}

struct Inner {
    kind: KeyKind,
    pair: Pair,
    pkcs8: Vec<u8>,
    certificate: Certificate,
}

/// A private key with its self-signed certificate; clones are the same key.
#[derive(Clone)]
pub struct SamlKey(Arc<Inner>);

impl fmt::Debug for SamlKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("SamlKey")
            .field(&self.0.kind)
            .finish()
    }
}

impl SamlKey {
    /// A new key whose certificate is valid on any day of this century.
    pub fn generate(kind: KeyKind) -> anyhow::Result<Self> {
        Self::generate_valid(kind, WIDE)
    }

    /// A new key whose certificate is valid then, for example in the past.
    pub fn generate_valid(kind: KeyKind, validity: Validity) -> anyhow::Result<Self> {
        let algorithm = match kind {
            KeyKind::Rsa2048 => &rcgen::PKCS_RSA_SHA256,
            KeyKind::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            KeyKind::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
        };
        let key = CertificateKey::generate_for(algorithm).context("no key could be made")?;
        Self::with_certificate(kind, &key, validity)
    }

    /// The same key in a new certificate.
    pub fn reissued(&self, validity: Validity) -> anyhow::Result<Self> {
        let key = CertificateKey::try_from(self.0.pkcs8.as_slice())
            .context("the key cannot be used again")?;
        Self::with_certificate(self.0.kind, &key, validity)
    }

    fn with_certificate(
        kind: KeyKind,
        key: &CertificateKey,
        validity: Validity,
    ) -> anyhow::Result<Self> {
        let mut certificate = CertificateParams::default();
        certificate.not_before = OffsetDateTime::from_unix_timestamp(validity.not_before)?;
        certificate.not_after = OffsetDateTime::from_unix_timestamp(validity.not_after)?;
        certificate.serial_number = Some(SerialNumber::from(chance::bytes::<16>()?.to_vec()));
        certificate.distinguished_name = DistinguishedName::new();
        certificate
            .distinguished_name
            .push(DnType::CommonName, "Simulated SAML key");
        let certificate = certificate
            .self_signed(key)
            .context("no certificate could be made")?;
        Self::new(kind, key.serialized_der(), certificate.der().as_ref())
    }

    /// A key from its PEM certificate and its PEM PKCS#8.
    pub fn from_pem(certificate: &str, private_key: &str) -> anyhow::Result<Self> {
        let pkcs8 = der::from_pem(private_key, "PRIVATE KEY")?;
        let certificate = der::from_pem(certificate, "CERTIFICATE")?;
        [KeyKind::Rsa2048, KeyKind::P256, KeyKind::P384]
            .into_iter()
            .find_map(|kind| Self::new(kind, &pkcs8, &certificate).ok())
            .context("the PKCS#8 holds no key of a known kind")
    }

    fn new(kind: KeyKind, pkcs8: &[u8], certificate: &[u8]) -> anyhow::Result<Self> {
        let ecdsa = |algorithm: &'static EcdsaSigningAlgorithm| {
            EcdsaKeyPair::from_pkcs8(algorithm, pkcs8).map(|pair| Pair::Ecdsa(Box::new(pair)))
        };
        let pair = match kind {
            KeyKind::Rsa2048 => RsaKeyPair::from_pkcs8(pkcs8).map(|pair| Pair::Rsa(Box::new(pair))),
            KeyKind::P256 => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
            KeyKind::P384 => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING),
        };
        Ok(Self(Arc::new(Inner {
            kind,
            pair: pair.map_err(|_| anyhow!("the key is of another kind"))?,
            pkcs8: pkcs8.to_vec(),
            certificate: Certificate::from_der(certificate)?,
        })))
    }

    /// What kind of key it is.
    pub fn kind(&self) -> KeyKind {
        self.0.kind
    }

    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.0.certificate
    }

    /// The certificate in PEM.
    pub fn certificate_pem(&self) -> String {
        self.0.certificate.pem()
    }

    /// The private key in PEM (PKCS#8).
    pub fn private_key_pem(&self) -> String {
        der::to_pem(&self.0.pkcs8, "PRIVATE KEY")
    }

    /// The private key in PKCS#8.
    pub fn private_key_der(&self) -> &[u8] {
        &self.0.pkcs8
    }

    /// What a product signs with when it has such a key.
    pub fn usual_algorithm(&self) -> SignatureAlgorithm {
        match self.0.kind {
            KeyKind::Rsa2048 => SignatureAlgorithm::RsaSha256,
            KeyKind::P256 => SignatureAlgorithm::EcdsaSha256,
            KeyKind::P384 => SignatureAlgorithm::EcdsaSha384,
        }
    }

    /// Signs; the algorithm has to fit the key.
    pub fn sign(&self, algorithm: SignatureAlgorithm, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        if algorithm == SignatureAlgorithm::HmacSha256 {
            let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.certificate.der());
            return Ok(hmac::sign(&key, message).as_ref().to_vec());
        }
        match (&self.0.pair, algorithm, self.0.kind) {
            (Pair::Rsa(pair), algorithm, _) => self.sign_with_rsa(pair, algorithm, message),
            (Pair::Ecdsa(pair), SignatureAlgorithm::EcdsaSha256, KeyKind::P256)
            | (Pair::Ecdsa(pair), SignatureAlgorithm::EcdsaSha384, KeyKind::P384) => Ok(pair
                .sign(&SystemRandom::new(), message)
                .map_err(|_| anyhow!("the key did not sign"))?
                .as_ref()
                .to_vec()),
            (Pair::Ecdsa(_), algorithm, kind) => {
                bail!("a {kind:?} key does not make {algorithm:?} signatures")
            }
        }
    }

    fn sign_with_rsa(
        &self,
        pair: &RsaKeyPair,
        algorithm: SignatureAlgorithm,
        message: &[u8],
    ) -> anyhow::Result<Vec<u8>> {
        let encoding: &'static RsaSignatureEncoding = match algorithm {
            SignatureAlgorithm::RsaSha1 => return rsa::sign_sha1(&self.0.pkcs8, message),
            SignatureAlgorithm::RsaSha256 => &RSA_PKCS1_SHA256,
            SignatureAlgorithm::RsaSha384 => &RSA_PKCS1_SHA384,
            SignatureAlgorithm::RsaSha512 => &RSA_PKCS1_SHA512,
            SignatureAlgorithm::RsaPssSha256 => &RSA_PSS_SHA256,
            other => bail!("an RSA key does not make {other:?} signatures"),
        };
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| anyhow!("the RSA key did not sign"))?;
        Ok(signature)
    }
}

/// Somebody's certificate: what it says about trust is not looked at, its key counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    key_info: Vec<u8>,
}

impl Certificate {
    /// Reads PEM, or the bare base64 of metadata.
    pub fn from_pem(pem: &str) -> anyhow::Result<Self> {
        Self::from_der(&der::from_pem(pem, "CERTIFICATE")?)
    }

    /// Reads DER.
    pub fn from_der(bytes: &[u8]) -> anyhow::Result<Self> {
        let key_info = der::subject_public_key_info(bytes).context("not a certificate")?;
        Ok(Self {
            key_info: key_info.to_vec(),
            der: bytes.to_vec(),
        })
    }

    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate in PEM.
    pub fn pem(&self) -> String {
        der::to_pem(&self.der, "CERTIFICATE")
    }

    /// The text of `ds:X509Certificate`.
    pub fn base64(&self) -> String {
        STANDARD.encode(&self.der)
    }

    /// The `SubjectPublicKeyInfo` in DER.
    pub fn public_key_info(&self) -> &[u8] {
        &self.key_info
    }

    /// Whether a signature is this key's.
    pub fn verifies(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let (Some(algorithm), Ok(key)) =
            (algorithm.verification(), der::public_key(&self.key_info))
        else {
            return false;
        };
        UnparsedPublicKey::new(algorithm, key)
            .verify(message, signature)
            .is_ok()
    }

    /// Modulus and exponent of an RSA key.
    pub(super) fn rsa_public(&self) -> anyhow::Result<(&[u8], &[u8])> {
        let (modulus, exponent) = der::rsa_public(der::public_key(&self.key_info)?)
            .context("the certificate has no RSA key")?;
        ensure!(modulus.len() >= 256, "the RSA key is too short");
        Ok((modulus, exponent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use SignatureAlgorithm as Algorithm;

    fn check(kind: KeyKind, algorithms: &[Algorithm]) {
        let key = SamlKey::generate(kind).unwrap();
        let other = SamlKey::generate(kind).unwrap();
        for algorithm in Algorithm::ALL {
            let made = key.sign(algorithm, b"message");
            assert_eq!(
                made.is_ok(),
                algorithms.contains(&algorithm) || algorithm == Algorithm::HmacSha256
            );
            let Ok(made) = made else { continue };
            let good = algorithm != Algorithm::HmacSha256;
            assert_eq!(
                key.certificate().verifies(algorithm, b"message", &made),
                good,
                "{algorithm:?}"
            );
            assert!(!key.certificate().verifies(algorithm, b"another", &made));
            assert!(!other.certificate().verifies(algorithm, b"message", &made));
        }
        let again = SamlKey::from_pem(&key.certificate_pem(), &key.private_key_pem()).unwrap();
        assert_eq!(again.kind(), kind);
        assert_eq!(again.certificate(), key.certificate());
    }

    #[test]
    fn rsa_keys_sign() {
        use Algorithm::{RsaPssSha256, RsaSha1, RsaSha256, RsaSha384, RsaSha512};
        check(
            KeyKind::Rsa2048,
            &[RsaSha1, RsaSha256, RsaSha384, RsaSha512, RsaPssSha256],
        );
    }

    #[test]
    fn elliptic_keys_sign_with_the_hash_of_their_size() {
        check(KeyKind::P256, &[Algorithm::EcdsaSha256]);
        check(KeyKind::P384, &[Algorithm::EcdsaSha384]);
    }

    #[test]
    fn a_reissued_certificate_has_the_same_key() {
        let key = SamlKey::generate(KeyKind::P256).unwrap();
        let expired = Validity {
            not_before: 1_000_000_000,
            not_after: 1_100_000_000,
        };
        let reissued = key.reissued(expired).unwrap();
        assert_ne!(reissued.certificate(), key.certificate());
        assert_eq!(
            reissued.certificate().public_key_info(),
            key.certificate().public_key_info()
        );
    }
}
