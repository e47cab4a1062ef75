//! Sign-in through a customer's SAML identity provider.
//!
//! The answer comes by a form that another site posts, so the browser's cookie is not with it. It is verified, used up
//! and recorded there, and becomes an answer of ours: a secret in a redirect to our own host, where the cookie of the
//! browser that began the login arrives. In any other browser that secret is worth nothing.

mod begin;
mod report;
mod subject;
mod unasked;
mod verify;

use std::{net::IpAddr, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{json, value::RawValue};
use vestibule_core::{ConnectionId, ConnectionState, Protocol, Secret, SecretHash, Timestamp};
use vestibule_saml::{Expected, Response, Rule, Verified};
use vestibule_store::{
    Connection, NewLoginAnswer, NewLoginRecord, PendingLogin, ReadTx, TakenAnswer, WriteTx,
};

use super::{
    LoginOutcome,
    oidc_logout::is_over_for,
    record_at, record_of,
    sign_in::{Proof, connection_changed, deactivated},
};
use crate::{
    Browser, Engine, Fault, LoginRefusal, SamlSettings,
    join::{self, Joined},
    refusal::Actor,
    signals::member,
};

use subject::{amr_of, subject_of};

pub(crate) use subject::StoredNameId;
pub use verify::SamlVerifier;

const UPSTREAM_PLACE: &str = "pending_logins.upstream";
const PROOF_PLACE: &str = "login_answers.proof";
/// From the identity provider's form to our own host is one redirect.
const ANSWER_TTL: Duration = Duration::from_secs(2 * 60);
/// The context class when the identity provider names none (OpenID Connect Core §2).
const UNKNOWN_ACR: &str = "0";
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
    /// Refused, without a record and without a reason: this address had too many.
    TooMany,
    /// Nothing waits for it.
    Gone,
}

/// A response as it came.
#[derive(Debug)]
pub struct PostedResponse {
    /// The connection of the address that it came to.
    pub connection_id: ConnectionId,
    /// The parameter `SAMLResponse`.
    pub response: Secret,
    /// Where the browser is.
    pub address: IpAddr,
}

/// What a pending login remembers of its request.
#[derive(Debug, Serialize, Deserialize)]
struct Outgoing {
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
    report: Box<RawValue>,
}

impl Engine {
    /// A response was posted to the assertion consumer service.
    pub async fn receive_saml(
        &self,
        posted: PostedResponse,
        now: Timestamp,
    ) -> Result<SamlAnswer, Fault> {
        let engine = self.clone();
        self.detached(async move { engine.receive_saml_now(posted, now).await })
            .await
    }

