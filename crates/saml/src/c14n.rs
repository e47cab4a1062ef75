//! Canonical XML: the octets that a digest is made of.
//!
//! Exclusive C14N 1.0 (the only one most connections allow) and, where a connection asks for it, inclusive C14N 1.0;
//! never with comments, which the parser refuses anyway. The tree is absolute in its namespaces and has no document
//! type, so canonicalization cannot fail half-way; an empty result is still treated as an error by the caller.

use std::borrow::Cow;

use crate::xml::{Attribute, Content, Declaration, Element, NodeId, XML};

/// A canonicalization method of XML Signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Method {
    /// <http://www.w3.org/2001/10/xml-exc-c14n#>, with the prefixes that are treated inclusively; "" is the default.
    Exclusive(Vec<String>),
    /// <http://www.w3.org/TR/2001/REC-xml-c14n-20010315>.
    Inclusive,
}

/// The canonical form of an element, without one of the elements inside it (the enveloped signature).
pub(crate) fn canonicalize(
    apex: Element<'_, '_>,
    without: Option<NodeId>,
    method: &Method,
) -> Vec<u8> {
    let mut writer = Writer {
        output: Vec::with_capacity(4096),
        method,
        without,
        rendered: Vec::new(),
        scope: Vec::new(),
    };
    for declaration in apex.document().inherited_declarations() {
        writer.scope.push(declaration);
    }
    let mut ancestors = Vec::new();
    let mut place = apex.parent();
    while let Some(element) = place {
        ancestors.push(element);
        place = element.parent();
    }
    for ancestor in ancestors.iter().rev() {
        writer.scope.extend(ancestor.declarations());
    }
    // Inclusive C14N imports the attributes in the namespace of `xml` that the apex inherits (§2.4).
    let mut imported: Vec<(Element<'_, '_>, &Attribute<'_>)> = Vec::new();
    if *method == Method::Inclusive {
        for ancestor in &ancestors {
            for attribute in ancestor.attributes() {
                let known = |other: &Attribute<'_>| other.local == attribute.local;
                if ancestor.namespace_of(attribute) == XML
                    && !imported.iter().any(|(_, other)| known(other))
                    && apex.attribute_in(XML, attribute.local).is_none()
                {
                    imported.push((*ancestor, attribute));
                }
            }
        }
    }
    writer.run(apex, &imported);
    writer.output
}

struct Writer<'d, 'a, 'm> {
    output: Vec<u8>,
    method: &'m Method,
    without: Option<NodeId>,
    /// What the output has declared so far, nearest last.
    rendered: Vec<(&'a str, &'d str)>,
    /// What the document has declared so far, nearest last.
    scope: Vec<&'d Declaration<'a>>,
}

/// An element whose end tag is still to come.
struct Open<'d, 'a> {
    element: Element<'d, 'a>,
    contents: Box<dyn Iterator<Item = Content<'d, 'a>> + 'd>,
    rendered: usize,
    scope: usize,
}

impl<'d, 'a: 'd> Writer<'d, 'a, '_> {
    fn run(&mut self, apex: Element<'d, 'a>, imported: &[(Element<'d, 'a>, &'d Attribute<'a>)]) {
        let mut open = vec![self.start(apex, imported)];
        while let Some(top) = open.last_mut() {
            match top.contents.next() {
                Some(Content::Text(text)) => escape(&mut self.output, text, in_text),
                Some(Content::Element(element)) if Some(element.id()) == self.without => {}
                Some(Content::Element(element)) => {
                    let started = self.start(element, &[]);
                    open.push(started);
                }
                None => {
                    self.output.extend_from_slice(b"</");
                    let (prefix, local) = (top.element.prefix(), top.element.local());
                    self.name(prefix, local);
                    self.output.push(b'>');
                    self.rendered.truncate(top.rendered);
                    self.scope.truncate(top.scope);
                    open.pop();
                }
            }
        }
    }

