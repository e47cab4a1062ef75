//! Provisioning by SCIM in an axum app that keeps its own users in SQLite: `cargo run -p embed_scim -- TOKEN`.
//!
//! Give your identity provider the URL `http://127.0.0.1:3002/scim/v2/acme` and the token; who may sign in stands at
//! <http://127.0.0.1:3002/>. The tables are the app's, and so is what a deactivation ends. All of SCIM's rules are in
//! the router; what an app answers is the trait below.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::error::Error as StdError;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::{Router, extract::State, routing::get};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, Transaction, params};
use vestibule_scim::evaluate::{compare_documents, fold, matches, matches_element};
use vestibule_scim::{
    After, Created, DateTime, Directory, Draft, Error, ErrorKind, Load, Member, MemberChange,
    Membership, Page, Precondition, Profile, Query, Repairs, Resource, ResourceType, Rule, Stored,
    Update, Updated, Wanted, async_trait,
};

const TABLES: &str = "
    CREATE TABLE accounts (
        id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, name TEXT NOT NULL, name_key TEXT NOT NULL,
        active INTEGER NOT NULL, profile TEXT NOT NULL,
        version INTEGER NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL,
        UNIQUE (kind, name_key)
    );
    CREATE TABLE members (
        team INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
        account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
        PRIMARY KEY (team, account)
    );
    CREATE INDEX teams_of ON members (account);
    CREATE TABLE sessions (
        cookie TEXT PRIMARY KEY,
        account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE
    );";
const ACCOUNT: &str = "SELECT id, profile, version, created, changed FROM accounts";

/// The app: its tables, and the one token that its customer's identity provider has.
struct App {
    db: Mutex<Connection>,
    token: String,
    profile: Arc<Profile>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let token = std::env::args().nth(1);
    let token =
        token.ok_or("say which token the identity provider shall have: embed_scim TOKEN")?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3002").await?;
    println!("http://{}/scim/v2/acme", listener.local_addr()?);
    let app = router("http://127.0.0.1:3002/scim/v2", App::new(token)?)?;
    Ok(axum::serve(listener, app).await?)
}

fn router(scim_url: &str, app: App) -> Result<Router, Box<dyn StdError>> {
    let app = Arc::new(app);
    let options = vestibule_scim::Options::new(scim_url.parse()?);
    let scim = vestibule_scim::router(Arc::clone(&app), options);
    let home = Router::new().route("/", get(who_may_sign_in));
    Ok(home.with_state(app).nest("/scim/v2", scim))
}

async fn who_may_sign_in(State(app): State<Arc<App>>) -> Result<String, String> {
    let sql = "SELECT name FROM accounts WHERE kind = 'User' AND active ORDER BY name";
    let names = app.run(|tx| {
        let mut people = tx.prepare(sql)?;
        let names = people.query_map([], |row| row.get(0))?;
        Ok(names.collect::<Result<Vec<String>, _>>()?.join("\n"))
    });
    names.map_err(|error| error.to_string())
}

impl App {
    fn new(token: String) -> rusqlite::Result<Self> {
        let db = Connection::open_in_memory()?;
        db.execute_batch("PRAGMA foreign_keys = ON")?;
        db.execute_batch(TABLES)?;
        Ok(Self {
            db: Mutex::new(db),
            token,
            profile: Arc::new(Profile::new()),
        })
    }

    /// Runs a use case in a transaction of its own.
    fn run<T>(&self, use_case: impl FnOnce(&Transaction<'_>) -> Answer<T>) -> Result<T, Error> {
        let run = || {
            let mut db = self.db.lock().unwrap_or_else(PoisonError::into_inner);
            let tx = db.transaction()?;
            let outcome = use_case(&tx)?;
            tx.commit()?;
            Ok(outcome)
        };
        run().map_err(|Refusal(error)| error)
    }
}

/// Why a request is refused: a taken name is the client's fault, whatever else the database says is ours.
struct Refusal(Error);

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => Self(Error::uniqueness("the name is taken")),
            _ => Self(Error::internal(error)),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

type Answer<T> = Result<T, Refusal>;

/// An account as SCIM sees it, without its lists.
fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let time = |micros| DateTime::from_unix_micros(micros).unwrap_or_default();
    let (id, version): (i64, i64) = (row.get(0)?, row.get(2)?);
    let profile: Resource = serde_json::from_str(row.get_ref(1)?.as_str()?).unwrap_or_default();
    let (created, changed) = (time(row.get(3)?), time(row.get(4)?));
    let (id, version) = (id.to_string(), version.to_string());
    Ok(Stored::new(id, profile, version, created, changed))
}

fn find(db: &Connection, kind: ResourceType, id: &str, wanted: Wanted) -> Answer<Stored> {
    let sql = format!("{ACCOUNT} WHERE kind = ?1 AND id = ?2");
    let found = db.query_row(&sql, params![kind.name(), id], stored);
    let found = found.optional()?.ok_or_else(Error::no_such_resource)?;
    with_lists(db, found, wanted)
}

