//! The whole server in this process, over real HTTP, with workers and a clock that tests can move on.
//!
//! [`TestServer`] is one node on a database of its own; [`TestServer::second_node`] is another node on the same one.
//! [`Company`] is a customer with a simulated identity provider, directory and app.
//! A server fails its test when it is dropped while something that was due has not been delivered, unless the test
//! said [`TestServer::may_leave_deliveries`].

mod admin;
mod company;
mod site;

use std::{
    net::SocketAddr,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{net::TcpListener, task::AbortHandle};
use tokio_util::sync::CancellationToken;
use url::Url;
use vestibule_core::{Generator, Secret, Timestamp};
use vestibule_engine::{Clock, Engine, MasterKey, Outbound, OutboundPolicy, Settings};
use vestibule_store::Store;
use vestibule_web::WebOptions;

use crate::Database;

pub use admin::{Admin, Reply, http_client};
pub use company::{Company, Employee, Way, press_on};
pub use site::Site;

/// How long tests wait for something that should come at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running node.
#[derive(Debug)]
pub struct TestServer {
    /// What it stands on.
    pub database: Arc<Database>,
    /// Its use cases, for looking behind the wire.
    pub engine: Engine,
    /// Its admin API, with the bootstrap key.
    pub admin: Admin,
    public_url: Url,
    own_url: Url,
    master_key: String,
    bootstrap_key: Secret,
    clock: Clock,
    offset: Arc<AtomicI64>,
    skew: Arc<AtomicI64>,
    may_leave: Arc<AtomicBool>,
    workers: Mutex<AbortHandle>,
    stop: CancellationToken,
}

impl TestServer {
    /// A server at the root of its host.
    pub async fn start(database: Database) -> Self {
        Self::start_below(database, "").await
    }

    /// A server whose public URL has a path, such as `/id`.
    pub async fn start_below(database: Database, path: &str) -> Self {
        let listener = listener().await;
        let address = listener.local_addr().expect("a bound address");
        let generator = Generator::system();
        let store = database.store.clone();
        let node = Node {
            database: Arc::new(database),
            public_url: format!("http://{address}{path}"),
            own_url: format!("http://{address}{path}"),
            master_key: MasterKey::generate(&generator).to_base64(),
            bootstrap_key: generator.token("bootstrap_key_for_tests_"),
            offset: Arc::new(AtomicI64::new(0)),
            may_leave: Arc::new(AtomicBool::new(false)),
        };
        node.serve(listener, store).await
    }

    /// Another node of the same installation; on SQLite, which has one node only, another listener on the same store.
    pub async fn second_node(&self) -> Self {
        let listener = listener().await;
        let address = listener.local_addr().expect("a bound address");
        let node = Node {
            database: Arc::clone(&self.database),
            public_url: self.public_url.as_str().trim_end_matches('/').to_owned(),
            own_url: format!(
                "http://{address}{}",
                self.public_url.path().trim_end_matches('/')
            ),
            master_key: self.master_key.clone(),
            bootstrap_key: self.bootstrap_key.clone(),
            offset: Arc::clone(&self.offset),
            may_leave: Arc::clone(&self.may_leave),
        };
        node.serve(listener, self.database.second_node().await)
            .await
    }

    /// The issuer, without a trailing slash.
    pub fn issuer(&self) -> &str {
        self.public_url.as_str().trim_end_matches('/')
    }

    /// A URL of this node: a path that begins with a slash, and maybe a query, below the public URL's path.
    pub fn url(&self, path: &str) -> Url {
        let base = self.own_url.as_str().trim_end_matches('/');
        format!("{base}{path}")
            .parse()
            .expect("a path that fits into a URL")
    }

    /// The time that every node of the installation has.
    pub fn now(&self) -> Timestamp {
        now(&self.offset)
    }

    /// Moves the time on, for every node.
    pub fn pass(&self, time: Duration) {
        let micros = i64::try_from(time.as_micros()).expect("a short time");
        self.offset.fetch_add(micros, Ordering::SeqCst);
        self.engine.wake();
    }

    /// The clock of this node.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// Sets the clock of this node so many seconds ahead of the installation's time, or behind it.
    pub fn set_skew(&self, seconds: i64) {
        self.skew.store(seconds * 1_000_000, Ordering::SeqCst);
    }

    /// Kills the workers of this node in the middle of whatever they do, and starts others: what was claimed stays
    /// claimed, and what was sent stays unrecorded.
    pub fn crash_workers(&self) {
        let others = deliver(&self.engine, &self.clock, &self.stop);
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *workers, others).abort();
    }

    /// The test leaves deliveries behind on purpose.
    pub fn may_leave_deliveries(&self) {
        self.may_leave.store(true, Ordering::SeqCst);
    }

    /// Waits until all that is due has been delivered.
    pub async fn settled(&self) {
        let begun = Instant::now();
        while !undelivered(&self.database, self.now()).await.is_empty() {
            assert!(
                begun.elapsed() < PATIENCE,
                "{:?} is undelivered",
                undelivered(&self.database, self.now()).await
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let left = if std::thread::panicking() || self.may_leave.load(Ordering::SeqCst) {
            Vec::new()
        } else {
            wait_for_deliveries(&self.database, &self.offset)
        };
        self.stop.cancel();
        assert!(
            left.is_empty(),
            "the server was dropped with undelivered jobs: {left:?}"
        );
    }
}

/// What a node starts with.
struct Node {
    database: Arc<Database>,
    public_url: String,
    own_url: String,
    master_key: String,
    bootstrap_key: Secret,
    offset: Arc<AtomicI64>,
    may_leave: Arc<AtomicBool>,
}

impl Node {
    async fn serve(self, listener: TcpListener, store: Store) -> TestServer {
        log();
        let skew = Arc::new(AtomicI64::new(0));
        let (offset, its_skew) = (Arc::clone(&self.offset), Arc::clone(&skew));
        let clock = Clock::new(move || {
            Timestamp::from_micros(now(&offset).micros() + its_skew.load(Ordering::SeqCst))
        });
        let mut settings = Settings::new(self.public_url.as_str())
            .with_bootstrap_api_key(&self.bootstrap_key)
            .with_private_network();
        // Tests push as fast as they can; the limit has tests of its own.
        settings.scim_requests_per_second = NonZeroU32::MIN.saturating_add(1_000_000);
        #[cfg(feature = "samael")]
        let settings = settings.with_saml_second_opinion();
        let outbound =
            Outbound::new(OutboundPolicy::new().allow_private()).expect("an outbound client");
        let master_key = MasterKey::parse(&self.master_key).expect("a master key");
        let engine = Engine::open(store, master_key, outbound, settings, clock.now())
            .await
            .expect("an engine");
        let stop = CancellationToken::new();
        let router = vestibule_web::router(engine.clone(), clock.clone(), WebOptions::new());
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let stopped = stop.clone().cancelled_owned();
        tokio::spawn(async move {
            let served = axum::serve(listener, service).with_graceful_shutdown(stopped);
            served.await.expect("the server serves");
        });
        TestServer {
            workers: Mutex::new(deliver(&engine, &clock, &stop)),
            clock,
            skew,
            admin: Admin::new(&self.own_url, self.bootstrap_key.expose()),
            database: self.database,
            engine,
            public_url: self.public_url.parse().expect("a public URL"),
            own_url: self.own_url.parse().expect("a URL"),
            master_key: self.master_key,
            bootstrap_key: self.bootstrap_key,
            offset: self.offset,
            may_leave: self.may_leave,
            stop,
        }
    }
}

fn deliver(engine: &Engine, clock: &Clock, stop: &CancellationToken) -> AbortHandle {
    let (engine, clock) = (engine.clone(), clock.clone());
    let stopped = stop.clone().cancelled_owned();
    tokio::spawn(async move { engine.deliver_until(clock, stopped).await }).abort_handle()
}

/// Waits until a condition holds, and fails with `what` when it does not.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Turns async functions that take a [`TestServer`] into one test for each database.
///
/// A test is called `promise::on_sqlite` or `promise::on_postgres`, so a failure names its database.
/// Without `TEST_POSTGRES_URL` the second says so and passes.
#[macro_export]
macro_rules! on_every_server {
    ($($test:ident),+ $(,)?) => { $crate::on_every_server!(below "": $($test),+); };
    (below $path:literal: $($test:ident),+ $(,)?) => {
        $(
            mod $test {
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_sqlite() {
                    let database = $crate::Database::sqlite().await;
                    super::$test($crate::server::TestServer::start_below(database, $path).await).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_postgres() {
                    match $crate::Database::postgres().await {
                        Some(database) => super::$test($crate::server::TestServer::start_below(database, $path).await).await,
                        None => eprintln!("skipped: TEST_POSTGRES_URL is not set"),
                    }
                }
            }
        )+
    };
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port of 127.0.0.1")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the harness is the edge where tests read the clock"
)]
fn now(offset: &AtomicI64) -> Timestamp {
    let wall = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("a clock after 1970");
    let wall = i64::try_from(wall.as_micros()).expect("a clock before the year 294247");
    Timestamp::from_micros(wall + offset.load(Ordering::SeqCst))
}

/// What was due and did not arrive, or never will.
async fn undelivered(database: &Database, now: Timestamp) -> Vec<String> {
    let sql = format!(
        "SELECT kind || ' to ' || destination || ': ' || COALESCE(last_error, 'not tried yet') FROM outbox
         WHERE done_at IS NULL AND (dead_at IS NOT NULL OR not_before <= {})",
        now.micros()
    );
    database.texts(&sql).await
}

/// Blocks, in a thread of its own, while the workers may still deliver: a drop is not async.
fn wait_for_deliveries(database: &Arc<Database>, offset: &Arc<AtomicI64>) -> Vec<String> {
    let (database, offset) = (Arc::clone(database), Arc::clone(offset));
    let waited = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async move {
            let begun = Instant::now();
            loop {
                let left = undelivered(&database, now(&offset)).await;
                if left.is_empty() || begun.elapsed() > PATIENCE {
                    return left;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    });
    waited.join().expect("the outbox can be read")
}

/// Shows the server's log with a failed test, as `RUST_LOG` says.
fn log() {
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    // The first server of the process installs it.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_test_writer()
        .try_init();
}
