//! Whether this node can do its work.

use vestibule_core::Timestamp;

use crate::{Engine, Fault};

/// A node whose clock is further off than this from the database's reports that it is not ready.
const CLOCK_TOLERANCE_MICROS: i64 = 2_000_000;

/// What a readiness check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Requests may come.
    Ready,
    /// The node's clock and the database's are too far apart; the difference is in microseconds.
    ClockOff(i64),
}

/// Numbers for monitoring that only the store knows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gauges {
    /// Jobs of the outbox that wait.
    pub jobs_waiting: i64,
    /// Jobs of the outbox that were given up.
    pub jobs_dead: i64,
}

impl Engine {
    /// Asks the database; an error means that it does not answer.
    pub async fn readiness(&self, now: Timestamp) -> Result<Readiness, Fault> {
        self.store()
            .read(now)
            .await?
            .find_meta("master_key_check")
            .await?;
        let difference = self.store().clock_difference(now).await?;
        match difference.abs() > CLOCK_TOLERANCE_MICROS {
            true => Ok(Readiness::ClockOff(difference)),
            false => Ok(Readiness::Ready),
        }
    }

    /// Counts what waits and what was given up.
    pub async fn gauges(&self, now: Timestamp) -> Result<Gauges, Fault> {
        let (jobs_waiting, jobs_dead) = self.store().read(now).await?.count_jobs().await?;
        Ok(Gauges {
            jobs_waiting,
            jobs_dead,
        })
    }
}
