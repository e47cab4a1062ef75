//! Our signing keys, and the few values that belong to the installation itself.

use serde_json::Value;
use vestibule_core::Timestamp;

use crate::{ReadTx, Result, WriteTx, query::query, row::Json};

/// A signing key as the store keeps it.
#[derive(Debug, Clone)]
pub struct StoredSigningKey {
    /// The `kid`: the RFC 7638 thumbprint.
    pub id: String,
    /// `ES256`, `RS256` or `EdDSA`.
    pub algorithm: String,
    /// `next`, `active` or `retired`.
    pub state: String,
    /// The PKCS#8 document, sealed.
    pub private_sealed: Vec<u8>,
    /// The public key.
    pub public_jwk: Value,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it began to sign.
    pub activated_at: Option<Timestamp>,
    /// When it stopped signing.
    pub retired_at: Option<Timestamp>,
}

from_row!(StoredSigningKey, row => StoredSigningKey {
    id: row.get("id")?,
    algorithm: row.get("algorithm")?,
    state: row.get("state")?,
    private_sealed: row.get("private_sealed")?,
    public_jwk: row.get::<Json<Value>>("public_jwk")?.0,
    created_at: row.time("created_at")?,
    activated_at: row.time_or_null("activated_at")?,
    retired_at: row.time_or_null("retired_at")?,
});

impl ReadTx {
    /// Every signing key that is still published, the oldest first.
    pub async fn list_signing_keys(&mut self) -> Result<Vec<StoredSigningKey>> {
        query(
            "SELECT id, algorithm, state, private_sealed, public_jwk, created_at, activated_at, retired_at
             FROM signing_keys ORDER BY created_at, id LIMIT 100")
            .fetch_all(self)
            .await
    }

    /// A value of the installation.
    pub async fn find_meta(&mut self, name: &str) -> Result<Option<String>> {
        query("SELECT value FROM meta WHERE name = $1")
            .bind(name)
            .fetch_optional(self)
            .await
    }
}

impl WriteTx {
    /// Adds a signing key.
    pub async fn add_signing_key(&mut self, key: &StoredSigningKey) -> Result<()> {
        query(
            "INSERT INTO signing_keys (id, algorithm, state, private_sealed, public_jwk, created_at, activated_at, retired_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
            .bind(&key.id)
            .bind(&key.algorithm)
            .bind(&key.state)
            .bind(&key.private_sealed)
            .bind(Json(&key.public_jwk))
            .bind(key.created_at.micros())
            .bind(key.activated_at.map(Timestamp::micros))
            .bind(key.retired_at.map(Timestamp::micros))
            .execute(self)
            .await?;
        Ok(())
    }

    /// Retires the active keys of an algorithm; they stay published.
    pub async fn retire_signing_keys(&mut self, algorithm: &str) -> Result<()> {
        let now = self.now().micros();
        query("UPDATE signing_keys SET state = 'retired', retired_at = $2 WHERE algorithm = $1 AND state = 'active'")
            .bind(algorithm)
            .bind(now)
            .execute(self)
            .await?;
        Ok(())
    }

    /// Lets a published key sign from now on; the one before has to be retired first.
    pub async fn activate_signing_key(&mut self, id: &str) -> Result<()> {
        let now = self.now().micros();
        query("UPDATE signing_keys SET state = 'active', activated_at = $2 WHERE id = $1 AND state = 'next'")
            .bind(id)
            .bind(now)
            .execute(self)
            .await?;
        Ok(())
    }

    /// Removes keys that were retired before an instant: nothing they signed is still valid.
    pub async fn remove_signing_keys(&mut self, retired_before: Timestamp) -> Result<()> {
        query("DELETE FROM signing_keys WHERE state = 'retired' AND retired_at < $1")
            .bind(retired_before.micros())
            .execute(self)
            .await?;
        Ok(())
    }

    /// Serializes what several nodes do at start: the second waits here for the first.
    pub async fn lock_installation(&mut self) -> Result<()> {
        query("UPDATE counters SET value = value WHERE name = 'event_position'")
            .execute(self)
            .await?;
        Ok(())
    }

    /// Sets a value of the installation that has none yet; one that is there stays.
    pub async fn add_meta(&mut self, name: &str, value: &str) -> Result<()> {
        query("INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(name)
            .bind(value)
            .execute(self)
            .await?;
        Ok(())
    }
}
