//! Who is in a group: one row a member, so that a change costs what it changes and not what the group holds.

use std::collections::{BTreeMap, HashMap};

use serde_json::json;
use vestibule_core::{DirectoryId, EventKind, GroupId, OrganizationId, UserId};

use crate::{
    Error, Group, Reach, ReadTx, Result, WriteTx, groups, query::query, statement::Statement,
    user_queries::replaced_by,
};

/// Ids that one event carries, and rows that one step of a removal takes.
const IDS_AT_ONCE: usize = 1000;

/// The id of what can be in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemberId {
    /// A user.
    User(UserId),
    /// Another group.
    Group(GroupId),
}

impl MemberId {
    /// Reads an id; none where the text is neither a user's nor a group's.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse()
            .map(Self::User)
            .or_else(|_| text.parse().map(Self::Group))
            .ok()
    }
}

impl std::fmt::Display for MemberId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(id) => id.fmt(f),
            Self::Group(id) => id.fmt(f),
        }
    }
}

/// Somebody in a group.
#[derive(Debug, Clone)]
pub struct GroupMember {
    /// The group.
    pub group_id: GroupId,
    /// The member.
    pub id: MemberId,
    /// What the member is called.
    pub display: Option<String>,
}

/// A group that a user is in.
#[derive(Debug, Clone)]
pub struct UserGroup {
    /// The user.
    pub user_id: UserId,
    /// The group.
    pub group_id: GroupId,
    /// Its name.
    pub display_name: String,
    /// Whether the user is in it directly, and not only in a group inside it.
    pub direct: bool,
}

from_row!(UserGroup, row => UserGroup {
    user_id: row.id("user_id")?,
    group_id: row.id("group_id")?,
    display_name: row.get("display_name")?,
    direct: row.get("direct")?,
});

#[derive(Debug)]
struct MemberRow {
    group_id: GroupId,
    member_id: String,
    display: Option<String>,
}

from_row!(MemberRow, row => MemberRow {
    group_id: row.id("group_id")?,
    member_id: row.get("member_id")?,
    display: row.get("display")?,
});

impl MemberRow {
    fn into_member(self) -> Result<GroupMember> {
        let id =
            MemberId::parse(&self.member_id).ok_or_else(|| Error::corrupt("id of a member"))?;
        Ok(GroupMember {
            group_id: self.group_id,
            id,
            display: self.display,
        })
    }
}

macro_rules! select {
    () => {
        "SELECT m.group_id, m.member_id, COALESCE(u.attributes ->> 'displayName', u.user_name, n.display_name) AS display
         FROM group_members m
         LEFT JOIN users u ON u.id = m.member_id AND u.deleted_at IS NULL
         LEFT JOIN groups n ON n.id = m.member_id AND n.deleted_at IS NULL WHERE "
    };
}

impl ReadTx {
    /// How many members each of these groups has, counted no further than `most`.
    pub async fn count_members(
        &mut self,
        groups: &[GroupId],
        most: u64,
    ) -> Result<HashMap<GroupId, u64>> {
        let mut statement = Statement::new(
            "SELECT g.id, (SELECT COUNT(*) FROM (SELECT 1 FROM group_members m WHERE m.group_id = g.id LIMIT ",
        );
        statement
            .number(i64::try_from(most).unwrap_or(i64::MAX))
            .sql(") AS counted) FROM groups g WHERE g.id")
            .is_one_of(groups);
        let rows: Vec<(String, i64)> = self.fetch(statement).await?;
        rows.into_iter()
            .map(|(id, count)| {
                let id = id.parse().map_err(|_| Error::corrupt("group id"))?;
                Ok((id, u64::try_from(count).unwrap_or(0)))
            })
            .collect()
    }

    /// All members of these groups, by group and id.
    pub async fn list_members_of(&mut self, groups: &[GroupId]) -> Result<Vec<GroupMember>> {
        let mut statement = Statement::new(select!());
        statement
            .long()
            .sql("m.group_id")
            .is_one_of(groups)
            .sql(" ORDER BY m.group_id, m.member_id");
        let rows: Vec<MemberRow> = self.fetch(statement).await?;
        rows.into_iter().map(MemberRow::into_member).collect()
    }

