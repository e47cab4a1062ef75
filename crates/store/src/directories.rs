use vestibule_core::{DirectoryId, DirectoryState, OrganizationId, Timestamp, UserId};

use crate::{ReadTx, Result, WriteTx, query::query, row::text};

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
pub(crate) use columns;

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
}

impl ReadTx {
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
}
