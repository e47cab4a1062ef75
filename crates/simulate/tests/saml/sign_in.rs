//! Sign-in, whoever begins it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use url::Url;
use vestibule_simulate::http::Http;
use vestibule_simulate::saml::{
    Certificate, Element, Encrypter, KeyKind, NO_PASSIVE, PERSISTENT, QuerySigner, RESPONDER,
    SamlKey, Signer, Style, TRANSIENT,
};
use vestibule_simulate::{
    Browser, Encrypts, IdentityProvider, IdpConfig, KeyOverlap, NameIdKind, Person, Place,
    RequestRule, SamlClient, SloBinding,
};

use crate::world::{
    ACS, DATA, SLO, SP, World, attribute, is_login, response_of, rsa, values, verify,
};

#[tokio::test]
async fn a_person_signs_in_at_a_service_provider() {
    for style in Style::ALL {
        let mut world = World::with(SamlClient::new(SP, ACS).style(style)).await;
        let page = world.sign_in().await;
        let form = page.forms()[0].clone();
        assert_eq!((form.action.as_str(), page.status), (ACS, 200));
        assert_eq!(form.value("RelayState"), Some("handle 1&2"));
        assert!(page.body.contains("<button type=\"submit\">"));
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("script-src 'self'"), "{policy}");

        let response = response_of(&page);
        world.verify(&response);
        let entity_id = world.idp.saml_entity_id();
        assert_eq!(response.text_of("Issuer"), Some(entity_id));
        assert_eq!(response.get("InResponseTo"), Some("_request-1"));
        assert_eq!(response.get("Destination"), Some(ACS));
        assert_eq!(attribute(&response, &DATA, "Recipient"), Some(ACS));
        assert_eq!(
            attribute(&response, &DATA, "InResponseTo"),
            Some("_request-1")
        );
        assert_eq!(response.text_of("Audience").as_deref(), Some(SP));
        let name_id = response.find("NameID").unwrap();
        assert_eq!(name_id.get("Format"), Some(PERSISTENT));
        let all = response.find("AttributeStatement").unwrap().inner_text();
        for value in [
            &world.ada.oid,
            &world.ada.user_name,
            "Ada Lovelace",
            "poets & <others>",
        ] {
            assert!(all.contains(value), "{value} is not in {all}");
        }
        let oid = match style {
            Style::Entra | Style::Adfs => {
                "http://schemas.microsoft.com/identity/claims/objectidentifier"
            }
            Style::Shibboleth => "urn:oid:1.3.6.1.4.1.5923.1.1.1.13",
            _ => "oid",
        };
        assert_eq!(values(&response, oid), [world.ada.oid.clone()]);
    }
}

#[tokio::test]
async fn a_session_answers_unless_authentication_is_forced() {
    let mut world = World::new().await;
    let passive = world.ask("IsPassive=\"true\"").await;
    let refused = response_of(&passive);
    world.verify(&refused);
    assert!(refused.child_named("Assertion").is_none());
    let code = ["Status", "StatusCode"];
    assert_eq!(attribute(&refused, &code, "Value"), Some(RESPONDER));
    let inner = ["Status", "StatusCode", "StatusCode"];
    assert_eq!(attribute(&refused, &inner, "Value"), Some(NO_PASSIVE));

    let first = response_of(&world.sign_in().await);
    let second = response_of(&world.ask("IsPassive=\"1\"").await);
    assert_eq!(first.text_of("NameID"), second.text_of("NameID"));
    assert_ne!(first.get("ID"), second.get("ID"));
    let index = |response: &Element| {
        let statement = response.find("AuthnStatement").unwrap();
        statement.get("SessionIndex").unwrap().to_owned()
    };
    assert_eq!(index(&first), index(&second));

    let forced = world.ask("ForceAuthn=\"true\"").await;
    let again = response_of(&world.type_password(&forced).await);
    assert_ne!(index(&first), index(&again), "another session");
    assert_eq!(first.text_of("NameID"), again.text_of("NameID"));
}

