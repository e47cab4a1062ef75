//! What a directory's attributes become in the user store.

use serde_json::json;
use vestibule_engine::admin::{Actor, AdminError, SettingsChange};

use crate::setup::{Setup, USER, on_both};

const NUMBER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber";

async fn set(setup: &Setup, change: SettingsChange) -> Result<(), AdminError> {
    let actor = Actor::command_line();
    let id = setup.directory.id;
    let set = setup
        .engine
        .set_directory_settings(&actor, id, change, setup.now());
    set.await.map(drop)
}

fn employee(name: &str, number: &str, email: &str) -> serde_json::Value {
    json!({
        "userName": name, "emails": [{ "value": "first@acme.test", "primary": true }], "nickName": email,
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "employeeNumber": number },
    })
}

async fn found(setup: &Setup, attribute: &str, key: &str) -> Vec<String> {
    let mut tx = setup.store.read(setup.now()).await.unwrap();
    let found = tx
        .list_indexed_users(setup.organization_id, setup.directory.id, attribute, key)
        .await
        .unwrap();
    found.into_iter().map(|user| user.user_name).collect()
}

async fn email(setup: &Setup, id: &str) -> Option<String> {
    let mut tx = setup.store.read(setup.now()).await.unwrap();
    let id = id.parse().unwrap();
    let user = tx.find_user(setup.organization_id, id).await.unwrap();
    user.unwrap().email
}

#[tokio::test(flavor = "multi_thread")]
async fn mapping_counts_for_users_before_and_after_it() {
    on_both(async |setup| {
        let grant = setup.grant().await;
        let before = setup
            .create(&grant, USER, employee("bob", "E-7", "bob@acme.test"))
            .await;
        assert_eq!(
            email(&setup, &before.id).await.as_deref(),
            Some("first@acme.test")
        );
        let change = SettingsChange {
            login_name: Some(Some("EMPLOYEENUMBER".to_owned())),
            email: Some(Some("nickName".to_owned())),
            indexed_attributes: Some(vec!["title".to_owned(), NUMBER.to_owned()]),
            ..SettingsChange::default()
        };
        set(&setup, change).await.unwrap();
        assert_eq!(
            email(&setup, &before.id).await.as_deref(),
            Some("bob@acme.test")
        );
        assert_eq!(setup.events("user.updated").await.len(), 1);
        let grant = setup.grant().await;
        let after = setup
            .create(&grant, USER, employee("eve", "E-8", "no address"))
            .await;
        assert_eq!(email(&setup, &after.id).await, None);
        for (attribute, key, wanted) in [
            (NUMBER, "e-7", vec!["bob"]),
            (NUMBER, "e-8", vec!["eve"]),
            ("=login_name", "e-7", vec!["bob"]),
            ("=login_name", "e-8", vec!["eve"]),
            ("=email", "bob@acme.test", vec!["bob"]),
            ("=email", "first@acme.test", vec![]),
        ] {
            assert_eq!(
                found(&setup, attribute, key).await,
                wanted,
                "{attribute} {key}"
            );
        }
        let moved = json!([{ "op": "replace", "path": NUMBER, "value": "E-9" }]);
        setup.patch(&grant, USER, &after.id, moved).await.unwrap();
        assert_eq!(found(&setup, NUMBER, "e-8").await, Vec::<String>::new());
        assert_eq!(found(&setup, "=login_name", "e-9").await, ["eve"]);
        // What the client reads is what it wrote.
        let read = setup.find(&grant, USER, &after.id).await.unwrap();
        assert_eq!(read.resource.email(), Some("first@acme.test"));

        let back = SettingsChange {
            login_name: Some(None),
            email: Some(None),
            indexed_attributes: Some(Vec::new()),
            ..SettingsChange::default()
        };
        set(&setup, back).await.unwrap();
        assert_eq!(
            email(&setup, &after.id).await.as_deref(),
            Some("first@acme.test")
        );
        assert_eq!(
            found(&setup, "=login_name", "e-9").await,
            Vec::<String>::new()
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_text_that_a_client_writes_is_mapped() {
    on_both(async |setup| {
        for path in ["nothing", "active", "name", "groups", "groups.value", "password", "meta.location", "id", "userName.x", ""] {
            let change = SettingsChange {
                login_name: Some(Some(path.to_owned())),
                ..SettingsChange::default()
            };
            let refused = set(&setup, change).await;
            assert!(
                matches!(&refused, Err(AdminError::Invalid { field, .. }) if field == "mapping.login_name"),
                "{path}: {refused:?}"
            );
        }
        for paths in [vec!["userName"], vec!["emails"], vec!["active"]] {
            let change = SettingsChange {
                indexed_attributes: Some(paths.iter().map(ToString::to_string).collect()),
                ..SettingsChange::default()
            };
            assert!(set(&setup, change).await.is_err(), "{paths:?}");
        }
    })
    .await;
}
