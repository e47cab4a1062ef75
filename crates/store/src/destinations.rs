//! The breakers: destinations that do not take what they are sent, as all nodes see them.
//!
//! A row is there from the first failure to the next success, so the table holds only what is in trouble.

use std::time::Duration;

use vestibule_core::Timestamp;

use crate::{Destination, Result, WriteTx, query::query};

/// Jobs that one pass gives up at most.
const EXPIRED_AT_ONCE: i64 = 500;

impl WriteTx {
    /// Counts a failure and gives how many there were in a row; none when the breaker is open already: calls that were
    /// under way when it opened say nothing new.
    pub async fn count_failure(&mut self, kind: Destination, id: &str) -> Result<Option<i64>> {
        let now = self.now().micros();
        query(
            "INSERT INTO destinations (kind, id, failures, failed_at) VALUES ($1, $2, 1, $3)
             ON CONFLICT (kind, id) DO UPDATE SET failures = destinations.failures + 1, failed_at = $3
             WHERE destinations.open_until IS NULL OR destinations.open_until <= $3 RETURNING failures",
        )
        .bind(kind.as_str())
        .bind(id)
        .bind(now)
        .fetch_optional(self)
        .await
    }

    /// Lets nothing go to a destination until then, and after that one job.
    pub async fn open_breaker(
        &mut self,
        kind: Destination,
        id: &str,
        until: Timestamp,
    ) -> Result<()> {
        query("UPDATE destinations SET open_until = $3 WHERE kind = $1 AND id = $2")
            .bind(kind.as_str())
            .bind(id)
            .bind(until.micros())
            .execute(self)
            .await?;
        Ok(())
    }

    /// Forgets a destination's failures; where its breaker was open, the jobs that wait for their next attempt go now.
    pub async fn close_breaker(&mut self, kind: Destination, id: &str) -> Result<()> {
        let open_until: Option<Option<i64>> =
            query("DELETE FROM destinations WHERE kind = $1 AND id = $2 RETURNING open_until")
                .bind(kind.as_str())
                .bind(id)
                .fetch_optional(self)
                .await?;
        if open_until.flatten().is_none() {
            return Ok(());
        }
        self.leaves_jobs();
        let now = self.now().micros();
        // One that was never tried waits on purpose: it is a second notice.
        query(
            "UPDATE outbox SET not_before = $3 WHERE kind = $1 AND destination = $2 AND done_at IS NULL AND dead_at IS NULL
             AND not_before > $3 AND attempts > 0 AND (claimed_until IS NULL OR claimed_until <= $3)")
            .bind(kind.as_str())
            .bind(id)
            .bind(now)
            .execute(self)
            .await?;
        Ok(())
    }

    /// Ends the rest of an open breaker, so that one job tries now.
    pub async fn end_rest(&mut self, kind: Destination, id: &str) -> Result<()> {
        let now = self.now().micros();
        query("UPDATE destinations SET open_until = $3 WHERE kind = $1 AND id = $2 AND open_until > $3")
            .bind(kind.as_str())
            .bind(id)
            .bind(now)
            .execute(self)
            .await?;
        Ok(())
    }

    /// Gives up jobs behind open breakers whose time was over when their destination failed last; how many.
    ///
    /// It looks at those that were never tried, and finds them by when they were due; one that was dies by its own next
    /// failure.
    pub async fn expire_jobs(&mut self, kind: Destination, lifetime: Duration) -> Result<u64> {
        const SQL: &str = "UPDATE outbox SET dead_at = $2, claimed_until = NULL,
               last_error = COALESCE(last_error, 'the receiver took nothing meanwhile')
             WHERE id IN (
               SELECT b.id FROM destinations d JOIN outbox b ON b.kind = d.kind AND b.destination = d.id
               WHERE d.kind = $1 AND d.open_until IS NOT NULL AND b.done_at IS NULL AND b.dead_at IS NULL
               AND b.not_before <= d.failed_at - $3 AND (b.claimed_until IS NULL OR b.claimed_until <= $2)
               ORDER BY b.not_before LIMIT $4)";
        let now = self.now().micros();
        query(SQL)
            .long()
            .bind(kind.as_str())
            .bind(now)
            .bind(i64::try_from(lifetime.as_micros()).unwrap_or(i64::MAX))
            .bind(EXPIRED_AT_ONCE)
            .execute(self)
            .await
    }
}
