//! Our own keys at one connection, and whom the connection trusts: read for every login, parsed once.
//!
//! What is allowed is always asked of the store. Only the parsing is kept, under ids and fingerprints that never come to
//! mean something else.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use vestibule_core::{ConnectionId, ConnectionKeyId, ConnectionState, Protocol, Timestamp};
use vestibule_oidc::ClientKey;
use vestibule_saml::{Certificate, DecryptionKey, ServiceProvider, SigningKey, Trust};
use vestibule_store::{Connection, ConnectionKey, KeyPurpose, KeyState, ReadTx};

use super::{CONNECTION_KEY_PLACE, Encryption, SamlSettings};
use crate::{Engine, Fault};

/// How long a retired signing key stays published, and a retired encryption key decrypts.
pub(crate) const KEY_OVERLAP: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long our metadata may be kept before it is fetched again: a next key that has been listed for longer is known.
///
/// There is no end of validity beside it: many products are given the file once and would refuse us after that.
const METADATA_CACHE: Duration = Duration::from_secs(3600);
/// How long the certificates of our keys last: nobody checks their dates, and some products refuse those that ended.
const CERTIFICATE_LIFETIME: Duration = Duration::from_secs(3652 * 24 * 3600);
/// Machines' clocks differ; a certificate that begins tomorrow would be refused by products that look.
const CERTIFICATE_HEAD_START: Duration = Duration::from_secs(24 * 3600);
/// The longest common name (RFC 5280, appendix A.1, `ub-common-name`).
const LONGEST_COMMON_NAME: usize = 64;
/// Parsed keys and certificates that are kept; far more than one node has in use.
const KEPT: usize = 20_000;

/// Parsed keys and certificates. It holds no decision: whether a key counts is read from the store every time.
#[derive(Default)]
pub(crate) struct ParsedKeys {
    signing: Mutex<HashMap<ConnectionKeyId, SigningKey>>,
    decryption: Mutex<HashMap<ConnectionKeyId, DecryptionKey>>,
    certificates: Mutex<HashMap<String, Certificate>>,
    clients: Mutex<HashMap<ConnectionKeyId, ClientKey>>,
}

impl ParsedKeys {
    /// A key that signs client assertions.
    pub(crate) fn client_key(
        &self,
        id: ConnectionKeyId,
        parse: impl FnOnce() -> Result<ClientKey, Fault>,
    ) -> Result<ClientKey, Fault> {
        kept(&self.clients, id, parse)
    }
}

impl std::fmt::Debug for ParsedKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParsedKeys").finish_non_exhaustive()
    }
}

/// What is kept under a key, or else made and kept.
fn kept<K: std::hash::Hash + Eq, V: Clone>(
    kept: &Mutex<HashMap<K, V>>,
    key: K,
    parse: impl FnOnce() -> Result<V, Fault>,
) -> Result<V, Fault> {
    let known = kept
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&key)
        .cloned();
    if let Some(known) = known {
        return Ok(known);
    }
    // Outside the lock: parsing takes its time, and two that parse the same do no harm.
    let parsed = parse()?;
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= KEPT {
        kept.clear();
    }
    kept.insert(key, parsed.clone());
    Ok(parsed)
}

/// A key pair that is not stored yet.
pub(crate) struct MadeKey {
    certificate: String,
    not_after: Timestamp,
    private: Vec<u8>,
}

impl Engine {
    /// The key that signs what we send at this connection; none when it has none.
    pub(crate) async fn saml_signing_key(
        &self,
        tx: &mut ReadTx,
        connection: &Connection,
    ) -> Result<Option<SigningKey>, Fault> {
        let keys = tx.list_connection_keys(connection.id).await?;
        let active = keys
            .iter()
            .find(|key| key.purpose == KeyPurpose::Signing && key.state == KeyState::Active);
        active.map(|key| self.parsed_signing_key(key)).transpose()
    }

    /// The keys that open what is encrypted for this connection: the one in use, the next, and those in their overlap.
    pub(crate) async fn saml_decryption_keys(
        &self,
        tx: &mut ReadTx,
        connection: &Connection,
    ) -> Result<Vec<DecryptionKey>, Fault> {
        let now = tx.now();
        let mut keys = tx.list_connection_keys(connection.id).await?;
        keys.retain(|key| key.purpose == KeyPurpose::Encryption && is_published(key, now));
        // The key in use opens nearly everything; it is tried first.
        keys.sort_by_key(|key| rank(key.state));
        keys.iter()
            .map(|key| {
                kept(&self.parsed_keys().decryption, key.id, || {
                    let unusable = Fault::internal("a connection's decryption key cannot be read");
                    DecryptionKey::from_pkcs8_der(&self.opened(key)?).map_err(|_| unusable)
                })
            })
            .collect()
    }

