//! The HTTP-Redirect binding (SAML bindings §3.4): a deflated message in a query string, signed over the query's octets.

use std::borrow::Cow;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Decompress, FlushDecompress, Status};

use crate::signing_key::{KeyError, SigningKey};
use crate::{algorithm::SignatureAlgorithm, certificate::Certificate};

/// Octets of a query string that are looked at; servers' own limits are far lower.
const MAX_QUERY: usize = 1024 * 1024;
/// Octets of a message after inflating.
const MAX_MESSAGE: usize = 1536 * 1024;

const REQUEST: &str = "SAMLRequest";
const RESPONSE: &str = "SAMLResponse";
const RELAY_STATE: &str = "RelayState";
const ALGORITHM: &str = "SigAlg";
const SIGNATURE: &str = "Signature";
const ENCODING: &str = "SAMLEncoding";
const DEFLATE: &str = "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE";

/// Which parameter carries the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestOrResponse {
    /// `SAMLRequest`
    Request,
    /// `SAMLResponse`
    Response,
}

impl RequestOrResponse {
    fn parameter(self) -> &'static str {
        match self {
            Self::Request => REQUEST,
            Self::Response => RESPONSE,
        }
    }
}

/// Why a query string carries no message that can be used.
///
/// Everything but [`Error::NoCertificate`] and [`Error::Signing`] is the sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The query string or the inflated message is longer than any real one.
    #[error("redirect message is too large")]
    TooLarge,
    /// Neither `SAMLRequest` nor `SAMLResponse` is there.
    #[error("redirect carries no message")]
    NoMessage,
    /// Both `SAMLRequest` and `SAMLResponse` are there.
    #[error("redirect carries a request and a response")]
    TwoMessages,
    /// A parameter of the binding occurs twice, so that signer and reader could mean different ones.
    #[error("redirect has a duplicate parameter")]
    DuplicateParameter,
    /// A parameter's name is percent-encoded, so that signer and reader could mean different ones.
    #[error("redirect has a parameter with an encoded name")]
    EncodedName,
    /// Percent-encoding that is none, or that is not of UTF-8.
    #[error("redirect has malformed percent-encoding")]
    PercentEncoding,
    /// `SAMLEncoding` is another one than DEFLATE.
    #[error("redirect has an unsupported encoding")]
    UnsupportedEncoding,
    /// The message or the signature is not base64.
    #[error("redirect has malformed base64")]
    Base64,
    /// The message is not raw DEFLATE (RFC 1951), is cut, or something follows it.
    #[error("redirect message does not inflate")]
    Deflate,
    /// The message is not UTF-8.
    #[error("redirect message is not UTF-8")]
    NotUtf8,
    /// Only one of `SigAlg` and `Signature` is there.
    #[error("redirect has an incomplete signature")]
    IncompleteSignature,
    /// A signature is needed and none is there; the identity provider has to sign.
    #[error("redirect message is not signed")]
    Unsigned,
    /// `SigAlg` is none that is known, or is empty.
    #[error("redirect has an unsupported signature algorithm")]
    UnsupportedAlgorithm,
    /// SHA-1 is not allowed for this connection; the identity provider has to sign with SHA-256.
    #[error("redirect is signed with SHA-1, which is not allowed")]
    Sha1,
    /// The connection has no certificate at all.
    #[error("no certificate to check the signature with")]
    NoCertificate,
    /// No certificate has made this signature: the identity provider changed its key, or the query was altered.
    #[error("redirect signature does not match")]
    BadSignature,
    /// Our own key failed to sign.
    #[error("redirect message cannot be signed")]
    Signing(#[from] KeyError),
}

/// Writes a message as a query string without its question mark, signed if a key is given.
///
/// The signature is made over exactly the octets that are returned before `&Signature=`.
pub fn encode(
    parameter: RequestOrResponse,
    xml: &str,
    relay_state: Option<&str>,
    key: Option<&SigningKey>,
) -> Result<String, Error> {
    let mut query = String::new();
    append(
        &mut query,
        parameter.parameter(),
        &STANDARD.encode(deflate(xml.as_bytes())?),
    );
    if let Some(relay_state) = relay_state {
        append(&mut query, RELAY_STATE, relay_state);
    }
    if let Some(key) = key {
        append(&mut query, ALGORITHM, key.signature_algorithm_uri());
        let signature = key.sign(query.as_bytes())?;
        append(&mut query, SIGNATURE, &STANDARD.encode(signature));
    }
    Ok(query)
}

