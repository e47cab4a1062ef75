use std::{fmt, str::FromStr};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal;)+) => {
        /// The names of events: what webhooks subscribe to and the events API tells.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum EventKind { $($(#[$doc])* $kind,)+ }

        impl EventKind {
            /// Every kind there is.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)+];

            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }
        }
    };
}

kinds! {
    /// A user exists.
    UserCreated "user.created";
    /// A user's attributes changed.
    UserUpdated "user.updated";
    /// A deactivated user may sign in again.
    UserActivated "user.activated";
    /// A user may no longer sign in, and everything of theirs is over.
    UserDeactivated "user.deactivated";
    /// A user is gone for good.
    UserDeleted "user.deleted";
    /// A group exists.
    GroupCreated "group.created";
    /// A group's name or attributes changed.
    GroupUpdated "group.updated";
    /// A group is gone.
    GroupDeleted "group.deleted";
    /// Members joined a group; at most 1,000 ids an event.
    GroupMemberAdded "group.member_added";
    /// Members left a group; at most 1,000 ids an event.
    GroupMemberRemoved "group.member_removed";
    /// An operator made an account one that no directory can claim.
    BreakGlassGranted "break_glass.granted";
    /// An operator made it an ordinary account again.
    BreakGlassWithdrawn "break_glass.withdrawn";
    /// An operator made a link that lets such an account in once.
    BreakGlassLinkMade "break_glass.link_made";
    /// Somebody signed in with such an account.
    BreakGlassUsed "break_glass.used";
    /// A person signed in.
    SessionStarted "session.started";
    /// A sign-in is over.
    SessionEnded "session.ended";
    /// A login found its user.
    LoginSucceeded "login.succeeded";
    /// A login was refused.
    LoginFailed "login.failed";
    /// A connection can be used.
    ConnectionActivated "connection.activated";
    /// A connection can no longer be used.
    ConnectionDeactivated "connection.deactivated";
    /// A connection trusts a further certificate of its identity provider.
    ConnectionCertificateAdded "connection.certificate_added";
    /// A certificate of a connection expires soon.
    ConnectionCertificateExpiring "connection.certificate_expiring";
    /// An identity provider told about somebody, beside logins.
    SignalReceived "signal.received";
    /// A directory may provision.
    DirectoryActivated "directory.activated";
    /// A directory has not been heard of for long.
    DirectorySilent "directory.silent";
    /// A bearer token of a directory expires soon.
    DirectoryTokenExpiring "directory.token_expiring";
    /// A directory's changes are held back.
    DirectoryHeld "directory.held";
    /// A held directory may take people away again.
    DirectoryReleased "directory.released";
    /// Every app has been told of an ending.
    OffboardingCompleted "offboarding.completed";
    /// Somebody tries whether a webhook arrives.
    WebhookTest "webhook.test";
}

impl EventKind {
    /// The pattern that stands for every kind of its family, such as `user.*`.
    pub fn family(self) -> String {
        let name = self.as_str();
        let family = name.split_once('.').map_or(name, |(family, _)| family);
        format!("{family}.*")
    }

    /// Whether a subscription stands for it: its name, its family or `*`.
    pub fn is_meant_by(self, pattern: &str) -> bool {
        pattern == "*" || pattern == self.as_str() || pattern == self.family()
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such event type")]
pub struct UnknownEventKind;

impl FromStr for EventKind {
    type Err = UnknownEventKind;

    fn from_str(text: &str) -> Result<Self, UnknownEventKind> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.as_str() == text)
            .ok_or(UnknownEventKind)
    }
}
