//! From the current resource and a change to the change set.

use serde_json::{Map, Value};

use super::elements::{Elements, Work};
use super::{Action, Body, Change, ChangeSet, MemberChange, Operation, PasswordChange};
use crate::dialect::{Dialect, Repairs};
use crate::error::Error;
use crate::path::{AttributePath, Path};
use crate::resource::{Draft, Resource, check_required, is_unassigned, set};
use crate::schema::{Attribute, Mutability, ResourceSchema, ResourceType};

/// Applies a change; the result is checked as a whole, so that the order of operations does not matter for it.
pub(super) fn apply(change: &Change, current: &Resource) -> Result<ChangeSet, Error> {
    let schema = &change.schema;
    let mut set = match &change.body {
        Body::Put(draft) => put(draft, schema, current),
        Body::Patch(operations) => patch(operations, schema, change.dialect, current)?,
    };
    check_required(schema, &set.resource)?;
    check_immutable(schema, current, &set.resource)?;
    set.touched = touched(schema, current, &set.resource);
    Ok(set)
}

/// What the client left out is cleared, but for `active` and the password: an update of a name must neither
/// reactivate a person nor lock them out.
fn put(draft: &Draft, schema: &ResourceSchema, current: &Resource) -> ChangeSet {
    let mut resource = draft.resource.clone();
    let attributes = resource.attributes_mut();
    let kept = schema.top_level().filter(|attribute| {
        attribute.mutability == Mutability::ReadOnly || attribute.name == "active"
    });
    for attribute in kept {
        keep(
            attributes,
            current,
            &AttributePath::new(None, &attribute.name, None),
        );
    }
    for extension in schema.extensions() {
        let read_only = |attribute: &&Attribute| attribute.mutability == Mutability::ReadOnly;
        for attribute in extension.attributes.iter().filter(read_only) {
            let path = AttributePath::new(Some(&extension.id), &attribute.name, None);
            keep(attributes, current, &path);
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
    let absent = match path.extension() {
        None => !attributes.contains_key(path.name()),
        Some(urn) => attributes
            .get(urn)
            .and_then(|object| object.get(path.name()))
            .is_none(),
    };
    if let Some(value) = current.get(path).filter(|_| absent) {
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
    Ok(set)
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
                let mut elements = take_list(self.schema, attributes, list, self.work)?;
                elements.select(target, action, self.dialect, self.repairs)?;
                put_back(attributes, list, elements.into_value());
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
        let multi_valued = self
            .schema
            .at(path)
            .is_some_and(|found| found.attribute.multi_valued);
        if !multi_valued {
            match action {
                Action::Add(value) | Action::Replace(value) => set(attributes, path, value.clone()),
                _ => remove(attributes, path),
            }
            return Ok(());
        }
        let list = path.parent();
        let mut elements = take_list(self.schema, attributes, &list, self.work)?;
        match path.sub() {
            None => elements.change(action)?,
            Some(sub) => elements.change_each(sub, action),
        }
        put_back(attributes, &list, elements.into_value());
        Ok(())
    }
}

fn take_list<'a>(
    schema: &ResourceSchema,
    attributes: &mut Map<String, Value>,
    path: &AttributePath,
    work: &'a mut Work,
) -> Result<Elements<'a>, Error> {
    let value = match path.extension() {
        None => attributes.get_mut(path.name()),
        Some(urn) => attributes
            .get_mut(urn)
            .and_then(Value::as_object_mut)
            .and_then(|object| object.get_mut(path.name())),
    };
    let case_exact = schema
        .at(path)
        .is_some_and(|found| found.attribute.case_exact);
    Elements::new(path, value.map(Value::take), case_exact, work)
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

/// An immutable attribute that had a value keeps it (RFC 7643 §7).
fn check_immutable(
    schema: &ResourceSchema,
    before: &Resource,
    after: &Resource,
) -> Result<(), Error> {
    let check = |urn: Option<&str>, attribute: &Attribute| {
        let path = AttributePath::new(urn, &attribute.name, None);
        let subs = attribute
            .sub_attributes
            .iter()
            .filter(|_| !attribute.multi_valued);
        let own = std::iter::once((path.clone(), attribute.mutability));
        let all = own.chain(subs.map(|sub| (path.child(&sub.name), sub.mutability)));
        for (path, mutability) in all {
            let old = before.get(&path);
            if mutability == Mutability::Immutable && old.is_some() && old != after.get(&path) {
                return Err(Error::mutability(format!(
                    "{path} does not change once it is set"
                )));
            }
        }
        Ok(())
    };
    for attribute in schema.top_level() {
        check(None, attribute)?;
    }
    for extension in schema.extensions() {
        for attribute in &extension.attributes {
            check(Some(&extension.id), attribute)?;
        }
    }
    Ok(())
}

fn touched(schema: &ResourceSchema, before: &Resource, after: &Resource) -> Vec<AttributePath> {
    let top = schema
        .top_level()
        .map(|attribute| AttributePath::new(None, &attribute.name, None));
    let extended = schema.extensions().iter().flat_map(|extension| {
        let path =
            |attribute: &Attribute| AttributePath::new(Some(&extension.id), &attribute.name, None);
        extension.attributes.iter().map(path)
    });
    top.chain(extended)
        .filter(|path| before.get(path) != after.get(path))
        .collect()
}
