//! What the admin API says and hears of a connection by SAML.

use serde::{Deserialize, Serialize};
use vestibule_core::Timestamp;
use vestibule_engine::{
    Encryption,
    admin::{KeyPurpose, SamlChange, SamlDetails, SamlParts, SamlSource, SsoBinding},
};

use super::{certificates::Certificate, keys::Key};
use crate::api::{
    body::{Nullable, nullable},
    problem::Problem,
};

const ONE_WAY: &str = "give exactly one of saml.metadata_xml, saml.metadata_url, and the parts saml.entity_id, saml.sso_url and saml.certificates; saml.entity_id may stand beside metadata, to choose from it";

/// What changes of a connection by SAML.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SamlInput {
    /// The identity provider's metadata. Its certificates are added to those that are trusted.
    metadata_xml: Option<String>,
    /// Where the identity provider publishes its metadata; it is fetched now and looked at again and again.
    /// Null ends that.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    metadata_url: Nullable<String>,
    /// The identity provider's entity ID; beside metadata that describes several, the one that is meant.
    entity_id: Option<String>,
    /// Where requests go.
    sso_url: Option<String>,
    /// The certificates to trust, and no others; PEM or base64.
    certificates: Option<Vec<String>>,
    /// Where logout messages go by HTTP-Redirect; null: the identity provider is not told of logouts.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    slo_url: Nullable<String>,
    /// How requests go; `redirect` unless the metadata has no address for it.
    sso_binding: Option<Binding>,
    /// Whether requests are signed; true unless said otherwise.
    sign_requests: Option<bool>,
    /// Whether assertions are encrypted: `off`, `accepted` or `required`.
    #[schema(value_type = Option<String>)]
    encryption: Option<Encryption>,
    /// Until when SHA-1 signatures are accepted, at most 90 days ahead. SHA-1 is broken; this is a bridge.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    allow_sha1_until: Nullable<Timestamp>,
    /// Whether inclusive canonicalization is accepted.
    allow_inclusive_c14n: Option<bool>,
    /// The format of name identifiers to ask for; null asks for none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    name_id_format: Nullable<String>,
    /// The authentication context classes to ask for; an empty list asks for none.
    authn_context: Option<Vec<String>>,
    /// Whether every login asks for a new authentication.
    force_authn: Option<bool>,
    /// The attribute that identifies a person for good; null: the name identifier, if its format is persistent.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    subject_attribute: Nullable<String>,
}

/// How requests go to the identity provider.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Binding {
    /// In the URL.
    Redirect,
    /// In a form.
    Post,
}

impl TryFrom<SamlInput> for SamlChange {
    type Error = Problem;

    fn try_from(input: SamlInput) -> Result<Self, Problem> {
        let unfollow = input.metadata_url == Some(None);
        let entity_id = input.entity_id;
        let in_parts = input.sso_url.is_some() || input.certificates.is_some();
        let source = match (input.metadata_xml, input.metadata_url.flatten(), in_parts) {
            (Some(xml), None, false) => Some(SamlSource::MetadataXml { xml, entity_id }),
            (None, Some(url), false) => Some(SamlSource::MetadataUrl { url, entity_id }),
            (None, None, false) if entity_id.is_none() => None,
            (None, None, _) => Some(SamlSource::Parts(SamlParts {
                entity_id,
                sso_url: input.sso_url,
                certificates: input.certificates,
            })),
            (Some(_), Some(_), _) => return Err(Problem::mixed("saml.metadata_url", ONE_WAY)),
            (_, _, true) => {
                let field = match input.sso_url {
                    Some(_) => "saml.sso_url",
                    None => "saml.certificates",
                };
                return Err(Problem::mixed(field, ONE_WAY));
            }
        };
        Ok(Self {
            source,
            unfollow,
            slo_url: input.slo_url,
            sso_binding: input.sso_binding.map(|binding| match binding {
                Binding::Redirect => SsoBinding::Redirect,
                Binding::Post => SsoBinding::Post,
            }),
            sign_requests: input.sign_requests,
            encryption: input.encryption,
            allow_sha1_until: input.allow_sha1_until,
            allow_inclusive_c14n: input.allow_inclusive_c14n,
            name_id_format: input.name_id_format,
            authn_context: input.authn_context,
            force_authn: input.force_authn,
            subject_attribute: input.subject_attribute,
        })
    }
}

