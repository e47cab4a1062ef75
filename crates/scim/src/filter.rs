//! Filters (RFC 7644 §3.4.2.2): a typed tree that was checked against a schema.
//!
//! Parsing settles everything that needs the schema, so that an evaluator or an SQL compiler sees few forms:
//! names are canonical, `emails co "x"` is `emails.value co "x"`, Entra's `emails[type eq "work"].value eq "x"`
//! is `emails[type eq "work" and value eq "x"]`, and `x eq null` is `not (x pr)`.

mod parse;
mod print;
mod token;

use std::fmt;

pub use parse::Outcome;
pub(crate) use parse::{check_length, parse_element};
pub(crate) use token::{Token, Tokens};

use crate::dialect::{Dialect, Repairs};
use crate::error::Error;
use crate::evaluate::{fold, fold_part, fold_prefix, fold_suffix};
use crate::moment::DateTime;
use crate::path::AttributePath;
use crate::schema::{Found, ResourceSchema};

/// A condition on a resource.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All hold; at least two, none of them an `And`.
    And(Vec<Filter>),
    /// One holds; at least two, none of them an `Or`.
    Or(Vec<Filter>),
    /// Does not hold.
    Not(Box<Filter>),
    /// The attribute has a value that compares so.
    Compare(Comparison),
    /// The attribute has a value: not null, not empty, and of a complex one some part.
    Present(AttributePath),
    /// One element of the list meets the whole condition.
    ///
    /// The paths inside are full paths of the element's sub-attributes (`emails.type`).
    Element(AttributePath, Box<Filter>),
}

/// A comparison of an attribute with a value.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Comparison {
    /// The attribute; never a complex one.
    pub path: AttributePath,
    /// How it is compared.
    pub operator: Operator,
    /// What it is compared with; of the attribute's type.
    pub value: Operand,
    /// Whether letter case counts; where it does not, text is compared by its [`key`](Self::key).
    pub case_exact: bool,
    /// Whether the attribute, or the list that it is a sub-attribute of, holds many values: one has to match.
    pub multi_valued: bool,
    key: Option<String>,
}

impl Comparison {
    /// A comparison of a simple attribute, with its characteristics.
    pub fn new(found: &Found<'_>, operator: Operator, value: Operand) -> Self {
        let leaf = found.leaf();
        let key = match &value {
            Operand::Text(text) if !leaf.case_exact => Some(match operator {
                Operator::StartsWith => fold_prefix(text),
                Operator::EndsWith => fold_suffix(text),
                Operator::Contains => fold_part(text),
                _ => fold(text),
            }),
            _ => None,
        };
        Self {
            path: found.path.clone(),
            operator,
            value,
            case_exact: leaf.case_exact,
            multi_valued: found.attribute.multi_valued,
            key,
        }
    }

    /// What the keys of texts are compared with, where letter case does not count; made once, when the filter is.
    ///
    /// It is the [`fold`] of the operand, for `sw`, `ew` and `co` with the space at its open ends. Where it is there,
    /// `fold(value) operator key` is the whole condition, in the evaluator as in an index that holds keys.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }
}

/// The comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// Equal.
    Equal,
    /// Not equal, or unassigned.
    NotEqual,
    /// Contains the text.
    Contains,
    /// Starts with the text.
    StartsWith,
    /// Ends with the text.
    EndsWith,
    /// Greater.
    Greater,
    /// Greater or equal.
    GreaterOrEqual,
    /// Less.
    Less,
    /// Less or equal.
    LessOrEqual,
}

/// A value in a comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// Text: of string, reference and binary attributes.
    Text(String),
    /// A boolean.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Decimal(f64),
    /// A point in time.
    DateTime(DateTime),
}

/// The most a filter may cost to parse and to evaluate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of text.
    pub length: usize,
    /// Nested parentheses and brackets.
    pub depth: usize,
    /// Comparisons and presence tests.
    pub terms: usize,
}

impl Budget {
    /// 16 KiB, 32 levels, 256 terms.
    pub const DEFAULT: Self = Self {
        length: 16 * 1024,
        depth: 32,
        terms: 256,
    };
}