#[tokio::test]
async fn name_ids_are_what_the_client_or_the_request_wants() {
    let cases = [
        (NameIdKind::ObjectId, PERSISTENT),
        (
            NameIdKind::EmailAddress,
            "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
        ),
        (
            NameIdKind::UserName,
            "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
        ),
        (NameIdKind::Transient, TRANSIENT),
    ];
    let mut world = World::new().await;
    let lasting = response_of(&world.sign_in().await)
        .text_of("NameID")
        .unwrap();
    for (kind, format) in cases {
        let mut world = World::with(SamlClient::new(SP, ACS).name_id(kind)).await;
        let response = response_of(&world.sign_in().await);
        let name_id = response.find("NameID").unwrap();
        assert_eq!(name_id.get("Format"), Some(format));
        let value = name_id.inner_text();
        match kind {
            NameIdKind::ObjectId => assert_eq!(value, world.ada.oid),
            NameIdKind::EmailAddress => assert_eq!(value, world.ada.email),
            NameIdKind::UserName => assert_eq!(value, world.ada.user_name),
            _ => assert_ne!(value, lasting),
        }
    }
    let transient = world.request("").replace(
        "</saml:Issuer>",
        &format!("</saml:Issuer><samlp:NameIDPolicy Format=\"{TRANSIENT}\"/>"),
    );
    let mut seen = vec![lasting];
    for forgets in [false, false, true] {
        let mut page = world.ask_with(&transient, None, None).await;
        if forgets {
            world.browser.forget();
            page = world.ask_with(&transient, None, None).await;
            page = world.type_password(&page).await;
        }
        let response = response_of(&page);
        let name_id = response.find("NameID").unwrap();
        assert_eq!(name_id.get("Format"), Some(TRANSIENT));
        seen.push(name_id.inner_text());
    }
    assert_eq!(seen[1], seen[2], "one session, one identifier");
    assert!(seen[0] != seen[1] && seen[2] != seen[3]);
}

#[tokio::test]
async fn strangers_and_foreign_addresses_get_no_answer() {
    let mut world = World::new().await;
    world.sign_in().await;
    let unknown = world.request("").replace("sp.example", "evil.example");
    let foreign = world.request("AssertionConsumerServiceURL=\"https://evil.example/acs\"");
    let elsewhere = world.request("").replace("/saml/sso", "/saml/other");
    for xml in [
        unknown.as_str(),
        &foreign,
        &elsewhere,
        "<samlp:Respo",
        "<Response/>",
    ] {
        let page = world.ask_with(xml, None, None).await;
        assert_eq!((page.status, page.forms().len()), (400, 0), "{xml}");
    }
    let registered = world.request(&format!("AssertionConsumerServiceURL=\"{ACS}\""));
    response_of(&world.ask_with(&registered, None, None).await);
}

#[tokio::test]
async fn signed_requests_are_checked_in_both_bindings() {
    let key = SamlKey::generate(KeyKind::P256).unwrap();
    let other = SamlKey::generate(KeyKind::P256).unwrap();
    let mut client = SamlClient::new(SP, ACS);
    client.certificates = vec![rsa().certificate().clone(), key.certificate().clone()];
    client.requests = RequestRule::MustBeSigned;
    let mut world = World::with(client).await;
    let xml = world.request("");
    for (signer, status) in [
        (None, 400),
        (Some(QuerySigner::new(&other)), 400),
        (Some(QuerySigner::new(&key)), 200),
        (Some(QuerySigner::new(rsa())), 200),
    ] {
        let page = world.ask_with(&xml, Some("x"), signer.as_ref()).await;
        assert_eq!((page.status, is_login(&page)), (status, status == 200));
    }
    let to = Url::parse(&world.idp.saml_sso_url()).unwrap();
    for (signer, status) in [(None, 400), (Some(&other), 400), (Some(&key), 200)] {
        let mut element = Element::parse(&xml).unwrap();
        if let Some(key) = signer {
            Signer::new(key).sign_root(&mut element).unwrap();
        }
        let message = STANDARD.encode(element.to_xml());
        let fields = [("SAMLRequest", message.as_str()), ("RelayState", "posted")];
        let page = world.browser.post_from(None, &to, &fields).await.unwrap();
        assert_eq!((page.status, is_login(&page)), (status, status == 200));
        if status == 200 {
            let page = world.type_password(&page).await;
            assert_eq!(page.forms()[0].value("RelayState"), Some("posted"));
            assert_eq!(response_of(&page).get("InResponseTo"), Some("_request-1"));
        }
    }
}

