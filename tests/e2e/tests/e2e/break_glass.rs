//! Break-glass accounts: how their people come in, and how that ends.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use vestibule_simulate::{Browser, Page};
use vestibule_support::{
    on_every_server,
    server::{Company, TestServer},
};

use crate::{
    relying::{Relying, Tokens, answer},
    webhooks::Receiver,
};

pub(crate) const PASSWORD: &str = "three glasses and a hammer";

on_every_server!(
    a_link_and_the_password_open_the_account_together,
    nothing_but_a_link_opens_the_account,
    it_opens_where_the_profile_allows_no_password,
    wrong_passwords_lock_the_account_and_keep_the_link,
    a_link_is_good_once_and_for_a_short_time,
    a_link_dies_with_what_it_rests_on,
    a_sign_in_ends_within_the_hour_with_everything_it_gave,
    whoever_ends_the_account_ends_everything_of_it,
    becoming_one_ends_what_came_before,
    only_who_runs_the_installation_makes_one,
    its_connection_is_not_for_anything_else,
);

/// Makes a break-glass account of the company with this address as its e-mail; gives its id.
pub(crate) async fn account(server: &TestServer, company: &Company, name: &str) -> String {
    let email = format!("ada.lovelace@{}", company.domain);
    let body = json!({
        "user_name": name, "email": email, "external_id": "hr-1", "password": PASSWORD, "break_glass": true,
    });
    let path = format!("/organizations/{}/users", company.organization_id);
    let made = server.admin.post(&path, body).await;
    assert_eq!(made["break_glass"], true, "{made}");
    made["id"].as_str().unwrap().to_owned()
}

pub(crate) async fn link(server: &TestServer, id: &str) -> String {
    let path = format!("/users/{id}/break-glass-links");
    let made = server.admin.post(&path, json!({})).await;
    made["url"].as_str().unwrap().to_owned()
}

async fn open(browser: &mut Browser, link: &str) -> Page {
    browser.get(&link.parse().unwrap()).await.unwrap()
}

pub(crate) async fn enter(browser: &mut Browser, link: &str, password: &str) -> Page {
    let page = open(browser, link).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let fields = [("password", password)];
    browser.submit(&page, &fields).await.unwrap()
}

/// Signs the account's person in, and into the app.
pub(crate) async fn signed_in(
    server: &TestServer,
    company: &Company,
    id: &str,
    browser: &mut Browser,
) -> Tokens {
    let page = enter(browser, &link(server, id).await, PASSWORD).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let app = Relying::of(server, company);
    let of = [("organization", company.organization_id.as_str())];
    let code = app.code(browser, &of).await;
    let tokens = Tokens::of(&app.exchange(&code).await);
    assert_eq!(tokens.claims()["sub"], json!(id));
    tokens
}

async fn events(server: &TestServer, kind: &str) -> Vec<Value> {
    let events = server.admin.get(&format!("/events?type={kind}")).await;
    events["data"].as_array().unwrap().clone()
}

async fn change(server: &TestServer, id: &str, body: Value) -> Value {
    server.admin.patch(&format!("/users/{id}"), body).await
}

async fn a_link_and_the_password_open_the_account_together(server: TestServer) {
    let receiver = Receiver::start().await;
    let webhook = json!({ "url": receiver.url, "events": ["break_glass.*"] });
    let webhook = server.admin.post("/webhooks", webhook).await;
    let company = Company::set_up(&server).await;
    let id = account(&server, &company, "glass").await;
    let link = link(&server, &id).await;
    let mut browser = Browser::new().unwrap();
    // What reads the mail looks at it first.
    for _ in 0..2 {
        let page = open(&mut Browser::new().unwrap(), &link).await;
        assert!(page.status == 200 && page.body.contains("glass"));
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    }
    let page = enter(&mut browser, &link, "not it").await;
    assert_eq!(page.status, 422, "{}", page.body);
    let login = company.last_login(&server).await;
    assert_eq!(
        (&login["rule"], &login["user_id"]),
        (&json!("wrong_password"), &json!(id))
    );
    let page = enter(&mut browser, &link, PASSWORD).await;
    assert_eq!((page.status, page.url.path()), (200, "/"), "{}", page.body);
    let login = company.last_login(&server).await;
    assert_eq!(login["outcome"], "succeeded", "{login}");

    let app = Relying::of(&server, &company);
    let of = [("organization", company.organization_id.as_str())];
    let tokens = Tokens::of(&app.exchange(&app.code(&mut browser, &of).await).await);
    let claims = tokens.claims();
    assert_eq!(claims["amr"], json!(["pwd", "otp", "mfa"]));
    assert_eq!(claims["sub"], json!(id));
    let told = events(&server, "break_glass.used").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["data"]["user_name"], "glass");
    server.settled().await;
    let secret = webhook["secret"].as_str().unwrap();
    let mut heard: Vec<_> = (0..receiver.count())
        .map(|at| receiver.verified(at, secret).1)
        .collect();
    heard.sort_by_key(|event| event["id"].to_string());
    let kinds: Vec<_> = heard.iter().map(|event| &event["type"]).collect();
    let wanted = [
        "break_glass.granted",
        "break_glass.link_made",
        "break_glass.used",
    ];
    assert_eq!(kinds, wanted, "{heard:?}");
    let secret = link.split_once("link=").unwrap().1;
    for event in &heard {
        assert!(!event.to_string().contains(secret), "{event}");
    }
}

