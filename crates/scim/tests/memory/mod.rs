//! A directory in memory: what a host writes, in its smallest form.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use vestibule_scim::directory::{
    After, Created, Directory, Exchange, Load, Lookup, LookupKind, Page, Precondition, Profile,
    Query, Stored, Update, Updated, Wanted,
};
use vestibule_scim::evaluate::{compare_documents, fold, matches, matches_element};
use vestibule_scim::resource::{Draft, Member, Membership};
use vestibule_scim::{DateTime, Error, MemberChange, Repairs, ResourceType, Rule};

/// The token that every directory here accepts.
pub(crate) const TOKEN: &str = "T";
/// The token that may read only.
pub(crate) const READER: &str = "R";
/// The userName at which the host panics.
pub(crate) const PANIC: &str = "panic";
/// The directory that is paused.
pub(crate) const PAUSED: &str = "paused";

/// The directory, and whether it may only be read.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    directory: String,
    reader: bool,
}

impl Deref for Access {
    type Target = str;

    fn deref(&self) -> &str {
        &self.directory
    }
}

/// One directory per name; `secret-…` names exist for nobody.
pub(crate) struct Memory {
    profile: Arc<Profile>,
    state: Mutex<State>,
    /// The values for `/Roles` and `/Entitlements`.
    pub(crate) lookups: Mutex<Vec<(LookupKind, Lookup)>>,
    /// Most resources that a page holds, whatever the client asks for.
    pub(crate) shortest_page: AtomicUsize,
    /// What the next creation waits for.
    pub(crate) gate: Mutex<Option<tokio::sync::oneshot::Receiver<()>>>,
    /// What `now` says, in seconds.
    pub(crate) seconds: AtomicI64,
    /// How often `public_profile` was asked for each address.
    pub(crate) callers: Mutex<Vec<Option<IpAddr>>>,
    /// What `observe` was told.
    pub(crate) seen: Mutex<Vec<Exchange<Access>>>,
}

#[derive(Default)]
struct State {
    clock: i64,
    resources: BTreeMap<(String, ResourceType, String), Stored>,
}

