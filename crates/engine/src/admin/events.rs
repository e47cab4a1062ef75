//! Events as they happen: waiting for the next ones, and following them.
//!
//! While anybody listens, one task of a node looks for new events: at once when this node has committed some, and once a
//! second for those of other nodes. Those who listen wait for it, and ask the database only when there is something.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use vestibule_core::{EventKind, OrganizationId, Secret, Timestamp};
use vestibule_store::Event;

use super::{Actor, AdminError, Result};
use crate::{Clock, Engine, Fault};

/// How long an event of another node stays unseen at most.
const LOOK: Duration = Duration::from_secs(1);
/// How often one who follows hears that the connection is alive, and we look whether their key is.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Streams that one key may have on one node.
const STREAMS_PER_KEY: usize = 10;

/// Those who listen on this node.
#[derive(Debug)]
pub(crate) struct Listeners {
    /// The position of the last event.
    news: watch::Sender<i64>,
    /// Rung when somebody begins to listen.
    came: Notify,
    /// Ends all waiting, before the server stops taking requests.
    closing: CancellationToken,
    /// How many streams each key has.
    streams: Arc<Mutex<HashMap<String, usize>>>,
}

impl Default for Listeners {
    fn default() -> Self {
        Self {
            news: watch::Sender::new(0),
            came: Notify::new(),
            closing: CancellationToken::new(),
            streams: Arc::default(),
        }
    }
}

/// Which events are wanted.
#[derive(Debug, Clone)]
pub struct EventsWanted {
    /// Those after this position.
    pub after: i64,
    /// At most so many at once.
    pub limit: i64,
    /// Of one organization.
    pub organization_id: Option<OrganizationId>,
    /// Of one kind.
    pub kind: Option<EventKind>,
}

/// What came of waiting.
#[derive(Debug)]
pub enum Heard {
    /// Events in their order; none when the time was over.
    Events(Vec<Event>),
    /// The key ended meanwhile; nothing more is told.
    KeyEnded,
}

/// Events as they happen, for one key.
#[derive(Debug)]
pub struct EventStream {
    engine: Engine,
    actor: Actor,
    key: Secret,
    wanted: EventsWanted,
    clock: Clock,
    news: watch::Receiver<i64>,
    checked_at: Timestamp,
    _slot: Slot,
}

/// One of the streams that a key may have.
#[derive(Debug)]
pub(crate) struct Slot {
    streams: Arc<Mutex<HashMap<String, usize>>>,
    key: String,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = streams.get_mut(&self.key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                streams.remove(&self.key);
            }
        }
    }
}

