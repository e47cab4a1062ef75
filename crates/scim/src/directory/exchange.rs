//! What the host is told about each request.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::dialect::Repair;
use crate::error::{Error, ErrorKind};
use crate::moment::DateTime;

/// One request and its answer, redacted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Exchange<A> {
    /// What all exchanges of one HTTP request have in common, from [`Directory::request_id`](super::Directory::request_id).
    pub request_id: Arc<str>,
    /// The place in a bulk request, from 1; `None` for the request itself.
    pub operation: Option<usize>,
    /// The directory as the URL names it.
    pub directory: String,
    /// The access, where the token was accepted.
    pub access: Option<A>,
    /// The method.
    pub method: http::Method,
    /// The endpoint, such as `/Users/{id}`.
    pub endpoint: &'static str,
    /// The id in the URL, or of the resource that was created.
    pub resource_id: Option<String>,
    /// What the client calls itself, at most 200 bytes.
    pub user_agent: Option<String>,
    /// The status of the answer.
    pub status: u16,
    /// The refusal, if it was one.
    pub failure: Option<Failure>,
    /// Whether a write changed anything.
    pub changed: Option<bool>,
    /// What was repaired.
    pub repairs: Vec<Repair>,
    /// What the request says about the product that sent it.
    pub hints: Hints,
    /// How long it took.
    pub duration: Duration,
}

/// Signs of the product behind a client, beside its name for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Hints {
    /// The URL carries `aadOptscim062020`: Entra ID, with the flag that makes its PATCH follow the standard.
    pub aad_flag: bool,
    /// The body names Microsoft's ADSCIM schema, which Entra ID sends with groups.
    pub adscim_urn: bool,
    /// The body names schemas from before RFC 7643 (`urn:scim:schemas:…`), as OneLogin's does.
    pub old_urns: bool,
}

/// A refusal in an [`Exchange`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Failure {
    /// The kind.
    pub kind: ErrorKind,
    /// What the client was told.
    pub detail: String,
    /// For faults of ours: the chain of causes, which the client is not told.
    pub cause: Option<String>,
}

impl Failure {
    /// The redacted form of an error.
    pub fn of(error: &Error) -> Self {
        let mut cause = None;
        let mut source = std::error::Error::source(error);
        while let Some(error) = source {
            let text: &mut String = cause.get_or_insert_default();
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&error.to_string());
            source = error.source();
        }
        Self {
            kind: error.kind(),
            detail: error.detail().to_owned(),
            cause,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

/// A name for a request: the time and a counter of this process, which is enough to tell records apart.
pub(super) fn next_request_id(now: DateTime) -> Arc<str> {
    static REQUESTS: AtomicU64 = AtomicU64::new(0);
    let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
    format!("{:x}-{number:x}", now.unix_micros()).into()
}

/// What the clock of the system says.
#[expect(
    clippy::disallowed_methods,
    reason = "the answer for hosts without a clock of their own; ours overrides it"
)]
pub(super) fn system_time() -> DateTime {
    let elapsed = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let micros = i64::try_from(elapsed.as_micros()).unwrap_or_default();
    DateTime::from_unix_micros(micros).unwrap_or_default()
}
