//! The authorization endpoint: a code from a live sign-in, or a login that begins.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use vestibule_core::{
    ApplicationId, ConnectionId, Domain, OrganizationId, Secret, SecretHash, Timestamp,
    UserSessionId,
};
use vestibule_issuer::{
    authorize::{
        Answer, Authorization, AuthorizeError, AuthorizeErrorCode, ClientRegistration, PageError,
        Refusal,
    },
    code::AuthorizationCode,
    params::Params,
    scope::ScopeValue,
};
use vestibule_store::{
    Application, Live, NewAppSession, PendingLogin, ReadTx, UserSession, WriteTx,
};

use crate::{Browser, Engine, Fault, accounts::Selection, browser::SessionCookie, consent, ipsie};

/// How long a person has for signing in.
const PENDING_TTL: Duration = Duration::from_secs(15 * 60);
/// How long a code is good (RFC 6749 §4.1.2, IPSIE SL1).
pub(crate) const CODE_TTL: Duration = Duration::from_secs(60);

/// What an authorization request leads to.
#[derive(Debug)]
pub enum AuthorizeOutcome {
    /// Back to the application, with a code or an error.
    Answer(Answer),
    /// The person has to sign in: to the login page with this handle.
    Login(LoginBegun),
    /// The request cannot be answered to anybody: show why.
    Page(PageError),
}

/// A login that waits, bound to a browser.
#[derive(Debug)]
pub struct LoginBegun {
    /// Names the login in the login page's URL.
    pub handle: Secret,
    /// The browser's handle, for its cookie.
    pub browser: Secret,
    /// The languages that the application wishes for, the best first.
    pub ui_locales: Vec<String>,
}

/// What a pending login remembers of why it began.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Purpose {
    /// To answer an application.
    Authorize(Box<Authorization>),
    /// To answer an application for somebody else than those who are signed in.
    AsAnother(Box<Authorization>),
    /// To ask somebody who is signed in what an application may learn.
    Consent {
        /// What the application asks.
        authorization: Box<Authorization>,
        /// The sign-in that will answer it.
        session_id: UserSessionId,
    },
    /// To sign in here, without an application.
    SignIn,
    /// To sign in on the way to a place on our own host, which a proxy guards.
    Visit {
        /// Its path and query, as [`Engine::own_url`] takes it.
        path: String,
    },
}

impl Purpose {
    /// Why a pending login began.
    pub(crate) fn of(pending: &PendingLogin) -> Result<Self, Fault> {
        serde_json::from_value(pending.request.clone())
            .map_err(|_| Fault::internal("a stored request cannot be read"))
    }

    /// What an application asks, where one waits.
    pub(crate) fn authorization(&self) -> Option<&Authorization> {
        match self {
            Self::Authorize(authorization)
            | Self::AsAnother(authorization)
            | Self::Consent { authorization, .. } => Some(authorization),
            Self::SignIn | Self::Visit { .. } => None,
        }
    }
}

/// What follows from a sign-in for an application.
pub(crate) enum Granted {
    /// An answer.
    Answer(Answer),
    /// The person has to be asked first, at the login page with this handle.
    Consent(Secret),
}

/// Whose sessions answer a request.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    pub(crate) organization_id: Option<OrganizationId>,
    pub(crate) connection_id: Option<ConnectionId>,
}

impl Engine {
    /// Answers an authorization request (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2).
    pub async fn authorize(
        &self,
        params: Params,
        browser: Browser,
        now: Timestamp,
    ) -> Result<AuthorizeOutcome, Fault> {
        let request = match self.request_of(params, now).await? {
            Ok(request) => request,
            Err(page) => return Ok(AuthorizeOutcome::Page(page)),
        };
        let mut tx = self.store().read(now).await?;
        let Some(application) = find_active_application(&mut tx, request.client_id()).await? else {
            return Ok(AuthorizeOutcome::Page(PageError::UnknownClient));
        };
        let registration = registration_of(&application);
        let authorization = match request.check(&registration) {
            Ok(authorization) => authorization,
            Err(Refusal::Page(page)) => return Ok(AuthorizeOutcome::Page(page)),
            Err(Refusal::Redirect { reply, error }) => {
                return Ok(AuthorizeOutcome::Answer(
                    reply.refuse(self.issuer(), &error),
                ));
            }
        };
        let limits = match self.limits_of(&mut tx, &authorization).await? {
            Ok(limits) => limits,
            Err(error) => return Ok(self.refuse(&authorization, &error)),
        };
        let selection = self
            .select(&mut tx, &browser, &application, &authorization, limits)
            .await?;
        drop(tx);
        let Selection::One(cookie) = selection else {
            return self
                .begin_login_for(authorization, &selection, browser, limits, now)
                .await;
        };
        let handle = self.handle_of(&browser);
        let (engine, granted, bound) = (self.clone(), authorization.clone(), handle.hash());
        let answer = self
            .detached(async move {
                engine
                    .answer_from_session(&application, &granted, &cookie, bound, now)
                    .await
            })
            .await?;
        Ok(match answer {
            Some(Granted::Answer(answer)) => AuthorizeOutcome::Answer(answer),
            Some(Granted::Consent(consent)) => AuthorizeOutcome::Login(LoginBegun {
                handle: consent,
                browser: handle,
                ui_locales: authorization.ui_locales,
            }),
            // It ended between the two reads.
            None => {
                self.begin_login_for(authorization, &Selection::Nobody, browser, limits, now)
                    .await?
            }
        })
    }

