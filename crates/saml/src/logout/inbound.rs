//! Logout messages that come: whom they are from, and what they prove.

use crate::{
    Error, MAX_MESSAGE_BYTES, NameId, Rule, dsig,
    names::{DS, SAML, SAMLP, STATUS_SUCCESS},
    profile::{check_issuer, instant, only_name_id},
    redirect::{Error as RedirectError, RedirectMessage, RequestOrResponse},
    response::{Trust, decode_text, parse},
    structure::{at_most_one, check_children, check_message},
    xml::{Document, Element},
};

/// How old a logout message may be, in seconds: so long its ID has to be remembered.
const LONGEST_WAY_SECONDS: i64 = 300;
/// More sessions of one person in one request are nobody's genuine message.
const MOST_SESSIONS: usize = 1000;

const PARTIAL_LOGOUT: &str = "urn:oasis:names:tc:SAML:2.0:status:PartialLogout";

/// Whose logout messages a connection believes, and at which address.
///
/// There is none without a certificate, and none that believes an unsigned message.
#[derive(Debug, Clone)]
pub struct LogoutTrust {
    slo_url: String,
    trust: Trust,
}

/// A logout request that the identity provider has signed; the host must remember its ID before it acts on it.
#[derive(Debug, Clone)]
#[must_use = "remember `id` until `remember_until`, else the request can be used again"]
#[non_exhaustive]
pub struct VerifiedLogoutRequest {
    /// The request's ID; accepted once for each connection, and named in our answer.
    pub id: String,
    /// The identity provider's entity ID.
    pub issuer: String,
    /// Who is to be signed out.
    pub name_id: NameId,
    /// Which sessions at the identity provider are over; none means all of this person's.
    pub session_indexes: Vec<String>,
    /// Until when the ID must be remembered, Unix seconds: the request is refused from then on anyway.
    pub remember_until: i64,
    /// Goes back with our answer, unchanged; opaque to us. Of a form it is the host that has it.
    pub relay_state: Option<String>,
}

/// An answer to our logout request that the identity provider has signed.
#[derive(Debug, Clone)]
#[must_use]
#[non_exhaustive]
pub struct VerifiedLogoutResponse {
    /// The identity provider's entity ID.
    pub issuer: String,
    /// The request that it answers.
    pub in_response_to: String,
    /// What became of it.
    pub outcome: LogoutOutcome,
}

/// How far a logout at the identity provider went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogoutOutcome {
    /// Everywhere.
    Complete,
    /// The session there is over; some other service provider was not reached.
    Partial,
}

impl LogoutTrust {
    /// The trust of a connection, for the logout messages that come to its single logout service.
    #[must_use]
    pub fn of(trust: &Trust, slo_url: impl Into<String>) -> Self {
        Self {
            slo_url: slo_url.into(),
            trust: trust.clone(),
        }
    }

    /// A request in a query string (SAML bindings §3.4): the raw octets behind the question mark, as they came.
    ///
    /// `now` is in Unix seconds.
    pub fn request_by_redirect(
        &self,
        query: &str,
        now: i64,
    ) -> Result<VerifiedLogoutRequest, Error> {
        let message = self.signed_query(query, RequestOrResponse::Request)?;
        let mut request = self.judge(message.xml(), Carrier::Query, now, Self::request)?;
        request.relay_state = message.relay_state().map(str::to_owned);
        Ok(request)
    }

    /// A request in the form parameter `SAMLRequest` (SAML bindings §3.5); `now` is in Unix seconds.
    pub fn request_by_post(
        &self,
        parameter: &str,
        now: i64,
    ) -> Result<VerifiedLogoutRequest, Error> {
        self.judge(&decode(parameter)?, Carrier::Form, now, Self::request)
    }

    /// An answer in a query string, to the request of ours with this ID and to no other.
    ///
    /// Take that request in the same transaction, so that it is answered once. `now` is in Unix seconds.
    pub fn response_by_redirect(
        &self,
        query: &str,
        request_id: &str,
        now: i64,
    ) -> Result<VerifiedLogoutResponse, Error> {
        let message = self.signed_query(query, RequestOrResponse::Response)?;
        self.judge(message.xml(), Carrier::Query, now, |trust, root, _| {
            trust.response(root, request_id)
        })
    }

    /// An answer in the form parameter `SAMLResponse`, to the request of ours with this ID and to no other.
    ///
    /// Take that request in the same transaction, so that it is answered once. `now` is in Unix seconds.
    pub fn response_by_post(
        &self,
        parameter: &str,
        request_id: &str,
        now: i64,
    ) -> Result<VerifiedLogoutResponse, Error> {
        self.judge(&decode(parameter)?, Carrier::Form, now, |trust, root, _| {
            trust.response(root, request_id)
        })
    }

    /// Which request an answer in a query string names, to find the logout that waits; nothing of it is believed.
    pub fn answered_by_redirect(query: &str) -> Option<String> {
        answered(RedirectMessage::parse(query).ok()?.xml())
    }

