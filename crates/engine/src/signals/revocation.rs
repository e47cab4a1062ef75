//! Global token revocation: "end everything of this person", as Okta's Universal Logout sends it
//! (draft-parecki-oauth-global-token-revocation).

use std::net::IpAddr;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use url::Url;
use vestibule_core::{ConnectionId, ConnectionState, Protocol, Secret, Timestamp};
use vestibule_oidc::{Error, StatementTrust};
use vestibule_signals::subject::Subject;
use vestibule_store::{Connection, SignalSource};

use super::{Dialect, Effect, Signal, obey};
use crate::{Engine, Fault, LoginRefusal, OidcSettings, outbound::Class, refusal::Actor};

/// The `typ` of the token that authorizes a request.
const TYP: &str = "global-token-revocation+jwt";
/// What the records call it.
const EVENT: &str = "global_token_revocation";
/// Seconds that such a token may live; the draft says five minutes.
const LONGEST_LIFE: i64 = 600;
const SKEW: i64 = 60;

/// What becomes of a request.
#[derive(Debug)]
pub enum RevocationOutcome {
    /// Everything of the person is over: 204.
    Done,
    /// The request is malformed, or names somebody in a way that is not understood: 400.
    Malformed,
    /// The token proves nothing: 401, and why.
    Unproven(LoginRefusal),
    /// Whoever is named is outside what the connection may speak of: 403.
    Forbidden,
    /// Nobody here is named so, or there is no such connection: 404.
    Unknown,
    /// Somebody is, and comes in another way: 422.
    NotOwn,
    /// Refused, without a record and without a reason: this address had too many.
    TooMany,
}

/// Who may ask, and by which keys.
struct Trust {
    issuer: String,
    jwks_uri: Url,
    /// The `sub` of its tokens. An issuer may serve many companies, and each of them may name our address as theirs.
    client_id: String,
}

/// What a good token says.
struct Asked {
    issuer: String,
    issued_at: i64,
    jti: Option<String>,
    until: i64,
}

impl Engine {
    /// Where the requests of a connection come in: the audience of their tokens.
    pub fn revocation_url(&self, id: ConnectionId) -> String {
        self.url(&format!("/sso/{id}/global-token-revocation"))
    }

