//! Clients that open a directory with signed assertions (RFC 7523), and the access tokens that they get for them.

use serde_json::Value;
use vestibule_core::{
    DirectoryClientId, DirectoryId, DirectoryScope, OrganizationId, SecretHash, Timestamp,
};

use crate::{
    Directory, DirectoryAccess, Live, ReadTx, Result, WriteTx,
    directories::columns,
    query::query,
    row::{Json, micros},
};

/// A client that signs assertions in the place of a bearer token.
#[derive(Debug, Clone)]
pub struct DirectoryClient {
    /// Its id, and its `client_id`.
    pub id: DirectoryClientId,
    /// What it opens.
    pub directory_id: DirectoryId,
    /// Where that belongs.
    pub organization_id: OrganizationId,
    /// What it is for.
    pub name: String,
    /// What its access tokens allow at most.
    pub scope: DirectoryScope,
    /// Its public keys, a JWK Set (RFC 7517).
    pub jwks: Value,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; never unless said.
    pub expires_at: Option<Timestamp>,
    /// When one of its access tokens was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

macro_rules! client_columns {
    () => {
        "c.id, c.directory_id, c.organization_id, c.name, c.scope, c.jwks, c.created_at, c.expires_at, c.last_used_at"
    };
}

from_row!(DirectoryClient, row => DirectoryClient {
    id: row.id("id")?,
    directory_id: row.id("directory_id")?,
    organization_id: row.id("organization_id")?,
    name: row.get("name")?,
    scope: row.word("scope")?,
    jwks: row.get::<Json<Value>>("jwks")?.0,
    created_at: row.time("created_at")?,
    expires_at: row.time_or_null("expires_at")?,
    last_used_at: row.time_or_null("last_used_at")?,
});

impl ReadTx {
    /// The clients of a directory that are not revoked.
    pub async fn list_directory_clients(
        &mut self,
        id: DirectoryId,
    ) -> Result<Vec<DirectoryClient>> {
        query(concat!(
            "SELECT ", client_columns!(), " FROM directory_clients c WHERE c.directory_id = $1 AND c.revoked_at IS NULL ORDER BY c.id LIMIT 1000"))
            .bind(id.to_string())
            .fetch_all(self)
            .await
    }

    /// A client that is not revoked.
    pub async fn find_directory_client(
        &mut self,
        id: DirectoryClientId,
    ) -> Result<Option<DirectoryClient>> {
        query(concat!(
            "SELECT ",
            client_columns!(),
            " FROM directory_clients c WHERE c.id = $1 AND c.revoked_at IS NULL"
        ))
        .bind(id.to_string())
        .fetch_optional(self)
        .await
    }

