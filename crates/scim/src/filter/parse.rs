//! From text to a checked filter.

use super::token::{Token, Tokens};
use super::{Budget, Comparison, Filter, Operand, Operator};
use crate::dialect::{Dialect, Repairs, Rule};
use crate::error::Error;
use crate::moment::DateTime;
use crate::path::AttributePath;
use crate::schema::{Attribute, Found, Mutability, ResourceSchema, Returned, Type};

/// What a filter comes down to where attributes may be unknown: those have no value (RFC 7644 §3.4.2.1).
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// A condition.
    Filter(Filter),
    /// The same answer for every resource of the type.
    Constant(bool),
}

/// What an attribute does that the schema does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Refused,
    Unassigned,
}

/// Parses a filter over one resource type.
pub(super) fn parse(
    text: &str,
    schema: &ResourceSchema,
    dialect: Dialect,
    repairs: &mut Repairs,
) -> Result<Filter, Error> {
    match run(text, schema, dialect, repairs, Unknown::Refused)? {
        Outcome::Filter(filter) => Ok(filter),
        // Constants come from unknown attributes only, and those were refused.
        Outcome::Constant(_) => Err(Error::invalid_filter("the filter names no attribute")),
    }
}

/// Parses a filter over all resource types, for one of them.
pub(crate) fn parse_any(
    text: &str,
    schema: &ResourceSchema,
    dialect: Dialect,
    repairs: &mut Repairs,
) -> Result<Outcome, Error> {
    run(text, schema, dialect, repairs, Unknown::Unassigned)
}

/// Parses the filter between the brackets of a path, up to and with the closing bracket.
pub(crate) fn parse_element(
    tokens: &mut Tokens<'_>,
    list: &Found<'_>,
    schema: &ResourceSchema,
    dialect: Dialect,
    repairs: &mut Repairs,
) -> Result<Filter, Error> {
    let mut parser = Parser {
        tokens,
        schema,
        dialect,
        repairs,
        unknown: Unknown::Refused,
        depth: 0,
        terms: 0,
    };
    match parser.element(list)? {
        Outcome::Filter(filter) => Ok(filter),
        Outcome::Constant(_) => Err(Error::invalid_filter("the filter names no attribute")),
    }
}

/// Fails where a filter or path is longer than the budget.
pub(crate) fn check_length(text: &str) -> Result<(), Error> {
    if text.len() > Budget::DEFAULT.length {
        return Err(Error::too_many("the filter is too long"));
    }
    Ok(())
}

fn run(
    text: &str,
    schema: &ResourceSchema,
    dialect: Dialect,
    repairs: &mut Repairs,
    unknown: Unknown,
) -> Result<Outcome, Error> {
    check_length(text)?;
    let mut tokens = Tokens::of(text)?;
    let mut parser = Parser {
        tokens: &mut tokens,
        schema,
        dialect,
        repairs,
        unknown,
        depth: 0,
        terms: 0,
    };
    let outcome = parser.disjunction(None)?;
    match parser.tokens.next() {
        None => Ok(outcome),
        Some(_) => Err(Error::invalid_filter(
            "the filter goes on where it should end",
        )),
    }
}

struct Parser<'a, 't> {
    tokens: &'a mut Tokens<'t>,
    schema: &'a ResourceSchema,
    dialect: Dialect,
    repairs: &'a mut Repairs,
    unknown: Unknown,
    depth: usize,
    terms: usize,
}

impl Parser<'_, '_> {
    /// `list` is the attribute whose elements are filtered, inside brackets.
    fn disjunction(&mut self, list: Option<&Found<'_>>) -> Result<Outcome, Error> {
        let mut filters = Vec::new();
        let mut always = false;
        loop {
            match self.conjunction(list)? {
                Outcome::Filter(filter) => filters.push(filter),
                Outcome::Constant(constant) => always |= constant,
            }
            if !self.tokens.take_keyword("or") {
                break;
            }
        }
        Ok(match Filter::or(filters) {
            Some(filter) if !always => Outcome::Filter(filter),
            _ => Outcome::Constant(always),
        })
    }

