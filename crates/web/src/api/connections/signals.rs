//! `/connections/{id}/signal-source` and `/connections/{id}/signals`.

use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};
use vestibule_core::{ConnectionId, Secret};
use vestibule_engine::{
    Engine,
    admin::{self, PollClientChange, ReceivedSignal, SignalSourceChange, SignalSourceDetails},
};

use crate::{
    api::{
        access::By,
        body::{Answer, Body, Handled, Params, Target},
        page::{List, PageQuery},
        problem::Problem,
    },
    now::Now,
};

pub(super) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .routes(routes!(read, replace, delete))
        .routes(routes!(list))
}

/// How security event tokens come.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum SignalMethod {
    /// They do not; the source only revokes tokens (Okta Universal Logout).
    None,
    /// The transmitter pushes them (RFC 8935).
    Push,
    /// We ask for them every few seconds (RFC 8936).
    Poll,
}

/// Who is trusted to tell about a connection's people.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct SignalSourceInput {
    /// The `iss` of what it signs.
    issuer: String,
    /// Where its keys are; read from its `/.well-known/ssf-configuration` when absent.
    jwks_uri: Option<String>,
    /// The `aud` of its security event tokens; `push_url` when absent.
    audience: Option<String>,
    /// The `sub` of its requests for a global token revocation; by OpenID Connect the connection's client id when absent.
    /// A connection by SAML takes no such requests without it.
    client_id: Option<String>,
    /// `none` when absent.
    method: Option<SignalMethod>,
    /// Where tokens are polled.
    poll_url: Option<String>,
    /// The access token for polls; it stays when this and `poll_client` are absent, while the address does.
    poll_token: Option<String>,
    /// Asks for access tokens for polls where there is no lasting one.
    poll_client: Option<PollClientInput>,
    /// True makes a new secret for pushes in the place of the one in use.
    #[serde(default)]
    new_secret: bool,
}

/// Asks for access tokens by its secret, in a header (RFC 6749 §4.4).
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct PollClientInput {
    token_endpoint: String,
    client_id: String,
    /// It stays when absent, while the other two do.
    client_secret: Option<String>,
    scope: Option<String>,
}

impl From<PollClientInput> for PollClientChange {
    fn from(input: PollClientInput) -> Self {
        Self {
            token_endpoint: input.token_endpoint,
            client_id: input.client_id,
            client_secret: input.client_secret.map(Secret::new),
            scope: input.scope,
        }
    }
}

impl From<SignalSourceInput> for SignalSourceChange {
    fn from(input: SignalSourceInput) -> Self {
        Self {
            issuer: input.issuer,
            jwks_uri: input.jwks_uri,
            audience: input.audience,
            client_id: input.client_id,
            method: input.method.map(|method| match method {
                SignalMethod::None => admin::SignalMethod::None,
                SignalMethod::Push => admin::SignalMethod::Push,
                SignalMethod::Poll => admin::SignalMethod::Poll,
            }),
            poll_url: input.poll_url,
            poll_token: input.poll_token.map(Secret::new),
            poll_client: input.poll_client.map(Into::into),
            new_secret: input.new_secret,
        }
    }
}

/// Who asks for access tokens for polls.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct PollClient {
    token_endpoint: String,
    client_id: String,
    scope: Option<String>,
}

/// Who tells about a connection's people, and how that goes.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct SignalSource {
    connection_id: String,
    issuer: String,
    jwks_uri: String,
    audience: String,
    client_id: Option<String>,
    /// `none`, `push` or `poll`.
    method: String,
    /// Where security event tokens are pushed to.
    push_url: String,
    /// The bearer secret of pushes, in the answer that makes it and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    push_secret: Option<String>,
    poll_url: Option<String>,
    /// Who asks for access tokens for polls, without its secret.
    poll_client: Option<PollClient>,
    /// Where a global token revocation is asked for: the `aud` of its token.
    revocation_url: String,
    last_event_at: Option<String>,
    /// When a verification event last came through the stream.
    last_verified_at: Option<String>,
    /// Why the last message was refused, or the last poll failed; null when it works.
    last_error: Option<String>,
    last_error_at: Option<String>,
    created_at: String,
    updated_at: String,
}

