//! The cockpit page: hire, sign in, fire, and see what that did.
//!
//! The server renders everything; the script only swaps in the newest state and sends forms
//! without leaving the page, so the page works without it too.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::{Form, Query, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN, REFERRER_POLICY,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::roster::{Employee, Roster};
use super::timeline::{Actor, Entry, Tone};
use super::{DemoProtocol, DemoWorld};
use crate::app::{AppEvent, AppEventKind, Probe};
use crate::idp::{IdpEvent, IdpEventKind};
use crate::{Place, Running};

/// How long a poll waits for news.
const POLL: Duration = Duration::from_secs(15);
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
    connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; \
    frame-ancestors 'none'";
/// Suggestions for the form.
const NAMES: [(&str, &str); 8] = [
    ("Ada", "Lovelace"),
    ("Grace", "Hopper"),
    ("Katherine", "Johnson"),
    ("Alan", "Turing"),
    ("Margaret", "Hamilton"),
    ("Emmy", "Noether"),
    ("Edsger", "Dijkstra"),
    ("Mary", "Jackson"),
];

/// The cockpit over one world.
#[derive(Clone)]
pub struct Cockpit {
    roster: Arc<Roster>,
    stopping: CancellationToken,
}

impl Cockpit {
    /// A cockpit with nobody hired yet.
    pub fn new(world: DemoWorld) -> Self {
        let roster = Arc::new(Roster::new(world));
        Self {
            roster,
            stopping: CancellationToken::new(),
        }
    }

    /// Its routes, to be nested at the root of a host of its own.
    ///
    /// Sign-ins and logout notices appear on the timeline only where [`Cockpit::watch`] runs too.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", get(page))
            .route("/live", get(live))
            .route("/hire", post(hire))
            .route("/fire", post(fire))
            .route("/rehire", post(rehire))
            .route("/cockpit.css", get(style))
            .route("/cockpit.js", get(script))
            .route("/icon.svg", get(icon))
            .layer(middleware::from_fn(own_forms_only))
            .with_state(self.clone())
    }

    /// Writes what the app and the identity provider do on the timeline, until dropped.
    pub async fn watch(self) {
        let mut app = self.roster.world.app.events();
        let mut idp = self.roster.world.idp.events();
        loop {
            tokio::select! {
                event = app.recv() => match event {
                    Ok(event) => self.app_event(&event).await,
                    Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                    Err(_) => return,
                },
                event = idp.recv() => match event {
                    Ok(event) => self.idp_event(&event),
                    Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                    Err(_) => return,
                },
            }
        }
    }

    pub(super) fn serve(self, place: Place) -> Running {
        let running = place.serve(self.router());
        let (stopping, stop) = (self.stopping.clone(), running.stopping());
        running.spawn(self.watch());
        // A long poll would hold the shutdown up.
        tokio::spawn(async move {
            stop.cancelled().await;
            stopping.cancel();
        });
        running
    }

    async fn app_event(&self, event: &AppEvent) {
        let name = self.roster.name_of(event.sub.as_deref());
        let from_app = |tone, title: String| Entry::new(Actor::App, tone, title);
        let notice = |tone, title: String| Entry::new(Actor::Vestibule, tone, title).to(Actor::App);
        let entry = match &event.kind {
            AppEventKind::LoginStarted => {
                from_app(Tone::Plain, "Sent a browser to sign in".to_owned()).to(Actor::Vestibule)
            }
            AppEventKind::LoginRefused(reason) => {
                from_app(Tone::Bad, "No sign-in".to_owned()).detail(reason.clone())
            }
            AppEventKind::SignedIn => from_app(Tone::Good, format!("{name} is signed in"))
                .detail("code exchanged, ID token verified"),
            AppEventKind::Refreshed => {
                from_app(Tone::Plain, format!("Refreshed the tokens of {name}"))
                    .to(Actor::Vestibule)
            }
            // The cockpit's own probe of a fired person's tokens has its own entry.
            AppEventKind::RefreshRefused(_) if !self.roster.employs(event.sub.as_deref()) => return,
            AppEventKind::RefreshRefused(error) => {
                from_app(Tone::Ending, format!("No fresh tokens for {name}"))
                    .to(Actor::Vestibule)
                    .detail(error.clone())
            }
            AppEventKind::LogoutNotice(0) => {
                notice(Tone::Plain, format!("Logout notice for {name}"))
                    .detail("nothing was left to end")
            }
            AppEventKind::LogoutNotice(ended) => {
                let plural = if *ended == 1 { "" } else { "s" };
                notice(Tone::Ending, format!("Logout notice for {name}"))
                    .detail(format!("token verified, {ended} login{plural} ended"))
            }
            AppEventKind::LogoutNoticeRefused(reason) => {
                notice(Tone::Bad, "A logout notice was refused".to_owned()).detail(reason.clone())
            }
            AppEventKind::SessionEnded(reason) => {
                let detail = reason.replace('_', " ");
                from_app(Tone::Ending, format!("{name} is signed out")).detail(detail)
            }
        };
        self.roster.timeline.push(entry.happened(event.at));
        self.roster.refresh().await;
    }

    fn idp_event(&self, event: &IdpEvent) {
        let user = event.user_name.as_deref().unwrap_or("somebody");
        let provider = |tone, title: String| Entry::new(Actor::Provider, tone, title);
        let entry = match event.kind {
            IdpEventKind::LoginShown => provider(Tone::Plain, "Asked for a password".to_owned()),
            IdpEventKind::PasswordRefused => provider(Tone::Bad, "Refused a password".to_owned()),
            IdpEventKind::SignedIn => provider(Tone::Good, format!("Knows {user}")),
            IdpEventKind::CodeExchanged | IdpEventKind::AssertionIssued => {
                provider(Tone::Plain, format!("Told Vestibule who {user} is"))
                    .to(Actor::Vestibule)
                    .detail(self.roster.world.protocol.message())
            }
            IdpEventKind::SignedOut => provider(Tone::Ending, format!("Signed {user} out")),
            IdpEventKind::CodeIssued => return,
        };
        self.roster.timeline.push(entry.happened(event.at));
    }
}

