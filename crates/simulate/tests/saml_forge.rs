//! The forge: what it writes is read again, and its signatures and ciphertexts are undone.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, AES_256, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey,
    Pkcs1PrivateDecryptingKey, PrivateDecryptingKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use vestibule_simulate::saml::{
    Attribute, AuthnRequest, C14n, Conditions, DataAlgorithm, DigestAlgorithm, Element, Encrypter,
    KeyInfo, KeyKind, KeyPlace, KeyTransport, Layout, Login, LogoutRequest, LogoutResponse, NameId,
    PARTIAL_LOGOUT, RESPONDER, Response, SUCCESS, SamlKey, Scope, Seal, SignatureAlgorithm, Status,
    Style, Value,
};

const NOW: i64 = 1_800_000_000;

fn login() -> Login {
    Login::new(
        "https://idp.example/\"é",
        "https://sp.example/metadata",
        "https://sp.example/acs?a=1&b=2",
        NameId::persistent("a<d>a&\r\n\t\"x\""),
        NOW,
    )
    .answering("_request-1")
    .attribute(Attribute::new("groups", ["a", "b>c", ""]))
    .attribute(Attribute {
        values: vec![
            Value::Nil,
            Value::Typed("xs:integer".to_owned(), "5".to_owned()),
        ],
        ..Attribute::new("odd", [])
    })
}

/// Checks every signature of a written response and returns where they are.
fn check(xml: &str, key: &SamlKey) -> Vec<&'static str> {
    let root = Element::parse(xml).unwrap();
    let mut found = Vec::new();
    if root.is_signed() {
        root.verify(key.certificate()).unwrap();
        found.push("response");
    }
    let scope = root.scope(&Scope::new());
    if let Some(assertion) = root.child_named("Assertion")
        && assertion.is_signed()
    {
        assertion.verify_within(key.certificate(), &scope).unwrap();
        found.push("assertion");
    }
    found
}

fn both(style: Style, key: &SamlKey) -> Seal {
    Seal {
        assertion: Some(style.signer(key)),
        response: Some(style.signer(key)),
        ..Seal::nothing()
    }
}

#[test]
fn every_product_signs_what_it_signs_and_in_its_manner() {
    let other = SamlKey::generate(KeyKind::P256).unwrap();
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Rsa2048] {
        let key = SamlKey::generate(kind).unwrap();
        for style in Style::ALL {
            let response = Response::new(style, &login()).unwrap();
            let xml = response.to_xml(&style.seal(&key)).unwrap();
            let signed = check(&xml, &key);
            let wanted: &[&str] = match style {
                Style::Okta => &["response", "assertion"],
                Style::Keycloak | Style::Shibboleth => &["response"],
                _ => &["assertion"],
            };
            assert_eq!(signed, wanted, "{style:?}");
            assert_eq!(xml.starts_with("<?xml"), style.has_declaration());
            let assertion = match style.names().assertion {
                "" => "<Assertion xmlns=\"urn:oasis:names:tc:SAML:2.0:assertion\"".to_owned(),
                prefix => format!("<{prefix}:Assertion "),
            };
            assert!(xml.contains(&assertion), "{xml}");

            let tampered = Element::parse(&xml.replace("b&gt;c", "admins")).unwrap();
            let scope = tampered.scope(&Scope::new());
            let target = tampered.child_named("Assertion").filter(|a| a.is_signed());
            let target = target.unwrap_or(&tampered);
            target.verify_within(key.certificate(), &scope).unwrap_err();
            let genuine = Element::parse(&xml).unwrap();
            let scope = genuine.scope(&Scope::new());
            let target = genuine.child_named("Assertion").filter(|a| a.is_signed());
            let target = target.unwrap_or(&genuine);
            target
                .verify_within(other.certificate(), &scope)
                .unwrap_err();
        }
    }
}

