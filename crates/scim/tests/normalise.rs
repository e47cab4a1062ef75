//! What a lenient directory repairs in bodies and operations, and that it says so.

#![expect(
    clippy::expect_used,
    clippy::needless_pass_by_value,
    reason = "helpers of tests fail loudly and read shortly"
)]

use std::sync::Arc;

use serde_json::{Value, json};
use vestibule_scim::{
    Change, Dialect, Draft, ErrorKind, Member, MemberChange, Reading, Registry, Repairs, Resource,
    ResourceSchema, ResourceType, Rule,
};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn schema(kind: ResourceType) -> Arc<ResourceSchema> {
    Arc::clone(Registry::standard().of(kind))
}

fn rules(repairs: &Repairs) -> Vec<Rule> {
    repairs
        .as_slice()
        .iter()
        .map(|repair| repair.rule)
        .collect()
}

/// The attributes but for the userName, and the rules.
fn create_as(reading: Reading, body: Value) -> (Value, Vec<Rule>) {
    let mut object = body.as_object().cloned().unwrap_or_default();
    object.entry("userName").or_insert(json!("ann"));
    let mut repairs = Repairs::default();
    let users = schema(ResourceType::User);
    let draft = Draft::parse(Value::Object(object), &users, reading, &mut repairs)
        .expect("what is repaired is taken");
    let mut attributes = draft.resource.into_attributes();
    attributes.remove("userName");
    (Value::Object(attributes), rules(&repairs))
}

fn create(body: Value) -> (Value, Vec<Rule>) {
    let reading = Reading::new(Dialect::Lenient).without_passwords();
    create_as(reading, body)
}

fn patch(current: Value, operation: Value) -> Result<(Value, Vec<Rule>), ErrorKind> {
    let mut attributes = current.as_object().cloned().unwrap_or_default();
    attributes.insert("userName".to_owned(), json!("ann"));
    let reading = Reading::new(Dialect::Lenient).without_passwords();
    let mut repairs = Repairs::default();
    let body = json!({ "Operations": [operation] });
    let set = Change::patch(body, &schema(ResourceType::User), reading, &mut repairs)
        .and_then(|change| change.apply(&Resource::from_stored(attributes)))
        .map_err(|error| error.kind())?;
    repairs.extend(&set.repairs);
    let mut attributes = set.resource.into_attributes();
    attributes.remove("userName");
    Ok((Value::Object(attributes), rules(&repairs)))
}

fn members(operation: Value) -> Result<(Vec<MemberChange>, Vec<Rule>), ErrorKind> {
    let mut repairs = Repairs::default();
    let body = json!({ "Operations": [operation] });
    let group: Resource = serde_json::from_value(json!({ "displayName": "g" })).expect("a group");
    let set = Change::patch(
        body,
        &schema(ResourceType::Group),
        Dialect::Lenient,
        &mut repairs,
    )
    .and_then(|change| change.apply(&group))
    .map_err(|error| error.kind())?;
    repairs.extend(&set.repairs);
    Ok((set.members, rules(&repairs)))
}

#[test]
fn old_and_misspelled_urns_keep_their_data() {
    for alias in [
        "urn:scim:schemas:extension:enterprise:1.0",
        "urn:scim:schemas:extension:enterprise:2.0",
        "urn:scim:schemas:extension:enterprise:2.0:User",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0User",
    ] {
        let body = json!({ "schemas": ["urn:scim:schemas:core:2.0", alias], alias: { "department": "D" } });
        let (attributes, rules) = create(body);
        assert_eq!(
            attributes,
            json!({ ENTERPRISE: { "department": "D" } }),
            "{alias}"
        );
        assert!(
            rules.iter().all(|rule| *rule == Rule::AliasUrn),
            "{alias}: {rules:?}"
        );
        let changed = json!({ ENTERPRISE: { "department": "D" } });
        for operation in [
            json!({ "op": "replace", "value": { alias: { "department": "D" } } }),
            json!({ "op": "replace", "value": { format!("{alias}:department"): "D" } }),
            json!({ "op": "replace", "path": format!("{alias}:department"), "value": "D" }),
            json!({ "op": "replace", "path": alias, "value": { "department": "D" } }),
        ] {
            let (attributes, rules) = patch(json!({}), operation.clone()).unwrap();
            assert_eq!(attributes, changed, "{operation}");
            assert!(rules.contains(&Rule::AliasUrn), "{operation}");
        }
    }
}

