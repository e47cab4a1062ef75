use std::time::Duration;

use serde_json::{Value, json};
use vestibule_core::{EventKind, OrganizationId, Resource, Secret, Timestamp, WebhookId};
use vestibule_signals::webhook::WebhookSecret;
use vestibule_store::{Webhook, WriteTx};

use super::{Actor, AdminError, Done, Result, visible};
use crate::{Engine, Fault};

/// The place to which a webhook's secret is sealed; the row is the webhook's id, the value the secret's raw bytes.
pub const WEBHOOK_SECRET_PLACE: &str = "webhooks.secret";

/// How long two secrets may sign at the longest.
const LONGEST_OVERLAP: Duration = Duration::from_hours(7 * 24);

/// What a webhook is made of or changed to; what is absent stays, or takes its default.
#[derive(Debug, Default)]
pub struct WebhookChange {
    /// Where events are sent to.
    pub url: Option<String>,
    /// The kinds of events; `*`, the default, stands for all.
    pub events: Option<Vec<String>>,
    /// The one organization whose events it gets; it cannot change.
    pub organization_id: Option<OrganizationId>,
    /// Whether events are sent.
    pub active: Option<bool>,
}

/// A webhook with a secret that was made just now.
#[derive(Debug)]
pub struct MadeWebhook {
    /// The webhook.
    pub webhook: Webhook,
    /// Its secret, in clear this once.
    pub secret: Secret,
}

impl Engine {
    /// Registers a receiver of events; a key that is bound to an organization makes one that is bound to it too.
    pub async fn add_webhook(
        &self,
        actor: &Actor,
        new: WebhookChange,
        now: Timestamp,
    ) -> Result<MadeWebhook> {
        actor.may_write(Resource::Webhooks)?;
        let organization_id = new.organization_id;
        if organization_id.is_none() {
            actor.is_unbound()?;
        }
        let url = new
            .url
            .as_deref()
            .ok_or_else(|| AdminError::invalid("url", "is required"))?;
        let url = self.checked_url("url", url)?;
        let kinds = checked_kinds(new.events.unwrap_or_default())?;
        let mut tx = self.store().write(now).await?;
        if let Some(organization_id) = organization_id {
            visible(&mut tx, actor, organization_id).await?;
        }
        let id: WebhookId = tx.generator().id(now);
        let (secret, secret_sealed) = self.new_webhook_secret(&tx, id)?;
        let webhook = Webhook {
            id,
            url,
            organization_id,
            kinds,
            secret_sealed,
            previous_secret: None,
            active: new.active.unwrap_or(true),
            created_at: now,
            updated_at: now,
        };
        tx.add_webhook(&webhook).await?;
        audit(&mut tx, actor, "webhook.create", &webhook).await?;
        tx.commit().await?;
        Ok(MadeWebhook { webhook, secret })
    }

    /// Webhooks that the actor may see, in the order of their making.
    pub async fn list_webhooks(
        &self,
        actor: &Actor,
        after: Option<WebhookId>,
        limit: i64,
        now: Timestamp,
    ) -> Result<Vec<Webhook>> {
        actor.may_read(Resource::Webhooks)?;
        Ok(self
            .store()
            .read(now)
            .await?
            .list_webhooks(actor.organization_id, after, limit)
            .await?)
    }

    /// One webhook.
    pub async fn read_webhook(
        &self,
        actor: &Actor,
        id: WebhookId,
        now: Timestamp,
    ) -> Result<Webhook> {
        actor.may_read(Resource::Webhooks)?;
        let webhook = self
            .store()
            .read(now)
            .await?
            .find_webhook(id)
            .await?
            .ok_or(AdminError::NotFound)?;
        actor.sees_optional(webhook.organization_id)?;
        Ok(webhook)
    }

