//! Why a login was refused: for the person, for the admin, and for the record.

use vestibule_core::{EventKind, LoginId, Secret};
use vestibule_store::{NewEvent, NewLoginRecord, WriteTx};

use crate::{Brand, Fault};

/// Who has to act for the next try to succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// The person in front of the browser.
    Person,
    /// The customer's IT admin, at the identity provider.
    IdentityProvider,
    /// The customer's IT admin, in the directory.
    Directory,
    /// Whoever runs the application.
    Application,
    /// Whoever configured the connection here.
    Administrator,
    /// The network between us and the identity provider.
    Network,
}

impl Actor {
    /// The word in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::IdentityProvider => "identity_provider",
            Self::Directory => "directory",
            Self::Application => "application",
            Self::Administrator => "administrator",
            Self::Network => "network",
        }
    }
}

/// A refused login, explained.
#[derive(Debug, Clone)]
pub struct LoginRefusal {
    /// A stable name of the rule, such as `not_provisioned`.
    pub rule: &'static str,
    /// What happened, in one sentence for the person.
    pub title: &'static str,
    /// What the rule wanted.
    pub wanted: String,
    /// What it got; redacted, and text of a peer: escape it.
    pub got: String,
    /// Who has to act.
    pub fault: Actor,
    /// The next step.
    pub remedy: String,
    /// The record; the person can name it.
    pub reference: Option<LoginId>,
    /// How the pages of the organization look, where it is known.
    pub brand: Option<Box<Brand>>,
    /// The login that another try goes on with; none where that begins anew.
    pub another_try: Option<Secret>,
    /// Whether it was a matter of the moment, such as an answer that came too late.
    momentary: bool,
}

impl LoginRefusal {
    pub(crate) fn new(
        rule: &'static str,
        title: &'static str,
        fault: Actor,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            rule,
            title,
            wanted: String::new(),
            got: String::new(),
            fault,
            remedy: remedy.into(),
            reference: None,
            another_try: None,
            brand: None,
            momentary: false,
        }
    }

    /// Whether the next try may succeed although nobody but the person in front of the browser does anything.
    pub const fn may_be_tried_again(&self) -> bool {
        self.momentary || matches!(self.fault, Actor::Person | Actor::Network)
    }

    /// Another try goes on with this login.
    pub(crate) fn with_another_try(mut self, handle: Secret) -> Self {
        self.another_try = Some(handle);
        self
    }

    /// What is shown in the place of a refusal that stands in a record.
    pub(crate) const fn recorded_as(mut self, reference: Option<LoginId>) -> Self {
        self.reference = reference;
        self
    }

    const fn momentary(mut self, momentary: bool) -> Self {
        self.momentary = momentary;
        self
    }

    pub(crate) fn compared(mut self, wanted: impl Into<String>, got: impl Into<String>) -> Self {
        self.wanted = wanted.into();
        self.got = got.into();
        self
    }

    pub(crate) fn of_provider(error: &vestibule_oidc::Error) -> Self {
        use vestibule_oidc::Fault as At;
        let (fault, title) = match error.fault() {
            At::IdentityProvider => (
                Actor::IdentityProvider,
                "your identity provider's answer was refused",
            ),
            At::Configuration => (
                Actor::Administrator,
                "this way of signing in is not set up correctly",
            ),
            At::Time => (Actor::IdentityProvider, "the answer came at the wrong time"),
            At::Network => (
                Actor::Network,
                "your identity provider could not be reached",
            ),
            // The enum may grow: what is unknown is the request's, which blames nobody.
            _ => (Actor::Person, "this sign-in cannot be continued"),
        };
        let (wanted, got) = error.wanted_got().unwrap_or_default();
        Self::new(error.rule(), title, fault, error.remedy())
            .compared(wanted, got)
            .momentary(matches!(error.fault(), At::Time))
    }

    pub(crate) fn of_saml(error: &vestibule_saml::Error) -> Self {
        use vestibule_saml::Fault as At;
        let (fault, title) = match error.fault() {
            At::IdentityProvider => (
                Actor::IdentityProvider,
                "your identity provider's answer was refused",
            ),
            At::Configuration => (
                Actor::IdentityProvider,
                "your identity provider and this way of signing in do not fit",
            ),
            At::Time => (Actor::IdentityProvider, "the answer came at the wrong time"),
            // The enum may grow: what is unknown is the request's, which blames nobody.
            _ => (Actor::Person, "this sign-in cannot be continued"),
        };
        Self::new(error.rule().as_str(), title, fault, error.remedy())
            .compared(error.wanted(), error.got())
            .momentary(matches!(error.fault(), At::Time))
    }

    /// Writes the record and the event; the caller commits.
    pub(crate) async fn record(
        mut self,
        tx: &mut WriteTx,
        mut login: NewLoginRecord,
    ) -> Result<Self, Fault> {
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        "refused".clone_into(&mut login.outcome);
        login.rule = Some(self.rule.to_owned());
        login.wanted = some(&self.wanted);
        login.got = some(&self.got);
        login.fault = Some(self.fault.as_str().to_owned());
        login.remedy = some(&self.remedy);
        let reference = tx.add_login(&login).await?;
        metrics::counter!("vestibule_logins_total", "outcome" => "refused", "fault" => self.fault.as_str())
            .increment(1);
        tx.push_event(NewEvent {
            kind: EventKind::LoginFailed,
            organization_id: login.organization_id,
            user_id: None,
            data: serde_json::json!({
                "login_id": reference,
                "connection_id": login.connection_id,
                "application_id": login.application_id,
                "user_id": login.user_id,
                "rule": self.rule,
                "fault": self.fault.as_str(),
            }),
        })
        .await?;
        self.reference = Some(reference);
        self.brand = Brand::find(tx, login.organization_id).await?.map(Box::new);
        Ok(self)
    }
}
