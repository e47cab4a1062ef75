//! Roles that groups give, and the values of roles and entitlements that identity providers may assign.

use serde_json::json;
use vestibule_core::{ApplicationId, DirectoryId, GroupId, Resource, RoleMappingId, Timestamp};
use vestibule_store::{Directory, DirectoryLookup, LookupKind, ReadTx, RoleMapping, WriteTx};

use super::{adoption::seen, lock_directory, settings::changed};
use crate::{
    Engine,
    admin::{Actor, AdminError, Done, Result, check, taken},
};

/// Mappings that a directory may have.
const MAPPINGS_AT_MOST: i64 = 10_000;
/// Values of a kind that a directory may have.
const LOOKUPS_AT_MOST: usize = 1_000;
const SAME_MAPPING: &str = "the group gives this role already";
const SAME_VALUE: &str = "the directory has this value already; change it instead";

/// What a mapping is made of.
#[derive(Debug)]
pub struct NewRoleMapping {
    /// The group.
    pub group_id: GroupId,
    /// The role that its members get.
    pub role: String,
    /// The one application whose tokens carry it; without it those of every application.
    pub application_id: Option<ApplicationId>,
}

/// A change of a mapping; what is absent stays.
#[derive(Debug, Default)]
pub struct RoleMappingChange {
    /// The role that its members get.
    pub role: Option<String>,
    /// The one application whose tokens carry it, or every one.
    pub application_id: Option<Option<ApplicationId>>,
}

/// How a value of roles or entitlements is shown; what is absent stays.
#[derive(Debug, Default)]
pub struct LookupChange {
    /// The name for people.
    pub display: Option<Option<String>>,
    /// What goes into `type`.
    pub kind: Option<Option<String>>,
}

impl Engine {
    /// Gives the members of a group a role, those of groups inside it too.
    pub async fn add_role_mapping(
        &self,
        actor: &Actor,
        directory_id: DirectoryId,
        new: NewRoleMapping,
        now: Timestamp,
    ) -> Result<RoleMapping> {
        actor.may_write(Resource::Directories)?;
        let role = check::name("role", &new.role)?;
        let mut tx = self.store().write(now).await?;
        let directory = lock_directory(&mut tx, actor, directory_id).await?;
        let group = tx.find_group(directory_id, new.group_id).await?;
        let group = group
            .ok_or_else(|| AdminError::invalid("group_id", "names no group of this directory"))?;
        check_application(&mut tx, new.application_id).await?;
        let count = tx
            .count_role_mappings(directory.organization_id, directory_id)
            .await?;
        if count >= MAPPINGS_AT_MOST {
            return Err(AdminError::conflict(format!(
                "a directory has at most {MAPPINGS_AT_MOST} role mappings"
            )));
        }
        let mapping = RoleMapping {
            id: tx.generator().id(now),
            organization_id: directory.organization_id,
            directory_id,
            group_id: group.id,
            group_name: group.display_name,
            application_id: new.application_id,
            role,
            created_at: now,
        };
        tx.add_role_mapping(&mapping)
            .await
            .map_err(taken(SAME_MAPPING))?;
        audit_mapping(&mut tx, actor, "role_mapping.create", &mapping).await?;
        tx.commit().await?;
        Ok(mapping)
    }

    /// The mappings of a directory's groups.
    pub async fn list_role_mappings(
        &self,
        actor: &Actor,
        directory_id: DirectoryId,
        (after, limit): (Option<RoleMappingId>, i64),
        now: Timestamp,
    ) -> Result<Vec<RoleMapping>> {
        actor.may_read(Resource::Directories)?;
        let mut tx = self.store().read(now).await?;
        seen(&mut tx, actor, directory_id).await?;
        Ok(tx.list_role_mappings(directory_id, after, limit).await?)
    }

