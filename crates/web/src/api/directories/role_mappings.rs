//! `/directories/{id}/role-mappings`: roles that groups give their members.

use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use vestibule_core::{ApplicationId, DirectoryId, GroupId, RoleMappingId};
use vestibule_engine::{
    Engine,
    admin::{self, NewRoleMapping, RoleMappingChange},
};

use super::super::{
    access::By,
    body::{Answer, Body, Handled, Nullable, Params, Target, nullable},
    page::{List, PageQuery},
    problem::Problem,
};
use crate::now::Now;

pub(super) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(read, update, delete))
}

/// What a role mapping is made of.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct RoleMappingInput {
    /// The group; members of groups inside it count, too.
    #[schema(value_type = String)]
    group_id: GroupId,
    /// The role that its members get in the claim `roles`.
    role: String,
    /// The one application whose tokens carry it; without it those of every application.
    #[schema(value_type = Option<String>)]
    application_id: Option<ApplicationId>,
}

/// A change of a role mapping; what is absent stays.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct RoleMappingPatch {
    /// The role that its members get.
    role: Option<String>,
    /// The one application whose tokens carry it; null for every application.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    application_id: Nullable<ApplicationId>,
}

/// A role that the members of a group get.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct RoleMapping {
    id: String,
    directory_id: String,
    group_id: String,
    /// The group's name.
    group_name: String,
    role: String,
    application_id: Option<String>,
    created_at: String,
}

impl From<admin::RoleMapping> for RoleMapping {
    fn from(mapping: admin::RoleMapping) -> Self {
        Self {
            id: mapping.id.to_string(),
            directory_id: mapping.directory_id.to_string(),
            group_id: mapping.group_id.to_string(),
            group_name: mapping.group_name,
            role: mapping.role,
            application_id: mapping.application_id.map(|id| id.to_string()),
            created_at: mapping.created_at.to_string(),
        }
    }
}

/// Give the members of a group a role
#[utoipa::path(post, path = "/directories/{id}/role-mappings", tag = "directories", params(("id" = String, Path)),
    request_body = RoleMappingInput, responses((status = 201, body = RoleMapping)))]
async fn create(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<DirectoryId>,
    Body(input): Body<RoleMappingInput>,
) -> Handled<RoleMapping> {
    let new = NewRoleMapping {
        group_id: input.group_id,
        role: input.role,
        application_id: input.application_id,
    };
    let made = engine.add_role_mapping(&actor, id, new, now).await?;
    Ok(Answer::created(made.into()))
}

/// List the role mappings of a directory
#[utoipa::path(get, path = "/directories/{id}/role-mappings", tag = "directories",
    params(("id" = String, Path), PageQuery), responses((status = 200, body = List<RoleMapping>)))]
async fn list(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<DirectoryId>,
    Params(query): Params<PageQuery>,
) -> Handled<List<RoleMapping>> {
    let page = query.parse()?;
    let found = engine
        .list_role_mappings(&actor, id, (page.after, page.limit), now)
        .await?;
    Ok(Answer::ok(List::page(found, page.limit, |mapping| {
        mapping.id.to_string()
    })))
}

fn ids(id: &str, mapping_id: &str) -> Result<(DirectoryId, RoleMappingId), Problem> {
    let id = id.parse().map_err(|_| Problem::not_found())?;
    let mapping_id = mapping_id.parse().map_err(|_| Problem::not_found())?;
    Ok((id, mapping_id))
}

/// Read a role mapping
#[utoipa::path(get, path = "/directories/{id}/role-mappings/{mapping_id}", tag = "directories",
    params(("id" = String, Path), ("mapping_id" = String, Path)), responses((status = 200, body = RoleMapping)))]
async fn read(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Path((id, mapping_id)): Path<(String, String)>,
) -> Handled<RoleMapping> {
    let (id, mapping_id) = ids(&id, &mapping_id)?;
    let found = engine
        .read_role_mapping(&actor, id, mapping_id, now)
        .await?;
    Ok(Answer::ok(found.into()))
}

/// Change a role mapping
#[utoipa::path(patch, path = "/directories/{id}/role-mappings/{mapping_id}", tag = "directories",
    params(("id" = String, Path), ("mapping_id" = String, Path)), request_body = RoleMappingPatch,
    responses((status = 200, body = RoleMapping)))]
async fn update(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Path((id, mapping_id)): Path<(String, String)>,
    Body(input): Body<RoleMappingPatch>,
) -> Handled<RoleMapping> {
    let change = RoleMappingChange {
        role: input.role,
        application_id: input.application_id,
    };
    let changed = engine
        .set_role_mapping(&actor, ids(&id, &mapping_id)?, change, now)
        .await?;
    Ok(Answer::ok(changed.into()))
}

/// Take a role from the members of a group again
#[utoipa::path(delete, path = "/directories/{id}/role-mappings/{mapping_id}", tag = "directories",
    params(("id" = String, Path), ("mapping_id" = String, Path)), responses((status = 204)))]
async fn delete(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Path((id, mapping_id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (id, mapping_id) = ids(&id, &mapping_id)?;
    engine
        .delete_role_mapping(&actor, id, mapping_id, now)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
