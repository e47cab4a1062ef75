use serde_json::Value;
use vestibule_core::{ApplicationId, ConnectionId, OrganizationId, SecretHash, Timestamp};

use crate::{
    ReadTx, Result, WriteTx,
    query::query,
    row::{Json, text},
};

/// A login waiting for the person, or for the identity provider's answer.
///
/// It is used up by the first answer, good or bad, so that a stolen response cannot be tried again.
#[derive(Debug, Clone)]
pub struct PendingLogin {
    /// The browser that began it.
    pub browser_hash: Vec<u8>,
    /// The application that asked, if one did.
    pub application_id: Option<ApplicationId>,
    /// The organization that the request is limited to.
    pub organization_id: Option<OrganizationId>,
    /// The connection through which the answer must come.
    pub connection_id: Option<ConnectionId>,
    /// The application's request, as the engine writes it.
    pub request: Value,
    /// What the answer is checked against (nonce, PKCE verifier), sealed.
    pub upstream_sealed: Option<Vec<u8>>,
    /// When it ends.
    pub expires_at: Timestamp,
}

macro_rules! columns {
    () => {
        "browser_hash, application_id, organization_id, connection_id, request, upstream_sealed, expires_at"
    };
}

from_row!(PendingLogin, row => PendingLogin {
    browser_hash: row.get("browser_hash")?,
    application_id: row.id_or_null("application_id")?,
    organization_id: row.id_or_null("organization_id")?,
    connection_id: row.id_or_null("connection_id")?,
    request: row.get::<Json<Value>>("request")?.0,
    upstream_sealed: row.get("upstream_sealed")?,
    expires_at: row.time("expires_at")?,
});

impl ReadTx {
    /// A login that still waits.
    pub async fn find_pending_login(&mut self, handle: SecretHash) -> Result<Option<PendingLogin>> {
        let now = self.now().micros();
        query(concat!(
            "SELECT ", columns!(), " FROM pending_logins WHERE handle_hash = $1 AND consumed_at IS NULL AND expires_at > $2"))
            .bind(handle.as_bytes())
            .bind(now)
            .fetch_optional(self)
            .await
    }

    /// A login that waits no more, because it was used up or took too long; for the record of who came too late.
    pub async fn find_past_login(&mut self, handle: SecretHash) -> Result<Option<PendingLogin>> {
        let now = self.now().micros();
        query(concat!(
            "SELECT ", columns!(), " FROM pending_logins WHERE handle_hash = $1 AND (consumed_at IS NOT NULL OR expires_at <= $2)"))
            .bind(handle.as_bytes())
            .bind(now)
            .fetch_optional(self)
            .await
    }
}

impl WriteTx {
    /// Begins a login.
    pub async fn add_pending_login(
        &mut self,
        handle: SecretHash,
        login: &PendingLogin,
    ) -> Result<()> {
        let now = self.now().micros();
        query(
            "INSERT INTO pending_logins (handle_hash, browser_hash, application_id, organization_id, connection_id, request,
             upstream_sealed, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
            .bind(handle.as_bytes())
            .bind(&login.browser_hash)
            .bind(text(login.application_id))
            .bind(text(login.organization_id))
            .bind(text(login.connection_id))
            .bind(Json(&login.request))
            .bind(&login.upstream_sealed)
            .bind(now)
            .bind(login.expires_at.micros())
            .execute(self)
            .await?;
        Ok(())
    }

    /// Sends a waiting login to a connection, with what its answer will be checked against.
    pub async fn set_pending_upstream(
        &mut self,
        handle: SecretHash,
        connection_id: ConnectionId,
        sealed: &[u8],
    ) -> Result<bool> {
        let now = self.now().micros();
        let set = query(
            "UPDATE pending_logins SET connection_id = $2, upstream_sealed = $3 WHERE handle_hash = $1 AND consumed_at IS NULL AND expires_at > $4")
            .bind(handle.as_bytes())
            .bind(connection_id.to_string())
            .bind(sealed)
            .bind(now)
            .execute(self)
            .await?;
        Ok(set == 1)
    }

    /// Lets a waiting login wait for something else.
    pub async fn set_pending_request(
        &mut self,
        handle: SecretHash,
        request: &Value,
    ) -> Result<bool> {
        let now = self.now().micros();
        let set = query(
            "UPDATE pending_logins SET request = $2 WHERE handle_hash = $1 AND consumed_at IS NULL AND expires_at > $3")
            .bind(handle.as_bytes())
            .bind(Json(request))
            .bind(now)
            .execute(self)
            .await?;
        Ok(set == 1)
    }

    /// Uses a waiting login up; exactly one caller gets it.
    pub async fn take_pending_login(&mut self, handle: SecretHash) -> Result<Option<PendingLogin>> {
        let now = self.now().micros();
        query(concat!(
            "UPDATE pending_logins SET consumed_at = $2 WHERE handle_hash = $1 AND consumed_at IS NULL AND expires_at > $2 RETURNING ",
            columns!()))
            .bind(handle.as_bytes())
            .bind(now)
            .fetch_optional(self)
            .await
    }
}
