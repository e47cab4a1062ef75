//! Writes, and what they are answered with.

use http::StatusCode;
use serde_json::{Value, json};
use vestibule_scim::Rule;

use crate::server::{BASE, patch, server};

#[tokio::test]
async fn created_user_is_found_under_its_location() {
    let server = server();
    let name = "A\u{1F600} <b>\"\\ e\u{301}";
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": "mine", "groups": [], "meta": { "version": "x" }, "password": "s3cret",
        "addresses": null, "emails": [], "userName": "ann", "displayName": name, "active": true,
    });
    let created = server.call("POST", "/Users", body).await;
    let id = created.created();
    assert_ne!(id, "mine");
    let location = format!("{BASE}/Users/{id}");
    assert_eq!(created.header("location"), location);
    assert_eq!(created.body["meta"]["location"], json!(location));
    assert_eq!(
        created.body["meta"]["created"],
        created.body["meta"]["lastModified"]
    );
    assert_eq!(
        json!(created.header("etag")),
        created.body["meta"]["version"]
    );
    assert_eq!(created.header("content-type"), "application/scim+json");
    assert_eq!(created.body["displayName"], json!(name));
    for absent in ["password", "addresses", "emails", "groups"] {
        assert!(created.body.get(absent).is_none(), "{absent}");
    }
    assert_eq!(server.get(&format!("/Users/{id}")).await.body, created.body);
}

#[tokio::test]
async fn duplicate_name_in_any_letter_case_is_a_conflict() {
    let server = server();
    server.user("ann").await;
    let again = server
        .call("POST", "/Users", json!({ "userName": "ANN" }))
        .await;
    again.refused(409, Some("uniqueness"));
    let other = server.user("bob").await;
    let rename = patch(json!([{ "op": "replace", "path": "userName", "value": "Ann" }]));
    let renamed = server
        .call("PATCH", &format!("/Users/{other}"), rename)
        .await;
    renamed.refused(409, Some("uniqueness"));
}

#[tokio::test]
async fn versions_guard_reads_and_writes() {
    let server = server();
    let id = server.user("ann").await;
    let path = format!("/Users/{id}");
    let etag = server.get(&path).await.header("etag").to_owned();
    let without_groups = format!("{path}?excludedAttributes=groups");
    let matching = [("if-none-match", "\"other\""), ("if-none-match", &etag)];
    let known = server
        .with("GET", &without_groups, Value::Null, &matching)
        .await;
    assert_eq!(
        (known.status, &known.body),
        (StatusCode::NOT_MODIFIED, &Value::Null)
    );
    let title = patch(json!([{ "op": "replace", "path": "title", "value": "T" }]));
    let changed = server
        .with("PATCH", &path, title.clone(), &[("if-match", &etag)])
        .await;
    assert_eq!(changed.status, StatusCode::OK);
    assert_ne!(changed.header("etag"), etag);
    server
        .with("PATCH", &path, title.clone(), &[("if-match", &etag)])
        .await
        .refused(412, None);
    let again = server
        .with("PATCH", &path, title, &[("if-match", "*")])
        .await;
    assert_eq!(again.body, changed.body);
    assert_eq!(again.header("etag"), changed.header("etag"));
    let seen = server.memory.seen.lock().unwrap();
    assert_eq!(seen.last().unwrap().changed, Some(false));
}

#[tokio::test]
async fn deleted_user_is_gone_everywhere() {
    let server = server();
    let id = server.user("ann").await;
    let path = format!("/Users/{id}");
    let group = server.group("g", std::slice::from_ref(&id)).await;
    assert_eq!(
        server.get(&path).await.body["groups"][0]["value"],
        json!(group)
    );
    let deleted = server.call("DELETE", &path, Value::Null).await;
    assert_eq!(
        (deleted.status, deleted.body),
        (StatusCode::NO_CONTENT, Value::Null)
    );
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        server
            .call(method, &path, json!({ "userName": "ann" }))
            .await
            .refused(404, None);
    }
    assert_eq!(server.get("/Users").await.body["totalResults"], json!(0));
    assert!(
        server
            .get(&format!("/Groups/{group}"))
            .await
            .body
            .get("members")
            .is_none()
    );
    server.user("ann").await;
}

