//! A user's attributes as the admin API spells them, in the form in which directories and the store keep them.

use serde_json::{Map, Value, json};
use vestibule_store::{User, UserRecord};

/// What a user can be changed from: the record as it is.
pub(super) fn record_of(user: &User) -> UserRecord {
    UserRecord {
        user_name: user.user_name.clone(),
        external_id: user.external_id.clone(),
        display_name: text(&user.attributes, "displayName").map(str::to_owned),
        email: user.email.clone(),
        emails: addresses(&user.attributes, user.email.as_deref()),
        active: user.active,
        attributes: user.attributes.clone(),
        indexed: None,
    }
}

/// A plain attribute.
pub(super) fn text<'a>(attributes: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    attributes.get(name).and_then(Value::as_str)
}

/// Every address of a user, the primary one included.
pub(super) fn addresses(attributes: &Map<String, Value>, primary: Option<&str>) -> Vec<String> {
    let listed = attributes.get("emails").and_then(Value::as_array);
    let mut found: Vec<String> = listed
        .into_iter()
        .flatten()
        .filter_map(|email| {
            email
                .get("value")
                .and_then(Value::as_str)
                .map(str::to_owned)
        })
        .collect();
    if let Some(primary) = primary.filter(|primary| !found.iter().any(|email| email == primary)) {
        found.push(primary.to_owned());
    }
    found
}

/// Sets or removes a plain attribute.
pub(super) fn put(attributes: &mut Map<String, Value>, name: &str, value: Option<&str>) {
    match value {
        Some(value) => attributes.insert(name.to_owned(), value.into()),
        None => attributes.remove(name),
    };
}

/// Sets or removes a part of the `name`, which goes when nothing is left of it.
pub(super) fn put_name(attributes: &mut Map<String, Value>, part: &str, value: Option<&str>) {
    let name = attributes.entry("name").or_insert_with(|| json!({}));
    let Some(parts) = name.as_object_mut() else {
        return;
    };
    put(parts, part, value);
    if parts.is_empty() {
        attributes.remove("name");
    }
}

/// Puts another primary address in the place of the one before; the further addresses stay.
pub(super) fn put_email(attributes: &mut Map<String, Value>, value: Option<&str>) {
    let mut emails = match attributes.remove("emails") {
        Some(Value::Array(emails)) => emails,
        _ => Vec::new(),
    };
    emails.retain(|email| {
        let is_primary = email.get("primary").and_then(Value::as_bool) == Some(true);
        !is_primary && email.get("value").and_then(Value::as_str) != value
    });
    if let Some(value) = value {
        emails.insert(
            0,
            json!({ "value": value, "type": "work", "primary": true }),
        );
    }
    if !emails.is_empty() {
        attributes.insert("emails".to_owned(), Value::Array(emails));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn another_primary_address_leaves_the_further_ones() {
        let mut attributes = map(
            &json!({ "emails": [{ "value": "a@x.test", "primary": true }, { "value": "b@x.test" }] }),
        );
        put_email(&mut attributes, Some("c@x.test"));
        assert_eq!(
            addresses(&attributes, Some("c@x.test")),
            ["c@x.test", "b@x.test"]
        );
        put_email(&mut attributes, None);
        assert_eq!(addresses(&attributes, None), ["b@x.test"]);
    }

    #[test]
    fn a_name_without_parts_goes() {
        let mut attributes = Map::new();
        put_name(&mut attributes, "givenName", Some("Ada"));
        assert_eq!(
            Value::Object(attributes.clone()),
            json!({ "name": { "givenName": "Ada" } })
        );
        put_name(&mut attributes, "givenName", None);
        assert!(attributes.is_empty());
    }
}
