//! Links between the lasting subjects of identity providers and users.

use vestibule_core::{ConnectionId, DirectoryId, OrganizationId, UserId, name_key};

use crate::{ReadTx, Result, User, WriteTx, query::query, users};

/// Which attribute of a directory's users a connection is joined on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinAttribute {
    /// The SCIM `externalId`, compared exactly.
    ExternalId,
    /// The SCIM `userName`, compared without case.
    UserName,
    /// Any of the SCIM `emails`, compared without case.
    Email,
}

impl ReadTx {
    /// The user to whom a lasting subject is linked, if it is and the user is not deleted.
    pub async fn find_linked_user(
        &mut self,
        connection_id: ConnectionId,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<User>> {
        query(concat!(
            "SELECT ",
            users::columns!(),
            " FROM identities i JOIN users u ON u.id = i.user_id AND u.deleted_at IS NULL
             WHERE i.connection_id = $1 AND i.issuer = $2 AND i.subject = $3"
        ))
        .bind(connection_id.to_string())
        .bind(issuer)
        .bind(subject)
        .fetch_optional(self)
        .await
    }

    /// The users whose attribute has this value: of one directory, or of those that none owns. Two are enough to refuse.
    /// Break-glass accounts are nobody's: no identity provider brings their people.
    pub async fn list_join_candidates(
        &mut self,
        organization_id: OrganizationId,
        directory_id: Option<DirectoryId>,
        attribute: JoinAttribute,
        value: &str,
    ) -> Result<Vec<User>> {
        macro_rules! sql {
            ($condition:literal) => {
                concat!(
                    "SELECT ", users::columns!(), " FROM users u WHERE u.organization_id = $1 AND u.deleted_at IS NULL
                     AND NOT u.break_glass
                     AND ((CAST($2 AS TEXT) IS NULL AND u.directory_id IS NULL) OR u.directory_id = $2) AND ", $condition, " LIMIT 2"
                )
            };
        }
        let (sql, key) = match attribute {
            JoinAttribute::ExternalId => (sql!("u.external_id = $3"), value.to_owned()),
            JoinAttribute::UserName => (sql!("u.user_name_key = $3"), name_key(value)),
            JoinAttribute::Email => (
                sql!(
                    "u.id IN (SELECT e.user_id FROM user_emails e WHERE e.organization_id = $1 AND e.value_key = $3)"
                ),
                name_key(value),
            ),
        };
        query(sql)
            .bind(organization_id.to_string())
            .bind(directory_id.map(|id| id.to_string()))
            .bind(&key)
            .fetch_all(self)
            .await
    }

    /// Whether a user is linked to a subject of this connection already.
    pub async fn is_linked(
        &mut self,
        connection_id: ConnectionId,
        issuer: &str,
        user_id: UserId,
    ) -> Result<bool> {
        let found: Option<String> = query(
            "SELECT subject FROM identities WHERE connection_id = $1 AND issuer = $2 AND user_id = $3")
            .bind(connection_id.to_string())
            .bind(issuer)
            .bind(user_id.to_string())
            .fetch_optional(self)
            .await?;
        Ok(found.is_some())
    }
}

impl WriteTx {
    /// Links a lasting subject to a user; false when either is linked inside the connection already.
    pub async fn add_identity(
        &mut self,
        connection_id: ConnectionId,
        issuer: &str,
        subject: &str,
        user: &User,
    ) -> Result<bool> {
        let now = self.now().micros();
        let added = query(
            "INSERT INTO identities (connection_id, issuer, subject, user_id, organization_id, created_at) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT DO NOTHING")
            .bind(connection_id.to_string())
            .bind(issuer)
            .bind(subject)
            .bind(user.id.to_string())
            .bind(user.organization_id.to_string())
            .bind(now)
            .execute(self)
            .await?;
        Ok(added == 1)
    }

    /// Removes every link of a user; true when there was one.
    pub async fn remove_identities(&mut self, user_id: UserId) -> Result<bool> {
        let removed = query("DELETE FROM identities WHERE user_id = $1")
            .bind(user_id.to_string())
            .execute(self)
            .await?;
        Ok(removed > 0)
    }
}
