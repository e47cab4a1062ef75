//! Sign-in by SAML: from the application to the identity provider and back, in the browser that began it.

use std::time::Duration;

use serde_json::json;
use url::Url;
use vestibule_simulate::{
    Browser, Fault, Faults, Page,
    idp::{Encrypts, KeyOverlap},
    saml::{Login, NameId, Response, Style},
};
use vestibule_support::{
    on_every_server,
    server::{Company, Employee, Site, TestServer, Way, eventually, press_on},
};

use crate::relying::{Relying, Tokens};

on_every_server!(
    a_hired_person_signs_in_by_saml_and_no_user_is_made,
    what_the_provider_says_of_the_sign_in_reaches_the_application,
    a_deactivation_ends_what_came_by_saml,
    an_answer_under_way_is_dead_at_birth,
    an_answer_under_way_ends_with_a_logout_at_the_provider,
    an_answer_posted_into_another_browser_signs_nobody_in,
    a_login_that_the_provider_begins_becomes_one_that_we_begin,
    a_link_of_the_provider_begins_at_the_application,
    a_request_goes_by_form_where_the_provider_wants_one,
    reauthentication_is_asked_for_and_checked,
    max_age_asks_for_a_new_sign_in_and_checks_it,
    encrypted_assertions_are_accepted_and_can_be_demanded,
    a_renewed_certificate_works_beside_the_old_one,
    organizations_with_the_same_provider_stay_apart,
    another_provider_ends_the_trust_in_the_one_before,
    a_request_that_never_went_out_waits_for_no_response,
);

/// The page with the response that the provider would let the browser post.
pub(crate) async fn response_page(
    company: &Company,
    browser: &mut Browser,
    employee: &Employee,
) -> Page {
    let login = format!("login?organization={}", company.organization_id);
    let login = company.app.url().join(&login).unwrap();
    let page = browser.get(&login).await.unwrap();
    assert_eq!(page.url.host_str(), Some("idp.localhost"), "{}", page.body);
    browser
        .submit(
            &page,
            &[
                ("username", employee.person.user_name.as_str()),
                ("password", employee.person.password.as_str()),
            ],
        )
        .await
        .unwrap()
}

async fn patch_connection(server: &TestServer, company: &Company, body: serde_json::Value) {
    let path = format!("/connections/{}", company.connection_id);
    server.admin.patch(&path, body).await;
}

async fn a_hired_person_signs_in_by_saml_and_no_user_is_made(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let mut browser = Browser::new().unwrap();
    let session = company.signed_in(&mut browser, &ada).await;
    assert_eq!(company.count_users(&server).await, 1);
    assert_eq!(session.sub, ada.user_id);
    assert_eq!(session.claim("email"), Some(ada.person.email.as_str()));
    let login = company.last_login(&server).await;
    assert_eq!(
        (login["outcome"].as_str(), login["user_id"].as_str()),
        (Some("succeeded"), Some(ada.user_id.as_str()))
    );
    let held = login["report"]["held"].as_array().unwrap();
    for rule in ["signature", "audience", "in_response_to"] {
        assert!(held.iter().any(|step| step["rule"] == rule), "{login}");
    }
    // The record is redacted: the person is not in it.
    assert!(
        !login["report"].to_string().contains(&ada.person.email),
        "{login}"
    );

    // A second sign-in finds the person by the link, whatever became of the directory's attribute.
    let links = "SELECT COUNT(*) FROM identities";
    assert_eq!(server.database.number(links).await, 1);
    let mut other = Browser::new().unwrap();
    company.signed_in(&mut other, &ada).await;
    assert_eq!(server.database.number(links).await, 1);
}

async fn what_the_provider_says_of_the_sign_in_reaches_the_application(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let mut client = company.saml_client(&Site::of(&server)).await;
    client.session_ttl = Some(3600);
    company.idp.add_saml_client(client);
    let mut browser = Browser::new().unwrap();
    company.signed_in(&mut browser, &ada).await;
    let app = Relying::of(&server, &company);
    let claims = Tokens::of(&app.exchange(&app.code(&mut browser, &[]).await).await).claims();
    let now = server.now().unix_seconds();
    assert_eq!(
        claims["acr"],
        "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
    );
    assert_eq!(claims["amr"], json!(["pwd"]));
    let auth_time = claims["auth_time"].as_i64().unwrap();
    assert!((now - 60..=now).contains(&auth_time), "{claims}");
    let expiry = claims["session_expiry"].as_i64().unwrap();
    assert!((now + 3500..=now + 3600).contains(&expiry), "{claims}");
    // When the provider's session is over, so is ours.
    server.pass(Duration::from_secs(3700));
    let page = company.sign_in(&mut browser, &ada.person).await;
    assert_ne!(page.url, *company.app.url(), "silent sign-in after the end");
}

