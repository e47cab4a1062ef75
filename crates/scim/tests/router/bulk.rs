//! Bulk requests (RFC 7644 §3.7).

use http::StatusCode;
use serde_json::{Value, json};
use vestibule_scim::directory::{BulkLimits, Profile};
use vestibule_scim::{Dialect, Rule};

use crate::server::{Answer, BASE, Server, patch, server, server_of};

const REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
const RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";

async fn bulk(server: &Server, operations: Value) -> Answer {
    let body = json!({ "schemas": [REQUEST], "Operations": operations });
    server.call("POST", "/Bulk", body).await
}

fn user(name: &str) -> Value {
    json!({ "method": "POST", "path": "/Users", "bulkId": name, "data": { "userName": name } })
}

fn group(name: &str, members: &[&str]) -> Value {
    let members: Vec<Value> = members.iter().map(|id| json!({ "value": id })).collect();
    json!({
        "method": "POST", "path": "/Groups", "bulkId": name,
        "data": { "displayName": name, "members": members },
    })
}

fn statuses(answer: &Answer) -> Vec<&str> {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.body["schemas"], json!([RESPONSE]));
    let operations = answer.body["Operations"].as_array().unwrap().iter();
    operations
        .map(|operation| operation["status"].as_str().unwrap())
        .collect()
}

fn id_of(answer: &Answer, at: usize) -> String {
    let location = answer.body["Operations"][at]["location"].as_str().unwrap();
    assert!(location.starts_with(BASE), "{location}");
    location.rsplit('/').next().unwrap().to_owned()
}

#[tokio::test]
async fn operations_are_done_one_by_one_and_answered_in_order() {
    let server = server();
    let (old, gone) = (server.user("old").await, server.user("gone").await);
    let url = format!("{BASE}/Users/{gone}?x=1");
    let answer = bulk(
        &server,
        json!([
            user("ann"),
            { "method": "PUT", "path": format!("/Users/{old}"), "data": { "userName": "new" } },
            { "method": "patch", "path": format!("Users/{old}"), "bulkId": "mine",
              "data": patch(json!([{ "op": "add", "path": "title", "value": "T" }])) },
            { "method": "DELETE", "path": url },
            { "method": "POST", "path": "/Users", "bulkId": "again", "data": { "userName": "ANN" } },
        ]),
    )
    .await;
    assert_eq!(statuses(&answer), ["201", "200", "200", "204", "409"]);
    let operations = &answer.body["Operations"];
    let ann = server.get(&format!("/Users/{}", id_of(&answer, 0))).await;
    assert_eq!(
        operations[0],
        json!({
            "method": "POST", "bulkId": "ann", "location": ann.body["meta"]["location"],
            "version": ann.body["meta"]["version"], "status": "201",
        })
    );
    let patched = server.get(&format!("/Users/{old}")).await.body;
    assert_eq!(
        (&patched["userName"], &patched["title"]),
        (&json!("new"), &json!("T"))
    );
    assert_eq!(operations[2]["version"], patched["meta"]["version"]);
    assert_eq!(
        (&operations[2]["method"], &operations[2]["bulkId"]),
        (&json!("PATCH"), &json!("mine"))
    );
    assert_eq!(
        operations[3]["location"],
        json!(format!("{BASE}/Users/{gone}"))
    );
    server
        .get(&format!("/Users/{gone}"))
        .await
        .refused(404, None);
}

#[tokio::test]
async fn a_name_that_is_used_twice_fails_by_itself() {
    let server = server();
    let answer = bulk(&server, json!([user("ann"), user("ann")])).await;
    assert_eq!(statuses(&answer), ["201", "400"]);
    assert!(answer.body["Operations"][1].get("location").is_none());
    assert_eq!(
        answer.body["Operations"][1]["response"]["scimType"],
        json!("invalidValue")
    );
}

