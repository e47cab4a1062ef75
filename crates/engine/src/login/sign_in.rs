//! What follows when a login has proved somebody: the sign-in, and the answer to the application that waits.

use serde_json::{Value, json, value::RawValue};
use vestibule_core::{EventKind, LoginId, Policy, Protocol, SecretHash, Timestamp, UserSessionId};
use vestibule_issuer::authorize::Answer;
use vestibule_store::{Connection, Epochs, NewEvent, NewUserSession, PendingLogin, User, WriteTx};

use super::{LoginOutcome, record_of};
use crate::{
    Browser, Engine, Fault, LoginRefusal,
    authorize::{Granted, Purpose, find_active_application},
    browser::SessionCookie,
    ipsie,
    refusal::Actor,
};

/// A sign-in that has just begun.
#[derive(Debug)]
pub struct SignedIn {
    /// Every sign-in that the browser holds now, for its cookie.
    pub sessions: Vec<SessionCookie>,
    /// What the browser brings to the application; none when no application asked.
    pub answer: Option<Answer>,
}

/// What a login has proved, whatever the way.
pub(super) struct Proof {
    pub(super) user: Box<User>,
    pub(super) auth_time: Timestamp,
    pub(super) acr: String,
    pub(super) amr: Vec<String>,
    pub(super) upstream: Option<(String, String, Option<String>)>,
    /// The name identifier as a logout at the identity provider must name it.
    pub(super) upstream_name_id: Option<Value>,
    /// The ID token that a logout at the provider names; only where the connection logs out there.
    pub(super) logout_hint: Option<vestibule_oidc::Secret>,
    pub(super) session_expiry: Option<Timestamp>,
    /// The epochs of the answer that the sign-in comes from; none when the user was found in this transaction.
    pub(super) epochs: Option<Epochs>,
    /// What came and how it was judged.
    pub(super) report: Option<Box<RawValue>>,
}

/// Somebody whom nothing may be issued to any more.
pub(super) fn deactivated() -> LoginRefusal {
    LoginRefusal::new(
        "deactivated",
        "your account is deactivated",
        Actor::Directory,
        "activate the account in the directory if the person should have access",
    )
}

/// The way in was changed between the question and the answer.
pub(super) fn connection_changed() -> LoginRefusal {
    LoginRefusal::new(
        "connection_changed",
        "this way of signing in was changed while you were signing in",
        Actor::Person,
        "go back to the application and sign in again",
    )
}

/// Raises the alarm where somebody came in past the organization's identity provider.
async fn tell_break_glass(
    tx: &mut WriteTx,
    connection: &Connection,
    user: &User,
    (session_id, login_id): (UserSessionId, LoginId),
) -> Result<(), Fault> {
    if connection.protocol != Protocol::BreakGlass {
        return Ok(());
    }
    tx.push_event(NewEvent {
        kind: EventKind::BreakGlassUsed,
        organization_id: Some(connection.organization_id),
        user_id: Some(user.id),
        data: json!({
            "login_id": login_id, "session_id": session_id, "user_id": user.id, "user_name": user.user_name,
            "connection_id": connection.id,
        }),
    })
    .await?;
    Ok(())
}

impl Engine {
    /// Begins the sign-in, and answers the application that waits for it, in the transaction that found the user.
    pub(super) async fn sign_in(
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
        login.report = proof.report;
        let epochs = match proof.epochs {
            Some(epochs) => Some(epochs),
            None => tx.hold_login(proof.user.id, connection.id).await?,
        };
        let epochs = match epochs {
            // Judged by what the connection trusted when it was read; what it trusts now may be less.
            Some(epochs) if epochs.connection == connection.epoch => epochs,
            held => {
                let refusal = held.map_or_else(deactivated, |_| connection_changed());
                let refusal = self.record_refusal(tx, refusal, login).await?;
                return Ok(LoginOutcome::Refused(refusal));
            }
        };
        let policy = tx
            .find_organization(connection.organization_id)
            .await?
            .map_or_else(Policy::default, |organization| organization.policy);
        if let Some(refusal) = policy
            .ipsie
            // The login may have begun before the organization kept to it.
            .and_then(|_| ipsie::unfit(connection).or_else(|| ipsie::weak(&proof.acr, &proof.amr)))
        {
            let refusal = self.record_refusal(tx, refusal, login).await?;
            return Ok(LoginOutcome::Refused(refusal));
        }
        let latest = now.after(policy.session_max());
        let expires_at = proof
            .session_expiry
            .map_or(latest, |expiry| expiry.min(latest));
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
                upstream_name_id: proof.upstream_name_id,
                idle_seconds: policy.session_idle,
                expires_at,
            })
            .await?;
        if let Some(id_token) = &proof.logout_hint {
            let sealed = self.seal_logout_hint(id, id_token);
            tx.add_logout_hint(id, proof.user.id, &sealed, expires_at)
                .await?;
        }
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
        tell_break_glass(&mut tx, connection, &proof.user, (id, login_id)).await?;
        let answer = match self
            .answer_application(&mut tx, &pending, (id, secret.hash()))
            .await?
        {
            Ok(answer) => answer,
            Err(refusal) => {
                // No sign-in without an answer: that transaction is dropped, and the refusal gets its own.
                drop(tx);
                login.outcome = String::new();
                return self
                    .refuse_login(refusal, login, now)
                    .await
                    .map(LoginOutcome::Refused);
            }
        };
        tx.commit().await?;
        metrics::counter!("vestibule_logins_total", "outcome" => "succeeded", "fault" => "none")
            .increment(1);
        self.wake();
        Ok(LoginOutcome::SignedIn(SignedIn {
            sessions: browser.with_session(SessionCookie { id, secret }),
            answer,
        }))
    }

    async fn answer_application(
        &self,
        tx: &mut WriteTx,
        pending: &PendingLogin,
        (id, secret): (vestibule_core::UserSessionId, SecretHash),
    ) -> Result<Result<Option<Answer>, LoginRefusal>, Fault> {
        let purpose = Purpose::of(pending)?;
        if let Purpose::Visit { path } = &purpose {
            return Ok(Ok(self.own_url(path).map(Answer::Redirect)));
        }
        let Some(authorization) = purpose.authorization() else {
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
        let browser = &pending.browser_hash;
        let granted = self
            .grant(tx, &application, authorization, &session, browser)
            .await?;
        Ok(Ok(Some(match granted {
            Granted::Answer(answer) => answer,
            Granted::Consent(handle) => Answer::Redirect(self.login_url(&handle)),
        })))
    }
}
