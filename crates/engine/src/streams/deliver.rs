//! News on their way: pushed by the workers (RFC 8935), or fetched by their application (RFC 8936).

use std::{collections::BTreeMap, time::Duration};

use http::{Method, Request, header};
use vestibule_core::{OutboxId, StreamId, Timestamp};
use vestibule_signals::{
    event_token::CONTENT_TYPE,
    stream::{PollRequest, PollResponse},
};
use vestibule_store::{Job, StreamStatus};

use super::{AUTHORIZATION_PLACE, StreamAccess, StreamFailure};
use crate::{Clock, Engine, Fault, delivery::Attempt, outbound::Class};

/// Tokens that one poll gets at most.
const MOST_EVENTS: i64 = 200;
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
        if stream.status == StreamStatus::Paused || stream.method != "push" {
            let mut tx = self.store().write(now).await?;
            tx.hold_stream_job(job, stream.id).await?;
            tx.commit().await?;
            return Ok(Attempt::done());
        }
        let jti = job.id.to_string();
        let token = self.sign_news(&stream, (&jti, &job.payload), (job.created_at, now))?;
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
        Ok(match request.body(token.into_bytes()) {
            // The application chose the address, so it reaches no more than a customer's does.
            Ok(request) => self.call(Class::Customer, request).await,
            Err(_) => Attempt::hopeless("the stream's endpoint_url is not a URL"),
        })
    }

    /// Gives an application what waits in a stream, and takes what it acknowledges.
    ///
    /// A refused token is taken too: it would be refused again (RFC 8936 §2.4).
    pub async fn poll_stream(
        &self,
        access: StreamAccess,
        id: StreamId,
        request: PollRequest,
        clock: &Clock,
    ) -> Result<Result<PollResponse, StreamFailure>, Fault> {
        let now = clock.now();
        let mut tx = self.store().write(now).await?;
        let stream = tx.find_stream(access.application_id, id).await?;
        let Some(stream) = stream.filter(|stream| stream.method == "poll") else {
            return Ok(Err(StreamFailure::NotFound));
        };
        for (jti, error) in &request.set_errs {
            tracing::warn!(stream.id = %id, %jti, code = %error.err.chars().take(64).collect::<String>(), "An application refused a security event token");
        }
        let arrived: Vec<OutboxId> = request
            .ack
            .iter()
            .chain(request.set_errs.keys())
            .filter_map(|jti| jti.parse().ok())
            .collect();
        tx.ack_stream_events(id, &arrived).await?;
        tx.commit().await?;
        let most = request
            .max_events
            .unwrap_or(MOST_EVENTS)
            .clamp(0, MOST_EVENTS);
        if most == 0 || stream.status != StreamStatus::Enabled {
            return Ok(Ok(PollResponse::default()));
        }
        let at_once = request.return_immediately.unwrap_or(false);
        let begun = clock.now();
        loop {
            let now = clock.now();
            let mut tx = self.store().read(now).await?;
            let mut waiting = tx.list_stream_events(id, most + 1).await?;
            drop(tx);
            let wanted = usize::try_from(most).unwrap_or(0);
            if waiting.is_empty() && !at_once && now.since(begun) < LONGEST_WAIT {
                tokio::time::sleep(LOOK).await;
                continue;
            }
            let more_available = waiting.len() > wanted;
            waiting.truncate(wanted);
            let mut sets = BTreeMap::new();
            for news in waiting {
                let jti = news.id.to_string();
                let token =
                    self.sign_news(&stream, (&jti, &news.payload), (news.created_at, now))?;
                sets.insert(jti, token);
            }
            return Ok(Ok(PollResponse {
                sets,
                more_available,
            }));
        }
    }
}
