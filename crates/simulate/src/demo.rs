//! The demo: a company, an app and a cockpit page around a running Vestibule.
//!
//! The cockpit drives Vestibule as outsiders do: operators' work through the admin API, people
//! through SCIM, sign-in through the browser. It never touches its database or its code.

mod admin;
mod cockpit;
mod protocol;
mod roster;
mod timeline;

use anyhow::Context as _;
use serde_json::json;
use url::Url;

use crate::app::AppUrls;
use crate::http::{Http, join};
use crate::{AppConfig, IdentityProvider, IdpConfig, Place, Running, SampleApp, ScimClient};
use admin::AdminApi;
pub use cockpit::Cockpit;
pub use protocol::DemoProtocol;
use protocol::Ends;

/// What the sample app is called, at Vestibule and on the identity provider's home page.
const APP_NAME: &str = "Fieldnotes";

/// What the demo starts with.
#[derive(Debug, Clone)]
pub struct DemoConfig {
    /// Where Vestibule answers; its public URL.
    pub vestibule_url: Url,
    /// An admin API key.
    pub api_key: String,
    /// The company's name.
    pub company: String,
    /// The company's verified domain.
    pub domain: String,
    /// How the company's people sign in.
    pub protocol: DemoProtocol,
    /// The cockpit's host name in the browser.
    pub cockpit_host: String,
    /// The cockpit's port; 0 for any.
    pub cockpit_port: u16,
    /// The login page's host name in the browser; its issuer is always by address.
    pub idp_host: String,
    /// The identity provider's port; 0 for any.
    pub idp_port: u16,
    /// The sample app's host name in the browser.
    pub app_host: String,
    /// The sample app's port; 0 for any.
    pub app_port: u16,
    /// PEM certificates to trust when Vestibule is called over https.
    pub root_certificates: Vec<String>,
}

impl DemoConfig {
    /// A demo on free ports, with three host names so that the browser sees three sites.
    pub fn new(vestibule_url: Url, api_key: &str) -> Self {
        Self {
            vestibule_url,
            api_key: api_key.to_owned(),
            company: "Acme".to_owned(),
            domain: "acme.test".to_owned(),
            protocol: DemoProtocol::default(),
            cockpit_host: "localhost".to_owned(),
            cockpit_port: 0,
            idp_host: "idp.localhost".to_owned(),
            idp_port: 0,
            app_host: "app.localhost".to_owned(),
            app_port: 0,
            root_certificates: Vec::new(),
        }
    }
}

/// Everything around Vestibule that the cockpit shows and drives.
#[derive(Clone)]
pub struct DemoWorld {
    /// The company's name.
    pub company: String,
    /// The company's verified domain.
    pub domain: String,
    /// How the company's people sign in.
    pub protocol: DemoProtocol,
    /// Where Vestibule answers.
    pub vestibule_url: Url,
    /// The admin API key.
    pub api_key: String,
    /// The company's organization at Vestibule.
    pub organization_id: String,
    /// The company's directory, pushing to Vestibule.
    pub scim: ScimClient,
    /// The company's identity provider.
    pub idp: IdentityProvider,
    /// The app that the people use.
    pub app: SampleApp,
    /// The client for calls to Vestibule.
    pub http: Http,
}

