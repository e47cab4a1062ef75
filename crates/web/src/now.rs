use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};
use vestibule_core::Timestamp;
use vestibule_engine::Clock;

/// The instant at which a request is handled, from the clock that the router was given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now(pub(crate) Timestamp);

impl<S: Sync> FromRequestParts<S> for Now {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // The outermost layer of `router` puts the clock in; without it every credential looks unborn and is refused.
        Ok(Self(
            parts
                .extensions
                .get::<Clock>()
                .map_or_else(Timestamp::default, Clock::now),
        ))
    }
}
