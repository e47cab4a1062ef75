//! Several people in one browser: who answers an application.

use serde_json::json;
use vestibule_simulate::{Browser, Page};
use vestibule_support::{
    on_every_server,
    server::{Company, Employee, TestServer},
};

use crate::relying::{Relying, Tokens, answer};

on_every_server!(
    of_several_people_one_is_chosen,
    an_application_may_ask_for_the_choice,
    a_hint_chooses_or_asks,
    whoever_was_deactivated_meanwhile_is_not_chosen,
    the_choice_belongs_to_its_browser,
);

/// Two companies, an employee of each, both signed in in one browser.
struct Two {
    acme: Company,
    ada: Employee,
    globex: Company,
    hank: Employee,
    app: Relying,
    browser: Browser,
}

impl Two {
    async fn signed_in(server: &TestServer) -> Self {
        let acme = Company::set_up(server).await;
        let globex = Company::with_domain(server, "globex.test").await;
        let ada = acme.hire("Ada", "Lovelace").await;
        let hank = globex.hire("Hank", "Scorpio").await;
        let app = Relying::of(server, &acme);
        let mut browser = Browser::new().unwrap();
        app.sign_in(&acme, &mut browser, &ada.person, &[]).await;
        app.sign_in(&globex, &mut browser, &hank.person, &[]).await;
        Self {
            acme,
            ada,
            globex,
            hank,
            app,
            browser,
        }
    }

    /// Presses a button of the chooser.
    async fn choose(&mut self, page: &Page, account: &str) -> Page {
        let door = self.app.redirect_uri.parse().unwrap();
        self.browser.stop_before(&door);
        let fields = [("account", account)];
        let page = self.browser.submit(page, &fields).await.unwrap();
        self.browser.stop_nowhere();
        page
    }

    async fn subject(&self, page: &Page) -> String {
        let code = answer(page)
            .remove("code")
            .unwrap_or_else(|| panic!("{}", page.body));
        let claims = Tokens::of(&self.app.exchange(&code).await).claims();
        claims["sub"].as_str().unwrap().to_owned()
    }
}

