//! Applications, webhooks and keys: what gets a secret.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use vestibule_support::{World, on_every_database};

use crate::setup::{Api, BOOTSTRAP, id};

on_every_database!(
    an_application_gets_a_secret_once,
    what_an_application_cannot_be_is_said,
    webhooks_get_their_events_and_a_dead_delivery_another_chance,
    a_key_gives_on_no_more_than_it_has,
    signing_keys_rotate,
);

async fn an_application_gets_a_secret_once(world: World) {
    let api = Api::on(world).await;
    let body = json!({ "name": "App", "redirect_uris": ["https://app.test/cb"] });
    let made = api.post("/applications", body).await.expect(201);
    assert_eq!(made["client_id"], made["id"]);
    let secret = made["client_secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("vcs_"));
    let path = format!("/applications/{}", id(&made));
    assert_eq!(
        api.get(&path).await.expect(200)["client_secret"],
        Value::Null
    );
    let rotated = api
        .post(&format!("{path}/rotate-secret"), json!({}))
        .await
        .expect(200);
    assert_ne!(rotated["client_secret"], secret.as_str());
    let public = api
        .patch(&path, json!({ "token_endpoint_auth_method": "none" }))
        .await
        .expect(200);
    assert_eq!(public["client_secret"], Value::Null);
    api.post(&format!("{path}/rotate-secret"), json!({}))
        .await
        .refused(409);
    let again = api
        .patch(
            &path,
            json!({ "token_endpoint_auth_method": "client_secret_post" }),
        )
        .await
        .expect(200);
    assert!(again["client_secret"].as_str().unwrap().starts_with("vcs_"));
    let audit = api.get("/audit?limit=500").await.expect(200).to_string();
    assert!(audit.contains("application.rotate_secret") && !audit.contains("vcs_"));
    api.delete(&path).await.expect(204);
    api.get(&path).await.refused(404);
}

async fn what_an_application_cannot_be_is_said(world: World) {
    let api = Api::on(world).await;
    for (name, value, field) in [
        ("redirect_uris", json!([]), "redirect_uris"),
        (
            "redirect_uris",
            json!(["https://app.test/cb", "http://app.test/cb"]),
            "redirect_uris[1]",
        ),
        (
            "redirect_uris",
            json!(["https://*.test/cb"]),
            "redirect_uris[0]",
        ),
        (
            "post_logout_redirect_uris",
            json!(["javascript:alert(1)"]),
            "post_logout_redirect_uris[0]",
        ),
        (
            "backchannel_logout_uri",
            json!("http://app.test/logout"),
            "backchannel_logout_uri",
        ),
        (
            "initiate_login_uri",
            json!("ftp://app.test"),
            "initiate_login_uri",
        ),
        (
            "token_endpoint_auth_method",
            json!("client_secret_jwt"),
            "token_endpoint_auth_method",
        ),
        (
            "token_endpoint_auth_method",
            json!("private_key_jwt"),
            "jwks",
        ),
        ("jwks", json!({ "keys": [] }), "jwks"),
        ("claims", json!({ "sub": "userName" }), "claims.sub"),
        ("access_token_format", json!("JWT"), "access_token_format"),
        (
            "id_token_signed_response_alg",
            json!("none"),
            "id_token_signed_response_alg",
        ),
        ("refresh_retry_seconds", json!(11), "refresh_retry_seconds"),
        ("name", json!(" "), "name"),
    ] {
        let mut body = json!({ "name": "App", "redirect_uris": ["https://app.test/cb"] });
        body[name] = value;
        let reply = api.post("/applications", body).await;
        assert_eq!(reply.field(), field);
        reply.refused(422);
    }
    assert_eq!(
        api.get("/applications").await.expect(200)["data"],
        json!([])
    );
    let body = json!({ "name": "App", "redirect_uris": ["https://app.test/cb"], "backchannel_logout_uri": "http://127.0.0.1:3000/logout" });
    api.post("/applications", body).await.expect(201);
}

async fn webhooks_get_their_events_and_a_dead_delivery_another_chance(world: World) {
    let api = Api::on(world).await;
    let organization = api.organization("Acme").await;
    let made = api
        .post(
            "/webhooks",
            json!({ "url": "https://app.test/hook", "events": ["user.created"] }),
        )
        .await
        .expect(201);
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    let path = format!("/webhooks/{}", id(&made));
    assert_eq!(api.get(&path).await.expect(200)["secret"], Value::Null);
    for (body, field) in [
        (json!({}), "url"),
        (json!({ "url": "http://app.test/hook" }), "url"),
        (
            json!({ "url": "https://app.test/hook", "events": ["user.exploded"] }),
            "events[0]",
        ),
    ] {
        let reply = api.post("/webhooks", body).await;
        assert_eq!(reply.field(), field);
        reply.refused(422);
    }
    let user = api
        .post(
            &format!("/organizations/{organization}/users"),
            json!({ "user_name": "ada" }),
        )
        .await
        .expect(201);
    api.post(&format!("/users/{}/deactivate", id(&user)), json!({}))
        .await
        .expect(200);
    let deliveries = api.get(&format!("{path}/deliveries")).await.expect(200);
    assert_eq!(deliveries["data"].as_array().unwrap().len(), 1);
    let delivery = &deliveries["data"][0];
    assert_eq!(
        (&delivery["event_type"], &delivery["state"]),
        (&json!("user.created"), &json!("waiting"))
    );

    let outbox = id(delivery).parse().unwrap();
    let mut tx = api.world.write().await;
    tx.set_job_failed(outbox, "refused", None).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        api.get(&format!("{path}/deliveries")).await.expect(200)["data"][0]["state"],
        "dead"
    );
    let retried = api
        .post(&format!("/deliveries/{outbox}/retry"), json!({}))
        .await
        .expect(200);
    assert_eq!(retried["state"], "waiting");
    let mut tx = api.world.write().await;
    tx.finish_job(outbox).await.unwrap();
    tx.commit().await.unwrap();
    api.post(&format!("/deliveries/{outbox}/retry"), json!({}))
        .await
        .refused(409);

    let other = api
        .post(&format!("{path}/rotate-secret"), json!({}))
        .await
        .expect(200);
    assert_ne!(other["secret"], made["secret"]);
    api.delete(&path).await.expect(204);
    api.get(&path).await.refused(404);
}

