//! Identity providers' metadata over time: what a look adds, what it never takes, and who is told of what expires.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use vestibule_simulate::{IdentityProvider, IdpConfig, Place};
use vestibule_support::{on_every_server, server::TestServer};

use crate::saml_desk::{Described, Desk, Publisher, fingerprint, key, sorted, trusted};

on_every_server!(
    genuine_metadata_makes_connections,
    metadata_is_looked_at_again,
    a_removed_certificate_stays_away_until_a_person_adds_it,
    trouble_is_recorded_and_what_is_known_stays,
    a_refresh_says_what_changed,
    certificates_that_expire_are_announced_once_for_each_threshold,
    an_inactive_connection_is_left_alone,
    two_nodes_look_once,
);

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Longer than any usual interval with its jitter.
const A_WHILE: Duration = Duration::from_secs(7 * 3600);

fn checked(connection: &Value) -> String {
    let at = &connection["saml"]["metadata"]["checked_at"];
    at.as_str().unwrap().to_owned()
}

async fn metadata_is_looked_at_again(server: TestServer) {
    let desk = Desk::at(&server).await;
    let (first, second) = (key(&server, 300), key(&server, 600));
    let described = Described::with(&[&first]);
    let publisher = Publisher::start("").await;
    publisher.answer(200, &[("etag", "\"1\"")], described.xml());
    let made = desk.connect(json!({ "metadata_url": publisher.url })).await;
    let epoch = desk.epoch(&made).await;

    let last = checked(&made);
    server.pass(A_WHILE);
    let now = desk
        .until(&made, "nothing is new", |now| checked(now) > last)
        .await;
    assert_eq!(publisher.reads(), (2, 1), "the entity tag spares the body");
    assert_eq!(now["saml"]["certificates"], made["saml"]["certificates"]);

    let changed = Described {
        services: described.services.replace("/sso", "/sso2"),
        ..Described::with(&[&second])
    };
    publisher.answer(200, &[("etag", "\"2\"")], changed.xml());
    server.pass(A_WHILE);
    let now = desk
        .until(&made, "the successor is trusted", |now| {
            trusted(now).len() == 2
        })
        .await;
    assert_eq!(trusted(&now), sorted(&[&first, &second]));
    assert_eq!(now["saml"]["sso_url"], "https://idp.acme.test/sso2");
    for certificate in now["saml"]["certificates"].as_array().unwrap() {
        let is_new = certificate["fingerprint"] == fingerprint(&second);
        assert_eq!(certificate["in_metadata"], is_new, "{certificate}");
        assert_eq!(certificate["source"], "metadata");
    }
    assert_eq!(desk.epoch(&made).await, epoch);
    let events = desk.events("connection.certificate_added").await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["fingerprint"], fingerprint(&second));
    assert_eq!(events[0]["connection_id"], made["id"]);
    let audited = desk.audited(&made).await;
    for action in ["connection.certificate_add", "connection.metadata_update"] {
        assert_eq!(
            audited.iter().filter(|done| *done == action).count(),
            1,
            "{action}"
        );
    }

    // What a person removed does not come back because the metadata still has it.
    let gone = format!("/certificates/{}", fingerprint(&second));
    assert_eq!(
        desk.call(Method::DELETE, &made, &gone, None).await.status,
        204
    );
    publisher.publish(changed.xml());
    let last = checked(&desk.read(&made).await);
    server.pass(A_WHILE);
    let now = desk
        .until(&made, "it is read again", |now| checked(now) > last)
        .await;
    assert_eq!(trusted(&now), sorted(&[&first]));
}

async fn a_removed_certificate_stays_away_until_a_person_adds_it(server: TestServer) {
    let desk = Desk::at(&server).await;
    let (first, second) = (key(&server, 300), key(&server, 600));
    let both = Described::with(&[&first, &second]);
    let publisher = Publisher::start(both.xml()).await;
    let made = desk.connect(json!({ "metadata_url": publisher.url })).await;
    let gone = format!("/certificates/{}", fingerprint(&second));
    let removed = desk.call(Method::DELETE, &made, &gone, None).await;
    assert_eq!(removed.status, 204, "{}", removed.body);
    // Some nodes of the provider still serve the old metadata, others the new one.
    for described in [Described::with(&[&first]), both.clone()] {
        publisher.publish(described.xml());
        let refreshed = desk
            .call(Method::POST, &made, "/metadata/refresh", None)
            .await;
        assert_eq!(refreshed.body["added_certificates"], json!([]));
        let last = checked(&desk.read(&made).await);
        server.pass(A_WHILE);
        let now = desk
            .until(&made, "it is read again", |now| checked(now) > last)
            .await;
        assert_eq!(trusted(&now), sorted(&[&first]));
    }
    assert!(desk.events("connection.certificate_added").await.is_empty());
    // A person may change their mind, and from then on it is a certificate like others.
    let again = json!({ "certificate": second.certificate_pem() });
    let added = desk
        .call(Method::POST, &made, "/certificates", Some(&again))
        .await;
    assert_eq!(added.status, 201, "{}", added.body);
    assert_eq!(trusted(&desk.read(&made).await), sorted(&[&first, &second]));
    let kept = server
        .database
        .number("SELECT COUNT(*) FROM removed_certificates");
    assert_eq!(kept.await, 0);
    desk.call(Method::DELETE, &made, &gone, None).await;
    // Who gives metadata again gives all of it.
    let given = desk
        .patch(&made, json!({ "metadata_xml": both.xml() }))
        .await;
    assert_eq!(trusted(&given.body), sorted(&[&first, &second]));
}