async fn a_deactivation_ends_what_came_by_saml(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let mut browser = Browser::new().unwrap();
    let session = company.signed_in(&mut browser, &ada).await;
    company.scim.deactivate(&ada.user_id).await.unwrap();
    eventually("the app is told", || !company.notices(&session).is_empty()).await;
    assert!(company.live_session(&ada.user_id).is_none());
    let page = company.sign_in(&mut browser, &ada.person).await;
    assert_eq!(page.status, 403, "{}", page.body);
    assert_eq!(company.last_login(&server).await["rule"], "deactivated");
}

/// Posts the response by hand, so that the redirect to our own host can wait.
async fn posted(company: &Company, browser: &mut Browser, employee: &Employee) -> Url {
    let page = response_page(company, browser, employee).await;
    let form = page.forms().remove(0);
    let acs: Url = form.action.parse().unwrap();
    let mut finish = acs.clone();
    finish.set_path(&acs.path().replace("/acs", "/finish"));
    browser.stop_before(&finish);
    let page = browser.submit(&page, &[]).await.unwrap();
    browser.stop_nowhere();
    page.location()
        .unwrap_or_else(|| panic!("{} {}", page.status, page.body))
}

async fn an_answer_under_way_is_dead_at_birth(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let mut browser = Browser::new().unwrap();
    let finish = posted(&company, &mut browser, &ada).await;
    company.scim.deactivate(&ada.user_id).await.unwrap();
    company.scim.reactivate(&ada.user_id).await.unwrap();
    let page = browser.get(&finish).await.unwrap();
    assert_eq!(page.status, 403, "{}", page.body);
    assert_eq!(company.last_login(&server).await["rule"], "deactivated");
    assert_eq!(
        server
            .database
            .number("SELECT COUNT(*) FROM user_sessions")
            .await,
        0
    );
    // What is used up is used up.
    let page = browser.get(&finish).await.unwrap();
    assert!(page.body.contains("This sign-in is over"), "{}", page.body);
    company.signed_in(&mut Browser::new().unwrap(), &ada).await;
}

async fn an_answer_under_way_ends_with_a_logout_at_the_provider(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let mut browser = Browser::new().unwrap();
    let finish = posted(&company, &mut browser, &ada).await;
    let client = company.saml_client(&Site::of(&server)).await.entity_id;
    let request = company
        .idp
        .saml_logout_requests(&client, &ada.person.user_name)
        .unwrap()
        .remove(0);
    let logout = company.idp.saml_logout_url(&client, &request).unwrap();
    let mut anybody = Browser::new().unwrap();
    anybody.get_once(&logout.parse().unwrap()).await.unwrap();
    let page = browser.get(&finish).await.unwrap();
    assert_eq!(page.status, 403, "{}", page.body);
    assert_eq!(company.last_login(&server).await["rule"], "ended_upstream");
    assert!(company.live_session(&ada.user_id).is_none());
    company.signed_in(&mut Browser::new().unwrap(), &ada).await;
}

async fn an_answer_posted_into_another_browser_signs_nobody_in(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let eve = company.hire("Eve", "Moneypenny").await;
    let mut attacker = Browser::new().unwrap();
    let page = response_page(&company, &mut attacker, &eve).await;
    // The victim's browser is led to post the attacker's own good response.
    let mut victim = Browser::new().unwrap();
    victim.get(&server.url("/login")).await.unwrap();
    let page = victim.submit(&page, &[]).await.unwrap();
    assert_eq!(page.status, 403, "{}", page.body);
    assert_eq!(company.last_login(&server).await["rule"], "another_browser");
    assert_eq!(
        server
            .database
            .number("SELECT COUNT(*) FROM user_sessions")
            .await,
        0
    );
    assert!(company.app.state().sessions.is_empty());
}

