//! Subject identifiers: whom a signal is about (RFC 9493; SSF 1.0 §3; RFC 9967 for `scim`).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Longer identifiers name nobody.
const LONGEST: usize = 1024;
/// More aliases, or more members of a complex subject, than any sender has.
const MOST: usize = 16;

/// Whom a signal is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// `email`: an address (RFC 9493 §3.2.2).
    Email(String),
    /// `iss_sub`: a subject of an issuer (§3.2.3).
    IssSub {
        /// The issuer.
        iss: String,
        /// Its name for the subject.
        sub: String,
    },
    /// `opaque`: a name that only sender and receiver understand (§3.2.4).
    Opaque(String),
    /// `scim`: a resource of a SCIM server (RFC 9967 §2.1), such as `/Users/2819c223`.
    Scim(String),
    /// `aliases`: several names of one subject (RFC 9493 §3.2.8).
    Aliases(Vec<Subject>),
    /// `complex`: several parts, all of which have to match (SSF 1.0 §3.2), such as `user` and `session`.
    Complex(BTreeMap<String, Subject>),
    /// A format that is known here by its name only, such as `phone_number`.
    Other(String),
}

/// The JSON is no subject identifier: no object, no `format`, or a member of its format is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the subject identifier is malformed")]
pub struct InvalidSubject;

impl Subject {
    /// A user's session in an organization, as the parts of one subject.
    pub fn session(user: Self, session: Self, tenant: Self) -> Self {
        let parts = [("user", user), ("session", session), ("tenant", tenant)];
        Self::Complex(parts.map(|(name, part)| (name.to_owned(), part)).into())
    }

    /// A part of a complex subject; none of another one.
    pub fn part(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Complex(parts) => parts.get(name),
            _ => None,
        }
    }

    /// The name of its format.
    pub fn format(&self) -> &str {
        match self {
            Self::Email(_) => "email",
            Self::IssSub { .. } => "iss_sub",
            Self::Opaque(_) => "opaque",
            Self::Scim(_) => "scim",
            Self::Aliases(_) => "aliases",
            Self::Complex(_) => "complex",
            Self::Other(format) => format,
        }
    }

    /// Reads a subject identifier.
    ///
    /// A complex subject without `format`, as drafts before SSF 1.0 wrote it, is none.
    /// Errors: see [`InvalidSubject`]; nested aliases and nested complex subjects are malformed too.
    pub fn read(value: &Value) -> Result<Self, InvalidSubject> {
        let members = value.as_object().ok_or(InvalidSubject)?;
        match text(members, "format")?.as_str() {
            "complex" => {
                let parts = members.iter().filter(|(name, _)| *name != "format");
                let parts = parts
                    .map(|(name, part)| Ok((checked(name)?, Self::read_simple(part)?)))
                    .collect::<Result<BTreeMap<_, _>, InvalidSubject>>()?;
                match parts.len() {
                    1..=MOST => Ok(Self::Complex(parts)),
                    _ => Err(InvalidSubject),
                }
            }
            _ => Self::read_simple(value),
        }
    }

    fn read_simple(value: &Value) -> Result<Self, InvalidSubject> {
        let members = value.as_object().ok_or(InvalidSubject)?;
        match text(members, "format")?.as_str() {
            "aliases" => {
                let names = members.get("identifiers").and_then(Value::as_array);
                let names = names.filter(|names| (1..=MOST).contains(&names.len()));
                let names = names.ok_or(InvalidSubject)?.iter();
                names
                    .map(Self::read_name)
                    .collect::<Result<_, _>>()
                    .map(Self::Aliases)
            }
            "complex" => Err(InvalidSubject),
            _ => Self::read_name(value),
        }
    }

    fn read_name(value: &Value) -> Result<Self, InvalidSubject> {
        let members = value.as_object().ok_or(InvalidSubject)?;
        let format = text(members, "format")?;
        Ok(match format.as_str() {
            "email" => Self::Email(text(members, "email")?),
            "iss_sub" => Self::IssSub {
                iss: text(members, "iss")?,
                sub: text(members, "sub")?,
            },
            "opaque" => Self::Opaque(text(members, "id")?),
            "scim" => Self::Scim(text(members, "uri")?),
            "aliases" | "complex" => return Err(InvalidSubject),
            _ => Self::Other(format),
        })
    }

    /// The subject identifier as JSON.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Email(email) => json!({ "format": "email", "email": email }),
            Self::IssSub { iss, sub } => json!({ "format": "iss_sub", "iss": iss, "sub": sub }),
            Self::Opaque(id) => json!({ "format": "opaque", "id": id }),
            Self::Scim(uri) => json!({ "format": "scim", "uri": uri }),
            Self::Aliases(names) => {
                let names: Vec<Value> = names.iter().map(Self::to_json).collect();
                json!({ "format": "aliases", "identifiers": names })
            }
            Self::Complex(parts) => {
                let parts = parts
                    .iter()
                    .map(|(name, part)| (name.clone(), part.to_json()));
                let format = ("format".to_owned(), Value::from("complex"));
                Value::Object(parts.chain([format]).collect())
            }
            Self::Other(format) => json!({ "format": format }),
        }
    }
}

