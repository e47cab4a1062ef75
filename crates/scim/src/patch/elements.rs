//! Changes to the elements of a list.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::Action;
use crate::dialect::{Dialect, Repairs, Rule};
use crate::error::Error;
use crate::evaluate::{fold, matches_element};
use crate::filter::{Filter, Operand};
use crate::path::{AttributePath, Path};
use crate::resource::{
    ELEMENTS, absorb, clear_primary, identity, is_exact, is_primary, merge_duplicates,
};
use crate::schema::{Attribute, Mutability, Type};

/// What one PATCH may still spend on looking at elements.
#[derive(Debug)]
pub(super) struct Work(usize);

impl Default for Work {
    /// Enough for 1,000 operations on lists of 1,000 elements.
    fn default() -> Self {
        Self(1_000_000)
    }
}

impl Work {
    fn spend(&mut self, steps: usize) -> Result<(), Error> {
        self.0 = self
            .0
            .checked_sub(steps)
            .ok_or_else(|| Error::too_many("the operations are too many for lists this long"))?;
        Ok(())
    }
}

/// The list that an operation works on.
#[derive(Debug)]
pub(super) struct Elements<'a> {
    path: AttributePath,
    attribute: &'a Attribute,
    values: Vec<Value>,
    /// Which elements were the preferred one before.
    primaries: Vec<bool>,
    /// Whether elements changed in their place, and so may be the same now.
    changed: bool,
    work: &'a mut Work,
}

