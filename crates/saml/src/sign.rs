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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Certificate, Error, Rule,
        dsig::{self, Allowances},
        names::SAML,
        outgoing::fixtures::{curve, rsa},
    };

    fn message(issuer: &str) -> String {
        format!(
            "<samlp:LogoutRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" xmlns:saml=\"{SAML}\" \
             ID=\"_a\" Version=\"2.0\"><saml:Issuer>{issuer}</saml:Issuer><saml:NameID>&#xD;&lt;é</saml:NameID>\
             </samlp:LogoutRequest>"
        )
    }

    fn verify(xml: &str, certificates: &[Certificate]) -> Result<String, Error> {
        let document = Document::parse(xml).unwrap();
        let root = document.root();
        let signature = root.child(DS, "Signature").unwrap();
        let proven = dsig::verify(root, signature, certificates, Allowances::default())?;
        Ok(String::from_utf8(proven.octets).unwrap())
    }

    #[test]
    fn what_is_signed_is_verified() {
        for key in [rsa(), curve()] {
            let signed = sign(&message("https://sp.example"), &key).unwrap();
            let octets = verify(&signed, &[key.certificate().clone()]).unwrap();
            let document = Document::parse(&octets).unwrap();
            assert!(document.root().child(DS, "Signature").is_none());
            assert_eq!(
                document.root().child(SAML, "NameID").unwrap().leaf_text(),
                Some("\r<é")
            );
        }
    }

    #[test]
    fn the_signature_follows_the_issuer() {
        for issuer in ["https://sp.example", "&lt;/saml:Issuer>"] {
            let signed = sign(&message(issuer), &curve()).unwrap();
            let document = Document::parse(&signed).unwrap();
            let names: Vec<_> = document
                .root()
                .children()
                .map(crate::xml::Element::local)
                .collect();
            assert_eq!(names, ["Issuer", "Signature", "NameID"]);
        }
    }

    #[test]
    fn what_is_changed_afterwards_is_refused() {
        let signed = sign(&message("https://sp.example"), &rsa()).unwrap();
        let certificates = [rsa().certificate().clone()];
        let changed = signed.replace("&lt;é", "&lt;e");
        assert_eq!(
            verify(&changed, &certificates).unwrap_err().rule(),
            Rule::Digest
        );
        let other = [curve().certificate().clone()];
        assert_eq!(verify(&signed, &other).unwrap_err().rule(), Rule::KeyKind);
    }

    #[test]
    fn a_message_without_id_or_issuer_is_not_signed() {
        let without_id = message("x").replace(" ID=\"_a\"", "");
        assert_eq!(sign(&without_id, &curve()), Err(MessageError::Id));
        assert_eq!(
            sign("<a ID=\"_a\"/>", &curve()),
            Err(MessageError::Character)
        );
    }
}
