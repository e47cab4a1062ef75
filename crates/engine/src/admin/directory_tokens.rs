//! Bearer tokens of directories.

use std::time::Duration;

use serde_json::{Value, json};
use vestibule_core::{DirectoryId, DirectoryScope, DirectoryTokenId, Resource, Secret, Timestamp};
use vestibule_store::{DirectoryToken, NewDirectoryToken, WriteTx};

use super::{Actor, AdminError, Done, Result, check, directories::lock_directory, locked, visible};
use crate::Engine;

const YEAR: Duration = Duration::from_hours(365 * 24);

/// What a token is made of; what is absent takes its default.
#[derive(Debug, Default)]
pub struct DirectoryTokenChange {
    /// What it is for.
    pub name: Option<String>,
    /// What it allows: everything unless said otherwise.
    pub scope: Option<DirectoryScope>,
    /// When it ends; a year from now unless said otherwise.
    pub expires_at: Option<Timestamp>,
}

/// A token that was made just now.
#[derive(Debug)]
pub struct MadeDirectoryToken {
    /// The token, in clear this once.
    pub token: Secret,
    /// What is kept of it.
    pub stored: DirectoryToken,
}

impl Engine {
    /// Makes a bearer token of a directory, for everything and for a year unless said otherwise.
    pub async fn add_directory_token(
        &self,
        actor: &Actor,
        id: DirectoryId,
        new: DirectoryTokenChange,
        now: Timestamp,
    ) -> Result<MadeDirectoryToken> {
        actor.may_write(Resource::Directories)?;
        let name = check::name("name", new.name.as_deref().unwrap_or("SCIM token"))?;
        let scope = new.scope.unwrap_or(DirectoryScope::Write);
        let expires_at = checked_expiry(new.expires_at.unwrap_or_else(|| now.after(YEAR)), now)?;
        let mut tx = self.store().write(now).await?;
        let directory = lock_directory(&mut tx, actor, id).await?;
        let token = tx.generator().token("vdt_");
        let stored = tx
            .add_directory_token(
                &directory,
                NewDirectoryToken {
                    name: &name,
                    hash: token.hash(),
                    scope,
                    expires_at,
                },
            )
            .await?;
        let data =
            json!({ "name": name, "scope": scope, "expires_at": expires_at, "directory_id": id });
        audit_token(&mut tx, actor, "directory_token.create", &stored, data).await?;
        tx.commit().await?;
        Ok(MadeDirectoryToken { token, stored })
    }

    /// The tokens of a directory that are not revoked.
    pub async fn list_directory_tokens(
        &self,
        actor: &Actor,
        id: DirectoryId,
        now: Timestamp,
    ) -> Result<Vec<DirectoryToken>> {
        actor.may_read(Resource::Directories)?;
        let mut tx = self.store().read(now).await?;
        let directory = tx.find_directory(id).await?.ok_or(AdminError::NotFound)?;
        visible(&mut tx, actor, directory.organization_id).await?;
        Ok(tx.list_directory_tokens(id).await?)
    }

    /// Revokes a token of a directory.
    pub async fn revoke_directory_token(
        &self,
        actor: &Actor,
        directory_id: DirectoryId,
        id: DirectoryTokenId,
        now: Timestamp,
    ) -> Result<()> {
        actor.may_write(Resource::Directories)?;
        let mut tx = self.store().write(now).await?;
        let token = tx
            .find_directory_token(id)
            .await?
            .ok_or(AdminError::NotFound)?;
        locked(&mut tx, actor, token.organization_id).await?;
        if token.directory_id != directory_id || !tx.revoke_directory_token(id).await? {
            return Err(AdminError::NotFound);
        }
        audit_token(
            &mut tx,
            actor,
            "directory_token.revoke",
            &token,
            json!({ "name": token.name }),
        )
        .await?;
        tx.commit().await?;
        Ok(())
    }
}

/// An end that lies ahead and can be planned for.
pub(super) fn checked_expiry(expires_at: Timestamp, now: Timestamp) -> Result<Timestamp> {
    if expires_at <= now || expires_at > now.after(10 * YEAR) {
        return Err(AdminError::invalid(
            "expires_at",
            "must lie ahead, and within ten years",
        ));
    }
    Ok(expires_at)
}

async fn audit_token(
    tx: &mut WriteTx,
    actor: &Actor,
    action: &str,
    token: &DirectoryToken,
    data: Value,
) -> Result<()> {
    let organization_id = Some(token.organization_id);
    let done = Done {
        organization_id,
        action,
        subject: token.id.to_string(),
        data,
    };
    actor.audit(tx, done).await
}