/// Adds the lists that an answer needs.
fn with_lists(db: &Connection, stored: Stored, wanted: Wanted) -> Answer<Stored> {
    let members = match wanted.members {
        Load::Nothing => None,
        Load::AtMost(most) => Some(members(db, &stored.id)?).filter(|all| all.len() <= most),
        Load::Everything => Some(members(db, &stored.id)?),
    };
    let mut groups = None;
    if wanted.groups != Load::Nothing {
        let mut rows = db.prepare_cached(
            "SELECT id, name FROM accounts JOIN members ON team = id WHERE account = ?1",
        )?;
        let rows = rows.query_map([&stored.id], |row| {
            Ok(Membership::new(
                row.get::<_, i64>(0)?.to_string(),
                row.get(1)?,
            ))
        })?;
        groups = Some(rows.collect::<Result<_, _>>()?);
    }
    Ok(stored.with_members(members).with_groups(groups))
}

fn members(db: &Connection, team: &str) -> Answer<Vec<Member>> {
    let mut rows = db.prepare_cached(
        "SELECT id, kind, name FROM accounts JOIN members ON account = id WHERE team = ?1",
    )?;
    let rows = rows.query_map([team], |row| {
        let kind = match row.get_ref(1)?.as_str()? {
            "Group" => ResourceType::Group,
            _ => ResourceType::User,
        };
        let member = Member::new(row.get::<_, i64>(0)?.to_string()).with_kind(kind);
        Ok(member.with_display(row.get::<_, String>(2)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Changes who is in a team, and says whether anybody came or went.
fn change_members(
    tx: &Transaction<'_>,
    team: &str,
    change: &MemberChange,
    repairs: &mut Repairs,
) -> Answer<bool> {
    let leaving = |leaves: &dyn Fn(&Member) -> bool| -> Answer<Vec<String>> {
        let leaving = members(tx, team)?.into_iter().filter(leaves);
        Ok(leaving.map(|member| member.value).collect())
    };
    let (leaving, coming) = match change {
        MemberChange::Add(members) => (Vec::new(), members.as_slice()),
        MemberChange::Remove(ids) => (ids.clone(), [].as_slice()),
        MemberChange::RemoveWhere(filter) => {
            let leaves = |member: &Member| matches_element(filter, &member.to_json(""));
            (leaving(&leaves)?, [].as_slice())
        }
        MemberChange::ReplaceAll(members) => {
            let stay: HashSet<&str> = members.iter().map(|one| one.value.as_str()).collect();
            let leaves = |member: &Member| !stay.contains(member.value.as_str());
            (leaving(&leaves)?, members.as_slice())
        }
    };
    let mut moved = 0;
    for id in &leaving {
        let sql = "DELETE FROM members WHERE team = ?1 AND account = ?2";
        moved += tx.execute(sql, [team, id])?;
    }
    for member in coming {
        let sql = "SELECT EXISTS (SELECT 1 FROM accounts WHERE id = ?1)";
        if !tx.query_row(sql, [&member.value], |row| row.get(0))? {
            // Some clients push memberships ahead of people, and would repeat a refused request for ever.
            repairs.note(Rule::UnknownMember, "members");
            continue;
        }
        let sql = "INSERT OR IGNORE INTO members (team, account) VALUES (?1, ?2)";
        moved += tx.execute(sql, [team, &member.value])?;
    }
    Ok(moved > 0)
}

/// What the app itself reads of a resource: its name, and whether the person may sign in.
fn columns(kind: ResourceType, resource: &Resource) -> (&str, String, bool, String) {
    let name = match kind {
        ResourceType::User => resource.user_name(),
        ResourceType::Group => resource.display_name(),
    };
    let name = name.unwrap_or_default();
    let profile = serde_json::to_string(resource).unwrap_or_default();
    (name, fold(name), resource.active(), profile)
}

#[async_trait]
impl Directory for App {
    type Access = ();

    async fn authorize(&self, directory: &str, bearer: Option<&str>) -> Result<(), Error> {
        // Without a branch for each byte, so that the time tells nothing about the token.
        let (token, bearer) = (self.token.as_bytes(), bearer.unwrap_or_default().as_bytes());
        let pairs = token.iter().zip(bearer);
        let differ = pairs.fold(0, |differ, (left, right)| differ | (left ^ right));
        if differ != 0 || token.len() != bearer.len() || directory != "acme" {
            return Err(Error::unauthorized(
                "the token is not one of this directory",
            ));
        }
        Ok(())
    }

    fn profile(&self, (): &()) -> Arc<Profile> {
        Arc::clone(&self.profile)
    }

    async fn public_profile(&self, _: &str, _: Option<IpAddr>) -> Result<Arc<Profile>, Error> {
        Ok(Arc::clone(&self.profile))
    }

    async fn create(
        &self,
        (): &(),
        kind: ResourceType,
        draft: Draft,
        wanted: Wanted,
    ) -> Result<Created, Error> {
        let (name, key, active, profile) = columns(kind, &draft.resource);
        let now = self.now().unix_micros();
        self.run(|tx| {
            tx.execute(
                "INSERT INTO accounts (kind, name, name_key, active, profile, version, created, changed)
                 VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?6)",
                params![kind.name(), name, key, active, profile, now],
            )?;
            let id = tx.last_insert_rowid().to_string();
            let mut repairs = Repairs::default();
            change_members(tx, &id, &MemberChange::Add(draft.members), &mut repairs)?;
            Ok(Created::new(find(tx, kind, &id, wanted)?).with_repairs(repairs))
        })
    }

    async fn find(
        &self,
        (): &(),
        kind: ResourceType,
        id: &str,
        wanted: Wanted,
    ) -> Result<Option<Stored>, Error> {
        match self.run(|tx| find(tx, kind, id, wanted)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }

    /// Looks at everybody, which is fine for some thousands; with more, answer `userName eq` from the index.
    async fn list(&self, (): &(), kind: ResourceType, query: &Query) -> Result<Page, Error> {
        let schema = self.profile.registry.of(kind);
        let reads = |name| {
            query
                .filter
                .as_ref()
                .is_some_and(|filter| filter.reads(name))
        };
        let read = match reads("members") || reads("groups") {
            true => Wanted::EVERYTHING,
            false => Wanted::NOTHING,
        };
        self.run(|tx| {
            let mut rows = tx.prepare(&format!("{ACCOUNT} WHERE kind = ?1 ORDER BY id"))?;
            let mut found = Vec::new();
            for stored in rows.query_map([kind.name()], stored)? {
                let stored = with_lists(tx, stored?, read)?;
                let document = stored.document(schema, "");
                if query
                    .filter
                    .as_ref()
                    .is_none_or(|filter| matches(filter, &document))
                {
                    found.push((stored, document));
                }
            }
            if let Some(sort) = &query.sort {
                found.sort_by(|(_, left), (_, right)| compare_documents(sort, left, right));
            }
            let skip = match &query.after {
                None => usize::try_from(query.start_index - 1).unwrap_or(usize::MAX),
                Some(After::Start) => 0,
                Some(After::Position(id)) => {
                    let last = found.iter().position(|(stored, _)| stored.id == *id);
                    last.ok_or_else(|| Error::expired_cursor("the last one told is gone"))? + 1
                }
            };
            let total = found.len();
            let page = found.into_iter().skip(skip);
            let page = page.take(usize::try_from(query.count).unwrap_or(usize::MAX));
            let page = page.map(|(stored, _)| with_lists(tx, stored, query.wanted));
            let page: Vec<Stored> = page.collect::<Answer<_>>()?;
            let more = skip.saturating_add(page.len()) < total;
            let next = page.last().filter(|_| more).map(|last| last.id.clone());
            Ok(Page::new(u64::try_from(total).unwrap_or(u64::MAX), page).with_next(next))
        })
    }

    async fn update(
        &self,
        (): &(),
        kind: ResourceType,
        id: &str,
        update: Update<'_>,
    ) -> Result<Updated, Error> {
        let now = self.now().unix_micros();
        self.run(|tx| {
            let current = find(tx, kind, id, Wanted::NOTHING)?;
            update.precondition.check(&current.version)?;
            let set = update.change.apply(&current.resource)?;
            let (mut repairs, mut changed) = (set.repairs, !set.touched.is_empty());
            for change in &set.members {
                changed |= change_members(tx, id, change, &mut repairs)?;
            }
            let (name, key, active, profile) = columns(kind, &set.resource);
            if changed {
                tx.execute(
                    "UPDATE accounts SET name = ?2, name_key = ?3, active = ?4, profile = ?5,
                     version = version + 1, changed = ?6 WHERE id = ?1",
                    params![id, name, key, active, profile, now],
                )?;
            }
            if !active {
                // What ends with a person's access is the app's to say; here it is whoever is signed in.
                tx.execute("DELETE FROM sessions WHERE account = ?1", [id])?;
            }
            let stored = find(tx, kind, id, update.wanted)?;
            Ok(Updated::new(stored, changed, repairs).with_touched(set.touched))
        })
    }

    async fn delete(
        &self,
        (): &(),
        kind: ResourceType,
        id: &str,
        precondition: &Precondition,
    ) -> Result<(), Error> {
        let now = self.now().unix_micros();
        self.run(|tx| {
            precondition.check(&find(tx, kind, id, Wanted::NOTHING)?.version)?;
            // A team that loses a member is another version of that team.
            let sql = "UPDATE accounts SET version = version + 1, changed = ?2
                       WHERE id IN (SELECT team FROM members WHERE account = ?1)";
            tx.execute(sql, params![id, now])?;
            tx.execute("DELETE FROM accounts WHERE id = ?1", [id])?;
            Ok(())
        })
    }
}
