//! `/Roles` and `/Entitlements`.

use http::StatusCode;
use serde_json::{Value, json};
use vestibule_scim::directory::{Lookup, LookupKind, Profile};

use crate::server::{BASE, Server, server, server_of};

const OKTA_ROLE: &str = "urn:okta:scim:schemas:core:1.0:Role";
const DRAFT_ROLE: &str = "urn:ietf:params:scim:schemas:core:1.0:Role";

fn told() -> Server {
    let mut profile = Profile::new();
    profile.roles = true;
    profile.entitlements = true;
    let server = server_of(profile);
    let role = LookupKind::Role;
    let admin = Lookup::new("admin").with_display("Administrator").primary();
    let reader = Lookup::new("team/reader")
        .with_kind("team")
        .with_description("Reads");
    let gold = Lookup::new("gold").with_display("Gold");
    let lookups = [
        (role, admin),
        (role, reader),
        (LookupKind::Entitlement, gold),
    ];
    server.memory.lookups.lock().unwrap().extend(lookups);
    server
}

#[tokio::test]
async fn roles_are_told_as_okta_and_the_draft_read_them() {
    let server = told();
    let list = server.get("/Roles?startIndex=1&count=100").await;
    assert_eq!(
        (list.status, &list.body["totalResults"]),
        (StatusCode::OK, &json!(2))
    );
    assert_eq!(
        list.body["Resources"][0],
        json!({
            "schemas": [OKTA_ROLE, DRAFT_ROLE],
            "id": "admin", "value": "admin", "display": "Administrator", "displayName": "Administrator",
            "supported": true, "primary": true,
            "meta": { "resourceType": "Role", "location": format!("{BASE}/Roles/admin") },
        })
    );
    let reader = &list.body["Resources"][1];
    assert_eq!(reader["displayName"], json!("team/reader"));
    assert_eq!(
        (&reader["type"], &reader["description"]),
        (&json!("team"), &json!("Reads"))
    );
    let location = reader["meta"]["location"].as_str().unwrap();
    let one = server.get(location.strip_prefix(BASE).unwrap()).await;
    assert_eq!(&one.body, reader);
    let gold = server.get("/Entitlements").await.body;
    assert_eq!(gold["Resources"][0]["displayName"], json!("Gold"));
    server.get("/Roles/none").await.refused(404, None);
}

#[tokio::test]
async fn roles_are_filtered_sorted_projected_and_paged() {
    let server = told();
    let ids = |body: &Value| -> Vec<Value> {
        let resources = body["Resources"].as_array().unwrap().iter();
        resources.map(|role| role["id"].clone()).collect()
    };
    for (query, expected) in [
        ("filter=value+eq+%22admin%22", vec!["admin"]),
        ("filter=displayName+sw+%22ADMIN%22", vec!["admin"]),
        ("filter=primary+eq+true", vec!["admin"]),
        (
            "sortBy=value&sortOrder=descending",
            vec!["team/reader", "admin"],
        ),
        ("startIndex=2", vec!["team/reader"]),
        ("count=0", vec![]),
        ("startIndex=3", vec![]),
    ] {
        assert_eq!(
            ids(&server.get(&format!("/Roles?{query}")).await.body),
            expected,
            "{query}"
        );
    }
    server
        .get("/Roles?filter=userName+pr")
        .await
        .refused(400, Some("invalidFilter"));
    let brief = server.get("/Roles/admin?attributes=display").await.body;
    assert_eq!(
        brief,
        json!({ "schemas": [OKTA_ROLE, DRAFT_ROLE], "id": "admin", "display": "Administrator" })
    );
    let first = server.get("/Roles?count=1&cursor=").await.body;
    let cursor = first["nextCursor"].as_str().unwrap();
    let last = server
        .get(&format!("/Roles?count=1&cursor={cursor}"))
        .await
        .body;
    assert_eq!(
        (ids(&last), last.get("nextCursor")),
        (vec![json!("team/reader")], None)
    );
    server
        .get(&format!("/Entitlements?cursor={cursor}"))
        .await
        .refused(400, Some("invalidCursor"));
}

#[tokio::test]
async fn roles_are_read_only() {
    let server = told();
    for (method, path) in [
        ("POST", "/Roles"),
        ("PUT", "/Roles/admin"),
        ("DELETE", "/Entitlements/gold"),
    ] {
        let refused = server.call(method, path, json!({})).await;
        refused.refused(405, None);
        assert_eq!(refused.header("allow"), "GET, HEAD");
    }
}

#[tokio::test]
async fn what_is_told_is_announced_and_what_is_not_is_not_there() {
    let offered = told();
    let types = offered.get("/ResourceTypes").await.body;
    let role = &types["Resources"][2];
    assert_eq!(
        (&role["id"], &role["endpoint"], &role["schema"]),
        (&json!("Role"), &json!("/Roles"), &json!(OKTA_ROLE))
    );
    assert_eq!(
        offered.get("/ResourceTypes/Entitlement").await.status,
        StatusCode::OK
    );
    for urn in [OKTA_ROLE, DRAFT_ROLE] {
        let schema = offered.get(&format!("/Schemas/{urn}")).await;
        assert_eq!(schema.body["id"], json!(urn));
    }
    let config = offered.get("/ServiceProviderConfig").await.body;
    assert_eq!(
        config["RolesAndEntitlements"]["roles"]["supported"],
        json!(true)
    );

    let plain = server();
    plain.get("/Roles").await.refused(404, None);
    plain.get("/ResourceTypes/Role").await.refused(404, None);
    let config = plain.get("/ServiceProviderConfig").await.body;
    assert!(config.get("RolesAndEntitlements").is_none());
}
