//! From text to tree, in one pass and without recursion.

use std::borrow::Cow;

use super::{
    Attribute, Declaration, Document, Kind, Limits, Namespace, Node, Remarks, Tag, XML, XmlError,
    is_space,
    scan::{self, Place, is_absolute, is_char, name_length},
};

const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

pub(super) fn parse<'a>(
    text: &'a str,
    scope: &'a [(String, String)],
    limits: Limits,
    remarks: Remarks,
) -> Result<Document<'a>, XmlError> {
    if u32::try_from(text.len()).is_err() {
        return Err(XmlError {
            what: "the document is too long",
            at: 0,
        });
    }
    check_characters(text)?;
    let mut parser = Parser::new(text, limits, remarks);
    for (prefix, uri) in scope {
        parser.declare(prefix, Cow::Borrowed(uri), 0, 0)?;
    }
    let inherited = parser.declarations.len();
    parser.document()?;
    Ok(parser.into_document(inherited))
}

/// The start tag of the root alone, of a text that may be anything behind it.
pub(super) fn parse_root(text: &str, limits: Limits) -> Result<Document<'_>, XmlError> {
    let mut parser = Parser::new(text, limits, Remarks::Refuse);
    parser.root()?;
    Ok(parser.into_document(0))
}

/// Every character is a `Char`, whatever stands around it, and there is no byte order mark in front.
fn check_characters(text: &str) -> Result<(), XmlError> {
    let refuse = |what, at| Err(XmlError { what, at });
    if text.starts_with('\u{FEFF}') {
        return refuse("a byte order mark stands in front", 0);
    }
    // Everything that is no `Char` is a control byte or begins with 0xEF (U+FFFE and U+FFFF).
    let suspicious = |byte: u8| byte < 0x20 || byte == 0xEF;
    let mut from = 0;
    while let Some(found) = text
        .as_bytes()
        .get(from..)
        .and_then(|rest| rest.iter().position(|byte| suspicious(*byte)))
    {
        let at = from + found;
        let character = text.get(at..).and_then(|rest| rest.chars().next());
        match character {
            Some(character) if is_char(character) => from = at + character.len_utf8(),
            _ => return refuse("a character that XML does not allow", at),
        }
    }
    Ok(())
}

fn trim_space(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\n', '\r'])
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    limits: Limits,
    remarks: Remarks,
    nodes: Vec<Node<'a>>,
    attributes: Vec<Attribute<'a>>,
    declarations: Vec<Declaration<'a>>,
    /// The declarations in force here, nearest last.
    scope: Vec<u32>,
    /// Open elements: node and how long `scope` was before it.
    open: Vec<(u32, usize)>,
    elements: usize,
    /// Prefixed names of the start tag at hand, until all its declarations are known.
    pending: Vec<RawAttribute<'a>>,
}

