//! Back-channel logout: the customer's OpenID Provider ends our sign-ins, without a browser.

use std::{net::IpAddr, time::Duration};

use vestibule_core::{ConnectionId, Protocol, Secret, Timestamp};
use vestibule_oidc::{Authentication, LogoutToken};
use vestibule_store::{Connection, WriteTx};

use crate::{Engine, Fault, LoginRefusal, outbound::Class, sessions::end_by_provider};

/// A login that the provider answered before a logout reaches us at most so much later.
pub(crate) const OVERTAKING: Duration = Duration::from_secs(15 * 60);
/// More than two nodes that are ready differ: a login counts as begun before a logout rather than after it.
const CLOCKS_APART: Duration = Duration::from_secs(5);

/// What becomes of a logout token.
#[derive(Debug)]
pub enum OidcLogoutOutcome {
    /// What it names is over, here and at the applications.
    Done,
    /// Refused, and why; nothing was ended.
    Refused(LoginRefusal),
    /// Refused, without a record and without a reason: this address had too many.
    TooMany,
    /// There is no such connection.
    Gone,
}

impl Engine {
    /// A provider posted a logout token (Back-Channel Logout 1.0 §2.5).
    pub async fn receive_oidc_logout(
        &self,
        connection_id: ConnectionId,
        token: Secret,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<OidcLogoutOutcome, Fault> {
        let engine = self.clone();
        self.detached(async move {
            engine
                .receive_oidc_logout_now(connection_id, &token, address, now)
                .await
        })
        .await
    }

    async fn receive_oidc_logout_now(
        &self,
        connection_id: ConnectionId,
        token: &Secret,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<OidcLogoutOutcome, Fault> {
        let found = self
            .store()
            .read(now)
            .await?
            .find_connection(connection_id)
            .await?;
        let Some(connection) = found.filter(|found| found.protocol == Protocol::Oidc) else {
            return Ok(OidcLogoutOutcome::Gone);
        };
        match self.judge_logout(&connection, token, now).await? {
            Ok((issuer, verified)) => {
                self.obey_logout_token(&connection, &issuer, &verified, now)
                    .await?;
                Ok(OidcLogoutOutcome::Done)
            }
            Err(error) => {
                let refusal = LoginRefusal::of_provider(&error);
                let refusal = self
                    .refuse_received(refusal, &connection, address, now)
                    .await?;
                Ok(refusal.map_or(OidcLogoutOutcome::TooMany, OidcLogoutOutcome::Refused))
            }
        }
    }

    async fn judge_logout(
        &self,
        connection: &Connection,
        token: &Secret,
        now: Timestamp,
    ) -> Result<Result<(String, LogoutToken), vestibule_oidc::Error>, Fault> {
        let provider = match self.oidc_connection(connection, now).await? {
            Ok(provider) => provider,
            Err(error) => return Ok(Err(error)),
        };
        let client = self.outbound().for_oidc(Class::Customer);
        let verified = provider
            .logout_token(token.expose(), &client, now.unix_seconds())
            .await;
        Ok(verified.map(|verified| (provider.settings().issuer.clone(), verified)))
    }

    /// Ends what the token names; only sign-ins of this connection can be ended by it.
    async fn obey_logout_token(
        &self,
        connection: &Connection,
        issuer: &str,
        verified: &LogoutToken,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let mut tx = self.store().write(now).await?;
        let until = Timestamp::from_unix_seconds(verified.remember_until);
        let message = format!("logout_token:{}", verified.jti);
        // A copy ends nothing again: the person may have signed in since. The provider may repeat what it got no answer to.
        if tx.remember_message(connection.id, &message, until).await? {
            // A login that the provider answered a moment ago may still be on its way to its sign-in.
            let (overtaken, id) = (now.after(OVERTAKING), connection.id);
            let ending = match (&verified.sid, &verified.subject) {
                (Some(sid), subject) => {
                    tx.add_upstream_ending(id, &session(sid), verified.issued_at, overtaken)
                        .await?;
                    tx.list_sessions_of_provider(id, issuer, sid, subject.as_deref())
                        .await?
                }
                (None, Some(subject)) => {
                    tx.add_upstream_ending(id, &person(subject), verified.issued_at, overtaken)
                        .await?;
                    tx.list_upstream_sessions(id, issuer, subject, &[]).await?
                }
                (None, None) => Vec::new(),
            };
            end_by_provider(&mut tx, ending).await?;
        }
        tx.commit().await?;
        self.wake();
        Ok(())
    }
}

pub(crate) fn session(sid: &str) -> String {
    format!("sid:{sid}")
}

pub(crate) fn person(subject: &str) -> String {
    format!("sub:{subject}")
}

/// Whether the provider has said, while the login was on its way, that its session is over or that all of the person are.
///
/// Until the transaction ends a logout token for either waits, so it finds the sign-in that is stored here.
pub(super) async fn is_over(
    tx: &mut WriteTx,
    connection_id: ConnectionId,
    login: &Authentication,
    begun_at: i64,
) -> Result<bool, Fault> {
    if let Some(sid) = &login.sid
        && tx
            .hold_against_ending(connection_id, &session(sid))
            .await?
            .is_some()
    {
        return Ok(true);
    }
    let proved_at = login.auth_time.unwrap_or(login.issued_at);
    is_over_for(
        tx,
        connection_id,
        &person(&login.subject),
        (proved_at, begun_at),
    )
    .await
}

/// Whether the provider has said, while the login was on its way, that everything of this name is over.
///
/// `proved_at` is when the person proved themselves, in seconds of the provider's clock, `begun_at` when the login began
/// here. The name stays held as [`WriteTx::hold_against_ending`] says.
pub(super) async fn is_over_for(
    tx: &mut WriteTx,
    connection_id: ConnectionId,
    name: &str,
    (proved_at, begun_at): (i64, i64),
) -> Result<bool, Fault> {
    let ended = tx.hold_against_ending(connection_id, name).await?;
    let Some(ended) = ended else {
        return Ok(false);
    };
    // Whoever proved themselves afterwards is not meant; both times are the provider's. Nor is a login that began only
    // after we had heard of it: whom the provider lets in then is its own decision.
    let heard_at = ended.until.before(OVERTAKING).after(CLOCKS_APART);
    Ok(proved_at <= ended.issued_at && begun_at <= heard_at.unix_seconds())
}
