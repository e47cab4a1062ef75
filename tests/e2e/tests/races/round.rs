//! One person, one deactivation, and everything else at the same time.

use std::{
    mem,
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use vestibule_simulate::Browser;
use vestibule_support::server::Employee;

use crate::{
    app::{Code, Said, Tokens},
    field::{Field, count},
};

/// The racers' pauses are shorter than this, in milliseconds; most rounds are tight.
const PAUSES: [u64; 4] = [1, 5, 20, 60];
/// How often something is tried again while a killed node is coming back.
const TRIES: usize = 100;

/// A sign-in that works, from before the round.
pub(crate) struct Standing {
    browser: Browser,
    tokens: Tokens,
}

/// Credentials that a round has collected.
#[derive(Default)]
struct Loot {
    browsers: Vec<Browser>,
    codes: Vec<Code>,
    tokens: Vec<Tokens>,
}

impl Loot {
    fn absorb(&mut self, other: Self) {
        self.browsers.extend(other.browsers);
        self.codes.extend(other.codes);
        self.tokens.extend(other.tokens);
    }
}

/// What a racer brought home: of a chain that began before the person came back, and of one that may not have.
#[derive(Default)]
struct Catch {
    old: Loot,
    unclear: Loot,
}

/// How far the directory is, as everybody sees it.
#[derive(Default)]
struct Fate(AtomicU8);

impl Fate {
    const DEACTIVATING: u8 = 1;
    const DEACTIVATED: u8 = 2;
    const REACTIVATING: u8 = 3;

    fn set(&self, step: u8) {
        self.0.store(step, Ordering::SeqCst);
    }

    fn at_least(&self, step: u8) -> bool {
        self.0.load(Ordering::SeqCst) >= step
    }
}

impl Standing {
    /// Signs somebody in who has to be let in, and shows that every node knows it.
    pub(crate) async fn begin(field: &Field, employee: &Employee) -> Self {
        for _ in 0..TRIES {
            let mut browser = field.app.browser();
            let code = match field
                .app
                .login(field.front(), &mut browser, &employee.person, &field.dice)
                .await
            {
                Said::Yes(code) => code,
                Said::No(reason) => panic!("an active person was refused: {reason}"),
                Said::Lost => {
                    pause(field).await;
                    continue;
                }
            };
            let tokens = match field.app.exchange(field.node(), &code).await {
                Said::Yes(tokens) => tokens,
                Said::No(reason) => panic!("a fresh code was refused: {reason}"),
                Said::Lost => {
                    pause(field).await;
                    continue;
                }
            };
            field.note(&tokens.sid);
            for node in field.nodes() {
                let said = field.app.userinfo(node, &tokens.access).await;
                assert!(
                    !matches!(said, Said::No(_)),
                    "a fresh access token was refused: {said:?}"
                );
            }
            return Self { browser, tokens };
        }
        panic!("nobody could sign in in {TRIES} tries");
    }
}

async fn pause(field: &Field) {
    count(&field.counts.lost);
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// One person's rounds.
pub(crate) struct Runner<'a> {
    field: &'a Field,
    employee: &'a Employee,
    /// Credentials of the round before that may have been born after its reactivation.
    unclear: Loot,
}

impl<'a> Runner<'a> {
    pub(crate) fn new(field: &'a Field, employee: &'a Employee) -> Self {
        Self {
            field,
            employee,
            unclear: Loot::default(),
        }
    }

    /// One deactivation and reactivation; gives the sign-in that the next round begins with.
    pub(crate) async fn round(&mut self, standing: Standing) -> Standing {
        let field = self.field;
        let mut loot = mem::take(&mut self.unclear);
        let mut browser = standing.browser.clone();
        for _ in 0..2 {
            loot.codes.extend(self.silent(&mut browser).await);
        }
        // One code is exchanged during the race, the other lies in the app's memory.
        let code = loot.codes.last().cloned();
        loot.browsers.push(standing.browser.clone());
        loot.tokens.push(standing.tokens.clone());

        let returns_at_once = field.dice.once_in(2);
        let pauses = PAUSES[field.dice.below(PAUSES.len())];
        let fate = Fate::default();
        let race = Race {
            runner: self,
            fate: &fate,
            pauses,
        };
        let (login, second_login, exchange, refresh, silent, (), ()) = tokio::join!(
            race.login(),
            race.login(),
            race.exchange(code),
            race.refresh(&standing.tokens),
            race.silent(&standing.browser),
            race.userinfo(&standing.tokens),
            race.directory(&standing, returns_at_once),
        );
        for catch in [login, second_login, exchange, refresh, silent] {
            loot.absorb(catch.old);
            self.unclear.absorb(catch.unclear);
        }
        if !returns_at_once {
            self.all_dead(&loot).await;
            if field.dice.once_in(2) {
                self.cannot_sign_in().await;
            }
            if field.dice.once_in(3) {
                self.cannot_be_used(&loot).await;
            }
            self.reactivate().await;
        }
        // Sometimes the person is back before anybody has looked.
        let next = Standing::begin(field, self.employee).await;
        self.all_dead(&loot).await;
        self.cannot_be_used(&loot).await;
        self.all_dead(&loot).await;
        next
    }

    /// The last deactivation, which nobody races with.
    pub(crate) async fn finish(&mut self, standing: Standing) {
        self.deactivate().await;
        let mut loot = mem::take(&mut self.unclear);
        loot.browsers.push(standing.browser);
        loot.tokens.push(standing.tokens);
        self.all_dead(&loot).await;
        self.cannot_be_used(&loot).await;
    }

    async fn deactivate(&self) {
        let id = &self.employee.user_id;
        self.field
            .push(|scim| async move { scim.deactivate(id).await })
            .await;
    }

    async fn reactivate(&self) {
        let id = &self.employee.user_id;
        self.field
            .push(|scim| async move { scim.reactivate(id).await })
            .await;
    }

    async fn silent(&self, browser: &mut Browser) -> Option<Code> {
        self.field
            .app
            .silent(self.field.front(), browser, &self.field.dice)
            .await
            .yes()
    }

    /// Every node refuses every cookie and every token; nothing is used up by being asked.
    async fn all_dead(&self, loot: &Loot) {
        let app = &self.field.app;
        for node in self.field.nodes() {
            for tokens in &loot.tokens {
                self.dead(
                    "an access token at userinfo",
                    app.userinfo(node, &tokens.access).await,
                );
                self.dead(
                    "an access token at introspection",
                    app.introspect(node, &tokens.access).await,
                );
                self.dead(
                    "a refresh token at introspection",
                    app.introspect(node, &tokens.refresh).await,
                );
            }
            for browser in &loot.browsers {
                self.dead(
                    "a session cookie",
                    app.silent(node, &mut browser.clone(), &self.field.dice)
                        .await,
                );
            }
        }
    }

    /// No code and no refresh token is exchanged.
    async fn cannot_be_used(&self, loot: &Loot) {
        let app = &self.field.app;
        for code in &loot.codes {
            self.dead("a code", app.exchange(self.field.node(), code).await);
        }
        for tokens in &loot.tokens {
            self.dead(
                "a refresh token",
                app.refresh(self.field.node(), &tokens.refresh).await,
            );
        }
    }

    async fn cannot_sign_in(&self) {
        let mut browser = self.field.app.browser();
        let said = self
            .field
            .app
            .login(
                self.field.front(),
                &mut browser,
                &self.employee.person,
                &self.field.dice,
            )
            .await;
        self.dead("a sign-in of a deactivated person", said);
    }

    fn dead<T: std::fmt::Debug>(&self, what: &str, said: Said<T>) {
        match said {
            Said::Yes(got) => panic!("{what} is alive: {got:?}"),
            Said::No(_) => count(&self.field.counts.refused),
            Said::Lost => count(&self.field.counts.lost),
        }
    }
}

/// What runs at the same time.
struct Race<'a> {
    runner: &'a Runner<'a>,
    fate: &'a Fate,
    pauses: u64,
}

