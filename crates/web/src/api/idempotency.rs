//! The second door: a POST that comes again with the same `Idempotency-Key` gets the answer it got before.

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, Method, StatusCode, header};
use vestibule_core::Timestamp;
use vestibule_engine::{
    Engine,
    admin::{AdminError, IdempotencyKey, Idempotent},
};

use super::{access::By, body, problem::Problem};
use crate::now::Now;

const HEADER: &str = "idempotency-key";
/// Our own answers are far smaller.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// Carries a request out in a task of its own, so that a client that goes away cannot stop it half-way.
pub(super) async fn replay(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    request: Request,
    next: Next,
) -> Response {
    let task = tokio::spawn(async move {
        let key = request.headers().get(HEADER).cloned();
        let Some(key) = key.filter(|_| request.method() == Method::POST) else {
            return next.run(request).await;
        };
        let Ok(key) = key.to_str() else {
            return Problem::from(AdminError::Invalid {
                field: "Idempotency-Key".to_owned(),
                detail: "must be printable ASCII".to_owned(),
            })
            .into_response();
        };
        let route = format!("{} {}", request.method(), request.uri().path());
        let (parts, body) = request.into_parts();
        let bytes = match body::read(body).await {
            Ok(bytes) => bytes,
            Err(problem) => return problem.into_response(),
        };
        match engine
            .begin_idempotent(&actor, key, &route, &bytes, now)
            .await
        {
            Ok(Idempotent::Answered { status, body }) => again(status, body),
            Ok(Idempotent::New(key)) => {
                let answer = next
                    .run(Request::from_parts(parts, Body::from(bytes)))
                    .await;
                keep(&engine, key, answer, now).await
            }
            Err(error) => Problem::from(error).into_response(),
        }
    });
    match task.await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::error!(error = %error, "A request of the admin API did not end");
            Problem::internal().into_response()
        }
    }
}

async fn keep(engine: &Engine, key: IdempotencyKey, answer: Response, now: Timestamp) -> Response {
    if !answer.status().is_success() {
        return match engine.abandon_idempotent(key, now).await {
            Ok(()) => answer,
            Err(fault) => Problem::from(fault).into_response(),
        };
    }
    let (parts, body) = answer.into_parts();
    let Ok(bytes) = to_bytes(body, MAX_ANSWER).await else {
        return Problem::internal().into_response();
    };
    if let Err(fault) = engine
        .finish_idempotent(key, parts.status.as_u16(), &bytes, now)
        .await
    {
        // What the request asked for has happened; only its repetition would not be recognized.
        tracing::error!(error = %fault, "An answer could not be kept for its Idempotency-Key");
    }
    Response::from_parts(parts, Body::from(bytes))
}

fn again(status: u16, body: Vec<u8>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let mut answer = (status, body).into_response();
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
    answer
}
