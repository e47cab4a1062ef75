//! Which attributes an answer carries (RFC 7644 §3.9, RFC 7643 §7 `returned`).

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::directory::{Load, Stored, Wanted};
use crate::path::AttributePath;
use crate::schema::{Attribute, Mutability, ResourceSchema, ResourceType, Returned};

impl Stored {
    /// The whole resource with everything the server adds, before projection; `base` is the URL of the directory.
    pub fn document(&self, schema: &ResourceSchema, base: &str) -> Map<String, Value> {
        let kind = schema.kind();
        let mut document = self.resource.attributes().clone();
        put_references(&mut document, schema, base);
        let schemas: Vec<&str> = self.resource.schemas(schema).collect();
        document.insert("schemas".to_owned(), json!(schemas));
        document.insert("id".to_owned(), json!(self.id));
        document.insert(
            "meta".to_owned(),
            json!({
                "resourceType": kind.name(),
                "created": self.created.to_string(),
                "lastModified": self.last_modified.to_string(),
                "location": self.location(kind, base),
                "version": self.etag(),
            }),
        );
        if let Some(members) = self.members.as_ref().filter(|members| !members.is_empty()) {
            let members = members.iter().map(|member| member.to_json(base)).collect();
            document.insert("members".to_owned(), Value::Array(members));
        }
        if let Some(groups) = self.groups.as_ref().filter(|groups| !groups.is_empty()) {
            let groups = groups.iter().map(|group| group.to_json(base)).collect();
            document.insert("groups".to_owned(), Value::Array(groups));
        }
        document
    }

    /// The URL of the resource.
    pub fn location(&self, kind: ResourceType, base: &str) -> String {
        format!("{base}/{}/{}", kind.endpoint(), self.id)
    }

    /// The entity tag: weak, because the bytes of an answer depend on its projection.
    pub fn etag(&self) -> String {
        format!("W/\"{}\"", self.version)
    }
}

/// The choice of attributes for one answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Projection(Choice);

#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Choice {
    #[default]
    Default,
    Only(BTreeSet<Name>),
    Except(BTreeSet<Name>),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Schema(Option<String>),
    Attribute(AttributePath),
}

impl Projection {
    /// The choice that `attributes` and `excludedAttributes` make for one resource type.
    ///
    /// Names that the schema does not know are ignored. Where a client sends both, `attributes` counts.
    /// A choice of elements in `attributes`, which the standard does not have, chooses the whole attribute.
    pub fn new(attributes: &[String], excluded: &[String], schema: &ResourceSchema) -> Self {
        let is_given = |names: &[String]| names.iter().any(|name| !name.trim().is_empty());
        Self(if is_given(attributes) {
            let attributes: Vec<String> = attributes.iter().map(|text| whole(text)).collect();
            Choice::Only(names(&attributes, schema))
        } else if is_given(excluded) {
            Choice::Except(names(excluded, schema))
        } else {
            Choice::Default
        })
    }

    /// Whether the client chose attributes by name; a PATCH is then answered with a body.
    pub fn is_chosen(&self) -> bool {
        matches!(self.0, Choice::Only(_))
    }

    /// Whether the answer carries this top-level attribute, or a part of it.
    pub fn carries(&self, name: &str) -> bool {
        let whole = AttributePath::new(None, name, None);
        match &self.0 {
            Choice::Default => true,
            Choice::Only(names) => names.iter().any(|chosen| match chosen {
                Name::Schema(extension) => extension.is_none(),
                Name::Attribute(path) => path.parent() == whole,
            }),
            Choice::Except(names) => {
                !names.contains(&Name::Attribute(whole)) && !names.contains(&Name::Schema(None))
            }
        }
    }

    /// Which lists the answer needs, with `load` for those that it carries.
    pub fn wanted(&self, kind: ResourceType, load: Load) -> Wanted {
        let mut wanted = Wanted::NOTHING;
        match kind {
            ResourceType::User if self.carries("groups") => wanted.groups = load,
            ResourceType::Group if self.carries("members") => wanted.members = load,
            _ => {}
        }
        wanted
    }

    /// Takes what is not chosen out of a document.
    ///
    /// `touched` are the attributes that the request names ([`Draft::named`](crate::Draft::named),
    /// [`Change::named`](crate::Change::named)): those that are `returned: request` are shown then, too.
    pub fn apply(
        &self,
        document: Map<String, Value>,
        schema: &ResourceSchema,
        touched: &[AttributePath],
    ) -> Map<String, Value> {
        let mut result = Map::new();
        for (key, value) in document {
            let kept = match (schema.extension(&key), value) {
                (Some(extension), Value::Object(object)) => {
                    let mut kept = Map::new();
                    for (name, value) in object {
                        let Some(attribute) = extension.attribute(&name) else {
                            continue;
                        };
                        let path = AttributePath::new(Some(&extension.id), &name, None);
                        if let Some(value) =
                            self.attribute(&path, attribute, value, touched, schema)
                        {
                            kept.insert(name, value);
                        }
                    }
                    Some(Value::Object(kept))
                        .filter(|kept| kept.as_object().is_some_and(|kept| !kept.is_empty()))
                }
                (_, value) => schema.top_level_attribute(&key).and_then(|attribute| {
                    let path = AttributePath::new(None, &key, None);
                    self.attribute(&path, attribute, value, touched, schema)
                }),
            };
            if let Some(value) = kept {
                result.insert(key, value);
            }
        }
        result
    }

