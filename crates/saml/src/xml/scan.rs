//! Characters, names and references of XML 1.0 (fifth edition).

use std::borrow::Cow;

use super::XmlError;

/// `Char` (production 2).
pub(super) fn is_char(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// `NameStartChar` (production 4) without the colon.
fn starts_name(character: char) -> bool {
    matches!(character,
        'A'..='Z' | 'a'..='z' | '_' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
        | '\u{10000}'..='\u{EFFFF}')
}

/// `NameChar` (production 4a) without the colon.
fn continues_name(character: char) -> bool {
    starts_name(character)
        || matches!(character, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// The length of the `NCName` that a text begins with; 0 when there is none.
pub(super) fn name_length(text: &str) -> usize {
    let mut characters = text.char_indices();
    match characters.next() {
        Some((_, first)) if starts_name(first) => {}
        _ => return 0,
    }
    characters
        .find(|(_, character)| !continues_name(*character))
        .map_or(text.len(), |(at, _)| at)
}

/// Whether the text is one `NCName`, as an `xs:ID` must be.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && name_length(text) == text.len()
}

/// A namespace name with a scheme; relative ones make canonicalization fail elsewhere (C14N 1.0 §1.3).
pub(super) fn is_absolute(uri: &str) -> bool {
    let Some((scheme, _)) = uri.split_once(':') else {
        return false;
    };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// Which whitespace a literal character becomes.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// Line ends become `\n` (§2.11).
    Text,
    /// Every literal whitespace becomes a space (§3.3.3).
    Value,
}

/// Resolves references and normalizes line ends; `at` is where the text begins in the document.
pub(super) fn resolve(text: &str, place: Place, at: usize) -> Result<Cow<'_, str>, XmlError> {
    let special = |byte: u8| match place {
        Place::Text => matches!(byte, b'&' | b'\r'),
        Place::Value => matches!(byte, b'&' | b'\r' | b'\n' | b'\t'),
    };
    if !text.bytes().any(special) {
        return Ok(Cow::Borrowed(text));
    }
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(position) = rest.bytes().position(special) {
        let offset = at + text.len() - rest.len() + position;
        let (before, from) = rest.split_at(position);
        resolved.push_str(before);
        rest = if let Some(reference) = from.strip_prefix('&') {
            let (name, after) = reference.split_once(';').ok_or(XmlError {
                what: "a reference has no end",
                at: offset,
            })?;
            resolved.push(referenced(name).ok_or(XmlError {
                what: "a reference is to no known character",
                at: offset,
            })?);
            after
        } else {
            let after = match from.strip_prefix("\r\n") {
                Some(after) => after,
                None => from.get(1..).unwrap_or_default(),
            };
            resolved.push(match place {
                Place::Text => '\n',
                Place::Value => ' ',
            });
            after
        };
    }
    resolved.push_str(rest);
    Ok(Cow::Owned(resolved))
}

fn referenced(name: &str) -> Option<char> {
    let digits = |text: &str, radix| {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        // Eight digits are enough for every character, also with leading zeros.
        (plain && text.len() <= 8)
            .then(|| u32::from_str_radix(text, radix).ok())
            .flatten()
            .and_then(char::from_u32)
            .filter(|character| is_char(*character))
    };
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => match name.strip_prefix('#')?.strip_prefix('x') {
            Some(hexadecimal) => digits(hexadecimal, 16),
            None => digits(name.strip_prefix('#')?, 10),
        },
    }
}
