//! What identity providers told about people, and whom that means.

use serde_json::Value;
use vestibule_core::{
    ConnectionId, DirectoryId, OrganizationId, SignalId, Timestamp, UserId, email_key,
};

use crate::{
    ReadTx, Result, User, WriteTx,
    query::query,
    row::{Json, text},
    users,
};

/// Something that was told, and what it did.
#[derive(Debug, Clone)]
pub struct ReceivedSignal {
    /// Its id.
    pub id: SignalId,
    /// Whose people it is about.
    pub connection_id: ConnectionId,
    /// How it came: `global_token_revocation` or `ssf`.
    pub source: String,
    /// What happened: the name of an event.
    pub event: String,
    /// The id of the message.
    pub message_id: Option<String>,
    /// Whom it names, as it came.
    pub subject: Value,
    /// Whom it means.
    pub user_id: Option<UserId>,
    /// What it did.
    pub effect: String,
    /// Sign-ins that it ended.
    pub ended: i64,
    /// When it came.
    pub created_at: Timestamp,
}

from_row!(ReceivedSignal, row => ReceivedSignal {
    id: row.id("id")?,
    connection_id: row.id("connection_id")?,
    source: row.get("source")?,
    event: row.get("event")?,
    message_id: row.get("message_id")?,
    subject: row.get::<Json<Value>>("subject")?.0,
    user_id: row.id_or_null("user_id")?,
    effect: row.get("effect")?,
    ended: row.get("ended")?,
    created_at: row.time("created_at")?,
});

/// Something that is told just now.
#[derive(Debug, Clone)]
pub struct NewSignal<'a> {
    /// How it came.
    pub source: &'a str,
    /// What happened.
    pub event: &'a str,
    /// The id of the message.
    pub message_id: Option<&'a str>,
    /// Whom it names.
    pub subject: &'a Value,
    /// Whom it means.
    pub user_id: Option<UserId>,
    /// What it did.
    pub effect: &'a str,
    /// Sign-ins that it ended.
    pub ended: usize,
}

impl ReadTx {
    /// What was told about a connection's people, the newest first, before one where wanted.
    pub async fn list_signals(
        &mut self,
        connection_id: ConnectionId,
        before: Option<SignalId>,
        limit: i64,
    ) -> Result<Vec<ReceivedSignal>> {
        query(
            "SELECT id, connection_id, source, event, message_id, subject, user_id, effect, ended, created_at FROM received_signals
             WHERE connection_id = $1 AND (CAST($2 AS TEXT) IS NULL OR id < $2) ORDER BY id DESC LIMIT $3")
            .bind(connection_id.to_string())
            .bind(text(before))
            .bind(limit)
            .fetch_all(self)
            .await
    }

    /// The users of an organization who have an address; a signal may mean those of them whom a connection
    /// [owns](Self::owns_user).
    pub async fn list_users_by_email(
        &mut self,
        organization_id: OrganizationId,
        email: &str,
        limit: i64,
    ) -> Result<Vec<User>> {
        query(concat!(
            "SELECT ", users::columns!(), " FROM users u WHERE u.organization_id = $1 AND u.deleted_at IS NULL
             AND u.id IN (SELECT e.user_id FROM user_emails e WHERE e.organization_id = $1 AND e.value_key = $2) ORDER BY u.id LIMIT $3"))
            .bind(organization_id.to_string())
            .bind(email_key(email))
            .bind(limit)
            .fetch_all(self)
            .await
    }

    /// The user behind the sign-ins of a subject at a connection, where the link is kept under another name.
    pub async fn find_user_of_upstream(
        &mut self,
        connection_id: ConnectionId,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<User>> {
        query(concat!(
            "SELECT ", users::columns!(), " FROM users u WHERE u.deleted_at IS NULL AND u.id IN (
               SELECT s.user_id FROM user_sessions s WHERE s.connection_id = $1 AND s.upstream_issuer = $2 AND s.upstream_subject = $3)
             ORDER BY u.id LIMIT 1"))
            .bind(connection_id.to_string())
            .bind(issuer)
            .bind(subject)
            .fetch_optional(self)
            .await
    }

    /// Whether somebody is a connection's own: of its directory, linked through it, or signed in through it.
    pub async fn owns_user(
        &mut self,
        connection_id: ConnectionId,
        directory_id: Option<DirectoryId>,
        user: &User,
    ) -> Result<bool> {
        if directory_id.is_some() && user.directory_id == directory_id {
            return Ok(true);
        }
        let found: Option<String> = query(
            "SELECT i.user_id FROM identities i WHERE i.connection_id = $1 AND i.user_id = $2
             UNION SELECT s.user_id FROM user_sessions s WHERE s.connection_id = $1 AND s.user_id = $2 LIMIT 1")
            .bind(connection_id.to_string())
            .bind(user.id.to_string())
            .fetch_optional(self)
            .await?;
        Ok(found.is_some())
    }
}

impl WriteTx {
    /// Records what was told.
    pub async fn add_signal(
        &mut self,
        (organization_id, connection_id): (OrganizationId, ConnectionId),
        signal: &NewSignal<'_>,
    ) -> Result<SignalId> {
        let now = self.now();
        let id: SignalId = self.generator().id(now);
        query(
            "INSERT INTO received_signals (id, organization_id, connection_id, source, event, message_id, subject, user_id, effect, ended, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)")
            .bind(id.to_string())
            .bind(organization_id.to_string())
            .bind(connection_id.to_string())
            .bind(signal.source)
            .bind(signal.event)
            .bind(signal.message_id)
            .bind(Json(signal.subject))
            .bind(text(signal.user_id))
            .bind(signal.effect)
            .bind(i64::try_from(signal.ended).unwrap_or(i64::MAX))
            .bind(now.micros())
            .execute(self)
            .await?;
        Ok(id)
    }
}
