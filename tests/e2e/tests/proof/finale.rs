//! In the end: everybody was told, and the database holds nothing that opens anything.

use std::{collections::HashMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use vestibule_core::Timestamp;
use vestibule_support::{Database, DatabaseKind};

use crate::{history::History, steps::Manner};

/// How far an application's view of a moment and the model's may lie apart.
const MARGIN: Duration = Duration::from_secs(12);
/// An application that got tokens so shortly before an ending is told twice (I9).
const YOUNG: Duration = Duration::from_secs(60);
/// The second notice comes no sooner after the ending.
const SECOND_NOTICE: Duration = Duration::from_secs(30);
/// Half hours after which the outbox is empty, however often a delivery had failed.
const HALF_HOURS: usize = 60;

impl History<'_> {
    /// Lets everything be delivered, and looks at what applications heard and at what the database holds.
    pub(crate) async fn finish(mut self) {
        let now = self.now();
        self.model.note_endings(now);
        self.deliver_all().await;
        for number in 0..self.model.shares.len() {
            self.check_notices(number);
        }
        self.check_rows().await;
        self.check_dump().await;
    }

    async fn deliver_all(&self) {
        for application in &self.field.applications {
            application.set_manner(Manner::Answers);
        }
        let database = &self.installation.nodes[0].database;
        for node in &self.installation.nodes {
            node.set_skew(0);
        }
        for _ in 0..HALF_HOURS {
            self.field.calm(self.installation).await;
            if self.field.count_jobs(self.installation, "").await == 0 {
                return;
            }
            self.installation.nodes[0].pass(Duration::from_secs(1800));
        }
        let left = "SELECT kind || ' to ' || destination || ': ' || COALESCE(last_error, 'not tried') FROM outbox WHERE done_at IS NULL";
        panic!("undelivered: {:?}", database.texts(left).await);
    }

    /// I8 and I9.
    fn check_notices(&self, number: usize) {
        let share = &self.model.shares[number];
        let code = &self.model.codes[share.code];
        let sub = &self.model.users[self.model.sign_ins[code.sign_in].user].id;
        let told = self.field.applications[code.application].notices_of(&share.sid);
        let others = self.field.applications[1 - code.application].notices_of(&share.sid);
        assert!(
            others.is_empty(),
            "another application heard of share {number}"
        );
        assert!(
            told.iter().all(|notice| notice.sub == *sub),
            "a notice names another person"
        );
        let Some(due) = share.due else {
            return assert!(told.is_empty(), "a notice of share {number}, which is live");
        };
        if share.revoked {
            return;
        }
        assert!(!told.is_empty(), "I8: nobody was told of share {number}");
        let at = |second: Timestamp, first: Timestamp| second.since(first);
        let first = told.iter().map(|notice| notice.at).min().unwrap_or(due);
        let last = told.iter().map(|notice| notice.at).max().unwrap_or(due);
        let young = at(due, share.last_issued) + MARGIN < YOUNG;
        // A first notice that came so late finds no application that is still beginning its session.
        let late = at(first, share.last_issued) + MARGIN >= YOUNG;
        let twice = told.len() >= 2 && at(last, due) + MARGIN >= SECOND_NOTICE;
        assert!(
            !young || late || twice,
            "I9: share {number} was told {told:?}, due at {due:?}"
        );
    }

    /// I6 and I10: one unused refresh token a share; no notice is done before it was accepted.
    async fn check_rows(&self) {
        let database = &self.installation.nodes[0].database;
        let unused = "SELECT COUNT(*) FROM (SELECT app_session_id FROM refresh_tokens WHERE consumed_at IS NULL
             GROUP BY app_session_id HAVING COUNT(*) > 1) AS several";
        assert_eq!(database.number(unused).await, 0, "I6");
        self.check_done().await;
    }

    /// I10: so many notices of a share are done at most as its application has accepted.
    pub(crate) async fn check_done(&self) {
        let database = &self.installation.nodes[0].database;
        let mut done: HashMap<String, usize> = HashMap::new();
        let sql =
            "SELECT payload ->> 'sid' FROM outbox WHERE kind = 'logout' AND done_at IS NOT NULL";
        for sid in database.texts(sql).await {
            *done.entry(sid).or_default() += 1;
        }
        for share in &self.model.shares {
            let application = self.model.codes[share.code].application;
            let accepted = self.field.applications[application].notices_of(&share.sid);
            let done = done.get(&share.sid).copied().unwrap_or_default();
            assert!(
                done <= accepted.len(),
                "I10: {done} done, {} accepted",
                accepted.len()
            );
        }
    }

    /// I14: no secret that was handed out stands in the database, as text or as bytes.
    async fn check_dump(&self) {
        let dump = dump(&self.installation.nodes[0].database).await;
        assert!(dump.len() > 10_000, "the database was read");
        for secret in self.secrets.iter().filter(|secret| !secret.is_empty()) {
            let shown = secret.get(..8).unwrap_or_default();
            for needle in needles(secret) {
                assert!(!dump.contains(&needle), "I14: the database holds {shown}…");
            }
        }
    }
}

/// What a secret would look like: the text, its bytes, and the bytes that it stands for; in lower case.
fn needles(secret: &str) -> Vec<String> {
    let hex = |bytes: &[u8]| {
        let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        digits.concat()
    };
    let mut needles = vec![secret.to_lowercase(), hex(secret.as_bytes())];
    let random = secret.rsplit(['_', '.']).next().unwrap_or_default();
    if random.len() >= 20 {
        needles.extend(URL_SAFE_NO_PAD.decode(random).ok().map(|bytes| hex(&bytes)));
    }
    needles
}

/// Every column of every table as text, bytes in hexadecimal digits, in lower case.
async fn dump(database: &Database) -> String {
    let tables = match database.kind {
        DatabaseKind::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table'",
        DatabaseKind::Postgres => {
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        }
    };
    let mut dump = String::new();
    for table in database.texts(tables).await {
        let rows = match database.kind {
            DatabaseKind::Sqlite => {
                let columns = format!("SELECT name FROM pragma_table_info('{table}')");
                let columns = database.texts(&columns).await;
                let quoted: Vec<_> = columns
                    .iter()
                    .map(|name| format!("quote(\"{name}\")"))
                    .collect();
                format!("SELECT {} FROM \"{table}\"", quoted.join(" || ' ' || "))
            }
            DatabaseKind::Postgres => {
                format!("SELECT row_to_json(t)::text FROM \"{table}\" t")
            }
        };
        for row in database.texts(&rows).await {
            dump.push_str(&row.to_lowercase());
            dump.push('\n');
        }
    }
    dump
}
