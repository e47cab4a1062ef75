//! A provider, a person, a browser, and a service provider that is only looked at.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;
use vestibule_simulate::saml::{
    Certificate, Direction, Element, KeyKind, QuerySigner, SamlKey, Scope, redirect_url,
};
use vestibule_simulate::{
    Browser, Fault, Faults, IdentityProvider, IdpConfig, Page, Person, Place, SamlClient,
};

pub(crate) const SP: &str = "https://sp.example/metadata?a=1&b=2";
pub(crate) const ACS: &str = "http://127.0.0.1:1/acs";
pub(crate) const SLO: &str = "http://127.0.0.1:1/slo";

/// A key for all tests: RSA keys take a second each.
pub(crate) fn rsa() -> &'static SamlKey {
    static KEY: OnceLock<SamlKey> = OnceLock::new();
    KEY.get_or_init(|| SamlKey::generate(KeyKind::Rsa2048).unwrap())
}

pub(crate) struct World {
    pub(crate) idp: IdentityProvider,
    pub(crate) ada: Person,
    pub(crate) browser: Browser,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(SamlClient::new(SP, ACS)).await
    }

    pub(crate) async fn with(mut client: SamlClient) -> Self {
        let mut config = IdpConfig::new(Place::bind("127.0.0.1", 0).await.unwrap());
        config.saml_key_kind = KeyKind::P256;
        config.algorithm = vestibule_simulate::jose::Algorithm::Es256;
        let idp = IdentityProvider::start(config).await.unwrap();
        let ada = Person::new("Ada", "Lovelace", "acme.test").unwrap();
        idp.add_person(ada.clone());
        idp.set_groups(&ada.user_name, ["engines", "poets & <others>"]);
        client.slo_url.get_or_insert_with(|| SLO.to_owned());
        idp.add_saml_client(client);
        let mut browser = Browser::new().unwrap();
        // The service provider does not exist; what is sent to it is what is looked at.
        browser.stop_before(&Url::parse("http://127.0.0.1:1/").unwrap());
        Self { idp, ada, browser }
    }

    pub(crate) fn request(&self, more: &str) -> String {
        format!(
            "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
             xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_request-1\" Version=\"2.0\" \
             IssueInstant=\"2027-01-15T08:00:00Z\" Destination=\"{}\" {more}>\
             <saml:Issuer>{}</saml:Issuer></samlp:AuthnRequest>",
            self.idp.saml_sso_url(),
            SP.replace('&', "&amp;"),
        )
    }

    pub(crate) async fn ask(&mut self, more: &str) -> Page {
        let xml = self.request(more);
        self.ask_with(&xml, Some("handle 1&2"), None).await
    }

    pub(crate) async fn ask_with(
        &mut self,
        xml: &str,
        relay_state: Option<&str>,
        signer: Option<&QuerySigner>,
    ) -> Page {
        let to = self.idp.saml_sso_url();
        let url = redirect_url(&to, Direction::Request, xml, relay_state, signer).unwrap();
        self.browser.get(&Url::parse(&url).unwrap()).await.unwrap()
    }

    pub(crate) async fn type_password(&mut self, page: &Page) -> Page {
        assert!(is_login(page), "{}", page.body);
        let fields = [
            ("username", self.ada.user_name.as_str()),
            ("password", self.ada.password.as_str()),
        ];
        self.browser.submit(page, &fields).await.unwrap()
    }

    pub(crate) async fn sign_in(&mut self) -> Page {
        let form = self.ask("").await;
        self.type_password(&form).await
    }

    pub(crate) fn verify(&self, response: &Element) {
        let key = self.idp.saml_key().unwrap();
        verify(response, key.certificate()).unwrap();
    }

    /// The answer under these faults, for a browser that is signed in.
    pub(crate) async fn under(&mut self, faults: &[Fault]) -> Page {
        self.idp.set_faults(Faults::of(faults.iter().copied()));
        self.ask("").await
    }
}

pub(crate) fn is_login(page: &Page) -> bool {
    page.forms().iter().any(|form| form.has("password"))
}

pub(crate) fn xml_of(page: &Page, parameter: &str) -> String {
    let forms = page.forms();
    let field = forms.first().and_then(|form| form.value(parameter));
    let field = field.unwrap_or_else(|| panic!("no {parameter} in {}", page.body));
    String::from_utf8(STANDARD.decode(field).unwrap()).unwrap()
}

pub(crate) fn response_of(page: &Page) -> Element {
    Element::parse(&xml_of(page, "SAMLResponse")).unwrap()
}

pub(crate) fn verify(response: &Element, certificate: &Certificate) -> anyhow::Result<()> {
    let assertion = response.child_named("Assertion");
    if let Some(assertion) = assertion.filter(|assertion| assertion.is_signed()) {
        assertion.verify_within(certificate, &response.scope(&Scope::new()))?;
        if !response.is_signed() {
            return Ok(());
        }
    }
    response.verify(certificate)
}

pub(crate) fn attribute<'a>(element: &'a Element, path: &[&str], name: &str) -> Option<&'a str> {
    let found = path
        .iter()
        .try_fold(element, |element, step| element.child_named(step));
    found?.get(name)
}

pub(crate) fn values(response: &Element, name: &str) -> Vec<String> {
    let statement = response.find("AttributeStatement").unwrap();
    let found = statement
        .elements()
        .find(|attribute| attribute.get("Name") == Some(name));
    let found = found.unwrap_or_else(|| panic!("no {name} in {}", response.to_xml()));
    found.elements().map(Element::inner_text).collect()
}

pub(crate) const DATA: [&str; 4] = [
    "Assertion",
    "Subject",
    "SubjectConfirmation",
    "SubjectConfirmationData",
];
