//! Global token revocation: "end everything of this person", as Okta's Universal Logout sends it
//! (draft-parecki-oauth-global-token-revocation).

use std::net::IpAddr;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use url::Url;
use vestibule_core::{ConnectionId, ConnectionState, Protocol, Secret, Timestamp};
use vestibule_oidc::{Error, StatementTrust};
use vestibule_signals::subject::Subject;
use vestibule_store::{Connection, NewLoginRecord, SignalSource};

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
    client_id: Option<String>,
}

/// What a good token says.
struct Asked {
    issued_at: i64,
    jti: Option<String>,
    /// The hash of the token, for remembering: each counts once for each subject.
    token: String,
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
        let judged = match &token {
            Some(token) => self.judge_revocation(&connection, token, now).await?,
            None => Err(LoginRefusal::of_provider(&Error::ClaimMissing {
                claim: "Authorization",
            })),
        };
        let asked = match judged {
            Ok(asked) => asked,
            // Anybody may post here, so records are rationed.
            Err(_) if !self.limits().admits_provider_refusal(address) => {
                return Ok(RevocationOutcome::TooMany);
            }
            Err(refusal) => {
                let login = NewLoginRecord {
                    organization_id: Some(connection.organization_id),
                    connection_id: Some(connection.id),
                    ..Default::default()
                };
                let refusal = self.refuse_login(refusal, login, now).await?;
                return Ok(RevocationOutcome::Unproven(refusal));
            }
        };
        let body: Option<Value> = serde_json::from_slice(body).ok();
        let subject = body.as_ref().and_then(|body| body.get("sub_id"));
        match subject.map(Subject::read) {
            Some(Ok(subject)) => self.revoke_all_of(&connection, &asked, &subject, now).await,
            _ => Ok(RevocationOutcome::Malformed),
        }
    }

    async fn revoke_all_of(
        &self,
        connection: &Connection,
        asked: &Asked,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<RevocationOutcome, Fault> {
        let trust = self.revocation_trust(connection, now).await?;
        let issuer = trust.map(|trust| trust.issuer).unwrap_or_default();
        let mut tx = self.store().write(now).await?;
        // A copy ends nothing again: the person may have signed in since.
        let until = Timestamp::from_unix_seconds(asked.until);
        let message = Secret::new(format!("{}:{}", asked.token, subject.to_json()));
        let message = format!(
            "revocation:{}",
            URL_SAFE_NO_PAD.encode(message.hash().as_bytes())
        );
        if !tx.remember_message(connection.id, &message, until).await? {
            return Ok(RevocationOutcome::Done);
        }
        let signal = Signal {
            dialect: Dialect::Revocation,
            event: EVENT,
            message_id: asked.jti.as_deref(),
            issuer: &issuer,
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
        let Some(trust) = self.revocation_trust(connection, now).await? else {
            return Ok(Err(no_source()));
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
        let judged = claims.and_then(|claims| {
            let audience = self.revocation_url(connection.id);
            check_claims(&claims, &audience, trust.client_id.as_deref(), seconds)
        });
        Ok(judged
            .map(|asked| Asked {
                token: URL_SAFE_NO_PAD.encode(token.hash().as_bytes()),
                ..asked
            })
            .map_err(|error| LoginRefusal::of_provider(&error)))
    }

    /// Whom a connection's settings trust, and else its own OpenID Provider; none by SAML without such settings.
    async fn revocation_trust(
        &self,
        connection: &Connection,
        now: Timestamp,
    ) -> Result<Option<Trust>, Fault> {
        let source = self
            .store()
            .read(now)
            .await?
            .find_signal_source(connection.id)
            .await?;
        let own = match connection.protocol {
            Protocol::Oidc => Some(OidcSettings::of(connection)?),
            Protocol::Saml | Protocol::Password => None,
        };
        let client_id = own.as_ref().map(|own| own.client_id.clone());
        if let Some(source) = source {
            return Ok(trust_of(source, client_id));
        }
        let Some(own) = own else {
            return Ok(None);
        };
        let provider = self.oidc_connection(connection, now).await?;
        Ok(provider.ok().map(|provider| Trust {
            issuer: own.issuer,
            jwks_uri: provider.metadata().jwks_uri.clone(),
            client_id,
        }))
    }
}

fn trust_of(source: SignalSource, client_id: Option<String>) -> Option<Trust> {
    Some(Trust {
        issuer: source.issuer,
        jwks_uri: source.jwks_uri.parse().ok()?,
        client_id: source.client_id.or(client_id),
    })
}

/// `aud`, `sub`, `exp` and `iat` of the token.
fn check_claims(
    claims: &Map<String, Value>,
    audience: &str,
    client_id: Option<&str>,
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
    if client_id.is_some_and(|client_id| client_id != sub) {
        return Err(Error::RequiredClaim {
            claim: "sub".to_owned(),
            wanted: client_id.unwrap_or_default().to_owned(),
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
    let jti = text("jti").filter(|jti| !jti.is_empty() && jti.len() <= 255);
    Ok(Asked {
        issued_at,
        jti: jti.map(str::to_owned),
        token: String::new(),
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
