//! The one evaluator of filters and sort orders over JSON resources.

mod key;

use std::cmp::Ordering;

use serde_json::{Map, Value};

pub use key::{fold, fold_part, fold_prefix, fold_suffix};

use crate::filter::{Comparison, Filter, Operand, Operator};
use crate::list::{Order, Sort};
use crate::moment::DateTime;
use crate::path::AttributePath;
use crate::schema::Type;

/// What a user without `active` is (RFC 7643 §4.1.1 leaves it to the server): directories that never say it mean yes.
static ACTIVE: Value = Value::Bool(true);

/// Whether the resource matches.
///
/// The resource is a whole document, as [`Stored::document`](crate::Stored::document) makes it: with `id`,
/// `meta`, and `members` or `groups` where the filter reads them. A user without `active` counts as active.
pub fn matches(filter: &Filter, document: &Map<String, Value>) -> bool {
    match filter {
        Filter::And(filters) => filters.iter().all(|filter| matches(filter, document)),
        Filter::Or(filters) => filters.iter().any(|filter| matches(filter, document)),
        Filter::Not(filter) => !matches(filter, document),
        Filter::Compare(comparison) => compare(comparison, &values(&comparison.path, document)),
        Filter::Present(path) => values(path, document).into_iter().any(is_assigned),
        Filter::Element(path, filter) => values(path, document)
            .iter()
            .any(|element| matches_element(filter, element)),
    }
}

/// Whether one element of a list matches a filter from inside brackets.
pub fn matches_element(filter: &Filter, element: &Value) -> bool {
    match filter {
        Filter::And(filters) => filters
            .iter()
            .all(|filter| matches_element(filter, element)),
        Filter::Or(filters) => filters
            .iter()
            .any(|filter| matches_element(filter, element)),
        Filter::Not(filter) => !matches_element(filter, element),
        Filter::Compare(comparison) => {
            let value = member(&comparison.path, element);
            compare(comparison, &value.into_iter().collect::<Vec<_>>())
        }
        Filter::Present(path) => member(path, element).is_some_and(is_assigned),
        Filter::Element(_, filter) => matches_element(filter, element),
    }
}

/// The order of two documents; equal ones are to be ordered by the host, for instance by id.
pub fn compare_documents(
    sort: &Sort,
    left: &Map<String, Value>,
    right: &Map<String, Value>,
) -> Ordering {
    let ordering = match (sort_value(&sort.by, left), sort_value(&sort.by, right)) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(left), Some(right)) => compare_values(sort, left, right),
    };
    match sort.order {
        Order::Ascending => ordering,
        Order::Descending => ordering.reverse(),
    }
}

fn sort_value<'a>(path: &AttributePath, document: &'a Map<String, Value>) -> Option<&'a Value> {
    let value = top(path, document)?;
    let element = match value {
        Value::Array(elements) => elements
            .iter()
            .find(|element| element.get("primary") == Some(&Value::Bool(true)))
            .or_else(|| elements.first())?,
        value => value,
    };
    match (path.sub(), element) {
        (Some(sub), Value::Object(object)) => get(object, sub),
        (None, Value::Object(object)) => get(object, "value"),
        (_, value) => Some(value),
    }
}

fn compare_values(sort: &Sort, left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::String(left), Value::String(right)) => match sort.kind {
            Type::DateTime => DateTime::parse(left).cmp(&DateTime::parse(right)),
            _ if sort.case_exact => left.cmp(right),
            _ => fold(left).cmp(&fold(right)),
        },
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Number(left), Value::Number(right)) => left
            .as_f64()
            .partial_cmp(&right.as_f64())
            .unwrap_or(Ordering::Equal),
        _ => Ordering::Equal,
    }
}

fn object<'a>(
    path: &AttributePath,
    document: &'a Map<String, Value>,
) -> Option<&'a Map<String, Value>> {
    match path.extension() {
        None => Some(document),
        Some(urn) => document.get(urn)?.as_object(),
    }
}

fn get<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

