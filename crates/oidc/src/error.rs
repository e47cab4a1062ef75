//! Everything that can refuse a login, grouped by who has to act.

mod words;

use thiserror::Error as ThisError;

use crate::HttpError;

/// Who has to act for the next attempt to succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The identity provider sent something that it must not send, or refused.
    IdentityProvider,
    /// The settings of the connection, here or there, do not fit.
    Configuration,
    /// A clock is wrong, or the person took too long.
    Time,
    /// The request that reached us: an old bookmark, a second tab, or an attack.
    Request,
    /// Something between us and the identity provider.
    Network,
}

/// Why discovery, `begin` or `finish` refused.
///
/// No message contains a token, a secret or text that a peer chose; such text is in [`Error::wanted_got`], for a log
/// or an admin page that escapes it.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    // The identity provider's fault.
    /// The identity provider answered the login with an error.
    ///
    /// Usual cause: the person is not assigned to the application, or canceled.
    /// Remedy: assign the person; the code says more.
    #[error("the identity provider refused the login")]
    Refused {
        /// The `error` code of RFC 6749 §4.1.2.1 or OpenID Connect Core §3.1.2.6.
        code: String,
        /// The provider's own words, if any.
        description: Option<String>,
    },
    /// The token endpoint refused the code.
    ///
    /// Usual cause: wrong client secret (`invalid_client`), or another redirect URI (`invalid_grant`).
    /// Remedy: compare client id, secret and redirect URI on both sides.
    #[error("the token endpoint refused the code")]
    TokenRefused {
        /// The `error` code of RFC 6749 §5.2.
        code: String,
        /// The provider's own words, if any.
        description: Option<String>,
    },
    /// The token endpoint, or the one for pushed requests, failed without an answer of OAuth.
    ///
    /// Usual cause: it is down, or a gateway answers in its place. Remedy: look at the status, and at the provider's log.
    #[error("the {endpoint} failed")]
    EndpointFailed {
        /// Which endpoint.
        endpoint: &'static str,
        /// The HTTP status.
        status: u16,
    },
    /// The provider refused a request that was handed in beforehand (RFC 9126 §2.3).
    ///
    /// Usual cause: wrong client authentication, or a redirect URI that is not registered.
    /// Remedy: the code says which; compare both sides.
    #[error("the pushed authorization request was refused")]
    PushRefused {
        /// The `error` code.
        code: String,
        /// The provider's own words, if any.
        description: Option<String>,
    },
    /// A document of the provider cannot be understood.
    ///
    /// Usual cause: a proxy or a log-in page answers in its place.
    /// Remedy: open the URL from the server and see what answers.
    #[error("the {document} cannot be understood")]
    Malformed {
        /// Which document.
        document: &'static str,
        /// Where in it, without its values.
        detail: String,
    },
    /// A document of the provider answered with another status than 200.
    ///
    /// Usual cause: the issuer is mistyped, or the provider is down. Remedy: open the URL and compare.
    #[error("the {document} answered with an unexpected status")]
    Status {
        /// Which document.
        document: &'static str,
        /// The HTTP status.
        status: u16,
    },
    /// The token response has no ID token.
    ///
    /// Usual cause: the provider speaks OAuth 2.0 only, or the application there is not an OpenID Connect one.
    /// Remedy: create it as an OpenID Connect application.
    #[error("the token response has no ID token")]
    IdTokenMissing,
    /// The ID token is encrypted.
    ///
    /// Remedy: turn ID-token encryption off for this application.
    #[error("the ID token is encrypted")]
    IdTokenEncrypted,
    /// The header of the ID token names a type that is not an ID token's, such as `logout+jwt` or `at+jwt`.
    ///
    /// Usual cause: an attempt to pass one kind of token for another. Remedy: none on our side; report it.
    #[error("the ID token has the type of another kind of token")]
    TokenType {
        /// The `typ` found.
        got: String,
    },
    /// The header of the ID token has critical extensions or a nested type, which nobody here understands.
    ///
    /// Remedy: turn the extension off at the provider.
    #[error("the ID token demands an extension that is not supported")]
    CriticalHeader,
    /// No key of the provider has the id that the token names, even after a fresh look.
    ///
    /// Usual cause: keys rotated without being published. Remedy: try again in a minute; else compare the JWKS.
    #[error("the provider publishes no key that fits the ID token")]
    UnknownKey {
        /// The `kid` of the token.
        kid: Option<String>,
    },
    /// The token names no key and several fit.
    ///
    /// Remedy: let the provider write `kid` into its tokens.
    #[error("several keys fit the ID token and it names none")]
    AmbiguousKey,
    /// The signature is wrong.
    ///
    /// Usual cause: forgery, or a broken proxy. Remedy: none on our side; report it.
    #[error("the signature of the ID token is wrong")]
    Signature,
    /// A claim that must be there is missing or has the wrong type.
    ///
    /// Remedy: let the provider send it.
    #[error("the ID token lacks the claim `{claim}` or has it in a wrong form")]
    ClaimMissing {
        /// The name of the claim.
        claim: &'static str,
    },
    /// The nonce is not the one of this login.
    ///
    /// Usual cause: an ID token of another login was injected. Remedy: start again; report it if it repeats.
    #[error("the ID token belongs to another login")]
    Nonce,
    /// The ID token names more audiences and no `azp`, or another `azp` (Core §3.1.3.7, 4 and 5).
    ///
    /// Usual cause: the token was made for another client of the provider. Remedy: check the client id.
    #[error("the ID token was issued to another client")]
    AuthorizedParty {
        /// Our client id.
        wanted: String,
        /// The `azp` found.
        got: Option<String>,
    },
    /// `at_hash` does not fit the access token (Core §3.1.3.8).
    ///
    /// Usual cause: tokens of two answers were mixed. Remedy: none on our side; report it.
    #[error("the access token does not belong to the ID token")]
    AccessTokenHash,
    /// Userinfo is about another subject than the ID token (Core §5.3.2).
    ///
    /// Usual cause: the provider's userinfo endpoint is misconfigured. Remedy: turn userinfo off or repair it.
    #[error("userinfo is about another person")]
    UserInfoSubject,
    /// The answer came from another issuer than the login went to (RFC 9207 §2.4).
    ///
    /// Usual cause: a mix-up attack, or a provider behind a second name. Remedy: compare the issuer.
    #[error("the answer came from another issuer")]
    MixUp {
        /// The connection's issuer.
        wanted: String,
        /// The `iss` of the callback.
        got: String,
    },
    /// The metadata promises `iss` in the answer and it is not there (RFC 9207 §2.4).
    ///
    /// Usual cause: an intermediary drops parameters, or an attack. Remedy: let the provider's metadata tell the truth.
    #[error("the answer does not say which issuer it came from")]
    IssuerMissing,
    /// The provider signed the person in longer ago than was asked for, or does not say when.
    ///
    /// Usual cause: the provider ignores `max_age` or `prompt`. Remedy: enable reauthentication there.
    #[error("the sign-in at the identity provider is too old")]
    AuthenticationTooOld {
        /// The oldest acceptable time, Unix seconds.
        wanted: i64,
        /// The `auth_time` found, Unix seconds.
        got: Option<i64>,
    },

    // Configuration.
    /// A URL in the settings or the metadata is not acceptable.
    ///
    /// Usual cause: `http:` outside loopback, a fragment, or user info in it. Remedy: use an https URL.
    #[error("the {name} is not an acceptable URL")]
    Url {
        /// Which URL.
        name: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The metadata names another issuer than the settings (Discovery §4.3).
    ///
    /// Usual cause: a missing or surplus trailing slash, or the wrong authorization server. Remedy: copy the issuer
    /// from the provider's metadata.
    #[error("the metadata is of another issuer")]
    Issuer {
        /// The issuer in the settings.
        wanted: String,
        /// The issuer in the metadata or the token.
        got: String,
    },
    /// The issuer is a template for many tenants, such as Entra's `common`.
    ///
    /// Remedy: use `https://login.microsoftonline.com/<tenant id>/v2.0`.
    #[error("the issuer stands for many tenants")]
    TemplateIssuer,
    /// The issuer is none that this kind of provider has.
    ///
    /// Usual cause: the address of an admin console or of a discovery document was copied.
    /// Remedy: the reason says which one is meant.
    #[error("the issuer does not fit the provider: {reason}")]
    ProviderIssuer {
        /// What to enter.
        reason: &'static str,
    },
    /// The provider accepts no algorithm that our key can sign assertions with.
    ///
    /// Remedy: allow PS256 or RS256 for client assertions there, or choose another client authentication.
    #[error("the provider takes no client assertion that we can sign")]
    AssertionAlgorithm {
        /// The algorithms that it takes.
        got: Vec<String>,
    },
    /// An assertion for the endpoint's address was wanted, and the endpoint is not on the issuer's host.
    ///
    /// An assertion for a foreign address would prove who we are to somebody else.
    /// Remedy: use the issuer as audience.
    #[error("the endpoint is not on the issuer's host, so no assertion is made for its address")]
    AssertionAudience {
        /// The host of the issuer.
        wanted: String,
        /// The host of the endpoint.
        got: String,
    },
    /// The provider's metadata lacks an endpoint that the code flow needs.
    ///
    /// Remedy: check that the issuer is that of an OpenID Connect provider.
    #[error("the metadata lacks the {endpoint}")]
    EndpointMissing {
        /// Which endpoint.
        endpoint: &'static str,
    },
    /// The settings cannot work.
    ///
    /// Remedy: complete them.
    #[error("the settings of the connection are incomplete: {reason}")]
    Settings {
        /// What is missing or too much.
        reason: &'static str,
    },
    /// The ID token is for another client (Core §3.1.3.7, 3).
    ///
    /// Usual cause: another client id, or an audience that this connection does not trust. Remedy: compare the ids.
    #[error("the ID token is for another audience")]
    Audience {
        /// Our client id.
        wanted: String,
        /// The audiences found.
        got: Vec<String>,
    },
    /// The ID token is signed with an algorithm that the connection does not allow.
    ///
    /// Usual cause: the provider signs with the client secret (HS256) or not at all. Remedy: choose RS256 or ES256 there.
    #[error("the ID token uses an algorithm that is not allowed")]
    Algorithm {
        /// The algorithms allowed.
        wanted: Vec<&'static str>,
        /// The `alg` found.
        got: String,
    },
    /// A claim that the connection requires has another value or is missing.
    ///
    /// Usual cause: the person belongs to another tenant of the same provider. Remedy: sign in with the right account.
    #[error("a required claim has another value")]
    RequiredClaim {
        /// The name of the claim.
        claim: String,
        /// The value required.
        wanted: String,
        /// The value found, if it is a string.
        got: Option<String>,
    },

    // Time.
    /// The ID token has run out.
    ///
    /// Usual cause: our clock is ahead of the provider's. Remedy: synchronize the clocks.
    #[error("the ID token has expired")]
    Expired {
        /// Our time, Unix seconds.
        now: i64,
        /// The `exp` found.
        expires_at: i64,
    },
    /// The ID token was issued in our future (`iat` or `nbf`).
    ///
    /// Usual cause: the provider's clock is ahead of ours. Remedy: synchronize the clocks.
    #[error("the ID token is not valid yet")]
    NotYetValid {
        /// Our time, Unix seconds.
        now: i64,
        /// The `iat`, `nbf` or `auth_time` found.
        valid_from: i64,
    },
    /// The ID token was issued long before this login began.
    ///
    /// Usual cause: the provider's clock is behind ours. Remedy: synchronize the clocks.
    #[error("the ID token is older than the login")]
    IssuedTooEarly {
        /// When the login began, Unix seconds.
        begun_at: i64,
        /// The `iat` found.
        issued_at: i64,
    },

    // The request that reached us.
    /// A parameter occurs twice.
    ///
    /// Usual cause: an attack on parsers that disagree. Remedy: start again.
    #[error("the parameter `{parameter}` occurs twice")]
    CallbackDuplicate {
        /// Which parameter.
        parameter: &'static str,
    },
    /// A parameter is longer than 8 KiB. Remedy: start again.
    #[error("the parameter `{parameter}` is too long")]
    CallbackTooLong {
        /// Which parameter.
        parameter: &'static str,
    },
    /// The answer has both a code and an error. Remedy: start again.
    #[error("the answer is both a code and an error")]
    CallbackAmbiguous,
    /// The answer lacks a parameter.
    ///
    /// Usual cause: somebody opened the callback URL by hand. Remedy: start again at the app.
    #[error("the answer lacks the parameter `{parameter}`")]
    CallbackIncomplete {
        /// Which parameter.
        parameter: &'static str,
    },
    /// The answer belongs to another login than the pending one.
    ///
    /// Usual cause: two tabs. Remedy: start again at the app.
    #[error("the answer belongs to another login")]
    StateMismatch,
    /// The pending login was begun for another connection.
    ///
    /// Usual cause: the connection was changed meanwhile. Remedy: start again at the app.
    #[error("the login was begun with another connection")]
    PendingMismatch,

    // The network.
    /// The provider cannot be reached.
    ///
    /// Usual cause: a firewall, a wrong name, or the host's rules for outbound calls. Remedy: the source says which.
    #[error("the {document} cannot be fetched")]
    Http {
        /// What was asked for.
        document: &'static str,
        /// Why there was no answer.
        #[source]
        source: HttpError,
    },
    /// The provider's keys are too old to use, and asking again has to wait.
    ///
    /// Usual cause: the JWKS endpoint was down for a day. Remedy: make it reachable.
    #[error("the keys of the provider are not available now")]
    KeysUnavailable,
}

