//! The person's way in: from an address to the organization's way of signing in, and back with a sign-in.

use std::net::IpAddr;

use serde_json::{Value, json};
use vestibule_core::{
    ConnectionId, ConnectionState, EventKind, OrganizationId, Policy, Protocol, Secret, SecretHash,
    Timestamp, email_domain,
};
use vestibule_oidc::{BeginOptions, Callback, Pending, Prompt};
use vestibule_store::{
    Connection, NewEvent, NewLoginRecord, NewUserSession, PendingLogin, ReadTx, User, WriteTx,
};

use crate::{
    Browser, Engine, Fault, LoginRefusal,
    authorize::{Purpose, find_active_application},
    browser::SessionCookie,
    join::{self, Joined, Subject},
    outbound::Class,
    refusal::Actor,
};

const UPSTREAM_PLACE: &str = "pending_logins.upstream";
/// The context class of a password that we checked ourselves.
const PASSWORD_ACR: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";
/// The context class when the identity provider names none (RFC 7643 has no word for it, OpenID Connect Core §2 has "0").
const UNKNOWN_ACR: &str = "0";

/// What the login page shows.
#[derive(Debug, Clone, Default)]
pub struct LoginPage {
    /// The application that the person is on the way to.
    pub application: Option<String>,
    /// The address that the application suggested.
    pub login_hint: Option<String>,
}