#[tokio::test]
async fn an_unknown_authentication_context_is_answered_with_a_failure() {
    let mut world = World::new().await;
    let xml = world.request("").replace(
        "</saml:Issuer>",
        "</saml:Issuer><samlp:RequestedAuthnContext><saml:AuthnContextClassRef>urn:smartcard\
         </saml:AuthnContextClassRef></samlp:RequestedAuthnContext>",
    );
    let response = response_of(&world.ask_with(&xml, None, None).await);
    let inner = ["Status", "StatusCode", "StatusCode"];
    let wanted = "urn:oasis:names:tc:SAML:2.0:status:NoAuthnContext";
    assert_eq!(attribute(&response, &inner, "Value"), Some(wanted));
}

#[tokio::test]
async fn a_login_can_begin_at_the_home_page() {
    let mut client = SamlClient::new(SP, ACS);
    client.start_relay_state = Some("from-the-tile".to_owned());
    client.session_ttl = Some(28_800);
    let mut world = World::with(client).await;
    let home = world.browser.get(world.idp.url()).await.unwrap();
    let link = home.links()[0].clone();
    let form = world.browser.follow(&home, &link.href).await.unwrap();
    let page = world.type_password(&form).await;
    assert_eq!(page.forms()[0].value("RelayState"), Some("from-the-tile"));
    let response = response_of(&page);
    world.verify(&response);
    assert_eq!(response.get("InResponseTo"), None);
    assert_eq!(attribute(&response, &DATA, "InResponseTo"), None);
    let until = ["Assertion", "AuthnStatement"];
    assert!(attribute(&response, &until, "SessionNotOnOrAfter").is_some());
    let start = Url::parse(&world.idp.saml_start_url(SP)).unwrap();
    response_of(&world.browser.get(&start).await.unwrap());
    let unknown = Url::parse(&world.idp.saml_start_url("urn:unknown")).unwrap();
    assert_eq!(world.browser.get(&unknown).await.unwrap().status, 400);
}

#[tokio::test]
async fn keys_roll_over_with_an_announcement() {
    let mut world = World::new().await;
    let certificates = |world: &World| {
        let metadata = Element::parse(&world.idp.saml_metadata().unwrap()).unwrap();
        let descriptor = metadata.child_named("IDPSSODescriptor").unwrap();
        let keys = descriptor
            .elements()
            .filter_map(|key| key.text_of("X509Certificate"));
        keys.map(|key| Certificate::from_pem(&key).unwrap())
            .collect::<Vec<_>>()
    };
    let url = Url::parse(&world.idp.saml_entity_id()).unwrap();
    let served = world.browser.get(&url).await.unwrap();
    assert_eq!(served.body, world.idp.saml_metadata().unwrap());
    assert_eq!(
        served.header("content-type"),
        Some("application/samlmetadata+xml")
    );
    let first = world.idp.saml_key().unwrap();
    assert_eq!(certificates(&world), [first.certificate().clone()]);

    let next = world.idp.announce_saml_key().unwrap();
    let both = [first.certificate().clone(), next.certificate().clone()];
    assert_eq!(certificates(&world), both);
    verify(&response_of(&world.sign_in().await), first.certificate()).unwrap();

    world.idp.rotate_saml_key(KeyOverlap::KeepFormer).unwrap();
    let response = response_of(&world.ask("").await);
    verify(&response, next.certificate()).unwrap();
    verify(&response, first.certificate()).unwrap_err();
    assert_eq!(
        certificates(&world),
        [next.certificate().clone(), first.certificate().clone()]
    );
    let third = world.idp.rotate_saml_key(KeyOverlap::DropFormer).unwrap();
    assert_eq!(certificates(&world), [third.certificate().clone()]);
}

#[tokio::test]
async fn assertions_are_encrypted_for_those_who_want_it() {
    for (encrypts, hidden) in [
        (Encrypts::Assertion, "EncryptedAssertion"),
        (Encrypts::NameId, "EncryptedID"),
    ] {
        let mut client = SamlClient::new(SP, ACS);
        client.encrypter = Some(Encrypter::new(rsa().certificate()));
        client.encrypts = encrypts;
        let mut world = World::with(client).await;
        let response = response_of(&world.sign_in().await);
        world.verify(&response);
        assert!(response.find(hidden).is_some());
        assert!(response.find("NameID").is_none());
    }
}

