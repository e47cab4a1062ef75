//! The one thing this crate asks of its host: to carry an HTTP request.

use std::error::Error as StdError;
use std::fmt;

use async_trait::async_trait;

/// Carries requests to the identity provider.
///
/// The host decides how: this crate opens no socket.
/// An implementation must not follow redirects, must limit time and body size, and should refuse private
/// addresses, because the destination comes from documents that the customer's side controls.
#[async_trait]
pub trait HttpClient: Send + Sync {
    /// Sends one request and reads the whole response, whatever its status.
    async fn send(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, HttpError>;
}

#[async_trait]
impl<T: HttpClient + ?Sized> HttpClient for &T {
    async fn send(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        (**self).send(request).await
    }
}

#[async_trait]
impl<T: HttpClient + ?Sized> HttpClient for std::sync::Arc<T> {
    async fn send(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        (**self).send(request).await
    }
}

/// Why a request got no response.
#[derive(Debug)]
pub struct HttpError {
    kind: HttpErrorKind,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of [`HttpError`], as far as the remedy differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpErrorKind {
    /// The host's rules forbid the destination, for example a private address.
    Blocked,
    /// The name did not resolve, or nothing accepted the connection.
    Unreachable,
    /// The TLS handshake failed, usually because of the certificate.
    Tls,
    /// No complete response came within the host's time limit.
    TimedOut,
    /// The response was larger than the host reads.
    TooLarge,
    /// Anything else.
    Other,
}

impl HttpError {
    /// An error of a kind.
    pub fn new(kind: HttpErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// An error of a kind with its cause, which the host's log can follow through `source()`.
    pub fn with_source(
        kind: HttpErrorKind,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self {
            kind,
            source: Some(source.into()),
        }
    }

    /// What kind of failure it was.
    pub fn kind(&self) -> HttpErrorKind {
        self.kind
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.kind {
            HttpErrorKind::Blocked => "the destination is not allowed",
            HttpErrorKind::Unreachable => "the destination cannot be reached",
            HttpErrorKind::Tls => "the TLS handshake failed",
            HttpErrorKind::TimedOut => "the destination did not answer in time",
            HttpErrorKind::TooLarge => "the response is too large",
            HttpErrorKind::Other => "the request failed",
        })
    }
}

impl StdError for HttpError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}
