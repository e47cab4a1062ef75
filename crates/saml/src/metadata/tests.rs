use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::outgoing::fixtures::{curve, rsa, rule};

const NOW: i64 = 1_795_327_200;
const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";

fn key(purpose: &str, certificate: &Certificate) -> String {
    format!(
        "<md:KeyDescriptor{purpose}><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:X509Data>\
         <ds:X509Certificate>\n{}\n</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>",
        certificate.to_base64()
    )
}

const SSO: &str = "<md:SingleSignOnService \
    Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" Location=\"https://idp.example/sso\"/>";

fn role(content: &str) -> String {
    format!(
        "<md:IDPSSODescriptor protocolSupportEnumeration=\"{PROTOCOL}\">{content}</md:IDPSSODescriptor>"
    )
}

fn entity(id: &str, content: &str) -> String {
    format!(
        "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"{id}\">{content}\
         </md:EntityDescriptor>"
    )
}

fn aggregate(content: &str) -> String {
    format!(
        "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\">{content}</md:EntitiesDescriptor>"
    )
}

fn signing() -> String {
    key(" use=\"signing\"", rsa().certificate())
}

fn plain() -> String {
    entity("https://idp.example", &role(&format!("{}{SSO}", signing())))
}

fn service_provider(id: &str) -> String {
    entity(
        id,
        &format!("<md:SPSSODescriptor protocolSupportEnumeration=\"{PROTOCOL}\"/>"),
    )
}

fn parse(xml: &str) -> Result<IdpMetadata, Error> {
    IdpMetadata::parse(xml, None, NOW)
}

#[track_caller]
fn changed(from: &str, to: &str) -> Result<IdpMetadata, Error> {
    let xml = plain();
    let other = xml.replacen(from, to, 1);
    assert_ne!(xml, other, "{from} is not there");
    parse(&other)
}

#[test]
fn everything_is_read() {
    let content = "<!-- edited by hand -->";
    let idp = format!(
        "<md:IDPSSODescriptor WantAuthnRequestsSigned=\"true\" cacheDuration=\"PT6H\" \
         protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:1.1:protocol {PROTOCOL}\">{content}{}{}{}\
         <md:SingleLogoutService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:SOAP\" Location=\"http://x.example/soap\"/>\
         <md:SingleLogoutService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" \
         Location=\"https://idp.example/slo\" ResponseLocation=\"https://idp.example/slo/answer\"/>\
         <md:SingleLogoutService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" \
         Location=\"https://idp.example/slo/post\"/>\
         <md:NameIDFormat>urn:a</md:NameIDFormat><md:NameIDFormat> urn:b </md:NameIDFormat>\
         <md:NameIDFormat>urn:a</md:NameIDFormat>\
         <md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" \
         Location=\" https://idp.example/post\n\"/>{SSO}\
         <md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" \
         Location=\"https://idp.example/second\"/></md:IDPSSODescriptor>",
        signing(),
        key("", curve().certificate()),
        key(" use=\"encryption\"", curve().certificate()),
    );
    let organization = "<md:Organization><md:OrganizationName xml:lang=\"en\">acme</md:OrganizationName>\
         <md:OrganizationDisplayName xml:lang=\"de\">Akme</md:OrganizationDisplayName>\
         <md:OrganizationDisplayName xml:lang=\"en\">Acme &amp; Sons</md:OrganizationDisplayName></md:Organization>";
    let xml = format!(
        "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<?style x?>\n{}",
        entity("https://idp.example", &format!("{idp}{organization}")).replacen(
            " entityID",
            " validUntil=\"2026-12-22T06:00:00Z\" cacheDuration=\"P1D\" entityID",
            1
        )
    );
    let found = parse(&xml).unwrap();
    assert_eq!(found.entity_id, "https://idp.example");
    assert_eq!(
        found.sso_redirect.as_deref(),
        Some("https://idp.example/sso")
    );
    assert_eq!(found.sso_post.as_deref(), Some("https://idp.example/post"));
    let slo = found.slo_redirect.unwrap();
    assert_eq!(slo.location, "https://idp.example/slo");
    assert_eq!(slo.answer_location(), "https://idp.example/slo/answer");
    let slo = found.slo_post.unwrap();
    assert_eq!(slo.answer_location(), "https://idp.example/slo/post");
    assert!(found.want_authn_requests_signed);
    assert_eq!(found.name_id_formats, ["urn:a", "urn:b"]);
    assert_eq!(
        found.certificates,
        [rsa().certificate().clone(), curve().certificate().clone()]
    );
    assert_eq!(found.problems, []);
    assert_eq!(found.valid_until, Some(NOW + 30 * 86_400));
    assert_eq!(found.cache_duration, Some(6 * 3600));
    assert_eq!(found.display_name.as_deref(), Some("Acme & Sons"));
}

