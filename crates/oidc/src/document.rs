//! Fetching a JSON document of the provider.

use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use serde::de::DeserializeOwned;

use crate::{Error, HttpClient};

/// The largest document that is read, in bytes; the host's client may stop earlier.
pub(crate) const LARGEST: usize = 1024 * 1024;

/// Fetches and parses a JSON document.
pub(crate) async fn fetch_json<T: DeserializeOwned>(
    client: &dyn HttpClient,
    address: &str,
    document: &'static str,
) -> Result<T, Error> {
    let request = http::Request::get(address)
        .header(ACCEPT, "application/json")
        .body(Vec::new());
    let request = request.map_err(|_| Error::Url {
        name: document,
        reason: "it is not a valid request target",
    })?;
    let response = send(client, request, document).await?;
    parse(response.body(), document)
}

/// Sends a request and insists on status 200 and a body of sensible size.
pub(crate) async fn send(
    client: &dyn HttpClient,
    request: http::Request<Vec<u8>>,
    document: &'static str,
) -> Result<http::Response<Vec<u8>>, Error> {
    let response = client
        .send(request)
        .await
        .map_err(|source| Error::Http { document, source })?;
    if response.status() != http::StatusCode::OK {
        return Err(Error::Status {
            document,
            status: response.status().as_u16(),
        });
    }
    if response.body().len() > LARGEST {
        return Err(Error::Malformed {
            document,
            detail: "larger than 1 MiB".to_owned(),
        });
    }
    Ok(response)
}

/// Parses JSON; the error says where, never what stood there.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8], document: &'static str) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| Error::Malformed {
        document,
        detail: match error.classify() {
            serde_json::error::Category::Data => {
                format!(
                    "a member is missing or has a wrong type near line {}, column {}",
                    error.line(),
                    error.column()
                )
            }
            _ => format!("not JSON, line {}, column {}", error.line(), error.column()),
        },
    })
}

/// Whether a response says that it is JSON, or says nothing.
pub(crate) fn is_json(response: &http::Response<Vec<u8>>) -> bool {
    let Some(content_type) = response.headers().get(CONTENT_TYPE) else {
        return true;
    };
    let essence = content_type.to_str().unwrap_or_default();
    let essence = essence.split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The seconds of `max-age`, if the response may be cached at all.
pub(crate) fn max_age(response: &http::Response<Vec<u8>>) -> Option<i64> {
    let mut found = None;
    for value in response.headers().get_all(CACHE_CONTROL) {
        for directive in value.to_str().ok()?.split(',') {
            let directive = directive.trim().to_ascii_lowercase();
            if directive == "no-store" || directive == "no-cache" {
                return Some(0);
            }
            if let Some(seconds) = directive.strip_prefix("max-age=") {
                found = seconds.trim_matches('"').parse().ok();
            }
        }
    }
    found
}
