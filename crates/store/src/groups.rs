use serde_json::{Map, Value, json};
use vestibule_core::{
    DirectoryId, EventKind, GroupId, OrganizationId, Timestamp, UserId, name_key,
};

use crate::{
    Direction, ListOrder, MemberId, NewEvent, ReadTx, Result, Slice, When, WriteTx, query::query,
    row::Json, statement::Statement,
};

/// A group that a directory pushed.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Where it belongs.
    pub organization_id: OrganizationId,
    /// The directory that owns it.
    pub directory_id: DirectoryId,
    /// The SCIM `displayName`, as written; unique in its directory without regard to case.
    pub display_name: String,
    /// The SCIM `externalId`.
    pub external_id: Option<String>,
    /// Goes up with every change, of members too; the SCIM `meta.version`.
    pub version: i64,
    /// The SCIM resource without `id`, `meta` and `members`.
    pub attributes: Map<String, Value>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it or its members were last changed.
    pub updated_at: Timestamp,
}

macro_rules! columns {
    () => {
        "g.id, g.organization_id, g.directory_id, g.display_name, g.external_id, g.version, g.attributes, g.created_at, g.updated_at"
    };
}

pub(crate) use columns;

from_row!(Group, row => Group {
    id: row.id("id")?,
    organization_id: row.id("organization_id")?,
    directory_id: row.id("directory_id")?,
    display_name: row.get("display_name")?,
    external_id: row.get("external_id")?,
    version: row.get("version")?,
    attributes: row.get::<Json<Map<String, Value>>>("attributes")?.0,
    created_at: row.time("created_at")?,
    updated_at: row.time("updated_at")?,
});

/// What a group is made of or changed to; its members are rows of their own.
#[derive(Debug, Clone)]
pub struct GroupRecord {
    /// The SCIM `displayName`.
    pub display_name: String,
    /// The SCIM `externalId`.
    pub external_id: Option<String>,
    /// The SCIM resource without `id`, `meta` and `members`.
    pub attributes: Map<String, Value>,
}

/// Which groups of a directory are meant.
#[derive(Debug, Clone)]
pub struct GroupQuery {
    /// The organization of the directory.
    pub organization_id: OrganizationId,
    /// The directory.
    pub directory_id: DirectoryId,
    /// What has to hold, all of it.
    pub conditions: Vec<GroupCondition>,
}

/// A condition on a group that an index answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupCondition {
    /// This group.
    Id(GroupId),
    /// This `displayName`, compared without case.
    DisplayName(String),
    /// This `externalId`, compared exactly.
    ExternalId(String),
    /// This user is a member of the group itself.
    User(UserId),
    /// This group is a member of the group itself.
    Group(GroupId),
    /// Last changed then.
    Updated(When),
}

impl GroupQuery {
    fn push(&self, statement: &mut Statement) {
        statement
            .sql("g.directory_id = ")
            .text(&self.directory_id)
            .sql(" AND g.organization_id = ")
            .text(&self.organization_id)
            .sql(" AND g.deleted_at IS NULL");
        for condition in &self.conditions {
            statement.sql(" AND ");
            match condition {
                GroupCondition::Id(id) => {
                    statement.sql("g.id = ").text(id);
                }
                GroupCondition::DisplayName(name) => {
                    statement.sql("g.display_name_key = ").text(&name_key(name));
                }
                GroupCondition::ExternalId(id) => {
                    // A subquery: SQLite would rather walk all groups by id than sort the few that the index finds.
                    statement
                        .sql("g.id IN (SELECT x.id FROM groups x WHERE x.directory_id = ")
                        .text(&self.directory_id)
                        .sql(" AND x.external_id = ")
                        .text(id)
                        .sql(")");
                }
                GroupCondition::User(id) => push_member(statement, &id.to_string()),
                GroupCondition::Group(id) => push_member(statement, &id.to_string()),
                GroupCondition::Updated(when) => {
                    statement.sql("g.updated_at");
                    when.push(statement);
                }
            }
        }
    }
}

fn push_member(statement: &mut Statement, id: &str) {
    statement
        .sql("g.id IN (SELECT m.group_id FROM group_members m WHERE m.member_id = ")
        .text(id)
        .sql(")");
}

macro_rules! select {
    () => {
        concat!(
            "SELECT ",
            $crate::groups::columns!(),
            " FROM groups g WHERE "
        )
    };
}
pub(crate) use select;