impl Error {
    /// Who has to act.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Refused { .. }
            | Self::TokenRefused { .. }
            | Self::PushRefused { .. }
            | Self::EndpointFailed { .. }
            | Self::Malformed { .. }
            | Self::Status { .. }
            | Self::IdTokenMissing
            | Self::IdTokenEncrypted
            | Self::TokenType { .. }
            | Self::CriticalHeader
            | Self::UnknownKey { .. }
            | Self::AmbiguousKey
            | Self::Signature
            | Self::ClaimMissing { .. }
            | Self::Nonce
            | Self::AuthorizedParty { .. }
            | Self::AccessTokenHash
            | Self::UserInfoSubject
            | Self::MixUp { .. }
            | Self::IssuerMissing
            | Self::AuthenticationTooOld { .. } => Fault::IdentityProvider,
            Self::Url { .. }
            | Self::Issuer { .. }
            | Self::TemplateIssuer
            | Self::ProviderIssuer { .. }
            | Self::AssertionAlgorithm { .. }
            | Self::AssertionAudience { .. }
            | Self::EndpointMissing { .. }
            | Self::Settings { .. }
            | Self::Audience { .. }
            | Self::Algorithm { .. }
            | Self::RequiredClaim { .. } => Fault::Configuration,
            Self::Expired { .. } | Self::NotYetValid { .. } | Self::IssuedTooEarly { .. } => {
                Fault::Time
            }
            Self::CallbackDuplicate { .. }
            | Self::CallbackTooLong { .. }
            | Self::CallbackAmbiguous
            | Self::CallbackIncomplete { .. }
            | Self::StateMismatch
            | Self::PendingMismatch => Fault::Request,
            Self::Http { .. } | Self::KeysUnavailable => Fault::Network,
        }
    }
}
