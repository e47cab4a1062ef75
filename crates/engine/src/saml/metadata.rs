//! What an identity provider publishes about itself: fetched through the guarded client, read as a whole, and only then
//! used. A look never takes anything away: what is known stays until a person removes it.

use std::{fmt, time::Duration};

use http::{Request, StatusCode, header};
use serde_json::json;
use vestibule_core::{EventKind, Timestamp};
use vestibule_saml::{Certificate, IdpMetadata, LogoutEndpoint, Rule};
use vestibule_store::{
    CertificateSource, Connection, ConnectionCertificate, ConnectionMetadata, MetadataCheck,
    NewEvent, WriteTx,
};

use super::SamlSettings;
use crate::{
    Engine, Fault,
    outbound::{Class, OutboundError},
};

const ACCEPT: &str = "application/samlmetadata+xml, application/xml;q=0.9, text/xml;q=0.9";
/// Longer entity tags are kept by nobody.
const LONGEST_ETAG: usize = 256;
const USUAL_INTERVAL: Duration = Duration::from_secs(6 * 3600);
const SHORTEST_INTERVAL: Duration = Duration::from_secs(3600);
const LONGEST_INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// How long the first failure waits; each further one waits twice as long, up to the usual interval.
const FIRST_RETRY: Duration = Duration::from_secs(15 * 60);

/// Metadata that was read as a whole.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) metadata: IdpMetadata,
    pub(crate) etag: Option<String>,
}

/// Which identity provider of a document is meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted<'a> {
    /// The only one.
    Only,
    /// The only one, whoever it is; of several, this one.
    AmongSeveral(&'a str),
    /// This one and nobody else.
    This(&'a str),
}

impl<'a> Wanted<'a> {
    /// Whoever a person names beats whoever is known.
    pub(crate) fn of(named: Option<&'a str>, known: Option<&'a str>) -> Self {
        match (named, known) {
            (Some(named), _) => Self::This(named),
            (None, Some(known)) => Self::AmongSeveral(known),
            (None, None) => Self::Only,
        }
    }
}

/// Why metadata cannot be used, and what to do about it; shown, nothing that the other side wrote is in it.
#[derive(Debug, Clone)]
pub(crate) struct MetadataTrouble {
    text: String,
    /// The entity IDs of the document, where the choice among them is what is missing.
    entity_ids: Option<String>,
}

impl MetadataTrouble {
    fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            entity_ids: None,
        }
    }

    /// With the entity IDs to choose from, for the person who gave the document; never for a log or a record.
    pub(crate) fn in_full(&self) -> String {
        match &self.entity_ids {
            Some(entity_ids) => format!("{}; it holds {entity_ids}", self.text),
            None => self.text.clone(),
        }
    }
}

impl fmt::Display for MetadataTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<OutboundError> for MetadataTrouble {
    fn from(error: OutboundError) -> Self {
        Self::new(format!("{error}; {}", error.remedy()))
    }
}

impl From<vestibule_saml::Error> for MetadataTrouble {
    fn from(error: vestibule_saml::Error) -> Self {
        let lists = matches!(error.rule(), Rule::MetadataChoice | Rule::MetadataEntity);
        Self {
            text: format!("{error}; {}", error.remedy()),
            entity_ids: lists.then(|| error.got().to_owned()),
        }
    }
}

/// What a look at metadata changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetadataChanges {
    /// The fingerprints of the certificates that are trusted from now on.
    pub added_certificates: Vec<String>,
    /// The fingerprints of certificates that came from metadata and are no longer in it; they stay trusted.
    pub vanished_certificates: Vec<String>,
    /// The settings that changed: `sso_url`, `sso_post_url`, `slo_url`, `slo_post_url`, `slo_response_url`.
    pub settings: Vec<&'static str>,
}

impl MetadataChanges {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added_certificates.is_empty()
            && self.vanished_certificates.is_empty()
            && self.settings.is_empty()
    }
}

