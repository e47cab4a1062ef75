mod answers;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use vestibule_simulate::saml as peer;

use super::*;
use crate::{
    Certificate, DecryptionKey, Error, Rule, Trust,
    outgoing::fixtures::{curve, query_of, rsa, rule},
    redirect::{self, RedirectMessage},
    sign::sign,
};

const IDP: &str = "https://idp.example/metadata";
const SLO: &str = "https://sp.example/slo";
const NOW: i64 = 1_795_327_200;
const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";

fn trusting(certificates: Vec<Certificate>) -> Trust {
    Trust::new("sp", "https://sp.example/acs", IDP, certificates).unwrap()
}

fn connection() -> Trust {
    trusting(vec![
        rsa().certificate().clone(),
        curve().certificate().clone(),
    ])
}

fn at_slo(trust: &Trust) -> LogoutTrust {
    LogoutTrust::of(trust, SLO)
}

fn trust() -> LogoutTrust {
    at_slo(&connection())
}

fn person() -> NameId {
    NameId::new("a1 <&>", Some(PERSISTENT)).qualified(Some(IDP.to_owned()), Some("sp".to_owned()))
}

/// A request as the identity provider sends it.
fn request() -> LogoutRequest {
    LogoutRequest::new("_r1", NOW, IDP, SLO, person())
        .unwrap()
        .session_indexes(vec!["s-1".to_owned(), "s-2".to_owned()])
        .unwrap()
        .not_on_or_after(NOW + 300)
        .reason(REASON_USER)
        .unwrap()
}

fn response(status: LogoutStatus) -> LogoutResponse {
    LogoutResponse::new("_p1", NOW, IDP, SLO, "_q1", status).unwrap()
}

/// The form parameter of a message that the identity provider signs as it stands.
fn posted(xml: &str) -> String {
    STANDARD.encode(sign(xml, &curve()).unwrap())
}

/// The query of a message that the identity provider signs as it stands.
fn query(kind: RequestOrResponse, xml: &str) -> String {
    redirect::encode(kind, xml, None, Some(&rsa())).unwrap()
}

/// What both bindings say to the request after this change; they have to agree.
#[track_caller]
fn judged(from: &str, to: &str) -> Result<VerifiedLogoutRequest, Error> {
    let xml = request().to_xml();
    let changed = xml.replacen(from, to, 1);
    assert_ne!(xml, changed, "{from} is not there");
    both(&changed, NOW)
}

#[track_caller]
fn both(xml: &str, now: i64) -> Result<VerifiedLogoutRequest, Error> {
    let by_query = trust().request_by_redirect(&query(RequestOrResponse::Request, xml), now);
    let by_form = trust().request_by_post(&posted(xml), now);
    assert_eq!(
        by_query.as_ref().map(|request| request.id.clone()),
        by_form.as_ref().map(|request| request.id.clone()),
    );
    by_form
}

const NAME: &str = "<saml:NameID NameQualifier=\"https://idp.example/metadata\" SPNameQualifier=\"sp\" \
    Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent\">a1 &lt;&amp;&gt;</saml:NameID>";
const ISSUER: &str = "<saml:Issuer>https://idp.example/metadata</saml:Issuer>";

#[test]
fn genuine_requests_are_read() {
    for key in [rsa(), curve()] {
        let url = request().redirect_url(Some("h 1"), Some(&key)).unwrap();
        let by_query = trust().request_by_redirect(query_of(&url), NOW).unwrap();
        assert_eq!(by_query.relay_state.as_deref(), Some("h 1"));
        let form = request().post_form(None, Some(&key)).unwrap();
        assert_eq!(form.parameter, "SAMLRequest");
        let by_form = trust().request_by_post(&form.message, NOW).unwrap();
        for found in [by_query, by_form] {
            assert_eq!(found.id, "_r1");
            assert_eq!(found.issuer, IDP);
            assert_eq!(found.name_id, person());
            assert_eq!(found.session_indexes, ["s-1", "s-2"]);
            assert_eq!(found.remember_until, NOW + 361);
        }
    }
}

