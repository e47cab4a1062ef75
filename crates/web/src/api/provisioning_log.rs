//! `/organizations/{id}/provisioning-log` and `/provisioning-log/{id}`: what directories asked and what became of it.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};
use vestibule_core::{DirectoryId, OrganizationId, ProvisioningId};
use vestibule_engine::{Engine, admin};

use super::{
    access::By,
    body::{Answer, Handled, Params, Target},
    page::{List, PageQuery},
};
use crate::now::Now;

pub(super) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(read))
}

/// The record of one SCIM request. It holds no value that the client sent.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct ProvisioningRecord {
    id: String,
    organization_id: String,
    directory_id: String,
    /// The bearer token that was accepted.
    token_id: Option<String>,
    /// The client whose access token was accepted.
    client_id: Option<String>,
    /// The same for all operations of one bulk request.
    request_id: Option<String>,
    method: String,
    /// The endpoint as a template, such as `/Users/{id}`.
    path: String,
    resource_id: Option<String>,
    user_agent: Option<String>,
    /// Which product the client seemed to be, such as `entra`.
    dialect: Option<String>,
    /// Whether a write changed anything.
    changed: Option<bool>,
    status: i64,
    scim_type: Option<String>,
    /// What the client was told when it was refused.
    detail: Option<String>,
    /// What was forgiven: the rule's number, where, and one line of explanation.
    #[schema(value_type = Vec<Object>)]
    repairs: Value,
    duration_micros: i64,
    created_at: String,
}

impl From<admin::ProvisioningRecord> for ProvisioningRecord {
    fn from(record: admin::ProvisioningRecord) -> Self {
        let request = record.request;
        Self {
            id: record.id.to_string(),
            organization_id: request.organization_id.to_string(),
            directory_id: request.directory_id.to_string(),
            token_id: request.token_id.map(|id| id.to_string()),
            client_id: request.client_id.map(|id| id.to_string()),
            request_id: request.request_id,
            method: request.method,
            path: request.path,
            resource_id: request.resource_id,
            user_agent: request.user_agent,
            dialect: request.dialect,
            changed: request.changed,
            status: request.status,
            scim_type: request.scim_type,
            detail: request.detail,
            repairs: request.repairs,
            duration_micros: request.duration_micros,
            created_at: request.created_at.to_string(),
        }
    }
}

/// Which SCIM requests are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ProvisioningQuery {
    /// Only those of this directory.
    #[param(value_type = Option<String>)]
    directory_id: Option<DirectoryId>,
    /// Only those answered so: `2xx`, `3xx`, `4xx` or `5xx`.
    #[param(inline)]
    status: Option<StatusClass>,
    /// Only those about this user or group.
    resource_id: Option<String>,
    /// Only those in which something was forgiven; with `false`, in which nothing was.
    repaired: Option<bool>,
    /// How many, at most 500.
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    after: Option<String>,
    /// Another name for `after`.
    cursor: Option<String>,
}

/// The first digit of a status.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
enum StatusClass {
    #[serde(rename = "2xx")]
    Success,
    #[serde(rename = "3xx")]
    Unchanged,
    #[serde(rename = "4xx")]
    Refused,
    #[serde(rename = "5xx")]
    Failed,
}

impl StatusClass {
    const fn digit(self) -> i64 {
        match self {
            Self::Success => 2,
            Self::Unchanged => 3,
            Self::Refused => 4,
            Self::Failed => 5,
        }
    }
}

/// List the SCIM requests of an organization, the newest first
#[utoipa::path(get, path = "/organizations/{id}/provisioning-log", tag = "records",
    params(("id" = String, Path), ProvisioningQuery), responses((status = 200, body = List<ProvisioningRecord>)))]
async fn list(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<OrganizationId>,
    Params(query): Params<ProvisioningQuery>,
) -> Handled<List<ProvisioningRecord>> {
    let page = PageQuery {
        limit: query.limit,
        after: query.after,
        cursor: query.cursor,
    };
    let page = page.parse()?;
    let wanted = admin::ProvisioningQuery {
        directory_id: query.directory_id,
        status_class: query.status.map(StatusClass::digit),
        resource_id: query.resource_id,
        repaired: query.repaired,
        before: page.after,
    };
    let found = engine
        .list_provisioning_log(&actor, id, &wanted, page.limit, now)
        .await?;
    let id = |row: &admin::ProvisioningRecord| row.id.to_string();
    Ok(Answer::ok(List::page(found, page.limit, id)))
}

/// Read the record of a SCIM request
#[utoipa::path(get, path = "/provisioning-log/{id}", tag = "records", params(("id" = String, Path)),
    responses((status = 200, body = ProvisioningRecord)))]
async fn read(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<ProvisioningId>,
) -> Handled<ProvisioningRecord> {
    let found = engine.read_provisioning_record(&actor, id, now).await?;
    Ok(Answer::ok(found.into()))
}
