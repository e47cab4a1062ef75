//! What a server says about itself (RFC 7644 §4).

use serde_json::{Map, Value, json};

use crate::directory::Profile;
use crate::schema::{Registry, ResourceSchema, ResourceType, Schema};

/// `/ServiceProviderConfig`; `base` is the URL of the directory.
pub fn service_provider_config(profile: &Profile, base: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": { "supported": true },
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
        "filter": { "supported": true, "maxResults": profile.max_page },
        "changePassword": { "supported": profile.accept_password },
        "sort": { "supported": profile.sort },
        "etag": { "supported": true },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "A token of this directory in the Authorization header.",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
            "primary": true,
        }],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{base}/ServiceProviderConfig"),
        },
    })
}

/// All of `/ResourceTypes`.
pub fn resource_types(registry: &Registry, base: &str) -> Vec<Map<String, Value>> {
    [ResourceType::User, ResourceType::Group]
        .into_iter()
        .map(|kind| resource_type(registry.of(kind), base))
        .collect()
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

/// All of `/Schemas`.
pub fn schemas(registry: &Registry, base: &str) -> Vec<Map<String, Value>> {
    registry
        .schemas()
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
