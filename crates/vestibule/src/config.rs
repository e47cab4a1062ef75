//! What an installation decides, parsed: whoever holds a [`Config`] holds values that fit together.

use std::{fmt, net::IpAddr, num::NonZeroU32, path::PathBuf, sync::Arc};

use ipnet::IpNet;
use url::{Host, Url};
use vestibule_core::Secret;
use vestibule_engine::{
    Clock, MasterKey, OutboundPolicy, SCIM_REQUESTS_PER_SECOND, SCIM_REQUESTS_PER_SECOND_AT_LEAST,
    SamlVerifier, outbound::Class,
};

use crate::{clock, key_file::KeySource};

/// A bootstrap key that is shorter could be guessed.
const BOOTSTRAP_KEY_LENGTH: usize = 32;

/// A setting that cannot be used, and what to do about it.
///
/// The message names the setting and never repeats its value, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting} {problem}")]
pub struct ConfigError {
    setting: &'static str,
    problem: String,
}

impl ConfigError {
    /// A setting, as the environment spells it, and what is wrong with its value.
    pub fn new(setting: &'static str, problem: impl Into<String>) -> Self {
        Self {
            setting,
            problem: problem.into(),
        }
    }

    /// The setting, as the environment spells it, such as `VESTIBULE_PUBLIC_URL`.
    pub fn setting(&self) -> &'static str {
        self.setting
    }
}

/// Everything that [`Vestibule::open`](crate::Vestibule::open) needs.
///
/// The defaults are safe: https outside loopback, a SQLite file `vestibule.db` with its key beside it,
/// no trusted proxies, no calls to private networks, no bootstrap key.
#[derive(Clone)]
pub struct Config {
    pub(crate) public_url: Url,
    pub(crate) database: Database,
    pub(crate) key: KeySource,
    pub(crate) bootstrap_api_key: Option<Secret>,
    pub(crate) name: Option<String>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) outbound: OutboundPolicy,
    pub(crate) saml_verifier: SamlVerifier,
    pub(crate) scim_requests_per_second: NonZeroU32,
    pub(crate) metrics: Option<Arc<dyn Fn() -> String + Send + Sync>>,
    pub(crate) clock: Clock,
}

impl Config {
    /// The defaults for a public URL: what people, apps, directories and identity providers use.
    ///
    /// It may carry a path, which all routes follow. Plain http is for loopback hosts only.
    pub fn new(public_url: &str) -> Result<Self, ConfigError> {
        Ok(Self {
            public_url: parse_public_url(public_url)?,
            database: Database::Sqlite(PathBuf::from("vestibule.db")),
            key: KeySource::BesideDatabase,
            bootstrap_api_key: None,
            name: None,
            trusted_proxies: Vec::new(),
            outbound: OutboundPolicy::new(),
            saml_verifier: SamlVerifier::default(),
            scim_requests_per_second: SCIM_REQUESTS_PER_SECOND,
            metrics: None,
            clock: clock::system(),
        })
    }

    /// Another public URL, everything else as it is.
    pub fn with_public_url(mut self, public_url: &str) -> Result<Self, ConfigError> {
        self.public_url = parse_public_url(public_url)?;
        Ok(self)
    }

    /// The name on pages on which no organization is known yet, such as that of the SaaS product.
    pub fn name(mut self, name: &str) -> Result<Self, ConfigError> {
        let name = name.trim();
        let sound = (1..=200).contains(&name.chars().count()) && !name.contains(char::is_control);
        if !sound {
            let problem = "has to have 1 to 200 characters, none of them a control character";
            return Err(ConfigError::new("VESTIBULE_INSTALLATION_NAME", problem));
        }
        self.name = Some(name.to_owned());
        Ok(self)
    }

    /// Where the data lives: `sqlite://PATH`, created when absent, or `postgres://…`.
    pub fn database_url(mut self, url: &str) -> Result<Self, ConfigError> {
        self.database = Database::parse(url)?;
        Ok(self)
    }

    /// The master key: 32 random bytes in base64.
    pub fn master_key(mut self, base64: &str) -> Result<Self, ConfigError> {
        MasterKey::parse(base64).map_err(|_| {
            let problem =
                "has to be 32 random bytes in base64; make one with `openssl rand -base64 32`";
            ConfigError::new("VESTIBULE_MASTER_KEY", problem)
        })?;
        self.key = KeySource::Given(Secret::new(base64));
        Ok(self)
    }

