//! The request that begins a login (SAML core §3.4.1).

use std::fmt::Write as _;

use crate::{
    MessageError, PostForm, SigningKey,
    c14n::escape_value,
    names::BINDING_POST,
    outgoing::{Head, check_writable, leaf},
    redirect::RequestOrResponse,
};

/// A request to sign a person in, answered at our assertion consumer service by HTTP-POST.
///
/// It asks for nothing that was not set: a requested context or name identifier format that the identity provider
/// does not like is the most frequent cause of a refused login.
#[derive(Debug, Clone)]
#[must_use]
pub struct AuthnRequest {
    head: Head,
    acs_url: String,
    force_authn: bool,
    is_passive: bool,
    name_id_format: Option<String>,
    class_refs: Vec<String>,
}

impl AuthnRequest {
    /// A request with this ID (an unguessable `NCName`, remembered until the answer comes), issued now (Unix seconds)
    /// by the service provider with this entity ID, for the single sign-on service at `destination`.
    ///
    /// A `destination` with a query of its own keeps it.
    pub fn new(
        id: impl Into<String>,
        issue_instant: i64,
        issuer: impl Into<String>,
        destination: impl Into<String>,
        acs_url: impl Into<String>,
    ) -> Result<Self, MessageError> {
        let acs_url = acs_url.into();
        check_writable(&acs_url)?;
        Ok(Self {
            head: Head::new(id.into(), issue_instant, issuer.into(), destination.into())?,
            acs_url,
            force_authn: false,
            is_passive: false,
            name_id_format: None,
            class_refs: Vec::new(),
        })
    }

    /// The person has to sign in anew, even where the identity provider knows them (`ForceAuthn`).
    pub fn force_authn(mut self) -> Self {
        self.force_authn = true;
        self
    }

    /// The identity provider must not show anything; it refuses with `NoPassive` instead (`IsPassive`).
    pub fn is_passive(mut self) -> Self {
        self.is_passive = true;
        self
    }

    /// The format of name identifier to give, a URI (`NameIDPolicy` with `AllowCreate`).
    pub fn name_id_format(mut self, format: impl Into<String>) -> Result<Self, MessageError> {
        let format = format.into();
        check_writable(&format)?;
        self.name_id_format = Some(format);
        Ok(self)
    }

    /// The person has to have signed in by exactly one of these (`RequestedAuthnContext`); none asks for none.
    pub fn authn_context(mut self, class_refs: Vec<String>) -> Result<Self, MessageError> {
        class_refs
            .iter()
            .try_for_each(|class| check_writable(class))?;
        self.class_refs = class_refs;
        Ok(self)
    }

    /// The address to send the browser to, signed if there is a key (SAML bindings §3.4).
    ///
    /// Parameters that some products know beside the binding's, such as `login_hint`, may be appended to it:
    /// the signature does not cover them. `relay_state` is a handle of at most 80 bytes (bindings §3.4.3).
    pub fn redirect_url(
        &self,
        relay_state: Option<&str>,
        key: Option<&SigningKey>,
    ) -> Result<String, MessageError> {
        self.head
            .redirect_url(RequestOrResponse::Request, &self.to_xml(), relay_state, key)
    }

    /// The form to let the browser post, with a signature inside if there is a key (SAML bindings §3.5).
    pub fn post_form(
        &self,
        relay_state: Option<&str>,
        key: Option<&SigningKey>,
    ) -> Result<PostForm, MessageError> {
        self.head
            .post_form(RequestOrResponse::Request, self.to_xml(), relay_state, key)
    }

