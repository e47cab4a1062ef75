use serde_json::Value;
use vestibule_core::{ConnectionId, OrganizationId, SecretHash, Timestamp, UserId, UserSessionId};

use crate::{Epochs, ReadTx, Result, WriteTx, query::query, row::Json, statement::Statement};

/// Idle time is written at most this often, so that reading pages does not become writing.
const TOUCH_INTERVAL_MICROS: i64 = 60_000_000;

/// Session indexes that one question names, and sign-ins that one answer holds.
const INDEXES_AT_ONCE: usize = 500;
const SESSIONS_AT_ONCE: i64 = 500;

/// A browser's sign-in.
#[derive(Debug, Clone)]
pub struct UserSession {
    /// Its id; the cookie carries it beside the secret.
    pub id: UserSessionId,
    pub(crate) secret_hash: Vec<u8>,
    /// Who signed in.
    pub user_id: UserId,
    /// Where the user belongs.
    pub organization_id: OrganizationId,
    /// How they came in.
    pub connection_id: ConnectionId,
    /// Copied from the login.
    pub epochs: Epochs,
    /// When the person proved who they are, at the identity provider.
    pub auth_time: Timestamp,
    /// The authentication context class.
    pub acr: String,
    /// The authentication methods (RFC 8176).
    pub amr: Vec<String>,
    /// The issuer, subject and session index of the identity provider; gone when the user is deleted.
    pub upstream: Option<(String, String, Option<String>)>,
    /// The SAML name identifier with its format and qualifiers, as the engine writes it.
    pub upstream_name_id: Option<Value>,
    /// When it ends if it is not used.
    pub idle_expires_at: Timestamp,
    /// When it ends in any case.
    pub expires_at: Timestamp,
    /// When it was last seen, to the minute.
    pub touched_at: Timestamp,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was ended, if it was.
    pub ended_at: Option<Timestamp>,
    /// Why it was ended.
    pub end_reason: Option<String>,
}

macro_rules! columns {
    () => {
        "s.id, s.secret_hash, s.user_id, s.organization_id, s.connection_id, s.user_epoch, s.organization_epoch, s.connection_epoch,
         s.auth_time, s.acr, s.amr, s.upstream_issuer, s.upstream_subject, s.upstream_session, s.upstream_name_id,
         s.idle_expires_at, s.expires_at, s.touched_at, s.created_at, s.ended_at, s.end_reason"
    };
}
pub(crate) use columns;

from_row!(UserSession, row => UserSession {
    id: row.id("id")?,
    secret_hash: row.get("secret_hash")?,
    user_id: row.id("user_id")?,
    organization_id: row.id("organization_id")?,
    connection_id: row.id("connection_id")?,
    epochs: Epochs {
        user: row.get("user_epoch")?,
        organization: row.get("organization_epoch")?,
        connection: row.get("connection_epoch")?,
    },
    auth_time: row.time("auth_time")?,
    acr: row.get("acr")?,
    amr: row.get::<Json<Vec<String>>>("amr")?.0,
    upstream: upstream(row.get("upstream_issuer")?, row.get("upstream_subject")?, row.get("upstream_session")?),
    upstream_name_id: row.get::<Option<Json<Value>>>("upstream_name_id")?.map(|name_id| name_id.0),
    idle_expires_at: row.time("idle_expires_at")?,
    expires_at: row.time("expires_at")?,
    touched_at: row.time("touched_at")?,
    created_at: row.time("created_at")?,
    ended_at: row.time_or_null("ended_at")?,
    end_reason: row.get("end_reason")?,
});

fn upstream(
    issuer: Option<String>,
    subject: Option<String>,
    session: Option<String>,
) -> Option<(String, String, Option<String>)> {
    Some((issuer?, subject?, session))
}

