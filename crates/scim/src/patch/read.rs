//! From the body of a PATCH to canonical operations; every repair that needs no resource is made here.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Action, MemberChange, Operation, PATCH_URN, PasswordChange};
use crate::dialect::{Dialect, Repairs, Rule};
use crate::error::{Error, ErrorKind};
use crate::filter::{Filter, Operator};
use crate::path::{AttributePath, Path};
use crate::resource::{Member, Reader, is_members, is_password, is_unassigned, password};
use crate::schema::{Found, Mutability, ResourceSchema, Type};

/// Most operations in one PATCH, after values without a path were taken apart.
const OPERATIONS: usize = 2_000;

/// Reads the operations of a PATCH body.
pub(super) fn operations(
    body: Value,
    schema: &Arc<ResourceSchema>,
    dialect: Dialect,
    repairs: &mut Repairs,
) -> Result<Vec<Operation>, Error> {
    let Value::Object(mut body) = body else {
        return Err(Error::invalid_syntax("the body is a JSON object"));
    };
    let urns = take(&mut body, "schemas");
    if dialect == Dialect::Strict && !names_patch(urns.as_ref()) {
        return Err(Error::invalid_syntax("schemas names the PatchOp message"));
    }
    let operations = match take(&mut body, "Operations") {
        Some(Value::Array(operations)) => operations,
        Some(operation @ Value::Object(_)) if dialect == Dialect::Lenient => {
            repairs.note(Rule::SingleForList, "Operations");
            vec![operation]
        }
        _ => return Err(Error::invalid_syntax("Operations is a list of operations")),
    };
    let mut compiler = Compiler {
        reader: Reader::new(schema, dialect, repairs),
        done: Vec::with_capacity(operations.len().min(OPERATIONS)),
    };
    for operation in operations {
        compiler.operation(operation)?;
        if compiler.done.len() > OPERATIONS {
            return Err(Error::too_many(format!(
                "a PATCH has at most {OPERATIONS} operations"
            )));
        }
    }
    Ok(compiler.done)
}

fn names_patch(urns: Option<&Value>) -> bool {
    let is_patch = |urn: &Value| {
        urn.as_str()
            .is_some_and(|urn| urn.eq_ignore_ascii_case(PATCH_URN))
    };
    urns.and_then(Value::as_array)
        .is_some_and(|urns| urns.iter().any(is_patch))
}

fn take(object: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let key = object
        .keys()
        .find(|key| key.eq_ignore_ascii_case(name))?
        .clone();
    object.remove(&key)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Add,
    Replace,
    Remove,
}

struct Compiler<'a> {
    reader: Reader<'a>,
    done: Vec<Operation>,
}

