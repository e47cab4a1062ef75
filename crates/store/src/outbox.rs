//! What has to happen after a commit: at least once, and visibly when it cannot.

use std::time::Duration;

use serde_json::Value;
use vestibule_core::{OrganizationId, OutboxId, Timestamp, UserId};

use crate::{
    ReadTx, Result, WriteTx,
    query::query,
    row::{Json, micros, text},
    statement::Statement,
};

/// Rows that one INSERT carries; both databases take far more parameters than this makes.
const ROWS_AT_ONCE: usize = 500;
/// Jobs of one destination that are claimed at the same time, by all nodes together; so none of them fills the claims.
const CLAIMED_PER_DESTINATION: i64 = 32;

/// The kinds of jobs; each has workers of its own, so that a slow webhook never holds back a logout notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// A logout token to an application (OpenID Connect Back-Channel Logout).
    Logout,
    /// An event to a webhook.
    Webhook,
    /// A security event token to an application's stream.
    Stream,
    /// The notices of a whole organization, connection or application, written in chunks.
    FanOut,
}

impl Destination {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Logout, Self::Webhook, Self::FanOut, Self::Stream];

    /// The word in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Webhook => "webhook",
            Self::Stream => "stream",
            Self::FanOut => "fan_out",
        }
    }
}

/// A job that a worker has claimed.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its id, the same at every attempt.
    pub id: OutboxId,
    /// Where it goes: the id of an application or a webhook, or the subject of a fan-out.
    pub destination: String,
    /// Whose it is.
    pub organization_id: Option<OrganizationId>,
    /// Whom it is about.
    pub user_id: Option<UserId>,
    /// What caused it: an offboarding or an event.
    pub cause_id: Option<String>,
    /// The place in the order of one user's deliveries.
    pub sequence: Option<i64>,
    /// What the worker needs to build the message at send time.
    pub payload: Value,
    /// Attempts begun, this one included.
    pub attempts: i64,
    /// When the job could first be done, in its present life: a person may have given it another.
    pub due_since: Timestamp,
    /// When the job was written.
    pub created_at: Timestamp,
    /// When it was delivered.
    pub done_at: Option<Timestamp>,
    /// When it was given up.
    pub dead_at: Option<Timestamp>,
    /// What the last attempt ran into.
    pub last_error: Option<String>,
}

macro_rules! columns {
    () => {
        "id, destination, organization_id, user_id, cause_id, sequence, payload, attempts, due_since, created_at, done_at, dead_at, last_error"
    };
}

from_row!(Job, row => Job {
    id: row.id("id")?,
    destination: row.get("destination")?,
    organization_id: row.id_or_null("organization_id")?,
    user_id: row.id_or_null("user_id")?,
    cause_id: row.get("cause_id")?,
    sequence: row.get("sequence")?,
    payload: row.get::<Json<Value>>("payload")?.0,
    attempts: row.get("attempts")?,
    due_since: row.time("due_since")?,
    created_at: row.time("created_at")?,
    done_at: row.time_or_null("done_at")?,
    dead_at: row.time_or_null("dead_at")?,
    last_error: row.get("last_error")?,
});

impl Job {
    /// Whether it is the second notice of one ending, to an application that got tokens just before.
    pub fn is_again(&self) -> bool {
        self.payload.get("again") == Some(&Value::Bool(true))
    }
}

/// Destinations of the kind `$1` for which jobs wait: one step in the index for each, however many jobs it has.
macro_rules! busy {
    () => {
        "busy (id) AS (
           SELECT (SELECT destination FROM outbox WHERE kind = $1 AND done_at IS NULL AND dead_at IS NULL ORDER BY destination LIMIT 1)
           UNION ALL
           SELECT (SELECT o.destination FROM outbox o WHERE o.kind = $1 AND o.done_at IS NULL AND o.dead_at IS NULL
                   AND o.destination > busy.id ORDER BY o.destination LIMIT 1)
           FROM busy WHERE busy.id IS NOT NULL)"
    };
}

/// The first `$2` jobs of each of them. Claimed ones count: they are the oldest, so they hold the others back.
macro_rules! heads {
    (sqlite) => {
        "heads AS (
           SELECT o.id, o.not_before, o.claimed_until, d.open_until,
             ROW_NUMBER() OVER (PARTITION BY o.destination ORDER BY o.not_before, o.id) AS place
           FROM busy CROSS JOIN outbox o LEFT JOIN destinations d ON d.kind = $1 AND d.id = busy.id
           WHERE o.id IN (
             SELECT i.id FROM outbox i WHERE i.kind = $1 AND i.destination = busy.id AND i.done_at IS NULL AND i.dead_at IS NULL
             ORDER BY i.not_before, i.id LIMIT $2))"
    };
    // SQLite has no LATERAL, and PostgreSQL would read the whole table for the subquery above.
    (postgres) => {
        "heads AS MATERIALIZED (
           SELECT o.id, o.not_before, o.claimed_until, d.open_until, o.place
           FROM busy LEFT JOIN destinations d ON d.kind = $1 AND d.id = busy.id
           CROSS JOIN LATERAL (
             SELECT i.id, i.not_before, i.claimed_until, ROW_NUMBER() OVER (ORDER BY i.not_before, i.id) AS place
             FROM outbox i WHERE i.kind = $1 AND i.destination = busy.id AND i.done_at IS NULL AND i.dead_at IS NULL
             ORDER BY i.not_before, i.id LIMIT $2) o)"
    };
}

