//! A browser without a screen: it keeps cookies, follows redirects and fills forms as people do.
//!
//! It takes the stricter side wherever browsers differ: `Secure` cookies and `__Host-` names are
//! refused over plain http even on loopback, and a cookie without `SameSite` counts as `Lax`.
//! It runs no scripts; a page that submits itself is submitted with [`Browser::submit`] or
//! [`Browser::press_on`].

mod cookies;
mod html;

use anyhow::{Context as _, ensure};
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, COOKIE, HeaderMap, LOCATION, ORIGIN, SET_COOKIE};
use url::{Origin, Url};

pub use cookies::{Cookie, SameSite};
pub use html::{Form, Link};

use crate::http::{Http, form};
use cookies::{Jar, Sending, same_site};

/// Browsers give up after twenty redirects (Fetch §4.4).
const MOST_REDIRECTS: usize = 20;
/// The fields of SAML's POST binding (saml-bindings §3.5.4).
const MESSAGE_FIELDS: [&str; 2] = ["SAMLRequest", "SAMLResponse"];

/// A page that a navigation ended at.
#[derive(Debug, Clone)]
pub struct Page {
    /// Where the navigation ended.
    pub url: Url,
    /// The HTTP status.
    pub status: u16,
    /// The headers of the last answer.
    pub headers: HeaderMap,
    /// The body of the last answer.
    pub body: String,
    /// Every URL that was asked, the last one included.
    pub history: Vec<Url>,
}

impl Page {
    /// The forms on the page, in order.
    pub fn forms(&self) -> Vec<Form> {
        html::forms(&self.body)
    }

    /// The links on the page, in order.
    pub fn links(&self) -> Vec<Link> {
        html::links(&self.body)
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A parameter of the URL's query.
    pub fn query(&self, name: &str) -> Option<String> {
        self.url
            .query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// The target of a redirect that was not followed.
    pub fn location(&self) -> Option<Url> {
        self.header(LOCATION.as_str())
            .and_then(|to| self.url.join(to).ok())
    }
}

/// A browser with one cookie jar.
#[derive(Debug, Clone)]
pub struct Browser {
    http: Http,
    jar: Jar,
    follow_until: Option<Url>,
}

impl Browser {
    /// A fresh browser.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self::with_http(Http::new(&[])?))
    }

    /// A fresh browser over a client that trusts further certificates.
    pub fn with_http(http: Http) -> Self {
        Self {
            http,
            jar: Jar::default(),
            follow_until: None,
        }
    }

    /// Stops before URLs that begin like `prefix` (same origin, same start of path): the redirect
    /// to it is returned as the page.
    pub fn stop_before(&mut self, prefix: &Url) {
        self.follow_until = Some(prefix.clone());
    }

    /// Follows all redirects again.
    pub fn stop_nowhere(&mut self) {
        self.follow_until = None;
    }

    /// Opens an address that the person typed, and follows redirects.
    pub async fn get(&mut self, url: &Url) -> anyhow::Result<Page> {
        self.navigate(Navigation::typed(url)).await
    }

    /// Opens an address without following redirects.
    pub async fn get_once(&mut self, url: &Url) -> anyhow::Result<Page> {
        let mut navigation = Navigation::typed(url);
        self.ask(&mut navigation).await
    }

    /// Follows a link of a page; `href` may be relative.
    pub async fn follow(&mut self, page: &Page, href: &str) -> anyhow::Result<Page> {
        let url = page.url.join(href).context("the link is not a URL")?;
        self.navigate(Navigation {
            initiator: Some(Initiator::of(page)),
            ..Navigation::typed(&url)
        })
        .await
    }

    /// Fills the page's only form, or the first that has all of these fields, and sends it.
    ///
    /// Hidden and preset fields go along as they are.
    pub async fn submit(&mut self, page: &Page, fields: &[(&str, &str)]) -> anyhow::Result<Page> {
        let forms = page.forms();
        let form = forms
            .iter()
            .find(|form| fields.iter().all(|(name, _)| form.has(name)))
            .or(forms.first())
            .with_context(|| format!("{} has no form", page.url))?;
        self.submit_form(page, form, fields).await
    }

    /// Sends on the SAML messages that a script would post at once, until a page has none.
    pub async fn press_on(&mut self, mut page: Page) -> anyhow::Result<Page> {
        let carries = |form: &Form| MESSAGE_FIELDS.into_iter().any(|field| form.has(field));
        while page.forms().iter().any(carries) {
            page = self.submit(&page, &[]).await?;
        }
        Ok(page)
    }

    /// Fills one form of a page and sends it.
    pub async fn submit_form(
        &mut self,
        page: &Page,
        form: &Form,
        fields: &[(&str, &str)],
    ) -> anyhow::Result<Page> {
        let mut url = page
            .url
            .join(&form.action)
            .context("the form's action is not a URL")?;
        url.set_fragment(None);
        let filled = form.filled(fields);
        let pairs: Vec<(&str, &str)> = filled
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        if !form.is_post() {
            url.query_pairs_mut().clear().extend_pairs(pairs);
            let initiator = Some(Initiator::of(page));
            return self
                .navigate(Navigation {
                    initiator,
                    ..Navigation::typed(&url)
                })
                .await;
        }
        self.post_from(Some(page), &url, &pairs).await
    }

    /// Sends a form to any address, as if a page had one for it; without a page as if typed.
    pub async fn post_from(
        &mut self,
        page: Option<&Page>,
        url: &Url,
        fields: &[(&str, &str)],
    ) -> anyhow::Result<Page> {
        self.navigate(Navigation {
            method: Method::POST,
            url: url.clone(),
            body: Some(form(fields)),
            initiator: page.map(Initiator::of),
            crossed: Crossed::default(),
            history: Vec::new(),
        })
        .await
    }

    /// The cookies that a same-site request to this address would carry.
    pub fn cookies(&self, url: &Url) -> Vec<Cookie> {
        self.jar.matching(url, Sending::SameSite).cloned().collect()
    }

    /// Puts a cookie into the jar as if `url` had set it.
    pub fn set_cookie(&mut self, url: &Url, set_cookie: &str) {
        self.jar.store(url, set_cookie);
    }

    /// Forgets all cookies.
    pub fn forget(&mut self) {
        self.jar = Jar::default();
    }

    async fn navigate(&mut self, mut navigation: Navigation) -> anyhow::Result<Page> {
        loop {
            let page = self.ask(&mut navigation).await?;
            let Some(to) = redirect_of(&page) else {
                return Ok(page);
            };
            if self
                .follow_until
                .as_ref()
                .is_some_and(|until| begins_like(&to, until))
            {
                return Ok(page);
            }
            ensure!(
                navigation.history.len() <= MOST_REDIRECTS,
                "too many redirects at {to}"
            );
            navigation.redirect(page.status, to);
        }
    }

    async fn ask(&mut self, navigation: &mut Navigation) -> anyhow::Result<Page> {
        let url = navigation.url.clone();
        navigation.cross();
        let mut request = self
            .http
            .raw()
            .request(navigation.method.clone(), url.clone())
            .header(ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8")
            .header("upgrade-insecure-requests", "1")
            .header("sec-fetch-site", navigation.fetch_site())
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document");
        let cookies = self.jar.header(&url, navigation.sending());
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies);
        }
        if navigation.method != Method::GET {
            request = request.header(ORIGIN, navigation.origin());
        }
        if let Some(body) = &navigation.body {
            request = request
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(body.clone());
        }
        let response = request
            .send()
            .await
            .with_context(|| format!("{url} gave no answer"))?;
        let headers = response.headers().clone();
        for set_cookie in headers
            .get_all(SET_COOKIE)
            .iter()
            .filter_map(|v| v.to_str().ok())
        {
            self.jar.store(&url, set_cookie);
        }
        navigation.history.push(url.clone());
        Ok(Page {
            url,
            status: response.status().as_u16(),
            headers,
            body: response.text().await?,
            history: navigation.history.clone(),
        })
    }
}