/// A message that came in a query string.
///
/// Its content is unproven until [`RedirectMessage::verify`] has answered `Ok`.
#[derive(Clone, PartialEq, Eq)]
pub struct RedirectMessage {
    kind: RequestOrResponse,
    xml: String,
    relay_state: Option<String>,
    signature: Option<QuerySignature>,
}

#[derive(Clone, PartialEq, Eq)]
struct QuerySignature {
    algorithm: String,
    value: Vec<u8>,
    /// The signed octets, as they came: some identity providers write lower-case hexadecimal.
    signed: String,
}

impl RedirectMessage {
    /// Reads the raw query string, as it stood behind the question mark.
    ///
    /// Parameters of other names are passed over; they are not signed and say nothing.
    pub fn parse(query: &str) -> Result<Self, Error> {
        if query.len() > MAX_QUERY {
            return Err(Error::TooLarge);
        }
        let parameters = Parameters::read(query)?;
        let (kind, message) = match (parameters.request, parameters.response) {
            (Some(request), None) => (RequestOrResponse::Request, request),
            (None, Some(response)) => (RequestOrResponse::Response, response),
            (None, None) => return Err(Error::NoMessage),
            (Some(_), Some(_)) => return Err(Error::TwoMessages),
        };
        if let Some(encoding) = parameters.encoding
            && percent_decode(encoding)? != DEFLATE
        {
            return Err(Error::UnsupportedEncoding);
        }
        let deflated = base64_decode(message)?;
        let xml = String::from_utf8(inflate(&deflated)?).map_err(|_| Error::NotUtf8)?;
        let relay_state = parameters.relay_state.map(percent_decode).transpose()?;
        Ok(Self {
            kind,
            xml,
            relay_state: relay_state.map(Cow::into_owned),
            signature: parameters.signature(kind, message)?,
        })
    }

    /// Which parameter carried the message.
    pub fn kind(&self) -> RequestOrResponse {
        self.kind
    }

    /// The message as it came, inflated; not parsed and not judged.
    pub fn xml(&self) -> &str {
        &self.xml
    }

    /// The decoded `RelayState`; `Some("")` if the parameter is there and empty.
    pub fn relay_state(&self) -> Option<&str> {
        self.relay_state.as_deref()
    }

    /// Whether a signature is there; says nothing about whether it is good.
    pub fn is_signed(&self) -> bool {
        self.signature.is_some()
    }

    /// Checks that one of these certificates' keys signed message, RelayState and algorithm (§3.4.4.1).
    ///
    /// SHA-1 is a switch of the connection for identity providers that have nothing else.
    pub fn verify(&self, certificates: &[Certificate], allow_sha1: bool) -> Result<(), Error> {
        if certificates.is_empty() {
            return Err(Error::NoCertificate);
        }
        let signature = self.signature.as_ref().ok_or(Error::Unsigned)?;
        let algorithm = SignatureAlgorithm::from_uri(&signature.algorithm)
            .ok_or(Error::UnsupportedAlgorithm)?;
        if algorithm.is_sha1() && !allow_sha1 {
            return Err(Error::Sha1);
        }
        let signed = signature.signed.as_bytes();
        let good = certificates
            .iter()
            .any(|certificate| certificate.verify(algorithm, signed, &signature.value));
        match good {
            true => Ok(()),
            false => Err(Error::BadSignature),
        }
    }
}

impl std::fmt::Debug for RedirectMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedirectMessage")
            .field("kind", &self.kind)
            .field("signed", &self.is_signed())
            .finish_non_exhaustive()
    }
}

/// The binding's parameters with their raw values.
#[derive(Default)]
struct Parameters<'a> {
    request: Option<&'a str>,
    response: Option<&'a str>,
    relay_state: Option<&'a str>,
    algorithm: Option<&'a str>,
    signature: Option<&'a str>,
    encoding: Option<&'a str>,
}

