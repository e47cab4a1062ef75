//! Access tokens for SCIM, for clients that prove themselves by a signed assertion (RFC 7523, as IPSIE asks for it).

use std::{net::IpAddr, time::Duration};

use vestibule_core::{DirectoryClientId, DirectoryScope, Timestamp};
use vestibule_issuer::{
    client_assertion::{ClientAssertion, ClientKeys, ScimRequest, ScimScope, ScimTokenResponse},
    metadata::paths,
    secret::Secret,
    token::{TokenError, TokenErrorCode},
};
use vestibule_store::DirectoryClient;

use crate::{Engine, Fault, provisioning::ACCESS_TOKEN_PREFIX};

/// How long an access token for SCIM is good. Its client is asked about at every use, so revoking needs no waiting.
const ACCESS_TOKEN_TTL: Duration = Duration::from_mins(10);

impl Engine {
    /// Answers a token request of a directory's client (RFC 6749 §4.4).
    pub async fn directory_token(
        &self,
        assertion: ClientAssertion,
        request: ScimRequest,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<Result<ScimTokenResponse, TokenError>, Fault> {
        let engine = self.clone();
        self.detached(async move {
            let granted = engine.grant_scim(&assertion, &request, now).await?;
            Ok(granted.map_err(|error| match error.code {
                TokenErrorCode::InvalidClient
                    if !engine.limits().admits_client_failure(address) =>
                {
                    let wait = "too many failed attempts; wait a minute";
                    TokenError::new(TokenErrorCode::InvalidClient, wait)
                }
                _ => error,
            }))
        })
        .await
    }

    async fn grant_scim(
        &self,
        assertion: &ClientAssertion,
        request: &ScimRequest,
        now: Timestamp,
    ) -> Result<Result<ScimTokenResponse, TokenError>, Fault> {
        let unproven = Ok(Err(TokenError::invalid_client()));
        let Ok(id) = assertion.client_id.parse::<DirectoryClientId>() else {
            return unproven;
        };
        let found = self
            .store()
            .read(now)
            .await?
            .live_directory_client(id)
            .await?;
        let Some(client) = found else {
            return unproven;
        };
        let keys = ClientKeys::parse(&client.jwks)
            .map_err(|_| Fault::internal("the keys of a client cannot be read"))?;
        let endpoint = self.issuer().endpoint(paths::TOKEN);
        let audiences = [self.issuer().as_str(), endpoint.as_str()];
        let proven = match assertion.verify(&keys, &audiences, now.unix_seconds()) {
            Ok(proven) => proven,
            Err(error) => return Ok(Err(error)),
        };
        let scope = match self.asked(&client, request) {
            Ok(scope) => scope,
            Err(error) => return Ok(Err(error)),
        };
        let mut tx = self.store().write(now).await?;
        // Whoever revoked it meanwhile, or changed its keys, came first.
        let again = tx.live_directory_client(id).await?;
        let Some(client) = again.filter(|again| again.jwks == client.jwks) else {
            return unproven;
        };
        let until = Timestamp::from_unix_seconds(proven.remember_until);
        if !tx.remember_client_assertion(id, &proven.jti, until).await? {
            return unproven;
        }
        let token = tx.generator().token(ACCESS_TOKEN_PREFIX);
        let expires_at = now.after(ACCESS_TOKEN_TTL);
        let expires_at = client
            .expires_at
            .map_or(expires_at, |end| end.min(expires_at));
        let allowed = match scope {
            ScimScope::Read => DirectoryScope::Read,
            ScimScope::Write => DirectoryScope::Write,
        };
        tx.add_directory_access_token(&client, token.hash(), allowed, expires_at)
            .await?;
        tx.commit().await?;
        let seconds = i64::try_from(expires_at.since(now).as_secs()).unwrap_or(0);
        let token = Secret::new(token.expose());
        Ok(Ok(ScimTokenResponse::new(token, seconds, scope)))
    }

    /// What the client gets, where it asks for what is its own.
    fn asked(
        &self,
        client: &DirectoryClient,
        request: &ScimRequest,
    ) -> Result<ScimScope, TokenError> {
        request.check_resource(&self.scim_url(client.directory_id))?;
        request.scope(match client.scope {
            DirectoryScope::Read => ScimScope::Read,
            DirectoryScope::Write => ScimScope::Write,
        })
    }
}
