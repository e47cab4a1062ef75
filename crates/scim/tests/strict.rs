//! What a strict directory refuses: the interoperability and IPSIE profiles by their letter.

#![expect(
    clippy::needless_pass_by_value,
    reason = "helpers of tests read shortly"
)]

use std::sync::Arc;

use serde_json::{Map, Value, json};
use vestibule_scim::{
    Change, ChangeSet, Dialect, Draft, Error, ErrorKind, Path, Reading, Registry, Repairs,
    Resource, ResourceSchema, ResourceType,
};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn users() -> Arc<ResourceSchema> {
    Arc::clone(Registry::standard().of(ResourceType::User))
}

fn create(body: Value) -> Result<Draft, ErrorKind> {
    let reading = Reading::new(Dialect::Strict).without_passwords();
    let mut repairs = Repairs::default();
    let draft =
        Draft::parse(body, &users(), reading, &mut repairs).map_err(|error| error.kind())?;
    assert!(
        repairs.is_empty(),
        "strictly nothing is repaired: {repairs:?}"
    );
    Ok(draft)
}

fn patch(current: Value, operations: Value) -> Result<ChangeSet, Error> {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations,
    });
    let mut attributes = current.as_object().cloned().unwrap_or_default();
    attributes.insert("userName".to_owned(), json!("ann"));
    let reading = Reading::new(Dialect::Strict).without_passwords();
    let change = Change::patch(body, &users(), reading, &mut Repairs::default())?;
    change.apply(&Resource::from_stored(attributes))
}

#[test]
fn body_names_its_schemas() {
    let whole = json!({ "schemas": [USER, ENTERPRISE], "userName": "a", ENTERPRISE: { "department": "D" } });
    assert!(create(whole).is_ok());
    // A schema may be named that nothing is in.
    assert!(create(json!({ "schemas": [USER, ENTERPRISE], "userName": "a" })).is_ok());
    for (body, kind) in [
        (json!({ "userName": "a" }), ErrorKind::InvalidSyntax),
        (
            json!({ "schemas": [], "userName": "a" }),
            ErrorKind::InvalidSyntax,
        ),
        (
            json!({ "schemas": [ENTERPRISE], "userName": "a" }),
            ErrorKind::InvalidSyntax,
        ),
        (
            json!({ "schemas": USER, "userName": "a" }),
            ErrorKind::InvalidValue,
        ),
        (
            json!({ "schemas": [USER, 1], "userName": "a" }),
            ErrorKind::InvalidValue,
        ),
        (
            json!({ "schemas": [USER], "userName": "a", ENTERPRISE: { "department": "D" } }),
            ErrorKind::InvalidSyntax,
        ),
        (
            json!({ "schemas": [USER, "urn:x:y"], "userName": "a" }),
            ErrorKind::InvalidSyntax,
        ),
        (
            json!({ "schemas": ["urn:scim:schemas:core:1.0"], "userName": "a" }),
            ErrorKind::InvalidSyntax,
        ),
    ] {
        assert_eq!(create(body.clone()).err(), Some(kind), "{body}");
    }
}

#[test]
fn habits_are_refused() {
    let with = |name: &str, value: Value| {
        let mut body = Map::from_iter([
            ("schemas".to_owned(), json!([USER, ENTERPRISE])),
            ("userName".to_owned(), json!("a")),
        ]);
        body.insert(name.to_owned(), value);
        create(Value::Object(body)).err()
    };
    for (name, value, kind) in [
        ("unknown", json!("x"), ErrorKind::InvalidSyntax),
        ("department", json!("x"), ErrorKind::InvalidSyntax),
        ("name.givenName", json!("x"), ErrorKind::InvalidSyntax),
        ("USERNAME", json!("b"), ErrorKind::InvalidSyntax),
        ("password", json!("x"), ErrorKind::InvalidSyntax),
        ("active", json!("true"), ErrorKind::InvalidValue),
        ("emails", json!({ "value": "x" }), ErrorKind::InvalidValue),
        ("emails", json!(["x"]), ErrorKind::InvalidValue),
        (
            "emails",
            json!([{ "value": "x", "VALUE": "y" }]),
            ErrorKind::InvalidSyntax,
        ),
        (
            "emails",
            json!([{ "value": "x", "primary": true }, { "value": "y", "primary": true }]),
            ErrorKind::InvalidValue,
        ),
        (
            "urn:scim:schemas:extension:enterprise:1.0",
            json!({}),
            ErrorKind::InvalidSyntax,
        ),
    ] {
        assert_eq!(with(name, value.clone()), Some(kind), "{name} {value}");
    }
    // An empty text is a value to the letter of RFC 7643 §2.5.
    assert_eq!(with("title", json!("")), None);
    assert_eq!(with("password", Value::Null), None);
}

