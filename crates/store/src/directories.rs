use std::time::Duration;

use serde_json::{Map, Value};
use vestibule_core::{
    DirectoryId, DirectoryMode, DirectoryState, OrganizationId, Timestamp, UserId,
};

use crate::{
    ReadTx, Result, WriteTx,
    query::query,
    row::{Json, text},
};

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
    /// Which product its requests look like, once some were seen.
    pub detected_dialect: Option<String>,
    /// How it judges what its client sends.
    pub mode: DirectoryMode,
    /// Whether a password in a SCIM body is kept.
    pub accept_password: bool,
    /// What it may do.
    pub state: DirectoryState,
    /// The directory whose users this one takes over, one by one.
    pub replaces_id: Option<DirectoryId>,
    /// The directory that takes over the users of this one; while there is one, nothing is written here.
    pub replaced_by: Option<DirectoryId>,
    /// When it was last heard of.
    pub last_seen_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

macro_rules! columns {
    () => {
        "d.id, d.organization_id, d.name, d.dialect, d.detected_dialect, d.mode, d.accept_password, d.state, d.replaces_id,
         (SELECT MAX(r.id) FROM directories r WHERE r.organization_id = d.organization_id AND r.replaces_id = d.id
          AND r.deleted_at IS NULL) AS replaced_by,
         d.last_seen_at, d.created_at, d.updated_at"
    };
}
pub(crate) use columns;

from_row!(Directory, row => Directory {
    id: row.id("id")?,
    organization_id: row.id("organization_id")?,
    name: row.get("name")?,
    dialect: row.get("dialect")?,
    detected_dialect: row.get("detected_dialect")?,
    mode: row.word("mode")?,
    accept_password: row.get("accept_password")?,
    state: row.word("state")?,
    replaces_id: row.id_or_null("replaces_id")?,
    replaced_by: row.id_or_null("replaced_by")?,
    last_seen_at: row.time_or_null("last_seen_at")?,
    created_at: row.time("created_at")?,
    updated_at: row.time("updated_at")?,
});

