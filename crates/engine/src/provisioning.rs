//! What directories push: our side of [`vestibule_scim::Directory`].
//!
//! Each request is one transaction in a task of its own, so a client that closes its socket cancels nothing half-way.
//! A deactivation, whatever its form (PATCH, PUT, DELETE), ends everything of the user in that same transaction.

mod access;
mod detect;
mod expiry;
mod groups;
mod guard;
mod list;
mod lists;
pub(crate) mod log;
pub(crate) mod mapping;
mod plan;
mod profile;
mod record;
mod settings;
mod trouble;
mod users;
mod walks;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use async_trait::async_trait;
use vestibule_core::{DirectoryId, DirectoryScope, GroupId, Timestamp, UserId};
use vestibule_scim::{
    Created, DateTime, Directory, Draft, Error, Exchange, Lookup, LookupKind, Page, Precondition,
    Profile, Query, ResourceType, Stored, Update, Updated, Wanted,
};
use vestibule_store::{Store, WriteTx};

pub use self::{
    access::Grant,
    settings::{AttributeMapping, DirectorySchema, DirectorySettings, SchemaOf},
};
use self::{log::Log, profile::Profiles, trouble::Trouble, walks::Walks};
use crate::{Clock, Engine};

/// How often a transaction is tried that another one got in the way of.
const ATTEMPTS: usize = 3;
/// What a directory's bearer tokens begin with.
pub(crate) const TOKEN_PREFIX: &str = "vdt_";
/// What the access tokens of a directory's clients begin with.
pub(crate) const ACCESS_TOKEN_PREFIX: &str = "vda_";

/// The directories of all organizations, as the SCIM router sees them. Clones share everything.
#[derive(Clone)]
pub struct Provisioning {
    engine: Engine,
    clock: Clock,
    profiles: Arc<Profiles>,
    log: Log,
    walks: Arc<Walks>,
}

impl fmt::Debug for Provisioning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provisioning").finish_non_exhaustive()
    }
}

impl Provisioning {
    /// The directories of an engine; `clock` says what time it is.
    pub fn new(engine: Engine, clock: Clock) -> Self {
        Self {
            log: engine.provisioning_log().clone(),
            walks: Arc::default(),
            engine,
            clock,
            profiles: Arc::new(Profiles::new()),
        }
    }

    /// Waits until the records of all requests observed so far are stored.
    pub async fn flush(&self) {
        self.log.flush().await;
    }