async fn nothing_but_a_link_opens_the_account(server: TestServer) {
    let company = Company::set_up(&server).await;
    let id = account(&server, &company, "glass@acme.test").await;
    let policy = json!({ "policy": { "password_login": true } });
    let organization = format!("/organizations/{}", company.organization_id);
    server.admin.patch(&organization, policy).await;
    let connections = server
        .admin
        .get(&format!("{organization}/connections"))
        .await;
    let of = |protocol: &str| {
        let all = connections["data"].as_array().unwrap();
        let found = all
            .iter()
            .find(|connection| connection["protocol"] == protocol);
        found.unwrap()["id"].as_str().unwrap().to_owned()
    };
    let app = Relying::of(&server, &company);
    // The right password at the organization's password page.
    let mut browser = Browser::new().unwrap();
    let hint = [
        ("connection", of("password")),
        ("login_hint", "glass@acme.test".to_owned()),
    ];
    let hint = hint.each_ref().map(|(name, value)| (*name, value.as_str()));
    let page = app.ask(&mut browser, &hint).await;
    let page = browser.submit(&page, &[("password", PASSWORD)]).await;
    assert_eq!(page.unwrap().status, 422);
    assert_eq!(
        company.last_login(&server).await["rule"],
        "wrong_password",
        "as if there were no such account"
    );
    // Its own connection is no way in that somebody could choose.
    let way = [("connection", of("break_glass"))];
    let way = way.each_ref().map(|(name, value)| (*name, value.as_str()));
    let page = app.ask(&mut Browser::new().unwrap(), &way).await;
    assert!(page.body.contains("no_connection"), "{}", page.body);
    // The person at the provider, by address and by name.
    let policy = json!({ "policy": { "password_login": false } });
    server.admin.patch(&organization, policy).await;
    let glass = company.stranger("Ada", "Lovelace");
    for join in [
        json!({ "directory": "emails.value", "claim": "email" }),
        json!({ "directory": "externalId", "claim": "oid" }),
    ] {
        let place = format!("/connections/{}", company.connection_id);
        server.admin.patch(&place, json!({ "join": join })).await;
        change(&server, &id, json!({ "external_id": glass.oid })).await;
        let page = company.sign_in(&mut Browser::new().unwrap(), &glass).await;
        assert_eq!(page.status, 403, "{}", page.body);
        assert_eq!(company.last_login(&server).await["rule"], "not_provisioned");
    }
    let identities = "SELECT COUNT(*) FROM identities";
    assert_eq!(server.database.number(identities).await, 0);
    // And a link that nobody made.
    for path in [
        "/break-glass",
        "/break-glass?link=",
        "/break-glass?link=vbg_x",
    ] {
        let page = open(&mut Browser::new().unwrap(), server.url(path).as_str()).await;
        assert_eq!(page.status, 400, "{path}");
    }
    assert!(events(&server, "break_glass.used").await.is_empty());
    server.settled().await;
}

