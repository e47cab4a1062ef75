//! Users: provisioned, linked, adopted, and gone without a trace of who they were.

use std::time::Duration;

use vestibule_core::{DirectoryId, Protocol};
use vestibule_store::{JoinAttribute, NewLoginRecord, Reach, UserCondition, UserQuery};
use vestibule_support::{World, on_every_database, person};

on_every_database!(
    a_tombstone_blanks_the_person_and_frees_the_name,
    a_returning_person_is_a_new_user,
    a_lasting_subject_is_linked_to_one_user_of_its_connection,
    join_candidates_come_from_the_named_directory_only,
    adoption_keeps_the_id_of_a_user,
    totals_follow_users_as_they_come_and_go,
    a_change_moves_the_version_and_the_epoch_only_with_active,
    ten_wrong_passwords_lock_the_account_for_a_while,
    users_are_listed_in_pages_and_by_name,
    login_records_are_listed_newest_first,
);

async fn a_tombstone_blanks_the_person_and_frees_the_name(world: World) {
    let company = world.company("acme").await;
    let (user, connection) = (&company.user, &company.connection);
    let mut tx = world.write().await;
    assert!(
        tx.add_identity(connection.id, "https://idp.test", "subject-7", user)
            .await
            .unwrap()
    );
    tx.set_password(user.id, "phc-of-ada", "operator")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    world.sign_in_to_app(&company).await;
    world.delete(user).await;

    assert!(world.user_now(user).await.is_none());
    let mut tx = world.write().await;
    let (organization, id) = (company.organization.id, user.id);
    assert!(tx.lock_user(organization, id).await.unwrap().is_none());
    assert_eq!(tx.find_user_organization(id).await.unwrap(), None);
    assert!(tx.find_password(id).await.unwrap().is_none());
    let linked = tx.find_linked_user(connection.id, "https://idp.test", "subject-7");
    assert!(linked.await.unwrap().is_none());
    drop(tx);

    // The row stays, so that the id stays dead; nothing personal does.
    let id = user.id;
    let row = format!("SELECT COUNT(*) FROM users WHERE id = '{id}' AND deleted_at IS NOT NULL");
    assert_eq!(world.database.number(&row).await, 1);
    for sql in [
        format!(
            "SELECT user_name || COALESCE(external_id, '') || COALESCE(email, '') || COALESCE(display_name_key, '')
             || CAST(attributes AS TEXT) FROM users WHERE id = '{id}'"
        ),
        format!("SELECT value_key FROM user_emails WHERE user_id = '{id}'"),
        format!("SELECT subject FROM identities WHERE user_id = '{id}'"),
        format!("SELECT phc FROM passwords WHERE user_id = '{id}'"),
        format!("SELECT upstream_subject FROM user_sessions WHERE user_id = '{id}' AND upstream_subject IS NOT NULL"),
    ] {
        let left = world.database.texts(&sql).await.concat();
        assert!(left.is_empty() || left == "{}", "{sql} finds {left}");
    }
}

async fn a_returning_person_is_a_new_user(world: World) {
    let company = world.company("acme").await;
    let name = company.user.user_name.clone();
    let share = world.sign_in_to_app(&company).await;
    world.delete(&company.user).await;
    let again = world.user(&company.organization, None, &name).await;
    assert_ne!(again.id, company.user.id);
    let mut tx = world.write().await;
    let added = tx.add_identity(company.connection.id, "i", "subject-7", &again);
    assert!(added.await.unwrap(), "a returning person can link again");
    tx.commit().await.unwrap();
    world.login(&again, &company.connection).await;
    assert!(!world.is_share_live(share.id).await);
    assert!(
        world
            .try_login(&company.user, &company.connection)
            .await
            .is_none()
    );
}

