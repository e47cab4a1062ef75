//! Settings as people write them: flags, environment and `vestibule.toml` are one struct, merged and then parsed.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;
use serde::Deserialize;
use vestibule::{Config, ConfigError};

/// How the sources relate, for the help.
pub(crate) const PRECEDENCE: &str = "\
Settings come from flags, then the environment, then vestibule.toml (its keys are the variables without \
VESTIBULE_, in lower case), then the defaults. An empty variable counts as not set.";

const DEFAULT_FILE: &str = "vestibule.toml";
const DEFAULT_LISTEN: &str = "127.0.0.1:8080";

/// What can be set, not yet understood.
#[derive(Clone, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Options {
    /// Address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, env = "VESTIBULE_LISTEN", value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// What browsers and peers call this server; https unless loopback; may carry a path [default: the listen address on loopback]
    #[arg(long, env = "VESTIBULE_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// The name on pages on which no organization is known yet [default: Vestibule]
    #[arg(long, env = "VESTIBULE_INSTALLATION_NAME", value_name = "NAME")]
    installation_name: Option<String>,
    /// sqlite://PATH, created when absent, or postgres://… [default: sqlite://vestibule.db]
    #[arg(
        long,
        env = "VESTIBULE_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    database_url: Option<String>,
    /// 32 random bytes in base64; other users of this machine see flags, so prefer the environment or a file
    #[arg(
        long,
        env = "VESTIBULE_MASTER_KEY",
        value_name = "BASE64",
        hide_env_values = true
    )]
    master_key: Option<String>,
    /// File that holds the master key; with SQLite it is made when absent [default with SQLite: the database's path with .key]
    #[arg(long, env = "VESTIBULE_MASTER_KEY_FILE", value_name = "PATH")]
    master_key_file: Option<PathBuf>,
    /// An admin API key with this value exists while it is set; at least 32 characters; prefer the environment
    #[arg(
        long,
        env = "VESTIBULE_BOOTSTRAP_API_KEY",
        value_name = "KEY",
        hide_env_values = true
    )]
    bootstrap_api_key: Option<String>,
    /// Networks of proxies whose forwarded headers count
    #[arg(
        long,
        env = "VESTIBULE_TRUSTED_PROXIES",
        value_name = "CIDRS",
        value_delimiter = ','
    )]
    trusted_proxies: Option<Vec<String>>,
    /// Certificate chain in PEM; with it the server speaks https
    #[arg(long, env = "VESTIBULE_TLS_CERT", value_name = "PATH")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate in PEM
    #[arg(long, env = "VESTIBULE_TLS_KEY", value_name = "PATH")]
    tls_key: Option<PathBuf>,
    /// Networks beside public addresses that webhooks and logout notices may go to
    #[arg(
        long,
        env = "VESTIBULE_ALLOWED_NETWORKS_OPERATOR",
        value_name = "CIDRS",
        value_delimiter = ','
    )]
    allowed_networks_operator: Option<Vec<String>>,
    /// Networks beside public addresses that customers' identity providers may lie in
    #[arg(
        long,
        env = "VESTIBULE_ALLOWED_NETWORKS_CUSTOMER",
        value_name = "CIDRS",
        value_delimiter = ','
    )]
    allowed_networks_customer: Option<Vec<String>>,
    /// Open loopback and private networks to everything that is called, also by plain http; for tests
    #[arg(long, env = "VESTIBULE_ALLOW_PRIVATE_NETWORK", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    allow_private_network: Option<String>,
    /// Who verifies SAML responses: own, or both (samael too, in builds with the feature samael) [default: own]
    #[arg(long, env = "VESTIBULE_SAML_VERIFIER", value_name = "own|both")]
    saml_verifier: Option<String>,
    /// Requests that each directory may send in a second, 25 at least [default: 100]
    #[arg(
        long,
        env = "VESTIBULE_SCIM_REQUESTS_PER_SECOND",
        value_name = "NUMBER"
    )]
    scim_requests_per_second: Option<String>,
    /// A listener of its own for /metrics, without a key
    #[arg(long, env = "VESTIBULE_METRICS_LISTEN", value_name = "ADDRESS:PORT")]
    metrics_listen: Option<String>,
    /// What to log, such as info or vestibule_engine=debug,info [default: info]
    #[arg(long, env = "VESTIBULE_LOG", value_name = "FILTER")]
    log: Option<String>,
    /// text or json [default: text]
    #[arg(long, env = "VESTIBULE_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<String>,
    /// Settings file [default: vestibule.toml, if there is one]
    #[arg(long, env = "VESTIBULE_CONFIG", value_name = "PATH")]
    #[serde(skip)]
    config: Option<PathBuf>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").finish_non_exhaustive()
    }
}

