//! Attribute paths (RFC 7644 §3.10).

use std::fmt;

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
