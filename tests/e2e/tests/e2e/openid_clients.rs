//! How applications prove themselves and bring their requests: assertions, pushed requests, answers by form, classes of
//! sign-in, and claims of their own.

use std::time::Duration;

use serde_json::{Value, json};
use vestibule_simulate::Browser;
use vestibule_support::{
    on_every_server,
    server::{Company, Reply, TestServer},
};

use crate::{
    directory_clients::Key,
    provider::error,
    relying::{Relying, STATE, Tokens, VERIFIER},
};

on_every_server!(
    an_application_proves_itself_by_its_key,
    an_assertion_is_believed_once_and_for_us_alone,
    an_application_changes_its_keys,
    a_pushed_request_counts_once_and_for_its_application,
    an_application_that_has_to_push_cannot_be_asked_for_otherwise,
    an_answer_comes_by_form,
    a_class_of_sign_in_is_reached_or_said_to_be_missing,
    claims_come_from_the_attributes_that_the_application_names,
);

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An application without a secret that we would know.
pub(crate) struct Signing {
    pub(crate) app: Relying,
    pub(crate) key: Key,
    pub(crate) issuer: String,
}

impl Signing {
    async fn register(server: &TestServer) -> Self {
        let key = Key::new("one");
        let more = json!({
            "token_endpoint_auth_method": "private_key_jwt", "jwks": { "keys": [key.jwk()] },
        });
        let app = Relying::register(server, more).await;
        assert_eq!(app.client_secret, None, "nothing to keep, nothing to leak");
        Self {
            app,
            key,
            issuer: server.issuer().to_owned(),
        }
    }

    pub(crate) fn claims(&self, server: &TestServer, jti: &str) -> Value {
        let now = server.now().unix_seconds();
        let id = &self.app.client_id;
        json!({ "iss": id, "sub": id, "aud": self.issuer, "jti": jti, "iat": now, "exp": now + 60 })
    }

    pub(crate) async fn post(&self, path: &str, assertion: &str, fields: &[(&str, &str)]) -> Reply {
        let mut fields = fields.to_vec();
        fields.push(("client_assertion_type", ASSERTION_TYPE));
        fields.push(("client_assertion", assertion));
        self.app.post(path, &fields).await
    }
}

pub(crate) fn unproven(reply: &Reply, what: &str) {
    assert_eq!(
        (reply.status, reply.text("error")),
        (401, "invalid_client"),
        "{what}: {}",
        reply.body
    );
}

async fn an_application_proves_itself_by_its_key(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let signing = Signing::register(&server).await;
    let mut browser = Browser::new().unwrap();
    let app = &signing.app;
    let code = app.sign_in(&company, &mut browser, &ada.person, &[]).await;
    let sign = |jti: &str| signing.key.sign(&signing.claims(&server, jti));
    let exchange = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", &app.redirect_uri),
        ("code_verifier", VERIFIER),
    ];
    let tokens = Tokens::of(&signing.post("/oauth/token", &sign("1"), &exchange).await);
    assert_eq!(tokens.claims()["sub"], ada.user_id.as_str());
    let token = [("token", tokens.access.as_str())];
    let known = signing.post("/oauth/introspect", &sign("2"), &token).await;
    assert_eq!(known.body["active"], true, "{}", known.body);
    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &tokens.refresh),
    ];
    let tokens = Tokens::of(&signing.post("/oauth/token", &sign("3"), &refresh).await);
    let token = [("token", tokens.refresh.as_str())];
    let revoked = signing.post("/oauth/revoke", &sign("4"), &token).await;
    assert_eq!(revoked.status, 200);
    assert_eq!(app.userinfo(&tokens.access).await.status, 401);
    // Its name alone proves nothing, nor does a secret.
    unproven(&app.introspect(&tokens.access).await, "no assertion");
    let guessing = Relying {
        client_secret: Some("guess".to_owned()),
        ..app.clone()
    };
    unproven(&guessing.introspect(&tokens.access).await, "a secret");
    let place = format!("/applications/{}/rotate-secret", app.client_id);
    let reply = server
        .admin
        .call(reqwest::Method::POST, &place, Some(&json!({})))
        .await;
    assert_eq!(reply.status, 409, "{}", reply.body);
}

