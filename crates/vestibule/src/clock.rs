//! The one place that reads the wall clock; everything below is told what time it is.

use std::time::{SystemTime, UNIX_EPOCH};

use vestibule_core::Timestamp;
use vestibule_engine::Clock;

/// The clock of this machine.
pub fn system() -> Clock {
    Clock::new(|| {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the edge at which the clock is read"
        )]
        let elapsed = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_micros(i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX))
    })
}