    /// One mapping.
    pub async fn read_role_mapping(
        &self,
        actor: &Actor,
        directory_id: DirectoryId,
        id: RoleMappingId,
        now: Timestamp,
    ) -> Result<RoleMapping> {
        actor.may_read(Resource::Directories)?;
        let mut tx = self.store().read(now).await?;
        seen(&mut tx, actor, directory_id).await?;
        find_mapping(&mut tx, directory_id, id).await
    }

    /// Changes the role or the application of a mapping.
    pub async fn set_role_mapping(
        &self,
        actor: &Actor,
        (directory_id, id): (DirectoryId, RoleMappingId),
        change: RoleMappingChange,
        now: Timestamp,
    ) -> Result<RoleMapping> {
        actor.may_write(Resource::Directories)?;
        let mut tx = self.store().write(now).await?;
        lock_directory(&mut tx, actor, directory_id).await?;
        let mut mapping = find_mapping(&mut tx, directory_id, id).await?;
        if let Some(role) = &change.role {
            mapping.role = check::name("role", role)?;
        }
        if let Some(application_id) = change.application_id {
            check_application(&mut tx, application_id).await?;
            mapping.application_id = application_id;
        }
        tx.set_role_mapping(&mapping)
            .await
            .map_err(taken(SAME_MAPPING))?;
        audit_mapping(&mut tx, actor, "role_mapping.update", &mapping).await?;
        tx.commit().await?;
        Ok(mapping)
    }

