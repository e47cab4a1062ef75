//! The genuine response that everything is made from, and the tools to take it apart.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use vestibule_simulate::saml::{
    Attribute, Element, Login, NameId, Node, PERSISTENT, Response, SamlKey, Scope, Seal, Signer,
    Style,
};

use super::{ACS, IDP, Identity, Keys, NOW, REQUEST, SP};

/// Who signs in, and nobody else.
pub(crate) const NAME_ID: &str = "ada-0001";
/// Whom an attacker wants to be.
pub(crate) const VICTIM: &str = "admin-0001";
/// The style that hostile messages are made in: every element declares its own namespaces.
pub(crate) const STYLE: Style = Style::Ping;

/// The identity of the usual person.
pub(crate) fn person() -> Identity {
    let values = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect();
    Identity {
        name_id: NAME_ID.to_owned(),
        format: Some(PERSISTENT.to_owned()),
        qualifiers: (None, None),
        attributes: vec![
            ("email".to_owned(), values(&["ada@acme.test"])),
            ("groups".to_owned(), values(&["engineers", "founders"])),
        ],
    }
}

/// The usual login.
pub(crate) fn login() -> Login {
    Login::new(IDP, SP, ACS, NameId::persistent(NAME_ID), NOW)
        .answering(REQUEST)
        .attribute(Attribute::new("email", ["ada@acme.test"]))
        .attribute(Attribute::new("groups", ["engineers", "founders"]))
}

/// A response to a login, with fixed IDs.
pub(crate) fn response_of(style: Style, login: &Login) -> anyhow::Result<Response> {
    let mut response = Response::new(style, login)?;
    response.id = Some("_response-1".to_owned());
    if let Some(assertion) = response.assertion_mut() {
        assertion.id = Some("_assertion-1".to_owned());
    }
    Ok(response)
}

/// The usual response, unsigned.
pub(crate) fn response() -> anyhow::Result<Response> {
    response_of(STYLE, &login())
}

/// What is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    Assertion,
    Response,
    Both,
}

impl Placement {
    pub(crate) const ALL: [Self; 3] = [Self::Assertion, Self::Response, Self::Both];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Assertion => "assertion-signed",
            Self::Response => "response-signed",
            Self::Both => "both-signed",
        }
    }

    pub(crate) fn signs_response(self) -> bool {
        self != Self::Assertion
    }

    /// Signs with this signer.
    pub(crate) fn seal_with(self, signer: &Signer) -> Seal {
        Seal {
            assertion: (self != Self::Response).then(|| signer.clone()),
            response: self.signs_response().then(|| signer.clone()),
            ..Seal::nothing()
        }
    }

    /// Signs as a product does with this key.
    pub(crate) fn seal(self, style: Style, key: &SamlKey) -> Seal {
        self.seal_with(&style.signer(key))
    }
}

/// The usual response, signed with the identity provider's RSA key.
pub(crate) fn sealed(placement: Placement) -> anyhow::Result<Element> {
    response()?.seal(&placement.seal(STYLE, &Keys::get()?.rsa))
}

/// A changed response, signed in the usual manner: what only the identity provider could have made.
pub(crate) fn signed(
    placement: Placement,
    change: impl FnOnce(&mut Response),
) -> anyhow::Result<String> {
    let mut response = response()?;
    change(&mut response);
    response.to_xml(&placement.seal(STYLE, &Keys::get()?.rsa))
}

/// A response whose tree is changed before the identity provider signs it.
pub(crate) fn signed_tree(
    placement: Placement,
    change: impl FnOnce(&mut Element) -> anyhow::Result<()>,
) -> anyhow::Result<String> {
    let mut root = response()?.seal(&Seal::nothing())?;
    change(&mut root)?;
    sign_tree(&mut root, placement, &STYLE.signer(&Keys::get()?.rsa))?;
    Ok(root.to_xml())
}

/// Signs a tree as it is.
pub(crate) fn sign_tree(
    root: &mut Element,
    placement: Placement,
    signer: &Signer,
) -> anyhow::Result<()> {
    if placement != Placement::Response {
        signer.sign_within(root, "Assertion")?;
    }
    if placement.signs_response() {
        signer.sign_root(root)?;
    }
    Ok(())
}