    /// Whom the connection trusts, as the store says now, without the keys that decrypt; the inner error is the
    /// connection's own, such as no certificate.
    pub(crate) async fn saml_trust(
        &self,
        tx: &mut ReadTx,
        connection: &Connection,
        now: Timestamp,
    ) -> Result<Result<Trust, vestibule_saml::Error>, Fault> {
        let settings = SamlSettings::of(connection)?;
        let addresses = self.saml_addresses(connection.id);
        let certificates = tx
            .list_connection_certificates(connection.id)
            .await?
            .iter()
            .map(|stored| self.parsed_certificate(&stored.fingerprint, &stored.pem))
            .collect::<Result<Vec<_>, Fault>>()?;
        let trust = Trust::new(
            addresses.sp_entity_id,
            addresses.acs_url,
            settings.entity_id,
            certificates,
        );
        let mut trust = match trust {
            Ok(trust) => trust,
            Err(error) => return Ok(Err(error)),
        };
        if settings.encryption == Encryption::Required {
            trust = trust.require_encryption();
        }
        if settings.allow_sha1_until.is_some_and(|until| now < until) {
            trust = trust.dangerously_allow_sha1();
        }
        if settings.allow_inclusive_c14n {
            trust = trust.allow_inclusive_c14n();
        }
        Ok(Ok(trust))
    }

    /// Our metadata for the identity provider of a connection by SAML, unless it is switched off: the keys that it may
    /// meet, and a key to encrypt for only where the connection wants one.
    pub async fn saml_metadata(
        &self,
        id: ConnectionId,
        now: Timestamp,
    ) -> Result<Option<String>, Fault> {
        let mut tx = self.store().read(now).await?;
        let Some(connection) = tx.find_connection(id).await? else {
            return Ok(None);
        };
        if connection.protocol != Protocol::Saml || connection.state == ConnectionState::Inactive {
            return Ok(None);
        }
        let settings = SamlSettings::of(&connection)?;
        let mut keys = tx.list_connection_keys(id).await?;
        keys.retain(|key| is_published(key, now));
        keys.sort_by_key(|key| rank(key.state));
        let certificates = |keys: &[&ConnectionKey]| {
            keys.iter()
                .map(|key| Certificate::from_pem(&key.certificate))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|_| Fault::internal(UNREADABLE))
        };
        // Those that sign are listed always: logout messages are signed also where requests are not.
        let (signing, mut encryption): (Vec<_>, Vec<_>) = keys
            .iter()
            .partition(|key| key.purpose == KeyPurpose::Signing);
        // Identity providers encrypt for a key that they find, so one that is retired is not shown any more.
        encryption
            .retain(|key| settings.encryption != Encryption::Off && key.state != KeyState::Retired);
        let addresses = self.saml_addresses(id);
        let unwritable = |_| Fault::internal("our SAML metadata cannot be written");
        let provider = ServiceProvider::new(addresses.sp_entity_id, addresses.acs_url)
            .and_then(|provider| provider.logout_url(addresses.slo_url))
            .and_then(|provider| {
                provider.name_id_formats(settings.name_id_format.into_iter().collect())
            })
            .map_err(unwritable)?
            .signing_certificates(certificates(&signing)?)
            .encryption_certificates(certificates(&encryption)?)
            .cache_duration(METADATA_CACHE);
        let provider = match settings.sign_requests {
            true => provider,
            false => provider.unsigned_requests(),
        };
        Ok(Some(provider.to_xml()))
    }

    /// Makes an RSA key with a self-signed certificate, on a blocking thread: it takes a tenth of a second.
    pub(crate) async fn make_connection_key(&self, now: Timestamp) -> Result<MadeKey, Fault> {
        let host = url::Url::parse(self.issuer().as_str())
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned))
            .unwrap_or_default();
        tokio::task::spawn_blocking(move || generate(&host, now))
            .await
            .map_err(|_| Fault::stopped())?
    }

    /// Seals a made key for a connection.
    pub(crate) fn connection_key(
        &self,
        connection: &Connection,
        purpose: KeyPurpose,
        state: KeyState,
        made: &MadeKey,
        now: Timestamp,
    ) -> ConnectionKey {
        let id: ConnectionKeyId = self.generator().id(now);
        ConnectionKey {
            id,
            connection_id: connection.id,
            organization_id: connection.organization_id,
            purpose,
            state,
            certificate: made.certificate.clone(),
            private_sealed: self
                .vault()
                .seal(CONNECTION_KEY_PLACE, &id.to_string(), &made.private),
            not_after: made.not_after,
            created_at: now,
            activated_at: (state == KeyState::Active).then_some(now),
            retired_at: None,
        }
    }

    pub(crate) fn parsed_certificate(
        &self,
        fingerprint: &str,
        pem: &str,
    ) -> Result<Certificate, Fault> {
        kept(
            &self.parsed_keys().certificates,
            fingerprint.to_owned(),
            || {
                Certificate::from_pem(pem)
                    .map_err(|_| Fault::internal("a stored certificate cannot be read"))
            },
        )
    }

    pub(super) fn parsed_signing_key(&self, key: &ConnectionKey) -> Result<SigningKey, Fault> {
        kept(&self.parsed_keys().signing, key.id, || {
            let unusable = Fault::internal("a connection's signing key cannot be read");
            let certificate =
                Certificate::from_pem(&key.certificate).map_err(|_| Fault::internal(UNREADABLE))?;
            SigningKey::from_pkcs8_der(&self.opened(key)?, certificate).map_err(|_| unusable)
        })
    }

    /// A key of a connection in clear.
    pub(crate) fn opened(&self, key: &ConnectionKey) -> Result<Vec<u8>, Fault> {
        self.vault()
            .unseal(
                CONNECTION_KEY_PLACE,
                &key.id.to_string(),
                &key.private_sealed,
            )
            .ok_or(Fault::internal("a connection's key does not open"))
    }
}

