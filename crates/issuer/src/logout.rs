//! RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0).

use thiserror::Error;

use crate::id_token::{HintError, IdTokenHint};
use crate::issuer::Issuer;
use crate::keys::KeySet;
use crate::params::{Duplicate, Params};
use crate::redirect;
use crate::secret::Secret;

const MAX_CLIENT_ID: usize = 255;
const MAX_HINT: usize = 512;
const MAX_STATE: usize = 4096;

/// A logout request, of which nothing has been believed yet.
#[derive(Debug, Clone)]
pub struct LogoutRequest {
    id_token_hint: Option<Secret>,
    client_id: Option<String>,
    post_logout_redirect_uri: Option<String>,
    state: Option<String>,
    /// What the app knows about the user, for the page.
    pub logout_hint: Option<String>,
}

/// A logout request whose hint, if it has one, is a token of ours.
#[derive(Debug, Clone)]
pub struct CheckedLogout {
    /// The token that came back. Without it, or when its session is not the browser's, ask the user
    /// before ending anything (§2).
    pub hint: Option<IdTokenHint>,
    /// The client, from the hint or from `client_id`; to find the registered URIs.
    pub client_id: Option<String>,
    post_logout_redirect_uri: Option<String>,
    state: Option<String>,
}

/// Why a logout request is refused: show a page, never redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LogoutError {
    /// A parameter is there twice.
    #[error(transparent)]
    Duplicate(#[from] Duplicate),
    /// A parameter is too long.
    #[error("a parameter is too long")]
    TooLong,
    /// The hint is not a token of ours.
    #[error(transparent)]
    Hint(#[from] HintError),
    /// `client_id` is not the client of the hint.
    #[error("the id_token_hint was issued to another client")]
    OtherClient,
    /// A return address without anything that says whose it is.
    #[error("post_logout_redirect_uri needs a client_id or an id_token_hint")]
    UnknownClient,
    /// The return address is none of the client's: add the exact URI to the application.
    #[error("the post_logout_redirect_uri is not registered for this client")]
    UnregisteredUri,
}

impl LogoutRequest {
    /// Reads the query of a GET or the form of a POST.
    pub fn parse(params: &Params) -> Result<Self, LogoutError> {
        params.refuse_duplicates()?;
        let bounded = |name, max| match params.get(name)? {
            Some(value) if value.len() > max => Err(LogoutError::TooLong),
            value => Ok(value.map(str::to_owned)),
        };
        Ok(Self {
            id_token_hint: params.get("id_token_hint")?.map(Secret::new),
            client_id: bounded("client_id", MAX_CLIENT_ID)?,
            post_logout_redirect_uri: bounded("post_logout_redirect_uri", 2048)?,
            state: bounded("state", MAX_STATE)?,
            logout_hint: bounded("logout_hint", MAX_HINT)?,
        })
    }

    /// Verifies the hint with our keys; an expired one is good (§2).
    pub fn check(&self, keys: &KeySet, issuer: &Issuer) -> Result<CheckedLogout, LogoutError> {
        let hint = match &self.id_token_hint {
            None => None,
            Some(token) => Some(IdTokenHint::verify(token.expose(), keys, issuer)?),
        };
        if let (Some(hint), Some(client_id)) = (&hint, &self.client_id)
            && hint.aud != *client_id
        {
            return Err(LogoutError::OtherClient);
        }
        let client_id = self
            .client_id
            .clone()
            .or(hint.as_ref().map(|hint| hint.aud.clone()));
        if client_id.is_none() && self.post_logout_redirect_uri.is_some() {
            return Err(LogoutError::UnknownClient);
        }
        Ok(CheckedLogout {
            hint,
            client_id,
            post_logout_redirect_uri: self.post_logout_redirect_uri.clone(),
            state: self.state.clone(),
        })
    }
}

impl CheckedLogout {
    /// The URL to send the browser to afterwards, with `state`; `None` when the request names none.
    ///
    /// `registered` are the client's post-logout redirect URIs, compared byte for byte.
    pub fn return_url(&self, registered: &[String]) -> Result<Option<String>, LogoutError> {
        let Some(uri) = &self.post_logout_redirect_uri else {
            return Ok(None);
        };
        if !registered.contains(uri) {
            return Err(LogoutError::UnregisteredUri);
        }
        let pairs: Vec<_> = self
            .state
            .iter()
            .map(|state| ("state", state.as_str()))
            .collect();
        Ok(Some(redirect::append_query(uri, &pairs)))
    }
}

#[cfg(test)]
mod tests;
