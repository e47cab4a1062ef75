//! Anonymous page state, kept for the pages' form tokens.

use serde_json::{Map, Value};
use vestibule_core::{SecretHash, Timestamp};

use crate::{Engine, Fault};

impl Engine {
    /// The state of a page, while it lasts, with its end.
    pub async fn find_page_state(
        &self,
        id: SecretHash,
        now: Timestamp,
    ) -> Result<Option<(Map<String, Value>, Timestamp)>, Fault> {
        Ok(self.store().read(now).await?.find_page_state(id).await?)
    }

    /// Begins a page's state; false when the id is taken.
    pub async fn add_page_state(
        &self,
        id: SecretHash,
        data: &Map<String, Value>,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        let mut tx = self.store().write(now).await?;
        let added = tx.add_page_state(id, data, expires_at).await?;
        tx.commit().await?;
        Ok(added)
    }

    /// Changes a page's state, if it is still there.
    pub async fn set_page_state(
        &self,
        id: SecretHash,
        data: &Map<String, Value>,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let mut tx = self.store().write(now).await?;
        tx.set_page_state(id, data, expires_at).await?;
        Ok(tx.commit().await?)
    }

    /// Ends a page's state.
    pub async fn delete_page_state(&self, id: SecretHash, now: Timestamp) -> Result<(), Fault> {
        let mut tx = self.store().write(now).await?;
        tx.delete_page_state(id).await?;
        Ok(tx.commit().await?)
    }
}
