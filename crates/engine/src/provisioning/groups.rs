use std::collections::HashSet;

use vestibule_core::GroupId;
use vestibule_scim::{
    Change, Created, Dialect, Draft, Error, Filter, Member, MemberChange, Operand, Operator,
    Precondition, Repairs, ResourceType, Rule, Stored, Updated, Wanted, evaluate::matches_element,
};
use vestibule_store::{Group, MemberId, WriteTx};

use super::{Grant, Provisioning, lists, record, trouble::Trouble};

const TAKEN: &str = "displayName is taken by another group of this directory";
/// Members that are read at once while looking for those that a filter names.
const CHUNK: i64 = 1000;

/// A change of a group.
pub(super) struct Edit {
    pub(super) id: GroupId,
    pub(super) change: Change,
    pub(super) precondition: Precondition,
    pub(super) wanted: Wanted,
}

impl Provisioning {
    pub(super) async fn find_group(
        &self,
        grant: &Grant,
        id: GroupId,
        wanted: Wanted,
    ) -> Result<Option<Stored>, Trouble> {
        let mut tx = self.store().read(self.now()).await?;
        let Some(group) = tx.find_group(grant.directory.id, id).await? else {
            return Ok(None);
        };
        let mut stored = [record::stored_group(group)?];
        lists::load(&mut tx, ResourceType::Group, &mut stored, wanted).await?;
        let [stored] = stored;
        Ok(Some(stored))
    }
}

pub(super) async fn create(
    own: Provisioning,
    grant: Grant,
    draft: Draft,
    wanted: Wanted,
) -> Result<Created, Trouble> {
    let record = record::group(draft.resource)?;
    let directory = &grant.directory;
    let mut tx = own.store().write(own.now()).await?;
    let group = tx
        .add_group(directory.organization_id, directory.id, &record)
        .await
        .map_err(|error| Trouble::taken(error, TAKEN))?;
    let mut repairs = Repairs::default();
    let ids = held(&mut tx, &grant, &draft.members, &mut repairs).await?;
    tx.add_members(&group, &ids).await?;
    let mut stored = [record::stored_group(group)?];
    lists::load(&mut tx, ResourceType::Group, &mut stored, wanted).await?;
    tx.commit().await?;
    let [stored] = stored;
    Ok(Created::new(stored).with_repairs(repairs))
}

pub(super) async fn update(
    own: Provisioning,
    grant: Grant,
    edit: Edit,
) -> Result<Updated, Trouble> {
    let mut tx = own.store().write(own.now()).await?;
    let mut group = locked(&mut tx, &grant, edit.id, &edit.precondition).await?;
    let changes = edit
        .change
        .apply(&record::resource_of_group(group.clone()))?;
    let mut repairs = changes.repairs;
    let mut moved = 0;
    for change in &changes.members {
        moved += change_members(&mut tx, &grant, &group, change, &mut repairs).await?;
    }
    if !changes.touched.is_empty() {
        let changed: Vec<String> = changes.touched.iter().map(ToString::to_string).collect();
        let record = record::group(changes.resource)?;
        group = tx
            .set_group(&group, &record, &changed)
            .await
            .map_err(|error| Trouble::taken(error, TAKEN))?;
    } else if moved > 0 {
        group = tx.touch_group(&group).await?;
    }
    let changed = moved > 0 || !changes.touched.is_empty();
    let mut stored = [record::stored_group(group)?];
    lists::load(&mut tx, ResourceType::Group, &mut stored, edit.wanted).await?;
    tx.commit().await?;
    let [stored] = stored;
    Ok(Updated::new(stored, changed, repairs).with_touched(changes.touched))
}

pub(super) async fn delete(
    own: Provisioning,
    grant: Grant,
    id: GroupId,
    precondition: Precondition,
) -> Result<(), Trouble> {
    let mut tx = own.store().write(own.now()).await?;
    tx.lock_groups_of(MemberId::Group(id)).await?;
    let group = locked(&mut tx, &grant, id, &precondition).await?;
    tx.delete_group(&group, &grant.actor()).await?;
    Ok(tx.commit().await?)
}