    /// Changes a webhook.
    pub async fn set_webhook(
        &self,
        actor: &Actor,
        id: WebhookId,
        change: WebhookChange,
        now: Timestamp,
    ) -> Result<Webhook> {
        actor.may_write(Resource::Webhooks)?;
        let mut tx = self.store().write(now).await?;
        let mut webhook = lock_webhook(&mut tx, actor, id).await?;
        if change.organization_id.is_some() && change.organization_id != webhook.organization_id {
            return Err(AdminError::conflict(
                "a webhook keeps its organization; make a new webhook instead",
            ));
        }
        if let Some(url) = &change.url {
            webhook.url = self.checked_url("url", url)?;
        }
        if let Some(events) = change.events {
            webhook.kinds = checked_kinds(events)?;
        }
        webhook.active = change.active.unwrap_or(webhook.active);
        webhook.updated_at = now;
        tx.set_webhook(&webhook).await?;
        audit(&mut tx, actor, "webhook.update", &webhook).await?;
        tx.commit().await?;
        Ok(webhook)
    }

    /// Gives a webhook a new secret; the one before it signs as well until the overlap is over.
    pub async fn rotate_webhook_secret(
        &self,
        actor: &Actor,
        id: WebhookId,
        overlap: Duration,
        now: Timestamp,
    ) -> Result<MadeWebhook> {
        actor.may_write(Resource::Webhooks)?;
        if overlap > LONGEST_OVERLAP {
            return Err(AdminError::invalid(
                "overlap_seconds",
                "must be at most 604800, which is a week",
            ));
        }
        let mut tx = self.store().write(now).await?;
        let mut webhook = lock_webhook(&mut tx, actor, id).await?;
        let (secret, secret_sealed) = self.new_webhook_secret(&tx, id)?;
        let former = std::mem::replace(&mut webhook.secret_sealed, secret_sealed);
        // Whoever rotates twice within an overlap withdraws the older of the two.
        webhook.previous_secret = (!overlap.is_zero()).then(|| (former, now.after(overlap)));
        webhook.updated_at = now;
        tx.set_webhook(&webhook).await?;
        audit(&mut tx, actor, "webhook.rotate_secret", &webhook).await?;
        tx.commit().await?;
        Ok(MadeWebhook { webhook, secret })
    }

    /// Deletes a webhook; what waits for it is given up.
    pub async fn delete_webhook(&self, actor: &Actor, id: WebhookId, now: Timestamp) -> Result<()> {
        actor.may_write(Resource::Webhooks)?;
        let mut tx = self.store().write(now).await?;
        let webhook = lock_webhook(&mut tx, actor, id).await?;
        tx.delete_webhook(id).await?;
        audit(&mut tx, actor, "webhook.delete", &webhook).await?;
        tx.commit().await?;
        Ok(())
    }

    fn new_webhook_secret(&self, tx: &WriteTx, id: WebhookId) -> Result<(Secret, Vec<u8>)> {
        let bytes: [u8; 32] = tx.generator().bytes();
        let secret = WebhookSecret::from_bytes(&bytes)
            .map_err(|_| Fault::internal("a webhook secret could not be made"))?;
        let sealed =
            self.vault()
                .seal(WEBHOOK_SECRET_PLACE, &id.to_string(), secret.expose_bytes());
        Ok((Secret::new(secret.expose()), sealed))
    }
}

pub(super) fn checked_kinds(events: Vec<String>) -> Result<Vec<String>> {
    if events.is_empty() {
        return Ok(vec!["*".to_owned()]);
    }
    for (place, event) in events.iter().enumerate() {
        if !EventKind::ALL.iter().any(|kind| kind.is_meant_by(event)) {
            return Err(AdminError::invalid(
                format!("events[{place}]"),
                "must be the name of an event, such as user.deactivated, a family of them, such as user.*, or *",
            ));
        }
    }
    Ok(events)
}

pub(super) async fn lock_webhook(
    tx: &mut WriteTx,
    actor: &Actor,
    id: WebhookId,
) -> Result<Webhook> {
    let webhook = tx.lock_webhook(id).await?.ok_or(AdminError::NotFound)?;
    actor.sees_optional(webhook.organization_id)?;
    Ok(webhook)
}

pub(super) async fn audit(
    tx: &mut WriteTx,
    actor: &Actor,
    action: &str,
    webhook: &Webhook,
) -> Result<()> {
    let data: Value =
        json!({ "url": webhook.url, "events": webhook.kinds, "active": webhook.active });
    let done = Done {
        organization_id: webhook.organization_id,
        action,
        subject: webhook.id.to_string(),
        data,
    };
    actor.audit(tx, done).await
}
