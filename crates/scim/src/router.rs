//! The SCIM endpoints as an axum router.

use std::sync::Arc;

use axum::Router;
use url::Url;

use crate::directory::Directory;
use crate::error::Error;

/// Settings of the router.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The URL under which clients reach the router, such as `https://host/scim/v2`; ids and names follow it.
    pub base_url: Url,
    /// Largest body, in bytes.
    pub body_limit: usize,
}

impl Options {
    /// The settings with their defaults: bodies of at most 10 MiB.
    pub fn new(base_url: Url) -> Self {
        Self {
            base_url,
            body_limit: 10 * 1024 * 1024,
        }
    }
}

/// The endpoints under `/{directory}`, to be nested where [`Options::base_url`] points.
pub fn router<D: Directory, S: Clone + Send + Sync + 'static>(
    directory: Arc<D>,
    options: Options,
) -> Router<S> {
    let state = Arc::new((directory, options));
    Router::new().fallback(move || {
        let state = Arc::clone(&state);
        async move {
            drop(state);
            Error::not_implemented("not yet").body().to_string()
        }
    })
}
