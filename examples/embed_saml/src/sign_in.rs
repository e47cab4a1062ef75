//! The whole of it: a request goes out, its response is verified, and the browser that began is signed in.

use axum::response::{IntoResponse, Redirect};
use axum::{Form, extract::Query, http::HeaderMap};
use vestibule_saml::{AuthnRequest, Expected, IdpMetadata, Response, Trust};

use crate::host::{AtSite, Fields, Known, Refused, cookie, now, random, set_cookie};

/// The trust; our entity ID, our ACS and where logins go; who waits and who is signed in.
pub(crate) struct Site(Trust, [String; 3], pub(crate) Known);

impl Site {
    pub(crate) fn new(base: &str, metadata: &str) -> anyhow::Result<Self> {
        let (ours, acs) = (format!("{base}/saml"), format!("{base}/acs"));
        let idp = IdpMetadata::parse(metadata, None, now())?;
        let trust = Trust::new(&ours, &acs, idp.entity_id, idp.certificates)?;
        let sso_url = idp.sso_redirect.unwrap_or_default();
        Ok(Self(trust, [ours, acs, sso_url], Known::default()))
    }
}

pub(crate) async fn login(site: AtSite) -> Result<impl IntoResponse, Refused> {
    let (id, browser, [ours, acs, sso_url]) = (random()?, random()?, &site.1);
    let request = AuthnRequest::new(&id, now(), ours, sso_url, acs)?;
    let url = request.redirect_url(None, None)?;
    site.2.lock()?.insert(id, (browser.clone(), String::new()));
    Ok((set_cookie(&browser), Redirect::to(&url)))
}

/// Another site posts this form, so our cookie is not with it: nobody is signed in here.
pub(crate) async fn acs(site: AtSite, Form(form): Form<Fields>) -> Result<Redirect, Refused> {
    let Site(trust, _, known) = &**site;
    let response = Response::decode(form.get("SAMLResponse").map_or("", |field| field))?;
    let id = response.in_response_to().unwrap_or_default().to_owned();
    // Used up by the first answer, good or bad: a response cannot come twice.
    let waiting = known.lock()?.remove(&id);
    let verified = trust.verify(&response, &Expected::answer_to(id), now())?;
    let (browser, _) = waiting.ok_or(Refused("no login waits for this".into()))?;
    let (ticket, person) = (random()?, (browser, verified.name_id.value));
    known.lock()?.insert(ticket.clone(), person);
    Ok(Redirect::to(&format!("/finish?ticket={ticket}")))
}

/// Our own redirect, with the cookie of the browser that began.
pub(crate) async fn finish(
    site: AtSite,
    headers: HeaderMap,
    Query(query): Query<Fields>,
) -> Result<Redirect, Refused> {
    let mut known = site.2.lock()?;
    let answered = query.get("ticket").and_then(|ticket| known.remove(ticket));
    let own =
        answered.filter(|(browser, name)| cookie(&headers) == Some(browser) && !name.is_empty());
    let (browser, name) = own.ok_or(Refused("this sign-in began in another browser".into()))?;
    known.insert(browser.clone(), (browser, name));
    Ok(Redirect::to("/"))
}
