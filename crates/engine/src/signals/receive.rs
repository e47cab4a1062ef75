//! Security event tokens that a transmitter sends about a connection's people (SSF 1.0, RFC 8935).

use std::{net::IpAddr, time::Duration};

use vestibule_core::{ConnectionId, ConnectionState, Secret, Timestamp};
use vestibule_oidc::StatementTrust;
use vestibule_signals::{
    event_token::{
        ACCOUNT_DISABLED, ACCOUNT_PURGED, CREDENTIAL_CHANGE, CREDENTIAL_COMPROMISE, EventToken,
        SESSION_REVOKED, TYP, VERIFICATION,
    },
    stream::DeliveryError,
};
use vestibule_store::{Connection, SignalMethod, SignalSource, WriteTx};

use super::{Dialect, Done, Effect, Signal, obey, record};
use crate::{Engine, Fault, outbound::Class};

/// How long a token's id is remembered, and how old one may be; a transmitter delivers late after an outage.
const REMEMBERED: Duration = Duration::from_secs(14 * 24 * 3600);
const OLDEST: i64 = 13 * 24 * 3600;

/// Why a token is refused, in the words of RFC 8935 §2.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalTrouble {
    /// It is no security event token, or a claim is missing.
    InvalidRequest,
    /// Its key is unknown, or its signature is wrong.
    InvalidKey,
    /// Another issuer wrote it.
    InvalidIssuer,
    /// It is for somebody else.
    InvalidAudience,
    /// The keys cannot be read just now: try again.
    Later,
}

impl SignalTrouble {
    /// The error for the transmitter.
    pub fn to_error(self) -> DeliveryError {
        let (err, description) = match self {
            Self::InvalidRequest => ("invalid_request", "no security event token of this stream"),
            Self::InvalidKey => ("invalid_key", "no published key of the issuer fits"),
            Self::InvalidIssuer => ("invalid_issuer", "the issuer is not the stream's"),
            Self::InvalidAudience => ("invalid_audience", "the audience is not the stream's"),
            Self::Later => ("invalid_key", "the issuer's keys cannot be read just now"),
        };
        DeliveryError {
            err: err.to_owned(),
            description: description.to_owned(),
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidKey => "invalid_key",
            Self::InvalidIssuer => "invalid_issuer",
            Self::InvalidAudience => "invalid_audience",
            Self::Later => "keys_unavailable",
        }
    }

    fn of(error: &vestibule_oidc::Error) -> Self {
        use vestibule_oidc::Error as E;
        match error {
            E::Issuer { .. } => Self::InvalidIssuer,
            E::UnknownKey { .. } | E::Signature | E::AmbiguousKey => Self::InvalidKey,
            E::KeysUnavailable | E::Http { .. } | E::Status { .. } => Self::Later,
            _ => Self::InvalidRequest,
        }
    }
}

/// What becomes of a pushed token.
#[derive(Debug)]
pub enum PushOutcome {
    /// Stored, whatever it did: 202.
    Accepted,
    /// Refused, and why: 400, or 503 where the transmitter should try again.
    Refused(SignalTrouble),
    /// The secret is not the stream's: 401.
    Unproven,
    /// This address had too many refusals.
    TooMany,
    /// No such connection takes pushes.
    Gone,
}

impl Engine {
    /// Where the transmitter of a connection pushes to.
    pub fn signal_push_url(&self, id: ConnectionId) -> String {
        self.url(&format!("/sso/{id}/ssf/events"))
    }

