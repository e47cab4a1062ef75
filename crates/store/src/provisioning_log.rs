use serde_json::Value;
use vestibule_core::{DirectoryId, DirectoryTokenId, OrganizationId, ProvisioningId, Timestamp};

use crate::{
    ReadTx, Result, WriteTx,
    query::query,
    row::{Json, text},
    statement::Statement,
};

/// The record of one SCIM request: what was asked and what became of it, without any value that was sent.
#[derive(Debug, Clone)]
pub struct ProvisioningRecord {
    /// Its id.
    pub id: ProvisioningId,
    /// What happened.
    pub request: NewProvisioningRecord,
}

/// What is recorded of a SCIM request.
#[derive(Debug, Clone)]
pub struct NewProvisioningRecord {
    /// Where the directory belongs.
    pub organization_id: OrganizationId,
    /// The directory.
    pub directory_id: DirectoryId,
    /// The bearer token, where one was accepted.
    pub token_id: Option<DirectoryTokenId>,
    /// The method.
    pub method: String,
    /// The endpoint as a template, such as `/Users/{id}`.
    pub path: String,
    /// Our id of the resource.
    pub resource_id: Option<String>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// The HTTP status of the answer.
    pub status: i64,
    /// The keyword of a refusal (RFC 7644 §3.12).
    pub scim_type: Option<String>,
    /// What the client was told when it was refused.
    pub detail: Option<String>,
    /// The habits that were forgiven: `[{"rule": 2, "place": "active", "explanation": …}]`.
    pub repairs: Value,
    /// How long it took.
    pub duration_micros: i64,
    /// When it was answered.
    pub created_at: Timestamp,
}

from_row!(ProvisioningRecord, row => ProvisioningRecord {
    id: row.id("id")?,
    request: NewProvisioningRecord {
        organization_id: row.id("organization_id")?,
        directory_id: row.id("directory_id")?,
        token_id: row.id_or_null("token_id")?,
        method: row.get("method")?,
        path: row.get("path")?,
        resource_id: row.get("resource_id")?,
        user_agent: row.get("user_agent")?,
        status: row.get("status")?,
        scim_type: row.get("scim_type")?,
        detail: row.get("detail")?,
        repairs: row.get::<Json<Value>>("repairs")?.0,
        duration_micros: row.get("duration_micros")?,
        created_at: row.time("created_at")?,
    },
});

impl ReadTx {
    /// The SCIM requests of an organization, newest first, before one where wanted; of one directory where wanted.
    pub async fn list_provisioning_records(
        &mut self,
        organization_id: OrganizationId,
        directory_id: Option<DirectoryId>,
        before: Option<ProvisioningId>,
        limit: i64,
    ) -> Result<Vec<ProvisioningRecord>> {
        query(
            "SELECT id, organization_id, directory_id, token_id, method, path, resource_id, user_agent, status, scim_type, detail, repairs,
             duration_micros, created_at FROM provisioning_log WHERE organization_id = $1
             AND (CAST($2 AS TEXT) IS NULL OR directory_id = $2) AND (CAST($3 AS TEXT) IS NULL OR id < $3) ORDER BY id DESC LIMIT $4")
            .bind(organization_id.to_string())
            .bind(text(directory_id))
            .bind(text(before))
            .bind(limit)
            .fetch_all(self)
            .await
    }
}

impl WriteTx {
    /// Records SCIM requests.
    pub async fn add_provisioning_records(
        &mut self,
        records: &[NewProvisioningRecord],
    ) -> Result<()> {
        for chunk in records.chunks(200) {
            let mut statement = Statement::new(
                "INSERT INTO provisioning_log (id, organization_id, directory_id, token_id, method, path, resource_id, user_agent,
                 status, scim_type, detail, repairs, duration_micros, created_at) VALUES",
            );
            for record in chunk {
                let id: ProvisioningId = self.generator().id(record.created_at);
                statement.row([
                    id.to_string().into(),
                    record.organization_id.to_string().into(),
                    record.directory_id.to_string().into(),
                    text(record.token_id).into(),
                    record.method.clone().into(),
                    record.path.clone().into(),
                    record.resource_id.clone().into(),
                    record.user_agent.clone().into(),
                    record.status.into(),
                    record.scim_type.clone().into(),
                    record.detail.clone().into(),
                    Json(&record.repairs).into(),
                    record.duration_micros.into(),
                    record.created_at.micros().into(),
                ]);
            }
            self.execute(statement).await?;
        }
        Ok(())
    }

    /// Notes that a directory was heard of through a token; what was noted less than a minute ago stays.
    pub async fn touch_directory(
        &mut self,
        directory_id: DirectoryId,
        token_id: DirectoryTokenId,
    ) -> Result<()> {
        let now = self.now();
        let minute_ago = now.before(std::time::Duration::from_mins(1)).micros();
        {
            query("UPDATE directory_tokens SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $3)")
                .bind(token_id.to_string())
                .bind(now.micros())
                .bind(minute_ago)
                .execute(self)
                .await?;
            query("UPDATE directories SET last_seen_at = $2 WHERE id = $1 AND (last_seen_at IS NULL OR last_seen_at <= $3)")
                .bind(directory_id.to_string())
                .bind(now.micros())
                .bind(minute_ago)
                .execute(self)
                .await?;
        };
        Ok(())
    }
}