#[test]
fn every_canonicalization_and_digest_verifies_after_reading() {
    let key = SamlKey::generate(KeyKind::P256).unwrap();
    let forms = [
        C14n::exclusive(),
        C14n::with_prefixes(&["xs", "saml", "saml2p", "#default", "absent"]),
        C14n::Inclusive,
        C14n::InclusiveWithComments,
        C14n::Inclusive11,
    ];
    for style in Style::ALL {
        let response = Response::new(style, &login()).unwrap();
        for (form, digest) in forms.iter().zip([
            DigestAlgorithm::Sha1,
            DigestAlgorithm::Sha256,
            DigestAlgorithm::Sha384,
            DigestAlgorithm::Sha512,
            DigestAlgorithm::Sha256,
        ]) {
            let seal = both(style, &key).with_signers(|signer| {
                signer.canonicalization = form.clone();
                signer.transform = form.clone();
                signer.digest = digest;
            });
            let xml = response.to_xml(&seal).unwrap();
            assert_eq!(
                check(&xml, &key),
                ["response", "assertion"],
                "{style:?} {form:?}"
            );
            assert!(
                xml.contains(digest.uri()) && xml.contains(form.uri()),
                "{xml}"
            );
        }
    }
}

#[test]
fn rsa_signs_with_every_hash_and_key_info_can_be_absent() {
    let key = SamlKey::generate(KeyKind::Rsa2048).unwrap();
    let response = Response::new(Style::Keycloak, &login()).unwrap();
    for algorithm in [
        SignatureAlgorithm::RsaSha1,
        SignatureAlgorithm::RsaSha384,
        SignatureAlgorithm::RsaSha512,
        SignatureAlgorithm::RsaPssSha256,
    ] {
        for key_info in [KeyInfo::Absent, KeyInfo::NameCertificateAndValue] {
            let seal = both(Style::Keycloak, &key).with_signers(|signer| {
                signer.algorithm = algorithm;
                signer.key_info = key_info;
            });
            let xml = response.to_xml(&seal).unwrap();
            assert_eq!(
                check(&xml, &key),
                ["response", "assertion"],
                "{algorithm:?}"
            );
            assert_eq!(xml.contains("KeyInfo"), key_info != KeyInfo::Absent);
            assert_eq!(xml.contains("RSAKeyValue"), key_info != KeyInfo::Absent);
        }
    }
    let forged = both(Style::Keycloak, &key)
        .with_signers(|signer| signer.algorithm = SignatureAlgorithm::HmacSha256);
    let xml = response.to_xml(&forged).unwrap();
    Element::parse(&xml)
        .unwrap()
        .verify(key.certificate())
        .unwrap_err();
}

#[test]
fn oktas_prefix_list_puts_its_namespace_into_what_is_digested() {
    let key = SamlKey::generate(KeyKind::P256).unwrap();
    let response = Response::new(Style::Okta, &login()).unwrap();
    let sealed = response.seal(&Style::Okta.seal(&key)).unwrap();
    assert_eq!(sealed.to_xml().matches("PrefixList=\"xs\"").count(), 2);
    let form = C14n::with_prefixes(&["xs"]);
    let text = sealed.canonical(&Scope::new(), &form);
    assert!(text.starts_with("<saml2p:Response xmlns:saml2p="), "{text}");
    let start = text.split('>').next().unwrap();
    assert!(start.contains("xmlns:xs="), "{start}");
    let start = sealed.canonical(&Scope::new(), &C14n::exclusive());
    let start = start.split('>').next().unwrap();
    assert!(!start.contains("xmlns:xs="), "{start}");
}

