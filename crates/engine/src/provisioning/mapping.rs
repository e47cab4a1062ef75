//! Which attributes of a directory's users become what in the user store.
//!
//! The standard's attributes fill the columns; where an admin chose others, [`record`] overrules the column, and what
//! has no column of its own goes into the index under a name that no attribute has.

use serde_json::{Map, Value};
use vestibule_core::{email_domain, name_key};
use vestibule_scim::{DateTime, Error, Resource};
use vestibule_store::{UNIQUE, UserRecord};

use super::settings::{AttributeMapping, DirectorySettings};

/// Longest value that is indexed, in bytes; PostgreSQL indexes hold no more than 2,704.
const INDEXED: usize = 2_000;
/// What the index calls the login name. No SCIM path begins so.
pub(crate) const LOGIN_NAME: &str = "=login_name";
/// What the index calls the e-mail address.
pub(crate) const EMAIL: &str = "=email";

/// The mapping of users that no directory owns.
pub(crate) fn standard() -> AttributeMapping {
    AttributeMapping::default()
}

/// Overrules the columns of a user as the directory's settings say, and says what the user is found by.
pub(super) fn record(settings: &DirectorySettings, record: &mut UserRecord) -> Result<(), Error> {
    if let Some(path) = &settings.mapping.email {
        record.email = address_at(path, &record.attributes);
    }
    record.indexed = index(settings, &record.attributes)?;
    Ok(())
}

/// What a user is found by beyond the columns; none where the directory asks for nothing.
///
/// Fails with `invalid_value` where a value is longer than an index can hold.
pub(crate) fn index(
    settings: &DirectorySettings,
    attributes: &Map<String, Value>,
) -> Result<Option<Vec<(String, String)>>, Error> {
    let mapping = &settings.mapping;
    if settings.indexed_attributes.is_empty()
        && mapping.login_name.is_none()
        && mapping.email.is_none()
        && settings.unique.is_empty()
    {
        return Ok(None);
    }
    let mut keys = Vec::new();
    let mut add_key = |name: &str, value: &str, key: String| {
        if value.len() > INDEXED || key.len() > INDEXED {
            return Err(Error::invalid_value(format!(
                "a value that the directory indexes is longer than {INDEXED} bytes"
            )));
        }
        if !key.is_empty() && !keys.contains(&(name.to_owned(), key.clone())) {
            keys.push((name.to_owned(), key));
        }
        Ok(())
    };
    for unique in &settings.unique {
        let name = format!("{UNIQUE}{}", unique.path);
        for value in values(attributes, &unique.path) {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => match number.as_i64() {
                    Some(whole) => whole.to_string(),
                    // 1.0 is 1, too.
                    None => number.as_f64().unwrap_or_default().to_string(),
                },
                _ => continue,
            };
            let time = DateTime::parse(&text).filter(|_| unique.is_time);
            let key = match time {
                Some(time) => time.unix_micros().to_string(),
                None if unique.case_exact => text.clone(),
                None => name_key(&text),
            };
            add_key(&name, &text, key)?;
        }
    }
    let mut add = |name: &str, value: &str| add_key(name, value, name_key(value));
    for path in &settings.indexed_attributes {
        for value in texts(attributes, path) {
            add(path, value)?;
        }
    }
    if let Some(name) = login_name(mapping, attributes) {
        add(LOGIN_NAME, name)?;
    }
    if let Some(path) = &mapping.email
        && let Some(email) = address_at(path, attributes)
    {
        add(EMAIL, &email)?;
    }
    Ok(Some(keys))
}

/// The first value of the attribute that is the e-mail address, if it is one.
fn address_at(path: &str, attributes: &Map<String, Value>) -> Option<String> {
    texts(attributes, path)
        .into_iter()
        .find(|text| email_domain(text).is_some())
        .map(str::to_owned)
}

/// The address of a user: what the directory says is the address, or else the primary one of `emails`.
pub(crate) fn email_of(
    mapping: &AttributeMapping,
    attributes: &Map<String, Value>,
) -> Option<String> {
    match &mapping.email {
        Some(path) => address_at(path, attributes),
        None => Resource::from_stored(attributes.clone())
            .email()
            .map(str::to_owned),
    }
}

/// The login name where the directory says which attribute it is: that one's first value.
pub(crate) fn login_name<'a>(
    mapping: &AttributeMapping,
    attributes: &'a Map<String, Value>,
) -> Option<&'a str> {
    texts(attributes, mapping.login_name.as_deref()?)
        .into_iter()
        .find(|text| !text.trim().is_empty())
}

