//! Every way in which a SAML response can be wrong is refused, recorded and explained, and changes nothing else.

use std::time::Duration;

use serde_json::json;
use vestibule_simulate::{
    Browser, Fault, Faults,
    idp::{NameIdKind, SamlClient},
};
use vestibule_support::{
    on_every_server,
    server::{Company, Employee, Site, TestServer},
};

use crate::saml::response_page;

on_every_server!(
    every_fault_of_a_saml_provider_is_refused,
    another_try_is_offered_where_it_can_help,
    a_lost_relay_state_loses_nothing,
    a_response_counts_once,
    a_response_to_a_login_that_is_over_says_so,
    a_transient_name_joins_nobody,
    sha1_and_inclusive_canonicalization_are_choices,
    what_is_no_response_is_refused_at_the_door,
    an_address_with_too_many_refusals_learns_nothing_more,
);

async fn refused(server: &TestServer, company: &Company, ada: &Employee, rule: &str) {
    let before = server
        .database
        .number("SELECT COUNT(*) FROM user_sessions")
        .await;
    let page = company
        .sign_in(&mut Browser::new().unwrap(), &ada.person)
        .await;
    assert_eq!(page.status, 403, "{rule}: {} {}", page.url, page.body);
    let login = company.last_login(server).await;
    assert_eq!(
        (&login["outcome"], &login["rule"]),
        (&json!("refused"), &json!(rule)),
        "{login}"
    );
    assert!(
        login["remedy"]
            .as_str()
            .is_some_and(|remedy| remedy.len() > 10),
        "{login}"
    );
    assert_eq!(
        login["connection_id"],
        json!(company.connection_id),
        "{login}"
    );
    for text in [rule, login["id"].as_str().unwrap(), "What to do next"] {
        assert!(page.body.contains(text), "{text} is missing: {}", page.body);
    }
    let after = server
        .database
        .number("SELECT COUNT(*) FROM user_sessions")
        .await;
    assert_eq!(before, after, "{rule}");
    assert!(company.app.state().sessions.is_empty(), "{rule}");
}

async fn every_fault_of_a_saml_provider_is_refused(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let faults = [
        (Fault::SamlWrongAudience, "audience"),
        (Fault::SamlSecondAudienceRestriction, "audience"),
        (Fault::SamlNoAudience, "audience"),
        (Fault::SamlWrongRecipient, "recipient"),
        (Fault::SamlWrongDestination, "destination"),
        (Fault::SamlWrongIssuer, "issuer"),
        (Fault::SamlExpired, "confirmation_expired"),
        (Fault::SamlFromFuture, "not_yet_valid"),
        (Fault::SamlSessionOver, "session_over"),
        (Fault::SamlUnsigned, "unsigned"),
        (Fault::SamlForeignKey, "signature"),
        (Fault::SamlSha1, "algorithm"),
        (Fault::SamlInclusiveC14n, "canonicalization"),
        (Fault::SamlStatusResponder, "status"),
        (Fault::SamlStatusNoPassive, "status"),
        (Fault::SamlStatusRequestDenied, "status"),
        (Fault::SamlStatusAuthnFailed, "status"),
        (Fault::SamlFailureWithAssertion, "status"),
        (Fault::SamlOtherInResponseTo, "in_response_to"),
        (Fault::SamlNoInResponseTo, "unsolicited"),
        (Fault::SamlTamperedAttribute, "digest"),
        (Fault::SamlTamperedNameId, "digest"),
        (Fault::SamlWrapped, "assertion_count"),
        (Fault::SamlCommentInNameId, "xml"),
        (Fault::SamlDoctype, "xml"),
        (Fault::SamlClockAhead(3600), "not_yet_valid"),
        (Fault::SamlClockAhead(-3600), "confirmation_expired"),
        (Fault::SamlEncryptedToUnknownKey, "no_decryption_key"),
        (Fault::SamlNoNameId, "name_id"),
        (Fault::SamlEmptyNameId, "name_id"),
        (Fault::SamlTwoNameIds, "name_id"),
        (Fault::SamlNoConditions, "conditions"),
        (Fault::SamlUnknownCondition, "unknown_condition"),
        (Fault::SamlNoAuthnStatement, "authn_statement"),
        (Fault::SamlSenderVouches, "confirmation"),
        (Fault::SamlWrongVersion, "version"),
    ];
    for (fault, rule) in faults {
        company.idp.set_faults(Faults::of([fault]));
        refused(&server, &company, &ada, rule).await;
    }
    // Nothing of it stays: the next good answer signs in.
    company.idp.set_faults(Faults::none());
    company.signed_in(&mut Browser::new().unwrap(), &ada).await;
}

async fn another_try_is_offered_where_it_can_help(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    for (fault, offered) in [
        (Fault::SamlExpired, true),
        (Fault::SamlOtherInResponseTo, true),
        (Fault::SamlWrongAudience, false),
        (Fault::SamlForeignKey, false),
        (Fault::SamlStatusRequestDenied, false),
    ] {
        company.idp.set_faults(Faults::of([fault]));
        let page = company
            .sign_in(&mut Browser::new().unwrap(), &ada.person)
            .await;
        assert_eq!(page.status, 403, "{fault:?}: {}", page.body);
        assert_eq!(
            page.body.contains("Try again"),
            offered,
            "{fault:?}: {}",
            page.body
        );
    }
    // Whom the directory has not pushed waits for the directory.
    company.idp.set_faults(Faults::none());
    let stranger = company.stranger("Grace", "Hopper");
    let page = company
        .sign_in(&mut Browser::new().unwrap(), &stranger)
        .await;
    assert_eq!(company.last_login(&server).await["fault"], "directory");
    assert!(!page.body.contains("Try again"), "{}", page.body);
}