#[tokio::test]
async fn references_lead_forward_and_back_into_data_and_paths() {
    let server = server();
    let existing = server.group("existing", &[]).await;
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let mut bob = user("bob");
    bob["data"][enterprise] = json!({ "manager": { "value": "bulkId:ann" } });
    let answer = bulk(
        &server,
        json!([
            { "method": "PATCH", "path": "/Groups/bulkId:team",
              "data": patch(json!([{ "op": "add", "path": "members", "value": [{ "value": "bulkId:bob" }] }])) },
            group("team", &["bulkId:ann"]),
            bob,
            user("ann"),
            { "method": "PATCH", "path": format!("/Groups/{existing}"),
              "data": patch(json!([{ "op": "add", "value": { "members": [{ "value": "bulkId:team" }] } }])) },
            { "method": "PATCH", "path": "/Groups/bulkId:team",
              "data": patch(json!([{ "op": "remove", "path": "members[value eq \"bulkId:ann\"]" }])) },
            { "method": "PATCH", "path": "/Users/bulkId:ann",
              "data": patch(json!([{ "op": "replace", "path": format!("{enterprise}:manager"), "value": "bulkId:bob" }])) },
        ]),
    )
    .await;
    assert_eq!(
        statuses(&answer),
        ["200", "201", "201", "201", "200", "200", "200"]
    );
    let (team, bob, ann) = (id_of(&answer, 1), id_of(&answer, 2), id_of(&answer, 3));
    let members = server.get(&format!("/Groups/{team}")).await.body["members"].clone();
    assert_eq!(
        (members.as_array().unwrap().len(), &members[0]["value"]),
        (1, &json!(bob))
    );
    let outer = server.get(&format!("/Groups/{existing}")).await.body;
    assert_eq!(outer["members"][0]["value"], json!(team));
    for (of, manager) in [(&bob, &ann), (&ann, &bob)] {
        let user = server.get(&format!("/Users/{of}")).await.body;
        assert_eq!(user[enterprise]["manager"]["value"], json!(manager));
    }
}

#[tokio::test]
async fn circles_of_any_kind_are_closed() {
    let server = server();
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let managed = |name: &str, manager: &str| {
        let mut user = user(name);
        user["data"][enterprise] = json!({ "manager": { "value": format!("bulkId:{manager}") } });
        user
    };
    let answer = bulk(
        &server,
        json!([
            managed("ann", "bob"),
            managed("bob", "ann"),
            group("a", &["bulkId:b", "bulkId:ann"]),
            group("b", &["bulkId:c"]),
            group("c", &["bulkId:a"]),
            group("own", &["bulkId:own"]),
        ]),
    )
    .await;
    assert_eq!(statuses(&answer), ["201"; 6]);
    for (at, members) in [(2, 2), (3, 1), (4, 1), (5, 1)] {
        let group = server
            .get(&format!("/Groups/{}", id_of(&answer, at)))
            .await
            .body;
        assert_eq!(
            group["members"].as_array().map_or(0, Vec::len),
            members,
            "{group}"
        );
        assert_eq!(
            group["meta"]["version"],
            answer.body["Operations"][at]["version"]
        );
    }
    for (at, manager) in [(0, 1), (1, 0)] {
        let user = server
            .get(&format!("/Users/{}", id_of(&answer, at)))
            .await
            .body;
        assert_eq!(
            user[enterprise]["manager"]["value"],
            json!(id_of(&answer, manager))
        );
    }
}

