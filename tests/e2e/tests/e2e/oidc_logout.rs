//! What a customer's OpenID Provider says by itself: that a sign-in is over, and that one begins.

use serde_json::{Value, json};
use vestibule_simulate::Browser;
use vestibule_support::{
    on_every_server,
    server::{Company, Employee, Reply, TestServer, eventually, http_client},
};

use crate::{
    hostile::now,
    relying::{Relying, Tokens},
};

on_every_server!(
    a_logout_at_the_provider_ends_the_sign_ins_and_tells_the_app,
    a_logout_token_ends_the_session_that_it_names,
    a_subject_alone_ends_all_of_its_sign_ins,
    a_copy_of_a_logout_token_ends_nothing,
    what_is_no_logout_token_ends_nothing,
    a_login_that_a_logout_overtook_is_refused,
    a_login_that_a_logout_of_all_sessions_overtook_is_refused,
    no_sign_in_survives_a_logout_that_came_while_it_was_stored,
    a_provider_begins_a_login_at_the_default_application,
    a_provider_begins_a_login_here_and_nobody_elses,
);

async fn notify(server: &TestServer, connection_id: &str, token: &str) -> Reply {
    let url = server.url(&format!("/sso/oidc/{connection_id}/backchannel-logout"));
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("logout_token", token)
        .finish();
    let request = http_client()
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    Reply::read(request.send().await.unwrap()).await
}

async fn tokens(
    server: &TestServer,
    company: &Company,
    employee: &Employee,
) -> (Relying, Tokens, Browser) {
    let app = Relying::of(server, company);
    let mut browser = Browser::new().unwrap();
    let code = app
        .sign_in(company, &mut browser, &employee.person, &[])
        .await;
    let tokens = Tokens::of(&app.exchange(&code).await);
    (app, tokens, browser)
}

/// The ids by which the provider knows the live sign-ins, the oldest first.
async fn upstream_sessions(server: &TestServer) -> Vec<String> {
    let sql = "SELECT upstream_session FROM user_sessions WHERE ended_at IS NULL ORDER BY id";
    server.database.texts(sql).await
}

async fn a_logout_at_the_provider_ends_the_sign_ins_and_tells_the_app(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let bob = company.hire("Bob", "Noyce").await;
    let mut browser = Browser::new().unwrap();
    let session = company.signed_in(&mut browser, &ada).await;
    let (app, offline, _) = tokens(&server, &company, &ada).await;
    let (_, other, _) = tokens(&server, &company, &bob).await;
    let accepted = company
        .idp
        .end_sessions(&ada.person.user_name)
        .await
        .unwrap();
    assert_eq!(accepted, 2, "one notice for each session at the provider");
    assert_eq!(upstream_sessions(&server).await.len(), 1, "Bob's");
    eventually("the app is told", || !company.notices(&session).is_empty()).await;
    let silent = app.ask(&mut browser, &[("prompt", "none")]).await;
    assert_eq!(crate::provider::error(&silent), "login_required");
    // What was granted for offline use survives a logout, as it survives one at the app (Back-Channel Logout 1.0 §2.7).
    assert_eq!(app.refresh(&offline.refresh).await.status, 200);
    assert_eq!(app.userinfo(&other.access).await.status, 200, "nobody else");
    server.settled().await;
}

async fn a_logout_token_ends_the_session_that_it_names(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let (app, _, mut first) = tokens(&server, &company, &ada).await;
    let (_, _, mut second) = tokens(&server, &company, &ada).await;
    let [one, two] = upstream_sessions(&server).await.try_into().unwrap();
    assert_ne!(one, two);
    let token = company
        .idp
        .logout_token("vestibule", &json!({ "sid": one }))
        .unwrap();
    let reply = notify(&server, &company.connection_id, &token).await;
    assert_eq!(
        (reply.status, reply.header("cache-control")),
        (200, "no-store")
    );
    assert_eq!(upstream_sessions(&server).await, [two]);
    let silent = app.ask(&mut first, &[("prompt", "none")]).await;
    assert_eq!(crate::provider::error(&silent), "login_required");
    assert!(
        !app.code(&mut second, &[("prompt", "none")])
            .await
            .is_empty()
    );
    // The right session of the wrong subject is nobody's.
    let left = upstream_sessions(&server).await;
    let wrong = json!({ "sid": left[0], "sub": "somebody-else" });
    let token = company.idp.logout_token("vestibule", &wrong).unwrap();
    assert_eq!(
        notify(&server, &company.connection_id, &token).await.status,
        200
    );
    assert_eq!(upstream_sessions(&server).await, left);
    server.settled().await;
}

