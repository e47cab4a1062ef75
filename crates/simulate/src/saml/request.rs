//! What service providers ask for, and logout in both directions (saml-core §3.4 and §3.7).

use anyhow::{Context as _, ensure};

use super::assertion::Issuer;
use super::style::seconds_of;
use super::{Element, NameId, Status, Style, new_id};

/// `samlp:AuthnRequest`, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthnRequest {
    /// `@ID`.
    pub id: String,
    /// `saml:Issuer`: the service provider's entity id.
    pub issuer: String,
    /// `@IssueInstant`, in Unix seconds.
    pub issue_instant: Option<i64>,
    /// `@Destination`.
    pub destination: Option<String>,
    /// `@AssertionConsumerServiceURL`.
    pub acs_url: Option<String>,
    /// `@ProtocolBinding`.
    pub protocol_binding: Option<String>,
    /// `@ForceAuthn`.
    pub force_authn: bool,
    /// `@IsPassive`.
    pub is_passive: bool,
    /// `samlp:NameIDPolicy/@Format`.
    pub name_id_format: Option<String>,
    /// The NameID of `saml:Subject`: whom the service provider expects.
    pub subject: Option<String>,
    /// The `saml:AuthnContextClassRef`s of `samlp:RequestedAuthnContext`.
    pub context_classes: Vec<String>,
    /// The whole message.
    pub element: Element,
}

impl AuthnRequest {
    /// Reads a request.
    pub fn read(xml: &str) -> anyhow::Result<Self> {
        let element = root(xml, "AuthnRequest")?;
        let own = |name: &str| element.get(name).map(str::to_owned);
        let flag = |name: &str| matches!(element.get(name), Some("true" | "1"));
        let context = element.child_named("RequestedAuthnContext");
        let policy = element.child_named("NameIDPolicy");
        Ok(Self {
            id: own("ID").context("the request has no ID")?,
            issuer: issuer_of(&element)?,
            issue_instant: element.get("IssueInstant").and_then(seconds_of),
            destination: own("Destination"),
            acs_url: own("AssertionConsumerServiceURL"),
            protocol_binding: own("ProtocolBinding"),
            force_authn: flag("ForceAuthn"),
            is_passive: flag("IsPassive"),
            name_id_format: policy.and_then(|policy| policy.get("Format").map(str::to_owned)),
            subject: element
                .child_named("Subject")
                .and_then(|subject| subject.text_of("NameID")),
            context_classes: context
                .iter()
                .flat_map(|context| context.elements())
                .map(|class| class.inner_text().trim().to_owned())
                .collect(),
            element,
        })
    }
}

/// `samlp:LogoutRequest`; what is `None` or empty is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutRequest {
    /// `@ID`.
    pub id: Option<String>,
    /// `saml:Issuer`.
    pub issuer: Option<String>,
    /// `@IssueInstant`, in Unix seconds.
    pub issue_instant: Option<i64>,
    /// `@Destination`.
    pub destination: Option<String>,
    /// `@NotOnOrAfter`, in Unix seconds.
    pub not_on_or_after: Option<i64>,
    /// `@Reason`.
    pub reason: Option<String>,
    /// Whose session ends.
    pub name_id: Option<NameId>,
    /// Which sessions; none means all of the person's.
    pub session_indexes: Vec<String>,
}

impl LogoutRequest {
    /// A request to end one session, good for five minutes.
    pub fn new(
        issuer: &str,
        destination: &str,
        name_id: NameId,
        session_index: Option<&str>,
        now: i64,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            id: Some(new_id()?),
            issuer: Some(issuer.to_owned()),
            issue_instant: Some(now),
            destination: Some(destination.to_owned()),
            not_on_or_after: Some(now + 300),
            reason: None,
            name_id: Some(name_id),
            session_indexes: session_index
                .iter()
                .map(|&index| index.to_owned())
                .collect(),
        })
    }

    /// Reads a request.
    pub fn read(xml: &str) -> anyhow::Result<Self> {
        let element = root(xml, "LogoutRequest")?;
        let own = |name: &str| element.get(name).map(str::to_owned);
        let time = |name: &str| element.get(name).and_then(seconds_of);
        let indexes = element.elements();
        let indexes = indexes.filter(|child| child.local_name() == "SessionIndex");
        Ok(Self {
            id: Some(own("ID").context("the request has no ID")?),
            issuer: Some(issuer_of(&element)?),
            issue_instant: time("IssueInstant"),
            destination: own("Destination"),
            not_on_or_after: time("NotOnOrAfter"),
            reason: own("Reason"),
            name_id: element.child_named("NameID").map(read_name_id),
            session_indexes: indexes
                .map(|index| index.inner_text().trim().to_owned())
                .collect(),
        })
    }

    /// The unsigned message.
    pub fn element(&self, style: Style) -> Element {
        let names = style.names();
        let time = |at: Option<i64>| at.map(|at| names.time(at));
        let indexes = self.session_indexes.iter();
        names
            .message("LogoutRequest")
            .attribute_if("ID", self.id.as_deref())
            .attribute("Version", "2.0")
            .attribute_if("IssueInstant", time(self.issue_instant).as_deref())
            .attribute_if("Destination", self.destination.as_deref())
            .attribute_if("NotOnOrAfter", time(self.not_on_or_after).as_deref())
            .attribute_if("Reason", self.reason.as_deref())
            .children(issuer_element(self.issuer.as_deref(), style))
            .children(
                self.name_id
                    .iter()
                    .map(|name_id| names.standalone(name_id.element(&names))),
            )
            .children(indexes.map(|index| names.samlp("SessionIndex").text(index)))
    }
}

