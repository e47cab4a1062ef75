//! Global token revocations, good and hostile.

use serde_json::{Value, json};
use vestibule_simulate::Browser;
use vestibule_support::{
    on_every_server,
    server::{Company, Employee, Reply, TestServer, http_client},
};

use crate::{
    hostile::now,
    relying::{Relying, Tokens},
};

pub(crate) const REVOCATION: &str = "global-token-revocation+jwt";
pub(crate) const EVENT: &str = "secevent+jwt";

on_every_server!(
    a_global_token_revocation_ends_everything_of_a_person,
    a_revocation_reaches_own_people_only,
    what_is_no_revocation_ends_nothing,
    a_login_that_a_revocation_overtook_is_refused,
    no_sign_in_survives_a_revocation_that_came_while_it_was_stored,
    by_saml_a_revocation_needs_a_signal_source,
    a_revocation_is_asked_for_again_while_the_provider_cannot_be_read,
);

pub(crate) async fn signed_in(
    server: &TestServer,
    company: &Company,
    employee: &Employee,
) -> (Relying, Tokens) {
    let app = Relying::of(server, company);
    let mut browser = Browser::new().unwrap();
    let code = app
        .sign_in(company, &mut browser, &employee.person, &[])
        .await;
    let tokens = Tokens::of(&app.exchange(&code).await);
    (app, tokens)
}

pub(crate) async fn live(server: &TestServer) -> i64 {
    let sql = "SELECT COUNT(*) FROM user_sessions WHERE ended_at IS NULL";
    server.database.number(sql).await
}

pub(crate) fn changed(mut claims: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        match value.is_null() {
            true => drop(claims.as_object_mut().unwrap().remove(name)),
            false => claims[name] = value.clone(),
        }
    }
    claims
}

fn revocation_url(server: &TestServer, company: &Company) -> String {
    let path = format!("/sso/{}/global-token-revocation", company.connection_id);
    format!("{}{path}", server.issuer())
}

pub(crate) fn revocation(server: &TestServer, company: &Company, changes: &Value) -> Value {
    let claims = json!({
        "iss": company.idp.issuer(), "sub": "vestibule", "aud": revocation_url(server, company), "iat": now(),
        "exp": now() + 300, "jti": format!("{changes}{}", server.now().micros()),
    });
    changed(claims, changes)
}

pub(crate) async fn revoke(
    server: &TestServer,
    connection_id: &str,
    token: &str,
    sub_id: &Value,
) -> Reply {
    let path = format!("/sso/{connection_id}/global-token-revocation");
    let request = http_client()
        .post(server.url(&path))
        .header("content-type", "application/json")
        .bearer_auth(token)
        .body(json!({ "sub_id": sub_id }).to_string());
    Reply::read(request.send().await.unwrap()).await
}

pub(crate) fn email(employee: &Employee) -> Value {
    json!({ "format": "email", "email": employee.person.user_name })
}

pub(crate) fn iss_sub(company: &Company, employee: &Employee) -> Value {
    json!({ "format": "iss_sub", "iss": company.idp.issuer(), "sub": employee.person.sub })
}

pub(crate) async fn last_signal(server: &TestServer, company: &Company) -> Value {
    let path = format!("/connections/{}/signals?limit=1", company.connection_id);
    server.admin.get(&path).await["data"][0].clone()
}