/// What every command may know, understood.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Where the server listens.
    pub(crate) listen: SocketAddr,
    /// Certificate and key, where the server speaks https itself.
    pub(crate) tls: Option<TlsFiles>,
    /// The metrics' own listener.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// What is logged.
    pub(crate) log: LogSettings,
    config: Config,
    public_url_is_set: bool,
}

/// Files for https.
#[derive(Debug, Clone)]
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// What is logged, and how.
#[derive(Debug, Clone)]
pub(crate) struct LogSettings {
    pub(crate) filter: String,
    pub(crate) format: LogFormat,
}

/// The two forms of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl Options {
    /// Merges the settings file in and understands the result.
    pub(crate) fn resolve(self) -> anyhow::Result<Settings> {
        let mut options = self.without_empty();
        let file = match &options.config {
            Some(path) => Some(read_file(path)?.with_context(|| {
                format!(
                    "the settings file {} does not exist; check --config and VESTIBULE_CONFIG",
                    path.display()
                )
            })?),
            None => read_file(Path::new(DEFAULT_FILE))?,
        };
        if let Some(file) = file {
            options = options.or(file.without_empty());
        }
        Ok(options.parse()?)
    }

    /// An empty variable is how compose files and unit files spell "not set".
    fn without_empty(mut self) -> Self {
        let texts = [
            &mut self.listen,
            &mut self.public_url,
            &mut self.installation_name,
            &mut self.database_url,
            &mut self.master_key,
            &mut self.bootstrap_api_key,
            &mut self.allow_private_network,
            &mut self.saml_verifier,
            &mut self.scim_requests_per_second,
            &mut self.metrics_listen,
            &mut self.log,
            &mut self.log_format,
        ];
        for text in texts {
            text.take_if(|text| text.trim().is_empty());
        }
        for path in [
            &mut self.master_key_file,
            &mut self.tls_cert,
            &mut self.tls_key,
            &mut self.config,
        ] {
            path.take_if(|path| path.as_os_str().is_empty());
        }
        let lists = [
            &mut self.trusted_proxies,
            &mut self.allowed_networks_operator,
            &mut self.allowed_networks_customer,
        ];
        for list in lists {
            if let Some(items) = list {
                items.retain(|item| !item.trim().is_empty());
            }
            list.take_if(|items| items.is_empty());
        }
        self
    }

    /// These settings, and the other's where these have none.
    fn or(self, other: Self) -> Self {
        // A key and a key file are one choice: a file's key does not meet the environment's key file.
        let key_is_set = self.master_key.is_some() || self.master_key_file.is_some();
        let (other_key, other_key_file) = match key_is_set {
            true => (None, None),
            false => (other.master_key, other.master_key_file),
        };
        Self {
            listen: self.listen.or(other.listen),
            public_url: self.public_url.or(other.public_url),
            installation_name: self.installation_name.or(other.installation_name),
            database_url: self.database_url.or(other.database_url),
            master_key: self.master_key.or(other_key),
            master_key_file: self.master_key_file.or(other_key_file),
            bootstrap_api_key: self.bootstrap_api_key.or(other.bootstrap_api_key),
            trusted_proxies: self.trusted_proxies.or(other.trusted_proxies),
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            allowed_networks_operator: self
                .allowed_networks_operator
                .or(other.allowed_networks_operator),
            allowed_networks_customer: self
                .allowed_networks_customer
                .or(other.allowed_networks_customer),
            allow_private_network: self.allow_private_network.or(other.allow_private_network),
            saml_verifier: self.saml_verifier.or(other.saml_verifier),
            scim_requests_per_second: self
                .scim_requests_per_second
                .or(other.scim_requests_per_second),
            metrics_listen: self.metrics_listen.or(other.metrics_listen),
            log: self.log.or(other.log),
            log_format: self.log_format.or(other.log_format),
            config: self.config,
        }
    }

    fn parse(self) -> Result<Settings, ConfigError> {
        let listen = parse_address(
            "VESTIBULE_LISTEN",
            self.listen.as_deref().unwrap_or(DEFAULT_LISTEN),
        )?;
        let tls = match (self.tls_cert, self.tls_key) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            (Some(_), None) => {
                return Err(ConfigError::new(
                    "VESTIBULE_TLS_KEY",
                    "is missing; VESTIBULE_TLS_CERT needs its private key",
                ));
            }
            (None, Some(_)) => {
                return Err(ConfigError::new(
                    "VESTIBULE_TLS_CERT",
                    "is missing; VESTIBULE_TLS_KEY needs its certificate",
                ));
            }
        };
        let public_url_is_set = self.public_url.is_some();
        let public_url = self
            .public_url
            .unwrap_or_else(|| loopback_url(listen, tls.is_some()));
        let mut config = Config::new(&public_url)?;
        if let Some(name) = &self.installation_name {
            config = config.name(name)?;
        }
        if let Some(url) = &self.database_url {
            config = config.database_url(url)?;
        }
        config = match (&self.master_key, self.master_key_file) {
            (Some(_), Some(_)) => {
                let problem = "and VESTIBULE_MASTER_KEY_FILE are both set; keep one of them";
                return Err(ConfigError::new("VESTIBULE_MASTER_KEY", problem));
            }
            (Some(key), None) => config.master_key(key)?,
            (None, Some(path)) => config.master_key_file(path),
            (None, None) => config,
        };
        if let Some(key) = &self.bootstrap_api_key {
            config = config.bootstrap_api_key(key)?;
        }
        for network in self.trusted_proxies.iter().flatten() {
            config = config.trusted_proxy(network)?;
        }
        for network in self.allowed_networks_operator.iter().flatten() {
            config = config.allowed_network_for_operators(network)?;
        }
        for network in self.allowed_networks_customer.iter().flatten() {
            config = config.allowed_network_for_customers(network)?;
        }
        if parse_bool(
            "VESTIBULE_ALLOW_PRIVATE_NETWORK",
            self.allow_private_network.as_deref(),
        )? {
            config = config.dangerously_allow_private_network();
        }
        if let Some(name) = &self.saml_verifier {
            config = config.saml_verifier(name)?;
        }
        if let Some(requests) = &self.scim_requests_per_second {
            config = config.scim_requests_per_second(requests)?;
        }
        let metrics_listen = self.metrics_listen.as_deref();
        let metrics_listen = metrics_listen
            .map(|text| parse_address("VESTIBULE_METRICS_LISTEN", text))
            .transpose()?;
        let log = LogSettings {
            filter: self.log.unwrap_or_else(|| "info".to_owned()),
            format: parse_format(self.log_format.as_deref())?,
        };
        Ok(Settings {
            listen,
            tls,
            metrics_listen,
            log,
            config,
            public_url_is_set,
        })
    }
}

