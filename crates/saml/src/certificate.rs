//! Identity providers' certificates: pinned public keys with a name and dates for people.
//!
//! A certificate here is a container for a key that an administrator chose (SAML metadata interoperability profile §2.5).
//! No chain is built and no date is judged by the verifier; the dates are for warnings.
//! Real ones have odd serial numbers, versions and extensions, so only what is needed is read:
//! the key, the two dates and the subject's common name.

use std::fmt;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::signature::ParsedPublicKey;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::algorithm::DigestAlgorithm;
use crate::algorithm::SignatureAlgorithm as Algorithm;
use crate::der::{self, Reader};
use crate::instant::{from_civil, number};
use crate::pem;

/// Octets of DER; real ones have one or two thousand.
const MAX_DER: usize = 64 * 1024;
/// Certificates in one text.
const MAX_LIST: usize = 64;
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

const CONTEXT_0: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];

/// An X.509 certificate whose key is trusted because somebody configured it.
///
/// Cloning is cheap; two are equal if their DER is.
///
/// ```
/// # let pem = rcgen::generate_simple_self_signed(Vec::new()).unwrap().cert.pem();
/// let certificate = vestibule_saml::Certificate::from_pem(&pem)?;
/// assert_eq!(certificate.fingerprint_sha256().len(), 64);
/// # Ok::<(), vestibule_saml::CertificateError>(())
/// ```
#[derive(Clone)]
pub struct Certificate(Arc<Inner>);

struct Inner {
    der: Vec<u8>,
    fingerprint: String,
    not_before: i64,
    not_after: i64,
    common_name: Option<String>,
    key: PublicKey,
}

/// Why a text is not a certificate that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The text is neither PEM nor base64; usually something was cut off while copying.
    #[error("not a certificate in PEM or base64")]
    Encoding,
    /// The text holds no certificate at all, or a key instead of one.
    #[error("no certificate found")]
    Missing,
    /// One was asked for and several are there, such as a chain; the identity provider's own is needed.
    #[error("more than one certificate where one is expected")]
    Several,
    /// There are more certificates or octets than any real configuration has.
    #[error("too large for a certificate")]
    TooLarge,
    /// The octets are not an X.509 certificate; a PKCS#7 bundle or a metadata file was taken for one, or it was cut.
    #[error("not an X.509 certificate")]
    Malformed,
    /// The RSA key is too short; the identity provider has to make a new one with 2048 bits or more.
    #[error("weak key: RSA with {bits} bits, at least 2048 are needed")]
    WeakKey {
        /// Bits of the modulus.
        bits: usize,
    },
    /// The RSA key is longer than any library handles in reasonable time.
    #[error("RSA key with {bits} bits, at most 8192 are supported")]
    OversizedKey {
        /// Bits of the modulus.
        bits: usize,
    },
    /// The key is of a kind that SAML signatures here are not checked with; RSA, P-256 and P-384 are.
    #[error("unsupported public key: {algorithm}")]
    UnsupportedKey {
        /// A name, or an object identifier in dotted notation.
        algorithm: String,
    },
    /// The key has a supported kind and values that cannot be right, such as an even modulus or a point off the curve.
    #[error("invalid public key")]
    InvalidKey,
}

impl Certificate {
    /// Reads one certificate in PEM, or as bare base64.
    pub fn from_pem(text: &str) -> Result<Self, CertificateError> {
        let mut certificates = Self::list_from_pem(text)?.into_iter();
        match (certificates.next(), certificates.next()) {
            (Some(certificate), None) => Ok(certificate),
            (None, _) => Err(CertificateError::Missing),
            (Some(_), Some(_)) => Err(CertificateError::Several),
        }
    }

