//! The flight recorder of SCIM requests: written in batches beside the requests, so that a look-up stays a read.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use vestibule_core::{DirectoryId, GroupId, OrganizationId, Timestamp, UserId};
use vestibule_scim::{Exchange, Failure};
use vestibule_store::{DirectoryCredential, NewProvisioningRecord, Store};

use super::{Grant, detect::detect};

/// Records that wait at most; a request that finds no room waits for the writer.
const ROOM: usize = 10_000;
/// Records that one transaction stores.
const BATCH: usize = 500;
/// How long a record waits for others; each transaction costs a flush of the disk that the requests' own would share.
const GATHERING: Duration = Duration::from_millis(50);
/// Requests without an accepted token that are recorded for one directory in a minute; anybody can send them.
const STRANGERS: u32 = 10;
/// How often the product that a directory's client seems to be is written down at most.
const DETECTION_INTERVAL: Duration = Duration::from_mins(1);
/// Directories that are watched for strangers at the same time.
const WATCHED: usize = 10_000;

/// The recorder of an installation. Clones share one writer.
#[derive(Clone)]
pub(crate) struct Log(Arc<Inner>);

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}

struct Inner {
    store: Store,
    entries: OnceLock<mpsc::Sender<Entry>>,
    strangers: Mutex<HashMap<DirectoryId, (Timestamp, u32)>>,
}

enum Entry {
    /// A record, and which product its client seems to be where that is news.
    Record(Box<NewProvisioningRecord>, Option<&'static str>),
    Flush(oneshot::Sender<()>),
}

impl Log {
    pub(crate) fn new(store: Store) -> Self {
        Self(Arc::new(Inner {
            store,
            entries: OnceLock::new(),
            strangers: Mutex::default(),
        }))
    }

    /// Records a request that is answered now.
    pub(super) async fn observe(&self, exchange: Exchange<Grant>, now: Timestamp) {
        if let Some(Failure {
            cause: Some(cause), ..
        }) = &exchange.failure
        {
            tracing::error!(cause, endpoint = exchange.endpoint, "A SCIM request failed");
        }
        let Some((organization_id, directory_id)) = self.place(&exchange, now).await else {
            return;
        };
        let detected = exchange.access.as_ref().and_then(|_| detect(&exchange));
        let noted = exchange.access.as_ref().map(|grant| &grant.directory);
        let noted = noted.and_then(|directory| directory.detected_dialect.clone());
        let news = detected.filter(|dialect| noted.as_deref() != Some(*dialect));
        let dialect = detected.map(str::to_owned).or(noted);
        count(&exchange, dialect.as_deref());
        let record = record(exchange, organization_id, directory_id, dialect, now);
        let entry = Entry::Record(Box::new(record), news);
        // A closed channel means that the runtime is going away; there is nobody left to tell.
        let _ = self.entries().send(entry).await;
    }

    /// Waits until everything observed so far is stored.
    pub(crate) async fn flush(&self) {
        let Some(entries) = self.0.entries.get() else {
            return;
        };
        let (done, stored) = oneshot::channel();
        if entries.send(Entry::Flush(done)).await.is_ok() {
            let _ = stored.await;
        }
    }

    fn entries(&self) -> &mpsc::Sender<Entry> {
        self.0.entries.get_or_init(|| {
            let (sender, receiver) = mpsc::channel(ROOM);
            tokio::spawn(write(self.0.store.clone(), receiver));
            sender
        })
    }

    /// Whose record it is; none where the URL names no directory, or strangers knock too often.
    async fn place(
        &self,
        exchange: &Exchange<Grant>,
        now: Timestamp,
    ) -> Option<(OrganizationId, DirectoryId)> {
        if let Some(grant) = &exchange.access {
            return Some((grant.directory.organization_id, grant.directory.id));
        }
        let id = DirectoryId::from_suffix(&exchange.directory).ok()?;
        if !self.is_stranger_recorded(id, now) {
            return None;
        }
        let mut tx = self.0.store.read(now).await.ok()?;
        let directory = tx.find_directory(id).await.ok()??;
        Some((directory.organization_id, directory.id))
    }

