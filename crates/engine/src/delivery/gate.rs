//! Who may call now: a node makes so many calls at once, and only some of them to one destination.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::{Semaphore, SemaphorePermit};

/// Calls that one node makes at the same time, for each kind.
const CALLS_AT_ONCE: usize = 32;
/// Calls that one node makes to one destination at the same time, so that one that hangs leaves most slots to others.
const CALLS_PER_DESTINATION: usize = 8;

/// The gates of one kind's destinations.
#[derive(Debug)]
pub(super) struct Gates {
    all: Arc<Semaphore>,
    gates: HashMap<String, Arc<Gate>>,
}

/// The way to one destination, while jobs for it are in hand.
#[derive(Debug)]
pub(super) struct Gate {
    all: Arc<Semaphore>,
    own: Semaphore,
    shut: AtomicBool,
}

/// The right to make one call, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'g> {
    _own: SemaphorePermit<'g>,
    _all: SemaphorePermit<'g>,
}

impl Gates {
    pub(super) fn new() -> Self {
        Self {
            all: Arc::new(Semaphore::new(CALLS_AT_ONCE)),
            gates: HashMap::new(),
        }
    }

    /// The gate of a destination; every job in hand for it waits at the same one.
    pub(super) fn of(&mut self, destination: &str) -> Arc<Gate> {
        if let Some(gate) = self.gates.get(destination) {
            return Arc::clone(gate);
        }
        let gate = Arc::new(Gate {
            all: Arc::clone(&self.all),
            own: Semaphore::new(CALLS_PER_DESTINATION),
            shut: AtomicBool::new(false),
        });
        self.gates.insert(destination.to_owned(), Arc::clone(&gate));
        gate
    }

    /// Forgets gates at which nobody waits.
    pub(super) fn forget_idle(&mut self) {
        self.gates.retain(|_, gate| Arc::strong_count(gate) > 1);
    }
}

impl Gate {
    /// Waits for the turn; none once the breaker has opened, or when the node stops.
    pub(super) async fn turn(&self) -> Option<Turn<'_>> {
        let own = self.own.acquire().await.ok()?;
        let all = self.all.acquire().await.ok()?;
        let turn = Turn {
            _own: own,
            _all: all,
        };
        (!self.shut.load(Ordering::SeqCst)).then_some(turn)
    }

    /// Lets nobody through any more who waits now.
    pub(super) fn shut(&self) {
        self.shut.store(true, Ordering::SeqCst);
    }
}
