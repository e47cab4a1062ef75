//! `/organizations/{id}/connections` and `/connections`.

mod certificates;
mod keys;
mod oidc;
mod saml;
mod signals;

use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use vestibule_core::{
    ApplicationId, ConnectionId, ConnectionState, DirectoryId, OrganizationId, Protocol,
};
use vestibule_engine::{
    Engine,
    admin::{self, ConnectionChange, ConnectionDetails},
};

use super::{
    access::By,
    body::{Answer, Body, Handled, Nullable, Target, nullable},
    page::List,
    problem::Problem,
};
use crate::now::Now;

use oidc::{Oidc, OidcInput};
use saml::{Saml, SamlInput};

pub(super) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(read, update, delete))
        .merge(certificates::routes())
        .merge(keys::routes())
        .merge(signals::routes())
}

/// What a connection is made of, or changed to; `protocol` and its settings are required to make one.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct ConnectionInput {
    /// `oidc` or `saml`; it cannot change.
    #[schema(value_type = Option<String>)]
    protocol: Option<Protocol>,
    /// Its name, as admins see it.
    name: Option<String>,
    /// The directory whose users are joined; required once the organization has two.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    directory_id: Nullable<DirectoryId>,
    /// Where an unsolicited login is sent to.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    default_application_id: Nullable<ApplicationId>,
    join: Option<Join>,
    /// Whether a login may create a user; never while the organization has a directory.
    jit: Option<bool>,
    /// Whether a login that the identity provider begins is turned into one that we begin.
    allow_idp_initiated: Option<bool>,
    /// `active` or `inactive`.
    #[schema(value_type = Option<String>)]
    state: Option<ConnectionState>,
    oidc: Option<OidcInput>,
    saml: Option<SamlInput>,
}

/// How a login finds its user: one attribute of the directory, one claim.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Join {
    /// `externalId`, `userName` or `emails.value`.
    directory: String,
    /// The claim that equals it: `sub`, `oid`, `preferred_username` or another one of the ID token; by SAML `name_id`,
    /// `oid` (Entra's object identifier) or `attribute:` and the name of an attribute.
    claim: String,
}

impl TryFrom<ConnectionInput> for ConnectionChange {
    type Error = Problem;

    fn try_from(input: ConnectionInput) -> Result<Self, Problem> {
        Ok(Self {
            protocol: input.protocol,
            name: input.name,
            directory_id: input.directory_id,
            default_application_id: input.default_application_id,
            join: input.join.map(|join| admin::Join {
                directory: join.directory,
                claim: join.claim,
            }),
            jit: input.jit,
            allow_idp_initiated: input.allow_idp_initiated,
            state: input.state,
            oidc: input.oidc.map(Into::into),
            saml: input.saml.map(TryInto::try_into).transpose()?,
        })
    }
}

/// A way in: one identity provider, the password sign-in, or that of break-glass accounts, of one organization.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Connection {
    id: String,
    organization_id: String,
    protocol: String,
    name: String,
    /// `active`, `inactive`, or `draft` until the test sign-in of the portal has passed.
    state: String,
    directory_id: Option<String>,
    default_application_id: Option<String>,
    join: Option<Join>,
    jit: bool,
    allow_idp_initiated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    oidc: Option<Oidc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    saml: Option<Saml>,
    created_at: String,
    updated_at: String,
}

impl Connection {
    fn of(engine: &Engine, details: ConnectionDetails) -> Self {
        let oidc = match details.connection.protocol {
            Protocol::Oidc => Oidc::of(engine, &details),
            Protocol::Saml | Protocol::Password | Protocol::BreakGlass => None,
        };
        let connection = details.connection;
        let join = connection.join_directory.zip(connection.join_claim);
        Self {
            id: connection.id.to_string(),
            organization_id: connection.organization_id.to_string(),
            protocol: connection.protocol.as_str().to_owned(),
            name: connection.name,
            state: connection.state.as_str().to_owned(),
            directory_id: connection.directory_id.map(|id| id.to_string()),
            default_application_id: connection.default_application_id.map(|id| id.to_string()),
            join: join.map(|(directory, claim)| Join { directory, claim }),
            jit: connection.jit,
            allow_idp_initiated: connection.allow_idp_initiated,
            oidc,
            saml: details.saml.map(Saml::from),
            created_at: connection.created_at.to_string(),
            updated_at: connection.updated_at.to_string(),
        }
    }
}

/// Make a connection
///
/// Made by API, it is in use at once. A connection by SAML is described in one of three ways: `metadata_xml`,
/// `metadata_url`, or `entity_id` with `sso_url` and `certificates`.
#[utoipa::path(post, path = "/organizations/{id}/connections", tag = "connections", params(("id" = String, Path)),
    request_body = ConnectionInput, responses((status = 201, body = Connection)))]
async fn create(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<OrganizationId>,
    Body(input): Body<ConnectionInput>,
) -> Handled<Connection> {
    let made = engine
        .add_connection(&actor, id, input.try_into()?, now)
        .await?;
    Ok(Answer::created(Connection::of(&engine, made)))
}

/// List the connections of an organization
#[utoipa::path(get, path = "/organizations/{id}/connections", tag = "connections", params(("id" = String, Path)),
    responses((status = 200, body = List<Connection>)))]
async fn list(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<OrganizationId>,
) -> Handled<List<Connection>> {
    let found = engine.list_connections(&actor, id, now).await?;
    let data: Vec<Connection> = found
        .into_iter()
        .map(|connection| Connection::of(&engine, connection))
        .collect();
    Ok(Answer::ok(List::whole(data)))
}

/// Read a connection
#[utoipa::path(get, path = "/connections/{id}", tag = "connections", params(("id" = String, Path)),
    responses((status = 200, body = Connection)))]
async fn read(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<ConnectionId>,
) -> Handled<Connection> {
    let found = engine.read_connection(&actor, id, now).await?;
    Ok(Answer::ok(Connection::of(&engine, found)))
}

/// Change a connection
///
/// Another issuer, client id, entity ID or join, a certificate that is no longer trusted, and going out of use end what
/// came through it. Metadata adds certificates and removes none; `certificates` replaces them.
#[utoipa::path(patch, path = "/connections/{id}", tag = "connections", params(("id" = String, Path)),
    request_body = ConnectionInput, responses((status = 200, body = Connection)))]
async fn update(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<ConnectionId>,
    Body(input): Body<ConnectionInput>,
) -> Handled<Connection> {
    let changed = engine
        .set_connection(&actor, id, input.try_into()?, now)
        .await?;
    Ok(Answer::ok(Connection::of(&engine, changed)))
}

/// Delete a connection
#[utoipa::path(delete, path = "/connections/{id}", tag = "connections", params(("id" = String, Path)),
    responses((status = 204)))]
async fn delete(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<ConnectionId>,
) -> Result<StatusCode, Problem> {
    engine.delete_connection(&actor, id, now).await?;
    Ok(StatusCode::NO_CONTENT)
}
