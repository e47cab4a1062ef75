//! Questions that a directory asks about its users, each answered from an index.

use vestibule_core::{
    DirectoryId, GroupId, OrganizationId, Timestamp, UserId, email_key, name_key,
};

use crate::{ReadTx, Result, User, WriteTx, statement::Statement, users};

/// Which users of a directory are meant.
#[derive(Debug, Clone)]
pub struct UserQuery {
    /// The organization of the directory.
    pub organization_id: OrganizationId,
    /// The directory.
    pub directory_id: DirectoryId,
    /// Whether users that no directory owns are meant too.
    pub reach: Reach,
    /// What has to hold, all of it.
    pub conditions: Vec<UserCondition>,
}

/// How far a directory sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Its own users.
    Owned,
    /// Its own users, those of the directory that it replaces, and those of its organization that none owns, without
    /// break-glass accounts: of each name only the first of them.
    Adopting,
}

/// A condition on a user that an index answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserCondition {
    /// This user.
    Id(UserId),
    /// This user name, compared without case.
    UserName(String),
    /// A user name that begins so, compared without case.
    UserNamePrefix(String),
    /// This `externalId`, compared exactly.
    ExternalId(String),
    /// One of the e-mail addresses, compared without case.
    Email(String),
    /// This `displayName`, compared without case.
    DisplayName(String),
    /// Active, or not.
    Active(bool),
    /// Last changed then.
    Updated(When),
    /// A member of this group or of a group inside it.
    Group(GroupId),
    /// This value of an attribute that the directory's settings have indexed, by its key.
    Indexed(String, String),
    /// One of these lists of conditions holds; each of them has one that [finds](Self::is_look_up) its users.
    Any(Vec<Vec<UserCondition>>),
}

impl UserCondition {
    /// Whether an index leads to the users at once, and they are few.
    pub fn is_look_up(&self) -> bool {
        match self {
            Self::Id(_)
            | Self::UserName(_)
            | Self::ExternalId(_)
            | Self::Email(_)
            | Self::DisplayName(_)
            | Self::Indexed(..) => true,
            Self::UserNamePrefix(_) | Self::Active(_) | Self::Updated(_) | Self::Group(_) => false,
            Self::Any(branches) => branches
                .iter()
                .all(|branch| branch.iter().any(Self::is_look_up)),
        }
    }
}

/// A span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Later than.
    After(Timestamp),
    /// Then or later.
    From(Timestamp),
    /// Earlier than.
    Before(Timestamp),
    /// Then or earlier.
    Until(Timestamp),
}

/// An order that an index holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListOrder {
    /// As they were made.
    Id(Direction),
    /// By name, compared without case.
    Name(Direction),
    /// By the time of the last change.
    Updated(Direction),
}

/// Which end comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The smallest.
    Ascending,
    /// The largest.
    Descending,
}

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// The order.
    pub order: ListOrder,
    /// Rows to pass over.
    pub offset: i64,
    /// Most rows to give.
    pub limit: i64,
}

impl When {
    pub(crate) fn push(self, statement: &mut Statement) {
        let (operator, instant) = match self {
            Self::After(instant) => (" > ", instant),
            Self::From(instant) => (" >= ", instant),
            Self::Before(instant) => (" < ", instant),
            Self::Until(instant) => (" <= ", instant),
        };
        statement.sql(operator).number(instant.micros());
    }
}

macro_rules! select {
    () => {
        concat!("SELECT ", users::columns!(), " FROM users u WHERE ")
    };
}

