//! `vestibule simulate idp|scim|app`: the outside world by hand.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use crate::app::AppUrls;
use crate::scim::{Call, Dialect};
use crate::{
    AppConfig, Client, IdentityProvider, IdpConfig, NameIdKind, Person, Place, SamlClient,
    SampleApp, ScimClient, chance,
};

/// What to simulate.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// A company's identity provider (OpenID Connect and SAML) with a login form and a JSON admin API
    Idp(IdpArguments),
    /// One request, or one small sequence, of a directory that speaks SCIM
    Scim(ScimArguments),
    /// A small app that speaks only OpenID Connect to its provider
    App(AppArguments),
}

/// How the SAML side is used, for the help.
const SAML_HELP: &str = "\
SAML in three steps:
  1. Start the provider. The first line of its output is JSON with issuer, people and passwords, and with
     saml.metadata_url, saml.sso_url and saml.slo_url.
  2. Make a connection of protocol \"saml\" with \"saml\": {\"metadata_url\": …} and
     \"join\": {\"directory\": \"externalId\", \"claim\": \"name_id\"}. Its answer has saml.metadata_url of the service provider.
  3. Register the service provider: --saml-metadata FILE at the start, or while the provider runs
     POST {issuer}/saml/clients {\"metadata_xml\": …, \"name\": …, \"name_id\": \"object-id\"} with
     Authorization: Bearer {admin_token}.
People then sign in from the app, or by the tile on the provider's home page, {issuer}/.
`simulate scim hire --external-id` takes the oid of a person, which is the name of kind object-id.";

/// Arguments of `simulate idp`.
#[derive(Debug, Args)]
#[command(after_help = SAML_HELP)]
pub struct IdpArguments {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 9001)]
    port: u16,
    /// Host name in the issuer
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Host name of the login page, where it differs
    #[arg(long)]
    browser_host: Option<String>,
    /// Registers one client with this id
    #[arg(long, requires = "redirect_uri")]
    client_id: Option<String>,
    /// Its secret; one is made up if absent
    #[arg(long)]
    client_secret: Option<String>,
    /// Its redirect URIs
    #[arg(long)]
    redirect_uri: Vec<String>,
    /// Registers a SAML service provider by its metadata file; repeatable
    #[arg(long)]
    saml_metadata: Vec<std::path::PathBuf>,
    /// What people are called at those service providers
    #[arg(long, value_enum, default_value = "persistent")]
    saml_name_id: NameIdKind,
    /// Adds a person: "Given Family"; repeatable
    #[arg(long)]
    person: Vec<String>,
    /// Mail domain of the people
    #[arg(long, default_value = "acme.test")]
    domain: String,
}

/// Arguments of `simulate scim`.
#[derive(Debug, Args)]
pub struct ScimArguments {
    /// The directory's SCIM base URL
    #[arg(long)]
    url: String,
    /// The directory's bearer token
    #[arg(long, env = "VESTIBULE_SCIM_TOKEN", hide_env_values = true)]
    token: String,
    /// Whose wording to use
    #[arg(long, value_enum, default_value = "entra")]
    dialect: DialectName,
    /// What to do
    #[command(subcommand)]
    action: ScimAction,
}

/// The dialects by name.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum DialectName {
    /// Microsoft Entra ID
    Entra,
    /// Okta
    Okta,
    /// As RFC 7644 shows
    Standard,
}

/// What the simulated directory does.
#[derive(Debug, Subcommand)]
pub enum ScimAction {
    /// Looks a person up and creates or reactivates them
    Hire {
        /// Given name
        given_name: String,
        /// Family name
        family_name: String,
        /// Mail domain
        #[arg(long, default_value = "acme.test")]
        domain: String,
        /// SCIM `externalId`; one is made up if absent
        #[arg(long)]
        external_id: Option<String>,
    },
    /// Deactivates a user by user name
    Fire {
        /// SCIM `userName`
        user_name: String,
    },
    /// Reactivates a user by user name
    Rehire {
        /// SCIM `userName`
        user_name: String,
    },
    /// Deletes a user by user name
    Delete {
        /// SCIM `userName`
        user_name: String,
    },
    /// Shows a user by user name
    Show {
        /// SCIM `userName`
        user_name: String,
    },
    /// Creates a group if it is not there, and adds members
    Group {
        /// SCIM `displayName`
        display_name: String,
        /// User names of the members to add
        members: Vec<String>,
    },
}

/// Arguments of `simulate app`.
#[derive(Debug, Args)]
pub struct AppArguments {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 9002)]
    port: u16,
    /// Host name in the browser
    #[arg(long, default_value = "app.localhost")]
    host: String,
    /// Its provider's issuer identifier
    #[arg(long)]
    issuer: String,
    /// Its client id
    #[arg(long)]
    client_id: String,
    /// Its client secret
    #[arg(long, env = "VESTIBULE_APP_CLIENT_SECRET", hide_env_values = true)]
    client_secret: String,
}

/// Runs a command; servers run until they are interrupted.
pub async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Idp(arguments) => run_idp(arguments).await,
        Command::Scim(arguments) => run_scim(arguments).await,
        Command::App(arguments) => run_app(arguments).await,
    }
}

