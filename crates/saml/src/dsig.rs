//! XML signatures of one fixed form: enveloped, over the element that they stand in, by a pinned certificate.
//!
//! The grammar is checked first, then `SignatureValue` over `SignedInfo`, then the digest: nothing that an attacker
//! wrote is transformed before a pinned key has vouched for it. `KeyInfo` is never looked at.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use subtle::ConstantTimeEq as _;

use crate::{
    Certificate, Error, Rule,
    algorithm::{DigestAlgorithm, SignatureAlgorithm},
    c14n::{self, Method},
    names::{C14N, DS, ENVELOPED, EXC_C14N},
    xml::Element,
};

/// What a connection allows beyond the defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allowances {
    pub(crate) sha1: bool,
    pub(crate) inclusive_c14n: bool,
}

/// A signature that holds.
#[derive(Debug)]
pub(crate) struct Proven {
    /// The octets that were digested: the only ones that may be read.
    pub(crate) octets: Vec<u8>,
    /// Which of the pinned certificates made it.
    pub(crate) certificate: usize,
    /// Whether SHA-1 took part.
    pub(crate) sha1: bool,
}

/// Verifies the signature of an element: `signature` is a child of `signed`.
pub(crate) fn verify(
    signed: Element<'_, '_>,
    signature: Element<'_, '_>,
    certificates: &[Certificate],
    allowances: Allowances,
) -> Result<Proven, Error> {
    let form = Form::read(signed, signature, allowances)?;
    if (form.algorithm.is_sha1() || form.digest_algorithm == DigestAlgorithm::Sha1)
        && !allowances.sha1
    {
        return Err(Error::compared(
            Rule::Algorithm,
            "SHA-256, SHA-384 or SHA-512",
            "SHA-1",
        ));
    }
    let message = c14n::canonicalize(form.signed_info, None, &form.method);
    let mut fitting = certificates
        .iter()
        .enumerate()
        .filter(|(_, certificate)| form.algorithm.fits(certificate))
        .peekable();
    if message.is_empty() || fitting.peek().is_none() {
        return Err(Error::compared(
            Rule::KeyKind,
            "a certificate whose key made the signature",
            form.algorithm.uri(),
        ));
    }
    let certificate = fitting
        .find(|(_, certificate)| certificate.verify(form.algorithm, &message, &form.value))
        .map(|(index, _)| index)
        .ok_or_else(|| {
            let pinned: Vec<_> = certificates
                .iter()
                .map(Certificate::fingerprint_sha256)
                .collect();
            Error::compared(
                Rule::Signature,
                format!(
                    "a signature by the certificate with SHA-256 fingerprint {}",
                    pinned.join(" or ")
                ),
                "a signature by another key",
            )
        })?;
    let octets = c14n::canonicalize(signed, Some(signature.id()), &form.transform);
    let digest = form.digest_algorithm.digest(&octets);
    if octets.is_empty() || !bool::from(digest.ct_eq(&form.digest)) {
        return Err(Rule::Digest.into());
    }
    Ok(Proven {
        octets,
        certificate,
        sha1: form.algorithm.is_sha1() || form.digest_algorithm == DigestAlgorithm::Sha1,
    })
}

/// The one form of a signature (SAML core §5.4), read.
struct Form<'d, 'a> {
    signed_info: Element<'d, 'a>,
    method: Method,
    algorithm: SignatureAlgorithm,
    transform: Method,
    digest_algorithm: DigestAlgorithm,
    digest: Vec<u8>,
    value: Vec<u8>,
}

