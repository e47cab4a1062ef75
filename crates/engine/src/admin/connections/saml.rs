//! Connections by SAML: what a person may set, and what follows from it.

use std::time::Duration;

use serde_json::json;
use vestibule_core::{ConnectionState, Protocol, Timestamp};
use vestibule_saml::{Certificate, IdpMetadata, check_endpoint};
use vestibule_store::{
    CertificateSource, Connection, ConnectionKey, KeyPurpose, KeyState, WriteTx,
};

use super::{
    ConnectionChange, Join,
    certificates::{announce_all, checked_certificate, remove_certificate},
    checked_directory_attribute,
};
use crate::{
    Encryption, Engine, SamlSettings,
    admin::{Actor, AdminError, Done, Result},
    saml::{
        keys::MadeKey,
        metadata::{Published, Wanted, pin, read_metadata, settings_value},
    },
};

/// SHA-1 is a bridge to the day on which the identity provider is set right, and no more.
const LONGEST_SHA1: Duration = Duration::from_secs(90 * 24 * 3600);
/// The longest entity ID (SAML core §8.3.6).
const LONGEST_ENTITY_ID: usize = 1024;
/// Names of attributes, formats and classes are URIs or shorter.
const LONGEST_WORD: usize = 512;
const MOST_CERTIFICATES: usize = 64;
const MOST_CONTEXTS: usize = 20;
const FOLLOWS: &str = "comes from the metadata that the connection follows; set saml.metadata_url to null beside it, and the connection no longer follows it";

/// What changes of a connection by SAML.
#[derive(Debug, Default)]
pub struct SamlChange {
    /// Who the identity provider is and whom to trust.
    pub source: Option<SamlSource>,
    /// Whether its metadata is no longer looked at.
    pub unfollow: bool,
    /// Where logout messages go by HTTP-Redirect; none: the identity provider is not told of logouts.
    pub slo_url: Option<Option<String>>,
    /// How requests go.
    pub sso_binding: Option<SsoBinding>,
    /// Whether requests are signed.
    pub sign_requests: Option<bool>,
    /// Whether assertions may or must be encrypted.
    pub encryption: Option<Encryption>,
    /// Until when SHA-1 signatures are accepted.
    pub allow_sha1_until: Option<Option<Timestamp>>,
    /// Whether inclusive canonicalization is accepted.
    pub allow_inclusive_c14n: Option<bool>,
    /// The `NameIDPolicy` format asked for.
    pub name_id_format: Option<Option<String>>,
    /// The authentication context classes asked for.
    pub authn_context: Option<Vec<String>>,
    /// Whether every login asks for a new authentication.
    pub force_authn: Option<bool>,
    /// The attribute that identifies a person for good.
    pub subject_attribute: Option<Option<String>>,
}

/// How an identity provider is described: one way at a time.
#[derive(Debug)]
pub enum SamlSource {
    /// Its metadata.
    MetadataXml {
        /// The document.
        xml: String,
        /// Which one it is, where the document holds several.
        entity_id: Option<String>,
    },
    /// Where its metadata is published; it is followed from then on.
    MetadataUrl {
        /// The address.
        url: String,
        /// Which one it is, where the document holds several.
        entity_id: Option<String>,
    },
    /// Part by part.
    Parts(SamlParts),
}

/// The parts of an identity provider's description; all of them to make a connection.
#[derive(Debug, Default)]
pub struct SamlParts {
    /// Its entity ID.
    pub entity_id: Option<String>,
    /// Where requests go.
    pub sso_url: Option<String>,
    /// The certificates to trust, and no others; PEM or base64.
    pub certificates: Option<Vec<String>>,
}

/// How requests go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SsoBinding {
    /// In the URL.
    Redirect,
    /// In a form.
    Post,
}

/// What was fetched and made before the transaction begins.
#[derive(Default)]
pub(super) struct Prepared {
    metadata: Option<Described>,
    pub(super) keys: Vec<(KeyPurpose, MadeKey)>,
}

enum Described {
    Given(Box<IdpMetadata>),
    Fetched(String, Box<Published>),
}

impl Prepared {
    fn metadata(&self) -> Option<&IdpMetadata> {
        match self.metadata.as_ref()? {
            Described::Given(metadata) => Some(metadata),
            Described::Fetched(_, published) => Some(&published.metadata),
        }
    }
}