impl<'a> Parameters<'a> {
    fn read(query: &'a str) -> Result<Self, Error> {
        let mut parameters = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(slot) = parameters.slot(name) else {
                // A stranger's malformed name is its own affair, one that decodes to ours is not.
                if percent_decode(name).is_ok_and(|name| parameters.slot(&name).is_some()) {
                    return Err(Error::EncodedName);
                }
                continue;
            };
            if slot.replace(value).is_some() {
                return Err(Error::DuplicateParameter);
            }
        }
        Ok(parameters)
    }

    fn slot(&mut self, name: &str) -> Option<&mut Option<&'a str>> {
        Some(match name {
            REQUEST => &mut self.request,
            RESPONSE => &mut self.response,
            RELAY_STATE => &mut self.relay_state,
            ALGORITHM => &mut self.algorithm,
            SIGNATURE => &mut self.signature,
            ENCODING => &mut self.encoding,
            _ => return None,
        })
    }

    fn signature(
        &self,
        kind: RequestOrResponse,
        message: &str,
    ) -> Result<Option<QuerySignature>, Error> {
        let (algorithm, value) = match (self.algorithm, self.signature) {
            (None, None) => return Ok(None),
            (Some(algorithm), Some(value)) => (algorithm, value),
            (Some(_), None) | (None, Some(_)) => return Err(Error::IncompleteSignature),
        };
        // The order is the standard's, whatever the order in the query.
        let mut signed = format!("{}={message}", kind.parameter());
        for (name, raw) in [
            (RELAY_STATE, self.relay_state),
            (ALGORITHM, Some(algorithm)),
        ] {
            if let Some(raw) = raw {
                signed.extend(["&", name, "=", raw]);
            }
        }
        Ok(Some(QuerySignature {
            algorithm: percent_decode(algorithm)?.into_owned(),
            value: base64_decode(value)?,
            signed,
        }))
    }
}

fn append(query: &mut String, name: &str, value: &str) {
    if !query.is_empty() {
        query.push('&');
    }
    query.push_str(name);
    query.push('=');
    for &byte in value.as_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                query.push(char::from(byte));
            }
            _ => {
                query.push('%');
                query.extend([byte >> 4, byte & 15].map(hex_digit));
            }
        }
    }
}

fn hex_digit(nibble: u8) -> char {
    char::from(match nibble {
        0..=9 => b'0' + nibble,
        _ => b'A' + (nibble - 10),
    })
}

/// Decodes as forms do: a plus sign is a space.
fn percent_decode(raw: &str) -> Result<Cow<'_, str>, Error> {
    if !raw.contains(['%', '+']) {
        return Ok(Cow::Borrowed(raw));
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = bytes.next().and_then(hex_value);
                let low = bytes.next().and_then(hex_value);
                let (Some(high), Some(low)) = (high, low) else {
                    return Err(Error::PercentEncoding);
                };
                high << 4 | low
            }
            other => other,
        });
    }
    String::from_utf8(out)
        .map(Cow::Owned)
        .map_err(|_| Error::PercentEncoding)
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Base64 in one piece: the binding has line breaks removed (§3.4.4.1).
fn base64_decode(raw: &str) -> Result<Vec<u8>, Error> {
    let text = percent_decode(raw)?;
    STANDARD.decode(text.as_bytes()).map_err(|_| Error::Base64)
}

fn deflate(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).map_err(|_| Error::Deflate)?;
    encoder.finish().map_err(|_| Error::Deflate)
}

/// Raw DEFLATE (RFC 1951) to its very end, with a cap on what comes out.
fn inflate(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut decompress = Decompress::new(false);
    let mut out = Vec::with_capacity(bytes.len().saturating_mul(4).clamp(1024, MAX_MESSAGE + 1));
    loop {
        let done = usize::try_from(decompress.total_in()).unwrap_or(usize::MAX);
        let rest = bytes.get(done..).unwrap_or_default();
        let before = (done, out.len());
        let status = decompress
            .decompress_vec(rest, &mut out, FlushDecompress::None)
            .map_err(|_| Error::Deflate)?;
        if out.len() > MAX_MESSAGE {
            return Err(Error::TooLarge);
        }
        let consumed = usize::try_from(decompress.total_in()).unwrap_or(usize::MAX);
        if status == Status::StreamEnd {
            return match consumed == bytes.len() {
                true => Ok(out),
                false => Err(Error::Deflate),
            };
        }
        if out.len() == out.capacity() {
            out.reserve_exact(out.len().min(MAX_MESSAGE + 1 - out.len()).max(1));
        } else if (consumed, out.len()) == before {
            // There is room and nothing moves: the input ended too early.
            return Err(Error::Deflate);
        }
    }
}

#[cfg(test)]
mod tests;
