//! Whom the subject of a signal means.

use std::collections::BTreeMap;

use vestibule_core::{Protocol, UserId, UserSessionId, email_domain};
use vestibule_signals::subject::Subject;
use vestibule_store::{Connection, User, WriteTx};

use super::Effect;
use crate::{
    Fault, OidcSettings, SamlSettings,
    login::{person, session},
    upstream::verified_domains,
};

/// People whom one subject may mean at most: an address may be several accounts' of one directory.
const MOST_PEOPLE: i64 = 16;

/// Whom a subject means.
pub(super) enum Meant {
    People(Vec<User>),
    Sessions(Vec<UserSessionId>),
    Nobody(Effect),
}

/// What stands for a session where all of somebody are meant.
const EVERY_SESSION: &str = "ALL";

/// Whose names for people and sessions count.
#[derive(Clone, Copy)]
pub(super) struct Issuers<'a> {
    /// Who signed the signal.
    source: &'a str,
    /// The issuer under which the connection keeps subjects.
    upstream: &'a str,
}

impl<'a> Issuers<'a> {
    pub(super) const fn new(source: &'a str, upstream: &'a str) -> Self {
        Self { source, upstream }
    }

    fn count(self, issuer: &str) -> bool {
        issuer == self.source || issuer == self.upstream
    }
}

/// The issuer under which the subjects of a connection are kept.
pub(super) fn upstream_issuer(connection: &Connection) -> Result<String, Fault> {
    Ok(match connection.protocol {
        Protocol::Oidc => OidcSettings::of(connection)?.issuer,
        Protocol::Saml => SamlSettings::of(connection)?.entity_id,
        Protocol::Password | Protocol::BreakGlass => String::new(),
    })
}

/// The name under which logins of a user who is known already are held against an ending.
pub(crate) fn member(id: UserId) -> String {
    format!("user:{id}")
}

/// The provider's own names in a subject, under which logins are held whoever that turns out to be; in one order.
pub(super) fn held_names(subject: &Subject, issuers: Issuers<'_>) -> Vec<String> {
    let mut names = match subject {
        Subject::IssSub { iss, sub } if issuers.count(iss) => vec![person(sub)],
        Subject::Aliases(names) => {
            let held = names.iter().flat_map(|name| held_names(name, issuers));
            held.collect()
        }
        Subject::Complex(parts) if is_understood(parts) => {
            match (session_part(parts), parts.get("user")) {
                (Some(part), _) => session_id(part, issuers).map(session).into_iter().collect(),
                (None, Some(user)) => held_names(user, issuers),
                (None, None) => Vec::new(),
            }
        }
        _ => Vec::new(),
    };
    names.sort_unstable();
    names
}

/// Whom a subject means among the connection's own people.
pub(super) async fn resolve(
    tx: &mut WriteTx,
    connection: &Connection,
    issuers: Issuers<'_>,
    subject: &Subject,
) -> Result<Meant, Fault> {
    match subject {
        Subject::Complex(parts) => resolve_parts(tx, connection, issuers, parts).await,
        one => resolve_person(tx, connection, issuers, one).await,
    }
}

/// Other parts, such as a device, are nothing that we know; and all parts have to match (SSF 1.0 §3.2).
fn is_understood(parts: &BTreeMap<String, Subject>) -> bool {
    let known = ["user", "session", "tenant"];
    parts.keys().all(|part| known.contains(&part.as_str()))
}

/// The session that is meant, unless it is every session of the `user`, which Keycloak writes as the session `ALL`.
fn session_part(parts: &BTreeMap<String, Subject>) -> Option<&Subject> {
    parts.get("session").filter(|part| {
        let is_every = matches!(part, Subject::Opaque(sid) if sid == EVERY_SESSION);
        !is_every || !parts.contains_key("user")
    })
}

fn session_id<'s>(part: &'s Subject, issuers: Issuers<'_>) -> Option<&'s str> {
    match part {
        Subject::Opaque(sid) => Some(sid),
        Subject::IssSub { iss, sub } if issuers.count(iss) => Some(sub),
        _ => None,
    }
}