/// The plaintexts of what is encrypted, in order.
fn decrypt(root: &Element, key: &SamlKey, data: DataAlgorithm, transport: KeyTransport) -> String {
    let private = || PrivateDecryptingKey::from_pkcs8(key.private_key_der()).unwrap();
    let values = |name: &str| {
        let value = root.find(name).unwrap().child_named("CipherData").unwrap();
        STANDARD.decode(value.inner_text()).unwrap()
    };
    let wrapped = values("EncryptedKey");
    let mut out = vec![0; 256];
    let content_key = match transport {
        KeyTransport::Pkcs1 => Pkcs1PrivateDecryptingKey::new(private())
            .unwrap()
            .decrypt(&wrapped, &mut out)
            .unwrap()
            .to_vec(),
        transport => {
            let algorithm = match transport {
                KeyTransport::Oaep11Sha256 => &OAEP_SHA256_MGF1SHA256,
                _ => &OAEP_SHA1_MGF1SHA1,
            };
            OaepPrivateDecryptingKey::new(private())
                .unwrap()
                .decrypt(algorithm, &wrapped, &mut out, None)
                .unwrap()
                .to_vec()
        }
    };
    assert_eq!(content_key.len(), data.key_length());
    let sealed = values("EncryptedData");
    let plain = match data {
        DataAlgorithm::Aes128Gcm | DataAlgorithm::Aes256Gcm => {
            let algorithm = match data {
                DataAlgorithm::Aes128Gcm => &AES_128_GCM,
                _ => &AES_256_GCM,
            };
            let (nonce, rest) = sealed.split_at(12);
            let mut rest = rest.to_vec();
            let nonce = Nonce::try_assume_unique_for_key(nonce).unwrap();
            LessSafeKey::new(UnboundKey::new(algorithm, &content_key).unwrap())
                .open_in_place(nonce, Aad::empty(), &mut rest)
                .unwrap()
                .to_vec()
        }
        DataAlgorithm::Aes128Cbc | DataAlgorithm::Aes256Cbc => {
            let algorithm = match data {
                DataAlgorithm::Aes128Cbc => &AES_128,
                _ => &AES_256,
            };
            let (iv, rest) = sealed.split_at(16);
            let iv: [u8; 16] = iv.try_into().unwrap();
            let mut rest = rest.to_vec();
            let context = DecryptionContext::Iv128(FixedLength::from(&iv));
            let key = UnboundCipherKey::new(algorithm, &content_key).unwrap();
            DecryptingKey::cbc(key)
                .unwrap()
                .decrypt(&mut rest, context)
                .unwrap();
            let padding = usize::from(*rest.last().unwrap());
            assert!((1..=16).contains(&padding));
            rest.truncate(rest.len() - padding);
            rest
        }
    };
    String::from_utf8(plain).unwrap()
}

#[test]
fn encrypted_assertions_decrypt_to_documents_whose_signatures_hold() {
    let recipient = SamlKey::generate(KeyKind::Rsa2048).unwrap();
    let key = SamlKey::generate(KeyKind::P256).unwrap();
    let places = [
        KeyPlace::Inside,
        KeyPlace::BesideRetrieved,
        KeyPlace::BesideUnmentioned,
    ];
    let transports = [
        KeyTransport::OaepMgf1p,
        KeyTransport::OaepMgf1pUnsaid,
        KeyTransport::Oaep11Sha256,
        KeyTransport::Pkcs1,
    ];
    for style in Style::ALL {
        for (at, data) in DataAlgorithm::ALL.into_iter().enumerate() {
            let (place, transport) = (places[at % 3], transports[at]);
            let encrypter = Encrypter {
                data,
                transport,
                place,
                recipient: Some("https://sp.example".to_owned()),
                ..Encrypter::new(recipient.certificate())
            };
            let seal = Seal {
                encrypt_assertion: Some(encrypter),
                ..both(style, &key)
            };
            let response = Response::new(style, &login()).unwrap();
            let xml = response.to_xml(&seal).unwrap();
            assert_eq!(check(&xml, &key), ["response"]);
            assert!(!xml.contains("NameID"), "{xml}");
            let root = Element::parse(&xml).unwrap();
            let inside = root.find("EncryptedData").unwrap().find("EncryptedKey");
            assert_eq!(inside.is_some(), place == KeyPlace::Inside);
            assert_eq!(
                xml.contains("RetrievalMethod"),
                place == KeyPlace::BesideRetrieved
            );
            let plain = decrypt(&root, &recipient, data, transport);
            let assertion = Element::parse(&plain).unwrap();
            assertion.verify(key.certificate()).unwrap();
            assert_eq!(
                assertion.find("NameID").unwrap().inner_text(),
                login().name_id.value
            );
        }
    }
}

#[test]
fn an_encrypted_name_id_stands_under_the_signature() {
    let recipient = SamlKey::generate(KeyKind::Rsa2048).unwrap();
    let key = SamlKey::generate(KeyKind::P256).unwrap();
    for style in Style::ALL {
        let seal = Seal {
            encrypt_name_id: Some(Encrypter::new(recipient.certificate())),
            ..both(style, &key)
        };
        let xml = Response::new(style, &login())
            .unwrap()
            .to_xml(&seal)
            .unwrap();
        assert_eq!(check(&xml, &key), ["response", "assertion"]);
        let root = Element::parse(&xml).unwrap();
        let encrypted = root.find("Subject").unwrap().child_named("EncryptedID");
        let (data, transport) = (DataAlgorithm::Aes256Gcm, KeyTransport::OaepMgf1p);
        let plain = decrypt(encrypted.unwrap(), &recipient, data, transport);
        let name_id = Element::parse(&plain).unwrap();
        assert_eq!(name_id.local_name(), "NameID");
        assert_eq!(name_id.inner_text(), login().name_id.value);
    }
}

