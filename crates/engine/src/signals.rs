//! What identity providers tell about people beside logins: global token revocations and security event tokens.
//!
//! Whatever the dialect, a signal ends sign-ins through `end`, of the connection's own people only, and never changes
//! whether somebody is active: that is the directory's to say. Each one is recorded with what it did.

mod poll;
mod receive;
mod revocation;

use serde_json::{Value, json};
use vestibule_core::{
    ConnectionId, EndCause, EndScope, EventKind, Timestamp, UserId, UserSessionId, email_domain,
};
use vestibule_oidc::Algorithm;
use vestibule_signals::subject::Subject;
use vestibule_store::{Connection, Ending, NewEvent, NewSignal, User, WriteTx};

use crate::{
    Engine, Fault, OidcSettings, SamlSettings,
    login::{OVERTAKING, person, session},
    upstream::verified_domains,
};

pub(crate) use poll::POLL_TOKEN_PLACE;
pub use receive::{PushOutcome, SignalTrouble};
pub use revocation::RevocationOutcome;

/// People whom one subject may mean at most: an address may be several accounts' of one directory.
const MOST_PEOPLE: i64 = 16;

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

/// Whom a subject means.
enum Meant {
    People(Vec<User>),
    Sessions(Vec<UserSessionId>),
    Nobody(Effect),
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
    hold_back(tx, connection, signal, signal.subject).await?;
    let meant = resolve(tx, connection, signal.issuer, signal.subject).await?;
    let (effect, done) = match meant {
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
        let until = tx.now().after(OVERTAKING);
        tx.add_upstream_ending(connection.id, &member(user.id), signal.issued_at, until)
            .await?;
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

/// The name under which logins of a user who is known already are held against an ending.
pub(crate) fn member(id: UserId) -> String {
    format!("user:{id}")
}

/// Keeps logins out that are on their way under the provider's own names for the subject, whoever that turns out to be.
async fn hold_back(
    tx: &mut WriteTx,
    connection: &Connection,
    signal: &Signal<'_>,
    subject: &Subject,
) -> Result<(), Fault> {
    let own = |iss: &str| iss == signal.issuer;
    let name = match (subject, subject.part("session"), subject.part("user")) {
        (_, Some(Subject::Opaque(sid)), _) => Some(session(sid)),
        (_, Some(Subject::IssSub { iss, sub }), _) if own(iss) => Some(session(sub)),
        (_, None, Some(Subject::IssSub { iss, sub })) if own(iss) => Some(person(sub)),
        (Subject::IssSub { iss, sub }, ..) if own(iss) => Some(person(sub)),
        _ => None,
    };
    if let Some(name) = name {
        let until = tx.now().after(OVERTAKING);
        tx.add_upstream_ending(connection.id, &name, signal.issued_at, until)
            .await?;
    }
    Ok(())
}

/// Whom a subject means among the connection's own people.
async fn resolve(
    tx: &mut WriteTx,
    connection: &Connection,
    issuer: &str,
    subject: &Subject,
) -> Result<Meant, Fault> {
    match subject {
        Subject::Complex(_) => resolve_parts(tx, connection, issuer, subject).await,
        Subject::Aliases(names) => {
            let mut last = Meant::Nobody(Effect::Unknown);
            for name in names {
                last = resolve_name(tx, connection, issuer, name).await?;
                if matches!(last, Meant::People(_)) {
                    break;
                }
            }
            Ok(last)
        }
        name => resolve_name(tx, connection, issuer, name).await,
    }
}

/// A session of somebody, or somebody; other parts, such as a device, are nothing that we know.
async fn resolve_parts(
    tx: &mut WriteTx,
    connection: &Connection,
    issuer: &str,
    subject: &Subject,
) -> Result<Meant, Fault> {
    let known = ["user", "session", "tenant"];
    let Subject::Complex(parts) = subject else {
        return Ok(Meant::Nobody(Effect::Unsupported));
    };
    if parts.keys().any(|part| !known.contains(&part.as_str())) {
        return Ok(Meant::Nobody(Effect::Unsupported));
    }
    let people = match parts.get("user") {
        Some(user) => match resolve_name(tx, connection, issuer, user).await? {
            Meant::People(people) => Some(people),
            other => return Ok(other),
        },
        None => None,
    };
    let sid = match parts.get("session") {
        None => {
            return Ok(people.map_or(Meant::Nobody(Effect::Unsupported), Meant::People));
        }
        Some(Subject::Opaque(sid)) => sid,
        Some(Subject::IssSub { iss, sub }) if iss == issuer => sub,
        Some(_) => return Ok(Meant::Nobody(Effect::Unsupported)),
    };
    let mut ids = tx
        .list_sessions_of_provider(connection.id, &upstream_issuer(connection)?, sid, None)
        .await?;
    // All parts have to match (SSF 1.0 §3.2).
    if let Some(people) = people {
        let mut own = Vec::new();
        for id in ids {
            let found = tx.find_user_session(id).await?;
            if found.is_some_and(|found| people.iter().any(|user| user.id == found.user_id)) {
                own.push(id);
            }
        }
        ids = own;
    }
    Ok(Meant::Sessions(ids))
}

async fn resolve_name(
    tx: &mut WriteTx,
    connection: &Connection,
    issuer: &str,
    name: &Subject,
) -> Result<Meant, Fault> {
    let found = match name {
        Subject::Email(email) => {
            let domain = email_domain(email);
            let domains = verified_domains(tx, connection).await?;
            if !domain.is_some_and(|domain| domains.contains(&domain)) {
                return Ok(Meant::Nobody(Effect::OtherDomain));
            }
            tx.list_users_by_email(connection.organization_id, email, MOST_PEOPLE)
                .await?
        }
        Subject::IssSub { iss, sub } => {
            let upstream = upstream_issuer(connection)?;
            if iss != issuer && *iss != upstream {
                return Ok(Meant::Nobody(Effect::Unknown));
            }
            let linked = tx.find_linked_user(connection.id, &upstream, sub).await?;
            let found = match linked {
                Some(user) => Some(user),
                None => {
                    tx.find_user_of_upstream(connection.id, &upstream, sub)
                        .await?
                }
            };
            found.into_iter().collect()
        }
        Subject::Scim(uri) => match uri.rsplit('/').next().map(str::parse::<UserId>) {
            Some(Ok(id)) => {
                let found = tx.find_user(connection.organization_id, id).await?;
                found.into_iter().collect()
            }
            _ => Vec::new(),
        },
        _ => return Ok(Meant::Nobody(Effect::Unsupported)),
    };
    own_people(tx, connection, found).await
}

/// The connection's own among these: a signal never reaches somebody who comes in another way.
async fn own_people(
    tx: &mut WriteTx,
    connection: &Connection,
    found: Vec<User>,
) -> Result<Meant, Fault> {
    if found.is_empty() {
        return Ok(Meant::Nobody(Effect::Unknown));
    }
    let directory_id = match connection.directory_id {
        Some(id) => Some(id),
        // As the join has it: the organization's only directory is every connection's.
        None => match tx
            .list_directories(connection.organization_id)
            .await?
            .as_slice()
        {
            [only] => Some(only.id),
            _ => None,
        },
    };
    let mut own = Vec::new();
    for user in found {
        if tx.owns_user(connection.id, directory_id, &user).await? {
            own.push(user);
        }
    }
    Ok(match own.is_empty() {
        true => Meant::Nobody(Effect::NotOwn),
        false => Meant::People(own),
    })
}

/// The issuer under which the subjects of a connection are kept.
fn upstream_issuer(connection: &Connection) -> Result<String, Fault> {
    use vestibule_core::Protocol;
    Ok(match connection.protocol {
        Protocol::Oidc => OidcSettings::of(connection)?.issuer,
        Protocol::Saml => SamlSettings::of(connection)?.entity_id,
        Protocol::Password => String::new(),
    })
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
