//! What apps see of us as their OpenID Provider: the way to a code.

use serde_json::{Value, json};
use vestibule_simulate::{Browser, Page};
use vestibule_support::{
    on_every_server,
    server::{Company, Reply, TestServer, http_client},
};

use crate::relying::{Relying, STATE, Tokens, answer, challenge};

on_every_server!(
    discovery_names_everything_below_the_issuer,
    a_request_without_a_good_challenge_goes_back_with_an_error,
    a_wrong_verifier_burns_the_code,
    a_foreign_return_address_gets_nothing,
    a_silent_request_never_shows_a_page,
    a_request_for_a_login_asks_again,
    an_old_sign_in_is_not_enough_where_max_age_says_so,
    two_organizations_in_one_browser_never_mix,
    a_name_at_the_login_page_leads_to_the_organization,
    logout_with_a_hint_ends_the_sign_in_and_returns,
    logout_without_a_hint_asks_first,
);

async fn get(server: &TestServer, path: &str) -> Reply {
    Reply::read(http_client().get(server.url(path)).send().await.unwrap()).await
}

pub(crate) async fn discovery_names_everything_below_the_issuer(server: TestServer) {
    let issuer = server.issuer().to_owned();
    let path = server.url("").path().trim_end_matches('/').to_owned();
    let origin = issuer.strip_suffix(&path).unwrap();
    let openid = format!("{issuer}/.well-known/openid-configuration");
    let oauth = format!("{origin}/.well-known/oauth-authorization-server{path}");
    let openid = Reply::read(http_client().get(openid).send().await.unwrap()).await;
    let oauth = Reply::read(http_client().get(oauth).send().await.unwrap()).await;
    assert_eq!((openid.status, oauth.status), (200, 200));
    assert_eq!(openid.body, oauth.body);
    assert_eq!(openid.text("issuer"), issuer);
    for endpoint in [
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
        "end_session_endpoint",
    ] {
        assert!(
            openid
                .text(endpoint)
                .starts_with(&format!("{issuer}/oauth/")),
            "{endpoint}"
        );
    }
    for (member, wanted) in [
        ("response_types_supported", json!(["code"])),
        ("code_challenge_methods_supported", json!(["S256"])),
        (
            "authorization_response_iss_parameter_supported",
            json!(true),
        ),
        ("backchannel_logout_supported", json!(true)),
        ("backchannel_logout_session_supported", json!(true)),
        ("request_uri_parameter_supported", json!(false)),
    ] {
        assert_eq!(openid.body[member], wanted, "{member}");
    }
    let keys = Reply::read(
        http_client()
            .get(openid.text("jwks_uri"))
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(keys.header("access-control-allow-origin"), "*");
    let keys = keys.body["keys"].as_array().unwrap().clone();
    assert!(!keys.is_empty());
    for key in keys {
        assert!(
            key["kid"].is_string() && key["d"].is_null() && key["p"].is_null(),
            "{key}"
        );
    }
}

async fn a_request_without_a_good_challenge_goes_back_with_an_error(server: TestServer) {
    let app = Relying::register(&server, json!({})).await;
    let plain = challenge("x");
    for changes in [
        &[("code_challenge", ""), ("code_challenge_method", "")][..],
        &[("code_challenge_method", "plain")],
        &[
            ("code_challenge_method", ""),
            ("code_challenge", plain.as_str()),
        ],
        &[("code_challenge", "short")],
        &[("response_type", "token")],
        &[("response_type", "code id_token")],
        &[("scope", "profile")],
        &[("request", "eyJhbGciOiJub25lIn0.e30.")],
        &[("prompt", "none login")],
        &[("organization", "org_00000000000000000000000000")],
        &[("connection", "nonsense")],
    ] {
        let got = answer(&app.ask(&mut Browser::new().unwrap(), changes).await);
        assert!(
            got.contains_key("error") && !got.contains_key("code"),
            "{changes:?}: {got:?}"
        );
        assert_eq!(
            got.get("state").map(String::as_str),
            Some(STATE),
            "{changes:?}"
        );
        assert_eq!(
            got.get("iss").map(String::as_str),
            Some(server.issuer()),
            "{changes:?}"
        );
    }
}

async fn a_wrong_verifier_burns_the_code(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::of(&server, &company);
    let mut browser = Browser::new().unwrap();
    let code = app.sign_in(&company, &mut browser, &ada.person, &[]).await;
    let with = |verifier: &'static str, redirect_uri: String, code: String| {
        let app = app.clone();
        async move {
            app.token(&[
                ("grant_type", "authorization_code"),
                ("code", &code),
                ("redirect_uri", &redirect_uri),
                ("code_verifier", verifier),
            ])
            .await
        }
    };
    let wrong = "another-verifier-of-at-least-43-characters-0123";
    let reply = with(wrong, app.redirect_uri.clone(), code.clone()).await;
    assert_eq!((reply.status, reply.text("error")), (400, "invalid_grant"));
    assert_eq!(app.exchange(&code).await.status, 400, "the code is used up");
    let code = app.code(&mut browser, &[]).await;
    let reply = with(
        crate::relying::VERIFIER,
        "http://app.localhost:1/other".to_owned(),
        code.clone(),
    )
    .await;
    assert_eq!((reply.status, reply.text("error")), (400, "invalid_grant"));
    assert_eq!(app.exchange(&code).await.status, 400, "the code is used up");
    let code = app.code(&mut browser, &[]).await;
    let without = app
        .token(&[
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", &app.redirect_uri),
        ])
        .await;
    assert_eq!(without.status, 400, "{}", without.body);
}

