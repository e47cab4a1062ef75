//! The one writer that makes credentials end.
//!
//! Whatever the cause, it moves the epoch (or marks the session), writes the notices, the events and the receipt,
//! all in the caller's transaction: when that has committed, everything in the scope is over on every node.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;
use vestibule_core::{
    AppSessionId, ApplicationId, EndCause, EndScope, EventKind, OffboardingId, OrganizationId,
    Timestamp, UserId, UserSessionId,
};

use crate::{
    Destination, NewJob, Result, WriteTx, events::NewEventsOfUser, query::query,
    receipt_applications::Loss, row::text, statement::Statement,
};

/// An application that got tokens so shortly before may create its own session after it saw the first notice (I9).
const YOUNG: Duration = Duration::from_secs(60);
/// When the second notice for such an application leaves.
const SECOND_NOTICE: Duration = Duration::from_secs(45);
/// How long an access token lives at most that resource servers judge by themselves (RFC 9068).
const LONGEST_JWT: Duration = Duration::from_mins(5);
/// When a fan-out looks again for shares that were being issued meanwhile.
const SECOND_FAN_OUT: Duration = Duration::from_secs(60);
/// Shares that one step of a fan-out ends.
const FAN_OUT_CHUNK: i64 = 500;

/// An ending: what, why, and who says so.
#[derive(Debug, Clone, Copy)]
pub struct Ending<'a> {
    /// What it covers.
    pub scope: EndScope,
    /// Why.
    pub cause: EndCause,
    /// Who, for the receipt: `directory:dir_…`, `api_key:key_…`, `user`, `system`.
    pub actor: &'a str,
}

/// What an ending found.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ended {
    /// The receipt, where one was written: an ending that found nothing alive leaves none, except for users and larger scopes.
    pub offboarding_id: Option<OffboardingId>,
    /// Sign-ins that ended; for an organization or connection they are not counted.
    pub user_sessions: usize,
    /// Shares of applications that ended.
    pub app_sessions: usize,
}

#[derive(Debug)]
struct Share {
    id: AppSessionId,
    application_id: ApplicationId,
    user_id: UserId,
    organization_id: OrganizationId,
    last_issued_at: Timestamp,
    listens: bool,
    /// Whether its application has access tokens that resource servers judge by themselves.
    has_jwts: bool,
    has_refresh_token: bool,
}

from_row!(Share, row => Share {
    id: row.id("id")?,
    application_id: row.id("application_id")?,
    user_id: row.id("user_id")?,
    organization_id: row.id("organization_id")?,
    last_issued_at: row.time("last_issued_at")?,
    listens: row.get("listens")?,
    has_jwts: row.get("has_jwts")?,
    has_refresh_token: row.get("has_refresh_token")?,
});

impl Share {
    /// Its application is told and loses nothing.
    const fn told_only(&self) -> Loss {
        Loss {
            application_id: self.application_id,
            app_sessions: 0,
            refresh_tokens: 0,
            access_tokens_until: None,
        }
    }
}

macro_rules! shares_where {
    ($condition:literal) => {
        concat!(
            "SELECT a.id, a.application_id, a.user_id, a.organization_id, a.last_issued_at, p.backchannel_logout_uri IS NOT NULL AS listens,
             p.access_token_format = 'jwt' AS has_jwts,
             EXISTS (SELECT 1 FROM refresh_tokens r WHERE r.app_session_id = a.id AND r.consumed_at IS NULL) AS has_refresh_token
             FROM app_sessions a JOIN applications p ON p.id = a.application_id WHERE a.ended_at IS NULL AND ", $condition
        )
    };
}

impl WriteTx {
    /// Ends everything in the scope. The scope's subject has to exist and to be the caller's to end.
    pub async fn end(&mut self, ending: Ending<'_>) -> Result<Ended> {
        match ending.scope {
            EndScope::User(user_id) => self.end_user(user_id, ending).await,
            EndScope::Organization(id) => {
                self.end_many(ending, Subject::Organization, &id.to_string())
                    .await
            }
            EndScope::Connection(id) => {
                self.end_many(ending, Subject::Connection, &id.to_string())
                    .await
            }
            EndScope::Application(id) => {
                self.end_many(ending, Subject::Application, &id.to_string())
                    .await
            }
            EndScope::UserSession(id) => self.end_user_session(id, ending).await,
            EndScope::AppSession(id) => self.end_app_session(id, ending).await,
        }
    }

