//! Sign-in through a customer's SAML identity provider.
//!
//! The answer comes by a form that another site posts, so the browser's cookie is not with it. It is verified, used up
//! and recorded there, and becomes an answer of ours: a secret in a redirect to our own host, where the cookie of the
//! browser that began the login arrives. In any other browser that secret is worth nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use vestibule_core::{ConnectionId, ConnectionState, Protocol, Secret, Timestamp};
use vestibule_saml::{
    AuthnRequest, Expected, MessageError, NameId, Report, Response, SigningKey, Verified, Warning,
};
use vestibule_store::{
    Connection, NewLoginAnswer, NewLoginRecord, PendingLogin, TakenAnswer, WriteTx,
};

use super::{
    LoginOutcome, LoginPage, LoginStep, record_of,
    sign_in::{Proof, deactivated},
};
use crate::{
    Browser, Engine, Fault, LoginRefusal, SamlSettings,
    authorize::{LoginBegun, Purpose},
    join::{self, Joined, Subject},
    refusal::Actor,
};

const UPSTREAM_PLACE: &str = "pending_logins.upstream";
const PROOF_PLACE: &str = "login_answers.proof";
/// From the identity provider's form to our own host is one redirect.
const ANSWER_TTL: Duration = Duration::from_secs(2 * 60);
/// The context class when the identity provider names none (OpenID Connect Core §2).
const UNKNOWN_ACR: &str = "0";
/// Entra's immutable object ID of a person.
const ENTRA_OBJECT_ID: &str = "http://schemas.microsoft.com/identity/claims/objectidentifier";
/// How far the identity provider's clock may be behind ours when it says how fresh a sign-in is.
const FRESHNESS_SKEW: i64 = 60;

/// What becomes of a response that was posted to the assertion consumer service.
#[derive(Debug)]
pub enum SamlAnswer {
    /// On to our own host, where the browser is recognised.
    Continue(String),
    /// Nobody asked: on to the application, which begins a login.
    Restart(String),
    /// Refused, and why.
    Refused(LoginRefusal),
    /// Nothing waits for it.
    Gone,
}

/// What a pending login remembers of its request.
#[derive(Debug, Serialize, Deserialize)]
struct Waiting {
    begun_at: i64,
    force_authn: bool,
    max_age: Option<u32>,
}

/// What a verified answer proves, while it waits for its browser.
#[derive(Debug, Serialize, Deserialize)]
struct Proven {
    auth_time: Timestamp,
    acr: String,
    amr: Vec<String>,
    issuer: String,
    session_index: Option<String>,
    session_expiry: Option<Timestamp>,
    name_id: StoredNameId,
    report: Value,
}

/// A name identifier as a sign-in keeps it, so that a logout can name the same one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredNameId {
    pub(crate) value: String,
    format: Option<String>,
    name_qualifier: Option<String>,
    sp_name_qualifier: Option<String>,
}

impl StoredNameId {
    fn of(name: &NameId) -> Self {
        Self {
            value: name.value.clone(),
            format: name.format.clone(),
            name_qualifier: name.name_qualifier.clone(),
            sp_name_qualifier: name.sp_name_qualifier.clone(),
        }
    }

    pub(crate) fn to_name_id(&self) -> NameId {
        NameId::new(self.value.clone(), self.format.as_deref())
            .qualified(self.name_qualifier.clone(), self.sp_name_qualifier.clone())
    }
}

