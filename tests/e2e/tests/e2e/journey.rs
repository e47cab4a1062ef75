//! From hire to fire: known before they knock, and over means over.

use std::time::Duration;

use serde_json::json;
use vestibule_simulate::{Browser, app::AppSession, scim::Dialect};
use vestibule_support::{
    on_every_server,
    server::{Company, Employee, TestServer, eventually},
};

use crate::relying::{NONCE, Relying, Tokens, answer};

on_every_server!(
    a_hired_person_signs_in_and_no_user_is_made,
    a_patch_in_the_words_of_entra_ends_everything,
    a_patch_in_the_words_of_okta_ends_everything,
    a_replacement_ends_everything,
    a_deletion_ends_everything,
    an_operator_who_deactivates_ends_everything,
    an_operator_who_ends_sessions_ends_everything,
    a_connection_out_of_use_ends_everything,
    an_organization_out_of_use_ends_everything,
);

pub(crate) async fn a_hired_person_signs_in_and_no_user_is_made(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let mut browser = Browser::new().unwrap();
    let session = company.signed_in(&mut browser, &ada).await;
    assert_eq!(company.count_users(&server).await, 1);
    assert_eq!(session.claim("email"), Some(ada.person.email.as_str()));
    assert_eq!(
        session.claim("org_id"),
        Some(company.organization_id.as_str())
    );
    let login = company.last_login(&server).await;
    assert_eq!(
        (login["outcome"].as_str(), login["user_id"].as_str()),
        (Some("succeeded"), Some(ada.user_id.as_str()))
    );

    let app = Relying::of(&server, &company);
    let code = app.code(&mut browser, &[]).await;
    let tokens = Tokens::of(&app.exchange(&code).await);
    let claims = tokens.claims();
    assert_eq!(
        (claims["sub"].as_str(), claims["nonce"].as_str()),
        (Some(ada.user_id.as_str()), Some(NONCE))
    );
    assert_eq!(claims["aud"], json!(company.client_id));
    let person = app.userinfo(&tokens.access).await;
    assert_eq!(
        (person.status, person.text("sub")),
        (200, ada.user_id.as_str())
    );
    assert_eq!(
        app.introspect(&tokens.access).await.body["active"],
        json!(true)
    );
    let fresh = Tokens::of(&app.refresh(&tokens.refresh).await);
    assert_ne!(fresh.refresh, tokens.refresh);
    assert_eq!(fresh.claims()["sid"], claims["sid"]);
    assert_eq!(
        app.introspect(&fresh.refresh).await.body["active"],
        json!(true)
    );
    let sessions = server
        .admin
        .get(&format!("/users/{}/sessions", ada.user_id))
        .await;
    assert_eq!(sessions["data"].as_array().unwrap().len(), 1, "{sessions}");
}

async fn a_patch_in_the_words_of_entra_ends_everything(server: TestServer) {
    over_means_over(server, Ending::Patch(Dialect::Entra)).await;
}

async fn a_patch_in_the_words_of_okta_ends_everything(server: TestServer) {
    over_means_over(server, Ending::Patch(Dialect::Okta)).await;
}

async fn a_replacement_ends_everything(server: TestServer) {
    over_means_over(server, Ending::Replacement).await;
}

async fn a_deletion_ends_everything(server: TestServer) {
    over_means_over(server, Ending::Deletion).await;
}

async fn an_operator_who_deactivates_ends_everything(server: TestServer) {
    over_means_over(server, Ending::Operator).await;
}

async fn an_operator_who_ends_sessions_ends_everything(server: TestServer) {
    over_means_over(server, Ending::Sessions).await;
}

async fn a_connection_out_of_use_ends_everything(server: TestServer) {
    over_means_over(server, Ending::Connection).await;
}

async fn an_organization_out_of_use_ends_everything(server: TestServer) {
    over_means_over(server, Ending::Organization).await;
}

/// How it can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Patch(Dialect),
    Replacement,
    Deletion,
    Operator,
    Sessions,
    Connection,
    Organization,
}

impl Ending {
    async fn happens(self, server: &TestServer, company: &Company, employee: &Employee) {
        let (admin, id) = (&server.admin, &employee.user_id);
        match self {
            Self::Patch(dialect) => {
                let call = company
                    .scim
                    .clone()
                    .dialect(dialect)
                    .deactivate(id)
                    .await
                    .unwrap();
                call.success().unwrap();
            }
            Self::Replacement => {
                let call = company
                    .scim
                    .replace(id, &employee.person, json!(false))
                    .await
                    .unwrap();
                assert_eq!(call.success().unwrap().body["active"], json!(false));
            }
            Self::Deletion => assert_eq!(company.scim.delete(id).await.unwrap().status, 204),
            Self::Operator => {
                let user = admin
                    .post(&format!("/users/{id}/deactivate"), json!({}))
                    .await;
                assert_eq!(user["active"], json!(false));
            }
            Self::Sessions => {
                let ended = admin.delete(&format!("/users/{id}/sessions")).await;
                assert_eq!(
                    (
                        ended["user_sessions"].as_i64(),
                        ended["app_sessions"].as_i64()
                    ),
                    (Some(1), Some(2)),
                    "{ended}"
                );
            }
            Self::Connection => {
                admin
                    .patch(
                        &format!("/connections/{}", company.connection_id),
                        json!({ "state": "inactive" }),
                    )
                    .await;
            }
            Self::Organization => {
                admin
                    .patch(
                        &format!("/organizations/{}", company.organization_id),
                        json!({ "active": false }),
                    )
                    .await;
            }
        }
    }

