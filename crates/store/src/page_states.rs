//! Anonymous page state (form tokens, wizard progress); it never says who somebody is.

use serde_json::{Map, Value};
use vestibule_core::{SecretHash, Timestamp};

use crate::{ReadTx, Result, WriteTx, query::query, row::Json};

impl ReadTx {
    /// The state of a page, while it lasts, with its end.
    pub async fn find_page_state(
        &mut self,
        id: SecretHash,
    ) -> Result<Option<(Map<String, Value>, Timestamp)>> {
        let now = self.now().micros();
        let found: Option<(Json<Map<String, Value>>, i64)> =
            query("SELECT data, expires_at FROM page_states WHERE hash = $1 AND expires_at > $2")
                .bind(id.as_bytes())
                .bind(now)
                .fetch_optional(self)
                .await?;
        Ok(found.map(|(data, expires_at)| (data.0, Timestamp::from_micros(expires_at))))
    }
}

impl WriteTx {
    /// Begins a page's state; false when the id is taken.
    pub async fn add_page_state(
        &mut self,
        id: SecretHash,
        data: &Map<String, Value>,
        expires_at: Timestamp,
    ) -> Result<bool> {
        let added = query("INSERT INTO page_states (hash, data, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(id.as_bytes())
            .bind(Json(data))
            .bind(expires_at.micros())
            .execute(self)
            .await?;
        Ok(added == 1)
    }

    /// Changes a page's state. It never brings back one that is gone.
    pub async fn set_page_state(
        &mut self,
        id: SecretHash,
        data: &Map<String, Value>,
        expires_at: Timestamp,
    ) -> Result<()> {
        query("UPDATE page_states SET data = $2, expires_at = $3 WHERE hash = $1")
            .bind(id.as_bytes())
            .bind(Json(data))
            .bind(expires_at.micros())
            .execute(self)
            .await?;
        Ok(())
    }

    /// Ends a page's state.
    pub async fn delete_page_state(&mut self, id: SecretHash) -> Result<()> {
        query("DELETE FROM page_states WHERE hash = $1")
            .bind(id.as_bytes())
            .execute(self)
            .await?;
        Ok(())
    }
}