    fn conjunction(&mut self, list: Option<&Found<'_>>) -> Result<Outcome, Error> {
        let mut filters = Vec::new();
        let mut possible = true;
        loop {
            match self.term(list)? {
                Outcome::Filter(filter) => filters.push(filter),
                Outcome::Constant(constant) => possible &= constant,
            }
            if !self.tokens.take_keyword("and") {
                break;
            }
        }
        Ok(match Filter::and(filters) {
            Some(filter) if possible => Outcome::Filter(filter),
            _ => Outcome::Constant(possible),
        })
    }

    fn term(&mut self, list: Option<&Found<'_>>) -> Result<Outcome, Error> {
        match self.tokens.next() {
            Some(Token::Open) => self.group(list),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("not") => {
                if !self.tokens.take(&Token::Open) {
                    return Err(Error::invalid_filter("not is followed by parentheses"));
                }
                Ok(match self.group(list)? {
                    Outcome::Filter(filter) => Outcome::Filter(Filter::Not(Box::new(filter))),
                    Outcome::Constant(constant) => Outcome::Constant(!constant),
                })
            }
            Some(Token::Word(word)) => self.attribute(word, list),
            _ => Err(Error::invalid_filter(
                "an attribute name is missing in the filter",
            )),
        }
    }

    fn group(&mut self, list: Option<&Found<'_>>) -> Result<Outcome, Error> {
        self.descend()?;
        let outcome = self.disjunction(list)?;
        self.depth -= 1;
        if !self.tokens.take(&Token::Close) {
            return Err(Error::invalid_filter(
                "a closing parenthesis is missing in the filter",
            ));
        }
        Ok(outcome)
    }

    fn element(&mut self, list: &Found<'_>) -> Result<Outcome, Error> {
        self.descend()?;
        let outcome = self.disjunction(Some(list))?;
        self.depth -= 1;
        if !self.tokens.take(&Token::CloseElement) {
            return Err(Error::invalid_filter(
                "a closing bracket is missing in the filter",
            ));
        }
        Ok(outcome)
    }