/// What a login gives to the sign-in that follows from it.
#[derive(Debug)]
pub struct NewUserSession {
    /// Who signed in.
    pub user_id: UserId,
    /// Where the user belongs.
    pub organization_id: OrganizationId,
    /// How they came in.
    pub connection_id: ConnectionId,
    /// As they were when the login resolved its user.
    pub epochs: Epochs,
    /// The hash of the cookie's secret part.
    pub secret_hash: SecretHash,
    /// When the person proved who they are.
    pub auth_time: Timestamp,
    /// The authentication context class.
    pub acr: String,
    /// The authentication methods.
    pub amr: Vec<String>,
    /// The issuer, subject and session index of the identity provider, for its logout messages.
    pub upstream: Option<(String, String, Option<String>)>,
    /// The SAML name identifier with its format and qualifiers, so that a logout names the same.
    pub upstream_name_id: Option<Value>,
    /// Seconds without use after which it ends.
    pub idle_seconds: u64,
    /// When it ends in any case.
    pub expires_at: Timestamp,
}

impl WriteTx {
    /// Begins a sign-in.
    pub async fn add_user_session(&mut self, new: NewUserSession) -> Result<UserSessionId> {
        let now = self.now();
        let id: UserSessionId = self.generator().id(now);
        let idle_seconds = i64::try_from(new.idle_seconds).unwrap_or(i64::MAX);
        let idle_expires_at = now
            .after(std::time::Duration::from_secs(new.idle_seconds))
            .min(new.expires_at);
        let (issuer, subject, session) = match new.upstream {
            Some((issuer, subject, session)) => (Some(issuer), Some(subject), session),
            None => (None, None, None),
        };
        query(
            "INSERT INTO user_sessions (id, secret_hash, user_id, organization_id, connection_id, user_epoch, organization_epoch,
             connection_epoch, auth_time, acr, amr, upstream_issuer, upstream_subject, upstream_session,
             upstream_name_id, idle_seconds, idle_expires_at, expires_at, touched_at, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $19)")
            .bind(id.to_string())
            .bind(new.secret_hash.as_bytes())
            .bind(new.user_id.to_string())
            .bind(new.organization_id.to_string())
            .bind(new.connection_id.to_string())
            .bind(new.epochs.user)
            .bind(new.epochs.organization)
            .bind(new.epochs.connection)
            .bind(new.auth_time.micros())
            .bind(&new.acr)
            .bind(Json(&new.amr))
            .bind(&issuer)
            .bind(&subject)
            .bind(&session)
            .bind(new.upstream_name_id.as_ref().map(Json))
            .bind(idle_seconds)
            .bind(idle_expires_at.micros())
            .bind(new.expires_at.micros())
            .bind(now.micros())
            .execute(self)
            .await?;
        Ok(id)
    }

