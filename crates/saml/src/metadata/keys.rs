//! The certificates that an identity provider signs with.

use crate::{
    Certificate, Error, Rule,
    der::{self, Reader},
    names::{DS, MD},
    xml::Element,
};

use super::MetadataProblem;

/// More certificates of one identity provider are nobody's genuine metadata.
const MOST_CERTIFICATES: usize = 64;

/// Every certificate to sign with, once: of keys for signing and of keys for any use, never of keys for encryption.
pub(super) fn signing_certificates(
    role: Element<'_, '_>,
    problems: &mut Vec<MetadataProblem>,
) -> Result<Vec<Certificate>, Error> {
    let mut certificates: Vec<Certificate> = Vec::new();
    let mut count = 0;
    for key in role.children_named(MD, "KeyDescriptor") {
        if !matches!(key.attribute("use"), None | Some("signing")) {
            continue;
        }
        let before = count;
        for data in key
            .children_named(DS, "KeyInfo")
            .flat_map(|info| info.children_named(DS, "X509Data"))
        {
            let mut held = Vec::new();
            for element in data.children_named(DS, "X509Certificate") {
                count += 1;
                if count > MOST_CERTIFICATES {
                    return Err(too_many());
                }
                match Certificate::from_base64(element.leaf_text().unwrap_or_default()) {
                    Ok(certificate) => held.push(certificate),
                    Err(error) => problems.push(MetadataProblem::Certificate(error)),
                }
            }
            for certificate in &held {
                if is_authority(certificate, &held) {
                    problems.push(MetadataProblem::Authority);
                } else if !certificates.contains(certificate) {
                    certificates.push(certificate.clone());
                }
            }
        }
        if count == before {
            count += 1;
            problems.push(MetadataProblem::KeyWithoutCertificate);
        }
    }
    match certificates.is_empty() {
        true => Err(Error::compared(
            Rule::MetadataCertificate,
            "a KeyDescriptor for signing with a certificate that can be used",
            problems
                .first()
                .map_or_else(|| "none".to_owned(), ToString::to_string),
        )),
        false => Ok(certificates),
    }
}

fn too_many() -> Error {
    Error::compared(
        Rule::MetadataCertificate,
        format!("at most {MOST_CERTIFICATES} certificates"),
        "more",
    )
}

/// Whether a certificate only completes the chain of another one (XML Signature §4.5.4): authorities sign certificates,
/// and their keys must not become keys that log people in.
fn is_authority(certificate: &Certificate, all: &[Certificate]) -> bool {
    let Some((_, subject)) = names(certificate) else {
        return false;
    };
    // Successive certificates of an identity provider issue themselves, often under one name.
    all.iter()
        .filter_map(names)
        .any(|(issuer, other)| issuer == subject && issuer != other)
}

/// The names of issuer and subject (RFC 5280 §4.1), as they are encoded.
fn names(certificate: &Certificate) -> Option<(&[u8], &[u8])> {
    let mut signed = Reader::new(certificate.der())
        .enter(der::SEQUENCE)?
        .enter(der::SEQUENCE)?;
    if signed.peek() != Some(der::INTEGER) {
        signed.any()?;
    }
    signed.take(der::INTEGER)?;
    signed.take(der::SEQUENCE)?;
    let issuer = signed.take(der::SEQUENCE)?;
    signed.take(der::SEQUENCE)?;
    Some((issuer, signed.take(der::SEQUENCE)?))
}