#[test]
fn requests_in_the_manner_of_products_are_read() {
    let key = peer::SamlKey::generate(peer::KeyKind::P256).unwrap();
    let pinned = Certificate::from_pem(&key.certificate_pem()).unwrap();
    let trust = at_slo(&trusting(vec![rsa().certificate().clone(), pinned]));
    for style in peer::Style::ALL {
        let name = peer::NameId::persistent("a1");
        let sent = peer::LogoutRequest::new(IDP, SLO, name, Some("s-1"), NOW).unwrap();
        let mut element = sent.element(style);
        let signer = peer::QuerySigner {
            lower_case: true,
            ..peer::QuerySigner::new(&key)
        };
        let url = peer::redirect_url(
            SLO,
            peer::Direction::Request,
            &element.to_xml(),
            Some("h/1"),
            Some(&signer),
        );
        let url = url.unwrap();
        let by_query = trust.request_by_redirect(query_of(&url), NOW).unwrap();
        assert_eq!(by_query.relay_state.as_deref(), Some("h/1"));
        peer::Signer::new(&key).sign_root(&mut element).unwrap();
        let by_form = trust
            .request_by_post(&STANDARD.encode(element.to_xml()), NOW)
            .unwrap();
        for found in [by_query, by_form] {
            assert_eq!(Some(found.id), sent.id, "{style:?}");
            assert_eq!(found.name_id.value, "a1");
            assert_eq!(found.session_indexes, ["s-1"]);
        }
    }
}

#[test]
fn a_request_without_sessions_means_all() {
    let bare = LogoutRequest::new("_r2", NOW, IDP, SLO, NameId::new("x", None)).unwrap();
    let found = both(&bare.to_xml(), NOW).unwrap();
    assert!(found.session_indexes.is_empty());
    assert_eq!(found.name_id, NameId::new("x", None));
}

#[test]
fn unsigned_messages_are_always_refused() {
    let trust = at_slo(&connection().dangerously_allow_sha1().allow_inclusive_c14n());
    let url = request().redirect_url(None, None).unwrap();
    assert_eq!(
        rule(trust.request_by_redirect(query_of(&url), NOW)),
        Rule::Unsigned
    );
    let form = request().post_form(None, None).unwrap();
    assert_eq!(
        rule(trust.request_by_post(&form.message, NOW)),
        Rule::Unsigned
    );
    // A signature inside does not stand for one over the query.
    let inside = redirect::encode(
        RequestOrResponse::Request,
        &sign(&request().to_xml(), &rsa()).unwrap(),
        None,
        None,
    );
    assert_eq!(
        rule(trust.request_by_redirect(&inside.unwrap(), NOW)),
        Rule::Unsigned
    );
    let answer = response(LogoutStatus::Success);
    let url = answer.redirect_url(None, None).unwrap();
    assert_eq!(
        rule(trust.response_by_redirect(query_of(&url), "_q1", NOW)),
        Rule::Unsigned
    );
    let form = answer.post_form(None, None).unwrap();
    assert_eq!(
        rule(trust.response_by_post(&form.message, "_q1", NOW)),
        Rule::Unsigned
    );
}

#[test]
fn nobody_is_trusted_without_a_certificate() {
    assert_eq!(
        rule(Trust::new("sp", "https://sp.example/acs", IDP, Vec::new())),
        Rule::NoCertificate
    );
}

#[test]
fn a_changed_form_is_refused() {
    let xml = sign(&request().to_xml(), &rsa()).unwrap();
    for (from, to, expected) in [
        ("a1 ", "a2 ", Rule::Digest),
        ("s-2", "s-3", Rule::Digest),
        ("_r1\" Version", "_r9\" Version", Rule::SignatureForm),
        ("rsa-sha256", "rsa-sha512", Rule::Signature),
        ("rsa-sha256", "hmac-sha256", Rule::Algorithm),
    ] {
        let changed = xml.replacen(from, to, 1);
        assert_ne!(xml, changed, "{from} is not there");
        let result = trust().request_by_post(&STANDARD.encode(changed), NOW);
        assert_eq!(rule(result), expected, "{from}");
    }
}

