//! What applications get for codes and refresh tokens, and what they may ask about them.

mod presented;
mod profile;

use std::{net::IpAddr, time::Duration};

use serde::Serialize;
use vestibule_core::{AppSessionId, EndCause, EndScope, SecretHash, Timestamp};
use vestibule_issuer::{
    Scope, ScopeValue,
    access_token::{self, AccessToken, JwtClaims, JwtGrant},
    client_assertion::{ClientAssertion, ClientKeys},
    client_auth::{ClientAuthMethod, ClientCredentials},
    client_grant::ClientTokenResponse,
    id_token::{self, Authentication, IdTokenClaims, Profile},
    keys::Algorithm,
    pkce::CodeChallenge,
    token::{CodeExchange, Refresh, TokenError, TokenErrorCode, TokenRequest, TokenResponse},
};
use vestibule_store::{AppSession, Application, Code, Ending, Live, TakenCode, WriteTx};

use self::profile::profile;
use crate::{Engine, Fault, authorize::find_active_application};

/// How long an access token is good, in seconds.
const ACCESS_TOKEN_TTL: i64 = 300;

/// A token that is about to leave: everything is fixed and committed, only the signatures are missing.
struct Grant {
    application: Application,
    app_session: Live<AppSession>,
    profile: Profile,
    scope: Scope,
    nonce: Option<String>,
    generation: u32,
    refresh_token: vestibule_issuer::secret::Secret,
}

/// What a token request is answered.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Granted {
    /// Tokens for a person.
    Person(Box<TokenResponse>),
    /// A token for the application itself.
    Client(ClientTokenResponse),
}

