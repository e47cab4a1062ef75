use std::fmt;

/// A fault of ours: nothing was changed, and the person can only try again.
///
/// What peers and people do wrong is never a fault but an outcome of the use case.
#[derive(Debug)]
pub struct Fault(Kind);

#[derive(Debug)]
enum Kind {
    Store(vestibule_store::Error),
    /// A use case's task was stopped with the process.
    Stopped,
    Internal(&'static str),
}

impl Fault {
    /// Whether the same request may succeed a moment later.
    pub fn is_busy(&self) -> bool {
        matches!(&self.0, Kind::Store(error) if error.is_busy()) || matches!(self.0, Kind::Stopped)
    }

    /// The state of a page could not be kept.
    pub const fn page_state() -> Self {
        Self(Kind::Internal("the state of a page could not be kept"))
    }

    pub(crate) const fn internal(what: &'static str) -> Self {
        Self(Kind::Internal(what))
    }

    pub(crate) const fn stopped() -> Self {
        Self(Kind::Stopped)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Store(_) => f.write_str("the store failed"),
            Kind::Stopped => f.write_str("the server is stopping"),
            Kind::Internal(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Kind::Store(error) => Some(error),
            Kind::Stopped | Kind::Internal(_) => None,
        }
    }
}

impl From<vestibule_store::Error> for Fault {
    fn from(error: vestibule_store::Error) -> Self {
        Self(Kind::Store(error))
    }
}

impl From<vestibule_issuer::keys::KeyError> for Fault {
    fn from(_: vestibule_issuer::keys::KeyError) -> Self {
        Self::internal("a signing key could not be used")
    }
}
