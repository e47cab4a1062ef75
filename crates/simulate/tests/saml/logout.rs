//! Single logout, whoever begins it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;
use vestibule_simulate::saml::{
    Direction, Element, KeyKind, LogoutRequest, LogoutResponse, NameId, PARTIAL_LOGOUT,
    QuerySigner, RedirectMessage, SUCCESS, SamlKey, Signer, Status, Style, redirect_url,
};
use vestibule_simulate::{Page, SamlClient, SloBinding};

use crate::world::{ACS, SLO, SP, World, is_login, response_of, xml_of};

const OTHER: &str = "https://other-sp.example";
const OTHER_ACS: &str = "http://127.0.0.1:1/other/acs";
const OTHER_SLO: &str = "http://127.0.0.1:1/other/slo";

/// Two service providers that sign, the second of which takes logout by POST.
struct Logout {
    world: World,
    key: SamlKey,
    name_id: NameId,
    session_index: String,
}

impl Logout {
    async fn new() -> Self {
        let key = SamlKey::generate(KeyKind::P256).unwrap();
        let mut client = SamlClient::new(SP, ACS);
        client.certificates = vec![key.certificate().clone()];
        let mut world = World::with(client.clone()).await;
        let other = SamlClient {
            entity_id: OTHER.to_owned(),
            acs_url: OTHER_ACS.to_owned(),
            slo_url: Some(OTHER_SLO.to_owned()),
            slo_binding: SloBinding::Post,
            style: Style::Okta,
            ..client
        };
        world.idp.add_saml_client(other);
        let response = response_of(&world.sign_in().await);
        let start = Url::parse(&world.idp.saml_start_url(OTHER)).unwrap();
        response_of(&world.browser.get(&start).await.unwrap());
        let name_id = response.find("NameID").unwrap();
        let statement = response.find("AuthnStatement").unwrap();
        Self {
            name_id: NameId {
                name_qualifier: None,
                sp_name_qualifier: None,
                ..NameId::persistent(&name_id.inner_text())
            },
            session_index: statement.get("SessionIndex").unwrap().to_owned(),
            world,
            key,
        }
    }

    fn request(&self) -> LogoutRequest {
        let name_id = self.name_id.clone();
        let index = Some(self.session_index.as_str());
        let now = 4_000_000_000;
        let to = self.world.idp.saml_slo_url();
        LogoutRequest::new(SP, &to, name_id, index, now).unwrap()
    }

    /// Sends a message by redirect, signed unless there is no key.
    async fn send(
        &mut self,
        direction: Direction,
        xml: &str,
        relay: &str,
        key: Option<&SamlKey>,
    ) -> Page {
        let signer = key.map(QuerySigner::new);
        let to = self.world.idp.saml_slo_url();
        let url = redirect_url(&to, direction, xml, Some(relay), signer.as_ref()).unwrap();
        let url = Url::parse(&url).unwrap();
        self.world.browser.get(&url).await.unwrap()
    }

    async fn ask(&mut self, request: &LogoutRequest, key: Option<&SamlKey>) -> Page {
        let xml = request.element(Style::Ping).to_xml();
        self.send(Direction::Request, &xml, "mine", key).await
    }

    /// The second service provider answers the form that it was sent.
    async fn other_answers(&mut self, page: &Page, status: Status) -> Page {
        let request = LogoutRequest::read(&xml_of(page, "SAMLRequest")).unwrap();
        let forms = page.forms();
        let handle = forms
            .first()
            .unwrap()
            .value("RelayState")
            .unwrap()
            .to_owned();
        let to = self.world.idp.saml_slo_url();
        let mut response = LogoutResponse::new(OTHER, &to, request.id.as_deref(), 0).unwrap();
        response.status = Some(status);
        let mut element = response.element(Style::Okta);
        Signer::new(&self.key).sign_root(&mut element).unwrap();
        let message = STANDARD.encode(element.to_xml());
        let fields = [("SAMLResponse", message.as_str()), ("RelayState", &handle)];
        let to = Url::parse(&to).unwrap();
        self.world
            .browser
            .post_from(None, &to, &fields)
            .await
            .unwrap()
    }

    async fn is_signed_in(&mut self) -> bool {
        let page = self.world.ask("").await;
        !is_login(&page)
    }

    fn sent(&self, page: &Page) -> RedirectMessage {
        let to = page.location().unwrap();
        assert!(to.as_str().starts_with(&format!("{SLO}?")), "{to}");
        let sent = RedirectMessage::read(to.query().unwrap()).unwrap();
        assert!(sent.is_signed_by(self.world.idp.saml_key().unwrap().certificate()));
        sent
    }
}

