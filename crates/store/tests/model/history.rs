use vestibule_core::{ConnectionState, EndCause, EndScope, OffboardingId, Protocol};
use vestibule_store::{Destination, Ending, NewLoginAnswer, NewUserSession, TakenAnswer, WriteTx};
use vestibule_support::{Lasting, SHARE_TTL, Share, SignIn, World, person};

use crate::{
    model::{ANSWER, Answered, Granted, Model, Parent, Person, Shared, SignedIn},
    steps::Step,
};

/// Runs a history in organizations of its own and compares after every step.
pub(crate) async fn check(world: &World, steps: &[Step]) {
    let mut history = History::begin(world).await;
    for step in steps {
        history.take(*step).await;
        history.compare(*step).await;
    }
    history.tell_everybody().await;
    history.compare_rows().await;
}

struct History<'w> {
    world: &'w World,
    model: Model,
    /// Makes the names of this history its own.
    tag: String,
}

/// Picks one of so many; none where there are none.
fn pick(number: usize, of: usize) -> Option<usize> {
    number.checked_rem(of)
}

async fn end(tx: &mut WriteTx, scope: EndScope, cause: EndCause) {
    let ending = Ending {
        scope,
        cause,
        actor: "model",
    };
    tx.end(ending).await.unwrap();
}

impl<'w> History<'w> {
    async fn begin(world: &'w World) -> Self {
        let mut organizations = Vec::new();
        let mut connections = Vec::new();
        for place in 0..2 {
            let organization = world.organization("Model").await;
            for protocol in [Protocol::Oidc, Protocol::Password] {
                let connection = world.connection(&organization, protocol).await;
                connections.push((Parent::new(connection), place));
            }
            organizations.push(Parent::new(organization));
        }
        let applications = vec![
            Parent::new(world.application("One").await),
            Parent::new(world.application("Two").await),
        ];
        Self {
            world,
            tag: world.store.generator().uuid().simple().to_string(),
            model: Model {
                organizations,
                connections,
                applications,
                people: Vec::new(),
                answers: Vec::new(),
                sign_ins: Vec::new(),
                codes: Vec::new(),
                shares: Vec::new(),
                links: Vec::new(),
            },
        }
    }

    async fn take(&mut self, step: Step) {
        let model = &self.model;
        let (people, shares) = (model.people.len(), model.shares.len());
        match step {
            Step::Provision { organization, name } => {
                self.provision(organization % 2, name).await;
            }
            Step::Deactivate(number) => self.set_active(pick(number, people), false).await,
            Step::Reactivate(number) => self.set_active(pick(number, people), true).await,
            Step::Delete(number) => self.delete(pick(number, people)).await,
            Step::Link { user, subject } => self.link(pick(user, people), subject).await,
            Step::Login { user, connection } => {
                self.login(pick(user, people), connection % 4).await;
            }
            Step::Answer { user, connection } => {
                self.answer(pick(user, people), connection % 4).await;
            }
            Step::Finish(number) => self.finish(pick(number, model.answers.len())).await,
            Step::Authorize {
                sign_in,
                application,
            } => {
                let sign_in = pick(sign_in, model.sign_ins.len());
                self.authorize(sign_in, application % 2).await;
            }
            Step::Exchange { code, offline } => {
                self.exchange(pick(code, model.codes.len()), offline).await;
            }
            Step::Refresh(number) => self.refresh(pick(number, shares), None).await,
            Step::Reuse { share, token } => self.refresh(pick(share, shares), Some(token)).await,
            Step::Revoke(number) => self.revoke(pick(number, shares)).await,
            Step::Logout(number) => self.logout(pick(number, model.sign_ins.len())).await,
            Step::ToggleOrganization(number) => self.toggle_organization(number % 2).await,
            Step::ToggleConnection(number) => self.toggle_connection(number % 4).await,
            Step::ToggleApplication(number) => self.toggle_application(number % 2).await,
            Step::EndAll(number) => self.end_all(pick(number, people)).await,
            Step::Clock(seconds) => {
                let now = self.world.now().micros() + seconds * 1_000_000;
                let now = vestibule_core::Timestamp::from_micros(now);
                self.world.clock.set(now);
            }
        }
    }