impl Engine {
    /// Reads or fetches metadata and makes keys, as far as a change needs them.
    pub(super) async fn prepare(
        &self,
        protocol: Protocol,
        change: &ConnectionChange,
        stored: Option<&Connection>,
        now: Timestamp,
    ) -> Result<Prepared> {
        let mut prepared = Prepared::default();
        match protocol {
            Protocol::Saml => {}
            Protocol::Oidc => return self.prepare_oidc(change, stored, now).await,
            Protocol::Password | Protocol::BreakGlass => return Ok(prepared),
        }
        let saml = change.saml.as_ref();
        // A federation's document may be given anew: the provider that is known is meant.
        let known = stored.and_then(|connection| SamlSettings::of(connection).ok());
        let known = known.as_ref().map(|settings| settings.entity_id.as_str());
        prepared.metadata = match saml.and_then(|saml| saml.source.as_ref()) {
            Some(SamlSource::MetadataXml { xml, entity_id }) => {
                let metadata = read_metadata(xml, Wanted::of(entity_id.as_deref(), known), now)
                    .map_err(|trouble| unusable("saml.metadata_xml", trouble.in_full()))?;
                Some(Described::Given(Box::new(metadata)))
            }
            Some(SamlSource::MetadataUrl { url, entity_id }) => {
                let url = self.checked_url("saml.metadata_url", url)?;
                let published = self
                    .fetch_metadata(&url, None, Wanted::of(entity_id.as_deref(), known), now)
                    .await
                    .map_err(|trouble| unusable("saml.metadata_url", trouble.in_full()))?
                    .ok_or_else(|| unusable("saml.metadata_url", "the address answered nothing"))?;
                Some(Described::Fetched(url, Box::new(published)))
            }
            Some(SamlSource::Parts(_)) | None => None,
        };
        let keys = match stored {
            Some(connection) => {
                let mut tx = self.store().read(now).await?;
                tx.list_connection_keys(connection.id).await?
            }
            None => Vec::new(),
        };
        let asked = saml.and_then(|saml| saml.encryption);
        let encrypts = matches!(asked, Some(Encryption::Accepted | Encryption::Required));
        for (purpose, needed) in [
            (KeyPurpose::Signing, true),
            (KeyPurpose::Encryption, encrypts),
        ] {
            if needed && !has_active(&keys, purpose) {
                prepared
                    .keys
                    .push((purpose, self.make_connection_key(now).await?));
            }
        }
        Ok(prepared)
    }

    /// Sets the settings of a connection by SAML; what has rows of its own is for [`keep_saml`](Self::keep_saml).
    pub(super) async fn apply_saml(
        &self,
        tx: &mut WriteTx,
        connection: &mut Connection,
        change: &ConnectionChange,
        prepared: &Prepared,
    ) -> Result<()> {
        let stored = match connection.settings.get("entity_id") {
            Some(_) => Some(SamlSettings::of(connection)?),
            None => None,
        };
        let empty = SamlChange::default();
        let saml = change.saml.as_ref().unwrap_or(&empty);
        let parts = match &saml.source {
            Some(SamlSource::Parts(parts)) => Some(parts),
            _ => None,
        };
        if let Some(parts) = parts
            && !saml.unfollow
            && (parts.entity_id.is_some() || parts.sso_url.is_some())
            && tx.find_connection_metadata(connection.id).await?.is_some()
        {
            let field = match parts.entity_id {
                Some(_) => "saml.entity_id",
                None => "saml.sso_url",
            };
            return Err(AdminError::conflict(format!("{field} {FOLLOWS}")));
        }
        let mut settings = match (prepared.metadata(), stored) {
            (Some(metadata), stored) => {
                let mut settings = stored.unwrap_or_else(|| SamlSettings::new(&metadata.entity_id));
                settings.entity_id.clone_from(&metadata.entity_id);
                settings
            }
            (None, Some(stored)) => stored,
            (None, None) => first_settings(saml)?,
        };
        self.set_addresses(&mut settings, saml, parts, prepared.metadata())?;
        set_options(&mut settings, saml, tx.now())?;
        let join = match (&change.join, &connection.join_directory) {
            (Some(join), _) => Some(checked_join(join)?),
            (None, None) => Some(default_join()),
            (None, Some(_)) => None,
        };
        if let Some(join) = join {
            (connection.join_directory, connection.join_claim) =
                (Some(join.directory), Some(join.claim));
        }
        connection.settings = settings_value(&settings)?;
        Ok(())
    }

