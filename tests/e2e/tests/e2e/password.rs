//! Signing in by password, where an organization allows it.

use std::time::Duration;

use serde_json::{Value, json};
use vestibule_simulate::{Browser, Page};
use vestibule_support::{
    on_every_server,
    server::{Company, TestServer},
};

use crate::relying::{Relying, Tokens, answer};

const PASSWORD: &str = "correct horse battery staple";

on_every_server!(
    a_password_counts_only_where_the_policy_says_so,
    ten_wrong_passwords_lock_the_account,
    nobody_learns_who_has_an_account,
    people_of_a_directory_never_sign_in_by_password,
    a_new_password_ends_what_the_old_one_began,
);

struct Club {
    organization_id: String,
    user_id: String,
    app: Relying,
}

impl Club {
    async fn set_up(server: &TestServer) -> Self {
        let policy = json!({ "password_login": true });
        let organization = server
            .admin
            .post(
                "/organizations",
                json!({ "name": "Club", "domains": ["club.test"], "policy": policy }),
            )
            .await;
        let organization_id = organization["id"].as_str().unwrap().to_owned();
        let ada =
            json!({ "user_name": "ada@club.test", "email": "ada@club.test", "password": PASSWORD });
        let user = server
            .admin
            .post(&format!("/organizations/{organization_id}/users"), ada)
            .await;
        assert!(!user.to_string().contains(PASSWORD), "{user}");
        Self {
            organization_id,
            user_id: user["id"].as_str().unwrap().to_owned(),
            app: Relying::register(server, json!({})).await,
        }
    }

    /// The page that asks for the password.
    async fn asked(&self, browser: &mut Browser, user_name: &str) -> Page {
        let hint = [
            ("organization", self.organization_id.as_str()),
            ("login_hint", user_name),
        ];
        self.app.ask(browser, &hint).await
    }

    async fn type_password(&self, browser: &mut Browser, page: &Page, password: &str) -> Page {
        browser.stop_before(&self.app.redirect_uri.parse().unwrap());
        let page = browser
            .submit(page, &[("password", password)])
            .await
            .unwrap();
        browser.stop_nowhere();
        page
    }

    async fn try_password(&self, browser: &mut Browser, user_name: &str, password: &str) -> Page {
        let page = self.asked(browser, user_name).await;
        self.type_password(browser, &page, password).await
    }

    async fn last_login(&self, server: &TestServer) -> Value {
        server
            .admin
            .get(&format!(
                "/organizations/{}/logins?limit=1",
                self.organization_id
            ))
            .await["data"][0]
            .clone()
    }
}

async fn a_password_counts_only_where_the_policy_says_so(server: TestServer) {
    let club = Club::set_up(&server).await;
    let mut browser = Browser::new().unwrap();
    let page = club
        .try_password(&mut browser, "Ada@Club.test", PASSWORD)
        .await;
    let tokens = Tokens::of(&club.app.exchange(&answer(&page)["code"]).await);
    let claims = tokens.claims();
    assert_eq!(
        (claims["sub"].as_str(), &claims["amr"]),
        (Some(club.user_id.as_str()), &json!(["pwd"]))
    );

    let page = club
        .asked(&mut Browser::new().unwrap(), "ada@club.test")
        .await;
    let forbidden = json!({ "policy": { "password_login": false } });
    server
        .admin
        .patch(
            &format!("/organizations/{}", club.organization_id),
            forbidden,
        )
        .await;
    assert_eq!(
        club.app.userinfo(&tokens.access).await.status,
        401,
        "what began by password is over"
    );
    let silent = answer(&club.app.ask(&mut browser, &[("prompt", "none")]).await);
    assert_eq!(silent["error"], "login_required");
    let late = club
        .type_password(&mut Browser::new().unwrap(), &page, PASSWORD)
        .await;
    assert_eq!(late.status, 400, "{}", late.body);
    let page = club
        .asked(&mut Browser::new().unwrap(), "ada@club.test")
        .await;
    assert!(
        page.status == 403 && page.body.contains("no_connection"),
        "{}",
        page.body
    );
}

async fn ten_wrong_passwords_lock_the_account(server: TestServer) {
    let club = Club::set_up(&server).await;
    let mut browser = Browser::new().unwrap();
    let mut page = club.asked(&mut browser, "ada@club.test").await;
    for _ in 0..10 {
        page = club.type_password(&mut browser, &page, "wrong").await;
        assert_eq!(page.status, 422, "{}", page.body);
        assert_eq!(
            club.last_login(&server).await["rule"],
            json!("wrong_password")
        );
    }
    page = club.type_password(&mut browser, &page, PASSWORD).await;
    assert_eq!(page.status, 422, "the right one is too late");
    assert_eq!(club.last_login(&server).await["rule"], json!("locked"));
    server.pass(Duration::from_secs(15 * 60 + 1));
    let page = club
        .try_password(&mut browser, "ada@club.test", PASSWORD)
        .await;
    assert!(answer(&page).contains_key("code"), "{}", page.body);
}

