//! Directories: attached, changed, detached.

mod adoption;
mod guard;
mod health;
mod linking;
mod roles;
mod settings;

use serde_json::json;
use vestibule_core::{
    DirectoryId, DirectoryMode, DirectoryState, EventKind, OrganizationId, Resource, Timestamp,
};
use vestibule_store::{Directory, NewEvent, WriteTx};

use self::linking::detailed;
use super::{
    Actor, AdminError, Done, Result, check, locked, taken, user_attributes::record_of, visible,
};
use crate::Engine;

pub use guard::{GuardChange, Release};
pub use health::DirectoryHealth;
pub use linking::{DirectoryDetails, ExternalIdFinding};
pub use roles::{LookupChange, NewRoleMapping, RoleMappingChange};
pub use settings::{HeldValues, SettingsChange};

/// Users that one request deactivates; all of them have to fit in one transaction.
const DEACTIVATED_AT_ONCE: i64 = 10_000;
const DIALECTS: &[&str] = &[
    "auto",
    "standard",
    "okta",
    "entra",
    "google",
    "onelogin",
    "jumpcloud",
    "ping",
];
const NAME_TAKEN_IN_OLD: &str = "the directory that gets its users back has another user of the same name; delete or rename one of the two first";
const NAME_TAKEN: &str = "a user that no directory owns has the user name of one of the directory's users; delete or rename that user first";

/// What a directory is made of or changed to; what is absent stays, or takes its default.
#[derive(Debug, Default)]
pub struct DirectoryChange {
    /// Its name, as admins see it.
    pub name: Option<String>,
    /// Which product it is; `auto` until it is known.
    pub dialect: Option<String>,
    /// How it judges what its client sends; lenient unless said otherwise.
    pub mode: Option<DirectoryMode>,
    /// Whether a password in a SCIM body is kept.
    pub accept_password: Option<bool>,
    /// `active` ends an adoption or a pause; `paused` answers 503.
    pub state: Option<DirectoryState>,
    /// The directory whose users a new one takes over; it can be said only when a directory is attached.
    pub replaces: Option<DirectoryId>,
}

/// What happens to the users of a directory that is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormerUsers {
    /// They stay as they are; no directory owns them, so the next one can claim them.
    Release,
    /// They are deactivated, which ends everything of theirs, and then released.
    Deactivate,
}

impl Engine {
    /// The URL that a directory is configured with. Okta refuses an underscore in it, hence the id without its prefix.
    pub fn scim_url(&self, id: DirectoryId) -> String {
        self.url(&format!("/scim/v2/{}", id.suffix()))
    }

    /// Attaches a directory. Where users exist that no directory owns, it begins by adopting them.
    ///
    /// One that replaces another adopts that one's users too, one by one, under the ids that they have. From now on
    /// the old one takes no more changes, and its connections bring the people of both.
    pub async fn add_directory(
        &self,
        actor: &Actor,
        organization_id: OrganizationId,
        new: DirectoryChange,
        now: Timestamp,
    ) -> Result<Directory> {
        actor.may_write(Resource::Directories)?;
        let mut tx = self.store().write(now).await?;
        locked(&mut tx, actor, organization_id).await?;
        if let Some(id) = new.replaces {
            replaceable(&mut tx, organization_id, id).await?;
        }
        let adopts = new.replaces.is_some() || tx.has_unowned_users(organization_id).await?;
        let mut directory = Directory {
            id: tx.generator().id(now),
            organization_id,
            name: "Directory".to_owned(),
            dialect: "auto".to_owned(),
            detected_dialect: None,
            mode: DirectoryMode::Lenient,
            accept_password: false,
            state: if adopts {
                DirectoryState::Adopting
            } else {
                DirectoryState::Active
            },
            replaces_id: new.replaces,
            replaced_by: None,
            last_seen_at: None,
            created_at: now,
            updated_at: now,
        };
        if new.state.is_some() {
            return Err(AdminError::invalid(
                "state",
                "follows from the organization's users; change it later",
            ));
        }
        apply(&mut directory, &new)?;
        tx.add_directory(&directory).await?;
        if let Some(id) = directory.replaces_id {
            tx.move_connections(id, directory.id).await?;
        }
        if directory.state == DirectoryState::Active {
            activated(&mut tx, actor, &directory).await?;
        }
        audit(&mut tx, actor, "directory.create", &directory).await?;
        tx.commit().await?;
        self.wake();
        Ok(directory)
    }

