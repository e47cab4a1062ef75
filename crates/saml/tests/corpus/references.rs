//! The grammar of a signature: what it refers to, how that is transformed, and what stands in it how often.
//!
//! Most of these are signed by the identity provider's key over the odd form, so that only the grammar can refuse.

use vestibule_saml::Rule;
use vestibule_simulate::saml::{C14n, Element};

use super::Group;
use super::forge::{self, Placement, copied, crafted, part, place_of, sealed, taken};

const PLACEMENTS: [Placement; 2] = [Placement::Assertion, Placement::Response];

pub(crate) fn fill(group: &mut Group) -> anyhow::Result<()> {
    for placement in PLACEMENTS {
        uris(group, placement)?;
        transforms(group, placement)?;
        canonical_forms(group, placement)?;
        missing(group, placement)?;
        doubled(group, placement)?;
        additions(group, placement)?;
    }
    Ok(())
}

fn ds(local: &str) -> Element {
    Element::new(&format!("ds:{local}"))
}

fn uris(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    let (own, other) = match placement.signs_response() {
        true => ("_response-1", "_assertion-1"),
        false => ("_assertion-1", "_response-1"),
    };
    for (name, uri) in [
        ("missing", None),
        ("empty", Some(String::new())),
        ("hash-only", Some("#".to_owned())),
        ("other-element", Some(format!("#{other}"))),
        ("nobody", Some("#_nobody".to_owned())),
        ("no-hash", Some(own.to_owned())),
        ("two-hashes", Some(format!("##{own}"))),
        ("xpointer-root", Some("#xpointer(/)".to_owned())),
        ("xpointer-id", Some(format!("#xpointer(id('{own}'))"))),
        (
            "external",
            Some("http://attacker.example/signed.xml".to_owned()),
        ),
        (
            "external-with-fragment",
            Some(format!("http://attacker.example/#{own}")),
        ),
        ("file", Some("file:///etc/passwd".to_owned())),
        ("case", Some(format!("#{}", own.to_uppercase()))),
        ("prefix", Some(format!("#{}", own.trim_end_matches('1')))),
        ("suffix", Some(format!("#{own}1"))),
        ("trailing-space", Some(format!("#{own} "))),
        (
            "percent-encoded",
            Some(format!("#{}", own.replace('_', "%5F"))),
        ),
    ] {
        let xml = crafted(placement, |signature| {
            part(signature, "Reference")?.set("URI", uri.as_deref());
            Ok(())
        })?;
        group.refuse(&format!("uri/{name}-{place}"), &[Rule::SignatureForm], &xml);
    }
    Ok(())
}

fn transform(uri: &str) -> Element {
    ds("Transform").attribute("Algorithm", uri)
}

fn transforms(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    let enveloped = || transform("http://www.w3.org/2000/09/xmldsig#enveloped-signature");
    let canonical = || transform("http://www.w3.org/2001/10/xml-exc-c14n#");
    let xpath = transform("http://www.w3.org/TR/1999/REC-xpath-19991116")
        .child(ds("XPath").text("not(ancestor-or-self::node())"));
    let filter = transform("http://www.w3.org/2002/06/xmldsig-filter2").child(
        Element::new("f:XPath")
            .namespace("f", "http://www.w3.org/2002/06/xmldsig-filter2")
            .attribute("Filter", "subtract")
            .text("//*"),
    );
    let sheet = Element::new("xsl:stylesheet")
        .namespace("xsl", "http://www.w3.org/1999/XSL/Transform")
        .attribute("version", "1.0")
        .child(
            Element::new("xsl:template")
                .attribute("match", "/")
                .text("constant"),
        );
    let stylesheet = transform("http://www.w3.org/TR/1999/REC-xslt-19991116").child(sheet);
    let base64 = transform("http://www.w3.org/2000/09/xmldsig#base64");
    let parameter = enveloped().child(Element::new("x:y").namespace("x", "urn:example:x"));
    let many: Vec<Element> = std::iter::once(enveloped())
        .chain(std::iter::repeat_with(canonical).take(30))
        .collect();
    for (name, list) in [
        ("none", vec![]),
        ("enveloped-only", vec![enveloped()]),
        ("canonical-only", vec![canonical()]),
        ("wrong-order", vec![canonical(), enveloped()]),
        ("enveloped-twice", vec![enveloped(), enveloped()]),
        (
            "canonical-twice",
            vec![enveloped(), canonical(), canonical()],
        ),
        ("thirty-one", many),
        ("xpath", vec![enveloped(), xpath.clone()]),
        ("xpath-before", vec![xpath, canonical()]),
        ("xpath-filter-2", vec![enveloped(), filter, canonical()]),
        (
            "stylesheet",
            vec![enveloped(), stylesheet.clone(), canonical()],
        ),
        ("stylesheet-only", vec![stylesheet]),
        ("base64", vec![enveloped(), canonical(), base64.clone()]),
        ("base64-only", vec![base64]),
        ("parameter", vec![parameter, canonical()]),
        (
            "upper-case",
            vec![
                transform("HTTP://www.w3.org/2000/09/xmldsig#enveloped-signature"),
                canonical(),
            ],
        ),
    ] {
        let xml = crafted(placement, |signature| {
            let transforms = part(signature, "Transforms")?;
            transforms.children.clear();
            *transforms = transforms.clone().children(list.clone());
            Ok(())
        })?;
        // In the place of the canonicalization another transform is just another canonicalization.
        let rule = match name {
            "enveloped-twice" | "xpath" => Rule::Canonicalization,
            _ => Rule::SignatureForm,
        };
        group.refuse(&format!("transform/{name}-{place}"), &[rule], &xml);
    }
    Ok(())
}