    /// Which request an answer in a form names, to find the logout that waits; nothing of it is believed.
    pub fn answered_by_post(parameter: &str) -> Option<String> {
        answered(&decode(parameter).ok()?)
    }

    /// The message of a query string, which the identity provider has signed as it stands.
    fn signed_query(
        &self,
        query: &str,
        wanted: RequestOrResponse,
    ) -> Result<RedirectMessage, Error> {
        let message = RedirectMessage::parse(query).map_err(refused_query)?;
        if message.kind() != wanted {
            return Err(Error::compared(
                Rule::Redirect,
                format!("{wanted:?}"),
                format!("{:?}", message.kind()),
            ));
        }
        message
            .verify(&self.trust.certificates, self.trust.allowances.sha1)
            .map_err(refused_query)?;
        Ok(message)
    }

    /// Judges what every logout message has, and reads the rest with `read` from octets that a signature covers.
    fn judge<T: Message>(
        &self,
        xml: &str,
        carrier: Carrier,
        now: i64,
        read: impl FnOnce(&Self, Element<'_, '_>, i64) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let document = parse(xml)?;
        check_message(&document, T::ROOT)?;
        let outer = document.root();
        check_children(outer, T::CHILDREN)?;
        // From here on the signed octets are the document; the one that came is used to refuse, and for nothing else.
        let octets = match (outer.child(DS, "Signature"), carrier) {
            (Some(signature), _) => Some(self.verify(outer, signature)?),
            (None, Carrier::Query) => None,
            (None, Carrier::Form) => return Err(Rule::Unsigned.into()),
        };
        let reread = match &octets {
            Some(octets) => Some(parse(octets)?),
            None => None,
        };
        let root = reread.as_ref().map_or(outer, Document::root);
        check_issuer(root, &self.trust)?;
        self.check_destination(root)?;
        let issued = self.check_issued(root, now)?;
        if let Some(end) = instant(root, "NotOnOrAfter")?
            && now.saturating_sub(self.trust.clock_skew) >= end
        {
            return Err(Error::compared(
                Rule::LogoutExpired,
                "a request that is still valid",
                format!("one that ended {} seconds ago", now.saturating_sub(end)),
            ));
        }
        read(self, root, issued)
    }

    /// Verifies the signature of a message; the octets that it covers, as text.
    fn verify(&self, signed: Element<'_, '_>, signature: Element<'_, '_>) -> Result<String, Error> {
        let proven = dsig::verify(
            signed,
            signature,
            &self.trust.certificates,
            self.trust.allowances,
        )?;
        String::from_utf8(proven.octets).map_err(|_| Rule::Digest.into())
    }

    /// All that come here are signed, so all name their address (SAML bindings §3.4.5.2, §3.5.5.2).
    fn check_destination(&self, root: Element<'_, '_>) -> Result<(), Error> {
        match root.attribute("Destination") {
            Some(destination) if destination == self.slo_url => Ok(()),
            other => Err(Error::compared(
                Rule::LogoutDestination,
                self.slo_url.as_str(),
                other.unwrap_or("no Destination"),
            )),
        }
    }

    /// When it was issued: not long ago, so that the memory of its ID has an end, and not in the future.
    fn check_issued(&self, root: Element<'_, '_>, now: i64) -> Result<i64, Error> {
        let issued = instant(root, "IssueInstant")?
            .ok_or_else(|| Error::compared(Rule::Instant, "IssueInstant", "no such time"))?;
        let age = now.saturating_sub(issued);
        if age > LONGEST_WAY_SECONDS.saturating_add(self.trust.clock_skew) {
            return Err(Error::compared(
                Rule::LogoutExpired,
                format!("a message of the last {LONGEST_WAY_SECONDS} seconds"),
                format!("one that is {age} seconds old by our clock"),
            ));
        }
        if age < self.trust.clock_skew.saturating_neg() {
            return Err(Error::compared(
                Rule::LogoutNotYetValid,
                "a message that has been issued",
                format!(
                    "one of {} seconds in the future by our clock",
                    age.saturating_neg()
                ),
            ));
        }
        Ok(issued)
    }

    fn request(&self, root: Element<'_, '_>, issued: i64) -> Result<VerifiedLogoutRequest, Error> {
        let session_indexes: Option<Vec<String>> = root
            .children_named(SAMLP, "SessionIndex")
            .take(MOST_SESSIONS + 1)
            .map(|index| {
                let text = index.leaf_text()?.trim();
                (!text.is_empty()).then(|| text.to_owned())
            })
            .collect();
        // An index that cannot be read must not turn "this session" into "every session".
        let session_indexes = session_indexes
            .filter(|indexes| indexes.len() <= MOST_SESSIONS)
            .ok_or_else(|| {
                Error::compared(
                    Rule::Form,
                    "SessionIndex with text",
                    "an empty one, or too many",
                )
            })?;
        Ok(VerifiedLogoutRequest {
            id: root.attribute("ID").unwrap_or_default().to_owned(),
            issuer: self.trust.idp_entity_id.clone(),
            name_id: self.name_id(root)?,
            session_indexes,
            remember_until: issued
                .saturating_add(LONGEST_WAY_SECONDS)
                .saturating_add(self.trust.clock_skew)
                .saturating_add(1),
            relay_state: None,
        })
    }

