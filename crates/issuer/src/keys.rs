//! Signing keys, the JWKS document, and compact JWS (RFC 7515, 7517, 7518, 7638, 8037).
//!
//! A key is parsed once and kept: parsing RSA keys costs more than signing with them.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, ParsedPublicKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::encoding::{base64url, from_base64url, sha256};

/// Bits of the RSA keys that we make, and the least that we load (RFC 7518 §3.3).
const RSA_MIN_MODULUS_BYTES: usize = 256;
/// No token of ours comes near this; longer input is not worth decoding.
const MAX_JWT_BYTES: usize = 16 * 1024;

/// How we sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256: the default.
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256: for security event tokens and apps that know nothing else.
    #[serde(rename = "RS256")]
    Rs256,
    /// Ed25519 (RFC 8037).
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// All algorithms, the default first.
    pub const ALL: [Self; 3] = [Self::Es256, Self::Rs256, Self::EdDsa];

    /// The name in `alg`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Inverse of [`Algorithm::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What can go wrong with our own keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The cryptographic library could not make a key.
    #[error("the key could not be generated")]
    Generate,
    /// The bytes are no PKCS#8 key of this algorithm; the usual cause is a wrong master key.
    #[error("the private key is not a PKCS#8 key of this algorithm")]
    Rejected,
    /// An RSA key below 2048 bits.
    #[error("the RSA key is shorter than 2048 bits")]
    TooShort,
    /// The cryptographic library could not sign.
    #[error("the token could not be signed")]
    Sign,
    /// The claims could not be written as JSON.
    #[error("the claims could not be serialized")]
    Serialize,
    /// A set with two active keys of one algorithm.
    #[error("two keys of the same algorithm are active")]
    TwoActive,
    /// A set that holds a key twice.
    #[error("a key is in the set twice")]
    SameKeyTwice,
    /// No active key for the wanted algorithm: create one and make it active.
    #[error("no active key for this algorithm")]
    NoActiveKey,
}

/// A private key in PKCS#8 DER, for the host to seal and store. Wiped when dropped.
pub struct Pkcs8(Vec<u8>);

impl Pkcs8 {
    /// The key in clear.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Pkcs8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pkcs8(…)")
    }
}

impl Drop for Pkcs8 {
    fn drop(&mut self) {
        self.0.fill(0);
        // Keeps the compiler from dropping the writes as dead.
        std::hint::black_box(&self.0);
    }
}

enum Pair {
    Ec(EcdsaKeyPair),
    Rsa(rsa::KeyPair),
    Ed(Ed25519KeyPair),
}

struct Inner {
    pair: Pair,
    public: ParsedPublicKey,
    jwk: Jwk,
}

/// A parsed private key with its public half. Cheap to clone.
#[derive(Clone)]
pub struct SigningKey(Arc<Inner>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("alg", &self.algorithm())
            .field("kid", &self.kid())
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Makes a key, and gives its private bytes for sealing. RSA keys have 2048 bits and take
    /// about 100 ms.
    pub fn generate(algorithm: Algorithm) -> Result<(Self, Pkcs8), KeyError> {
        let generate = |_| KeyError::Generate;
        let random = SystemRandom::new();
        let bytes = match algorithm {
            Algorithm::Es256 => {
                let alg = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
                EcdsaKeyPair::generate_pkcs8(alg, &random)
                    .map_err(generate)?
                    .as_ref()
                    .to_vec()
            }
            Algorithm::EdDsa => Ed25519KeyPair::generate_pkcs8(&random)
                .map_err(generate)?
                .as_ref()
                .to_vec(),
            Algorithm::Rs256 => {
                let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).map_err(generate)?;
                let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().map_err(generate)?;
                der.as_ref().to_vec()
            }
        };
        let pkcs8 = Pkcs8(bytes);
        Ok((Self::from_pkcs8(algorithm, pkcs8.expose())?, pkcs8))
    }

    /// Parses a stored key, once.
    pub fn from_pkcs8(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, KeyError> {
        let (pair, public, jwk) = match algorithm {
            Algorithm::Es256 => ec(pkcs8)?,
            Algorithm::Rs256 => rsa(pkcs8)?,
            Algorithm::EdDsa => ed(pkcs8)?,
        };
        Ok(Self(Arc::new(Inner { pair, public, jwk })))
    }

    /// How this key signs.
    pub fn algorithm(&self) -> Algorithm {
        self.0.jwk.alg
    }

    /// The key's id: its RFC 7638 thumbprint.
    pub fn kid(&self) -> &str {
        &self.0.jwk.kid
    }

    /// The public half.
    pub fn jwk(&self) -> &Jwk {
        &self.0.jwk
    }

    /// Signs `claims` as a compact JWS whose header says `typ`, the algorithm and the key.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, KeyError> {
        let header = Header {
            alg: self.algorithm().as_str().to_owned(),
            typ: Some(typ.to_owned()),
            kid: Some(self.kid().to_owned()),
            crit: None,
        };
        let header = serde_json::to_vec(&header).map_err(|_| KeyError::Serialize)?;
        let claims = serde_json::to_vec(claims).map_err(|_| KeyError::Serialize)?;
        let mut token = format!("{}.{}", base64url(&header), base64url(&claims));
        let signature = self.sign_bytes(token.as_bytes())?;
        token.push('.');
        token.push_str(&base64url(&signature));
        Ok(token)
    }

    fn sign_bytes(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        match &self.0.pair {
            Pair::Ec(pair) => {
                let signature = pair.sign(&random, message).map_err(|_| KeyError::Sign)?;
                Ok(signature.as_ref().to_vec())
            }
            Pair::Ed(pair) => {
                let signature = pair.try_sign(message).map_err(|_| KeyError::Sign)?;
                Ok(signature.as_ref().to_vec())
            }
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    &signature::RSA_PKCS1_SHA256,
                    &random,
                    message,
                    &mut signature,
                )
                .map_err(|_| KeyError::Sign)?;
                Ok(signature)
            }
        }
    }
}

