//! The notices of everybody in an organization, connection or application.

use serde_json::Value;
use vestibule_core::EndCause;

use super::{Attempt, Claimed, LEASE};
use crate::{Clock, Engine, Fault};

impl Engine {
    /// Writes the notices in chunks, each a transaction of its own that renews the lease: a job that gets on keeps its
    /// worker, and one whose worker has lost it is left to the other.
    pub(super) async fn fan_out(&self, claimed: &Claimed, clock: &Clock) -> Result<Attempt, Fault> {
        let job = &claimed.job;
        let field = |name: &str| job.payload.get(name);
        let subject = field("subject").and_then(Value::as_str);
        let epoch = field("epoch").and_then(Value::as_i64);
        let cause: Option<EndCause> =
            field("cause").and_then(|cause| serde_json::from_value(cause.clone()).ok());
        let (Some(subject), Some(epoch), Some(cause)) = (subject, epoch, cause) else {
            return Ok(Attempt::hopeless("the fan-out does not say what has ended"));
        };
        let actor = field("actor").and_then(Value::as_str).unwrap_or("system");
        let receipt = job.cause_id.as_deref().and_then(|id| id.parse().ok());
        let mut held_until = claimed.until;
        loop {
            let now = clock.now();
            let mut tx = self.store().write(now).await?;
            let until = now.after(LEASE);
            if !tx.renew_lease(job.id, held_until, until).await? {
                return Ok(Attempt::given_away());
            }
            held_until = until;
            let more = tx
                .fan_out(subject, &job.destination, epoch, (cause, actor), receipt)
                .await?;
            tx.commit().await?;
            self.wake();
            if !more {
                return Ok(Attempt::done());
            }
        }
    }
}