/// The page that a navigation starts from, and what it lets others know.
#[derive(Debug, Clone)]
struct Initiator {
    url: Url,
    referrer_policy: Option<String>,
}

impl Initiator {
    fn of(page: &Page) -> Self {
        Self {
            url: page.url.clone(),
            referrer_policy: page.header("referrer-policy").map(str::to_owned),
        }
    }
}

/// The farthest that the URLs of a navigation lie from its initiator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Crossed {
    #[default]
    Nothing,
    Origin,
    Site,
}

struct Navigation {
    method: Method,
    url: Url,
    body: Option<String>,
    initiator: Option<Initiator>,
    crossed: Crossed,
    history: Vec<Url>,
}

impl Navigation {
    fn typed(url: &Url) -> Self {
        Self {
            method: Method::GET,
            url: url.clone(),
            body: None,
            initiator: None,
            crossed: Crossed::default(),
            history: Vec::new(),
        }
    }

    fn cross(&mut self) {
        let Some(initiator) = &self.initiator else {
            return;
        };
        let now = if initiator.url.origin() == self.url.origin() {
            Crossed::Nothing
        } else if same_site(&initiator.url, &self.url) {
            Crossed::Origin
        } else {
            Crossed::Site
        };
        self.crossed = self.crossed.max(now);
    }

    fn redirect(&mut self, status: u16, to: Url) {
        let keeps_body = matches!(status, 307 | 308);
        if !keeps_body {
            self.method = Method::GET;
            self.body = None;
        }
        self.url = to;
    }

    fn fetch_site(&self) -> &'static str {
        match (&self.initiator, self.crossed) {
            (None, _) => "none",
            (Some(_), Crossed::Nothing) => "same-origin",
            (Some(_), Crossed::Origin) => "same-site",
            (Some(_), Crossed::Site) => "cross-site",
        }
    }

    fn sending(&self) -> Sending {
        let same = self
            .initiator
            .as_ref()
            .is_none_or(|from| same_site(&from.url, &self.url));
        match (same, &self.method) {
            (true, _) => Sending::SameSite,
            (false, &Method::GET) => Sending::CrossSiteNavigation,
            (false, _) => Sending::CrossSitePost,
        }
    }

    /// The Origin header of a POST (Fetch §3.2: a page that hides its referrer hides its origin).
    fn origin(&self) -> String {
        let Some(initiator) = &self.initiator else {
            return "null".to_owned();
        };
        let crossed_by_redirect = self.history.len() > 1 && self.crossed != Crossed::Nothing;
        let hidden = match initiator.referrer_policy.as_deref() {
            Some("no-referrer") => true,
            Some("same-origin") => self.crossed != Crossed::Nothing,
            _ => false,
        };
        match initiator.url.origin() {
            origin @ Origin::Tuple(..) if !hidden && !crossed_by_redirect => {
                origin.ascii_serialization()
            }
            _ => "null".to_owned(),
        }
    }
}

fn redirect_of(page: &Page) -> Option<Url> {
    if !matches!(page.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    page.location()
}

fn begins_like(url: &Url, prefix: &Url) -> bool {
    url.origin() == prefix.origin() && url.path().starts_with(prefix.path())
}