impl Engine {
    pub(super) async fn begin_saml(
        &self,
        handle: &Secret,
        pending: &PendingLogin,
        connection: &Connection,
        page: &LoginPage,
        now: Timestamp,
    ) -> Result<LoginStep, Fault> {
        let settings = SamlSettings::of(connection)?;
        let mut tx = self.store().read(now).await?;
        let key = match settings.sign_requests {
            true => self.saml_signing_key(&mut tx, connection).await?,
            false => None,
        };
        drop(tx);
        let asked = Asked::of(pending, &settings);
        let waiting = Waiting {
            begun_at: now.unix_seconds(),
            force_authn: asked.force_authn,
            max_age: asked.max_age,
        };
        let step = match self.request(
            handle,
            connection,
            &settings,
            asked,
            page,
            key.as_ref(),
            now,
        ) {
            Ok(step) => step,
            Err(error) => {
                return self
                    .refuse_login(
                        incomplete(&error.to_string()),
                        record_of(pending, connection),
                        now,
                    )
                    .await
                    .map(LoginStep::Refused);
            }
        };
        let sealed = self.vault().seal(
            UPSTREAM_PLACE,
            &connection.id.to_string(),
            json!(waiting).to_string().as_bytes(),
        );
        let mut tx = self.store().write(now).await?;
        let waits = tx
            .set_pending_upstream(handle.hash(), connection.id, &sealed)
            .await?;
        tx.commit().await?;
        Ok(match waits {
            true => step,
            false => LoginStep::Gone,
        })
    }

