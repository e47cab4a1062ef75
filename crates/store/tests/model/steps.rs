use proptest::prelude::*;

/// Something that happens; a number picks one of what there is, however many that are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// A directory adds a person; the name may be one that somebody has or had.
    Provision {
        organization: usize,
        name: usize,
    },
    Deactivate(usize),
    Reactivate(usize),
    Delete(usize),
    /// An identity provider's subject is linked to a user.
    Link {
        user: usize,
        subject: usize,
    },
    Login {
        user: usize,
        connection: usize,
    },
    /// An identity provider's answer is verified and waits for its browser.
    Answer {
        user: usize,
        connection: usize,
    },
    /// The browser comes for an answer.
    Finish(usize),
    Authorize {
        sign_in: usize,
        application: usize,
    },
    Exchange {
        code: usize,
        offline: bool,
    },
    /// Uses the newest refresh token of a share.
    Refresh(usize),
    /// Uses an older one again.
    Reuse {
        share: usize,
        token: usize,
    },
    /// The application revokes its own share.
    Revoke(usize),
    Logout(usize),
    ToggleOrganization(usize),
    ToggleConnection(usize),
    ToggleApplication(usize),
    /// An operator says "end all sessions".
    EndAll(usize),
    /// The clock moves, also backward.
    Clock(i64),
}

/// Any step, those of a normal day more often.
pub(crate) fn step() -> impl Strategy<Value = Step> {
    let one = || any::<usize>();
    prop_oneof![
        4 => (one(), 0..4_usize).prop_map(|(organization, name)| Step::Provision { organization, name }),
        2 => one().prop_map(Step::Deactivate),
        2 => one().prop_map(Step::Reactivate),
        1 => one().prop_map(Step::Delete),
        1 => (one(), 0..3_usize).prop_map(|(user, subject)| Step::Link { user, subject }),
        8 => (one(), one()).prop_map(|(user, connection)| Step::Login { user, connection }),
        4 => (one(), one()).prop_map(|(user, connection)| Step::Answer { user, connection }),
        4 => one().prop_map(Step::Finish),
        8 => (one(), one()).prop_map(|(sign_in, application)| Step::Authorize { sign_in, application }),
        8 => (one(), any::<bool>()).prop_map(|(code, offline)| Step::Exchange { code, offline }),
        4 => one().prop_map(Step::Refresh),
        1 => (one(), one()).prop_map(|(share, token)| Step::Reuse { share, token }),
        1 => one().prop_map(Step::Revoke),
        2 => one().prop_map(Step::Logout),
        1 => one().prop_map(Step::ToggleOrganization),
        1 => one().prop_map(Step::ToggleConnection),
        1 => one().prop_map(Step::ToggleApplication),
        1 => one().prop_map(Step::EndAll),
        2 => prop::sample::select(vec![-30, 1, 45, 61, 6 * 3600, 3 * 24 * 3600]).prop_map(Step::Clock),
    ]
}
