//! Who tells about a connection's people beside logins, and what was told.

use serde_json::json;
use url::Url;
use vestibule_core::{ConnectionId, Resource, Secret, SignalId, Timestamp};
use vestibule_signals::stream::TransmitterConfiguration;
use vestibule_store::{
    Connection, PollClient, ReceivedSignal, SignalMethod, SignalSource, WriteTx,
};

use super::{lock_connection, visible_connection};
use crate::{
    Engine,
    admin::{Actor, AdminError, Done, Result, check},
    outbound::Class,
    signals::{POLL_CLIENT_SECRET_PLACE, POLL_TOKEN_PLACE},
};

const PUSH_SECRET_PREFIX: &str = "vsp_";

/// What a connection's signal source is set to.
#[derive(Debug, Default)]
pub struct SignalSourceChange {
    /// The `iss` of what it signs.
    pub issuer: String,
    /// Where its keys are; looked up at `/.well-known/ssf-configuration` where it is not said.
    pub jwks_uri: Option<String>,
    /// The `aud` of its tokens; our address for pushes where it is not said.
    pub audience: Option<String>,
    /// The `sub` of its requests for a global token revocation.
    pub client_id: Option<String>,
    /// How security event tokens come.
    pub method: Option<SignalMethod>,
    /// Where tokens are polled.
    pub poll_url: Option<String>,
    /// The access token for polls. Without it and a client, what was set stays while the address is the same.
    pub poll_token: Option<Secret>,
    /// Who asks for access tokens for polls, in the place of a lasting one.
    pub poll_client: Option<PollClientChange>,
    /// Whether a new secret for pushes is made though there is one.
    pub new_secret: bool,
}

/// Who asks for access tokens for polls (RFC 6749 §4.4).
#[derive(Debug)]
pub struct PollClientChange {
    /// Where they are asked for.
    pub token_endpoint: String,
    /// Our identifier there.
    pub client_id: String,
    /// Our secret there; the one before stays where it is not said and the other two are the same.
    pub client_secret: Option<Secret>,
    /// The scope that is asked for.
    pub scope: Option<String>,
}

/// A connection's signal source, as it is shown.
#[derive(Debug)]
pub struct SignalSourceDetails {
    /// The source.
    pub source: SignalSource,
    /// The secret for pushes, in clear this once.
    pub push_secret: Option<Secret>,
}

impl Engine {
    /// The signal source of a connection.
    pub async fn read_signal_source(
        &self,
        actor: &Actor,
        id: ConnectionId,
        now: Timestamp,
    ) -> Result<SignalSourceDetails> {
        actor.may_read(Resource::Connections)?;
        let mut tx = self.store().read(now).await?;
        visible_connection(&mut tx, actor, id).await?;
        let source = tx.find_signal_source(id).await?;
        let source = source.ok_or(AdminError::NotFound)?;
        Ok(SignalSourceDetails {
            source,
            push_secret: None,
        })
    }

    /// Sets the signal source of a connection.
    pub async fn set_signal_source(
        &self,
        actor: &Actor,
        id: ConnectionId,
        change: SignalSourceChange,
        now: Timestamp,
    ) -> Result<SignalSourceDetails> {
        actor.may_write(Resource::Connections)?;
        visible_connection(&mut self.store().read(now).await?, actor, id).await?;
        let issuer = self.checked_url("issuer", &change.issuer)?;
        let jwks_uri = match &change.jwks_uri {
            Some(uri) => self.checked_url("jwks_uri", uri)?,
            None => self.discovered_keys(&issuer).await?,
        };
        let mut tx = self.store().write(now).await?;
        let connection = lock_connection(&mut tx, actor, id).await?;
        let before = tx.find_signal_source(id).await?;
        let details = self.apply_source(&connection, before, (issuer, jwks_uri), &change, now)?;
        tx.set_signal_source(&details.source).await?;
        let source = &details.source;
        let data = json!({
            "issuer": source.issuer, "jwks_uri": source.jwks_uri, "audience": source.audience, "client_id": source.client_id,
            "method": source.method.as_str(), "poll_url": source.poll_url,
            "poll_client_id": source.poll_client.as_ref().map(|client| &client.client_id), "new_secret": details.push_secret.is_some(),
        });
        audit(
            &mut tx,
            actor,
            &connection,
            ("connection.signal_source_set", data),
        )
        .await?;
        tx.commit().await?;
        Ok(details)
    }

