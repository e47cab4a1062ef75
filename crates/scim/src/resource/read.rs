//! From a client's JSON to checked values.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::identity::merge_duplicates;
use super::required::check_required;
use super::scalar::{is_primary, one_primary, role_of_json, scalar};
use super::{Draft, Password, Resource};
use crate::dialect::{Dialect, Reading, Repairs, Rule};
use crate::error::Error;
use crate::path::AttributePath;
use crate::schema::{Attribute, Found, Mutability, ResourceSchema, ResourceType, Type};

/// Most elements of one list; members of groups are not counted, they are rows.
pub(crate) const ELEMENTS: usize = 2_000;

/// Whether the path is the member list of groups, whose entries are rows of their own.
pub(crate) fn is_members(schema: &ResourceSchema, path: &AttributePath) -> bool {
    schema.kind() == ResourceType::Group && path.extension().is_none() && path.name() == "members"
}

/// Whether the path is the password of users.
pub(crate) fn is_password(schema: &ResourceSchema, path: &AttributePath) -> bool {
    schema.kind() == ResourceType::User && path.extension().is_none() && path.name() == "password"
}

/// Whether a value means "unassigned" (RFC 7643 §2.5).
pub(crate) fn is_unassigned(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(elements) => elements.is_empty(),
        Value::Object(object) => object.is_empty(),
        _ => false,
    }
}

/// Reads values of one resource type, repairing what the dialect lets it repair.
pub(crate) struct Reader<'a> {
    pub(crate) schema: &'a ResourceSchema,
    pub(crate) reading: Reading,
    pub(crate) repairs: &'a mut Repairs,
}

/// The attributes that a JSON object has named so far.
pub(crate) type Named = HashSet<AttributePath>;

