//! Schemas that a directory brings with it, read from the JSON of RFC 7643 §7.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{Attribute, Mutability, ResourceType, Returned, Schema, Type, Uniqueness};
use crate::error::Error;

/// Most attributes of a schema, and of a complex attribute.
const ATTRIBUTES: usize = 200;
/// Longest URN, name or canonical value, in bytes.
const NAME: usize = 255;
/// Longest description, in bytes.
const DESCRIPTION: usize = 2_000;
/// Most canonical values and reference types of one attribute.
const SUGGESTIONS: usize = 200;
/// Names that every resource has beside its schemas (RFC 7643 §3.1), in lower case.
const COMMON: [&str; 4] = ["schemas", "id", "externalid", "meta"];

impl Schema {
    /// Reads a schema as RFC 7643 §7 writes it; characteristics that it leaves out have the defaults of §2.2.
    ///
    /// Fails with `invalid_value`, and names the attribute: a URN or name that is none, a name that is there twice, a
    /// complex attribute without parts or inside another one (erratum 8415), characteristics that contradict each
    /// other or are not of the standard. Whether the names are free, a registry says
    /// ([`Registry::try_with_extension`](super::Registry::try_with_extension)).
    ///
    /// ```
    /// use vestibule_scim::schema::{Need, Schema};
    /// use vestibule_scim::{Registry, ResourceType};
    ///
    /// let schema = Schema::parse(&serde_json::json!({
    ///     "id": "urn:example:scim:schemas:badge:1.0:User",
    ///     "name": "Badge",
    ///     "attributes": [{ "name": "badgeNumber", "type": "string", "caseExact": true }],
    /// }))?;
    /// let registry =
    ///     Registry::standard().try_with_extension(ResourceType::User, schema, Need::Optional)?;
    /// assert!(registry.of(ResourceType::User).find("badgeNumber").is_some());
    /// # Ok::<(), vestibule_scim::Error>(())
    /// ```
    pub fn parse(json: &Value) -> Result<Self, Error> {
        let object = json
            .as_object()
            .ok_or_else(|| refused("", "a schema is a JSON object"))?;
        let known = ["schemas", "meta", "id", "name", "description", "attributes"];
        check_keys("", object, &known)?;
        let id = text("", object, "id", NAME)?.ok_or_else(|| refused("", "a schema has an id"))?;
        if !is_urn(id) {
            return Err(refused("", "the id of a schema is a URN"));
        }
        let name = text("", object, "name", NAME)?
            .or_else(|| id.rsplit(':').next())
            .unwrap_or(id);
        let attributes = attributes("", object.get("attributes"), Level::Top)?;
        if attributes.is_empty() {
            return Err(refused("", "a schema has attributes"));
        }
        let description = text("", object, "description", DESCRIPTION)?.unwrap_or_default();
        Ok(Self::new(id, name, description, attributes))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Top,
    Sub,
}

/// A refusal at an attribute, or at the schema itself.
fn refused(place: &str, rule: &'static str) -> Error {
    Error::invalid_value(if place.is_empty() {
        Cow::Borrowed(rule)
    } else {
        Cow::Owned(format!("{place}: {rule}"))
    })
}

/// The syntax of RFC 8141 §2, without the parts that no schema has.
fn is_urn(text: &str) -> bool {
    let mut parts = text.splitn(3, ':');
    let scheme = parts
        .next()
        .is_some_and(|part| part.eq_ignore_ascii_case("urn"));
    let namespace = parts.next().is_some_and(|part| {
        (2..=32).contains(&part.len())
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    });
    let specific = parts.next().is_some_and(|part| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'*+,;=:@".contains(&byte);
        !part.is_empty()
            && part.split(':').all(|part| !part.is_empty())
            && part.bytes().all(allowed)
    });
    scheme
        && namespace
        && specific
        && !text
            .to_ascii_lowercase()
            .starts_with("urn:ietf:params:scim:api:")
}

