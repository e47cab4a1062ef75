//! What makes two elements of a list the same (RFC 7643 §2.4).

use std::collections::HashMap;

use serde_json::Value;

use crate::evaluate::fold;
use crate::schema::Attribute;

/// The identity of an element: its `value` and `type`, in the form in which they are compared; without a `value`, or
/// in a list of simple values, the whole element.
///
/// Which element is preferred is no part of it: an element that ceases to be is still the same.
pub(crate) fn identity(attribute: &Attribute, element: &Value) -> String {
    let Value::Object(object) = element else {
        return match element {
            Value::String(text) if !attribute.case_exact => format!("t{}", fold(text)),
            value => format!("j{value}"),
        };
    };
    if let Some(value) = object.get("value") {
        let kind = object.get("type");
        let kind = kind.map_or_else(String::new, |kind| part(attribute, "type", kind));
        return format!("v{kind}\0{}", part(attribute, "value", value));
    }
    let mut object = object.clone();
    object.remove("primary");
    format!("j{}", Value::Object(object))
}

fn part(attribute: &Attribute, name: &str, value: &Value) -> String {
    match value {
        Value::String(text) if !is_exact(attribute, name) => format!("t{}", fold(text)),
        Value::String(text) => format!("t{text}"),
        value => format!("j{value}"),
    }
}

/// Whether letter case counts in a sub-attribute, or in the elements of a simple list.
pub(crate) fn is_exact(attribute: &Attribute, sub: &str) -> bool {
    attribute
        .sub_attribute(sub)
        .map_or(attribute.case_exact, |sub| sub.case_exact)
}

/// Adds to an element what another one with the same identity says beside it; whether that changed anything.
pub(crate) fn absorb(element: &mut Value, other: &Value) -> bool {
    let (Some(element), Some(other)) = (element.as_object_mut(), other.as_object()) else {
        return false;
    };
    let mut changed = false;
    for (name, value) in other {
        let is_said = matches!(name.as_str(), "value" | "type")
            || (name == "primary" && value == &Value::Bool(false));
        if !is_said && element.get(name) != Some(value) {
            element.insert(name.clone(), value.clone());
            changed = true;
        }
    }
    changed
}

/// Makes one element of those with the same identity, each in the place of its first.
///
/// Tells which elements stay; `None` where there was nothing to do.
pub(crate) fn merge_duplicates(attribute: &Attribute, values: &mut [Value]) -> Option<Vec<bool>> {
    let mut first: HashMap<String, usize> = HashMap::with_capacity(values.len());
    let mut kept = Vec::with_capacity(values.len());
    for position in 0..values.len() {
        let (before, rest) = values.split_at_mut(position);
        let Some(element) = rest.first() else { break };
        let known = *first
            .entry(identity(attribute, element))
            .or_insert(position);
        if let Some(earlier) = before.get_mut(known) {
            absorb(earlier, element);
        }
        kept.push(known == position);
    }
    kept.contains(&false).then_some(kept)
}
