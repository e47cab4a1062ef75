//! The calls themselves: one attempt each, made anew, whatever became of the one before.

use http::{Method, Request, header};
use serde_json::Value;
use vestibule_core::{EventId, Timestamp};
use vestibule_issuer::keys::Algorithm;
use vestibule_signals::{
    logout_token::{FORM_FIELD, LogoutTokenClaims, Subject, TYP},
    webhook::{WebhookKeys, WebhookSecret},
};
use vestibule_store::{Event, Job, Webhook};

use super::{
    Attempt,
    exchange::{self, Exchange},
};
use crate::{Engine, Fault, admin::WEBHOOK_SECRET_PLACE, outbound::Class};

impl Engine {
    /// Sends a logout token, made anew for each attempt (Back-Channel Logout 1.0 §2.5).
    pub(super) async fn send_logout(&self, job: &Job, now: Timestamp) -> Result<Attempt, Fault> {
        let application = match job.destination.parse() {
            Ok(id) => self.store().read(now).await?.find_application(id).await?,
            Err(_) => None,
        };
        let Some(application) = application else {
            return Ok(Attempt::hopeless("the application is gone"));
        };
        let Some(uri) = &application.backchannel_logout_uri else {
            return Ok(Attempt::hopeless(
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
            Err(_) => Attempt::hopeless("the backchannel_logout_uri is not a URL"),
        })
    }

    /// Sends an event, signed after the Standard Webhooks specification.
    pub(super) async fn send_webhook(&self, job: &Job, now: Timestamp) -> Result<Attempt, Fault> {
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
            return Ok(Attempt::hopeless("the webhook or its event is gone"));
        };
        // A webhook inside one organization may have been set by that customer, whose URLs reach less.
        let class = match webhook.organization_id {
            Some(_) => Class::Customer,
            None => Class::Operator,
        };
        let keys = self.webhook_keys(&webhook, now)?;
        let body = event_body(&event).to_string();
        let signed = keys
            .sign(&event.id.to_string(), now.unix_seconds(), body.as_bytes())
            .map_err(|_| Fault::internal("a webhook could not be signed"))?;
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&webhook.url)
            .header(header::CONTENT_TYPE, "application/json");
        for (name, value) in signed.pairs() {
            request = request.header(name, value);
        }
        let Ok(request) = request.body(body.into_bytes()) else {
            return Ok(Attempt::hopeless("the webhook's URL is not a URL"));
        };
        let request_headers = Some(exchange::sent(request.headers()));
        let mut attempt = self.call(class, request).await;
        attempt.exchange.request_headers = request_headers;
        Ok(attempt)
    }

    /// The secret that signs, and the one before it while both do.
    fn webhook_keys(&self, webhook: &Webhook, now: Timestamp) -> Result<WebhookKeys, Fault> {
        let unseal = |sealed: &[u8]| {
            self.vault()
                .unseal(WEBHOOK_SECRET_PLACE, &webhook.id.to_string(), sealed)
                .and_then(|bytes| WebhookSecret::from_bytes(&bytes).ok())
                .ok_or(Fault::internal("a webhook's secret does not open"))
        };
        let keys = WebhookKeys::new(unseal(&webhook.secret_sealed)?);
        match &webhook.previous_secret {
            Some((sealed, until)) if *until > now => Ok(keys.with_previous(unseal(sealed)?)),
            _ => Ok(keys),
        }
    }

    pub(crate) async fn call(&self, class: Class, request: Request<Vec<u8>>) -> Attempt {
        match self.outbound().send(class, request).await {
            Ok(response) => {
                let status = response.status();
                let mut attempt = Attempt::answered(status.as_u16(), status.is_success());
                attempt.exchange = Exchange::of(&response);
                attempt
            }
            Err(error) => Attempt::unreached(format!("{error}: {}", error.remedy())),
        }
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
