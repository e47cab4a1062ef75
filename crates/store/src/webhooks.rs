//! Receivers of events, and what became of each attempt to reach them.

use serde_json::Value;
use vestibule_core::{DeliveryId, OrganizationId, OutboxId, Timestamp, WebhookId};

use crate::{
    ReadTx, Result, WriteTx,
    query::query,
    row::{Json, micros, text},
};

/// A receiver of events.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Where events are sent to.
    pub url: String,
    /// The one organization whose events it gets, if it is bound to one.
    pub organization_id: Option<OrganizationId>,
    /// The kinds of events that it gets; `*` stands for all.
    pub kinds: Vec<String>,
    /// The secret that signs what is sent, sealed.
    pub secret_sealed: Vec<u8>,
    /// The secret before that one, sealed, and until when it signs as well.
    pub previous_secret: Option<(Vec<u8>, Timestamp)>,
    /// Whether events are sent.
    pub active: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

macro_rules! columns {
    () => {
        "w.id, w.url, w.organization_id, w.kinds, w.secret_sealed, w.previous_secret_sealed, w.previous_secret_until, w.active, w.created_at, w.updated_at"
    };
}

from_row!(Webhook, row => Webhook {
    id: row.id("id")?,
    url: row.get("url")?,
    organization_id: row.id_or_null("organization_id")?,
    kinds: row.get::<Json<Vec<String>>>("kinds")?.0,
    secret_sealed: row.get("secret_sealed")?,
    previous_secret: {
        let sealed: Option<Vec<u8>> = row.get("previous_secret_sealed")?;
        sealed.zip(row.time_or_null("previous_secret_until")?)
    },
    active: row.get("active")?,
    created_at: row.time("created_at")?,
    updated_at: row.time("updated_at")?,
});

/// What became of one attempt to deliver.
#[derive(Debug)]
pub struct NewDelivery<'a> {
    /// To whom.
    pub webhook_id: WebhookId,
    /// Which job.
    pub outbox_id: OutboxId,
    /// The number of the attempt, from 1.
    pub attempt: i64,
    /// The status that the receiver answered with, if it did.
    pub status: Option<i64>,
    /// What went wrong, without anything of the body.
    pub error: Option<&'a str>,
    /// How long it took.
    pub duration_micros: i64,
    /// The headers that were sent, without the signature.
    pub request_headers: Option<&'a Value>,
    /// Headers of the answer that say something and hold no credential.
    pub response_headers: Option<&'a Value>,
    /// How the answer begins.
    pub response_body: Option<&'a str>,
}

/// One attempt to deliver.
#[derive(Debug, Clone)]
pub struct DeliveryAttempt {
    /// Its number, from 1.
    pub attempt: i64,
    /// The status that the receiver answered with, if it did.
    pub status: Option<i64>,
    /// What went wrong.
    pub error: Option<String>,
    /// How long it took.
    pub duration_micros: i64,
    /// The headers that were sent, without the signature.
    pub request_headers: Option<Value>,
    /// Headers of the answer.
    pub response_headers: Option<Value>,
    /// How the answer began.
    pub response_body: Option<String>,
    /// When it was over.
    pub created_at: Timestamp,
}

from_row!(DeliveryAttempt, row => DeliveryAttempt {
    attempt: row.get("attempt")?,
    status: row.get("status")?,
    error: row.get("error")?,
    duration_micros: row.get("duration_micros")?,
    request_headers: row.get::<Option<Json<Value>>>("request_headers")?.map(|headers| headers.0),
    response_headers: row.get::<Option<Json<Value>>>("response_headers")?.map(|headers| headers.0),
    response_body: row.get("response_body")?,
    created_at: row.time("created_at")?,
});

/// An event on its way to a webhook, with its last attempt.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The job; the same at every attempt.
    pub id: OutboxId,
    /// The event, also the `webhook-id` header.
    pub event_id: Option<String>,
    /// The event's name, while it is kept.
    pub event_kind: Option<String>,
    /// The event's organization.
    pub organization_id: Option<OrganizationId>,
    /// Attempts begun.
    pub attempts: i64,
    /// When the next attempt is due, unless it is done or dead.
    pub not_before: Timestamp,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was accepted.
    pub done_at: Option<Timestamp>,
    /// When it was given up.
    pub dead_at: Option<Timestamp>,
    /// What the last attempt ran into.
    pub last_error: Option<String>,
    /// The status that the last attempt got.
    pub last_status: Option<i64>,
    /// When the last attempt was made.
    pub last_attempt_at: Option<Timestamp>,
    /// How long it took.
    pub last_duration_micros: Option<i64>,
}

