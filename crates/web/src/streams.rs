//! The transmitter of security event tokens, for applications (Shared Signals Framework 1.0 §8, RFC 8936).

use axum::{
    Json, Router,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request, State},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use vestibule_core::StreamId;
use vestibule_engine::{
    Engine, PollRequest, StreamAccess, StreamFailure, StreamRequest, StreamStatus,
    VerificationRequest,
};

use crate::{
    Web,
    failure::OAuthFailure,
    now::Now,
    oauth::{NoStore, bearer},
};

pub(crate) fn router() -> Router<Web> {
    Router::new()
        .route(
            "/ssf/streams",
            get(read)
                .post(create)
                .patch(update)
                .put(replace)
                .delete(delete),
        )
        .route("/ssf/status", get(status).post(set_status))
        .route("/ssf/verify", post(verify))
        .route("/ssf/poll/{stream}", post(poll))
}

/// The configuration, whose place SSF 1.0 §7.2 derives from the issuer.
pub(crate) fn well_known_router(engine: &Engine) -> Router {
    Router::new()
        .route(
            &engine.issuer().ssf_configuration_path(),
            get(configuration),
        )
        .with_state(engine.clone())
}

async fn configuration(State(engine): State<Engine>) -> impl IntoResponse {
    (
        [(header::CACHE_CONTROL, "public, max-age=300")],
        Json(engine.ssf_configuration()),
    )
}

const ENDED: &str = r#"Bearer error="invalid_token""#;

/// The application whose access token a request carries.
struct Caller(StreamAccess);

impl FromRequestParts<Web> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        let Some(token) = bearer(&parts.headers) else {
            return Err(unauthorized("Bearer"));
        };
        let access = web.engine.stream_access(&token, web.clock.now()).await;
        match access.map_err(|fault| OAuthFailure::from(fault).into_response())? {
            Some(access) => Ok(Self(access)),
            None => Err(unauthorized(ENDED)),
        }
    }
}

fn unauthorized(challenge: &'static str) -> Response {
    let status = StatusCode::UNAUTHORIZED;
    NoStore((status, [(header::WWW_AUTHENTICATE, challenge)])).into_response()
}

/// A body that is a JSON object.
struct Message<T>(T);

impl<T: DeserializeOwned> FromRequest<Web> for Message<T> {
    type Rejection = Response;

    async fn from_request(request: Request, web: &Web) -> Result<Self, Response> {
        let body = Bytes::from_request(request, web).await;
        let body = body.map_err(IntoResponse::into_response)?;
        let members: Option<Map<String, Value>> = serde_json::from_slice(&body).ok();
        let message = members.and_then(|members| serde_json::from_value(members.into()).ok());
        message
            .map(Self)
            .ok_or_else(|| refused(StreamFailure::Invalid("body")))
    }
}

#[derive(Deserialize)]
struct Which {
    stream_id: Option<String>,
}

/// The stream that the query names.
struct Named(StreamId);

impl FromRequestParts<Web> for Named {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        let which = Query::<Which>::from_request_parts(parts, web).await;
        let id = which.ok().and_then(|Query(which)| which.stream_id);
        let id = id.and_then(|id| id.parse().ok());
        id.map(Self).ok_or_else(|| refused(StreamFailure::NotFound))
    }
}

type Answered = Result<Response, OAuthFailure>;

/// `GET /ssf/streams`: one stream, or all of the application's.
async fn read(
    State(web): State<Web>,
    Now(now): Now,
    Caller(access): Caller,
    Query(which): Query<Which>,
) -> Answered {
    let Some(id) = which.stream_id else {
        let streams = web.engine.list_streams(access, now).await?;
        return Ok(shown(StatusCode::OK, Ok(streams)));
    };
    let Ok(id) = id.parse() else {
        return Ok(refused(StreamFailure::NotFound));
    };
    let found = web.engine.read_stream(access, id, now).await?;
    Ok(shown(StatusCode::OK, found))
}

