//! The IPSIE profile of an organization: who comes in, which apps get an answer, and what the report says.

use serde_json::{Value, json};
use vestibule_simulate::{Browser, Page, jose::Algorithm};
use vestibule_support::{
    on_every_server,
    server::{Company, TestServer},
};

use crate::relying::{Relying, Tokens, answer};

on_every_server!(
    a_sign_in_needs_several_factors,
    an_id_token_by_rs256_is_refused,
    a_stricter_level_ends_what_came_before,
    an_app_that_wants_rs256_gets_no_answer,
    the_second_level_reaches_the_wanted_class_or_refuses,
    passwords_and_plain_assertions_do_not_do,
    the_report_follows_what_is_set_up,
);

async fn keep_to(server: &TestServer, organization_id: &str, level: Value) {
    let place = format!("/organizations/{organization_id}");
    let change = json!({ "policy": { "ipsie": level } });
    let changed = server.admin.patch(&place, change).await;
    assert_eq!(changed["policy"]["ipsie"], level, "{changed}");
}

/// A company whose provider signs by ES256 and asks for two factors.
async fn ready(server: &TestServer) -> Company {
    let company = Company::set_up(server).await;
    company.idp.rotate_key(Algorithm::Es256).unwrap();
    company.idp.set_methods(&["pwd", "otp"]);
    company
}

async fn is_refused(server: &TestServer, company: &Company, page: &Page, rule: &str) {
    assert_eq!(page.status, 403, "{}: {}", page.url, page.body);
    let login = company.last_login(server).await;
    assert_eq!(login["rule"], rule, "{login}");
    assert!(login["remedy"].as_str().unwrap().len() > 10, "{login}");
}

async fn a_sign_in_needs_several_factors(server: TestServer) {
    let company = ready(&server).await;
    keep_to(&server, &company.organization_id, json!("sl1")).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::of(&server, &company);
    for methods in [&["pwd"][..], &["pwd", "pin"], &["user"]] {
        company.idp.set_methods(methods);
        let mut browser = Browser::new().unwrap();
        let page = company.sign_in(&mut browser, &ada.person).await;
        is_refused(&server, &company, &page, "mfa_missing").await;
        let silent = app.ask(&mut browser, &[("prompt", "none")]).await;
        assert_eq!(answer(&silent)["error"], "login_required");
    }
    company.idp.set_methods(&["pwd", "otp"]);
    let mut browser = Browser::new().unwrap();
    let code = app.sign_in(&company, &mut browser, &ada.person, &[]).await;
    let claims = Tokens::of(&app.exchange(&code).await).claims();
    assert_eq!(claims["amr"], json!(["pwd", "otp"]));
    for claim in ["acr", "auth_time", "session_expiry"] {
        assert!(!claims[claim].is_null(), "{claim}: {claims}");
    }
    assert_eq!(claims["aud"], json!(app.client_id));
}

async fn an_id_token_by_rs256_is_refused(server: TestServer) {
    let company = ready(&server).await;
    company.idp.rotate_key(Algorithm::Rs256).unwrap();
    let ada = company.hire("Ada", "Lovelace").await;
    company.signed_in(&mut Browser::new().unwrap(), &ada).await;
    keep_to(&server, &company.organization_id, json!("sl1")).await;
    let mut browser = Browser::new().unwrap();
    let page = company.sign_in(&mut browser, &ada.person).await;
    assert_eq!(page.status, 403, "{}: {}", page.url, page.body);
    let login = company.last_login(&server).await;
    assert!(login.to_string().contains("RS256"), "{login}");
}

