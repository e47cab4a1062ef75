//! The ways in of an organization: what all protocols have in common.

mod certificates;
mod details;
mod keys;
mod oidc;
mod saml;
mod signals;

use serde_json::{Value, json};
use url::Url;
use vestibule_core::{
    ApplicationId, ConnectionId, ConnectionState, DirectoryId, EndCause, EndScope, EventKind,
    OrganizationId, Protocol, Resource, Timestamp,
};
use vestibule_store::{Connection, Directory, Ending, NewEvent, ReadTx, WriteTx};

use super::{
    Actor, AdminError, Done, Result, check, locked, organizations::tell_connection_state, visible,
};
use crate::Engine;

pub use certificates::CertificateDetails;
pub use details::{ConnectionDetails, SamlDetails};
pub use keys::Rotation;
pub use oidc::OidcChange;
pub use saml::{SamlChange, SamlParts, SamlSource, SsoBinding};
pub use signals::{PollClientChange, SignalSourceChange, SignalSourceDetails};

use saml::Prepared;

const JIT_WITH_DIRECTORY: &str = "the organization has a directory, so its users come from there and a login never creates one; set jit to false, or delete the directory";
const PASSWORD_BY_POLICY: &str =
    "the password connection follows the organization's policy; change policy.password_login";
const BREAK_GLASS_BY_ACCOUNTS: &str = "the break-glass connection opens nothing but the organization's break-glass accounts; take break_glass from those users";
const OTHER_PROTOCOL: &str = "does not belong to a connection of this protocol";
const JOIN_DIRECTORY: &[&str] = &["externalId", "userName", "emails.value"];

/// What a connection is made of or changed to; what is absent stays, or takes its default.
#[derive(Debug, Default)]
pub struct ConnectionChange {
    /// SAML or OpenID Connect; it cannot change.
    pub protocol: Option<Protocol>,
    /// Its name, as admins see it.
    pub name: Option<String>,
    /// The directory whose users are joined.
    pub directory_id: Option<Option<DirectoryId>>,
    /// Where an unsolicited login is sent to.
    pub default_application_id: Option<Option<ApplicationId>>,
    /// How a login finds its user.
    pub join: Option<Join>,
    /// Whether a login may create a user.
    pub jit: Option<bool>,
    /// Whether a login that the identity provider begins is turned into one that we begin.
    pub allow_idp_initiated: Option<bool>,
    /// Whether it is in use.
    pub state: Option<ConnectionState>,
    /// The settings of OpenID Connect.
    pub oidc: Option<OidcChange>,
    /// The settings of SAML.
    pub saml: Option<SamlChange>,
}

/// Which attribute of the directory is compared with which claim.
#[derive(Debug, Clone)]
pub struct Join {
    /// `externalId`, `userName` or `emails.value`.
    pub directory: String,
    /// The claim.
    pub claim: String,
}

impl Engine {
    /// Makes a connection; by API it is in use at once.
    pub async fn add_connection(
        &self,
        actor: &Actor,
        organization_id: OrganizationId,
        new: ConnectionChange,
        now: Timestamp,
    ) -> Result<ConnectionDetails> {
        actor.may_write(Resource::Connections)?;
        visible(&mut self.store().read(now).await?, actor, organization_id).await?;
        // The others are ours, one of each, and made with what they are for.
        let protocol = new
            .protocol
            .filter(|protocol| matches!(protocol, Protocol::Saml | Protocol::Oidc))
            .ok_or_else(|| AdminError::invalid("protocol", "must be saml or oidc"))?;
        let prepared = self.prepare(protocol, &new, None, now).await?;
        let mut tx = self.store().write(now).await?;
        locked(&mut tx, actor, organization_id).await?;
        let id: ConnectionId = tx.generator().id(now);
        let mut connection = Connection {
            id,
            organization_id,
            directory_id: None,
            default_application_id: None,
            name: String::new(),
            protocol,
            settings: json!({}),
            client_secret_sealed: None,
            join_directory: None,
            join_claim: None,
            jit: false,
            allow_idp_initiated: false,
            state: ConnectionState::Active,
            epoch: 1,
            created_at: now,
            updated_at: now,
        };
        self.apply(&mut tx, &mut connection, &new, &prepared)
            .await?;
        if connection.name.is_empty() {
            connection.name = default_name(&connection);
        }
        tx.add_connection(&connection).await?;
        self.keep_client_key(&mut tx, &connection, &prepared)
            .await?;
        self.keep_saml(&mut tx, actor, None, &connection, &new, prepared)
            .await?;
        if connection.state == ConnectionState::Active {
            activated(&mut tx, actor, &connection).await?;
        }
        audit(&mut tx, actor, "connection.create", &connection).await?;
        let details = self.connection_details(&mut tx, connection).await?;
        tx.commit().await?;
        self.wake();
        Ok(details)
    }

