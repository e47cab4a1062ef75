//! `saml:Assertion` (saml-core §2).

use super::Element;
use super::style::Names;

/// The namespace of assertions.
pub const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
/// XML Schema's namespace.
pub const XS: &str = "http://www.w3.org/2001/XMLSchema";
/// The namespace of `xsi:type` and `xsi:nil`.
pub const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// The confirmation method of browser sign-in.
pub const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
/// A NameID that lasts, per person and service provider.
pub const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
/// A NameID for one session.
pub const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";
/// A NameID that is an e-mail address.
pub const EMAIL_ADDRESS: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
/// A NameID about whose form nothing is said.
pub const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";
/// The usual authentication context: a password over TLS.
pub const PASSWORD_PROTECTED: &str =
    "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";

/// `saml:Issuer`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// The entity id.
    pub value: String,
    /// `@Format`.
    pub format: Option<String>,
}

impl Issuer {
    /// An issuer without a format.
    pub fn new(value: &str) -> Self {
        Self {
            value: value.to_owned(),
            format: None,
        }
    }

    pub(super) fn element(&self, names: &Names) -> Element {
        names
            .saml("Issuer")
            .attribute_if("Format", self.format.as_deref())
            .text(&self.value)
    }
}

/// `saml:NameID`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameId {
    /// The identifier.
    pub value: String,
    /// `@Format`.
    pub format: Option<String>,
    /// `@NameQualifier`.
    pub name_qualifier: Option<String>,
    /// `@SPNameQualifier`.
    pub sp_name_qualifier: Option<String>,
}

impl NameId {
    /// An identifier of this format without qualifiers.
    pub fn new(value: &str, format: &str) -> Self {
        Self {
            value: value.to_owned(),
            format: Some(format.to_owned()),
            name_qualifier: None,
            sp_name_qualifier: None,
        }
    }

    /// A persistent identifier.
    pub fn persistent(value: &str) -> Self {
        Self::new(value, PERSISTENT)
    }

    /// An e-mail address.
    pub fn email(value: &str) -> Self {
        Self::new(value, EMAIL_ADDRESS)
    }

    pub(super) fn element(&self, names: &Names) -> Element {
        names
            .saml("NameID")
            .attribute_if("Format", self.format.as_deref())
            .attribute_if("NameQualifier", self.name_qualifier.as_deref())
            .attribute_if("SPNameQualifier", self.sp_name_qualifier.as_deref())
            .text(&self.value)
    }
}

/// `saml:SubjectConfirmation`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// `@Method`.
    pub method: String,
    /// Whether there is a `saml:SubjectConfirmationData`.
    pub data: bool,
    /// `@Recipient`.
    pub recipient: Option<String>,
    /// `@NotBefore`, in Unix seconds.
    pub not_before: Option<i64>,
    /// `@NotOnOrAfter`, in Unix seconds.
    pub not_on_or_after: Option<i64>,
    /// `@InResponseTo`.
    pub in_response_to: Option<String>,
    /// `@Address`.
    pub address: Option<String>,
}

impl Confirmation {
    /// A bearer confirmation.
    pub fn bearer(recipient: &str, in_response_to: Option<&str>, not_on_or_after: i64) -> Self {
        Self {
            method: BEARER.to_owned(),
            data: true,
            recipient: Some(recipient.to_owned()),
            not_before: None,
            not_on_or_after: Some(not_on_or_after),
            in_response_to: in_response_to.map(str::to_owned),
            address: None,
        }
    }

    fn element(&self, names: &Names) -> Element {
        let confirmation = names
            .saml("SubjectConfirmation")
            .attribute("Method", &self.method);
        if !self.data {
            return confirmation;
        }
        let time = |at: Option<i64>| at.map(|at| names.time(at));
        let data = names
            .saml("SubjectConfirmationData")
            .attribute_if("Address", self.address.as_deref())
            .attribute_if("InResponseTo", self.in_response_to.as_deref())
            .attribute_if("NotBefore", time(self.not_before).as_deref())
            .attribute_if("NotOnOrAfter", time(self.not_on_or_after).as_deref())
            .attribute_if("Recipient", self.recipient.as_deref());
        confirmation.child(data)
    }
}

