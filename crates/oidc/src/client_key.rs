//! The key with which a client proves itself (RFC 7523, OpenID Connect Core §9).

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::Error;

/// RFC 7518 §3.3: a key of size 2048 bits or larger must be used.
const SMALLEST_RSA_BYTES: usize = 256;

/// An RSA key that signs client assertions. Cheap to clone.
///
/// Give the provider [`ClientKey::jwk`] by a JWKS URL, or the certificate where it takes nothing else.
#[derive(Clone)]
pub struct ClientKey(Arc<Inner>);

struct Inner {
    pair: KeyPair,
    kid: String,
    modulus: String,
    exponent: String,
    certificate: Option<String>,
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClientKey")
            .field("kid", &self.0.kid)
            .finish_non_exhaustive()
    }
}

/// How an assertion is signed; the first that the provider takes is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AssertionAlgorithm {
    Ps256,
    Rs256,
}

impl AssertionAlgorithm {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
        }
    }
}

impl ClientKey {
    /// Reads an RSA key of 2048 bits or more, PKCS#8 in DER.
    ///
    /// `certificate`, in DER, is named in assertions (`x5t#S256`) for providers that know keys by certificates, as Entra
    /// does. Errors: it is another kind of key, or a weak one.
    pub fn from_pkcs8_der(pkcs8: &[u8], certificate: Option<&[u8]>) -> Result<Self, Error> {
        let unusable = |reason| Error::Settings { reason };
        let pair = KeyPair::from_pkcs8(pkcs8)
            .map_err(|_| unusable("the client key is no RSA key in PKCS#8"))?;
        if pair.public_modulus_len() < SMALLEST_RSA_BYTES {
            return Err(unusable("the client key has fewer than 2048 bits"));
        }
        let public = pair.public_key();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let modulus = encode(public.modulus().big_endian_without_leading_zero());
        let exponent = encode(public.exponent().big_endian_without_leading_zero());
        // RFC 7638 §3: the required members in the order of their names, without spaces.
        let members = format!(r#"{{"e":"{exponent}","kty":"RSA","n":"{modulus}"}}"#);
        Ok(Self(Arc::new(Inner {
            kid: encode(digest(&SHA256, members.as_bytes()).as_ref()),
            certificate: certificate.map(|der| encode(digest(&SHA256, der).as_ref())),
            pair,
            modulus,
            exponent,
        })))
    }

    /// The key's id: its RFC 7638 thumbprint.
    pub fn kid(&self) -> &str {
        &self.0.kid
    }

    /// The public half for a JWKS (RFC 7517 §4). It names no `alg`: the same key signs with PS256 and RS256.
    pub fn jwk(&self) -> Value {
        json!({
            "kty": "RSA", "use": "sig", "kid": self.0.kid, "n": self.0.modulus, "e": self.0.exponent,
        })
    }

    pub(crate) fn sign(
        &self,
        algorithm: AssertionAlgorithm,
        claims: &Value,
    ) -> Result<String, Error> {
        let mut header = json!({"alg": algorithm.as_str(), "typ": "JWT", "kid": self.0.kid});
        if let (Some(thumbprint), Some(members)) = (&self.0.certificate, header.as_object_mut()) {
            members.insert("x5t#S256".to_owned(), thumbprint.clone().into());
        }
        let input = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let encoding: &'static dyn aws_lc_rs::signature::RsaEncoding = match algorithm {
            AssertionAlgorithm::Ps256 => &RSA_PSS_SHA256,
            AssertionAlgorithm::Rs256 => &RSA_PKCS1_SHA256,
        };
        let mut signature = vec![0; self.0.pair.public_modulus_len()];
        self.0
            .pair
            .sign(
                encoding,
                &SystemRandom::new(),
                input.as_bytes(),
                &mut signature,
            )
            .map_err(|_| Error::Settings {
                reason: "the client key did not sign",
            })?;
        Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}
