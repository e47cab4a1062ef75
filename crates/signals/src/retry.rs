//! When to try a delivery again, when to leave a destination alone, and when to give a delivery to a person.

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

/// Attempts that a delivery gets in any case, also when its time was over before the first.
const FEWEST_ATTEMPTS: u32 = 3;

impl Schedule {
    /// What follows after `attempts` attempts have failed, `age` seconds after the first was due.
    ///
    /// Time decides when it is over, not the number: an attempt that was begun by a process that died counts as one,
    /// and must not shorten the days. Later attempts wait as long as the last.
    pub fn after(&self, attempts: u32, age: i64) -> Next {
        let Some(index) = attempts.checked_sub(1) else {
            return Next::RetryIn(0);
        };
        if attempts >= FEWEST_ATTEMPTS && age >= self.span() {
            return Next::DeadLetter;
        }
        let wait = usize::try_from(index)
            .ok()
            .and_then(|index| self.waits.get(index))
            .or(self.waits.last());
        Next::RetryIn(wait.copied().unwrap_or(0))
    }

    /// Seconds from the first attempt to the last.
    pub fn span(&self) -> i64 {
        self.waits.iter().sum()
    }

    /// How many attempts a delivery gets in all, if every one of them comes about.
    pub fn max_attempts(&self) -> usize {
        self.waits.len() + 1
    }
}

/// Failures in a row, of whatever deliveries, after which a destination is left alone for a while.
const TOLERATED_FAILURES: i64 = 5;
const FIRST_REST: i64 = 30 * SECOND;
const LONGEST_REST: i64 = 5 * MINUTE;

/// How many seconds a destination is left alone after so many failures in a row; none while it may go on.
///
/// After the rest one delivery tries. Its success lets all others go; its failure makes the next rest twice as long, up
/// to five minutes, so that a receiver that is back waits no longer than that.
pub fn rest_after(failures: i64) -> Option<i64> {
    if failures < TOLERATED_FAILURES {
        return None;
    }
    let further = u32::try_from(failures - TOLERATED_FAILURES).unwrap_or(u32::MAX);
    let rest = 2_i64
        .checked_pow(further)
        .and_then(|times| times.checked_mul(FIRST_REST));
    Some(rest.map_or(LONGEST_REST, |rest| rest.min(LONGEST_REST)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_attempt_is_immediate_and_last_failure_is_a_dead_letter() {
        for schedule in [WEBHOOK, LOGOUT] {
            assert_eq!(schedule.after(0, 0), Next::RetryIn(0));
            let last = u32::try_from(schedule.max_attempts()).unwrap();
            let mut age = 0;
            for attempts in 1..last {
                let Next::RetryIn(wait) = schedule.after(attempts, age) else {
                    panic!("{attempts} attempts are not all");
                };
                age += wait;
            }
            assert_eq!(age, schedule.span());
            assert_eq!(schedule.after(last, age), Next::DeadLetter);
            assert_eq!(schedule.after(u32::MAX, i64::MAX), Next::DeadLetter);
        }
    }

    #[test]
    fn attempts_that_never_came_about_shorten_nothing() {
        assert_eq!(LOGOUT.after(100, 60), Next::RetryIn(12 * HOUR));
    }

    #[test]
    fn a_delivery_whose_time_was_over_at_once_is_tried_three_times() {
        let age = WEBHOOK.span() + 1;
        assert_eq!(WEBHOOK.after(1, age), Next::RetryIn(5));
        assert_eq!(WEBHOOK.after(2, age), Next::RetryIn(5 * MINUTE));
        assert_eq!(WEBHOOK.after(3, age), Next::DeadLetter);
    }

    #[test]
    fn waits_grow() {
        for schedule in [WEBHOOK, LOGOUT] {
            assert!(schedule.waits.is_sorted_by(|a, b| a < b));
        }
    }

    #[test]
    fn webhooks_are_tried_for_three_days_and_logouts_for_one() {
        assert!((3 * 24 * HOUR..4 * 24 * HOUR).contains(&WEBHOOK.span()));
        assert_eq!(WEBHOOK.max_attempts(), 10);
        assert!((22 * HOUR..26 * HOUR).contains(&LOGOUT.span()));
    }

    #[test]
    fn rests_begin_after_some_failures_and_are_bounded() {
        for failures in [i64::MIN, 0, 1, TOLERATED_FAILURES - 1] {
            assert_eq!(rest_after(failures), None, "{failures}");
        }
        let rests: Vec<_> = (5..11).map(rest_after).collect();
        assert_eq!(rests, [30, 60, 120, 240, 300, 300].map(Some));
        assert_eq!(rest_after(i64::MAX), Some(LONGEST_REST));
    }
}