async fn a_lasting_subject_is_linked_to_one_user_of_its_connection(world: World) {
    let company = world.company("acme").await;
    let other = world.user(&company.organization, None, "other").await;
    let second = world
        .connection(&company.organization, Protocol::Saml)
        .await;
    let (user, first) = (&company.user, company.connection.id);
    let mut tx = world.write().await;
    for (connection, issuer, subject, user, wanted) in [
        (first, "i", "s", user, true),
        (first, "i", "s", user, false),
        (first, "i", "s", &other, false),
        (first, "i", "s2", user, false),
        (first, "i2", "s", &other, true),
        (second.id, "i", "s", &other, true),
    ] {
        let added = tx.add_identity(connection, issuer, subject, user).await;
        assert_eq!(added.unwrap(), wanted, "{connection} {issuer} {subject}");
    }
    assert!(tx.is_linked(first, "i", user.id).await.unwrap());
    assert!(!tx.is_linked(first, "i3", user.id).await.unwrap());
    let found = tx.find_linked_user(second.id, "i", "s").await.unwrap();
    assert_eq!(found.unwrap().id, other.id);
    assert!(tx.remove_identities(other.id).await.unwrap());
    assert!(!tx.remove_identities(other.id).await.unwrap());
    let found = tx.find_linked_user(first, "i", "s").await.unwrap();
    assert_eq!(found.unwrap().id, user.id);
    tx.remove_connection_identities(first).await.unwrap();
    assert!(
        tx.find_linked_user(first, "i", "s")
            .await
            .unwrap()
            .is_none()
    );
    tx.commit().await.unwrap();
}

async fn join_candidates_come_from_the_named_directory_only(world: World) {
    let organization = world.organization("acme").await;
    let elsewhere = world.organization("bolt").await;
    let directory = world.directory(&organization).await;
    let second = world.directory(&organization).await;
    let owned = world.user(&organization, Some(directory.id), "Ada@acme.test");
    let owned = owned.await;
    let unowned = world.user(&organization, None, "ada@acme.test").await;
    world
        .user(&organization, Some(second.id), "ada@acme.test")
        .await;
    world.user(&elsewhere, None, "ada@acme.test").await;
    let mut tx = world.read().await;
    for (directory, attribute, value, wanted) in [
        (
            Some(directory.id),
            JoinAttribute::UserName,
            "ADA@acme.test",
            Some(owned.id),
        ),
        (
            Some(directory.id),
            JoinAttribute::Email,
            "ada@ACME.test",
            Some(owned.id),
        ),
        (
            Some(directory.id),
            JoinAttribute::ExternalId,
            "ext-Ada@acme.test",
            Some(owned.id),
        ),
        (
            Some(directory.id),
            JoinAttribute::ExternalId,
            "ext-ada@acme.test",
            None,
        ),
        (
            None,
            JoinAttribute::UserName,
            "ada@acme.test",
            Some(unowned.id),
        ),
        (None, JoinAttribute::UserName, "bob@acme.test", None),
    ] {
        let found = tx
            .list_join_candidates(organization.id, directory, attribute, value)
            .await
            .unwrap();
        let found: Vec<_> = found.iter().map(|user| user.id).collect();
        assert_eq!(found, Vec::from_iter(wanted), "{attribute:?} {value}");
    }
    let named = tx.list_users_named(organization.id, "ADA@ACME.TEST").await;
    assert_eq!(named.unwrap().len(), 3);
}

