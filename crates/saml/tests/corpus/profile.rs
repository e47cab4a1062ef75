//! What a signed assertion must say (SAML profiles §4.1.4), each rule broken by the identity provider itself.

use vestibule_saml::Rule;
use vestibule_simulate::saml::{
    Assertion, Conditions, Confirmation, Element, NameId, Response, SAML, SAMLP, Status,
};

use super::forge::{Placement, STYLE, part, sealed, signed, signed_tree};
use super::{ACS, Group, NOW, REQUEST};

pub(crate) fn fill(group: &mut Group) -> anyhow::Result<()> {
    for placement in Placement::ALL {
        times(group, placement)?;
        statuses(group, placement)?;
        versions(group, placement)?;
        subjects(group, placement)?;
        confirmations(group, placement)?;
        conditions(group, placement)?;
        statements(group, placement)?;
        forms(group, placement)?;
    }
    Ok(())
}

fn assertions(change: impl Fn(&mut Assertion)) -> impl Fn(&mut Response) {
    move |response| response.assertions.iter_mut().for_each(&change)
}

fn confirmation(change: impl Fn(&mut Confirmation)) -> impl Fn(&mut Response) {
    assertions(move |assertion| {
        if let Some(confirmation) = assertion.confirmation_mut() {
            change(confirmation);
        }
    })
}

fn window(change: impl Fn(&mut Conditions)) -> impl Fn(&mut Response) {
    assertions(move |assertion| {
        if let Some(conditions) = &mut assertion.conditions {
            change(conditions);
        }
    })
}

fn times(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    for (name, at) in [
        ("60-seconds-ago", NOW - 60),
        ("an-hour-ago", NOW - 3600),
        ("1970", 0),
    ] {
        let xml = signed(
            placement,
            window(|conditions| conditions.not_on_or_after = Some(at)),
        )?;
        group.refuse(
            &format!("expired/conditions-{name}-{place}"),
            &[Rule::Expired],
            &xml,
        );
        let xml = signed(
            placement,
            confirmation(|data| data.not_on_or_after = Some(at)),
        )?;
        let name = format!("expired/confirmation-{name}-{place}");
        group.refuse(&name, &[Rule::ConfirmationExpired], &xml);
        let xml = signed(
            placement,
            assertions(|assertion| {
                for statement in &mut assertion.authn_statements {
                    statement.session_not_on_or_after = Some(at);
                }
            }),
        )?;
        group.refuse(
            &name.replace("confirmation", "session"),
            &[Rule::SessionOver],
            &xml,
        );
    }
    for (name, at) in [("61-seconds", NOW + 61), ("an-hour", NOW + 3600)] {
        let xml = signed(
            placement,
            window(|conditions| conditions.not_before = Some(at)),
        )?;
        group.refuse(
            &format!("future/conditions-{name}-{place}"),
            &[Rule::NotYetValid],
            &xml,
        );
        let xml = signed(
            placement,
            confirmation(|data| {
                data.not_before = Some(at);
                data.not_on_or_after = Some(NOW + 7200);
            }),
        )?;
        let name = format!("future/confirmation-{name}-{place}");
        group.refuse(&name, &[Rule::ConfirmationNotYetValid], &xml);
    }
    let xml = signed(placement, confirmation(|data| data.not_on_or_after = None))?;
    group.refuse(
        &format!("endless/confirmation-{place}"),
        &[Rule::ConfirmationExpired],
        &xml,
    );
    for text in [
        "",
        "tomorrow",
        "2027-01-15",
        "2027-01-15T08:05:00",
        "2027-01-15 08:05:00Z",
        "2027-01-15T08:05:00z",
        "2027-02-30T08:05:00Z",
        "2027-01-15T25:00:00Z",
        "99999-01-15T08:05:00Z",
        "1800000300",
        "2027-01-15T08:05:00Z ",
    ] {
        for (local, attribute) in [
            ("Conditions", "NotOnOrAfter"),
            ("Conditions", "NotBefore"),
            ("SubjectConfirmationData", "NotOnOrAfter"),
            ("AuthnStatement", "AuthnInstant"),
            ("AuthnStatement", "SessionNotOnOrAfter"),
        ] {
            let xml = signed_tree(placement, |root| {
                part(root, local)?.set(attribute, Some(text));
                Ok(())
            })?;
            let name = format!("instant/{local}-{attribute}-{text}-{place}");
            group.refuse(&name, &[Rule::Instant], &xml);
        }
    }
    Ok(())
}

