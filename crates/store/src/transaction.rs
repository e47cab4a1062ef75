use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::{
    Executor as _, PgPool, Postgres, Transaction, pool::PoolConnection, postgres::PgPoolOptions,
};
use tokio::sync::watch;
use tracing::Span;
use vestibule_core::{EventId, Generator, Timestamp};

use crate::{
    Error, Result,
    directory_totals::Differences,
    query::On,
    sqlite::{self, Reader, Readers},
    statistics::LOOKS,
    writer::{Turn, Writer},
};

const POSTGRES_CONNECTIONS: u32 = 24;

/// The one user store. Cloning it is cheap; all clones share the connections.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) backend: Backend,
    generator: Generator,
    /// Transactions that left jobs behind.
    queued: Arc<AtomicU64>,
    /// Rung when events were committed.
    news: watch::Sender<()>,
    /// How often it is still looked whether tables have grown.
    pub(crate) looks_due: Arc<AtomicU64>,
}

#[derive(Debug, Clone)]
pub(crate) enum Backend {
    Sqlite {
        readers: Arc<Readers>,
        writer: Arc<Writer>,
    },
    Postgres(PgPool),
}

/// Reads; each statement sees what was committed when it began.
#[derive(Debug)]
pub struct ReadTx {
    connection: Connection,
    now: Timestamp,
    generator: Generator,
    last_event: Option<EventId>,
    /// As long as the transaction, in traces.
    _span: Span,
}

/// Reads and writes; [`commit`](WriteTx::commit) stores everything, dropping stores nothing.
#[derive(Debug)]
pub struct WriteTx {
    tx: ReadTx,
    /// Where it is counted that there are new jobs, once they are committed.
    queued: Arc<AtomicU64>,
    has_jobs: bool,
    news: watch::Sender<()>,
    looks_due: Arc<AtomicU64>,
    has_events: bool,
    /// Users that came to directories and left them.
    pub(crate) differences: Differences,
    /// The request from outside on whose behalf it writes.
    pub(crate) request_id: Option<Arc<str>>,
}

/// How PostgreSQL plans our statements: they look rows up by an index, which its defaults take for slower than it is, and
/// are over before one could be compiled.
const PLANNING: &str = "SET jit = off; SET random_page_cost = 1.1";

#[derive(Debug)]
enum Connection {
    SqliteReader(Reader),
    SqliteWriter(Turn),
    PostgresReader(PoolConnection<Postgres>),
    PostgresWriter(Transaction<'static, Postgres>),
}

impl Store {
    /// Opens `sqlite://PATH` (created when absent) or `postgres://…`. It does not [`migrate`](Store::migrate).
    pub async fn open(url: &str, generator: Generator) -> Result<Self> {
        let backend = match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => open_sqlite(url)?,
            Some("postgres" | "postgresql") => Backend::Postgres(
                PgPoolOptions::new()
                    .max_connections(POSTGRES_CONNECTIONS)
                    .acquire_timeout(Duration::from_secs(10))
                    .after_connect(|connection, _| {
                        Box::pin(async move { connection.execute(PLANNING).await.map(|_| ()) })
                    })
                    .connect(url)
                    .await?,
            ),
            _ => {
                return Err(Error::url(
                    "the database URL has to begin with sqlite:// or postgres://",
                ));
            }
        };
        Ok(Self {
            backend,
            generator,
            queued: Arc::default(),
            news: watch::Sender::new(()),
            looks_due: Arc::default(),
        })
    }

    /// A connection that reads at this instant.
    pub async fn read(&self, now: Timestamp) -> Result<ReadTx> {
        let span = tracing::debug_span!("db.read");
        let connection = match &self.backend {
            Backend::Sqlite { readers, .. } => Connection::SqliteReader(readers.acquire().await?),
            Backend::Postgres(pool) => Connection::PostgresReader(pool.acquire().await?),
        };
        Ok(ReadTx {
            connection,
            now,
            generator: self.generator.clone(),
            last_event: None,
            _span: span,
        })
    }

    /// A transaction that writes at this instant.
    pub async fn write(&self, now: Timestamp) -> Result<WriteTx> {
        let span = tracing::debug_span!("db.write");
        let connection = match &self.backend {
            Backend::Sqlite { writer, .. } => Connection::SqliteWriter(writer.turn().await?),
            Backend::Postgres(pool) => Connection::PostgresWriter(pool.begin_with("BEGIN").await?),
        };
        Ok(WriteTx {
            tx: ReadTx {
                connection,
                now,
                generator: self.generator.clone(),
                last_event: None,
                _span: span,
            },
            queued: Arc::clone(&self.queued),
            has_jobs: false,
            news: self.news.clone(),
            looks_due: Arc::clone(&self.looks_due),
            has_events: false,
            differences: Differences::default(),
            request_id: None,
        })
    }