    /// Reads all certificates of a text in PEM, or one as bare base64; at least one has to be there.
    ///
    /// Blocks with another label, such as a key, are passed over.
    pub fn list_from_pem(text: &str) -> Result<Vec<Self>, CertificateError> {
        if !pem::is_armored(text) {
            return Self::from_bare_base64(text).map(|certificate| vec![certificate]);
        }
        let blocks = pem::blocks(text).ok_or(CertificateError::Encoding)?;
        let certificates: Vec<&str> = blocks
            .iter()
            .filter(|block| matches!(block.label, "CERTIFICATE" | "X509 CERTIFICATE"))
            .map(|block| block.base64)
            .collect();
        match certificates.len() {
            0 => Err(CertificateError::Missing),
            1..=MAX_LIST => certificates
                .into_iter()
                .map(Self::from_bare_base64)
                .collect(),
            _ => Err(CertificateError::TooLarge),
        }
    }

    /// Reads the content of a `ds:X509Certificate`: base64 with any white space.
    ///
    /// Some metadata has PEM armor inside; it is accepted.
    pub fn from_base64(text: &str) -> Result<Self, CertificateError> {
        Self::from_pem(text)
    }

    /// Reads the binary form.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_DER {
            return Err(CertificateError::TooLarge);
        }
        let fields = Fields::read(der).ok_or(CertificateError::Malformed)?;
        let key = PublicKey::read(fields.public_key)?;
        Ok(Self(Arc::new(Inner {
            der: der.to_vec(),
            fingerprint: hex(&DigestAlgorithm::Sha256.digest(der)),
            not_before: fields.not_before,
            not_after: fields.not_after,
            common_name: common_name(fields.subject),
            key,
        })))
    }

    fn from_bare_base64(text: &str) -> Result<Self, CertificateError> {
        if text.len() > MAX_DER * 2 {
            return Err(CertificateError::TooLarge);
        }
        let der = pem::decode(text).ok_or(CertificateError::Encoding)?;
        if der.is_empty() {
            return Err(CertificateError::Missing);
        }
        Self::from_der(&der)
    }

    /// Start of validity in Unix seconds.
    pub fn not_before(&self) -> i64 {
        self.0.not_before
    }

    /// End of validity in Unix seconds.
    pub fn not_after(&self) -> i64 {
        self.0.not_after
    }

    /// SHA-256 of the DER in lower-case hexadecimal.
    pub fn fingerprint_sha256(&self) -> String {
        self.0.fingerprint.clone()
    }

    /// The subject's common name, for people to recognize it; nothing is decided by it.
    pub fn subject_common_name(&self) -> Option<&str> {
        self.0.common_name.as_deref()
    }

    /// The binary form, as it came.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// PEM with lines of 64 characters.
    pub fn to_pem(&self) -> String {
        pem::encode("CERTIFICATE", &self.0.der)
    }

    /// The content for a `ds:X509Certificate`, in one line.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(&self.0.der)
    }

    pub(crate) fn key_kind(&self) -> KeyKind {
        self.0.key.kind
    }

    /// The key's own octets: an `RSAPublicKey` (RFC 8017 §A.1.1) or a curve point (SEC 1 §2.3.3).
    pub(crate) fn key_octets(&self) -> &[u8] {
        &self.0.key.octets
    }

    /// Whether this key made the signature over the message.
    ///
    /// ECDSA signatures are `r || s` at the curve's width (XML-DSig 1.1 §6.4.3), not ASN.1.
    /// An algorithm that does not fit the key answers `false`.
    pub(crate) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.0.key.verify(algorithm, message, signature)
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.0.der == other.0.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificate")
            .field(&self.0.fingerprint)
            .finish()
    }
}

/// The kinds of keys that signatures are checked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Rsa,
    P256,
    P384,
}

impl KeyKind {
    /// Octets of `r` and of `s`; `None` for RSA.
    fn scalar_len(self) -> Option<usize> {
        match self {
            Self::Rsa => None,
            Self::P256 => Some(32),
            Self::P384 => Some(48),
        }
    }
}

