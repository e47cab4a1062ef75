use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use vestibule_core::{SecretHash, Timestamp};
use vestibule_store::Idempotency;

use super::{Actor, AdminError, Result};
use crate::{Engine, Fault};

/// Where answers are sealed to; the row is the hash of the key.
const PLACE: &str = "idempotency.answer";
/// How long an answer is given again.
const KEPT: Duration = Duration::from_hours(24);
/// How long a request that left no answer, because its node died, keeps its key.
const LEASE: Duration = Duration::from_mins(2);
const MAX_KEY: usize = 255;

/// A key that a request holds until it is answered.
#[derive(Debug, Clone, Copy)]
pub struct IdempotencyKey(SecretHash);

/// What to do with a request that carries an idempotency key.
#[derive(Debug)]
pub enum Idempotent {
    /// It is new: carry it out, then [`finish`](Engine::finish_idempotent) or [`abandon`](Engine::abandon_idempotent).
    New(IdempotencyKey),
    /// It was carried out before, with this answer.
    Answered {
        /// The status code.
        status: u16,
        /// The body.
        body: Vec<u8>,
    },
}

impl Engine {
    /// Takes an idempotency key for a request; keys are apart for every actor and route.
    pub async fn begin_idempotent(
        &self,
        actor: &Actor,
        key: &str,
        route: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Idempotent> {
        if key.is_empty() || key.len() > MAX_KEY {
            return Err(AdminError::invalid(
                "Idempotency-Key",
                "must have 1 to 255 bytes",
            ));
        }
        // No part contains NUL: header values and paths cannot.
        let key = SecretHash::of([actor.name.as_str(), route, key].join("\0").as_bytes());
        let mut tx = self.store().write(now).await?;
        let taken = tx
            .take_idempotency(key, SecretHash::of(body), now.after(LEASE))
            .await?;
        tx.commit().await?;
        match taken {
            Idempotency::Taken => Ok(Idempotent::New(IdempotencyKey(key))),
            Idempotency::InFlight => Err(AdminError::conflict(
                "a request with this Idempotency-Key is under way; repeat it when that is answered",
            )),
            Idempotency::OtherBody => Err(AdminError::invalid(
                "Idempotency-Key",
                "was used for another body; use a new key for a new request",
            )),
            Idempotency::Answered {
                status,
                answer_sealed,
            } => {
                let body = self.vault().unseal(PLACE, &row(key), &answer_sealed);
                let body = body.ok_or(Fault::internal("a kept answer does not open"))?;
                let status = u16::try_from(status)
                    .map_err(|_| Fault::internal("a kept answer has no status"))?;
                Ok(Idempotent::Answered { status, body })
            }
        }
    }

    /// Keeps the answer of a request that changed something.
    pub async fn finish_idempotent(
        &self,
        key: IdempotencyKey,
        status: u16,
        body: &[u8],
        now: Timestamp,
    ) -> std::result::Result<(), Fault> {
        let sealed = self.vault().seal(PLACE, &row(key.0), body);
        let mut tx = self.store().write(now).await?;
        tx.set_idempotency(key.0, i64::from(status), &sealed, now.after(KEPT))
            .await?;
        Ok(tx.commit().await?)
    }

    /// Frees the key of a request that changed nothing, so that it can be corrected and repeated.
    pub async fn abandon_idempotent(
        &self,
        key: IdempotencyKey,
        now: Timestamp,
    ) -> std::result::Result<(), Fault> {
        let mut tx = self.store().write(now).await?;
        tx.remove_idempotency(key.0).await?;
        Ok(tx.commit().await?)
    }
}

fn row(key: SecretHash) -> String {
    STANDARD.encode(key.as_bytes())
}
