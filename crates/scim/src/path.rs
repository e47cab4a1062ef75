//! Attribute paths (RFC 7644 §3.10).

use std::fmt;

use crate::dialect::{Dialect, Repairs};
use crate::error::Error;
use crate::filter::{Filter, Token, Tokens, check_length, parse_element};
use crate::schema::{Found, ResourceSchema, Type};

/// The canonical name of an attribute: extension URN if any, name, sub-attribute if any.
///
/// Its [`Display`](fmt::Display) form is stable and made to be matched on: `userName`, `emails.value`,
/// `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value`.
/// Attributes of the core schema and the common ones (`id`, `externalId`, `meta`, `schemas`) carry no URN.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributePath {
    extension: Option<String>,
    name: String,
    sub: Option<String>,
}

impl AttributePath {
    /// A path from canonical parts.
    pub fn new(extension: Option<&str>, name: &str, sub: Option<&str>) -> Self {
        Self {
            extension: extension.map(str::to_owned),
            name: name.to_owned(),
            sub: sub.map(str::to_owned),
        }
    }

    /// The URN of the extension that defines the attribute.
    pub fn extension(&self) -> Option<&str> {
        self.extension.as_deref()
    }

    /// The attribute's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The sub-attribute's name.
    pub fn sub(&self) -> Option<&str> {
        self.sub.as_deref()
    }

    /// The path of the attribute itself, without the sub-attribute.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self {
            sub: None,
            ..self.clone()
        }
    }

    /// The path of a sub-attribute of this attribute.
    #[must_use]
    pub fn child(&self, sub: &str) -> Self {
        Self {
            sub: Some(sub.to_owned()),
            ..self.clone()
        }
    }
}

impl fmt::Display for AttributePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(extension) = &self.extension {
            write!(f, "{extension}:")?;
        }
        f.write_str(&self.name)?;
        if let Some(sub) = &self.sub {
            write!(f, ".{sub}")?;
        }
        Ok(())
    }
}

/// What a PATCH operation points at (RFC 7644 §3.5.2): `attrPath / valuePath [subAttr]`, checked against a schema.
#[derive(Debug, Clone, PartialEq)]
pub enum Path {
    /// An attribute or a sub-attribute.
    Attribute(AttributePath),
    /// The elements of a list that match, or one sub-attribute of theirs.
    Elements {
        /// The list.
        list: AttributePath,
        /// What the elements have to match.
        filter: Filter,
        /// The sub-attribute.
        sub: Option<String>,
    },
    /// All attributes of an extension.
    Extension(String),
}

impl Path {
    /// Parses a path as a strict directory does: without repairs, attributes of extensions with their URN.
    ///
    /// Fails with `invalid_path`, and with `invalid_filter` inside brackets.
    pub fn parse(text: &str, schema: &ResourceSchema) -> Result<Self, Error> {
        Self::parse_as(text, schema, Dialect::Strict, &mut Repairs::default())
    }

    /// Parses a path in the directory's dialect and notes what had to be repaired.
    pub fn parse_as(
        text: &str,
        schema: &ResourceSchema,
        dialect: Dialect,
        repairs: &mut Repairs,
    ) -> Result<Self, Error> {
        check_length(text)?;
        let text = text.trim();
        if let Some(extension) = schema.extension_as(text, dialect, repairs) {
            return Ok(Self::Extension(extension.id.clone()));
        }
        let malformed = || Error::invalid_path("the path does not parse");
        let mut tokens = Tokens::of(text).map_err(|_| malformed())?;
        let Some(Token::Word(name)) = tokens.next() else {
            return Err(malformed());
        };
        let found = schema.find_as(name, dialect, repairs).ok_or_else(|| {
            Error::invalid_path("the path names an attribute that is not in the schema")
        })?;
        let path = if tokens.take(&Token::OpenElement) {
            let complex = found.attribute.kind == Type::Complex && found.attribute.multi_valued;
            if !complex || found.sub_attribute.is_some() {
                return Err(Error::invalid_path(format!(
                    "{} has no elements to select",
                    found.path
                )));
            }
            let filter = parse_element(&mut tokens, &found, schema, dialect, repairs)?;
            let sub = element_sub(&mut tokens, &found)?;
            Self::Elements {
                list: found.path,
                filter,
                sub,
            }
        } else {
            Self::Attribute(found.path)
        };
        match tokens.next() {
            None => Ok(path),
            Some(_) => Err(malformed()),
        }
    }
}

fn element_sub(tokens: &mut Tokens<'_>, list: &Found<'_>) -> Result<Option<String>, Error> {
    let Some(Token::Sub(name)) = tokens.peek() else {
        return Ok(None);
    };
    let sub = list
        .attribute
        .sub_attribute(name)
        .ok_or_else(|| Error::invalid_path(format!("{} has no such sub-attribute", list.path)))?;
    tokens.next();
    Ok(Some(sub.name.clone()))
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attribute(path) => write!(f, "{path}"),
            Self::Elements { list, filter, sub } => {
                let element = Filter::Element(list.clone(), Box::new(filter.clone()));
                write!(f, "{element}")?;
                match sub {
                    Some(sub) => write!(f, ".{sub}"),
                    None => Ok(()),
                }
            }
            Self::Extension(urn) => f.write_str(urn),
        }
    }
}