#[tokio::test]
async fn reference_to_nothing_is_a_conflict() {
    let server = server();
    server.user("taken").await;
    let answer = bulk(
        &server,
        json!([
            group("a", &["bulkId:nobody"]),
            user("taken"),
            group("b", &["bulkId:taken"]),
            { "method": "DELETE", "path": "/Users/bulkId:taken" },
        ]),
    )
    .await;
    assert_eq!(statuses(&answer), ["409", "409", "409", "409"]);
    assert_eq!(
        answer.body["Operations"][1]["response"]["scimType"],
        json!("uniqueness")
    );
    for at in [0, 2, 3] {
        let operation = &answer.body["Operations"][at];
        assert_eq!(operation["response"]["status"], json!("409"));
        assert!(operation["response"].get("scimType").is_none());
        assert!(operation.get("location").is_none());
    }
    assert_eq!(server.get("/Groups").await.body["totalResults"], json!(0));
}

#[tokio::test]
async fn circle_with_a_failed_part_says_so_and_keeps_what_was_created() {
    let server = server();
    server.group("b", &[]).await;
    let answer = bulk(
        &server,
        json!([group("a", &["bulkId:b"]), group("b", &["bulkId:a"])]),
    )
    .await;
    // The circle is cut at the second group, which is taken; the first refers to nothing then.
    assert_eq!(statuses(&answer), ["409", "409"]);
    assert_eq!(server.get("/Groups").await.body["totalResults"], json!(1));
}

#[tokio::test]
async fn errors_stop_the_rest_where_the_client_says_so() {
    let server = server();
    let operations = json!([user("a"), user("A"), user("b"), user("B"), user("c")]);
    let body = json!({ "schemas": [REQUEST], "failOnErrors": 2, "Operations": operations });
    let answer = server.call("POST", "/Bulk", body).await;
    assert_eq!(statuses(&answer), ["201", "409", "201", "409"]);
    assert_eq!(server.get("/Users").await.body["totalResults"], json!(2));
    for wrong in [json!(0), json!(-1), json!("2")] {
        let body = json!({ "failOnErrors": wrong, "Operations": [] });
        let answer = server.call("POST", "/Bulk", body).await;
        answer.refused(400, Some("invalidValue"));
    }
}

#[tokio::test]
async fn versions_guard_operations() {
    let server = server();
    let id = server.user("ann").await;
    let title = |version: &str, title: &str| {
        json!({
            "method": "PATCH", "path": format!("/Users/{id}"), "version": version,
            "data": patch(json!([{ "op": "replace", "path": "title", "value": title }])),
        })
    };
    let delete =
        json!({ "method": "DELETE", "path": format!("/Users/{id}"), "version": "W/\"1\"" });
    let answer = bulk(
        &server,
        json!([title("W/\"1\"", "T"), title("W/\"1\"", "U"), delete]),
    )
    .await;
    assert_eq!(statuses(&answer), ["200", "412", "412"]);
    let location = json!(format!("{BASE}/Users/{id}"));
    assert_eq!(answer.body["Operations"][1]["location"], location);
    assert_eq!(
        server.get(&format!("/Users/{id}")).await.body["title"],
        json!("T")
    );
}

#[tokio::test]
async fn operations_that_make_no_sense_fail_by_themselves() {
    let server = server();
    let id = server.user("ann").await;
    let one = format!("/Users/{id}");
    let answer = bulk(
        &server,
        json!([
            7,
            { "method": "GET", "path": one },
            { "method": "POST", "path": "/Users", "data": { "userName": "x" } },
            { "method": "POST", "path": "/Nothing", "bulkId": "n", "data": {} },
            { "method": "POST", "path": "https://elsewhere.test/Users", "bulkId": "e", "data": { "userName": "x" } },
            { "method": "POST", "path": "/Bulk", "bulkId": "r", "data": {} },
            { "method": "POST", "path": one, "bulkId": "p", "data": { "userName": "x" } },
            { "method": "DELETE", "path": "/Users" },
            { "method": "PUT", "path": one },
            { "method": "PATCH", "path": one, "data": [] },
            { "method": "PUT", "path": "/Users/none", "data": [] },
            user("last"),
        ]),
    )
    .await;
    assert_eq!(
        statuses(&answer),
        [
            "400", "400", "400", "404", "404", "404", "405", "405", "400", "400", "404", "201"
        ]
    );
}

