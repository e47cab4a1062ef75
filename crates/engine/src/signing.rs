//! The keys that sign our tokens: sealed at rest, parsed once, published before and after they sign.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use vestibule_core::Timestamp;
use vestibule_issuer::keys::{Algorithm, KeySet, KeyState, SigningKey};
use vestibule_store::{Store, StoredSigningKey, WriteTx};

use crate::{Fault, vault::Vault};

const PLACE: &str = "signing_keys.private";
const CHECK_NAME: &str = "master_key_check";
const CHECK_VALUE: &[u8] = b"vestibule";
/// Longer than any token lives and any JWKS is cached.
const PUBLISHED_AFTER_RETIREMENT: Duration = Duration::from_secs(24 * 3600);
/// Long enough for every cache of the JWKS, which may keep it for 300 seconds and is seldom asked to keep it for a day.
const PUBLISHED_BEFORE_USE: Duration = Duration::from_secs(24 * 3600);
/// How long a key signs.
const SIGNS_FOR: Duration = Duration::from_secs(90 * 24 * 3600);

/// Whether the master key opens the stored check value; the first start stores one.
pub(crate) async fn check_master_key(
    store: &Store,
    vault: &Vault,
    now: Timestamp,
) -> Result<bool, Fault> {
    let mut tx = store.write(now).await?;
    tx.lock_installation().await?;
    if let Some(sealed) = tx.find_meta(CHECK_NAME).await? {
        let sealed = STANDARD.decode(sealed).unwrap_or_default();
        return Ok(vault.unseal("meta.value", CHECK_NAME, &sealed).as_deref() == Some(CHECK_VALUE));
    }
    let sealed = vault.seal("meta.value", CHECK_NAME, CHECK_VALUE);
    tx.add_meta(CHECK_NAME, &STANDARD.encode(sealed)).await?;
    tx.commit().await?;
    Ok(true)
}

/// The stored keys; algorithms that have none get one.
pub(crate) async fn load_or_make(
    store: &Store,
    vault: &Vault,
    now: Timestamp,
) -> Result<KeySet, Fault> {
    let mut stored = store.read(now).await?.list_signing_keys().await?;
    if Algorithm::ALL
        .iter()
        .any(|algorithm| !has_active(&stored, *algorithm))
    {
        let mut tx = store.write(now).await?;
        tx.lock_installation().await?;
        stored = tx.list_signing_keys().await?;
        for algorithm in Algorithm::ALL {
            if !has_active(&stored, algorithm) {
                stored.push(add_key(&mut tx, vault, algorithm, KeyState::Active, now).await?);
            }
        }
        tx.commit().await?;
    }
    let keys = stored
        .iter()
        .map(|key| parse(vault, key))
        .collect::<Result<Vec<_>, Fault>>()?;
    Ok(KeySet::new(keys)?)
}

/// How keys change hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// The next keys are published now and sign when every cache knows them.
    Publish,
    /// The next keys sign at once; the old ones stay published.
    Now,
    /// The next keys sign at once, and nothing that the old ones signed is believed any more: they may be stolen.
    Withdraw,
}

/// Publishes the next keys, or lets them sign and retires those before.
pub(crate) async fn rotate(
    store: &Store,
    vault: &Vault,
    rotation: Rotation,
    now: Timestamp,
) -> Result<(), Fault> {
    let mut tx = store.write(now).await?;
    tx.lock_installation().await?;
    let stored = tx.list_signing_keys().await?;
    for algorithm in Algorithm::ALL {
        let next = next_of(&stored, algorithm);
        match (rotation, next) {
            (Rotation::Publish, Some(_)) => {}
            (Rotation::Publish, None) => {
                add_key(&mut tx, vault, algorithm, KeyState::Next, now).await?;
            }
            (Rotation::Now | Rotation::Withdraw, Some(next)) => {
                tx.retire_signing_keys(algorithm.as_str()).await?;
                tx.activate_signing_key(&next.id).await?;
            }
            (Rotation::Now | Rotation::Withdraw, None) => {
                tx.retire_signing_keys(algorithm.as_str()).await?;
                add_key(&mut tx, vault, algorithm, KeyState::Active, now).await?;
            }
        }
    }
    let until = match rotation {
        // Those that were retired just now are gone as well.
        Rotation::Withdraw => now.after(Duration::from_secs(1)),
        Rotation::Publish | Rotation::Now => now.before(PUBLISHED_AFTER_RETIREMENT),
    };
    tx.remove_signing_keys(until).await?;
    tx.commit().await?;
    Ok(())
}

