//! What operators see: traces at a collector, metrics, and the dashboard that is made of them.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Write as _},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::Command,
    sync::mpsc::{self, Receiver},
    thread,
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind},
};
use prost::Message as _;

use crate::vestibule::{Folder, Server, error_of, wait_until};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// A collector that takes OTLP over HTTP.
struct Collector {
    address: SocketAddr,
    exports: Receiver<(String, Vec<u8>)>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, exports) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sender = sender.clone();
                thread::spawn(move || {
                    let mut reader = BufReader::new(stream);
                    while let Some(export) = request(&mut reader) {
                        let empty = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                        reader.get_mut().write_all(empty).unwrap();
                        if sender.send(export).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        Self { address, exports }
    }

    /// Runs a server that reports here, until its last span has arrived.
    fn watch(self, folder: &Folder, proxies: &str, visit: impl FnOnce(&Server)) -> Seen {
        let mut command = folder.command(&["serve", "--listen", "127.0.0.1:0"]);
        command
            .env(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                format!("http://{}", self.address),
            )
            .env("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=ours")
            .env("VESTIBULE_TRUSTED_PROXIES", proxies);
        let server = Server::start(without_opentelemetry(&mut command));
        visit(&server);
        server.terminate();
        let (status, _, err) = server.wait();
        assert!(status.success(), "{err}");
        let exports: Vec<_> = self.exports.try_iter().collect();
        Seen { exports }
    }
}

/// The variables of the surrounding environment would decide otherwise; those set on the command stay.
fn without_opentelemetry(command: &mut Command) -> &mut Command {
    let set: BTreeSet<_> = command
        .get_envs()
        .map(|(name, _)| name.to_owned())
        .collect();
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OTEL_") && !set.contains(&name) {
            command.env_remove(name);
        }
    }
    command
}