impl Compiler<'_> {
    fn operation(&mut self, operation: Value) -> Result<(), Error> {
        let Value::Object(mut operation) = operation else {
            return Err(Error::invalid_syntax("an operation is a JSON object"));
        };
        let verb = self.verb(take(&mut operation, "op"))?;
        let value = take(&mut operation, "value");
        let path = match take(&mut operation, "path") {
            None | Some(Value::Null) => None,
            Some(Value::String(path)) => Some(path),
            Some(_) => return Err(Error::invalid_path("path is text")),
        };
        let core = &self.reader.schema.core().id;
        match path.filter(|path| !path.trim().eq_ignore_ascii_case(core)) {
            None => self.without_path(verb, value),
            Some(path) => self.at_path(verb, &path, value),
        }
    }

    fn verb(&mut self, op: Option<Value>) -> Result<Verb, Error> {
        let unknown = || Error::invalid_syntax("op is add, remove or replace");
        let Some(Value::String(op)) = op else {
            return Err(unknown());
        };
        let lower = op.to_ascii_lowercase();
        if lower != op {
            if !self.reader.lenient() {
                return Err(unknown());
            }
            self.reader.repairs.note(Rule::OperationCase, "op");
        }
        match lower.as_str() {
            "add" => Ok(Verb::Add),
            "replace" => Ok(Verb::Replace),
            "remove" => Ok(Verb::Remove),
            _ => Err(unknown()),
        }
    }

    fn without_path(&mut self, verb: Verb, value: Option<Value>) -> Result<(), Error> {
        if verb == Verb::Remove {
            return Err(Error::no_target("remove needs a path"));
        }
        if !self.reader.lenient() {
            return Err(Error::invalid_syntax("every operation needs a path"));
        }
        let Some(Value::Object(value)) = value else {
            return Err(Error::invalid_value(
                "without a path the value is an object of attributes",
            ));
        };
        for (key, value) in value {
            self.entry(verb, &key, value)?;
        }
        Ok(())
    }

    /// One attribute of a value without a path.
    fn entry(&mut self, verb: Verb, key: &str, value: Value) -> Result<(), Error> {
        if key.eq_ignore_ascii_case("schemas") {
            return Ok(());
        }
        if let Some(extension) = self.reader.schema.extension(key) {
            let urn = extension.id.clone();
            return self.extension(verb, &urn, value);
        }
        if key.contains('[') {
            self.reader.repairs.note(Rule::QualifiedKey, "[…]");
            return self.at_path(verb, key, Some(value));
        }
        let Some(found) = self.reader.key(key)? else {
            return Ok(());
        };
        if found.leaf().mutability == Mutability::ReadOnly {
            self.reader.ignored(&found, &value);
            return Ok(());
        }
        self.attribute(verb, &found, Some(value))
    }

    fn extension(&mut self, verb: Verb, urn: &str, value: Value) -> Result<(), Error> {
        let object = match value {
            Value::Object(object) => object,
            Value::Null => {
                if verb == Verb::Replace {
                    self.push(Path::Extension(urn.to_owned()), Action::Remove);
                }
                return Ok(());
            }
            _ => return Err(Error::invalid_value(format!("{urn} holds an object"))),
        };
        for (key, value) in object {
            if let Some(found) = self.reader.extension_key(urn, &key)? {
                self.attribute(verb, &found, Some(value))?;
            }
        }
        Ok(())
    }

    fn at_path(&mut self, verb: Verb, path: &str, value: Option<Value>) -> Result<(), Error> {
        let (dialect, schema) = (self.reader.dialect, self.reader.schema);
        match Path::parse_as(path, schema, dialect, self.reader.repairs)? {
            Path::Attribute(path) => match schema.at(&path) {
                Some(found) => self.attribute(verb, &found, value),
                None => Err(Error::invalid_path("the path names no attribute")),
            },
            Path::Extension(urn) if verb == Verb::Remove => {
                self.push(Path::Extension(urn), Action::Remove);
                Ok(())
            }
            Path::Extension(urn) => self.extension(verb, &urn, required(value)?),
            Path::Elements { list, filter, sub } => match schema.at(&list) {
                Some(found) => self.elements(verb, &found, filter, sub, value),
                None => Err(Error::invalid_path("the path names no attribute")),
            },
        }
    }

    fn attribute(
        &mut self,
        verb: Verb,
        found: &Found<'_>,
        value: Option<Value>,
    ) -> Result<(), Error> {
        let path = &found.path;
        if path.extension().is_none() && path.name() == "schemas" {
            // The list follows from the attributes that are there.
            self.reader.repairs.note(Rule::ReadOnly, "schemas");
            return Ok(());
        }
        check_writable(found)?;
        if is_members(self.reader.schema, path) {
            return self.members(verb, found, value);
        }
        if is_password(self.reader.schema, path) {
            return self.password(verb, value);
        }
        if verb == Verb::Remove {
            return self.remove(found, value);
        }
        let value = required(value)?;
        let leaf = found.leaf();
        if leaf.kind == Type::Complex && !leaf.multi_valued {
            return self.merge(verb, found, value);
        }
        let target = Path::Attribute(path.clone());
        match (verb, self.reader.value(leaf, path, value)?) {
            (Verb::Add, Some(value)) => self.push(target, Action::Add(value)),
            (_, Some(value)) => self.push(target, Action::Replace(value)),
            (Verb::Add, None) if leaf.multi_valued => {}
            (_, None) => self.push(target, Action::Remove),
        }
        Ok(())
    }

    /// Takes a complex value apart: the sub-attributes that it names change, the others stay (RFC 7644 §3.5.2.3).
    fn merge(&mut self, verb: Verb, found: &Found<'_>, value: Value) -> Result<(), Error> {
        let value = match value {
            Value::Array(mut list) if list.len() == 1 && self.reader.lenient() => {
                self.reader
                    .repairs
                    .note(Rule::BareValue, &found.path.to_string());
                list.pop().unwrap_or_default()
            }
            value => value,
        };
        let object = match value {
            Value::Object(object) => object,
            value => {
                let read = self.reader.value(found.attribute, &found.path, value)?;
                let Some(Value::Object(object)) = read else {
                    self.push(Path::Attribute(found.path.clone()), Action::Remove);
                    return Ok(());
                };
                object
            }
        };
        // Another value makes a reference to the old one wrong.
        let stale = object.contains_key("value") && !object.contains_key("$ref");
        if stale && found.attribute.sub_attribute("$ref").is_some() {
            let path = found.path.child("$ref");
            self.push(Path::Attribute(path), Action::Remove);
        }
        for (key, value) in object {
            let Some(sub) = found.attribute.sub_attribute(&key) else {
                self.reader.unknown(&format!("{}.{key}", found.path))?;
                continue;
            };
            if sub.mutability == Mutability::ReadOnly {
                continue;
            }
            let found = Found {
                path: found.path.child(&sub.name),
                attribute: found.attribute,
                sub_attribute: Some(sub),
            };
            self.attribute(verb, &found, Some(value))?;
        }
        Ok(())
    }

    /// A `remove` with values takes away those; read literally it would take away all (RFC 7644 §3.5.2.2).
    fn remove(&mut self, found: &Found<'_>, value: Option<Value>) -> Result<(), Error> {
        let target = Path::Attribute(found.path.clone());
        let leaf = found.leaf();
        let value = match value {
            Some(value) if leaf.multi_valued && !value.is_null() => value,
            _ => {
                if leaf.required && found.sub_attribute.is_none() {
                    return Err(Error::mutability(format!("{} is required", found.path)));
                }
                self.push(target, Action::Remove);
                return Ok(());
            }
        };
        self.reader
            .repairs
            .note(Rule::RemoveWithValue, &found.path.to_string());
        let mut values = Vec::new();
        for element in self.reader.elements(&found.path, value)? {
            values.extend(self.reader.element(leaf, &found.path, element)?);
        }
        self.push(target, Action::RemoveValues(values));
        Ok(())
    }

    fn elements(
        &mut self,
        verb: Verb,
        found: &Found<'_>,
        filter: Filter,
        sub: Option<String>,
        value: Option<Value>,
    ) -> Result<(), Error> {
        check_writable(found)?;
        if is_members(self.reader.schema, &found.path) {
            return self.selected_members(verb, filter, sub.as_deref());
        }
        let sub_attribute = sub
            .as_deref()
            .and_then(|name| found.attribute.sub_attribute(name));
        if let Some(sub_attribute) = sub_attribute {
            check_writable(&Found {
                path: found.path.child(&sub_attribute.name),
                attribute: found.attribute,
                sub_attribute: Some(sub_attribute),
            })?;
        }
        let target = Path::Elements {
            list: found.path.clone(),
            filter,
            sub,
        };
        if verb == Verb::Remove {
            self.push(target, Action::Remove);
            return Ok(());
        }
        let value = required(value)?;
        let value =
            match sub_attribute {
                Some(sub) => self
                    .reader
                    .value(sub, &found.path.child(&sub.name), value)?,
                None => match value {
                    Value::Array(mut list) if list.len() == 1 && self.reader.lenient() => self
                        .reader
                        .element(found.attribute, &found.path, list.pop().unwrap_or_default())?,
                    value if is_unassigned(&value) => None,
                    value => self.reader.element(found.attribute, &found.path, value)?,
                },
            };
        let action = match (verb, value) {
            (Verb::Add, Some(value)) => Action::Add(value),
            (_, Some(value)) => Action::Replace(value),
            (_, None) => Action::Remove,
        };
        self.push(target, action);
        Ok(())
    }

    fn members(
        &mut self,
        verb: Verb,
        found: &Found<'_>,
        value: Option<Value>,
    ) -> Result<(), Error> {
        if found.sub_attribute.is_some() {
            return Err(member_mutability());
        }
        let change = match (verb, value) {
            (Verb::Remove, None | Some(Value::Null)) => MemberChange::ReplaceAll(Vec::new()),
            (Verb::Remove, Some(value)) => {
                self.reader.repairs.note(Rule::RemoveWithValue, "members");
                let members = self.reader.members(value)?;
                MemberChange::Remove(members.into_iter().map(|member| member.value).collect())
            }
            (Verb::Add, value) => MemberChange::Add(self.reader.members(required(value)?)?),
            (Verb::Replace, value) => {
                MemberChange::ReplaceAll(self.reader.members(required(value)?)?)
            }
        };
        self.push(Path::Attribute(found.path.clone()), Action::Members(change));
        Ok(())
    }

    fn selected_members(
        &mut self,
        verb: Verb,
        filter: Filter,
        sub: Option<&str>,
    ) -> Result<(), Error> {
        let change = match (verb, sub, ids(&filter)) {
            (Verb::Remove, None, Some(ids)) => MemberChange::Remove(ids),
            (Verb::Remove, None, None) => MemberChange::RemoveWhere(filter),
            (Verb::Add | Verb::Replace, None | Some("value" | "type"), Some(ids))
                if self.reader.lenient() && ids.len() == 1 =>
            {
                self.reader.repairs.note(Rule::ElementFromFilter, "members");
                MemberChange::Add(ids.into_iter().map(Member::new).collect())
            }
            _ => return Err(member_mutability()),
        };
        let members = Path::Attribute(AttributePath::new(None, "members", None));
        self.push(members, Action::Members(change));
        Ok(())
    }

    fn password(&mut self, verb: Verb, value: Option<Value>) -> Result<(), Error> {
        let change = match verb {
            Verb::Remove => PasswordChange::Clear,
            Verb::Add | Verb::Replace => match password(required(value)?)? {
                Some(password) => PasswordChange::Set(password),
                None => PasswordChange::Clear,
            },
        };
        let path = Path::Attribute(AttributePath::new(None, "password", None));
        self.push(path, Action::Password(change));
        Ok(())
    }

    fn push(&mut self, target: Path, action: Action) {
        self.done.push(Operation { target, action });
    }
}

fn required(value: Option<Value>) -> Result<Value, Error> {
    value.ok_or_else(|| Error::invalid_value("the operation has no value"))
}

fn check_writable(found: &Found<'_>) -> Result<(), Error> {
    let read_only = |mutability| mutability == Mutability::ReadOnly;
    if read_only(found.attribute.mutability) || read_only(found.leaf().mutability) {
        return Err(Error::new(
            ErrorKind::Mutability,
            format!("{} is written by the server only", found.path),
        ));
    }
    Ok(())
}

fn member_mutability() -> Error {
    Error::mutability("a member is added or removed as a whole, its parts do not change")
}

/// The ids, where a filter asks for members by nothing but their id.
fn ids(filter: &Filter) -> Option<Vec<String>> {
    match filter {
        Filter::Compare(comparison)
            if comparison.operator == Operator::Equal && comparison.path.sub() == Some("value") =>
        {
            match &comparison.value {
                crate::filter::Operand::Text(id) => Some(vec![id.clone()]),
                _ => None,
            }
        }
        Filter::Or(filters) => {
            let ids: Option<Vec<Vec<String>>> = filters.iter().map(ids).collect();
            ids.map(|ids| ids.concat())
        }
        _ => None,
    }
}
