//! The guard of a directory: a mapping that was changed by mistake must not lock a whole company out.
//!
//! What goes beyond the limit changes nothing and is answered 429, so that the client comes back with it; from then on
//! the directory is held until a person has looked at it. Everything but taking people away goes on.

use std::time::Duration;

use serde_json::json;
use vestibule_core::EventKind;
use vestibule_scim::Error;
use vestibule_store::{NewEvent, User, WriteTx};

use super::{Grant, Provisioning, trouble::Trouble};

/// When a client may ask a held directory again.
const RETRY_AFTER: Duration = Duration::from_mins(15);

/// Counts somebody whom the directory takes away, or says that it may not.
pub(super) async fn admit(tx: &mut WriteTx, grant: &Grant, user: &User) -> Result<(), Trouble> {
    let id = grant.directory.id;
    let Some(guard) = tx.lock_guard(id).await? else {
        return Ok(());
    };
    if !guard.admits(tx.now()) {
        return Err(Trouble::Held);
    }
    Ok(tx.add_departure(id, user.id).await?)
}

/// What the client is told of a change that was not admitted.
pub(super) fn refusal() -> Error {
    Error::too_many_requests(
        "the directory would take away more people within an hour than its guard allows; nothing was changed, an administrator has to release the directory",
    )
    .retry_after(RETRY_AFTER)
}

impl Provisioning {
    /// Holds a directory after a change that was not admitted; that change's transaction has to be gone.
    pub(super) async fn hold(&self, grant: &Grant) -> Result<(), Trouble> {
        let directory = &grant.directory;
        let mut tx = self.store().write(self.now()).await?;
        let Some(guard) = tx.lock_guard(directory.id).await? else {
            return Ok(());
        };
        // Somebody may have released it meanwhile; and it is held once.
        if guard.admits(tx.now()) || !tx.hold_directory(directory.id).await? {
            return Ok(());
        }
        tracing::warn!(directory = %directory.id, departures = guard.departures, "A directory is held by its guard");
        let data = json!({
            "directory_id": directory.id,
            "departures": guard.departures,
            "limit": guard.limit(),
            "request_id": *grant.request_id,
        });
        tx.add_audit(
            Some(directory.organization_id),
            &grant.actor(),
            "directory.hold",
            &directory.id.to_string(),
            &data,
        )
        .await?;
        tx.push_event(NewEvent {
            kind: EventKind::DirectoryHeld,
            organization_id: Some(directory.organization_id),
            user_id: None,
            data,
        })
        .await?;
        tx.commit().await?;
        self.engine.wake();
        metrics::counter!("vestibule_directories_held_total").increment(1);
        Ok(())
    }
}
