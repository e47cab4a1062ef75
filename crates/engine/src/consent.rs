//! What people let third-party applications learn about them (OpenID Connect Core §3.1.2.4).

use std::collections::BTreeSet;

use vestibule_core::{Secret, Timestamp, UserId, UserSessionId};
use vestibule_issuer::{
    authorize::{Answer, Authorization, AuthorizeError, AuthorizeErrorCode},
    scope::{Scope, ScopeValue},
};
use vestibule_store::{Application, Consent, ReadTx, WriteTx};

use crate::{
    Brand, Browser, Engine, Fault,
    authorize::{Granted, Limits, Purpose, find_active_application},
    login::{LoginStep, find_own},
};

/// What a person is asked.
#[derive(Debug, Clone)]
pub struct ConsentRequest {
    /// The application's name.
    pub application: String,
    /// The host to which the answer goes, for a name can be made up.
    pub host: String,
    /// The user name of the person.
    pub user_name: String,
    /// How the pages of their organization look, with its name.
    pub brand: Brand,
    /// The application's redirect URI, which the page's form leads to.
    pub returns_to: String,
    /// What the application asks for.
    pub scope: Scope,
    /// The names of further claims that it gets.
    pub claims: Vec<String>,
}

/// Whether the person has to be asked before the application learns about them.
pub(crate) async fn is_missing(
    tx: &mut ReadTx,
    application: &Application,
    authorization: &Authorization,
    user_id: UserId,
) -> Result<bool, Fault> {
    if !application.third_party {
        return Ok(false);
    }
    if authorization.prompt.wants_consent() {
        return Ok(true);
    }
    let given = tx.find_consent(user_id, application.id).await?;
    Ok(!given.is_some_and(|given| covers(&given, application, authorization.scope)))
}

fn covers(given: &Consent, application: &Application, scope: Scope) -> bool {
    scope_of(given).intersection(scope) == scope
        && application
            .claims
            .keys()
            .all(|claim| given.claims.contains(claim))
}

fn scope_of(given: &Consent) -> Scope {
    Scope::parse(&given.scope).unwrap_or_default()
}

impl Engine {
    /// Lets the request wait for the person, or refuses it where nobody may be asked.
    pub(crate) async fn ask_for_consent(
        &self,
        tx: &mut WriteTx,
        application: &Application,
        authorization: &Authorization,
        session_id: UserSessionId,
        browser: &[u8],
    ) -> Result<Granted, Fault> {
        if authorization.prompt.is_none() {
            let error = AuthorizeError::new(
                AuthorizeErrorCode::ConsentRequired,
                "the person has not allowed this yet",
            );
            let answer = authorization.reply.refuse(self.issuer(), &error);
            return Ok(Granted::Answer(answer));
        }
        let purpose = Purpose::Consent {
            authorization: Box::new(authorization.clone()),
            session_id,
        };
        let limits = Limits::default();
        self.add_pending_in(tx, &purpose, Some(application.id), limits, browser)
            .await
            .map(Granted::Consent)
    }

    /// What the person behind a sign-in of this browser is asked; none when the sign-in or the application is gone.
    pub(crate) async fn consent_request(
        &self,
        tx: &mut ReadTx,
        authorization: &Authorization,
        session_id: UserSessionId,
        browser: &Browser,
    ) -> Result<Option<ConsentRequest>, Fault> {
        let Some(application) = find_active_application(tx, &authorization.client_id).await? else {
            return Ok(None);
        };
        let Some(cookie) = browser.session(session_id) else {
            return Ok(None);
        };
        let Some(session) = tx
            .live_user_session(session_id, cookie.secret.hash())
            .await?
        else {
            return Ok(None);
        };
        let user = tx.user_of(&session).await?;
        let organization = tx.find_organization(session.organization_id).await?;
        let (Some(user), Some(organization)) = (user, organization) else {
            return Ok(None);
        };
        let place = url::Url::parse(authorization.reply.redirect_uri()).ok();
        Ok(Some(ConsentRequest {
            application: application.name,
            host: place
                .and_then(|place| Some(place.host_str()?.to_owned()))
                .unwrap_or_default(),
            user_name: user.user_name,
            brand: organization.into(),
            returns_to: authorization.reply.redirect_uri().to_owned(),
            scope: authorization.scope,
            claims: application.claims.keys().cloned().collect(),
        }))
    }

    /// The person said yes or no.
    pub async fn answer_consent(
        &self,
        handle: Secret,
        browser: Browser,
        allowed: bool,
        now: Timestamp,
    ) -> Result<LoginStep, Fault> {
        let mut tx = self.store().read(now).await?;
        let Some(pending) = find_own(&mut tx, &handle, &browser).await? else {
            return Ok(LoginStep::Gone);
        };
        let Purpose::Consent {
            authorization,
            session_id,
        } = Purpose::of(&pending)?
        else {
            return Ok(LoginStep::Gone);
        };
        drop(tx);
        let engine = self.clone();
        let answer = self
            .detached(async move {
                engine
                    .finish_consent(&handle, &browser, &authorization, session_id, allowed, now)
                    .await
            })
            .await?;
        Ok(answer.map_or(LoginStep::Gone, LoginStep::Answer))
    }

    async fn finish_consent(
        &self,
        handle: &Secret,
        browser: &Browser,
        authorization: &Authorization,
        session_id: UserSessionId,
        allowed: bool,
        now: Timestamp,
    ) -> Result<Option<Answer>, Fault> {
        let mut tx = self.store().write(now).await?;
        if tx.take_pending_login(handle.hash()).await?.is_none() {
            return Ok(None);
        }
        if !allowed {
            tx.commit().await?;
            let error = AuthorizeError::new(
                AuthorizeErrorCode::AccessDenied,
                "the person did not allow it",
            );
            return Ok(Some(authorization.reply.refuse(self.issuer(), &error)));
        }
        let Some(cookie) = browser.session(session_id) else {
            return Ok(None);
        };
        let application = find_active_application(&mut tx, &authorization.client_id).await?;
        let session = tx
            .hold_user_session(session_id, cookie.secret.hash())
            .await?;
        let (Some(application), Some(session)) = (application, session) else {
            return Ok(None);
        };
        let before = tx.find_consent(session.user_id, application.id).await?;
        let (scope, claims) = joined(before, &application, authorization.scope);
        tx.set_consent(session.user_id, application.id, &scope.to_string(), &claims)
            .await?;
        let answer = self
            .add_code(&mut tx, &application, authorization, &session)
            .await?;
        tx.commit().await?;
        Ok(Some(answer))
    }
}

/// What was allowed before and what is allowed now.
fn joined(
    before: Option<Consent>,
    application: &Application,
    scope: Scope,
) -> (Scope, Vec<String>) {
    let known = before.as_ref().map(scope_of).unwrap_or_default();
    let claims: BTreeSet<String> = before
        .into_iter()
        .flat_map(|before| before.claims)
        .chain(application.claims.keys().cloned())
        .collect();
    let scope = ScopeValue::ALL
        .into_iter()
        .filter(|value| scope.contains(*value))
        .fold(known, Scope::with);
    (scope, claims.into_iter().collect())
}
