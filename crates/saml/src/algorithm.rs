//! The signature and digest algorithms that are known, under their XML identifiers.
//!
//! What a connection accepts is decided by the verifier; what is not listed here does not exist for us
//! (HMAC, DSA, RSA-PSS, MD5).

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    VerificationAlgorithm,
};

use crate::certificate::{Certificate, KeyKind};

/// A `ds:SignatureMethod` (XML-DSig 1.1 §6.4, RFC 9231 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignatureAlgorithm {
    /// Only behind a connection's explicit switch.
    RsaSha1,
    RsaSha256,
    RsaSha384,
    RsaSha512,
    EcdsaSha256,
    EcdsaSha384,
    EcdsaSha512,
}

impl SignatureAlgorithm {
    const ALL: [Self; 7] = [
        Self::RsaSha1,
        Self::RsaSha256,
        Self::RsaSha384,
        Self::RsaSha512,
        Self::EcdsaSha256,
        Self::EcdsaSha384,
        Self::EcdsaSha512,
    ];

    /// The algorithm of this identifier, compared byte for byte.
    pub(crate) fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.uri() == uri)
    }

    pub(crate) fn uri(self) -> &'static str {
        match self {
            Self::RsaSha1 => "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
            Self::RsaSha256 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            Self::RsaSha384 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
            Self::RsaSha512 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
            Self::EcdsaSha256 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
            Self::EcdsaSha384 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
            Self::EcdsaSha512 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
        }
    }

    /// Whether the certificate's key is of the kind that this algorithm uses.
    pub(crate) fn fits(self, certificate: &Certificate) -> bool {
        self.verification(certificate.key_kind()).is_some()
    }

    pub(crate) fn is_sha1(self) -> bool {
        self == Self::RsaSha1
    }

    /// What checks such a signature with a key of this kind; `None` if the two do not belong together.
    ///
    /// ECDSA takes signatures in ASN.1 here, since only that form is offered for every pair of curve and hash.
    pub(crate) fn verification(self, kind: KeyKind) -> Option<&'static dyn VerificationAlgorithm> {
        Some(match (self, kind) {
            (Self::RsaSha1, KeyKind::Rsa) => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            (Self::RsaSha256, KeyKind::Rsa) => &RSA_PKCS1_2048_8192_SHA256,
            (Self::RsaSha384, KeyKind::Rsa) => &RSA_PKCS1_2048_8192_SHA384,
            (Self::RsaSha512, KeyKind::Rsa) => &RSA_PKCS1_2048_8192_SHA512,
            (Self::EcdsaSha256, KeyKind::P256) => &ECDSA_P256_SHA256_ASN1,
            (Self::EcdsaSha384, KeyKind::P256) => &ECDSA_P256_SHA384_ASN1,
            (Self::EcdsaSha512, KeyKind::P256) => &ECDSA_P256_SHA512_ASN1,
            (Self::EcdsaSha256, KeyKind::P384) => &ECDSA_P384_SHA256_ASN1,
            (Self::EcdsaSha384, KeyKind::P384) => &ECDSA_P384_SHA384_ASN1,
            (Self::EcdsaSha512, KeyKind::P384) => &ECDSA_P384_SHA512_ASN1,
            (
                Self::RsaSha1 | Self::RsaSha256 | Self::RsaSha384 | Self::RsaSha512,
                KeyKind::P256 | KeyKind::P384,
            )
            | (Self::EcdsaSha256 | Self::EcdsaSha384 | Self::EcdsaSha512, KeyKind::Rsa) => {
                return None;
            }
        })
    }
}

/// A `ds:DigestMethod` (XML-DSig 1.1 §6.2), also the hash of OAEP and of its mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DigestAlgorithm {
    /// For signatures only behind a connection's explicit switch; in OAEP it is the standard's default and safe.
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl DigestAlgorithm {
    const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The algorithm of this identifier, compared byte for byte.
    pub(crate) fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.uri() == uri)
    }

    pub(crate) fn uri(self) -> &'static str {
        match self {
            Self::Sha1 => "http://www.w3.org/2000/09/xmldsig#sha1",
            Self::Sha256 => "http://www.w3.org/2001/04/xmlenc#sha256",
            Self::Sha384 => "http://www.w3.org/2001/04/xmldsig-more#sha384",
            Self::Sha512 => "http://www.w3.org/2001/04/xmlenc#sha512",
        }
    }

    pub(crate) fn digest(self, bytes: &[u8]) -> Vec<u8> {
        digest::digest(self.algorithm(), bytes).as_ref().to_vec()
    }

    /// Octets of a digest.
    pub(crate) fn output_len(self) -> usize {
        self.algorithm().output_len()
    }

    pub(crate) fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_lead_back_to_their_algorithm() {
        for algorithm in SignatureAlgorithm::ALL {
            assert_eq!(
                SignatureAlgorithm::from_uri(algorithm.uri()),
                Some(algorithm)
            );
        }
        for algorithm in DigestAlgorithm::ALL {
            assert_eq!(DigestAlgorithm::from_uri(algorithm.uri()), Some(algorithm));
        }
    }

    #[test]
    fn other_algorithms_do_not_exist() {
        for uri in [
            "",
            "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
            "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
            "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
            "http://www.w3.org/2007/05/xmldsig-more#rsa-pss",
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1",
            "http://www.w3.org/2001/04/xmldsig-more#RSA-SHA256",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256 ",
        ] {
            assert_eq!(SignatureAlgorithm::from_uri(uri), None, "{uri}");
        }
        for uri in [
            "",
            "http://www.w3.org/2001/04/xmldsig-more#md5",
            "http://www.w3.org/2001/04/xmlenc#ripemd160",
            "http://www.w3.org/2001/04/xmlenc#sha384",
        ] {
            assert_eq!(DigestAlgorithm::from_uri(uri), None, "{uri}");
        }
    }

    #[test]
    fn digests_are_those_of_fips_180() {
        for (algorithm, start) in [
            (DigestAlgorithm::Sha1, [0xa9, 0x99, 0x3e, 0x36]),
            (DigestAlgorithm::Sha256, [0xba, 0x78, 0x16, 0xbf]),
            (DigestAlgorithm::Sha384, [0xcb, 0x00, 0x75, 0x3f]),
            (DigestAlgorithm::Sha512, [0xdd, 0xaf, 0x35, 0xa1]),
        ] {
            let digest = algorithm.digest(b"abc");
            assert_eq!(digest[..4], start);
            assert_eq!(digest.len(), algorithm.output_len());
        }
    }
}
