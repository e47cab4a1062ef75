//! Enveloped XML signatures over the messages that we write.
//!
//! The one form that our own verifier takes (SAML core §5.4): exclusive canonicalization, SHA-256, a reference to the
//! root's ID, right after `Issuer`, with the certificate in `KeyInfo` for those who look there.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    MessageError, SigningKey,
    algorithm::DigestAlgorithm,
    c14n::{Method, canonicalize, escape_value},
    names::{DS, ENVELOPED, EXC_C14N},
    xml::Document,
};

/// Where the signature goes; text and attribute values that we write have no `<`, so the first is the root's own.
const PLACE: &str = "</saml:Issuer>";

/// Signs a message of ours whose root has an `ID` and begins with `saml:Issuer`.
pub(crate) fn sign(xml: &str, key: &SigningKey) -> Result<String, MessageError> {
    let (head, tail) = xml.split_once(PLACE).ok_or(MessageError::Character)?;
    let document = Document::parse(xml).map_err(|_| MessageError::Character)?;
    let root = document.root();
    let id = root.attribute("ID").ok_or(MessageError::Id)?;
    let exclusive = Method::Exclusive(Vec::new());
    let digest = DigestAlgorithm::Sha256.digest(&canonicalize(root, None, &exclusive));

    let info = signed_info(id, key.signature_algorithm_uri(), &digest);
    let parsed = Document::parse(&info).map_err(|_| MessageError::Character)?;
    let value = key.sign(&canonicalize(parsed.root(), None, &exclusive))?;
    Ok(format!(
        "{head}{PLACE}<ds:Signature xmlns:ds=\"{DS}\">{info}\
         <ds:SignatureValue>{}</ds:SignatureValue>\
         <ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>\
         </ds:Signature>{tail}",
        STANDARD.encode(value),
        key.certificate().to_base64(),
    ))
}

/// It declares its prefix itself, so its exclusive canonical form is the same alone and in its place.
fn signed_info(id: &str, algorithm: &str, digest: &[u8]) -> String {
    format!(
        "<ds:SignedInfo xmlns:ds=\"{DS}\">\
         <ds:CanonicalizationMethod Algorithm=\"{EXC_C14N}\"></ds:CanonicalizationMethod>\
         <ds:SignatureMethod Algorithm=\"{algorithm}\"></ds:SignatureMethod>\
         <ds:Reference URI=\"#{}\"><ds:Transforms>\
         <ds:Transform Algorithm=\"{ENVELOPED}\"></ds:Transform>\
         <ds:Transform Algorithm=\"{EXC_C14N}\"></ds:Transform></ds:Transforms>\
         <ds:DigestMethod Algorithm=\"{}\"></ds:DigestMethod>\
         <ds:DigestValue>{}</ds:DigestValue></ds:Reference></ds:SignedInfo>",
        escape_value(id),
        DigestAlgorithm::Sha256.uri(),
        STANDARD.encode(digest),
    )
}
