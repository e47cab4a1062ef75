use sqlx::types::Json;
use vestibule_core::{ApplicationId, SecretHash, Timestamp};

use crate::{ReadTx, Result};

/// An app that signs its users in through us.
#[derive(Debug, Clone)]
pub struct Application {
    /// Its id, also its `client_id`.
    pub id: ApplicationId,
    /// Its name, as people see it.
    pub name: String,
    client_secret_hash: Option<Vec<u8>>,
    /// Where codes may be sent to; compared byte by byte.
    pub redirect_uris: Vec<String>,
    /// Where the browser may be sent to after a logout.
    pub post_logout_redirect_uris: Vec<String>,
    /// Where logout tokens go.
    pub backchannel_logout_uri: Option<String>,
    /// Where a login that somebody else begins is sent to.
    pub initiate_login_uri: Option<String>,
    /// `client_secret_basic`, `client_secret_post` or `none`.
    pub token_endpoint_auth_method: String,
    /// `opaque` or `jwt`.
    pub access_token_format: String,
    /// `ES256`, `RS256` or `EdDSA`.
    pub id_token_signed_response_alg: String,
    /// Within so many seconds the same refresh may be asked again.
    pub refresh_retry_seconds: i64,
    /// Whether it may be used.
    pub active: bool,
    /// Goes up with everything that ends its shares.
    pub epoch: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

macro_rules! columns {
    () => {
        "p.id, p.name, p.client_secret_hash, p.redirect_uris, p.post_logout_redirect_uris, p.backchannel_logout_uri, p.initiate_login_uri,
         p.token_endpoint_auth_method, p.access_token_format, p.id_token_signed_response_alg, p.refresh_retry_seconds, p.active,
         p.epoch, p.created_at, p.updated_at"
    };
}

from_row!(Application, row => Application {
    id: row.id("id")?,
    name: row.try_get("name")?,
    client_secret_hash: row.try_get("client_secret_hash")?,
    redirect_uris: row.try_get::<Json<Vec<String>>, _>("redirect_uris")?.0,
    post_logout_redirect_uris: row.try_get::<Json<Vec<String>>, _>("post_logout_redirect_uris")?.0,
    backchannel_logout_uri: row.try_get("backchannel_logout_uri")?,
    initiate_login_uri: row.try_get("initiate_login_uri")?,
    token_endpoint_auth_method: row.try_get("token_endpoint_auth_method")?,
    access_token_format: row.try_get("access_token_format")?,
    id_token_signed_response_alg: row.try_get("id_token_signed_response_alg")?,
    refresh_retry_seconds: row.try_get("refresh_retry_seconds")?,
    active: row.try_get("active")?,
    epoch: row.try_get("epoch")?,
    created_at: row.time("created_at")?,
    updated_at: row.time("updated_at")?,
});

impl Application {
    /// Whether this is the application's secret, compared in constant time; false when it has none.
    pub fn has_secret(&self, secret: SecretHash) -> bool {
        self.client_secret_hash
            .as_deref()
            .is_some_and(|stored| secret.is(stored))
    }
}

impl ReadTx {
    /// An application that is not deleted.
    pub async fn find_application(&mut self, id: ApplicationId) -> Result<Option<Application>> {
        Ok(
            each!(self, c => sqlx::query_as(concat!("SELECT ", columns!(), " FROM applications p WHERE p.id = $1 AND p.deleted_at IS NULL"))
            .bind(id.to_string())
            .fetch_optional(&mut *c)
            .await?),
        )
    }
}
