//! `/directories/{id}/guard`: how many people a directory may take away before somebody has to look at it.

use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use vestibule_core::DirectoryId;
use vestibule_engine::{
    Engine,
    admin::{self, GuardChange, Release},
};

use crate::{
    api::{
        access::By,
        body::{Answer, Body, Handled, OptionalBody, Target},
        problem::Problem,
    },
    now::Now,
};

/// How long everything is confirmed unless the request says otherwise, in minutes.
const CONFIRMED_MINUTES: i64 = 60;

pub(super) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .routes(routes!(read, set, remove))
        .routes(routes!(release))
}

/// The limits of a guard; one of them at least.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct DirectoryGuardInput {
    /// Most people within an hour.
    users: Option<i64>,
    /// Most people within an hour, in percent of those whom the directory owns.
    percent: Option<i64>,
}

/// How many people a directory may take away within an hour; beyond that it is held.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct DirectoryGuard {
    users: Option<i64>,
    percent: Option<i64>,
    /// What both limits come to now.
    limit: i64,
    /// People who were taken away within the last hour, and count.
    departures: i64,
    /// Since when the directory is held: it takes nobody away until it is released.
    held_at: Option<String>,
    /// Until then everything is confirmed.
    confirmed_until: Option<String>,
}

impl From<admin::DirectoryGuard> for DirectoryGuard {
    fn from(guard: admin::DirectoryGuard) -> Self {
        Self {
            limit: guard.limit(),
            users: guard.users,
            percent: guard.percent,
            departures: guard.departures,
            held_at: guard.held_at.map(|at| at.to_string()),
            confirmed_until: guard.confirmed_until.map(|at| at.to_string()),
        }
    }
}

/// Read the guard of a directory
#[utoipa::path(get, path = "/directories/{id}/guard", tag = "directories", params(("id" = String, Path)),
    responses((status = 200, body = DirectoryGuard)))]
async fn read(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<DirectoryId>,
) -> Handled<DirectoryGuard> {
    let guard = engine.read_guard(&actor, id, now).await?;
    Ok(Answer::ok(guard.into()))
}

/// Guard a directory
///
/// A deactivation or deletion beyond the limit changes nothing and is answered 429; the directory is held from then on,
/// which `directory.held` tells, until somebody releases it.
#[utoipa::path(put, path = "/directories/{id}/guard", tag = "directories", params(("id" = String, Path)),
    request_body = DirectoryGuardInput, responses((status = 200, body = DirectoryGuard)))]
async fn set(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<DirectoryId>,
    Body(input): Body<DirectoryGuardInput>,
) -> Handled<DirectoryGuard> {
    let change = GuardChange {
        users: input.users,
        percent: input.percent,
    };
    let guard = engine.set_guard(&actor, id, change, now).await?;
    Ok(Answer::ok(guard.into()))
}

/// Remove the guard of a directory
#[utoipa::path(delete, path = "/directories/{id}/guard", tag = "directories", params(("id" = String, Path)),
    responses((status = 204)))]
async fn remove(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<DirectoryId>,
) -> Result<StatusCode, Problem> {
    engine.remove_guard(&actor, id, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is said of a held directory.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct ReleaseInput {
    /// Whether the departures are meant: then there is no limit for a while. Otherwise they are counted anew from now.
    #[serde(default)]
    confirm: bool,
    /// For how long they are meant, at most 1440; an hour unless said otherwise.
    minutes: Option<i64>,
}

/// Release a held directory
///
/// With `confirm` its departures are meant and none is held back for a while; without it they are counted anew.
#[utoipa::path(post, path = "/directories/{id}/guard/release", tag = "directories", params(("id" = String, Path)),
    request_body = ReleaseInput, responses((status = 200, body = DirectoryGuard)))]
async fn release(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<DirectoryId>,
    OptionalBody(input): OptionalBody<ReleaseInput>,
) -> Handled<DirectoryGuard> {
    let release = match (input.confirm, input.minutes) {
        (true, minutes) => Release::Confirmed(minutes.unwrap_or(CONFIRMED_MINUTES)),
        (false, None) => Release::Anew,
        (false, Some(_)) => {
            return Err(Problem::query("minutes goes with confirm"));
        }
    };
    let guard = engine.release_directory(&actor, id, release, now).await?;
    Ok(Answer::ok(guard.into()))
}
