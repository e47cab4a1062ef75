//! What surrounds a request: headers, limits, rights, records, the configuration.

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use vestibule_scim::directory::Profile;
use vestibule_scim::schema::{Attribute, Returned, Schema, Type};
use vestibule_scim::{ClientAddress, Dialect, ErrorKind, ResourceType};

use crate::memory::{PANIC, READER};
use crate::server::{patch, server, server_of};

#[tokio::test]
async fn content_type_is_json_in_utf_8_or_nothing() {
    let server = server();
    for (number, (content_type, status)) in [
        ("", 201),
        (" ", 201),
        ("application/scim+json", 201),
        ("APPLICATION/JSON; Charset=\"UTF-8\"", 201),
        ("application/json; charset=us-ascii; q=1", 201),
        ("application/json; charset=iso-8859-1", 415),
        ("application/scim+json;charset=utf-16", 415),
        ("text/plain", 415),
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({ "userName": format!("u{number}") });
        let headers = [("content-type", content_type)];
        let answer = server.with("POST", "/Users", body, &headers).await;
        assert_eq!(answer.status.as_u16(), status, "{content_type:?}");
    }
}

#[tokio::test]
async fn lists_in_headers_may_be_spread_over_lines() {
    let server = server();
    let id = server.user("ann").await;
    let path = format!("/Users/{id}?excludedAttributes=groups");
    let title = patch(json!([{ "op": "replace", "path": "title", "value": "T" }]));
    let spread = [("if-match", "\"x\""), ("if-match", "W/\"1\"")];
    let changed = server.with("PATCH", &path, title, &spread).await;
    assert_eq!(changed.status, StatusCode::OK);
    let accept = [("accept", "text/html"), ("accept", "application/json")];
    let json = server.with("GET", &path, Value::Null, &accept).await;
    assert_eq!(json.header("content-type"), "application/json");
    let prefer = [("prefer", "respond-async"), ("prefer", "return=minimal")];
    let minimal = server.with("PATCH", &path, patch(json!([])), &prefer).await;
    assert_eq!(
        (minimal.status, minimal.header("preference-applied")),
        (StatusCode::NO_CONTENT, "return=minimal")
    );
    let whole = server.call("PATCH", &path, patch(json!([]))).await;
    assert_eq!(whole.header("preference-applied"), "");
}

#[tokio::test]
async fn unchanged_is_said_only_where_the_tag_says_everything() {
    let server = server();
    let ann = server.user("ann").await;
    let group = server.group("g", &[]).await;
    let known = async |path: String| {
        let etag = server.get(&path).await.header("etag").to_owned();
        let headers = [("if-none-match", etag.as_str())];
        server
            .with("GET", &path, Value::Null, &headers)
            .await
            .status
    };
    let user = format!("/Users/{ann}");
    let etag = server.get(&user).await.header("etag").to_owned();
    let add = patch(json!([{ "op": "add", "path": "members", "value": [{ "value": ann }] }]));
    server.call("PATCH", &format!("/Groups/{group}"), add).await;
    let headers = [("if-none-match", etag.as_str())];
    let again = server.with("GET", &user, Value::Null, &headers).await;
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(again.body["groups"][0]["value"], json!(group));
    assert_eq!(again.body["meta"]["version"], json!(again.header("etag")));
    // The tag names the groups; a write asks for the version alone.
    let headers = [("if-match", again.header("etag"))];
    let title = patch(json!([{ "op": "replace", "path": "title", "value": "x" }]));
    let written = server.with("PATCH", &user, title.clone(), &headers).await;
    assert_eq!(written.status, StatusCode::OK);
    let stale = server.with("PATCH", &user, title, &headers).await;
    stale.refused(412, None);
    let etag = server.get(&user).await.header("etag").to_owned();
    let remove = patch(json!([{ "op": "remove", "path": "members" }]));
    server
        .call("PATCH", &format!("/Groups/{group}"), remove)
        .await;
    let headers = [("if-none-match", etag.as_str())];
    let left = server.with("GET", &user, Value::Null, &headers).await;
    assert_eq!(left.status, StatusCode::OK);
    assert_eq!(left.body.get("groups"), None);
    for (path, status) in [
        (user.clone(), 304),
        (format!("{user}?attributes=userName"), 304),
        (format!("{user}?attributes=groups"), 304),
        (format!("/Groups/{group}"), 304),
        (format!("/Groups/{group}?attributes=members.display"), 200),
        (format!("/Groups/{group}?attributes=displayName"), 304),
    ] {
        assert_eq!(known(path.clone()).await.as_u16(), status, "{path}");
    }
    let headers = [("if-none-match", "*")];
    server
        .with("GET", "/Users/none", Value::Null, &headers)
        .await
        .refused(404, None);
}

