//! What groups give their members in the claims of applications: their names, and roles where a mapping says so.

use vestibule_core::{
    ApplicationId, DirectoryId, GroupId, OrganizationId, RoleMappingId, Timestamp, UserId,
};

use crate::{ReadTx, Result, WriteTx, query::query, row::text};

/// A role that the members of a group get, those of groups inside it too.
#[derive(Debug, Clone)]
pub struct RoleMapping {
    /// Its id.
    pub id: RoleMappingId,
    /// Where it belongs.
    pub organization_id: OrganizationId,
    /// The directory of the group.
    pub directory_id: DirectoryId,
    /// The group.
    pub group_id: GroupId,
    /// The group's name.
    pub group_name: String,
    /// The one application whose tokens carry the role; without it those of every application.
    pub application_id: Option<ApplicationId>,
    /// The role.
    pub role: String,
    /// When it was made.
    pub created_at: Timestamp,
}

macro_rules! select {
    () => {
        "SELECT r.id, r.organization_id, r.directory_id, r.group_id, g.display_name AS group_name, r.application_id, r.role, r.created_at
         FROM role_mappings r JOIN groups g ON g.id = r.group_id AND g.deleted_at IS NULL "
    };
}

from_row!(RoleMapping, row => RoleMapping {
    id: row.id("id")?,
    organization_id: row.id("organization_id")?,
    directory_id: row.id("directory_id")?,
    group_id: row.id("group_id")?,
    group_name: row.get("group_name")?,
    application_id: row.id_or_null("application_id")?,
    role: row.get("role")?,
    created_at: row.time("created_at")?,
});

/// The groups above a user: those that the user is in, and those that these are in. UNION forgets what it has seen
/// twice, so groups inside each other come to an end.
macro_rules! above {
    () => {
        "WITH RECURSIVE above (group_id) AS (
           SELECT m.group_id FROM group_members m WHERE m.member_id = $1
           UNION SELECT n.group_id FROM above a JOIN group_members n ON n.member_id = a.group_id) "
    };
}

impl ReadTx {
    /// The names of all groups that a user is in, directly and through groups inside groups, each once.
    pub async fn list_group_names(&mut self, id: UserId) -> Result<Vec<String>> {
        let mut names: Vec<String> = query(concat!(
            above!(),
            "SELECT g.display_name FROM above a JOIN groups g ON g.id = a.group_id AND g.deleted_at IS NULL
             ORDER BY g.display_name_key, g.id"
        ))
        .bind(id.to_string())
        .fetch_all(self)
        .await?;
        // A user who moved to another directory may be in a group of each.
        names.dedup();
        Ok(names)
    }

    /// The roles that a user's groups give in an application.
    pub async fn list_mapped_roles(
        &mut self,
        organization_id: OrganizationId,
        id: UserId,
        application_id: ApplicationId,
    ) -> Result<Vec<String>> {
        query(concat!(
            above!(),
            "SELECT DISTINCT r.role FROM above a JOIN groups g ON g.id = a.group_id AND g.deleted_at IS NULL
             JOIN role_mappings r ON r.group_id = g.id AND r.organization_id = $2
             WHERE r.application_id IS NULL OR r.application_id = $3 ORDER BY r.role"
        ))
        .bind(id.to_string())
        .bind(organization_id.to_string())
        .bind(application_id.to_string())
        .fetch_all(self)
        .await
    }

    /// The mappings of a directory's groups, in the order of their making, after one where wanted.
    pub async fn list_role_mappings(
        &mut self,
        directory_id: DirectoryId,
        after: Option<RoleMappingId>,
        limit: i64,
    ) -> Result<Vec<RoleMapping>> {
        query(concat!(
            select!(),
            "WHERE r.directory_id = $1 AND r.organization_id = (SELECT d.organization_id FROM directories d WHERE d.id = $1)
             AND (CAST($2 AS TEXT) IS NULL OR r.id > $2) ORDER BY r.id LIMIT $3"
        ))
        .bind(directory_id.to_string())
        .bind(text(after))
        .bind(limit)
        .fetch_all(self)
        .await
    }

    /// A mapping of a directory whose group exists.
    pub async fn find_role_mapping(
        &mut self,
        directory_id: DirectoryId,
        id: RoleMappingId,
    ) -> Result<Option<RoleMapping>> {
        query(concat!(
            select!(),
            "WHERE r.id = $1 AND r.directory_id = $2"
        ))
        .bind(id.to_string())
        .bind(directory_id.to_string())
        .fetch_optional(self)
        .await
    }

    /// How many mappings a directory has.
    pub async fn count_role_mappings(
        &mut self,
        organization_id: OrganizationId,
        directory_id: DirectoryId,
    ) -> Result<i64> {
        query("SELECT COUNT(*) FROM role_mappings WHERE organization_id = $1 AND directory_id = $2")
            .bind(organization_id.to_string())
            .bind(directory_id.to_string())
            .fetch_one(self)
            .await
    }
}

impl WriteTx {
    /// Makes a mapping. An error that [`is_taken`](crate::Error::is_taken) means that there is the same one.
    pub async fn add_role_mapping(&mut self, mapping: &RoleMapping) -> Result<()> {
        query(
            "INSERT INTO role_mappings (id, organization_id, directory_id, group_id, application_id, role, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)")
            .bind(mapping.id.to_string())
            .bind(mapping.organization_id.to_string())
            .bind(mapping.directory_id.to_string())
            .bind(mapping.group_id.to_string())
            .bind(text(mapping.application_id))
            .bind(&mapping.role)
            .bind(mapping.created_at.micros())
            .execute(self)
            .await?;
        Ok(())
    }

    /// Changes role and application of a mapping. An error that [`is_taken`](crate::Error::is_taken) means that there
    /// is the same one.
    pub async fn set_role_mapping(&mut self, mapping: &RoleMapping) -> Result<()> {
        query("UPDATE role_mappings SET role = $2, application_id = $3 WHERE id = $1")
            .bind(mapping.id.to_string())
            .bind(&mapping.role)
            .bind(text(mapping.application_id))
            .execute(self)
            .await?;
        Ok(())
    }

    /// Removes a mapping.
    pub async fn delete_role_mapping(&mut self, id: RoleMappingId) -> Result<()> {
        query("DELETE FROM role_mappings WHERE id = $1")
            .bind(id.to_string())
            .execute(self)
            .await?;
        Ok(())
    }
}
