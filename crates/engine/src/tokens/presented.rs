//! What becomes of tokens that come back: userinfo, introspection, revocation.

use vestibule_core::{AppSessionId, ApplicationId, EndCause, SecretHash, Timestamp};
use vestibule_issuer::{
    Scope,
    access_token::JwtClaims,
    id_token::UserInfo,
    introspect::{
        ActiveToken, IntrospectRequest, IntrospectResponse, IntrospectedType, PresentedToken,
    },
    revoke::RevokeRequest,
};
use vestibule_store::{AppSession, Application, Live};

use super::profile::profile;
use crate::{Engine, Fault};

impl Engine {
    /// The share behind an access token, while it is live; its scope may be less than the share's.
    pub(crate) async fn live_access_token(
        &self,
        text: &str,
        now: Timestamp,
    ) -> Result<Option<(Live<AppSession>, Scope, i64)>, Fault> {
        let seconds = now.unix_seconds();
        let (id, generation, scope, exp) = if let Some(token) =
            self.access_tokens().open_at(text, seconds)
        {
            (
                AppSessionId::from_bytes(token.session_id),
                token.generation,
                token.scope,
                token.exp,
            )
        } else {
            let Ok(claims) = JwtClaims::verify(text, &self.keys(), self.issuer(), seconds) else {
                return Ok(None);
            };
            let Ok(id) = claims.sid().parse() else {
                return Ok(None);
            };
            (id, claims.generation(), claims.scope(), claims.exp())
        };
        let live = self.store().read(now).await?.live_app_session(id).await?;
        Ok(live
            .filter(|session| i64::from(generation) >= session.min_generation)
            .map(|session| (session, scope, exp)))
    }

    /// Answers the userinfo endpoint (OpenID Connect Core §5.3); none for a token that is not live.
    pub async fn userinfo(&self, token: &str, now: Timestamp) -> Result<Option<UserInfo>, Fault> {
        let Some((session, scope, _)) = self.live_access_token(token, now).await? else {
            return Ok(None);
        };
        let mut tx = self.store().read(now).await?;
        let Some(user) = tx.user_of(&session).await? else {
            return Ok(None);
        };
        let Some(application) = tx.find_application(session.application_id).await? else {
            return Ok(None);
        };
        let profile = profile(&mut tx, &user, scope, &application).await?;
        Ok(Some(UserInfo::new(
            &user.id.to_string(),
            &user.organization_id.to_string(),
            profile.claims(scope),
        )))
    }

    /// Answers a client that asks about a token of its own; another client's tokens are inactive to it (RFC 7662 §2.2).
    pub async fn introspect(
        &self,
        application: &Application,
        request: IntrospectRequest,
        now: Timestamp,
    ) -> Result<IntrospectResponse, Fault> {
        let found = match &request.token {
            PresentedToken::Access(token) | PresentedToken::Jwt(token) => {
                let live = self.live_access_token(token.expose(), now).await?;
                live.map(|(session, scope, exp)| (session, scope, exp, IntrospectedType::Bearer))
            }
            PresentedToken::Refresh(token) => self.live_refresh_token(token.expose(), now).await?,
            PresentedToken::Unknown => None,
        };
        let Some((session, scope, exp, token_type)) =
            found.filter(|(session, ..)| session.application_id == application.id)
        else {
            return Ok(IntrospectResponse::Inactive);
        };
        let username = self
            .store()
            .read(now)
            .await?
            .user_of(&session)
            .await?
            .map(|user| user.user_name);
        Ok(IntrospectResponse::Active(Box::new(ActiveToken {
            scope,
            client_id: application.id.to_string(),
            username,
            token_type,
            exp,
            iat: None,
            sub: session.user_id.to_string(),
            aud: application.id.to_string(),
            iss: self.issuer().as_str().to_owned(),
            sid: session.id.to_string(),
            org_id: session.organization_id.to_string(),
            auth_time: session.auth_time.unix_seconds(),
            acr: Some(session.acr.clone()),
            amr: session.amr.clone(),
        })))
    }

    async fn live_refresh_token(
        &self,
        text: &str,
        now: Timestamp,
    ) -> Result<Option<(Live<AppSession>, Scope, i64, IntrospectedType)>, Fault> {
        let Some(presented) = self.refresh_tokens().open(text) else {
            return Ok(None);
        };
        let mut tx = self.store().read(now).await?;
        let stored = tx
            .find_refresh_token(SecretHash::of(presented.secret().expose().as_bytes()))
            .await?;
        let Some(stored) =
            stored.filter(|stored| stored.consumed_at.is_none() && stored.expires_at > now)
        else {
            return Ok(None);
        };
        let Some(session) = tx.live_app_session(stored.app_session_id).await? else {
            return Ok(None);
        };
        let scope = Scope::parse(&session.scope)
            .map_err(|_| Fault::internal("a stored scope cannot be read"))?;
        Ok(Some((
            session,
            scope,
            stored.expires_at.unix_seconds(),
            IntrospectedType::RefreshToken,
        )))
    }

    /// Revokes a token of the client's own (RFC 7009): a refresh token ends its share, an access token its generation.
    pub async fn revoke(
        &self,
        application: &Application,
        request: RevokeRequest,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let engine = self.clone();
        let application_id = application.id;
        self.detached(async move { engine.revoke_now(application_id, request, now).await })
            .await
    }

    async fn revoke_now(
        &self,
        application_id: ApplicationId,
        request: RevokeRequest,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let mut tx = self.store().write(now).await?;
        match &request.token {
            PresentedToken::Refresh(token) => {
                let Some(presented) = self.refresh_tokens().open(token.expose()) else {
                    return Ok(());
                };
                let id = AppSessionId::from_bytes(presented.session_id());
                if tx.find_app_session_owner(id).await? == Some(application_id) {
                    self.end_share(&mut tx, id, EndCause::Revoked).await?;
                }
            }
            PresentedToken::Access(token) => {
                let Some(token) = self.access_tokens().open(token.expose()) else {
                    return Ok(());
                };
                let id = AppSessionId::from_bytes(token.session_id);
                if tx.find_app_session_owner(id).await? == Some(application_id) {
                    tx.revoke_access_tokens(id, i64::from(token.generation))
                        .await?;
                }
            }
            PresentedToken::Jwt(token) => {
                let Ok(claims) = JwtClaims::verify(
                    token.expose(),
                    &self.keys(),
                    self.issuer(),
                    now.unix_seconds(),
                ) else {
                    return Ok(());
                };
                let Ok(id) = claims.sid().parse() else {
                    return Ok(());
                };
                if tx.find_app_session_owner(id).await? == Some(application_id) {
                    tx.revoke_access_tokens(id, i64::from(claims.generation()))
                        .await?;
                }
            }
            PresentedToken::Unknown => return Ok(()),
        }
        tx.commit().await?;
        self.wake();
        Ok(())
    }
}
