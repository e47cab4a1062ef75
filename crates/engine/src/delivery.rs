//! The workers: what must happen after a commit happens here, at least once.
//!
//! Each kind of job has its own loop, so that no refused delivery ever holds back a logout notice.
//! A worker claims by lease, commits, and only then calls; a node that dies in between leaves a lease that runs out.
//! A destination that does not answer holds back nobody else: it has few of the calls, and after some failures in a row
//! its breaker opens for every node (`settle.rs`), and its jobs wait.

mod exchange;
mod fan_out;
mod gate;
mod house;
mod schedule;
mod send;
mod settle;
mod test_delivery;

use std::time::Duration;

use tokio::{sync::watch, task::JoinSet};
use tracing::{Instrument as _, Span, field};
use vestibule_core::Timestamp;
use vestibule_store::{Destination, Job};

pub use send::event_body;
pub(crate) use test_delivery::held_until;

use crate::{Clock, Engine, Fault};
use exchange::Exchange;
use gate::{Gate, Gates};
use settle::Breaker;

/// How long a claimed job is left to its worker; longer than any call may take.
const LEASE: Duration = Duration::from_secs(30);
/// A call is begun only when so much of the lease is left; no call takes longer.
const LONGEST_CALL: Duration = Duration::from_secs(6);
/// Jobs of one kind that a node has in hand at most: those that wait for a slot still have their turn within the lease.
const IN_HAND: usize = 128;
/// How long a worker sleeps at most: other nodes' jobs and leases that ran out are seen after this.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// A job in hand.
struct Claimed {
    kind: Destination,
    job: Job,
    /// When the lease runs out.
    until: Timestamp,
}

/// What an attempt means for its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The receiver took it, or the work is done.
    Done,
    /// The receiver refused it or was not reached; it is tried again.
    Failed,
    /// We could not even try; it is tried again.
    OurFault,
    /// No further attempt can help: what it is about is gone.
    Hopeless,
    /// It is not this worker's any more: its lease ran out, or it waits in its stream.
    Lost,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::OurFault => "our_fault",
            Self::Hopeless => "hopeless",
            Self::Lost => "lost",
        }
    }
}

/// What became of one attempt.
pub(crate) struct Attempt {
    outcome: Outcome,
    status: Option<u16>,
    error: Option<String>,
    exchange: Exchange,
}

impl Attempt {
    fn new(outcome: Outcome, status: Option<u16>, error: Option<String>) -> Self {
        Self {
            outcome,
            status,
            error,
            exchange: Exchange::default(),
        }
    }

    pub(crate) fn done() -> Self {
        Self::new(Outcome::Done, None, None)
    }

    fn answered(status: u16, is_success: bool) -> Self {
        if is_success {
            return Self::new(Outcome::Done, Some(status), None);
        }
        let error = format!("the receiver answered {status}");
        Self::new(Outcome::Failed, Some(status), Some(error))
    }

    fn unreached(error: String) -> Self {
        Self::new(Outcome::Failed, None, Some(error))
    }

    fn our_fault() -> Self {
        let error = "vestibule itself failed; it tries again".to_owned();
        Self::new(Outcome::OurFault, None, Some(error))
    }

    pub(crate) fn hopeless(error: &str) -> Self {
        Self::new(Outcome::Hopeless, None, Some(error.to_owned()))
    }

    /// Nothing is stored about the job: it is somebody else's now.
    pub(crate) fn given_away() -> Self {
        Self::new(Outcome::Lost, None, None)
    }
}

impl Engine {
    /// Delivers until `stop` resolves, then finishes what is under way.
    pub async fn deliver_until(&self, clock: Clock, stop: impl Future<Output = ()>) {
        let (sender, receiver) = watch::channel(false);
        let mut workers = JoinSet::new();
        for kind in Destination::ALL {
            let (engine, clock, receiver) = (self.clone(), clock.clone(), receiver.clone());
            workers.spawn(async move { engine.work_on(kind, clock, receiver).await });
        }
        let (engine, its_clock, its_receiver) = (self.clone(), clock.clone(), receiver.clone());
        workers.spawn(async move { engine.watch_providers(its_clock, its_receiver).await });
        let (engine, its_clock, its_receiver) = (self.clone(), clock.clone(), receiver.clone());
        workers.spawn(async move { engine.watch_events(its_clock, its_receiver).await });
        let (engine, its_clock, its_receiver) = (self.clone(), clock.clone(), receiver.clone());
        workers.spawn(async move { engine.poll_signals(its_clock, its_receiver).await });
        let (engine, clock) = (self.clone(), clock);
        workers.spawn(async move { engine.keep_house(clock, receiver).await });
        stop.await;
        // The receivers are gone only when every worker has returned already.
        let _ = sender.send(true);
        while workers.join_next().await.is_some() {}
    }