#[test]
fn unknown_schemas_are_dropped_and_told() {
    let legacy = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group";
    let (attributes, rules) = create(json!({ "schemas": [legacy, 7] }));
    assert_eq!(
        (attributes, rules),
        (json!({}), vec![Rule::Unknown, Rule::Unknown])
    );
}

#[test]
fn empty_texts_are_unassigned() {
    let photos = json!({ "photos": [{ "type": "photo", "value": "" }], "title": "", "addresses": [
        { "type": "work", "country": "" },
    ] });
    let (attributes, rules) = create(photos);
    assert_eq!(attributes, json!({ "addresses": [{ "type": "work" }] }));
    assert!(rules.iter().all(|rule| *rule == Rule::EmptyText) && !rules.is_empty());
    let current = json!({ "title": "T", "emails": [{ "type": "work", "value": "w" }] });
    let cleared = json!({ "op": "replace", "path": "title", "value": "" });
    let (attributes, rules) = patch(current.clone(), cleared).unwrap();
    assert!(attributes.get("title").is_none());
    assert_eq!(rules, [Rule::EmptyText]);
    let element =
        json!({ "op": "replace", "path": "emails[type eq \"work\"]", "value": { "value": "" } });
    assert_eq!(patch(current, element).unwrap().0, json!({ "title": "T" }));
    let nameless = json!({ "op": "replace", "path": "userName", "value": "" });
    assert_eq!(patch(json!({}), nameless), Err(ErrorKind::InvalidValue));
}

#[test]
fn dropped_password_is_told() {
    assert_eq!(
        create(json!({ "password": "x" })),
        (json!({}), vec![Rule::PasswordDropped])
    );
    assert_eq!(create(json!({ "password": null })), (json!({}), vec![]));
    for operation in [
        json!({ "op": "replace", "path": "password", "value": "x" }),
        json!({ "op": "replace", "value": { "password": "x" } }),
    ] {
        let outcome = patch(json!({ "title": "T" }), operation).unwrap();
        assert_eq!(
            outcome,
            (json!({ "title": "T" }), vec![Rule::PasswordDropped])
        );
    }
}

#[test]
fn elements_that_are_the_same_become_one() {
    let twice = json!({ "emails": [
        { "value": "a@x.test", "type": "work" },
        { "value": "A@X.TEST", "type": "Work", "primary": true },
        { "value": "a@x.test", "type": "home" },
    ] });
    let (attributes, rules) = create(twice);
    assert_eq!(
        attributes["emails"],
        json!([
            { "value": "a@x.test", "type": "work", "primary": true },
            { "value": "a@x.test", "type": "home" },
        ])
    );
    assert_eq!(rules, [Rule::DuplicateElement]);

    let current = json!({ "emails": [{ "value": "a", "type": "work", "primary": true }] });
    let add = |value: Value| {
        patch(
            current.clone(),
            json!({ "op": "add", "path": "emails", "value": value }),
        )
    };
    for same in [
        json!([{ "value": "a", "type": "work" }]),
        json!([{ "value": "A", "type": "WORK", "primary": false }]),
    ] {
        assert_eq!(add(same).unwrap(), (current.clone(), vec![]));
    }
    let (attributes, rules) =
        add(json!([{ "value": "a", "type": "work", "display": "A" }])).unwrap();
    assert_eq!(
        attributes["emails"],
        json!([{ "value": "a", "type": "work", "primary": true, "display": "A" }])
    );
    assert_eq!(rules, [Rule::DuplicateElement]);

    // Two that a change in place makes the same.
    let current =
        json!({ "emails": [{ "value": "a", "type": "work" }, { "value": "a", "type": "home" }] });
    let (attributes, rules) = patch(
        current,
        json!({ "op": "replace", "path": "emails.type", "value": "work" }),
    )
    .unwrap();
    assert_eq!(
        attributes["emails"],
        json!([{ "value": "a", "type": "work" }])
    );
    assert_eq!(rules, [Rule::DuplicateElement]);

    // Letter case counts in certificates and picture addresses.
    let exact = json!({ "photos": [{ "value": "https://x/a" }, { "value": "https://x/A" }] });
    assert_eq!(create(exact.clone()), (exact, vec![]));
}

