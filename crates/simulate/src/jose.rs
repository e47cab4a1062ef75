//! Signed tokens: making them as a provider does, and judging them as an app does.

use anyhow::{Context as _, anyhow, bail, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Value, json};

use crate::chance;

/// The algorithm of a simulated provider's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// RSA with SHA-256, what nearly every provider signs with.
    #[default]
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

impl Algorithm {
    /// The name in `alg` (RFC 7518 §3.1).
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ecdsa(Box<EcdsaKeyPair>),
}

/// A key that signs JSON Web Tokens.
pub struct SigningKey {
    kid: String,
    pair: Pair,
}

impl SigningKey {
    /// A new key with a random `kid`.
    pub fn generate(algorithm: Algorithm) -> anyhow::Result<Self> {
        let pair = match algorithm {
            Algorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048)
                .map(|pair| Pair::Rsa(Box::new(pair)))
                .map_err(|_| anyhow!("no RSA key could be made"))?,
            Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                .map(|pair| Pair::Ecdsa(Box::new(pair)))
                .map_err(|_| anyhow!("no P-256 key could be made"))?,
        };
        Ok(Self {
            kid: chance::token()?.chars().take(16).collect(),
            pair,
        })
    }

    /// The key id.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The algorithm of its signatures.
    pub fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Rsa(_) => Algorithm::Rs256,
            Pair::Ecdsa(_) => Algorithm::Es256,
        }
    }

    /// The public half as a JSON Web Key (RFC 7517).
    pub fn public_jwk(&self) -> anyhow::Result<Value> {
        let alg = self.algorithm().name();
        match &self.pair {
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                let modulus = public.modulus();
                let exponent = public.exponent();
                Ok(json!({
                    "kty": "RSA", "use": "sig", "alg": alg, "kid": self.kid,
                    "n": URL_SAFE_NO_PAD.encode(modulus.big_endian_without_leading_zero()),
                    "e": URL_SAFE_NO_PAD.encode(exponent.big_endian_without_leading_zero()),
                }))
            }
            Pair::Ecdsa(pair) => {
                // An uncompressed point (SEC 1 §2.3.3): 0x04, then x and y of 32 bytes each.
                let point = pair.public_key().as_ref();
                let x = point.get(1..33).context("the public point is too short")?;
                let y = point.get(33..65).context("the public point is too short")?;
                Ok(json!({
                    "kty": "EC", "crv": "P-256", "use": "sig", "alg": alg, "kid": self.kid,
                    "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
                }))
            }
        }
    }

    /// Signs `claims` as a compact JWS with `typ` in its header.
    pub fn sign(&self, typ: &str, claims: &Value) -> anyhow::Result<String> {
        self.sign_as(
            &json!({"alg": self.algorithm().name(), "kid": self.kid, "typ": typ}),
            claims,
        )
    }

    /// Signs under any header, also one that lies.
    pub(crate) fn sign_as(&self, header: &Value, claims: &Value) -> anyhow::Result<String> {
        let input = signing_input(header, claims);
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, input.as_bytes(), &mut signature)
                    .map_err(|_| anyhow!("the RSA key did not sign"))?;
                signature
            }
            Pair::Ecdsa(pair) => pair
                .sign(&random, input.as_bytes())
                .map_err(|_| anyhow!("the P-256 key did not sign"))?
                .as_ref()
                .to_vec(),
        };
        Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// The two parts under a signature.
pub(crate) fn signing_input(header: &Value, claims: &Value) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    format!("{header}.{claims}")
}

/// A token whose signature is good; what it says has still to be judged.
#[derive(Debug, Clone)]
pub(crate) struct Signed {
    /// The header's `typ`, without a leading `application/`.
    pub(crate) typ: Option<String>,
    /// The claims.
    pub(crate) claims: Value,
}

/// Why a token's signature was not accepted.
#[derive(Debug)]
pub(crate) enum SignatureFault {
    /// No key has this `kid`: the provider may have rotated its keys.
    UnknownKey,
    /// The signature or the token's form is bad.
    Bad(anyhow::Error),
}

