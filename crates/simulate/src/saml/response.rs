//! `samlp:Response` (saml-core §3.2.2): what it says, and how it is sealed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::assertion::PASSWORD_PROTECTED;
use super::signature::with_scope;
use super::{
    Assertion, Attribute, AuthnStatement, Conditions, Confirmation, Element, Encrypter, Issuer,
    NameId, Node, Scope, Signer, Style, Subject,
};
use crate::chance;

/// The namespace of protocol messages.
pub const SAMLP: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
/// The status of a request that succeeded.
pub const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
/// The requester made the error.
pub const REQUESTER: &str = "urn:oasis:names:tc:SAML:2.0:status:Requester";
/// The responder made the error.
pub const RESPONDER: &str = "urn:oasis:names:tc:SAML:2.0:status:Responder";
/// Nobody is signed in, and nobody may be asked.
pub const NO_PASSIVE: &str = "urn:oasis:names:tc:SAML:2.0:status:NoPassive";
/// The person could not be authenticated.
pub const AUTHN_FAILED: &str = "urn:oasis:names:tc:SAML:2.0:status:AuthnFailed";
/// The provider does not want to.
pub const REQUEST_DENIED: &str = "urn:oasis:names:tc:SAML:2.0:status:RequestDenied";
/// Not all participants were signed out.
pub const PARTIAL_LOGOUT: &str = "urn:oasis:names:tc:SAML:2.0:status:PartialLogout";

/// `samlp:Status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The top code; without it there is no `samlp:StatusCode`.
    pub code: Option<String>,
    /// The code inside it.
    pub subcode: Option<String>,
    /// `samlp:StatusMessage`.
    pub message: Option<String>,
    /// What `samlp:StatusDetail` holds; without elements there is none.
    pub detail: Vec<Element>,
}

impl Status {
    /// Success.
    pub fn success() -> Self {
        Self::of(SUCCESS, None)
    }

    /// A top code with, perhaps, one inside it.
    pub fn of(code: &str, subcode: Option<&str>) -> Self {
        Self {
            code: Some(code.to_owned()),
            subcode: subcode.map(str::to_owned),
            message: None,
            detail: Vec::new(),
        }
    }

    /// Whether the top code is success.
    pub fn is_success(&self) -> bool {
        self.code.as_deref() == Some(SUCCESS)
    }

    pub(super) fn element(&self, style: Style) -> Element {
        let names = style.names();
        let mut status = names.samlp("Status");
        if let Some(code) = &self.code {
            let inner = self.subcode.iter();
            let inner = inner.map(|code| names.samlp("StatusCode").attribute("Value", code));
            let code = names.samlp("StatusCode").attribute("Value", code);
            status = status.child(code.children(inner));
        }
        if let Some(message) = &self.message {
            status = status.child(names.samlp("StatusMessage").text(message));
        }
        if !self.detail.is_empty() {
            let detail = names.samlp("StatusDetail").children(self.detail.clone());
            status = status.child(detail);
        }
        status
    }
}

/// What a sign-in is about, from which a product makes its response.
#[derive(Debug, Clone)]
pub struct Login {
    /// The identity provider's entity id.
    pub idp_entity_id: String,
    /// The service provider's entity id: the audience.
    pub sp_entity_id: String,
    /// The service provider's assertion consumer service: destination and recipient.
    pub acs_url: String,
    /// The request that is answered; none for a login that the identity provider began.
    pub in_response_to: Option<String>,
    /// Who signed in.
    pub name_id: NameId,
    /// What else is said about them.
    pub attributes: Vec<Attribute>,
    /// The session at the identity provider.
    pub session_index: Option<String>,
    /// When that session ends, in Unix seconds.
    pub session_not_on_or_after: Option<i64>,
    /// When the person proved who they are, in Unix seconds.
    pub authn_instant: i64,
    /// Now, in Unix seconds.
    pub now: i64,
    /// How long the answer is good, in seconds.
    pub lifetime: i64,
}

impl Login {
    /// A sign-in that happened just now, for five minutes, without attributes.
    pub fn new(
        idp_entity_id: &str,
        sp_entity_id: &str,
        acs_url: &str,
        name_id: NameId,
        now: i64,
    ) -> Self {
        Self {
            idp_entity_id: idp_entity_id.to_owned(),
            sp_entity_id: sp_entity_id.to_owned(),
            acs_url: acs_url.to_owned(),
            in_response_to: None,
            name_id,
            attributes: Vec::new(),
            session_index: Some("_session-1".to_owned()),
            session_not_on_or_after: None,
            authn_instant: now,
            now,
            lifetime: 300,
        }
    }