    /// The file that holds the master key; with SQLite it is made when absent.
    #[must_use]
    pub fn master_key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.key = KeySource::File(path.into());
        self
    }

    /// Accepts a key of the admin API that is not stored; at least 32 characters.
    pub fn bootstrap_api_key(mut self, key: &str) -> Result<Self, ConfigError> {
        let fits = key.chars().count() >= BOOTSTRAP_KEY_LENGTH
            && key.bytes().all(|byte| byte.is_ascii_graphic());
        if !fits {
            let problem = "has to be at least 32 printable ASCII characters without spaces; make one with `openssl rand -base64 33`";
            return Err(ConfigError::new("VESTIBULE_BOOTSTRAP_API_KEY", problem));
        }
        self.bootstrap_api_key = Some(Secret::new(key));
        Ok(self)
    }

    /// Believes the forwarded headers of proxies in a network, such as `10.0.0.0/8`.
    pub fn trusted_proxy(mut self, network: &str) -> Result<Self, ConfigError> {
        let network = parse_network("VESTIBULE_TRUSTED_PROXIES", network)?;
        self.trusted_proxies.push(network);
        Ok(self)
    }

    /// Whether a peer is a proxy whose forwarded headers count.
    pub fn trusts_proxy(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted_proxies
            .iter()
            .any(|network| network.contains(&peer))
    }

    /// Lets destinations that operators set (webhooks, logout endpoints) lie in a further network.
    pub fn allowed_network_for_operators(self, network: &str) -> Result<Self, ConfigError> {
        self.allowed_network(Class::Operator, network)
    }

    /// Lets destinations that customers set (issuers, metadata) lie in a further network.
    pub fn allowed_network_for_customers(self, network: &str) -> Result<Self, ConfigError> {
        self.allowed_network(Class::Customer, network)
    }

    fn allowed_network(mut self, class: Class, network: &str) -> Result<Self, ConfigError> {
        let network = parse_network(class.setting(), network)?;
        self.outbound = self.outbound.allow(class, network);
        Ok(self)
    }

    /// Who has to accept a SAML response: `own`, our own verifier, or `both`, samael too where the assertion is not
    /// encrypted. `both` is only in builds with the cargo feature `samael`, and reads this machine's clock.
    pub fn saml_verifier(mut self, name: &str) -> Result<Self, ConfigError> {
        let refused = |problem: &str| Err(ConfigError::new("VESTIBULE_SAML_VERIFIER", problem));
        self.saml_verifier = match name.trim() {
            "own" => SamlVerifier::Own,
            #[cfg(feature = "samael")]
            "both" => SamlVerifier::Both,
            #[cfg(not(feature = "samael"))]
            "both" => {
                return refused(
                    "is both, and this build has no samael: install pkg-config, libclang-dev, libssl-dev, libxml2-dev \
                     and libxmlsec1-dev and build with `cargo build --release --features samael`, or set it to own",
                );
            }
            _ => return refused("has to be own or both"),
        };
        Ok(self)
    }

    /// Requests that each directory may send in a second, 100 unless said otherwise; twice as many at once. More are
    /// answered 429. Identity providers demand 25 at least.
    pub fn scim_requests_per_second(mut self, requests: &str) -> Result<Self, ConfigError> {
        let refused = || {
            let problem =
                "has to be a whole number, 25 or more: identity providers demand that much";
            ConfigError::new("VESTIBULE_SCIM_REQUESTS_PER_SECOND", problem)
        };
        let requests: NonZeroU32 = requests.trim().parse().map_err(|_| refused())?;
        if requests < SCIM_REQUESTS_PER_SECOND_AT_LEAST {
            return Err(refused());
        }
        self.scim_requests_per_second = requests;
        Ok(self)
    }

    /// Opens loopback and private networks, also over plain http, to everything that operators and customers set.
    /// For tests and demos: a customer's admin could otherwise make this server call its neighbors.
    #[must_use]
    pub fn dangerously_allow_private_network(mut self) -> Self {
        self.outbound = self.outbound.allow_private();
        self
    }

    /// Trusts further root certificates in outbound calls: a PEM file's content.
    #[must_use]
    pub fn trust_roots(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.outbound = self.outbound.trust_roots(pem);
        self
    }

    /// Serves these metrics at `/metrics` to keys of the admin API, in Prometheus' text format.
    #[must_use]
    pub fn metrics(mut self, render: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.metrics = Some(Arc::new(render));
        self
    }

    /// Takes the time from elsewhere than this machine's clock, for tests.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The URL that people, apps, directories and identity providers use.
    pub fn public_url(&self) -> &Url {
        &self.public_url
    }

    /// Where the data lives.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Whether destinations in private networks are open to customers.
    pub fn private_network_is_allowed(&self) -> bool {
        self.outbound.allow_private
    }

    /// Who has to accept a SAML response.
    pub(crate) fn saml_verifiers(&self) -> &'static str {
        match self.saml_verifier {
            SamlVerifier::Own => "our own",
            #[cfg(feature = "samael")]
            SamlVerifier::Both => "our own and samael, for responses that are not encrypted",
        }
    }

    /// Where the master key comes from.
    pub fn key_source(&self) -> &KeySource {
        &self.key
    }

    /// Checks what only the whole can say: PostgreSQL needs a master key that somebody keeps.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        match (&self.database, &self.key) {
            (Database::Postgres(_), KeySource::BesideDatabase) => Err(ConfigError::new(
                "VESTIBULE_MASTER_KEY",
                "is not set, and PostgreSQL has no place for it: make one with `openssl rand -base64 32`, \
                 keep a copy, and give it to every node in VESTIBULE_MASTER_KEY or VESTIBULE_MASTER_KEY_FILE",
            )),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("public_url", &self.public_url.as_str())
            .field("database", &self.database)
            .field("name", &self.name)
            .field("trusted_proxies", &self.trusted_proxies)
            .finish_non_exhaustive()
    }
}