struct PublicKey {
    kind: KeyKind,
    octets: Vec<u8>,
    /// The library binds a parsed key to one hash; each is parsed at its first use.
    parsed: [OnceLock<Option<ParsedPublicKey>>; 4],
}

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7).
    fn read(mut info: Reader<'_>) -> Result<Self, CertificateError> {
        let malformed = CertificateError::Malformed;
        let mut algorithm = info.enter(der::SEQUENCE).ok_or(malformed.clone())?;
        let identifier = algorithm
            .take(der::OBJECT_IDENTIFIER)
            .ok_or(malformed.clone())?;
        let parameters = algorithm.any();
        let octets = info.whole_bits().ok_or(malformed.clone())?;
        if !algorithm.is_empty() || !info.is_empty() {
            return Err(malformed);
        }
        let kind = match (identifier, parameters) {
            (der::RSA_ENCRYPTION, _) => {
                check_rsa_size(octets)?;
                KeyKind::Rsa
            }
            (EC_PUBLIC_KEY, Some((der::OBJECT_IDENTIFIER, P256))) => KeyKind::P256,
            (EC_PUBLIC_KEY, Some((der::OBJECT_IDENTIFIER, P384))) => KeyKind::P384,
            (EC_PUBLIC_KEY, Some((der::OBJECT_IDENTIFIER, curve))) => {
                return Err(unsupported(curve));
            }
            (EC_PUBLIC_KEY, _) => {
                return Err(CertificateError::UnsupportedKey {
                    algorithm: "elliptic curve with explicit parameters".to_owned(),
                });
            }
            (other, _) => return Err(unsupported(other)),
        };
        let key = Self {
            kind,
            octets: octets.to_vec(),
            parsed: Default::default(),
        };
        let usual = match kind {
            KeyKind::Rsa => Algorithm::RsaSha256,
            KeyKind::P256 | KeyKind::P384 => Algorithm::EcdsaSha256,
        };
        if key.parsed(usual).is_none() {
            return Err(CertificateError::InvalidKey);
        }
        Ok(key)
    }

    fn parsed(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        let verification = algorithm.verification(self.kind)?;
        let [sha1, sha256, sha384, sha512] = &self.parsed;
        let slot = match algorithm {
            Algorithm::RsaSha1 => sha1,
            Algorithm::RsaSha256 | Algorithm::EcdsaSha256 => sha256,
            Algorithm::RsaSha384 | Algorithm::EcdsaSha384 => sha384,
            Algorithm::RsaSha512 | Algorithm::EcdsaSha512 => sha512,
        };
        slot.get_or_init(|| ParsedPublicKey::new(verification, &self.octets).ok())
            .as_ref()
    }

    fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let Some(key) = self.parsed(algorithm) else {
            return false;
        };
        match self.kind.scalar_len() {
            None => key.verify_sig(message, signature).is_ok(),
            Some(length) => asn1_signature(signature, length)
                .is_some_and(|signature| key.verify_sig(message, &signature).is_ok()),
        }
    }
}

/// `r || s` as the `Ecdsa-Sig-Value` of RFC 3279 §2.2.3; `None` unless both have exactly this length.
fn asn1_signature(signature: &[u8], length: usize) -> Option<Vec<u8>> {
    let (r, s) = signature.split_at_checked(length)?;
    if s.len() != length {
        return None;
    }
    let mut content = der::unsigned_element(r);
    content.extend(der::unsigned_element(s));
    Some(der::element(der::SEQUENCE, &content))
}

fn check_rsa_size(octets: &[u8]) -> Result<(), CertificateError> {
    let modulus = Reader::new(octets)
        .enter(der::SEQUENCE)
        .and_then(|mut key| key.unsigned())
        .ok_or(CertificateError::InvalidKey)?;
    let unused = modulus
        .first()
        .map_or(0, |octet| octet.leading_zeros() as usize);
    let bits = modulus.len() * 8 - unused;
    match bits {
        _ if RSA_BITS.contains(&bits) => Ok(()),
        _ if bits < *RSA_BITS.start() => Err(CertificateError::WeakKey { bits }),
        _ => Err(CertificateError::OversizedKey { bits }),
    }
}

