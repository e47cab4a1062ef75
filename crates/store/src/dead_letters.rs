//! What was given up, until a person decides about it; and how much waits.

use vestibule_core::{OrganizationId, OutboxId, Timestamp, UserId};

use crate::{Destination, ReadTx, Result, WriteTx, query::query, row::text};

/// A job that was given up.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// The job.
    pub id: OutboxId,
    /// The word for its kind.
    pub kind: String,
    /// Where it should have gone.
    pub destination: String,
    /// Whose it is.
    pub organization_id: Option<OrganizationId>,
    /// Whom it is about.
    pub user_id: Option<UserId>,
    /// What caused it: an offboarding or an event.
    pub cause_id: Option<String>,
    /// Attempts made.
    pub attempts: i64,
    /// What the last attempt ran into.
    pub last_error: Option<String>,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was given up.
    pub dead_at: Timestamp,
}

macro_rules! columns {
    () => {
        "id, kind, destination, organization_id, user_id, cause_id, attempts, last_error, created_at, dead_at"
    };
}

from_row!(DeadLetter, row => DeadLetter {
    id: row.id("id")?,
    kind: row.get("kind")?,
    destination: row.get("destination")?,
    organization_id: row.id_or_null("organization_id")?,
    user_id: row.id_or_null("user_id")?,
    cause_id: row.get("cause_id")?,
    attempts: row.get("attempts")?,
    last_error: row.get("last_error")?,
    created_at: row.time("created_at")?,
    dead_at: row.time("dead_at")?,
});

/// Which dead letters are wanted; what is absent does not narrow.
#[derive(Debug, Clone, Default)]
pub struct DeadLetterQuery {
    /// For this destination.
    pub destination: Option<String>,
    /// Of this kind.
    pub kind: Option<Destination>,
    /// Of this organization.
    pub organization_id: Option<OrganizationId>,
}

/// How much waits, of one kind.
#[derive(Debug, Clone)]
pub struct Backlog {
    /// The word for the kind.
    pub kind: String,
    /// Jobs that wait.
    pub waiting: i64,
    /// When the oldest of them could first be done.
    pub oldest: Timestamp,
}

from_row!(Backlog, row => Backlog {
    kind: row.get("kind")?,
    waiting: row.get("waiting")?,
    oldest: row.time("oldest")?,
});

impl ReadTx {
    /// Dead letters, the newest first, before one where wanted.
    pub async fn list_dead_letters(
        &mut self,
        wanted: &DeadLetterQuery,
        before: Option<OutboxId>,
        limit: i64,
    ) -> Result<Vec<DeadLetter>> {
        query(concat!(
            "SELECT ", columns!(), " FROM outbox WHERE dead_at IS NOT NULL AND (CAST($1 AS TEXT) IS NULL OR destination = $1)
             AND (CAST($2 AS TEXT) IS NULL OR kind = $2) AND (CAST($3 AS TEXT) IS NULL OR organization_id = $3)
             AND (CAST($4 AS TEXT) IS NULL OR id < $4) ORDER BY id DESC LIMIT $5"))
            .bind(&wanted.destination)
            .bind(wanted.kind.map(Destination::as_str))
            .bind(text(wanted.organization_id))
            .bind(text(before))
            .bind(limit)
            .fetch_all(self)
            .await
    }

    /// One dead letter.
    pub async fn find_dead_letter(&mut self, id: OutboxId) -> Result<Option<DeadLetter>> {
        query(concat!(
            "SELECT ",
            columns!(),
            " FROM outbox WHERE id = $1 AND dead_at IS NOT NULL"
        ))
        .bind(id.to_string())
        .fetch_optional(self)
        .await
    }

    /// What waits, by kind. It looks at what waits and at nothing that is done.
    pub async fn list_backlogs(&mut self) -> Result<Vec<Backlog>> {
        query(
            "SELECT kind, COUNT(*) AS waiting, MIN(due_since) AS oldest FROM outbox
             WHERE done_at IS NULL AND dead_at IS NULL GROUP BY kind",
        )
        .long()
        .fetch_all(self)
        .await
    }

    /// How many jobs were given up, by kind.
    pub async fn count_dead(&mut self) -> Result<Vec<(String, i64)>> {
        query("SELECT kind, COUNT(*) FROM outbox WHERE dead_at IS NOT NULL GROUP BY kind")
            .long()
            .fetch_all(self)
            .await
    }

    /// How many breakers are open, by kind.
    pub async fn count_open_breakers(&mut self) -> Result<Vec<(String, i64)>> {
        query("SELECT kind, COUNT(*) FROM destinations WHERE open_until IS NOT NULL GROUP BY kind")
            .fetch_all(self)
            .await
    }
}

impl WriteTx {
    /// Gives some dead letters of a destination another life, those behind one of them where wanted; of one organization
    /// where wanted. Which, in their order.
    pub async fn retry_dead_letters(
        &mut self,
        (destination, after): (&str, Option<OutboxId>),
        organization_id: Option<OrganizationId>,
        limit: i64,
    ) -> Result<Vec<OutboxId>> {
        self.leaves_jobs();
        let now = self.now().micros();
        let revived: Vec<String> = query(
            "UPDATE outbox SET dead_at = NULL, attempts = 0, not_before = $5, due_since = $5, claimed_until = NULL WHERE id IN (
               SELECT id FROM outbox WHERE destination = $1 AND dead_at IS NOT NULL AND (CAST($2 AS TEXT) IS NULL OR id > $2)
               AND (CAST($3 AS TEXT) IS NULL OR organization_id = $3) ORDER BY id LIMIT $4) RETURNING id")
            .bind(destination)
            .bind(text(after))
            .bind(text(organization_id))
            .bind(limit)
            .bind(now)
            .fetch_all(self)
            .await?;
        let ids: Result<Vec<OutboxId>> = revived
            .iter()
            .map(|id| id.parse().map_err(|_| crate::Error::corrupt("job id")))
            .collect();
        let mut ids = ids?;
        ids.sort_unstable();
        self.reopen_offboardings(&ids).await?;
        Ok(ids)
    }
}
