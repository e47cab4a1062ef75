//! Who tells us about the people of a connection, beside the tokens of its identity provider.

use std::time::Duration;

use vestibule_core::{ConnectionId, OrganizationId, Timestamp};

use crate::{
    ReadTx, Result, WriteTx,
    query::query,
    row::{Row, micros},
};

words! {
    /// How security event tokens come.
    SignalMethod {
        /// They do not.
        None "none",
        /// The transmitter pushes them (RFC 8935).
        Push "push",
        /// We ask for them (RFC 8936).
        Poll "poll",
    }
}

/// Who asks for the access tokens of polls (RFC 6749 §4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollClient {
    /// Where they are asked for.
    pub token_endpoint: String,
    /// Our identifier there.
    pub client_id: String,
    /// Our secret there, sealed.
    pub secret_sealed: Vec<u8>,
    /// The scope that is asked for.
    pub scope: Option<String>,
}

/// The transmitter of a connection.
#[derive(Debug, Clone)]
pub struct SignalSource {
    /// Whose people it tells about.
    pub connection_id: ConnectionId,
    /// The organization of the connection.
    pub organization_id: OrganizationId,
    /// The `iss` of what it signs.
    pub issuer: String,
    /// Where its keys are.
    pub jwks_uri: String,
    /// The `aud` of its security event tokens.
    pub audience: String,
    /// The `sub` of its requests for a global token revocation, where it is not the connection's client id.
    pub client_id: Option<String>,
    /// How security event tokens come.
    pub method: SignalMethod,
    /// The hash of the secret that pushes carry.
    pub push_secret_hash: Option<Vec<u8>>,
    /// Where tokens are polled.
    pub poll_url: Option<String>,
    /// The access token for polls, sealed.
    pub poll_token_sealed: Option<Vec<u8>>,
    /// Who asks for access tokens for polls, where there is no lasting one.
    pub poll_client: Option<PollClient>,
    /// When it last told something.
    pub last_event_at: Option<Timestamp>,
    /// When it last proved that the stream works.
    pub last_verified_at: Option<Timestamp>,
    /// Why something of it was refused, or could not be polled.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

macro_rules! columns {
    () => {
        "connection_id, organization_id, issuer, jwks_uri, audience, client_id, method, push_secret_hash, poll_url, poll_token_sealed,
         poll_token_endpoint, poll_client_id, poll_client_secret_sealed, poll_scope, last_event_at, last_verified_at, last_error, last_error_at, created_at, updated_at"
    };
}

from_row!(SignalSource, row => SignalSource {
    connection_id: row.id("connection_id")?,
    organization_id: row.id("organization_id")?,
    issuer: row.get("issuer")?,
    jwks_uri: row.get("jwks_uri")?,
    audience: row.get("audience")?,
    client_id: row.get("client_id")?,
    method: row.word("method")?,
    push_secret_hash: row.get("push_secret_hash")?,
    poll_url: row.get("poll_url")?,
    poll_token_sealed: row.get("poll_token_sealed")?,
    poll_client: poll_client(row)?,
    last_event_at: row.time_or_null("last_event_at")?,
    last_verified_at: row.time_or_null("last_verified_at")?,
    last_error: row.get("last_error")?,
    last_error_at: row.time_or_null("last_error_at")?,
    created_at: row.time("created_at")?,
    updated_at: row.time("updated_at")?,
});

fn poll_client(row: &Row<'_>) -> Result<Option<PollClient>> {
    let client: (Option<String>, Option<String>, Option<Vec<u8>>) = (
        row.get("poll_token_endpoint")?,
        row.get("poll_client_id")?,
        row.get("poll_client_secret_sealed")?,
    );
    let (Some(token_endpoint), Some(client_id), Some(secret_sealed)) = client else {
        return Ok(None);
    };
    Ok(Some(PollClient {
        token_endpoint,
        client_id,
        secret_sealed,
        scope: row.get("poll_scope")?,
    }))
}

impl ReadTx {
    /// The transmitter of a connection.
    pub async fn find_signal_source(&mut self, id: ConnectionId) -> Result<Option<SignalSource>> {
        query(concat!(
            "SELECT ",
            columns!(),
            " FROM signal_sources WHERE connection_id = $1"
        ))
        .bind(id.to_string())
        .fetch_optional(self)
        .await
    }