    /// The request, by whichever binding the identity provider has.
    #[expect(
        clippy::too_many_arguments,
        reason = "what a request is made of, read in its one caller"
    )]
    fn request(
        &self,
        handle: &Secret,
        connection: &Connection,
        settings: &SamlSettings,
        asked: Asked,
        page: &LoginPage,
        key: Option<&SigningKey>,
        now: Timestamp,
    ) -> Result<LoginStep, MessageError> {
        let (destination, redirect) = match (&settings.sso_url, &settings.sso_post_url) {
            (Some(url), _) => (url, true),
            (None, Some(url)) => (url, false),
            (None, None) => return Err(MessageError::Address),
        };
        let ours = self.saml_addresses(connection.id);
        let mut request = AuthnRequest::new(
            request_id(handle),
            now.unix_seconds(),
            ours.sp_entity_id,
            destination,
            ours.acs_url,
        )?
        .authn_context(asked.classes)?;
        if asked.force_authn {
            request = request.force_authn();
        }
        if let Some(format) = &settings.name_id_format {
            request = request.name_id_format(format)?;
        }
        // The handle again: providers that lose it lose nothing, the answer names the request.
        let relay_state = Some(handle.expose());
        if !redirect {
            return Ok(LoginStep::Post(request.post_form(relay_state, key)?));
        }
        let mut url = request.redirect_url(relay_state, key)?;
        if let Some(hint) = &page.login_hint
            && destination.starts_with("https://login.microsoftonline.")
        {
            let hint: String = url::form_urlencoded::byte_serialize(hint.as_bytes()).collect();
            url = format!("{url}&login_hint={hint}");
        }
        Ok(LoginStep::Upstream(url))
    }

    /// A response was posted to the assertion consumer service.
    pub async fn receive_saml(
        &self,
        connection_id: ConnectionId,
        parameter: Secret,
        now: Timestamp,
    ) -> Result<SamlAnswer, Fault> {
        let engine = self.clone();
        self.detached(async move { engine.receive_saml_now(connection_id, parameter, now).await })
            .await
    }

    async fn receive_saml_now(
        &self,
        connection_id: ConnectionId,
        parameter: Secret,
        now: Timestamp,
    ) -> Result<SamlAnswer, Fault> {
        let mut tx = self.store().read(now).await?;
        let connection = tx.find_connection(connection_id).await?.filter(|found| {
            found.protocol == Protocol::Saml && found.state == ConnectionState::Active
        });
        let Some(connection) = connection else {
            return Ok(SamlAnswer::Gone);
        };
        let settings = SamlSettings::of(&connection)?;
        // Without a certificate nothing is read at all.
        let trust = match self.saml_trust(&mut tx, &connection, now).await? {
            Ok(trust) => trust,
            Err(error) => {
                drop(tx);
                return self
                    .refuse_response(&error, None, record(&connection), now)
                    .await;
            }
        };
        let response = match Response::decode(parameter.expose()) {
            Ok(response) => response,
            Err(error) => {
                drop(tx);
                return self
                    .refuse_response(&error, None, record(&connection), now)
                    .await;
            }
        };
        let handle = response.in_response_to().and_then(handle_of);
        let pending = match &handle {
            Some(handle) => tx
                .find_pending_login(handle.hash())
                .await?
                .filter(|pending| pending.connection_id == Some(connection.id)),
            None => None,
        };
        let past = match (&handle, &pending) {
            (Some(handle), None) => tx
                .find_past_login(handle.hash())
                .await?
                .filter(|past| past.connection_id == Some(connection.id)),
            _ => None,
        };
        drop(tx);
        if let Some(past) = past {
            let refusal = super::oidc::too_late();
            return self
                .refuse_login(refusal, record_of(&past, &connection), now)
                .await
                .map(SamlAnswer::Refused);
        }
        let expected = match (&pending, response.in_response_to()) {
            (Some(_), Some(id)) => Expected::answer_to(id),
            (None, None) if connection.allow_idp_initiated => Expected::unsolicited(),
            _ => Expected::default(),
        };
        let (verdict, report) = verify(trust, response, expected, now).await?;
        let report = report_value(&report, &verdict);
        match (verdict, handle, pending) {
            (Ok(verified), Some(handle), Some(pending)) => {
                let found = Received {
                    connection,
                    settings,
                    verified,
                    report,
                };
                self.accept(found, &handle, pending, now).await
            }
            (Ok(verified), ..) => self.restart(&connection, &verified, report, now).await,
            (Err(error), handle, pending) => {
                let login = pending.as_ref().map_or_else(
                    || record(&connection),
                    |pending| record_of(pending, &connection),
                );
                // The first answer uses the login up, good or bad.
                if let (Some(handle), Some(_)) = (handle, pending) {
                    let mut tx = self.store().write(now).await?;
                    tx.take_pending_login(handle.hash()).await?;
                    tx.commit().await?;
                }
                self.refuse_response(&error, Some(report), login, now).await
            }
        }
    }

    async fn refuse_response(
        &self,
        error: &vestibule_saml::Error,
        report: Option<Value>,
        login: NewLoginRecord,
        now: Timestamp,
    ) -> Result<SamlAnswer, Fault> {
        let login = NewLoginRecord { report, ..login };
        self.refuse_login(LoginRefusal::of_saml(error), login, now)
            .await
            .map(SamlAnswer::Refused)
    }

    /// Refuses what a connection received, of whatever kind, and records it.
    pub(crate) async fn refuse_saml(
        &self,
        error: &vestibule_saml::Error,
        connection: &Connection,
        now: Timestamp,
    ) -> Result<LoginRefusal, Fault> {
        self.refuse_login(LoginRefusal::of_saml(error), record(connection), now)
            .await
    }

    /// A verified answer to a login that waits: used up, remembered, joined and kept for its browser, in one transaction.
    async fn accept(
        &self,
        received: Received,
        handle: &Secret,
        pending: PendingLogin,
        now: Timestamp,
    ) -> Result<SamlAnswer, Fault> {
        let Received {
            connection,
            settings,
            verified,
            report,
        } = received;
        let mut login = record_of(&pending, &connection);
        login.report = Some(report.clone());
        let mut tx = self.store().write(now).await?;
        if tx.take_pending_login(handle.hash()).await?.is_none() {
            let refusal = super::oidc::too_late().record(&mut tx, login).await?;
            return self.refused(tx, refusal).await;
        }
        if !remember(&mut tx, &connection, &verified).await? {
            let refusal = replayed().record(&mut tx, login).await?;
            return self.refused(tx, refusal).await;
        }
        let waiting = self.open_waiting(&pending, &connection);
        if let Some(refusal) = waiting
            .as_ref()
            .and_then(|waiting| too_old(waiting, &verified, now))
        {
            let refusal = refusal.record(&mut tx, login).await?;
            return self.refused(tx, refusal).await;
        }
        let subject = match subject_of(&connection, &settings, &verified) {
            Ok(subject) => subject,
            Err(refusal) => {
                let refusal = refusal.record(&mut tx, login).await?;
                return self.refused(tx, refusal).await;
            }
        };
        let user = match join::join(&mut tx, &connection, &subject).await? {
            Joined::User(user) => user,
            Joined::Refused(refusal, user) => {
                login.user_id = user.map(|user| user.id);
                let refusal = refusal.record(&mut tx, login).await?;
                return self.refused(tx, refusal).await;
            }
        };
        let Some(epochs) = tx.hold_login(user.id, connection.id).await? else {
            login.user_id = Some(user.id);
            let refusal = deactivated().record(&mut tx, login).await?;
            return self.refused(tx, refusal).await;
        };
        let proven = Proven {
            auth_time: Timestamp::from_unix_seconds(verified.authn_instant).min(now),
            acr: verified
                .authn_context
                .clone()
                .unwrap_or_else(|| UNKNOWN_ACR.to_owned()),
            amr: amr_of(&verified),
            issuer: verified.issuer.clone(),
            session_index: verified.session_index.clone(),
            session_expiry: verified
                .session_not_on_or_after
                .map(Timestamp::from_unix_seconds),
            name_id: StoredNameId::of(&verified.name_id),
            report,
        };
        let sealed = self.vault().seal(
            PROOF_PLACE,
            &connection.id.to_string(),
            json!(proven).to_string().as_bytes(),
        );
        let answer = self.generator().token("");
        tx.add_login_answer(NewLoginAnswer {
            hash: answer.hash(),
            browser_hash: &pending.browser_hash,
            user_id: user.id,
            organization_id: connection.organization_id,
            connection_id: connection.id,
            application_id: pending.application_id,
            epochs,
            request: &pending.request,
            proof_sealed: &sealed,
            expires_at: now.after(ANSWER_TTL),
        })
        .await?;
        tx.commit().await?;
        self.wake();
        Ok(SamlAnswer::Continue(self.url(&format!(
            "/sso/saml/{}/finish?answer={}",
            connection.id,
            answer.expose()
        ))))
    }

    async fn refused(&self, tx: WriteTx, refusal: LoginRefusal) -> Result<SamlAnswer, Fault> {
        tx.commit().await?;
        self.wake();
        Ok(SamlAnswer::Refused(refusal))
    }

    fn open_waiting(&self, pending: &PendingLogin, connection: &Connection) -> Option<Waiting> {
        let clear = self.vault().unseal(
            UPSTREAM_PLACE,
            &connection.id.to_string(),
            pending.upstream_sealed.as_deref()?,
        )?;
        serde_json::from_slice(&clear).ok()
    }

    /// The browser is on our own host with a verified answer: the one that began the login is signed in.
    pub async fn finish_saml(
        &self,
        connection_id: ConnectionId,
        answer: Secret,
        browser: Browser,
        now: Timestamp,
    ) -> Result<LoginOutcome, Fault> {
        let engine = self.clone();
        self.detached(async move {
            engine
                .finish_saml_now(connection_id, &answer, &browser, now)
                .await
        })
        .await
    }

    async fn finish_saml_now(
        &self,
        connection_id: ConnectionId,
        answer: &Secret,
        browser: &Browser,
        now: Timestamp,
    ) -> Result<LoginOutcome, Fault> {
        let mut tx = self.store().write(now).await?;
        let (answer, live) = match tx.take_login_answer(answer.hash()).await? {
            TakenAnswer::Live(answer) => ((**answer).clone(), true),
            TakenAnswer::Dead(answer) => (*answer, false),
            TakenAnswer::Gone => return Ok(LoginOutcome::Gone),
        };
        let Some(connection) = tx.find_connection(answer.connection_id).await? else {
            tx.commit().await?;
            return Ok(LoginOutcome::Gone);
        };
        let proven: Option<Proven> = self
            .vault()
            .unseal(
                PROOF_PLACE,
                &connection.id.to_string(),
                &answer.proof_sealed,
            )
            .and_then(|clear| serde_json::from_slice(&clear).ok());
        let (Some(proven), true) = (proven, connection.id == connection_id) else {
            tx.commit().await?;
            return Ok(LoginOutcome::Gone);
        };
        let pending = PendingLogin {
            browser_hash: answer.browser_hash,
            application_id: answer.application_id,
            organization_id: Some(answer.organization_id),
            connection_id: Some(connection.id),
            request: answer.request,
            upstream_sealed: None,
            expires_at: now,
        };
        let mut login = record_of(&pending, &connection);
        login.report = Some(proven.report.clone());
        let own = browser
            .handle_hash()
            .is_some_and(|hash| hash.is(&pending.browser_hash));
        let user = tx.find_user(answer.organization_id, answer.user_id).await?;
        let refusal = match (own, user.filter(|_| live)) {
            (false, _) => super::oidc::another_browser(),
            (true, None) => {
                login.user_id = Some(answer.user_id);
                deactivated()
            }
            (true, Some(user)) => {
                let proof = Proof {
                    user: Box::new(user),
                    auth_time: proven.auth_time,
                    acr: proven.acr,
                    amr: proven.amr,
                    upstream: Some((
                        proven.issuer,
                        proven.name_id.value.clone(),
                        proven.session_index,
                    )),
                    upstream_name_id: Some(json!(proven.name_id)),
                    session_expiry: proven.session_expiry,
                    epochs: Some(answer.epochs),
                    report: login.report,
                };
                return self.sign_in(tx, pending, &connection, proof, browser).await;
            }
        };
        let refusal = refusal.record(&mut tx, login).await?;
        tx.commit().await?;
        self.wake();
        Ok(LoginOutcome::Refused(refusal))
    }

    /// Nobody asked for this response: it is dropped, and the application is asked to begin (Core §4).
    async fn restart(
        &self,
        connection: &Connection,
        verified: &Verified,
        report: Value,
        now: Timestamp,
    ) -> Result<SamlAnswer, Fault> {
        let mut login = record(connection);
        login.report = Some(report);
        let mut tx = self.store().write(now).await?;
        if !remember(&mut tx, connection, verified).await? {
            let refusal = replayed().record(&mut tx, login).await?;
            return self.refused(tx, refusal).await;
        }
        let application = match connection.default_application_id {
            Some(id) => tx.find_application(id).await?.filter(|found| found.active),
            None => None,
        };
        login.application_id = application.as_ref().map(|application| application.id);
        let start = application.and_then(|application| application.initiate_login_uri);
        let Some(mut start) = start.and_then(|uri| url::Url::parse(&uri).ok()) else {
            let refusal = LoginRefusal::new(
                "no_default_application",
                "your identity provider began this sign-in, and no application is set up for that",
                Actor::Administrator,
                "set `default_application_id` on the connection to an application with an `initiate_login_uri`",
            );
            let refusal = refusal.record(&mut tx, login).await?;
            return self.refused(tx, refusal).await;
        };
        start
            .query_pairs_mut()
            .append_pair("iss", self.issuer().as_str())
            .append_pair("login_hint", &hint_of(verified));
        "restarted".clone_into(&mut login.outcome);
        tx.add_login(&login).await?;
        tx.commit().await?;
        self.wake();
        Ok(SamlAnswer::Restart(start.into()))
    }

    /// A link of the identity provider begins a login: at the default application, or here.
    pub async fn begin_saml_link(
        &self,
        connection_id: ConnectionId,
        browser: Browser,
        now: Timestamp,
    ) -> Result<Option<SamlLink>, Fault> {
        let mut tx = self.store().read(now).await?;
        let connection = tx.find_connection(connection_id).await?.filter(|found| {
            found.protocol == Protocol::Saml && found.state == ConnectionState::Active
        });
        let Some(connection) = connection else {
            return Ok(None);
        };
        let application = match connection.default_application_id {
            Some(id) => tx.find_application(id).await?.filter(|found| found.active),
            None => None,
        };
        drop(tx);
        let start = application
            .and_then(|application| application.initiate_login_uri)
            .and_then(|uri| url::Url::parse(&uri).ok());
        if let Some(mut start) = start {
            start
                .query_pairs_mut()
                .append_pair("iss", self.issuer().as_str());
            return Ok(Some(SamlLink::Application(start.into())));
        }
        let limits = crate::authorize::Limits {
            organization_id: Some(connection.organization_id),
            connection_id: Some(connection.id),
        };
        self.add_pending(Purpose::SignIn, None, limits, browser, now)
            .await
            .map(|begun| Some(SamlLink::Login(begun)))
    }
}