    /// A transmitter pushed a token (RFC 8935 §2.1).
    pub async fn receive_signal(
        &self,
        connection_id: ConnectionId,
        secret: Option<Secret>,
        token: Secret,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<PushOutcome, Fault> {
        let mut tx = self.store().read(now).await?;
        let connection = tx.find_connection(connection_id).await?;
        let source = tx.find_signal_source(connection_id).await?;
        drop(tx);
        let connection = connection.filter(|found| found.state == ConnectionState::Active);
        let source = source.filter(|source| source.method == SignalMethod::Push);
        let (Some(connection), Some(source)) = (connection, source) else {
            return Ok(PushOutcome::Gone);
        };
        let proven = match (&secret, &source.push_secret_hash) {
            (Some(secret), Some(stored)) => secret.hash().is(stored),
            _ => false,
        };
        if !proven {
            return Ok(match self.limits().admits_provider_refusal(address) {
                true => PushOutcome::Unproven,
                false => PushOutcome::TooMany,
            });
        }
        let engine = self.clone();
        self.detached(async move {
            let taken = engine
                .take_signal(&connection, &source, &token, now)
                .await?;
            Ok(match taken {
                Ok(()) => PushOutcome::Accepted,
                Err(trouble) => PushOutcome::Refused(trouble),
            })
        })
        .await
    }

    /// Judges a token and does what it says; its trouble is noted with the source.
    pub(super) async fn take_signal(
        &self,
        connection: &Connection,
        source: &SignalSource,
        token: &Secret,
        now: Timestamp,
    ) -> Result<Result<(), SignalTrouble>, Fault> {
        let judged = self.judge_signal(connection, source, token, now).await?;
        let mut tx = self.store().write(now).await?;
        match &judged {
            Ok(token) => heed(&mut tx, connection, source, token).await?,
            Err(trouble) => {
                tx.note_signal_error(connection.id, Some(trouble.as_str()))
                    .await?;
            }
        }
        tx.commit().await?;
        self.wake();
        Ok(judged.map(|_| ()))
    }

    async fn judge_signal(
        &self,
        connection: &Connection,
        source: &SignalSource,
        token: &Secret,
        now: Timestamp,
    ) -> Result<Result<EventToken, SignalTrouble>, Fault> {
        let Ok(jwks_uri) = source.jwks_uri.parse() else {
            return Err(Fault::internal("a stored jwks_uri is no URL"));
        };
        let algorithms = self.signal_algorithms(connection, now).await?;
        let client = self.outbound().for_oidc(Class::Customer);
        let trust = StatementTrust {
            typ: TYP,
            algorithms,
            issuer: &source.issuer,
            jwks_uri: &jwks_uri,
        };
        let seconds = now.unix_seconds();
        let claims = self
            .oidc_keys(connection.id, &jwks_uri)
            .statement(token.expose(), trust, &client, seconds)
            .await;
        let claims = match claims {
            Ok(claims) => claims,
            Err(error) => return Ok(Err(SignalTrouble::of(&error))),
        };
        let read = EventToken::read(&claims, &source.audience, seconds);
        Ok(read.map_err(|error| match error.code() {
            "invalid_audience" => SignalTrouble::InvalidAudience,
            _ => SignalTrouble::InvalidRequest,
        }))
    }
}

/// Does what a verified token says, once.
async fn heed(
    tx: &mut WriteTx,
    connection: &Connection,
    source: &SignalSource,
    token: &EventToken,
) -> Result<(), Fault> {
    let now = tx.now();
    let first = tx
        .remember_message(
            connection.id,
            &format!("set:{}", token.jti),
            now.after(REMEMBERED),
        )
        .await?;
    let too_old = token.iat < now.unix_seconds() - OLDEST;
    let mut verified = None;
    for event in &token.events {
        let signal = Signal {
            dialect: Dialect::SharedSignals,
            event: &event.kind,
            message_id: Some(&token.jti),
            issuer: &source.issuer,
            subject: &token.subject,
            issued_at: token.iat,
        };
        let effect = match event.kind.as_str() {
            _ if !first => Effect::Repeated,
            _ if too_old => Effect::TooOld,
            SESSION_REVOKED
            | CREDENTIAL_CHANGE
            | CREDENTIAL_COMPROMISE
            | ACCOUNT_DISABLED
            | ACCOUNT_PURGED => {
                obey(tx, connection, &signal).await?;
                continue;
            }
            VERIFICATION => {
                verified = Some(now);
                Effect::Verified
            }
            _ => Effect::Ignored,
        };
        // A copy changes nothing, and is not worth a line for each.
        if effect != Effect::Repeated {
            record(tx, connection, &signal, effect, &Done::default()).await?;
        }
    }
    tx.note_signal(connection.id, verified).await?;
    tx.note_signal_error(connection.id, None).await?;
    Ok(())
}
