//! Forward authentication: a proxy asks about each request of a browser whether it may pass, and as whom.

use vestibule_core::{OrganizationId, Timestamp, UserId, email_domain};

use crate::{Browser, Engine, Fault};

/// Who may pass.
#[derive(Debug, Clone, Default)]
pub struct VisitRule {
    /// People of this organization only.
    pub organization_id: Option<OrganizationId>,
    /// Members of at least one of these groups, by name; everybody where it is empty.
    pub groups: Vec<String>,
}

/// Somebody who may pass, as the service behind the proxy gets to know them.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The user; what apps see as `sub`.
    pub user_id: UserId,
    /// Where they belong.
    pub organization_id: OrganizationId,
    /// The user name; may change, never a key.
    pub user_name: String,
    /// The primary address.
    pub email: Option<String>,
    /// Whether the organization owns the address's domain.
    pub email_verified: bool,
    /// The display name.
    pub display_name: Option<String>,
    /// Names of the groups.
    pub groups: Vec<String>,
}

/// What the proxy is told.
#[derive(Debug)]
pub enum Visit {
    /// May pass.
    Admitted(Box<Visitor>),
    /// Nobody whom the rule knows is signed in.
    Unknown,
    /// Somebody is signed in, and in none of the groups.
    Forbidden,
}

impl Engine {
    /// Whether the browser's person may pass. Only a sign-in counts, asked about anew each time; an access token does
    /// not, for any app that has one could then act as the person behind every proxy.
    pub async fn visit(
        &self,
        browser: &Browser,
        rule: &VisitRule,
        now: Timestamp,
    ) -> Result<Visit, Fault> {
        let mut tx = self.store().read(now).await?;
        let live = browser.live_sessions(&mut tx).await?;
        let fits = |id: OrganizationId| rule.organization_id.is_none_or(|wanted| wanted == id);
        let Some((_, session)) = live
            .iter()
            .find(|(_, session)| fits(session.organization_id))
        else {
            return Ok(Visit::Unknown);
        };
        let Some(user) = tx.user_of(session).await? else {
            return Ok(Visit::Unknown);
        };
        let groups = tx.list_group_names(user.id).await?;
        if !rule.groups.is_empty() && !groups.iter().any(|group| rule.groups.contains(group)) {
            return Ok(Visit::Forbidden);
        }
        let email_verified = match user.email.as_deref().and_then(email_domain) {
            Some(domain) => {
                tx.has_verified_domain(user.organization_id, &domain)
                    .await?
            }
            None => false,
        };
        drop(tx);
        if session.is_due_for_touch(now) {
            let mut tx = self.store().write(now).await?;
            tx.touch_user_session(session.id).await?;
            tx.commit().await?;
        }
        Ok(Visit::Admitted(Box::new(Visitor {
            user_id: user.id,
            organization_id: user.organization_id,
            display_name: user.display_name().map(str::to_owned),
            user_name: user.user_name,
            email: user.email,
            email_verified,
            groups,
        })))
    }

    /// The URL of a path on our own host, where a person may be sent after a sign-in; none for anything else.
    ///
    /// A browser reads `//` and `/\\` as the beginning of another host.
    pub(crate) fn own_url(&self, path: &str) -> Option<String> {
        let sound = (1..=LONGEST_PATH).contains(&path.len())
            && path.bytes().all(|byte| byte.is_ascii_graphic())
            && path.starts_with('/')
            && !path.starts_with("//")
            && !path.contains('\\');
        let origin = url::Url::parse(self.issuer().as_str()).ok()?.origin();
        sound.then(|| format!("{}{path}", origin.ascii_serialization()))
    }
}

const LONGEST_PATH: usize = 2048;
