//! What `vestibule doctor` looks at; hosts that embed Vestibule may ask the same.

use std::{fmt, path::Path};

use serde::Serialize;
use vestibule_core::Generator;
use vestibule_engine::{
    Engine, Outbound, OutboundPolicy,
    outbound::{Class, OutboundError},
};
use vestibule_store::Store;

use crate::{Config, Database, KeySource, config::is_loopback, key_file::is_readable_by_others};

/// A node further off the database's clock is not ready, in microseconds.
const CLOCK_TOLERANCE: i64 = 2_000_000;

/// How one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// As it should be.
    Good,
    /// It works, and somebody should look at it.
    Warning,
    /// It does not work.
    Failed,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Failed => "FAILED",
        })
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How it is.
    pub health: Health,
    /// What was seen, and what to do.
    pub detail: String,
}

impl Finding {
    /// Something that is as it should be.
    pub fn good(check: &'static str, detail: impl Into<String>) -> Self {
        Self::new(check, Health::Good, detail)
    }

    /// Something that somebody should look at.
    pub fn warning(check: &'static str, detail: impl Into<String>) -> Self {
        Self::new(check, Health::Warning, detail)
    }

    /// Something that does not work.
    pub fn failed(check: &'static str, detail: impl Into<String>) -> Self {
        Self::new(check, Health::Failed, detail)
    }

    fn new(check: &'static str, health: Health, detail: impl Into<String>) -> Self {
        Self {
            check,
            health,
            detail: detail.into(),
        }
    }
}

/// Looks at an installation without changing it; the server may run meanwhile.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    match config.check() {
        Ok(()) => findings.push(Finding::good("configuration", "the settings fit together")),
        Err(error) => findings.push(Finding::failed("configuration", error.to_string())),
    }
    findings.extend(bootstrap_key(config));
    findings.extend(key_file(config));
    database(config, &mut findings).await;
    findings.push(outbound(config));
    findings.push(Finding::good("SAML verifier", config.saml_verifiers()));
    findings.push(public_url(config).await);
    findings
}

fn bootstrap_key(config: &Config) -> Option<Finding> {
    config.bootstrap_api_key.as_ref().map(|_| {
        let detail = "VESTIBULE_BOOTSTRAP_API_KEY is set and may do everything; make keys with `vestibule api-key create` and unset it";
        Finding::warning("bootstrap key", detail)
    })
}

fn key_file(config: &Config) -> Vec<Finding> {
    let check = "master key file";
    let Some(path) = config.key.path(&config.database) else {
        return Vec::new();
    };
    if !path.exists() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    match is_readable_by_others(&path) {
        Ok(false) => {}
        Ok(true) => findings.push(Finding::warning(
            check,
            format!("others may read {0}; run chmod 600 {0}", path.display()),
        )),
        Err(error) => findings.push(Finding::failed(
            check,
            format!("{} cannot be read: {error}", path.display()),
        )),
    }
    if lies_beside(&path, &config.database) {
        findings.push(Finding::warning(
            check,
            format!(
                "{} lies beside the database, so whoever copies the folder has both; on a server that matters, \
                 keep it elsewhere and name it in VESTIBULE_MASTER_KEY_FILE",
                path.display()
            ),
        ));
    }
    findings
}

fn lies_beside(key: &Path, database: &Database) -> bool {
    match database {
        Database::Sqlite(path) => path.parent() == key.parent(),
        Database::Postgres(_) => false,
    }
}

async fn database(config: &Config, findings: &mut Vec<Finding>) {
    let check = "database";
    if let Database::Sqlite(path) = &config.database
        && !path.exists()
    {
        let detail = format!(
            "{} does not exist yet; `vestibule serve` or `vestibule migrate` makes it",
            path.display()
        );
        findings.push(Finding::warning(check, detail));
        return;
    }
    let store = match Store::open(config.database.url().expose(), Generator::system()).await {
        Ok(store) => store,
        Err(error) => {
            let detail = format!(
                "{} cannot be opened ({}); check VESTIBULE_DATABASE_URL, and that it runs and lets us in",
                config.database,
                chain(&error)
            );
            findings.push(Finding::failed(check, detail));
            return;
        }
    };
    if let Err(error) = on_store(config, &store, findings).await {
        let detail = format!(
            "{} does not have our tables, or older ones ({}); run `vestibule migrate`",
            config.database,
            chain(&error)
        );
        findings.push(Finding::failed(check, detail));
    }
    // Nothing was changed, so nothing can be lost.
    let _ = store.close().await;
}