/// Reads metadata that somebody gave or that was fetched.
pub(crate) fn read_metadata(
    xml: &str,
    wanted: Wanted<'_>,
    now: Timestamp,
) -> Result<IdpMetadata, MetadataTrouble> {
    let parse = |entity_id| IdpMetadata::parse(xml, entity_id, now.unix_seconds());
    let read = match wanted {
        Wanted::Only => parse(None),
        Wanted::AmongSeveral(entity_id) => match parse(None) {
            Err(error) if error.rule() == Rule::MetadataChoice => parse(Some(entity_id)),
            read => read,
        },
        Wanted::This(entity_id) => parse(Some(entity_id)),
    };
    Ok(read?)
}

impl SamlSettings {
    /// Takes over the addresses that metadata names; who the identity provider is, and what a person chose, stays.
    pub(crate) fn follow(&mut self, metadata: &IdpMetadata) {
        if self.prefers_post() && metadata.sso_post.is_some() {
            self.sso_post_url.clone_from(&metadata.sso_post);
            self.sso_redirect_aside.clone_from(&metadata.sso_redirect);
        } else {
            self.sso_url.clone_from(&metadata.sso_redirect);
            self.sso_post_url.clone_from(&metadata.sso_post);
            self.sso_redirect_aside = None;
        }
        if !self.slo_chosen {
            let location = |endpoint: &LogoutEndpoint| endpoint.location.clone();
            self.slo_url = metadata.slo_redirect.as_ref().map(location);
            self.slo_post_url = metadata.slo_post.as_ref().map(location);
            let answered_by = metadata
                .slo_redirect
                .as_ref()
                .or(metadata.slo_post.as_ref());
            self.slo_response_url =
                answered_by.and_then(|endpoint| endpoint.response_location.clone());
        }
        self.metadata_certificates = metadata
            .certificates
            .iter()
            .map(Certificate::fingerprint_sha256)
            .collect();
    }

    /// Whether requests go by HTTP-POST.
    pub fn prefers_post(&self) -> bool {
        self.sso_url.is_none() && self.sso_post_url.is_some()
    }

    /// Lets requests go by HTTP-Redirect; false when no address for that is known.
    pub(crate) fn prefer_redirect(&mut self) -> bool {
        self.sso_url = self.sso_url.take().or(self.sso_redirect_aside.take());
        self.sso_url.is_some()
    }

    /// Lets requests go by HTTP-POST; false when no address for that is known.
    pub(crate) fn prefer_post(&mut self) -> bool {
        if self.sso_post_url.is_none() {
            return false;
        }
        self.sso_redirect_aside = self.sso_url.take().or(self.sso_redirect_aside.take());
        true
    }

    fn addresses(&self) -> [(&'static str, Option<&str>); 5] {
        [
            ("sso_url", self.sso_url.as_deref()),
            ("sso_post_url", self.sso_post_url.as_deref()),
            ("slo_url", self.slo_url.as_deref()),
            ("slo_post_url", self.slo_post_url.as_deref()),
            ("slo_response_url", self.slo_response_url.as_deref()),
        ]
    }
}

impl Engine {
    /// Fetches metadata; none when it is still the one with this entity tag.
    pub(crate) async fn fetch_metadata(
        &self,
        url: &str,
        etag: Option<&str>,
        wanted: Wanted<'_>,
        now: Timestamp,
    ) -> Result<Option<Published>, MetadataTrouble> {
        let mut request = Request::get(url).header(header::ACCEPT, ACCEPT);
        if let Some(etag) = etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        let request = request
            .body(Vec::new())
            .map_err(|_| MetadataTrouble::new("the address is not a URL; correct it"))?;
        let response = self.outbound().send(Class::Customer, request).await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if etag.is_some() => return Ok(None),
            status => {
                return Err(MetadataTrouble::new(format!(
                    "the address answered {}; check that it is the right one and needs no login",
                    status.as_u16()
                )));
            }
        }
        let etag = response
            .headers()
            .get(header::ETAG)
            .and_then(|value| value.to_str().ok())
            .filter(|etag| etag.len() <= LONGEST_ETAG)
            .map(str::to_owned);
        let xml = std::str::from_utf8(response.body()).map_err(|_| {
            MetadataTrouble::new("the metadata is not UTF-8; publish it in that encoding")
        })?;
        let metadata = read_metadata(xml, wanted, now)?;
        Ok(Some(Published { metadata, etag }))
    }