    async fn work_on(&self, kind: Destination, clock: Clock, mut stopped: watch::Receiver<bool>) {
        let mut gates = Gates::new();
        let mut in_hand = JoinSet::new();
        while !*stopped.borrow() {
            while in_hand.try_join_next().is_some() {}
            gates.forget_idle();
            let room = IN_HAND.saturating_sub(in_hand.len());
            let claimed = self.claim(kind, room, clock.now()).await;
            let claimed = claimed.unwrap_or_else(|fault| {
                tracing::warn!(error = %fault, kind = kind.as_str(), "Jobs could not be claimed");
                Vec::new()
            });
            for claimed in claimed {
                let gate = gates.of(&claimed.job.destination);
                let (engine, clock, stopped) = (self.clone(), clock.clone(), stopped.clone());
                let span = tracing::info_span!(
                    "deliver",
                    kind = claimed.kind.as_str(),
                    job.id = %claimed.job.id,
                    status = field::Empty,
                );
                let turn = async move {
                    engine.take_turn(&claimed, &gate, &clock, &stopped).await;
                };
                in_hand.spawn(turn.instrument(span));
            }
            let room = IN_HAND.saturating_sub(in_hand.len());
            tokio::select! {
                () = self.woken(kind) => {}
                () = half_done(&mut in_hand) => {}
                () = tokio::time::sleep(self.until_next_job(kind, room, clock.now()).await) => {}
                _ = stopped.changed() => {}
            }
        }
        while in_hand.join_next().await.is_some() {}
    }

    async fn claim(
        &self,
        kind: Destination,
        room: usize,
        now: Timestamp,
    ) -> Result<Vec<Claimed>, Fault> {
        // Looking first keeps an idle node from opening a write transaction every second.
        let next = match room {
            0 => None,
            _ => self.store().read(now).await?.next_job_at(kind).await?,
        };
        if next.is_none_or(|next| next > now) {
            return Ok(Vec::new());
        }
        let room = i64::try_from(room).unwrap_or(i64::MAX);
        let mut tx = self.store().write(now).await?;
        let jobs = tx.claim_jobs(kind, LEASE, room).await?;
        tx.commit().await?;
        let until = now.after(LEASE);
        let claimed = jobs.into_iter().map(|job| Claimed { kind, job, until });
        Ok(claimed.collect())
    }

    async fn until_next_job(&self, kind: Destination, room: usize, now: Timestamp) -> Duration {
        let next = match self.store().read(now).await {
            Ok(mut tx) if room > 0 => tx.next_job_at(kind).await.ok().flatten(),
            _ => None,
        };
        let wait = next.map_or(LONGEST_SLEEP, |next| next.since(now));
        wait.clamp(Duration::from_millis(20), LONGEST_SLEEP)
    }

    /// Waits for a slot and carries the job out, unless its destination has turned out to be down meanwhile.
    async fn take_turn(
        &self,
        claimed: &Claimed,
        gate: &Gate,
        clock: &Clock,
        stopped: &watch::Receiver<bool>,
    ) {
        let turn = gate.turn().await;
        let begun = clock.now();
        if turn.is_none() || *stopped.borrow() || begun.after(LONGEST_CALL) > claimed.until {
            if let Err(fault) = self.release(claimed, begun).await {
                tracing::warn!(error = %fault, job.id = %claimed.job.id, "A job could not be given back");
            }
            return;
        }
        let attempt = self.attempt(claimed, clock).await.unwrap_or_else(|fault| {
            tracing::warn!(error = %fault, job.id = %claimed.job.id, kind = claimed.kind.as_str(), "A job failed on our side");
            Attempt::our_fault()
        });
        Span::current().record("status", attempt.status);
        match self.settle(claimed, &attempt, begun, clock.now()).await {
            Ok(Breaker::Opened) => gate.shut(),
            Ok(Breaker::Closed) => {}
            // The lease runs out and somebody does it again: at least once.
            Err(fault) => {
                tracing::warn!(error = %fault, job.id = %claimed.job.id, "A job's outcome could not be stored");
            }
        }
    }

    async fn attempt(&self, claimed: &Claimed, clock: &Clock) -> Result<Attempt, Fault> {
        match claimed.kind {
            Destination::Logout => self.send_logout(&claimed.job, clock.now()).await,
            Destination::Webhook => self.send_webhook(&claimed.job, clock.now()).await,
            Destination::FanOut => self.fan_out(claimed, clock).await,
            Destination::Stream => self.send_event_token(&claimed.job, clock.now()).await,
        }
    }
}

/// Waits until half of what is in hand is done: claiming anew for each would cost a transaction each.
async fn half_done(in_hand: &mut JoinSet<()>) {
    if in_hand.is_empty() {
        return std::future::pending().await;
    }
    let rest = in_hand.len() / 2;
    while in_hand.len() > rest {
        in_hand.join_next().await;
    }
}