/// What the schedule wants of the stored keys; none when it is content.
fn due(stored: &[StoredSigningKey], now: Timestamp) -> bool {
    Algorithm::ALL
        .iter()
        .any(|algorithm| is_due(stored, *algorithm, now).is_some())
        || stored.iter().any(|key| {
            key.retired_at
                .is_some_and(|retired| now.since(retired) > PUBLISHED_AFTER_RETIREMENT)
        })
}

enum Due {
    Publish,
    Activate(String),
}

fn is_due(stored: &[StoredSigningKey], algorithm: Algorithm, now: Timestamp) -> Option<Due> {
    if let Some(next) = next_of(stored, algorithm) {
        let known = now.since(next.created_at) >= PUBLISHED_BEFORE_USE;
        return known.then(|| Due::Activate(next.id.clone()));
    }
    let active = stored
        .iter()
        .find(|key| key.algorithm == algorithm.as_str() && key.state == "active")?;
    let since = active.activated_at.unwrap_or(active.created_at);
    let old = now.since(since) >= SIGNS_FOR.saturating_sub(PUBLISHED_BEFORE_USE);
    old.then_some(Due::Publish)
}

/// Does what the schedule wants: next keys are published a day before they sign, and old ones go a day after.
pub(crate) async fn follow_schedule(
    store: &Store,
    vault: &Vault,
    now: Timestamp,
) -> Result<(), Fault> {
    let stored = store.read(now).await?.list_signing_keys().await?;
    if !due(&stored, now) {
        return Ok(());
    }
    let mut tx = store.write(now).await?;
    tx.lock_installation().await?;
    // Another node may have done it meanwhile.
    let stored = tx.list_signing_keys().await?;
    for algorithm in Algorithm::ALL {
        match is_due(&stored, algorithm, now) {
            Some(Due::Publish) => {
                add_key(&mut tx, vault, algorithm, KeyState::Next, now).await?;
            }
            Some(Due::Activate(id)) => {
                tx.retire_signing_keys(algorithm.as_str()).await?;
                tx.activate_signing_key(&id).await?;
                tracing::info!(key.id = %id, algorithm = %algorithm, "A signing key signs from now on");
            }
            None => {}
        }
    }
    tx.remove_signing_keys(now.before(PUBLISHED_AFTER_RETIREMENT))
        .await?;
    tx.commit().await?;
    Ok(())
}

fn next_of(stored: &[StoredSigningKey], algorithm: Algorithm) -> Option<&StoredSigningKey> {
    stored
        .iter()
        .find(|key| key.algorithm == algorithm.as_str() && key.state == "next")
}

fn has_active(stored: &[StoredSigningKey], algorithm: Algorithm) -> bool {
    stored
        .iter()
        .any(|key| key.algorithm == algorithm.as_str() && key.state == "active")
}

async fn add_key(
    tx: &mut WriteTx,
    vault: &Vault,
    algorithm: Algorithm,
    state: KeyState,
    now: Timestamp,
) -> Result<StoredSigningKey, Fault> {
    let (key, private) = SigningKey::generate(algorithm)?;
    let stored = StoredSigningKey {
        id: key.kid().to_owned(),
        algorithm: algorithm.as_str().to_owned(),
        state: match state {
            KeyState::Next => "next",
            KeyState::Active => "active",
            KeyState::Retired => "retired",
        }
        .to_owned(),
        private_sealed: vault.seal(PLACE, key.kid(), private.expose()),
        public_jwk: serde_json::to_value(key.jwk())
            .map_err(|_| Fault::internal("a public key could not be written"))?,
        created_at: now,
        activated_at: (state == KeyState::Active).then_some(now),
        retired_at: None,
    };
    tx.add_signing_key(&stored).await?;
    Ok(stored)
}

fn parse(vault: &Vault, stored: &StoredSigningKey) -> Result<(KeyState, SigningKey), Fault> {
    let state = match stored.state.as_str() {
        "active" => KeyState::Active,
        "next" => KeyState::Next,
        _ => KeyState::Retired,
    };
    let algorithm = Algorithm::parse(&stored.algorithm)
        .ok_or(Fault::internal("a stored key has an unknown algorithm"))?;
    let private = vault
        .unseal(PLACE, &stored.id, &stored.private_sealed)
        .ok_or(Fault::internal("a stored signing key does not open"))?;
    Ok((state, SigningKey::from_pkcs8(algorithm, &private)?))
}
