//! What only a real browser shows of SAML: forms that send themselves across sites, and which cookies go with them.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde_json::{Value, json};
use vestibule_simulate::{
    Fault, Faults,
    idp::{SamlClient, SloBinding},
    scim::Call,
};
use vestibule_support::{
    Database,
    server::{Site, TestServer, Way, eventually},
    webdriver::WebBrowser,
};

use super::{Journey, SIGNED_OUT};

/// A journey by SAML on a server in this process; none where there is no browser.
async fn journey(name: &'static str) -> Option<(TestServer, Journey)> {
    let browser = WebBrowser::start().await?;
    let server = TestServer::start(Database::sqlite().await).await;
    server.may_leave_deliveries();
    let journey = Journey::begin(browser, Site::of(&server), Way::Saml, name).await;
    Some((server, journey))
}

impl Journey {
    async fn change_connection(&self, change: Value) {
        let path = format!("/connections/{}", self.company.connection_id);
        self.site.admin.patch(&path, change).await;
    }

    /// Opens a page of the provider in the site that people see.
    async fn opens_at_the_provider(&self, path: &str) {
        let url = self.company.idp.home_url().join(path).expect("a path");
        self.browser.open(url.as_str()).await;
    }

    fn live_sessions(&self) -> usize {
        self.company.app.state().live_sessions().count()
    }