async fn an_assertion_is_believed_once_and_for_us_alone(server: TestServer) {
    let signing = Signing::register(&server).await;
    let other = Signing::register(&server).await;
    let token = [("token", "x")];
    let good = signing.key.sign(&signing.claims(&server, "good"));
    let ask = |assertion: String| async {
        let assertion = assertion;
        signing.post("/oauth/introspect", &assertion, &token).await
    };
    assert_eq!(ask(good.clone()).await.status, 200);
    unproven(&ask(good.clone()).await, "a copy");
    // At another endpoint and on another node, too.
    unproven(
        &signing.post("/oauth/revoke", &good, &token).await,
        "a copy",
    );
    let node = server.second_node().await;
    let there = Signing {
        app: signing.app.at(&node),
        key: Key::new("unused"),
        issuer: signing.issuer.clone(),
    };
    unproven(&there.post("/oauth/revoke", &good, &token).await, "a copy");
    let now = server.now().unix_seconds();
    for (what, changes) in [
        (
            "token endpoint",
            json!({ "aud": format!("{}/oauth/token", signing.issuer) }),
        ),
        ("a list", json!({ "aud": [signing.issuer] })),
        (
            "two audiences",
            json!({ "aud": [signing.issuer, "https://evil.example"] }),
        ),
        ("somebody else", json!({ "aud": "https://evil.example" })),
        ("another issuer", json!({ "iss": other.app.client_id })),
        ("run out", json!({ "exp": now - 60 })),
        ("good for too long", json!({ "exp": now + 3600 })),
        (
            "from the future",
            json!({ "iat": now + 600, "nbf": now + 600 }),
        ),
        ("no id", json!({ "jti": "" })),
    ] {
        let mut claims = signing.claims(&server, what);
        let changes = changes.as_object().unwrap().clone();
        claims.as_object_mut().unwrap().extend(changes);
        unproven(&ask(signing.key.sign(&claims)).await, what);
    }
    let foreign = other.key.sign(&signing.claims(&server, "foreign"));
    unproven(&ask(foreign).await, "another application's key");
    // One `jti` of two applications is two assertions.
    let same = other.key.sign(&other.claims(&server, "good"));
    let reply = other.post("/oauth/introspect", &same, &token).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    // An application with a secret does not get by with an assertion.
    let secret = Relying::register(&server, json!({})).await;
    let claims = json!({
        "iss": secret.client_id, "sub": secret.client_id, "aud": signing.issuer, "jti": "s", "exp": now + 60,
    });
    let bare = Signing {
        app: Relying {
            client_secret: None,
            ..secret
        },
        key: Key::new("one"),
        issuer: signing.issuer.clone(),
    };
    let assertion = bare.key.sign(&claims);
    unproven(
        &bare.post("/oauth/introspect", &assertion, &token).await,
        "no keys",
    );
}

