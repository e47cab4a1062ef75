//! What happened on the wire, newest last.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use crate::clock;

/// More than a screen can show.
const MOST_ENTRIES: usize = 200;

/// Who speaks in an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Actor {
    Directory,
    Provider,
    Vestibule,
    App,
}

impl Actor {
    /// The name that people read.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Directory => "Directory",
            Self::Provider => "Identity provider",
            Self::Vestibule => "Vestibule",
            Self::App => "App",
        }
    }

    /// The CSS class.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Provider => "provider",
            Self::Vestibule => "vestibule",
            Self::App => "app",
        }
    }
}

/// How an entry reads at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Ending,
    Bad,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Ending => "ending",
            Self::Bad => "bad",
        }
    }
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) sequence: u64,
    happened: Instant,
    /// Milliseconds since the Unix epoch.
    pub(super) at: i64,
    pub(super) from: Actor,
    pub(super) to: Option<Actor>,
    pub(super) tone: Tone,
    pub(super) title: String,
    pub(super) detail: String,
    /// How long it took, in milliseconds.
    pub(super) took: Option<f64>,
}

impl Entry {
    pub(super) fn new(from: Actor, tone: Tone, title: impl Into<String>) -> Self {
        Self {
            sequence: 0,
            happened: Instant::now(),
            at: clock::unix_millis(),
            from,
            to: None,
            tone,
            title: title.into(),
            detail: String::new(),
            took: None,
        }
    }

    pub(super) fn to(mut self, to: Actor) -> Self {
        self.to = Some(to);
        self
    }

    pub(super) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Moves the entry to when it really happened, which is before it was written down.
    pub(super) fn happened(mut self, happened: Instant) -> Self {
        let ago = i64::try_from(happened.elapsed().as_millis()).unwrap_or_default();
        self.at = clock::unix_millis() - ago;
        self.happened = happened;
        self
    }

    pub(super) fn took(mut self, milliseconds: f64) -> Self {
        self.took = Some(milliseconds);
        self
    }

    /// The time of day in UTC, to the millisecond.
    pub(super) fn time(&self) -> String {
        let of_day = self.at.rem_euclid(86_400_000);
        let (seconds, millis) = (of_day / 1000, of_day % 1000);
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        format!("{hours:02}:{minutes:02}:{:02}.{millis:03}", seconds % 60)
    }

    pub(super) fn tone_class(&self) -> &'static str {
        self.tone.class()
    }
}

/// The entries, and a version that goes up with every change of what the cockpit shows.
pub(super) struct Timeline {
    entries: Mutex<Vec<Entry>>,
    version: watch::Sender<u64>,
}

impl Timeline {
    pub(super) fn new() -> Self {
        Self {
            entries: Mutex::default(),
            version: watch::channel(1).0,
        }
    }

    pub(super) fn push(&self, mut entry: Entry) {
        {
            let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            entry.sequence = entries.last().map_or(1, |last| last.sequence + 1);
            entries.push(entry);
            let surplus = entries.len().saturating_sub(MOST_ENTRIES);
            entries.drain(..surplus);
        }
        self.changed();
    }

    /// Says that something other than the entries changed.
    pub(super) fn changed(&self) {
        self.version.send_modify(|version| *version += 1);
    }

    pub(super) fn version(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// The entries, newest first.
    pub(super) fn newest(&self) -> Vec<Entry> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let mut newest: Vec<Entry> = entries.iter().rev().cloned().collect();
        newest.sort_by_key(|entry| std::cmp::Reverse(entry.happened));
        newest
    }
}
