//! The identity provider and the app against each other, through a scripted browser.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use vestibule_simulate::app::{AppConfig, AppEventKind, AppUrls};
use vestibule_simulate::jose::{Algorithm, SigningKey};
use vestibule_simulate::{
    Browser, Client, Fault, Faults, IdentityProvider, IdpConfig, Page, Person, Place, SampleApp,
};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use url::Url;

struct World {
    idp: IdentityProvider,
    app: SampleApp,
    ada: Person,
    browser: Browser,
}

impl World {
    async fn new() -> Self {
        Self::with(Algorithm::Es256, None).await
    }

    async fn with(algorithm: Algorithm, browser_host: Option<&str>) -> Self {
        let mut config = IdpConfig::new(Place::bind("127.0.0.1", 0).await.unwrap());
        config.algorithm = algorithm;
        config.browser_host = browser_host.map(str::to_owned);
        let idp = IdentityProvider::start(config).await.unwrap();
        let ada = Person::new("Ada", "Lovelace", "acme.test").unwrap();
        idp.add_person(ada.clone());
        let place = Place::bind("app.localhost", 0).await.unwrap();
        let urls = AppUrls::of(&place);
        let mut client = Client::new("sample", "a secret: +%", [urls.redirect_uri.as_str()]);
        client.backchannel_logout_uri = Some(urls.backchannel_logout_uri);
        client.post_logout_redirect_uris = vec![urls.post_logout_redirect_uri];
        idp.add_client(client);
        let config = AppConfig::new(place, idp.issuer(), "sample", "a secret: +%");
        let app = SampleApp::start(config).await.unwrap();
        Self {
            idp,
            app,
            ada,
            browser: Browser::new().unwrap(),
        }
    }

    fn at_app(&self, path: &str) -> Url {
        self.app.url().join(path).unwrap()
    }

    async fn sign_in(&mut self) -> Page {
        let form = self.browser.get(&self.at_app("login")).await.unwrap();
        assert_eq!(form.status, 200, "{}", form.body);
        if form.forms().iter().any(|form| form.has("password")) {
            let fields = [
                ("username", &*self.ada.user_name),
                ("password", &self.ada.password),
            ];
            return self.browser.submit(&form, &fields).await.unwrap();
        }
        form
    }

    async fn notify(&self, token: &str) -> u16 {
        let http = vestibule_simulate::http::Http::new(&[]).unwrap();
        let to = &self.app.urls().backchannel_logout_uri;
        http.post_form(to, None, &[("logout_token", token)])
            .await
            .unwrap()
            .status
    }

    fn live(&self) -> usize {
        self.app.state().live_sessions().count()
    }
}

