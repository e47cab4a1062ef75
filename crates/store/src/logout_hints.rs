//! What a logout at an OpenID Provider names.

use vestibule_core::{Timestamp, UserId, UserSessionId};

use crate::{Result, WriteTx, query::query};

impl WriteTx {
    /// Keeps the ID token of a sign-in, sealed, until the sign-in ends at the latest.
    pub async fn add_logout_hint(
        &mut self,
        user_session_id: UserSessionId,
        user_id: UserId,
        id_token_sealed: &[u8],
        until: Timestamp,
    ) -> Result<()> {
        query(
            "INSERT INTO logout_hints (user_session_id, user_id, id_token_sealed, expires_at) VALUES ($1, $2, $3, $4)")
            .bind(user_session_id.to_string())
            .bind(user_id.to_string())
            .bind(id_token_sealed)
            .bind(until.micros())
            .execute(self)
            .await?;
        Ok(())
    }

    /// Takes the sealed ID token of a sign-in out; it is used once.
    pub async fn take_logout_hint(
        &mut self,
        user_session_id: UserSessionId,
    ) -> Result<Option<Vec<u8>>> {
        query("DELETE FROM logout_hints WHERE user_session_id = $1 RETURNING id_token_sealed")
            .bind(user_session_id.to_string())
            .fetch_optional(self)
            .await
    }
}
