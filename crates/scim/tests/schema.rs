//! Schemas that a directory brings with it: what is taken, what is refused, and what then holds.

#![expect(
    clippy::expect_used,
    clippy::needless_pass_by_value,
    reason = "helpers of tests fail loudly and read shortly"
)]

use std::sync::Arc;

use serde_json::{Map, Value, json};
use vestibule_scim::schema::{Need, Schema};
use vestibule_scim::{
    AttributePath, Change, DateTime, Dialect, Draft, Error, ErrorKind, Projection, Registry,
    Repairs, Resource, ResourceSchema, ResourceType, Rule, Stored,
};

const BADGE: &str = "urn:example:scim:schemas:badge:1.0:User";
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn badge() -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": BADGE,
        "name": "Badge",
        "description": "What opens doors.",
        "attributes": [
            { "name": "number", "type": "string", "caseExact": true, "mutability": "immutable", "uniqueness": "server" },
            { "name": "level", "type": "integer" },
            { "name": "pin", "type": "string", "mutability": "writeOnly" },
            { "name": "note", "type": "string", "returned": "request" },
            { "name": "printed", "type": "dateTime", "mutability": "readOnly" },
            { "name": "holder", "type": "complex", "subAttributes": [
                { "name": "value", "type": "string", "caseExact": true, "mutability": "immutable" },
                { "name": "$ref", "type": "reference", "referenceTypes": ["User"] },
                { "name": "since", "type": "dateTime", "returned": "always" },
                { "name": "why", "type": "string", "returned": "request" },
            ] },
            { "name": "doors", "type": "complex", "multiValued": true, "subAttributes": [
                { "name": "value", "type": "string", "mutability": "immutable", "required": true },
                { "name": "type", "type": "string", "canonicalValues": ["front", "back"] },
                { "name": "hours", "type": "string" },
            ] },
        ],
    })
}

fn registry(need: Need) -> Registry {
    let schema = Schema::parse(&badge()).expect("a good schema");
    Registry::standard()
        .try_with_extension(ResourceType::User, schema, need)
        .expect("free names")
}

fn users(need: Need) -> Arc<ResourceSchema> {
    Arc::clone(registry(need).of(ResourceType::User))
}

fn resource(badge: Value) -> Resource {
    Resource::from_stored(Map::from_iter([
        ("userName".to_owned(), json!("ann")),
        (BADGE.to_owned(), badge),
    ]))
}

fn change(
    current: &Resource,
    dialect: Dialect,
    operations: Value,
) -> Result<(Value, Repairs), ErrorKind> {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations,
    });
    let mut repairs = Repairs::default();
    let set = Change::patch(body, &users(Need::Optional), dialect, &mut repairs)
        .and_then(|change| change.apply(current))
        .map_err(|error| error.kind())?;
    repairs.extend(&set.repairs);
    let badge = set.resource.attributes().get(BADGE).cloned();
    Ok((badge.unwrap_or_default(), repairs))
}

#[test]
fn schema_survives_being_written_and_read() {
    let schema = Schema::parse(&badge()).unwrap();
    let again = Schema::parse(&Value::Object(schema.to_json())).unwrap();
    assert_eq!(schema, again);
    // The standard ones are good schemas, too.
    for schema in Registry::standard().schemas() {
        if schema.id.contains("enterprise") || schema.id.ends_with("core:2.0:Group") {
            assert_eq!(
                Schema::parse(&Value::Object(schema.to_json())).unwrap(),
                schema
            );
        }
    }
}

#[test]
fn registry_lists_a_schema_once() {
    let schema = Schema::parse(&badge()).unwrap();
    let registry = registry(Need::Optional)
        .try_with_extension(ResourceType::Group, schema, Need::Optional)
        .unwrap();
    let listed = registry.schemas().filter(|schema| schema.id == BADGE);
    assert_eq!(listed.count(), 1);
    assert!(registry.of(ResourceType::Group).extension(BADGE).is_some());
}

fn check_refused(json: &Value, said: &str) {
    let error = Schema::parse(json).expect_err("a bad schema");
    assert_eq!(error.kind(), ErrorKind::InvalidValue, "{json}");
    assert!(error.detail().contains(said), "{json}: {error}");
}