/// Where a link of the identity provider leads.
#[derive(Debug)]
pub enum SamlLink {
    /// To the application, which begins a login.
    Application(String),
    /// To our login page.
    Login(LoginBegun),
}

struct Received {
    connection: Connection,
    settings: SamlSettings,
    verified: Verified,
    report: Value,
}

/// What a request asks for beyond a sign-in.
struct Asked {
    force_authn: bool,
    max_age: Option<u32>,
    classes: Vec<String>,
}

impl Asked {
    fn of(pending: &PendingLogin, settings: &SamlSettings) -> Self {
        let mut asked = Self {
            force_authn: settings.force_authn,
            max_age: None,
            classes: settings.authn_context.clone(),
        };
        if let Ok(Purpose::Authorize(authorization)) =
            serde_json::from_value(pending.request.clone())
        {
            asked.max_age = authorization.max_age;
            asked.force_authn |=
                authorization.prompt.wants_login() || authorization.max_age == Some(0);
            // Only names of classes: an application's short words mean nothing to an identity provider.
            let classes = authorization
                .acr_values
                .iter()
                .filter(|value| value.contains(':'));
            if asked.classes.is_empty() {
                asked.classes = classes.cloned().collect();
            }
        }
        asked
    }
}

/// The request's ID is the login's handle: unguessable, and enough to find the login by.
fn request_id(handle: &Secret) -> String {
    format!("_{}", handle.expose())
}

