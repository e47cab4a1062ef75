//! Our own key at one OpenID Provider, which signs assertions of who we are (`private_key_jwt`).
//!
//! Each connection has a key of its own. What one customer's provider is shown proves nothing to another, and the keys
//! of our tokens never sign for an audience that a customer chose.

use serde_json::{Value, json};
use vestibule_core::{ConnectionId, Protocol, Timestamp};
use vestibule_oidc::ClientKey;
use vestibule_saml::Certificate;
use vestibule_store::{Connection, ConnectionKey, KeyPurpose, KeyState, ReadTx};

use crate::{Engine, Fault, saml::keys::is_published};

impl Engine {
    /// The key that signs assertions at this connection; none where it has none.
    pub(super) async fn client_key(
        &self,
        tx: &mut ReadTx,
        connection: &Connection,
    ) -> Result<Option<ClientKey>, Fault> {
        let keys = tx.list_connection_keys(connection.id).await?;
        let active = keys
            .iter()
            .find(|key| key.purpose == KeyPurpose::Signing && key.state == KeyState::Active);
        active.map(|key| self.parsed_client_key(key)).transpose()
    }

    /// The public keys of a connection by OpenID Connect (RFC 7517 §5): the one in use, the next, and those that were in
    /// use not long ago. None where there is no such connection.
    pub async fn connection_jwks(
        &self,
        id: ConnectionId,
        now: Timestamp,
    ) -> Result<Option<Value>, Fault> {
        let mut tx = self.store().read(now).await?;
        let found = tx.find_connection(id).await?;
        if found.is_none_or(|connection| connection.protocol != Protocol::Oidc) {
            return Ok(None);
        }
        let mut keys = tx.list_connection_keys(id).await?;
        keys.retain(|key| key.purpose == KeyPurpose::Signing && is_published(key, now));
        let jwks = keys
            .iter()
            .map(|key| self.parsed_client_key(key).map(|key| key.jwk()))
            .collect::<Result<Vec<_>, Fault>>()?;
        Ok(Some(json!({ "keys": jwks })))
    }

    fn parsed_client_key(&self, key: &ConnectionKey) -> Result<ClientKey, Fault> {
        self.parsed_keys().client_key(key.id, || {
            let unusable = |_| Fault::internal("a connection's client key cannot be read");
            let certificate = Certificate::from_pem(&key.certificate)
                .map_err(|_| Fault::internal("the certificate of a client key cannot be read"))?;
            ClientKey::from_pkcs8_der(&self.opened(key)?, Some(certificate.der())).map_err(unusable)
        })
    }
}
