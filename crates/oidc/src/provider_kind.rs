//! Providers whose tokens need a rule of their own.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::Error;

/// Personal Microsoft accounts are one tenant of Entra, and anybody may have one.
const PERSONAL_ACCOUNTS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// Whose provider it is, as far as a rule depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProviderKind {
    /// Any provider; OpenID Connect's own rules are enough.
    #[default]
    Generic,
    /// Microsoft Entra ID: the issuer is one tenant's, and `tid` says the same.
    Entra,
    /// Google: `hd` says which organization's account it is, and `iss` has two spellings.
    Google,
    /// Okta, by its org or by a custom authorization server.
    Okta,
}

impl ProviderKind {
    /// The word in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Entra => "entra",
            Self::Google => "google",
            Self::Okta => "okta",
        }
    }

    /// What an issuer shows that it is.
    pub fn of_issuer(issuer: &str) -> Self {
        let host = Url::parse(issuer)
            .ok()
            .and_then(|url| url.host_str().map(str::to_ascii_lowercase))
            .unwrap_or_default();
        if is_entra_host(&host) {
            Self::Entra
        } else if host == "accounts.google.com" {
            Self::Google
        } else if is_okta_host(&host) {
            Self::Okta
        } else {
            Self::Generic
        }
    }

    /// Refuses issuers that no organization can be recognized by, or that this provider never writes.
    pub fn check_issuer(self, issuer: &str) -> Result<(), Error> {
        match self {
            Self::Generic | Self::Google => Ok(()),
            Self::Entra => match tenant_of(issuer) {
                Some(tenant) if !tenant.eq_ignore_ascii_case(PERSONAL_ACCOUNTS) => Ok(()),
                Some(_) => Err(Error::ProviderIssuer {
                    reason: "this issuer is that of personal Microsoft accounts, which belong to no organization; use https://login.microsoftonline.com/<tenant id>/v2.0",
                }),
                None => Err(Error::TemplateIssuer),
            },
            Self::Okta => check_okta(issuer),
        }
    }

    /// Every spelling of `iss` that means this issuer.
    pub(crate) fn is_issuer(self, wanted: &str, got: &str) -> bool {
        // Google's tokens may leave the scheme out, which its documentation says and no standard allows.
        let short = || wanted.split_once("://").map(|(_, rest)| rest);
        got == wanted || (self == Self::Google && short() == Some(got))
    }
}

/// The tenant of an Entra issuer: the path's first segment, if it is a GUID.
pub fn tenant_of(issuer: &str) -> Option<String> {
    let url = Url::parse(issuer).ok()?;
    let tenant = url.path_segments()?.next()?.to_owned();
    let groups: Vec<&str> = tenant.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let is_hex = |group: &&str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    (lengths == [8, 4, 4, 4, 12] && groups.iter().all(is_hex)).then(|| tenant.to_ascii_lowercase())
}

pub(crate) fn is_entra_host(host: &str) -> bool {
    [
        "login.microsoftonline.com",
        "login.windows.net",
        "login.microsoftonline.us",
        "login.partner.microsoftonline.cn",
        "sts.windows.net",
    ]
    .contains(&host)
}

fn is_okta_host(host: &str) -> bool {
    [
        "okta.com",
        "oktapreview.com",
        "okta-emea.com",
        "okta-gov.com",
    ]
    .iter()
    .any(|domain| {
        host.strip_suffix(domain)
            .is_some_and(|rest| rest.ends_with('.'))
    })
}

/// Okta writes `https://acme.okta.com`, or `https://acme.okta.com/oauth2/<id>` for a custom authorization server.
fn check_okta(issuer: &str) -> Result<(), Error> {
    let wrong = |reason| Err(Error::ProviderIssuer { reason });
    let Ok(url) = Url::parse(issuer) else {
        return wrong("use https://<your Okta domain>");
    };
    let label = url.host_str().and_then(|host| host.split('.').next());
    if label.is_some_and(|label| label.ends_with("-admin")) {
        return wrong("this is the address of the admin console; use it without -admin");
    }
    let path: Vec<&str> = url.path().split('/').skip(1).collect();
    match path.as_slice() {
        [""] if !issuer.ends_with('/') => Ok(()),
        ["oauth2", id] if !id.is_empty() => Ok(()),
        _ => wrong(
            "use https://<your Okta domain>, or https://<your Okta domain>/oauth2/<id> for a custom authorization server, without a slash at the end",
        ),
    }
}
