//! `/directories/{id}/health`: how a directory does.

use axum::extract::State;
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};
use vestibule_core::DirectoryId;
use vestibule_engine::Engine;

use crate::{
    api::{
        access::By,
        body::{Answer, Handled, Target},
    },
    now::Now,
};

pub(super) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new().routes(routes!(read))
}

/// How a directory does. Counts of people and logins end at 10,000.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct DirectoryHealth {
    /// When it was last heard of.
    last_seen_at: Option<String>,
    /// Requests within a day.
    requests: i64,
    /// Of these, the ones that were refused or failed; a look-up that finds nobody is no failure.
    failures: i64,
    /// How long it pauses, nine times of ten; null while too little is known.
    usual_pause_seconds: Option<u64>,
    /// Whether it has paused three times as long as usual.
    silent: bool,
    /// When it becomes, or became, silent unless it is heard of.
    silent_at: Option<String>,
    /// Active people of the directory whom no identity provider's subject is linked to: nobody has signed in as them, or
    /// their connection joins by a value that is never stored.
    never_linked: i64,
    /// Logins within a week that were refused because the directory has not sent the person.
    refused_logins: i64,
    /// People of the organization whom no directory owns.
    unowned: i64,
}

/// Read how a directory does
#[utoipa::path(get, path = "/directories/{id}/health", tag = "directories", params(("id" = String, Path)),
    responses((status = 200, body = DirectoryHealth)))]
async fn read(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<DirectoryId>,
) -> Handled<DirectoryHealth> {
    let health = engine.directory_health(&actor, id, now).await?;
    Ok(Answer::ok(DirectoryHealth {
        silent: health.is_silent(now),
        last_seen_at: health.last_seen_at.map(|at| at.to_string()),
        requests: health.requests,
        failures: health.failures,
        usual_pause_seconds: health.usual_pause.map(|pause| pause.as_secs()),
        silent_at: health.silent_at.map(|at| at.to_string()),
        never_linked: health.left_out.never_linked,
        refused_logins: health.left_out.refused_logins,
        unowned: health.left_out.unowned,
    }))
}