    fn start(
        &mut self,
        element: Element<'d, 'a>,
        imported: &[(Element<'d, 'a>, &'d Attribute<'a>)],
    ) -> Open<'d, 'a> {
        let opened = Open {
            element,
            contents: Box::new(element.contents()),
            rendered: self.rendered.len(),
            scope: self.scope.len(),
        };
        self.scope.extend(element.declarations());
        self.output.push(b'<');
        self.name(element.prefix(), element.local());
        for (prefix, uri) in self.declarations_of(element) {
            self.output.extend_from_slice(b" xmlns");
            if !prefix.is_empty() {
                self.output.push(b':');
                self.output.extend_from_slice(prefix.as_bytes());
            }
            self.value(uri);
        }
        let mut attributes: Vec<(&str, &Attribute<'_>)> = element
            .attributes()
            .iter()
            .map(|attribute| (element.namespace_of(attribute), attribute))
            .chain(
                imported
                    .iter()
                    .map(|(ancestor, attribute)| (ancestor.namespace_of(attribute), *attribute)),
            )
            .collect();
        // By namespace name, then local name; those without a namespace come first (§2.2).
        attributes.sort_unstable_by_key(|(uri, attribute)| (*uri, attribute.local));
        for (_, attribute) in attributes {
            self.output.push(b' ');
            self.name(attribute.prefix, attribute.local);
            self.value(&attribute.value);
        }
        self.output.push(b'>');
        opened
    }

    /// The namespace declarations to write here, sorted by prefix, and remembers them as written.
    fn declarations_of(&mut self, element: Element<'d, 'a>) -> Vec<(&'a str, &'d str)> {
        let mut wanted: Vec<(&'a str, &'d str)> = Vec::new();
        match self.method {
            Method::Exclusive(inclusive) => {
                wanted.push((element.prefix(), element.namespace()));
                for attribute in element.attributes() {
                    if !attribute.prefix.is_empty() {
                        wanted.push((attribute.prefix, element.namespace_of(attribute)));
                    }
                }
                for declaration in self.in_force() {
                    if inclusive.iter().any(|prefix| prefix == declaration.prefix) {
                        wanted.push((declaration.prefix, &declaration.uri));
                    }
                }
            }
            Method::Inclusive => {
                wanted.extend(
                    self.in_force()
                        .into_iter()
                        .map(|declaration| (declaration.prefix, declaration.uri.as_ref())),
                );
            }
        }
        wanted.retain(|(prefix, uri)| {
            let before = self
                .rendered
                .iter()
                .rev()
                .find(|(known, _)| known == prefix)
                .map_or("", |(_, uri)| *uri);
            *prefix != "xml" && before != *uri
        });
        wanted.sort_unstable();
        wanted.dedup();
        self.rendered.extend(&wanted);
        wanted
    }

    /// The nearest declaration of each prefix.
    fn in_force(&self) -> Vec<&'d Declaration<'a>> {
        if matches!(self.method, Method::Exclusive(inclusive) if inclusive.is_empty()) {
            return Vec::new();
        }
        let mut found: Vec<&'d Declaration<'a>> = Vec::new();
        for declaration in self.scope.iter().rev() {
            if found.iter().all(|known| known.prefix != declaration.prefix) {
                found.push(declaration);
            }
        }
        found
    }

    fn name(&mut self, prefix: &str, local: &str) {
        if !prefix.is_empty() {
            self.output.extend_from_slice(prefix.as_bytes());
            self.output.push(b':');
        }
        self.output.extend_from_slice(local.as_bytes());
    }

    fn value(&mut self, value: &str) {
        self.output.extend_from_slice(b"=\"");
        escape(&mut self.output, value, in_value);
        self.output.push(b'"');
    }
}

fn in_text(byte: u8) -> Option<&'static str> {
    Some(match byte {
        b'&' => "&amp;",
        b'<' => "&lt;",
        b'>' => "&gt;",
        b'\r' => "&#xD;",
        _ => return None,
    })
}

fn in_value(byte: u8) -> Option<&'static str> {
    Some(match byte {
        b'&' => "&amp;",
        b'<' => "&lt;",
        b'"' => "&quot;",
        b'\t' => "&#x9;",
        b'\n' => "&#xA;",
        b'\r' => "&#xD;",
        _ => return None,
    })
}

fn escape(output: &mut Vec<u8>, text: &str, escaped: fn(u8) -> Option<&'static str>) {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| escaped(*byte).is_some()) {
        let (before, from) = rest.split_at(at);
        output.extend_from_slice(before);
        if let Some((special, after)) = from.split_first() {
            output.extend_from_slice(escaped(*special).unwrap_or_default().as_bytes());
            rest = after;
        }
    }
    output.extend_from_slice(rest);
}

/// A text as the value of an attribute, for documents that we write.
pub(crate) fn escape_value(text: &str) -> Cow<'_, str> {
    escaped(text, in_value)
}

/// A text between tags, for documents that we write.
pub(crate) fn escape_text(text: &str) -> Cow<'_, str> {
    escaped(text, in_text)
}

fn escaped(text: &str, rule: fn(u8) -> Option<&'static str>) -> Cow<'_, str> {
    if !text.bytes().any(|byte| rule(byte).is_some()) {
        return Cow::Borrowed(text);
    }
    let mut output = Vec::with_capacity(text.len() + 16);
    escape(&mut output, text, rule);
    // Only ASCII bytes were replaced, by ASCII.
    Cow::Owned(String::from_utf8(output).unwrap_or_default())
}

#[cfg(test)]
mod tests;
