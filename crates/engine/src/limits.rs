use std::{hash::Hash, net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};
use vestibule_core::DirectoryId;

/// Tries at a login form that one address has in a minute.
const LOGINS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(30).unwrap();
/// Failed client authentications that one address has in a minute.
const CLIENT_FAILURES_PER_MINUTE: NonZeroU32 = NonZeroU32::new(60).unwrap();

/// Refused SAML responses that are explained to one address in a minute; none tells anything beyond that.
const SAML_REFUSALS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(300).unwrap();

/// Requests that a directory may send in a second unless the installation says otherwise; twice as many at once.
pub const SCIM_REQUESTS_PER_SECOND: NonZeroU32 = NonZeroU32::new(100).unwrap();
/// What identity providers demand of a service provider at least: Entra ID's gallery and the IPSIE profile.
pub const SCIM_REQUESTS_PER_SECOND_AT_LEAST: NonZeroU32 = NonZeroU32::new(25).unwrap();
/// Requests to SCIM's open discovery endpoints that one address has in a second; four times as many at once.
const DISCOVERY_PER_SECOND: NonZeroU32 = NonZeroU32::new(25).unwrap();

/// How often a caller may try. Kept in memory, a node each: the lockout of an account is in the store.
pub(crate) struct Limits {
    logins: DefaultKeyedRateLimiter<Caller>,
    client_failures: DefaultKeyedRateLimiter<Caller>,
    provider_refusals: DefaultKeyedRateLimiter<Caller>,
    directories: DefaultKeyedRateLimiter<DirectoryId>,
    discovery: DefaultKeyedRateLimiter<Caller>,
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
    /// `directory_per_second`: what each directory may send; less than identity providers demand counts as that.
    pub(crate) fn new(directory_per_second: NonZeroU32) -> Self {
        let directory = directory_per_second.max(SCIM_REQUESTS_PER_SECOND_AT_LEAST);
        let directory_burst = directory.saturating_mul(NonZeroU32::MIN.saturating_add(1));
        let discovery_burst =
            DISCOVERY_PER_SECOND.saturating_mul(NonZeroU32::MIN.saturating_add(3));
        Self {
            logins: RateLimiter::keyed(Quota::per_minute(LOGINS_PER_MINUTE)),
            client_failures: RateLimiter::keyed(Quota::per_minute(CLIENT_FAILURES_PER_MINUTE)),
            provider_refusals: RateLimiter::keyed(Quota::per_minute(SAML_REFUSALS_PER_MINUTE)),
            directories: RateLimiter::keyed(
                Quota::per_second(directory).allow_burst(directory_burst),
            ),
            discovery: RateLimiter::keyed(
                Quota::per_second(DISCOVERY_PER_SECOND).allow_burst(discovery_burst),
            ),
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

    /// Counts a refused message of an identity provider; false when the address has had too many for one more to be explained.
    pub(crate) fn admits_provider_refusal(&self, address: IpAddr) -> bool {
        self.provider_refusals
            .check_key(&Caller::of(address))
            .is_ok()
    }

    /// Counts a request of a directory; when it has had too many, how long it has to wait, at least a second.
    pub(crate) fn admit_directory(&self, id: DirectoryId) -> Result<(), Duration> {
        admit(&self.directories, &id)
    }

    /// Counts a request for SCIM's discovery documents, which ask for no token.
    pub(crate) fn admit_discovery(&self, address: IpAddr) -> Result<(), Duration> {
        admit(&self.discovery, &Caller::of(address))
    }

    /// Forgets callers that have not been seen for a while.
    pub(crate) fn forget_idle(&self) {
        self.logins.retain_recent();
        self.client_failures.retain_recent();
        self.provider_refusals.retain_recent();
        self.directories.retain_recent();
        self.discovery.retain_recent();
    }
}

/// `Retry-After` counts whole seconds, so the wait is one at least.
fn admit<K: Clone + Eq + Hash>(
    limit: &DefaultKeyedRateLimiter<K>,
    key: &K,
) -> Result<(), Duration> {
    limit.check_key(key).map_err(|until| {
        let wait = until.wait_time_from(DefaultClock::default().now());
        wait.max(Duration::from_secs(1))
    })
}

impl std::fmt::Debug for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limits").finish_non_exhaustive()
    }
}
