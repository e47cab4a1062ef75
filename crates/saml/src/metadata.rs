//! An identity provider's metadata (SAML metadata §2.4.3): what an administrator uploads, or what a poll fetches.
//!
//! Metadata decides whom a connection trusts, so nothing in it is taken on its own word: where it came from is what it
//! is worth. Signatures of metadata, of federations' aggregates and of MDQ answers are **not** verified here; fetch it
//! over TLS from an address that the administrator gave, and let a person confirm a change of certificates.

mod duration;
mod keys;
mod select;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::{
    Certificate, CertificateError, Error, Rule,
    address::check_address,
    names::{BINDING_POST, BINDING_REDIRECT, MD},
    xml::{Document, Element, XML},
};

use duration::parse_duration;
use select::Selected;

/// The longest metadata, in bytes; one identity provider's has a tenth of it.
pub const MAX_METADATA_BYTES: usize = 1 << 20;

/// What the metadata of one identity provider says.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IdpMetadata {
    /// Its entity ID: the `Issuer` of all that it sends.
    pub entity_id: String,
    /// Where logins are sent by redirect.
    pub sso_redirect: Option<String>,
    /// Where logins are sent by a form.
    pub sso_post: Option<String>,
    /// Where logouts are sent by redirect.
    pub slo_redirect: Option<LogoutEndpoint>,
    /// Where logouts are sent by a form.
    pub slo_post: Option<LogoutEndpoint>,
    /// Whether it refuses requests that are not signed (`WantAuthnRequestsSigned`).
    pub want_authn_requests_signed: bool,
    /// The formats of name identifiers that it offers, in its order.
    pub name_id_formats: Vec<String>,
    /// The certificates that it signs with, at least one, in its order; keys for encryption only are never among them.
    pub certificates: Vec<Certificate>,
    /// What was left out although somebody should look at it.
    pub problems: Vec<MetadataProblem>,
    /// Until when it may be relied on, Unix seconds, by the nearest end that it names.
    pub valid_until: Option<i64>,
    /// After how many seconds it should be fetched again, by the shortest time that it names.
    pub cache_duration: Option<i64>,
    /// A name for people: of the organization, in English if there is one.
    pub display_name: Option<String>,
}

/// Where a logout goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogoutEndpoint {
    /// Where requests go.
    pub location: String,
    /// Where answers go, if elsewhere.
    pub response_location: Option<String>,
}

impl LogoutEndpoint {
    /// Where answers go.
    pub fn answer_location(&self) -> &str {
        self.response_location.as_deref().unwrap_or(&self.location)
    }
}

/// Something in metadata that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetadataProblem {
    /// A certificate to sign with cannot be used: signatures by its key will be refused.
    Certificate(CertificateError),
    /// A key to sign with has no certificate, only a name or a bare key.
    KeyWithoutCertificate,
    /// A certificate only completes the chain of another one: an authority signs no messages.
    Authority,
    /// `cacheDuration` is no duration.
    CacheDuration,
}

impl fmt::Display for MetadataProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(error) => write!(formatter, "a certificate was left out: {error}"),
            Self::KeyWithoutCertificate => {
                formatter.write_str("a key without a certificate was left out")
            }
            Self::Authority => {
                formatter.write_str("the certificate of an issuing authority was left out")
            }
            Self::CacheDuration => formatter.write_str("the cache duration cannot be understood"),
        }
    }
}

impl IdpMetadata {
    /// Reads the metadata of one identity provider, at `now` in Unix seconds.
    ///
    /// The text is an `EntityDescriptor`, or an `EntitiesDescriptor` with one identity provider in it or with the
    /// wanted one; of several without a wanted one it lists the entity IDs and asks for a choice.
    /// Comments are allowed, document types are not. No signature is verified.
    pub fn parse(xml: &str, wanted_entity_id: Option<&str>, now: i64) -> Result<Self, Error> {
        if xml.len() > MAX_METADATA_BYTES {
            return Err(Error::compared(
                Rule::MetadataTooLarge,
                format!("at most {MAX_METADATA_BYTES} bytes"),
                format!("{} bytes", xml.len()),
            ));
        }
        let text = xml.strip_prefix('\u{feff}').unwrap_or(xml);
        let document = Document::parse_file(text).map_err(|error| {
            Error::compared(Rule::MetadataXml, "XML as SAML uses it", error.to_string())
        })?;
        let Selected {
            entity_id,
            entity,
            role,
        } = select::select(&document, wanted_entity_id)?;
        let valid_until = select::valid_until(role, now)?;
        let (sso_redirect, sso_post) = (
            sign_on(role, BINDING_REDIRECT)?,
            sign_on(role, BINDING_POST)?,
        );
        if sso_redirect.is_none() && sso_post.is_none() {
            return Err(Error::compared(
                Rule::MetadataEndpoint,
                "a SingleSignOnService by HTTP-Redirect or HTTP-POST",
                "none",
            ));
        }
        let mut problems = Vec::new();
        Ok(Self {
            entity_id: entity_id.to_owned(),
            sso_redirect,
            sso_post,
            slo_redirect: logout(role, BINDING_REDIRECT)?,
            slo_post: logout(role, BINDING_POST)?,
            want_authn_requests_signed: matches!(
                role.attribute("WantAuthnRequestsSigned").map(str::trim),
                Some("true" | "1")
            ),
            name_id_formats: name_id_formats(role),
            certificates: keys::signing_certificates(role, &mut problems)?,
            valid_until,
            cache_duration: cache_duration(role, &mut problems),
            display_name: display_name(entity, role),
            problems,
        })
    }
}

