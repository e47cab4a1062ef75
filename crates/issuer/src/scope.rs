//! The scopes that we know.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// One scope value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ScopeValue {
    /// `openid`: an OpenID Connect request; required.
    OpenId = 1,
    /// `profile`: name, given and family name, user name.
    Profile = 2,
    /// `email`: address and whether it is verified.
    Email = 4,
    /// `groups`: the names of the user's groups.
    Groups = 8,
    /// `roles`: the user's roles in the app.
    Roles = 16,
    /// `offline_access`: a session that outlives the browser's.
    OfflineAccess = 32,
}

impl ScopeValue {
    /// All values, in the order of discovery.
    pub const ALL: [Self; 6] = [
        Self::OpenId,
        Self::Profile,
        Self::Email,
        Self::Groups,
        Self::Roles,
        Self::OfflineAccess,
    ];

    /// The value on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenId => "openid",
            Self::Profile => "profile",
            Self::Email => "email",
            Self::Groups => "groups",
            Self::Roles => "roles",
            Self::OfflineAccess => "offline_access",
        }
    }
}

/// A set of scope values; text form: values with one space between, in a fixed order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scope(u8);

/// Why a `scope` parameter is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ScopeError {
    /// A character outside RFC 6749 §3.3, or an empty value.
    #[error("the scope has an invalid character or an empty value")]
    Syntax,
    /// A refresh asked for more than was granted (RFC 6749 §6).
    #[error("the scope exceeds what was granted")]
    Exceeds,
}

impl Scope {
    /// Every value that we know.
    pub const ALL: Self = Self(63);

    /// Reads a `scope` parameter. Values that we do not know are ignored (OpenID Connect Core §3.1.2.1).
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        let mut scope = Self::default();
        for value in text.split(' ') {
            // scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
            let valid = |byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            if value.is_empty() || !value.bytes().all(valid) {
                return Err(ScopeError::Syntax);
            }
            if let Some(known) = ScopeValue::ALL
                .into_iter()
                .find(|known| known.as_str() == value)
            {
                scope = scope.with(known);
            }
        }
        Ok(scope)
    }

    /// The scope of a refreshed access token: `requested` if it names only what was granted here.
    ///
    /// Unlike at the authorization endpoint an unknown value is refused, because it was not granted.
    pub fn narrow(self, requested: &str) -> Result<Self, ScopeError> {
        let scope = Self::parse(requested)?;
        let all_granted = requested
            .split(' ')
            .all(|value| self.values().any(|granted| granted.as_str() == value));
        if all_granted {
            Ok(scope)
        } else {
            Err(ScopeError::Exceeds)
        }
    }

    /// Whether `value` is in the set.
    pub fn contains(self, value: ScopeValue) -> bool {
        self.0 & value as u8 != 0
    }

    /// The set with `value` in it.
    #[must_use]
    pub fn with(self, value: ScopeValue) -> Self {
        Self(self.0 | value as u8)
    }

    /// The set without `value`.
    #[must_use]
    pub fn without(self, value: ScopeValue) -> Self {
        Self(self.0 & !(value as u8))
    }

    /// What is in both sets.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The values, in the order of [`ScopeValue::ALL`].
    pub fn values(self) -> impl Iterator<Item = ScopeValue> {
        ScopeValue::ALL
            .into_iter()
            .filter(move |value| self.contains(*value))
    }

    /// The set as one byte, for the access token.
    pub(crate) fn bits(self) -> u8 {
        self.0
    }

    /// Inverse of [`Scope::bits`]; `None` when a bit has no meaning.
    pub(crate) fn from_bits(bits: u8) -> Option<Self> {
        (bits & !Self::ALL.0 == 0).then_some(Self(bits))
    }
}

impl FromIterator<ScopeValue> for Scope {
    fn from_iter<I: IntoIterator<Item = ScopeValue>>(values: I) -> Self {
        values.into_iter().fold(Self::default(), Self::with)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, value) in self.values().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(value.as_str())?;
        }
        Ok(())
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(Self::default());
        }
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_values_are_ignored_and_order_is_fixed() {
        let scope = Scope::parse("email custom:x openid email").unwrap();
        assert_eq!(scope.to_string(), "openid email");
        assert!(!scope.contains(ScopeValue::Groups));
    }

    #[test]
    fn bad_syntax_is_refused() {
        for bad in [
            "",
            " openid",
            "openid  email",
            "openid\temail",
            "a\"b",
            "a\\b",
            "é",
        ] {
            assert_eq!(Scope::parse(bad), Err(ScopeError::Syntax), "{bad:?}");
        }
    }

    #[test]
    fn narrowing_never_widens() {
        let granted = Scope::parse("openid email").unwrap();
        assert_eq!(granted.narrow("openid").unwrap().to_string(), "openid");
        assert_eq!(granted.narrow("openid groups"), Err(ScopeError::Exceeds));
        assert_eq!(granted.narrow("openid custom"), Err(ScopeError::Exceeds));
    }

    #[test]
    fn all_is_every_value_and_bits_come_back() {
        assert_eq!(Scope::ALL, ScopeValue::ALL.into_iter().collect());
        for bits in 0..=u8::MAX {
            assert_eq!(Scope::from_bits(bits).is_some(), bits < 64);
        }
    }

    #[test]
    fn json_is_the_wire_text() {
        let scope = Scope::parse("openid offline_access").unwrap();
        let json = serde_json::to_string(&scope).unwrap();
        assert_eq!(json, r#""openid offline_access""#);
        assert_eq!(serde_json::from_str::<Scope>(&json).unwrap(), scope);
        assert_eq!(
            serde_json::from_str::<Scope>(r#""""#).unwrap(),
            Scope::default()
        );
    }
}