/// The element of this name, to change it.
pub(crate) fn part<'e>(root: &'e mut Element, local_name: &str) -> anyhow::Result<&'e mut Element> {
    root.find_mut(local_name)
        .with_context(|| format!("there is no {local_name}"))
}

/// The element of this name, taken out.
pub(crate) fn taken(root: &mut Element, local_name: &str) -> anyhow::Result<Element> {
    root.take(local_name)
        .with_context(|| format!("there is no {local_name}"))
}

/// A copy of the element of this name.
pub(crate) fn copied(root: &Element, local_name: &str) -> anyhow::Result<Element> {
    root.find(local_name)
        .cloned()
        .with_context(|| format!("there is no {local_name}"))
}

/// The direct child of this name, by its place.
pub(crate) fn place_of(parent: &Element, local_name: &str) -> Option<usize> {
    parent.children.iter().position(
        |node| matches!(node, Node::Element(element) if element.local_name() == local_name),
    )
}

/// The own signature of an element, taken out.
pub(crate) fn take_signature(parent: &mut Element) -> Option<Element> {
    let place = place_of(parent, "Signature")?;
    match parent.children.remove(place) {
        Node::Element(signature) => Some(signature),
        _ => None,
    }
}

/// An unsigned copy of an assertion that names the victim.
pub(crate) fn evil_assertion(genuine: &Element, id: &str) -> anyhow::Result<Element> {
    let mut evil = genuine.clone();
    take_signature(&mut evil);
    evil.set("ID", Some(id));
    part(&mut evil, "NameID")?.set_text(VICTIM);
    Ok(evil)
}

/// An unsigned copy of a response that names the victim.
pub(crate) fn evil_response(genuine: &Element, id: &str) -> anyhow::Result<Element> {
    let mut evil = genuine.clone();
    take_signature(&mut evil);
    evil.set("ID", Some(id));
    let assertion = part(&mut evil, "Assertion")?;
    *assertion = evil_assertion(&assertion.clone(), "_evil-assertion")?;
    Ok(evil)
}

/// Signs the element of this name with a `SignedInfo` that is changed before the key signs it.
///
/// Whatever is in the transforms, the digest is that of the plain element: the change must be refused, not computed.
pub(crate) fn sign_crafted(
    root: &mut Element,
    local_name: &str,
    signer: &Signer,
    craft: impl Fn(&mut Element) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    root.change(local_name, |element, around| {
        let mut signature = signer.signature_of(element, around)?;
        let scope = signature.scope(&element.scope(around));
        craft(&mut signature)?;
        resign(&mut signature, &scope, signer)?;
        let place = place_of(element, "Issuer").map_or(0, |place| place + 1);
        element.insert(place, signature);
        Ok(())
    })
    .with_context(|| format!("there is no {local_name}"))?
}

/// Makes the value of a signature anew, over its first `SignedInfo` as it is.
pub(crate) fn resign(
    signature: &mut Element,
    scope: &Scope,
    signer: &Signer,
) -> anyhow::Result<()> {
    let info = copied(signature, "SignedInfo")?;
    let octets = info.canonical(scope, &signer.canonicalization);
    let value = signer.key.sign(signer.algorithm, octets.as_bytes())?;
    part(signature, "SignatureValue")?.set_text(&STANDARD.encode(value));
    Ok(())
}

/// A response whose one signature was made over a crafted `SignedInfo` by the identity provider's key.
pub(crate) fn crafted(
    placement: Placement,
    craft: impl Fn(&mut Element) -> anyhow::Result<()>,
) -> anyhow::Result<String> {
    let mut root = response()?.seal(&Seal::nothing())?;
    let local_name = match placement.signs_response() {
        true => "Response",
        false => "Assertion",
    };
    let signer = STYLE.signer(&Keys::get()?.rsa);
    sign_crafted(&mut root, local_name, &signer, craft)?;
    Ok(root.to_xml())
}

/// The text with the one occurrence of another replaced.
pub(crate) fn replaced(text: &str, from: &str, to: &str) -> anyhow::Result<String> {
    let (before, after) = text
        .split_once(from)
        .with_context(|| format!("there is no {from}"))?;
    Ok(format!("{before}{to}{after}"))
}

/// The first octets, all if there are fewer.
pub(crate) fn first(octets: &[u8], length: usize) -> Vec<u8> {
    octets.iter().copied().take(length).collect()
}