/// A member that is a text.
fn text(members: &Map<String, Value>, name: &str) -> Result<String, InvalidSubject> {
    let text = members.get(name).and_then(Value::as_str);
    checked(text.ok_or(InvalidSubject)?)
}

/// A text of sensible length and without NUL, which not every database stores.
fn checked(text: &str) -> Result<String, InvalidSubject> {
    let is_good = !text.is_empty() && text.len() <= LONGEST && !text.contains('\0');
    is_good.then(|| text.to_owned()).ok_or(InvalidSubject)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formats_of_rfc_9493_are_read_and_written() {
        for written in [
            json!({ "format": "email", "email": "user@example.com" }),
            json!({ "format": "iss_sub", "iss": "https://issuer.example.com/", "sub": "145234573" }),
            json!({ "format": "opaque", "id": "11112222333344445555" }),
            json!({ "format": "scim", "uri": "/Users/2b2f880af6674ac284bae9381673d462" }),
            json!({ "format": "aliases", "identifiers": [
                { "format": "email", "email": "user@example.com" }, { "format": "opaque", "id": "1" }] }),
            json!({ "format": "complex", "user": { "format": "email", "email": "a@b.test" },
                "session": { "format": "opaque", "id": "s" } }),
        ] {
            assert_eq!(
                Subject::read(&written).map(|read| read.to_json()),
                Ok(written)
            );
        }
        let phone = json!({ "format": "phone_number", "phone_number": "+12065550100" });
        assert_eq!(
            Subject::read(&phone),
            Ok(Subject::Other("phone_number".to_owned()))
        );
    }

    #[test]
    fn what_names_nobody_is_refused() {
        let long = "x".repeat(LONGEST + 1);
        let many: Vec<Value> = (0..=MOST)
            .map(|n| json!({ "format": "opaque", "id": n.to_string() }))
            .collect();
        for wrong in [
            json!(null),
            json!("user@example.com"),
            json!([]),
            json!({}),
            json!({ "email": "a@b.test" }),
            json!({ "format": "email" }),
            json!({ "format": "email", "email": "" }),
            json!({ "format": "email", "email": 7 }),
            json!({ "format": "iss_sub", "iss": "i" }),
            json!({ "format": "opaque", "id": long }),
            json!({ "format": "opaque", "id": "a\u{0}b" }),
            json!({ "format": "complex", "us\u{0}er": { "format": "opaque", "id": "1" } }),
            json!({ "format": "complex" }),
            json!({ "format": "complex", "user": { "format": "complex", "user": { "format": "opaque", "id": "1" } } }),
            json!({ "format": "aliases", "identifiers": [] }),
            json!({ "format": "aliases", "identifiers": many }),
            json!({ "format": "aliases", "identifiers": [{ "format": "aliases", "identifiers": [{ "format": "opaque", "id": "1" }] }] }),
        ] {
            assert_eq!(Subject::read(&wrong), Err(InvalidSubject), "{wrong}");
        }
    }
}
