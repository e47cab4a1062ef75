use serde_json::{Value, json};
use vestibule_core::DirectoryState;
use vestibule_engine::admin::{
    Actor, AdminError, AdoptionSide, ConflictKind, DirectoryChange, FormerUsers,
};
use vestibule_scim::ErrorKind;

use crate::setup::{GROUP, Setup, USER, on_both};

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
            indexed: None,
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

/// Ends the adoption of a directory.
async fn end(setup: &Setup, id: vestibule_core::DirectoryId) {
    let change = DirectoryChange {
        state: Some(DirectoryState::Active),
        ..DirectoryChange::default()
    };
    setup
        .engine
        .set_directory(&Actor::command_line(), id, change, setup.now())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn replacing_directory_claims_users_under_the_same_id_and_nobody_is_signed_out() {
    on_both(async |setup| {
        let old = setup.grant().await;
        let bob = setup.user(&old, "Bob@Acme.test").await;
        let signed_in = setup.sign_in(bob.id.parse().unwrap()).await;
        setup.user(&old, "carol").await;
        setup.add_unowned("dave").await;
        // Nobody's user of that name was there before; the directory's own one is the person.
        let shadow = setup.add_unowned("bob@acme.test").await.to_string();
        let (directory, token) = setup.replacement().await;
        assert_eq!(directory.state, DirectoryState::Adopting);
        let new = setup.authorize(directory.id, &token).await.unwrap();
        for name in ["BOB@acme.test", "carol", "dave"] {
            let found = setup
                .search(&new, USER, &format!("userName eq \"{name}\""))
                .await;
            assert_eq!(found.total, Some(1), "{name}");
            assert_eq!(found.resources.len(), 1, "{name}");
            assert_ne!(found.resources[0].id, shadow, "{name}");
        }
        assert_eq!(setup.find(&new, USER, &bob.id).await.unwrap().id, bob.id);
        assert_eq!(
            setup.search(&new, USER, "active eq true").await.total,
            Some(0)
        );

        let claimed = setup
            .create(
                &new,
                USER,
                json!({ "userName": "bob@acme.test", "externalId": "new-7", "active": true }),
            )
            .await;
        assert_eq!(claimed.id, bob.id);
        assert_eq!(claimed.resource.external_id(), Some("new-7"));
        assert_eq!(setup.is_live(&signed_in).await, (true, true));
        assert_eq!(setup.events("user.created").await.len(), 4);
        let again = setup
            .try_create(&new, USER, json!({ "userName": "bob@acme.test" }))
            .await;
        assert_eq!(again.unwrap_err().kind(), ErrorKind::Uniqueness);
        let old = setup.grant().await;
        assert!(setup.find(&old, USER, &bob.id).await.is_none());

        let actor = Actor::command_line();
        let counts = setup
            .engine
            .preview_adoption(&actor, directory.id, setup.now())
            .await
            .unwrap();
        assert_eq!(
            (counts.claimed, counts.unowned, counts.of_replaced),
            (1, 2, 1)
        );
        let list = async |side, after| {
            setup
                .engine
                .list_adoption_users(&actor, directory.id, side, (after, 2), setup.now())
                .await
                .unwrap()
        };
        let names = |users: &[vestibule_engine::admin::User]| {
            let names = users.iter().map(|user| user.user_name.clone());
            names.collect::<Vec<_>>()
        };
        let claimed = list(AdoptionSide::Claimed, None).await;
        assert_eq!(names(&claimed), ["bob@acme.test"]);
        let first = list(AdoptionSide::Unclaimed, None).await;
        let rest = list(AdoptionSide::Unclaimed, Some(first[1].id)).await;
        let mut unclaimed = [names(&first), names(&rest)].concat();
        unclaimed.sort();
        assert_eq!(unclaimed, ["bob@acme.test", "carol", "dave"]);

        end(&setup, directory.id).await;
        let new = setup.authorize(directory.id, &token).await.unwrap();
        let carol = setup.search(&new, USER, "userName eq \"carol\"").await;
        assert_eq!(carol.total, Some(0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replaced_directory_is_read_and_takes_no_change() {
    on_both(async |setup| {
        let old = setup.grant().await;
        let bob = setup.user(&old, "bob").await;
        let staff = setup
            .create(&old, GROUP, json!({ "displayName": "Staff" }))
            .await;
        let (directory, _) = setup.replacement().await;
        let old = setup.grant().await;
        let refused = [
            setup
                .try_create(&old, USER, json!({ "userName": "eve" }))
                .await
                .err(),
            setup
                .try_create(&old, GROUP, json!({ "displayName": "Others" }))
                .await
                .err(),
            setup
                .patch(
                    &old,
                    USER,
                    &bob.id,
                    json!([{ "op": "replace", "path": "active", "value": false }]),
                )
                .await
                .err(),
            setup.delete(&old, USER, &bob.id).await.err(),
            setup.delete(&old, GROUP, &staff.id).await.err(),
        ];
        for error in refused {
            let error = error.unwrap();
            assert_eq!(error.kind(), ErrorKind::Forbidden);
            assert!(error.detail().contains("taking over"), "{}", error.detail());
        }
        assert!(
            setup
                .find(&old, USER, &bob.id)
                .await
                .unwrap()
                .resource
                .active()
        );
        // It stays so after the adoption, and ends with the other directory.
        end(&setup, directory.id).await;
        let old = setup.grant().await;
        assert!(setup.delete(&old, USER, &bob.id).await.is_err());
        setup
            .engine
            .delete_directory(&Actor::command_line(), directory.id, None, setup.now())
            .await
            .unwrap();
        let old = setup.grant().await;
        setup.delete(&old, USER, &bob.id).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replacement_that_is_given_up_gives_its_users_back() {
    on_both(async |setup| {
        let old = setup.grant().await;
        let bob = setup.user(&old, "bob").await;
        let (directory, token) = setup.replacement().await;
        let new = setup.authorize(directory.id, &token).await.unwrap();
        assert_eq!(setup.user(&new, "bob").await.id, bob.id);
        let delete = async |users| {
            setup
                .engine
                .delete_directory(&Actor::command_line(), directory.id, users, setup.now())
                .await
        };
        assert!(matches!(
            delete(None).await,
            Err(AdminError::Conflict { .. })
        ));
        delete(Some(FormerUsers::Release)).await.unwrap();
        let old = setup.grant().await;
        let back = setup.find(&old, USER, &bob.id).await.unwrap();
        assert_eq!(back.id, bob.id);
        setup.delete(&old, USER, &bob.id).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_of_the_replaced_directory_are_not_shown_and_left_with_the_adoption() {
    on_both(async |setup| {
        let old = setup.grant().await;
        let bob = setup.user(&old, "bob").await;
        let members = json!({ "displayName": "Staff", "members": [{ "value": bob.id }] });
        let staff = setup.create(&old, GROUP, members).await;
        let others = json!({ "displayName": "Others" });
        let others = setup.create(&old, GROUP, others).await;
        let (directory, token) = setup.replacement().await;
        let new = setup.authorize(directory.id, &token).await.unwrap();
        let claimed = setup.user(&new, "bob").await;
        assert_eq!(claimed.groups.as_deref(), Some([].as_slice()));
        let members = json!({ "displayName": "Staff", "members": [{ "value": bob.id }] });
        let own = setup.create(&new, GROUP, members).await;
        let user = setup.find(&new, USER, &bob.id).await.unwrap();
        let groups = user.groups.unwrap();
        assert_eq!(
            (groups.len(), groups[0].value.as_str()),
            (1, own.id.as_str())
        );
        end(&setup, directory.id).await;
        let old = setup.grant().await;
        let left = setup.find(&old, GROUP, &staff.id).await.unwrap();
        assert_eq!(left.members.as_deref(), Some([].as_slice()));
        assert_ne!(left.version, staff.version);
        let same = setup.find(&old, GROUP, &others.id).await.unwrap();
        assert_eq!(same.version, others.version);
        let told = setup.events("group.member_removed").await;
        assert_eq!(told.len(), 1);
        assert_eq!(told[0]["group_id"], json!(staff.id));
        assert_eq!(told[0]["member_ids"], json!([bob.id]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_of_a_deleted_directory_are_told_to_be_gone() {
    on_both(async |setup| {
        let grant = setup.grant().await;
        let bob = setup.user(&grant, "bob").await;
        let mut groups = Vec::new();
        for name in ["Staff", "Others"] {
            let body = json!({ "displayName": name, "members": [{ "value": bob.id }] });
            groups.push(setup.create(&grant, GROUP, body).await.id);
        }
        setup
            .delete(&grant, GROUP, &groups.pop().unwrap())
            .await
            .unwrap();
        let before = setup.events("group.deleted").await.len();
        let (id, users) = (setup.directory.id, Some(FormerUsers::Release));
        let actor = Actor::command_line();
        let deleted = setup
            .engine
            .delete_directory(&actor, id, users, setup.now());
        deleted.await.unwrap();
        let told: Vec<Value> = setup.events("group.deleted").await.split_off(before);
        let told: Vec<_> = told
            .iter()
            .map(|event| (&event["group_id"], &event["display_name"]))
            .collect();
        assert_eq!(told, [(&json!(groups[0]), &json!("Staff"))]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_settled_directory_of_the_organization_is_replaced_and_once() {
    on_both(async |mut setup| {
        let attach = async |setup: &Setup, replaces| {
            let change = DirectoryChange {
                replaces: Some(replaces),
                ..DirectoryChange::default()
            };
            let actor = Actor::command_line();
            setup
                .engine
                .add_directory(&actor, setup.organization_id, change, setup.now())
                .await
        };
        let unknown = setup.store.generator().id(setup.now());
        assert!(matches!(
            attach(&setup, unknown).await,
            Err(AdminError::Invalid { .. })
        ));
        setup
            .set_directory(|directory| directory.state = DirectoryState::Adopting)
            .await;
        assert!(matches!(
            attach(&setup, setup.directory.id).await,
            Err(AdminError::Conflict { .. })
        ));
        setup
            .set_directory(|directory| directory.state = DirectoryState::Active)
            .await;
        attach(&setup, setup.directory.id).await.unwrap();
        assert!(matches!(
            attach(&setup, setup.directory.id).await,
            Err(AdminError::Conflict { .. })
        ));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_name_whom_nobody_will_claim_and_who_exists_twice() {
    on_both(async |setup| {
        let old = setup.grant().await;
        let other = setup.other_grant().await;
        let address =
            |name: &str, email: &str| json!({ "userName": name, "emails": [{ "value": email }] });
        let ada = setup
            .create(&old, USER, address("ada.old", "Ada@acme.test"))
            .await;
        let bob = setup.user(&old, "bob").await;
        let shadow = setup.add_unowned("Bob").await.to_string();
        let carol = setup.user(&old, "carol").await;
        let elsewhere = setup.user(&other, "CAROL").await;
        setup.user(&old, "dave").await;
        let (directory, token) = setup.replacement().await;
        let new = setup.authorize(directory.id, &token).await.unwrap();
        let anew = setup
            .create(&new, USER, address("ada.new", "ada@ACME.test"))
            .await;
        assert_ne!(anew.id, ada.id);
        assert_eq!(setup.user(&new, "carol").await.id, carol.id);
        let actor = Actor::command_line();
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = setup
                .engine
                .list_adoption_conflicts(&actor, directory.id, (after, 1), setup.now())
                .await
                .unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.place());
            found.extend(page.into_iter().map(|conflict| {
                let ids = (conflict.user_id.to_string(), conflict.other_id.to_string());
                (conflict.kind, ids)
            }));
        }
        let expected = [
            (ConflictKind::SameEmail, (ada.id, anew.id)),
            (ConflictKind::SameName, (shadow, bob.id)),
            (ConflictKind::OtherDirectory, (carol.id, elsewhere.id)),
        ];
        assert_eq!(found.len(), expected.len());
        for conflict in expected {
            assert!(found.contains(&conflict), "{conflict:?}");
        }
    })
    .await;
}
