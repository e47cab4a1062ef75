//! The authorization endpoint: a code from a live sign-in, or a login that begins.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use vestibule_core::{ApplicationId, ConnectionId, Domain, OrganizationId, Secret, Timestamp};
use vestibule_issuer::{
    authorize::{
        Answer, Authorization, AuthorizeError, AuthorizeErrorCode, ClientRegistration, PageError,
        Refusal,
    },
    code::AuthorizationCode,
    id_token::IdTokenHint,
    params::Params,
};
use vestibule_store::{
    Application, Live, NewAppSession, PendingLogin, ReadTx, UserSession, WriteTx,
};

use crate::{Browser, Engine, Fault, browser::SessionCookie};

/// How long a person has for signing in.
const PENDING_TTL: Duration = Duration::from_secs(15 * 60);
/// How long a code is good (RFC 6749 §4.1.2, IPSIE SL1).
const CODE_TTL: Duration = Duration::from_secs(60);

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
}

/// What a pending login remembers of why it began.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Purpose {
    /// To answer an application.
    Authorize(Box<Authorization>),
    /// To sign in here, without an application.
    SignIn,
    /// To sign in on the way to a place on our own host, which a proxy guards.
    Visit {
        /// Its path and query, as [`Engine::own_url`] takes it.
        path: String,
    },
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
        let candidates = self
            .candidates(&mut tx, &browser, &application, &authorization, limits)
            .await?;
        drop(tx);
        match candidates.as_slice() {
            [(cookie, _)] => {
                let engine = self.clone();
                let (cookie, granted) = (cookie.clone(), authorization.clone());
                let answer = self
                    .detached(async move {
                        engine
                            .answer_from_session(&application, &granted, &cookie, now)
                            .await
                    })
                    .await?;
                match answer {
                    Some(answer) => Ok(AuthorizeOutcome::Answer(answer)),
                    // It ended between the two reads.
                    None => {
                        self.begin_login_for(authorization, &[], browser, limits, now)
                            .await
                    }
                }
            }
            others => {
                let others: Vec<UserSession> = others
                    .iter()
                    .map(|(_, session)| (**session).clone())
                    .collect();
                self.begin_login_for(authorization, &others, browser, limits, now)
                    .await
            }
        }
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

    /// The browser's live sign-ins that satisfy the request.
    async fn candidates(
        &self,
        tx: &mut ReadTx,
        browser: &Browser,
        application: &Application,
        authorization: &Authorization,
        limits: Limits,
    ) -> Result<Vec<(SessionCookie, Live<UserSession>)>, Fault> {
        let now = tx.now();
        if authorization.prompt.wants_login() || authorization.prompt.wants_account() {
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
        Ok(live)
    }

    async fn answer_from_session(
        &self,
        application: &Application,
        authorization: &Authorization,
        cookie: &SessionCookie,
        now: Timestamp,
    ) -> Result<Option<Answer>, Fault> {
        let mut tx = self.store().write(now).await?;
        let Some(session) = tx
            .hold_user_session(cookie.id, cookie.secret.hash())
            .await?
        else {
            return Ok(None);
        };
        let answer = self
            .grant(&mut tx, application, authorization, &session)
            .await?;
        tx.touch_user_session(session.id).await?;
        tx.commit().await?;
        Ok(Some(answer))
    }

    /// Writes a code for a live sign-in and gives the answer that carries it to the application.
    pub(crate) async fn grant(
        &self,
        tx: &mut WriteTx,
        application: &Application,
        authorization: &Authorization,
        session: &Live<UserSession>,
    ) -> Result<Answer, Fault> {
        if application.require_acr && !is_strong_enough(authorization, session) {
            let error = AuthorizeError::new(
                AuthorizeErrorCode::UnmetAuthenticationRequirements,
                "the identity provider did not reach any of the acr_values",
            );
            return Ok(authorization.reply.refuse(self.issuer(), &error));
        }
        let code = AuthorizationCode::from_random(&self.generator().bytes());
        tx.add_code(
            session,
            NewAppSession {
                code: vestibule_core::SecretHash::of(code.expose().as_bytes()),
                application_id: application.id,
                application_epoch: application.epoch,
                scope: &authorization.scope.to_string(),
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
        sessions: &[UserSession],
        browser: Browser,
        limits: Limits,
        now: Timestamp,
    ) -> Result<AuthorizeOutcome, Fault> {
        if authorization.prompt.is_none() {
            let error = match sessions {
                [] => AuthorizeError::new(
                    AuthorizeErrorCode::LoginRequired,
                    "nobody is signed in, or not as this request needs it",
                ),
                _ => AuthorizeError::new(
                    AuthorizeErrorCode::AccountSelectionRequired,
                    "several people are signed in",
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
        let handle = self.generator().token("vlh_");
        let browser = browser
            .handle
            .unwrap_or_else(|| self.generator().token("vbr_"));
        let login = PendingLogin {
            browser_hash: browser.hash().as_bytes().to_vec(),
            application_id,
            organization_id: limits.organization_id,
            connection_id: limits.connection_id,
            request: serde_json::to_value(&purpose)
                .map_err(|_| Fault::internal("a request could not be written"))?,
            upstream_sealed: None,
            expires_at: now.after(PENDING_TTL),
        };
        let mut tx = self.store().write(now).await?;
        tx.add_pending_login(handle.hash(), &login).await?;
        tx.commit().await?;
        Ok(LoginBegun { handle, browser })
    }

    fn refuse(&self, authorization: &Authorization, error: &AuthorizeError) -> AuthorizeOutcome {
        AuthorizeOutcome::Answer(authorization.reply.refuse(self.issuer(), error))
    }
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
fn is_strong_enough(authorization: &Authorization, session: &UserSession) -> bool {
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
