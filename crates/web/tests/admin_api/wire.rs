//! What goes wrong between a client and us, and what comes twice.

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};
use vestibule_support::{DatabaseKind, World, on_every_database};

use crate::setup::{Api, BOOTSTRAP, Reply, id};

on_every_database!(
    a_broken_request_is_explained_and_changes_nothing,
    the_document_describes_every_operation,
    a_repeated_post_gets_the_same_answer,
    a_refused_post_frees_its_key,
    no_secret_is_in_a_record,
);

async fn raw(api: &Api, method: Method, path: &str, body: impl Into<Body>) -> Reply {
    let request = Request::builder()
        .method(method)
        .uri(format!("/api/v1{path}"))
        .header("authorization", format!("bearer {BOOTSTRAP}"))
        .header("content-type", "application/json");
    api.send(request.body(body.into()).unwrap()).await
}

async fn a_broken_request_is_explained_and_changes_nothing(world: World) {
    let api = Api::on(world).await;
    for body in ["", "{", "{\"name\": }", "nonsense", "{\"name\":\"a\"} x"] {
        let reply = raw(&api, Method::POST, "/organizations", body).await;
        assert_eq!(reply.body["code"], "malformed_json", "{body}");
        reply.refused(400);
    }
    let reply = raw(&api, Method::POST, "/organizations", "{\"nmae\":\"a\"}").await;
    assert_eq!(
        (reply.body["code"].as_str(), reply.field()),
        (Some("unknown_field"), "nmae")
    );
    reply.refused(400);
    let reply = raw(
        &api,
        Method::POST,
        "/organizations",
        "{\"name\":\"a\",\"policy\":{\"pasword_login\":true}}",
    )
    .await;
    assert_eq!(reply.field(), "pasword_login");
    reply.refused(400);
    raw(&api, Method::POST, "/organizations", "{\"name\":7}")
        .await
        .refused(400);
    let reply = raw(&api, Method::POST, "/api-keys", "{\"name\":\"a\"}").await;
    assert_eq!(reply.field(), "scopes");
    reply.refused(400);
    raw(
        &api,
        Method::POST,
        "/organizations",
        " ".repeat(1024 * 1024 + 1),
    )
    .await
    .refused(413);
    raw(&api, Method::POST, "/organizations", vec![0xff_u8, 0xfe])
        .await
        .refused(400);
    let form = Request::builder()
        .method(Method::POST)
        .uri("/api/v1/organizations")
        .header("authorization", format!("Bearer {BOOTSTRAP}"))
        .header("content-type", "application/x-www-form-urlencoded");
    api.send(form.body(Body::from("name=a")).unwrap())
        .await
        .refused(415);

    let reply = raw(&api, Method::PUT, "/organizations", "{}").await;
    assert!(reply.headers.contains_key("allow"));
    reply.refused(405);
    for path in [
        "/nothing",
        "/organizations/",
        "/organizations/org_x",
        "/users/usr_01h455vb4pex5vsknk084sn02q",
    ] {
        raw(&api, Method::GET, path, "").await.refused(404);
    }
    assert_eq!(
        api.world
            .database
            .number("SELECT COUNT(*) FROM organizations")
            .await,
        0
    );
    assert_eq!(
        api.world
            .database
            .number("SELECT COUNT(*) FROM audit")
            .await,
        0
    );

    let document = Request::builder()
        .uri("/api/v1/openapi.json")
        .body(Body::empty())
        .unwrap();
    let document = api.send(document).await.expect(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(document["paths"]["/api/v1/organizations/{id}/connections"]["post"].is_object());
}

async fn the_document_describes_every_operation(world: World) {
    let api = Api::on(world).await;
    let request = Request::builder()
        .uri("/api/v1/openapi.json")
        .body(Body::empty())
        .unwrap();
    let document = api.send(request).await.expect(200);
    let mut names = Vec::new();
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            names.push(operation["operationId"].as_str().unwrap());
            assert!(
                operation["responses"]["default"]["content"]["application/problem+json"]
                    .is_object()
            );
            assert!(
                operation["summary"].is_string()
                    && operation["responses"].as_object().unwrap().len() >= 2
            );
        }
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "each operation has a name of its own");
    assert!(names.contains(&"post_organizations_id_connections"));
    let text = document.to_string();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
}

async fn keyed(api: &Api, key: &str, idempotency: &str, path: &str, body: &Value) -> Reply {
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("/api/v1{path}"))
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .header("idempotency-key", idempotency);
    api.send(request.body(Body::from(body.to_string())).unwrap())
        .await
}

