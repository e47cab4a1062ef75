//! Access tokens with which applications manage their streams.

use std::time::Duration;

use vestibule_core::{ApplicationId, Secret, SecretHash, Timestamp};
use vestibule_issuer::{
    client_auth::ClientAuthMethod,
    client_grant::{ClientGrant, ClientTokenResponse, StreamScope},
    secret::Secret as Issued,
    token::{TokenError, TokenErrorCode},
};
use vestibule_store::{Application, ReadTx};

use crate::{Engine, Fault};

const TOKEN_PREFIX: &str = "vst_";
/// The interoperability profile of CAEP allows an hour.
const TOKEN_TTL: Duration = Duration::from_mins(30);

/// An application that has proven itself, and what it may do.
#[derive(Debug, Clone, Copy)]
pub struct StreamAccess {
    pub(super) application_id: ApplicationId,
    scope: StreamScope,
    token: SecretHash,
}

impl StreamAccess {
    /// Whether it may change streams.
    pub fn may_manage(&self) -> bool {
        self.scope == StreamScope::Manage
    }
}

impl Engine {
    /// Gives an application a token for itself (RFC 6749 §4.4); a public client proves nothing, so it gets none.
    pub(crate) async fn grant_streams(
        &self,
        application: &Application,
        grant: ClientGrant,
        now: Timestamp,
    ) -> Result<Result<ClientTokenResponse, TokenError>, Fault> {
        if application.token_endpoint_auth_method == ClientAuthMethod::None.as_str() {
            return Ok(Err(TokenError::new(
                TokenErrorCode::UnauthorizedClient,
                "a public client cannot prove itself, so it has no streams",
            )));
        }
        let token = self.generator().token(TOKEN_PREFIX);
        let mut tx = self.store().write(now).await?;
        // With the epoch that the credentials were proven at: what ends the application meanwhile ends this too.
        tx.add_stream_token(
            application,
            token.hash(),
            grant.scope.as_str(),
            now.after(TOKEN_TTL),
        )
        .await?;
        tx.commit().await?;
        let seconds = i64::try_from(TOKEN_TTL.as_secs()).unwrap_or(0);
        let token = Issued::new(token.expose());
        Ok(Ok(ClientTokenResponse::new(token, seconds, grant.scope)))
    }

    /// Who calls with an access token for streams.
    pub async fn stream_access(
        &self,
        token: &Secret,
        now: Timestamp,
    ) -> Result<Option<StreamAccess>, Fault> {
        let token = token.hash();
        let live = self
            .store()
            .read(now)
            .await?
            .live_stream_token(token)
            .await?;
        Ok(live.and_then(|live| {
            Some(StreamAccess {
                application_id: live.application_id,
                scope: StreamScope::parse(&live.scope)?,
                token,
            })
        }))
    }
}

impl StreamAccess {
    /// Whether the token has not ended since.
    pub(super) async fn is_live(&self, tx: &mut ReadTx) -> Result<bool, Fault> {
        Ok(tx.live_stream_token(self.token).await?.is_some())
    }
}