    fn name_id(&self, root: Element<'_, '_>) -> Result<NameId, Error> {
        let names = root.children().filter(|child| {
            ["NameID", "EncryptedID", "BaseID"]
                .iter()
                .any(|local| child.is(SAML, local))
        });
        only_name_id(names, &self.trust, Rule::LogoutNameId)
    }

    fn response(
        &self,
        root: Element<'_, '_>,
        request_id: &str,
    ) -> Result<VerifiedLogoutResponse, Error> {
        match root.attribute("InResponseTo") {
            Some(answered) if answered == request_id => {}
            other => {
                return Err(Error::compared(
                    Rule::LogoutInResponseTo,
                    request_id,
                    other.unwrap_or("no InResponseTo"),
                ));
            }
        }
        Ok(VerifiedLogoutResponse {
            issuer: self.trust.idp_entity_id.clone(),
            in_response_to: request_id.to_owned(),
            outcome: outcome(root)?,
        })
    }
}

/// How a message came: a query is signed as a whole before it gets here, a form is not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carrier {
    Query,
    Form,
}

/// A kind of message and what may stand in its root (SAML core §3.7.1, §3.7.2).
trait Message {
    const ROOT: &'static str;
    const CHILDREN: &'static [(&'static str, &'static str)];
}

impl Message for VerifiedLogoutRequest {
    const ROOT: &'static str = "LogoutRequest";
    const CHILDREN: &'static [(&'static str, &'static str)] = &[
        (SAML, "Issuer"),
        (DS, "Signature"),
        (SAMLP, "Extensions"),
        (SAML, "BaseID"),
        (SAML, "NameID"),
        (SAML, "EncryptedID"),
        (SAMLP, "SessionIndex"),
    ];
}

impl Message for VerifiedLogoutResponse {
    const ROOT: &'static str = "LogoutResponse";
    const CHILDREN: &'static [(&'static str, &'static str)] = &[
        (SAML, "Issuer"),
        (DS, "Signature"),
        (SAMLP, "Extensions"),
        (SAMLP, "Status"),
    ];
}

/// What an answer says became of the logout.
fn outcome(root: Element<'_, '_>) -> Result<LogoutOutcome, Error> {
    at_most_one(root, SAMLP, "Status")?;
    let refused = |got: &str| Error::compared(Rule::LogoutStatus, "Success or PartialLogout", got);
    let status = root
        .child(SAMLP, "Status")
        .ok_or_else(|| refused("no status"))?;
    at_most_one(status, SAMLP, "StatusCode")?;
    let top = status
        .child(SAMLP, "StatusCode")
        .ok_or_else(|| refused("no status code"))?;
    let first = top.attribute("Value").unwrap_or_default();
    let second = top
        .child(SAMLP, "StatusCode")
        .and_then(|code| code.attribute("Value"))
        .unwrap_or_default();
    // Some products put it on top, some below `Responder`; the standard means it below `Success` (SAML core §3.2.2.2).
    if first == PARTIAL_LOGOUT || second == PARTIAL_LOGOUT {
        return Ok(LogoutOutcome::Partial);
    }
    match first {
        STATUS_SUCCESS => Ok(LogoutOutcome::Complete),
        _ => Err(refused(&format!("{first} {second}"))),
    }
}

/// The message of a form parameter, decoded and not believed.
fn decode(parameter: &str) -> Result<String, Error> {
    if parameter.len() > MAX_MESSAGE_BYTES {
        return Err(Error::compared(
            Rule::TooLarge,
            format!("at most {MAX_MESSAGE_BYTES} characters"),
            "a longer message",
        ));
    }
    decode_text(parameter)
}

fn answered(xml: &str) -> Option<String> {
    let document = Document::parse(xml).ok()?;
    document.root().attribute("InResponseTo").map(str::to_owned)
}

fn refused_query(error: RedirectError) -> Error {
    let rule = match error {
        RedirectError::TooLarge => Rule::TooLarge,
        RedirectError::Unsigned | RedirectError::IncompleteSignature => Rule::Unsigned,
        RedirectError::UnsupportedAlgorithm | RedirectError::Sha1 => Rule::Algorithm,
        RedirectError::NoCertificate => Rule::NoCertificate,
        RedirectError::BadSignature => Rule::Signature,
        _ => Rule::Redirect,
    };
    Error::compared(rule, "a signed message in the query", error.to_string())
}
