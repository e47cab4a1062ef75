//! When the provider's keys may be used, and when they are fetched again. No clock, no I/O.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{CoreJsonWebKey, CoreJsonWebKeyType};
use openidconnect::{JsonWebKey as _, JsonWebKeySet};
use serde::Deserialize;
use serde_json::Value;

use crate::{Error, document};

/// Keys are served this long at most, and at least, in seconds, whatever the provider's `max-age` says.
const LONGEST_FRESH: i64 = 60 * 60;
const SHORTEST_FRESH: i64 = 5 * 60;
/// Keys stay usable this long while the endpoint is down, in seconds.
const LONGEST_STALE: i64 = 24 * 60 * 60;
/// Fetches allowed at once, and how long it takes until one more is allowed, in seconds.
///
/// A burst of two lets a rotation right after a regular fetch succeed.
const BURST: u8 = 2;
const REFILL: i64 = 30;
/// More keys than this are no key set but an attack on our memory.
const MOST_KEYS: usize = 100;
/// RFC 7518 §3.3: a key of size 2048 bits or larger must be used.
const SMALLEST_RSA_BYTES: usize = 256;

/// What to do about a token's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyDecision {
    /// The cached keys are good for it.
    Use,
    /// Fetch the keys, then decide again.
    Refetch,
    /// There is no such key, and it is too early to ask again.
    Refuse,
}

/// The keys of one connection, with the rule of their use.
///
/// Served for at most an hour; an unknown key id asks for one refetch, at most two at once and one more every 30
/// seconds; stale keys stay usable for a day while the endpoint is down. Times are Unix seconds.
#[derive(Clone, Debug)]
pub struct KeyCache {
    keys: JsonWebKeySet<CoreJsonWebKey>,
    fetched_at: Option<i64>,
    fresh_until: i64,
    fetches_left: u8,
    refilled_at: i64,
}

impl Default for KeyCache {
    fn default() -> Self {
        Self::new()
    }
}

impl KeyCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self {
            keys: JsonWebKeySet::default(),
            fetched_at: None,
            fresh_until: i64::MIN,
            fetches_left: BURST,
            refilled_at: i64::MIN,
        }
    }

    /// What to do about a token whose header names `kid`, or no key.
    pub fn decide(&self, kid: Option<&str>, now: i64) -> KeyDecision {
        let known = self.knows(kid);
        if known && self.is_fresh(now) {
            return KeyDecision::Use;
        }
        if self.fetches_left_at(now) > 0 {
            return KeyDecision::Refetch;
        }
        self.decide_without_fetch(kid, now)
    }

    /// What to do when fetching is out of the question: it failed, or has just happened.
    pub fn decide_without_fetch(&self, kid: Option<&str>, now: i64) -> KeyDecision {
        if self.knows(kid) && self.is_usable(now) {
            KeyDecision::Use
        } else {
            KeyDecision::Refuse
        }
    }

    /// Takes one fetch out of the bucket; false if there is none.
    pub fn take_fetch(&mut self, now: i64) -> bool {
        let left = self.fetches_left_at(now);
        // The refill clock starts when the bucket stops being full, and keeps its fraction afterwards.
        self.refilled_at = if left == BURST {
            now
        } else {
            now.saturating_sub(now.saturating_sub(self.refilled_at).max(0) % REFILL)
        };
        self.fetches_left = left.saturating_sub(1);
        left > 0
    }

    /// Takes in a fetched key set (RFC 7517 §5) with the `max-age` of the response in seconds.
    ///
    /// Keys that cannot verify a signature are left out: symmetric ones, RSA below 2048 bits, unknown types.
    /// If none is left, that is an error and the old keys stay.
    pub fn put(&mut self, body: &[u8], max_age: Option<i64>, now: i64) -> Result<(), Error> {
        self.keys = JsonWebKeySet::new(usable_keys(body)?);
        self.fetched_at = Some(now);
        let lifetime = max_age
            .unwrap_or(LONGEST_FRESH)
            .clamp(SHORTEST_FRESH, LONGEST_FRESH);
        self.fresh_until = now.saturating_add(lifetime);
        Ok(())
    }

    /// When the keys were fetched, Unix seconds.
    pub fn fetched_at(&self) -> Option<i64> {
        self.fetched_at
    }

    pub(crate) fn keys(&self) -> &JsonWebKeySet<CoreJsonWebKey> {
        &self.keys
    }

    fn knows(&self, kid: Option<&str>) -> bool {
        match kid {
            Some(kid) => self
                .keys
                .keys()
                .iter()
                .any(|key| key.key_id().is_some_and(|id| id.as_str() == kid)),
            None => !self.keys.keys().is_empty(),
        }
    }

    /// A clock that was set back makes the age negative; such keys are asked for again rather than kept forever.
    fn is_fresh(&self, now: i64) -> bool {
        self.fetched_at
            .is_some_and(|fetched_at| fetched_at <= now && now < self.fresh_until)
    }

    fn is_usable(&self, now: i64) -> bool {
        self.fetched_at
            .is_some_and(|fetched_at| now.saturating_sub(fetched_at) < LONGEST_STALE)
    }

    fn fetches_left_at(&self, now: i64) -> u8 {
        let refilled = now.saturating_sub(self.refilled_at).max(0) / REFILL;
        self.fetches_left
            .saturating_add(u8::try_from(refilled).unwrap_or(BURST))
            .min(BURST)
    }
}

#[derive(Deserialize)]
struct KeySetDocument {
    keys: Vec<Value>,
}

fn usable_keys(body: &[u8]) -> Result<Vec<CoreJsonWebKey>, Error> {
    const DOCUMENT: &str = "key set";
    let found: KeySetDocument = document::parse(body, DOCUMENT)?;
    if found.keys.len() > MOST_KEYS {
        return Err(Error::Malformed {
            document: DOCUMENT,
            detail: "more than 100 keys".to_owned(),
        });
    }
    let keys: Vec<_> = found
        .keys
        .into_iter()
        .filter(is_strong)
        .filter_map(|key| serde_json::from_value::<CoreJsonWebKey>(key).ok())
        .filter(|key| *key.key_type() != CoreJsonWebKeyType::Symmetric)
        .collect();
    if keys.is_empty() {
        return Err(Error::Malformed {
            document: DOCUMENT,
            detail: "no usable signature key".to_owned(),
        });
    }
    Ok(keys)
}

fn is_strong(key: &Value) -> bool {
    if key.get("kty").and_then(Value::as_str) != Some("RSA") {
        return true;
    }
    let modulus = key
        .get("n")
        .and_then(Value::as_str)
        .and_then(|n| URL_SAFE_NO_PAD.decode(n).ok());
    modulus.is_some_and(|modulus| {
        modulus.iter().skip_while(|byte| **byte == 0).count() >= SMALLEST_RSA_BYTES
    })
}
