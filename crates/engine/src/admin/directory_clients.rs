//! Clients that open a directory with signed assertions.

use serde_json::{Value, json};
use vestibule_core::{DirectoryClientId, DirectoryId, DirectoryScope, Resource, Timestamp};
use vestibule_issuer::client_assertion::ClientKeys;
use vestibule_store::{DirectoryClient, WriteTx};

use super::{
    Actor, AdminError, Done, Result, check, directories::lock_directory,
    directory_tokens::checked_expiry, locked, visible,
};
use crate::Engine;

/// What a client is made of or changed to; what is absent stays, or takes its default.
#[derive(Debug, Default)]
pub struct DirectoryClientChange {
    /// What it is for.
    pub name: Option<String>,
    /// What its access tokens allow at most: everything unless said otherwise. It never changes.
    pub scope: Option<DirectoryScope>,
    /// Its public keys, a JWK Set.
    pub jwks: Option<Value>,
    /// When it ends; never unless said. It never changes.
    pub expires_at: Option<Timestamp>,
}

impl Engine {
    /// Registers a client of a directory.
    pub async fn add_directory_client(
        &self,
        actor: &Actor,
        id: DirectoryId,
        new: DirectoryClientChange,
        now: Timestamp,
    ) -> Result<DirectoryClient> {
        actor.may_write(Resource::Directories)?;
        let name = check::name("name", new.name.as_deref().unwrap_or("SCIM client"))?;
        let jwks = new
            .jwks
            .ok_or_else(|| AdminError::invalid("jwks", "is missing"))?;
        let jwks = checked_keys(jwks)?;
        let expires_at = new
            .expires_at
            .map(|at| checked_expiry(at, now))
            .transpose()?;
        let scope = new.scope.unwrap_or(DirectoryScope::Write);
        let mut tx = self.store().write(now).await?;
        let directory = lock_directory(&mut tx, actor, id).await?;
        let client = tx
            .add_directory_client(&directory, &name, scope, &jwks, expires_at)
            .await?;
        audit(&mut tx, actor, "directory_client.create", &client).await?;
        tx.commit().await?;
        Ok(client)
    }

    /// The clients of a directory that are not revoked.
    pub async fn list_directory_clients(
        &self,
        actor: &Actor,
        id: DirectoryId,
        now: Timestamp,
    ) -> Result<Vec<DirectoryClient>> {
        actor.may_read(Resource::Directories)?;
        let mut tx = self.store().read(now).await?;
        let directory = tx.find_directory(id).await?.ok_or(AdminError::NotFound)?;
        visible(&mut tx, actor, directory.organization_id).await?;
        Ok(tx.list_directory_clients(id).await?)
    }

    /// One client of a directory.
    pub async fn read_directory_client(
        &self,
        actor: &Actor,
        directory_id: DirectoryId,
        id: DirectoryClientId,
        now: Timestamp,
    ) -> Result<DirectoryClient> {
        actor.may_read(Resource::Directories)?;
        let mut tx = self.store().read(now).await?;
        let found = tx.find_directory_client(id).await?;
        let client = found.ok_or(AdminError::NotFound)?;
        visible(&mut tx, actor, client.organization_id).await?;
        if client.directory_id == directory_id {
            Ok(client)
        } else {
            Err(AdminError::NotFound)
        }
    }

    /// Gives a client another name or other keys. Access tokens that it has got stay good; revoking ends them.
    pub async fn set_directory_client(
        &self,
        actor: &Actor,
        directory_id: DirectoryId,
        id: DirectoryClientId,
        change: DirectoryClientChange,
        now: Timestamp,
    ) -> Result<DirectoryClient> {
        actor.may_write(Resource::Directories)?;
        let mut tx = self.store().write(now).await?;
        let mut client = lock_client(&mut tx, actor, directory_id, id).await?;
        if let Some(name) = &change.name {
            client.name = check::name("name", name)?;
        }
        if let Some(jwks) = change.jwks {
            client.jwks = checked_keys(jwks)?;
        }
        if change.scope.is_some() || change.expires_at.is_some() {
            let field = if change.scope.is_some() {
                "scope"
            } else {
                "expires_at"
            };
            return Err(AdminError::invalid(
                field,
                "never changes; register another client and revoke this one",
            ));
        }
        tx.set_directory_client(&client).await?;
        audit(&mut tx, actor, "directory_client.update", &client).await?;
        tx.commit().await?;
        Ok(client)
    }

    /// Revokes a client; its access tokens end at once.
    pub async fn revoke_directory_client(
        &self,
        actor: &Actor,
        directory_id: DirectoryId,
        id: DirectoryClientId,
        now: Timestamp,
    ) -> Result<()> {
        actor.may_write(Resource::Directories)?;
        let mut tx = self.store().write(now).await?;
        let client = lock_client(&mut tx, actor, directory_id, id).await?;
        if !tx.revoke_directory_client(id).await? {
            return Err(AdminError::NotFound);
        }
        audit(&mut tx, actor, "directory_client.revoke", &client).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// A client, its organization locked.
async fn lock_client(
    tx: &mut WriteTx,
    actor: &Actor,
    directory_id: DirectoryId,
    id: DirectoryClientId,
) -> Result<DirectoryClient> {
    let found = tx.find_directory_client(id).await?;
    let client = found.ok_or(AdminError::NotFound)?;
    locked(tx, actor, client.organization_id).await?;
    if client.directory_id != directory_id {
        return Err(AdminError::NotFound);
    }
    // Read again: whoever held the organization before may have changed or revoked it.
    let again = tx.find_directory_client(id).await?;
    again.ok_or(AdminError::NotFound)
}

fn checked_keys(jwks: Value) -> Result<Value> {
    match ClientKeys::parse(&jwks) {
        Ok(_) => Ok(jwks),
        Err(error) => Err(AdminError::invalid("jwks", error.to_string())),
    }
}

async fn audit(
    tx: &mut WriteTx,
    actor: &Actor,
    action: &str,
    client: &DirectoryClient,
) -> Result<()> {
    let kids = client.jwks.get("keys").and_then(Value::as_array);
    let kids: Vec<_> = kids
        .into_iter()
        .flatten()
        .map(|key| key.get("kid"))
        .collect();
    let done = Done {
        organization_id: Some(client.organization_id),
        action,
        subject: client.id.to_string(),
        data: json!({
            "name": client.name, "scope": client.scope, "directory_id": client.directory_id,
            "expires_at": client.expires_at, "kids": kids,
        }),
    };
    actor.audit(tx, done).await
}