    async fn provision(&mut self, organization: usize, name: usize) {
        let taken = self.model.people.iter().any(|person| {
            (person.organization, person.name, person.deleted) == (organization, name, false)
        });
        let record = person(&format!("{name}@{}", self.tag));
        let home = self.model.organizations[organization].real.id;
        let mut tx = self.world.write().await;
        match tx.add_user(home, None, &record).await {
            Ok(user) => {
                assert!(!taken, "a name was given twice");
                tx.commit().await.unwrap();
                let mut known = self.model.people.iter();
                assert!(known.all(|person| person.user.real.id != user.id), "I12");
                self.model.people.push(Person {
                    user: Parent::new(user),
                    deleted: false,
                    organization,
                    name,
                });
            }
            Err(error) => assert!(taken && error.is_taken(), "{error:?}"),
        }
    }

    /// A person who is not deleted.
    fn living(&mut self, number: Option<usize>) -> Option<&mut Person> {
        let person = &mut self.model.people[number?];
        (!person.deleted).then_some(person)
    }

    async fn set_active(&mut self, number: Option<usize>, active: bool) {
        let world = self.world;
        let Some(person) = self.living(number) else {
            return;
        };
        world.set_active(&person.user.real, active).await;
        if person.user.active != active {
            person.user.active = active;
            person.user.bump();
        }
    }

    async fn end_all(&mut self, number: Option<usize>) {
        let world = self.world;
        if let Some(person) = self.living(number) {
            let scope = EndScope::User(person.user.real.id);
            world.end(scope, EndCause::Operator).await;
            person.user.bump();
        }
    }

    async fn delete(&mut self, number: Option<usize>) {
        let world = self.world;
        if let Some(person) = self.living(number) {
            world.delete(&person.user.real).await;
            person.deleted = true;
            let (number, links) = (number.unwrap(), &mut self.model.links);
            links.retain(|(_, _, linked)| *linked != number);
        }
    }

    async fn link(&mut self, number: Option<usize>, subject: usize) {
        let Some(person) = self.living(number) else {
            return;
        };
        let (user, connection) = (person.user.real.clone(), person.organization * 2);
        let number = number.unwrap();
        let links = &mut self.model.links;
        let free = !links
            .iter()
            .any(|link| link.0 == connection && (link.1 == subject || link.2 == number));
        let id = self.model.connections[connection].0.real.id;
        let mut tx = self.world.write().await;
        let added = tx.add_identity(id, "i", &subject.to_string(), &user).await;
        assert_eq!(added.unwrap(), free, "a subject and a user have one link");
        tx.commit().await.unwrap();
        if free {
            links.push((connection, subject, number));
        }
    }

    async fn login(&mut self, number: Option<usize>, connection: usize) {
        let Some(number) = number else { return };
        let wanted = self.model.login(number, connection);
        let user = &self.model.people[number].user.real;
        let way_in = &self.model.connections[connection].0.real;
        let got = self.world.try_login(user, way_in).await;
        assert_eq!(got.is_some(), wanted.is_some(), "the login");
        if let (Some(real), Some(epochs)) = (got, wanted) {
            self.model.sign_ins.push(SignedIn {
                real,
                person: number,
                connection,
                epochs,
                begun: self.world.now(),
                ended: false,
            });
        }
    }