#[test]
fn bad_schemas_are_refused() {
    for (json, said) in [
        (json!([]), "JSON object"),
        (json!({ "attributes": [{ "name": "a" }] }), "has an id"),
        (
            json!({ "id": "badge", "attributes": [{ "name": "a" }] }),
            "is a URN",
        ),
        (
            json!({ "id": "urn:x:a", "attributes": [{ "name": "a" }] }),
            "is a URN",
        ),
        (
            json!({ "id": "urn:example:", "attributes": [{ "name": "a" }] }),
            "is a URN",
        ),
        (
            json!({ "id": "urn:example:a b", "attributes": [{ "name": "a" }] }),
            "is a URN",
        ),
        (
            json!({ "id": "urn:ietf:params:scim:api:messages:2.0:Mine", "attributes": [{ "name": "a" }] }),
            "is a URN",
        ),
        (json!({ "id": BADGE }), "has attributes"),
        (json!({ "id": BADGE, "attributes": {} }), "are a list"),
        (json!({ "id": BADGE, "attribute": [] }), "does not have"),
        (
            json!({ "id": BADGE, "attributes": [{ "name": "a" }, { "name": "A" }] }),
            "there twice",
        ),
    ] {
        check_refused(&json, said);
    }
}

#[test]
fn bad_attributes_are_refused() {
    let attribute = |attribute: Value| json!({ "id": BADGE, "attributes": [attribute] });
    for (json, said) in [
        (attribute(json!("a")), "JSON object"),
        (
            attribute(json!({ "type": "string" })),
            "name of an attribute",
        ),
        (attribute(json!({ "name": "1a" })), "name of an attribute"),
        (attribute(json!({ "name": "a.b" })), "name of an attribute"),
        (attribute(json!({ "name": "$ref" })), "name of an attribute"),
        (
            attribute(json!({ "name": "Schemas" })),
            "every resource has",
        ),
        (
            attribute(json!({ "name": "externalId" })),
            "every resource has",
        ),
        (
            attribute(json!({ "name": "a", "type": "text" })),
            "a: a characteristic",
        ),
        (
            attribute(json!({ "name": "a", "multivalued": true })),
            "a: there is a member",
        ),
        (
            attribute(json!({ "name": "a", "required": "yes" })),
            "true or false",
        ),
        (
            attribute(json!({ "name": "a", "mutability": "never" })),
            "a characteristic",
        ),
        (
            attribute(json!({ "name": "a", "type": "complex" })),
            "has sub-attributes",
        ),
        (
            attribute(json!({ "name": "a", "subAttributes": [{ "name": "b" }] })),
            "has sub-attributes",
        ),
        (
            attribute(json!({ "name": "a", "type": "complex", "subAttributes": [
                { "name": "b", "type": "complex", "subAttributes": [{ "name": "c" }] },
            ] })),
            "a.b: a part of a complex attribute",
        ),
        (
            attribute(
                json!({ "name": "a", "type": "complex", "subAttributes": [{ "name": "b" }, { "name": "B" }] }),
            ),
            "there twice",
        ),
        (
            attribute(json!({ "name": "a", "type": "boolean", "canonicalValues": ["x"] })),
            "canonicalValues",
        ),
        (
            attribute(json!({ "name": "a", "referenceTypes": ["User"] })),
            "referenceTypes",
        ),
        (
            attribute(json!({ "name": "a", "type": "reference", "referenceTypes": ["Robot"] })),
            "points to",
        ),
        (
            attribute(json!({ "name": "a", "type": "boolean", "uniqueness": "server" })),
            "is unique",
        ),
        (
            attribute(json!({ "name": "a", "mutability": "writeOnly", "returned": "default" })),
            "never returned",
        ),
        (
            attribute(json!({ "name": "a", "mutability": "readOnly", "required": true })),
            "cannot be required",
        ),
    ] {
        check_refused(&json, said);
    }
}

