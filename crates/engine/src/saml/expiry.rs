//! Warnings of certificates that end: of identity providers, and of our own keys.
//!
//! A pinned certificate works after its end as before; but identity providers change theirs then, and some products
//! refuse ours.

use std::time::Duration;

use serde_json::{Value, json};
use vestibule_core::{ConnectionId, EventKind, OrganizationId, Timestamp};
use vestibule_saml::Certificate;
use vestibule_store::{NewEvent, WriteTx};

use super::keys::KEY_OVERLAP;
use crate::{Engine, Fault};

/// Somebody is told this many days before the end, once each; zero is the end itself.
const WARNINGS: [i64; 5] = [0, 1, 7, 14, 30];
/// Warnings that one transaction writes.
const AT_ONCE: i64 = 100;
const DAY_SECONDS: u64 = 24 * 3600;

impl Engine {
    /// Tells of every certificate of a connection in use that comes near its end, and forgets keys of ours that nobody
    /// needs any more.
    pub(super) async fn warn_of_expiry(&self, now: Timestamp) -> Result<(), Fault> {
        // The most urgent first: who was told of the end need not be told that it comes.
        for days in WARNINGS {
            while self.warn_of_certificates(days, now).await? {}
            while self.warn_of_own_keys(days, now).await? {}
        }
        let before = now.before(KEY_OVERLAP);
        if self
            .store()
            .read(now)
            .await?
            .has_retired_connection_keys(before)
            .await?
        {
            let mut tx = self.store().write(now).await?;
            tx.remove_retired_connection_keys(before).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// True when there may be more.
    async fn warn_of_certificates(&self, days: i64, now: Timestamp) -> Result<bool, Fault> {
        let before = ahead(days, now);
        let mut tx = self.store().read(now).await?;
        let expiring = tx.list_expiring_certificates(before, days, AT_ONCE).await?;
        drop(tx);
        if expiring.is_empty() {
            return Ok(false);
        }
        let mut tx = self.store().write(now).await?;
        for certificate in &expiring {
            let (id, fingerprint) = (certificate.connection_id, &certificate.fingerprint);
            if tx.set_certificate_warned(id, fingerprint, days).await? {
                let parsed = self.parsed_certificate(fingerprint, &certificate.pem)?;
                let data = warning(id, &parsed, now);
                tell(&mut tx, certificate.organization_id, data).await?;
            }
        }
        tx.commit().await?;
        self.wake();
        Ok(true)
    }

    /// True when there may be more.
    async fn warn_of_own_keys(&self, days: i64, now: Timestamp) -> Result<bool, Fault> {
        let before = ahead(days, now);
        let mut tx = self.store().read(now).await?;
        let expiring = tx
            .list_expiring_connection_keys(before, days, AT_ONCE)
            .await?;
        drop(tx);
        if expiring.is_empty() {
            return Ok(false);
        }
        let mut tx = self.store().write(now).await?;
        for key in &expiring {
            let id = key.connection_id;
            if tx.set_connection_key_warned(id, key.id, days).await? {
                let unreadable = Fault::internal("the certificate of a key cannot be read");
                let parsed = Certificate::from_pem(&key.certificate).map_err(|_| unreadable)?;
                let mut data = warning(id, &parsed, now);
                if let Value::Object(members) = &mut data {
                    members.insert("own".to_owned(), true.into());
                    members.insert("purpose".to_owned(), key.purpose.as_str().into());
                }
                tell(&mut tx, key.organization_id, data).await?;
            }
        }
        tx.commit().await?;
        self.wake();
        Ok(true)
    }
}

fn ahead(days: i64, now: Timestamp) -> Timestamp {
    let days = u64::try_from(days).unwrap_or(0);
    now.after(Duration::from_secs(days * DAY_SECONDS))
}

/// `days` are those that are left, a begun day as a whole one; none once it has ended.
fn warning(id: ConnectionId, certificate: &Certificate, now: Timestamp) -> Value {
    let not_after = Timestamp::from_unix_seconds(certificate.not_after());
    json!({
        "connection_id": id,
        "fingerprint": certificate.fingerprint_sha256(),
        "subject": certificate.subject_common_name(),
        "not_after": not_after,
        "days": not_after.since(now).as_secs().div_ceil(DAY_SECONDS),
    })
}

async fn tell(tx: &mut WriteTx, organization_id: OrganizationId, data: Value) -> Result<(), Fault> {
    tx.push_event(NewEvent {
        kind: EventKind::ConnectionCertificateExpiring,
        organization_id: Some(organization_id),
        user_id: None,
        data,
    })
    .await?;
    Ok(())
}
