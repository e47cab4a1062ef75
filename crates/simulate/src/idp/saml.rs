//! The identity provider's SAML side: the same people, sessions and login form.

mod answer;
mod attributes;
mod fault;
mod metadata;
mod slo;
mod sso;

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::routing::get;
use clap::ValueEnum;
use serde::Deserialize;

use super::state::State;
use crate::clock;
use crate::saml::{Certificate, Element, Encrypter, KeyKind, NameId, SamlKey, Style, Validity};

pub(super) use slo::{After, begin as begin_logout};
pub(super) use sso::SamlLogin;
pub(super) use sso::answer;

/// How long a certificate of the provider is good, in seconds: three years, as Entra's are.
const CERTIFICATE_TTL: i64 = 3 * 365 * 86_400;

/// A service provider that is registered at the identity provider.
#[derive(Debug, Clone)]
pub struct SamlClient {
    /// Its entity id: the audience.
    pub entity_id: String,
    /// What it is called on the provider's home page; its host name where nobody says.
    pub name: Option<String>,
    /// Its assertion consumer service, compared exactly.
    pub acs_url: String,
    /// Where logout messages go; without it the service provider is left out of logout.
    pub slo_url: Option<String>,
    /// How logout messages go there.
    pub slo_binding: SloBinding,
    /// The certificates of its signatures. Where there are any, signed requests are checked, and
    /// logout requests have to be signed.
    pub certificates: Vec<Certificate>,
    /// Whether sign-in requests have to be signed.
    pub requests: RequestRule,
    /// To whom assertions are encrypted, and how.
    pub encrypter: Option<Encrypter>,
    /// What is encrypted, if there is an encrypter.
    pub encrypts: Encrypts,
    /// What people are called there.
    pub name_id: NameIdKind,
    /// Whose manner the messages follow.
    pub style: Style,
    /// How long a session lasts at the most, in seconds: `SessionNotOnOrAfter`.
    pub session_ttl: Option<i64>,
    /// The `RelayState` of logins that begin here.
    pub start_relay_state: Option<String>,
}

/// Which binding carries logout messages to a service provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SloBinding {
    /// HTTP redirect.
    #[default]
    Redirect,
    /// HTTP POST.
    Post,
}

/// Whether sign-in requests have to be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RequestRule {
    /// They may be; a signature that is there has to be good.
    #[default]
    MayBeSigned,
    /// They have to be.
    MustBeSigned,
}

/// What is encrypted for a service provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encrypts {
    /// The assertion.
    #[default]
    Assertion,
    /// The NameID only.
    NameId,
}

/// What people are called at a service provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum NameIdKind {
    /// A lasting pseudonym per person and service provider.
    #[default]
    Persistent,
    /// The person's directory object id in the persistent format: SCIM's `externalId`.
    ObjectId,
    /// The e-mail address.
    EmailAddress,
    /// The user name, with the format left unspecified.
    UserName,
    /// Another one in each session.
    Transient,
}

impl SamlClient {
    /// A service provider without logout, signatures and encryption.
    pub fn new(entity_id: &str, acs_url: &str) -> Self {
        Self {
            entity_id: entity_id.to_owned(),
            name: None,
            acs_url: acs_url.to_owned(),
            slo_url: None,
            slo_binding: SloBinding::default(),
            certificates: Vec::new(),
            requests: RequestRule::default(),
            encrypter: None,
            encrypts: Encrypts::default(),
            name_id: NameIdKind::default(),
            style: Style::default(),
            session_ttl: None,
            start_relay_state: None,
        }
    }

    /// A service provider as its metadata describes it.
    ///
    /// As Shibboleth does, it is encrypted to as soon as the metadata has a key for that.
    pub fn from_metadata(xml: &str) -> anyhow::Result<Self> {
        let root = Element::parse(xml)?;
        let entity_id = root.get("entityID").context("no entityID")?;
        let descriptor = root
            .find("SPSSODescriptor")
            .context("the metadata describes no service provider")?;
        let located = |name: &str, binding: &str| {
            let mut found = descriptor.elements().filter(|child| {
                child.local_name() == name
                    && child
                        .get("Binding")
                        .is_some_and(|uri| uri.ends_with(binding))
            });
            found.next().and_then(|child| child.get("Location"))
        };
        let acs_url = located("AssertionConsumerService", "HTTP-POST");
        let mut client = Self::new(entity_id, acs_url.context("no AssertionConsumerService")?);
        let redirect = located("SingleLogoutService", "HTTP-Redirect");
        let post = located("SingleLogoutService", "HTTP-POST");
        if redirect.is_none() && post.is_some() {
            client.slo_binding = SloBinding::Post;
        }
        client.slo_url = redirect.or(post).map(str::to_owned);
        if matches!(descriptor.get("AuthnRequestsSigned"), Some("true" | "1")) {
            client.requests = RequestRule::MustBeSigned;
        }
        for key in descriptor.elements() {
            if key.local_name() != "KeyDescriptor" {
                continue;
            }
            let certificate = key.text_of("X509Certificate").context("no certificate")?;
            let certificate = Certificate::from_pem(&certificate)?;
            if key.get("use") != Some("encryption") {
                client.certificates.push(certificate.clone());
            }
            if key.get("use") != Some("signing") && client.encrypter.is_none() {
                client.encrypter = Some(Encrypter::new(&certificate));
            }
        }
        Ok(client)
    }

