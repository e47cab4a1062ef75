//! Whom a response means, in the words of the join, of RFC 8176 and of a later logout.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use vestibule_saml::{NameId, Verified};
use vestibule_store::Connection;

use crate::{LoginRefusal, SamlSettings, join::Subject, refusal::Actor};

/// Entra's immutable object ID of a person.
const ENTRA_OBJECT_ID: &str = "http://schemas.microsoft.com/identity/claims/objectidentifier";

/// A name identifier as a sign-in keeps it, so that a logout can name the same one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredNameId {
    pub(crate) value: String,
    format: Option<String>,
    name_qualifier: Option<String>,
    sp_name_qualifier: Option<String>,
}

impl StoredNameId {
    pub(super) fn of(name: &NameId) -> Self {
        Self {
            value: name.value.clone(),
            format: name.format.clone(),
            name_qualifier: name.name_qualifier.clone(),
            sp_name_qualifier: name.sp_name_qualifier.clone(),
        }
    }

    pub(crate) fn to_name_id(&self) -> NameId {
        NameId::new(self.value.clone(), self.format.as_deref())
            .qualified(self.name_qualifier.clone(), self.sp_name_qualifier.clone())
    }
}

/// Whom the response vouches for, in the words of the join.
pub(super) fn subject_of(
    connection: &Connection,
    settings: &SamlSettings,
    verified: &Verified,
) -> Result<Subject, Box<LoginRefusal>> {
    if verified.name_id.is_transient() && connection.join_claim.as_deref() == Some("name_id") {
        let refusal = LoginRefusal::new(
            "transient_name_id",
            "your identity provider gives you another name at every sign-in",
            Actor::Administrator,
            "configure a persistent or e-mail NameID at the identity provider, or join on an attribute (`attribute:NAME`)",
        )
        .compared("a NameID that stays", "a transient one");
        return Err(Box::new(refusal));
    }
    let mut claims = Map::new();
    for attribute in &verified.attributes {
        let value = match attribute.values.as_slice() {
            [only] => Value::String(only.clone()),
            several => json!(several),
        };
        if let Some(friendly) = &attribute.friendly_name {
            claims
                .entry(friendly.clone())
                .or_insert_with(|| value.clone());
        }
        claims.insert(attribute.name.clone(), value);
    }
    for (claim, names) in WELL_KNOWN {
        let known = names.iter().find_map(|name| claims.get(*name).cloned());
        if let Some(value) = known {
            claims.entry((*claim).to_owned()).or_insert(value);
        }
    }
    if verified.name_id.format.as_deref() == Some(EMAIL_FORMAT) {
        claims
            .entry("email")
            .or_insert_with(|| verified.name_id.value.clone().into());
    }
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let lasting = match &settings.subject_attribute {
        Some(name) => text(name),
        None if verified.name_id.is_persistent() => Some(verified.name_id.value.clone()),
        None => text(ENTRA_OBJECT_ID),
    };
    // Last, so that no attribute can pass for the subject.
    claims.insert("name_id".to_owned(), verified.name_id.value.clone().into());
    Ok(Subject {
        issuer: verified.issuer.clone(),
        lasting,
        claims,
    })
}

const EMAIL_FORMAT: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";

/// What products call the same thing, by the name that the join and just-in-time accounts use.
const WELL_KNOWN: &[(&str, &[&str])] = &[
    ("oid", &[ENTRA_OBJECT_ID]),
    (
        "email",
        &[
            "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
            "urn:oid:0.9.2342.19200300.100.1.3",
            "mail",
        ],
    ),
    (
        "given_name",
        &[
            "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname",
            "urn:oid:2.5.4.42",
            "givenName",
            "firstName",
        ],
    ),
    (
        "family_name",
        &[
            "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname",
            "urn:oid:2.5.4.4",
            "sn",
            "surname",
            "lastName",
        ],
    ),
    (
        "name",
        &[
            "http://schemas.microsoft.com/identity/claims/displayname",
            "urn:oid:2.16.840.1.113730.3.1.241",
            "displayName",
        ],
    ),
];

/// How the person signed in, in the words of RFC 8176.
pub(super) fn amr_of(verified: &Verified) -> Vec<String> {
    let class = verified.authn_context.as_deref().unwrap_or_default();
    let from_class = match class.rsplit([':', '/']).next().unwrap_or_default() {
        "Password" | "PasswordProtectedTransport" => Some("pwd"),
        "mfa" | "multipleauthn" | "MultiFactor" | "MultiFactorContract" => Some("mfa"),
        "X509" | "TLSClient" | "Smartcard" | "SmartcardPKI" => Some("sc"),
        "Kerberos" | "windows" => Some("wia"),
        "TimeSyncToken" => Some("otp"),
        _ => None,
    };
    let references = verified
        .attributes
        .iter()
        .filter(|attribute| {
            attribute.name == "http://schemas.microsoft.com/claims/authnmethodsreferences"
        })
        .flat_map(|attribute| &attribute.values)
        .filter_map(|value| match value.rsplit(['/', ':']).next()? {
            "password" => Some("pwd"),
            "multipleauthn" => Some("mfa"),
            "x509" => Some("sc"),
            "windows" => Some("wia"),
            _ => None,
        });
    let mut amr: Vec<String> = Vec::new();
    for method in from_class.into_iter().chain(references) {
        if !amr.iter().any(|known| known == method) {
            amr.push(method.to_owned());
        }
    }
    amr
}

/// Whom the application should expect: an address if there is one.
pub(super) fn hint_of(verified: &Verified) -> String {
    let name = &verified.name_id.value;
    if name.contains('@') {
        return name.clone();
    }
    let address = verified.attributes.iter().find_map(|attribute| {
        let names = WELL_KNOWN.iter().find(|(claim, _)| *claim == "email")?.1;
        names
            .iter()
            .chain(&["email"])
            .any(|known| *known == attribute.name)
            .then(|| attribute.values.first().cloned())
            .flatten()
    });
    address.unwrap_or_else(|| name.clone())
}