#[test]
fn a_genuine_request_inside_another_is_refused() {
    let genuine = sign(&request().to_xml(), &rsa()).unwrap();
    let at = genuine.find("<ds:Signature ").unwrap();
    let end = genuine.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
    let signature = &genuine[at..end];
    let stripped = genuine.replace(signature, "");
    for id in ["_evil", "_r1"] {
        let evil = request()
            .to_xml()
            .replacen("_r1", id, 1)
            .replacen("a1 ", "boss", 1)
            .replacen(
                "</saml:Issuer>",
                &format!(
                    "</saml:Issuer>{signature}<samlp:Extensions>{stripped}</samlp:Extensions>"
                ),
                1,
            );
        let expected = match id {
            "_r1" => Rule::Id,
            _ => Rule::SignatureForm,
        };
        let result = trust().request_by_post(&STANDARD.encode(&evil), NOW);
        assert_eq!(rule(result), expected, "{id}");
        // The whole of it in its own place, inside the other's extensions.
        let evil = request().to_xml().replacen("_r1", id, 1).replacen(
            "</saml:Issuer>",
            &format!("</saml:Issuer><samlp:Extensions>{genuine}</samlp:Extensions>"),
            1,
        );
        let result = trust().request_by_post(&STANDARD.encode(&evil), NOW);
        assert!(matches!(rule(result), Rule::Id | Rule::Misplaced), "{id}");
    }
}

#[test]
fn a_changed_query_is_refused() {
    let good = redirect::encode(
        RequestOrResponse::Request,
        &request().to_xml(),
        Some("h1"),
        Some(&rsa()),
    );
    let good = good.unwrap();
    let judge = |query: &str| rule(trust().request_by_redirect(query, NOW));
    assert!(trust().request_by_redirect(&good, NOW).is_ok());

    assert_eq!(judge(&good.replace("=h1", "=h2")), Rule::Signature);
    assert_eq!(judge(&good.replace("&RelayState=h1", "")), Rule::Signature);
    assert_eq!(
        judge(&good.replace("rsa-sha256", "rsa-sha512")),
        Rule::Signature
    );
    assert_eq!(judge(&format!("{good}&RelayState=h1")), Rule::Redirect);
    assert_eq!(judge(&format!("{good}&Relay%53tate=h2")), Rule::Redirect);
    let (message, _) = good.split_once('&').unwrap();
    assert_eq!(judge(&format!("{message}&{good}")), Rule::Redirect);
    let answer = message.replace("SAMLRequest", "SAMLResponse");
    assert_eq!(judge(&format!("{answer}&{good}")), Rule::Redirect);
    assert_eq!(judge(&format!("{good}&SAMLEncoding=x")), Rule::Redirect);
    assert_eq!(judge(""), Rule::Redirect);

    // The same values in another encoding are other octets than those that were signed.
    let encoded = good.replace("RelayState=h1", "RelayState=%681");
    assert_eq!(
        RedirectMessage::parse(&encoded).unwrap().relay_state(),
        Some("h1")
    );
    assert_eq!(judge(&encoded), Rule::Signature);
    assert_eq!(
        judge(&good.to_lowercase().replace("samlrequest", "SAMLRequest")),
        Rule::Redirect
    );

    // An unknown parameter is no part of the message.
    assert!(
        trust()
            .request_by_redirect(&format!("x=1&{good}&y=%ff"), NOW)
            .is_ok()
    );
}