    /// Begins a sign-in that no application asked for; afterwards the person goes to `path` on our own host.
    ///
    /// Anything that is not a path of ours is left aside.
    pub async fn begin_sign_in(
        &self,
        path: Option<String>,
        organization_id: Option<OrganizationId>,
        browser: Browser,
        now: Timestamp,
    ) -> Result<LoginBegun, Fault> {
        let purpose = match path.filter(|path| self.own_url(path).is_some()) {
            Some(path) => Purpose::Visit { path },
            None => Purpose::SignIn,
        };
        let limits = Limits {
            organization_id,
            connection_id: None,
        };
        self.add_pending(purpose, None, limits, browser, now).await
    }

    /// The organization and connection that a request names; foreign or contradictory ones are refused.
    async fn limits_of(
        &self,
        tx: &mut ReadTx,
        authorization: &Authorization,
    ) -> Result<Result<Limits, AuthorizeError>, Fault> {
        let unknown = |what| {
            Ok(Err(AuthorizeError::new(
                AuthorizeErrorCode::InvalidRequest,
                what,
            )))
        };
        let mut limits = Limits::default();
        if let Some(text) = &authorization.organization {
            let Ok(id) = text.parse() else {
                return unknown("the organization is unknown");
            };
            match tx.find_organization(id).await? {
                Some(organization) if organization.active => limits.organization_id = Some(id),
                _ => return unknown("the organization is unknown"),
            }
        }
        if let Some(text) = &authorization.connection {
            let Ok(id) = text.parse() else {
                return unknown("the connection is unknown");
            };
            let Some(connection) = tx.find_connection(id).await? else {
                return unknown("the connection is unknown");
            };
            if limits
                .organization_id
                .is_some_and(|organization_id| organization_id != connection.organization_id)
            {
                return unknown("the connection belongs to another organization");
            }
            limits = Limits {
                organization_id: Some(connection.organization_id),
                connection_id: Some(id),
            };
        }
        if limits.organization_id.is_none()
            && let Some(domain) = authorization
                .domain_hint
                .as_deref()
                .and_then(|hint| hint.parse::<Domain>().ok())
        {
            limits.organization_id = tx
                .find_organization_by_domain(domain.as_str())
                .await?
                .map(|organization| organization.id);
        }
        Ok(Ok(limits))
    }

    async fn answer_from_session(
        &self,
        application: &Application,
        authorization: &Authorization,
        cookie: &SessionCookie,
        browser: SecretHash,
        now: Timestamp,
    ) -> Result<Option<Granted>, Fault> {
        let mut tx = self.store().write(now).await?;
        let Some(session) = tx
            .hold_user_session(cookie.id, cookie.secret.hash())
            .await?
        else {
            return Ok(None);
        };
        let granted = self
            .grant(
                &mut tx,
                application,
                authorization,
                &session,
                browser.as_bytes(),
            )
            .await?;
        tx.touch_user_session(session.id).await?;
        tx.commit().await?;
        Ok(Some(granted))
    }

    /// Answers an application by a live sign-in, unless its person has to be asked first.
    ///
    /// `browser`: the hash of the handle of the browser in which they would be asked.
    pub(crate) async fn grant(
        &self,
        tx: &mut WriteTx,
        application: &Application,
        authorization: &Authorization,
        session: &Live<UserSession>,
        browser: &[u8],
    ) -> Result<Granted, Fault> {
        if application.require_acr && !is_strong_enough(authorization, session) {
            let error = AuthorizeError::new(
                AuthorizeErrorCode::UnmetAuthenticationRequirements,
                "the identity provider did not reach any of the acr_values",
            );
            let answer = authorization.reply.refuse(self.issuer(), &error);
            return Ok(Granted::Answer(answer));
        }
        let organization = tx.find_organization(session.organization_id).await?;
        let profile = organization.and_then(|organization| organization.policy.ipsie);
        if let Some(error) =
            profile.and_then(|level| ipsie::refusal_of(level, application, authorization, session))
        {
            let answer = authorization.reply.refuse(self.issuer(), &error);
            return Ok(Granted::Answer(answer));
        }
        if consent::is_missing(tx, application, authorization, session.user_id).await? {
            return self
                .ask_for_consent(tx, application, authorization, session.id, browser)
                .await;
        }
        self.add_code(tx, application, authorization, session)
            .await
            .map(Granted::Answer)
    }