    fn descend(&mut self) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > Budget::DEFAULT.depth {
            return Err(Error::too_many("the filter is nested too deeply"));
        }
        Ok(())
    }

    fn attribute(&mut self, name: &str, list: Option<&Found<'_>>) -> Result<Outcome, Error> {
        self.terms += 1;
        if self.terms > Budget::DEFAULT.terms {
            return Err(Error::too_many("the filter has too many terms"));
        }
        let found = match list {
            None => self.schema.find_as(name, self.dialect, self.repairs),
            Some(list) => child(list, name),
        };
        let Some(found) = found else {
            return self.unknown_attribute();
        };
        let leaf = found.leaf();
        if leaf.mutability == Mutability::WriteOnly || leaf.returned == Returned::Never {
            return Err(Error::invalid_filter(format!(
                "{} cannot be filtered on",
                found.path
            )));
        }
        if list.is_none() && self.tokens.take(&Token::OpenElement) {
            return self.value_path(&found);
        }
        let filter = self.expression(&found)?;
        Ok(Outcome::Filter(filter))
    }

    /// `list[filter]`, and Entra's `list[filter].sub op value`, which asks for one element that meets both.
    fn value_path(&mut self, list: &Found<'_>) -> Result<Outcome, Error> {
        if list.attribute.kind != Type::Complex || list.sub_attribute.is_some() {
            return Err(Error::invalid_filter(format!(
                "{} has no elements to select",
                list.path
            )));
        }
        let inner = self.element(list)?;
        let Some(Token::Sub(sub)) = self.tokens.peek() else {
            return Ok(elements(list, inner));
        };
        let found = child(list, sub);
        self.tokens.next();
        if self.dialect == Dialect::Strict {
            return Err(Error::invalid_filter(
                "what an element has to meet stands inside its brackets",
            ));
        }
        let Some(found) = found else {
            return self.unknown_attribute();
        };
        self.repairs
            .note(Rule::SelectedValue, &found.path.to_string());
        let condition = self.expression(&found)?;
        Ok(match inner {
            Outcome::Constant(false) => Outcome::Constant(false),
            Outcome::Constant(true) => elements(list, Outcome::Filter(condition)),
            Outcome::Filter(filter) => match Filter::and(vec![filter, condition]) {
                Some(both) => elements(list, Outcome::Filter(both)),
                None => Outcome::Constant(false),
            },
        })
    }

    fn unknown_attribute(&mut self) -> Result<Outcome, Error> {
        if self.unknown == Unknown::Refused {
            return Err(Error::invalid_filter(
                "the filter names an attribute that is not in the schema",
            ));
        }
        if self.tokens.take(&Token::OpenElement) {
            self.skip_element()?;
            if matches!(self.tokens.peek(), Some(Token::Sub(_))) {
                self.tokens.next();
            } else {
                return Ok(Outcome::Constant(false));
            }
        }
        match self.operator()? {
            None => Ok(Outcome::Constant(false)),
            Some(operator) => match (operator, self.tokens.next()) {
                (
                    _,
                    None
                    | Some(
                        Token::Open
                        | Token::Close
                        | Token::OpenElement
                        | Token::CloseElement
                        | Token::Sub(_),
                    ),
                ) => Err(Error::invalid_filter("a value is missing in the filter")),
                (operator, Some(Token::Word(word))) if word.eq_ignore_ascii_case("null") => {
                    Ok(Outcome::Constant(operator == Operator::Equal))
                }
                (operator, Some(_)) => Ok(Outcome::Constant(operator == Operator::NotEqual)),
            },
        }
    }

    fn skip_element(&mut self) -> Result<(), Error> {
        loop {
            match self.tokens.next() {
                Some(Token::CloseElement) => return Ok(()),
                None => {
                    return Err(Error::invalid_filter(
                        "a closing bracket is missing in the filter",
                    ));
                }
                Some(_) => {}
            }
        }
    }

    /// The next operator; `None` for `pr`.
    fn operator(&mut self) -> Result<Option<Operator>, Error> {
        let Some(Token::Word(word)) = self.tokens.next() else {
            return Err(Error::invalid_filter(
                "an operator is missing in the filter",
            ));
        };
        let operator = match word.to_ascii_lowercase().as_str() {
            "pr" => return Ok(None),
            "eq" => Operator::Equal,
            "ne" => Operator::NotEqual,
            "co" => Operator::Contains,
            "sw" => Operator::StartsWith,
            "ew" => Operator::EndsWith,
            "gt" => Operator::Greater,
            "ge" => Operator::GreaterOrEqual,
            "lt" => Operator::Less,
            "le" => Operator::LessOrEqual,
            _ => {
                return Err(Error::invalid_filter(
                    "the filter has an operator that does not exist",
                ));
            }
        };
        Ok(Some(operator))
    }

    fn expression(&mut self, found: &Found<'_>) -> Result<Filter, Error> {
        let Some(operator) = self.operator()? else {
            return Ok(Filter::Present(found.path.clone()));
        };
        let token = self.tokens.next();
        if matches!(&token, Some(Token::Word(word)) if word.eq_ignore_ascii_case("null")) {
            let present = Filter::Present(found.path.clone());
            return match operator {
                Operator::Equal => Ok(Filter::Not(Box::new(present))),
                Operator::NotEqual => Ok(present),
                _ => Err(Error::invalid_filter(
                    "null is compared with eq and ne only",
                )),
            };
        }
        let simple = self.comparable(found)?;
        let (path, leaf) = (&simple.path, simple.leaf());
        if !applies(operator, leaf.kind) {
            return Err(Error::invalid_filter(format!(
                "{path} cannot be compared with {operator}"
            )));
        }
        let value = self.operand(path, leaf, token)?;
        Ok(Filter::Compare(Comparison::new(&simple, operator, value)))
    }

    /// The simple attribute that a comparison means: the `value` of a complex one (RFC 7644, figure 2), which the
    /// interoperability profile wants named.
    fn comparable<'a>(&self, found: &Found<'a>) -> Result<Found<'a>, Error> {
        let leaf = found.leaf();
        if leaf.kind != Type::Complex {
            return Ok(found.clone());
        }
        child(found, "value")
            .filter(|_| found.sub_attribute.is_none() && self.dialect == Dialect::Lenient)
            .ok_or_else(|| {
                Error::invalid_filter(format!("{} is compared by its sub-attributes", found.path))
            })
    }

    fn operand(
        &mut self,
        path: &AttributePath,
        leaf: &Attribute,
        token: Option<Token<'_>>,
    ) -> Result<Operand, Error> {
        let lenient = self.dialect == Dialect::Lenient;
        let operand = match (leaf.kind, token) {
            (Type::String | Type::Reference | Type::Binary, Some(Token::Text(text))) => {
                Some(Operand::Text(text))
            }
            (Type::String | Type::Reference | Type::Binary, Some(Token::Word(word))) if lenient => {
                self.repairs.note(Rule::UnquotedValue, &path.to_string());
                Some(Operand::Text(word.to_owned()))
            }
            (Type::Boolean, Some(Token::Word("true"))) => Some(Operand::Boolean(true)),
            (Type::Boolean, Some(Token::Word("false"))) => Some(Operand::Boolean(false)),
            (Type::Boolean, Some(Token::Word(word))) if lenient => self.text_boolean(path, word),
            (Type::Boolean, Some(Token::Text(text))) if lenient => self.text_boolean(path, &text),
            (Type::Integer, Some(Token::Word(word))) => word.parse().ok().map(Operand::Integer),
            (Type::Decimal, Some(Token::Word(word))) => {
                serde_json::from_str::<f64>(word).ok().map(Operand::Decimal)
            }
            (Type::DateTime, Some(Token::Text(text))) => {
                DateTime::parse(&text).map(Operand::DateTime)
            }
            (Type::DateTime, Some(Token::Word(word))) if lenient => {
                self.repairs.note(Rule::UnquotedValue, &path.to_string());
                DateTime::parse(word).map(Operand::DateTime)
            }
            _ => None,
        };
        operand.ok_or_else(|| {
            Error::invalid_filter(format!(
                "{path} is compared with a value that is not of its type"
            ))
        })
    }

    fn text_boolean(&mut self, path: &AttributePath, word: &str) -> Option<Operand> {
        let value = crate::resource::text_boolean(word)?;
        self.repairs.note(Rule::TextBoolean, &path.to_string());
        Some(Operand::Boolean(value))
    }
}

fn elements(list: &Found<'_>, inner: Outcome) -> Outcome {
    match inner {
        Outcome::Filter(filter) => {
            Outcome::Filter(Filter::Element(list.path.clone(), Box::new(filter)))
        }
        Outcome::Constant(true) => Outcome::Filter(Filter::Present(list.path.clone())),
        Outcome::Constant(false) => Outcome::Constant(false),
    }
}

fn child<'a>(list: &Found<'a>, name: &str) -> Option<Found<'a>> {
    let sub_attribute = list.attribute.sub_attribute(name)?;
    Some(Found {
        path: list.path.child(&sub_attribute.name),
        attribute: list.attribute,
        sub_attribute: Some(sub_attribute),
    })
}

const fn applies(operator: Operator, kind: Type) -> bool {
    match operator {
        Operator::Equal | Operator::NotEqual => true,
        Operator::Contains | Operator::StartsWith | Operator::EndsWith => {
            matches!(kind, Type::String | Type::Reference | Type::Binary)
        }
        Operator::Greater | Operator::GreaterOrEqual | Operator::Less | Operator::LessOrEqual => {
            !matches!(kind, Type::Boolean | Type::Binary)
        }
    }
}
