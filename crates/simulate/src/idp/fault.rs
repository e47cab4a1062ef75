//! How the provider can be made to misbehave.

use std::collections::BTreeSet;

/// One way to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Fault {
    /// The ID token's `nonce` is another one.
    WrongNonce,
    /// The ID token has no `nonce`.
    NoNonce,
    /// The ID token is for another client.
    WrongAudience,
    /// The ID token is for this client and for another one.
    ExtraAudience,
    /// The ID token's `iss` is another provider.
    WrongIssuer,
    /// The signature has a flipped bit.
    BadSignature,
    /// The ID token says `alg: none` and has no signature.
    Unsigned,
    /// The ID token is signed with HMAC under the published key (RFC 8725 §2.1).
    KeyConfusion,
    /// The ID token's `kid` is not published.
    UnknownKey,
    /// The ID token expired an hour ago.
    Expired,
    /// The ID token was issued an hour from now.
    IssuedInFuture,
    /// The ID token has no `sub`.
    NoSubject,
    /// The ID token's `at_hash` belongs to another access token.
    WrongAccessTokenHash,
    /// The sign-in is a day old, whatever `max_age` asked for.
    OldAuthentication,
    /// Userinfo answers for somebody else.
    UserinfoOfAnother,
    /// The authorization response has no `iss`, though discovery promises it (RFC 9207).
    NoIssParameter,
    /// The authorization response names another issuer (mix-up, RFC 9207 §1).
    WrongIssParameter,
    /// The authorization response carries another `state`.
    WrongState,
    /// Discovery names another issuer.
    WrongDiscoveryIssuer,
    /// The token endpoint answers 503.
    TokenEndpointDown,
    /// The keys cannot be read.
    KeysDown,
}

/// The faults that are switched on; none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(BTreeSet<Fault>);

impl Faults {
    /// No faults.
    pub fn none() -> Self {
        Self::default()
    }

    /// These faults.
    pub fn of(faults: impl IntoIterator<Item = Fault>) -> Self {
        Self(faults.into_iter().collect())
    }

    /// Whether a fault is on.
    pub fn has(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }
}