fn statuses(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    let success = "urn:oasis:names:tc:SAML:2.0:status:Success";
    let responder = "urn:oasis:names:tc:SAML:2.0:status:Responder";
    for (name, status) in [
        ("failed", Some(Status::of(responder, None))),
        ("success-nested", Some(Status::of(responder, Some(success)))),
        ("missing", None),
        (
            "without-code",
            Some(Status {
                code: None,
                ..Status::success()
            }),
        ),
        ("empty", Some(Status::of("", None))),
        ("short", Some(Status::of("Success", None))),
        ("case", Some(Status::of(&success.to_lowercase(), None))),
        ("space", Some(Status::of(&format!("{success} "), None))),
        (
            "version-1",
            Some(Status::of(
                "urn:oasis:names:tc:SAML:1.0:status:Success",
                None,
            )),
        ),
    ] {
        let xml = signed(placement, |response| response.status.clone_from(&status))?;
        group.refuse(&format!("status/{name}-{place}"), &[Rule::Status], &xml);
    }
    for (local, parent) in [("Status", "Response"), ("StatusCode", "Status")] {
        let xml = signed_tree(placement, |root| {
            let copy = part(root, local)?.clone();
            let parent = part(root, parent)?;
            parent.insert(1, copy);
            Ok(())
        })?;
        // In front of the response's signature it also stands in the signature's way.
        group.refuse(&format!("status/two-{local}-{place}"), &[Rule::Form], &xml);
    }
    // An unsigned status may be made up, and a refusal is a refusal all the same.
    let mut root = sealed(placement)?;
    part(&mut root, "StatusCode")?.set("Value", Some(responder));
    group.refuse(
        &format!("status/changed-{place}"),
        &[Rule::Status],
        &root.to_xml(),
    );
    Ok(())
}

fn versions(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    for version in [
        None,
        Some(""),
        Some("1.1"),
        Some("2"),
        Some("2.0 "),
        Some("2.1"),
        Some("02.0"),
    ] {
        let version = version.map(str::to_owned);
        let xml = signed(placement, |response| response.version.clone_from(&version))?;
        let name = format!("version/response-{version:?}-{place}");
        group.refuse(&name, &[Rule::Version], &xml);
        let xml = signed(
            placement,
            assertions(|assertion| assertion.version.clone_from(&version)),
        )?;
        let name = format!("version/assertion-{version:?}-{place}");
        group.refuse(&name, &[Rule::Version], &xml);
    }
    Ok(())
}

fn subjects(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    let name_ids = |name_ids: Vec<NameId>| {
        assertions(move |assertion| {
            if let Some(subject) = &mut assertion.subject {
                subject.name_ids.clone_from(&name_ids);
            }
        })
    };
    let ada = || NameId::persistent("ada-0001");
    for (name, list) in [
        ("none", vec![]),
        ("two", vec![ada(), NameId::persistent("admin-0001")]),
        ("the-same-twice", vec![ada(), ada()]),
        ("empty", vec![NameId::persistent("")]),
        ("white-space", vec![NameId::persistent(" \t\r\n ")]),
        ("no-break-space", vec![NameId::persistent("\u{a0}")]),
        ("empty-and-another", vec![NameId::persistent(""), ada()]),
    ] {
        let xml = signed(placement, name_ids(list))?;
        group.refuse(&format!("name-id/{name}-{place}"), &[Rule::NameId], &xml);
    }
    let saml = |local: &str| Element::new(&format!("saml:{local}")).namespace("saml", SAML);
    let inner = Element::new("x:b")
        .namespace("x", "urn:example:x")
        .text("admin-0001");
    for (name, inside) in [
        ("element-inside", inner),
        ("name-id-inside", saml("NameID").text("admin-0001")),
        ("empty-element-inside", saml("Anything")),
    ] {
        for at in [0, 1] {
            let xml = signed_tree(placement, |root| {
                part(root, "NameID")?.insert(at, inside.clone());
                Ok(())
            })?;
            let name = format!("name-id/{name}-at-{at}-{place}");
            group.refuse(&name, &[Rule::NameId], &xml);
        }
    }
    for local in ["BaseID", "EncryptedID", "NameID", "Issuer"] {
        for at in [0, 1, 9] {
            let xml = signed_tree(placement, |root| {
                part(root, "Subject")?.insert(at, saml(local).text("admin-0001"));
                Ok(())
            })?;
            let name = format!("name-id/and-{local}-at-{at}-{place}");
            group.refuse(&name, &[Rule::NameId], &xml);
        }
    }
    let xml = signed_tree(placement, |root| {
        "saml:BaseID".clone_into(&mut part(root, "NameID")?.name);
        Ok(())
    })?;
    group.refuse(&format!("name-id/base-id-{place}"), &[Rule::NameId], &xml);
    let xml = signed(placement, assertions(|assertion| assertion.subject = None))?;
    group.refuse(&format!("subject/none-{place}"), &[Rule::NameId], &xml);
    let xml = signed_tree(placement, |root| {
        let subject = part(root, "Subject")?.clone();
        part(root, "Assertion")?.insert(9, subject);
        Ok(())
    })?;
    group.refuse(&format!("subject/two-{place}"), &[Rule::NameId], &xml);
    Ok(())
}

