//! Connections by SAML in the admin API: the three ways to make one, what is refused, what a change ends.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use vestibule_support::{on_every_server, server::TestServer};

use crate::saml_desk::{Described, Desk, PROVIDER, Publisher, fingerprint, key, sorted, trusted};

/// The headers of an answer.
type Headers = &'static [(&'static str, &'static str)];

on_every_server!(
    a_connection_is_made_in_three_ways,
    what_cannot_be_a_connection_is_refused_by_its_field,
    metadata_that_cannot_be_used_is_refused_with_the_next_step,
    another_trust_anchor_ends_what_came_through,
    metadata_adds_certificates_and_removes_none,
    the_last_certificate_of_an_active_connection_stays,
);

async fn a_connection_is_made_in_three_ways(server: TestServer) {
    let desk = Desk::at(&server).await;
    let (first, second) = (key(&server, 300), key(&server, 600));
    let described = Described::with(&[&first, &second]);

    let by_xml = desk
        .connect(json!({ "metadata_xml": described.xml() }))
        .await;
    let publisher = Publisher::start(described.xml()).await;
    let by_url = desk.connect(json!({ "metadata_url": publisher.url })).await;
    let bare = second.certificate().base64();
    let in_parts = json!({
        "entity_id": PROVIDER, "sso_url": "https://idp.acme.test/sso", "certificates": [first.certificate_pem(), bare],
        "slo_url": "https://idp.acme.test/slo",
    });
    let in_parts = desk.connect(in_parts).await;

    for made in [&by_xml, &by_url, &in_parts] {
        let id = made["id"].as_str().unwrap();
        let saml = &made["saml"];
        let ours = |leaf: &str| json!(format!("{}/sso/saml/{id}/{leaf}", server.issuer()));
        assert_eq!(made["state"], "active");
        assert_eq!(made["name"], "idp.acme.test");
        assert_eq!(
            made["join"],
            json!({ "directory": "userName", "claim": "name_id" })
        );
        assert_eq!(saml["sp_entity_id"], ours("metadata"));
        assert_eq!(saml["metadata_url"], ours("metadata"));
        assert_eq!(saml["acs_url"], ours("acs"));
        assert_eq!(saml["slo_url"], ours("slo"));
        assert_eq!(saml["login_url"], ours("login"));
        assert_eq!(saml["entity_id"], PROVIDER);
        assert_eq!(saml["sso_url"], "https://idp.acme.test/sso");
        assert_eq!(saml["sso_binding"], "redirect");
        assert_eq!(saml["idp_slo_url"], "https://idp.acme.test/slo");
        assert_eq!(saml["sign_requests"], true);
        assert_eq!(saml["encryption"], "off");
        assert_eq!(trusted(made), sorted(&[&first, &second]));
        let keys = saml["signing_keys"].as_array().unwrap();
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0]["state"], "active");
        assert!(
            keys[0]["certificate"]
                .as_str()
                .unwrap()
                .starts_with("-----BEGIN CERTIFICATE-----")
        );
        assert_eq!(saml["encryption_keys"], json!([]));
        assert!(!made.to_string().contains("PRIVATE KEY"));
        assert_eq!(&desk.read(made).await, made);
    }
    assert_eq!(by_xml["saml"]["metadata"], Value::Null);
    assert_eq!(in_parts["saml"]["metadata"], Value::Null);
    let followed = &by_url["saml"]["metadata"];
    assert_eq!(followed["url"], publisher.url);
    assert!(followed["checked_at"].is_string() && followed["last_error"].is_null());
    let source = |made: &Value| made["saml"]["certificates"][0]["source"].clone();
    assert_eq!(source(&by_url), "metadata");
    assert_eq!(source(&in_parts), "operator");
    assert_eq!(by_url["saml"]["certificates"][0]["in_metadata"], true);
    let list = format!("/organizations/{}/connections", desk.organization_id);
    let list = server.admin.get(&list).await;
    let found = list["data"].as_array().unwrap();
    assert!(found.contains(&by_xml) && found.contains(&by_url) && found.contains(&in_parts));
    assert_eq!(publisher.reads(), (1, 0), "it is not read again at once");
}

