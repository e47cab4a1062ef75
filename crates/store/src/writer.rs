//! The one writer of SQLite, shared by transactions that run one after the other.
//!
//! SQLite has one writer at a time and pays one flush a commit.
//! So each [`WriteTx`](crate::WriteTx) is a savepoint of a shared transaction: when others wait, the next one
//! goes on in it, and all are answered after its one commit (four times the durable writes a second, measured).
//! Nobody is answered before that commit, and a transaction that rolls back takes only its own savepoint with it.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rusqlite::Connection;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use crate::{Error, Result, sqlite};

/// How many use cases share one commit at most, so that the first is not kept waiting for long.
const GROUP_LIMIT: usize = 128;

#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Mutex<Shared>>,
    waiting: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Shared {
    connection: Connection,
    /// Those whose savepoint is released and who wait for the commit; the transaction is open while there are any.
    group: Vec<oneshot::Sender<bool>>,
    open: bool,
}

/// The turn of one use case: it holds the writer until it commits or is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    /// None only after the turn has been given up.
    shared: Option<OwnedMutexGuard<Shared>>,
    waiting: Arc<AtomicUsize>,
}

impl Writer {
    /// Opens the connection of the writer; it is the only one that writes.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        sqlite::forget_statistics(path)?;
        let shared = Shared {
            connection: sqlite::open(path, "query_only = off")?,
            group: Vec::new(),
            open: false,
        };
        Ok(Self {
            shared: Arc::new(Mutex::new(shared)),
            waiting: Arc::default(),
        })
    }

    /// Waits for the turn and opens its savepoint.
    pub(crate) async fn turn(&self) -> Result<Turn> {
        let mut entry = Waiting::new(self);
        let shared = Arc::clone(&self.shared).lock_owned().await;
        entry.has_turn = true;
        drop(entry);
        let mut turn = Turn {
            shared: Some(shared),
            waiting: Arc::clone(&self.waiting),
        };
        turn.shared().begin()?;
        Ok(turn)
    }

    /// Brings the schema up to date, outside any turn: the migrator begins its own transactions.
    pub(crate) async fn migrate(&self) -> Result<()> {
        let mut shared = self.shared.lock().await;
        shared.commit();
        sqlite::off_worker(|| crate::migrate::sqlite(&mut shared.connection))
    }

    /// Waits for the transaction under way and closes the connection.
    pub(crate) async fn close(&self) -> Result<()> {
        let mut shared = self.shared.lock().await;
        shared.commit();
        // Into the one file that people copy; the journal beside it is then empty.
        let finish = "PRAGMA wal_checkpoint(TRUNCATE)";
        Ok(sqlite::off_worker(|| {
            shared.connection.execute_batch(finish)
        })?)
    }
}

/// Counts one who waits, also when the wait is given up.
struct Waiting<'w> {
    writer: &'w Writer,
    has_turn: bool,
}

impl<'w> Waiting<'w> {
    fn new(writer: &'w Writer) -> Self {
        writer.waiting.fetch_add(1, Ordering::SeqCst);
        Self {
            writer,
            has_turn: false,
        }
    }
}

impl Drop for Waiting<'_> {
    /// One who gives up may have been the one to whom the group left its commit.
    fn drop(&mut self) {
        self.writer.waiting.fetch_sub(1, Ordering::SeqCst);
        if self.has_turn {
            return;
        }
        let (shared, waiting) = (
            Arc::clone(&self.writer.shared),
            Arc::clone(&self.writer.waiting),
        );
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let mut shared = shared.lock_owned().await;
                shared.commit_unless_others_wait(&waiting);
            });
        }
    }
}

impl Turn {
    #[expect(
        clippy::expect_used,
        reason = "only `commit`, which consumes the turn, and `drop` take the guard"
    )]
    fn shared(&mut self) -> &mut Shared {
        self.shared
            .as_deref_mut()
            .expect("the turn still holds the writer")
    }

    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.shared().connection
    }

    /// Releases the savepoint and waits until the shared transaction is on disk.
    pub(crate) async fn commit(mut self) -> Result<()> {
        let Some(mut shared) = self.shared.take() else {
            return Err(Error::group_failed());
        };
        if let Err(error) = shared.run("RELEASE use_case") {
            shared.fail();
            return Err(error);
        }
        let (sender, receiver) = oneshot::channel();
        shared.group.push(sender);
        shared.commit_unless_others_wait(&self.waiting);
        drop(shared);
        match receiver.await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Error::group_failed()),
        }
    }
}

impl Drop for Turn {
    /// Takes the savepoint back; the group goes on without this use case.
    fn drop(&mut self) {
        let Some(mut shared) = self.shared.take() else {
            return;
        };
        let undone = shared.run("ROLLBACK TO use_case");
        if undone
            .and_then(|()| shared.run("RELEASE use_case"))
            .is_err()
        {
            shared.fail();
        } else {
            shared.commit_unless_others_wait(&self.waiting);
        }
    }
}

impl Shared {
    fn run(&mut self, sql: &'static str) -> Result<()> {
        self.connection.prepare_cached(sql)?.raw_execute()?;
        Ok(())
    }

    fn begin(&mut self) -> Result<()> {
        if !self.open {
            // IMMEDIATE: a deferred transaction that reads first fails at once when somebody else has written.
            self.run("BEGIN IMMEDIATE")?;
            self.open = true;
        }
        if let Err(error) = self.run("SAVEPOINT use_case") {
            self.fail();
            return Err(error);
        }
        Ok(())
    }

    fn commit_unless_others_wait(&mut self, waiting: &AtomicUsize) {
        if waiting.load(Ordering::SeqCst) == 0 || self.group.len() >= GROUP_LIMIT {
            self.commit();
        }
    }

    fn commit(&mut self) {
        if !self.open {
            return;
        }
        // It waits for the disk.
        match sqlite::off_worker(|| self.run("COMMIT")) {
            Ok(()) => {
                self.open = false;
                self.answer(true);
            }
            Err(error) => {
                tracing::error!(%error, "The shared transaction could not be committed");
                self.fail();
            }
        }
    }

    /// Gives the whole transaction up and tells everybody in it.
    fn fail(&mut self) {
        // SQLite may have rolled back by itself (disk full, I/O error); then this says so and changes nothing.
        let _ = self.run("ROLLBACK");
        self.open = false;
        self.answer(false);
    }

    fn answer(&mut self, stored: bool) {
        for sender in self.group.drain(..) {
            // A caller that has gone away needs no answer.
            let _ = sender.send(stored);
        }
    }
}
