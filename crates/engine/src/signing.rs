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
                stored.push(add_key(&mut tx, vault, algorithm, now).await?);
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

/// Retires every active key and makes its successor.
pub(crate) async fn rotate(store: &Store, vault: &Vault, now: Timestamp) -> Result<(), Fault> {
    let mut tx = store.write(now).await?;
    tx.lock_installation().await?;
    for algorithm in Algorithm::ALL {
        tx.retire_signing_keys(algorithm.as_str()).await?;
        add_key(&mut tx, vault, algorithm, now).await?;
    }
    tx.remove_signing_keys(now.before(PUBLISHED_AFTER_RETIREMENT))
        .await?;
    tx.commit().await?;
    Ok(())
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
    now: Timestamp,
) -> Result<StoredSigningKey, Fault> {
    let (key, private) = SigningKey::generate(algorithm)?;
    let stored = StoredSigningKey {
        id: key.kid().to_owned(),
        algorithm: algorithm.as_str().to_owned(),
        state: "active".to_owned(),
        private_sealed: vault.seal(PLACE, key.kid(), private.expose()),
        public_jwk: serde_json::to_value(key.jwk())
            .map_err(|_| Fault::internal("a public key could not be written"))?,
        created_at: now,
        activated_at: Some(now),
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
