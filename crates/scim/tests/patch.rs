//! PATCH and PUT: the rules of RFC 7644 §3.5 and the habits of identity providers.

#![expect(
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "helpers of tests fail loudly and read shortly"
)]

use std::sync::Arc;

use serde_json::{Map, Value, json};
use vestibule_scim::{
    Change, ChangeSet, Dialect, ErrorKind, Member, MemberChange, PasswordChange, Registry, Repairs,
    Resource, ResourceSchema, ResourceType, Rule,
};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn schema(kind: ResourceType) -> Arc<ResourceSchema> {
    Arc::clone(Registry::standard().of(kind))
}

fn resource(value: Value) -> Resource {
    let mut attributes = match value {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    attributes.entry("userName").or_insert(json!("ann"));
    Resource::from_stored(attributes)
}

struct Outcome {
    set: ChangeSet,
    repairs: Vec<Rule>,
}

fn run(
    kind: ResourceType,
    dialect: Dialect,
    current: &Resource,
    operations: Value,
) -> Result<Outcome, ErrorKind> {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations,
    });
    let mut repairs = Repairs::default();
    let change =
        Change::patch(body, &schema(kind), dialect, &mut repairs).map_err(|error| error.kind())?;
    let set = change.apply(current).map_err(|error| error.kind())?;
    repairs.extend(&set.repairs);
    let repairs = repairs
        .as_slice()
        .iter()
        .map(|repair| repair.rule)
        .collect();
    Ok(Outcome { set, repairs })
}

fn patch(current: Value, operations: Value) -> Result<Outcome, ErrorKind> {
    run(
        ResourceType::User,
        Dialect::Lenient,
        &resource(current),
        operations,
    )
}

/// The resource afterwards, without the userName.
fn after(current: Value, operations: Value) -> Value {
    let shown = operations.to_string();
    let outcome = patch(current, operations).unwrap_or_else(|kind| panic!("{shown}: {kind:?}"));
    let mut attributes = outcome.set.resource.into_attributes();
    attributes.remove("userName");
    Value::Object(attributes)
}

fn refused(current: Value, operations: Value) -> ErrorKind {
    let shown = operations.to_string();
    match patch(current, operations) {
        Err(kind) => kind,
        Ok(_) => panic!("{shown} was accepted"),
    }
}

fn members(operations: Value) -> Result<Vec<MemberChange>, ErrorKind> {
    let group = Resource::from_stored(Map::from_iter([("displayName".to_owned(), json!("g"))]));
    run(ResourceType::Group, Dialect::Lenient, &group, operations)
        .map(|outcome| outcome.set.members)
}

fn list(ids: &[&str]) -> Vec<Member> {
    ids.iter().map(|id| Member::new(*id)).collect()
}

#[test]
fn complex_values_are_merged() {
    let ann = json!({ "name": { "givenName": "A", "familyName": "F" } });
    let replace = |value: Value| json!([{ "op": "replace", "path": "name", "value": value }]);
    assert_eq!(
        after(ann.clone(), replace(json!({ "givenName": "G" }))),
        json!({ "name": { "givenName": "G", "familyName": "F" } })
    );
    assert_eq!(
        after(ann.clone(), replace(json!({ "familyName": null }))),
        json!({ "name": { "givenName": "A" } })
    );
    assert_eq!(after(ann.clone(), replace(Value::Null)), json!({}));
    assert_eq!(
        after(
            ann,
            json!([{ "op": "remove", "path": "name.givenName" }, { "op": "remove", "path": "name.familyName" }])
        ),
        json!({})
    );
}

#[test]
fn added_value_is_appended_once() {
    let home = json!({ "value": "x", "type": "home" });
    let add = json!([{ "op": "add", "path": "emails", "value": home }]);
    assert_eq!(after(json!({}), add.clone()), json!({ "emails": [home] }));
    let repeated = patch(json!({ "emails": [home] }), add).unwrap();
    assert!(repeated.set.is_noop());
    let pair = json!([{ "op": "add", "value": { "emails": [home, { "value": "y" }] } }]);
    assert_eq!(
        after(json!({ "emails": [home] }), pair),
        json!({ "emails": [home, { "value": "y" }] })
    );
}

