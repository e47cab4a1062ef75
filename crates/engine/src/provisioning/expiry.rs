//! Warnings of directory tokens that end: identity providers stop provisioning when theirs is refused, and some give
//! the job up altogether.

use std::time::Duration;

use serde_json::json;
use vestibule_core::{EventKind, Timestamp};
use vestibule_store::NewEvent;

use crate::{Engine, Fault};

/// Somebody is told this many days before the end, once each; zero is the end itself.
const WARNINGS: [i64; 4] = [0, 1, 7, 30];
/// Warnings that one transaction writes.
const AT_ONCE: i64 = 100;
const DAY_SECONDS: u64 = 24 * 3600;

impl Engine {
    /// Tells of every token of a directory that comes near its end.
    pub(crate) async fn warn_of_directory_tokens(&self, now: Timestamp) -> Result<(), Fault> {
        // The most urgent first: who was told of the end need not be told that it comes.
        for days in WARNINGS {
            while self.warn_of_tokens(days, now).await? {}
        }
        Ok(())
    }

    /// True when there may be more.
    async fn warn_of_tokens(&self, days: i64, now: Timestamp) -> Result<bool, Fault> {
        let seconds = u64::try_from(days).unwrap_or(0) * DAY_SECONDS;
        let before = now.after(Duration::from_secs(seconds));
        let mut tx = self.store().read(now).await?;
        let expiring = tx
            .list_expiring_directory_tokens(before, days, AT_ONCE)
            .await?;
        drop(tx);
        if expiring.is_empty() {
            return Ok(false);
        }
        let mut tx = self.store().write(now).await?;
        for token in &expiring {
            if tx.set_directory_token_warned(token.id, days).await? {
                tx.push_event(NewEvent {
                    kind: EventKind::DirectoryTokenExpiring,
                    organization_id: Some(token.organization_id),
                    user_id: None,
                    data: json!({
                        "directory_id": token.directory_id,
                        "token_id": token.id,
                        "name": token.name,
                        "expires_at": token.expires_at,
                        "days": token.expires_at.since(now).as_secs().div_ceil(DAY_SECONDS),
                    }),
                })
                .await?;
            }
        }
        tx.commit().await?;
        self.wake();
        Ok(true)
    }
}
