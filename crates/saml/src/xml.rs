//! The one XML parser: a strict subset of XML 1.0 with namespaces, read without recursion into a flat tree.
//!
//! Whatever two parsers could read differently is refused: document types, processing instructions, comments, CDATA,
//! relative namespace names, a second name for the `xml` prefix. What is left has one meaning, and that meaning is
//! what is digested and what is read.

mod parser;
mod scan;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use thiserror::Error as ThisError;

pub(crate) use scan::is_name;

/// The namespace that the prefix `xml` stands for.
pub(crate) const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// Bounds on a document; the defaults fit every genuine message that was seen, several times over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) depth: usize,
    pub(crate) attributes: usize,
    pub(crate) declarations: usize,
    /// Namespace declarations in scope at one place.
    pub(crate) scope: usize,
    pub(crate) elements: usize,
}

impl Limits {
    pub(crate) const MESSAGE: Self = Self {
        depth: 32,
        attributes: 64,
        declarations: 32,
        scope: 128,
        elements: 30_000,
    };
}

/// What to do with comments and processing instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remarks {
    /// Messages have none; a parser that skips them and one that splits text at them read different names.
    Refuse,
    /// Files that people edit have them; the text around them is joined.
    Skip,
}

/// Why a text is not a document of the subset; `at` is a byte offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[error("{what} at byte {at}")]
pub(crate) struct XmlError {
    pub(crate) what: &'static str,
    pub(crate) at: usize,
}

/// A parsed document. Nodes stand in document order; a node's subtree is the range up to its `end`.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    nodes: Vec<Node<'a>>,
    attributes: Vec<Attribute<'a>>,
    declarations: Vec<Declaration<'a>>,
    /// Declarations in force around the root, for a text that was taken out of another document.
    inherited: usize,
}

#[derive(Debug)]
struct Node<'a> {
    /// The root is its own parent.
    parent: u32,
    end: u32,
    kind: Kind<'a>,
}

#[derive(Debug)]
enum Kind<'a> {
    Element(Tag<'a>),
    Text(Cow<'a, str>),
}

#[derive(Debug)]
struct Tag<'a> {
    prefix: &'a str,
    local: &'a str,
    namespace: Namespace,
    attributes: (u32, u32),
    declarations: (u32, u32),
}

/// A resolved namespace: none, that of `xml`, or the one of a declaration.
#[derive(Debug, Clone, Copy)]
enum Namespace {
    None,
    Xml,
    Declared(u32),
}

#[derive(Debug)]
pub(crate) struct Attribute<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) local: &'a str,
    pub(crate) value: Cow<'a, str>,
    namespace: Namespace,
}

/// `xmlns="uri"` (empty prefix) or `xmlns:prefix="uri"`.
#[derive(Debug, Clone)]
pub(crate) struct Declaration<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) uri: Cow<'a, str>,
}

/// A place in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(u32);

/// An element of a document.
#[derive(Clone, Copy)]
pub(crate) struct Element<'d, 'a> {
    document: &'d Document<'a>,
    id: u32,
}

/// What stands between two tags.
pub(crate) enum Content<'d, 'a> {
    Element(Element<'d, 'a>),
    Text(&'d str),
}

impl<'a> Document<'a> {
    /// Parses a message.
    pub(crate) fn parse(text: &'a str) -> Result<Self, XmlError> {
        parser::parse(text, &[], Limits::MESSAGE, Remarks::Refuse)
    }

    /// Parses a text that was taken out of an element, within the namespaces in force there.
    pub(crate) fn parse_within(
        text: &'a str,
        scope: &'a [(String, String)],
    ) -> Result<Self, XmlError> {
        parser::parse(text, scope, Limits::MESSAGE, Remarks::Refuse)
    }

    /// Parses the start tag of the root, for a look at its attributes before anything is judged.
    pub(crate) fn parse_root(text: &'a str) -> Result<Self, XmlError> {
        parser::parse_root(text, Limits::MESSAGE)
    }

    /// Parses a file that people may have edited: comments and processing instructions are skipped.
    pub(crate) fn parse_file(text: &'a str) -> Result<Self, XmlError> {
        parser::parse(text, &[], Limits::MESSAGE, Remarks::Skip)
    }

    pub(crate) fn root(&self) -> Element<'_, 'a> {
        Element {
            document: self,
            id: 0,
        }
    }

    /// Every element, in document order.
    pub(crate) fn elements(&self) -> impl Iterator<Item = Element<'_, 'a>> {
        self.root().descendants()
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "ids are made by the parser for this document, and nodes are never removed"
    )]
    fn node(&self, id: u32) -> &Node<'a> {
        &self.nodes[id as usize]
    }

    fn tag(&self, id: u32) -> &Tag<'a> {
        match &self.node(id).kind {
            Kind::Element(tag) => tag,
            // An `Element` is made of element nodes only; the root is one.
            Kind::Text(_) => self.tag(self.node(id).parent),
        }
    }

    fn uri(&self, namespace: Namespace) -> &str {
        match namespace {
            Namespace::None => "",
            Namespace::Xml => XML,
            Namespace::Declared(id) => self
                .declarations
                .get(id as usize)
                .map_or("", |declaration| &declaration.uri),
        }
    }

    /// Declarations in force around the root.
    pub(crate) fn inherited_declarations(&self) -> &[Declaration<'a>] {
        self.declarations.get(..self.inherited).unwrap_or_default()
    }
}

