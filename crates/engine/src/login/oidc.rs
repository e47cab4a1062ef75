//! Sign-in through a customer's OpenID Provider: off to it, and back.

use vestibule_core::{ConnectionId, ConnectionState, Domain, Secret, Timestamp, email_domain};
use vestibule_oidc::{
    Authentication, BeginOptions, Begun, Callback, ConnectionSettings, Pending, Prompt,
    ProviderKind,
};
use vestibule_store::{Connection, NewLoginRecord, PendingLogin};

use super::{
    LoginOutcome, LoginPage, LoginStep,
    oidc_logout::{is_over, is_over_for},
    record_of,
    sign_in::Proof,
};
use crate::{
    Browser, Engine, Fault, LoginRefusal,
    authorize::Purpose,
    join::{self, Joined, Subject},
    outbound::Class,
    refusal::Actor,
    signals::member,
    upstream::OidcSettings,
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
        let begun = match self.oidc_connection(connection, now).await? {
            Ok(provider) => {
                let options = self
                    .options(&provider, pending, connection, page, now)
                    .await?;
                self.begin_at(&provider, handle, &options, now).await
            }
            Err(error) => Err(error),
        };
        let begun = match begun {
            Ok(begun) => begun,
            Err(error) => {
                self.oidc_metadata().forget_after(connection.id, &error);
                let refusal = LoginRefusal::of_provider(&error);
                let refusal = self
                    .refuse_login(refusal, record_of(pending, connection), now)
                    .await?;
                // This login still waits, so another try goes on with it.
                return Ok(LoginStep::Refused(match refusal.may_be_tried_again() {
                    true => refusal.with_another_try(handle.clone()),
                    false => refusal,
                }));
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

    /// Begins a login at a provider, and hands its request in beforehand where the provider takes it.
    async fn begin_at(
        &self,
        provider: &vestibule_oidc::Connection,
        handle: &Secret,
        options: &BeginOptions,
        now: Timestamp,
    ) -> Result<Begun, vestibule_oidc::Error> {
        let (entropy, seconds) = (self.generator().bytes(), now.unix_seconds());
        let begun = provider.begin(handle.expose(), &entropy, options, seconds)?;
        let client = self.outbound().for_oidc(Class::Customer);
        provider.push(begun, &client, seconds).await
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
                (Some(past), Some(connection)) if past.connection_id == Some(connection.id) => {
                    let refusal = self
                        .refuse_login(too_late(), record_of(&past, &connection), now)
                        .await?;
                    let own = browser
                        .handle_hash()
                        .is_some_and(|hash| hash.is(&past.browser_hash));
                    Ok(LoginOutcome::Refused(match own {
                        true => {
                            self.offer_another_try(refusal, &past, &connection, now)
                                .await?
                        }
                        false => refusal,
                    }))
                }
                // Nobody began it here: there is nobody to write a record for.
                _ => Ok(LoginOutcome::Gone),
            };
        };
        if !browser
            .handle_hash()
            .is_some_and(|hash| hash.is(&pending.browser_hash))
        {
            return self
                .refuse_login(another_browser(), record_of(&pending, &connection), now)
                .await
                .map(LoginOutcome::Refused);
        }
        let used = pending.clone();
        let outcome = self
            .finish_own(pending, connection.clone(), &callback, &browser, now)
            .await?;
        Ok(match outcome {
            LoginOutcome::Refused(refusal) => LoginOutcome::Refused(
                self.offer_another_try(refusal, &used, &connection, now)
                    .await?,
            ),
            outcome => outcome,
        })
    }

    /// Goes on with a login that has just been used up by the browser that began it.
    async fn finish_own(
        &self,
        pending: PendingLogin,
        connection: Connection,
        callback: &Callback,
        browser: &Browser,
        now: Timestamp,
    ) -> Result<LoginOutcome, Fault> {
        if pending.connection_id != Some(connection.id)
            || connection.state != ConnectionState::Active
        {
            return Ok(LoginOutcome::Gone);
        }
        let Some(waiting) = self.open_upstream(&pending, &connection) else {
            return Ok(LoginOutcome::Gone);
        };
        let answered = self
            .ask_provider(&connection, &waiting, callback, now)
            .await?;
        match answered {
            Ok(authentication) => {
                let answer = (authentication, waiting.begun_at());
                self.finish_with(pending, connection, answer, browser, now)
                    .await
            }
            Err(error) => {
                self.oidc_metadata().forget_after(connection.id, &error);
                let login = record_of(&pending, &connection);
                self.refuse_login(LoginRefusal::of_provider(&error), login, now)
                    .await
                    .map(LoginOutcome::Refused)
            }
        }
    }

    /// What this login asks of the provider.
    async fn options(
        &self,
        provider: &vestibule_oidc::Connection,
        pending: &PendingLogin,
        connection: &Connection,
        page: &LoginPage,
        now: Timestamp,
    ) -> Result<BeginOptions, Fault> {
        let mut options = BeginOptions::new();
        if let Some(hint) = &page.login_hint {
            options = options.login_hint(hint);
        }
        let purpose = Purpose::of(pending)?;
        let asked = purpose.authorization();
        let hinted = asked
            .and_then(|asked| asked.domain_hint.clone())
            .or_else(|| page.login_hint.as_deref().and_then(email_domain));
        let hinted = hinted.and_then(|domain| domain.parse::<Domain>().ok());
        if let Some(domain) = hinted {
            let mut tx = self.store().read(now).await?;
            // Only a domain of theirs helps, and nothing else is told to anybody.
            if tx
                .has_verified_domain(connection.organization_id, domain.as_str())
                .await?
            {
                options = options.domain_hint(domain.as_str());
            }
        }
        if provider.settings().provider == ProviderKind::Google {
            options = of_google(options, provider.settings());
        }
        let Some(asked) = asked else {
            return Ok(options);
        };
        if let Some(max_age) = asked.max_age {
            options = options.max_age(max_age);
        }
        if asked.prompt.wants_login() || asked.max_age == Some(0) {
            options = options.prompt(Prompt::Login);
        } else if asked.prompt.wants_account() {
            options = options.prompt(Prompt::SelectAccount);
        }
        if !asked.acr_values.is_empty() {
            options = options.acr_values(asked.acr_values.clone());
        }
        Ok(options)
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
    ) -> Result<Result<Authentication, vestibule_oidc::Error>, Fault> {
        let provider = match self.oidc_connection(connection, now).await? {
            Ok(provider) => provider,
            Err(error) => return Ok(Err(error)),
        };
        let client = self.outbound().for_oidc(Class::Customer);
        Ok(provider
            .finish(waiting, callback, &client, now.unix_seconds())
            .await)
    }

    async fn finish_with(
        &self,
        pending: PendingLogin,
        connection: Connection,
        (authentication, begun_at): (Authentication, i64),
        browser: &Browser,
        now: Timestamp,
    ) -> Result<LoginOutcome, Fault> {
        let settings = OidcSettings::of(&connection)?;
        let subject = Subject {
            issuer: authentication.issuer.clone(),
            lasting: lasting_subject(settings.kind(), &authentication),
            claims: authentication.claims.clone(),
        };
        let mut tx = self.store().write(now).await?;
        let mut login = record_of(&pending, &connection);
        // Before anything else is held: from here on a logout token for this person waits until the sign-in is stored.
        if is_over(&mut tx, connection.id, &authentication, begun_at).await? {
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
        // A signal may name the person in its own way: now that we know whom it means, the login waits for it too.
        let proved_at = authentication.auth_time.unwrap_or(authentication.issued_at);
        let times = (proved_at, begun_at);
        if is_over_for(&mut tx, connection.id, &member(user.id), times).await? {
            login.user_id = Some(user.id);
            let refusal = session_over().record(&mut tx, login).await?;
            tx.commit().await?;
            self.wake();
            return Ok(LoginOutcome::Refused(refusal));
        }
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
            logout_hint: settings
                .logout_at_provider
                .then_some(authentication.id_token),
            session_expiry: authentication
                .session_expiry
                .map(Timestamp::from_unix_seconds),
            epochs: None,
            report: None,
        };
        self.sign_in(tx, pending, &connection, proof, browser).await
    }
}

/// Google is told which accounts to offer; with several domains and no hint, any of an organization's.
fn of_google(mut options: BeginOptions, settings: &ConnectionSettings) -> BeginOptions {
    let accepted = settings
        .required_claims
        .iter()
        .find(|(claim, _)| claim == "hd");
    let accepted = accepted.map_or(&[][..], |(_, domains)| domains);
    let hosted = match (options.domain_hint.take(), accepted) {
        (Some(domain), _) if accepted.contains(&domain) => domain,
        (_, [only]) => only.clone(),
        _ => "*".to_owned(),
    };
    options.hosted_domain(hosted)
}

/// What names the person for good: Entra's `sub` is another one for every client, its `oid` is not.
fn lasting_subject(kind: ProviderKind, authentication: &Authentication) -> Option<String> {
    match kind {
        ProviderKind::Entra => authentication.oid().map(str::to_owned),
        _ => Some(authentication.subject.clone()),
    }
}

/// The provider signed the person out while this login was on its way.
pub(super) fn session_over() -> LoginRefusal {
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
