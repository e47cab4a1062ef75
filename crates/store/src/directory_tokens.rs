//! What opens a directory: bearer tokens.

use vestibule_core::{DirectoryId, DirectoryTokenId, OrganizationId, SecretHash, Timestamp};

use crate::{Directory, Live, ReadTx, Result, WriteTx, directories::columns, query::query};

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
    directory: Directory::from_row(row)?,
});

impl ReadTx {
    /// What a directory's bearer token opens, while the token, the directory and the organization are live.
    pub async fn live_directory_token(
        &mut self,
        directory_id: DirectoryId,
        token: SecretHash,
    ) -> Result<Option<Live<DirectoryAccess>>> {
        let now = self.now().micros();
        let found: Option<DirectoryAccess> = query(concat!(
            "SELECT t.id AS token_id, t.last_used_at, ", columns!(), " FROM directory_tokens t
             JOIN directories d ON d.id = t.directory_id AND d.deleted_at IS NULL
             JOIN organizations o ON o.id = d.organization_id AND o.active AND o.deleted_at IS NULL
             WHERE t.hash = $1 AND t.directory_id = $2 AND t.revoked_at IS NULL AND t.expires_at > $3"))
            .bind(token.as_bytes())
            .bind(directory_id.to_string())
            .bind(now)
            .fetch_optional(self)
            .await?;
        Ok(found.map(Live::proven))
    }
}

/// A bearer token of a directory, as admins see it.
#[derive(Debug, Clone)]
pub struct DirectoryToken {
    /// Its id.
    pub id: DirectoryTokenId,
    /// What it opens.
    pub directory_id: DirectoryId,
    /// Where that belongs.
    pub organization_id: OrganizationId,
    /// What it is for.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

macro_rules! token_columns {
    () => {
        "t.id, t.directory_id, t.organization_id, t.name, t.created_at, t.expires_at, t.last_used_at"
    };
}

from_row!(DirectoryToken, row => DirectoryToken {
    id: row.id("id")?,
    directory_id: row.id("directory_id")?,
    organization_id: row.id("organization_id")?,
    name: row.get("name")?,
    created_at: row.time("created_at")?,
    expires_at: row.time("expires_at")?,
    last_used_at: row.time_or_null("last_used_at")?,
});

impl ReadTx {
    /// The tokens of a directory that are not revoked.
    pub async fn list_directory_tokens(&mut self, id: DirectoryId) -> Result<Vec<DirectoryToken>> {
        query(concat!(
            "SELECT ", token_columns!(), " FROM directory_tokens t WHERE t.directory_id = $1 AND t.revoked_at IS NULL ORDER BY t.id LIMIT 1000"))
            .bind(id.to_string())
            .fetch_all(self)
            .await
    }

    /// A token that is not revoked.
    pub async fn find_directory_token(
        &mut self,
        id: DirectoryTokenId,
    ) -> Result<Option<DirectoryToken>> {
        query(concat!(
            "SELECT ",
            token_columns!(),
            " FROM directory_tokens t WHERE t.id = $1 AND t.revoked_at IS NULL"
        ))
        .bind(id.to_string())
        .fetch_optional(self)
        .await
    }
}

impl WriteTx {
    /// Makes a bearer token of a directory.
    pub async fn add_directory_token(
        &mut self,
        directory: &Directory,
        name: &str,
        token: SecretHash,
        expires_at: Timestamp,
    ) -> Result<DirectoryToken> {
        let now = self.now();
        let id: DirectoryTokenId = self.generator().id(now);
        query(
            "INSERT INTO directory_tokens (id, hash, directory_id, organization_id, name, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)")
            .bind(id.to_string())
            .bind(token.as_bytes())
            .bind(directory.id.to_string())
            .bind(directory.organization_id.to_string())
            .bind(name)
            .bind(now.micros())
            .bind(expires_at.micros())
            .execute(self)
            .await?;
        Ok(DirectoryToken {
            id,
            directory_id: directory.id,
            organization_id: directory.organization_id,
            name: name.to_owned(),
            created_at: now,
            expires_at,
            last_used_at: None,
        })
    }

    /// Revokes a token; false when it is revoked already or unknown.
    pub async fn revoke_directory_token(&mut self, id: DirectoryTokenId) -> Result<bool> {
        let now = self.now().micros();
        let revoked = query(
            "UPDATE directory_tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL",
        )
        .bind(id.to_string())
        .bind(now)
        .execute(self)
        .await?;
        Ok(revoked == 1)
    }
}
