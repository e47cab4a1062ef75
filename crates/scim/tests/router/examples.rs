//! Worked examples that tell a right server from a nearly right one, as one table.

use serde_json::{Value, json};

use crate::server::{Server, server};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Runs the steps of one example: `[call, body, status, answer]`.
///
/// `answer` is what the answer has to hold at least; null says that a member is absent. `{name}` stands for the id
/// of the resource that was created as `name` (its userName or displayName).
async fn run(server: &Server, name: &str, steps: Value) {
    let mut ids: Vec<(String, String)> = Vec::new();
    let fill = |value: &Value, ids: &[(String, String)]| -> Value {
        let mut text = value.to_string();
        for (name, id) in ids {
            text = text.replace(&format!("{{{name}}}"), id);
        }
        serde_json::from_str(&text).unwrap()
    };
    for (number, step) in steps.as_array().unwrap().iter().enumerate() {
        let step = fill(step, &ids);
        let (method, path) = step[0].as_str().unwrap().split_once(' ').unwrap();
        let answer = server.call(method, path, step[1].clone()).await;
        let place = format!("{name}, step {}: {}", number + 1, answer.body);
        assert_eq!(json!(answer.status.as_u16()), step[2], "{place}");
        remember(&answer.body, &mut ids);
        let operations = answer.body["Operations"].as_array().into_iter().flatten();
        for operation in operations {
            if let (Some(name), Some(location)) =
                (operation["bulkId"].as_str(), operation["location"].as_str())
            {
                let id = location.rsplit('/').next().unwrap();
                ids.push((name.to_owned(), id.to_owned()));
            }
        }
        holds(&answer.body, &fill(&step[3], &ids), &place);
    }
}

fn remember(body: &Value, ids: &mut Vec<(String, String)>) {
    let name = body["userName"].as_str().or(body["displayName"].as_str());
    if let (Some(name), Some(id)) = (name, body["id"].as_str()) {
        ids.push((name.to_owned(), id.to_owned()));
    }
}

fn holds(actual: &Value, expected: &Value, place: &str) {
    match expected {
        Value::Object(members) => {
            for (name, expected) in members {
                holds(&actual[name.as_str()], expected, place);
            }
        }
        Value::Array(elements) => {
            let found = actual.as_array().map_or(0, Vec::len);
            assert_eq!(found, elements.len(), "{place}");
            for (at, expected) in elements.iter().enumerate() {
                holds(&actual[at], expected, place);
            }
        }
        expected => assert_eq!(actual, expected, "{place}"),
    }
}

fn patch(operations: Value) -> Value {
    crate::server::patch(operations)
}