async fn a_foreign_return_address_gets_nothing(server: TestServer) {
    let app = Relying::register(&server, json!({})).await;
    for changes in [
        [("redirect_uri", "https://evil.example/callback")],
        [("redirect_uri", "http://app.localhost:1/callback/")],
        [("redirect_uri", "http://app.localhost:1/callback?x=1")],
        [("redirect_uri", "")],
        [("client_id", "app_00000000000000000000000000")],
        [("client_id", "")],
    ] {
        let page = Browser::new()
            .unwrap()
            .get_once(&app.authorize_url(&changes))
            .await
            .unwrap();
        assert_eq!((page.status, page.location()), (400, None), "{changes:?}");
        assert!(
            page.body.contains("wrong request"),
            "{changes:?}: {}",
            page.body
        );
        assert_eq!(page.header("x-frame-options"), Some("DENY"));
    }
}

async fn a_silent_request_never_shows_a_page(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::of(&server, &company);
    let mut browser = Browser::new().unwrap();
    let silent = [("prompt", "none")];
    assert_eq!(
        error(&app.ask(&mut browser, &silent).await),
        "login_required"
    );
    company.signed_in(&mut browser, &ada).await;
    assert!(answer(&app.ask(&mut browser, &silent).await).contains_key("code"));
    // A hint of somebody else: the person at the browser is not the one whom the app means.
    let bob = company.hire("Bob", "Kahn").await;
    let code = app
        .sign_in(&company, &mut Browser::new().unwrap(), &bob.person, &[])
        .await;
    let hint = Tokens::of(&app.exchange(&code).await).id;
    assert_eq!(
        error(
            &app.ask(
                &mut browser,
                &[("prompt", "none"), ("id_token_hint", &hint)]
            )
            .await
        ),
        "login_required"
    );
}

async fn a_request_for_a_login_asks_again(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::of(&server, &company);
    let mut browser = Browser::new().unwrap();
    company.signed_in(&mut browser, &ada).await;
    for asked in [("prompt", "login"), ("max_age", "0")] {
        let page = app
            .ask(
                &mut browser,
                &[asked, ("organization", &company.organization_id)],
            )
            .await;
        assert_eq!(
            page.url.host_str(),
            Some("idp.localhost"),
            "{asked:?}: {}",
            page.body
        );
        assert!(
            page.forms().iter().any(|form| form.has("password")),
            "{asked:?}"
        );
    }
    let code = app
        .sign_in(&company, &mut browser, &ada.person, &[("prompt", "login")])
        .await;
    assert_eq!(
        Tokens::of(&app.exchange(&code).await).claims()["sub"],
        json!(ada.user_id)
    );
}

