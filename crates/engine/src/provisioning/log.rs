//! The flight recorder of SCIM requests: written in batches beside the requests, so that a look-up stays a read.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use vestibule_core::{DirectoryId, GroupId, OrganizationId, Timestamp, UserId};
use vestibule_scim::{Exchange, Failure};
use vestibule_store::{NewProvisioningRecord, Store};

use super::Grant;

/// Records that wait at most; a request that finds no room waits for the writer.
const ROOM: usize = 10_000;
/// Records that one transaction stores.
const BATCH: usize = 200;
/// Requests without an accepted token that are recorded for one directory in a minute; anybody can send them.
const STRANGERS: u32 = 10;
/// Directories that are watched for strangers at the same time.
const WATCHED: usize = 10_000;

#[derive(Clone)]
pub(super) struct Log(Arc<Inner>);

struct Inner {
    store: Store,
    entries: OnceLock<mpsc::Sender<Entry>>,
    strangers: Mutex<HashMap<DirectoryId, (Timestamp, u32)>>,
}

enum Entry {
    Record(Box<NewProvisioningRecord>),
    Flush(oneshot::Sender<()>),
}

impl Log {
    pub(super) fn new(store: Store) -> Self {
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
        let record = record(exchange, organization_id, directory_id, now);
        // A closed channel means that the runtime is going away; there is nobody left to tell.
        let _ = self.entries().send(Entry::Record(Box::new(record))).await;
    }

    /// Waits until everything observed so far is stored.
    pub(super) async fn flush(&self) {
        let (done, stored) = oneshot::channel();
        if self.entries().send(Entry::Flush(done)).await.is_ok() {
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

async fn write(store: Store, mut entries: mpsc::Receiver<Entry>) {
    let mut batch = Vec::with_capacity(BATCH);
    while entries.recv_many(&mut batch, BATCH).await > 0 {
        let (mut records, mut waiting) = (Vec::new(), Vec::new());
        for entry in batch.drain(..) {
            match entry {
                Entry::Record(record) => records.push(*record),
                Entry::Flush(done) => waiting.push(done),
            }
        }
        if let Err(error) = store_records(&store, &records).await {
            let count = records.len();
            tracing::error!(%error, count, "Records of SCIM requests are lost");
        }
        for done in waiting {
            // Who does not wait any more needs no answer.
            let _ = done.send(());
        }
    }
}

async fn store_records(
    store: &Store,
    records: &[NewProvisioningRecord],
) -> vestibule_store::Result<()> {
    let Some(last) = records.last() else {
        return Ok(());
    };
    let mut tx = store.write(last.created_at).await?;
    tx.add_provisioning_records(records).await?;
    tx.commit().await
}

fn record(
    exchange: Exchange<Grant>,
    organization_id: OrganizationId,
    directory_id: DirectoryId,
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
    NewProvisioningRecord {
        organization_id,
        directory_id,
        token_id: exchange.access.map(|grant| grant.token_id),
        method: exchange.method.to_string(),
        path: exchange.endpoint.to_owned(),
        resource_id: exchange.resource_id.filter(ours),
        user_agent: exchange.user_agent,
        status: i64::from(exchange.status),
        scim_type,
        detail,
        repairs: Value::Array(repairs),
        duration_micros: i64::try_from(exchange.duration.as_micros()).unwrap_or(i64::MAX),
        created_at: now,
    }
}
