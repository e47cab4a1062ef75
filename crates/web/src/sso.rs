//! What identity providers send browsers back to.

use axum::{
    Router,
    extract::{Path, Query, State},
    response::Response,
    routing::get,
};
use vestibule_engine::LoginOutcome;

use crate::{Web, cookies::FromBrowser, failure::PageFailure, now::Now, people};

/// Routes for identity providers.
pub(crate) fn router() -> Router<Web> {
    Router::new().route("/sso/oidc/{connection}/callback", get(callback))
}

/// `GET /sso/oidc/{connection}/callback`: a browser is back from an OpenID Provider.
async fn callback(
    State(web): State<Web>,
    Now(now): Now,
    FromBrowser(browser): FromBrowser,
    Path(connection): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, PageFailure> {
    let Ok(connection_id) = connection.parse() else {
        return Ok(people::gone(&web));
    };
    Ok(
        match web
            .engine
            .finish_oidc(connection_id, pairs, browser, now)
            .await?
        {
            LoginOutcome::SignedIn(signed_in) => people::welcome(&web, &signed_in),
            LoginOutcome::Refused(refusal) => people::refused(&web, &refusal),
            LoginOutcome::WrongPassword(_) | LoginOutcome::TooManyTries(_) | LoginOutcome::Gone => {
                people::gone(&web)
            }
        },
    )
}
