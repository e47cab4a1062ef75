//! What the log of SCIM requests keeps, and what it tells about the client.

use std::{sync::Arc, time::Duration};

use http::Method;
use serde_json::{Value, json};
use vestibule_scim::Options;
use vestibule_store::{NewProvisioningRecord, ProvisioningQuery};

use crate::setup::{Setup, on_both};

/// Requests to a setup's directory by HTTP.
struct Wire<'s> {
    setup: &'s Setup,
    router: axum::Router,
}

impl<'s> Wire<'s> {
    fn of(setup: &'s Setup) -> Self {
        let base = "http://127.0.0.1:8080/scim/v2".parse().unwrap();
        let provisioning = Arc::new(setup.provisioning.clone());
        let router = vestibule_scim::router(provisioning, Options::new(base));
        Self { setup, router }
    }

    async fn send(&self, method: Method, path: &str, agent: &str, body: &str) -> u16 {
        let token = self.setup.token.expose().to_owned();
        self.send_as(&token, method, path, agent, body).await
    }

    async fn send_as(
        &self,
        token: &str,
        method: Method,
        path: &str,
        agent: &str,
        body: &str,
    ) -> u16 {
        let directory = self.setup.directory.id.suffix();
        let request = http::Request::builder()
            .method(method)
            .uri(format!("/{directory}{path}"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/scim+json")
            .header("user-agent", agent)
            .body(axum::body::Body::from(body.to_owned()))
            .unwrap();
        let answer = tower::ServiceExt::oneshot(self.router.clone(), request).await;
        answer.unwrap().status().as_u16()
    }

    /// All records so far, the oldest first.
    async fn records(&self) -> Vec<NewProvisioningRecord> {
        self.setup.provisioning.flush().await;
        let mut tx = self.setup.store.read(self.setup.now()).await.unwrap();
        let wanted = ProvisioningQuery {
            directory_id: Some(self.setup.directory.id),
            ..ProvisioningQuery::default()
        };
        let records = tx.list_provisioning_records(self.setup.organization_id, &wanted, 100);
        let records = records.await.unwrap();
        let records = records.into_iter().map(|record| record.request);
        records.rev().collect()
    }

    async fn detected(&self) -> Option<String> {
        self.setup.provisioning.flush().await;
        let mut tx = self.setup.store.read(self.setup.now()).await.unwrap();
        let found = tx.find_directory(self.setup.directory.id).await.unwrap();
        found.unwrap().detected_dialect
    }
}

fn patch(operation: &Value) -> String {
    let urn = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
    json!({ "schemas": [urn], "Operations": [operation] }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_leave_records_without_values() {
    on_both(async |setup| {
        let wire = Wire::of(&setup);
        let body = r#"{"userName":"bob@acme.test","active":"True"}"#;
        assert_eq!(wire.send(Method::POST, "/Users", "x", body).await, 201);
        assert_eq!(wire.send(Method::POST, "/Users", "x", body).await, 409);
        let by_name = "/Users/bob@acme.test";
        assert_eq!(wire.send(Method::GET, by_name, "x", "").await, 404);
        for _ in 0..30 {
            let guess = wire.send_as("vdt_guess", Method::GET, "/Users", "x", "");
            assert_eq!(guess.await, 401);
        }
        let records = wire.records().await;
        let statuses: Vec<i64> = records.iter().map(|record| record.status).collect();
        let strangers = statuses.iter().filter(|status| **status == 401).count();
        assert_eq!((strangers, statuses.len()), (10, 13), "{statuses:?}");
        let created = &records[0];
        assert_eq!((created.status, created.path.as_str()), (201, "/Users"));
        assert_eq!(created.repairs[0]["rule"], 2);
        assert!(created.token_id.is_some() && created.client_id.is_none());
        assert!(created.resource_id.is_some());
        assert_eq!(created.changed, Some(true));
        let taken = &records[1];
        assert_eq!(
            (taken.status, taken.scim_type.as_deref()),
            (409, Some("uniqueness"))
        );
        assert_ne!(taken.request_id, created.request_id);
        assert_eq!(records[2].resource_id, None);
        assert!(!format!("{records:?}").contains("acme.test"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_product_behind_a_client_is_noticed_and_stands_on_each_record() {
    on_both(async |setup| {
        let wire = Wire::of(&setup);
        assert_eq!(wire.send(Method::GET, "/Users", "curl/8", "").await, 200);
        assert_eq!(wire.detected().await, None);
        let agent = "Okta SCIM Client 1.0.0";
        assert_eq!(wire.send(Method::GET, "/Users", agent, "").await, 200);
        assert_eq!(wire.detected().await.as_deref(), Some("okta"));
        // A request that says nothing was still sent by the same directory.
        assert_eq!(wire.send(Method::GET, "/Users", "curl/8", "").await, 200);
        let dialects: Vec<_> = wire.records().await;
        let dialects: Vec<_> = dialects.iter().map(|one| one.dialect.as_deref()).collect();
        assert_eq!(dialects, [None, Some("okta"), Some("okta")]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_product_is_noted_once_a_minute() {
    on_both(async |setup| {
        let wire = Wire::of(&setup);
        let user = setup.user(&setup.grant().await, "bob").await;
        let place = format!("/Users/{}", user.id);
        let entra = patch(&json!({ "op": "Replace", "path": "active", "value": "False" }));
        let send = async |agent: &str, body: &str| {
            assert_eq!(wire.send(Method::PATCH, &place, agent, body).await, 200);
            wire.detected().await
        };
        let okta = patch(&json!({ "op": "replace", "value": { "active": true } }));
        let agent = "Okta SCIM Client 1.0.0";
        assert_eq!(send("", &entra).await.as_deref(), Some("entra"));
        assert_eq!(send(agent, &okta).await.as_deref(), Some("entra"));
        setup.pass(Duration::from_mins(1));
        assert_eq!(send(agent, &okta).await.as_deref(), Some("okta"));
        let records = wire.records().await;
        let last = records.last().unwrap();
        assert_eq!(last.dialect.as_deref(), Some("okta"));
        assert_eq!(last.changed, Some(false), "the user was active already");
    })
    .await;
}
