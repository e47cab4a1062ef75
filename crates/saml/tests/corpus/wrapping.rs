//! Signature wrapping: the genuine signed element is moved aside and another stands where a reader looks.
//!
//! XSW1 to XSW8 are those of Somorovsky et al., "On Breaking SAML" (2012), as SAML Raider makes them; the others put
//! either element into every container that takes foreign content.

use vestibule_saml::Rule;
use vestibule_simulate::saml::{DS, Element, SAML, SAMLP};

use super::Group;
use super::forge::{
    Placement, copied, evil_assertion, evil_response, part, place_of, sealed, take_signature,
};

pub(crate) fn fill(group: &mut Group) -> anyhow::Result<()> {
    for placement in Placement::ALL {
        let genuine = sealed(placement)?;
        published(group, placement, &genuine)?;
        siblings(group, placement, &genuine)?;
        containers(group, placement, &genuine)?;
        swapped(group, placement, &genuine)?;
    }
    bare_roots(group)
}

/// An element of the assertion's namespace that stands alone.
fn saml(local: &str) -> Element {
    Element::new(&format!("saml:{local}")).namespace("saml", SAML)
}

fn object(child: Element) -> Element {
    Element::new("ds:Object").namespace("ds", DS).child(child)
}

fn published(group: &mut Group, placement: Placement, genuine: &Element) -> anyhow::Result<()> {
    let place = placement.name();
    let assertion = copied(genuine, "Assertion")?;
    let evil = evil_assertion(&assertion, "_evil-assertion")?;
    let mut unsigned = assertion.clone();
    let own_signature = take_signature(&mut unsigned);

    if placement.signs_response() {
        let mut original = genuine.clone();
        let signature = take_signature(&mut original);
        let evil_root = evil_response(genuine, "_evil-response")?;
        if let Some(signature) = signature {
            let mut holding = signature.clone();
            holding = holding.child(original.clone());
            let mut root = evil_root.clone();
            root.insert(1, holding);
            group.refuse(&format!("xsw1/{place}"), &[Rule::Misplaced], &root.to_xml());

            let mut root = evil_root.clone();
            root.insert(1, original.clone());
            root.insert(2, signature.clone());
            group.refuse(&format!("xsw2/{place}"), &[Rule::Misplaced], &root.to_xml());

            let mut root = evil_root;
            root.insert(1, signature.child(object(original)));
            group.refuse(
                &format!("xsw1-object/{place}"),
                &[Rule::Misplaced],
                &root.to_xml(),
            );
        }
    }

    let at = place_of(genuine, "Assertion").unwrap_or(0);
    // Two assertions stand in the right place, and the wrong number of them is what refuses.
    let mut root = genuine.clone();
    root.insert(at, evil.clone());
    group.refuse(
        &format!("xsw3/{place}"),
        &[Rule::AssertionCount],
        &root.to_xml(),
    );

    let mut root = genuine.clone();
    *part(&mut root, "Assertion")? = evil.clone().child(assertion.clone());
    group.refuse(&format!("xsw4/{place}"), &[Rule::Misplaced], &root.to_xml());

    if let Some(signature) = own_signature {
        let mut signed_evil = evil.clone();
        signed_evil.insert(1, signature.clone());
        let mut root = genuine.clone();
        *part(&mut root, "Assertion")? = signed_evil.clone();
        let root = root.child(unsigned.clone());
        group.refuse(
            &format!("xsw5/{place}"),
            &[Rule::AssertionCount],
            &root.to_xml(),
        );

        let mut holding = evil.clone();
        holding.insert(1, signature.clone().child(unsigned.clone()));
        let mut root = genuine.clone();
        *part(&mut root, "Assertion")? = holding;
        group.refuse(&format!("xsw6/{place}"), &[Rule::Misplaced], &root.to_xml());

        let mut holding = evil.clone();
        holding.insert(1, signature.child(object(unsigned)));
        let mut root = genuine.clone();
        *part(&mut root, "Assertion")? = holding;
        group.refuse(&format!("xsw8/{place}"), &[Rule::Misplaced], &root.to_xml());
    }

    let mut same_id = evil;
    same_id.set("ID", Some("_assertion-1"));
    let extensions = Element::new("samlp:Extensions")
        .namespace("samlp", SAMLP)
        .child(same_id);
    let mut root = genuine.clone();
    root.insert(at, extensions);
    // The IDs are judged before the places.
    group.refuse(&format!("xsw7/{place}"), &[Rule::Id], &root.to_xml());
    Ok(())
}

