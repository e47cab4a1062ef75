//! One history: what happens to the people, the organizations and the nodes.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use vestibule_core::Timestamp;
use vestibule_simulate::scim::Call;
use vestibule_support::server::Reply;

use crate::{
    field::{Field, Installation, base, becomes, drop_request, form},
    model::{Model, Overtaken, Parent, User},
    steps::{Manner, Names, Step},
};

pub(crate) struct History<'w> {
    pub(crate) installation: &'w Installation,
    pub(crate) field: Field,
    pub(crate) model: Model,
    /// Everything that a thief of the database must not find there (I14).
    pub(crate) secrets: Vec<String>,
    /// What providers ended, and in which second of their clock: organization, name, second.
    pub(crate) signals: Vec<(usize, usize, i64)>,
}

/// Picks one of so many; none where there are none.
pub(crate) fn pick(number: usize, of: usize) -> Option<usize> {
    number.checked_rem(of)
}

impl<'w> History<'w> {
    pub(crate) async fn begin(installation: &'w Installation) -> Self {
        let field = Field::set_up(installation).await;
        let mut secrets = field.keys.clone();
        for company in &field.companies {
            secrets.extend([company.scim_token.clone(), company.client_secret.clone()]);
        }
        let of_applications = field.applications.iter();
        secrets.extend(of_applications.map(|application| application.client_secret.clone()));
        Self {
            installation,
            field,
            model: Model::default(),
            secrets,
            signals: Vec::new(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.installation.now()
    }

    pub(crate) fn base(&self, node: usize) -> String {
        base(self.installation.node(node))
    }

    pub(crate) async fn take(&mut self, step: Step) {
        let (users, sign_ins) = (self.model.users.len(), self.model.sign_ins.len());
        let (codes, shares) = (self.model.codes.len(), self.model.shares.len());
        match step {
            Step::Provision { organization, name } => self.provision(organization % 2, name).await,
            Step::Deactivate(user) => self.set_active(pick(user, users), user, false).await,
            Step::Reactivate(user) => self.set_active(pick(user, users), user, true).await,
            Step::Delete(user) => self.delete(pick(user, users)).await,
            Step::DropDeactivate(user) => self.drop_deactivate(pick(user, users)).await,
            Step::EndAll(user) => self.end_all(pick(user, users)).await,
            Step::BeginLogin {
                person,
                application,
                offline,
            } => {
                self.begin_login(pick(person, users), application % 2, offline)
                    .await;
            }
            Step::FinishLogin { login, node } => {
                self.finish_login(pick(login, self.model.logins.len()), node)
                    .await;
            }
            Step::Authorize {
                sign_in,
                application,
                offline,
                node,
            } => {
                let sign_in = pick(sign_in, sign_ins);
                self.authorize(sign_in, application % 2, offline, node)
                    .await;
            }
            Step::Exchange { code, node } => self.exchange(pick(code, codes), node).await,
            Step::Refresh { share, node } => self.refresh(pick(share, shares), node).await,
            Step::Reuse { share, token, node } => {
                self.reuse(pick(share, shares), token, node).await;
            }
            Step::DropRefresh { share, node } => self.drop_refresh(pick(share, shares), node).await,
            Step::RevokeShare { share, node } => self.revoke_share(pick(share, shares), node).await,
            Step::RevokeAccess { share, token, node } => {
                self.revoke_access(pick(share, shares), token, node).await;
            }
            Step::Logout { sign_in, node } => self.logout(pick(sign_in, sign_ins), node).await,
            Step::Signal {
                sign_in,
                names,
                node,
            } => {
                self.signal(pick(sign_in, sign_ins), names, node).await;
            }
            Step::ToggleOrganization { number, node } => {
                let id = self.field.companies[number % 2].organization_id.clone();
                let active = self.model.organizations[number % 2].inactive;
                let change = json!({ "active": active });
                self.change(&format!("/organizations/{id}"), change, node)
                    .await;
                self.model.organizations[number % 2].toggle();
            }
            Step::ToggleConnection { number, node } => {
                let id = self.field.companies[number % 2].connection_id.clone();
                let state = match self.model.connections[number % 2].inactive {
                    true => "active",
                    false => "inactive",
                };
                let change = json!({ "state": state });
                self.change(&format!("/connections/{id}"), change, node)
                    .await;
                self.model.connections[number % 2].toggle();
            }
            Step::ToggleApplication { number, node } => {
                let id = self.field.applications[number % 2].client_id.clone();
                let active = self.model.applications[number % 2].inactive;
                let change = json!({ "active": active });
                self.change(&format!("/applications/{id}"), change, node)
                    .await;
                self.model.applications[number % 2].toggle();
            }
            Step::Receive {
                application,
                manner,
            } => {
                self.field.applications[application % 2].set_manner(manner);
            }
            Step::Crash(node) => self.installation.node(node).crash_workers(),
            Step::Pass(seconds) => self.pass(seconds),
            Step::Skew { node, seconds } => self.installation.node(node).set_skew(seconds),
            Step::Tick => self.tick().await,
        }
    }

    async fn change(&self, path: &str, change: Value, node: usize) {
        self.installation.node(node).admin.patch(path, change).await;
    }

    fn pass(&self, seconds: u64) {
        self.installation.nodes[0].pass(Duration::from_secs(seconds));
        for node in &self.installation.nodes {
            node.engine.wake();
        }
        self.field.set_providers_clocks(self.installation);
    }

    async fn tick(&self) {
        let applications = &self.field.applications;
        if applications
            .iter()
            .all(|one| one.manner() == Manner::Answers)
        {
            // Longer than the lease of what a killed worker had claimed.
            self.pass(31);
            self.field.calm(self.installation).await;
        }
    }

    async fn provision(&mut self, organization: usize, name: usize) {
        let person = self.field.people[organization][name].clone();
        let directory = self.field.directory(self.installation, organization, name);
        let body = directory.user_body(&person);
        let made = directory.call(Method::POST, "/Users", Some(&body)).await;
        let made = made.expect("an answer");
        let taken = self.model.user_named(organization, name).is_some();
        let refused = self.model.organizations[organization].inactive;
        match made.id().filter(|_| made.status == 201) {
            Some(id) => {
                assert!(!taken && !refused, "a name was given twice");
                let known = self.model.users.iter().any(|user| user.id == id);
                assert!(!known, "I12: an id was given again");
                self.model.users.push(User {
                    id: id.to_owned(),
                    organization,
                    name,
                    person,
                    state: Parent::default(),
                    deleted: false,
                });
            }
            None => assert!(refused || (taken && made.status == 409), "{made:?}"),
        }
    }

    /// Somebody whom the directory can still change.
    fn reachable(&self, user: Option<usize>) -> Option<(usize, String, usize)> {
        let number = user?;
        let user = &self.model.users[number];
        let refused = user.deleted || self.model.organizations[user.organization].inactive;
        (!refused).then(|| (number, user.id.clone(), user.organization))
    }

    async fn set_active(&mut self, user: Option<usize>, node: usize, active: bool) {
        let Some((number, id, organization)) = self.reachable(user) else {
            return;
        };
        let directory = self.field.directory(self.installation, organization, node);
        let changed = match active {
            true => directory.reactivate(&id).await,
            false => directory.deactivate(&id).await,
        };
        changed
            .and_then(Call::success)
            .expect("the change is answered");
        self.note_active(number, active);
    }

    fn note_active(&mut self, number: usize, active: bool) {
        let state = &mut self.model.users[number].state;
        if state.inactive == active {
            state.toggle();
        }
    }

    async fn drop_deactivate(&mut self, user: Option<usize>) {
        let Some((number, id, organization)) = self.reachable(user) else {
            return;
        };
        let company = &self.field.companies[organization];
        let url: url::Url = company.scim_url.parse().expect("a URL");
        let path = format!("{}/Users/{id}", url.path().trim_end_matches('/'));
        let headers = [
            ("Authorization", format!("Bearer {}", company.scim_token)),
            ("Content-Type", "application/scim+json".to_owned()),
        ];
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{ "op": "replace", "path": "active", "value": false }],
        });
        let body = body.to_string();
        drop_request(&self.base(0), &Method::PATCH, &path, &headers, &body).await;
        let directory = self.field.directory(self.installation, organization, 0);
        let gone = becomes(async || {
            let read = directory.read(&id).await.expect("an answer");
            read.body["active"] == false
        });
        // It may not have been heard at all; whatever was done, was done whole.
        if gone.await {
            self.note_active(number, false);
        }
    }

    async fn delete(&mut self, user: Option<usize>) {
        let Some((number, id, organization)) = self.reachable(user) else {
            return;
        };
        let directory = self
            .field
            .directory(self.installation, organization, number);
        let deleted = directory.delete(&id).await;
        deleted
            .and_then(Call::success)
            .expect("the deletion is answered");
        self.model.users[number].deleted = true;
        self.model.users[number].state.epoch += 1;
    }

    async fn end_all(&mut self, user: Option<usize>) {
        let Some(number) = user.filter(|&number| !self.model.users[number].deleted) else {
            return;
        };
        let id = &self.model.users[number].id;
        let admin = &self.installation.node(number).admin;
        admin.delete(&format!("/users/{id}/sessions")).await;
        self.model.users[number].state.epoch += 1;
    }

    async fn signal(&mut self, sign_in: Option<usize>, names: Names, node: usize) {
        let Some(number) = sign_in else { return };
        let signed_in = &self.model.sign_ins[number];
        let (user, session) = (
            &self.model.users[signed_in.user],
            &signed_in.upstream_session,
        );
        let (organization, name) = (user.organization, user.name);
        let claims = match names {
            Names::Subject => json!({ "sub": user.person.sub }),
            Names::Session | Names::ForeignSession => json!({ "sid": session }),
        };
        let from = match names {
            Names::ForeignSession => 1 - organization,
            Names::Session | Names::Subject => organization,
        };
        let second = self.now().unix_seconds() + 1;
        self.send_signal(from, &claims, node).await;
        if names == Names::ForeignSession {
            return;
        }
        for other in 0..self.model.sign_ins.len() {
            let user = &self.model.users[self.model.sign_ins[other].user];
            let meant = (user.organization, user.name) == (organization, name);
            if other == number || (meant && names == Names::Subject) {
                self.model.sign_ins[other].ended = true;
            }
        }
        if names == Names::Subject {
            let same = |login: &&mut crate::model::Login| {
                (login.organization, login.name) == (organization, name)
            };
            for login in self.model.logins.iter_mut().filter(same) {
                login.overtaken = Overtaken::Yes;
            }
            self.signals.push((organization, name, second));
        }
    }

    /// A logout token of an organization's provider for its own connection.
    async fn send_signal(&self, organization: usize, claims: &Value, node: usize) {
        let company = &self.field.companies[organization];
        let token = company.idp.logout_token("vestibule", claims);
        let token = token.expect("a logout token");
        let url = format!(
            "{}/sso/oidc/{}/backchannel-logout",
            self.base(node),
            company.connection_id
        );
        let request = self.installation.http.post(url);
        let request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form(&[("logout_token", &token)]));
        let reply = Reply::read(request.send().await.expect("an answer")).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
}