fn confirmations(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    let good = || Confirmation::bearer(ACS, Some(REQUEST), NOW + 300);
    let of = |method: &str| Confirmation {
        method: method.to_owned(),
        ..good()
    };
    for (name, list, rule) in [
        ("none", vec![], Rule::Confirmation),
        (
            "sender-vouches",
            vec![of("urn:oasis:names:tc:SAML:2.0:cm:sender-vouches")],
            Rule::Confirmation,
        ),
        (
            "holder-of-key",
            vec![of("urn:oasis:names:tc:SAML:2.0:cm:holder-of-key")],
            Rule::Confirmation,
        ),
        (
            "saml-1-bearer",
            vec![of("urn:oasis:names:tc:SAML:1.0:cm:bearer")],
            Rule::Confirmation,
        ),
        (
            "upper-case",
            vec![of("urn:oasis:names:tc:SAML:2.0:cm:BEARER")],
            Rule::Confirmation,
        ),
        ("empty-method", vec![of("")], Rule::Confirmation),
        (
            "no-data",
            vec![Confirmation {
                data: false,
                ..good()
            }],
            Rule::Confirmation,
        ),
        (
            "parts-of-two",
            vec![
                Confirmation {
                    recipient: Some("https://other.example/acs".to_owned()),
                    ..good()
                },
                Confirmation {
                    not_on_or_after: Some(NOW - 3600),
                    ..good()
                },
            ],
            Rule::Recipient,
        ),
        (
            "good-one-vouched-only",
            vec![
                of("urn:oasis:names:tc:SAML:2.0:cm:sender-vouches"),
                Confirmation {
                    not_on_or_after: Some(NOW - 3600),
                    ..good()
                },
            ],
            Rule::ConfirmationExpired,
        ),
    ] {
        let xml = signed(
            placement,
            assertions(|assertion| {
                if let Some(subject) = &mut assertion.subject {
                    subject.confirmations.clone_from(&list);
                }
            }),
        )?;
        group.refuse(&format!("confirmation/{name}-{place}"), &[rule], &xml);
    }
    for at in [0, 1] {
        let xml = signed_tree(placement, |root| {
            let mut other = part(root, "SubjectConfirmationData")?.clone();
            other.set("Recipient", Some("https://other.example/acs"));
            part(root, "SubjectConfirmation")?.insert(at, other);
            Ok(())
        })?;
        let name = format!("confirmation/two-data-at-{at}-{place}");
        group.refuse(&name, &[Rule::Form], &xml);
    }
    Ok(())
}

fn conditions(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    let xml = signed(
        placement,
        assertions(|assertion| assertion.conditions = None),
    )?;
    group.refuse(
        &format!("conditions/none-{place}"),
        &[Rule::Conditions],
        &xml,
    );
    let xml = signed_tree(placement, |root| {
        let copy = part(root, "Conditions")?.clone();
        part(root, "Assertion")?.insert(9, copy);
        Ok(())
    })?;
    group.refuse(
        &format!("conditions/two-{place}"),
        &[Rule::Conditions],
        &xml,
    );
    let unknown = Conditions::unknown_condition(&STYLE.names());
    let foreign = Element::new("x:OnlyOnTuesdays").namespace("x", "urn:example:x");
    let misspelled = Element::new("saml:OneTimeuse").namespace("saml", SAML);
    let version1 = Element::new("saml:DoNotCacheCondition").namespace("saml", SAML);
    for (name, condition) in [
        ("unknown", unknown),
        ("foreign", foreign),
        ("misspelled", misspelled),
        ("version-1", version1),
    ] {
        let xml = signed(
            placement,
            window(|conditions| conditions.further.push(condition.clone())),
        )?;
        let name = format!("conditions/{name}-{place}");
        group.refuse(&name, &[Rule::UnknownCondition], &xml);
    }
    Ok(())
}

