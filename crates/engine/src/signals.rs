//! What identity providers tell about people beside logins: global token revocations and security event tokens.
//!
//! Whatever the dialect, a signal ends sign-ins through `end`, of the connection's own people only, and never changes
//! whether somebody is active: that is the directory's to say. Each one is recorded with what it did.

mod meant;
mod poll;
mod poll_client;
mod receive;
mod revocation;

use serde_json::{Value, json};
use vestibule_core::{
    ConnectionId, EndCause, EndScope, EventKind, Timestamp, UserId, UserSessionId,
};
use vestibule_oidc::Algorithm;
use vestibule_signals::subject::Subject;
use vestibule_store::{Connection, Ending, NewEvent, NewSignal, User, WriteTx};

use crate::{Engine, Fault, login::OVERTAKING};
use meant::{Issuers, Meant, held_names, resolve, upstream_issuer};

pub(crate) use meant::member;
pub(crate) use poll::POLL_TOKEN_PLACE;
pub(crate) use poll_client::{POLL_CLIENT_SECRET_PLACE, PollTokens};
pub use receive::{PushOutcome, SignalTrouble};
pub use revocation::RevocationOutcome;

/// How a signal came, as records say.
#[derive(Debug, Clone, Copy)]
enum Dialect {
    Revocation,
    SharedSignals,
}

impl Dialect {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Revocation => "global_token_revocation",
            Self::SharedSignals => "ssf",
        }
    }
}

/// One signal, verified.
struct Signal<'a> {
    dialect: Dialect,
    /// The name of the event.
    event: &'a str,
    /// The id of its message.
    message_id: Option<&'a str>,
    /// Who tells, whose names for people the subject may have.
    issuer: &'a str,
    subject: &'a Subject,
    /// When it was written, in seconds of the sender's clock.
    issued_at: i64,
}

/// What a signal did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// It ended what there was.
    Ended,
    /// It names nobody here.
    Unknown,
    /// It names somebody whose sign-ins are another connection's.
    NotOwn,
    /// It names an address outside the organization's verified domains.
    OtherDomain,
    /// It names somebody in a way that is not understood here.
    Unsupported,
    /// Its event has no effect here.
    Ignored,
    /// It proves that the stream works.
    Verified,
    /// It was heard before.
    Repeated,
    /// It is so old that nobody can say whether it was heard before.
    TooOld,
}

impl Effect {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Unknown => "unknown_subject",
            Self::NotOwn => "not_own",
            Self::OtherDomain => "other_domain",
            Self::Unsupported => "unsupported_subject",
            Self::Ignored => "ignored",
            Self::Verified => "verified",
            Self::Repeated => "repeated",
            Self::TooOld => "too_old",
        }
    }
}

/// What was ended: the first person, and how many sign-ins.
#[derive(Default)]
struct Done {
    user_id: Option<UserId>,
    sign_ins: usize,
}

/// Ends what a signal names and records it; the caller has looked whether it is a copy.
async fn obey(
    tx: &mut WriteTx,
    connection: &Connection,
    signal: &Signal<'_>,
) -> Result<Effect, Fault> {
    let upstream = upstream_issuer(connection)?;
    let issuers = Issuers::new(signal.issuer, &upstream);
    for name in held_names(signal.subject, issuers) {
        hold_back(tx, connection, signal, &name).await?;
    }
    let (effect, done) = match resolve(tx, connection, issuers, signal.subject).await? {
        Meant::Nobody(effect) => (effect, Done::default()),
        Meant::People(people) => (
            Effect::Ended,
            end_people(tx, connection, signal, &people).await?,
        ),
        Meant::Sessions(ids) if ids.is_empty() => (Effect::Unknown, Done::default()),
        Meant::Sessions(ids) => (Effect::Ended, end_sessions(tx, connection, &ids).await?),
    };
    record(tx, connection, signal, effect, &done).await?;
    Ok(effect)
}

/// Everything of these people: sign-ins, shares of applications, and what was granted for offline use.
async fn end_people(
    tx: &mut WriteTx,
    connection: &Connection,
    signal: &Signal<'_>,
    people: &[User],
) -> Result<Done, Fault> {
    let mut done = Done::default();
    for user in people {
        // A login that has found its person waits here, or is found below; one that has not is refused when it has.
        hold_back(tx, connection, signal, &member(user.id)).await?;
        let ended = tx
            .end(Ending {
                scope: EndScope::User(user.id),
                cause: EndCause::UpstreamLogout,
                actor: &actor(connection.id),
            })
            .await?;
        done.user_id = done.user_id.or(Some(user.id));
        done.sign_ins += ended.user_sessions;
    }
    Ok(done)
}

async fn end_sessions(
    tx: &mut WriteTx,
    connection: &Connection,
    ids: &[UserSessionId],
) -> Result<Done, Fault> {
    let mut done = Done::default();
    for id in ids {
        let found = tx.find_user_session(*id).await?;
        let ended = tx
            .end(Ending {
                scope: EndScope::UserSession(*id),
                cause: EndCause::UpstreamLogout,
                actor: &actor(connection.id),
            })
            .await?;
        done.user_id = done.user_id.or(found.map(|session| session.user_id));
        done.sign_ins += ended.user_sessions;
    }
    Ok(done)
}

fn actor(id: ConnectionId) -> String {
    format!("connection:{id}")
}

/// Keeps logins out that are on their way under a name.
async fn hold_back(
    tx: &mut WriteTx,
    connection: &Connection,
    signal: &Signal<'_>,
    name: &str,
) -> Result<(), Fault> {
    let until = tx.now().after(OVERTAKING);
    tx.add_upstream_ending(connection.id, name, signal.issued_at, until)
        .await?;
    Ok(())
}

async fn record(
    tx: &mut WriteTx,
    connection: &Connection,
    signal: &Signal<'_>,
    effect: Effect,
    done: &Done,
) -> Result<(), Fault> {
    let subject = signal.subject.to_json();
    let new = NewSignal {
        source: signal.dialect.as_str(),
        event: signal.event,
        message_id: signal.message_id,
        subject: &subject,
        user_id: done.user_id,
        effect: effect.as_str(),
        ended: done.sign_ins,
    };
    let whose = (connection.organization_id, connection.id);
    let id = tx.add_signal(whose, &new).await?;
    let data: Value = json!({
        "signal_id": id, "connection_id": connection.id, "source": new.source, "event": new.event,
        "user_id": new.user_id, "effect": new.effect, "sessions_ended": new.ended,
    });
    tx.push_event(NewEvent {
        kind: EventKind::SignalReceived,
        organization_id: Some(connection.organization_id),
        user_id: None,
        data,
    })
    .await?;
    Ok(())
}

impl Engine {
    /// The algorithms by which a connection's provider may sign signals: those of its ID tokens.
    async fn signal_algorithms(
        &self,
        connection: &Connection,
        now: Timestamp,
    ) -> Result<&'static [Algorithm], Fault> {
        let mut tx = self.store().read(now).await?;
        let organization = tx.find_organization(connection.organization_id).await?;
        let profile = organization.and_then(|organization| organization.policy.ipsie);
        Ok(match profile {
            Some(_) => Algorithm::IPSIE.as_slice(),
            None => Algorithm::DEFAULT.as_slice(),
        })
    }
}
