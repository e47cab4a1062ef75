//! The worker that looks at identity providers' metadata, and at what expires.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};
use vestibule_core::Timestamp;
use vestibule_store::ConnectionMetadata;

use super::{
    SamlSettings,
    metadata::{Look, Wanted},
};
use crate::{Clock, Engine, Fault};

/// How long a look may take before another worker takes it over; longer than any call.
const LEASE: Duration = Duration::from_secs(60);
/// Looks that one node takes at the same time.
const LOOKS_AT_ONCE: usize = 8;
const SLEEP: Duration = Duration::from_secs(1);
/// How often certificates are looked through for those that expire: a warning of the last day comes in that day.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(3600);
/// Who changes what metadata changed, in the audit log.
const WORKER: &str = "metadata";

impl Engine {
    /// Looks at metadata when it is due, and every hour for what expires, until told to stop.
    pub(crate) async fn watch_providers(&self, clock: Clock, mut stopped: watch::Receiver<bool>) {
        let slots = Arc::new(Semaphore::new(LOOKS_AT_ONCE));
        let mut looks = JoinSet::new();
        let mut expiry_seen = Timestamp::default();
        while !*stopped.borrow() {
            let now = clock.now();
            if now.since(expiry_seen) >= EXPIRY_INTERVAL {
                match self.warn_of_expiry(now).await {
                    Ok(()) => expiry_seen = now,
                    Err(fault) => {
                        tracing::warn!(error = %fault, "Certificates that expire could not be looked up");
                    }
                }
            }
            loop {
                let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                    return;
                };
                let claimed = self.claim_metadata(clock.now()).await;
                let row = match claimed {
                    Ok(Some(row)) => row,
                    Ok(None) => break,
                    Err(fault) => {
                        tracing::warn!(error = %fault, "Metadata that is due could not be claimed");
                        break;
                    }
                };
                let (engine, clock) = (self.clone(), clock.clone());
                looks.spawn(async move {
                    engine.look_at(&row, &clock).await;
                    drop(slot);
                });
                while looks.try_join_next().is_some() {}
            }
            tokio::select! {
                () = tokio::time::sleep(SLEEP) => {}
                _ = stopped.changed() => {}
            }
        }
        while looks.join_next().await.is_some() {}
    }

    async fn claim_metadata(&self, now: Timestamp) -> Result<Option<ConnectionMetadata>, Fault> {
        // Looking first keeps an idle node from opening a write transaction every second.
        let next = self
            .store()
            .read(now)
            .await?
            .next_metadata_check_at()
            .await?;
        if next.is_none_or(|next| next > now) {
            return Ok(None);
        }
        let mut tx = self.store().write(now).await?;
        let row = tx.claim_connection_metadata(now.after(LEASE)).await?;
        tx.commit().await?;
        Ok(row)
    }

    async fn look_at(&self, row: &ConnectionMetadata, clock: &Clock) {
        if let Err(fault) = self.try_look_at(row, clock).await {
            // The lease runs out and somebody looks again.
            tracing::warn!(error = %fault, connection.id = %row.connection_id, "A look at metadata could not be finished");
        }
    }

    async fn try_look_at(&self, row: &ConnectionMetadata, clock: &Clock) -> Result<(), Fault> {
        let now = clock.now();
        let Some(connection) = self
            .store()
            .read(now)
            .await?
            .find_connection(row.connection_id)
            .await?
        else {
            return Ok(());
        };
        let settings = SamlSettings::of(&connection)?;
        let found = self
            .fetch_metadata(
                &row.url,
                row.etag.as_deref(),
                Wanted::This(&settings.entity_id),
                now,
            )
            .await;
        let published = match found {
            Ok(published) => published,
            Err(trouble) => {
                tracing::warn!(connection.id = %row.connection_id, "Metadata could not be used: {trouble}");
                return self
                    .record_metadata_trouble(row, &trouble, clock.now())
                    .await;
            }
        };
        let now = clock.now();
        let mut tx = self.store().write(now).await?;
        tx.lock_organization(row.organization_id).await?;
        let Some(mut connection) = tx.find_connection(row.connection_id).await? else {
            return Ok(());
        };
        // Somebody may have named another identity provider meanwhile; then this was not its metadata.
        if SamlSettings::of(&connection)?.entity_id != settings.entity_id {
            return Ok(());
        }
        let look = Look {
            row,
            published: published.as_ref(),
            actor: WORKER,
        };
        let changes = self
            .apply_metadata(&mut tx, &mut connection, look, now)
            .await?;
        if changes.is_some() {
            tx.commit().await?;
            self.wake();
        }
        Ok(())
    }
}
