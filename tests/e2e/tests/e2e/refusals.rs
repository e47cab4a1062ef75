//! Every failure explains itself: a page for the person, a record for the admin, and nothing else.

use std::time::Duration;

use serde_json::json;
use url::Url;
use vestibule_simulate::{Browser, Fault, Faults, Page, Person};
use vestibule_support::{
    on_every_server,
    server::{Company, TestServer},
};

use crate::relying::{Relying, answer};

on_every_server!(
    somebody_who_is_not_provisioned_is_refused,
    somebody_who_was_deactivated_is_refused,
    an_address_that_two_users_have_means_nobody,
    a_user_belongs_to_one_subject,
    a_missing_claim_is_named,
    an_address_outside_the_verified_domains_joins_nobody,
    an_organization_without_a_way_in_says_so,
    every_fault_of_a_provider_is_refused,
    a_provider_that_cannot_be_asked_is_named,
    another_browser_cannot_finish_a_login,
    a_callback_counts_once,
    a_login_waits_for_a_quarter_of_an_hour,
    a_callback_that_nobody_began_leads_nowhere,
);

/// What a refusal must not change.
pub(crate) async fn counts(server: &TestServer) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in [
        "users",
        "user_sessions",
        "app_sessions",
        "codes",
        "identities",
        "refresh_tokens",
        "passwords",
    ] {
        counts.push(
            server
                .database
                .number(&format!("SELECT COUNT(*) FROM {table}"))
                .await,
        );
    }
    counts
}

/// The page says why, the record says more, and the person is not in.
async fn is_refused(server: &TestServer, company: &Company, page: &Page, rule: &str, fault: &str) {
    assert_eq!(page.status, 403, "{rule}: {} {}", page.url, page.body);
    let login = company.last_login(server).await;
    assert_eq!(
        (
            login["outcome"].as_str(),
            login["rule"].as_str(),
            login["fault"].as_str()
        ),
        (Some("refused"), Some(rule), Some(fault)),
        "{login}"
    );
    assert!(
        login["remedy"]
            .as_str()
            .is_some_and(|remedy| remedy.len() > 10),
        "{login}"
    );
    assert_eq!(
        login["connection_id"].as_str(),
        Some(company.connection_id.as_str()).filter(|_| rule != "no_connection")
    );
    let reference = login["id"].as_str().unwrap();
    for text in [rule, reference, "What to do next", "Who has to act"] {
        assert!(
            page.body.contains(text),
            "{text} is missing on {}",
            page.body
        );
    }
    assert!(
        page.header("cache-control")
            .is_some_and(|value| value.contains("no-store"))
    );
}

async fn check(server: &TestServer, company: &Company, person: &Person, rule: &str, fault: &str) {
    let (before, sessions) = (counts(server).await, company.app.state().sessions.len());
    let page = company.sign_in(&mut Browser::new().unwrap(), person).await;
    is_refused(server, company, &page, rule, fault).await;
    assert_eq!(counts(server).await, before, "{rule} changed something");
    assert_eq!(
        company.app.state().sessions.len(),
        sessions,
        "the app lets nobody in"
    );
}

async fn join(server: &TestServer, company: &Company, directory: &str, claim: &str) {
    let join = json!({ "join": { "directory": directory, "claim": claim } });
    server
        .admin
        .patch(&format!("/connections/{}", company.connection_id), join)
        .await;
}

async fn somebody_who_is_not_provisioned_is_refused(server: TestServer) {
    let company = Company::set_up(&server).await;
    company.hire("Ada", "Lovelace").await;
    let eve = company.stranger("Eve", "Moneypenny");
    check(&server, &company, &eve, "not_provisioned", "directory").await;
    let event = server.admin.get("/events?type=login.failed").await;
    assert_eq!(
        event["data"][0]["data"]["rule"],
        json!("not_provisioned"),
        "{event}"
    );
    // The directory's push is the remedy that the page names.
    let eve = company.push(eve).await;
    company.signed_in(&mut Browser::new().unwrap(), &eve).await;
    // Another organization's user of the same provider's claims is nobody here.
    let globex = Company::with_domain(&server, "globex.test").await;
    globex.idp.add_person(eve.person.clone());
    check(
        &server,
        &globex,
        &eve.person,
        "not_provisioned",
        "directory",
    )
    .await;
}

async fn somebody_who_was_deactivated_is_refused(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    company
        .scim
        .deactivate(&ada.user_id)
        .await
        .unwrap()
        .success()
        .unwrap();
    check(&server, &company, &ada.person, "deactivated", "directory").await;
}

