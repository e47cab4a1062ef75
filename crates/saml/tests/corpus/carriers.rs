//! Other documents that the identity provider signs: each has a good signature, and none is a response.

use vestibule_saml::Rule;
use vestibule_simulate::saml::{
    AUTHN_FAILED, DS, Element, NameId, RESPONDER, Response, SAML, SAMLP, Seal, Status,
};

use super::Group;
use super::forge::{
    self, Placement, STYLE, copied, evil_assertion, login, part, sealed, take_signature, taken,
};
use super::{ACS, IDP, NOW, REQUEST};

pub(crate) fn fill(group: &mut Group) -> anyhow::Result<()> {
    let signer = STYLE.signer(&group.keys.rsa);
    for (name, mut carrier) in documents() {
        signer.sign_root(&mut carrier)?;
        group.refuse(
            &format!("as-it-is/{name}"),
            &[Rule::Root],
            &carrier.to_xml(),
        );
        carried(group, name, &carrier)?;
    }
    errors(group)?;
    wrapped_in_soap(group)
}

fn documents() -> Vec<(&'static str, Element)> {
    let message = |local: &str| {
        Element::new(&format!("samlp:{local}"))
            .namespace("samlp", SAMLP)
            .namespace("saml", SAML)
            .attribute("ID", "_carrier-1")
            .attribute("Version", "2.0")
            .attribute("IssueInstant", "2027-01-15T08:00:00Z")
            .attribute("Destination", ACS)
            .attribute("InResponseTo", REQUEST)
            .child(Element::new("saml:Issuer").text(IDP))
    };
    let status = || {
        let code = Element::new("samlp:StatusCode")
            .attribute("Value", "urn:oasis:names:tc:SAML:2.0:status:Success");
        Element::new("samlp:Status").child(code)
    };
    let name_id = || Element::new("saml:NameID").text("ada-0001");
    let metadata = Element::new("md:EntityDescriptor")
        .namespace("md", "urn:oasis:names:tc:SAML:2.0:metadata")
        .attribute("ID", "_carrier-1")
        .attribute("entityID", IDP)
        .child(Element::new("md:IDPSSODescriptor"));
    vec![
        ("metadata", metadata),
        ("logout-request", message("LogoutRequest").child(name_id())),
        ("logout-response", message("LogoutResponse").child(status())),
        ("authn-request", message("AuthnRequest")),
        (
            "artifact-response",
            message("ArtifactResponse").child(status()),
        ),
        (
            "manage-name-id-response",
            message("ManageNameIDResponse").child(status()),
        ),
    ]
}

/// The carrier's signature in a response, with the carrier itself somewhere and an assertion of one's own.
fn carried(group: &mut Group, name: &str, carrier: &Element) -> anyhow::Result<()> {
    let mut unsigned = sealed(Placement::Assertion)?;
    let assertion = part(&mut unsigned, "Assertion")?;
    *assertion = evil_assertion(&assertion.clone(), "_evil-assertion")?;
    let signature = copied(carrier, "Signature")?;

    let mut root = unsigned.clone();
    root.insert(1, signature.clone());
    group.refuse(
        &format!("signature/other-id-{name}"),
        &[Rule::SignatureForm],
        &root.to_xml(),
    );
    root.set("ID", Some("_carrier-1"));
    group.refuse(
        &format!("signature/same-id-{name}"),
        &[Rule::Digest],
        &root.to_xml(),
    );

    let mut root = unsigned.clone();
    let assertion = part(&mut root, "Assertion")?;
    assertion.set("ID", Some("_carrier-1"));
    assertion.insert(1, signature.clone());
    group.refuse(
        &format!("signature/on-assertion-{name}"),
        &[Rule::Digest],
        &root.to_xml(),
    );

    let extensions = Element::new("samlp:Extensions").namespace("samlp", SAMLP);
    let mut root = unsigned.clone();
    root.insert(1, extensions.clone().child(carrier.clone()));
    group.refuse(
        &format!("hidden/extensions-{name}"),
        &[Rule::Misplaced],
        &root.to_xml(),
    );

    let mut root = unsigned.clone();
    let mut bare = carrier.clone();
    take_signature(&mut bare);
    root.insert(1, signature.clone());
    let note = Element::new("x:note").namespace("x", "urn:example:x");
    root.insert(2, extensions.child(note.child(bare.clone())));
    group.refuse(
        &format!("hidden/signature-outside-{name}"),
        &[Rule::SignatureForm],
        &root.to_xml(),
    );

    let mut root = unsigned.clone();
    let object = Element::new("ds:Object").namespace("ds", DS).child(bare);
    root.insert(1, signature.child(object));
    group.refuse(
        &format!("hidden/object-{name}"),
        &[Rule::Misplaced],
        &root.to_xml(),
    );

    // The carrier takes the assertion in, and stays the root.
    let holding = carrier.clone().child(copied(&unsigned, "Assertion")?);
    group.refuse(
        &format!("holding/assertion-{name}"),
        &[Rule::Root],
        &holding.to_xml(),
    );
    let mut renamed = carrier.clone();
    renamed.namespaces.retain(|(prefix, _)| prefix != "samlp");
    renamed.declare("samlp", SAMLP);
    "samlp:Response".clone_into(&mut renamed.name);
    renamed.set("Version", Some("2.0"));
    if renamed.find("Status").is_none() {
        let status = copied(&unsigned, "Status")?;
        renamed = renamed.child(status);
    }
    let foreign = name == "metadata" || name == "logout-request";
    let rule = if foreign { Rule::Form } else { Rule::Digest };
    let renamed = renamed.child(copied(&unsigned, "Assertion")?);
    group.refuse(
        &format!("holding/renamed-{name}"),
        &[rule],
        &renamed.to_xml(),
    );
    Ok(())
}

