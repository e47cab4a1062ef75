//! What streams have to tell: written in the transaction that causes it, signed when it leaves.
//!
//! A stream that pushes has its news in the outbox; what waits to be polled, or for the end of a pause, is a row here.

use serde_json::{Value, json};
use vestibule_core::{
    AppSessionId, ApplicationId, OffboardingId, OrganizationId, OutboxId, StreamId, Timestamp,
    UserId,
};

use crate::{
    Destination, Ending, Job, NewJob, ReadTx, Result, Stream, StreamKind, StreamMethod,
    StreamStatus, WriteTx,
    query::query,
    row::{Json, text},
    statement::Statement,
};

/// Rows that one statement moves or writes.
const ROWS_AT_ONCE: usize = 500;

/// News that wait in a stream.
#[derive(Debug, Clone)]
pub struct StreamEvent {
    /// Its id, also the `jti` of its token.
    pub id: OutboxId,
    /// Where it happened.
    pub organization_id: Option<OrganizationId>,
    /// To whom.
    pub user_id: Option<UserId>,
    /// What there is to tell, in words of ours.
    pub payload: Value,
    /// When it happened.
    pub created_at: Timestamp,
}

from_row!(StreamEvent, row => StreamEvent {
    id: row.id("id")?,
    organization_id: row.id_or_null("organization_id")?,
    user_id: row.id_or_null("user_id")?,
    payload: row.get::<Json<Value>>("payload")?.0,
    created_at: row.time("created_at")?,
});

/// What there is to tell of a person.
#[derive(Debug)]
struct News {
    kind: StreamKind,
    organization_id: OrganizationId,
    user_id: UserId,
    /// In which share of a sign-in; it is told to that share's application alone.
    share: Option<(AppSessionId, ApplicationId)>,
    /// Why, in a word of [`EndCause`](vestibule_core::EndCause) or of an event.
    reason: String,
    /// Who says so, as receipts name them.
    actor: String,
}

impl News {
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
    method: StreamMethod,
    kinds: Vec<String>,
}

from_row!(Listener, row => Listener {
    id: row.id("id")?,
    application_id: row.id("application_id")?,
    third_party: row.get("third_party")?,
    status: row.word("status")?,
    method: row.word("method")?,
    kinds: row.get::<Json<Vec<String>>>("kinds")?.0,
});

impl Listener {
    fn wants(&self, news: &News) -> bool {
        let is_meant = news
            .share
            .is_none_or(|(_, application_id)| application_id == self.application_id);
        is_meant && self.kinds.iter().any(|kind| kind == news.kind.as_str())
    }
}