    /// The connections of an organization.
    pub async fn list_connections(
        &self,
        actor: &Actor,
        organization_id: OrganizationId,
        now: Timestamp,
    ) -> Result<Vec<ConnectionDetails>> {
        actor.may_read(Resource::Connections)?;
        let mut tx = self.store().read(now).await?;
        visible(&mut tx, actor, organization_id).await?;
        let mut connections = Vec::new();
        for connection in tx.list_connections(organization_id).await? {
            connections.push(self.connection_details(&mut tx, connection).await?);
        }
        Ok(connections)
    }

    /// One connection.
    pub async fn read_connection(
        &self,
        actor: &Actor,
        id: ConnectionId,
        now: Timestamp,
    ) -> Result<ConnectionDetails> {
        actor.may_read(Resource::Connections)?;
        let mut tx = self.store().read(now).await?;
        let connection = visible_connection(&mut tx, actor, id).await?;
        Ok(self.connection_details(&mut tx, connection).await?)
    }

    /// Changes a connection. Another trust anchor, another join or going out of use ends what came through it.
    pub async fn set_connection(
        &self,
        actor: &Actor,
        id: ConnectionId,
        change: ConnectionChange,
        now: Timestamp,
    ) -> Result<ConnectionDetails> {
        actor.may_write(Resource::Connections)?;
        let seen = visible_connection(&mut self.store().read(now).await?, actor, id).await?;
        let prepared = self
            .prepare(seen.protocol, &change, Some(&seen), now)
            .await?;
        let mut tx = self.store().write(now).await?;
        let before = lock_connection(&mut tx, actor, id).await?;
        if let Some(fixed) = fixed(before.protocol)
            && change.state.is_some_and(|state| state != before.state)
        {
            return Err(AdminError::conflict(fixed));
        }
        let mut after = before.clone();
        self.apply(&mut tx, &mut after, &change, &prepared).await?;
        after.updated_at = now;
        tx.set_connection(&after).await?;
        self.keep_client_key(&mut tx, &after, &prepared).await?;
        let trusts_less = self
            .keep_saml(&mut tx, actor, Some(&before), &after, &change, prepared)
            .await?;
        if before.state != after.state {
            tell_connection_state(&mut tx, actor, &after).await?;
        }
        // What goes out of use has ended everything by now; whatever else moves the trust ends it here.
        if after.state != ConnectionState::Inactive
            && (trusts_less || trust_anchor(&before) != trust_anchor(&after))
        {
            end(&mut tx, actor, id, EndCause::ConnectionEnded).await?;
        }
        if joins(&before) != joins(&after) {
            self.relink(&mut tx, actor, &after).await?;
        }
        audit(&mut tx, actor, "connection.update", &after).await?;
        let details = self.connection_details(&mut tx, after).await?;
        tx.commit().await?;
        self.wake();
        Ok(details)
    }

