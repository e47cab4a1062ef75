use vestibule_core::{ConnectionState, OrganizationId, Resource, Timestamp};
use vestibule_issuer::metadata::Metadata;

use super::{Actor, AdminError, Result, visible};
use crate::{Engine, IpsieFinding, ipsie::Seen};

/// Applications that are looked at.
const APPLICATIONS: i64 = 10_000;

impl Engine {
    /// How an organization stands to the IPSIE session lifecycle levels 1 and 2.
    pub async fn examine_ipsie(
        &self,
        actor: &Actor,
        id: OrganizationId,
        now: Timestamp,
    ) -> Result<Vec<IpsieFinding>> {
        actor.may_read(Resource::Organizations)?;
        let mut tx = self.store().read(now).await?;
        visible(&mut tx, actor, id).await?;
        // It names applications, which belong to nobody in particular.
        actor.is_unbound()?;
        let organization = tx
            .find_organization(id)
            .await?
            .ok_or(AdminError::NotFound)?;
        let mut connections = tx.list_connections(id).await?;
        connections.retain(|connection| connection.state == ConnectionState::Active);
        let mut applications = tx.list_applications(None, APPLICATIONS).await?;
        drop(tx);
        applications.retain(|application| application.active);
        let metadata = serde_json::to_value(Metadata::new(self.issuer(), &self.keys()))
            .map_err(|_| crate::Fault::internal("the discovery document cannot be written"))?;
        let seen = Seen {
            organization,
            connections,
            applications,
            metadata,
            is_https: self.issuer().as_str().starts_with("https://"),
        };
        Ok(seen.findings())
    }
}
