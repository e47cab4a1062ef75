use serde::{Deserialize, Serialize};

use crate::{AppSessionId, ApplicationId, ConnectionId, OrganizationId, UserId, UserSessionId};

/// What an ending covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndScope {
    /// Every credential of one person.
    User(UserId),
    /// Every credential of everybody in an organization.
    Organization(OrganizationId),
    /// Every credential that came through one way in.
    Connection(ConnectionId),
    /// Every share that one application has in sign-ins.
    Application(ApplicationId),
    /// One browser's sign-in, with the application shares that are not offline.
    UserSession(UserSessionId),
    /// One application's share of a sign-in.
    AppSession(AppSessionId),
}

macro_rules! causes {
    ($($(#[$doc:meta])* $cause:ident $text:literal;)+) => {
        /// Why something ended; the text is what events, receipts and rows say.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum EndCause { $($(#[$doc])* $cause,)+ }

        impl EndCause {
            /// The cause as rows and events spell it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$cause => $text,)+ }
            }
        }
    };
}

causes! {
    /// The directory set `active` to false, or an operator did.
    Deactivated "deactivated";
    /// The directory or an operator deleted the user.
    Deleted "deleted";
    /// The user came back; what was issued before stays over.
    Reactivated "reactivated";
    /// A password or another credential was changed.
    CredentialsChanged "credentials_changed";
    /// A subject of the identity provider was linked to another user, or unlinked.
    Relinked "relinked";
    /// An operator ended the sessions.
    Operator "operator";
    /// The person signed out.
    Logout "logout";
    /// The identity provider said that its session is over.
    UpstreamLogout "upstream_logout";
    /// A used refresh token was used again.
    RefreshTokenReused "refresh_token_reused";
    /// A used authorization code was used again.
    CodeReplayed "code_replayed";
    /// The application revoked its own tokens (RFC 7009).
    Revoked "revoked";
    /// The organization was deactivated or deleted.
    OrganizationEnded "organization_ended";
    /// The connection was deactivated, deleted, or got another trust anchor.
    ConnectionEnded "connection_ended";
    /// The application was deactivated or deleted.
    ApplicationEnded "application_ended";
}
