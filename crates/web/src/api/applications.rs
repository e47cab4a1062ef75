//! `/applications`.

use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa_axum::{router::OpenApiRouter, routes};
use vestibule_core::ApplicationId;
use vestibule_engine::{
    Engine,
    admin::{self, ApplicationChange, MadeApplication},
};

use super::{
    access::By,
    body::{Answer, Body, Handled, Nullable, Params, Target, nullable},
    page::{List, PageQuery},
    problem::Problem,
};
use crate::now::Now;

pub(super) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(read, update, delete))
        .routes(routes!(rotate_secret))
}

/// What an application is made of, or changed to; `name` and `redirect_uris` are required to make one.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct ApplicationInput {
    /// Its name, as people see it.
    name: Option<String>,
    /// Where codes may be sent to: https, http on a loopback host, or a private-use scheme with a dot.
    redirect_uris: Option<Vec<String>>,
    /// Where the browser may be sent to after a logout.
    post_logout_redirect_uris: Option<Vec<String>>,
    /// Where logout tokens go (OpenID Connect Back-Channel Logout).
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    backchannel_logout_uri: Nullable<String>,
    /// Where a login that somebody else begins is sent to.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    initiate_login_uri: Nullable<String>,
    /// `client_secret_basic`, `client_secret_post`, `private_key_jwt`, or `none` for a public application.
    token_endpoint_auth_method: Option<String>,
    /// The public keys (a JWK Set) of an application that proves itself by `private_key_jwt`.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Object>)]
    jwks: Nullable<Value>,
    /// Where its public keys are, over https, instead of `jwks`; they are read again when it signs with a new one.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    jwks_uri: Nullable<String>,
    /// Whether it is somebody else's, so that people are asked before it learns about them.
    third_party: Option<bool>,
    /// Whether its authorization requests have to be pushed (RFC 9126).
    require_pushed_authorization_requests: Option<bool>,
    /// Whether a sign-in that is none of the asked `acr_values` is refused with `unmet_authentication_requirements`.
    require_acr: Option<bool>,
    /// Further claims of its ID tokens and of userinfo: the claim's name and the attribute it is read from, such as
    /// `title`, `name.givenName`, `emails.value[]` (a list), or one behind the URN of an extension.
    #[schema(value_type = Option<HashMap<String, String>>)]
    claims: Option<Map<String, Value>>,
    /// `opaque`, or `jwt` after RFC 9068.
    access_token_format: Option<String>,
    /// `ES256`, `RS256` or `EdDSA`.
    id_token_signed_response_alg: Option<String>,
    /// Within so many seconds the same refresh may be asked again; 0 to 10.
    refresh_retry_seconds: Option<i64>,
    /// Whether it may be used; every change ends what was issued to it before.
    active: Option<bool>,
}

impl From<ApplicationInput> for ApplicationChange {
    fn from(input: ApplicationInput) -> Self {
        Self {
            name: input.name,
            redirect_uris: input.redirect_uris,
            post_logout_redirect_uris: input.post_logout_redirect_uris,
            backchannel_logout_uri: input.backchannel_logout_uri,
            initiate_login_uri: input.initiate_login_uri,
            token_endpoint_auth_method: input.token_endpoint_auth_method,
            jwks: input.jwks,
            jwks_uri: input.jwks_uri,
            third_party: input.third_party,
            require_pushed_requests: input.require_pushed_authorization_requests,
            require_acr: input.require_acr,
            claims: input.claims,
            access_token_format: input.access_token_format,
            id_token_signed_response_alg: input.id_token_signed_response_alg,
            refresh_retry_seconds: input.refresh_retry_seconds,
            active: input.active,
        }
    }
}

/// An app that signs its users in through us.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "settings that have nothing to do with each other"
)]
struct Application {
    id: String,
    client_id: String,
    /// The client secret, in the answer that makes it and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    name: String,
    redirect_uris: Vec<String>,
    post_logout_redirect_uris: Vec<String>,
    backchannel_logout_uri: Option<String>,
    initiate_login_uri: Option<String>,
    token_endpoint_auth_method: String,
    #[schema(value_type = Option<Object>)]
    jwks: Option<Value>,
    jwks_uri: Option<String>,
    third_party: bool,
    require_pushed_authorization_requests: bool,
    require_acr: bool,
    #[schema(value_type = HashMap<String, String>)]
    claims: Map<String, Value>,
    access_token_format: String,
    id_token_signed_response_alg: String,
    refresh_retry_seconds: i64,
    active: bool,
    created_at: String,
    updated_at: String,
}