async fn an_address_that_two_users_have_means_nobody(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let mut twin = Person::new("Ada", "Byron", "acme.test").unwrap();
    twin.email.clone_from(&ada.person.email);
    company.push(twin).await;
    join(&server, &company, "emails.value", "email").await;
    check(&server, &company, &ada.person, "ambiguous", "directory").await;
}

async fn a_user_belongs_to_one_subject(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    company.signed_in(&mut Browser::new().unwrap(), &ada).await;
    let impostor = Person {
        sub: "another-subject".to_owned(),
        ..ada.person.clone()
    };
    company.idp.add_person(impostor.clone());
    check(
        &server,
        &company,
        &impostor,
        "linked_to_another",
        "administrator",
    )
    .await;
    // Only an operator can say that the old subject is gone.
    server
        .admin
        .delete(&format!("/users/{}/identities", ada.user_id))
        .await;
    company.signed_in(&mut Browser::new().unwrap(), &ada).await;
}

async fn a_missing_claim_is_named(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    join(&server, &company, "externalId", "employee_number").await;
    check(
        &server,
        &company,
        &ada.person,
        "claim_missing",
        "identity_provider",
    )
    .await;
    let login = company.last_login(&server).await;
    assert!(
        login["remedy"]
            .as_str()
            .unwrap()
            .contains("employee_number"),
        "{login}"
    );
}

async fn an_address_outside_the_verified_domains_joins_nobody(server: TestServer) {
    let company = Company::set_up(&server).await;
    let mut ada = Person::new("Ada", "Lovelace", "acme.test").unwrap();
    "ada@elsewhere.test".clone_into(&mut ada.email);
    company.idp.add_person(ada.clone());
    company.push(ada.clone()).await;
    join(&server, &company, "emails.value", "email").await;
    check(
        &server,
        &company,
        &ada,
        "domain_unverified",
        "administrator",
    )
    .await;
}

async fn an_organization_without_a_way_in_says_so(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    server
        .admin
        .patch(
            &format!("/connections/{}", company.connection_id),
            json!({ "state": "inactive" }),
        )
        .await;
    check(
        &server,
        &company,
        &ada.person,
        "no_connection",
        "administrator",
    )
    .await;
}

async fn every_fault_of_a_provider_is_refused(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    for (fault, rule, blamed) in [
        (Fault::WrongNonce, "nonce", "identity_provider"),
        (Fault::NoNonce, "nonce", "identity_provider"),
        (Fault::WrongAudience, "aud", "administrator"),
        (Fault::ExtraAudience, "aud", "administrator"),
        (Fault::WrongIssuer, "iss", "administrator"),
        (Fault::BadSignature, "signature", "identity_provider"),
        (Fault::Unsigned, "alg", "administrator"),
        (Fault::KeyConfusion, "alg", "administrator"),
        (Fault::UnknownKey, "unknown_key", "identity_provider"),
        (Fault::Expired, "exp", "identity_provider"),
        (Fault::IssuedInFuture, "not_yet_valid", "identity_provider"),
        (Fault::NoSubject, "claim_missing", "identity_provider"),
        (Fault::WrongAccessTokenHash, "at_hash", "identity_provider"),
        (
            Fault::NoIssParameter,
            "callback_iss_missing",
            "identity_provider",
        ),
        (
            Fault::WrongIssParameter,
            "callback_iss",
            "identity_provider",
        ),
        (
            Fault::TokenEndpointDown,
            "token_endpoint",
            "identity_provider",
        ),
    ] {
        company.idp.set_faults(Faults::of([fault]));
        check(&server, &company, &ada.person, rule, blamed).await;
    }
    company
        .idp
        .set_faults(Faults::of([Fault::OldAuthentication]));
    let before = counts(&server).await;
    let app = Relying::of(&server, &company);
    let mut browser = Browser::new().unwrap();
    let page = app
        .ask(
            &mut browser,
            &[
                ("max_age", "60"),
                ("organization", &company.organization_id),
            ],
        )
        .await;
    let page = company.at_provider(&mut browser, page, &ada.person).await;
    is_refused(&server, &company, &page, "auth_time", "identity_provider").await;
    // A state that is none of ours: nobody knows whose login that was.
    company.idp.set_faults(Faults::of([Fault::WrongState]));
    let page = company
        .sign_in(&mut Browser::new().unwrap(), &ada.person)
        .await;
    assert!(
        page.status == 400 && page.body.contains("This sign-in is over"),
        "{}",
        page.body
    );
    assert_eq!(counts(&server).await, before);

    company.idp.set_faults(Faults::none());
    company.signed_in(&mut Browser::new().unwrap(), &ada).await;
}