async fn an_old_sign_in_is_not_enough_where_max_age_says_so(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::of(&server, &company);
    let mut browser = Browser::new().unwrap();
    company.signed_in(&mut browser, &ada).await;
    let silent = |seconds| [("prompt", "none"), ("max_age", seconds)];
    assert!(answer(&app.ask(&mut browser, &silent("60")).await).contains_key("code"));
    server.pass(std::time::Duration::from_secs(120));
    assert_eq!(
        error(&app.ask(&mut browser, &silent("60")).await),
        "login_required"
    );
    let code = answer(&app.ask(&mut browser, &silent("600")).await)
        .remove("code")
        .unwrap();
    let claims = Tokens::of(&app.exchange(&code).await).claims();
    let age = claims["iat"].as_i64().unwrap() - claims["auth_time"].as_i64().unwrap();
    assert!((119..180).contains(&age), "{age}");
}

async fn two_organizations_in_one_browser_never_mix(server: TestServer) {
    let acme = Company::set_up(&server).await;
    let globex = Company::with_domain(&server, "globex.test").await;
    let ada = acme.hire("Ada", "Lovelace").await;
    let hank = globex.hire("Hank", "Scorpio").await;
    let app = Relying::of(&server, &acme);
    let mut browser = Browser::new().unwrap();
    let silently = |company: &Company| {
        [
            ("prompt", "none".to_owned()),
            ("organization", company.organization_id.clone()),
        ]
    };

    app.sign_in(&acme, &mut browser, &ada.person, &[]).await;
    let foreign = silently(&globex).map(|(name, value)| (name, value));
    let foreign = foreign
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    assert_eq!(
        error(&app.ask(&mut browser, &foreign).await),
        "login_required",
        "acme's sign-in is none at globex"
    );
    app.sign_in(&globex, &mut browser, &hank.person, &[]).await;
    for (company, employee) in [(&acme, &ada), (&globex, &hank)] {
        let asked = silently(company);
        let asked = asked
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        let code = app.code(&mut browser, &asked).await;
        let claims = Tokens::of(&app.exchange(&code).await).claims();
        assert_eq!(claims["sub"], json!(employee.user_id));
        assert_eq!(claims["org_id"], json!(company.organization_id));
        let code = app
            .code(
                &mut browser,
                &[("prompt", "none"), ("connection", &company.connection_id)],
            )
            .await;
        assert_eq!(
            Tokens::of(&app.exchange(&code).await).claims()["sub"],
            json!(employee.user_id)
        );
    }
    assert_eq!(
        error(&app.ask(&mut browser, &[("prompt", "none")]).await),
        "account_selection_required"
    );
    let mixed = [
        ("organization", acme.organization_id.as_str()),
        ("connection", globex.connection_id.as_str()),
    ];
    assert_eq!(
        error(&app.ask(&mut browser, &mixed).await),
        "invalid_request"
    );
    // Firing at the one says nothing about the other.
    acme.scim
        .deactivate(&ada.user_id)
        .await
        .unwrap()
        .success()
        .unwrap();
    let code = app.code(&mut browser, &[("prompt", "none")]).await;
    assert_eq!(
        Tokens::of(&app.exchange(&code).await).claims()["sub"],
        json!(hank.user_id)
    );
}

async fn a_name_at_the_login_page_leads_to_the_organization(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::of(&server, &company);
    let mut browser = Browser::new().unwrap();
    let page = app.ask(&mut browser, &[]).await;
    assert!(page.body.contains("Work e-mail"), "{}", page.body);
    let again = browser
        .submit(&page, &[("email", "somebody@nowhere.test")])
        .await
        .unwrap();
    assert!(
        again.status == 422
            && again
                .body
                .contains("No organization signs in with that address"),
        "{}",
        again.body
    );
    let at_provider = browser
        .submit(&again, &[("email", &ada.person.email)])
        .await
        .unwrap();
    assert_eq!(at_provider.url.host_str(), Some("idp.localhost"));
    // A form whose token is another page's leads nowhere.
    let stolen = browser
        .post_from(
            Some(&page),
            &server.url("/login"),
            &[("csrf", "x"), ("handle", "y"), ("email", "z")],
        )
        .await
        .unwrap();
    assert_eq!(stolen.status, 400);
    // The hint of an application and a domain's hint spare the question.
    for hint in [
        ("login_hint", ada.person.email.as_str()),
        ("domain_hint", "acme.test"),
    ] {
        let page = app.ask(&mut Browser::new().unwrap(), &[hint]).await;
        assert_eq!(
            page.url.host_str(),
            Some("idp.localhost"),
            "{hint:?}: {}",
            page.body
        );
    }
}