/// A second assertion or response beside the genuine one, before and after everything.
fn siblings(group: &mut Group, placement: Placement, genuine: &Element) -> anyhow::Result<()> {
    let place = placement.name();
    let assertion = copied(genuine, "Assertion")?;
    let evil = evil_assertion(&assertion, "_evil-assertion")?;
    for at in 0..=genuine.children.len() {
        let mut root = genuine.clone();
        root.insert(at, evil.clone());
        // In front of the signature it takes the signature's place.
        let rules = match placement.signs_response() && at <= 1 {
            true => [Rule::Misplaced],
            false => [Rule::AssertionCount],
        };
        group.refuse(
            &format!("sibling/assertion-at-{at}-{place}"),
            &rules,
            &root.to_xml(),
        );
        let mut root = genuine.clone();
        root.insert(at, saml("EncryptedAssertion"));
        group.refuse(
            &format!("sibling/encrypted-at-{at}-{place}"),
            &rules,
            &root.to_xml(),
        );
        let mut root = genuine.clone();
        root.insert(at, evil_response(genuine, "_evil-response")?);
        group.refuse(
            &format!("sibling/response-at-{at}-{place}"),
            &[Rule::Misplaced, Rule::Id],
            &root.to_xml(),
        );
    }
    Ok(())
}

/// Every container, with the evil assertion or the genuine one inside.
fn containers(group: &mut Group, placement: Placement, genuine: &Element) -> anyhow::Result<()> {
    let place = placement.name();
    let assertion = copied(genuine, "Assertion")?;
    let evil = evil_assertion(&assertion, "_evil-assertion")?;
    let mut signed_evil = evil.clone();
    let mut unsigned = assertion.clone();
    if let Some(signature) = take_signature(&mut unsigned) {
        signed_evil.insert(1, signature);
    }
    let wrap = |name: &str, inside: &Element| match name {
        "Object" => object(inside.clone()),
        name => saml(name).child(inside.clone()),
    };
    // The element that gets a further child, and what that child is.
    for (parent, container) in [
        ("Assertion", "Advice"),
        ("Assertion", "AttributeStatement"),
        ("Assertion", "Statement"),
        ("Subject", "SubjectConfirmationData"),
        ("SubjectConfirmation", "SubjectConfirmationData"),
        ("SubjectConfirmation", "BaseID"),
        ("SubjectConfirmationData", "Anything"),
        ("NameID", "Anything"),
        ("Conditions", "Condition"),
        ("AuthnContext", "AuthnContextDecl"),
        ("Attribute", "AttributeValue"),
        ("AttributeValue", "Anything"),
        ("Issuer", "Anything"),
        ("Signature", "Object"),
        ("KeyInfo", "Anything"),
        ("SignedInfo", "Anything"),
        ("Reference", "Anything"),
        ("Transform", "Anything"),
        ("DigestValue", "Anything"),
        ("SignatureValue", "Anything"),
        ("Status", "StatusDetail"),
        ("StatusCode", "Anything"),
        ("Response", "Extensions"),
        ("Response", "Anything"),
    ] {
        for (who, kept, hidden) in [
            ("evil-inside", &assertion, &evil),
            ("genuine-inside", &evil, &assertion),
            ("genuine-inside-signature-kept", &signed_evil, &unsigned),
        ] {
            let mut root = genuine.clone();
            *part(&mut root, "Assertion")? = kept.clone();
            let Some(found) = root.find_mut(parent) else {
                continue;
            };
            let child = wrap(container, hidden);
            found.insert(found.children.len(), child);
            let name = format!("container/{who}-{parent}-{container}-{place}");
            group.refuse(&name, &[Rule::Misplaced], &root.to_xml());
            let mut root = genuine.clone();
            *part(&mut root, "Assertion")? = kept.clone();
            if let Some(found) = root.find_mut(parent) {
                found.insert(0, wrap(container, hidden));
            }
            group.refuse(&format!("{name}-first"), &[Rule::Misplaced], &root.to_xml());
        }
    }
    Ok(())
}

