//! Making, reading and changing streams (SSF 1.0 §8.1); each application sees its own only.

use std::time::Duration;

use serde_json::{Value, json};
use vestibule_core::{StreamId, Timestamp};
use vestibule_signals::stream::{
    Delivery, POLL, PUSH, StreamConfiguration, StreamRequest, StreamStatus as StatusMessage,
    VerificationRequest,
};
use vestibule_store::{Stream, StreamMethod, StreamStatus, WriteTx};

use super::{AUTHORIZATION_PLACE, StreamAccess, TOLD};
use crate::{Engine, Fault};

/// Streams that one application may have.
const MOST_STREAMS: usize = 10;
/// How long a receiver waits between two verifications.
const VERIFICATION_INTERVAL: Duration = Duration::from_secs(10);
const MOST_EVENTS: usize = 100;
const LONGEST_TEXT: usize = 1024;

/// Why a request about streams is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamFailure {
    /// A member is missing or cannot be used: 400, and which.
    Invalid(&'static str),
    /// The token does not allow it: 403.
    Forbidden,
    /// There is no such stream of this application: 404.
    NotFound,
    /// The application has as many streams as it may have: 409.
    TooMany,
    /// A verification was asked for a moment ago: 429.
    TooSoon,
    /// The access token ended while the request waited: 401.
    TokenEnded,
}

pub(super) type Outcome<T> = Result<Result<T, StreamFailure>, Fault>;

impl Engine {
    /// Makes a stream.
    pub async fn add_stream(
        &self,
        access: StreamAccess,
        request: StreamRequest,
        now: Timestamp,
    ) -> Outcome<StreamConfiguration> {
        if !access.may_manage() {
            return Ok(Err(StreamFailure::Forbidden));
        }
        let mut tx = self.store().write(now).await?;
        // Two requests at once count after each other.
        let locked = tx.lock_application(access.application_id).await?;
        if locked.is_none() {
            return Ok(Err(StreamFailure::NotFound));
        }
        if tx.list_streams(access.application_id).await?.len() >= MOST_STREAMS {
            return Ok(Err(StreamFailure::TooMany));
        }
        let mut stream = Stream {
            id: tx.generator().id(now),
            application_id: access.application_id,
            status: StreamStatus::Enabled,
            status_reason: None,
            method: StreamMethod::Poll,
            endpoint_url: None,
            authorization_sealed: None,
            events_requested: Vec::new(),
            kinds: Vec::new(),
            description: None,
            verified_at: None,
            created_at: now,
            updated_at: now,
        };
        if let Err(failure) = self.replace(&mut stream, request) {
            return Ok(Err(failure));
        }
        tx.set_stream(&stream).await?;
        tx.commit().await?;
        Ok(Ok(self.shown(&stream)))
    }

    /// The streams of an application.
    pub async fn list_streams(
        &self,
        access: StreamAccess,
        now: Timestamp,
    ) -> Result<Vec<StreamConfiguration>, Fault> {
        let mut tx = self.store().read(now).await?;
        let streams = tx.list_streams(access.application_id).await?;
        Ok(streams.iter().map(|stream| self.shown(stream)).collect())
    }

    /// One stream.
    pub async fn read_stream(
        &self,
        access: StreamAccess,
        id: StreamId,
        now: Timestamp,
    ) -> Outcome<StreamConfiguration> {
        let found = self.own_stream(access, id, now).await?;
        Ok(found.map(|stream| self.shown(&stream)))
    }

    async fn own_stream(
        &self,
        access: StreamAccess,
        id: StreamId,
        now: Timestamp,
    ) -> Outcome<Stream> {
        let mut tx = self.store().read(now).await?;
        let found = tx.find_stream(access.application_id, id).await?;
        Ok(found.ok_or(StreamFailure::NotFound))
    }

    /// Changes what a request names of a stream (PATCH, SSF 1.0 §8.1.1.3).
    pub async fn update_stream(
        &self,
        access: StreamAccess,
        request: StreamRequest,
        now: Timestamp,
    ) -> Outcome<StreamConfiguration> {
        let id = request.stream_id.clone();
        let change = |stream: &mut Stream| self.merge(stream, request);
        self.change_stream(access, id.as_deref(), change, now).await
    }

    /// Gives a stream other settings altogether (PUT, SSF 1.0 §8.1.1.4).
    pub async fn replace_stream(
        &self,
        access: StreamAccess,
        request: StreamRequest,
        now: Timestamp,
    ) -> Outcome<StreamConfiguration> {
        let id = request.stream_id.clone();
        let change = |stream: &mut Stream| self.replace(stream, request);
        self.change_stream(access, id.as_deref(), change, now).await
    }

