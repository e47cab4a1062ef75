//! The lists that live in tables of their own: members of groups, groups of users.

use std::collections::HashMap;

use vestibule_core::{GroupId, UserId};
use vestibule_scim::{Error, Load, Member, Membership, ResourceType, Stored, Wanted};
use vestibule_store::{GroupMember, MemberId, ReadTx};

use super::trouble::Trouble;

/// Members that one answer carries at most, over all its groups.
const MOST: u64 = 500_000;

/// Adds the wanted lists to resources of one kind, in at most two queries however many resources there are.
pub(super) async fn load(
    tx: &mut ReadTx,
    kind: ResourceType,
    stored: &mut [Stored],
    wanted: Wanted,
) -> Result<(), Trouble> {
    match kind {
        ResourceType::User => load_groups(tx, stored, wanted.groups).await,
        ResourceType::Group => load_members(tx, stored, wanted.members).await,
    }
}

/// As [`load`] for a page of a list, which is cut short where its groups have too many members for one answer: a
/// page may have fewer resources than were asked for (RFC 7644 §3.4.2.4).
pub(super) async fn load_page(
    tx: &mut ReadTx,
    kind: ResourceType,
    page: &mut Vec<Stored>,
    wanted: Wanted,
) -> Result<(), Trouble> {
    if kind == ResourceType::Group && wanted.members == Load::Everything {
        let ids = ids_of(page);
        let counts = tx.count_members(&ids, MOST).await?;
        let mut carried = 0_u64;
        let fits = page.iter().take_while(|group| {
            let members = group
                .id
                .parse()
                .ok()
                .and_then(|id: GroupId| counts.get(&id));
            carried = carried.saturating_add(members.copied().unwrap_or(0));
            carried <= MOST
        });
        // The first one at least, or the reader would never get on.
        let fits = fits.count().max(1);
        page.truncate(fits);
    }
    load(tx, kind, page, wanted).await
}

fn ids_of<T: std::str::FromStr>(stored: &[Stored]) -> Vec<T> {
    stored
        .iter()
        .filter_map(|resource| resource.id.parse().ok())
        .collect()
}

/// A member as the router knows it.
pub(super) fn member(member: &GroupMember) -> Member {
    let kind = match member.id {
        MemberId::User(_) => ResourceType::User,
        MemberId::Group(_) => ResourceType::Group,
    };
    let known = Member::new(member.id.to_string()).with_kind(kind);
    match &member.display {
        Some(display) => known.with_display(display),
        None => known,
    }
}

async fn load_groups(tx: &mut ReadTx, stored: &mut [Stored], load: Load) -> Result<(), Trouble> {
    if load == Load::Nothing || stored.is_empty() {
        return Ok(());
    }
    let ids: Vec<UserId> = ids_of(stored);
    let mut groups: HashMap<String, Vec<Membership>> = HashMap::new();
    for group in tx.list_groups_of_users(&ids).await? {
        let membership = Membership::new(group.group_id.to_string(), Some(group.display_name));
        let membership = if group.direct {
            membership
        } else {
            membership.indirect()
        };
        groups
            .entry(group.user_id.to_string())
            .or_default()
            .push(membership);
    }
    for user in stored {
        let groups = groups.remove(&user.id).unwrap_or_default();
        user.groups = match load {
            Load::AtMost(most) if groups.len() > most => None,
            _ => Some(groups),
        };
    }
    Ok(())
}

async fn load_members(tx: &mut ReadTx, stored: &mut [Stored], load: Load) -> Result<(), Trouble> {
    if load == Load::Nothing || stored.is_empty() {
        return Ok(());
    }
    let most = match load {
        Load::AtMost(most) => u64::try_from(most).unwrap_or(MOST).min(MOST),
        Load::Nothing | Load::Everything => MOST,
    };
    let ids: Vec<GroupId> = ids_of(stored);
    let counts = tx.count_members(&ids, most + 1).await?;
    let small: Vec<GroupId> = ids
        .into_iter()
        .filter(|id| counts.get(id).is_some_and(|count| *count <= most))
        .collect();
    let total: u64 = small.iter().filter_map(|id| counts.get(id)).sum();
    if total > MOST || (load == Load::Everything && small.len() < stored.len()) {
        return Err(Error::too_many(
            "the groups have too many members for one answer; ask for fewer groups, or exclude members",
        )
        .into());
    }
    let mut members: HashMap<String, Vec<Member>> = HashMap::new();
    for found in tx.list_members_of(&small).await? {
        members
            .entry(found.group_id.to_string())
            .or_default()
            .push(member(&found));
    }
    let small: std::collections::HashSet<String> = small.iter().map(ToString::to_string).collect();
    for group in stored {
        group.members = small
            .contains(&group.id)
            .then(|| members.remove(&group.id).unwrap_or_default());
    }
    Ok(())
}