fn handle_of(request_id: &str) -> Option<Secret> {
    request_id
        .strip_prefix('_')
        .filter(|handle| (32..=64).contains(&handle.len()))
        .map(Secret::new)
}

fn record(connection: &Connection) -> NewLoginRecord {
    NewLoginRecord {
        organization_id: Some(connection.organization_id),
        connection_id: Some(connection.id),
        ..NewLoginRecord::default()
    }
}

/// Verification takes a tenth of a millisecond; a response of a megabyte does not hold up a worker's other requests.
async fn verify(
    trust: vestibule_saml::Trust,
    response: Response,
    expected: Expected,
    now: Timestamp,
) -> Result<(Result<Verified, vestibule_saml::Error>, Report), Fault> {
    const LONG: usize = 100_000;
    if response.len() <= LONG {
        return Ok(trust.explain(&response, &expected, now.unix_seconds()));
    }
    tokio::task::spawn_blocking(move || trust.explain(&response, &expected, now.unix_seconds()))
        .await
        .map_err(|_| Fault::stopped())
}

async fn remember(
    tx: &mut WriteTx,
    connection: &Connection,
    verified: &Verified,
) -> Result<bool, Fault> {
    let message_id = format!("assertion:{}", verified.assertion_id);
    let until = Timestamp::from_unix_seconds(verified.remember_until);
    Ok(tx
        .remember_message(connection.id, &message_id, until)
        .await?)
}

