//! The person's way in: from an address to the organization's way of signing in, and back with a sign-in.

mod again;
mod break_glass;
mod link;
mod oidc;
mod oidc_leave;
mod oidc_logout;
mod password;
mod saml;
mod sign_in;

use std::net::IpAddr;

use vestibule_core::{
    ConnectionId, ConnectionState, OrganizationId, Protocol, Secret, Timestamp, email_domain,
};
use vestibule_issuer::authorize::Answer;
use vestibule_store::{Connection, NewLoginRecord, PendingLogin, ReadTx, WriteTx};

use crate::{
    Account, Brand, Browser, ConsentRequest, Engine, Fault, LoginRefusal, authorize::Purpose,
    ipsie, refusal::Actor,
};

pub use break_glass::BreakGlassLogin;
pub use link::LoginLink;
pub use oidc_logout::OidcLogoutOutcome;
pub(crate) use oidc_logout::{OVERTAKING, person, session};
pub use password::PasswordLogin;
pub(crate) use saml::StoredNameId;
pub use saml::{PostedResponse, SamlAnswer, SamlVerifier};
pub use sign_in::SignedIn;

/// What the login page shows.
#[derive(Debug, Clone, Default)]
pub struct LoginPage {
    /// The application that the person is on the way to.
    pub application: Option<String>,
    /// The address that the application suggested.
    pub login_hint: Option<String>,
    /// How the pages of the organization look, as soon as it is known which one it is.
    pub brand: Option<Brand>,
    /// The application's redirect URI, which a form on the page may lead to in the end.
    pub returns_to: Option<String>,
}

/// A step on the way in.
#[derive(Debug)]
pub enum LoginStep {
    /// Let the person choose one of those who are signed in, or somebody else.
    Accounts {
        /// The page.
        page: LoginPage,
        /// Who is signed in; at least one.
        accounts: Vec<Account>,
    },
    /// Ask the person what an application may learn.
    Consent(Box<ConsentRequest>),
    /// To the application, with an answer.
    Answer(Answer),
    /// On with this login, which has just begun in its stead.
    Next(Secret),
    /// Ask who is there.
    Ask(LoginPage),
    /// The address leads nowhere; ask again.
    UnknownAddress(LoginPage),
    /// Off to the identity provider.
    Upstream(String),
    /// Off to the identity provider, with a form that the browser posts.
    Post(vestibule_saml::PostForm),
    /// Ask for the password of this user name.
    Password {
        /// The page.
        page: LoginPage,
        /// The password connection.
        connection_id: ConnectionId,
    },
    /// Let the person choose one of several ways.
    Choose {
        /// The page.
        page: LoginPage,
        /// The ways: id, protocol and name of each connection.
        ways: Vec<(ConnectionId, Protocol, String)>,
    },
    /// The login is refused, and why.
    Refused(LoginRefusal),
    /// The login waits no more: it was finished, or began in another browser, or took too long.
    Gone,
}

/// How a login ends.
#[derive(Debug)]
pub enum LoginOutcome {
    /// Signed in.
    SignedIn(SignedIn),
    /// The password is wrong, or nobody has that name; one answer for both.
    WrongPassword(LoginPage),
    /// Too many tries; wait.
    TooManyTries(LoginPage),
    /// Refused, and why.
    Refused(LoginRefusal),
    /// The login waits no more.
    Gone,
}

impl Engine {
    /// The first look at a waiting login: straight to the one way in, or the question who is there.
    pub async fn login_step(
        &self,
        handle: &Secret,
        browser: &Browser,
        now: Timestamp,
    ) -> Result<LoginStep, Fault> {
        let mut tx = self.store().read(now).await?;
        let Some(pending) = find_own(&mut tx, handle, browser).await? else {
            return Ok(LoginStep::Gone);
        };
        if let Purpose::Consent {
            authorization,
            session_id,
        } = Purpose::of(&pending)?
        {
            let request = self
                .consent_request(&mut tx, &authorization, session_id, browser)
                .await?;
            return Ok(request.map_or(LoginStep::Gone, |request| {
                LoginStep::Consent(Box::new(request))
            }));
        }
        let page = page_of(&mut tx, &pending).await?;
        let accounts = self.accounts(&mut tx, &pending, browser).await?;
        if !accounts.is_empty() {
            return Ok(LoginStep::Accounts { page, accounts });
        }
        let organization_id = match (pending.organization_id, &page.login_hint) {
            (Some(id), _) => Some(id),
            (None, Some(hint)) => organization_of(&mut tx, hint).await?,
            (None, None) => None,
        };
        drop(tx);
        match organization_id {
            Some(id) => self.step_into(handle, pending, id, page, now).await,
            None => Ok(LoginStep::Ask(page)),
        }
    }

