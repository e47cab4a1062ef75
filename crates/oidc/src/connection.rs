//! A connection that is ready for logins.

use url::Url;

use crate::{ClientAuth, ConnectionSettings, Error, Keys, Metadata};

/// One customer's identity provider: settings, metadata and keys, checked against each other.
///
/// It is cheap to build for every login; only [`Keys`] have to be kept between them.
#[derive(Clone, Debug)]
pub struct Connection {
    settings: ConnectionSettings,
    metadata: Metadata,
    keys: Keys,
}

impl Connection {
    /// Puts a connection together.
    ///
    /// Errors: the metadata is of another issuer, the issuer is none of the provider's kind, the secret or key is missing
    /// or superfluous, no algorithm is allowed, or the redirect URI is not absolute.
    pub fn new(
        settings: ConnectionSettings,
        metadata: Metadata,
        keys: Keys,
    ) -> Result<Self, Error> {
        if settings.issuer != metadata.issuer {
            return Err(Error::Issuer {
                wanted: settings.issuer,
                got: metadata.issuer,
            });
        }
        if settings.client_id.is_empty() {
            return Err(Error::Settings {
                reason: "the client id is empty",
            });
        }
        settings.provider.check_issuer(&settings.issuer)?;
        let has_secret = settings
            .client_secret
            .as_ref()
            .is_some_and(|secret| !secret.expose().is_empty());
        match settings.client_auth {
            ClientAuth::ClientSecretBasic | ClientAuth::ClientSecretPost if !has_secret => {
                return Err(Error::Settings {
                    reason: "the client secret is missing",
                });
            }
            ClientAuth::PrivateKeyJwt if settings.client_key.is_none() => {
                return Err(Error::Settings {
                    reason: "the client key is missing",
                });
            }
            ClientAuth::None if has_secret => {
                return Err(Error::Settings {
                    reason: "a public client has no client secret",
                });
            }
            _ => {}
        }
        if settings.algorithms.is_empty() {
            return Err(Error::Settings {
                reason: "no signature algorithm is allowed",
            });
        }
        let redirect_uri = Url::parse(&settings.redirect_uri).map_err(|_| Error::Url {
            name: "redirect URI",
            reason: "it is not an absolute URL",
        })?;
        if redirect_uri.fragment().is_some() {
            return Err(Error::Url {
                name: "redirect URI",
                reason: "it has a fragment",
            });
        }
        Ok(Self {
            settings,
            metadata,
            keys,
        })
    }

    /// The settings.
    pub fn settings(&self) -> &ConnectionSettings {
        &self.settings
    }

    /// The metadata.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The keys, shared by all clones.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }
}
