//! Where the faults of SAML take hold: before sealing, in the seal, and after it.

use super::super::{Fault, Faults};
use crate::saml::{
    Assertion, C14n, Conditions, Element, Encrypter, Issuer, KeyKind, Login, NameId, Node,
    RESPONDER, Response, SamlKey, Seal, Status, Style,
};

const HOUR: i64 = 3600;
const OTHER: &str = "https://other.example";
const OTHER_REQUEST: &str = "_of-another-login";

/// Makes what the message says wrong, before it is signed.
pub(super) fn bend(response: &mut Response, faults: &Faults, facts: &Login) {
    let has = |fault| faults.has(fault);
    if has(Fault::SamlWrongDestination) {
        response.destination = Some(format!("{OTHER}/acs"));
    }
    if has(Fault::SamlWrongIssuer) {
        response.issuer = Some(Issuer::new(OTHER));
    }
    if has(Fault::SamlOtherInResponseTo) {
        response.in_response_to = Some(OTHER_REQUEST.to_owned());
    }
    if has(Fault::SamlNoInResponseTo) {
        response.in_response_to = None;
    }
    if has(Fault::SamlFailureWithAssertion) {
        response.status = Some(Status::of(RESPONDER, None));
    }
    let names = response.style.names();
    if let Some(assertion) = response.assertion_mut() {
        bend_confirmation(assertion, faults, facts);
        bend_assertion(assertion, faults, facts);
        if let Some(conditions) = &mut assertion.conditions {
            bend_conditions(conditions, faults, facts);
            if has(Fault::SamlUnknownCondition) {
                conditions
                    .further
                    .push(Conditions::unknown_condition(&names));
            }
        }
        if has(Fault::SamlNoConditions) {
            assertion.conditions = None;
        }
    }
}

fn bend_confirmation(assertion: &mut Assertion, faults: &Faults, facts: &Login) {
    let Some(confirmation) = assertion.confirmation_mut() else {
        return;
    };
    if faults.has(Fault::SamlWrongRecipient) {
        confirmation.recipient = Some(format!("{OTHER}/acs"));
    }
    if faults.has(Fault::SamlExpired) {
        confirmation.not_on_or_after = Some(facts.now - HOUR);
    }
    if faults.has(Fault::SamlOtherInResponseTo) {
        confirmation.in_response_to = Some(OTHER_REQUEST.to_owned());
    }
    if faults.has(Fault::SamlNoInResponseTo) {
        confirmation.in_response_to = None;
    }
    if faults.has(Fault::SamlSenderVouches) {
        "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches".clone_into(&mut confirmation.method);
    }
}

fn bend_conditions(conditions: &mut Conditions, faults: &Faults, facts: &Login) {
    if faults.has(Fault::SamlWrongAudience) {
        conditions.audience_restrictions = vec![vec![OTHER.to_owned()]];
    }
    if faults.has(Fault::SamlSecondAudienceRestriction) {
        conditions
            .audience_restrictions
            .push(vec![OTHER.to_owned()]);
    }
    if faults.has(Fault::SamlNoAudience) {
        conditions.audience_restrictions.clear();
    }
    if faults.has(Fault::SamlExpired) {
        conditions.not_before = Some(facts.now - 2 * HOUR);
        conditions.not_on_or_after = Some(facts.now - HOUR);
    }
    if faults.has(Fault::SamlFromFuture) {
        conditions.not_before = Some(facts.now + HOUR);
        conditions.not_on_or_after = Some(facts.now + 2 * HOUR);
    }
}