async fn a_login_that_the_provider_begins_becomes_one_that_we_begin(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let client = company.saml_client(&Site::of(&server)).await;
    let start: Url = company
        .idp
        .saml_start_url(&client.entity_id)
        .parse()
        .unwrap();
    let mut browser = Browser::new().unwrap();
    let page = browser.get(&start).await.unwrap();
    let page = company.at_provider(&mut browser, page, &ada.person).await;
    assert_eq!(page.status, 403, "{}", page.body);
    assert_eq!(company.last_login(&server).await["rule"], "unsolicited");

    patch_connection(&server, &company, json!({ "allow_idp_initiated": true })).await;
    let page = browser.get(&start).await.unwrap();
    let page = company.at_provider(&mut browser, page, &ada.person).await;
    assert_eq!(page.status, 403, "{}", page.body);
    assert_eq!(
        company.last_login(&server).await["rule"],
        "no_default_application"
    );

    patch_connection(
        &server,
        &company,
        json!({ "default_application_id": company.client_id }),
    )
    .await;
    let page = browser.get(&start).await.unwrap();
    let page = company.at_provider(&mut browser, page, &ada.person).await;
    assert_eq!(
        (page.status, &page.url),
        (200, company.app.url()),
        "{}",
        page.body
    );
    let logins = format!("/organizations/{}/logins?limit=2", company.organization_id);
    let logins = server.admin.get(&logins).await;
    assert_eq!(
        (&logins["data"][0]["outcome"], &logins["data"][1]["outcome"]),
        (&json!("succeeded"), &json!("restarted")),
        "the unsolicited response itself signs nobody in: {logins}"
    );
}

async fn a_link_of_the_provider_begins_at_the_application(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let link = server.url(&format!("/sso/saml/{}/login", company.connection_id));
    let mut browser = Browser::new().unwrap();
    let page = browser.get(&link).await.unwrap();
    let page = company.at_provider(&mut browser, page, &ada.person).await;
    assert!(
        page.body.contains("Ada Lovelace"),
        "without an application the person is signed in here: {}",
        page.body
    );
    patch_connection(
        &server,
        &company,
        json!({ "default_application_id": company.client_id }),
    )
    .await;
    let page = Browser::new().unwrap().get_once(&link).await.unwrap();
    let to = page.location().unwrap();
    assert_eq!(to.host_str(), company.app.url().host_str());
    assert!(to.query().unwrap().contains("iss="), "{to}");
}

async fn a_request_goes_by_form_where_the_provider_wants_one(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    patch_connection(
        &server,
        &company,
        json!({ "saml": { "sso_binding": "post" } }),
    )
    .await;
    let login = format!("login?organization={}", company.organization_id);
    let login = company.app.url().join(&login).unwrap();
    let mut browser = Browser::new().unwrap();
    let page = browser.get(&login).await.unwrap();
    let form = page.forms().remove(0);
    assert!(
        form.has("SAMLRequest") && form.has("RelayState"),
        "{}",
        page.body
    );
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("script-src 'self'") && !policy.contains("unsafe"),
        "{policy}"
    );
    company.signed_in(&mut Browser::new().unwrap(), &ada).await;

    // The address for the other binding was kept, so the choice can be taken back.
    let redirect = json!({ "saml": { "sso_binding": "redirect" } });
    patch_connection(&server, &company, redirect).await;
    let step = Browser::new().unwrap().get(&login).await.unwrap();
    assert!(
        step.url
            .query()
            .unwrap_or_default()
            .contains("SAMLRequest="),
        "{}",
        step.url
    );
}

async fn reauthentication_is_asked_for_and_checked(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let mut browser = Browser::new().unwrap();
    company.signed_in(&mut browser, &ada).await;
    let app = Relying::of(&server, &company);
    // The provider has a session, and is asked to authenticate anew all the same.
    let page = browser
        .get(&app.authorize_url(&[
            ("prompt", "login"),
            ("organization", &company.organization_id),
        ]))
        .await
        .unwrap();
    assert_eq!(page.url.host_str(), Some("idp.localhost"), "{}", page.body);
    assert!(page.forms()[0].has("password"), "{}", page.body);
    company
        .idp
        .set_faults(Faults::of([Fault::SamlOldAuthentication]));
    let page = company.at_provider(&mut browser, page, &ada.person).await;
    assert_eq!(page.status, 403, "{}", page.body);
    assert_eq!(
        company.last_login(&server).await["rule"],
        "authentication_too_old"
    );
}

