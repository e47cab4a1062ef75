//! A person's way through the app, as an identity provider pushes it.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{App, router};

struct Client(Router);

impl Client {
    fn new() -> Self {
        let app = App::new("T".to_owned()).unwrap();
        Self(router("https://app.test/scim/v2", app).unwrap())
    }

    async fn text(&self, method: &str, path: &str, body: Value) -> (StatusCode, String) {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("authorization", "Bearer T");
        let request = request.body(Body::from(body.to_string())).unwrap();
        let response = self.0.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let path = format!("/scim/v2/acme{path}");
        let (status, text) = self.text(method, &path, body).await;
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    async fn home(&self) -> String {
        self.text("GET", "/", Value::Null).await.1
    }
}

fn patch(operations: &Value) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations,
    })
}

#[tokio::test]
async fn person_comes_joins_a_team_and_goes() {
    let client = Client::new();
    let body = json!({ "userName": "ann@acme.test", "active": true });
    let (status, ann) = client.call("POST", "/Users", body).await;
    assert_eq!(status, StatusCode::CREATED, "{ann}");
    let id = ann["id"].as_str().unwrap();
    assert_eq!(client.home().await, "ann@acme.test");
    let taken = json!({ "userName": "ANN@acme.test" });
    assert_eq!(
        client.call("POST", "/Users", taken).await.0,
        StatusCode::CONFLICT
    );

    let body =
        json!({ "displayName": "Staff", "members": [{ "value": id }, { "value": "later" }] });
    let (_, staff) = client.call("POST", "/Groups", body).await;
    assert_eq!(staff["members"].as_array().unwrap().len(), 1);
    let question = "/Users?filter=groups.display+eq+%22staff%22&cursor=";
    let (_, found) = client.call("GET", question, Value::Null).await;
    assert_eq!(found["Resources"][0]["id"], json!(id));
    let team = format!("/Groups/{}", staff["id"].as_str().unwrap());
    let leave = patch(&json!([{ "op": "remove", "path": format!("members[value eq \"{id}\"]") }]));
    let (_, staff) = client.call("PATCH", &team, leave).await;
    assert!(staff.get("members").is_none(), "{staff}");

    // What Entra ID sends when a person leaves.
    let deactivate = patch(&json!([{ "op": "Replace", "path": "active", "value": "False" }]));
    let (_, ann) = client
        .call("PATCH", &format!("/Users/{id}"), deactivate)
        .await;
    assert_eq!(
        (&ann["active"], client.home().await.as_str()),
        (&json!(false), "")
    );
    let (status, _) = client
        .call("DELETE", &format!("/Users/{id}"), Value::Null)
        .await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, _) = client
        .call("GET", &format!("/Users/{id}"), Value::Null)
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn deactivation_ends_what_the_person_holds() {
    let app = App::new("T".to_owned()).unwrap();
    let client = Client(router("https://app.test/scim/v2", app).unwrap());
    let (_, ann) = client
        .call("POST", "/Users", json!({ "userName": "ann" }))
        .await;
    let (_, bob) = client
        .call("POST", "/Users", json!({ "userName": "bob" }))
        .await;
    assert_ne!(ann["id"], bob["id"]);
    let bulk = json!({ "Operations": [{
        "method": "PATCH", "path": format!("/Users/{}", ann["id"].as_str().unwrap()),
        "data": patch(&json!([{ "op": "replace", "value": { "active": false } }])),
    }] });
    let (_, done) = client.call("POST", "/Bulk", bulk).await;
    assert_eq!(done["Operations"][0]["status"], json!("200"));
    assert_eq!(client.home().await, "bob");
}

#[tokio::test]
async fn strangers_see_nothing() {
    let client = Client::new();
    let (status, _) = client
        .text("GET", "/scim/v2/other/Users", Value::Null)
        .await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let request = Request::get("/scim/v2/acme/Users").header("authorization", "Bearer X");
    let response = client.0.oneshot(request.body(Body::empty()).unwrap()).await;
    assert_eq!(response.unwrap().status(), StatusCode::UNAUTHORIZED);
}
