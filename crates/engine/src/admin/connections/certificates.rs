//! The identity provider's certificates that a connection by SAML trusts.

use serde_json::json;
use vestibule_core::{ConnectionId, ConnectionState, EndCause, Protocol, Resource, Timestamp};
use vestibule_saml::Certificate;
use vestibule_store::{CertificateSource, Connection, ConnectionCertificate, ReadTx, WriteTx};

use super::{end, lock_connection, visible_connection};
use crate::{
    Engine, Fault, SamlSettings,
    admin::{Actor, AdminError, Done, Result},
    saml::metadata::{Look, MetadataChanges, Wanted, announce, pin},
};

const NOT_SAML: &str = "only a connection by SAML has certificates, keys and metadata";

/// A trusted certificate, for people.
#[derive(Debug, Clone)]
pub struct CertificateDetails {
    /// SHA-256 of the certificate in hexadecimal.
    pub fingerprint: String,
    /// The common name of its subject.
    pub subject: Option<String>,
    /// When it begins.
    pub not_before: Timestamp,
    /// When it ends; it is trusted also after that.
    pub not_after: Timestamp,
    /// Where it came from.
    pub source: CertificateSource,
    /// Since when it is trusted.
    pub added_at: Timestamp,
    /// Whether it has ended.
    pub expired: bool,
    /// Whether the metadata that was read last has it; none where there never was metadata.
    pub in_metadata: Option<bool>,
}

impl Engine {
    /// The certificates that a connection by SAML trusts.
    pub async fn list_certificates(
        &self,
        actor: &Actor,
        id: ConnectionId,
        now: Timestamp,
    ) -> Result<Vec<CertificateDetails>> {
        actor.may_read(Resource::Connections)?;
        let mut tx = self.store().read(now).await?;
        let connection = visible_connection(&mut tx, actor, id).await?;
        is_saml(&connection)?;
        let settings = SamlSettings::of(&connection)?;
        Ok(self
            .certificate_details(&mut tx, &connection, &settings)
            .await?)
    }

    /// Trusts a further certificate; nothing ends by it.
    pub async fn add_certificate(
        &self,
        actor: &Actor,
        id: ConnectionId,
        text: &str,
        now: Timestamp,
    ) -> Result<CertificateDetails> {
        actor.may_write(Resource::Connections)?;
        let mut tx = self.store().write(now).await?;
        let connection = lock_connection(&mut tx, actor, id).await?;
        is_saml(&connection)?;
        let certificate = checked_certificate("certificate", text)?;
        let source = CertificateSource::Operator;
        let added = pin(
            &mut tx,
            &connection,
            std::slice::from_ref(&certificate),
            source,
        )
        .await?;
        if added.is_empty() {
            return Err(AdminError::conflict(
                "the connection trusts this certificate already",
            ));
        }
        announce_all(&mut tx, actor, &connection, (added, source)).await?;
        let settings = SamlSettings::of(&connection)?;
        let fingerprint = certificate.fingerprint_sha256();
        let details = self
            .certificate_details(&mut tx, &connection, &settings)
            .await?
            .into_iter()
            .find(|details| details.fingerprint == fingerprint)
            .ok_or(Fault::internal(
                "a certificate that was stored is not there",
            ))?;
        tx.commit().await?;
        self.wake();
        Ok(details)
    }

    /// Trusts a certificate no longer, which ends what came through the connection.
    pub async fn remove_certificate(
        &self,
        actor: &Actor,
        id: ConnectionId,
        fingerprint: &str,
        now: Timestamp,
    ) -> Result<()> {
        actor.may_write(Resource::Connections)?;
        let mut tx = self.store().write(now).await?;
        let connection = lock_connection(&mut tx, actor, id).await?;
        let fingerprint = fingerprint.replace(':', "").to_ascii_lowercase();
        let known = tx.list_connection_certificates(id).await?;
        if !known.iter().any(|known| known.fingerprint == fingerprint) {
            return Err(AdminError::NotFound);
        }
        if known.len() == 1 && connection.state == ConnectionState::Active {
            return Err(AdminError::conflict(
                "the last certificate of an active connection stays, since nobody could sign in without it; add its successor first, or set state to inactive",
            ));
        }
        remove_certificate(&mut tx, actor, &connection, &fingerprint).await?;
        end(&mut tx, actor, id, EndCause::ConnectionEnded).await?;
        tx.commit().await?;
        self.wake();
        Ok(())
    }

