//! The wall clock of the outside world.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch.
#[expect(
    clippy::disallowed_methods,
    reason = "the simulators are outside parties with clocks of their own"
)]
pub(crate) fn unix_millis() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or_default()
}

/// Seconds since the Unix epoch, as JWT claims count them (RFC 7519 §2, NumericDate).
pub(crate) fn unix_seconds() -> i64 {
    unix_millis() / 1000
}
