//! What happened, told in one total order.
//!
//! An event gets its position only after its commit: [`WriteTx::place_events`] numbers what is committed, one caller
//! at a time. So a reader that has seen position n has seen everything at or below n, and a transaction that is still
//! open can only come later, never be passed over.

use serde_json::Value;
use vestibule_core::{EventId, EventKind, OrganizationId, OutboxId, Timestamp, UserId};

use crate::{
    ReadTx, Result, WriteTx,
    query::query,
    row::{Json, text},
};

/// How many events one call numbers at most.
const PLACED_AT_ONCE: i64 = 5000;

/// Something that happened.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its id, also the `webhook-id` of its deliveries.
    pub id: EventId,
    /// Its place in the order of all events; none until it is placed.
    pub position: Option<i64>,
    /// Its name, such as `user.deactivated`.
    pub kind: String,
    /// Where it happened.
    pub organization_id: Option<OrganizationId>,
    /// What it says.
    pub data: Value,
    /// When it happened.
    pub created_at: Timestamp,
}

macro_rules! columns {
    () => {
        "id, position, kind, organization_id, data, created_at"
    };
}

from_row!(Event, row => Event {
    id: row.id("id")?,
    position: row.get("position")?,
    kind: row.get("kind")?,
    organization_id: row.id_or_null("organization_id")?,
    data: row.get::<Json<Value>>("data")?.0,
    created_at: row.time("created_at")?,
});

/// An event that happens with this transaction.
#[derive(Debug)]
pub struct NewEvent {
    /// What happened.
    pub kind: EventKind,
    /// Where.
    pub organization_id: Option<OrganizationId>,
    /// To whom; such events carry a sequence per user.
    pub user_id: Option<UserId>,
    /// What there is to say, without secrets.
    pub data: Value,
}

impl WriteTx {
    /// Records an event and what has to be delivered because of it.
    pub async fn push_event(&mut self, event: NewEvent) -> Result<EventId> {
        let now = self.now();
        let id = self.next_event_id();
        let sequence = match event.user_id {
            Some(user_id) => Some(self.next_sequence(user_id).await?),
            None => None,
        };
        let mut data = event.data;
        if let (Some(sequence), Some(fields)) = (sequence, data.as_object_mut()) {
            fields.insert("sequence".to_owned(), sequence.into());
        }
        query(
            "INSERT INTO events (id, kind, organization_id, user_id, sequence, data, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)")
            .bind(id.to_string())
            .bind(event.kind.as_str())
            .bind(text(event.organization_id))
            .bind(text(event.user_id))
            .bind(sequence)
            .bind(Json(&data))
            .bind(now.micros())
            .execute(self)
            .await?;
        let webhooks: Vec<String> = query(
            "SELECT DISTINCT w.id FROM webhook_kinds k JOIN webhooks w ON w.id = k.webhook_id
             WHERE k.kind IN ($1, '*') AND w.active AND w.deleted_at IS NULL
             AND (w.organization_id IS NULL OR w.organization_id = $2)",
        )
        .bind(event.kind.as_str())
        .bind(text(event.organization_id))
        .fetch_all(self)
        .await?;
        for webhook in webhooks {
            self.leaves_jobs();
            let outbox_id: OutboxId = self.generator().id(now);
            query(
                "INSERT INTO outbox (id, destination, kind, organization_id, user_id, cause_id, sequence, payload, not_before, attempts, created_at)
                 VALUES ($1, $2, 'webhook', $3, $4, $5, $6, $7, $8, 0, $8)")
                .bind(outbox_id.to_string())
                .bind(&webhook)
                .bind(text(event.organization_id))
                .bind(text(event.user_id))
                .bind(id.to_string())
                .bind(sequence)
                .bind(Json(Value::Null))
                .bind(now.micros())
                .execute(self)
                .await?;
        }
        Ok(id)
    }

    /// The next number in the order of one user's events.
    ///
    /// It is not a column of `users`: whoever issues credentials holds that row FOR SHARE and must never update it.
    async fn next_sequence(&mut self, user_id: UserId) -> Result<i64> {
        query(
            "INSERT INTO user_sequences (user_id, value) VALUES ($1, 1)
             ON CONFLICT (user_id) DO UPDATE SET value = user_sequences.value + 1 RETURNING value",
        )
        .bind(user_id.to_string())
        .fetch_one(self)
        .await
    }

    /// Numbers the events that are committed by now, oldest first; true when more are waiting.
    pub async fn place_events(&mut self) -> Result<bool> {
        // Updating the counter first makes callers wait for each other, so the second sees what the first has numbered.
        let first: i64 = query(
            "UPDATE counters SET value = value WHERE name = 'event_position' RETURNING value",
        )
        .fetch_one(self)
        .await?;
        let placed = query(
            // One user's events stand in their sequence, also where clocks of nodes differ: none comes before one with a
            // smaller sequence, which has been committed before it.
            "WITH waiting AS (
               SELECT id, ROW_NUMBER() OVER (ORDER BY place, sequence) AS place FROM (
                 SELECT id, sequence, CASE WHEN user_id IS NULL THEN told
                   ELSE MAX(told) OVER (PARTITION BY user_id ORDER BY sequence) END AS place FROM (
                     SELECT id, user_id, sequence, ROW_NUMBER() OVER (ORDER BY created_at, id) AS told FROM (
                       SELECT id, user_id, sequence, created_at FROM events WHERE position IS NULL ORDER BY id LIMIT $2) AS oldest) AS by_time) AS by_user)
             UPDATE events SET position = $1 + waiting.place FROM waiting WHERE waiting.id = events.id")
            .bind(first)
            .bind(PLACED_AT_ONCE)
            .execute(self)
            .await?;
        let placed = i64::try_from(placed).unwrap_or(i64::MAX);
        query("UPDATE counters SET value = value + $1 WHERE name = 'event_position'")
            .bind(placed)
            .execute(self)
            .await?;
        Ok(placed == PLACED_AT_ONCE)
    }
}

impl ReadTx {
    /// Whether events wait for their position.
    pub async fn has_unplaced_events(&mut self) -> Result<bool> {
        let found: Option<String> = query("SELECT id FROM events WHERE position IS NULL LIMIT 1")
            .fetch_optional(self)
            .await?;
        Ok(found.is_some())
    }

    /// Events after a position, in order; of one organization and kind where wanted.
    pub async fn list_events(
        &mut self,
        after: i64,
        limit: i64,
        organization_id: Option<OrganizationId>,
        kind: Option<EventKind>,
    ) -> Result<Vec<Event>> {
        const SQL: &str = concat!(
            "SELECT ", columns!(), " FROM events WHERE position > $1 AND (CAST($3 AS TEXT) IS NULL OR organization_id = $3)
             AND (CAST($4 AS TEXT) IS NULL OR kind = $4) ORDER BY position LIMIT $2"
        );
        query(SQL)
            .bind(after)
            .bind(limit)
            .bind(text(organization_id))
            .bind(kind.map(EventKind::as_str))
            .fetch_all(self)
            .await
    }

    /// One event.
    pub async fn find_event(&mut self, id: EventId) -> Result<Option<Event>> {
        query(concat!("SELECT ", columns!(), " FROM events WHERE id = $1"))
            .bind(id.to_string())
            .fetch_optional(self)
            .await
    }
}
