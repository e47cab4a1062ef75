//! Schemas and attribute characteristics (RFC 7643 §2.2, §7, §8.7.1).
//!
//! A [`Registry`] is a value: a host may build one per directory, with its own extensions.

mod discovery;
mod standard;
mod wire;

use std::sync::Arc;

use crate::path::AttributePath;

/// URN of the core User schema.
pub const USER_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// URN of the core Group schema.
pub const GROUP_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// URN of the enterprise extension of User.
pub const ENTERPRISE_URN: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// The kinds of resource that this crate serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceType {
    /// A person.
    User,
    /// A set of users and groups.
    Group,
}

impl ResourceType {
    /// The name in `meta.resourceType` and in `/ResourceTypes`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }

    /// The endpoint below the base URL, without a slash.
    pub const fn endpoint(self) -> &'static str {
        match self {
            Self::User => "Users",
            Self::Group => "Groups",
        }
    }
}

/// The JSON type of an attribute's values (RFC 7643 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// Text.
    String,
    /// `true` or `false`.
    Boolean,
    /// A number.
    Decimal,
    /// A whole number.
    Integer,
    /// A point in time.
    DateTime,
    /// Base64 text.
    Binary,
    /// A URI, or the id of another resource.
    Reference,
    /// An object of sub-attributes.
    Complex,
}

/// When an attribute may be written (RFC 7643 §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mutability {
    /// Only the server writes it.
    ReadOnly,
    /// The client may write it at any time.
    ReadWrite,
    /// The client may write it while it is unset.
    Immutable,
    /// The client may write it and never reads it.
    WriteOnly,
}

/// When an attribute is part of an answer (RFC 7643 §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Returned {
    /// In every answer.
    Always,
    /// In no answer.
    Never,
    /// Unless the client chose other attributes.
    Default,
    /// Only where the client asked for it or wrote it.
    Request,
}

/// Among which resources a value must be unique (RFC 7643 §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Uniqueness {
    /// Values may repeat.
    None,
    /// Unique within the directory.
    Server,
    /// Unique everywhere.
    Global,
}

/// One attribute with its characteristics.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attribute {
    /// The name as the schema writes it; clients may use any letter case.
    pub name: String,
    /// What it is for, in one sentence.
    pub description: String,
    /// The type of its values.
    pub kind: Type,
    /// Whether it holds a list.
    pub multi_valued: bool,
    /// Whether a resource is refused without it.
    pub required: bool,
    /// Whether letter case counts when values are compared.
    pub case_exact: bool,
    /// When it may be written.
    pub mutability: Mutability,
    /// When it is part of an answer.
    pub returned: Returned,
    /// Among which resources it is unique.
    pub uniqueness: Uniqueness,
    /// Suggested values; others are stored as well.
    pub canonical_values: Vec<String>,
    /// What a reference may point to.
    pub reference_types: Vec<String>,
    /// The sub-attributes of a complex attribute.
    pub sub_attributes: Vec<Attribute>,
}

impl Attribute {
    /// A single-valued, optional, case-insensitive attribute that is readable and writable.
    pub fn new(name: impl Into<String>, kind: Type) -> Self {
        Self {
            name: name.into(),
            description: String::new(),
            kind,
            multi_valued: false,
            required: false,
            case_exact: matches!(kind, Type::Reference | Type::Binary),
            mutability: Mutability::ReadWrite,
            returned: Returned::Default,
            uniqueness: Uniqueness::None,
            canonical_values: Vec::new(),
            reference_types: Vec::new(),
            sub_attributes: Vec::new(),
        }
    }

    /// The sub-attribute of this name, in any letter case.
    pub fn sub_attribute(&self, name: &str) -> Option<&Attribute> {
        find(&self.sub_attributes, name)
    }

    /// Whether a plain value may stand for the object: the object has a `value` (RFC 7643 §2.4).
    pub fn has_value(&self) -> bool {
        self.kind == Type::Complex && self.sub_attribute("value").is_some()
    }
}

fn find<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    attributes
        .iter()
        .find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

/// A named set of attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schema {
    /// The URN.
    pub id: String,
    /// The name for people.
    pub name: String,
    /// What it is for, in one sentence.
    pub description: String,
    /// The attributes.
    pub attributes: Vec<Attribute>,
}

