//! How a directory does, and whether it is quieter than it uses to be.

use std::time::Duration;

use serde_json::json;
use vestibule_core::{DirectoryId, EventKind, Resource, Timestamp};
use vestibule_store::{ActiveHour, Directory, LeftOut, NewEvent};

use super::adoption::seen;
use crate::{
    Engine, Fault,
    admin::{Actor, Result},
};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
/// The past that a rhythm is read from; records are kept as long.
const PAST: Duration = Duration::from_hours(30 * 24);
/// Logins that were refused this long ago are still told.
const REFUSALS: Duration = Duration::from_hours(7 * 24);
/// Pauses that make a rhythm; with fewer nobody knows what is usual.
const PAUSES: usize = 5;
/// A directory is silent after so many of its usual pauses, and never sooner than in so many hours.
const PATIENCE: u64 = 3;
/// Directories that one pass looks at.
const AT_ONCE: i64 = 100;

/// How a directory does.
#[derive(Debug)]
pub struct DirectoryHealth {
    /// When it was last heard of.
    pub last_seen_at: Option<Timestamp>,
    /// Requests within a day.
    pub requests: i64,
    /// Of these, the ones that were refused or failed; a look-up that finds nobody is no failure.
    pub failures: i64,
    /// How long it pauses at most, nine times of ten; none while too little is known.
    pub usual_pause: Option<Duration>,
    /// When it becomes silent unless it is heard of before.
    pub silent_at: Option<Timestamp>,
    /// Whom it leaves out.
    pub left_out: LeftOut,
}

impl DirectoryHealth {
    /// Whether it is quieter than it uses to be.
    pub fn is_silent(&self, now: Timestamp) -> bool {
        self.silent_at.is_some_and(|at| at <= now)
    }
}

impl Engine {
    /// How a directory does.
    pub async fn directory_health(
        &self,
        actor: &Actor,
        id: DirectoryId,
        now: Timestamp,
    ) -> Result<DirectoryHealth> {
        actor.may_read(Resource::Directories)?;
        let mut tx = self.store().read(now).await?;
        let directory = seen(&mut tx, actor, id).await?;
        let hours = tx.list_active_hours(id, now.before(PAST)).await?;
        let left_out = tx.count_left_out(&directory, now.before(REFUSALS)).await?;
        let today = ActiveHour::of(now.before(DAY));
        let lately = || hours.iter().filter(|hour| hour.hour > today);
        let usual_pause = usual_pause(&hours);
        Ok(DirectoryHealth {
            last_seen_at: directory.last_seen_at,
            requests: lately().map(|hour| hour.requests).sum(),
            failures: lately().map(|hour| hour.failures).sum(),
            usual_pause,
            silent_at: silent_at(&directory, usual_pause),
            left_out,
        })
    }

    /// Tells of directories that are quieter than they use to be, each once; the workers do it every minute.
    pub async fn watch_directories(&self, now: Timestamp) -> std::result::Result<(), Fault> {
        let before = now.before(HOUR * u32::try_from(PATIENCE).unwrap_or(1));
        let mut tx = self.store().read(now).await?;
        let quiet = tx.list_quiet_directories(before, AT_ONCE).await?;
        let mut found = Vec::new();
        for directory in quiet {
            let hours = tx.list_active_hours(directory.id, now.before(PAST)).await?;
            let pause = usual_pause(&hours);
            found.push((silent_at(&directory, pause), pause, directory));
        }
        drop(tx);
        if found.is_empty() {
            return Ok(());
        }
        let mut tx = self.store().write(now).await?;
        for (silent_at, pause, directory) in found {
            let silent = silent_at.is_some_and(|at| at <= now);
            let next_check = silent_at.map_or(DAY, |at| at.since(now)).max(HOUR);
            let is_ours = tx.set_silence(directory.id, next_check, silent).await?;
            if silent && is_ours {
                tx.push_event(NewEvent {
                    kind: EventKind::DirectorySilent,
                    organization_id: Some(directory.organization_id),
                    user_id: None,
                    data: json!({
                        "directory_id": directory.id,
                        "last_seen_at": directory.last_seen_at,
                        "usual_pause_seconds": pause.map(|pause| pause.as_secs()),
                    }),
                })
                .await?;
            }
        }
        tx.commit().await?;
        self.wake();
        Ok(())
    }
}

/// When a directory with such pauses becomes silent.
fn silent_at(directory: &Directory, usual_pause: Option<Duration>) -> Option<Timestamp> {
    let hours = usual_pause?.as_secs().div_ceil(HOUR.as_secs()).max(1);
    let patience = Duration::from_secs(hours * PATIENCE * HOUR.as_secs());
    Some(directory.last_seen_at?.after(patience))
}

/// The pause that nine of ten are no longer than: some providers ask every hour, others only when somebody changes.
fn usual_pause(hours: &[ActiveHour]) -> Option<Duration> {
    let mut pauses: Vec<i64> = hours
        .windows(2)
        .filter_map(|pair| match pair {
            [one, next] => Some(next.hour - one.hour),
            _ => None,
        })
        .collect();
    if pauses.len() < PAUSES {
        return None;
    }
    pauses.sort_unstable();
    let pause = pauses.get(pauses.len() * 9 / 10)?;
    Some(HOUR * u32::try_from(*pause).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(of: &[i64]) -> Vec<ActiveHour> {
        let hour = |hour: &i64| ActiveHour {
            hour: *hour,
            requests: 1,
            failures: 0,
        };
        of.iter().map(hour).collect()
    }

    #[test]
    fn a_rhythm_needs_a_past_and_forgives_one_long_pause() {
        assert_eq!(usual_pause(&hours(&[1, 2, 3, 4, 5])), None);
        assert_eq!(usual_pause(&hours(&[1, 2, 3, 4, 5, 6])), Some(HOUR));
        let mut daily: Vec<i64> = (0..20).map(|day| day * 24).collect();
        assert_eq!(usual_pause(&hours(&daily)), Some(24 * HOUR));
        daily.push(20 * 24 + 100);
        assert_eq!(usual_pause(&hours(&daily)), Some(24 * HOUR));
    }
}