    /// How many transactions of this node have left jobs behind; while it stays the same there is nothing new to do.
    pub fn queued(&self) -> u64 {
        self.queued.load(Ordering::SeqCst)
    }

    /// Changes with each transaction of this node that has told of events.
    pub fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Whether this is the embedded database, which one node has to itself.
    pub const fn is_embedded(&self) -> bool {
        matches!(self.backend, Backend::Sqlite { .. })
    }

    /// The generator of ids and tokens that this store's transactions use.
    pub const fn generator(&self) -> &Generator {
        &self.generator
    }

    /// How far this node's clock is from the database's, in microseconds; always zero on SQLite, which has none.
    pub async fn clock_difference(&self, now: Timestamp) -> Result<i64> {
        match &self.backend {
            Backend::Sqlite { .. } => Ok(0),
            Backend::Postgres(pool) => {
                let theirs: i64 = sqlx::query_scalar(
                    "SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT",
                )
                .fetch_one(pool)
                .await?;
                Ok(now.micros() - theirs)
            }
        }
    }

    /// Waits for what is under way and closes every connection.
    pub async fn close(&self) -> Result<()> {
        match &self.backend {
            Backend::Sqlite { readers, writer } => {
                readers.close().await;
                writer.close().await
            }
            Backend::Postgres(pool) => {
                pool.close().await;
                Ok(())
            }
        }
    }

    pub(crate) async fn run_migrations(&self) -> Result<()> {
        match &self.backend {
            Backend::Sqlite { writer, .. } => writer.migrate().await,
            Backend::Postgres(pool) => crate::migrate::postgres(pool).await,
        }
    }
}

fn open_sqlite(url: &str) -> Result<Backend> {
    let path = sqlite::path_of(url)?;
    let writer = Writer::open(&path)?;
    Ok(Backend::Sqlite {
        readers: Arc::new(Readers::new(path)),
        writer: Arc::new(writer),
    })
}

impl ReadTx {
    pub(crate) fn on(&mut self) -> On<'_> {
        match &mut self.connection {
            Connection::SqliteReader(reader) => On::Sqlite(reader.connection()),
            Connection::SqliteWriter(turn) => On::Sqlite(turn.connection()),
            Connection::PostgresReader(connection) => On::Postgres(connection),
            Connection::PostgresWriter(transaction) => On::Postgres(transaction),
        }
    }

    /// The instant at which this transaction happens.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The generator of ids and tokens.
    pub const fn generator(&self) -> &Generator {
        &self.generator
    }
}

impl WriteTx {
    /// Stores everything that was written; on SQLite together with the transactions that ran meanwhile.
    pub async fn commit(mut self) -> Result<()> {
        self.add_totals().await?;
        match self.tx.connection {
            Connection::SqliteWriter(turn) => turn.commit().await?,
            Connection::PostgresWriter(transaction) => transaction.commit().await?,
            Connection::SqliteReader(_) | Connection::PostgresReader(_) => {}
        }
        self.looks_due.store(LOOKS, Ordering::Relaxed);
        if self.has_events {
            self.news.send_replace(());
        }
        if self.has_jobs {
            self.queued.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }

    /// Says which request from outside this transaction carries out; receipts name it.
    pub fn set_request(&mut self, request_id: &Arc<str>) {
        self.request_id = Some(Arc::clone(request_id));
    }

    /// Notes that this transaction tells of events.
    pub(crate) const fn leaves_events(&mut self) {
        self.has_events = true;
    }

    /// Notes that this transaction leaves jobs behind.
    pub(crate) const fn leaves_jobs(&mut self) {
        self.has_jobs = true;
    }
}

impl WriteTx {
    /// The id of an event that happens after those of this transaction; ids of one millisecond sort by chance otherwise.
    pub(crate) fn next_event_id(&mut self) -> EventId {
        let drawn: EventId = self.tx.generator.id(self.tx.now);
        let id = match self.tx.last_event {
            Some(last) if drawn <= last => {
                let after = u128::from_be_bytes(last.to_bytes()).saturating_add(1);
                EventId::from_bytes(after.to_be_bytes())
            }
            _ => drawn,
        };
        self.tx.last_event = Some(id);
        id
    }
}

impl Deref for WriteTx {
    type Target = ReadTx;

    fn deref(&self) -> &ReadTx {
        &self.tx
    }
}

impl DerefMut for WriteTx {
    fn deref_mut(&mut self) -> &mut ReadTx {
        &mut self.tx
    }
}
