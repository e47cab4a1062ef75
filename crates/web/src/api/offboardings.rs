//! `/organizations/{id}/offboardings` and `/offboardings/{id}`: receipts, to read, to print and to verify.

use askama::Template;
use axum::{
    extract::State,
    http::header,
    response::{Html, IntoResponse, Response},
};
use serde::Serialize;
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};
use vestibule_core::{OffboardingId, OrganizationId, Timestamp};
use vestibule_engine::{
    Engine,
    admin::{self, ReceiptState},
};

use super::{
    access::By,
    body::{Answer, Handled, Params, Target},
    page::{List, PageQuery},
    problem::Problem,
};
use crate::now::Now;

pub(super) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(read))
        .routes(routes!(print))
        .routes(routes!(sign))
}

/// The receipt of an ending.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Offboarding {
    id: String,
    organization_id: String,
    /// What ended: `user`, `user_session`, `app_session`, `organization` or `connection`.
    scope: String,
    subject_id: String,
    user_id: Option<String>,
    cause: String,
    actor: String,
    /// The SCIM request that caused it, as the provisioning log names it.
    request_id: Option<String>,
    user_sessions: i64,
    app_sessions: i64,
    /// `pending`, `overdue` (an application has not accepted its notices by `due_at`), `complete`, or `incomplete`
    /// (a notice was given up). It is about telling the applications: for us everything is over since `started_at`.
    state: &'static str,
    started_at: String,
    /// By when applications should have accepted their notices.
    due_at: String,
    /// When every application had been told, or had been given up.
    completed_at: Option<String>,
    /// What each application lost, and how it was told; only in the answer about one receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    applications: Option<Vec<OffboardingApplication>>,
    /// The notices to applications, while they are kept; only in the answer about one receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    notices: Option<Vec<Notice>>,
}

/// What an ending took from one application, and how it was told.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct OffboardingApplication {
    application_id: String,
    /// What it is called now; null once it is deleted.
    name: Option<String>,
    app_sessions: i64,
    /// Refresh tokens that could still have been used.
    refresh_tokens: i64,
    /// When the last JWT access token runs out that resource servers accept without asking us; null where there is none.
    access_tokens_until: Option<String>,
    /// Logout notices; none where the application has no `backchannel_logout_uri`.
    notices: i64,
    acknowledged: i64,
    /// Notices that were given up.
    dead: i64,
    first_acknowledged_at: Option<String>,
    /// When it accepted the last one so far; an application that got tokens just before is told twice.
    acknowledged_at: Option<String>,
    /// Milliseconds from the ending to the first acknowledgement.
    latency_ms: Option<i64>,
}

/// A logout notice to an application.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Notice {
    id: String,
    application_id: String,
    /// The application's session that ended.
    #[schema(value_type = Option<String>)]
    sid: Value,
    /// Whether it is the second one, to an application that got tokens just before.
    again: bool,
    /// `waiting`, `delivered` or `dead`.
    state: &'static str,
    attempts: i64,
    last_error: Option<String>,
    created_at: String,
    delivered_at: Option<String>,
}

impl Offboarding {
    fn new(receipt: admin::Offboarding, now: Timestamp) -> Self {
        Self {
            state: ReceiptState::of(&receipt, now).as_str(),
            due_at: admin::due_at(&receipt).to_string(),
            id: receipt.id.to_string(),
            organization_id: receipt.organization_id.to_string(),
            scope: receipt.scope,
            subject_id: receipt.subject_id,
            user_id: receipt.user_id.map(|id| id.to_string()),
            cause: receipt.cause,
            actor: receipt.actor,
            request_id: receipt.request_id,
            user_sessions: receipt.user_sessions,
            app_sessions: receipt.app_sessions,
            started_at: receipt.started_at.to_string(),
            completed_at: receipt.completed_at.map(|at| at.to_string()),
            applications: None,
            notices: None,
        }
    }

    fn whole(receipt: admin::Receipt, now: Timestamp) -> Self {
        let started_at = receipt.offboarding.started_at;
        let lines = receipt.applications.into_iter();
        Self {
            applications: Some(
                lines
                    .map(|line| OffboardingApplication::new(line, started_at))
                    .collect(),
            ),
            notices: Some(receipt.notices.into_iter().map(Into::into).collect()),
            ..Self::new(receipt.offboarding, now)
        }
    }
}

impl OffboardingApplication {
    fn new(line: admin::ReceiptApplication, started_at: Timestamp) -> Self {
        let latency = line
            .first_acknowledged_at
            .map(|at| i64::try_from(at.since(started_at).as_millis()).unwrap_or(i64::MAX));
        Self {
            application_id: line.application_id.to_string(),
            name: line.name,
            app_sessions: line.app_sessions,
            refresh_tokens: line.refresh_tokens,
            access_tokens_until: line.access_tokens_until.map(|at| at.to_string()),
            notices: line.notices,
            acknowledged: line.acknowledged,
            dead: line.dead,
            first_acknowledged_at: line.first_acknowledged_at.map(|at| at.to_string()),
            acknowledged_at: line.acknowledged_at.map(|at| at.to_string()),
            latency_ms: latency,
        }
    }

    /// What the printed receipt says of telling it.
    fn told(&self) -> String {
        match (self.notices, self.acknowledged, self.dead) {
            (0, ..) => "asks us, takes no notices".to_owned(),
            (notices, acknowledged, 0) if notices == acknowledged => {
                format!("{acknowledged} of {notices} notices accepted")
            }
            (notices, acknowledged, 0) => {
                format!("{acknowledged} of {notices} notices accepted, the others are tried again")
            }
            (notices, acknowledged, dead) => {
                format!("{acknowledged} of {notices} notices accepted, {dead} given up")
            }
        }
    }
}

