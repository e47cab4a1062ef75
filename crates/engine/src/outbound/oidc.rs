//! The guarded client as the OpenID Connect relying party wants it.

use async_trait::async_trait;
use vestibule_oidc::{HttpClient, HttpError, HttpErrorKind};

use super::{Class, Outbound, OutboundError};

/// Carries the relying party's requests under the rules of one class.
#[derive(Clone, Debug)]
pub struct OidcClient {
    outbound: Outbound,
    class: Class,
}

impl OidcClient {
    pub(super) fn new(outbound: Outbound, class: Class) -> Self {
        Self { outbound, class }
    }
}

#[async_trait]
impl HttpClient for OidcClient {
    async fn send(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        self.outbound
            .send(self.class, request)
            .await
            .map_err(|error| HttpError::with_source(kind(&error), error))
    }
}

fn kind(error: &OutboundError) -> HttpErrorKind {
    match error {
        OutboundError::Blocked { .. }
        | OutboundError::NotHttps
        | OutboundError::Destination { .. } => HttpErrorKind::Blocked,
        OutboundError::Unresolved { .. } | OutboundError::Unreachable { .. } => {
            HttpErrorKind::Unreachable
        }
        OutboundError::Tls { .. } => HttpErrorKind::Tls,
        OutboundError::TimedOut { .. } => HttpErrorKind::TimedOut,
        OutboundError::TooLarge { .. } => HttpErrorKind::TooLarge,
        OutboundError::Redirected { .. }
        | OutboundError::Failed { .. }
        | OutboundError::Setup { .. } => HttpErrorKind::Other,
    }
}