async fn a_global_token_revocation_ends_everything_of_a_person(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let bob = company.hire("Bob", "Noyce").await;
    let (_, kept) = signed_in(&server, &company, &bob).await;
    for name in [email(&ada), iss_sub(&company, &ada)] {
        let (app, tokens) = signed_in(&server, &company, &ada).await;
        assert_eq!(app.userinfo(&tokens.access).await.status, 200);
        let claims = revocation(&server, &company, &json!({}));
        let token = company.idp.signed(REVOCATION, &claims).unwrap();
        let reply = revoke(&server, &company.connection_id, &token, &name).await;
        assert_eq!(
            (reply.status, reply.header("cache-control")),
            (204, "no-store"),
            "{}",
            reply.body
        );
        // Offline tokens, too: this is no logout but "everything of this person".
        assert_eq!(app.userinfo(&tokens.access).await.status, 401);
        assert_eq!(app.refresh(&tokens.refresh).await.status, 400);
        assert_eq!(app.userinfo(&kept.access).await.status, 200, "nobody else");
        let signal = last_signal(&server, &company).await;
        assert_eq!(
            (
                &signal["effect"],
                &signal["user_id"],
                &signal["sessions_ended"]
            ),
            (&json!("ended"), &json!(ada.user_id), &json!(1)),
            "{signal}"
        );
        let user = server.admin.get(&format!("/users/{}", ada.user_id)).await;
        assert_eq!(user["active"], true, "a signal never says who is active");
        // A copy ends nothing: she has signed in again.
        server.pass(std::time::Duration::from_secs(10));
        signed_in(&server, &company, &ada).await;
        let reply = revoke(&server, &company.connection_id, &token, &name).await;
        assert_eq!((reply.status, live(&server).await), (204, 2));
        server
            .admin
            .delete(&format!("/users/{}/sessions", ada.user_id))
            .await;
        server.pass(std::time::Duration::from_secs(10));
    }
    server.settled().await;
}

async fn a_revocation_reaches_own_people_only(server: TestServer) {
    let company = Company::set_up(&server).await;
    let globex = Company::with_domain(&server, "globex.test").await;
    let ada = company.hire("Ada", "Lovelace").await;
    let eve = globex.hire("Eve", "Noyce").await;
    let path = format!("/organizations/{}/users", company.organization_id);
    // In the organization, with an address in its domain, and of no directory: she comes in another way.
    let local = json!({ "user_name": "root@acme.test", "email": "root@acme.test" });
    server.admin.post(&path, local).await;
    signed_in(&server, &company, &ada).await;
    signed_in(&server, &globex, &eve).await;
    for (status, effect, name) in [
        (403, "other_domain", email(&eve)),
        (
            403,
            "other_domain",
            json!({ "format": "email", "email": "x" }),
        ),
        (
            404,
            "unknown_subject",
            json!({ "format": "email", "email": "nobody@acme.test" }),
        ),
        (404, "unknown_subject", iss_sub(&globex, &eve)),
        (
            404,
            "unknown_subject",
            json!({ "format": "iss_sub", "iss": company.idp.issuer(), "sub": eve.person.sub }),
        ),
        (
            404,
            "unknown_subject",
            json!({ "format": "scim", "uri": format!("/Users/{}", eve.user_id) }),
        ),
        (
            422,
            "not_own",
            json!({ "format": "email", "email": "root@acme.test" }),
        ),
        (
            400,
            "unsupported_subject",
            json!({ "format": "phone_number", "phone_number": "+12065550100" }),
        ),
    ] {
        let claims = revocation(&server, &company, &json!({}));
        let token = company.idp.signed(REVOCATION, &claims).unwrap();
        let reply = revoke(&server, &company.connection_id, &token, &name).await;
        assert_eq!(reply.status, status, "{name}: {}", reply.body);
        let signal = last_signal(&server, &company).await;
        assert_eq!(signal["effect"], effect, "{name}: {signal}");
        assert_eq!(live(&server).await, 2, "{name}");
    }
    server.settled().await;
}