/// ATTRNAME of RFC 7643 §2.1; erratum 8924 reports that `$ref` is missing there.
fn is_name(text: &str, level: Level) -> bool {
    if level == Level::Sub && text == "$ref" {
        return true;
    }
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(rest)
}

fn check_keys(place: &str, object: &Map<String, Value>, known: &[&str]) -> Result<(), Error> {
    if object.keys().all(|key| known.contains(&key.as_str())) {
        return Ok(());
    }
    Err(refused(
        place,
        "there is a member that RFC 7643 §7 does not have",
    ))
}

fn text<'a>(
    place: &str,
    object: &'a Map<String, Value>,
    key: &str,
    longest: usize,
) -> Result<Option<&'a str>, Error> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text))
            if !text.contains('\0')
                && text.len() <= longest
                && (key == "description" || !text.is_empty()) =>
        {
            Ok(Some(text))
        }
        Some(_) => Err(refused(
            place,
            "a name or description is no text, or too long a one",
        )),
    }
}

fn flag(place: &str, object: &Map<String, Value>, key: &str) -> Result<Option<bool>, Error> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(refused(
            place,
            "multiValued, required and caseExact are true or false",
        )),
    }
}

/// One of the keywords of a characteristic.
fn keyword<T: Copy>(
    place: &str,
    object: &Map<String, Value>,
    key: &str,
    keywords: &[(&str, T)],
) -> Result<Option<T>, Error> {
    let Some(word) = text(place, object, key, NAME)? else {
        return Ok(None);
    };
    keywords
        .iter()
        .find(|(keyword, _)| *keyword == word)
        .map(|(_, value)| Some(*value))
        .ok_or_else(|| {
            refused(
                place,
                "a characteristic has a value that RFC 7643 §7 does not have",
            )
        })
}

fn texts(place: &str, object: &Map<String, Value>, key: &str) -> Result<Vec<String>, Error> {
    let wrong = || {
        refused(
            place,
            "canonicalValues and referenceTypes are lists of text",
        )
    };
    match object.get(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(values)) if values.len() <= SUGGESTIONS => values
            .iter()
            .map(|value| {
                let text = value
                    .as_str()
                    .filter(|text| text.len() <= NAME && !text.contains('\0'));
                text.map(str::to_owned).ok_or_else(wrong)
            })
            .collect(),
        Some(_) => Err(wrong()),
    }
}

fn attributes(place: &str, json: Option<&Value>, level: Level) -> Result<Vec<Attribute>, Error> {
    let list = match json {
        None | Some(Value::Null) => &[],
        Some(Value::Array(list)) if list.len() <= ATTRIBUTES => list.as_slice(),
        Some(_) => {
            return Err(refused(
                place,
                "attributes are a list, and not too long a one",
            ));
        }
    };
    let mut names = HashSet::new();
    let mut attributes = Vec::with_capacity(list.len());
    for json in list {
        let attribute = attribute(place, json, level)?;
        if !names.insert(attribute.name.to_ascii_lowercase()) {
            return Err(refused(&attribute.name, "the name is there twice"));
        }
        attributes.push(attribute);
    }
    Ok(attributes)
}

const MEMBERS: [&str; 12] = [
    "name",
    "type",
    "multiValued",
    "description",
    "required",
    "canonicalValues",
    "caseExact",
    "mutability",
    "returned",
    "uniqueness",
    "referenceTypes",
    "subAttributes",
];