async fn a_repeated_post_gets_the_same_answer(world: World) {
    let api = Api::on(world).await;
    let body = json!({ "name": "App", "redirect_uris": ["https://app.test/cb"] });
    let first = keyed(&api, BOOTSTRAP, "k1", "/applications", &body)
        .await
        .expect(201);
    let again = keyed(&api, BOOTSTRAP, "k1", "/applications", &body).await;
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(
        again.expect(201),
        first,
        "with the secret, which was shown once"
    );
    assert_eq!(
        api.world
            .database
            .number("SELECT COUNT(*) FROM applications")
            .await,
        1
    );
    let other = json!({ "name": "Other", "redirect_uris": ["https://app.test/cb"] });
    keyed(&api, BOOTSTRAP, "k1", "/applications", &other)
        .await
        .refused(422);
    let elsewhere = keyed(
        &api,
        BOOTSTRAP,
        "k1",
        "/organizations",
        &json!({ "name": "App" }),
    )
    .await
    .expect(201);
    let made = api
        .post("/api-keys", json!({ "name": "x", "scopes": ["*"] }))
        .await
        .expect(201);
    let stranger = keyed(
        &api,
        made["key"].as_str().unwrap(),
        "k1",
        "/applications",
        &body,
    )
    .await
    .expect(201);
    assert!(id(&stranger) != id(&first) && id(&elsewhere).starts_with("org_"));
    let secret = first["client_secret"].as_str().unwrap();
    let kept = api.world.database.texts(hex_of_answers(&api)).await;
    let clear: String = secret.bytes().map(hex).collect();
    assert!(
        kept.len() >= 3 && kept.iter().all(|row| !row.to_lowercase().contains(&clear)),
        "the answers are sealed"
    );

    api.world.clock.advance(std::time::Duration::from_hours(25));
    let later = keyed(&api, BOOTSTRAP, "k1", "/applications", &body)
        .await
        .expect(201);
    assert_ne!(id(&later), id(&first));
}

fn hex(byte: u8) -> String {
    format!("{byte:02x}")
}

/// The dialects name the function differently.
fn hex_of_answers(api: &Api) -> &'static str {
    match api.world.database.kind {
        DatabaseKind::Sqlite => "SELECT hex(answer_sealed) FROM idempotency",
        DatabaseKind::Postgres => "SELECT encode(answer_sealed, 'hex') FROM idempotency",
    }
}

async fn a_refused_post_frees_its_key(world: World) {
    let api = Api::on(world).await;
    keyed(&api, BOOTSTRAP, "k", "/organizations", &json!({}))
        .await
        .refused(422);
    keyed(
        &api,
        BOOTSTRAP,
        "k",
        "/organizations",
        &json!({ "name": "Acme" }),
    )
    .await
    .expect(201);
    keyed(
        &api,
        BOOTSTRAP,
        &"k".repeat(256),
        "/organizations",
        &json!({ "name": "B" }),
    )
    .await
    .refused(422);
}

async fn no_secret_is_in_a_record(world: World) {
    let api = Api::on(world).await;
    let organization = api.organization("Acme").await;
    api.connection(&organization, json!({})).await.expect(201);
    let directory = id(&api
        .post(
            &format!("/organizations/{organization}/directories"),
            json!({}),
        )
        .await
        .expect(201));
    let token = api
        .post(&format!("/directories/{directory}/tokens"), json!({}))
        .await
        .expect(201);
    let webhook = api
        .post("/webhooks", json!({ "url": "https://a.test" }))
        .await
        .expect(201);
    let body = json!({ "user_name": "ada", "password": "correct horse" });
    api.post(&format!("/organizations/{organization}/users"), body)
        .await
        .expect(201);
    let key = api.bound_key(&organization).await;
    let mut told = api.get("/audit?limit=500").await.expect(200).to_string();
    told.push_str(&api.get("/events?limit=500").await.expect(200).to_string());
    for secret in [
        token["token"].as_str().unwrap(),
        webhook["secret"].as_str().unwrap(),
        &key,
        "correct horse",
        "s3cret",
        BOOTSTRAP,
    ] {
        assert!(!told.contains(secret));
    }
    for action in [
        "organization.create",
        "connection.create",
        "directory.create",
        "directory_token.create",
        "webhook.create",
        "user.create",
        "api_key.create",
    ] {
        assert!(told.contains(action), "{action}");
    }
}
