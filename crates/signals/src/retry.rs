//! When to try a delivery again, and when to give it to a person.

/// Waiting times between the attempts of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Seconds to wait after the first attempt, the second, and so on.
    waits: &'static [i64],
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try again after so many seconds. The host may add some of its own chance, up to a tenth.
    RetryIn(i64),
    /// That was the last attempt: show it in the dead-letter list.
    DeadLetter,
}

const SECOND: i64 = 1;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// Webhooks: ten attempts over about three days, as Standard Webhooks recommends.
pub const WEBHOOK: Schedule = Schedule {
    waits: &[
        5 * SECOND,
        5 * MINUTE,
        30 * MINUTE,
        2 * HOUR,
        5 * HOUR,
        10 * HOUR,
        14 * HOUR,
        20 * HOUR,
        24 * HOUR,
    ],
};

/// Logout notices: close together at first, since a session stays open meanwhile; over about a day.
pub const LOGOUT: Schedule = Schedule {
    waits: &[
        SECOND,
        5 * SECOND,
        15 * SECOND,
        MINUTE,
        5 * MINUTE,
        15 * MINUTE,
        HOUR,
        3 * HOUR,
        6 * HOUR,
        12 * HOUR,
    ],
};

impl Schedule {
    /// What follows after `attempts` attempts have failed. Zero attempts have failed at once: the
    /// first attempt waits for nothing.
    pub fn after(&self, attempts: u32) -> Next {
        let Some(index) = attempts.checked_sub(1) else {
            return Next::RetryIn(0);
        };
        let wait = usize::try_from(index)
            .ok()
            .and_then(|index| self.waits.get(index));
        wait.map_or(Next::DeadLetter, |wait| Next::RetryIn(*wait))
    }

    /// How many attempts a delivery gets in all.
    pub fn max_attempts(&self) -> usize {
        self.waits.len() + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_attempt_is_immediate_and_last_failure_is_a_dead_letter() {
        for schedule in [WEBHOOK, LOGOUT] {
            assert_eq!(schedule.after(0), Next::RetryIn(0));
            let last = u32::try_from(schedule.max_attempts()).unwrap();
            assert!(matches!(schedule.after(last - 1), Next::RetryIn(_)));
            assert_eq!(schedule.after(last), Next::DeadLetter);
            assert_eq!(schedule.after(u32::MAX), Next::DeadLetter);
        }
    }

    #[test]
    fn waits_grow() {
        for schedule in [WEBHOOK, LOGOUT] {
            assert!(schedule.waits.is_sorted_by(|a, b| a < b));
        }
    }

    #[test]
    fn webhooks_are_tried_for_three_days() {
        let total: i64 = WEBHOOK.waits.iter().sum();
        assert!((3 * 24 * HOUR..4 * 24 * HOUR).contains(&total));
        assert_eq!(WEBHOOK.max_attempts(), 10);
    }
}
