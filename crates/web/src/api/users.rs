//! `/organizations/{id}/users`, `/users` and `/sessions`.

use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa_axum::{router::OpenApiRouter, routes};
use vestibule_core::{ApplicationId, OrganizationId, Secret, UserId, UserSessionId};
use vestibule_engine::{
    Engine,
    admin::{self, UserChange},
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
        .routes(routes!(deactivate))
        .routes(routes!(activate))
        .routes(routes!(unlink))
        .routes(routes!(make_break_glass_link, withdraw_break_glass_links))
        .routes(routes!(list_sessions, end_sessions))
        .routes(routes!(end_session))
        .routes(routes!(list_consents))
        .routes(routes!(remove_consent))
}

/// What a user is made of, or changed to; `user_name` is required to make one.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct UserInput {
    /// The name that the person signs in with.
    user_name: Option<String>,
    /// The primary e-mail address.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    email: Nullable<String>,
    /// Your own id of the person.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    external_id: Nullable<String>,
    /// The name as shown.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    display_name: Nullable<String>,
    /// The given name.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    given_name: Nullable<String>,
    /// The family name.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    family_name: Nullable<String>,
    /// Whether the person may sign in; every change ends what was issued before.
    active: Option<bool>,
    /// A password of at least 8 bytes.
    #[schema(write_only)]
    password: Option<String>,
    /// Whether this is a break-glass account: one that no directory can claim and no identity provider lets in. Its
    /// person comes in by a link of yours together with the password. Every change ends what was issued before. Only a
    /// key that is not bound to an organization may change it.
    break_glass: Option<bool>,
}

impl From<UserInput> for UserChange {
    fn from(input: UserInput) -> Self {
        Self {
            user_name: input.user_name,
            email: input.email,
            external_id: input.external_id,
            display_name: input.display_name,
            given_name: input.given_name,
            family_name: input.family_name,
            active: input.active,
            password: input.password.map(Secret::new),
            break_glass: input.break_glass,
        }
    }
}

/// A person in one organization.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[expect(
    clippy::struct_field_names,
    reason = "the field's name is part of the public surface"
)]
struct User {
    /// The `sub` that apps see.
    id: String,
    organization_id: String,
    /// The directory that owns the user, if one does.
    directory_id: Option<String>,
    user_name: String,
    external_id: Option<String>,
    email: Option<String>,
    display_name: Option<String>,
    active: bool,
    /// Whether no directory can claim the user, who comes in by a link of yours alone.
    break_glass: bool,
    /// Every attribute as SCIM spells it.
    #[schema(value_type = Object)]
    attributes: Map<String, Value>,
    version: i64,
    created_at: String,
    updated_at: String,
}

impl From<admin::User> for User {
    fn from(user: admin::User) -> Self {
        let display_name = user
            .attributes
            .get("displayName")
            .and_then(Value::as_str)
            .map(str::to_owned);
        Self {
            id: user.id.to_string(),
            organization_id: user.organization_id.to_string(),
            directory_id: user.directory_id.map(|id| id.to_string()),
            user_name: user.user_name,
            external_id: user.external_id,
            email: user.email,
            display_name,
            active: user.active,
            break_glass: user.break_glass,
            attributes: user.attributes,
            version: user.version,
            created_at: user.created_at.to_string(),
            updated_at: user.updated_at.to_string(),
        }
    }
}

/// Make a user whom no directory owns
#[utoipa::path(post, path = "/organizations/{id}/users", tag = "users", params(("id" = String, Path)),
    request_body = UserInput, responses((status = 201, body = User)))]
async fn create(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<OrganizationId>,
    Body(input): Body<UserInput>,
) -> Handled<User> {
    Ok(Answer::created(
        engine.add_user(&actor, id, input.into(), now).await?.into(),
    ))
}

/// Which users are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct UsersQuery {
    /// Only those with this user name, compared without case.
    user_name: Option<String>,
    /// `true`: only break-glass accounts, all of them at once.
    break_glass: Option<bool>,
    /// How many, at most 500.
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    after: Option<String>,
    /// Another name for `after`.
    cursor: Option<String>,
}

/// List the users of an organization
#[utoipa::path(get, path = "/organizations/{id}/users", tag = "users", params(("id" = String, Path), UsersQuery),
    responses((status = 200, body = List<User>)))]