struct RawAttribute<'a> {
    prefix: &'a str,
    local: &'a str,
    value: Cow<'a, str>,
    at: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, limits: Limits, remarks: Remarks) -> Self {
        Self {
            text,
            at: 0,
            limits,
            remarks,
            nodes: Vec::new(),
            attributes: Vec::new(),
            declarations: Vec::new(),
            scope: Vec::new(),
            open: Vec::new(),
            elements: 0,
            pending: Vec::new(),
        }
    }

    fn into_document(self, inherited: usize) -> Document<'a> {
        Document {
            nodes: self.nodes,
            attributes: self.attributes,
            declarations: self.declarations,
            inherited,
        }
    }

    fn error<T>(&self, what: &'static str) -> Result<T, XmlError> {
        Err(XmlError { what, at: self.at })
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, what: &str) -> bool {
        let found = self.rest().starts_with(what);
        if found {
            self.at += what.len();
        }
        found
    }

    /// Skips whitespace; whether there was any.
    fn space(&mut self) -> bool {
        let from = self.at;
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        self.at > from
    }

    fn document(&mut self) -> Result<(), XmlError> {
        self.root()?;
        while !self.open.is_empty() {
            self.inside()?;
        }
        self.outside()?;
        match self.byte() {
            None => Ok(()),
            Some(b'<') => self.error("a second root element"),
            Some(_) => self.error("text stands outside the root element"),
        }
    }

    /// Everything up to the end of the root's start tag.
    fn root(&mut self) -> Result<(), XmlError> {
        if self.rest().starts_with("<?xml")
            && self.rest().get(5..).is_some_and(|rest| {
                rest.starts_with(|next: char| next.is_ascii_whitespace() || next == '?')
            })
        {
            self.declaration()?;
        }
        self.outside()?;
        if self.byte() != Some(b'<') {
            return self.error("text stands outside the root element");
        }
        self.start_tag()
    }

    /// `<?xml version="1.0" encoding="UTF-8" standalone="…"?>`: nothing but this version and encoding.
    fn declaration(&mut self) -> Result<(), XmlError> {
        let Some((inside, _)) = self
            .rest()
            .strip_prefix("<?xml")
            .and_then(|rest| rest.split_once("?>"))
        else {
            return self.error("the XML declaration has no end");
        };
        let mut rest = inside;
        for (name, accept, required) in [
            ("version", ["1.0"].as_slice(), true),
            ("encoding", &["UTF-8"], false),
            ("standalone", &["yes", "no"], false),
        ] {
            let trimmed = trim_space(rest);
            let Some(after) = trimmed.strip_prefix(name) else {
                if required {
                    return self.error("the XML declaration names no version");
                }
                continue;
            };
            if trimmed.len() == rest.len() {
                return self.error("the XML declaration is malformed");
            }
            let value = trim_space(after)
                .strip_prefix('=')
                .map(trim_space)
                .and_then(|quoted| {
                    let quote = quoted.chars().next().filter(|c| matches!(c, '"' | '\''))?;
                    quoted.get(1..)?.split_once(quote)
                });
            let Some((value, after)) = value else {
                return self.error("the XML declaration is malformed");
            };
            if !accept.iter().any(|good| good.eq_ignore_ascii_case(value)) {
                return self.error("the XML declaration names another version or encoding");
            }
            rest = after;
        }
        if !is_space(rest) {
            return self.error("the XML declaration is malformed");
        }
        self.at += "<?xml".len() + inside.len() + "?>".len();
        Ok(())
    }

    /// What may stand before and after the root.
    fn outside(&mut self) -> Result<(), XmlError> {
        loop {
            self.space();
            if !self.remark()? {
                return Ok(());
            }
        }
    }

    /// A comment, processing instruction, document type or CDATA section; whether one was skipped.
    fn remark(&mut self) -> Result<bool, XmlError> {
        let rest = self.rest();
        let (what, end) = if rest.starts_with("<!--") {
            ("a comment", "-->")
        } else if rest.starts_with("<?") {
            ("a processing instruction", "?>")
        } else if rest.starts_with("<![CDATA[") {
            return self.error("a CDATA section");
        } else if rest.starts_with("<!") {
            return self.error("a document type declaration");
        } else {
            return Ok(false);
        };
        if self.remarks == Remarks::Refuse {
            return self.error(what);
        }
        let opening = if end == "-->" { 4 } else { 2 };
        let inside = rest.get(opening..).unwrap_or_default();
        let Some(length) = inside.find(end) else {
            return self.error("a comment or processing instruction has no end");
        };
        let body = inside.get(..length).unwrap_or_default();
        if end == "-->" && (body.contains("--") || body.ends_with('-')) {
            return self.error("a comment contains two hyphens");
        }
        if end == "?>" {
            let name = name_length(body);
            let target = body.get(..name).unwrap_or_default();
            let after = body.get(name..).unwrap_or_default();
            if name == 0
                || target.eq_ignore_ascii_case("xml")
                || !(after.is_empty() || after.starts_with([' ', '\t', '\n', '\r']))
            {
                return self.error("a processing instruction is malformed");
            }
        }
        self.at += opening + length + end.len();
        Ok(true)
    }

    /// Text, a tag, or a remark inside the open element.
    fn inside(&mut self) -> Result<(), XmlError> {
        let Some(length) = self.rest().find('<') else {
            self.at = self.text.len();
            return self.error("an element has no end");
        };
        if length > 0 {
            self.characters(length)?;
        }
        if self.remark()? {
            return Ok(());
        }
        if self.rest().starts_with("</") {
            self.end_tag()
        } else {
            self.start_tag()
        }
    }

    fn characters(&mut self, length: usize) -> Result<(), XmlError> {
        let raw = self.rest().get(..length).unwrap_or_default();
        if raw.contains("]]>") {
            return self.error("`]]>` stands in text");
        }
        let text = scan::resolve(raw, Place::Text, self.at)?;
        self.at += length;
        let Some((parent, _)) = self.open.last().copied() else {
            return self.error("text stands outside the root element");
        };
        // Only a skipped remark separates two texts: they are one.
        if self.remarks == Remarks::Skip
            && let Some(Node {
                parent: same,
                kind: Kind::Text(before),
                ..
            }) = self.nodes.last_mut()
            && *same == parent
        {
            before.to_mut().push_str(&text);
            return Ok(());
        }
        let end = self.next_id() + 1;
        self.nodes.push(Node {
            parent,
            end,
            kind: Kind::Text(text),
        });
        Ok(())
    }

    fn next_id(&self) -> u32 {
        // There are fewer nodes than bytes, and these fit.
        u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)
    }

    fn end_tag(&mut self) -> Result<(), XmlError> {
        self.at += 2;
        let (prefix, local) = self.qualified_name()?;
        let Some((node, scope)) = self.open.pop() else {
            return self.error("an end tag without a start tag");
        };
        let end = self.next_id();
        let Some(Node {
            end: known,
            kind: Kind::Element(tag),
            ..
        }) = self.nodes.get_mut(node as usize)
        else {
            return self.error("an end tag without a start tag");
        };
        let same = tag.prefix == prefix && tag.local == local;
        *known = end;
        if !same {
            return self.error("an end tag does not fit its start tag");
        }
        self.scope.truncate(scope);
        self.space();
        match self.eat(">") {
            true => Ok(()),
            false => self.error("a tag has no end"),
        }
    }

    fn start_tag(&mut self) -> Result<(), XmlError> {
        self.elements += 1;
        if self.elements > self.limits.elements {
            return self.error("too many elements");
        }
        if self.open.len() >= self.limits.depth {
            return self.error("elements are nested too deeply");
        }
        self.at += 1;
        let name_at = self.at;
        let (prefix, local) = self.qualified_name()?;
        // The standard allows it and no schema has one: parsers disagree about it.
        if prefix == "xml" {
            return self.error("an element has the prefix `xml`");
        }
        let scope = self.scope.len();
        let first_declaration = self.declarations.len();
        let closed = self.tag_attributes(first_declaration)?;

        let namespace = self.lookup(prefix, name_at)?;
        let first_attribute = self.attributes.len();
        for raw in std::mem::take(&mut self.pending) {
            let namespace = match raw.prefix {
                "" => Namespace::None,
                prefix => self.lookup(prefix, raw.at)?,
            };
            self.attributes.push(Attribute {
                prefix: raw.prefix,
                local: raw.local,
                value: raw.value,
                namespace,
            });
        }
        self.check_duplicates(first_attribute)?;
        let id = self.next_id();
        let range = |from: usize, to: usize| {
            (
                u32::try_from(from).unwrap_or(0),
                u32::try_from(to).unwrap_or(0),
            )
        };
        let tag = Tag {
            prefix,
            local,
            namespace,
            attributes: range(first_attribute, self.attributes.len()),
            declarations: range(first_declaration, self.declarations.len()),
        };
        self.nodes.push(Node {
            parent: self.open.last().map_or(0, |(parent, _)| *parent),
            end: id + 1,
            kind: Kind::Element(tag),
        });
        match closed {
            true => self.scope.truncate(scope),
            false => self.open.push((id, scope)),
        }
        Ok(())
    }

    /// The attributes up to the end of the start tag; whether the tag closes its element.
    fn tag_attributes(&mut self, first_declaration: usize) -> Result<bool, XmlError> {
        loop {
            let spaced = self.space();
            if self.eat("/>") {
                return Ok(true);
            }
            if self.eat(">") {
                return Ok(false);
            }
            if !spaced {
                return self.error("a tag is malformed");
            }
            let at = self.at;
            let (prefix, local) = self.qualified_name()?;
            self.space();
            if !self.eat("=") {
                return self.error("an attribute has no value");
            }
            self.space();
            let value = self.quoted()?;
            match (prefix, local) {
                ("", "xmlns") => self.declare("", value, at, first_declaration)?,
                ("xmlns", declared) => self.declare(declared, value, at, first_declaration)?,
                _ => {
                    if self.pending.len() >= self.limits.attributes {
                        return self.error("too many attributes");
                    }
                    self.pending.push(RawAttribute {
                        prefix,
                        local,
                        value,
                        at,
                    });
                }
            }
        }
    }

    fn quoted(&mut self) -> Result<Cow<'a, str>, XmlError> {
        let quote = match self.byte() {
            Some(quote @ (b'"' | b'\'')) => char::from(quote),
            _ => return self.error("an attribute value has no quotes"),
        };
        self.at += 1;
        let Some((raw, _)) = self.rest().split_once(quote) else {
            return self.error("an attribute value has no end");
        };
        if raw.contains('<') {
            return self.error("`<` stands in an attribute value");
        }
        let value = scan::resolve(raw, Place::Value, self.at)?;
        self.at += raw.len() + 1;
        Ok(value)
    }

    fn declare(
        &mut self,
        prefix: &'a str,
        uri: Cow<'a, str>,
        at: usize,
        first: usize,
    ) -> Result<(), XmlError> {
        let refuse = |what| Err(XmlError { what, at });
        if matches!(prefix, "xml" | "xmlns") || uri == XML || uri == XMLNS {
            return refuse("a reserved namespace is declared");
        }
        if uri.is_empty() && !prefix.is_empty() {
            return refuse("a prefix is declared without a namespace");
        }
        if !uri.is_empty() && !is_absolute(&uri) {
            return refuse("a namespace name is relative");
        }
        let own = self.declarations.get(first..).unwrap_or_default();
        if own.len() >= self.limits.declarations {
            return refuse("too many namespace declarations");
        }
        if own.iter().any(|known| known.prefix == prefix) {
            return refuse("a prefix is declared twice");
        }
        if self.scope.len() >= self.limits.scope {
            return refuse("too many namespaces are in force");
        }
        self.scope
            .push(u32::try_from(self.declarations.len()).unwrap_or(u32::MAX));
        self.declarations.push(Declaration { prefix, uri });
        Ok(())
    }

    fn lookup(&self, prefix: &str, at: usize) -> Result<Namespace, XmlError> {
        if prefix == "xml" {
            return Ok(Namespace::Xml);
        }
        let found = self.scope.iter().rev().find_map(|id| {
            let declaration = self.declarations.get(*id as usize)?;
            (declaration.prefix == prefix).then_some((*id, declaration.uri.is_empty()))
        });
        match (found, prefix) {
            (Some((_, true)), _) | (None, "") => Ok(Namespace::None),
            (Some((id, false)), _) => Ok(Namespace::Declared(id)),
            (None, _) => Err(XmlError {
                what: "a prefix is not declared",
                at,
            }),
        }
    }

    /// No two attributes of one element have the same expanded name.
    fn check_duplicates(&self, first: usize) -> Result<(), XmlError> {
        let own = self.attributes.get(first..).unwrap_or_default();
        let uri = |attribute: &Attribute<'a>| match attribute.namespace {
            Namespace::None => "",
            Namespace::Xml => XML,
            Namespace::Declared(id) => self
                .declarations
                .get(id as usize)
                .map_or("", |declaration| declaration.uri.as_ref()),
        };
        for (index, attribute) in own.iter().enumerate() {
            let twice = own
                .iter()
                .take(index)
                .any(|other| other.local == attribute.local && uri(other) == uri(attribute));
            if twice {
                return self.error("an attribute occurs twice");
            }
        }
        Ok(())
    }

    fn qualified_name(&mut self) -> Result<(&'a str, &'a str), XmlError> {
        let first = self.name()?;
        if self.byte() != Some(b':') {
            return Ok(("", first));
        }
        self.at += 1;
        let local = self.name()?;
        if self.byte() == Some(b':') {
            return self.error("a name has two colons");
        }
        Ok((first, local))
    }

    fn name(&mut self) -> Result<&'a str, XmlError> {
        let rest = self.rest();
        let length = name_length(rest);
        if length == 0 {
            return self.error("a name is missing or malformed");
        }
        self.at += length;
        Ok(rest.get(..length).unwrap_or_default())
    }
}