#[test]
fn what_is_left_out_is_not_written() {
    let mut response = Response::new(Style::Ping, &login()).unwrap();
    response.id = None;
    response.version = None;
    response.issue_instant = None;
    response.destination = None;
    response.in_response_to = None;
    response.issuer = None;
    response.status = None;
    let assertion = response.assertion_mut().unwrap();
    assertion.id = None;
    assertion.version = None;
    assertion.issue_instant = None;
    assertion.issuer = None;
    assertion.subject = None;
    assertion.conditions = None;
    assertion.authn_statements.clear();
    assertion.attributes.clear();
    let xml = response.to_xml(&Seal::nothing()).unwrap();
    assert_eq!(
        xml,
        "<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\">\
         <saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"/></samlp:Response>"
    );
}

#[test]
fn what_is_added_is_written() {
    let mut response = Response::new(Style::OneLogin, &login()).unwrap();
    response.status = Some(Status {
        message: Some("not today".to_owned()),
        detail: vec![Element::new("why")],
        ..Status::of(RESPONDER, Some("urn:sub"))
    });
    response.extensions = vec![Element::new("more")];
    let names = Style::OneLogin.names();
    let assertion = response.assertion_mut().unwrap();
    assertion.advice = vec![Element::new("hint")];
    let conditions = assertion.conditions.as_mut().unwrap();
    conditions
        .audience_restrictions
        .push(vec!["x".to_owned(), "y".to_owned()]);
    conditions.one_time_use = true;
    conditions.proxy_count = Some(2);
    conditions.further = vec![Conditions::unknown_condition(&names)];
    let confirmation = assertion.confirmation_mut().unwrap();
    confirmation.not_before = Some(0);
    confirmation.address = Some("192.0.2.1".to_owned());
    let xml = response.to_xml(&Seal::nothing()).unwrap();
    for part in [
        "<samlp:Extensions><more/></samlp:Extensions><samlp:Status>",
        "<samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Responder\">\
         <samlp:StatusCode Value=\"urn:sub\"/></samlp:StatusCode>\
         <samlp:StatusMessage>not today</samlp:StatusMessage>\
         <samlp:StatusDetail><why/></samlp:StatusDetail>",
        "<saml:AudienceRestriction><saml:Audience>x</saml:Audience>\
         <saml:Audience>y</saml:Audience></saml:AudienceRestriction>\
         <saml:OneTimeUse/><saml:ProxyRestriction Count=\"2\"/><saml:Condition ",
        "Address=\"192.0.2.1\" InResponseTo=\"_request-1\" NotBefore=\"1970-01-01T00:00:00Z\" \
         NotOnOrAfter=\"2027-01-15T08:05:00Z\"",
        "</saml:Conditions><saml:Advice><hint/></saml:Advice><saml:AuthnStatement ",
        "<saml:AttributeValue xsi:nil=\"true\"/>",
        "<saml:AttributeValue xsi:type=\"xs:integer\">5</saml:AttributeValue>",
    ] {
        assert!(xml.contains(part), "{part}\nis not in\n{xml}");
    }
}

#[test]
fn signed_parts_can_be_moved_about_and_keep_their_signatures() {
    let key = SamlKey::generate(KeyKind::P256).unwrap();
    let response = Response::new(Style::Adfs, &login()).unwrap();
    let mut root = response.seal(&Style::Adfs.seal(&key)).unwrap();
    let genuine = root.take("Assertion").unwrap();
    let mut evil = genuine.clone();
    evil.take("Signature").unwrap();
    evil.set("ID", Some("_evil"));
    evil.find_mut("NameID").unwrap().set_text("admin");
    root.insert(99, evil);
    root.change("StatusCode", |code, _| code.insert(0, genuine.clone()));
    let read = Element::parse(&root.to_xml()).unwrap();
    let hidden = read.find("StatusCode").unwrap().child_named("Assertion");
    hidden.unwrap().verify(key.certificate()).unwrap();
    let shown = read.child_named("Assertion").unwrap();
    assert!(!shown.is_signed());
    assert_eq!(shown.text_of("NameID").as_deref(), Some("admin"));
}

