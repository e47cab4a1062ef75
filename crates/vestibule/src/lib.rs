//! Enterprise sign-in and provisioning inside your own axum app.
//!
//! [`Vestibule::open`] gives everything that `vestibule serve` has: the OpenID Provider for apps, sign-in through
//! customers' identity providers, SCIM, the admin API, the pages, and the workers that deliver logout notices and
//! webhooks. The host merges [`router`](Vestibule::router) into its own and reads [`CurrentUser`] in its handlers,
//! without an OAuth round trip:
//!
//! ```no_run
//! use std::net::SocketAddr;
//! use vestibule::{Config, CurrentUser, Vestibule};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::new("http://127.0.0.1:3000/id")?.database_url("sqlite://app.db")?;
//! let vestibule = Vestibule::open(config).await?;
//! vestibule.spawn_workers();
//! let app = axum::Router::new()
//!     .route("/", axum::routing::get(|user: CurrentUser| async move { format!("Hello, {}", user.user_name) }))
//!     .with_state(vestibule.clone())
//!     .merge(vestibule.router());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//! axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
//! vestibule.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! The path of the public URL (`/id` above) is where the routes are; the rest of the host's paths are its own.
//! The host process installs tracing and metrics as it likes; this crate only emits to them.

mod clock;
mod config;
mod current_user;
pub mod doctor;
mod key_file;

use std::sync::Arc;

use axum::Router;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use vestibule_core::Generator;
use vestibule_store::Store;
use vestibule_web::{Cookies, WebOptions};

pub use clock::system as system_clock;
pub use config::{Config, ConfigError, Database};
pub use current_user::{CurrentUser, MaybeUser, NotSignedIn};
pub use key_file::{KeyError, KeySource, is_readable_by_others};
pub use vestibule_engine::{Clock, Engine};

/// The name of the row that shows whether the database holds secrets under a master key already.
const MASTER_KEY_CHECK: &str = "master_key_check";

/// An open installation. Clones are handles to the same one.
#[derive(Clone)]
pub struct Vestibule(Arc<Inner>);

struct Inner {
    engine: Engine,
    clock: Clock,
    web: WebOptions,
    cookies: Cookies,
    stop: CancellationToken,
    workers: TaskTracker,
}

