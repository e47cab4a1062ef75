use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What part of the admin API a key may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiScope {
    /// `*`: everything, also what is added later.
    All,
    /// `users:read`, `connections:write`, …; writing includes reading.
    One(Resource, Access),
}

/// Reading, or changing as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read and list.
    Read,
    /// Create, change and delete, and read.
    Write,
}

macro_rules! resources {
    ($($resource:ident $name:literal;)+) => {
        /// The parts of the admin API.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the names are the nouns of the admin API")]
        pub enum Resource { $($resource,)+ }

        impl Resource {
            /// Every part.
            pub const ALL: &'static [Self] = &[$(Self::$resource,)+];

            /// The name in a scope.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$resource => $name,)+ }
            }
        }
    };
}

resources! {
    Organizations "organizations";
    Connections "connections";
    Directories "directories";
    Applications "applications";
    Users "users";
    Sessions "sessions";
    Webhooks "webhooks";
    Events "events";
    ApiKeys "api_keys";
    SigningKeys "signing_keys";
    Audit "audit";
}

impl ApiScope {
    /// Whether this scope is enough for the access wanted.
    pub fn allows(self, resource: Resource, access: Access) -> bool {
        match self {
            Self::All => true,
            Self::One(own, Access::Write) => own == resource,
            Self::One(own, Access::Read) => own == resource && access == Access::Read,
        }
    }
}

/// The text is not a scope of the admin API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a scope; use * or RESOURCE:read or RESOURCE:write")]
pub struct InvalidScope;

impl FromStr for ApiScope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        if text == "*" {
            return Ok(Self::All);
        }
        let (name, access) = text.split_once(':').ok_or(InvalidScope)?;
        let resource = Resource::ALL
            .iter()
            .copied()
            .find(|known| known.as_str() == name)
            .ok_or(InvalidScope)?;
        match access {
            "read" => Ok(Self::One(resource, Access::Read)),
            "write" => Ok(Self::One(resource, Access::Write)),
            _ => Err(InvalidScope),
        }
    }
}

impl fmt::Display for ApiScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::One(resource, Access::Read) => write!(f, "{}:read", resource.as_str()),
            Self::One(resource, Access::Write) => write!(f, "{}:write", resource.as_str()),
        }
    }
}

impl Serialize for ApiScope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ApiScope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_includes_reading_and_nothing_else() {
        let scope: ApiScope = "users:write".parse().unwrap();
        assert!(scope.allows(Resource::Users, Access::Read));
        assert!(scope.allows(Resource::Users, Access::Write));
        assert!(!scope.allows(Resource::Sessions, Access::Read));
        assert!(
            !"users:read"
                .parse::<ApiScope>()
                .unwrap()
                .allows(Resource::Users, Access::Write)
        );
        assert!("users".parse::<ApiScope>().is_err() && "users:all".parse::<ApiScope>().is_err());
    }
}