async fn on_store(
    config: &Config,
    store: &Store,
    findings: &mut Vec<Finding>,
) -> Result<(), vestibule_store::Error> {
    let now = config.clock.now();
    let pending = store.count_pending_migrations(now).await?;
    if pending > 0 {
        findings.push(Finding::failed(
            "database",
            format!(
                "{} lacks {pending} migrations; run `vestibule migrate`, or let `vestibule serve` do it",
                config.database
            ),
        ));
        return Ok(());
    }
    findings.push(Finding::good("migrations", "the schema is up to date"));
    findings.push(version(
        &store.database_version(now).await?,
        store.is_embedded(),
    ));
    let mut tx = store.read(now).await?;
    let sealed = tx.find_meta(crate::MASTER_KEY_CHECK).await?.is_some();
    let (waiting, dead) = tx.count_jobs().await?;
    drop(tx);
    findings.push(Finding::good(
        "database",
        format!("{} answers", config.database),
    ));
    findings.push(master_key(config, store, sealed).await);
    findings.push(clock(
        store.clock_difference(config.clock.now()).await?,
        store.is_embedded(),
    ));
    findings.push(match dead {
        0 => Finding::good("deliveries", format!("{waiting} wait, none was given up")),
        _ => Finding::warning(
            "deliveries",
            format!("{dead} were given up and {waiting} wait; `GET /api/v1/webhooks/{{id}}/deliveries` shows the answers of a destination"),
        ),
    });
    Ok(())
}

/// SQLite before 3.51.3 can lose data in WAL mode when two connections write or checkpoint.
fn version(version: &str, embedded: bool) -> Finding {
    let numbers: Vec<u32> = version
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect();
    match embedded && numbers < vec![3, 51, 3] {
        true => Finding::failed(
            "database version",
            format!("SQLite {version} is too old; build with the bundled one, 3.51.3 or newer"),
        ),
        false => Finding::good("database version", version),
    }
}

async fn master_key(config: &Config, store: &Store, sealed: bool) -> Finding {
    let check = "master key";
    if !sealed {
        return Finding::good(check, "the database holds nothing under a key yet");
    }
    let master = match config.key.load(&config.database, sealed, store.generator()) {
        Ok(master) => master,
        Err(error) => return Finding::failed(check, error.to_string()),
    };
    let Ok(outbound) = Outbound::new(OutboundPolicy::new().allow_private()) else {
        return Finding::warning(check, "not tried, because outbound calls cannot start");
    };
    let settings = vestibule_engine::Settings::new(config.public_url.as_str());
    match Engine::open(
        store.clone(),
        master,
        outbound,
        settings,
        config.clock.now(),
    )
    .await
    {
        Ok(_) => Finding::good(
            check,
            format!("it opens the database ({})", source(&config.key)),
        ),
        Err(error) => Finding::failed(check, chain(&error)),
    }
}

fn source(key: &KeySource) -> String {
    match key {
        KeySource::Given(_) => "from VESTIBULE_MASTER_KEY".to_owned(),
        KeySource::File(path) => format!("from {}", path.display()),
        KeySource::BesideDatabase => "from the file beside the database".to_owned(),
    }
}

fn clock(difference: i64, embedded: bool) -> Finding {
    let check = "clock";
    match difference.abs() {
        _ if embedded => Finding::good(check, "the embedded database goes by this machine's clock"),
        off if off > CLOCK_TOLERANCE => Finding::failed(
            check,
            format!(
                "this machine is {} ms off the database's clock; synchronize both by NTP",
                difference / 1000
            ),
        ),
        _ => Finding::good(
            check,
            format!("{} ms off the database's", difference / 1000),
        ),
    }
}

fn outbound(config: &Config) -> Finding {
    let check = "outbound calls";
    if let Err(error) = Outbound::new(config.outbound.clone()) {
        return Finding::failed(check, chain(&error));
    }
    if config.outbound.allow_private && !is_loopback(&config.public_url) {
        let detail = "VESTIBULE_ALLOW_PRIVATE_NETWORK lets customers' admins make this server call its neighbors; \
            unset it, and name single networks in VESTIBULE_ALLOWED_NETWORKS_OPERATOR and _CUSTOMER";
        return Finding::warning(check, detail);
    }
    if config.outbound.allow_private {
        return Finding::good(check, "private networks are open, as for tests");
    }
    let (operator, customer) = (
        config.outbound.operator.len(),
        config.outbound.customer.len(),
    );
    Finding::good(
        check,
        format!(
            "public addresses, and {operator} further networks of operators and {customer} of customers"
        ),
    )
}

/// Calls the public URL from here, as an app does.
async fn public_url(config: &Config) -> Finding {
    let check = "public URL";
    let url = format!(
        "{}/healthz",
        config.public_url.as_str().trim_end_matches('/')
    );
    let answered = match ask(config, &url).await {
        Ok(status) => status,
        Err(error) => {
            let detail = format!(
                "{url} gives no answer from here ({}); start the server, or check DNS, proxy and certificate",
                chain(&error)
            );
            return Finding::warning(check, detail);
        }
    };
    match answered {
        200 => Finding::good(check, format!("{} answers", config.public_url)),
        status => Finding::failed(
            check,
            format!(
                "{url} answers {status}; another server is there, or a proxy does not pass the path on"
            ),
        ),
    }
}

async fn ask(config: &Config, url: &str) -> Result<u16, OutboundError> {
    // The operator's own server may well lie in a private network.
    let mut policy = OutboundPolicy::new().allow_private();
    policy.extra_roots.clone_from(&config.outbound.extra_roots);
    let mut request = axum::http::Request::new(Vec::new());
    *request.uri_mut() = url.parse().unwrap_or_default();
    let answer = Outbound::new(policy)?
        .send(Class::Operator, request)
        .await?;
    Ok(answer.status().as_u16())
}

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