impl Engine {
    /// Answers a token request (RFC 6749 §4.1.3 and §6).
    pub async fn token(
        &self,
        credentials: ClientCredentials,
        request: TokenRequest,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<Result<Granted, TokenError>, Fault> {
        let engine = self.clone();
        self.detached(async move {
            let application = match engine
                .authenticate_client(&credentials, address, now)
                .await?
            {
                Ok(application) => application,
                Err(error) => return Ok(Err(error)),
            };
            let granted = match request {
                TokenRequest::AuthorizationCode(exchange) => {
                    engine.exchange(application, exchange, now).await
                }
                TokenRequest::RefreshToken(refresh) => {
                    engine.refresh(application, refresh, now).await
                }
                TokenRequest::ClientCredentials(grant) => {
                    let granted = engine.grant_streams(&application, grant, now).await?;
                    return Ok(granted.map(Granted::Client));
                }
            };
            match granted {
                Ok(Some(grant)) => {
                    let response = engine.sign(grant, now)?;
                    Ok(Ok(Granted::Person(Box::new(response))))
                }
                Ok(None) => Ok(Err(TokenError::invalid_grant())),
                Err(TokenErrorOr::Refused(error)) => Ok(Err(error)),
                Err(TokenErrorOr::Fault(fault)) => Err(fault),
            }
        })
        .await
    }

    /// The application that a client's credentials prove.
    pub async fn authenticate_client(
        &self,
        credentials: &ClientCredentials,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<Result<Application, TokenError>, Fault> {
        let application =
            find_active_application(&mut self.store().read(now).await?, &credentials.client_id)
                .await?;
        let proven = match (application, &credentials.assertion) {
            (Some(application), Some(assertion)) => {
                self.prove_by_assertion(application, assertion, now).await?
            }
            (application, None) => {
                application.filter(|application| has_proven(application, credentials))
            }
            (None, Some(_)) => None,
        };
        match proven {
            Some(application) => Ok(Ok(application)),
            None if !self.limits().admits_client_failure(address) => Ok(Err(TokenError::new(
                TokenErrorCode::InvalidClient,
                "too many failed attempts; wait a minute",
            ))),
            None => Ok(Err(TokenError::invalid_client())),
        }
    }

    /// The application whose key signed the assertion, which counts once.
    async fn prove_by_assertion(
        &self,
        application: Application,
        assertion: &ClientAssertion,
        now: Timestamp,
    ) -> Result<Option<Application>, Fault> {
        let signs =
            application.token_endpoint_auth_method == ClientAuthMethod::PrivateKeyJwt.as_str();
        let (issuer, seconds) = (self.issuer().as_str(), now.unix_seconds());
        let verify = |keys: &ClientKeys| assertion.verify_for_issuer(keys, issuer, seconds).ok();
        let proven = match (&application.jwks, &application.jwks_uri) {
            _ if !signs => None,
            (Some(jwks), _) => {
                let keys = ClientKeys::parse(jwks)
                    .map_err(|_| Fault::internal("the keys of an application cannot be read"))?;
                verify(&keys)
            }
            (None, Some(uri)) => {
                self.with_published_keys(application.id, uri, now, verify)
                    .await
            }
            (None, None) => None,
        };
        let Some(proven) = proven else {
            return Ok(None);
        };
        let mut tx = self.store().write(now).await?;
        // Whoever changed its keys meanwhile, or took it out of use, came first.
        let again = tx.lock_application(application.id).await?;
        let unchanged = |again: &Application| {
            again.active && again.jwks == application.jwks && again.jwks_uri == application.jwks_uri
        };
        let Some(application) = again.filter(unchanged) else {
            return Ok(None);
        };
        let until = Timestamp::from_unix_seconds(proven.remember_until);
        let first = tx
            .remember_client_assertion(application.id, &proven.jti, until)
            .await?;
        tx.commit().await?;
        Ok(first.then_some(application))
    }

    /// Exchanges a code. A code that was used before ends the share that it began (RFC 6749 §4.1.2).
    async fn exchange(
        &self,
        application: Application,
        exchange: CodeExchange,
        now: Timestamp,
    ) -> Result<Option<Grant>, TokenErrorOr> {
        let mut tx = self.store().write(now).await?;
        let hash = SecretHash::of(exchange.code.expose().as_bytes());
        let code = match tx.take_code(hash, application.id).await? {
            TakenCode::Live(code) => code,
            TakenCode::Replayed(id, _) => {
                self.end_share(&mut tx, id, EndCause::CodeReplayed).await?;
                tx.commit().await?;
                self.wake();
                return Ok(None);
            }
            TakenCode::Dead => {
                tx.commit().await?;
                return Ok(None);
            }
        };
        let challenge = CodeChallenge::parse(&code.code_challenge);
        if let Err(error) = exchange.check(&code.redirect_uri, challenge.as_ref()) {
            tx.commit().await?;
            return Err(error.into());
        }
        let grant = self.begin_share(&mut tx, application, &code).await?;
        tx.commit().await?;
        Ok(grant)
    }

    async fn begin_share(
        &self,
        tx: &mut WriteTx,
        application: Application,
        code: &Live<Code>,
    ) -> Result<Option<Grant>, Fault> {
        let now = tx.now();
        let scope = Scope::parse(&code.scope)
            .map_err(|_| Fault::internal("a stored scope cannot be read"))?;
        let Some(organization) = tx.find_organization(code.organization_id).await? else {
            return Ok(None);
        };
        // The person may have changed their mind since the code was written.
        if application.third_party
            && tx
                .find_consent(code.user_id, application.id)
                .await?
                .is_none()
        {
            return Ok(None);
        }
        let expires_at = now.after(organization.policy.refresh_max());
        tx.add_app_session(code, scope.contains(ScopeValue::OfflineAccess), expires_at)
            .await?;
        let Some(app_session) = tx.hold_app_session(code.app_session_id).await? else {
            return Ok(None);
        };
        let Some(user) = tx.user_of(&app_session).await? else {
            return Ok(None);
        };
        let profile = profile(tx, &user, scope, &application).await?;
        let refresh_token = self
            .refresh_tokens()
            .issue(code.app_session_id.to_bytes(), 0);
        let until = now
            .after(organization.policy.refresh_idle())
            .min(expires_at);
        tx.add_refresh_token(
            &app_session,
            SecretHash::of(refresh_token.secret().expose().as_bytes()),
            0,
            until,
        )
        .await?;
        Ok(Some(Grant {
            application,
            app_session,
            profile,
            scope,
            nonce: code.nonce.clone(),
            generation: 0,
            refresh_token: refresh_token.secret().clone(),
        }))
    }

    /// Rotates a refresh token. Using one twice ends its share, except for a repeated request inside the application's window.
    async fn refresh(
        &self,
        application: Application,
        refresh: Refresh,
        now: Timestamp,
    ) -> Result<Option<Grant>, TokenErrorOr> {
        let Some(presented) = self.refresh_tokens().open(refresh.refresh_token.expose()) else {
            return Ok(None);
        };
        let id = AppSessionId::from_bytes(presented.session_id());
        let hash = SecretHash::of(presented.secret().expose().as_bytes());
        let mut tx = self.store().write(now).await?;
        // The user first, as everywhere: see `take_code`.
        let app_session = tx.hold_app_session(id).await?;
        let Some(stored) = tx.find_refresh_token(hash).await? else {
            return Ok(None);
        };
        let owner = tx.find_app_session_owner(stored.app_session_id).await?;
        if owner != Some(application.id) || stored.app_session_id != id {
            return Ok(None);
        }
        let first_use = tx.take_refresh_token(hash).await?;
        if !first_use
            && !self
                .may_retry(&mut tx, &application, id, &stored, now)
                .await?
        {
            self.end_share(&mut tx, id, EndCause::RefreshTokenReused)
                .await?;
            tx.commit().await?;
            self.wake();
            return Ok(None);
        }
        let Some(app_session) = app_session.filter(|_| stored.expires_at > now) else {
            tx.commit().await?;
            return Ok(None);
        };
        let granted = Scope::parse(&app_session.scope)
            .map_err(|_| Fault::internal("a stored scope cannot be read"))?;
        // A scope that exceeds the grant takes nothing: the transaction is dropped.
        let scope = refresh.scope(granted)?;
        let successor = self
            .refresh_tokens()
            .successor(&presented)
            .ok_or(Fault::internal("a chain of refresh tokens is too long"))?;
        if first_use {
            let policy = tx
                .find_organization(app_session.organization_id)
                .await?
                .map(|organization| organization.policy);
            let idle = policy.unwrap_or_default().refresh_idle();
            let until = now.after(idle).min(app_session.expires_at);
            let successor_hash = SecretHash::of(successor.secret().expose().as_bytes());
            tx.add_refresh_token(
                &app_session,
                successor_hash,
                i64::from(successor.generation()),
                until,
            )
            .await?;
        }
        // The sign-in before its share, as a logout locks them: the other order could make the two wait for each other.
        if !app_session.offline {
            tx.touch_user_session(app_session.user_session_id).await?;
        }
        tx.set_last_issued(&app_session).await?;
        let Some(user) = tx.user_of(&app_session).await? else {
            return Ok(None);
        };
        let profile = profile(&mut tx, &user, scope, &application).await?;
        tx.commit().await?;
        Ok(Some(Grant {
            application,
            app_session,
            profile,
            scope,
            nonce: None,
            generation: successor.generation(),
            refresh_token: successor.secret().clone(),
        }))
    }

    /// Whether the same request may be answered once more: soon enough, and only while its successor is unused.
    async fn may_retry(
        &self,
        tx: &mut WriteTx,
        application: &Application,
        id: AppSessionId,
        used: &vestibule_store::RefreshToken,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        let window =
            Duration::from_secs(u64::try_from(application.refresh_retry_seconds).unwrap_or(0));
        let Some(consumed_at) = used.consumed_at else {
            return Ok(false);
        };
        if window.is_zero() || now.since(consumed_at) > window {
            return Ok(false);
        }
        let successor = tx.find_refresh_token_at(id, used.generation + 1).await?;
        Ok(successor.is_some_and(|successor| successor.consumed_at.is_none()))
    }

    async fn end_share(
        &self,
        tx: &mut WriteTx,
        id: AppSessionId,
        cause: EndCause,
    ) -> Result<(), Fault> {
        tx.end(Ending {
            scope: EndScope::AppSession(id),
            cause,
            actor: "system",
        })
        .await?;
        Ok(())
    }

    /// Signs what was committed.
    fn sign(&self, grant: Grant, now: Timestamp) -> Result<TokenResponse, Fault> {
        let seconds = now.unix_seconds();
        let (keys, algorithm) = (self.keys(), algorithm_of(&grant.application));
        let authentication = authentication_of(&grant.app_session, now);
        let (sub, client_id) = (
            grant.app_session.user_id.to_string(),
            grant.application.id.to_string(),
        );
        let access_token = if grant.application.access_token_format == "jwt" {
            let claims = JwtClaims::new(
                self.issuer(),
                JwtGrant {
                    audience: self.issuer().as_str(),
                    client_id: &client_id,
                    sub: &sub,
                    jti: &self.generator().uuid().to_string(),
                    scope: grant.scope,
                    generation: grant.generation,
                },
                authentication.clone(),
                ACCESS_TOKEN_TTL,
                seconds,
            );
            vestibule_issuer::secret::Secret::new(keys.sign(
                algorithm,
                access_token::JWT_TYP,
                &claims,
            )?)
        } else {
            self.access_tokens().issue(&AccessToken {
                session_id: grant.app_session.id.to_bytes(),
                generation: grant.generation,
                exp: seconds + ACCESS_TOKEN_TTL,
                scope: grant.scope,
            })
        };
        let claims = IdTokenClaims::new(self.issuer(), &client_id, &sub, authentication, seconds)
            .with_nonce(grant.nonce)
            .with_access_token(access_token.expose(), algorithm)
            .with_person(grant.profile.claims(grant.scope));
        let id_token = keys.sign(algorithm, id_token::TYP, &claims)?;
        Ok(
            TokenResponse::new(access_token, ACCESS_TOKEN_TTL, grant.scope)
                .with_id_token(id_token)
                .with_refresh_token(grant.refresh_token),
        )
    }
}

/// Whether the secret is the application's, or the application has none to prove itself by.
fn has_proven(application: &Application, credentials: &ClientCredentials) -> bool {
    let method = ClientAuthMethod::parse(&application.token_endpoint_auth_method);
    match (&credentials.secret, method) {
        (None, method) => method == Some(ClientAuthMethod::None),
        // In the header or in the body: the secret is the same, and libraries differ in their default.
        (
            Some(secret),
            Some(ClientAuthMethod::ClientSecretBasic | ClientAuthMethod::ClientSecretPost),
        ) => application.has_secret(SecretHash::of(secret.expose().as_bytes())),
        (Some(_), _) => false,
    }
}

/// A refusal on the wire, or a fault of ours.
enum TokenErrorOr {
    Refused(TokenError),
    Fault(Fault),
}

impl From<TokenError> for TokenErrorOr {
    fn from(error: TokenError) -> Self {
        Self::Refused(error)
    }
}

impl From<vestibule_store::Error> for TokenErrorOr {
    fn from(error: vestibule_store::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<Fault> for TokenErrorOr {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

pub(crate) fn authentication_of(session: &AppSession, now: Timestamp) -> Authentication {
    Authentication {
        auth_time: session.auth_time.unix_seconds(),
        acr: Some(session.acr.clone()),
        amr: session.amr.clone(),
        sid: session.id.to_string(),
        org_id: session.organization_id.to_string(),
        // The sign-in's end, which the identity provider may have set; an offline share that outlived it has its own.
        session_expiry: Some(
            if session.offline && session.session_expires_at <= now {
                session.expires_at
            } else {
                session.session_expires_at
            }
            .unix_seconds(),
        ),
    }
}

fn algorithm_of(application: &Application) -> Algorithm {
    Algorithm::parse(&application.id_token_signed_response_alg).unwrap_or(Algorithm::Es256)
}
