use vestibule_simulate::http::Http;

use super::{Admin, TestServer};

/// An installation as its customers see it, wherever it runs.
#[derive(Debug, Clone)]
pub struct Site {
    /// Its admin API.
    pub admin: Admin,
    /// Its issuer identifier, without a trailing slash.
    pub issuer: String,
    /// Where it is called, without a trailing slash; another URL than the issuer's for a second node.
    pub url: String,
    /// What its certificate is checked against, in PEM, beside the system's roots.
    pub root_certificates: Vec<String>,
}

impl Site {
    /// The site of a server in this process.
    pub fn of(server: &TestServer) -> Self {
        Self {
            admin: server.admin.clone(),
            issuer: server.issuer().to_owned(),
            url: server.url("").as_str().trim_end_matches('/').to_owned(),
            root_certificates: Vec::new(),
        }
    }

    /// A client that trusts it.
    pub fn http(&self) -> Http {
        Http::new(&self.root_certificates).expect("an HTTP client")
    }
}
