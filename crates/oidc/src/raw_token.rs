//! A JWT as the provider wrote it: header and claims read strictly, nothing verified.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::{Algorithm, Error};

const DOCUMENT: &str = "ID token";
/// Far above any ID token seen; group lists make some of them large.
const LONGEST: usize = 64 * 1024;

/// Header and claims, unverified.
#[derive(Debug)]
pub(crate) struct RawToken {
    header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
    signed: String,
    signature: Vec<u8>,
}

impl RawToken {
    /// Splits a compact JWS (RFC 7515 §3.1). A member that occurs twice is refused (RFC 8725 §2.4, RFC 7519 §4).
    pub(crate) fn parse(token: &str) -> Result<Self, Error> {
        if token.len() > LONGEST {
            return Err(malformed("longer than 64 KiB"));
        }
        let parts: Vec<&str> = token.split('.').collect();
        match parts.as_slice() {
            [header, claims, signature] => Ok(Self {
                signed: format!("{header}.{claims}"),
                signature: URL_SAFE_NO_PAD
                    .decode(signature)
                    .map_err(|_| malformed("not base64url"))?,
                header: object(header, "header")?,
                claims: object(claims, "claims")?,
            }),
            [_, _, _, _, _] => Err(Error::IdTokenEncrypted),
            _ => Err(malformed("not three parts")),
        }
    }

    /// What the signature covers (RFC 7515 §5.2).
    pub(crate) fn signed(&self) -> &[u8] {
        self.signed.as_bytes()
    }

    pub(crate) fn signature(&self) -> &[u8] {
        &self.signature
    }

    pub(crate) fn kid(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }

    /// Checks what the header may say (RFC 8725 §3.1, §3.11): the algorithm, the type, no extension.
    ///
    /// `jwk`, `jku`, `x5u` and `x5c` are never looked at: a token does not choose its own key.
    /// `types` are the values of `typ` that are accepted, in lower case; a header without one is accepted too.
    pub(crate) fn check_header(
        &self,
        allowed: &[Algorithm],
        types: &[&str],
    ) -> Result<Algorithm, Error> {
        if self.header.contains_key("enc") {
            return Err(Error::IdTokenEncrypted);
        }
        if self.header.contains_key("crit")
            || self.header.contains_key("cty")
            || self.header.contains_key("b64")
        {
            return Err(Error::CriticalHeader);
        }
        if let Some(typ) = self.header.get("typ") {
            let typ = typ.as_str().unwrap_or_default();
            let name = typ.to_ascii_lowercase();
            let name = name.strip_prefix("application/").unwrap_or(&name);
            if !types.contains(&name) {
                return Err(Error::TokenType {
                    got: typ.to_owned(),
                });
            }
        }
        let alg = self
            .header
            .get("alg")
            .and_then(Value::as_str)
            .unwrap_or_default();
        allowed
            .iter()
            .copied()
            .find(|algorithm| algorithm.as_str() == alg)
            .ok_or_else(|| Error::Algorithm {
                wanted: allowed.iter().map(|algorithm| algorithm.as_str()).collect(),
                got: alg.to_owned(),
            })
    }

    /// Refuses a header without `typ`.
    pub(crate) fn require_type(&self) -> Result<(), Error> {
        match self.header.contains_key("typ") {
            true => Ok(()),
            false => Err(Error::TokenType { got: String::new() }),
        }
    }

    /// A claim that must be a string.
    pub(crate) fn text(&self, claim: &'static str) -> Result<&str, Error> {
        self.optional_text(claim)?
            .ok_or(Error::ClaimMissing { claim })
    }

    /// A claim that is a string or absent.
    pub(crate) fn optional_text(&self, claim: &'static str) -> Result<Option<&str>, Error> {
        match self.claims.get(claim) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Error::ClaimMissing { claim }),
        }
    }

    /// A claim that is a time in whole Unix seconds (a fraction is cut off) or absent.
    pub(crate) fn optional_time(&self, claim: &'static str) -> Result<Option<i64>, Error> {
        let wrong = Error::ClaimMissing { claim };
        match self.claims.get(claim) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) => match (number.as_i64(), number.as_f64()) {
                (Some(seconds), _) => Ok(Some(seconds)),
                (None, Some(seconds)) if seconds.is_finite() && seconds.abs() < 1e15 => {
                    #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
                    let seconds = seconds.trunc() as i64;
                    Ok(Some(seconds))
                }
                _ => Err(wrong),
            },
            Some(_) => Err(wrong),
        }
    }

    /// A claim that must be a time.
    pub(crate) fn time(&self, claim: &'static str) -> Result<i64, Error> {
        self.optional_time(claim)?
            .ok_or(Error::ClaimMissing { claim })
    }

    /// `aud`, one string or several (RFC 7519 §4.1.3).
    pub(crate) fn audiences(&self) -> Result<Vec<String>, Error> {
        strings(self.claims.get("aud")).ok_or(Error::ClaimMissing { claim: "aud" })
    }

    /// `amr`, absent or a list of strings.
    pub(crate) fn amr(&self) -> Result<Vec<String>, Error> {
        match self.claims.get("amr") {
            None | Some(Value::Null) => Ok(Vec::new()),
            // Some providers send one method as a bare string.
            some => strings(some).ok_or(Error::ClaimMissing { claim: "amr" }),
        }
    }
}

fn strings(value: Option<&Value>) -> Option<Vec<String>> {
    match value? {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(values) => values
            .iter()
            .map(|value| value.as_str().map(str::to_owned))
            .collect(),
        _ => None,
    }
}

fn object(part: &str, which: &'static str) -> Result<Map<String, Value>, Error> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| malformed("not base64url"))?;
    let UniqueMembers(members) = serde_json::from_slice(&bytes).map_err(|_| {
        malformed(&format!(
            "the {which} is not a JSON object with distinct members"
        ))
    })?;
    Ok(members)
}

fn malformed(detail: &str) -> Error {
    Error::Malformed {
        document: DOCUMENT,
        detail: detail.to_owned(),
    }
}

/// A JSON object whose members have distinct names, so that no two parsers can disagree about it.
struct UniqueMembers(Map<String, Value>);

impl<'de> Deserialize<'de> for UniqueMembers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = UniqueMembers;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object with distinct members")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut access: A,
            ) -> Result<UniqueMembers, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member occurs twice"));
                    }
                }
                Ok(UniqueMembers(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}