impl ReadTx {
    /// A group of a directory that is not deleted.
    pub async fn find_group(
        &mut self,
        directory_id: DirectoryId,
        id: GroupId,
    ) -> Result<Option<Group>> {
        Ok(self.fetch(one(directory_id, id)).await?.pop())
    }

    /// How many groups meet the query.
    pub async fn count_groups(&mut self, query: &GroupQuery) -> Result<u64> {
        let mut statement = Statement::new("SELECT COUNT(*) FROM groups g WHERE ");
        if query.conditions.is_empty() {
            statement.long();
        }
        query.push(&mut statement);
        self.fetch_count(statement).await
    }

    /// A part of the groups that meet the query.
    pub async fn list_groups(&mut self, query: &GroupQuery, slice: Slice) -> Result<Vec<Group>> {
        let mut statement = Statement::new(select!());
        if query.conditions.is_empty() {
            statement.long();
        }
        query.push(&mut statement);
        statement
            .sql(match slice.order {
                ListOrder::Id(Direction::Ascending) => " ORDER BY g.id LIMIT ",
                ListOrder::Id(Direction::Descending) => " ORDER BY g.id DESC LIMIT ",
                ListOrder::Name(Direction::Ascending) => {
                    " ORDER BY g.display_name_key, g.id LIMIT "
                }
                ListOrder::Name(Direction::Descending) => {
                    " ORDER BY g.display_name_key DESC, g.id LIMIT "
                }
                ListOrder::Updated(Direction::Ascending) => " ORDER BY g.updated_at, g.id LIMIT ",
                ListOrder::Updated(Direction::Descending) => {
                    " ORDER BY g.updated_at DESC, g.id LIMIT "
                }
            })
            .number(slice.limit)
            .sql(" OFFSET ")
            .number(slice.offset);
        self.fetch(statement).await
    }

    /// The next groups that meet the query, by id; for reading all of them in chunks.
    pub async fn list_groups_after(
        &mut self,
        query: &GroupQuery,
        after: Option<GroupId>,
        limit: i64,
    ) -> Result<Vec<Group>> {
        let mut statement = Statement::new(select!());
        statement.long();
        query.push(&mut statement);
        if let Some(after) = after {
            // Where members are named, their index finds the groups, not the order by id.
            let narrow = query
                .conditions
                .iter()
                .any(|condition| !matches!(condition, GroupCondition::Updated(_)));
            statement
                .sql(if narrow {
                    " AND g.id || '' > "
                } else {
                    " AND g.id > "
                })
                .text(&after);
        }
        statement.sql(" ORDER BY g.id LIMIT ").number(limit);
        self.fetch(statement).await
    }

    /// The groups with these ids, in the order of their ids.
    pub async fn list_groups_by_id(
        &mut self,
        query: &GroupQuery,
        ids: &[GroupId],
    ) -> Result<Vec<Group>> {
        let mut statement = Statement::new(select!());
        query.push(&mut statement);
        statement
            .sql(" AND g.id")
            .is_one_of(ids)
            .sql(" ORDER BY g.id");
        self.fetch(statement).await
    }
}

fn one(directory_id: DirectoryId, id: GroupId) -> Statement {
    let mut statement = Statement::new(select!());
    statement
        .sql("g.id = ")
        .text(&id)
        .sql(" AND g.directory_id = ")
        .text(&directory_id)
        .sql(" AND g.deleted_at IS NULL");
    statement
}

impl WriteTx {
    /// Reads a group that is going to be changed; others who change it wait.
    pub async fn lock_group(
        &mut self,
        directory_id: DirectoryId,
        id: GroupId,
    ) -> Result<Option<Group>> {
        Ok(self
            .fetch_locked(one(directory_id, id), " FOR UPDATE")
            .await?
            .pop())
    }

    /// Makes a group without members and tells so. An error that [`is_taken`](crate::Error::is_taken) means that the name is.
    pub async fn add_group(
        &mut self,
        organization_id: OrganizationId,
        directory_id: DirectoryId,
        record: &GroupRecord,
    ) -> Result<Group> {
        let now = self.now();
        let id: GroupId = self.generator().id(now);
        query(
            "INSERT INTO groups (id, organization_id, directory_id, display_name, display_name_key, external_id, version, attributes,
             created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8, $8)")
            .bind(id.to_string())
            .bind(organization_id.to_string())
            .bind(directory_id.to_string())
            .bind(&record.display_name)
            .bind(name_key(&record.display_name))
            .bind(&record.external_id)
            .bind(Json(&record.attributes))
            .bind(now.micros())
            .execute(self)
            .await?;
        let group = Group {
            id,
            organization_id,
            directory_id,
            display_name: record.display_name.clone(),
            external_id: record.external_id.clone(),
            version: 1,
            attributes: record.attributes.clone(),
            created_at: now,
            updated_at: now,
        };
        self.push_group_event(EventKind::GroupCreated, &group, json!({}))
            .await?;
        Ok(group)
    }

