//! Where elements may stand: checked on the whole message before anything in it is believed.
//!
//! Signature wrapping moves a genuine element aside and puts another where the reader looks. Here there is one place
//! for each of them, and a message that has one anywhere else is refused, signed or not.

use std::collections::HashSet;

use crate::{
    Error, Rule,
    names::{DS, SAML, SAMLP, XENC},
    xml::{Document, Element, XML, is_name},
};

/// Checks a response: its root, its IDs and the places of its assertion and signatures.
pub(crate) fn check_response(document: &Document<'_>) -> Result<(), Error> {
    let root = document.root();
    if !root.is(SAMLP, "Response") {
        return Err(Error::compared(Rule::Root, "samlp:Response", root.local()));
    }
    check_version(root)?;
    check_ids(document)?;
    check_places(document)?;
    check_children(
        root,
        &[
            (SAML, "Issuer"),
            (DS, "Signature"),
            (SAMLP, "Extensions"),
            (SAMLP, "Status"),
            (SAML, "Assertion"),
            (SAML, "EncryptedAssertion"),
        ],
    )?;
    at_most_one(root, SAMLP, "Status")?;
    check_extensions(root)?;
    root.children_named(SAML, "Assertion")
        .try_for_each(check_assertion)
}

/// Checks a protocol message of another kind: a request, or an answer to one.
pub(crate) fn check_message(document: &Document<'_>, local: &'static str) -> Result<(), Error> {
    let root = document.root();
    if !root.is(SAMLP, local) {
        return Err(Error::compared(
            Rule::Root,
            format!("samlp:{local}"),
            root.local(),
        ));
    }
    check_version(root)?;
    check_ids(document)?;
    check_places(document)
}

/// Checks an assertion that was decrypted: it is the whole document.
pub(crate) fn check_lone_assertion(document: &Document<'_>) -> Result<(), Error> {
    if !document.root().is(SAML, "Assertion") {
        return Err(Rule::Decryption.into());
    }
    check_ids(document)?;
    check_places(document)?;
    check_assertion(document.root())
}

/// Checks a name identifier that was decrypted: text, and nothing around it.
pub(crate) fn check_lone_name_id(document: &Document<'_>) -> Result<(), Error> {
    let root = document.root();
    match root.is(SAML, "NameID") && root.leaf_text().is_some() {
        true => Ok(()),
        false => Err(Rule::Decryption.into()),
    }
}

/// Checks an attribute that was decrypted.
pub(crate) fn check_lone_attribute(document: &Document<'_>) -> Result<(), Error> {
    if !document.root().is(SAML, "Attribute") {
        return Err(Rule::Decryption.into());
    }
    check_ids_unique(document)?;
    check_places(document)
}

/// Extensions are others' words: elements of a namespace that is not the protocol's own (SAML core §3.2.2, its schema).
fn check_extensions(message: Element<'_, '_>) -> Result<(), Error> {
    at_most_one(message, SAMLP, "Extensions")?;
    let foreign = |inside: Element<'_, '_>| !matches!(inside.namespace(), "" | SAMLP);
    match message
        .children_named(SAMLP, "Extensions")
        .flat_map(Element::children)
        .all(foreign)
    {
        true => Ok(()),
        false => Err(Error::compared(
            Rule::Form,
            "extensions in a namespace of their own",
            "an element in the protocol's namespace, or in none",
        )),
    }
}

fn check_assertion(assertion: Element<'_, '_>) -> Result<(), Error> {
    check_version(assertion)?;
    check_children(
        assertion,
        &[
            (SAML, "Issuer"),
            (DS, "Signature"),
            (SAML, "Subject"),
            (SAML, "Conditions"),
            (SAML, "Advice"),
            (SAML, "Statement"),
            (SAML, "AuthnStatement"),
            (SAML, "AuthzDecisionStatement"),
            (SAML, "AttributeStatement"),
        ],
    )?;
    at_most_one(assertion, SAML, "Advice")
}

fn check_version(element: Element<'_, '_>) -> Result<(), Error> {
    match element.attribute("Version") {
        Some("2.0") => Ok(()),
        other => Err(Error::compared(
            Rule::Version,
            "2.0",
            other.unwrap_or("no version"),
        )),
    }
}

