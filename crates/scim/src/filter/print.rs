//! From a filter back to text that parses to the same filter.

use std::fmt;

use super::{Filter, Operand};
use crate::path::AttributePath;

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self, Names::Full, f)
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => quote(text, f),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Decimal(value) => write!(f, "{}", serde_json::Value::from(*value)),
            Self::DateTime(value) => write!(f, "\"{value}\""),
        }
    }
}

/// Inside brackets the sub-attribute's name stands alone.
#[derive(Clone, Copy)]
enum Names {
    Full,
    Sub,
}

fn write(filter: &Filter, names: Names, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match filter {
        Filter::And(filters) => join(filters, " and ", names, f),
        Filter::Or(filters) => join(filters, " or ", names, f),
        Filter::Not(inner) => {
            f.write_str("not (")?;
            write(inner, names, f)?;
            f.write_str(")")
        }
        Filter::Compare(comparison) => {
            name(&comparison.path, names, f)?;
            write!(f, " {} {}", comparison.operator, comparison.value)
        }
        Filter::Present(path) => {
            name(path, names, f)?;
            f.write_str(" pr")
        }
        Filter::Element(path, inner) => {
            write!(f, "{path}[")?;
            write(inner, Names::Sub, f)?;
            f.write_str("]")
        }
    }
}

fn join(filters: &[Filter], word: &str, names: Names, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (position, filter) in filters.iter().enumerate() {
        if position > 0 {
            f.write_str(word)?;
        }
        if matches!(filter, Filter::Or(_)) || (word == " or " && matches!(filter, Filter::And(_))) {
            f.write_str("(")?;
            write(filter, names, f)?;
            f.write_str(")")?;
        } else {
            write(filter, names, f)?;
        }
    }
    Ok(())
}

fn name(path: &AttributePath, names: Names, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match (names, path.sub()) {
        (Names::Sub, Some(sub)) => f.write_str(sub),
        _ => write!(f, "{path}"),
    }
}

fn quote(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{}", serde_json::Value::from(text))
}
