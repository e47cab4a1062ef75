//! Request parameters, from a query or a form.

use std::fmt;

use thiserror::Error;

/// More parameters than any message of ours has; the rest is somebody probing.
const MAX_PARAMETERS: usize = 64;
/// Longer than the longest ID token that a client hands back as a hint.
const MAX_VALUE_BYTES: usize = 16 * 1024;
/// RFC 8707 §2 and RFC 8693 §2.1 allow these several times.
const REPEATABLE: [&str; 2] = ["audience", "resource"];

/// The parameters of one request.
///
/// An empty value counts as absent (RFC 6749 §3.1).
/// Duplicates are remembered, so that each message can refuse them at the right moment.
#[derive(Clone)]
pub struct Params {
    pairs: Vec<(String, String)>,
}

/// What the request's encoding is refused for, before any meaning is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParamsError {
    /// More than 64 parameters.
    #[error("the request has too many parameters")]
    TooMany,
    /// A value over 16 KiB.
    #[error("a parameter is too long")]
    TooLong,
    /// A NUL character, which no store of text keeps.
    #[error("a parameter has a NUL character")]
    Nul,
}

/// A parameter stood in the request more than once (RFC 6749 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a parameter is present more than once")]
pub struct Duplicate;

impl Params {
    /// Reads `application/x-www-form-urlencoded` text: a query without its `?`, or a body.
    pub fn from_urlencoded(text: &str) -> Result<Self, ParamsError> {
        Self::from_pairs(url::form_urlencoded::parse(text.as_bytes()))
    }

    /// Takes decoded pairs in the order of the request.
    pub fn from_pairs<K, V>(pairs: impl IntoIterator<Item = (K, V)>) -> Result<Self, ParamsError>
    where
        K: Into<String>,
        V: Into<String>,
    {
        let mut kept = Vec::new();
        for (name, value) in pairs {
            let (name, value) = (name.into(), value.into());
            if kept.len() == MAX_PARAMETERS {
                return Err(ParamsError::TooMany);
            }
            if name.len() > MAX_VALUE_BYTES || value.len() > MAX_VALUE_BYTES {
                return Err(ParamsError::TooLong);
            }
            if name.contains('\0') || value.contains('\0') {
                return Err(ParamsError::Nul);
            }
            kept.push((name, value));
        }
        Ok(Self { pairs: kept })
    }

    /// The one value of `name`; `None` when it is absent or empty.
    pub fn get(&self, name: &str) -> Result<Option<&str>, Duplicate> {
        let mut found = self.pairs.iter().filter(|(key, _)| key == name);
        let first = found.next();
        if found.next().is_some() {
            return Err(Duplicate);
        }
        Ok(first
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty()))
    }

    /// Refuses a request in which any parameter stands twice, known to us or not.
    pub fn refuse_duplicates(&self) -> Result<(), Duplicate> {
        let mut names: Vec<&str> = self
            .pairs
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| !REPEATABLE.contains(name))
            .collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(Duplicate);
        }
        Ok(())
    }

    /// The pairs in the order of the request, without those that `leave_out` names; for keeping a request.
    pub fn pairs_without(&self, leave_out: &[&str]) -> Vec<(String, String)> {
        let kept = |(name, _): &&(String, String)| !leave_out.contains(&name.as_str());
        self.pairs.iter().filter(kept).cloned().collect()
    }

    /// Whether `name` is there, once or more often, empty or not.
    pub fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(key, _)| key == name)
    }
}

/// Names only: values carry codes, secrets and e-mail addresses.
impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.pairs.iter().map(|(name, _)| name))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_value_is_absent() {
        let params = Params::from_urlencoded("a=&b=1").unwrap();
        assert_eq!(params.get("a"), Ok(None));
        assert_eq!(params.get("b"), Ok(Some("1")));
        assert!(params.has("a"));
    }

    #[test]
    fn duplicate_is_refused_even_when_equal_or_empty() {
        for text in ["a=1&a=1", "a=&a=1", "a&a"] {
            let params = Params::from_urlencoded(text).unwrap();
            assert_eq!(params.get("a"), Err(Duplicate), "{text}");
            assert_eq!(params.refuse_duplicates(), Err(Duplicate), "{text}");
        }
    }

    #[test]
    fn resource_may_stand_twice() {
        let params = Params::from_urlencoded("resource=a&resource=b&x=1").unwrap();
        assert_eq!(params.refuse_duplicates(), Ok(()));
    }

    #[test]
    fn sizes_are_bounded() {
        let many = "a&".repeat(65);
        assert_eq!(
            Params::from_urlencoded(&many).unwrap_err(),
            ParamsError::TooMany
        );
        let long = format!("a={}", "x".repeat(MAX_VALUE_BYTES + 1));
        assert_eq!(
            Params::from_urlencoded(&long).unwrap_err(),
            ParamsError::TooLong
        );
    }

    #[test]
    fn nul_is_refused() {
        for text in ["a=%00", "%00=a", "a=x%00y"] {
            let refused = Params::from_urlencoded(text).unwrap_err();
            assert_eq!(refused, ParamsError::Nul, "{text}");
        }
    }

    #[test]
    fn debug_hides_values() {
        let params = Params::from_urlencoded("client_secret=hunter2").unwrap();
        assert_eq!(format!("{params:?}"), r#"["client_secret"]"#);
    }
}
