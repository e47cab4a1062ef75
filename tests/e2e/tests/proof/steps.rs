use proptest::prelude::*;

/// Something that happens; a number picks one of what there is, however many that are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// The directory adds a person; somebody of that name may have been there before.
    Provision {
        organization: usize,
        name: usize,
    },
    Deactivate(usize),
    Reactivate(usize),
    Delete(usize),
    /// The directory's client is gone before the answer.
    DropDeactivate(usize),
    /// An operator says "end all sessions".
    EndAll(usize),
    /// A person proves who they are at their provider; the browser waits before it comes back to us.
    BeginLogin {
        person: usize,
        application: usize,
        offline: bool,
    },
    /// The browser comes back.
    FinishLogin {
        login: usize,
        node: usize,
    },
    /// An application asks for a code without a word to the person.
    Authorize {
        sign_in: usize,
        application: usize,
        offline: bool,
        node: usize,
    },
    Exchange {
        code: usize,
        node: usize,
    },
    /// Uses the newest refresh token of a share.
    Refresh {
        share: usize,
        node: usize,
    },
    /// Uses an older one again.
    Reuse {
        share: usize,
        token: usize,
        node: usize,
    },
    /// The application is gone before the answer, and has lost its next token.
    DropRefresh {
        share: usize,
        node: usize,
    },
    /// The application revokes its refresh token, and so its share.
    RevokeShare {
        share: usize,
        node: usize,
    },
    /// The application revokes an access token.
    RevokeAccess {
        share: usize,
        token: usize,
        node: usize,
    },
    Logout {
        sign_in: usize,
        node: usize,
    },
    /// The identity provider says that something is over.
    Signal {
        sign_in: usize,
        names: Names,
        node: usize,
    },
    ToggleOrganization {
        number: usize,
        node: usize,
    },
    ToggleConnection {
        number: usize,
        node: usize,
    },
    ToggleApplication {
        number: usize,
        node: usize,
    },
    /// How an application takes notices from now on.
    Receive {
        application: usize,
        manner: Manner,
    },
    /// The workers of a node die in the middle of whatever they do.
    Crash(usize),
    /// Time passes, for everybody.
    Pass(u64),
    /// The clock of one node is set, also backward.
    Skew {
        node: usize,
        seconds: i64,
    },
    /// Everybody waits until all that is due and can be delivered has been.
    Tick,
}

/// What a logout token of an identity provider names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    Session,
    Subject,
    /// The session of somebody at another organization.
    ForeignSession,
}

/// How an application takes notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Answers,
    Fails,
    /// It does not answer until it is told to do better.
    Hangs,
}

/// How each history begins: three people, three sign-ins, two of them used by their applications.
pub(crate) const MORNING: [Step; 11] = [
    Step::Provision {
        organization: 0,
        name: 0,
    },
    Step::Provision {
        organization: 0,
        name: 1,
    },
    Step::Provision {
        organization: 1,
        name: 2,
    },
    Step::BeginLogin {
        person: 0,
        application: 0,
        offline: false,
    },
    Step::BeginLogin {
        person: 1,
        application: 1,
        offline: true,
    },
    Step::BeginLogin {
        person: 2,
        application: 0,
        offline: true,
    },
    Step::FinishLogin { login: 0, node: 0 },
    Step::FinishLogin { login: 1, node: 1 },
    Step::FinishLogin { login: 2, node: 0 },
    Step::Exchange { code: 0, node: 1 },
    Step::Exchange { code: 2, node: 0 },
];

/// Any step, those of a normal day more often.
pub(crate) fn step() -> impl Strategy<Value = Step> {
    let one = || any::<usize>();
    let two = || (any::<usize>(), any::<usize>());
    let three = || (any::<usize>(), any::<usize>(), any::<usize>());
    prop_oneof![
        4 => (one(), 0..3_usize).prop_map(|(organization, name)| Step::Provision { organization, name }),
        4 => one().prop_map(Step::Deactivate),
        4 => one().prop_map(Step::Reactivate),
        1 => one().prop_map(Step::Delete),
        1 => one().prop_map(Step::DropDeactivate),
        1 => one().prop_map(Step::EndAll),
        8 => (two(), any::<bool>()).prop_map(|((person, application), offline)| Step::BeginLogin { person, application, offline }),
        9 => two().prop_map(|(login, node)| Step::FinishLogin { login, node }),
        5 => (three(), any::<bool>()).prop_map(|((sign_in, application, node), offline)| Step::Authorize { sign_in, application, offline, node }),
        10 => two().prop_map(|(code, node)| Step::Exchange { code, node }),
        5 => two().prop_map(|(share, node)| Step::Refresh { share, node }),
        1 => three().prop_map(|(share, token, node)| Step::Reuse { share, token, node }),
        1 => two().prop_map(|(share, node)| Step::DropRefresh { share, node }),
        1 => two().prop_map(|(share, node)| Step::RevokeShare { share, node }),
        1 => three().prop_map(|(share, token, node)| Step::RevokeAccess { share, token, node }),
        2 => two().prop_map(|(sign_in, node)| Step::Logout { sign_in, node }),
        2 => (two(), names()).prop_map(|((sign_in, node), names)| Step::Signal { sign_in, names, node }),
        1 => two().prop_map(|(number, node)| Step::ToggleOrganization { number, node }),
        1 => two().prop_map(|(number, node)| Step::ToggleConnection { number, node }),
        1 => two().prop_map(|(number, node)| Step::ToggleApplication { number, node }),
        2 => (one(), manner()).prop_map(|(application, manner)| Step::Receive { application, manner }),
        2 => one().prop_map(Step::Crash),
        2 => prop::sample::select(vec![2, 35, 75, 320]).prop_map(Step::Pass),
        1 => (one(), -2..=2_i64).prop_map(|(node, seconds)| Step::Skew { node, seconds }),
        1 => Just(Step::Tick),
    ]
}

fn names() -> impl Strategy<Value = Names> {
    prop::sample::select(vec![Names::Session, Names::Subject, Names::ForeignSession])
}

fn manner() -> impl Strategy<Value = Manner> {
    prop::sample::select(vec![Manner::Answers, Manner::Fails, Manner::Hangs])
}