async fn run_idp(arguments: IdpArguments) -> anyhow::Result<()> {
    let admin_token = chance::token()?;
    let mut config = IdpConfig::new(Place::bind(&arguments.host, arguments.port).await?);
    config.browser_host = arguments.browser_host;
    config.admin_token = Some(admin_token.clone());
    for name in &arguments.person {
        let (given, family) = name.split_once(' ').unwrap_or((name, "Person"));
        config
            .people
            .push(Person::new(given, family, &arguments.domain)?);
    }
    let mut client = None;
    if let Some(id) = arguments.client_id {
        let secret = match arguments.client_secret {
            Some(secret) => secret,
            None => chance::token()?,
        };
        let uris = arguments.redirect_uri.iter().map(String::as_str);
        config.clients.push(Client::new(&id, &secret, uris));
        client = Some(json!({"client_id": id, "client_secret": secret}));
    }
    let people = config.people.clone();
    let idp = IdentityProvider::start(config).await?;
    for path in &arguments.saml_metadata {
        let metadata = tokio::fs::read_to_string(path).await?;
        let client = SamlClient::from_metadata(&metadata)?;
        idp.add_saml_client(client.name_id(arguments.saml_name_id));
    }
    print(&json!({
        "issuer": idp.issuer(), "admin_token": admin_token, "client": client, "people": people,
        "saml": {
            "entity_id": idp.saml_entity_id(),
            "sso_url": idp.saml_sso_url(),
            "slo_url": idp.saml_slo_url(),
            "metadata_url": idp.saml_entity_id(),
        },
    }));
    interrupted().await?;
    idp.shutdown().await;
    Ok(())
}

async fn run_app(arguments: AppArguments) -> anyhow::Result<()> {
    let place = Place::bind(&arguments.host, arguments.port).await?;
    let AppUrls {
        redirect_uri,
        post_logout_redirect_uri,
        backchannel_logout_uri,
        initiate_login_uri,
    } = AppUrls::of(&place);
    let AppArguments {
        issuer,
        client_id,
        client_secret,
        ..
    } = arguments;
    let app = SampleApp::start(AppConfig::new(place, &issuer, &client_id, &client_secret)).await?;
    print(&json!({
        "url": app.url().as_str(),
        "redirect_uri": redirect_uri,
        "post_logout_redirect_uri": post_logout_redirect_uri,
        "backchannel_logout_uri": backchannel_logout_uri,
        "initiate_login_uri": initiate_login_uri,
    }));
    interrupted().await?;
    app.shutdown().await;
    Ok(())
}

async fn run_scim(arguments: ScimArguments) -> anyhow::Result<()> {
    let dialect = match arguments.dialect {
        DialectName::Entra => Dialect::Entra,
        DialectName::Okta => Dialect::Okta,
        DialectName::Standard => Dialect::Standard,
    };
    let scim = ScimClient::new(&arguments.url, &arguments.token)?.dialect(dialect);
    let calls = act(&scim, arguments.action).await?;
    for call in &calls {
        print(&json!(call));
    }
    let failed = calls.iter().find(|call| !call.is_success());
    match failed {
        None => Ok(()),
        Some(call) => anyhow::bail!("{} {} answered {}", call.method, call.path, call.status),
    }
}

async fn act(scim: &ScimClient, action: ScimAction) -> anyhow::Result<Vec<Call>> {
    match action {
        ScimAction::Hire {
            given_name,
            family_name,
            domain,
            external_id,
        } => {
            let mut person = Person::new(&given_name, &family_name, &domain)?;
            if let Some(external_id) = external_id {
                person.oid = external_id;
            }
            let hired = scim.hire(&person).await?;
            Ok([Some(hired.lookup), hired.write]
                .into_iter()
                .flatten()
                .collect())
        }
        ScimAction::Fire { user_name } => {
            let (id, lookup) = found(scim, &user_name).await?;
            Ok(vec![lookup, scim.deactivate(&id).await?])
        }
        ScimAction::Rehire { user_name } => {
            let (id, lookup) = found(scim, &user_name).await?;
            Ok(vec![lookup, scim.reactivate(&id).await?])
        }
        ScimAction::Delete { user_name } => {
            let (id, lookup) = found(scim, &user_name).await?;
            Ok(vec![lookup, scim.delete(&id).await?])
        }
        ScimAction::Show { user_name } => {
            let (id, lookup) = found(scim, &user_name).await?;
            Ok(vec![lookup, scim.read(&id).await?])
        }
        ScimAction::Group {
            display_name,
            members,
        } => group(scim, &display_name, &members).await,
    }
}

async fn group(
    scim: &ScimClient,
    display_name: &str,
    members: &[String],
) -> anyhow::Result<Vec<Call>> {
    let pushed = scim.push_group(display_name, &chance::guid()?).await?;
    let mut calls: Vec<Call> = [Some(pushed.lookup), pushed.write]
        .into_iter()
        .flatten()
        .collect();
    let Some(group) = pushed.id else {
        return Ok(calls);
    };
    let mut ids = Vec::new();
    for user_name in members {
        let (id, lookup) = found(scim, user_name).await?;
        ids.push(id);
        calls.push(lookup);
    }
    if !ids.is_empty() {
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        calls.push(scim.add_members(&group, &ids).await?);
    }
    Ok(calls)
}

async fn found(scim: &ScimClient, user_name: &str) -> anyhow::Result<(String, Call)> {
    let lookup = scim.find_user(user_name).await?.success()?;
    match lookup.only_match().map(str::to_owned) {
        Some(id) => Ok((id, lookup)),
        None => anyhow::bail!("there is no single user of this name"),
    }
}

/// One JSON document a line, for people and scripts alike.
#[expect(clippy::print_stdout, reason = "this is the command's output")]
fn print(document: &serde_json::Value) {
    println!("{document}");
}

/// Waits for Ctrl-C or SIGTERM.
async fn interrupted() -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminated = signal(SignalKind::terminate())?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result?,
            _ = terminated.recv() => {}
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await?;
    Ok(())
}