fn canonical_forms(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    let with_comments = C14n::ExclusiveWithComments {
        prefix_list: Vec::new(),
    };
    let allowed = group
        .usual
        .but(|context| context.allow_inclusive_c14n = true);
    for form in [
        with_comments,
        C14n::InclusiveWithComments,
        C14n::Inclusive11,
    ] {
        for (name, transform, method) in [
            ("transform", form.clone(), C14n::exclusive()),
            ("method", C14n::exclusive(), form.clone()),
        ] {
            let seal = placement
                .seal(forge::STYLE, &group.keys.rsa)
                .with_signers(|signer| {
                    signer.transform = transform.clone();
                    signer.canonicalization = method.clone();
                });
            let xml = forge::response()?.to_xml(&seal)?;
            let name = format!("canonical-form/{}-{name}-{place}", form.uri());
            group.refuse(&name, &[Rule::Canonicalization], &xml);
            let name = format!("{name}-inclusive-allowed");
            group.refuse_in(&name, allowed.clone(), &[Rule::Canonicalization], &xml);
        }
    }
    for uri in [
        "",
        "http://www.w3.org/TR/1999/REC-xslt-19991116",
        "http://www.w3.org/2001/10/xml-exc-c14n",
        "http://www.w3.org/2001/10/XML-EXC-C14N#",
        "http://www.w3.org/2006/12/xml-c14n11#WithComments",
        "http://www.w3.org/2010/xml-c14n2",
        "http://www.w3.org/2000/09/xmldsig#minimal",
    ] {
        let xml = crafted(placement, |signature| {
            part(signature, "CanonicalizationMethod")?.set("Algorithm", Some(uri));
            Ok(())
        })?;
        let name = format!("canonical-form/{uri}-{place}");
        group.refuse(&name, &[Rule::Canonicalization], &xml);
    }
    prefix_lists(group, placement)
}

fn prefix_lists(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    let list = |prefixes: &str| {
        Element::new("ec:InclusiveNamespaces")
            .namespace("ec", "http://www.w3.org/2001/10/xml-exc-c14n#")
            .attribute("PrefixList", prefixes)
    };
    let many: Vec<String> = (0..1000).map(|number| format!("p{number}")).collect();
    let foreign = Element::new("x:InclusiveNamespaces")
        .namespace("x", "urn:example:x")
        .attribute("PrefixList", "xs");
    for (name, parameters, rule) in [
        ("1000", vec![list(&many.join(" "))], Rule::SignatureForm),
        ("two", vec![list("xs"), list("xs")], Rule::Canonicalization),
        ("with-text", vec![list("xs").text("x")], Rule::SignatureForm),
        (
            "with-element",
            vec![list("xs").child(ds("Object"))],
            Rule::Misplaced,
        ),
        ("foreign", vec![foreign], Rule::Canonicalization),
    ] {
        for local in ["CanonicalizationMethod", "Transforms"] {
            let xml = crafted(placement, |signature| {
                let method = match local {
                    "Transforms" => {
                        let transforms = part(signature, "Transforms")?;
                        let last = transforms.children.len().saturating_sub(1);
                        match transforms.children.get_mut(last) {
                            Some(vestibule_simulate::saml::Node::Element(last)) => last,
                            _ => return Ok(()),
                        }
                    }
                    local => part(signature, local)?,
                };
                *method = method.clone().children(parameters.clone());
                Ok(())
            })?;
            let name = format!("prefix-list/{name}-{local}-{place}");
            group.refuse(&name, &[rule], &xml);
        }
    }
    Ok(())
}

