//! Which attributes an answer carries (RFC 7644 §3.9, RFC 7643 §7 `returned`).

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::directory::{GROUPS_MARK, Load, Stored, Wanted};
use crate::path::AttributePath;
use crate::resource::Membership;
use crate::schema::{Attribute, Mutability, ResourceSchema, ResourceType, Returned};

impl Stored {
    /// The whole resource with everything the server adds, before projection; `base` is the URL of the directory.
    pub fn document(&self, schema: &ResourceSchema, base: &str) -> Map<String, Value> {
        self.clone().into_document(schema, base)
    }

    /// As [`document`](Self::document), of a resource that is needed no more.
    pub fn into_document(self, schema: &ResourceSchema, base: &str) -> Map<String, Value> {
        let kind = schema.kind();
        let schemas = self.resource.schemas(schema).map(Value::from).collect();
        let meta = Map::from_iter([
            ("resourceType".to_owned(), kind.name().into()),
            ("created".to_owned(), self.created.to_string().into()),
            (
                "lastModified".to_owned(),
                self.last_modified.to_string().into(),
            ),
            ("location".to_owned(), self.location(kind, base).into()),
            ("version".to_owned(), self.etag().into()),
        ]);
        let mut document = self.resource.into_attributes();
        put_references(&mut document, schema, base);
        document.insert("schemas".to_owned(), Value::Array(schemas));
        document.insert("id".to_owned(), Value::String(self.id));
        document.insert("meta".to_owned(), Value::Object(meta));
        if let Some(members) = self.members.filter(|members| !members.is_empty()) {
            let members = members.iter().map(|member| member.to_json(base)).collect();
            document.insert("members".to_owned(), Value::Array(members));
        }
        if let Some(groups) = self.groups.filter(|groups| !groups.is_empty()) {
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
    ///
    /// The groups of a user change without the user's version. Where the answer tells some, the tag names them too, so
    /// that a client is told what is new; `If-Match` asks for the version alone.
    pub fn etag(&self) -> String {
        format!("W/\"{}\"", self.tag())
    }

    /// The entity tag without `W/` and quotation marks.
    pub(crate) fn tag(&self) -> String {
        let groups = self.groups.as_deref().unwrap_or_default();
        if groups.is_empty() {
            return self.version.clone();
        }
        // In any order they are the same groups.
        let mark = groups.iter().map(fingerprint).fold(0, u64::wrapping_add);
        format!("{}{GROUPS_MARK}{mark:016x}", self.version)
    }
}

/// FNV-1a over what an answer tells of a group.
fn fingerprint(group: &Membership) -> u64 {
    let display = group.display.as_deref().unwrap_or_default();
    let kind = if group.direct { "d" } else { "i" };
    let parts = [group.value.as_str(), "\0", display, "\0", kind];
    let bytes = parts.iter().flat_map(|part| part.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
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
        mut document: Map<String, Value>,
        schema: &ResourceSchema,
        touched: &[AttributePath],
    ) -> Map<String, Value> {
        let answer = Answer { schema, touched };
        document.retain(|key, value| match (schema.extension(key), value) {
            (Some(extension), Value::Object(object)) => {
                let urn = Some(extension.id.as_str());
                object.retain(|name, value| {
                    let attribute = extension.attribute(name);
                    attribute.is_some_and(|attribute| self.keeps(urn, attribute, value, &answer))
                });
                !object.is_empty()
            }
            (_, value) => schema
                .top_level_attribute(key)
                .is_some_and(|attribute| self.keeps(None, attribute, value, &answer)),
        });
        document
    }

    /// Whether the answer has this attribute; of its parts only those stay that the answer has.
    fn keeps(
        &self,
        urn: Option<&str>,
        attribute: &Attribute,
        value: &mut Value,
        answer: &Answer<'_>,
    ) -> bool {
        let name = attribute.name.as_str();
        let whole = match attribute.returned {
            Returned::Never => return false,
            Returned::Always => true,
            Returned::Request => {
                (self.names(urn, name, None) && !self.excludes()) || answer.touches(urn, name, None)
            }
            Returned::Default => match &self.0 {
                Choice::Default => true,
                Choice::Only(_) => {
                    self.names(urn, name, None) || self.names_schema(urn, name, answer.schema)
                }
                Choice::Except(_) => {
                    !self.names(urn, name, None) && !self.names_schema(urn, name, answer.schema)
                }
            },
        };
        let parts = &attribute.sub_attributes;
        if parts.is_empty() {
            return whole;
        }
        let names = |part: &str| self.names(urn, name, Some(part));
        let some = whole || (!self.excludes() && parts.iter().any(|part| names(&part.name)));
        keep_parts(value, &|part| {
            let known = attribute.sub_attribute(part);
            let is_written = || {
                // What only the server writes was not written with the attribute.
                answer.touches(urn, name, Some(part))
                    || (known.is_some_and(|part| part.mutability != Mutability::ReadOnly)
                        && answer.touches(urn, name, None))
            };
            let returned = known.map_or(Returned::Default, |part| part.returned);
            match (returned, &self.0) {
                (Returned::Never, _) => false,
                // What is always returned comes with its attribute.
                (Returned::Always, _) => some,
                (Returned::Request, Choice::Default | Choice::Except(_)) => whole && is_written(),
                (Returned::Request, Choice::Only(_)) => names(part) || (whole && is_written()),
                (Returned::Default, Choice::Default) => whole,
                (Returned::Default, Choice::Only(_)) => whole || names(part),
                (Returned::Default, Choice::Except(_)) => whole && !names(part),
            }
        })
    }

    fn excludes(&self) -> bool {
        matches!(self.0, Choice::Except(_))
    }

    /// Whether the client named this attribute, to have it or to leave it out.
    fn names(&self, urn: Option<&str>, name: &str, part: Option<&str>) -> bool {
        match &self.0 {
            Choice::Default => false,
            Choice::Only(names) | Choice::Except(names) => {
                names.contains(&Name::Attribute(AttributePath::new(urn, name, part)))
            }
        }
    }

    /// Whether the client named the schema of this attribute.
    fn names_schema(&self, urn: Option<&str>, name: &str, schema: &ResourceSchema) -> bool {
        // The common attributes are of no schema (RFC 7643 §3.1).
        if urn.is_none() && schema.core().attribute(name).is_none() {
            return false;
        }
        match &self.0 {
            Choice::Default => false,
            Choice::Only(names) | Choice::Except(names) => {
                names.contains(&Name::Schema(urn.map(str::to_owned)))
            }
        }
    }
}

/// What a projection has to know about one answer.
struct Answer<'a> {
    schema: &'a ResourceSchema,
    touched: &'a [AttributePath],
}

impl Answer<'_> {
    fn touches(&self, urn: Option<&str>, name: &str, part: Option<&str>) -> bool {
        self.touched
            .iter()
            .any(|path| (path.extension(), path.name(), path.sub()) == (urn, name, part))
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
    for (path, kind) in schema.references() {
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

/// Leaves the parts of a complex value, or of every element of a list, that are kept; false where there are none.
fn keep_parts(value: &mut Value, keep: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::Object(object) => {
            object.retain(|name, _| keep(name));
            !object.is_empty()
        }
        Value::Array(elements) => {
            elements.retain_mut(|element| keep_parts(element, keep));
            !elements.is_empty()
        }
        _ => false,
    }
}
