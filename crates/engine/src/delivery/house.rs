//! What a node looks after from time to time, beside delivering.

use std::time::Duration;

use vestibule_core::Timestamp;
use vestibule_store::Destination;

use super::{LONGEST_SLEEP, schedule::schedule_of};
use crate::{Clock, Engine, Fault};

/// Receipts that one transaction closes.
const RECEIPTS: usize = 100;
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(60);

impl Engine {
    pub(super) async fn keep_house(
        &self,
        clock: Clock,
        mut stopped: tokio::sync::watch::Receiver<bool>,
    ) {
        let mut tidied = Timestamp::default();
        let mut known_keys = Vec::new();
        while !*stopped.borrow() {
            let now = clock.now();
            if let Err(fault) = self.follow_rotation(&mut known_keys, now).await {
                tracing::warn!(error = %fault, "The signing keys could not be read");
            }
            if let Err(fault) = self.close_receipts(now).await {
                tracing::warn!(error = %fault, "Receipts could not be closed");
            }
            if let Err(error) = self.store().renew_statistics().await {
                tracing::warn!(%error, "The planner's statistics could not be renewed");
            }
            if now.since(tidied) >= HOUSEKEEPING_INTERVAL {
                tidied = now;
                self.limits().forget_idle();
                if let Err(fault) = self.follow_key_schedule(now).await {
                    tracing::warn!(error = %fault, "The signing keys could not be rotated");
                }
                if let Err(fault) = self.watch_directories(now).await {
                    tracing::warn!(error = %fault, "Quiet directories could not be looked at");
                }
                if let Err(fault) = self.warn_of_directory_tokens(now).await {
                    tracing::warn!(error = %fault, "Expiring directory tokens could not be told of");
                }
                if let Err(fault) = self.release_stranded_news(now).await {
                    tracing::warn!(error = %fault, "Stranded news of streams could not be sent on");
                }
                if let Err(fault) = self.give_up_expired(now).await {
                    tracing::warn!(error = %fault, "Expired jobs could not be given up");
                }
                match self.tidy(now).await {
                    Ok(true) => tidied = Timestamp::default(),
                    Ok(false) => {}
                    Err(fault) => {
                        tracing::warn!(error = %fault, "Outdated rows could not be removed");
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LONGEST_SLEEP) => {}
                _ = stopped.changed() => {}
            }
        }
    }

    /// Reads the signing keys again when another node has rotated them.
    async fn follow_rotation(
        &self,
        known: &mut Vec<(String, String)>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let stored = self.store().read(now).await?.list_signing_keys().await?;
        let stored: Vec<_> = stored.into_iter().map(|key| (key.id, key.state)).collect();
        if *known != stored {
            self.reload_keys(now).await?;
            *known = stored;
        }
        Ok(())
    }

    async fn close_receipts(&self, now: Timestamp) -> Result<(), Fault> {
        loop {
            let mut tx = self.store().read(now).await?;
            if !tx.has_closable_offboardings().await? {
                return Ok(());
            }
            drop(tx);
            let mut tx = self.store().write(now).await?;
            let closed = tx.complete_offboardings(RECEIPTS).await?;
            tx.commit().await?;
            if closed.len() < RECEIPTS {
                return Ok(());
            }
        }
    }

    async fn tidy(&self, now: Timestamp) -> Result<bool, Fault> {
        let mut tx = self.store().write(now).await?;
        let more = tx.remove_outdated().await?;
        tx.forget_former_secrets().await?;
        tx.commit().await?;
        Ok(more)
    }

    /// Gives up what waited behind an open breaker for as long as its schedule lasts.
    async fn give_up_expired(&self, now: Timestamp) -> Result<(), Fault> {
        for kind in Destination::ALL {
            let Some(schedule) = schedule_of(kind) else {
                continue;
            };
            let span = u64::try_from(schedule.span()).unwrap_or(u64::MAX);
            loop {
                let mut tx = self.store().write(now).await?;
                let expired = tx.expire_jobs(kind, Duration::from_secs(span)).await?;
                tx.commit().await?;
                if expired == 0 {
                    break;
                }
                tracing::warn!(kind = kind.as_str(), expired, "Deliveries were given up");
            }
        }
        Ok(())
    }
}