async fn a_subject_alone_ends_all_of_its_sign_ins(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let bob = company.hire("Bob", "Noyce").await;
    for employee in [&ada, &ada, &bob] {
        tokens(&server, &company, employee).await;
    }
    let sub = json!({ "sub": ada.person.sub });
    let token = company.idp.logout_token("vestibule", &sub).unwrap();
    assert_eq!(
        notify(&server, &company.connection_id, &token).await.status,
        200
    );
    assert_eq!(upstream_sessions(&server).await.len(), 1, "Bob's");
    server.settled().await;
}

async fn a_copy_of_a_logout_token_ends_nothing(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    tokens(&server, &company, &ada).await;
    // Written before the person signs in again, as the provider's clock shows it in seconds.
    let sub = json!({ "sub": ada.person.sub, "iat": now() - 2 });
    let token = company.idp.logout_token("vestibule", &sub).unwrap();
    for _ in 0..2 {
        let reply = notify(&server, &company.connection_id, &token).await;
        assert_eq!(reply.status, 200, "a provider may repeat what got lost");
    }
    tokens(&server, &company, &ada).await;
    assert_eq!(
        notify(&server, &company.connection_id, &token).await.status,
        200
    );
    assert_eq!(
        upstream_sessions(&server).await.len(),
        1,
        "the new sign-in stays"
    );
    server.settled().await;
}

async fn what_is_no_logout_token_ends_nothing(server: TestServer) {
    let company = Company::set_up(&server).await;
    let globex = Company::with_domain(&server, "globex.test").await;
    let ada = company.hire("Ada", "Lovelace").await;
    let (_, own, _) = tokens(&server, &company, &ada).await;
    let sub = ada.person.sub.clone();
    let bent = |changes: Value| {
        let mut all = json!({ "sub": sub });
        let changes = changes.as_object().unwrap().clone();
        all.as_object_mut().unwrap().extend(changes);
        company.idp.logout_token("vestibule", &all).unwrap()
    };
    let foreign = json!({ "sub": sub });
    for (what, token, rule) in [
        ("another audience", bent(json!({ "aud": "x" })), "aud"),
        (
            "another issuer",
            bent(json!({ "iss": globex.idp.issuer() })),
            "iss",
        ),
        ("no event", bent(json!({ "events": {} })), "malformed"),
        ("a nonce", bent(json!({ "nonce": "n" })), "malformed"),
        ("no id", bent(json!({ "jti": null })), "claim_missing"),
        ("nobody", bent(json!({ "sub": null })), "claim_missing"),
        (
            "too old",
            bent(json!({ "iat": 1_700_000_000, "exp": null })),
            "exp",
        ),
        (
            "another company's",
            globex.idp.logout_token("vestibule", &foreign).unwrap(),
            "iss",
        ),
        (
            "another company's in our name",
            {
                let claims = json!({ "sub": sub, "iss": company.idp.issuer() });
                globex.idp.logout_token("vestibule", &claims).unwrap()
            },
            "unknown_key",
        ),
        ("our own ID token", own.id.clone(), "iss"),
        ("nothing", "x".to_owned(), "malformed"),
    ] {
        let reply = notify(&server, &company.connection_id, &token).await;
        assert_eq!(
            (
                reply.status,
                reply.text("error"),
                reply.text("error_description")
            ),
            (400, "invalid_request", rule),
            "{what}"
        );
        assert_eq!(upstream_sessions(&server).await.len(), 1, "{what}");
    }
    let record = company.last_login(&server).await;
    assert_eq!(record["rule"], "malformed", "{record}");
    // The company's own token at another company's door is refused there.
    let token = bent(json!({}));
    let reply = notify(&server, &globex.connection_id, &token).await;
    assert_eq!(
        (reply.status, reply.text("error_description")),
        (400, "iss")
    );
    assert_eq!(upstream_sessions(&server).await.len(), 1);
}

async fn a_login_that_a_logout_overtook_is_refused(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let mut browser = Browser::new().unwrap();
    browser.stop_before(&server.url("/sso/"));
    let page = company.sign_in(&mut browser, &ada.person).await;
    browser.stop_nowhere();
    let callback = page.location().unwrap();
    company
        .idp
        .end_sessions(&ada.person.user_name)
        .await
        .unwrap();
    let page = browser.get(&callback).await.unwrap();
    assert_eq!(page.status, 403, "{}", page.body);
    let record = company.last_login(&server).await;
    assert_eq!(record["rule"], "provider_session_over", "{record}");
    assert!(upstream_sessions(&server).await.is_empty());
}

