//! Our own keys at one identity provider: what signs our requests and what opens its encrypted answers.

use vestibule_core::{ConnectionId, ConnectionKeyId, OrganizationId, Timestamp};

use crate::{ReadTx, Result, WriteTx, query::query, row::micros};

words! {
    /// What a key of a connection is for.
    KeyPurpose {
        /// It signs what we send.
        Signing "signing",
        /// It opens what is encrypted for us.
        Encryption "encryption",
    }
}

words! {
    /// Where a key of a connection stands in its rotation.
    KeyState {
        /// Published, so that the identity provider knows it before it is used.
        Next "next",
        /// In use.
        Active "active",
        /// Out of use, but published and able to decrypt for a while yet.
        Retired "retired",
    }
}

/// A key pair of a connection, with its certificate.
#[derive(Debug, Clone)]
pub struct ConnectionKey {
    /// Its id, which the sealed value is bound to.
    pub id: ConnectionKeyId,
    /// Whose key it is.
    pub connection_id: ConnectionId,
    /// The organization of the connection.
    pub organization_id: OrganizationId,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// Where it stands.
    pub state: KeyState,
    /// The self-signed certificate that our metadata shows, as PEM.
    pub certificate: String,
    /// The PKCS#8 document, sealed.
    pub private_sealed: Vec<u8>,
    /// When the certificate ends.
    pub not_after: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it came into use.
    pub activated_at: Option<Timestamp>,
    /// When it went out of use.
    pub retired_at: Option<Timestamp>,
}

from_row!(ConnectionKey, row => ConnectionKey {
    id: row.id("id")?,
    connection_id: row.id("connection_id")?,
    organization_id: row.id("organization_id")?,
    purpose: row.word("purpose")?,
    state: row.word("state")?,
    certificate: row.get("certificate")?,
    private_sealed: row.get("private_sealed")?,
    not_after: row.time("not_after")?,
    created_at: row.time("created_at")?,
    activated_at: row.time_or_null("activated_at")?,
    retired_at: row.time_or_null("retired_at")?,
});

impl ReadTx {
    /// The keys of a connection in every state, the oldest first.
    pub async fn list_connection_keys(
        &mut self,
        connection_id: ConnectionId,
    ) -> Result<Vec<ConnectionKey>> {
        query(
            "SELECT id, connection_id, organization_id, purpose, state, certificate, private_sealed, not_after, created_at,
             activated_at, retired_at FROM connection_keys WHERE connection_id = $1 ORDER BY created_at, id LIMIT 1000")
            .bind(connection_id.to_string())
            .fetch_all(self)
            .await
    }

    /// Keys of connections in use whose certificates end before an instant, the soonest first, and of which nobody was
    /// warned at so few days before; each that is then [marked](WriteTx::set_connection_key_warned) makes room for the next.
    pub async fn list_expiring_connection_keys(
        &mut self,
        before: Timestamp,
        days: i64,
        limit: i64,
    ) -> Result<Vec<ConnectionKey>> {
        query(
            "SELECT k.id, k.connection_id, k.organization_id, k.purpose, k.state, k.certificate, k.private_sealed, k.not_after,
             k.created_at, k.activated_at, k.retired_at FROM connection_keys k
             JOIN connections n ON n.id = k.connection_id AND n.state = 'active' AND n.deleted_at IS NULL
             JOIN organizations o ON o.id = k.organization_id AND o.active AND o.deleted_at IS NULL
             WHERE k.not_after < $1 AND k.state <> 'retired' AND (k.warned_days IS NULL OR k.warned_days > $2)
             ORDER BY k.not_after, k.id LIMIT $3")
            .bind(before.micros())
            .bind(days)
            .bind(limit)
            .fetch_all(self)
            .await
    }

    /// Whether a key went out of use before an instant, so that [removing](WriteTx::remove_retired_connection_keys) removes.
    pub async fn has_retired_connection_keys(&mut self, before: Timestamp) -> Result<bool> {
        let found: Option<(String,)> = query(
            "SELECT id FROM connection_keys WHERE state = 'retired' AND retired_at < $1 LIMIT 1",
        )
        .bind(before.micros())
        .fetch_optional(self)
        .await?;
        Ok(found.is_some())
    }
}

impl WriteTx {
    /// Stores a key as it is given.
    pub async fn add_connection_key(&mut self, key: &ConnectionKey) -> Result<()> {
        query(
            "INSERT INTO connection_keys (id, connection_id, organization_id, purpose, state, certificate, private_sealed, not_after,
             created_at, activated_at, retired_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)")
            .bind(key.id.to_string())
            .bind(key.connection_id.to_string())
            .bind(key.organization_id.to_string())
            .bind(key.purpose.as_str())
            .bind(key.state.as_str())
            .bind(&key.certificate)
            .bind(&key.private_sealed)
            .bind(key.not_after.micros())
            .bind(key.created_at.micros())
            .bind(micros(key.activated_at))
            .bind(micros(key.retired_at))
            .execute(self)
            .await?;
        Ok(())
    }

    /// Moves a key of a connection to another state, and notes when it first came there; false when there is no such key.
    pub async fn set_connection_key_state(
        &mut self,
        connection_id: ConnectionId,
        id: ConnectionKeyId,
        state: KeyState,
    ) -> Result<bool> {
        let now = self.now().micros();
        let changed = query(
            "UPDATE connection_keys SET state = $3,
             activated_at = CASE WHEN $3 = 'active' THEN COALESCE(activated_at, $4) ELSE activated_at END,
             retired_at = CASE WHEN $3 = 'retired' THEN COALESCE(retired_at, $4) ELSE NULL END
             WHERE connection_id = $1 AND id = $2")
            .bind(connection_id.to_string())
            .bind(id.to_string())
            .bind(state.as_str())
            .bind(now)
            .execute(self)
            .await?;
        Ok(changed == 1)
    }

    /// Removes a key of a connection for good; false when there is no such key.
    pub async fn delete_connection_key(
        &mut self,
        connection_id: ConnectionId,
        id: ConnectionKeyId,
    ) -> Result<bool> {
        let removed = query("DELETE FROM connection_keys WHERE connection_id = $1 AND id = $2")
            .bind(connection_id.to_string())
            .bind(id.to_string())
            .execute(self)
            .await?;
        Ok(removed == 1)
    }

    /// Notes that somebody is warned so many days before a key's certificate ends; true for exactly one caller.
    pub async fn set_connection_key_warned(
        &mut self,
        connection_id: ConnectionId,
        id: ConnectionKeyId,
        days: i64,
    ) -> Result<bool> {
        let warned = query(
            "UPDATE connection_keys SET warned_days = $3
             WHERE connection_id = $1 AND id = $2 AND (warned_days IS NULL OR warned_days > $3)",
        )
        .bind(connection_id.to_string())
        .bind(id.to_string())
        .bind(days)
        .execute(self)
        .await?;
        Ok(warned == 1)
    }

    /// Removes the keys of all connections that went out of use before an instant.
    pub async fn remove_retired_connection_keys(&mut self, before: Timestamp) -> Result<()> {
        query("DELETE FROM connection_keys WHERE state = 'retired' AND retired_at < $1")
            .bind(before.micros())
            .execute(self)
            .await?;
        Ok(())
    }
}
