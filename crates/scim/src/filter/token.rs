//! The words of a filter or path.

use crate::error::Error;

/// One word.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token<'a> {
    /// A name, keyword, or value without quotation marks.
    Word(&'a str),
    /// A JSON string, unescaped.
    Text(String),
    /// `.name` right behind a closing bracket.
    Sub(&'a str),
    /// `(`
    Open,
    /// `)`
    Close,
    /// `[`
    OpenElement,
    /// `]`
    CloseElement,
}

/// The words of a text, read one by one.
#[derive(Debug)]
pub(crate) struct Tokens<'a> {
    rest: std::vec::IntoIter<Token<'a>>,
    peeked: Option<Token<'a>>,
}

impl<'a> Tokens<'a> {
    /// Splits the text; fails where a string does not end or is no JSON string.
    pub(crate) fn of(text: &'a str) -> Result<Self, Error> {
        let mut tokens = Vec::new();
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let after = rest.get(first.len_utf8()..).unwrap_or_default();
            rest = match first {
                '(' => push(&mut tokens, Token::Open, after),
                ')' => push(&mut tokens, Token::Close, after),
                '[' => push(&mut tokens, Token::OpenElement, after),
                ']' => close_element(&mut tokens, after),
                '"' => quoted(&mut tokens, rest)?,
                _ => {
                    let (word, after) = word(rest);
                    push(&mut tokens, Token::Word(word), after)
                }
            }
            .trim_start();
        }
        Ok(Self {
            rest: tokens.into_iter(),
            peeked: None,
        })
    }

    pub(crate) fn next(&mut self) -> Option<Token<'a>> {
        self.peeked.take().or_else(|| self.rest.next())
    }

    pub(crate) fn peek(&mut self) -> Option<&Token<'a>> {
        if self.peeked.is_none() {
            self.peeked = self.rest.next();
        }
        self.peeked.as_ref()
    }

    /// Takes the next word if it is this one.
    pub(crate) fn take(&mut self, token: &Token<'_>) -> bool {
        let found = self.peek() == Some(token);
        if found {
            self.peeked = None;
        }
        found
    }

    /// Takes the next word if it is this keyword, in any letter case.
    pub(crate) fn take_keyword(&mut self, keyword: &str) -> bool {
        let found =
            matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword));
        if found {
            self.peeked = None;
        }
        found
    }
}

fn push<'a>(tokens: &mut Vec<Token<'a>>, token: Token<'a>, rest: &'a str) -> &'a str {
    tokens.push(token);
    rest
}

fn close_element<'a>(tokens: &mut Vec<Token<'a>>, rest: &'a str) -> &'a str {
    tokens.push(Token::CloseElement);
    match rest.strip_prefix('.') {
        None => rest,
        Some(name) => {
            let (word, after) = word(name);
            push(tokens, Token::Sub(word), after)
        }
    }
}

fn word(text: &str) -> (&str, &str) {
    let ends = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '[' | ']' | '"');
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

fn quoted<'a>(tokens: &mut Vec<Token<'a>>, text: &'a str) -> Result<&'a str, Error> {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|&(_, c)| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes
    });
    let unterminated = || Error::invalid_filter("a string in the filter does not end");
    let (end, _) = end.ok_or_else(unterminated)?;
    let (literal, rest) = text.split_at_checked(end + 1).ok_or_else(unterminated)?;
    let value = serde_json::from_str(literal)
        .map_err(|_| Error::invalid_filter("a string in the filter is no JSON string"))?;
    tokens.push(Token::Text(value));
    Ok(rest)
}