    fn set_addresses(
        &self,
        settings: &mut SamlSettings,
        saml: &SamlChange,
        parts: Option<&SamlParts>,
        metadata: Option<&IdpMetadata>,
    ) -> Result<()> {
        if let Some(slo_url) = &saml.slo_url {
            let slo_url = slo_url.as_deref();
            let checked = slo_url.map(|url| self.checked_endpoint("saml.slo_url", url));
            settings.slo_url = checked.transpose()?;
            (settings.slo_post_url, settings.slo_response_url) = (None, None);
            settings.slo_chosen = true;
        } else if metadata.is_some() {
            settings.slo_chosen = false;
        }
        if let Some(metadata) = metadata {
            if saml.sso_binding.is_some() {
                (settings.sso_url, settings.sso_post_url) = (None, None);
            }
            settings.follow(metadata);
        }
        if let Some(entity_id) = parts.and_then(|parts| parts.entity_id.as_deref()) {
            settings.entity_id = checked_entity_id(entity_id)?;
        }
        let prefers_post = match saml.sso_binding {
            Some(binding) => binding == SsoBinding::Post,
            None => settings.prefers_post(),
        };
        if let Some(url) = parts.and_then(|parts| parts.sso_url.as_deref()) {
            let url = Some(self.checked_endpoint("saml.sso_url", url)?);
            (settings.sso_url, settings.sso_post_url) = match prefers_post {
                true => (None, url),
                false => (url, None),
            };
            settings.sso_redirect_aside = None;
            return Ok(());
        }
        let has_address = match saml.sso_binding {
            Some(SsoBinding::Redirect) => settings.prefer_redirect(),
            Some(SsoBinding::Post) => settings.prefer_post(),
            None => true,
        };
        if !has_address {
            return Err(AdminError::invalid(
                "saml.sso_binding",
                "names a binding for which no address is known; give metadata that has one, or sso_url",
            ));
        }
        Ok(())
    }

    /// Keeps what has rows of its own: certificates, keys and where metadata is published. True when less is trusted
    /// than before, so that what came through the connection has to end.
    pub(super) async fn keep_saml(
        &self,
        tx: &mut WriteTx,
        actor: &Actor,
        before: Option<&Connection>,
        after: &Connection,
        change: &ConnectionChange,
        prepared: Prepared,
    ) -> Result<bool> {
        if after.protocol != Protocol::Saml {
            return Ok(false);
        }
        let now = tx.now();
        let settings = SamlSettings::of(after)?;
        self.keep_keys(tx, after, &settings, &prepared).await?;
        let empty = SamlChange::default();
        let saml = change.saml.as_ref().unwrap_or(&empty);
        let before_settings = before.map(SamlSettings::of).transpose()?;
        // Another entity is another provider: what the old one signs with is trusted no longer.
        let is_another = before_settings.is_some_and(|known| known.entity_id != settings.entity_id);
        let mut trusts_less = is_another;
        let added = match (&saml.source, prepared.metadata()) {
            (_, Some(metadata)) => {
                if is_another {
                    remove_others(tx, actor, after, &metadata.certificates).await?;
                }
                let source = CertificateSource::Metadata;
                let added = pin(tx, after, &metadata.certificates, source).await?;
                (added, source)
            }
            (
                Some(SamlSource::Parts(SamlParts {
                    certificates: Some(texts),
                    ..
                })),
                None,
            ) => {
                let wanted = checked_certificates(texts)?;
                trusts_less |= remove_others(tx, actor, after, &wanted).await?;
                let source = CertificateSource::Operator;
                (pin(tx, after, &wanted, source).await?, source)
            }
            _ if is_another => {
                return Err(AdminError::invalid(
                    "saml.certificates",
                    "must come with another entity_id: those that are known are another provider's",
                ));
            }
            _ => (Vec::new(), CertificateSource::Operator),
        };
        if before.is_some() {
            announce_all(tx, actor, after, added).await?;
        }
        match &prepared.metadata {
            Some(Described::Fetched(url, published)) => {
                self.follow_metadata(tx, after, url, published, now).await?;
            }
            Some(Described::Given(_)) => {
                tx.set_connection_metadata(after.id, after.organization_id, None)
                    .await?;
            }
            None if saml.unfollow => {
                tx.set_connection_metadata(after.id, after.organization_id, None)
                    .await?;
            }
            None => {}
        }
        if let Some(Some(until)) = saml.allow_sha1_until {
            let done = Done {
                organization_id: Some(after.organization_id),
                action: "connection.allow_sha1",
                subject: after.id.to_string(),
                data: json!({ "until": until }),
            };
            actor.audit(tx, done).await?;
        }
        if after.state == ConnectionState::Active
            && tx.list_connection_certificates(after.id).await?.is_empty()
        {
            return Err(AdminError::conflict(
                "the connection trusts no certificate; add the identity provider's before it is used",
            ));
        }
        Ok(trusts_less)
    }

