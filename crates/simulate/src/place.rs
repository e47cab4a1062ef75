//! Where a simulated server listens, and how it is stopped.

use std::future::IntoFuture as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::HOST;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

/// A bound loopback socket and the host name that browsers use for it.
///
/// It exists before its server, so that redirect URIs can be registered first.
#[derive(Debug)]
pub struct Place {
    listener: TcpListener,
    public: Url,
    loopback: Url,
}

impl Place {
    /// Binds a port of 127.0.0.1 (0: any free one) to be known as `host`.
    ///
    /// `host` is `127.0.0.1`, `localhost` or a name below `.localhost`, which browsers resolve to
    /// loopback without asking DNS (RFC 6761 §6.3).
    pub async fn bind(host: &str, port: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .with_context(|| format!("cannot listen on port {port} of 127.0.0.1"))?;
        let address = listener.local_addr()?;
        Ok(Self {
            public: base(host, address)?,
            loopback: base("127.0.0.1", address)?,
            listener,
        })
    }

    /// The URL that browsers use: `http://{host}:{port}/`.
    pub fn url(&self) -> &Url {
        &self.public
    }

    /// The same server by address, for callers that cannot resolve names below `.localhost`.
    pub fn loopback_url(&self) -> &Url {
        &self.loopback
    }

    /// The bound port.
    pub fn port(&self) -> u16 {
        self.loopback.port_or_known_default().unwrap_or_default()
    }

    /// Serves `router` here until [`Running::shutdown`].
    pub(crate) fn serve(self, router: Router) -> Running {
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let allowed: Arc<[String]> = [&self.public, &self.loopback]
            .into_iter()
            .filter_map(|url| {
                Some(format!(
                    "{}:{}",
                    url.host_str()?,
                    url.port_or_known_default()?
                ))
            })
            .collect();
        let router = router.layer(middleware::from_fn_with_state(allowed, known_host));
        let server = axum::serve(self.listener, router)
            .with_graceful_shutdown(stop.clone().cancelled_owned());
        tasks.spawn(report(server.into_future()));
        tasks.close();
        Running {
            url: self.public,
            stop,
            tasks,
        }
    }
}

/// Refuses requests for a foreign host name: a web page that has its own name resolve to loopback
/// (DNS rebinding) cannot read what is served here.
///
/// Any name below `.localhost` is loopback by definition (RFC 6761 §6.3) and passes.
async fn known_host(
    State(allowed): State<Arc<[String]>>,
    request: Request,
    next: Next,
) -> Response {
    let host = request
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let known = name.ends_with(".localhost") || allowed.iter().any(|known| known == host);
    if known {
        next.run(request).await
    } else {
        (
            StatusCode::MISDIRECTED_REQUEST,
            "this host name is not served here",
        )
            .into_response()
    }
}

async fn report(server: impl Future<Output = io::Result<()>>) {
    if let Err(error) = server.await {
        tracing::error!(error = %error, "A simulated server ended with an error");
    }
}

fn base(host: &str, address: SocketAddr) -> anyhow::Result<Url> {
    Url::parse(&format!("http://{host}:{}/", address.port()))
        .with_context(|| format!("`{host}` is not a host name"))
}

/// A server that answers until it is shut down or its runtime ends.
#[derive(Debug, Clone)]
pub struct Running {
    url: Url,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Running {
    /// The URL that browsers use, with a trailing slash.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Stops listening, and returns when the requests under way are answered.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }

    /// Whether [`Running::shutdown`] was called; long polls end on it.
    pub(crate) fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// A task that belongs to this server and ends with it.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = work => {}
            }
        });
    }
}

/// A cookie of a request.
pub(crate) fn cookie_of(headers: &axum::http::HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(axum::http::header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}