impl SignalSource {
    fn of(engine: &Engine, details: SignalSourceDetails) -> Self {
        let source = details.source;
        Self {
            connection_id: source.connection_id.to_string(),
            issuer: source.issuer,
            jwks_uri: source.jwks_uri,
            audience: source.audience,
            client_id: source.client_id,
            method: source.method.as_str().to_owned(),
            push_url: engine.signal_push_url(source.connection_id),
            push_secret: details.push_secret.map(|secret| secret.expose().to_owned()),
            poll_url: source.poll_url,
            poll_client: source.poll_client.map(|client| PollClient {
                token_endpoint: client.token_endpoint,
                client_id: client.client_id,
                scope: client.scope,
            }),
            revocation_url: engine.revocation_url(source.connection_id),
            last_event_at: source.last_event_at.map(|at| at.to_string()),
            last_verified_at: source.last_verified_at.map(|at| at.to_string()),
            last_error: source.last_error,
            last_error_at: source.last_error_at.map(|at| at.to_string()),
            created_at: source.created_at.to_string(),
            updated_at: source.updated_at.to_string(),
        }
    }
}

/// Something that was told about a connection's people, and what it did.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Signal {
    id: String,
    connection_id: String,
    /// `global_token_revocation` or `ssf`.
    source: String,
    /// The name of what happened.
    event: String,
    /// The `jti` of the message.
    message_id: Option<String>,
    /// Whom it names, as it came (RFC 9493).
    #[schema(value_type = Object)]
    subject: Value,
    /// Whom it means.
    user_id: Option<String>,
    /// `ended`, `verified`, `ignored`, `too_old`, `unknown_subject`, `not_own`, `other_domain` or `unsupported_subject`.
    effect: String,
    /// How many sign-ins it ended.
    sessions_ended: i64,
    created_at: String,
}

impl From<ReceivedSignal> for Signal {
    fn from(signal: ReceivedSignal) -> Self {
        Self {
            id: signal.id.to_string(),
            connection_id: signal.connection_id.to_string(),
            source: signal.source,
            event: signal.event,
            message_id: signal.message_id,
            subject: signal.subject,
            user_id: signal.user_id.map(|id| id.to_string()),
            effect: signal.effect,
            sessions_ended: signal.ended,
            created_at: signal.created_at.to_string(),
        }
    }
}

/// Read a connection's signal source
#[utoipa::path(get, path = "/connections/{id}/signal-source", tag = "connections", params(("id" = String, Path)),
    responses((status = 200, body = SignalSource)))]
async fn read(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<ConnectionId>,
) -> Handled<SignalSource> {
    let found = engine.read_signal_source(&actor, id, now).await?;
    Ok(Answer::ok(SignalSource::of(&engine, found)))
}

/// Set a connection's signal source
///
/// What it signs ends sign-ins of the connection's own people, and does nothing else.
#[utoipa::path(put, path = "/connections/{id}/signal-source", tag = "connections", params(("id" = String, Path)),
    request_body = SignalSourceInput, responses((status = 200, body = SignalSource)))]
async fn replace(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<ConnectionId>,
    Body(input): Body<SignalSourceInput>,
) -> Handled<SignalSource> {
    let set = engine
        .set_signal_source(&actor, id, input.into(), now)
        .await?;
    Ok(Answer::ok(SignalSource::of(&engine, set)))
}

/// Forget a connection's signal source
#[utoipa::path(delete, path = "/connections/{id}/signal-source", tag = "connections", params(("id" = String, Path)),
    responses((status = 204)))]
async fn delete(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<ConnectionId>,
) -> Result<StatusCode, Problem> {
    engine.delete_signal_source(&actor, id, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List what was told about a connection's people
///
/// The newest first; kept for 90 days.
#[utoipa::path(get, path = "/connections/{id}/signals", tag = "connections", params(("id" = String, Path), PageQuery),
    responses((status = 200, body = List<Signal>)))]
async fn list(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<ConnectionId>,
    Params(query): Params<PageQuery>,
) -> Handled<List<Signal>> {
    let page = query.parse()?;
    let found = engine
        .list_signals(&actor, id, page.after, page.limit, now)
        .await?;
    Ok(Answer::ok(List::page(
        found,
        page.limit,
        |row: &ReceivedSignal| row.id.to_string(),
    )))
}
