//! No route answers without a key, and none tells one organization about another.

use http::Method;
use serde_json::{Value, json};
use vestibule_support::{World, on_every_database};

use crate::setup::{Api, id};

on_every_database!(
    no_route_answers_without_a_key,
    another_organizations_rows_do_not_exist,
    a_bound_key_runs_no_installation,
    a_bound_key_has_to_prove_its_domains,
);

fn routes() -> Vec<(Method, String)> {
    let document = serde_json::to_value(vestibule_web::api::openapi()).unwrap();
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let method = method.to_uppercase().parse().unwrap();
            routes.push((method, path.strip_prefix("/api/v1").unwrap().to_owned()));
        }
    }
    assert!(routes.len() > 40, "{}", routes.len());
    routes
}

async fn no_route_answers_without_a_key(world: World) {
    let api = Api::on(world).await;
    for (method, path) in routes() {
        for key in ["", "vak_wrong", "bootstrap"] {
            let reply = api.call(key, method.clone(), &path, Some(json!({}))).await;
            assert_eq!(reply.status, 401, "{method} {path}");
            assert!(
                reply.headers["www-authenticate"]
                    .to_str()
                    .unwrap()
                    .starts_with("Bearer")
            );
        }
    }
}

async fn another_organizations_rows_do_not_exist(world: World) {
    let api = Api::on(world).await;
    let company = api.world.company("acme").await;
    let directory = api.world.directory(&company.organization).await;
    let organization = company.organization.id.to_string();
    let token = api
        .post(&format!("/directories/{}/tokens", directory.id), json!({}))
        .await
        .expect(201);
    let group = api.world.group(&directory, "Staff").await.id.to_string();
    let mapping = furnished(&api, &format!("/directories/{}", directory.id), &group).await;
    let clients = format!("/directories/{}/clients", directory.id);
    let client = api
        .post(&clients, json!({ "jwks": jwks() }))
        .await
        .expect(201);
    let sign_in = api.world.login(&company.user, &company.connection).await;
    let webhook = api
        .post(
            "/webhooks",
            json!({ "url": "https://a.test", "organization_id": organization }),
        )
        .await
        .expect(201);
    let api_key = api
        .post(
            "/api-keys",
            json!({ "name": "a", "scopes": ["*"], "organization_id": organization }),
        )
        .await
        .expect(201);
    api.post(&format!("/users/{}/deactivate", company.user.id), json!({}))
        .await
        .expect(200);
    let delivery = id(&api
        .get(&format!("/webhooks/{}/deliveries", id(&webhook)))
        .await
        .expect(200)["data"][0]);
    let receipt = id(&api
        .get(&format!("/organizations/{organization}/offboardings"))
        .await
        .expect(200)["data"][0]);
    let record = api.world.provisioning_record(&directory).await.to_string();
    let stranger = api.bound_key(&api.organization("Other").await).await;

    let before = rows(&api).await;
    for (method, template) in routes() {
        // It has no end; what it tells is what `/events` tells.
        if template == "/events/stream" {
            continue;
        }
        let noun = template.split('/').nth(1).unwrap();
        let own = match noun {
            "organizations" => organization.clone(),
            "connections" => company.connection.id.to_string(),
            "directories" => directory.id.to_string(),
            "applications" => company.application.id.to_string(),
            "users" => company.user.id.to_string(),
            "sessions" => sign_in.id.to_string(),
            "webhooks" => id(&webhook),
            "deliveries" | "dead-letters" => delivery.clone(),
            "api-keys" => id(&api_key),
            "offboardings" => receipt.clone(),
            "provisioning-log" => record.clone(),
            _ => String::new(),
        };
        let path = placed(&template, &own, [&id(&token), &id(&mapping), &id(&client)]);
        let reply = api
            .call(&stranger, method.clone(), &path, Some(body_of(&template)))
            .await;
        if template.contains("{id}") {
            let wanted = if noun == "applications" { 403 } else { 404 };
            assert_eq!(reply.status, wanted, "{method} {path}: {}", reply.body);
        } else if reply.status == 200 {
            let told = reply.body.to_string();
            assert!(
                !told.contains(&organization) && !told.contains(&company.user.id.to_string()),
                "{method} {path}: {told}"
            );
        } else {
            assert!(
                matches!(reply.status, 400 | 403),
                "{method} {path}: {}",
                reply.body
            );
        }
    }
    assert_eq!(rows(&api).await, before, "nothing changed");
    names_in_parameters_are_refused(&api, &stranger, &organization).await;
}

/// The organization is named beside the path, too.
async fn names_in_parameters_are_refused(api: &Api, stranger: &str, organization: &str) {
    for path in ["/events", "/audit"] {
        api.call(
            stranger,
            Method::GET,
            &format!("{path}?organization_id={organization}"),
            None,
        )
        .await
        .refused(404);
    }
    let body = json!({ "name": "x", "scopes": ["users:read"], "organization_id": organization });
    api.call(stranger, Method::POST, "/api-keys", Some(body))
        .await
        .refused(404);
    let body = json!({ "url": "https://x.test", "organization_id": organization });
    api.call(stranger, Method::POST, "/webhooks", Some(body))
        .await
        .refused(404);
}

/// A path with the ids of what there is in it.
fn placed(template: &str, own: &str, [token_id, mapping_id, client_id]: [&str; 3]) -> String {
    template
        .replace("{id}", own)
        .replace("{token_id}", token_id)
        .replace("{domain}", "acme.test")
        .replace("{fingerprint}", "00")
        .replace("{mapping_id}", mapping_id)
        .replace("{client_id}", client_id)
        .replace("{application_id}", "app_01h455vb4pex5vsknk084sn02q")
        .replace("{kind}", "roles")
        .replace("{value}", "admin")
        .replace("{urn}", "urn:example:badge")
}