impl Memory {
    /// An empty directory.
    pub(crate) fn new(profile: Profile) -> Self {
        Self {
            profile: Arc::new(profile),
            state: Mutex::default(),
            lookups: Mutex::default(),
            gate: Mutex::default(),
            shortest_page: AtomicUsize::new(usize::MAX),
            seconds: AtomicI64::new(1_760_000_000),
            callers: Mutex::default(),
            seen: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tick(&mut self) -> DateTime {
        self.clock += 1;
        DateTime::from_unix_micros(1_760_000_000_000_000 + self.clock * 1_000_000)
            .unwrap_or_else(|| unreachable!("the clock starts in 2025"))
    }

    fn get(&self, access: &str, kind: ResourceType, id: &str) -> Result<&Stored, Error> {
        self.resources
            .get(&(access.to_owned(), kind, id.to_owned()))
            .ok_or_else(Error::no_such_resource)
    }

    fn all(&self, access: &str, kind: ResourceType) -> impl Iterator<Item = &Stored> {
        self.resources
            .iter()
            .filter(move |(key, _)| key.0 == access && key.1 == kind)
            .map(|(_, stored)| stored)
    }

    fn check_unique(
        &self,
        access: &str,
        kind: ResourceType,
        id: &str,
        stored: &Stored,
    ) -> Result<(), Error> {
        let key = |stored: &Stored| match kind {
            ResourceType::User => stored.resource.user_name().map(fold),
            ResourceType::Group => stored.resource.display_name().map(fold),
        };
        let taken = self
            .all(access, kind)
            .any(|other| other.id != id && key(other) == key(stored));
        if taken {
            return Err(Error::uniqueness("the name is taken in this directory"));
        }
        Ok(())
    }

    fn known_members(
        &self,
        access: &str,
        members: &[Member],
        repairs: &mut Repairs,
    ) -> Vec<Member> {
        let known = members.iter().filter_map(|member| {
            let found = self.known_member(access, member);
            if found.is_none() {
                repairs.note(Rule::UnknownMember, "members");
            }
            found
        });
        known.collect()
    }

    fn known_member(&self, access: &str, member: &Member) -> Option<Member> {
        [ResourceType::User, ResourceType::Group]
            .into_iter()
            .find_map(|kind| {
                let found = self.get(access, kind, &member.value).ok()?;
                let display = found
                    .resource
                    .display_name()
                    .or(found.resource.user_name())?;
                Some(
                    Member::new(&member.value)
                        .with_kind(kind)
                        .with_display(display),
                )
            })
    }

    fn view(&self, access: &str, kind: ResourceType, stored: &Stored, wanted: Wanted) -> Stored {
        let mut view = stored.clone();
        view.members = limited(view.members.unwrap_or_default(), wanted.members);
        view.groups = None;
        if kind == ResourceType::User {
            let groups = self.all(access, ResourceType::Group).filter(|group| {
                let members = group.members.as_deref().unwrap_or_default();
                members.iter().any(|member| member.value == stored.id)
            });
            let groups = groups.map(|group| {
                Membership::new(&group.id, group.resource.display_name().map(str::to_owned))
            });
            view.groups = limited(groups.collect(), wanted.groups);
            view.members = None;
        }
        view
    }

    fn apply_members(
        &self,
        access: &str,
        members: &mut Vec<Member>,
        changes: &[MemberChange],
        repairs: &mut Repairs,
    ) -> bool {
        let before = members.clone();
        for change in changes {
            match change {
                MemberChange::Add(new) => {
                    for member in self.known_members(access, new, repairs) {
                        if members.iter().all(|known| known.value != member.value) {
                            members.push(member);
                        }
                    }
                }
                MemberChange::Remove(ids) => members.retain(|member| !ids.contains(&member.value)),
                MemberChange::RemoveWhere(filter) => {
                    members.retain(|member| !matches_element(filter, &member.to_json("")));
                }
                MemberChange::ReplaceAll(new) => {
                    *members = self.known_members(access, new, repairs);
                }
            }
        }
        members.sort_by(|left, right| left.value.cmp(&right.value));
        *members != before
    }
}

fn limited<T>(list: Vec<T>, load: Load) -> Option<Vec<T>> {
    match load {
        Load::Nothing => None,
        Load::AtMost(most) => (list.len() <= most).then_some(list),
        Load::Everything => Some(list),
    }
}

#[async_trait]
impl Directory for Memory {
    type Access = Access;

    async fn authorize(&self, directory: &str, bearer: Option<&str>) -> Result<Access, Error> {
        if bearer != Some(TOKEN) && bearer != Some(READER) {
            return Err(Error::unauthorized(
                "the token is not one of this directory",
            ));
        }
        if directory == PAUSED {
            return Err(Error::unavailable("the directory is paused"));
        }
        if directory.starts_with("secret") {
            return Err(Error::not_found("there is no such directory"));
        }
        Ok(Access {
            directory: directory.to_owned(),
            reader: bearer == Some(READER),
        })
    }

    fn may_write(&self, access: &Access) -> bool {
        !access.reader
    }

    fn profile(&self, _access: &Access) -> Arc<Profile> {
        Arc::clone(&self.profile)
    }

    async fn public_profile(
        &self,
        directory: &str,
        address: Option<IpAddr>,
    ) -> Result<Arc<Profile>, Error> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        callers.push(address);
        if callers.iter().filter(|caller| **caller == address).count() > 20 {
            let busy = Error::too_many_requests("too many requests from this address");
            return Err(busy.retry_after(Duration::from_secs(7)));
        }
        if directory.starts_with("secret") {
            return Err(Error::not_found("there is no such directory"));
        }
        Ok(Arc::clone(&self.profile))
    }

    async fn create(
        &self,
        access: &Access,
        kind: ResourceType,
        draft: Draft,
        wanted: Wanted,
    ) -> Result<Created, Error> {
        let mut repairs = Repairs::default();
        assert_ne!(draft.resource.user_name(), Some(PANIC), "as it is asked to");
        let gate = self
            .gate
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(gate) = gate {
            let _ = gate.await;
        }
        let mut state = self.state();
        let now = state.tick();
        let id = format!("{}-{:06}", kind.name().to_lowercase(), state.clock);
        let mut stored = Stored::new(&id, draft.resource, "1", now, now);
        state.check_unique(access, kind, &id, &stored)?;
        if kind == ResourceType::Group {
            let mut members = Vec::new();
            state.apply_members(
                access,
                &mut members,
                &[MemberChange::Add(draft.members)],
                &mut repairs,
            );
            stored.members = Some(members);
        }
        state
            .resources
            .insert((access.directory.clone(), kind, id), stored.clone());
        let stored = state.view(access, kind, &stored, wanted);
        Ok(Created::new(stored).with_repairs(repairs))
    }

    async fn find(
        &self,
        access: &Access,
        kind: ResourceType,
        id: &str,
        wanted: Wanted,
    ) -> Result<Option<Stored>, Error> {
        let state = self.state();
        let found = state.get(access, kind, id).ok();
        Ok(found.map(|stored| state.view(access, kind, stored, wanted)))
    }

    async fn list(
        &self,
        access: &Access,
        kind: ResourceType,
        query: &Query,
    ) -> Result<Page, Error> {
        let state = self.state();
        let schema = self.profile.registry.of(kind);
        let everything = Wanted::EVERYTHING;
        let mut found: Vec<_> = state
            .all(access, kind)
            .map(|stored| {
                let document = state
                    .view(access, kind, stored, everything)
                    .document(schema, "");
                (stored, document)
            })
            .filter(|(_, document)| {
                query
                    .filter
                    .as_ref()
                    .is_none_or(|filter| matches(filter, document))
            })
            .collect();
        if let Some(sort) = &query.sort {
            found.sort_by(|left, right| compare_documents(sort, &left.1, &right.1));
        }
        let skip = match &query.after {
            None => usize::try_from(query.start_index - 1).unwrap_or(usize::MAX),
            Some(After::Start) => 0,
            // The position is the id of the last resource told, which has to be there still.
            Some(After::Position(id)) => found
                .iter()
                .position(|(stored, _)| stored.id == *id)
                .map(|place| place + 1)
                .ok_or_else(|| Error::invalid_cursor("the position is gone"))?,
        };
        let count = usize::try_from(query.count).unwrap_or(usize::MAX);
        let count = count.min(self.shortest_page.load(Ordering::Relaxed));
        let page: Vec<Stored> = found
            .iter()
            .skip(skip)
            .take(count)
            .map(|(stored, _)| state.view(access, kind, stored, query.wanted))
            .collect();
        let is_last = skip.saturating_add(page.len()) >= found.len();
        let next = page.last().filter(|_| !is_last).map(|last| last.id.clone());
        Ok(Page::new(found.len() as u64, page).with_next(next))
    }

    async fn update(
        &self,
        access: &Access,
        kind: ResourceType,
        id: &str,
        update: Update<'_>,
    ) -> Result<Updated, Error> {
        let mut state = self.state();
        let current = state.get(access, kind, id)?.clone();
        update.precondition.check(&current.version)?;
        let set = update.change.apply(&current.resource)?;
        let mut new = current.clone();
        new.resource = set.resource.clone();
        state.check_unique(access, kind, id, &new)?;
        let mut members = new.members.take().unwrap_or_default();
        let mut repairs = set.repairs;
        let members_changed = state.apply_members(access, &mut members, &set.members, &mut repairs);
        new.members = Some(members);
        let changed = members_changed || !set.touched.is_empty();
        if changed {
            new.last_modified = state.tick();
            new.version = state.clock.to_string();
            state
                .resources
                .insert((access.directory.clone(), kind, id.to_owned()), new.clone());
        }
        Ok(Updated::new(
            state.view(access, kind, &new, update.wanted),
            changed,
            repairs,
        )
        .with_touched(set.touched))
    }

    async fn delete(
        &self,
        access: &Access,
        kind: ResourceType,
        id: &str,
        precondition: &Precondition,
    ) -> Result<(), Error> {
        let mut state = self.state();
        precondition.check(&state.get(access, kind, id)?.version)?;
        state
            .resources
            .remove(&(access.directory.clone(), kind, id.to_owned()));
        for ((owner, _, _), stored) in &mut state.resources {
            if **owner == **access
                && let Some(members) = &mut stored.members
            {
                members.retain(|member| member.value != id);
            }
        }
        Ok(())
    }

    async fn lookups(&self, _access: &Access, kind: LookupKind) -> Result<Vec<Lookup>, Error> {
        let lookups = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
        let of_kind = lookups.iter().filter(|(other, _)| *other == kind);
        Ok(of_kind.map(|(_, lookup)| lookup.clone()).collect())
    }

    fn now(&self) -> DateTime {
        let seconds = self.seconds.load(Ordering::Relaxed);
        DateTime::from_unix_micros(seconds * 1_000_000).unwrap_or_default()
    }

    async fn observe(&self, exchange: Exchange<Access>) {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(exchange);
    }
}
