//! What a server says about itself (RFC 7644 §4).

use std::time::Duration;

use serde_json::{Map, Value, json};
use url::Url;

use crate::dialect::Dialect;
use crate::directory::{BulkLimits, Lookup, LookupKind, Profile};
use crate::schema::{Attribute, Mutability, ResourceSchema, ResourceType, Schema, Type, USER_URN};

const KINDS: [ResourceType; 2] = [ResourceType::User, ResourceType::Group];
const LOOKUPS: [LookupKind; 2] = [LookupKind::Role, LookupKind::Entitlement];

/// `/ServiceProviderConfig`; `base` is the URL of the directory.
pub fn service_provider_config(profile: &Profile, base: &str) -> Value {
    let bulk = profile.bulk.unwrap_or(BulkLimits::new(0, 0));
    let mut config = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": { "supported": true },
        "bulk": {
            "supported": profile.bulk.is_some(),
            "maxOperations": bulk.operations,
            "maxPayloadSize": bulk.payload,
        },
        "filter": { "supported": true, "maxResults": profile.max_page },
        "changePassword": { "supported": profile.accept_password },
        "sort": { "supported": profile.sort },
        "etag": { "supported": true },
        "pagination": {
            "cursor": profile.cursor_ttl.is_some(),
            "index": true,
            "defaultPaginationMethod": "index",
            "defaultPageSize": profile.default_page.min(profile.max_page),
            "maxPageSize": profile.max_page,
        },
        "authenticationSchemes": authentication_schemes(profile),
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{base}/ServiceProviderConfig"),
        },
    });
    if let Some(ttl) = profile.cursor_ttl {
        set(
            &mut config,
            "/pagination",
            "cursorTimeout",
            json!(seconds(ttl)),
        );
    }
    if let Some(documentation) = &profile.documentation {
        set(
            &mut config,
            "",
            "documentationUri",
            json!(documentation.as_str()),
        );
    }
    // draft-zollner-scim-interop-profile: only where it is true.
    if profile.dialect == Dialect::Strict {
        set(&mut config, "", "interopProfileConformant", json!(true));
    }
    if LOOKUPS.iter().any(|kind| profile.tells(*kind)) {
        let told = json!({
            "roles": {
                "supported": profile.roles, "multipleRolesSupported": true,
                "primarySupported": true, "typeSupported": true,
            },
            "entitlements": {
                "supported": profile.entitlements, "multipleEntitlementsSupported": true,
                "primarySupported": true, "typeSupported": true,
            },
        });
        set(&mut config, "", "RolesAndEntitlements", told);
    }
    config
}

fn set(config: &mut Value, pointer: &str, name: &str, value: Value) {
    if let Some(Value::Object(object)) = config.pointer_mut(pointer) {
        object.insert(name.to_owned(), value);
    }
}

const fn seconds(duration: Duration) -> u64 {
    duration.as_secs()
}

fn authentication_schemes(profile: &Profile) -> Vec<Value> {
    let bearer = json!({
        "type": "oauthbearertoken",
        "name": "Bearer token",
        "description": "A token of this directory in the Authorization header.",
        "specUri": "https://www.rfc-editor.org/info/rfc6750",
        "primary": true,
    });
    let oauth = json!({
        "type": "oauth2",
        "name": "OAuth 2.0 client credentials",
        "description": "A short-lived token from the token endpoint, for the scope scim.",
        "specUri": "https://www.rfc-editor.org/info/rfc6749",
        "primary": false,
    });
    std::iter::once(bearer)
        .chain(profile.oauth.then_some(oauth))
        .collect()
}

/// All of `/ResourceTypes`.
pub fn resource_types(profile: &Profile, base: &str) -> Vec<Map<String, Value>> {
    let kinds = KINDS
        .into_iter()
        .map(|kind| resource_type(profile.registry.of(kind), base));
    let lookups = told(profile).map(|kind| lookup_type(kind, base));
    kinds.chain(lookups).collect()
}

fn told(profile: &Profile) -> impl Iterator<Item = LookupKind> {
    LOOKUPS.into_iter().filter(|kind| profile.tells(*kind))
}

fn lookup_type(kind: LookupKind, base: &str) -> Map<String, Value> {
    object(json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": kind.name(),
        "name": kind.name(),
        "description": lookup_description(kind),
        "endpoint": format!("/{}", kind.endpoint()),
        "schema": lookup_urn(kind),
        "schemaExtensions": [],
        "meta": {
            "resourceType": "ResourceType",
            "location": format!("{base}/ResourceTypes/{}", kind.name()),
        },
    }))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// The URN by which Okta knows the resource type.
const fn lookup_urn(kind: LookupKind) -> &'static str {
    match kind {
        LookupKind::Role => "urn:okta:scim:schemas:core:1.0:Role",
        LookupKind::Entitlement => "urn:okta:scim:schemas:core:1.0:Entitlement",
    }
}