async fn nobody_learns_who_has_an_account(server: TestServer) {
    let club = Club::set_up(&server).await;
    let bare = json!({ "user_name": "bare@club.test" });
    server
        .admin
        .post(
            &format!("/organizations/{}/users", club.organization_id),
            bare,
        )
        .await;
    let gone = json!({ "user_name": "gone@club.test", "password": PASSWORD, "active": false });
    server
        .admin
        .post(
            &format!("/organizations/{}/users", club.organization_id),
            gone,
        )
        .await;
    let mut answers = Vec::new();
    for (name, password) in [
        ("ada@club.test", "wrong"),
        ("nobody@club.test", PASSWORD),
        ("bare@club.test", ""),
        ("gone@club.test", PASSWORD),
    ] {
        let mut browser = Browser::new().unwrap();
        let page = club.try_password(&mut browser, name, password).await;
        // What differs is what the person typed and what is drawn at random.
        let hidden = page.forms()[0].clone();
        let mut body = page.body.replace(name, "NAME");
        for (field, value) in hidden.filled(&[]) {
            if matches!(field.as_str(), "csrf" | "handle") {
                body = body.replace(&value, &field);
            }
        }
        answers.push((page.status, body));
    }
    assert_eq!(answers[0].0, 422);
    for other in &answers[1..] {
        assert_eq!(other, &answers[0]);
    }
}

async fn people_of_a_directory_never_sign_in_by_password(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let on = json!({ "policy": { "password_login": true } });
    server
        .admin
        .patch(&format!("/organizations/{}", company.organization_id), on)
        .await;
    let refused = server
        .admin
        .call(
            "PATCH".parse().unwrap(),
            &format!("/users/{}", ada.user_id),
            Some(&json!({ "password": PASSWORD })),
        )
        .await;
    assert_eq!(
        refused.status, 409,
        "the directory owns the user: {}",
        refused.body
    );
    // Even with a password in the store.
    let app = Relying::of(&server, &company);
    let hint = [
        ("organization", company.organization_id.as_str()),
        ("login_hint", ada.person.user_name.as_str()),
    ];
    let mut browser = Browser::new().unwrap();
    let page = app.ask(&mut browser, &hint).await;
    assert!(page.body.contains("Choose how to sign in"), "{}", page.body);
    let connections = server
        .admin
        .get(&format!(
            "/organizations/{}/connections",
            company.organization_id
        ))
        .await;
    let password = connections["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|way| way["protocol"] == "password")
        .unwrap();
    let page = choose(&mut browser, &page, password["id"].as_str().unwrap()).await;
    let page = browser
        .submit(&page, &[("password", PASSWORD)])
        .await
        .unwrap();
    assert_eq!(page.status, 422, "{}", page.body);
    assert!(company.live_session(&ada.user_id).is_none());
}

/// Presses one of the buttons of the page with the ways in.
async fn choose(browser: &mut Browser, page: &Page, connection: &str) -> Page {
    let form = page.forms()[0].clone();
    let mut fields = form.filled(&[]);
    fields.retain(|(name, _)| name != "connection");
    fields.push(("connection".to_owned(), connection.to_owned()));
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let action = page.url.join(&form.action).unwrap();
    browser
        .post_from(Some(page), &action, &fields)
        .await
        .unwrap()
}

async fn a_new_password_ends_what_the_old_one_began(server: TestServer) {
    let club = Club::set_up(&server).await;
    let mut browser = Browser::new().unwrap();
    let page = club
        .try_password(&mut browser, "ada@club.test", PASSWORD)
        .await;
    let tokens = Tokens::of(&club.app.exchange(&answer(&page)["code"]).await);
    server
        .admin
        .patch(
            &format!("/users/{}", club.user_id),
            json!({ "password": "another long password" }),
        )
        .await;
    assert_eq!(club.app.userinfo(&tokens.access).await.status, 401);
    assert_eq!(
        club.app.refresh(&tokens.refresh).await.text("error"),
        "invalid_grant"
    );
    let page = club
        .try_password(&mut browser, "ada@club.test", PASSWORD)
        .await;
    assert_eq!(page.status, 422);
    let page = club
        .try_password(&mut browser, "ada@club.test", "another long password")
        .await;
    assert!(answer(&page).contains_key("code"), "{}", page.body);
}