impl DemoWorld {
    /// Starts the company and the app, and registers both with Vestibule over its admin API.
    pub async fn set_up(config: &DemoConfig) -> anyhow::Result<Self> {
        let http = Http::new(&config.root_certificates)?;
        let admin = AdminApi::new(http.clone(), &config.vestibule_url, &config.api_key);

        let mut idp = IdpConfig::new(Place::bind("127.0.0.1", config.idp_port).await?);
        idp.browser_host = Some(config.idp_host.clone());
        idp.company.clone_from(&config.company);
        idp.root_certificates.clone_from(&config.root_certificates);
        let idp = IdentityProvider::start(idp).await?;

        let organization = json!({"name": config.company, "domains": [config.domain]});
        let organization = admin.create("/organizations", &organization).await?;
        let organization_id = text(&organization, "/id")?;
        let below = format!("/organizations/{organization_id}");
        let directory = json!({"name": format!("{} people", config.company)});
        let directory = admin
            .create(&format!("{below}/directories"), &directory)
            .await?;
        let directory_id = text(&directory, "/id")?;
        let token = format!("/directories/{directory_id}/tokens");
        let token = admin.create(&token, &json!({"name": "demo"})).await?;
        let scim_url = text(&directory, "/scim_url")?;
        let scim = ScimClient::with_http(&scim_url, &text(&token, "/token")?, http.clone());

        let place = Place::bind(&config.app_host, config.app_port).await?;
        let urls = AppUrls::of(&place);
        let application = admin.create("/applications", &application(&urls)).await?;
        let issuer = issuer(&http, &config.vestibule_url).await?;
        let client_id = text(&application, "/client_id")?;
        let client_secret = text(&application, "/client_secret")?;
        let mut app = AppConfig::new(place, &issuer, &client_id, &client_secret);
        app.root_certificates.clone_from(&config.root_certificates);
        let app = SampleApp::start(app).await?;

        let ends = Ends {
            admin: &admin,
            http: &http,
            idp: &idp,
            path: format!("{below}/connections"),
        };
        let connection = json!({
            "name": format!("{} sign-in", config.company),
            "directory_id": directory_id,
            "default_application_id": text(&application, "/id")?,
        });
        ends.connect(config.protocol, connection).await?;

        Ok(Self {
            company: config.company.clone(),
            domain: config.domain.clone(),
            protocol: config.protocol,
            vestibule_url: config.vestibule_url.clone(),
            api_key: config.api_key.clone(),
            organization_id,
            scim,
            idp,
            app,
            http,
        })
    }
}

/// A demo that answers until it is shut down.
#[derive(Clone)]
pub struct Demo {
    world: DemoWorld,
    running: Running,
}

impl Demo {
    /// The cockpit's URL: the one thing to print.
    pub fn url(&self) -> &Url {
        self.running.url()
    }

    /// What the cockpit drives.
    pub fn world(&self) -> &DemoWorld {
        &self.world
    }

    /// Stops cockpit, app and identity provider.
    pub async fn shutdown(&self) {
        self.running.shutdown().await;
        self.world.app.shutdown().await;
        self.world.idp.shutdown().await;
    }
}

/// Sets the world up around a running Vestibule and serves the cockpit.
pub async fn run(config: DemoConfig) -> anyhow::Result<Demo> {
    let place = Place::bind(&config.cockpit_host, config.cockpit_port).await?;
    let world = DemoWorld::set_up(&config)
        .await
        .context("the demo cannot be set up")?;
    let running = Cockpit::new(world.clone()).serve(place);
    Ok(Demo { world, running })
}

fn application(urls: &AppUrls) -> serde_json::Value {
    json!({
        "name": APP_NAME,
        "redirect_uris": [urls.redirect_uri],
        "post_logout_redirect_uris": [urls.post_logout_redirect_uri],
        "backchannel_logout_uri": urls.backchannel_logout_uri,
        "initiate_login_uri": urls.initiate_login_uri,
        "token_endpoint_auth_method": "client_secret_basic",
    })
}

/// The issuer as Vestibule itself spells it.
async fn issuer(http: &Http, vestibule_url: &Url) -> anyhow::Result<String> {
    let url = join(vestibule_url, "/.well-known/openid-configuration");
    text(
        &http.get_json(&url, None).await?.success("discovery")?,
        "/issuer",
    )
}

fn text(body: &serde_json::Value, pointer: &'static str) -> anyhow::Result<String> {
    let text = body.pointer(pointer).and_then(serde_json::Value::as_str);
    text.map(str::to_owned)
        .with_context(|| format!("the answer has no {pointer}"))
}
