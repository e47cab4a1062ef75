//! Requests that are refused, and in which order the checks stand.

use axum::body::Body;
use http::{Request, header};
use serde_json::{Value, json};

use crate::memory::PAUSED;
use crate::server::server;

#[tokio::test]
async fn every_route_refuses_strangers() {
    let server = server();
    let paths = [
        "/",
        "/Users",
        "/Users/x",
        "/Groups",
        "/Groups/x",
        "/.search",
        "/Users/.search",
        "/Me",
        "/Bulk",
        "/Roles",
        "/Entitlements/x",
        "/nothing",
    ];
    for path in paths {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            for credentials in [
                None,
                Some("Bearer wrong"),
                Some("Basic VA=="),
                Some("Bearer "),
            ] {
                let mut request = Request::builder()
                    .method(method)
                    .uri(format!("/scim/v2/dir{path}"));
                if let Some(credentials) = credentials {
                    request = request.header(header::AUTHORIZATION, credentials);
                }
                let answer = server.send(request.body(Body::empty()).unwrap()).await;
                answer.refused(401, None);
                assert!(answer.header("www-authenticate").starts_with("Bearer"));
            }
        }
    }
    let seen = server.memory.seen.lock().unwrap();
    assert!(seen.iter().all(|exchange| exchange.access.is_none()));
}

#[tokio::test]
async fn other_directorys_resource_does_not_exist() {
    let server = server();
    let id = server.user("ann").await;
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        let uri = format!("/scim/v2/other/Users/{id}");
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("authorization", "Bearer T");
        server
            .send(request.body(Body::from("{}")).unwrap())
            .await
            .refused(404, None);
    }
    let request =
        Request::get(format!("/scim/v2/{PAUSED}/Users")).header("authorization", "Bearer T");
    server
        .send(request.body(Body::empty()).unwrap())
        .await
        .refused(503, None);
}

#[tokio::test]
async fn wrong_requests_get_a_clear_refusal() {
    let server = server();
    server.get("/nothing").await.refused(404, None);
    let garbled = Request::get("/scim/v2/%FF/Users")
        .body(Body::empty())
        .unwrap();
    server.send(garbled).await.refused(401, None);
    server
        .get("/Users?sortBy=password")
        .await
        .refused(400, Some("invalidValue"));
    server.get("/Users/x/y").await.refused(404, None);
    let answer = server.call("PUT", "/Users", Value::Null).await;
    answer.refused(405, None);
    assert_eq!(answer.header("allow"), "GET, HEAD, POST");
    server.get("/Me").await.refused(501, None);
    server
        .call("POST", "/Users", json!({}))
        .await
        .refused(400, Some("invalidValue"));
    server
        .call("POST", "/Users", json!({ "userName": "" }))
        .await
        .refused(400, Some("invalidValue"));
    server
        .call("POST", "/Users", json!([]))
        .await
        .refused(400, Some("invalidSyntax"));
    server
        .get("/Users?startIndex=x")
        .await
        .refused(400, Some("invalidValue"));
    server
        .get("/Users?filter=nothing%20eq%20%22x%22")
        .await
        .refused(400, Some("invalidFilter"));
    server
        .with("GET", "/Users", Value::Null, &[("accept", "text/html")])
        .await
        .refused(406, None);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    server
        .with("POST", "/Users", json!({}), &form)
        .await
        .refused(415, None);
}

#[tokio::test]
async fn broken_and_oversized_bodies_are_refused() {
    let server = server();
    let id = server.user("ann").await;
    for (method, path) in [
        ("POST", "/Users".to_owned()),
        ("PATCH", format!("/Users/{id}")),
    ] {
        let request = |body| {
            let request = Request::builder()
                .method(method)
                .uri(format!("/scim/v2/dir{path}"));
            request
                .header("authorization", "Bearer T")
                .body(Body::from(body))
                .unwrap()
        };
        server
            .send(request("{\"userName\": ".to_owned()))
            .await
            .refused(400, Some("invalidSyntax"));
        server
            .send(request(String::new()))
            .await
            .refused(400, Some("invalidSyntax"));
        server
            .send(request("[".repeat(10_000)))
            .await
            .refused(400, Some("invalidSyntax"));
        server
            .send(request("a".repeat(11 * 1024 * 1024)))
            .await
            .refused(413, None);
    }
    assert_eq!(server.get("/Users").await.body["totalResults"], json!(1));
}

#[tokio::test]
async fn existence_then_version_come_before_the_body() {
    let server = server();
    let id = server.user("ann").await;
    let path = format!("/Users/{id}");
    let stale = [("if-match", "W/\"stale\"")];
    for method in ["PUT", "PATCH"] {
        server
            .call(method, "/Users/none", json!("nonsense"))
            .await
            .refused(404, None);
        server
            .with(method, &path, json!("nonsense"), &stale)
            .await
            .refused(412, None);
        server
            .call(method, &path, json!("nonsense"))
            .await
            .refused(400, Some("invalidSyntax"));
    }
    server
        .with("DELETE", &path, Value::Null, &stale)
        .await
        .refused(412, None);
}