#[test]
fn operations_do_what_they_say_or_fail() {
    for (operation, kind) in [
        (
            json!({ "op": "add", "path": "", "value": { "title": "x" } }),
            ErrorKind::InvalidPath,
        ),
        (
            json!({ "op": "add", "path": "department", "value": "x" }),
            ErrorKind::InvalidPath,
        ),
        (
            json!({ "op": "add", "path": "title", "value": null }),
            ErrorKind::InvalidValue,
        ),
        (
            json!({ "op": "add", "path": "emails", "value": [] }),
            ErrorKind::InvalidValue,
        ),
        (
            json!({ "op": "add", "path": "name", "value": { "givenName": null } }),
            ErrorKind::InvalidValue,
        ),
        (
            json!({ "op": "remove", "path": "emails[type eq \"none\"]" }),
            ErrorKind::NoTarget,
        ),
        (
            json!({ "op": "remove", "path": "emails[type eq \"none\"].value" }),
            ErrorKind::NoTarget,
        ),
        (
            json!({ "op": "remove", "path": "schemas" }),
            ErrorKind::Mutability,
        ),
        (
            json!({ "op": "add", "path": "schemas", "value": [ENTERPRISE] }),
            ErrorKind::Mutability,
        ),
        (
            json!({ "op": "replace", "path": "schemas", "value": [] }),
            ErrorKind::Mutability,
        ),
        (
            json!({ "op": "add", "path": "schemas", "value": ["urn:x:y"] }),
            ErrorKind::InvalidSyntax,
        ),
        (
            json!({ "op": "replace", "path": "password", "value": "x" }),
            ErrorKind::InvalidSyntax,
        ),
        (
            json!({ "op": "remove", "path": "password" }),
            ErrorKind::InvalidSyntax,
        ),
        (
            json!({ "op": "replace", "path": format!("{ENTERPRISE}:manager"), "value": { "displayName": "B" } }),
            ErrorKind::Mutability,
        ),
        (
            json!({ "op": "remove", "path": format!("{ENTERPRISE}:manager.$ref") }),
            ErrorKind::Mutability,
        ),
        (
            json!({ "op": "replace", "path": format!("{ENTERPRISE}:manager.$ref"), "value": "nowhere" }),
            ErrorKind::InvalidValue,
        ),
        (
            json!({ "op": "add", "OP": "remove", "path": "title", "value": "x" }),
            ErrorKind::InvalidSyntax,
        ),
    ] {
        let outcome = patch(json!({}), json!([operation])).map(|_| ());
        assert_eq!(
            outcome.map_err(|error| error.kind()),
            Err(kind),
            "{operation}"
        );
    }
}

#[test]
fn schemas_may_be_told_as_they_are() {
    let operations = json!([
        { "op": "add", "path": "schemas", "value": [USER, ENTERPRISE] },
        { "op": "add", "path": format!("{ENTERPRISE}:department"), "value": "D" },
    ]);
    let set = patch(json!({}), operations).unwrap();
    assert_eq!(set.resource.schemas(&users()).count(), 2);
    let same = json!([{ "op": "replace", "path": "schemas", "value": [USER] }]);
    assert!(patch(json!({}), same).unwrap().is_noop());
}

#[test]
fn values_to_remove_are_still_those_that_are_named() {
    let current = json!({ "emails": [{ "value": "a" }, { "value": "b" }] });
    let operations = json!([{ "op": "remove", "path": "emails", "value": [{ "value": "A" }] }]);
    let set = patch(current, operations).unwrap();
    assert_eq!(
        set.resource.attributes()["emails"],
        json!([{ "value": "b" }])
    );
}

#[test]
fn paths_of_extensions_carry_the_urn() {
    assert!(Path::parse(&format!("{ENTERPRISE}:department"), &users()).is_ok());
    assert!(Path::parse("department", &users()).is_err());
    assert!(
        Path::parse(
            "urn:scim:schemas:extension:enterprise:1.0:department",
            &users()
        )
        .is_err()
    );
    assert!(Path::parse(&format!("{USER}:title"), &users()).is_ok());
}

#[test]
fn fifty_and_more_member_operations_are_taken() {
    let groups = Arc::clone(Registry::standard().of(ResourceType::Group));
    let operations: Vec<Value> = (0..5_000)
        .map(|n| json!({ "op": "add", "path": "members", "value": [{ "value": n.to_string() }] }))
        .collect();
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations,
    });
    let change = Change::patch(body, &groups, Dialect::Strict, &mut Repairs::default()).unwrap();
    let group = Resource::from_stored(Map::from_iter([("displayName".to_owned(), json!("g"))]));
    assert_eq!(change.apply(&group).unwrap().members.len(), 1);
}
