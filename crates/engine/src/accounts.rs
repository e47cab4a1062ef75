//! Which of a browser's sign-ins answers an application, and the choice where several could.

use std::time::Duration;

use vestibule_core::{Secret, Timestamp, UserSessionId};
use vestibule_issuer::{
    authorize::{Authorization, Interaction, Prompt},
    id_token::IdTokenHint,
};
use vestibule_store::{Application, Live, PendingLogin, ReadTx, User, UserSession};

use crate::{
    Brand, Browser, Engine, Fault,
    authorize::{Granted, Limits, Purpose, find_active_application, is_strong_enough, to_request},
    browser::{SessionCookie, one_of_each_person},
    login::{LoginStep, find_own, page_of},
};

/// Sign-ins that satisfy a request.
pub(crate) enum Selection {
    /// None does.
    Nobody,
    /// This one answers.
    One(SessionCookie),
    /// The person has to choose: there are several, they are asked to, or the hint names somebody else.
    Several(Vec<(SessionCookie, Live<UserSession>, Option<User>)>),
}

/// Somebody who is signed in, as the chooser shows them.
#[derive(Debug, Clone)]
pub struct Account {
    /// The sign-in.
    pub session_id: UserSessionId,
    /// The user name.
    pub user_name: String,
    /// The display name, where there is one.
    pub display_name: Option<String>,
    /// The name of the organization.
    pub organization: String,
}

impl Engine {
    /// The browser's live sign-ins that satisfy a request, and whether one of them answers it unasked.
    pub(crate) async fn select(
        &self,
        tx: &mut ReadTx,
        browser: &Browser,
        application: &Application,
        authorization: &Authorization,
        limits: Limits,
    ) -> Result<Selection, Fault> {
        let candidates = self
            .candidates(tx, browser, application, authorization, limits)
            .await?;
        let prompt = authorization.prompt;
        let hint = authorization.login_hint.as_deref();
        match candidates.as_slice() {
            [] => return Ok(Selection::Nobody),
            [(cookie, _)] if hint.is_none() && !prompt.wants_account() => {
                return Ok(Selection::One(cookie.clone()));
            }
            _ => {}
        }
        let mut people = Vec::with_capacity(candidates.len());
        for (cookie, session) in candidates {
            let user = tx.user_of(&session).await?;
            people.push((cookie, session, user));
        }
        let named = hint.and_then(|hint| people.iter().find(|person| is_named(person, hint)));
        let answers = match (named, people.as_slice()) {
            _ if prompt.wants_account() => None,
            (Some((cookie, ..)), _) => Some(cookie),
            // A hint that is no address may be anything.
            (None, [(cookie, ..)]) if !hint.is_some_and(|hint| hint.contains('@')) => Some(cookie),
            _ => None,
        };
        Ok(match answers {
            Some(cookie) => Selection::One(cookie.clone()),
            None => Selection::Several(people),
        })
    }

    async fn candidates(
        &self,
        tx: &mut ReadTx,
        browser: &Browser,
        application: &Application,
        authorization: &Authorization,
        limits: Limits,
    ) -> Result<Vec<(SessionCookie, Live<UserSession>)>, Fault> {
        let now = tx.now();
        if authorization.prompt.wants_login() {
            return Ok(Vec::new());
        }
        let hinted = authorization
            .id_token_hint
            .as_deref()
            .map(|hint| IdTokenHint::verify(hint, &self.keys(), self.issuer()));
        let mut live = browser.live_sessions(tx).await?;
        live.retain(|(_, session)| {
            let young = authorization.max_age.is_none_or(|max_age| {
                max_age > 0
                    && now.since(session.auth_time) <= Duration::from_secs(u64::from(max_age))
            });
            let asked_for = match &hinted {
                None => true,
                Some(Ok(hint)) => hint.sub == session.user_id.to_string(),
                Some(Err(_)) => false,
            };
            // Core §3.1.2.1: a wish. Without a page nothing more can be done for it, so it is not held against a sign-in,
            // unless the application insists.
            let strong = is_strong_enough(authorization, session)
                || (authorization.prompt.is_none() && !application.require_acr);
            young
                && strong
                && asked_for
                && limits
                    .organization_id
                    .is_none_or(|id| id == session.organization_id)
                && limits
                    .connection_id
                    .is_none_or(|id| id == session.connection_id)
        });
        Ok(one_of_each_person(live))
    }

    /// The application that a login waits for, what it asks, and who could answer; none where nobody is to be chosen.
    async fn waiting(
        &self,
        tx: &mut ReadTx,
        pending: &PendingLogin,
        browser: &Browser,
    ) -> Result<Option<(Application, Box<Authorization>, Selection)>, Fault> {
        let Purpose::Authorize(authorization) = Purpose::of(pending)? else {
            return Ok(None);
        };
        let Some(application) = find_active_application(tx, &authorization.client_id).await? else {
            return Ok(None);
        };
        let limits = Limits {
            organization_id: pending.organization_id,
            connection_id: pending.connection_id,
        };
        let selection = self
            .select(tx, browser, &application, &authorization, limits)
            .await?;
        Ok(Some((application, authorization, selection)))
    }

