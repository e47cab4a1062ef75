//! A small tree of XML elements, how it is written, and its canonical form.
//!
//! A document is built and signed as a tree, so that a test may move signed parts about before it
//! writes them. The tree is written as products do (attributes in any order, `<empty/>`), and the
//! canonical form is computed, so that a verifier's own canonicalization has something to do.

use std::collections::{BTreeMap, BTreeSet};

/// Namespaces in scope: prefix (empty for the default) to URI.
pub type Scope = BTreeMap<String, String>;

/// An element.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Element {
    /// The qualified name, for example `saml:Assertion`.
    pub name: String,
    /// The namespaces that are declared here: prefix (empty for the default) and URI.
    pub namespaces: Vec<(String, String)>,
    /// The attributes by qualified name, in the order in which they are written.
    pub attributes: Vec<(String, String)>,
    /// What is inside.
    pub children: Vec<Node>,
}

/// What an element holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// An element.
    Element(Element),
    /// Text, escaped when it is written.
    Text(String),
    /// Written as it stands and absent from the canonical form, as comments are.
    Comment(String),
    /// Written as it stands; the canonical form has the second text in its place.
    ///
    /// A CDATA section is `<![CDATA[a]]>` and `a`.
    Raw(String, String),
}

impl Element {
    /// An empty element.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Declares a namespace; an empty prefix is the default one.
    #[must_use]
    pub fn namespace(mut self, prefix: &str, uri: &str) -> Self {
        self.declare(prefix, uri);
        self
    }

    /// Declares a namespace unless its prefix is declared here already.
    pub fn declare(&mut self, prefix: &str, uri: &str) {
        if !self.namespaces.iter().any(|(known, _)| known == prefix) {
            self.namespaces.push((prefix.to_owned(), uri.to_owned()));
        }
    }

    /// Adds an attribute.
    #[must_use]
    pub fn attribute(mut self, name: &str, value: &str) -> Self {
        self.attributes.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds an attribute if there is a value.
    #[must_use]
    pub fn attribute_if(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.attribute(name, value),
            None => self,
        }
    }

    /// Adds an element.
    #[must_use]
    pub fn child(mut self, child: Element) -> Self {
        self.children.push(Node::Element(child));
        self
    }

    /// Adds elements.
    #[must_use]
    pub fn children(mut self, children: impl IntoIterator<Item = Element>) -> Self {
        self.children
            .extend(children.into_iter().map(Node::Element));
        self
    }

