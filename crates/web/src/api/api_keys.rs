//! `/api-keys`.

use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use vestibule_core::{ApiKeyId, ApiScope, OrganizationId, Timestamp};
use vestibule_engine::{
    Engine,
    admin::{self, ApiKeyRequest},
};

use super::{
    access::By,
    body::{Answer, Body, Handled, Params, Target},
    page::{List, PageQuery},
    problem::Problem,
};
use crate::now::Now;

pub(super) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(read, revoke))
}

/// What a key of the admin API is made of.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct ApiKeyInput {
    /// What it is for.
    name: String,
    /// What it may do: `*`, `RESOURCE:read`, `RESOURCE:write`; never more than the key that makes it.
    #[schema(value_type = Vec<String>, example = json!(["users:read"]))]
    scopes: Vec<ApiScope>,
    /// The one organization that it is bound to.
    #[schema(value_type = Option<String>)]
    organization_id: Option<OrganizationId>,
    /// When it ends.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// A credential of the admin API.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct ApiKey {
    id: String,
    /// The key, in the answer that makes it and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    name: String,
    scopes: Vec<String>,
    organization_id: Option<String>,
    created_at: String,
    expires_at: Option<String>,
    last_used_at: Option<String>,
}

impl From<admin::ApiKey> for ApiKey {
    fn from(key: admin::ApiKey) -> Self {
        Self {
            id: key.id.to_string(),
            key: None,
            name: key.name,
            scopes: key.scopes.iter().map(ToString::to_string).collect(),
            organization_id: key.organization_id.map(|id| id.to_string()),
            created_at: key.created_at.to_string(),
            expires_at: key.expires_at.map(|at| at.to_string()),
            last_used_at: key.last_used_at.map(|at| at.to_string()),
        }
    }
}

/// Make a key of the admin API
#[utoipa::path(post, path = "/api-keys", tag = "api keys", request_body = ApiKeyInput,
    responses((status = 201, body = ApiKey)))]
async fn create(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Body(input): Body<ApiKeyInput>,
) -> Handled<ApiKey> {
    let request = ApiKeyRequest {
        name: input.name,
        scopes: input.scopes,
        organization_id: input.organization_id,
        expires_at: input.expires_at,
    };
    let made = engine.add_api_key(&actor, request, now).await?;
    let key = Some(made.key.expose().to_owned());
    Ok(Answer::created(ApiKey {
        key,
        ..made.stored.into()
    }))
}

/// List the keys of the admin API
#[utoipa::path(get, path = "/api-keys", tag = "api keys", params(PageQuery),
    responses((status = 200, body = List<ApiKey>)))]
async fn list(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Params(query): Params<PageQuery>,
) -> Handled<List<ApiKey>> {
    let page = query.parse()?;
    let found = engine
        .list_api_keys(&actor, page.after, page.limit, now)
        .await?;
    Ok(Answer::ok(List::page(
        found,
        page.limit,
        |row: &admin::ApiKey| row.id.to_string(),
    )))
}

/// Read a key of the admin API
#[utoipa::path(get, path = "/api-keys/{id}", tag = "api keys", params(("id" = String, Path)),
    responses((status = 200, body = ApiKey)))]
async fn read(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<ApiKeyId>,
) -> Handled<ApiKey> {
    Ok(Answer::ok(
        engine.read_api_key(&actor, id, now).await?.into(),
    ))
}

/// Revoke a key of the admin API
#[utoipa::path(delete, path = "/api-keys/{id}", tag = "api keys", params(("id" = String, Path)),
    responses((status = 204)))]
async fn revoke(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<ApiKeyId>,
) -> Result<StatusCode, Problem> {
    engine.revoke_api_key(&actor, id, now).await?;
    Ok(StatusCode::NO_CONTENT)
}