async fn what_cannot_be_a_connection_is_refused_by_its_field(server: TestServer) {
    let desk = Desk::at(&server).await;
    let key = key(&server, 300);
    let (pem, xml) = (key.certificate_pem(), Described::with(&[&key]).xml());
    let in_parts = |more: Value| {
        let mut saml = json!({
            "entity_id": PROVIDER, "sso_url": "https://idp.acme.test/sso", "certificates": [pem.clone()],
        });
        for (member, value) in more.as_object().unwrap() {
            saml[member] = value.clone();
        }
        saml
    };
    let far = server.now().after(Duration::from_secs(91 * 24 * 3600));
    for (saml, status, field) in [
        (json!({}), 422, "saml"),
        (
            json!({ "sso_url": "https://idp.acme.test/sso", "certificates": [pem] }),
            422,
            "saml.entity_id",
        ),
        (
            json!({ "entity_id": PROVIDER, "certificates": [pem] }),
            422,
            "saml.sso_url",
        ),
        (
            json!({ "entity_id": PROVIDER, "sso_url": "https://idp.acme.test/sso" }),
            422,
            "saml.certificates",
        ),
        (
            json!({ "metadata_xml": xml, "metadata_url": "https://idp.acme.test/" }),
            400,
            "saml.metadata_url",
        ),
        (
            json!({ "metadata_xml": xml, "entity_id": "https://x.test" }),
            422,
            "saml.metadata_xml",
        ),
        (
            json!({ "metadata_xml": xml, "certificates": [pem] }),
            400,
            "saml.certificates",
        ),
        (
            json!({ "metadata_url": "https://idp.acme.test/", "sso_url": "https://idp.acme.test/" }),
            400,
            "saml.sso_url",
        ),
        (
            in_parts(json!({ "sso_url": "http://idp.acme.test/sso" })),
            422,
            "saml.sso_url",
        ),
        (
            in_parts(json!({ "sso_url": "javascript:alert(1)" })),
            422,
            "saml.sso_url",
        ),
        (
            in_parts(json!({ "slo_url": "https://u:p@idp.acme.test/" })),
            422,
            "saml.slo_url",
        ),
        (in_parts(json!({ "entity_id": "" })), 422, "saml.entity_id"),
        (
            in_parts(json!({ "entity_id": " x" })),
            422,
            "saml.entity_id",
        ),
        (
            in_parts(json!({ "entity_id": "x".repeat(1025) })),
            422,
            "saml.entity_id",
        ),
        (
            in_parts(json!({ "certificates": [] })),
            422,
            "saml.certificates",
        ),
        (
            in_parts(json!({ "certificates": [pem, "nonsense!"] })),
            422,
            "saml.certificates[1]",
        ),
        (
            in_parts(json!({ "certificates": [format!("{pem}{pem}")] })),
            422,
            "saml.certificates[0]",
        ),
        (
            in_parts(json!({ "allow_sha1_until": "2001-01-01T00:00:00Z" })),
            422,
            "saml.allow_sha1_until",
        ),
        (
            in_parts(json!({ "allow_sha1_until": far })),
            422,
            "saml.allow_sha1_until",
        ),
        (
            in_parts(json!({ "name_id_format": "a b" })),
            422,
            "saml.name_id_format",
        ),
        (
            in_parts(json!({ "subject_attribute": "" })),
            422,
            "saml.subject_attribute",
        ),
        (
            in_parts(json!({ "authn_context": ["a\nb"] })),
            422,
            "saml.authn_context",
        ),
        (
            json!({ "metadata_url": "http://idp.acme.test/" }),
            422,
            "saml.metadata_url",
        ),
        (
            json!({ "metadata_url": "https://127.0.0.1:1/" }),
            422,
            "saml.metadata_url",
        ),
    ] {
        let reply = desk.ask(saml.clone()).await;
        assert_eq!(
            (reply.status, reply.body["errors"][0]["field"].as_str()),
            (status, Some(field)),
            "{saml} {}",
            reply.body
        );
    }
    for (saml, code) in [
        (
            in_parts(json!({ "sso_binding": "artifact" })),
            "invalid_body",
        ),
        (in_parts(json!({ "encryption": "maybe" })), "invalid_body"),
        (
            in_parts(json!({ "wantAssertionsSigned": true })),
            "unknown_field",
        ),
    ] {
        let reply = desk.ask(saml).await;
        assert_eq!(
            (reply.status, reply.text("code")),
            (400, code),
            "{}",
            reply.body
        );
    }
    for (join, status) in [
        (json!({ "directory": "externalId", "claim": "sub" }), 422),
        (
            json!({ "directory": "externalId", "claim": "attribute:" }),
            422,
        ),
        (json!({ "directory": "phone", "claim": "name_id" }), 422),
        (json!({ "directory": "externalId", "claim": "oid" }), 201),
        (
            json!({ "directory": "emails.value", "claim": "attribute:urn:oid:0.9.2342.19200300.100.1.3" }),
            201,
        ),
    ] {
        let body = json!({ "protocol": "saml", "saml": in_parts(json!({})), "join": join });
        let reply = desk.ask_for(body).await;
        assert_eq!(reply.status, status, "{join} {}", reply.body);
        if status == 201 {
            assert_eq!(reply.body["join"], join);
        }
    }
    let both = json!({
        "protocol": "oidc", "oidc": { "issuer": "https://idp.acme.test", "client_id": "c" }, "saml": in_parts(json!({})),
    });
    assert_eq!(desk.ask_for(both).await.body["errors"][0]["field"], "saml");
    let name_id_of_oidc = json!({
        "protocol": "oidc", "oidc": { "issuer": "https://idp.acme.test", "client_id": "c" },
        "join": { "directory": "userName", "claim": "name_id" },
    });
    assert_eq!(desk.ask_for(name_id_of_oidc).await.status, 422);
    assert_eq!(
        server
            .database
            .number("SELECT COUNT(*) FROM connections WHERE protocol = 'saml'")
            .await,
        2,
        "what was refused left nothing"
    );
}