    /// The person said who they are: off to their organization's way in.
    pub async fn identify(
        &self,
        handle: &Secret,
        browser: &Browser,
        address: &str,
        now: Timestamp,
    ) -> Result<LoginStep, Fault> {
        let mut tx = self.store().read(now).await?;
        let Some(pending) = find_own(&mut tx, handle, browser).await? else {
            return Ok(LoginStep::Gone);
        };
        let mut page = page_of(&mut tx, &pending).await?;
        page.login_hint = Some(address.trim().to_owned()).filter(|address| !address.is_empty());
        let found = organization_of(&mut tx, address).await?;
        drop(tx);
        match (pending.organization_id, found) {
            (Some(wanted), _) => self.step_into(handle, pending, wanted, page, now).await,
            (None, Some(id)) => self.step_into(handle, pending, id, page, now).await,
            (None, None) => Ok(LoginStep::UnknownAddress(page)),
        }
    }

    /// The person chose one of several ways in.
    pub async fn choose(
        &self,
        handle: &Secret,
        browser: &Browser,
        way: ConnectionId,
        address: &str,
        now: Timestamp,
    ) -> Result<LoginStep, Fault> {
        let mut tx = self.store().read(now).await?;
        let Some(pending) = find_own(&mut tx, handle, browser).await? else {
            return Ok(LoginStep::Gone);
        };
        let mut page = page_of(&mut tx, &pending).await?;
        page.login_hint = Some(address.trim().to_owned())
            .filter(|address| !address.is_empty())
            .or(page.login_hint);
        let organization_id = match (pending.organization_id, &page.login_hint) {
            (Some(id), _) => Some(id),
            (None, Some(hint)) => organization_of(&mut tx, hint).await?,
            (None, None) => None,
        };
        let connection = tx.find_connection(way).await?;
        drop(tx);
        match connection {
            Some(connection)
                if connection.state == ConnectionState::Active
                    && Some(connection.organization_id) == organization_id
                    && pending.connection_id.is_none_or(|id| id == connection.id) =>
            {
                self.enter(handle, &pending, &connection, page, now).await
            }
            _ => Ok(LoginStep::Gone),
        }
    }

    async fn step_into(
        &self,
        handle: &Secret,
        pending: PendingLogin,
        organization_id: OrganizationId,
        mut page: LoginPage,
        now: Timestamp,
    ) -> Result<LoginStep, Fault> {
        let mut tx = self.store().read(now).await?;
        if page.brand.is_none() {
            page.brand = Brand::find(&mut tx, Some(organization_id)).await?;
        }
        let mut ways = tx.list_connections(organization_id).await?;
        drop(tx);
        ways.retain(|way| {
            way.state == ConnectionState::Active
                && way.protocol != Protocol::BreakGlass
                && pending.connection_id.is_none_or(|id| id == way.id)
        });
        match ways.as_slice() {
            [] => {
                let refusal = LoginRefusal::new(
                    "no_connection",
                    "your organization has no way of signing in yet",
                    Actor::Administrator,
                    "activate a connection for the organization, or allow passwords in its policy",
                );
                let login = NewLoginRecord {
                    organization_id: Some(organization_id),
                    application_id: pending.application_id,
                    ..Default::default()
                };
                self.refuse_login(refusal, login, now)
                    .await
                    .map(LoginStep::Refused)
            }
            [way] => self.enter(handle, &pending, way, page, now).await,
            several => Ok(LoginStep::Choose {
                page,
                ways: several
                    .iter()
                    .map(|way| (way.id, way.protocol, way.name.clone()))
                    .collect(),
            }),
        }
    }

