//! Reading what others sent: a forgiving reader, and the check of an enveloped signature.

use anyhow::{Context as _, ensure};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{C14n, Certificate, DigestAlgorithm, Element, Node, Scope, SignatureAlgorithm};

impl Element {
    /// Reads a document; comments and processing instructions are dropped.
    pub fn parse(xml: &str) -> anyhow::Result<Self> {
        let document = roxmltree::Document::parse(xml).context("the XML is not well-formed")?;
        convert(document.root_element(), &Scope::new()).context("the XML has an odd name")
    }

    /// The text of the first element with this local name, trimmed.
    pub fn text_of(&self, local_name: &str) -> Option<String> {
        let text = self.find(local_name)?.inner_text();
        Some(text.trim().to_owned())
    }

    /// The element directly inside with this local name.
    pub fn child_named(&self, local_name: &str) -> Option<&Element> {
        self.elements()
            .find(|child| child.local_name() == local_name)
    }

    /// Whether an enveloped signature is directly inside.
    pub fn is_signed(&self) -> bool {
        self.child_named("Signature").is_some()
    }

    /// Checks the enveloped signature of this root element against a certificate.
    pub fn verify(&self, certificate: &Certificate) -> anyhow::Result<()> {
        self.verify_within(certificate, &Scope::new())
    }

    /// Checks the enveloped signature of an element that stands in this scope.
    pub fn verify_within(&self, certificate: &Certificate, around: &Scope) -> anyhow::Result<()> {
        let signature = self.child_named("Signature").context("no signature")?;
        let info = signature
            .child_named("SignedInfo")
            .context("no SignedInfo")?;
        let reference = info.child_named("Reference").context("no Reference")?;
        let id = self.get("ID").context("no ID")?;
        ensure!(
            reference.get("URI") == Some(&format!("#{id}")),
            "the signature is about something else"
        );
        let mut bare = self.clone();
        bare.children.retain(
            |node| !matches!(node, Node::Element(child) if child.local_name() == "Signature"),
        );
        let transform = reference
            .child_named("Transforms")
            .and_then(|transforms| transforms.elements().nth(1))
            .context("no second transform")?;
        let digest = reference.child_named("DigestMethod").and_then(digest_of);
        let digest = digest.context("an unknown digest")?;
        let made = digest.digest(bare.canonical(around, &form_of(transform)?).as_bytes());
        let wanted = decoded(reference, "DigestValue")?;
        ensure!(
            verify_slices_are_equal(&made, &wanted).is_ok(),
            "the digest is another one"
        );

        let scope = signature.scope(&self.scope(around));
        let method = info.child_named("CanonicalizationMethod");
        let form = form_of(method.context("no CanonicalizationMethod")?)?;
        let algorithm = info
            .child_named("SignatureMethod")
            .and_then(|method| SignatureAlgorithm::of_uri(method.get("Algorithm")?))
            .context("an unknown signature algorithm")?;
        let value = decoded(signature, "SignatureValue")?;
        let signed = info.canonical(&scope, &form);
        ensure!(
            certificate.verifies(algorithm, signed.as_bytes(), &value),
            "the signature is not of this key"
        );
        Ok(())
    }
}

fn convert(node: roxmltree::Node<'_, '_>, around: &Scope) -> Option<Element> {
    let source = node.document().input_text();
    // The reader resolves prefixes and does not keep them; canonical forms need them.
    let start = source.get(node.range())?.strip_prefix('<')?;
    let end = start.find(|c: char| c.is_ascii_whitespace() || c == '>' || c == '/')?;
    let mut element = Element::new(start.get(..end)?);
    for namespace in node.namespaces() {
        let prefix = namespace.name().unwrap_or_default();
        if prefix != "xml" && around.get(prefix).map(String::as_str) != Some(namespace.uri()) {
            element.declare(prefix, namespace.uri());
        }
    }
    if around.contains_key("")
        && !node
            .namespaces()
            .any(|namespace| namespace.name().is_none())
    {
        element.declare("", "");
    }
    for attribute in node.attributes() {
        let name = source.get(attribute.range_qname())?;
        element = element.attribute(name, attribute.value());
    }
    let scope = element.scope(around);
    for child in node.children() {
        if child.is_element() {
            element
                .children
                .push(Node::Element(convert(child, &scope)?));
        } else if let Some(text) = child.text().filter(|_| child.is_text()) {
            element.children.push(Node::Text(text.to_owned()));
        }
    }
    Some(element)
}

fn digest_of(method: &Element) -> Option<DigestAlgorithm> {
    use DigestAlgorithm::{Sha1, Sha256, Sha384, Sha512};
    let uri = method.get("Algorithm")?;
    [Sha1, Sha256, Sha384, Sha512]
        .into_iter()
        .find(|known| known.uri() == uri)
}

fn form_of(method: &Element) -> anyhow::Result<C14n> {
    let prefix_list: Vec<String> = method
        .child_named("InclusiveNamespaces")
        .and_then(|list| list.get("PrefixList"))
        .unwrap_or_default()
        .split_ascii_whitespace()
        .map(str::to_owned)
        .collect();
    [
        C14n::Exclusive {
            prefix_list: prefix_list.clone(),
        },
        C14n::ExclusiveWithComments { prefix_list },
        C14n::Inclusive,
        C14n::InclusiveWithComments,
        C14n::Inclusive11,
    ]
    .into_iter()
    .find(|form| method.get("Algorithm") == Some(form.uri()))
    .context("an unknown canonicalization")
}

fn decoded(element: &Element, local_name: &str) -> anyhow::Result<Vec<u8>> {
    let text = element
        .child_named(local_name)
        .context("a value is missing")?
        .inner_text();
    let digits: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(digits).context("a value is not base64")
}