    /// Moves the idle expiry of a sign-in that is in use; at most once a minute does it write.
    pub async fn touch_user_session(&mut self, id: UserSessionId) -> Result<()> {
        let now = self.now().micros();
        query(
            "UPDATE user_sessions SET touched_at = $2,
             idle_expires_at = CASE WHEN $2 + idle_seconds * 1000000 < expires_at THEN $2 + idle_seconds * 1000000 ELSE expires_at END
             WHERE id = $1 AND touched_at < $3 AND ended_at IS NULL")
            .bind(id.to_string())
            .bind(now)
            .bind(now - TOUCH_INTERVAL_MICROS)
            .execute(self)
            .await?;
        Ok(())
    }
}

impl WriteTx {
    /// The sign-ins of a connection's subject that have not been ended, for a logout that its identity provider demands:
    /// those with one of the session indexes, or all of them where it names none (SAML 2.0 Core §3.7.1).
    pub async fn list_upstream_sessions(
        &mut self,
        connection_id: ConnectionId,
        issuer: &str,
        subject: &str,
        session_indexes: &[String],
    ) -> Result<Vec<UserSessionId>> {
        let mut found = Vec::new();
        if session_indexes.is_empty() {
            let last = (connection_id, issuer, subject);
            self.read_upstream_sessions(last, &[], &mut found).await?;
        }
        for indexes in session_indexes.chunks(INDEXES_AT_ONCE) {
            let of = (connection_id, issuer, subject);
            self.read_upstream_sessions(of, indexes, &mut found).await?;
        }
        let mut ids = found
            .iter()
            .map(|id| id.parse().map_err(|_| crate::Error::corrupt("session id")))
            .collect::<Result<Vec<UserSessionId>>>()?;
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// The sign-ins of a connection that have not been ended and belong to a session at its provider, for a logout token
    /// (Back-Channel Logout 1.0 §2.6); a named subject's sign-ins count too where the provider never told their session.
    pub async fn list_sessions_of_provider(
        &mut self,
        connection_id: ConnectionId,
        issuer: &str,
        session: &str,
        subject: Option<&str>,
    ) -> Result<Vec<UserSessionId>> {
        let ids: Vec<String> = query(
            "SELECT id FROM user_sessions WHERE connection_id = $1 AND upstream_session = $3 AND upstream_issuer = $2
               AND (CAST($4 AS TEXT) IS NULL OR upstream_subject = $4) AND ended_at IS NULL
             UNION
             SELECT id FROM user_sessions WHERE connection_id = $1 AND upstream_subject = $4 AND upstream_issuer = $2
               AND upstream_session IS NULL AND ended_at IS NULL")
            .bind(connection_id.to_string())
            .bind(issuer)
            .bind(session)
            .bind(subject)
            .fetch_all(self)
            .await?;
        ids.iter()
            .map(|id| id.parse().map_err(|_| crate::Error::corrupt("session id")))
            .collect()
    }

    /// Reads page by page, so that no answer of the database grows without bound.
    async fn read_upstream_sessions(
        &mut self,
        (connection_id, issuer, subject): (ConnectionId, &str, &str),
        indexes: &[String],
        found: &mut Vec<String>,
    ) -> Result<()> {
        let mut after = String::new();
        loop {
            let mut statement =
                Statement::new("SELECT id FROM user_sessions WHERE connection_id = ");
            statement
                .text(&connection_id)
                .sql(" AND upstream_subject = ")
                .text(subject)
                .sql(" AND upstream_issuer = ")
                .text(issuer)
                .sql(" AND ended_at IS NULL AND id > ")
                .text(&after);
            if !indexes.is_empty() {
                statement.sql(" AND upstream_session IN ").list(indexes);
            }
            statement
                .sql(" ORDER BY id LIMIT ")
                .number(SESSIONS_AT_ONCE);
            let page: Vec<String> = self.fetch(statement).await?;
            let full = i64::try_from(page.len()).is_ok_and(|read| read == SESSIONS_AT_ONCE);
            if let Some(last) = page.last() {
                after.clone_from(last);
            }
            found.extend(page);
            if !full {
                return Ok(());
            }
        }
    }
}

impl UserSession {
    /// Whether [`WriteTx::touch_user_session`] would write.
    pub fn is_due_for_touch(&self, now: Timestamp) -> bool {
        self.touched_at.micros() < now.micros() - TOUCH_INTERVAL_MICROS
    }
}

impl ReadTx {
    /// A user's sign-ins that are live now, the newest first.
    pub async fn list_user_sessions(&mut self, user_id: UserId) -> Result<Vec<UserSession>> {
        let now = self.now().micros();
        query(concat!(
            "SELECT ", columns!(), " FROM user_sessions s", crate::live::chain!("s"),
            "WHERE s.user_id = $1 AND s.ended_at IS NULL AND s.idle_expires_at > $2 AND s.expires_at > $2
             ORDER BY s.created_at DESC LIMIT 1000"))
            .bind(user_id.to_string())
            .bind(now)
            .fetch_all(self)
            .await
    }

    /// A sign-in, live or not.
    pub async fn find_user_session(&mut self, id: UserSessionId) -> Result<Option<UserSession>> {
        query(concat!(
            "SELECT ",
            columns!(),
            " FROM user_sessions s WHERE s.id = $1"
        ))
        .bind(id.to_string())
        .fetch_optional(self)
        .await
    }
}
