//! What streams have to tell: written in the transaction that causes it, signed when it leaves.
//!
//! A stream that pushes has its news in the outbox; what waits to be polled, or for the end of a pause, is a row here.

use std::collections::HashMap;

use serde_json::{Value, json};
use vestibule_core::{
    AppSessionId, ApplicationId, OffboardingId, OrganizationId, OutboxId, StreamId, Timestamp,
    UserId,
};

use crate::{
    Destination, Ending, Job, NewJob, ReadTx, Result, StreamKind, StreamStatus, WriteTx,
    query::query,
    row::{Json, text},
    statement::Statement,
};

/// Rows that one statement moves or writes.
const ROWS_AT_ONCE: usize = 500;

/// News of a stream that waits.
#[derive(Debug, Clone)]
pub struct StreamEvent {
    /// Its id, also the `jti` of its token.
    pub id: OutboxId,
    /// What there is to tell, in words of ours.
    pub payload: Value,
    /// When it happened.
    pub created_at: Timestamp,
}

from_row!(StreamEvent, row => StreamEvent {
    id: row.id("id")?,
    payload: row.get::<Json<Value>>("payload")?.0,
    created_at: row.time("created_at")?,
});

/// What there is to tell.
#[derive(Debug, Clone)]
pub struct StreamNews {
    /// What happened.
    pub kind: StreamKind,
    /// Where.
    pub organization_id: Option<OrganizationId>,
    /// To whom.
    pub user_id: Option<UserId>,
    /// In which share of a sign-in; it is told to that share's application alone.
    pub share: Option<(AppSessionId, ApplicationId)>,
    /// Why, in a word of [`EndCause`](vestibule_core::EndCause) or of an event.
    pub reason: String,
    /// Who says so, as receipts name them.
    pub actor: String,
}

impl StreamNews {
    fn payload(&self, cause: &str) -> Value {
        json!({
            "kind": self.kind.as_str(), "txn": cause, "organization_id": self.organization_id, "user_id": self.user_id,
            "session_id": self.share.map(|(id, _)| id), "reason": self.reason, "actor": self.actor,
        })
    }
}

/// What decides where news go.
#[derive(Debug)]
struct Listener {
    id: StreamId,
    application_id: ApplicationId,
    third_party: bool,
    status: StreamStatus,
    method: String,
    kinds: Vec<String>,
}

from_row!(Listener, row => Listener {
    id: row.id("id")?,
    application_id: row.id("application_id")?,
    third_party: row.get("third_party")?,
    status: row.word("status")?,
    method: row.get("method")?,
    kinds: row.get::<Json<Vec<String>>>("kinds")?.0,
});

impl Listener {
    fn pushes_now(&self) -> bool {
        self.status == StreamStatus::Enabled && self.method == "push"
    }
}

impl ReadTx {
    /// The oldest news that wait in a stream.
    pub async fn list_stream_events(
        &mut self,
        id: StreamId,
        limit: i64,
    ) -> Result<Vec<StreamEvent>> {
        query("SELECT id, payload, created_at FROM stream_events WHERE stream_id = $1 ORDER BY id LIMIT $2")
            .bind(id.to_string())
            .bind(limit)
            .fetch_all(self)
            .await
    }

    async fn list_listeners(&mut self) -> Result<Vec<Listener>> {
        query(
            "SELECT t.id, t.application_id, p.third_party, t.status, t.method, t.kinds FROM streams t
             JOIN applications p ON p.id = t.application_id AND p.active AND p.deleted_at IS NULL
             WHERE t.status <> 'disabled' ORDER BY t.id")
            .fetch_all(self)
            .await
    }
}

impl WriteTx {
    /// Tells streams what an ending of a person means (CAEP 1.0, RISC 1.0).
    pub(crate) async fn tell_streams_of_user(
        &mut self,
        (organization_id, user_id): (OrganizationId, UserId),
        ending: Ending<'_>,
        receipt: OffboardingId,
    ) -> Result<()> {
        use vestibule_core::EndCause;
        let kinds: &[StreamKind] = match ending.cause {
            EndCause::Deactivated => &[StreamKind::SessionRevoked, StreamKind::AccountDisabled],
            EndCause::Deleted => &[StreamKind::SessionRevoked, StreamKind::AccountPurged],
            EndCause::Reactivated => &[StreamKind::AccountEnabled],
            EndCause::CredentialsChanged => {
                &[StreamKind::CredentialChange, StreamKind::SessionRevoked]
            }
            _ => &[StreamKind::SessionRevoked],
        };
        let news: Vec<StreamNews> = kinds
            .iter()
            .map(|kind| StreamNews {
                kind: *kind,
                organization_id: Some(organization_id),
                user_id: Some(user_id),
                share: None,
                reason: ending.cause.as_str().to_owned(),
                actor: ending.actor.to_owned(),
            })
            .collect();
        self.push_news(&news, &receipt.to_string()).await
    }

