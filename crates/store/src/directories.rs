use vestibule_core::{
    DirectoryId, DirectoryState, DirectoryTokenId, OrganizationId, SecretHash, Timestamp,
};

use crate::{Live, ReadTx, Result};

/// A source of users and groups.
#[derive(Debug, Clone)]
pub struct Directory {
    /// Its id; the SCIM URL carries it without prefix.
    pub id: DirectoryId,
    /// Where its users belong.
    pub organization_id: OrganizationId,
    /// Its name, as admins see it.
    pub name: String,
    /// Which product it is; `auto` until it is known.
    pub dialect: String,
    /// Whether a password in a SCIM body is kept.
    pub accept_password: bool,
    /// What it may do.
    pub state: DirectoryState,
    /// When it was last heard of.
    pub last_seen_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

macro_rules! columns {
    () => {
        "d.id, d.organization_id, d.name, d.dialect, d.accept_password, d.state, d.last_seen_at, d.created_at, d.updated_at"
    };
}

from_row!(Directory, row => Directory {
    id: row.id("id")?,
    organization_id: row.id("organization_id")?,
    name: row.try_get("name")?,
    dialect: row.try_get("dialect")?,
    accept_password: row.try_get("accept_password")?,
    state: row.word("state")?,
    last_seen_at: row.time_or_null("last_seen_at")?,
    created_at: row.time("created_at")?,
    updated_at: row.time("updated_at")?,
});

/// A bearer token that opened its directory.
#[derive(Debug, Clone)]
pub struct DirectoryAccess {
    /// The token.
    pub token_id: DirectoryTokenId,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// The directory.
    pub directory: Directory,
}

from_row!(DirectoryAccess, row => DirectoryAccess {
    token_id: row.id("token_id")?,
    last_used_at: row.time_or_null("last_used_at")?,
    directory: <Directory as sqlx::FromRow<'_, _>>::from_row(row)?,
});

impl ReadTx {
    /// A directory that is not deleted, of whatever organization.
    pub async fn find_directory(&mut self, id: DirectoryId) -> Result<Option<Directory>> {
        Ok(
            each!(self, c => sqlx::query_as(concat!("SELECT ", columns!(), " FROM directories d WHERE d.id = $1 AND d.deleted_at IS NULL"))
            .bind(id.to_string())
            .fetch_optional(&mut *c)
            .await?),
        )
    }

    /// The directories of an organization.
    pub async fn list_directories(
        &mut self,
        organization_id: OrganizationId,
    ) -> Result<Vec<Directory>> {
        Ok(each!(self, c => sqlx::query_as(concat!(
            "SELECT ", columns!(), " FROM directories d WHERE d.organization_id = $1 AND d.deleted_at IS NULL ORDER BY d.id LIMIT 1000"))
            .bind(organization_id.to_string())
            .fetch_all(&mut *c)
            .await?))
    }

    /// What a directory's bearer token opens, while the token, the directory and the organization are live.
    pub async fn live_directory_token(
        &mut self,
        directory_id: DirectoryId,
        token: SecretHash,
    ) -> Result<Option<Live<DirectoryAccess>>> {
        let now = self.now().micros();
        let found: Option<DirectoryAccess> = each!(self, c => sqlx::query_as(concat!(
            "SELECT t.id AS token_id, t.last_used_at, ", columns!(), " FROM directory_tokens t
             JOIN directories d ON d.id = t.directory_id AND d.deleted_at IS NULL
             JOIN organizations o ON o.id = d.organization_id AND o.active AND o.deleted_at IS NULL
             WHERE t.hash = $1 AND t.directory_id = $2 AND t.revoked_at IS NULL AND t.expires_at > $3"))
            .bind(token.as_bytes())
            .bind(directory_id.to_string())
            .bind(now)
            .fetch_optional(&mut *c)
            .await?);
        Ok(found.map(Live::proven))
    }
}