#[tokio::test]
async fn projection_holds_on_reads_and_writes() {
    let server = server();
    let body = json!({
        "userName": "ann", "name": { "familyName": "F", "givenName": "G" }, "department": "D", "password": "p",
    });
    let names = "NAME.familyname,urn:ietf:params:scim:schemas:core:2.0:User:userName";
    let created = server
        .call("POST", &format!("/Users?attributes={names}"), body)
        .await;
    let id = created.created();
    let keys = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&created.body), ["id", "name", "schemas", "userName"]);
    assert_eq!(created.body["name"], json!({ "familyName": "F" }));
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    for (query, expected) in [
        ("attributes=name.familyName", vec!["id", "name", "schemas"]),
        ("attributes=nothing", vec!["id", "schemas"]),
        ("attributes=password", vec!["id", "schemas"]),
        ("attributes=department", vec!["id", "schemas", enterprise]),
        (
            "excludedAttributes=id,meta,name,userName,active",
            vec!["id", "schemas", enterprise],
        ),
    ] {
        let read = server.get(&format!("/Users/{id}?{query}")).await;
        assert_eq!(keys(&read.body), expected, "{query}");
    }
    let title = patch(json!([{ "op": "add", "path": "title", "value": "T" }]));
    let patched = server
        .call("PATCH", &format!("/Users/{id}?attributes=title"), title)
        .await;
    assert_eq!(keys(&patched.body), ["id", "schemas", "title"]);
    let path = format!("/Users/{id}?excludedAttributes=meta");
    let put = server
        .call("PUT", &path, json!({ "userName": "ann" }))
        .await;
    assert_eq!(keys(&put.body), ["active", "id", "schemas", "userName"]);
}

#[tokio::test]
async fn patched_group_is_answered_while_it_is_small() {
    let server = server();
    let mut ids = Vec::new();
    for n in 0..101 {
        ids.push(server.user(&format!("u{n}")).await);
    }
    let group = server.group("g", &ids[..99]).await;
    let path = format!("/Groups/{group}");
    let add = |id: &String| {
        patch(json!([{ "op": "add", "path": "members", "value": [{ "value": id }] }]))
    };
    let count = |body: &Value| body["members"].as_array().map_or(0, Vec::len);
    let small = server.call("PATCH", &path, add(&ids[99])).await;
    assert_eq!((small.status, count(&small.body)), (StatusCode::OK, 100));
    let large = server.call("PATCH", &path, add(&ids[100])).await;
    assert_eq!(
        (large.status, &large.body),
        (StatusCode::NO_CONTENT, &Value::Null)
    );
    assert!(!large.header("etag").is_empty());
    let named = server
        .call(
            "PATCH",
            &format!("{path}?attributes=displayName"),
            add(&ids[0]),
        )
        .await;
    assert_eq!(
        (named.status, &named.body["displayName"]),
        (StatusCode::OK, &json!("g"))
    );
    let excluded = server
        .call(
            "PATCH",
            &format!("{path}?excludedAttributes=members"),
            add(&ids[0]),
        )
        .await;
    assert_eq!(
        (excluded.status, count(&excluded.body)),
        (StatusCode::OK, 0)
    );
    assert_eq!(excluded.header("etag"), large.header("etag"));
    let value = json!([{ "$ref": null, "value": ids[0] }]);
    let removed = patch(json!([{ "op": "Remove", "path": "members", "value": value }]));
    assert_eq!(count(&server.call("PATCH", &path, removed).await.body), 100);
    let everyone = patch(json!([{ "op": "remove", "path": "members" }]));
    assert_eq!(count(&server.call("PATCH", &path, everyone).await.body), 0);
}

