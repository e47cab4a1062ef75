//! Answers of the admin API that are given again when the same request comes again.

use vestibule_core::{SecretHash, Timestamp};

use crate::{ReadTx, Result, WriteTx, query::query};

/// What an idempotency key stands for at this moment.
#[derive(Debug)]
pub enum Idempotency {
    /// Nobody used it before; the caller has it now.
    Taken,
    /// The same request is under way.
    InFlight,
    /// The key was used for another body.
    OtherBody,
    /// The same request was answered so.
    Answered {
        /// The status code.
        status: i64,
        /// The body, sealed.
        answer_sealed: Vec<u8>,
    },
}

struct Stored {
    body_hash: Vec<u8>,
    status: Option<i64>,
    answer_sealed: Option<Vec<u8>>,
}

from_row!(Stored, row => Stored {
    body_hash: row.get("body_hash")?,
    status: row.get("status")?,
    answer_sealed: row.get("answer_sealed")?,
});

impl WriteTx {
    /// Takes a key for a request, until `free_at` if no answer follows; what had expired by now is forgotten.
    pub async fn take_idempotency(
        &mut self,
        key: SecretHash,
        body: SecretHash,
        free_at: Timestamp,
    ) -> Result<Idempotency> {
        let now = self.now().micros();
        let taken = query(
            "INSERT INTO idempotency (key_hash, body_hash, created_at, expires_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (key_hash) DO UPDATE SET body_hash = $2, status = NULL, answer_sealed = NULL, created_at = $3, expires_at = $4
             WHERE idempotency.expires_at <= $3")
            .bind(key.as_bytes())
            .bind(body.as_bytes())
            .bind(now)
            .bind(free_at.micros())
            .execute(self)
            .await?;
        if taken == 1 {
            return Ok(Idempotency::Taken);
        }
        let stored = self.find_idempotency(key).await?;
        Ok(match stored {
            Some(stored) if !body.is(&stored.body_hash) => Idempotency::OtherBody,
            Some(Stored {
                status: Some(status),
                answer_sealed: Some(answer_sealed),
                ..
            }) => Idempotency::Answered {
                status,
                answer_sealed,
            },
            _ => Idempotency::InFlight,
        })
    }

    /// Keeps the answer of a request that has its key.
    pub async fn set_idempotency(
        &mut self,
        key: SecretHash,
        status: i64,
        answer_sealed: &[u8],
        expires_at: Timestamp,
    ) -> Result<()> {
        query("UPDATE idempotency SET status = $2, answer_sealed = $3, expires_at = $4 WHERE key_hash = $1")
            .bind(key.as_bytes())
            .bind(status)
            .bind(answer_sealed)
            .bind(expires_at.micros())
            .execute(self)
            .await?;
        Ok(())
    }

    /// Frees a key whose request changed nothing.
    pub async fn remove_idempotency(&mut self, key: SecretHash) -> Result<()> {
        query("DELETE FROM idempotency WHERE key_hash = $1 AND status IS NULL")
            .bind(key.as_bytes())
            .execute(self)
            .await?;
        Ok(())
    }
}

impl ReadTx {
    async fn find_idempotency(&mut self, key: SecretHash) -> Result<Option<Stored>> {
        query("SELECT body_hash, status, answer_sealed FROM idempotency WHERE key_hash = $1")
            .bind(key.as_bytes())
            .fetch_optional(self)
            .await
    }
}
