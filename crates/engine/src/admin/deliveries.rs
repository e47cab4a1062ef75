//! What became of deliveries: the history of webhooks, tests, replays, and the dead letters of all kinds.

use serde_json::{Value, json};
use vestibule_core::{
    EventId, EventKind, OrganizationId, OutboxId, Resource, Timestamp, WebhookId,
};
use vestibule_store::{
    DeadLetter, DeadLetterQuery, Delivery, DeliveryAttempt, Destination, Event, EventPlace,
    NewEvent, NewJob, ReadTx,
};

use super::{
    Actor, AdminError, Done, Result,
    webhooks::{audit, checked_kinds, lock_webhook},
};
use crate::{
    Clock, Engine,
    delivery::{event_body, held_until},
};

/// Rows that one transaction takes, so that nobody waits for long.
const CHUNK: i64 = 500;
/// Deliveries that one replay queues at most; it says where the next one goes on.
const REPLAYED_AT_MOST: usize = 100_000;
/// Events that one replay looks at at most: few of them may be of the wanted kinds.
const LOOKED_AT_MOST: usize = 1_000_000;

/// A delivery with all its attempts.
#[derive(Debug)]
pub struct DeliveryHistory {
    /// The delivery.
    pub delivery: Delivery,
    /// What was sent each time, while the event is kept.
    pub body: Option<Value>,
    /// The attempts, the oldest first.
    pub attempts: Vec<DeliveryAttempt>,
}

/// Which events are sent again.
#[derive(Debug, Default)]
pub struct ReplayRange {
    /// Those after this one, or after this time; from the first one kept when absent.
    pub after: Option<ReplayPoint>,
    /// Those up to this time; up to now when absent.
    pub until: Option<Timestamp>,
    /// Only these kinds; all that the webhook subscribes to when absent.
    pub kinds: Option<Vec<String>>,
}

/// Where a replay begins.
#[derive(Debug, Clone, Copy)]
pub enum ReplayPoint {
    /// After an event.
    Event(EventId),
    /// At a time.
    Time(Timestamp),
}

/// What a replay has queued.
#[derive(Debug)]
pub struct Replayed {
    /// How many deliveries.
    pub queued: usize,
    /// The event after which the next replay goes on, when there may be more than one replay takes.
    pub next_after: Option<String>,
}

impl Engine {
    /// Deliveries to a webhook, the newest first, before one where wanted.
    pub async fn list_deliveries(
        &self,
        actor: &Actor,
        id: WebhookId,
        before: Option<OutboxId>,
        limit: i64,
        now: Timestamp,
    ) -> Result<Vec<Delivery>> {
        self.read_webhook(actor, id, now).await?;
        Ok(self
            .store()
            .read(now)
            .await?
            .list_deliveries(id, before, limit)
            .await?)
    }

    /// One delivery with what was sent and what came back.
    pub async fn read_delivery(
        &self,
        actor: &Actor,
        id: OutboxId,
        now: Timestamp,
    ) -> Result<DeliveryHistory> {
        let mut tx = self.store().read(now).await?;
        let job = tx.find_job(id).await?.ok_or(AdminError::NotFound)?;
        let webhook_id: WebhookId = job.destination.parse().map_err(|_| AdminError::NotFound)?;
        self.read_webhook(actor, webhook_id, now).await?;
        let delivery = tx.find_delivery(id).await?.ok_or(AdminError::NotFound)?;
        let event_id: Option<EventId> = job.cause_id.as_deref().and_then(|id| id.parse().ok());
        let event = match event_id {
            Some(id) => tx.find_event(id).await?,
            None => None,
        };
        Ok(DeliveryHistory {
            delivery,
            body: event.as_ref().map(event_body),
            attempts: tx.list_attempts(id).await?,
        })
    }