    /// The next members of a group, by id.
    pub async fn list_members(
        &mut self,
        group_id: GroupId,
        after: Option<MemberId>,
        limit: i64,
    ) -> Result<Vec<GroupMember>> {
        let mut statement = Statement::new(select!());
        statement.sql("m.group_id = ").text(&group_id);
        if let Some(after) = after {
            statement.sql(" AND m.member_id > ").text(&after);
        }
        statement.sql(" ORDER BY m.member_id LIMIT ").number(limit);
        let rows: Vec<MemberRow> = self.fetch(statement).await?;
        rows.into_iter().map(MemberRow::into_member).collect()
    }

    /// The groups that these users are in, directly and through groups inside groups, by user and name.
    ///
    /// Those of a directory that the user's own replaces are not told: they are not its own.
    pub async fn list_groups_of_users(&mut self, users: &[UserId]) -> Result<Vec<UserGroup>> {
        // UNION forgets what it has seen twice, so groups inside each other come to an end.
        // PostgreSQL takes the recursion for a hundred times what it yields and would read whole tables for it; behind
        // OFFSET 0 each row is looked up by its index.
        let mut statement = Statement::new("WITH RECURSIVE above (user_id, group_id) AS (");
        match users {
            [user] => statement
                .sql("SELECT m.member_id, m.group_id FROM group_members m WHERE m.member_id = ")
                .text(user),
            _ => statement
                .either(
                    "SELECT m.member_id, m.group_id FROM group_members m WHERE m.member_id IN ",
                    "SELECT l.id, m.group_id FROM ",
                )
                .list(users)
                .either(
                    "",
                    " AS l (id) CROSS JOIN LATERAL (SELECT s.group_id FROM group_members s WHERE s.member_id = l.id OFFSET 0) m",
                ),
        };
        statement.either(
            " UNION SELECT a.user_id, n.group_id FROM above a JOIN group_members n ON n.member_id = a.group_id)
             SELECT a.user_id, a.group_id, g.display_name, d.group_id IS NOT NULL AS direct
             FROM above a JOIN groups g ON g.id = a.group_id AND g.deleted_at IS NULL
             JOIN users u ON u.id = a.user_id AND (u.directory_id IS NULL OR u.directory_id = g.directory_id)
             LEFT JOIN group_members d ON d.group_id = a.group_id AND d.member_id = a.user_id
             ORDER BY a.user_id, g.display_name_key, g.id",
            " UNION SELECT a.user_id, n.group_id FROM above a
               CROSS JOIN LATERAL (SELECT m.group_id FROM group_members m WHERE m.member_id = a.group_id OFFSET 0) n)
             SELECT a.user_id, a.group_id, g.display_name,
               (SELECT TRUE FROM group_members d WHERE d.group_id = a.group_id AND d.member_id = a.user_id) IS NOT NULL AS direct
             FROM above a
             CROSS JOIN LATERAL (SELECT s.directory_id, s.display_name, s.display_name_key FROM groups s
               WHERE s.id = a.group_id AND s.deleted_at IS NULL OFFSET 0) g
             CROSS JOIN LATERAL (SELECT s.directory_id FROM users s WHERE s.id = a.user_id OFFSET 0) u
             WHERE u.directory_id IS NULL OR u.directory_id = g.directory_id
             ORDER BY a.user_id, g.display_name_key, a.group_id",
        );
        self.fetch(statement).await
    }
}