    /// Adds text.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.children.push(Node::Text(text.to_owned()));
        self
    }

    /// The name without its prefix.
    pub fn local_name(&self) -> &str {
        split(&self.name).1
    }

    /// The prefix; empty if there is none.
    pub fn prefix(&self) -> &str {
        split(&self.name).0
    }

    /// An attribute's value, by its qualified name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Sets an attribute, or removes it.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        match (
            value,
            self.attributes.iter_mut().find(|(known, _)| known == name),
        ) {
            (Some(value), Some((_, slot))) => value.clone_into(slot),
            (Some(value), None) => self.attributes.push((name.to_owned(), value.to_owned())),
            (None, _) => self.attributes.retain(|(known, _)| known != name),
        }
    }

    /// Replaces what is inside by one text.
    pub fn set_text(&mut self, text: &str) {
        self.children = vec![Node::Text(text.to_owned())];
    }

    /// All text below, in order.
    pub fn inner_text(&self) -> String {
        self.children
            .iter()
            .map(|node| match node {
                Node::Element(element) => element.inner_text(),
                Node::Text(text) | Node::Raw(_, text) => text.clone(),
                Node::Comment(_) => String::new(),
            })
            .collect()
    }

    /// The elements directly inside.
    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            _ => None,
        })
    }

    /// The first element with this local name: this one or, in document order, one below.
    pub fn find(&self, local_name: &str) -> Option<&Element> {
        if self.local_name() == local_name {
            return Some(self);
        }
        self.elements().find_map(|child| child.find(local_name))
    }

    /// As [`Element::find`], to change it.
    pub fn find_mut(&mut self, local_name: &str) -> Option<&mut Element> {
        if self.local_name() == local_name {
            return Some(self);
        }
        self.children.iter_mut().find_map(|node| match node {
            Node::Element(element) => element.find_mut(local_name),
            _ => None,
        })
    }

    /// Takes the first element with this local name out of where it is below this one.
    pub fn take(&mut self, local_name: &str) -> Option<Element> {
        let at = self.children.iter().position(
            |node| matches!(node, Node::Element(element) if element.local_name() == local_name),
        );
        if let Some(at) = at
            && let Node::Element(element) = self.children.remove(at)
        {
            return Some(element);
        }
        self.children.iter_mut().find_map(|node| match node {
            Node::Element(element) => element.take(local_name),
            _ => None,
        })
    }

    /// Puts an element at a position among the children; the end if there are fewer.
    pub fn insert(&mut self, at: usize, child: Element) {
        let at = at.min(self.children.len());
        self.children.insert(at, Node::Element(child));
    }

    /// Puts each element below on a line of its own, `depth` levels in; text stays as it is.
    pub fn indent(&mut self, depth: usize) {
        let only_elements =
            !self.children.is_empty() && self.elements().count() == self.children.len();
        if !only_elements {
            return;
        }
        let line = |depth: usize| Node::Text(format!("\n{}", "  ".repeat(depth)));
        for child in std::mem::take(&mut self.children) {
            self.children.push(line(depth + 1));
            let mut child = child;
            if let Node::Element(element) = &mut child {
                element.indent(depth + 1);
            }
            self.children.push(child);
        }
        self.children.push(line(depth));
    }

    /// The namespaces in scope inside, given those in scope around.
    pub fn scope(&self, around: &Scope) -> Scope {
        let mut scope = around.clone();
        for (prefix, uri) in &self.namespaces {
            if uri.is_empty() {
                scope.remove(prefix);
            } else {
                scope.insert(prefix.clone(), uri.clone());
            }
        }
        scope
    }

    /// Declares here whatever it uses below without declaring it, so that it can stand alone.
    pub fn make_self_contained(&mut self, around: &Scope) {
        let mut used = BTreeSet::new();
        self.used_prefixes(&mut used);
        for prefix in used {
            if let Some(uri) = around.get(&prefix) {
                self.declare(&prefix, uri);
            }
        }
    }

    fn used_prefixes(&self, used: &mut BTreeSet<String>) {
        used.insert(self.prefix().to_owned());
        for (name, value) in &self.attributes {
            used.insert(split(name).0.to_owned());
            // `xsi:type="xs:string"` uses `xs` in its value.
            if name.ends_with(":type") {
                used.insert(split(value).0.to_owned());
            }
        }
        for child in self.elements() {
            child.used_prefixes(used);
        }
    }

    /// The document, without an XML declaration.
    pub fn to_xml(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        out.push('<');
        out.push_str(&self.name);
        for (prefix, uri) in &self.namespaces {
            write_namespace(out, prefix, uri);
        }
        for (name, value) in &self.attributes {
            write_attribute(out, name, value);
        }
        if self.children.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        for child in &self.children {
            match child {
                Node::Element(element) => element.write(out),
                Node::Text(text) => out.push_str(&escape_text(text)),
                Node::Comment(written) | Node::Raw(written, _) => out.push_str(written),
            }
        }
        out.push_str("</");
        out.push_str(&self.name);
        out.push('>');
    }

    /// The canonical form of this element as the apex of a subtree, given the namespaces in scope
    /// around it.
    pub fn canonical(&self, around: &Scope, form: &C14n) -> String {
        let mut out = String::new();
        self.write_canonical(&mut out, around, &Scope::new(), form);
        out
    }

    fn write_canonical(&self, out: &mut String, around: &Scope, rendered: &Scope, form: &C14n) {
        let scope = self.scope(around);
        let mut wanted: BTreeSet<&str> = match form {
            C14n::Inclusive | C14n::InclusiveWithComments | C14n::Inclusive11 => scope
                .keys()
                .chain(rendered.keys())
                .map(String::as_str)
                .collect(),
            C14n::Exclusive { prefix_list } | C14n::ExclusiveWithComments { prefix_list } => {
                // What the list names is treated as inclusive canonicalization does
                // (Exclusive XML Canonicalization 1.0 §3).
                prefix_list
                    .iter()
                    .map(|prefix| match prefix.as_str() {
                        "#default" => "",
                        prefix => prefix,
                    })
                    .filter(|prefix| scope.contains_key(*prefix) || rendered.contains_key(*prefix))
                    .collect()
            }
        };
        wanted.insert(self.prefix());
        let prefixed = self.attributes.iter().map(|(name, _)| split(name).0);
        wanted.extend(prefixed.filter(|prefix| !prefix.is_empty()));
        wanted.remove("xml");

        let mut rendered = rendered.clone();
        out.push('<');
        out.push_str(&self.name);
        for prefix in wanted {
            let uri = scope.get(prefix).map_or("", String::as_str);
            if rendered.get(prefix).map_or("", String::as_str) == uri {
                continue;
            }
            write_namespace(out, prefix, uri);
            rendered.insert(prefix.to_owned(), uri.to_owned());
        }
        let mut attributes: Vec<(&str, &str, &str, &str)> = self
            .attributes
            .iter()
            .map(|(name, value)| {
                let (prefix, local) = split(name);
                // An attribute without a prefix is in no namespace and comes first.
                let uri = match prefix {
                    "" => "",
                    "xml" => "http://www.w3.org/XML/1998/namespace",
                    prefix => scope.get(prefix).map_or("", String::as_str),
                };
                (uri, local, name.as_str(), value.as_str())
            })
            .collect();
        attributes.sort_unstable();
        for (_, _, name, value) in attributes {
            write_attribute(out, name, value);
        }
        out.push('>');
        for child in &self.children {
            match child {
                Node::Element(element) => element.write_canonical(out, &scope, &rendered, form),
                Node::Text(text) => out.push_str(&escape_text(text)),
                Node::Comment(written) if form.has_comments() => out.push_str(written),
                Node::Comment(_) => {}
                Node::Raw(_, meant) => out.push_str(&escape_text(meant)),
            }
        }
        out.push_str("</");
        out.push_str(&self.name);
        out.push('>');
    }
}