impl Race<'_> {
    /// Deactivates at some moment, tries at once what it knows, and maybe takes the person back at once.
    async fn directory(&self, standing: &Standing, returns_at_once: bool) {
        let field = self.runner.field;
        field.dice.pause(self.pauses).await;
        self.fate.set(Fate::DEACTIVATING);
        self.runner.deactivate().await;
        self.fate.set(Fate::DEACTIVATED);
        for node in field.nodes() {
            self.runner.dead(
                "an access token, at once",
                field.app.userinfo(node, &standing.tokens.access).await,
            );
            let mut browser = standing.browser.clone();
            self.runner.dead(
                "a session cookie, at once",
                field.app.silent(node, &mut browser, &field.dice).await,
            );
        }
        if returns_at_once {
            field.dice.pause(self.pauses).await;
            self.fate.set(Fate::REACTIVATING);
            self.runner.reactivate().await;
        }
    }

    async fn login(&self) -> Catch {
        let field = self.runner.field;
        let mut catch = Catch::default();
        field.dice.pause(self.pauses).await;
        let mut browser = field.app.browser();
        let underway = self.underway();
        let said = field
            .app
            .login(
                field.front(),
                &mut browser,
                &self.runner.employee.person,
                &field.dice,
            )
            .await;
        // A sign-in that ends after the directory took the person back may be a new one, and then it lives.
        let unclear = self.fate.at_least(Fate::REACTIVATING);
        let Some(code) = self.tell(underway, said) else {
            return catch;
        };
        let loot = if unclear {
            &mut catch.unclear
        } else {
            &mut catch.old
        };
        loot.browsers.push(browser);
        if field.dice.once_in(2) {
            loot.tokens.extend(self.exchanged(&code).await);
        }
        loot.codes.push(code);
        catch
    }

    async fn exchange(&self, code: Option<Code>) -> Catch {
        self.runner.field.dice.pause(self.pauses).await;
        let mut catch = Catch::default();
        if let Some(code) = code {
            catch.old.tokens.extend(self.exchanged(&code).await);
        }
        catch
    }

    async fn refresh(&self, tokens: &Tokens) -> Catch {
        let field = self.runner.field;
        let mut catch = Catch::default();
        let mut latest = tokens.clone();
        for _ in 0..3 {
            field.dice.pause(self.pauses).await;
            let underway = self.underway();
            let said = field.app.refresh(field.node(), &latest.refresh).await;
            let Some(fresh) = self.tell(underway, said) else {
                break;
            };
            catch.old.tokens.push(fresh.clone());
            latest = fresh;
        }
        catch
    }

    async fn silent(&self, browser: &Browser) -> Catch {
        let field = self.runner.field;
        let mut catch = Catch::default();
        for _ in 0..3 {
            field.dice.pause(self.pauses).await;
            let underway = self.underway();
            let said = field
                .app
                .silent(field.node(), &mut browser.clone(), &field.dice)
                .await;
            let Some(code) = self.tell(underway, said) else {
                break;
            };
            if field.dice.once_in(2) {
                catch.old.tokens.extend(self.exchanged(&code).await);
            }
            catch.old.codes.push(code);
        }
        catch
    }

    async fn userinfo(&self, tokens: &Tokens) {
        let field = self.runner.field;
        for _ in 0..4 {
            field.dice.pause(self.pauses).await;
            let asked_after = self.fate.at_least(Fate::DEACTIVATED);
            let said = field.app.userinfo(field.node(), &tokens.access).await;
            if asked_after {
                self.runner.dead("an access token in the race", said);
            }
        }
    }

    async fn exchanged(&self, code: &Code) -> Option<Tokens> {
        let field = self.runner.field;
        let underway = self.underway();
        let tokens = self.tell(underway, field.app.exchange(field.node(), code).await)?;
        field.note(&tokens.sid);
        Some(tokens)
    }

    /// Whether a request that begins now begins before the deactivation is answered.
    fn underway(&self) -> bool {
        !self.fate.at_least(Fate::DEACTIVATED)
    }

    /// Counts what came of a request that the deactivation met.
    fn tell<T>(&self, began_before: bool, said: Said<T>) -> Option<T> {
        let counts = &self.runner.field.counts;
        let met = began_before && self.fate.at_least(Fate::DEACTIVATING);
        match &said {
            Said::Yes(_) if met => count(&counts.born_during),
            Said::No(_) if met => count(&counts.refused_during),
            Said::Lost => count(&counts.lost),
            Said::Yes(_) | Said::No(_) => {}
        }
        said.yes()
    }
}
