//! Each fault makes one thing wrong.

use vestibule_simulate::saml::{
    AUTHN_FAILED, Certificate, Element, NO_PASSIVE, REQUEST_DENIED, Style,
};
use vestibule_simulate::{Fault, IdentityProvider, IdpConfig, Place, SamlClient};

use crate::world::{ACS, DATA, SP, World, attribute, response_of, rsa, verify, xml_of};

#[tokio::test]
async fn each_fault_makes_one_thing_wrong() {
    use Fault::{
        SamlCommentInNameId, SamlDoctype, SamlEmptyNameId, SamlFailureWithAssertion,
        SamlNoAuthnStatement, SamlNoConditions, SamlNoNameId, SamlSecondAudienceRestriction,
        SamlSenderVouches, SamlStatusAuthnFailed, SamlStatusNoPassive, SamlStatusRequestDenied,
        SamlStatusResponder, SamlTwoNameIds, SamlUnknownCondition, SamlWrongVersion,
    };
    let mut world = World::with(SamlClient::new(SP, ACS).style(Style::Okta)).await;
    world.sign_in().await;
    let key = world.idp.saml_key().unwrap();
    let good = xml_of(&world.under(&[]).await, "SAMLResponse");
    let present = [
        (
            Fault::SamlWrongAudience,
            "<saml2:Audience>https://other.example</saml2:Audience>",
        ),
        (
            SamlSecondAudienceRestriction,
            "</saml2:AudienceRestriction><saml2:AudienceRestriction>",
        ),
        (Fault::SamlNoAudience, "Z\"/><saml2:AuthnStatement"),
        (
            Fault::SamlWrongRecipient,
            "Recipient=\"https://other.example/acs\"",
        ),
        (
            Fault::SamlWrongDestination,
            "Destination=\"https://other.example/acs\"",
        ),
        (
            Fault::SamlWrongIssuer,
            ">https://other.example</saml2:Issuer>",
        ),
        (
            Fault::SamlOtherInResponseTo,
            "InResponseTo=\"_of-another-login\"",
        ),
        (SamlFailureWithAssertion, "status:Responder"),
        (SamlUnknownCondition, "<saml2:Condition "),
        (SamlSenderVouches, "cm:sender-vouches"),
        (SamlWrongVersion, "Version=\"1.1\""),
        (SamlNoNameId, "<saml2:Subject><saml2:SubjectConfirmation "),
        (SamlEmptyNameId, "\"></saml2:NameID>"),
        (SamlTwoNameIds, "</saml2:NameID><saml2:NameID "),
        (SamlNoConditions, "</saml2:Subject><saml2:AuthnStatement "),
        (
            SamlNoAuthnStatement,
            "</saml2:Conditions><saml2:AttributeStatement>",
        ),
        (SamlCommentInNameId, "<!-- -->"),
        (Fault::SamlInclusiveC14n, "REC-xml-c14n-20010315"),
        (SamlStatusResponder, "status:Responder\"/>"),
        (SamlStatusNoPassive, NO_PASSIVE),
        (SamlStatusRequestDenied, REQUEST_DENIED),
        (SamlStatusAuthnFailed, AUTHN_FAILED),
    ];
    for (fault, part) in present {
        let xml = xml_of(&world.under(&[fault]).await, "SAMLResponse");
        assert!(xml.contains(part), "{fault:?}: {xml}");
        assert!(!good.contains(part), "{fault:?}: {good}");
        // Whoever looks only at signatures finds nothing wrong.
        verify(&Element::parse(&xml).unwrap(), key.certificate()).unwrap();
    }
    let unanswered = response_of(&world.under(&[Fault::SamlNoInResponseTo]).await);
    assert_eq!(unanswered.get("InResponseTo"), None);
    assert_eq!(attribute(&unanswered, &DATA, "InResponseTo"), None);
    let typed = xml_of(&world.under(&[SamlDoctype]).await, "SAMLResponse");
    assert!(
        typed.contains("?><!DOCTYPE any><saml2p:Response"),
        "{typed}"
    );
}