    async fn end_user(&mut self, user_id: UserId, ending: Ending<'_>) -> Result<Ended> {
        // This UPDATE waits for whoever holds the user FOR SHARE while issuing; what they committed is seen below.
        let organization_id: String =
            query("UPDATE users SET epoch = epoch + 1 WHERE id = $1 RETURNING organization_id")
                .bind(user_id.to_string())
                .fetch_one(self)
                .await?;
        let organization_id = organization_id
            .parse()
            .map_err(|_| crate::Error::corrupt("organization id"))?;
        let shares: Vec<Share> = query(shares_where!("a.user_id = $1"))
            .bind(user_id.to_string())
            .fetch_all(self)
            .await?;
        let sessions = self.mark_user_sessions(user_id, ending).await?;
        let receipt = self
            .add_receipt(
                organization_id,
                Some(user_id),
                ending,
                sessions.len(),
                shares.len(),
            )
            .await?;
        self.end_shares(&shares, ending, Some(receipt)).await?;
        self.tell_streams_of_user((organization_id, user_id), ending, receipt)
            .await?;
        self.push_session_ends(organization_id, user_id, &sessions, ending)
            .await?;
        Ok(Ended {
            offboarding_id: Some(receipt),
            user_sessions: sessions.len(),
            app_sessions: shares.len(),
        })
    }

    async fn end_user_session(&mut self, id: UserSessionId, ending: Ending<'_>) -> Result<Ended> {
        let (now, reason) = (self.now().micros(), ending.cause.as_str());
        // Waits for whoever holds the user FOR SHARE while exchanging a code of this sign-in; that share is seen below.
        query(
            "UPDATE users SET epoch = epoch WHERE id = (SELECT s.user_id FROM user_sessions s WHERE s.id = $1)")
            .bind(id.to_string())
            .execute(self)
            .await?;
        let owner: Option<(String, String)> = query(
            "UPDATE user_sessions SET ended_at = $2, end_reason = $3 WHERE id = $1 AND ended_at IS NULL RETURNING user_id, organization_id")
            .bind(id.to_string())
            .bind(now)
            .bind(reason)
            .fetch_optional(self)
            .await?;
        let Some((user_id, organization_id)) = owner else {
            return Ok(Ended::default());
        };
        let user_id = user_id
            .parse()
            .map_err(|_| crate::Error::corrupt("user id"))?;
        let organization_id = organization_id
            .parse()
            .map_err(|_| crate::Error::corrupt("organization id"))?;
        let shares: Vec<Share> = query(shares_where!("a.user_session_id = $1 AND NOT a.offline"))
            .bind(id.to_string())
            .fetch_all(self)
            .await?;
        let receipt = self
            .add_receipt(organization_id, Some(user_id), ending, 1, shares.len())
            .await?;
        self.end_shares(&shares, ending, Some(receipt)).await?;
        // An offline share goes on, and its application is told all the same: it decides about its own session
        // (Back-Channel Logout 1.0 §2.7).
        let offline: Vec<Share> = query(shares_where!("a.user_session_id = $1 AND a.offline"))
            .bind(id.to_string())
            .fetch_all(self)
            .await?;
        let told: Vec<Loss> = offline.iter().map(Share::told_only).collect();
        self.add_losses(receipt, &told).await?;
        self.add_notices(&offline, ending, Some(receipt)).await?;
        self.tell_of_shares(shares.iter().chain(&offline), ending, Some(receipt))
            .await?;
        self.push_session_ends(organization_id, user_id, &[id], ending)
            .await?;
        Ok(Ended {
            offboarding_id: Some(receipt),
            user_sessions: 1,
            app_sessions: shares.len(),
        })
    }

    async fn end_app_session(&mut self, id: AppSessionId, ending: Ending<'_>) -> Result<Ended> {
        let shares: Vec<Share> = query(shares_where!("a.id = $1"))
            .bind(id.to_string())
            .fetch_all(self)
            .await?;
        let Some(share) = shares.first() else {
            return Ok(Ended::default());
        };
        let receipt = self
            .add_receipt(share.organization_id, Some(share.user_id), ending, 0, 1)
            .await?;
        self.end_shares(&shares, ending, Some(receipt)).await?;
        self.tell_of_shares(shares.iter(), ending, Some(receipt))
            .await?;
        Ok(Ended {
            offboarding_id: Some(receipt),
            user_sessions: 0,
            app_sessions: 1,
        })
    }

