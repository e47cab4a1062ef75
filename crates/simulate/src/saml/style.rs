//! How products write their messages: prefixes, what is signed, and with what around it.

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::assertion::{SAML, XS, XSI};
use super::response::SAMLP;
use super::signature::qualified;
use super::{C14n, Element, KeyInfo, SamlKey, Seal, Signer};

/// A product whose manner is imitated.
///
/// Prefixes, placement of signatures and the form of times are as these products send them by
/// default; [`Seal`] says what else they can be set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// Microsoft Entra ID: the assertion is signed and in a default namespace.
    Entra,
    /// Okta: response and assertion are signed, both with `PrefixList="xs"`.
    Okta,
    /// Active Directory Federation Services: the assertion is signed.
    Adfs,
    /// Google Workspace: the assertion is signed.
    Google,
    /// Keycloak: the response is signed.
    #[default]
    Keycloak,
    /// Shibboleth: the response is signed; it encrypts as soon as it knows a key.
    Shibboleth,
    /// OneLogin: the assertion is signed.
    OneLogin,
    /// PingOne and PingFederate: the assertion is signed.
    Ping,
}

impl Style {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Entra,
        Self::Okta,
        Self::Adfs,
        Self::Google,
        Self::Keycloak,
        Self::Shibboleth,
        Self::OneLogin,
        Self::Ping,
    ];

    /// The prefixes and the like.
    pub fn names(self) -> Names {
        let (protocol, assertion) = match self {
            Self::Entra | Self::Adfs => ("samlp", ""),
            Self::Keycloak | Self::OneLogin | Self::Ping => ("samlp", "saml"),
            Self::Okta | Self::Google | Self::Shibboleth => ("saml2p", "saml2"),
        };
        Names {
            protocol,
            assertion,
            inherits: matches!(self, Self::Keycloak | Self::OneLogin),
            schema: match self {
                Self::Okta => Schema::Response,
                Self::OneLogin => Schema::Assertion,
                _ => Schema::Value,
            },
            text_type: match self {
                Self::Entra | Self::Adfs | Self::Shibboleth => None,
                Self::Google => Some("xs:anyType"),
                _ => Some("xs:string"),
            },
            attributes_first: matches!(self, Self::Entra | Self::Adfs | Self::Google),
            milliseconds: matches!(
                self,
                Self::Entra | Self::Adfs | Self::Okta | Self::Google | Self::Keycloak
            ),
        }
    }

    /// Whether a document begins with an XML declaration.
    pub fn has_declaration(self) -> bool {
        matches!(self, Self::Okta | Self::Google | Self::Shibboleth)
    }

    /// How the product signs with this key.
    pub fn signer(self, key: &SamlKey) -> Signer {
        let mut signer = Signer::new(key);
        match self {
            Self::Entra => signer.prefix = String::new(),
            Self::Okta => signer.transform = C14n::with_prefixes(&["xs"]),
            Self::Keycloak => {
                "dsig".clone_into(&mut signer.prefix);
                signer.key_info = KeyInfo::NameCertificateAndValue;
            }
            Self::Google | Self::Shibboleth => signer.base64_width = 76,
            Self::Adfs | Self::OneLogin | Self::Ping => {}
        }
        signer
    }

    /// What the product signs with this key by default.
    pub fn seal(self, key: &SamlKey) -> Seal {
        let signer = self.signer(key);
        let (assertion, response) = match self {
            Self::Entra | Self::Adfs | Self::Google | Self::OneLogin | Self::Ping => (true, false),
            Self::Okta => (true, true),
            Self::Keycloak | Self::Shibboleth => (false, true),
        };
        Seal {
            assertion: assertion.then(|| signer.clone()),
            response: response.then_some(signer),
            ..Seal::nothing()
        }
    }

    /// The issuer's `@Format`.
    pub(super) fn issuer_format(self) -> Option<String> {
        (self == Self::Okta).then(|| "urn:oasis:names:tc:SAML:2.0:nameid-format:entity".to_owned())
    }

    /// The response's `@Consent`.
    pub(super) fn consent(self) -> Option<String> {
        (self == Self::Adfs).then(|| "urn:oasis:names:tc:SAML:2.0:consent:unspecified".to_owned())
    }

    /// How far before its issue an assertion begins to be valid, in seconds.
    pub(super) fn lead(self) -> i64 {
        match self {
            Self::Entra | Self::Okta | Self::Google | Self::Ping => 300,
            Self::OneLogin => 180,
            Self::Keycloak => 2,
            Self::Adfs | Self::Shibboleth => 0,
        }
    }
}

