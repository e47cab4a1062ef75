//! Whether what an operation asks for is so already, told from the operation alone.
//!
//! This is the judge of "never a success without effect" and shares no step with what it judges but the path's syntax.

use serde_json::{Map, Value};

use crate::dialect::{Dialect, Repairs};
use crate::evaluate::{fold, matches_element};
use crate::path::{AttributePath, Path};
use crate::resource::Resource;
use crate::schema::{Attribute, ResourceSchema};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Add,
    Replace,
    Remove,
}

/// What is judged: the resource before the operation.
struct Judge<'a> {
    verb: Verb,
    schema: &'a ResourceSchema,
    before: &'a Resource,
}

/// Whether the operation asks for nothing that is not so.
pub(super) fn holds(operation: &Value, schema: &ResourceSchema, before: &Resource) -> bool {
    let member = |name: &str| {
        let mut members = operation.as_object().into_iter().flatten();
        members
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    };
    let verb = member("op").and_then(Value::as_str).unwrap_or_default();
    let verb = match verb.to_ascii_lowercase().as_str() {
        "add" => Verb::Add,
        "replace" => Verb::Replace,
        _ => Verb::Remove,
    };
    let judge = Judge {
        verb,
        schema,
        before,
    };
    let value = member("value").unwrap_or(&Value::Null);
    match member("path").and_then(Value::as_str) {
        None => judge.entries(value),
        Some(path) => judge.at(path, value),
    }
}

/// Whether a value says nothing.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.iter().all(is_nothing),
        Value::Object(object) => object.values().all(is_nothing),
        _ => false,
    }
}

impl Judge<'_> {
    fn entries(&self, value: &Value) -> bool {
        let entries = value.as_object().into_iter().flatten();
        entries.into_iter().all(|(key, value)| self.at(key, value))
    }

    fn at(&self, path: &str, value: &Value) -> bool {
        // What is no attribute of the resource is judged elsewhere: the id, the schemas, the core URN as a path.
        let elsewhere = [
            "id",
            "schemas",
            "password",
            "members",
            self.schema.core().id.as_str(),
        ];
        if elsewhere
            .iter()
            .any(|name| path.trim().eq_ignore_ascii_case(name))
        {
            return !path.contains("core") || self.entries(value);
        }
        match Path::parse_as(path, self.schema, Dialect::Lenient, &mut Repairs::default()) {
            Ok(Path::Extension(urn)) => match value {
                Value::Object(object) if self.verb != Verb::Remove => object
                    .iter()
                    .filter(|(key, _)| !key.eq_ignore_ascii_case("schemas"))
                    .all(|(key, value)| self.at(&format!("{urn}:{key}"), value)),
                _ => !self.before.attributes().contains_key(&urn),
            },
            Ok(Path::Attribute(path)) => self.attribute(&path, value),
            Ok(Path::Elements { list, filter, sub }) => {
                let elements = self.elements(&list);
                let chosen: Vec<&Value> = elements
                    .into_iter()
                    .filter(|element| matches_element(&filter, element))
                    .collect();
                match sub {
                    Some(sub) => chosen.iter().all(|element| self.part(element, &sub, value)),
                    None if self.verb == Verb::Remove => chosen.is_empty(),
                    None => chosen.iter().all(|element| covers(element, alone(value))),
                }
            }
            // A success at no attribute is a finding.
            Err(_) => false,
        }
    }

    fn elements(&self, list: &AttributePath) -> Vec<&Value> {
        let value = self.before.get(list).and_then(Value::as_array);
        value.map(|list| list.iter().collect()).unwrap_or_default()
    }

    /// Whether a part of an element is so.
    fn part(&self, element: &Value, sub: &str, value: &Value) -> bool {
        match (self.verb, element.get(sub)) {
            (Verb::Remove, found) => found.is_none(),
            (_, None) => is_nothing(value),
            (_, Some(found)) => found == value,
        }
    }

    fn attribute(&self, path: &AttributePath, value: &Value) -> bool {
        let list = path.parent();
        let Some(found) = self.schema.at(path) else {
            return false;
        };
        let attribute = found.attribute;
        match path.sub() {
            Some("$ref") if attribute.refers_to().is_some() => {
                let id = value.as_str().and_then(|url| url.rsplit('/').next());
                self.before
                    .get(&list.child("value"))
                    .and_then(Value::as_str)
                    == id
            }
            Some(sub) if attribute.multi_valued => {
                let elements = self.elements(&list);
                (!elements.is_empty() || self.verb == Verb::Remove || is_nothing(value))
                    && elements
                        .iter()
                        .all(|element| self.part(element, sub, value))
            }
            None if attribute.multi_valued => self.list(path, attribute, value),
            _ if self.verb == Verb::Remove || is_nothing(value) => {
                self.before.get(path).is_none() || self.is_empty_object(path, value)
            }
            None => match (value, &attribute.sub_attributes[..]) {
                (Value::Object(object), [_, ..]) => object
                    .iter()
                    .filter(|(key, _)| !follows(attribute, key, object))
                    .all(|(key, value)| self.at(&format!("{path}.{key}"), value)),
                _ => self.before.get(path) == Some(value),
            },
            Some(_) => self.before.get(path) == Some(value),
        }
    }

    /// An object without members, or with parts that are not there, asks for nothing.
    fn is_empty_object(&self, path: &AttributePath, value: &Value) -> bool {
        let Value::Object(object) = value else {
            return false;
        };
        self.verb != Verb::Remove
            && object
                .keys()
                .all(|key| self.at(&format!("{path}.{key}"), &Value::Null))
    }

    fn list(&self, path: &AttributePath, attribute: &Attribute, value: &Value) -> bool {
        let elements = self.elements(path);
        if self.verb == Verb::Remove {
            return elements.is_empty();
        }
        let said: Vec<&Value> = match value {
            Value::Array(list) => list.iter().filter(|value| !is_nothing(value)).collect(),
            value if is_nothing(value) => Vec::new(),
            value => vec![value],
        };
        let is_there = |said: &&Value| {
            elements.iter().any(|element| {
                if attribute.sub_attributes.is_empty() {
                    alike(element, said)
                } else {
                    covers(element, said)
                }
            })
        };
        let all_there = said.iter().all(is_there);
        match self.verb {
            Verb::Replace => all_there && said.len() == elements.len(),
            _ => all_there,
        }
    }
}

/// Whether a `$ref` says no more than the value beside it.
fn follows(attribute: &Attribute, key: &str, object: &Map<String, Value>) -> bool {
    let has_value = object.keys().any(|key| key.eq_ignore_ascii_case("value"));
    key.eq_ignore_ascii_case("$ref") && attribute.refers_to().is_some() && has_value
}

/// The element of a list of one.
fn alone(value: &Value) -> &Value {
    match value {
        Value::Array(list) => match &list[..] {
            [one] => one,
            _ => value,
        },
        value => value,
    }
}

/// Whether an element has every part that is said, where `primary: false` says nothing.
fn covers(element: &Value, said: &Value) -> bool {
    let (Value::Object(element), Value::Object(said)) = (element, said) else {
        return alike(element, said);
    };
    said.iter().all(|(name, value)| {
        let part = element
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value);
        let is_no_primary = name.eq_ignore_ascii_case("primary") && value == &Value::Bool(false);
        match part {
            None => is_nothing(value) || is_no_primary,
            Some(part) => alike(part, value) || is_no_primary,
        }
    })
}

fn alike(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::String(left), Value::String(right)) => fold(left) == fold(right),
        (left, right) => left == right,
    }
}