async fn max_age_asks_for_a_new_sign_in_and_checks_it(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let mut browser = Browser::new().unwrap();
    company.signed_in(&mut browser, &ada).await;
    let app = Relying::of(&server, &company);
    let max_age = [
        ("max_age", "300"),
        ("organization", company.organization_id.as_str()),
    ];
    app.code(&mut browser, &max_age).await;
    // Ten minutes later the sign-in is too old, and so would be the provider's own session.
    server.pass(Duration::from_secs(600));
    let in_step = Fault::SamlClockAhead(600);
    company.idp.set_faults(Faults::of([in_step]));
    let page = browser.get(&app.authorize_url(&max_age)).await.unwrap();
    assert_eq!(page.url.host_str(), Some("idp.localhost"), "{}", page.body);
    assert!(page.forms()[0].has("password"), "ForceAuthn: {}", page.body);
    company
        .idp
        .set_faults(Faults::of([in_step, Fault::SamlOldAuthentication]));
    let page = company.at_provider(&mut browser, page, &ada.person).await;
    assert_eq!(page.status, 403, "{}", page.body);
    let login = company.last_login(&server).await;
    assert_eq!(login["rule"], "authentication_too_old", "{login}");
    // A provider that honors it is believed, and the application sees when it was.
    company.idp.set_faults(Faults::of([in_step]));
    let code = app.sign_in(&company, &mut browser, &ada.person, &max_age[..1]);
    let claims = Tokens::of(&app.exchange(&code.await).await).claims();
    let (auth_time, now) = (
        claims["auth_time"].as_i64().unwrap(),
        server.now().unix_seconds(),
    );
    assert!((now - 60..=now).contains(&auth_time), "{claims}");
}

async fn encrypted_assertions_are_accepted_and_can_be_demanded(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let required = json!({ "saml": { "encryption": "required" } });
    patch_connection(&server, &company, required).await;
    let page = company
        .sign_in(&mut Browser::new().unwrap(), &ada.person)
        .await;
    assert_eq!(page.status, 403, "{}", page.body);
    assert_eq!(company.last_login(&server).await["rule"], "not_encrypted");
    // The metadata has a key now, so the provider encrypts.
    let mut client = company.saml_client(&Site::of(&server)).await;
    assert!(client.encrypter.is_some());
    company.idp.add_saml_client(client.clone());
    company.signed_in(&mut Browser::new().unwrap(), &ada).await;
    patch_connection(
        &server,
        &company,
        json!({ "saml": { "encryption": "accepted" } }),
    )
    .await;
    client.encrypts = Encrypts::NameId;
    company.idp.add_saml_client(client);
    company.signed_in(&mut Browser::new().unwrap(), &ada).await;
    // What is wrong inside an encrypted assertion stands in the record; the page tells nothing of the plaintext.
    company.idp.set_faults(Faults::of([Fault::SamlForeignKey]));
    let mut client = company.saml_client(&Site::of(&server)).await;
    client.style = Style::Entra;
    company.idp.add_saml_client(client);
    let page = company
        .sign_in(&mut Browser::new().unwrap(), &ada.person)
        .await;
    assert_eq!(page.status, 403, "{}", page.body);
    assert_eq!(company.last_login(&server).await["rule"], "signature");
    assert!(
        page.body.contains("<code>decryption</code>"),
        "{}",
        page.body
    );
    assert!(!page.body.contains("signature"), "{}", page.body);
    company
        .idp
        .set_faults(Faults::of([Fault::SamlEncryptedToUnknownKey]));
    let page = company
        .sign_in(&mut Browser::new().unwrap(), &ada.person)
        .await;
    assert_eq!(page.status, 403, "{}", page.body);
    assert_eq!(company.last_login(&server).await["rule"], "decryption");
}

