//! The receipts of endings, and the audit log.

use serde_json::Value;
use vestibule_core::{
    AuditId, EventKind, OffboardingId, OrganizationId, OutboxId, Timestamp, UserId,
};

use crate::{
    Ending, NewEvent, ReadTx, Result, WriteTx,
    query::query,
    row::{Json, text},
    statement::Statement,
};

/// The receipt of an ending.
#[derive(Debug, Clone)]
pub struct Offboarding {
    /// Its id.
    pub id: OffboardingId,
    /// Where.
    pub organization_id: OrganizationId,
    /// What kind of thing ended: `user`, `user_session`, `app_session`, `organization`, `connection`.
    pub scope: String,
    /// Its id.
    pub subject_id: String,
    /// Whose, where it was one person's.
    pub user_id: Option<UserId>,
    /// Why.
    pub cause: String,
    /// Who said so.
    pub actor: String,
    /// The SCIM request that caused it, as the provisioning log names it.
    pub request_id: Option<String>,
    /// Sign-ins that ended.
    pub user_sessions: i64,
    /// Shares of applications that ended.
    pub app_sessions: i64,
    /// When it was committed.
    pub started_at: Timestamp,
    /// When every application had been told, or had been given up; none again while a notice has another life.
    pub completed_at: Option<Timestamp>,
    /// Notices that had been given up when it was closed.
    pub dead: i64,
}

/// What is told of a receipt that was closed just now.
#[derive(Debug)]
struct Closed {
    id: OffboardingId,
    organization_id: OrganizationId,
    scope: String,
    user_id: Option<UserId>,
    cause: String,
    user_sessions: i64,
    app_sessions: i64,
}

from_row!(Closed, row => Closed {
    id: row.id("id")?,
    organization_id: row.id("organization_id")?,
    scope: row.get("scope")?,
    user_id: row.id_or_null("user_id")?,
    cause: row.get("cause")?,
    user_sessions: row.get("user_sessions")?,
    app_sessions: row.get("app_sessions")?,
});

macro_rules! columns {
    () => {
        "id, organization_id, scope, subject_id, user_id, cause, actor, request_id, user_sessions, app_sessions, started_at, completed_at,
         (SELECT CAST(COALESCE(SUM(a.dead), 0) AS BIGINT) FROM offboarding_applications a WHERE a.offboarding_id = offboardings.id) AS dead"
    };
}

from_row!(Offboarding, row => Offboarding {
    id: row.id("id")?,
    organization_id: row.id("organization_id")?,
    scope: row.get("scope")?,
    subject_id: row.get("subject_id")?,
    user_id: row.id_or_null("user_id")?,
    cause: row.get("cause")?,
    actor: row.get("actor")?,
    request_id: row.get("request_id")?,
    user_sessions: row.get("user_sessions")?,
    app_sessions: row.get("app_sessions")?,
    started_at: row.time("started_at")?,
    completed_at: row.time_or_null("completed_at")?,
    dead: row.get("dead")?,
});

/// A line of the audit log.
#[derive(Debug, Clone)]
pub struct AuditEntry {
    /// Its id.
    pub id: AuditId,
    /// Where, if in one organization.
    pub organization_id: Option<OrganizationId>,
    /// Who.
    pub actor: String,
    /// What, such as `user.deactivate`.
    pub action: String,
    /// To what: an id.
    pub subject: String,
    /// The changed fields, without secrets.
    pub data: Value,
    /// When.
    pub created_at: Timestamp,
}

from_row!(AuditEntry, row => AuditEntry {
    id: row.id("id")?,
    organization_id: row.id_or_null("organization_id")?,
    actor: row.get("actor")?,
    action: row.get("action")?,
    subject: row.get("subject")?,
    data: row.get::<Json<Value>>("data")?.0,
    created_at: row.time("created_at")?,
});

impl WriteTx {
    pub(crate) async fn add_receipt(
        &mut self,
        organization_id: OrganizationId,
        user_id: Option<UserId>,
        ending: Ending<'_>,
        user_sessions: usize,
        app_sessions: usize,
    ) -> Result<OffboardingId> {
        use vestibule_core::EndScope;
        let now = self.now();
        let id: OffboardingId = self.generator().id(now);
        let (scope, subject) = match ending.scope {
            EndScope::User(id) => ("user", id.to_string()),
            EndScope::Organization(id) => ("organization", id.to_string()),
            EndScope::Connection(id) => ("connection", id.to_string()),
            EndScope::Application(id) => ("application", id.to_string()),
            EndScope::UserSession(id) => ("user_session", id.to_string()),
            EndScope::AppSession(id) => ("app_session", id.to_string()),
        };
        let request_id = self.request_id.as_deref().map(str::to_owned);
        query(
            "INSERT INTO offboardings (id, organization_id, scope, subject_id, user_id, cause, actor, user_sessions, app_sessions, started_at, request_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)")
            .bind(id.to_string())
            .bind(organization_id.to_string())
            .bind(scope)
            .bind(&subject)
            .bind(text(user_id))
            .bind(ending.cause.as_str())
            .bind(ending.actor)
            .bind(i64::try_from(user_sessions).unwrap_or(i64::MAX))
            .bind(i64::try_from(app_sessions).unwrap_or(i64::MAX))
            .bind(now.micros())
            .bind(request_id)
            .execute(self)
            .await?;
        Ok(id)
    }

