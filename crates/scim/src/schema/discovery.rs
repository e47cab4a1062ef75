//! The schemas of the discovery resources (RFC 7643 §5 to §7).

use super::{Attribute, Mutability, Schema, Type};

fn attribute(name: &str, kind: Type, description: &str) -> Attribute {
    Attribute {
        description: description.to_owned(),
        mutability: Mutability::ReadOnly,
        ..Attribute::new(name, kind)
    }
}

fn text(name: &str, description: &str) -> Attribute {
    attribute(name, Type::String, description)
}

fn flag(name: &str, description: &str) -> Attribute {
    required(attribute(name, Type::Boolean, description))
}

fn number(name: &str, description: &str) -> Attribute {
    required(attribute(name, Type::Integer, description))
}

fn count(name: &str, description: &str) -> Attribute {
    attribute(name, Type::Integer, description)
}

fn link(name: &str, description: &str) -> Attribute {
    Attribute {
        reference_types: vec!["external".to_owned()],
        ..attribute(name, Type::Reference, description)
    }
}

fn urn(name: &str, description: &str) -> Attribute {
    Attribute {
        reference_types: vec!["uri".to_owned()],
        ..required(attribute(name, Type::Reference, description))
    }
}

fn object(name: &str, description: &str, sub_attributes: Vec<Attribute>) -> Attribute {
    Attribute {
        sub_attributes,
        ..attribute(name, Type::Complex, description)
    }
}

fn required(attribute: Attribute) -> Attribute {
    Attribute {
        required: true,
        ..attribute
    }
}

fn list(attribute: Attribute) -> Attribute {
    Attribute {
        multi_valued: true,
        ..attribute
    }
}

/// The three schemas.
pub(super) fn schemas() -> [Schema; 3] {
    [service_provider_config(), resource_type(), schema()]
}

fn service_provider_config() -> Schema {
    let supported = || flag("supported", "Whether it is offered.");
    let feature = |name, description| required(object(name, description, vec![supported()]));
    Schema::new(
        "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig",
        "ServiceProviderConfig",
        "What this server offers.",
        vec![
            link("documentationUri", "A page for people."),
            feature("patch", "PATCH requests."),
            required(object(
                "bulk",
                "Bulk requests.",
                vec![
                    supported(),
                    number("maxOperations", "Most operations in one request."),
                    number("maxPayloadSize", "Largest body in bytes."),
                ],
            )),
            required(object(
                "filter",
                "Filters.",
                vec![
                    supported(),
                    number("maxResults", "Most resources in one answer."),
                ],
            )),
            feature("changePassword", "Changes of a password."),
            feature("sort", "Sorting."),
            feature("etag", "Entity tags."),
            object(
                "pagination",
                "How lists are told in pages (RFC 9865).",
                vec![
                    flag("cursor", "Whether pages are told by cursor."),
                    flag("index", "Whether pages are told by index."),
                    text(
                        "defaultPaginationMethod",
                        "How a client that names none is told.",
                    ),
                    count("defaultPageSize", "Resources on a page without a count."),
                    count("maxPageSize", "Most resources on a page."),
                    count("cursorTimeout", "Seconds for which a cursor is good."),
                ],
            ),
            attribute(
                "interopProfileConformant",
                Type::Boolean,
                "Whether the interoperability profile is kept.",
            ),
            required(list(object(
                "authenticationSchemes",
                "How clients authenticate.",
                vec![
                    required(text("type", "The kind of scheme.")),
                    required(text("name", "Its name.")),
                    required(text("description", "What it is.")),
                    link("specUri", "Its standard."),
                    link("documentationUri", "A page for people."),
                    attribute("primary", Type::Boolean, "Whether it is preferred."),
                ],
            ))),
        ],
    )
}

fn resource_type() -> Schema {
    Schema::new(
        "urn:ietf:params:scim:schemas:core:2.0:ResourceType",
        "ResourceType",
        "A kind of resource.",
        vec![
            text("id", "The name once more."),
            required(text("name", "The name.")),
            text("description", "What it is."),
            urn("endpoint", "The endpoint below the base URL."),
            urn("schema", "The URN of the core schema."),
            list(object(
                "schemaExtensions",
                "The extensions.",
                vec![
                    urn("schema", "The URN of the extension."),
                    flag("required", "Whether a resource must have it."),
                ],
            )),
        ],
    )
}

fn schema() -> Schema {
    let characteristics = || {
        vec![
            required(text("name", "The name.")),
            required(text("type", "The type of its values.")),
            flag("multiValued", "Whether it holds a list."),
            text("description", "What it is for."),
            flag("required", "Whether a resource is refused without it."),
            list(text("canonicalValues", "Suggested values.")),
            attribute("caseExact", Type::Boolean, "Whether letter case counts."),
            text("mutability", "When it may be written."),
            text("returned", "When it is part of an answer."),
            text("uniqueness", "Among which resources it is unique."),
            list(text("referenceTypes", "What a reference may point to.")),
        ]
    };
    let mut attributes = characteristics();
    attributes.push(list(object(
        "subAttributes",
        "The parts of a complex attribute.",
        characteristics(),
    )));
    Schema::new(
        "urn:ietf:params:scim:schemas:core:2.0:Schema",
        "Schema",
        "A named set of attributes.",
        vec![
            required(text("id", "The URN.")),
            text("name", "The name for people."),
            text("description", "What it is for."),
            required(list(object("attributes", "The attributes.", attributes))),
        ],
    )
}
