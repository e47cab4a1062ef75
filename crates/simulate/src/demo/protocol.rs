//! How the demo's people sign in, and the connection for it.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::admin::AdminApi;
use super::{APP_NAME, text};
use crate::http::Http;
use crate::idp::{NameIdKind, SamlClient};
use crate::{Client, IdentityProvider, chance};

/// By which protocol the people of the demo sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum DemoProtocol {
    /// OpenID Connect
    #[default]
    Oidc,
    /// SAML 2.0
    Saml,
}

impl DemoProtocol {
    /// Every one, in the order of the command line's help.
    pub const ALL: [Self; 2] = [Self::Oidc, Self::Saml];

    /// The word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Oidc => "oidc",
            Self::Saml => "saml",
        }
    }

    /// The name that people read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Oidc => "OpenID Connect",
            Self::Saml => "SAML 2.0",
        }
    }

    /// What the identity provider tells Vestibule, and how.
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Oidc => "an ID token, in exchange for a code",
            Self::Saml => "a signed SAML assertion, through the browser",
        }
    }
}

/// Both ends of a connection that is to be made.
pub(super) struct Ends<'a> {
    pub(super) admin: &'a AdminApi,
    pub(super) http: &'a Http,
    pub(super) idp: &'a IdentityProvider,
    /// The organization's connections in the admin API.
    pub(super) path: String,
}

impl Ends<'_> {
    /// Makes the connection at Vestibule and registers Vestibule at the identity provider.
    ///
    /// `connection` is what does not depend on the protocol. The directory's `externalId` is the
    /// identity provider's object id, so a person who is pushed is known at the first sign-in.
    pub(super) async fn connect(
        &self,
        protocol: DemoProtocol,
        connection: Value,
    ) -> anyhow::Result<()> {
        match protocol {
            DemoProtocol::Oidc => self.by_oidc(connection).await,
            DemoProtocol::Saml => self.by_saml(connection).await,
        }
    }

    async fn by_oidc(&self, connection: Value) -> anyhow::Result<()> {
        let secret = chance::token()?;
        let oidc = json!({
            "protocol": "oidc",
            "join": {"directory": "externalId", "claim": "oid"},
            "oidc": {
                "issuer": self.idp.issuer(), "client_id": "vestibule", "client_secret": secret,
            },
        });
        let connection = self.create(connection, oidc).await?;
        let redirect_uri = text(&connection, "/oidc/redirect_uri")?;
        let mut client = Client::new("vestibule", &secret, [redirect_uri.as_str()]);
        client.backchannel_logout_uri = text(&connection, "/oidc/backchannel_logout_uri").ok();
        self.idp.add_client(client);
        Ok(())
    }

    /// Each side reads the other's metadata, as administrators let them do.
    async fn by_saml(&self, connection: Value) -> anyhow::Result<()> {
        let saml = json!({
            "protocol": "saml",
            "join": {"directory": "externalId", "claim": "name_id"},
            "allow_idp_initiated": true,
            "saml": {"metadata_url": self.idp.saml_entity_id()},
        });
        let connection = self.create(connection, saml).await?;
        let metadata = self
            .http
            .get_text(&text(&connection, "/saml/metadata_url")?)
            .await?;
        let client = SamlClient::from_metadata(&metadata)?
            .named(APP_NAME)
            .name_id(NameIdKind::ObjectId);
        self.idp.add_saml_client(client);
        Ok(())
    }

    async fn create(&self, mut connection: Value, protocol: Value) -> anyhow::Result<Value> {
        let (Some(connection), Value::Object(protocol)) = (connection.as_object_mut(), protocol)
        else {
            anyhow::bail!("a connection is an object");
        };
        connection.extend(protocol);
        let connection = Value::Object(std::mem::take(connection));
        self.admin
            .create(&self.path, &connection)
            .await
            .with_context(|| format!("{} cannot be connected", self.idp.issuer()))
    }
}
