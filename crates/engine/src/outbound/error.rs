//! Why a call got no response, and what to do about it.

use std::error::Error as StdError;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::{Class, Range};

type Source = Box<dyn StdError + Send + Sync>;

/// Why a call got no response.
///
/// Addresses are in the fields for the log, not in the messages, which a customer's admin may see: an internal
/// network is nobody's business outside.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboundError {
    /// The destination is not a URL that can be called. Remedy: correct the URL.
    #[error("the destination is not acceptable: {reason}")]
    Destination {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The destination is plain http and not loopback. Remedy: use https.
    #[error("the destination must use https")]
    NotHttps,
    /// All addresses of the destination are forbidden to its class.
    ///
    /// Usual cause: the destination lies in an internal network. Remedy: the operator adds the network to the setting
    /// that [`Class::setting`] names.
    #[error("the destination has a {range} address; the operator can open its network with {}", class.setting())]
    Blocked {
        /// One of the addresses.
        address: IpAddr,
        /// What kind of address it is.
        range: Range,
        /// The class that the destination belongs to.
        class: Class,
    },
    /// The name has no address. Remedy: correct the name, or the resolver of the server.
    #[error("the name of the destination cannot be resolved")]
    Unresolved {
        /// The resolver's own error.
        #[source]
        source: Source,
    },
    /// Nothing accepts the connection. Remedy: check that the destination runs and the firewall lets us out.
    #[error("the destination cannot be reached")]
    Unreachable {
        /// The system's own error.
        #[source]
        source: Source,
    },
    /// The TLS handshake failed.
    ///
    /// Usual cause: an expired certificate, one for another name, or one of a private authority.
    /// Remedy: correct the certificate, or trust the authority on the server.
    #[error("the TLS handshake with the destination failed")]
    Tls {
        /// The TLS library's own error.
        #[source]
        source: Source,
    },
    /// The call took longer than the limit. Remedy: make the destination answer faster.
    #[error("the destination did not answer within {} ms", limit.as_millis())]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// The body is larger than the limit. Remedy: check that the URL is the right one.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The destination redirects, which is never followed. Remedy: use the final URL.
    #[error("the destination redirects; redirects are not followed")]
    Redirected {
        /// The HTTP status.
        status: u16,
    },
    /// The connection broke, or what came was not HTTP. Remedy: see the source.
    #[error("the call failed")]
    Failed {
        /// The HTTP library's own error.
        #[source]
        source: Source,
    },
    /// The client cannot be built.
    ///
    /// Usual cause: a configured root certificate is not PEM, or the system has no root certificates at all.
    /// Remedy: correct the one, install the other (package ca-certificates).
    #[error("the outbound client cannot be set up")]
    Setup {
        /// The HTTP library's own error.
        #[source]
        source: Source,
    },
}

impl OutboundError {
    /// Whether the same call may succeed later without anybody changing a setting.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unresolved { .. }
                | Self::Unreachable { .. }
                | Self::TimedOut { .. }
                | Self::Failed { .. }
        )
    }

    /// The next step, in one sentence.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Destination { .. } => "correct the URL of the destination",
            Self::NotHttps => "use https",
            Self::Blocked {
                class: Class::Operator,
                ..
            } => "add the network of the destination to VESTIBULE_ALLOWED_NETWORKS_OPERATOR",
            Self::Blocked {
                class: Class::Customer,
                ..
            } => {
                "ask the operator to add the network of the destination to VESTIBULE_ALLOWED_NETWORKS_CUSTOMER"
            }
            Self::Unresolved { .. } => {
                "correct the name of the destination, or the name resolution of the server"
            }
            Self::Unreachable { .. } => {
                "check that the destination runs and that the firewall lets the server out"
            }
            Self::Tls { .. } => {
                "correct the certificate of the destination, or trust its authority on the server"
            }
            Self::TimedOut { .. } => {
                "make the destination answer faster, and check the network between"
            }
            Self::TooLarge { .. } => "check that the URL is the right one",
            Self::Redirected { .. } => "use the URL that the destination redirects to",
            Self::Failed { .. } => {
                "try again; if it repeats, check what answers at the destination"
            }
            Self::Setup { .. } => {
                "check the configured root certificates, and that the system has its own (package ca-certificates)"
            }
        }
    }

    pub(super) fn from_reqwest(error: reqwest::Error, class: Class, limit: Duration) -> Self {
        // The URL may carry a token in its query; it is in our hands already and has no place in a log.
        let error = error.without_url();
        if let Some(Self::Blocked { address, range, .. }) = cause::<Self>(&error) {
            return Self::Blocked {
                address: *address,
                range: *range,
                class,
            };
        }
        if error.is_timeout() {
            return Self::TimedOut { limit };
        }
        let unresolved = matches!(cause::<Self>(&error), Some(Self::Unresolved { .. }));
        let tls = error.is_connect() && is_handshake(&error);
        let is_connect = error.is_connect();
        let source = Box::new(error);
        match (unresolved, tls, is_connect) {
            (true, _, _) => Self::Unresolved { source },
            (_, true, _) => Self::Tls { source },
            (_, _, true) => Self::Unreachable { source },
            _ => Self::Failed { source },
        }
    }
}

/// The first error of a type in the chain of causes.
fn cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The TLS library reports its refusals as invalid data; connecting has no other source of that kind.
fn is_handshake(error: &(dyn StdError + 'static)) -> bool {
    let mut next = cause::<io::Error>(error);
    while let Some(error) = next {
        if error.kind() == io::ErrorKind::InvalidData {
            return true;
        }
        // `source()` skips the error that an I/O error wraps.
        next = error.get_ref().and_then(|inner| inner.downcast_ref());
    }
    false
}
