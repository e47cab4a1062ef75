//! The keys of one connection, shared by its logins.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::header::ACCEPT;
use openidconnect::JsonWebKeySet;
use openidconnect::core::CoreJsonWebKey;
use url::Url;

use crate::flight::{Flight, Landed};
use crate::{Error, HttpClient, KeyCache, KeyDecision, document};

const DOCUMENT: &str = "key set";

/// The keys of one identity provider: clones share one cache, and one fetch serves all who wait for it.
///
/// Keep it as long as the process lives, one per connection; [`KeyRing`] does that for many.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    cache: KeyCache,
    flight: Option<Arc<Flight>>,
}

pub(crate) type KeySet = JsonWebKeySet<CoreJsonWebKey>;

impl Keys {
    /// No keys yet; the first login fetches them.
    pub fn new() -> Self {
        Self::default()
    }

    /// The keys to judge a token with, fetched if the rule of [`KeyCache`] says so.
    pub(crate) async fn for_kid(
        &self,
        kid: Option<&str>,
        jwks_uri: &Url,
        client: &dyn HttpClient,
        now: i64,
    ) -> Result<KeySet, Error> {
        {
            let state = self.lock();
            if state.cache.decide(kid, now) == KeyDecision::Use {
                return Ok(state.cache.keys().clone());
            }
        }
        self.refetch(kid, jwks_uri, client, now).await
    }

    /// As [`Keys::for_kid`], but fetches even if the key is known: it did not fit the token.
    pub(crate) async fn refetch(
        &self,
        kid: Option<&str>,
        jwks_uri: &Url,
        client: &dyn HttpClient,
        now: i64,
    ) -> Result<KeySet, Error> {
        let mut failure = None;
        loop {
            let turn = self.next_turn(now);
            match turn {
                Turn::Fetch(flight) => {
                    let landing = Landing {
                        keys: self,
                        flight: &flight,
                    };
                    let fetched = fetch(jwks_uri, client).await;
                    let mut state = self.lock();
                    let stored =
                        fetched.and_then(|(body, max_age)| state.cache.put(&body, max_age, now));
                    drop(state);
                    flight.land(Landed::Finished);
                    drop(landing);
                    failure = stored.err();
                    break;
                }
                Turn::Wait(flight) => {
                    if flight.landed().await == Landed::Finished {
                        break;
                    }
                }
                Turn::Spent => break,
            }
        }
        let state = self.lock();
        match state.cache.decide_without_fetch(kid, now) {
            KeyDecision::Use => Ok(state.cache.keys().clone()),
            _ => Err(failure.unwrap_or_else(|| {
                if state.cache.fetched_at().is_some() {
                    Error::UnknownKey {
                        kid: kid.map(str::to_owned),
                    }
                } else {
                    Error::KeysUnavailable
                }
            })),
        }
    }

    #[cfg(test)]
    pub(crate) fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }

    fn next_turn(&self, now: i64) -> Turn {
        let mut state = self.lock();
        if let Some(flight) = &state.flight {
            return Turn::Wait(Arc::clone(flight));
        }
        if !state.cache.take_fetch(now) {
            return Turn::Spent;
        }
        let flight = Arc::new(Flight::default());
        state.flight = Some(Arc::clone(&flight));
        Turn::Fetch(flight)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held; were it to, the cache would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Turn {
    Fetch(Arc<Flight>),
    Wait(Arc<Flight>),
    Spent,
}

/// Clears the flight when the fetch ends, also when its caller was dropped half-way.
struct Landing<'a> {
    keys: &'a Keys,
    flight: &'a Flight,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.keys.lock().flight = None;
        self.flight.land(Landed::Abandoned);
    }
}

async fn fetch(jwks_uri: &Url, client: &dyn HttpClient) -> Result<(Vec<u8>, Option<i64>), Error> {
    let request = http::Request::get(jwks_uri.as_str())
        .header(ACCEPT, "application/json, application/jwk-set+json")
        .body(Vec::new())
        .map_err(|_| Error::Url {
            name: "jwks_uri",
            reason: "it is not a valid request target",
        })?;
    let response = document::send(client, request, DOCUMENT).await?;
    let max_age = document::max_age(&response);
    Ok((response.into_body(), max_age))
}

/// The [`Keys`] of many connections by the host's name for each.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    keys: Arc<Mutex<HashMap<String, Keys>>>,
}

impl KeyRing {
    /// An empty ring.
    pub fn new() -> Self {
        Self::default()
    }

    /// The keys of a connection, empty at first.
    ///
    /// Put the `jwks_uri` or a revision into the name if the connection can be moved to another provider.
    pub fn of(&self, connection: &str) -> Keys {
        self.lock()
            .entry(connection.to_owned())
            .or_default()
            .clone()
    }

    /// Forgets the keys of a connection.
    pub fn remove(&self, connection: &str) {
        self.lock().remove(connection);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Keys>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