/// Known children and no text between them, and one `Issuer` at most.
pub(crate) fn check_children(parent: Element<'_, '_>, known: &[(&str, &str)]) -> Result<(), Error> {
    if parent.has_loose_text() {
        return Err(Error::compared(
            Rule::Form,
            format!("no text directly in {}", parent.local()),
            "text",
        ));
    }
    for child in parent.children() {
        if !known
            .iter()
            .any(|(namespace, local)| child.is(namespace, local))
        {
            return Err(Error::compared(
                Rule::Form,
                format!("only elements that may stand in {}", parent.local()),
                child.local(),
            ));
        }
    }
    at_most_one(parent, SAML, "Issuer")
}

pub(crate) fn at_most_one(
    parent: Element<'_, '_>,
    namespace: &'static str,
    local: &'static str,
) -> Result<(), Error> {
    match parent.children_named(namespace, local).nth(1) {
        None => Ok(()),
        Some(_) => Err(Error::compared(
            Rule::Form,
            format!("one {local} at most"),
            "several",
        )),
    }
}

fn refuse_id(got: &str) -> Result<(), Error> {
    Err(Error::compared(
        Rule::Id,
        "one ID for each element, in the attribute `ID`",
        got,
    ))
}

/// The root and every assertion have an ID, and all are unique.
fn check_ids(document: &Document<'_>) -> Result<(), Error> {
    check_ids_unique(document)?;
    let needs_id = |element: &Element<'_, '_>| {
        element.is(SAML, "Assertion") || element.id() == document.root().id()
    };
    match document
        .elements()
        .filter(needs_id)
        .all(|element| element.attribute("ID").is_some())
    {
        true => Ok(()),
        false => refuse_id("no ID"),
    }
}

/// `ID` is unique and an `NCName`; no other attribute of SAML's and the signature's elements poses as one.
fn check_ids_unique(document: &Document<'_>) -> Result<(), Error> {
    let mut seen = HashSet::new();
    for element in document.elements() {
        for attribute in element.attributes() {
            let poses = ["id", "assertionid"]
                .iter()
                .any(|name| attribute.local.eq_ignore_ascii_case(name));
            if !poses {
                continue;
            }
            if attribute.local == "ID" && attribute.prefix.is_empty() {
                if !is_name(&attribute.value) {
                    return refuse_id("an ID that is no name");
                }
                if !seen.insert(attribute.value.as_ref()) {
                    return refuse_id("an ID that occurs twice");
                }
            } else if matches!(element.namespace(), SAML | SAMLP | DS)
                || element.namespace_of(attribute) == XML
            {
                return refuse_id("another attribute that poses as an ID");
            }
        }
    }
    Ok(())
}

/// Assertions, responses and signatures stand in their one place; what belongs to signatures stands inside one.
fn check_places(document: &Document<'_>) -> Result<(), Error> {
    let root = document.root().id();
    for element in document.elements() {
        let Some(parent) = element.parent() else {
            continue;
        };
        let in_response = parent.id() == root && parent.is(SAMLP, "Response");
        let good = match (element.namespace(), element.local()) {
            (SAML, "Assertion" | "EncryptedAssertion") => in_response,
            (SAMLP, "Response") | (DS, "Object") => false,
            (DS, "Signature") => {
                let signs = parent.id() == root
                    || (parent.is(SAML, "Assertion")
                        && parent.parent().is_some_and(|above| above.id() == root));
                signs && stands_after_issuer(parent, element)
            }
            (DS, _) => belongs_to_signature_or_encryption(element),
            _ => true,
        };
        if !good {
            return Err(Error::compared(
                Rule::Misplaced,
                "assertions and signatures in their places",
                format!("{} in {}", element.local(), parent.local()),
            ));
        }
    }
    Ok(())
}

/// The one signature of an element follows its `Issuer` (SAML core §5.4, and the order of the schema).
fn stands_after_issuer(parent: Element<'_, '_>, signature: Element<'_, '_>) -> bool {
    let mut before = None;
    for child in parent.children() {
        if child.id() == signature.id() {
            break;
        }
        if before.is_some() {
            return false;
        }
        before = Some(child);
    }
    let follows = match before {
        Some(first) => first.is(SAML, "Issuer"),
        None => !parent.is(SAML, "Assertion"),
    };
    follows && parent.children_named(DS, "Signature").nth(1).is_none()
}

fn belongs_to_signature_or_encryption(element: Element<'_, '_>) -> bool {
    let mut place = element.parent();
    while let Some(above) = place {
        if above.is(DS, "Signature") || matches!(above.namespace(), XENC) {
            return true;
        }
        place = above.parent();
    }
    false
}
