//! Every route without credentials, and with those of another organization.

use reqwest::Method;
use serde_json::{Value, json};
use vestibule_simulate::Browser;
use vestibule_support::{
    on_every_server,
    server::{Company, Reply, TestServer, http_client},
};

use crate::relying::Relying;

on_every_server!(
    no_route_answers_without_credentials,
    a_key_of_another_organization_opens_nothing,
    a_narrow_key_does_not_grow,
    a_directory_reaches_its_own_organization_only,
);

/// Every operation of the OpenAPI document.
async fn operations(server: &TestServer) -> Vec<(Method, String)> {
    let document = server.admin.without_key().get("/openapi.json").await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            if let Ok(method) = method.to_ascii_uppercase().parse::<Method>() {
                let path = path
                    .strip_prefix("/api/v1")
                    .expect("a path of the admin API");
                operations.push((method, path.to_owned()));
            }
        }
    }
    assert!(operations.len() > 50, "{}", operations.len());
    operations
}

/// A body that the route would take.
/// A public key; the one of RFC 8037, appendix A.2.
const JWKS: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fn body(method: &Method, path: &str) -> Option<Value> {
    let full = match path {
        "/organizations" => json!({ "name": "X" }),
        "/organizations/{id}/connections" => {
            json!({ "protocol": "oidc", "oidc": { "issuer": "http://127.0.0.1:1", "client_id": "x" } })
        }
        "/connections/{id}/certificates" => json!({ "certificate": "x" }),
        "/connections/{id}/keys/rotate" => json!({ "purpose": "signing" }),
        "/organizations/{id}/users" => json!({ "user_name": "x" }),
        "/directories/{id}/role-mappings" => {
            json!({ "group_id": "grp_01h455vb4pex5vsknk084sn02q", "role": "x" })
        }
        "/directories/{id}/lookups/{kind}" => json!({ "value": "x" }),
        "/directories/{id}/schemas" => json!({ "extends": "User", "schema": {} }),
        "/organizations/{id}/domains" => json!({ "domain": "x.test" }),
        "/applications" => json!({ "name": "X", "redirect_uris": ["https://x.test/"] }),
        "/webhooks" => json!({ "url": "https://x.test/" }),
        "/dead-letters/retry" => json!({ "destination": "x" }),
        "/api-keys" => json!({ "name": "X", "scopes": ["*"] }),
        "/directories/{id}/guard" => json!({ "users": 1 }),
        "/directories/{id}/clients" => json!({ "jwks": JWKS.parse::<Value>().unwrap() }),
        _ => json!({}),
    };
    match *method {
        Method::POST => Some(full),
        Method::PUT if path.ends_with("/guard") => Some(full),
        Method::PATCH => Some(json!({})),
        Method::PUT if path.ends_with("/signal-source") => {
            Some(json!({ "issuer": "https://i.test", "jwks_uri": "https://i.test/jwks" }))
        }
        _ => None,
    }
}