/// Where the data lives.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Database {
    /// The embedded database, in this file.
    Sqlite(PathBuf),
    /// PostgreSQL by its URL, which may hold a password.
    Postgres(Secret),
}

impl Database {
    /// Reads `sqlite://PATH` or `postgres://…`.
    pub fn parse(url: &str) -> Result<Self, ConfigError> {
        let refused = |problem: &str| Err(ConfigError::new("VESTIBULE_DATABASE_URL", problem));
        let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
        match scheme {
            "sqlite" => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                if path.is_empty() || path.starts_with(':') {
                    return refused(
                        "has to name a file: sqlite://PATH; a database in memory would forget its sessions",
                    );
                }
                // The driver would read these as an escape and as options.
                if path.contains(['%', '?', '#']) {
                    return refused(
                        "has to name a file whose path has none of the characters % ? #",
                    );
                }
                Ok(Self::Sqlite(PathBuf::from(path)))
            }
            "postgres" | "postgresql" => match Url::parse(url) {
                Ok(_) => Ok(Self::Postgres(Secret::new(url))),
                Err(_) => refused(
                    "is not a URL: write postgres://USER:PASSWORD@HOST/DATABASE, with special characters of the password percent-encoded",
                ),
            },
            _ => refused("has to begin with sqlite:// or postgres://"),
        }
    }

    /// The URL as the store reads it; it may hold a password.
    pub(crate) fn url(&self) -> Secret {
        match self {
            Self::Sqlite(path) => Secret::new(format!("sqlite://{}", path.display())),
            Self::Postgres(url) => url.clone(),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Database {
    /// The database without user names and passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => match Url::parse(url.expose()) {
                Ok(url) => write!(
                    f,
                    "postgres://{}{}",
                    url.host_str().unwrap_or("localhost"),
                    url.path()
                ),
                Err(_) => f.write_str("postgres://…"),
            },
        }
    }
}

