//! The people of the demo, and what hiring and firing them did.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::DemoWorld;
use super::admin::{AdminApi, Known};
use super::timeline::{Actor, Entry, Timeline, Tone};
use crate::app::{AppEvent, AppEventKind, AppSession, Probe};
use crate::scim::{Call, Hired};
use crate::{Person, ScimClient};

/// How long the cockpit waits for an app's session to end before it says that it did not.
const PATIENCE: Duration = Duration::from_secs(10);

/// Somebody the cockpit hired.
#[derive(Debug, Clone)]
pub(super) struct Employee {
    pub(super) person: Person,
    /// The user's id at Vestibule: SCIM `id`, and `sub` at the app.
    pub(super) id: String,
    pub(super) works_here: bool,
    pub(super) known: Known,
    pub(super) firing: Option<Firing>,
}

/// What firing somebody took, in milliseconds since the SCIM request was sent.
#[derive(Debug, Clone)]
pub(super) struct Firing {
    /// Until the SCIM answer was read.
    pub(super) answered: f64,
    /// How many logins at the app there were.
    pub(super) logins: usize,
    /// Until the last of them had ended; none while they live.
    pub(super) ended: Option<f64>,
    /// What became of their tokens.
    pub(super) probes: Vec<Probe>,
    /// Whether the wait is over.
    pub(super) settled: bool,
}

/// The people and the machinery that moves them.
pub(super) struct Roster {
    pub(super) world: DemoWorld,
    pub(super) timeline: Timeline,
    admin: AdminApi,
    employees: Mutex<Vec<Employee>>,
}

impl Roster {
    pub(super) fn new(world: DemoWorld) -> Self {
        let admin = AdminApi::new(world.http.clone(), &world.vestibule_url, &world.api_key);
        Self {
            world,
            timeline: Timeline::new(),
            admin,
            employees: Mutex::default(),
        }
    }

    pub(super) fn employees(&self) -> Vec<Employee> {
        self.employees
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn find(&self, id: &str) -> anyhow::Result<Employee> {
        let found = self
            .employees()
            .into_iter()
            .find(|employee| employee.id == id);
        found.context("nobody of this id was hired here")
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Employee)) {
        let mut employees = self
            .employees
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(employee) = employees.iter_mut().find(|employee| employee.id == id) {
            change(employee);
        }
        drop(employees);
        self.timeline.changed();
    }

    /// The app's logins of somebody, ended ones too.
    pub(super) fn logins(&self, employee: &Employee) -> Vec<AppSession> {
        let mut sessions = self.world.app.state().sessions;
        sessions.retain(|session| session.sub == employee.id);
        sessions
    }

    /// Hires a new person: the company's provider knows them, the directory pushes them.
    pub(super) async fn hire(&self, given_name: &str, family_name: &str) -> anyhow::Result<()> {
        ensure!(
            !given_name.is_empty() && !family_name.is_empty(),
            "a person needs two names"
        );
        let longest = given_name.len().max(family_name.len());
        ensure!(longest <= 60, "a name here has at most 60 bytes");
        let person = Person::new(given_name, family_name, &self.world.domain)?;
        let taken = self
            .employees()
            .iter()
            .any(|e| e.person.user_name == person.user_name);
        ensure!(!taken, "{} was hired before", person.user_name);
        self.world.idp.add_person(person.clone());
        let Hired { lookup, write, id } = self.world.scim.hire(&person).await?;
        self.report(
            &lookup,
            &format!("Does {} exist?", person.name()),
            Tone::Plain,
        );
        if let Some(write) = &write {
            self.report(write, &format!("Hired {}", person.name()), Tone::Good);
        }
        let id = id.context("Vestibule did not take the person; see the last line on the wire")?;
        let known = self.admin.known(&id).await.unwrap_or_default();
        let employee = Employee {
            person,
            id,
            works_here: true,
            known,
            firing: None,
        };
        self.employees
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(0, employee);
        self.timeline.changed();
        Ok(())
    }

    /// Takes somebody back: the same user is active again, nothing old comes back to life.
    pub(super) async fn rehire(&self, id: &str) -> anyhow::Result<()> {
        let employee = self.find(id)?;
        let call = self.world.scim.reactivate(id).await?;
        self.report(
            &call,
            &format!("Hired {} back", employee.person.name()),
            Tone::Good,
        );
        call.success()?;
        self.change(id, |employee| {
            employee.works_here = true;
            employee.firing = None;
        });
        self.refresh().await;
        Ok(())
    }