pub(crate) async fn no_route_answers_without_credentials(server: TestServer) {
    let some = "01h455vb4pex5vsknk084sn02q";
    for (method, path) in operations(&server).await {
        let place = path
            .replace("{domain}", "acme.test")
            .replace("{fingerprint}", &"0f".repeat(32))
            .replace("{token_id}", &format!("dtk_{some}"))
            .replace("{mapping_id}", &format!("rmp_{some}"))
            .replace("{application_id}", "app_01h455vb4pex5vsknk084sn02q")
            .replace("{kind}", "roles")
            .replace("{value}", "x")
            .replace("{urn}", "urn:example:x")
            .replace("{client_id}", &format!("dcl_{some}"));
        let place = place.replace("{id}", &format!("org_{some}"));
        for admin in [
            server.admin.without_key(),
            server.admin.with_key("vak_wrong"),
            server.admin.with_key(""),
        ] {
            let reply = admin
                .call(method.clone(), &place, body(&method, &path).as_ref())
                .await;
            assert_eq!(
                (reply.status, reply.text("code")),
                (401, "unauthorized"),
                "{method} {path}"
            );
            assert!(
                reply.header("www-authenticate").starts_with("Bearer"),
                "{method} {path}"
            );
            assert_eq!(reply.header("content-type"), "application/problem+json");
        }
    }
    let form = "application/x-www-form-urlencoded";
    for (method, path, kind, text, wanted) in [
        (
            "POST",
            "/oauth/token",
            form,
            "grant_type=authorization_code&code=x&redirect_uri=y&code_verifier=z",
            &[400, 401][..],
        ),
        ("POST", "/oauth/introspect", form, "token=x", &[400, 401]),
        ("POST", "/oauth/revoke", form, "token=x", &[400, 401]),
        ("GET", "/auth/verify", form, "", &[401]),
        ("GET", "/auth/verify?groups=x", form, "", &[400]),
        ("POST", "/oauth/par", form, "client_id=x", &[400, 401]),
        ("GET", "/oauth/userinfo", form, "", &[401]),
        ("POST", "/oauth/userinfo", form, "", &[401]),
        ("GET", "/oauth/authorize", form, "", &[400]),
        ("POST", "/oauth/authorize", form, "client_id=x", &[400]),
        ("GET", "/login?handle=vlh_x", form, "", &[400]),
        ("POST", "/login", form, "csrf=x&handle=y&email=z", &[400]),
        (
            "POST",
            "/login/choose",
            form,
            "csrf=x&handle=y&connection=z",
            &[400],
        ),
        (
            "POST",
            "/login/password",
            form,
            "csrf=x&handle=y&connection=z&user_name=a&password=b",
            &[400],
        ),
        ("POST", "/logout", form, "csrf=x", &[303]),
        ("POST", "/oauth/logout/confirm", form, "csrf=x", &[303]),
        ("GET", "/", form, "", &[303, 308]),
        ("GET", "/metrics", form, "", &[401, 404]),
        (
            "GET",
            "/sso/oidc/con_01h455vb4pex5vsknk084sn02q/callback?code=x&state=y",
            form,
            "",
            &[400, 404],
        ),
        (
            "POST",
            "/sso/oidc/con_01h455vb4pex5vsknk084sn02q/backchannel-logout",
            form,
            "logout_token=x",
            &[404],
        ),
        (
            "POST",
            "/sso/con_01h455vb4pex5vsknk084sn02q/global-token-revocation",
            "application/json",
            "{}",
            &[404],
        ),
        (
            "POST",
            "/sso/con_01h455vb4pex5vsknk084sn02q/ssf/events",
            "application/secevent+jwt",
            "x",
            &[404],
        ),
        ("GET", "/ssf/streams", form, "", &[401]),
        ("POST", "/ssf/streams", "application/json", "{}", &[401]),
        ("PATCH", "/ssf/streams", "application/json", "{}", &[401]),
        ("PUT", "/ssf/streams", "application/json", "{}", &[401]),
        ("DELETE", "/ssf/streams?stream_id=x", form, "", &[401]),
        ("GET", "/ssf/status?stream_id=x", form, "", &[401]),
        ("POST", "/ssf/status", "application/json", "{}", &[401]),
        ("POST", "/ssf/verify", "application/json", "{}", &[401]),
        ("POST", "/ssf/poll/x", "application/json", "{}", &[401]),
        (
            "GET",
            "/sso/oidc/con_01h455vb4pex5vsknk084sn02q/login?iss=x",
            form,
            "",
            &[400],
        ),
        (
            "POST",
            "/sso/oidc/con_01h455vb4pex5vsknk084sn02q/login",
            form,
            "iss=x",
            &[400],
        ),
        (
            "GET",
            "/scim/v2/01h455vb4pex5vsknk084sn02q/Users",
            "application/scim+json",
            "",
            &[401],
        ),
        (
            "POST",
            "/scim/v2/01h455vb4pex5vsknk084sn02q/Users",
            "application/scim+json",
            "{}",
            &[401],
        ),
        (
            "DELETE",
            "/scim/v2/01h455vb4pex5vsknk084sn02q/Users/x",
            "application/scim+json",
            "",
            &[401],
        ),
        (
            "PATCH",
            "/scim/v2/nonsense/Groups/x",
            "application/scim+json",
            "{}",
            &[401],
        ),
        ("GET", "/healthz", form, "", &[200]),
        ("GET", "/readyz", form, "", &[200]),
        ("GET", "/no/such/page", form, "", &[404]),
        ("GET", "/api/v1/no-such-thing", form, "", &[401, 404]),
        ("DELETE", "/oauth/token", form, "", &[405]),
    ] {
        let request = http_client()
            .request(method.parse().unwrap(), server.url(path))
            .header("content-type", kind);
        let reply = Reply::read(request.body(text).send().await.unwrap()).await;
        assert!(
            wanted.contains(&reply.status),
            "{method} {path}: {} {}",
            reply.status,
            reply.body
        );
    }
}