    /// The directories of an organization.
    pub async fn list_directories(
        &self,
        actor: &Actor,
        organization_id: OrganizationId,
        now: Timestamp,
    ) -> Result<Vec<DirectoryDetails>> {
        actor.may_read(Resource::Directories)?;
        let mut tx = self.store().read(now).await?;
        visible(&mut tx, actor, organization_id).await?;
        let found = tx.list_directories(organization_id).await?;
        detailed(&mut tx, organization_id, found).await
    }

    /// One directory.
    pub async fn read_directory(
        &self,
        actor: &Actor,
        id: DirectoryId,
        now: Timestamp,
    ) -> Result<DirectoryDetails> {
        actor.may_read(Resource::Directories)?;
        let mut tx = self.store().read(now).await?;
        let directory = adoption::seen(&mut tx, actor, id).await?;
        // With the others: a connection that names none means the only one.
        let organization_id = directory.organization_id;
        let all = tx.list_directories(organization_id).await?;
        let details = detailed(&mut tx, organization_id, all).await?;
        let own = details.into_iter().find(|own| own.directory.id == id);
        own.ok_or(AdminError::NotFound)
    }

    /// Changes a directory.
    pub async fn set_directory(
        &self,
        actor: &Actor,
        id: DirectoryId,
        change: DirectoryChange,
        now: Timestamp,
    ) -> Result<DirectoryDetails> {
        actor.may_write(Resource::Directories)?;
        let mut tx = self.store().write(now).await?;
        let before = lock_directory(&mut tx, actor, id).await?;
        let mut after = before.clone();
        apply(&mut after, &change)?;
        if change.replaces.is_some() {
            return Err(AdminError::invalid(
                "replaces",
                "can be said only when a directory is attached",
            ));
        }
        if after.state == DirectoryState::Adopting && before.state != DirectoryState::Adopting {
            return Err(AdminError::conflict(
                "an adoption begins only when a directory is attached; state can become active or paused",
            ));
        }
        after.updated_at = before.next_change(now);
        tx.set_directory(&after).await?;
        if before.state != after.state && after.state == DirectoryState::Active {
            activated(&mut tx, actor, &after).await?;
            if let (DirectoryState::Adopting, Some(id)) = (before.state, after.replaces_id) {
                tx.leave_replaced_groups(after.id, id).await?;
            }
        }
        audit(&mut tx, actor, "directory.update", &after).await?;
        let all = tx.list_directories(after.organization_id).await?;
        let details = detailed(&mut tx, after.organization_id, all).await?;
        tx.commit().await?;
        self.wake();
        let own = details.into_iter().find(|own| own.directory.id == id);
        own.ok_or(AdminError::NotFound)
    }

    /// Detaches a directory. While it owns users, the caller has to say what becomes of them.
    pub async fn delete_directory(
        &self,
        actor: &Actor,
        id: DirectoryId,
        users: Option<FormerUsers>,
        now: Timestamp,
    ) -> Result<()> {
        actor.may_write(Resource::Directories)?;
        let mut tx = self.store().write(now).await?;
        let directory = lock_directory(&mut tx, actor, id).await?;
        let owned = tx.count_owned_users(id).await?;
        match users {
            None if owned > 0 => {
                return Err(AdminError::conflict(format!(
                    "the directory owns {owned} users; repeat with ?users=deactivate to end their access, or ?users=release to keep it"
                )));
            }
            Some(FormerUsers::Deactivate) => deactivate_all(&mut tx, actor, &directory).await?,
            Some(FormerUsers::Release) | None => {}
        }
        if let Some(old) = given_up_for(&mut tx, &directory).await? {
            tx.give_back_users(id, old)
                .await
                .map_err(taken(NAME_TAKEN_IN_OLD))?;
            tx.move_connections(id, old).await?;
        }
        tx.delete_directory(id, &actor.name)
            .await
            .map_err(taken(NAME_TAKEN))?;
        audit(&mut tx, actor, "directory.delete", &directory).await?;
        tx.commit().await?;
        self.wake();
        Ok(())
    }
}