impl Schema {
    /// A schema with these attributes.
    pub fn new(
        id: impl Into<String>,
        name: impl Into<String>,
        description: impl Into<String>,
        attributes: Vec<Attribute>,
    ) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            description: description.into(),
            attributes,
        }
    }

    /// The attribute of this name, in any letter case.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        find(&self.attributes, name)
    }
}

/// The schema of one resource type: common attributes, core schema, extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceSchema {
    kind: ResourceType,
    core: Schema,
    common: Vec<Attribute>,
    extensions: Vec<Schema>,
}

/// An attribute that was found, with its canonical path.
#[derive(Debug, Clone)]
pub struct Found<'a> {
    /// The canonical path.
    pub path: AttributePath,
    /// The attribute at the top level.
    pub attribute: &'a Attribute,
    /// The sub-attribute that the path names.
    pub sub_attribute: Option<&'a Attribute>,
}

impl<'a> Found<'a> {
    /// The sub-attribute if the path names one, else the attribute.
    pub fn leaf(&self) -> &'a Attribute {
        self.sub_attribute.unwrap_or(self.attribute)
    }
}

impl ResourceSchema {
    /// The schema of `kind` with the given core schema and no extension.
    pub fn new(kind: ResourceType, core: Schema) -> Self {
        Self {
            kind,
            core,
            common: standard::common(),
            extensions: Vec::new(),
        }
    }

    /// Adds an extension, optional for clients; a schema of the same URN is replaced.
    #[must_use]
    pub fn with_extension(mut self, extension: Schema) -> Self {
        self.extensions
            .retain(|known| !known.id.eq_ignore_ascii_case(&extension.id));
        self.extensions.push(extension);
        self
    }

    /// The resource type that this describes.
    pub fn kind(&self) -> ResourceType {
        self.kind
    }

    /// The core schema.
    pub fn core(&self) -> &Schema {
        &self.core
    }

    /// The extensions.
    pub fn extensions(&self) -> &[Schema] {
        &self.extensions
    }

    /// The extension of this URN, in any letter case.
    pub fn extension(&self, urn: &str) -> Option<&Schema> {
        self.extensions
            .iter()
            .find(|schema| schema.id.eq_ignore_ascii_case(urn))
    }

    /// The attributes at the top level of a resource: common ones and those of the core schema.
    pub fn top_level(&self) -> impl Iterator<Item = &Attribute> {
        self.common.iter().chain(&self.core.attributes)
    }

    /// The top-level attribute of this bare name, in any letter case.
    pub fn top_level_attribute(&self, name: &str) -> Option<&Attribute> {
        find(&self.common, name).or_else(|| self.core.attribute(name))
    }

    /// Finds an attribute by what a client wrote: `name`, `name.sub`, `urn:…:name.sub`, in any letter case.
    ///
    /// A bare name is looked for in the core first and then in the extensions, because Entra names `manager` bare.
    pub fn find(&self, text: &str) -> Option<Found<'_>> {
        if let Some(rest) = strip_urn(text, &self.core.id) {
            let (name, sub) = split_sub(rest);
            return found(None, self.top_level_attribute(name)?, sub);
        }
        for extension in &self.extensions {
            if let Some(rest) = strip_urn(text, &extension.id) {
                let (name, sub) = split_sub(rest);
                return found(Some(&extension.id), extension.attribute(name)?, sub);
            }
        }
        let (name, sub) = split_sub(text);
        if let Some(attribute) = self.top_level_attribute(name) {
            return found(None, attribute, sub);
        }
        self.extensions
            .iter()
            .find_map(|extension| found(Some(&extension.id), extension.attribute(name)?, sub))
    }

    /// Finds the attribute of a canonical path.
    pub fn at(&self, path: &AttributePath) -> Option<Found<'_>> {
        let attribute = match path.extension() {
            None => self.top_level_attribute(path.name())?,
            Some(urn) => self.extension(urn)?.attribute(path.name())?,
        };
        found(path.extension(), attribute, path.sub())
    }

    /// Whether the URN names the core schema or an extension; the canonical form if so.
    pub fn urn(&self, text: &str) -> Option<&str> {
        if self.core.id.eq_ignore_ascii_case(text) {
            return Some(&self.core.id);
        }
        self.extension(text).map(|schema| schema.id.as_str())
    }
}