#[test]
fn adding_nothing_leaves_what_is_there() {
    let current = json!({ "title": "T", "name": { "givenName": "G" }, "emails": [{ "type": "work", "value": "w" }] });
    for (path, value) in [
        ("title", Value::Null),
        ("title", json!("")),
        ("name", Value::Null),
        ("name", json!({ "givenName": null })),
        ("emails", Value::Null),
        ("emails", json!([])),
        ("emails[type eq \"work\"].value", Value::Null),
        ("emails[type eq \"work\"]", Value::Null),
        (ENTERPRISE, Value::Null),
        ("manager", json!("")),
    ] {
        let operation = json!({ "op": "add", "path": path, "value": value });
        let (attributes, rules) = patch(current.clone(), operation.clone()).unwrap();
        assert_eq!(attributes, current, "{operation}");
        assert!(rules.contains(&Rule::NothingToAdd), "{operation}");
    }
    let (changes, rules) = members(json!({ "op": "add", "path": "members", "value": [] })).unwrap();
    assert_eq!((changes, rules), (vec![], vec![Rule::NothingToAdd]));
}

#[test]
fn what_the_server_writes_is_told_where_it_was_left() {
    let by_path = json!({ "op": "replace", "path": format!("{ENTERPRISE}:manager"), "value": { "displayName": "B" } });
    assert_eq!(
        patch(json!({}), by_path),
        Ok((json!({}), vec![Rule::ReadOnly]))
    );
    let (attributes, rules) =
        create(json!({ ENTERPRISE: { "manager": { "value": "m", "displayName": "B" } } }));
    assert_eq!(
        attributes,
        json!({ ENTERPRISE: { "manager": { "value": "m" } } })
    );
    assert_eq!(rules, [Rule::ReadOnly]);
    let schemas = json!({ "op": "replace", "value": { "schemas": ["urn:x"], "title": "T" } });
    assert_eq!(
        patch(json!({}), schemas),
        Ok((json!({ "title": "T" }), vec![Rule::Unknown, Rule::ReadOnly]))
    );
    let removed = patch(json!({}), json!({ "op": "remove", "path": "schemas" }));
    assert_eq!(removed, Err(ErrorKind::Mutability));
}

#[test]
fn own_id_passes_and_another_one_does_not() {
    let change = |id: Value| {
        let body = json!({ "Operations": [{ "op": "replace", "value": { "id": id, "displayName": "g" } }] });
        let mut repairs = Repairs::default();
        let change = Change::patch(
            body,
            &schema(ResourceType::Group),
            Dialect::Lenient,
            &mut repairs,
        )
        .expect("Okta sends it");
        (
            change.check_id("g1").map_err(|error| error.kind()),
            rules(&repairs),
        )
    };
    assert_eq!(change(json!("g1")), (Ok(()), vec![]));
    assert_eq!(change(Value::Null), (Ok(()), vec![]));
    assert_eq!(change(json!("g2")), (Err(ErrorKind::Mutability), vec![]));
    assert_eq!(change(json!(7)), (Ok(()), vec![Rule::ReadOnly]));
}

#[test]
fn attribute_named_twice_is_told() {
    let (attributes, rules) = create(json!({ "title": "a", "TITLE": "b" }));
    assert!(attributes["title"].is_string());
    assert_eq!(rules, [Rule::DuplicateKey]);
    let (_, rules) = create(json!({ "emails": [{ "value": "a", "Value": "b" }] }));
    assert_eq!(rules, [Rule::DuplicateKey]);
    let twice = json!({ "op": "replace", "value": { "title": "a", "TITLE": "b" } });
    assert_eq!(patch(json!({}), twice).unwrap().1, [Rule::DuplicateKey]);
    let unclear = json!({ "op": "replace", "Path": "title", "path": "nickName", "value": "x" });
    assert_eq!(patch(json!({}), unclear), Err(ErrorKind::InvalidSyntax));
}

#[test]
fn empty_path_is_none() {
    let operation = json!({ "op": "replace", "path": " ", "value": { "title": "T" } });
    assert_eq!(
        patch(json!({}), operation),
        Ok((json!({ "title": "T" }), vec![Rule::EmptyPath]))
    );
}