async fn a_lost_relay_state_loses_nothing(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    for fault in [Fault::SamlRelayStateDropped, Fault::SamlRelayStateChanged] {
        company.idp.set_faults(Faults::of([fault]));
        company.signed_in(&mut Browser::new().unwrap(), &ada).await;
    }
}

async fn a_response_counts_once(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let mut browser = Browser::new().unwrap();
    let page = response_page(&company, &mut browser, &ada).await;
    let first = browser.submit(&page, &[]).await.unwrap();
    assert_eq!(first.status, 200, "{}", first.body);
    let again = browser.submit(&page, &[]).await.unwrap();
    assert_eq!(again.status, 403, "{}", again.body);
    assert_eq!(company.last_login(&server).await["rule"], "login_over");
    // In an answer to another login of the same browser it does not count either.
    company.idp.set_faults(Faults::of([Fault::SamlReplay]));
    let page = company
        .sign_in(&mut Browser::new().unwrap(), &ada.person)
        .await;
    assert_eq!(page.status, 403, "{}", page.body);
    assert_eq!(
        server
            .database
            .number("SELECT COUNT(*) FROM user_sessions")
            .await,
        1
    );
}

async fn a_response_to_a_login_that_is_over_says_so(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let mut browser = Browser::new().unwrap();
    let page = response_page(&company, &mut browser, &ada).await;
    server.pass(Duration::from_secs(16 * 60));
    let late = browser.submit(&page, &[]).await.unwrap();
    assert_eq!(late.status, 403, "{}", late.body);
    assert_eq!(company.last_login(&server).await["rule"], "login_over");
}

async fn client_called(server: &TestServer, company: &Company, kind: NameIdKind) -> SamlClient {
    company.saml_client(&Site::of(server)).await.name_id(kind)
}

async fn a_transient_name_joins_nobody(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let client = client_called(&server, &company, NameIdKind::Transient).await;
    company.idp.add_saml_client(client);
    refused(&server, &company, &ada, "transient_name_id").await;
    // An address that can be renamed is matched at every sign-in and never stored.
    let client = client_called(&server, &company, NameIdKind::EmailAddress).await;
    company.idp.add_saml_client(client);
    let path = format!("/connections/{}", company.connection_id);
    let join = json!({ "join": { "directory": "userName", "claim": "name_id" } });
    server.admin.patch(&path, join).await;
    company.signed_in(&mut Browser::new().unwrap(), &ada).await;
    assert_eq!(
        server
            .database
            .number("SELECT COUNT(*) FROM identities")
            .await,
        0
    );
}

async fn sha1_and_inclusive_canonicalization_are_choices(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let path = format!("/connections/{}", company.connection_id);
    let until = server.now().after(Duration::from_secs(86_400)).to_string();
    let allowed = json!({ "saml": { "allow_sha1_until": until, "allow_inclusive_c14n": true } });
    server.admin.patch(&path, allowed).await;
    for fault in [Fault::SamlSha1, Fault::SamlInclusiveC14n] {
        company.idp.set_faults(Faults::of([fault]));
        company.signed_in(&mut Browser::new().unwrap(), &ada).await;
    }
    let warnings = company.last_login(&server).await["report"]["warnings"].clone();
    assert_eq!(
        warnings,
        json!([]),
        "inclusive canonicalization is no SHA-1"
    );
    // The day after, SHA-1 is refused by itself.
    server.pass(Duration::from_secs(86_401));
    company
        .idp
        .set_faults(Faults::of([Fault::SamlSha1, Fault::SamlClockAhead(86_401)]));
    let page = company
        .sign_in(&mut Browser::new().unwrap(), &ada.person)
        .await;
    assert_eq!(page.status, 403, "{}", page.body);
    assert_eq!(company.last_login(&server).await["rule"], "algorithm");
}

async fn what_is_no_response_is_refused_at_the_door(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let acs = server.url(&format!("/sso/saml/{}/acs", company.connection_id));
    let mut browser = Browser::new().unwrap();
    for (field, rule) in [
        ("not base64!", "encoding"),
        ("bm8geG1s", "xml"),
        ("PGEvPg==", "root"),
    ] {
        let page = browser
            .post_from(None, &acs, &[("SAMLResponse", field)])
            .await
            .unwrap();
        assert_eq!(page.status, 403, "{rule}: {}", page.body);
        assert_eq!(company.last_login(&server).await["rule"], rule);
    }
    let unknown = server.url("/sso/saml/con_01h455vb4pex5vsknk084sn02q/acs");
    let page = browser
        .post_from(None, &unknown, &[("SAMLResponse", "PGEvPg==")])
        .await
        .unwrap();
    assert!(page.body.contains("This sign-in is over"), "{}", page.body);
}

async fn an_address_with_too_many_refusals_learns_nothing_more(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let acs = server.url(&format!("/sso/saml/{}/acs", company.connection_id));
    let mut browser = Browser::new().unwrap();
    let mut answers = Vec::new();
    // Five more are explained each second while this goes on.
    while answers.last() != Some(&(429, false)) && answers.len() < 3000 {
        let fields = [("SAMLResponse", "PGEvPg==")];
        let page = browser.post_from(None, &acs, &fields).await.unwrap();
        answers.push((page.status, page.body.contains("root")));
    }
    assert_eq!(answers.first(), Some(&(403, true)));
    assert_eq!(answers.last(), Some(&(429, false)));
    let explained = answers.iter().filter(|answer| answer.0 == 403).count();
    let logins = "SELECT COUNT(*) FROM logins";
    let recorded = server.database.number(logins).await;
    assert_eq!(recorded, i64::try_from(explained).unwrap());
    // Who has a good answer is not held up.
    company.signed_in(&mut browser, &ada).await;
}
