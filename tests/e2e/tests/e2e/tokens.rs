//! What apps get for codes, and how that ends.

use std::time::Duration;

use jsonwebtoken::{DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde_json::{Value, json};
use vestibule_simulate::Browser;
use vestibule_support::{
    on_every_server,
    server::{Company, Reply, TestServer, http_client},
};

use crate::{
    provider::holds,
    relying::{Relying, Tokens, VERIFIER, claims},
};

on_every_server!(
    a_code_used_twice_ends_its_tokens,
    a_refresh_token_used_twice_ends_its_session,
    a_refresh_may_be_asked_again_where_the_application_says_so,
    codes_and_access_tokens_expire,
    clients_have_to_prove_who_they_are,
    a_public_client_has_no_secret,
    what_is_revoked_is_over,
    a_foreign_client_learns_and_ends_nothing,
    access_tokens_can_be_jwts,
    claims_follow_the_scope,
    old_keys_stay_until_nothing_needs_them,
    next_keys_are_published_before_they_sign,
    withdrawn_keys_verify_nothing,
);

async fn signed_in(server: &TestServer) -> (Company, Relying, Browser, Tokens) {
    let company = Company::set_up(server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::of(server, &company);
    let mut browser = Browser::new().unwrap();
    let code = app.sign_in(&company, &mut browser, &ada.person, &[]).await;
    let tokens = Tokens::of(&app.exchange(&code).await);
    (company, app, browser, tokens)
}

fn refused(reply: &Reply, error: &str) {
    assert_eq!(
        (reply.status, reply.text("error")),
        (400, error),
        "{}",
        reply.body
    );
}

async fn a_code_used_twice_ends_its_tokens(server: TestServer) {
    let (company, app, mut browser, other) = signed_in(&server).await;
    let code = app.code(&mut browser, &[]).await;
    let tokens = Tokens::of(&app.exchange(&code).await);
    refused(&app.exchange(&code).await, "invalid_grant");
    assert_eq!(app.userinfo(&tokens.access).await.status, 401);
    refused(&app.refresh(&tokens.refresh).await, "invalid_grant");
    assert_eq!(
        app.userinfo(&other.access).await.status,
        200,
        "another session of the same app stays"
    );
    server.settled().await;
    let sid = tokens.claims()["sid"].as_str().map(str::to_owned);
    assert!(
        company
            .app
            .state()
            .logout_tokens
            .iter()
            .any(|token| token.sid == sid),
        "the app is told"
    );
}

async fn a_refresh_token_used_twice_ends_its_session(server: TestServer) {
    let (_company, app, _, first) = signed_in(&server).await;
    let second = Tokens::of(&app.refresh(&first.refresh).await);
    assert_eq!(
        app.userinfo(&first.access).await.status,
        200,
        "an access token runs out by itself"
    );
    refused(&app.refresh(&first.refresh).await, "invalid_grant");
    refused(&app.refresh(&second.refresh).await, "invalid_grant");
    assert_eq!(app.userinfo(&second.access).await.status, 401);
    // A scope beyond the grant takes nothing.
    let (_company, app, tokens) = {
        let company = Company::with_domain(&server, "globex.test").await;
        let hank = company.hire("Hank", "Scorpio").await;
        let app = Relying::of(&server, &company);
        let code = app
            .sign_in(
                &company,
                &mut Browser::new().unwrap(),
                &hank.person,
                &[("scope", "openid email")],
            )
            .await;
        let tokens = Tokens::of(&app.exchange(&code).await);
        (company, app, tokens)
    };
    let wide = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &tokens.refresh),
        ("scope", "openid groups"),
    ];
    refused(&app.token(&wide).await, "invalid_scope");
    let narrow = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &tokens.refresh),
        ("scope", "openid"),
    ];
    let narrow = app.token(&narrow).await;
    assert_eq!((narrow.status, narrow.text("scope")), (200, "openid"));
    assert_eq!(
        app.userinfo(narrow.text("access_token")).await.body["email"],
        Value::Null
    );
}

async fn a_refresh_may_be_asked_again_where_the_application_says_so(server: TestServer) {
    let (company, app, _, first) = signed_in(&server).await;
    server
        .admin
        .patch(
            &format!("/applications/{}", company.client_id),
            json!({ "refresh_retry_seconds": 10 }),
        )
        .await;
    let second = Tokens::of(&app.refresh(&first.refresh).await);
    let again = Tokens::of(&app.refresh(&first.refresh).await);
    assert_eq!(
        again.refresh, second.refresh,
        "one successor, however often it is asked for"
    );
    let third = Tokens::of(&app.refresh(&second.refresh).await);
    refused(&app.refresh(&first.refresh).await, "invalid_grant");
    refused(&app.refresh(&third.refresh).await, "invalid_grant");
}

