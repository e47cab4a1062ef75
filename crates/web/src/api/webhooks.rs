//! `/webhooks`.

use std::time::Duration;

use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use vestibule_core::{OrganizationId, WebhookId};
use vestibule_engine::{
    Engine,
    admin::{self, MadeWebhook, WebhookChange},
};

use super::{
    access::By,
    body::{Answer, Body, Handled, OptionalBody, Params, Target},
    page::{List, PageQuery},
    problem::Problem,
};
use crate::now::Now;

pub(super) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(read, update, delete))
        .routes(routes!(rotate_secret))
}

/// What a webhook is made of, or changed to; `url` is required to make one.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct WebhookInput {
    /// Where events are sent to.
    url: Option<String>,
    /// The names of events, or families of them such as `user.*`; all when absent or empty.
    #[schema(example = json!(["user.deactivated", "session.*"]))]
    events: Option<Vec<String>>,
    /// The one organization whose events it gets; all of them when absent. It cannot change.
    #[schema(value_type = Option<String>)]
    organization_id: Option<OrganizationId>,
    /// Whether events are sent.
    active: Option<bool>,
}

impl From<WebhookInput> for WebhookChange {
    fn from(input: WebhookInput) -> Self {
        Self {
            url: input.url,
            events: input.events,
            organization_id: input.organization_id,
            active: input.active,
        }
    }
}

/// A receiver of events, signed after the Standard Webhooks specification.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Webhook {
    id: String,
    /// The signing secret, in the answer that makes it and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    url: String,
    events: Vec<String>,
    organization_id: Option<String>,
    active: bool,
    /// Until when the secret before the last rotation signs as well.
    previous_secret_until: Option<String>,
    created_at: String,
    updated_at: String,
}

impl From<admin::Webhook> for Webhook {
    fn from(webhook: admin::Webhook) -> Self {
        Self {
            id: webhook.id.to_string(),
            secret: None,
            url: webhook.url,
            events: webhook.kinds,
            organization_id: webhook.organization_id.map(|id| id.to_string()),
            active: webhook.active,
            previous_secret_until: webhook.previous_secret.map(|(_, until)| until.to_string()),
            created_at: webhook.created_at.to_string(),
            updated_at: webhook.updated_at.to_string(),
        }
    }
}

impl From<MadeWebhook> for Webhook {
    fn from(made: MadeWebhook) -> Self {
        let secret = Some(made.secret.expose().to_owned());
        Self {
            secret,
            ..made.webhook.into()
        }
    }
}

/// Register a webhook
#[utoipa::path(post, path = "/webhooks", tag = "webhooks", request_body = WebhookInput,
    responses((status = 201, body = Webhook)))]
async fn create(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Body(input): Body<WebhookInput>,
) -> Handled<Webhook> {
    Ok(Answer::created(
        engine.add_webhook(&actor, input.into(), now).await?.into(),
    ))
}

/// List webhooks
#[utoipa::path(get, path = "/webhooks", tag = "webhooks", params(PageQuery),
    responses((status = 200, body = List<Webhook>)))]
async fn list(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Params(query): Params<PageQuery>,
) -> Handled<List<Webhook>> {
    let page = query.parse()?;
    let found = engine
        .list_webhooks(&actor, page.after, page.limit, now)
        .await?;
    Ok(Answer::ok(List::page(
        found,
        page.limit,
        |row: &admin::Webhook| row.id.to_string(),
    )))
}

/// Read a webhook
#[utoipa::path(get, path = "/webhooks/{id}", tag = "webhooks", params(("id" = String, Path)),
    responses((status = 200, body = Webhook)))]
async fn read(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<WebhookId>,
) -> Handled<Webhook> {
    Ok(Answer::ok(
        engine.read_webhook(&actor, id, now).await?.into(),
    ))
}

/// Change a webhook
#[utoipa::path(patch, path = "/webhooks/{id}", tag = "webhooks", params(("id" = String, Path)),
    request_body = WebhookInput, responses((status = 200, body = Webhook)))]
async fn update(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<WebhookId>,
    Body(input): Body<WebhookInput>,
) -> Handled<Webhook> {
    Ok(Answer::ok(
        engine
            .set_webhook(&actor, id, input.into(), now)
            .await?
            .into(),
    ))
}

/// Delete a webhook
#[utoipa::path(delete, path = "/webhooks/{id}", tag = "webhooks", params(("id" = String, Path)),
    responses((status = 204)))]
async fn delete(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<WebhookId>,
) -> Result<StatusCode, Problem> {
    engine.delete_webhook(&actor, id, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How a secret is changed.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Rotation {
    /// How long the secret before it signs as well, a week at most; a day when absent, 0 for not at all.
    overlap_seconds: Option<u32>,
}

/// A day, in which receivers change over.
const DEFAULT_OVERLAP: u32 = 24 * 60 * 60;

/// Give a webhook a new secret
///
/// What is sent carries a signature by each of the two until the overlap is over.
#[utoipa::path(post, path = "/webhooks/{id}/rotate-secret", tag = "webhooks", params(("id" = String, Path)),
    request_body = Rotation, responses((status = 200, body = Webhook)))]
async fn rotate_secret(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<WebhookId>,
    OptionalBody(input): OptionalBody<Rotation>,
) -> Handled<Webhook> {
    let overlap = input.overlap_seconds.unwrap_or(DEFAULT_OVERLAP);
    let overlap = Duration::from_secs(u64::from(overlap));
    Ok(Answer::ok(
        engine
            .rotate_webhook_secret(&actor, id, overlap, now)
            .await?
            .into(),
    ))
}