#[derive(Template)]
#[template(path = "demo/cockpit.html")]
struct PageView {
    company: String,
    domain: String,
    protocol: &'static str,
    given_name: &'static str,
    family_name: &'static str,
    vestibule_url: String,
    live: String,
}

#[derive(Template)]
#[template(path = "demo/live.html")]
struct LiveView {
    version: u64,
    problem: Option<String>,
    company: String,
    /// The identity provider's home page, where it can begin a login.
    home_url: Option<String>,
    app_url: String,
    people: Vec<PersonView>,
    entries: Vec<Entry>,
}

struct PersonView {
    employee: Employee,
    initials: String,
    hue: usize,
    logins: usize,
    ended_logins: usize,
    sign_in_url: String,
}

impl PersonView {
    /// The stages of a firing on a line of 1000 units: SCIM answer and logout.
    fn marks(&self) -> Option<(f64, f64)> {
        let firing = self.employee.firing.as_ref()?;
        let ended = firing.ended?;
        let whole = ended.max(firing.answered).max(0.001);
        Some((firing.answered / whole * 1000.0, ended / whole * 1000.0))
    }

    fn tokens_dead(&self) -> Option<bool> {
        let probes = &self.employee.firing.as_ref()?.probes;
        (!probes.is_empty()).then(|| !probes.iter().any(Probe::is_any_accepted))
    }
}

async fn page(State(cockpit): State<Cockpit>) -> Response {
    cockpit.roster.refresh().await;
    show(&cockpit, StatusCode::OK, None)
}

#[derive(Deserialize)]
struct After {
    after: u64,
}

/// Waits for news and answers with the part of the page that changes.
async fn live(State(cockpit): State<Cockpit>, Query(After { after }): Query<After>) -> Response {
    let mut version = cockpit.roster.timeline.version();
    // A browser that knows a later version talked to an earlier demo on this port.
    let news = async { version.wait_for(|now| *now != after).await.map(|_| ()) };
    tokio::select! {
        _ = news => {}
        () = cockpit.stopping.cancelled() => {}
        () = tokio::time::sleep(POLL) => cockpit.roster.refresh().await,
    }
    match live_view(&cockpit, None) {
        Ok(html) => ([(CACHE_CONTROL, "no-store")], Html(html)).into_response(),
        Err(error) => failed(&error),
    }
}

#[derive(Deserialize)]
struct Name {
    given_name: String,
    family_name: String,
}

async fn hire(State(cockpit): State<Cockpit>, Form(name): Form<Name>) -> Response {
    let done = cockpit
        .roster
        .hire(name.given_name.trim(), name.family_name.trim())
        .await;
    done_or_problem(&cockpit, done)
}

#[derive(Deserialize)]
struct Who {
    id: String,
}

async fn fire(State(cockpit): State<Cockpit>, Form(who): Form<Who>) -> Response {
    // In a task of its own: the measurement goes on when the browser leaves.
    let roster = cockpit.roster.clone();
    let done = tokio::spawn(async move { roster.fire(&who.id).await }).await;
    done_or_problem(&cockpit, done.unwrap_or_else(|error| Err(error.into())))
}

async fn rehire(State(cockpit): State<Cockpit>, Form(who): Form<Who>) -> Response {
    let done = cockpit.roster.rehire(&who.id).await;
    done_or_problem(&cockpit, done)
}

