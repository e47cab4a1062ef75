//! What identity providers said is over, kept while logins may still be on their way from them.

use vestibule_core::{ConnectionId, Timestamp};

use crate::{Result, WriteTx, query::query};

/// What a provider said is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamEnding {
    /// When the provider said so, in seconds of its clock.
    pub issued_at: i64,
    /// As long as logins may still be on their way from before it.
    pub until: Timestamp,
}

from_row!(UpstreamEnding, row => UpstreamEnding {
    issued_at: row.get("issued_at")?,
    until: row.time("expires_at")?,
});

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

    /// What the provider last ended of this name; none where it has not.
    ///
    /// Until the transaction ends nobody else can say that it is over, so a sign-in that is stored meanwhile is one that
    /// the ending finds. Whoever asks for several names asks for `sid:…` before `sub:…`.
    pub async fn hold_against_ending(
        &mut self,
        connection_id: ConnectionId,
        name: &str,
    ) -> Result<Option<UpstreamEnding>> {
        let now = self.now().micros();
        // A row is the lock: there is nothing else that both sides know. `issued_at` 0 is none of a provider's.
        let ending: Option<UpstreamEnding> = query(
            "INSERT INTO upstream_endings (connection_id, name, issued_at, expires_at) VALUES ($1, $2, 0, $3)
             ON CONFLICT (connection_id, name) DO UPDATE SET issued_at = upstream_endings.issued_at RETURNING issued_at, expires_at")
            .bind(connection_id.to_string())
            .bind(name)
            .bind(now)
            .fetch_optional(self)
            .await?;
        let ending = ending.filter(|ending| ending.issued_at > 0);
        if ending.is_none() {
            // On PostgreSQL others wait for the end of this transaction also where the row is gone with it.
            query("DELETE FROM upstream_endings WHERE connection_id = $1 AND name = $2")
                .bind(connection_id.to_string())
                .bind(name)
                .execute(self)
                .await?;
        }
        Ok(ending)
    }
}