    fn is_stranger_recorded(&self, id: DirectoryId, now: Timestamp) -> bool {
        let mut strangers = self
            .0
            .strangers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let minute_ago = now.before(Duration::from_mins(1));
        if strangers.len() >= WATCHED {
            strangers.retain(|_, (since, _)| *since > minute_ago);
        }
        if strangers.len() >= WATCHED && !strangers.contains_key(&id) {
            return false;
        }
        let (since, count) = strangers.entry(id).or_insert((now, 0));
        if *since <= minute_ago {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count <= STRANGERS
    }
}

fn count(exchange: &Exchange<Grant>, dialect: Option<&str>) {
    let outcome = match exchange.status {
        ..400 => "done",
        400..500 => "refused",
        500.. => "failed",
    };
    let dialect = dialect.unwrap_or("unknown").to_owned();
    metrics::counter!("vestibule_scim_requests_total", "dialect" => dialect, "outcome" => outcome)
        .increment(1);
}

async fn write(store: Store, mut entries: mpsc::Receiver<Entry>) {
    let mut batch = Vec::with_capacity(BATCH);
    // When a detection was last written, for each directory: two clients of one directory must not make a writer busy.
    let mut written: HashMap<DirectoryId, Timestamp> = HashMap::new();
    while entries.recv_many(&mut batch, BATCH).await > 0 {
        gather(&mut batch, &mut entries).await;
        let (mut records, mut detected, mut waiting) = (Vec::new(), HashMap::new(), Vec::new());
        for entry in batch.drain(..) {
            match entry {
                Entry::Record(record, news) => {
                    let (id, at) = (record.directory_id, record.created_at);
                    let last = written.get(&id);
                    let is_due = last.is_none_or(|last| at.since(*last) >= DETECTION_INTERVAL);
                    if let Some(dialect) = news.filter(|_| is_due) {
                        detected.insert(id, (dialect, at));
                    }
                    records.push(*record);
                }
                Entry::Flush(done) => waiting.push(done),
            }
        }
        if let Err(error) = store_batch(&store, &records, &detected).await {
            let count = records.len();
            tracing::error!(%error, count, "Records of SCIM requests are lost");
        }
        if written.len() >= WATCHED {
            written.clear();
        }
        written.extend(detected.into_iter().map(|(id, (_, at))| (id, at)));
        for done in waiting {
            // Who does not wait any more needs no answer.
            let _ = done.send(());
        }
    }
}

/// Waits for more, unless somebody waits for what there is.
async fn gather(batch: &mut Vec<Entry>, entries: &mut mpsc::Receiver<Entry>) {
    let waits = |batch: &[Entry]| batch.iter().any(|entry| matches!(entry, Entry::Flush(_)));
    let end = Instant::now() + GATHERING;
    while !waits(batch) && batch.len() < BATCH {
        // Asleep for a while, it is not woken for each record.
        tokio::time::sleep(GATHERING / 10).await;
        while batch.len() < BATCH
            && let Ok(entry) = entries.try_recv()
        {
            batch.push(entry);
        }
        if Instant::now() >= end || entries.is_closed() {
            break;
        }
    }
}

async fn store_batch(
    store: &Store,
    records: &[NewProvisioningRecord],
    detected: &HashMap<DirectoryId, (&'static str, Timestamp)>,
) -> vestibule_store::Result<()> {
    let Some(last) = records.last() else {
        return Ok(());
    };
    let mut tx = store.write(last.created_at).await?;
    tx.add_provisioning_records(records).await?;
    for (directory_id, (dialect, _)) in detected {
        tx.set_detected_dialect(*directory_id, dialect).await?;
    }
    tx.commit().await
}

fn record(
    exchange: Exchange<Grant>,
    organization_id: OrganizationId,
    directory_id: DirectoryId,
    dialect: Option<String>,
    now: Timestamp,
) -> NewProvisioningRecord {
    let repairs: Vec<Value> = exchange
        .repairs
        .iter()
        .map(|repair| {
            json!({
                "rule": repair.rule.number(),
                "place": repair.place.replace('\0', ""),
                "explanation": repair.rule.explanation(),
            })
        })
        .collect();
    // Only ids of ours: what else stands in the URL may be a name or an address.
    let ours = |id: &String| id.parse::<UserId>().is_ok() || id.parse::<GroupId>().is_ok();
    let (scim_type, detail) = match exchange.failure {
        Some(failure) => (
            failure.kind.scim_type().map(str::to_owned),
            Some(failure.detail),
        ),
        None => (None, None),
    };
    let (token_id, client_id) = match exchange.access.map(|grant| grant.credential) {
        Some(DirectoryCredential::Token(id)) => (Some(id), None),
        Some(DirectoryCredential::Client(id)) => (None, Some(id)),
        None => (None, None),
    };
    NewProvisioningRecord {
        organization_id,
        directory_id,
        token_id,
        client_id,
        request_id: Some(exchange.request_id.to_string()),
        method: exchange.method.to_string(),
        path: exchange.endpoint.to_owned(),
        resource_id: exchange.resource_id.filter(ours),
        user_agent: exchange.user_agent,
        dialect,
        changed: exchange.changed,
        status: i64::from(exchange.status),
        scim_type,
        detail,
        repairs: Value::Array(repairs),
        duration_micros: i64::try_from(exchange.duration.as_micros()).unwrap_or(i64::MAX),
        created_at: now,
    }
}