async fn adoption_keeps_the_id_of_a_user(world: World) {
    let company = world.company("acme").await;
    let mut directory = world.directory(&company.organization).await;
    let share = world.sign_in_to_app(&company).await;
    let mut tx = world.write().await;
    let organization = company.organization.id;
    assert!(tx.has_unowned_users(organization).await.unwrap());
    let counts = tx.count_adoption(&directory).await.unwrap();
    assert_eq!((counts.claimed, counts.unowned), (0, 1));
    let name = company.user.user_name.to_uppercase();
    let user = tx
        .lock_claimable_user(organization, directory.id, &name)
        .await;
    let user = user.unwrap().unwrap();
    assert!(
        !tx.claim_user(&user, directory.id).await.unwrap(),
        "it does not adopt"
    );
    directory.state = vestibule_core::DirectoryState::Adopting;
    tx.set_directory(&directory).await.unwrap();
    assert!(tx.claim_user(&user, directory.id).await.unwrap());
    tx.commit().await.unwrap();

    let claimed = world.user_now(&company.user).await.unwrap();
    assert_eq!(claimed.directory_id, Some(directory.id));
    assert!(world.is_share_live(share.id).await);
    let mut tx = world.write().await;
    assert!(!tx.has_unowned_users(organization).await.unwrap());
    let counts = tx.count_adoption(&directory).await.unwrap();
    assert_eq!((counts.claimed, counts.unowned), (1, 0));
    let again = tx
        .lock_claimable_user(organization, directory.id, &name)
        .await;
    assert!(
        again.unwrap().is_none(),
        "nobody claims what a directory owns"
    );
    let active = tx.list_active_users_of(directory.id, None, 10).await;
    assert_eq!(active.unwrap(), [company.user.id]);
    let after = Some(company.user.id);
    let none = tx.list_active_users_of(directory.id, after, 10).await;
    assert!(none.unwrap().is_empty());
    tx.commit().await.unwrap();

    let mut tx = world.write().await;
    tx.delete_directory(directory.id, "test").await.unwrap();
    tx.commit().await.unwrap();
    let left = world.user_now(&company.user).await.unwrap();
    assert_eq!(left.directory_id, None);
    let found = world.read().await.find_directory(directory.id).await;
    assert!(found.unwrap().is_none());
}

async fn totals_follow_users_as_they_come_and_go(world: World) {
    let organization = world.organization("acme").await;
    let elsewhere = world.organization("globex").await;
    let old = world.directory(&organization).await;
    let mut new = world.directory(&organization).await;
    let mut users = Vec::new();
    for name in ["ada", "bob", "cy", "dee"] {
        users.push(world.user(&organization, Some(old.id), name).await);
    }
    let unowned = world.user(&organization, None, "eve").await;
    let expect = async |directory: DirectoryId, total, active| {
        let mut tx = world.read().await;
        for (conditions, wanted) in [
            (Vec::new(), total),
            (vec![UserCondition::Active(true)], active),
            (vec![UserCondition::Active(false)], total - active),
        ] {
            let mut query = UserQuery {
                organization_id: organization.id,
                directory_id: directory,
                reach: Reach::Owned,
                conditions,
            };
            let counted = tx.count_directory_users(&query).await.unwrap();
            assert_eq!(counted, wanted, "{:?}", query.conditions);
            query.organization_id = elsewhere.id;
            assert_eq!(tx.count_directory_users(&query).await.unwrap(), 0);
        }
    };
    expect(old.id, 4, 4).await;
    expect(new.id, 0, 0).await;

    world.set_active(&users[0], false).await;
    let mut tx = world.write().await;
    tx.delete_user(&users[1], "test").await.unwrap();
    drop(tx);
    expect(old.id, 4, 3).await;
    let mut tx = world.write().await;
    tx.delete_user(&users[1], "test").await.unwrap();
    tx.commit().await.unwrap();
    expect(old.id, 3, 2).await;

    new.state = vestibule_core::DirectoryState::Adopting;
    let mut tx = world.write().await;
    tx.set_directory(&new).await.unwrap();
    assert!(tx.claim_user(&unowned, new.id).await.unwrap());
    tx.commit().await.unwrap();
    expect(new.id, 1, 1).await;

    let mut tx = world.write().await;
    tx.give_back_users(new.id, old.id).await.unwrap();
    tx.commit().await.unwrap();
    expect(old.id, 4, 3).await;
    expect(new.id, 0, 0).await;

    let mut tx = world.write().await;
    tx.delete_directory(old.id, "test").await.unwrap();
    tx.commit().await.unwrap();
    expect(old.id, 0, 0).await;
}

async fn a_change_moves_the_version_and_the_epoch_only_with_active(world: World) {
    let company = world.company("acme").await;
    let share = world.sign_in_to_app(&company).await;
    let user = &company.user;
    let mut record = person("ada.lovelace@acme.test");
    record.emails.push("Ada@home.test".to_owned());
    let changed = ["userName".to_owned(), "emails".to_owned()];
    let mut tx = world.write().await;
    let locked = tx.lock_user(user.organization_id, user.id).await.unwrap();
    let after = tx
        .set_user(&locked.unwrap(), &record, &changed, "directory:d")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!((after.version, after.epoch), (2, user.epoch));
    assert!(world.is_share_live(share.id).await);
    let stored = world.user_now(user).await.unwrap();
    assert_eq!(stored.user_name, "ada.lovelace@acme.test");
    assert_eq!(stored.attributes, record.attributes);
    let mut tx = world.read().await;
    for (address, wanted) in [("ada@HOME.test", 1), ("ada@acme.test", 0)] {
        let organization = user.organization_id;
        let found = tx
            .list_join_candidates(organization, None, JoinAttribute::Email, address)
            .await;
        assert_eq!(found.unwrap().len(), wanted, "{address}");
    }
}

