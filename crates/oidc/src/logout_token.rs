//! Logout tokens: the provider says that a sign-in is over (OpenID Connect Back-Channel Logout 1.0 §2.4 to §2.6).

use serde_json::Value;

use crate::judge::SKEW;
use crate::raw_token::RawToken;
use crate::{Connection, Error, HttpClient};

const DOCUMENT: &str = "logout token";
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// Seconds after its issue in which a token counts, whatever its `exp` says; providers send it at once.
const LONGEST_LIFE: i64 = 300;
const LONGEST_NAME: usize = 255;

/// A verified logout token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct LogoutToken {
    /// Its id, for remembering: a token counts once.
    pub jti: String,
    /// When no token with this id can be accepted any more, Unix seconds.
    pub remember_until: i64,
    /// Whose sign-ins are over; there unless `sid` is.
    pub subject: Option<String>,
    /// When the provider wrote it, Unix seconds of its clock.
    pub issued_at: i64,
    /// Which session at the provider is over; without one all of the subject's are.
    pub sid: Option<String>,
}

impl Connection {
    /// Judges a logout token that the provider posted.
    ///
    /// The host remembers [`LogoutToken::jti`], so that a copy that comes later ends nothing again.
    /// Errors: it is none of this provider's for us, it is too old, or it is another kind of token.
    pub async fn logout_token(
        &self,
        token: &str,
        client: &dyn HttpClient,
        now: i64,
    ) -> Result<LogoutToken, Error> {
        let raw = RawToken::parse(token)?;
        // `typ` came late to the standard, so `JWT` is accepted; `events` and the missing nonce tell it from an ID token.
        let types = ["logout+jwt", "jwt"];
        let algorithm = raw.check_header(&self.settings().algorithms, &types)?;
        self.check_issuer(&raw)?;
        self.check_audience(&raw)?;
        self.check_signature(&raw, algorithm, client, now).await?;
        let remember_until = check_times(&raw, now)?;
        check_kind(&raw)?;
        let named = |claim| match raw.optional_text(claim)? {
            Some(name) if name.is_empty() || name.len() > LONGEST_NAME => {
                Err(Error::ClaimMissing { claim })
            }
            name => Ok(name.map(str::to_owned)),
        };
        let (subject, sid) = (named("sub")?, named("sid")?);
        if subject.is_none() && sid.is_none() {
            return Err(Error::ClaimMissing { claim: "sub" });
        }
        Ok(LogoutToken {
            issued_at: raw.time("iat")?,
            jti: named("jti")?.ok_or(Error::ClaimMissing { claim: "jti" })?,
            remember_until,
            subject,
            sid,
        })
    }
}

/// `iat` and, where it is there, `exp`; gives when nothing accepts the token any more.
fn check_times(raw: &RawToken, now: i64) -> Result<i64, Error> {
    let issued_at = raw.time("iat")?;
    if issued_at > now.saturating_add(SKEW) {
        return Err(Error::NotYetValid {
            now,
            valid_from: issued_at,
        });
    }
    let latest = issued_at.saturating_add(LONGEST_LIFE);
    let expires_at = raw
        .optional_time("exp")?
        .map_or(latest, |expires_at| expires_at.min(latest));
    if expires_at <= now.saturating_sub(SKEW) {
        return Err(Error::Expired { now, expires_at });
    }
    Ok(expires_at.saturating_add(SKEW))
}

/// §2.6, 5 and 6: the event is there, and no nonce, so that no ID token passes for a logout token.
fn check_kind(raw: &RawToken) -> Result<(), Error> {
    let wrong = |detail: &str| {
        Err(Error::Malformed {
            document: DOCUMENT,
            detail: detail.to_owned(),
        })
    };
    let event = raw
        .claims
        .get("events")
        .and_then(|events| events.get(EVENT));
    if !event.is_some_and(Value::is_object) {
        return wrong("it has no back-channel logout event");
    }
    if raw.claims.contains_key("nonce") {
        return wrong("it has a nonce");
    }
    Ok(())
}