/// A canonicalization method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum C14n {
    /// Exclusive XML Canonicalization 1.0, what SAML asks for.
    Exclusive {
        /// The prefixes in `InclusiveNamespaces/@PrefixList`; `#default` is the default namespace.
        prefix_list: Vec<String>,
    },
    /// The same, comments kept.
    ExclusiveWithComments {
        /// The prefixes in `InclusiveNamespaces/@PrefixList`.
        prefix_list: Vec<String>,
    },
    /// Canonical XML 1.0.
    Inclusive,
    /// Canonical XML 1.0, comments kept.
    InclusiveWithComments,
    /// Canonical XML 1.1; without `xml:id` and `xml:base` it writes what 1.0 writes.
    Inclusive11,
}

impl C14n {
    /// Exclusive canonicalization without a PrefixList.
    pub fn exclusive() -> Self {
        Self::with_prefixes(&[])
    }

    /// Exclusive canonicalization with a PrefixList.
    pub fn with_prefixes(prefixes: &[&str]) -> Self {
        Self::Exclusive {
            prefix_list: prefixes.iter().map(|&prefix| prefix.to_owned()).collect(),
        }
    }

    /// The algorithm's identifier.
    pub fn uri(&self) -> &'static str {
        match self {
            Self::Exclusive { .. } => "http://www.w3.org/2001/10/xml-exc-c14n#",
            Self::ExclusiveWithComments { .. } => {
                "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"
            }
            Self::Inclusive => "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
            Self::InclusiveWithComments => {
                "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments"
            }
            Self::Inclusive11 => "http://www.w3.org/2006/12/xml-c14n11",
        }
    }

    /// The prefixes of the PrefixList.
    pub fn prefix_list(&self) -> &[String] {
        match self {
            Self::Exclusive { prefix_list } | Self::ExclusiveWithComments { prefix_list } => {
                prefix_list
            }
            _ => &[],
        }
    }

    fn has_comments(&self) -> bool {
        matches!(
            self,
            Self::ExclusiveWithComments { .. } | Self::InclusiveWithComments
        )
    }
}

