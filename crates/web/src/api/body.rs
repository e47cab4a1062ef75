//! What handlers read from a request and write into an answer.

use std::str::FromStr;

use axum::{
    Json,
    body::{Body as RawBody, to_bytes},
    extract::{FromRequest, FromRequestParts, Path, Request},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header, request::Parts};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};

use super::problem::Problem;

/// Longer bodies are refused with 413.
const MAX_BODY: usize = 1024 * 1024;

/// A JSON body.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let content_type = request.headers().get(header::CONTENT_TYPE).cloned();
        let bytes = read(request.into_body()).await?;
        if content_type.is_some_and(|value| !is_json(&value)) {
            return Err(Problem::content_type());
        }
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| Problem::json(&error))
    }
}

/// As [`Body`], for a request whose fields may all be absent, and with them the body.
#[derive(Debug)]
pub(super) struct OptionalBody<T>(pub(super) T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = read(request.into_body()).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| Problem::json(&error))
    }
}

/// Reads a body up to the limit.
pub(super) async fn read(body: RawBody) -> Result<axum::body::Bytes, Problem> {
    to_bytes(body, MAX_BODY).await.map_err(|error| {
        // The limit is the only error with this source; everything else is the connection.
        let source = std::error::Error::source(&error).map(ToString::to_string);
        match source.as_deref() {
            Some("length limit exceeded") => Problem::too_large(),
            _ => Problem::unreadable(),
        }
    })
}

fn is_json(content_type: &HeaderValue) -> bool {
    let essence = content_type
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    essence.eq_ignore_ascii_case("application/json")
        || essence.to_ascii_lowercase().ends_with("+json")
}

/// The one id in a path. What is no id names nothing.
#[derive(Debug)]
pub(super) struct Target<I>(pub(super) I);

impl<I: FromStr, S: Send + Sync> FromRequestParts<S> for Target<I> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::not_found())?;
        text.parse().map(Self).map_err(|_| Problem::not_found())
    }
}

/// The query string.
#[derive(Debug)]
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        serde_urlencoded::from_str(query)
            .map(Self)
            .map_err(|error| Problem::query(error.to_string()))
    }
}

/// A field that can be absent, null or a value: absent leaves, null clears.
pub(super) type Nullable<T> = Option<Option<T>>;

/// Reads a [`Nullable`] that is there.
pub(super) fn nullable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Nullable<T>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// An answer that nobody may keep: it may carry a secret, and it is old at once.
#[derive(Debug)]
pub(super) struct Answer<T>(StatusCode, T);

impl<T> Answer<T> {
    pub(super) const fn ok(body: T) -> Self {
        Self(StatusCode::OK, body)
    }

    pub(super) const fn created(body: T) -> Self {
        Self(StatusCode::CREATED, body)
    }
}

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        (self.0, [(header::CACHE_CONTROL, "no-store")], Json(self.1)).into_response()
    }
}

/// What every handler gives.
pub(super) type Handled<T> = Result<Answer<T>, Problem>;
