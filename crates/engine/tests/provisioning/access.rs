use std::time::Duration;

use serde_json::json;
use vestibule_core::{DirectoryId, DirectoryScope, DirectoryState, Secret, Timestamp};
use vestibule_engine::SCIM_REQUESTS_PER_SECOND_AT_LEAST;
use vestibule_scim::{Directory as _, ErrorKind};
use vestibule_store::NewDirectoryToken;

use crate::setup::{GROUP, USER, on_both, on_both_limited};

#[tokio::test(flavor = "multi_thread")]
async fn only_the_directorys_own_token_opens_it() {
    on_both(async |setup| {
        let own = setup.directory.id;
        let unknown: DirectoryId = setup.store.generator().id(setup.now());
        let foreign = setup.store.generator().token("vdt_");
        for (directory, token) in [
            (own.suffix(), None),
            (own.suffix(), Some(foreign.expose())),
            (own.suffix(), Some("")),
            (own.to_string(), Some(setup.token.expose())),
            (unknown.suffix(), Some(setup.token.expose())),
            ("\0".to_owned(), Some(setup.token.expose())),
        ] {
            let refused = setup.provisioning.authorize(&directory, token).await;
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unauthorized);
        }
        let without_prefix = Secret::new(setup.token.expose().trim_start_matches("vdt_"));
        assert!(setup.authorize(own, &without_prefix).await.is_err());
        assert!(setup.authorize(own, &setup.token).await.is_ok());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_and_revoked_tokens_are_refused() {
    on_both(async |setup| {
        let second = setup.store.generator().token("vdt_");
        let mut tx = setup.store.write(setup.now()).await.unwrap();
        let expires_at = setup.now().after(Duration::from_hours(1));
        let token = tx
            .add_directory_token(&setup.directory, bearer(&second, expires_at))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        assert!(setup.authorize(setup.directory.id, &second).await.is_ok());
        let mut tx = setup.store.write(setup.now()).await.unwrap();
        assert!(tx.revoke_directory_token(token.id).await.unwrap());
        tx.commit().await.unwrap();
        let revoked = setup.authorize(setup.directory.id, &second).await;
        assert_eq!(revoked.unwrap_err().kind(), ErrorKind::Unauthorized);
        setup.pass(Duration::from_hours(366 * 24));
        let expired = setup.authorize(setup.directory.id, &setup.token).await;
        assert_eq!(expired.unwrap_err().kind(), ErrorKind::Unauthorized);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paused_directory_asks_the_client_to_come_back() {
    on_both(async |mut setup| {
        setup
            .set_directory(|directory| directory.state = DirectoryState::Paused)
            .await;
        let paused = setup.authorize(setup.directory.id, &setup.token).await;
        let error = paused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.wait().is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn use_of_a_token_is_noted_once_a_minute() {
    on_both(async |setup| {
        let seen = async || {
            let mut tx = setup.store.read(setup.now()).await.unwrap();
            let directory = tx.find_directory(setup.directory.id).await.unwrap();
            directory.unwrap().last_seen_at
        };
        assert_eq!(seen().await, None);
        setup.grant().await;
        let first = seen().await;
        assert!(first.is_some());
        setup.pass(Duration::from_secs(30));
        setup.grant().await;
        assert_eq!(seen().await, first);
        setup.pass(Duration::from_secs(31));
        setup.grant().await;
        assert!(seen().await > first);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_directorys_ids_answer_as_not_existing() {
    on_both(async |setup| {
        let (own, other) = (setup.grant().await, setup.other_grant().await);
        let user = setup.user(&other, "bob").await;
        let group = setup
            .create(
                &other,
                GROUP,
                json!({ "displayName": "Staff", "members": [{ "value": user.id }] }),
            )
            .await;
        for (kind, id) in [(USER, &user.id), (GROUP, &group.id), (GROUP, &user.id)] {
            assert!(setup.find(&own, kind, id).await.is_none());
            let page = setup.search(&own, kind, &format!("id eq \"{id}\"")).await;
            assert_eq!(page.total, Some(0));
            let patched = setup
                .patch(
                    &own,
                    kind,
                    id,
                    json!([{ "op": "replace", "path": "displayName", "value": "x" }]),
                )
                .await;
            assert_eq!(patched.unwrap_err().kind(), ErrorKind::NotFound);
            let deleted = setup.delete(&own, kind, id).await;
            assert_eq!(deleted.unwrap_err().kind(), ErrorKind::NotFound);
        }
        let page = setup
            .search(&own, GROUP, &format!("members.value eq \"{}\"", user.id))
            .await;
        assert_eq!(page.total, Some(0));
        let page = setup
            .search(&own, USER, &format!("groups.value eq \"{}\"", group.id))
            .await;
        assert_eq!(page.total, Some(0));
        let stolen = setup
            .try_create(
                &own,
                GROUP,
                json!({ "displayName": "Thieves", "members": [{ "value": user.id }] }),
            )
            .await;
        assert_eq!(stolen.unwrap().members, Some(Vec::new()));
        assert_eq!(
            setup
                .search(&own, GROUP, "displayName eq \"Staff\"")
                .await
                .total,
            Some(0)
        );
        // The names are free here, and the other directory has lost nothing.
        setup.user(&own, "bob").await;
        assert_eq!(setup.find(&other, GROUP, &group.id).await, Some(group));
    })
    .await;
}

fn bearer(token: &Secret, expires_at: Timestamp) -> NewDirectoryToken<'static> {
    NewDirectoryToken {
        name: "second",
        hash: token.hash(),
        scope: DirectoryScope::Read,
        expires_at,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_sends_too_much_is_told_when_to_come_back() {
    on_both_limited(SCIM_REQUESTS_PER_SECOND_AT_LEAST, async |setup| {
        let mut refused = None;
        for _ in 0..400 {
            if let Err(error) = setup.authorize(setup.directory.id, &setup.token).await {
                refused = Some(error);
                break;
            }
        }
        let refused = refused.expect("eight times the burst does not pass in a moment");
        assert_eq!(refused.kind(), ErrorKind::TooManyRequests);
        assert!(refused.wait() >= Some(Duration::from_secs(1)));
        setup.other_grant().await;
        // Strangers do not reach the limit, and learn nothing of it.
        let stranger = setup.store.generator().token("vdt_");
        let unknown = setup.authorize(setup.directory.id, &stranger).await;
        assert_eq!(unknown.unwrap_err().kind(), ErrorKind::Unauthorized);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn discovery_is_limited_for_each_address() {
    on_both(async |setup| {
        let suffix = setup.directory.id.suffix();
        let look = async |address: &str| {
            let address = Some(address.parse().unwrap());
            setup.provisioning.public_profile(&suffix, address).await
        };
        let mut refused = None;
        for _ in 0..300 {
            if let Err(error) = look("198.51.100.7").await {
                refused = Some(error);
                break;
            }
        }
        assert_eq!(refused.unwrap().kind(), ErrorKind::TooManyRequests);
        assert!(look("198.51.100.8").await.is_ok());
        assert!(
            setup
                .authorize(setup.directory.id, &setup.token)
                .await
                .is_ok()
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_reading_changes_nothing() {
    on_both(async |setup| {
        let reader = setup.store.generator().token("vdt_");
        let mut tx = setup.store.write(setup.now()).await.unwrap();
        let expires_at = setup.now().after(Duration::from_hours(1));
        tx.add_directory_token(&setup.directory, bearer(&reader, expires_at))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let grant = setup.authorize(setup.directory.id, &reader).await.unwrap();
        assert!(!setup.provisioning.may_write(&grant));
        assert!(setup.provisioning.may_write(&setup.grant().await));
    })
    .await;
}