/// What an organization has, by the first part of the route that reaches it.
async fn belongings(server: &TestServer, company: &Company) -> Vec<(&'static str, String)> {
    let admin = &server.admin;
    let organization = &company.organization_id;
    let ada = company.hire("Ada", "Lovelace").await;
    let hook = admin.post("/webhooks", json!({ "url": company.app.urls().redirect_uri, "organization_id": organization, "events": ["user.created"] })).await;
    company.signed_in(&mut Browser::new().unwrap(), &ada).await;
    let bob = company.hire("Bob", "Kahn").await;
    company.signed_in(&mut Browser::new().unwrap(), &bob).await;
    admin
        .delete(&format!("/users/{}/sessions", bob.user_id))
        .await;
    let id = |value: &Value| {
        value["id"]
            .as_str()
            .unwrap_or_else(|| panic!("no id in {value}"))
            .to_owned()
    };
    let hook = id(&hook);
    let session = id(&admin.get(&format!("/users/{}/sessions", ada.user_id)).await["data"][0]);
    let receipt = id(&admin
        .get(&format!("/organizations/{organization}/offboardings"))
        .await["data"][0]);
    let delivery = id(&admin.get(&format!("/webhooks/{hook}/deliveries")).await["data"][0]);
    let key = id(&admin
        .post(
            "/api-keys",
            json!({ "name": "own", "scopes": ["users:read"], "organization_id": organization }),
        )
        .await);
    server.engine.flush_records().await;
    let record = id(&admin
        .get(&format!("/organizations/{organization}/provisioning-log"))
        .await["data"][0]);
    vec![
        ("provisioning-log", record),
        ("organizations", organization.clone()),
        ("connections", company.connection_id.clone()),
        ("directories", company.directory_id.clone()),
        ("applications", company.client_id.clone()),
        ("users", ada.user_id),
        ("sessions", session),
        ("offboardings", receipt),
        ("webhooks", hook),
        ("deliveries", delivery.clone()),
        ("dead-letters", delivery),
        ("api-keys", key),
    ]
}

/// How many rows there are of what an API could change.
async fn counts(server: &TestServer) -> Vec<(&'static str, i64)> {
    let mut counts = Vec::new();
    for table in [
        "organizations",
        "domains",
        "connections",
        "connection_certificates",
        "connection_keys",
        "directories",
        "directory_tokens",
        "directory_clients",
        "users",
        "user_sessions",
        "app_sessions",
        "applications",
        "webhooks",
        "api_keys",
        "signal_sources",
        "signing_keys",
        "offboardings",
        "events",
        "audit",
    ] {
        counts.push((
            table,
            server
                .database
                .number(&format!("SELECT COUNT(*) FROM {table}"))
                .await,
        ));
    }
    counts
}