    async fn answer(&mut self, number: Option<usize>, connection: usize) {
        let Some(number) = number else { return };
        let wanted = self.model.login(number, connection);
        let user = &self.model.people[number].user.real;
        let way_in = &self.model.connections[connection].0.real;
        let (real, now) = (self.world.secret(), self.world.now());
        let mut tx = self.world.write().await;
        let got = tx.hold_login(user.id, way_in.id).await.unwrap();
        assert_eq!(got.is_some(), wanted.is_some(), "the answer");
        let (Some(copied), Some(epochs)) = (got, wanted) else {
            return;
        };
        tx.add_login_answer(NewLoginAnswer {
            hash: real,
            browser_hash: &[],
            user_id: user.id,
            organization_id: user.organization_id,
            connection_id: way_in.id,
            application_id: None,
            epochs: copied,
            request: &serde_json::json!({}),
            upstream: ("https://idp.example", "ada", Some("s-1")),
            proof_sealed: &[],
            expires_at: now.after(ANSWER),
        })
        .await
        .unwrap();
        tx.commit().await.unwrap();
        self.model.answers.push(Answered {
            real,
            person: number,
            connection,
            epochs,
            verified: now,
            taken: false,
        });
    }

    /// Takes an answer and begins the sign-in that it stands for.
    async fn finish(&mut self, number: Option<usize>) {
        let Some(number) = number else { return };
        let (secret, now) = (self.world.secret(), self.world.now());
        let wanted = self.model.is_answer_live(number, now);
        let answer = &mut self.model.answers[number];
        let mut tx = self.world.write().await;
        let got = tx.take_login_answer(answer.real).await.unwrap();
        let was_taken = std::mem::replace(&mut answer.taken, true);
        let taken = match got {
            TakenAnswer::Live(taken) => taken.into_inner(),
            TakenAnswer::Dead(_) => {
                assert!(!wanted && !was_taken, "a dead answer");
                return tx.commit().await.unwrap();
            }
            TakenAnswer::Gone => return assert!(was_taken, "an answer is lost"),
        };
        assert!(wanted && !was_taken, "a live answer");
        let id = tx
            .add_user_session(NewUserSession {
                user_id: taken.user_id,
                organization_id: taken.organization_id,
                connection_id: taken.connection_id,
                epochs: taken.epochs,
                secret_hash: secret,
                auth_time: now,
                acr: "1".to_owned(),
                amr: Vec::new(),
                upstream: None,
                upstream_name_id: None,
                idle_seconds: 12 * 3600,
                expires_at: now.after(std::time::Duration::from_hours(7 * 24)),
            })
            .await
            .unwrap();
        tx.commit().await.unwrap();
        self.model.sign_ins.push(SignedIn {
            real: SignIn { id, secret },
            person: answer.person,
            connection: answer.connection,
            epochs: answer.epochs,
            begun: now,
            ended: false,
        });
    }

    async fn authorize(&mut self, number: Option<usize>, application: usize) {
        let Some(number) = number else { return };
        let wanted = self.model.is_sign_in_live(number, self.world.now());
        let sign_in = self.model.sign_ins[number].real;
        let known = self.model.applications[application].real.id;
        let mut tx = self.world.read().await;
        let real = tx.find_application(known).await.unwrap().unwrap();
        drop(tx);
        let got = self.world.try_authorize(sign_in, &real).await;
        assert_eq!(got.is_some(), wanted, "the authorization");
        if let Some(real) = got {
            self.model.codes.push(Granted {
                real,
                sign_in: number,
                application,
                application_epoch: self.model.applications[application].epoch,
                issued: self.world.now(),
                consumed: false,
                share: None,
            });
        }
    }

    async fn exchange(&mut self, number: Option<usize>, offline: bool) {
        let Some(number) = number else { return };
        let now = self.world.now();
        let wanted = self.model.is_code_live(number, now);
        let lasting = match offline {
            true => Lasting::Offline,
            false => Lasting::WithSignIn,
        };
        let code = &mut self.model.codes[number];
        let got = self.world.try_exchange(code.real, lasting).await;
        assert_eq!(got.is_some(), wanted, "the exchange");
        if let Some(share) = got {
            code.share = Some(self.model.shares.len());
            self.model.shares.push(Shared {
                code: number,
                offline,
                begun: now,
                ended: false,
                tokens: vec![share.refresh],
            });
        } else if let (true, Some(share)) = (code.consumed, code.share) {
            // I5: a second try ends what the first began.
            self.model.shares[share].ended = true;
        }
        code.consumed = true;
    }

