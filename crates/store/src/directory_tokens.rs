//! What opens a directory: bearer tokens, and who came with one.

use vestibule_core::{
    DirectoryClientId, DirectoryId, DirectoryScope, DirectoryTokenId, OrganizationId, SecretHash,
    Timestamp,
};

use crate::{Directory, Live, ReadTx, Result, WriteTx, directories::columns, query::query};

/// Which of a directory's credentials a request came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DirectoryCredential {
    /// A bearer token that an admin made.
    Token(DirectoryTokenId),
    /// An access token that a client got for a signed assertion.
    Client(DirectoryClientId),
}

/// A credential that opened its directory.
#[derive(Debug, Clone)]
pub struct DirectoryAccess {
    /// The credential.
    pub credential: DirectoryCredential,
    /// What it allows.
    pub scope: DirectoryScope,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// The directory.
    pub directory: Directory,
}

from_row!(DirectoryAccess, row => DirectoryAccess {
    credential: match row.id_or_null("client_id")? {
        Some(client_id) => DirectoryCredential::Client(client_id),
        None => DirectoryCredential::Token(row.id("token_id")?),
    },
    scope: row.word("scope")?,
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
            "SELECT t.id AS token_id, CAST(NULL AS TEXT) AS client_id, t.scope, t.last_used_at, ", columns!(), " FROM directory_tokens t
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
    /// What it allows.
    pub scope: DirectoryScope,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// What a bearer token is made of.
#[derive(Debug, Clone, Copy)]
pub struct NewDirectoryToken<'a> {
    /// What it is for.
    pub name: &'a str,
    /// The hash of the token.
    pub hash: SecretHash,
    /// What it allows.
    pub scope: DirectoryScope,
    /// When it ends.
    pub expires_at: Timestamp,
}

macro_rules! token_columns {
    () => {
        "t.id, t.directory_id, t.organization_id, t.name, t.scope, t.created_at, t.expires_at, t.last_used_at"
    };
}

from_row!(DirectoryToken, row => DirectoryToken {
    id: row.id("id")?,
    directory_id: row.id("directory_id")?,
    organization_id: row.id("organization_id")?,
    name: row.get("name")?,
    scope: row.word("scope")?,
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

    /// Tokens of directories in use that end before an instant, the soonest first, and of which nobody was warned at so
    /// few days before; each that is then [marked](WriteTx::set_directory_token_warned) makes room for the next.
    ///
    /// A token that ended more than a month ago is not news.
    pub async fn list_expiring_directory_tokens(
        &mut self,
        before: Timestamp,
        days: i64,
        limit: i64,
    ) -> Result<Vec<DirectoryToken>> {
        let month_ago = self
            .now()
            .before(std::time::Duration::from_hours(30 * 24))
            .micros();
        query(concat!(
            "SELECT ", token_columns!(), " FROM directory_tokens t
             JOIN directories d ON d.id = t.directory_id AND d.deleted_at IS NULL
             JOIN organizations o ON o.id = t.organization_id AND o.active AND o.deleted_at IS NULL
             WHERE t.expires_at < $1 AND t.expires_at > $4 AND t.revoked_at IS NULL AND (t.warned_days IS NULL OR t.warned_days > $2)
             ORDER BY t.expires_at, t.id LIMIT $3"))
            .bind(before.micros())
            .bind(days)
            .bind(limit)
            .bind(month_ago)
            .fetch_all(self)
            .await
    }
}

impl WriteTx {
    /// Makes a bearer token of a directory.
    pub async fn add_directory_token(
        &mut self,
        directory: &Directory,
        new: NewDirectoryToken<'_>,
    ) -> Result<DirectoryToken> {
        let now = self.now();
        let id: DirectoryTokenId = self.generator().id(now);
        query(
            "INSERT INTO directory_tokens (id, hash, directory_id, organization_id, name, scope, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
            .bind(id.to_string())
            .bind(new.hash.as_bytes())
            .bind(directory.id.to_string())
            .bind(directory.organization_id.to_string())
            .bind(new.name)
            .bind(new.scope.as_str())
            .bind(now.micros())
            .bind(new.expires_at.micros())
            .execute(self)
            .await?;
        Ok(DirectoryToken {
            id,
            directory_id: directory.id,
            organization_id: directory.organization_id,
            name: new.name.to_owned(),
            scope: new.scope,
            created_at: now,
            expires_at: new.expires_at,
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

    /// Notes that somebody is warned so many days before a token's end; true for exactly one caller.
    pub async fn set_directory_token_warned(
        &mut self,
        id: DirectoryTokenId,
        days: i64,
    ) -> Result<bool> {
        let warned = query(
            "UPDATE directory_tokens SET warned_days = $2
             WHERE id = $1 AND revoked_at IS NULL AND (warned_days IS NULL OR warned_days > $2)",
        )
        .bind(id.to_string())
        .bind(days)
        .execute(self)
        .await?;
        Ok(warned == 1)
    }

    /// Notes that a directory was heard of through a credential; what was noted less than a minute ago stays.
    pub async fn touch_directory(
        &mut self,
        directory_id: DirectoryId,
        credential: DirectoryCredential,
    ) -> Result<()> {
        let now = self.now();
        let minute_ago = now.before(std::time::Duration::from_mins(1)).micros();
        let (sql, id) = match credential {
            DirectoryCredential::Token(id) => (
                "UPDATE directory_tokens SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $3)",
                id.to_string(),
            ),
            DirectoryCredential::Client(id) => (
                "UPDATE directory_clients SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $3)",
                id.to_string(),
            ),
        };
        query(sql)
            .bind(id)
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
        Ok(())
    }

    /// Notes which product a directory's client seems to be.
    pub async fn set_detected_dialect(
        &mut self,
        directory_id: DirectoryId,
        dialect: &str,
    ) -> Result<()> {
        query("UPDATE directories SET detected_dialect = $2 WHERE id = $1 AND deleted_at IS NULL")
            .bind(directory_id.to_string())
            .bind(dialect)
            .execute(self)
            .await?;
        Ok(())
    }
}
