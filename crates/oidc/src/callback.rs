//! What the browser brings back from the identity provider.

use crate::{Error, Secret};

/// The longest value that any parameter of a callback may have, in bytes.
const LONGEST_VALUE: usize = 8 * 1024;

/// The parsed authorization response (RFC 6749 §4.1.2, RFC 9207).
///
/// Nothing in it is trusted yet: look up the pending login by [`Callback::state`] and the browser's cookie, use the
/// pending login up, then call [`Connection::finish`](crate::Connection::finish).
#[derive(Clone, Debug)]
pub struct Callback {
    state: String,
    pub(crate) issuer: Option<String>,
    pub(crate) answer: Answer,
}

#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Code(Secret),
    Refusal {
        code: String,
        description: Option<String>,
    },
}

impl Callback {
    /// Reads the decoded query or form pairs.
    ///
    /// A parameter that occurs twice is refused (RFC 6749 §3.1); unknown ones are ignored.
    pub fn parse<K: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, Error> {
        let mut found = Found::default();
        for (name, value) in pairs {
            found.put(name.as_ref(), value.as_ref())?;
        }
        let found = found.without_empty();
        let answer = match (found.code, found.error) {
            (Some(code), None) => Answer::Code(Secret::new(code)),
            (None, Some(code)) => Answer::Refusal {
                code,
                description: found.error_description,
            },
            (Some(_), Some(_)) => return Err(Error::CallbackAmbiguous),
            (None, None) => return Err(Error::CallbackIncomplete { parameter: "code" }),
        };
        match (found.state, answer) {
            (Some(state), answer) => Ok(Self {
                state,
                issuer: found.iss,
                answer,
            }),
            // Some providers forget the state when they refuse; their reason is worth more than our complaint.
            (None, Answer::Refusal { code, description }) => {
                Err(Error::Refused { code, description })
            }
            (None, Answer::Code(_)) => Err(Error::CallbackIncomplete { parameter: "state" }),
        }
    }

    /// The handle that was given to [`Connection::begin`](crate::Connection::begin), as the browser tells it.
    pub fn state(&self) -> &str {
        &self.state
    }

    /// Whether the identity provider refused, so that no code will be exchanged.
    pub fn is_refusal(&self) -> bool {
        matches!(self.answer, Answer::Refusal { .. })
    }
}

#[derive(Default)]
struct Found {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

impl Found {
    fn put(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let (parameter, slot) = match name {
            "code" => ("code", &mut self.code),
            "state" => ("state", &mut self.state),
            "iss" => ("iss", &mut self.iss),
            "error" => ("error", &mut self.error),
            "error_description" => ("error_description", &mut self.error_description),
            _ => return Ok(()),
        };
        if slot.is_some() {
            return Err(Error::CallbackDuplicate { parameter });
        }
        if value.len() > LONGEST_VALUE {
            return Err(Error::CallbackTooLong { parameter });
        }
        *slot = Some(value.to_owned());
        Ok(())
    }

    /// Drops parameters without a value, which count as omitted (RFC 6749 §3.1).
    fn without_empty(self) -> Self {
        let keep = |value: Option<String>| value.filter(|value| !value.is_empty());
        Self {
            code: keep(self.code),
            state: keep(self.state),
            iss: keep(self.iss),
            error: keep(self.error),
            error_description: keep(self.error_description),
        }
    }
}