    /// Sees that there is a key for everything that the settings need, and none for what they do not.
    async fn keep_keys(
        &self,
        tx: &mut WriteTx,
        connection: &Connection,
        settings: &SamlSettings,
        prepared: &Prepared,
    ) -> Result<()> {
        let now = tx.now();
        let known = tx.list_connection_keys(connection.id).await?;
        let encrypts = settings.encryption != Encryption::Off;
        for (purpose, needed) in [
            (KeyPurpose::Signing, true),
            (KeyPurpose::Encryption, encrypts),
        ] {
            if !needed {
                // What the identity provider encrypts until it has read our metadata again still opens.
                for key in known.iter().filter(|key| key.purpose == purpose) {
                    if key.state != KeyState::Retired {
                        tx.set_connection_key_state(connection.id, key.id, KeyState::Retired)
                            .await?;
                    }
                }
                continue;
            }
            if has_active(&known, purpose) {
                continue;
            }
            let made = prepared.keys.iter().find(|(made, _)| *made == purpose);
            let (_, made) = made.ok_or_else(|| {
                AdminError::conflict("the connection was changed meanwhile; repeat the request")
            })?;
            let key = self.connection_key(connection, purpose, KeyState::Active, made, now);
            tx.add_connection_key(&key).await?;
        }
        Ok(())
    }

    /// An address of an identity provider: one that we would call, and that SAML's messages can name.
    fn checked_endpoint(&self, field: &str, url: &str) -> Result<String> {
        let url = self.checked_url(field, url)?;
        match check_endpoint(&url) {
            Ok(()) => Ok(url),
            Err(error) => Err(AdminError::invalid(
                field,
                format!("cannot be used: {}", error.got()),
            )),
        }
    }
}

fn unusable(field: &str, trouble: impl std::fmt::Display) -> AdminError {
    AdminError::invalid(field, format!("cannot be used: {trouble}"))
}

pub(super) fn has_active(keys: &[ConnectionKey], purpose: KeyPurpose) -> bool {
    keys.iter()
        .any(|key| key.purpose == purpose && key.state == KeyState::Active)
}

/// Settings of a connection that is made part by part.
fn first_settings(saml: &SamlChange) -> Result<SamlSettings> {
    let required = |field: &str| {
        AdminError::invalid(
            field,
            "is required; or give metadata_url or metadata_xml instead of parts",
        )
    };
    let Some(SamlSource::Parts(parts)) = &saml.source else {
        return Err(AdminError::invalid(
            "saml",
            "must have metadata_url, or metadata_xml, or entity_id with sso_url and certificates",
        ));
    };
    let entity_id = parts
        .entity_id
        .as_deref()
        .ok_or_else(|| required("saml.entity_id"))?;
    if parts.sso_url.is_none() {
        return Err(required("saml.sso_url"));
    }
    if parts.certificates.is_none() {
        return Err(required("saml.certificates"));
    }
    Ok(SamlSettings::new(entity_id))
}

