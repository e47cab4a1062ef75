//! Single logout (SAML profiles §4.4): what we send, and what is believed of what comes.
//!
//! A logout message ends sessions of a person who may not be at the keyboard, so an unsigned one is always refused,
//! whatever a connection allows for logins.

mod inbound;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

pub use inbound::{LogoutOutcome, LogoutTrust, VerifiedLogoutRequest, VerifiedLogoutResponse};

use crate::{
    MessageError, NameId, PostForm, SigningKey,
    c14n::{escape_text, escape_value},
    instant::format_instant,
    names::STATUS_SUCCESS,
    outgoing::{Head, attribute, check_writable, leaf},
    redirect::RequestOrResponse,
};

/// Why a person is signed out: they asked for it (SAML core §3.7.3).
pub const REASON_USER: &str = "urn:oasis:names:tc:SAML:2.0:logout:user";
/// Why a person is signed out: an administrator wants it (SAML core §3.7.3).
pub const REASON_ADMIN: &str = "urn:oasis:names:tc:SAML:2.0:logout:admin";

/// A request of ours to end a person's session at the identity provider (SAML core §3.7.1).
///
/// Send it signed: identity providers refuse or ignore others.
#[derive(Debug, Clone)]
#[must_use]
pub struct LogoutRequest {
    head: Head,
    name_id: NameId,
    session_indexes: Vec<String>,
    not_on_or_after: Option<i64>,
    reason: Option<String>,
}

impl LogoutRequest {
    /// A request with this ID (an unguessable `NCName`, remembered until the answer comes), issued now (Unix seconds)
    /// by the service provider with this entity ID, for the single logout service at `destination`.
    ///
    /// `name_id` is the identifier as the login gave it, with format and qualifiers: the identity provider compares all.
    pub fn new(
        id: impl Into<String>,
        issue_instant: i64,
        issuer: impl Into<String>,
        destination: impl Into<String>,
        name_id: NameId,
    ) -> Result<Self, MessageError> {
        check_writable(&name_id.value)?;
        for text in [
            &name_id.format,
            &name_id.name_qualifier,
            &name_id.sp_name_qualifier,
        ] {
            text.as_deref().map_or(Ok(()), check_writable)?;
        }
        Ok(Self {
            head: Head::new(id.into(), issue_instant, issuer.into(), destination.into())?,
            name_id,
            session_indexes: Vec::new(),
            not_on_or_after: None,
            reason: None,
        })
    }

    /// The sessions to end (`SessionIndex` of the login); without one, all of the person's.
    pub fn session_indexes(mut self, indexes: Vec<String>) -> Result<Self, MessageError> {
        indexes.iter().try_for_each(|index| check_writable(index))?;
        self.session_indexes = indexes;
        Ok(self)
    }

    /// Until when the request may be obeyed, Unix seconds.
    pub fn not_on_or_after(mut self, seconds: i64) -> Self {
        self.not_on_or_after = Some(seconds);
        self
    }

    /// Why, as a URI: [`REASON_USER`] or [`REASON_ADMIN`].
    pub fn reason(mut self, reason: impl Into<String>) -> Result<Self, MessageError> {
        let reason = reason.into();
        check_writable(&reason)?;
        self.reason = Some(reason);
        Ok(self)
    }

    /// The address to send the browser to, signed if there is a key (SAML bindings §3.4).
    pub fn redirect_url(
        &self,
        relay_state: Option<&str>,
        key: Option<&SigningKey>,
    ) -> Result<String, MessageError> {
        self.head
            .redirect_url(RequestOrResponse::Request, &self.to_xml(), relay_state, key)
    }

    /// The form to let the browser post, with a signature inside if there is a key (SAML bindings §3.5).
    pub fn post_form(
        &self,
        relay_state: Option<&str>,
        key: Option<&SigningKey>,
    ) -> Result<PostForm, MessageError> {
        self.head
            .post_form(RequestOrResponse::Request, self.to_xml(), relay_state, key)
    }