/// A session of somebody, or somebody.
async fn resolve_parts(
    tx: &mut WriteTx,
    connection: &Connection,
    issuers: Issuers<'_>,
    parts: &BTreeMap<String, Subject>,
) -> Result<Meant, Fault> {
    if !is_understood(parts) {
        return Ok(Meant::Nobody(Effect::Unsupported));
    }
    let people = match parts.get("user") {
        Some(user) => match resolve_person(tx, connection, issuers, user).await? {
            Meant::People(people) => Some(people),
            other => return Ok(other),
        },
        None => None,
    };
    let Some(part) = session_part(parts) else {
        return Ok(people.map_or(Meant::Nobody(Effect::Unsupported), Meant::People));
    };
    let Some(sid) = session_id(part, issuers) else {
        return Ok(Meant::Nobody(Effect::Unsupported));
    };
    let mut ids = tx
        .list_sessions_of_provider(connection.id, issuers.upstream, sid, None)
        .await?;
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

/// Somebody by one name, or by the first of several names that means somebody.
async fn resolve_person(
    tx: &mut WriteTx,
    connection: &Connection,
    issuers: Issuers<'_>,
    subject: &Subject,
) -> Result<Meant, Fault> {
    let Subject::Aliases(names) = subject else {
        return resolve_name(tx, connection, issuers, subject).await;
    };
    let mut meant = Meant::Nobody(Effect::Unknown);
    for name in names {
        meant = resolve_name(tx, connection, issuers, name).await?;
        if matches!(meant, Meant::People(_)) {
            break;
        }
    }
    Ok(meant)
}

async fn resolve_name(
    tx: &mut WriteTx,
    connection: &Connection,
    issuers: Issuers<'_>,
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
        Subject::IssSub { iss, sub } if issuers.count(iss) => {
            let found = find_subject(tx, connection, issuers.upstream, sub).await?;
            found.into_iter().collect()
        }
        Subject::IssSub { .. } => Vec::new(),
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

/// Who is linked to a subject, or has signed in as it where the link is kept under another name.
async fn find_subject(
    tx: &mut WriteTx,
    connection: &Connection,
    upstream: &str,
    sub: &str,
) -> Result<Option<User>, Fault> {
    let linked = tx.find_linked_user(connection.id, upstream, sub).await?;
    Ok(match linked {
        Some(user) => Some(user),
        None => {
            tx.find_user_of_upstream(connection.id, upstream, sub)
                .await?
        }
    })
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
        // Whoever signed in through the connection once, and has a break-glass account now, comes in another way.
        if !user.break_glass && tx.owns_user(connection.id, directory_id, &user).await? {
            own.push(user);
        }
    }
    Ok(match own.is_empty() {
        true => Meant::Nobody(Effect::NotOwn),
        false => Meant::People(own),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn names(subject: &Value) -> Vec<String> {
        let subject = Subject::read(subject).unwrap();
        held_names(&subject, Issuers::new("https://source", "https://upstream"))
    }

    fn iss_sub(iss: &str, sub: &str) -> Value {
        json!({ "format": "iss_sub", "iss": iss, "sub": sub })
    }

    #[test]
    fn logins_are_held_by_the_names_of_the_source_and_of_the_connection() {
        assert_eq!(names(&iss_sub("https://source", "1")), ["sub:1"]);
        assert_eq!(names(&iss_sub("https://upstream", "1")), ["sub:1"]);
        assert!(names(&iss_sub("https://other", "1")).is_empty());
        let several = json!({ "format": "aliases", "identifiers": [
            { "format": "email", "email": "ada@acme.test" },
            iss_sub("https://upstream", "2"), iss_sub("https://source", "1")] });
        assert_eq!(names(&several), ["sub:1", "sub:2"]);
        let part = json!({ "format": "complex", "user": several });
        assert_eq!(names(&part), ["sub:1", "sub:2"]);
    }

    #[test]
    fn a_session_is_held_alone_and_an_unknown_part_holds_nobody() {
        let user = iss_sub("https://source", "1");
        let session = json!({ "format": "opaque", "id": "s" });
        let both = json!({ "format": "complex", "user": user, "session": session });
        assert_eq!(names(&both), ["sid:s"]);
        let every = json!({ "format": "opaque", "id": "ALL" });
        let of_somebody = json!({ "format": "complex", "user": user, "session": every });
        assert_eq!(names(&of_somebody), ["sub:1"]);
        let of_nobody = json!({ "format": "complex", "session": every });
        assert_eq!(names(&of_nobody), ["sid:ALL"]);
        let device = json!({ "format": "complex", "user": user, "device": { "format": "opaque", "id": "d" } });
        assert!(names(&device).is_empty());
    }
}