type Parts = (Pair, ParsedPublicKey, Jwk);

fn ec(pkcs8: &[u8]) -> Result<Parts, KeyError> {
    let pair = EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
        .map_err(|_| KeyError::Rejected)?;
    let point = pair.public_key().as_ref();
    let public = ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
        .map_err(|_| KeyError::Rejected)?;
    // SEC 1 §2.3.3: 0x04, then x and y of 32 bytes each.
    let Some(([4], xy)) = point.split_at_checked(1) else {
        return Err(KeyError::Rejected);
    };
    let (x, y) = xy
        .split_at_checked(32)
        .filter(|(_, y)| y.len() == 32)
        .ok_or(KeyError::Rejected)?;
    let kty = KeyType::Ec {
        crv: "P-256",
        x: base64url(x),
        y: base64url(y),
    };
    let jwk = Jwk::new(Algorithm::Es256, kty);
    Ok((Pair::Ec(pair), public, jwk))
}

fn ed(pkcs8: &[u8]) -> Result<Parts, KeyError> {
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| KeyError::Rejected)?;
    let bytes = pair.public_key().as_ref();
    let public =
        ParsedPublicKey::new(&signature::ED25519, bytes).map_err(|_| KeyError::Rejected)?;
    let jwk = Jwk::new(
        Algorithm::EdDsa,
        KeyType::Okp {
            crv: "Ed25519",
            x: base64url(bytes),
        },
    );
    Ok((Pair::Ed(pair), public, jwk))
}

fn rsa(pkcs8: &[u8]) -> Result<Parts, KeyError> {
    let pair = rsa::KeyPair::from_pkcs8(pkcs8).map_err(|_| KeyError::Rejected)?;
    if pair.public_modulus_len() < RSA_MIN_MODULUS_BYTES {
        return Err(KeyError::TooShort);
    }
    let key = pair.public_key();
    let public = ParsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, key.as_ref())
        .map_err(|_| KeyError::Rejected)?;
    let kty = KeyType::Rsa {
        n: base64url(key.modulus().big_endian_without_leading_zero()),
        e: base64url(key.exponent().big_endian_without_leading_zero()),
    };
    let jwk = Jwk::new(Algorithm::Rs256, kty);
    Ok((Pair::Rsa(pair), public, jwk))
}

/// The public half of a key, as JWKS publishes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Jwk {
    #[serde(flatten)]
    kty: KeyType,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: Algorithm,
    kid: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kty")]
enum KeyType {
    #[serde(rename = "EC")]
    Ec {
        crv: &'static str,
        x: String,
        y: String,
    },
    #[serde(rename = "RSA")]
    Rsa { n: String, e: String },
    #[serde(rename = "OKP")]
    Okp { crv: &'static str, x: String },
}

impl Jwk {
    fn new(alg: Algorithm, kty: KeyType) -> Self {
        let kid = kty.thumbprint();
        Self {
            kty,
            usage: "sig",
            alg,
            kid,
        }
    }