async fn ten_wrong_passwords_lock_the_account_for_a_while(world: World) {
    let company = world.company("acme").await;
    let user = company.user.id;
    let fail = async |times| {
        let mut tx = world.write().await;
        for _ in 0..times {
            tx.add_password_failure(user).await.unwrap();
        }
        tx.commit().await.unwrap();
    };
    let locked_until = async || {
        let found = world.read().await.find_password(user).await;
        found.unwrap().unwrap().locked_until
    };
    let mut tx = world.write().await;
    assert!(tx.find_password(user).await.unwrap().is_none());
    tx.set_password(user, "phc", "operator").await.unwrap();
    tx.commit().await.unwrap();
    fail(9).await;
    assert_eq!(locked_until().await, None);
    let mut tx = world.write().await;
    tx.clear_password_failures(user).await.unwrap();
    tx.commit().await.unwrap();
    fail(9).await;
    assert_eq!(locked_until().await, None, "a right one begins anew");
    fail(1).await;
    let until = world.now().after(Duration::from_mins(15));
    assert_eq!(locked_until().await, Some(until));
    let mut tx = world.write().await;
    tx.set_password(user, "phc-2", "operator").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(locked_until().await, None);
}

async fn users_are_listed_in_pages_and_by_name(world: World) {
    let organization = world.organization("acme").await;
    let mut made = Vec::new();
    for place in 0..5 {
        made.push(
            world
                .user(&organization, None, &format!("u{place}"))
                .await
                .id,
        );
        world.clock.advance(Duration::from_millis(1));
    }
    let mut tx = world.read().await;
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = tx.list_users(organization.id, after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page.iter().map(|user| user.id));
    }
    assert_eq!(seen, made);
    assert!(tx.list_group_names(made[0]).await.unwrap().is_empty());
    let found = tx.find_user_organization(made[0]).await.unwrap();
    assert_eq!(found, Some(organization.id));
}

async fn login_records_are_listed_newest_first(world: World) {
    let company = world.company("acme").await;
    let mut ids = Vec::new();
    for outcome in ["not_provisioned", "succeeded"] {
        let record = NewLoginRecord {
            organization_id: Some(company.organization.id),
            connection_id: Some(company.connection.id),
            application_id: Some(company.application.id),
            user_id: Some(company.user.id),
            outcome: outcome.to_owned(),
            rule: Some("join".to_owned()),
            report: (outcome == "succeeded").then(|| {
                serde_json::value::to_raw_value(&serde_json::json!([{ "rule": "audience" }]))
                    .unwrap()
            }),
            ..NewLoginRecord::default()
        };
        let mut tx = world.write().await;
        ids.push(tx.add_login(&record).await.unwrap());
        tx.commit().await.unwrap();
        world.clock.advance(Duration::from_millis(1));
    }
    let mut tx = world.read().await;
    let organization = company.organization.id;
    let listed = tx.list_logins(organization, None, 10).await.unwrap();
    assert_eq!((listed[0].id, listed[1].id), (ids[1], ids[0]));
    assert_eq!(listed[0].login.outcome, "succeeded");
    let reports = [0, 1].map(|place: usize| {
        let report = listed[place].login.report.as_ref();
        report.map(|report| serde_json::from_str::<serde_json::Value>(report.get()).unwrap())
    });
    let report = serde_json::json!([{ "rule": "audience" }]);
    assert_eq!(reports, [Some(report), None]);
    let older = tx.list_logins(organization, Some(ids[1]), 10).await;
    assert_eq!(older.unwrap().len(), 1);
}
