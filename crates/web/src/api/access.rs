//! The first door: a bearer key becomes an actor, or the request ends here.

use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, header, request::Parts};
use vestibule_core::Secret;
use vestibule_engine::{Engine, admin::Actor};

use super::problem::Problem;
use crate::now::Now;

const MISSING: &str = "send the header Authorization: Bearer with a key of the admin API";
pub(super) const REFUSED: &str =
    "the key is unknown, revoked or expired; make a new one with `vestibule api-key create`";

pub(super) async fn authenticate(
    State(engine): State<Engine>,
    Now(now): Now,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(key) = bearer(request.headers()) else {
        return Problem::unauthorized(MISSING).into_response();
    };
    match engine.authenticate_api_key(&key, now).await {
        Ok(Some(actor)) => {
            request.extensions_mut().insert(actor);
            next.run(request).await
        }
        Ok(None) => Problem::unauthorized(REFUSED).into_response(),
        Err(fault) => Problem::from(fault).into_response(),
    }
}

fn bearer(headers: &HeaderMap) -> Option<Secret> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
    let key = key.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then(|| Secret::new(key))
}

/// Who asks; only behind [`authenticate`] is there one.
#[derive(Debug)]
pub(super) struct By(pub(super) Actor);

impl<S: Send + Sync> FromRequestParts<S> for By {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let actor = parts.extensions.get::<Actor>().cloned();
        actor
            .map(Self)
            .ok_or_else(|| Problem::unauthorized(MISSING))
    }
}

/// The key itself, for what lasts so long that the key may end meanwhile.
#[derive(Debug)]
pub(super) struct Key(pub(super) Secret);

impl<S: Send + Sync> FromRequestParts<S> for Key {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        bearer(&parts.headers)
            .map(Self)
            .ok_or_else(|| Problem::unauthorized(MISSING))
    }
}
