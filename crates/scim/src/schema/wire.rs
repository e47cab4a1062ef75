//! Schemas as `/Schemas` shows them (RFC 7643 §7).

use serde_json::{Map, Value, json};

use super::{Attribute, Mutability, Returned, Schema, Type, Uniqueness};

/// URN of the schema of schemas.
const SCHEMA_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";

impl Schema {
    /// The schema as a resource, without `meta.location`.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("schemas".to_owned(), json!([SCHEMA_URN]));
        object.insert("id".to_owned(), json!(self.id));
        object.insert("name".to_owned(), json!(self.name));
        object.insert("description".to_owned(), json!(self.description));
        object.insert("attributes".to_owned(), list(&self.attributes));
        object
    }
}

fn list(attributes: &[Attribute]) -> Value {
    Value::Array(attributes.iter().map(attribute_json).collect())
}

fn attribute_json(attribute: &Attribute) -> Value {
    let mut value = json!({
        "name": attribute.name,
        "type": type_name(attribute.kind),
        "multiValued": attribute.multi_valued,
        "description": attribute.description,
        "required": attribute.required,
        "mutability": mutability_name(attribute.mutability),
        "returned": returned_name(attribute.returned),
    });
    let Some(object) = value.as_object_mut() else {
        return value;
    };
    let textual = matches!(
        attribute.kind,
        Type::String | Type::Reference | Type::Binary
    );
    if textual {
        object.insert("caseExact".to_owned(), json!(attribute.case_exact));
    }
    if textual
        || matches!(
            attribute.kind,
            Type::Integer | Type::Decimal | Type::DateTime
        )
    {
        object.insert(
            "uniqueness".to_owned(),
            json!(uniqueness_name(attribute.uniqueness)),
        );
    }
    if !attribute.canonical_values.is_empty() {
        object.insert(
            "canonicalValues".to_owned(),
            json!(attribute.canonical_values),
        );
    }
    if !attribute.reference_types.is_empty() {
        object.insert(
            "referenceTypes".to_owned(),
            json!(attribute.reference_types),
        );
    }
    if attribute.kind == Type::Complex {
        object.insert("subAttributes".to_owned(), list(&attribute.sub_attributes));
    }
    value
}

const fn type_name(kind: Type) -> &'static str {
    match kind {
        Type::String => "string",
        Type::Boolean => "boolean",
        Type::Decimal => "decimal",
        Type::Integer => "integer",
        Type::DateTime => "dateTime",
        Type::Binary => "binary",
        Type::Reference => "reference",
        Type::Complex => "complex",
    }
}

const fn mutability_name(mutability: Mutability) -> &'static str {
    match mutability {
        Mutability::ReadOnly => "readOnly",
        Mutability::ReadWrite => "readWrite",
        Mutability::Immutable => "immutable",
        Mutability::WriteOnly => "writeOnly",
    }
}

const fn returned_name(returned: Returned) -> &'static str {
    match returned {
        Returned::Always => "always",
        Returned::Never => "never",
        Returned::Default => "default",
        Returned::Request => "request",
    }
}

const fn uniqueness_name(uniqueness: Uniqueness) -> &'static str {
    match uniqueness {
        Uniqueness::None => "none",
        Uniqueness::Server => "server",
        Uniqueness::Global => "global",
    }
}