impl From<admin::Application> for Application {
    fn from(application: admin::Application) -> Self {
        Self {
            id: application.id.to_string(),
            client_id: application.id.to_string(),
            client_secret: None,
            name: application.name,
            redirect_uris: application.redirect_uris,
            post_logout_redirect_uris: application.post_logout_redirect_uris,
            backchannel_logout_uri: application.backchannel_logout_uri,
            initiate_login_uri: application.initiate_login_uri,
            token_endpoint_auth_method: application.token_endpoint_auth_method,
            jwks: application.jwks,
            jwks_uri: application.jwks_uri,
            third_party: application.third_party,
            require_pushed_authorization_requests: application.require_pushed_requests,
            require_acr: application.require_acr,
            claims: application.claims,
            access_token_format: application.access_token_format,
            id_token_signed_response_alg: application.id_token_signed_response_alg,
            refresh_retry_seconds: application.refresh_retry_seconds,
            active: application.active,
            created_at: application.created_at.to_string(),
            updated_at: application.updated_at.to_string(),
        }
    }
}

impl From<MadeApplication> for Application {
    fn from(made: MadeApplication) -> Self {
        let client_secret = made.client_secret.map(|secret| secret.expose().to_owned());
        Self {
            client_secret,
            ..made.application.into()
        }
    }
}

/// Register an application
#[utoipa::path(post, path = "/applications", tag = "applications", request_body = ApplicationInput,
    responses((status = 201, body = Application)))]
async fn create(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Body(input): Body<ApplicationInput>,
) -> Handled<Application> {
    Ok(Answer::created(
        engine
            .add_application(&actor, input.into(), now)
            .await?
            .into(),
    ))
}

/// List applications
#[utoipa::path(get, path = "/applications", tag = "applications", params(PageQuery),
    responses((status = 200, body = List<Application>)))]
async fn list(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Params(query): Params<PageQuery>,
) -> Handled<List<Application>> {
    let page = query.parse()?;
    let found = engine
        .list_applications(&actor, page.after, page.limit, now)
        .await?;
    Ok(Answer::ok(List::page(
        found,
        page.limit,
        |row: &admin::Application| row.id.to_string(),
    )))
}

/// Read an application
#[utoipa::path(get, path = "/applications/{id}", tag = "applications", params(("id" = String, Path)),
    responses((status = 200, body = Application)))]
async fn read(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<ApplicationId>,
) -> Handled<Application> {
    Ok(Answer::ok(
        engine.read_application(&actor, id, now).await?.into(),
    ))
}

/// Change an application
#[utoipa::path(patch, path = "/applications/{id}", tag = "applications", params(("id" = String, Path)),
    request_body = ApplicationInput, responses((status = 200, body = Application)))]
async fn update(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<ApplicationId>,
    Body(input): Body<ApplicationInput>,
) -> Handled<Application> {
    Ok(Answer::ok(
        engine
            .set_application(&actor, id, input.into(), now)
            .await?
            .into(),
    ))
}

/// Delete an application
#[utoipa::path(delete, path = "/applications/{id}", tag = "applications", params(("id" = String, Path)),
    responses((status = 204)))]
async fn delete(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<ApplicationId>,
) -> Result<StatusCode, Problem> {
    engine.delete_application(&actor, id, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give an application a new secret
///
/// The old one is refused from now on.
#[utoipa::path(post, path = "/applications/{id}/rotate-secret", tag = "applications", params(("id" = String, Path)),
    responses((status = 200, body = Application)))]
async fn rotate_secret(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<ApplicationId>,
) -> Handled<Application> {
    Ok(Answer::ok(
        engine
            .rotate_application_secret(&actor, id, now)
            .await?
            .into(),
    ))
}