fn found<'a>(urn: Option<&str>, attribute: &'a Attribute, sub: Option<&str>) -> Option<Found<'a>> {
    let sub_attribute = match sub {
        None => None,
        Some(sub) => Some(attribute.sub_attribute(sub)?),
    };
    Some(Found {
        path: AttributePath::new(
            urn,
            &attribute.name,
            sub_attribute.map(|attribute| attribute.name.as_str()),
        ),
        attribute,
        sub_attribute,
    })
}

fn split_sub(text: &str) -> (&str, Option<&str>) {
    match text.split_once('.') {
        Some((name, sub)) => (name, Some(sub)),
        None => (text, None),
    }
}

fn strip_urn<'a>(text: &'a str, urn: &str) -> Option<&'a str> {
    let head = text.get(..urn.len())?;
    if !head.eq_ignore_ascii_case(urn) {
        return None;
    }
    text.get(urn.len()..)?.strip_prefix(':')
}

/// The schemas that a directory speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    users: Arc<ResourceSchema>,
    groups: Arc<ResourceSchema>,
}

impl Registry {
    /// User with the enterprise extension, and Group, as RFC 7643 defines them.
    pub fn standard() -> Self {
        Self {
            users: Arc::new(
                ResourceSchema::new(ResourceType::User, standard::user())
                    .with_extension(standard::enterprise()),
            ),
            groups: Arc::new(ResourceSchema::new(ResourceType::Group, standard::group())),
        }
    }

    /// Adds an extension to a resource type.
    #[must_use]
    pub fn with_extension(mut self, kind: ResourceType, extension: Schema) -> Self {
        let schema = match kind {
            ResourceType::User => &mut self.users,
            ResourceType::Group => &mut self.groups,
        };
        *schema = Arc::new(ResourceSchema::clone(schema).with_extension(extension));
        self
    }

    /// The schema of a resource type.
    pub fn of(&self, kind: ResourceType) -> &Arc<ResourceSchema> {
        match kind {
            ResourceType::User => &self.users,
            ResourceType::Group => &self.groups,
        }
    }
}

impl Registry {
    /// Every schema, as `/Schemas` lists them: those of resources, then those of the discovery endpoints.
    pub fn schemas(&self) -> impl Iterator<Item = Schema> {
        let of_resources = [&self.users, &self.groups]
            .into_iter()
            .flat_map(|schema| std::iter::once(schema.core()).chain(schema.extensions()));
        of_resources.cloned().chain(discovery::schemas())
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::standard()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Option<String> {
        let registry = Registry::standard();
        registry
            .of(ResourceType::User)
            .find(text)
            .map(|found| found.path.to_string())
    }

    #[test]
    fn names_are_found_in_any_letter_case_and_qualified() {
        for (text, canonical) in [
            ("USERNAME", Some("userName".to_owned())),
            ("Name.FAMILYname", Some("name.familyName".to_owned())),
            (
                "urn:ietf:params:scim:schemas:core:2.0:user:displayname",
                Some("displayName".to_owned()),
            ),
            ("manager", Some(format!("{ENTERPRISE_URN}:manager"))),
            (
                "URN:IETF:PARAMS:SCIM:SCHEMAS:EXTENSION:ENTERPRISE:2.0:USER:MANAGER.VALUE",
                Some(format!("{ENTERPRISE_URN}:manager.value")),
            ),
            ("meta.lastmodified", Some("meta.lastModified".to_owned())),
            ("emails.$ref", None),
            ("groups.$REF", Some("groups.$ref".to_owned())),
            ("unknown", None),
            ("userName.sub", None),
        ] {
            assert_eq!(path(text), canonical, "{text}");
        }
    }

    #[test]
    fn characteristics_are_those_of_the_standard() {
        let registry = Registry::standard();
        let users = registry.of(ResourceType::User);
        let user_name = users.find("userName").unwrap();
        assert!(user_name.leaf().required && !user_name.leaf().case_exact);
        assert_eq!(user_name.leaf().uniqueness, Uniqueness::Server);
        let password = users.find("password").unwrap();
        assert_eq!(password.leaf().returned, Returned::Never);
        assert_eq!(password.leaf().mutability, Mutability::WriteOnly);
        assert!(users.find("externalId").unwrap().leaf().case_exact);
        assert_eq!(
            users.find("groups").unwrap().leaf().mutability,
            Mutability::ReadOnly
        );
        let members = registry
            .of(ResourceType::Group)
            .find("members.value")
            .unwrap();
        assert_eq!(members.leaf().mutability, Mutability::Immutable);
    }
}
