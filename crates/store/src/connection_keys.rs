//! Our own keys at one identity provider: what signs our requests and what opens its encrypted answers.

use vestibule_core::{ConnectionId, ConnectionKeyId, OrganizationId, Timestamp};

use crate::{ReadTx, Result, WriteTx, dialect::micros};

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
        /// Published no more; an encryption key still opens what was under way.
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
    certificate: row.try_get("certificate")?,
    private_sealed: row.try_get("private_sealed")?,
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
        Ok(each!(self, c => sqlx::query_as(
            "SELECT id, connection_id, organization_id, purpose, state, certificate, private_sealed, not_after, created_at,
             activated_at, retired_at FROM connection_keys WHERE connection_id = $1 ORDER BY id LIMIT 1000")
            .bind(connection_id.to_string())
            .fetch_all(&mut *c)
            .await?))
    }
}

impl WriteTx {
    /// Stores a key as it is given.
    pub async fn add_connection_key(&mut self, key: &ConnectionKey) -> Result<()> {
        run!(self, c => sqlx::query(
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
            .execute(&mut *c)
            .await?);
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
        let changed = each!(self, c => sqlx::query(
            "UPDATE connection_keys SET state = $3,
             activated_at = CASE WHEN $3 = 'active' THEN COALESCE(activated_at, $4) ELSE activated_at END,
             retired_at = CASE WHEN $3 = 'retired' THEN COALESCE(retired_at, $4) ELSE NULL END
             WHERE connection_id = $1 AND id = $2")
            .bind(connection_id.to_string())
            .bind(id.to_string())
            .bind(state.as_str())
            .bind(now)
            .execute(&mut *c)
            .await?
            .rows_affected());
        Ok(changed == 1)
    }

    /// Removes a key of a connection for good; false when there is no such key.
    pub async fn delete_connection_key(
        &mut self,
        connection_id: ConnectionId,
        id: ConnectionKeyId,
    ) -> Result<bool> {
        let removed = each!(self, c => sqlx::query("DELETE FROM connection_keys WHERE connection_id = $1 AND id = $2")
            .bind(connection_id.to_string())
            .bind(id.to_string())
            .execute(&mut *c)
            .await?
            .rows_affected());
        Ok(removed == 1)
    }
}