    /// Writes a code for a live sign-in and gives the answer that carries it to the application.
    pub(crate) async fn add_code(
        &self,
        tx: &mut WriteTx,
        application: &Application,
        authorization: &Authorization,
        session: &Live<UserSession>,
    ) -> Result<Answer, Fault> {
        let code = AuthorizationCode::from_random(&self.generator().bytes());
        let mut scope = authorization.scope;
        // What a break-glass sign-in gives away ends with it.
        if scope.contains(ScopeValue::OfflineAccess)
            && tx
                .user_of(session)
                .await?
                .is_some_and(|user| user.break_glass)
        {
            scope = scope.without(ScopeValue::OfflineAccess);
        }
        tx.add_code(
            session,
            NewAppSession {
                code: SecretHash::of(code.expose().as_bytes()),
                application_id: application.id,
                application_epoch: application.epoch,
                scope: &scope.to_string(),
                nonce: authorization.nonce.as_deref(),
                redirect_uri: authorization.reply.redirect_uri(),
                code_challenge: &authorization.code_challenge.to_string(),
                expires_at: tx.now().after(CODE_TTL),
            },
        )
        .await?;
        Ok(authorization.reply.success(self.issuer(), code.expose()))
    }

    async fn begin_login_for(
        &self,
        authorization: Authorization,
        selection: &Selection,
        browser: Browser,
        limits: Limits,
        now: Timestamp,
    ) -> Result<AuthorizeOutcome, Fault> {
        if authorization.prompt.is_none() {
            let error = match selection {
                Selection::Several(_) => AuthorizeError::new(
                    AuthorizeErrorCode::AccountSelectionRequired,
                    "several people are signed in, or somebody else than the login_hint names",
                ),
                _ => AuthorizeError::new(
                    AuthorizeErrorCode::LoginRequired,
                    "nobody is signed in, or not as this request needs it",
                ),
            };
            return Ok(self.refuse(&authorization, &error));
        }
        let application_id = authorization.client_id.parse().ok();
        let begun = self
            .add_pending(
                Purpose::Authorize(Box::new(authorization)),
                application_id,
                limits,
                browser,
                now,
            )
            .await?;
        Ok(AuthorizeOutcome::Login(begun))
    }

    pub(crate) async fn add_pending(
        &self,
        purpose: Purpose,
        application_id: Option<ApplicationId>,
        limits: Limits,
        browser: Browser,
        now: Timestamp,
    ) -> Result<LoginBegun, Fault> {
        let browser = self.handle_of(&browser);
        let mut tx = self.store().write(now).await?;
        let handle = self
            .add_pending_in(
                &mut tx,
                &purpose,
                application_id,
                limits,
                browser.hash().as_bytes(),
            )
            .await?;
        tx.commit().await?;
        let ui_locales = purpose
            .authorization()
            .map(|authorization| authorization.ui_locales.clone())
            .unwrap_or_default();
        Ok(LoginBegun {
            handle,
            browser,
            ui_locales,
        })
    }

    /// Adds a pending login for the browser whose handle has this hash.
    pub(crate) async fn add_pending_in(
        &self,
        tx: &mut WriteTx,
        purpose: &Purpose,
        application_id: Option<ApplicationId>,
        limits: Limits,
        browser: &[u8],
    ) -> Result<Secret, Fault> {
        let handle = self.generator().token("vlh_");
        let login = PendingLogin {
            browser_hash: browser.to_vec(),
            application_id,
            organization_id: limits.organization_id,
            connection_id: limits.connection_id,
            request: to_request(purpose)?,
            upstream_sealed: None,
            expires_at: tx.now().after(PENDING_TTL),
        };
        tx.add_pending_login(handle.hash(), &login).await?;
        Ok(handle)
    }

    /// The browser's own handle, or a new one.
    fn handle_of(&self, browser: &Browser) -> Secret {
        match &browser.handle {
            Some(handle) => handle.clone(),
            None => self.generator().token("vbr_"),
        }
    }

    fn refuse(&self, authorization: &Authorization, error: &AuthorizeError) -> AuthorizeOutcome {
        AuthorizeOutcome::Answer(authorization.reply.refuse(self.issuer(), error))
    }
}

/// The purpose as a pending login keeps it.
pub(crate) fn to_request(purpose: &Purpose) -> Result<serde_json::Value, Fault> {
    serde_json::to_value(purpose).map_err(|_| Fault::internal("a request could not be written"))
}

/// What the protocol has to know of an application.
pub(crate) fn registration_of(application: &Application) -> ClientRegistration {
    ClientRegistration::new(
        application.id.to_string(),
        application.redirect_uris.clone(),
    )
    .must_push(application.require_pushed_requests)
}

/// Whether the sign-in is one of the wanted classes; without a wish every one is.
pub(crate) fn is_strong_enough(authorization: &Authorization, session: &UserSession) -> bool {
    authorization.acr_values.is_empty() || authorization.acr_values.contains(&session.acr)
}

/// The application behind a client id, while it may be used.
pub(crate) async fn find_active_application(
    tx: &mut ReadTx,
    client_id: &str,
) -> Result<Option<Application>, Fault> {
    let Ok(id) = client_id.parse() else {
        return Ok(None);
    };
    Ok(tx
        .find_application(id)
        .await?
        .filter(|application| application.active))
}