    /// Moves the epoch of something that many people hang on; the notices follow in chunks, and once more later.
    async fn end_many(&mut self, ending: Ending<'_>, subject: Subject, id: &str) -> Result<Ended> {
        let now = self.now();
        let epoch: i64 = query(subject.bump()).bind(id).fetch_one(self).await?;
        let organization_id: Option<String> = match subject.organization() {
            Some(sql) => Some(query(sql).bind(id).fetch_one(self).await?),
            None => None,
        };
        let organization_id: Option<OrganizationId> = organization_id
            .map(|id| {
                id.parse()
                    .map_err(|_| crate::Error::corrupt("organization id"))
            })
            .transpose()?;
        let receipt = match organization_id {
            Some(organization_id) => Some(
                self.add_receipt(organization_id, None, ending, 0, 0)
                    .await?,
            ),
            None => None,
        };
        let fan_out = |last: bool| NewJob {
            kind: Destination::FanOut,
            destination: id.to_owned(),
            organization_id,
            user_id: None,
            cause_id: text(receipt),
            payload: json!({ "subject": subject.as_str(), "epoch": epoch, "cause": ending.cause, "actor": ending.actor, "last": last }),
            not_before: if last { now.after(SECOND_FAN_OUT) } else { now },
        };
        self.add_jobs(&[fan_out(false), fan_out(true)]).await?;
        Ok(Ended {
            offboarding_id: receipt,
            ..Ended::default()
        })
    }

    /// One step of a fan-out: ends the shares whose copied epoch is older; true when there may be more.
    pub async fn fan_out(
        &mut self,
        subject: &str,
        id: &str,
        epoch: i64,
        (cause, actor): (EndCause, &str),
        receipt: Option<OffboardingId>,
    ) -> Result<bool> {
        let Some(subject) = Subject::parse(subject) else {
            return Ok(false);
        };
        let shares: Vec<Share> = query(subject.stale_shares())
            .long()
            .bind(id)
            .bind(epoch)
            .bind(FAN_OUT_CHUNK)
            .fetch_all(self)
            .await?;
        let ending = Ending {
            scope: EndScope::AppSession(AppSessionId::from_bytes([0; 16])),
            cause,
            actor,
        };
        self.end_shares(&shares, ending, receipt).await?;
        self.tell_of_shares(shares.iter(), ending, receipt).await?;
        if let Some(receipt) = receipt {
            self.count_ended(receipt, shares.len()).await?;
        }
        Ok(i64::try_from(shares.len()).is_ok_and(|ended| ended == FAN_OUT_CHUNK))
    }

    async fn mark_user_sessions(
        &mut self,
        user_id: UserId,
        ending: Ending<'_>,
    ) -> Result<Vec<UserSessionId>> {
        let now = self.now().micros();
        let ids: Vec<String> = query(
            "UPDATE user_sessions SET ended_at = $2, end_reason = $3
             WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2 RETURNING id",
        )
        .bind(user_id.to_string())
        .bind(now)
        .bind(ending.cause.as_str())
        .fetch_all(self)
        .await?;
        ids.iter()
            .map(|id| id.parse().map_err(|_| crate::Error::corrupt("session id")))
            .collect()
    }

    /// Marks shares as ended and writes the notices of their applications.
    async fn end_shares(
        &mut self,
        shares: &[Share],
        ending: Ending<'_>,
        receipt: Option<OffboardingId>,
    ) -> Result<()> {
        let now = self.now().micros();
        for chunk in shares.chunks(500) {
            let ids: Vec<AppSessionId> = chunk.iter().map(|share| share.id).collect();
            let mut statement = Statement::new("UPDATE app_sessions SET ended_at = ");
            statement
                .number(now)
                .sql(", end_reason = ")
                .text(ending.cause.as_str())
                .sql(" WHERE id")
                .is_one_of(&ids)
                .sql(" AND ended_at IS NULL");
            self.execute(statement).await?;
        }
        if let Some(receipt) = receipt {
            self.add_losses(receipt, &losses(shares, self.now()))
                .await?;
        }
        self.add_notices(shares, ending, receipt).await
    }

