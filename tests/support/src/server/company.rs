use serde_json::{Value, json};
use vestibule_simulate::{
    Browser, Client, IdentityProvider, IdpConfig, Page, Person, Place, SampleApp, ScimClient,
    app::{AppConfig, AppSession, AppUrls, LogoutToken},
    idp::{NameIdKind, SamlClient},
};

use super::{Site, TestServer};

const UPSTREAM_SECRET: &str = "the secret that we have at the company's provider";

/// A customer: its identity provider, its directory, and an app that its people use.
///
/// To a browser the provider is `idp.localhost`, we are `127.0.0.1` and the app is `app.localhost`: three sites.
pub struct Company {
    /// The organization.
    pub organization_id: String,
    /// Its verified domain.
    pub domain: String,
    /// Its directory.
    pub directory_id: String,
    /// Where the directory pushes to.
    pub scim_url: String,
    /// The directory's bearer token.
    pub scim_token: String,
    /// The directory's client, speaking as Entra does.
    pub scim: ScimClient,
    /// Its way in.
    pub connection_id: String,
    /// Its identity provider.
    pub idp: IdentityProvider,
    /// The app, which listens to logout notices.
    pub app: SampleApp,
    /// The app's client id.
    pub client_id: String,
    /// The app's client secret.
    pub client_secret: String,
}

/// How a company's people come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By OpenID Connect.
    Oidc,
    /// By SAML.
    Saml,
}

/// Somebody whom the directory has pushed.
#[derive(Debug, Clone)]
pub struct Employee {
    /// As the company knows them.
    pub person: Person,
    /// The id of the user, which is the `sub`, and the SCIM id too.
    pub user_id: String,
}

impl Company {
    /// The company with the domain `acme.test`.
    pub async fn set_up(server: &TestServer) -> Self {
        Self::with_domain(server, "acme.test").await
    }

    /// A company with this domain.
    pub async fn with_domain(server: &TestServer, domain: &str) -> Self {
        Self::at(&Site::of(server), domain).await
    }

    /// A company with this domain at any installation.
    pub async fn at(site: &Site, domain: &str) -> Self {
        Self::by(site, domain, Way::Oidc).await
    }

    /// A company whose people sign in by SAML, with the domain `acme.test`.
    pub async fn by_saml(server: &TestServer) -> Self {
        Self::by(&Site::of(server), "acme.test", Way::Saml).await
    }

    /// A company with this domain and this way in.
    pub async fn by(site: &Site, domain: &str, way: Way) -> Self {
        let admin = &site.admin;
        let organization = admin
            .post(
                "/organizations",
                json!({ "name": domain, "domains": [domain] }),
            )
            .await;
        let organization_id = text(&organization, "id");
        let directory = admin
            .post(
                &format!("/organizations/{organization_id}/directories"),
                json!({ "name": "People" }),
            )
            .await;
        let directory_id = text(&directory, "id");
        let scim_url = text(&directory, "scim_url").replace(&site.issuer, &site.url);
        let token = admin
            .post(
                &format!("/directories/{directory_id}/tokens"),
                json!({ "name": "sync" }),
            )
            .await;
        let scim_token = text(&token, "token");
        let idp = provider().await;
        let connection_id = match way {
            Way::Oidc => connect(site, &organization_id, &idp).await,
            Way::Saml => connect_saml(site, &organization_id, &idp).await,
        };
        let (app, client_id, client_secret) = app(site).await;
        Self {
            scim: ScimClient::with_http(&scim_url, &scim_token, site.http()),
            domain: domain.to_owned(),
            organization_id,
            directory_id,
            scim_url,
            scim_token,
            connection_id,
            idp,
            app,
            client_id,
            client_secret,
        }
    }

    /// Lets the directory push somebody, and the identity provider know them.
    pub async fn hire(&self, given_name: &str, family_name: &str) -> Employee {
        let person = Person::new(given_name, family_name, &self.domain).expect("a person");
        self.idp.add_person(person.clone());
        self.push(person).await
    }

    /// Lets the directory push somebody.
    pub async fn push(&self, person: Person) -> Employee {
        let hired = self
            .scim
            .hire(&person)
            .await
            .expect("the directory is answered");
        let user_id = hired
            .id
            .clone()
            .unwrap_or_else(|| panic!("{person:?} is pushed: {hired:?}"));
        Employee { person, user_id }
    }

    /// Lets the identity provider know somebody whom the directory does not push.
    pub fn stranger(&self, given_name: &str, family_name: &str) -> Person {
        let person = Person::new(given_name, family_name, &self.domain).expect("a person");
        self.idp.add_person(person.clone());
        person
    }

    /// Signs somebody in to the app and gives the page where they end up.
    pub async fn sign_in(&self, browser: &mut Browser, person: &Person) -> Page {
        let login = format!("login?organization={}", self.organization_id);
        let login = self.app.url().join(&login).expect("the app's login");
        let page = browser.get(&login).await.expect("the login begins");
        self.at_provider(browser, page, person).await
    }

    /// Types name and password, where the provider asks for them.
    pub async fn at_provider(&self, browser: &mut Browser, page: Page, person: &Person) -> Page {
        let page = press_on(browser, page).await;
        if page.url.host_str() != Some("idp.localhost") && page.url.port() != self.idp.url().port()
        {
            return page;
        }
        let fields = [
            ("username", person.user_name.as_str()),
            ("password", person.password.as_str()),
        ];
        let page = browser
            .submit(&page, &fields)
            .await
            .expect("the provider's form is answered");
        press_on(browser, page).await
    }

    /// The SAML service provider that we are to the company's provider.
    pub async fn saml_client(&self, site: &Site) -> SamlClient {
        saml_client(site, &self.connection_id).await
    }

