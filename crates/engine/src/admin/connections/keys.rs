//! Our own keys at a connection, and their rotation with overlap.

use std::time::Duration;

use serde_json::json;
use vestibule_core::{ConnectionId, Protocol, Resource, Timestamp};
use vestibule_store::{Connection, ConnectionKey, KeyPurpose, KeyState, ReadTx};

use super::{certificates::is_saml, lock_connection, visible_connection};
use crate::upstream::OidcSettings;
use crate::{
    Encryption, Engine, Fault, SamlSettings,
    admin::{Actor, AdminError, Done, Result},
    saml::keys::is_published,
};

/// How long our key set may be kept (`max-age` of `/sso/oidc/{connection}/jwks`).
pub(crate) const JWKS_CACHE: Duration = Duration::from_secs(300);

/// A step of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// Makes the next key and publishes it beside the one in use.
    Prepare,
    /// Takes the next key into use; the one before stays published, and able to decrypt, for 30 days.
    Activate,
}

impl Engine {
    /// Our keys at a connection, without those whose overlap is over.
    pub async fn list_connection_keys(
        &self,
        actor: &Actor,
        id: ConnectionId,
        now: Timestamp,
    ) -> Result<Vec<ConnectionKey>> {
        actor.may_read(Resource::Connections)?;
        let mut tx = self.store().read(now).await?;
        let connection = visible_connection(&mut tx, actor, id).await?;
        has_keys(&connection)?;
        Ok(published(&mut tx, id).await?)
    }

    /// Takes a step in the rotation of a key of ours.
    pub async fn rotate_connection_key(
        &self,
        actor: &Actor,
        id: ConnectionId,
        purpose: KeyPurpose,
        step: Rotation,
        now: Timestamp,
    ) -> Result<Vec<ConnectionKey>> {
        actor.may_write(Resource::Connections)?;
        let seen = visible_connection(&mut self.store().read(now).await?, actor, id).await?;
        has_keys(&seen)?;
        let made = match step {
            Rotation::Prepare => Some(self.make_connection_key(now).await?),
            Rotation::Activate => None,
        };
        let mut tx = self.store().write(now).await?;
        let connection = lock_connection(&mut tx, actor, id).await?;
        has_keys(&connection)?;
        if connection.protocol == Protocol::Oidc {
            check_oidc(&connection, purpose)?;
        } else if purpose == KeyPurpose::Encryption
            && SamlSettings::of(&connection)?.encryption == Encryption::Off
        {
            return Err(AdminError::conflict(
                "the connection has no encryption key; set saml.encryption to accepted or required, and one is made",
            ));
        }
        let keys = tx.list_connection_keys(id).await?;
        let find = |state| {
            keys.iter()
                .find(|key| key.purpose == purpose && key.state == state)
        };
        let action = match (made, find(KeyState::Next)) {
            (Some(_), Some(_)) => {
                return Err(AdminError::conflict(
                    "there is a next key already; take it into use with activate, once the identity provider knows it",
                ));
            }
            (Some(made), None) => {
                let key = self.connection_key(&connection, purpose, KeyState::Next, &made, now);
                tx.add_connection_key(&key).await?;
                "connection.key_prepare"
            }
            (None, None) => {
                return Err(AdminError::conflict(
                    "there is no next key; make one first, by the same call without activate",
                ));
            }
            (None, Some(next)) => {
                check_published(&connection, next, now)?;
                if let Some(active) = find(KeyState::Active) {
                    tx.set_connection_key_state(id, active.id, KeyState::Retired)
                        .await?;
                }
                tx.set_connection_key_state(id, next.id, KeyState::Active)
                    .await?;
                "connection.key_activate"
            }
        };
        let done = Done {
            organization_id: Some(connection.organization_id),
            action,
            subject: id.to_string(),
            data: json!({ "purpose": purpose.as_str() }),
        };
        actor.audit(&mut tx, done).await?;
        let keys = published(&mut tx, id).await?;
        tx.commit().await?;
        Ok(keys)
    }
}

async fn published(
    tx: &mut ReadTx,
    id: ConnectionId,
) -> std::result::Result<Vec<ConnectionKey>, Fault> {
    let now = tx.now();
    let mut keys = tx.list_connection_keys(id).await?;
    keys.retain(|key| is_published(key, now));
    Ok(keys)
}

/// By SAML there are keys always, by OpenID Connect where they prove who we are.
fn has_keys(connection: &Connection) -> Result<()> {
    match connection.protocol {
        Protocol::Oidc => Ok(()),
        Protocol::Saml | Protocol::Password | Protocol::BreakGlass => is_saml(connection),
    }
}

fn check_oidc(connection: &Connection, purpose: KeyPurpose) -> Result<()> {
    if purpose == KeyPurpose::Encryption {
        return Err(AdminError::conflict(
            "a connection by OpenID Connect has no encryption key: nothing is encrypted for it",
        ));
    }
    if !OidcSettings::of(connection)?.signs_assertions() {
        return Err(AdminError::conflict(
            "the connection signs nothing; set oidc.client_auth to private_key_jwt, and a key is made",
        ));
    }
    Ok(())
}

/// A provider may keep our key set for as long as it says, and refuses what a key signs that it does not know yet.
fn check_published(connection: &Connection, next: &ConnectionKey, now: Timestamp) -> Result<()> {
    let since = now.since(next.created_at);
    if connection.protocol != Protocol::Oidc || since >= JWKS_CACHE {
        return Ok(());
    }
    let wait = JWKS_CACHE.saturating_sub(since).as_secs() + 1;
    Err(AdminError::conflict(format!(
        "providers may keep the key set without the next key for some minutes; activate it in {wait} seconds"
    )))
}