    /// Takes a role from the members of a group again; tokens that were issued keep it until they run out.
    pub async fn delete_role_mapping(
        &self,
        actor: &Actor,
        directory_id: DirectoryId,
        id: RoleMappingId,
        now: Timestamp,
    ) -> Result<()> {
        actor.may_write(Resource::Directories)?;
        let mut tx = self.store().write(now).await?;
        lock_directory(&mut tx, actor, directory_id).await?;
        let mapping = find_mapping(&mut tx, directory_id, id).await?;
        tx.delete_role_mapping(id).await?;
        audit_mapping(&mut tx, actor, "role_mapping.delete", &mapping).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The values of roles or entitlements that a directory tells its identity provider.
    pub async fn list_directory_lookups(
        &self,
        actor: &Actor,
        id: DirectoryId,
        kind: LookupKind,
        now: Timestamp,
    ) -> Result<Vec<DirectoryLookup>> {
        actor.may_read(Resource::Directories)?;
        let mut tx = self.store().read(now).await?;
        seen(&mut tx, actor, id).await?;
        Ok(tx.list_directory_lookups(id, kind).await?)
    }

    /// Adds a value that the identity provider may assign.
    pub async fn add_directory_lookup(
        &self,
        actor: &Actor,
        (id, kind): (DirectoryId, LookupKind),
        value: &str,
        change: LookupChange,
        now: Timestamp,
    ) -> Result<DirectoryLookup> {
        actor.may_write(Resource::Directories)?;
        let mut lookup = DirectoryLookup {
            value: check::name("value", value)?,
            display: None,
            kind: None,
            created_at: now,
        };
        change.apply(&mut lookup)?;
        let mut tx = self.store().write(now).await?;
        let directory = lock_directory(&mut tx, actor, id).await?;
        if tx.list_directory_lookups(id, kind).await?.len() >= LOOKUPS_AT_MOST {
            return Err(AdminError::conflict(format!(
                "a directory has at most {LOOKUPS_AT_MOST} values of a kind"
            )));
        }
        tx.add_directory_lookup(id, kind, &lookup)
            .await
            .map_err(taken(SAME_VALUE))?;
        told(
            &mut tx,
            actor,
            "directory_lookup.create",
            (&directory, kind, &lookup),
        )
        .await?;
        tx.commit().await?;
        Ok(lookup)
    }

    /// Changes how a value is shown.
    pub async fn set_directory_lookup(
        &self,
        actor: &Actor,
        (id, kind): (DirectoryId, LookupKind),
        value: &str,
        change: LookupChange,
        now: Timestamp,
    ) -> Result<DirectoryLookup> {
        actor.may_write(Resource::Directories)?;
        let mut tx = self.store().write(now).await?;
        let directory = lock_directory(&mut tx, actor, id).await?;
        let mut lookup = find_lookup(&mut tx, id, kind, value).await?;
        change.apply(&mut lookup)?;
        tx.set_directory_lookup(id, kind, &lookup).await?;
        told(
            &mut tx,
            actor,
            "directory_lookup.update",
            (&directory, kind, &lookup),
        )
        .await?;
        tx.commit().await?;
        Ok(lookup)
    }

    /// Removes a value; users who have it keep it.
    pub async fn delete_directory_lookup(
        &self,
        actor: &Actor,
        (id, kind): (DirectoryId, LookupKind),
        value: &str,
        now: Timestamp,
    ) -> Result<()> {
        actor.may_write(Resource::Directories)?;
        let mut tx = self.store().write(now).await?;
        let directory = lock_directory(&mut tx, actor, id).await?;
        let lookup = find_lookup(&mut tx, id, kind, value).await?;
        tx.delete_directory_lookup(id, kind, value).await?;
        told(
            &mut tx,
            actor,
            "directory_lookup.delete",
            (&directory, kind, &lookup),
        )
        .await?;
        tx.commit().await?;
        Ok(())
    }
}

impl LookupChange {
    fn apply(self, lookup: &mut DirectoryLookup) -> Result<()> {
        let text =
            |field, text: Option<String>| text.map(|text| check::name(field, &text)).transpose();
        if let Some(display) = self.display {
            lookup.display = text("display", display)?;
        }
        if let Some(kind) = self.kind {
            lookup.kind = text("type", kind)?;
        }
        Ok(())
    }
}

async fn check_application(tx: &mut ReadTx, id: Option<ApplicationId>) -> Result<()> {
    if let Some(id) = id
        && tx.find_application(id).await?.is_none()
    {
        return Err(AdminError::invalid(
            "application_id",
            "names no application",
        ));
    }
    Ok(())
}

async fn find_mapping(
    tx: &mut ReadTx,
    directory_id: DirectoryId,
    id: RoleMappingId,
) -> Result<RoleMapping> {
    let found = tx.find_role_mapping(directory_id, id).await?;
    found.ok_or(AdminError::NotFound)
}

async fn find_lookup(
    tx: &mut ReadTx,
    id: DirectoryId,
    kind: LookupKind,
    value: &str,
) -> Result<DirectoryLookup> {
    let found = tx.list_directory_lookups(id, kind).await?;
    let found = found.into_iter().find(|lookup| lookup.value == value);
    found.ok_or(AdminError::NotFound)
}

/// Notes a change of the values. The directory changes with them: its discovery endpoints tell which kinds there are.
async fn told(
    tx: &mut WriteTx,
    actor: &Actor,
    action: &str,
    (directory, kind, lookup): (&Directory, LookupKind, &DirectoryLookup),
) -> Result<()> {
    changed(tx, directory).await?;
    let done = Done {
        organization_id: Some(directory.organization_id),
        action,
        subject: directory.id.to_string(),
        data: json!({
            "kind": kind.as_str(), "value": lookup.value, "display": lookup.display, "type": lookup.kind,
        }),
    };
    actor.audit(tx, done).await
}

async fn audit_mapping(
    tx: &mut WriteTx,
    actor: &Actor,
    action: &str,
    mapping: &RoleMapping,
) -> Result<()> {
    let done = Done {
        organization_id: Some(mapping.organization_id),
        action,
        subject: mapping.id.to_string(),
        data: json!({
            "directory_id": mapping.directory_id, "group_id": mapping.group_id, "role": mapping.role,
            "application_id": mapping.application_id,
        }),
    };
    actor.audit(tx, done).await
}
