//! From the body of a PATCH to canonical operations; every repair that needs no resource is made here.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Action, Operation, PATCH_URN, PasswordChange};
use crate::dialect::{Dialect, Reading, Repairs, Rule};
use crate::error::{Error, ErrorKind};
use crate::filter::Filter;
use crate::path::{AttributePath, Path};
use crate::resource::{
    Named, Reader, is_members, is_password, is_unassigned, password, reference_id,
};
use crate::schema::{Attribute, Found, Mutability, ResourceSchema, ResourceType, Type};

/// Most operations on attributes in one PATCH, after values without a path were taken apart; members are rows, and
/// their number is bounded by the size of the body alone.
const OPERATIONS: usize = 2_000;

/// What a PATCH body says.
pub(super) struct Operations {
    pub(super) list: Vec<Operation>,
    /// The attributes that it names, sorted.
    pub(super) named: Vec<AttributePath>,
    /// What it takes for the resource's id.
    pub(super) ids: Vec<String>,
}

/// Reads the operations of a PATCH body.
pub(super) fn operations(
    body: Value,
    schema: &Arc<ResourceSchema>,
    reading: Reading,
    repairs: &mut Repairs,
) -> Result<Operations, Error> {
    let lenient = reading.dialect == Dialect::Lenient;
    let Value::Object(mut body) = body else {
        return Err(Error::invalid_syntax("the body is a JSON object"));
    };
    let urns = take(&mut body, "schemas")?;
    if !lenient && !names_patch(urns.as_ref()) {
        return Err(Error::invalid_syntax("schemas names the PatchOp message"));
    }
    let operations = match take(&mut body, "Operations")? {
        Some(Value::Array(operations)) => operations,
        Some(operation @ Value::Object(_)) if lenient => {
            repairs.note(Rule::SingleForList, "Operations");
            vec![operation]
        }
        _ => return Err(Error::invalid_syntax("Operations is a list of operations")),
    };
    let mut compiler = Compiler {
        reader: Reader::new(schema, reading, repairs),
        done: Vec::with_capacity(operations.len().min(OPERATIONS)),
        on_attributes: 0,
        ids: Vec::new(),
    };
    for operation in operations {
        compiler.operation(operation)?;
        if compiler.on_attributes > OPERATIONS {
            return Err(Error::too_many(format!(
                "a PATCH has at most {OPERATIONS} operations on attributes"
            )));
        }
    }
    let mut named: Vec<AttributePath> = compiler.done.iter().flat_map(names_of).collect();
    named.sort();
    named.dedup();
    Ok(Operations {
        list: compiler.done,
        named,
        ids: compiler.ids,
    })
}

/// The attribute that an operation names, and its sub-attribute if it names one.
fn names_of(operation: &Operation) -> Vec<AttributePath> {
    let path = match &operation.target {
        Path::Attribute(path) => path.clone(),
        Path::Elements { list, sub, .. } => match sub {
            Some(sub) => list.child(sub),
            None => list.clone(),
        },
        Path::Extension(_) => return Vec::new(),
    };
    match path.sub() {
        None => vec![path],
        Some(_) => vec![path.parent(), path],
    }
}

fn names_patch(urns: Option<&Value>) -> bool {
    let is_patch = |urn: &Value| {
        urn.as_str()
            .is_some_and(|urn| urn.eq_ignore_ascii_case(PATCH_URN))
    };
    urns.and_then(Value::as_array)
        .is_some_and(|urns| urns.iter().any(is_patch))
}

/// Takes a member of a message; two that differ in letter case only say nothing for certain.
fn take(object: &mut Map<String, Value>, name: &str) -> Result<Option<Value>, Error> {
    let mut keys = object.keys().filter(|key| key.eq_ignore_ascii_case(name));
    let Some(key) = keys.next().cloned() else {
        return Ok(None);
    };
    if keys.next().is_some() {
        return Err(Error::invalid_syntax(format!("{name} is there twice")));
    }
    Ok(object.remove(&key))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Add,
    Replace,
    Remove,
}

pub(super) struct Compiler<'a> {
    pub(super) reader: Reader<'a>,
    done: Vec<Operation>,
    /// How many of them are on attributes and not on members.
    on_attributes: usize,
    ids: Vec<String>,
}

