use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use reqwest::Client;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::server::http_client;

/// More than any request of a test.
const BODY_LIMIT: usize = 16 << 20;
/// What belongs to one connection and not to the message (RFC 9110 §7.6.1), and what the client sets itself.
const OF_THE_CONNECTION: [HeaderName; 3] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::CONTENT_LENGTH,
];

/// Gives each request to the next node in turn; one that does not listen is passed over.
#[derive(Debug)]
pub struct Balancer {
    url: String,
    nodes: Arc<Nodes>,
    _stop: DropGuard,
}

#[derive(Debug)]
struct Nodes {
    client: Client,
    urls: Mutex<Vec<String>>,
    next: AtomicUsize,
}

impl Balancer {
    /// Listens on a free port, without nodes.
    pub async fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port of 127.0.0.1");
        let url = format!("http://{}", listener.local_addr().expect("a bound address"));
        let nodes = Arc::new(Nodes {
            client: http_client(),
            urls: Mutex::default(),
            next: AtomicUsize::default(),
        });
        let stop = CancellationToken::new();
        let router = Router::new()
            .fallback(pass_on)
            .with_state(Arc::clone(&nodes));
        let stopped = stop.clone().cancelled_owned();
        tokio::spawn(async move {
            axum::serve(listener, router)
                .with_graceful_shutdown(stopped)
                .await
        });
        Self {
            url,
            nodes,
            _stop: stop.drop_guard(),
        }
    }

    /// Its own URL, without a trailing slash.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Gives it a further node.
    pub fn add(&self, url: &str) {
        self.nodes.urls().push(url.to_owned());
    }
}

impl Nodes {
    fn urls(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.urls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All nodes, each time beginning with another one.
    fn in_turn(&self) -> Vec<String> {
        let mut urls = self.urls().clone();
        let first = self.next.fetch_add(1, Ordering::Relaxed) % urls.len().max(1);
        urls.rotate_left(first);
        urls
    }
}

async fn pass_on(State(nodes): State<Arc<Nodes>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    for name in OF_THE_CONNECTION {
        parts.headers.remove(name);
    }
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    for node in nodes.in_turn() {
        let request = nodes
            .client
            .request(parts.method.clone(), format!("{node}{path}"));
        match request
            .headers(parts.headers.clone())
            .body(body.clone())
            .send()
            .await
        {
            Ok(response) => return answer(response).await,
            // Nothing was sent, so another node may have it.
            Err(error) if error.is_connect() => {}
            Err(_) => break,
        }
    }
    StatusCode::BAD_GATEWAY.into_response()
}

async fn answer(response: reqwest::Response) -> Response {
    let (status, headers) = (response.status(), response.headers().clone());
    let Ok(body) = response.bytes().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    for name in OF_THE_CONNECTION {
        answer.headers_mut().remove(name);
    }
    answer
}