async fn it_opens_where_the_profile_allows_no_password(server: TestServer) {
    let company = Company::set_up(&server).await;
    let id = account(&server, &company, "glass").await;
    let policy = json!({ "policy": { "ipsie": "sl2" } });
    let organization = format!("/organizations/{}", company.organization_id);
    server.admin.patch(&organization, policy).await;
    // The provider is out of order.
    company.idp.shutdown().await;
    let tokens = signed_in(&server, &company, &id, &mut Browser::new().unwrap()).await;
    let app = Relying::of(&server, &company);
    assert_eq!(app.userinfo(&tokens.access).await.status, 200);
    server.settled().await;
}

async fn wrong_passwords_lock_the_account_and_keep_the_link(server: TestServer) {
    let company = Company::set_up(&server).await;
    let id = account(&server, &company, "glass").await;
    let path = format!("/users/{id}/break-glass-links");
    let hour = json!({ "expires_in": 3600 });
    let made = server.admin.post(&path, hour).await;
    let link = made["url"].as_str().unwrap();
    let mut browser = Browser::new().unwrap();
    let mut page = open(&mut browser, link).await;
    for _ in 0..10 {
        page = browser
            .submit(&page, &[("password", "wrong")])
            .await
            .unwrap();
        assert_eq!(page.status, 422, "{}", page.body);
    }
    page = browser
        .submit(&page, &[("password", PASSWORD)])
        .await
        .unwrap();
    assert_eq!(page.status, 422, "the right one is too late");
    assert_eq!(company.last_login(&server).await["rule"], "locked");
    server.pass(Duration::from_secs(16 * 60));
    let page = enter(&mut browser, link, PASSWORD).await;
    assert_eq!(page.status, 200, "{}", page.body);
    server.settled().await;
}

async fn a_link_is_good_once_and_for_a_short_time(server: TestServer) {
    let company = Company::set_up(&server).await;
    let id = account(&server, &company, "glass").await;
    let mut browser = Browser::new().unwrap();
    let used = link(&server, &id).await;
    let held = open(&mut browser, &used).await;
    let page = enter(&mut Browser::new().unwrap(), &used, PASSWORD).await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert_eq!(open(&mut browser, &used).await.status, 400);
    let late = browser.submit(&held, &[("password", PASSWORD)]).await;
    assert_eq!(late.unwrap().status, 400, "it is used up");
    assert_eq!(events(&server, "break_glass.used").await.len(), 1);

    let (first, second) = (link(&server, &id).await, link(&server, &id).await);
    assert_eq!(
        open(&mut browser, &first).await.status,
        400,
        "the newest counts"
    );
    assert_eq!(open(&mut browser, &second).await.status, 200);
    let path = format!("/users/{id}/break-glass-links");
    for _ in 0..2 {
        server.admin.delete(&path).await;
        assert_eq!(open(&mut browser, &second).await.status, 400, "withdrawn");
    }
    let third = link(&server, &id).await;
    server.pass(Duration::from_secs(15 * 60 - 1));
    assert_eq!(open(&mut browser, &third).await.status, 200);
    server.pass(Duration::from_secs(2));
    assert_eq!(open(&mut browser, &third).await.status, 400, "too late");
    for seconds in [0, 59, 3601] {
        let wrong = json!({ "expires_in": seconds });
        let refused = server.admin.call(Method::POST, &path, Some(&wrong)).await;
        assert_eq!(refused.status, 422, "{}", refused.body);
        assert_eq!(refused.body["errors"][0]["field"], "expires_in");
    }
    server.settled().await;
}

async fn a_link_dies_with_what_it_rests_on(server: TestServer) {
    let company = Company::set_up(&server).await;
    let id = account(&server, &company, "glass").await;
    let organization = format!("/organizations/{}", company.organization_id);
    let user = format!("/users/{id}");
    for (place, end, undo) in [
        (&user, json!({ "active": false }), json!({ "active": true })),
        (
            &user,
            json!({ "password": "another of eight" }),
            json!({ "password": PASSWORD }),
        ),
        (
            &user,
            json!({ "break_glass": false }),
            json!({ "break_glass": true }),
        ),
        (
            &organization,
            json!({ "active": false }),
            json!({ "active": true }),
        ),
    ] {
        let link = link(&server, &id).await;
        let mut browser = Browser::new().unwrap();
        let held = open(&mut browser, &link).await;
        assert_eq!(held.status, 200, "{end}");
        server.admin.patch(place, end.clone()).await;
        assert_eq!(open(&mut browser, &link).await.status, 400, "{end}");
        server.admin.patch(place, undo).await;
        assert_eq!(
            open(&mut browser, &link).await.status,
            400,
            "nothing revives it: {end}"
        );
        let late = browser.submit(&held, &[("password", PASSWORD)]).await;
        assert_eq!(late.unwrap().status, 400, "{end}");
    }
    let link = link(&server, &id).await;
    server.admin.delete(&user).await;
    assert_eq!(open(&mut Browser::new().unwrap(), &link).await.status, 400);
    let left = "SELECT COUNT(*) FROM break_glass_links";
    assert_eq!(server.database.number(left).await, 0);
    server.settled().await;
}