const UNREADABLE: &str = "the certificate of a connection's key cannot be read";

/// Whether others may still know and use the key: it is in use, comes next, or went out of use not long ago.
pub(crate) fn is_published(key: &ConnectionKey, now: Timestamp) -> bool {
    match key.state {
        KeyState::Active | KeyState::Next => true,
        KeyState::Retired => key
            .retired_at
            .is_some_and(|retired_at| now < retired_at.after(KEY_OVERLAP)),
    }
}

/// The key in use comes first wherever keys are listed or tried.
const fn rank(state: KeyState) -> u8 {
    match state {
        KeyState::Active => 0,
        KeyState::Next => 1,
        KeyState::Retired => 2,
    }
}

fn generate(host: &str, now: Timestamp) -> Result<MadeKey, Fault> {
    let failed = |_| Fault::internal("a key for a connection could not be made");
    let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)
        .map_err(failed)?;
    let mut params = rcgen::CertificateParams::default();
    let mut name = rcgen::DistinguishedName::new();
    let common_name: String = host.chars().take(LONGEST_COMMON_NAME).collect();
    name.push(rcgen::DnType::CommonName, common_name);
    params.distinguished_name = name;
    let not_after = now.after(CERTIFICATE_LIFETIME);
    let at = |instant: Timestamp| {
        let since_1970 = Duration::from_secs(u64::try_from(instant.unix_seconds()).unwrap_or(0));
        rcgen::date_time_ymd(1970, 1, 1) + since_1970
    };
    params.not_before = at(now.before(CERTIFICATE_HEAD_START));
    params.not_after = at(not_after);
    let certificate = params.self_signed(&pair).map_err(failed)?;
    Ok(MadeKey {
        certificate: certificate.pem(),
        not_after: Timestamp::from_unix_seconds(not_after.unix_seconds()),
        private: pair.serialize_der(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_key_signs_and_decrypts_under_its_certificate() {
        let now = Timestamp::from_unix_seconds(1_795_305_600);
        let made = generate("id.example.com", now).unwrap();
        let certificate = Certificate::from_pem(&made.certificate).unwrap();
        assert_eq!(certificate.subject_common_name(), Some("id.example.com"));
        assert_eq!(certificate.not_after(), made.not_after.unix_seconds());
        assert!(certificate.not_before() < now.unix_seconds());
        let years = (certificate.not_after() - now.unix_seconds()) / (365 * 24 * 3600);
        assert_eq!(years, 10);
        assert!(SigningKey::from_pkcs8_der(&made.private, certificate.clone()).is_ok());
        assert!(
            DecryptionKey::from_pkcs8_der(&made.private)
                .unwrap()
                .fits(&certificate)
        );
    }

    #[test]
    fn a_long_host_still_gives_a_certificate() {
        let host = format!("{}.example.com", "a".repeat(63));
        let made = generate(&host, Timestamp::from_unix_seconds(1_795_305_600)).unwrap();
        let certificate = Certificate::from_pem(&made.certificate).unwrap();
        assert_eq!(certificate.subject_common_name(), host.get(..64));
    }
}