#[test]
fn little_is_enough() {
    let found = parse(&plain()).unwrap();
    assert_eq!(found.sso_post, None);
    assert_eq!(found.slo_redirect, None);
    assert!(!found.want_authn_requests_signed);
    assert_eq!(found.valid_until, None);
    assert_eq!(found.cache_duration, None);
    assert_eq!(found.display_name, None);
    let wanted = IdpMetadata::parse(&plain(), Some("https://idp.example"), NOW);
    assert_eq!(wanted.unwrap().entity_id, "https://idp.example");
}

#[test]
fn a_key_for_encryption_signs_nothing() {
    let encryption = key(" use=\"encryption\"", rsa().certificate());
    for content in [
        encryption.clone(),
        String::new(),
        key(" use=\"Signing\"", rsa().certificate()),
        key(" use=\"\"", rsa().certificate()),
    ] {
        let xml = entity("https://idp.example", &role(&format!("{content}{SSO}")));
        assert_eq!(rule(parse(&xml)), Rule::MetadataCertificate, "{content}");
    }
    // Nor does the key of another role.
    let beside = format!(
        "<md:SPSSODescriptor protocolSupportEnumeration=\"{PROTOCOL}\">{}</md:SPSSODescriptor>{}",
        signing(),
        role(&format!("{encryption}{SSO}"))
    );
    let xml = entity("https://idp.example", &beside);
    assert_eq!(rule(parse(&xml)), Rule::MetadataCertificate);
}

#[test]
fn a_certificate_that_cannot_be_used_is_reported() {
    let weak = "<md:KeyDescriptor><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:X509Data>\
        <ds:X509Certificate>AAAA</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>";
    let named = "<md:KeyDescriptor><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">\
        <ds:KeyName>a</ds:KeyName></ds:KeyInfo></md:KeyDescriptor>";
    let from = |keys: &str| {
        parse(&entity(
            "https://idp.example",
            &role(&format!("{keys}{SSO}")),
        ))
    };
    let found = from(&format!("{weak}{named}{}", signing())).unwrap();
    assert_eq!(found.certificates, [rsa().certificate().clone()]);
    assert_eq!(
        found.problems,
        [
            MetadataProblem::Certificate(CertificateError::Malformed),
            MetadataProblem::KeyWithoutCertificate
        ]
    );
    let error = from(weak).unwrap_err();
    assert_eq!(error.rule(), Rule::MetadataCertificate);
    assert!(
        error.got().contains("not an X.509 certificate"),
        "{error:?}"
    );
    assert_eq!(rule(from(named)), Rule::MetadataCertificate);
    assert_eq!(from(&signing().repeat(64)).unwrap().certificates.len(), 1);
    assert_eq!(rule(from(&signing().repeat(65))), Rule::MetadataCertificate);
    assert_eq!(
        rule(from(&format!("{}{}", named.repeat(65), signing()))),
        Rule::MetadataCertificate
    );
}