impl WriteTx {
    /// Which of these are users or groups of the directory, or users that none owns while it is adopting.
    ///
    /// They are held: nobody deletes one of them before this transaction is over.
    pub async fn hold_members(
        &mut self,
        organization_id: OrganizationId,
        directory_id: DirectoryId,
        reach: Reach,
        ids: &[MemberId],
    ) -> Result<Vec<MemberId>> {
        let users: Vec<&MemberId> = ids
            .iter()
            .filter(|id| matches!(id, MemberId::User(_)))
            .collect();
        let groups: Vec<&MemberId> = ids
            .iter()
            .filter(|id| matches!(id, MemberId::Group(_)))
            .collect();
        let mut found: Vec<(String,)> = Vec::new();
        if !users.is_empty() {
            let mut statement = Statement::new("SELECT u.id FROM users u WHERE u.id");
            statement
                .is_one_of(&users)
                .sql(" AND u.organization_id = ")
                .text(&organization_id)
                .sql(" AND u.deleted_at IS NULL AND (u.directory_id = ")
                .text(&directory_id);
            if reach == Reach::Adopting {
                statement
                    .sql(" OR (u.directory_id IS NULL AND NOT u.break_glass) OR u.directory_id = ");
                replaced_by(&mut statement, &directory_id);
            }
            statement
                // In one order, so that two who hold many do not wait for each other.
                .sql(") ORDER BY u.id");
            found.extend(
                self.fetch_locked::<(String,)>(statement, " FOR SHARE")
                    .await?,
            );
        }
        if !groups.is_empty() {
            let mut statement = Statement::new("SELECT g.id FROM groups g WHERE g.id");
            statement
                .is_one_of(&groups)
                .sql(" AND g.directory_id = ")
                .text(&directory_id)
                .sql(" AND g.deleted_at IS NULL ORDER BY g.id");
            found.extend(
                self.fetch_locked::<(String,)>(statement, " FOR SHARE")
                    .await?,
            );
        }
        found
            .iter()
            .map(|(id,)| MemberId::parse(id).ok_or_else(|| Error::corrupt("id of a member")))
            .collect()
    }

    /// Makes these members of a group, and gives back those who were not; the ids have been held before.
    pub async fn add_members(&mut self, group: &Group, ids: &[MemberId]) -> Result<Vec<MemberId>> {
        let now = self.now();
        let mut added = Vec::new();
        for chunk in ids.chunks(IDS_AT_ONCE) {
            let mut statement = Statement::new(
                "INSERT INTO group_members (group_id, member_id, directory_id, kind, created_at) SELECT ",
            );
            statement
                .sql("CAST(")
                .text(&group.id)
                .sql(" AS TEXT), listed.id, CAST(")
                .text(&group.directory_id)
                .sql(" AS TEXT), CASE WHEN listed.id LIKE 'usr%' THEN 'user' ELSE 'group' END, CAST(")
                .number(now.micros())
                .sql(" AS BIGINT) FROM (SELECT value AS id FROM ")
                .list(chunk)
                // WHERE TRUE: without it SQLite reads ON CONFLICT as the condition of a join.
                .sql(" AS ids) AS listed WHERE TRUE ON CONFLICT DO NOTHING RETURNING member_id");
            let rows: Vec<(String,)> = self.fetch(statement).await?;
            let chunk = parsed(&rows)?;
            self.push_member_event(EventKind::GroupMemberAdded, group, &chunk)
                .await?;
            added.extend(chunk);
        }
        Ok(added)
    }

    /// Takes these out of a group, and gives back how many were in it.
    pub async fn remove_members(&mut self, group: &Group, ids: &[MemberId]) -> Result<usize> {
        let mut removed = 0;
        for chunk in ids.chunks(IDS_AT_ONCE) {
            let mut statement = Statement::new("DELETE FROM group_members WHERE group_id = ");
            statement
                .text(&group.id)
                .sql(" AND member_id")
                .is_one_of(chunk)
                .sql(" RETURNING member_id");
            removed += self.tell_removed(group, statement).await?;
        }
        Ok(removed)
    }

    /// Takes everybody out of a group except these, and gives back how many that were.
    pub async fn remove_members_except(
        &mut self,
        group: &Group,
        ids: &[MemberId],
    ) -> Result<usize> {
        let mut removed = 0;
        let mut after = String::new();
        loop {
            let mut page =
                Statement::new("SELECT m.member_id FROM group_members m WHERE m.group_id = ");
            page.long()
                .text(&group.id)
                .sql(" AND m.member_id > ")
                .text(&after);
            if !ids.is_empty() {
                page.sql(" AND NOT m.member_id").is_one_of(ids);
            }
            page.sql(" ORDER BY m.member_id LIMIT ")
                .number(i64::try_from(IDS_AT_ONCE).unwrap_or(i64::MAX));
            let rows: Vec<(String,)> = self.fetch(page).await?;
            let Some((last,)) = rows.last() else {
                return Ok(removed);
            };
            after.clone_from(last);
            removed += self.remove_members(group, &parsed(&rows)?).await?;
        }
    }