    /// The newest login records of the organization, newest first.
    async fn logins(&self) -> Vec<Value> {
        let path = format!("/organizations/{}/logins", self.company.organization_id);
        let logins = self.site.admin.get(&path).await;
        logins
            .get("data")
            .and_then(|data| data.as_array())
            .cloned()
            .unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_by_form_sends_itself_under_our_policy() {
    let Some((_server, journey)) = journey("saml-post").await else {
        return;
    };
    journey
        .change_connection(json!({ "saml": { "sso_binding": "post" } }))
        .await;
    // Nothing is pressed between our login page and the provider's.
    journey.signs_in().await;

    // Where scripts do not run, the page explains itself and has a button.
    journey.browser.forget_cookies().await;
    journey.browser.run_scripts(false).await;
    journey.names_the_company().await;
    journey.browser.shows("Continue").await;
    let here = journey.browser.url().await;
    assert!(
        here.as_str().starts_with(&journey.site.url),
        "the page waits on our own host: {here}"
    );
    journey.picture("forward").await;
    journey.browser.click("button[type=submit]").await;
    journey.types_the_password().await;
    journey.browser.shows("You are being sent on").await;
    journey.browser.click("button[type=submit]").await;
    journey.browser.shows("Hello, Ada Lovelace").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn login_that_begins_at_the_provider_ends_at_the_app() {
    let Some((_server, journey)) = journey("saml-tile").await else {
        return;
    };
    let wanted = json!({
        "allow_idp_initiated": true,
        "default_application_id": journey.company.client_id,
    });
    journey.change_connection(wanted).await;
    journey.opens_at_the_provider("/").await;
    journey.picture("home").await;
    journey.browser.click(".apps a").await;
    journey.types_the_password().await;
    journey.browser.shows("Hello, Ada Lovelace").await;
    assert_eq!(journey.browser.url().await, *journey.company.app.url());
    let logins = journey.logins().await;
    assert_eq!(
        [&logins[0]["outcome"], &logins[1]["outcome"]],
        ["succeeded", "restarted"],
        "what nobody asked for signs nobody in: {logins:?}"
    );

    let fired = journey.company.scim.deactivate(&journey.employee.user_id);
    fired.await.and_then(Call::success).expect("a deactivation");
    eventually("the app is told", || journey.live_sessions() == 0).await;
    journey.opens_at_the_provider("/").await;
    journey.browser.click(".apps a").await;
    journey.browser.shows("You are not signed in").await;
    assert_eq!(journey.live_sessions(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logout_at_the_provider_signs_out_of_the_app_by_either_binding() {
    let Some((_server, journey)) = journey("saml-logout").await else {
        return;
    };
    let mut client = journey.company.saml_client(&journey.site).await;
    for binding in [SloBinding::Redirect, SloBinding::Post] {
        client.slo_binding = binding;
        journey.company.idp.add_saml_client(client.clone());
        journey.signs_in().await;
        journey.opens_at_the_provider("/logout").await;
        journey.browser.shows("Signed out").await;
        assert_eq!(
            journey.browser.url().await.host_str(),
            Some("idp.localhost"),
            "our answer leads back to the provider ({binding:?})"
        );
        eventually("the app is told", || journey.live_sessions() == 0).await;
        // Our own session is over as well: the login page has to ask.
        journey.begin_at_the_app().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logout_at_the_app_signs_out_at_the_provider_and_comes_back() {
    let Some((_server, journey)) = journey("saml-logout-app").await else {
        return;
    };
    for binding in [SloBinding::Redirect, SloBinding::Post] {
        let mut client = journey.company.saml_client(&journey.site).await;
        client.slo_binding = binding;
        journey.company.idp.add_saml_client(client);
        journey.signs_in().await;
        journey.browser.click("form[action='/logout'] button").await;
        journey.browser.shows(SIGNED_OUT).await;
        assert_eq!(
            journey.browser.url().await.host_str(),
            Some("app.localhost"),
            "{binding:?}"
        );
        // The provider has forgotten the person too, so the next sign-in asks for the password.
        journey.opens_at_the_provider("/").await;
        journey.browser.shows("Your apps").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusal_of_a_response_tells_the_person_whom_to_ask() {
    let Some((_server, journey)) = journey("saml-refused").await else {
        return;
    };
    for (fault, name, rule) in [
        (Fault::SamlForeignKey, "signature", "signature"),
        (Fault::SamlWrongAudience, "audience", "audience"),
        (Fault::SamlClockAhead(3600), "clock", "not_yet_valid"),
        (Fault::SamlStatusRequestDenied, "status", "status"),
    ] {
        journey.browser.forget_cookies().await;
        journey.company.idp.set_faults(Faults::of([fault]));
        journey.names_the_company().await;
        journey.types_the_password().await;
        journey.browser.shows("You are not signed in").await;
        journey.picture(name).await;
        let told = journey.browser.text().await;
        for part in [rule, "What to do next", "Who has to act", "lgn_"] {
            assert!(told.contains(part), "{name} does not say “{part}”: {told}");
        }
        assert_eq!(journey.live_sessions(), 0, "{name}");
    }
}

/// What the design of the way in rests on: the form from another site comes without our cookies, the redirect after
/// it comes with them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn form_from_the_provider_comes_without_our_cookies_and_the_redirect_after_it_with_them() {
    let Some((_server, journey)) = journey("saml-cookies").await else {
        return;
    };
    let recorder = Recorder::start().await;
    let acs = format!("{}/acs", recorder.url);
    let client = SamlClient::new("recorder", &acs);
    journey.company.idp.add_saml_client(client);
    journey.signs_in().await;
    // Ports do not part cookies: whatever stands on 127.0.0.1 gets ours.
    journey
        .opens_at_the_provider("/saml/start?sp=recorder")
        .await;
    journey.browser.shows("recorded").await;
    let seen = recorder.seen();
    let [posted, followed] = seen.as_slice() else {
        panic!("the form and the redirect: {seen:?}");
    };
    assert_eq!((posted.method.as_str(), &posted.cookies), ("POST", &None));
    assert_eq!(followed.method, "GET");
    let cookies = followed.cookies.as_deref().unwrap_or_default();
    assert!(cookies.contains("vestibule-session="), "{cookies}");
}

/// A server on our host that writes down which cookies came.
struct Recorder {
    url: String,
    requests: Requests,
}

type Requests = Arc<Mutex<Vec<Recorded>>>;

#[derive(Debug, Clone)]
struct Recorded {
    method: String,
    cookies: Option<String>,
}

impl Recorder {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let requests = Requests::default();
        let router = Router::new()
            .route("/acs", axum::routing::any(record))
            .with_state(requests.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            url: format!("http://{address}"),
            requests,
        }
    }

    fn seen(&self) -> Vec<Recorded> {
        self.requests.lock().expect("the records").clone()
    }
}

async fn record(State(seen): State<Requests>, method: Method, headers: HeaderMap) -> Response {
    let cookies = headers.get(header::COOKIE);
    let cookies = cookies.map(|value| value.to_str().unwrap_or_default().to_owned());
    seen.lock().expect("the records").push(Recorded {
        method: method.to_string(),
        cookies,
    });
    match method == Method::POST {
        true => Redirect::to("/acs").into_response(),
        false => (StatusCode::OK, "recorded").into_response(),
    }
}
