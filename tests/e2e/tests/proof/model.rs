//! What should be true, small enough for the head.

use serde_json::Value;
use url::Url;
use vestibule_core::Timestamp;
use vestibule_simulate::{Browser, Person};

/// How far two nodes' clocks, and the time that a step takes, may lie apart: nearer to an expiry nothing is said.
const UNCLEAR: i64 = 12;
const CODE: i64 = 60;
const ACCESS_TOKEN: i64 = 300;
const PENDING_LOGIN: i64 = 15 * 60;

/// Something whose epoch its children copy.
#[derive(Debug, Default)]
pub(crate) struct Parent {
    pub(crate) inactive: bool,
    pub(crate) epoch: u64,
}

impl Parent {
    pub(crate) fn toggle(&mut self) {
        self.inactive = !self.inactive;
        self.epoch += 1;
    }
}

/// Somebody whom a directory has provisioned.
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) organization: usize,
    pub(crate) name: usize,
    pub(crate) person: Person,
    pub(crate) state: Parent,
    pub(crate) deleted: bool,
}

/// A login whose person has proved who they are, and whose browser is still on its way to us.
pub(crate) struct Login {
    pub(crate) browser: Browser,
    pub(crate) callback: Url,
    pub(crate) organization: usize,
    pub(crate) name: usize,
    pub(crate) application: usize,
    pub(crate) offline: bool,
    pub(crate) verifier: String,
    pub(crate) begun: Timestamp,
    pub(crate) overtaken: Overtaken,
    pub(crate) finished: bool,
}

/// Whether the provider has said that the person's sessions are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overtaken {
    No,
    /// In the same second of the provider's clock.
    Unclear,
    Yes,
}

/// What a sign-in copied when it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epochs {
    user: u64,
    organization: u64,
    connection: u64,
}

pub(crate) struct SignIn {
    pub(crate) browser: Browser,
    /// The session's cookie.
    pub(crate) cookie: String,
    pub(crate) id: String,
    /// The name of the session at the identity provider.
    pub(crate) upstream_session: String,
    pub(crate) user: usize,
    pub(crate) epochs: Epochs,
    pub(crate) ended: bool,
    /// `auth_time`, `acr` and `amr` of its first ID token (I13).
    pub(crate) proof: Option<[Value; 3]>,
}

pub(crate) struct Code {
    pub(crate) text: String,
    pub(crate) verifier: String,
    pub(crate) sign_in: usize,
    pub(crate) application: usize,
    pub(crate) application_epoch: u64,
    pub(crate) offline: bool,
    pub(crate) issued: Timestamp,
    pub(crate) consumed: bool,
    /// The share that it began.
    pub(crate) share: Option<usize>,
}

pub(crate) struct AccessToken {
    pub(crate) text: String,
    pub(crate) generation: usize,
    pub(crate) issued: Timestamp,
}

/// One application's share of a sign-in.
pub(crate) struct Share {
    pub(crate) code: usize,
    /// As notices name it.
    pub(crate) sid: String,
    /// The newest one.
    pub(crate) id_token: String,
    pub(crate) ended: bool,
    /// The refresh tokens in order, all but the last used up; none where the application never got it.
    pub(crate) refresh: Vec<Option<String>>,
    pub(crate) access: Vec<AccessToken>,
    /// Access tokens of earlier generations are revoked.
    pub(crate) min_generation: usize,
    pub(crate) last_issued: Timestamp,
    /// When its application should have been told, at first.
    pub(crate) due: Option<Timestamp>,
    /// Its application has revoked it, and knows.
    pub(crate) revoked: bool,
}

/// All there is.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) organizations: [Parent; 2],
    /// One for each organization.
    pub(crate) connections: [Parent; 2],
    pub(crate) applications: [Parent; 2],
    pub(crate) users: Vec<User>,
    pub(crate) logins: Vec<Login>,
    pub(crate) sign_ins: Vec<SignIn>,
    pub(crate) codes: Vec<Code>,
    pub(crate) shares: Vec<Share>,
}

/// Whether something of this age is within its lifetime; none where nobody can say.
fn within(lifetime: i64, since: Timestamp, now: Timestamp) -> Option<bool> {
    let age = (now.micros() - since.micros()) / 1_000_000;
    if (lifetime - UNCLEAR..=lifetime + UNCLEAR).contains(&age) {
        return None;
    }
    Some(age < lifetime)
}

