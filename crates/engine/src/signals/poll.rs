//! Polling transmitters that do not push (RFC 8936).

use std::{collections::BTreeMap, time::Duration};

use http::{Method, Request, StatusCode, header};
use tokio::{sync::watch, task::JoinSet};
use vestibule_core::{ConnectionState, Secret, Timestamp};
use vestibule_signals::stream::{DeliveryError, PollRequest, PollResponse};
use vestibule_store::{Connection, SignalSource};

use super::receive::SignalTrouble;
use crate::{Clock, Engine, Fault, outbound::Class};

/// The place to which the access token for polls is sealed; the row is the connection's id.
pub(crate) const POLL_TOKEN_PLACE: &str = "signal_sources.poll_token";
/// How long one node has a transmitter for itself; longer than its calls take.
const LEASE: Duration = Duration::from_secs(60);
/// How long a transmitter that had nothing to say is left alone.
const PAUSE: Duration = Duration::from_secs(5);
/// How long one that failed is left alone.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(30);
/// How often the workers look for transmitters that are due.
const LOOK: Duration = Duration::from_secs(1);
/// Transmitters that one node polls at the same time.
const SOURCES_AT_ONCE: usize = 16;
const EVENTS_AT_ONCE: usize = 100;
/// Calls in one lease, so that a transmitter with much to say does not outlast it.
const MOST_CALLS: usize = 5;
/// How the reason of a poll that failed begins, other than that of a token that was refused.
const POLL_FAILED: &str = "the poll failed: ";

impl Engine {
    /// Polls transmitters until told to stop; each is one node's at a time, and a slow one holds back no other.
    pub(crate) async fn poll_signals(&self, clock: Clock, mut stopped: watch::Receiver<bool>) {
        let mut polls = JoinSet::new();
        while !*stopped.borrow() {
            while polls.try_join_next().is_some() {}
            let room = SOURCES_AT_ONCE.saturating_sub(polls.len());
            let claimed = self.claim_polls(room, clock.now()).await;
            let claimed = claimed.unwrap_or_else(|fault| {
                tracing::warn!(error = %fault, "Transmitters of signals could not be looked for");
                Vec::new()
            });
            for source in claimed {
                let (engine, clock) = (self.clone(), clock.clone());
                polls.spawn(async move {
                    let id = source.connection_id;
                    if let Err(fault) = engine.poll_source(&source, &clock).await {
                        tracing::warn!(error = %fault, connection.id = %id, "A transmitter of signals could not be polled");
                    }
                });
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = stopped.changed() => {}
            }
        }
        while polls.join_next().await.is_some() {}
    }

    async fn claim_polls(&self, room: usize, now: Timestamp) -> Result<Vec<SignalSource>, Fault> {
        if room == 0 || !self.store().read(now).await?.has_due_polls().await? {
            return Ok(Vec::new());
        }
        let room = i64::try_from(room).unwrap_or(i64::MAX);
        let mut tx = self.store().write(now).await?;
        let claimed = tx.claim_polls(LEASE, room).await?;
        tx.commit().await?;
        Ok(claimed)
    }

