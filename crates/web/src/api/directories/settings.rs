//! `/directories/{id}/settings`: what a directory's attributes mean.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use vestibule_core::DirectoryId;
use vestibule_engine::{
    Engine,
    admin::{self, SettingsChange},
};

use super::super::{
    access::By,
    body::{Answer, Body, Handled, Nullable, Target, nullable},
};
use crate::now::Now;

pub(super) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new().routes(routes!(read, update))
}

/// What a directory's attributes mean.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct DirectorySettings {
    mapping: AttributeMapping,
    /// Attributes that users are looked up by, beside those that always have an index: `id`, `userName`, `externalId`,
    /// `displayName`, `emails.value`, `active` and `meta`.
    indexed_attributes: Vec<String>,
}

/// Which SCIM attributes become what.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct AttributeMapping {
    /// What `join` compares where it says `userName`, and apps get as `preferred_username`.
    login_name: String,
    /// The e-mail address: the first value of the attribute that is one, the primary one before others.
    email: String,
    /// Where the `roles` claim begins; roles that groups give are added.
    roles: String,
    /// Whether a role may be an object written as JSON, whose `value` is meant: Entra ID writes app roles so.
    json_roles: bool,
}

impl From<admin::DirectorySettings> for DirectorySettings {
    fn from(settings: admin::DirectorySettings) -> Self {
        let mapping = settings.mapping;
        let or = |path: Option<String>, standard: &str| path.unwrap_or_else(|| standard.to_owned());
        Self {
            mapping: AttributeMapping {
                login_name: or(mapping.login_name, "userName"),
                email: or(mapping.email, "emails.value"),
                roles: or(mapping.roles, "roles.value"),
                json_roles: mapping.json_roles,
            },
            indexed_attributes: settings.indexed_attributes,
        }
    }
}

/// A change of a directory's settings; what is absent stays.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct DirectorySettingsInput {
    /// Which attributes become what.
    #[serde(default)]
    mapping: AttributeMappingInput,
    /// Attributes that users are looked up by, at most 10, such as `title` or `urn:…:User:employeeNumber`.
    indexed_attributes: Option<Vec<String>>,
}

/// A change of the mapping; what is absent stays, null is the standard's.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct AttributeMappingInput {
    /// Such as `urn:…:User:employeeNumber`; null for `userName`.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    login_name: Nullable<String>,
    /// Null for the primary one of `emails`.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    email: Nullable<String>,
    /// Such as `entitlements`; null for `roles`.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    roles: Nullable<String>,
    /// Whether a role may be an object written as JSON.
    json_roles: Option<bool>,
}

impl From<DirectorySettingsInput> for SettingsChange {
    fn from(input: DirectorySettingsInput) -> Self {
        Self {
            login_name: input.mapping.login_name,
            email: input.mapping.email,
            roles: input.mapping.roles,
            json_roles: input.mapping.json_roles,
            indexed_attributes: input.indexed_attributes,
        }
    }
}

/// Read what a directory's attributes mean
#[utoipa::path(get, path = "/directories/{id}/settings", tag = "directories", params(("id" = String, Path)),
    responses((status = 200, body = DirectorySettings)))]
async fn read(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<DirectoryId>,
) -> Handled<DirectorySettings> {
    let found = engine.read_directory_settings(&actor, id, now).await?;
    Ok(Answer::ok(found.into()))
}

/// Change what a directory's attributes mean
///
/// It counts for the users that are there, too. Where the directory owns more than 100,000, only `roles` and `json_roles`
/// can be changed.
#[utoipa::path(patch, path = "/directories/{id}/settings", tag = "directories", params(("id" = String, Path)),
    request_body = DirectorySettingsInput, responses((status = 200, body = DirectorySettings)))]
async fn update(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<DirectoryId>,
    Body(input): Body<DirectorySettingsInput>,
) -> Handled<DirectorySettings> {
    let changed = engine
        .set_directory_settings(&actor, id, input.into(), now)
        .await?;
    Ok(Answer::ok(changed.into()))
}
