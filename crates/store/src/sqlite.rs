//! The embedded database: its connections, and how they are opened.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, config::DbConfig};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{Error, Result};

const READERS: u32 = 8;
const WAIT: Duration = Duration::from_secs(10);
/// Parsed statements that a connection keeps; the store has fewer, apart from filters.
const STATEMENTS: usize = 512;

/// Connections that read, opened when they are needed.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    free: Arc<Semaphore>,
}

/// A connection on loan; it goes back when it is dropped.
#[derive(Debug)]
pub(crate) struct Reader {
    /// None only while it is dropped.
    connection: Option<Connection>,
    readers: Arc<Readers>,
    _permit: OwnedSemaphorePermit,
}

impl Readers {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            idle: Mutex::default(),
            free: Arc::new(Semaphore::new(READERS as usize)),
        }
    }

    pub(crate) async fn acquire(self: &Arc<Self>) -> Result<Reader> {
        let permit = match Arc::clone(&self.free).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => timeout(WAIT, Arc::clone(&self.free).acquire_owned())
                .await
                .map_err(|_| Error::no_connection())?
                .map_err(|_| Error::no_connection())?,
        };
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open(&self.path, "query_only = on")?,
        };
        Ok(Reader {
            connection: Some(connection),
            readers: Arc::clone(self),
            _permit: permit,
        })
    }

    /// Waits for those on loan and closes all.
    pub(crate) async fn close(&self) {
        // An error says that they are closed already.
        let _ = self.free.acquire_many(READERS).await;
        self.free.close();
        self.idle().clear();
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    #[expect(clippy::expect_used, reason = "only `drop` takes the connection")]
    pub(crate) fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("not dropped yet")
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.readers.idle().push(connection);
        }
    }
}

/// The file that `sqlite://PATH` names.
pub(crate) fn path_of(url: &str) -> Result<PathBuf> {
    let path = url.strip_prefix("sqlite:").unwrap_or(url);
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.starts_with(':') || path.contains(['?', '%', '#']) {
        // In memory readers and the writer would each get a database of their own.
        return Err(Error::url(
            "a SQLite database has to be a file, sqlite://PATH without the characters ? % #",
        ));
    }
    Ok(path.into())
}

/// Drops what `ANALYZE` has found, before anybody plans by it.
///
/// Without it each index is taken for selective, which ours are. What was counted in a small installation would hold when
/// it has grown: a look-up by name then walks the whole organization.
pub(crate) fn forget_statistics(path: &Path) -> Result<()> {
    let connection = open(path, "query_only = off")?;
    let known = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1')";
    if connection.query_row(known, [], |row| row.get(0))? {
        connection.execute_batch("DROP TABLE sqlite_stat1")?;
    }
    Ok(())
}

/// Opens the file, and creates it where it is absent. One more `pragma` tells readers and the writer apart.
pub(crate) fn open(path: &Path, pragma: &str) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(WAIT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // A plan may not depend on what is bound: statements would be parsed anew for other values.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // FULL: an answered deactivation has to survive a power cut.
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = wal; PRAGMA synchronous = full; PRAGMA foreign_keys = on;
         PRAGMA temp_store = memory; PRAGMA cache_size = -16384; PRAGMA {pragma};"
    ))?;
    Ok(connection)
}

/// Runs what may take long while the other tasks of this thread go on elsewhere.
pub(crate) fn off_worker<T>(run: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(run),
        _ => run(),
    }
}