#[test]
fn strangers_are_refused() {
    let stranger = peer::SamlKey::generate(peer::KeyKind::P256).unwrap();
    let pinned = Certificate::from_pem(&stranger.certificate_pem()).unwrap();
    let others = at_slo(&trusting(vec![pinned]));
    let xml = request().to_xml();
    assert_eq!(
        rule(others.request_by_post(&posted(&xml), NOW)),
        Rule::Signature
    );
    let query = query(RequestOrResponse::Request, &xml);
    assert_eq!(
        rule(others.request_by_redirect(&query, NOW)),
        Rule::Signature
    );
}

#[test]
fn sha1_is_a_switch_of_the_connection() {
    let key = peer::SamlKey::generate(peer::KeyKind::Rsa2048).unwrap();
    let pinned = Certificate::from_pem(&key.certificate_pem()).unwrap();
    let connection = trusting(vec![pinned]);
    let strict = at_slo(&connection);
    let lax = at_slo(&connection.dangerously_allow_sha1());
    let sent =
        peer::LogoutRequest::new(IDP, SLO, peer::NameId::persistent("a1"), None, NOW).unwrap();
    let mut element = sent.element(peer::Style::Keycloak);
    let signer = peer::QuerySigner {
        algorithm: peer::SignatureAlgorithm::RsaSha1,
        ..peer::QuerySigner::new(&key)
    };
    let url = peer::redirect_url(
        SLO,
        peer::Direction::Request,
        &element.to_xml(),
        None,
        Some(&signer),
    );
    let url = url.unwrap();
    let signer = peer::Signer::new(&key).with_sha1();
    signer.sign_root(&mut element).unwrap();
    let form = STANDARD.encode(element.to_xml());
    assert_eq!(
        rule(strict.request_by_redirect(query_of(&url), NOW)),
        Rule::Algorithm
    );
    assert_eq!(rule(strict.request_by_post(&form, NOW)), Rule::Algorithm);
    assert!(lax.request_by_redirect(query_of(&url), NOW).is_ok());
    assert!(lax.request_by_post(&form, NOW).is_ok());
}

#[test]
fn a_message_for_another_address_is_refused() {
    for to in [
        " Destination=\"https://sp.example/slo/\"",
        " Destination=\"https://SP.example/slo\"",
        " Destination=\"\"",
        "",
    ] {
        let result = judged(" Destination=\"https://sp.example/slo\"", to);
        assert_eq!(rule(result), Rule::LogoutDestination, "{to}");
    }
}

#[test]
fn a_message_of_another_issuer_is_refused() {
    for to in [
        "<saml:Issuer>https://other.example</saml:Issuer>",
        "<saml:Issuer></saml:Issuer>",
        "<saml:Issuer Format=\"urn:x\">https://idp.example/metadata</saml:Issuer>",
        "<saml:Issuer><saml:x/>https://idp.example/metadata</saml:Issuer>",
    ] {
        assert_eq!(rule(judged(ISSUER, to)), Rule::Issuer, "{to}");
    }
    let several = format!("{ISSUER}{ISSUER}");
    assert_eq!(rule(judged(ISSUER, &several)), Rule::Form);
    // Where a signature has no issuer to follow it may still stand first, but names nobody.
    let query = query(
        RequestOrResponse::Request,
        &request().to_xml().replace(ISSUER, ""),
    );
    assert_eq!(rule(trust().request_by_redirect(&query, NOW)), Rule::Issuer);
}

#[test]
fn the_time_of_a_message_has_an_end() {
    let xml = request().to_xml();
    let endless = xml.replace(" NotOnOrAfter=\"2026-11-22T06:05:00Z\"", "");
    assert_ne!(xml, endless);
    for (age, expected) in [
        (-61, Some(Rule::LogoutNotYetValid)),
        (-60, None),
        (0, None),
        (359, None),
    ] {
        let result = both(&xml, NOW + age);
        assert_eq!(result.err().map(|error| error.rule()), expected, "{age}");
    }
    assert_eq!(rule(both(&xml, NOW + 360)), Rule::LogoutExpired);
    let last = both(&endless, NOW + 360).unwrap();
    assert_eq!(rule(both(&endless, NOW + 361)), Rule::LogoutExpired);
    // From the first second on in which nobody has to remember it, it is refused.
    assert_eq!(last.remember_until, NOW + 361);
    let ended = xml.replace("2026-11-22T06:05:00Z", "2026-11-22T05:59:00Z");
    assert_eq!(rule(both(&ended, NOW)), Rule::LogoutExpired);
    assert!(both(&ended, NOW - 1).is_ok());
    for to in ["", " IssueInstant=\"yesterday\""] {
        let result = judged(" IssueInstant=\"2026-11-22T06:00:00Z\"", to);
        assert_eq!(rule(result), Rule::Instant, "{to}");
    }
    let result = judged("2026-11-22T06:05:00Z", "never");
    assert_eq!(rule(result), Rule::Instant);
}

