//! Resources as the host stores them, and what a client sends to create one.

mod identity;
mod member;
mod read;
mod required;
mod scalar;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::dialect::{Reading, Repairs};
use crate::error::Error;
use crate::path::AttributePath;
use crate::schema::{ENTERPRISE_URN, ResourceSchema};

pub(crate) use identity::{absorb, identity, is_exact, merge_duplicates};
pub use member::{Member, Membership};
pub(crate) use read::{
    ELEMENTS, Named, Reader, is_members, is_password, is_unassigned, password, reference_id, set,
};
pub(crate) use required::check_required;
pub(crate) use scalar::{clear_primary, is_primary, text_boolean};

/// The attributes of a user or a group: canonical names, checked types, nothing unassigned.
///
/// It holds what a client may write and the host stores as JSON. Not in it: `id`, `meta` and `schemas`, which
/// follow from the rest; `groups` and `members`, which are rows of their own; `password`, which is a secret.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Resource {
    attributes: Map<String, Value>,
}

impl Resource {
    /// A resource from JSON that this crate wrote before.
    pub fn from_stored(attributes: Map<String, Value>) -> Self {
        Self { attributes }
    }

    /// The attributes as JSON, extensions under their URN.
    pub fn attributes(&self) -> &Map<String, Value> {
        &self.attributes
    }

    /// The attributes as JSON, extensions under their URN.
    pub fn into_attributes(self) -> Map<String, Value> {
        self.attributes
    }

    pub(crate) fn attributes_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.attributes
    }

    /// The value at a path; of a list, the list itself or `None` for a sub-attribute.
    pub fn get(&self, path: &AttributePath) -> Option<&Value> {
        let object = match path.extension() {
            None => &self.attributes,
            Some(urn) => self.attributes.get(urn)?.as_object()?,
        };
        let value = object.get(path.name())?;
        match path.sub() {
            None => Some(value),
            Some(sub) => value.as_object()?.get(sub),
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.attributes.get(name)?.as_str()
    }

    /// `userName`.
    pub fn user_name(&self) -> Option<&str> {
        self.text("userName")
    }

    /// `externalId`: the client's own id.
    pub fn external_id(&self) -> Option<&str> {
        self.text("externalId")
    }

    /// `displayName`, which a group always has.
    pub fn display_name(&self) -> Option<&str> {
        self.text("displayName")
    }

    /// Whether the person may sign in; true where the client never said otherwise.
    pub fn active(&self) -> bool {
        self.attributes
            .get("active")
            .and_then(Value::as_bool)
            .unwrap_or(true)
    }

    /// Sets `active`, for a host that deactivates by itself.
    pub fn set_active(&mut self, active: bool) {
        self.attributes
            .insert("active".to_owned(), Value::Bool(active));
    }

    /// The primary e-mail address, else the first.
    pub fn email(&self) -> Option<&str> {
        let emails = self.attributes.get("emails")?.as_array()?;
        let primary = |email: &&Value| email.get("primary") == Some(&Value::Bool(true));
        emails
            .iter()
            .find(primary)
            .or_else(|| emails.first())?
            .get("value")?
            .as_str()
    }

    /// All e-mail addresses.
    pub fn emails(&self) -> impl Iterator<Item = &str> {
        self.attributes
            .get("emails")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|email| email.get("value")?.as_str())
    }

    /// The id of the manager.
    pub fn manager(&self) -> Option<&str> {
        self.get(&AttributePath::new(
            Some(ENTERPRISE_URN),
            "manager",
            Some("value"),
        ))?
        .as_str()
    }

    /// The URNs of the schemas in use: the core schema, and every extension that holds a value.
    pub fn schemas<'a>(&'a self, schema: &'a ResourceSchema) -> impl Iterator<Item = &'a str> {
        std::iter::once(schema.core().id.as_str()).chain(
            schema
                .extensions()
                .iter()
                .map(|extension| extension.id.as_str())
                .filter(|urn| self.attributes.contains_key(*urn)),
        )
    }
}

/// What a client sends to create a resource, or to replace one.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Draft {
    /// The attributes.
    pub resource: Resource,
    /// The members of a group.
    pub members: Vec<Member>,
    /// The password of a user, to be hashed or dropped; never stored as it is.
    pub password: Option<Password>,
    named: Vec<AttributePath>,
}

impl Draft {
    /// Reads the body of a POST or PUT.
    ///
    /// Attributes that only the server writes are ignored (RFC 7644 §3.3), unassigned values are dropped
    /// (RFC 7643 §2.5). Fails with `invalid_syntax` where the body is no object and with `invalid_value` where
    /// a value has the wrong type or a required one is missing. Strictly, also where `schemas` does not name what
    /// the body uses, and where an attribute is not declared or named twice.
    pub fn parse(
        body: Value,
        schema: &ResourceSchema,
        reading: impl Into<Reading>,
        repairs: &mut Repairs,
    ) -> Result<Self, Error> {
        Reader::new(schema, reading.into(), repairs).draft(body)
    }

    /// The attributes that the body names, to be shown in the answer even where they are `returned: request`
    /// (RFC 7643 §7); sorted.
    pub fn named(&self) -> &[AttributePath] {
        &self.named
    }
}

/// A password in clear text on its way to the host's hash function.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// The clear text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}
