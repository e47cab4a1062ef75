//! Real sockets on loopback, an injected resolver, and what must not get through.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use vestibule_oidc::{HttpClient as _, HttpErrorKind};

use super::{Class, Lookup, Outbound, OutboundError, OutboundPolicy, Range};

/// A server that answers every connection with the same bytes and counts them.
struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl Server {
    fn start(answer: impl Fn(&mut dyn Stream) + Send + Sync + 'static) -> Self {
        Self::start_on("127.0.0.1", None, answer)
    }

    fn start_on(
        host: &str,
        tls: Option<Arc<rustls::ServerConfig>>,
        answer: impl Fn(&mut dyn Stream) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((host, 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let connections = Arc::new(AtomicUsize::new(0));
        let (counter, answer) = (Arc::clone(&connections), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                counter.fetch_add(1, Ordering::SeqCst);
                let (tls, answer) = (tls.clone(), Arc::clone(&answer));
                thread::spawn(move || serve(stream, tls, &*answer));
            }
        });
        Self { port, connections }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn serve(
    mut stream: TcpStream,
    tls: Option<Arc<rustls::ServerConfig>>,
    answer: &dyn Fn(&mut dyn Stream),
) {
    let Some(tls) = tls else {
        if read_head(&mut stream).is_ok() {
            answer(&mut stream);
        }
        return;
    };
    let connection = rustls::ServerConnection::new(tls).expect("a TLS connection");
    let mut stream = rustls::StreamOwned::new(connection, stream);
    if read_head(&mut stream).is_ok() {
        answer(&mut stream);
        stream.conn.send_close_notify();
        let _ = stream.flush();
    }
}

fn read_head(stream: &mut dyn Read) -> io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(())
}

fn say(text: &str) -> impl Fn(&mut dyn Stream) + Send + Sync + 'static {
    let text = text.to_owned();
    move |stream| {
        let _ = stream.write_all(text.as_bytes());
    }
}

const HELLO: &str =
    "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\nx-test: yes\r\n\r\nhello";

fn get(url: &str) -> http::Request<Vec<u8>> {
    http::Request::get(url).body(Vec::new()).expect("a request")
}

fn open() -> Outbound {
    Outbound::new(OutboundPolicy::new().allow_private()).expect("a client")
}

/// Answers look-ups in turn, then keeps the last one.
struct Script(Mutex<VecDeque<Vec<IpAddr>>>);

impl Script {
    fn lookup(answers: &[&[&str]]) -> Arc<dyn Lookup> {
        let parse = |addresses: &&[&str]| {
            addresses
                .iter()
                .map(|address| address.parse().expect("an address"))
                .collect::<Vec<IpAddr>>()
        };
        let answers = answers.iter().map(parse).collect();
        Arc::new(Self(Mutex::new(answers)))
    }
}

