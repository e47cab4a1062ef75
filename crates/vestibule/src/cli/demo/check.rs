//! `vestibule demo --check`: the demo without a person, measured.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::json;
use vestibule_simulate::{Browser, DemoWorld, Person, app::AppSession};

use crate::cli::print;

/// How long the app may take to end its login before the check fails.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the app is asked whether the login has ended; the measurement does not depend on it.
const POLL: Duration = Duration::from_millis(5);

/// Hires a person, signs them in, fires them, and says whether everything of theirs has ended.
pub(super) async fn run(world: &DemoWorld, json: bool) -> anyhow::Result<bool> {
    let person = Person::new("Ada", "Lovelace", &world.domain)?;
    world.idp.add_person(person.clone());
    let hired = world.scim.hire(&person).await?;
    let id = hired.id.with_context(|| match &hired.write {
        Some(write) => format!("the directory's push was answered {}", write.status),
        None => "the person could not be hired".to_owned(),
    })?;
    let session = sign_in(world, &person).await?;
    ensure!(
        session.sub == id,
        "the app knows the person by another id than the directory"
    );

    let fired = world.scim.deactivate(&id).await?.success()?;
    let logout = logout_after(world, &session.id, fired.sent).await;
    let probe = world.app.probe(&session.id).await?;
    let tokens_refused = !probe.is_any_accepted();
    let answered = milliseconds(fired.duration);
    let logout = logout.map(milliseconds);
    let has_ended = logout.is_some();
    if json {
        print(&json!({
            "protocol": world.protocol.word(), "scim_answered_ms": answered, "app_logout_ms": logout, "tokens_refused": tokens_refused,
        })
        .to_string())?;
    } else {
        let tokens = if tokens_refused {
            "refused"
        } else {
            "STILL ACCEPTED"
        };
        let logout = logout.map_or("NEVER".to_owned(), |logout| format!("after {logout:.1} ms"));
        print(&format!(
            "signed in by {}, fired: SCIM answered after {answered:.1} ms, the app's login ended {logout}, its tokens are {tokens}",
            world.protocol.name()
        ))?;
    }
    Ok(has_ended && tokens_refused)
}

/// Signs in at the app as a person does: by the form of the company's identity provider.
async fn sign_in(world: &DemoWorld, person: &Person) -> anyhow::Result<AppSession> {
    let mut browser = Browser::new()?;
    let mut url = world.app.url().join("login")?;
    url.query_pairs_mut()
        .append_pair("login_hint", &person.email);
    let form = browser.get(&url).await?;
    ensure!(
        form.forms().iter().any(|form| form.has("password")),
        "the way to the identity provider ended with status {} at {}",
        form.status,
        form.url.path()
    );
    let fields = [
        ("username", person.user_name.as_str()),
        ("password", person.password.as_str()),
    ];
    let page = browser.submit(&form, &fields).await?;
    let page = browser.press_on(page).await?;
    let session = world.app.state().live_sessions().next().cloned();
    session.with_context(|| {
        format!(
            "the way back to the app ended with status {} at {}",
            page.status,
            page.url.path()
        )
    })
}

/// The time from the directory's call to the logout notice that ended the login, if it came.
async fn logout_after(world: &DemoWorld, session: &str, fired: Instant) -> Option<Duration> {
    let waiting = async {
        loop {
            let state = world.app.state();
            let ended = !state.live_sessions().any(|live| live.id == session);
            let notice = state.logout_tokens.iter().find(|notice| notice.ended > 0);
            match notice {
                Some(notice) if ended => return notice.received.saturating_duration_since(fired),
                _ => tokio::time::sleep(POLL).await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.ok()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
