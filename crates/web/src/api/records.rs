//! What can only be read: logins, the audit log, signing keys.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use utoipa_axum::{router::OpenApiRouter, routes};
use vestibule_core::OrganizationId;
use vestibule_engine::{Engine, Rotation, admin};

use super::{
    access::By,
    body::{Answer, Handled, Params, Target},
    page::{List, PageQuery},
};
use crate::now::Now;

pub(super) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .routes(routes!(list_logins))
        .routes(routes!(list_audit))
        .routes(routes!(list_signing_keys))
        .routes(routes!(rotate_signing_keys))
}

/// The record of one login, good or bad.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Login {
    /// The reference that the person was shown.
    id: String,
    organization_id: Option<String>,
    connection_id: Option<String>,
    application_id: Option<String>,
    user_id: Option<String>,
    /// `succeeded` or `refused`.
    outcome: String,
    /// The rule that refused.
    rule: Option<String>,
    wanted: Option<String>,
    got: Option<String>,
    /// Who has to act.
    fault: Option<String>,
    /// The next step.
    remedy: Option<String>,
    /// Of a SAML response: what it said, redacted, and the verdict rule by rule.
    #[schema(value_type = Option<Object>)]
    report: Option<Box<RawValue>>,
    created_at: String,
}

impl From<admin::LoginRecord> for Login {
    fn from(record: admin::LoginRecord) -> Self {
        let login = record.login;
        Self {
            id: record.id.to_string(),
            organization_id: login.organization_id.map(|id| id.to_string()),
            connection_id: login.connection_id.map(|id| id.to_string()),
            application_id: login.application_id.map(|id| id.to_string()),
            user_id: login.user_id.map(|id| id.to_string()),
            outcome: login.outcome,
            rule: login.rule,
            wanted: login.wanted,
            got: login.got,
            fault: login.fault,
            remedy: login.remedy,
            report: login.report,
            created_at: record.created_at.to_string(),
        }
    }
}

/// List the logins of an organization, the newest first
#[utoipa::path(get, path = "/organizations/{id}/logins", tag = "records", params(("id" = String, Path), PageQuery),
    responses((status = 200, body = List<Login>)))]
async fn list_logins(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<OrganizationId>,
    Params(query): Params<PageQuery>,
) -> Handled<List<Login>> {
    let page = query.parse()?;
    let found = engine
        .list_logins(&actor, id, page.after, page.limit, now)
        .await?;
    Ok(Answer::ok(List::page(
        found,
        page.limit,
        |row: &admin::LoginRecord| row.id.to_string(),
    )))
}

/// A line of the audit log.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct AuditEntry {
    id: String,
    organization_id: Option<String>,
    actor: String,
    action: String,
    subject: String,
    #[schema(value_type = Object)]
    data: Value,
    created_at: String,
}

impl From<admin::AuditEntry> for AuditEntry {
    fn from(entry: admin::AuditEntry) -> Self {
        Self {
            id: entry.id.to_string(),
            organization_id: entry.organization_id.map(|id| id.to_string()),
            actor: entry.actor,
            action: entry.action,
            subject: entry.subject,
            data: entry.data,
            created_at: entry.created_at.to_string(),
        }
    }
}

/// Which lines of the audit log are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct AuditQuery {
    /// Only those of this organization.
    #[param(value_type = Option<String>)]
    organization_id: Option<OrganizationId>,
    /// How many, at most 500.
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    after: Option<String>,
    /// Another name for `after`.
    cursor: Option<String>,
}

/// List the audit log, the newest first
#[utoipa::path(get, path = "/audit", tag = "records", params(AuditQuery),
    responses((status = 200, body = List<AuditEntry>)))]
async fn list_audit(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Params(query): Params<AuditQuery>,
) -> Handled<List<AuditEntry>> {
    let page = PageQuery {
        limit: query.limit,
        after: query.after,
        cursor: query.cursor,
    }
    .parse()?;
    let found = engine
        .list_audit(&actor, query.organization_id, page.after, page.limit, now)
        .await?;
    Ok(Answer::ok(List::page(
        found,
        page.limit,
        |row: &admin::AuditEntry| row.id.to_string(),
    )))
}

/// A key that signs our tokens, or did so lately.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct SigningKey {
    /// The `kid`.
    id: String,
    algorithm: String,
    /// `next`, `active` or `retired`.
    state: String,
    #[schema(value_type = Object)]
    public_jwk: Value,
    created_at: String,
    activated_at: Option<String>,
    retired_at: Option<String>,
}

impl From<admin::StoredSigningKey> for SigningKey {
    fn from(key: admin::StoredSigningKey) -> Self {
        Self {
            id: key.id,
            algorithm: key.algorithm,
            state: key.state,
            public_jwk: key.public_jwk,
            created_at: key.created_at.to_string(),
            activated_at: key.activated_at.map(|at| at.to_string()),
            retired_at: key.retired_at.map(|at| at.to_string()),
        }
    }
}

/// List the signing keys
#[utoipa::path(get, path = "/signing-keys", tag = "signing keys", responses((status = 200, body = List<SigningKey>)))]
async fn list_signing_keys(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
) -> Handled<List<SigningKey>> {
    Ok(Answer::ok(List::whole(
        engine.list_signing_keys(&actor, now).await?,
    )))
}

/// How signing keys change hands.
#[derive(Debug, Clone, Copy, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum RotationMode {
    /// New keys sign at once; the old ones stay published until nothing that they signed is valid.
    #[default]
    Now,
    /// The next keys are published, and sign after a day, when every cache knows them.
    Publish,
    /// As `now`, and nothing that the old keys signed is believed any more.
    Withdraw,
}

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct RotateQuery {
    /// How; `now` unless said.
    #[serde(default)]
    #[param(inline)]
    mode: RotationMode,
}

/// Change the signing keys
///
/// Without it they change by themselves every 90 days: the next ones are published a day before they sign.
#[utoipa::path(post, path = "/signing-keys/rotate", tag = "signing keys", params(RotateQuery),
    responses((status = 200, body = List<SigningKey>)))]
async fn rotate_signing_keys(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Params(query): Params<RotateQuery>,
) -> Handled<List<SigningKey>> {
    let rotation = match query.mode {
        RotationMode::Now => Rotation::Now,
        RotationMode::Publish => Rotation::Publish,
        RotationMode::Withdraw => Rotation::Withdraw,
    };
    Ok(Answer::ok(List::whole(
        engine.rotate_keys(&actor, rotation, now).await?,
    )))
}
