//! Streams: what applications hear about by security event tokens, and the tokens with which they manage them.

use vestibule_core::{ApplicationId, SecretHash, StreamId, Timestamp};

use crate::{
    Application, Live, ReadTx, Result, WriteTx,
    query::query,
    row::{Json, micros},
};

words! {
    /// Whether a stream tells.
    StreamStatus {
        /// It does.
        Enabled "enabled",
        /// It keeps what there is to tell.
        Paused "paused",
        /// It forgets what there is to tell.
        Disabled "disabled",
    }
}

words! {
    /// How a stream's tokens reach its application.
    StreamMethod {
        /// We send them (RFC 8935).
        Push "push",
        /// It asks for them (RFC 8936).
        Poll "poll",
    }
}

words! {
    /// What a stream can tell of.
    StreamKind {
        /// Sessions of somebody are over.
        SessionRevoked "session_revoked",
        /// Somebody's credential changed.
        CredentialChange "credential_change",
        /// Claims of somebody's tokens changed.
        TokenClaimsChange "token_claims_change",
        /// Somebody can no longer sign in.
        AccountDisabled "account_disabled",
        /// Somebody can sign in again.
        AccountEnabled "account_enabled",
        /// Somebody is gone for good.
        AccountPurged "account_purged",
        /// The stream works.
        Verification "verification",
    }
}

/// What one application hears about.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Its id.
    pub id: StreamId,
    /// Who hears.
    pub application_id: ApplicationId,
    /// Whether it tells.
    pub status: StreamStatus,
    /// Why it does not.
    pub status_reason: Option<String>,
    /// How its tokens arrive.
    pub method: StreamMethod,
    /// Where tokens are pushed to.
    pub endpoint_url: Option<String>,
    /// The `Authorization` header of pushes, sealed.
    pub authorization_sealed: Option<Vec<u8>>,
    /// What was asked for, as it was asked.
    pub events_requested: Vec<String>,
    /// What is told of it: words of [`StreamKind`].
    pub kinds: Vec<String>,
    /// The application's note.
    pub description: Option<String>,
    /// When a verification was last asked for.
    pub verified_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Stream {
    /// Whether what happens is sent at once.
    pub fn pushes(&self) -> bool {
        self.status == StreamStatus::Enabled && self.method == StreamMethod::Push
    }
}

macro_rules! columns {
    () => {
        "t.id, t.application_id, t.status, t.status_reason, t.method, t.endpoint_url, t.authorization_sealed, t.events_requested, t.kinds,
         t.description, t.verified_at, t.created_at, t.updated_at"
    };
}

from_row!(Stream, row => Stream {
    id: row.id("id")?,
    application_id: row.id("application_id")?,
    status: row.word("status")?,
    status_reason: row.get("status_reason")?,
    method: row.word("method")?,
    endpoint_url: row.get("endpoint_url")?,
    authorization_sealed: row.get("authorization_sealed")?,
    events_requested: row.get::<Json<Vec<String>>>("events_requested")?.0,
    kinds: row.get::<Json<Vec<String>>>("kinds")?.0,
    description: row.get("description")?,
    verified_at: row.time_or_null("verified_at")?,
    created_at: row.time("created_at")?,
    updated_at: row.time("updated_at")?,
});

/// What an access token for streams allows.
#[derive(Debug, Clone)]
pub struct StreamToken {
    /// Whose streams.
    pub application_id: ApplicationId,
    /// `ssf.manage` or `ssf.read`.
    pub scope: String,
}

from_row!(StreamToken, row => StreamToken {
    application_id: row.id("application_id")?,
    scope: row.get("scope")?,
});

