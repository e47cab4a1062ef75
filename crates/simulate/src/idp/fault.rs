//! How the provider can be made to misbehave.

use std::collections::BTreeSet;

use crate::saml::{AUTHN_FAILED, NO_PASSIVE, REQUEST_DENIED, RESPONDER, Status};

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
    /// The assertion is for another service provider.
    SamlWrongAudience,
    /// The assertion has a second `AudienceRestriction`, for somebody else; all have to hold.
    SamlSecondAudienceRestriction,
    /// The assertion has no `AudienceRestriction`.
    SamlNoAudience,
    /// The confirmation's `Recipient` is another address.
    SamlWrongRecipient,
    /// The response's `Destination` is another address.
    SamlWrongDestination,
    /// Response and assertion name another issuer.
    SamlWrongIssuer,
    /// The assertion ended an hour ago.
    SamlExpired,
    /// The assertion begins an hour from now.
    SamlFromFuture,
    /// The assertion's `AuthnInstant` is a day ago.
    SamlOldAuthentication,
    /// `SessionNotOnOrAfter` was an hour ago.
    SamlSessionOver,
    /// Nothing is signed.
    SamlUnsigned,
    /// It is signed by a key that is not in the metadata, and shows that key's certificate.
    SamlForeignKey,
    /// It is signed with RSA and SHA-1 throughout; the key has to be RSA.
    SamlSha1,
    /// It is signed with inclusive canonicalization throughout.
    SamlInclusiveC14n,
    /// The status is `Responder`.
    SamlStatusResponder,
    /// The status is `Responder` with `NoPassive` inside.
    SamlStatusNoPassive,
    /// The status is `Responder` with `RequestDenied` inside, with a message.
    SamlStatusRequestDenied,
    /// The status is `Responder` with `AuthnFailed` inside.
    SamlStatusAuthnFailed,
    /// The status is a failure although there is an assertion.
    SamlFailureWithAssertion,
    /// Response and confirmation answer another request.
    SamlOtherInResponseTo,
    /// Response and confirmation answer no request.
    SamlNoInResponseTo,
    /// The last response to this service provider is sent once more.
    SamlReplay,
    /// The first attribute has another value than was signed; needs an unencrypted assertion.
    SamlTamperedAttribute,
    /// The NameID is another one than was signed; needs an unencrypted assertion.
    SamlTamperedNameId,
    /// An unsigned assertion about somebody else stands before the genuine one.
    SamlWrapped,
    /// A comment stands in the NameID; the signature is good all the same.
    SamlCommentInNameId,
    /// The document has a document type declaration.
    SamlDoctype,
    /// The provider's clock is so many seconds ahead; behind, if negative.
    SamlClockAhead(i64),
    /// The assertion is encrypted to a key that nobody has.
    SamlEncryptedToUnknownKey,
    /// The subject has no NameID.
    SamlNoNameId,
    /// The NameID is empty.
    SamlEmptyNameId,
    /// The subject has two NameIDs.
    SamlTwoNameIds,
    /// There are no `Conditions`.
    SamlNoConditions,
    /// There is a condition that nobody understands.
    SamlUnknownCondition,
    /// There is no `AuthnStatement`.
    SamlNoAuthnStatement,
    /// The confirmation is `sender-vouches`.
    SamlSenderVouches,
    /// The assertion's version is 1.1.
    SamlWrongVersion,
    /// `RelayState` is left out.
    SamlRelayStateDropped,
    /// `RelayState` is another one.
    SamlRelayStateChanged,
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

    /// How far the clock is ahead for SAML, in seconds.
    pub(super) fn saml_clock_ahead(&self) -> i64 {
        let ahead = self.0.iter().map(|fault| match fault {
            Fault::SamlClockAhead(seconds) => *seconds,
            _ => 0,
        });
        ahead.sum()
    }

    /// The failure with which SAML requests are answered.
    pub(super) fn saml_status(&self) -> Option<Status> {
        let subcode = if self.has(Fault::SamlStatusResponder) {
            None
        } else if self.has(Fault::SamlStatusNoPassive) {
            Some(NO_PASSIVE)
        } else if self.has(Fault::SamlStatusRequestDenied) {
            Some(REQUEST_DENIED)
        } else if self.has(Fault::SamlStatusAuthnFailed) {
            Some(AUTHN_FAILED)
        } else {
            return None;
        };
        Some(Status {
            message: (subcode == Some(REQUEST_DENIED))
                .then(|| "The user is not assigned.".to_owned()),
            ..Status::of(RESPONDER, subcode)
        })
    }
}