#[async_trait]
impl Lookup for Script {
    async fn lookup(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
        let mut answers = self.0.lock().expect("the script");
        let answer = if answers.len() > 1 {
            answers.pop_front()
        } else {
            answers.front().cloned()
        };
        answer.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

#[tokio::test]
async fn response_of_an_allowed_server_comes_through() {
    let server = Server::start(say(HELLO));
    let response = open()
        .send(Class::Customer, get(&server.url("/")))
        .await
        .expect("a response");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-test"], "yes");
    assert_eq!(response.body(), b"hello");
}

#[tokio::test]
async fn connections_are_used_again_but_not_by_another_class() {
    let server = Server::start(|mut stream| {
        let reply = HELLO.replace("connection: close\r\n", "");
        while stream.write_all(reply.as_bytes()).is_ok() && read_head(&mut stream).is_ok() {}
    });
    let outbound = open();
    for class in [
        Class::Customer,
        Class::Customer,
        Class::Customer,
        Class::Operator,
    ] {
        let response = outbound
            .send(class, get(&server.url("/")))
            .await
            .expect("a response");
        assert_eq!(response.body(), b"hello");
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn loopback_name_reaches_loopback_without_a_resolver() {
    let server = Server::start(say(HELLO));
    let policy = OutboundPolicy::new().allow_private();
    let outbound =
        Outbound::with_lookup(policy, &Script::lookup(&[&["8.8.8.8"]])).expect("a client");
    for host in ["localhost", "idp.localhost"] {
        let url = format!("http://{host}:{}/", server.port);
        let response = outbound
            .send(Class::Customer, get(&url))
            .await
            .expect("a response");
        assert_eq!(response.body(), b"hello", "{host}");
    }
}

#[tokio::test]
async fn forbidden_literals_are_refused_before_connecting() {
    let outbound = Outbound::new(OutboundPolicy::new()).expect("a client");
    let server = Server::start(say(HELLO));
    let port = server.port;
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "0.0.0.0",
        "[::]",
        "10.0.0.1",
        "169.254.169.254",
        "localhost",
        "localhost.",
        "app.LOCALHOST",
    ] {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{port}/");
            let error = outbound
                .send(Class::Customer, get(&url))
                .await
                .expect_err(host);
            assert!(
                matches!(error, OutboundError::Blocked { .. }),
                "{url}: {error:?}"
            );
            assert!(
                error
                    .to_string()
                    .contains("VESTIBULE_ALLOWED_NETWORKS_CUSTOMER"),
                "{error}"
            );
            assert!(
                error
                    .remedy()
                    .contains("VESTIBULE_ALLOWED_NETWORKS_CUSTOMER")
            );
        }
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn each_class_has_its_own_networks() {
    let server = Server::start(say(HELLO));
    let policy =
        OutboundPolicy::new().allow(Class::Operator, "127.0.0.0/8".parse().expect("a network"));
    let outbound = Outbound::new(policy).expect("a client");
    let response = outbound
        .send(Class::Operator, get(&server.url("/")))
        .await
        .expect("a response");
    assert_eq!(response.body(), b"hello");
    let error = outbound
        .send(Class::Customer, get(&server.url("/")))
        .await
        .expect_err("another class");
    assert!(
        matches!(
            error,
            OutboundError::Blocked {
                range: Range::Loopback,
                class: Class::Customer,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn private_switch_leaves_the_metadata_service_closed() {
    for address in [
        "169.254.169.254",
        "[fe80::1]",
        "0.0.0.0",
        "224.0.0.1",
        "[2002:7f00:1::]",
    ] {
        let error = open()
            .send(Class::Operator, get(&format!("https://{address}/")))
            .await
            .expect_err(address);
        assert!(
            matches!(
                error,
                OutboundError::Blocked {
                    class: Class::Operator,
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(
            error
                .to_string()
                .contains("VESTIBULE_ALLOWED_NETWORKS_OPERATOR"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn resolved_private_addresses_are_refused() {
    for address in [
        "10.1.2.3",
        "::1",
        "::ffff:192.168.0.1",
        "64:ff9b::a00:1",
        "169.254.169.254",
        "fd00::1",
    ] {
        let outbound = Outbound::with_lookup(OutboundPolicy::new(), &Script::lookup(&[&[address]]))
            .expect("a client");
        let error = outbound
            .send(Class::Customer, get("https://rebind.test/"))
            .await
            .expect_err(address);
        let OutboundError::Blocked {
            address: blocked, ..
        } = error
        else {
            panic!("{address}: {error:?}")
        };
        assert_eq!(blocked, address.parse::<IpAddr>().expect("an address"));
    }
}

#[tokio::test]
async fn plain_http_leaves_loopback_never() {
    let outbound = open();
    for url in ["http://10.0.0.1/", "http://idp.example/", "http://8.8.8.8/"] {
        let error = outbound
            .send(Class::Operator, get(url))
            .await
            .expect_err(url);
        assert!(matches!(error, OutboundError::NotHttps), "{url}: {error:?}");
    }
}

#[tokio::test]
async fn odd_destinations_are_refused() {
    for url in [
        "ftp://127.0.0.1/",
        "http://user:word@127.0.0.1/",
        "/relative",
    ] {
        let error = open().send(Class::Operator, get(url)).await.expect_err(url);
        assert!(
            matches!(error, OutboundError::Destination { .. }),
            "{url}: {error:?}"
        );
    }
}

#[tokio::test]
async fn redirect_is_refused_and_not_followed() {
    let target = Server::start(say(HELLO));
    let location = target.url("/secret");
    for status in [301, 302, 303, 307, 308] {
        let redirect = Server::start(say(&format!(
            "HTTP/1.1 {status} Elsewhere\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )));
        let error = open()
            .send(Class::Customer, get(&redirect.url("/")))
            .await
            .expect_err("a redirect");
        assert!(
            matches!(error, OutboundError::Redirected { status: got } if got == status),
            "{error:?}"
        );
    }
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn announced_and_streamed_bodies_stop_at_the_limit() {
    let outbound =
        Outbound::new(OutboundPolicy::new().allow_private().body_limit(1000)).expect("a client");
    let announced = Server::start(say(
        "HTTP/1.1 200 OK\r\ncontent-length: 1001\r\nconnection: close\r\n\r\nstart",
    ));
    let endless = Server::start(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        let chunk = format!("100\r\n{}\r\n", "x".repeat(256));
        while stream.write_all(chunk.as_bytes()).is_ok() {}
    });
    for server in [announced, endless] {
        let error = outbound
            .send(Class::Customer, get(&server.url("/")))
            .await
            .expect_err("too large");
        assert!(
            matches!(error, OutboundError::TooLarge { limit: 1000 }),
            "{error:?}"
        );
    }
    let fits = Server::start(say(&format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\nconnection: close\r\n\r\n{}",
        "x".repeat(1000)
    )));
    let response = outbound
        .send(Class::Customer, get(&fits.url("/")))
        .await
        .expect("a response");
    assert_eq!(response.body().len(), 1000);
}

#[tokio::test]
async fn silent_and_dripping_servers_run_into_the_time_limit() {
    let limit = Duration::from_millis(300);
    let outbound =
        Outbound::new(OutboundPolicy::new().allow_private().time_limit(limit)).expect("a client");
    let silent = Server::start(|stream| {
        let _ = stream.read(&mut [0]);
    });
    let dripping = Server::start(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n");
        while stream.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    for server in [silent, dripping] {
        let begun = Instant::now();
        let error = outbound
            .send(Class::Customer, get(&server.url("/")))
            .await
            .expect_err("too slow");
        assert!(matches!(error, OutboundError::TimedOut { .. }), "{error:?}");
        assert!(error.is_transient());
        assert!(
            begun.elapsed() < Duration::from_secs(4),
            "the limit was not kept: {:?}",
            begun.elapsed()
        );
    }
}

#[tokio::test]
async fn refused_connection_and_missing_name_are_told_apart() {
    let port = TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address")
        .port();
    let error = open()
        .send(Class::Operator, get(&format!("http://127.0.0.1:{port}/")))
        .await
        .expect_err("closed port");
    assert!(
        matches!(error, OutboundError::Unreachable { .. }),
        "{error:?}"
    );

    let outbound =
        Outbound::with_lookup(OutboundPolicy::new(), &Script::lookup(&[&[]])).expect("a client");
    let error = outbound
        .send(Class::Operator, get("https://nowhere.test/"))
        .await
        .expect_err("no address");
    assert!(
        matches!(error, OutboundError::Unresolved { .. }),
        "{error:?}"
    );
}

struct Authority {
    root: String,
    tls: Arc<rustls::ServerConfig>,
}

/// A root of our own and a server certificate for `rebind.test`.
fn authority() -> Authority {
    let mut root = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    root.distinguished_name
        .push(rcgen::DnType::CommonName, "test root");
    let root_key = rcgen::KeyPair::generate().expect("a key");
    let root_certificate = root.self_signed(&root_key).expect("a root");
    let issuer = rcgen::Issuer::new(root, root_key);
    let leaf_key = rcgen::KeyPair::generate().expect("a key");
    let leaf = rcgen::CertificateParams::new(vec!["rebind.test".to_owned()])
        .expect("parameters")
        .signed_by(&leaf_key, &issuer)
        .expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(leaf_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .expect("a configuration");
    Authority {
        root: root_certificate.pem(),
        tls: Arc::new(tls),
    }
}

#[tokio::test]
async fn name_that_changes_its_address_gains_nothing() {
    let authority = authority();
    // 127.0.0.2 plays the public address: it alone is allowed.
    let allowed = Server::start_on("127.0.0.2", Some(Arc::clone(&authority.tls)), say(HELLO));
    let inside = TcpListener::bind(("127.0.0.1", allowed.port)).expect("the same port inside");
    inside
        .set_nonblocking(true)
        .expect("a listener that does not wait");
    let policy = OutboundPolicy::new()
        .allow(Class::Customer, "127.0.0.2/32".parse().expect("a network"))
        .trust_roots(authority.root);
    // First the public address, then the private one, then both: only the public one is ever called.
    let script = Script::lookup(&[&["127.0.0.2"], &["127.0.0.1"], &["127.0.0.1", "127.0.0.2"]]);
    let outbound = Outbound::with_lookup(policy, &script).expect("a client");
    let url = format!("https://rebind.test:{}/", allowed.port);

    let response = outbound
        .send(Class::Customer, get(&url))
        .await
        .expect("the public address");
    assert_eq!(response.body(), b"hello");
    let error = outbound
        .send(Class::Customer, get(&url))
        .await
        .expect_err("the private address");
    assert!(
        matches!(
            error,
            OutboundError::Blocked {
                range: Range::Loopback,
                ..
            }
        ),
        "{error:?}"
    );
    let response = outbound
        .send(Class::Customer, get(&url))
        .await
        .expect("the public one of both");
    assert_eq!(response.body(), b"hello");

    assert_eq!(allowed.connections(), 2);
    let reached = inside.accept().expect_err("nobody came in");
    assert_eq!(reached.kind(), io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn unknown_authority_is_a_tls_error() {
    let server = Server::start_on("127.0.0.1", Some(authority().tls), say(HELLO));
    let outbound = Outbound::with_lookup(
        OutboundPolicy::new()
            .allow_private()
            .trust_roots(authority().root),
        &Script::lookup(&[&["127.0.0.1"]]),
    )
    .expect("a client");
    let url = format!("https://rebind.test:{}/", server.port);
    let error = outbound
        .send(Class::Operator, get(&url))
        .await
        .expect_err("an unknown authority");
    assert!(matches!(error, OutboundError::Tls { .. }), "{error:?}");
}

#[tokio::test]
async fn relying_party_sees_what_kind_of_failure_it_was() {
    let outbound = Outbound::new(OutboundPolicy::new()).expect("a client");
    let error = outbound
        .for_oidc(Class::Customer)
        .send(get("https://10.0.0.1/"))
        .await
        .expect_err("blocked");
    assert_eq!(error.kind(), HttpErrorKind::Blocked);
    let cause = std::error::Error::source(&error)
        .expect("a cause")
        .to_string();
    assert!(
        cause.contains("VESTIBULE_ALLOWED_NETWORKS_CUSTOMER"),
        "{cause}"
    );
}

#[test]
fn broken_root_certificate_is_a_setup_error() {
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let error =
        Outbound::new(OutboundPolicy::new().trust_roots(pem)).expect_err("not a certificate");
    assert!(matches!(error, OutboundError::Setup { .. }), "{error:?}");
}