impl Directory {
    /// The time of a change that is made now, later than that of the change before even where the clock stood still.
    #[must_use]
    pub fn next_change(&self, now: Timestamp) -> Timestamp {
        now.max(self.updated_at.after(Duration::from_micros(1)))
    }
}

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

    /// What was set for a directory beyond its columns: schemas, attribute mapping, indexed attributes.
    pub async fn find_directory_settings(&mut self, id: DirectoryId) -> Result<Value> {
        let found: Option<(Json<Value>,)> =
            query("SELECT d.settings FROM directories d WHERE d.id = $1 AND d.deleted_at IS NULL")
                .bind(id.to_string())
                .fetch_optional(self)
                .await?;
        Ok(found.map_or_else(|| Value::Object(Map::new()), |(settings,)| settings.0))
    }

    /// Whether a user or group of a directory holds values of an extension.
    pub async fn has_extension_values(&mut self, id: DirectoryId, urn: &str) -> Result<bool> {
        let found: Vec<i64> = query(
            "SELECT CAST(1 AS BIGINT) FROM users WHERE directory_id = $1 AND deleted_at IS NULL AND json_type(attributes, $3) IS NOT NULL
             UNION SELECT CAST(1 AS BIGINT) FROM groups WHERE directory_id = $1 AND deleted_at IS NULL AND json_type(attributes, $3) IS NOT NULL
             AND $2 <> ''",
        )
        .on_postgres(
            "SELECT CAST(1 AS BIGINT) FROM users WHERE directory_id = $1 AND deleted_at IS NULL AND attributes ? $2
             UNION SELECT CAST(1 AS BIGINT) FROM groups WHERE directory_id = $1 AND deleted_at IS NULL AND attributes ? $2
             AND CAST($3 AS TEXT) <> ''",
        )
        .bind(id.to_string())
        .bind(urn)
        .bind(json_path(urn))
        .long()
        .fetch_all(self)
        .await?;
        Ok(!found.is_empty())
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
                 WHERE organization_id = $1 AND directory_id IS NULL AND protocol NOT IN ('password', 'break_glass') AND deleted_at IS NULL
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
                "INSERT INTO directories (id, organization_id, name, dialect, mode, accept_password, state, replaces_id, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)")
                .bind(&id)
                .bind(&organization_id)
                .bind(&directory.name)
                .bind(&directory.dialect)
                .bind(directory.mode.as_str())
                .bind(directory.accept_password)
                .bind(directory.state.as_str())
                .bind(text(directory.replaces_id))
                .bind(now)
                .execute(self)
                .await?;
        };
        Ok(())
    }

    /// Changes a directory that was read while its organization was locked.
    ///
    /// `updated_at` is written as given: what is kept of a directory elsewhere is kept under that time, so each change
    /// needs its own (see [`Directory::next_change`]).
    pub async fn set_directory(&mut self, directory: &Directory) -> Result<()> {
        query(
            // The time always moves: who keeps what a directory speaks keeps it under that time.
            "UPDATE directories SET name = $2, dialect = $3, mode = $4, accept_password = $5, state = $6,
             updated_at = CASE WHEN updated_at < $7 THEN $7 ELSE updated_at + 1 END WHERE id = $1")
            .bind(directory.id.to_string())
            .bind(&directory.name)
            .bind(&directory.dialect)
            .bind(directory.mode.as_str())
            .bind(directory.accept_password)
            .bind(directory.state.as_str())
            .bind(directory.updated_at.micros())
            .execute(self)
            .await?;
        Ok(())
    }

    /// Changes the settings of a directory; the directory itself is changed with it, so that its time of change moves.
    pub async fn set_directory_settings(
        &mut self,
        id: DirectoryId,
        settings: &Value,
    ) -> Result<()> {
        query("UPDATE directories SET settings = $2, updated_at = updated_at + 1 WHERE id = $1")
            .bind(id.to_string())
            .bind(Json(settings))
            .execute(self)
            .await?;
        Ok(())
    }

    /// Removes the values of an extension from all users and groups of a directory.
    pub async fn remove_extension_values(&mut self, id: DirectoryId, urn: &str) -> Result<()> {
        let now = self.now().micros();
        for (sqlite, postgres) in [
            (
                "UPDATE users SET attributes = json_remove(attributes, $3), version = version + 1, updated_at = $4
                 WHERE directory_id = $1 AND deleted_at IS NULL AND json_type(attributes, $3) IS NOT NULL AND $2 <> ''",
                "UPDATE users SET attributes = attributes - $2, version = version + 1, updated_at = $4
                 WHERE directory_id = $1 AND deleted_at IS NULL AND attributes ? $2 AND CAST($3 AS TEXT) <> ''",
            ),
            (
                "UPDATE groups SET attributes = json_remove(attributes, $3), version = version + 1, updated_at = $4
                 WHERE directory_id = $1 AND deleted_at IS NULL AND json_type(attributes, $3) IS NOT NULL AND $2 <> ''",
                "UPDATE groups SET attributes = attributes - $2, version = version + 1, updated_at = $4
                 WHERE directory_id = $1 AND deleted_at IS NULL AND attributes ? $2 AND CAST($3 AS TEXT) <> ''",
            ),
        ] {
            query(sqlite)
                .on_postgres(postgres)
                .bind(id.to_string())
                .bind(urn)
                .bind(json_path(urn))
                .bind(now)
                .long()
                .execute(self)
                .await?;
        }
        Ok(())
    }

    /// Leaves a tombstone of a directory: its tokens and groups go, and no directory owns its users any more. The end of
    /// each group is told.
    ///
    /// An error that [`is_taken`](crate::Error::is_taken) means that a user whom no directory owns has the name of one of its users.
    pub async fn delete_directory(&mut self, id: DirectoryId, actor: &str) -> Result<()> {
        self.tell_groups_deleted(id, actor).await?;
        let (now, id) = (self.now().micros(), id.to_string());
        {
            for sql in [
                "UPDATE directories SET deleted_at = $2, updated_at = $2 WHERE id = $1",
                "UPDATE directory_tokens SET revoked_at = $2 WHERE directory_id = $1 AND revoked_at IS NULL",
                "UPDATE directory_clients SET revoked_at = $2 WHERE directory_id = $1 AND revoked_at IS NULL",
                "UPDATE groups SET deleted_at = $2, updated_at = $2 WHERE directory_id = $1 AND deleted_at IS NULL",
                "UPDATE users SET directory_id = NULL, updated_at = $2 WHERE directory_id = $1 AND deleted_at IS NULL",
                "UPDATE connections SET directory_id = NULL, updated_at = $2 WHERE directory_id = $1",
            ] {
                query(sql).bind(&id).bind(now).execute(self).await?;
            }
            for sql in [
                "DELETE FROM group_members WHERE directory_id = $1",
                "DELETE FROM role_mappings WHERE directory_id = $1",
                "DELETE FROM directory_lookups WHERE directory_id = $1",
                "DELETE FROM user_index WHERE directory_id = $1",
                "DELETE FROM directory_totals WHERE directory_id = $1",
                "DELETE FROM directory_guards WHERE directory_id = $1",
                "DELETE FROM directory_activity WHERE directory_id = $1",
                "DELETE FROM directory_silences WHERE directory_id = $1",
                "DELETE FROM directory_departures WHERE directory_id = $1",
            ] {
                query(sql).bind(&id).long().execute(self).await?;
            }
            query("UPDATE user_emails SET directory_id = NULL WHERE directory_id = $1")
                .bind(&id)
                .execute(self)
                .await?;
        };
        Ok(())
    }
}

/// Where SQLite finds a member of an object. A URN that is a schema's has no quotation mark.
fn json_path(urn: &str) -> String {
    format!("$.\"{urn}\"")
}
