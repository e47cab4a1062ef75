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
