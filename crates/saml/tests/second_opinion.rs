//! What our verifier accepts is put before samael, which judges by the system's clock.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::time::{SystemTime, UNIX_EPOCH};

use vestibule_saml::{
    Certificate, DecryptionKey, Error, Expected, MAX_SECOND_OPINION_BYTES, Response, Rule, Trust,
    Verified,
};
use vestibule_simulate::saml::{
    Attribute, C14n, DigestAlgorithm, Encrypter, KeyKind, Layout, Login, NameId,
    Response as Message, SamlKey, Seal, SignatureAlgorithm, Style,
};

const SP: &str = "https://sp.example/saml/metadata";
const ACS: &str = "https://sp.example/saml/acs";
const IDP: &str = "https://idp.example/metadata";
const REQUEST: &str = "_request-1";
const PERSON: &str = "ada-0001";

#[expect(
    clippy::disallowed_methods,
    reason = "samael reads the system's clock, so the messages have to be of now"
)]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

fn login() -> Login {
    Login::new(IDP, SP, ACS, NameId::persistent(PERSON), now())
        .answering(REQUEST)
        .attribute(Attribute::new("email", ["ada@acme.test"]))
        .attribute(Attribute::new(
            "groups",
            ["engineers", "founders & friends"],
        ))
}

fn message(style: Style) -> Message {
    Message::new(style, &login()).unwrap()
}

fn trust(keys: &[&SamlKey]) -> Trust {
    let certificates = keys
        .iter()
        .map(|key| Certificate::from_pem(&key.certificate_pem()).unwrap())
        .collect();
    Trust::new(SP, ACS, IDP, certificates).unwrap()
}

fn rsa() -> SamlKey {
    SamlKey::generate(KeyKind::Rsa2048).unwrap()
}

fn curve() -> SamlKey {
    SamlKey::generate(KeyKind::P256).unwrap()
}

fn answer() -> Expected {
    Expected::answer_to(REQUEST)
}

/// What our verifier found, which must be something, and the message.
fn verified(trust: &Trust, message: &Message, seal: &Seal) -> (Response, Verified) {
    let response = Response::decode(&message.to_form_field(seal).unwrap()).unwrap();
    let verified = trust.verify(&response, &answer(), now()).unwrap();
    (response, verified)
}

/// samael's word on what our verifier accepts.
fn opinion(trust: &Trust, message: &Message, seal: &Seal) -> Result<(), Error> {
    let (response, verified) = verified(trust, message, seal);
    trust.second_opinion(&response, &verified, &answer())
}

fn refusal(opinion: Result<(), Error>) -> String {
    let error = opinion.unwrap_err();
    assert_eq!(error.rule(), Rule::SecondOpinion);
    error.got().to_owned()
}

/// What a product can be set to sign.
fn placements(style: Style, key: &SamlKey) -> [Seal; 4] {
    let signer = style.signer(key);
    let seal = |assertion: bool, response: bool| Seal {
        assertion: assertion.then(|| signer.clone()),
        response: response.then(|| signer.clone()),
        ..Seal::nothing()
    };
    [
        style.seal(key),
        seal(true, false),
        seal(false, true),
        seal(true, true),
    ]
}

