//! Our own keys at a connection by SAML, and the trust in the identity provider's, with people who sign in meanwhile.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use vestibule_simulate::{Browser, Fault, Faults};
use vestibule_support::{
    on_every_server,
    server::{Company, Site, TestServer},
};

use crate::saml_desk::{Described, Desk, Publisher, key};

on_every_server!(
    a_signing_key_is_rotated_with_overlap,
    our_metadata_lists_the_key_also_where_requests_are_not_signed,
    an_encryption_key_comes_and_goes_with_encryption,
    what_was_encrypted_for_a_retired_key_opens_for_a_while,
    a_certificate_that_is_no_longer_trusted_ends_sessions,
    a_deleted_connection_leaves_no_key_behind,
);

async fn a_signing_key_is_rotated_with_overlap(server: TestServer) {
    let desk = Desk::at(&server).await;
    let key = key(&server, 300);
    let made = desk
        .connect(json!({ "metadata_xml": Described::with(&[&key]).xml() }))
        .await;
    let rotate = async |activate: bool| {
        let body = json!({ "purpose": "signing", "activate": activate });
        desk.call(Method::POST, &made, "/keys/rotate", Some(&body))
            .await
    };
    let states = |reply: &Value| -> Vec<String> {
        let keys = reply["data"].as_array().unwrap().iter();
        keys.map(|key| key["state"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(rotate(true).await.status, 409, "there is no next key yet");
    let reply = rotate(false).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(states(&reply.body), ["active", "next"]);
    assert_eq!(rotate(false).await.status, 409, "there is a next key");
    let both: Vec<String> = certificates(&reply.body);
    let id = made["id"].as_str().unwrap().parse().unwrap();
    let published = async || {
        server
            .engine
            .saml_metadata(id, server.now())
            .await
            .unwrap()
            .unwrap()
    };
    let xml = published().await;
    assert!(both.iter().all(|certificate| xml.contains(certificate)));
    assert!(!xml.contains("use=\"encryption\""));

    let reply = rotate(true).await;
    assert_eq!(states(&reply.body), ["retired", "active"]);
    let xml = published().await;
    assert!(both.iter().all(|certificate| xml.contains(certificate)));
    assert!(
        xml.find(&both[1]) < xml.find(&both[0]),
        "the one in use comes first"
    );
    server.pass(Duration::from_secs(31 * 24 * 3600));
    let xml = published().await;
    assert!(!xml.contains(&both[0]) && xml.contains(&both[1]));
    let listed = desk.call(Method::GET, &made, "/keys", None).await;
    assert_eq!(states(&listed.body), ["active"]);
    let begun = std::time::Instant::now();
    while server
        .database
        .number("SELECT COUNT(*) FROM connection_keys")
        .await
        > 1
    {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "the retired key is never removed"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What metadata shows of the keys: base64 without armor.
fn certificates(keys: &Value) -> Vec<String> {
    let keys = keys["data"].as_array().unwrap().iter();
    keys.map(|key| {
        let pem = key["certificate"].as_str().unwrap();
        pem.lines()
            .filter(|line| !line.starts_with("-----"))
            .collect()
    })
    .collect()
}

async fn our_metadata_lists_the_key_also_where_requests_are_not_signed(server: TestServer) {
    let desk = Desk::at(&server).await;
    let key = key(&server, 300);
    let made = desk
        .connect(json!({ "metadata_xml": Described::with(&[&key]).xml() }))
        .await;
    let id = made["id"].as_str().unwrap().parse().unwrap();
    let ours = certificates(&json!({ "data": made["saml"]["signing_keys"] }));
    for signed in [true, false] {
        desk.patch(&made, json!({ "sign_requests": signed })).await;
        let xml = server.engine.saml_metadata(id, server.now()).await;
        let xml = xml.unwrap().unwrap();
        let says = format!("AuthnRequestsSigned=\"{signed}\"");
        // Logout messages are signed in any case.
        assert!(xml.contains(&says) && xml.contains(&ours[0]), "{xml}");
        assert!(xml.contains("cacheDuration=\"PT3600S\""), "{xml}");
        assert!(!xml.contains("validUntil"), "{xml}");
    }
}

async fn an_encryption_key_comes_and_goes_with_encryption(server: TestServer) {
    let desk = Desk::at(&server).await;
    let key = key(&server, 300);
    let made = desk
        .connect(json!({ "metadata_xml": Described::with(&[&key]).xml() }))
        .await;
    let rotate = json!({ "purpose": "encryption" });
    let refused = desk
        .call(Method::POST, &made, "/keys/rotate", Some(&rotate))
        .await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    let id = made["id"].as_str().unwrap().parse().unwrap();
    let shown = async || {
        let xml = server
            .engine
            .saml_metadata(id, server.now())
            .await
            .unwrap()
            .unwrap();
        xml.matches("use=\"encryption\"").count()
    };
    assert_eq!(shown().await, 0);
    let reply = desk.patch(&made, json!({ "encryption": "required" })).await;
    assert_eq!(reply.body["saml"]["encryption_keys"][0]["state"], "active");
    assert_eq!(shown().await, 1);
    let reply = desk
        .call(Method::POST, &made, "/keys/rotate", Some(&rotate))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(shown().await, 2);
    let activate = json!({ "purpose": "encryption", "activate": true });
    desk.call(Method::POST, &made, "/keys/rotate", Some(&activate))
        .await;
    assert_eq!(shown().await, 1, "nobody should encrypt for the one before");
    let reply = desk.patch(&made, json!({ "encryption": "off" })).await;
    assert_eq!(shown().await, 0);
    let states: Vec<&str> = reply.body["saml"]["encryption_keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["state"].as_str().unwrap())
        .collect();
    assert_eq!(
        states,
        ["retired", "retired"],
        "they still decrypt for a while"
    );
    let reply = desk.patch(&made, json!({ "encryption": "accepted" })).await;
    assert_eq!(reply.body["saml"]["encryption_keys"][2]["state"], "active");
}

async fn a_deleted_connection_leaves_no_key_behind(server: TestServer) {
    let desk = Desk::at(&server).await;
    let publisher = Publisher::start(Described::with(&[&key(&server, 300)]).xml()).await;
    let made = desk.connect(json!({ "metadata_url": publisher.url })).await;
    let id = made["id"].as_str().unwrap().parse().unwrap();
    assert!(
        server
            .engine
            .saml_metadata(id, server.now())
            .await
            .unwrap()
            .is_some()
    );
    let other = json!({ "certificate": key(&server, 9).certificate_pem() });
    let other = desk
        .call(Method::POST, &made, "/certificates", Some(&other))
        .await;
    let other = format!("/certificates/{}", other.text("fingerprint"));
    desk.call(Method::DELETE, &made, &other, None).await;
    assert_eq!(desk.call(Method::DELETE, &made, "", None).await.status, 204);
    assert!(
        server
            .engine
            .saml_metadata(id, server.now())
            .await
            .unwrap()
            .is_none()
    );
    for table in [
        "connection_keys",
        "connection_certificates",
        "removed_certificates",
        "connection_metadata",
    ] {
        let left = server
            .database
            .number(&format!("SELECT COUNT(*) FROM {table}"))
            .await;
        assert_eq!(left, 0, "{table}");
    }
}

async fn what_was_encrypted_for_a_retired_key_opens_for_a_while(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let path = format!("/connections/{}", company.connection_id);
    let required = json!({ "saml": { "encryption": "required" } });
    server.admin.patch(&path, required).await;
    // The provider read our metadata once, and never again.
    let client = company.saml_client(&Site::of(&server)).await;
    assert!(client.encrypter.is_some());
    company.idp.add_saml_client(client);
    company.signed_in(&mut Browser::new().unwrap(), &ada).await;
    for activate in [false, true] {
        let rotate = json!({ "purpose": "encryption", "activate": activate });
        server
            .admin
            .post(&format!("{path}/keys/rotate"), rotate)
            .await;
        company.signed_in(&mut Browser::new().unwrap(), &ada).await;
    }
    // The provider's clock goes along; the app's does not, so the login's record says how it ended.
    let ended = async |days: i64| {
        let faults = Faults::of([Fault::SamlClockAhead(days * 24 * 3600)]);
        company.idp.set_faults(faults);
        let mut browser = Browser::new().unwrap();
        company.sign_in(&mut browser, &ada.person).await;
        company.last_login(&server).await
    };
    server.pass(Duration::from_secs(29 * 24 * 3600));
    assert_eq!(ended(29).await["outcome"], "succeeded");
    server.pass(Duration::from_secs(2 * 24 * 3600));
    assert_eq!(ended(31).await["rule"], "decryption");
    company
        .idp
        .add_saml_client(company.saml_client(&Site::of(&server)).await);
    assert_eq!(ended(31).await["outcome"], "succeeded");
}

async fn a_certificate_that_is_no_longer_trusted_ends_sessions(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    company.signed_in(&mut Browser::new().unwrap(), &ada).await;
    let sessions = format!("/users/{}/sessions", ada.user_id);
    let count = async || {
        let sessions = server.admin.get(&sessions).await;
        sessions["data"].as_array().unwrap().len()
    };
    assert_eq!(count().await, 1);
    let path = format!("/connections/{}/certificates", company.connection_id);
    let other = key(&server, 300).certificate_pem();
    server
        .admin
        .post(&path, json!({ "certificate": other }))
        .await;
    assert_eq!(count().await, 1, "more trust ends nothing");
    let first = server.admin.get(&path).await["data"][0].clone();
    let first = first["fingerprint"].as_str().unwrap().to_owned();
    server.admin.delete(&format!("{path}/{first}")).await;
    assert_eq!(count().await, 0);
    server.settled().await;
    assert!(
        company.live_session(&ada.user_id).is_none(),
        "the app was told"
    );
    let page = company
        .sign_in(&mut Browser::new().unwrap(), &ada.person)
        .await;
    assert_eq!(page.status, 403, "{}", page.body);
    // What is left is of another kind than the provider's key.
    assert_eq!(company.last_login(&server).await["rule"], "key_kind");
}