/// Those that can be claimed at `$3`, at most `$4`.
macro_rules! free {
    () => {
        " SELECT id FROM heads WHERE not_before <= $3 AND (claimed_until IS NULL OR claimed_until <= $3)
          AND (open_until IS NULL OR (open_until <= $3 AND place = 1)) ORDER BY place, not_before LIMIT $4"
    };
}

/// When the first of those that nobody has claimed at `$3` can be.
macro_rules! next {
    () => {
        " SELECT MIN(CASE WHEN open_until > not_before THEN open_until ELSE not_before END) FROM heads
          WHERE (claimed_until IS NULL OR claimed_until <= $3) AND (open_until IS NULL OR place = 1)"
    };
}

/// A job to be done after this transaction.
#[derive(Debug)]
pub struct NewJob {
    /// What kind of job.
    pub kind: Destination,
    /// Where it goes.
    pub destination: String,
    /// Whose it is.
    pub organization_id: Option<OrganizationId>,
    /// Whom it is about.
    pub user_id: Option<UserId>,
    /// What caused it.
    pub cause_id: Option<String>,
    /// What the worker needs.
    pub payload: Value,
    /// Not before this instant.
    pub not_before: Timestamp,
}

impl WriteTx {
    /// Writes jobs that are done after this transaction commits.
    pub async fn add_jobs(&mut self, jobs: &[NewJob]) -> Result<()> {
        if jobs.is_empty() {
            return Ok(());
        }
        self.leaves_jobs();
        let now = self.now();
        for chunk in jobs.chunks(ROWS_AT_ONCE) {
            let mut statement = Statement::new(
                "INSERT INTO outbox (id, destination, kind, organization_id, user_id, cause_id, payload, not_before, due_since, attempts, created_at)
                 VALUES",
            );
            for job in chunk {
                let id: OutboxId = self.generator().id(now);
                statement.row([
                    id.to_string().into(),
                    job.destination.clone().into(),
                    job.kind.as_str().into(),
                    text(job.organization_id).into(),
                    text(job.user_id).into(),
                    job.cause_id.clone().into(),
                    Json(&job.payload).into(),
                    job.not_before.micros().into(),
                    job.not_before.micros().into(),
                    0_i64.into(),
                    now.micros().into(),
                ]);
            }
            self.execute(statement).await?;
        }
        Ok(())
    }

    /// Claims due jobs of a kind for a while; another worker gets them when the lease runs out.
    ///
    /// Each destination has its turn: the first job of each comes before the second of any, none has more than a few
    /// claimed at once, and one whose breaker is open has none, or a single one once its rest is over.
    pub async fn claim_jobs(
        &mut self,
        kind: Destination,
        lease: Duration,
        limit: i64,
    ) -> Result<Vec<Job>> {
        const SQL: &str = concat!(
            "UPDATE outbox SET claimed_until = $5, attempts = attempts + 1 WHERE id IN (
               WITH RECURSIVE ",
            busy!(),
            ", ",
            heads!(sqlite),
            free!(),
            ")
             RETURNING ",
            columns!()
        );
        // SKIP LOCKED: workers of several nodes take different jobs instead of waiting for each other.
        // COALESCE: two conditions would let the planner find the row by the index of all that wait, while its statistics
        // are of a time when nothing did.
        const POSTGRES: &str = concat!(
            "WITH RECURSIVE ", busy!(), ", ", heads!(postgres), ", free AS MATERIALIZED (", free!(), ")
             UPDATE outbox SET claimed_until = $5, attempts = attempts + 1 WHERE id IN (
               SELECT o.id FROM free JOIN outbox o ON o.id = free.id
               WHERE COALESCE(o.done_at, o.dead_at) IS NULL AND (o.claimed_until IS NULL OR o.claimed_until <= $3)
               FOR UPDATE OF o SKIP LOCKED)
             RETURNING ", columns!()
        );
        let now = self.now();
        query(SQL)
            .on_postgres(POSTGRES)
            .bind(kind.as_str())
            .bind(CLAIMED_PER_DESTINATION)
            .bind(now.micros())
            .bind(limit)
            .bind(now.after(lease).micros())
            .fetch_all(self)
            .await
    }

