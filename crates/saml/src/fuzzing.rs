//! What must hold for every input, for `tests/fuzz` and the property tests; no part of the public face.
//!
//! Each function gives `Err` with what was found when its property does not hold.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    Certificate, DecryptionKey, Expected, Response, Trust,
    c14n::{self, Method},
    profile::Bench,
    response::Trail,
    structure,
    xml::{Content, Document, Element},
};

/// Whether the property holds; else what was found.
pub type Finding = Result<(), String>;

/// One step through a tree: two parsers that see the same steps read the same document.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Start {
        name: (String, String),
        /// Namespace, name and value, sorted.
        attributes: Vec<(String, String, String)>,
        /// Prefix and namespace, sorted; empty where scopes are not compared.
        scope: Vec<(String, String)>,
    },
    Text(String),
    End,
}

/// Whatever our parser accepts, `roxmltree` accepts, and reads the same tree.
///
/// It is given line ends as XML 1.0 §2.11 wants them before parsing, because it keeps a `\r` in front of a reference.
pub fn xml(text: &str) -> Finding {
    let Ok(document) = Document::parse(text) else {
        return Ok(());
    };
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let theirs = roxmltree::Document::parse(&text)
        .map_err(|error| format!("accepted here and not by roxmltree: {error}"))?;
    compare(&steps(document.root(), true), &their_steps(&theirs))
}

/// The canonical form of every element parses to the same tree, and is its own canonical form.
pub fn canonical(text: &str) -> Finding {
    let Ok(document) = Document::parse(text) else {
        return Ok(());
    };
    let methods = [
        Method::Exclusive(Vec::new()),
        Method::Exclusive(["", "a", "xs"].map(str::to_owned).to_vec()),
        Method::Inclusive,
    ];
    let few = document.elements().take(8);
    for (element, method) in
        few.flat_map(|element| methods.iter().map(move |method| (element, method)))
    {
        let octets = c14n::canonicalize(element, None, method);
        let form = String::from_utf8(octets).map_err(|_| "canonical form is no UTF-8")?;
        let again = match Document::parse(&form) {
            Ok(again) => again,
            // Namespaces that were declared on several elements may be declared on one now, and attributes inherited.
            Err(error) if error.what.starts_with("too many") => continue,
            Err(error) => return Err(format!("canonical form is refused: {error}: {form}")),
        };
        if c14n::canonicalize(again.root(), None, method) != form.as_bytes() {
            return Err(format!("canonical form is not stable: {form}"));
        }
        // The apex of an inclusive form inherits attributes of `xml`, so its tree may differ.
        if *method != Method::Inclusive || element.parent().is_none() {
            compare(&steps(element, false), &steps(again.root(), false))?;
        }
    }
    Ok(())
}

/// No input is accepted by a trust in keys that never signed anything, and none makes the rules panic.
pub fn response(xml: &str, trust: &Trust, expected: &Expected, now: i64) -> Finding {
    let Ok(response) = Response::decode(&STANDARD.encode(xml)) else {
        return Ok(());
    };
    let (verdict, report) = trust.explain(&response, expected, now);
    if verdict.is_ok() || report.refusal.is_none() {
        return Err("accepted without a signature of a trusted key".to_owned());
    }
    // The rules behind the signature, which no made-up input passes.
    if let Ok(document) = Document::parse(xml)
        && structure::check_response(&document).is_ok()
    {
        let root = document.root();
        let bench = Bench {
            trust,
            expected,
            now,
        };
        let _ = bench.check_response(root, true, &mut Trail::kept());
        for assertion in root.children().take(4) {
            let _ = bench.check_assertion(assertion, true, &mut Trail::kept());
        }
    }
    Ok(())
}

/// The trust that nothing is accepted by: `certificates` in PEM whose keys are gone, and a key that does exist.
pub fn trust(certificates: &str, decryption_key: &str) -> Option<Trust> {
    let certificates = Certificate::list_from_pem(certificates).ok()?;
    let key = DecryptionKey::from_pem(decryption_key).ok()?;
    let trust = Trust::new(
        "https://sp.example/metadata",
        "https://sp.example/acs",
        "https://idp.example",
        certificates,
    );
    Some(
        trust
            .ok()?
            .decryption_keys(vec![key])
            .dangerously_allow_sha1()
            .allow_inclusive_c14n(),
    )
}

/// The certificates of a trust.
pub fn certificates(trust: &Trust) -> &[Certificate] {
    &trust.certificates
}

fn compare(ours: &[Step], theirs: &[Step]) -> Finding {
    if ours == theirs {
        return Ok(());
    }
    let differing = ours.iter().zip(theirs).find(|(our, their)| our != their);
    Err(format!("the trees differ: {differing:?}, or in length"))
}

fn steps(root: Element<'_, '_>, with_scope: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut open = vec![start(root, with_scope, &mut steps)];
    while let Some(contents) = open.last_mut() {
        match contents.next() {
            Some(Content::Text(text)) => steps.push(Step::Text(text.to_owned())),
            Some(Content::Element(element)) => {
                let inside = start(element, with_scope, &mut steps);
                open.push(inside);
            }
            None => {
                steps.push(Step::End);
                open.pop();
            }
        }
    }
    steps
}

fn start<'d, 'a: 'd>(
    element: Element<'d, 'a>,
    with_scope: bool,
    steps: &mut Vec<Step>,
) -> Box<dyn Iterator<Item = Content<'d, 'a>> + 'd> {
    let mut attributes: Vec<_> = element
        .attributes()
        .iter()
        .map(|attribute| {
            (
                element.namespace_of(attribute).to_owned(),
                attribute.local.to_owned(),
                attribute.value.to_string(),
            )
        })
        .collect();
    attributes.sort_unstable();
    let mut scope = match with_scope {
        true => element.scope(),
        false => Vec::new(),
    };
    scope.sort_unstable();
    steps.push(Step::Start {
        name: (element.namespace().to_owned(), element.local().to_owned()),
        attributes,
        scope,
    });
    Box::new(element.contents())
}

fn their_steps(document: &roxmltree::Document<'_>) -> Vec<Step> {
    let mut steps = vec![their_start(document.root_element())];
    let mut open = vec![document.root_element().children()];
    while let Some(contents) = open.last_mut() {
        match contents.next() {
            Some(node) if node.is_element() => {
                steps.push(their_start(node));
                open.push(node.children());
            }
            Some(node) => steps.push(Step::Text(node.text().unwrap_or_default().to_owned())),
            None => {
                steps.push(Step::End);
                open.pop();
            }
        }
    }
    steps
}

fn their_start(node: roxmltree::Node<'_, '_>) -> Step {
    let mut attributes: Vec<_> = node
        .attributes()
        .map(|attribute| {
            (
                attribute.namespace().unwrap_or_default().to_owned(),
                attribute.name().to_owned(),
                attribute.value().to_owned(),
            )
        })
        .collect();
    attributes.sort_unstable();
    let mut scope: Vec<_> = node
        .namespaces()
        .map(|namespace| {
            (
                namespace.name().unwrap_or_default().to_owned(),
                namespace.uri().to_owned(),
            )
        })
        .filter(|(prefix, uri)| prefix != "xml" && !uri.is_empty())
        .collect();
    scope.sort_unstable();
    Step::Start {
        name: (
            node.tag_name().namespace().unwrap_or_default().to_owned(),
            node.tag_name().name().to_owned(),
        ),
        attributes,
        scope,
    }
}