#[test]
fn every_product_is_accepted_by_both() {
    for key in [rsa(), curve()] {
        let trust = trust(&[&key]);
        for style in Style::ALL {
            for layout in [Layout::Compact, Layout::Indented] {
                let message = Message {
                    layout,
                    ..message(style)
                };
                for (number, seal) in placements(style, &key).iter().enumerate() {
                    let opinion = opinion(&trust, &message, seal);
                    assert!(
                        opinion.is_ok(),
                        "{style:?} {layout:?} {number}: {opinion:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn every_allowed_algorithm_is_accepted_by_both() {
    let keys = [
        (KeyKind::Rsa2048, SignatureAlgorithm::RsaSha256),
        (KeyKind::Rsa2048, SignatureAlgorithm::RsaSha384),
        (KeyKind::Rsa2048, SignatureAlgorithm::RsaSha512),
        (KeyKind::P256, SignatureAlgorithm::EcdsaSha256),
        (KeyKind::P384, SignatureAlgorithm::EcdsaSha384),
    ];
    for (kind, algorithm) in keys {
        let key = SamlKey::generate(kind).unwrap();
        let trust = trust(&[&key]);
        for digest in [
            DigestAlgorithm::Sha256,
            DigestAlgorithm::Sha384,
            DigestAlgorithm::Sha512,
        ] {
            for seal in placements(Style::Ping, &key) {
                let seal = seal.with_signers(|signer| {
                    signer.algorithm = algorithm;
                    signer.digest = digest;
                });
                let opinion = opinion(&trust, &message(Style::Ping), &seal);
                assert!(opinion.is_ok(), "{algorithm:?} {digest:?}: {opinion:?}");
            }
        }
    }
}

#[test]
fn every_allowed_canonical_form_is_accepted_by_both() {
    let key = rsa();
    let trust = trust(&[&key]).allow_inclusive_c14n();
    let list = C14n::with_prefixes(&["xs", "saml", "saml2", "samlp", "#default"]);
    for style in Style::ALL {
        for (transform, method) in [
            (list.clone(), C14n::exclusive()),
            (list.clone(), list.clone()),
            (C14n::Inclusive, C14n::exclusive()),
            (C14n::exclusive(), C14n::Inclusive),
        ] {
            for seal in placements(style, &key) {
                let seal = seal.with_signers(|signer| {
                    signer.transform = transform.clone();
                    signer.canonicalization = method.clone();
                });
                let opinion = opinion(&trust, &message(style), &seal);
                assert!(opinion.is_ok(), "{style:?} {transform:?}: {opinion:?}");
            }
        }
    }
}

#[test]
fn a_rollover_to_another_kind_of_key_is_accepted_by_both() {
    let (rsa, other, curve) = (rsa(), rsa(), curve());
    for order in [[&other, &rsa, &curve], [&curve, &other, &rsa]] {
        let trust = trust(&order);
        for key in [&rsa, &curve] {
            for style in Style::ALL {
                let opinion = opinion(&trust, &message(style), &style.seal(key));
                assert!(opinion.is_ok(), "{style:?}: {opinion:?}");
            }
        }
    }
}

#[test]
fn a_login_that_the_identity_provider_began_is_accepted_by_both() {
    let key = rsa();
    let trust = trust(&[&key]);
    for style in Style::ALL {
        let login = Login {
            in_response_to: None,
            ..login()
        };
        let message = Message::new(style, &login).unwrap();
        let field = message.to_form_field(&style.seal(&key)).unwrap();
        let response = Response::decode(&field).unwrap();
        let expected = Expected::unsolicited();
        let verified = trust.verify(&response, &expected, now()).unwrap();
        let opinion = trust.second_opinion(&response, &verified, &expected);
        assert!(opinion.is_ok(), "{style:?}: {opinion:?}");
    }
}

#[test]
fn another_person_or_assertion_than_samael_reads_is_refused() {
    let key = rsa();
    let trust = trust(&[&key]);
    for style in Style::ALL {
        let (response, genuine) = verified(&trust, &message(style), &style.seal(&key));
        let mut other = genuine.clone();
        other.name_id.value = "admin-0001".to_owned();
        let got = refusal(trust.second_opinion(&response, &other, &answer()));
        assert_eq!(got, "another person");
        let mut other = genuine;
        other.assertion_id = "_other".to_owned();
        let got = refusal(trust.second_opinion(&response, &other, &answer()));
        assert_eq!(got, "another assertion");
    }
}

#[test]
fn what_samael_does_not_accept_is_refused_in_our_words() {
    let (key, other) = (rsa(), rsa());
    let ours = trust(&[&key]);
    let seal = Style::Entra.seal(&key);
    let (response, verified) = verified(&ours, &message(Style::Entra), &seal);
    let unsigned = message(Style::Entra)
        .to_form_field(&Seal::nothing())
        .unwrap();
    let unsigned = Response::decode(&unsigned).unwrap();
    let elsewhere = |sp: &str, acs: &str, idp: &str| {
        let certificate = Certificate::from_pem(&key.certificate_pem()).unwrap();
        Trust::new(sp, acs, idp, vec![certificate]).unwrap()
    };
    let another = Expected::answer_to("_request-2");
    for (trust, response, expected, told) in [
        (
            &ours,
            &unsigned,
            &answer(),
            "a signature that does not hold",
        ),
        (
            &trust(&[&other]),
            &response,
            &answer(),
            "a signature that does not hold",
        ),
        (
            &elsewhere("urn:other", ACS, IDP),
            &response,
            &answer(),
            "another audience",
        ),
        (
            &elsewhere(SP, "https://sp.example/other", IDP),
            &response,
            &answer(),
            "another recipient",
        ),
        (
            &elsewhere(SP, ACS, "urn:other"),
            &response,
            &answer(),
            "another issuer",
        ),
        (&ours, &response, &another, "an answer to another request"),
        (
            &ours,
            &response,
            &Expected::default(),
            "an answer to another request",
        ),
    ] {
        let got = refusal(trust.second_opinion(response, &verified, expected));
        assert_eq!(got, told);
    }
}

#[test]
fn samael_judges_by_the_system_clock() {
    let key = rsa();
    let trust = trust(&[&key]);
    let past = now() - 3600;
    let login = Login {
        now: past,
        authn_instant: past,
        ..login()
    };
    let message = Message::new(Style::Okta, &login).unwrap();
    let field = message.to_form_field(&Style::Okta.seal(&key)).unwrap();
    let response = Response::decode(&field).unwrap();
    let verified = trust.verify(&response, &answer(), past).unwrap();
    let got = refusal(trust.second_opinion(&response, &verified, &answer()));
    assert_eq!(got, "an assertion that is over");
}

#[test]
fn an_encrypted_assertion_is_not_asked_about() {
    let (key, ours) = (rsa(), rsa());
    let decryption = DecryptionKey::from_pem(&ours.private_key_pem()).unwrap();
    let trust = trust(&[&key]).decryption_keys(vec![decryption]);
    for style in Style::ALL {
        let seal = Seal {
            encrypt_assertion: Some(Encrypter::new(ours.certificate())),
            ..style.seal(&key)
        };
        let (response, verified) = verified(&trust, &message(style), &seal);
        assert!(verified.encrypted);
        let opinion = trust.second_opinion(&response, &verified, &answer());
        assert!(opinion.is_ok(), "{style:?}: {opinion:?}");
    }
}

#[test]
fn of_an_encrypted_name_the_assertion_around_it_is_compared() {
    let (key, ours) = (rsa(), rsa());
    let decryption = DecryptionKey::from_pem(&ours.private_key_pem()).unwrap();
    let trust = trust(&[&key]).decryption_keys(vec![decryption]);
    for style in Style::ALL {
        let seal = Seal {
            encrypt_name_id: Some(Encrypter::new(ours.certificate())),
            ..style.seal(&key)
        };
        let (response, genuine) = verified(&trust, &message(style), &seal);
        assert_eq!(genuine.name_id.value, PERSON);
        let opinion = trust.second_opinion(&response, &genuine, &answer());
        assert!(opinion.is_ok(), "{style:?}: {opinion:?}");
        let mut other = genuine;
        other.assertion_id = "_other".to_owned();
        let got = refusal(trust.second_opinion(&response, &other, &answer()));
        assert_eq!(got, "another assertion");
    }
}

#[test]
fn sha1_is_refused_by_samael_even_where_the_connection_allows_it() {
    let key = rsa();
    let trust = trust(&[&key]).dangerously_allow_sha1();
    for (algorithm, digest) in [
        (SignatureAlgorithm::RsaSha1, DigestAlgorithm::Sha1),
        (SignatureAlgorithm::RsaSha256, DigestAlgorithm::Sha1),
        (SignatureAlgorithm::RsaSha1, DigestAlgorithm::Sha256),
    ] {
        let seal = Style::Ping.seal(&key).with_signers(|signer| {
            signer.algorithm = algorithm;
            signer.digest = digest;
        });
        let got = refusal(opinion(&trust, &message(Style::Ping), &seal));
        assert_eq!(got, "a signature that does not hold");
    }
}

#[test]
fn signatures_by_two_kinds_of_keys_in_one_message_are_refused_by_samael() {
    let (rsa, curve) = (rsa(), curve());
    let seal = Seal {
        assertion: Some(Style::Okta.signer(&curve)),
        response: Some(Style::Okta.signer(&rsa)),
        ..Seal::nothing()
    };
    let got = refusal(opinion(
        &trust(&[&rsa, &curve]),
        &message(Style::Okta),
        &seal,
    ));
    assert_eq!(got, "a signature that does not hold");
}

#[test]
fn a_signed_response_that_names_its_request_in_the_confirmation_only_is_refused_by_samael() {
    let key = rsa();
    let message = Message {
        in_response_to: None,
        ..message(Style::Keycloak)
    };
    let got = refusal(opinion(
        &trust(&[&key]),
        &message,
        &Style::Keycloak.seal(&key),
    ));
    assert_eq!(got, "an answer to another request");
}

#[test]
fn long_messages_are_refused_before_samael_sees_them() {
    let key = rsa();
    let trust = trust(&[&key]);
    let with = |values: usize| {
        let groups: Vec<String> = (0..values)
            .map(|number| format!("group-{number}"))
            .collect();
        let login = login().attribute(Attribute::new("all", groups.iter().map(String::as_str)));
        Message::new(Style::Entra, &login).unwrap()
    };
    let seal = Style::Entra.seal(&key);
    assert!(opinion(&trust, &with(800), &seal).is_ok());
    let (response, verified) = verified(&trust, &with(8000), &seal);
    assert!(response.len() > MAX_SECOND_OPINION_BYTES);
    let got = refusal(trust.second_opinion(&response, &verified, &answer()));
    assert_eq!(got, "a longer message");
}