#[expect(clippy::too_many_lines, reason = "one table")]
fn examples() -> Vec<(&'static str, Value)> {
    let emails = json!([
        { "value": "w@x", "type": "work", "primary": true }, { "value": "h@x", "type": "home" },
    ]);
    let cost_center = format!("{ENTERPRISE}:costCenter").to_uppercase();
    vec![
        (
            "or binds weaker than and",
            json!([
                ["POST /Users", { "userName": "a", "active": true }, 201, {}],
                ["POST /Users", { "userName": "b", "active": true }, 201, {}],
                [
                    "GET /Users?filter=userName+eq+%22a%22+or+userName+eq+%22b%22+and+active+eq+false",
                    null, 200, { "Resources": [{ "userName": "a" }] },
                ],
            ]),
        ),
        (
            "not takes the group behind it",
            json!([
                ["POST /Users", { "userName": "a" }, 201, {}],
                ["POST /Users", { "userName": "b" }, 201, {}],
                [
                    "GET /Users?filter=not+(userName+eq+%22a%22)+and+(userName+eq+%22a%22+or+userName+eq+%22b%22)",
                    null, 200, { "Resources": [{ "userName": "b" }] },
                ],
            ]),
        ),
        (
            "replacing a complex attribute merges",
            json!([
                ["POST /Users", { "userName": "a", "name": { "givenName": "A", "familyName": "F" } }, 201, {}],
                [
                    "PATCH /Users/{a}", patch(json!([{ "op": "replace", "path": "name", "value": { "givenName": "G" } }])),
                    200, { "name": { "givenName": "G", "familyName": "F" } },
                ],
                [
                    "PATCH /Users/{a}", patch(json!([{ "op": "replace", "path": "name", "value": { "familyName": null } }])),
                    200, { "name": { "givenName": "G", "familyName": null } },
                ],
            ]),
        ),
        (
            "adding the same element twice changes nothing",
            json!([
                ["POST /Users", { "userName": "a" }, 201, {}],
                [
                    "PATCH /Users/{a}", patch(json!([{ "op": "add", "path": "emails", "value": { "value": "x", "type": "home" } }])),
                    200, { "emails": [{ "value": "x", "type": "home" }], "meta": { "version": "W/\"2\"" } },
                ],
                [
                    "PATCH /Users/{a}", patch(json!([{ "op": "add", "path": "emails", "value": { "value": "x", "type": "home" } }])),
                    200, { "emails": [{ "value": "x", "type": "home" }], "meta": { "version": "W/\"2\"" } },
                ],
            ]),
        ),
        (
            "a failing operation takes all back",
            json!([
                ["POST /Users", { "userName": "a", "displayName": "old" }, 201, {}],
                [
                    "PATCH /Users/{a}", patch(json!([{ "op": "replace", "path": "displayName", "value": "X" }, { "op": "remove" }])),
                    400, { "scimType": "noTarget" },
                ],
                ["GET /Users/{a}", null, 200, { "displayName": "old", "meta": { "version": "W/\"1\"" } }],
            ]),
        ),
        (
            "there is one primary element",
            json!([
                ["POST /Users", { "userName": "a", "emails": emails }, 201, {}],
                [
                    "PATCH /Users/{a}", patch(json!([{ "op": "replace", "path": "emails[type eq \"home\"].primary", "value": true }])),
                    200, { "emails": [{ "type": "work", "primary": false }, { "type": "home", "primary": true }] },
                ],
            ]),
        ),
        (
            "URNs and names of any letter case are one attribute",
            json!([
                ["POST /Users", { "userName": "a" }, 201, {}],
                [
                    "PATCH /Users/{a}", patch(json!([{ "op": "replace", "path": cost_center, "value": "C" }])),
                    200, { ENTERPRISE: { "costCenter": "C" } },
                ],
            ]),
        ),
        (
            "removed members are those that are listed, or all",
            json!([
                ["POST /Users", { "userName": "a" }, 201, {}],
                ["POST /Users", { "userName": "b" }, 201, {}],
                ["POST /Groups", { "displayName": "g", "members": [{ "value": "{a}" }, { "value": "{b}" }] }, 201, {}],
                [
                    "PATCH /Groups/{g}", patch(json!([{ "op": "Remove", "path": "members", "value": [{ "value": "{a}" }] }])),
                    200, { "members": [{ "value": "{b}" }] },
                ],
                ["PATCH /Groups/{g}", patch(json!([{ "op": "remove", "path": "members" }])), 200, { "members": null }],
                ["PATCH /Groups/{g}", patch(json!([{ "op": "add", "path": "members", "value": [{ "value": "{a}" }] }])), 200, { "members": [{}] }],
                ["PATCH /Groups/{g}", patch(json!([{ "op": "replace", "path": "members", "value": [] }])), 200, { "members": null }],
                ["PATCH /Groups/{g}", patch(json!([{ "op": "add", "path": "members", "value": [{ "value": "{a}" }] }])), 200, { "members": [{}] }],
                ["PATCH /Groups/{g}", patch(json!([{ "op": "replace", "path": "members", "value": null }])), 200, { "members": null }],
            ]),
        ),
        (
            "two groups of one bulk request are members of each other",
            json!([
                [
                    "POST /Bulk",
                    { "Operations": [
                        { "method": "POST", "path": "/Groups", "bulkId": "A",
                          "data": { "displayName": "A", "members": [{ "type": "Group", "value": "bulkId:B" }] } },
                        { "method": "POST", "path": "/Groups", "bulkId": "B",
                          "data": { "displayName": "B", "members": [{ "type": "Group", "value": "bulkId:A" }] } },
                    ] },
                    200, { "Operations": [{ "status": "201", "bulkId": "A" }, { "status": "201", "bulkId": "B" }] },
                ],
                ["GET /Groups/{A}", null, 200, { "members": [{ "value": "{B}" }] }],
                ["GET /Groups/{B}", null, 200, { "members": [{ "value": "{A}" }] }],
            ]),
        ),
        (
            "pages begin at one and end in an empty one",
            json!([
                ["POST /Users", { "userName": "a" }, 201, {}],
                ["POST /Users", { "userName": "b" }, 201, {}],
                ["GET /Users?count=0", null, 200, { "totalResults": 2, "Resources": [] }],
                ["GET /Users?startIndex=0", null, 200, { "totalResults": 2, "startIndex": 1, "Resources": [{}, {}] }],
                ["GET /Users?startIndex=3", null, 200, { "totalResults": 2, "Resources": [] }],
            ]),
        ),
        (
            "a sub-attribute is an answer of its own",
            json!([
                ["POST /Users", { "userName": "a", "name": { "givenName": "G", "familyName": "F" } }, 201, {}],
                [
                    "GET /Users/{a}?attributes=name.familyName", null, 200,
                    { "id": "{a}", "userName": null, "name": { "givenName": null, "familyName": "F" } },
                ],
            ]),
        ),
    ]
}

#[tokio::test]
async fn worked_examples_hold() {
    let examples = examples();
    assert_eq!(examples.len(), 11);
    for (name, steps) in examples {
        run(&server(), name, steps).await;
    }
}