#[test]
fn authorities_of_a_chain_sign_nothing() {
    let named = |name: &str| {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        params
    };
    let pair = || rcgen::KeyPair::generate().unwrap();
    let der = |certificate: &rcgen::Certificate| Certificate::from_der(certificate.der()).unwrap();
    let authority = rcgen::CertifiedIssuer::self_signed(named("authority"), pair()).unwrap();
    let leaf = named("idp").signed_by(&pair(), &authority).unwrap();
    let together = |certificates: &[Certificate]| {
        let inside: Vec<String> = certificates
            .iter()
            .map(|certificate| {
                format!(
                    "<ds:X509Certificate>{}</ds:X509Certificate>",
                    certificate.to_base64()
                )
            })
            .collect();
        let inside = inside.concat();
        let keys = format!(
            "<md:KeyDescriptor><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">\
             <ds:X509Data>{inside}</ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
        );
        parse(&entity(
            "https://idp.example",
            &role(&format!("{keys}{SSO}")),
        ))
        .unwrap()
    };
    let (authority, leaf) = (Certificate::from_der(authority.der()).unwrap(), der(&leaf));
    for chain in [[leaf.clone(), authority.clone()], [authority, leaf.clone()]] {
        let found = together(&chain);
        assert_eq!(found.certificates, std::slice::from_ref(&leaf));
        assert_eq!(found.problems, [MetadataProblem::Authority]);
    }
    // Successive certificates under one name are no chain.
    let successive = [1, 2].map(|_| der(&named("idp").self_signed(&pair()).unwrap()));
    assert_eq!(together(&successive).certificates, successive);
}

#[test]
fn addresses_are_checked() {
    for url in [
        "http://idp.example/sso",
        "javascript:alert(1)",
        "javascript://idp.example/%0aalert(1)",
        "data:text/html,x",
        "/sso",
        "",
        "https://user@idp.example/sso",
        "https://idp.example/#a",
    ] {
        let result = changed("https://idp.example/sso", url);
        assert_eq!(rule(result), Rule::MetadataEndpoint, "{url}");
        for addresses in [
            format!("Location=\"{url}\""),
            format!("Location=\"https://idp.example\" ResponseLocation=\"{url}\""),
        ] {
            let logout = format!(
                "<md:SingleLogoutService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" \
                 {addresses}/>{SSO}"
            );
            let result = changed(SSO, &logout);
            assert_eq!(rule(result), Rule::MetadataEndpoint, "{addresses}");
        }
        assert_eq!(rule(check_endpoint(url)), Rule::MetadataEndpoint);
    }
    let found = changed("https://idp.example/sso", "http://127.0.0.1:8080/sso").unwrap();
    assert_eq!(
        found.sso_redirect.as_deref(),
        Some("http://127.0.0.1:8080/sso")
    );
    assert_eq!(check_endpoint("https://idp.example/sso"), Ok(()));
}

#[test]
fn there_is_a_way_to_sign_on() {
    assert_eq!(rule(changed(SSO, "")), Rule::MetadataEndpoint);
    assert_eq!(
        rule(changed("bindings:HTTP-Redirect", "bindings:SOAP")),
        Rule::MetadataEndpoint
    );
}

#[test]
fn metadata_has_an_end() {
    let ending = |end: &str| {
        changed(
            "<md:IDPSSODescriptor",
            &format!("<md:IDPSSODescriptor validUntil=\"{end}\""),
        )
    };
    assert_eq!(
        ending("2026-11-22T06:00:01Z").unwrap().valid_until,
        Some(NOW + 1)
    );
    assert_eq!(rule(ending("2026-11-22T06:00:00Z")), Rule::MetadataExpired);
    assert_eq!(rule(ending("2016-11-22T06:00:00Z")), Rule::MetadataExpired);
    assert_eq!(rule(ending("someday")), Rule::Instant);
    // The nearest end of all that stand around counts.
    let xml = aggregate(&plain())
        .replacen(
            "<md:EntitiesDescriptor",
            "<md:EntitiesDescriptor validUntil=\"2026-11-22T05:00:00Z\"",
            1,
        )
        .replacen(
            "<md:EntityDescriptor",
            "<md:EntityDescriptor validUntil=\"2026-11-22T07:00:00Z\"",
            1,
        );
    assert_eq!(rule(parse(&xml)), Rule::MetadataExpired);
    assert_eq!(
        IdpMetadata::parse(&xml, None, NOW - 7200)
            .unwrap()
            .valid_until,
        Some(NOW - 3600)
    );
}