async fn a_login_that_a_logout_of_all_sessions_overtook_is_refused(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let bob = company.hire("Bob", "Noyce").await;
    let mut waiting = Vec::new();
    for person in [&ada, &bob] {
        let mut browser = Browser::new().unwrap();
        browser.stop_before(&server.url("/sso/"));
        let page = company.sign_in(&mut browser, &person.person).await;
        browser.stop_nowhere();
        waiting.push((browser, page.location().unwrap()));
    }
    let sub = json!({ "sub": ada.person.sub });
    let token = company.idp.logout_token("vestibule", &sub).unwrap();
    let reply = notify(&server, &company.connection_id, &token).await;
    assert_eq!(reply.status, 200);
    for ((mut browser, callback), refused) in waiting.into_iter().zip([true, false]) {
        let page = browser.get(&callback).await.unwrap();
        assert_eq!(page.status == 403, refused, "{}", page.body);
    }
    let logins = format!("/organizations/{}/logins?limit=2", company.organization_id);
    let logins = server.admin.get(&logins).await;
    assert_eq!(
        logins["data"][1]["rule"], "provider_session_over",
        "{logins}"
    );
    assert_eq!(upstream_sessions(&server).await.len(), 1, "Bob's");
    // Who proves themselves anew is in, though the provider's session is one that the token did not know.
    server.pass(std::time::Duration::from_secs(10));
    let mut browser = Browser::new().unwrap();
    company.signed_in(&mut browser, &ada).await;
    server.settled().await;
}

/// The logout token comes at any moment of a login: either the login is refused, or its sign-in is ended.
async fn no_sign_in_survives_a_logout_that_came_while_it_was_stored(server: TestServer) {
    let company = Company::set_up(&server).await;
    server.may_leave_deliveries();
    for round in 0..24_u64 {
        let ada = company.hire("Ada", &format!("Lovelace{round}")).await;
        let mut browser = Browser::new().unwrap();
        browser.stop_before(&server.url("/sso/"));
        let page = company.sign_in(&mut browser, &ada.person).await;
        browser.stop_nowhere();
        let callback = page.location().unwrap();
        let by_subject = json!({ "sub": ada.person.sub, "iat": now() + 1 });
        let token = company.idp.logout_token("vestibule", &by_subject).unwrap();
        let pause = std::time::Duration::from_millis(round * 3);
        let ((), page) = tokio::join!(
            async {
                tokio::time::sleep(pause).await;
                let reply = notify(&server, &company.connection_id, &token).await;
                assert_eq!(reply.status, 200);
            },
            browser.get(&callback)
        );
        let page = page.unwrap();
        assert!(
            upstream_sessions(&server).await.is_empty(),
            "round {round}: {} {}",
            page.status,
            page.url
        );
    }
}

async fn a_provider_begins_a_login_at_the_default_application(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let place = format!("/connections/{}", company.connection_id);
    let change = json!({ "default_application_id": company.client_id });
    let connection = server.admin.patch(&place, change).await;
    let start = connection["oidc"]["initiate_login_uri"].as_str().unwrap();
    let mut start: url::Url = start.parse().unwrap();
    start
        .query_pairs_mut()
        .append_pair("iss", company.idp.issuer())
        .append_pair("login_hint", &ada.person.user_name)
        .append_pair("target_link_uri", "https://evil.example/");
    let mut browser = Browser::new().unwrap();
    let page = browser.get(&start).await.unwrap();
    let page = company.at_provider(&mut browser, page, &ada.person).await;
    assert_eq!(
        (page.status, &page.url),
        (200, company.app.url()),
        "{}",
        page.body
    );
    assert!(company.live_session(&ada.user_id).is_some());
    server.settled().await;
}

async fn a_provider_begins_a_login_here_and_nobody_elses(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let mut start = server.url(&format!("/sso/oidc/{}/login", company.connection_id));
    let mut browser = Browser::new().unwrap();
    let fields = [("iss", "https://evil.example"), ("login_hint", "ada")];
    let page = browser.post_from(None, &start, &fields).await.unwrap();
    assert_eq!(page.status, 400, "{}", page.body);
    start
        .query_pairs_mut()
        .append_pair("iss", company.idp.issuer());
    let page = browser.get(&start).await.unwrap();
    let page = company.at_provider(&mut browser, page, &ada.person).await;
    assert_eq!(
        (page.status, page.url.path()),
        (200, server.url("/").path()),
        "{}",
        page.body
    );
    assert_eq!(upstream_sessions(&server).await.len(), 1);
    let place = format!("/connections/{}", company.connection_id);
    server
        .admin
        .patch(&place, json!({ "state": "inactive" }))
        .await;
    let page = Browser::new().unwrap().get(&start).await.unwrap();
    assert_eq!(page.status, 400);
    server.settled().await;
}
