//! Single logout: the provider ends our sign-ins, and is told of those that end here.

use url::Url;
use vestibule_simulate::Browser;
use vestibule_support::{
    on_every_server,
    server::{Company, Site, TestServer, eventually, press_on},
};

use crate::relying::{Relying, Tokens, answer};

on_every_server!(
    a_logout_at_the_provider_ends_the_sign_in_and_the_applications,
    a_logout_request_counts_once_and_only_signed,
    a_logout_at_the_application_reaches_the_provider_and_returns,
    a_logout_here_reaches_the_provider,
    an_unsigned_answer_to_a_logout_only_leads_on,
    a_bent_answer_to_a_logout_is_refused,
);

async fn a_logout_at_the_provider_ends_the_sign_in_and_the_applications(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let grace = company.hire("Grace", "Hopper").await;
    let mut browser = Browser::new().unwrap();
    let session = company.signed_in(&mut browser, &ada).await;
    company
        .signed_in(&mut Browser::new().unwrap(), &grace)
        .await;
    let logout = company.idp.url().join("logout").unwrap();
    let mut at_provider = logout.clone();
    at_provider.set_host(Some("idp.localhost")).unwrap();
    let page = browser.get(&at_provider).await.unwrap();
    let page = press_on(&mut browser, page).await;
    assert_eq!(page.status, 200, "{} {}", page.url, page.body);
    eventually("the app is told", || !company.notices(&session).is_empty()).await;
    assert!(company.live_session(&ada.user_id).is_none());
    assert!(
        company.live_session(&grace.user_id).is_some(),
        "only hers ended"
    );
    let app = Relying::of(&server, &company);
    let silent = app.ask(&mut browser, &[("prompt", "none")]).await;
    assert_eq!(
        answer(&silent).get("error").map(String::as_str),
        Some("login_required")
    );
    let ended = server.admin.get("/events?type=session.ended").await;
    assert!(ended.to_string().contains("upstream_logout"), "{ended}");
}

async fn a_logout_request_counts_once_and_only_signed(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    company.signed_in(&mut Browser::new().unwrap(), &ada).await;
    let client = company.saml_client(&Site::of(&server)).await;
    let user_name = &ada.person.user_name;
    let request = company
        .idp
        .saml_logout_requests(&client.entity_id, user_name)
        .unwrap()
        .remove(0);
    let signed = company
        .idp
        .saml_logout_url(&client.entity_id, &request)
        .unwrap();
    let unsigned = signed.split("&SigAlg").next().unwrap().parse().unwrap();
    let mut anybody = Browser::new().unwrap();
    let page = anybody.get(&unsigned).await.unwrap();
    assert_eq!(page.status, 403, "{}", page.body);
    assert!(company.live_session(&ada.user_id).is_some());
    let signed = signed.parse().unwrap();
    anybody.get_once(&signed).await.unwrap();
    eventually("the session ends", || {
        company.live_session(&ada.user_id).is_none()
    })
    .await;
    // Signed in again, the same request ends nothing.
    company.signed_in(&mut Browser::new().unwrap(), &ada).await;
    anybody.get_once(&signed).await.unwrap();
    server.settled().await;
    assert!(company.live_session(&ada.user_id).is_some());
}

async fn a_logout_at_the_application_reaches_the_provider_and_returns(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let mut browser = Browser::new().unwrap();
    company.signed_in(&mut browser, &ada).await;
    let app = Relying::of(&server, &company);
    let tokens = Tokens::of(
        &app.exchange(&app.code(&mut browser, &[("scope", "openid")]).await)
            .await,
    );
    let home = company.app.urls().post_logout_redirect_uri.clone();
    let mut url = server.url("/oauth/logout");
    url.query_pairs_mut().extend_pairs([
        ("id_token_hint", tokens.id.as_str()),
        ("post_logout_redirect_uri", &home),
    ]);
    let step = browser.get_once(&url).await.unwrap();
    let to = step.location().unwrap();
    assert!(to.as_str().contains("SAMLRequest="), "{to}");
    assert_eq!(
        app.userinfo(&tokens.access).await.status,
        401,
        "ours is over before the provider is asked"
    );
    let page = browser.get(&to).await.unwrap();
    let page = press_on(&mut browser, page).await;
    assert_eq!(
        page.url.as_str().trim_end_matches('/'),
        home.trim_end_matches('/'),
        "{}",
        page.body
    );
    // The provider's session is over too: a sign-in asks for the password.
    let page = browser
        .get(&app.authorize_url(&[("organization", &company.organization_id)]))
        .await
        .unwrap();
    assert!(
        page.forms()[0].has("password"),
        "{} {}",
        page.url,
        page.body
    );
}

