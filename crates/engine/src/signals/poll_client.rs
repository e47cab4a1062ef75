//! Access tokens for polls, from a transmitter's own authorization server (RFC 6749 §4.4).

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Request, header};
use serde::Deserialize;
use url::form_urlencoded::{Serializer, byte_serialize};
use vestibule_core::{ConnectionId, Secret, Timestamp};
use vestibule_store::{PollClient, SignalSource};

use crate::{Engine, outbound::Class};

/// The place to which the secret of a source's client is sealed; the row is the connection's id.
pub(crate) const POLL_CLIENT_SECRET_PLACE: &str = "signal_sources.poll_client_secret";
/// How long before its end a token is no longer used: longer than a call takes.
const EARLY: Duration = Duration::from_secs(15);
/// How long a token is used whose life nobody told, in seconds.
const UNTOLD_LIFE: u64 = 60;
/// No token is used longer, whatever is told, in seconds.
const LONGEST_LIFE: u64 = 3600;

/// The access tokens of this node, one for each source that asks for them.
#[derive(Debug, Default)]
pub(crate) struct PollTokens(Mutex<HashMap<ConnectionId, Kept>>);

#[derive(Debug)]
struct Kept {
    /// When the source was last changed: a token serves no other client and no other address.
    version: Timestamp,
    token: Secret,
    until: Timestamp,
}

impl PollTokens {
    fn get(&self, source: &SignalSource, now: Timestamp) -> Option<Secret> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, kept| kept.until > now);
        kept.get(&source.connection_id)
            .filter(|kept| kept.version == source.updated_at)
            .map(|kept| kept.token.clone())
    }

    fn put(&self, source: &SignalSource, token: Secret, until: Timestamp) {
        let kept = Kept {
            version: source.updated_at,
            token,
            until,
        };
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(source.connection_id, kept);
    }

    /// Forgets a token that was refused.
    pub(super) fn forget(&self, id: ConnectionId) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
    }
}

/// The answer of a token endpoint (RFC 6749 §5.1); a refusal has none of it but `error` (§5.2).
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Option<String>,
    expires_in: Option<u64>,
    error: Option<String>,
}

impl Engine {
    /// An access token of the source's client, kept until shortly before its end.
    pub(super) async fn client_token(
        &self,
        source: &SignalSource,
        client: &PollClient,
        now: Timestamp,
    ) -> Result<Secret, String> {
        if let Some(token) = self.poll_tokens().get(source, now) {
            return Ok(token);
        }
        let request = self.token_request(source, client)?;
        let answer = self.outbound().send(Class::Customer, request).await;
        let answer =
            answer.map_err(|error| format!("the token endpoint: {error}: {}", error.remedy()))?;
        let said: Option<TokenAnswer> = serde_json::from_slice(answer.body()).ok();
        let status = answer.status();
        match said {
            Some(TokenAnswer {
                access_token: Some(token),
                expires_in,
                ..
            }) if status.is_success() => {
                let token = Secret::new(token);
                let life = expires_in.unwrap_or(UNTOLD_LIFE).min(LONGEST_LIFE);
                let life = Duration::from_secs(life).saturating_sub(EARLY);
                self.poll_tokens()
                    .put(source, token.clone(), now.after(life));
                Ok(token)
            }
            Some(TokenAnswer {
                error: Some(error), ..
            }) => Err(format!(
                "the token endpoint answered {}: {}",
                status.as_u16(),
                word(&error)
            )),
            _ => Err(format!(
                "the token endpoint answered {} without an access token",
                status.as_u16()
            )),
        }
    }

    fn token_request(
        &self,
        source: &SignalSource,
        client: &PollClient,
    ) -> Result<Request<Vec<u8>>, String> {
        let row = source.connection_id.to_string();
        let secret = self
            .vault()
            .unseal(POLL_CLIENT_SECRET_PLACE, &row, &client.secret_sealed)
            .and_then(|clear| String::from_utf8(clear).ok())
            .map(Secret::new)
            .ok_or("the secret of the client for polls does not open")?;
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if let Some(scope) = &client.scope {
            form.append_pair("scope", scope);
        }
        // RFC 6749 §2.3.1: both halves are form-encoded before they are joined.
        let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let both = format!("{}:{}", encode(&client.client_id), encode(secret.expose()));
        Request::post(client.token_endpoint.as_str())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .header(
                header::AUTHORIZATION,
                format!("Basic {}", STANDARD.encode(both)),
            )
            .body(form.finish().into_bytes())
            .map_err(|_| "the token endpoint is no URL".to_owned())
    }
}

/// The code of a refusal is short and of few characters (RFC 6749 §5.2); more of a stranger's words goes into no record.
fn word(error: &str) -> String {
    let is_of_a_code = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '_';
    error.chars().filter(is_of_a_code).take(40).collect()
}
