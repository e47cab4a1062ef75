//! IDs and namespaces: two elements that answer to one name, and elements that two readers name differently.

use vestibule_saml::Rule;
use vestibule_simulate::saml::{Element, SAML, SAMLP};

use super::Group;
use super::forge::{Placement, part, replaced, sealed, signed_tree};

pub(crate) fn fill(group: &mut Group) -> anyhow::Result<()> {
    for placement in Placement::ALL {
        posing(group, placement)?;
        malformed(group, placement)?;
        namespaces(group, placement)?;
        declarations(group, placement)?;
    }
    Ok(())
}

const PARTS: [&str; 9] = [
    "Response",
    "Issuer",
    "Status",
    "StatusCode",
    "Assertion",
    "Subject",
    "NameID",
    "Attribute",
    "AttributeValue",
];

/// Other attributes that some library takes for an ID, on unsigned and on signed elements.
fn posing(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    for attribute in [
        "Id",
        "id",
        "iD",
        "xml:id",
        "samlp:ID",
        "saml:ID",
        "AssertionID",
        "x:ID",
    ] {
        for local in PARTS
            .into_iter()
            .chain(["Signature", "SignedInfo", "KeyInfo", "Reference"])
        {
            let add = |element: &mut Element| {
                element.declare("samlp", SAMLP);
                element.declare("saml", SAML);
                element.declare("x", "urn:example:x");
                element.set(attribute, Some("_assertion-1"));
            };
            let mut root = sealed(placement)?;
            add(part(&mut root, local)?);
            let name = format!("posing/{attribute}-{local}-{place}");
            group.refuse(&name, &[Rule::Id], &root.to_xml());
            // Not even from the identity provider: whoever looks up IDs would be misled all the same.
            if PARTS.contains(&local) {
                let xml = signed_tree(placement, |root| {
                    add(part(root, local)?);
                    Ok(())
                })?;
                group.refuse(&format!("{name}-signed"), &[Rule::Id], &xml);
            }
        }
    }
    Ok(())
}

fn malformed(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    for (name, id) in [
        ("empty", Some("")),
        ("space", Some("_a b")),
        ("digit", Some("1abc")),
        ("colon", Some("a:b")),
        ("hash", Some("#_a")),
        ("xpointer", Some("xpointer(/)")),
        ("quote", Some("a'b")),
        ("line-break", Some("_a\n")),
        ("missing", None),
    ] {
        for local in ["Response", "Assertion"] {
            let xml = signed_tree(placement, |root| {
                part(root, local)?.set("ID", id);
                Ok(())
            })?;
            group.refuse(
                &format!("malformed/{name}-{local}-{place}"),
                &[Rule::Id],
                &xml,
            );
        }
    }
    let xml = signed_tree(placement, |root| {
        root.set("ID", Some("_assertion-1"));
        Ok(())
    })?;
    group.refuse(
        &format!("twice/response-and-assertion-{place}"),
        &[Rule::Id],
        &xml,
    );
    for local in ["Issuer", "NameID", "AttributeValue", "Status"] {
        for id in ["_assertion-1", "_response-1"] {
            let mut root = sealed(placement)?;
            part(&mut root, local)?.set("ID", Some(id));
            let name = format!("twice/{local}{id}-{place}");
            group.refuse(&name, &[Rule::Id], &root.to_xml());
        }
    }
    let mut root = sealed(placement)?;
    let status = part(&mut root, "Status")?;
    let foreign = Element::new("x:thing")
        .namespace("x", "urn:example:x")
        .attribute("ID", "_assertion-1");
    status.insert(1, foreign);
    group.refuse(
        &format!("twice/foreign-{place}"),
        &[Rule::Id],
        &root.to_xml(),
    );
    Ok(())
}