impl<'a> Elements<'a> {
    pub(super) fn new(
        path: &AttributePath,
        attribute: &'a Attribute,
        value: Option<Value>,
        work: &'a mut Work,
    ) -> Result<Self, Error> {
        let values = match value {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(values)) => values,
            Some(value) => vec![value],
        };
        work.spend(values.len())?;
        let primaries = values.iter().map(is_primary).collect();
        Ok(Self {
            path: path.clone(),
            attribute,
            values,
            primaries,
            changed: false,
            work,
        })
    }

    pub(super) fn into_value(mut self, repairs: &mut Repairs) -> Value {
        if self.changed
            && self.attribute.kind == Type::Complex
            && let Some(kept) = merge_duplicates(self.attribute, &mut self.values)
        {
            repairs.note(Rule::DuplicateElement, &self.path.to_string());
            let mut kept = kept.into_iter();
            self.retain(|_| kept.next().unwrap_or(true));
        }
        self.settle_primary();
        Value::Array(self.values)
    }

    /// Changes the list as a whole.
    pub(super) fn change(&mut self, action: &Action, repairs: &mut Repairs) -> Result<(), Error> {
        match action {
            Action::Add(value) => self.append(value, repairs),
            Action::Replace(value) => {
                self.primaries.clear();
                self.values = match value {
                    Value::Array(values) => values.clone(),
                    value => vec![value.clone()],
                };
                Ok(())
            }
            Action::RemoveValues(values) => self.remove_values(values),
            _ => {
                self.values.clear();
                Ok(())
            }
        }
    }

    /// Appends what is not there yet (RFC 7644 §3.5.2.1); to an element with the same value and type it adds the rest.
    fn append(&mut self, value: &Value, repairs: &mut Repairs) -> Result<(), Error> {
        let new = match value {
            Value::Array(values) => values.as_slice(),
            value => std::slice::from_ref(value),
        };
        let mut known: HashMap<String, usize> = HashMap::with_capacity(self.values.len());
        for (position, value) in self.values.iter().enumerate() {
            known
                .entry(identity(self.attribute, value))
                .or_insert(position);
        }
        for value in new {
            let identity = identity(self.attribute, value);
            let Some(&position) = known.get(&identity) else {
                known.insert(identity, self.values.len());
                self.values.push(value.clone());
                continue;
            };
            let Some(element) = self.values.get_mut(position) else {
                continue;
            };
            check_parts(self.attribute, &self.path, element, value)?;
            if absorb(element, value) {
                repairs.note(Rule::DuplicateElement, &self.path.to_string());
            }
        }
        if self.values.len() > ELEMENTS {
            return Err(Error::invalid_value(format!(
                "{} has more than {ELEMENTS} values",
                self.path
            )));
        }
        Ok(())
    }

    fn remove_values(&mut self, removed: &[Value]) -> Result<(), Error> {
        self.work
            .spend(self.values.len().saturating_mul(removed.len()))?;
        let attribute = self.attribute;
        self.retain(|element| {
            !removed
                .iter()
                .any(|removed| meant(removed, element, attribute))
        });
        Ok(())
    }

    fn retain(&mut self, mut keep: impl FnMut(&Value) -> bool) {
        let mut primaries = self.primaries.iter();
        let mut kept = Vec::new();
        self.values.retain(|value| {
            let primary = primaries.next().copied().unwrap_or_default();
            let keep = keep(value);
            if keep {
                kept.push(primary);
            }
            keep
        });
        self.primaries = kept;
    }

    /// Changes one sub-attribute of every element; on an empty list an element is made for it.
    pub(super) fn change_each(&mut self, sub: &str, action: &Action) -> Result<(), Error> {
        self.changed = true;
        if let Action::Add(value) | Action::Replace(value) = action {
            if self.values.is_empty() {
                self.values.push(Value::Object(Map::new()));
            }
            for element in &mut self.values {
                check_part(self.attribute, &self.path, element, sub, Some(value))?;
                set_sub(element, sub, value);
            }
            return Ok(());
        }
        for element in &mut self.values {
            check_part(self.attribute, &self.path, element, sub, None)?;
            remove_sub(element, sub);
        }
        self.drop_empty();
        Ok(())
    }

    /// Changes the elements that match a path's filter.
    pub(super) fn select(
        &mut self,
        target: &Path,
        action: &Action,
        dialect: Dialect,
        repairs: &mut Repairs,
    ) -> Result<(), Error> {
        let Path::Elements { filter, sub, .. } = target else {
            return Ok(());
        };
        self.work
            .spend(self.values.len().saturating_mul(terms(filter)))?;
        let chosen: Vec<bool> = self
            .values
            .iter()
            .map(|element| matches_element(filter, element))
            .collect();
        if chosen.contains(&true) {
            return self.change_chosen(&chosen, filter, sub.as_deref(), action, dialect);
        }
        match action {
            Action::Add(value) | Action::Replace(value) => {
                let element = (dialect == Dialect::Lenient)
                    .then(|| create(filter, sub.as_deref(), value))
                    .flatten()
                    .ok_or_else(|| {
                        Error::no_target(format!("no element of {} matches", self.path))
                    })?;
                repairs.note(Rule::ElementFromFilter, &self.path.to_string());
                self.append(&element, repairs)
            }
            // RFC 7644 §3.12, table 9: the filter of the path yields no match.
            _ if dialect == Dialect::Strict => Err(Error::no_target(format!(
                "no element of {} matches",
                self.path
            ))),
            _ => {
                repairs.note(Rule::NothingToRemove, &self.path.to_string());
                Ok(())
            }
        }
    }

    fn change_chosen(
        &mut self,
        chosen: &[bool],
        filter: &Filter,
        sub: Option<&str>,
        action: &Action,
        dialect: Dialect,
    ) -> Result<(), Error> {
        self.changed = true;
        let (attribute, path) = (self.attribute, &self.path);
        let elements = self.values.iter_mut().zip(chosen);
        let chosen_elements = elements
            .filter(|(_, chosen)| **chosen)
            .map(|(element, _)| element);
        match (action, sub) {
            (Action::Add(value) | Action::Replace(value), Some(sub)) => {
                for element in chosen_elements {
                    check_part(attribute, path, element, sub, Some(value))?;
                    set_sub(element, sub, value);
                }
            }
            (Action::Add(value), None) => {
                for element in chosen_elements {
                    check_parts(attribute, path, element, value)?;
                    merge(element, value);
                }
            }
            (Action::Replace(value), None) => {
                // The new element stays the one that the filter names.
                let value = (dialect == Dialect::Lenient)
                    .then(|| create(filter, None, value))
                    .flatten()
                    .unwrap_or_else(|| value.clone());
                for element in chosen_elements {
                    check_parts(attribute, path, element, &value)?;
                    *element = value.clone();
                }
            }
            (_, Some(sub)) => {
                for element in chosen_elements {
                    check_part(attribute, path, element, sub, None)?;
                    remove_sub(element, sub);
                }
                self.drop_empty();
            }
            (_, None) => {
                let mut chosen = chosen.iter();
                self.retain(|_| !chosen.next().copied().unwrap_or_default());
            }
        }
        Ok(())
    }

    fn drop_empty(&mut self) {
        self.retain(|element| element.as_object().is_none_or(|object| !object.is_empty()));
    }

    /// Leaves one preferred element: the last one that this operation preferred, else the last one.
    fn settle_primary(&mut self) {
        let preferred: Vec<usize> = (0..)
            .zip(&self.values)
            .filter(|(_, element)| is_primary(element))
            .map(|(position, _)| position)
            .collect();
        if preferred.len() < 2 {
            return;
        }
        let is_new =
            |position: &&usize| !self.primaries.get(**position).copied().unwrap_or_default();
        let winner = preferred
            .iter()
            .rev()
            .find(is_new)
            .or(preferred.last())
            .copied();
        for (position, element) in self.values.iter_mut().enumerate() {
            if is_primary(element) && Some(position) != winner {
                clear_primary(element);
            }
        }
    }
}