    async fn enter(
        &self,
        handle: &Secret,
        pending: &PendingLogin,
        connection: &Connection,
        page: LoginPage,
        now: Timestamp,
    ) -> Result<LoginStep, Fault> {
        if let Some(refusal) = self.profile_refusal(connection, now).await? {
            let login = record_of(pending, connection);
            return self
                .refuse_login(refusal, login, now)
                .await
                .map(LoginStep::Refused);
        }
        match connection.protocol {
            // It begins with a link of an operator, never with a question.
            Protocol::BreakGlass => Ok(LoginStep::Gone),
            Protocol::Password => Ok(LoginStep::Password {
                page,
                connection_id: connection.id,
            }),
            Protocol::Oidc => {
                self.begin_oidc(handle, pending, connection, &page, now)
                    .await
            }
            Protocol::Saml => {
                self.begin_saml(handle, pending, connection, &page, now)
                    .await
            }
        }
    }

    /// Why nobody may come in through a connection, where its organization keeps to a profile.
    async fn profile_refusal(
        &self,
        connection: &Connection,
        now: Timestamp,
    ) -> Result<Option<LoginRefusal>, Fault> {
        let mut tx = self.store().read(now).await?;
        let organization = tx.find_organization(connection.organization_id).await?;
        let profile = organization.and_then(|organization| organization.policy.ipsie);
        Ok(profile.and_then(|_| ipsie::unfit(connection)))
    }

    pub(crate) async fn refuse_login(
        &self,
        refusal: LoginRefusal,
        mut login: NewLoginRecord,
        now: Timestamp,
    ) -> Result<LoginRefusal, Fault> {
        let mut tx = self.store().write(now).await?;
        if let (None, Some(connection_id)) = (login.organization_id, login.connection_id) {
            login.organization_id = tx
                .find_connection(connection_id)
                .await?
                .map(|connection| connection.organization_id);
        }
        self.record_refusal(tx, refusal, login).await
    }

    /// Refuses what was posted to a connection and records it. None when the address has had too many refusals: anybody
    /// may post there, so records are rationed.
    pub(crate) async fn refuse_received(
        &self,
        refusal: LoginRefusal,
        connection: &Connection,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<Option<LoginRefusal>, Fault> {
        if !self.limits().admits_provider_refusal(address) {
            return Ok(None);
        }
        let login = record_at(connection);
        self.refuse_login(refusal, login, now).await.map(Some)
    }

    /// Records a refusal together with what the transaction has done so far, and stores both.
    async fn record_refusal(
        &self,
        mut tx: WriteTx,
        refusal: LoginRefusal,
        login: NewLoginRecord,
    ) -> Result<LoginRefusal, Fault> {
        let refusal = refusal.record(&mut tx, login).await?;
        tx.commit().await?;
        self.wake();
        Ok(refusal)
    }
}

/// A waiting login, if it began in this browser.
pub(crate) async fn find_own(
    tx: &mut ReadTx,
    handle: &Secret,
    browser: &Browser,
) -> Result<Option<PendingLogin>, Fault> {
    let pending = tx.find_pending_login(handle.hash()).await?;
    Ok(pending.filter(|pending| {
        browser
            .handle_hash()
            .is_some_and(|hash| hash.is(&pending.browser_hash))
    }))
}

pub(crate) async fn page_of(tx: &mut ReadTx, pending: &PendingLogin) -> Result<LoginPage, Fault> {
    let application = match pending.application_id {
        Some(id) => tx
            .find_application(id)
            .await?
            .map(|application| application.name),
        None => None,
    };
    let purpose = Purpose::of(pending)?;
    let authorization = purpose.authorization();
    let login_hint = authorization.and_then(|authorization| authorization.login_hint.clone());
    let returns_to =
        authorization.map(|authorization| authorization.reply.redirect_uri().to_owned());
    Ok(LoginPage {
        application,
        login_hint,
        brand: Brand::find(tx, pending.organization_id).await?,
        returns_to,
    })
}

/// Home-realm discovery: it chooses a way in and grants nothing.
async fn organization_of(tx: &mut ReadTx, address: &str) -> Result<Option<OrganizationId>, Fault> {
    let Some(domain) = email_domain(address) else {
        return Ok(None);
    };
    Ok(tx
        .find_organization_by_domain(&domain)
        .await?
        .map(|organization| organization.id))
}

fn record_at(connection: &Connection) -> NewLoginRecord {
    NewLoginRecord {
        organization_id: Some(connection.organization_id),
        connection_id: Some(connection.id),
        ..NewLoginRecord::default()
    }
}

fn record_of(pending: &PendingLogin, connection: &Connection) -> NewLoginRecord {
    NewLoginRecord {
        application_id: pending.application_id,
        ..record_at(connection)
    }
}
