//! Signing out at the provider too (RP-Initiated Logout 1.0).

use url::Url;

use crate::{Connection, Secret};

/// Longer addresses are cut by servers and proxies on the way, in bytes.
const LONGEST_ADDRESS: usize = 7 * 1024;

/// A logout at the provider, which the browser carries there.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LogoutRequest {
    /// The ID token of the sign-in that ends; the provider asks the person where it is missing.
    pub id_token_hint: Option<Secret>,
    /// Where the provider sends the browser afterwards; it has to be registered there.
    pub post_logout_redirect_uri: String,
    /// Comes back with the browser.
    pub state: String,
}

impl LogoutRequest {
    /// A logout after which the browser comes back to an address of the host's.
    pub fn new(post_logout_redirect_uri: impl Into<String>, state: impl Into<String>) -> Self {
        Self {
            id_token_hint: None,
            post_logout_redirect_uri: post_logout_redirect_uri.into(),
            state: state.into(),
        }
    }

    /// Names the sign-in that ends.
    #[must_use]
    pub fn id_token_hint(mut self, id_token: Secret) -> Self {
        self.id_token_hint = Some(id_token);
        self
    }
}

impl Connection {
    /// Where the browser goes to sign out at the provider as well (§2); none where the provider has no such place.
    ///
    /// A hint that makes the address too long is left out.
    pub fn logout_url(&self, request: &LogoutRequest) -> Option<Url> {
        let endpoint = self.metadata().end_session_endpoint.as_ref()?;
        let with = |hint: Option<&Secret>| {
            let mut url = endpoint.clone();
            let mut query = url.query_pairs_mut();
            if let Some(hint) = hint {
                query.append_pair("id_token_hint", hint.expose());
            }
            query
                .append_pair("client_id", &self.settings().client_id)
                .append_pair(
                    "post_logout_redirect_uri",
                    &request.post_logout_redirect_uri,
                )
                .append_pair("state", &request.state);
            drop(query);
            url
        };
        let hinted = with(request.id_token_hint.as_ref());
        match hinted.as_str().len() > LONGEST_ADDRESS {
            true => Some(with(None)),
            false => Some(hinted),
        }
    }
}