impl UserQuery {
    pub(crate) fn push(&self, statement: &mut Statement) {
        match self.reach {
            // The organization is asked once, of the directory, so that counting needs nothing but the index.
            Reach::Owned => {
                statement
                    .sql("u.directory_id = (SELECT d.id FROM directories d WHERE d.id = ")
                    .text(&self.directory_id)
                    .sql(" AND d.organization_id = ")
                    .text(&self.organization_id)
                    .sql(")");
            }
            Reach::Adopting => {
                statement
                    .sql("u.organization_id = ")
                    .text(&self.organization_id)
                    .sql(" AND (u.directory_id = ")
                    .text(&self.directory_id)
                    .sql(
                        " OR (((u.directory_id IS NULL AND NOT u.break_glass) OR u.directory_id = ",
                    );
                replaced_by(statement, &self.directory_id)
                    .sql(
                        ") AND NOT EXISTS (SELECT 1 FROM users o WHERE o.organization_id = u.organization_id
                         AND o.user_name_key = u.user_name_key AND o.deleted_at IS NULL AND (o.directory_id = ",
                    )
                    .text(&self.directory_id)
                    .sql(" OR (u.directory_id IS NULL AND o.directory_id = ");
                replaced_by(statement, &self.directory_id).sql(")))))");
            }
        }
        statement.sql(" AND u.deleted_at IS NULL");
        for condition in &self.conditions {
            statement.sql(" AND ");
            self.push_condition(condition, statement);
        }
    }

    /// Whether the conditions leave few users, whom their index has to find, whatever the order.
    fn is_narrow(&self) -> bool {
        self.conditions
            .iter()
            .any(|condition| !matches!(condition, UserCondition::Active(_)))
    }

    /// Conditions are subqueries: the planner of SQLite would rather walk the whole directory in the wanted order
    /// than sort the few users that an index finds.
    fn push_condition(&self, condition: &UserCondition, statement: &mut Statement) {
        match condition {
            UserCondition::Id(id) => {
                statement.sql("u.id = ").text(id);
            }
            UserCondition::UserName(name) => {
                statement
                    .sql("u.id IN (SELECT x.id FROM users x WHERE x.organization_id = ")
                    .text(&self.organization_id)
                    .sql(" AND x.user_name_key = ")
                    .text(&name_key(name))
                    .sql(")");
            }
            UserCondition::UserNamePrefix(prefix) => {
                let key = prefix_key(prefix);
                self.open(statement)
                    .sql("x.deleted_at IS NULL AND x.user_name_key >= ")
                    .text(&key);
                if let Some(end) = after_prefix(&key) {
                    statement.sql(" AND x.user_name_key < ").text(&end);
                }
                statement.sql(")");
            }
            UserCondition::ExternalId(id) => {
                self.open(statement)
                    .sql("x.external_id = ")
                    .text(id)
                    .sql(")");
            }
            UserCondition::Email(address) => {
                statement
                    .sql("u.id IN (SELECT e.user_id FROM user_emails e WHERE e.organization_id = ")
                    .text(&self.organization_id)
                    .sql(" AND e.value_key = ")
                    .text(&email_key(address))
                    .sql(")");
            }
            UserCondition::DisplayName(name) => {
                self.open(statement)
                    .sql("x.display_name_key = ")
                    .text(&name_key(name))
                    .sql(")");
            }
            // Spelled out: a bound value would hide the partial index of the inactive ones from the planner.
            UserCondition::Active(true) => {
                statement.sql("u.active = TRUE");
            }
            UserCondition::Active(false) => {
                statement.sql("u.active = FALSE");
            }
            UserCondition::Updated(when) => {
                self.open(statement).sql("x.updated_at");
                when.push(statement);
                statement.sql(")");
            }
            UserCondition::Indexed(attribute, key) => {
                statement
                    .sql("u.id IN (SELECT x.user_id FROM user_index x WHERE x.directory_id = ")
                    .text(&self.directory_id)
                    .sql(" AND x.attribute = ")
                    .text(attribute)
                    .sql(" AND x.value_key = ")
                    .text(key)
                    .sql(")");
            }
            // The branches are found one by one and put together; OR would make SQLite walk the whole directory.
            UserCondition::Any(branches) => {
                statement.sql("u.id IN (");
                for (place, branch) in branches.iter().enumerate() {
                    statement.sql(if place == 0 { "" } else { " UNION " });
                    statement.sql("SELECT u.id FROM users u WHERE u.deleted_at IS NULL");
                    for condition in branch {
                        statement.sql(" AND ");
                        self.push_condition(condition, statement);
                    }
                }
                statement.sql(")");
            }
            // UNION forgets what it has seen twice, so groups inside each other come to an end.
            UserCondition::Group(id) => {
                statement
                    .sql(
                        "u.id IN (WITH RECURSIVE inside (id) AS (SELECT m.member_id FROM group_members m
                         JOIN groups g ON g.id = m.group_id AND g.deleted_at IS NULL WHERE m.group_id = ",
                    )
                    .text(id)
                    .sql(" AND m.directory_id = ")
                    .text(&self.directory_id)
                    .sql(
                        " UNION SELECT n.member_id FROM inside i JOIN group_members n ON n.group_id = i.id)
                         SELECT i.id FROM inside i)",
                    );
            }
        }
    }

