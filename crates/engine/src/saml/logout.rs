//! Single logout: the identity provider ends our sign-ins, and is told when a person signs out here (SAML profiles §4.4).

use std::{net::IpAddr, time::Duration};

use vestibule_core::{ConnectionId, Protocol, Secret, Timestamp, UserSessionId};
use vestibule_saml::{
    LogoutRequest, LogoutResponse, LogoutStatus, LogoutTrust, MessageError, PostForm, REASON_USER,
    Rule, SigningKey, VerifiedLogoutRequest,
};
use vestibule_store::{Connection, ReadTx, UpstreamLogout};

use crate::{
    Engine, Fault, LoginRefusal, SamlSettings, login::StoredNameId, sessions::end_by_provider,
};

/// How long the identity provider has for its side of a logout.
const LOGOUT_TTL: Duration = Duration::from_secs(10 * 60);

/// A logout message as it came.
#[derive(Debug)]
pub enum SamlLogoutMessage {
    /// By HTTP-Redirect: the query, with the octets that the signature covers.
    Query(String),
    /// By HTTP-POST: a request.
    RequestForm {
        /// The parameter `SAMLRequest`.
        message: Secret,
        /// The parameter `RelayState`, which goes back.
        relay_state: Option<String>,
    },
    /// By HTTP-POST: the answer to our request.
    ResponseForm {
        /// The parameter `SAMLResponse`.
        message: Secret,
    },
}

/// A message on its way to an identity provider, through the browser.
#[derive(Debug, Clone)]
pub enum ToProvider {
    /// By this address.
    Redirect(String),
    /// By this form.
    Post(PostForm),
}

/// What becomes of a logout message.
#[derive(Debug)]
pub enum SamlLogoutOutcome {
    /// Ended; our answer goes back.
    Answer(ToProvider),
    /// The identity provider is done as well: on to where the logout was to end.
    Done(String),
    /// Refused, and why; nothing was ended.
    Refused(LoginRefusal),
    /// Refused, without a record and without a reason: this address had too many.
    TooMany,
    /// Nothing waits for it, or there is no such connection.
    Gone,
}

