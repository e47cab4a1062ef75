use std::time::Duration;

use vestibule_scim::Error;

use super::guard;
use crate::Fault;

/// Why a request was not carried out: the client's fault, or ours.
#[derive(Debug)]
pub(super) enum Trouble {
    /// What the client is told.
    Refused(Error),
    /// The directory's guard does not let somebody be taken away.
    Held,
    /// A fault of ours.
    Fault(Fault),
}

impl Trouble {
    /// Whether the same transaction may succeed at once.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Fault(fault) if fault.is_busy())
    }

    /// Turns the unique rule that a name ran into into the refusal for it.
    pub(super) fn taken(error: vestibule_store::Error, detail: &'static str) -> Self {
        if error.is_taken() {
            Self::Refused(Error::uniqueness(detail))
        } else {
            error.into()
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<vestibule_store::Error> for Trouble {
    fn from(error: vestibule_store::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused(error) => error,
            Trouble::Held => guard::refusal(),
            Trouble::Fault(fault) if fault.is_busy() => Error::unavailable(
                "the server is busy; nothing was changed, send the request again",
            )
            .retry_after(Duration::from_secs(1)),
            Trouble::Fault(fault) => Error::internal(fault),
        }
    }
}
