//! `/connections/{id}/keys`.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use vestibule_core::ConnectionId;
use vestibule_engine::{
    Engine,
    admin::{ConnectionKey, KeyPurpose, Rotation},
};

use crate::{
    api::{
        access::By,
        body::{Answer, Body, Handled, Target},
        page::List,
    },
    now::Now,
};

pub(super) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(rotate))
}

/// A step of a rotation.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct RotationInput {
    purpose: Purpose,
    /// False makes the next key and publishes it; true takes it into use, once the identity provider knows it.
    #[serde(default)]
    activate: bool,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum Purpose {
    /// It signs what we send.
    Signing,
    /// It opens what is encrypted for us.
    Encryption,
}

/// The public half of a key of ours.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Key {
    id: String,
    /// `signing` or `encryption`.
    purpose: String,
    /// `active`; `next`, published and not in use yet; or `retired`, in its overlap of 30 days.
    state: String,
    /// The self-signed certificate, PEM.
    certificate: String,
    not_after: String,
    created_at: String,
    activated_at: Option<String>,
    retired_at: Option<String>,
}

impl From<ConnectionKey> for Key {
    fn from(key: ConnectionKey) -> Self {
        Self {
            id: key.id.to_string(),
            purpose: key.purpose.as_str().to_owned(),
            state: key.state.as_str().to_owned(),
            certificate: key.certificate,
            not_after: key.not_after.to_string(),
            created_at: key.created_at.to_string(),
            activated_at: key.activated_at.map(|at| at.to_string()),
            retired_at: key.retired_at.map(|at| at.to_string()),
        }
    }
}

/// List our keys at a connection
#[utoipa::path(get, path = "/connections/{id}/keys", tag = "connections", params(("id" = String, Path)),
    responses((status = 200, body = List<Key>)))]
async fn list(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<ConnectionId>,
) -> Handled<List<Key>> {
    let found = engine.list_connection_keys(&actor, id, now).await?;
    let data: Vec<Key> = found.into_iter().map(Into::into).collect();
    Ok(Answer::ok(List::whole(data)))
}

/// Rotate a key of ours at a connection
///
/// The first call makes the next key, which our metadata (by OpenID Connect our JWKS) shows beside the one in use. The second, with `activate`, takes
/// it into use; the one before stays known for 30 days.
#[utoipa::path(post, path = "/connections/{id}/keys/rotate", tag = "connections", params(("id" = String, Path)),
    request_body = RotationInput, responses((status = 200, body = List<Key>)))]
async fn rotate(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<ConnectionId>,
    Body(input): Body<RotationInput>,
) -> Handled<List<Key>> {
    let purpose = match input.purpose {
        Purpose::Signing => KeyPurpose::Signing,
        Purpose::Encryption => KeyPurpose::Encryption,
    };
    let step = match input.activate {
        true => Rotation::Activate,
        false => Rotation::Prepare,
    };
    let keys = engine
        .rotate_connection_key(&actor, id, purpose, step, now)
        .await?;
    let data: Vec<Key> = keys.into_iter().map(Into::into).collect();
    Ok(Answer::ok(List::whole(data)))
}