    async fn change_stream(
        &self,
        access: StreamAccess,
        id: Option<&str>,
        change: impl FnOnce(&mut Stream) -> Result<(), StreamFailure> + Send,
        now: Timestamp,
    ) -> Outcome<StreamConfiguration> {
        let mut tx = self.store().write(now).await?;
        let mut stream = match held(&mut tx, access, id).await? {
            Ok(stream) => stream,
            Err(failure) => return Ok(Err(failure)),
        };
        if let Err(failure) = change(&mut stream) {
            return Ok(Err(failure));
        }
        stream.updated_at = now;
        tx.set_stream(&stream).await?;
        tx.commit().await?;
        // What waits to be polled is pushed from now on.
        if stream.pushes() {
            self.release_news(stream.id, now).await?;
        }
        Ok(Ok(self.shown(&stream)))
    }

    /// Removes a stream, with what waits in it.
    pub async fn delete_stream(
        &self,
        access: StreamAccess,
        id: StreamId,
        now: Timestamp,
    ) -> Outcome<()> {
        if !access.may_manage() {
            return Ok(Err(StreamFailure::Forbidden));
        }
        let mut tx = self.store().write(now).await?;
        let removed = tx.delete_stream(access.application_id, id).await?;
        tx.commit().await?;
        Ok(match removed {
            true => Ok(()),
            false => Err(StreamFailure::NotFound),
        })
    }

    /// A stream's status.
    pub async fn stream_status(
        &self,
        access: StreamAccess,
        id: StreamId,
        now: Timestamp,
    ) -> Outcome<StatusMessage> {
        let found = self.own_stream(access, id, now).await?;
        Ok(found.map(|stream| status_of(&stream)))
    }

    /// Sets a stream's status: paused it keeps what there is to tell, disabled it forgets it (SSF 1.0 §8.1.2.2).
    pub async fn set_stream_status(
        &self,
        access: StreamAccess,
        wanted: StatusMessage,
        now: Timestamp,
    ) -> Outcome<StatusMessage> {
        let Ok(status) = wanted.status.parse::<StreamStatus>() else {
            return Ok(Err(StreamFailure::Invalid("status")));
        };
        let mut tx = self.store().write(now).await?;
        let mut stream = match held(&mut tx, access, Some(&wanted.stream_id)).await? {
            Ok(stream) => stream,
            Err(failure) => return Ok(Err(failure)),
        };
        let reason = match short("reason", wanted.reason) {
            Ok(reason) => reason,
            Err(failure) => return Ok(Err(failure)),
        };
        stream.status = status;
        stream.status_reason = reason;
        stream.updated_at = now;
        tx.set_stream(&stream).await?;
        if status == StreamStatus::Disabled {
            tx.forget_stream_events(stream.id).await?;
        }
        tx.commit().await?;
        if stream.pushes() {
            self.release_news(stream.id, now).await?;
        }
        Ok(Ok(status_of(&stream)))
    }

    /// Sends a verification event through a stream (SSF 1.0 §8.1.4.2).
    pub async fn verify_stream(
        &self,
        access: StreamAccess,
        request: VerificationRequest,
        now: Timestamp,
    ) -> Outcome<()> {
        let state = match short("state", request.state) {
            Ok(state) => state,
            Err(failure) => return Ok(Err(failure)),
        };
        let mut tx = self.store().write(now).await?;
        let mut stream = match held(&mut tx, access, Some(&request.stream_id)).await? {
            Ok(stream) => stream,
            Err(failure) => return Ok(Err(failure)),
        };
        let recent = now.before(VERIFICATION_INTERVAL);
        if stream.verified_at.is_some_and(|at| at > recent) {
            return Ok(Err(StreamFailure::TooSoon));
        }
        if stream.status == StreamStatus::Disabled {
            return Ok(Err(StreamFailure::Invalid("stream_id")));
        }
        stream.verified_at = Some(now);
        tx.set_stream(&stream).await?;
        let news = json!({ "kind": "verification", "state": state });
        tx.tell_stream(&stream, news).await?;
        tx.commit().await?;
        self.wake();
        Ok(Ok(()))
    }

    /// Takes all of a request: what it does not name gets its default.
    fn replace(&self, stream: &mut Stream, request: StreamRequest) -> Result<(), StreamFailure> {
        self.check_supplied(stream, &request)?;
        set_events(stream, request.events_requested)?;
        stream.description = short("description", request.description)?;
        let delivery = request.delivery.unwrap_or(Delivery {
            method: POLL.to_owned(),
            endpoint_url: None,
            authorization_header: None,
        });
        self.set_delivery(stream, delivery)
    }

    fn merge(&self, stream: &mut Stream, request: StreamRequest) -> Result<(), StreamFailure> {
        self.check_supplied(stream, &request)?;
        if request.events_requested.is_some() {
            set_events(stream, request.events_requested)?;
        }
        if request.description.is_some() {
            stream.description = short("description", request.description)?;
        }
        match request.delivery {
            Some(delivery) => self.set_delivery(stream, delivery),
            None => Ok(()),
        }
    }