    /// Uses what was fetched for a connection that is locked, and notes that it was; none when it must not be used,
    /// because the metadata is published elsewhere by now.
    pub(crate) async fn apply_metadata(
        &self,
        tx: &mut WriteTx,
        connection: &mut Connection,
        looked: Look<'_>,
        now: Timestamp,
    ) -> Result<Option<MetadataChanges>, Fault> {
        let Some(published) = looked.published else {
            let check = MetadataCheck::Unchanged {
                etag: looked.row.etag.as_deref(),
            };
            let next = now.after(self.jittered(USUAL_INTERVAL));
            let noted = tx.record_metadata_check(looked.row, check, next).await?;
            return Ok(noted.then(MetadataChanges::default));
        };
        let before = SamlSettings::of(connection)?;
        let mut after = before.clone();
        after.follow(&published.metadata);
        // What a person removed does not come back by itself, also when it was gone from the metadata meanwhile.
        let removed = tx.list_removed_certificates(connection.id).await?;
        let new: Vec<Certificate> = published
            .metadata
            .certificates
            .iter()
            .filter(|certificate| !removed.contains(&certificate.fingerprint_sha256()))
            .cloned()
            .collect();
        let added = pin(tx, connection, &new, CertificateSource::Metadata).await?;
        let changes = MetadataChanges {
            added_certificates: added.iter().map(Certificate::fingerprint_sha256).collect(),
            vanished_certificates: before
                .metadata_certificates
                .iter()
                .filter(|fingerprint| !after.metadata_certificates.contains(fingerprint))
                .cloned()
                .collect(),
            settings: before
                .addresses()
                .iter()
                .zip(after.addresses())
                .filter(|(before, after)| before.1 != after.1)
                .map(|(before, _)| before.0)
                .collect(),
        };
        for certificate in &added {
            let source = CertificateSource::Metadata;
            announce(tx, connection, certificate, source, looked.actor).await?;
        }
        if before != after {
            connection.settings = settings_value(&after)?;
            tx.set_connection(connection).await?;
        }
        if !changes.settings.is_empty() || !changes.vanished_certificates.is_empty() {
            let data = json!({
                "url": looked.row.url, "changed": changes.settings, "vanished": changes.vanished_certificates,
                "settings": connection.settings,
            });
            let subject = connection.id.to_string();
            tx.add_audit(
                Some(connection.organization_id),
                looked.actor,
                "connection.metadata_update",
                &subject,
                &data,
            )
            .await?;
        }
        let etag = published.etag.as_deref();
        let check = match changes.is_empty() {
            true => MetadataCheck::Unchanged { etag },
            false => MetadataCheck::Changed { etag },
        };
        let next = now.after(self.jittered(interval(&published.metadata, now)));
        let noted = tx.record_metadata_check(looked.row, check, next).await?;
        Ok(noted.then_some(changes))
    }

    /// Begins to look at a connection's metadata, which was just fetched.
    pub(crate) async fn follow_metadata(
        &self,
        tx: &mut WriteTx,
        connection: &Connection,
        url: &str,
        published: &Published,
        now: Timestamp,
    ) -> Result<(), Fault> {
        tx.set_connection_metadata(connection.id, connection.organization_id, Some(url))
            .await?;
        if let Some(row) = tx.find_connection_metadata(connection.id).await? {
            let etag = published.etag.as_deref();
            let next = now.after(self.jittered(interval(&published.metadata, now)));
            tx.record_metadata_check(&row, MetadataCheck::Changed { etag }, next)
                .await?;
        }
        Ok(())
    }

