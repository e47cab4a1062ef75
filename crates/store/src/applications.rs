use serde_json::{Map, Value};
use vestibule_core::{ApplicationId, SecretHash, Timestamp};

use crate::{
    ReadTx, Result, WriteTx,
    query::query,
    row::{Json, text},
};

/// An app that signs its users in through us.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "settings that have nothing to do with each other"
)]
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
    /// `client_secret_basic`, `client_secret_post`, `private_key_jwt` or `none`.
    pub token_endpoint_auth_method: String,
    /// The public keys of an application that signs assertions, a JWK Set.
    pub jwks: Option<Value>,
    /// Where the public keys of an application that signs assertions are, if it does not hand them in.
    pub jwks_uri: Option<String>,
    /// Whether it is somebody else's, so that people are asked before it learns about them.
    pub third_party: bool,
    /// Whether its authorization requests have to be pushed (RFC 9126).
    pub require_pushed_requests: bool,
    /// Whether a sign-in that is none of the asked `acr_values` is refused.
    pub require_acr: bool,
    /// Further claims of its tokens: name → attribute of the user, as the engine writes it.
    pub claims: Map<String, Value>,
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
         p.epoch, p.created_at, p.updated_at, p.jwks, p.require_pushed_requests, p.require_acr, p.claims, p.jwks_uri, p.third_party"
    };
}

from_row!(Application, row => Application {
    id: row.id("id")?,
    name: row.get("name")?,
    client_secret_hash: row.get("client_secret_hash")?,
    redirect_uris: row.get::<Json<Vec<String>>>("redirect_uris")?.0,
    post_logout_redirect_uris: row.get::<Json<Vec<String>>>("post_logout_redirect_uris")?.0,
    backchannel_logout_uri: row.get("backchannel_logout_uri")?,
    initiate_login_uri: row.get("initiate_login_uri")?,
    token_endpoint_auth_method: row.get("token_endpoint_auth_method")?,
    jwks: row.get::<Option<Json<Value>>>("jwks")?.map(|jwks| jwks.0),
    jwks_uri: row.get("jwks_uri")?,
    third_party: row.get("third_party")?,
    require_pushed_requests: row.get("require_pushed_requests")?,
    require_acr: row.get("require_acr")?,
    claims: row.get::<Json<Map<String, Value>>>("claims")?.0,
    access_token_format: row.get("access_token_format")?,
    id_token_signed_response_alg: row.get("id_token_signed_response_alg")?,
    refresh_retry_seconds: row.get("refresh_retry_seconds")?,
    active: row.get("active")?,
    epoch: row.get("epoch")?,
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

/// What an application is made of or changed to.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "settings that have nothing to do with each other"
)]
pub struct ApplicationRecord {
    /// Its name, as people see it.
    pub name: String,
    /// Where codes may be sent to.
    pub redirect_uris: Vec<String>,
    /// Where the browser may be sent to after a logout.
    pub post_logout_redirect_uris: Vec<String>,
    /// Where logout tokens go.
    pub backchannel_logout_uri: Option<String>,
    /// Where a login that somebody else begins is sent to.
    pub initiate_login_uri: Option<String>,
    /// `client_secret_basic`, `client_secret_post`, `private_key_jwt` or `none`.
    pub token_endpoint_auth_method: String,
    /// The public keys of an application that signs assertions, a JWK Set.
    pub jwks: Option<Value>,
    /// Where the public keys of an application that signs assertions are, if it does not hand them in.
    pub jwks_uri: Option<String>,
    /// Whether it is somebody else's, so that people are asked before it learns about them.
    pub third_party: bool,
    /// Whether its authorization requests have to be pushed (RFC 9126).
    pub require_pushed_requests: bool,
    /// Whether a sign-in that is none of the asked `acr_values` is refused.
    pub require_acr: bool,
    /// Further claims of its tokens: name → attribute of the user, as the engine writes it.
    pub claims: Map<String, Value>,
    /// `opaque` or `jwt`.
    pub access_token_format: String,
    /// `ES256`, `RS256` or `EdDSA`.
    pub id_token_signed_response_alg: String,
    /// Within so many seconds the same refresh may be asked again.
    pub refresh_retry_seconds: i64,
    /// Whether it may be used.
    pub active: bool,
}

impl Application {
    /// What can be changed of it, as it is.
    pub fn record(&self) -> ApplicationRecord {
        ApplicationRecord {
            name: self.name.clone(),
            redirect_uris: self.redirect_uris.clone(),
            post_logout_redirect_uris: self.post_logout_redirect_uris.clone(),
            backchannel_logout_uri: self.backchannel_logout_uri.clone(),
            initiate_login_uri: self.initiate_login_uri.clone(),
            token_endpoint_auth_method: self.token_endpoint_auth_method.clone(),
            jwks: self.jwks.clone(),
            jwks_uri: self.jwks_uri.clone(),
            third_party: self.third_party,
            require_pushed_requests: self.require_pushed_requests,
            require_acr: self.require_acr,
            claims: self.claims.clone(),
            access_token_format: self.access_token_format.clone(),
            id_token_signed_response_alg: self.id_token_signed_response_alg.clone(),
            refresh_retry_seconds: self.refresh_retry_seconds,
            active: self.active,
        }
    }

    /// Whether it has a client secret.
    pub const fn is_confidential(&self) -> bool {
        self.client_secret_hash.is_some()
    }
}