    /// Tells the stream of each share's application that the share is over.
    pub(crate) async fn tell_streams_of_shares(
        &mut self,
        shares: impl Iterator<Item = (AppSessionId, ApplicationId, UserId, OrganizationId)>,
        ending: Ending<'_>,
        receipt: Option<OffboardingId>,
    ) -> Result<()> {
        let news: Vec<StreamNews> = shares
            .map(
                |(id, application_id, user_id, organization_id)| StreamNews {
                    kind: StreamKind::SessionRevoked,
                    organization_id: Some(organization_id),
                    user_id: Some(user_id),
                    share: Some((id, application_id)),
                    reason: ending.cause.as_str().to_owned(),
                    actor: ending.actor.to_owned(),
                },
            )
            .collect();
        let cause = match receipt {
            Some(receipt) => receipt.to_string(),
            None => self.generator().uuid().to_string(),
        };
        self.push_news(&news, &cause).await
    }

    /// Tells streams that the claims of people's tokens have changed.
    pub(crate) async fn tell_streams_of_claims(
        &mut self,
        organization_id: OrganizationId,
        users: impl Iterator<Item = UserId>,
        reason: &str,
    ) -> Result<()> {
        let news: Vec<StreamNews> = users
            .map(|user_id| StreamNews {
                kind: StreamKind::TokenClaimsChange,
                organization_id: Some(organization_id),
                user_id: Some(user_id),
                share: None,
                reason: reason.to_owned(),
                actor: "directory".to_owned(),
            })
            .collect();
        let cause = self.generator().uuid().to_string();
        self.push_news(&news, &cause).await
    }

    /// Puts news into the streams that want them; all of one call share one cause.
    async fn push_news(&mut self, news: &[StreamNews], cause: &str) -> Result<()> {
        if news.is_empty() {
            return Ok(());
        }
        let listeners = self.list_listeners().await?;
        if listeners.is_empty() {
            return Ok(());
        }
        let mut consents = HashMap::new();
        let (mut pushed, mut kept) = (Vec::new(), Vec::new());
        for one in news {
            for listener in &listeners {
                if self.is_told(listener, one, &mut consents).await? {
                    match listener.pushes_now() {
                        true => pushed.push(self.job(listener.id, one, cause)),
                        false => kept.push((listener.id, one)),
                    }
                }
            }
        }
        self.add_jobs(&pushed).await?;
        self.keep_news(&kept, cause).await
    }

    /// A third party hears only of people who let it know them.
    async fn is_told(
        &mut self,
        listener: &Listener,
        news: &StreamNews,
        consents: &mut HashMap<(UserId, ApplicationId), bool>,
    ) -> Result<bool> {
        if !listener.kinds.iter().any(|kind| kind == news.kind.as_str()) {
            return Ok(false);
        }
        if let Some((_, application_id)) = news.share {
            return Ok(application_id == listener.application_id);
        }
        let (true, Some(user_id)) = (listener.third_party, news.user_id) else {
            return Ok(true);
        };
        let key = (user_id, listener.application_id);
        if let Some(known) = consents.get(&key) {
            return Ok(*known);
        }
        let consent = self.find_consent(user_id, listener.application_id).await?;
        consents.insert(key, consent.is_some());
        Ok(consent.is_some())
    }

    fn job(&self, id: StreamId, news: &StreamNews, cause: &str) -> NewJob {
        NewJob {
            kind: Destination::Stream,
            destination: id.to_string(),
            organization_id: news.organization_id,
            user_id: news.user_id,
            // Not the receipt's: it counts notices by that, and a stream may be paused for long.
            cause_id: None,
            payload: news.payload(cause),
            not_before: self.now(),
        }
    }

