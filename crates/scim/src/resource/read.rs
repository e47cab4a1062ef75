//! From a client's JSON to checked values.

use serde_json::{Map, Value};

use super::scalar::{is_primary, one_primary, scalar};
use super::{Draft, Password, Resource};
use crate::dialect::{Dialect, Repairs, Rule};
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
    pub(crate) dialect: Dialect,
    pub(crate) repairs: &'a mut Repairs,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        schema: &'a ResourceSchema,
        dialect: Dialect,
        repairs: &'a mut Repairs,
    ) -> Self {
        Self {
            schema,
            dialect,
            repairs,
        }
    }

    pub(crate) fn lenient(&self) -> bool {
        self.dialect == Dialect::Lenient
    }

    /// Reads the body of a POST or PUT.
    pub(crate) fn draft(mut self, body: Value) -> Result<Draft, Error> {
        let Value::Object(body) = body else {
            return Err(Error::invalid_syntax("the body is a JSON object"));
        };
        let mut draft = Draft {
            resource: Resource::default(),
            members: Vec::new(),
            password: None,
        };
        for (key, value) in body {
            self.entry(&mut draft, &key, value)?;
        }
        check_required(self.schema, &draft.resource)?;
        Ok(draft)
    }

    fn entry(&mut self, draft: &mut Draft, key: &str, value: Value) -> Result<(), Error> {
        if key.eq_ignore_ascii_case("schemas") {
            return self.schemas(&value);
        }
        if let Some(urn) = self.schema.extension(key).map(|schema| schema.id.clone()) {
            return self.extension(draft, &urn, value);
        }
        match self.key(key)? {
            Some(found) => self.store(draft, &found, value),
            None => Ok(()),
        }
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
        match self.schema.find(key) {
            Some(found) if self.lenient() => {
                self.repairs.note(Rule::QualifiedKey, key);
                Ok(Some(found))
            }
            _ => self.unknown(key).map(|()| None),
        }
    }

    /// Drops an unknown attribute, or refuses it.
    pub(crate) fn unknown(&mut self, key: &str) -> Result<(), Error> {
        if !self.lenient() {
            return Err(Error::invalid_syntax(
                "the body has an attribute that no schema of this resource type declares",
            ));
        }
        self.repairs.note(Rule::Unknown, key);
        Ok(())
    }

    /// Unknown URNs are dropped: Entra names a legacy schema for groups, OneLogin one of SCIM 1.1.
    fn schemas(&mut self, value: &Value) -> Result<(), Error> {
        let urns = match value {
            Value::Array(urns) => urns.as_slice(),
            value => std::slice::from_ref(value),
        };
        for urn in urns.iter().filter_map(Value::as_str) {
            if self.schema.urn(urn).is_none() {
                self.unknown(urn)?;
            }
        }
        Ok(())
    }

    fn extension(&mut self, draft: &mut Draft, urn: &str, value: Value) -> Result<(), Error> {
        let object = match value {
            Value::Null => return Ok(()),
            Value::Object(object) => object,
            _ => return Err(Error::invalid_value(format!("{urn} holds an object"))),
        };
        for (key, value) in object {
            if let Some(found) = self.extension_key(urn, &key)? {
                self.store(draft, &found, value)?;
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

    fn store(&mut self, draft: &mut Draft, found: &Found<'_>, value: Value) -> Result<(), Error> {
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
            return Ok(());
        }
        if let Some(value) = self.value(found.leaf(), &found.path, value)? {
            set(draft.resource.attributes_mut(), &found.path, value);
        }
        Ok(())
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
            return scalar(self, attribute, path, value).map(Some);
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
        object: Map<String, Value>,
    ) -> Result<Option<Value>, Error> {
        let mut result = Map::new();
        for (key, value) in object {
            let Some(sub) = attribute.sub_attribute(&key) else {
                self.unknown(&format!("{path}.{key}"))?;
                continue;
            };
            if sub.mutability == Mutability::ReadOnly {
                continue;
            }
            if let Some(value) = self.value(sub, &path.child(&sub.name), value)? {
                result.insert(sub.name.clone(), value);
            }
        }
        Ok(Some(Value::Object(result)).filter(|object| !is_unassigned(object)))
    }
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

/// Fails where a required attribute is missing or empty.
pub(crate) fn check_required(schema: &ResourceSchema, resource: &Resource) -> Result<(), Error> {
    let attributes = resource.attributes();
    for attribute in schema.top_level().filter(|attribute| attribute.required) {
        check_present(&attribute.name, attributes.get(&attribute.name))?;
    }
    for extension in schema.extensions() {
        let Some(object) = attributes.get(&extension.id) else {
            continue;
        };
        for attribute in extension
            .attributes
            .iter()
            .filter(|attribute| attribute.required)
        {
            check_present(&attribute.name, object.get(&attribute.name))?;
        }
    }
    Ok(())
}

fn check_present(name: &str, value: Option<&Value>) -> Result<(), Error> {
    match value {
        None | Some(Value::Null) => Err(Error::invalid_value(format!("{name} is required"))),
        Some(Value::String(text)) if text.trim().is_empty() => {
            Err(Error::invalid_value(format!("{name} is empty")))
        }
        Some(_) => Ok(()),
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
