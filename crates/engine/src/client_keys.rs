//! The published keys of applications that name a `jwks_uri`: when they are read, and when again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;
use vestibule_core::{ApplicationId, Timestamp};
use vestibule_issuer::client_assertion::ClientKeys;

use crate::{
    Engine,
    outbound::{Class, Outbound},
};

/// Keys are taken as they were read for an hour, and for a day while nobody answers, in seconds.
const FRESH: i64 = 60 * 60;
const USABLE: i64 = 24 * 60 * 60;
/// Reads at once for one application, and how long it takes until one more is allowed, in seconds. An assertion by a key
/// that we do not know costs one, so that a new key counts at once and a stranger cannot make us call without end.
const BURST: i64 = 2;
const REFILL: i64 = 30;

/// What was read, by application.
#[derive(Debug, Default)]
pub(crate) struct PublishedKeys(Mutex<HashMap<ApplicationId, Kept>>);

#[derive(Debug, Default)]
struct Kept {
    uri: String,
    keys: Option<Arc<ClientKeys>>,
    read_at: i64,
    /// When the reads that were used up are all back.
    refilled_at: i64,
}

impl PublishedKeys {
    /// The keys as they were read, while they may be used, and whether they may be read again now.
    fn get(&self, id: ApplicationId, uri: &str, now: i64, longest: i64) -> Option<Arc<ClientKeys>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.get(&id).filter(|kept| kept.uri == uri)?;
        let age = now.checked_sub(kept.read_at)?;
        kept.keys.clone().filter(|_| (0..longest).contains(&age))
    }

    /// Whether the application's keys may be read now; that read counts.
    fn take_read(&self, id: ApplicationId, uri: &str, now: i64) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all.entry(id).or_default();
        if kept.uri != uri {
            *kept = Kept {
                uri: uri.to_owned(),
                ..Kept::default()
            };
        }
        let busy_until = kept.refilled_at.max(now);
        let admitted = busy_until - now <= (BURST - 1) * REFILL;
        if admitted {
            kept.refilled_at = busy_until + REFILL;
        }
        admitted
    }

    fn put(&self, id: ApplicationId, uri: &str, keys: Arc<ClientKeys>, now: i64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever changed the address meanwhile has begun anew.
        if let Some(kept) = all.get_mut(&id).filter(|kept| kept.uri == uri) {
            kept.keys = Some(keys);
            kept.read_at = now;
        }
    }
}

impl Engine {
    /// What `prove` makes of the keys at an application's `jwks_uri`; they are read again when it finds nothing with the
    /// ones that we know. None also when nobody answers there.
    pub(crate) async fn with_published_keys<T>(
        &self,
        id: ApplicationId,
        uri: &str,
        now: Timestamp,
        prove: impl Fn(&ClientKeys) -> Option<T>,
    ) -> Option<T> {
        let seconds = now.unix_seconds();
        let known = self.published_keys().get(id, uri, seconds, FRESH);
        if let Some(proven) = known.as_deref().and_then(&prove) {
            return Some(proven);
        }
        if self.published_keys().take_read(id, uri, seconds) {
            match read(self.outbound(), uri).await {
                Ok(keys) => {
                    let keys = Arc::new(keys);
                    self.published_keys()
                        .put(id, uri, Arc::clone(&keys), seconds);
                    return prove(&keys);
                }
                Err(reason) => {
                    tracing::warn!(application = %id, %reason, "The keys of an application could not be read");
                }
            }
        }
        let stale = self.published_keys().get(id, uri, seconds, USABLE);
        stale.as_deref().and_then(prove)
    }
}

async fn read(outbound: &Outbound, uri: &str) -> Result<ClientKeys, String> {
    let request = http::Request::get(uri)
        .header(
            http::header::ACCEPT,
            "application/jwk-set+json, application/json",
        )
        .body(Vec::new())
        .map_err(|error| error.to_string())?;
    let response = outbound
        .send(Class::Operator, request)
        .await
        .map_err(|error| error.to_string())?;
    if response.status() != http::StatusCode::OK {
        return Err(format!("the answer is {}", response.status()));
    }
    let document: Value =
        serde_json::from_slice(response.body()).map_err(|_| "the answer is no JSON".to_owned())?;
    ClientKeys::published(&document).map_err(|error| format!("the key set {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vestibule_core::Generator;

    #[test]
    fn reads_are_rationed_for_each_application_and_address() {
        let generator = Generator::seeded_for_tests(7);
        let [one, other]: [ApplicationId; 2] =
            [0, 1].map(|second| generator.id(Timestamp::from_unix_seconds(second)));
        let keys = PublishedKeys::default();
        let admitted = |id, uri, now| keys.take_read(id, uri, now);
        assert!(admitted(one, "a", 100));
        assert!(admitted(one, "a", 100));
        assert!(!admitted(one, "a", 100));
        assert!(admitted(other, "a", 100));
        assert!(!admitted(one, "a", 129));
        assert!(admitted(one, "a", 130));
        assert!(!admitted(one, "a", 131));
        assert!(admitted(one, "b", 131), "another address begins anew");
    }

    #[test]
    fn keys_serve_an_hour_and_a_day_when_nobody_answers() {
        let id = Generator::seeded_for_tests(7).id(Timestamp::from_unix_seconds(0));
        let keys = PublishedKeys::default();
        let set = serde_json::json!({ "keys": [
            { "kty": "OKP", "crv": "Ed25519", "kid": "1", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" },
        ]});
        assert!(keys.take_read(id, "a", 0));
        let read = Arc::new(ClientKeys::published(&set).unwrap());
        keys.put(id, "elsewhere", Arc::clone(&read), 0);
        assert!(keys.get(id, "a", 0, FRESH).is_none());
        keys.put(id, "a", read, 0);
        assert!(keys.get(id, "a", FRESH - 1, FRESH).is_some());
        assert!(keys.get(id, "a", FRESH, FRESH).is_none());
        assert!(keys.get(id, "a", FRESH, USABLE).is_some());
        assert!(keys.get(id, "a", USABLE, USABLE).is_none());
        assert!(
            keys.get(id, "a", -1, FRESH).is_none(),
            "a clock that was set back"
        );
        assert!(keys.get(id, "b", 0, FRESH).is_none());
    }
}
