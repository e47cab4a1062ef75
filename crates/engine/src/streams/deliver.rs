//! News on their way: pushed by the workers (RFC 8935), or fetched by their application (RFC 8936).

use std::{collections::BTreeMap, time::Duration};

use http::{Method, Request, header};
use tokio::time::Instant;
use vestibule_core::{OutboxId, StreamId, Timestamp};
use vestibule_signals::{
    event_token::CONTENT_TYPE,
    stream::{PollRequest, PollResponse},
};
use vestibule_store::{Job, Stream, StreamMethod, StreamStatus};

use super::{AUTHORIZATION_PLACE, StreamAccess, StreamFailure, manage::Outcome};
use crate::{Clock, Engine, Fault, delivery::Attempt, outbound::Class};

/// Tokens that one poll gets at most.
const MOST_EVENTS: i64 = 200;
/// Streams whose stranded news one pass looks after.
const STRANDED_AT_ONCE: i64 = 100;
/// How much of an application's reason is logged.
const LONGEST_REASON: usize = 64;
/// How long a poll waits for news, and how often it looks.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(500);

impl Engine {
    /// Pushes a security event token, signed anew at each attempt under the same `jti`.
    pub(crate) async fn send_event_token(
        &self,
        job: &Job,
        now: Timestamp,
    ) -> Result<Attempt, Fault> {
        let found = match job.destination.parse::<StreamId>() {
            Ok(id) => self.store().read(now).await?.find_told_stream(id).await?,
            Err(_) => None,
        };
        // What a stream does not want any more is done with.
        let Some(stream) = found.filter(|found| found.status != StreamStatus::Disabled) else {
            return Ok(Attempt::done());
        };
        if !stream.pushes() {
            let mut tx = self.store().write(now).await?;
            tx.hold_stream_job(job, stream.id).await?;
            tx.commit().await?;
            return Ok(Attempt::given_away());
        }
        Ok(match self.event_push(&stream, job, now)? {
            // The application chose the address, so it reaches no more than a customer's does.
            Some(request) => self.call(Class::Customer, request).await,
            None => Attempt::hopeless("the stream's endpoint_url is not a URL"),
        })
    }

    /// A push (RFC 8935 §2.1); none where it cannot be written.
    fn event_push(
        &self,
        stream: &Stream,
        job: &Job,
        now: Timestamp,
    ) -> Result<Option<Request<Vec<u8>>>, Fault> {
        let jti = job.id.to_string();
        let token = self.sign_news(stream, (&jti, &job.payload), (job.created_at, now))?;
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(stream.endpoint_url.as_deref().unwrap_or_default())
            .header(header::CONTENT_TYPE, CONTENT_TYPE)
            .header(header::ACCEPT, "application/json");
        if let Some(sealed) = &stream.authorization_sealed {
            let clear = self
                .vault()
                .unseal(AUTHORIZATION_PLACE, &stream.id.to_string(), sealed)
                .and_then(|clear| String::from_utf8(clear).ok())
                .ok_or(Fault::internal("a stream's authorization does not open"))?;
            request = request.header(header::AUTHORIZATION, clear);
        }
        Ok(request.body(token.into_bytes()).ok())
    }

    /// Lets all news that wait in a stream go to where it pushes, in chunks.
    pub(super) async fn release_news(&self, id: StreamId, now: Timestamp) -> Result<(), Fault> {
        loop {
            let mut tx = self.store().write(now).await?;
            let more = tx.release_stream_events(id).await?;
            tx.commit().await?;
            self.wake();
            if !more {
                return Ok(());
            }
        }
    }

    /// Sends on what waits in streams that push: it was written while the stream was being changed.
    pub(crate) async fn release_stranded_news(&self, now: Timestamp) -> Result<(), Fault> {
        let mut tx = self.store().read(now).await?;
        let stranded = tx.list_stranded_streams(STRANDED_AT_ONCE).await?;
        drop(tx);
        for id in stranded {
            self.release_news(id, now).await?;
        }
        Ok(())
    }

    /// Gives an application what waits in a stream, and takes what it acknowledges.
    ///
    /// A refused token is taken too: it would be refused again (RFC 8936 §2.4). Of the requests that may wait for news a
    /// stream has a few at a time; others are answered at once.
    pub async fn poll_stream(
        &self,
        access: StreamAccess,
        id: StreamId,
        request: PollRequest,
        clock: &Clock,
    ) -> Outcome<PollResponse> {
        if let Err(failure) = self.take_acks(access, id, &request, clock.now()).await? {
            return Ok(Err(failure));
        }
        let most = request.max_events.unwrap_or(MOST_EVENTS);
        let most = most.clamp(0, MOST_EVENTS);
        if most == 0 {
            return Ok(Ok(PollResponse::default()));
        }
        let slot = match request.return_immediately {
            Some(true) => None,
            _ => self.listeners().slot(&id.to_string()).ok(),
        };
        let closing = self.listeners().closing();
        let deadline = Instant::now() + LONGEST_WAIT;
        loop {
            let news = match self.news_of(access, id, most, clock.now()).await? {
                Ok(news) => news,
                Err(failure) => return Ok(Err(failure)),
            };
            if !news.sets.is_empty() || slot.is_none() || Instant::now() >= deadline {
                return Ok(Ok(news));
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = closing.cancelled() => return Ok(Ok(news)),
            }
        }
    }

    async fn take_acks(
        &self,
        access: StreamAccess,
        id: StreamId,
        request: &PollRequest,
        now: Timestamp,
    ) -> Outcome<()> {
        let refused = request.set_errs.values().next();
        if let Some(error) = refused {
            let code: String = error.err.chars().take(LONGEST_REASON).collect();
            let count = request.set_errs.len();
            tracing::warn!(stream.id = %id, %code, "An application refused {count} security event tokens");
        }
        let arrived = request.ack.iter().chain(request.set_errs.keys());
        let arrived: Vec<OutboxId> = arrived.filter_map(|jti| jti.parse().ok()).collect();
        let mut tx = self.store().write(now).await?;
        let stream = tx.find_stream(access.application_id, id).await?;
        if !stream.is_some_and(|stream| stream.method == StreamMethod::Poll) {
            return Ok(Err(StreamFailure::NotFound));
        }
        tx.ack_stream_events(id, &arrived).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// What waits just now, for whoever may still hear of it.
    async fn news_of(
        &self,
        access: StreamAccess,
        id: StreamId,
        most: i64,
        now: Timestamp,
    ) -> Outcome<PollResponse> {
        let mut tx = self.store().read(now).await?;
        if !access.is_live(&mut tx).await? {
            return Ok(Err(StreamFailure::TokenEnded));
        }
        let Some(stream) = tx.find_stream(access.application_id, id).await? else {
            return Ok(Err(StreamFailure::NotFound));
        };
        if stream.status != StreamStatus::Enabled {
            return Ok(Ok(PollResponse::default()));
        }
        let mut waiting = tx.list_stream_events(id, most + 1).await?;
        drop(tx);
        let wanted = usize::try_from(most).unwrap_or(0);
        let more_available = waiting.len() > wanted;
        waiting.truncate(wanted);
        let mut sets = BTreeMap::new();
        for news in waiting {
            let jti = news.id.to_string();
            let token = self.sign_news(&stream, (&jti, &news.payload), (news.created_at, now))?;
            sets.insert(jti, token);
        }
        Ok(Ok(PollResponse {
            sets,
            more_available,
        }))
    }
}