#[test]
fn names_have_to_be_free() {
    let with = |id: &str, name: &str| {
        let json = json!({ "id": id, "attributes": [{ "name": name }] });
        let schema = Schema::parse(&json).expect("a good schema");
        registry(Need::Optional).try_with_extension(ResourceType::User, schema, Need::Optional)
    };
    for (id, name) in [
        (USER, "a"),
        (ENTERPRISE, "a"),
        (BADGE, "a"),
        ("URN:EXAMPLE:scim:schemas:badge:1.0:user", "a"),
        ("urn:example:scim:schemas:badge:1.0:User:more", "a"),
        ("urn:example:scim:schemas:badge:1.0", "a"),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0User",
            "a",
        ),
        ("urn:scim:schemas:core:1.0", "a"),
        ("urn:ietf:params:scim:schemas:core:2.0:Group", "a"),
        ("urn:example:other", "userName"),
        ("urn:example:other", "DISPLAYNAME"),
    ] {
        let refused = with(id, name).map(|_| ());
        assert_eq!(
            refused.map_err(|error| error.kind()),
            Err(ErrorKind::InvalidValue),
            "{id} {name}"
        );
    }
    // The same name in two extensions is told apart by the URN.
    assert!(with("urn:example:other", "department").is_ok());
}

#[test]
fn unique_attributes_are_told_to_the_host() {
    let paths: Vec<String> = users(Need::Optional)
        .unique()
        .map(|(path, _)| path.to_string())
        .collect();
    assert_eq!(paths, ["userName".to_owned(), format!("{BADGE}:number")]);
}

#[test]
fn directory_without_passwords_does_not_list_one() {
    let registry = Registry::standard().without_password();
    assert!(registry.of(ResourceType::User).find("password").is_none());
    let mut repairs = Repairs::default();
    let body = json!({ "userName": "ann", "password": "x" });
    let schema = registry.of(ResourceType::User);
    let draft = Draft::parse(body, schema, Dialect::Lenient, &mut repairs).unwrap();
    assert_eq!(draft.password, None);
    assert_eq!(repairs.as_slice()[0].rule, Rule::PasswordDropped);
    for operation in [
        json!({ "op": "replace", "path": "password", "value": "x" }),
        json!({ "op": "replace", "path": format!("{USER}:PASSWORD"), "value": "x" }),
        json!({ "op": "replace", "value": { "password": "x" } }),
    ] {
        let body = json!({ "Operations": [operation] });
        let mut repairs = Repairs::default();
        let change = Change::patch(body, schema, Dialect::Lenient, &mut repairs).unwrap();
        assert!(
            change
                .apply(&resource(json!({ "level": 1 })))
                .unwrap()
                .is_noop()
        );
        assert_eq!(repairs.as_slice()[0].rule, Rule::PasswordDropped);
    }
}

#[test]
fn required_extension_is_required_of_new_resources_only() {
    let draft = |body: Value| {
        Draft::parse(
            body,
            &users(Need::Required),
            Dialect::Lenient,
            &mut Repairs::default(),
        )
    };
    let kind = |draft: Result<Draft, Error>| draft.map(|_| ()).map_err(|error| error.kind());
    assert_eq!(
        kind(draft(json!({ "userName": "a" }))),
        Err(ErrorKind::InvalidValue)
    );
    assert_eq!(
        kind(draft(json!({ "userName": "a", BADGE: { "level": 1 } }))),
        Ok(())
    );
    let doors = json!({ "userName": "a", BADGE: { "doors": [{ "type": "front" }] } });
    assert_eq!(kind(draft(doors)), Err(ErrorKind::InvalidValue));

    // Who was there before the extension was required can still be deactivated.
    let old = Resource::from_stored(Map::from_iter([("userName".to_owned(), json!("ann"))]));
    let body = json!({ "Operations": [{ "op": "replace", "path": "active", "value": false }] });
    let schema = users(Need::Required);
    let change = Change::patch(body, &schema, Dialect::Lenient, &mut Repairs::default()).unwrap();
    assert!(!change.apply(&old).unwrap().resource.active());
    let body = json!({ "Operations": [{ "op": "remove", "path": BADGE }] });
    let change = Change::patch(body, &schema, Dialect::Lenient, &mut Repairs::default()).unwrap();
    let refused = change.apply(&resource(json!({ "level": 1 })));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidValue);
    assert!(schema.requires(BADGE) && !schema.requires(ENTERPRISE));
}