impl ReadTx {
    /// What an access token allows, while it and its application are live; ending the application ends it.
    pub async fn live_stream_token(
        &mut self,
        token: SecretHash,
    ) -> Result<Option<Live<StreamToken>>> {
        let now = self.now().micros();
        let found: Option<StreamToken> = query(
            "SELECT k.application_id, k.scope FROM stream_tokens k
             JOIN applications p ON p.id = k.application_id AND p.active AND p.deleted_at IS NULL AND p.epoch = k.application_epoch
             WHERE k.hash = $1 AND k.expires_at > $2")
            .bind(token.as_bytes())
            .bind(now)
            .fetch_optional(self)
            .await?;
        Ok(found.map(Live::proven))
    }

    /// A stream of an application.
    pub async fn find_stream(
        &mut self,
        application_id: ApplicationId,
        id: StreamId,
    ) -> Result<Option<Stream>> {
        query(concat!(
            "SELECT ",
            columns!(),
            " FROM streams t WHERE t.id = $1 AND t.application_id = $2"
        ))
        .bind(id.to_string())
        .bind(application_id.to_string())
        .fetch_optional(self)
        .await
    }

    /// A stream whose application may be told, whoever that is; for the workers.
    pub async fn find_told_stream(&mut self, id: StreamId) -> Result<Option<Stream>> {
        query(concat!(
            "SELECT ",
            columns!(),
            " FROM streams t JOIN applications p ON p.id = t.application_id AND p.active AND p.deleted_at IS NULL WHERE t.id = $1"
        ))
        .bind(id.to_string())
        .fetch_optional(self)
        .await
    }

    /// The streams of an application.
    pub async fn list_streams(&mut self, application_id: ApplicationId) -> Result<Vec<Stream>> {
        query(concat!(
            "SELECT ",
            columns!(),
            " FROM streams t WHERE t.application_id = $1 ORDER BY t.id LIMIT 100"
        ))
        .bind(application_id.to_string())
        .fetch_all(self)
        .await
    }
}

impl WriteTx {
    /// Keeps an access token of an application, with the epoch that was proven.
    pub async fn add_stream_token(
        &mut self,
        application: &Application,
        token: SecretHash,
        scope: &str,
        expires_at: Timestamp,
    ) -> Result<()> {
        let now = self.now().micros();
        query(
            "INSERT INTO stream_tokens (hash, application_id, application_epoch, scope, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(token.as_bytes())
            .bind(application.id.to_string())
            .bind(application.epoch)
            .bind(scope)
            .bind(now)
            .bind(expires_at.micros())
            .execute(self)
            .await?;
        Ok(())
    }

    /// Stores a stream, in the place of the same one where it was there.
    pub async fn set_stream(&mut self, stream: &Stream) -> Result<()> {
        query(
            "INSERT INTO streams (id, application_id, status, status_reason, method, endpoint_url, authorization_sealed, events_requested, kinds,
               description, verified_at, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
             ON CONFLICT (id) DO UPDATE SET status = excluded.status, status_reason = excluded.status_reason, method = excluded.method,
               endpoint_url = excluded.endpoint_url, authorization_sealed = excluded.authorization_sealed,
               events_requested = excluded.events_requested, kinds = excluded.kinds, description = excluded.description,
               verified_at = excluded.verified_at, updated_at = excluded.updated_at")
            .bind(stream.id.to_string())
            .bind(stream.application_id.to_string())
            .bind(stream.status.as_str())
            .bind(&stream.status_reason)
            .bind(stream.method.as_str())
            .bind(&stream.endpoint_url)
            .bind(&stream.authorization_sealed)
            .bind(Json(&stream.events_requested))
            .bind(Json(&stream.kinds))
            .bind(&stream.description)
            .bind(micros(stream.verified_at))
            .bind(stream.created_at.micros())
            .bind(stream.updated_at.micros())
            .execute(self)
            .await?;
        Ok(())
    }

    /// Removes a stream of an application, with what waits in it; false where there is none.
    pub async fn delete_stream(
        &mut self,
        application_id: ApplicationId,
        id: StreamId,
    ) -> Result<bool> {
        let removed = query("DELETE FROM streams WHERE id = $1 AND application_id = $2")
            .bind(id.to_string())
            .bind(application_id.to_string())
            .execute(self)
            .await?;
        if removed == 0 {
            return Ok(false);
        }
        self.forget_stream_events(id).await?;
        Ok(true)
    }
}