/// Head and body of the next request.
fn request(reader: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_lowercase();
    let length = head.split("content-length: ").nth(1)?;
    let mut body = vec![0; length.lines().next()?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

struct Seen {
    exports: Vec<(String, Vec<u8>)>,
}

impl Seen {
    fn requests(&self) -> impl Iterator<Item = ExportTraceServiceRequest> {
        self.exports
            .iter()
            .map(|(_, body)| ExportTraceServiceRequest::decode(body.as_slice()).unwrap())
    }

    fn spans(&self) -> Vec<Span> {
        let resources = self.requests().flat_map(|export| export.resource_spans);
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    fn span(&self, name: &str) -> Span {
        let spans = self.spans();
        let names: Vec<_> = spans.iter().map(|span| span.name.clone()).collect();
        let found = spans.into_iter().find(|span| span.name == name);
        found.unwrap_or_else(|| panic!("no span {name} in {names:?}"))
    }
}

fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == name)?;
    match found.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

fn with_parent(path: &str, server: &Server) {
    let parent = format!("traceparent: 00-{TRACE}-b7ad6b7169203331-01\r\n");
    assert_eq!(server.get(path, &parent).0, 200);
}

#[test]
fn collector_gets_requests_and_what_they_ask_the_database() {
    let folder = Folder::new();
    let seen = Collector::start().watch(&folder, "127.0.0.0/8", |server| {
        with_parent("/readyz?code=never-told", server);
    });
    let span = seen.span("GET /readyz");
    assert_eq!(span.kind, SpanKind::Server as i32);
    assert_eq!(
        hex(&span.trace_id),
        TRACE,
        "a trusted proxy's trace goes on"
    );
    assert_eq!(hex(&span.parent_span_id), "b7ad6b7169203331");
    for (name, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/readyz"),
        ("url.path", "/readyz"),
        ("http.response.status_code", "200"),
    ] {
        let told = attribute(&span.attributes, name);
        assert_eq!(told.as_deref(), Some(value), "{name}");
    }
    let spans = seen.spans();
    let reads = spans
        .iter()
        .any(|read| read.name == "db.read" && read.parent_span_id == span.span_id);
    assert!(reads, "the request's look at the database is its child");
    for (head, body) in &seen.exports {
        assert!(head.starts_with("post /v1/traces"), "{head}");
        assert!(head.contains("x-tenant: ours"), "{head}");
        assert!(!String::from_utf8_lossy(body).contains("never-told"));
    }
    let first = seen.requests().next().unwrap();
    let resource = first.resource_spans[0].resource.clone().unwrap();
    let service = attribute(&resource.attributes, "service.name");
    assert_eq!(service.as_deref(), Some("vestibule"));
}

#[test]
fn strangers_do_not_write_into_traces_of_others() {
    let folder = Folder::new();
    let seen = Collector::start().watch(&folder, "", |server| with_parent("/healthz", server));
    let span = seen.span("GET /healthz");
    assert_ne!(hex(&span.trace_id), TRACE);
    assert_eq!(span.parent_span_id, Vec::<u8>::new());
}

#[test]
fn collector_that_is_away_holds_nobody_up() {
    let folder = Folder::new();
    let mut command = folder.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    let server = Server::start(without_opentelemetry(&mut command));
    assert_eq!(server.get("/healthz", "").0, 200);
    server.terminate();
    let (status, _, err) = server.wait();
    assert!(status.success(), "{err}");
}

#[test]
fn protocol_that_is_not_spoken_is_refused_at_the_start() {
    let folder = Folder::new();
    let mut command = folder.command(&["serve", "--listen", "127.0.0.1:0"]);
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let error = error_of(&without_opentelemetry(&mut command).output().unwrap());
    assert!(
        error.contains("OTEL_EXPORTER_OTLP_PROTOCOL has to be http/protobuf"),
        "{error}"
    );
}

#[test]
fn requests_are_counted_by_route() {
    let folder = Folder::new();
    let mut command = folder.command(&["serve", "--listen", "127.0.0.1:0"]);
    let key = "a-bootstrap-key-for-this-test-only";
    command.env("VESTIBULE_BOOTSTRAP_API_KEY", key);
    let server = Server::start(&mut command);
    assert_eq!(server.get("/api/v1/users/user_nobody", "").0, 401);
    assert_eq!(server.get("/wp-login.php", "").0, 404);
    let authorization = format!("Authorization: Bearer {key}\r\n");
    wait_until("the count of a route", || {
        let (_, metrics) = server.get("/metrics", &authorization);
        let has = |labels: &str| metrics.contains(&format!("{{{labels}}} "));
        metrics.contains("vestibule_http_request_seconds_bucket")
            && has(r#"method="GET",route="/api/v1/users/{id}",status="401""#)
            && has(r#"method="GET",route="none",status="404""#)
    });
}

/// The names of metrics in a text, without what histograms append.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let is_part = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    let found = text.split("vestibule_").skip(1).map(|rest| {
        let name: String = rest.chars().take_while(|letter| is_part(*letter)).collect();
        let ends = ["_bucket", "_sum", "_count"];
        let name = ends
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .unwrap_or(&name);
        format!("vestibule_{name}")
    });
    found.collect()
}

fn sources(folder: &Path, found: &mut String) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => sources(&path, found),
            path if path.extension().is_some_and(|end| end == "rs") => {
                found.push_str(&fs::read_to_string(path).unwrap());
            }
            _ => {}
        }
    }
}

#[test]
fn every_metric_is_documented_and_the_dashboard_asks_for_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (mut code, mut counted) = (String::new(), BTreeSet::new());
    for name in ["engine", "web"] {
        sources(&root.join("crates").join(name).join("src"), &mut code);
    }
    for call in ["counter!(", "gauge!(", "histogram!("] {
        for rest in code.split(call).skip(1) {
            let name = rest.split('"').nth(1).unwrap();
            counted.insert(name.to_owned());
        }
    }
    let page = fs::read_to_string(root.join("docs/monitoring.md")).unwrap();
    let rows: String = page
        .lines()
        .filter(|line| line.starts_with("| `vestibule_"))
        .collect();
    assert_eq!(metrics_in(&rows), counted);
    let dashboard = fs::read_to_string(root.join("docs/grafana/vestibule.json")).unwrap();
    let _: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let asked = metrics_in(&dashboard);
    let unknown: Vec<_> = asked.difference(&counted).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(asked.len() > 10, "{asked:?}");
}