fn unsupported(identifier: &[u8]) -> CertificateError {
    let dotted = der::dotted(identifier).unwrap_or_else(|| "malformed identifier".to_owned());
    let name = match dotted.as_str() {
        "1.2.840.113549.1.1.10" => "RSASSA-PSS",
        "1.2.840.113549.1.1.7" => "RSAES-OAEP",
        "1.2.840.10040.4.1" => "DSA",
        "1.3.132.0.35" => "P-521",
        "1.3.132.0.10" => "secp256k1",
        "1.3.132.0.33" => "P-224",
        "1.2.840.10045.3.1.1" => "P-192",
        "1.3.36.3.3.2.8.1.1.7" => "brainpoolP256r1",
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        "2.16.840.1.101.3.4.3.17" => "ML-DSA-44",
        "2.16.840.1.101.3.4.3.18" => "ML-DSA-65",
        "2.16.840.1.101.3.4.3.19" => "ML-DSA-87",
        other => other,
    };
    CertificateError::UnsupportedKey {
        algorithm: name.to_owned(),
    }
}

/// The parts of a `TBSCertificate` (RFC 5280 §4.1) that are used.
struct Fields<'a> {
    not_before: i64,
    not_after: i64,
    subject: Reader<'a>,
    public_key: Reader<'a>,
}

impl<'a> Fields<'a> {
    fn read(der: &'a [u8]) -> Option<Self> {
        let mut outer = Reader::new(der);
        let mut certificate = outer.enter(der::SEQUENCE)?;
        let mut signed = certificate.enter(der::SEQUENCE)?;
        certificate.take(der::SEQUENCE)?;
        certificate.take(der::BIT_STRING)?;
        if !certificate.is_empty() || !outer.is_empty() {
            return None;
        }
        if signed.peek() == Some(CONTEXT_0) {
            signed.any()?;
        }
        // The serial number may be negative, zero or long: it identifies nothing here.
        signed.take(der::INTEGER)?;
        signed.take(der::SEQUENCE)?;
        signed.take(der::SEQUENCE)?;
        let mut validity = signed.enter(der::SEQUENCE)?;
        let not_before = time(&mut validity)?;
        let not_after = time(&mut validity)?;
        Some(Self {
            not_before,
            not_after,
            subject: signed.enter(der::SEQUENCE)?,
            public_key: signed.enter(der::SEQUENCE)?,
        })
    }
}

/// A `Time` (RFC 5280 §4.1.2.5): both forms end in `Z` and have seconds.
fn time(validity: &mut Reader<'_>) -> Option<i64> {
    let (tag, content) = validity.any()?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = content.split_at_checked(2)?;
            let year = number(year)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = content.split_at_checked(4)?;
            (number(year)?, rest)
        }
        _ => return None,
    };
    let &[m1, m2, d1, d2, h1, h2, n1, n2, s1, s2, b'Z'] = rest else {
        return None;
    };
    from_civil(
        year,
        number(&[m1, m2])?,
        number(&[d1, d2])?,
        [number(&[h1, h2])?, number(&[n1, n2])?, number(&[s1, s2])?],
    )
}

/// The last common name, which is the most specific one; a malformed subject has none.
fn common_name(mut subject: Reader<'_>) -> Option<String> {
    let mut found = None;
    while let Some(mut attributes) = subject.enter(der::SET) {
        while let Some(mut attribute) = attributes.enter(der::SEQUENCE) {
            if attribute.take(der::OBJECT_IDENTIFIER) == Some(COMMON_NAME) {
                found = attribute.any().and_then(directory_string).or(found);
            }
        }
    }
    found
}

/// A `DirectoryString` (RFC 5280 §4.1.2.4) without control characters.
fn directory_string((tag, content): (u8, &[u8])) -> Option<String> {
    let text = match tag {
        // UTF8String, PrintableString, IA5String
        0x0c | 0x13 | 0x16 => std::str::from_utf8(content).ok()?.to_owned(),
        // TeletexString, which is Latin-1 in practice
        0x14 => content.iter().copied().map(char::from).collect(),
        // BMPString
        0x1e => {
            let (pairs, []) = content.as_chunks::<2>() else {
                return None;
            };
            let units: Vec<u16> = pairs.iter().copied().map(u16::from_be_bytes).collect();
            String::from_utf16(&units).ok()?
        }
        _ => return None,
    };
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    (!text.is_empty()).then_some(text)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;