    async fn keep_news(&mut self, kept: &[(StreamId, &StreamNews)], cause: &str) -> Result<()> {
        let now = self.now();
        for chunk in kept.chunks(ROWS_AT_ONCE) {
            let mut statement = Statement::new(
                "INSERT INTO stream_events (id, stream_id, organization_id, user_id, payload, created_at) VALUES",
            );
            for (stream_id, news) in chunk {
                let id: OutboxId = self.generator().id(now);
                statement.row([
                    id.to_string().into(),
                    stream_id.to_string().into(),
                    text(news.organization_id).into(),
                    text(news.user_id).into(),
                    Json(news.payload(cause)).into(),
                    now.micros().into(),
                ]);
            }
            self.execute(statement).await?;
        }
        Ok(())
    }

    /// News of one stream, about the stream itself; told whatever was asked for.
    pub async fn tell_stream(&mut self, stream: &crate::Stream, payload: Value) -> Result<()> {
        let news = NewJob {
            kind: Destination::Stream,
            destination: stream.id.to_string(),
            organization_id: None,
            user_id: None,
            cause_id: None,
            payload,
            not_before: self.now(),
        };
        if stream.status == StreamStatus::Enabled && stream.method == "push" {
            return self.add_jobs(&[news]).await;
        }
        let now = self.now();
        let id: OutboxId = self.generator().id(now);
        query("INSERT INTO stream_events (id, stream_id, payload, created_at) VALUES ($1, $2, $3, $4)")
            .bind(id.to_string())
            .bind(stream.id.to_string())
            .bind(Json(&news.payload))
            .bind(now.micros())
            .execute(self)
            .await?;
        Ok(())
    }

    /// Takes back a job that its stream cannot push just now: it waits under the same id.
    pub async fn hold_stream_job(&mut self, job: &Job, id: StreamId) -> Result<()> {
        query(
            "INSERT INTO stream_events (id, stream_id, organization_id, user_id, payload, created_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING")
            .bind(job.id.to_string())
            .bind(id.to_string())
            .bind(text(job.organization_id))
            .bind(text(job.user_id))
            .bind(Json(&job.payload))
            .bind(job.created_at.micros())
            .execute(self)
            .await?;
        Ok(())
    }

    /// Lets the news that wait go to where the stream pushes.
    pub async fn release_stream_events(&mut self, id: StreamId) -> Result<()> {
        self.leaves_jobs();
        let now = self.now().micros();
        query("DELETE FROM outbox WHERE id IN (SELECT id FROM stream_events WHERE stream_id = $1)")
            .bind(id.to_string())
            .execute(self)
            .await?;
        query(
            "INSERT INTO outbox (id, destination, kind, organization_id, user_id, payload, not_before, due_since, attempts, created_at)
             SELECT id, stream_id, 'stream', organization_id, user_id, payload, $2, $2, 0, created_at FROM stream_events
             WHERE stream_id = $1")
            .bind(id.to_string())
            .bind(now)
            .execute(self)
            .await?;
        self.remove_waiting(id).await
    }

    /// Forgets all that a stream has to tell.
    pub async fn forget_stream_events(&mut self, id: StreamId) -> Result<()> {
        query("DELETE FROM outbox WHERE kind = 'stream' AND destination = $1 AND done_at IS NULL")
            .bind(id.to_string())
            .execute(self)
            .await?;
        self.remove_waiting(id).await
    }

    async fn remove_waiting(&mut self, id: StreamId) -> Result<()> {
        query("DELETE FROM stream_events WHERE stream_id = $1")
            .bind(id.to_string())
            .execute(self)
            .await?;
        Ok(())
    }

    /// Removes news that have arrived, by their ids; those of other streams stay.
    pub async fn ack_stream_events(&mut self, id: StreamId, arrived: &[OutboxId]) -> Result<()> {
        for chunk in arrived.chunks(ROWS_AT_ONCE) {
            let mut statement = Statement::new("DELETE FROM stream_events WHERE stream_id = ");
            statement.text(&id).sql(" AND id").is_one_of(chunk);
            self.execute(statement).await?;
        }
        Ok(())
    }
}