fn set_options(settings: &mut SamlSettings, saml: &SamlChange, now: Timestamp) -> Result<()> {
    settings.sign_requests = saml.sign_requests.unwrap_or(settings.sign_requests);
    settings.encryption = saml.encryption.unwrap_or(settings.encryption);
    settings.allow_inclusive_c14n = saml
        .allow_inclusive_c14n
        .unwrap_or(settings.allow_inclusive_c14n);
    settings.force_authn = saml.force_authn.unwrap_or(settings.force_authn);
    if let Some(until) = saml.allow_sha1_until {
        if until.is_some_and(|until| until <= now || until > now.after(LONGEST_SHA1)) {
            return Err(AdminError::invalid(
                "saml.allow_sha1_until",
                "must lie in the future, at most 90 days ahead",
            ));
        }
        settings.allow_sha1_until = until;
    }
    if let Some(format) = &saml.name_id_format {
        let format = format.as_deref();
        let checked = format.map(|format| checked_word("saml.name_id_format", format));
        settings.name_id_format = checked.transpose()?;
    }
    if let Some(attribute) = &saml.subject_attribute {
        let attribute = attribute.as_deref();
        let checked = attribute.map(|name| checked_word("saml.subject_attribute", name));
        settings.subject_attribute = checked.transpose()?;
    }
    if let Some(contexts) = &saml.authn_context {
        if contexts.len() > MOST_CONTEXTS {
            return Err(AdminError::invalid(
                "saml.authn_context",
                "must be at most 20 classes",
            ));
        }
        settings.authn_context = contexts
            .iter()
            .map(|class| checked_word("saml.authn_context", class))
            .collect::<Result<_>>()?;
    }
    Ok(())
}

fn checked_word(field: &str, text: &str) -> Result<String> {
    let fits = (1..=LONGEST_WORD).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    match fits {
        true => Ok(text.to_owned()),
        false => Err(AdminError::invalid(
            field,
            "must be 1 to 512 printable ASCII characters without spaces",
        )),
    }
}

/// An entity ID is compared byte by byte, so nothing is trimmed from it here.
fn checked_entity_id(text: &str) -> Result<String> {
    let fits = !text.is_empty()
        && text.trim() == text
        && text.chars().count() <= LONGEST_ENTITY_ID
        && !text.chars().any(char::is_control);
    match fits {
        true => Ok(text.to_owned()),
        false => Err(AdminError::invalid(
            "saml.entity_id",
            "must be 1 to 1024 characters, with no space around them and no control characters",
        )),
    }
}

fn checked_certificates(texts: &[String]) -> Result<Vec<Certificate>> {
    if !(1..=MOST_CERTIFICATES).contains(&texts.len()) {
        return Err(AdminError::invalid(
            "saml.certificates",
            "must be 1 to 64 certificates",
        ));
    }
    texts
        .iter()
        .enumerate()
        .map(|(place, text)| checked_certificate(&format!("saml.certificates[{place}]"), text))
        .collect()
}

/// Removes the certificates that are not wanted any more; true when there were some.
async fn remove_others(
    tx: &mut WriteTx,
    actor: &Actor,
    connection: &Connection,
    wanted: &[Certificate],
) -> Result<bool> {
    let mut removed = false;
    for known in tx.list_connection_certificates(connection.id).await? {
        if !wanted
            .iter()
            .any(|certificate| certificate.fingerprint_sha256() == known.fingerprint)
        {
            remove_certificate(tx, actor, connection, &known.fingerprint).await?;
            removed = true;
        }
    }
    Ok(removed)
}

/// `name_id`, Entra's `oid`, or an attribute by its name.
fn checked_join(join: &Join) -> Result<Join> {
    let directory = checked_directory_attribute(join)?;
    let named = join.claim.strip_prefix("attribute:");
    let fits = match named {
        Some(name) => {
            (1..=LONGEST_WORD).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_graphic())
        }
        None => matches!(join.claim.as_str(), "name_id" | "oid"),
    };
    match fits {
        true => Ok(Join {
            directory,
            claim: join.claim.clone(),
        }),
        false => Err(AdminError::invalid(
            "join.claim",
            "must be name_id, oid, or attribute: and the name of an attribute of the assertion",
        )),
    }
}

/// Products send the user name as the name identifier unless told otherwise, and provision it as `userName`.
fn default_join() -> Join {
    Join {
        directory: "userName".to_owned(),
        claim: "name_id".to_owned(),
    }
}
