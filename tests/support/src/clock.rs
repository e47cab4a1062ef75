use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use vestibule_core::Timestamp;

/// 2026-11-22T00:00:00Z, where every test begins.
const START: Timestamp = Timestamp::from_unix_seconds(1_795_305_600);

/// A clock that moves only when a test says so; clones show the same time.
#[derive(Debug, Clone)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    /// A clock at the instant where every test begins.
    pub fn new() -> Self {
        Self(Arc::new(AtomicI64::new(START.micros())))
    }

    /// The time it shows.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }

    /// Moves it forward and gives the new time.
    pub fn advance(&self, by: Duration) -> Timestamp {
        self.set(self.now().after(by));
        self.now()
    }

    /// Sets it, backward too: clocks of machines do that.
    pub fn set(&self, to: Timestamp) {
        self.0.store(to.micros(), Ordering::SeqCst);
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}