impl ReadTx {
    /// Applications in the order of their making, after one where wanted.
    pub async fn list_applications(
        &mut self,
        after: Option<ApplicationId>,
        limit: i64,
    ) -> Result<Vec<Application>> {
        query(concat!(
            "SELECT ", columns!(), " FROM applications p WHERE p.deleted_at IS NULL AND (CAST($1 AS TEXT) IS NULL OR p.id > $1)
             ORDER BY p.id LIMIT $2"))
            .bind(text(after))
            .bind(limit)
            .fetch_all(self)
            .await
    }

    /// An application that is not deleted.
    pub async fn find_application(&mut self, id: ApplicationId) -> Result<Option<Application>> {
        query(concat!(
            "SELECT ",
            columns!(),
            " FROM applications p WHERE p.id = $1 AND p.deleted_at IS NULL"
        ))
        .bind(id.to_string())
        .fetch_optional(self)
        .await
    }
}

impl WriteTx {
    /// Makes an application; a public one has no secret.
    pub async fn add_application(
        &mut self,
        record: &ApplicationRecord,
        secret: Option<SecretHash>,
    ) -> Result<Application> {
        let now = self.now();
        let id: ApplicationId = self.generator().id(now);
        let secret = secret.map(|hash| hash.as_bytes().to_vec());
        query(
            "INSERT INTO applications (id, name, client_secret_hash, redirect_uris, post_logout_redirect_uris, backchannel_logout_uri,
             initiate_login_uri, token_endpoint_auth_method, access_token_format, id_token_signed_response_alg, refresh_retry_seconds,
             active, epoch, created_at, updated_at, jwks, require_pushed_requests, require_acr, claims,
             jwks_uri, third_party)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 1, $13, $13, $14, $15, $16, $17, $18, $19)")
            .bind(id.to_string())
            .bind(&record.name)
            .bind(&secret)
            .bind(Json(&record.redirect_uris))
            .bind(Json(&record.post_logout_redirect_uris))
            .bind(&record.backchannel_logout_uri)
            .bind(&record.initiate_login_uri)
            .bind(&record.token_endpoint_auth_method)
            .bind(&record.access_token_format)
            .bind(&record.id_token_signed_response_alg)
            .bind(record.refresh_retry_seconds)
            .bind(record.active)
            .bind(now.micros())
            .bind(record.jwks.as_ref().map(Json))
            .bind(record.require_pushed_requests)
            .bind(record.require_acr)
            .bind(Json(&record.claims))
            .bind(&record.jwks_uri)
            .bind(record.third_party)
            .execute(self)
            .await?;
        let made = self.find_application(id).await?;
        made.ok_or(crate::Error::corrupt("application"))
    }

    /// Reads an application that is going to be changed; others who change it wait.
    pub async fn lock_application(&mut self, id: ApplicationId) -> Result<Option<Application>> {
        query("UPDATE applications SET epoch = epoch WHERE id = $1 AND deleted_at IS NULL")
            .bind(id.to_string())
            .execute(self)
            .await?;
        self.find_application(id).await
    }

    /// Changes an application; whoever takes it out of use ends its shares beside it.
    pub async fn set_application(
        &mut self,
        id: ApplicationId,
        record: &ApplicationRecord,
    ) -> Result<()> {
        let now = self.now().micros();
        query(
            "UPDATE applications SET name = $2, redirect_uris = $3, post_logout_redirect_uris = $4, backchannel_logout_uri = $5,
             initiate_login_uri = $6, token_endpoint_auth_method = $7, access_token_format = $8, id_token_signed_response_alg = $9,
             refresh_retry_seconds = $10, active = $11, updated_at = $12, jwks = $13, require_pushed_requests = $14, require_acr = $15, claims = $16,
             jwks_uri = $17, third_party = $18 WHERE id = $1")
            .bind(id.to_string())
            .bind(&record.name)
            .bind(Json(&record.redirect_uris))
            .bind(Json(&record.post_logout_redirect_uris))
            .bind(&record.backchannel_logout_uri)
            .bind(&record.initiate_login_uri)
            .bind(&record.token_endpoint_auth_method)
            .bind(&record.access_token_format)
            .bind(&record.id_token_signed_response_alg)
            .bind(record.refresh_retry_seconds)
            .bind(record.active)
            .bind(now)
            .bind(record.jwks.as_ref().map(Json))
            .bind(record.require_pushed_requests)
            .bind(record.require_acr)
            .bind(Json(&record.claims))
            .bind(&record.jwks_uri)
            .bind(record.third_party)
            .execute(self)
            .await?;
        Ok(())
    }

    /// Gives an application another secret, or none; the one before is refused from the commit on.
    pub async fn set_application_secret(
        &mut self,
        id: ApplicationId,
        secret: Option<SecretHash>,
    ) -> Result<()> {
        let now = self.now().micros();
        let secret = secret.map(|hash| hash.as_bytes().to_vec());
        query("UPDATE applications SET client_secret_hash = $2, updated_at = $3 WHERE id = $1")
            .bind(id.to_string())
            .bind(&secret)
            .bind(now)
            .execute(self)
            .await?;
        Ok(())
    }

    /// Leaves a tombstone of an application without its secret and its streams; the caller ends its shares beside it.
    pub async fn delete_application(&mut self, id: ApplicationId) -> Result<()> {
        let now = self.now().micros();
        query(
            "UPDATE applications SET active = FALSE, client_secret_hash = NULL, deleted_at = $2, updated_at = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(now)
            .execute(self)
            .await?;
        for sql in [
            "DELETE FROM stream_events WHERE stream_id IN (SELECT t.id FROM streams t WHERE t.application_id = $1)",
            "DELETE FROM streams WHERE application_id = $1",
            "DELETE FROM stream_tokens WHERE application_id = $1",
        ] {
            query(sql).bind(id.to_string()).long().execute(self).await?;
        }
        Ok(())
    }
}