#[test]
fn failing_operation_leaves_nothing() {
    let operations =
        json!([{ "op": "replace", "path": "displayName", "value": "X" }, { "op": "remove" }]);
    assert_eq!(refused(json!({}), operations), ErrorKind::NoTarget);
    let operations = json!([
        { "op": "replace", "path": "displayName", "value": "X" },
        { "op": "replace", "path": "emails[type co \"work\"].value", "value": "x" },
    ]);
    assert_eq!(refused(json!({}), operations), ErrorKind::NoTarget);
}

#[test]
fn new_primary_clears_the_old_one() {
    let current = json!({ "emails": [
        { "value": "w", "type": "work", "primary": true },
        { "value": "h", "type": "home" },
    ] });
    let operations =
        json!([{ "op": "replace", "path": "emails[type eq \"home\"].primary", "value": true }]);
    assert_eq!(
        after(current.clone(), operations),
        json!({ "emails": [
            { "value": "w", "type": "work", "primary": false },
            { "value": "h", "type": "home", "primary": true },
        ] })
    );
    let operations =
        json!([{ "op": "add", "path": "emails", "value": [{ "value": "n", "primary": "True" }] }]);
    let emails = after(current, operations);
    assert_eq!(emails["emails"][0]["primary"], json!(false));
    assert_eq!(emails["emails"][2]["primary"], json!(true));
}

#[test]
fn names_and_urns_are_stored_in_canonical_form() {
    let path = "URN:IETF:PARAMS:SCIM:SCHEMAS:EXTENSION:ENTERPRISE:2.0:USER:COSTCENTER";
    let operations = json!([{ "op": "replace", "path": path, "value": "C" }]);
    assert_eq!(
        after(json!({}), operations),
        json!({ ENTERPRISE: { "costCenter": "C" } })
    );
    let users = schema(ResourceType::User);
    let outcome = patch(
        json!({}),
        json!([{ "op": "add", "path": path, "value": "C" }]),
    )
    .unwrap();
    assert!(
        outcome
            .set
            .resource
            .schemas(&users)
            .any(|urn| urn == ENTERPRISE)
    );
    let gone = patch(
        json!({ ENTERPRISE: { "costCenter": "C" } }),
        json!([{ "op": "remove", "path": path }]),
    )
    .unwrap();
    assert!(
        !gone
            .set
            .resource
            .schemas(&users)
            .any(|urn| urn == ENTERPRISE)
    );
    assert!(gone.set.touches(&format!("{ENTERPRISE}:costCenter")));
}

#[test]
fn extension_as_path_or_key_is_merged() {
    let value = json!({ "schemas": [ENTERPRISE], "department": "D" });
    let current = json!({ ENTERPRISE: { "costCenter": "C" } });
    let both = json!({ ENTERPRISE: { "costCenter": "C", "department": "D" } });
    let by_path = json!([{ "op": "replace", "path": ENTERPRISE, "value": value }]);
    assert_eq!(after(current.clone(), by_path), both);
    let by_key = json!([{ "op": "add", "value": { ENTERPRISE: value } }]);
    assert_eq!(after(current.clone(), by_key), both);
    assert_eq!(
        after(current, json!([{ "op": "remove", "path": ENTERPRISE }])),
        json!({})
    );
}

