//! The workers: what must happen after a commit happens here, at least once.
//!
//! Each kind of job has its own loop, so that no refused delivery ever holds back a logout notice.
//! A worker claims by lease, commits, and only then calls; a node that dies in between leaves a lease that runs out.

use std::{sync::Arc, time::Duration};

use http::{Method, Request, header};
use serde_json::Value;
use tokio::{sync::Semaphore, task::JoinSet};
use vestibule_core::{EndCause, EventId, Timestamp};
use vestibule_issuer::keys::Algorithm;
use vestibule_signals::{
    logout_token::{FORM_FIELD, LogoutTokenClaims, Subject, TYP},
    retry::{self, Next},
    webhook::{WebhookKeys, WebhookSecret},
};
use vestibule_store::{Destination, Event, Job, NewDelivery};

use crate::{Clock, Engine, Fault, admin::WEBHOOK_SECRET_PLACE, outbound::Class};

/// How long a claimed job is left to its worker; longer than any call may take.
const LEASE: Duration = Duration::from_secs(30);
/// Jobs that one claim takes.
const CLAIM: i64 = 64;
/// Calls that one node makes at the same time, for each kind.
const CALLS_AT_ONCE: usize = 32;
/// How long a worker sleeps at most: other nodes' jobs and leases that ran out are seen after this.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// Receipts that one transaction closes.
const RECEIPTS: usize = 100;
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(60);

/// What became of one attempt.
struct Attempt {
    status: Option<u16>,
    error: Option<String>,
}

impl Attempt {
    const fn accepted(status: u16) -> Self {
        Self {
            status: Some(status),
            error: None,
        }
    }

    fn failed(error: impl Into<String>) -> Self {
        Self {
            status: None,
            error: Some(error.into()),
        }
    }
}

impl Engine {
    /// Delivers until `stop` resolves, then finishes what is under way.
    pub async fn deliver_until(&self, clock: Clock, stop: impl Future<Output = ()>) {
        let (sender, receiver) = tokio::sync::watch::channel(false);
        let mut workers = JoinSet::new();
        for kind in [
            Destination::Logout,
            Destination::FanOut,
            Destination::Webhook,
        ] {
            let (engine, clock, receiver) = (self.clone(), clock.clone(), receiver.clone());
            workers.spawn(async move { engine.work_on(kind, clock, receiver).await });
        }
        let (engine, its_clock, its_receiver) = (self.clone(), clock.clone(), receiver.clone());
        workers.spawn(async move { engine.watch_providers(its_clock, its_receiver).await });
        let (engine, clock) = (self.clone(), clock);
        workers.spawn(async move { engine.keep_house(clock, receiver).await });
        stop.await;
        // The receivers are gone only when every worker has returned already.
        let _ = sender.send(true);
        while workers.join_next().await.is_some() {}
    }

