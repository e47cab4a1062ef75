//! Our own metadata (SAML metadata §2.4.4), one document for each connection.

use std::{fmt::Write as _, time::Duration};

use crate::{
    Certificate, MessageError,
    address::check_address,
    c14n::escape_value,
    cipher::ContentAlgorithm,
    instant::format_instant,
    names::{BINDING_POST, BINDING_REDIRECT, DS, MD, SAMLP, XENC11},
    outgoing::{check_writable, leaf},
};

/// What an identity provider has to know about us.
///
/// Certificates may be any number, so that a rotation overlaps: list the next one before it is used, and keep a retired
/// one for as long as identity providers may hold on to old metadata.
#[derive(Debug, Clone)]
#[must_use]
pub struct ServiceProvider {
    entity_id: String,
    acs_url: String,
    logout_url: Option<String>,
    signing: Vec<Certificate>,
    encryption: Vec<Certificate>,
    name_id_formats: Vec<String>,
    unsigned_requests: bool,
    valid_until: Option<i64>,
    cache_duration: Option<Duration>,
}

impl ServiceProvider {
    /// A service provider with this entity ID and this assertion consumer service (HTTP-POST).
    pub fn new(
        entity_id: impl Into<String>,
        acs_url: impl Into<String>,
    ) -> Result<Self, MessageError> {
        let (entity_id, acs_url) = (entity_id.into(), acs_url.into());
        check_writable(&entity_id)?;
        check_address(&acs_url).map_err(|_| MessageError::Address)?;
        Ok(Self {
            entity_id,
            acs_url,
            logout_url: None,
            signing: Vec::new(),
            encryption: Vec::new(),
            name_id_formats: Vec::new(),
            unsigned_requests: false,
            valid_until: None,
            cache_duration: None,
        })
    }

    /// The single logout service, for requests and answers, by redirect and by POST.
    pub fn logout_url(mut self, url: impl Into<String>) -> Result<Self, MessageError> {
        let url = url.into();
        check_address(&url).map_err(|_| MessageError::Address)?;
        self.logout_url = Some(url);
        Ok(self)
    }

    /// Certificates of the keys that sign our messages: the active one first, then next and retired ones.
    ///
    /// With at least one, the metadata says that our requests are signed, unless
    /// [they are not](Self::unsigned_requests).
    pub fn signing_certificates(mut self, certificates: Vec<Certificate>) -> Self {
        self.signing = certificates;
        self
    }

    /// Says that our requests are not signed although there is a key, which signs logout messages then.
    pub fn unsigned_requests(mut self) -> Self {
        self.unsigned_requests = true;
        self
    }

    /// Certificates to encrypt assertions for: the active one first, since most products take the first.
    ///
    /// Many identity providers encrypt as soon as there is one; give none where that is not wanted.
    pub fn encryption_certificates(mut self, certificates: Vec<Certificate>) -> Self {
        self.encryption = certificates;
        self
    }

    /// The formats of name identifiers that we understand, the preferred one first.
    pub fn name_id_formats(mut self, formats: Vec<String>) -> Result<Self, MessageError> {
        formats
            .iter()
            .try_for_each(|format| check_writable(format))?;
        self.name_id_formats = formats;
        Ok(self)
    }

    /// Until when the document may be relied on, Unix seconds; without it, until somebody fetches it again.
    pub fn valid_until(mut self, seconds: i64) -> Self {
        self.valid_until = Some(seconds);
        self
    }

    /// How long the document may be kept before it is fetched again, in whole seconds (`cacheDuration`).
    ///
    /// Publish a next key for longer than this before it is used, and keep a retired one listed for longer too.
    pub fn cache_duration(mut self, duration: Duration) -> Self {
        self.cache_duration = Some(duration);
        self
    }

    /// The document, in the order of the standard's schema.
    pub fn to_xml(&self) -> String {
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<md:EntityDescriptor xmlns:md=\"{MD}\" entityID=\"{}\"",
            escape_value(&self.entity_id)
        );
        if let Some(end) = self.valid_until {
            // Writing to a string cannot fail, here and below.
            let _ = write!(xml, " validUntil=\"{}\"", format_instant(end));
        }
        if let Some(duration) = self.cache_duration {
            let _ = write!(xml, " cacheDuration=\"PT{}S\"", duration.as_secs());
        }
        let _ = write!(
            xml,
            ">\n<md:SPSSODescriptor AuthnRequestsSigned=\"{}\" WantAssertionsSigned=\"true\" \
             protocolSupportEnumeration=\"{SAMLP}\">\n",
            !self.signing.is_empty() && !self.unsigned_requests
        );
        for certificate in &self.signing {
            key_descriptor(&mut xml, "signing", certificate);
        }
        for certificate in &self.encryption {
            key_descriptor(&mut xml, "encryption", certificate);
        }
        if let Some(url) = &self.logout_url {
            for binding in [BINDING_REDIRECT, BINDING_POST] {
                let _ = writeln!(
                    xml,
                    "<md:SingleLogoutService Binding=\"{binding}\" Location=\"{}\"/>",
                    escape_value(url)
                );
            }
        }
        for format in &self.name_id_formats {
            leaf(&mut xml, "md:NameIDFormat", format);
            xml.push('\n');
        }
        let _ = write!(
            xml,
            "<md:AssertionConsumerService Binding=\"{BINDING_POST}\" Location=\"{}\" index=\"0\" isDefault=\"true\"/>\n\
             </md:SPSSODescriptor>\n</md:EntityDescriptor>\n",
            escape_value(&self.acs_url)
        );
        xml
    }
}