#[tokio::test]
async fn a_person_signs_in_refreshes_and_signs_out() {
    for (algorithm, host) in [
        (Algorithm::Rs256, None),
        (Algorithm::Es256, Some("idp.localhost")),
    ] {
        let mut world = World::with(algorithm, host).await;
        let home = world.sign_in().await;
        assert_eq!(home.url, *world.app.url());
        assert!(home.body.contains("Hello, Ada Lovelace"), "{}", home.body);
        let session = world.app.state().sessions[0].clone();
        assert_eq!(session.sub, world.ada.sub);
        assert_eq!(session.claim("oid"), Some(world.ada.oid.as_str()));
        assert!(session.sid.is_some());

        let refresh = home.forms()[0].clone();
        let home = world
            .browser
            .submit_form(&home, &refresh, &[])
            .await
            .unwrap();
        assert!(home.body.contains("Fresh tokens arrived"), "{}", home.body);
        assert!(
            world
                .app
                .probe(&session.id)
                .await
                .unwrap()
                .access_token
                .is_accepted()
        );

        let sign_out = home.forms()[1].clone();
        let home = world
            .browser
            .submit_form(&home, &sign_out, &[])
            .await
            .unwrap();
        assert_eq!(home.url, *world.app.url());
        assert!(home.body.contains("Notes from the field"), "{}", home.body);
        assert_eq!(world.live(), 0);
        let form = world.browser.get(&world.at_app("login")).await.unwrap();
        assert!(
            form.forms()[0].has("password"),
            "the provider's session ended too"
        );
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_the_form_can_be_tried_again() {
    let mut world = World::new().await;
    let form = world
        .browser
        .get(&world.at_app("login?login_hint=ada"))
        .await
        .unwrap();
    assert_eq!(form.forms()[0].value("username"), Some("ada"));
    let name = world.ada.user_name.clone();
    let again = world
        .browser
        .submit(&form, &[("username", &name), ("password", "no")])
        .await
        .unwrap();
    assert_eq!(again.status, 401);
    let password = world.ada.password.clone();
    let home = world
        .browser
        .submit(&again, &[("password", &password)])
        .await
        .unwrap();
    assert!(home.body.contains("Ada Lovelace"), "{}", home.body);
}

#[tokio::test]
async fn prompt_and_max_age_decide_whether_the_person_is_asked() {
    let mut world = World::new().await;
    let refused = world
        .browser
        .get(&world.at_app("login?prompt=none"))
        .await
        .unwrap();
    assert!(refused.body.contains("login_required"), "{}", refused.body);
    world.sign_in().await;
    let silent = world
        .browser
        .get(&world.at_app("login?prompt=none"))
        .await
        .unwrap();
    assert!(silent.body.contains("Ada Lovelace"), "{}", silent.body);
    let asked = world
        .browser
        .get(&world.at_app("login?prompt=login"))
        .await
        .unwrap();
    assert!(asked.forms()[0].has("password"));
    let asked = world
        .browser
        .get(&world.at_app("login?max_age=-1"))
        .await
        .unwrap();
    assert!(asked.forms()[0].has("password"));
}

#[tokio::test]
async fn every_fault_of_the_provider_is_refused_by_the_app() {
    let mut world = World::new().await;
    world.sign_in().await;
    let good = world.app.state().sessions.len();
    for fault in [
        Fault::WrongNonce,
        Fault::NoNonce,
        Fault::WrongAudience,
        Fault::ExtraAudience,
        Fault::WrongIssuer,
        Fault::BadSignature,
        Fault::Unsigned,
        Fault::KeyConfusion,
        Fault::UnknownKey,
        Fault::Expired,
        Fault::IssuedInFuture,
        Fault::NoSubject,
        Fault::WrongAccessTokenHash,
        Fault::NoIssParameter,
        Fault::WrongIssParameter,
        Fault::WrongState,
        Fault::TokenEndpointDown,
    ] {
        world.idp.set_faults(Faults::of([fault]));
        let page = world.browser.get(&world.at_app("login")).await.unwrap();
        assert_eq!(page.status, 400, "{fault:?}: {}", page.body);
        assert_eq!(world.app.state().sessions.len(), good, "{fault:?}");
    }
    world.idp.set_faults(Faults::of([Fault::OldAuthentication]));
    let page = world
        .browser
        .get(&world.at_app("login?max_age=600"))
        .await
        .unwrap();
    assert!(page.body.contains("older than max_age"), "{}", page.body);
    world.idp.set_faults(Faults::none());
    let page = world.browser.get(&world.at_app("login")).await.unwrap();
    assert!(page.body.contains("Ada Lovelace"), "{}", page.body);
}

#[tokio::test]
async fn a_fault_of_discovery_or_keys_stops_the_first_login() {
    for fault in [Fault::WrongDiscoveryIssuer, Fault::KeysDown] {
        let mut world = World::new().await;
        world.idp.set_faults(Faults::of([fault]));
        let page = world.browser.get(&world.at_app("login")).await.unwrap();
        if page.status == 502 {
            continue;
        }
        let fields = [
            ("username", &*world.ada.user_name),
            ("password", &world.ada.password),
        ];
        let page = world.browser.submit(&page, &fields).await.unwrap();
        assert_eq!(page.status, 400, "{fault:?}: {}", page.body);
    }
}

#[tokio::test]
async fn rotated_keys_are_found() {
    let mut world = World::new().await;
    world.sign_in().await;
    world.idp.rotate_key(Algorithm::Rs256).unwrap();
    let home = world.sign_in().await;
    assert!(home.body.contains("Ada Lovelace"), "{}", home.body);
}

#[tokio::test]
async fn an_answer_counts_once_and_only_in_the_browser_that_began() {
    let mut world = World::new().await;
    world.sign_in().await;
    world.browser.stop_before(&world.at_app("callback"));
    let stopped = world.browser.get(&world.at_app("login")).await.unwrap();
    let answer = stopped.location().unwrap();
    world.browser.stop_nowhere();
    let mut thief = Browser::new().unwrap();
    assert_eq!(thief.get(&answer).await.unwrap().status, 400);
    let used_up = world.browser.get(&answer).await.unwrap();
    assert_eq!(used_up.status, 400, "{}", used_up.body);
}

#[tokio::test]
async fn a_logout_notice_ends_the_sessions_that_it_names() {
    let mut world = World::new().await;
    world.sign_in().await;
    let mut events = world.app.events();
    assert_eq!(
        world.idp.end_sessions(&world.ada.user_name).await.unwrap(),
        1
    );
    assert_eq!(world.live(), 0);
    let ended = events.recv().await.unwrap();
    assert_eq!(ended.kind, AppEventKind::SessionEnded("logout_token"));
    assert_eq!(
        events.recv().await.unwrap().kind,
        AppEventKind::LogoutNotice(1)
    );
    let home = world.browser.get(world.app.url()).await.unwrap();
    assert!(home.body.contains("Notes from the field"), "{}", home.body);

    world.sign_in().await;
    let elsewhere = world
        .idp
        .logout_token("sample", &json!({"sid": "another"}))
        .unwrap();
    assert_eq!(world.notify(&elsewhere).await, 200);
    assert_eq!(world.live(), 1);
    let everywhere = world
        .idp
        .logout_token("sample", &json!({"sub": world.ada.sub}))
        .unwrap();
    assert_eq!(world.notify(&everywhere).await, 200);
    assert_eq!(world.live(), 0);
    assert_eq!(world.app.state().logout_tokens.len(), 3);
}

#[tokio::test]
async fn a_forged_logout_notice_is_refused() {
    let mut world = World::new().await;
    world.sign_in().await;
    let sub = &world.ada.sub;
    let now = world.app.state().sessions[0].started_at / 1000;
    let other_event = json!({"http://schemas.openid.net/event/other": {}});
    let wrong = [
        json!({"sub": sub, "iss": "https://other.example"}),
        json!({"sub": sub, "aud": "another"}),
        json!({"sub": sub, "aud": ["sample", "another"]}),
        json!({"sub": sub, "nonce": "n"}),
        json!({"sub": sub, "events": other_event}),
        json!({"sub": sub, "events": null}),
        json!({"sub": sub, "jti": null}),
        json!({"sub": sub, "iat": null}),
        json!({"sub": sub, "iat": now + 3600}),
        json!({"sub": sub, "iat": now - 3600}),
        json!({"sub": sub, "exp": now - 3600}),
        json!({}),
    ];
    for changes in &wrong {
        let token = world.idp.logout_token("sample", changes).unwrap();
        assert_eq!(world.notify(&token).await, 400, "{changes}");
    }
    let good = world
        .idp
        .logout_token("sample", &json!({"sub": sub}))
        .unwrap();
    let claims: Value = claims_of(&good);
    let forger = SigningKey::generate(Algorithm::Es256).unwrap();
    assert_eq!(
        world
            .notify(&forger.sign("logout+jwt", &claims).unwrap())
            .await,
        400
    );
    assert_eq!(world.notify("nonsense").await, 400);
    assert_eq!(world.live(), 1, "nothing forged ended the session");

    assert_eq!(world.notify(&good).await, 200);
    assert_eq!(world.notify(&good).await, 400, "a jti counts once");
    assert_eq!(world.live(), 0);
}

#[tokio::test]
async fn somebody_who_left_cannot_refresh() {
    let mut world = World::new().await;
    world.sign_in().await;
    let session = world.app.state().sessions[0].id.clone();
    world.idp.remove_person(&world.ada.user_name).unwrap();
    let probe = world.app.probe(&session).await.unwrap();
    assert_eq!(probe.access_token.status, 401);
    assert_eq!(
        probe.refresh_token.unwrap().error.as_deref(),
        Some("invalid_grant")
    );
    assert_eq!(world.live(), 0, "the app does not outlive its grant");
}

#[tokio::test]
async fn the_provider_can_start_a_login() {
    let mut world = World::new().await;
    world.sign_in().await;
    let mut url = world.at_app("initiate");
    url.query_pairs_mut().append_pair("iss", world.idp.issuer());
    let home = world.browser.get(&url).await.unwrap();
    assert!(home.body.contains("Ada Lovelace"), "{}", home.body);
    let foreign = world.at_app("initiate?iss=https://other.example");
    assert_eq!(world.browser.get(&foreign).await.unwrap().status, 400);
}

#[tokio::test]
async fn unregistered_clients_and_addresses_get_no_redirect() {
    let mut world = World::new().await;
    let urls = world.app.urls().clone();
    for (client, redirect) in [
        ("unknown", urls.redirect_uri.as_str()),
        ("sample", "http://evil.localhost/callback"),
    ] {
        let mut url = world.idp.url().join("authorize").unwrap();
        url.query_pairs_mut()
            .append_pair("client_id", client)
            .append_pair("redirect_uri", redirect)
            .append_pair("response_type", "code")
            .append_pair("scope", "openid");
        let page = world.browser.get_once(&url).await.unwrap();
        assert_eq!((page.status, page.location()), (400, None));
    }
}

#[tokio::test]
async fn a_foreign_host_name_is_not_served() {
    let world = World::new().await;
    let port = world.app.url().port().unwrap();
    let mut socket = tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .unwrap();
    let request =
        format!("GET /state HTTP/1.1\r\nhost: evil.example:{port}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 421"), "{answer}");
}

fn claims_of(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(payload)
        .unwrap();
    serde_json::from_slice(&bytes).unwrap()
}