/// The words are right and the namespaces are not.
fn namespaces(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    for uri in [
        "urn:oasis:names:tc:SAML:1.0:protocol",
        "urn:oasis:names:tc:SAML:2.0:assertion",
        "urn:oasis:names:tc:SAML:2.0:protocol ",
        "URN:oasis:names:tc:SAML:2.0:protocol",
        "urn:oasis:names:tc:SAML:2.0:PROTOCOL",
        "urn:example:x",
    ] {
        let xml = sealed(placement)?.to_xml().replace(SAMLP, uri);
        group.refuse(
            &format!("namespace/protocol-{uri}-{place}"),
            &[Rule::Root],
            &xml,
        );
    }
    // In another namespace there is no assertion, only an element that has no place in a response.
    for uri in ["urn:oasis:names:tc:SAML:1.0:assertion", "urn:example:x"] {
        let xml = signed_tree(placement, |root| {
            let assertion = part(root, "Assertion")?;
            assertion.namespaces.retain(|(prefix, _)| prefix != "saml");
            assertion.declare("saml", uri);
            Ok(())
        })?;
        let rules = match placement.signs_response() {
            true => [Rule::Form, Rule::Misplaced],
            // The signature in it signs nothing that may be signed.
            false => [Rule::Misplaced, Rule::Misplaced],
        };
        group.refuse(&format!("namespace/assertion-{uri}-{place}"), &rules, &xml);
    }
    for local in [
        "Issuer",
        "Subject",
        "NameID",
        "Conditions",
        "AuthnStatement",
    ] {
        let xml = signed_tree(placement, |root| {
            let element = part(part(root, "Assertion")?, local)?;
            element.namespaces.retain(|(prefix, _)| prefix != "saml");
            element.declare("saml", "urn:example:x");
            Ok(())
        })?;
        let rules: &[Rule] = match local {
            "NameID" => &[Rule::NameId],
            // A signature that does not follow the issuer stands in the wrong place.
            "Issuer" if placement != Placement::Response => &[Rule::Misplaced],
            _ => &[Rule::Form],
        };
        group.refuse(&format!("namespace/{local}-{place}"), rules, &xml);
    }
    let xml = sealed(placement)?.to_xml();
    let bare = replaced(
        &xml,
        "xmlns:ds=",
        "xmlns:ds=\"urn:example:x\" xmlns:unused=",
    )?;
    group.refuse(
        &format!("namespace/signature-{place}"),
        &[Rule::Form],
        &bare,
    );
    Ok(())
}

/// Declarations that canonicalization chokes on elsewhere, or that mean two things.
fn declarations(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    for (name, declaration) in [
        ("relative", "xmlns:x=\"1\""),
        ("relative-path", "xmlns:x=\"./x\""),
        ("relative-query", "xmlns:x=\"?a:b\""),
        ("relative-default", "xmlns=\"x\""),
        ("only-colon", "xmlns:x=\":x\""),
        ("empty-prefixed", "xmlns:x=\"\""),
        ("xml-rebound", "xmlns:xml=\"urn:example:x\""),
        (
            "xml-declared",
            "xmlns:xml=\"http://www.w3.org/XML/1998/namespace\"",
        ),
        (
            "xml-by-another-prefix",
            "xmlns:x=\"http://www.w3.org/XML/1998/namespace\"",
        ),
        (
            "xml-as-default",
            "xmlns=\"http://www.w3.org/XML/1998/namespace\"",
        ),
        (
            "xmlns-declared",
            "xmlns:xmlns=\"http://www.w3.org/2000/xmlns/\"",
        ),
        (
            "xmlns-by-another-prefix",
            "xmlns:x=\"http://www.w3.org/2000/xmlns/\"",
        ),
        ("empty-prefix", "xmlns:=\"urn:example:x\""),
        ("prefix-colon", ":x=\"1\""),
        ("two-colons", "a:b:c=\"1\""),
        ("digit", "xmlns:1=\"urn:example:x\""),
        (
            "twice",
            "xmlns:x=\"urn:example:x\" xmlns:x=\"urn:example:x\"",
        ),
        (
            "default-twice",
            "xmlns=\"urn:example:x\" xmlns=\"urn:example:y\"",
        ),
        ("undeclared", "x:a=\"1\""),
        ("attribute-twice", "a=\"1\" a=\"1\""),
        (
            "attribute-twice-by-namespace",
            "xmlns:x=\"urn:example:x\" xmlns:y=\"urn:example:x\" x:a=\"1\" y:a=\"1\"",
        ),
        ("no-space", "a=\"1\"b=\"2\""),
        ("no-quotes", "a=1"),
        ("no-value", "a"),
        ("less-than", "a=\"<\""),
        ("open-quote", "a=\""),
    ] {
        let xml = sealed(placement)?.to_xml();
        for (where_, tag) in [
            ("response", "<samlp:Response "),
            ("assertion", "<saml:Assertion "),
            ("status", "<samlp:Status"),
            ("name-id", "<saml:NameID "),
        ] {
            let changed = replaced(&xml, tag, &format!("{} {declaration} ", tag.trim_end()))?;
            let name = format!("declaration/{name}-{where_}-{place}");
            group.refuse(&name, &[Rule::Xml], &changed);
        }
    }
    Ok(())
}
