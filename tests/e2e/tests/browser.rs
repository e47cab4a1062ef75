//! The journey in a real Chromium: the provider on `idp.localhost`, us on `127.0.0.1`, the app on `app.localhost`.
//!
//! To a browser these are three sites; all ports of one host would be one site, and cookie faults would stay hidden.
//! `VESTIBULE_SCREENSHOTS` names a folder that gets a picture of every page on the way.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "browser/saml.rs"]
mod saml;

use std::path::PathBuf;

use url::Url;
use vestibule_simulate::scim::Call;
use vestibule_support::{
    Database,
    installation::Installation,
    server::{Company, Employee, Site, TestServer, Way, eventually},
    webdriver::WebBrowser,
};

const SIGNED_OUT: &str = "Notes from the field";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn person_signs_in_and_is_out_with_the_deactivation() {
    over_http(Way::Oidc, "http").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn person_signs_in_by_saml_and_is_out_with_the_deactivation() {
    over_http(Way::Saml, "saml-http").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn journey_is_the_same_over_https_with_cookies_that_only_this_host_can_set() {
    over_https(Way::Oidc, "https").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn journey_by_saml_is_the_same_over_https_with_cookies_that_only_this_host_can_set() {
    over_https(Way::Saml, "saml-https").await;
}

async fn over_http(way: Way, name: &'static str) {
    let Some(browser) = WebBrowser::start().await else {
        return;
    };
    let server = TestServer::start(Database::sqlite().await).await;
    // The second notice of a young session is due in a minute, and nobody waits for it here.
    server.may_leave_deliveries();
    let journey = Journey::begin(browser, Site::of(&server), way, name).await;
    journey.signs_in_and_is_fired().await;
    for cookie in journey.our_cookies().await {
        assert!(
            !cookie.name.starts_with("__"),
            "{} is for https",
            cookie.name
        );
        assert!(
            !cookie.secure,
            "{} would not come back over http",
            cookie.name
        );
    }
    journey.is_back_after_reactivation().await;
}

async fn over_https(way: Way, name: &'static str) {
    let Some(browser) = WebBrowser::start().await else {
        return;
    };
    let installation = tokio::task::block_in_place(Installation::over_https);
    let journey = Journey::begin(browser, installation.site(), way, name).await;
    journey.signs_in_and_is_fired().await;
    let cookies = journey.our_cookies().await;
    assert!(
        cookies
            .iter()
            .any(|cookie| cookie.name == "__Host-vestibule-session"),
        "{cookies:?}"
    );
    for cookie in cookies {
        assert!(
            cookie.name.starts_with("__Host-") && cookie.secure,
            "another host can set {}",
            cookie.name
        );
    }
    journey.is_back_after_reactivation().await;
}

struct Journey {
    browser: WebBrowser,
    site: Site,
    company: Company,
    employee: Employee,
    name: &'static str,
}

#[derive(Debug)]
struct Cookie {
    name: String,
    secure: bool,
}

impl Journey {
    async fn begin(browser: WebBrowser, site: Site, way: Way, name: &'static str) -> Self {
        let company = Company::by(&site, "acme.test", way).await;
        let employee = company.hire("Ada", "Lovelace").await;
        Self {
            browser,
            site,
            company,
            employee,
            name,
        }
    }

    /// Signs in, is deactivated, and learns why the next try is refused.
    async fn signs_in_and_is_fired(&self) {
        let browser = &self.browser;
        self.signs_in().await;
        let fired = self.company.scim.deactivate(&self.employee.user_id).await;
        fired.and_then(Call::success).expect("a deactivation");
        eventually("the app is told", || {
            self.company.live_session(&self.employee.user_id).is_none()
        })
        .await;
        browser.reload().await;
        browser.shows(SIGNED_OUT).await;
        self.picture("signed-out").await;

        self.names_the_company().await;
        // The provider still knows the browser, so it sends it back at once.
        browser.shows("You are not signed in").await;
        assert_eq!(browser.url().await.host_str(), Some("127.0.0.1"));
        self.picture("refused").await;
        let reason = browser.text().await;
        for part in ["deactivated", "What to do next", "Who has to act", "lgn_"] {
            assert!(
                reason.contains(part),
                "the page does not say “{part}”: {reason}"
            );
        }
        assert!(
            self.company.app.state().live_sessions().next().is_none(),
            "nobody is signed in to the app"
        );
    }

    /// The reason of the refusal is gone, and so is the refusal; the old sign-in stays dead.
    async fn is_back_after_reactivation(&self) {
        let hired = self.company.scim.reactivate(&self.employee.user_id).await;
        hired.and_then(Call::success).expect("a reactivation");
        self.names_the_company().await;
        self.browser.shows("Hello, Ada Lovelace").await;
        // Our own page knows the new sign-in by its cookie.
        self.browser.open(&self.site.url).await;
        self.browser.shows("You are signed in").await;
        self.picture("our-own-page").await;
    }

    /// From the app's button by the provider's form to the app.
    async fn signs_in(&self) {
        self.names_the_company().await;
        self.types_the_password().await;
        self.browser.shows("Hello, Ada Lovelace").await;
        assert_eq!(self.browser.url().await, *self.company.app.url());
        self.picture("signed-in").await;
    }

    /// Fills the provider's form, once the browser is there.
    async fn types_the_password(&self) {
        let (browser, person) = (&self.browser, &self.employee.person);
        browser
            .type_into("input[name=username]", &person.user_name)
            .await;
        assert_eq!(browser.url().await.host_str(), Some("idp.localhost"));
        browser
            .type_into("input[name=password]", &person.password)
            .await;
        self.picture("provider").await;
        browser.click("button[type=submit]").await;
    }

    /// From the app to our login page, where the address says which provider it is.
    async fn names_the_company(&self) {
        self.begin_at_the_app().await;
        self.browser
            .type_into("input[name=email]", &self.employee.person.email)
            .await;
        self.browser.click("button.primary").await;
    }

    /// From the app's button to our login page, which has to ask.
    async fn begin_at_the_app(&self) {
        self.browser.open(self.company.app.url().as_str()).await;
        self.browser.shows(SIGNED_OUT).await;
        self.browser.click("a.button").await;
        self.browser.shows("Work e-mail").await;
        let here: Url = self.site.url.parse().expect("a URL");
        assert_eq!(self.browser.url().await.origin(), here.origin());
        self.picture("login").await;
    }

    async fn our_cookies(&self) -> Vec<Cookie> {
        self.browser.open(&format!("{}/login", self.site.url)).await;
        let cookies = self.browser.cookies().await;
        assert!(!cookies.is_empty(), "we have set cookies");
        cookies
            .iter()
            .map(|cookie| {
                assert_eq!(
                    (&cookie["httpOnly"], &cookie["sameSite"], &cookie["path"]),
                    (&true.into(), &"Lax".into(), &"/".into()),
                    "{cookie}"
                );
                Cookie {
                    name: cookie["name"].as_str().unwrap_or_default().to_owned(),
                    secure: cookie["secure"] == true,
                }
            })
            .collect()
    }

    async fn picture(&self, page: &str) {
        if let Some(folder) = std::env::var_os("VESTIBULE_SCREENSHOTS") {
            let file = PathBuf::from(folder).join(format!("{}-{page}.png", self.name));
            std::fs::write(file, self.browser.screenshot().await).expect("the picture is written");
        }
    }
}