fn replayed() -> LoginRefusal {
    LoginRefusal::new(
        "replayed",
        "this answer of your identity provider was used before",
        Actor::Person,
        "start again at the application; if you did not repeat anything, tell your IT team",
    )
    .compared("an assertion that was never used", "one that was")
}

fn incomplete(reason: &str) -> LoginRefusal {
    LoginRefusal::new(
        "settings",
        "this way of signing in is not set up completely",
        Actor::Administrator,
        "import the identity provider's metadata again",
    )
    .compared("complete settings", reason)
}

/// A sign-in at the identity provider that is older than what was asked for.
fn too_old(waiting: &Waiting, verified: &Verified, now: Timestamp) -> Option<LoginRefusal> {
    let oldest = match (waiting.force_authn, waiting.max_age) {
        (true, _) => waiting.begun_at,
        (false, Some(max_age)) => now.unix_seconds() - i64::from(max_age),
        (false, None) => return None,
    };
    (verified.authn_instant < oldest - FRESHNESS_SKEW).then(|| {
        LoginRefusal::new(
            "authentication_too_old",
            "your sign-in at the identity provider is too old",
            Actor::IdentityProvider,
            "let the identity provider honor ForceAuthn for this application",
        )
        .compared(
            format!(
                "a sign-in at or after {}",
                Timestamp::from_unix_seconds(oldest)
            ),
            format!(
                "one at {}",
                Timestamp::from_unix_seconds(verified.authn_instant)
            ),
        )
    })
}