    fn store(&self) -> &Store {
        self.engine.store()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A transaction whose receipts name the request.
    async fn write_for(&self, grant: &Grant) -> Result<WriteTx, Trouble> {
        let mut tx = self.store().write(self.now()).await?;
        tx.set_request(&grant.request_id);
        Ok(tx)
    }

    /// Runs a use case in its own task, and again where another transaction got in its way; what the directory's guard
    /// does not admit holds the directory.
    async fn run<T, F>(
        &self,
        access: &Grant,
        use_case: impl Fn(Self, Grant) -> F + Send + Sync + 'static,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Trouble>> + Send + 'static,
    {
        let (provisioning, grant) = (self.clone(), access.clone());
        let task = tokio::spawn(async move {
            let mut outcome = use_case(provisioning.clone(), grant.clone()).await;
            for _ in 1..ATTEMPTS {
                match &outcome {
                    Err(trouble) if trouble.is_busy() => {
                        outcome = use_case(provisioning.clone(), grant.clone()).await;
                    }
                    _ => break,
                }
            }
            match &outcome {
                Ok(_) => provisioning.engine.wake(),
                Err(Trouble::Held) => provisioning.hold(&grant).await?,
                Err(_) => {}
            }
            outcome
        });
        Ok(task.await.map_err(Error::internal)??)
    }
}

#[async_trait]
impl Directory for Provisioning {
    type Access = Grant;

    async fn authorize(&self, directory: &str, bearer: Option<&str>) -> Result<Grant, Error> {
        Ok(self.accept(directory, bearer).await?)
    }

    fn for_request(&self, access: Grant, request_id: &Arc<str>) -> Grant {
        tracing::Span::current().record("request.id", &**request_id);
        Grant {
            request_id: Arc::clone(request_id),
            ..access
        }
    }

    fn profile(&self, access: &Grant) -> Arc<Profile> {
        Arc::clone(&access.profile)
    }

    fn may_write(&self, access: &Grant) -> bool {
        access.scope == DirectoryScope::Write
    }

    async fn public_profile(
        &self,
        directory: &str,
        address: Option<IpAddr>,
    ) -> Result<Arc<Profile>, Error> {
        // A host that does not say where requests come from has all strangers share one limit.
        let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        if let Err(wait) = self.engine.limits().admit_discovery(address) {
            let detail = "too many requests without a token from this address; wait a moment";
            return Err(Error::too_many_requests(detail).retry_after(wait));
        }
        let unknown = || Error::not_found("there is no such directory");
        let id = DirectoryId::from_suffix(directory).map_err(|_| unknown())?;
        let mut tx = self.store().read(self.now()).await.map_err(Trouble::from)?;
        let found = tx.find_directory(id).await.map_err(Trouble::from)?;
        let directory = found.ok_or_else(unknown)?;
        let known = self.profiles.of(&mut tx, &directory).await;
        Ok(known.map_err(Trouble::from)?.profile)
    }

    async fn create(
        &self,
        access: &Grant,
        kind: ResourceType,
        draft: Draft,
        wanted: Wanted,
    ) -> Result<Created, Error> {
        access.check_replaced()?;
        match kind {
            ResourceType::User => {
                let phc = self.hash_of(access, draft.password.as_ref()).await?;
                self.run(access, move |own, grant| {
                    users::create(own, grant, draft.clone(), phc.clone(), wanted)
                })
                .await
            }
            ResourceType::Group => {
                self.run(access, move |own, grant| {
                    groups::create(own, grant, draft.clone(), wanted)
                })
                .await
            }
        }
    }

    async fn find(
        &self,
        access: &Grant,
        kind: ResourceType,
        id: &str,
        wanted: Wanted,
    ) -> Result<Option<Stored>, Error> {
        let found = match (kind, id.parse::<UserId>(), id.parse::<GroupId>()) {
            (ResourceType::User, Ok(id), _) => self.find_user(access, id, wanted).await?,
            (ResourceType::Group, _, Ok(id)) => self.find_group(access, id, wanted).await?,
            _ => None,
        };
        Ok(found)
    }

    async fn list(&self, access: &Grant, kind: ResourceType, query: &Query) -> Result<Page, Error> {
        Ok(match &query.after {
            None => self.page(access, kind, query).await?,
            Some(after) => self.page_after(access, kind, query, after).await?,
        })
    }

    async fn update(
        &self,
        access: &Grant,
        kind: ResourceType,
        id: &str,
        update: Update<'_>,
    ) -> Result<Updated, Error> {
        access.check_replaced()?;
        let (precondition, wanted) = (update.precondition.clone(), update.wanted);
        match kind {
            ResourceType::User => {
                let id: UserId = id.parse().map_err(|_| Error::no_such_resource())?;
                let change = if access.profile.accept_password {
                    update.change.clone()
                } else {
                    update.change.clone().without_password()
                };
                let password = self.password_change(access, id, &change).await?;
                self.run(access, move |own, grant| {
                    let edit = users::Edit {
                        id,
                        change: change.clone(),
                        precondition: precondition.clone(),
                        password: password.clone(),
                        wanted,
                    };
                    users::update(own, grant, edit)
                })
                .await
            }
            ResourceType::Group => {
                let id: GroupId = id.parse().map_err(|_| Error::no_such_resource())?;
                let change = update.change.clone();
                self.run(access, move |own, grant| {
                    let edit = groups::Edit {
                        id,
                        change: change.clone(),
                        precondition: precondition.clone(),
                        wanted,
                    };
                    groups::update(own, grant, edit)
                })
                .await
            }
        }
    }

    async fn delete(
        &self,
        access: &Grant,
        kind: ResourceType,
        id: &str,
        precondition: &Precondition,
    ) -> Result<(), Error> {
        access.check_replaced()?;
        let precondition = precondition.clone();
        match kind {
            ResourceType::User => {
                let id: UserId = id.parse().map_err(|_| Error::no_such_resource())?;
                self.run(access, move |own, grant| {
                    users::delete(own, grant, id, precondition.clone())
                })
                .await
            }
            ResourceType::Group => {
                let id: GroupId = id.parse().map_err(|_| Error::no_such_resource())?;
                self.run(access, move |own, grant| {
                    groups::delete(own, grant, id, precondition.clone())
                })
                .await
            }
        }
    }

    async fn lookups(&self, access: &Grant, kind: LookupKind) -> Result<Vec<Lookup>, Error> {
        let kind = match kind {
            LookupKind::Role => vestibule_store::LookupKind::Role,
            LookupKind::Entitlement => vestibule_store::LookupKind::Entitlement,
        };
        let mut tx = self.store().read(self.now()).await.map_err(Trouble::from)?;
        let found = tx.list_directory_lookups(access.directory.id, kind).await;
        let found = found.map_err(Trouble::from)?;
        Ok(found
            .into_iter()
            .map(|row| {
                let mut lookup = Lookup::new(row.value);
                lookup.display = row.display;
                lookup.kind = row.kind;
                lookup
            })
            .collect())
    }

    fn now(&self) -> DateTime {
        DateTime::from_unix_micros(self.clock.now().micros()).unwrap_or_default()
    }

    async fn observe(&self, exchange: Exchange<Grant>) {
        self.log.observe(exchange, self.now()).await;
    }
}
