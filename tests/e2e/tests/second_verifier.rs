//! The whole server with `saml_verifier = both`: samael judges what our own verifier accepts (feature `samael`).

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::time::Duration;

use serde_json::{Value, json};
use vestibule_simulate::{Browser, Fault, Faults};
use vestibule_support::{
    on_every_server,
    server::{Company, Site, TestServer},
};

on_every_server!(
    both_verifiers_let_a_person_in_and_the_record_says_so,
    what_the_second_verifier_refuses_signs_nobody_in,
);

/// What the newest login's record says of the second verifier.
async fn opinion(company: &Company, server: &TestServer) -> Value {
    let login = company.last_login(server).await;
    let held = login["report"]["held"].as_array().unwrap();
    let step = held.iter().find(|step| step["rule"] == "second_opinion");
    step.map_or(Value::Null, |step| step["found"].clone())
}

async fn patch(company: &Company, server: &TestServer, saml: Value) {
    let path = format!("/connections/{}", company.connection_id);
    server.admin.patch(&path, json!({ "saml": saml })).await;
}

async fn both_verifiers_let_a_person_in_and_the_record_says_so(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let session = company.signed_in(&mut Browser::new().unwrap(), &ada).await;
    assert_eq!(session.sub, ada.user_id);
    assert_eq!(
        opinion(&company, &server).await,
        "samael accepts it for the same person"
    );
    patch(&company, &server, json!({ "encryption": "required" })).await;
    let client = company.saml_client(&Site::of(&server)).await;
    company.idp.add_saml_client(client);
    company.signed_in(&mut Browser::new().unwrap(), &ada).await;
    assert_eq!(
        opinion(&company, &server).await,
        "samael was not asked about an encrypted assertion"
    );
}

async fn what_the_second_verifier_refuses_signs_nobody_in(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    // Our own verifier takes SHA-1 where a connection allows it, and samael never does.
    let until = server.now().after(Duration::from_secs(86_400)).to_string();
    patch(&company, &server, json!({ "allow_sha1_until": until })).await;
    company.idp.set_faults(Faults::of([Fault::SamlSha1]));
    let page = company
        .sign_in(&mut Browser::new().unwrap(), &ada.person)
        .await;
    assert_eq!(page.status, 403, "{}", page.body);
    let login = company.last_login(&server).await;
    assert_eq!(login["rule"], "second_opinion", "{login}");
    let sessions = server.database.number("SELECT COUNT(*) FROM user_sessions");
    assert_eq!(sessions.await, 0);
    // What our own verifier refuses is refused by its own rule; nobody asks samael.
    company
        .idp
        .set_faults(Faults::of([Fault::SamlTamperedNameId]));
    company
        .sign_in(&mut Browser::new().unwrap(), &ada.person)
        .await;
    let login = company.last_login(&server).await;
    assert_eq!(login["rule"], "digest", "{login}");
    company.idp.set_faults(Faults::none());
    company.signed_in(&mut Browser::new().unwrap(), &ada).await;
}
