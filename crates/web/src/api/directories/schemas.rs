//! `/directories/{id}/schemas`: schemas that a directory has beyond the standard's.

use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use vestibule_core::DirectoryId;
use vestibule_engine::{
    Engine,
    admin::{self, HeldValues, SchemaOf},
};

use super::super::{
    access::By,
    body::{Answer, Body, Handled, Params, Target},
    page::List,
    problem::Problem,
};
use crate::now::Now;

pub(super) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(read, delete))
}

/// A schema that a directory gets: an extension of users or groups.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct DirectorySchemaInput {
    /// What it extends: `User` or `Group`.
    #[schema(value_type = String)]
    extends: SchemaOf,
    /// Whether a resource is refused without it; false unless said otherwise.
    #[serde(default)]
    required: bool,
    /// The schema as RFC 7643 §7 writes it: `id` (a URN), `name`, `attributes`.
    #[schema(value_type = Object)]
    schema: serde_json::Value,
}

/// A schema of a directory.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct DirectorySchema {
    /// The URN.
    id: String,
    /// What it extends: `User` or `Group`.
    extends: String,
    required: bool,
    /// As `/Schemas` shows it.
    #[schema(value_type = Object)]
    schema: serde_json::Value,
}

impl From<admin::DirectorySchema> for DirectorySchema {
    fn from(schema: admin::DirectorySchema) -> Self {
        Self {
            id: schema.urn().to_owned(),
            extends: match schema.extends {
                SchemaOf::User => "User".to_owned(),
                SchemaOf::Group => "Group".to_owned(),
            },
            required: schema.required,
            schema: schema.schema,
        }
    }
}

/// Add a schema to a directory
///
/// Its attributes are kept, filtered, changed and shown as those of the standard are.
#[utoipa::path(post, path = "/directories/{id}/schemas", tag = "directories", params(("id" = String, Path)),
    request_body = DirectorySchemaInput, responses((status = 201, body = DirectorySchema)))]
async fn create(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<DirectoryId>,
    Body(input): Body<DirectorySchemaInput>,
) -> Handled<DirectorySchema> {
    let new = admin::DirectorySchema {
        extends: input.extends,
        required: input.required,
        schema: input.schema,
    };
    let made = engine.add_directory_schema(&actor, id, new, now).await?;
    Ok(Answer::created(made.into()))
}

/// List the schemas of a directory
#[utoipa::path(get, path = "/directories/{id}/schemas", tag = "directories", params(("id" = String, Path)),
    responses((status = 200, body = List<DirectorySchema>)))]
async fn list(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<DirectoryId>,
) -> Handled<List<DirectorySchema>> {
    let settings = engine.read_directory_settings(&actor, id, now).await?;
    Ok(Answer::ok(List::whole(settings.schemas)))
}

/// Read a schema of a directory
#[utoipa::path(get, path = "/directories/{id}/schemas/{urn}", tag = "directories",
    params(("id" = String, Path), ("urn" = String, Path)), responses((status = 200, body = DirectorySchema)))]
async fn read(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Path((id, urn)): Path<(String, String)>,
) -> Handled<DirectorySchema> {
    let id: DirectoryId = id.parse().map_err(|_| Problem::not_found())?;
    let settings = engine.read_directory_settings(&actor, id, now).await?;
    let found = settings.schema(&urn).ok_or_else(Problem::not_found)?;
    Ok(Answer::ok(found.clone().into()))
}

/// What becomes of values whose schema is removed.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct DeleteQuery {
    /// `remove` takes them from users and groups; required while any hold them.
    #[param(inline)]
    values: Option<Values>,
}

#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum Values {
    Remove,
}

/// Remove a schema from a directory
#[utoipa::path(delete, path = "/directories/{id}/schemas/{urn}", tag = "directories",
    params(("id" = String, Path), ("urn" = String, Path), DeleteQuery), responses((status = 204)))]
async fn delete(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Path((id, urn)): Path<(String, String)>,
    Params(query): Params<DeleteQuery>,
) -> Result<StatusCode, Problem> {
    let id: DirectoryId = id.parse().map_err(|_| Problem::not_found())?;
    let values = query.values.map(|Values::Remove| HeldValues::Remove);
    engine
        .delete_directory_schema(&actor, id, &urn, values, now)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