#[test]
fn the_trust_of_a_connection_holds_for_its_logouts() {
    let certificates = vec![curve().certificate().clone()];
    let connection = Trust::new("sp", "https://sp.example/acs", IDP, certificates).unwrap();
    let form = posted(&request().to_xml());
    let lax = connection.clone().clock_skew(120);
    let found = LogoutTrust::of(&lax, SLO).request_by_post(&form, NOW - 120);
    assert_eq!(found.unwrap().remember_until, NOW + 421);
    let strict = LogoutTrust::of(&connection, SLO);
    assert_eq!(
        rule(strict.request_by_post(&form, NOW - 120)),
        Rule::LogoutNotYetValid
    );
    // Where logins are answered no logout is.
    let elsewhere = LogoutTrust::of(&connection, "https://sp.example/acs");
    assert_eq!(
        rule(elsewhere.request_by_post(&form, NOW)),
        Rule::LogoutDestination
    );
    let by_rsa = query(RequestOrResponse::Request, &request().to_xml());
    assert_eq!(
        rule(strict.request_by_redirect(&by_rsa, NOW)),
        Rule::Signature
    );
}

#[test]
fn a_wider_skew_is_remembered_longer() {
    let trust = at_slo(&connection().clock_skew(120));
    let found = trust.request_by_post(&posted(&request().to_xml()), NOW - 120);
    assert_eq!(found.unwrap().remember_until, NOW + 421);
}

#[test]
fn exactly_one_person_is_signed_out() {
    for to in [
        "",
        "<saml:NameID></saml:NameID>",
        "<saml:NameID> </saml:NameID>",
        "<saml:NameID>a<saml:b/></saml:NameID>",
        "<saml:NameID>a</saml:NameID><saml:NameID>b</saml:NameID>",
        "<saml:NameID>a</saml:NameID><saml:EncryptedID/>",
        "<saml:BaseID>a</saml:BaseID>",
        "<saml:NameID>a</saml:NameID><saml:BaseID/>",
    ] {
        assert_eq!(rule(judged(NAME, to)), Rule::LogoutNameId, "{to}");
    }
}

#[test]
fn a_session_that_cannot_be_read_does_not_become_all_sessions() {
    let index = "<samlp:SessionIndex>s-1</samlp:SessionIndex>";
    for to in [
        "<samlp:SessionIndex></samlp:SessionIndex>",
        "<samlp:SessionIndex> </samlp:SessionIndex>",
        "<samlp:SessionIndex>a<samlp:b/></samlp:SessionIndex>",
        &index.repeat(1000),
    ] {
        assert_eq!(rule(judged(index, to)), Rule::Form, "{}", to.len());
    }
    let found = judged(index, &index.repeat(999)).unwrap();
    assert_eq!(found.session_indexes.len(), 1000);
    let other = "<saml:SessionIndex>s-1</saml:SessionIndex>";
    assert_eq!(rule(judged(index, other)), Rule::Form);
}