    async fn receive_saml_now(
        &self,
        posted: PostedResponse,
        now: Timestamp,
    ) -> Result<SamlAnswer, Fault> {
        let mut tx = self.store().read(now).await?;
        let connection = tx.find_connection(posted.connection_id).await?;
        let Some(connection) = connection.filter(|found| {
            found.protocol == Protocol::Saml && found.state == ConnectionState::Active
        }) else {
            return Ok(SamlAnswer::Gone);
        };
        // Without a certificate nothing is read at all.
        let trust = self.saml_trust(&mut tx, &connection, now).await?;
        let read = trust.and_then(|trust| Ok((trust, Response::decode(posted.response.expose())?)));
        let (trust, response) = match read {
            Ok(read) => read,
            Err(error) => {
                drop(tx);
                let tx = self.store().write(now).await?;
                let login = record_at(&connection);
                return self
                    .refuse_response(tx, &error, login, posted.address)
                    .await;
            }
        };
        let trust = match response.may_be_encrypted() {
            true => trust.decryption_keys(self.saml_decryption_keys(&mut tx, &connection).await?),
            false => trust,
        };
        let waiting = Waiting::find(&mut tx, &connection, &response).await?;
        drop(tx);
        let expected = match (&waiting, response.in_response_to()) {
            (Waiting::Over(_), _) if !self.limits().admits_provider_refusal(posted.address) => {
                return Ok(SamlAnswer::TooMany);
            }
            (Waiting::Over(past), _) => {
                let login = record_of(past, &connection);
                let refusal = self.refuse_login(super::oidc::too_late(), login, now);
                return refusal.await.map(SamlAnswer::Refused);
            }
            (Waiting::Yes(..), Some(id)) => Expected::answer_to(id),
            (Waiting::No, None) if connection.allow_idp_initiated => Expected::unsolicited(),
            _ => Expected::default(),
        };
        let verifier = self.settings().saml_verifier;
        let (verdict, report) = verify::verify(verifier, (trust, response), expected, now).await?;
        let report = report::document(&report, &verdict)?;
        match (verdict, waiting) {
            (Ok(verified), Waiting::Yes(handle, pending)) => {
                let received = Received {
                    settings: SamlSettings::of(&connection)?,
                    connection,
                    verified,
                    report,
                };
                let (connection, used) = (received.connection.clone(), (*pending).clone());
                match self.accept(received, &handle, *pending, now).await? {
                    SamlAnswer::Refused(refusal) => self
                        .offer_another_try(refusal, &used, &connection, now)
                        .await
                        .map(SamlAnswer::Refused),
                    answer => Ok(answer),
                }
            }
            (Ok(verified), _) => self.restart(&connection, &verified, report, now).await,
            (Err(error), waiting) => {
                let used = match waiting {
                    Waiting::Yes(handle, pending) => Some((handle, pending)),
                    Waiting::Over(_) | Waiting::No => None,
                };
                let mut login = used.as_ref().map_or_else(
                    || record_at(&connection),
                    |(_, pending)| record_of(pending, &connection),
                );
                login.report = Some(report);
                let mut tx = self.store().write(now).await?;
                // The first answer uses the login up, good or bad.
                if let Some((handle, _)) = used {
                    tx.take_pending_login(handle.hash()).await?;
                }
                self.refuse_response(tx, &error, login, posted.address)
                    .await
            }
        }
    }

    /// Refuses, records and explains; beyond so many a minute an address learns nothing, not even which rule it was.
    async fn refuse_response(
        &self,
        tx: WriteTx,
        error: &vestibule_saml::Error,
        login: NewLoginRecord,
        address: IpAddr,
    ) -> Result<SamlAnswer, Fault> {
        if !self.limits().admits_provider_refusal(address) {
            tx.commit().await?;
            return Ok(SamlAnswer::TooMany);
        }
        let recorded = self
            .record_refusal(tx, LoginRefusal::of_saml(error), login)
            .await?;
        // The record says what is wrong; the page must not tell whoever posted a ciphertext about its plaintext.
        Ok(SamlAnswer::Refused(match error.is_concealed() {
            true => LoginRefusal::of_saml(&Rule::Decryption.into()).recorded_as(recorded.reference),
            false => recorded,
        }))
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
            return self.refused(tx, super::oidc::too_late(), login).await;
        }
        if !remember(&mut tx, &connection, &verified).await? {
            return self.refused(tx, replayed(), login).await;
        }
        let Some(outgoing) = self.open_outgoing(&pending, &connection) else {
            tx.commit().await?;
            return Ok(SamlAnswer::Gone);
        };
        if let Some(refusal) = too_old(&outgoing, &verified, now) {
            return self.refused(tx, refusal, login).await;
        }
        let subject = match subject_of(&connection, &settings, &verified) {
            Ok(subject) => subject,
            Err(refusal) => return self.refused(tx, *refusal, login).await,
        };
        let user = match join::join(&mut tx, &connection, &subject).await? {
            Joined::User(user) => user,
            Joined::Refused(refusal, user) => {
                login.user_id = user.map(|user| user.id);
                return self.refused(tx, refusal, login).await;
            }
        };
        let times = (verified.authn_instant, outgoing.begun_at);
        if is_over_for(&mut tx, connection.id, &member(user.id), times).await? {
            login.user_id = Some(user.id);
            return self.refused(tx, super::oidc::session_over(), login).await;
        }
        let epochs = match tx.hold_login(user.id, connection.id).await? {
            // Judged by what the connection trusted then; what it trusts now may be less.
            Some(epochs) if epochs.connection == connection.epoch => epochs,
            held => {
                login.user_id = Some(user.id);
                let refusal = held.map_or_else(deactivated, |_| connection_changed());
                return self.refused(tx, refusal, login).await;
            }
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
        let answer = self.generator().token("");
        let written = serde_json::to_vec(&proven)
            .map_err(|_| Fault::internal("a verified answer cannot be written"))?;
        let sealed = self
            .vault()
            .seal(PROOF_PLACE, &row_of(answer.hash()), &written);
        tx.add_login_answer(NewLoginAnswer {
            hash: answer.hash(),
            browser_hash: &pending.browser_hash,
            user_id: user.id,
            organization_id: connection.organization_id,
            connection_id: connection.id,
            application_id: pending.application_id,
            epochs,
            request: &pending.request,
            upstream: (
                &proven.issuer,
                &proven.name_id.value,
                proven.session_index.as_deref(),
            ),
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

    async fn refused(
        &self,
        tx: WriteTx,
        refusal: LoginRefusal,
        login: NewLoginRecord,
    ) -> Result<SamlAnswer, Fault> {
        self.record_refusal(tx, refusal, login)
            .await
            .map(SamlAnswer::Refused)
    }

    fn open_outgoing(&self, pending: &PendingLogin, connection: &Connection) -> Option<Outgoing> {
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
        let row = row_of(answer.hash());
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
            .unseal(PROOF_PLACE, &row, &answer.proof_sealed)
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
                match answer.ended_at {
                    Some(_) => ended_upstream(),
                    None => deactivated(),
                }
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
                    logout_hint: None,
                    session_expiry: proven.session_expiry,
                    epochs: Some(answer.epochs),
                    report: login.report,
                };
                return self.sign_in(tx, pending, &connection, proof, browser).await;
            }
        };
        self.record_refusal(tx, refusal, login)
            .await
            .map(LoginOutcome::Refused)
    }
}