    /// Deletes a connection; what came through it is over.
    pub async fn delete_connection(
        &self,
        actor: &Actor,
        id: ConnectionId,
        now: Timestamp,
    ) -> Result<()> {
        actor.may_write(Resource::Connections)?;
        let mut tx = self.store().write(now).await?;
        let mut connection = lock_connection(&mut tx, actor, id).await?;
        if let Some(fixed) = fixed(connection.protocol) {
            return Err(AdminError::conflict(fixed));
        }
        if connection.state == ConnectionState::Active {
            connection.state = ConnectionState::Inactive;
            tell_connection_state(&mut tx, actor, &connection).await?;
        } else {
            end(&mut tx, actor, id, EndCause::ConnectionEnded).await?;
        }
        tx.delete_connection(id).await?;
        audit(&mut tx, actor, "connection.delete", &connection).await?;
        tx.commit().await?;
        self.wake();
        Ok(())
    }

    async fn apply(
        &self,
        tx: &mut WriteTx,
        connection: &mut Connection,
        change: &ConnectionChange,
        prepared: &Prepared,
    ) -> Result<()> {
        if change
            .protocol
            .is_some_and(|protocol| protocol != connection.protocol)
        {
            return Err(AdminError::conflict(
                "a connection keeps its protocol; make a new connection instead",
            ));
        }
        if change.state == Some(ConnectionState::Draft)
            && connection.state != ConnectionState::Draft
        {
            return Err(AdminError::invalid("state", "must be active or inactive"));
        }
        if let Some(name) = &change.name {
            connection.name = check::name("name", name)?;
        }
        connection.directory_id = change.directory_id.unwrap_or(connection.directory_id);
        connection.default_application_id = change
            .default_application_id
            .unwrap_or(connection.default_application_id);
        connection.jit = change.jit.unwrap_or(connection.jit);
        connection.allow_idp_initiated = change
            .allow_idp_initiated
            .unwrap_or(connection.allow_idp_initiated);
        connection.state = change.state.unwrap_or(connection.state);
        match connection.protocol {
            Protocol::Saml if change.oidc.is_some() => {
                return Err(AdminError::invalid("oidc", OTHER_PROTOCOL));
            }
            Protocol::Oidc if change.saml.is_some() => {
                return Err(AdminError::invalid("saml", OTHER_PROTOCOL));
            }
            Protocol::Saml => self.apply_saml(tx, connection, change, prepared).await?,
            Protocol::Oidc => self.apply_oidc(connection, change)?,
            Protocol::Password | Protocol::BreakGlass => {
                let foreign = change.oidc.is_some()
                    || change.saml.is_some()
                    || change.join.is_some()
                    || connection.jit;
                return match fixed(connection.protocol) {
                    Some(fixed) if foreign => Err(AdminError::conflict(fixed)),
                    _ => Ok(()),
                };
            }
        }
        if let Some(application_id) = change.default_application_id.flatten() {
            tx.find_application(application_id).await?.ok_or_else(|| {
                AdminError::invalid("default_application_id", "names no application")
            })?;
        }
        check_directory(
            &tx.list_directories(connection.organization_id).await?,
            connection,
        )
    }

    /// A new join must not be overruled by links that the old one made.
    async fn relink(&self, tx: &mut WriteTx, actor: &Actor, connection: &Connection) -> Result<()> {
        if tx
            .list_directories(connection.organization_id)
            .await?
            .is_empty()
        {
            return Ok(());
        }
        tx.remove_connection_identities(connection.id).await?;
        end(tx, actor, connection.id, EndCause::Relinked).await
    }
}

/// Why a connection of ours is not changed like those to identity providers; none for those.
const fn fixed(protocol: Protocol) -> Option<&'static str> {
    match protocol {
        Protocol::Saml | Protocol::Oidc => None,
        Protocol::Password => Some(PASSWORD_BY_POLICY),
        Protocol::BreakGlass => Some(BREAK_GLASS_BY_ACCOUNTS),
    }
}