async fn a_sign_in_ends_within_the_hour_with_everything_it_gave(server: TestServer) {
    let company = Company::set_up(&server).await;
    let id = account(&server, &company, "glass").await;
    let app = Relying::of(&server, &company);
    let mut browser = Browser::new().unwrap();
    // It asks for offline access, which would outlive the sign-in.
    let tokens = signed_in(&server, &company, &id, &mut browser).await;
    server.pass(Duration::from_secs(50 * 60));
    let tokens = Tokens::of(&app.refresh(&tokens.refresh).await);
    assert_eq!(app.userinfo(&tokens.access).await.status, 200);
    server.pass(Duration::from_secs(11 * 60));
    assert_eq!(app.refresh(&tokens.refresh).await.status, 400);
    let silent = answer(&app.ask(&mut browser, &[("prompt", "none")]).await);
    assert_eq!(silent["error"], "login_required");
    server.settled().await;
}

async fn whoever_ends_the_account_ends_everything_of_it(server: TestServer) {
    let company = Company::set_up(&server).await;
    let app = Relying::of(&server, &company);
    let id = account(&server, &company, "glass").await;
    for (end, undo) in [
        (json!({ "active": false }), json!({ "active": true })),
        (
            json!({ "break_glass": false }),
            json!({ "break_glass": true }),
        ),
    ] {
        let tokens = signed_in(&server, &company, &id, &mut Browser::new().unwrap()).await;
        change(&server, &id, end).await;
        assert_eq!(app.userinfo(&tokens.access).await.status, 401);
        let path = format!("/users/{id}/break-glass-links");
        let refused = server
            .admin
            .call(Method::POST, &path, Some(&json!({})))
            .await;
        assert_eq!(refused.status, 409, "{}", refused.body);
        change(&server, &id, undo).await;
        assert_eq!(app.userinfo(&tokens.access).await.status, 401);
    }
    let tokens = signed_in(&server, &company, &id, &mut Browser::new().unwrap()).await;
    server.admin.delete(&format!("/users/{id}")).await;
    assert_eq!(app.userinfo(&tokens.access).await.status, 401);
    let withdrawn = events(&server, "break_glass.withdrawn").await;
    assert_eq!(withdrawn.len(), 1, "{withdrawn:?}");
    server.settled().await;
}

async fn becoming_one_ends_what_came_before(server: TestServer) {
    let company = Company::set_up(&server).await;
    let directory = format!("/directories/{}?users=release", company.directory_id);
    server.admin.delete(&directory).await;
    let connection = format!("/connections/{}", company.connection_id);
    let by_name =
        json!({ "jit": true, "join": { "directory": "userName", "claim": "preferred_username" } });
    server.admin.patch(&connection, by_name).await;
    // Somebody whom their first login made, and who is linked.
    let ada = company.stranger("Ada", "Lovelace");
    let app = Relying::of(&server, &company);
    let mut browser = Browser::new().unwrap();
    let code = app.sign_in(&company, &mut browser, &ada, &[]).await;
    let tokens = Tokens::of(&app.exchange(&code).await);
    let id = tokens.claims()["sub"].as_str().unwrap().to_owned();
    change(&server, &id, json!({ "break_glass": true })).await;
    assert_eq!(app.userinfo(&tokens.access).await.status, 401);
    assert_eq!(app.refresh(&tokens.refresh).await.status, 400);
    // The link at the provider is gone, and no new account takes the name.
    let page = company.sign_in(&mut Browser::new().unwrap(), &ada).await;
    assert_eq!(page.status, 403, "{}", page.body);
    assert_eq!(company.last_login(&server).await["rule"], "user_name_taken");
    assert_eq!(company.count_users(&server).await, 1);
    let identities = "SELECT COUNT(*) FROM identities";
    assert_eq!(server.database.number(identities).await, 0);
    // Without a password a link opens nothing, so there is none.
    let path = format!("/users/{id}/break-glass-links");
    let refused = server
        .admin
        .call(Method::POST, &path, Some(&json!({})))
        .await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    change(&server, &id, json!({ "password": PASSWORD })).await;
    signed_in(&server, &company, &id, &mut Browser::new().unwrap()).await;
    // An ordinary account again, the person comes in by the provider as the same user.
    change(&server, &id, json!({ "break_glass": false })).await;
    let code = app
        .sign_in(&company, &mut Browser::new().unwrap(), &ada, &[])
        .await;
    let claims = Tokens::of(&app.exchange(&code).await).claims();
    assert_eq!(claims["sub"], json!(id));
    server.settled().await;
}