#[test]
fn other_messages_are_refused() {
    let answer = response(LogoutStatus::Success).to_xml();
    assert_eq!(rule(both(&answer, NOW)), Rule::Root);
    let login = request().to_xml().replace("LogoutRequest", "Response");
    assert_eq!(rule(both(&login, NOW)), Rule::Root);
    let wrong = query(RequestOrResponse::Response, &request().to_xml());
    assert_eq!(
        rule(trust().request_by_redirect(&wrong, NOW)),
        Rule::Redirect
    );
    assert_eq!(
        rule(judged("Version=\"2.0\"", "Version=\"1.1\"")),
        Rule::Version
    );
    assert_eq!(rule(judged(ISSUER, &format!("{ISSUER}text"))), Rule::Form);
    assert_eq!(
        rule(judged(ISSUER, &format!("{ISSUER}<samlp:x/>"))),
        Rule::Form
    );
    for xml in [
        request().to_xml().replace("a1 ", "a<!-- -->1 "),
        format!("<!DOCTYPE x>{}", request().to_xml()),
    ] {
        let query = query(RequestOrResponse::Request, &xml);
        assert_eq!(rule(trust().request_by_redirect(&query, NOW)), Rule::Xml);
        assert_eq!(
            rule(trust().request_by_post(&STANDARD.encode(&xml), NOW)),
            Rule::Xml
        );
    }
    for parameter in ["", "***", "/w==", "PA"] {
        assert_eq!(
            rule(trust().request_by_post(parameter, NOW)),
            Rule::Encoding,
            "{parameter}"
        );
    }
    let long = "A".repeat(1_572_865);
    assert_eq!(rule(trust().request_by_post(&long, NOW)), Rule::TooLarge);
}

#[test]
fn an_encrypted_name_is_read() {
    let key = peer::SamlKey::generate(peer::KeyKind::Rsa2048).unwrap();
    let ours = DecryptionKey::from_pem(&key.private_key_pem()).unwrap();
    let plain =
        "<saml:NameID xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">a1</saml:NameID>";
    let encrypted = |plain: &str| {
        let wrapper = peer::Element::new("saml:EncryptedID");
        let wrapped = peer::Encrypter::new(key.certificate()).wrap_text(plain, wrapper);
        request()
            .to_xml()
            .replacen(NAME, &wrapped.unwrap().to_xml(), 1)
    };
    let trusting = at_slo(&connection().decryption_keys(vec![ours]));
    let xml = encrypted(plain);
    let query_string = query(RequestOrResponse::Request, &xml);
    for found in [
        trusting.request_by_post(&posted(&xml), NOW),
        trusting.request_by_redirect(&query_string, NOW),
    ] {
        assert_eq!(found.unwrap().name_id, NameId::new("a1", None));
    }
    assert_eq!(rule(both(&xml, NOW)), Rule::NoDecryptionKey);
    for plain in ["", "a1", "<a/>", &format!("{plain}{plain}")] {
        let result = trusting.request_by_post(&posted(&encrypted(plain)), NOW);
        assert_eq!(rule(result), Rule::Decryption, "{plain}");
    }
    let empty = plain.replace("a1", " ");
    let result = trusting.request_by_post(&posted(&encrypted(&empty)), NOW);
    assert_eq!(rule(result), Rule::LogoutNameId);
}

proptest! {
    /// What is signed may still be anything.
    #[test]
    fn nothing_panics(at in 0..800_usize, length in 0..40_usize, text in "[<>/&;a-zA-Z:=\" ]{0,20}") {
        let mut xml = request().to_xml();
        let boundary = |index: usize| xml.char_indices().map(|(at, _)| at).nth(index).unwrap_or(xml.len());
        let (start, end) = (boundary(at), boundary(at + length));
        xml.replace_range(start..end, &text);
        let query = redirect::encode(RequestOrResponse::Request, &xml, None, Some(&curve())).unwrap();
        if let Ok(found) = trust().request_by_redirect(&query, NOW) {
            prop_assert_eq!(found.issuer, IDP);
            prop_assert!(!found.name_id.value.is_empty());
        }
        let _ = LogoutTrust::answered_by_redirect(&text);
        let _ = trust().request_by_post(&text, NOW);
    }
}