    /// Writes the notices of the shares' applications, and second ones for the young shares.
    async fn add_notices(
        &mut self,
        shares: &[Share],
        ending: Ending<'_>,
        receipt: Option<OffboardingId>,
    ) -> Result<()> {
        let now = self.now();
        let mut jobs = Vec::new();
        // An application that revoked its own tokens knows already.
        for share in shares
            .iter()
            .filter(|share| share.listens && ending.cause != EndCause::Revoked)
        {
            let notice = |not_before, again: bool| NewJob {
                kind: Destination::Logout,
                destination: share.application_id.to_string(),
                organization_id: Some(share.organization_id),
                user_id: Some(share.user_id),
                cause_id: text(receipt),
                payload: json!({ "sid": share.id, "sub": share.user_id, "again": again }),
                not_before,
            };
            jobs.push(notice(now, false));
            if share.last_issued_at >= now.before(YOUNG) {
                jobs.push(notice(now.after(SECOND_NOTICE), true));
            }
        }
        self.add_jobs(&jobs).await
    }

    async fn tell_of_shares<'s>(
        &mut self,
        shares: impl Iterator<Item = &'s Share>,
        ending: Ending<'_>,
        receipt: Option<OffboardingId>,
    ) -> Result<()> {
        let told = shares.map(|share| {
            (
                share.id,
                share.application_id,
                share.user_id,
                share.organization_id,
            )
        });
        self.tell_streams_of_shares(told, ending, receipt).await
    }

    async fn push_session_ends(
        &mut self,
        organization_id: OrganizationId,
        user_id: UserId,
        sessions: &[UserSessionId],
        ending: Ending<'_>,
    ) -> Result<()> {
        let told =
            |session| json!({ "session_id": session, "user_id": user_id, "reason": ending.cause });
        self.push_events_of_user(NewEventsOfUser {
            kind: EventKind::SessionEnded,
            organization_id,
            user_id,
            data: sessions.iter().map(told).collect(),
        })
        .await
    }
}

/// What each application loses with its shares, in the order of their ids.
fn losses(shares: &[Share], now: Timestamp) -> Vec<Loss> {
    let mut losses: BTreeMap<ApplicationId, Loss> = BTreeMap::new();
    for share in shares {
        let loss = losses
            .entry(share.application_id)
            .or_insert_with(|| share.told_only());
        loss.app_sessions += 1;
        loss.refresh_tokens += i64::from(share.has_refresh_token);
        let until = share.last_issued_at.after(LONGEST_JWT);
        if share.has_jwts && until > now {
            loss.access_tokens_until = loss.access_tokens_until.max(Some(until));
        }
    }
    losses.into_values().collect()
}

/// What many people hang on.
#[derive(Debug, Clone, Copy)]
enum Subject {
    Organization,
    Connection,
    Application,
}

impl Subject {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Connection => "connection",
            Self::Application => "application",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Organization, Self::Connection, Self::Application]
            .into_iter()
            .find(|subject| subject.as_str() == text)
    }

    const fn bump(self) -> &'static str {
        match self {
            Self::Organization => {
                "UPDATE organizations SET epoch = epoch + 1 WHERE id = $1 RETURNING epoch"
            }
            Self::Connection => {
                "UPDATE connections SET epoch = epoch + 1 WHERE id = $1 RETURNING epoch"
            }
            Self::Application => {
                "UPDATE applications SET epoch = epoch + 1 WHERE id = $1 RETURNING epoch"
            }
        }
    }

    /// How to find the organization; an application belongs to none.
    const fn organization(self) -> Option<&'static str> {
        match self {
            Self::Organization => Some("SELECT id FROM organizations WHERE id = $1"),
            Self::Connection => Some("SELECT organization_id FROM connections WHERE id = $1"),
            Self::Application => None,
        }
    }

    const fn stale_shares(self) -> &'static str {
        match self {
            Self::Organization => shares_where!(
                "a.organization_id = $1 AND a.organization_epoch < $2 ORDER BY a.id LIMIT $3"
            ),
            Self::Connection => shares_where!(
                "a.connection_id = $1 AND a.connection_epoch < $2 ORDER BY a.id LIMIT $3"
            ),
            Self::Application => shares_where!(
                "a.application_id = $1 AND a.application_epoch < $2 ORDER BY a.id LIMIT $3"
            ),
        }
    }
}
