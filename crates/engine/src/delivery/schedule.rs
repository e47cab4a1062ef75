//! When a kind of delivery is tried again.

use std::time::Duration;

use vestibule_core::{Generator, Timestamp};
use vestibule_signals::retry::{LOGOUT, Next, Schedule, WEBHOOK};
use vestibule_store::{Destination, Job};

/// How often and for how long a kind is tried; work of our own is tried until it is done.
pub(super) const fn schedule_of(kind: Destination) -> Option<Schedule> {
    match kind {
        Destination::Logout => Some(LOGOUT),
        Destination::Webhook | Destination::Stream => Some(WEBHOOK),
        Destination::FanOut => None,
    }
}

/// When a job whose attempt failed is tried again; none when that was the last.
pub(super) fn next_attempt(
    kind: Destination,
    job: &Job,
    generator: &Generator,
    now: Timestamp,
) -> Option<Timestamp> {
    let attempts = u32::try_from(job.attempts).unwrap_or(u32::MAX);
    let age = now
        .unix_seconds()
        .saturating_sub(job.due_since.unix_seconds());
    let next = match schedule_of(kind) {
        Some(schedule) => schedule.after(attempts, age),
        None => LOGOUT.after(attempts, 0),
    };
    let Next::RetryIn(seconds) = next else {
        return None;
    };
    let wait = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    Some(now.after(wait.saturating_add(jitter(wait, generator))))
}

/// Up to a tenth of a wait, by chance, so that what failed together is not tried again together.
fn jitter(wait: Duration, generator: &Generator) -> Duration {
    let chance = u32::from(u16::from_be_bytes(generator.bytes()));
    (wait / 10 * chance) / u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_at_most_a_tenth_and_differs() {
        let generator = Generator::seeded_for_tests(7);
        let wait = Duration::from_hours(24);
        let drawn: Vec<_> = (0..50).map(|_| jitter(wait, &generator)).collect();
        assert!(drawn.iter().all(|jitter| *jitter <= wait / 10));
        assert!(drawn.iter().any(|jitter| *jitter > wait / 20));
        assert!(drawn.iter().any(|jitter| *jitter < wait / 20));
    }
}
