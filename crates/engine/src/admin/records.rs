//! What can only be read: events, the flight recorder, the audit log, signing keys.

use serde_json::json;
use vestibule_core::{
    AuditId, EventId, EventKind, LoginId, OrganizationId, ProvisioningId, Resource, Timestamp,
};
use vestibule_store::{
    AuditEntry, Event, LoginRecord, ProvisioningQuery, ProvisioningRecord, StoredSigningKey,
};

use super::{Actor, AdminError, Done, Result, visible};
use crate::{Engine, Rotation};

impl Engine {
    /// Events after a position, in their total order; of one kind, and of one organization, where wanted.
    pub async fn list_events(
        &self,
        actor: &Actor,
        after: i64,
        limit: i64,
        organization_id: Option<OrganizationId>,
        kind: Option<EventKind>,
        now: Timestamp,
    ) -> Result<Vec<Event>> {
        actor.may_read(Resource::Events)?;
        let organization_id = organization_id.or(actor.organization_id);
        if let Some(organization_id) = organization_id {
            actor.sees(organization_id)?;
        }
        if self.store().read(now).await?.has_unplaced_events().await? {
            let mut tx = self.store().write(now).await?;
            tx.place_events().await?;
            tx.commit().await?;
        }
        Ok(self
            .store()
            .read(now)
            .await?
            .list_events(after, limit, organization_id, kind)
            .await?)
    }

    /// The position of an event that the actor may see, for going on after it.
    pub async fn event_position(&self, actor: &Actor, id: EventId, now: Timestamp) -> Result<i64> {
        actor.may_read(Resource::Events)?;
        let event = self
            .store()
            .read(now)
            .await?
            .find_event(id)
            .await?
            .ok_or(AdminError::NotFound)?;
        actor.sees_optional(event.organization_id)?;
        event.position.ok_or(AdminError::NotFound)
    }

    /// The logins of an organization, the newest first.
    pub async fn list_logins(
        &self,
        actor: &Actor,
        organization_id: OrganizationId,
        before: Option<LoginId>,
        limit: i64,
        now: Timestamp,
    ) -> Result<Vec<LoginRecord>> {
        actor.may_read(Resource::Audit)?;
        let mut tx = self.store().read(now).await?;
        visible(&mut tx, actor, organization_id).await?;
        Ok(tx.list_logins(organization_id, before, limit).await?)
    }

    /// The SCIM requests of an organization that are asked for, the newest first.
    pub async fn list_provisioning_log(
        &self,
        actor: &Actor,
        organization_id: OrganizationId,
        wanted: &ProvisioningQuery,
        limit: i64,
        now: Timestamp,
    ) -> Result<Vec<ProvisioningRecord>> {
        actor.may_read(Resource::Audit)?;
        let mut tx = self.store().read(now).await?;
        visible(&mut tx, actor, organization_id).await?;
        Ok(tx
            .list_provisioning_records(organization_id, wanted, limit)
            .await?)
    }

    /// The record of one SCIM request.
    pub async fn read_provisioning_record(
        &self,
        actor: &Actor,
        id: ProvisioningId,
        now: Timestamp,
    ) -> Result<ProvisioningRecord> {
        actor.may_read(Resource::Audit)?;
        let mut tx = self.store().read(now).await?;
        let found = tx.find_provisioning_record(id).await?;
        let record = found.ok_or(AdminError::NotFound)?;
        actor.sees(record.request.organization_id)?;
        Ok(record)
    }

    /// The audit log, the newest first; of one organization where wanted.
    pub async fn list_audit(
        &self,
        actor: &Actor,
        organization_id: Option<OrganizationId>,
        before: Option<AuditId>,
        limit: i64,
        now: Timestamp,
    ) -> Result<Vec<AuditEntry>> {
        actor.may_read(Resource::Audit)?;
        let organization_id = organization_id.or(actor.organization_id);
        if let Some(organization_id) = organization_id {
            actor.sees(organization_id)?;
        }
        Ok(self
            .store()
            .read(now)
            .await?
            .list_audit(organization_id, before, limit)
            .await?)
    }

    /// The keys that sign our tokens or did so lately.
    pub async fn list_signing_keys(
        &self,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Vec<StoredSigningKey>> {
        actor.may_read(Resource::SigningKeys)?;
        actor.is_unbound()?;
        Ok(self.store().read(now).await?.list_signing_keys().await?)
    }

    /// Changes the signing keys.
    pub async fn rotate_keys(
        &self,
        actor: &Actor,
        rotation: Rotation,
        now: Timestamp,
    ) -> Result<Vec<StoredSigningKey>> {
        actor.may_write(Resource::SigningKeys)?;
        actor.is_unbound()?;
        self.rotate_signing_keys(rotation, now).await?;
        let mut tx = self.store().write(now).await?;
        let keys = tx.list_signing_keys().await?;
        let active: Vec<&str> = keys
            .iter()
            .filter(|key| key.state == "active")
            .map(|key| key.id.as_str())
            .collect();
        let done = Done {
            organization_id: None,
            action: "signing_keys.rotate",
            subject: "signing_keys".to_owned(),
            data: json!({ "active": active, "rotation": format!("{rotation:?}").to_lowercase() }),
        };
        actor.audit(&mut tx, done).await?;
        tx.commit().await?;
        Ok(keys)
    }
}