    /// A provider asks to end everything of a person.
    pub async fn receive_revocation(
        &self,
        connection_id: ConnectionId,
        token: Option<Secret>,
        body: Vec<u8>,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<RevocationOutcome, Fault> {
        let engine = self.clone();
        self.detached(async move {
            engine
                .receive_revocation_now(connection_id, token, &body, address, now)
                .await
        })
        .await
    }

    async fn receive_revocation_now(
        &self,
        connection_id: ConnectionId,
        token: Option<Secret>,
        body: &[u8],
        address: IpAddr,
        now: Timestamp,
    ) -> Result<RevocationOutcome, Fault> {
        let found = self
            .store()
            .read(now)
            .await?
            .find_connection(connection_id)
            .await?;
        let Some(connection) = found.filter(|found| found.state == ConnectionState::Active) else {
            return Ok(RevocationOutcome::Unknown);
        };
        let judged = match token {
            Some(token) => {
                let judged = self.judge_revocation(&connection, &token, now).await?;
                judged.map(|asked| (asked, token))
            }
            None => Err(LoginRefusal::of_provider(&Error::ClaimMissing {
                claim: "Authorization",
            })),
        };
        let (asked, token) = match judged {
            Ok(proven) => proven,
            Err(refusal) => {
                let refusal = self
                    .refuse_received(refusal, &connection, address, now)
                    .await?;
                return Ok(refusal.map_or(RevocationOutcome::TooMany, RevocationOutcome::Unproven));
            }
        };
        let body: Option<Value> = serde_json::from_slice(body).ok();
        let subject = body.as_ref().and_then(|body| body.get("sub_id"));
        match subject.map(Subject::read) {
            Some(Ok(subject)) => {
                let message = message_of(&token, &subject);
                self.revoke_all_of(&connection, &asked, (&subject, &message), now)
                    .await
            }
            _ => Ok(RevocationOutcome::Malformed),
        }
    }

    async fn revoke_all_of(
        &self,
        connection: &Connection,
        asked: &Asked,
        (subject, message): (&Subject, &str),
        now: Timestamp,
    ) -> Result<RevocationOutcome, Fault> {
        let mut tx = self.store().write(now).await?;
        // A copy ends nothing again: the person may have signed in since.
        let until = Timestamp::from_unix_seconds(asked.until);
        if !tx.remember_message(connection.id, message, until).await? {
            return Ok(RevocationOutcome::Done);
        }
        let signal = Signal {
            dialect: Dialect::Revocation,
            event: EVENT,
            message_id: asked.jti.as_deref(),
            issuer: &asked.issuer,
            subject,
            issued_at: asked.issued_at,
        };
        let effect = obey(&mut tx, connection, &signal).await?;
        tx.commit().await?;
        self.wake();
        Ok(match effect {
            Effect::Ended => RevocationOutcome::Done,
            Effect::OtherDomain => RevocationOutcome::Forbidden,
            Effect::NotOwn => RevocationOutcome::NotOwn,
            Effect::Unsupported => RevocationOutcome::Malformed,
            Effect::Unknown
            | Effect::Ignored
            | Effect::Verified
            | Effect::Repeated
            | Effect::TooOld => RevocationOutcome::Unknown,
        })
    }

    async fn judge_revocation(
        &self,
        connection: &Connection,
        token: &Secret,
        now: Timestamp,
    ) -> Result<Result<Asked, LoginRefusal>, Fault> {
        let trust = match self.revocation_trust(connection, now).await? {
            Ok(trust) => trust,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let algorithms = self.signal_algorithms(connection, now).await?;
        let client = self.outbound().for_oidc(Class::Customer);
        let wanted = StatementTrust {
            typ: TYP,
            algorithms,
            issuer: &trust.issuer,
            jwks_uri: &trust.jwks_uri,
        };
        let seconds = now.unix_seconds();
        let claims = self
            .oidc_keys(connection.id, &trust.jwks_uri)
            .statement(token.expose(), wanted, &client, seconds)
            .await;
        let audience = self.revocation_url(connection.id);
        let judged = claims.and_then(|claims| check_claims(&claims, trust, &audience, seconds));
        Ok(judged.map_err(|error| LoginRefusal::of_provider(&error)))
    }

    /// Whom a connection's signal source trusts, and else its own OpenID Provider. Nobody by SAML without a source, or
    /// where it names no client.
    async fn revocation_trust(
        &self,
        connection: &Connection,
        now: Timestamp,
    ) -> Result<Result<Trust, LoginRefusal>, Fault> {
        let source = self
            .store()
            .read(now)
            .await?
            .find_signal_source(connection.id)
            .await?;
        let own = match connection.protocol {
            Protocol::Oidc => Some(OidcSettings::of(connection)?),
            Protocol::Saml | Protocol::Password | Protocol::BreakGlass => None,
        };
        if let Some(source) = source {
            return Ok(trust_of(source, own.map(|own| own.client_id)).ok_or_else(no_source));
        }
        let Some(own) = own else {
            return Ok(Err(no_source()));
        };
        Ok(match self.oidc_connection(connection, now).await? {
            Ok(provider) => Ok(Trust {
                issuer: own.issuer,
                jwks_uri: provider.metadata().jwks_uri.clone(),
                client_id: own.client_id,
            }),
            // Usually it cannot be reached just now, and the request is worth another try.
            Err(error) => Err(LoginRefusal::of_provider(&error)),
        })
    }
}

fn trust_of(source: SignalSource, own_client_id: Option<String>) -> Option<Trust> {
    Some(Trust {
        issuer: source.issuer,
        jwks_uri: source.jwks_uri.parse().ok()?,
        client_id: source.client_id.or(own_client_id)?,
    })
}

/// By this a request is remembered: each token counts once for each subject.
fn message_of(token: &Secret, subject: &Subject) -> String {
    let encoded = |secret: &Secret| URL_SAFE_NO_PAD.encode(secret.hash().as_bytes());
    let both = Secret::new(format!("{}:{}", encoded(token), subject.to_json()));
    format!("revocation:{}", encoded(&both))
}

/// `aud`, `sub`, `exp` and `iat` of the token.
fn check_claims(
    claims: &Map<String, Value>,
    trust: Trust,
    audience: &str,
    now: i64,
) -> Result<Asked, Error> {
    let text = |claim: &'static str| claims.get(claim).and_then(Value::as_str);
    let time = |claim: &'static str| {
        let found = claims.get(claim).and_then(Value::as_i64);
        found.ok_or(Error::ClaimMissing { claim })
    };
    let audiences: Vec<String> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(all)) => all
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    };
    if audiences != [audience] {
        return Err(Error::Audience {
            wanted: audience.to_owned(),
            got: audiences,
        });
    }
    let sub = text("sub").ok_or(Error::ClaimMissing { claim: "sub" })?;
    if sub != trust.client_id {
        return Err(Error::RequiredClaim {
            claim: "sub".to_owned(),
            wanted: trust.client_id,
            got: Some(sub.to_owned()),
        });
    }
    let (issued_at, expires_at) = (time("iat")?, time("exp")?);
    if issued_at > now.saturating_add(SKEW) {
        return Err(Error::NotYetValid {
            now,
            valid_from: issued_at,
        });
    }
    let latest = expires_at.min(issued_at.saturating_add(LONGEST_LIFE));
    if latest <= now.saturating_sub(SKEW) {
        return Err(Error::Expired {
            now,
            expires_at: latest,
        });
    }
    let jti = text("jti").filter(|jti| !jti.is_empty() && jti.len() <= 255 && !jti.contains('\0'));
    Ok(Asked {
        issuer: trust.issuer,
        issued_at,
        jti: jti.map(str::to_owned),
        until: latest.saturating_add(SKEW),
    })
}

fn no_source() -> LoginRefusal {
    LoginRefusal::new(
        "no_signal_source",
        "nobody is trusted to revoke tokens of this connection's people",
        Actor::Administrator,
        "set the connection's signal source: the provider's issuer, and the client id that it names there",
    )
}
