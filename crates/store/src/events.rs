//! What happened, told in one total order.
//!
//! An event gets its position only after its commit: [`WriteTx::place_events`] numbers what is committed, one caller
//! at a time. So a reader that has seen position n has seen everything at or below n, and a transaction that is still
//! open can only come later, never be passed over.

use serde_json::Value;
use vestibule_core::{EventId, EventKind, OrganizationId, OutboxId, Timestamp, UserId, WebhookId};

use crate::{
    ReadTx, Result, WriteTx,
    query::{On, query},
    row::{Json, text},
    statement::Statement,
};

/// Rows that one INSERT carries.
const ROWS_AT_ONCE: usize = 500;
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

/// Events of one kind that happen to one user with this transaction.
#[derive(Debug)]
pub(crate) struct NewEventsOfUser {
    pub(crate) kind: EventKind,
    pub(crate) organization_id: OrganizationId,
    pub(crate) user_id: UserId,
    /// What there is to say of each, an object without secrets.
    pub(crate) data: Vec<Value>,
}

/// An event's id, its place in the order of its user's events, and what it says.
type Told = (EventId, i64, Value);

/// A place in the order of events by their times.
#[derive(Debug, Clone, Default)]
pub struct EventPlace {
    /// The time of the last event before it.
    pub at: Timestamp,
    /// The id of that event; empty before all events of that time.
    pub id: String,
}

