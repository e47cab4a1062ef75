use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use aws_lc_rs::{digest, rand};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use crate::{Secret, Timestamp, id::Id, id::Noun};

/// The one source of chance: ids, tokens and nonces come from here.
#[derive(Debug, Clone)]
pub struct Generator(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Seeded { seed: u64, drawn: Arc<AtomicU64> },
}

impl Generator {
    /// Draws from the operating system.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// Draws a repeatable sequence, for tests only: its tokens can be guessed.
    pub fn seeded_for_tests(seed: u64) -> Self {
        Self(Source::Seeded {
            seed,
            drawn: Arc::default(),
        })
    }

    /// A new id: a UUIDv7 of this instant, so that ids sort by creation.
    pub fn id<N: Noun>(&self, now: Timestamp) -> Id<N> {
        let random: [u8; 10] = self.bytes();
        let millis = u64::try_from(now.micros().div_euclid(1000)).unwrap_or(0);
        Id::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// Fresh random bytes.
    ///
    /// # Panics
    /// When the operating system has no randomness to give; nothing safe can be done without it.
    #[expect(
        clippy::expect_used,
        reason = "going on without randomness would hand out guessable credentials"
    )]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match &self.0 {
            Source::System => {
                rand::fill(&mut bytes).expect("the operating system gives random bytes");
            }
            Source::Seeded { seed, drawn } => {
                for chunk in bytes.chunks_mut(32) {
                    let count = drawn.fetch_add(1, Ordering::Relaxed);
                    let input = [seed.to_be_bytes(), count.to_be_bytes()].concat();
                    let block = digest::digest(&digest::SHA256, &input);
                    chunk
                        .iter_mut()
                        .zip(block.as_ref())
                        .for_each(|(to, from)| *to = *from);
                }
            }
        }
        bytes
    }

    /// A token of 256 bits behind a prefix that says what it is, such as `vdt_`.
    pub fn token(&self, prefix: &str) -> Secret {
        let bytes: [u8; 32] = self.bytes();
        Secret::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// A random UUID for things that have no noun, such as a `jti`.
    pub fn uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UserId;

    #[test]
    fn ids_sort_by_creation() {
        let generator = Generator::system();
        let early: UserId = generator.id(Timestamp::from_unix_seconds(1_700_000_000));
        let late: UserId = generator.id(Timestamp::from_unix_seconds(1_700_000_001));
        assert!(early < late && early.to_string() < late.to_string());
    }

    #[test]
    fn seeded_generators_repeat_and_never_draw_twice() {
        let (one, two) = (
            Generator::seeded_for_tests(7),
            Generator::seeded_for_tests(7),
        );
        let drawn: [[u8; 32]; 2] = [one.bytes(), one.bytes()];
        assert_ne!(drawn[0], drawn[1]);
        assert_eq!(drawn, [two.bytes(), two.bytes()]);
    }
}