#[tokio::test]
async fn a_service_provider_is_known_by_its_metadata() {
    let certificate = rsa().certificate().base64();
    let key = |usage: &str| {
        format!(
            "<md:KeyDescriptor {usage}><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">\
             <ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data>\
             </ds:KeyInfo></md:KeyDescriptor>"
        )
    };
    let binding = "urn:oasis:names:tc:SAML:2.0:bindings";
    let metadata = |keys: &str| {
        format!(
            "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"{}\">\
             <md:SPSSODescriptor AuthnRequestsSigned=\"true\">{keys}\
             <md:SingleLogoutService Binding=\"{binding}:HTTP-POST\" Location=\"{SLO}\"/>\
             <md:AssertionConsumerService Binding=\"{binding}:HTTP-POST\" Location=\"{ACS}\"/>\
             </md:SPSSODescriptor></md:EntityDescriptor>",
            SP.replace('&', "&amp;")
        )
    };
    let client = SamlClient::from_metadata(&metadata(&key("use=\"signing\""))).unwrap();
    assert_eq!(
        (client.entity_id.as_str(), client.acs_url.as_str()),
        (SP, ACS)
    );
    assert_eq!(client.slo_url.as_deref(), Some(SLO));
    assert_eq!(client.slo_binding, SloBinding::Post);
    assert_eq!(client.requests, RequestRule::MustBeSigned);
    assert_eq!(client.certificates, [rsa().certificate().clone()]);
    assert!(client.encrypter.is_none());
    let keys = key("use=\"signing\"") + &key("use=\"encryption\"");
    let client = SamlClient::from_metadata(&metadata(&keys)).unwrap();
    assert_eq!(client.certificates.len(), 1);
    assert!(client.encrypter.is_some());
    let client = SamlClient::from_metadata(&metadata(&key(""))).unwrap();
    assert!(client.encrypter.is_some() && client.certificates.len() == 1);
    SamlClient::from_metadata("<a/>").unwrap_err();
}

#[tokio::test]
async fn service_providers_can_be_registered_from_outside() {
    let mut config = IdpConfig::new(Place::bind("127.0.0.1", 0).await.unwrap());
    config.admin_token = Some("admin".to_owned());
    let idp = IdentityProvider::start(config).await.unwrap();
    let http = Http::new(&[]).unwrap();
    let url = idp.url().join("saml/clients").unwrap();
    let new = json!({"entity_id": SP, "acs_url": ACS, "slo_url": SLO});
    for (token, body, status) in [
        (None, &new, 401),
        (Some("admin"), &json!({"metadata_xml": "<a/>"}), 400),
        (Some("admin"), &new, 201),
    ] {
        let answer = http.post_json(url.as_str(), token, body).await.unwrap();
        assert_eq!(answer.status, status);
    }
    let mut browser = Browser::new().unwrap();
    let start = Url::parse(&idp.saml_start_url(SP)).unwrap();
    assert!(is_login(&browser.get(&start).await.unwrap()));

    // With a name for its tile, and with what people are called there.
    let ada = Person::new("Ada", "Lovelace", "acme.test").unwrap();
    idp.add_person(ada.clone());
    let new =
        json!({"entity_id": SP, "acs_url": ACS, "name": "Fieldnotes", "name_id": "object-id"});
    let answer = http.post_json(url.as_str(), Some("admin"), &new).await;
    assert_eq!(answer.unwrap().status, 201);
    let home = browser.get(idp.home_url()).await.unwrap();
    let tile = home
        .links()
        .into_iter()
        .find(|link| link.text.ends_with("Fieldnotes"));
    let form = browser.follow(&home, &tile.unwrap().href).await.unwrap();
    let fields = [("username", &*ada.user_name), ("password", &*ada.password)];
    let page = browser.submit(&form, &fields).await.unwrap();
    let name_id = response_of(&page).text_of("NameID");
    assert_eq!(name_id.as_deref(), Some(ada.oid.as_str()));
}
