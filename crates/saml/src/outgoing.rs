//! What all messages that we write have in common: who may be named in them, and the two ways to send them.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    KeyError, PostForm, SigningKey,
    address::check_address,
    c14n::{escape_text, escape_value},
    instant::format_instant,
    names::{SAML, SAMLP},
    redirect::{self, Error as RedirectError, RequestOrResponse},
    sign::sign,
    xml::is_name,
};

/// Why a message of ours, or our metadata, cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The ID is no `NCName`: it begins with a letter or `_` and holds neither colon nor space.
    ///
    /// It must also be unguessable (SAML core §1.3.4), which nobody can check here.
    #[error("the ID of the message is not a name")]
    Id,
    /// A value is empty where it must not be, or has a character that XML cannot say, such as a control character.
    #[error("a value of the message is empty or cannot be written in XML")]
    Character,
    /// The destination is not an absolute address with `https`, or `http` on the own machine.
    #[error("the destination is not an address that a browser may be sent to")]
    Address,
    /// Our own key failed to sign.
    #[error("the message cannot be signed")]
    Signing(#[from] KeyError),
}

/// The attributes and the issuer that every protocol message begins with (SAML core §3.2.1).
#[derive(Debug, Clone)]
pub(crate) struct Head {
    id: String,
    issue_instant: i64,
    issuer: String,
    pub(crate) destination: String,
}

impl Head {
    pub(crate) fn new(
        id: String,
        issue_instant: i64,
        issuer: String,
        destination: String,
    ) -> Result<Self, MessageError> {
        if !is_name(&id) {
            return Err(MessageError::Id);
        }
        check_writable(&issuer)?;
        check_address(&destination).map_err(|_| MessageError::Address)?;
        Ok(Self {
            id,
            issue_instant,
            issuer,
            destination,
        })
    }

    /// A message: `local` in the protocol's namespace, with these further attributes and this content after `Issuer`.
    pub(crate) fn message(
        &self,
        local: &str,
        attributes: &[(&str, Option<&str>)],
        content: &str,
    ) -> String {
        let mut xml = format!(
            "<samlp:{local} xmlns:samlp=\"{SAMLP}\" xmlns:saml=\"{SAML}\" ID=\"{}\" Version=\"2.0\" \
             IssueInstant=\"{}\"",
            escape_value(&self.id),
            format_instant(self.issue_instant),
        );
        attribute(&mut xml, "Destination", Some(&self.destination));
        for (name, value) in attributes {
            attribute(&mut xml, name, *value);
        }
        // Writing to a string cannot fail.
        let _ = write!(
            xml,
            "><saml:Issuer>{}</saml:Issuer>{content}</samlp:{local}>",
            escape_text(&self.issuer)
        );
        xml
    }

    /// The address with the message in its query (SAML bindings §3.4), beside what the query holds already.
    pub(crate) fn redirect_url(
        &self,
        kind: RequestOrResponse,
        xml: &str,
        relay_state: Option<&str>,
        key: Option<&SigningKey>,
    ) -> Result<String, MessageError> {
        let query = redirect::encode(kind, xml, relay_state, key).map_err(|error| match error {
            RedirectError::Signing(error) => error,
            _ => KeyError::Signing,
        })?;
        let between = match self.destination.split_once('?') {
            None => "?",
            Some((_, "")) => "",
            Some((_, known)) if known.ends_with('&') => "",
            Some(_) => "&",
        };
        Ok(format!("{}{between}{query}", self.destination))
    }

    /// The form with the message (SAML bindings §3.5), signed inside if there is a key.
    pub(crate) fn post_form(
        &self,
        kind: RequestOrResponse,
        xml: String,
        relay_state: Option<&str>,
        key: Option<&SigningKey>,
    ) -> Result<PostForm, MessageError> {
        let xml = match key {
            Some(key) => sign(&xml, key)?,
            None => xml,
        };
        Ok(PostForm {
            action: self.destination.clone(),
            parameter: match kind {
                RequestOrResponse::Request => "SAMLRequest",
                RequestOrResponse::Response => "SAMLResponse",
            },
            message: STANDARD.encode(xml),
            relay_state: relay_state.map(str::to_owned),
        })
    }
}

/// Appends an attribute, if it has a value.
pub(crate) fn attribute(xml: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        let _ = write!(xml, " {name}=\"{}\"", escape_value(value));
    }
}

/// Appends an element with nothing but text.
pub(crate) fn leaf(xml: &mut String, name: &str, text: &str) {
    let _ = write!(xml, "<{name}>{}</{name}>", escape_text(text));
}

/// Refuses what is empty, and what an XML 1.0 document cannot hold even escaped (§2.2).
pub(crate) fn check_writable(text: &str) -> Result<(), MessageError> {
    let writable = |character: char| !matches!(character, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}');
    match !text.is_empty() && text.chars().all(writable) {
        true => Ok(()),
        false => Err(MessageError::Character),
    }
}

#[cfg(test)]
pub(crate) mod fixtures;