async fn only_who_runs_the_installation_makes_one(server: TestServer) {
    let company = Company::set_up(&server).await;
    let id = account(&server, &company, "glass").await;
    let users = format!("/organizations/{}/users", company.organization_id);
    let plain = json!({ "user_name": "plain", "password": PASSWORD });
    let plain = server.admin.post(&users, plain).await;
    assert_eq!(plain["break_glass"], false, "off unless somebody says so");
    let plain = format!("/users/{}", plain["id"].as_str().unwrap());
    let own = json!({
        "name": "customer", "scopes": ["*"], "organization_id": company.organization_id,
    });
    let own = server.admin.post("/api-keys", own).await;
    let own = server.admin.with_key(own["key"].as_str().unwrap());
    let new = json!({ "user_name": "mine", "break_glass": true });
    let links = format!("/users/{id}/break-glass-links");
    for (method, path, body) in [
        (Method::POST, users.clone(), new),
        (Method::PATCH, plain.clone(), json!({ "break_glass": true })),
        (
            Method::PATCH,
            format!("/users/{id}"),
            json!({ "break_glass": false }),
        ),
        (Method::POST, links.clone(), json!({})),
        (Method::DELETE, links.clone(), json!({})),
    ] {
        let refused = own.call(method, &path, Some(&body)).await;
        assert_eq!(refused.status, 403, "{path} {body}: {}", refused.body);
    }
    let listed = own.get(&format!("{users}?break_glass=true")).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 1, "they may know");
    assert_eq!(listed["data"][0]["id"], json!(id));
    let refused = server
        .admin
        .call(
            Method::POST,
            &format!("{plain}/break-glass-links"),
            Some(&json!({})),
        )
        .await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    // Some named people, not everybody.
    for number in 1..=20 {
        let body = json!({ "user_name": format!("g{number}"), "break_glass": true });
        let made = server.admin.call(Method::POST, &users, Some(&body)).await;
        let wanted = if number < 20 { 201 } else { 409 };
        assert_eq!(made.status, wanted, "{number}: {}", made.body);
    }
    server.settled().await;
}

async fn its_connection_is_not_for_anything_else(server: TestServer) {
    let company = Company::set_up(&server).await;
    let place = format!("/organizations/{}/connections", company.organization_id);
    let own = async || {
        let connections = server.admin.get(&place).await;
        let all = connections["data"].as_array().unwrap().clone();
        let is_own = |connection: &Value| connection["protocol"] == "break_glass";
        all.into_iter().filter(is_own).collect::<Vec<_>>()
    };
    assert!(own().await.is_empty(), "nobody needs it yet");
    for name in ["one", "two"] {
        account(&server, &company, name).await;
    }
    let made = own().await;
    assert_eq!(made.len(), 1, "one is enough");
    let path = format!("/connections/{}", made[0]["id"].as_str().unwrap());
    for body in [
        json!({ "state": "inactive" }),
        json!({ "join": { "directory": "userName", "claim": "sub" } }),
        json!({ "jit": true }),
    ] {
        let refused = server.admin.call(Method::PATCH, &path, Some(&body)).await;
        assert_eq!(refused.status, 409, "{body}: {}", refused.body);
    }
    let refused = server.admin.call(Method::DELETE, &path, None).await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    for protocol in ["break_glass", "password"] {
        let body = json!({ "protocol": protocol });
        let refused = server.admin.call(Method::POST, &place, Some(&body)).await;
        assert_eq!(refused.status, 422, "{protocol}: {}", refused.body);
    }
    server.settled().await;
}
