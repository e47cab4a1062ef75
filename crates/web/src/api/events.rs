//! `/events`: a page of them, the next ones, and all as they happen.

use std::{convert::Infallible, time::Duration};

use axum::{
    Extension,
    extract::State,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use http::{HeaderMap, HeaderName, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};
use vestibule_core::{EventId, EventKind, OrganizationId, Timestamp};
use vestibule_engine::{
    Clock, Engine,
    admin::{self, Actor, AdminError, EventsWanted, Heard},
};

use super::{
    access::{By, Key, REFUSED},
    body::{Answer, Handled, Params},
    page::{List, checked_limit},
    problem::Problem,
};

/// Seconds that a request waits for events at most.
const LONGEST_WAIT: u64 = 60;

pub(super) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .routes(routes!(list_events))
        .routes(routes!(stream_events))
}

/// Something that happened; the body of a webhook is the same.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Event {
    id: String,
    /// Its name, such as `user.deactivated`.
    r#type: String,
    created_at: String,
    organization_id: Option<String>,
    #[schema(value_type = Object)]
    data: Value,
}

impl From<admin::Event> for Event {
    fn from(event: admin::Event) -> Self {
        Self {
            id: event.id.to_string(),
            r#type: event.kind,
            created_at: event.created_at.to_string(),
            organization_id: event.organization_id.map(|id| id.to_string()),
            data: event.data,
        }
    }
}

/// Which events are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct EventsQuery {
    /// `next_cursor` of the page before, or the id of the last event seen.
    after: Option<String>,
    /// Another name for `after`.
    cursor: Option<String>,
    /// How many, at most 500.
    limit: Option<i64>,
    /// Only events of this name.
    r#type: Option<String>,
    /// Only events of this organization.
    #[param(value_type = Option<String>)]
    organization_id: Option<OrganizationId>,
    /// How many seconds to wait for events when there are none yet; at most 60.
    wait: Option<u64>,
}

/// List events in their total order
///
/// `next_cursor` is null when there is nothing new; keep the last one and ask with it again, with `wait` to hear of new
/// ones as they happen.
#[utoipa::path(get, path = "/events", tag = "events", params(EventsQuery), responses((status = 200, body = List<Event>)))]
async fn list_events(
    State(engine): State<Engine>,
    Extension(clock): Extension<Clock>,
    By(actor): By,
    Key(key): Key,
    Params(query): Params<EventsQuery>,
) -> Handled<List<Event>> {
    let wait = Duration::from_secs(query.wait.unwrap_or(0).min(LONGEST_WAIT));
    let wanted = query.wanted(&engine, &actor, clock.now()).await?;
    let heard = engine.wait_for_events(&actor, &key, &wanted, wait, &clock);
    let found = match heard.await? {
        Heard::Events(found) => found,
        Heard::KeyEnded => return Err(Problem::unauthorized(REFUSED)),
    };
    let next_cursor = found
        .last()
        .and_then(|event| event.position)
        .map(|position| position.to_string());
    Ok(Answer::ok(List {
        data: found.into_iter().map(Into::into).collect(),
        next_cursor,
    }))
}

/// Follow events as they happen
///
/// Server-sent events: `id` is the cursor, `event` the name, `data` the event. A client that comes back with
/// `Last-Event-ID` misses nothing. A comment every few seconds shows that the connection is alive; the stream ends when
/// the key does, or the server.
#[utoipa::path(get, path = "/events/stream", tag = "events", params(EventsQuery),
    responses((status = 200, content_type = "text/event-stream", body = String)))]
async fn stream_events(
    State(engine): State<Engine>,
    Extension(clock): Extension<Clock>,
    By(actor): By,
    Key(key): Key,
    headers: HeaderMap,
    Params(mut query): Params<EventsQuery>,
) -> Result<Response, Problem> {
    if let Some(last) = headers.get("last-event-id") {
        let last = last.to_str().map_err(|_| Problem::cursor())?;
        query.after = Some(last.to_owned());
    }
    let wanted = query.wanted(&engine, &actor, clock.now()).await?;
    let events = engine.follow_events(actor, key, wanted, clock).await?;
    let texts = stream::unfold(events, async |mut events| {
        let told = events.next().await?;
        Some((Ok::<_, Infallible>(written(told)), events))
    });
    let fields = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // Proxies that collect answers before they pass them on let this one through.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((fields, axum::body::Body::from_stream(texts)).into_response())
}

/// Events as the specification of server-sent events writes them; a comment when there are none.
fn written(events: Vec<admin::Event>) -> String {
    if events.is_empty() {
        return ": alive\n\n".to_owned();
    }
    let written = events.into_iter().map(|event| {
        let position = event.position.unwrap_or_default();
        let event = Event::from(event);
        let data = serde_json::to_string(&event).unwrap_or_default();
        format!("id: {position}\nevent: {}\ndata: {data}\n\n", event.r#type)
    });
    written.collect()
}

impl EventsQuery {
    async fn wanted(
        self,
        engine: &Engine,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<EventsWanted, Problem> {
        let limit = checked_limit(self.limit)?;
        let kind = self.r#type.as_deref().map(str::parse::<EventKind>);
        let kind = kind
            .transpose()
            .map_err(|_| Problem::query("type names no kind of event"))?;
        let cursor = self.after.or(self.cursor);
        let after = match cursor.filter(|cursor| !cursor.is_empty()) {
            None => 0,
            Some(cursor) => match cursor.parse::<EventId>() {
                Ok(id) => engine
                    .event_position(actor, id, now)
                    .await
                    .map_err(not_a_cursor)?,
                Err(_) => cursor.parse().map_err(|_| Problem::cursor())?,
            },
        };
        Ok(EventsWanted {
            after,
            limit,
            organization_id: self.organization_id,
            kind,
        })
    }
}

fn not_a_cursor(error: AdminError) -> Problem {
    match error {
        AdminError::NotFound => Problem::cursor(),
        other => other.into(),
    }
}