impl<'d, 'a> Element<'d, 'a> {
    pub(crate) fn id(self) -> NodeId {
        NodeId(self.id)
    }

    pub(crate) fn document(self) -> &'d Document<'a> {
        self.document
    }

    fn tag(self) -> &'d Tag<'a> {
        self.document.tag(self.id)
    }

    pub(crate) fn prefix(self) -> &'a str {
        self.tag().prefix
    }

    pub(crate) fn local(self) -> &'a str {
        self.tag().local
    }

    pub(crate) fn namespace(self) -> &'d str {
        self.document.uri(self.tag().namespace)
    }

    /// Whether the expanded name is this one.
    pub(crate) fn is(self, namespace: &str, local: &str) -> bool {
        self.local() == local && self.namespace() == namespace
    }

    pub(crate) fn parent(self) -> Option<Self> {
        (self.id != 0).then(|| Self {
            document: self.document,
            id: self.document.node(self.id).parent,
        })
    }

    /// Every attribute except namespace declarations.
    pub(crate) fn attributes(self) -> &'d [Attribute<'a>] {
        let (start, end) = self.tag().attributes;
        self.document
            .attributes
            .get(start as usize..end as usize)
            .unwrap_or_default()
    }

    /// The namespace of one of this element's attributes.
    pub(crate) fn namespace_of(self, attribute: &Attribute<'_>) -> &'d str {
        self.document.uri(attribute.namespace)
    }

    pub(crate) fn declarations(self) -> &'d [Declaration<'a>] {
        let (start, end) = self.tag().declarations;
        self.document
            .declarations
            .get(start as usize..end as usize)
            .unwrap_or_default()
    }

    /// The attribute of this name without a prefix.
    pub(crate) fn attribute(self, local: &str) -> Option<&'d str> {
        self.attributes()
            .iter()
            .find(|attribute| attribute.prefix.is_empty() && attribute.local == local)
            .map(|attribute| attribute.value.as_ref())
    }

    /// The attribute of this name in a namespace.
    pub(crate) fn attribute_in(self, namespace: &str, local: &str) -> Option<&'d str> {
        self.attributes()
            .iter()
            .find(|attribute| attribute.local == local && self.namespace_of(attribute) == namespace)
            .map(|attribute| attribute.value.as_ref())
    }

    /// What stands directly inside, in order.
    pub(crate) fn contents(self) -> impl Iterator<Item = Content<'d, 'a>> {
        let document = self.document;
        let end = document.node(self.id).end;
        let mut next = self.id + 1;
        std::iter::from_fn(move || {
            if next >= end {
                return None;
            }
            let id = next;
            let node = document.node(id);
            next = node.end;
            Some(match &node.kind {
                Kind::Element(_) => Content::Element(Element { document, id }),
                Kind::Text(text) => Content::Text(text),
            })
        })
    }

    pub(crate) fn children(self) -> impl Iterator<Item = Self> {
        self.contents().filter_map(|content| match content {
            Content::Element(element) => Some(element),
            Content::Text(_) => None,
        })
    }

    /// The children of this name.
    pub(crate) fn children_named(
        self,
        namespace: &'static str,
        local: &'static str,
    ) -> impl Iterator<Item = Self> {
        self.children()
            .filter(move |child| child.is(namespace, local))
    }

    /// The first child of this name.
    pub(crate) fn child(self, namespace: &'static str, local: &'static str) -> Option<Self> {
        self.children_named(namespace, local).next()
    }

    /// This element and every element inside it, in document order.
    pub(crate) fn descendants(self) -> impl Iterator<Item = Self> {
        let document = self.document;
        (self.id..document.node(self.id).end).filter_map(move |id| {
            matches!(document.node(id).kind, Kind::Element(_)).then_some(Self { document, id })
        })
    }

    /// The whole text of an element that has no element inside.
    pub(crate) fn leaf_text(self) -> Option<&'d str> {
        let mut contents = self.contents();
        match (contents.next(), contents.next()) {
            (None, None) => Some(""),
            (Some(Content::Text(text)), None) => Some(text),
            _ => None,
        }
    }

    /// Whether there is text beside whitespace directly inside.
    pub(crate) fn has_loose_text(self) -> bool {
        self.contents()
            .any(|content| matches!(content, Content::Text(text) if !is_space(text)))
    }

    /// Every namespace in force here: the nearest declaration of each prefix, undeclared defaults left out.
    pub(crate) fn scope(self) -> Vec<(String, String)> {
        let mut scope: Vec<(String, String)> = Vec::new();
        let mut add = |declaration: &Declaration<'_>| {
            if scope.iter().all(|(known, _)| known != declaration.prefix) {
                scope.push((declaration.prefix.to_owned(), declaration.uri.to_string()));
            }
        };
        let mut place = Some(self);
        while let Some(element) = place {
            element.declarations().iter().for_each(&mut add);
            place = element.parent();
        }
        self.document
            .inherited_declarations()
            .iter()
            .for_each(&mut add);
        scope.retain(|(_, uri)| !uri.is_empty());
        scope
    }
}

/// Whether a text is nothing but XML whitespace.
pub(crate) fn is_space(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
}
