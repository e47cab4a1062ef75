//! The guard of a directory: its limits, and what becomes of a directory that it holds.

use std::time::Duration;

use serde_json::json;
use vestibule_core::{DirectoryId, EventKind, Resource, Timestamp};
use vestibule_store::{DirectoryGuard, NewEvent};

use super::{adoption::seen, audit, lock_directory};
use crate::{
    Engine,
    admin::{Actor, AdminError, Result},
};

/// Longest time for which everything can be confirmed, in minutes.
const LONGEST_CONFIRMATION: i64 = 24 * 60;

/// The limits of a guard; one of them at least.
#[derive(Debug, Default)]
pub struct GuardChange {
    /// Most people within an hour.
    pub users: Option<i64>,
    /// Most people within an hour, in percent of those whom the directory owns.
    pub percent: Option<i64>,
}

/// What a person says of a held directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// It was looked at; it is counted anew from now.
    Anew,
    /// What it does is meant: no limit for so many minutes.
    Confirmed(i64),
}

impl Engine {
    /// The guard of a directory.
    pub async fn read_guard(
        &self,
        actor: &Actor,
        id: DirectoryId,
        now: Timestamp,
    ) -> Result<DirectoryGuard> {
        actor.may_read(Resource::Directories)?;
        let mut tx = self.store().read(now).await?;
        seen(&mut tx, actor, id).await?;
        tx.find_guard(id).await?.ok_or(AdminError::NotFound)
    }

    /// Gives a directory a guard, or its guard other limits.
    pub async fn set_guard(
        &self,
        actor: &Actor,
        id: DirectoryId,
        change: GuardChange,
        now: Timestamp,
    ) -> Result<DirectoryGuard> {
        actor.may_write(Resource::Directories)?;
        check(&change)?;
        let mut tx = self.store().write(now).await?;
        let directory = lock_directory(&mut tx, actor, id).await?;
        tx.set_guard(id, change.users, change.percent).await?;
        audit(&mut tx, actor, "directory.guard", &directory).await?;
        let guard = tx.find_guard(id).await?.ok_or(AdminError::NotFound)?;
        tx.commit().await?;
        Ok(guard)
    }

    /// Takes a directory's guard away; a directory that it held is free.
    pub async fn remove_guard(&self, actor: &Actor, id: DirectoryId, now: Timestamp) -> Result<()> {
        actor.may_write(Resource::Directories)?;
        let mut tx = self.store().write(now).await?;
        let directory = lock_directory(&mut tx, actor, id).await?;
        tx.remove_guard(id).await?;
        audit(&mut tx, actor, "directory.unguard", &directory).await?;
        Ok(tx.commit().await?)
    }

    /// Lets a held directory take people away again.
    pub async fn release_directory(
        &self,
        actor: &Actor,
        id: DirectoryId,
        release: Release,
        now: Timestamp,
    ) -> Result<DirectoryGuard> {
        actor.may_write(Resource::Directories)?;
        let confirmed_until = match release {
            Release::Anew => None,
            Release::Confirmed(minutes) => Some(confirmed_until(minutes, now)?),
        };
        let mut tx = self.store().write(now).await?;
        let directory = lock_directory(&mut tx, actor, id).await?;
        tx.lock_guard(id).await?.ok_or(AdminError::NotFound)?;
        tx.release_directory(id, confirmed_until).await?;
        audit(&mut tx, actor, "directory.release", &directory).await?;
        tx.push_event(NewEvent {
            kind: EventKind::DirectoryReleased,
            organization_id: Some(directory.organization_id),
            user_id: None,
            data: json!({ "directory_id": id, "actor": actor.name, "confirmed_until": confirmed_until }),
        })
        .await?;
        let guard = tx.find_guard(id).await?.ok_or(AdminError::NotFound)?;
        tx.commit().await?;
        self.wake();
        Ok(guard)
    }
}

fn check(change: &GuardChange) -> Result<()> {
    match (change.users, change.percent) {
        (None, None) => Err(AdminError::invalid(
            "users",
            "or percent has to say how many people are too many; delete the guard to have none",
        )),
        (Some(users), _) if users < 1 => Err(AdminError::invalid("users", "has to be at least 1")),
        (_, Some(percent)) if !(1..=100).contains(&percent) => {
            Err(AdminError::invalid("percent", "has to be from 1 to 100"))
        }
        _ => Ok(()),
    }
}

fn confirmed_until(minutes: i64, now: Timestamp) -> Result<Timestamp> {
    let seconds = u64::try_from(minutes)
        .ok()
        .filter(|_| (1..=LONGEST_CONFIRMATION).contains(&minutes));
    let seconds =
        seconds.ok_or_else(|| AdminError::invalid("minutes", "has to be from 1 to 1440"))?;
    Ok(now.after(Duration::from_secs(seconds * 60)))
}
