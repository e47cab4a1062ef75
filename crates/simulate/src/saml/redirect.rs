//! The HTTP redirect binding: DEFLATE, base64 and a signature over the query (saml-bindings §3.4).

use std::io::{Read as _, Write as _};

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use url::form_urlencoded::byte_serialize;

use super::{Certificate, SamlKey, SignatureAlgorithm};

/// No message of ours is longer; a longer one is a bomb.
const LONGEST: u64 = 1 << 20;

/// Whether a message asks or answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// `SAMLRequest`.
    Request,
    /// `SAMLResponse`.
    Response,
}

impl Direction {
    /// The parameter's name.
    pub fn parameter(self) -> &'static str {
        match self {
            Self::Request => "SAMLRequest",
            Self::Response => "SAMLResponse",
        }
    }
}

/// A message on its way through a browser's address bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectMessage {
    /// Whether it asks or answers.
    pub direction: Direction,
    /// The message.
    pub xml: String,
    /// `RelayState`.
    pub relay_state: Option<String>,
    signature: Option<QuerySignature>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct QuerySignature {
    algorithm: SignatureAlgorithm,
    value: Vec<u8>,
    /// The signed part of the query exactly as it was sent: encoders differ.
    signed: String,
}

impl RedirectMessage {
    /// Reads the query of a request.
    pub fn read(query: &str) -> anyhow::Result<Self> {
        let raw = |name: &str| {
            let mut found = query.split('&').filter_map(|pair| {
                let (key, value) = pair.split_once('=')?;
                (key == name).then_some(value)
            });
            let first = found.next();
            ensure!(found.next().is_none(), "the query has {name} twice");
            Ok(first)
        };
        let (direction, message) = match (raw("SAMLRequest")?, raw("SAMLResponse")?) {
            (Some(message), None) => (Direction::Request, message),
            (None, Some(message)) => (Direction::Response, message),
            _ => bail!("the query has not exactly one message"),
        };
        let relay_state = raw("RelayState")?;
        let signature = match (raw("SigAlg")?, raw("Signature")?) {
            (None, None) => None,
            (Some(algorithm), Some(value)) => {
                let signed: String = [
                    (direction.parameter(), Some(message)),
                    ("RelayState", relay_state),
                    ("SigAlg", Some(algorithm)),
                ]
                .into_iter()
                .filter_map(|(name, value)| Some(format!("&{name}={}", value?)))
                .collect();
                Some(QuerySignature {
                    algorithm: SignatureAlgorithm::of_uri(&decoded(algorithm))
                        .context("an unknown signature algorithm")?,
                    value: base64_of(value).context("Signature is not base64")?,
                    signed: signed.trim_start_matches('&').to_owned(),
                })
            }
            _ => bail!("of SigAlg and Signature one is missing"),
        };
        Ok(Self {
            direction,
            xml: inflate(&base64_of(message)?)?,
            relay_state: relay_state.map(decoded),
            signature,
        })
    }

    /// Whether there is a signature, good or bad.
    pub fn is_signed(&self) -> bool {
        self.signature.is_some()
    }

    /// What it is signed with.
    pub fn algorithm(&self) -> Option<SignatureAlgorithm> {
        self.signature.as_ref().map(|signature| signature.algorithm)
    }

    /// Whether the signature is this key's.
    pub fn is_signed_by(&self, certificate: &Certificate) -> bool {
        self.signature.as_ref().is_some_and(|signature| {
            certificate.verifies(
                signature.algorithm,
                signature.signed.as_bytes(),
                &signature.value,
            )
        })
    }
}

/// Signs queries.
#[derive(Debug, Clone)]
pub struct QuerySigner {
    /// The key.
    pub key: SamlKey,
    /// `SigAlg`.
    pub algorithm: SignatureAlgorithm,
    /// Percent-escapes in lower case, as .NET writes them.
    pub lower_case: bool,
}

impl QuerySigner {
    /// Signs with what the key is usually used with.
    pub fn new(key: &SamlKey) -> Self {
        Self {
            key: key.clone(),
            algorithm: key.usual_algorithm(),
            lower_case: false,
        }
    }
}