/// Where the namespaces of XML Schema are declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Schema {
    /// `xs` on the response and on the assertion, both on values again.
    Response,
    Assertion,
    Value,
}

/// The prefixes of a product and how it writes times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names {
    /// The prefix of `urn:oasis:names:tc:SAML:2.0:protocol`.
    pub protocol: &'static str,
    /// The prefix of `urn:oasis:names:tc:SAML:2.0:assertion`; empty for a default namespace.
    pub assertion: &'static str,
    /// Whether the response declares the assertion's namespace too.
    pub inherits: bool,
    /// The `xsi:type` of text values.
    pub text_type: Option<&'static str>,
    /// Whether times have milliseconds.
    pub milliseconds: bool,
    /// Whether attributes stand before the statement of authentication.
    pub attributes_first: bool,
    schema: Schema,
}

impl Names {
    /// An element of the assertion's namespace, which is declared around it.
    pub fn saml(&self, local: &str) -> Element {
        Element::new(&qualified(self.assertion, local))
    }

    /// An element of the protocol's namespace, which is declared around it.
    pub fn samlp(&self, local: &str) -> Element {
        Element::new(&qualified(self.protocol, local))
    }

    /// An element of the assertion's namespace that stands outside an assertion.
    pub fn standalone(&self, mut element: Element) -> Element {
        if !self.inherits {
            element.declare(self.assertion, SAML);
        }
        element
    }

    /// The root of a protocol message.
    pub fn message(&self, local: &str) -> Element {
        let mut root = self.samlp(local).namespace(self.protocol, SAMLP);
        if self.inherits {
            root.declare(self.assertion, SAML);
        }
        if self.schema == Schema::Response {
            root.declare("xs", XS);
        }
        root
    }

    /// The empty `saml:Assertion`.
    pub(super) fn assertion_root(&self) -> Element {
        let mut root = self.standalone(self.saml("Assertion"));
        match self.schema {
            Schema::Response => root.declare("xs", XS),
            Schema::Assertion => {
                root.declare("xs", XS);
                root.declare("xsi", XSI);
            }
            Schema::Value => {}
        }
        root
    }

    /// Declares what `xsi:type` needs, unless the assertion did.
    pub(super) fn declare_schema(&self, mut element: Element) -> Element {
        if self.schema != Schema::Assertion {
            element.declare("xs", XS);
            element.declare("xsi", XSI);
        }
        element
    }

    /// A time as `xs:dateTime` in UTC (saml-core §1.3.3).
    pub fn time(&self, seconds: i64) -> String {
        let text = date_time(seconds);
        match text.strip_suffix('Z') {
            Some(text) if self.milliseconds => format!("{text}.000Z"),
            _ => text,
        }
    }
}

/// A time as `xs:dateTime` in UTC; what no calendar has becomes the epoch.
pub(super) fn date_time(seconds: i64) -> String {
    OffsetDateTime::UNIX_EPOCH
        .checked_add(Duration::seconds(seconds))
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned())
}

/// The Unix seconds of an `xs:dateTime` with a time zone.
pub(super) fn seconds_of(text: &str) -> Option<i64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    Some(time.unix_timestamp())
}