#[tokio::test]
async fn groups_may_be_larger_than_other_bodies() {
    let mut profile = Profile::new();
    profile.body_limit = 2_000;
    profile.group_body_limit = 8_000;
    let server = server_of(profile);
    let group = server.group("g", &[]).await;
    let text = |length: usize| json!({ "displayName": "g", "externalId": "x".repeat(length) });
    let path = format!("/Groups/{group}");
    assert_eq!(
        server.call("PUT", &path, text(7_000)).await.status,
        StatusCode::OK
    );
    for (method, path, length, limit) in [
        ("PUT", path.as_str(), 8_000, "8000"),
        ("POST", "/Users", 2_000, "2000"),
        ("POST", "/.search", 2_000, "2000"),
    ] {
        let refused = server.call(method, path, text(length)).await;
        refused.refused(413, None);
        assert!(refused.body["detail"].as_str().unwrap().contains(limit));
    }
}

#[tokio::test]
async fn token_that_may_only_read_changes_nothing() {
    let server = server();
    let id = server.user("ann").await;
    let as_reader = |method: &str, path: &str, body: &str| {
        let request = Request::builder()
            .method(method)
            .uri(format!("/scim/v2/dir{path}"))
            .header("authorization", format!("Bearer {READER}"));
        request.body(Body::from(body.to_owned())).unwrap()
    };
    let one = format!("/Users/{id}");
    for (method, path) in [
        ("POST", "/Users"),
        ("PUT", &one),
        ("PATCH", &one),
        ("DELETE", &one),
        ("DELETE", "/Groups/none"),
        ("POST", "/Bulk"),
    ] {
        let refused = server.send(as_reader(method, path, "{}")).await;
        refused.refused(403, None);
    }
    for (method, path) in [
        ("GET", one.as_str()),
        ("GET", "/"),
        ("POST", "/Users/.search"),
        ("GET", "/Schemas"),
    ] {
        let answer = server.send(as_reader(method, path, "{}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{method} {path}");
    }
}

#[tokio::test]
async fn open_endpoints_can_be_limited_by_address() {
    let server = server();
    let from = |address: &str| {
        let mut request = Request::get("/scim/v2/dir/Schemas")
            .body(Body::empty())
            .unwrap();
        let address = ClientAddress(address.parse().unwrap());
        request.extensions_mut().insert(address);
        request
    };
    for _ in 0..20 {
        assert_eq!(server.send(from("192.0.2.1")).await.status, StatusCode::OK);
    }
    let refused = server.send(from("192.0.2.1")).await;
    refused.refused(429, None);
    assert_eq!(refused.header("retry-after"), "7");
    assert_eq!(
        server.send(from("2001:db8::1")).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn client_that_goes_away_leaves_a_whole_request_and_its_record() {
    let server = server();
    let (open, gate) = tokio::sync::oneshot::channel();
    *server.memory.gate.lock().unwrap() = Some(gate);
    let create = server.call("POST", "/Users", json!({ "userName": "ann" }));
    // Nobody polls the request any more once it waits for the host.
    tokio::select! {
        biased;
        _ = create => unreachable!("the gate is closed"),
        () = async { while server.memory.gate.lock().unwrap().is_some() { tokio::task::yield_now().await } } => {}
    }
    assert!(server.memory.seen.lock().unwrap().is_empty());
    open.send(()).unwrap();
    while server.memory.seen.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let seen = server.memory.seen.lock().unwrap()[0].clone();
    assert_eq!((seen.status, seen.changed), (201, Some(true)));
    assert_eq!(server.get("/Users").await.body["totalResults"], json!(1));
}

#[tokio::test]
async fn panic_of_the_host_is_an_error_of_scim_and_is_recorded() {
    let server = server();
    let answer = server
        .call("POST", "/Users", json!({ "userName": PANIC }))
        .await;
    answer.refused(500, None);
    let seen = server.memory.seen.lock().unwrap();
    assert_eq!(seen[0].status, 500);
    let failure = seen[0].failure.as_ref().unwrap();
    assert_eq!(failure.kind, ErrorKind::Internal);
    assert!(failure.cause.as_ref().unwrap().contains("panicked"));
}

#[tokio::test]
async fn signs_of_the_product_are_recorded() {
    let server = server();
    let schemas = |urns: &[&str]| json!({ "schemas": urns, "displayName": "g", "userName": "u" });
    let core = "urn:ietf:params:scim:schemas:core:2.0:Group";
    let adscim = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group";
    server.get("/Users?aadOptscim062020&count=1").await;
    server.get("/aadOptscim062020/Users").await;
    server
        .call("POST", "/Groups", schemas(&[core, adscim]))
        .await;
    server
        .call("POST", "/Users", schemas(&["urn:scim:schemas:core:2.0"]))
        .await;
    server.get("/Users").await;
    let seen = server.memory.seen.lock().unwrap();
    let hints: Vec<_> = seen
        .iter()
        .map(|seen| {
            (
                seen.hints.aad_flag,
                seen.hints.adscim_urn,
                seen.hints.old_urns,
            )
        })
        .collect();
    assert_eq!(
        hints,
        [
            (true, false, false),
            (true, false, false),
            (false, true, false),
            (false, false, true),
            (false, false, false),
        ]
    );
}

#[tokio::test]
async fn attribute_that_is_returned_on_request_is_shown_to_who_wrote_it() {
    let urn = "urn:acme:scim:schemas:extension:badge:1.0:User";
    let mut badge = Attribute::new("badge", Type::String);
    badge.returned = Returned::Request;
    let schema = Schema::new(urn, "Badge", "A badge.", vec![badge]);
    let mut profile = Profile::new();
    profile.registry = profile.registry.with_extension(ResourceType::User, schema);
    let server = server_of(profile);
    let body = json!({ "userName": "ann", urn: { "badge": "7" } });
    let created = server.call("POST", "/Users", body).await;
    assert_eq!(created.body[urn]["badge"], json!("7"));
    let path = format!("/Users/{}", created.created());
    assert!(server.get(&path).await.body.get(urn).is_none());
    let other = patch(json!([{ "op": "add", "path": "title", "value": "T" }]));
    assert!(
        server
            .call("PATCH", &path, other)
            .await
            .body
            .get(urn)
            .is_none()
    );
    let own = patch(json!([{ "op": "add", "path": format!("{urn}:badge"), "value": "8" }]));
    assert_eq!(
        server.call("PATCH", &path, own).await.body[urn]["badge"],
        json!("8")
    );
    let named = server.get(&format!("{path}?attributes=badge")).await.body;
    assert_eq!(named[urn]["badge"], json!("8"));
}

#[tokio::test]
async fn configuration_says_what_the_profile_grants() {
    let plain = server().get("/ServiceProviderConfig").await.body;
    for absent in ["documentationUri", "interopProfileConformant"] {
        assert!(plain.get(absent).is_none(), "{absent}");
    }
    assert_eq!(plain["authenticationSchemes"].as_array().unwrap().len(), 1);
    let mut profile = Profile::new();
    profile.dialect = Dialect::Strict;
    profile.oauth = true;
    profile.documentation = Some("https://docs.test/scim".parse().unwrap());
    let server = server_of(profile);
    let config = server.get("/ServiceProviderConfig").await.body;
    assert_eq!(config["documentationUri"], json!("https://docs.test/scim"));
    assert_eq!(config["interopProfileConformant"], json!(true));
    assert_eq!(config["authenticationSchemes"][1]["type"], json!("oauth2"));
    // Whatever the configuration says, its schema declares.
    let schema = server
        .get("/Schemas/urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig")
        .await;
    let declared = schema.body["attributes"].as_array().unwrap();
    let declared: Vec<_> = declared
        .iter()
        .map(|attribute| &attribute["name"])
        .collect();
    for name in config.as_object().unwrap().keys() {
        let common = ["schemas", "meta"].contains(&name.as_str());
        assert!(common || declared.contains(&&json!(name)), "{name}");
    }
}

#[tokio::test]
async fn password_is_promised_only_where_it_is_kept() {
    let mut profile = Profile::new();
    for kept in [false, true] {
        profile.accept_password = kept;
        let server = server_of(profile.clone());
        let user = server
            .get("/Schemas/urn:ietf:params:scim:schemas:core:2.0:User")
            .await;
        let text = user.body.to_string();
        assert_eq!(text.contains("\"password\""), kept);
    }
}

#[tokio::test]
async fn strict_search_says_that_it_is_one() {
    let urn = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
    let mut profile = Profile::new();
    profile.dialect = Dialect::Strict;
    let strict = server_of(profile);
    let good = json!({ "schemas": [urn.to_uppercase()] });
    assert_eq!(
        strict.call("POST", "/.search", good).await.status,
        StatusCode::OK
    );
    for path in ["/.search", "/Users/.search"] {
        let bare = strict.call("POST", path, json!({})).await;
        bare.refused(400, Some("invalidSyntax"));
    }
    let old = json!({ "schemas": ["urn:ietf:params:scim:api:messages:1.1:SearchRequest"] });
    let lenient = server();
    lenient
        .call("POST", "/Users/.search", old)
        .await
        .refused(400, Some("invalidVers"));
    let other = json!({ "schemas": ["urn:x"] });
    assert_eq!(
        lenient.call("POST", "/Users/.search", other).await.status,
        StatusCode::OK
    );
    let id = lenient.user("ann").await;
    let mut old = patch(json!([]));
    old["schemas"] = json!(["urn:ietf:params:scim:api:messages:1.0:PatchOp"]);
    lenient
        .call("PATCH", &format!("/Users/{id}"), old)
        .await
        .refused(400, Some("invalidVers"));
}