/// The roles that the directory says a user has, each once.
pub(crate) fn roles(mapping: &AttributeMapping, attributes: &Map<String, Value>) -> Vec<String> {
    let path = mapping.roles.as_deref().unwrap_or("roles.value");
    let mut roles: Vec<String> = Vec::new();
    for text in texts(attributes, path) {
        let role = if mapping.json_roles {
            role_in(text)
        } else {
            text.to_owned()
        };
        if !role.is_empty() && !roles.contains(&role) {
            roles.push(role);
        }
    }
    roles
}

/// The `value` of an object in JSON; any other text is the role itself.
fn role_in(text: &str) -> String {
    let parsed: Option<Value> = Some(text)
        .filter(|text| text.trim_start().starts_with('{'))
        .and_then(|text| serde_json::from_str(text).ok());
    parsed
        .as_ref()
        .and_then(|object| object.get("value"))
        .and_then(Value::as_str)
        .unwrap_or(text)
        .to_owned()
}

/// The texts at a canonical path: `name`, `name.sub`, or either behind the URN of an extension. The primary element of
/// a list goes first, and of an object without sub-attribute its `value` is meant.
pub(crate) fn texts<'a>(attributes: &'a Map<String, Value>, path: &str) -> Vec<&'a str> {
    values(attributes, path)
        .into_iter()
        .filter_map(Value::as_str)
        .collect()
}

fn values<'a>(attributes: &'a Map<String, Value>, path: &str) -> Vec<&'a Value> {
    let (urn, name) = match path.rsplit_once(':') {
        Some((urn, name)) => (Some(urn), name),
        None => (None, path),
    };
    let (name, sub) = match name.split_once('.') {
        Some((name, sub)) => (name, sub),
        None => (name, "value"),
    };
    let holder = match urn {
        Some(urn) => attributes.get(urn).and_then(Value::as_object),
        None => Some(attributes),
    };
    let mut elements: Vec<&Value> = match holder.and_then(|holder| holder.get(name)) {
        None => return Vec::new(),
        Some(Value::Array(elements)) => elements.iter().collect(),
        Some(value) => vec![value],
    };
    let is_primary = |element: &&Value| element.get("primary") == Some(&Value::Bool(true));
    elements.sort_by_key(|element| !is_primary(element));
    elements
        .into_iter()
        .filter_map(|element| match element {
            Value::Object(object) => object.get(sub),
            value => Some(value),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn attributes(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(attributes) => attributes,
            _ => Map::new(),
        }
    }

    #[test]
    fn paths_reach_names_parts_lists_and_extensions() {
        let user = attributes(json!({
            "userName": "bob", "name": { "familyName": "Roe" }, "tags": ["a", "b"],
            "emails": [{ "value": "b@a.test" }, { "value": "p@a.test", "primary": true }],
            "urn:x:2.0:User": { "employeeNumber": "7", "manager": { "value": "m" } },
        }));
        for (path, expected) in [
            ("userName", vec!["bob"]),
            ("name.familyName", vec!["Roe"]),
            ("tags", vec!["a", "b"]),
            ("emails.value", vec!["p@a.test", "b@a.test"]),
            ("emails", vec!["p@a.test", "b@a.test"]),
            ("urn:x:2.0:User:employeeNumber", vec!["7"]),
            ("urn:x:2.0:User:manager", vec!["m"]),
            ("urn:y:2.0:User:manager", vec![]),
            ("title", vec![]),
        ] {
            assert_eq!(texts(&user, path), expected, "{path}");
        }
    }

    #[test]
    fn roles_in_json_are_read_only_where_the_directory_says_so() {
        let text = r#"{"id":"1","value":"admin","displayName":"Admin"}"#;
        let user = attributes(json!({ "roles": [
            { "value": text }, { "value": "admin" }, { "value": "{broken" }, { "value": "{\"id\":1}" },
        ] }));
        let mut mapping = AttributeMapping::default();
        assert_eq!(
            roles(&mapping, &user),
            [text, "admin", "{broken", "{\"id\":1}"]
        );
        mapping.json_roles = true;
        assert_eq!(roles(&mapping, &user), ["admin", "{broken", "{\"id\":1}"]);
        mapping.roles = Some("userType".to_owned());
        assert!(roles(&mapping, &user).is_empty());
    }

    #[test]
    fn address_is_the_chosen_attribute_or_none() {
        let user = attributes(json!({
            "userName": "bob", "x": "bob@a.test", "emails": [{ "value": "first@a.test" }],
        }));
        let of = |path: Option<&str>| {
            let mapping = AttributeMapping {
                email: path.map(str::to_owned),
                ..AttributeMapping::default()
            };
            email_of(&mapping, &user)
        };
        assert_eq!(of(Some("x")).as_deref(), Some("bob@a.test"));
        assert_eq!(of(Some("userName")), None);
        assert_eq!(of(None).as_deref(), Some("first@a.test"));
    }
}
