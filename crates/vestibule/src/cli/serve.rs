//! `vestibule serve`: migrate, open, listen, drain.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use anyhow::Context as _;
use axum::{Router, http::header, routing::get};
use axum_server::Handle;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{net::TcpListener, task::JoinHandle};
use vestibule::Vestibule;

use super::{
    listener::{self, Signals},
    options::{Options, PRECEDENCE},
    print,
    telemetry::{self, traces::Traces},
};

/// What is under way gets this long to finish after SIGTERM.
const DRAIN_LIMIT: Duration = Duration::from_secs(20);

/// Migrate the database and serve until SIGTERM
///
/// Prints one line with the public URL on stdout when requests are accepted; logs go to stderr.
#[derive(Debug, clap::Args)]
#[command(after_help = PRECEDENCE)]
pub(crate) struct Arguments {
    #[command(flatten)]
    options: Options,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let settings = arguments.options.resolve()?;
    let traces = Traces::from_environment()?;
    telemetry::log_and_trace(&settings.log, traces.as_ref())?;
    let mut signals = Signals::new()?;
    let tls = settings.tls.as_ref().map(listener::tls).transpose()?;
    let listener = listener::bind(settings.listen).await?;
    let metrics_listener = match settings.metrics_listen {
        Some(address) => Some(
            listener::bind(address)
                .await
                .context("VESTIBULE_METRICS_LISTEN")?,
        ),
        None => None,
    };
    let rendered = telemetry::metrics()?;
    let render = rendered.clone();
    let bound = listener.local_addr()?;
    let config = settings.config_on(bound)?.metrics(move || render.render());
    if settings.tls.is_none() && !bound.ip().is_loopback() && config.public_url().scheme() == "http"
    {
        tracing::warn!(listen = %bound, "Other machines can connect, and the public URL is for this one only; set VESTIBULE_PUBLIC_URL");
    }

    let vestibule = Vestibule::open(config.clone()).await?;
    vestibule.spawn_workers();
    let router = match &traces {
        Some(_) => Traces::continue_in(vestibule.router(), &config),
        None => vestibule.router(),
    };
    let handle = Handle::new();
    let mut serving: Serving = tokio::spawn(listener::serve(listener, tls, router, handle.clone()));
    let metrics_handle = Handle::new();
    if let Some(listener) = metrics_listener {
        let router = metrics_router(vestibule.clone(), rendered);
        tokio::spawn(listener::serve(
            listener,
            None,
            router,
            metrics_handle.clone(),
        ));
    }
    tracing::info!(listen = %bound, "Accepting requests");
    print(vestibule.engine().issuer().as_str())?;

    tokio::select! {
        () = signals.next() => {}
        ended = &mut serving => {
            ended?.context("the listener ended")?;
            anyhow::bail!("the listener ended");
        }
    }
    tracing::info!("Draining: no new connections, what is under way is finished");
    vestibule.engine().end_streams();
    handle.graceful_shutdown(None);
    tokio::select! {
        done = drain_within_limit(serving, &vestibule) => done?,
        () = signals.next() => tracing::warn!("Told to stop a second time; what was under way is cut off"),
    }
    metrics_handle.shutdown();
    if let Some(traces) = traces {
        traces.end().await;
    }
    Ok(ExitCode::SUCCESS)
}

type Serving = JoinHandle<std::io::Result<()>>;

async fn drain_within_limit(serving: Serving, vestibule: &Vestibule) -> anyhow::Result<()> {
    if let Ok(done) = tokio::time::timeout(DRAIN_LIMIT, drain(serving, vestibule)).await {
        return done;
    }
    let limit = DRAIN_LIMIT.as_secs();
    tracing::warn!("Some requests or deliveries took longer than {limit} s and were cut off");
    Ok(())
}

async fn drain(serving: Serving, vestibule: &Vestibule) -> anyhow::Result<()> {
    serving.await??;
    vestibule.shutdown().await?;
    Ok(())
}

/// The metrics on a listener of their own, which asks for no key.
fn metrics_router(vestibule: Vestibule, rendered: PrometheusHandle) -> Router {
    let metrics = move || async move {
        let now = vestibule.clock().now();
        if let Err(fault) = vestibule.engine().set_gauges(now).await {
            tracing::warn!(error = %fault, "The outbox could not be counted");
        }
        (
            [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
            rendered.render(),
        )
    };
    Router::new().route("/metrics", get(metrics))
}

/// A server on loopback inside this process, for the demo.
pub(crate) struct Local {
    vestibule: Vestibule,
    handle: Handle<SocketAddr>,
    serving: Serving,
}

impl Local {
    /// Serves an installation on a bound listener.
    pub(crate) fn start(listener: TcpListener, vestibule: Vestibule) -> Self {
        vestibule.spawn_workers();
        let handle = Handle::new();
        let router = vestibule.router();
        let serving = tokio::spawn(listener::serve(listener, None, router, handle.clone()));
        Self {
            vestibule,
            handle,
            serving,
        }
    }

    /// Drains and closes, within the limit.
    pub(crate) async fn shutdown(self) {
        self.vestibule.engine().end_streams();
        self.handle.graceful_shutdown(None);
        if let Err(error) = drain_within_limit(self.serving, &self.vestibule).await {
            tracing::warn!(error = %error, "The server did not end cleanly");
        }
    }
}