    /// Called so on the provider's home page.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// In the manner of a product.
    #[must_use]
    pub fn style(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    /// With people called so.
    #[must_use]
    pub fn name_id(mut self, kind: NameIdKind) -> Self {
        self.name_id = kind;
        self
    }
}

/// Which keys stay published when another one begins to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOverlap {
    /// The one before stays.
    KeepFormer,
    /// Only the new one is published.
    DropFormer,
}

/// A service provider that a session signed in to.
#[derive(Debug, Clone)]
pub(super) struct Participant {
    pub(super) entity_id: String,
    pub(super) name_id: NameId,
    pub(super) session_index: String,
}

/// What the provider remembers for SAML.
pub(super) struct SamlMemory {
    pub(super) clients: Vec<SamlClient>,
    pub(super) groups: HashMap<String, Vec<String>>,
    /// The last response to each service provider, for a replay.
    pub(super) last: HashMap<String, String>,
    pub(super) logouts: HashMap<String, slo::Round>,
    kind: KeyKind,
    /// What signs; made when it is first needed, because RSA keys take their time.
    current: Option<SamlKey>,
    former: Option<SamlKey>,
    next: Option<SamlKey>,
}

impl SamlMemory {
    pub(super) fn new(kind: KeyKind, key: Option<SamlKey>) -> Self {
        Self {
            clients: Vec::new(),
            groups: HashMap::new(),
            last: HashMap::new(),
            logouts: HashMap::new(),
            kind,
            current: key,
            former: None,
            next: None,
        }
    }

    pub(super) fn client(&self, entity_id: &str) -> Option<&SamlClient> {
        self.clients
            .iter()
            .find(|client| client.entity_id == entity_id)
    }

    pub(super) fn add_client(&mut self, client: SamlClient) {
        self.clients
            .retain(|known| known.entity_id != client.entity_id);
        self.clients.push(client);
    }

    /// The key that signs.
    pub(super) fn key(&mut self) -> anyhow::Result<SamlKey> {
        if let Some(key) = &self.current {
            return Ok(key.clone());
        }
        let key = self.make_key()?;
        self.current = Some(key.clone());
        Ok(key)
    }

    /// The published keys, the signing one first.
    pub(super) fn published(&mut self) -> anyhow::Result<Vec<SamlKey>> {
        let current = self.key()?;
        let others = [&self.next, &self.former].into_iter().flatten().cloned();
        Ok([current].into_iter().chain(others).collect())
    }

    pub(super) fn announce(&mut self) -> anyhow::Result<SamlKey> {
        let key = self.make_key()?;
        self.next = Some(key.clone());
        Ok(key)
    }

    pub(super) fn rotate(&mut self, overlap: KeyOverlap) -> anyhow::Result<SamlKey> {
        let key = match self.next.take() {
            Some(key) => key,
            None => self.make_key()?,
        };
        let former = self.current.replace(key.clone());
        self.former = former.filter(|_| overlap == KeyOverlap::KeepFormer);
        Ok(key)
    }

    fn make_key(&self) -> anyhow::Result<SamlKey> {
        let now = clock::unix_seconds();
        SamlKey::generate_valid(
            self.kind,
            Validity {
                not_before: now - 86_400,
                not_after: now + CERTIFICATE_TTL,
            },
        )
    }
}

impl State {
    pub(super) fn saml_entity_id(&self) -> String {
        format!("{}/saml/metadata", self.issuer)
    }

    /// The address of a SAML endpoint as browsers see it.
    pub(super) fn saml_url(&self, name: &str) -> String {
        let base = self.browser_url.as_str().trim_end_matches('/');
        format!("{base}/saml/{name}")
    }
}

pub(super) use metadata::document as metadata_document;

pub(super) fn router() -> Router<Arc<State>> {
    Router::new()
        .route("/saml/metadata", get(metadata::get))
        .route("/saml/sso", get(sso::by_redirect).post(sso::by_post))
        .route("/saml/start", get(sso::start))
        .route("/saml/slo", get(slo::by_redirect).post(slo::by_post))
        .route("/saml/submit.js", get(answer::script))
}
