//! Where the races are run, and the count of what happened.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinSet;
use vestibule_simulate::{ScimClient, scim::Call};
use vestibule_support::server::{Company, Employee, Site};

use crate::{
    app::App,
    dice::Dice,
    round::{Runner, Standing},
};

/// The app sessions for which a logout notice was ever written; the same words for both databases.
pub(crate) const NOTICES: &str = "SELECT payload ->> 'sid' FROM outbox WHERE kind = 'logout'";
/// Longer than the lease of a job that a killed node had claimed, and its retry.
const PATIENCE: Duration = Duration::from_secs(90);

/// Whether requests may go unanswered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Losses {
    /// Nodes are killed.
    Happen,
    /// All nodes live, so each lost request is a fault.
    AreFaults,
}

/// One installation, one company, and everybody's sessions.
pub(crate) struct Field {
    pub(crate) company: Company,
    pub(crate) app: App,
    pub(crate) dice: Dice,
    site: Site,
    nodes: Vec<String>,
    begun: AtomicUsize,
    played: AtomicUsize,
    sids: Mutex<HashSet<String>>,
    pub(crate) counts: Counts,
    started: Instant,
}

/// What happened, for the line that a proof prints.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Credentials that were tried after an end and refused; each on each node.
    pub(crate) refused: AtomicUsize,
    /// Credentials handed out by requests under way while the deactivation was.
    pub(crate) born_during: AtomicUsize,
    /// Requests under way at that time that were refused.
    pub(crate) refused_during: AtomicUsize,
    /// Requests without an answer.
    pub(crate) lost: AtomicUsize,
}

pub(crate) fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Field {
    pub(crate) fn new(company: Company, site: Site, nodes: Vec<String>, losses: Losses) -> Self {
        Self {
            app: App::new(&company, losses),
            dice: Dice::new(),
            company,
            site,
            nodes,
            begun: AtomicUsize::new(0),
            played: AtomicUsize::new(0),
            sids: Mutex::default(),
            counts: Counts::default(),
            started: Instant::now(),
        }
    }

    /// Any node.
    pub(crate) fn node(&self) -> &str {
        &self.nodes[self.dice.below(self.nodes.len())]
    }

    /// Every node.
    pub(crate) fn nodes(&self) -> &[String] {
        &self.nodes
    }

    /// The installation as the world sees it: one URL, whatever stands behind.
    pub(crate) fn front(&self) -> &str {
        &self.site.url
    }

    /// The directory, which tries again until it is answered, as directories do.
    pub(crate) async fn push<F: Future<Output = anyhow::Result<Call>>>(
        &self,
        call: impl Fn(ScimClient) -> F,
    ) {
        let begun = Instant::now();
        loop {
            let answered = call(self.company.scim.clone()).await;
            match answered {
                Ok(answer) if answer.is_success() => return,
                other => assert!(
                    begun.elapsed() < PATIENCE,
                    "the directory is not answered: {other:?}"
                ),
            }
            count(&self.counts.lost);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Notes that an app got an ID token of this session.
    pub(crate) fn note(&self, sid: &str) {
        self.sids().insert(sid.to_owned());
    }

    fn sids(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.sids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is a round left; takes it.
    fn begin_round(&self, rounds: usize) -> bool {
        self.begun.fetch_add(1, Ordering::Relaxed) < rounds
    }

    /// Waits until so many rounds were played.
    pub(crate) async fn played(&self, rounds: usize) {
        while self.played.load(Ordering::Relaxed) < rounds {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Each app session that ever got an ID token has its row in the outbox, and its notice reached the app.
    pub(crate) async fn everybody_was_told(&self, outbox: &[String]) {
        let sids = self.sids().clone();
        let written: HashSet<&String> = outbox.iter().collect();
        let unwritten: Vec<&String> = sids.iter().filter(|sid| !written.contains(sid)).collect();
        assert!(
            unwritten.is_empty(),
            "no notice was written for {} of {} app sessions: {unwritten:?}",
            unwritten.len(),
            sids.len()
        );
        let begun = Instant::now();
        loop {
            let told: HashSet<String> = self
                .company
                .app
                .state()
                .logout_tokens
                .into_iter()
                .filter_map(|token| token.sid)
                .collect();
            let untold: Vec<&String> = sids.iter().filter(|sid| !told.contains(*sid)).collect();
            if untold.is_empty() {
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "the app was not told of {} of {} app sessions: {untold:?}",
                untold.len(),
                sids.len()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) fn summary(&self) -> String {
        let read = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        let Counts {
            refused,
            born_during,
            refused_during,
            lost,
        } = &self.counts;
        format!(
            "{} rounds in {:.1} s: 0 alive of {} tries with ended credentials; {} credentials were handed out and {} requests refused \
             while a deactivation was under way; {} app sessions, all told; {} requests lost",
            read(&self.played),
            self.started.elapsed().as_secs_f64(),
            read(refused),
            read(born_during),
            read(refused_during),
            self.sids().len(),
            read(lost),
        )
    }
}

/// Plays all rounds, several people at the same time; afterwards everybody is deactivated.
pub(crate) async fn race(field: &Arc<Field>, people: usize, rounds: usize) {
    let mut runners = JoinSet::new();
    for number in 0..people {
        let employee = field.company.hire("Runner", &format!("No{number}")).await;
        let field = Arc::clone(field);
        runners.spawn(async move { Box::pin(run(&field, employee, rounds)).await });
    }
    while let Some(finished) = runners.join_next().await {
        finished.expect("no round failed");
    }
}

async fn run(field: &Field, employee: Employee, rounds: usize) {
    let mut standing = Standing::begin(field, &employee).await;
    let mut runner = Runner::new(field, &employee);
    while field.begin_round(rounds) {
        standing = Box::pin(runner.round(standing)).await;
        count(&field.played);
    }
    runner.finish(standing).await;
}