from_row!(Delivery, row => Delivery {
    id: row.id("id")?,
    event_id: row.get("cause_id")?,
    event_kind: row.get("event_kind")?,
    organization_id: row.id_or_null("organization_id")?,
    attempts: row.get("attempts")?,
    not_before: row.time("not_before")?,
    created_at: row.time("created_at")?,
    done_at: row.time_or_null("done_at")?,
    dead_at: row.time_or_null("dead_at")?,
    last_error: row.get("last_error")?,
    last_status: row.get("last_status")?,
    last_attempt_at: row.time_or_null("last_attempt_at")?,
    last_duration_micros: row.get("last_duration_micros")?,
});

macro_rules! deliveries_where {
    ($condition:literal) => {
        concat!(
            "SELECT b.id, b.cause_id, e.kind AS event_kind, b.organization_id, b.attempts, b.not_before, b.created_at, b.done_at, b.dead_at,
             b.last_error, d.status AS last_status, d.created_at AS last_attempt_at, d.duration_micros AS last_duration_micros
             FROM outbox b LEFT JOIN events e ON e.id = b.cause_id
             LEFT JOIN webhook_deliveries d ON d.id = (SELECT MAX(x.id) FROM webhook_deliveries x WHERE x.outbox_id = b.id)
             WHERE b.kind = 'webhook' AND ", $condition
        )
    };
}

impl ReadTx {
    /// A webhook that is not deleted.
    pub async fn find_webhook(&mut self, id: WebhookId) -> Result<Option<Webhook>> {
        query(concat!(
            "SELECT ",
            columns!(),
            " FROM webhooks w WHERE w.id = $1 AND w.deleted_at IS NULL"
        ))
        .bind(id.to_string())
        .fetch_optional(self)
        .await
    }