async fn codes_and_access_tokens_expire(server: TestServer) {
    let (_company, app, mut browser, tokens) = signed_in(&server).await;
    let code = app.code(&mut browser, &[]).await;
    server.pass(Duration::from_secs(61));
    refused(&app.exchange(&code).await, "invalid_grant");
    server.pass(Duration::from_secs(240));
    assert_eq!(app.userinfo(&tokens.access).await.status, 401);
    assert_eq!(
        app.introspect(&tokens.access).await.body,
        json!({ "active": false })
    );
    assert_eq!(app.refresh(&tokens.refresh).await.status, 200);
    // Twelve hours without a use end the sign-in; thirty days end what was granted for offline use.
    server.pass(Duration::from_hours(13));
    let silent = app.ask(&mut browser, &[("prompt", "none")]).await;
    assert_eq!(crate::provider::error(&silent), "login_required");
}

async fn clients_have_to_prove_who_they_are(server: TestServer) {
    let (company, app, mut browser, tokens) = signed_in(&server).await;
    let code = app.code(&mut browser, &[]).await;
    let wrong = Relying {
        client_secret: Some("wrong".to_owned()),
        ..app.clone()
    };
    let unknown = Relying {
        client_id: "app_00000000000000000000000000".to_owned(),
        ..app.clone()
    };
    let silent = Relying {
        client_secret: None,
        ..app.clone()
    };
    for (who, client) in [
        ("wrong", &wrong),
        ("unknown", &unknown),
        ("silent", &silent),
    ] {
        for reply in [
            client.exchange(&code).await,
            client.refresh(&tokens.refresh).await,
            client.introspect(&tokens.access).await,
            client.revoke(&tokens.refresh).await,
        ] {
            assert_eq!(
                (reply.status, reply.text("error")),
                (401, "invalid_client"),
                "{who}"
            );
        }
    }
    assert!(
        wrong
            .exchange(&code)
            .await
            .header("www-authenticate")
            .starts_with("Basic")
    );
    let in_body = |secret: &str| {
        [
            ("client_id", company.client_id.clone()),
            ("client_secret", secret.to_owned()),
            ("grant_type", "authorization_code".to_owned()),
            ("code", code.clone()),
            ("redirect_uri", app.redirect_uri.clone()),
            ("code_verifier", VERIFIER.to_owned()),
        ]
    };
    let both = in_body(&company.client_secret);
    let both: Vec<(&str, &str)> = both
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert_eq!(app.token(&both).await.status, 400, "two ways at once");
    let post = |secret: &str| {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(in_body(secret))
            .finish();
        http_client()
            .post(server.url("/oauth/token"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .send()
    };
    let posted = Reply::read(post("wrong").await.unwrap()).await;
    assert_eq!(posted.status, 401, "a wrong secret in the body");
    let json = http_client()
        .post(server.url("/oauth/token"))
        .header("content-type", "application/json")
        .body("{}");
    assert_eq!(
        Reply::read(json.send().await.unwrap()).await.text("error"),
        "invalid_request"
    );
    // None of it used anything up, and the right secret counts in the body as it does in the header.
    let reply = Reply::read(post(&company.client_secret).await.unwrap()).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(app.refresh(&tokens.refresh).await.status, 200);
}

async fn a_public_client_has_no_secret(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::register(&server, json!({ "token_endpoint_auth_method": "none" })).await;
    assert_eq!(app.client_secret, None);
    let code = app
        .sign_in(&company, &mut Browser::new().unwrap(), &ada.person, &[])
        .await;
    let armed = Relying {
        client_secret: Some("any".to_owned()),
        ..app.clone()
    };
    assert_eq!(armed.exchange(&code).await.status, 401);
    let tokens = Tokens::of(&app.exchange(&code).await);
    let tokens = Tokens::of(&app.refresh(&tokens.refresh).await);
    assert_eq!(app.userinfo(&tokens.access).await.text("sub"), ada.user_id);
    assert_eq!(app.revoke(&tokens.refresh).await.status, 200);
    assert_eq!(app.userinfo(&tokens.access).await.status, 401);
}

async fn what_is_revoked_is_over(server: TestServer) {
    let (company, app, _, tokens) = signed_in(&server).await;
    assert_eq!(app.revoke("nonsense").await.status, 200);
    assert_eq!(app.revoke(&tokens.access).await.status, 200);
    assert_eq!(app.userinfo(&tokens.access).await.status, 401);
    let fresh = Tokens::of(&app.refresh(&tokens.refresh).await);
    assert_eq!(app.userinfo(&fresh.access).await.status, 200);
    assert_eq!(app.revoke(&fresh.refresh).await.status, 200);
    assert_eq!(app.userinfo(&fresh.access).await.status, 401);
    refused(&app.refresh(&fresh.refresh).await, "invalid_grant");
    assert_eq!(
        app.introspect(&fresh.refresh).await.body,
        json!({ "active": false })
    );
    server.settled().await;
    assert!(
        company.app.state().logout_tokens.is_empty(),
        "who revokes knows already"
    );
}

async fn a_foreign_client_learns_and_ends_nothing(server: TestServer) {
    let (_company, app, mut browser, tokens) = signed_in(&server).await;
    let other = Relying::register(&server, json!({})).await;
    for token in [&tokens.access, &tokens.refresh] {
        assert_eq!(
            other.introspect(token).await.body,
            json!({ "active": false })
        );
        assert_eq!(other.revoke(token).await.status, 200);
    }
    refused(&other.refresh(&tokens.refresh).await, "invalid_grant");
    let code = app.code(&mut browser, &[]).await;
    let stolen = Relying {
        redirect_uri: app.redirect_uri.clone(),
        ..other
    };
    refused(&stolen.exchange(&code).await, "invalid_grant");
    assert_eq!(app.userinfo(&tokens.access).await.status, 200);
    assert_eq!(app.refresh(&tokens.refresh).await.status, 200);
}

async fn access_tokens_can_be_jwts(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::register(&server, json!({ "access_token_format": "jwt" })).await;
    let code = app
        .sign_in(&company, &mut Browser::new().unwrap(), &ada.person, &[])
        .await;
    let tokens = Tokens::of(&app.exchange(&code).await);
    assert_eq!(
        decode_header(&tokens.access).unwrap().typ.as_deref(),
        Some("at+jwt")
    );
    let body = verified(&server, &tokens.access).await.unwrap();
    assert_eq!(
        (body["sub"].as_str(), body["client_id"].as_str()),
        (Some(ada.user_id.as_str()), Some(app.client_id.as_str()))
    );
    assert!(body["exp"].as_i64().unwrap() - body["iat"].as_i64().unwrap() <= 300);
    assert_eq!(app.userinfo(&tokens.access).await.text("sub"), ada.user_id);
    assert_eq!(
        app.introspect(&tokens.access).await.body["active"],
        json!(true)
    );
    // An ID token opens nothing.
    assert_eq!(app.userinfo(&tokens.id).await.status, 401);
    assert_eq!(app.revoke(&tokens.access).await.status, 200);
    assert_eq!(app.userinfo(&tokens.access).await.status, 401);
    let fresh = Tokens::of(&app.refresh(&tokens.refresh).await);
    company
        .scim
        .deactivate(&ada.user_id)
        .await
        .unwrap()
        .success()
        .unwrap();
    assert_eq!(app.userinfo(&fresh.access).await.status, 401);
}

async fn claims_follow_the_scope(server: TestServer) {
    let (company, app, mut browser, tokens) = signed_in(&server).await;
    let id = tokens.claims()["sub"].as_str().unwrap().to_owned();
    let group = company
        .scim
        .push_group("Engineers", "g-1")
        .await
        .unwrap()
        .id
        .unwrap();
    company
        .scim
        .add_members(&group, &[&id])
        .await
        .unwrap()
        .success()
        .unwrap();
    let code = app.code(&mut browser, &[("scope", "openid")]).await;
    let bare = Tokens::of(&app.exchange(&code).await);
    for claims in [bare.claims(), app.userinfo(&bare.access).await.body] {
        for name in ["email", "email_verified", "name", "groups"] {
            assert!(claims.get(name).is_none(), "{name} in {claims}");
        }
    }
    let full = app.userinfo(&tokens.access).await.body;
    assert_eq!(
        (
            full["email_verified"].as_bool(),
            full["given_name"].as_str()
        ),
        (Some(true), Some("Ada"))
    );
    assert!(holds(&full["groups"], "Engineers"), "{full}");
    // Whatever the directory says: an address outside the verified domains is not verified.
    let outside = json!([{ "value": "ada@elsewhere.test", "primary": true, "type": "work" }]);
    company
        .scim
        .update(&id, &[("emails", outside)])
        .await
        .unwrap()
        .success()
        .unwrap();
    let full = app.userinfo(&tokens.access).await.body;
    assert_eq!(
        (full["email"].as_str(), full["email_verified"].as_bool()),
        (Some("ada@elsewhere.test"), Some(false))
    );
}

async fn old_keys_stay_until_nothing_needs_them(server: TestServer) {
    let (_company, app, _, old) = signed_in(&server).await;
    let other_node = server.second_node().await;
    server.admin.post("/signing-keys/rotate", json!({})).await;
    let new = Tokens::of(&app.refresh(&old.refresh).await);
    let kid = |token: &str| decode_header(token).unwrap().kid.unwrap();
    assert_ne!(kid(&old.id), kid(&new.id));
    for token in [&old.id, &new.id] {
        assert_eq!(
            verified(&server, token).await.unwrap()["sub"],
            claims(token)["sub"]
        );
    }
    let begun = std::time::Instant::now();
    while verified(&other_node, &new.id).await.is_none() {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "every node publishes the new key"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The keys for the default algorithm in a state.
async fn keys_in(server: &TestServer, state: &str) -> Vec<String> {
    let keys = server.admin.get("/signing-keys").await;
    let keys = keys["data"].as_array().unwrap().iter();
    let wanted = keys.filter(|key| key["algorithm"] == "ES256" && key["state"] == state);
    wanted
        .map(|key| key["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Waits until the key of a state is another one than before.
async fn eventually_in(server: &TestServer, state: &str, wanted: &[String]) {
    let begun = std::time::Instant::now();
    while keys_in(server, state).await != wanted {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{state}: {wanted:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn next_keys_are_published_before_they_sign(server: TestServer) {
    let (_company, app, _, old) = signed_in(&server).await;
    let kid = |tokens: &Tokens| decode_header(&tokens.id).unwrap().kid.unwrap();
    let first = kid(&old);
    server
        .admin
        .post("/signing-keys/rotate?mode=publish", json!({}))
        .await;
    let next = keys_in(&server, "next").await;
    assert_eq!(
        (next.len(), keys_in(&server, "active").await),
        (1, vec![first.clone()])
    );
    let published = Reply::read(
        http_client()
            .get(server.url("/oauth/jwks"))
            .send()
            .await
            .unwrap(),
    )
    .await;
    let published = published.body["keys"].as_array().unwrap().clone();
    assert!(published.iter().any(|key| key["kid"] == next[0].as_str()));
    server.pass(Duration::from_hours(23));
    let before = Tokens::of(&app.refresh(&old.refresh).await);
    assert_eq!(kid(&before), first, "caches may not know the next one yet");
    server.pass(Duration::from_hours(2));
    eventually_in(&server, "active", &next).await;
    let begun = std::time::Instant::now();
    let mut tokens = Tokens::of(&app.refresh(&before.refresh).await);
    while kid(&tokens) != next[0] {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "the node signs with it"
        );
        tokens = Tokens::of(&app.refresh(&tokens.refresh).await);
    }
    assert!(
        verified(&server, &before.id).await.is_some(),
        "the old one stays"
    );
    server.pass(Duration::from_hours(25));
    eventually_in(&server, "retired", &[]).await;
    // By themselves, after 89 days the next ones are published, and a day later they sign.
    server.pass(Duration::from_hours(88 * 24));
    let begun = std::time::Instant::now();
    while keys_in(&server, "next").await.is_empty() {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "the schedule goes on"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let third = keys_in(&server, "next").await;
    assert_eq!(keys_in(&server, "active").await, next);
    server.pass(Duration::from_hours(24));
    eventually_in(&server, "active", &third).await;
}

async fn withdrawn_keys_verify_nothing(server: TestServer) {
    let (_company, app, _, old) = signed_in(&server).await;
    server
        .admin
        .post("/signing-keys/rotate?mode=withdraw", json!({}))
        .await;
    assert!(keys_in(&server, "retired").await.is_empty());
    assert!(verified(&server, &old.id).await.is_none());
    let new = Tokens::of(&app.refresh(&old.refresh).await);
    assert!(verified(&server, &new.id).await.is_some());
}

/// The claims of a JWT that the published keys verify; none where no published key fits.
async fn verified(server: &TestServer, jwt: &str) -> Option<Value> {
    let keys = Reply::read(
        http_client()
            .get(server.url("/oauth/jwks"))
            .send()
            .await
            .unwrap(),
    )
    .await;
    let keys: JwkSet = serde_json::from_value(keys.body).unwrap();
    let header = decode_header(jwt).unwrap();
    let key = DecodingKey::from_jwk(keys.find(header.kid.as_deref().unwrap())?).unwrap();
    let mut validation = Validation::new(header.alg);
    validation.validate_aud = false;
    Some(decode::<Value>(jwt, &key, &validation).unwrap().claims)
}