#[tokio::test]
async fn limits_are_told_by_name() {
    let mut profile = Profile::new();
    profile.bulk = Some(BulkLimits::new(2, 600));
    let server = server_of(profile);
    let config = server.get("/ServiceProviderConfig").await.body;
    assert_eq!(
        config["bulk"],
        json!({ "supported": true, "maxOperations": 2, "maxPayloadSize": 600 })
    );
    let many = bulk(&server, json!([user("a"), user("b"), user("c")])).await;
    many.refused(413, None);
    let detail = many.body["detail"].as_str().unwrap();
    assert!(
        detail.contains("maxOperations") && detail.contains('2'),
        "{detail}"
    );
    let large = bulk(&server, json!([user(&"x".repeat(600))])).await;
    large.refused(413, None);
    let detail = large.body["detail"].as_str().unwrap();
    assert!(
        detail.contains("maxPayloadSize") && detail.contains("600"),
        "{detail}"
    );
    assert_eq!(server.get("/Users").await.body["totalResults"], json!(0));

    let mut profile = Profile::new();
    profile.bulk = None;
    let server = server_of(profile);
    bulk(&server, json!([])).await.refused(501, None);
    let config = server.get("/ServiceProviderConfig").await.body;
    assert_eq!(config["bulk"]["supported"], json!(false));
}

#[tokio::test]
async fn message_is_a_bulk_request() {
    let server = server();
    assert_eq!(
        statuses(&bulk(&server, json!([])).await),
        Vec::<&str>::new()
    );
    let refused = [
        (json!([]), "invalidSyntax"),
        (json!({}), "invalidSyntax"),
        (json!({ "Operations": {} }), "invalidSyntax"),
        (
            json!({ "schemas": ["urn:ietf:params:scim:api:messages:3.0:BulkRequest"], "Operations": [] }),
            "invalidVers",
        ),
    ];
    for (body, kind) in refused {
        server
            .call("POST", "/Bulk", body)
            .await
            .refused(400, Some(kind));
    }
    let get = server.get("/Bulk").await;
    get.refused(405, None);
    assert_eq!(get.header("allow"), "POST");
    let mut profile = Profile::new();
    profile.dialect = Dialect::Strict;
    let strict = server_of(profile);
    let bare = strict
        .call("POST", "/Bulk", json!({ "Operations": [] }))
        .await;
    bare.refused(400, Some("invalidSyntax"));
    assert_eq!(
        statuses(&bulk(&strict, json!([])).await),
        Vec::<&str>::new()
    );
}

#[tokio::test]
async fn every_operation_is_recorded_under_the_name_of_the_request() {
    let server = server();
    let answer = bulk(
        &server,
        json!([
            user("ann"),
            user("ANN"),
            group("g", &["bulkId:ann", "later"])
        ]),
    )
    .await;
    assert_eq!(statuses(&answer), ["201", "409", "201"]);
    server.get("/Users").await;
    let seen = server.memory.seen.lock().unwrap();
    let records: Vec<_> = seen
        .iter()
        .map(|seen| (seen.operation, seen.endpoint, seen.status, seen.changed))
        .collect();
    assert_eq!(
        records,
        [
            (Some(1), "/Users", 201, Some(true)),
            (Some(2), "/Users", 409, None),
            (Some(3), "/Groups", 201, Some(true)),
            (None, "/Bulk", 200, Some(true)),
            (None, "/Users", 200, None),
        ]
    );
    let of_request = |number: usize| &seen[number].request_id;
    assert!((1..4).all(|number| of_request(number) == of_request(0)));
    assert_ne!(of_request(4), of_request(0));
    assert_eq!(
        seen[0].resource_id.as_deref(),
        Some(id_of(&answer, 0).as_str())
    );
    assert_eq!(seen[2].repairs[0].rule, Rule::UnknownMember);
}
