//! Organizations, connections and directories.

use serde_json::{Value, json};
use vestibule_support::{World, on_every_database};

use crate::setup::{Api, id};

on_every_database!(
    a_verified_domain_belongs_to_one_organization,
    password_sign_in_follows_the_policy,
    a_connection_says_what_to_enter_at_the_identity_provider,
    another_trust_anchor_ends_what_came_through_a_connection,
    attaching_a_directory_ends_just_in_time_creation,
    a_directory_adopts_users_that_existed_before_it,
    a_directory_with_users_is_not_deleted_by_accident,
    an_unused_setting_is_left_alone,
);

async fn a_verified_domain_belongs_to_one_organization(world: World) {
    let api = Api::on(world).await;
    let made = api
        .post(
            "/organizations",
            json!({ "name": "Acme", "domains": ["Acme.Test"] }),
        )
        .await
        .expect(201);
    assert_eq!(made["domains"][0]["domain"], "acme.test");
    assert_eq!(made["domains"][0]["verified"], true);
    let body = json!({ "name": "Copy", "domains": ["acme.test"] });
    assert!(
        api.post("/organizations", body.clone())
            .await
            .refused(409)
            .contains("belongs to one organization")
    );
    assert_eq!(
        api.get("/organizations").await.expect(200)["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    for domain in ["gmail.com", "co.uk", "no domain"] {
        let reply = api
            .post(
                "/organizations",
                json!({ "name": "X", "domains": [domain] }),
            )
            .await;
        assert_eq!(reply.field(), "domains[0]", "{domain}");
        reply.refused(422);
    }
    api.delete(&format!("/organizations/{}", id(&made)))
        .await
        .expect(204);
    api.get(&format!("/organizations/{}", id(&made)))
        .await
        .refused(404);
    api.post("/organizations", body).await.expect(201);
}

async fn password_sign_in_follows_the_policy(world: World) {
    let api = Api::on(world).await;
    let organization = api.organization("Acme").await;
    let path = format!("/organizations/{organization}");
    let connections = format!("{path}/connections");
    let state = async || api.get(&connections).await.expect(200)["data"][0]["state"].clone();
    assert_eq!(state().await, "inactive");
    let changed = api
        .patch(
            &path,
            json!({ "policy": { "password_login": true, "session_idle": 900 } }),
        )
        .await
        .expect(200);
    assert_eq!(changed["policy"]["session_idle"], 900);
    assert_eq!(changed["policy"]["session_max"], 7 * 24 * 3600);
    assert_eq!(state().await, "active");
    api.patch(&path, json!({ "policy": { "password_login": false } }))
        .await
        .expect(200);
    assert_eq!(state().await, "inactive");
    let password = id(&api.get(&connections).await.expect(200)["data"][0]);
    api.delete(&format!("/connections/{password}"))
        .await
        .refused(409);
    let reply = api
        .patch(&path, json!({ "policy": { "session_max": 1 } }))
        .await;
    assert_eq!(reply.field(), "policy.session_max");
    reply.refused(422);
}

async fn a_connection_says_what_to_enter_at_the_identity_provider(world: World) {
    let api = Api::on(world).await;
    let organization = api.organization("Acme").await;
    let made = api.connection(&organization, json!({})).await.expect(201);
    let url = format!("https://login.vendor.test/sso/oidc/{}", id(&made));
    assert_eq!(made["state"], "active");
    assert_eq!(made["oidc"]["redirect_uri"], format!("{url}/callback"));
    assert_eq!(
        made["oidc"]["backchannel_logout_uri"],
        format!("{url}/backchannel-logout")
    );
    assert_eq!(
        made["join"],
        json!({ "directory": "externalId", "claim": "sub" })
    );
    assert_eq!(made["oidc"]["has_client_secret"], true);
    let everything = api
        .world
        .database
        .texts("SELECT CAST(settings AS TEXT) FROM connections")
        .await;
    assert!(everything.iter().all(|row| !row.contains("s3cret")));

    let path = format!("/organizations/{organization}/connections");
    for (body, status, field) in [
        (json!({}), 422, "protocol"),
        (json!({ "protocol": "oidc" }), 422, "oidc.issuer"),
        (
            json!({ "protocol": "oidc", "oidc": { "issuer": "http://idp.test", "client_id": "c" } }),
            422,
            "oidc.issuer",
        ),
        (
            json!({ "protocol": "oidc", "oidc": { "issuer": "https://idp.test" } }),
            422,
            "oidc.client_id",
        ),
        (
            json!({ "protocol": "oidc", "oidc": { "issuer": "https://idp.test", "client_id": "c", "client_auth": "client_secret_post" } }),
            422,
            "oidc.client_auth",
        ),
        (
            json!({ "protocol": "oidc", "oidc": { "issuer": "https://idp.test", "client_id": "c" }, "join": { "directory": "phone", "claim": "sub" } }),
            422,
            "join.directory",
        ),
        (
            json!({ "protocol": "oidc", "oidc": { "issuer": "https://idp.test", "client_id": "c" }, "directory_id": "dir_01h455vb4pex5vsknk084sn02q" }),
            422,
            "directory_id",
        ),
        (json!({ "protocol": "saml" }), 422, "saml"),
        (
            json!({ "protocol": "saml", "saml": { "entity_id": "https://idp.test" } }),
            422,
            "saml.sso_url",
        ),
        (
            json!({ "protocol": "saml", "saml": { "metadata_url": "ftp://idp.test/" } }),
            422,
            "saml.metadata_url",
        ),
        (
            json!({ "protocol": "saml", "saml": { "metadata_url": "https://idp.test/", "sso_url": "https://idp.test/" } }),
            400,
            "saml.sso_url",
        ),
        (
            json!({ "protocol": "saml", "oidc": { "issuer": "https://idp.test", "client_id": "c" } }),
            422,
            "oidc",
        ),
    ] {
        let reply = api.post(&path, body.clone()).await;
        assert_eq!(reply.field(), field, "{body}");
        reply.refused(status);
    }
    assert_eq!(
        api.get(&path).await.expect(200)["data"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

async fn another_trust_anchor_ends_what_came_through_a_connection(world: World) {
    let api = Api::on(world).await;
    let company = api.world.company("acme").await;
    let path = format!("/connections/{}", company.connection.id);
    let settings = json!({ "oidc": { "issuer": "https://idp.test", "client_id": "c" } });
    api.patch(&path, settings.clone()).await.expect(200);
    let sign_in = api.world.login(&company.user, &company.connection).await;
    api.patch(&path, json!({ "name": "Renamed" }))
        .await
        .expect(200);
    api.patch(&path, settings).await.expect(200);
    assert!(api.world.is_signed_in(sign_in).await);
    api.patch(&path, json!({ "oidc": { "issuer": "https://other.test" } }))
        .await
        .expect(200);
    assert!(!api.world.is_signed_in(sign_in).await);

    let sign_in = api.world.login(&company.user, &company.connection).await;
    api.patch(&path, json!({ "state": "inactive" }))
        .await
        .expect(200);
    api.patch(&path, json!({ "state": "active" }))
        .await
        .expect(200);
    assert!(
        !api.world.is_signed_in(sign_in).await,
        "reactivation revives nothing"
    );
    let sign_in = api.world.login(&company.user, &company.connection).await;
    api.delete(&path).await.expect(204);
    assert!(!api.world.is_signed_in(sign_in).await);
    api.get(&path).await.refused(404);
}

async fn attaching_a_directory_ends_just_in_time_creation(world: World) {
    let api = Api::on(world).await;
    let organization = api.organization("Acme").await;
    let connection = api
        .connection(&organization, json!({ "jit": true }))
        .await
        .expect(201);
    let directories = format!("/organizations/{organization}/directories");
    let first = api
        .post(&directories, json!({ "name": "Okta" }))
        .await
        .expect(201);
    assert_eq!(first["state"], "active");
    let suffix = id(&first).strip_prefix("dir_").unwrap().to_owned();
    assert_eq!(
        first["scim_url"],
        format!("https://login.vendor.test/scim/v2/{suffix}")
    );
    let path = format!("/connections/{}", id(&connection));
    assert_eq!(api.get(&path).await.expect(200)["jit"], false);
    assert!(
        api.patch(&path, json!({ "jit": true }))
            .await
            .refused(409)
            .contains("directory")
    );

    api.post(&directories, json!({})).await.expect(201);
    assert_eq!(
        api.get(&path).await.expect(200)["directory_id"],
        first["id"],
        "it meant the only one"
    );
    let reply = api.connection(&organization, json!({})).await;
    assert_eq!(reply.field(), "directory_id");
    reply.refused(422);
    api.connection(&organization, json!({ "directory_id": first["id"] }))
        .await
        .expect(201);
}

async fn a_directory_adopts_users_that_existed_before_it(world: World) {
    let api = Api::on(world).await;
    let organization = api.organization("Acme").await;
    api.post(
        &format!("/organizations/{organization}/users"),
        json!({ "user_name": "ada" }),
    )
    .await
    .expect(201);
    let made = api
        .post(
            &format!("/organizations/{organization}/directories"),
            json!({}),
        )
        .await
        .expect(201);
    assert_eq!(made["state"], "adopting");
    let path = format!("/directories/{}", id(&made));
    assert_eq!(
        api.get(&format!("{path}/adoption")).await.expect(200),
        json!({ "claimed": 0, "unclaimed": 1, "unclaimed_of_replaced": 0, "break_glass": 0 })
    );
    assert_eq!(
        api.patch(&path, json!({ "state": "active" }))
            .await
            .expect(200)["state"],
        "active"
    );
    api.patch(&path, json!({ "state": "adopting" }))
        .await
        .refused(409);

    let token = api
        .post(&format!("{path}/tokens"), json!({ "name": "Okta" }))
        .await
        .expect(201);
    assert!(token["token"].as_str().unwrap().starts_with("vdt_"));
    let listed = api.get(&format!("{path}/tokens")).await.expect(200);
    assert_eq!(
        (&listed["data"][0]["id"], &listed["data"][0]["token"]),
        (&token["id"], &Value::Null)
    );
    api.post(
        &format!("{path}/tokens"),
        json!({ "expires_at": "2020-01-01T00:00:00Z" }),
    )
    .await
    .refused(422);
    let revoke = format!("{path}/tokens/{}", id(&token));
    api.delete(&revoke).await.expect(204);
    api.delete(&revoke).await.refused(404);
}

async fn a_directory_with_users_is_not_deleted_by_accident(world: World) {
    let api = Api::on(world).await;
    let company = api.world.company("acme").await;
    let directory = api.world.directory(&company.organization).await;
    let user = api
        .world
        .user(&company.organization, Some(directory.id), "bob")
        .await;
    let sign_in = api.world.login(&user, &company.connection).await;
    let path = format!("/directories/{}", directory.id);
    assert!(api.delete(&path).await.refused(409).contains("1 users"));
    assert!(api.world.is_signed_in(sign_in).await);
    api.delete(&format!("{path}?users=deactivate"))
        .await
        .expect(204);
    assert!(!api.world.is_signed_in(sign_in).await);
    let user = api.get(&format!("/users/{}", user.id)).await.expect(200);
    assert_eq!(
        (&user["active"], &user["directory_id"]),
        (&json!(false), &Value::Null)
    );
    api.get(&path).await.refused(404);
}

async fn an_unused_setting_is_left_alone(world: World) {
    let api = Api::on(world).await;
    let made = api
        .post(
            "/organizations",
            json!({ "name": "Acme", "external_id": "7" }),
        )
        .await
        .expect(201);
    let path = format!("/organizations/{}", id(&made));
    let renamed = api
        .patch(&path, json!({ "name": "Acme Inc" }))
        .await
        .expect(200);
    assert_eq!(
        (&renamed["name"], &renamed["external_id"]),
        (&json!("Acme Inc"), &json!("7"))
    );
    api.post(
        "/organizations",
        json!({ "name": "Other", "external_id": "7" }),
    )
    .await
    .refused(409);
    assert_eq!(
        api.patch(&path, json!({ "external_id": null }))
            .await
            .expect(200)["external_id"],
        Value::Null
    );
    let two = api
        .patch(&path, json!({ "domains": ["a.test", "b.test"] }))
        .await
        .expect(200);
    assert_eq!(two["domains"].as_array().unwrap().len(), 2);
    let one = api
        .patch(&path, json!({ "domains": ["b.test"] }))
        .await
        .expect(200);
    assert_eq!(one["domains"][0]["domain"], "b.test");
    api.delete(&format!("{path}/domains/b.test"))
        .await
        .expect(204);
    api.delete(&format!("{path}/domains/b.test"))
        .await
        .refused(404);
}
