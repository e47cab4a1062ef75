//! From the current resource and a change to the change set.

use serde_json::{Map, Value};

use super::elements::{self, Elements, Work};
use super::{Action, Body, Change, ChangeSet, MemberChange, Operation, PasswordChange};
use crate::dialect::{Dialect, Repairs, Rule};
use crate::error::Error;
use crate::path::{AttributePath, Path};
use crate::resource::{Draft, Resource, check_required, is_unassigned, set};
use crate::schema::{Attribute, Found, Mutability, ResourceSchema, ResourceType};

/// Applies a change; the result is checked as a whole, so that the order of operations does not matter for it.
pub(super) fn apply(change: &Change, current: &Resource) -> Result<ChangeSet, Error> {
    let schema = &change.schema;
    let mut set = match &change.body {
        Body::Put(draft) => put(draft, schema, current),
        Body::Patch(operations) => patch(operations, schema, change.dialect, current)?,
    };
    let before = matches!(change.body, Body::Patch(_)).then_some(current);
    check_required(schema, &set.resource, before)?;
    check_immutable(schema, current, &set.resource)?;
    set.touched = touched(schema, current, &set.resource);
    Ok(set)
}

/// What the client left out is cleared, but for `active` and the password: an update of a name must neither
/// reactivate a person nor lock them out. What never changes stays, too (RFC 7644 §3.5.1).
fn put(draft: &Draft, schema: &ResourceSchema, current: &Resource) -> ChangeSet {
    let mut resource = draft.resource.clone();
    let attributes = resource.attributes_mut();
    for (path, attribute) in schema.each() {
        let is_active = path.extension().is_none() && path.name() == "active";
        match attribute.mutability {
            Mutability::ReadOnly | Mutability::Immutable => keep(attributes, current, &path),
            _ if is_active => keep(attributes, current, &path),
            _ if attribute.multi_valued => {}
            _ => {
                let immutable = |sub: &&Attribute| sub.mutability == Mutability::Immutable;
                for sub in attribute.sub_attributes.iter().filter(immutable) {
                    keep(attributes, current, &path.child(&sub.name));
                }
            }
        }
    }
    let members = match schema.kind() {
        ResourceType::User => Vec::new(),
        ResourceType::Group => vec![MemberChange::ReplaceAll(draft.members.clone())],
    };
    ChangeSet {
        resource,
        touched: Vec::new(),
        members,
        password: match &draft.password {
            Some(password) => PasswordChange::Set(password.clone()),
            None => PasswordChange::Keep,
        },
        repairs: Repairs::default(),
    }
}

fn keep(attributes: &mut Map<String, Value>, current: &Resource, path: &AttributePath) {
    let object = match path.extension() {
        None => attributes.get(path.name()),
        Some(urn) => attributes
            .get(urn)
            .and_then(|object| object.get(path.name())),
    };
    let present = match path.sub() {
        None => object,
        Some(sub) => object.and_then(|object| object.get(sub)),
    };
    if let (Some(value), None) = (current.get(path), present) {
        set(attributes, path, value.clone());
    }
}

fn patch(
    operations: &[Operation],
    schema: &ResourceSchema,
    dialect: Dialect,
    current: &Resource,
) -> Result<ChangeSet, Error> {
    let mut set = ChangeSet {
        resource: current.clone(),
        touched: Vec::new(),
        members: Vec::new(),
        password: PasswordChange::Keep,
        repairs: Repairs::default(),
    };
    let mut work = Work::default();
    for operation in operations {
        match &operation.action {
            Action::Members(change) => add_member_change(&mut set.members, change),
            Action::Password(change) => set.password = change.clone(),
            Action::Schemas { .. } => {}
            action => {
                let attributes = set.resource.attributes_mut();
                let mut step = Step {
                    schema,
                    dialect,
                    repairs: &mut set.repairs,
                    work: &mut work,
                };
                step.run(attributes, &operation.target, action)?;
            }
        }
    }
    for operation in operations {
        if let Action::Schemas { urns, all } = &operation.action {
            check_schemas(&mut set, schema, dialect, urns, *all)?;
        }
    }
    Ok(set)
}

/// `schemas` follows from the attributes: an operation on it can only say what is so (RFC 7643 §3).
fn check_schemas(
    set: &mut ChangeSet,
    schema: &ResourceSchema,
    dialect: Dialect,
    urns: &[String],
    all: bool,
) -> Result<(), Error> {
    let in_use: Vec<&str> = set.resource.schemas(schema).collect();
    let named = |urn: &&str| urns.iter().any(|named| named == urn);
    let is_so =
        urns.iter().all(|urn| in_use.contains(&urn.as_str())) && (!all || in_use.iter().all(named));
    if is_so {
        return Ok(());
    }
    if dialect == Dialect::Strict {
        return Err(Error::mutability(
            "schemas follows from the attributes that the resource has",
        ));
    }
    set.repairs.note(Rule::ReadOnly, "schemas");
    Ok(())
}