impl Engine {
    /// Events after a position; when there are none yet, those that come within the time.
    pub async fn wait_for_events(
        &self,
        actor: &Actor,
        key: &Secret,
        wanted: &EventsWanted,
        wait: Duration,
        clock: &Clock,
    ) -> Result<Heard> {
        let mut news = self.listen();
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            let found = self.events_now(actor, wanted, clock.now()).await?;
            if !found.is_empty() || wait.is_zero() {
                return Ok(Heard::Events(found));
            }
            tokio::select! {
                _ = news.changed() => {}
                () = tokio::time::sleep_until(deadline) => return Ok(Heard::Events(found)),
                () = self.listeners().closing.cancelled() => return Ok(Heard::Events(found)),
            }
            if self.authenticate_api_key(key, clock.now()).await?.is_none() {
                return Ok(Heard::KeyEnded);
            }
        }
    }

    /// Follows events from a position on.
    pub async fn follow_events(
        &self,
        actor: Actor,
        key: Secret,
        wanted: EventsWanted,
        clock: Clock,
    ) -> Result<EventStream> {
        let now = clock.now();
        let slot = self.listeners().slot(&actor.name)?;
        // Refused before the stream begins, not in it.
        self.events_now(
            &actor,
            &EventsWanted {
                limit: 1,
                ..wanted.clone()
            },
            now,
        )
        .await?;
        Ok(EventStream {
            news: self.listen(),
            engine: self.clone(),
            actor,
            key,
            wanted,
            clock,
            checked_at: now,
            _slot: slot,
        })
    }

    /// Ends all streams and all waiting for events, so that the server can finish its requests.
    pub fn end_streams(&self) {
        self.listeners().closing.cancel();
    }

    async fn events_now(
        &self,
        actor: &Actor,
        wanted: &EventsWanted,
        now: Timestamp,
    ) -> Result<Vec<Event>> {
        let EventsWanted {
            after,
            limit,
            organization_id,
            kind,
        } = *wanted;
        self.list_events(actor, after, limit, organization_id, kind, now)
            .await
    }

    fn listen(&self) -> watch::Receiver<i64> {
        let listener = self.listeners().news.subscribe();
        self.listeners().came.notify_one();
        listener
    }

    /// Tells those who listen of new events, until the node stops.
    pub(crate) async fn watch_events(&self, clock: Clock, mut stopped: watch::Receiver<bool>) {
        let mut committed = self.store().news();
        while !*stopped.borrow() {
            let listeners = self.listeners();
            if listeners.news.receiver_count() == 0 {
                tokio::select! {
                    () = listeners.came.notified() => {}
                    _ = stopped.changed() => {}
                }
                continue;
            }
            committed.mark_unchanged();
            match self.place_events(clock.now()).await {
                Ok(position) => {
                    listeners
                        .news
                        .send_if_modified(|told| std::mem::replace(told, position) != position);
                }
                Err(fault) => tracing::warn!(error = %fault, "Events could not be looked for"),
            }
            tokio::select! {
                _ = committed.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
                _ = stopped.changed() => {}
            }
        }
    }

    /// Gives what is committed its position; that of the last event.
    async fn place_events(&self, now: Timestamp) -> std::result::Result<i64, Fault> {
        let mut tx = self.store().read(now).await?;
        let is_waiting = tx.has_unplaced_events().await?;
        drop(tx);
        if is_waiting {
            let mut tx = self.store().write(now).await?;
            tx.place_events().await?;
            tx.commit().await?;
        }
        Ok(self.store().read(now).await?.last_position().await?)
    }
}

impl Listeners {
    /// Cancelled when the server is about to stop: nobody waits any longer.
    pub(crate) fn closing(&self) -> CancellationToken {
        self.closing.clone()
    }

    /// One of the few places for those who listen for a long time by one key, or to one stream.
    pub(crate) fn slot(&self, key: &str) -> Result<Slot> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let count = streams.entry(key.to_owned()).or_default();
        if *count >= STREAMS_PER_KEY {
            return Err(AdminError::TooMany {
                detail: format!(
                    "a key has at most {STREAMS_PER_KEY} streams at the same time; end one of them"
                ),
            });
        }
        *count += 1;
        drop(streams);
        Ok(Slot {
            streams: Arc::clone(&self.streams),
            key: key.to_owned(),
        })
    }
}

impl EventStream {
    /// The next events; an empty list is a sign of life, and nothing at all the end.
    pub async fn next(&mut self) -> Option<Vec<Event>> {
        let closing = self.engine.listeners().closing.clone();
        if closing.is_cancelled() {
            return None;
        }
        let now = self.clock.now();
        if now.since(self.checked_at) >= HEARTBEAT && !self.key_is_live(now).await {
            return None;
        }
        let found = self.found(now).await?;
        if !found.is_empty() {
            return self.tell(found, now).await;
        }
        tokio::select! {
            _ = self.news.changed() => {}
            () = tokio::time::sleep(HEARTBEAT) => {}
            () = closing.cancelled() => return None,
        }
        let now = self.clock.now();
        let found = self.found(now).await?;
        self.tell(found, now).await
    }

    /// What there is just now; where we fail the stream ends, and the client comes back.
    async fn found(&self, now: Timestamp) -> Option<Vec<Event>> {
        let found = self.engine.events_now(&self.actor, &self.wanted, now).await;
        if let Err(AdminError::Fault(fault)) = &found {
            tracing::warn!(error = %fault, "A stream of events ended on our side");
        }
        found.ok()
    }

    /// Tells only while the key is live.
    async fn tell(&mut self, found: Vec<Event>, now: Timestamp) -> Option<Vec<Event>> {
        if !self.key_is_live(now).await {
            return None;
        }
        if let Some(position) = found.last().and_then(|event| event.position) {
            self.wanted.after = position;
        }
        Some(found)
    }

    async fn key_is_live(&mut self, now: Timestamp) -> bool {
        self.checked_at = now;
        let actor = self.engine.authenticate_api_key(&self.key, now).await;
        actor.is_ok_and(|actor| actor.is_some())
    }
}
