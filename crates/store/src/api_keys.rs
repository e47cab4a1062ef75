use sqlx::types::Json;
use vestibule_core::{ApiKeyId, ApiScope, OrganizationId, SecretHash, Timestamp};

use crate::{Live, ReadTx, Result};

/// A credential of the admin API.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// What it is for, in the words of whoever made it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<ApiScope>,
    /// The one organization that it is bound to, if it is.
    pub organization_id: Option<OrganizationId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends, if it does.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

macro_rules! columns {
    () => {
        "k.id, k.name, k.scopes, k.organization_id, k.created_at, k.expires_at, k.last_used_at"
    };
}

from_row!(ApiKey, row => ApiKey {
    id: row.id("id")?,
    name: row.try_get("name")?,
    scopes: row.try_get::<Json<Vec<ApiScope>>, _>("scopes")?.0,
    organization_id: row.id_or_null("organization_id")?,
    created_at: row.time("created_at")?,
    expires_at: row.time_or_null("expires_at")?,
    last_used_at: row.time_or_null("last_used_at")?,
});

impl ReadTx {
    /// The key behind a bearer token, while it, the operator who made it and its organization are live.
    pub async fn live_api_key(&mut self, key: SecretHash) -> Result<Option<Live<ApiKey>>> {
        let now = self.now().micros();
        let found: Option<ApiKey> = each!(self, c => sqlx::query_as(concat!(
            "SELECT ", columns!(), " FROM api_keys k
             LEFT JOIN organizations o ON o.id = k.organization_id
             LEFT JOIN operators r ON r.id = k.operator_id
             WHERE k.hash = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > $2)
             AND (k.organization_id IS NULL OR (o.active AND o.deleted_at IS NULL))
             AND (k.operator_id IS NULL OR (r.active AND r.epoch = k.operator_epoch))"))
            .bind(key.as_bytes())
            .bind(now)
            .fetch_optional(&mut *c)
            .await?);
        Ok(found.map(Live::proven))
    }
}