    fn open<'s>(&self, statement: &'s mut Statement) -> &'s mut Statement {
        statement
            .sql("u.id IN (SELECT x.id FROM users x WHERE x.directory_id = ")
            .text(&self.directory_id)
            .sql(" AND ")
    }

    fn is_look_up(&self) -> bool {
        self.conditions.iter().any(UserCondition::is_look_up)
    }

    fn count(&self) -> Statement {
        if let Some(statement) = self.count_by_totals() {
            return statement;
        }
        let mut statement = Statement::new("SELECT COUNT(*) FROM users u WHERE ");
        if !self.is_look_up() {
            statement.long();
        }
        self.push(&mut statement);
        statement
    }

    fn slice(&self, slice: Slice) -> Statement {
        let order = self.order(slice.order);
        // The rows that are passed over are counted in the index alone.
        let mut statement = Statement::new(concat!(
            "SELECT ",
            users::columns!(),
            " FROM users u WHERE u.id IN (SELECT i.id FROM (SELECT u.id FROM users u WHERE "
        ));
        if !self.is_look_up() {
            statement.long();
        }
        self.push(&mut statement);
        statement
            .sql(order)
            .sql(" LIMIT ")
            .number(slice.limit)
            .sql(" OFFSET ")
            .number(slice.offset)
            .sql(") AS i)")
            .sql(order);
        statement
    }

    fn after(&self, after: Option<UserId>, limit: i64) -> Statement {
        let mut statement = Statement::new(select!());
        statement.long();
        self.push(&mut statement);
        if let Some(after) = after {
            statement
                .sql(if self.is_narrow() {
                    " AND u.id || '' > "
                } else {
                    " AND u.id > "
                })
                .text(&after);
        }
        statement.sql(" ORDER BY u.id LIMIT ").number(limit);
        statement
    }

    /// For few users the order is computed, lest an index that holds it be walked instead of the one that finds them.
    fn order(&self, order: ListOrder) -> &'static str {
        match (order, self.is_narrow()) {
            (ListOrder::Id(Direction::Ascending), _) => " ORDER BY u.id",
            (ListOrder::Id(Direction::Descending), _) => " ORDER BY u.id DESC",
            (ListOrder::Name(Direction::Ascending), false) => " ORDER BY u.user_name_key, u.id",
            (ListOrder::Name(Direction::Descending), false) => {
                " ORDER BY u.user_name_key DESC, u.id"
            }
            (ListOrder::Name(Direction::Ascending), true) => {
                " ORDER BY u.user_name_key || '', u.id"
            }
            (ListOrder::Name(Direction::Descending), true) => {
                " ORDER BY u.user_name_key || '' DESC, u.id"
            }
            (ListOrder::Updated(Direction::Ascending), false) => " ORDER BY u.updated_at, u.id",
            (ListOrder::Updated(Direction::Descending), false) => {
                " ORDER BY u.updated_at DESC, u.id"
            }
            (ListOrder::Updated(Direction::Ascending), true) => " ORDER BY u.updated_at + 0, u.id",
            (ListOrder::Updated(Direction::Descending), true) => {
                " ORDER BY u.updated_at + 0 DESC, u.id"
            }
        }
    }
}

/// The key of the beginning of a name. Unlike a whole name it keeps its spaces: `sw "a "` is not `sw "a"`.
fn prefix_key(prefix: &str) -> String {
    let key = name_key(prefix);
    let trailing = prefix.len() - prefix.trim_end().len();
    if key.is_empty() || trailing == 0 {
        return key;
    }
    key + &" ".repeat(trailing)
}

/// The smallest text behind every text that begins so; none where there is no such text.
pub(crate) fn after_prefix(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        // Stepping over the surrogates, which no text holds.
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            '\u{10ffff}' => None,
            other => char::from_u32(u32::from(other) + 1),
        };
        if let Some(next) = next {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

impl ReadTx {
    /// How many users meet the query.
    pub async fn count_directory_users(&mut self, query: &UserQuery) -> Result<u64> {
        self.fetch_count(query.count()).await
    }

    /// A part of the users that meet the query.
    pub async fn list_directory_users(
        &mut self,
        query: &UserQuery,
        slice: Slice,
    ) -> Result<Vec<User>> {
        self.fetch(query.slice(slice)).await
    }

    /// The next users that meet the query, by id; for reading all of them in chunks.
    pub async fn list_directory_users_after(
        &mut self,
        query: &UserQuery,
        after: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<User>> {
        self.fetch(query.after(after, limit)).await
    }

    /// The users with these ids that the directory reaches, in the order of their ids.
    pub async fn list_directory_users_by_id(
        &mut self,
        query: &UserQuery,
        ids: &[UserId],
    ) -> Result<Vec<User>> {
        let mut statement = Statement::new(select!());
        query.push(&mut statement);
        statement
            .sql(" AND u.id")
            .is_one_of(ids)
            .sql(" ORDER BY u.id");
        self.fetch(statement).await
    }
}

impl WriteTx {
    /// The user of this name that an adopting directory may claim; others who change it wait.
    ///
    /// One of the directory that it replaces goes before one that none owns.
    pub async fn lock_claimable_user(
        &mut self,
        organization_id: OrganizationId,
        directory_id: DirectoryId,
        user_name: &str,
    ) -> Result<Option<User>> {
        let mut statement = Statement::new(select!());
        statement
            .sql("u.organization_id = ")
            .text(&organization_id)
            .sql(" AND u.user_name_key = ")
            .text(&name_key(user_name))
            .sql(" AND u.deleted_at IS NULL AND NOT u.break_glass AND (u.directory_id IS NULL OR u.directory_id = ");
        replaced_by(&mut statement, &directory_id)
            .sql(") ORDER BY CASE WHEN u.directory_id IS NULL THEN 1 ELSE 0 END LIMIT 1");
        Ok(self.fetch_locked(statement, " FOR UPDATE").await?.pop())
    }
}

/// The id of the directory whose users this one takes over, or null.
pub(crate) fn replaced_by<'s>(
    statement: &'s mut Statement,
    directory_id: &DirectoryId,
) -> &'s mut Statement {
    statement
        .sql("(SELECT r.replaces_id FROM directories r WHERE r.id = ")
        .text(directory_id)
        .sql(")")
}

#[cfg(test)]
mod tests;
