//! Messages that cost more than they are worth; each is refused before anything expensive happens.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use vestibule_saml::{MAX_MESSAGE_BYTES, Rule};

use super::Group;
use super::forge::{Placement, part, replaced, sealed};

pub(crate) fn fill(group: &mut Group) -> anyhow::Result<()> {
    for placement in Placement::ALL {
        let xml = sealed(placement)?.to_xml();
        sizes(group, placement, &xml)?;
        trees(group, placement, &xml)?;
        signatures(group, placement)?;
    }
    endless(group);
    Ok(())
}

/// The message with something in front of the response's status.
fn with(xml: &str, inside: &str) -> anyhow::Result<String> {
    replaced(
        xml,
        "<samlp:Status>",
        &format!(
            "<samlp:Extensions xmlns=\"urn:example:extension\">{inside}</samlp:Extensions><samlp:Status>"
        ),
    )
}

fn sizes(group: &mut Group, placement: Placement, xml: &str) -> anyhow::Result<()> {
    let place = placement.name();
    for (name, length) in [("8-mb", 8 << 20), ("just-too-long", MAX_MESSAGE_BYTES)] {
        let long = with(xml, &format!("<x>{}</x>", "a".repeat(length)))?;
        group.refuse(&format!("size/{name}-{place}"), &[Rule::TooLarge], &long);
    }
    let spaces = format!("{}{}", STANDARD.encode(xml), " ".repeat(8 << 20));
    let usual = group.usual.clone();
    group.refuse_parameter(
        &format!("size/spaces-{place}"),
        usual,
        &[Rule::TooLarge],
        spaces,
    );
    Ok(())
}

fn trees(group: &mut Group, placement: Placement, xml: &str) -> anyhow::Result<()> {
    let place = placement.name();
    let numbered = |count: usize, one: fn(usize) -> String| -> String {
        (0..count).map(one).collect::<Vec<_>>().concat()
    };
    let attributes = |count| numbered(count, |number| format!(" a{number}=\"\""));
    let declarations = |count| {
        numbered(count, |number| {
            format!(" xmlns:p{number}=\"urn:p{number}\"")
        })
    };
    let nested = |depth: usize| format!("{}{}", "<x>".repeat(depth), "</x>".repeat(depth));
    let spread = numbered(5, |level| {
        let own: Vec<String> = (0..30)
            .map(|number| format!(" xmlns:p{level}x{number}=\"urn:p\""))
            .collect();
        format!("<x{}>", own.concat())
    });
    for (name, inside) in [
        ("depth-31", nested(31)),
        ("depth-40000", nested(40_000)),
        ("attributes-65", format!("<x{}/>", attributes(65))),
        ("attributes-50000", format!("<x{}/>", attributes(50_000))),
        (
            "attributes-same-50000",
            format!("<x{}/>", " a=\"\"".repeat(50_000)),
        ),
        ("declarations-33", format!("<x{}/>", declarations(33))),
        (
            "declarations-20000",
            format!("<x{}/>", declarations(20_000)),
        ),
        (
            "declarations-in-scope-150",
            format!("{spread}{}", "</x>".repeat(5)),
        ),
        ("elements-30001", "<x/>".repeat(30_001)),
        ("elements-300000", "<x/>".repeat(300_000)),
        ("end-tags", "</x>".repeat(100_000)),
        ("open-tags", "<x>".repeat(100_000)),
        ("less-thans", "<".repeat(500_000)),
        ("ampersands", "&".repeat(500_000)),
    ] {
        let name = format!("tree/{name}-{place}");
        group.refuse(&name, &[Rule::Xml], &with(xml, &inside)?);
    }
    // As much as may be: genuine messages have room. The response's own signature does not cover additions.
    let rule = match placement.signs_response() {
        true => Some(Rule::Digest),
        false => None,
    };
    for (name, inside) in [
        ("depth-29", nested(29)),
        ("attributes-64", format!("<x{}/>", attributes(64))),
        ("declarations-32", format!("<x{}/>", declarations(32))),
        ("elements-29000", "<x/>".repeat(29_000)),
        (
            "references-100000",
            format!("<x>{}</x>", "&#97;".repeat(100_000)),
        ),
        ("text-1-mb", format!("<x>{}</x>", "a".repeat(1 << 20))),
    ] {
        let name = format!("tree/{name}-{place}");
        let xml = with(xml, &inside)?;
        match rule {
            Some(rule) => group.refuse(&name, &[rule], &xml),
            None => group.accept(&name, &xml),
        }
    }
    Ok(())
}

fn signatures(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    let genuine = sealed(placement)?;
    let signature = genuine.find("Signature").cloned().unwrap_or_default();
    for (name, local) in [("response", "Response"), ("assertion", "Assertion")] {
        let mut root = genuine.clone();
        let parent = part(&mut root, local)?;
        // Two hundred stay below the limit of the size, two thousand need a signature without much inside.
        for _ in 0..200 {
            parent.insert(1, signature.clone());
        }
        let name = format!("signatures/200-in-{name}-{place}");
        group.refuse(&name, &[Rule::Misplaced], &root.to_xml());
    }
    let small = "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"/>".repeat(2000);
    let xml = replaced(
        &genuine.to_xml(),
        "<samlp:Status>",
        &format!("{small}<samlp:Status>"),
    )?;
    group.refuse(
        &format!("signatures/2000-{place}"),
        &[Rule::Misplaced],
        &xml,
    );
    let mut root = genuine.clone();
    let info = part(&mut root, "SignedInfo")?;
    let reference = info.find("Reference").cloned().unwrap_or_default();
    for _ in 0..1900 {
        info.insert(2, reference.clone());
    }
    let name = format!("signatures/1900-references-{place}");
    group.refuse(&name, &[Rule::SignatureForm], &root.to_xml());
    let text = replaced(
        &genuine.to_xml(),
        "</ds:SignedInfo>",
        &format!("{}</ds:SignedInfo>", "<ds:Reference/>".repeat(5000)),
    )?;
    let name = format!("signatures/5000-references-{place}");
    group.refuse(&name, &[Rule::SignatureForm], &text);
    let mut root = genuine;
    part(&mut root, "SignatureValue")?.set_text(&"A".repeat(1 << 20));
    let name = format!("signatures/long-value-{place}");
    group.refuse(&name, &[Rule::Signature], &root.to_xml());
    Ok(())
}

/// Texts that never become a document.
fn endless(group: &mut Group) {
    for (name, text) in [
        ("open-tags", "<a>".repeat(400_000)),
        ("open-tag-names", format!("<{}", "a".repeat(1_400_000))),
        ("spaces", " ".repeat(1_400_000)),
        ("spaces-in-a-tag", format!("<a{}", " ".repeat(1_400_000))),
        ("attributes", format!("<a{}", " b=\"\"".repeat(200_000))),
        ("comments", "<!---->".repeat(200_000)),
        ("quotes", format!("<a b=\"{}", "'".repeat(1_400_000))),
        ("section-ends", format!("<a>{}", "]]>".repeat(400_000))),
    ] {
        group.refuse(&format!("endless/{name}"), &[Rule::Xml], &text);
    }
}
