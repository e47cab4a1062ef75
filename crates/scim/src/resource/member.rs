//! Members of groups, and the groups of users.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::read::Reader;
use crate::dialect::Rule;
use crate::error::Error;
use crate::path::AttributePath;
use crate::schema::ResourceType;

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Member {
    /// The id of the user or group.
    pub value: String,
    /// What it is; from a client that does not say, `None`.
    pub kind: Option<ResourceType>,
    /// The name of the member; what a client says here is not to be trusted or stored.
    pub display: Option<String>,
}

impl Member {
    /// A member of which only the id is known.
    pub fn new(value: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            kind: None,
            display: None,
        }
    }

    /// Adds what it is.
    #[must_use]
    pub fn with_kind(mut self, kind: ResourceType) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Adds its name.
    #[must_use]
    pub fn with_display(mut self, display: impl Into<String>) -> Self {
        self.display = Some(display.into());
        self
    }

    /// The member as a filter sees it ([`MemberChange::RemoveWhere`](crate::MemberChange::RemoveWhere)) and a
    /// client reads it, with `$ref` under the base URL of the directory.
    pub fn to_json(&self, base: &str) -> Value {
        let mut object = Map::new();
        object.insert("value".to_owned(), Value::from(self.value.as_str()));
        if let Some(kind) = self.kind {
            object.insert("type".to_owned(), Value::from(kind.name()));
            let reference = format!("{base}/{}/{}", kind.endpoint(), self.value);
            object.insert("$ref".to_owned(), Value::from(reference));
        }
        if let Some(display) = &self.display {
            object.insert("display".to_owned(), Value::from(display.as_str()));
        }
        Value::Object(object)
    }
}

/// A group that a user is in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Membership {
    /// The id of the group.
    pub value: String,
    /// The name of the group.
    pub display: Option<String>,
    /// Whether the user is a member of the group itself, and not only of a group inside it.
    pub direct: bool,
}

impl Membership {
    /// A direct membership.
    pub fn new(value: impl Into<String>, display: Option<String>) -> Self {
        Self {
            value: value.into(),
            display,
            direct: true,
        }
    }

    /// Marks the membership as one through a nested group.
    #[must_use]
    pub fn indirect(mut self) -> Self {
        self.direct = false;
        self
    }

    /// The membership as a client reads it.
    pub fn to_json(&self, base: &str) -> Value {
        let mut object = Map::new();
        object.insert("value".to_owned(), Value::from(self.value.as_str()));
        let reference = format!("{base}/{}/{}", ResourceType::Group.endpoint(), self.value);
        object.insert("$ref".to_owned(), Value::from(reference));
        if let Some(display) = &self.display {
            object.insert("display".to_owned(), Value::from(display.as_str()));
        }
        let kind = if self.direct { "direct" } else { "indirect" };
        object.insert("type".to_owned(), Value::from(kind));
        Value::Object(object)
    }
}

impl Reader<'_> {
    /// Reads a list of members, every one once.
    pub(crate) fn members(&mut self, value: Value) -> Result<Vec<Member>, Error> {
        let path = AttributePath::new(None, "members", None);
        let mut members = Vec::new();
        let mut known = HashSet::new();
        for element in self.elements(&path, value)? {
            let member = self.member(&path, element)?;
            if known.insert(member.value.clone()) {
                members.push(member);
            }
        }
        Ok(members)
    }

    fn member(&mut self, path: &AttributePath, element: Value) -> Result<Member, Error> {
        let missing =
            || Error::invalid_value("every member has a value: the id of a user or group");
        let object = match element {
            Value::Object(object) => object,
            Value::String(id) if self.lenient() => {
                self.repairs.note(Rule::BareValue, &path.to_string());
                Map::from_iter([("value".to_owned(), Value::String(id))])
            }
            _ => return Err(missing()),
        };
        let text = |name: &str| {
            object
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .and_then(|(_, value)| value.as_str())
        };
        let value = text("value")
            .filter(|id| !id.is_empty() && !id.contains('\0'))
            .ok_or_else(missing)?;
        let mut member = Member::new(value);
        member.kind = match (text("type"), text("$ref")) {
            (Some(kind), _) if kind.eq_ignore_ascii_case("user") => Some(ResourceType::User),
            (Some(kind), _) if kind.eq_ignore_ascii_case("group") => Some(ResourceType::Group),
            (None, Some(reference)) if reference.contains("/Groups/") => Some(ResourceType::Group),
            (None, Some(reference)) if reference.contains("/Users/") => Some(ResourceType::User),
            _ => None,
        };
        member.display = text("display").map(str::to_owned);
        Ok(member)
    }
}
