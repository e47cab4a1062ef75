//! Whether this node can do its work.

use vestibule_core::Timestamp;
use vestibule_store::Destination;

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

    /// Sets the gauges that only the store knows: what waits, since when, what was given up, which breakers are open.
    ///
    /// It looks at what waits and at what is dead, and at nothing that is done.
    pub async fn set_gauges(&self, now: Timestamp) -> Result<(), Fault> {
        let mut tx = self.store().read(now).await?;
        let backlogs = tx.list_backlogs().await?;
        let dead = tx.count_dead().await?;
        let open = tx.count_open_breakers().await?;
        for kind in Destination::ALL.map(Destination::as_str) {
            let backlog = backlogs.iter().find(|backlog| backlog.kind == kind);
            let waiting = backlog.map_or(0, |backlog| backlog.waiting);
            let lag = backlog.map_or(0.0, |backlog| now.since(backlog.oldest).as_secs_f64());
            metrics::gauge!("vestibule_outbox_waiting", "kind" => kind).set(precise(waiting));
            metrics::gauge!("vestibule_outbox_oldest_seconds", "kind" => kind).set(lag);
            metrics::gauge!("vestibule_outbox_dead", "kind" => kind).set(of(&dead, kind));
            metrics::gauge!("vestibule_breakers_open", "kind" => kind).set(of(&open, kind));
        }
        let (held, silent) = tx.count_troubled_directories().await?;
        metrics::gauge!("vestibule_directories_held").set(precise(held));
        metrics::gauge!("vestibule_directories_silent").set(precise(silent));
        Ok(())
    }
}

fn of(counts: &[(String, i64)], kind: &str) -> f64 {
    let found = counts.iter().find(|(name, _)| name == kind);
    found.map_or(0.0, |(_, count)| precise(*count))
}

fn precise(count: i64) -> f64 {
    f64::from(i32::try_from(count).unwrap_or(i32::MAX))
}