async fn a_logout_here_reaches_the_provider(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let mut browser = Browser::new().unwrap();
    company.signed_in(&mut browser, &ada).await;
    let ask = browser.get(&server.url("/oauth/logout")).await.unwrap();
    let page = browser.submit(&ask, &[]).await.unwrap();
    let page = press_on(&mut browser, page).await;
    let done = format!("/logout/done?organization={}", company.organization_id);
    assert_eq!(page.url, server.url(&done), "{}", page.body);
    assert!(page.body.contains("signed out"), "{}", page.body);
    let title = format!("· {}</title>", company.domain);
    assert!(page.body.contains(&title), "{}", page.body);
    let client = company.saml_client(&Site::of(&server)).await;
    let left = company
        .idp
        .saml_logout_requests(&client.entity_id, &ada.person.user_name);
    assert!(left.unwrap().is_empty(), "the provider's session is over");
}

/// Signs somebody in and out again, up to the provider's answer: where the browser wants to go with it.
async fn answered_logout(server: &TestServer, company: &Company, browser: &mut Browser) -> Url {
    let ask = browser.get(&server.url("/oauth/logout")).await.unwrap();
    let slo = format!("/sso/saml/{}/slo", company.connection_id);
    browser.stop_before(&server.url(&slo));
    let page = browser.submit(&ask, &[]).await.unwrap();
    let page = press_on(browser, page).await;
    browser.stop_nowhere();
    let to = page
        .location()
        .unwrap_or_else(|| panic!("{} {}", page.url, page.body));
    assert!(to.as_str().contains("SAMLResponse="), "{to}");
    to
}

async fn an_unsigned_answer_to_a_logout_only_leads_on(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let grace = company.hire("Grace", "Hopper").await;
    company
        .signed_in(&mut Browser::new().unwrap(), &grace)
        .await;
    let mut browser = Browser::new().unwrap();
    company.signed_in(&mut browser, &ada).await;
    let signed = answered_logout(&server, &company, &mut browser).await;
    let unsigned: Url = signed
        .as_str()
        .split("&SigAlg")
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert_ne!(unsigned, signed);
    let page = browser.get(&unsigned).await.unwrap();
    let done = format!("/logout/done?organization={}", company.organization_id);
    assert_eq!(
        (page.status, &page.url),
        (200, &server.url(&done)),
        "{}",
        page.body
    );
    assert!(
        company.live_session(&grace.user_id).is_some(),
        "it ends nothing"
    );
    // It counts once, and an answer to what nobody asked counts never.
    for url in [&unsigned, &signed] {
        let page = browser.get(url).await.unwrap();
        assert!(page.body.contains("This sign-in is over"), "{}", page.body);
    }
}

async fn a_bent_answer_to_a_logout_is_refused(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let mut browser = Browser::new().unwrap();
    company.signed_in(&mut browser, &ada).await;
    let signed = answered_logout(&server, &company, &mut browser).await;
    // Who signs has to sign rightly: a signature that does not hold is no missing one.
    let (before, signature) = signed.as_str().split_once("&Signature=").unwrap();
    let other = match signature.starts_with('A') {
        true => "B",
        false => "A",
    };
    let bent = format!("{before}&Signature={other}{}", &signature[1..]);
    let page = browser.get(&bent.parse().unwrap()).await.unwrap();
    assert_eq!(page.status, 403, "{} {}", page.url, page.body);
    assert_eq!(company.last_login(&server).await["rule"], "signature");
    assert!(
        company.live_session(&ada.user_id).is_none(),
        "ours was over before the provider was asked"
    );
}