    pub(crate) async fn count_ended(
        &mut self,
        id: OffboardingId,
        app_sessions: usize,
    ) -> Result<()> {
        query("UPDATE offboardings SET app_sessions = app_sessions + $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(i64::try_from(app_sessions).unwrap_or(i64::MAX))
            .execute(self)
            .await?;
        Ok(())
    }

    /// Closes receipts whose notices have all been delivered or given up, and tells so; which.
    pub async fn complete_offboardings(&mut self, limit: usize) -> Result<Vec<OffboardingId>> {
        let now = self.now();
        // Nodes that close receipts at the same time take different ones.
        macro_rules! close {
            ($locking:literal) => {
                concat!(
                    "UPDATE offboardings SET completed_at = $1 WHERE id IN (
                       SELECT f.id FROM offboardings f WHERE f.completed_at IS NULL AND NOT EXISTS (
                         SELECT 1 FROM outbox b WHERE b.cause_id = f.id AND b.done_at IS NULL AND b.dead_at IS NULL)
                       ORDER BY f.id LIMIT $2", $locking, ") AND completed_at IS NULL
                     RETURNING id, organization_id, scope, user_id, cause, user_sessions, app_sessions"
                )
            };
        }
        let closed: Vec<Closed> = query(close!(""))
            .on_postgres(close!(" FOR UPDATE SKIP LOCKED"))
            .bind(now.micros())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(self)
            .await?;
        let ids: Vec<OffboardingId> = closed.iter().map(|receipt| receipt.id).collect();
        self.keep_outcomes(&ids).await?;
        for receipt in closed {
            if receipt.scope == "user" {
                self.push_event(NewEvent {
                    kind: EventKind::OffboardingCompleted,
                    organization_id: Some(receipt.organization_id),
                    user_id: receipt.user_id,
                    data: serde_json::json!({
                        "offboarding_id": receipt.id,
                        "user_id": receipt.user_id,
                        "cause": receipt.cause,
                        "user_sessions": receipt.user_sessions,
                        "app_sessions": receipt.app_sessions,
                    }),
                })
                .await?;
            }
        }
        Ok(ids)
    }

    /// Opens the receipts of notices that get another life: they are closed again when it is over, with what came of it.
    pub(crate) async fn reopen_offboardings(&mut self, notices: &[OutboxId]) -> Result<()> {
        if notices.is_empty() {
            return Ok(());
        }
        let mut statement = Statement::new(
            "UPDATE offboardings SET completed_at = NULL WHERE completed_at IS NOT NULL
             AND id IN (SELECT b.cause_id FROM outbox b WHERE b.kind = 'logout' AND b.id",
        );
        statement.is_one_of(notices).sql(")");
        self.execute(statement).await?;
        Ok(())
    }

    /// Writes a line of the audit log.
    pub async fn add_audit(
        &mut self,
        organization_id: Option<OrganizationId>,
        actor: &str,
        action: &str,
        subject: &str,
        data: &Value,
    ) -> Result<()> {
        let now = self.now();
        let id: AuditId = self.generator().id(now);
        query(
            "INSERT INTO audit (id, organization_id, actor, action, subject, data, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)")
            .bind(id.to_string())
            .bind(text(organization_id))
            .bind(actor)
            .bind(action)
            .bind(subject)
            .bind(Json(data))
            .bind(now.micros())
            .execute(self)
            .await?;
        Ok(())
    }
}

impl ReadTx {
    /// Whether [`WriteTx::complete_offboardings`] would close any.
    pub async fn has_closable_offboardings(&mut self) -> Result<bool> {
        let found: Option<String> = query(
            "SELECT f.id FROM offboardings f WHERE f.completed_at IS NULL AND NOT EXISTS (
               SELECT 1 FROM outbox b WHERE b.cause_id = f.id AND b.done_at IS NULL AND b.dead_at IS NULL) LIMIT 1")
            .fetch_optional(self)
            .await?;
        Ok(found.is_some())
    }

    /// Receipts of an organization, the newest first.
    pub async fn list_offboardings(
        &mut self,
        organization_id: OrganizationId,
        before: Option<OffboardingId>,
        limit: i64,
    ) -> Result<Vec<Offboarding>> {
        query(concat!(
            "SELECT ", columns!(), " FROM offboardings WHERE organization_id = $1 AND (CAST($2 AS TEXT) IS NULL OR id < $2)
             ORDER BY id DESC LIMIT $3"))
            .bind(organization_id.to_string())
            .bind(text(before))
            .bind(limit)
            .fetch_all(self)
            .await
    }

    /// One receipt.
    pub async fn find_offboarding(&mut self, id: OffboardingId) -> Result<Option<Offboarding>> {
        query(concat!(
            "SELECT ",
            columns!(),
            " FROM offboardings WHERE id = $1"
        ))
        .bind(id.to_string())
        .fetch_optional(self)
        .await
    }

    /// Notices of a cause, the oldest first: what was sent where, and what came of it.
    pub async fn list_jobs_of(&mut self, cause: OffboardingId) -> Result<Vec<crate::Job>> {
        query(
            "SELECT id, destination, organization_id, user_id, cause_id, sequence, payload, attempts, due_since, created_at, done_at, dead_at, last_error
             FROM outbox WHERE cause_id = $1 ORDER BY id LIMIT 1000")
            .bind(cause.to_string())
            .fetch_all(self)
            .await
    }

    /// The audit log, the newest first; of one organization where wanted.
    pub async fn list_audit(
        &mut self,
        organization_id: Option<OrganizationId>,
        before: Option<AuditId>,
        limit: i64,
    ) -> Result<Vec<AuditEntry>> {
        query(
            "SELECT id, organization_id, actor, action, subject, data, created_at FROM audit
             WHERE (CAST($1 AS TEXT) IS NULL OR organization_id = $1) AND (CAST($2 AS TEXT) IS NULL OR id < $2)
             ORDER BY id DESC LIMIT $3")
            .bind(text(organization_id))
            .bind(text(before))
            .bind(limit)
            .fetch_all(self)
            .await
    }
}
