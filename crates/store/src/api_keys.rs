use vestibule_core::{ApiKeyId, ApiScope, OperatorId, OrganizationId, SecretHash, Timestamp};

use crate::{
    Live, ReadTx, Result, WriteTx,
    query::query,
    row::{Json, micros, text},
};

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
    name: row.get("name")?,
    scopes: row.get::<Json<Vec<ApiScope>>>("scopes")?.0,
    organization_id: row.id_or_null("organization_id")?,
    created_at: row.time("created_at")?,
    expires_at: row.time_or_null("expires_at")?,
    last_used_at: row.time_or_null("last_used_at")?,
});

impl ReadTx {
    /// The key behind a bearer token, while it, the operator who made it and its organization are live.
    pub async fn live_api_key(&mut self, key: SecretHash) -> Result<Option<Live<ApiKey>>> {
        let now = self.now().micros();
        let found: Option<ApiKey> = query(concat!(
            "SELECT ", columns!(), " FROM api_keys k
             LEFT JOIN organizations o ON o.id = k.organization_id
             LEFT JOIN operators r ON r.id = k.operator_id
             WHERE k.hash = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > $2)
             AND (k.organization_id IS NULL OR (o.active AND o.deleted_at IS NULL))
             AND (k.operator_id IS NULL OR (r.active AND r.epoch = k.operator_epoch))"))
            .bind(key.as_bytes())
            .bind(now)
            .fetch_optional(self)
            .await?;
        Ok(found.map(Live::proven))
    }
}

/// What a key of the admin API is made of.
#[derive(Debug)]
pub struct NewApiKey<'a> {
    /// What it is for.
    pub name: &'a str,
    /// The hash of the key.
    pub hash: SecretHash,
    /// What it may do.
    pub scopes: &'a [ApiScope],
    /// The one organization that it is bound to.
    pub organization_id: Option<OrganizationId>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// Who makes it: the key dies with that operator.
    pub maker: ApiKeyMaker,
}

/// Who makes a key of the admin API.
#[derive(Debug, Clone, Copy)]
pub enum ApiKeyMaker {
    /// The installation itself: the command line, the bootstrap key.
    Installation,
    /// An operator; the key dies with the operator's epoch.
    Operator(OperatorId),
    /// Another key; what binds that one to an operator binds this one too.
    Key(ApiKeyId),
}

impl ReadTx {
    /// Keys in the order of their making, revoked ones left out; of one organization where wanted.
    pub async fn list_api_keys(
        &mut self,
        organization_id: Option<OrganizationId>,
        after: Option<ApiKeyId>,
        limit: i64,
    ) -> Result<Vec<ApiKey>> {
        query(concat!(
            "SELECT ", columns!(), " FROM api_keys k WHERE k.revoked_at IS NULL AND (CAST($1 AS TEXT) IS NULL OR k.organization_id = $1)
             AND (CAST($2 AS TEXT) IS NULL OR k.id > $2) ORDER BY k.id LIMIT $3"))
            .bind(text(organization_id))
            .bind(text(after))
            .bind(limit)
            .fetch_all(self)
            .await
    }

    /// A key that is not revoked.
    pub async fn find_api_key(&mut self, id: ApiKeyId) -> Result<Option<ApiKey>> {
        query(concat!(
            "SELECT ",
            columns!(),
            " FROM api_keys k WHERE k.id = $1 AND k.revoked_at IS NULL"
        ))
        .bind(id.to_string())
        .fetch_optional(self)
        .await
    }
}

impl WriteTx {
    /// Makes a key of the admin API.
    pub async fn add_api_key(&mut self, new: &NewApiKey<'_>) -> Result<ApiKey> {
        let now = self.now();
        let id: ApiKeyId = self.generator().id(now);
        let (operator, parent) = match new.maker {
            ApiKeyMaker::Installation => (None, None),
            ApiKeyMaker::Operator(id) => (Some(id), None),
            ApiKeyMaker::Key(id) => (None, Some(id)),
        };
        query(
            "INSERT INTO api_keys (id, hash, name, scopes, organization_id, created_at, expires_at, operator_id, operator_epoch)
             VALUES ($1, $2, $3, $4, $5, $6, $7,
               COALESCE(CAST($8 AS TEXT), (SELECT k.operator_id FROM api_keys k WHERE k.id = $9)),
               COALESCE((SELECT r.epoch FROM operators r WHERE r.id = $8), (SELECT k.operator_epoch FROM api_keys k WHERE k.id = $9)))")
            .bind(id.to_string())
            .bind(new.hash.as_bytes())
            .bind(new.name)
            .bind(Json(new.scopes))
            .bind(text(new.organization_id))
            .bind(now.micros())
            .bind(micros(new.expires_at))
            .bind(text(operator))
            .bind(text(parent))
            .execute(self)
            .await?;
        Ok(ApiKey {
            id,
            name: new.name.to_owned(),
            scopes: new.scopes.to_vec(),
            organization_id: new.organization_id,
            created_at: now,
            expires_at: new.expires_at,
            last_used_at: None,
        })
    }

    /// Revokes a key; false when it is revoked already or unknown.
    pub async fn revoke_api_key(&mut self, id: ApiKeyId) -> Result<bool> {
        let now = self.now().micros();
        let revoked =
            query("UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL")
                .bind(id.to_string())
                .bind(now)
                .execute(self)
                .await?;
        Ok(revoked == 1)
    }

    /// Notes that a key was used.
    pub async fn touch_api_key(&mut self, id: ApiKeyId) -> Result<()> {
        let now = self.now().micros();
        query("UPDATE api_keys SET last_used_at = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(now)
            .execute(self)
            .await?;
        Ok(())
    }
}

impl ApiKey {
    /// Whether [`WriteTx::touch_api_key`] is due: at most once a minute is it written.
    pub fn is_due_for_touch(&self, now: Timestamp) -> bool {
        self.last_used_at
            .is_none_or(|used| now.since(used) >= std::time::Duration::from_mins(1))
    }
}