impl Settings {
    /// The installation's part.
    pub(crate) fn config(&self) -> Config {
        self.config.clone()
    }

    /// The installation's part, once it is known on which port the server listens.
    pub(crate) fn config_on(&self, bound: SocketAddr) -> Result<Config, ConfigError> {
        match self.public_url_is_set {
            true => Ok(self.config()),
            false => self
                .config()
                .with_public_url(&loopback_url(bound, self.tls.is_some())),
        }
    }
}

/// The URL of a listener for people on the same machine; what a newcomer uses.
fn loopback_url(listen: SocketAddr, tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    match listen.ip().is_loopback() {
        true => format!("{scheme}://{listen}"),
        false => format!("{scheme}://127.0.0.1:{}", listen.port()),
    }
}

fn read_file(path: &Path) -> anyhow::Result<Option<Options>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| {
                format!(
                    "the settings file {} cannot be read; check its permissions",
                    path.display()
                )
            });
        }
    };
    let read = toml::from_str(&text);
    // The parser's message shows the line, which may hold a secret; its place and reason are enough.
    let read = read.map_err(|error: toml::de::Error| {
        let before = error
            .span()
            .and_then(|span| text.get(..span.start))
            .unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        anyhow::anyhow!(
            "the settings file {} is wrong in line {line}: {}",
            path.display(),
            without_values(error.message())
        )
    })?;
    Ok(Some(read))
}

/// The parser quotes wrong values, not only names of keys.
fn without_values(message: &str) -> &str {
    match message.starts_with("invalid type") {
        true => {
            "the value has the wrong type; most are strings in quotes, networks are lists of strings"
        }
        false => message,
    }
}

fn parse_address(setting: &'static str, text: &str) -> Result<SocketAddr, ConfigError> {
    text.trim().parse().map_err(|_| {
        ConfigError::new(
            setting,
            "has to be an IP address and a port, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080",
        )
    })
}

fn parse_bool(setting: &'static str, text: Option<&str>) -> Result<bool, ConfigError> {
    match text.map(str::trim) {
        Some("true" | "1") => Ok(true),
        None | Some("false" | "0") => Ok(false),
        Some(_) => Err(ConfigError::new(setting, "has to be true or false")),
    }
}