    /// Looks at a connection's metadata at once.
    pub async fn refresh_metadata(
        &self,
        actor: &Actor,
        id: ConnectionId,
        now: Timestamp,
    ) -> Result<MetadataChanges> {
        actor.may_write(Resource::Connections)?;
        let mut tx = self.store().read(now).await?;
        let connection = visible_connection(&mut tx, actor, id).await?;
        is_saml(&connection)?;
        let row = tx.find_connection_metadata(id).await?.ok_or_else(|| {
            AdminError::conflict("the connection follows no metadata; set saml.metadata_url")
        })?;
        drop(tx);
        let entity_id = SamlSettings::of(&connection)?.entity_id;
        // Without the entity tag: whoever asks wants it read, whatever was read before.
        let published = match self
            .fetch_metadata(&row.url, None, Wanted::This(&entity_id), now)
            .await
        {
            Ok(published) => published,
            Err(trouble) => {
                self.record_metadata_trouble(&row, &trouble, now).await?;
                return Err(AdminError::conflict(format!(
                    "the metadata cannot be used, and what is known stays: {trouble}"
                )));
            }
        };
        let mut tx = self.store().write(now).await?;
        let mut connection = lock_connection(&mut tx, actor, id).await?;
        let meanwhile =
            || AdminError::conflict("the connection was changed meanwhile; repeat the request");
        if SamlSettings::of(&connection)?.entity_id != entity_id {
            return Err(meanwhile());
        }
        let look = Look {
            row: &row,
            published: published.as_ref(),
            actor: &actor.name,
        };
        let changes = self
            .apply_metadata(&mut tx, &mut connection, look, now)
            .await?
            .ok_or_else(meanwhile)?;
        tx.commit().await?;
        self.wake();
        Ok(changes)
    }

    pub(super) async fn certificate_details(
        &self,
        tx: &mut ReadTx,
        connection: &Connection,
        settings: &SamlSettings,
    ) -> std::result::Result<Vec<CertificateDetails>, Fault> {
        let now = tx.now();
        tx.list_connection_certificates(connection.id)
            .await?
            .into_iter()
            .map(|stored| self.certificate_detail(stored, settings, now))
            .collect()
    }

    fn certificate_detail(
        &self,
        stored: ConnectionCertificate,
        settings: &SamlSettings,
        now: Timestamp,
    ) -> std::result::Result<CertificateDetails, Fault> {
        let certificate = self.parsed_certificate(&stored.fingerprint, &stored.pem)?;
        let published = &settings.metadata_certificates;
        Ok(CertificateDetails {
            subject: certificate.subject_common_name().map(str::to_owned),
            not_before: Timestamp::from_unix_seconds(certificate.not_before()),
            not_after: stored.not_after,
            source: stored.source,
            added_at: stored.added_at,
            expired: stored.not_after <= now,
            in_metadata: (!published.is_empty()).then(|| published.contains(&stored.fingerprint)),
            fingerprint: stored.fingerprint,
        })
    }
}

pub(super) fn is_saml(connection: &Connection) -> Result<()> {
    match connection.protocol {
        Protocol::Saml => Ok(()),
        Protocol::Oidc | Protocol::Password | Protocol::BreakGlass => {
            Err(AdminError::conflict(NOT_SAML))
        }
    }
}

pub(super) fn checked_certificate(field: &str, text: &str) -> Result<Certificate> {
    Certificate::from_pem(text)
        .map_err(|error| AdminError::invalid(field, format!("cannot be used: {error}")))
}

pub(super) async fn announce_all(
    tx: &mut WriteTx,
    actor: &Actor,
    connection: &Connection,
    (certificates, source): (Vec<Certificate>, CertificateSource),
) -> Result<()> {
    for certificate in &certificates {
        announce(tx, connection, certificate, source, &actor.name).await?;
    }
    Ok(())
}

/// Removes a certificate, which stays removed until a person adds it again; the caller ends what came through the connection.
pub(super) async fn remove_certificate(
    tx: &mut WriteTx,
    actor: &Actor,
    connection: &Connection,
    fingerprint: &str,
) -> Result<()> {
    tx.delete_connection_certificate(connection.id, fingerprint)
        .await?;
    let done = Done {
        organization_id: Some(connection.organization_id),
        action: "connection.certificate_remove",
        subject: connection.id.to_string(),
        data: json!({ "fingerprint": fingerprint }),
    };
    actor.audit(tx, done).await
}