/// Whom the response vouches for, in the words of the join.
fn subject_of(
    connection: &Connection,
    settings: &SamlSettings,
    verified: &Verified,
) -> Result<Subject, LoginRefusal> {
    if verified.name_id.is_transient() && connection.join_claim.as_deref() == Some("name_id") {
        return Err(LoginRefusal::new(
            "transient_name_id",
            "your identity provider gives you another name at every sign-in",
            Actor::Administrator,
            "configure a persistent or e-mail NameID at the identity provider, or join on an attribute (`attribute:NAME`)",
        )
        .compared("a NameID that stays", "a transient one"));
    }
    let mut claims = Map::new();
    for attribute in &verified.attributes {
        let value = match attribute.values.as_slice() {
            [only] => Value::String(only.clone()),
            several => json!(several),
        };
        if let Some(friendly) = &attribute.friendly_name {
            claims
                .entry(friendly.clone())
                .or_insert_with(|| value.clone());
        }
        claims.insert(attribute.name.clone(), value);
    }
    for (claim, names) in WELL_KNOWN {
        let known = names.iter().find_map(|name| claims.get(*name).cloned());
        if let Some(value) = known {
            claims.entry((*claim).to_owned()).or_insert(value);
        }
    }
    if verified.name_id.format.as_deref() == Some(EMAIL_FORMAT) {
        claims
            .entry("email")
            .or_insert_with(|| verified.name_id.value.clone().into());
    }
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let lasting = match &settings.subject_attribute {
        Some(name) => text(name),
        None if verified.name_id.is_persistent() => Some(verified.name_id.value.clone()),
        None => text(ENTRA_OBJECT_ID),
    };
    // Last, so that no attribute can pass for the subject.
    claims.insert("name_id".to_owned(), verified.name_id.value.clone().into());
    Ok(Subject {
        issuer: verified.issuer.clone(),
        lasting,
        claims,
    })
}

const EMAIL_FORMAT: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";