fn parse_format(text: Option<&str>) -> Result<LogFormat, ConfigError> {
    match text {
        None | Some("text") => Ok(LogFormat::Text),
        Some("json") => Ok(LogFormat::Json),
        Some(_) => Err(ConfigError::new(
            "VESTIBULE_LOG_FORMAT",
            "has to be text or json",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(toml: &str) -> Options {
        toml::from_str(toml).unwrap()
    }

    fn problem(toml: &str) -> String {
        options(toml)
            .without_empty()
            .parse()
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn defaults_are_those_of_the_manual() {
        let settings = Options::default().parse().unwrap();
        assert_eq!(settings.listen, "127.0.0.1:8080".parse().unwrap());
        assert_eq!(
            settings.config.public_url().as_str(),
            "http://127.0.0.1:8080/"
        );
        assert_eq!(
            settings.config.database().to_string(),
            "sqlite://vestibule.db"
        );
        assert!(settings.tls.is_none() && settings.metrics_listen.is_none());
        assert!(!settings.config.private_network_is_allowed());
        assert_eq!(settings.log.format, LogFormat::Text);
    }

    #[test]
    fn first_source_wins_and_the_second_fills_gaps() {
        let near = options("listen = '127.0.0.1:1'\ntrusted_proxies = ['10.0.0.0/8']");
        let far = options("listen = '127.0.0.1:2'\nlog = 'debug'\ntrusted_proxies = ['::1']");
        let merged = near.or(far);
        assert_eq!(merged.listen.as_deref(), Some("127.0.0.1:1"));
        assert_eq!(merged.log.as_deref(), Some("debug"));
        assert_eq!(merged.trusted_proxies.unwrap(), ["10.0.0.0/8"]);
    }

    #[test]
    fn near_key_file_replaces_a_far_key() {
        let merged = options("master_key_file = 'a'").or(options("master_key = 'b'"));
        assert!(merged.master_key.is_none() && merged.master_key_file.is_some());
    }

    #[test]
    fn empty_counts_as_not_set() {
        let settings = options(
            "tls_cert = ''\ninstallation_name = ' '\npublic_url = ' '\ntrusted_proxies = ['']\nallow_private_network = ''",
        );
        let settings = settings.without_empty().parse().unwrap();
        assert!(settings.tls.is_none() && !settings.public_url_is_set);
    }

    #[test]
    fn errors_name_the_setting_and_the_remedy() {
        for (toml, told) in [
            (
                "listen = 'localhost'",
                "VESTIBULE_LISTEN has to be an IP address and a port",
            ),
            ("metrics_listen = 'x'", "VESTIBULE_METRICS_LISTEN has"),
            ("tls_cert = 'a'", "VESTIBULE_TLS_KEY is missing"),
            ("tls_key = 'a'", "VESTIBULE_TLS_CERT is missing"),
            (
                "master_key = 'a'\nmaster_key_file = 'b'",
                "VESTIBULE_MASTER_KEY and VESTIBULE_MASTER_KEY_FILE are both set",
            ),
            (
                "allow_private_network = 'yes'",
                "VESTIBULE_ALLOW_PRIVATE_NETWORK has to be true or false",
            ),
            (
                "saml_verifier = 'samael'",
                "VESTIBULE_SAML_VERIFIER has to be own or both",
            ),
            (
                "scim_requests_per_second = '24'",
                "VESTIBULE_SCIM_REQUESTS_PER_SECOND has to be a whole number, 25 or more",
            ),
            (
                "log_format = 'xml'",
                "VESTIBULE_LOG_FORMAT has to be text or json",
            ),
            (
                "public_url = 'http://id.example.com'",
                "VESTIBULE_PUBLIC_URL has to be https",
            ),
            (
                "trusted_proxies = ['x']",
                "VESTIBULE_TRUSTED_PROXIES has to be a list of networks",
            ),
        ] {
            let problem = problem(toml);
            assert!(problem.starts_with(told), "{problem}");
        }
    }

    #[test]
    fn public_url_follows_the_port_until_it_is_set() {
        let bound = "127.0.0.1:40000".parse().unwrap();
        let free = options("listen = '0.0.0.0:0'").parse().unwrap();
        assert_eq!(
            free.config_on(bound).unwrap().public_url().as_str(),
            "http://127.0.0.1:40000/"
        );
        let set = options("public_url = 'https://a/b'").parse().unwrap();
        assert_eq!(
            set.config_on(bound).unwrap().public_url().as_str(),
            "https://a/b"
        );
    }

    #[test]
    fn settings_file_with_an_unknown_key_or_a_wrong_type_is_refused_without_its_values() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            read_file(&path).unwrap_err().to_string()
        };
        let told = read("log = 'info'\nmaster_kee = 'hunter2'\n");
        assert!(
            told.contains("line 2") && told.contains("master_kee") && !told.contains("hunter2"),
            "{told}"
        );
        let told = read("master_key = 17004711\n");
        assert!(
            told.contains("line 1") && !told.contains("17004711"),
            "{told}"
        );
        let told = read("master_key = 'hunter2\n");
        assert!(!told.contains("hunter2"), "{told}");
    }
}