fn split(name: &str) -> (&str, &str) {
    name.split_once(':').unwrap_or(("", name))
}

fn write_namespace(out: &mut String, prefix: &str, uri: &str) {
    let name = match prefix {
        "" => "xmlns".to_owned(),
        prefix => format!("xmlns:{prefix}"),
    };
    write_attribute(out, &name, uri);
}

fn write_attribute(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    out.push_str(&escape_attribute(value));
    out.push('"');
}

/// Text as Canonical XML 1.0 §2.3 writes it.
pub fn escape_text(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\r', "&#xD;")
}

/// An attribute's value as Canonical XML 1.0 §2.3 writes it.
pub fn escape_attribute(value: &str) -> String {
    value
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
        .replace('\t', "&#x9;")
        .replace('\n', "&#xA;")
        .replace('\r', "&#xD;")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Exclusive XML Canonicalization 1.0 §2.2, with an attribute and text added.
    fn document() -> Element {
        let inner = Element::new("n1:elem2")
            .namespace("n1", "http://example.net")
            .attribute("z", "1")
            .attribute("xml:lang", "en")
            .attribute("a", "<\"\t>")
            .child(Element::new("n3:stuff").namespace("n3", "ftp://example.org"))
            .text("a > b\r");
        Element::new("n0:pdu")
            .namespace("n0", "http://a.example")
            .namespace("unused", "http://unused.example")
            .child(inner)
    }

    fn canonical_of_inner(form: &C14n) -> String {
        let document = document();
        let scope = document.scope(&Scope::new());
        document.find("elem2").unwrap().canonical(&scope, form)
    }

    const REST: &str = " a=\"&lt;&quot;&#x9;>\" z=\"1\" xml:lang=\"en\">\
        <n3:stuff xmlns:n3=\"ftp://example.org\"></n3:stuff>a &gt; b&#xD;</n1:elem2>";

    #[test]
    fn exclusive_form_has_only_what_is_used_and_what_is_listed() {
        assert_eq!(
            canonical_of_inner(&C14n::exclusive()),
            format!("<n1:elem2 xmlns:n1=\"http://example.net\"{REST}")
        );
        assert_eq!(
            canonical_of_inner(&C14n::with_prefixes(&["unused", "absent"])),
            format!(
                "<n1:elem2 xmlns:n1=\"http://example.net\" xmlns:unused=\"http://unused.example\"{REST}"
            )
        );
    }

    #[test]
    fn inclusive_form_has_all_that_is_in_scope() {
        assert_eq!(
            canonical_of_inner(&C14n::Inclusive),
            format!(
                "<n1:elem2 xmlns:n0=\"http://a.example\" xmlns:n1=\"http://example.net\" \
                 xmlns:unused=\"http://unused.example\"{REST}"
            )
        );
    }

    #[test]
    fn a_default_namespace_is_undone_where_it_was_rendered() {
        let document = Element::new("a")
            .namespace("", "urn:a")
            .child(Element::new("b").namespace("", ""));
        let written = "<a xmlns=\"urn:a\"><b xmlns=\"\"></b></a>";
        for form in [C14n::exclusive(), C14n::Inclusive] {
            assert_eq!(document.canonical(&Scope::new(), &form), written);
        }
    }

    #[test]
    fn comments_are_written_and_not_digested() {
        let mut element = Element::new("a").text("x");
        element.children.push(Node::Comment("<!--c-->".to_owned()));
        element
            .children
            .push(Node::Raw("<![CDATA[<y]]>".to_owned(), "<y".to_owned()));
        assert_eq!(element.to_xml(), "<a>x<!--c--><![CDATA[<y]]></a>");
        let canonical = element.canonical(&Scope::new(), &C14n::exclusive());
        assert_eq!(canonical, "<a>x&lt;y</a>");
        assert_eq!(element.inner_text(), "x<y");
    }
}