    /// Uses a refresh token: the newest, or one that was used before.
    async fn refresh(&mut self, number: Option<usize>, older: Option<usize>) {
        let Some(number) = number else { return };
        let live = self.model.is_share_live(number, self.world.now());
        let share = &mut self.model.shares[number];
        let used = share.tokens.len() - 1;
        let token = match older {
            Some(_) if used == 0 => return,
            Some(older) => older % used,
            None => used,
        };
        let code = &self.model.codes[share.code];
        let got = self
            .world
            .try_refresh(Share {
                id: code.real.app_session_id,
                refresh: share.tokens[token],
                generation: i64::try_from(share.tokens.len()).unwrap(),
            })
            .await;
        assert_eq!(got.is_some(), live && older.is_none(), "the refresh");
        match got {
            Some(next) => share.tokens.push(next.refresh),
            // I6: using a used one ends the share.
            None if live => share.ended = true,
            None => {}
        }
    }

    async fn revoke(&mut self, number: Option<usize>) {
        let Some(number) = number else { return };
        let share = &mut self.model.shares[number];
        let id = self.model.codes[share.code].real.app_session_id;
        let scope = EndScope::AppSession(id);
        self.world.end(scope, EndCause::Revoked).await;
        share.ended = true;
    }

    async fn logout(&mut self, number: Option<usize>) {
        let Some(number) = number else { return };
        let sign_in = &mut self.model.sign_ins[number];
        let scope = EndScope::UserSession(sign_in.real.id);
        self.world.end(scope, EndCause::Logout).await;
        sign_in.ended = true;
    }

    async fn toggle_organization(&mut self, number: usize) {
        let organization = &mut self.model.organizations[number];
        organization.active = !organization.active;
        organization.bump();
        let id = organization.real.id;
        let mut tx = self.world.write().await;
        let mut locked = tx.lock_organization(id).await.unwrap().unwrap();
        locked.active = organization.active;
        tx.set_organization(&locked).await.unwrap();
        let scope = EndScope::Organization(id);
        end(&mut tx, scope, EndCause::OrganizationEnded).await;
        tx.commit().await.unwrap();
    }

    async fn toggle_connection(&mut self, number: usize) {
        let connection = &mut self.model.connections[number].0;
        connection.active = !connection.active;
        connection.bump();
        connection.real.state = match connection.active {
            true => ConnectionState::Active,
            false => ConnectionState::Inactive,
        };
        let mut tx = self.world.write().await;
        tx.set_connection(&connection.real).await.unwrap();
        let scope = EndScope::Connection(connection.real.id);
        end(&mut tx, scope, EndCause::ConnectionEnded).await;
        tx.commit().await.unwrap();
    }

    async fn toggle_application(&mut self, number: usize) {
        let application = &mut self.model.applications[number];
        application.active = !application.active;
        application.bump();
        let id = application.real.id;
        let mut tx = self.world.write().await;
        let mut record = tx.lock_application(id).await.unwrap().unwrap().record();
        record.active = application.active;
        tx.set_application(id, &record).await.unwrap();
        let scope = EndScope::Application(id);
        end(&mut tx, scope, EndCause::ApplicationEnded).await;
        tx.commit().await.unwrap();
    }

