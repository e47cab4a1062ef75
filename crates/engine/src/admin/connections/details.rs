//! A connection as people see it.

use vestibule_core::Protocol;
use vestibule_store::{Connection, ConnectionKey, ConnectionMetadata, ReadTx};

use super::CertificateDetails;
use crate::{Engine, Fault, SamlAddresses, SamlSettings, saml::keys::is_published};

/// A connection, with what belongs to its protocol.
#[derive(Debug, Clone)]
pub struct ConnectionDetails {
    /// The connection.
    pub connection: Connection,
    /// What belongs to a connection by SAML.
    pub saml: Option<SamlDetails>,
}

/// What belongs to a connection by SAML.
#[derive(Debug, Clone)]
pub struct SamlDetails {
    /// What it remembers of the identity provider.
    pub settings: SamlSettings,
    /// Our addresses there.
    pub addresses: SamlAddresses,
    /// The certificates that it trusts.
    pub certificates: Vec<CertificateDetails>,
    /// The metadata that it follows.
    pub metadata: Option<ConnectionMetadata>,
    /// Our keys there that are or will be in use, or were not long ago.
    pub keys: Vec<ConnectionKey>,
}

impl Engine {
    pub(super) async fn connection_details(
        &self,
        tx: &mut ReadTx,
        connection: Connection,
    ) -> Result<ConnectionDetails, Fault> {
        if connection.protocol != Protocol::Saml {
            return Ok(ConnectionDetails {
                connection,
                saml: None,
            });
        }
        let now = tx.now();
        let settings = SamlSettings::of(&connection)?;
        let certificates = self.certificate_details(tx, &connection, &settings).await?;
        let mut keys = tx.list_connection_keys(connection.id).await?;
        keys.retain(|key| is_published(key, now));
        Ok(ConnectionDetails {
            saml: Some(SamlDetails {
                addresses: self.saml_addresses(connection.id),
                metadata: tx.find_connection_metadata(connection.id).await?,
                settings,
                certificates,
                keys,
            }),
            connection,
        })
    }
}