async fn a_key_of_another_organization_opens_nothing(server: TestServer) {
    server.may_leave_deliveries();
    let acme = Company::set_up(&server).await;
    let globex = Company::with_domain(&server, "globex.test").await;
    let things = belongings(&server, &acme).await;
    let key = server
        .admin
        .post(
            "/api-keys",
            json!({ "name": "globex", "scopes": ["*"], "organization_id": globex.organization_id }),
        )
        .await;
    let foreign = server.admin.with_key(key["key"].as_str().unwrap());
    let tokens = server
        .admin
        .get(&format!("/directories/{}/tokens", acme.directory_id))
        .await;
    let token_id = tokens["data"][0]["id"].as_str().unwrap().to_owned();
    let clients = format!("/directories/{}/clients", acme.directory_id);
    let client = server
        .admin
        .post(&clients, json!({ "jwks": JWKS.parse::<Value>().unwrap() }));
    let client_id = client.await["id"].as_str().unwrap().to_owned();
    let before = counts(&server).await;
    for (method, path) in operations(&server).await {
        if !path.contains('{') {
            continue;
        }
        let noun = path.split('/').nth(1).unwrap();
        let (_, id) = things
            .iter()
            .find(|(own, _)| *own == noun)
            .unwrap_or_else(|| panic!("{path} reaches something unknown"));
        let place = path
            .replace("{domain}", "acme.test")
            .replace("{fingerprint}", &"0f".repeat(32))
            .replace("{token_id}", &token_id)
            .replace("{mapping_id}", "rmp_01h455vb4pex5vsknk084sn02q")
            .replace("{application_id}", "app_01h455vb4pex5vsknk084sn02q")
            .replace("{kind}", "roles")
            .replace("{value}", "x")
            .replace("{urn}", "urn:example:x")
            .replace("{client_id}", &client_id)
            .replace("{id}", id);
        let reply = foreign
            .call(method.clone(), &place, body(&method, &path).as_ref())
            .await;
        assert!(
            matches!(reply.status, 403 | 404),
            "{method} {path}: {} {}",
            reply.status,
            reply.body
        );
        if reply.status == 404 {
            let stranger = place.replace(
                id.as_str(),
                &format!(
                    "{}_01h455vb4pex5vsknk084sn02q",
                    id.split('_').next().unwrap()
                ),
            );
            let nobody = foreign
                .call(method.clone(), &stranger, body(&method, &path).as_ref())
                .await;
            assert_eq!(
                (nobody.status, nobody.body),
                (404, reply.body),
                "{method} {path} tells that it exists"
            );
        }
    }
    assert_eq!(counts(&server).await, before);
    // Lists show what is the key's own, and nothing of anybody else.
    for path in [
        "/organizations",
        "/events?limit=500",
        "/audit?limit=500",
        "/webhooks",
        "/api-keys",
        "/applications",
        "/signing-keys",
    ] {
        let reply = foreign.call(Method::GET, path, None).await;
        assert!(
            matches!(reply.status, 200 | 403),
            "{path}: {}",
            reply.status
        );
        for (noun, id) in things.iter().filter(|(noun, _)| *noun != "applications") {
            assert!(
                !reply.body.to_string().contains(id.as_str()),
                "{path} shows {noun} of another organization"
            );
        }
    }
    for path in ["/organizations", "/applications", "/signing-keys/rotate"] {
        let reply = foreign
            .call(Method::POST, path, body(&Method::POST, path).as_ref())
            .await;
        assert_eq!(reply.status, 403, "{path}: {}", reply.body);
    }
    let elsewhere = json!({ "url": "https://x.test/", "organization_id": acme.organization_id });
    assert!(matches!(
        foreign
            .call(Method::POST, "/webhooks", Some(&elsewhere))
            .await
            .status,
        403 | 404 | 422
    ));
    // The same routes answer the key's own organization.
    foreign
        .get(&format!("/organizations/{}", globex.organization_id))
        .await;
    foreign
        .get(&format!("/organizations/{}/users", globex.organization_id))
        .await;
}