impl<'d, 'a> Form<'d, 'a> {
    fn read(
        signed: Element<'d, 'a>,
        signature: Element<'d, 'a>,
        allowances: Allowances,
    ) -> Result<Self, Error> {
        let (signed_info, value) = match elements(signature)?.as_slice() {
            [info, value] if value.is(DS, "SignatureValue") => (*info, *value),
            [info, value, key] if value.is(DS, "SignatureValue") && key.is(DS, "KeyInfo") => {
                (*info, *value)
            }
            _ => return Err(odd("SignedInfo, SignatureValue and perhaps KeyInfo")),
        };
        if !signed_info.is(DS, "SignedInfo") {
            return Err(odd("SignedInfo first"));
        }
        let [method, algorithm, reference] = elements(signed_info)?
            .try_into()
            .map_err(|_| odd("one CanonicalizationMethod, SignatureMethod and Reference"))?;
        let (transforms, digest_method, digest_value) = match elements(reference)?.as_slice() {
            [transforms, method, value]
                if reference.is(DS, "Reference")
                    && transforms.is(DS, "Transforms")
                    && method.is(DS, "DigestMethod")
                    && value.is(DS, "DigestValue") =>
            {
                (*transforms, *method, *value)
            }
            _ => {
                return Err(odd(
                    "a Reference of Transforms, DigestMethod and DigestValue",
                ));
            }
        };
        let id = signed.attribute("ID").filter(|id| !id.is_empty());
        if id.is_none()
            || reference
                .attribute("URI")
                .and_then(|uri| uri.strip_prefix('#'))
                != id
        {
            return Err(Error::compared(
                Rule::SignatureForm,
                "a reference to the element that the signature stands in",
                "a reference to something else",
            ));
        }
        let [enveloped, canonical] = elements(transforms)?
            .try_into()
            .map_err(|_| odd("the transforms enveloped-signature and a canonicalization"))?;
        if !enveloped.is(DS, "Transform")
            || enveloped.attribute("Algorithm") != Some(ENVELOPED)
            || !elements(enveloped)?.is_empty()
            || !canonical.is(DS, "Transform")
        {
            return Err(odd(
                "the transforms enveloped-signature and a canonicalization",
            ));
        }
        Ok(Self {
            signed_info,
            method: canonicalization(method, "CanonicalizationMethod", allowances)?,
            algorithm: named(algorithm, "SignatureMethod", SignatureAlgorithm::from_uri)?,
            transform: canonicalization(canonical, "Transform", allowances)?,
            digest_algorithm: named(digest_method, "DigestMethod", DigestAlgorithm::from_uri)?,
            digest: base64_leaf(digest_value)?,
            value: base64_leaf(value)?,
        })
    }
}

fn odd(wanted: &str) -> Error {
    Error::compared(Rule::SignatureForm, wanted, "something else")
}

/// The children of an element that has no text of its own.
fn elements<'d, 'a>(parent: Element<'d, 'a>) -> Result<Vec<Element<'d, 'a>>, Error> {
    match parent.has_loose_text() {
        true => Err(odd("no text between the elements")),
        false => Ok(parent.children().take(8).collect()),
    }
}

fn named<T>(
    element: Element<'_, '_>,
    local: &str,
    from_uri: fn(&str) -> Option<T>,
) -> Result<T, Error> {
    // No parameters: a truncated HMAC or a salt length has no place here.
    if !element.is(DS, local) || !elements(element)?.is_empty() {
        return Err(odd("an algorithm without parameters"));
    }
    let uri = element.attribute("Algorithm").unwrap_or_default();
    from_uri(uri).ok_or_else(|| {
        Error::compared(
            Rule::Algorithm,
            "RSA or ECDSA with SHA-256, SHA-384 or SHA-512",
            uri,
        )
    })
}

fn canonicalization(
    element: Element<'_, '_>,
    local: &str,
    allowances: Allowances,
) -> Result<Method, Error> {
    if !element.is(DS, local) {
        return Err(odd(local));
    }
    let uri = element.attribute("Algorithm").unwrap_or_default();
    let parameters = elements(element)?;
    match (uri, parameters.as_slice()) {
        (EXC_C14N, []) => Ok(Method::Exclusive(Vec::new())),
        (EXC_C14N, [inclusive]) if inclusive.is(EXC_C14N, "InclusiveNamespaces") => {
            let list = inclusive.attribute("PrefixList").unwrap_or_default();
            let prefixes: Vec<String> = list
                .split([' ', '\t', '\n', '\r'])
                .filter(|prefix| !prefix.is_empty())
                .map(|prefix| match prefix {
                    "#default" => String::new(),
                    prefix => prefix.to_owned(),
                })
                .collect();
            if prefixes.len() > 32 || inclusive.contents().next().is_some() {
                return Err(odd("a PrefixList of at most 32 prefixes"));
            }
            Ok(Method::Exclusive(prefixes))
        }
        (C14N, []) if allowances.inclusive_c14n => Ok(Method::Inclusive),
        _ => Err(Error::compared(Rule::Canonicalization, EXC_C14N, uri)),
    }
}

/// The octets of an element that holds nothing but base64 text.
pub(crate) fn base64_leaf(element: Element<'_, '_>) -> Result<Vec<u8>, Error> {
    let text = element
        .leaf_text()
        .ok_or_else(|| odd("base64 text without elements"))?;
    decode_base64(text).ok_or_else(|| odd("base64"))
}

/// Strict base64 with padding, between which whitespace may stand.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    if !text.as_bytes().iter().any(is_space) {
        return STANDARD.decode(text).ok();
    }
    let packed: Vec<u8> = text.bytes().filter(|byte| !is_space(byte)).collect();
    STANDARD.decode(packed).ok()
}