/// The body of a POST or PUT while it is read.
struct Body {
    draft: Draft,
    named: Named,
    /// The URNs in `schemas`; `None` where there is no such list.
    urns: Option<Vec<String>>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        schema: &'a ResourceSchema,
        reading: Reading,
        repairs: &'a mut Repairs,
    ) -> Self {
        Self {
            schema,
            reading,
            repairs,
        }
    }

    pub(crate) fn lenient(&self) -> bool {
        self.reading.dialect == Dialect::Lenient
    }

    /// Reads the body of a POST or PUT.
    pub(crate) fn draft(mut self, body: Value) -> Result<Draft, Error> {
        let Value::Object(object) = body else {
            return Err(Error::invalid_syntax("the body is a JSON object"));
        };
        let mut body = Body {
            draft: Draft {
                resource: Resource::default(),
                members: Vec::new(),
                password: None,
                named: Vec::new(),
            },
            named: Named::new(),
            urns: None,
        };
        for (key, value) in object {
            self.entry(&mut body, &key, value)?;
        }
        let Body {
            mut draft,
            named,
            urns,
        } = body;
        if !self.lenient() {
            self.check_schemas(&draft.resource, urns.as_deref())?;
        }
        check_required(self.schema, &draft.resource, None)?;
        draft.named = named.into_iter().collect();
        draft.named.sort();
        Ok(draft)
    }

    /// A strict body names every schema that it uses (RFC 7643 §3).
    fn check_schemas(&self, resource: &Resource, urns: Option<&[String]>) -> Result<(), Error> {
        let urns = urns.ok_or_else(|| Error::invalid_syntax("the body has no schemas"))?;
        let missing = resource
            .schemas(self.schema)
            .find(|used| urns.iter().all(|urn| urn != used));
        match missing {
            None => Ok(()),
            Some(urn) => Err(Error::invalid_syntax(format!(
                "schemas does not name {urn}, which the body uses"
            ))),
        }
    }

    fn entry(&mut self, body: &mut Body, key: &str, value: Value) -> Result<(), Error> {
        if key.eq_ignore_ascii_case("schemas") {
            body.urns = Some(self.urns(value)?);
            return Ok(());
        }
        if let Some(urn) = self.extension_urn(key) {
            return self.extension(body, &urn, value);
        }
        match self.key(key)? {
            Some(found) => self.store(body, &found, value),
            None => Ok(()),
        }
    }

    /// The URN of the extension that a key names.
    pub(crate) fn extension_urn(&mut self, key: &str) -> Option<String> {
        let dialect = self.reading.dialect;
        let extension = self.schema.extension_as(key, dialect, self.repairs)?;
        Some(extension.id.clone())
    }

    /// Notes that an attribute was named twice in one object, or refuses it.
    pub(crate) fn once(&mut self, named: &mut Named, path: &AttributePath) -> Result<(), Error> {
        if named.insert(path.clone()) {
            return Ok(());
        }
        if !self.lenient() {
            return Err(Error::invalid_syntax(format!("{path} is named twice")));
        }
        self.repairs.note(Rule::DuplicateKey, &path.to_string());
        Ok(())
    }

    /// The attribute of a key; `None` where it is unknown and was dropped.
    pub(crate) fn key(&mut self, key: &str) -> Result<Option<Found<'a>>, Error> {
        if let Some(attribute) = self.schema.top_level_attribute(key) {
            return Ok(Some(Found {
                path: AttributePath::new(None, &attribute.name, None),
                attribute,
                sub_attribute: None,
            }));
        }
        if !self.lenient() {
            return self.unknown(key).map(|()| None);
        }
        match self.schema.find_as(key, Dialect::Lenient, self.repairs) {
            Some(found) => {
                self.repairs.note(Rule::QualifiedKey, key);
                Ok(Some(found))
            }
            None => self.unknown(key).map(|()| None),
        }
    }

    /// Drops an unknown attribute, or refuses it.
    pub(crate) fn unknown(&mut self, key: &str) -> Result<(), Error> {
        if !self.lenient() {
            return Err(Error::invalid_syntax(
                "the body has an attribute that no schema of this resource type declares",
            ));
        }
        let is_password =
            self.schema.kind() == ResourceType::User && key.eq_ignore_ascii_case("password");
        let rule = if is_password {
            Rule::PasswordDropped
        } else {
            Rule::Unknown
        };
        self.repairs.note(rule, key);
        Ok(())
    }

    /// Reads a list of schema URNs.
    ///
    /// Unknown ones are dropped: Entra names a legacy schema for groups.
    pub(crate) fn urns(&mut self, value: Value) -> Result<Vec<String>, Error> {
        let path = AttributePath::new(None, "schemas", None);
        let mut urns = Vec::new();
        for element in self.elements(&path, value)? {
            let Value::String(text) = element else {
                if !self.lenient() {
                    return Err(Error::invalid_value("schemas is a list of URNs"));
                }
                self.repairs.note(Rule::Unknown, "schemas");
                continue;
            };
            match self
                .schema
                .urn_as(&text, self.reading.dialect, self.repairs)
            {
                Some(urn) => urns.push(urn),
                None => self.unknown(&text)?,
            }
        }
        Ok(urns)
    }

    fn extension(&mut self, body: &mut Body, urn: &str, value: Value) -> Result<(), Error> {
        let object = match value {
            Value::Null => return Ok(()),
            Value::Object(object) => object,
            _ => return Err(Error::invalid_value(format!("{urn} holds an object"))),
        };
        for (key, value) in object {
            if let Some(found) = self.extension_key(urn, &key)? {
                self.store(body, &found, value)?;
            }
        }
        Ok(())
    }

    /// The attribute of a key inside an extension; `None` where it was dropped.
    ///
    /// A `schemas` there is nobody's attribute, and some clients send it.
    pub(crate) fn extension_key(
        &mut self,
        urn: &str,
        key: &str,
    ) -> Result<Option<Found<'a>>, Error> {
        if key.eq_ignore_ascii_case("schemas") {
            return Ok(None);
        }
        let attribute = self
            .schema
            .extension(urn)
            .and_then(|extension| extension.attribute(key));
        match attribute {
            Some(attribute) => Ok(Some(Found {
                path: AttributePath::new(Some(urn), &attribute.name, None),
                attribute,
                sub_attribute: None,
            })),
            None => self.unknown(key).map(|()| None),
        }
    }

    fn store(&mut self, body: &mut Body, found: &Found<'_>, value: Value) -> Result<(), Error> {
        self.once(&mut body.named, &found.path)?;
        let draft = &mut body.draft;
        if found.leaf().mutability == Mutability::ReadOnly {
            self.ignored(found, &value);
            return Ok(());
        }
        if is_members(self.schema, &found.path) {
            draft.members = self.members(value)?;
            return Ok(());
        }
        if is_password(self.schema, &found.path) {
            draft.password = password(value)?;
            if draft.password.is_some() && !self.takes_password()? {
                draft.password = None;
            }
            return Ok(());
        }
        if let Some(value) = self.value(found.leaf(), &found.path, value)? {
            set(draft.resource.attributes_mut(), &found.path, value);
        }
        Ok(())
    }

    /// Whether the directory takes passwords; where it does not, notes that one was dropped, or refuses it.
    pub(crate) fn takes_password(&mut self) -> Result<bool, Error> {
        if self.reading.passwords {
            return Ok(true);
        }
        if !self.lenient() {
            return Err(Error::invalid_syntax(
                "this directory has no attribute password",
            ));
        }
        self.repairs.note(Rule::PasswordDropped, "password");
        Ok(false)
    }

    /// Notes that a value for an attribute of the server was not used.
    pub(crate) fn ignored(&mut self, found: &Found<'_>, value: &Value) {
        if !is_unassigned(value) {
            self.repairs.note(Rule::ReadOnly, &found.path.to_string());
        }
    }

    /// Reads the value of an attribute; `None` is unassigned.
    pub(crate) fn value(
        &mut self,
        attribute: &Attribute,
        path: &AttributePath,
        value: Value,
    ) -> Result<Option<Value>, Error> {
        if attribute.multi_valued {
            return self.list(attribute, path, value);
        }
        match value {
            Value::Array(elements) if elements.is_empty() => Ok(None),
            Value::Array(mut elements) if elements.len() == 1 && self.lenient() => {
                self.repairs.note(Rule::BareValue, &path.to_string());
                self.element(attribute, path, elements.pop().unwrap_or_default())
            }
            value => self.element(attribute, path, value),
        }
    }

    fn list(
        &mut self,
        attribute: &Attribute,
        path: &AttributePath,
        value: Value,
    ) -> Result<Option<Value>, Error> {
        let elements = self.elements(path, value)?;
        if elements.len() > ELEMENTS {
            return Err(Error::invalid_value(format!(
                "{path} has more than {ELEMENTS} values"
            )));
        }
        let mut values = Vec::with_capacity(elements.len());
        for element in elements {
            values.extend(self.element(attribute, path, element)?);
        }
        if attribute.kind == Type::Complex
            && let Some(kept) = merge_duplicates(attribute, &mut values)
        {
            self.repairs.note(Rule::DuplicateElement, &path.to_string());
            let mut kept = kept.into_iter();
            values.retain(|_| kept.next().unwrap_or(true));
        }
        if values.iter().filter(|value| is_primary(value)).count() > 1 {
            if !self.lenient() {
                return Err(Error::invalid_value(format!(
                    "{path} has more than one primary value"
                )));
            }
            self.repairs.note(Rule::ManyPrimaries, &path.to_string());
            one_primary(&mut values);
        }
        Ok(Some(Value::Array(values)).filter(|list| !is_unassigned(list)))
    }

    /// The elements of a list; one value alone is a list of one (repair 9).
    pub(crate) fn elements(
        &mut self,
        path: &AttributePath,
        value: Value,
    ) -> Result<Vec<Value>, Error> {
        match value {
            Value::Null => Ok(Vec::new()),
            Value::Array(elements) => Ok(elements),
            value if self.lenient() => {
                self.repairs.note(Rule::SingleForList, &path.to_string());
                Ok(vec![value])
            }
            _ => Err(Error::invalid_value(format!("{path} is a list"))),
        }
    }

    /// Reads one value: an element of a list, or the only one.
    pub(crate) fn element(
        &mut self,
        attribute: &Attribute,
        path: &AttributePath,
        value: Value,
    ) -> Result<Option<Value>, Error> {
        if value.is_null() {
            return Ok(None);
        }
        if attribute.kind != Type::Complex {
            return scalar(self, attribute, path, value);
        }
        match value {
            Value::Object(object) => self.object(attribute, path, object),
            // Entra clears a manager with an empty text.
            Value::String(text) if text.is_empty() && self.lenient() => {
                self.repairs.note(Rule::BareValue, &path.to_string());
                Ok(None)
            }
            value @ (Value::String(_) | Value::Number(_))
                if self.lenient() && attribute.has_value() =>
            {
                self.repairs.note(Rule::BareValue, &path.to_string());
                let object = Map::from_iter([("value".to_owned(), value)]);
                self.object(attribute, path, object)
            }
            _ => Err(Error::invalid_value(format!("{path} holds objects"))),
        }
    }

    fn object(
        &mut self,
        attribute: &Attribute,
        path: &AttributePath,
        mut object: Map<String, Value>,
    ) -> Result<Option<Value>, Error> {
        if self.reading.json_roles && is_right(path) && role_of_json(&mut object) {
            self.repairs
                .note(Rule::JsonInText, &path.child("value").to_string());
        }
        let mut named = Named::new();
        let mut result = Map::new();
        let (mut reference, mut emptied) = (None, false);
        for (key, value) in object {
            let Some(sub) = attribute.sub_attribute(&key) else {
                self.unknown(&format!("{path}.{key}"))?;
                continue;
            };
            let sub_path = path.child(&sub.name);
            self.once(&mut named, &sub_path)?;
            if sub.mutability == Mutability::ReadOnly {
                if !is_unassigned(&value) {
                    self.repairs.note(Rule::ReadOnly, &sub_path.to_string());
                }
                continue;
            }
            if sub.name == "$ref" && attribute.refers_to().is_some() {
                reference = value.as_str().map(str::to_owned);
                continue;
            }
            let is_empty = value.as_str().is_some_and(str::is_empty);
            match self.value(sub, &sub_path, value)? {
                Some(value) => {
                    result.insert(sub.name.clone(), value);
                }
                None => emptied |= sub.name == "value" && is_empty,
            }
        }
        if let Some(reference) = reference {
            self.reference(path, &mut result, &reference);
        }
        // JumpCloud sends photos that are `{"type": "photo", "value": ""}`.
        if emptied && attribute.multi_valued {
            return Ok(None);
        }
        Ok(Some(Value::Object(result)).filter(|object| !is_unassigned(object)))
    }

    /// What a `$ref` says that follows from the `value`: the value itself where that is missing, else nothing.
    fn reference(
        &mut self,
        path: &AttributePath,
        object: &mut Map<String, Value>,
        reference: &str,
    ) {
        let id = reference_id(reference);
        match (object.get("value"), id) {
            (None, Some(id)) => {
                object.insert("value".to_owned(), Value::from(id));
            }
            (Some(value), Some(id)) if value.as_str() == Some(id) => {}
            _ => self
                .repairs
                .note(Rule::ReadOnly, &path.child("$ref").to_string()),
        }
    }
}