/// A connection by SAML, with what to enter at the identity provider.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Saml {
    /// Enter this as the entity ID, also called identifier or audience.
    sp_entity_id: String,
    /// Enter this as the assertion consumer service, also called reply URL or single sign-on URL.
    acs_url: String,
    /// Our metadata, for identity providers that read it.
    metadata_url: String,
    /// Enter this as the single logout URL.
    slo_url: String,
    /// Enter this as the sign-on URL or start URL: it begins a login.
    login_url: String,
    /// The identity provider's entity ID.
    entity_id: String,
    /// Where requests go.
    sso_url: Option<String>,
    sso_binding: Binding,
    /// Where logout messages go.
    idp_slo_url: Option<String>,
    sign_requests: bool,
    /// `off`, `accepted` or `required`.
    #[schema(value_type = String)]
    encryption: Encryption,
    allow_sha1_until: Option<String>,
    allow_inclusive_c14n: bool,
    name_id_format: Option<String>,
    authn_context: Vec<String>,
    force_authn: bool,
    subject_attribute: Option<String>,
    /// The certificates that are trusted, whatever their dates.
    certificates: Vec<Certificate>,
    /// The metadata that is followed; null when none is.
    metadata: Option<Metadata>,
    /// Our keys that sign, or will.
    signing_keys: Vec<Key>,
    /// Our keys that decrypt, or will.
    encryption_keys: Vec<Key>,
}

/// Metadata that is looked at again and again.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Metadata {
    url: String,
    /// When it was last read successfully.
    checked_at: Option<String>,
    /// When what was read last differed from what was known.
    changed_at: Option<String>,
    /// When it is looked at next.
    next_check_at: String,
    /// Why the last look failed; what is known stays. Null when it did not fail.
    last_error: Option<String>,
}

impl From<SamlDetails> for Saml {
    fn from(details: SamlDetails) -> Self {
        let sso_binding = match details.settings.prefers_post() {
            true => Binding::Post,
            false => Binding::Redirect,
        };
        let (signing, encryption): (Vec<_>, Vec<_>) = details
            .keys
            .into_iter()
            .partition(|key| key.purpose == KeyPurpose::Signing);
        let (addresses, settings) = (details.addresses, details.settings);
        Self {
            metadata_url: addresses.sp_entity_id.clone(),
            sp_entity_id: addresses.sp_entity_id,
            acs_url: addresses.acs_url,
            slo_url: addresses.slo_url,
            login_url: addresses.login_url,
            entity_id: settings.entity_id,
            sso_url: settings.sso_url.or(settings.sso_post_url),
            sso_binding,
            idp_slo_url: settings.slo_url.or(settings.slo_post_url),
            sign_requests: settings.sign_requests,
            encryption: settings.encryption,
            allow_sha1_until: settings.allow_sha1_until.map(|until| until.to_string()),
            allow_inclusive_c14n: settings.allow_inclusive_c14n,
            name_id_format: settings.name_id_format,
            authn_context: settings.authn_context,
            force_authn: settings.force_authn,
            subject_attribute: settings.subject_attribute,
            certificates: details.certificates.into_iter().map(Into::into).collect(),
            metadata: details.metadata.map(|metadata| Metadata {
                url: metadata.url,
                checked_at: metadata.checked_at.map(|at| at.to_string()),
                changed_at: metadata.changed_at.map(|at| at.to_string()),
                next_check_at: metadata.next_check_at.to_string(),
                last_error: metadata.last_error,
            }),
            signing_keys: signing.into_iter().map(Into::into).collect(),
            encryption_keys: encryption.into_iter().map(Into::into).collect(),
        }
    }
}