/// A key by its certificate; one to encrypt for says what we decrypt, the best first.
fn key_descriptor(xml: &mut String, purpose: &str, certificate: &Certificate) {
    let _ = write!(
        xml,
        "<md:KeyDescriptor use=\"{purpose}\"><ds:KeyInfo xmlns:ds=\"{DS}\"><ds:X509Data><ds:X509Certificate>{}\
         </ds:X509Certificate></ds:X509Data></ds:KeyInfo>",
        certificate.to_base64()
    );
    if purpose == "encryption" {
        for algorithm in [
            ContentAlgorithm::Aes256Gcm,
            ContentAlgorithm::Aes128Gcm,
            ContentAlgorithm::Aes256Cbc,
            ContentAlgorithm::Aes128Cbc,
        ] {
            let _ = write!(
                xml,
                "<md:EncryptionMethod Algorithm=\"{}\"/>",
                algorithm.uri()
            );
        }
        // No mask generation function: its element is unknown to validators with the schemas of XML Encryption 1.0 only.
        let _ = write!(
            xml,
            "<md:EncryptionMethod Algorithm=\"{XENC11}rsa-oaep\">\
             <ds:DigestMethod xmlns:ds=\"{DS}\" Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/>\
             </md:EncryptionMethod>\
             <md:EncryptionMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p\"/>"
        );
    }
    xml.push_str("</md:KeyDescriptor>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        outgoing::fixtures::{curve, rsa},
        xml::{Document, Element},
    };

    fn plain() -> ServiceProvider {
        ServiceProvider::new("https://sp.example/m?a&b", "https://sp.example/acs").unwrap()
    }

    fn full() -> ServiceProvider {
        let (rsa, curve) = (rsa().certificate().clone(), curve().certificate().clone());
        plain()
            .logout_url("https://sp.example/slo")
            .unwrap()
            .signing_certificates(vec![rsa.clone(), curve])
            .encryption_certificates(vec![rsa])
            .name_id_formats(vec!["urn:x".to_owned(), "urn:y".to_owned()])
            .unwrap()
            .valid_until(1_795_327_200)
            .cache_duration(Duration::from_secs(86_400))
    }

    #[test]
    fn a_small_one_says_where_answers_go() {
        assert_eq!(
            plain().to_xml(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" \
             entityID=\"https://sp.example/m?a&amp;b\">\n\
             <md:SPSSODescriptor AuthnRequestsSigned=\"false\" WantAssertionsSigned=\"true\" \
             protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">\n\
             <md:AssertionConsumerService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" \
             Location=\"https://sp.example/acs\" index=\"0\" isDefault=\"true\"/>\n\
             </md:SPSSODescriptor>\n</md:EntityDescriptor>\n"
        );
    }

    #[test]
    fn elements_stand_in_the_order_of_the_schema() {
        let xml = full().to_xml();
        let document = Document::parse_file(&xml).unwrap();
        let root = document.root();
        assert_eq!(root.attribute("validUntil"), Some("2026-11-22T06:00:00Z"));
        assert_eq!(root.attribute("cacheDuration"), Some("PT86400S"));
        let role = root.child(MD, "SPSSODescriptor").unwrap();
        assert_eq!(role.attribute("AuthnRequestsSigned"), Some("true"));
        let names: Vec<_> = role.children().map(Element::local).collect();
        assert_eq!(
            names,
            [
                "KeyDescriptor",
                "KeyDescriptor",
                "KeyDescriptor",
                "SingleLogoutService",
                "SingleLogoutService",
                "NameIDFormat",
                "NameIDFormat",
                "AssertionConsumerService"
            ]
        );
    }

    #[test]
    fn every_key_is_listed_for_its_use() {
        let xml = full().to_xml();
        let document = Document::parse_file(&xml).unwrap();
        let role = document.root().child(MD, "SPSSODescriptor").unwrap();
        let keys: Vec<_> = role
            .children_named(MD, "KeyDescriptor")
            .map(|key| {
                let certificate = key
                    .descendants()
                    .find(|element| element.is(DS, "X509Certificate"))
                    .and_then(Element::leaf_text)
                    .map(|text| Certificate::from_base64(text).unwrap())
                    .unwrap();
                let methods = key
                    .children_named(MD, "EncryptionMethod")
                    .filter_map(|method| method.attribute("Algorithm"))
                    .count();
                (key.attribute("use").unwrap(), certificate, methods)
            })
            .collect();
        let (rsa, curve) = (rsa().certificate().clone(), curve().certificate().clone());
        assert_eq!(
            keys,
            [
                ("signing", rsa.clone(), 0),
                ("signing", curve, 0),
                ("encryption", rsa, 6)
            ]
        );
    }

    #[test]
    fn a_key_for_logout_does_not_say_that_requests_are_signed() {
        let xml = full().unsigned_requests().to_xml();
        let document = Document::parse_file(&xml).unwrap();
        let role = document.root().child(MD, "SPSSODescriptor").unwrap();
        assert_eq!(role.attribute("AuthnRequestsSigned"), Some("false"));
        let signing = role
            .children_named(MD, "KeyDescriptor")
            .filter(|key| key.attribute("use") == Some("signing"));
        assert_eq!(signing.count(), 2);
    }

    #[test]
    fn addresses_are_checked() {
        let refused = Some(MessageError::Address);
        assert_eq!(
            ServiceProvider::new("sp", "http://sp.example/acs").err(),
            refused
        );
        assert_eq!(plain().logout_url("javascript:x").err(), refused);
        assert_eq!(
            ServiceProvider::new("", "https://sp.example/acs").err(),
            Some(MessageError::Character)
        );
    }
}
