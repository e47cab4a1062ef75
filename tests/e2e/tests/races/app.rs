//! An app that keeps everything it ever gets, and tries all of it again.

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use url::Url;
use vestibule_simulate::{
    Browser, Page, Person,
    http::{Answer, Http},
};
use vestibule_support::server::Company;

use crate::{dice::Dice, field::Losses};

/// What a server said to a request.
#[derive(Debug)]
pub(crate) enum Said<T> {
    /// It gave what was asked for.
    Yes(T),
    /// It refused; its reason.
    No(String),
    /// No answer came, because the node was killed.
    Lost,
}

impl<T> Said<T> {
    pub(crate) fn yes(self) -> Option<T> {
        match self {
            Self::Yes(got) => Some(got),
            Self::No(_) | Self::Lost => None,
        }
    }
}

/// A code and what proves that it is ours.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    code: String,
    verifier: String,
}

/// What a code or a refresh token was exchanged for.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
    /// The app session, as logout notices name it.
    pub(crate) sid: String,
}

/// The app, at the endpoints of our nodes.
pub(crate) struct App {
    pub(crate) http: Http,
    client_id: String,
    client_secret: String,
    organization_id: String,
    redirect_uri: Url,
    provider_port: Option<u16>,
    losses: Losses,
}

impl App {
    pub(crate) fn new(company: &Company, losses: Losses) -> Self {
        Self {
            http: Http::new(&[]).expect("an HTTP client"),
            client_id: company.client_id.clone(),
            client_secret: company.client_secret.clone(),
            organization_id: company.organization_id.clone(),
            redirect_uri: company
                .app
                .urls()
                .redirect_uri
                .parse()
                .expect("a redirect URI"),
            provider_port: company.idp.url().port(),
            losses,
        }
    }

    /// A browser without cookies that hands us the codes it brings.
    pub(crate) fn browser(&self) -> Browser {
        let mut browser = Browser::with_http(self.http.clone());
        browser.stop_before(&self.redirect_uri);
        browser
    }

    /// Signs a person in by the form of their identity provider.
    pub(crate) async fn login(
        &self,
        node: &str,
        browser: &mut Browser,
        person: &Person,
        dice: &Dice,
    ) -> Said<Code> {
        let verifier = dice.word();
        let mut page = browser
            .get(&self.authorize_url(node, &verifier, &dice.word(), None))
            .await;
        if let Ok(form) = &page
            && form.location().is_none()
            && form.url.port() == self.provider_port
        {
            let fields = [
                ("username", person.user_name.as_str()),
                ("password", person.password.as_str()),
            ];
            page = browser.submit(form, &fields).await;
        }
        self.code_of(page, verifier)
    }

    /// Asks for a code without a word to the person (`prompt=none`).
    pub(crate) async fn silent(
        &self,
        node: &str,
        browser: &mut Browser,
        dice: &Dice,
    ) -> Said<Code> {
        let verifier = dice.word();
        let page = browser
            .get(&self.authorize_url(node, &verifier, &dice.word(), Some("none")))
            .await;
        self.code_of(page, verifier)
    }

    pub(crate) async fn exchange(&self, node: &str, code: &Code) -> Said<Tokens> {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.code.as_str()),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("code_verifier", code.verifier.as_str()),
        ];
        self.tokens(node, &fields).await
    }

    pub(crate) async fn refresh(&self, node: &str, token: &str) -> Said<Tokens> {
        self.tokens(
            node,
            &[("grant_type", "refresh_token"), ("refresh_token", token)],
        )
        .await
    }

    pub(crate) async fn userinfo(&self, node: &str, access_token: &str) -> Said<()> {
        let answer = self
            .http
            .get_json(&format!("{node}/oauth/userinfo"), Some(access_token))
            .await;
        self.judge(answer, |_| Some(()))
    }

    pub(crate) async fn introspect(&self, node: &str, token: &str) -> Said<()> {
        let client = (self.client_id.as_str(), self.client_secret.as_str());
        let answer = self
            .http
            .post_form(
                &format!("{node}/oauth/introspect"),
                Some(client),
                &[("token", token)],
            )
            .await;
        self.judge(answer, |body| (body["active"] == true).then_some(()))
    }

    async fn tokens(&self, node: &str, fields: &[(&str, &str)]) -> Said<Tokens> {
        let client = (self.client_id.as_str(), self.client_secret.as_str());
        let answer = self
            .http
            .post_form(&format!("{node}/oauth/token"), Some(client), fields)
            .await;
        self.judge(answer, |body| {
            let text = |name: &str| body[name].as_str().map(str::to_owned);
            let sid = claim(&text("id_token")?, "sid")?;
            Some(Tokens {
                access: text("access_token")?,
                refresh: text("refresh_token")?,
                sid,
            })
        })
    }

    fn authorize_url(&self, node: &str, verifier: &str, state: &str, prompt: Option<&str>) -> Url {
        let challenge =
            URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
        let mut url: Url = format!("{node}/oauth/authorize").parse().expect("a URL");
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", self.redirect_uri.as_str())
            .append_pair("scope", "openid email offline_access")
            .append_pair("state", state)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .append_pair("organization", &self.organization_id)
            .extend_pairs(prompt.map(|prompt| ("prompt", prompt)));
        url
    }

    fn code_of(&self, page: anyhow::Result<Page>, verifier: String) -> Said<Code> {
        let page = match page {
            Ok(page) if page.status < 500 => page,
            Ok(page) => {
                return self.lost(&format!(
                    "{} at {}: {}",
                    page.status,
                    page.url.path(),
                    page.body
                ));
            }
            Err(error) => return self.lost(&format!("{error:#}")),
        };
        let Some(back) = page.location() else {
            return Said::No(format!("{} at {}", page.status, page.url.path()));
        };
        let parameter = |name: &str| {
            back.query_pairs()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
        };
        match parameter("code") {
            Some(code) => Said::Yes(Code { code, verifier }),
            None => Said::No(parameter("error").unwrap_or_default()),
        }
    }

    fn judge<T>(
        &self,
        answer: anyhow::Result<Answer>,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Said<T> {
        match answer {
            Ok(answer) if answer.is_success() => match read(&answer.body) {
                Some(got) => Said::Yes(got),
                None => Said::No(answer.body.to_string()),
            },
            Ok(answer) if answer.status < 500 => Said::No(answer.body.to_string()),
            Ok(answer) => self.lost(&format!("{}: {}", answer.status, answer.body)),
            Err(error) => self.lost(&format!("{error:#}")),
        }
    }

    fn lost<T>(&self, why: &str) -> Said<T> {
        assert!(
            self.losses == Losses::Happen,
            "a request was not answered: {why}"
        );
        Said::Lost
    }
}

/// A claim of a token that its issuer just gave us; the sample app's tests verify signatures.
fn claim(token: &str, name: &str) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    claims[name].as_str().map(str::to_owned)
}
