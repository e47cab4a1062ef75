//! `vestibule serve`.

use std::{io::Write as _, net::TcpStream};

use serde_json::Value;

use crate::vestibule::{Folder, Server, answer, error_of, get, wait_until};

const BOOTSTRAP: &str = "a-bootstrap-key-for-this-test-only";
const OTHER_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

#[test]
fn one_line_tells_the_url_and_the_routes_answer_there() {
    let folder = Folder::new();
    let server = folder.serve(&[]);
    assert!(
        server.url.starts_with("http://127.0.0.1:"),
        "{}",
        server.url
    );
    assert_eq!(server.get("/healthz", "").0, 200);
    assert_eq!(server.get("/readyz", "").0, 200);
    let (status, discovery) = server.get("/.well-known/openid-configuration", "");
    let discovery: Value = serde_json::from_str(&discovery).unwrap();
    assert_eq!(
        (status, discovery["issuer"].as_str()),
        (200, Some(server.url.as_str()))
    );
    server.terminate();
    let (status, out, err) = server.wait();
    assert!(status.success(), "{err}");
    assert_eq!(out, "", "stdout has the one line only");
    assert!(err.contains("Draining"), "{err}");
}

#[test]
fn path_of_the_public_url_is_followed() {
    let folder = Folder::new();
    let mut command = folder.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("VESTIBULE_PUBLIC_URL", "https://id.example.com/auth/");
    command.env("VESTIBULE_METRICS_LISTEN", "127.0.0.1:0");
    command.env("VESTIBULE_LOG_FORMAT", "json");
    let server = Server::start(&mut command);
    assert_eq!(
        server.url, "https://id.example.com/auth",
        "the line is the public URL"
    );
    server.terminate();
    let (_, _, err) = server.wait();
    let lines: Vec<Value> = err
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let ready = lines
        .iter()
        .find(|line| line["message"] == "Accepting requests")
        .unwrap();
    assert!(
        ready["listen"].as_str().unwrap().starts_with("127.0.0.1:"),
        "{err}"
    );
}

#[test]
fn request_under_way_is_answered_after_sigterm() {
    let folder = Folder::new();
    let server = folder.serve(&[]);
    let mut stream = server.connect();
    let host = server.address().to_owned();
    write!(
        stream,
        "POST /oauth/token HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n"
    )
    .unwrap();
    // The server asks for the body: the handler has the request.
    let mut interim = [0; 25];
    std::io::Read::read_exact(&mut stream, &mut interim).unwrap();
    assert!(
        interim.starts_with(b"HTTP/1.1 100"),
        "{}",
        String::from_utf8_lossy(&interim)
    );
    server.terminate();
    wait_until("closing the listener", || {
        TcpStream::connect(&host).is_err()
    });
    stream.write_all(b"grant_type").unwrap();
    let (status, body) = answer(&mut stream);
    assert!(
        (400..500).contains(&status) && body.contains("error"),
        "{status} {body}"
    );
    let (status, _, err) = server.wait();
    assert!(status.success(), "{err}");
}

#[test]
fn idle_connections_do_not_hold_the_end_up() {
    let folder = Folder::new();
    let server = folder.serve(&[]);
    let mut stream = server.connect();
    write!(stream, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut first = [0; 12];
    std::io::Read::read_exact(&mut stream, &mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let begun = std::time::Instant::now();
    server.terminate();
    let (status, _, err) = server.wait();
    assert!(status.success() && !err.contains("cut off"), "{err}");
    assert!(begun.elapsed() < std::time::Duration::from_secs(15));
}

#[test]
fn wrong_master_key_is_refused_with_the_sentence() {
    let folder = Folder::new();
    assert!(
        folder
            .run(&["api-key", "create", "--name", "a", "--scope", "*"])
            .status
            .success()
    );
    let refused = folder.run(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--master-key",
        OTHER_KEY,
    ]);
    let error = error_of(&refused);
    assert!(
        error.starts_with("error: the master key does not open this database; give back the key"),
        "{error}"
    );
    assert!(!error.contains(OTHER_KEY));
    std::fs::remove_file(folder.path().join("vestibule.key")).unwrap();
    let error = error_of(&folder.run(&["serve", "--listen", "127.0.0.1:0"]));
    assert!(
        error.contains("vestibule.key does not exist; restore that file"),
        "{error}"
    );
    assert!(
        !folder.path().join("vestibule.key").exists(),
        "no other key was made in its place"
    );
}

#[test]
fn port_that_is_taken_is_told() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = error_of(&folder.run(&["serve", "--listen", &address]));
    assert!(
        error.contains(&format!(
            "cannot listen on {address}; end what listens there"
        )),
        "{error}"
    );
}