/// The directory that another one can replace.
async fn replaceable(
    tx: &mut WriteTx,
    organization_id: OrganizationId,
    id: DirectoryId,
) -> Result<()> {
    let old = tx.find_directory(id).await?;
    let old = old
        .filter(|old| old.organization_id == organization_id)
        .ok_or_else(|| {
            AdminError::invalid("replaces", "names no directory of this organization")
        })?;
    if old.state == DirectoryState::Adopting {
        return Err(AdminError::conflict(
            "the directory to replace is still adopting users; end its adoption or delete it first",
        ));
    }
    if let Some(by) = old.replaced_by {
        return Err(AdminError::conflict(format!(
            "the directory is being replaced by {by} already; delete that one first, or replace that one"
        )));
    }
    Ok(())
}

/// The directory that gets its users back from one that is deleted before it has replaced it.
async fn given_up_for(tx: &mut WriteTx, directory: &Directory) -> Result<Option<DirectoryId>> {
    let (DirectoryState::Adopting, Some(old)) = (directory.state, directory.replaces_id) else {
        return Ok(None);
    };
    Ok(tx.find_directory(old).await?.map(|old| old.id))
}

fn apply(directory: &mut Directory, change: &DirectoryChange) -> Result<()> {
    if let Some(name) = &change.name {
        directory.name = check::name("name", name)?;
    }
    if let Some(dialect) = &change.dialect {
        directory.dialect = check::word("dialect", dialect, DIALECTS)?;
    }
    directory.mode = change.mode.unwrap_or(directory.mode);
    directory.accept_password = change.accept_password.unwrap_or(directory.accept_password);
    directory.state = change.state.unwrap_or(directory.state);
    Ok(())
}

pub(super) async fn lock_directory(
    tx: &mut WriteTx,
    actor: &Actor,
    id: DirectoryId,
) -> Result<Directory> {
    let found = tx.find_directory(id).await?.ok_or(AdminError::NotFound)?;
    locked(tx, actor, found.organization_id).await?;
    // Read again: whoever held the organization before may have changed or deleted it.
    tx.find_directory(id).await?.ok_or(AdminError::NotFound)
}

async fn deactivate_all(tx: &mut WriteTx, actor: &Actor, directory: &Directory) -> Result<()> {
    let ids = tx
        .list_active_users_of(directory.id, None, DEACTIVATED_AT_ONCE + 1)
        .await?;
    if i64::try_from(ids.len()).is_ok_and(|count| count > DEACTIVATED_AT_ONCE) {
        return Err(AdminError::conflict(
            "the directory owns more than 10,000 active users; pause it, deactivate them in parts, and repeat",
        ));
    }
    for id in ids {
        let Some(user) = tx.lock_user(directory.organization_id, id).await? else {
            continue;
        };
        let mut record = record_of(&user);
        record.active = false;
        record.attributes.insert("active".to_owned(), false.into());
        tx.set_user(&user, &record, &["active".to_owned()], &actor.name)
            .await?;
    }
    Ok(())
}

async fn activated(tx: &mut WriteTx, actor: &Actor, directory: &Directory) -> Result<()> {
    tx.push_event(NewEvent {
        kind: EventKind::DirectoryActivated,
        organization_id: Some(directory.organization_id),
        user_id: None,
        data: json!({ "directory_id": directory.id, "actor": actor.name }),
    })
    .await?;
    Ok(())
}

async fn audit(tx: &mut WriteTx, actor: &Actor, action: &str, directory: &Directory) -> Result<()> {
    let done = Done {
        organization_id: Some(directory.organization_id),
        action,
        subject: directory.id.to_string(),
        data: json!({
            "name": directory.name, "dialect": directory.dialect, "mode": directory.mode, "state": directory.state,
            "accept_password": directory.accept_password,
        }),
    };
    actor.audit(tx, done).await
}
