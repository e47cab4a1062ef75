//! What an admin sees before an adoption is ended: who was claimed, who was not, and who never will be.

use vestibule_core::{DirectoryId, Resource, Timestamp, UserId};
use vestibule_store::{
    AdoptionConflict, AdoptionCounts, AdoptionSide, ConflictPlace, Directory, ReadTx, User,
};

use crate::{
    Engine,
    admin::{Actor, AdminError, Result, visible},
};

impl Engine {
    /// How far an adoption is.
    pub async fn preview_adoption(
        &self,
        actor: &Actor,
        id: DirectoryId,
        now: Timestamp,
    ) -> Result<AdoptionCounts> {
        actor.may_read(Resource::Directories)?;
        let mut tx = self.store().read(now).await?;
        let directory = seen(&mut tx, actor, id).await?;
        Ok(tx.count_adoption(&directory).await?)
    }

    /// The users on one side of an adoption.
    pub async fn list_adoption_users(
        &self,
        actor: &Actor,
        id: DirectoryId,
        side: AdoptionSide,
        (after, limit): (Option<UserId>, i64),
        now: Timestamp,
    ) -> Result<Vec<User>> {
        actor.may_read(Resource::Directories)?;
        actor.may_read(Resource::Users)?;
        let mut tx = self.store().read(now).await?;
        let directory = seen(&mut tx, actor, id).await?;
        Ok(tx
            .list_adoption_users(&directory, side, after, limit)
            .await?)
    }

    /// The users that stand in each other's way: they exist twice, or will never be claimed.
    pub async fn list_adoption_conflicts(
        &self,
        actor: &Actor,
        id: DirectoryId,
        (after, limit): (Option<ConflictPlace>, i64),
        now: Timestamp,
    ) -> Result<Vec<AdoptionConflict>> {
        actor.may_read(Resource::Directories)?;
        actor.may_read(Resource::Users)?;
        let mut tx = self.store().read(now).await?;
        let directory = seen(&mut tx, actor, id).await?;
        Ok(tx.list_adoption_conflicts(&directory, after, limit).await?)
    }
}

/// A directory that the actor may see.
pub(super) async fn seen(tx: &mut ReadTx, actor: &Actor, id: DirectoryId) -> Result<Directory> {
    let directory = tx.find_directory(id).await?.ok_or(AdminError::NotFound)?;
    visible(tx, actor, directory.organization_id).await?;
    Ok(directory)
}
