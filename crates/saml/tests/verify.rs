//! Every case of the corpus, judged; and systematic damage to genuine messages.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod corpus;
mod mutation;

use std::time::{Duration, Instant};

use corpus::{Case, Expect, Identity};

/// What is wrong with the verdict on a case; none if it is as it must be.
fn complaint(case: &Case) -> Option<String> {
    let name = format!("{}/{}", case.group, case.name);
    let begun = Instant::now();
    let verdict = case.context.judge(&case.message).unwrap();
    // Unoptimized, on a busy machine; optimized it is some milliseconds.
    if begun.elapsed() > Duration::from_secs(5) {
        return Some(format!("{name}: took {:?}", begun.elapsed()));
    }
    match (&case.expect, verdict) {
        (Expect::Accept(wanted), Ok(verified)) => {
            let got = Identity::of(&verified);
            (got != **wanted).then(|| format!("{name}: another identity: {got:?}"))
        }
        (Expect::Accept(_), Err(error)) => Some(format!(
            "{name}: refused by {}, wanted {:?}, got {:?}",
            error.rule().as_str(),
            error.wanted(),
            error.got()
        )),
        (Expect::Reject(rules), Ok(_)) => Some(format!("{name}: ACCEPTED, not by {rules:?}")),
        (Expect::Reject(rules), Err(error)) => (!rules.contains(&error.rule())).then(|| {
            format!(
                "{name}: refused by {}, not by {rules:?}: wanted {:?}, got {:?}",
                error.rule().as_str(),
                error.wanted(),
                error.got()
            )
        }),
    }
}

/// Judges every case of a group; `least` guards against a group that lost its cases.
fn check(group: &str, least: usize) {
    let cases = corpus::cases(group).unwrap();
    let mut names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(
        names.len(),
        count,
        "two cases of {group} have the same name"
    );
    assert!(count >= least, "{group} has {count} cases only");
    let complaints: Vec<String> = cases.iter().filter_map(complaint).collect();
    assert!(
        complaints.is_empty(),
        "{} of {count} cases of {group}:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}

macro_rules! groups {
    ($($test:ident: $group:literal, $least:literal;)+) => {
        $(#[test]
        fn $test() {
            check($group, $least);
        })+

        #[test]
        fn every_group_is_judged() {
            let judged = [$($group,)+];
            for (name, _) in corpus::GROUPS {
                assert!(judged.contains(name), "{name} is judged by no test");
            }
        }
    };
}

groups! {
    genuine_responses_are_accepted: "genuine", 350;
    people_are_read_as_they_were_written: "people", 160;
    encrypted_responses_are_accepted: "encrypted", 160;
    wrapped_signatures_are_refused: "wrapping", 500;
    posing_identifiers_and_namespaces_are_refused: "identifiers", 950;
    parts_of_xml_that_are_no_data_are_refused: "syntax", 430;
    encodings_are_strict: "text", 180;
    signatures_of_others_are_refused: "signatures", 280;
    signatures_of_another_form_are_refused: "references", 210;
    other_documents_are_no_responses: "carriers", 60;
    costly_messages_are_refused: "limits", 90;
    made_up_ciphertexts_are_refused: "encryption", 280;
    messages_for_others_are_refused: "audience", 510;
    broken_profiles_are_refused: "profile", 460;
}

#[test]
fn an_expired_certificate_and_sha1_leave_a_warning() {
    use vestibule_saml::Warning;
    let warnings = |name: &str| {
        let cases = corpus::cases("genuine").unwrap();
        let Some(case) = cases.into_iter().find(|case| case.name == name) else {
            panic!("there is no {name}");
        };
        case.context.judge(&case.message).unwrap().unwrap().warnings
    };
    let expired = Warning::ExpiredCertificate {
        not_after: 1_270_000_000,
    };
    assert_eq!(warnings("certificate/expired"), [expired]);
    let sha1 = warnings("sha1/digest-both-signed-allowed");
    assert_eq!(sha1, [Warning::Sha1]);
    assert_eq!(warnings("product/Okta"), []);
}

#[test]
fn a_short_key_makes_no_certificate() {
    let error = vestibule_saml::Certificate::from_pem(corpus::keys::WEAK).unwrap_err();
    let weak = vestibule_saml::CertificateError::WeakKey { bits: 1024 };
    assert_eq!(error, weak);
}

#[test]
fn the_rest_of_what_is_proven_is_read_too() {
    let xml = corpus::forge::sealed(corpus::forge::Placement::Both)
        .unwrap()
        .to_xml();
    let keys = corpus::Keys::get().unwrap();
    let message = corpus::encode(&xml);
    let verified = corpus::Context::usual(keys)
        .judge(&message)
        .unwrap()
        .unwrap();
    assert_eq!(verified.issuer, corpus::IDP);
    assert_eq!(verified.assertion_id, "_assertion-1");
    assert_eq!(verified.in_response_to.as_deref(), Some(corpus::REQUEST));
    assert_eq!(verified.session_index.as_deref(), Some("_session-1"));
    assert_eq!(verified.authn_instant, corpus::NOW);
    assert!(!verified.encrypted);
    // From this second on the same response is refused because of its time.
    let last = verified.remember_until;
    let mut context = corpus::Context::usual(keys);
    context.now = last;
    let error = context.judge(&message).unwrap().unwrap_err();
    assert_eq!(error.rule(), vestibule_saml::Rule::ConfirmationExpired);
}

#[test]
fn an_assertion_is_remembered_until_its_last_confirmation_ends() {
    use corpus::forge::{Placement, signed};
    use vestibule_simulate::saml::Confirmation;
    let later = corpus::NOW + 3600;
    for order in [[60, 3600], [3600, 60]] {
        let xml = signed(Placement::Assertion, |response| {
            response.in_response_to = None;
            for assertion in &mut response.assertions {
                if let Some(conditions) = &mut assertion.conditions {
                    conditions.not_on_or_after = None;
                }
                if let Some(subject) = &mut assertion.subject {
                    subject.confirmations = order
                        .map(|end| Confirmation::bearer(corpus::ACS, None, corpus::NOW + end))
                        .to_vec();
                }
            }
        })
        .unwrap();
        let mut context = corpus::Context::usual(corpus::Keys::get().unwrap());
        context.in_response_to = None;
        context.allow_unsolicited = true;
        let message = corpus::encode(&xml);
        let verified = context.judge(&message).unwrap().unwrap();
        assert!(verified.remember_until > later, "{order:?}");
        context.now = verified.remember_until;
        let error = context.judge(&message).unwrap().unwrap_err();
        assert_eq!(error.rule(), vestibule_saml::Rule::ConfirmationExpired);
    }
}
