//! What people let somebody else's application learn.

use reqwest::Method;
use serde_json::json;
use vestibule_simulate::{Browser, Page};
use vestibule_support::{
    on_every_server,
    server::{Company, Employee, TestServer},
};

use crate::relying::{Relying, Tokens, answer};

on_every_server!(
    a_third_party_asks_once,
    no_means_no,
    more_than_was_allowed_is_asked_for,
    our_own_application_never_asks,
    whoever_is_deactivated_at_the_question_allows_nothing,
    a_consent_that_is_taken_back_ends_what_it_gave,
);

const NARROW: &[(&str, &str)] = &[("scope", "openid email")];

async fn third_party(server: &TestServer) -> (Company, Employee, Relying, Browser) {
    let company = Company::set_up(server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::register(server, json!({ "third_party": true })).await;
    (company, ada, app, Browser::new().unwrap())
}

/// Signs somebody in on the way to the application, as far as the question.
async fn asked(
    app: &Relying,
    company: &Company,
    browser: &mut Browser,
    ada: &Employee,
    changes: &[(&str, &str)],
) -> Page {
    let mut changes = changes.to_vec();
    changes.push(("organization", &company.organization_id));
    let page = app.ask(browser, &changes).await;
    let page = company.at_provider(browser, page, &ada.person).await;
    assert!(page.body.contains("It asks to know"), "{}", page.body);
    page
}

async fn say(app: &Relying, browser: &mut Browser, page: &Page, decision: &str) -> Page {
    browser.stop_before(&app.redirect_uri.parse().unwrap());
    let page = browser
        .submit(page, &[("decision", decision)])
        .await
        .unwrap();
    browser.stop_nowhere();
    page
}

fn code_of(page: &Page) -> String {
    let code = answer(page).remove("code");
    code.unwrap_or_else(|| panic!("{}: {}", page.url, page.body))
}

async fn a_third_party_asks_once(server: TestServer) {
    let (company, ada, app, mut browser) = third_party(&server).await;
    let page = asked(&app, &company, &mut browser, &ada, NARROW).await;
    for told in [
        "Relying",
        "app.localhost",
        "Your e-mail address",
        &ada.person.user_name,
    ] {
        assert!(page.body.contains(told), "{told}: {}", page.body);
    }
    assert!(!page.body.contains("Your roles"));
    let silent = [("scope", "openid"), ("prompt", "none")];
    let early = answer(&app.ask(&mut browser, &silent).await);
    assert_eq!(early["error"], "consent_required");

    let there = say(&app, &mut browser, &page, "allow").await;
    let claims = Tokens::of(&app.exchange(&code_of(&there)).await).claims();
    assert_eq!(claims["sub"], json!(ada.user_id));
    app.code(&mut browser, NARROW).await;
    app.code(&mut browser, &silent).await;
    // The question is used up.
    let again = say(&app, &mut browser, &page, "allow").await;
    assert_eq!(again.status, 400, "{}", again.body);
    let wanted = [("scope", "openid"), ("prompt", "consent")];
    let page = app.ask(&mut browser, &wanted).await;
    assert!(page.body.contains("It asks to know"), "{}", page.body);
}

async fn no_means_no(server: TestServer) {
    let (company, ada, app, mut browser) = third_party(&server).await;
    let page = asked(&app, &company, &mut browser, &ada, NARROW).await;
    let there = say(&app, &mut browser, &page, "deny").await;
    let refused = answer(&there);
    assert_eq!(refused["error"], "access_denied");
    assert!(!refused.contains_key("code"));
    let silent = [("scope", "openid"), ("prompt", "none")];
    let later = answer(&app.ask(&mut browser, &silent).await);
    assert_eq!(later["error"], "consent_required");
    // Another browser has no say.
    let page = app.ask(&mut browser, NARROW).await;
    let mut stranger = Browser::new().unwrap();
    let own = Relying::of(&server, &company).ask(&mut stranger, &[]).await;
    let forms = own.forms();
    let csrf = forms[0].value("csrf").unwrap();
    let asked = page.forms();
    let handle = asked[0].value("handle").unwrap();
    let fields = [("csrf", csrf), ("handle", handle), ("decision", "allow")];
    let url = server.url("/login/consent");
    let foreign = stranger.post_from(Some(&own), &url, &fields).await.unwrap();
    assert_eq!(foreign.status, 400, "{}", foreign.body);
}

async fn more_than_was_allowed_is_asked_for(server: TestServer) {
    let (company, ada, app, mut browser) = third_party(&server).await;
    let page = asked(&app, &company, &mut browser, &ada, NARROW).await;
    say(&app, &mut browser, &page, "allow").await;
    let more = [("scope", "openid groups")];
    let page = app.ask(&mut browser, &more).await;
    assert!(
        page.body.contains("The groups that you are a member of"),
        "{}",
        page.body
    );
    say(&app, &mut browser, &page, "allow").await;
    // What was allowed before still is.
    app.code(&mut browser, &[("scope", "openid email groups")])
        .await;
    let place = format!("/applications/{}", app.client_id);
    let claims = json!({ "claims": { "job_title": "title" } });
    server.admin.patch(&place, claims).await;
    let page = app.ask(&mut browser, NARROW).await;
    assert!(page.body.contains("job_title"), "{}", page.body);
    let there = say(&app, &mut browser, &page, "allow").await;
    code_of(&there);
    app.code(&mut browser, NARROW).await;
}

async fn our_own_application_never_asks(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::of(&server, &company);
    let mut browser = Browser::new().unwrap();
    app.sign_in(
        &company,
        &mut browser,
        &ada.person,
        &[("prompt", "consent")],
    )
    .await;
    app.code(&mut browser, &[("prompt", "consent")]).await;
}

async fn whoever_is_deactivated_at_the_question_allows_nothing(server: TestServer) {
    let (company, ada, app, mut browser) = third_party(&server).await;
    let page = asked(&app, &company, &mut browser, &ada, NARROW).await;
    let gone = company.scim.deactivate(&ada.user_id).await.unwrap();
    gone.success().unwrap();
    let refused = say(&app, &mut browser, &page, "allow").await;
    assert_eq!(refused.status, 400, "{}: {}", refused.url, refused.body);
    assert!(!refused.url.as_str().contains("code="));
    let consents = format!("/users/{}/consents", ada.user_id);
    assert_eq!(server.admin.get(&consents).await["data"], json!([]));
}

async fn a_consent_that_is_taken_back_ends_what_it_gave(server: TestServer) {
    let (company, ada, app, mut browser) = third_party(&server).await;
    let page = asked(&app, &company, &mut browser, &ada, &[]).await;
    let there = say(&app, &mut browser, &page, "allow").await;
    let tokens = Tokens::of(&app.exchange(&code_of(&there)).await);
    let ours = Relying::of(&server, &company);
    let kept = Tokens::of(&ours.exchange(&ours.code(&mut browser, &[]).await).await);
    let on_its_way = app.code(&mut browser, &[]).await;

    let consents = format!("/users/{}/consents", ada.user_id);
    let given = server.admin.get(&consents).await;
    assert_eq!(given["data"][0]["application_id"], json!(app.client_id));
    assert_eq!(
        given["data"][0]["scope"],
        json!("openid profile email groups offline_access")
    );
    let place = format!("{consents}/{}", app.client_id);
    server.admin.delete(&place).await;
    let twice = server.admin.call(Method::DELETE, &place, None).await;
    assert_eq!(twice.status, 404);

    assert_eq!(app.userinfo(&tokens.access).await.status, 401);
    assert_eq!(app.refresh(&tokens.refresh).await.status, 400);
    assert_eq!(app.exchange(&on_its_way).await.status, 400);
    assert_eq!(
        ours.userinfo(&kept.access).await.status,
        200,
        "the others go on"
    );
    let page = app.ask(&mut browser, &[]).await;
    assert!(page.body.contains("It asks to know"), "{}", page.body);
    server.settled().await;
}
