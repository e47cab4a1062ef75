use vestibule_core::{
    DirectoryId, DirectoryState, DirectoryTokenId, OrganizationId, SecretHash, Timestamp, UserId,
};

use crate::{Live, ReadTx, Result, WriteTx, query::query, row::text};

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
    name: row.get("name")?,
    dialect: row.get("dialect")?,
    accept_password: row.get("accept_password")?,
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
    directory: Directory::from_row(row)?,
});

impl ReadTx {
    /// A directory that is not deleted, of whatever organization.
    pub async fn find_directory(&mut self, id: DirectoryId) -> Result<Option<Directory>> {
        query(concat!(
            "SELECT ",
            columns!(),
            " FROM directories d WHERE d.id = $1 AND d.deleted_at IS NULL"
        ))
        .bind(id.to_string())
        .fetch_optional(self)
        .await
    }

    /// The directories of an organization.
    pub async fn list_directories(
        &mut self,
        organization_id: OrganizationId,
    ) -> Result<Vec<Directory>> {
        query(concat!(
            "SELECT ", columns!(), " FROM directories d WHERE d.organization_id = $1 AND d.deleted_at IS NULL ORDER BY d.id LIMIT 1000"))
            .bind(organization_id.to_string())
            .fetch_all(self)
            .await
    }

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

    /// Whether an organization has users that no directory owns.
    pub async fn has_unowned_users(&mut self, id: OrganizationId) -> Result<bool> {
        let found: Option<String> = query(
            "SELECT id FROM users WHERE organization_id = $1 AND directory_id IS NULL AND deleted_at IS NULL LIMIT 1")
            .bind(id.to_string())
            .fetch_optional(self)
            .await?;
        Ok(found.is_some())
    }

    /// How many users a directory owns, and how many of the organization none owns.
    pub async fn count_owned_users(
        &mut self,
        organization_id: OrganizationId,
        id: DirectoryId,
    ) -> Result<(i64, i64)> {
        let owned: i64 =
            query("SELECT COUNT(*) FROM users WHERE directory_id = $1 AND deleted_at IS NULL")
                .bind(id.to_string())
                .fetch_one(self)
                .await?;
        let unowned: i64 = query(
            "SELECT COUNT(*) FROM users WHERE organization_id = $1 AND directory_id IS NULL AND deleted_at IS NULL")
            .bind(organization_id.to_string())
            .fetch_one(self)
            .await?;
        Ok((owned, unowned))
    }

    /// The ids of a directory's active users, after one where wanted.
    pub async fn list_active_users_of(
        &mut self,
        id: DirectoryId,
        after: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<UserId>> {
        let ids: Vec<String> = query(
            "SELECT id FROM users WHERE directory_id = $1 AND active AND deleted_at IS NULL AND (CAST($2 AS TEXT) IS NULL OR id > $2)
             ORDER BY id LIMIT $3")
            .bind(id.to_string())
            .bind(text(after))
            .bind(limit)
            .fetch_all(self)
            .await?;
        ids.iter()
            .map(|id| id.parse().map_err(|_| crate::Error::corrupt("user id")))
            .collect()
    }
}

impl WriteTx {
    /// Attaches a directory to an organization that is locked; just-in-time creation ends there.
    ///
    /// A connection that named no directory meant the only one; with a second one it names it.
    pub async fn add_directory(&mut self, directory: &Directory) -> Result<()> {
        let (id, organization_id) = (
            directory.id.to_string(),
            directory.organization_id.to_string(),
        );
        let now = self.now().micros();
        {
            query(
                "UPDATE connections SET updated_at = $2, directory_id = (
                   SELECT MIN(d.id) FROM directories d WHERE d.organization_id = $1 AND d.deleted_at IS NULL)
                 WHERE organization_id = $1 AND directory_id IS NULL AND protocol <> 'password' AND deleted_at IS NULL
                 AND EXISTS (SELECT 1 FROM directories d WHERE d.organization_id = $1 AND d.deleted_at IS NULL)")
                .bind(&organization_id)
                .bind(now)
                .execute(self)
                .await?;
            query("UPDATE connections SET jit = FALSE, updated_at = $2 WHERE organization_id = $1 AND jit")
                .bind(&organization_id)
                .bind(now)
                .execute(self)
                .await?;
            query(
                "INSERT INTO directories (id, organization_id, name, dialect, accept_password, state, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $7)")
                .bind(&id)
                .bind(&organization_id)
                .bind(&directory.name)
                .bind(&directory.dialect)
                .bind(directory.accept_password)
                .bind(directory.state.as_str())
                .bind(now)
                .execute(self)
                .await?;
        };
        Ok(())
    }

    /// Changes a directory that was read while its organization was locked.
    pub async fn set_directory(&mut self, directory: &Directory) -> Result<()> {
        let now = self.now().micros();
        query(
            "UPDATE directories SET name = $2, dialect = $3, accept_password = $4, state = $5, updated_at = $6 WHERE id = $1")
            .bind(directory.id.to_string())
            .bind(&directory.name)
            .bind(&directory.dialect)
            .bind(directory.accept_password)
            .bind(directory.state.as_str())
            .bind(now)
            .execute(self)
            .await?;
        Ok(())
    }

    /// Leaves a tombstone of a directory: its tokens and groups go, and no directory owns its users any more.
    ///
    /// An error that [`is_taken`](crate::Error::is_taken) means that a user whom no directory owns has the name of one of its users.
    pub async fn delete_directory(&mut self, id: DirectoryId) -> Result<()> {
        let (now, id) = (self.now().micros(), id.to_string());
        {
            for sql in [
                "UPDATE directories SET deleted_at = $2, updated_at = $2 WHERE id = $1",
                "UPDATE directory_tokens SET revoked_at = $2 WHERE directory_id = $1 AND revoked_at IS NULL",
                "UPDATE groups SET deleted_at = $2, updated_at = $2 WHERE directory_id = $1 AND deleted_at IS NULL",
                "UPDATE users SET directory_id = NULL, updated_at = $2 WHERE directory_id = $1 AND deleted_at IS NULL",
                "UPDATE connections SET directory_id = NULL, updated_at = $2 WHERE directory_id = $1",
            ] {
                query(sql).bind(&id).bind(now).execute(self).await?;
            }
            query("DELETE FROM group_members WHERE directory_id = $1")
                .bind(&id)
                .execute(self)
                .await?;
            query("UPDATE user_emails SET directory_id = NULL WHERE directory_id = $1")
                .bind(&id)
                .execute(self)
                .await?;
        };
        Ok(())
    }

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