struct Received {
    connection: Connection,
    settings: SamlSettings,
    verified: Verified,
    report: Box<RawValue>,
}

/// The login that a response says it answers, if it began at this connection.
enum Waiting {
    Yes(Secret, Box<PendingLogin>),
    Over(Box<PendingLogin>),
    No,
}

impl Waiting {
    async fn find(
        tx: &mut ReadTx,
        connection: &Connection,
        response: &Response,
    ) -> Result<Self, Fault> {
        // A request went out for it: a login that only names the connection waits for no response.
        let own = |found: &PendingLogin| {
            found.connection_id == Some(connection.id) && found.upstream_sealed.is_some()
        };
        let Some(handle) = response.in_response_to().and_then(handle_of) else {
            return Ok(Self::No);
        };
        if let Some(pending) = tx.find_pending_login(handle.hash()).await?.filter(own) {
            return Ok(Self::Yes(handle, Box::new(pending)));
        }
        let past = tx.find_past_login(handle.hash()).await?.filter(own);
        Ok(past.map_or(Self::No, |past| Self::Over(Box::new(past))))
    }
}

fn handle_of(request_id: &str) -> Option<Secret> {
    request_id
        .strip_prefix('_')
        .filter(|handle| (32..=64).contains(&handle.len()))
        .map(Secret::new)
}

/// The row that a proof is sealed to.
fn row_of(hash: SecretHash) -> String {
    URL_SAFE_NO_PAD.encode(hash.as_bytes())
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

fn ended_upstream() -> LoginRefusal {
    LoginRefusal::new(
        "ended_upstream",
        "your identity provider has ended this sign-in",
        Actor::Person,
        "start again at the application",
    )
    .compared(
        "a sign-in that goes on at the identity provider",
        "one that it ended before this page was reached",
    )
}

/// A sign-in at the identity provider that is older than what was asked for.
fn too_old(begun: &Outgoing, verified: &Verified, now: Timestamp) -> Option<LoginRefusal> {
    let oldest = match (begun.force_authn, begun.max_age) {
        (true, _) => begun.begun_at,
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
