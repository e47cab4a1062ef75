//! Nodes, companies and applications, and how one talks to them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use aws_lc_rs::digest;
use axum::{Form, Router, extract::State, http::StatusCode, routing::post};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::AbortHandle,
};
use url::Url;
use vestibule_core::{Generator, Timestamp};
use vestibule_simulate::{Person, ScimClient, http::Http};
use vestibule_support::server::{Company, Reply, Site, TestServer, http_client};

use crate::steps::Manner;

pub(crate) const REDIRECT_URI: &str = "http://app.localhost:1/callback";
/// People of an organization, as many as there are names to give again.
const NAMES: [&str; 3] = ["Ada", "Bob", "Cleo"];
/// How long something that should happen at once may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// One installation, which all histories of a run share.
pub(crate) struct Installation {
    pub(crate) nodes: Vec<TestServer>,
    pub(crate) http: Client,
    /// The browsers' and directories' client.
    pub(crate) outside: Http,
}

impl Installation {
    pub(crate) fn of(nodes: Vec<TestServer>) -> Self {
        nodes[0].may_leave_deliveries();
        Self {
            nodes,
            http: http_client(),
            outside: Http::new(&[]).expect("an HTTP client"),
        }
    }

    pub(crate) fn node(&self, number: usize) -> &TestServer {
        &self.nodes[number % self.nodes.len()]
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.nodes[0].now()
    }
}

/// Two companies and two applications of both.
pub(crate) struct Field {
    pub(crate) companies: Vec<Company>,
    pub(crate) people: Vec<Vec<Person>>,
    /// Keys of the admin API, each bound to one organization.
    pub(crate) keys: Vec<String>,
    pub(crate) applications: Vec<Application>,
}

impl Field {
    pub(crate) async fn set_up(installation: &Installation) -> Self {
        let server = &installation.nodes[0];
        let tag = Generator::system().uuid().simple().to_string();
        let mut field = Self {
            companies: Vec::new(),
            people: Vec::new(),
            keys: Vec::new(),
            applications: Vec::new(),
        };
        for place in ["one", "two"] {
            let domain = format!("{place}-{tag}.test");
            let company = Company::at(&Site::of(server), &domain).await;
            let people = NAMES.map(|name| Person::new(name, "Model", &domain).expect("a person"));
            for person in &people {
                company.idp.add_person(person.clone());
            }
            let key = json!({ "name": "bound", "scopes": ["organizations:read"], "organization_id": company.organization_id });
            let key = server.admin.post("/api-keys", key).await;
            field.keys.push(text(&key, "key"));
            field.companies.push(company);
            field.people.push(people.to_vec());
            field.applications.push(Application::register(server).await);
        }
        field.set_providers_clocks(installation);
        field
    }

    /// The identity providers have the time that the nodes have.
    pub(crate) fn set_providers_clocks(&self, installation: &Installation) {
        let ahead = installation.now().unix_seconds() - wall_seconds();
        for company in &self.companies {
            company.idp.set_clock_ahead(ahead);
        }
    }

    /// How many jobs of this history are not done, and due by now.
    async fn count_due(&self, installation: &Installation) -> i64 {
        let due = format!("AND not_before <= {}", installation.now().micros());
        self.count_jobs(installation, &due).await
    }

    /// How many jobs of this history are not done, under a further condition.
    pub(crate) async fn count_jobs(&self, installation: &Installation, condition: &str) -> i64 {
        let organizations = self.companies.iter().flat_map(|company| {
            [
                company.organization_id.as_str(),
                company.connection_id.as_str(),
            ]
        });
        let applications = self.applications.iter().map(|one| one.client_id.as_str());
        let destinations: Vec<&str> = organizations.chain(applications).collect();
        let sql = format!(
            "SELECT COUNT(*) FROM outbox WHERE done_at IS NULL AND destination IN ('{}') {condition}",
            destinations.join("', '"),
        );
        installation.nodes[0].database.number(&sql).await
    }

    /// Waits a while until nothing is due any more.
    pub(crate) async fn calm(&self, installation: &Installation) {
        let begun = Instant::now();
        while self.count_due(installation).await > 0 && begun.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The directory of an organization, at any node.
    pub(crate) fn directory(
        &self,
        installation: &Installation,
        organization: usize,
        node: usize,
    ) -> ScimClient {
        let company = &self.companies[organization];
        let [first, other] = [0, node].map(|node| base(installation.node(node)));
        let url = company.scim_url.replace(&first, &other);
        ScimClient::with_http(&url, &company.scim_token, installation.outside.clone())
    }
}

/// An application that keeps what it is told, when it wants to hear it.
pub(crate) struct Application {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    notices: Arc<Notices>,
    serving: AbortHandle,
}

struct Notices {
    manner: watch::Sender<Manner>,
    accepted: Mutex<Vec<Notice>>,
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

/// A logout token that the application has accepted.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    pub(crate) sid: String,
    pub(crate) sub: String,
    pub(crate) at: Timestamp,
}

impl Application {
    async fn register(server: &TestServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let application = json!({
            "name": "Model",
            "redirect_uris": [REDIRECT_URI],
            "backchannel_logout_uri": format!("http://{address}/logout"),
        });
        let application = server.admin.post("/applications", application).await;
        let clock = server.clock();
        let notices = Arc::new(Notices {
            manner: watch::channel(Manner::Answers).0,
            accepted: Mutex::default(),
            now: Box::new(move || clock.now()),
        });
        let router = Router::new()
            .route("/logout", post(receive))
            .with_state(Arc::clone(&notices));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            client_id: text(&application, "client_id"),
            client_secret: text(&application, "client_secret"),
            notices,
            serving: serving.abort_handle(),
        }
    }

