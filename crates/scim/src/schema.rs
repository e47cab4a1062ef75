//! Schemas and attribute characteristics (RFC 7643 §2.2, §7, §8.7.1).
//!
//! A [`Registry`] is a value: a host may build one per directory, with its own extensions.

mod alias;
mod discovery;
mod parse;
mod registry;
mod standard;
mod wire;

pub use registry::{Need, Registry};

use crate::dialect::{Dialect, Repairs, Rule};
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

    /// The resource type of the resource that the object's `value` names, where its `$ref` is nothing but that
    /// resource's URL: such a `$ref` is made on the way out and never stored (RFC 7643 §2.3.7).
    pub fn refers_to(&self) -> Option<ResourceType> {
        let reference = self.sub_attribute("$ref").filter(|_| self.has_value())?;
        match reference.reference_types.as_slice() {
            [one] => [ResourceType::User, ResourceType::Group]
                .into_iter()
                .find(|kind| kind.name() == one),
            _ => None,
        }
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
    /// The URNs of the extensions that every resource has.
    required: Vec<String>,
    /// The attributes that a client writes and that hold references, and what they refer to.
    references: Vec<(AttributePath, ResourceType)>,
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
            required: Vec::new(),
            references: Vec::new(),
        }
        .with_references()
    }

    fn with_references(mut self) -> Self {
        let references = self.each().filter_map(|(path, attribute)| {
            // Groups of users are made with their references.
            let kind = attribute.refers_to()?;
            (attribute.mutability != Mutability::ReadOnly).then_some((path, kind))
        });
        self.references = references.collect();
        self
    }

    /// Adds an extension, optional for clients; a schema of the same URN is replaced.
    #[must_use]
    pub fn with_extension(mut self, extension: Schema) -> Self {
        let same = |urn: &str| urn.eq_ignore_ascii_case(&extension.id);
        self.extensions.retain(|known| !same(&known.id));
        self.required.retain(|urn| !same(urn));
        self.extensions.push(extension);
        self.with_references()
    }

    /// Adds an extension that every resource has to have (RFC 7643 §6, `schemaExtensions.required`).
    #[must_use]
    pub fn with_required_extension(self, extension: Schema) -> Self {
        let urn = extension.id.clone();
        let mut schema = self.with_extension(extension);
        schema.required.push(urn);
        schema
    }

    /// Whether every resource has to have the extension of this URN.
    pub fn requires(&self, urn: &str) -> bool {
        self.required
            .iter()
            .any(|required| required.eq_ignore_ascii_case(urn))
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

    /// Finds an attribute as a dialect names it.
    ///
    /// Strictly, attributes of extensions carry their URN (RFC 7644 §3.10); leniently, schemas may also be named as
    /// they were before SCIM 2.0.
    pub(crate) fn find_as(
        &self,
        text: &str,
        dialect: Dialect,
        repairs: &mut Repairs,
    ) -> Option<Found<'_>> {
        let found = self.find(text);
        if dialect == Dialect::Strict {
            return found.filter(|found| match found.path.extension() {
                None => true,
                Some(urn) => strip_urn(text, urn).is_some(),
            });
        }
        found.or_else(|| {
            let (canonical, alias) = alias::canonical(text, self)?;
            let found = self.find(&canonical)?;
            repairs.note(Rule::AliasUrn, alias);
            Some(found)
        })
    }

    /// The extension of a URN as a dialect names it.
    pub(crate) fn extension_as(
        &self,
        text: &str,
        dialect: Dialect,
        repairs: &mut Repairs,
    ) -> Option<&Schema> {
        self.extension(text).or_else(|| {
            if dialect == Dialect::Strict {
                return None;
            }
            let (canonical, alias) = alias::canonical(text, self)?;
            let extension = self.extension(&canonical)?;
            repairs.note(Rule::AliasUrn, alias);
            Some(extension)
        })
    }

    /// The attributes whose values must be unique in the directory, but for the `id`, with the canonical path.
    ///
    /// This crate knows one resource at a time, so the host is who enforces it.
    pub fn unique(&self) -> impl Iterator<Item = (AttributePath, &Attribute)> {
        self.each()
            .filter(|(_, attribute)| attribute.uniqueness != Uniqueness::None)
            .filter(|(path, _)| path.extension().is_some() || path.name() != "id")
    }

    /// The attributes that a client writes and whose `$ref` follows from the `value` beside it.
    pub(crate) fn references(&self) -> &[(AttributePath, ResourceType)] {
        &self.references
    }

    /// Every attribute of the core schema, the common ones and the extensions, with the canonical path.
    pub(crate) fn each(&self) -> impl Iterator<Item = (AttributePath, &Attribute)> {
        let top = self
            .top_level()
            .map(|attribute| (AttributePath::new(None, &attribute.name, None), attribute));
        let extended = self.extensions.iter().flat_map(|extension| {
            extension.attributes.iter().map(|attribute| {
                let path = AttributePath::new(Some(&extension.id), &attribute.name, None);
                (path, attribute)
            })
        });
        top.chain(extended)
    }

    /// Finds the attribute of a canonical path.
    pub fn at(&self, path: &AttributePath) -> Option<Found<'_>> {
        let attribute = match path.extension() {
            None => self.top_level_attribute(path.name())?,
            Some(urn) => self.extension(urn)?.attribute(path.name())?,
        };
        found(path.extension(), attribute, path.sub())
    }

    /// The core schema or extension that a client's `schemas` names, as its dialect names it.
    pub(crate) fn urn_as(
        &self,
        text: &str,
        dialect: Dialect,
        repairs: &mut Repairs,
    ) -> Option<String> {
        if let Some(urn) = self.urn(text) {
            return Some(urn.to_owned());
        }
        if dialect == Dialect::Strict {
            return None;
        }
        let (canonical, alias) = alias::canonical(text, self)?;
        let urn = self.urn(&canonical)?.to_owned();
        repairs.note(Rule::AliasUrn, alias);
        Some(urn)
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