async fn what_is_no_revocation_ends_nothing(server: TestServer) {
    let company = Company::set_up(&server).await;
    let globex = Company::with_domain(&server, "globex.test").await;
    let ada = company.hire("Ada", "Lovelace").await;
    let (_, tokens) = signed_in(&server, &company, &ada).await;
    let bent = |changes: Value| {
        let claims = revocation(&server, &company, &changes);
        company.idp.signed(REVOCATION, &claims).unwrap()
    };
    let good = revocation(&server, &company, &json!({}));
    let unsigned = |header: Value| {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        let [header, claims] =
            [&header, &good].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        format!("{header}.{claims}.")
    };
    let huge = "x".repeat(70_000);
    for (what, token) in [
        ("another audience", bent(json!({ "aud": "https://x.test" }))),
        (
            "a further audience",
            bent(json!({ "aud": [revocation_url(&server, &company), "x"] })),
        ),
        (
            "the audience of another connection",
            bent(json!({ "aud": revocation_url(&server, &globex) })),
        ),
        (
            "another issuer",
            bent(json!({ "iss": globex.idp.issuer() })),
        ),
        ("another client", bent(json!({ "sub": "somebody" }))),
        ("no client", bent(json!({ "sub": null }))),
        ("no end", bent(json!({ "exp": null }))),
        (
            "over",
            bent(json!({ "iat": now() - 900, "exp": now() - 600 })),
        ),
        (
            "too long a life",
            bent(json!({ "iat": now() - 3600, "exp": now() + 3600 })),
        ),
        (
            "of the future",
            bent(json!({ "iat": now() + 3600, "exp": now() + 3900 })),
        ),
        (
            "another company's key",
            globex.idp.signed(REVOCATION, &good).unwrap(),
        ),
        (
            "a logout token",
            company.idp.signed("logout+jwt", &good).unwrap(),
        ),
        ("an ID token", company.idp.signed("JWT", &good).unwrap()),
        (
            "a security event token",
            company.idp.signed(EVENT, &good).unwrap(),
        ),
        (
            "no signature",
            unsigned(json!({ "alg": "none", "typ": REVOCATION })),
        ),
        ("no type", unsigned(json!({ "alg": "ES256" }))),
        ("our own ID token", tokens.id.clone()),
        ("nothing", "x".to_owned()),
    ] {
        let reply = revoke(&server, &company.connection_id, &token, &email(&ada)).await;
        assert_eq!(
            (
                reply.status,
                reply.text("error"),
                reply.header("www-authenticate")
            ),
            (401, "invalid_token", "Bearer"),
            "{what}: {}",
            reply.body
        );
        assert_eq!(live(&server).await, 1, "{what}");
    }
    for body in ["", "{}", "[]", "{\"sub_id\":\"ada\"}", huge.as_str()] {
        let path = format!("/sso/{}/global-token-revocation", company.connection_id);
        let token = bent(json!({ "jti": body.len().to_string() }));
        let request = http_client().post(server.url(&path)).bearer_auth(token);
        let reply = Reply::read(request.body(body.to_owned()).send().await.unwrap()).await;
        assert!(
            matches!(reply.status, 400 | 413),
            "{}: {}",
            reply.status,
            reply.body
        );
        assert_eq!(live(&server).await, 1);
    }
    let path = format!("/sso/{}/global-token-revocation", company.connection_id);
    let reply = http_client().post(server.url(&path)).body("{}").send();
    assert_eq!(reply.await.unwrap().status(), 401);
}

async fn a_login_that_a_revocation_overtook_is_refused(server: TestServer) {
    for by_email in [true, false] {
        let domain = if by_email { "acme.test" } else { "globex.test" };
        let company = Company::with_domain(&server, domain).await;
        let ada = company.hire("Ada", "Lovelace").await;
        let mut browser = Browser::new().unwrap();
        browser.stop_before(&server.url("/sso/"));
        let page = company.sign_in(&mut browser, &ada.person).await;
        browser.stop_nowhere();
        let callback = page.location().unwrap();
        let claims = revocation(&server, &company, &json!({}));
        let token = company.idp.signed(REVOCATION, &claims).unwrap();
        let name = if by_email {
            email(&ada)
        } else {
            iss_sub(&company, &ada)
        };
        let reply = revoke(&server, &company.connection_id, &token, &name).await;
        // By the provider's own name she is not known before her first sign-in, and it is kept all the same.
        assert_eq!(reply.status, if by_email { 204 } else { 404 });
        let page = browser.get(&callback).await.unwrap();
        assert_eq!(page.status, 403, "{}", page.body);
        let record = company.last_login(&server).await;
        assert_eq!(record["rule"], "provider_session_over", "{record}");
        assert_eq!(live(&server).await, 0);
        server.pass(std::time::Duration::from_secs(10));
        company.signed_in(&mut Browser::new().unwrap(), &ada).await;
        server
            .admin
            .delete(&format!("/users/{}/sessions", ada.user_id))
            .await;
    }
    server.settled().await;
}