/// The identity provider's signed refusals.
fn errors(group: &mut Group) -> anyhow::Result<()> {
    let signer = STYLE.signer(&group.keys.rsa);
    let seal = Seal {
        response: Some(signer),
        ..Seal::nothing()
    };
    let refusal = Response::refusal(STYLE, &login(), Status::of(RESPONDER, Some(AUTHN_FAILED)))?;
    let refused = refusal.seal(&seal)?;
    group.refuse("error/as-it-is", &[Rule::Status], &refused.to_xml());
    let assertion = copied(&forge::response()?.seal(&Seal::nothing())?, "Assertion")?;
    let holding = refused.clone().child(assertion);
    group.refuse("error/with-assertion", &[Rule::Status], &holding.to_xml());
    let mut succeeding = holding;
    let code = part(&mut succeeding, "StatusCode")?;
    code.set("Value", Some(vestibule_simulate::saml::SUCCESS));
    group.refuse(
        "error/with-assertion-and-success",
        &[Rule::Digest],
        &succeeding.to_xml(),
    );

    let mut nothing = Response::refusal(STYLE, &login(), Status::success())?;
    group.refuse(
        "error/success-without-assertion",
        &[Rule::AssertionCount],
        &nothing.to_xml(&seal)?,
    );
    nothing.in_response_to = None;
    let unsigned = nothing.to_xml(&Seal::nothing())?;
    group.refuse("error/nothing-at-all", &[Rule::AssertionCount], &unsigned);
    let logout = vestibule_simulate::saml::LogoutRequest::new(
        IDP,
        ACS,
        NameId::persistent("ada-0001"),
        None,
        NOW,
    )?;
    group.refuse(
        "logout/unsigned",
        &[Rule::Root],
        &logout.element(STYLE).to_xml(),
    );
    Ok(())
}

/// The answer of another binding around a genuine response.
fn wrapped_in_soap(group: &mut Group) -> anyhow::Result<()> {
    for placement in Placement::ALL {
        let mut artifact = Element::new("samlp:ArtifactResponse")
            .namespace("samlp", SAMLP)
            .namespace("saml", SAML)
            .attribute("ID", "_artifact-1")
            .attribute("Version", "2.0")
            .child(Element::new("saml:Issuer").text(IDP));
        let mut genuine = sealed(placement)?;
        artifact = artifact.child(taken(&mut genuine, "Status")?);
        let xml = artifact.child(sealed(placement)?).to_xml();
        group.refuse(
            &format!("artifact/{}", placement.name()),
            &[Rule::Root],
            &xml,
        );
    }
    Ok(())
}
