//! How many responses a second the assertion consumer service takes, in `vestibule serve` as it runs in production.
//!
//! `VESTIBULE_THROUGHPUT_LOGINS` says how many logins are prepared and then answered (default 200).
//! `VESTIBULE_TEST_BINARY` names the server; only one that was built with `--release` says anything about speed.
//! Each response is signed by itself with RSA, 2048 bits, and is posted once.
//! Nothing here fails because a machine is slow: what fails is an answer that is not the one way on.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod load;

use std::net::SocketAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use url::{Url, form_urlencoded};
use vestibule_simulate::{
    Browser,
    saml::{Attribute, Login, NameId, Response, SamlKey, Style},
};
use vestibule_support::{
    Database,
    installation::Installation,
    server::{Company, Employee, Site, Way},
};

use load::{Answer, as_number, cpu_time, send_all};

/// As many as a server in front of one node keeps open.
const CONNECTIONS: usize = 16;
/// People who sign in in turn.
const PEOPLE: usize = 50;
const LOGINS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_response_is_taken_once_on_sqlite() {
    let installation =
        tokio::task::block_in_place(|| Installation::of_one("sqlite://vestibule.db"));
    measure(&installation, "sqlite").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_response_is_taken_once_on_postgres() {
    let Some(database) = Database::postgres().await else {
        eprintln!("skipped: TEST_POSTGRES_URL is not set");
        return;
    };
    let installation = tokio::task::block_in_place(|| Installation::of_one(&database.url));
    measure(&installation, "postgres").await;
}

async fn measure(installation: &Installation, database: &str) {
    let site = installation.site();
    let company = Company::by(&site, "acme.test", Way::Saml).await;
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        people.push(company.hire("Person", &format!("No{number}")).await);
    }
    let handles = begin(&site, &company).await;
    let key = company.idp.saml_key().expect("the provider's key");
    let forge = Forge::of(&site, &company, key);
    let answers: Vec<Vec<u8>> = handles
        .iter()
        .enumerate()
        .map(|(turn, handle)| forge.answer(handle, &people[turn % PEOPLE]))
        .collect();
    let size = forge.size(&people[0]);

    let process = installation.process_ids()[0];
    let before = cpu_time(process);
    let run = tokio::task::block_in_place(|| {
        send_all(forge.address, CONNECTIONS, &answers, |answer| {
            answered(&answer);
        })
    });
    let used = cpu_time(process)
        .zip(before)
        .map(|(now, then)| now.saturating_sub(then));
    println!(
        "ACS on {database}: {:.0} responses/s of {size} bytes over {CONNECTIONS} connections, p50 {:.1} ms, p99 {:.1} ms, {} in all",
        run.rate(),
        run.percentile(50),
        run.percentile(99),
        run.waited.len(),
    );
    if let Some(used) = used {
        let each = used.as_secs_f64() / as_number(run.waited.len());
        println!("the server used {:.3} ms of CPU each", each * 1000.0);
    }
}

/// Begins logins until there are enough, and gives what each is answered by.
async fn begin(site: &Site, company: &Company) -> Vec<String> {
    let mut tasks = tokio::task::JoinSet::new();
    let http = site.http();
    let provider: Url = company.idp.saml_sso_url().parse().expect("a URL");
    let authorize = authorize_url(site, company);
    for share in 0..CONNECTIONS {
        let (http, provider, authorize) = (http.clone(), provider.clone(), authorize.clone());
        tasks.spawn(async move {
            let mut handles = Vec::new();
            for _ in (share..logins()).step_by(CONNECTIONS) {
                let mut browser = Browser::with_http(http.clone());
                browser.stop_before(&provider);
                let page = browser.get(&authorize).await.expect("the login begins");
                let to = page.location();
                let to = to.unwrap_or_else(|| panic!("{} {}", page.status, page.body));
                let mut pairs = to.query_pairs();
                let relay_state = pairs.find(|(name, _)| name == "RelayState");
                handles.push(relay_state.expect("a relay state").1.into_owned());
            }
            handles
        });
    }
    tasks.join_all().await.concat()
}

fn authorize_url(site: &Site, company: &Company) -> Url {
    let mut url: Url = format!("{}/oauth/authorize", site.url)
        .parse()
        .expect("a URL");
    url.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", &company.client_id),
        ("redirect_uri", &company.app.urls().redirect_uri),
        ("scope", "openid profile email"),
        ("state", "af0ifjsldkj"),
        (
            "code_challenge",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        ),
        ("code_challenge_method", "S256"),
        ("organization", &company.organization_id),
    ]);
    url
}

/// What the provider would send.
struct Forge {
    key: SamlKey,
    issuer: String,
    audience: String,
    acs: Url,
    address: SocketAddr,
}

impl Forge {
    fn of(site: &Site, company: &Company, key: SamlKey) -> Self {
        let below = format!("{}/sso/saml/{}", site.url, company.connection_id);
        let acs: Url = format!("{below}/acs").parse().expect("a URL");
        let addresses = acs.socket_addrs(|| None).expect("an address");
        Self {
            key,
            issuer: company.idp.saml_entity_id(),
            audience: format!("{below}/metadata"),
            acs,
            address: addresses[0],
        }
    }

    fn document(&self, handle: &str, employee: &Employee) -> String {
        let person = &employee.person;
        let name_id = NameId::persistent(&person.oid);
        let acs = self.acs.as_str();
        let login = Login::new(&self.issuer, &self.audience, acs, name_id, unix_seconds())
            .answering(&format!("_{handle}"))
            .attribute(Attribute::new("email", [&*person.email]))
            .attribute(Attribute::new("givenname", [&*person.given_name]))
            .attribute(Attribute::new("surname", [&*person.family_name]))
            .attribute(Attribute::new("groups", ["Everyone", "Staff", "Vienna"]));
        let response = Response::new(Style::Entra, &login).expect("a response");
        response
            .to_xml(&Style::Entra.seal(&self.key))
            .expect("a sealed response")
    }

    fn size(&self, employee: &Employee) -> usize {
        self.document(&"h".repeat(43), employee).len()
    }

    /// The whole HTTP request.
    fn answer(&self, handle: &str, employee: &Employee) -> Vec<u8> {
        let field = STANDARD.encode(self.document(handle, employee));
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("SAMLResponse", &field)
            .append_pair("RelayState", handle)
            .finish();
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        load::request("POST", self.acs.path(), &form, body.as_bytes())
    }
}

fn answered(answer: &Answer) {
    let head = &answer.head;
    assert!(
        answer.status == 303 && head.contains("/finish?answer="),
        "{head}{}",
        String::from_utf8_lossy(&answer.body)
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "the provider is outside and has a clock of its own"
)]
fn unix_seconds() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seconds = since.expect("a clock after 1970").as_secs();
    i64::try_from(seconds).expect("a clock before the end of time")
}

fn logins() -> usize {
    load::setting("VESTIBULE_THROUGHPUT_LOGINS", LOGINS)
}