#[test]
fn immutable_attributes_stay() {
    let current =
        resource(json!({ "number": "7", "level": 1, "holder": { "value": "u1", "why": "w" } }));
    let put = |body: Value| {
        Change::put(
            body,
            &users(Need::Optional),
            Dialect::Lenient,
            &mut Repairs::default(),
        )
        .and_then(|change| change.apply(&current))
    };
    // RFC 7644 §3.5.1: what is left out stays, what differs is refused.
    let set = put(json!({ "userName": "ann" })).unwrap();
    assert_eq!(
        set.resource.attributes()[BADGE],
        json!({ "number": "7", "holder": { "value": "u1" } })
    );
    assert!(put(json!({ "userName": "ann", BADGE: { "number": "7" } })).is_ok());
    let other = put(json!({ "userName": "ann", BADGE: { "number": "8" } }));
    assert_eq!(other.unwrap_err().kind(), ErrorKind::Mutability);
    for path in ["number", "holder.value", "holder"] {
        let path = format!("{BADGE}:{path}");
        let removed = change(
            &current,
            Dialect::Lenient,
            json!([{ "op": "remove", "path": path }]),
        );
        assert_eq!(removed.err(), Some(ErrorKind::Mutability), "{path}");
    }
    let unset = resource(json!({ "level": 1 }));
    let add = json!([{ "op": "add", "path": format!("{BADGE}:number"), "value": "9" }]);
    assert_eq!(
        change(&unset, Dialect::Strict, add).unwrap().0["number"],
        json!("9")
    );
}

#[test]
fn immutable_parts_of_elements_stay_and_elements_go() {
    let current = resource(
        json!({ "doors": [{ "value": "a", "type": "front", "hours": "9-5" }, { "value": "b" }] }),
    );
    let doors = |operation: Value| {
        change(&current, Dialect::Lenient, json!([operation]))
            .map(|(badge, _)| badge["doors"].clone())
    };
    let path = |rest: &str| format!("{BADGE}:doors{rest}");
    for operation in [
        json!({ "op": "replace", "path": path("[type eq \"front\"].value"), "value": "c" }),
        json!({ "op": "remove", "path": path("[type eq \"front\"].value") }),
        json!({ "op": "replace", "path": path("[type eq \"front\"]"), "value": { "value": "c" } }),
        json!({ "op": "add", "path": path("[type eq \"front\"]"), "value": { "value": "c" } }),
        json!({ "op": "replace", "path": path(".value"), "value": "c" }),
    ] {
        assert_eq!(
            doors(operation.clone()),
            Err(ErrorKind::Mutability),
            "{operation}"
        );
    }
    let hours = json!({ "op": "replace", "path": path("[value eq \"A\"].hours"), "value": "0-24" });
    assert_eq!(doors(hours).unwrap()[0]["hours"], json!("0-24"));
    let removed = json!({ "op": "remove", "path": path("[value eq \"a\"]") });
    assert_eq!(doors(removed), Ok(json!([{ "value": "b" }])));
}

#[test]
fn read_only_attribute_of_an_extension_is_ignored_in_a_value() {
    let current = resource(json!({ "level": 1 }));
    let value = json!({ BADGE: { "printed": "2026-01-01T00:00:00Z", "level": 2 } });
    let (badge, repairs) = change(
        &current,
        Dialect::Lenient,
        json!([{ "op": "replace", "value": value }]),
    )
    .unwrap();
    assert_eq!(badge, json!({ "level": 2 }));
    assert_eq!(repairs.as_slice()[0].rule, Rule::ReadOnly);
    let by_path =
        json!([{ "op": "replace", "path": BADGE, "value": { "printed": "2026-01-01T00:00:00Z" } }]);
    let refused = change(&current, Dialect::Strict, by_path).err();
    assert_eq!(refused, Some(ErrorKind::Mutability));
}