/// The value of the attribute that a path names, or whose sub-attribute it names.
fn top<'a>(path: &AttributePath, document: &'a Map<String, Value>) -> Option<&'a Value> {
    let value = object(path, document).and_then(|object| get(object, path.name()));
    // Only users have an attribute of this name.
    let is_active = path.extension().is_none() && path.name() == "active";
    value.or(is_active.then_some(&ACTIVE))
}

/// The values at a path: elements of lists one by one, sub-attributes of every element.
fn values<'a>(path: &AttributePath, document: &'a Map<String, Value>) -> Vec<&'a Value> {
    let Some(value) = top(path, document) else {
        return Vec::new();
    };
    let elements = match value {
        Value::Array(elements) => elements.iter().collect(),
        value => vec![value],
    };
    match path.sub() {
        None => elements,
        Some(sub) => elements
            .into_iter()
            .filter_map(|element| get(element.as_object()?, sub))
            .collect(),
    }
}

/// What a path from inside brackets names in an element; an element of a simple list is its own value.
fn member<'a>(path: &AttributePath, element: &'a Value) -> Option<&'a Value> {
    match (path.sub(), element) {
        (Some(sub), Value::Object(object)) => get(object, sub),
        (_, Value::Null) => None,
        (_, value) => Some(value),
    }
}

/// Whether a value is present: neither empty nor null, and of a complex one some part (RFC 7644 §3.4.2.2, `pr`).
fn is_assigned(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => elements.iter().any(is_assigned),
        Value::Object(object) => object.values().any(is_assigned),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

/// One value has to match (RFC 7644 §3.4.2.2); an unassigned attribute differs from every value.
fn compare(comparison: &Comparison, values: &[&Value]) -> bool {
    if values.is_empty() {
        return comparison.operator == Operator::NotEqual;
    }
    values.iter().any(|value| compare_one(comparison, value))
}

fn compare_one(comparison: &Comparison, value: &Value) -> bool {
    let ordering = match (&comparison.value, value) {
        (Operand::Text(wanted), Value::String(text)) => {
            return match comparison.key() {
                None => compare_text(comparison.operator, text, wanted),
                Some(key) => compare_key(comparison.operator, text, key),
            };
        }
        (Operand::Boolean(wanted), Value::Bool(value)) => Some(value.cmp(wanted)),
        (Operand::Integer(wanted), Value::Number(value)) => {
            value.as_i64().map(|value| value.cmp(wanted))
        }
        (Operand::Decimal(wanted), Value::Number(value)) => {
            value.as_f64().and_then(|value| value.partial_cmp(wanted))
        }
        (Operand::DateTime(wanted), Value::String(text)) => {
            DateTime::parse(text).map(|value| value.cmp(wanted))
        }
        _ => None,
    };
    match ordering {
        None => comparison.operator == Operator::NotEqual,
        Some(ordering) => holds(comparison.operator, ordering),
    }
}

/// Compares a text with an operand that is a key already.
fn compare_key(operator: Operator, text: &str, key: &str) -> bool {
    // The key of such a text is its lower case, which need not be made.
    if operator == Operator::Equal && text.is_ascii() {
        return text.trim().eq_ignore_ascii_case(key);
    }
    compare_text(operator, &fold(text), key)
}

fn compare_text(operator: Operator, text: &str, wanted: &str) -> bool {
    match operator {
        Operator::Contains => text.contains(wanted),
        Operator::StartsWith => text.starts_with(wanted),
        Operator::EndsWith => text.ends_with(wanted),
        operator => holds(operator, text.cmp(wanted)),
    }
}

const fn holds(operator: Operator, ordering: Ordering) -> bool {
    match operator {
        Operator::Equal => ordering.is_eq(),
        Operator::NotEqual => ordering.is_ne(),
        Operator::Greater => ordering.is_gt(),
        Operator::GreaterOrEqual => ordering.is_ge(),
        Operator::Less => ordering.is_lt(),
        Operator::LessOrEqual => ordering.is_le(),
        // These are asked of text only, and answered there.
        Operator::Contains | Operator::StartsWith | Operator::EndsWith => false,
    }
}
