//! What an ending took from each application, and what came of telling it.

use vestibule_core::{ApplicationId, OffboardingId, Timestamp};

use crate::{ReadTx, Result, WriteTx, query::query, row::micros, statement::Statement};

/// One application's line of a receipt.
#[derive(Debug, Clone)]
pub struct ReceiptApplication {
    /// The application.
    pub application_id: ApplicationId,
    /// What it is called now; none once it is gone.
    pub name: Option<String>,
    /// Its shares that ended.
    pub app_sessions: i64,
    /// Refresh tokens that could still have been used.
    pub refresh_tokens: i64,
    /// When the last access token runs out that resource servers judge by themselves (RFC 9068); none where we are asked.
    pub access_tokens_until: Option<Timestamp>,
    /// Logout notices to it.
    pub notices: i64,
    /// Notices that it accepted.
    pub acknowledged: i64,
    /// Notices that were given up.
    pub dead: i64,
    /// When it accepted the first.
    pub first_acknowledged_at: Option<Timestamp>,
    /// When it accepted the last one so far.
    pub acknowledged_at: Option<Timestamp>,
}

from_row!(ReceiptApplication, row => ReceiptApplication {
    application_id: row.id("application_id")?,
    name: row.get("name")?,
    app_sessions: row.get("app_sessions")?,
    refresh_tokens: row.get("refresh_tokens")?,
    access_tokens_until: row.time_or_null("access_tokens_until")?,
    notices: row.get("notices")?,
    acknowledged: row.get("acknowledged")?,
    dead: row.get("dead")?,
    first_acknowledged_at: row.time_or_null("first_acknowledged_at")?,
    acknowledged_at: row.time_or_null("acknowledged_at")?,
});

/// What one application loses.
#[derive(Debug)]
pub(crate) struct Loss {
    pub(crate) application_id: ApplicationId,
    pub(crate) app_sessions: i64,
    pub(crate) refresh_tokens: i64,
    pub(crate) access_tokens_until: Option<Timestamp>,
}

impl WriteTx {
    /// Adds to what a receipt says of applications.
    pub(crate) async fn add_losses(
        &mut self,
        receipt: OffboardingId,
        losses: &[Loss],
    ) -> Result<()> {
        if losses.is_empty() {
            return Ok(());
        }
        let mut statement = Statement::new(
            "INSERT INTO offboarding_applications (offboarding_id, application_id, app_sessions, refresh_tokens, access_tokens_until,
             notices, acknowledged, dead) VALUES",
        );
        for loss in losses {
            statement.row([
                receipt.to_string().into(),
                loss.application_id.to_string().into(),
                loss.app_sessions.into(),
                loss.refresh_tokens.into(),
                micros(loss.access_tokens_until).into(),
                0_i64.into(),
                0_i64.into(),
                0_i64.into(),
            ]);
        }
        // The chunks of a fan-out add up, and the last token of all of them counts.
        statement.sql(
            " ON CONFLICT (offboarding_id, application_id) DO UPDATE SET
             app_sessions = offboarding_applications.app_sessions + excluded.app_sessions,
             refresh_tokens = offboarding_applications.refresh_tokens + excluded.refresh_tokens,
             access_tokens_until = CASE WHEN excluded.access_tokens_until IS NULL
               OR offboarding_applications.access_tokens_until > excluded.access_tokens_until
               THEN offboarding_applications.access_tokens_until ELSE excluded.access_tokens_until END",
        );
        self.execute(statement).await?;
        Ok(())
    }

    /// Keeps what came of the notices of receipts that are being closed.
    pub(crate) async fn keep_outcomes(&mut self, receipts: &[OffboardingId]) -> Result<()> {
        if receipts.is_empty() {
            return Ok(());
        }
        let mut statement = Statement::new(
            "UPDATE offboarding_applications SET (notices, acknowledged, dead, first_acknowledged_at, acknowledged_at) =
             (SELECT COUNT(*), COUNT(b.done_at), COUNT(b.dead_at), MIN(b.done_at), MAX(b.done_at) FROM outbox b
              WHERE b.cause_id = offboarding_applications.offboarding_id AND b.kind = 'logout'
              AND b.destination = offboarding_applications.application_id) WHERE offboarding_id",
        );
        statement.is_one_of(receipts);
        self.execute(statement).await?;
        Ok(())
    }
}

impl ReadTx {
    /// What a receipt says of each application, and what has come of telling it by now.
    pub async fn list_receipt_applications(
        &mut self,
        receipt: OffboardingId,
    ) -> Result<Vec<ReceiptApplication>> {
        // While there are notices they count; of an old receipt only what was kept when it was closed is left.
        query(
            "SELECT a.application_id, p.name, a.app_sessions, a.refresh_tokens, a.access_tokens_until,
             COALESCE(b.notices, a.notices) AS notices, COALESCE(b.acknowledged, a.acknowledged) AS acknowledged,
             COALESCE(b.dead, a.dead) AS dead,
             CASE WHEN b.notices IS NULL THEN a.first_acknowledged_at ELSE b.first_at END AS first_acknowledged_at,
             CASE WHEN b.notices IS NULL THEN a.acknowledged_at ELSE b.last_at END AS acknowledged_at
             FROM offboarding_applications a LEFT JOIN applications p ON p.id = a.application_id AND p.deleted_at IS NULL
             LEFT JOIN (SELECT destination, COUNT(*) AS notices, COUNT(done_at) AS acknowledged, COUNT(dead_at) AS dead,
                        MIN(done_at) AS first_at, MAX(done_at) AS last_at FROM outbox
                        WHERE cause_id = $1 AND kind = 'logout' GROUP BY destination) b ON b.destination = a.application_id
             WHERE a.offboarding_id = $1 ORDER BY a.application_id")
            .bind(receipt.to_string())
            .fetch_all(self)
            .await
    }
}