#[test]
fn requests_and_logout_messages_are_read_as_they_were_written() {
    let request = AuthnRequest::read(
        "<?xml version=\"1.0\"?><!-- from a product --><p:AuthnRequest xmlns:p=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
         ID=\"_1\" IssueInstant=\"2027-01-15T08:00:00.000Z\" ForceAuthn=\"true\" IsPassive=\"0\" \
         AssertionConsumerServiceURL=\"https://sp.example/acs\"><Issuer xmlns=\"urn:oasis:names:tc:SAML:2.0:assertion\"> \
         https://sp.example </Issuer><p:NameIDPolicy Format=\"urn:f\"/><p:RequestedAuthnContext>\
         <a:AuthnContextClassRef xmlns:a=\"urn:oasis:names:tc:SAML:2.0:assertion\">urn:c</a:AuthnContextClassRef>\
         </p:RequestedAuthnContext></p:AuthnRequest>",
    )
    .unwrap();
    assert_eq!(
        (request.id.as_str(), request.issuer.as_str()),
        ("_1", "https://sp.example")
    );
    assert_eq!(request.issue_instant, Some(NOW));
    assert!(request.force_authn && !request.is_passive);
    assert_eq!(request.acs_url.as_deref(), Some("https://sp.example/acs"));
    assert_eq!(request.name_id_format.as_deref(), Some("urn:f"));
    assert_eq!(request.context_classes, ["urn:c"]);
    AuthnRequest::read("<Response/>").unwrap_err();

    let key = SamlKey::generate(KeyKind::P256).unwrap();
    for style in Style::ALL {
        let name_id = NameId::persistent("ada");
        let logout = LogoutRequest::new("https://idp", "https://sp/slo", name_id, Some("_s"), NOW);
        let logout = logout.unwrap();
        let mut element = logout.element(style);
        style.signer(&key).sign_root(&mut element).unwrap();
        let xml = style.document(&element);
        assert_eq!(LogoutRequest::read(&xml).unwrap(), logout);
        Element::parse(&xml)
            .unwrap()
            .verify(key.certificate())
            .unwrap();

        let mut done =
            LogoutResponse::new("https://idp", "https://sp/slo", Some("_1"), NOW).unwrap();
        done.status = Some(Status::of(SUCCESS, Some(PARTIAL_LOGOUT)));
        let xml = style.document(&done.element(style));
        assert_eq!(LogoutResponse::read(&xml).unwrap(), done);
    }
}

#[test]
fn a_signed_info_can_be_distorted_before_it_is_signed() {
    let key = SamlKey::generate(KeyKind::P256).unwrap();
    let response = Response::new(Style::Google, &login()).unwrap();
    let mut root = response.seal(&Seal::nothing()).unwrap();
    let signer = Style::Google.signer(&key);
    let void = STANDARD.encode(DigestAlgorithm::Sha256.digest(b""));
    let signature = signer.signature_with(&root, &Scope::new(), |info| {
        info.find_mut("DigestValue").unwrap().set_text(&void);
    });
    root.insert(1, signature.unwrap());
    let read = Element::parse(&root.to_xml()).unwrap();
    assert_eq!(read.text_of("DigestValue"), Some(void));
    let error = read.verify(key.certificate()).unwrap_err();
    assert_eq!(error.to_string(), "the digest is another one");
}

#[test]
fn products_differ_in_order_and_layout() {
    let key = SamlKey::generate(KeyKind::P256).unwrap();
    for style in Style::ALL {
        let mut response = Response::new(style, &login()).unwrap();
        let compact = response.to_xml(&both(style, &key)).unwrap();
        let at = |part: &str| compact.find(part).unwrap();
        let attributes_first = matches!(style, Style::Entra | Style::Adfs | Style::Google);
        let found = at("AttributeStatement") < at("AuthnStatement");
        assert_eq!(found, attributes_first, "{style:?}");
        assert_eq!(compact.contains("Consent="), style == Style::Adfs);
        assert_eq!(
            compact.contains("nameid-format:entity"),
            style == Style::Okta
        );
        response.layout = Layout::Indented;
        let indented = response.to_xml(&both(style, &key)).unwrap();
        assert_eq!(
            check(&indented, &key),
            ["response", "assertion"],
            "{style:?}"
        );
        let name_id = |xml: &str| {
            Element::parse(xml)
                .unwrap()
                .find("NameID")
                .unwrap()
                .inner_text()
        };
        assert_eq!(name_id(&indented), name_id(&compact));
        assert!(indented.contains(":Status>\n    <"), "{indented}");
    }
}