    /// Undoes it, as the same side would; the employee may be another user afterwards.
    async fn is_undone(
        self,
        server: &TestServer,
        company: &Company,
        employee: Employee,
    ) -> Employee {
        let (admin, id) = (&server.admin, &employee.user_id);
        match self {
            Self::Patch(dialect) => {
                company
                    .scim
                    .clone()
                    .dialect(dialect)
                    .reactivate(id)
                    .await
                    .unwrap()
                    .success()
                    .unwrap();
            }
            Self::Replacement => {
                company
                    .scim
                    .replace(id, &employee.person, json!(true))
                    .await
                    .unwrap()
                    .success()
                    .unwrap();
            }
            Self::Deletion => {
                let returned = company.push(employee.person).await;
                assert_ne!(
                    returned.user_id, employee.user_id,
                    "a subject is never used again"
                );
                return returned;
            }
            Self::Operator => {
                admin
                    .post(&format!("/users/{id}/activate"), json!({}))
                    .await;
            }
            Self::Sessions => {}
            Self::Connection => {
                admin
                    .patch(
                        &format!("/connections/{}", company.connection_id),
                        json!({ "state": "active" }),
                    )
                    .await;
            }
            Self::Organization => {
                admin
                    .patch(
                        &format!("/organizations/{}", company.organization_id),
                        json!({ "active": true }),
                    )
                    .await;
            }
        }
        employee
    }
}

/// Everything that somebody holds who is signed in.
struct Presence {
    browser: Browser,
    /// A session of the app.
    session: AppSession,
    /// Another one, with tokens in our hands.
    app: Relying,
    tokens: Tokens,
    /// A third one that has not begun: its code is in flight.
    codes: [String; 3],
}

impl Presence {
    async fn of(server: &TestServer, company: &Company, employee: &Employee) -> Self {
        let mut browser = Browser::new().unwrap();
        let session = company.signed_in(&mut browser, employee).await;
        let app = Relying::of(server, company);
        let code = app.code(&mut browser, &[]).await;
        let tokens = Tokens::of(&app.exchange(&code).await);
        let mut codes = [const { String::new() }; 3];
        for code in &mut codes {
            *code = app.code(&mut browser, &[]).await;
        }
        Self {
            browser,
            session,
            app,
            tokens,
            codes,
        }
    }

    /// Tries everything at a node; `code` says which of the codes in flight.
    async fn is_over(&self, node: &TestServer, company: &Company, code: usize) {
        let app = self.app.at(node);
        let mut browser = self.browser.clone();
        let silent = answer(&app.ask(&mut browser, &[("prompt", "none")]).await);
        assert_eq!(
            silent.get("error").map(String::as_str),
            Some("login_required"),
            "the cookie: {silent:?}"
        );
        let home = browser.get_once(&node.url("/")).await.unwrap();
        assert!(
            home.location()
                .is_some_and(|to| to.path().ends_with("/login")),
            "the cookie at home: {}",
            home.status
        );
        let exchanged = app.exchange(&self.codes[code]).await;
        assert_eq!(
            (exchanged.status, exchanged.text("error")),
            (400, "invalid_grant"),
            "the code"
        );
        for token in [&self.tokens.access, &self.tokens.refresh] {
            assert_eq!(app.introspect(token).await.body, json!({ "active": false }));
        }
        assert_eq!(
            app.userinfo(&self.tokens.access).await.status,
            401,
            "the access token"
        );
        let refreshed = app.refresh(&self.tokens.refresh).await;
        assert_eq!(
            (refreshed.status, refreshed.text("error")),
            (400, "invalid_grant"),
            "the refresh token"
        );
        let probe = company.app.probe(&self.session.id).await.unwrap();
        assert!(!probe.is_any_accepted(), "the app's tokens: {probe:?}");
    }
}

async fn over_means_over(server: TestServer, ending: Ending) {
    let company = Company::set_up(&server).await;
    let other_node = server.second_node().await;
    let ada = company.hire("Ada", "Lovelace").await;
    let mut presence = Presence::of(&server, &company, &ada).await;

    ending.happens(&server, &company, &ada).await;
    presence.is_over(&other_node, &company, 0).await;
    presence.is_over(&server, &company, 1).await;
    let session = presence.session.clone();
    eventually("the app has its notice", || {
        !company.notices(&session).is_empty()
    })
    .await;
    assert!(
        company.live_session(&ada.user_id).is_none(),
        "the app's session ended"
    );
    let notice = company.notices(&session).remove(0);
    assert_eq!(notice.claims["iss"].as_str(), Some(server.issuer()));
    if ending != Ending::Sessions {
        let page = company
            .sign_in(&mut Browser::new().unwrap(), &ada.person)
            .await;
        assert_ne!(&page.url, company.app.url(), "nobody signs in meanwhile");
    }

    let ada = ending.is_undone(&server, &company, ada).await;
    presence.is_over(&server, &company, 2).await;
    // At once: no cool-down stands between a return and the next login.
    let returned = company.signed_in(&mut presence.browser, &ada).await;
    assert_ne!(returned.sid, session.sid);

    server.pass(Duration::from_secs(46));
    eventually("the young session has its second notice", || {
        company.notices(&session).len() == 2
    })
    .await;
    server.settled().await;
    assert_eq!(
        company
            .live_session(&ada.user_id)
            .and_then(|session| session.sid),
        returned.sid,
        "the new session stays"
    );
    assert!(
        company
            .app
            .probe(&returned.id)
            .await
            .unwrap()
            .access_token
            .is_accepted()
    );
}