    /// Fires somebody and measures until the app's last login of theirs has ended.
    ///
    /// The company's identity provider keeps the account on purpose: what ends here ends by the
    /// directory's word alone.
    pub(super) async fn fire(&self, id: &str) -> anyhow::Result<()> {
        let employee = self.find(id)?;
        let name = employee.person.name();
        let events = self.world.app.events();
        let live: Vec<String> = self
            .logins(&employee)
            .into_iter()
            .filter(|session| session.ending.is_none())
            .map(|session| session.id)
            .collect();
        let scim: &ScimClient = &self.world.scim;
        let call = scim.deactivate(id).await?;
        self.report(&call, &format!("Fired {name}"), Tone::Ending);
        let call = call.success()?;
        let firing = Firing {
            answered: call.milliseconds,
            logins: live.len(),
            ended: None,
            probes: Vec::new(),
            settled: live.is_empty(),
        };
        self.change(id, |employee| {
            employee.works_here = false;
            employee.firing = Some(firing);
        });
        self.refresh().await;
        if !live.is_empty() {
            self.follow(id, &name, call.sent, live, events).await;
        }
        Ok(())
    }

    /// Waits for logins to end, then tries the tokens that the app still holds.
    async fn follow(
        &self,
        id: &str,
        name: &str,
        sent: Instant,
        logins: Vec<String>,
        mut events: Receiver<AppEvent>,
    ) {
        let ended = tokio::time::timeout(PATIENCE, all_ended(logins.clone(), &mut events)).await;
        let ended = ended
            .ok()
            .flatten()
            .map(|at| milliseconds(at.saturating_duration_since(sent)));
        let mut probes = Vec::new();
        for login in &logins {
            if let Ok(probe) = self.world.app.probe(login).await {
                self.report_probe(name, &probe);
                probes.push(probe);
            }
        }
        if ended.is_none() {
            let title = format!("{name} is still signed in at the app");
            self.timeline.push(Entry::new(Actor::App, Tone::Bad, title));
        }
        self.change(id, |employee| {
            if let Some(firing) = &mut employee.firing {
                firing.ended = ended;
                firing.probes = probes;
                firing.settled = true;
            }
        });
        self.refresh().await;
    }

    /// Reads anew what Vestibule knows about everybody.
    pub(super) async fn refresh(&self) {
        for employee in self.employees() {
            match self.admin.known(&employee.id).await {
                Ok(known) if known != employee.known => {
                    self.change(&employee.id, |employee| employee.known = known);
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(error = %error, "Vestibule did not say who is known"),
            }
        }
    }

    fn report(&self, call: &Call, title: &str, tone: Tone) {
        let tone = if call.is_success() { tone } else { Tone::Bad };
        let path = call.path.split('?').next().unwrap_or_default();
        let mut detail = format!("SCIM {} {path} → {}", call.method, call.status);
        if let Some(problem) = call.body.get("detail").and_then(serde_json::Value::as_str) {
            detail = format!("{detail}: {problem}");
        }
        let entry = Entry::new(Actor::Directory, tone, title).to(Actor::Vestibule);
        self.timeline.push(
            entry
                .detail(detail)
                .took(call.milliseconds)
                .happened(call.sent),
        );
    }

    fn report_probe(&self, name: &str, probe: &Probe) {
        let refresh = probe.refresh_token.as_ref();
        let (tone, title) = if probe.is_any_accepted() {
            (Tone::Bad, format!("A token of {name} still works"))
        } else {
            (Tone::Ending, format!("The tokens of {name} are dead"))
        };
        let access = probe.access_token.status;
        let detail = match refresh.and_then(|token| token.error.as_deref()) {
            Some(error) => format!("access token → {access}, refresh token → {error}"),
            None => format!("access token → {access}"),
        };
        let entry = Entry::new(Actor::App, tone, title)
            .to(Actor::Vestibule)
            .detail(detail);
        self.timeline.push(entry);
    }

    /// Whether a subject works here.
    pub(super) fn employs(&self, sub: Option<&str>) -> bool {
        let employees = self.employees();
        employees
            .iter()
            .any(|employee| employee.works_here && Some(employee.id.as_str()) == sub)
    }

    /// Who a subject is.
    pub(super) fn name_of(&self, sub: Option<&str>) -> String {
        let employees = self.employees();
        let found = employees
            .iter()
            .find(|employee| Some(employee.id.as_str()) == sub);
        found.map_or_else(|| "Somebody".to_owned(), |employee| employee.person.name())
    }
}

/// When the last of these logins ended.
async fn all_ended(mut logins: Vec<String>, events: &mut Receiver<AppEvent>) -> Option<Instant> {
    loop {
        let event = match events.recv().await {
            Ok(event) => event,
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return None,
        };
        if let AppEventKind::SessionEnded(_) = event.kind {
            logins.retain(|login| Some(login) != event.session.as_ref());
            if logins.is_empty() {
                return Some(event.at);
            }
        }
    }
}

pub(super) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
