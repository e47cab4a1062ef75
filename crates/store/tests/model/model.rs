use std::time::Duration;

use vestibule_core::{SecretHash, Timestamp};
use vestibule_store::{Application, Connection, Organization, User};
use vestibule_support::{Grant, SignIn};

/// Something whose epoch its children copy.
#[derive(Debug)]
pub(crate) struct Parent<T> {
    pub(crate) real: T,
    pub(crate) active: bool,
    pub(crate) epoch: u64,
}

impl<T> Parent<T> {
    pub(crate) fn new(real: T) -> Self {
        Self {
            real,
            active: true,
            epoch: 0,
        }
    }

    /// Everything issued before is over.
    pub(crate) fn bump(&mut self) {
        self.epoch += 1;
    }
}

pub(crate) struct Person {
    pub(crate) user: Parent<User>,
    pub(crate) deleted: bool,
    pub(crate) organization: usize,
    pub(crate) name: usize,
}

/// What a sign-in copied when it began.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epochs {
    pub(crate) user: u64,
    pub(crate) organization: u64,
    pub(crate) connection: u64,
}

/// A verified answer that waits, or waited, for its browser.
pub(crate) struct Answered {
    pub(crate) real: SecretHash,
    pub(crate) person: usize,
    pub(crate) connection: usize,
    pub(crate) epochs: Epochs,
    pub(crate) verified: Timestamp,
    pub(crate) taken: bool,
}

pub(crate) struct SignedIn {
    pub(crate) real: SignIn,
    pub(crate) person: usize,
    pub(crate) connection: usize,
    pub(crate) epochs: Epochs,
    pub(crate) begun: Timestamp,
    pub(crate) ended: bool,
}

pub(crate) struct Granted {
    pub(crate) real: Grant,
    pub(crate) sign_in: usize,
    pub(crate) application: usize,
    pub(crate) application_epoch: u64,
    pub(crate) issued: Timestamp,
    pub(crate) consumed: bool,
    /// The share that it began.
    pub(crate) share: Option<usize>,
}

pub(crate) struct Shared {
    pub(crate) code: usize,
    pub(crate) offline: bool,
    pub(crate) begun: Timestamp,
    pub(crate) ended: bool,
    /// The refresh tokens in order; all but the last are used up.
    pub(crate) tokens: Vec<SecretHash>,
}

/// All there is.
pub(crate) struct Model {
    pub(crate) organizations: Vec<Parent<Organization>>,
    /// Each with the organization that it belongs to.
    pub(crate) connections: Vec<(Parent<Connection>, usize)>,
    pub(crate) applications: Vec<Parent<Application>>,
    pub(crate) people: Vec<Person>,
    pub(crate) answers: Vec<Answered>,
    pub(crate) sign_ins: Vec<SignedIn>,
    pub(crate) codes: Vec<Granted>,
    pub(crate) shares: Vec<Shared>,
    /// Connection, subject and person.
    pub(crate) links: Vec<(usize, usize, usize)>,
}

const IDLE: Duration = Duration::from_hours(12);
const CODE: Duration = Duration::from_mins(1);
pub(crate) const ANSWER: Duration = Duration::from_mins(5);

impl Model {
    /// The epochs that a login has now, if it is accepted.
    pub(crate) fn login(&self, person: usize, connection: usize) -> Option<Epochs> {
        let Person {
            user,
            deleted,
            organization,
            ..
        } = &self.people[person];
        let (way_in, of) = &self.connections[connection];
        let home = &self.organizations[*organization];
        let open = user.active && !deleted && way_in.active && home.active && of == organization;
        open.then_some(Epochs {
            user: user.epoch,
            organization: home.epoch,
            connection: way_in.epoch,
        })
    }

    fn chain_is_live(&self, sign_in: &SignedIn) -> bool {
        self.login(sign_in.person, sign_in.connection) == Some(sign_in.epochs)
    }

    /// Whether an answer would begin a sign-in, had nobody taken it.
    pub(crate) fn is_answer_live(&self, answer: usize, now: Timestamp) -> bool {
        let answer = &self.answers[answer];
        now < answer.verified.after(ANSWER)
            && self.login(answer.person, answer.connection) == Some(answer.epochs)
    }

    /// Without use a sign-in lives twelve hours; the histories never use one so long that its seven days count.
    fn is_unended(sign_in: &SignedIn, now: Timestamp) -> bool {
        !sign_in.ended && now < sign_in.begun.after(IDLE)
    }

    pub(crate) fn is_sign_in_live(&self, sign_in: usize, now: Timestamp) -> bool {
        let sign_in = &self.sign_ins[sign_in];
        Self::is_unended(sign_in, now) && self.chain_is_live(sign_in)
    }

    fn is_application_live(&self, code: &Granted) -> bool {
        let application = &self.applications[code.application];
        application.active && application.epoch == code.application_epoch
    }

    pub(crate) fn is_code_live(&self, code: usize, now: Timestamp) -> bool {
        let code = &self.codes[code];
        !code.consumed
            && now < code.issued.after(CODE)
            && self.is_application_live(code)
            && self.is_sign_in_live(code.sign_in, now)
    }

    pub(crate) fn is_share_live(&self, share: usize, now: Timestamp) -> bool {
        let share = &self.shares[share];
        let code = &self.codes[share.code];
        let sign_in = &self.sign_ins[code.sign_in];
        !share.ended
            && now < share.begun.after(vestibule_support::SHARE_TTL)
            && self.is_application_live(code)
            && self.chain_is_live(sign_in)
            && (share.offline || Self::is_unended(sign_in, now))
    }
}