/// Whether the attribute is a list of things that a person may do.
fn is_right(path: &AttributePath) -> bool {
    path.extension().is_none() && matches!(path.name(), "roles" | "entitlements")
}

/// The id of the resource whose URL this is.
pub(crate) fn reference_id(reference: &str) -> Option<&str> {
    let (_, id) = reference
        .rsplit_once("Users/")
        .or_else(|| reference.rsplit_once("Groups/"))?;
    (!id.is_empty() && !id.contains(['/', '?', '#', '%', '\0'])).then_some(id)
}

/// Reads a password; empty and unassigned are none.
pub(crate) fn password(value: Value) -> Result<Option<Password>, Error> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.is_empty() => Ok(None),
        Value::String(text) => Ok(Some(Password::new(text))),
        _ => Err(Error::invalid_value("password holds text")),
    }
}

/// Stores a value at a path; the objects on the way are made.
pub(crate) fn set(attributes: &mut Map<String, Value>, path: &AttributePath, value: Value) {
    let object = match path.extension() {
        None => Some(attributes),
        Some(urn) => child(attributes, urn),
    };
    let Some(object) = object else { return };
    match path.sub() {
        None => {
            object.insert(path.name().to_owned(), value);
        }
        Some(sub) => {
            if let Some(object) = child(object, path.name()) {
                object.insert(sub.to_owned(), value);
            }
        }
    }
}

fn child<'a>(object: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    object
        .entry(name)
        .or_insert_with(|| Value::Object(Map::new()))
        .as_object_mut()
}
