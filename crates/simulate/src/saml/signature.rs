//! Enveloped XML signatures (XML Signature 1.1, saml-core §5.4).

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{C14n, DigestAlgorithm, Element, SamlKey, Scope, SignatureAlgorithm};

/// The namespace of XML Signature.
pub const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
const EC: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

/// What `ds:KeyInfo` holds. A verifier pins its keys and ignores all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyInfo {
    /// There is no `ds:KeyInfo`.
    Absent,
    /// The certificate.
    #[default]
    Certificate,
    /// A name, the certificate and, for RSA, the key itself, as Keycloak writes it.
    NameCertificateAndValue,
}

/// Signs elements.
#[derive(Debug, Clone)]
pub struct Signer {
    /// The key.
    pub key: SamlKey,
    /// The key whose certificate `ds:KeyInfo` shows, where that is another one.
    pub shown_key: Option<SamlKey>,
    /// `ds:SignatureMethod`.
    pub algorithm: SignatureAlgorithm,
    /// `ds:DigestMethod`.
    pub digest: DigestAlgorithm,
    /// How `ds:SignedInfo` is canonicalized.
    pub canonicalization: C14n,
    /// How what is signed is canonicalized: the transform after `enveloped-signature`.
    pub transform: C14n,
    /// What `ds:KeyInfo` holds.
    pub key_info: KeyInfo,
    /// The prefix of the namespace; empty for a default namespace.
    pub prefix: String,
    /// How many characters of base64 stand on a line; 0 for all.
    pub base64_width: usize,
}

impl Signer {
    /// Signs with SHA-256 and exclusive canonicalization and shows the certificate.
    pub fn new(key: &SamlKey) -> Self {
        Self {
            key: key.clone(),
            shown_key: None,
            algorithm: key.usual_algorithm(),
            digest: DigestAlgorithm::Sha256,
            canonicalization: C14n::exclusive(),
            transform: C14n::exclusive(),
            key_info: KeyInfo::Certificate,
            prefix: "ds".to_owned(),
            base64_width: 0,
        }
    }

    /// Signs with SHA-1 throughout.
    #[must_use]
    pub fn with_sha1(mut self) -> Self {
        self.algorithm = SignatureAlgorithm::RsaSha1;
        self.digest = DigestAlgorithm::Sha1;
        self
    }

    /// Signs the root of a document.
    pub fn sign_root(&self, document: &mut Element) -> anyhow::Result<()> {
        self.sign(document, &Scope::new())
    }

    /// Signs the first element of a document with this local name, where it stands.
    pub fn sign_within(&self, document: &mut Element, local_name: &str) -> anyhow::Result<()> {
        with_scope(
            document,
            &Scope::new(),
            local_name,
            &mut |element, scope| self.sign(element, scope),
        )
        .with_context(|| format!("there is no {local_name}"))?
    }

    /// Signs an element, given the namespaces in scope around it.
    ///
    /// The signature follows `Issuer`, where the schemas of SAML want it, or comes first.
    pub fn sign(&self, element: &mut Element, around: &Scope) -> anyhow::Result<()> {
        let signature = self.signature_of(element, around)?;
        let at = element.children.iter().position(
            |node| matches!(node, super::Node::Element(child) if child.local_name() == "Issuer"),
        );
        element.insert(at.map_or(0, |at| at + 1), signature);
        Ok(())
    }

    /// The `ds:Signature` over an element as it is, not yet put into it.
    pub fn signature_of(&self, element: &Element, around: &Scope) -> anyhow::Result<Element> {
        self.signature_with(element, around, |_| ())
    }

    /// As [`Signer::signature_of`], with a `ds:SignedInfo` that is changed before it is signed:
    /// other transforms, references, digests.
    pub fn signature_with(
        &self,
        element: &Element,
        around: &Scope,
        change: impl FnOnce(&mut Element),
    ) -> anyhow::Result<Element> {
        let digest = self
            .digest
            .digest(element.canonical(around, &self.transform).as_bytes());
        let uri = element
            .get("ID")
            .map_or_else(String::new, |id| format!("#{id}"));
        let mut info = self.signed_info(&uri, &digest);
        change(&mut info);
        let mut signature = self.name("Signature").namespace(&self.prefix, DS);
        let scope = signature.scope(&element.scope(around));
        let signed = info.canonical(&scope, &self.canonicalization);
        let value = self.key.sign(self.algorithm, signed.as_bytes())?;
        signature = signature
            .child(info)
            .child(self.name("SignatureValue").text(&self.base64(&value)));
        if let Some(key_info) = self.key_info_element()? {
            signature = signature.child(key_info);
        }
        Ok(signature)
    }