async fn logout_with_a_hint_ends_the_sign_in_and_returns(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::of(&server, &company);
    let mut browser = Browser::new().unwrap();
    let code = app
        .sign_in(&company, &mut browser, &ada.person, &[("scope", "openid")])
        .await;
    let tokens = Tokens::of(&app.exchange(&code).await);
    let lasting = Tokens::of(&app.exchange(&app.code(&mut browser, &[]).await).await);
    let home = company.app.urls().post_logout_redirect_uri.clone();
    let logout = |to: &str| {
        let mut url = server.url("/oauth/logout");
        url.query_pairs_mut().extend_pairs([
            ("id_token_hint", tokens.id.as_str()),
            ("post_logout_redirect_uri", to),
            ("state", "s"),
        ]);
        url
    };
    let foreign = browser
        .get_once(&logout("https://evil.example/"))
        .await
        .unwrap();
    assert_eq!((foreign.status, foreign.location()), (400, None));
    assert!(
        answer(&app.ask(&mut browser, &[("prompt", "none")]).await).contains_key("code"),
        "still signed in"
    );
    let done = browser.get_once(&logout(&home)).await.unwrap();
    assert_eq!(
        done.location().map(String::from),
        Some(format!("{home}?state=s"))
    );
    assert_eq!(
        error(&app.ask(&mut browser, &[("prompt", "none")]).await),
        "login_required"
    );
    assert_eq!(app.userinfo(&tokens.access).await.status, 401);
    assert_eq!(
        app.refresh(&tokens.refresh).await.text("error"),
        "invalid_grant"
    );
    // What was granted for offline use outlives a logout; see DESIGN: never an epoch.
    assert_eq!(app.userinfo(&lasting.access).await.status, 200);
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

async fn logout_without_a_hint_asks_first(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::of(&server, &company);
    let mut browser = Browser::new().unwrap();
    company.signed_in(&mut browser, &ada).await;
    let asked = browser.get(&server.url("/oauth/logout")).await.unwrap();
    assert!(
        asked.body.contains("Sign out?") && asked.body.contains(&ada.person.user_name),
        "{}",
        asked.body
    );
    assert!(
        answer(&app.ask(&mut browser, &[("prompt", "none")]).await).contains_key("code"),
        "nothing ended yet"
    );
    let forged = browser
        .post_from(
            None,
            &server.url("/oauth/logout/confirm"),
            &[("csrf", "guessed")],
        )
        .await
        .unwrap();
    assert!(forged.body.contains("Sign out?"));
    assert!(
        answer(&app.ask(&mut browser, &[("prompt", "none")]).await).contains_key("code"),
        "a forged form ends nothing"
    );
    let asked = browser.get(&server.url("/oauth/logout")).await.unwrap();
    let done = browser.submit(&asked, &[]).await.unwrap();
    assert_eq!(done.status, 200, "{}", done.body);
    assert_eq!(
        error(&app.ask(&mut browser, &[("prompt", "none")]).await),
        "login_required"
    );
    assert_eq!(
        get(&server, "/oauth/logout").await.status,
        200,
        "a stranger is signed out already"
    );
}

/// The error with which a browser was sent back.
pub(crate) fn error(page: &Page) -> String {
    let answer = answer(page);
    let error = answer.get("error");
    error
        .unwrap_or_else(|| panic!("no error in {answer:?}: {} {}", page.url, page.body))
        .clone()
}

/// Whether a JSON array holds a text.
pub(crate) fn holds(array: &Value, text: &str) -> bool {
    array
        .as_array()
        .is_some_and(|values| values.iter().any(|value| value == text))
}
