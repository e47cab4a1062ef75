//! Who may push to a directory: from a bearer token to a grant.

use std::{sync::Arc, time::Duration};

use vestibule_core::{DirectoryId, DirectoryScope, DirectoryState, Secret, Timestamp};
use vestibule_scim::{Error, Profile};
use vestibule_store::{DirectoryCredential, Reach};

use super::{
    ACCESS_TOKEN_PREFIX, Provisioning, TOKEN_PREFIX, settings::DirectorySettings, trouble::Trouble,
};

/// How soon a client may come back to a paused directory.
const PAUSE: Duration = Duration::from_mins(1);
/// How often the use of a token is noted.
const TOUCH_INTERVAL: Duration = Duration::from_mins(1);

/// What an accepted bearer token opens.
#[derive(Debug, Clone)]
pub struct Grant {
    pub(super) credential: DirectoryCredential,
    pub(super) scope: DirectoryScope,
    pub(super) directory: Arc<vestibule_store::Directory>,
    pub(super) profile: Arc<Profile>,
    /// What was set for the directory: its attribute mapping, its indexed attributes.
    pub(super) settings: Arc<DirectorySettings>,
    /// The URL under which clients reach the directory.
    pub(super) base: Arc<str>,
    /// The request that the credential came with.
    pub(super) request_id: Arc<str>,
}

impl Grant {
    /// Whom receipts and events name.
    pub(super) fn actor(&self) -> String {
        format!("directory:{}", self.directory.id)
    }

    /// Refuses a change in a directory whose users another one takes over: two masters of one person would undo each
    /// other's work. It can still be read.
    pub(super) fn check_replaced(&self) -> Result<(), Error> {
        match self.directory.replaced_by {
            None => Ok(()),
            Some(_) => Err(Error::forbidden(
                "another directory is taking over the users of this one, which takes no more changes; stop provisioning to it",
            )),
        }
    }

    /// How far a look-up by name or id reaches.
    pub(super) fn reach(&self) -> Reach {
        match self.directory.state {
            DirectoryState::Adopting => Reach::Adopting,
            DirectoryState::Active | DirectoryState::Paused => Reach::Owned,
        }
    }
}

impl Provisioning {
    pub(super) async fn accept(
        &self,
        directory: &str,
        bearer: Option<&str>,
    ) -> Result<Grant, Trouble> {
        let refused = || {
            Error::unauthorized(
                "the bearer token is missing, expired, or not one of this directory",
            )
        };
        let bearer = bearer.ok_or_else(refused)?;
        let directory_id = DirectoryId::from_suffix(directory).map_err(|_| refused())?;
        let now = self.now();
        let mut tx = self.store().read(now).await?;
        let hash = Secret::new(bearer).hash();
        let live = if bearer.starts_with(TOKEN_PREFIX) {
            tx.live_directory_token(directory_id, hash).await?
        } else if bearer.starts_with(ACCESS_TOKEN_PREFIX) {
            tx.live_directory_access_token(directory_id, hash).await?
        } else {
            None
        };
        let access = live.ok_or_else(refused)?.into_inner();
        // Only what a directory's own credentials open counts against it: strangers cannot use up its share.
        if let Err(wait) = self.engine.limits().admit_directory(directory_id) {
            let detail = "the directory sends more requests than its limit; slow down";
            return Err(Error::too_many_requests(detail).retry_after(wait).into());
        }
        let known = self.profiles.of(&mut tx, &access.directory).await?;
        drop(tx);
        let fresh =
            |noted: Option<Timestamp>| noted.is_some_and(|at| now.since(at) < TOUCH_INTERVAL);
        if !fresh(access.last_used_at) || !fresh(access.directory.last_seen_at) {
            let mut tx = self.store().write(now).await?;
            tx.touch_directory(directory_id, access.credential).await?;
            tx.commit().await?;
        }
        if access.directory.state == DirectoryState::Paused {
            let paused =
                Error::unavailable("the directory is paused; its administrator can resume it");
            return Err(paused.retry_after(PAUSE).into());
        }
        Ok(Grant {
            credential: access.credential,
            scope: access.scope,
            profile: known.profile,
            settings: known.settings,
            base: self.engine.url(&format!("/scim/v2/{directory}")).into(),
            directory: Arc::new(access.directory),
            request_id: Arc::default(),
        })
    }
}