    /// Holds the groups that somebody is in, before that member itself is held: a change of a group takes them in this
    /// order too, so the two wait for each other and never in a circle.
    pub async fn lock_groups_of(&mut self, id: MemberId) -> Result<Vec<Group>> {
        let mut statement = Statement::new(groups::select!());
        statement
            .sql("g.id IN (SELECT m.group_id FROM group_members m WHERE m.member_id = ")
            .text(&id)
            .sql(") AND g.deleted_at IS NULL ORDER BY g.id");
        self.fetch_locked(statement, " FOR UPDATE").await
    }

    /// Takes somebody out of every group; each of those groups changes and tells so.
    pub(crate) async fn leave_groups(&mut self, id: MemberId) -> Result<()> {
        let groups = self.lock_groups_of(id).await?;
        if !groups.is_empty() {
            let ids: Vec<GroupId> = groups.iter().map(|group| group.id).collect();
            let mut statement =
                Statement::new("UPDATE groups SET version = version + 1, updated_at = ");
            statement
                .number(self.now().micros())
                .sql(" WHERE id")
                .is_one_of(&ids);
            self.execute(statement).await?;
        }
        query("DELETE FROM group_members WHERE member_id = $1")
            .bind(id.to_string())
            .execute(self)
            .await?;
        for group in &groups {
            self.push_member_event(EventKind::GroupMemberRemoved, group, &[id])
                .await?;
        }
        Ok(())
    }

    /// Takes members out of groups, given as pairs of ids in the order of the groups; each of those groups changes and
    /// tells so.
    pub(crate) async fn leave(&mut self, pairs: &[(String, String)]) -> Result<()> {
        let mut leaving: BTreeMap<&str, Vec<MemberId>> = BTreeMap::new();
        for (group, member) in pairs {
            let member = MemberId::parse(member).ok_or_else(|| Error::corrupt("id of a member"))?;
            leaving.entry(group).or_default().push(member);
        }
        let ids: Vec<&str> = leaving.keys().copied().collect();
        let mut held = Statement::new(groups::select!());
        held.sql("g.id").is_one_of(&ids).sql(" ORDER BY g.id");
        let groups: Vec<Group> = self.fetch_locked(held, " FOR UPDATE").await?;
        let mut changed = Statement::new("UPDATE groups SET version = version + 1, updated_at = ");
        changed
            .number(self.now().micros())
            .sql(" WHERE id")
            .is_one_of(&ids);
        self.execute(changed).await?;
        for group in &groups {
            if let Some(members) = leaving.get(group.id.to_string().as_str()) {
                self.remove_members(group, members).await?;
            }
        }
        Ok(())
    }

    async fn tell_removed(&mut self, group: &Group, statement: Statement) -> Result<usize> {
        let rows: Vec<(String,)> = self.fetch(statement).await?;
        let ids = parsed(&rows)?;
        self.push_member_event(EventKind::GroupMemberRemoved, group, &ids)
            .await?;
        Ok(ids.len())
    }

    async fn push_member_event(
        &mut self,
        kind: EventKind,
        group: &Group,
        ids: &[MemberId],
    ) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let users = ids.iter().filter_map(|id| match id {
            MemberId::User(id) => Some(*id),
            MemberId::Group(_) => None,
        });
        self.tell_streams_of_claims(group.organization_id, users, kind.as_str())
            .await?;
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        self.push_group_event(kind, group, json!({ "member_ids": ids }))
            .await
    }
}

fn parsed(rows: &[(String,)]) -> Result<Vec<MemberId>> {
    rows.iter()
        .map(|(id,)| MemberId::parse(id).ok_or_else(|| Error::corrupt("id of a member")))
        .collect()
}
