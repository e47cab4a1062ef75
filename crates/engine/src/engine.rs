use std::{
    num::NonZeroU32,
    sync::{
        Arc, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use argon2::{
    Argon2, PasswordHasher as _, PasswordVerifier as _, password_hash::phc::PasswordHash,
};
use tokio::sync::{Notify, Semaphore};
use vestibule_core::{ConnectionId, Generator, Secret, SecretHash, Timestamp};
use vestibule_issuer::{
    Issuer, access_token::AccessTokenKey, keys::KeySet, refresh_token::RefreshTokenKey,
};
use vestibule_oidc::KeyRing;
use vestibule_store::{Destination, Store};

use crate::{
    Fault, Outbound, SamlVerifier,
    admin::Listeners,
    client_keys::PublishedKeys,
    limits::{Limits, SCIM_REQUESTS_PER_SECOND},
    provisioning::log::Log,
    saml::keys::ParsedKeys,
    signals::PollTokens,
    signing::{self, Rotation},
    upstream::MetadataCache,
    vault::{MasterKey, Vault},
};

/// Password hashes that are computed at the same time; each takes a core for about 15 ms and 19 MiB.
const HASHES_AT_ONCE: usize = 2;

/// The use cases. Clones share everything.
#[derive(Clone, Debug)]
pub struct Engine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    settings: Settings,
    issuer: Issuer,
    vault: Vault,
    keys: RwLock<Arc<KeySet>>,
    access_tokens: AccessTokenKey,
    refresh_tokens: RefreshTokenKey,
    outbound: Outbound,
    oidc_keys: KeyRing,
    oidc_metadata: MetadataCache,
    published_keys: PublishedKeys,
    parsed_keys: ParsedKeys,
    poll_tokens: PollTokens,
    hashing: Semaphore,
    limits: Limits,
    provisioning_log: Log,
    /// One bell for each kind of worker, in the order of [`Destination::ALL`].
    work: [Notify; Destination::ALL.len()],
    /// What [`Store::queued`](vestibule_store::Store::queued) said when they were woken last.
    woken_at: AtomicU64,
    listeners: Listeners,
}

/// What an installation decides.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The URL that people, apps, directories and identity providers use; it may carry a path.
    pub public_url: String,
    /// The hash of `VESTIBULE_BOOTSTRAP_API_KEY`, while it is set.
    pub bootstrap_api_key: Option<SecretHash>,
    /// Whether identity providers may be reached over plain http on loopback and private addresses, for tests.
    pub allow_private_network: bool,
    /// Who has to accept a SAML response.
    pub saml_verifier: SamlVerifier,
    /// Requests that each directory may send in a second, and twice as many at once; 25 at least.
    pub scim_requests_per_second: NonZeroU32,
}

impl Settings {
    /// Settings for a public URL; everything else is off.
    pub fn new(public_url: impl Into<String>) -> Self {
        Self {
            public_url: public_url.into(),
            bootstrap_api_key: None,
            allow_private_network: false,
            saml_verifier: SamlVerifier::default(),
            scim_requests_per_second: SCIM_REQUESTS_PER_SECOND,
        }
    }

    /// Accepts a key of the admin API that is not stored.
    #[must_use]
    pub fn with_bootstrap_api_key(mut self, key: &Secret) -> Self {
        self.bootstrap_api_key = Some(key.hash());
        self
    }

    /// Accepts plain http to loopback and private addresses.
    #[must_use]
    pub fn with_private_network(mut self) -> Self {
        self.allow_private_network = true;
        self
    }

    /// Accepts an unencrypted SAML response only when samael accepts it too.
    #[cfg(feature = "samael")]
    #[must_use]
    pub fn with_saml_second_opinion(mut self) -> Self {
        self.saml_verifier = SamlVerifier::Both;
        self
    }
}

