//! How a directory comes by users that were there before it: nobody's, or those of the directory that it replaces.

use vestibule_core::{DirectoryId, OrganizationId, UserId};

use crate::{
    Directory, ReadTx, Result, User, WriteTx, query::query, row::text, statement::Statement, users,
};

/// How far an adoption is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdoptionCounts {
    /// Users that the directory owns.
    pub claimed: i64,
    /// Users of the organization that no directory owns, without break-glass accounts.
    pub unowned: i64,
    /// Break-glass accounts of the organization, which no directory can claim.
    pub break_glass: i64,
    /// Users that the replaced directory still owns.
    pub of_replaced: i64,
}

words! {
    /// A side of an adoption.
    AdoptionSide {
        /// Users that the directory owns.
        Claimed "claimed",
        /// Users that it may claim and has not.
        Unclaimed "unclaimed",
    }
}

words! {
    /// Why a user may never be claimed, or exists twice.
    ConflictKind {
        /// The directory owns a user of another name with the same address: likely the same person, made anew.
        SameEmail "same_email",
        /// A user of the same name goes before this one, so this one is never claimed.
        SameName "same_name",
        /// Another directory, which is not replaced, owns a user of the same name.
        OtherDirectory "other_directory",
        /// A break-glass account, which no directory can claim, has the name or an address of a user of the directory, or
        /// of the one that it replaces.
        BreakGlass "break_glass",
    }
}

/// Two users that stand in each other's way.
#[derive(Debug, Clone)]
pub struct AdoptionConflict {
    /// What is wrong.
    pub kind: ConflictKind,
    /// The user that is concerned.
    pub user_id: UserId,
    /// Its name.
    pub user_name: String,
    /// The other user.
    pub other_id: UserId,
    /// Its name.
    pub other_user_name: String,
    /// Who owns the other user.
    pub other_directory_id: Option<DirectoryId>,
}

from_row!(AdoptionConflict, row => AdoptionConflict {
    kind: row.word("kind")?,
    user_id: row.id("user_id")?,
    user_name: row.get("user_name")?,
    other_id: row.id("other_id")?,
    other_user_name: row.get("other_user_name")?,
    other_directory_id: row.id_or_null("other_directory_id")?,
});

impl AdoptionConflict {
    /// Where the list goes on behind this one.
    pub fn place(&self) -> ConflictPlace {
        ConflictPlace {
            user_id: self.user_id,
            kind: self.kind,
            other_id: self.other_id,
        }
    }
}

/// A place in the list of conflicts.
#[derive(Debug, Clone, Copy)]
pub struct ConflictPlace {
    /// The user.
    pub user_id: UserId,
    /// The kind.
    pub kind: ConflictKind,
    /// The other user.
    pub other_id: UserId,
}

/// What the newest users of a directory have as `externalId`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExternalIdSample {
    /// The directory.
    pub directory_id: DirectoryId,
    /// Users that were looked at.
    pub seen: i64,
    /// Those without one.
    pub absent: i64,
    /// Those whose one is their user name.
    pub user_names: i64,
    /// Those whose one is their e-mail address.
    pub emails: i64,
}

from_row!(ExternalIdSample, row => ExternalIdSample {
    directory_id: row.id("directory_id")?,
    seen: row.get("seen")?,
    absent: row.get("absent")?,
    user_names: row.get("user_names")?,
    emails: row.get("emails")?,
});

/// Directories that one question is about; SQLite joins no more than 500 parts.
const SAMPLED_AT_ONCE: usize = 100;