/// `saml:Subject`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subject {
    /// Whom it is about; one, unless a test wants none or several.
    pub name_ids: Vec<NameId>,
    /// How it is confirmed.
    pub confirmations: Vec<Confirmation>,
}

/// `saml:Conditions`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conditions {
    /// `@NotBefore`, in Unix seconds.
    pub not_before: Option<i64>,
    /// `@NotOnOrAfter`, in Unix seconds.
    pub not_on_or_after: Option<i64>,
    /// One `saml:AudienceRestriction` each; all of them have to hold (saml-core §2.5.1.4).
    pub audience_restrictions: Vec<Vec<String>>,
    /// Whether there is a `saml:OneTimeUse`.
    pub one_time_use: bool,
    /// `saml:ProxyRestriction/@Count`.
    pub proxy_count: Option<u32>,
    /// Further conditions, for example one that nobody understands.
    pub further: Vec<Element>,
}

impl Conditions {
    /// A condition of an extension, which a relying party that does not know it must refuse
    /// (saml-core §2.5.1.1).
    pub fn unknown_condition(names: &Names) -> Element {
        names
            .saml("Condition")
            .namespace("xsi", XSI)
            .namespace("ext", "urn:example:extension")
            .attribute("xsi:type", "ext:OnlyOnTuesdays")
    }

    fn element(&self, names: &Names) -> Element {
        let time = |at: Option<i64>| at.map(|at| names.time(at));
        let restrictions = self.audience_restrictions.iter().map(|audiences| {
            let audiences = audiences
                .iter()
                .map(|audience| names.saml("Audience").text(audience));
            names.saml("AudienceRestriction").children(audiences)
        });
        let mut conditions = names
            .saml("Conditions")
            .attribute_if("NotBefore", time(self.not_before).as_deref())
            .attribute_if("NotOnOrAfter", time(self.not_on_or_after).as_deref())
            .children(restrictions);
        if self.one_time_use {
            conditions = conditions.child(names.saml("OneTimeUse"));
        }
        if let Some(count) = self.proxy_count {
            let proxy = names
                .saml("ProxyRestriction")
                .attribute("Count", &count.to_string());
            conditions = conditions.child(proxy);
        }
        conditions.children(self.further.clone())
    }
}

/// `saml:AuthnStatement`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthnStatement {
    /// `@AuthnInstant`, in Unix seconds.
    pub instant: Option<i64>,
    /// `@SessionIndex`.
    pub session_index: Option<String>,
    /// `@SessionNotOnOrAfter`, in Unix seconds.
    pub session_not_on_or_after: Option<i64>,
    /// `saml:AuthnContextClassRef`; without it there is no `saml:AuthnContext`.
    pub context_class: Option<String>,
}

impl AuthnStatement {
    fn element(&self, names: &Names) -> Element {
        let time = |at: Option<i64>| at.map(|at| names.time(at));
        let statement = names
            .saml("AuthnStatement")
            .attribute_if("AuthnInstant", time(self.instant).as_deref())
            .attribute_if("SessionIndex", self.session_index.as_deref())
            .attribute_if(
                "SessionNotOnOrAfter",
                time(self.session_not_on_or_after).as_deref(),
            );
        match &self.context_class {
            None => statement,
            Some(class) => statement.child(
                names
                    .saml("AuthnContext")
                    .child(names.saml("AuthnContextClassRef").text(class)),
            ),
        }
    }
}

/// One `saml:AttributeValue`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text, typed where the product types its text.
    Text(String),
    /// Text of a type, for example `xs:integer`.
    Typed(String, String),
    /// `xsi:nil="true"`.
    Nil,
    /// An element inside, for example a `NameID` as in eduPersonTargetedID.
    Element(Element),
}

impl Value {
    fn element(&self, names: &Names) -> Element {
        let value = names.saml("AttributeValue");
        let typed =
            |value: Element, kind: &str| names.declare_schema(value).attribute("xsi:type", kind);
        match self {
            Self::Text(text) => match names.text_type {
                None => value,
                Some(kind) => typed(value, kind),
            }
            .text(text),
            Self::Typed(kind, text) => typed(value, kind).text(text),
            Self::Nil => names.declare_schema(value).attribute("xsi:nil", "true"),
            Self::Element(inner) => value.child(inner.clone()),
        }
    }
}

