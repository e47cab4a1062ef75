//! Whether everything is there that has to be.

use serde_json::{Map, Value};

use super::Resource;
use crate::error::Error;
use crate::schema::{Attribute, ResourceSchema, Type};

/// Fails where something required is missing or empty (RFC 7643 §7): an attribute, a required extension, or a part of
/// a complex value that is there.
///
/// With the resource as it was before, what it lacked already is not this change's fault: a person whose directory
/// came to require more can still be deactivated.
pub(crate) fn check_required(
    schema: &ResourceSchema,
    resource: &Resource,
    before: Option<&Resource>,
) -> Result<(), Error> {
    let lacking = before.map(|before| lacking(schema, before));
    for (name, problem) in self::lacking(schema, resource) {
        let is_new = lacking
            .as_ref()
            .is_none_or(|lacking| lacking.iter().all(|(known, _)| *known != name));
        if is_new {
            return Err(Error::invalid_value(format!("{name} is {problem}")));
        }
    }
    Ok(())
}

/// What a resource lacks: the name, and how.
fn lacking(schema: &ResourceSchema, resource: &Resource) -> Vec<(String, &'static str)> {
    let attributes = resource.attributes();
    let mut lacking = Vec::new();
    each(schema.top_level(), attributes, "", &mut lacking);
    let nothing = Map::new();
    for extension in schema.extensions() {
        let object = attributes.get(&extension.id).and_then(Value::as_object);
        let required = schema.requires(&extension.id);
        if required && object.is_none() {
            lacking.push((extension.id.clone(), "required"));
        }
        if required || object.is_some() {
            let object = object.unwrap_or(&nothing);
            each(extension.attributes.iter(), object, "", &mut lacking);
        }
    }
    lacking
}

fn each<'a>(
    attributes: impl Iterator<Item = &'a Attribute>,
    object: &Map<String, Value>,
    parent: &str,
    lacking: &mut Vec<(String, &'static str)>,
) {
    for attribute in attributes {
        let value = object.get(&attribute.name);
        let name = || format!("{parent}{}", attribute.name);
        match value {
            None | Some(Value::Null) if attribute.required => lacking.push((name(), "required")),
            Some(Value::String(text)) if attribute.required && text.trim().is_empty() => {
                lacking.push((name(), "empty"));
            }
            Some(value) if attribute.kind == Type::Complex => {
                let elements = match value {
                    Value::Array(elements) => elements.as_slice(),
                    value => std::slice::from_ref(value),
                };
                let parent = format!("{}.", name());
                for element in elements.iter().filter_map(Value::as_object) {
                    each(attribute.sub_attributes.iter(), element, &parent, lacking);
                }
            }
            _ => {}
        }
    }
}
