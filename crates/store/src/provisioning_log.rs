use serde_json::Value;
use vestibule_core::{
    DirectoryClientId, DirectoryId, DirectoryTokenId, OrganizationId, ProvisioningId, Timestamp,
};

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
    /// The client, where its access token was accepted.
    pub client_id: Option<DirectoryClientId>,
    /// The HTTP request; the operations of a bulk request share it.
    pub request_id: Option<String>,
    /// The method.
    pub method: String,
    /// The endpoint as a template, such as `/Users/{id}`.
    pub path: String,
    /// Our id of the resource.
    pub resource_id: Option<String>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// Which product the client seemed to be.
    pub dialect: Option<String>,
    /// Whether a write changed anything.
    pub changed: Option<bool>,
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

macro_rules! columns {
    () => {
        "id, organization_id, directory_id, token_id, client_id, request_id, method, path, resource_id, user_agent, dialect, changed,
         status, scim_type, detail, repairs, duration_micros, created_at"
    };
}

from_row!(ProvisioningRecord, row => ProvisioningRecord {
    id: row.id("id")?,
    request: NewProvisioningRecord {
        organization_id: row.id("organization_id")?,
        directory_id: row.id("directory_id")?,
        token_id: row.id_or_null("token_id")?,
        client_id: row.id_or_null("client_id")?,
        request_id: row.get("request_id")?,
        method: row.get("method")?,
        path: row.get("path")?,
        resource_id: row.get("resource_id")?,
        user_agent: row.get("user_agent")?,
        dialect: row.get("dialect")?,
        changed: row.get("changed")?,
        status: row.get("status")?,
        scim_type: row.get("scim_type")?,
        detail: row.get("detail")?,
        repairs: row.get::<Json<Value>>("repairs")?.0,
        duration_micros: row.get("duration_micros")?,
        created_at: row.time("created_at")?,
    },
});

/// Which SCIM requests are asked for; what is absent does not matter.
#[derive(Debug, Clone, Default)]
pub struct ProvisioningQuery {
    /// Those of this directory.
    pub directory_id: Option<DirectoryId>,
    /// Those that were answered with a status of this class: 2 for 200 to 299.
    pub status_class: Option<i64>,
    /// Those about this resource of ours.
    pub resource_id: Option<String>,
    /// Those in which something was forgiven, or nothing.
    pub repaired: Option<bool>,
    /// Those before this one.
    pub before: Option<ProvisioningId>,
}

impl ProvisioningQuery {
    fn statement(&self, organization_id: OrganizationId, limit: i64) -> Statement {
        let mut statement = Statement::new(concat!(
            "SELECT ",
            columns!(),
            " FROM provisioning_log WHERE "
        ));
        match self.directory_id {
            // Joined with nothing, so that SQLite stays on the directory's own index.
            Some(directory_id) => statement
                .sql("directory_id = ")
                .text(&directory_id)
                .sql(" AND organization_id || '' = ")
                .text(&organization_id),
            None => statement.sql("organization_id = ").text(&organization_id),
        };
        if let Some(class) = self.status_class {
            statement
                .sql(" AND status >= ")
                .number(class * 100)
                .sql(" AND status < ")
                .number(class * 100 + 100);
        }
        if let Some(resource_id) = &self.resource_id {
            statement.sql(" AND resource_id = ").text(resource_id);
        }
        match self.repaired {
            None => &mut statement,
            Some(true) => statement.sql(" AND repairs <> '[]'"),
            Some(false) => statement.sql(" AND repairs = '[]'"),
        };
        if let Some(before) = self.before {
            statement.sql(" AND id < ").text(&before);
        }
        statement.sql(" ORDER BY id DESC LIMIT ").number(limit);
        // A filter that hardly anything fits walks the whole log.
        let narrow = self.status_class.is_some() || self.resource_id.is_some();
        if narrow || self.repaired.is_some() {
            statement.long();
        }
        statement
    }
}

impl ReadTx {
    /// The SCIM requests of an organization that are asked for, newest first.
    pub async fn list_provisioning_records(
        &mut self,
        organization_id: OrganizationId,
        wanted: &ProvisioningQuery,
        limit: i64,
    ) -> Result<Vec<ProvisioningRecord>> {
        self.fetch(wanted.statement(organization_id, limit)).await
    }

    /// The record of one SCIM request.
    pub async fn find_provisioning_record(
        &mut self,
        id: ProvisioningId,
    ) -> Result<Option<ProvisioningRecord>> {
        query(concat!(
            "SELECT ",
            columns!(),
            " FROM provisioning_log WHERE id = $1"
        ))
        .bind(id.to_string())
        .fetch_optional(self)
        .await
    }
}

impl WriteTx {
    /// Records SCIM requests.
    pub async fn add_provisioning_records(
        &mut self,
        records: &[NewProvisioningRecord],
    ) -> Result<()> {
        self.add_activity(records).await?;
        for chunk in records.chunks(200) {
            let mut statement = Statement::new(concat!(
                "INSERT INTO provisioning_log (",
                columns!(),
                ") VALUES"
            ));
            for record in chunk {
                let id: ProvisioningId = self.generator().id(record.created_at);
                statement.row([
                    id.to_string().into(),
                    record.organization_id.to_string().into(),
                    record.directory_id.to_string().into(),
                    text(record.token_id).into(),
                    text(record.client_id).into(),
                    record.request_id.clone().into(),
                    record.method.clone().into(),
                    record.path.clone().into(),
                    record.resource_id.clone().into(),
                    record.user_agent.clone().into(),
                    record.dialect.clone().into(),
                    record.changed.into(),
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
}