async fn list(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<OrganizationId>,
    Params(query): Params<UsersQuery>,
) -> Handled<List<User>> {
    if let Some(user_name) = query.user_name {
        let found = engine.list_users_named(&actor, id, &user_name, now).await?;
        return Ok(Answer::ok(List::whole(found)));
    }
    if query.break_glass == Some(true) {
        let found = engine.list_break_glass(&actor, id, now).await?;
        return Ok(Answer::ok(List::whole(found)));
    }
    let page = PageQuery {
        limit: query.limit,
        after: query.after,
        cursor: query.cursor,
    }
    .parse()?;
    let found = engine
        .list_users(&actor, id, page.after, page.limit, now)
        .await?;
    Ok(Answer::ok(List::page(
        found,
        page.limit,
        |row: &admin::User| row.id.to_string(),
    )))
}

/// Read a user
#[utoipa::path(get, path = "/users/{id}", tag = "users", params(("id" = String, Path)),
    responses((status = 200, body = User)))]
async fn read(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<UserId>,
) -> Handled<User> {
    Ok(Answer::ok(engine.read_user(&actor, id, now).await?.into()))
}

/// Change a user
///
/// Of a user that a directory owns, only `active` can be changed here.
#[utoipa::path(patch, path = "/users/{id}", tag = "users", params(("id" = String, Path)), request_body = UserInput,
    responses((status = 200, body = User)))]
async fn update(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<UserId>,
    Body(input): Body<UserInput>,
) -> Handled<User> {
    Ok(Answer::ok(
        engine.set_user(&actor, id, input.into(), now).await?.into(),
    ))
}

/// Delete a user for good
///
/// Everything of theirs is over, what was personal is blanked, and the id is never used again.
#[utoipa::path(delete, path = "/users/{id}", tag = "users", params(("id" = String, Path)), responses((status = 204)))]
async fn delete(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<UserId>,
) -> Result<StatusCode, Problem> {
    engine.delete_user(&actor, id, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deactivate a user
///
/// When this is answered, no credential of theirs is accepted any more, on any node.
#[utoipa::path(post, path = "/users/{id}/deactivate", tag = "users", params(("id" = String, Path)),
    responses((status = 200, body = User)))]
async fn deactivate(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<UserId>,
) -> Handled<User> {
    let change = UserChange {
        active: Some(false),
        ..UserChange::default()
    };
    Ok(Answer::ok(
        engine.set_user(&actor, id, change, now).await?.into(),
    ))
}

/// Activate a user
///
/// Nothing that was issued before comes back.
#[utoipa::path(post, path = "/users/{id}/activate", tag = "users", params(("id" = String, Path)),
    responses((status = 200, body = User)))]
async fn activate(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<UserId>,
) -> Handled<User> {
    let change = UserChange {
        active: Some(true),
        ..UserChange::default()
    };
    Ok(Answer::ok(
        engine.set_user(&actor, id, change, now).await?.into(),
    ))
}

/// Remove a user's links to subjects of identity providers
///
/// The next login is joined anew; what was issued before is over.
#[utoipa::path(delete, path = "/users/{id}/identities", tag = "users", params(("id" = String, Path)),
    responses((status = 204)))]
async fn unlink(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<UserId>,
) -> Result<StatusCode, Problem> {
    engine.unlink_user(&actor, id, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How long a link is to be good.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct BreakGlassLinkInput {
    /// Seconds, from 60 to 3600; 900 unless said otherwise.
    expires_in: Option<u64>,
}

/// What lets the person of a break-glass account in once.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct BreakGlassLink {
    user_id: String,
    /// Where the person types the password; it is not shown again. Hand it over on a way that the person is known on.
    url: String,
    expires_at: String,
}

/// Make a link that lets the person of a break-glass account in once
///
/// It opens nothing without the account's password. A link that was made before and has not been used is withdrawn.
/// Only a key that is not bound to an organization may do this.
#[utoipa::path(post, path = "/users/{id}/break-glass-links", tag = "users", params(("id" = String, Path)),
    request_body = BreakGlassLinkInput, responses((status = 201, body = BreakGlassLink)))]
async fn make_break_glass_link(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<UserId>,
    Body(input): Body<BreakGlassLinkInput>,
) -> Handled<BreakGlassLink> {
    let made = engine
        .add_break_glass_link(&actor, id, input.expires_in, now)
        .await?;
    Ok(Answer::created(BreakGlassLink {
        user_id: id.to_string(),
        url: made.url,
        expires_at: made.expires_at.to_string(),
    }))
}

