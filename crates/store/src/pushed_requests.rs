//! Authorization requests that applications handed in before they send the browser (RFC 9126).

use vestibule_core::{ApplicationId, SecretHash, Timestamp};

use crate::{ReadTx, Result, WriteTx, query::query, row::Json};

/// The parameters of a request, in its order.
type Parameters = Vec<(String, String)>;

impl ReadTx {
    /// Whether a request waits under this reference. Whoever asks with a made-up one costs no write.
    pub async fn has_pushed_request(&mut self, reference: SecretHash) -> Result<bool> {
        let now = self.now().micros();
        let found: Option<i64> =
            query("SELECT expires_at FROM pushed_requests WHERE hash = $1 AND expires_at > $2")
                .bind(reference.as_bytes())
                .bind(now)
                .fetch_optional(self)
                .await?;
        Ok(found.is_some())
    }
}

impl WriteTx {
    /// Keeps a request of an application under the hash of its reference.
    pub async fn add_pushed_request(
        &mut self,
        reference: SecretHash,
        application_id: ApplicationId,
        request: &[(String, String)],
        expires_at: Timestamp,
    ) -> Result<()> {
        let now = self.now().micros();
        query(
            "INSERT INTO pushed_requests (hash, application_id, request, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(reference.as_bytes())
            .bind(application_id.to_string())
            .bind(Json(request))
            .bind(now)
            .bind(expires_at.micros())
            .execute(self)
            .await?;
        Ok(())
    }

    /// Uses a request up; exactly one caller gets it, and only for the application that pushed it.
    pub async fn take_pushed_request(
        &mut self,
        reference: SecretHash,
        application_id: ApplicationId,
    ) -> Result<Option<Parameters>> {
        let now = self.now().micros();
        let taken: Option<(Json<Parameters>,)> = query(
            "DELETE FROM pushed_requests WHERE hash = $1 AND application_id = $2 AND expires_at > $3 RETURNING request")
            .bind(reference.as_bytes())
            .bind(application_id.to_string())
            .bind(now)
            .fetch_optional(self)
            .await?;
        Ok(taken.map(|(request,)| request.0))
    }
}
