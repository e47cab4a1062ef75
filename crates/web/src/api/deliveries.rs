//! What became of deliveries: the history of webhooks, tests, replays, and the dead letters of all kinds.

use axum::{Extension, extract::State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};
use vestibule_core::{ApplicationId, OrganizationId, OutboxId, Timestamp, WebhookId};
use vestibule_engine::{
    Clock, Engine,
    admin::{self, DeadLetterQuery, Destination, ReplayPoint, ReplayRange},
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
        .routes(routes!(list_deliveries))
        .routes(routes!(read_delivery))
        .routes(routes!(retry_delivery))
        .routes(routes!(test_webhook))
        .routes(routes!(replay_webhook))
        .routes(routes!(list_dead_letters))
        .routes(routes!(retry_dead_letter))
        .routes(routes!(retry_dead_letters))
}

/// An event on its way to a webhook.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Delivery {
    id: String,
    /// The event, also the `webhook-id` header.
    event_id: Option<String>,
    event_type: Option<String>,
    organization_id: Option<String>,
    /// `waiting`, `delivered` or `dead`; `failed` for a test that did not arrive.
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
            (Some(_), _) if delivery.last_error.is_some() => "failed",
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

/// One attempt to deliver an event.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct DeliveryAttempt {
    /// Its number, from 1.
    attempt: i64,
    /// What the receiver answered.
    status: Option<i64>,
    error: Option<String>,
    duration_micros: i64,
    /// The headers that were sent, without the signature.
    #[schema(value_type = Option<Object>)]
    request_headers: Option<Value>,
    /// Headers of the answer; none that may hold a credential.
    #[schema(value_type = Option<Object>)]
    response_headers: Option<Value>,
    /// The first 2 KiB of the answer.
    response_body: Option<String>,
    created_at: String,
}

impl From<admin::DeliveryAttempt> for DeliveryAttempt {
    fn from(attempt: admin::DeliveryAttempt) -> Self {
        Self {
            attempt: attempt.attempt,
            status: attempt.status,
            error: attempt.error,
            duration_micros: attempt.duration_micros,
            request_headers: attempt.request_headers,
            response_headers: attempt.response_headers,
            response_body: attempt.response_body,
            created_at: attempt.created_at.to_string(),
        }
    }
}

/// A delivery with what was sent and what came back.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct DeliveryHistory {
    #[serde(flatten)]
    delivery: Delivery,
    /// The body that was sent, while the event is kept.
    #[schema(value_type = Option<Object>)]
    request_body: Option<Value>,
    /// The attempts, the oldest first.
    history: Vec<DeliveryAttempt>,
}

impl From<admin::DeliveryHistory> for DeliveryHistory {
    fn from(found: admin::DeliveryHistory) -> Self {
        Self {
            delivery: found.delivery.into(),
            request_body: found.body,
            history: found.attempts.into_iter().map(Into::into).collect(),
        }
    }
}

/// Read a delivery with its attempts
#[utoipa::path(get, path = "/deliveries/{id}", tag = "webhooks", params(("id" = String, Path)),
    responses((status = 200, body = DeliveryHistory)))]
async fn read_delivery(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<OutboxId>,
) -> Handled<DeliveryHistory> {
    Ok(Answer::ok(
        engine.read_delivery(&actor, id, now).await?.into(),
    ))
}

/// Send a webhook an event to try it
///
/// One event, `webhook.test`, is sent at once and once; the answer says what became of it.
#[utoipa::path(post, path = "/webhooks/{id}/test", tag = "webhooks", params(("id" = String, Path)),
    responses((status = 200, body = DeliveryHistory)))]
async fn test_webhook(
    State(engine): State<Engine>,
    Extension(clock): Extension<Clock>,
    By(actor): By,
    Target(id): Target<WebhookId>,
) -> Handled<DeliveryHistory> {
    Ok(Answer::ok(
        engine.test_webhook(&actor, id, &clock).await?.into(),
    ))
}

/// Which events are sent again.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Range {
    /// The id of an event, or a time (RFC 3339): those after it; from the first that is kept when absent.
    after: Option<String>,
    /// Those up to this time (RFC 3339); up to now when absent.
    until: Option<String>,
    /// Only events of these names or families; what the webhook subscribes to when absent.
    types: Option<Vec<String>>,
}

impl TryFrom<Range> for ReplayRange {
    type Error = Problem;

    fn try_from(range: Range) -> Result<Self, Problem> {
        let after = match range.after {
            None => None,
            Some(text) => Some(match text.parse() {
                Ok(id) => ReplayPoint::Event(id),
                Err(_) => ReplayPoint::Time(time("after", &text)?),
            }),
        };
        let until = range.until.map(|text| time("until", &text)).transpose()?;
        Ok(Self {
            after,
            until,
            kinds: range.types,
        })
    }
}

fn time(field: &'static str, text: &str) -> Result<Timestamp, Problem> {
    let parsed = serde_json::from_value(Value::String(text.to_owned()));
    parsed.map_err(|_| Problem::mixed(field, "must be a time, such as 2026-01-31T12:00:00Z"))
}