impl Compiler<'_> {
    fn operation(&mut self, operation: Value) -> Result<(), Error> {
        let Value::Object(mut operation) = operation else {
            return Err(Error::invalid_syntax("an operation is a JSON object"));
        };
        let verb = self.verb(take(&mut operation, "op")?)?;
        let value = take(&mut operation, "value")?;
        let path = match take(&mut operation, "path")? {
            None | Some(Value::Null) => None,
            Some(Value::String(path)) if path.trim().is_empty() && self.reader.lenient() => {
                self.reader.repairs.note(Rule::EmptyPath, "path");
                None
            }
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
        let mut named = Named::new();
        for (key, value) in value {
            self.entry(verb, &mut named, &key, value)?;
        }
        Ok(())
    }

    /// One attribute of a value without a path.
    fn entry(
        &mut self,
        verb: Verb,
        named: &mut Named,
        key: &str,
        value: Value,
    ) -> Result<(), Error> {
        if key.eq_ignore_ascii_case("schemas") {
            return self.schemas(verb, Some(value));
        }
        if let Some(urn) = self.reader.extension_urn(key) {
            return self.extension(verb, named, &urn, value);
        }
        if key.contains('[') {
            self.reader.repairs.note(Rule::QualifiedKey, "[…]");
            return self.at_path(verb, key, Some(value));
        }
        match self.reader.key(key)? {
            Some(found) => self.named(verb, named, &found, value),
            None => Ok(()),
        }
    }

    /// An attribute that a value names by its key; what only the server writes is left alone there (Okta sends the
    /// `id` with each new name of a group), and strictly refused.
    fn named(
        &mut self,
        verb: Verb,
        named: &mut Named,
        found: &Found<'_>,
        value: Value,
    ) -> Result<(), Error> {
        self.reader.once(named, &found.path)?;
        if found.leaf().mutability != Mutability::ReadOnly {
            return self.attribute(verb, found, Some(value));
        }
        check_writable(found).or_else(|refusal| {
            if self.reader.lenient() || is_unassigned(&value) {
                Ok(())
            } else {
                Err(refusal)
            }
        })?;
        match value {
            Value::String(id) if found.path.extension().is_none() && found.path.name() == "id" => {
                self.ids.push(id);
            }
            value => self.reader.ignored(found, &value),
        }
        Ok(())
    }

    fn extension(
        &mut self,
        verb: Verb,
        named: &mut Named,
        urn: &str,
        value: Value,
    ) -> Result<(), Error> {
        let object = match value {
            Value::Object(object) => object,
            Value::Null => {
                return match verb {
                    Verb::Replace => {
                        self.push(Path::Extension(urn.to_owned()), Action::Remove);
                        Ok(())
                    }
                    _ => self.nothing_to_add(urn),
                };
            }
            _ => return Err(Error::invalid_value(format!("{urn} holds an object"))),
        };
        for (key, value) in object {
            if let Some(found) = self.reader.extension_key(urn, &key)? {
                self.named(verb, named, &found, value)?;
            }
        }
        Ok(())
    }

    /// `schemas` follows from the attributes that are there, so that only what is so can be said of it.
    fn schemas(&mut self, verb: Verb, value: Option<Value>) -> Result<(), Error> {
        if verb == Verb::Remove {
            return Err(Error::mutability(
                "schemas follows from the attributes that the resource has",
            ));
        }
        let urns = self.reader.urns(required(value)?)?;
        let target = Path::Attribute(AttributePath::new(None, "schemas", None));
        let all = verb == Verb::Replace;
        self.push(target, Action::Schemas { urns, all });
        Ok(())
    }

    /// An `add` of nothing leaves what is there (RFC 7644 §3.5.2.1), and is no request that a strict directory takes.
    pub(super) fn nothing_to_add(&mut self, place: &str) -> Result<(), Error> {
        if !self.reader.lenient() {
            return Err(Error::invalid_value(format!(
                "there is no value to add to {place}"
            )));
        }
        self.reader.repairs.note(Rule::NothingToAdd, place);
        Ok(())
    }

    fn at_path(&mut self, verb: Verb, path: &str, value: Option<Value>) -> Result<(), Error> {
        let (dialect, schema) = (self.reader.reading.dialect, self.reader.schema);
        if self.reader.lenient() && names_no_password(path, schema) {
            return self.reader.unknown("password");
        }
        match Path::parse_as(path, schema, dialect, self.reader.repairs)? {
            Path::Attribute(path) => match schema.at(&path) {
                Some(found) => self.attribute(verb, &found, value),
                None => Err(Error::invalid_path("the path names no attribute")),
            },
            Path::Extension(urn) if verb == Verb::Remove => {
                self.push(Path::Extension(urn), Action::Remove);
                Ok(())
            }
            Path::Extension(urn) => self.extension(verb, &mut Named::new(), &urn, required(value)?),
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
            return self.schemas(verb, value);
        }
        check_writable(found)?;
        if is_members(self.reader.schema, path) {
            return self.members(verb, found, value);
        }
        if is_password(self.reader.schema, path) {
            return self.password(verb, value);
        }
        if verb == Verb::Remove {
            if is_derived(found) {
                return Err(Error::mutability(format!("{path} follows from the value")));
            }
            return self.remove(found, value);
        }
        let value = required(value)?;
        let leaf = found.leaf();
        if leaf.kind == Type::Complex && !leaf.multi_valued {
            return self.merge(verb, found, value);
        }
        let (path, leaf, value) = match derived(found, &value)? {
            Some((path, leaf, id)) => (path, leaf, Value::from(id)),
            None => (path.clone(), leaf, value),
        };
        let value = self.reader.value(leaf, &path, value)?;
        self.written(verb, Path::Attribute(path), value)
    }

    /// Adds or replaces by a value that was read; by none, `replace` removes.
    fn written(&mut self, verb: Verb, target: Path, value: Option<Value>) -> Result<(), Error> {
        match (verb, value) {
            (Verb::Add, Some(value)) => self.push(target, Action::Add(value)),
            (_, Some(value)) => self.push(target, Action::Replace(value)),
            (Verb::Add, None) => return self.nothing_to_add(&target.to_string()),
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
        let mut object = match value {
            Value::Object(object) => object,
            value => {
                let read = self.reader.value(found.attribute, &found.path, value)?;
                let Some(Value::Object(object)) = read else {
                    return self.written(verb, Path::Attribute(found.path.clone()), None);
                };
                object
            }
        };
        if found.attribute.refers_to().is_some() {
            self.settle_reference(found, &mut object);
        }
        let mut named = Named::new();
        for (key, value) in object {
            let Some(sub) = found.attribute.sub_attribute(&key) else {
                self.reader.unknown(&format!("{}.{key}", found.path))?;
                continue;
            };
            let found = Found {
                path: found.path.child(&sub.name),
                attribute: found.attribute,
                sub_attribute: Some(sub),
            };
            self.named(verb, &mut named, &found, value)?;
        }
        Ok(())
    }

    /// Takes a `$ref` that stands beside a value out of an object: it follows from the value.
    fn settle_reference(&mut self, found: &Found<'_>, object: &mut Map<String, Value>) {
        let find = |object: &Map<String, Value>, name: &str| {
            let mut keys = object.keys();
            keys.find(|key| key.eq_ignore_ascii_case(name)).cloned()
        };
        let Some(reference) = find(object, "$ref") else {
            return;
        };
        let value = find(object, "value").and_then(|key| object.get(&key).cloned());
        let is_url = object.get(&reference).and_then(Value::as_str);
        let id = is_url.and_then(reference_id).map(Value::from);
        let is_null = object.get(&reference).is_some_and(Value::is_null);
        if value.is_none() && id.is_some() {
            return;
        }
        object.remove(&reference);
        if value.is_none() || (value != id && !is_null) {
            let place = found.path.child("$ref").to_string();
            self.reader.repairs.note(Rule::ReadOnly, &place);
        }
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
            return self.selected_members(verb, filter, sub.as_deref(), value);
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
        self.written(verb, target, value)
    }

    fn password(&mut self, verb: Verb, value: Option<Value>) -> Result<(), Error> {
        let change = match verb {
            Verb::Remove => PasswordChange::Clear,
            Verb::Add | Verb::Replace => match password(required(value)?)? {
                Some(password) => PasswordChange::Set(password),
                None if verb == Verb::Add => return self.nothing_to_add("password"),
                None => PasswordChange::Clear,
            },
        };
        if !self.reader.takes_password()? {
            return Ok(());
        }
        let path = Path::Attribute(AttributePath::new(None, "password", None));
        self.push(path, Action::Password(change));
        Ok(())
    }

    pub(super) fn push(&mut self, target: Path, action: Action) {
        if !matches!(action, Action::Members(_)) {
            self.on_attributes += 1;
        }
        self.done.push(Operation { target, action });
    }
}

pub(super) fn required(value: Option<Value>) -> Result<Value, Error> {
    value.ok_or_else(|| Error::invalid_value("the operation has no value"))
}

/// The `value` that a lone `$ref` stands for, which is not stored itself.
fn derived<'f>(
    found: &Found<'f>,
    value: &Value,
) -> Result<Option<(AttributePath, &'f Attribute, String)>, Error> {
    let attribute = found.attribute;
    if !is_derived(found) {
        return Ok(None);
    }
    let id = value.as_str().and_then(reference_id);
    match (id, attribute.sub_attribute("value")) {
        (Some(id), Some(leaf)) => Ok(Some((
            found.path.parent().child("value"),
            leaf,
            id.to_owned(),
        ))),
        _ => Err(Error::invalid_value(format!(
            "{} is the URL of a resource of this directory",
            found.path
        ))),
    }
}

/// Whether the path names the password of users where the schema has none: Okta sends one, wanted or not.
fn names_no_password(path: &str, schema: &ResourceSchema) -> bool {
    let name = path.trim().rsplit(':').next().unwrap_or_default();
    name.eq_ignore_ascii_case("password")
        && schema.kind() == ResourceType::User
        && schema.top_level_attribute("password").is_none()
        && schema.find(path).is_none()
}

/// Whether the sub-attribute is the URL of the resource that the value beside it names.
fn is_derived(found: &Found<'_>) -> bool {
    found.path.sub() == Some("$ref") && found.attribute.refers_to().is_some()
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
