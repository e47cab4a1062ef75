//! Logs on stderr, metrics in memory, traces to a collector.

pub(crate) mod traces;

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use anyhow::Context as _;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{
    EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};
use vestibule::ConfigError;

use self::traces::Traces;
use super::options::{LogFormat, LogSettings};

/// How often samples are moved from the buffers of histograms into the histograms.
const UPKEEP: Duration = Duration::from_secs(5);

/// Sends log lines to stderr from now on.
pub(crate) fn log(settings: &LogSettings) -> anyhow::Result<()> {
    log_and_trace(settings, None)
}

/// Sends log lines to stderr from now on, and traces to their collector.
pub(crate) fn log_and_trace(settings: &LogSettings, traces: Option<&Traces>) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&settings.filter).map_err(|_| {
        ConfigError::new(
            "VESTIBULE_LOG",
            "has to be a level or a list such as vestibule_engine=debug,info",
        )
    })?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    let lines = match settings.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .with(traces.map(Traces::layer))
        .try_init()
        .map_err(|_| anyhow::anyhow!("logging was started twice"))
}

/// Collects metrics from now on; the handle renders them in Prometheus' text format.
pub(crate) fn metrics() -> anyhow::Result<PrometheusHandle> {
    let buckets = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ];
    let recorder = PrometheusBuilder::new()
        .set_buckets(&buckets)
        .context("the metrics cannot start")?
        .install_recorder()
        .context("the metrics cannot start")?;
    let handle = recorder.clone();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(UPKEEP);
        loop {
            ticks.tick().await;
            handle.run_upkeep();
        }
    });
    Ok(recorder)
}