/// `POST /ssf/streams`.
async fn create(
    State(web): State<Web>,
    Now(now): Now,
    Caller(access): Caller,
    Message(request): Message<StreamRequest>,
) -> Answered {
    let made = web.engine.add_stream(access, request, now).await?;
    Ok(shown(StatusCode::CREATED, made))
}

/// `PATCH /ssf/streams`.
async fn update(
    State(web): State<Web>,
    Now(now): Now,
    Caller(access): Caller,
    Message(request): Message<StreamRequest>,
) -> Answered {
    let changed = web.engine.update_stream(access, request, now).await?;
    Ok(shown(StatusCode::OK, changed))
}

/// `PUT /ssf/streams`.
async fn replace(
    State(web): State<Web>,
    Now(now): Now,
    Caller(access): Caller,
    Message(request): Message<StreamRequest>,
) -> Answered {
    let changed = web.engine.replace_stream(access, request, now).await?;
    Ok(shown(StatusCode::OK, changed))
}

/// `DELETE /ssf/streams?stream_id=…`.
async fn delete(
    State(web): State<Web>,
    Now(now): Now,
    Caller(access): Caller,
    Named(id): Named,
) -> Answered {
    Ok(empty(web.engine.delete_stream(access, id, now).await?))
}

/// `GET /ssf/status?stream_id=…`.
async fn status(
    State(web): State<Web>,
    Now(now): Now,
    Caller(access): Caller,
    Named(id): Named,
) -> Answered {
    let found = web.engine.stream_status(access, id, now).await?;
    Ok(shown(StatusCode::OK, found))
}

/// `POST /ssf/status`.
async fn set_status(
    State(web): State<Web>,
    Now(now): Now,
    Caller(access): Caller,
    Message(wanted): Message<StreamStatus>,
) -> Answered {
    let set = web.engine.set_stream_status(access, wanted, now).await?;
    Ok(shown(StatusCode::OK, set))
}

/// `POST /ssf/verify`.
async fn verify(
    State(web): State<Web>,
    Now(now): Now,
    Caller(access): Caller,
    Message(request): Message<VerificationRequest>,
) -> Answered {
    Ok(empty(web.engine.verify_stream(access, request, now).await?))
}

/// `POST /ssf/poll/{stream}` (RFC 8936 §2).
async fn poll(
    State(web): State<Web>,
    Caller(access): Caller,
    Path(stream): Path<String>,
    Message(request): Message<PollRequest>,
) -> Answered {
    let Ok(id) = stream.parse() else {
        return Ok(refused(StreamFailure::NotFound));
    };
    let polled = web
        .engine
        .poll_stream(access, id, request, &web.clock)
        .await?;
    Ok(shown(StatusCode::OK, polled))
}

fn shown<T: Serialize>(status: StatusCode, outcome: Result<T, StreamFailure>) -> Response {
    match outcome {
        Ok(body) => NoStore((status, Json(body))).into_response(),
        Err(failure) => refused(failure),
    }
}

fn empty(outcome: Result<(), StreamFailure>) -> Response {
    match outcome {
        Ok(()) => NoStore(StatusCode::NO_CONTENT).into_response(),
        Err(failure) => refused(failure),
    }
}

fn refused(failure: StreamFailure) -> Response {
    let (status, code, description) = match failure {
        StreamFailure::Invalid(member) => (StatusCode::BAD_REQUEST, "invalid_request", member),
        StreamFailure::Forbidden => (
            StatusCode::FORBIDDEN,
            "insufficient_scope",
            "the scope has to be ssf.manage",
        ),
        StreamFailure::NotFound => (
            StatusCode::NOT_FOUND,
            "not_found",
            "the application has no such stream",
        ),
        StreamFailure::TooMany => (
            StatusCode::CONFLICT,
            "too_many_streams",
            "the application has as many streams as it may have",
        ),
        StreamFailure::TokenEnded => return unauthorized(ENDED),
        StreamFailure::TooSoon => (
            StatusCode::TOO_MANY_REQUESTS,
            "slow_down",
            "wait min_verification_interval seconds between two verifications",
        ),
    };
    let body = json!({ "error": code, "error_description": description });
    NoStore((status, Json(body))).into_response()
}