    /// Holds a claimed job for longer; false when the lease, which ran until `held_until`, is not the caller's any more.
    pub async fn renew_lease(
        &mut self,
        id: OutboxId,
        held_until: Timestamp,
        until: Timestamp,
    ) -> Result<bool> {
        let renewed = query(
            "UPDATE outbox SET claimed_until = $3 WHERE id = $1 AND claimed_until = $2 AND done_at IS NULL AND dead_at IS NULL")
            .bind(id.to_string())
            .bind(held_until.micros())
            .bind(until.micros())
            .execute(self)
            .await?;
        Ok(renewed == 1)
    }

    /// Gives a claimed job back that was not tried: the claim does not count as an attempt.
    pub async fn release_job(&mut self, id: OutboxId, held_until: Timestamp) -> Result<()> {
        query(
            "UPDATE outbox SET claimed_until = NULL, attempts = attempts - 1 WHERE id = $1 AND claimed_until = $2 AND done_at IS NULL")
            .bind(id.to_string())
            .bind(held_until.micros())
            .execute(self)
            .await?;
        Ok(())
    }

    /// Notes that a job is done; only an accepted delivery is.
    pub async fn finish_job(&mut self, id: OutboxId) -> Result<()> {
        let now = self.now().micros();
        query("UPDATE outbox SET done_at = $2, claimed_until = NULL, last_error = NULL WHERE id = $1 AND done_at IS NULL")
            .bind(id.to_string())
            .bind(now)
            .execute(self)
            .await?;
        Ok(())
    }

    /// Notes a failed attempt: the next is due at `retry_at`, or never again.
    pub async fn set_job_failed(
        &mut self,
        id: OutboxId,
        error: &str,
        retry_at: Option<Timestamp>,
    ) -> Result<()> {
        let now = self.now().micros();
        query(
            "UPDATE outbox SET claimed_until = NULL, last_error = $2, not_before = COALESCE($3, not_before),
             dead_at = CASE WHEN CAST($3 AS BIGINT) IS NULL THEN CAST($4 AS BIGINT) ELSE NULL END WHERE id = $1 AND done_at IS NULL")
            .bind(id.to_string())
            .bind(error)
            .bind(micros(retry_at))
            .bind(now)
            .execute(self)
            .await?;
        Ok(())
    }

    /// Gives a dead or waiting job another life at once; false when it is done or unknown.
    pub async fn retry_job(&mut self, id: OutboxId) -> Result<bool> {
        self.leaves_jobs();
        let now = self.now().micros();
        let revived = query(
            "UPDATE outbox SET dead_at = NULL, attempts = 0, not_before = $2, due_since = $2, claimed_until = NULL
             WHERE id = $1 AND done_at IS NULL")
            .bind(id.to_string())
            .bind(now)
            .execute(self)
            .await?;
        self.reopen_offboardings(&[id]).await?;
        Ok(revived == 1)
    }
}

impl ReadTx {
    /// When the next job of a kind that nobody works on can be claimed, so that a worker can sleep until then.
    pub async fn next_job_at(&mut self, kind: Destination) -> Result<Option<Timestamp>> {
        let now = self.now().micros();
        let next: Option<i64> = query(concat!(
            "WITH RECURSIVE ",
            busy!(),
            ", ",
            heads!(sqlite),
            next!()
        ))
        .on_postgres(concat!(
            "WITH RECURSIVE ",
            busy!(),
            ", ",
            heads!(postgres),
            next!()
        ))
        .bind(kind.as_str())
        .bind(CLAIMED_PER_DESTINATION)
        .bind(now)
        .fetch_one(self)
        .await?;
        Ok(next.map(Timestamp::from_micros))
    }

    /// Jobs for one destination, the newest first, before a job where wanted.
    pub async fn list_jobs(
        &mut self,
        destination: &str,
        before: Option<OutboxId>,
        limit: i64,
    ) -> Result<Vec<Job>> {
        query(concat!(
            "SELECT ", columns!(), " FROM outbox WHERE destination = $1 AND (CAST($2 AS TEXT) IS NULL OR id < $2) ORDER BY id DESC LIMIT $3"))
            .bind(destination)
            .bind(text(before))
            .bind(limit)
            .fetch_all(self)
            .await
    }

    /// One job.
    pub async fn find_job(&mut self, id: OutboxId) -> Result<Option<Job>> {
        query(concat!("SELECT ", columns!(), " FROM outbox WHERE id = $1"))
            .bind(id.to_string())
            .fetch_optional(self)
            .await
    }

    /// How many jobs wait, and how many are dead.
    pub async fn count_jobs(&mut self) -> Result<(i64, i64)> {
        let waiting: i64 =
            query("SELECT COUNT(*) FROM outbox WHERE done_at IS NULL AND dead_at IS NULL")
                .fetch_one(self)
                .await?;
        let dead: i64 = query("SELECT COUNT(*) FROM outbox WHERE dead_at IS NOT NULL")
            .fetch_one(self)
            .await?;
        Ok((waiting, dead))
    }
}