/// Checks an address of an identity provider that somebody typed in, as those in metadata are checked.
///
/// It is absolute and `https`, or `http` on the own machine, without user information and fragment.
pub fn check_endpoint(url: &str) -> Result<(), Error> {
    check_address(url).map_err(|reason| {
        Error::compared(Rule::MetadataEndpoint, "an absolute https address", reason)
    })
}

/// The first service of this name and binding: an administrator sees one, and products list the preferred one first.
fn service<'d, 'a>(
    role: Element<'d, 'a>,
    local: &'static str,
    binding: &str,
) -> Option<Element<'d, 'a>> {
    role.children_named(MD, local)
        .find(|service| service.attribute("Binding") == Some(binding))
}

fn address(service: Element<'_, '_>, name: &str) -> Result<Option<String>, Error> {
    let Some(url) = service.attribute(name).map(str::trim) else {
        return Ok(None);
    };
    check_endpoint(url)?;
    Ok(Some(url.to_owned()))
}

fn sign_on(role: Element<'_, '_>, binding: &str) -> Result<Option<String>, Error> {
    service(role, "SingleSignOnService", binding)
        .map_or(Ok(None), |service| address(service, "Location"))
}

fn logout(role: Element<'_, '_>, binding: &str) -> Result<Option<LogoutEndpoint>, Error> {
    let Some(service) = service(role, "SingleLogoutService", binding) else {
        return Ok(None);
    };
    let Some(location) = address(service, "Location")? else {
        return Ok(None);
    };
    Ok(Some(LogoutEndpoint {
        location,
        response_location: address(service, "ResponseLocation")?,
    }))
}

fn name_id_formats(role: Element<'_, '_>) -> Vec<String> {
    let mut formats: Vec<String> = Vec::new();
    for format in role.children_named(MD, "NameIDFormat") {
        let text = format.leaf_text().unwrap_or_default().trim();
        if !text.is_empty() && formats.iter().all(|known| known != text) {
            formats.push(text.to_owned());
        }
    }
    formats
}

/// The shortest `cacheDuration` of the descriptor and of those around it.
fn cache_duration(role: Element<'_, '_>, problems: &mut Vec<MetadataProblem>) -> Option<i64> {
    let mut shortest: Option<i64> = None;
    for element in select::with_ancestors(role) {
        let Some(text) = element.attribute("cacheDuration") else {
            continue;
        };
        match parse_duration(text.trim()) {
            Some(seconds) => shortest = Some(shortest.map_or(seconds, |known| known.min(seconds))),
            None => problems.push(MetadataProblem::CacheDuration),
        }
    }
    shortest
}

/// `OrganizationDisplayName` of the descriptor or its entity, else `OrganizationName`; in English if there is one.
fn display_name(entity: Element<'_, '_>, role: Element<'_, '_>) -> Option<String> {
    let organizations: Vec<_> = [role, entity]
        .into_iter()
        .filter_map(|element| element.child(MD, "Organization"))
        .collect();
    ["OrganizationDisplayName", "OrganizationName"]
        .into_iter()
        .flat_map(|local| {
            organizations
                .iter()
                .map(move |organization| (organization, local))
        })
        .find_map(|(organization, local)| {
            let named: Vec<_> = organization
                .children_named(MD, local)
                .filter_map(|name| Some((name, name.leaf_text()?.trim())))
                .filter(|(_, text)| !text.is_empty())
                .collect();
            named
                .iter()
                .find(|(name, _)| name.attribute_in(XML, "lang") == Some("en"))
                .or(named.first())
                .map(|(_, text)| (*text).to_owned())
        })
}