    /// Changes a group that was read under [`lock_group`](Self::lock_group) and tells so.
    pub async fn set_group(
        &mut self,
        group: &Group,
        record: &GroupRecord,
        changed: &[String],
    ) -> Result<Group> {
        let now = self.now();
        let version = group.version + 1;
        query(
            "UPDATE groups SET display_name = $2, display_name_key = $3, external_id = $4, attributes = $5, version = $6, updated_at = $7
             WHERE id = $1")
            .bind(group.id.to_string())
            .bind(&record.display_name)
            .bind(name_key(&record.display_name))
            .bind(&record.external_id)
            .bind(Json(&record.attributes))
            .bind(version)
            .bind(now.micros())
            .execute(self)
            .await?;
        let after = Group {
            display_name: record.display_name.clone(),
            external_id: record.external_id.clone(),
            attributes: record.attributes.clone(),
            version,
            updated_at: now,
            ..group.clone()
        };
        self.push_group_event(
            EventKind::GroupUpdated,
            &after,
            json!({ "changed": changed }),
        )
        .await?;
        Ok(after)
    }

    /// Notes that members of a group came or went.
    pub async fn touch_group(&mut self, group: &Group) -> Result<Group> {
        let now = self.now();
        let version = group.version + 1;
        query("UPDATE groups SET version = $2, updated_at = $3 WHERE id = $1")
            .bind(group.id.to_string())
            .bind(version)
            .bind(now.micros())
            .execute(self)
            .await?;
        Ok(Group {
            version,
            updated_at: now,
            ..group.clone()
        })
    }

    /// Leaves a tombstone: the group's members and its own memberships go, its name is blanked.
    pub async fn delete_group(&mut self, group: &Group, actor: &str) -> Result<()> {
        self.leave_groups(MemberId::Group(group.id)).await?;
        let id = group.id.to_string();
        query("DELETE FROM group_members WHERE group_id = $1")
            .bind(&id)
            .execute(self)
            .await?;
        query(
            "UPDATE groups SET deleted_at = $2, updated_at = $2, version = version + 1, display_name = '', display_name_key = $1,
             external_id = NULL, attributes = $3 WHERE id = $1")
            .bind(&id)
            .bind(self.now().micros())
            .bind(Json(Value::Object(Map::new())))
            .execute(self)
            .await?;
        self.push_group_event(EventKind::GroupDeleted, group, json!({ "actor": actor }))
            .await
    }

    /// Tells of every group of a directory that it goes.
    pub(crate) async fn tell_groups_deleted(
        &mut self,
        directory_id: DirectoryId,
        actor: &str,
    ) -> Result<()> {
        let mut after = String::new();
        loop {
            let mut page = Statement::new(select!());
            page.sql("g.directory_id = ")
                .text(&directory_id)
                .sql(" AND g.deleted_at IS NULL AND g.id > ")
                .text(&after)
                .sql(" ORDER BY g.id LIMIT 500");
            let groups: Vec<Group> = self.fetch_locked(page, " FOR UPDATE").await?;
            let Some(last) = groups.last() else {
                return Ok(());
            };
            after = last.id.to_string();
            for group in &groups {
                self.push_group_event(EventKind::GroupDeleted, group, json!({ "actor": actor }))
                    .await?;
            }
        }
    }

    /// Tells about a group; `more` adds to what every such event says.
    pub(crate) async fn push_group_event(
        &mut self,
        kind: EventKind,
        group: &Group,
        more: Value,
    ) -> Result<()> {
        let mut data = json!({
            "group_id": group.id,
            "display_name": group.display_name,
            "external_id": group.external_id,
            "directory_id": group.directory_id,
        });
        if let (Some(data), Value::Object(more)) = (data.as_object_mut(), more) {
            data.extend(more);
        }
        self.push_event(NewEvent {
            kind,
            organization_id: Some(group.organization_id),
            user_id: None,
            data,
        })
        .await?;
        Ok(())
    }
}