#[test]
fn reference_of_a_manager_is_never_stored() {
    let manager = |value: Value| create(json!({ ENTERPRISE: { "manager": value } }));
    let stored = json!({ ENTERPRISE: { "manager": { "value": "m1" } } });
    let url = "https://x/scim/v2/d/Users/m1";
    assert_eq!(
        manager(json!({ "value": "m1", "$ref": url })),
        (stored.clone(), vec![])
    );
    assert_eq!(manager(json!({ "$ref": url })), (stored.clone(), vec![]));
    assert_eq!(
        manager(json!({ "value": "m1", "$ref": null })),
        (stored.clone(), vec![])
    );
    let wrong = json!({ "value": "m1", "$ref": "https://x/Users/m2" });
    assert_eq!(
        manager(wrong.clone()),
        (stored.clone(), vec![Rule::ReadOnly])
    );
    let nothing = json!({ "op": "add", "path": "manager", "value": { "$ref": null } });
    assert_eq!(
        patch(stored.clone(), nothing),
        Ok((stored.clone(), vec![Rule::ReadOnly]))
    );
    let old = json!({ ENTERPRISE: { "manager": { "value": "m0", "$ref": "../Users/m0" } } });
    let path = format!("{ENTERPRISE}:manager");
    for operation in [
        json!({ "op": "replace", "path": format!("{path}.value"), "value": "m1" }),
        json!({ "op": "replace", "path": format!("{path}.$ref"), "value": url }),
        json!({ "op": "replace", "path": path, "value": { "$ref": url } }),
        json!({ "op": "replace", "path": path, "value": wrong }),
        json!({ "op": "add", "path": path, "value": [{ "$ref": "../Users/m1", "value": "m1" }] }),
    ] {
        assert_eq!(
            patch(old.clone(), operation.clone()).unwrap().0,
            stored,
            "{operation}"
        );
    }
}

#[test]
fn roles_are_read_out_of_json_where_the_directory_says_so() {
    let text = r#"{"id":"1b4f","value":"admin","displayName":"Administrator"}"#;
    let body = json!({ "roles": [{ "value": text, "primary": "True" }], "title": text });
    let (kept, rules) = create(body.clone());
    assert_eq!(kept["roles"], json!([{ "value": text, "primary": true }]));
    assert!(rules.contains(&Rule::JsonInText));
    let reading = Reading::new(Dialect::Lenient).with_json_roles();
    let (read, rules) = create_as(reading, body);
    assert_eq!(
        read,
        json!({ "title": text, "roles": [{ "value": "admin", "display": "Administrator", "primary": true }] })
    );
    assert!(rules.contains(&Rule::JsonInText));
    for odd in ["{", "{}", "{\"value\":7}", "[]", "{\"value\":\"\"}"] {
        let (read, _) = create_as(reading, json!({ "roles": [{ "value": odd }] }));
        assert_eq!(read, json!({ "roles": [{ "value": odd }] }));
    }
}

#[test]
fn group_replaced_without_members_is_told() {
    let put = |body: Value| {
        let mut repairs = Repairs::default();
        let groups = schema(ResourceType::Group);
        Change::put(body, &groups, Dialect::Lenient, &mut repairs).expect("a good body");
        rules(&repairs)
    };
    assert_eq!(put(json!({ "displayName": "g" })), [Rule::MembersAbsent]);
    assert!(put(json!({ "displayName": "g", "members": [] })).is_empty());
}

#[test]
fn selected_member_is_the_one_that_is_written() {
    let path = "members[value eq \"a\"]";
    let a = || vec![MemberChange::Add(vec![Member::new("a")])];
    for (path, value) in [
        (path.to_owned(), json!({ "value": "a" })),
        (format!("{path}.value"), json!("a")),
    ] {
        let (changes, rules) =
            members(json!({ "op": "replace", "path": path, "value": value })).unwrap();
        assert_eq!((changes, rules), (a(), vec![Rule::ElementFromFilter]));
    }
    for (path, value) in [
        (path.to_owned(), json!({ "value": "b" })),
        (format!("{path}.value"), json!("b")),
        (format!("{path}.type"), json!("User")),
    ] {
        let outcome = members(json!({ "op": "replace", "path": path, "value": value }));
        assert_eq!(outcome, Err(ErrorKind::Mutability), "{path}");
    }
}

#[test]
fn template_that_was_not_filled_is_named_in_the_refusal() {
    let body = json!({ "userName": "ann", "active": "{$user.active}" });
    let users = schema(ResourceType::User);
    let error = Draft::parse(body, &users, Dialect::Lenient, &mut Repairs::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidValue);
    assert!(error.detail().contains("was not filled"));
}