/// The URN of draft-ietf-scim-roles-entitlements-01.
const fn draft_urn(kind: LookupKind) -> &'static str {
    match kind {
        LookupKind::Role => "urn:ietf:params:scim:schemas:core:1.0:Role",
        LookupKind::Entitlement => "urn:ietf:params:scim:schemas:core:1.0:Entitlement",
    }
}

const fn lookup_description(kind: LookupKind) -> &'static str {
    match kind {
        LookupKind::Role => "A role that users may have.",
        LookupKind::Entitlement => "An entitlement that users may have.",
    }
}

/// The schemas of the look-ups: the same attributes under the name that Okta knows and under that of the draft.
fn lookup_schemas(kind: LookupKind) -> [Schema; 2] {
    [lookup_urn(kind), draft_urn(kind)].map(|urn| {
        let attribute = |name: &str, kind, description: &str| Attribute {
            description: description.to_owned(),
            mutability: Mutability::ReadOnly,
            ..Attribute::new(name, kind)
        };
        let text = |name, description| attribute(name, Type::String, description);
        let required = |attribute| Attribute {
            required: true,
            ..attribute
        };
        let attributes = vec![
            required(text(
                "value",
                "What goes into the value of the user's attribute.",
            )),
            text("display", "The name for people."),
            text("displayName", "The name for people, where Okta reads it."),
            text("type", "What goes into the type of the user's attribute."),
            text("description", "What it is for."),
            required(attribute(
                "supported",
                Type::Boolean,
                "Whether it may be assigned.",
            )),
            attribute(
                "primary",
                Type::Boolean,
                "Whether users may have it as their primary one.",
            ),
        ];
        Schema::new(urn, kind.name(), lookup_description(kind), attributes)
    })
}

/// The schema by which filters, orders and projections of the look-ups are read.
pub(crate) fn lookup_resource(kind: LookupKind) -> ResourceSchema {
    let [schema, _] = lookup_schemas(kind);
    // The resource type matters for members, passwords and references only, of which there are none.
    ResourceSchema::new(ResourceType::User, schema)
}

/// A look-up as a resource: what the draft asks for, and beside it what Okta reads.
pub(crate) fn lookup_document(kind: LookupKind, lookup: &Lookup, base: &str) -> Map<String, Value> {
    let display = lookup.display.as_deref().unwrap_or(&lookup.value);
    let mut document = object(json!({
        "schemas": [lookup_urn(kind), draft_urn(kind)],
        "id": lookup.value,
        "value": lookup.value,
        "display": display,
        "displayName": display,
        "supported": true,
        "primary": lookup.primary,
        "meta": { "resourceType": kind.name(), "location": lookup_location(kind, lookup, base) },
    }));
    for (name, text) in [("type", &lookup.kind), ("description", &lookup.description)] {
        if let Some(text) = text {
            document.insert(name.to_owned(), json!(text));
        }
    }
    document
}

fn lookup_location(kind: LookupKind, lookup: &Lookup, base: &str) -> String {
    let Ok(mut url) = Url::parse(base) else {
        return format!("{base}/{}/{}", kind.endpoint(), lookup.value);
    };
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.push(kind.endpoint()).push(&lookup.value);
    }
    url.into()
}

fn resource_type(schema: &ResourceSchema, base: &str) -> Map<String, Value> {
    let kind = schema.kind();
    let extensions: Vec<Value> = schema
        .extensions()
        .iter()
        .map(|extension| json!({ "schema": extension.id, "required": false }))
        .collect();
    let mut object = Map::new();
    object.insert(
        "schemas".to_owned(),
        json!(["urn:ietf:params:scim:schemas:core:2.0:ResourceType"]),
    );
    object.insert("id".to_owned(), json!(kind.name()));
    object.insert("name".to_owned(), json!(kind.name()));
    object.insert("description".to_owned(), json!(schema.core().description));
    object.insert(
        "endpoint".to_owned(),
        json!(format!("/{}", kind.endpoint())),
    );
    object.insert("schema".to_owned(), json!(schema.core().id));
    object.insert("schemaExtensions".to_owned(), json!(extensions));
    let location = format!("{base}/ResourceTypes/{}", kind.name());
    object.insert(
        "meta".to_owned(),
        json!({ "resourceType": "ResourceType", "location": location }),
    );
    object
}

/// All of `/Schemas`; a password that is not kept is not promised either.
pub fn schemas(profile: &Profile, base: &str) -> Vec<Map<String, Value>> {
    let of_resources = profile.registry.schemas().map(|mut schema| {
        if schema.id == USER_URN && !profile.accept_password {
            let is_kept = |attribute: &Attribute| attribute.name != "password";
            schema.attributes.retain(is_kept);
        }
        schema
    });
    of_resources
        .chain(told(profile).flat_map(lookup_schemas))
        .map(|schema| schema_resource(&schema, base))
        .collect()
}

fn schema_resource(schema: &Schema, base: &str) -> Map<String, Value> {
    let mut object = schema.to_json();
    let location = format!("{base}/Schemas/{}", schema.id);
    object.insert(
        "meta".to_owned(),
        json!({ "resourceType": "Schema", "location": location }),
    );
    object
}