    async fn work_on(
        &self,
        kind: Destination,
        clock: Clock,
        mut stopped: tokio::sync::watch::Receiver<bool>,
    ) {
        let slots = Arc::new(Semaphore::new(CALLS_AT_ONCE));
        let mut calls = JoinSet::new();
        while !*stopped.borrow() {
            let claimed = self.claim(kind, clock.now()).await.unwrap_or_else(|fault| {
                tracing::warn!(error = %fault, kind = kind.as_str(), "Jobs could not be claimed");
                Vec::new()
            });
            let full = i64::try_from(claimed.len()).is_ok_and(|count| count == CLAIM);
            for job in claimed {
                let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                    return;
                };
                let (engine, clock) = (self.clone(), clock.clone());
                calls.spawn(async move {
                    engine.carry_out(kind, job, &clock).await;
                    drop(slot);
                });
            }
            while calls.try_join_next().is_some() {}
            if !full {
                tokio::select! {
                    () = self.woken(kind) => {}
                    () = tokio::time::sleep(self.until_next_job(kind, clock.now()).await) => {}
                    _ = stopped.changed() => {}
                }
            }
        }
        while calls.join_next().await.is_some() {}
    }

    async fn claim(&self, kind: Destination, now: Timestamp) -> Result<Vec<Job>, Fault> {
        // Looking first keeps an idle node from opening a write transaction every second.
        if self
            .store()
            .read(now)
            .await?
            .next_job_at(kind)
            .await?
            .is_none_or(|next| next > now)
        {
            return Ok(Vec::new());
        }
        let mut tx = self.store().write(now).await?;
        let jobs = tx.claim_jobs(kind, LEASE, CLAIM).await?;
        tx.commit().await?;
        Ok(jobs)
    }

    async fn until_next_job(&self, kind: Destination, now: Timestamp) -> Duration {
        let next = match self.store().read(now).await {
            Ok(mut tx) => tx.next_job_at(kind).await.ok().flatten(),
            Err(_) => None,
        };
        let wait = next.map_or(LONGEST_SLEEP, |next| next.since(now));
        wait.clamp(Duration::from_millis(20), LONGEST_SLEEP)
    }

    async fn carry_out(&self, kind: Destination, job: Job, clock: &Clock) {
        let begun = clock.now();
        let result = match kind {
            Destination::Logout => self.send_logout(&job, begun).await,
            Destination::Webhook => self.send_webhook(&job, begun).await,
            Destination::FanOut => self.fan_out(&job, begun).await,
        };
        let attempt = result.unwrap_or_else(|fault| {
            tracing::warn!(error = %fault, job.id = %job.id, kind = kind.as_str(), "A job failed on our side");
            Attempt::failed("vestibule itself failed; it tries again")
        });
        if let Err(fault) = self.settle(kind, &job, attempt, begun, clock.now()).await {
            // The lease runs out and somebody does it again: at least once.
            tracing::warn!(error = %fault, job.id = %job.id, "A job's outcome could not be stored");
        }
    }

    async fn settle(
        &self,
        kind: Destination,
        job: &Job,
        attempt: Attempt,
        begun: Timestamp,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let delivered = attempt.error.is_none();
        let mut tx = self.store().write(now).await?;
        if let (Destination::Webhook, Ok(webhook_id)) = (kind, job.destination.parse()) {
            tx.add_delivery(&NewDelivery {
                webhook_id,
                outbox_id: job.id,
                attempt: job.attempts,
                status: attempt.status.map(i64::from),
                error: attempt.error.as_deref(),
                duration_micros: i64::try_from(now.since(begun).as_micros()).unwrap_or(i64::MAX),
            })
            .await?;
        }
        match attempt.error {
            None => tx.finish_job(job.id).await?,
            Some(error) => {
                let schedule = if kind == Destination::Webhook {
                    retry::WEBHOOK
                } else {
                    retry::LOGOUT
                };
                let retry_at = match schedule.after(u32::try_from(job.attempts).unwrap_or(u32::MAX))
                {
                    Next::RetryIn(seconds) => {
                        Some(now.after(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))))
                    }
                    Next::DeadLetter => None,
                };
                tx.set_job_failed(job.id, &error, retry_at).await?;
            }
        }
        tx.commit().await?;
        if kind == Destination::Logout && delivered && !job.is_again() {
            metrics::histogram!("vestibule_time_to_revoke_seconds")
                .record(now.since(job.created_at).as_secs_f64());
        }
        metrics::counter!("vestibule_deliveries_total", "kind" => kind.as_str()).increment(1);
        Ok(())
    }

    /// Sends a logout token, made anew for each attempt (Back-Channel Logout 1.0 §2.5).
    async fn send_logout(&self, job: &Job, now: Timestamp) -> Result<Attempt, Fault> {
        let application = match job.destination.parse() {
            Ok(id) => self.store().read(now).await?.find_application(id).await?,
            Err(_) => None,
        };
        let Some(application) = application else {
            return Ok(Attempt::failed("the application is gone"));
        };
        let Some(uri) = &application.backchannel_logout_uri else {
            return Ok(Attempt::failed(
                "the application has no backchannel_logout_uri any more",
            ));
        };
        let text = |name: &str| {
            job.payload
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let subject = Subject::UserSession {
            sub: text("sub"),
            sid: text("sid"),
        };
        let claims = LogoutTokenClaims::new(
            self.issuer().as_str(),
            &application.id.to_string(),
            subject,
            &self.generator().uuid().to_string(),
            now.unix_seconds(),
        );
        let algorithm =
            Algorithm::parse(&application.id_token_signed_response_alg).unwrap_or(Algorithm::Es256);
        let token = self.keys().sign(algorithm, TYP, &claims)?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(uri)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(format!("{FORM_FIELD}={token}").into_bytes());
        Ok(match request {
            Ok(request) => self.call(Class::Operator, request).await,
            Err(_) => Attempt::failed("the backchannel_logout_uri is not a URL"),
        })
    }

    /// Sends an event, signed after the Standard Webhooks specification.
    async fn send_webhook(&self, job: &Job, now: Timestamp) -> Result<Attempt, Fault> {
        let mut tx = self.store().read(now).await?;
        let webhook = match job.destination.parse() {
            Ok(id) => tx.find_webhook(id).await?,
            Err(_) => None,
        };
        let event_id: Option<EventId> = job.cause_id.as_deref().and_then(|id| id.parse().ok());
        let event = match event_id {
            Some(id) => tx.find_event(id).await?,
            None => None,
        };
        drop(tx);
        let (Some(webhook), Some(event)) = (webhook, event) else {
            return Ok(Attempt::failed("the webhook or its event is gone"));
        };
        // A webhook inside one organization may have been set by that customer, whose URLs reach less.
        let class = match webhook.organization_id {
            Some(_) => Class::Customer,
            None => Class::Operator,
        };
        let secret = self
            .vault()
            .unseal(
                WEBHOOK_SECRET_PLACE,
                &webhook.id.to_string(),
                &webhook.secret_sealed,
            )
            .and_then(|bytes| WebhookSecret::from_bytes(&bytes).ok())
            .ok_or(Fault::internal("a webhook's secret does not open"))?;
        let body = event_body(&event).to_string();
        let signed = WebhookKeys::new(secret)
            .sign(&event.id.to_string(), now.unix_seconds(), body.as_bytes())
            .map_err(|_| Fault::internal("a webhook could not be signed"))?;
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&webhook.url)
            .header(header::CONTENT_TYPE, "application/json");
        for (name, value) in signed.pairs() {
            request = request.header(name, value);
        }
        Ok(match request.body(body.into_bytes()) {
            Ok(request) => self.call(class, request).await,
            Err(_) => Attempt::failed("the webhook's URL is not a URL"),
        })
    }

    async fn call(&self, class: Class, request: Request<Vec<u8>>) -> Attempt {
        match self.outbound().send(class, request).await {
            Ok(response) if response.status().is_success() => {
                Attempt::accepted(response.status().as_u16())
            }
            Ok(response) => Attempt {
                status: Some(response.status().as_u16()),
                error: Some(format!(
                    "the receiver answered {}",
                    response.status().as_u16()
                )),
            },
            Err(error) => Attempt::failed(format!("{error}: {}", error.remedy())),
        }
    }

    /// Writes the notices of everybody in an organization, connection or application, in chunks of their own.
    async fn fan_out(&self, job: &Job, now: Timestamp) -> Result<Attempt, Fault> {
        let text = |name: &str| {
            job.payload
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let epoch = job
            .payload
            .get("epoch")
            .and_then(Value::as_i64)
            .unwrap_or(0);
        let cause: Option<EndCause> = job
            .payload
            .get("cause")
            .and_then(|cause| serde_json::from_value(cause.clone()).ok());
        let cause = cause.ok_or(Fault::internal("a fan-out names no cause"))?;
        let receipt = job.cause_id.as_deref().and_then(|id| id.parse().ok());
        loop {
            let mut tx = self.store().write(now).await?;
            let more = tx
                .fan_out(text("subject"), &job.destination, epoch, cause, receipt)
                .await?;
            tx.commit().await?;
            self.wake();
            if !more {
                return Ok(Attempt {
                    status: None,
                    error: None,
                });
            }
        }
    }

    async fn keep_house(&self, clock: Clock, mut stopped: tokio::sync::watch::Receiver<bool>) {
        let mut tidied = Timestamp::default();
        let mut known_keys = Vec::new();
        while !*stopped.borrow() {
            let now = clock.now();
            if let Err(fault) = self.follow_rotation(&mut known_keys, now).await {
                tracing::warn!(error = %fault, "The signing keys could not be read");
            }
            if let Err(fault) = self.close_receipts(now).await {
                tracing::warn!(error = %fault, "Receipts could not be closed");
            }
            if now.since(tidied) >= HOUSEKEEPING_INTERVAL {
                tidied = now;
                self.limits().forget_idle();
                if let Err(fault) = self.follow_key_schedule(now).await {
                    tracing::warn!(error = %fault, "The signing keys could not be rotated");
                }
                if let Err(fault) = self.warn_of_directory_tokens(now).await {
                    tracing::warn!(error = %fault, "Expiring directory tokens could not be told of");
                }
                match self.tidy(now).await {
                    Ok(true) => tidied = Timestamp::default(),
                    Ok(false) => {}
                    Err(fault) => {
                        tracing::warn!(error = %fault, "Outdated rows could not be removed");
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LONGEST_SLEEP) => {}
                _ = stopped.changed() => {}
            }
        }
    }

    /// Reads the signing keys again when another node has rotated them.
    async fn follow_rotation(
        &self,
        known: &mut Vec<(String, String)>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let stored = self.store().read(now).await?.list_signing_keys().await?;
        let stored: Vec<_> = stored.into_iter().map(|key| (key.id, key.state)).collect();
        if *known != stored {
            self.reload_keys(now).await?;
            *known = stored;
        }
        Ok(())
    }

    async fn close_receipts(&self, now: Timestamp) -> Result<(), Fault> {
        loop {
            let mut tx = self.store().read(now).await?;
            if !tx.has_closable_offboardings().await? {
                return Ok(());
            }
            drop(tx);
            let mut tx = self.store().write(now).await?;
            let closed = tx.complete_offboardings(RECEIPTS).await?;
            tx.commit().await?;
            if closed.len() < RECEIPTS {
                return Ok(());
            }
        }
    }

    async fn tidy(&self, now: Timestamp) -> Result<bool, Fault> {
        let mut tx = self.store().write(now).await?;
        let more = tx.remove_outdated().await?;
        tx.commit().await?;
        Ok(more)
    }
}

/// The body of a webhook and the item of the events API: one shape for both.
pub fn event_body(event: &Event) -> Value {
    serde_json::json!({
        "id": event.id,
        "type": event.kind,
        "created_at": event.created_at,
        "organization_id": event.organization_id,
        "data": event.data,
    })
}