impl Engine {
    /// A logout message came from the identity provider, through the browser.
    pub async fn receive_saml_logout(
        &self,
        connection_id: ConnectionId,
        message: SamlLogoutMessage,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<SamlLogoutOutcome, Fault> {
        let engine = self.clone();
        self.detached(async move {
            engine
                .receive_saml_logout_now(connection_id, message, address, now)
                .await
        })
        .await
    }

    async fn receive_saml_logout_now(
        &self,
        connection_id: ConnectionId,
        message: SamlLogoutMessage,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<SamlLogoutOutcome, Fault> {
        let mut tx = self.store().read(now).await?;
        // Also of one that is out of use: its sign-ins are over, and an answer may still come.
        let connection = tx
            .find_connection(connection_id)
            .await?
            .filter(|found| found.protocol == Protocol::Saml);
        let Some(connection) = connection else {
            return Ok(SamlLogoutOutcome::Gone);
        };
        let trust = match self.saml_trust(&mut tx, &connection, now).await? {
            Ok(trust) => {
                let keys = self.saml_decryption_keys(&mut tx, &connection).await?;
                let trust = trust.decryption_keys(keys);
                LogoutTrust::of(&trust, self.saml_addresses(connection.id).slo_url)
            }
            Err(error) => {
                drop(tx);
                return self.refuse_logout(&error, &connection, address, now).await;
            }
        };
        let key = self.saml_signing_key(&mut tx, &connection).await?;
        drop(tx);
        let seconds = now.unix_seconds();
        let verified = match message {
            SamlLogoutMessage::Query(query) => match LogoutTrust::answered_by_redirect(&query) {
                Some(answered) => {
                    let read = |id: &str| trust.response_by_redirect(&query, id, seconds);
                    return self
                        .finish_logout(&connection, &answered, read, address, now)
                        .await;
                }
                None => trust.request_by_redirect(&query, seconds),
            },
            SamlLogoutMessage::ResponseForm { message } => {
                let Some(answered) = LogoutTrust::answered_by_post(message.expose()) else {
                    return Ok(SamlLogoutOutcome::Gone);
                };
                let read = |id: &str| trust.response_by_post(message.expose(), id, seconds);
                return self
                    .finish_logout(&connection, &answered, read, address, now)
                    .await;
            }
            SamlLogoutMessage::RequestForm {
                message,
                relay_state,
            } => trust
                .request_by_post(message.expose(), seconds)
                .map(|mut request| {
                    request.relay_state = relay_state;
                    request
                }),
        };
        match verified {
            Ok(request) => {
                self.obey_logout(&connection, &request, key.as_ref(), now)
                    .await
            }
            Err(error) => self.refuse_logout(&error, &connection, address, now).await,
        }
    }

    /// Ends what the request names; only sign-ins of this connection can be ended by it.
    async fn obey_logout(
        &self,
        connection: &Connection,
        request: &VerifiedLogoutRequest,
        key: Option<&SigningKey>,
        now: Timestamp,
    ) -> Result<SamlLogoutOutcome, Fault> {
        let mut tx = self.store().write(now).await?;
        let until = Timestamp::from_unix_seconds(request.remember_until);
        let first = tx
            .remember_message(connection.id, &format!("logout:{}", request.id), until)
            .await?;
        // A request that comes again ends nothing again: the person may have signed in since.
        if first {
            let (issuer, subject) = (&request.issuer, &request.name_id.value);
            let indexes = &request.session_indexes;
            // A sign-in that is half-way, between the identity provider's form and our own host, ends too.
            tx.end_login_answers(connection.id, issuer, subject, indexes)
                .await?;
            let ending = tx
                .list_upstream_sessions(connection.id, issuer, subject, indexes)
                .await?;
            end_by_provider(&mut tx, ending).await?;
        }
        tx.commit().await?;
        self.wake();
        let status = match first {
            true => LogoutStatus::Success,
            false => LogoutStatus::Requester,
        };
        let settings = SamlSettings::of(connection)?;
        let answer = self.answer_logout(connection, &settings, request, status, key, now);
        Ok(match answer {
            Some(Ok(answer)) => SamlLogoutOutcome::Answer(answer),
            // It gave no address for an answer: what it asked for is done.
            Some(Err(_)) | None => SamlLogoutOutcome::Done(self.url("/logout/done")),
        })
    }

    fn answer_logout(
        &self,
        connection: &Connection,
        settings: &SamlSettings,
        request: &VerifiedLogoutRequest,
        status: LogoutStatus,
        key: Option<&SigningKey>,
        now: Timestamp,
    ) -> Option<Result<ToProvider, MessageError>> {
        let (destination, redirect) = settings.logout_answer_address()?;
        let response = LogoutResponse::new(
            format!("_{}", self.generator().token("").expose()),
            now.unix_seconds(),
            self.saml_addresses(connection.id).sp_entity_id,
            destination,
            request.id.clone(),
            status,
        );
        let relay_state = request.relay_state.as_deref();
        Some(response.and_then(|response| {
            match redirect {
                true => response
                    .redirect_url(relay_state, key)
                    .map(ToProvider::Redirect),
                false => response.post_form(relay_state, key).map(ToProvider::Post),
            }
        }))
    }

    /// The answer to a request of ours: its logout is over, whatever the answer says; we had ended our part before.
    async fn finish_logout<T>(
        &self,
        connection: &Connection,
        answered: &str,
        read: impl FnOnce(&str) -> Result<T, vestibule_saml::Error>,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<SamlLogoutOutcome, Fault> {
        let Some(handle) = answered.strip_prefix('_').map(Secret::new) else {
            return Ok(SamlLogoutOutcome::Gone);
        };
        let verdict = read(answered).map(|_| ());
        let mut tx = self.store().write(now).await?;
        let waiting = tx
            .take_upstream_logout(handle.hash(), connection.id)
            .await?;
        tx.commit().await?;
        match (waiting, verdict) {
            (Some(waiting), Ok(())) => Ok(SamlLogoutOutcome::Done(waiting.return_to)),
            // Entra and others leave their answers unsigned. It names our request, which nobody guesses, and decides
            // nothing but where the browser goes next; a request is never believed unsigned.
            (Some(waiting), Err(error)) if error.rule() == Rule::Unsigned => {
                tracing::info!(connection.id = %connection.id, "A logout was answered without a signature");
                Ok(SamlLogoutOutcome::Done(waiting.return_to))
            }
            (Some(_), Err(error)) => self.refuse_logout(&error, connection, address, now).await,
            (None, _) => Ok(SamlLogoutOutcome::Gone),
        }
    }

    async fn refuse_logout(
        &self,
        error: &vestibule_saml::Error,
        connection: &Connection,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<SamlLogoutOutcome, Fault> {
        let refusal = LoginRefusal::of_saml(error);
        let refusal = self
            .refuse_received(refusal, connection, address, now)
            .await?;
        Ok(refusal.map_or(SamlLogoutOutcome::TooMany, SamlLogoutOutcome::Refused))
    }

    /// Where the browser goes to sign out at the identity provider as well; none where that is not set up.
    ///
    /// Asked in a transaction of its own, after the sign-in has been ended: a provider that stays away ends nothing less.
    pub(crate) async fn begin_saml_logout(
        &self,
        ended: &[UserSessionId],
        return_to: &str,
        now: Timestamp,
    ) -> Result<Option<ToProvider>, Fault> {
        for id in ended {
            let mut tx = self.store().read(now).await?;
            let Some(found) = upstream_of(&mut tx, *id).await? else {
                continue;
            };
            let key = self.saml_signing_key(&mut tx, &found.connection).await?;
            drop(tx);
            let handle = self.generator().token("");
            let request = self.logout_request(&found, &handle, key.as_ref(), now);
            let Some(Ok(step)) = request else {
                continue;
            };
            let logout = UpstreamLogout {
                connection_id: found.connection.id,
                organization_id: found.connection.organization_id,
                request_id: format!("_{}", handle.expose()),
                return_to: return_to.to_owned(),
                expires_at: now.after(LOGOUT_TTL),
            };
            let mut tx = self.store().write(now).await?;
            tx.add_upstream_logout(handle.hash(), &logout).await?;
            tx.commit().await?;
            return Ok(Some(step));
        }
        Ok(None)
    }

    fn logout_request(
        &self,
        found: &Upstream,
        handle: &Secret,
        key: Option<&SigningKey>,
        now: Timestamp,
    ) -> Option<Result<ToProvider, MessageError>> {
        let (destination, redirect) = found.settings.logout_address()?;
        let build = || {
            let mut request = LogoutRequest::new(
                format!("_{}", handle.expose()),
                now.unix_seconds(),
                self.saml_addresses(found.connection.id).sp_entity_id,
                destination,
                found.name_id.to_name_id(),
            )?
            .not_on_or_after(now.after(LOGOUT_TTL).unix_seconds())
            .reason(REASON_USER)?;
            if let Some(index) = &found.session_index {
                request = request.session_indexes(vec![index.clone()])?;
            }
            let relay_state = Some(handle.expose());
            match redirect {
                true => request
                    .redirect_url(relay_state, key)
                    .map(ToProvider::Redirect),
                false => request.post_form(relay_state, key).map(ToProvider::Post),
            }
        };
        Some(build())
    }
}

impl SamlSettings {
    /// Where a logout request goes, and whether by HTTP-Redirect.
    fn logout_address(&self) -> Option<(&str, bool)> {
        match (&self.slo_url, &self.slo_post_url) {
            (Some(url), _) => Some((url, true)),
            (None, Some(url)) => Some((url, false)),
            (None, None) => None,
        }
    }

    /// Where an answer to a logout request goes, and whether by HTTP-Redirect.
    fn logout_answer_address(&self) -> Option<(&str, bool)> {
        let (address, redirect) = self.logout_address()?;
        Some((
            self.slo_response_url.as_deref().unwrap_or(address),
            redirect,
        ))
    }
}

/// A sign-in that came through SAML, as its identity provider knows it.
struct Upstream {
    connection: Connection,
    settings: SamlSettings,
    name_id: StoredNameId,
    session_index: Option<String>,
}

async fn upstream_of(tx: &mut ReadTx, id: UserSessionId) -> Result<Option<Upstream>, Fault> {
    let Some(session) = tx.find_user_session(id).await? else {
        return Ok(None);
    };
    let (Some(name_id), Some((_, _, session_index))) = (session.upstream_name_id, session.upstream)
    else {
        return Ok(None);
    };
    let Ok(name_id) = serde_json::from_value(name_id) else {
        return Ok(None);
    };
    let Some(connection) = tx.find_connection(session.connection_id).await? else {
        return Ok(None);
    };
    let settings = SamlSettings::of(&connection)?;
    Ok(Some(Upstream {
        connection,
        settings,
        name_id,
        session_index,
    }))
}
