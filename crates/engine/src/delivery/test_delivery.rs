//! Trying whether a webhook arrives, while somebody waits for the outcome.

use vestibule_core::{OutboxId, Timestamp};
use vestibule_store::{Destination, Job};

use super::{Attempt, LEASE, Outcome, settle};
use crate::{Clock, Engine, Fault};

/// Until when a test that begins now is left to whoever began it; a worker takes it over when that node has died.
pub(crate) fn held_until(now: Timestamp) -> Timestamp {
    now.after(LEASE)
}

impl Engine {
    /// Makes the one attempt of a test. A success closes the webhook's breaker; a failure says nothing new.
    pub(crate) async fn try_webhook(&self, id: OutboxId, clock: &Clock) -> Result<(), Fault> {
        let begun = clock.now();
        let job: Option<Job> = self.store().read(begun).await?.find_job(id).await?;
        let job = job.ok_or(Fault::internal("a test went missing"))?;
        let attempt = match self.send_webhook(&job, begun).await {
            Ok(attempt) => attempt,
            Err(fault) => {
                tracing::warn!(error = %fault, job.id = %id, "A test failed on our side");
                Attempt::our_fault()
            }
        };
        let now = clock.now();
        let took = now.since(begun);
        settle::count(Destination::Webhook, attempt.outcome, took);
        let mut tx = self.store().write(now).await?;
        if attempt.outcome == Outcome::Done {
            tx.close_breaker(Destination::Webhook, &job.destination)
                .await?;
        }
        settle::keep(&mut tx, &job, &attempt, took).await?;
        tx.close_test(id, attempt.error.as_deref()).await?;
        tx.commit().await?;
        self.wake();
        Ok(())
    }
}