async fn a_renewed_certificate_works_beside_the_old_one(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    company.idp.announce_saml_key().unwrap();
    let metadata = company.idp.saml_metadata().unwrap();
    patch_connection(
        &server,
        &company,
        json!({ "saml": { "metadata_xml": metadata } }),
    )
    .await;
    let mut browser = Browser::new().unwrap();
    company.signed_in(&mut browser, &ada).await;
    company.idp.rotate_saml_key(KeyOverlap::DropFormer).unwrap();
    company.signed_in(&mut Browser::new().unwrap(), &ada).await;
    // Additions end nothing.
    let sessions = format!("/users/{}/sessions", ada.user_id);
    let sessions = server.admin.get(&sessions).await;
    assert_eq!(sessions["data"].as_array().unwrap().len(), 2, "{sessions}");
    // A key that was never announced is refused, and the refusal says what to do.
    company.idp.rotate_saml_key(KeyOverlap::DropFormer).unwrap();
    let page = company
        .sign_in(&mut Browser::new().unwrap(), &ada.person)
        .await;
    assert_eq!(page.status, 403, "{}", page.body);
    let login = company.last_login(&server).await;
    assert_eq!(login["rule"], "signature", "{login}");
    assert!(
        login["remedy"].as_str().unwrap().contains("metadata"),
        "{login}"
    );
}

async fn organizations_with_the_same_provider_stay_apart(server: TestServer) {
    let acme = Company::by_saml(&server).await;
    let globex = Company::by(&Site::of(&server), "globex.test", Way::Saml).await;
    let ada = acme.hire("Ada", "Lovelace").await;
    // Globex believes Acme's provider as well, under its own connection.
    let metadata = acme.idp.saml_metadata().unwrap();
    let path = format!("/connections/{}", globex.connection_id);
    server
        .admin
        .patch(&path, json!({ "saml": { "metadata_xml": metadata } }))
        .await;
    let mut browser = Browser::new().unwrap();
    let page = response_page(&acme, &mut browser, &ada).await;
    let form = page.forms().remove(0);
    let elsewhere = server.url(&format!("/sso/saml/{}/acs", globex.connection_id));
    let fields = [("SAMLResponse", form.value("SAMLResponse").unwrap())];
    let refused = browser
        .post_from(Some(&page), &elsewhere, &fields)
        .await
        .unwrap();
    assert_eq!(refused.status, 403, "{}", refused.body);
    assert_eq!(globex.last_login(&server).await["rule"], "destination");
    assert_eq!(
        server
            .database
            .number("SELECT COUNT(*) FROM user_sessions")
            .await,
        0
    );
    // At its own address the response is still good.
    let page = press_on(&mut browser, page).await;
    assert_eq!(page.status, 200, "{}", page.body);
}

async fn another_provider_ends_the_trust_in_the_one_before(server: TestServer) {
    let acme = Company::by_saml(&server).await;
    let globex = Company::by(&Site::of(&server), "globex.test", Way::Saml).await;
    let trusted = async |company: &Company| {
        let path = format!("/connections/{}/certificates", company.connection_id);
        let list = server.admin.get(&path).await;
        let fingerprints = list["data"].as_array().unwrap().iter();
        fingerprints
            .map(|certificate| certificate["fingerprint"].clone())
            .collect::<Vec<_>>()
    };
    let metadata = globex.idp.saml_metadata().unwrap();
    patch_connection(
        &server,
        &acme,
        json!({ "saml": { "metadata_xml": metadata } }),
    )
    .await;
    assert_eq!(trusted(&acme).await, trusted(&globex).await);
}

async fn a_request_that_never_went_out_waits_for_no_response(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let app = Relying::of(&server, &company);
    let mut browser = Browser::new().unwrap();
    let url = app.authorize_url(&[("connection", &company.connection_id), ("prompt", "login")]);
    let begun = browser.get_once(&url).await.unwrap();
    let login = begun.location().unwrap();
    let handle = login
        .query_pairs()
        .find(|(name, _)| name == "handle")
        .unwrap()
        .1
        .into_owned();
    // A request of one's own making, which asks for nothing fresh, in place of ours.
    let client = company.saml_client(&Site::of(&server)).await;
    let mut forged = Login::new(
        &company.idp.saml_entity_id(),
        &client.entity_id,
        &client.acs_url,
        NameId::persistent(&ada.person.oid),
        server.now().unix_seconds(),
    );
    forged = forged.answering(&format!("_{handle}"));
    let key = company.idp.saml_key().unwrap();
    let style = Style::Okta;
    let field = Response::new(style, &forged)
        .unwrap()
        .to_form_field(&style.seal(&key))
        .unwrap();
    let acs = client.acs_url.parse().unwrap();
    let page = browser
        .post_from(None, &acs, &[("SAMLResponse", &field)])
        .await
        .unwrap();
    assert_eq!(page.status, 403, "{}", page.body);
    assert_eq!(company.last_login(&server).await["rule"], "in_response_to");
}