fn attribute(parent: &str, json: &Value, level: Level) -> Result<Attribute, Error> {
    let object = json
        .as_object()
        .ok_or_else(|| refused(parent, "an attribute is a JSON object"))?;
    let name = text(parent, object, "name", NAME)?.filter(|name| is_name(name, level));
    let name = name.ok_or_else(|| {
        refused(
            parent,
            "the name of an attribute is a letter, then letters, digits, hyphens and underscores",
        )
    })?;
    let place = match level {
        Level::Top => name.to_owned(),
        Level::Sub => format!("{parent}.{name}"),
    };
    if level == Level::Top && COMMON.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(refused(&place, "the name is one that every resource has"));
    }
    check_keys(&place, object, &MEMBERS)?;
    let kind = keyword(&place, object, "type", &TYPES)?.unwrap_or(Type::String);
    let mut attribute = Attribute::new(name, kind);
    let description = text(&place, object, "description", DESCRIPTION)?;
    description
        .unwrap_or_default()
        .clone_into(&mut attribute.description);
    attribute.multi_valued = flag(&place, object, "multiValued")?.unwrap_or(false);
    attribute.required = flag(&place, object, "required")?.unwrap_or(false);
    attribute.case_exact = flag(&place, object, "caseExact")?.unwrap_or(attribute.case_exact);
    attribute.canonical_values = texts(&place, object, "canonicalValues")?;
    attribute.reference_types = texts(&place, object, "referenceTypes")?;
    attribute.sub_attributes = attributes(&place, object.get("subAttributes"), Level::Sub)?;
    attribute.uniqueness =
        keyword(&place, object, "uniqueness", &UNIQUENESS)?.unwrap_or(Uniqueness::None);
    attribute.mutability =
        keyword(&place, object, "mutability", &MUTABILITY)?.unwrap_or(Mutability::ReadWrite);
    let returned = keyword(&place, object, "returned", &RETURNED)?;
    attribute.returned = returned.unwrap_or(match attribute.mutability {
        Mutability::WriteOnly => Returned::Never,
        _ => Returned::Default,
    });
    check(&place, &attribute, level)?;
    Ok(attribute)
}

/// Whether the characteristics go together.
fn check(place: &str, attribute: &Attribute, level: Level) -> Result<(), Error> {
    let kind = attribute.kind;
    let textual = matches!(kind, Type::String | Type::Reference | Type::Binary);
    let known_target = |target: &String| {
        let kinds = [ResourceType::User, ResourceType::Group];
        matches!(target.as_str(), "external" | "uri")
            || kinds.iter().any(|kind| kind.name() == target)
    };
    let rule = if kind == Type::Complex && level == Level::Sub {
        "a part of a complex attribute is not complex itself"
    } else if (kind == Type::Complex) == attribute.sub_attributes.is_empty() {
        "a complex attribute has sub-attributes, and no other one has"
    } else if !attribute.canonical_values.is_empty() && !textual {
        "only text has canonicalValues"
    } else if !attribute.reference_types.is_empty() && kind != Type::Reference {
        "only a reference has referenceTypes"
    } else if !attribute.reference_types.iter().all(known_target) {
        "a reference points to User, Group, external or uri"
    } else if attribute.uniqueness != Uniqueness::None
        && (matches!(kind, Type::Complex | Type::Boolean) || attribute.multi_valued)
    {
        "only a single text, number or time is unique"
    } else if attribute.mutability == Mutability::WriteOnly && attribute.returned != Returned::Never
    {
        "what is writeOnly is never returned"
    } else if attribute.mutability == Mutability::ReadOnly && attribute.required {
        "what is readOnly cannot be required of a client"
    } else {
        return Ok(());
    };
    Err(refused(place, rule))
}

const TYPES: [(&str, Type); 8] = [
    ("string", Type::String),
    ("boolean", Type::Boolean),
    ("decimal", Type::Decimal),
    ("integer", Type::Integer),
    ("dateTime", Type::DateTime),
    ("binary", Type::Binary),
    ("reference", Type::Reference),
    ("complex", Type::Complex),
];

const MUTABILITY: [(&str, Mutability); 4] = [
    ("readOnly", Mutability::ReadOnly),
    ("readWrite", Mutability::ReadWrite),
    ("immutable", Mutability::Immutable),
    ("writeOnly", Mutability::WriteOnly),
];

const RETURNED: [(&str, Returned); 4] = [
    ("always", Returned::Always),
    ("never", Returned::Never),
    ("default", Returned::Default),
    ("request", Returned::Request),
];

const UNIQUENESS: [(&str, Uniqueness); 3] = [
    ("none", Uniqueness::None),
    ("server", Uniqueness::Server),
    ("global", Uniqueness::Global),
];