impl ReadTx {
    /// What the newest hundred users of each of these directories have as `externalId`.
    pub async fn sample_external_ids(
        &mut self,
        directories: &[DirectoryId],
    ) -> Result<Vec<ExternalIdSample>> {
        let mut samples = Vec::new();
        for chunk in directories.chunks(SAMPLED_AT_ONCE) {
            let mut statement = Statement::new("");
            for (place, id) in chunk.iter().enumerate() {
                statement
                    .sql(if place > 0 { " UNION ALL " } else { "" })
                    .sql("SELECT CAST(")
                    .text(id)
                    .sql(
                        " AS TEXT) AS directory_id, COUNT(*) AS seen,
                         COALESCE(SUM(CASE WHEN s.external_id IS NULL THEN 1 ELSE 0 END), 0) AS absent,
                         COALESCE(SUM(CASE WHEN LOWER(s.external_id) = LOWER(s.user_name) THEN 1 ELSE 0 END), 0) AS user_names,
                         COALESCE(SUM(CASE WHEN LOWER(s.external_id) = LOWER(s.email) THEN 1 ELSE 0 END), 0) AS emails
                         FROM (SELECT x.external_id, x.user_name, x.email FROM users x WHERE x.directory_id = ",
                    )
                    .text(id)
                    .sql(" AND x.deleted_at IS NULL ORDER BY x.id DESC LIMIT 100) AS s");
            }
            samples.extend(self.fetch::<ExternalIdSample>(statement).await?);
        }
        Ok(samples)
    }

    /// Whether an organization has users that no directory owns and that one could claim.
    pub async fn has_unowned_users(&mut self, id: OrganizationId) -> Result<bool> {
        let found: Option<String> = query(
            "SELECT id FROM users WHERE organization_id = $1 AND directory_id IS NULL AND NOT break_glass AND deleted_at IS NULL LIMIT 1")
            .bind(id.to_string())
            .fetch_optional(self)
            .await?;
        Ok(found.is_some())
    }

    /// How many users a directory owns.
    pub async fn count_owned_users(&mut self, id: DirectoryId) -> Result<i64> {
        query("SELECT COUNT(*) FROM users WHERE directory_id = $1 AND deleted_at IS NULL")
            .bind(id.to_string())
            .long()
            .fetch_one(self)
            .await
    }

    /// How many users a directory owns, and how many it has not claimed.
    pub async fn count_adoption(&mut self, directory: &Directory) -> Result<AdoptionCounts> {
        let unowned: i64 = query(
            "SELECT COUNT(*) FROM users WHERE organization_id = $1 AND directory_id IS NULL AND NOT break_glass AND deleted_at IS NULL")
            .bind(directory.organization_id.to_string())
            .long()
            .fetch_one(self)
            .await?;
        let of_replaced = match directory.replaces_id {
            Some(id) => self.count_owned_users(id).await?,
            None => 0,
        };
        Ok(AdoptionCounts {
            claimed: self.count_owned_users(directory.id).await?,
            unowned,
            break_glass: self.count_break_glass(directory.organization_id).await?,
            of_replaced,
        })
    }

    /// The users on one side of an adoption, by id, after one where wanted.
    pub async fn list_adoption_users(
        &mut self,
        directory: &Directory,
        side: AdoptionSide,
        after: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<User>> {
        match side {
            AdoptionSide::Claimed => {
                query(concat!(
                    "SELECT ", users::columns!(), " FROM users u WHERE u.organization_id = $1 AND u.directory_id = $2
                     AND u.deleted_at IS NULL AND (CAST($3 AS TEXT) IS NULL OR u.id > $3) ORDER BY u.id LIMIT $4"))
                    .bind(directory.organization_id.to_string())
                    .bind(directory.id.to_string())
                    .bind(text(after))
                    .bind(limit)
                    .long()
                    .fetch_all(self)
                    .await
            }
            // Two questions, each with an index of its own.
            AdoptionSide::Unclaimed => {
                query(concat!(
                    "SELECT ", users::columns!(), " FROM users u WHERE u.id IN (
                       SELECT x.id FROM users x WHERE x.organization_id = $1 AND x.directory_id IS NULL AND NOT x.break_glass
                       AND x.deleted_at IS NULL
                       AND (CAST($3 AS TEXT) IS NULL OR x.id > $3)
                       UNION ALL SELECT y.id FROM users y WHERE y.directory_id = $2 AND y.deleted_at IS NULL
                       AND (CAST($3 AS TEXT) IS NULL OR y.id > $3))
                     ORDER BY u.id LIMIT $4"))
                    .bind(directory.organization_id.to_string())
                    .bind(text(directory.replaces_id))
                    .bind(text(after))
                    .bind(limit)
                    .long()
                    .fetch_all(self)
                    .await
            }
        }
    }

    /// The users that stand in each other's way in an adoption, by user, kind and other user, after one where wanted.
    pub async fn list_adoption_conflicts(
        &mut self,
        directory: &Directory,
        after: Option<ConflictPlace>,
        limit: i64,
    ) -> Result<Vec<AdoptionConflict>> {
        let (user_id, kind, other_id) = after.map_or_else(Default::default, |place| {
            (
                place.user_id.to_string(),
                place.kind.as_str().to_owned(),
                place.other_id.to_string(),
            )
        });
        query(
            "WITH unclaimed (id, user_name, user_name_key, directory_id) AS (
               SELECT u.id, u.user_name, u.user_name_key, u.directory_id FROM users u
               WHERE u.organization_id = $1 AND u.deleted_at IS NULL
               AND ((u.directory_id IS NULL AND NOT u.break_glass) OR u.directory_id = $3)),
             found (kind, user_id, user_name, other_id, other_user_name, other_directory_id) AS (
               SELECT DISTINCT 'same_email', u.id, u.user_name, c.id, c.user_name, c.directory_id FROM unclaimed u
               JOIN user_emails e ON e.user_id = u.id
               JOIN user_emails f ON f.organization_id = $1 AND f.value_key = e.value_key AND f.directory_id = $2
               JOIN users c ON c.id = f.user_id AND c.deleted_at IS NULL AND c.user_name_key <> u.user_name_key
               UNION ALL SELECT 'same_name', u.id, u.user_name, c.id, c.user_name, c.directory_id FROM unclaimed u
               JOIN users c ON c.organization_id = $1 AND c.user_name_key = u.user_name_key AND c.deleted_at IS NULL
               AND (c.directory_id = $2 OR (u.directory_id IS NULL AND c.directory_id = $3))
               UNION ALL SELECT 'other_directory', u.id, u.user_name, c.id, c.user_name, c.directory_id FROM directories d
               JOIN users c ON c.directory_id = d.id AND c.deleted_at IS NULL
               JOIN users u ON u.organization_id = $1 AND u.user_name_key = c.user_name_key AND u.deleted_at IS NULL
               AND (u.directory_id IS NULL OR u.directory_id = $2 OR u.directory_id = $3)
               WHERE d.organization_id = $1 AND d.deleted_at IS NULL AND d.id <> $2 AND (CAST($3 AS TEXT) IS NULL OR d.id <> $3)
               UNION ALL SELECT 'break_glass', b.id, b.user_name, c.id, c.user_name, c.directory_id FROM users b
               JOIN users c ON c.organization_id = $1 AND c.user_name_key = b.user_name_key AND c.deleted_at IS NULL
               AND (c.directory_id = $2 OR c.directory_id = $3)
               WHERE b.organization_id = $1 AND b.break_glass = TRUE AND b.deleted_at IS NULL
               UNION ALL SELECT DISTINCT 'break_glass', b.id, b.user_name, c.id, c.user_name, c.directory_id FROM users b
               JOIN user_emails e ON e.user_id = b.id
               JOIN user_emails f ON f.organization_id = $1 AND f.value_key = e.value_key
               JOIN users c ON c.id = f.user_id AND c.deleted_at IS NULL AND c.user_name_key <> b.user_name_key
               AND (c.directory_id = $2 OR c.directory_id = $3)
               WHERE b.organization_id = $1 AND b.break_glass = TRUE AND b.deleted_at IS NULL)
             SELECT f.kind, f.user_id, f.user_name, f.other_id, f.other_user_name, f.other_directory_id FROM found f
             WHERE f.user_id > $4 OR (f.user_id = $4 AND (f.kind > $5 OR (f.kind = $5 AND f.other_id > $6)))
             ORDER BY f.user_id, f.kind, f.other_id LIMIT $7",
        )
        .bind(directory.organization_id.to_string())
        .bind(directory.id.to_string())
        .bind(text(directory.replaces_id))
        .bind(user_id)
        .bind(kind)
        .bind(other_id)
        .bind(limit)
        .long()
        .fetch_all(self)
        .await
    }
}

impl WriteTx {
    /// The connections of one directory bring people of another one from now on.
    pub async fn move_connections(&mut self, from: DirectoryId, to: DirectoryId) -> Result<()> {
        let now = self.now().micros();
        query("UPDATE connections SET directory_id = $2, updated_at = $3 WHERE directory_id = $1 AND deleted_at IS NULL")
            .bind(from.to_string())
            .bind(to.to_string())
            .bind(now)
            .execute(self)
            .await?;
        Ok(())
    }

    /// Gives the users of a directory that gives up its adoption back to the one that it was to replace.
    ///
    /// An error that [`is_taken`](crate::Error::is_taken) means that both have a user of one name.
    pub async fn give_back_users(&mut self, from: DirectoryId, to: DirectoryId) -> Result<()> {
        let users = query(
            "UPDATE users SET directory_id = $2 WHERE directory_id = $1 AND deleted_at IS NULL",
        )
        .bind(from.to_string())
        .bind(to.to_string())
        .long()
        .execute(self)
        .await?;
        let users = i64::try_from(users).unwrap_or(i64::MAX);
        self.differences.add(Some(from), -users);
        self.differences.add(Some(to), users);
        for sql in [
            "UPDATE user_emails SET directory_id = $2 WHERE directory_id = $1",
            "UPDATE user_index SET directory_id = $2 WHERE directory_id = $1",
        ] {
            query(sql)
                .bind(from.to_string())
                .bind(to.to_string())
                .long()
                .execute(self)
                .await?;
        }
        Ok(())
    }

    /// Takes the users of a directory out of the groups of the one that it has replaced: those say nothing any more.
    /// Each group that loses somebody changes and tells so.
    pub async fn leave_replaced_groups(
        &mut self,
        directory: DirectoryId,
        replaced: DirectoryId,
    ) -> Result<()> {
        let (mut group, mut member) = (String::new(), String::new());
        loop {
            let rows: Vec<(String, String)> = query(
                "SELECT m.group_id, m.member_id FROM groups g JOIN group_members m ON m.group_id = g.id
                 JOIN users u ON u.id = m.member_id AND u.directory_id = $1 AND u.deleted_at IS NULL
                 WHERE g.directory_id = $2 AND g.deleted_at IS NULL AND (m.group_id, m.member_id) > ($3, $4)
                 ORDER BY m.group_id, m.member_id LIMIT 1000",
            )
            .bind(directory.to_string())
            .bind(replaced.to_string())
            .bind(&group)
            .bind(&member)
            .long()
            .fetch_all(self)
            .await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            (group, member) = last.clone();
            self.leave(&rows).await?;
        }
    }
}