#[tokio::test]
async fn member_ahead_of_the_person_is_left_out_and_reported() {
    let server = server();
    let group = server.group("g", &[]).await;
    let add = patch(json!([{ "op": "add", "path": "members", "value": [{ "value": "later" }] }]));
    let answer = server.call("PATCH", &format!("/Groups/{group}"), add).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body.get("members").is_none());
    let seen = server.memory.seen.lock().unwrap();
    assert_eq!(seen.last().unwrap().repairs[0].rule, Rule::UnknownMember);
}

#[tokio::test]
async fn client_may_do_without_the_body() {
    let server = server();
    let id = server.user("ann").await;
    let prefer = [("prefer", "return=minimal")];
    let minimal = server
        .with("PATCH", &format!("/Users/{id}"), patch(json!([])), &prefer)
        .await;
    assert_eq!(
        (minimal.status, minimal.body),
        (StatusCode::NO_CONTENT, Value::Null)
    );
}

#[tokio::test]
async fn exchanges_are_recorded_without_values() {
    let server = server();
    let id = server.user("ann").await;
    let deactivate = patch(json!([{ "op": "Replace", "path": "active", "value": "False" }]));
    let agent = [("user-agent", "agent/1")];
    server
        .with("PATCH", &format!("/Users/{id}"), deactivate, &agent)
        .await;
    let broken = server.get("/Users?filter=userName%20eq%20%22s3cret").await;
    broken.refused(400, Some("invalidFilter"));
    let seen = server.memory.seen.lock().unwrap();
    let write = &seen[1];
    assert_eq!(
        (write.endpoint, write.status, write.changed),
        ("/Users/{id}", 200, Some(true))
    );
    assert_eq!(write.resource_id.as_deref(), Some(id.as_str()));
    assert_eq!(write.user_agent.as_deref(), Some("agent/1"));
    let rules: Vec<Rule> = write.repairs.iter().map(|repair| repair.rule).collect();
    assert_eq!(rules, [Rule::OperationCase, Rule::TextBoolean]);
    assert_eq!(
        seen[2].failure.as_ref().unwrap().kind.scim_type(),
        Some("invalidFilter")
    );
    assert!(!format!("{seen:?}").contains("s3cret"));
}

/// The expectations of Okta's SPEC suite (12 requests, 52 assertions).
#[tokio::test]
async fn okta_spec_suite() {
    let server = server();
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "Runscope.User@test",
        "name": { "givenName": "Runscope", "familyName": "User" },
        "emails": [{ "primary": true, "value": "runscope@test", "type": "work" }],
        "displayName": "Runscope User", "active": true,
    });
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/scim+json; charset=utf-8"),
    ];
    let created = server.with("POST", "/Users", body.clone(), &headers).await;
    let id = created.created();
    for name in [
        "schemas",
        "userName",
        "name",
        "emails",
        "displayName",
        "active",
    ] {
        assert_eq!(created.body[name], body[name], "{name}");
    }
    let list = server.get("/Users?count=1&startIndex=1").await;
    assert_eq!(
        list.body["schemas"],
        json!(["urn:ietf:params:scim:api:messages:2.0:ListResponse"])
    );
    for number in ["itemsPerPage", "startIndex", "totalResults"] {
        assert!(list.body[number].is_u64(), "{number}");
    }
    assert_eq!(list.body["Resources"][0], created.body);
    assert_eq!(server.get(&format!("/Users/{id}")).await.body, created.body);
    let none = server
        .get("/Users?filter=userName%20eq%20%22none@test%22")
        .await;
    assert_eq!(none.body["totalResults"], json!(0));
    server
        .get("/Users/010101001010101011001010101011")
        .await
        .refused(404, None);
    server
        .call("POST", "/Users", body)
        .await
        .refused(409, Some("uniqueness"));
    let capitals = server
        .get("/Users?filter=userName%20eq%20%22RUNSCOPE.USER@TEST%22")
        .await;
    assert_eq!(capitals.body["totalResults"], json!(1));
    assert_eq!(server.get("/Groups").await.status, StatusCode::OK);
}