    pub(crate) fn set_manner(&self, manner: Manner) {
        self.notices.manner.send_replace(manner);
    }

    pub(crate) fn manner(&self) -> Manner {
        *self.notices.manner.borrow()
    }

    /// What it has accepted of one share.
    pub(crate) fn notices_of(&self, sid: &str) -> Vec<Notice> {
        let accepted = self.notices.accepted();
        let of_share = accepted.iter().filter(|notice| notice.sid == sid);
        of_share.cloned().collect()
    }

    /// Sends a browser's request for a code.
    pub(crate) fn authorize_url(
        &self,
        base: &str,
        verifier: &str,
        parameters: &[(&str, &str)],
    ) -> Url {
        let challenge =
            URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
        let mut url: Url = format!("{base}/oauth/authorize").parse().expect("a URL");
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", REDIRECT_URI)
            .append_pair("state", "model")
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .extend_pairs(parameters);
        url
    }

    /// Posts a form as this client.
    pub(crate) async fn post(&self, http: &Client, url: String, fields: &[(&str, &str)]) -> Reply {
        let request = http
            .post(url)
            .basic_auth(&self.client_id, Some(&self.client_secret))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form(fields));
        Reply::read(request.send().await.expect("an answer")).await
    }

    /// The headers of such a request, for those who write it by hand.
    pub(crate) fn headers(&self) -> [(&'static str, String); 2] {
        let credentials = STANDARD.encode(format!("{}:{}", self.client_id, self.client_secret));
        [
            ("Authorization", format!("Basic {credentials}")),
            (
                "Content-Type",
                "application/x-www-form-urlencoded".to_owned(),
            ),
        ]
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Notices {
    fn accepted(&self) -> MutexGuard<'_, Vec<Notice>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn receive(
    State(notices): State<Arc<Notices>>,
    Form(form): Form<HashMap<String, String>>,
) -> StatusCode {
    let claims = claims(&form["logout_token"]);
    let mut manner = notices.manner.subscribe();
    loop {
        match *manner.borrow_and_update() {
            Manner::Answers => break,
            Manner::Fails => return StatusCode::INTERNAL_SERVER_ERROR,
            Manner::Hangs => {}
        }
        if manner.changed().await.is_err() {
            return StatusCode::INTERNAL_SERVER_ERROR;
        }
    }
    let at = (notices.now)();
    notices.accepted().push(Notice {
        sid: text(&claims, "sid"),
        sub: text(&claims, "sub"),
        at,
    });
    StatusCode::OK
}

/// Sends a request whose sender is gone before the answer.
pub(crate) async fn drop_request(
    base: &str,
    method: &Method,
    path: &str,
    headers: &[(&'static str, String)],
    body: &str,
) {
    let address = base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let mut lines = vec![
        format!("{method} {path} HTTP/1.1"),
        format!("Host: {address}"),
        format!("Content-Length: {}", body.len()),
    ];
    lines.extend(
        headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}")),
    );
    let request = format!("{}\r\n\r\n{body}", lines.join("\r\n"));
    stream
        .write_all(request.as_bytes())
        .await
        .expect("the request is taken");
}

/// Waits until a condition holds; false if it never does.
pub(crate) async fn becomes<F: Future<Output = bool>>(mut holds: impl FnMut() -> F) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if holds().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// Where a node listens, without a trailing slash.
pub(crate) fn base(node: &TestServer) -> String {
    node.url("").as_str().trim_end_matches('/').to_owned()
}

/// The claims of a JWT, unverified.
pub(crate) fn claims(jwt: &str) -> Value {
    let payload = jwt.split('.').nth(1).expect("a JWT");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64url")).expect("JSON")
}

pub(crate) fn text(value: &Value, member: &str) -> String {
    let text = value.get(member).and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("{value} has no {member}"))
        .to_owned()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the simulated providers' clock is the wall's"
)]
fn wall_seconds() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seconds = since.expect("a clock after 1970").as_secs();
    i64::try_from(seconds).expect("a clock before the end")
}
