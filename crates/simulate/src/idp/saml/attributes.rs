//! What is said about a person, under the names that products use.

use crate::Person;
use crate::saml::{Attribute, Style};

const BASIC: &str = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic";
const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified";
const URI: &str = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri";

/// Object id, user name, e-mail address, given name, surname, display name, groups.
const PLAIN: [&str; 7] = [
    "oid",
    "userName",
    "email",
    "givenName",
    "surname",
    "displayName",
    "groups",
];
const MICROSOFT: [&str; 7] = [
    "http://schemas.microsoft.com/identity/claims/objectidentifier",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname",
    "http://schemas.microsoft.com/identity/claims/displayname",
    "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups",
];
/// The directory attributes of higher education, with their friendly names.
const LDAP: [(&str, &str); 7] = [
    ("urn:oid:1.3.6.1.4.1.5923.1.1.1.13", "eduPersonUniqueId"),
    ("urn:oid:0.9.2342.19200300.100.1.1", "uid"),
    ("urn:oid:0.9.2342.19200300.100.1.3", "mail"),
    ("urn:oid:2.5.4.42", "givenName"),
    ("urn:oid:2.5.4.4", "sn"),
    ("urn:oid:2.16.840.1.113730.3.1.241", "displayName"),
    ("urn:oid:1.3.6.1.4.1.5923.1.5.1.1", "isMemberOf"),
];

pub(super) fn of(person: &Person, groups: &[String], style: Style) -> Vec<Attribute> {
    let name = person.name();
    let single = [
        &person.oid,
        &person.user_name,
        &person.email,
        &person.given_name,
        &person.family_name,
        &name,
    ];
    let values = single
        .iter()
        .map(|value| vec![value.as_str()])
        .chain([groups.iter().map(String::as_str).collect()]);
    let (names, format): ([(&str, Option<&str>); 7], _) = match style {
        Style::Entra | Style::Adfs => (MICROSOFT.map(|name| (name, None)), None),
        Style::Shibboleth => (
            LDAP.map(|(name, friendly)| (name, Some(friendly))),
            Some(URI),
        ),
        Style::Okta => (PLAIN.map(|name| (name, None)), Some(UNSPECIFIED)),
        _ => (PLAIN.map(|name| (name, None)), Some(BASIC)),
    };
    names
        .into_iter()
        .zip(values)
        .filter(|(_, values)| !values.is_empty())
        .map(|((name, friendly_name), values)| Attribute {
            name_format: format.map(str::to_owned),
            friendly_name: friendly_name.map(str::to_owned),
            ..Attribute::new(name, values)
        })
        .collect()
}