    /// The key's id.
    pub fn kid(&self) -> &str {
        &self.kid
    }
}

impl KeyType {
    /// RFC 7638 §3: the required members, in the order of their names, without whitespace.
    /// All values are base64url or constants, so nothing needs escaping.
    fn thumbprint(&self) -> String {
        let members = match self {
            Self::Ec { crv, x, y } => {
                format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
            Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
            Self::Okp { crv, x } => format!(r#"{{"crv":"{crv}","kty":"OKP","x":"{x}"}}"#),
        };
        base64url(&sha256(members.as_bytes()))
    }
}

/// The JWKS document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Jwks {
    /// All published keys.
    pub keys: Vec<Jwk>,
}

/// Where a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Published, so that caches learn it, but not used yet.
    Next,
    /// Signs.
    Active,
    /// Signs no more; still verifies what it signed, until the longest token has run out.
    Retired,
}

/// All keys of the issuer: publishes all, signs with the active one, verifies by `kid`.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<(KeyState, SigningKey)>,
}

/// Why a token that claims to be ours is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Not a compact JWS with a JSON header.
    #[error("the token is not a signed JWT")]
    Malformed,
    /// Another kind of token: an ID token where an access token is due, or the other way round.
    #[error("the token has another type")]
    Type,
    /// None of our keys, or a key that is gone.
    #[error("the token is signed with an unknown key")]
    UnknownKey,
    /// The signature is wrong.
    #[error("the signature is wrong")]
    Signature,
    /// The claims are not what this kind of token has.
    #[error("the claims are malformed")]
    Claims,
}

impl KeySet {
    /// A set in which each algorithm has at most one active key.
    pub fn new(keys: impl IntoIterator<Item = (KeyState, SigningKey)>) -> Result<Self, KeyError> {
        let mut set = Self::default();
        for (state, key) in keys {
            if set.find(key.kid()).is_some() {
                return Err(KeyError::SameKeyTwice);
            }
            if state == KeyState::Active && set.active(key.algorithm()).is_some() {
                return Err(KeyError::TwoActive);
            }
            set.keys.push((state, key));
        }
        Ok(set)
    }

    /// The key that signs by `algorithm`.
    pub fn active(&self, algorithm: Algorithm) -> Option<&SigningKey> {
        self.keys
            .iter()
            .find(|(state, key)| *state == KeyState::Active && key.algorithm() == algorithm)
            .map(|(_, key)| key)
    }

    /// The algorithms with an active key, the default first: what discovery announces.
    pub fn algorithms(&self) -> Vec<Algorithm> {
        let mut all = Algorithm::ALL.to_vec();
        all.retain(|algorithm| self.active(*algorithm).is_some());
        all
    }

    /// Signs with the active key of `algorithm`.
    pub fn sign(
        &self,
        algorithm: Algorithm,
        typ: &str,
        claims: &impl Serialize,
    ) -> Result<String, KeyError> {
        self.active(algorithm)
            .ok_or(KeyError::NoActiveKey)?
            .sign(typ, claims)
    }

    /// The document for the JWKS endpoint: every key, whatever its state.
    pub fn jwks(&self) -> Jwks {
        Jwks {
            keys: self.keys.iter().map(|(_, key)| key.jwk().clone()).collect(),
        }
    }

    /// Verifies a token of ours: its `kid`, `alg`, `typ` and signature.
    ///
    /// It does not look at the claims: `iss`, `aud` and `exp` are the caller's to check.
    pub fn verify<T: DeserializeOwned>(&self, token: &str, typ: &str) -> Result<T, VerifyError> {
        if token.len() > MAX_JWT_BYTES {
            return Err(VerifyError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(VerifyError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(VerifyError::Malformed)?;
        let decode = |part| from_base64url(part).ok_or(VerifyError::Malformed);
        let header: Header =
            serde_json::from_slice(&decode(header)?).map_err(|_| VerifyError::Malformed)?;
        let (claims, signature) = (decode(claims)?, decode(signature)?);
        // RFC 7515 §4.1.11: we understand no extension.
        if header.crit.is_some() {
            return Err(VerifyError::Malformed);
        }
        let key = header
            .kid
            .and_then(|kid| self.find(&kid))
            .ok_or(VerifyError::UnknownKey)?;
        if header.alg != key.algorithm().as_str() {
            return Err(VerifyError::UnknownKey);
        }
        if header.typ.as_deref() != Some(typ) {
            return Err(VerifyError::Type);
        }
        key.0
            .public
            .verify_sig(signed.as_bytes(), &signature)
            .map_err(|_| VerifyError::Signature)?;
        serde_json::from_slice(&claims).map_err(|_| VerifyError::Claims)
    }

    fn find(&self, kid: &str) -> Option<&SigningKey> {
        self.keys
            .iter()
            .map(|(_, key)| key)
            .find(|key| key.kid() == kid)
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    typ: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crit: Option<serde_json::Value>,
}

#[cfg(test)]
mod tests;
