//! As much DER (X.690) as it takes to find keys in certificates and in PKCS#8.

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xA0;

/// One value and what follows it.
struct Value<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
    rest: &'a [u8],
}

fn read(input: &[u8]) -> anyhow::Result<Value<'_>> {
    let (&tag, after_tag) = input.split_first().context("the DER ends too early")?;
    let (&first, mut rest) = after_tag.split_first().context("the DER has no length")?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let count = usize::from(first & 0x7F);
        ensure!((1..=4).contains(&count), "the DER has an unusual length");
        let (digits, after) = rest
            .split_at_checked(count)
            .context("the DER ends in a length")?;
        length = digits
            .iter()
            .fold(0, |length, digit| (length << 8) | usize::from(*digit));
        rest = after;
    }
    let (content, after) = rest
        .split_at_checked(length)
        .context("the DER ends in a value")?;
    let (whole, _) = input.split_at(input.len() - after.len());
    Ok(Value {
        tag,
        content,
        whole,
        rest: after,
    })
}

fn expect(input: &[u8], tag: u8) -> anyhow::Result<Value<'_>> {
    let value = read(input)?;
    ensure!(value.tag == tag, "the DER has another value here");
    Ok(value)
}

/// The `SubjectPublicKeyInfo` of a certificate (RFC 5280 §4.1).
pub(super) fn subject_public_key_info(certificate: &[u8]) -> anyhow::Result<&[u8]> {
    let to_be_signed = expect(expect(certificate, SEQUENCE)?.content, SEQUENCE)?;
    let mut rest = to_be_signed.content;
    let version = read(rest)?;
    if version.tag == VERSION {
        rest = version.rest;
    }
    // Serial number, signature algorithm, issuer, validity, subject.
    for _ in 0..5 {
        rest = read(rest)?.rest;
    }
    Ok(expect(rest, SEQUENCE)?.whole)
}

/// The key's own bytes in a `SubjectPublicKeyInfo`: an `RSAPublicKey` or a point.
pub(super) fn public_key(info: &[u8]) -> anyhow::Result<&[u8]> {
    let algorithm = expect(expect(info, SEQUENCE)?.content, SEQUENCE)?;
    let bits = expect(algorithm.rest, BIT_STRING)?;
    match bits.content.split_first() {
        Some((0, key)) => Ok(key),
        _ => bail!("the public key is not whole bytes"),
    }
}

/// Modulus and exponent of an `RSAPublicKey` (RFC 8017 §A.1.1), without leading zeros.
pub(super) fn rsa_public(key: &[u8]) -> anyhow::Result<(&[u8], &[u8])> {
    let modulus = expect(expect(key, SEQUENCE)?.content, INTEGER)?;
    let exponent = expect(modulus.rest, INTEGER)?;
    Ok((unsigned(modulus.content), unsigned(exponent.content)))
}

/// Modulus and private exponent of an RSA key in PKCS#8 (RFC 5958 §2, RFC 8017 §A.1.2).
pub(super) fn rsa_private(pkcs8: &[u8]) -> anyhow::Result<(&[u8], &[u8])> {
    let version = expect(expect(pkcs8, SEQUENCE)?.content, INTEGER)?;
    let algorithm = expect(version.rest, SEQUENCE)?;
    let key = expect(expect(algorithm.rest, OCTET_STRING)?.content, SEQUENCE)?;
    let version = expect(key.content, INTEGER)?;
    let modulus = expect(version.rest, INTEGER)?;
    let public = expect(modulus.rest, INTEGER)?;
    let private = expect(public.rest, INTEGER)?;
    Ok((unsigned(modulus.content), unsigned(private.content)))
}

fn unsigned(integer: &[u8]) -> &[u8] {
    match integer.split_first() {
        Some((0, rest)) if !rest.is_empty() => rest,
        _ => integer,
    }
}

/// The bytes of the first PEM block with this label; bare base64 is taken as it is.
pub(super) fn from_pem(text: &str, label: &str) -> anyhow::Result<Vec<u8>> {
    let begin = format!("-----BEGIN {label}-----");
    let body = match text.split_once(&begin) {
        Some((_, after)) => after.split("-----END").next().unwrap_or_default(),
        None => text,
    };
    let digits: String = body.split_ascii_whitespace().collect();
    STANDARD
        .decode(digits)
        .with_context(|| format!("there is no PEM {label}"))
}

/// PEM (RFC 7468 §2).
pub(super) fn to_pem(bytes: &[u8], label: &str) -> String {
    let mut pem = format!("-----BEGIN {label}-----\n");
    for (at, digit) in STANDARD.encode(bytes).chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            pem.push('\n');
        }
        pem.push(digit);
    }
    pem + &format!("\n-----END {label}-----\n")
}