/// `samlp:LogoutResponse`; what is `None` is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutResponse {
    /// `@ID`.
    pub id: Option<String>,
    /// `saml:Issuer`.
    pub issuer: Option<String>,
    /// `@IssueInstant`, in Unix seconds.
    pub issue_instant: Option<i64>,
    /// `@Destination`.
    pub destination: Option<String>,
    /// `@InResponseTo`.
    pub in_response_to: Option<String>,
    /// `samlp:Status`.
    pub status: Option<Status>,
}

impl LogoutResponse {
    /// Says that the session ended.
    pub fn new(
        issuer: &str,
        destination: &str,
        in_response_to: Option<&str>,
        now: i64,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            id: Some(new_id()?),
            issuer: Some(issuer.to_owned()),
            issue_instant: Some(now),
            destination: Some(destination.to_owned()),
            in_response_to: in_response_to.map(str::to_owned),
            status: Some(Status::success()),
        })
    }

    /// Reads a response.
    pub fn read(xml: &str) -> anyhow::Result<Self> {
        let element = root(xml, "LogoutResponse")?;
        let own = |name: &str| element.get(name).map(str::to_owned);
        Ok(Self {
            id: own("ID"),
            issuer: issuer_of(&element).ok(),
            issue_instant: element.get("IssueInstant").and_then(seconds_of),
            destination: own("Destination"),
            in_response_to: own("InResponseTo"),
            status: element.child_named("Status").map(read_status),
        })
    }

    /// The unsigned message.
    pub fn element(&self, style: Style) -> Element {
        let names = style.names();
        let instant = self.issue_instant.map(|at| names.time(at));
        names
            .message("LogoutResponse")
            .attribute_if("ID", self.id.as_deref())
            .attribute("Version", "2.0")
            .attribute_if("IssueInstant", instant.as_deref())
            .attribute_if("Destination", self.destination.as_deref())
            .attribute_if("InResponseTo", self.in_response_to.as_deref())
            .children(issuer_element(self.issuer.as_deref(), style))
            .children(self.status.iter().map(|status| status.element(style)))
    }
}

fn root(xml: &str, local_name: &str) -> anyhow::Result<Element> {
    let element = Element::parse(xml)?;
    ensure!(
        element.local_name() == local_name,
        "the message is not a {local_name}"
    );
    Ok(element)
}

fn issuer_of(element: &Element) -> anyhow::Result<String> {
    let issuer = element.child_named("Issuer").context("no Issuer")?;
    Ok(issuer.inner_text().trim().to_owned())
}

fn issuer_element(issuer: Option<&str>, style: Style) -> Option<Element> {
    let names = style.names();
    issuer.map(|issuer| names.standalone(Issuer::new(issuer).element(&names)))
}

fn read_name_id(element: &Element) -> NameId {
    let own = |name: &str| element.get(name).map(str::to_owned);
    NameId {
        value: element.inner_text().trim().to_owned(),
        format: own("Format"),
        name_qualifier: own("NameQualifier"),
        sp_name_qualifier: own("SPNameQualifier"),
    }
}

fn read_status(element: &Element) -> Status {
    let value = |code: &Element| code.get("Value").map(str::to_owned);
    let code = element.child_named("StatusCode");
    Status {
        code: code.and_then(value),
        subcode: code.and_then(|code| value(code.child_named("StatusCode")?)),
        message: element.text_of("StatusMessage"),
        detail: Vec::new(),
    }
}
