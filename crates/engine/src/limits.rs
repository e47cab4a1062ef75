use std::{net::IpAddr, num::NonZeroU32};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Tries at a login form that one address has in a minute.
const LOGINS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(30).unwrap();
/// Failed client authentications that one address has in a minute.
const CLIENT_FAILURES_PER_MINUTE: NonZeroU32 = NonZeroU32::new(60).unwrap();

/// Refused SAML responses that are explained to one address in a minute; none tells anything beyond that.
const SAML_REFUSALS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(300).unwrap();

/// How often a caller may try. Kept in memory, a node each: the lockout of an account is in the store.
pub(crate) struct Limits {
    logins: DefaultKeyedRateLimiter<Caller>,
    client_failures: DefaultKeyedRateLimiter<Caller>,
    saml_refusals: DefaultKeyedRateLimiter<Caller>,
}

/// Whom a limit counts: an IPv4 address, or the /64 network that one IPv6 household has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Caller(IpAddr);

impl Caller {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(IpAddr::V4(address)),
            IpAddr::V6(address) => {
                Self(IpAddr::V6((u128::from(address) & (u128::MAX << 64)).into()))
            }
        }
    }
}

impl Limits {
    pub(crate) fn new() -> Self {
        Self {
            logins: RateLimiter::keyed(Quota::per_minute(LOGINS_PER_MINUTE)),
            client_failures: RateLimiter::keyed(Quota::per_minute(CLIENT_FAILURES_PER_MINUTE)),
            saml_refusals: RateLimiter::keyed(Quota::per_minute(SAML_REFUSALS_PER_MINUTE)),
        }
    }

    /// Counts a password try; false when the address has had too many.
    pub(crate) fn admits_login(&self, address: IpAddr) -> bool {
        self.logins.check_key(&Caller::of(address)).is_ok()
    }

    /// Counts a failed client authentication; false when the address has had too many.
    pub(crate) fn admits_client_failure(&self, address: IpAddr) -> bool {
        self.client_failures.check_key(&Caller::of(address)).is_ok()
    }

    /// Counts a refused SAML response; false when the address has had too many for one more to be explained.
    pub(crate) fn admits_saml_refusal(&self, address: IpAddr) -> bool {
        self.saml_refusals.check_key(&Caller::of(address)).is_ok()
    }

    /// Forgets callers that have not been seen for a while.
    pub(crate) fn forget_idle(&self) {
        self.logins.retain_recent();
        self.client_failures.retain_recent();
        self.saml_refusals.retain_recent();
    }
}

impl std::fmt::Debug for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limits").finish_non_exhaustive()
    }
}
