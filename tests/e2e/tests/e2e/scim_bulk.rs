//! Bulk requests and walks by cursor over the real store.

use reqwest::Method;
use serde_json::{Value, json};
use vestibule_support::{
    on_every_server,
    server::{Company, TestServer},
};

on_every_server!(
    a_bulk_request_closes_its_circles_and_is_recorded,
    a_deactivation_in_a_bulk_request_counts,
    a_walk_by_cursor_tells_everybody_once,
);

async fn call(company: &Company, method: Method, path: &str, body: Option<&Value>) -> Value {
    let call = company.scim.call(method, path, body).await.unwrap();
    call.success().unwrap().body
}

fn group(name: &str, member: &str) -> Value {
    json!({
        "method": "POST", "path": "/Groups", "bulkId": name,
        "data": { "displayName": name, "members": [{ "value": format!("bulkId:{member}") }] },
    })
}

fn bulk(operations: &Value) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": operations,
    })
}

async fn a_bulk_request_closes_its_circles_and_is_recorded(server: TestServer) {
    let company = Company::set_up(&server).await;
    let request = bulk(&json!([
        group("a", "b"),
        group("b", "a"),
        group("people", "ada"),
        { "method": "POST", "path": "/Users", "bulkId": "ada", "data": { "userName": "ada@acme.test" } },
        { "method": "POST", "path": "/Users", "bulkId": "twice", "data": { "userName": "ADA@acme.test" } },
    ]));
    let done = call(&company, Method::POST, "/Bulk", Some(&request)).await;
    let operations = done["Operations"].as_array().unwrap();
    let statuses: Vec<_> = operations.iter().map(|one| &one["status"]).collect();
    assert_eq!(statuses, ["201", "201", "201", "201", "409"], "{done}");
    let id = |at: usize| {
        let location = operations[at]["location"].as_str().unwrap();
        location.rsplit('/').next().unwrap().to_owned()
    };
    for (group, member) in [(0, 1), (1, 0), (2, 3)] {
        let group = call(
            &company,
            Method::GET,
            &format!("/Groups/{}", id(group)),
            None,
        )
        .await;
        assert_eq!(group["members"][0]["value"], json!(id(member)), "{group}");
    }
    let user = call(&company, Method::GET, &format!("/Users/{}", id(3)), None).await;
    assert_eq!(user["groups"][0]["display"], json!("people"));
    // Since the user was made it has come into a group, which the entity tag names behind the version.
    let made = operations[3]["version"].as_str().unwrap();
    let now = user["meta"]["version"].as_str().unwrap();
    assert!(now.starts_with(made.trim_end_matches('"')), "{made} {now}");
    assert_ne!(now, made);
}

async fn a_deactivation_in_a_bulk_request_counts(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let request = bulk(&json!([{
        "method": "PATCH", "path": format!("/Users/{}", ada.user_id),
        "data": {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{ "op": "replace", "value": { "active": false } }],
        },
    }]));
    let done = call(&company, Method::POST, "/Bulk", Some(&request)).await;
    assert_eq!(done["Operations"][0]["status"], json!("200"), "{done}");
    let path = format!("/Users/{}", ada.user_id);
    let user = call(&company, Method::GET, &path, None).await;
    assert_eq!(user["active"], json!(false));
    assert_eq!(user["meta"]["version"], done["Operations"][0]["version"]);
}

async fn a_walk_by_cursor_tells_everybody_once(server: TestServer) {
    let company = Company::set_up(&server).await;
    for number in 0..5 {
        company.hire("Ada", &format!("Lovelace{number}")).await;
    }
    for query in [
        "count=2",
        "count=2&filter=userName%20pr",
        "count=2&sortBy=userName&sortOrder=descending",
        "count=2&sortBy=name.familyName",
        "count=2&filter=name.familyName%20sw%20%22Lovelace%22",
    ] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/Users?{query}&cursor={cursor}");
            let page = call(&company, Method::GET, &path, None).await;
            let users = page["Resources"].as_array().unwrap();
            assert!(users.len() <= 2, "{query}");
            seen.extend(users.iter().map(|user| user["id"].clone()));
            match page["nextCursor"].as_str() {
                None => break,
                Some(next) => next.clone_into(&mut cursor),
            }
        }
        assert_eq!(seen.len(), 5, "{query}");
        seen.sort_by_key(Value::to_string);
        seen.dedup();
        assert_eq!(seen.len(), 5, "{query}");
    }
    let mixed = company
        .scim
        .call(Method::GET, "/Users?cursor=zzz", None)
        .await
        .unwrap();
    assert_eq!(
        (mixed.status, &mixed.body["scimType"]),
        (400, &json!("invalidCursor"))
    );
}