impl Model {
    /// The user of this name who is not deleted.
    pub(crate) fn user_named(&self, organization: usize, name: usize) -> Option<usize> {
        self.users.iter().position(|user| {
            (user.organization, user.name, user.deleted) == (organization, name, false)
        })
    }

    /// The epochs that a login has now, if it is accepted.
    fn epochs(&self, user: usize) -> Option<Epochs> {
        let user = &self.users[user];
        let (home, way_in) = (
            &self.organizations[user.organization],
            &self.connections[user.organization],
        );
        let open = !user.deleted && !user.state.inactive && !home.inactive && !way_in.inactive;
        open.then_some(Epochs {
            user: user.state.epoch,
            organization: home.epoch,
            connection: way_in.epoch,
        })
    }

    /// Whether a waiting login is accepted; none where nobody can say.
    pub(crate) fn is_login_live(&self, login: usize, now: Timestamp) -> Option<bool> {
        let resolved = self.resolved(login);
        let login = &self.logins[login];
        let refused = login.finished
            || login.overtaken == Overtaken::Yes
            || resolved.is_none()
            || self.applications[login.application].inactive;
        match within(PENDING_LOGIN, login.begun, now) {
            Some(false) => Some(false),
            _ if refused => Some(false),
            None => None,
            Some(true) => (login.overtaken == Overtaken::No).then_some(true),
        }
    }

    /// The user whom a login proves, and the epochs that its sign-in copies; none for whom nobody lets in.
    pub(crate) fn resolved(&self, login: usize) -> Option<(usize, Epochs)> {
        let login = &self.logins[login];
        let user = self.user_named(login.organization, login.name)?;
        Some((user, self.epochs(user)?))
    }

    fn is_chain_live(&self, sign_in: &SignIn) -> bool {
        self.epochs(sign_in.user) == Some(sign_in.epochs)
    }

    pub(crate) fn is_sign_in_live(&self, sign_in: usize) -> bool {
        let sign_in = &self.sign_ins[sign_in];
        !sign_in.ended && self.is_chain_live(sign_in)
    }

    fn is_application_live(&self, code: &Code) -> bool {
        let application = &self.applications[code.application];
        !application.inactive && application.epoch == code.application_epoch
    }

    /// Whether a code would be exchanged; none where nobody can say.
    pub(crate) fn is_code_live(&self, code: usize, now: Timestamp) -> Option<bool> {
        let code = &self.codes[code];
        let stands =
            !code.consumed && self.is_application_live(code) && self.is_sign_in_live(code.sign_in);
        match stands {
            false => Some(false),
            true => within(CODE, code.issued, now),
        }
    }

    pub(crate) fn is_share_live(&self, share: usize) -> bool {
        let share = &self.shares[share];
        let code = &self.codes[share.code];
        let sign_in = &self.sign_ins[code.sign_in];
        !share.ended
            && self.is_application_live(code)
            && self.is_chain_live(sign_in)
            && (code.offline || !sign_in.ended)
    }

    /// Whether an access token is good; none where nobody can say.
    pub(crate) fn is_access_live(
        &self,
        share: usize,
        token: &AccessToken,
        now: Timestamp,
    ) -> Option<bool> {
        match self.is_share_live(share) && token.generation >= self.shares[share].min_generation {
            false => Some(false),
            true => within(ACCESS_TOKEN, token.issued, now),
        }
    }

    /// Whether the notice of a share's end stands in the outbox already. Those of organizations, connections and
    /// applications that ended are written later.
    pub(crate) fn was_told(&self, share: usize) -> bool {
        let share = &self.shares[share];
        let sign_in = &self.sign_ins[self.codes[share.code].sign_in];
        let user = &self.users[sign_in.user];
        share.ended || sign_in.ended || user.deleted || user.state.epoch != sign_in.epochs.user
    }

    /// Whether the application of a share has to hear of it: it is over, or the sign-in that it may outlive is.
    pub(crate) fn is_notice_due(&self, share: usize) -> bool {
        let sign_in = &self.sign_ins[self.codes[self.shares[share].code].sign_in];
        !self.is_share_live(share) || sign_in.ended
    }

    /// Notes which applications have to hear of something since the last step.
    pub(crate) fn note_endings(&mut self, at: Timestamp) {
        for number in 0..self.shares.len() {
            if self.shares[number].due.is_none() && self.is_notice_due(number) {
                self.shares[number].due = Some(at);
            }
        }
    }

    /// The users, sign-ins and so on whose organization this is.
    pub(crate) fn organization_of(&self, sign_in: usize) -> usize {
        self.users[self.sign_ins[sign_in].user].organization
    }
}
