//! Messages of identity providers that were accepted once and never again.

use vestibule_core::{ConnectionId, Timestamp};

use crate::{ReadTx, Result, WriteTx, query::query};

impl ReadTx {
    /// Whether a message of a connection is remembered.
    pub async fn has_message(
        &mut self,
        connection_id: ConnectionId,
        message_id: &str,
    ) -> Result<bool> {
        let found: Option<i64> = query(
            "SELECT expires_at FROM seen_assertions WHERE connection_id = $1 AND message_id = $2",
        )
        .bind(connection_id.to_string())
        .bind(message_id)
        .fetch_optional(self)
        .await?;
        Ok(found.is_some())
    }
}

impl WriteTx {
    /// Remembers a message of a connection; false when it was there already, which is a replay.
    ///
    /// `message_id` names the kind too (`assertion:_a1`), so that an assertion and a logout message never collide.
    /// `until` is when nothing accepts the message any more; housekeeping removes the row some time after that,
    /// and until then it counts, whatever a clock says.
    pub async fn remember_message(
        &mut self,
        connection_id: ConnectionId,
        message_id: &str,
        until: Timestamp,
    ) -> Result<bool> {
        // Whoever comes second waits for the first one's commit, and finds nothing to add after it.
        let added = query(
            "INSERT INTO seen_assertions (connection_id, message_id, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(connection_id.to_string())
            .bind(message_id)
            .bind(until.micros())
            .execute(self)
            .await?;
        Ok(added == 1)
    }
}
