//! Vestibule's use cases: one function is one transaction.
//!
//! [`Engine`] is the only thing the web speaks to. A use case begins one transaction, commits it once and gives an
//! outcome; what has to be sent afterwards is an outbox row that the [delivery workers](Engine::deliver_until) pick up.
//! Refusals that record something are outcomes and are committed; an error is a fault of ours and changes nothing.

mod accounts;
pub mod admin;
mod authorize;
mod brand;
mod browser;
mod client_keys;
mod clock;
mod consent;
mod delivery;
mod directory_clients;
mod engine;
mod fault;
mod health;
mod ipsie;
mod join;
mod limits;
mod login;
pub mod outbound;
mod page_state;
mod provisioning;
mod pushed;
mod refusal;
mod saml;
mod sessions;
mod signals;
mod signing;
mod streams;
mod tokens;
mod upstream;
mod vault;
mod visit;

pub use accounts::Account;
pub use authorize::{AuthorizeOutcome, LoginBegun};
pub use brand::Brand;
pub use browser::{Browser, SESSIONS_AT_MOST, SessionCookie};
pub use clock::Clock;
pub use consent::ConsentRequest;
pub use delivery::event_body;
pub use engine::{Engine, OpenError, Settings};
pub use fault::Fault;
pub use health::Readiness;
pub use ipsie::{IpsieFinding, Verdict};
pub use limits::{SCIM_REQUESTS_PER_SECOND, SCIM_REQUESTS_PER_SECOND_AT_LEAST};
pub use login::{
    BreakGlassLogin, LoginLink, LoginOutcome, LoginPage, LoginStep, OidcLogoutOutcome,
    PasswordLogin, PostedResponse, SamlAnswer, SamlVerifier, SignedIn,
};
pub use outbound::{Outbound, OutboundPolicy};
pub use provisioning::{Grant, Provisioning};
pub use refusal::{Actor as RefusalActor, LoginRefusal};
pub use saml::{
    Encryption, SamlAddresses, SamlLogoutMessage, SamlLogoutOutcome, SamlSettings, ToProvider,
};
pub use sessions::{CurrentUser, LogoutConsent, LogoutOutcome};
pub use signals::{PushOutcome, RevocationOutcome, SignalTrouble};
pub use signing::Rotation;
pub use streams::{StreamAccess, StreamFailure};
pub use tokens::Granted;
pub use upstream::OidcSettings;
pub use vault::{InvalidMasterKey, MasterKey};
pub use vestibule_oidc::{AssertionAudience, ProviderKind, PushedRequests, UserInfo};
pub use vestibule_signals::stream::{
    PollRequest, StreamRequest, StreamStatus, VerificationRequest,
};
pub use visit::{Visit, VisitRule, Visitor};