/// What products call the same thing, by the name that the join and just-in-time accounts use.
const WELL_KNOWN: &[(&str, &[&str])] = &[
    ("oid", &[ENTRA_OBJECT_ID]),
    (
        "email",
        &[
            "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
            "urn:oid:0.9.2342.19200300.100.1.3",
            "mail",
        ],
    ),
    (
        "given_name",
        &[
            "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname",
            "urn:oid:2.5.4.42",
            "givenName",
            "firstName",
        ],
    ),
    (
        "family_name",
        &[
            "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname",
            "urn:oid:2.5.4.4",
            "sn",
            "surname",
            "lastName",
        ],
    ),
    (
        "name",
        &[
            "http://schemas.microsoft.com/identity/claims/displayname",
            "urn:oid:2.16.840.1.113730.3.1.241",
            "displayName",
        ],
    ),
];

/// How the person signed in, in the words of RFC 8176.
fn amr_of(verified: &Verified) -> Vec<String> {
    let class = verified.authn_context.as_deref().unwrap_or_default();
    let from_class = match class.rsplit([':', '/']).next().unwrap_or_default() {
        "Password" | "PasswordProtectedTransport" => Some("pwd"),
        "mfa" | "multipleauthn" | "MultiFactor" | "MultiFactorContract" => Some("mfa"),
        "X509" | "TLSClient" | "Smartcard" | "SmartcardPKI" => Some("sc"),
        "Kerberos" | "windows" => Some("wia"),
        "TimeSyncToken" => Some("otp"),
        _ => None,
    };
    let references = verified
        .attributes
        .iter()
        .filter(|attribute| {
            attribute.name == "http://schemas.microsoft.com/claims/authnmethodsreferences"
        })
        .flat_map(|attribute| &attribute.values)
        .filter_map(|value| match value.rsplit(['/', ':']).next()? {
            "password" => Some("pwd"),
            "multipleauthn" => Some("mfa"),
            "x509" => Some("sc"),
            "windows" => Some("wia"),
            _ => None,
        });
    let mut amr: Vec<String> = Vec::new();
    for method in from_class.into_iter().chain(references) {
        if !amr.iter().any(|known| known == method) {
            amr.push(method.to_owned());
        }
    }
    amr
}

/// Whom the application should expect: an address if there is one.
fn hint_of(verified: &Verified) -> String {
    let name = &verified.name_id.value;
    if name.contains('@') {
        return name.clone();
    }
    let address = verified.attributes.iter().find_map(|attribute| {
        let names = WELL_KNOWN.iter().find(|(claim, _)| *claim == "email")?.1;
        names
            .iter()
            .chain(&["email"])
            .any(|known| *known == attribute.name)
            .then(|| attribute.values.first().cloned())
            .flatten()
    });
    address.unwrap_or_else(|| name.clone())
}

/// What came and how it was judged, for the record of the login; redacted by the crate that read it.
fn report_value(report: &Report, verdict: &Result<Verified, vestibule_saml::Error>) -> Value {
    let facts: Vec<Value> = report
        .facts
        .iter()
        .map(|fact| json!({ "place": fact.place, "value": fact.value }))
        .collect();
    let held: Vec<Value> = report
        .held
        .iter()
        .map(|(rule, found)| json!({ "rule": rule.as_str(), "found": found }))
        .collect();
    let mut value = json!({ "facts": facts, "held": held });
    let broken = report.refusal.as_ref().map(|error| {
        json!({
            "rule": error.rule().as_str(), "wanted": error.wanted(), "got": error.got(), "remedy": error.remedy(),
        })
    });
    let warnings: Vec<String> = verdict
        .as_ref()
        .map(|verified| {
            let text = |warning: &Warning| match warning {
                Warning::ExpiredCertificate { not_after } => format!(
                    "the certificate that signed expired at {}; its key is still trusted",
                    Timestamp::from_unix_seconds(*not_after)
                ),
                _ => "a signature uses SHA-1, which the connection allows".to_owned(),
            };
            verified.warnings.iter().map(text).collect()
        })
        .unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("broken".to_owned(), json!(broken));
        object.insert("warnings".to_owned(), json!(warnings));
    }
    value
}