async fn a_stricter_level_ends_what_came_before(server: TestServer) {
    let company = ready(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::of(&server, &company);
    for (level, goes_on) in [
        (json!("sl1"), false),
        (json!("sl1"), true),
        (json!("sl2"), false),
        (json!("sl1"), true),
        (Value::Null, true),
    ] {
        let mut browser = Browser::new().unwrap();
        let code = app.sign_in(&company, &mut browser, &ada.person, &[]).await;
        let tokens = Tokens::of(&app.exchange(&code).await);
        keep_to(&server, &company.organization_id, level.clone()).await;
        let wanted = if goes_on { 200 } else { 400 };
        let refreshed = app.refresh(&tokens.refresh).await;
        assert_eq!(refreshed.status, wanted, "{level}: {}", refreshed.body);
    }
    server.settled().await;
}

async fn an_app_that_wants_rs256_gets_no_answer(server: TestServer) {
    let company = ready(&server).await;
    keep_to(&server, &company.organization_id, json!("sl1")).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let weak = json!({ "id_token_signed_response_alg": "RS256" });
    let app = Relying::register(&server, weak).await;
    let mut browser = Browser::new().unwrap();
    company.signed_in(&mut browser, &ada).await;
    let refused = answer(&app.ask(&mut browser, &[]).await);
    assert_eq!(refused["error"], "unauthorized_client", "{refused:?}");
    assert!(!refused.contains_key("code"));
    Relying::of(&server, &company).code(&mut browser, &[]).await;
}

async fn the_second_level_reaches_the_wanted_class_or_refuses(server: TestServer) {
    let company = ready(&server).await;
    keep_to(&server, &company.organization_id, json!("sl1")).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::of(&server, &company);
    let mut browser = Browser::new().unwrap();
    let phr = [("acr_values", "phr")];
    app.sign_in(&company, &mut browser, &ada.person, &phr).await;
    keep_to(&server, &company.organization_id, json!("sl2")).await;
    let mut asked = phr.to_vec();
    asked.push(("organization", &company.organization_id));
    let page = app.ask(&mut browser, &asked).await;
    browser.stop_before(&app.redirect_uri.parse().unwrap());
    let there = company.at_provider(&mut browser, page, &ada.person).await;
    browser.stop_nowhere();
    let refused = answer(&there);
    assert_eq!(
        refused["error"], "unmet_authentication_requirements",
        "{refused:?}"
    );
}

async fn passwords_and_plain_assertions_do_not_do(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    keep_to(&server, &company.organization_id, json!("sl1")).await;
    let page = company
        .sign_in(&mut Browser::new().unwrap(), &ada.person)
        .await;
    is_refused(&server, &company, &page, "ipsie_encryption").await;

    let policy = json!({ "password_login": true });
    let club = json!({ "name": "Club", "domains": ["club.test"], "policy": policy });
    let club = server.admin.post("/organizations", club).await;
    let organization_id = club["id"].as_str().unwrap();
    let app = Relying::of(&server, &company);
    let asked = [
        ("organization", organization_id),
        ("login_hint", "bob@club.test"),
    ];
    let password = "correct horse battery staple";
    let bob = json!({ "user_name": "bob@club.test", "password": password });
    let place = format!("/organizations/{organization_id}/users");
    server.admin.post(&place, bob).await;
    let mut browser = Browser::new().unwrap();
    let page = app.ask(&mut browser, &asked).await;
    keep_to(&server, organization_id, json!("sl1")).await;
    let fields = [("password", password)];
    let late = browser.submit(&page, &fields).await.unwrap();
    assert_eq!(late.status, 403, "{}", late.body);
    assert!(late.body.contains("ipsie_password"), "{}", late.body);
    let page = app.ask(&mut Browser::new().unwrap(), &asked).await;
    assert_eq!(page.status, 403, "{}", page.body);
    assert!(page.body.contains("ipsie_password"), "{}", page.body);
}

async fn the_report_follows_what_is_set_up(server: TestServer) {
    let company = ready(&server).await;
    let place = format!("/organizations/{}/ipsie", company.organization_id);
    let verdicts = async || {
        let report = server.admin.get(&place).await;
        let findings = report["data"].as_array().unwrap().clone();
        assert!(findings.len() > 25, "{report}");
        for finding in &findings {
            assert!(finding["why"].as_str().unwrap().len() > 10, "{finding}");
        }
        move |toward: &str, beginning: &str| {
            let begins = |finding: &&Value| {
                let requirement = finding["requirement"].as_str().unwrap();
                finding["toward"] == toward && requirement.starts_with(beginning)
            };
            let found = findings.iter().find(begins);
            found.unwrap_or_else(|| panic!("{beginning}"))["verdict"].clone()
        }
    };
    let before = verdicts().await;
    for (toward, requirement, verdict) in [
        ("apps", "sign-ins have several factors", "not_met"),
        ("apps", "wanted classes", "not_met"),
        ("apps", "PKCE by S256", "met"),
        ("apps", "TLS", "not_met"),
        ("apps", "access tokens are bound", "not_met"),
        ("providers", "ID tokens are signed", "not_met"),
        (
            "providers",
            "assertions that come through",
            "not_applicable",
        ),
        ("providers", "people sign in at", "met"),
    ] {
        assert_eq!(before(toward, requirement), verdict, "{requirement}");
    }
    keep_to(&server, &company.organization_id, json!("sl2")).await;
    Relying::register(&server, json!({ "id_token_signed_response_alg": "RS256" })).await;
    let after = verdicts().await;
    for (toward, requirement, verdict) in [
        ("apps", "sign-ins have several factors", "met"),
        ("apps", "wanted classes", "met"),
        ("apps", "ID tokens are signed", "not_met"),
        ("providers", "ID tokens are signed", "met"),
    ] {
        assert_eq!(after(toward, requirement), verdict, "{requirement}");
    }
    let wrong = json!({ "policy": { "ipsie": "sl9" } });
    let place = format!("/organizations/{}", company.organization_id);
    let refused = server
        .admin
        .call(reqwest::Method::PATCH, &place, Some(&wrong))
        .await;
    assert_eq!(refused.status, 422, "{}", refused.body);
}