/// Checks the signature of a compact JWS against a provider's keys.
///
/// Only asymmetric algorithms count: the key's own family decides, never the token (RFC 8725 §3.1).
pub(crate) fn verify(token: &str, keys: &JwkSet) -> Result<Signed, SignatureFault> {
    use SignatureFault::Bad;
    let header = jsonwebtoken::decode_header(token)
        .map_err(|error| Bad(anyhow!(error).context("the token's header cannot be read")))?;
    let key = find_key(keys, header.kid.as_deref()).ok_or(SignatureFault::UnknownKey)?;
    let claims = decode(token, &header, key).map_err(Bad)?;
    let typ = header.typ.map(|typ| {
        typ.strip_prefix("application/")
            .map_or_else(|| typ.clone(), str::to_owned)
    });
    Ok(Signed { typ, claims })
}

fn decode(token: &str, header: &jsonwebtoken::Header, key: &Jwk) -> anyhow::Result<Value> {
    use jsonwebtoken::Algorithm as Jwa;
    match header.alg {
        Jwa::RS256 | Jwa::PS256 | Jwa::ES256 | Jwa::ES384 | Jwa::EdDSA => {}
        other => bail!("the algorithm {other:?} is not accepted"),
    }
    ensure!(
        header.crit.is_none(),
        "the token has critical header members that are not understood"
    );
    let mut validation = Validation::new(header.alg);
    // Claims are judged by the caller, one by one, so that a refusal can name the rule.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let key = DecodingKey::from_jwk(key).context("the provider's key cannot be used")?;
    let data = jsonwebtoken::decode::<Value>(token, &key, &validation)
        .context("the signature is not good")?;
    Ok(data.claims)
}

/// The key with this id; without an id the only key there is.
fn find_key<'a>(keys: &'a JwkSet, kid: Option<&str>) -> Option<&'a Jwk> {
    match (kid, keys.keys.as_slice()) {
        (Some(kid), _) => keys.find(kid),
        (None, [only]) => Some(only),
        (None, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(algorithm: Algorithm) {
        let key = SigningKey::generate(algorithm).unwrap();
        let keys: JwkSet =
            serde_json::from_value(json!({"keys": [key.public_jwk().unwrap()]})).unwrap();
        let token = key.sign("JWT", &json!({"sub": "ada"})).unwrap();
        let signed = verify(&token, &keys).unwrap();
        assert_eq!(signed.claims["sub"], "ada");
        assert_eq!(signed.typ.as_deref(), Some("JWT"));

        let other = SigningKey::generate(algorithm).unwrap();
        let header = json!({"alg": algorithm.name(), "kid": key.kid()});
        let forged = other.sign_as(&header, &json!({"sub": "ada"})).unwrap();
        assert!(matches!(
            verify(&forged, &keys),
            Err(SignatureFault::Bad(_))
        ));
        let unknown = other.sign("JWT", &json!({"sub": "ada"})).unwrap();
        assert!(matches!(
            verify(&unknown, &keys),
            Err(SignatureFault::UnknownKey)
        ));
    }

    #[test]
    fn rs256_tokens_verify_under_their_own_key_only() {
        check(Algorithm::Rs256);
    }

    #[test]
    fn es256_tokens_verify_under_their_own_key_only() {
        check(Algorithm::Es256);
    }

    #[test]
    fn unsigned_and_symmetric_tokens_are_refused() {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let keys: JwkSet =
            serde_json::from_value(json!({"keys": [key.public_jwk().unwrap()]})).unwrap();
        for alg in ["none", "HS256"] {
            let header = json!({"alg": alg, "kid": key.kid()});
            let token = format!("{}.c2ln", signing_input(&header, &json!({"sub": "ada"})));
            assert!(
                matches!(verify(&token, &keys), Err(SignatureFault::Bad(_))),
                "{alg}"
            );
        }
    }
}