    fn to_xml(&self) -> String {
        let mut content = String::new();
        if let Some(format) = &self.name_id_format {
            // Writing to a string cannot fail.
            let _ = write!(
                content,
                "<samlp:NameIDPolicy Format=\"{}\" AllowCreate=\"true\"/>",
                escape_value(format)
            );
        }
        if !self.class_refs.is_empty() {
            content.push_str("<samlp:RequestedAuthnContext Comparison=\"exact\">");
            for class in &self.class_refs {
                leaf(&mut content, "saml:AuthnContextClassRef", class);
            }
            content.push_str("</samlp:RequestedAuthnContext>");
        }
        let when = |asked: bool| asked.then_some("true");
        self.head.message(
            "AuthnRequest",
            &[
                ("ForceAuthn", when(self.force_authn)),
                ("IsPassive", when(self.is_passive)),
                ("ProtocolBinding", Some(BINDING_POST)),
                ("AssertionConsumerServiceURL", Some(&self.acs_url)),
            ],
            &content,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dsig::{self, Allowances},
        names::{DS, SAML, SAMLP},
        outgoing::fixtures::{curve, query_of, rsa, xml_of},
        redirect::RedirectMessage,
        structure::check_message,
        xml::{Document, Element},
    };

    const NOW: i64 = 1_795_327_200;

    fn request(destination: &str) -> Result<AuthnRequest, MessageError> {
        AuthnRequest::new(
            "_4f1c",
            NOW,
            "https://sp.example/metadata?a&b",
            destination,
            "https://sp.example/acs",
        )
    }

    fn plain() -> AuthnRequest {
        request("https://idp.example/sso").unwrap()
    }

    #[test]
    fn it_asks_for_nothing_that_was_not_set() {
        assert_eq!(
            plain().to_xml(),
            "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
             xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_4f1c\" Version=\"2.0\" \
             IssueInstant=\"2026-11-22T06:00:00Z\" Destination=\"https://idp.example/sso\" \
             ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" \
             AssertionConsumerServiceURL=\"https://sp.example/acs\">\
             <saml:Issuer>https://sp.example/metadata?a&amp;b</saml:Issuer></samlp:AuthnRequest>"
        );
    }

    #[test]
    fn it_asks_for_what_was_set() {
        let xml = plain()
            .force_authn()
            .is_passive()
            .name_id_format("urn:f\"<")
            .and_then(|request| request.authn_context(vec!["urn:a&b".into(), "urn:c".into()]))
            .unwrap()
            .to_xml();
        let document = Document::parse(&xml).unwrap();
        let root = document.root();
        assert_eq!(root.attribute("ForceAuthn"), Some("true"));
        assert_eq!(root.attribute("IsPassive"), Some("true"));
        let names: Vec<_> = root.children().map(Element::local).collect();
        assert_eq!(names, ["Issuer", "NameIDPolicy", "RequestedAuthnContext"]);
        let policy = root.child(SAMLP, "NameIDPolicy").unwrap();
        assert_eq!(policy.attribute("Format"), Some("urn:f\"<"));
        assert_eq!(policy.attribute("AllowCreate"), Some("true"));
        let context = root.child(SAMLP, "RequestedAuthnContext").unwrap();
        assert_eq!(context.attribute("Comparison"), Some("exact"));
        let classes: Vec<_> = context
            .children_named(SAML, "AuthnContextClassRef")
            .filter_map(Element::leaf_text)
            .collect();
        assert_eq!(classes, ["urn:a&b", "urn:c"]);
    }

    #[test]
    fn the_redirect_is_signed_and_keeps_the_query_of_its_destination() {
        for (destination, before) in [
            (
                "https://idp.example/sso",
                "https://idp.example/sso?SAMLRequest=",
            ),
            (
                "https://idp.example/sso?idpid=C01",
                "https://idp.example/sso?idpid=C01&SAMLRequest=",
            ),
            (
                "https://idp.example/sso?",
                "https://idp.example/sso?SAMLRequest=",
            ),
        ] {
            let request = request(destination).unwrap();
            let key = rsa();
            let url = request.redirect_url(Some("h&1"), Some(&key)).unwrap();
            assert!(url.starts_with(before), "{url}");
            let message = RedirectMessage::parse(query_of(&url)).unwrap();
            assert_eq!(message.xml(), request.to_xml());
            assert_eq!(message.relay_state(), Some("h&1"));
            assert_eq!(message.kind(), RequestOrResponse::Request);
            message.verify(&[key.certificate().clone()], false).unwrap();
        }
        let url = plain().redirect_url(None, None).unwrap();
        assert!(!RedirectMessage::parse(query_of(&url)).unwrap().is_signed());
    }

    #[test]
    fn the_form_is_signed_inside() {
        let key = curve();
        let form = plain().post_form(Some("h1"), Some(&key)).unwrap();
        assert_eq!(form.action, "https://idp.example/sso");
        assert_eq!(form.parameter, "SAMLRequest");
        assert_eq!(form.relay_state.as_deref(), Some("h1"));
        let xml = xml_of(&form);
        let document = Document::parse(&xml).unwrap();
        check_message(&document, "AuthnRequest").unwrap();
        let root = document.root();
        let signature = root.child(DS, "Signature").unwrap();
        let certificates = [key.certificate().clone()];
        dsig::verify(root, signature, &certificates, Allowances::default()).unwrap();

        let form = plain().post_form(None, None).unwrap();
        assert_eq!(xml_of(&form), plain().to_xml());
        assert_eq!(form.relay_state, None);
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let with_id = |id: &str| {
            AuthnRequest::new(id, NOW, "sp", "https://idp.example", "https://sp.example").err()
        };
        for id in ["", "1a", "a:b", "a b", "a\"", "-a"] {
            assert_eq!(with_id(id), Some(MessageError::Id), "{id}");
        }
        for destination in [
            "javascript:alert(1)",
            "http://idp.example/sso",
            "/sso",
            "https://idp.example/\r\nX: y",
        ] {
            assert_eq!(
                request(destination).err(),
                Some(MessageError::Address),
                "{destination}"
            );
        }
        let issuer = |issuer: &str| {
            AuthnRequest::new(
                "_a",
                NOW,
                issuer,
                "https://idp.example",
                "https://sp.example",
            )
            .err()
        };
        assert_eq!(issuer(""), Some(MessageError::Character));
        assert_eq!(issuer("a\u{1}"), Some(MessageError::Character));
        assert_eq!(
            plain().name_id_format("\u{ffff}").err(),
            Some(MessageError::Character)
        );
        assert_eq!(
            plain().authn_context(vec![String::new()]).err(),
            Some(MessageError::Character)
        );
    }
}