#[tokio::test]
async fn a_service_provider_ends_the_session_everywhere() {
    let success = Status::success();
    let failure = Status::of("urn:oasis:names:tc:SAML:2.0:status:Responder", None);
    for status in [success.clone(), failure] {
        let mut logout = Logout::new().await;
        let key = logout.key.clone();
        let request = logout.request();
        let page = logout.ask(&request, Some(&key)).await;
        assert!(!logout.is_signed_in().await, "the session ended at once");
        let form = page.forms()[0].clone();
        assert_eq!(form.action, OTHER_SLO);
        let asked = Element::parse(&xml_of(&page, "SAMLRequest")).unwrap();
        let provider = logout.world.idp.saml_key().unwrap();
        asked.verify(provider.certificate()).unwrap();
        let asked = LogoutRequest::read(&asked.to_xml()).unwrap();
        assert_eq!(asked.session_indexes, [logout.session_index.clone()]);
        assert_ne!(asked.name_id.unwrap().value, logout.name_id.value);

        let back = logout.other_answers(&page, status.clone()).await;
        let sent = logout.sent(&back);
        assert_eq!(sent.direction, Direction::Response);
        assert_eq!(sent.relay_state.as_deref(), Some("mine"));
        let response = LogoutResponse::read(&sent.xml).unwrap();
        assert_eq!(response.in_response_to, request.id);
        let wanted = match status == success {
            true => Status::success(),
            false => Status::of(SUCCESS, Some(PARTIAL_LOGOUT)),
        };
        assert_eq!(response.status, Some(wanted));
    }
}

#[tokio::test]
async fn logout_requests_that_prove_nothing_end_nothing() {
    let mut logout = Logout::new().await;
    let key = logout.key.clone();
    let foreign = SamlKey::generate(KeyKind::P256).unwrap();
    let request = logout.request();
    let old = LogoutRequest {
        not_on_or_after: Some(1_000_000_000),
        ..request.clone()
    };
    let unknown = LogoutRequest {
        issuer: Some("https://unknown.example".to_owned()),
        ..request.clone()
    };
    for (request, key) in [
        (&request, None),
        (&request, Some(&foreign)),
        (&old, Some(&key)),
        (&unknown, Some(&key)),
    ] {
        assert_eq!(logout.ask(request, key).await.status, 400);
        assert!(logout.is_signed_in().await);
    }
    let stranger = LogoutRequest {
        name_id: Some(NameId::persistent("somebody-else")),
        ..request.clone()
    };
    let another_session = LogoutRequest {
        session_indexes: vec!["_another".to_owned()],
        ..request
    };
    for request in [stranger, another_session] {
        let page = logout.ask(&request, Some(&key)).await;
        let response = LogoutResponse::read(&logout.sent(&page).xml).unwrap();
        assert_eq!(response.status, Some(Status::success()));
        assert!(logout.is_signed_in().await);
    }
}

#[tokio::test]
async fn the_provider_tells_every_service_provider() {
    let mut logout = Logout::new().await;
    let key = logout.key.clone();
    let url = logout.world.idp.url().join("logout").unwrap();
    let page = logout.world.browser.get(&url).await.unwrap();
    let sent = logout.sent(&page);
    assert_eq!(sent.direction, Direction::Request);
    let request = LogoutRequest::read(&sent.xml).unwrap();
    assert_eq!(
        request.name_id.as_ref().unwrap().value,
        logout.name_id.value
    );
    assert_eq!(request.destination.as_deref(), Some(SLO));
    let handle = sent.relay_state.unwrap();

    let to = logout.world.idp.saml_slo_url();
    let other = LogoutResponse::new(SP, &to, Some("_not-asked"), 0).unwrap();
    let xml = other.element(Style::Ping).to_xml();
    let page = logout
        .send(Direction::Response, &xml, &handle, Some(&key))
        .await;
    assert_eq!(page.status, 400);

    let response = LogoutResponse::new(SP, &to, request.id.as_deref(), 0).unwrap();
    let xml = response.element(Style::Ping).to_xml();
    let page = logout
        .send(Direction::Response, &xml, &handle, Some(&key))
        .await;
    assert_eq!(page.forms()[0].action, OTHER_SLO);
    let page = logout.other_answers(&page, Status::success()).await;
    assert!(page.body.contains("Signed out"), "{}", page.body);
    assert!(!logout.is_signed_in().await);
}

#[tokio::test]
async fn a_logout_request_can_be_had_without_a_browser() {
    let logout = Logout::new().await;
    let idp = &logout.world.idp;
    let user_name = &logout.world.ada.user_name;
    let requests = idp.saml_logout_requests(SP, user_name).unwrap();
    assert_eq!(requests.len(), 1);
    let [request] = requests.as_slice() else {
        return;
    };
    assert_eq!(request.session_indexes.first(), Some(&logout.session_index));
    let url = Url::parse(&idp.saml_logout_url(SP, request).unwrap()).unwrap();
    let sent = RedirectMessage::read(url.query().unwrap()).unwrap();
    assert!(sent.is_signed_by(idp.saml_key().unwrap().certificate()));
    assert_eq!(LogoutRequest::read(&sent.xml).unwrap(), *request);
    assert!(idp.saml_logout_requests(SP, "nobody").unwrap().is_empty());
}
