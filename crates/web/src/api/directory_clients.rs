//! `/directories/{id}/clients`: clients that sign assertions in the place of a bearer token.

use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};
use vestibule_core::{DirectoryClientId, DirectoryId, DirectoryScope, Timestamp};
use vestibule_engine::{
    Engine,
    admin::{self, DirectoryClientChange},
};
use vestibule_issuer::metadata::paths;

use super::{
    access::By,
    body::{Answer, Body, Handled, Target},
    page::List,
    problem::Problem,
};
use crate::now::Now;

pub(super) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(read, update, revoke))
}

/// What a client is made of, or changed to.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct ClientInput {
    /// What it is for.
    name: Option<String>,
    /// What its access tokens allow at most: `write` unless said otherwise, or `read`. It never changes.
    #[schema(value_type = Option<String>)]
    scope: Option<DirectoryScope>,
    /// Its public keys, a JWK Set: EC on P-256, RSA of 2048 bits or more, or OKP on Ed25519; required for a new one.
    #[schema(value_type = Option<Object>)]
    jwks: Option<Value>,
    /// When it ends; never unless said. It never changes.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

impl From<ClientInput> for DirectoryClientChange {
    fn from(input: ClientInput) -> Self {
        Self {
            name: input.name,
            scope: input.scope,
            jwks: input.jwks,
            expires_at: input.expires_at,
        }
    }
}

/// A client that opens a directory with signed assertions (RFC 7523).
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct DirectoryClient {
    /// Also its `client_id`: the `iss` and `sub` of its assertions.
    id: String,
    directory_id: String,
    name: String,
    /// `read` or `write`.
    scope: &'static str,
    #[schema(value_type = Object)]
    jwks: Value,
    /// Where it gets its access tokens; the `aud` of its assertions.
    token_endpoint: String,
    created_at: String,
    expires_at: Option<String>,
    last_used_at: Option<String>,
}

impl DirectoryClient {
    fn of(engine: &Engine, client: admin::DirectoryClient) -> Self {
        Self {
            id: client.id.to_string(),
            directory_id: client.directory_id.to_string(),
            name: client.name,
            scope: client.scope.as_str(),
            jwks: client.jwks,
            token_endpoint: engine.url(paths::TOKEN),
            created_at: client.created_at.to_string(),
            expires_at: client.expires_at.map(|at| at.to_string()),
            last_used_at: client.last_used_at.map(|at| at.to_string()),
        }
    }
}

/// The directory and the client of a path.
fn ids((id, client_id): (String, String)) -> Result<(DirectoryId, DirectoryClientId), Problem> {
    let id = id.parse().map_err(|_| Problem::not_found())?;
    Ok((id, client_id.parse().map_err(|_| Problem::not_found())?))
}

/// Register a client of a directory
#[utoipa::path(post, path = "/directories/{id}/clients", tag = "directories", params(("id" = String, Path)),
    request_body = ClientInput, responses((status = 201, body = DirectoryClient)))]
async fn create(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<DirectoryId>,
    Body(input): Body<ClientInput>,
) -> Handled<DirectoryClient> {
    let made = engine
        .add_directory_client(&actor, id, input.into(), now)
        .await?;
    Ok(Answer::created(DirectoryClient::of(&engine, made)))
}

/// List the clients of a directory
#[utoipa::path(get, path = "/directories/{id}/clients", tag = "directories", params(("id" = String, Path)),
    responses((status = 200, body = List<DirectoryClient>)))]
async fn list(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<DirectoryId>,
) -> Handled<List<DirectoryClient>> {
    let found = engine.list_directory_clients(&actor, id, now).await?;
    let data: Vec<DirectoryClient> = found
        .into_iter()
        .map(|client| DirectoryClient::of(&engine, client))
        .collect();
    Ok(Answer::ok(List::whole(data)))
}

/// Read a client of a directory
#[utoipa::path(get, path = "/directories/{id}/clients/{client_id}", tag = "directories",
    params(("id" = String, Path), ("client_id" = String, Path)), responses((status = 200, body = DirectoryClient)))]
async fn read(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Path(place): Path<(String, String)>,
) -> Handled<DirectoryClient> {
    let (directory_id, id) = ids(place)?;
    let found = engine
        .read_directory_client(&actor, directory_id, id, now)
        .await?;
    Ok(Answer::ok(DirectoryClient::of(&engine, found)))
}

/// Change a client of a directory
///
/// With both the old and the new key in `jwks` a client changes its key without a break.
#[utoipa::path(patch, path = "/directories/{id}/clients/{client_id}", tag = "directories",
    params(("id" = String, Path), ("client_id" = String, Path)), request_body = ClientInput,
    responses((status = 200, body = DirectoryClient)))]
async fn update(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Path(place): Path<(String, String)>,
    Body(input): Body<ClientInput>,
) -> Handled<DirectoryClient> {
    let (directory_id, id) = ids(place)?;
    let changed = engine
        .set_directory_client(&actor, directory_id, id, input.into(), now)
        .await?;
    Ok(Answer::ok(DirectoryClient::of(&engine, changed)))
}

/// Revoke a client of a directory
///
/// Its access tokens end at once.
#[utoipa::path(delete, path = "/directories/{id}/clients/{client_id}", tag = "directories",
    params(("id" = String, Path), ("client_id" = String, Path)), responses((status = 204)))]
async fn revoke(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Path(place): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (directory_id, id) = ids(place)?;
    engine
        .revoke_directory_client(&actor, directory_id, id, now)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