impl From<admin::Job> for Notice {
    fn from(job: admin::Job) -> Self {
        let state = match (job.done_at, job.dead_at) {
            (Some(_), _) => "delivered",
            (None, Some(_)) => "dead",
            (None, None) => "waiting",
        };
        Self {
            id: job.id.to_string(),
            again: job.is_again(),
            sid: job.payload.get("sid").cloned().unwrap_or_default(),
            application_id: job.destination,
            state,
            attempts: job.attempts,
            last_error: job.last_error,
            created_at: job.created_at.to_string(),
            delivered_at: job.done_at.map(|at| at.to_string()),
        }
    }
}

/// List the receipts of an organization, the newest first
#[utoipa::path(get, path = "/organizations/{id}/offboardings", tag = "records",
    params(("id" = String, Path), PageQuery), responses((status = 200, body = List<Offboarding>)))]
async fn list(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<OrganizationId>,
    Params(query): Params<PageQuery>,
) -> Handled<List<Offboarding>> {
    let page = query.parse()?;
    let found = engine
        .list_offboardings(&actor, id, page.after, page.limit, now)
        .await?;
    let found = found
        .into_iter()
        .map(|receipt| Offboarding::new(receipt, now))
        .collect();
    Ok(Answer::ok(List::page(
        found,
        page.limit,
        |row: &Offboarding| row.id.clone(),
    )))
}

/// Read a receipt with its applications and notices
#[utoipa::path(get, path = "/offboardings/{id}", tag = "records", params(("id" = String, Path)),
    responses((status = 200, body = Offboarding)))]
async fn read(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<OffboardingId>,
) -> Handled<Offboarding> {
    let receipt = engine.read_offboarding(&actor, id, now).await?;
    Ok(Answer::ok(Offboarding::whole(receipt, now)))
}

/// Get a receipt as signed JSON
///
/// A JWT of type `offboarding-receipt+jwt` whose claim `receipt` is the receipt. The keys at `/oauth/jwks` verify it.
#[utoipa::path(get, path = "/offboardings/{id}/signed", tag = "records", params(("id" = String, Path)),
    responses((status = 200, body = String, content_type = "application/jwt")))]
async fn sign(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<OffboardingId>,
) -> Result<Response, Problem> {
    let receipt = engine.read_offboarding(&actor, id, now).await?;
    let signed = engine.sign_receipt(&Offboarding::whole(receipt, now), now)?;
    let headers = [
        (header::CONTENT_TYPE, "application/jwt"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, signed).into_response())
}

/// A receipt as it is printed.
#[derive(Template)]
#[template(path = "operators/receipt.html")]
struct ReceiptPage {
    receipt: Printed,
}

struct Printed {
    title: String,
    verdict: String,
    id: String,
    organization_id: String,
    subject_id: String,
    cause: String,
    actor: String,
    request_id: Option<String>,
    state: &'static str,
    started_at: String,
    completed_at: Option<String>,
    user_sessions: i64,
    app_sessions: i64,
    applications: Vec<PrintedApplication>,
    written_at: String,
    issuer: String,
    signed_url: String,
}

struct PrintedApplication {
    id: String,
    name: String,
    app_sessions: i64,
    refresh_tokens: i64,
    told: String,
    after: String,
}

impl From<OffboardingApplication> for PrintedApplication {
    fn from(line: OffboardingApplication) -> Self {
        Self {
            told: line.told(),
            after: line
                .latency_ms
                .map_or_else(|| "–".to_owned(), |millis| format!("{millis} ms")),
            id: line.application_id,
            name: line
                .name
                .unwrap_or_else(|| "a deleted application".to_owned()),
            app_sessions: line.app_sessions,
            refresh_tokens: line.refresh_tokens,
        }
    }
}

impl Printed {
    fn new(receipt: Offboarding, engine: &Engine, now: Timestamp) -> Self {
        let verdict = match receipt.state {
            "complete" => {
                "Access is over, and every application that listens has accepted its notice."
            }
            "incomplete" => "Access is over. A notice was given up: look at that application.",
            "overdue" => {
                "Access is over. An application has not accepted its notice yet and is told again."
            }
            _ => "Access is over. Applications are being told.",
        };
        Self {
            title: format!("Offboarding of {}", receipt.scope.replace('_', " ")),
            verdict: verdict.to_owned(),
            signed_url: engine.url(&format!("/api/v1/offboardings/{}/signed", receipt.id)),
            id: receipt.id,
            organization_id: receipt.organization_id,
            subject_id: receipt.subject_id,
            cause: receipt.cause,
            actor: receipt.actor,
            request_id: receipt.request_id,
            state: receipt.state,
            started_at: receipt.started_at,
            completed_at: receipt.completed_at,
            user_sessions: receipt.user_sessions,
            app_sessions: receipt.app_sessions,
            applications: receipt
                .applications
                .unwrap_or_default()
                .into_iter()
                .map(Into::into)
                .collect(),
            written_at: now.to_string(),
            issuer: engine.issuer().as_str().to_owned(),
        }
    }
}

/// Get a receipt as a page to print
#[utoipa::path(get, path = "/offboardings/{id}/page", tag = "records", params(("id" = String, Path)),
    responses((status = 200, body = String, content_type = "text/html")))]
async fn print(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<OffboardingId>,
) -> Result<Response, Problem> {
    let receipt = engine.read_offboarding(&actor, id, now).await?;
    let receipt = Printed::new(Offboarding::whole(receipt, now), &engine, now);
    let page = ReceiptPage { receipt }.render().map_err(|error| {
        tracing::error!(%error, "A receipt could not be written");
        Problem::internal()
    })?;
    // It is kept as a file, so its style stands in it; it has no scripts and loads nothing.
    let headers = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Html(page)).into_response())
}