/// Why an engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The public URL cannot be an issuer.
    #[error("the public URL is unusable: {0}")]
    PublicUrl(#[from] vestibule_issuer::IssuerError),
    /// The master key is not the one that sealed what the database holds.
    #[error(
        "the master key does not open this database; give back the key it was made with, or restore the matching backup"
    )]
    WrongMasterKey,
    /// The store or a key failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Engine {
    /// Starts on a migrated store: checks the master key and loads, or makes, the signing keys.
    pub async fn open(
        store: Store,
        master: MasterKey,
        outbound: Outbound,
        settings: Settings,
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        let issuer = Issuer::parse(&settings.public_url)?;
        let vault = Vault::new(master, store.generator().clone())?;
        if !signing::check_master_key(&store, &vault, now).await? {
            return Err(OpenError::WrongMasterKey);
        }
        let keys = signing::load_or_make(&store, &vault, now).await?;
        Ok(Self(Arc::new(Inner {
            access_tokens: AccessTokenKey::new(vault.derive(b"access tokens")?),
            refresh_tokens: RefreshTokenKey::new(vault.derive(b"refresh tokens")?),
            limits: Limits::new(settings.scim_requests_per_second),
            provisioning_log: Log::new(store.clone()),
            store,
            settings,
            issuer,
            vault,
            keys: RwLock::new(Arc::new(keys)),
            outbound,
            oidc_keys: KeyRing::new(),
            oidc_metadata: MetadataCache::default(),
            published_keys: PublishedKeys::default(),
            parsed_keys: ParsedKeys::default(),
            poll_tokens: PollTokens::default(),
            hashing: Semaphore::new(HASHES_AT_ONCE),
            work: std::array::from_fn(|_| Notify::new()),
            woken_at: AtomicU64::new(0),
            listeners: Listeners::default(),
        })))
    }

    /// The store, for embedders' health checks and tests; use cases are methods of the engine.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// What the installation decides.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Who we are toward apps.
    pub fn issuer(&self) -> &Issuer {
        &self.0.issuer
    }

    /// The public URL of one of our paths.
    pub fn url(&self, path: &str) -> String {
        self.0.issuer.endpoint(path)
    }

    /// The login page of a waiting login.
    pub fn login_url(&self, handle: &Secret) -> String {
        self.url(&format!("/login?handle={}", handle.expose()))
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.0.vault
    }

    pub(crate) fn outbound(&self) -> &Outbound {
        &self.0.outbound
    }

    pub(crate) fn access_tokens(&self) -> &AccessTokenKey {
        &self.0.access_tokens
    }

    pub(crate) fn refresh_tokens(&self) -> &RefreshTokenKey {
        &self.0.refresh_tokens
    }

    /// The keys of a connection's provider, as they are published at one address.
    pub(crate) fn oidc_keys(
        &self,
        connection_id: ConnectionId,
        jwks_uri: &url::Url,
    ) -> vestibule_oidc::Keys {
        self.0.oidc_keys.of(&format!("{connection_id} {jwks_uri}"))
    }

    pub(crate) fn published_keys(&self) -> &PublishedKeys {
        &self.0.published_keys
    }

    pub(crate) fn oidc_metadata(&self) -> &MetadataCache {
        &self.0.oidc_metadata
    }

    pub(crate) fn parsed_keys(&self) -> &ParsedKeys {
        &self.0.parsed_keys
    }

    pub(crate) fn poll_tokens(&self) -> &PollTokens {
        &self.0.poll_tokens
    }

    pub(crate) fn listeners(&self) -> &Listeners {
        &self.0.listeners
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(crate) fn provisioning_log(&self) -> &Log {
        &self.0.provisioning_log
    }

    /// Waits until the records of all SCIM requests so far are stored; for the end of a process.
    pub async fn flush_records(&self) {
        self.0.provisioning_log.flush().await;
    }

    pub(crate) fn generator(&self) -> &Generator {
        self.0.store.generator()
    }

    /// A token for a page's form.
    pub fn form_token(&self) -> Secret {
        self.generator().token("")
    }

    /// The keys that sign now and those that are published.
    pub fn keys(&self) -> Arc<KeySet> {
        Arc::clone(
            &self
                .0
                .keys
                .read()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        )
    }

    /// Reads the keys again, after this or another node has rotated them.
    pub async fn reload_keys(&self, now: Timestamp) -> Result<(), Fault> {
        let keys = signing::load_or_make(self.store(), self.vault(), now).await?;
        *self
            .0
            .keys
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }

    /// Changes the signing keys, other than by the schedule.
    pub async fn rotate_signing_keys(
        &self,
        rotation: Rotation,
        now: Timestamp,
    ) -> Result<(), Fault> {
        signing::rotate(self.store(), self.vault(), rotation, now).await?;
        self.reload_keys(now).await
    }

    /// Lets the schedule of the signing keys go on.
    pub(crate) async fn follow_key_schedule(&self, now: Timestamp) -> Result<(), Fault> {
        signing::follow_schedule(self.store(), self.vault(), now).await
    }

    /// Tells the workers of this node that there is something to deliver, if there is.
    pub fn wake(&self) {
        let queued = self.store().queued();
        if self.0.woken_at.swap(queued, Ordering::SeqCst) != queued {
            self.0.work.iter().for_each(Notify::notify_one);
        }
    }

    /// Waits until there may be something for the workers of this kind.
    pub(crate) async fn woken(&self, kind: Destination) {
        for (bell, own) in self.0.work.iter().zip(Destination::ALL) {
            if own == kind {
                bell.notified().await;
            }
        }
    }

    /// Hashes a password with argon2id on a blocking thread.
    pub(crate) async fn hash_password(&self, password: Secret) -> Result<String, Fault> {
        let _permit = self
            .0
            .hashing
            .acquire()
            .await
            .map_err(|_| Fault::stopped())?;
        tokio::task::spawn_blocking(move || {
            Argon2::default()
                .hash_password(password.expose().as_bytes())
                .map(|hash| hash.to_string())
                .map_err(|_| Fault::internal("a password could not be hashed"))
        })
        .await
        .map_err(|_| Fault::stopped())?
    }

    /// Whether a password is the hashed one; a wrong hash takes as long as a wrong password.
    pub(crate) async fn check_password(
        &self,
        password: Secret,
        phc: String,
    ) -> Result<bool, Fault> {
        let _permit = self
            .0
            .hashing
            .acquire()
            .await
            .map_err(|_| Fault::stopped())?;
        tokio::task::spawn_blocking(move || {
            PasswordHash::new(&phc).is_ok_and(|hash| {
                Argon2::default()
                    .verify_password(password.expose().as_bytes(), &hash)
                    .is_ok()
            })
        })
        .await
        .map_err(|_| Fault::stopped())
    }

    /// Runs a use case in its own task, so that a client that goes away cannot cancel it half-way.
    pub(crate) async fn detached<T: Send + 'static>(
        &self,
        use_case: impl Future<Output = Result<T, Fault>> + Send + 'static,
    ) -> Result<T, Fault> {
        tokio::spawn(use_case).await.map_err(|_| Fault::stopped())?
    }
}