async fn trouble_is_recorded_and_what_is_known_stays(server: TestServer) {
    let desk = Desk::at(&server).await;
    let (first, second) = (key(&server, 300), key(&server, 600));
    let described = Described::with(&[&first]);
    let publisher = Publisher::start(described.xml()).await;
    let made = desk.connect(json!({ "metadata_url": publisher.url })).await;
    let other = Described {
        entity_id: "https://evil.test".to_owned(),
        ..Described::with(&[&second])
    };
    let expired = Described {
        attributes: "validUntil=\"2020-01-01T00:00:00Z\"".to_owned(),
        ..Described::with(&[&second])
    };
    let plain = Described {
        services: described.services.replace("https://", "http://"),
        ..Described::with(&[&second])
    };
    let large = format!(
        "{}{}",
        " ".repeat(1024 * 1024),
        Described::with(&[&second]).xml()
    );
    let elsewhere: &[(&str, &str)] = &[("location", "http://10.0.0.1/metadata.xml")];
    for (status, headers, body, says) in [
        (200, &[][..], other.xml(), "another identity provider"),
        (200, &[], "<garbage".to_owned(), "not acceptable XML"),
        (200, &[], expired.xml(), "has expired"),
        (
            200,
            &[],
            plain.xml(),
            "an address of the identity provider cannot be used",
        ),
        (200, &[], large, "larger than"),
        (302, elsewhere, String::new(), "redirects are not followed"),
        (500, &[], String::new(), "answered 500"),
    ] {
        let headers: Vec<(&'static str, &str)> = headers
            .iter()
            .map(|(_, value)| ("location", *value))
            .collect();
        publisher.answer(status, &headers, body);
        server.pass(A_WHILE);
        let now = desk
            .until(&made, says, |now| {
                let error = now["saml"]["metadata"]["last_error"].as_str();
                error.is_some_and(|error| error.contains(says))
            })
            .await;
        assert_eq!(trusted(&now), sorted(&[&first]), "{says}");
        for member in ["entity_id", "sso_url", "idp_slo_url"] {
            assert_eq!(now["saml"][member], made["saml"][member], "{says}");
        }
        assert!(!now.to_string().contains("evil"), "{says}");
    }
    assert!(desk.events("connection.certificate_added").await.is_empty());
    publisher.publish(described.xml());
    server.pass(A_WHILE);
    let now = desk
        .until(&made, "the trouble is over", |now| {
            now["saml"]["metadata"]["last_error"].is_null()
        })
        .await;
    assert_eq!(trusted(&now), sorted(&[&first]));
}

async fn a_refresh_says_what_changed(server: TestServer) {
    let desk = Desk::at(&server).await;
    let (first, second) = (key(&server, 300), key(&server, 600));
    let described = Described::with(&[&first]);
    let publisher = Publisher::start(described.xml()).await;
    let saml = json!({ "metadata_url": publisher.url, "slo_url": "https://chosen.acme.test/slo" });
    let made = desk.connect(saml).await;
    let refresh = async || {
        desk.call(Method::POST, &made, "/metadata/refresh", None)
            .await
    };
    let reply = refresh().await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.body["changed"], false);
    let changed = Described {
        services: described
            .services
            .replace("/sso\"", "/new\"")
            .replace("/slo", "/slo2"),
        ..Described::with(&[&second])
    };
    publisher.publish(changed.xml());
    let reply = refresh().await;
    assert_eq!(
        reply.body,
        json!({
            "changed": true, "added_certificates": [fingerprint(&second)], "vanished_certificates": [fingerprint(&first)],
            "settings": ["sso_url"],
        })
    );
    let now = desk.read(&made).await;
    assert_eq!(now["saml"]["sso_url"], "https://idp.acme.test/new");
    assert_eq!(
        now["saml"]["idp_slo_url"], "https://chosen.acme.test/slo",
        "a person chose it"
    );
    publisher.publish("garbage");
    let reply = refresh().await;
    assert_eq!((reply.status, reply.text("code")), (409, "conflict"));
    let now = desk.read(&made).await;
    assert!(now["saml"]["metadata"]["last_error"].is_string());
    assert_eq!(trusted(&now), sorted(&[&first, &second]));
}