/// Each element of the signature left out, and each attribute.
fn missing(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    for local in [
        "CanonicalizationMethod",
        "SignatureMethod",
        "Reference",
        "Transforms",
        "Transform",
        "DigestMethod",
        "DigestValue",
    ] {
        let xml = crafted(placement, |signature| {
            taken(signature, local)?;
            Ok(())
        })?;
        group.refuse(
            &format!("missing/{local}-{place}"),
            &[Rule::SignatureForm],
            &xml,
        );
    }
    for local in ["SignedInfo", "SignatureValue"] {
        let mut root = sealed(placement)?;
        taken(&mut root, local)?;
        let name = format!("missing/{local}-{place}");
        group.refuse(&name, &[Rule::SignatureForm], &root.to_xml());
    }
    let mut root = sealed(placement)?;
    part(&mut root, "Signature")?.children.clear();
    let name = format!("missing/everything-{place}");
    group.refuse(&name, &[Rule::SignatureForm], &root.to_xml());
    Ok(())
}

/// Each element twice: of two candidates one library verifies this one and reads that one.
fn doubled(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    for (parent, local) in [
        ("Signature", "SignedInfo"),
        ("Signature", "SignatureValue"),
        ("Signature", "KeyInfo"),
        ("SignedInfo", "CanonicalizationMethod"),
        ("SignedInfo", "SignatureMethod"),
        ("SignedInfo", "Reference"),
        ("Reference", "Transforms"),
        ("Reference", "DigestMethod"),
        ("Reference", "DigestValue"),
    ] {
        for at in ["first", "last"] {
            let xml = crafted(placement, |signature| {
                let mut copy = copied(signature, local)?;
                if local == "DigestValue" {
                    copy.set_text("AAAA");
                }
                let parent = part(signature, parent)?;
                let place = match at {
                    "first" => place_of(parent, local).unwrap_or(0),
                    _ => parent.children.len(),
                };
                parent.insert(place, copy);
                Ok(())
            })?;
            let name = format!("doubled/{local}-{at}-{place}");
            group.refuse(&name, &[Rule::SignatureForm], &xml);
        }
    }
    // The second SignedInfo refers to what an attacker wrote; the first is the one that was signed.
    let mut root = sealed(placement)?;
    let signature = part(&mut root, "Signature")?;
    let mut second = copied(signature, "SignedInfo")?;
    part(&mut second, "DigestValue")?.set_text("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    for at in 0..3 {
        let mut root = sealed(placement)?;
        part(&mut root, "Signature")?.insert(at, second.clone());
        let name = format!("doubled/signed-info-of-nothing-at-{at}-{place}");
        group.refuse(&name, &[Rule::SignatureForm], &root.to_xml());
    }
    Ok(())
}

/// Elements and text that do not belong there.
fn additions(group: &mut Group, placement: Placement) -> anyhow::Result<()> {
    let place = placement.name();
    let foreign = Element::new("x:y").namespace("x", "urn:example:x");
    for local in [
        "Signature",
        "SignedInfo",
        "Reference",
        "Transforms",
        "DigestValue",
    ] {
        for (name, child) in [("foreign", foreign.clone()), ("manifest", ds("Manifest"))] {
            let xml = crafted(placement, |signature| {
                let element = part(signature, local)?;
                element.insert(element.children.len(), child.clone());
                Ok(())
            })?;
            let name = format!("addition/{name}-{local}-{place}");
            group.refuse(&name, &[Rule::SignatureForm], &xml);
        }
        let xml = crafted(placement, |signature| {
            let element = part(signature, local)?;
            *element = element.clone().text("text!");
            Ok(())
        })?;
        group.refuse(
            &format!("addition/text-{local}-{place}"),
            &[Rule::SignatureForm],
            &xml,
        );
    }
    let xml = crafted(placement, |signature| {
        signature.insert(9, ds("Object"));
        Ok(())
    })?;
    group.refuse(
        &format!("addition/object-{place}"),
        &[Rule::Misplaced],
        &xml,
    );
    Ok(())
}