fn bend_assertion(assertion: &mut Assertion, faults: &Faults, facts: &Login) {
    if faults.has(Fault::SamlWrongIssuer) {
        assertion.issuer = Some(Issuer::new(OTHER));
    }
    if faults.has(Fault::SamlWrongVersion) {
        assertion.version = Some("1.1".to_owned());
    }
    if faults.has(Fault::SamlNoAuthnStatement) {
        assertion.authn_statements.clear();
    }
    for statement in &mut assertion.authn_statements {
        if faults.has(Fault::SamlOldAuthentication) {
            statement.instant = Some(facts.now - 24 * HOUR);
        }
        if faults.has(Fault::SamlSessionOver) {
            statement.session_not_on_or_after = Some(facts.now - HOUR);
        }
    }
    if let Some(subject) = &mut assertion.subject {
        if faults.has(Fault::SamlNoNameId) {
            subject.name_ids.clear();
        }
        if faults.has(Fault::SamlTwoNameIds) {
            subject.name_ids.push(NameId::persistent("somebody-else"));
        }
        if faults.has(Fault::SamlEmptyNameId) {
            for name_id in &mut subject.name_ids {
                name_id.value.clear();
            }
        }
    }
}

/// Signs and encrypts wrongly.
pub(super) fn bend_seal(seal: &mut Seal, faults: &Faults, key: &SamlKey) -> anyhow::Result<()> {
    if faults.has(Fault::SamlUnsigned) {
        seal.assertion = None;
        seal.response = None;
    }
    if faults.has(Fault::SamlForeignKey) {
        let foreign = SamlKey::generate(key.kind())?;
        *seal = seal
            .clone()
            .with_signers(|signer| signer.key = foreign.clone());
    }
    if faults.has(Fault::SamlSha1) {
        *seal = seal
            .clone()
            .with_signers(|signer| *signer = signer.clone().with_sha1());
    }
    if faults.has(Fault::SamlInclusiveC14n) {
        *seal = seal.clone().with_signers(|signer| {
            signer.canonicalization = C14n::Inclusive;
            signer.transform = C14n::Inclusive;
        });
    }
    if faults.has(Fault::SamlEncryptedToUnknownKey) {
        let unknown = SamlKey::generate(KeyKind::Rsa2048)?;
        let mut encrypter = seal
            .encrypt_assertion
            .take()
            .unwrap_or_else(|| Encrypter::new(unknown.certificate()));
        encrypter.certificate = unknown.certificate().clone();
        seal.encrypt_assertion = Some(encrypter);
    }
    Ok(())
}

/// Changes the document after it was signed, and writes it.
pub(super) fn break_sealed(style: Style, mut root: Element, faults: &Faults) -> String {
    if faults.has(Fault::SamlTamperedAttribute) {
        root.change("AttributeValue", |value, _| value.set_text("tampered"));
    }
    if faults.has(Fault::SamlTamperedNameId) {
        root.change("NameID", |name_id, _| name_id.set_text("somebody-else"));
    }
    if faults.has(Fault::SamlCommentInNameId) {
        root.change("NameID", |name_id, _| {
            let value = name_id.inner_text();
            let middle = value.char_indices().nth(value.chars().count() / 2);
            let (first, second) = value.split_at(middle.map_or(0, |(at, _)| at));
            name_id.children = vec![
                Node::Text(first.to_owned()),
                Node::Comment("<!-- -->".to_owned()),
                Node::Text(second.to_owned()),
            ];
        });
    }
    if faults.has(Fault::SamlWrapped) {
        wrap(&mut root);
    }
    let written = style.document(&root);
    if !faults.has(Fault::SamlDoctype) {
        return written;
    }
    match written.split_once("?>") {
        Some((declaration, rest)) => format!("{declaration}?><!DOCTYPE any>{rest}"),
        None => format!("<!DOCTYPE any>{written}"),
    }
}

/// Puts an unsigned assertion about somebody else before the genuine one.
fn wrap(root: &mut Element) {
    let at = root
        .children
        .iter()
        .position(|node| matches!(node, Node::Element(child) if child.local_name() == "Assertion"));
    let Some(at) = at else { return };
    let Some(Node::Element(genuine)) = root.children.get(at) else {
        return;
    };
    let mut evil = genuine.clone();
    evil.take("Signature");
    evil.set("ID", Some("_evil"));
    evil.change("NameID", |name_id, _| name_id.set_text("somebody-else"));
    root.insert(at, evil);
}