#[test]
fn bootstrap_key_opens_the_admin_api_and_the_metrics_while_it_is_set() {
    let folder = Folder::new();
    let server = folder.serve(&["--bootstrap-api-key", BOOTSTRAP]);
    let bearer = format!("Authorization: Bearer {BOOTSTRAP}\r\n");
    assert_eq!(server.get("/api/v1/organizations", "").0, 401);
    assert_eq!(server.get("/api/v1/organizations", &bearer).0, 200);
    assert_eq!(server.get("/metrics", "").0, 401);
    let (status, metrics) = server.get("/metrics", &bearer);
    assert!(
        status == 200 && metrics.contains("vestibule_outbox_dead"),
        "{metrics}"
    );
    drop(server);
    let server = folder.serve(&[]);
    assert_eq!(server.get("/api/v1/organizations", &bearer).0, 401);
}

#[test]
fn metrics_have_a_listener_of_their_own_where_wanted() {
    let folder = Folder::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let server = folder.serve(&["--metrics-listen", &free]);
    let (status, metrics) = get(&free, "/metrics", "");
    assert!(
        status == 200 && metrics.contains("vestibule_outbox_waiting{kind=\"logout\"} 0"),
        "{metrics}"
    );
    assert_eq!(get(&free, "/api/v1/organizations", "").0, 404);
    drop(server);
}

#[tokio::test]
async fn https_is_served_by_certificate_files() {
    let folder = Folder::new();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    folder.write("cert.pem", &made.cert.pem());
    folder.write("key.pem", &made.signing_key.serialize_pem());
    folder.write(
        "other.pem",
        &rcgen::KeyPair::generate().unwrap().serialize_pem(),
    );
    let server = folder.serve(&["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    assert!(
        server.url.starts_with("https://127.0.0.1:"),
        "{}",
        server.url
    );
    let http = vestibule_simulate::http::Http::new(&[made.cert.pem()]).unwrap();
    let answer = http
        .get_json(&format!("{}/readyz", server.url), None)
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    drop(server);
    let error = error_of(&folder.run(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--tls-cert",
        "cert.pem",
        "--tls-key",
        "other.pem",
    ]));
    assert!(error.contains("do not belong together"), "{error}");
    let error = error_of(&folder.run(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--tls-cert",
        "key.pem",
        "--tls-key",
        "key.pem",
    ]));
    assert!(error.contains("holds no certificate"), "{error}");
}

#[test]
fn records_of_scim_requests_are_stored_before_the_end() {
    let folder = Folder::new();
    let server = folder.serve(&["--bootstrap-api-key", BOOTSTRAP]);
    let made = |path: &str, body: &str| {
        let headers =
            format!("Authorization: Bearer {BOOTSTRAP}\r\nContent-Type: application/json\r\n");
        let made = server.post(&format!("/api/v1{path}"), &headers, body);
        assert_eq!(made.0, 201, "{}", made.1);
        serde_json::from_str::<Value>(&made.1).unwrap()
    };
    let text = |value: &Value, member: &str| value[member].as_str().unwrap().to_owned();
    let organization = text(&made("/organizations", r#"{"name":"Acme"}"#), "id");
    let directory = made(&format!("/organizations/{organization}/directories"), "{}");
    let tokens = format!("/directories/{}/tokens", text(&directory, "id"));
    let token = text(&made(&tokens, "{}"), "token");
    let scim = text(&directory, "scim_url").replace(&server.url, "");
    let bearer = format!("Authorization: Bearer {token}\r\n");
    for _ in 0..10 {
        assert_eq!(server.get(&format!("{scim}/Users"), &bearer).0, 200);
    }
    server.terminate();
    assert!(server.wait().0.success());

    let server = folder.serve(&["--bootstrap-api-key", BOOTSTRAP]);
    let bearer = format!("Authorization: Bearer {BOOTSTRAP}\r\n");
    let place = format!("/api/v1/organizations/{organization}/provisioning-log");
    let (status, log) = server.get(&place, &bearer);
    let log: Value = serde_json::from_str(&log).unwrap();
    assert_eq!((status, log["data"].as_array().unwrap().len()), (200, 10));
}
