//! What is kept of a request and its answer, for whoever looks for the reason of a failure.

use http::{HeaderMap, Response};
use serde_json::{Map, Value};
use vestibule_signals::webhook::SIGNATURE_HEADER;

/// How much of an answer's body is kept.
const BODY_KEPT: usize = 2048;
/// How much of one header's value is kept.
const VALUE_KEPT: usize = 256;
/// Headers of an answer that are kept: they say what happened, and none of them is a credential.
const KEPT: &[&str] = &[
    "cf-ray",
    "content-length",
    "content-type",
    "date",
    "request-id",
    "retry-after",
    "server",
    "via",
    "x-correlation-id",
    "x-request-id",
];

/// The parts of one attempt that its history keeps.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    pub(super) request_headers: Option<Value>,
    pub(super) response_headers: Option<Value>,
    pub(super) response_body: Option<String>,
}

impl Exchange {
    /// What is kept of an answer.
    pub(super) fn of(response: &Response<Vec<u8>>) -> Self {
        let kept = start_of(response.body(), BODY_KEPT);
        Self {
            request_headers: None,
            response_headers: Some(chosen(response.headers(), |name| KEPT.contains(&name))),
            response_body: Some(kept),
        }
    }
}

/// The headers of a request, without its signature.
pub(super) fn sent(headers: &HeaderMap) -> Value {
    chosen(headers, |name| name != SIGNATURE_HEADER)
}

fn chosen(headers: &HeaderMap, keep: impl Fn(&str) -> bool) -> Value {
    let kept = headers.iter().filter(|(name, _)| keep(name.as_str()));
    let fields = kept.map(|(name, value)| {
        let value = start_of(value.as_bytes(), VALUE_KEPT);
        (name.as_str().to_owned(), Value::String(value))
    });
    Value::Object(fields.collect::<Map<_, _>>())
}

/// The start of a text; PostgreSQL stores no NUL.
fn start_of(bytes: &[u8], limit: usize) -> String {
    let start = bytes.get(..limit).unwrap_or(bytes);
    let mut text = String::from_utf8_lossy(start).replace('\0', "\u{fffd}");
    while text.len() > limit {
        text.pop();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_kept_without_credentials_and_bounded() {
        let mut response = Response::new(vec![b'x'; 10_000]);
        for (name, value) in [
            ("content-type", "text/plain"),
            ("set-cookie", "session=secret"),
            ("authorization", "Bearer secret"),
            ("x-api-key", "secret"),
        ] {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        let kept = Exchange::of(&response);
        assert_eq!(kept.response_body.unwrap().len(), BODY_KEPT);
        assert_eq!(
            kept.response_headers.unwrap(),
            serde_json::json!({ "content-type": "text/plain" })
        );
    }

    #[test]
    fn a_request_is_kept_without_its_signature() {
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", "evt_1".parse().unwrap());
        headers.insert(SIGNATURE_HEADER, "v1,abc".parse().unwrap());
        assert_eq!(sent(&headers), serde_json::json!({ "webhook-id": "evt_1" }));
    }

    #[test]
    fn what_is_no_text_is_kept_as_far_as_it_is() {
        assert_eq!(start_of(b"a\0b", 10), "a\u{fffd}b");
        assert!(start_of(&[0xff; 4000], BODY_KEPT).len() <= BODY_KEPT);
    }
}