impl ReadTx {
    /// The oldest news that wait in a stream.
    pub async fn list_stream_events(
        &mut self,
        id: StreamId,
        limit: i64,
    ) -> Result<Vec<StreamEvent>> {
        query(
            "SELECT id, organization_id, user_id, payload, created_at FROM stream_events WHERE stream_id = $1 ORDER BY id LIMIT $2")
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

impl ReadTx {
    /// Streams that push, and in which news wait that nobody would fetch: what happened while the stream was changed may
    /// still have been written as before.
    pub async fn list_stranded_streams(&mut self, limit: i64) -> Result<Vec<StreamId>> {
        let found: Vec<String> = query(
            "SELECT t.id FROM streams t WHERE t.status = 'enabled' AND t.method = 'push'
             AND EXISTS (SELECT 1 FROM stream_events e WHERE e.stream_id = t.id) ORDER BY t.id LIMIT $1")
            .bind(limit)
            .fetch_all(self)
            .await?;
        found
            .iter()
            .map(|id| id.parse().map_err(|_| crate::Error::corrupt("stream id")))
            .collect()
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
        let news: Vec<News> = kinds
            .iter()
            .map(|kind| News {
                kind: *kind,
                organization_id,
                user_id,
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
        let news: Vec<News> = shares
            .map(|(id, application_id, user_id, organization_id)| News {
                kind: StreamKind::SessionRevoked,
                organization_id,
                user_id,
                share: Some((id, application_id)),
                reason: ending.cause.as_str().to_owned(),
                actor: ending.actor.to_owned(),
            })
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
        let news: Vec<News> = users
            .map(|user_id| News {
                kind: StreamKind::TokenClaimsChange,
                organization_id,
                user_id,
                share: None,
                reason: reason.to_owned(),
                actor: "directory".to_owned(),
            })
            .collect();
        let cause = self.generator().uuid().to_string();
        self.push_news(&news, &cause).await
    }

    /// Puts news into the streams that want them; all of one call share one cause.
    async fn push_news(&mut self, news: &[News], cause: &str) -> Result<()> {
        if news.is_empty() {
            return Ok(());
        }
        let (mut pushed, mut kept) = (Vec::new(), Vec::new());
        for listener in self.list_listeners().await? {
            let told = self.told_to(&listener, news).await?.into_iter();
            match (listener.status, listener.method) {
                (StreamStatus::Enabled, StreamMethod::Push) => {
                    pushed.extend(told.map(|one| self.job(listener.id, one, cause)));
                }
                _ => kept.extend(told.map(|one| (listener.id, one))),
            }
        }
        self.add_jobs(&pushed).await?;
        self.keep_news(&kept, cause).await
    }

    /// What a stream hears of; a third party's only of people who let it know them.
    async fn told_to<'n>(
        &mut self,
        listener: &Listener,
        news: &'n [News],
    ) -> Result<Vec<&'n News>> {
        let mut told: Vec<&News> = news.iter().filter(|one| listener.wants(one)).collect();
        let is_asked = |one: &News| listener.third_party && one.share.is_none();
        let people: Vec<UserId> = told
            .iter()
            .filter(|one| is_asked(one))
            .map(|one| one.user_id)
            .collect();
        let known = self
            .list_consenting(listener.application_id, &people)
            .await?;
        told.retain(|one| !is_asked(one) || known.contains(&one.user_id));
        Ok(told)
    }

    fn job(&self, id: StreamId, news: &News, cause: &str) -> NewJob {
        NewJob {
            kind: Destination::Stream,
            destination: id.to_string(),
            organization_id: Some(news.organization_id),
            user_id: Some(news.user_id),
            // Not the receipt's: it counts notices by that, and a stream may be paused for long.
            cause_id: None,
            payload: news.payload(cause),
            not_before: self.now(),
        }
    }

    async fn keep_news(&mut self, kept: &[(StreamId, &News)], cause: &str) -> Result<()> {
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
                    news.organization_id.to_string().into(),
                    news.user_id.to_string().into(),
                    Json(news.payload(cause)).into(),
                    now.micros().into(),
                ]);
            }
            self.execute(statement).await?;
        }
        Ok(())
    }

    /// News of one stream, about the stream itself; told whatever was asked for.
    pub async fn tell_stream(&mut self, stream: &Stream, payload: Value) -> Result<()> {
        let now = self.now();
        if stream.pushes() {
            let news = NewJob {
                kind: Destination::Stream,
                destination: stream.id.to_string(),
                organization_id: None,
                user_id: None,
                cause_id: None,
                payload,
                not_before: now,
            };
            return self.add_jobs(&[news]).await;
        }
        let id: OutboxId = self.generator().id(now);
        query("INSERT INTO stream_events (id, stream_id, payload, created_at) VALUES ($1, $2, $3, $4)")
            .bind(id.to_string())
            .bind(stream.id.to_string())
            .bind(Json(&payload))
            .bind(now.micros())
            .execute(self)
            .await?;
        Ok(())
    }

    /// Takes back a job that its stream cannot push just now: it waits in the stream, under the same id. Nothing happens
    /// where it is no job any more.
    pub async fn hold_stream_job(&mut self, job: &Job, id: StreamId) -> Result<()> {
        let taken = query(
            "DELETE FROM outbox WHERE id = $1 AND kind = 'stream' AND done_at IS NULL AND dead_at IS NULL",
        )
        .bind(job.id.to_string())
        .execute(self)
        .await?;
        if taken == 0 {
            return Ok(());
        }
        query(
            "INSERT INTO stream_events (id, stream_id, organization_id, user_id, payload, created_at) VALUES ($1, $2, $3, $4, $5, $6)")
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

    /// Lets some of the news that wait in a stream go to where it pushes; true when there may be more.
    pub async fn release_stream_events(&mut self, id: StreamId) -> Result<bool> {
        // What is taken is what goes on: others may write further news at the same time.
        let taken: Vec<StreamEvent> = query(
            "DELETE FROM stream_events WHERE id IN (SELECT id FROM stream_events WHERE stream_id = $1 ORDER BY id LIMIT $2)
             RETURNING id, organization_id, user_id, payload, created_at")
            .bind(id.to_string())
            .bind(i64::try_from(ROWS_AT_ONCE).unwrap_or(i64::MAX))
            .long()
            .fetch_all(self)
            .await?;
        if taken.is_empty() {
            return Ok(false);
        }
        self.leaves_jobs();
        let now = self.now().micros();
        let mut statement = Statement::new(
            "INSERT INTO outbox (id, destination, kind, organization_id, user_id, payload, not_before, due_since, attempts, created_at) VALUES",
        );
        for news in &taken {
            statement.row([
                news.id.to_string().into(),
                id.to_string().into(),
                Destination::Stream.as_str().into(),
                text(news.organization_id).into(),
                text(news.user_id).into(),
                Json(&news.payload).into(),
                now.into(),
                now.into(),
                0_i64.into(),
                news.created_at.micros().into(),
            ]);
        }
        self.execute(statement).await?;
        Ok(taken.len() == ROWS_AT_ONCE)
    }

    /// Forgets all that a stream has to tell.
    pub async fn forget_stream_events(&mut self, id: StreamId) -> Result<()> {
        for sql in [
            "DELETE FROM outbox WHERE kind = 'stream' AND destination = $1 AND done_at IS NULL",
            "DELETE FROM stream_events WHERE stream_id = $1",
        ] {
            query(sql).bind(id.to_string()).long().execute(self).await?;
        }
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