/// The address that carries a message to `endpoint`.
pub fn redirect_url(
    endpoint: &str,
    direction: Direction,
    xml: &str,
    relay_state: Option<&str>,
    signer: Option<&QuerySigner>,
) -> anyhow::Result<String> {
    let lower_case = signer.is_some_and(|signer| signer.lower_case);
    let encode = |text: &str| encoded(text, lower_case);
    let message = STANDARD.encode(deflate(xml)?);
    let pair = |name: &str, value: &str| format!("&{name}={}", encode(value));
    let mut query = format!("{}={}", direction.parameter(), encode(&message));
    query.extend(relay_state.map(|relay_state| pair("RelayState", relay_state)));
    if let Some(signer) = signer {
        query += &pair("SigAlg", signer.algorithm.uri());
        let value = signer.key.sign(signer.algorithm, query.as_bytes())?;
        query += &pair("Signature", &STANDARD.encode(value));
    }
    let separator = if endpoint.contains('?') { '&' } else { '?' };
    Ok(format!("{endpoint}{separator}{query}"))
}

/// DEFLATE (RFC 1951), without a header.
pub fn deflate(text: &str) -> anyhow::Result<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes())?;
    Ok(encoder.finish()?)
}

/// What [`deflate`] packed, up to a mebibyte.
pub fn inflate(bytes: &[u8]) -> anyhow::Result<String> {
    let mut text = String::new();
    let mut limited = DeflateDecoder::new(bytes).take(LONGEST + 1);
    limited
        .read_to_string(&mut text)
        .context("the message is not DEFLATE of UTF-8")?;
    ensure!(
        u64::try_from(text.len())? <= LONGEST,
        "the message is too long"
    );
    Ok(text)
}

fn encoded(text: &str, lower_case: bool) -> String {
    byte_serialize(text.as_bytes())
        .map(|piece| match piece.starts_with('%') && lower_case {
            true => piece.to_ascii_lowercase(),
            false => piece.to_owned(),
        })
        .collect()
}

fn decoded(value: &str) -> String {
    url::form_urlencoded::parse(format!("v={value}").as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

fn base64_of(value: &str) -> anyhow::Result<Vec<u8>> {
    let digits: String = decoded(value).split_ascii_whitespace().collect();
    STANDARD.decode(digits).context("the message is not base64")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saml::KeyKind;

    #[test]
    fn a_signed_query_is_judged_as_it_was_sent() {
        let key = SamlKey::generate(KeyKind::P256).unwrap();
        let other = SamlKey::generate(KeyKind::P256).unwrap();
        for lower_case in [false, true] {
            let signer = QuerySigner {
                lower_case,
                ..QuerySigner::new(&key)
            };
            let url = redirect_url(
                "https://sp.example/slo?x=1",
                Direction::Request,
                "<a>é</a>",
                Some("a/b c+d"),
                Some(&signer),
            )
            .unwrap();
            let (_, query) = url.split_once('?').unwrap();
            assert_eq!(query.contains("%2f"), lower_case, "{query}");
            let message = RedirectMessage::read(query).unwrap();
            assert_eq!(message.xml, "<a>é</a>");
            assert_eq!(message.relay_state.as_deref(), Some("a/b c+d"));
            assert!(message.is_signed_by(key.certificate()));
            assert!(!message.is_signed_by(other.certificate()));
            let changed = query.replace("RelayState=a", "RelayState=b");
            let message = RedirectMessage::read(&changed).unwrap();
            assert!(!message.is_signed_by(key.certificate()));
            let twice = format!("{query}&RelayState=x");
            RedirectMessage::read(&twice).unwrap_err();
        }
    }

    #[test]
    fn a_bomb_does_not_go_off() {
        let bomb = "a".repeat(3 << 20);
        let packed = deflate(&bomb).unwrap();
        assert!(packed.len() < 10_000);
        inflate(&packed).unwrap_err();
    }
}
