use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Choices that a seed repeats (SplitMix64).
#[derive(Debug)]
pub(crate) struct Dice {
    state: Mutex<u64>,
}

impl Dice {
    /// Dice with the seed of `VESTIBULE_RACE_SEED`, or else with one that is printed.
    #[expect(
        clippy::disallowed_methods,
        reason = "a seed that nobody chose comes from the clock"
    )]
    pub(crate) fn new() -> Self {
        let asked = std::env::var("VESTIBULE_RACE_SEED").ok();
        let seed = match asked {
            Some(seed) => seed.parse().expect("VESTIBULE_RACE_SEED is a number"),
            None => u64::from(
                SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .expect("a clock after 1970")
                    .subsec_nanos(),
            ),
        };
        println!("VESTIBULE_RACE_SEED={seed}");
        Self {
            state: Mutex::new(seed),
        }
    }

    fn next(&self) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`.
    pub(crate) fn below(&self, limit: usize) -> usize {
        let limit = u64::try_from(limit).expect("a small number");
        usize::try_from(self.next() % limit).expect("a small number")
    }

    /// True once in so many times.
    pub(crate) fn once_in(&self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// Waits for less than so many milliseconds.
    pub(crate) async fn pause(&self, milliseconds: u64) {
        let micros = self.next() % (milliseconds * 1000).max(1);
        tokio::time::sleep(Duration::from_micros(micros)).await;
    }

    /// A word that nobody guesses: a PKCE verifier or a state.
    pub(crate) fn word(&self) -> String {
        format!(
            "{:016x}{:016x}{:016x}",
            self.next(),
            self.next(),
            self.next()
        )
    }
}