/// The webhooks that want an event of a kind in an organization.
macro_rules! webhooks_for {
    ($kind:literal, $family:literal, $organization:literal) => {
        concat!(
            "webhook_kinds k JOIN webhooks w ON w.id = k.webhook_id
             WHERE k.kind IN (",
            $kind,
            ", ",
            $family,
            ", '*') AND w.active AND w.deleted_at IS NULL AND (w.organization_id IS NULL OR w.organization_id = ",
            $organization,
            ")"
        )
    };
}

impl WriteTx {
    /// Records an event and what has to be delivered because of it.
    pub async fn push_event(&mut self, event: NewEvent) -> Result<EventId> {
        let now = self.now();
        let id = self.next_event_id();
        let (organization, user) = (text(event.organization_id), text(event.user_id));
        let (sequence, webhooks) = match self.on() {
            On::Sqlite(_) => self.store_event(id, event).await?,
            On::Postgres(_) => self.store_event_at_once(id, event).await?,
        };
        self.leaves_events();
        for webhook in webhooks {
            self.leaves_jobs();
            let outbox_id: OutboxId = self.generator().id(now);
            query(
                "INSERT INTO outbox (id, destination, kind, organization_id, user_id, cause_id, sequence, payload, not_before, due_since, attempts, created_at)
                 VALUES ($1, $2, 'webhook', $3, $4, $5, $6, $7, $8, $8, 0, $8)")
                .bind(outbox_id.to_string())
                .bind(&webhook)
                .bind(&organization)
                .bind(&user)
                .bind(id.to_string())
                .bind(sequence)
                .bind(Json(Value::Null))
                .bind(now.micros())
                .execute(self)
                .await?;
        }
        Ok(id)
    }

    /// As [`push_event`](Self::push_event) for each; how many they are costs rows and no further trips to the database.
    pub(crate) async fn push_events_of_user(&mut self, events: NewEventsOfUser) -> Result<()> {
        let count = i64::try_from(events.data.len()).unwrap_or(i64::MAX);
        if count == 0 {
            return Ok(());
        }
        self.leaves_events();
        let last: i64 = query(
            "INSERT INTO user_sequences (user_id, value) VALUES ($1, $2)
             ON CONFLICT (user_id) DO UPDATE SET value = user_sequences.value + $2 RETURNING value",
        )
        .bind(events.user_id.to_string())
        .bind(count)
        .fetch_one(self)
        .await?;
        let webhooks: Vec<String> = query(concat!(
            "SELECT DISTINCT w.id FROM ",
            webhooks_for!("$1", "$3", "$2")
        ))
        .bind(events.kind.as_str())
        .bind(events.organization_id.to_string())
        .bind(events.kind.family())
        .fetch_all(self)
        .await?;
        let mut told: Vec<Told> = Vec::with_capacity(events.data.len());
        for (sequence, mut data) in (last - count + 1..).zip(events.data) {
            if let Some(fields) = data.as_object_mut() {
                fields.insert("sequence".to_owned(), sequence.into());
            }
            told.push((self.next_event_id(), sequence, data));
        }
        let (kind, whose) = (events.kind, (events.organization_id, events.user_id));
        for chunk in told.chunks(ROWS_AT_ONCE) {
            self.store_events(kind, whose, chunk).await?;
            for webhook in &webhooks {
                self.add_deliveries(webhook, whose, chunk).await?;
            }
        }
        Ok(())
    }

    async fn store_events(
        &mut self,
        kind: EventKind,
        (organization_id, user_id): (OrganizationId, UserId),
        told: &[Told],
    ) -> Result<()> {
        let mut statement = Statement::new(
            "INSERT INTO events (id, kind, organization_id, user_id, sequence, data, created_at) VALUES",
        );
        for (id, sequence, data) in told {
            statement.row([
                id.to_string().into(),
                kind.as_str().into(),
                organization_id.to_string().into(),
                user_id.to_string().into(),
                (*sequence).into(),
                Json(data).into(),
                self.now().micros().into(),
            ]);
        }
        self.execute(statement).await?;
        Ok(())
    }

    async fn add_deliveries(
        &mut self,
        webhook: &str,
        (organization_id, user_id): (OrganizationId, UserId),
        told: &[Told],
    ) -> Result<()> {
        self.leaves_jobs();
        let now = self.now();
        let mut statement = Statement::new(
            "INSERT INTO outbox (id, destination, kind, organization_id, user_id, cause_id, sequence, payload, not_before, due_since, attempts, created_at)
             VALUES",
        );
        for (event_id, sequence, _) in told {
            let id: OutboxId = self.generator().id(now);
            statement.row([
                id.to_string().into(),
                webhook.to_owned().into(),
                "webhook".into(),
                organization_id.to_string().into(),
                user_id.to_string().into(),
                event_id.to_string().into(),
                (*sequence).into(),
                Json(Value::Null).into(),
                now.micros().into(),
                now.micros().into(),
                0_i64.into(),
                now.micros().into(),
            ]);
        }
        self.execute(statement).await?;
        Ok(())
    }

    /// Records an event that one webhook is told of and nobody else, and gives the job to the caller.
    pub async fn push_event_to(
        &mut self,
        webhook_id: WebhookId,
        event: NewEvent,
        held_until: Timestamp,
    ) -> Result<OutboxId> {
        let now = self.now();
        let id = self.next_event_id();
        let organization = text(event.organization_id);
        self.store_event(id, event).await?;
        self.leaves_events();
        let outbox_id: OutboxId = self.generator().id(now);
        query(
            "INSERT INTO outbox (id, destination, kind, organization_id, cause_id, payload, not_before, due_since, attempts, claimed_until, created_at)
             VALUES ($1, $2, 'webhook', $3, $4, $5, $6, $6, 1, $7, $6)")
            .bind(outbox_id.to_string())
            .bind(webhook_id.to_string())
            .bind(organization)
            .bind(id.to_string())
            .bind(Json(Value::Null))
            .bind(now.micros())
            .bind(held_until.micros())
            .execute(self)
            .await?;
        Ok(outbox_id)
    }

    /// Stores an event; its place in the order of its user's events, and the webhooks that want it.
    async fn store_event(
        &mut self,
        id: EventId,
        event: NewEvent,
    ) -> Result<(Option<i64>, Vec<String>)> {
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
            .bind(self.now().micros())
            .execute(self)
            .await?;
        let webhooks = query(concat!(
            "SELECT DISTINCT w.id FROM ",
            webhooks_for!("$1", "$3", "$2")
        ))
        .bind(event.kind.as_str())
        .bind(text(event.organization_id))
        .bind(event.kind.family())
        .fetch_all(self)
        .await?;
        Ok((sequence, webhooks))
    }

    /// The same in one statement: with PostgreSQL each costs a trip to the server and back.
    async fn store_event_at_once(
        &mut self,
        id: EventId,
        event: NewEvent,
    ) -> Result<(Option<i64>, Vec<String>)> {
        let rows: Vec<(Option<i64>, Option<String>)> = query(concat!(
            "WITH next AS (
               INSERT INTO user_sequences (user_id, value) SELECT $4, 1 WHERE $4 IS NOT NULL
               ON CONFLICT (user_id) DO UPDATE SET value = user_sequences.value + 1 RETURNING value),
             told AS (
               INSERT INTO events (id, kind, organization_id, user_id, sequence, data, created_at)
               SELECT $1, $2, $3, $4, n.value, $5 || CASE WHEN n.value IS NULL THEN '{}' ELSE jsonb_build_object('sequence', n.value) END, $6
               FROM (SELECT 1) one LEFT JOIN next n ON TRUE)
             SELECT n.value, w.id FROM (SELECT 1) one LEFT JOIN next n ON TRUE
             LEFT JOIN (SELECT DISTINCT w.id FROM ", webhooks_for!("$2", "$7", "$3"), ") w ON TRUE"))
            .bind(id.to_string())
            .bind(event.kind.as_str())
            .bind(text(event.organization_id))
            .bind(text(event.user_id))
            .bind(Json(&event.data))
            .bind(self.now().micros())
            .bind(event.kind.family())
            .fetch_all(self)
            .await?;
        let sequence = rows.first().and_then(|(sequence, _)| *sequence);
        let webhooks = rows
            .into_iter()
            .filter_map(|(_, webhook)| webhook)
            .collect();
        Ok((sequence, webhooks))
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

    /// The position of the last event that has one.
    pub async fn last_position(&mut self) -> Result<i64> {
        query("SELECT value FROM counters WHERE name = 'event_position'")
            .fetch_one(self)
            .await
    }

    /// Events that happened after a place and not after an instant, in the order of their times; of one organization
    /// where wanted.
    pub async fn list_events_by_time(
        &mut self,
        after: &EventPlace,
        until: Timestamp,
        organization_id: Option<OrganizationId>,
        limit: i64,
    ) -> Result<Vec<Event>> {
        query(concat!(
            "SELECT ", columns!(), " FROM events WHERE created_at >= $1 AND (created_at > $1 OR id > $2) AND created_at <= $3
             AND (CAST($4 AS TEXT) IS NULL OR organization_id = $4) ORDER BY created_at, id LIMIT $5"))
            .bind(after.at.micros())
            .bind(&after.id)
            .bind(until.micros())
            .bind(text(organization_id))
            .bind(limit)
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