    /// Each credential is live exactly when the model says so.
    async fn compare(&self, after: Step) {
        let (world, model, now) = (self.world, &self.model, self.world.now());
        for (place, sign_in) in model.sign_ins.iter().enumerate() {
            let wanted = model.is_sign_in_live(place, now);
            let got = world.is_signed_in(sign_in.real).await;
            assert_eq!(got, wanted, "sign-in {place} after {after:?}");
        }
        for (place, answer) in model.answers.iter().enumerate() {
            if answer.taken {
                continue;
            }
            let wanted = model.is_answer_live(place, now);
            let mut tx = world.write().await;
            let taken = tx.take_login_answer(answer.real).await.unwrap();
            let got = matches!(taken, TakenAnswer::Live(_));
            assert_eq!(got, wanted, "answer {place} after {after:?}");
        }
        for (place, share) in model.shares.iter().enumerate() {
            let wanted = model.is_share_live(place, now);
            let id = model.codes[share.code].real.app_session_id;
            let got = world.is_share_live(id).await;
            assert_eq!(got, wanted, "share {place} after {after:?}");
        }
        for (place, code) in model.codes.iter().enumerate() {
            if code.consumed || now.since(code.issued) > SHARE_TTL {
                continue;
            }
            let wanted = model.is_code_live(place, now);
            let got = world.is_code_live(code.real).await;
            assert_eq!(got, wanted, "code {place} after {after:?}");
        }
        for &(connection, subject, person) in &model.links {
            let id = model.connections[connection].0.real.id;
            let mut tx = world.read().await;
            let found = tx.find_linked_user(id, "i", &subject.to_string()).await;
            let found = found.unwrap().map(|user| user.id);
            assert_eq!(found, Some(model.people[person].user.real.id));
        }
    }

    /// Runs the fan-outs of this history to their end, as the workers do.
    async fn tell_everybody(&self) {
        let world = self.world;
        world.clock.advance(std::time::Duration::from_mins(2));
        let lease = std::time::Duration::from_mins(1);
        loop {
            let mut tx = world.write().await;
            let jobs = tx.claim_jobs(Destination::FanOut, lease, 50).await.unwrap();
            if jobs.is_empty() {
                return;
            }
            for job in jobs {
                let receipt: Option<OffboardingId> =
                    job.cause_id.as_deref().map(|id| id.parse().unwrap());
                let subject = job.payload["subject"].as_str().unwrap().to_owned();
                let epoch = job.payload["epoch"].as_i64().unwrap();
                let cause = serde_json::from_value(job.payload["cause"].clone()).unwrap();
                let more = tx.fan_out(
                    &subject,
                    &job.destination,
                    epoch,
                    (cause, "system"),
                    receipt,
                );
                assert!(!more.await.unwrap());
                tx.finish_job(job.id).await.unwrap();
            }
            tx.commit().await.unwrap();
        }
    }

    /// What no liveness question shows: one unused refresh token a share (I6), a notice for each that is over (I8).
    async fn compare_rows(&self) {
        let world = self.world;
        let unused = "SELECT COUNT(*) FROM (SELECT app_session_id FROM refresh_tokens WHERE consumed_at IS NULL
             GROUP BY app_session_id HAVING COUNT(*) > 1) AS several";
        assert_eq!(world.database.number(unused).await, 0, "I6");
        let mut tx = world.read().await;
        for (place, share) in self.model.shares.iter().enumerate() {
            let code = &self.model.codes[share.code];
            let sign_in = &self.model.sign_ins[code.sign_in];
            // An offline share goes on after a sign-out; its application is told all the same.
            let over = self.model.login(sign_in.person, sign_in.connection) != Some(sign_in.epochs)
                || self.model.applications[code.application].epoch != code.application_epoch
                || share.ended
                || sign_in.ended;
            let application = &self.model.applications[code.application].real;
            let jobs = tx
                .list_jobs(&application.id.to_string(), None, 10_000)
                .await;
            let sid = code.real.app_session_id.to_string();
            let told = jobs.unwrap().iter().any(|job| job.payload["sid"] == sid);
            let revoked = format!(
                "SELECT COUNT(*) FROM app_sessions WHERE id = '{sid}' AND end_reason = 'revoked'"
            );
            let revoked = over && !told && world.database.number(&revoked).await == 1;
            assert_eq!(told || revoked, over, "I8 of share {place}");
        }
    }
}
