//! `/organizations/{id}/directories`, `/directories` and their tokens.

mod adoption;
mod guard;
mod health;
mod lookups;
mod role_mappings;
mod schemas;
mod settings;

use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use vestibule_core::{DirectoryId, DirectoryMode, DirectoryState, OrganizationId};
use vestibule_engine::{
    Engine,
    admin::{self, DirectoryChange, FormerUsers},
};

use super::{
    access::By,
    body::{Answer, Body, Handled, OptionalBody, Params, Target},
    page::List,
    problem::Problem,
};
use crate::now::Now;

pub(super) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(read, update, delete))
        .merge(adoption::routes())
        .merge(guard::routes())
        .merge(health::routes())
        .merge(settings::routes())
        .merge(schemas::routes())
        .merge(role_mappings::routes())
        .merge(lookups::routes())
}

/// What a directory is made of, or changed to.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct DirectoryInput {
    /// Its name, as admins see it.
    name: Option<String>,
    /// Which product it is; `auto` until it is known.
    dialect: Option<String>,
    /// `lenient` repairs what real clients send, `strict` refuses it; lenient unless said otherwise.
    #[schema(value_type = Option<String>)]
    mode: Option<DirectoryMode>,
    /// Whether a password in a SCIM body is kept; false unless said otherwise.
    accept_password: Option<bool>,
    /// `active` ends an adoption or a pause; `paused` answers 503. It cannot be given when a directory is made.
    #[schema(value_type = Option<String>)]
    state: Option<DirectoryState>,
    /// The directory whose users a new one takes over, under the ids that they have. Only when a directory is made.
    #[schema(value_type = Option<String>)]
    replaces: Option<DirectoryId>,
}

impl From<DirectoryInput> for DirectoryChange {
    fn from(input: DirectoryInput) -> Self {
        Self {
            name: input.name,
            dialect: input.dialect,
            mode: input.mode,
            accept_password: input.accept_password,
            state: input.state,
            replaces: input.replaces,
        }
    }
}

/// A source of users and groups that pushes over SCIM.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Directory {
    id: String,
    organization_id: String,
    name: String,
    /// Enter this as the SCIM base URL.
    scim_url: String,
    /// Which product it is, as the admin said; `auto` where nobody did.
    dialect: String,
    /// Which product its requests look like; null until some were seen.
    detected_dialect: Option<String>,
    /// `lenient` or `strict`.
    mode: String,
    accept_password: bool,
    /// `active`, `adopting` while it claims users that existed before it, or `paused`.
    state: String,
    /// The directory whose users it takes over, or took over.
    replaces: Option<String>,
    /// The directory that takes over its users; while there is one, it takes no changes.
    replaced_by: Option<String>,
    /// Why people will not be found by their `externalId`, where a connection joins by it; null where nothing speaks
    /// against it, or nobody was pushed yet.
    external_id_finding: Option<ExternalIdFinding>,
    last_seen_at: Option<String>,
    created_at: String,
    updated_at: String,
}

/// What speaks against a directory's `externalId`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct ExternalIdFinding {
    /// `absent`, `equals_user_name` or `equals_email`.
    code: String,
    /// What was seen, and what to change.
    detail: String,
}

impl Directory {
    fn with_finding(engine: &Engine, details: admin::DirectoryDetails) -> Self {
        let finding = details
            .external_id_finding
            .map(|finding| ExternalIdFinding {
                code: finding.code.to_owned(),
                detail: finding.detail,
            });
        Self {
            external_id_finding: finding,
            ..Self::of(engine, details.directory)
        }
    }

    fn of(engine: &Engine, directory: admin::Directory) -> Self {
        Self {
            id: directory.id.to_string(),
            organization_id: directory.organization_id.to_string(),
            name: directory.name,
            scim_url: engine.scim_url(directory.id),
            dialect: directory.dialect,
            detected_dialect: directory.detected_dialect,
            mode: directory.mode.as_str().to_owned(),
            accept_password: directory.accept_password,
            state: directory.state.as_str().to_owned(),
            replaces: directory.replaces_id.map(|id| id.to_string()),
            replaced_by: directory.replaced_by.map(|id| id.to_string()),
            external_id_finding: None,
            last_seen_at: directory.last_seen_at.map(|at| at.to_string()),
            created_at: directory.created_at.to_string(),
            updated_at: directory.updated_at.to_string(),
        }
    }
}

/// Attach a directory
///
/// Just-in-time creation of users ends in the organization. Where users exist that no directory owns, it adopts them.
#[utoipa::path(post, path = "/organizations/{id}/directories", tag = "directories", params(("id" = String, Path)),
    request_body = DirectoryInput, responses((status = 201, body = Directory)))]
async fn create(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<OrganizationId>,
    OptionalBody(input): OptionalBody<DirectoryInput>,
) -> Handled<Directory> {
    let made = engine.add_directory(&actor, id, input.into(), now).await?;
    Ok(Answer::created(Directory::of(&engine, made)))
}

/// List the directories of an organization
#[utoipa::path(get, path = "/organizations/{id}/directories", tag = "directories", params(("id" = String, Path)),
    responses((status = 200, body = List<Directory>)))]
async fn list(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<OrganizationId>,
) -> Handled<List<Directory>> {
    let found = engine.list_directories(&actor, id, now).await?;
    let data: Vec<Directory> = found
        .into_iter()
        .map(|details| Directory::with_finding(&engine, details))
        .collect();
    Ok(Answer::ok(List::whole(data)))
}

/// Read a directory
#[utoipa::path(get, path = "/directories/{id}", tag = "directories", params(("id" = String, Path)),
    responses((status = 200, body = Directory)))]
async fn read(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<DirectoryId>,
) -> Handled<Directory> {
    let found = engine.read_directory(&actor, id, now).await?;
    Ok(Answer::ok(Directory::with_finding(&engine, found)))
}

/// Change a directory
#[utoipa::path(patch, path = "/directories/{id}", tag = "directories", params(("id" = String, Path)),
    request_body = DirectoryInput, responses((status = 200, body = Directory)))]
async fn update(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<DirectoryId>,
    Body(input): Body<DirectoryInput>,
) -> Handled<Directory> {
    let changed = engine.set_directory(&actor, id, input.into(), now).await?;
    Ok(Answer::ok(Directory::with_finding(&engine, changed)))
}

/// What becomes of the users of a directory that is deleted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct DeleteQuery {
    /// `deactivate` ends their access, `release` keeps it; required while the directory owns users.
    #[param(inline)]
    users: Option<UsersOfDeleted>,
}

#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum UsersOfDeleted {
    Deactivate,
    Release,
}

impl From<UsersOfDeleted> for FormerUsers {
    fn from(users: UsersOfDeleted) -> Self {
        match users {
            UsersOfDeleted::Deactivate => Self::Deactivate,
            UsersOfDeleted::Release => Self::Release,
        }
    }
}

/// Detach a directory
#[utoipa::path(delete, path = "/directories/{id}", tag = "directories", params(("id" = String, Path), DeleteQuery),
    responses((status = 204)))]
async fn delete(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<DirectoryId>,
    Params(query): Params<DeleteQuery>,
) -> Result<StatusCode, Problem> {
    engine
        .delete_directory(&actor, id, query.users.map(Into::into), now)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