fn statements(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    let xml = signed(
        placement,
        assertions(|assertion| assertion.authn_statements.clear()),
    )?;
    group.refuse(
        &format!("authn/none-{place}"),
        &[Rule::AuthnStatement],
        &xml,
    );
    let xml = signed(
        placement,
        assertions(|assertion| {
            for statement in &mut assertion.authn_statements {
                statement.context_class = None;
            }
        }),
    )?;
    group.refuse(
        &format!("authn/no-context-{place}"),
        &[Rule::AuthnStatement],
        &xml,
    );
    // A declaration, or its address, says as much as a class (SAML core §2.7.2.2); whose authority it was says nothing.
    let spoken = |local: &str| {
        signed_tree(placement, |root| {
            let context = part(root, "AuthnContext")?;
            context.children.clear();
            context.insert(
                0,
                Element::new(&format!("saml:{local}"))
                    .namespace("saml", SAML)
                    .text("urn:example:how"),
            );
            Ok(())
        })
    };
    for local in ["AuthnContextDecl", "AuthnContextDeclRef"] {
        group.accept(&format!("authn/{local}-{place}"), &spoken(local)?);
    }
    group.refuse(
        &format!("authn/authority-alone-{place}"),
        &[Rule::AuthnStatement],
        &spoken("AuthenticatingAuthority")?,
    );
    let xml = signed(
        placement,
        assertions(|assertion| {
            for statement in &mut assertion.authn_statements {
                statement.instant = None;
            }
        }),
    )?;
    group.refuse(&format!("authn/no-instant-{place}"), &[Rule::Instant], &xml);
    let xml = signed(
        placement,
        assertions(|assertion| {
            if let Some(mut over) = assertion.authn_statements.first().cloned() {
                over.session_not_on_or_after = Some(NOW - 3600);
                assertion.authn_statements.push(over);
            }
        }),
    )?;
    group.refuse(
        &format!("authn/second-is-over-{place}"),
        &[Rule::SessionOver],
        &xml,
    );
    Ok(())
}

/// Elements and text where the schema has none.
fn forms(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    let foreign = Element::new("x:y").namespace("x", "urn:example:x");
    for local in ["Response", "Assertion"] {
        for (name, child) in [
            ("foreign", foreign.clone()),
            (
                "name-id",
                Element::new("saml:NameID")
                    .namespace("saml", SAML)
                    .text("admin-0001"),
            ),
            (
                "attribute",
                Element::new("saml:Attribute").namespace("saml", SAML),
            ),
            (
                "audience",
                Element::new("saml:Audience").namespace("saml", SAML),
            ),
        ] {
            let xml = signed_tree(placement, |root| {
                part(root, local)?.insert(9, child.clone());
                Ok(())
            })?;
            group.refuse(
                &format!("form/{name}-in-{local}-{place}"),
                &[Rule::Form],
                &xml,
            );
        }
        let xml = signed_tree(placement, |root| {
            let element = part(root, local)?;
            *element = element.clone().text("admin-0001");
            Ok(())
        })?;
        group.refuse(
            &format!("form/text-in-{local}-{place}"),
            &[Rule::Form],
            &xml,
        );
    }
    for (name, child) in [
        ("bare", Element::new("y")),
        (
            "protocol",
            Element::new("samlp:StatusMessage").namespace("samlp", SAMLP),
        ),
    ] {
        let xml = signed(placement, |response| {
            response.extensions.push(child.clone());
        })?;
        group.refuse(
            &format!("form/{name}-in-extensions-{place}"),
            &[Rule::Form],
            &xml,
        );
    }
    for local in ["Issuer", "Advice"] {
        let xml = signed_tree(placement, |root| {
            let copy = Element::new(&format!("saml:{local}")).namespace("saml", SAML);
            let assertion = part(root, "Assertion")?;
            assertion.insert(9, copy.clone());
            assertion.insert(9, copy);
            Ok(())
        })?;
        group.refuse(
            &format!("form/several-{local}-{place}"),
            &[Rule::Form],
            &xml,
        );
    }
    Ok(())
}
