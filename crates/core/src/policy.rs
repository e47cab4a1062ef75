use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What an organization decides about its sign-ins; durations are whole seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Whether people without a directory may sign in by password.
    pub password_login: bool,
    /// A sign-in ends after so long without use.
    pub session_idle: u64,
    /// A sign-in ends after so long in any case.
    pub session_max: u64,
    /// A refresh token that is not used for so long is over.
    pub refresh_idle: u64,
    /// An application's share of a sign-in ends after so long in any case.
    pub refresh_max: u64,
    /// The IPSIE session lifecycle level that its people's sign-ins keep to; none: what providers commonly send will do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipsie: Option<IpsieLevel>,
}

/// A session lifecycle level of the Interoperability Profiling for Secure Identity in the Enterprise (IPSIE); each one
/// holds the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IpsieLevel {
    /// Sign-ins of several factors, by messages that nobody can weaken, that end when they are said to end.
    Sl1,
    /// Wanted classes of sign-in are reached or refused.
    Sl2,
}

impl IpsieLevel {
    /// `sl1` or `sl2`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sl1 => "sl1",
            Self::Sl2 => "sl2",
        }
    }
}

impl std::str::FromStr for IpsieLevel {
    type Err = UnknownIpsieLevel;

    fn from_str(text: &str) -> Result<Self, UnknownIpsieLevel> {
        [Self::Sl1, Self::Sl2]
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or(UnknownIpsieLevel)
    }
}

/// The text names no level that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be sl1 or sl2")]
pub struct UnknownIpsieLevel;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

impl Default for Policy {
    fn default() -> Self {
        Self {
            password_login: false,
            session_idle: 12 * HOUR,
            session_max: 7 * DAY,
            refresh_idle: 30 * DAY,
            refresh_max: 90 * DAY,
            ipsie: None,
        }
    }
}

impl Policy {
    /// How long a sign-in lives without use.
    pub const fn session_idle(&self) -> Duration {
        Duration::from_secs(self.session_idle)
    }

    /// How long a sign-in lives at most.
    pub const fn session_max(&self) -> Duration {
        Duration::from_secs(self.session_max)
    }

    /// How long an unused refresh token lives.
    pub const fn refresh_idle(&self) -> Duration {
        Duration::from_secs(self.refresh_idle)
    }

    /// How long an application's share of a sign-in lives at most.
    pub const fn refresh_max(&self) -> Duration {
        Duration::from_secs(self.refresh_max)
    }

    /// The first lifetime that is out of bounds: at least a minute, at most ten years.
    pub fn lifetime_out_of_bounds(&self) -> Option<&'static str> {
        [
            ("session_idle", self.session_idle),
            ("session_max", self.session_max),
            ("refresh_idle", self.refresh_idle),
            ("refresh_max", self.refresh_max),
        ]
        .into_iter()
        .find(|(_, seconds)| !(60..=3650 * DAY).contains(seconds))
        .map(|(name, _)| name)
    }
}