async fn an_application_changes_its_keys(server: TestServer) {
    let signing = Signing::register(&server).await;
    let place = format!("/applications/{}", signing.app.client_id);
    let next = Key::new("two");
    let token = [("token", "x")];
    let both = json!({ "jwks": { "keys": [signing.key.jwk(), next.jwk()] } });
    server.admin.patch(&place, both).await;
    for (key, jti) in [(&signing.key, "a"), (&next, "b")] {
        let assertion = key.sign(&signing.claims(&server, jti));
        let reply = signing.post("/oauth/introspect", &assertion, &token).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
    server
        .admin
        .patch(&place, json!({ "jwks": { "keys": [next.jwk()] } }))
        .await;
    let old = signing.key.sign(&signing.claims(&server, "c"));
    unproven(
        &signing.post("/oauth/introspect", &old, &token).await,
        "the old key",
    );
    for (what, change) in [
        ("no keys", json!({ "jwks": null })),
        (
            "keys beside a secret",
            json!({ "token_endpoint_auth_method": "client_secret_basic" }),
        ),
        ("no key in it", json!({ "jwks": { "keys": [] } })),
        (
            "a private key",
            json!({ "jwks": { "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "d": "x" }] } }),
        ),
    ] {
        let reply = server
            .admin
            .call(reqwest::Method::PATCH, &place, Some(&change))
            .await;
        assert_eq!(reply.status, 422, "{what}: {}", reply.body);
    }
    // To a secret and away from it: what does not belong any more is gone.
    let change = json!({ "token_endpoint_auth_method": "client_secret_basic", "jwks": null });
    let made = server.admin.patch(&place, change).await;
    assert!(made["client_secret"].is_string(), "{made}");
    let late = next.sign(&signing.claims(&server, "d"));
    unproven(
        &signing.post("/oauth/introspect", &late, &token).await,
        "a key that is gone",
    );
}

/// A correct request, to be pushed.
fn request(app: &Relying) -> Vec<(String, String)> {
    let url = app.authorize_url(&[]);
    url.query_pairs().into_owned().collect()
}

async fn push(app: &Relying, request: &[(String, String)]) -> Reply {
    let fields: Vec<(&str, &str)> = request
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        // `post` adds the name of a public client, and a confidential one has said its own.
        .filter(|(name, _)| *name != "client_id")
        .collect();
    app.post("/oauth/par", &fields).await
}

/// Sends a browser with nothing but a reference.
async fn refer(app: &Relying, browser: &mut Browser, reference: &str) -> vestibule_simulate::Page {
    let mut url = app.authorize_url(&[]);
    url.query_pairs_mut()
        .clear()
        .append_pair("client_id", &app.client_id)
        .append_pair("request_uri", reference);
    browser.stop_before(&app.redirect_uri.parse().unwrap());
    let page = browser.get(&url).await.unwrap();
    browser.stop_nowhere();
    page
}

async fn a_pushed_request_counts_once_and_for_its_application(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::of(&server, &company);
    let other = Relying::register(&server, json!({ "token_endpoint_auth_method": "none" })).await;
    let mut browser = Browser::new().unwrap();
    app.sign_in(&company, &mut browser, &ada.person, &[]).await;
    let pushed = push(&app, &request(&app)).await;
    assert_eq!(
        (
            pushed.status,
            pushed.header("cache-control"),
            &pushed.body["expires_in"]
        ),
        (201, "no-store", &json!(60)),
        "{}",
        pushed.body
    );
    let reference = pushed.text("request_uri").to_owned();
    // Another application cannot use it, nor use it up.
    let stolen = refer(&other, &mut browser, &reference).await;
    assert_eq!(stolen.status, 400, "{}", stolen.body);
    // What stands beside the reference counts for nothing.
    let mut url = app.authorize_url(&[
        ("state", "forged"),
        ("nonce", "forged"),
        ("scope", "openid"),
    ]);
    url.query_pairs_mut().append_pair("request_uri", &reference);
    browser.stop_before(&app.redirect_uri.parse().unwrap());
    let page = browser.get(&url).await.unwrap();
    browser.stop_nowhere();
    let answer = crate::relying::answer(&page);
    assert_eq!(answer["state"], STATE);
    let tokens = Tokens::of(&app.exchange(&answer["code"]).await);
    assert_eq!(tokens.claims()["nonce"], crate::relying::NONCE);
    assert_eq!(tokens.claims()["email"], ada.person.email.as_str());
    let again = refer(&app, &mut browser, &reference).await;
    assert_eq!(again.status, 400, "a reference is good for one use");
    // It waits for a minute.
    let late = push(&app, &request(&app))
        .await
        .text("request_uri")
        .to_owned();
    server.pass(Duration::from_secs(61));
    assert_eq!(refer(&app, &mut browser, &late).await.status, 400);
    let unknown = "urn:ietf:params:oauth:request_uri:unknown";
    assert_eq!(refer(&app, &mut browser, unknown).await.status, 400);
    // What the authorization endpoint would refuse is refused here already, and so is whoever is not the application.
    for (name, value, wanted) in [
        ("redirect_uri", "https://evil.example/", "invalid_request"),
        ("response_type", "token", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("scope", "email", "invalid_scope"),
        ("request_uri", unknown, "invalid_request"),
    ] {
        let mut bent = request(&app);
        bent.retain(|(known, _)| known != name);
        bent.push((name.to_owned(), value.to_owned()));
        let reply = push(&app, &bent).await;
        assert_eq!((reply.status, reply.text("error")), (400, wanted), "{name}");
    }
    let wrong = Relying {
        client_secret: Some("wrong".to_owned()),
        ..app.clone()
    };
    unproven(&push(&wrong, &request(&app)).await, "a wrong secret");
    // A public application may push too.
    let public = push(&other, &request(&other)).await;
    assert_eq!(public.status, 201, "{}", public.body);
    let kept = server
        .database
        .texts("SELECT CAST(request AS TEXT) FROM pushed_requests")
        .await;
    assert!(!kept.is_empty());
    let secret = app.client_secret.clone().unwrap();
    assert!(kept.iter().all(|row| !row.contains(&secret)));
}

async fn an_application_that_has_to_push_cannot_be_asked_for_otherwise(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::of(&server, &company);
    let mut browser = Browser::new().unwrap();
    app.sign_in(&company, &mut browser, &ada.person, &[]).await;
    let place = format!("/applications/{}", company.client_id);
    let change = json!({ "require_pushed_authorization_requests": true });
    let made = server.admin.patch(&place, change).await;
    assert_eq!(made["require_pushed_authorization_requests"], true);
    assert_eq!(error(&app.ask(&mut browser, &[]).await), "invalid_request");
    let reference = push(&app, &request(&app))
        .await
        .text("request_uri")
        .to_owned();
    let page = refer(&app, &mut browser, &reference).await;
    assert!(
        crate::relying::answer(&page).contains_key("code"),
        "{}",
        page.body
    );
}

async fn an_answer_comes_by_form(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::of(&server, &company);
    let mut browser = Browser::new().unwrap();
    let form = ("response_mode", "form_post");
    let organization = ("organization", company.organization_id.as_str());
    // After a sign-in, from a sign-in, and with an error.
    let page = app.ask(&mut browser, &[form, organization]).await;
    let after = company.at_provider(&mut browser, page, &ada.person).await;
    let from = app.ask(&mut browser, &[form]).await;
    for page in [&after, &from] {
        let [posted] = page.forms().try_into().unwrap();
        assert_eq!(
            (page.status, posted.action.as_str()),
            (200, app.redirect_uri.as_str())
        );
        assert!(page.body.contains("<form method=\"post\""));
        let fields: std::collections::HashMap<_, _> = posted.filled(&[]).into_iter().collect();
        assert_eq!(fields["state"], STATE);
        assert_eq!(fields["iss"], server.issuer());
        assert_eq!(app.exchange(&fields["code"]).await.status, 200);
        assert!(
            page.header("content-security-policy")
                .unwrap()
                .contains("frame-ancestors 'none'")
        );
        assert_eq!(page.header("cache-control"), Some("no-store"));
    }
    let page = app
        .ask(&mut Browser::new().unwrap(), &[form, ("prompt", "none")])
        .await;
    let [posted] = page.forms().try_into().unwrap();
    let fields: std::collections::HashMap<_, _> = posted.filled(&[]).into_iter().collect();
    assert_eq!(
        (fields["error"].as_str(), fields["state"].as_str()),
        ("login_required", STATE)
    );
    // What an application writes is text on our page, never markup.
    let state = "\"><script>alert(1)</script>";
    let page = app.ask(&mut browser, &[form, ("state", state)]).await;
    assert!(!page.body.contains("<script>alert"), "{}", page.body);
    let [posted] = page.forms().try_into().unwrap();
    assert!(
        posted
            .filled(&[])
            .contains(&("state".to_owned(), state.to_owned()))
    );
}

async fn a_class_of_sign_in_is_reached_or_said_to_be_missing(server: TestServer) {
    const GIVEN: &str = "urn:vestibule:simulate:password";
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::of(&server, &company);
    let mut browser = Browser::new().unwrap();
    let either = format!("phr {GIVEN}");
    let code = app
        .sign_in(
            &company,
            &mut browser,
            &ada.person,
            &[("acr_values", &either)],
        )
        .await;
    let tokens = Tokens::of(&app.exchange(&code).await);
    assert_eq!(tokens.claims()["acr"], GIVEN);
    let sessions = || async {
        let sql = "SELECT id FROM user_sessions";
        server.database.texts(sql).await.len()
    };
    // A sign-in of the wanted class serves; one of another leads to the provider once more, which is asked for it.
    app.code(&mut browser, &[("acr_values", &either)]).await;
    assert_eq!(sessions().await, 1);
    let wanted = [
        ("acr_values", "phr"),
        ("organization", company.organization_id.as_str()),
    ];
    let code = app.code(&mut browser, &wanted).await;
    assert_eq!(sessions().await, 2);
    // It is a wish (Core §3.1.2.1): the answer says what was reached.
    assert_eq!(
        Tokens::of(&app.exchange(&code).await).claims()["acr"],
        GIVEN
    );
    app.code(&mut browser, &[("acr_values", "phr"), ("prompt", "none")])
        .await;
    // Where the application insists, nothing less is answered.
    let place = format!("/applications/{}", company.client_id);
    server
        .admin
        .patch(&place, json!({ "require_acr": true }))
        .await;
    let page = app.ask(&mut browser, &wanted).await;
    assert_eq!(error(&page), "unmet_authentication_requirements");
    let silent = app
        .ask(&mut browser, &[("acr_values", "phr"), ("prompt", "none")])
        .await;
    assert_eq!(error(&silent), "login_required");
    app.code(&mut browser, &[("acr_values", &either)]).await;
    app.code(&mut browser, &[]).await;
}

async fn claims_come_from_the_attributes_that_the_application_names(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::of(&server, &company);
    let place = format!("/applications/{}", company.client_id);
    let claims = json!({
        "login": "userName", "directory_id": "externalId", "https://acme.test/given": "name.givenName",
        "mails": "emails.value[]", "nothing": "title", "no_list": "title[]",
    });
    let made = server
        .admin
        .patch(&place, json!({ "claims": claims }))
        .await;
    assert_eq!(made["claims"], claims);
    let mut browser = Browser::new().unwrap();
    let code = app
        .sign_in(&company, &mut browser, &ada.person, &[("scope", "openid")])
        .await;
    let tokens = Tokens::of(&app.exchange(&code).await);
    let userinfo = app.userinfo(&tokens.access).await.body;
    for said in [tokens.claims(), userinfo] {
        assert_eq!(said["login"], ada.person.user_name.as_str(), "{said}");
        assert_eq!(said["directory_id"], ada.person.oid.as_str(), "{said}");
        assert_eq!(said["https://acme.test/given"], "Ada", "{said}");
        assert_eq!(said["mails"], json!([ada.person.email]), "{said}");
        assert_eq!(said["no_list"], json!([]), "{said}");
        assert!(said.get("nothing").is_none(), "{said}");
        assert!(
            said.get("email").is_none(),
            "the scope decides on standard claims"
        );
    }
    for claims in [
        json!({ "sub": "userName" }),
        json!({ "email": "userName" }),
        json!({ "azp": "userName" }),
        json!({ "": "userName" }),
        json!({ "a b": "userName" }),
        json!({ "secret": "password" }),
        json!({ "x": "a.b.c" }),
        json!({ "x": "" }),
        json!({ "x": 7 }),
    ] {
        let body = json!({ "claims": claims });
        let reply = server
            .admin
            .call(reqwest::Method::PATCH, &place, Some(&body))
            .await;
        assert_eq!(reply.status, 422, "{claims}: {}", reply.body);
    }
}