fn shown(attributes: &[&str], excluded: &[&str], touched: &[AttributePath]) -> Value {
    let schema = users(Need::Optional);
    let badge = json!({
        "number": "7", "level": 3, "pin": "1234", "note": "n",
        "holder": { "value": "u 1", "$ref": "stale", "since": "2026-01-01T00:00:00Z", "why": "w" },
    });
    let mut resource = resource(badge);
    resource.set_active(true);
    let moment = DateTime::parse("2026-01-01T00:00:00Z").expect("a moment");
    let stored = Stored::new("id1", resource, "1", moment, moment);
    let texts = |names: &[&str]| {
        names
            .iter()
            .map(|&name| name.to_owned())
            .collect::<Vec<_>>()
    };
    let projection = Projection::new(&texts(attributes), &texts(excluded), &schema);
    let document = stored.document(&schema, "https://scim.test/d");
    Value::Object(projection.apply(document, &schema, touched))
}

#[test]
fn reference_follows_from_the_value() {
    let badge = &shown(&[], &[], &[])[BADGE];
    assert_eq!(
        badge["holder"]["$ref"],
        json!("https://scim.test/d/Users/u%201")
    );
    let (badge, repairs) = change(
        &resource(json!({ "holder": { "value": "u1", "$ref": "stale" } })),
        Dialect::Lenient,
        json!([{ "op": "replace", "path": format!("{BADGE}:holder.since"), "value": "2026-01-01T00:00:00Z" }]),
    )
    .unwrap();
    assert!(repairs.is_empty());
    assert_eq!(badge["holder"]["value"], json!("u1"));
}

#[test]
fn requested_attributes_are_shown_where_they_are_named_or_written() {
    assert!(shown(&[], &[], &[])[BADGE].get("note").is_none());
    assert!(shown(&[], &[], &[])[BADGE].get("pin").is_none());
    let note = format!("{BADGE}:note");
    assert_eq!(shown(&[&note], &[], &[])[BADGE], json!({ "note": "n" }));
    let path = |name: &str| AttributePath::new(Some(BADGE), name, None);
    assert_eq!(shown(&[], &[], &[path("note")])[BADGE]["note"], json!("n"));
    assert_eq!(
        shown(&[], &[], &[path("holder")])[BADGE]["holder"]["why"],
        json!("w")
    );
    assert_eq!(
        shown(&["userName"], &[], &[path("note")])[BADGE],
        json!({ "note": "n" })
    );

    let mut repairs = Repairs::default();
    let schema = users(Need::Optional);
    let body = json!({ "userName": "ann", BADGE: { "note": "n" } });
    let draft = Draft::parse(body, &schema, Dialect::Lenient, &mut repairs).unwrap();
    assert!(draft.named().contains(&path("note")));
    let body = json!({ "Operations": [{ "op": "add", "path": note, "value": "n" }] });
    let change = Change::patch(body, &schema, Dialect::Lenient, &mut repairs).unwrap();
    assert_eq!(change.named(), [path("note")]);
}

#[test]
fn parts_that_are_always_returned_come_with_their_attribute() {
    let holder = format!("{BADGE}:holder");
    let by = |attributes: &[&str], excluded: &[&str]| {
        shown(attributes, excluded, &[])[BADGE]["holder"].clone()
    };
    let value = format!("{holder}.value");
    assert_eq!(
        by(&[&value], &[]),
        json!({ "value": "u 1", "since": "2026-01-01T00:00:00Z" })
    );
    let since = format!("{holder}.since");
    assert_eq!(by(&[], &[&since])["since"], json!("2026-01-01T00:00:00Z"));
    assert_eq!(by(&[], &[&holder]), Value::Null);
    assert_eq!(by(&["userName"], &[]), Value::Null);
}

#[test]
fn common_attributes_are_of_no_schema() {
    let document = shown(&[], &[USER], &[]);
    assert!(document.get("userName").is_none() && document.get("active").is_none());
    assert!(document.get("meta").is_some() && document.get("id").is_some());
    let document = shown(&[USER], &[], &[]);
    assert!(document.get("userName").is_some() && document.get("meta").is_none());
}