#[test]
fn a_strange_duration_is_reported() {
    let found = changed(
        "<md:IDPSSODescriptor",
        "<md:IDPSSODescriptor cacheDuration=\"1 day\"",
    );
    let found = found.unwrap();
    assert_eq!(found.cache_duration, None);
    assert_eq!(found.problems, [MetadataProblem::CacheDuration]);
}

#[test]
fn one_of_several_is_chosen() {
    let second = plain().replace("https://idp.example\"", "https://two.example\"");
    let nested = aggregate(&format!(
        "{}{second}",
        service_provider("https://sp.example")
    ));
    let alone = parse(&nested).unwrap();
    assert_eq!(alone.entity_id, "https://two.example");

    let several = aggregate(&format!("{}{}", plain(), aggregate(&nested)));
    let error = parse(&several).unwrap_err();
    assert_eq!(error.rule(), Rule::MetadataChoice);
    assert_eq!(error.got(), "https://idp.example, https://two.example");
    let choose = |id: &str| IdpMetadata::parse(&several, Some(id), NOW);
    assert_eq!(
        choose("https://two.example").unwrap().entity_id,
        "https://two.example"
    );
    for id in [
        "https://three.example",
        "https://sp.example",
        "",
        "https://TWO.example",
    ] {
        assert_eq!(rule(choose(id)), Rule::MetadataEntity, "{id}");
    }
    let wrong = IdpMetadata::parse(&plain(), Some("https://two.example"), NOW);
    assert_eq!(rule(wrong), Rule::MetadataEntity);

    // One for an older version only is no choice.
    let old = second.replace(PROTOCOL, "urn:oasis:names:tc:SAML:1.1:protocol");
    let found = parse(&aggregate(&format!("{}{old}", plain()))).unwrap();
    assert_eq!(found.entity_id, "https://idp.example");
}

#[test]
fn an_entity_that_is_there_twice_is_refused() {
    let twice = aggregate(&format!("{}{}", plain(), plain()));
    assert_eq!(rule(parse(&twice)), Rule::MetadataForm);
    assert_eq!(
        rule(IdpMetadata::parse(&twice, Some("https://idp.example"), NOW)),
        Rule::MetadataForm
    );
    let other = aggregate(&format!(
        "{}{}",
        plain(),
        service_provider("https://idp.example")
    ));
    assert_eq!(rule(parse(&other)), Rule::MetadataForm);
}

#[test]
fn other_documents_are_refused() {
    for (xml, expected) in [
        (service_provider("https://sp.example"), Rule::MetadataForm),
        (aggregate(""), Rule::MetadataForm),
        ("<html/>".to_owned(), Rule::MetadataForm),
        (format!("<a>{}</a>", plain()), Rule::MetadataForm),
        (
            entity(
                "https://x.example",
                &format!("<md:Extensions>{}</md:Extensions>", plain()),
            ),
            Rule::MetadataForm,
        ),
        (
            plain().replace("https://idp.example\"", "\""),
            Rule::MetadataForm,
        ),
        (
            plain().replace("https://idp.example\"", " https://idp.example\""),
            Rule::MetadataForm,
        ),
        (
            plain().replace("https://idp.example\"", &format!("{}\"", "a".repeat(1025))),
            Rule::MetadataForm,
        ),
        (
            plain().replace(PROTOCOL, "urn:mace:shibboleth:1.0"),
            Rule::MetadataProtocol,
        ),
        (
            plain().replace(PROTOCOL, "urn:oasis:names:tc:SAML:2.0:protocolx"),
            Rule::MetadataProtocol,
        ),
        (
            entity(
                "https://idp.example",
                &role(&format!("{}{SSO}", signing())).repeat(2),
            ),
            Rule::MetadataForm,
        ),
        (
            plain().replace("urn:oasis:names:tc:SAML:2.0:metadata", "urn:x"),
            Rule::MetadataForm,
        ),
        (String::new(), Rule::MetadataXml),
        ("not XML".to_owned(), Rule::MetadataXml),
        (format!("<!DOCTYPE x>{}", plain()), Rule::MetadataXml),
        (
            format!(
                "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>{}",
                plain()
            ),
            Rule::MetadataXml,
        ),
        (format!("{}x", plain()), Rule::MetadataXml),
        (
            format!("{}{}", plain(), " ".repeat(MAX_METADATA_BYTES)),
            Rule::MetadataTooLarge,
        ),
    ] {
        let shown: String = xml.chars().take(200).collect();
        assert_eq!(rule(parse(&xml)), expected, "{shown}");
    }
}