    /// The people among whom the person at a waiting login has to choose; none when there is nothing to choose.
    pub(crate) async fn accounts(
        &self,
        tx: &mut ReadTx,
        pending: &PendingLogin,
        browser: &Browser,
    ) -> Result<Vec<Account>, Fault> {
        let waiting = self.waiting(tx, pending, browser).await?;
        let Some((_, _, Selection::Several(people))) = waiting else {
            return Ok(Vec::new());
        };
        let mut accounts = Vec::with_capacity(people.len());
        for (cookie, session, user) in people {
            let organization = tx.find_organization(session.organization_id).await?;
            let (Some(user), Some(organization)) = (user, organization) else {
                continue;
            };
            accounts.push(Account {
                session_id: cookie.id,
                display_name: user.display_name().map(str::to_owned),
                user_name: user.user_name,
                organization: Brand::from(organization).name,
            });
        }
        Ok(accounts)
    }

    /// The person chose one of the accounts that are signed in, or none of them.
    pub async fn choose_account(
        &self,
        handle: &Secret,
        browser: &Browser,
        account: Option<UserSessionId>,
        now: Timestamp,
    ) -> Result<LoginStep, Fault> {
        let mut tx = self.store().read(now).await?;
        let Some(pending) = find_own(&mut tx, handle, browser).await? else {
            return Ok(LoginStep::Gone);
        };
        let waiting = self.waiting(&mut tx, &pending, browser).await?;
        drop(tx);
        let Some((application, authorization, selection)) = waiting else {
            return Ok(LoginStep::Gone);
        };
        let (people, one) = match selection {
            Selection::Nobody => (Vec::new(), None),
            Selection::One(cookie) => (Vec::new(), Some(cookie)),
            Selection::Several(people) => (people, None),
        };
        let chosen = people
            .iter()
            .map(|(cookie, ..)| cookie)
            .chain(&one)
            .find(|cookie| Some(cookie.id) == account)
            .cloned();
        match (account, chosen) {
            (Some(_), Some(cookie)) => {
                let (engine, handle) = (self.clone(), handle.clone());
                self.detached(async move {
                    engine
                        .answer_as(&application, &authorization, &cookie, &handle, now)
                        .await
                })
                .await
            }
            // It ended meanwhile: those who are left, or the question who is there.
            (Some(_), None) => self.login_step(handle, browser, now).await,
            (None, _) => {
                let hint = authorization.login_hint.as_deref();
                let is_here =
                    hint.is_some_and(|hint| people.iter().any(|person| is_named(person, hint)));
                let purpose = as_another(authorization, is_here);
                let mut tx = self.store().write(now).await?;
                tx.set_pending_request(handle.hash(), &to_request(&purpose)?)
                    .await?;
                tx.commit().await?;
                self.login_step(handle, browser, now).await
            }
        }
    }

    async fn answer_as(
        &self,
        application: &Application,
        authorization: &Authorization,
        cookie: &SessionCookie,
        handle: &Secret,
        now: Timestamp,
    ) -> Result<LoginStep, Fault> {
        let mut tx = self.store().write(now).await?;
        let Some(pending) = tx.take_pending_login(handle.hash()).await? else {
            return Ok(LoginStep::Gone);
        };
        let Some(session) = tx
            .hold_user_session(cookie.id, cookie.secret.hash())
            .await?
        else {
            // Nothing is stored, so the login waits on.
            return Ok(LoginStep::Ask(page_of(&mut tx, &pending).await?));
        };
        let browser = &pending.browser_hash;
        let granted = self
            .grant(&mut tx, application, authorization, &session, browser)
            .await?;
        tx.touch_user_session(session.id).await?;
        tx.commit().await?;
        Ok(match granted {
            Granted::Answer(answer) => LoginStep::Answer(answer),
            Granted::Consent(consent) => LoginStep::Next(consent),
        })
    }
}

/// The same request for somebody else, whom the identity provider has to ask for, too.
///
/// `without_hint`: whether the hint names somebody who is not meant.
fn as_another(mut authorization: Box<Authorization>, without_hint: bool) -> Purpose {
    if without_hint {
        authorization.login_hint = None;
    }
    let interaction = match authorization.prompt {
        Prompt::Interactive(interaction) => interaction,
        Prompt::AsNeeded | Prompt::None => Interaction::default(),
    };
    authorization.prompt = Prompt::Interactive(Interaction {
        select_account: true,
        ..interaction
    });
    Purpose::AsAnother(authorization)
}

/// Whether a hint names this person: by the user name, an address, or the identity provider's own name.
fn is_named(
    (_, session, user): &(SessionCookie, Live<UserSession>, Option<User>),
    hint: &str,
) -> bool {
    let upstream = session.upstream.as_ref().map(|(_, subject, _)| subject);
    let of_user = user.iter().flat_map(|user| {
        let addresses = user
            .attributes
            .get("emails")
            .and_then(serde_json::Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|email| email.get("value")?.as_str());
        [Some(user.user_name.as_str()), user.email.as_deref()]
            .into_iter()
            .flatten()
            .chain(addresses)
    });
    of_user
        .chain(upstream.map(String::as_str))
        .any(|name| name.eq_ignore_ascii_case(hint.trim()))
}
