//! What each directory speaks: its schemas, how much it forgives, whether it takes passwords.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use vestibule_core::{DirectoryId, DirectoryMode, Timestamp};
use vestibule_scim::{Dialect, Profile, Registry};
use vestibule_store::{Directory, LookupKind, ReadTx};

use super::settings::DirectorySettings;
use crate::Fault;

/// Directories whose profiles are kept at most; beyond it all are made anew, one by one.
const KEPT: usize = 10_000;

/// What a directory speaks, and what was set for it.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) profile: Arc<Profile>,
    pub(super) settings: Arc<DirectorySettings>,
}

/// The profiles of the directories that were asked for lately, each under the time of the directory's last change,
/// so that a request reads and parses settings only after they changed.
pub(super) struct Profiles {
    /// Shared by all directories without schemas of their own.
    standard: Registry,
    known: Mutex<HashMap<DirectoryId, (Timestamp, Known)>>,
}

impl Profiles {
    pub(super) fn new() -> Self {
        Self {
            standard: Registry::standard(),
            known: Mutex::default(),
        }
    }

    /// The profile of a directory as it was read just now.
    pub(super) async fn of(&self, tx: &mut ReadTx, directory: &Directory) -> Result<Known, Fault> {
        if let Some(known) = self.kept(directory) {
            return Ok(known);
        }
        let settings = DirectorySettings::find(tx, directory.id).await?;
        let mut profile = self.make(directory, &settings)?;
        for kind in tx.list_lookup_kinds(directory.id).await? {
            match kind {
                LookupKind::Role => profile.roles = true,
                LookupKind::Entitlement => profile.entitlements = true,
            }
        }
        let known = Known {
            profile: Arc::new(profile),
            settings: Arc::new(settings),
        };
        let mut kept = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(directory.id, (directory.updated_at, known.clone()));
        Ok(known)
    }

    fn kept(&self, directory: &Directory) -> Option<Known> {
        let kept = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (changed_at, known) = kept.get(&directory.id)?;
        (*changed_at == directory.updated_at).then(|| known.clone())
    }

    fn make(&self, directory: &Directory, settings: &DirectorySettings) -> Result<Profile, Fault> {
        let mut profile = Profile::new();
        let registry = settings
            .registry(self.standard.clone())
            .map_err(|_| Fault::internal("a schema of a directory cannot be read"))?;
        profile.registry = if directory.accept_password {
            registry
        } else {
            registry.without_password()
        };
        profile.dialect = match directory.mode {
            DirectoryMode::Lenient => Dialect::Lenient,
            DirectoryMode::Strict => Dialect::Strict,
        };
        profile.accept_password = directory.accept_password;
        profile.json_roles = settings.mapping.json_roles;
        // Every directory's clients may prove themselves at the token endpoint (RFC 7643 §5, authenticationSchemes).
        profile.oauth = true;
        Ok(profile)
    }
}