async fn locked(
    tx: &mut WriteTx,
    grant: &Grant,
    id: GroupId,
    precondition: &Precondition,
) -> Result<Group, Trouble> {
    let group = tx
        .lock_group(grant.directory.id, id)
        .await?
        .ok_or_else(Error::no_such_resource)?;
    precondition.check(&group.version.to_string())?;
    Ok(group)
}

/// Changes the rows of a group's members, and says how many came or went.
async fn change_members(
    tx: &mut WriteTx,
    grant: &Grant,
    group: &Group,
    change: &MemberChange,
    repairs: &mut Repairs,
) -> Result<usize, Trouble> {
    match change {
        MemberChange::Add(members) => {
            let ids = held(tx, grant, members, repairs).await?;
            Ok(tx.add_members(group, &ids).await?.len())
        }
        MemberChange::Remove(ids) => {
            let ids = distinct(ids.iter().filter_map(|id| MemberId::parse(id)));
            Ok(tx.remove_members(group, &ids).await?)
        }
        MemberChange::RemoveWhere(filter) => remove_where(tx, grant, group, filter).await,
        MemberChange::ReplaceAll(members) => {
            let ids = held(tx, grant, members, repairs).await?;
            let removed = tx.remove_members_except(group, &ids).await?;
            Ok(removed + tx.add_members(group, &ids).await?.len())
        }
    }
}

/// The ids of members that exist in this directory.
///
/// One that does not refuses the request of a strict directory. In a lenient one it is left out and noted: some clients
/// push memberships ahead of people, and would repeat the whole request for ever.
async fn held(
    tx: &mut WriteTx,
    grant: &Grant,
    members: &[Member],
    repairs: &mut Repairs,
) -> Result<Vec<MemberId>, Trouble> {
    let ids = distinct(
        members
            .iter()
            .filter_map(|member| MemberId::parse(&member.value)),
    );
    let directory = &grant.directory;
    let found = tx
        .hold_members(directory.organization_id, directory.id, grant.reach(), &ids)
        .await?;
    let known: HashSet<MemberId> = found.into_iter().collect();
    let is_known =
        |member: &Member| MemberId::parse(&member.value).is_some_and(|id| known.contains(&id));
    if !members.iter().all(is_known) {
        if grant.profile.dialect == Dialect::Strict {
            return Err(
                Error::invalid_value("a member is not a user or group of this directory").into(),
            );
        }
        repairs.note(Rule::UnknownMember, "members");
    }
    Ok(ids.into_iter().filter(|id| known.contains(id)).collect())
}

fn distinct(ids: impl IntoIterator<Item = MemberId>) -> Vec<MemberId> {
    let mut known = HashSet::new();
    ids.into_iter().filter(|id| known.insert(*id)).collect()
}

async fn remove_where(
    tx: &mut WriteTx,
    grant: &Grant,
    group: &Group,
    filter: &Filter,
) -> Result<usize, Trouble> {
    if let Some(ids) = named_by(filter) {
        let ids = distinct(ids.into_iter().filter_map(MemberId::parse));
        return Ok(tx.remove_members(group, &ids).await?);
    }
    let mut removed = 0;
    let mut after = None;
    loop {
        let members = tx.list_members(group.id, after, CHUNK).await?;
        let Some(last) = members.last() else {
            return Ok(removed);
        };
        after = Some(last.id);
        let matching: Vec<MemberId> = members
            .iter()
            .filter(|member| matches_element(filter, &lists::member(member).to_json(&grant.base)))
            .map(|member| member.id)
            .collect();
        removed += tx.remove_members(group, &matching).await?;
    }
}

/// The ids in a filter that says nothing but which member, or which members, are meant.
fn named_by(filter: &Filter) -> Option<Vec<&str>> {
    match filter {
        Filter::Compare(comparison)
            if comparison.operator == Operator::Equal
                && comparison.path.to_string() == "members.value" =>
        {
            match &comparison.value {
                Operand::Text(id) => Some(vec![id]),
                _ => None,
            }
        }
        Filter::Or(filters) => {
            let ids: Vec<Vec<&str>> = filters.iter().map(named_by).collect::<Option<_>>()?;
            Some(ids.into_iter().flatten().collect())
        }
        _ => None,
    }
}