    /// As an answer to this request.
    #[must_use]
    pub fn answering(mut self, request_id: &str) -> Self {
        self.in_response_to = Some(request_id.to_owned());
        self
    }

    /// With an attribute.
    #[must_use]
    pub fn attribute(mut self, attribute: Attribute) -> Self {
        self.attributes.push(attribute);
        self
    }
}

/// A response; what is `None` or empty is left out, however wrong that is.
#[derive(Debug, Clone)]
pub struct Response {
    /// Whose manner it follows.
    pub style: Style,
    /// `@ID`.
    pub id: Option<String>,
    /// `@Version`.
    pub version: Option<String>,
    /// `@IssueInstant`, in Unix seconds.
    pub issue_instant: Option<i64>,
    /// `@Destination`.
    pub destination: Option<String>,
    /// `@InResponseTo`.
    pub in_response_to: Option<String>,
    /// `@Consent`.
    pub consent: Option<String>,
    /// `saml:Issuer`.
    pub issuer: Option<Issuer>,
    /// What `samlp:Extensions` holds; without elements there is none.
    pub extensions: Vec<Element>,
    /// `samlp:Status`.
    pub status: Option<Status>,
    /// The assertions; one, unless a test wants none or several.
    pub assertions: Vec<Assertion>,
    /// Whether there is white space between elements; it is signed like everything else.
    pub layout: Layout,
}

/// How a document is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// Without white space between elements.
    #[default]
    Compact,
    /// Each element on a line of its own, as some products print them.
    Indented,
}

impl Response {
    /// A product's answer to a sign-in.
    pub fn new(style: Style, login: &Login) -> anyhow::Result<Self> {
        let until = login.now + login.lifetime;
        let confirmation =
            Confirmation::bearer(&login.acs_url, login.in_response_to.as_deref(), until);
        let assertion = Assertion {
            id: Some(new_id()?),
            version: Some("2.0".to_owned()),
            issue_instant: Some(login.now),
            issuer: Some(issuer(style, login)),
            subject: Some(Subject {
                name_ids: vec![login.name_id.clone()],
                confirmations: vec![confirmation],
            }),
            conditions: Some(Conditions {
                not_before: Some(login.now - style.lead()),
                not_on_or_after: Some(until),
                audience_restrictions: vec![vec![login.sp_entity_id.clone()]],
                ..Conditions::default()
            }),
            advice: Vec::new(),
            authn_statements: vec![AuthnStatement {
                instant: Some(login.authn_instant),
                session_index: login.session_index.clone(),
                session_not_on_or_after: login.session_not_on_or_after,
                context_class: Some(PASSWORD_PROTECTED.to_owned()),
            }],
            attributes: login.attributes.clone(),
        };
        Ok(Self {
            assertions: vec![assertion],
            ..Self::refusal(style, login, Status::success())?
        })
    }

    /// An answer without an assertion.
    pub fn refusal(style: Style, login: &Login, status: Status) -> anyhow::Result<Self> {
        Ok(Self {
            style,
            id: Some(new_id()?),
            version: Some("2.0".to_owned()),
            issue_instant: Some(login.now),
            destination: Some(login.acs_url.clone()),
            in_response_to: login.in_response_to.clone(),
            consent: style.consent(),
            issuer: Some(issuer(style, login)),
            extensions: Vec::new(),
            status: Some(status),
            assertions: Vec::new(),
            layout: Layout::Compact,
        })
    }

    /// The first assertion, to change it.
    pub fn assertion_mut(&mut self) -> Option<&mut Assertion> {
        self.assertions.first_mut()
    }