/// What a replay has queued.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Replayed {
    /// How many deliveries.
    queued: usize,
    /// The `after` of the next replay, when there may be more events than one takes (100,000 of the wanted ones) or looks
    /// at (1,000,000).
    next_after: Option<String>,
}

/// Send a webhook a range of events again
///
/// Their `webhook-id` is the same as before, so that a receiver knows those that it has.
#[utoipa::path(post, path = "/webhooks/{id}/replay", tag = "webhooks", params(("id" = String, Path)),
    request_body = Range, responses((status = 200, body = Replayed)))]
async fn replay_webhook(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<WebhookId>,
    OptionalBody(range): OptionalBody<Range>,
) -> Handled<Replayed> {
    let replayed = engine
        .replay_webhook(&actor, id, range.try_into()?, now)
        .await?;
    Ok(Answer::ok(Replayed {
        queued: replayed.queued,
        next_after: replayed.next_after,
    }))
}

/// Something that was given up.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct DeadLetter {
    id: String,
    /// `logout`, `webhook` or another kind of delivery.
    kind: String,
    /// The id of an application or a webhook.
    destination: String,
    organization_id: Option<String>,
    user_id: Option<String>,
    /// The offboarding or the event that caused it.
    cause_id: Option<String>,
    attempts: i64,
    last_error: Option<String>,
    created_at: String,
    dead_at: String,
}

impl From<admin::DeadLetter> for DeadLetter {
    fn from(letter: admin::DeadLetter) -> Self {
        Self {
            id: letter.id.to_string(),
            kind: letter.kind,
            destination: letter.destination,
            organization_id: letter.organization_id.map(|id| id.to_string()),
            user_id: letter.user_id.map(|id| id.to_string()),
            cause_id: letter.cause_id,
            attempts: letter.attempts,
            last_error: letter.last_error,
            created_at: letter.created_at.to_string(),
            dead_at: letter.dead_at.to_string(),
        }
    }
}

/// Which dead letters are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct DeadLettersQuery {
    /// How many, at most 500.
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    after: Option<String>,
    /// Another name for `after`.
    cursor: Option<String>,
    /// The id of an application or a webhook.
    destination: Option<String>,
    /// Only for this application.
    #[param(value_type = Option<String>)]
    application_id: Option<ApplicationId>,
    /// Only for this webhook.
    #[param(value_type = Option<String>)]
    webhook_id: Option<WebhookId>,
    /// Only of this organization.
    #[param(value_type = Option<String>)]
    organization_id: Option<OrganizationId>,
    /// Only of this kind, such as `logout`.
    kind: Option<String>,
}

impl DeadLettersQuery {
    fn wanted(&self) -> Result<DeadLetterQuery, Problem> {
        let kind = match &self.kind {
            None => None,
            Some(name) => {
                let mut known = Destination::ALL.into_iter();
                let kind = known.find(|kind| kind.as_str() == name);
                Some(kind.ok_or_else(|| Problem::query("kind names no kind of delivery"))?)
            }
        };
        let named = [
            self.destination.clone(),
            self.application_id.map(|id| id.to_string()),
            self.webhook_id.map(|id| id.to_string()),
        ];
        let mut named = named.into_iter().flatten();
        let destination = named.next();
        if named.next().is_some() {
            return Err(Problem::query("name one destination, not several"));
        }
        Ok(DeadLetterQuery {
            destination,
            kind,
            organization_id: self.organization_id,
        })
    }
}

/// List what was given up
///
/// The newest first: logout notices, events for webhooks, and whatever else was delivered in vain until its time was over.
#[utoipa::path(get, path = "/dead-letters", tag = "webhooks", params(DeadLettersQuery),
    responses((status = 200, body = List<DeadLetter>)))]
async fn list_dead_letters(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Params(query): Params<DeadLettersQuery>,
) -> Handled<List<DeadLetter>> {
    let wanted = query.wanted()?;
    let page = PageQuery {
        limit: query.limit,
        after: query.after,
        cursor: query.cursor,
    };
    let page = page.parse()?;
    let found = engine
        .list_dead_letters(&actor, wanted, page.after, page.limit, now)
        .await?;
    Ok(Answer::ok(List::page(
        found,
        page.limit,
        |row: &admin::DeadLetter| row.id.to_string(),
    )))
}

/// Try a dead letter again at once
#[utoipa::path(post, path = "/dead-letters/{id}/retry", tag = "webhooks", params(("id" = String, Path)),
    responses((status = 204)))]
async fn retry_dead_letter(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<OutboxId>,
) -> Result<StatusCode, Problem> {
    engine.retry_dead_letter(&actor, id, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whose dead letters are tried again.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Retry {
    /// The id of an application or a webhook.
    destination: String,
}

/// How many are tried again.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Retried {
    retried: u64,
}

/// Try all dead letters of a destination again
#[utoipa::path(post, path = "/dead-letters/retry", tag = "webhooks", request_body = Retry,
    responses((status = 200, body = Retried)))]
async fn retry_dead_letters(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Body(input): Body<Retry>,
) -> Handled<Retried> {
    let retried = engine
        .retry_dead_letters(&actor, &input.destination, now)
        .await?;
    Ok(Answer::ok(Retried { retried }))
}