/// Joins a member change to those before it; what a full replacement makes void is dropped.
fn add_member_change(changes: &mut Vec<MemberChange>, change: &MemberChange) {
    match (changes.last_mut(), change) {
        (_, MemberChange::ReplaceAll(_)) => {
            changes.clear();
            changes.push(change.clone());
        }
        (Some(MemberChange::Add(before)), MemberChange::Add(members)) => {
            before.extend_from_slice(members);
        }
        (Some(MemberChange::Remove(before)), MemberChange::Remove(ids)) => {
            before.extend_from_slice(ids);
        }
        _ => changes.push(change.clone()),
    }
}

/// One operation on the attributes.
struct Step<'a> {
    schema: &'a ResourceSchema,
    dialect: Dialect,
    repairs: &'a mut Repairs,
    work: &'a mut Work,
}

impl Step<'_> {
    fn run(
        &mut self,
        attributes: &mut Map<String, Value>,
        target: &Path,
        action: &Action,
    ) -> Result<(), Error> {
        match target {
            Path::Extension(urn) => {
                attributes.remove(urn);
                Ok(())
            }
            Path::Attribute(path) => self.attribute(attributes, path, action),
            Path::Elements { list, .. } => {
                let Some(found) = self.schema.at(list) else {
                    return Ok(());
                };
                let mut elements = take_list(&found, attributes, self.work)?;
                elements.select(target, action, self.dialect, self.repairs)?;
                put_back(attributes, list, elements.into_value(self.repairs));
                Ok(())
            }
        }
    }

    fn attribute(
        &mut self,
        attributes: &mut Map<String, Value>,
        path: &AttributePath,
        action: &Action,
    ) -> Result<(), Error> {
        let list = path.parent();
        let Some(found) = self.schema.at(&list) else {
            return Ok(());
        };
        if !found.attribute.multi_valued {
            match action {
                Action::Add(value) | Action::Replace(value) => set(attributes, path, value.clone()),
                _ => remove(attributes, path),
            }
            // A reference that was stored once is wrong beside another value.
            if path.sub() == Some("value") && found.attribute.refers_to().is_some() {
                remove(attributes, &list.child("$ref"));
            }
            return Ok(());
        }
        let mut elements = take_list(&found, attributes, self.work)?;
        match path.sub() {
            None => elements.change(action, self.repairs)?,
            Some(sub) => elements.change_each(sub, action)?,
        }
        put_back(attributes, &list, elements.into_value(self.repairs));
        Ok(())
    }
}

fn take_list<'a>(
    list: &Found<'a>,
    attributes: &mut Map<String, Value>,
    work: &'a mut Work,
) -> Result<Elements<'a>, Error> {
    let path = &list.path;
    let value = match path.extension() {
        None => attributes.get_mut(path.name()),
        Some(urn) => attributes
            .get_mut(urn)
            .and_then(Value::as_object_mut)
            .and_then(|object| object.get_mut(path.name())),
    };
    Elements::new(path, list.attribute, value.map(Value::take), work)
}

fn put_back(attributes: &mut Map<String, Value>, path: &AttributePath, value: Value) {
    if is_unassigned(&value) {
        remove(attributes, path);
    } else {
        set(attributes, path, value);
    }
}

/// Removes a value; an object or extension that is empty then goes as well.
fn remove(attributes: &mut Map<String, Value>, path: &AttributePath) {
    match path.extension() {
        None => remove_in(attributes, path),
        Some(urn) => {
            if let Some(Value::Object(object)) = attributes.get_mut(urn) {
                remove_in(object, path);
                if object.is_empty() {
                    attributes.remove(urn);
                }
            }
        }
    }
}

fn remove_in(object: &mut Map<String, Value>, path: &AttributePath) {
    let Some(sub) = path.sub() else {
        object.remove(path.name());
        return;
    };
    if let Some(Value::Object(parent)) = object.get_mut(path.name()) {
        parent.remove(sub);
        if parent.is_empty() {
            object.remove(path.name());
        }
    }
}

/// An immutable attribute that had a value keeps it (RFC 7643 §7); for the elements of lists see [`Elements`].
fn check_immutable(
    schema: &ResourceSchema,
    before: &Resource,
    after: &Resource,
) -> Result<(), Error> {
    for (path, attribute) in schema.each() {
        let subs = attribute
            .sub_attributes
            .iter()
            .filter(|_| !attribute.multi_valued)
            .map(|sub| (path.child(&sub.name), sub.mutability));
        let own = std::iter::once((path.clone(), attribute.mutability));
        for (path, mutability) in own.chain(subs) {
            let old = before.get(&path);
            if mutability == Mutability::Immutable && old.is_some() && old != after.get(&path) {
                return Err(elements::immutable(&path));
            }
        }
    }
    Ok(())
}

fn touched(schema: &ResourceSchema, before: &Resource, after: &Resource) -> Vec<AttributePath> {
    schema
        .each()
        .map(|(path, _)| path)
        .filter(|path| before.get(path) != after.get(path))
        .collect()
}