async fn a_narrow_key_does_not_grow(server: TestServer) {
    let acme = Company::set_up(&server).await;
    let key = server.admin.post("/api-keys", json!({ "name": "narrow", "scopes": ["users:read"], "organization_id": acme.organization_id })).await;
    let narrow = server.admin.with_key(key["key"].as_str().unwrap());
    let ada = acme.hire("Ada", "Lovelace").await;
    narrow.get(&format!("/users/{}", ada.user_id)).await;
    for (method, path, body) in [
        (
            Method::POST,
            format!("/users/{}/deactivate", ada.user_id),
            json!({}),
        ),
        (
            Method::GET,
            format!("/connections/{}", acme.connection_id),
            Value::Null,
        ),
        (
            Method::POST,
            "/api-keys".to_owned(),
            json!({ "name": "more", "scopes": ["*"] }),
        ),
        (
            Method::POST,
            "/api-keys".to_owned(),
            json!({ "name": "more", "scopes": ["users:write"], "organization_id": acme.organization_id }),
        ),
    ] {
        let reply = narrow
            .call(method, &path, Some(&body).filter(|body| !body.is_null()))
            .await;
        assert_eq!(reply.status, 403, "{path}: {}", reply.body);
    }
    let kept = server.admin.get(&format!("/users/{}", ada.user_id)).await;
    assert_eq!(kept["active"], json!(true));
    server
        .admin
        .delete(&format!("/api-keys/{}", key["id"].as_str().unwrap()))
        .await;
    assert_eq!(
        narrow
            .call(Method::GET, &format!("/users/{}", ada.user_id), None)
            .await
            .status,
        401,
        "a revoked key is over at once"
    );
}

async fn a_directory_reaches_its_own_organization_only(server: TestServer) {
    let acme = Company::set_up(&server).await;
    let globex = Company::with_domain(&server, "globex.test").await;
    let ada = acme.hire("Ada", "Lovelace").await;
    let group = acme
        .scim
        .push_group("Engineers", "g-1")
        .await
        .unwrap()
        .id
        .unwrap();
    let wrong = vestibule_simulate::ScimClient::new(&acme.scim_url, &globex.scim_token).unwrap();
    for call in [
        wrong.read(&ada.user_id).await,
        wrong.deactivate(&ada.user_id).await,
        wrong.find_user(&ada.person.user_name).await,
    ] {
        assert_eq!(call.unwrap().status, 401);
    }
    for call in [
        globex.scim.read(&ada.user_id).await,
        globex.scim.deactivate(&ada.user_id).await,
        globex.scim.delete(&ada.user_id).await,
        globex
            .scim
            .replace(&ada.user_id, &ada.person, json!(false))
            .await,
        globex.scim.add_members(&group, &[]).await,
    ] {
        assert_eq!(call.unwrap().status, 404);
    }
    let hank = globex.hire("Hank", "Scorpio").await;
    let own = globex
        .scim
        .push_group("Engineers", "g-1")
        .await
        .unwrap()
        .id
        .unwrap();
    let mixed = globex
        .scim
        .add_members(&own, &[&ada.user_id])
        .await
        .unwrap();
    // Left out as somebody who does not exist: a push ahead of people must not stop for ever.
    assert_eq!(mixed.status, 200, "{}", mixed.body);
    assert_eq!(mixed.body.get("members"), None, "a foreign member");
    assert_eq!(
        globex
            .scim
            .find_user(&ada.person.user_name)
            .await
            .unwrap()
            .body["totalResults"],
        json!(0)
    );
    globex
        .scim
        .add_members(&own, &[&hank.user_id])
        .await
        .unwrap()
        .success()
        .unwrap();
    acme.signed_in(&mut Browser::new().unwrap(), &ada).await;
    // A token that was revoked is over at once, and so is one of a directory that is gone.
    let tokens = server
        .admin
        .get(&format!("/directories/{}/tokens", acme.directory_id))
        .await;
    let token = tokens["data"][0]["id"].as_str().unwrap();
    server
        .admin
        .delete(&format!(
            "/directories/{}/tokens/{token}",
            acme.directory_id
        ))
        .await;
    assert_eq!(acme.scim.read(&ada.user_id).await.unwrap().status, 401);
    // A user of one organization can never be named in a request for another one.
    let app = Relying::of(&server, &acme);
    let page = app
        .ask(
            &mut Browser::new().unwrap(),
            &[
                ("organization", &globex.organization_id),
                ("connection", &acme.connection_id),
            ],
        )
        .await;
    assert_eq!(crate::provider::error(&page), "invalid_request");
}