    fn to_xml(&self) -> String {
        let mut content = String::from("<saml:NameID");
        let name = &self.name_id;
        attribute(
            &mut content,
            "NameQualifier",
            name.name_qualifier.as_deref(),
        );
        attribute(
            &mut content,
            "SPNameQualifier",
            name.sp_name_qualifier.as_deref(),
        );
        attribute(&mut content, "Format", name.format.as_deref());
        // Writing to a string cannot fail.
        let _ = write!(content, ">{}</saml:NameID>", escape_text(&name.value));
        for index in &self.session_indexes {
            leaf(&mut content, "samlp:SessionIndex", index);
        }
        let end = self.not_on_or_after.map(format_instant);
        self.head.message(
            "LogoutRequest",
            &[
                ("NotOnOrAfter", end.as_deref()),
                ("Reason", self.reason.as_deref()),
            ],
            &content,
        )
    }
}

/// What became of a logout that the identity provider asked for (SAML core §3.2.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogoutStatus {
    /// Everything was ended, or there was nothing to end.
    Success,
    /// Ended here, but not everybody who had to be told was reached.
    PartialLogout,
    /// The request was wrong: refused, or about nobody known here.
    Requester,
    /// We could not do it.
    Responder,
}

/// Our answer to a logout request (SAML core §3.7.2).
#[derive(Debug, Clone)]
#[must_use]
pub struct LogoutResponse {
    head: Head,
    in_response_to: String,
    status: LogoutStatus,
}

impl LogoutResponse {
    /// An answer with this ID (an unguessable `NCName`), issued now (Unix seconds) by the service provider with this
    /// entity ID, for the identity provider's answer address, to the request with the ID `in_response_to`.
    pub fn new(
        id: impl Into<String>,
        issue_instant: i64,
        issuer: impl Into<String>,
        destination: impl Into<String>,
        in_response_to: impl Into<String>,
        status: LogoutStatus,
    ) -> Result<Self, MessageError> {
        let in_response_to = in_response_to.into();
        check_writable(&in_response_to)?;
        Ok(Self {
            head: Head::new(id.into(), issue_instant, issuer.into(), destination.into())?,
            in_response_to,
            status,
        })
    }

    /// The address to send the browser to, signed if there is a key (SAML bindings §3.4).
    ///
    /// `relay_state` is the one of the request, unchanged (bindings §3.4.3).
    pub fn redirect_url(
        &self,
        relay_state: Option<&str>,
        key: Option<&SigningKey>,
    ) -> Result<String, MessageError> {
        self.head.redirect_url(
            RequestOrResponse::Response,
            &self.to_xml(),
            relay_state,
            key,
        )
    }

    /// The form to let the browser post, with a signature inside if there is a key (SAML bindings §3.5).
    pub fn post_form(
        &self,
        relay_state: Option<&str>,
        key: Option<&SigningKey>,
    ) -> Result<PostForm, MessageError> {
        self.head
            .post_form(RequestOrResponse::Response, self.to_xml(), relay_state, key)
    }

    fn to_xml(&self) -> String {
        const STATUS: &str = "urn:oasis:names:tc:SAML:2.0:status:";
        let (top, second) = match self.status {
            LogoutStatus::Success => (STATUS_SUCCESS.to_owned(), None),
            // A second-level code (SAML core §3.2.2.2): the session itself was ended.
            LogoutStatus::PartialLogout => (
                STATUS_SUCCESS.to_owned(),
                Some(format!("{STATUS}PartialLogout")),
            ),
            LogoutStatus::Requester => (format!("{STATUS}Requester"), None),
            LogoutStatus::Responder => (format!("{STATUS}Responder"), None),
        };
        let nested = second.map_or_else(String::new, |code| {
            format!("<samlp:StatusCode Value=\"{}\"/>", escape_value(&code))
        });
        let content = format!(
            "<samlp:Status><samlp:StatusCode Value=\"{}\">{nested}</samlp:StatusCode></samlp:Status>",
            escape_value(&top)
        );
        self.head.message(
            "LogoutResponse",
            &[("InResponseTo", Some(&self.in_response_to))],
            &content,
        )
    }
}