    /// Notes that metadata could not be used; what is known stays.
    pub(crate) async fn record_metadata_trouble(
        &self,
        row: &ConnectionMetadata,
        trouble: &MetadataTrouble,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let mut tx = self.store().write(now).await?;
        let next = now.after(self.jittered(retry_after(row.failures)));
        let error = trouble.to_string();
        tx.record_metadata_check(row, MetadataCheck::Failed { error: &error }, next)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// A duration up to a tenth longer or shorter, so that connections that were made together are not looked at together.
    fn jittered(&self, duration: Duration) -> Duration {
        let [chance] = self.generator().bytes::<1>();
        duration.mul_f64(0.9 + 0.2 * f64::from(chance) / 255.0)
    }
}

/// One look at a connection's metadata: what was found, and who looked.
pub(crate) struct Look<'a> {
    pub(crate) row: &'a ConnectionMetadata,
    pub(crate) published: Option<&'a Published>,
    pub(crate) actor: &'a str,
}

/// Settings as they are stored.
pub(crate) fn settings_value(settings: &SamlSettings) -> Result<serde_json::Value, Fault> {
    serde_json::to_value(settings)
        .map_err(|_| Fault::internal("a connection's settings could not be written"))
}

/// Trusts further certificates; gives those that were not trusted yet.
pub(crate) async fn pin(
    tx: &mut WriteTx,
    connection: &Connection,
    certificates: &[Certificate],
    source: CertificateSource,
) -> Result<Vec<Certificate>, Fault> {
    let mut added = Vec::new();
    for certificate in certificates {
        let stored = ConnectionCertificate {
            connection_id: connection.id,
            fingerprint: certificate.fingerprint_sha256(),
            organization_id: connection.organization_id,
            pem: certificate.to_pem(),
            not_after: Timestamp::from_unix_seconds(certificate.not_after()),
            source,
            added_at: tx.now(),
            warned_days: None,
        };
        if tx.add_connection_certificate(&stored).await? {
            added.push(certificate.clone());
        }
    }
    Ok(added)
}

/// Tells that a connection trusts a further certificate.
pub(crate) async fn announce(
    tx: &mut WriteTx,
    connection: &Connection,
    certificate: &Certificate,
    source: CertificateSource,
    actor: &str,
) -> Result<(), Fault> {
    let data = json!({
        "connection_id": connection.id,
        "fingerprint": certificate.fingerprint_sha256(),
        "subject": certificate.subject_common_name(),
        "not_after": Timestamp::from_unix_seconds(certificate.not_after()),
        "source": source.as_str(),
        "actor": actor,
    });
    tx.add_audit(
        Some(connection.organization_id),
        actor,
        "connection.certificate_add",
        &connection.id.to_string(),
        &data,
    )
    .await?;
    tx.push_event(NewEvent {
        kind: EventKind::ConnectionCertificateAdded,
        organization_id: Some(connection.organization_id),
        user_id: None,
        data,
    })
    .await?;
    Ok(())
}

/// When metadata that was just read is due again: as it says itself, within an hour and a day.
fn interval(metadata: &IdpMetadata, now: Timestamp) -> Duration {
    let seconds = |seconds: i64| Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let usual = metadata.cache_duration.map_or(USUAL_INTERVAL, seconds);
    let ends = metadata
        .valid_until
        .map(|end| seconds(end.saturating_sub(now.unix_seconds())));
    usual
        .min(ends.unwrap_or(LONGEST_INTERVAL))
        .clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL)
}

fn retry_after(failures: i64) -> Duration {
    let doublings = u32::try_from(failures).unwrap_or(u32::MAX).min(10);
    FIRST_RETRY
        .saturating_mul(2_u32.saturating_pow(doublings))
        .min(USUAL_INTERVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_wait_longer_and_longer() {
        let minutes: Vec<u64> = [0, 1, 2, 3, 4, 5, 60, i64::MAX]
            .map(|failures| retry_after(failures).as_secs() / 60)
            .to_vec();
        assert_eq!(minutes, [15, 30, 60, 120, 240, 360, 360, 360]);
    }
}
