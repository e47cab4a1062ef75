use serde_json::value::RawValue;
use vestibule_core::{ApplicationId, ConnectionId, LoginId, OrganizationId, Timestamp, UserId};

use crate::{
    ReadTx, Result, WriteTx,
    query::query,
    row::{Json, text},
};

/// What became of a login, without anything personal or secret in it.
#[derive(Debug, Clone, Default)]
pub struct NewLoginRecord {
    /// The organization, where it is known.
    pub organization_id: Option<OrganizationId>,
    /// The connection, where one was chosen.
    pub connection_id: Option<ConnectionId>,
    /// The application that asked.
    pub application_id: Option<ApplicationId>,
    /// The user, where one was found.
    pub user_id: Option<UserId>,
    /// `succeeded`, or the refusal's name.
    pub outcome: String,
    /// The rule that refused.
    pub rule: Option<String>,
    /// What the rule wanted.
    pub wanted: Option<String>,
    /// What it got, redacted.
    pub got: Option<String>,
    /// Who has to act: `identity_provider`, `directory`, `application`, `administrator`, `person`, `vestibule`.
    pub fault: Option<String>,
    /// The next step.
    pub remedy: Option<String>,
    /// The verdict on the message rule by rule, redacted, as the engine writes it.
    pub report: Option<Box<RawValue>>,
}

/// The record of one login.
#[derive(Debug, Clone)]
pub struct LoginRecord {
    /// Its id, shown to the person as the reference.
    pub id: LoginId,
    /// What became of it.
    pub login: NewLoginRecord,
    /// When.
    pub created_at: Timestamp,
}

macro_rules! columns {
    () => {
        "id, organization_id, connection_id, application_id, user_id, outcome, rule, wanted, got, fault, remedy, report, created_at"
    };
}

from_row!(LoginRecord, row => LoginRecord {
    id: row.id("id")?,
    login: NewLoginRecord {
        organization_id: row.id_or_null("organization_id")?,
        connection_id: row.id_or_null("connection_id")?,
        application_id: row.id_or_null("application_id")?,
        user_id: row.id_or_null("user_id")?,
        outcome: row.get("outcome")?,
        rule: row.get("rule")?,
        wanted: row.get("wanted")?,
        got: row.get("got")?,
        fault: row.get("fault")?,
        remedy: row.get("remedy")?,
        report: row.get::<Option<Json<Box<RawValue>>>>("report")?.map(|report| report.0),
    },
    created_at: row.time("created_at")?,
});

impl WriteTx {
    /// Writes what became of a login; the id is the reference that the person sees.
    pub async fn add_login(&mut self, login: &NewLoginRecord) -> Result<LoginId> {
        let now = self.now();
        let id: LoginId = self.generator().id(now);
        query(
            "INSERT INTO logins (id, organization_id, connection_id, application_id, user_id, outcome, rule, wanted, got, fault, remedy, report,
             created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)")
            .bind(id.to_string())
            .bind(text(login.organization_id))
            .bind(text(login.connection_id))
            .bind(text(login.application_id))
            .bind(text(login.user_id))
            .bind(&login.outcome)
            .bind(&login.rule)
            .bind(&login.wanted)
            .bind(&login.got)
            .bind(&login.fault)
            .bind(&login.remedy)
            .bind(login.report.as_ref().map(Json))
            .bind(now.micros())
            .execute(self)
            .await?;
        Ok(id)
    }
}

impl ReadTx {
    /// The logins of an organization, the newest first.
    pub async fn list_logins(
        &mut self,
        organization_id: OrganizationId,
        before: Option<LoginId>,
        limit: i64,
    ) -> Result<Vec<LoginRecord>> {
        query(concat!(
            "SELECT ",
            columns!(),
            " FROM logins WHERE organization_id = $1 AND (CAST($2 AS TEXT) IS NULL OR id < $2)
             ORDER BY id DESC LIMIT $3"
        ))
        .bind(organization_id.to_string())
        .bind(text(before))
        .bind(limit)
        .fetch_all(self)
        .await
    }
}