fn check_directory(directories: &[Directory], connection: &Connection) -> Result<()> {
    if connection.jit && !directories.is_empty() {
        return Err(AdminError::conflict(JIT_WITH_DIRECTORY));
    }
    match connection.directory_id {
        Some(id) if !directories.iter().any(|directory| directory.id == id) => Err(
            AdminError::invalid("directory_id", "names no directory of this organization"),
        ),
        None if directories.len() >= 2 => Err(AdminError::invalid(
            "directory_id",
            "is required, because the organization has more than one directory",
        )),
        _ => Ok(()),
    }
}

fn checked_directory_attribute(join: &Join) -> Result<String> {
    check::word("join.directory", &join.directory, JOIN_DIRECTORY)
}

/// The host of the identity provider, or else its protocol.
fn default_name(connection: &Connection) -> String {
    let host = ["issuer", "entity_id", "sso_url", "sso_post_url"]
        .iter()
        .filter_map(|member| connection.settings.get(member)?.as_str())
        .filter_map(|text| Url::parse(text).ok())
        .find_map(|url| url.host_str().map(str::to_owned));
    let protocol = match connection.protocol {
        Protocol::Saml => "SAML",
        Protocol::Oidc | Protocol::Password | Protocol::BreakGlass => "OpenID Connect",
    };
    host.unwrap_or_else(|| protocol.to_owned())
}

fn trust_anchor(connection: &Connection) -> [Option<&Value>; 6] {
    [
        "issuer",
        "client_id",
        "entity_id",
        "provider",
        "hosted_domains",
        "trust_email",
    ]
    .map(|member| connection.settings.get(member))
}

/// What decides whom a login means.
fn joins(
    connection: &Connection,
) -> (
    Option<DirectoryId>,
    Option<&str>,
    Option<&str>,
    Option<&str>,
) {
    (
        connection.directory_id,
        connection.join_directory.as_deref(),
        connection.join_claim.as_deref(),
        connection
            .settings
            .get("subject_attribute")
            .and_then(Value::as_str),
    )
}

async fn visible_connection(
    tx: &mut ReadTx,
    actor: &Actor,
    id: ConnectionId,
) -> Result<Connection> {
    let connection = tx.find_connection(id).await?.ok_or(AdminError::NotFound)?;
    visible(tx, actor, connection.organization_id).await?;
    Ok(connection)
}

async fn lock_connection(tx: &mut WriteTx, actor: &Actor, id: ConnectionId) -> Result<Connection> {
    let found = tx.find_connection(id).await?.ok_or(AdminError::NotFound)?;
    locked(tx, actor, found.organization_id).await?;
    // Read again: whoever held the organization before may have changed or deleted it.
    tx.find_connection(id).await?.ok_or(AdminError::NotFound)
}

async fn end(tx: &mut WriteTx, actor: &Actor, id: ConnectionId, cause: EndCause) -> Result<()> {
    tx.end(Ending {
        scope: EndScope::Connection(id),
        cause,
        actor: &actor.name,
    })
    .await?;
    Ok(())
}

async fn activated(tx: &mut WriteTx, actor: &Actor, connection: &Connection) -> Result<()> {
    tx.push_event(NewEvent {
        kind: EventKind::ConnectionActivated,
        organization_id: Some(connection.organization_id),
        user_id: None,
        data: json!({ "connection_id": connection.id, "protocol": connection.protocol, "actor": actor.name }),
    })
    .await?;
    Ok(())
}

async fn audit(
    tx: &mut WriteTx,
    actor: &Actor,
    action: &str,
    connection: &Connection,
) -> Result<()> {
    let done = Done {
        organization_id: Some(connection.organization_id),
        action,
        subject: connection.id.to_string(),
        data: json!({
            "name": connection.name, "protocol": connection.protocol, "state": connection.state, "settings": connection.settings,
            "join": { "directory": connection.join_directory, "claim": connection.join_claim },
            "directory_id": connection.directory_id, "jit": connection.jit,
        }),
    };
    actor.audit(tx, done).await
}