    /// Whether a transmitter is due to be polled.
    pub async fn has_due_polls(&mut self) -> Result<bool> {
        let now = self.now().micros();
        let found: Option<String> = query(
            "SELECT connection_id FROM signal_sources WHERE method = 'poll' AND poll_leased_until <= $1 LIMIT 1")
            .bind(now)
            .fetch_optional(self)
            .await?;
        Ok(found.is_some())
    }
}

impl WriteTx {
    /// Stores the transmitter of a connection, in the place of one that was there.
    pub async fn set_signal_source(&mut self, source: &SignalSource) -> Result<()> {
        let client = source.poll_client.as_ref();
        query(
            "INSERT INTO signal_sources (connection_id, organization_id, issuer, jwks_uri, audience, client_id, method, push_secret_hash,
               poll_url, poll_token_sealed, poll_leased_until, created_at, updated_at,
               poll_token_endpoint, poll_client_id, poll_client_secret_sealed, poll_scope)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, $12, $13, $14, $15, $16)
             ON CONFLICT (connection_id) DO UPDATE SET issuer = excluded.issuer, jwks_uri = excluded.jwks_uri, audience = excluded.audience,
               client_id = excluded.client_id, method = excluded.method, push_secret_hash = excluded.push_secret_hash,
               poll_url = excluded.poll_url, poll_token_sealed = excluded.poll_token_sealed, poll_leased_until = 0,
               poll_token_endpoint = excluded.poll_token_endpoint, poll_client_id = excluded.poll_client_id,
               poll_client_secret_sealed = excluded.poll_client_secret_sealed, poll_scope = excluded.poll_scope,
               last_error = NULL, last_error_at = NULL, updated_at = excluded.updated_at")
            .bind(source.connection_id.to_string())
            .bind(source.organization_id.to_string())
            .bind(&source.issuer)
            .bind(&source.jwks_uri)
            .bind(&source.audience)
            .bind(&source.client_id)
            .bind(source.method.as_str())
            .bind(&source.push_secret_hash)
            .bind(&source.poll_url)
            .bind(&source.poll_token_sealed)
            .bind(source.created_at.micros())
            .bind(source.updated_at.micros())
            .bind(client.map(|client| client.token_endpoint.as_str()))
            .bind(client.map(|client| client.client_id.as_str()))
            .bind(client.map(|client| client.secret_sealed.as_slice()))
            .bind(client.and_then(|client| client.scope.as_deref()))
            .execute(self)
            .await?;
        Ok(())
    }

    /// Forgets the transmitter of a connection; false where there was none.
    pub async fn remove_signal_source(&mut self, id: ConnectionId) -> Result<bool> {
        let removed = query("DELETE FROM signal_sources WHERE connection_id = $1")
            .bind(id.to_string())
            .execute(self)
            .await?;
        Ok(removed == 1)
    }

    /// Notes that a transmitter told something, and whether that was a verification.
    pub async fn note_signal(
        &mut self,
        id: ConnectionId,
        verified: Option<Timestamp>,
    ) -> Result<()> {
        let now = self.now().micros();
        query(
            "UPDATE signal_sources SET last_event_at = $2, last_verified_at = COALESCE($3, last_verified_at) WHERE connection_id = $1")
            .bind(id.to_string())
            .bind(now)
            .bind(micros(verified))
            .execute(self)
            .await?;
        Ok(())
    }

    /// Notes why something of a transmitter was refused, or could not be polled; none that it works again.
    pub async fn note_signal_error(&mut self, id: ConnectionId, error: Option<&str>) -> Result<()> {
        let at = error.map(|_| self.now());
        query("UPDATE signal_sources SET last_error = $2, last_error_at = $3 WHERE connection_id = $1")
            .bind(id.to_string())
            .bind(error)
            .bind(micros(at))
            .execute(self)
            .await?;
        Ok(())
    }

    /// Forgets an error that is over, unless another one has been noted meanwhile.
    pub async fn forget_signal_error(&mut self, id: ConnectionId, error: &str) -> Result<()> {
        query("UPDATE signal_sources SET last_error = NULL, last_error_at = NULL WHERE connection_id = $1 AND last_error = $2")
            .bind(id.to_string())
            .bind(error)
            .execute(self)
            .await?;
        Ok(())
    }

    /// Takes transmitters that are due to be polled; no other node takes one before its lease is over.
    pub async fn claim_polls(&mut self, lease: Duration, limit: i64) -> Result<Vec<SignalSource>> {
        let now = self.now();
        macro_rules! claim {
            ($locking:literal) => {
                concat!(
                    "UPDATE signal_sources SET poll_leased_until = $2 WHERE connection_id IN (
                       SELECT connection_id FROM signal_sources WHERE method = 'poll' AND poll_leased_until <= $1
                       ORDER BY poll_leased_until LIMIT $3", $locking, ") RETURNING ", columns!()
                )
            };
        }
        query(claim!(""))
            .on_postgres(claim!(" FOR UPDATE SKIP LOCKED"))
            .bind(now.micros())
            .bind(now.after(lease).micros())
            .bind(limit)
            .fetch_all(self)
            .await
    }

    /// Ends a poll: the next one is due at this instant.
    pub async fn release_poll(&mut self, id: ConnectionId, next: Timestamp) -> Result<()> {
        query("UPDATE signal_sources SET poll_leased_until = $2 WHERE connection_id = $1")
            .bind(id.to_string())
            .bind(next.micros())
            .execute(self)
            .await?;
        Ok(())
    }
}