    /// What we supply may be repeated, never changed.
    fn check_supplied(
        &self,
        stream: &Stream,
        request: &StreamRequest,
    ) -> Result<(), StreamFailure> {
        let issuer = self.issuer().as_str();
        if request.iss.as_deref().is_some_and(|iss| iss != issuer) {
            return Err(StreamFailure::Invalid("iss"));
        }
        let audience = stream.application_id.to_string();
        let own = |aud: &Value| *aud == json!(audience) || *aud == json!([audience]);
        match &request.aud {
            Some(aud) if !own(aud) => Err(StreamFailure::Invalid("aud")),
            _ => Ok(()),
        }
    }

    fn set_delivery(&self, stream: &mut Stream, delivery: Delivery) -> Result<(), StreamFailure> {
        match delivery.method.as_str() {
            PUSH => self.set_push(stream, delivery),
            POLL => {
                stream.method = StreamMethod::Poll;
                stream.endpoint_url = None;
                stream.authorization_sealed = None;
                Ok(())
            }
            _ => Err(StreamFailure::Invalid("delivery.method")),
        }
    }

    fn set_push(&self, stream: &mut Stream, delivery: Delivery) -> Result<(), StreamFailure> {
        // The guarded client judges the address again with each push.
        let url = self.checked_url("endpoint_url", &delivery.endpoint_url.unwrap_or_default());
        let url = url.map_err(|_| StreamFailure::Invalid("delivery.endpoint_url"))?;
        // The secret of one place is never sent to another.
        if stream.endpoint_url.as_ref() != Some(&url) {
            stream.authorization_sealed = None;
        }
        stream.endpoint_url = Some(url);
        stream.method = StreamMethod::Push;
        if let Some(header) = delivery.authorization_header {
            let plain = header.bytes().all(|byte| (0x20..0x7f).contains(&byte));
            if header.is_empty() || header.len() > LONGEST_TEXT || !plain {
                return Err(StreamFailure::Invalid("delivery.authorization_header"));
            }
            let row = stream.id.to_string();
            let sealed = self
                .vault()
                .seal(AUTHORIZATION_PLACE, &row, header.as_bytes());
            stream.authorization_sealed = Some(sealed);
        }
        Ok(())
    }

    fn shown(&self, stream: &Stream) -> StreamConfiguration {
        let delivered = TOLD
            .iter()
            .filter(|(kind, _)| stream.kinds.iter().any(|told| told == kind.as_str()));
        let (method, endpoint_url) = match stream.method {
            StreamMethod::Push => (PUSH, stream.endpoint_url.clone()),
            StreamMethod::Poll => (POLL, Some(self.poll_url(stream.id))),
        };
        StreamConfiguration {
            stream_id: stream.id.to_string(),
            iss: self.issuer().as_str().to_owned(),
            aud: stream.application_id.to_string(),
            events_supported: TOLD.iter().map(|(_, name)| (*name).to_owned()).collect(),
            events_requested: stream.events_requested.clone(),
            events_delivered: delivered.map(|(_, name)| (*name).to_owned()).collect(),
            delivery: Delivery {
                method: method.to_owned(),
                endpoint_url,
                authorization_header: None,
            },
            description: stream.description.clone(),
            min_verification_interval: i64::try_from(VERIFICATION_INTERVAL.as_secs()).unwrap_or(0),
        }
    }
}

/// A stream that the caller may change, held against other changes.
async fn held(
    tx: &mut WriteTx,
    access: StreamAccess,
    id: Option<&str>,
) -> Result<Result<Stream, StreamFailure>, Fault> {
    if !access.may_manage() {
        return Ok(Err(StreamFailure::Forbidden));
    }
    let Some(id) = id else {
        return Ok(Err(StreamFailure::Invalid("stream_id")));
    };
    let Ok(id) = id.parse::<StreamId>() else {
        return Ok(Err(StreamFailure::NotFound));
    };
    tx.lock_application(access.application_id).await?;
    let found = tx.find_stream(access.application_id, id).await?;
    Ok(found.ok_or(StreamFailure::NotFound))
}

fn set_events(stream: &mut Stream, requested: Option<Vec<String>>) -> Result<(), StreamFailure> {
    let all = || TOLD.iter().map(|(_, name)| (*name).to_owned()).collect();
    let requested: Vec<String> = requested.unwrap_or_else(all);
    let is_bad = |name: &String| name.len() > LONGEST_TEXT || name.contains('\0');
    if requested.len() > MOST_EVENTS || requested.iter().any(is_bad) {
        return Err(StreamFailure::Invalid("events_requested"));
    }
    let told = TOLD
        .iter()
        .filter(|(_, name)| requested.iter().any(|one| one == name));
    stream.kinds = told.map(|(kind, _)| kind.as_str().to_owned()).collect();
    stream.events_requested = requested;
    Ok(())
}

fn short(member: &'static str, text: Option<String>) -> Result<Option<String>, StreamFailure> {
    match text {
        Some(text) if text.len() > LONGEST_TEXT || text.contains('\0') => {
            Err(StreamFailure::Invalid(member))
        }
        text => Ok(text),
    }
}

fn status_of(stream: &Stream) -> StatusMessage {
    StatusMessage {
        stream_id: stream.id.to_string(),
        status: stream.status.as_str().to_owned(),
        reason: stream.status_reason.clone(),
    }
}
