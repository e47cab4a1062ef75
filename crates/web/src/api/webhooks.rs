//! `/webhooks` and their deliveries.

use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use vestibule_core::{OrganizationId, OutboxId, WebhookId};
use vestibule_engine::{
    Engine,
    admin::{self, MadeWebhook, WebhookChange},
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
        .routes(routes!(read, update, delete))
        .routes(routes!(rotate_secret))
        .routes(routes!(list_deliveries))
        .routes(routes!(retry_delivery))
}

/// What a webhook is made of, or changed to; `url` is required to make one.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct WebhookInput {
    /// Where events are sent to.
    url: Option<String>,
    /// The names of events; all when absent or empty.
    #[schema(example = json!(["user.deactivated"]))]
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

/// Give a webhook a new secret
#[utoipa::path(post, path = "/webhooks/{id}/rotate-secret", tag = "webhooks", params(("id" = String, Path)),
    responses((status = 200, body = Webhook)))]
async fn rotate_secret(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<WebhookId>,
) -> Handled<Webhook> {
    Ok(Answer::ok(
        engine.rotate_webhook_secret(&actor, id, now).await?.into(),
    ))
}

/// An event on its way to a webhook.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Delivery {
    id: String,
    /// The event, also the `webhook-id` header.
    event_id: Option<String>,
    event_type: Option<String>,
    organization_id: Option<String>,
    /// `waiting`, `delivered` or `dead`.
    state: &'static str,
    attempts: i64,
    /// What the receiver answered last.
    last_status: Option<i64>,
    last_error: Option<String>,
    last_attempt_at: Option<String>,
    last_duration_micros: Option<i64>,
    next_attempt_at: Option<String>,
    created_at: String,
    delivered_at: Option<String>,
}

impl From<admin::Delivery> for Delivery {
    fn from(delivery: admin::Delivery) -> Self {
        let state = match (delivery.done_at, delivery.dead_at) {
            (Some(_), _) => "delivered",
            (None, Some(_)) => "dead",
            (None, None) => "waiting",
        };
        Self {
            id: delivery.id.to_string(),
            event_id: delivery.event_id,
            event_type: delivery.event_kind,
            organization_id: delivery.organization_id.map(|id| id.to_string()),
            state,
            attempts: delivery.attempts,
            last_status: delivery.last_status,
            last_error: delivery.last_error,
            last_attempt_at: delivery.last_attempt_at.map(|at| at.to_string()),
            last_duration_micros: delivery.last_duration_micros,
            next_attempt_at: (state == "waiting").then(|| delivery.not_before.to_string()),
            created_at: delivery.created_at.to_string(),
            delivered_at: delivery.done_at.map(|at| at.to_string()),
        }
    }
}

/// List the deliveries to a webhook
///
/// The newest first; a dead one is tried again on request only.
#[utoipa::path(get, path = "/webhooks/{id}/deliveries", tag = "webhooks", params(("id" = String, Path), PageQuery),
    responses((status = 200, body = List<Delivery>)))]
async fn list_deliveries(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<WebhookId>,
    Params(query): Params<PageQuery>,
) -> Handled<List<Delivery>> {
    let page = query.parse()?;
    let found = engine
        .list_deliveries(&actor, id, page.after, page.limit, now)
        .await?;
    Ok(Answer::ok(List::page(
        found,
        page.limit,
        |row: &admin::Delivery| row.id.to_string(),
    )))
}

/// Try a delivery again at once
#[utoipa::path(post, path = "/deliveries/{id}/retry", tag = "webhooks", params(("id" = String, Path)),
    responses((status = 200, body = Delivery)))]
async fn retry_delivery(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<OutboxId>,
) -> Handled<Delivery> {
    Ok(Answer::ok(
        engine.retry_delivery(&actor, id, now).await?.into(),
    ))
}