    /// Signs somebody in to the app; fails the test unless they are in.
    pub async fn signed_in(&self, browser: &mut Browser, employee: &Employee) -> AppSession {
        let page = self.sign_in(browser, &employee.person).await;
        assert_eq!(
            (page.status, &page.url),
            (200, self.app.url()),
            "{}",
            page.body
        );
        self.live_session(&employee.user_id)
            .expect("a session at the app")
    }

    /// The app's live session of a user, the newest if there are several.
    pub fn live_session(&self, user_id: &str) -> Option<AppSession> {
        let state = self.app.state();
        state
            .live_sessions()
            .filter(|session| session.sub == user_id)
            .last()
            .cloned()
    }

    /// The verified logout notices that named this session of this user.
    pub fn notices(&self, session: &AppSession) -> Vec<LogoutToken> {
        let named = |token: &LogoutToken| {
            token.sid == session.sid && token.sub.as_ref() == Some(&session.sub)
        };
        self.app
            .state()
            .logout_tokens
            .into_iter()
            .filter(named)
            .collect()
    }

    /// The newest login record of the organization.
    pub async fn last_login(&self, server: &TestServer) -> Value {
        let logins = server
            .admin
            .get(&format!(
                "/organizations/{}/logins?limit=1",
                self.organization_id
            ))
            .await;
        logins["data"].get(0).cloned().unwrap_or_default()
    }

    /// How many users the organization has.
    pub async fn count_users(&self, server: &TestServer) -> usize {
        let users = server
            .admin
            .get(&format!(
                "/organizations/{}/users?limit=500",
                self.organization_id
            ))
            .await;
        users["data"].as_array().map_or(0, Vec::len)
    }
}

async fn provider() -> IdentityProvider {
    let place = Place::bind("127.0.0.1", 0)
        .await
        .expect("a place for the provider");
    let mut config = IdpConfig::new(place);
    config.browser_host = Some("idp.localhost".to_owned());
    // Keys of this kind are made at once; the others take a debug build a second.
    config.algorithm = vestibule_simulate::jose::Algorithm::Es256;
    IdentityProvider::start(config).await.expect("a provider")
}

/// Connects an organization to a provider: the directory's `externalId` is the claim `oid`.
async fn connect(site: &Site, organization_id: &str, idp: &IdentityProvider) -> String {
    let connection = json!({
        "protocol": "oidc",
        "oidc": { "issuer": idp.issuer(), "client_id": "vestibule", "client_secret": UPSTREAM_SECRET },
        "join": { "directory": "externalId", "claim": "oid" },
    });
    let connection = site
        .admin
        .post(
            &format!("/organizations/{organization_id}/connections"),
            connection,
        )
        .await;
    let redirect_uri = text(&connection["oidc"], "redirect_uri");
    let mut client = Client::new("vestibule", UPSTREAM_SECRET, [redirect_uri.as_str()]);
    // To where the server itself listens, past any proxy that the public URL names.
    let notices = text(&connection["oidc"], "backchannel_logout_uri");
    client.backchannel_logout_uri = Some(notices.replace(&site.issuer, &site.url));
    idp.add_client(client);
    text(&connection, "id")
}

/// Connects an organization to a provider by SAML: the directory's `externalId` is the persistent NameID.
async fn connect_saml(site: &Site, organization_id: &str, idp: &IdentityProvider) -> String {
    let metadata = idp.saml_metadata().expect("the provider's metadata");
    let connection = json!({
        "protocol": "saml",
        "saml": { "metadata_xml": metadata },
        "join": { "directory": "externalId", "claim": "name_id" },
    });
    let connection = site
        .admin
        .post(
            &format!("/organizations/{organization_id}/connections"),
            connection,
        )
        .await;
    let connection_id = text(&connection, "id");
    idp.add_saml_client(saml_client(site, &connection_id).await);
    connection_id
}

async fn saml_client(site: &Site, connection_id: &str) -> SamlClient {
    let url = format!("{}/sso/saml/{connection_id}/metadata", site.url);
    let mut browser = Browser::with_http(site.http());
    let metadata = browser
        .get(&url.parse().expect("our metadata's address"))
        .await
        .expect("our metadata");
    SamlClient::from_metadata(&metadata.body)
        .expect("metadata that a provider understands")
        .name_id(NameIdKind::ObjectId)
}

/// Presses the button of pages that a script would send on at once; fails the test where nobody answers.
pub async fn press_on(browser: &mut Browser, page: Page) -> Page {
    browser.press_on(page).await.expect("the form is answered")
}

async fn app(site: &Site) -> (SampleApp, String, String) {
    let place = Place::bind("app.localhost", 0)
        .await
        .expect("a place for the app");
    let urls = AppUrls::of(&place);
    let application = json!({
        "name": "Fieldnotes",
        "redirect_uris": [urls.redirect_uri],
        "post_logout_redirect_uris": [urls.post_logout_redirect_uri],
        "backchannel_logout_uri": urls.backchannel_logout_uri,
        "initiate_login_uri": urls.initiate_login_uri,
    });
    let application = site.admin.post("/applications", application).await;
    let (client_id, client_secret) = (
        text(&application, "client_id"),
        text(&application, "client_secret"),
    );
    let mut config = AppConfig::new(place, &site.issuer, &client_id, &client_secret);
    config.root_certificates.clone_from(&site.root_certificates);
    (
        SampleApp::start(config).await.expect("an app"),
        client_id,
        client_secret,
    )
}

fn text(value: &Value, member: &str) -> String {
    let text = value.get(member).and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("{value} has no {member}"))
        .to_owned()
}