    async fn poll_source(&self, source: &SignalSource, clock: &Clock) -> Result<(), Fault> {
        let id = source.connection_id;
        let found = self
            .store()
            .read(clock.now())
            .await?
            .find_connection(id)
            .await?;
        let polled = match found.filter(|found| found.state == ConnectionState::Active) {
            Some(connection) => Some(self.poll_all(&connection, source, clock).await),
            None => None,
        };
        let now = clock.now();
        let mut tx = self.store().write(now).await?;
        let pause = match polled {
            Some(Err(reason)) => {
                let reason = format!("{POLL_FAILED}{reason}");
                tx.note_signal_error(id, Some(&reason)).await?;
                PAUSE_AFTER_FAILURE
            }
            Some(Ok(())) => {
                // Polling works again; why a token was refused stays until another one is good.
                let before = source.last_error.as_deref();
                if let Some(before) = before.filter(|before| before.starts_with(POLL_FAILED)) {
                    tx.forget_signal_error(id, before).await?;
                }
                PAUSE
            }
            None => PAUSE,
        };
        tx.release_poll(id, now.after(pause)).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Takes what there is and acknowledges it with the next call, as RFC 8936 §2.4 has it.
    async fn poll_all(
        &self,
        connection: &Connection,
        source: &SignalSource,
        clock: &Clock,
    ) -> Result<(), String> {
        let mut request = PollRequest {
            max_events: i64::try_from(EVENTS_AT_ONCE).ok(),
            return_immediately: Some(true),
            ..PollRequest::default()
        };
        for _ in 0..MOST_CALLS {
            let answer = self.ask(source, &request, clock).await?;
            if answer.sets.is_empty() {
                return Ok(());
            }
            let taken = self.take_all(connection, source, answer.sets, clock);
            (request.ack, request.set_errs) = taken.await;
            if !answer.more_available {
                break;
            }
        }
        request.max_events = Some(0);
        self.ask(source, &request, clock).await.map(|_| ())
    }

    async fn take_all(
        &self,
        connection: &Connection,
        source: &SignalSource,
        sets: BTreeMap<String, String>,
        clock: &Clock,
    ) -> (Vec<String>, BTreeMap<String, DeliveryError>) {
        let (mut ack, mut set_errs) = (Vec::new(), BTreeMap::new());
        // What is not acknowledged comes again with the next poll, and so does what is more than was asked for.
        for (jti, token) in sets.into_iter().take(EVENTS_AT_ONCE) {
            let token = Secret::new(token);
            let taken = self
                .take_signal(connection, source, &token, clock.now())
                .await;
            match taken {
                Ok(Ok(())) => ack.push(jti),
                Ok(Err(SignalTrouble::Later)) => {}
                Ok(Err(trouble)) => {
                    set_errs.insert(jti, trouble.to_error());
                }
                // Tokens behind one that we fail at are taken all the same.
                Err(fault) => {
                    tracing::warn!(error = %fault, connection.id = %connection.id, "A polled token could not be taken");
                }
            }
        }
        (ack, set_errs)
    }

    /// One call. A token that we asked for may have been withdrawn since, so one that is refused is asked for anew, once.
    async fn ask(
        &self,
        source: &SignalSource,
        body: &PollRequest,
        clock: &Clock,
    ) -> Result<PollResponse, String> {
        let body = serde_json::to_vec(body).map_err(|_| "the request could not be written")?;
        let token = self.poll_token(source, clock.now()).await?;
        let mut answer = self.post_poll(source, &token, body.clone()).await?;
        if answer.status() == StatusCode::UNAUTHORIZED && source.poll_client.is_some() {
            self.poll_tokens().forget(source.connection_id);
            let token = self.poll_token(source, clock.now()).await?;
            answer = self.post_poll(source, &token, body).await?;
        }
        if !answer.status().is_success() {
            return Err(format!(
                "the transmitter answered {}",
                answer.status().as_u16()
            ));
        }
        if answer.body().is_empty() {
            return Ok(PollResponse::default());
        }
        serde_json::from_slice(answer.body())
            .map_err(|_| "the transmitter's answer is no answer to a poll".to_owned())
    }

    async fn post_poll(
        &self,
        source: &SignalSource,
        token: &Secret,
        body: Vec<u8>,
    ) -> Result<http::Response<Vec<u8>>, String> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(source.poll_url.as_deref().unwrap_or_default())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {}", token.expose()))
            .body(body)
            .map_err(|_| "the polling address is no URL")?;
        self.outbound()
            .send(Class::Customer, request)
            .await
            .map_err(|error| format!("{error}: {}", error.remedy()))
    }

    /// What opens the polling address: the token that was set, or one that the source's client is given.
    async fn poll_token(&self, source: &SignalSource, now: Timestamp) -> Result<Secret, String> {
        if let Some(client) = &source.poll_client {
            return self.client_token(source, client, now).await;
        }
        let row = source.connection_id.to_string();
        source
            .poll_token_sealed
            .as_deref()
            .and_then(|sealed| self.vault().unseal(POLL_TOKEN_PLACE, &row, sealed))
            .and_then(|clear| String::from_utf8(clear).ok())
            .map(Secret::new)
            .ok_or_else(|| "the access token for polls does not open".to_owned())
    }
}