/// Why an installation cannot be opened. Each message says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A setting cannot be used, or two do not fit together.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database does not answer, or its URL, credentials or folder are wrong.
    #[error(
        "the database {database} cannot be opened; check VESTIBULE_DATABASE_URL, and that it runs and lets us in"
    )]
    Database {
        /// The database, without credentials.
        database: String,
        /// What the database said.
        source: vestibule_store::Error,
    },
    /// The schema could not be brought up to date.
    #[error(
        "the database {database} cannot be migrated; it may belong to a newer version, or the user may not create tables"
    )]
    Migration {
        /// The database, without credentials.
        database: String,
        /// What the database said.
        source: vestibule_store::Error,
    },
    /// There is no master key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The client for outbound calls cannot start.
    #[error(transparent)]
    Outbound(#[from] vestibule_engine::outbound::OutboundError),
    /// The engine cannot start; most often the master key is not the one of this database.
    #[error(transparent)]
    Engine(#[from] vestibule_engine::OpenError),
}

impl Vestibule {
    /// Opens the database, brings its schema up to date, finds or makes the master key, and loads the signing keys.
    pub async fn open(config: Config) -> Result<Self, OpenError> {
        config.check()?;
        let store = open_store(&config).await?;
        let opened = Self::open_on(store.clone(), config).await;
        if opened.is_err() {
            // The first error is the one to tell.
            let _ = store.close().await;
        }
        opened
    }

    async fn open_on(store: Store, config: Config) -> Result<Self, OpenError> {
        let database = config.database.to_string();
        store
            .migrate()
            .await
            .map_err(|source| OpenError::Migration { database, source })?;
        let clock = config.clock;
        let sealed = is_sealed(&store, &clock)
            .await
            .map_err(vestibule_engine::Fault::from);
        let sealed = sealed.map_err(vestibule_engine::OpenError::from)?;
        let master = config
            .key
            .load(&config.database, sealed, store.generator())?;
        let mut settings = vestibule_engine::Settings::new(config.public_url.as_str());
        if let Some(key) = &config.bootstrap_api_key {
            settings = settings.with_bootstrap_api_key(key);
        }
        if config.outbound.allow_private {
            settings = settings.with_private_network();
        }
        settings.saml_verifier = config.saml_verifier;
        settings.scim_requests_per_second = config.scim_requests_per_second;
        let outbound = vestibule_engine::Outbound::new(config.outbound)?;
        let engine = Engine::open(store, master, outbound, settings, clock.now()).await?;
        let mut web = WebOptions::new().trusted_proxies(config.trusted_proxies);
        if let Some(name) = config.name {
            web = web.name(name);
        }
        if let Some(render) = config.metrics {
            web = web.metrics(render);
        }
        Ok(Self(Arc::new(Inner {
            cookies: Cookies::of(engine.issuer()),
            engine,
            clock,
            web,
            stop: CancellationToken::new(),
            workers: TaskTracker::new(),
        })))
    }

    /// Every route, below the path of the public URL: merge it into the host's router.
    ///
    /// Serve it with `into_make_service_with_connect_info::<SocketAddr>()`: rate limits need to know who calls.
    pub fn router(&self) -> Router {
        vestibule_web::router(
            self.0.engine.clone(),
            self.0.clock.clone(),
            self.0.web.clone(),
        )
    }

    /// The use cases.
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// Where the time comes from.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The public URL of one of our paths, such as `/login`.
    pub fn url(&self, path: &str) -> String {
        self.0.engine.url(path)
    }

    /// Starts the workers that deliver logout notices, webhooks and fan-outs, until [`shutdown`](Self::shutdown).
    ///
    /// Without them nothing is lost, and nothing leaves. Nodes that share a PostgreSQL share the work.
    pub fn spawn_workers(&self) {
        let (engine, clock) = (self.0.engine.clone(), self.0.clock.clone());
        let stop = self.0.stop.clone().cancelled_owned();
        self.0
            .workers
            .spawn(async move { engine.deliver_until(clock, stop).await });
    }

    /// Lets the workers finish what they have begun, and closes the database. Stop serving the router first.
    pub async fn shutdown(&self) -> Result<(), vestibule_store::Error> {
        self.0.engine.end_streams();
        self.0.stop.cancel();
        self.0.workers.close();
        self.0.workers.wait().await;
        self.0.engine.flush_records().await;
        self.0.engine.store().close().await
    }
}

impl std::fmt::Debug for Vestibule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vestibule")
            .field("public_url", &self.0.engine.issuer().as_str())
            .finish_non_exhaustive()
    }
}

/// Brings the schema up to date, and nothing else.
pub async fn migrate(config: &Config) -> Result<(), OpenError> {
    let store = open_store(config).await?;
    let database = config.database.to_string();
    let migrated = store.migrate().await;
    let _ = store.close().await;
    migrated.map_err(|source| OpenError::Migration { database, source })
}

async fn open_store(config: &Config) -> Result<Store, OpenError> {
    if let Database::Sqlite(path) = &config.database {
        // Who else has an account on this machine need not read people's names; the driver would make it readable.
        // Whatever stands against making it is told better by opening it.
        let _ = key_file::create_private(path);
    }
    let opened = Store::open(config.database.url().expose(), Generator::system()).await;
    opened.map_err(|source| OpenError::Database {
        database: config.database.to_string(),
        source,
    })
}

/// Whether the database holds anything under a master key already.
async fn is_sealed(store: &Store, clock: &Clock) -> Result<bool, vestibule_store::Error> {
    let mut tx = store.read(clock.now()).await?;
    Ok(tx.find_meta(MASTER_KEY_CHECK).await?.is_some())
}
