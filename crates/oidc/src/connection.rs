//! A connection that is ready for logins.

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse,
};
use openidconnect::{
    AuthType, AuthUrl, Client, ClientId, ClientSecret, EmptyAdditionalClaims, EndpointNotSet,
    EndpointSet, IssuerUrl, JsonWebKeySet, RedirectUrl, StandardErrorResponse, TokenUrl,
};
use url::Url;

use crate::token_response::TokenAnswer;
use crate::{ClientAuth, ConnectionSettings, Error, Keys, Metadata};

pub(crate) type OidcClient = Client<
    EmptyAdditionalClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    TokenAnswer,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
    EndpointNotSet,
>;

/// One customer's identity provider: settings, metadata and keys, checked against each other.
///
/// It is cheap to build for every login; only [`Keys`] have to be kept between them.
#[derive(Clone, Debug)]
pub struct Connection {
    settings: ConnectionSettings,
    metadata: Metadata,
    keys: Keys,
    redirect_uri: Url,
}

impl Connection {
    /// Puts a connection together.
    ///
    /// Errors: the metadata is of another issuer, the secret is missing or superfluous, no algorithm is allowed, or
    /// the redirect URI is not absolute.
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
            redirect_uri,
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

    pub(crate) fn issuer_url(&self) -> Result<IssuerUrl, Error> {
        IssuerUrl::new(self.settings.issuer.clone()).map_err(|_| Error::Url {
            name: "issuer",
            reason: "it is not an absolute URL",
        })
    }

    pub(crate) fn client(&self) -> Result<OidcClient, Error> {
        // `from_url` would normalize; the provider compares the redirect URI byte for byte.
        let redirect_uri = RedirectUrl::new(self.settings.redirect_uri.clone())
            .unwrap_or_else(|_| RedirectUrl::from_url(self.redirect_uri.clone()));
        let client = Client::new(
            ClientId::new(self.settings.client_id.clone()),
            self.issuer_url()?,
            JsonWebKeySet::new(Vec::new()),
        );
        let client = client
            .set_redirect_uri(redirect_uri)
            .set_auth_uri(AuthUrl::from_url(
                self.metadata.authorization_endpoint.clone(),
            ))
            .set_token_uri(TokenUrl::from_url(self.metadata.token_endpoint.clone()));
        let auth_type = match self.settings.client_auth {
            ClientAuth::ClientSecretBasic => AuthType::BasicAuth,
            ClientAuth::ClientSecretPost | ClientAuth::None => AuthType::RequestBody,
        };
        let client = client.set_auth_type(auth_type);
        Ok(match &self.settings.client_secret {
            Some(secret) if self.settings.client_auth != ClientAuth::None => {
                client.set_client_secret(ClientSecret::new(secret.expose().to_owned()))
            }
            _ => client,
        })
    }
}
