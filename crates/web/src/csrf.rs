//! The token of a page's form, kept in the browser's anonymous page state.

use tower_sessions::Session;
use vestibule_core::Secret;
use vestibule_engine::Engine;

const NAME: &str = "csrf";

/// The token for the forms that this browser is shown.
pub(crate) async fn token(
    session: &Session,
    engine: &Engine,
) -> Result<String, tower_sessions::session::Error> {
    if let Some(token) = session.get::<String>(NAME).await? {
        return Ok(token);
    }
    let token = engine.form_token();
    session.insert(NAME, token.expose()).await?;
    Ok(token.expose().to_owned())
}

/// Whether a form brought the token that its page was given.
pub(crate) async fn is_own(session: &Session, presented: &str) -> bool {
    match session.get::<String>(NAME).await {
        Ok(Some(token)) => Secret::new(presented)
            .hash()
            .is(Secret::new(token).hash().as_bytes()),
        _ => false,
    }
}