async fn a_key_gives_on_no_more_than_it_has(world: World) {
    let api = Api::on(world).await;
    let organization = api.organization("Acme").await;
    let ends = "2026-12-01T00:00:00Z";
    let body =
        json!({ "name": "maker", "scopes": ["api_keys:write", "users:read"], "expires_at": ends });
    let made = api.post("/api-keys", body).await.expect(201);
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with("vak_"));
    let make = async |body: Value| api.call(key, Method::POST, "/api-keys", Some(body)).await;
    for scopes in [
        json!(["*"]),
        json!(["users:write"]),
        json!(["users:read", "audit:read"]),
    ] {
        make(json!({ "name": "x", "scopes": scopes }))
            .await
            .refused(403);
    }
    make(json!({ "name": "x", "scopes": [] }))
        .await
        .refused(422);
    make(json!({ "name": "x", "scopes": ["users:read"], "expires_at": "2027-01-01T00:00:00Z" }))
        .await
        .refused(422);
    let child = make(json!({ "name": "x", "scopes": ["users:read"] }))
        .await
        .expect(201);
    assert_eq!(
        child["expires_at"], ends,
        "it lives no longer than its maker"
    );
    let child_key = child["key"].as_str().unwrap();
    let users = format!("/organizations/{organization}/users");
    api.call(child_key, Method::GET, &users, None)
        .await
        .expect(200);
    assert!(
        api.call(
            child_key,
            Method::POST,
            &users,
            Some(json!({ "user_name": "a" }))
        )
        .await
        .refused(403)
        .contains("users:write")
    );

    api.world.clock.advance(Duration::from_hours(24 * 30));
    api.call(child_key, Method::GET, &users, None)
        .await
        .refused(401);
    let fresh = api.bound_key(&organization).await;
    api.call(&fresh, Method::GET, &users, None)
        .await
        .expect(200);
    let keys = api.get("/api-keys").await.expect(200);
    let bound = keys["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["organization_id"] == organization.as_str())
        .unwrap();
    api.delete(&format!("/api-keys/{}", id(bound)))
        .await
        .expect(204);
    api.call(&fresh, Method::GET, &users, None)
        .await
        .refused(401);
    api.call(BOOTSTRAP, Method::GET, &users, None)
        .await
        .expect(200);
}

async fn signing_keys_rotate(world: World) {
    let api = Api::on(world).await;
    let active = |keys: &Value| -> Vec<String> {
        keys["data"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|key| key["state"] == "active")
            .map(id)
            .collect()
    };
    let before = api.get("/signing-keys").await.expect(200);
    let after = api
        .post("/signing-keys/rotate", json!({}))
        .await
        .expect(200);
    assert_eq!(active(&before).len(), active(&after).len());
    assert!(
        active(&before)
            .iter()
            .all(|key| !active(&after).contains(key))
    );
    assert!(
        after["data"].as_array().unwrap().len() > before["data"].as_array().unwrap().len(),
        "the old ones stay published"
    );
    assert!(!after.to_string().contains("\"d\":"));
}
