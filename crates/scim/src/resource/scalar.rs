//! Checks of single values.

use serde_json::{Map, Value};

use super::read::Reader;
use crate::dialect::Rule;
use crate::error::Error;
use crate::moment::DateTime;
use crate::path::AttributePath;
use crate::schema::{Attribute, Type};

/// A boolean that was written as text, in any letter case.
pub(crate) fn text_boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// Reads a value of a simple attribute; `None` is an empty text that was taken as unassigned.
pub(super) fn scalar(
    reader: &mut Reader<'_>,
    attribute: &Attribute,
    path: &AttributePath,
    value: Value,
) -> Result<Option<Value>, Error> {
    // JumpCloud and others send an empty text for what they do not know.
    if reader.lenient() && value.as_str() == Some("") {
        reader.repairs.note(Rule::EmptyText, &path.to_string());
        return Ok(None);
    }
    typed(reader, attribute, path, value).map(Some)
}

fn typed(
    reader: &mut Reader<'_>,
    attribute: &Attribute,
    path: &AttributePath,
    value: Value,
) -> Result<Value, Error> {
    let lenient = reader.lenient();
    // OneLogin sends `{$user.active}` where its administrator's template names what the user has not.
    if attribute.kind != Type::String && value.as_str().is_some_and(|text| text.starts_with("{$")) {
        return Err(Error::invalid_value(format!(
            "{path} holds a variable of the client's template that was not filled"
        )));
    }
    let expected = match (attribute.kind, value) {
        (Type::Boolean, Value::Bool(value)) => return Ok(Value::Bool(value)),
        (Type::Boolean, Value::String(text)) if lenient => {
            if let Some(value) = text_boolean(&text) {
                reader.repairs.note(Rule::TextBoolean, &path.to_string());
                return Ok(Value::Bool(value));
            }
            "true or false"
        }
        (Type::Integer, Value::Number(number)) if number.is_i64() => {
            return Ok(Value::Number(number));
        }
        (Type::Decimal, Value::Number(number)) => return Ok(Value::Number(number)),
        (Type::DateTime, Value::String(text)) if DateTime::parse(&text).is_some() => {
            return Ok(Value::String(text));
        }
        (Type::Binary, Value::String(text)) if is_base64(&text) => return Ok(Value::String(text)),
        (Type::String | Type::Reference, Value::String(text)) => {
            return checked(reader, path, text);
        }
        (Type::String, Value::Number(number)) if lenient => {
            reader.repairs.note(Rule::BareValue, &path.to_string());
            return Ok(Value::String(number.to_string()));
        }
        (kind, _) => expectation(kind),
    };
    Err(Error::invalid_value(format!("{path} holds {expected}")))
}

const fn expectation(kind: Type) -> &'static str {
    match kind {
        Type::String | Type::Reference => "text",
        Type::Boolean => "true or false",
        Type::Decimal => "a number",
        Type::Integer => "a whole number",
        Type::DateTime => "a date and time with offset",
        Type::Binary => "base64",
        Type::Complex => "an object",
    }
}

fn checked(reader: &mut Reader<'_>, path: &AttributePath, text: String) -> Result<Value, Error> {
    // PostgreSQL cannot store it, and no name has one.
    if text.contains('\0') {
        return Err(Error::invalid_value(format!(
            "{path} holds a NUL character"
        )));
    }
    if path.sub() == Some("value") && text.starts_with('{') {
        reader.repairs.note(Rule::JsonInText, &path.to_string());
    }
    Ok(Value::String(text))
}

/// Takes a role out of JSON in its `value`, as Entra writes app roles: the JSON's `value` is the role, and its
/// `displayName` the name for people. Whether there was one.
pub(super) fn role_of_json(role: &mut Map<String, Value>) -> bool {
    let find = |name: &str| {
        role.keys()
            .find(|key| key.eq_ignore_ascii_case(name))
            .cloned()
    };
    let (Some(key), display) = (find("value"), find("display")) else {
        return false;
    };
    let text = role.get(&key).and_then(Value::as_str);
    let Some(text) = text.filter(|text| text.trim_start().starts_with('{')) else {
        return false;
    };
    let Ok(Value::Object(mut inner)) = serde_json::from_str(text) else {
        return false;
    };
    let mut text_of = |name: &str| match inner.remove(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        _ => None,
    };
    let (Some(value), name) = (text_of("value"), text_of("displayName")) else {
        return false;
    };
    role.insert(key, Value::from(value));
    if let (Some(name), None) = (name, display) {
        role.insert("display".to_owned(), Value::from(name));
    }
    true
}

/// Whether an element is the preferred one.
pub(crate) fn is_primary(value: &Value) -> bool {
    value.get("primary") == Some(&Value::Bool(true))
}

/// Makes an element an ordinary one.
pub(crate) fn clear_primary(value: &mut Value) {
    if let Some(object) = value.as_object_mut() {
        object.insert("primary".to_owned(), Value::Bool(false));
    }
}

/// Leaves the last preferred element of a list as the only one.
pub(super) fn one_primary(values: &mut [Value]) {
    let mut last = true;
    for value in values.iter_mut().rev().filter(|value| is_primary(value)) {
        if !last {
            clear_primary(value);
        }
        last = false;
    }
}

fn is_base64(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+/=-_\r\n".contains(&byte))
}