#[test]
fn a_remark_does_not_split_an_entity() {
    // A reader that stops at the comment would take another name.
    let xml = plain().replace(
        "<md:SingleSignOnService",
        "<md:NameIDFormat>urn:a<!-- x -->:b</md:NameIDFormat><md:SingleSignOnService",
    );
    assert_eq!(parse(&xml).unwrap().name_id_formats, ["urn:a:b"]);
}

proptest! {
    #[test]
    fn nothing_panics(at in 0..3000_usize, length in 0..60_usize, text in "[<>/&;a-zA-Z:=\" é]{0,20}") {
        let mut xml = aggregate(&plain());
        let boundary = |index: usize| xml.char_indices().map(|(at, _)| at).nth(index).unwrap_or(xml.len());
        let (start, end) = (boundary(at), boundary(at + length));
        xml.replace_range(start..end, &text);
        if let Ok(found) = parse(&xml) {
            prop_assert!(!found.certificates.is_empty());
            prop_assert!(found.sso_redirect.is_some_and(|url| check_endpoint(&url).is_ok()));
        }
    }
}

/// What is known of the files in `tests/data/saml/metadata`; a file that is new there needs a line here.
#[test]
fn published_metadata_is_judged() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/saml/metadata");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "xml") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        check_published(name, &std::fs::read_to_string(&path).unwrap());
        seen += 1;
    }
    assert!(seen >= 8, "{seen} files");
}

fn check_published(name: &str, xml: &str) {
    let samling = "https://fujifish.github.io/samling/samling.html";
    match name {
        "shibboleth" => {
            let found = parse(xml).unwrap();
            assert_eq!(found.entity_id, "https://idp.example.org");
            assert_eq!(
                found.sso_redirect.as_deref(),
                Some("https://localhost:24720/idp/profile/SAML2/Redirect/SSO")
            );
            assert_eq!(
                found.slo_redirect.unwrap().location,
                "https://localhost:24720/idp/profile/SAML2/Redirect/SLO"
            );
            assert_eq!(found.certificates.len(), 1);
        }
        "samling-ecdsa" => {
            let found = parse(xml).unwrap();
            assert_eq!(found.entity_id, samling);
            assert_eq!(found.sso_redirect.as_deref(), Some(samling));
            assert_eq!(found.slo_redirect.unwrap().location, samling);
            assert_eq!(found.sso_post, None);
            assert_eq!(found.certificates.len(), 1);
            assert!(!found.want_authn_requests_signed);
        }
        "samling" => {
            let error = parse(xml).unwrap_err();
            assert_eq!(error.rule(), Rule::MetadataCertificate);
            assert!(error.got().contains("RSA with 1024 bits"), "{error:?}");
        }
        "example-expired" => {
            assert_eq!(rule(parse(xml)), Rule::MetadataExpired);
            let found = IdpMetadata::parse(xml, None, 1_500_000_000).unwrap();
            assert_eq!(found.entity_id, "https://sso.example.org/idp");
            assert_eq!(found.display_name.as_deref(), Some("Example.org"));
            assert_eq!(found.valid_until, Some(1_504_120_229));
        }
        "example-aggregate" => {
            let result =
                IdpMetadata::parse(xml, Some("https://sso.example.org/idp"), 1_500_000_000);
            assert_eq!(rule(result), Rule::MetadataForm);
        }
        // Their `KeyInfo` is in the namespace of the metadata, so that they name no key at all.
        "samlify" | "samlify-two-certificates" | "samlify-key-without-use" => {
            assert_eq!(rule(parse(xml)), Rule::MetadataCertificate, "{name}");
        }
        other => assert!(parse(xml).is_ok(), "{other}: {:?}", parse(xml)),
    }
}
