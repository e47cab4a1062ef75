//! `/directories/{id}/adoption`: what an admin sees before ending one.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use vestibule_core::{DirectoryId, UserId};
use vestibule_engine::{
    Engine,
    admin::{self, AdoptionSide, ConflictKind, ConflictPlace},
};

use super::super::{
    access::By,
    body::{Answer, Handled, Params, Target},
    page::{List, checked_limit},
    problem::Problem,
};
use crate::now::Now;

pub(super) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .routes(routes!(preview))
        .routes(routes!(list_users))
        .routes(routes!(list_conflicts))
}

/// How far an adoption is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Adoption {
    /// Users that the directory owns.
    claimed: i64,
    /// Users that it may claim and has not; they cannot sign in once the adoption ends.
    unclaimed: i64,
    /// Those of the unclaimed that the replaced directory owns; the others have no directory.
    unclaimed_of_replaced: i64,
    /// Break-glass accounts of the organization. They are not among the others, since no directory can claim them, and
    /// the end of the adoption changes nothing for them.
    break_glass: i64,
}

/// Preview an adoption
#[utoipa::path(get, path = "/directories/{id}/adoption", tag = "directories", params(("id" = String, Path)),
    responses((status = 200, body = Adoption)))]
async fn preview(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<DirectoryId>,
) -> Handled<Adoption> {
    let counts = engine.preview_adoption(&actor, id, now).await?;
    Ok(Answer::ok(Adoption {
        claimed: counts.claimed,
        unclaimed: counts.unowned + counts.of_replaced,
        unclaimed_of_replaced: counts.of_replaced,
        break_glass: counts.break_glass,
    }))
}

/// Which users of an adoption are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct UsersQuery {
    /// `claimed`, or `unclaimed`: those who cannot sign in once the adoption ends. Those, unless said otherwise.
    #[param(inline)]
    #[serde(default)]
    state: Side,
    /// How many items, at most 500.
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum Side {
    Claimed,
    #[default]
    Unclaimed,
}

/// A user in an adoption.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct AdoptionUser {
    id: String,
    user_name: String,
    email: Option<String>,
    external_id: Option<String>,
    active: bool,
    /// Who owns the user: this directory, the one that it replaces, or none.
    directory_id: Option<String>,
}

impl From<admin::User> for AdoptionUser {
    fn from(user: admin::User) -> Self {
        Self {
            id: user.id.to_string(),
            user_name: user.user_name,
            email: user.email,
            external_id: user.external_id,
            active: user.active,
            directory_id: user.directory_id.map(|id| id.to_string()),
        }
    }
}

/// List the users of an adoption
#[utoipa::path(get, path = "/directories/{id}/adoption/users", tag = "directories",
    params(("id" = String, Path), UsersQuery), responses((status = 200, body = List<AdoptionUser>)))]
async fn list_users(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<DirectoryId>,
    Params(query): Params<UsersQuery>,
) -> Handled<List<AdoptionUser>> {
    let limit = checked_limit(query.limit)?;
    let after: Option<UserId> = query
        .cursor
        .map(|cursor| cursor.parse().map_err(|_| Problem::cursor()))
        .transpose()?;
    let side = match query.state {
        Side::Claimed => AdoptionSide::Claimed,
        Side::Unclaimed => AdoptionSide::Unclaimed,
    };
    let users = engine
        .list_adoption_users(&actor, id, side, (after, limit), now)
        .await?;
    Ok(Answer::ok(List::page(users, limit, |user| {
        user.id.to_string()
    })))
}

/// Which conflicts are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ConflictsQuery {
    /// How many items, at most 500.
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Two users that stand in each other's way.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct AdoptionConflict {
    /// `same_email`: the directory made a user of another name with the same address, likely the same person anew.
    /// `same_name`: the other user of this name goes first, so this one is never claimed.
    /// `other_directory`: a directory that is not replaced owns a user of the same name.
    /// `break_glass`: the user is a break-glass account, which no directory can claim, and the other user has its name or
    /// one of its addresses.
    kind: String,
    /// What to do about it.
    remedy: String,
    user_id: String,
    user_name: String,
    other_user_id: String,
    other_user_name: String,
    other_directory_id: Option<String>,
}

impl From<admin::AdoptionConflict> for AdoptionConflict {
    fn from(conflict: admin::AdoptionConflict) -> Self {
        Self {
            kind: conflict.kind.as_str().to_owned(),
            remedy: remedy(conflict.kind).to_owned(),
            user_id: conflict.user_id.to_string(),
            user_name: conflict.user_name,
            other_user_id: conflict.other_id.to_string(),
            other_user_name: conflict.other_user_name,
            other_directory_id: conflict.other_directory_id.map(|id| id.to_string()),
        }
    }
}

const fn remedy(kind: ConflictKind) -> &'static str {
    match kind {
        ConflictKind::SameEmail => {
            "if both are one person, delete the other user, rename this one to its name, and provision it again"
        }
        ConflictKind::SameName => {
            "decide which of the two the person keeps, and delete or rename the other"
        }
        ConflictKind::BreakGlass => {
            "nothing, if both are meant to be there: one person may have an account of the directory and a break-glass account"
        }
        ConflictKind::OtherDirectory => {
            "the person is in two directories; unassign them in one, unless both are wanted"
        }
    }
}

/// List the conflicts of an adoption
#[utoipa::path(get, path = "/directories/{id}/adoption/conflicts", tag = "directories",
    params(("id" = String, Path), ConflictsQuery), responses((status = 200, body = List<AdoptionConflict>)))]
async fn list_conflicts(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<DirectoryId>,
    Params(query): Params<ConflictsQuery>,
) -> Handled<List<AdoptionConflict>> {
    let limit = checked_limit(query.limit)?;
    let after = query
        .cursor
        .map(|cursor| place(&cursor).ok_or_else(Problem::cursor))
        .transpose()?;
    let conflicts = engine
        .list_adoption_conflicts(&actor, id, (after, limit), now)
        .await?;
    Ok(Answer::ok(List::page(conflicts, limit, |conflict| {
        let kind = conflict.kind.as_str();
        format!("{}.{kind}.{}", conflict.user_id, conflict.other_id)
    })))
}

fn place(cursor: &str) -> Option<ConflictPlace> {
    let mut parts = cursor.split('.');
    let place = ConflictPlace {
        user_id: parts.next()?.parse().ok()?,
        kind: parts.next()?.parse().ok()?,
        other_id: parts.next()?.parse().ok()?,
    };
    parts.next().is_none().then_some(place)
}