    /// Tries a delivery again at once, a dead one too.
    pub async fn retry_delivery(
        &self,
        actor: &Actor,
        id: OutboxId,
        now: Timestamp,
    ) -> Result<Delivery> {
        actor.may_write(Resource::Webhooks)?;
        let mut tx = self.store().write(now).await?;
        let job = tx.find_job(id).await?.ok_or(AdminError::NotFound)?;
        let webhook_id: WebhookId = job.destination.parse().map_err(|_| AdminError::NotFound)?;
        let webhook = lock_webhook(&mut tx, actor, webhook_id).await?;
        // Who asks for it expects the receiver to be back.
        tx.end_rest(Destination::Webhook, &job.destination).await?;
        if !tx.retry_job(id).await? {
            return Err(AdminError::conflict(
                "this event was delivered; there is nothing to retry",
            ));
        }
        audit(&mut tx, actor, "delivery.retry", &webhook).await?;
        let delivery = tx.find_delivery(id).await?.ok_or(AdminError::NotFound)?;
        tx.commit().await?;
        self.wake();
        Ok(delivery)
    }

    /// Sends a webhook one event, `webhook.test`, at once and once, and says what became of it.
    pub async fn test_webhook(
        &self,
        actor: &Actor,
        id: WebhookId,
        clock: &Clock,
    ) -> Result<DeliveryHistory> {
        actor.may_write(Resource::Webhooks)?;
        let now = clock.now();
        let mut tx = self.store().write(now).await?;
        let webhook = lock_webhook(&mut tx, actor, id).await?;
        let event = NewEvent {
            kind: EventKind::WebhookTest,
            organization_id: webhook.organization_id,
            user_id: None,
            data: json!({ "webhook_id": id, "actor": actor.name }),
        };
        let job_id = tx.push_event_to(id, event, held_until(now)).await?;
        audit(&mut tx, actor, "webhook.test", &webhook).await?;
        tx.commit().await?;
        let (engine, its_clock) = (self.clone(), clock.clone());
        self.detached(async move { engine.try_webhook(job_id, &its_clock).await })
            .await?;
        self.read_delivery(actor, job_id, clock.now()).await
    }

    /// Queues events of a range for a webhook again; receivers know them by the same `webhook-id`.
    pub async fn replay_webhook(
        &self,
        actor: &Actor,
        id: WebhookId,
        range: ReplayRange,
        now: Timestamp,
    ) -> Result<Replayed> {
        actor.may_write(Resource::Webhooks)?;
        let mut tx = self.store().write(now).await?;
        let webhook = lock_webhook(&mut tx, actor, id).await?;
        let kinds = match range.kinds {
            Some(kinds) => checked_kinds(kinds)?,
            None => webhook.kinds.clone(),
        };
        let mut place = replay_from(&mut tx, actor, range.after).await?;
        audit(&mut tx, actor, "webhook.replay", &webhook).await?;
        tx.commit().await?;
        let until = range.until.unwrap_or(now).min(now);
        let (mut queued, mut looked_at) = (0, 0);
        while queued < REPLAYED_AT_MOST && looked_at < LOOKED_AT_MOST {
            let mut tx = self.store().read(now).await?;
            let events = tx
                .list_events_by_time(&place, until, webhook.organization_id, CHUNK)
                .await?;
            drop(tx);
            let Some(last) = events.last() else {
                return Ok(Replayed {
                    queued,
                    next_after: None,
                });
            };
            place = place_of(last);
            looked_at += events.len();
            queued += self.queue_again(id, &kinds, &events, now).await?;
        }
        Ok(Replayed {
            queued,
            next_after: Some(place.id),
        })
    }

    /// Queues those of the events that are of the kinds; how many.
    async fn queue_again(
        &self,
        id: WebhookId,
        kinds: &[String],
        events: &[Event],
        now: Timestamp,
    ) -> Result<usize> {
        let is_meant = |kind: &str| {
            kind.parse::<EventKind>().is_ok_and(|kind| {
                kind != EventKind::WebhookTest
                    && kinds.iter().any(|pattern| kind.is_meant_by(pattern))
            })
        };
        let jobs: Vec<NewJob> = events
            .iter()
            .filter(|event| is_meant(&event.kind))
            .map(|event| NewJob {
                kind: Destination::Webhook,
                destination: id.to_string(),
                organization_id: event.organization_id,
                user_id: None,
                cause_id: Some(event.id.to_string()),
                payload: Value::Null,
                not_before: now,
            })
            .collect();
        if !jobs.is_empty() {
            let mut tx = self.store().write(now).await?;
            tx.add_jobs(&jobs).await?;
            tx.commit().await?;
            self.wake();
        }
        Ok(jobs.len())
    }