#[tokio::test]
async fn faults_of_time_move_the_times() {
    let mut world = World::new().await;
    world.sign_in().await;
    let time = |response: &Element, path: &[&str], name: &str| {
        attribute(response, path, name)
            .unwrap_or_default()
            .to_owned()
    };
    let conditions = ["Assertion", "Conditions"];
    let statement = ["Assertion", "AuthnStatement"];
    let good = response_of(&world.under(&[]).await);
    let expired = response_of(&world.under(&[Fault::SamlExpired]).await);
    let issued = |response: &Element| response.get("IssueInstant").unwrap().to_owned();
    assert!(time(&expired, &conditions, "NotOnOrAfter") < issued(&expired));
    assert!(time(&expired, &DATA, "NotOnOrAfter") < issued(&expired));
    let future = response_of(&world.under(&[Fault::SamlFromFuture]).await);
    assert!(time(&future, &conditions, "NotBefore") > issued(&future));
    let over = response_of(&world.under(&[Fault::SamlSessionOver]).await);
    assert!(time(&over, &statement, "SessionNotOnOrAfter") < issued(&over));
    let old = response_of(&world.under(&[Fault::SamlOldAuthentication]).await);
    assert!(time(&old, &statement, "AuthnInstant") < time(&good, &statement, "AuthnInstant"));
    let ahead = response_of(&world.under(&[Fault::SamlClockAhead(7200)]).await);
    assert!(time(&ahead, &conditions, "NotBefore") > time(&good, &conditions, "NotOnOrAfter"));
    for response in [good, expired, future, over, old, ahead] {
        world.verify(&response);
    }
}

#[tokio::test]
async fn faults_of_signature_break_the_signature() {
    let mut world = World::with(SamlClient::new(SP, ACS).style(Style::Okta)).await;
    world.sign_in().await;
    let key = world.idp.saml_key().unwrap();
    for fault in [
        Fault::SamlUnsigned,
        Fault::SamlForeignKey,
        Fault::SamlTamperedAttribute,
        Fault::SamlTamperedNameId,
        Fault::SamlWrapped,
    ] {
        let response = response_of(&world.under(&[fault]).await);
        verify(&response, key.certificate()).unwrap_err();
        match fault {
            Fault::SamlUnsigned => assert!(response.find("Signature").is_none()),
            Fault::SamlForeignKey => {
                let shown = response.text_of("X509Certificate").unwrap();
                let shown = Certificate::from_pem(&shown).unwrap();
                verify(&response, &shown).unwrap();
            }
            Fault::SamlTamperedAttribute => {
                let changed = response.text_of("AttributeValue");
                assert_eq!(changed.as_deref(), Some("tampered"));
            }
            _ => assert_eq!(response.text_of("NameID").as_deref(), Some("somebody-else")),
        }
    }
    let encrypted = response_of(&world.under(&[Fault::SamlEncryptedToUnknownKey]).await);
    assert!(encrypted.child_named("EncryptedAssertion").is_some());
    encrypted.verify(key.certificate()).unwrap();
}

#[tokio::test]
async fn sha1_replay_and_relay_state_are_faults_too() {
    let mut config = IdpConfig::new(Place::bind("127.0.0.1", 0).await.unwrap());
    config.saml_key = Some(rsa().clone());
    let idp = IdentityProvider::start(config).await.unwrap();
    let mut world = World::new().await;
    idp.add_person(world.ada.clone());
    idp.add_saml_client(SamlClient::new(SP, ACS));
    world.idp = idp;
    let first = xml_of(&world.sign_in().await, "SAMLResponse");
    assert!(first.contains("rsa-sha256"));
    let replayed = xml_of(&world.under(&[Fault::SamlReplay]).await, "SAMLResponse");
    assert_eq!(first, replayed);
    let sha1 = xml_of(&world.under(&[Fault::SamlSha1]).await, "SAMLResponse");
    assert!(sha1.contains("xmldsig#rsa-sha1") && sha1.contains("xmldsig#sha1"));
    verify(&Element::parse(&sha1).unwrap(), rsa().certificate()).unwrap();
    let dropped = world.under(&[Fault::SamlRelayStateDropped]).await;
    assert!(!dropped.forms()[0].has("RelayState"));
    let changed = world.under(&[Fault::SamlRelayStateChanged]).await;
    assert_eq!(
        changed.forms()[0].value("RelayState"),
        Some("of-another-login")
    );
}