#[test]
fn entra_without_flag() {
    let operations = json!([
        { "op": "Replace", "path": "active", "value": "False" },
        { "op": "Add", "path": "nickName", "value": "Babs" },
        { "op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "1" },
        { "op": "Replace", "path": "title", "value": ["Boss"] },
        { "op": "Add", "path": format!("{ENTERPRISE}:manager"), "value": "m1" },
    ]);
    let outcome = patch(json!({ "active": true }), operations).unwrap();
    let mut attributes = outcome.set.resource.into_attributes();
    attributes.remove("userName");
    assert_eq!(
        Value::Object(attributes),
        json!({
            "active": false,
            "nickName": "Babs",
            "title": "Boss",
            "phoneNumbers": [{ "type": "mobile", "value": "1" }],
            ENTERPRISE: { "manager": { "value": "m1" } },
        })
    );
    for rule in [
        Rule::OperationCase,
        Rule::TextBoolean,
        Rule::ElementFromFilter,
        Rule::BareValue,
    ] {
        assert!(outcome.repairs.contains(&rule), "{rule:?}");
    }
}

#[test]
fn entra_manager_shapes() {
    let with = json!({ ENTERPRISE: { "manager": { "value": "old", "$ref": "../Users/old" } } });
    let path = format!("{ENTERPRISE}:manager");
    let set = |value: Value| json!([{ "op": "Replace", "path": path, "value": value }]);
    assert_eq!(after(with.clone(), set(json!(""))), json!({}));
    assert_eq!(after(with.clone(), set(Value::Null)), json!({}));
    let new = json!({ ENTERPRISE: { "manager": { "value": "m2" } } });
    assert_eq!(after(with.clone(), set(json!("m2"))), new);
    assert_eq!(after(with.clone(), set(json!([{ "value": "m2" }]))), new);
    let bare =
        json!([{ "op": "Add", "path": "manager", "value": [{ "$ref": "u", "value": "m2" }] }]);
    assert_eq!(after(with, bare), new);
}

#[test]
fn entra_with_flag() {
    let operations = json!([{ "op": "replace", "value": {
        "displayName": "Bjfe",
        "name.givenName": "Kkom",
        "name.familyName": "Unua",
        format!("{ENTERPRISE}:employeeNumber"): "Aklq",
        "emails[type eq \"work\"].value": "a@b.test",
    } }]);
    assert_eq!(
        after(json!({}), operations),
        json!({
            "displayName": "Bjfe",
            "name": { "givenName": "Kkom", "familyName": "Unua" },
            "emails": [{ "type": "work", "value": "a@b.test" }],
            ENTERPRISE: { "employeeNumber": "Aklq" },
        })
    );
}

#[test]
fn boolean_text_in_path_filters_matches() {
    let current = json!({ "emails": [{ "value": "old", "primary": true }] });
    let operations =
        json!([{ "op": "replace", "path": "emails[primary eq \"True\"].value", "value": "new" }]);
    assert_eq!(
        after(current, operations),
        json!({ "emails": [{ "value": "new", "primary": true }] })
    );
}

#[test]
fn okta_deactivates_without_path() {
    let outcome = patch(
        json!({}),
        json!([{ "op": "replace", "value": { "active": false } }]),
    )
    .unwrap();
    assert!(!outcome.set.resource.active());
    assert!(outcome.set.touches("active"));
    assert!(outcome.repairs.is_empty());
}

#[test]
fn null_unassigns() {
    let current = json!({
        "title": "T",
        "emails": [{ "type": "work", "value": "w" }],
        "roles": [{ "value": "r" }],
    });
    let operations = json!([
        { "op": "replace", "path": "title", "value": null },
        { "op": "replace", "path": "emails[type eq \"work\"].value", "value": null },
        { "op": "replace", "path": "roles", "value": [] },
    ]);
    assert_eq!(
        after(current, operations),
        json!({ "emails": [{ "type": "work" }] })
    );
}

#[test]
fn remove_takes_what_it_names() {
    let current = json!({ "emails": [
        { "type": "work", "value": "w", "display": "d" },
        { "type": "home", "value": "h" },
    ] });
    let remove = |path: &str| json!([{ "op": "remove", "path": path }]);
    assert_eq!(
        after(current.clone(), remove("emails[type eq \"work\"].display")),
        json!({ "emails": [{ "type": "work", "value": "w" }, { "type": "home", "value": "h" }] })
    );
    assert_eq!(
        after(current.clone(), remove("emails[type eq \"work\"]")),
        json!({ "emails": [{ "type": "home", "value": "h" }] })
    );
    assert_eq!(
        after(current.clone(), remove("emails[value pr]")),
        json!({})
    );
    assert_eq!(after(current.clone(), remove("emails")), json!({}));
    let nothing = patch(current.clone(), remove("emails[type eq \"none\"]")).unwrap();
    assert!(nothing.set.is_noop() && nothing.repairs == [Rule::NothingToRemove]);
    let listed = json!([{ "op": "remove", "path": "emails", "value": [{ "value": "W" }] }]);
    assert_eq!(
        after(current, listed),
        json!({ "emails": [{ "type": "home", "value": "h" }] })
    );
}

#[test]
fn refusals_name_their_kind() {
    for (operations, kind) in [
        (
            json!([{ "op": "move", "path": "title" }]),
            ErrorKind::InvalidSyntax,
        ),
        (
            json!([{ "path": "title", "value": "x" }]),
            ErrorKind::InvalidSyntax,
        ),
        (json!(["x"]), ErrorKind::InvalidSyntax),
        (json!("x"), ErrorKind::InvalidSyntax),
        (
            json!([{ "op": "add", "path": "title" }]),
            ErrorKind::InvalidValue,
        ),
        (
            json!([{ "op": "replace", "value": "x" }]),
            ErrorKind::InvalidValue,
        ),
        (json!([{ "op": "remove" }]), ErrorKind::NoTarget),
        (
            json!([{ "op": "replace", "path": "nothing", "value": 1 }]),
            ErrorKind::InvalidPath,
        ),
        (
            json!([{ "op": "replace", "path": "emails[type eq \"work\"", "value": {} }]),
            ErrorKind::InvalidFilter,
        ),
        (
            json!([{ "op": "replace", "path": "emails[type eq \"work\"] x", "value": {} }]),
            ErrorKind::InvalidPath,
        ),
        (
            json!([{ "op": "replace", "path": "emails[type xx \"work\"].value", "value": "x" }]),
            ErrorKind::InvalidFilter,
        ),
        (
            json!([{ "op": "replace", "path": "name[givenName eq \"a\"]", "value": {} }]),
            ErrorKind::InvalidPath,
        ),
        (
            json!([{ "op": "replace", "path": "id", "value": "x" }]),
            ErrorKind::Mutability,
        ),
        (
            json!([{ "op": "replace", "path": "meta.created", "value": "x" }]),
            ErrorKind::Mutability,
        ),
        (
            json!([{ "op": "add", "path": "groups", "value": [{ "value": "g" }] }]),
            ErrorKind::Mutability,
        ),
        (
            json!([{ "op": "remove", "path": "userName" }]),
            ErrorKind::Mutability,
        ),
        (
            json!([{ "op": "replace", "path": "userName", "value": "" }]),
            ErrorKind::InvalidValue,
        ),
        (
            json!([{ "op": "replace", "path": "active", "value": "maybe" }]),
            ErrorKind::InvalidValue,
        ),
        (
            json!([{ "op": "replace", "path": "userName", "value": { "a": 1 } }]),
            ErrorKind::InvalidValue,
        ),
        (
            json!([{ "op": "replace", "path": "title", "value": "a\u{0}b" }]),
            ErrorKind::InvalidValue,
        ),
    ] {
        let shown = operations.to_string();
        assert_eq!(refused(json!({}), operations), kind, "{shown}");
    }
}

#[test]
fn read_only_attributes_without_path_are_ignored() {
    let value = json!({ "id": "u1", "meta": { "version": "x" }, "groups": [], "schemas": [], "unknown": 1, "title": "T" });
    let outcome = patch(json!({}), json!([{ "op": "replace", "value": value }])).unwrap();
    assert_eq!(outcome.set.touched.len(), 1);
    assert!(outcome.set.touches("title"));
    assert!(outcome.repairs.contains(&Rule::Unknown) && outcome.repairs.contains(&Rule::ReadOnly));
}

#[test]
fn empty_operations_change_nothing() {
    assert!(
        patch(json!({ "title": "T" }), json!([]))
            .unwrap()
            .set
            .is_noop()
    );
    let same = json!([{ "op": "replace", "path": "title", "value": "T" }]);
    assert!(patch(json!({ "title": "T" }), same).unwrap().set.is_noop());
}

#[test]
fn strict_dialect_refuses_habits() {
    let current = resource(json!({}));
    for (operations, kind) in [
        (
            json!([{ "op": "Replace", "path": "title", "value": "x" }]),
            ErrorKind::InvalidSyntax,
        ),
        (
            json!([{ "op": "replace", "value": { "title": "x" } }]),
            ErrorKind::InvalidSyntax,
        ),
        (
            json!([{ "op": "replace", "path": "active", "value": "False" }]),
            ErrorKind::InvalidValue,
        ),
        (
            json!([{ "op": "add", "path": "emails[type eq \"work\"].value", "value": "x" }]),
            ErrorKind::NoTarget,
        ),
        (
            json!([{ "op": "add", "path": "name", "value": { "unknown": "x" } }]),
            ErrorKind::InvalidSyntax,
        ),
    ] {
        let shown = operations.to_string();
        let outcome = run(ResourceType::User, Dialect::Strict, &current, operations);
        assert_eq!(outcome.err(), Some(kind), "{shown}");
    }
}

#[test]
fn member_changes_never_need_the_list() {
    let add = json!([{ "op": "Add", "path": "members", "value": [{ "$ref": null, "value": "a" }, { "value": "b" }] }]);
    assert_eq!(
        members(add).unwrap(),
        [MemberChange::Add(list(&["a", "b"]))]
    );
    let one = json!([{ "op": "add", "path": "members", "value": { "value": "a" } }]);
    assert_eq!(members(one).unwrap(), [MemberChange::Add(list(&["a"]))]);
    let listed =
        json!([{ "op": "Remove", "path": "members", "value": [{ "$ref": null, "value": "a" }] }]);
    assert_eq!(
        members(listed).unwrap(),
        [MemberChange::Remove(vec!["a".to_owned()])]
    );
    let all = json!([{ "op": "remove", "path": "members" }]);
    assert_eq!(members(all).unwrap(), [MemberChange::ReplaceAll(vec![])]);
    for value in [json!([]), Value::Null] {
        let emptied = json!([{ "op": "replace", "path": "members", "value": value }]);
        assert_eq!(
            members(emptied).unwrap(),
            [MemberChange::ReplaceAll(vec![])]
        );
    }
    let okta = json!([
        { "op": "replace", "value": { "id": "g", "displayName": "new" } },
        { "op": "remove", "path": "members[value eq \"a\"]" },
        { "op": "remove", "path": "members[value eq \"b\" or value eq \"c\"]" },
        { "op": "add", "path": "members", "value": [{ "value": "d", "display": "d@x" }] },
    ]);
    let d = Member::new("d").with_display("d@x");
    let removed = ["a", "b", "c"].map(str::to_owned).to_vec();
    assert_eq!(
        members(okta).unwrap(),
        [MemberChange::Remove(removed), MemberChange::Add(vec![d])]
    );
    let filtered =
        members(json!([{ "op": "remove", "path": "members[type eq \"Group\"]" }])).unwrap();
    assert!(
        matches!(&filtered[..], [MemberChange::RemoveWhere(filter)] if filter.to_string() == "members.type eq \"Group\"")
    );
    let parts =
        json!([{ "op": "replace", "path": "members[value eq \"a\"].display", "value": "x" }]);
    assert_eq!(members(parts), Err(ErrorKind::Mutability));
    let nobody = json!([{ "op": "add", "path": "members", "value": [{ "display": "x" }] }]);
    assert_eq!(members(nobody), Err(ErrorKind::InvalidValue));
}

#[test]
fn password_never_becomes_an_attribute() {
    let operations = json!([{ "op": "replace", "path": "password", "value": "s3cret" }]);
    let outcome = patch(json!({}), operations).unwrap();
    assert!(
        matches!(&outcome.set.password, PasswordChange::Set(password) if password.expose() == "s3cret")
    );
    assert!(!format!("{:?}", outcome.set).contains("s3cret"));
    assert!(outcome.set.touched.is_empty() && !outcome.set.is_noop());
}

#[test]
fn put_replaces_all_but_what_would_harm() {
    let mut repairs = Repairs::default();
    let body = json!({
        "schemas": ["urn:scim:schemas:core:2.0", ENTERPRISE],
        "id": "other", "userName": "bob", "emails": null, "groups": [], "meta": {},
    });
    let change = Change::put(
        body,
        &schema(ResourceType::User),
        Dialect::Lenient,
        &mut repairs,
    )
    .unwrap();
    let current = resource(json!({ "title": "T", "active": false, "emails": [{ "value": "x" }] }));
    let set = change.apply(&current).unwrap();
    assert_eq!(
        Value::Object(set.resource.clone().into_attributes()),
        json!({ "userName": "bob", "active": false })
    );
    assert_eq!(set.password, PasswordChange::Keep);
    assert!(
        set.touches("userName")
            && set.touches("title")
            && set.touches("emails")
            && !set.touches("active")
    );
    assert!(change.apply(&set.resource).unwrap().is_noop());
}

#[test]
fn long_lists_cannot_be_made_to_cost_the_square() {
    let elements: Vec<Value> = (0..2_000)
        .map(|n| json!({ "value": n.to_string() }))
        .collect();
    let operation = json!({ "op": "remove", "path": "emails[value eq \"none\"]" });
    let current = json!({ "emails": elements });
    assert_eq!(
        refused(current, Value::Array(vec![operation; 1_500])),
        ErrorKind::TooMany
    );
    assert_eq!(
        refused(
            json!({}),
            Value::Array(vec![json!({ "op": "remove", "path": "title" }); 3_000])
        ),
        ErrorKind::TooMany
    );
}
