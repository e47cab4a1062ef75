//! A logout that we sent a browser to its identity provider with.

use vestibule_core::{ConnectionId, OrganizationId, SecretHash, Timestamp};

use crate::{Result, WriteTx, query::query};

/// A logout waiting for the identity provider's answer.
#[derive(Debug, Clone)]
pub struct UpstreamLogout {
    /// Where the answer must come from.
    pub connection_id: ConnectionId,
    /// The organization of the connection.
    pub organization_id: OrganizationId,
    /// The id of our request, which the answer repeats.
    pub request_id: String,
    /// Where the browser goes then; it was checked before it was stored.
    pub return_to: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

from_row!(UpstreamLogout, row => UpstreamLogout {
    connection_id: row.id("connection_id")?,
    organization_id: row.id("organization_id")?,
    request_id: row.get("request_id")?,
    return_to: row.get("return_to")?,
    expires_at: row.time("expires_at")?,
});

impl WriteTx {
    /// Begins a logout at an identity provider.
    pub async fn add_upstream_logout(
        &mut self,
        handle: SecretHash,
        logout: &UpstreamLogout,
    ) -> Result<()> {
        let now = self.now().micros();
        query(
            "INSERT INTO upstream_logouts (handle_hash, connection_id, organization_id, request_id, return_to, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)")
            .bind(handle.as_bytes())
            .bind(logout.connection_id.to_string())
            .bind(logout.organization_id.to_string())
            .bind(&logout.request_id)
            .bind(&logout.return_to)
            .bind(now)
            .bind(logout.expires_at.micros())
            .execute(self)
            .await?;
        Ok(())
    }

    /// Uses a waiting logout of this connection up; exactly one caller gets it, and another connection never does.
    pub async fn take_upstream_logout(
        &mut self,
        handle: SecretHash,
        connection_id: ConnectionId,
    ) -> Result<Option<UpstreamLogout>> {
        let now = self.now().micros();
        query(
            "UPDATE upstream_logouts SET consumed_at = $3
             WHERE handle_hash = $1 AND connection_id = $2 AND consumed_at IS NULL AND expires_at > $3
             RETURNING connection_id, organization_id, request_id, return_to, expires_at")
            .bind(handle.as_bytes())
            .bind(connection_id.to_string())
            .bind(now)
            .fetch_optional(self)
            .await
    }
}