fn parse_public_url(text: &str) -> Result<Url, ConfigError> {
    let refused = |problem: &str| Err(ConfigError::new("VESTIBULE_PUBLIC_URL", problem));
    let Ok(mut url) = Url::parse(text) else {
        return refused("has to be an absolute URL, such as https://id.example.com");
    };
    let loopback = is_loopback(&url);
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => {
            return refused(
                "has to be https unless its host is loopback: set VESTIBULE_TLS_CERT and VESTIBULE_TLS_KEY, \
                 or put a proxy with TLS in front",
            );
        }
        _ => return refused("has to begin with https://"),
    }
    let has_user = !url.username().is_empty() || url.password().is_some();
    if has_user || url.query().is_some() || url.fragment().is_some() {
        return refused("must not have user information, a query or a fragment");
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// Whether nothing that is sent to this host crosses a network (RFC 6761 §6.3 for the names).
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Reads a network, or an address as the network that holds only it.
fn parse_network(setting: &'static str, text: &str) -> Result<IpNet, ConfigError> {
    let text = text.trim();
    let network = text
        .parse::<IpNet>()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    network.ok_or_else(|| {
        let problem =
            "has to be a list of networks, such as 10.0.0.0/8,fd00::/8, separated by commas";
        ConfigError::new(setting, problem)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem<T: fmt::Debug>(result: Result<T, ConfigError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn public_url_is_https_or_loopback() {
        for good in [
            "https://id.example.com",
            "https://example.com/auth/",
            "http://127.0.0.1:8080",
            "http://[::1]:1",
            "http://us.localhost:3",
        ] {
            assert!(Config::new(good).is_ok(), "{good}");
        }
        for bad in [
            "http://id.example.com",
            "ftp://127.0.0.1",
            "id.example.com",
            "https://u:p@a",
            "https://a?q",
            "https://a#f",
        ] {
            assert!(
                problem(Config::new(bad)).starts_with("VESTIBULE_PUBLIC_URL "),
                "{bad}"
            );
        }
        let told = problem(Config::new("http://id.example.com"));
        assert!(told.contains("VESTIBULE_TLS_CERT"), "{told}");
    }

    #[test]
    fn a_second_verifier_needs_a_build_that_has_it() {
        let with = |name: &str| Config::new("https://a").unwrap().saml_verifier(name);
        assert_eq!(with("own").unwrap().saml_verifier, SamlVerifier::Own);
        assert!(
            problem(with("samael")).starts_with("VESTIBULE_SAML_VERIFIER has to be own or both")
        );
        #[cfg(feature = "samael")]
        assert_eq!(with("both").unwrap().saml_verifier, SamlVerifier::Both);
        #[cfg(not(feature = "samael"))]
        {
            let told = problem(with("both"));
            assert!(told.contains("--features samael"), "{told}");
        }
    }

    #[test]
    fn databases_are_told_apart_by_scheme() {
        assert_eq!(
            Database::parse("sqlite://a/b.db"),
            Ok(Database::Sqlite("a/b.db".into()))
        );
        assert_eq!(
            Database::parse("sqlite:///a/b.db"),
            Ok(Database::Sqlite("/a/b.db".into()))
        );
        assert!(matches!(
            Database::parse("postgres://u:p@h/d"),
            Ok(Database::Postgres(_))
        ));
        for bad in [
            "sqlite://",
            "sqlite::memory:",
            "sqlite://a%20b",
            "mysql://h/d",
            "vestibule.db",
            "",
        ] {
            assert!(
                problem(Database::parse(bad)).starts_with("VESTIBULE_DATABASE_URL "),
                "{bad}"
            );
        }
    }

    #[test]
    fn passwords_of_databases_are_not_shown() {
        let database = Database::parse("postgres://ada:hunter2@db.example:5432/vestibule").unwrap();
        assert_eq!(database.to_string(), "postgres://db.example/vestibule");
        assert!(!format!("{database:?}").contains("hunter2"));
    }

    #[test]
    fn postgres_without_master_key_is_refused_with_a_remedy() {
        let config = Config::new("https://a")
            .unwrap()
            .database_url("postgres://h/d")
            .unwrap();
        let told = problem(config.clone().check());
        assert!(told.contains("openssl rand -base64 32"), "{told}");
        let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        assert!(config.master_key(key).unwrap().check().is_ok());
    }

    #[test]
    fn secrets_that_are_too_weak_are_refused_and_not_echoed() {
        let config = Config::new("https://a").unwrap();
        let told = problem(config.clone().bootstrap_api_key("hunter2"));
        assert!(
            told.contains("at least 32") && !told.contains("hunter2"),
            "{told}"
        );
        assert!(config.clone().bootstrap_api_key(&"k y".repeat(20)).is_err());
        assert!(config.clone().bootstrap_api_key(&"k".repeat(32)).is_ok());
        let told = problem(config.master_key("hunter2"));
        assert!(
            told.contains("32 random bytes") && !told.contains("hunter2"),
            "{told}"
        );
    }

    #[test]
    fn networks_and_single_addresses_are_read() {
        let config = Config::new("https://a").unwrap();
        let config = config
            .trusted_proxy("10.0.0.0/8")
            .unwrap()
            .trusted_proxy(" ::1 ")
            .unwrap();
        assert_eq!(config.trusted_proxies.len(), 2);
        assert!(problem(config.clone().trusted_proxy("10.0.0/8")).contains("10.0.0.0/8"));
        let told = problem(config.allowed_network_for_customers("everywhere"));
        assert!(
            told.starts_with("VESTIBULE_ALLOWED_NETWORKS_CUSTOMER "),
            "{told}"
        );
    }
}
