//! Answers, and what our own messages say.

use super::*;
use crate::outgoing::fixtures::xml_of;

#[test]
fn answers_are_read() {
    let success = "urn:oasis:names:tc:SAML:2.0:status:Success";
    let partial = response(LogoutStatus::PartialLogout).to_xml();
    let on_top = response(LogoutStatus::Success)
        .to_xml()
        .replace(success, "urn:oasis:names:tc:SAML:2.0:status:PartialLogout");
    let below_responder = partial.replace(success, "urn:oasis:names:tc:SAML:2.0:status:Responder");
    for (xml, outcome) in [
        (
            response(LogoutStatus::Success).to_xml(),
            LogoutOutcome::Complete,
        ),
        (partial, LogoutOutcome::Partial),
        (on_top, LogoutOutcome::Partial),
        (below_responder, LogoutOutcome::Partial),
    ] {
        let query = query(RequestOrResponse::Response, &xml);
        let form = posted(&xml);
        assert_eq!(
            LogoutTrust::answered_by_redirect(&query).as_deref(),
            Some("_q1")
        );
        assert_eq!(LogoutTrust::answered_by_post(&form).as_deref(), Some("_q1"));
        for found in [
            trust().response_by_redirect(&query, "_q1", NOW),
            trust().response_by_post(&form, "_q1", NOW),
        ] {
            let found = found.unwrap();
            assert_eq!(found.outcome, outcome, "{xml}");
            assert_eq!(found.in_response_to, "_q1");
            assert_eq!(found.issuer, IDP);
        }
    }
    assert_eq!(LogoutTrust::answered_by_redirect("x=1"), None);
    assert_eq!(LogoutTrust::answered_by_post("PGEvPg=="), None);
}

#[test]
fn an_answer_that_refuses_is_a_refusal() {
    for status in [LogoutStatus::Requester, LogoutStatus::Responder] {
        let result = trust().response_by_post(&posted(&response(status).to_xml()), "_q1", NOW);
        assert_eq!(rule(result), Rule::LogoutStatus, "{status:?}");
    }
    let xml = response(LogoutStatus::Success).to_xml();
    let at = xml.find("<samlp:Status>").unwrap();
    let end = xml.find("</samlp:Status>").unwrap() + "</samlp:Status>".len();
    for status in [
        "",
        "<samlp:Status/>",
        "<samlp:Status><samlp:StatusCode/></samlp:Status>",
    ] {
        let changed = xml.replace(&xml[at..end], status);
        let result = trust().response_by_post(&posted(&changed), "_q1", NOW);
        assert_eq!(rule(result), Rule::LogoutStatus, "{status}");
    }
    let twice = xml.replace(&xml[at..end], &xml[at..end].repeat(2));
    let result = trust().response_by_post(&posted(&twice), "_q1", NOW);
    assert_eq!(rule(result), Rule::Form);
}

#[test]
fn an_answer_to_another_request_is_refused() {
    let xml = response(LogoutStatus::Success).to_xml();
    let judge = |xml: &str, id: &str| rule(trust().response_by_post(&posted(xml), id, NOW));
    assert_eq!(judge(&xml, "_q2"), Rule::LogoutInResponseTo);
    let unasked = xml.replace(" InResponseTo=\"_q1\"", "");
    assert_eq!(judge(&unasked, "_q1"), Rule::LogoutInResponseTo);
    assert_eq!(judge(&unasked, ""), Rule::LogoutInResponseTo);
    assert_eq!(judge(&request().to_xml(), "_q1"), Rule::Root);
}

#[test]
fn what_we_send_says_what_was_set() {
    let expected = format!(
        "<samlp:LogoutRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
         xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_r1\" Version=\"2.0\" \
         IssueInstant=\"2026-11-22T06:00:00Z\" Destination=\"https://sp.example/slo\" \
         NotOnOrAfter=\"2026-11-22T06:05:00Z\" Reason=\"urn:oasis:names:tc:SAML:2.0:logout:user\">\
         {ISSUER}{NAME}<samlp:SessionIndex>s-1</samlp:SessionIndex>\
         <samlp:SessionIndex>s-2</samlp:SessionIndex></samlp:LogoutRequest>"
    );
    assert_eq!(request().to_xml(), expected);
    let form = response(LogoutStatus::PartialLogout)
        .post_form(Some("h1"), None)
        .unwrap();
    assert_eq!(form.parameter, "SAMLResponse");
    assert_eq!(form.relay_state.as_deref(), Some("h1"));
    assert_eq!(
        xml_of(&form),
        format!(
            "<samlp:LogoutResponse xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
             xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_p1\" Version=\"2.0\" \
             IssueInstant=\"2026-11-22T06:00:00Z\" Destination=\"https://sp.example/slo\" \
             InResponseTo=\"_q1\">{ISSUER}<samlp:Status>\
             <samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\">\
             <samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:PartialLogout\"/>\
             </samlp:StatusCode></samlp:Status></samlp:LogoutResponse>"
        )
    );
}

#[test]
fn what_cannot_be_written_is_refused() {
    let named = |name_id| LogoutRequest::new("_a", NOW, IDP, SLO, name_id).err();
    let refused = Some(MessageError::Character);
    assert_eq!(named(NameId::new("", None)), refused);
    assert_eq!(named(NameId::new("a\u{0}", None)), refused);
    assert_eq!(named(NameId::new("a", Some("\u{b}"))), refused);
    assert_eq!(request().reason("").err(), refused);
    assert_eq!(
        request().session_indexes(vec!["\u{1f}".to_owned()]).err(),
        refused
    );
    let answered = LogoutResponse::new("_a", NOW, IDP, SLO, "\u{8}", LogoutStatus::Success);
    assert_eq!(answered.err(), refused);
    let elsewhere = LogoutResponse::new("_a", NOW, IDP, "data:x", "_b", LogoutStatus::Success);
    assert_eq!(elsewhere.err(), Some(MessageError::Address));
}
