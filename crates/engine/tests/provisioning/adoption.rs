use serde_json::json;
use vestibule_core::DirectoryState;
use vestibule_scim::ErrorKind;

use crate::setup::{Setup, USER, on_both};

async fn adopting(mut setup: Setup) -> Setup {
    setup
        .set_directory(|directory| directory.state = DirectoryState::Adopting)
        .await;
    setup
}

#[tokio::test(flavor = "multi_thread")]
async fn adopting_directory_finds_and_claims_a_user_under_the_same_id() {
    on_both(async |setup| {
        let setup = adopting(setup).await;
        let grant = setup.grant().await;
        let id = setup.add_unowned("Bob@Acme.test").await.to_string();
        let found = setup
            .search(&grant, USER, "userName eq \"bob@acme.test\"")
            .await;
        assert_eq!(
            (found.total, found.resources[0].id.as_str()),
            (Some(1), id.as_str())
        );
        assert_eq!(found.resources[0].resource.email(), Some("Bob@Acme.test"));
        // Nobody's users are not listed as the directory's own.
        assert_eq!(
            setup.search(&grant, USER, "active eq true").await.total,
            Some(0)
        );

        let claimed = setup
            .create(
                &grant,
                USER,
                json!({ "userName": "bob@acme.test", "externalId": "7", "displayName": "Bob" }),
            )
            .await;
        assert_eq!(claimed.id, id);
        assert_eq!(claimed.resource.external_id(), Some("7"));
        assert_eq!(
            setup.search(&grant, USER, "active eq true").await.total,
            Some(1)
        );
        let again = setup
            .try_create(&grant, USER, json!({ "userName": "BOB@acme.test" }))
            .await;
        assert_eq!(again.unwrap_err().kind(), ErrorKind::Uniqueness);
        assert_eq!(setup.events("user.created").await.len(), 1);
        assert_eq!(setup.events("user.updated").await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn update_of_a_found_user_claims_it_and_sessions_go_on() {
    on_both(async |setup| {
        let setup = adopting(setup).await;
        let grant = setup.grant().await;
        let user_id = setup.add_unowned("bob").await;
        let signed_in = setup.sign_in(user_id).await;
        let id = user_id.to_string();
        let operations = json!([{ "op": "add", "path": "externalId", "value": "7" }]);
        let updated = setup.patch(&grant, USER, &id, operations).await.unwrap();
        assert!(updated.changed);
        assert_eq!(setup.is_live(&signed_in).await, (true, true));
        let mut tx = setup.store.read(setup.now()).await.unwrap();
        let user = tx.find_user(setup.organization_id, user_id).await.unwrap();
        assert_eq!(user.unwrap().directory_id, Some(setup.directory.id));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claiming_does_not_reactivate_whom_an_operator_deactivated() {
    on_both(async |setup| {
        let setup = adopting(setup).await;
        let grant = setup.grant().await;
        let id = setup.add_unowned("bob").await;
        let mut tx = setup.store.write(setup.now()).await.unwrap();
        let user = tx
            .lock_user(setup.organization_id, id)
            .await
            .unwrap()
            .unwrap();
        let record = vestibule_store::UserRecord {
            user_name: user.user_name.clone(),
            external_id: None,
            display_name: None,
            email: None,
            emails: Vec::new(),
            active: false,
            attributes: serde_json::Map::new(),
        };
        tx.set_user(&user, &record, &["active".to_owned()], "operator")
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let claimed = setup
            .create(&grant, USER, json!({ "userName": "bob" }))
            .await;
        assert!(!claimed.resource.active());
        assert_eq!(setup.events("user.activated").await.len(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_of_another_directory_are_never_claimed() {
    on_both(async |setup| {
        let setup = adopting(setup).await;
        let (grant, other) = (setup.grant().await, setup.other_grant().await);
        let theirs = setup.user(&other, "bob").await;
        assert_eq!(
            setup
                .search(&grant, USER, "userName eq \"bob\"")
                .await
                .total,
            Some(0)
        );
        assert!(setup.find(&grant, USER, &theirs.id).await.is_none());
        let ours = setup.user(&grant, "bob").await;
        assert_ne!(ours.id, theirs.id);
        assert_eq!(setup.find(&other, USER, &theirs.id).await, Some(theirs));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn directory_that_is_not_adopting_does_not_see_unowned_users() {
    on_both(async |setup| {
        let grant = setup.grant().await;
        let id = setup.add_unowned("bob").await.to_string();
        assert_eq!(
            setup
                .search(&grant, USER, "userName eq \"bob\"")
                .await
                .total,
            Some(0)
        );
        assert!(setup.find(&grant, USER, &id).await.is_none());
        let deleted = setup.delete(&grant, USER, &id).await;
        assert_eq!(deleted.unwrap_err().kind(), ErrorKind::NotFound);
        assert_ne!(setup.user(&grant, "bob").await.id, id);
    })
    .await;
}