impl Default for Budget {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Filter {
    /// Parses a filter over resources of one type, within [`Budget::DEFAULT`], as a strict directory does.
    ///
    /// Fails with `invalidFilter`: a syntax error, an unknown or write-only attribute, or an operator that the
    /// attribute's type does not have; and with `tooMany` beyond the budget. A strict directory also wants
    /// sub-attributes named (`emails.value`, not `emails`) and attributes of extensions with their URN.
    pub fn parse(text: &str, schema: &ResourceSchema) -> Result<Self, Error> {
        Self::parse_as(text, schema, Dialect::Strict, &mut Repairs::default())
    }

    /// Parses a filter in the directory's dialect and notes what had to be repaired.
    pub fn parse_as(
        text: &str,
        schema: &ResourceSchema,
        dialect: Dialect,
        repairs: &mut Repairs,
    ) -> Result<Self, Error> {
        parse::parse(text, schema, dialect, repairs)
    }

    /// Parses a filter over all resource types, for one of them; an attribute that this type lacks has no value
    /// there (RFC 7644 §3.4.2.1).
    pub fn parse_any(
        text: &str,
        schema: &ResourceSchema,
        dialect: Dialect,
        repairs: &mut Repairs,
    ) -> Result<Outcome, Error> {
        parse::parse_any(text, schema, dialect, repairs)
    }

    /// All of these hold. Nested conjunctions are flattened; one filter stays as it is.
    pub fn and(filters: Vec<Filter>) -> Option<Filter> {
        let mut flat = Vec::with_capacity(filters.len());
        for filter in filters {
            match filter {
                Filter::And(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        match flat.len() {
            0 | 1 => flat.pop(),
            _ => Some(Filter::And(flat)),
        }
    }

    /// One of these holds. Nested disjunctions are flattened; one filter stays as it is.
    pub fn or(filters: Vec<Filter>) -> Option<Filter> {
        let mut flat = Vec::with_capacity(filters.len());
        for filter in filters {
            match filter {
                Filter::Or(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        match flat.len() {
            0 | 1 => flat.pop(),
            _ => Some(Filter::Or(flat)),
        }
    }

    /// Calls `visit` with every attribute that the filter reads.
    pub fn each_path<'a>(&'a self, visit: &mut impl FnMut(&'a AttributePath)) {
        match self {
            Self::And(filters) | Self::Or(filters) => {
                for filter in filters {
                    filter.each_path(visit);
                }
            }
            Self::Not(filter) => filter.each_path(visit),
            Self::Compare(comparison) => visit(&comparison.path),
            Self::Present(path) => visit(path),
            Self::Element(path, filter) => {
                visit(path);
                filter.each_path(visit);
            }
        }
    }

    /// What it takes to evaluate the filter for one resource: its comparisons and presence tests.
    ///
    /// A host that evaluates resources one by one bounds the product of this and their number.
    pub fn cost(&self) -> u64 {
        match self {
            Self::And(filters) | Self::Or(filters) => filters
                .iter()
                .fold(0, |cost: u64, filter| cost.saturating_add(filter.cost())),
            Self::Not(filter) | Self::Element(_, filter) => filter.cost(),
            Self::Compare(_) | Self::Present(_) => 1,
        }
    }

    /// Whether the filter reads this top-level attribute.
    pub fn reads(&self, name: &str) -> bool {
        let mut reads = false;
        self.each_path(&mut |path| reads |= path.extension().is_none() && path.name() == name);
        reads
    }

    /// The equality terms of a filter that consists of nothing else, joined by `and`.
    ///
    /// This is the form from which an element can be created.
    pub fn equalities(&self) -> Option<Vec<&Comparison>> {
        match self {
            Self::Compare(comparison) if comparison.operator == Operator::Equal => {
                Some(vec![comparison])
            }
            Self::And(filters) => filters
                .iter()
                .map(|filter| match filter {
                    Self::Compare(comparison) if comparison.operator == Operator::Equal => {
                        Some(comparison)
                    }
                    _ => None,
                })
                .collect(),
            _ => None,
        }
    }
}

impl Operator {
    /// The keyword in a filter.
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::Equal => "eq",
            Self::NotEqual => "ne",
            Self::Contains => "co",
            Self::StartsWith => "sw",
            Self::EndsWith => "ew",
            Self::Greater => "gt",
            Self::GreaterOrEqual => "ge",
            Self::Less => "lt",
            Self::LessOrEqual => "le",
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.keyword())
    }
}
