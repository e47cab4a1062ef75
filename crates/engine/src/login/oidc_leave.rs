//! Signing out at the customer's OpenID Provider too, where a connection wants it (RP-Initiated Logout 1.0).

use std::time::Duration;

use vestibule_core::{ConnectionId, Protocol, Secret, Timestamp, UserSessionId};
use vestibule_oidc::LogoutRequest;
use vestibule_store::{Connection, ReadTx, UpstreamLogout};

use crate::{Engine, Fault, saml::ToProvider, upstream::OidcSettings};

/// The place to which ID tokens for a logout are sealed; the row is the sign-in's id.
const HINT_PLACE: &str = "logout_hints.id_token";
/// How long the provider has for its side of a logout.
const LOGOUT_TTL: Duration = Duration::from_secs(10 * 60);

impl Engine {
    /// Where the browser goes to sign out at the identity provider as well; none where that is not set up.
    ///
    /// Asked after the sign-ins have been ended: a provider that stays away ends nothing less. A browser can be sent to
    /// one place, so of several providers it is the first.
    pub(crate) async fn begin_provider_logout(
        &self,
        ended: &[UserSessionId],
        return_to: &str,
        now: Timestamp,
    ) -> Result<Option<ToProvider>, Fault> {
        for id in ended {
            if let Some(step) = self.begin_oidc_logout(*id, return_to, now).await? {
                return Ok(Some(step));
            }
        }
        self.begin_saml_logout(ended, return_to, now).await
    }

    async fn begin_oidc_logout(
        &self,
        id: UserSessionId,
        return_to: &str,
        now: Timestamp,
    ) -> Result<Option<ToProvider>, Fault> {
        let mut tx = self.store().read(now).await?;
        let Some(connection) = leaving_through(&mut tx, id).await? else {
            return Ok(None);
        };
        drop(tx);
        // Known from the login as a rule. Who cannot be asked now is not signed out at, which ends nothing less here.
        let Ok(provider) = self.oidc_connection(&connection, now).await? else {
            return Ok(None);
        };
        let mut tx = self.store().write(now).await?;
        let hint = tx.take_logout_hint(id).await?;
        let hint = hint.and_then(|sealed| self.open_logout_hint(id, &sealed));
        let handle = self.generator().token("");
        let back = self.url(&format!("/sso/oidc/{}/signed-out", connection.id));
        let mut request = LogoutRequest::new(back, handle.expose());
        if let Some(hint) = hint {
            request = request.id_token_hint(hint);
        }
        let Some(url) = provider.logout_url(&request) else {
            tx.commit().await?;
            return Ok(None);
        };
        let logout = UpstreamLogout {
            connection_id: connection.id,
            organization_id: connection.organization_id,
            request_id: String::new(),
            return_to: return_to.to_owned(),
            expires_at: now.after(LOGOUT_TTL),
        };
        tx.add_upstream_logout(handle.hash(), &logout).await?;
        tx.commit().await?;
        Ok(Some(ToProvider::Redirect(url.into())))
    }

    /// The browser is back from a logout at the provider: where it goes now.
    ///
    /// A state that none waits for, or that another connection's provider brings, leads to our own page.
    pub async fn finish_oidc_logout(
        &self,
        connection_id: ConnectionId,
        state: Option<Secret>,
        now: Timestamp,
    ) -> Result<String, Fault> {
        let Some(state) = state else {
            return Ok(self.url("/logout/done"));
        };
        let mut tx = self.store().write(now).await?;
        let waiting = tx.take_upstream_logout(state.hash(), connection_id).await?;
        tx.commit().await?;
        Ok(waiting.map_or_else(|| self.url("/logout/done"), |waiting| waiting.return_to))
    }

    pub(super) fn seal_logout_hint(
        &self,
        id: UserSessionId,
        id_token: &vestibule_oidc::Secret,
    ) -> Vec<u8> {
        self.vault()
            .seal(HINT_PLACE, &id.to_string(), id_token.expose().as_bytes())
    }

    fn open_logout_hint(&self, id: UserSessionId, sealed: &[u8]) -> Option<vestibule_oidc::Secret> {
        let clear = self.vault().unseal(HINT_PLACE, &id.to_string(), sealed)?;
        String::from_utf8(clear)
            .ok()
            .map(vestibule_oidc::Secret::new)
    }
}

/// The connection of a sign-in, where it is one by OpenID Connect that logs out at its provider.
async fn leaving_through(tx: &mut ReadTx, id: UserSessionId) -> Result<Option<Connection>, Fault> {
    let Some(session) = tx.find_user_session(id).await? else {
        return Ok(None);
    };
    let found = tx.find_connection(session.connection_id).await?;
    let Some(connection) = found.filter(|found| found.protocol == Protocol::Oidc) else {
        return Ok(None);
    };
    let wanted = OidcSettings::of(&connection)?.logout_at_provider;
    Ok(wanted.then_some(connection))
}