    fn attribute(
        &self,
        path: &AttributePath,
        attribute: &Attribute,
        value: Value,
        touched: &[AttributePath],
        schema: &ResourceSchema,
    ) -> Option<Value> {
        let whole = match attribute.returned {
            Returned::Never => return None,
            Returned::Always => true,
            Returned::Request => (self.names(path) && !self.excludes()) || touched.contains(path),
            Returned::Default => match &self.0 {
                Choice::Default => true,
                Choice::Only(_) => self.names(path) || self.names_schema(path, schema),
                Choice::Except(_) => !self.names(path) && !self.names_schema(path, schema),
            },
        };
        if attribute.sub_attributes.is_empty() {
            return whole.then_some(value);
        }
        let parts = &attribute.sub_attributes;
        let some = whole
            || (!self.excludes() && parts.iter().any(|sub| self.names(&path.child(&sub.name))));
        let keep = |name: &str| {
            let sub_path = path.child(name);
            let sub = attribute.sub_attribute(name);
            let returned = sub.map_or(Returned::Default, |sub| sub.returned);
            // What only the server writes was not written with the attribute.
            let written = touched.contains(&sub_path)
                || (sub.is_some_and(|sub| sub.mutability != Mutability::ReadOnly)
                    && touched.contains(path));
            match (returned, &self.0) {
                (Returned::Never, _) => false,
                // What is always returned comes with its attribute.
                (Returned::Always, _) => some,
                (Returned::Request, Choice::Default | Choice::Except(_)) => whole && written,
                (Returned::Request, Choice::Only(_)) => self.names(&sub_path) || (whole && written),
                (Returned::Default, Choice::Default) => whole,
                (Returned::Default, Choice::Only(_)) => whole || self.names(&sub_path),
                (Returned::Default, Choice::Except(_)) => whole && !self.names(&sub_path),
            }
        };
        keep_parts(value, &keep)
    }

    fn excludes(&self) -> bool {
        matches!(self.0, Choice::Except(_))
    }

    /// Whether the client named this attribute, to have it or to leave it out.
    fn names(&self, path: &AttributePath) -> bool {
        match &self.0 {
            Choice::Default => false,
            Choice::Only(names) | Choice::Except(names) => {
                names.contains(&Name::Attribute(path.clone()))
            }
        }
    }

    /// Whether the client named the schema of this attribute.
    fn names_schema(&self, path: &AttributePath, schema: &ResourceSchema) -> bool {
        // The common attributes are of no schema (RFC 7643 §3.1).
        if path.extension().is_none() && schema.core().attribute(path.name()).is_none() {
            return false;
        }
        let name = || Name::Schema(path.extension().map(str::to_owned));
        match &self.0 {
            Choice::Default => false,
            Choice::Only(names) | Choice::Except(names) => names.contains(&name()),
        }
    }
}

/// The names without choices of elements, such as `emails[type eq "work"]`.
///
/// RFC 7644 §3.9 knows no such thing, and Microsoft's test collection asks so: who chooses an element gets all of them,
/// not none.
fn whole(text: &str) -> String {
    let mut inside = false;
    let mut outside = |character: &char| {
        inside = *character == '[' || (inside && *character != ']');
        !inside && *character != ']'
    };
    text.chars()
        .filter(|character| outside(character))
        .collect()
}

fn names(texts: &[String], schema: &ResourceSchema) -> BTreeSet<Name> {
    texts
        .iter()
        .flat_map(|text| text.split(','))
        .filter_map(|text| {
            let text = text.trim();
            if schema.core().id.eq_ignore_ascii_case(text) {
                return Some(Name::Schema(None));
            }
            if let Some(extension) = schema.extension(text) {
                return Some(Name::Schema(Some(extension.id.clone())));
            }
            schema.find(text).map(|found| Name::Attribute(found.path))
        })
        .collect()
}

/// Makes the references that follow from a value beside them, whatever was stored once.
fn put_references(document: &mut Map<String, Value>, schema: &ResourceSchema, base: &str) {
    for (path, attribute) in schema.each() {
        let Some(kind) = attribute.refers_to() else {
            continue;
        };
        // Groups of users are made with their references.
        if attribute.mutability == Mutability::ReadOnly {
            continue;
        }
        let object = match path.extension() {
            None => Some(&mut *document),
            Some(urn) => document.get_mut(urn).and_then(Value::as_object_mut),
        };
        let Some(value) = object.and_then(|object| object.get_mut(path.name())) else {
            continue;
        };
        let elements = match value {
            Value::Array(elements) => elements.as_mut_slice(),
            value => std::slice::from_mut(value),
        };
        for element in elements.iter_mut().filter_map(Value::as_object_mut) {
            let id = element.get("value").and_then(Value::as_str);
            let reference = id.map(|id| format!("{base}/{}/{}", kind.endpoint(), segment(id)));
            match reference {
                Some(reference) => element.insert("$ref".to_owned(), Value::from(reference)),
                None => element.remove("$ref"),
            };
        }
    }
}

/// A text as one segment of a URL's path (RFC 3986 §3.3).
fn segment(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(segment, "%{byte:02X}");
        }
    }
    segment
}

/// The parts of a complex value, or of every element of a list, that are kept.
fn keep_parts(value: Value, keep: &dyn Fn(&str) -> bool) -> Option<Value> {
    match value {
        Value::Object(object) => {
            let kept: Map<String, Value> =
                object.into_iter().filter(|(name, _)| keep(name)).collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Array(elements) => {
            let kept: Vec<Value> = elements
                .into_iter()
                .filter_map(|element| keep_parts(element, keep))
                .collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        _ => None,
    }
}