    fn signed_info(&self, uri: &str, digest: &[u8]) -> Element {
        let enveloped = format!("{DS}enveloped-signature");
        let transforms = self
            .name("Transforms")
            .child(self.name("Transform").attribute("Algorithm", &enveloped))
            .child(method(self.name("Transform"), &self.transform));
        let reference = self
            .name("Reference")
            .attribute("URI", uri)
            .child(transforms)
            .child(
                self.name("DigestMethod")
                    .attribute("Algorithm", self.digest.uri()),
            )
            .child(self.name("DigestValue").text(&STANDARD.encode(digest)));
        self.name("SignedInfo")
            .child(method(
                self.name("CanonicalizationMethod"),
                &self.canonicalization,
            ))
            .child(
                self.name("SignatureMethod")
                    .attribute("Algorithm", self.algorithm.uri()),
            )
            .child(reference)
    }

    fn key_info_element(&self) -> anyhow::Result<Option<Element>> {
        let certificate = self.shown_key.as_ref().unwrap_or(&self.key).certificate();
        let data = || {
            let text = self.base64(certificate.der());
            let certificate = self.name("X509Certificate").text(&text);
            self.name("X509Data").child(certificate)
        };
        Ok(match self.key_info {
            KeyInfo::Absent => None,
            KeyInfo::Certificate => Some(self.name("KeyInfo").child(data())),
            KeyInfo::NameCertificateAndValue => {
                let mut info = self
                    .name("KeyInfo")
                    .child(self.name("KeyName").text("simulated"))
                    .child(data());
                if self.key.kind() == super::KeyKind::Rsa2048 {
                    let (modulus, exponent) = certificate.rsa_public()?;
                    let value = self
                        .name("RSAKeyValue")
                        .child(self.name("Modulus").text(&self.base64(modulus)))
                        .child(self.name("Exponent").text(&self.base64(exponent)));
                    info = info.child(self.name("KeyValue").child(value));
                }
                Some(info)
            }
        })
    }

    fn name(&self, local: &str) -> Element {
        Element::new(&qualified(&self.prefix, local))
    }

    fn base64(&self, bytes: &[u8]) -> String {
        wrapped(&STANDARD.encode(bytes), self.base64_width)
    }
}

/// An element that names a canonicalization method, with its PrefixList if there is one.
fn method(element: Element, form: &C14n) -> Element {
    let element = element.attribute("Algorithm", form.uri());
    if form.prefix_list().is_empty() {
        return element;
    }
    let list = Element::new("ec:InclusiveNamespaces")
        .namespace("ec", EC)
        .attribute("PrefixList", &form.prefix_list().join(" "));
    element.child(list)
}

/// Calls with the first element of this local name and the namespaces in scope around it.
pub(super) fn with_scope<T>(
    element: &mut Element,
    around: &Scope,
    local_name: &str,
    act: &mut dyn FnMut(&mut Element, &Scope) -> T,
) -> Option<T> {
    if element.local_name() == local_name {
        return Some(act(element, around));
    }
    let scope = element.scope(around);
    element.children.iter_mut().find_map(|node| match node {
        super::Node::Element(child) => with_scope(child, &scope, local_name, act),
        _ => None,
    })
}

pub(super) fn qualified(prefix: &str, local: &str) -> String {
    match prefix {
        "" => local.to_owned(),
        prefix => format!("{prefix}:{local}"),
    }
}

pub(super) fn wrapped(digits: &str, width: usize) -> String {
    if width == 0 {
        return digits.to_owned();
    }
    let digits: Vec<char> = digits.chars().collect();
    let lines: Vec<String> = digits
        .chunks(width)
        .map(|line| line.iter().collect())
        .collect();
    lines.join("\n")
}
