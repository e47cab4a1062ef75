//! `/directories/{id}/lookups/{kind}`: the values of roles and entitlements that an identity provider may assign.

use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use vestibule_core::DirectoryId;
use vestibule_engine::{
    Engine,
    admin::{self, LookupChange, LookupKind},
};

use super::super::{
    access::By,
    body::{Answer, Body, Handled, Nullable, nullable},
    page::List,
    problem::Problem,
};
use crate::now::Now;

pub(super) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(update, delete))
}

/// A value that an identity provider may assign.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct LookupInput {
    /// What it sends as `value`; unique among those of its kind.
    value: String,
    /// The name that it shows.
    display: Option<String>,
    /// What it sends as `type`.
    r#type: Option<String>,
}

/// A change of how a value is shown; what is absent stays.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct LookupPatch {
    /// The name that it shows.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    display: Nullable<String>,
    /// What it sends as `type`.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    r#type: Nullable<String>,
}

/// A value of roles or entitlements.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Lookup {
    value: String,
    display: Option<String>,
    r#type: Option<String>,
    created_at: String,
}

impl From<admin::DirectoryLookup> for Lookup {
    fn from(lookup: admin::DirectoryLookup) -> Self {
        Self {
            value: lookup.value,
            display: lookup.display,
            r#type: lookup.kind,
            created_at: lookup.created_at.to_string(),
        }
    }
}

fn named(id: &str, kind: &str) -> Result<(DirectoryId, LookupKind), Problem> {
    let id = id.parse().map_err(|_| Problem::not_found())?;
    let kind = match kind {
        "roles" => LookupKind::Role,
        "entitlements" => LookupKind::Entitlement,
        _ => return Err(Problem::not_found()),
    };
    Ok((id, kind))
}

/// Add a value of roles or entitlements
///
/// With the first one the directory has `/Roles` or `/Entitlements`, where identity providers read what they may assign.
#[utoipa::path(post, path = "/directories/{id}/lookups/{kind}", tag = "directories",
    params(("id" = String, Path), ("kind" = String, Path, description = "`roles` or `entitlements`")),
    request_body = LookupInput, responses((status = 201, body = Lookup)))]
async fn create(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Path((id, kind)): Path<(String, String)>,
    Body(input): Body<LookupInput>,
) -> Handled<Lookup> {
    let change = LookupChange {
        display: Some(input.display),
        kind: Some(input.r#type),
    };
    let made = engine
        .add_directory_lookup(&actor, named(&id, &kind)?, &input.value, change, now)
        .await?;
    Ok(Answer::created(made.into()))
}

/// List the values of roles or entitlements
#[utoipa::path(get, path = "/directories/{id}/lookups/{kind}", tag = "directories",
    params(("id" = String, Path), ("kind" = String, Path, description = "`roles` or `entitlements`")),
    responses((status = 200, body = List<Lookup>)))]
async fn list(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Path((id, kind)): Path<(String, String)>,
) -> Handled<List<Lookup>> {
    let (id, kind) = named(&id, &kind)?;
    let found = engine.list_directory_lookups(&actor, id, kind, now).await?;
    Ok(Answer::ok(List::whole(found)))
}

/// Change how a value of roles or entitlements is shown
#[utoipa::path(patch, path = "/directories/{id}/lookups/{kind}/{value}", tag = "directories",
    params(("id" = String, Path), ("kind" = String, Path, description = "`roles` or `entitlements`"), ("value" = String, Path)),
    request_body = LookupPatch, responses((status = 200, body = Lookup)))]
async fn update(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Path((id, kind, value)): Path<(String, String, String)>,
    Body(input): Body<LookupPatch>,
) -> Handled<Lookup> {
    let change = LookupChange {
        display: input.display,
        kind: input.r#type,
    };
    let changed = engine
        .set_directory_lookup(&actor, named(&id, &kind)?, &value, change, now)
        .await?;
    Ok(Answer::ok(changed.into()))
}

/// Remove a value of roles or entitlements
///
/// Users who have it keep it.
#[utoipa::path(delete, path = "/directories/{id}/lookups/{kind}/{value}", tag = "directories",
    params(("id" = String, Path), ("kind" = String, Path, description = "`roles` or `entitlements`"), ("value" = String, Path)),
    responses((status = 204)))]
async fn delete(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Path((id, kind, value)): Path<(String, String, String)>,
) -> Result<StatusCode, Problem> {
    engine
        .delete_directory_lookup(&actor, named(&id, &kind)?, &value, now)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