/// A step on the way in.
#[derive(Debug)]
pub enum LoginStep {
    /// Ask who is there.
    Ask(LoginPage),
    /// The address leads nowhere; ask again.
    UnknownAddress(LoginPage),
    /// Off to the identity provider.
    Upstream(String),
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
        /// The ways: id and name of each connection.
        ways: Vec<(ConnectionId, String)>,
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

/// A sign-in that has just begun.
#[derive(Debug)]
pub struct SignedIn {
    /// Every sign-in that the browser holds now, for its cookie.
    pub sessions: Vec<SessionCookie>,
    /// Where the browser goes: to the application with its code; none when no application asked.
    pub location: Option<String>,
}

/// What a login has proved, whatever the way.
struct Proof {
    user: Box<User>,
    auth_time: Timestamp,
    acr: String,
    amr: Vec<String>,
    upstream: Option<(String, String, Option<String>)>,
    session_expiry: Option<Timestamp>,
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
        let page = page_of(&mut tx, &pending).await?;
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
        page: LoginPage,
        now: Timestamp,
    ) -> Result<LoginStep, Fault> {
        let mut tx = self.store().read(now).await?;
        let mut ways = tx.list_connections(organization_id).await?;
        drop(tx);
        ways.retain(|way| {
            way.state == ConnectionState::Active
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
                    .map(|way| (way.id, way.name.clone()))
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
        match connection.protocol {
            Protocol::Password => Ok(LoginStep::Password {
                page,
                connection_id: connection.id,
            }),
            Protocol::Oidc => {
                self.begin_oidc(handle, pending, connection, &page, now)
                    .await
            }
            // Connections by SAML cannot be made yet; one that somebody put into the table leads nowhere.
            Protocol::Saml => Ok(LoginStep::Gone),
        }
    }

    async fn begin_oidc(
        &self,
        handle: &Secret,
        pending: &PendingLogin,
        connection: &Connection,
        page: &LoginPage,
        now: Timestamp,
    ) -> Result<LoginStep, Fault> {
        let begun = match self.oidc_connection(connection, now).await {
            Ok(provider) => provider.begin(
                handle.expose(),
                &self.generator().bytes(),
                &options(pending, page),
                now.unix_seconds(),
            ),
            Err(error) => Err(error),
        };
        let begun = match begun {
            Ok(begun) => begun,
            Err(error) => {
                let refusal = LoginRefusal::of_provider(&error);
                return self
                    .refuse_login(refusal, record_of(pending, connection), now)
                    .await
                    .map(LoginStep::Refused);
            }
        };
        let sealed = self.vault().seal(
            UPSTREAM_PLACE,
            &connection.id.to_string(),
            begun.pending.to_stored().expose().as_bytes(),
        );
        let mut tx = self.store().write(now).await?;
        let waits = tx
            .set_pending_upstream(handle.hash(), connection.id, &sealed)
            .await?;
        tx.commit().await?;
        Ok(match waits {
            true => LoginStep::Upstream(begun.authorize_url.into()),
            false => LoginStep::Gone,
        })
    }

    /// The browser is back from an OpenID Provider.
    pub async fn finish_oidc(
        &self,
        connection_id: ConnectionId,
        pairs: Vec<(String, String)>,
        browser: Browser,
        now: Timestamp,
    ) -> Result<LoginOutcome, Fault> {
        let engine = self.clone();
        self.detached(async move {
            engine
                .finish_oidc_now(connection_id, pairs, browser, now)
                .await
        })
        .await
    }

    async fn finish_oidc_now(
        &self,
        connection_id: ConnectionId,
        pairs: Vec<(String, String)>,
        browser: Browser,
        now: Timestamp,
    ) -> Result<LoginOutcome, Fault> {
        let callback = match Callback::parse(pairs) {
            Ok(callback) => callback,
            Err(error) => {
                let login = NewLoginRecord {
                    connection_id: Some(connection_id),
                    ..Default::default()
                };
                return self
                    .refuse_login(LoginRefusal::of_provider(&error), login, now)
                    .await
                    .map(LoginOutcome::Refused);
            }
        };
        // Used up by the first answer, good or bad, before anything is asked of anybody.
        let mut tx = self.store().write(now).await?;
        let pending = tx
            .take_pending_login(Secret::new(callback.state()).hash())
            .await?;
        let connection = tx.find_connection(connection_id).await?;
        tx.commit().await?;
        let (Some(pending), Some(connection)) = (pending, connection) else {
            return Ok(LoginOutcome::Gone);
        };
        let login = record_of(&pending, &connection);
        if !browser
            .handle_hash()
            .is_some_and(|hash| hash.is(&pending.browser_hash))
        {
            let refusal = LoginRefusal::new(
                "another_browser",
                "this sign-in began in another browser",
                Actor::Person,
                "start again in this browser; if you did not start a sign-in, close this page",
            );
            return self
                .refuse_login(refusal, login, now)
                .await
                .map(LoginOutcome::Refused);
        }
        if pending.connection_id != Some(connection.id)
            || connection.state != ConnectionState::Active
        {
            return Ok(LoginOutcome::Gone);
        }
        let answered = match self.open_upstream(&pending, &connection) {
            Some(waiting) => {
                self.ask_provider(&connection, &waiting, &callback, now)
                    .await
            }
            None => return Ok(LoginOutcome::Gone),
        };
        match answered {
            Ok(authentication) => {
                self.finish_with(pending, connection, authentication, &browser, now)
                    .await
            }
            Err(error) => self
                .refuse_login(LoginRefusal::of_provider(&error), login, now)
                .await
                .map(LoginOutcome::Refused),
        }
    }

    fn open_upstream(&self, pending: &PendingLogin, connection: &Connection) -> Option<Pending> {
        let clear = self.vault().unseal(
            UPSTREAM_PLACE,
            &connection.id.to_string(),
            pending.upstream_sealed.as_deref()?,
        )?;
        Pending::from_stored(&vestibule_oidc::Secret::new(String::from_utf8(clear).ok()?)).ok()
    }

    async fn ask_provider(
        &self,
        connection: &Connection,
        waiting: &Pending,
        callback: &Callback,
        now: Timestamp,
    ) -> Result<vestibule_oidc::Authentication, vestibule_oidc::Error> {
        let provider = self.oidc_connection(connection, now).await?;
        provider
            .finish(
                waiting,
                callback,
                &self.outbound().for_oidc(Class::Customer),
                now.unix_seconds(),
            )
            .await
    }

    async fn finish_with(
        &self,
        pending: PendingLogin,
        connection: Connection,
        authentication: vestibule_oidc::Authentication,
        browser: &Browser,
        now: Timestamp,
    ) -> Result<LoginOutcome, Fault> {
        let subject = Subject {
            issuer: authentication.issuer.clone(),
            lasting: Some(authentication.subject.clone()),
            claims: authentication.claims.clone(),
        };
        let mut tx = self.store().write(now).await?;
        let mut login = record_of(&pending, &connection);
        let user = match join::join(&mut tx, &connection, &subject).await? {
            Joined::User(user) => user,
            Joined::Refused(refusal, user) => {
                login.user_id = user.map(|user| user.id);
                let refusal = refusal.record(&mut tx, login).await?;
                tx.commit().await?;
                self.wake();
                return Ok(LoginOutcome::Refused(refusal));
            }
        };
        let proof = Proof {
            user,
            auth_time: authentication
                .auth_time
                .map_or(now, Timestamp::from_unix_seconds)
                .min(now),
            acr: authentication.acr.unwrap_or_else(|| UNKNOWN_ACR.to_owned()),
            amr: authentication.amr,
            upstream: Some((
                authentication.issuer,
                authentication.subject,
                authentication.sid,
            )),
            session_expiry: authentication
                .session_expiry
                .map(Timestamp::from_unix_seconds),
        };
        self.sign_in(tx, pending, &connection, proof, browser).await
    }

    /// Begins the sign-in, and answers the application that waits for it, in the transaction that found the user.
    async fn sign_in(
        &self,
        mut tx: WriteTx,
        pending: PendingLogin,
        connection: &Connection,
        proof: Proof,
        browser: &Browser,
    ) -> Result<LoginOutcome, Fault> {
        let now = tx.now();
        let mut login = record_of(&pending, connection);
        login.user_id = Some(proof.user.id);
        let Some(epochs) = tx.hold_login(proof.user.id, connection.id).await? else {
            let refusal = LoginRefusal::new(
                "deactivated",
                "your account is deactivated",
                Actor::Directory,
                "activate the account in the directory if the person should have access",
            );
            let refusal = refusal.record(&mut tx, login).await?;
            tx.commit().await?;
            self.wake();
            return Ok(LoginOutcome::Refused(refusal));
        };
        let policy = tx
            .find_organization(connection.organization_id)
            .await?
            .map_or_else(Policy::default, |organization| organization.policy);
        let latest = now.after(policy.session_max());
        let secret = self.generator().token("");
        let id = tx
            .add_user_session(NewUserSession {
                user_id: proof.user.id,
                organization_id: connection.organization_id,
                connection_id: connection.id,
                epochs,
                secret_hash: secret.hash(),
                auth_time: proof.auth_time,
                acr: proof.acr,
                amr: proof.amr,
                upstream: proof.upstream,
                idle_seconds: policy.session_idle,
                expires_at: proof
                    .session_expiry
                    .map_or(latest, |expiry| expiry.min(latest)),
            })
            .await?;
        "succeeded".clone_into(&mut login.outcome);
        let login_id = tx.add_login(&login).await?;
        let about = |extra: Value| NewEvent {
            kind: EventKind::LoginSucceeded,
            organization_id: Some(connection.organization_id),
            user_id: Some(proof.user.id),
            data: extra,
        };
        tx.push_event(about(json!({
            "login_id": login_id, "user_id": proof.user.id, "connection_id": connection.id, "application_id": pending.application_id,
        })))
        .await?;
        let started = about(
            json!({ "session_id": id, "user_id": proof.user.id, "connection_id": connection.id }),
        );
        tx.push_event(NewEvent {
            kind: EventKind::SessionStarted,
            ..started
        })
        .await?;
        let location = match self
            .answer_application(&mut tx, &pending, (id, secret.hash()))
            .await?
        {
            Ok(location) => location,
            Err(refusal) => return Ok(LoginOutcome::Refused(refusal)),
        };
        tx.commit().await?;
        self.wake();
        Ok(LoginOutcome::SignedIn(SignedIn {
            sessions: browser.with_session(SessionCookie { id, secret }),
            location,
        }))
    }

    async fn answer_application(
        &self,
        tx: &mut WriteTx,
        pending: &PendingLogin,
        (id, secret): (vestibule_core::UserSessionId, SecretHash),
    ) -> Result<Result<Option<String>, LoginRefusal>, Fault> {
        let purpose = serde_json::from_value(pending.request.clone())
            .map_err(|_| Fault::internal("a stored request cannot be read"))?;
        let Purpose::Authorize(authorization) = purpose else {
            return Ok(Ok(None));
        };
        let gone = LoginRefusal::new(
            "application_gone",
            "the application is no longer registered",
            Actor::Application,
            "register the application again, then start from it",
        );
        let Some(application) = find_active_application(tx, &authorization.client_id).await? else {
            return Ok(Err(gone));
        };
        let Some(session) = tx.hold_user_session(id, secret).await? else {
            return Ok(Err(LoginRefusal::new(
                "expired",
                "your identity provider's session is over already",
                Actor::Person,
                "sign in again",
            )));
        };
        Ok(Ok(Some(
            self.grant(tx, &application, &authorization, &session)
                .await?,
        )))
    }

    /// The person typed a password.
    pub async fn finish_password(
        &self,
        request: PasswordLogin,
        browser: Browser,
        now: Timestamp,
    ) -> Result<LoginOutcome, Fault> {
        let engine = self.clone();
        self.detached(async move { engine.finish_password_now(request, browser, now).await })
            .await
    }

    async fn finish_password_now(
        &self,
        request: PasswordLogin,
        browser: Browser,
        now: Timestamp,
    ) -> Result<LoginOutcome, Fault> {
        let mut tx = self.store().read(now).await?;
        let Some(pending) = find_own(&mut tx, &request.handle, &browser).await? else {
            return Ok(LoginOutcome::Gone);
        };
        let mut page = page_of(&mut tx, &pending).await?;
        page.login_hint = Some(request.user_name.clone());
        let Some(connection) = tx.find_connection(request.connection_id).await? else {
            return Ok(LoginOutcome::Gone);
        };
        let usable = connection.protocol == Protocol::Password
            && connection.state == ConnectionState::Active
            && pending
                .organization_id
                .is_none_or(|id| id == connection.organization_id)
            && pending.connection_id.is_none_or(|id| id == connection.id);
        if !usable {
            return Ok(LoginOutcome::Gone);
        }
        if !self.limits().admits_login(request.address) {
            return Ok(LoginOutcome::TooManyTries(page));
        }
        let user = find_password_user(&mut tx, &connection, &request.user_name).await?;
        let stored = match &user {
            Some(user) => tx.find_password(user.id).await?,
            None => None,
        };
        drop(tx);
        if stored
            .as_ref()
            .and_then(|stored| stored.locked_until)
            .is_some_and(|until| until > now)
        {
            return Ok(LoginOutcome::TooManyTries(page));
        }
        // Nobody and somebody without a password take as long as a wrong password.
        let phc = stored.map_or_else(|| NOBODYS_PASSWORD.to_owned(), |stored| stored.phc);
        let right = self.check_password(request.password, phc).await?;
        let mut tx = self.store().write(now).await?;
        match user {
            Some(user) if right => {
                if tx
                    .take_pending_login(request.handle.hash())
                    .await?
                    .is_none()
                {
                    return Ok(LoginOutcome::Gone);
                }
                tx.clear_password_failures(user.id).await?;
                let proof = Proof {
                    user: Box::new(user),
                    auth_time: now,
                    acr: PASSWORD_ACR.to_owned(),
                    amr: vec!["pwd".to_owned()],
                    upstream: None,
                    session_expiry: None,
                };
                self.sign_in(tx, pending, &connection, proof, &browser)
                    .await
            }
            user => {
                if let Some(user) = &user {
                    tx.add_password_failure(user.id).await?;
                }
                let refusal = LoginRefusal::new(
                    "wrong_password",
                    "the name or the password is wrong",
                    Actor::Person,
                    "try again",
                );
                let login = NewLoginRecord {
                    user_id: user.map(|user: User| user.id),
                    ..record_of(&pending, &connection)
                };
                refusal.record(&mut tx, login).await?;
                tx.commit().await?;
                self.wake();
                Ok(LoginOutcome::WrongPassword(page))
            }
        }
    }

    async fn refuse_login(
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
        let refusal = refusal.record(&mut tx, login).await?;
        tx.commit().await?;
        self.wake();
        Ok(refusal)
    }
}

/// A try at a password.
#[derive(Debug)]
pub struct PasswordLogin {
    /// The waiting login.
    pub handle: Secret,
    /// The password connection that the page was shown for.
    pub connection_id: ConnectionId,
    /// Who says to be there.
    pub user_name: String,
    /// The password.
    pub password: Secret,
    /// Where the try came from.
    pub address: IpAddr,
}

/// The argon2id hash of a random password that nobody knows.
const NOBODYS_PASSWORD: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2l4dGVlbiBieXRlcyEh$J2Bq0DgWZ3HPYmcCdDIuHQ3s8u8w8Jn8GqVQJ1gJm5Y";

fn options(pending: &PendingLogin, page: &LoginPage) -> BeginOptions {
    let mut options = BeginOptions::new();
    if let Some(hint) = &page.login_hint {
        options = options.login_hint(hint);
    }
    let Ok(Purpose::Authorize(authorization)) = serde_json::from_value(pending.request.clone())
    else {
        return options;
    };
    if let Some(max_age) = authorization.max_age {
        options = options.max_age(max_age);
    }
    if authorization.prompt.wants_login() || authorization.max_age == Some(0) {
        options = options.prompt(Prompt::Login);
    } else if authorization.prompt.wants_account() {
        options = options.prompt(Prompt::SelectAccount);
    }
    if !authorization.acr_values.is_empty() {
        options = options.acr_values(authorization.acr_values.clone());
    }
    options
}

/// A waiting login, if it began in this browser.
async fn find_own(
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

async fn page_of(tx: &mut ReadTx, pending: &PendingLogin) -> Result<LoginPage, Fault> {
    let application = match pending.application_id {
        Some(id) => tx
            .find_application(id)
            .await?
            .map(|application| application.name),
        None => None,
    };
    let login_hint = match serde_json::from_value(pending.request.clone()) {
        Ok(Purpose::Authorize(authorization)) => authorization.login_hint,
        _ => None,
    };
    Ok(LoginPage {
        application,
        login_hint,
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

fn record_of(pending: &PendingLogin, connection: &Connection) -> NewLoginRecord {
    NewLoginRecord {
        organization_id: Some(connection.organization_id),
        connection_id: Some(connection.id),
        application_id: pending.application_id,
        ..NewLoginRecord::default()
    }
}

/// Users that a directory owns never sign in by password while another way in is active.
async fn find_password_user(
    tx: &mut ReadTx,
    connection: &Connection,
    user_name: &str,
) -> Result<Option<User>, Fault> {
    let federated = tx
        .list_connections(connection.organization_id)
        .await?
        .iter()
        .any(|other| {
            other.protocol != Protocol::Password && other.state == ConnectionState::Active
        });
    let mut users = tx
        .list_users_named(connection.organization_id, user_name)
        .await?;
    users.retain(|user| user.active && (user.directory_id.is_none() || !federated));
    Ok(match users.as_slice() {
        [user] => Some(user.clone()),
        // A name that two directories use means nobody.
        _ => None,
    })
}