    fn apply_source(
        &self,
        connection: &Connection,
        before: Option<SignalSource>,
        (issuer, jwks_uri): (String, String),
        change: &SignalSourceChange,
        now: Timestamp,
    ) -> Result<SignalSourceDetails> {
        let id = connection.id;
        let method = change.method.unwrap_or(SignalMethod::None);
        let audience = match &change.audience {
            Some(audience) => check::name("audience", audience)?,
            None => self.signal_push_url(id),
        };
        let client_id = change
            .client_id
            .as_deref()
            .map(|client_id| check::name("client_id", client_id))
            .transpose()?;
        let mut source = SignalSource {
            connection_id: id,
            organization_id: connection.organization_id,
            issuer,
            jwks_uri,
            audience,
            client_id,
            method,
            push_secret_hash: None,
            poll_url: None,
            poll_token_sealed: None,
            poll_client: None,
            last_event_at: before.as_ref().and_then(|before| before.last_event_at),
            last_verified_at: before.as_ref().and_then(|before| before.last_verified_at),
            last_error: None,
            last_error_at: None,
            created_at: before.as_ref().map_or(now, |before| before.created_at),
            updated_at: now,
        };
        let mut push_secret = None;
        match method {
            SignalMethod::None => {}
            SignalMethod::Push => {
                let kept = before
                    .filter(|_| !change.new_secret)
                    .and_then(|before| before.push_secret_hash);
                source.push_secret_hash = kept.or_else(|| {
                    let secret = self.generator().token(PUSH_SECRET_PREFIX);
                    let hash = secret.hash().as_bytes().to_vec();
                    push_secret = Some(secret);
                    Some(hash)
                });
            }
            SignalMethod::Poll => self.apply_poll(&mut source, before, change)?,
        }
        Ok(SignalSourceDetails {
            source,
            push_secret,
        })
    }

    fn apply_poll(
        &self,
        source: &mut SignalSource,
        before: Option<SignalSource>,
        change: &SignalSourceChange,
    ) -> Result<()> {
        let url = change.poll_url.as_deref().ok_or_else(|| {
            AdminError::invalid("poll_url", "is required where tokens are polled")
        })?;
        let url = self.checked_url("poll_url", url)?;
        let row = source.connection_id.to_string();
        match (&change.poll_token, &change.poll_client) {
            (Some(_), Some(_)) => {
                return Err(AdminError::invalid(
                    "poll_client",
                    "asks for access tokens, so there must be no poll_token beside it",
                ));
            }
            (Some(token), None) => {
                let token = check::visible_secret("poll_token", token)?;
                let sealed = self.vault().seal(POLL_TOKEN_PLACE, &row, token);
                source.poll_token_sealed = Some(sealed);
            }
            (None, Some(client)) => {
                let before = before.and_then(|before| before.poll_client);
                source.poll_client = Some(self.checked_poll_client(&row, before, client)?);
            }
            // What opens one place is never sent to another.
            (None, None) => match before {
                Some(before) if before.poll_url.as_deref() == Some(&url) => {
                    source.poll_token_sealed = before.poll_token_sealed;
                    source.poll_client = before.poll_client;
                }
                _ => {}
            },
        }
        if source.poll_token_sealed.is_none() && source.poll_client.is_none() {
            return Err(AdminError::invalid(
                "poll_token",
                "is required: an access token of the transmitter; or poll_client, which asks for one",
            ));
        }
        source.poll_url = Some(url);
        Ok(())
    }

