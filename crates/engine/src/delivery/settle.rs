//! What becomes of a job after an attempt, and of its destination.

use std::time::Duration;

use vestibule_core::Timestamp;
use vestibule_signals::retry;
use vestibule_store::{Destination, Job, NewDelivery, WriteTx};

use super::{Attempt, Claimed, Outcome, schedule::next_attempt};
use crate::{Engine, Fault};

/// Whether a destination takes more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breaker {
    Closed,
    /// This attempt has opened it.
    Opened,
}

impl Engine {
    /// Stores the outcome of an attempt.
    pub(super) async fn settle(
        &self,
        claimed: &Claimed,
        attempt: &Attempt,
        begun: Timestamp,
        now: Timestamp,
    ) -> Result<Breaker, Fault> {
        let took = now.since(begun);
        count(claimed.kind, attempt.outcome, took);
        if attempt.outcome == Outcome::Lost {
            return Ok(Breaker::Closed);
        }
        let job = &claimed.job;
        let mut tx = self.store().write(now).await?;
        // The destination first: whoever closes its breaker goes on to other jobs.
        let breaker = judge_destination(&mut tx, claimed, attempt.outcome, now).await?;
        if claimed.kind == Destination::Webhook {
            keep(&mut tx, job, attempt, took).await?;
        }
        let error = attempt.error.as_deref().unwrap_or_default();
        match attempt.outcome {
            Outcome::Done => tx.finish_job(job.id).await?,
            Outcome::Hopeless => tx.set_job_failed(job.id, error, None).await?,
            Outcome::Failed | Outcome::OurFault | Outcome::Lost => {
                let retry_at = next_attempt(claimed.kind, job, self.generator(), now);
                tx.set_job_failed(job.id, error, retry_at).await?;
            }
        }
        tx.commit().await?;
        if claimed.kind == Destination::Logout
            && attempt.outcome == Outcome::Done
            && !job.is_again()
        {
            metrics::histogram!("vestibule_time_to_revoke_seconds")
                .record(now.since(job.created_at).as_secs_f64());
        }
        self.wake();
        Ok(breaker)
    }

    /// Gives back a job that was claimed and not tried.
    pub(super) async fn release(&self, claimed: &Claimed, now: Timestamp) -> Result<(), Fault> {
        let mut tx = self.store().write(now).await?;
        tx.release_job(claimed.job.id, claimed.until).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Writes an attempt into the history of its webhook.
pub(super) async fn keep(
    tx: &mut WriteTx,
    job: &Job,
    attempt: &Attempt,
    took: Duration,
) -> Result<(), Fault> {
    let Ok(webhook_id) = job.destination.parse() else {
        return Ok(());
    };
    tx.add_delivery(&NewDelivery {
        webhook_id,
        outbox_id: job.id,
        attempt: job.attempts,
        status: attempt.status.map(i64::from),
        error: attempt.error.as_deref(),
        duration_micros: i64::try_from(took.as_micros()).unwrap_or(i64::MAX),
        request_headers: attempt.exchange.request_headers.as_ref(),
        response_headers: attempt.exchange.response_headers.as_ref(),
        response_body: attempt.exchange.response_body.as_deref(),
    })
    .await?;
    Ok(())
}

/// Counts for or against the destination; what failed on our side says nothing about it.
async fn judge_destination(
    tx: &mut WriteTx,
    claimed: &Claimed,
    outcome: Outcome,
    now: Timestamp,
) -> Result<Breaker, Fault> {
    let (kind, destination) = (claimed.kind, claimed.job.destination.as_str());
    match (kind, outcome) {
        (Destination::FanOut, _) | (_, Outcome::OurFault | Outcome::Hopeless | Outcome::Lost) => {
            return Ok(Breaker::Closed);
        }
        (_, Outcome::Done) => {
            tx.close_breaker(kind, destination).await?;
            return Ok(Breaker::Closed);
        }
        (_, Outcome::Failed) => {}
    }
    let failures = tx.count_failure(kind, destination).await?;
    let Some(rest) = failures.and_then(retry::rest_after) else {
        return Ok(Breaker::Closed);
    };
    let rest = Duration::from_secs(u64::try_from(rest).unwrap_or(0));
    tx.open_breaker(kind, destination, now.after(rest)).await?;
    tracing::warn!(
        kind = kind.as_str(),
        destination,
        failures,
        rest_seconds = rest.as_secs(),
        "A destination does not take what it is sent; its deliveries wait"
    );
    Ok(Breaker::Opened)
}

pub(super) fn count(kind: Destination, outcome: Outcome, took: Duration) {
    let labels = [("kind", kind.as_str()), ("outcome", outcome.as_str())];
    metrics::counter!("vestibule_deliveries_total", &labels).increment(1);
    metrics::histogram!("vestibule_delivery_seconds", "kind" => kind.as_str())
        .record(took.as_secs_f64());
}