async fn metadata_that_cannot_be_used_is_refused_with_the_next_step(server: TestServer) {
    let desk = Desk::at(&server).await;
    let key = key(&server, 300);
    let good = Described::with(&[&key]);
    let two = {
        let other = Described {
            entity_id: "https://other.acme.test".to_owned(),
            ..good.clone()
        };
        format!(
            "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\">{}{}</md:EntitiesDescriptor>",
            good.xml(),
            other.xml()
        )
    };
    let expired = Described {
        attributes: "validUntil=\"2020-01-01T00:00:00Z\"".to_owned(),
        ..good.clone()
    };
    let without_key = Described {
        certificates: Vec::new(),
        ..good.clone()
    };
    let over_http = Described {
        services: good
            .services
            .replace("https://idp.acme.test/sso\"", "http://idp.acme.test/sso\""),
        ..good.clone()
    };
    let ours = good.xml().replace("IDPSSODescriptor", "SPSSODescriptor");
    let hostile = format!("<!DOCTYPE x [<!ENTITY y \"z\">]>{}", good.xml());
    let publisher = Publisher::start("").await;
    for (xml, says) in [
        ("<html><body>Sign in</body></html>", "not the metadata"),
        ("no XML at all", "not acceptable XML"),
        (&hostile, "not acceptable XML"),
        (&two, "several identity providers"),
        (&expired.xml(), "has expired"),
        (&without_key.xml(), "no usable signing certificate"),
        (
            &over_http.xml(),
            "an address of the identity provider cannot be used",
        ),
        (&ours, "not the metadata"),
    ] {
        publisher.publish(xml);
        for (saml, field) in [
            (json!({ "metadata_xml": xml }), "saml.metadata_xml"),
            (
                json!({ "metadata_url": publisher.url }),
                "saml.metadata_url",
            ),
        ] {
            let reply = desk.ask(saml).await;
            let error = &reply.body["errors"][0];
            assert_eq!((reply.status, error["field"].as_str()), (422, Some(field)));
            let detail = error["detail"].as_str().unwrap();
            assert!(
                detail.contains(says) && detail.contains("; "),
                "{says}: {detail}"
            );
        }
    }
    let large = "x".repeat(1024 * 1024 + 1);
    let answers: [(u16, Headers, &str, &str); 4] = [
        (404, &[], "", "answered 404"),
        (
            302,
            &[("location", "http://169.254.169.254/latest/meta-data/")],
            "",
            "redirects are not followed",
        ),
        (200, &[], &large, "larger than 1048576 bytes"),
        (
            200,
            &[("content-type", "text/html")],
            "\u{0}",
            "not acceptable XML",
        ),
    ];
    for (status, headers, body, says) in answers {
        let headers: Vec<(&'static str, &str)> = headers
            .iter()
            .map(|(name, value)| {
                (
                    if *name == "location" {
                        "location"
                    } else {
                        "content-type"
                    },
                    *value,
                )
            })
            .collect();
        publisher.answer(status, &headers, body);
        let reply = desk.ask(json!({ "metadata_url": publisher.url })).await;
        assert_eq!(reply.status, 422);
        assert!(
            reply.text("detail").contains(says),
            "{says}: {}",
            reply.body
        );
    }
    let list = format!("/organizations/{}/connections", desk.organization_id);
    let list = server.admin.get(&list).await;
    assert!(
        list["data"]
            .as_array()
            .unwrap()
            .iter()
            .all(|connection| connection["protocol"] != "saml")
    );
}

async fn another_trust_anchor_ends_what_came_through(server: TestServer) {
    let desk = Desk::at(&server).await;
    let (first, second) = (key(&server, 300), key(&server, 600));
    let made = desk
        .connect(json!({
            "entity_id": PROVIDER, "sso_url": "https://idp.acme.test/sso", "certificates": [first.certificate_pem()],
        }))
        .await;
    let until = server.now().after(Duration::from_secs(89 * 24 * 3600));
    for (saml, ends) in [
        (
            json!({ "sso_url": "https://idp.acme.test/sso2", "sso_binding": "post" }),
            false,
        ),
        (
            json!({ "sign_requests": false, "force_authn": true, "authn_context": ["urn:x"], "name_id_format": "urn:y" }),
            false,
        ),
        (
            json!({ "allow_sha1_until": until, "allow_inclusive_c14n": true }),
            false,
        ),
        (
            json!({ "certificates": [first.certificate_pem(), second.certificate_pem()] }),
            false,
        ),
        (json!({ "entity_id": PROVIDER }), false),
        (json!({ "certificates": [second.certificate_pem()] }), true),
        (
            json!({ "entity_id": "urn:another", "certificates": [second.certificate_pem()] }),
            true,
        ),
        (json!({ "subject_attribute": "uid" }), false),
    ] {
        let before = desk.epoch(&made).await;
        let reply = desk.patch(&made, saml.clone()).await;
        assert_eq!(reply.status, 200, "{saml} {}", reply.body);
        assert_eq!(desk.epoch(&made).await > before, ends, "{saml}");
    }
    // Another provider's certificates do not become this one's.
    let reply = desk
        .patch(&made, json!({ "entity_id": "urn:a-third" }))
        .await;
    assert_eq!(reply.status, 422, "{}", reply.body);
    let saml = desk.read(&made).await["saml"].clone();
    assert_eq!(saml["entity_id"], "urn:another");
    assert_eq!(saml["certificates"].as_array().unwrap().len(), 1);
    assert_eq!(saml["sso_url"], "https://idp.acme.test/sso2");
    assert_eq!(saml["sso_binding"], "post");
    assert_eq!(saml["sign_requests"], false);
    assert_eq!(saml["force_authn"], true);
    assert_eq!(saml["allow_sha1_until"], until.to_string());
    assert_eq!(saml["name_id_format"], "urn:y");
    let audited = desk.audited(&made).await;
    for action in [
        "connection.allow_sha1",
        "connection.certificate_add",
        "connection.certificate_remove",
    ] {
        assert!(
            audited.iter().any(|done| done == action),
            "{action}: {audited:?}"
        );
    }
    let cleared = json!({ "allow_sha1_until": null, "name_id_format": null, "slo_url": null, "subject_attribute": null });
    let reply = desk.patch(&made, cleared).await;
    assert_eq!(reply.body["saml"]["allow_sha1_until"], Value::Null);
    assert_eq!(reply.body["saml"]["name_id_format"], Value::Null);
    let other = json!({ "protocol": "oidc" });
    assert_eq!(
        desk.call(Method::PATCH, &made, "", Some(&other))
            .await
            .status,
        409
    );
}

async fn metadata_adds_certificates_and_removes_none(server: TestServer) {
    let desk = Desk::at(&server).await;
    let (first, second, third) = (key(&server, 300), key(&server, 600), key(&server, 900));
    let made = desk
        .connect(json!({ "metadata_xml": Described::with(&[&first]).xml() }))
        .await;
    let epoch = desk.epoch(&made).await;
    let reply = desk
        .patch(
            &made,
            json!({ "metadata_xml": Described::with(&[&second]).xml() }),
        )
        .await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(trusted(&reply.body), sorted(&[&first, &second]));
    let publisher = Publisher::start(Described::with(&[&third]).xml()).await;
    let reply = desk
        .patch(
            &made,
            json!({ "metadata_url": publisher.url, "sso_binding": "post" }),
        )
        .await;
    assert_eq!(trusted(&reply.body), sorted(&[&first, &second, &third]));
    assert_eq!(reply.body["saml"]["metadata"]["url"], publisher.url);
    assert_eq!(
        reply.body["saml"]["sso_url"],
        "https://idp.acme.test/sso/post"
    );
    let seen = |connection: &Value, key| {
        let certificates = connection["saml"]["certificates"].as_array().unwrap();
        let found = certificates
            .iter()
            .find(|certificate| certificate["fingerprint"] == fingerprint(key));
        found.unwrap()["in_metadata"].clone()
    };
    assert_eq!(seen(&reply.body, &first), false);
    assert_eq!(seen(&reply.body, &third), true);
    assert_eq!(desk.epoch(&made).await, epoch, "more trust ends nothing");
    let announced = desk.events("connection.certificate_added").await;
    let announced: Vec<&str> = announced
        .iter()
        .map(|data| data["fingerprint"].as_str().unwrap())
        .collect();
    assert_eq!(announced, [fingerprint(&second), fingerprint(&third)]);

    let refused = desk
        .patch(&made, json!({ "sso_url": "https://idp.acme.test/x" }))
        .await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    let reply = desk
        .patch(
            &made,
            json!({ "metadata_url": null, "sso_url": "https://idp.acme.test/x" }),
        )
        .await;
    assert_eq!(reply.body["saml"]["metadata"], Value::Null);
    assert_eq!(reply.body["saml"]["sso_url"], "https://idp.acme.test/x");
    let refused = desk
        .call(Method::POST, &made, "/metadata/refresh", None)
        .await;
    assert_eq!(refused.status, 409, "{}", refused.body);
}

async fn the_last_certificate_of_an_active_connection_stays(server: TestServer) {
    let desk = Desk::at(&server).await;
    let (first, second) = (key(&server, 300), key(&server, -1));
    let made = desk
        .connect(json!({ "metadata_xml": Described::with(&[&first]).xml() }))
        .await;
    let epoch = desk.epoch(&made).await;
    let add = |text: String| json!({ "certificate": text });
    let reply = desk
        .call(
            Method::POST,
            &made,
            "/certificates",
            Some(&add(second.certificate_pem())),
        )
        .await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    assert_eq!(reply.body["expired"], true, "a key is pinned, not a date");
    assert_eq!(reply.body["source"], "operator");
    let again = add(second.certificate().base64());
    let again = desk
        .call(Method::POST, &made, "/certificates", Some(&again))
        .await;
    assert_eq!(again.status, 409);
    let nonsense = add("nonsense!".to_owned());
    let nonsense = desk
        .call(Method::POST, &made, "/certificates", Some(&nonsense))
        .await;
    assert_eq!(nonsense.body["errors"][0]["field"], "certificate");
    assert_eq!(desk.epoch(&made).await, epoch);

    let gone = fingerprint(&first).to_ascii_uppercase();
    let removed = |fingerprint: String| format!("/certificates/{fingerprint}");
    let reply = desk
        .call(Method::DELETE, &made, &removed(gone.clone()), None)
        .await;
    assert_eq!(reply.status, 204, "{}", reply.body);
    assert!(desk.epoch(&made).await > epoch);
    let reply = desk.call(Method::DELETE, &made, &removed(gone), None).await;
    assert_eq!(reply.status, 404);
    let last = removed(fingerprint(&second));
    let reply = desk.call(Method::DELETE, &made, &last, None).await;
    assert_eq!(reply.status, 409, "{}", reply.body);
    let listed = desk.call(Method::GET, &made, "/certificates", None).await;
    assert_eq!(listed.body["data"][0]["fingerprint"], fingerprint(&second));

    let state = |state: &str| json!({ "state": state });
    desk.call(Method::PATCH, &made, "", Some(&state("inactive")))
        .await;
    let reply = desk.call(Method::DELETE, &made, &last, None).await;
    assert_eq!(reply.status, 204, "{}", reply.body);
    let reply = desk
        .call(Method::PATCH, &made, "", Some(&state("active")))
        .await;
    assert_eq!(reply.status, 409, "{}", reply.body);
    let other = json!({ "protocol": "oidc", "oidc": { "issuer": "https://idp.acme.test", "client_id": "c" } });
    let other = desk.ask_for(other).await.body;
    let listed = desk.call(Method::GET, &other, "/certificates", None).await;
    assert_eq!(listed.status, 409);
    let keys = desk.call(Method::GET, &other, "/keys", None).await;
    assert_eq!(keys.body["data"], json!([]), "it could have some");
}
