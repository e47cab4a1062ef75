//! The binary `vestibule serve` in processes of its own, as it runs in production.
//!
//! [`Installation`] is one or more nodes on one database. Several nodes stand behind a [`Balancer`], which spreads
//! requests over them and goes around one that is down, as a load balancer does.

mod balancer;
mod binary;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use tempfile::TempDir;
use vestibule_core::{Generator, Secret};
use vestibule_engine::MasterKey;

use crate::{
    Database,
    server::{Admin, Site},
};

pub use balancer::Balancer;

/// Server processes that are one installation; they end when this is dropped.
#[derive(Debug)]
pub struct Installation {
    settings: NodeSettings,
    nodes: Vec<Node>,
    balancer: Option<Balancer>,
    bootstrap_key: Secret,
    root_certificates: Vec<String>,
    /// The working folder of the nodes: no settings file lies there.
    _folder: TempDir,
}

/// What all nodes are told.
#[derive(Debug)]
struct NodeSettings {
    folder: PathBuf,
    scheme: &'static str,
    environment: Vec<(&'static str, String)>,
}

/// One process, or the place where one was.
#[derive(Debug)]
struct Node {
    port: u16,
    process: Mutex<Option<Child>>,
}

impl Installation {
    /// Two nodes on one PostgreSQL behind a balancer.
    pub async fn of_two(database: &Database) -> Self {
        let balancer = Balancer::bind().await;
        let environment = vec![
            ("VESTIBULE_PUBLIC_URL", balancer.url().to_owned()),
            ("VESTIBULE_DATABASE_URL", database.url.clone()),
        ];
        let mut installation = Self::with("http", environment, Vec::new());
        for _ in 0..2 {
            let node = Node::new();
            node.start(&installation.settings);
            balancer.add(&installation.settings.url(node.port));
            installation.nodes.push(node);
        }
        installation.balancer = Some(balancer);
        installation
    }

    /// One node over http on this database; `sqlite://vestibule.db` lies in a folder that goes away with the node.
    pub fn of_one(database_url: &str) -> Self {
        let node = Node::new();
        let environment = vec![
            (
                "VESTIBULE_PUBLIC_URL",
                format!("http://127.0.0.1:{}", node.port),
            ),
            ("VESTIBULE_DATABASE_URL", database_url.to_owned()),
        ];
        let mut installation = Self::with("http", environment, Vec::new());
        node.start(&installation.settings);
        installation.nodes.push(node);
        installation
    }

    /// One node on SQLite that serves https with a certificate of its own making.
    pub fn over_https() -> Self {
        let certificate =
            rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        let node = Node::new();
        let environment = vec![
            (
                "VESTIBULE_PUBLIC_URL",
                format!("https://127.0.0.1:{}", node.port),
            ),
            ("VESTIBULE_DATABASE_URL", "sqlite://vestibule.db".to_owned()),
            ("VESTIBULE_TLS_CERT", "certificate.pem".to_owned()),
            ("VESTIBULE_TLS_KEY", "key.pem".to_owned()),
        ];
        let pem = certificate.cert.pem();
        let mut installation = Self::with("https", environment, vec![pem.clone()]);
        let folder = &installation.settings.folder;
        fs::write(folder.join("certificate.pem"), pem).expect("a certificate file");
        fs::write(
            folder.join("key.pem"),
            certificate.signing_key.serialize_pem(),
        )
        .expect("a key file");
        node.start(&installation.settings);
        installation.nodes.push(node);
        installation
    }

    fn with(
        scheme: &'static str,
        mut environment: Vec<(&'static str, String)>,
        root_certificates: Vec<String>,
    ) -> Self {
        let generator = Generator::system();
        let bootstrap_key = generator.token("bootstrap_key_for_tests_");
        environment.extend([
            (
                "VESTIBULE_MASTER_KEY",
                MasterKey::generate(&generator).to_base64(),
            ),
            (
                "VESTIBULE_BOOTSTRAP_API_KEY",
                bootstrap_key.expose().to_owned(),
            ),
            ("VESTIBULE_ALLOW_PRIVATE_NETWORK", "true".to_owned()),
            ("VESTIBULE_LOG", "warn".to_owned()),
            // Benchmarks push faster than any directory does.
            ("VESTIBULE_SCIM_REQUESTS_PER_SECOND", "1000000".to_owned()),
        ]);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let settings = NodeSettings {
            folder: folder.path().to_owned(),
            scheme,
            environment,
        };
        Self {
            settings,
            nodes: Vec::new(),
            balancer: None,
            bootstrap_key,
            root_certificates,
            _folder: folder,
        }
    }

    /// The installation by its public URL.
    pub fn site(&self) -> Site {
        let url = match &self.balancer {
            Some(balancer) => balancer.url().to_owned(),
            None => self.node_urls().first().expect("a node").clone(),
        };
        let admin = Admin::trusting(&url, self.bootstrap_key.expose(), &self.root_certificates);
        Site {
            admin,
            issuer: url.clone(),
            url,
            root_certificates: self.root_certificates.clone(),
        }
    }

    /// Where each node listens, without a trailing slash.
    pub fn node_urls(&self) -> Vec<String> {
        self.nodes
            .iter()
            .map(|node| self.settings.url(node.port))
            .collect()
    }

    /// The processes, in the order of [`Installation::node_urls`], without those that are down.
    pub fn process_ids(&self) -> Vec<u32> {
        self.nodes.iter().filter_map(Node::process_id).collect()
    }

    /// Kills a node in the middle of whatever it does (SIGKILL).
    pub fn kill(&self, node: usize) {
        self.nodes[node].kill();
    }

    /// Starts a node that was killed, and returns when it accepts requests.
    pub fn restart(&self, node: usize) {
        self.nodes[node].start(&self.settings);
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        self.nodes.iter().for_each(Node::kill);
    }
}

impl NodeSettings {
    fn url(&self, port: u16) -> String {
        format!("{}://127.0.0.1:{port}", self.scheme)
    }
}

impl Node {
    /// A place for a node, on a port that is free now.
    fn new() -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .expect("a free port of 127.0.0.1");
        let port = listener.local_addr().expect("a bound address").port();
        Self {
            port,
            process: Mutex::new(None),
        }
    }

    /// Blocks until the node prints its URL, which it does when it accepts requests.
    fn start(&self, settings: &NodeSettings) {
        let inherited = std::env::vars().filter(|(name, _)| !name.starts_with("VESTIBULE_"));
        let mut child = Command::new(binary::path())
            .arg("serve")
            .current_dir(&settings.folder)
            .env_clear()
            .envs(inherited)
            .env(
                "VESTIBULE_LISTEN",
                SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)).to_string(),
            )
            .envs(
                settings
                    .environment
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut output = BufReader::new(child.stdout.take().expect("the server's output"));
        let mut line = String::new();
        let read = output
            .read_line(&mut line)
            .expect("the server's first line");
        assert!(
            read > 0,
            "the server ended before it was ready: {:?}",
            child.wait()
        );
        // Whatever it prints later must not fill the pipe.
        std::thread::spawn(move || output.read_to_end(&mut Vec::new()));
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
    }

    fn process_id(&self) -> Option<u32> {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.as_ref().map(Child::id)
    }

    fn kill(&self) {
        let child = self
            .process
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mut child) = child {
            // It may have ended by itself; either way it is gone afterwards.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
