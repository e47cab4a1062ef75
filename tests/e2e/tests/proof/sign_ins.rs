//! What people and their applications do: sign in, get tokens, use them, sign out.

use reqwest::Method;
use url::Url;
use vestibule_core::Generator;
use vestibule_simulate::{Browser, Page};
use vestibule_support::server::Reply;

use crate::{
    field::{REDIRECT_URI, becomes, claims, drop_request, form, text},
    history::History,
    model::{AccessToken, Code, Epochs, Login, Overtaken, Share, SignIn},
};

const OFFLINE: &str = "openid email offline_access";
const ONLINE: &str = "openid email";

impl History<'_> {
    pub(crate) async fn begin_login(
        &mut self,
        user: Option<usize>,
        application: usize,
        offline: bool,
    ) {
        let Some(user) = user.map(|user| &self.model.users[user]) else {
            return;
        };
        let (organization, name, person) = (user.organization, user.name, user.person.clone());
        let verifier = word();
        let company = &self.field.companies[organization];
        let asked = self.field.applications[application].authorize_url(
            &self.base(0),
            &verifier,
            &[
                ("scope", scope(offline)),
                ("organization", &company.organization_id),
            ],
        );
        let mut browser = self.browser();
        let page = browser.get(&asked).await.expect("an answer");
        let at_provider = page.location().is_none() && page.url.port() == company.idp.url().port();
        let open = !self.model.organizations[organization].inactive
            && !self.model.connections[organization].inactive
            && !self.model.applications[application].inactive;
        assert_eq!(at_provider, open, "{} {}", page.status, page.url);
        if !at_provider {
            return;
        }
        let begun = self.now();
        browser.stop_before(&url(&format!("{}/sso/oidc/", self.base(0))));
        let fields = [
            ("username", person.user_name.as_str()),
            ("password", person.password.as_str()),
        ];
        let page = browser.submit(&page, &fields).await.expect("an answer");
        let callback = page.location().expect("the way back to us");
        browser.stop_before(&url(REDIRECT_URI));
        let state = callback.query_pairs().find(|(name, _)| name == "state");
        self.secrets
            .extend(state.map(|(_, state)| state.into_owned()));
        let overtaken = |&(of, whose, second): &(usize, usize, i64)| {
            (of, whose) == (organization, name) && begun.unix_seconds() <= second
        };
        self.model.logins.push(Login {
            browser,
            callback,
            organization,
            name,
            application,
            offline,
            verifier,
            begun,
            overtaken: match self.signals.iter().any(overtaken) {
                true => Overtaken::Unclear,
                false => Overtaken::No,
            },
            finished: false,
        });
    }

    pub(crate) async fn finish_login(&mut self, login: Option<usize>, node: usize) {
        let Some(number) = login else { return };
        let wanted = self.model.is_login_live(number, self.now());
        let resolved = self.model.resolved(number);
        let port = self.installation.node(node).url("").port();
        let login = &mut self.model.logins[number];
        login.finished = true;
        let mut callback = login.callback.clone();
        callback.set_port(port).expect("a URL with a host");
        let mut browser = login.browser.clone();
        let page = browser.get(&callback).await.expect("an answer");
        let code = code_of(&page);
        if let Some(wanted) = wanted {
            let what = format!("login {number}: {} {}", page.status, page.body);
            assert_eq!(code.is_some(), wanted, "{what}");
        }
        let Some(code) = code else { return };
        let (user, epochs) = resolved.expect("nobody unknown is let in");
        self.add_sign_in(browser, user, epochs).await;
        let login = &self.model.logins[number];
        let granted = (login.application, login.offline, login.verifier.clone());
        self.add_code(code, self.model.sign_ins.len() - 1, granted);
    }

    async fn add_sign_in(&mut self, browser: Browser, user: usize, epochs: Epochs) {
        let cookies = browser.cookies(&url(&self.base(0)));
        self.secrets
            .extend(cookies.iter().map(|cookie| cookie.value.clone()));
        let session = cookies
            .iter()
            .find(|cookie| cookie.name.ends_with("session"))
            .expect("the cookie of the sign-in");
        let (id, secret) = session.value.split_once('.').expect("id and secret");
        self.secrets.push(secret.to_owned());
        let sql = format!("SELECT upstream_session FROM user_sessions WHERE id = '{id}'");
        let upstream = self.installation.nodes[0].database.texts(&sql).await;
        self.model.sign_ins.push(SignIn {
            cookie: format!("{}={}", session.name, session.value),
            id: id.to_owned(),
            upstream_session: upstream[0].clone(),
            browser,
            user,
            epochs,
            ended: false,
            proof: None,
        });
    }

    fn add_code(
        &mut self,
        text: String,
        sign_in: usize,
        (application, offline, verifier): (usize, bool, String),
    ) {
        self.secrets.push(text.clone());
        self.model.codes.push(Code {
            text,
            verifier,
            sign_in,
            application,
            application_epoch: self.model.applications[application].epoch,
            offline,
            issued: self.now(),
            consumed: false,
            share: None,
        });
    }

    pub(crate) async fn authorize(
        &mut self,
        sign_in: Option<usize>,
        application: usize,
        offline: bool,
        node: usize,
    ) {
        let Some(number) = sign_in else { return };
        let company = &self.field.companies[self.model.organization_of(number)];
        let verifier = word();
        let asked = self.field.applications[application].authorize_url(
            &self.base(node),
            &verifier,
            &[
                ("scope", scope(offline)),
                ("organization", &company.organization_id),
                ("prompt", "none"),
            ],
        );
        let wanted =
            self.model.is_sign_in_live(number) && !self.model.applications[application].inactive;
        let browser = &mut self.model.sign_ins[number].browser;
        let page = browser.get(&asked).await.expect("an answer");
        let code = code_of(&page);
        assert_eq!(code.is_some(), wanted, "silent: {:?}", page.location());
        if let Some(code) = code {
            self.add_code(code, number, (application, offline, verifier));
        }
    }

    pub(crate) async fn exchange(&mut self, code: Option<usize>, node: usize) {
        let Some(number) = code else { return };
        let wanted = self.model.is_code_live(number, self.now());
        let code = &self.model.codes[number];
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", &code.text),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", &code.verifier),
        ];
        let reply = self.token(code.application, node, &fields).await;
        let granted = reply.status == 200;
        assert!(
            wanted.is_none_or(|wanted| wanted == granted),
            "exchange: {}",
            reply.body
        );
        if self.model.applications[code.application].inactive {
            return;
        }
        let (used, begun) = (code.consumed, code.share);
        self.model.codes[number].consumed = true;
        if granted {
            assert!(!used, "I5: a code was exchanged twice");
            self.add_share(number, &reply);
        } else if let (true, Some(share)) = (used, begun) {
            // I5: a second try ends what the first began.
            self.model.shares[share].ended = true;
        }
    }

    fn add_share(&mut self, code: usize, reply: &Reply) {
        let id_token = claims(reply.text("id_token"));
        self.model.codes[code].share = Some(self.model.shares.len());
        self.model.shares.push(Share {
            code,
            sid: text(&id_token, "sid"),
            id_token: String::new(),
            ended: false,
            refresh: Vec::new(),
            access: Vec::new(),
            min_generation: 0,
            last_issued: self.now(),
            due: None,
            revoked: false,
        });
        self.add_tokens(self.model.shares.len() - 1, reply);
    }

    fn add_tokens(&mut self, share: usize, reply: &Reply) {
        for name in ["access_token", "refresh_token", "id_token"] {
            self.secrets.push(reply.text(name).to_owned());
        }
        self.check_id_token(share, reply.text("id_token"));
        let issued = self.now();
        let share = &mut self.model.shares[share];
        share.last_issued = issued;
        reply.text("id_token").clone_into(&mut share.id_token);
        share.access.push(AccessToken {
            text: reply.text("access_token").to_owned(),
            generation: share.refresh.len(),
            issued,
        });
        share
            .refresh
            .push(Some(reply.text("refresh_token").to_owned()));
    }

    /// I12 and I13: a chain speaks of one person and one sign-in.
    fn check_id_token(&mut self, share: usize, id_token: &str) {
        let claims = claims(id_token);
        let share = &self.model.shares[share];
        let sign_in = &mut self.model.sign_ins[self.model.codes[share.code].sign_in];
        assert_eq!(
            text(&claims, "sub"),
            self.model.users[sign_in.user].id,
            "I12"
        );
        assert_eq!(text(&claims, "sid"), share.sid);
        let proof = ["auth_time", "acr", "amr"].map(|name| claims[name].clone());
        assert!(proof.iter().all(|claim| !claim.is_null()), "{claims}");
        let first = sign_in.proof.get_or_insert_with(|| proof.clone());
        assert_eq!(*first, proof, "I13");
    }

    pub(crate) async fn refresh(&mut self, share: Option<usize>, node: usize) {
        let Some(number) = share else { return };
        let live = self.model.is_share_live(number);
        let share = &self.model.shares[number];
        let Some(Some(newest)) = share.refresh.last() else {
            // It never got its next token, and tries the one before once more.
            return self
                .reuse(Some(number), share.refresh.len() - 2, node)
                .await;
        };
        let reply = self.use_refresh_token(number, newest, node).await;
        assert_eq!(reply.status == 200, live, "refresh: {}", reply.body);
        if live {
            self.add_tokens(number, &reply);
        }
    }

    pub(crate) async fn reuse(&mut self, share: Option<usize>, token: usize, node: usize) {
        let Some(number) = share else { return };
        let share = &self.model.shares[number];
        let used = &share.refresh[..share.refresh.len() - 1];
        let Some(Some(token)) = token.checked_rem(used.len()).map(|place| &used[place]) else {
            return;
        };
        let reply = self.use_refresh_token(number, token, node).await;
        assert_ne!(reply.status, 200, "I6: a refresh token was used twice");
        let application = self.model.codes[share.code].application;
        if !self.model.applications[application].inactive {
            self.model.shares[number].ended = true;
        }
    }

    async fn use_refresh_token(&self, share: usize, token: &str, node: usize) -> Reply {
        let application = self.model.codes[self.model.shares[share].code].application;
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.token(application, node, &fields).await
    }

    async fn token(&self, application: usize, node: usize, fields: &[(&str, &str)]) -> Reply {
        self.post(application, node, "/oauth/token", fields).await
    }

    async fn post(
        &self,
        application: usize,
        node: usize,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Reply {
        let url = format!("{}{path}", self.base(node));
        let application = &self.field.applications[application];
        application.post(&self.installation.http, url, fields).await
    }

    pub(crate) async fn drop_refresh(&mut self, share: Option<usize>, node: usize) {
        let Some(number) = share.filter(|&share| self.model.is_share_live(share)) else {
            return;
        };
        let share = &self.model.shares[number];
        let Some(Some(newest)) = share.refresh.last() else {
            return;
        };
        let application = self.model.codes[share.code].application;
        let body = form(&[("grant_type", "refresh_token"), ("refresh_token", newest)]);
        let headers = self.field.applications[application].headers();
        drop_request(
            &self.base(node),
            &Method::POST,
            "/oauth/token",
            &headers,
            &body,
        )
        .await;
        let used = becomes(async || {
            let asked = [("token", newest.as_str())];
            let reply = self
                .post(application, node, "/oauth/introspect", &asked)
                .await;
            reply.body["active"] == false
        });
        // It may not have been heard at all; whatever was done, was done whole.
        if used.await {
            let now = self.now();
            let share = &mut self.model.shares[number];
            share.refresh.push(None);
            share.last_issued = now;
        }
    }

    pub(crate) async fn revoke_share(&mut self, share: Option<usize>, node: usize) {
        let Some(number) = share else { return };
        let share = &self.model.shares[number];
        let application = self.model.codes[share.code].application;
        let Some(token) = share.refresh.iter().flatten().next_back().cloned() else {
            return;
        };
        let asked = [("token", token.as_str())];
        let reply = self.post(application, node, "/oauth/revoke", &asked).await;
        let inactive = self.model.applications[application].inactive;
        assert_eq!(reply.status == 200, !inactive, "revoke: {}", reply.body);
        if inactive {
            return;
        }
        let told = self.model.was_told(number);
        let share = &mut self.model.shares[number];
        share.revoked |= !told;
        share.ended = true;
    }

    pub(crate) async fn revoke_access(&mut self, share: Option<usize>, token: usize, node: usize) {
        let Some(number) = share else { return };
        let share = &self.model.shares[number];
        let application = self.model.codes[share.code].application;
        let token = &share.access[token % share.access.len()];
        let asked = [("token", token.text.as_str())];
        let reply = self.post(application, node, "/oauth/revoke", &asked).await;
        if reply.status == 200 {
            let revoked = token.generation + 1;
            let share = &mut self.model.shares[number];
            share.min_generation = share.min_generation.max(revoked);
        }
    }

    /// Signs out as an application asks for it, or else an operator.
    pub(crate) async fn logout(&mut self, sign_in: Option<usize>, node: usize) {
        let Some(number) = sign_in.filter(|&number| self.model.is_sign_in_live(number)) else {
            return;
        };
        let shares = self.model.shares.iter().enumerate().find(|(place, share)| {
            self.model.codes[share.code].sign_in == number && self.model.is_share_live(*place)
        });
        if let Some((_, share)) = shares {
            let mut page = url(&format!("{}/oauth/logout", self.base(node)));
            page.query_pairs_mut()
                .append_pair("id_token_hint", &share.id_token);
            let browser = &mut self.model.sign_ins[number].browser;
            let page = browser.get(&page).await.expect("an answer");
            assert_eq!(page.status, 200, "{}", page.body);
        } else {
            let id = &self.model.sign_ins[number].id;
            let admin = &self.installation.node(node).admin;
            admin.delete(&format!("/sessions/{id}")).await;
        }
        self.model.sign_ins[number].ended = true;
    }

    /// A browser without cookies that stops at the applications' door.
    fn browser(&self) -> Browser {
        let mut browser = Browser::with_http(self.installation.outside.clone());
        browser.stop_before(&url(REDIRECT_URI));
        browser
    }
}

/// The code with which a browser was sent back to the application.
fn code_of(page: &Page) -> Option<String> {
    let back = page.location()?;
    let code = back.query_pairs().find(|(name, _)| name == "code")?;
    Some(code.1.into_owned())
}

const fn scope(offline: bool) -> &'static str {
    match offline {
        true => OFFLINE,
        false => ONLINE,
    }
}

fn word() -> String {
    let word = Generator::system().token("a_verifier_of_more_than_43_characters_");
    word.expose().to_owned()
}

fn url(text: &str) -> Url {
    text.parse().expect("a URL")
}