    /// The document, signed and encrypted as told.
    ///
    /// Identifiers are encrypted first, then assertions are signed, then they are encrypted, then
    /// the response is signed.
    pub fn seal(&self, seal: &Seal) -> anyhow::Result<Element> {
        let mut root = self.element(seal)?;
        if self.layout == Layout::Indented {
            root.indent(0);
        }
        let scope = root.scope(&Scope::new());
        for node in &mut root.children {
            let Node::Element(assertion) = node else {
                continue;
            };
            if assertion.local_name() != "Assertion" {
                continue;
            }
            let mut around = scope.clone();
            if seal.encrypt_assertion.is_some() {
                // What is decrypted is read on its own.
                assertion.make_self_contained(&scope);
                around = Scope::new();
            }
            if let Some(signer) = &seal.assertion {
                signer.sign(assertion, &around)?;
            }
            if let Some(encrypter) = &seal.encrypt_assertion {
                let names = self.style.names();
                let wrapper = names.standalone(names.saml("EncryptedAssertion"));
                *assertion = encrypter.wrap(assertion, wrapper)?;
            }
        }
        if let Some(signer) = &seal.response {
            signer.sign_root(&mut root)?;
        }
        Ok(root)
    }

    /// The document as text, with an XML declaration where the product writes one.
    pub fn to_xml(&self, seal: &Seal) -> anyhow::Result<String> {
        Ok(self.style.document(&self.seal(seal)?))
    }

    /// The form field `SAMLResponse` (saml-bindings §3.5.4).
    pub fn to_form_field(&self, seal: &Seal) -> anyhow::Result<String> {
        Ok(STANDARD.encode(self.to_xml(seal)?))
    }

    fn element(&self, seal: &Seal) -> anyhow::Result<Element> {
        let names = self.style.names();
        let instant = self.issue_instant.map(|at| names.time(at));
        let mut root = names
            .message("Response")
            .attribute_if("ID", self.id.as_deref())
            .attribute_if("Version", self.version.as_deref())
            .attribute_if("IssueInstant", instant.as_deref())
            .attribute_if("Destination", self.destination.as_deref())
            .attribute_if("InResponseTo", self.in_response_to.as_deref())
            .attribute_if("Consent", self.consent.as_deref());
        if let Some(issuer) = &self.issuer {
            root = root.child(names.standalone(issuer.element(&names)));
        }
        if !self.extensions.is_empty() {
            let extensions = self.extensions.clone();
            root = root.child(names.samlp("Extensions").children(extensions));
        }
        if let Some(status) = &self.status {
            root = root.child(status.element(self.style));
        }
        let mut encrypt = |mut name_id: Element| match &seal.encrypt_name_id {
            None => Ok(name_id),
            Some(encrypter) => {
                name_id.declare(names.assertion, super::SAML);
                encrypter.wrap(&name_id, names.saml("EncryptedID"))
            }
        };
        for assertion in &self.assertions {
            root = root.child(assertion.element(&names, &mut encrypt)?);
        }
        Ok(root)
    }
}

impl Style {
    /// A document as text, with an XML declaration where the product writes one.
    pub fn document(self, root: &Element) -> String {
        let declaration = match self.has_declaration() {
            true => "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
            false => "",
        };
        format!("{declaration}{}", root.to_xml())
    }
}

/// What is signed and encrypted.
#[derive(Debug, Clone)]
pub struct Seal {
    /// Signs each assertion.
    pub assertion: Option<Signer>,
    /// Signs the response.
    pub response: Option<Signer>,
    /// Encrypts each assertion after it was signed.
    pub encrypt_assertion: Option<Encrypter>,
    /// Encrypts each NameID before its assertion is signed.
    pub encrypt_name_id: Option<Encrypter>,
}

impl Seal {
    /// Signs and encrypts nothing.
    pub fn nothing() -> Self {
        Self {
            assertion: None,
            response: None,
            encrypt_assertion: None,
            encrypt_name_id: None,
        }
    }

    /// Changes every signer that there is.
    #[must_use]
    pub fn with_signers(mut self, change: impl Fn(&mut Signer)) -> Self {
        for signer in [&mut self.assertion, &mut self.response]
            .into_iter()
            .flatten()
        {
            change(signer);
        }
        self
    }
}

fn issuer(style: Style, login: &Login) -> Issuer {
    Issuer {
        format: style.issuer_format(),
        ..Issuer::new(&login.idp_entity_id)
    }
}

/// A new identifier for a message or an assertion (saml-core §1.3.4).
pub fn new_id() -> anyhow::Result<String> {
    Ok(format!("_{}", chance::guid()?))
}

impl Element {
    /// Changes the first element with this local name, given the namespaces in scope around it.
    pub fn change<T>(
        &mut self,
        local_name: &str,
        mut change: impl FnMut(&mut Element, &Scope) -> T,
    ) -> Option<T> {
        with_scope(self, &Scope::new(), local_name, &mut change)
    }
}