async fn certificates_that_expire_are_announced_once_for_each_threshold(server: TestServer) {
    let desk = Desk::at(&server).await;
    let (short, long) = (key(&server, 40), key(&server, 4000));
    let made = desk
        .connect(json!({ "metadata_xml": Described::with(&[&short, &long]).xml() }))
        .await;
    let told = async |wanted: usize| {
        let begun = std::time::Instant::now();
        loop {
            let events = desk.events("connection.certificate_expiring").await;
            if events.len() >= wanted {
                return events;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{events:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    // A little after day 11, 27, 34, 40 and 42 of forty.
    let mut days = Vec::new();
    for (pass, left) in [
        (11, Some(29)),
        (16, Some(13)),
        (7, Some(6)),
        (6, Some(0)),
        (2, None),
    ] {
        server.pass(pass * DAY + 2 * HOUR);
        days.extend(left);
        let events = told(days.len()).await;
        let said: Vec<i64> = events
            .iter()
            .map(|data| data["days"].as_i64().unwrap())
            .collect();
        assert_eq!(said, days);
        for data in &events {
            assert_eq!(data["fingerprint"], fingerprint(&short));
            assert_eq!(data["connection_id"], made["id"]);
            assert!(data["own"].is_null());
        }
    }
    // Our own key ends after ten years.
    server.pass(3625 * DAY);
    let begun = std::time::Instant::now();
    let own = loop {
        let events = desk.events("connection.certificate_expiring").await;
        if let Some(own) = events.into_iter().find(|data| data["own"] == true) {
            break own;
        }
        assert!(begun.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(own["purpose"], "signing");
    assert_eq!(own["connection_id"], made["id"]);
}

async fn an_inactive_connection_is_left_alone(server: TestServer) {
    let desk = Desk::at(&server).await;
    let publisher = Publisher::start(Described::with(&[&key(&server, 5)]).xml()).await;
    let saml = json!({ "protocol": "saml", "state": "inactive", "saml": { "metadata_url": publisher.url } });
    let made = desk.ask_for(saml).await.body;
    assert_eq!(made["state"], "inactive", "{made}");
    server.pass(2 * DAY);
    // Another connection's look shows that the worker has been by.
    let other = Publisher::start(Described::with(&[&key(&server, 900)]).xml()).await;
    let looked = desk.connect(json!({ "metadata_url": other.url })).await;
    let last = checked(&looked);
    server.pass(A_WHILE + DAY);
    desk.until(&looked, "the worker has been by", |now| checked(now) > last)
        .await;
    assert_eq!(publisher.reads().0, 1);
    assert!(
        desk.events("connection.certificate_expiring")
            .await
            .is_empty()
    );
}

async fn two_nodes_look_once(server: TestServer) {
    let other = server.second_node().await;
    let desk = Desk::at(&server).await;
    let publisher = Publisher::start(Described::with(&[&key(&server, 30)]).xml()).await;
    let made = desk.connect(json!({ "metadata_url": publisher.url })).await;
    for looks in [2, 3] {
        let last = checked(&desk.read(&made).await);
        server.pass(A_WHILE);
        desk.until(&made, "it is read again", |now| checked(now) > last)
            .await;
        // The other node has had its turn when it answers what it was asked after the look.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(publisher.reads().0, looks);
    }
    assert_eq!(
        desk.events("connection.certificate_expiring").await.len(),
        1
    );
    drop(other);
}

async fn genuine_metadata_makes_connections(server: TestServer) {
    let desk = Desk::at(&server).await;
    let idp = IdentityProvider::start(IdpConfig::new(Place::bind("127.0.0.1", 0).await.unwrap()))
        .await
        .unwrap();
    let made = desk
        .connect(json!({ "metadata_xml": idp.saml_metadata().unwrap() }))
        .await;
    assert_eq!(made["saml"]["entity_id"], idp.saml_entity_id());
    assert_eq!(made["saml"]["sso_url"], idp.saml_sso_url());
    assert_eq!(trusted(&made), sorted(&[&idp.saml_key().unwrap()]));
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/saml/metadata");
    for file in ["shibboleth.xml", "samling-ecdsa.xml"] {
        let xml = std::fs::read_to_string(format!("{folder}/{file}")).unwrap();
        let reply = desk.ask(json!({ "metadata_xml": xml })).await;
        assert_eq!(reply.status, 201, "{file}: {}", reply.body);
        assert_eq!(trusted(&reply.body).len(), 1, "{file}");
    }
    for (file, says) in [
        ("example-expired.xml", "has expired"),
        ("example-aggregate.xml", "not the metadata of one"),
        ("samling.xml", "RSA key of 2048 bits or more"),
        // Its keys are in the namespace of the metadata, where no other reader finds them either.
        ("samlify.xml", "no usable signing certificate"),
    ] {
        let xml = std::fs::read_to_string(format!("{folder}/{file}")).unwrap();
        let reply = desk.ask(json!({ "metadata_xml": xml })).await;
        assert_eq!(reply.status, 422, "{file}: {}", reply.body);
        assert!(
            reply.text("detail").contains(says),
            "{file}: {}",
            reply.body
        );
    }
}
