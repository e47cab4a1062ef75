//! After every step: each credential is good on every node exactly when the model says so.

use tokio::task::JoinSet;
use vestibule_core::{ApplicationId, SecretHash};
use vestibule_simulate::ScimClient;
use vestibule_store::TakenCode;
use vestibule_support::server::Reply;

use crate::{field::base, history::History, steps::Step};

/// A credential, as somebody presents it, and what should come of it.
struct Question {
    what: String,
    wanted: bool,
    request: reqwest::RequestBuilder,
    /// Whether the answer has to say that the token is active, too.
    introspects: bool,
}

impl Question {
    async fn ask(self) -> (String, bool, bool) {
        let response = self.request.send().await.expect("an answer");
        let reply = Reply::read(response).await;
        assert!(reply.status < 500, "{}: {}", self.what, reply.body);
        let accepted = reply.status == 200 && (!self.introspects || reply.body["active"] == true);
        (self.what, self.wanted, accepted)
    }
}

impl History<'_> {
    /// Compares; gives how many credentials were presented.
    pub(crate) async fn compare(&self, after: Step) -> usize {
        let mut asking = JoinSet::new();
        for node in 0..self.installation.nodes.len() {
            for question in self.questions(node) {
                asking.spawn(question.ask());
            }
        }
        let asked = asking.len();
        while let Some(answer) = asking.join_next().await {
            let (what, wanted, accepted) = answer.expect("a question is asked to its end");
            assert_eq!(accepted, wanted, "{what} after {after:?}");
        }
        asked + self.compare_codes(after).await + self.compare_directories(after).await
    }

    fn questions(&self, node: usize) -> Vec<Question> {
        let (model, now) = (&self.model, self.now());
        let (http, base) = (&self.installation.http, base(self.installation.node(node)));
        let mut questions = Vec::new();
        let mut add = |what: String, wanted, request, introspects| {
            questions.push(Question {
                what: format!("{what} on node {node}"),
                wanted,
                request,
                introspects,
            });
        };
        for (place, key) in self.field.keys.iter().enumerate() {
            let id = &self.field.companies[place].organization_id;
            let request = http.get(format!("{base}/api/v1/organizations/{id}"));
            let wanted = !model.organizations[place].inactive;
            add(
                format!("API key {place}"),
                wanted,
                request.bearer_auth(key),
                false,
            );
        }
        for (place, sign_in) in model.sign_ins.iter().enumerate() {
            let request = http.get(format!("{base}/auth/verify"));
            let request = request.header("cookie", &sign_in.cookie);
            let wanted = model.is_sign_in_live(place);
            add(format!("cookie {place}"), wanted, request, false);
        }
        for (place, share) in model.shares.iter().enumerate() {
            let application = &self.field.applications[model.codes[share.code].application];
            let introspect = |token: &str| {
                http.post(format!("{base}/oauth/introspect"))
                    .basic_auth(&application.client_id, Some(&application.client_secret))
                    .form_body(token)
            };
            for token in &share.access {
                let Some(wanted) = model.is_access_live(place, token, now) else {
                    continue;
                };
                let what = format!("access token {} of share {place}", token.generation);
                let userinfo = http.get(format!("{base}/oauth/userinfo"));
                add(
                    what.clone(),
                    wanted,
                    userinfo.bearer_auth(&token.text),
                    false,
                );
                add(what, wanted, introspect(&token.text), true);
            }
            for (generation, token) in share.refresh.iter().enumerate() {
                let Some(token) = token else { continue };
                let newest = generation + 1 == share.refresh.len();
                let wanted = newest && model.is_share_live(place);
                let what = format!("refresh token {generation} of share {place}");
                add(what, wanted, introspect(token), true);
            }
        }
        questions
    }

    /// Codes are used up by being asked about, so the store is asked, in transactions that are dropped.
    async fn compare_codes(&self, after: Step) -> usize {
        let mut asked = 0;
        for node in &self.installation.nodes {
            for (place, code) in self.model.codes.iter().enumerate() {
                let Some(wanted) = self.model.is_code_live(place, self.now()) else {
                    continue;
                };
                let application = &self.field.applications[code.application].client_id;
                let application: ApplicationId = application.parse().expect("an id");
                let hash = SecretHash::of(code.text.as_bytes());
                let store = node.engine.store();
                let mut tx = store
                    .write(node.clock().now())
                    .await
                    .expect("a transaction");
                let taken = tx.take_code(hash, application).await.expect("an answer");
                let live = matches!(taken, TakenCode::Live(_));
                assert_eq!(live, wanted, "code {place} after {after:?}");
                asked += 1;
            }
        }
        asked
    }

    /// The directories' bearer tokens end with their organization.
    async fn compare_directories(&self, after: Step) -> usize {
        for (place, organization) in self.model.organizations.iter().enumerate() {
            let directory: ScimClient = self.field.directory(self.installation, place, 1);
            let found = directory.find_user("nobody").await.expect("an answer");
            assert_eq!(
                found.is_success(),
                !organization.inactive,
                "directory {place} after {after:?}"
            );
        }
        self.model.organizations.len()
    }
}

trait FormBody {
    /// A form with one field, `token`.
    fn form_body(self, token: &str) -> Self;
}

impl FormBody for reqwest::RequestBuilder {
    fn form_body(self, token: &str) -> Self {
        self.header("content-type", "application/x-www-form-urlencoded")
            .body(crate::field::form(&[("token", token)]))
    }
}