/// Gives a directory one of each thing that has a route below it, and tells its role mapping.
async fn furnished(api: &Api, path: &str, group_id: &str) -> Value {
    let schema = json!({ "id": "urn:example:badge", "name": "Badge", "attributes": [{ "name": "number", "type": "string" }] });
    api.post(
        &format!("{path}/schemas"),
        json!({ "extends": "User", "schema": schema }),
    )
    .await
    .expect(201);
    api.post(
        &format!("{path}/lookups/roles"),
        json!({ "value": "admin" }),
    )
    .await
    .expect(201);
    let mapping = json!({ "group_id": group_id, "role": "admin" });
    api.post(&format!("{path}/role-mappings"), mapping)
        .await
        .expect(201)
}

/// A set with the public key of RFC 8037, appendix A.2.
fn jwks() -> Value {
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": x }] })
}

/// A body that would be accepted, so that only the wall can refuse it.
fn body_of(template: &str) -> Value {
    match template {
        "/organizations/{id}/domains" => json!({ "domain": "stolen.test" }),
        "/connections/{id}/certificates" => json!({ "certificate": "AAAA" }),
        "/connections/{id}/keys/rotate" => json!({ "purpose": "signing" }),
        "/directories/{id}/role-mappings" => {
            json!({ "group_id": "grp_01h455vb4pex5vsknk084sn02q", "role": "admin" })
        }
        "/directories/{id}/lookups/{kind}" => json!({ "value": "stolen" }),
        "/directories/{id}/schemas" => {
            json!({ "extends": "User", "schema": { "id": "urn:example:stolen", "name": "x", "attributes": [{ "name": "x", "type": "string" }] } })
        }
        "/dead-letters/retry" => json!({ "destination": "whk_01h455vb4pex5vsknk084sn02q" }),
        "/organizations/{id}/users" => json!({ "user_name": "mallory" }),
        "/connections/{id}/signal-source" => {
            json!({ "issuer": "https://i.test", "jwks_uri": "https://i.test/jwks" })
        }
        "/directories/{id}/clients" => json!({ "jwks": jwks() }),
        "/directories/{id}/guard" => json!({ "users": 1 }),
        "/organizations/{id}/connections" => {
            json!({ "protocol": "oidc", "oidc": { "issuer": "https://i.test", "client_id": "c" } })
        }
        _ => json!({}),
    }
}

async fn rows(api: &Api) -> Vec<i64> {
    let mut counts = Vec::new();
    for sql in [
        "SELECT COUNT(*) FROM audit",
        "SELECT COUNT(*) FROM users WHERE deleted_at IS NULL",
        "SELECT COUNT(*) FROM connections WHERE deleted_at IS NULL",
        "SELECT COUNT(*) FROM directory_tokens WHERE revoked_at IS NULL",
        "SELECT COUNT(*) FROM role_mappings",
        "SELECT COUNT(*) FROM directory_lookups",
        "SELECT COUNT(*) FROM directories WHERE deleted_at IS NULL AND CAST(settings AS TEXT) LIKE '%urn:example:badge%'",
        "SELECT COUNT(*) FROM directory_clients WHERE revoked_at IS NULL",
        "SELECT COUNT(*) FROM events",
        "SELECT COUNT(*) FROM offboardings",
    ] {
        counts.push(api.world.database.number(sql).await);
    }
    counts
}

async fn a_bound_key_runs_no_installation(world: World) {
    let api = Api::on(world).await;
    let organization = api.organization("Acme").await;
    let key = api.bound_key(&organization).await;
    let path = format!("/organizations/{organization}");
    for (method, path, body) in [
        (Method::POST, "/organizations", json!({ "name": "X" })),
        (
            Method::POST,
            "/applications",
            json!({ "name": "X", "redirect_uris": ["https://x.test"] }),
        ),
        (
            Method::POST,
            "/webhooks",
            json!({ "url": "https://x.test" }),
        ),
        (
            Method::POST,
            "/api-keys",
            json!({ "name": "x", "scopes": ["users:read"] }),
        ),
        (Method::POST, "/signing-keys/rotate", json!({})),
        (Method::DELETE, path.as_str(), json!({})),
        (Method::PATCH, path.as_str(), json!({ "active": false })),
    ] {
        api.call(&key, method, path, Some(body)).await.refused(403);
    }
    api.call(
        &key,
        Method::PATCH,
        &path,
        Some(json!({ "name": "Acme Inc" })),
    )
    .await
    .expect(200);
    let listed = api
        .call(&key, Method::GET, "/organizations", None)
        .await
        .expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
}

async fn a_bound_key_has_to_prove_its_domains(world: World) {
    let api = Api::on(world).await;
    let organization = api.organization("Acme").await;
    let key = api.bound_key(&organization).await;
    let path = format!("/organizations/{organization}/domains");
    let details = api
        .call(
            &key,
            Method::POST,
            &path,
            Some(json!({ "domain": "rival.test" })),
        )
        .await
        .expect(201);
    assert_eq!(details["domains"][0]["verified"], false);
    assert!(
        details["domains"][0]["txt_record"]
            .as_str()
            .unwrap()
            .starts_with("vestibule-verification=")
    );
    let verify = format!("{path}/rival.test/verify");
    api.call(&key, Method::POST, &verify, None)
        .await
        .refused(403);
    let details = api.post(&verify, json!({})).await.expect(200);
    assert_eq!(details["domains"][0]["verified"], true);
    api.post(&format!("{path}/unknown.test/verify"), json!({}))
        .await
        .refused(404);
}