fn done_or_problem(cockpit: &Cockpit, done: anyhow::Result<()>) -> Response {
    match done {
        Ok(()) => Redirect::to("/").into_response(),
        Err(error) => show(cockpit, StatusCode::CONFLICT, Some(format!("{error:#}"))),
    }
}

fn show(cockpit: &Cockpit, status: StatusCode, problem: Option<String>) -> Response {
    match page_view(cockpit, problem) {
        Ok(html) => {
            let headers = [
                (CONTENT_SECURITY_POLICY, POLICY),
                (CACHE_CONTROL, "no-store"),
                (REFERRER_POLICY, "same-origin"),
            ];
            (status, headers, Html(html)).into_response()
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &askama::Error) -> Response {
    tracing::error!(error = %error, "The cockpit's page failed");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

fn page_view(cockpit: &Cockpit, problem: Option<String>) -> askama::Result<String> {
    let world = &cockpit.roster.world;
    let people = cockpit.roster.employees();
    let hired = |given: &str, family: &str| {
        people
            .iter()
            .any(|e| e.person.given_name == given && e.person.family_name == family)
    };
    let free = NAMES
        .into_iter()
        .find(|(given, family)| !hired(given, family));
    let (given_name, family_name) = free.unwrap_or_default();
    PageView {
        company: world.company.clone(),
        domain: world.domain.clone(),
        protocol: world.protocol.name(),
        given_name,
        family_name,
        vestibule_url: world.vestibule_url.to_string(),
        live: live_view(cockpit, problem)?,
    }
    .render()
}

fn live_view(cockpit: &Cockpit, problem: Option<String>) -> askama::Result<String> {
    let roster = &cockpit.roster;
    // The version is read first: what changes meanwhile is news for the next poll.
    let version = *roster.timeline.version().borrow();
    let employees = roster.employees();
    let people = employees
        .iter()
        .map(|employee| person_view(roster, &employees, employee));
    LiveView {
        version,
        problem,
        company: roster.world.company.clone(),
        home_url: home_url(&roster.world),
        app_url: roster.world.app.url().to_string(),
        people: people.collect(),
        entries: roster.timeline.newest(),
    }
    .render()
}

/// Only SAML lets an identity provider begin (saml-profiles §4.1.5); OpenID Connect begins at the app.
fn home_url(world: &DemoWorld) -> Option<String> {
    (world.protocol == DemoProtocol::Saml).then(|| world.idp.home_url().to_string())
}

fn person_view(roster: &Roster, all: &[Employee], employee: &Employee) -> PersonView {
    let person = &employee.person;
    let logins = roster.logins(employee);
    let live = logins
        .iter()
        .filter(|session| session.ending.is_none())
        .count();
    let mut url = roster.world.app.url().clone();
    url.set_path("/login");
    url.query_pairs_mut()
        .append_pair("login_hint", &person.email);
    let is_other = |other: &&Employee| other.id != employee.id;
    let colleague = match roster.world.protocol {
        // The hint tells the identity provider whom to ask for; a session of ours hides that.
        DemoProtocol::Oidc => all
            .iter()
            .filter(is_other)
            .any(|other| other.known.sessions > 0),
        // No hint reaches the identity provider, whose session outlives ours.
        DemoProtocol::Saml => all.iter().any(|other| is_other(&other)),
    };
    // The browser may still be signed in as a colleague.
    if colleague {
        url.query_pairs_mut().append_pair("prompt", "login");
    }
    let initial = |name: &str| name.chars().next().unwrap_or('·');
    PersonView {
        initials: [initial(&person.given_name), initial(&person.family_name)]
            .iter()
            .collect(),
        hue: person.user_name.bytes().map(usize::from).sum::<usize>() % 6,
        logins: live,
        ended_logins: logins.len() - live,
        sign_in_url: url.into(),
        employee: employee.clone(),
    }
}

/// Another site's page must not hire and fire: a form has to come from this very page.
async fn own_forms_only(headers: HeaderMap, request: Request, next: Next) -> Response {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let own = text(HOST).map(|host| format!("http://{host}"));
    if request.method() == Method::POST && (own.is_none() || text(ORIGIN) != own.as_deref()) {
        return (
            StatusCode::FORBIDDEN,
            "this form was not sent by the cockpit",
        )
            .into_response();
    }
    next.run(request).await
}

async fn style() -> impl IntoResponse {
    (
        [(CONTENT_TYPE, "text/css")],
        include_str!("../../assets/cockpit.css"),
    )
}

async fn script() -> impl IntoResponse {
    (
        [(CONTENT_TYPE, "text/javascript")],
        include_str!("../../assets/cockpit.js"),
    )
}

async fn icon() -> impl IntoResponse {
    (
        [(CONTENT_TYPE, "image/svg+xml")],
        include_str!("../../assets/icon.svg"),
    )
}