    /// A client while it, its directory and its organization are live; its assertion is still to be verified.
    pub async fn live_directory_client(
        &mut self,
        id: DirectoryClientId,
    ) -> Result<Option<Live<DirectoryClient>>> {
        let now = self.now().micros();
        let found: Option<DirectoryClient> = query(concat!(
            "SELECT ", client_columns!(), " FROM directory_clients c
             JOIN directories d ON d.id = c.directory_id AND d.deleted_at IS NULL
             JOIN organizations o ON o.id = d.organization_id AND o.active AND o.deleted_at IS NULL
             WHERE c.id = $1 AND c.revoked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > $2)"))
            .bind(id.to_string())
            .bind(now)
            .fetch_optional(self)
            .await?;
        Ok(found.map(Live::proven))
    }

    /// What a client's access token opens, while the token, its client, the directory and the organization are live.
    pub async fn live_directory_access_token(
        &mut self,
        directory_id: DirectoryId,
        token: SecretHash,
    ) -> Result<Option<Live<DirectoryAccess>>> {
        let now = self.now().micros();
        let found: Option<DirectoryAccess> = query(concat!(
            "SELECT CAST(NULL AS TEXT) AS token_id, c.id AS client_id, t.scope, c.last_used_at, ", columns!(), " FROM directory_access_tokens t
             JOIN directory_clients c ON c.id = t.client_id AND c.directory_id = t.directory_id AND c.revoked_at IS NULL
               AND (c.expires_at IS NULL OR c.expires_at > $3)
             JOIN directories d ON d.id = t.directory_id AND d.deleted_at IS NULL
             JOIN organizations o ON o.id = d.organization_id AND o.active AND o.deleted_at IS NULL
             WHERE t.hash = $1 AND t.directory_id = $2 AND t.expires_at > $3"))
            .bind(token.as_bytes())
            .bind(directory_id.to_string())
            .bind(now)
            .fetch_optional(self)
            .await?;
        Ok(found.map(Live::proven))
    }
}

impl WriteTx {
    /// Registers a client of a directory.
    pub async fn add_directory_client(
        &mut self,
        directory: &Directory,
        name: &str,
        scope: DirectoryScope,
        jwks: &Value,
        expires_at: Option<Timestamp>,
    ) -> Result<DirectoryClient> {
        let now = self.now();
        let id: DirectoryClientId = self.generator().id(now);
        query(
            "INSERT INTO directory_clients (id, directory_id, organization_id, name, scope, jwks, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
            .bind(id.to_string())
            .bind(directory.id.to_string())
            .bind(directory.organization_id.to_string())
            .bind(name)
            .bind(scope.as_str())
            .bind(Json(jwks))
            .bind(now.micros())
            .bind(micros(expires_at))
            .execute(self)
            .await?;
        Ok(DirectoryClient {
            id,
            directory_id: directory.id,
            organization_id: directory.organization_id,
            name: name.to_owned(),
            scope,
            jwks: jwks.clone(),
            created_at: now,
            expires_at,
            last_used_at: None,
        })
    }

    /// Changes a client's name and keys; assertions by keys that are gone are refused from now on.
    pub async fn set_directory_client(&mut self, client: &DirectoryClient) -> Result<()> {
        query("UPDATE directory_clients SET name = $2, jwks = $3 WHERE id = $1 AND revoked_at IS NULL")
            .bind(client.id.to_string())
            .bind(&client.name)
            .bind(Json(&client.jwks))
            .execute(self)
            .await?;
        Ok(())
    }

    /// Revokes a client, and with it every access token that it holds; false when it is revoked already or unknown.
    pub async fn revoke_directory_client(&mut self, id: DirectoryClientId) -> Result<bool> {
        let now = self.now().micros();
        let revoked = query(
            "UPDATE directory_clients SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL",
        )
        .bind(id.to_string())
        .bind(now)
        .execute(self)
        .await?;
        Ok(revoked == 1)
    }

    /// Remembers an assertion of a client, a directory's or an application; false when it was there already, which is a replay.
    ///
    /// `until` is when nothing accepts it any more; housekeeping removes the row an hour after that.
    pub async fn remember_client_assertion(
        &mut self,
        id: impl std::fmt::Display + Send,
        jti: &str,
        until: Timestamp,
    ) -> Result<bool> {
        // Whoever comes second waits for the first one's commit, and finds nothing to add after it.
        let added = query(
            "INSERT INTO seen_client_assertions (client_id, jti, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(id.to_string())
            .bind(jti)
            .bind(until.micros())
            .execute(self)
            .await?;
        Ok(added == 1)
    }

    /// Makes an access token of a client that is live.
    pub async fn add_directory_access_token(
        &mut self,
        client: &Live<DirectoryClient>,
        token: SecretHash,
        scope: DirectoryScope,
        expires_at: Timestamp,
    ) -> Result<()> {
        let now = self.now().micros();
        query(
            "INSERT INTO directory_access_tokens (hash, client_id, directory_id, organization_id, scope, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)")
            .bind(token.as_bytes())
            .bind(client.id.to_string())
            .bind(client.directory_id.to_string())
            .bind(client.organization_id.to_string())
            .bind(scope.as_str())
            .bind(now)
            .bind(expires_at.micros())
            .execute(self)
            .await?;
        Ok(())
    }
}
