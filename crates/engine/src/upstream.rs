//! The customers' OpenID Providers: from a connection's row to one that can begin and finish logins.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use vestibule_core::{ConnectionId, Timestamp};
use vestibule_oidc::{ClientAuth, ConnectionSettings, Error, Metadata, Secret, Transport};
use vestibule_store::Connection;

use crate::{Engine, outbound::Class};

/// The place to which a connection's client secret is sealed; the row is the connection's id.
pub(crate) const CLIENT_SECRET_PLACE: &str = "connections.client_secret";

/// What `connections.settings` holds for a connection by OpenID Connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidcSettings {
    /// The issuer, exactly as its discovery document writes it.
    pub issuer: String,
    /// Our client id there.
    pub client_id: String,
    /// How we prove who we are: `client_secret_basic`, `client_secret_post` or `none`.
    pub client_auth: String,
    /// The scopes asked for.
    pub scopes: Vec<String>,
}

impl OidcSettings {
    /// The scopes asked for when a connection names none.
    pub fn default_scopes() -> Vec<String> {
        ["openid", "profile", "email"].map(str::to_owned).to_vec()
    }

    fn client_auth(&self) -> ClientAuth {
        match self.client_auth.as_str() {
            "client_secret_post" => ClientAuth::ClientSecretPost,
            "none" => ClientAuth::None,
            _ => ClientAuth::ClientSecretBasic,
        }
    }
}

/// Discovery documents, kept for a day each.
#[derive(Debug, Default)]
pub(crate) struct MetadataCache(Mutex<HashMap<ConnectionId, Metadata>>);

impl MetadataCache {
    fn get(&self, id: ConnectionId, issuer: &str, now: Timestamp) -> Option<Metadata> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&id)
            .filter(|metadata| metadata.issuer == issuer && !metadata.is_stale(now.unix_seconds()))
            .cloned()
    }

    fn put(&self, id: ConnectionId, metadata: Metadata) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, metadata);
    }
}

impl Engine {
    /// Discovers a connection's provider, unless it is known, and puts its settings together.
    pub(crate) async fn oidc_connection(
        &self,
        connection: &Connection,
        now: Timestamp,
    ) -> Result<vestibule_oidc::Connection, Error> {
        let unusable = |reason| Error::Settings { reason };
        let settings: OidcSettings = serde_json::from_value(connection.settings.clone())
            .map_err(|_| unusable("the stored settings cannot be read"))?;
        let known = self
            .oidc_metadata()
            .get(connection.id, &settings.issuer, now);
        let metadata = if let Some(metadata) = known {
            metadata
        } else {
            let client = self.outbound().for_oidc(Class::Customer);
            // Plain http is for loopback hosts only; whether those may be reached at all is the guard's decision.
            let transport = Transport::HttpsOrLoopback;
            let found =
                Metadata::discover(&client, &settings.issuer, transport, now.unix_seconds())
                    .await?;
            self.oidc_metadata().put(connection.id, found.clone());
            found
        };
        let redirect_uri = self.url(&format!("/sso/oidc/{}/callback", connection.id));
        let mut wanted =
            ConnectionSettings::new(&settings.issuer, &settings.client_id, redirect_uri)
                .client_auth(settings.client_auth())
                .scopes(settings.scopes);
        if let Some(sealed) = &connection.client_secret_sealed {
            let clear = self
                .vault()
                .unseal(CLIENT_SECRET_PLACE, &connection.id.to_string(), sealed)
                .and_then(|clear| String::from_utf8(clear).ok())
                .ok_or(unusable("the stored client secret does not open"))?;
            wanted = wanted.client_secret(Secret::new(clear));
        }
        vestibule_oidc::Connection::new(wanted, metadata, self.oidc_keys(connection.id))
    }
}