/// The revocation comes at any moment of a login: either the login is refused, or its sign-in is ended.
async fn no_sign_in_survives_a_revocation_that_came_while_it_was_stored(server: TestServer) {
    let company = Company::set_up(&server).await;
    server.may_leave_deliveries();
    for round in 0..16_u64 {
        let ada = company.hire("Ada", &format!("Lovelace{round}")).await;
        let mut browser = Browser::new().unwrap();
        browser.stop_before(&server.url("/sso/"));
        let page = company.sign_in(&mut browser, &ada.person).await;
        browser.stop_nowhere();
        let callback = page.location().unwrap();
        let claims = revocation(&server, &company, &json!({ "iat": now() + 1 }));
        let token = company.idp.signed(REVOCATION, &claims).unwrap();
        let (pause, name) = (std::time::Duration::from_millis(round * 4), email(&ada));
        let ((), page) = tokio::join!(
            async {
                tokio::time::sleep(pause).await;
                let reply = revoke(&server, &company.connection_id, &token, &name).await;
                assert_eq!(reply.status, 204, "{}", reply.body);
            },
            browser.get(&callback)
        );
        let page = page.unwrap();
        assert_eq!(
            live(&server).await,
            0,
            "round {round}: {} {}",
            page.status,
            page.url
        );
    }
}

async fn by_saml_a_revocation_needs_a_signal_source(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    company.signed_in(&mut Browser::new().unwrap(), &ada).await;
    let claims = revocation(&server, &company, &json!({ "sub": "0oa1" }));
    let token = company.idp.signed(REVOCATION, &claims).unwrap();
    let reply = revoke(&server, &company.connection_id, &token, &email(&ada)).await;
    assert_eq!(
        (reply.status, reply.text("error_description")),
        (401, "no_signal_source")
    );
    let path = format!("/connections/{}/signal-source", company.connection_id);
    // An issuer may serve many companies, so the client has to be known.
    let nobody = json!({ "issuer": company.idp.issuer(), "jwks_uri": company.idp.jwks_uri() });
    let set = server
        .admin
        .call("PUT".parse().unwrap(), &path, Some(&nobody))
        .await;
    assert_eq!(set.status, 200, "{}", set.body);
    let reply = revoke(&server, &company.connection_id, &token, &email(&ada)).await;
    assert_eq!(
        (reply.status, reply.text("error_description")),
        (401, "no_signal_source")
    );
    let source = json!({ "issuer": company.idp.issuer(), "jwks_uri": company.idp.jwks_uri(), "client_id": "0oa1" });
    let set = server
        .admin
        .call("PUT".parse().unwrap(), &path, Some(&source))
        .await;
    assert_eq!(
        (set.status, set.text("revocation_url")),
        (200, revocation_url(&server, &company).as_str()),
        "{}",
        set.body
    );
    let reply = revoke(&server, &company.connection_id, &token, &email(&ada)).await;
    assert_eq!(
        (reply.status, live(&server).await),
        (204, 0),
        "{}",
        reply.body
    );
    server.admin.delete(&path).await;
    let reply = revoke(&server, &company.connection_id, &token, &email(&ada)).await;
    assert_eq!(reply.status, 401, "nobody is trusted any more");
    server.settled().await;
}

async fn a_revocation_is_asked_for_again_while_the_provider_cannot_be_read(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let claims = revocation(&server, &company, &json!({}));
    let token = company.idp.signed(REVOCATION, &claims).unwrap();
    // What the provider says about itself is read again after a day.
    server.pass(std::time::Duration::from_hours(25));
    company.idp.shutdown().await;
    let reply = revoke(&server, &company.connection_id, &token, &email(&ada)).await;
    assert_eq!(
        (reply.status, reply.text("error")),
        (503, "temporarily_unavailable"),
        "{}",
        reply.body
    );
    server.settled().await;
}