/// The signature of one element, carried by another.
fn swapped(group: &mut Group, placement: Placement, genuine: &Element) -> anyhow::Result<()> {
    let place = placement.name();
    let assertion = copied(genuine, "Assertion")?;
    let mut root = genuine.clone();
    let response_signature = take_signature(&mut root);
    let held = part(&mut root, "Assertion")?;
    let own_signature = take_signature(held);
    let unsigned = root;
    group.refuse(
        &format!("stripped/{place}"),
        &[Rule::Unsigned],
        &unsigned.to_xml(),
    );

    if let Some(signature) = &response_signature {
        let mut root = unsigned.clone();
        part(&mut root, "Assertion")?.insert(1, signature.clone());
        group.refuse(
            &format!("swapped/response-signature-in-assertion-{place}"),
            &[Rule::SignatureForm],
            &root.to_xml(),
        );
        // Also where the ID fits: it is another element.
        part(&mut root, "Assertion")?.set("ID", Some("_response-1"));
        root.set("ID", Some("_other"));
        group.refuse(
            &format!("swapped/response-signature-and-id-in-assertion-{place}"),
            &[Rule::Digest],
            &root.to_xml(),
        );
        let mut root = genuine.clone();
        root.insert(1, signature.clone());
        group.refuse(
            &format!("swapped/twice-{place}"),
            &[Rule::Misplaced],
            &root.to_xml(),
        );
    }
    if let Some(signature) = &own_signature {
        let mut root = unsigned.clone();
        root.insert(1, signature.clone());
        group.refuse(
            &format!("swapped/assertion-signature-in-response-{place}"),
            &[Rule::SignatureForm],
            &root.to_xml(),
        );
        let mut root = unsigned.clone();
        root.set("ID", Some("_assertion-1"));
        part(&mut root, "Assertion")?.set("ID", Some("_other"));
        root.insert(1, signature.clone());
        group.refuse(
            &format!("swapped/assertion-signature-and-id-in-response-{place}"),
            &[Rule::Digest],
            &root.to_xml(),
        );
        for (name, at) in [("first", 0), ("third", 2), ("last", 9)] {
            let mut root = unsigned.clone();
            part(&mut root, "Assertion")?.insert(at, signature.clone());
            group.refuse(
                &format!("swapped/signature-{name}-{place}"),
                &[Rule::Misplaced],
                &root.to_xml(),
            );
        }
        let mut root = genuine.clone();
        part(&mut root, "Assertion")?.insert(2, signature.clone());
        group.refuse(
            &format!("swapped/assertion-signature-twice-{place}"),
            &[Rule::Misplaced],
            &root.to_xml(),
        );
    }
    // What is signed stays, and a value inside changes.
    for (name, victim) in [
        ("NameID", "admin-0001"),
        ("AttributeValue", "admin@acme.test"),
    ] {
        let mut root = genuine.clone();
        part(&mut root, name)?.set_text(victim);
        group.refuse(
            &format!("changed/{name}-{place}"),
            &[Rule::Digest],
            &root.to_xml(),
        );
    }
    let mut root = genuine.clone();
    *part(&mut root, "Assertion")? = evil_assertion(&assertion, "_assertion-1")?;
    let rule = match placement {
        Placement::Assertion => Rule::Unsigned,
        _ => Rule::Digest,
    };
    group.refuse(
        &format!("changed/assertion-{place}"),
        &[rule],
        &root.to_xml(),
    );
    Ok(())
}

/// A signed assertion is not a response, wherever a reader would find one.
fn bare_roots(group: &mut Group) -> anyhow::Result<()> {
    let genuine = sealed(Placement::Assertion)?;
    let assertion = copied(&genuine, "Assertion")?;
    group.refuse("root/assertion", &[Rule::Root], &assertion.to_xml());
    let soap = Element::new("s:Envelope")
        .namespace("s", "http://schemas.xmlsoap.org/soap/envelope/")
        .child(Element::new("s:Body").child(genuine.clone()));
    group.refuse("root/soap-envelope", &[Rule::Root], &soap.to_xml());
    let foreign = Element::new("x:Response")
        .namespace("x", "urn:example:x")
        .child(genuine);
    group.refuse("root/foreign-response", &[Rule::Root], &foreign.to_xml());
    Ok(())
}