    /// Webhooks in the order of their making, after one where wanted; of one organization where wanted.
    pub async fn list_webhooks(
        &mut self,
        organization_id: Option<OrganizationId>,
        after: Option<WebhookId>,
        limit: i64,
    ) -> Result<Vec<Webhook>> {
        query(concat!(
            "SELECT ", columns!(), " FROM webhooks w WHERE w.deleted_at IS NULL AND (CAST($1 AS TEXT) IS NULL OR w.organization_id = $1)
             AND (CAST($2 AS TEXT) IS NULL OR w.id > $2) ORDER BY w.id LIMIT $3"))
            .bind(text(organization_id))
            .bind(text(after))
            .bind(limit)
            .fetch_all(self)
            .await
    }

    /// Deliveries to a webhook, the newest first, before one where wanted.
    pub async fn list_deliveries(
        &mut self,
        id: WebhookId,
        before: Option<OutboxId>,
        limit: i64,
    ) -> Result<Vec<Delivery>> {
        query(deliveries_where!(
            "b.destination = $1 AND (CAST($2 AS TEXT) IS NULL OR b.id < $2) ORDER BY b.id DESC LIMIT $3"))
            .bind(id.to_string())
            .bind(text(before))
            .bind(limit)
            .fetch_all(self)
            .await
    }

    /// The attempts of one delivery, the oldest first.
    pub async fn list_attempts(&mut self, id: OutboxId) -> Result<Vec<DeliveryAttempt>> {
        query(
            "SELECT attempt, status, error, duration_micros, request_headers, response_headers, response_body, created_at
             FROM webhook_deliveries WHERE outbox_id = $1 ORDER BY id LIMIT 100")
            .bind(id.to_string())
            .fetch_all(self)
            .await
    }

    /// One delivery to a webhook.
    pub async fn find_delivery(&mut self, id: OutboxId) -> Result<Option<Delivery>> {
        query(deliveries_where!("b.id = $1"))
            .bind(id.to_string())
            .fetch_optional(self)
            .await
    }
}

impl WriteTx {
    /// Stores a webhook as it is given.
    pub async fn add_webhook(&mut self, webhook: &Webhook) -> Result<()> {
        query(
            "INSERT INTO webhooks (id, url, organization_id, kinds, secret_sealed, active, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
            .bind(webhook.id.to_string())
            .bind(&webhook.url)
            .bind(text(webhook.organization_id))
            .bind(Json(&webhook.kinds))
            .bind(&webhook.secret_sealed)
            .bind(webhook.active)
            .bind(webhook.created_at.micros())
            .bind(webhook.updated_at.micros())
            .execute(self)
            .await?;
        self.set_webhook_kinds(webhook.id, &webhook.kinds).await
    }

    /// Reads a webhook that is going to be changed; others who change it wait.
    pub async fn lock_webhook(&mut self, id: WebhookId) -> Result<Option<Webhook>> {
        query("UPDATE webhooks SET active = active WHERE id = $1 AND deleted_at IS NULL")
            .bind(id.to_string())
            .execute(self)
            .await?;
        self.find_webhook(id).await
    }

    /// Changes a webhook's address, kinds, secret and whether it is active.
    pub async fn set_webhook(&mut self, webhook: &Webhook) -> Result<()> {
        let now = self.now().micros();
        let (former, former_until) = webhook.previous_secret.clone().unzip();
        query("UPDATE webhooks SET url = $2, kinds = $3, secret_sealed = $4, active = $5, updated_at = $6,
               previous_secret_sealed = $7, previous_secret_until = $8 WHERE id = $1")
            .bind(webhook.id.to_string())
            .bind(&webhook.url)
            .bind(Json(&webhook.kinds))
            .bind(&webhook.secret_sealed)
            .bind(webhook.active)
            .bind(now)
            .bind(&former)
            .bind(micros(former_until))
            .execute(self)
            .await?;
        self.set_webhook_kinds(webhook.id, &webhook.kinds).await
    }

    /// Leaves a tombstone of a webhook without its secret; what waits for it is given up.
    pub async fn delete_webhook(&mut self, id: WebhookId) -> Result<()> {
        let (now, key) = (self.now().micros(), id.to_string());
        {
            query("UPDATE webhooks SET active = FALSE, secret_sealed = $3, previous_secret_sealed = NULL,
                   deleted_at = $2, updated_at = $2 WHERE id = $1")
                .bind(&key)
                .bind(now)
                .bind(Vec::<u8>::new())
                .execute(self)
                .await?;
            query(
                "UPDATE outbox SET dead_at = $2, last_error = 'the webhook was deleted' WHERE destination = $1 AND done_at IS NULL AND dead_at IS NULL")
                .bind(&key)
                .bind(now)
                .execute(self)
                .await?;
        };
        self.set_webhook_kinds(id, &[]).await
    }

    async fn set_webhook_kinds(&mut self, id: WebhookId, kinds: &[String]) -> Result<()> {
        {
            query("DELETE FROM webhook_kinds WHERE webhook_id = $1")
                .bind(id.to_string())
                .execute(self)
                .await?;
            for kind in kinds {
                query("INSERT INTO webhook_kinds (webhook_id, kind) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                    .bind(id.to_string())
                    .bind(kind)
                    .execute(self)
                    .await?;
            }
        };
        Ok(())
    }

    /// Forgets former secrets that sign no more.
    pub async fn forget_former_secrets(&mut self) -> Result<()> {
        let now = self.now().micros();
        query("UPDATE webhooks SET previous_secret_sealed = NULL, previous_secret_until = NULL WHERE previous_secret_until <= $1")
            .bind(now)
            .execute(self)
            .await?;
        Ok(())
    }

    /// Closes the delivery of a test: it is not tried again, whatever became of it.
    pub async fn close_test(&mut self, id: OutboxId, error: Option<&str>) -> Result<()> {
        let now = self.now().micros();
        query("UPDATE outbox SET done_at = $2, claimed_until = NULL, last_error = $3 WHERE id = $1 AND done_at IS NULL")
            .bind(id.to_string())
            .bind(now)
            .bind(error)
            .execute(self)
            .await?;
        Ok(())
    }

    /// Writes what became of an attempt to deliver.
    pub async fn add_delivery(&mut self, delivery: &NewDelivery<'_>) -> Result<DeliveryId> {
        let now = self.now();
        let id: DeliveryId = self.generator().id(now);
        query(
            "INSERT INTO webhook_deliveries (id, webhook_id, outbox_id, attempt, status, error, duration_micros, created_at,
               request_headers, response_headers, response_body)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)")
            .bind(id.to_string())
            .bind(delivery.webhook_id.to_string())
            .bind(delivery.outbox_id.to_string())
            .bind(delivery.attempt)
            .bind(delivery.status)
            .bind(delivery.error)
            .bind(delivery.duration_micros)
            .bind(now.micros())
            .bind(delivery.request_headers.map(Json))
            .bind(delivery.response_headers.map(Json))
            .bind(delivery.response_body)
            .execute(self)
            .await?;
        Ok(id)
    }
}