/// Withdraw a break-glass account's link that has not been used
#[utoipa::path(delete, path = "/users/{id}/break-glass-links", tag = "users", params(("id" = String, Path)),
    responses((status = 204)))]
async fn withdraw_break_glass_links(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<UserId>,
) -> Result<StatusCode, Problem> {
    engine.withdraw_break_glass_links(&actor, id, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A browser's sign-in.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Session {
    id: String,
    user_id: String,
    organization_id: String,
    connection_id: String,
    auth_time: String,
    acr: String,
    amr: Vec<String>,
    created_at: String,
    /// When it was last seen, to the minute.
    last_seen_at: String,
    idle_expires_at: String,
    expires_at: String,
}

impl From<admin::UserSession> for Session {
    fn from(session: admin::UserSession) -> Self {
        Self {
            id: session.id.to_string(),
            user_id: session.user_id.to_string(),
            organization_id: session.organization_id.to_string(),
            connection_id: session.connection_id.to_string(),
            auth_time: session.auth_time.to_string(),
            acr: session.acr,
            amr: session.amr,
            created_at: session.created_at.to_string(),
            last_seen_at: session.touched_at.to_string(),
            idle_expires_at: session.idle_expires_at.to_string(),
            expires_at: session.expires_at.to_string(),
        }
    }
}

/// List a user's sign-ins that are live now
#[utoipa::path(get, path = "/users/{id}/sessions", tag = "sessions", params(("id" = String, Path)),
    responses((status = 200, body = List<Session>)))]
async fn list_sessions(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<UserId>,
) -> Handled<List<Session>> {
    Ok(Answer::ok(List::whole(
        engine.list_sessions(&actor, id, now).await?,
    )))
}

/// What an ending found.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct EndedSessions {
    /// The receipt, where there was something to end.
    offboarding_id: Option<String>,
    user_sessions: usize,
    app_sessions: usize,
}

/// End everything that was issued to a user
#[utoipa::path(delete, path = "/users/{id}/sessions", tag = "sessions", params(("id" = String, Path)),
    responses((status = 200, body = EndedSessions)))]
async fn end_sessions(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<UserId>,
) -> Handled<EndedSessions> {
    let ended = engine.end_sessions(&actor, id, now).await?;
    Ok(Answer::ok(EndedSessions {
        offboarding_id: ended.offboarding_id.map(|id| id.to_string()),
        user_sessions: ended.user_sessions,
        app_sessions: ended.app_sessions,
    }))
}

/// End one sign-in
#[utoipa::path(delete, path = "/sessions/{id}", tag = "sessions", params(("id" = String, Path)),
    responses((status = 204)))]
async fn end_session(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<UserSessionId>,
) -> Result<StatusCode, Problem> {
    engine.end_session(&actor, id, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a user lets a third-party application learn.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Consent {
    application_id: String,
    /// The scope, with one space between its values.
    scope: String,
    /// The names of the further claims that the user was shown.
    claims: Vec<String>,
    created_at: String,
    updated_at: String,
}

impl From<admin::Consent> for Consent {
    fn from(consent: admin::Consent) -> Self {
        Self {
            application_id: consent.application_id.to_string(),
            scope: consent.scope,
            claims: consent.claims,
            created_at: consent.created_at.to_string(),
            updated_at: consent.updated_at.to_string(),
        }
    }
}

/// List what a user lets third-party applications learn
#[utoipa::path(get, path = "/users/{id}/consents", tag = "sessions", params(("id" = String, Path)),
    responses((status = 200, body = List<Consent>)))]
async fn list_consents(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<UserId>,
) -> Handled<List<Consent>> {
    Ok(Answer::ok(List::whole(
        engine.list_consents(&actor, id, now).await?,
    )))
}

/// Take a consent back
///
/// What the application was issued for this user is over, and it has to ask again.
#[utoipa::path(delete, path = "/users/{id}/consents/{application_id}", tag = "sessions",
    params(("id" = String, Path), ("application_id" = String, Path)), responses((status = 204)))]
async fn remove_consent(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Path((id, application_id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let id: UserId = id.parse().map_err(|_| Problem::not_found())?;
    let application_id: ApplicationId = application_id.parse().map_err(|_| Problem::not_found())?;
    engine
        .remove_consent(&actor, id, application_id, now)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
