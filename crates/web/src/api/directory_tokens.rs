//! `/directories/{id}/tokens`: the bearer tokens of a directory.

use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use vestibule_core::{DirectoryId, DirectoryScope, DirectoryTokenId, Timestamp};
use vestibule_engine::{
    Engine,
    admin::{self, DirectoryTokenChange},
};

use super::{
    access::By,
    body::{Answer, Handled, OptionalBody, Target},
    page::List,
    problem::Problem,
};
use crate::now::Now;

pub(super) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(revoke))
}

/// What a token of a directory is made of.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct TokenInput {
    /// What it is for.
    name: Option<String>,
    /// `write` unless said otherwise; `read` allows GET and searches.
    #[schema(value_type = Option<String>)]
    scope: Option<DirectoryScope>,
    /// When it ends; a year from now unless said otherwise.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// A bearer token of a directory.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[expect(
    clippy::struct_field_names,
    reason = "the field's name is part of the public surface"
)]
struct Token {
    id: String,
    directory_id: String,
    name: String,
    /// `read` or `write`.
    scope: &'static str,
    /// The token, in the answer that makes it and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    created_at: String,
    expires_at: String,
    last_used_at: Option<String>,
}

impl From<admin::DirectoryToken> for Token {
    fn from(token: admin::DirectoryToken) -> Self {
        Self {
            id: token.id.to_string(),
            directory_id: token.directory_id.to_string(),
            name: token.name,
            scope: token.scope.as_str(),
            token: None,
            created_at: token.created_at.to_string(),
            expires_at: token.expires_at.to_string(),
            last_used_at: token.last_used_at.map(|at| at.to_string()),
        }
    }
}

/// Make a bearer token of a directory
#[utoipa::path(post, path = "/directories/{id}/tokens", tag = "directories", params(("id" = String, Path)),
    request_body = TokenInput, responses((status = 201, body = Token)))]
async fn create(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<DirectoryId>,
    OptionalBody(input): OptionalBody<TokenInput>,
) -> Handled<Token> {
    let new = DirectoryTokenChange {
        name: input.name,
        scope: input.scope,
        expires_at: input.expires_at,
    };
    let made = engine.add_directory_token(&actor, id, new, now).await?;
    let token = Some(made.token.expose().to_owned());
    Ok(Answer::created(Token {
        token,
        ..made.stored.into()
    }))
}

/// List the tokens of a directory
#[utoipa::path(get, path = "/directories/{id}/tokens", tag = "directories", params(("id" = String, Path)),
    responses((status = 200, body = List<Token>)))]
async fn list(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<DirectoryId>,
) -> Handled<List<Token>> {
    Ok(Answer::ok(List::whole(
        engine.list_directory_tokens(&actor, id, now).await?,
    )))
}

/// Revoke a token of a directory
#[utoipa::path(delete, path = "/directories/{id}/tokens/{token_id}", tag = "directories",
    params(("id" = String, Path), ("token_id" = String, Path)), responses((status = 204)))]
async fn revoke(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Path((id, token_id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let id: DirectoryId = id.parse().map_err(|_| Problem::not_found())?;
    let token_id: DirectoryTokenId = token_id.parse().map_err(|_| Problem::not_found())?;
    engine
        .revoke_directory_token(&actor, id, token_id, now)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
