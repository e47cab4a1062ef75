//! What identity providers said is over, kept while logins may still be on their way from them.

use vestibule_core::{ConnectionId, Timestamp};

use crate::{Result, WriteTx, query::query};

impl WriteTx {
    /// Remembers that the provider ended something (`sid:…` or `sub:…`) at a time of its own clock, in seconds.
    ///
    /// Waits for logins under way that [ask](Self::hold_against_ending) for the same name, so that whoever lists the
    /// sign-ins afterwards sees theirs.
    pub async fn add_upstream_ending(
        &mut self,
        connection_id: ConnectionId,
        name: &str,
        issued_at: i64,
        until: Timestamp,
    ) -> Result<()> {
        query(
            "INSERT INTO upstream_endings (connection_id, name, issued_at, expires_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (connection_id, name) DO UPDATE SET
               issued_at = CASE WHEN excluded.issued_at > upstream_endings.issued_at THEN excluded.issued_at ELSE upstream_endings.issued_at END,
               expires_at = CASE WHEN excluded.expires_at > upstream_endings.expires_at THEN excluded.expires_at ELSE upstream_endings.expires_at END")
            .bind(connection_id.to_string())
            .bind(name)
            .bind(issued_at)
            .bind(until.micros())
            .execute(self)
            .await?;
        Ok(())
    }

    /// When the provider last ended something of this name, in seconds of its clock; none where it has not.
    ///
    /// Until the transaction ends nobody else can say that it is over, so a sign-in that is stored meanwhile is one that
    /// the ending finds. Whoever asks for several names asks for `sid:…` before `sub:…`.
    pub async fn hold_against_ending(
        &mut self,
        connection_id: ConnectionId,
        name: &str,
    ) -> Result<Option<i64>> {
        let now = self.now().micros();
        // A row is the lock: there is nothing else that both sides know. `issued_at` 0 is none of a provider's.
        let issued_at: Option<i64> = query(
            "INSERT INTO upstream_endings (connection_id, name, issued_at, expires_at) VALUES ($1, $2, 0, $3)
             ON CONFLICT (connection_id, name) DO UPDATE SET issued_at = upstream_endings.issued_at RETURNING issued_at")
            .bind(connection_id.to_string())
            .bind(name)
            .bind(now)
            .fetch_optional(self)
            .await?;
        if issued_at == Some(0) {
            // On PostgreSQL others wait for the end of this transaction also where the row is gone with it.
            query("DELETE FROM upstream_endings WHERE connection_id = $1 AND name = $2")
                .bind(connection_id.to_string())
                .bind(name)
                .execute(self)
                .await?;
        }
        Ok(issued_at.filter(|issued_at| *issued_at > 0))
    }
}
