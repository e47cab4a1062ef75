//! Sign-in through a customer's OpenID Provider: off to it, and back.

use vestibule_core::{ConnectionId, ConnectionState, Secret, Timestamp};
use vestibule_oidc::{BeginOptions, Callback, Pending, Prompt};
use vestibule_store::{Connection, NewLoginRecord, PendingLogin};

use super::{LoginOutcome, LoginPage, LoginStep, oidc_logout::is_over, record_of, sign_in::Proof};
use crate::{
    Browser, Engine, Fault, LoginRefusal,
    authorize::Purpose,
    join::{self, Joined, Subject},
    outbound::Class,
    refusal::Actor,
};

const UPSTREAM_PLACE: &str = "pending_logins.upstream";
/// The context class when the identity provider names none (OpenID Connect Core §2).
const UNKNOWN_ACR: &str = "0";

impl Engine {
    pub(super) async fn begin_oidc(
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
        let past = match &pending {
            Some(_) => None,
            None => {
                tx.find_past_login(Secret::new(callback.state()).hash())
                    .await?
            }
        };
        tx.commit().await?;
        let (Some(pending), Some(connection)) = (pending, connection.clone()) else {
            return match (past, connection) {
                (Some(past), Some(connection)) if past.connection_id == Some(connection.id) => self
                    .refuse_login(too_late(), record_of(&past, &connection), now)
                    .await
                    .map(LoginOutcome::Refused),
                // Nobody began it here: there is nobody to write a record for.
                _ => Ok(LoginOutcome::Gone),
            };
        };
        let login = record_of(&pending, &connection);
        if !browser
            .handle_hash()
            .is_some_and(|hash| hash.is(&pending.browser_hash))
        {
            return self
                .refuse_login(another_browser(), login, now)
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
        if is_over(&mut tx, connection.id, authentication.sid.as_deref()).await? {
            let refusal = session_over().record(&mut tx, login).await?;
            tx.commit().await?;
            self.wake();
            return Ok(LoginOutcome::Refused(refusal));
        }
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
            upstream_name_id: None,
            session_expiry: authentication
                .session_expiry
                .map(Timestamp::from_unix_seconds),
            epochs: None,
            report: None,
        };
        self.sign_in(tx, pending, &connection, proof, browser).await
    }
}

fn options(pending: &PendingLogin, page: &LoginPage) -> BeginOptions {
    let mut options = BeginOptions::new();
    if let Some(hint) = &page.login_hint {
        options = options.login_hint(hint);
    }
    let purpose = Purpose::of(pending);
    let Some(authorization) = purpose.as_ref().ok().and_then(Purpose::authorization) else {
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

/// The provider signed the person out while this login was on its way.
fn session_over() -> LoginRefusal {
    LoginRefusal::new(
        "provider_session_over",
        "your identity provider has signed you out",
        Actor::Person,
        "sign in again",
    )
}

/// The answer came back in a browser that did not ask.
pub(super) fn another_browser() -> LoginRefusal {
    LoginRefusal::new(
        "another_browser",
        "this sign-in began in another browser",
        Actor::Person,
        "start again in this browser; if you did not start a sign-in, close this page",
    )
}

/// The answer came after the login had been used up or had waited for too long.
pub(super) fn too_late() -> LoginRefusal {
    LoginRefusal::new(
        "login_over",
        "this sign-in is over",
        Actor::Person,
        "go back to the application and sign in again",
    )
    .compared(
        "the first answer, within fifteen minutes",
        "an answer to a sign-in that is over",
    )
}