/// A part that is immutable does not change in its element; the element may go and another one come
/// (RFC 7643 §7, §8.7.1 on `members`).
fn check_part(
    attribute: &Attribute,
    path: &AttributePath,
    element: &Value,
    sub: &str,
    value: Option<&Value>,
) -> Result<(), Error> {
    let is_immutable = attribute
        .sub_attribute(sub)
        .is_some_and(|sub| sub.mutability == Mutability::Immutable);
    match element.get(sub) {
        Some(old) if is_immutable && Some(old) != value => Err(immutable(&path.child(sub))),
        _ => Ok(()),
    }
}

/// Checks every part that a value names.
fn check_parts(
    attribute: &Attribute,
    path: &AttributePath,
    element: &Value,
    value: &Value,
) -> Result<(), Error> {
    for (sub, value) in value.as_object().into_iter().flatten() {
        check_part(attribute, path, element, sub, Some(value))?;
    }
    Ok(())
}

/// The refusal of a change to what does not change.
pub(super) fn immutable(path: &AttributePath) -> Error {
    Error::mutability(format!("{path} does not change once it is set"))
}

/// Whether a value in a `remove` means this element: the same `value`, and the same `type` where it names one;
/// without a `value` everything that it names.
fn meant(removed: &Value, element: &Value, attribute: &Attribute) -> bool {
    let (Value::Object(removed), Value::Object(element)) = (removed, element) else {
        return alike(removed, element, attribute.case_exact);
    };
    let named = |name: &str| match (removed.get(name), element.get(name)) {
        (None, _) => true,
        (Some(removed), Some(element)) => alike(removed, element, is_exact(attribute, name)),
        (Some(_), None) => false,
    };
    if removed.contains_key("value") {
        return named("value") && named("type");
    }
    removed.keys().all(|name| named(name))
}

fn alike(left: &Value, right: &Value, case_exact: bool) -> bool {
    match (left, right) {
        (Value::String(left), Value::String(right)) if !case_exact => fold(left) == fold(right),
        (left, right) => left == right,
    }
}

fn set_sub(element: &mut Value, sub: &str, value: &Value) {
    if let Some(object) = element.as_object_mut() {
        object.insert(sub.to_owned(), value.clone());
    }
}

fn remove_sub(element: &mut Value, sub: &str) {
    if let Some(object) = element.as_object_mut() {
        object.remove(sub);
    }
}

fn merge(element: &mut Value, value: &Value) {
    match (element.as_object_mut(), value.as_object()) {
        (Some(object), Some(new)) => {
            for (name, value) in new {
                object.insert(name.clone(), value.clone());
            }
        }
        _ => *element = value.clone(),
    }
}

/// The element that a filter of equalities describes, with the value of the operation (repair 6).
fn create(filter: &Filter, sub: Option<&str>, value: &Value) -> Option<Value> {
    let mut element = Map::new();
    for comparison in filter.equalities()? {
        let value = match &comparison.value {
            Operand::Text(text) => Value::from(text.as_str()),
            Operand::Boolean(value) => Value::from(*value),
            Operand::Integer(value) => Value::from(*value),
            Operand::Decimal(value) => Value::from(*value),
            Operand::DateTime(value) => Value::from(value.to_string()),
        };
        element.insert(comparison.path.sub()?.to_owned(), value);
    }
    let mut element = Value::Object(element);
    match sub {
        Some(sub) => set_sub(&mut element, sub, value),
        None => merge(&mut element, value),
    }
    Some(element)
}

fn terms(filter: &Filter) -> usize {
    let mut terms = 0;
    filter.each_path(&mut |_| terms += 1);
    terms
}
