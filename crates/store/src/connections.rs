use serde_json::Value;
use vestibule_core::{
    ApplicationId, ConnectionId, ConnectionState, DirectoryId, OrganizationId, Protocol, Timestamp,
};

use crate::{
    ReadTx, Result, WriteTx,
    query::query,
    row::{Json, text},
};

/// A way in: one identity provider, or the password sign-in, of one organization.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Its id; URLs and metadata carry it.
    pub id: ConnectionId,
    /// Whose people come in.
    pub organization_id: OrganizationId,
    /// The directory whose users are joined; none while the organization has no or one directory.
    pub directory_id: Option<DirectoryId>,
    /// Where an unsolicited login is sent to.
    pub default_application_id: Option<ApplicationId>,
    /// Its name, as admins see it.
    pub name: String,
    /// SAML, OpenID Connect or password.
    pub protocol: Protocol,
    /// The protocol's settings, as the engine writes them; nothing secret.
    pub settings: Value,
    /// The client secret, sealed.
    pub client_secret_sealed: Option<Vec<u8>>,
    /// The directory's side of the join: `externalId`, `userName` or `emails.value`.
    pub join_directory: Option<String>,
    /// The claim that is compared with it.
    pub join_claim: Option<String>,
    /// Whether a login may create a user; never while a directory is attached.
    pub jit: bool,
    /// Whether a login that the identity provider begins is turned into one that we begin.
    pub allow_idp_initiated: bool,
    /// Whether it can be used.
    pub state: ConnectionState,
    /// Goes up with everything that ends the sign-ins that came through it.
    pub epoch: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

macro_rules! columns {
    () => {
        "n.id, n.organization_id, n.directory_id, n.default_application_id, n.name, n.protocol, n.settings, n.client_secret_sealed,
         n.join_directory, n.join_claim, n.jit, n.allow_idp_initiated, n.state, n.epoch, n.created_at, n.updated_at"
    };
}

from_row!(Connection, row => Connection {
    id: row.id("id")?,
    organization_id: row.id("organization_id")?,
    directory_id: row.id_or_null("directory_id")?,
    default_application_id: row.id_or_null("default_application_id")?,
    name: row.get("name")?,
    protocol: row.word("protocol")?,
    settings: row.get::<Json<Value>>("settings")?.0,
    client_secret_sealed: row.get("client_secret_sealed")?,
    join_directory: row.get("join_directory")?,
    join_claim: row.get("join_claim")?,
    jit: row.get("jit")?,
    allow_idp_initiated: row.get("allow_idp_initiated")?,
    state: row.word("state")?,
    epoch: row.get("epoch")?,
    created_at: row.time("created_at")?,
    updated_at: row.time("updated_at")?,
});

impl ReadTx {
    /// A connection that is not deleted, of whatever organization.
    pub async fn find_connection(&mut self, id: ConnectionId) -> Result<Option<Connection>> {
        query(concat!(
            "SELECT ",
            columns!(),
            " FROM connections n WHERE n.id = $1 AND n.deleted_at IS NULL"
        ))
        .bind(id.to_string())
        .fetch_optional(self)
        .await
    }

    /// The connections of an organization.
    pub async fn list_connections(
        &mut self,
        organization_id: OrganizationId,
    ) -> Result<Vec<Connection>> {
        query(concat!(
            "SELECT ", columns!(), " FROM connections n WHERE n.organization_id = $1 AND n.deleted_at IS NULL ORDER BY n.id LIMIT 1000"))
            .bind(organization_id.to_string())
            .fetch_all(self)
            .await
    }
}

impl WriteTx {
    /// Stores a connection as it is given.
    pub async fn add_connection(&mut self, connection: &Connection) -> Result<()> {
        query(
            "INSERT INTO connections (id, organization_id, directory_id, default_application_id, name, protocol, settings,
             client_secret_sealed, join_directory, join_claim, jit, allow_idp_initiated, state, epoch, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)")
            .bind(connection.id.to_string())
            .bind(connection.organization_id.to_string())
            .bind(text(connection.directory_id))
            .bind(text(connection.default_application_id))
            .bind(&connection.name)
            .bind(connection.protocol.as_str())
            .bind(Json(&connection.settings))
            .bind(&connection.client_secret_sealed)
            .bind(&connection.join_directory)
            .bind(&connection.join_claim)
            .bind(connection.jit)
            .bind(connection.allow_idp_initiated)
            .bind(connection.state.as_str())
            .bind(connection.epoch)
            .bind(connection.created_at.micros())
            .bind(connection.updated_at.micros())
            .execute(self)
            .await?;
        Ok(())
    }

    /// Changes a connection that was read while its organization was locked.
    ///
    /// Whoever changes its trust anchor, or takes it out of use, ends its credentials beside it.
    pub async fn set_connection(&mut self, connection: &Connection) -> Result<()> {
        let now = self.now().micros();
        query(
            "UPDATE connections SET directory_id = $2, default_application_id = $3, name = $4, settings = $5, client_secret_sealed = $6,
             join_directory = $7, join_claim = $8, jit = $9, allow_idp_initiated = $10, state = $11, updated_at = $12 WHERE id = $1")
            .bind(connection.id.to_string())
            .bind(text(connection.directory_id))
            .bind(text(connection.default_application_id))
            .bind(&connection.name)
            .bind(Json(&connection.settings))
            .bind(&connection.client_secret_sealed)
            .bind(&connection.join_directory)
            .bind(&connection.join_claim)
            .bind(connection.jit)
            .bind(connection.allow_idp_initiated)
            .bind(connection.state.as_str())
            .bind(now)
            .execute(self)
            .await?;
        Ok(())
    }

    /// Leaves a tombstone of a connection, without its secret, its keys, what it trusted and its links; the caller ends its credentials beside it.
    pub async fn delete_connection(&mut self, id: ConnectionId) -> Result<()> {
        let (now, id) = (self.now().micros(), id.to_string());
        {
            query(
                "UPDATE connections SET state = 'inactive', client_secret_sealed = NULL, deleted_at = $2, updated_at = $2 WHERE id = $1")
                .bind(&id)
                .bind(now)
                .execute(self)
                .await?;
            query("DELETE FROM identities WHERE connection_id = $1")
                .bind(&id)
                .execute(self)
                .await?;
            query("DELETE FROM connection_keys WHERE connection_id = $1")
                .bind(&id)
                .execute(self)
                .await?;
            query("DELETE FROM connection_certificates WHERE connection_id = $1")
                .bind(&id)
                .execute(self)
                .await?;
            query("DELETE FROM removed_certificates WHERE connection_id = $1")
                .bind(&id)
                .execute(self)
                .await?;
            query("DELETE FROM signal_sources WHERE connection_id = $1")
                .bind(&id)
                .execute(self)
                .await?;
            query("DELETE FROM connection_metadata WHERE connection_id = $1")
                .bind(&id)
                .execute(self)
                .await?;
        };
        Ok(())
    }

    /// Removes every link of a connection, when its subjects come from another issuer from now on.
    pub async fn remove_connection_identities(&mut self, id: ConnectionId) -> Result<()> {
        query("DELETE FROM identities WHERE connection_id = $1")
            .bind(id.to_string())
            .execute(self)
            .await?;
        Ok(())
    }
}