    fn checked_poll_client(
        &self,
        row: &str,
        before: Option<PollClient>,
        change: &PollClientChange,
    ) -> Result<PollClient> {
        let token_endpoint =
            self.checked_url("poll_client.token_endpoint", &change.token_endpoint)?;
        let client_id = check::name("poll_client.client_id", &change.client_id)?;
        let scope = change.scope.as_deref();
        let scope = scope.map(|scope| check::name("poll_client.scope", scope));
        let secret_sealed = match &change.client_secret {
            Some(secret) => {
                let secret = check::visible_secret("poll_client.client_secret", secret)?;
                Some(self.vault().seal(POLL_CLIENT_SECRET_PLACE, row, secret))
            }
            None => before
                .filter(|before| {
                    before.token_endpoint == token_endpoint && before.client_id == client_id
                })
                .map(|before| before.secret_sealed),
        };
        let secret_sealed = secret_sealed.ok_or_else(|| {
            AdminError::invalid("poll_client.client_secret", "is required for a new client")
        })?;
        Ok(PollClient {
            token_endpoint,
            client_id,
            secret_sealed,
            scope: scope.transpose()?,
        })
    }

    /// Forgets the signal source of a connection: nothing that it signs counts any more.
    pub async fn delete_signal_source(
        &self,
        actor: &Actor,
        id: ConnectionId,
        now: Timestamp,
    ) -> Result<()> {
        actor.may_write(Resource::Connections)?;
        let mut tx = self.store().write(now).await?;
        let connection = lock_connection(&mut tx, actor, id).await?;
        if !tx.remove_signal_source(id).await? {
            return Err(AdminError::NotFound);
        }
        let done = ("connection.signal_source_delete", json!({}));
        audit(&mut tx, actor, &connection, done).await?;
        tx.commit().await?;
        Ok(())
    }

    /// What was told about a connection's people, the newest first.
    pub async fn list_signals(
        &self,
        actor: &Actor,
        id: ConnectionId,
        before: Option<SignalId>,
        limit: i64,
        now: Timestamp,
    ) -> Result<Vec<ReceivedSignal>> {
        actor.may_read(Resource::Connections)?;
        let mut tx = self.store().read(now).await?;
        visible_connection(&mut tx, actor, id).await?;
        Ok(tx.list_signals(id, before, limit).await?)
    }

    /// Asks a transmitter where its keys are (SSF 1.0 §7.2); the well-known part comes before the issuer's path.
    async fn discovered_keys(&self, issuer: &str) -> Result<String> {
        let unreadable = |detail: String| AdminError::invalid("issuer", detail);
        let mut url = Url::parse(issuer).map_err(|_| unreadable("must be a URL".to_owned()))?;
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("/.well-known/ssf-configuration{path}"));
        let request = http::Request::get(url.as_str())
            .header(http::header::ACCEPT, "application/json")
            .body(Vec::new())
            .map_err(|_| unreadable("must be a URL".to_owned()))?;
        let answer = self.outbound().send(Class::Customer, request).await;
        let answer = answer.map_err(|error| {
            let remedy = error.remedy();
            unreadable(format!(
                "{url} could not be read: {remedy}; or say jwks_uri"
            ))
        })?;
        let found: Option<TransmitterConfiguration> = match answer.status().is_success() {
            true => serde_json::from_slice(answer.body()).ok(),
            false => None,
        };
        let found = found.filter(|found| found.issuer == issuer);
        let keys = found.and_then(|found| found.jwks_uri);
        let keys = keys.ok_or_else(|| {
            unreadable(format!(
                "{url} is no configuration of this issuer; say jwks_uri"
            ))
        })?;
        self.checked_url("jwks_uri", &keys)
    }
}

async fn audit(
    tx: &mut WriteTx,
    actor: &Actor,
    connection: &Connection,
    (action, data): (&str, serde_json::Value),
) -> Result<()> {
    let done = Done {
        organization_id: Some(connection.organization_id),
        action,
        subject: connection.id.to_string(),
        data,
    };
    actor.audit(tx, done).await
}