async fn a_provider_that_cannot_be_asked_is_named(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    company
        .idp
        .set_faults(Faults::of([Fault::WrongDiscoveryIssuer]));
    check(&server, &company, &ada.person, "iss", "administrator").await;
    company.idp.set_faults(Faults::of([Fault::KeysDown]));
    check(
        &server,
        &company,
        &ada.person,
        "status",
        "identity_provider",
    )
    .await;
    let mut browser = Browser::new().unwrap();
    let app = Relying::of(&server, &company);
    let page = app
        .ask(&mut browser, &[("organization", &company.organization_id)])
        .await;
    assert_eq!(
        page.url.host_str(),
        Some("idp.localhost"),
        "what is known of the provider still leads there"
    );
    company.idp.set_faults(Faults::none());
    server.pass(Duration::from_secs(60));
    company.signed_in(&mut Browser::new().unwrap(), &ada).await;
}

/// The callback on which somebody's login would end, not yet opened.
async fn callback(
    server: &TestServer,
    company: &Company,
    browser: &mut Browser,
    person: &Person,
) -> Url {
    browser.stop_before(&server.url("/sso/"));
    let page = company.sign_in(browser, person).await;
    browser.stop_nowhere();
    page.location()
        .unwrap_or_else(|| panic!("no callback at {}: {}", page.url, page.body))
}

async fn another_browser_cannot_finish_a_login(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let (mut own, mut other) = (Browser::new().unwrap(), Browser::new().unwrap());
    let url = callback(&server, &company, &mut own, &ada.person).await;
    let before = counts(&server).await;
    let page = other.get(&url).await.unwrap();
    is_refused(&server, &company, &page, "another_browser", "person").await;
    // The first answer counts, good or bad: a stolen callback is worth nothing, in no browser.
    let page = own.get(&url).await.unwrap();
    is_refused(&server, &company, &page, "login_over", "person").await;
    assert_eq!(counts(&server).await, before);
}

async fn a_callback_counts_once(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let mut browser = Browser::new().unwrap();
    let url = callback(&server, &company, &mut browser, &ada.person).await;
    let home = browser.get(&url).await.unwrap();
    assert_eq!(&home.url, company.app.url());
    let before = counts(&server).await;
    let again = browser.get(&url).await.unwrap();
    is_refused(&server, &company, &again, "login_over", "person").await;
    assert_eq!(counts(&server).await, before);
    let app = Relying::of(&server, &company);
    assert!(
        answer(&app.ask(&mut browser, &[("prompt", "none")]).await).contains_key("code"),
        "the sign-in stays"
    );
}

async fn a_login_waits_for_a_quarter_of_an_hour(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let mut browser = Browser::new().unwrap();
    let url = callback(&server, &company, &mut browser, &ada.person).await;
    let before = counts(&server).await;
    server.pass(Duration::from_secs(15 * 60 + 1));
    let page = browser.get(&url).await.unwrap();
    is_refused(&server, &company, &page, "login_over", "person").await;
    assert_eq!(counts(&server).await, before);
}

async fn a_callback_that_nobody_began_leads_nowhere(server: TestServer) {
    let company = Company::set_up(&server).await;
    let before = counts(&server).await;
    let place = format!("/sso/oidc/{}/callback", company.connection_id);
    for query in [
        "",
        "?code=x",
        "?code=x&state=y",
        "?error=access_denied&state=y",
        "?code=x&code=y&state=z",
        "?state=%00",
    ] {
        let page = Browser::new()
            .unwrap()
            .get(&server.url(&format!("{place}{query}")))
            .await
            .unwrap();
        assert!(matches!(page.status, 400 | 403), "{query}: {}", page.status);
    }
    for foreign in ["con_00000000000000000000000000", "nonsense"] {
        let page = Browser::new()
            .unwrap()
            .get(&server.url(&format!("/sso/oidc/{foreign}/callback?code=x&state=y")))
            .await
            .unwrap();
        assert!(
            matches!(page.status, 400 | 404),
            "{foreign}: {}",
            page.status
        );
    }
    assert_eq!(counts(&server).await, before);
}
