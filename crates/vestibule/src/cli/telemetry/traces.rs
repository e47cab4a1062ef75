//! Traces for a collector, where OpenTelemetry's own variables name one.

use std::{env, net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    middleware::{self, Next},
};
use opentelemetry::{
    Context, KeyValue,
    context::FutureExt as _,
    propagation::TextMapPropagator as _,
    trace::{SpanKind, Status, TracerProvider as _},
};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    propagation::TraceContextPropagator,
    runtime::Tokio,
    trace::{
        SdkTracerProvider, SpanData, SpanExporter as ExportsSpans,
        span_processor_with_async_runtime::BatchSpanProcessor,
    },
};
use tracing::{Level, Subscriber};
use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};
use vestibule::{Config, ConfigError};

/// Any of these names a collector.
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];
/// The first one that is set counts.
const PROTOCOLS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
];

/// Spans on their way to a collector. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// The exporter that the environment asks for: OTLP over HTTP with protobuf; none where no collector is named.
    ///
    /// Headers, timeout, sampler, limits and resource attributes are OpenTelemetry's variables too.
    pub(crate) fn from_environment() -> anyhow::Result<Option<Self>> {
        let is_off = variable("OTEL_SDK_DISABLED").is_some_and(|off| off == "true")
            || variable("OTEL_TRACES_EXPORTER").is_some_and(|name| name == "none");
        let Some(endpoint) = ENDPOINTS.into_iter().find(|name| variable(name).is_some()) else {
            return Ok(None);
        };
        if is_off {
            return Ok(None);
        }
        for name in PROTOCOLS {
            if variable(name).is_some_and(|protocol| protocol != "http/protobuf") {
                let problem = "has to be http/protobuf, which collectors take on port 4318";
                return Err(ConfigError::new(name, problem).into());
            }
        }
        let exporter = SpanExporter::builder().with_http().build();
        let exporter = exporter.map_err(|error| anyhow::anyhow!("{endpoint}: {error}"))?;
        let mut resource = Resource::builder()
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        if variable("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name("vestibule");
        }
        let batches = BatchSpanProcessor::builder(Conventional(exporter), Tokio).build();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            .with_span_processor(batches)
            .build();
        Ok(Some(Self(provider)))
    }

    /// What turns our spans into theirs. Only ours: what the exporter itself does is no part of a trace.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let ours = Targets::new()
            .with_target("vestibule", Level::INFO)
            .with_target("vestibule_store", Level::DEBUG);
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("vestibule"))
            .with_location(false)
            .with_threads(false)
            .with_filter(ours)
    }

    /// Continues the traces of requests that come through a trusted proxy (W3C Trace Context); anybody else could
    /// have everything sampled, or write into traces of others.
    pub(crate) fn continue_in(router: Router, config: &Config) -> Router {
        let config = config.clone();
        router.layer(middleware::from_fn(move |request: Request, next: Next| {
            let parent = parent_of(&request, &config);
            async move {
                match parent {
                    Some(parent) => next.run(request).with_context(parent).await,
                    None => next.run(request).await,
                }
            }
        }))
    }

    /// Sends what still waits.
    pub(crate) async fn end(self) {
        let ended = tokio::task::spawn_blocking(move || self.0.shutdown()).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "The last traces could not be sent");
        }
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.trim().is_empty())
}

fn parent_of(request: &Request, config: &Config) -> Option<Context> {
    let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
    let headers = config.trusts_proxy(peer.ip()).then(|| request.headers())?;
    Some(TraceContextPropagator::new().extract(&HeaderExtractor(headers)))
}

/// Gives spans the names of OpenTelemetry's semantic conventions on their way out; ours are those of the logs.
#[derive(Debug)]
struct Conventional(SpanExporter);

impl ExportsSpans for Conventional {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        batch.iter_mut().for_each(conform);
        self.0.export(batch).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

fn conform(span: &mut SpanData) {
    match &*span.name {
        "http" => {
            span.span_kind = SpanKind::Server;
            let (method, route) = (text(span, "method"), text(span, "route"));
            span.name = format!("{method} {route}").into();
            if text(span, "status").starts_with('5') {
                span.status = Status::error("");
            }
        }
        "deliver" => {
            span.span_kind = SpanKind::Producer;
            span.name = format!("deliver {}", text(span, "kind")).into();
        }
        _ => {}
    }
    for attribute in &mut span.attributes {
        let name = match attribute.key.as_str() {
            "method" => "http.request.method",
            "path" => "url.path",
            "route" => "http.route",
            "status" => "http.response.status_code",
            _ => continue,
        };
        attribute.key = name.into();
    }
}

fn text(span: &SpanData, name: &str) -> String {
    let found = span
        .attributes
        .iter()
        .find(|attribute| attribute.key.as_str() == name);
    found.map_or_else(String::new, |attribute| attribute.value.to_string())
}