    /// What was given up, the newest first; an actor that is bound to an organization sees what is about it.
    pub async fn list_dead_letters(
        &self,
        actor: &Actor,
        mut wanted: DeadLetterQuery,
        before: Option<OutboxId>,
        limit: i64,
        now: Timestamp,
    ) -> Result<Vec<DeadLetter>> {
        actor.may_read(Resource::Webhooks)?;
        wanted.organization_id = seen(actor, wanted.organization_id)?;
        let mut tx = self.store().read(now).await?;
        Ok(tx.list_dead_letters(&wanted, before, limit).await?)
    }

    /// Gives one dead letter another life.
    pub async fn retry_dead_letter(
        &self,
        actor: &Actor,
        id: OutboxId,
        now: Timestamp,
    ) -> Result<()> {
        actor.may_write(Resource::Webhooks)?;
        let mut tx = self.store().write(now).await?;
        let letter = tx.find_dead_letter(id).await?.ok_or(AdminError::NotFound)?;
        actor.sees_optional(letter.organization_id)?;
        for kind in Destination::ALL {
            tx.end_rest(kind, &letter.destination).await?;
        }
        tx.retry_job(id).await?;
        let done = Done {
            organization_id: letter.organization_id,
            action: "dead_letter.retry",
            subject: id.to_string(),
            data: json!({ "destination": letter.destination, "kind": letter.kind }),
        };
        actor.audit(&mut tx, done).await?;
        tx.commit().await?;
        self.wake();
        Ok(())
    }

    /// Gives all dead letters of a destination another life, in chunks; how many there were.
    pub async fn retry_dead_letters(
        &self,
        actor: &Actor,
        destination: &str,
        now: Timestamp,
    ) -> Result<u64> {
        actor.may_write(Resource::Webhooks)?;
        if destination.is_empty() {
            return Err(AdminError::invalid(
                "destination",
                "must be the id of an application or a webhook",
            ));
        }
        let (mut retried, mut last) = (0, None);
        // Each once: what is dead again before this is over is not tried again.
        loop {
            let mut tx = self.store().write(now).await?;
            for kind in Destination::ALL {
                tx.end_rest(kind, destination).await?;
            }
            let chunk = tx
                .retry_dead_letters((destination, last), actor.organization_id, CHUNK)
                .await?;
            if chunk.is_empty() {
                break;
            }
            let done = Done {
                organization_id: actor.organization_id,
                action: "dead_letters.retry",
                subject: destination.to_owned(),
                data: json!({ "count": chunk.len() }),
            };
            actor.audit(&mut tx, done).await?;
            tx.commit().await?;
            self.wake();
            retried += chunk.len();
            last = chunk.last().copied();
        }
        Ok(u64::try_from(retried).unwrap_or(u64::MAX))
    }
}

/// The place in the order of events behind which a replay begins.
async fn replay_from(
    tx: &mut ReadTx,
    actor: &Actor,
    after: Option<ReplayPoint>,
) -> Result<EventPlace> {
    let event_id = match after {
        None => return Ok(EventPlace::default()),
        Some(ReplayPoint::Time(at)) => {
            return Ok(EventPlace {
                at,
                id: String::new(),
            });
        }
        Some(ReplayPoint::Event(event_id)) => event_id,
    };
    let event = tx.find_event(event_id).await?;
    let event = event.filter(|event| actor.sees_optional(event.organization_id).is_ok());
    event.as_ref().map(place_of).ok_or_else(|| {
        AdminError::invalid(
            "after",
            "must be the id of an event that is kept, or a time",
        )
    })
}

fn place_of(event: &Event) -> EventPlace {
    EventPlace {
        at: event.created_at,
        id: event.id.to_string(),
    }
}

/// The organization to which the actor's view narrows.
fn seen(actor: &Actor, wanted: Option<OrganizationId>) -> Result<Option<OrganizationId>> {
    if let Some(organization_id) = wanted {
        actor.sees(organization_id)?;
    }
    Ok(wanted.or(actor.organization_id))
}