/// `saml:Attribute`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// `@Name`.
    pub name: String,
    /// `@NameFormat`.
    pub name_format: Option<String>,
    /// `@FriendlyName`.
    pub friendly_name: Option<String>,
    /// The values.
    pub values: Vec<Value>,
}

impl Attribute {
    /// An attribute with text values.
    pub fn new<'a>(name: &str, values: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            name: name.to_owned(),
            name_format: None,
            friendly_name: None,
            values: values
                .into_iter()
                .map(|value| Value::Text(value.to_owned()))
                .collect(),
        }
    }

    fn element(&self, names: &Names) -> Element {
        names
            .saml("Attribute")
            .attribute_if("FriendlyName", self.friendly_name.as_deref())
            .attribute("Name", &self.name)
            .attribute_if("NameFormat", self.name_format.as_deref())
            .children(self.values.iter().map(|value| value.element(names)))
    }
}

/// An assertion; what is `None` or empty is left out, however wrong that is.
#[derive(Debug, Clone)]
pub struct Assertion {
    /// `@ID`.
    pub id: Option<String>,
    /// `@Version`.
    pub version: Option<String>,
    /// `@IssueInstant`, in Unix seconds.
    pub issue_instant: Option<i64>,
    /// `saml:Issuer`.
    pub issuer: Option<Issuer>,
    /// `saml:Subject`.
    pub subject: Option<Subject>,
    /// `saml:Conditions`.
    pub conditions: Option<Conditions>,
    /// What `saml:Advice` holds; without elements there is none.
    pub advice: Vec<Element>,
    /// `saml:AuthnStatement`s.
    pub authn_statements: Vec<AuthnStatement>,
    /// The attributes of the one `saml:AttributeStatement`; without them there is none.
    pub attributes: Vec<Attribute>,
}

impl Assertion {
    /// The only subject's first NameID, to change it.
    pub fn name_id_mut(&mut self) -> Option<&mut NameId> {
        self.subject.as_mut()?.name_ids.first_mut()
    }

    /// The first confirmation, to change it.
    pub fn confirmation_mut(&mut self) -> Option<&mut Confirmation> {
        self.subject.as_mut()?.confirmations.first_mut()
    }

    /// The unsigned element; `encrypt` turns a NameID into what stands in its place.
    pub(super) fn element(
        &self,
        names: &Names,
        encrypt: &mut dyn FnMut(Element) -> anyhow::Result<Element>,
    ) -> anyhow::Result<Element> {
        let mut assertion = names.assertion_root();
        let instant = self.issue_instant.map(|at| names.time(at));
        assertion.set("ID", self.id.as_deref());
        assertion.set("IssueInstant", instant.as_deref());
        assertion.set("Version", self.version.as_deref());
        let mut assertion =
            assertion.children(self.issuer.iter().map(|issuer| issuer.element(names)));
        if let Some(subject) = &self.subject {
            let mut element = names.saml("Subject");
            for name_id in &subject.name_ids {
                element = element.child(encrypt(name_id.element(names))?);
            }
            let confirmations = subject.confirmations.iter();
            let confirmations = confirmations.map(|confirmation| confirmation.element(names));
            assertion = assertion.child(element.children(confirmations));
        }
        assertion = assertion.children(
            self.conditions
                .iter()
                .map(|conditions| conditions.element(names)),
        );
        if !self.advice.is_empty() {
            assertion = assertion.child(names.saml("Advice").children(self.advice.clone()));
        }
        let attributes = self.attributes.iter();
        let attributes: Vec<Element> = attributes
            .map(|attribute| attribute.element(names))
            .collect();
        let attributes =
            (!attributes.is_empty()).then(|| names.saml("AttributeStatement").children(attributes));
        let (before, after) = match names.attributes_first {
            true => (attributes, None),
            false => (None, attributes),
        };
        let statements = self.authn_statements.iter();
        Ok(assertion
            .children(before)
            .children(statements.map(|statement| statement.element(names)))
            .children(after))
    }
}