/// The id of somebody's live sign-in.
async fn sign_in_of(server: &TestServer, employee: &Employee) -> String {
    let path = format!("/users/{}/sessions", employee.user_id);
    server.admin.get(&path).await["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn of_several_people_one_is_chosen(server: TestServer) {
    let mut two = Two::signed_in(&server).await;
    for employee in [two.ada.clone(), two.hank.clone()] {
        let page = two.app.ask(&mut two.browser, &[]).await;
        assert!(page.body.contains("Choose an account"), "{}", page.body);
        for (person, organization) in [(&two.ada, "acme.test"), (&two.hank, "globex.test")] {
            assert!(page.body.contains(&person.person.email), "{}", page.body);
            assert!(page.body.contains(organization));
        }
        let id = sign_in_of(&server, &employee).await;
        let there = two.choose(&page, &id).await;
        assert_eq!(two.subject(&there).await, employee.user_id);
        // The form is used up.
        let again = two.choose(&page, &id).await;
        assert_eq!(again.status, 400, "{}", again.body);
    }
    let page = two.app.ask(&mut two.browser, &[]).await;
    let elsewhere = two.choose(&page, "").await;
    assert!(elsewhere.body.contains("Work e-mail"), "{}", elsewhere.body);
    let email = two.globex.hire("Grace", "Hopper").await.person;
    let at_provider = two
        .browser
        .submit(&elsewhere, &[("email", &email.email)])
        .await
        .unwrap();
    assert_eq!(
        at_provider
            .url
            .query_pairs()
            .find(|pair| pair.0 == "prompt")
            .map(|pair| pair.1.into_owned()),
        Some("select_account".to_owned()),
        "the provider asks as well: {}",
        at_provider.url
    );
}

async fn an_application_may_ask_for_the_choice(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::of(&server, &company);
    let mut browser = Browser::new().unwrap();
    let asked = [("prompt", "select_account")];
    let page = app.ask(&mut browser, &asked).await;
    assert!(
        page.body.contains("Work e-mail"),
        "nobody is signed in: {}",
        page.body
    );
    app.sign_in(&company, &mut browser, &ada.person, &[]).await;
    let page = app.ask(&mut browser, &asked).await;
    assert!(page.body.contains("Choose an account"), "{}", page.body);
    assert!(page.body.contains(&ada.person.email));
    let again = [("prompt", "select_account login")];
    let page = app.ask(&mut browser, &again).await;
    assert!(page.body.contains("Work e-mail"), "{}", page.body);
}

async fn a_hint_chooses_or_asks(server: TestServer) {
    let mut two = Two::signed_in(&server).await;
    let app = two.app.clone();
    for employee in [two.ada.clone(), two.hank.clone()] {
        for hint in [
            employee.person.email.clone(),
            employee.person.email.to_uppercase(),
            employee.person.user_name.clone(),
        ] {
            let silent = [("login_hint", hint.as_str()), ("prompt", "none")];
            let code = app.code(&mut two.browser, &silent).await;
            let claims = Tokens::of(&app.exchange(&code).await).claims();
            assert_eq!(claims["sub"], json!(employee.user_id), "{hint}");
        }
    }
    // One sign-in, and the application expects somebody else: nobody becomes the wrong person unasked.
    let mut browser = Browser::new().unwrap();
    app.sign_in(&two.acme, &mut browser, &two.ada.person, &[])
        .await;
    let grace = two.acme.hire("Grace", "Hopper").await.person.email;
    let expected = [("login_hint", grace.as_str())];
    let page = app.ask(&mut browser, &expected).await;
    assert!(page.body.contains("Choose an account"), "{}", page.body);
    two.browser = browser;
    let elsewhere = two.choose(&page, "").await;
    assert_eq!(
        elsewhere.url.host_str(),
        Some("idp.localhost"),
        "{}",
        elsewhere.body
    );
    let silent = [("login_hint", grace.as_str()), ("prompt", "none")];
    let refused = answer(&app.ask(&mut two.browser, &silent).await);
    assert_eq!(refused["error"], "account_selection_required");
    // What is no address may mean anything.
    let code = app.code(&mut two.browser, &[("login_hint", "4711")]).await;
    let claims = Tokens::of(&app.exchange(&code).await).claims();
    assert_eq!(claims["sub"], json!(two.ada.user_id));
}

async fn whoever_was_deactivated_meanwhile_is_not_chosen(server: TestServer) {
    let mut two = Two::signed_in(&server).await;
    let page = two
        .app
        .ask(&mut two.browser, &[("prompt", "select_account")])
        .await;
    let id = sign_in_of(&server, &two.ada).await;
    let gone = two.acme.scim.deactivate(&two.ada.user_id).await.unwrap();
    gone.success().unwrap();
    let left = two.choose(&page, &id).await;
    assert!(left.body.contains("Choose an account"), "{}", left.body);
    assert!(
        !left.body.contains(&two.ada.person.email) && left.body.contains(&two.hank.person.email)
    );
}

async fn the_choice_belongs_to_its_browser(server: TestServer) {
    let mut two = Two::signed_in(&server).await;
    let page = two.app.ask(&mut two.browser, &[]).await;
    let asked = page.forms();
    let id = sign_in_of(&server, &two.ada).await;
    let handle = asked[0].value("handle").unwrap();
    let mut stranger = Browser::new().unwrap();
    let own = two.app.ask(&mut stranger, &[]).await;
    let forms = own.forms();
    let csrf = forms[0].value("csrf").unwrap();
    for csrf in [csrf, "x"] {
        let fields = [("csrf", csrf), ("handle", handle), ("account", &id)];
        let url = server.url("/login/account");
        let refused = stranger.post_from(Some(&own), &url, &fields).await.unwrap();
        assert_eq!(refused.status, 400, "{}", refused.body);
    }
    // Nothing was used up.
    let there = two.choose(&page, &id).await;
    assert_eq!(two.subject(&there).await, two.ada.user_id);
}
