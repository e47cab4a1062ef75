//! Tenants are walls: another organization's row answers like a row that does not exist.

use vestibule_core::{ConnectionState, DirectoryState, Policy, Protocol};
use vestibule_store::{Reach, UserQuery};
use vestibule_support::{World, on_every_database};

on_every_database!(
    anothers_rows_are_invisible,
    a_connection_lets_its_own_organizations_people_in_only,
    a_verified_domain_belongs_to_one_organization,
    an_organizations_external_id_is_its_own,
    a_deleted_organization_frees_what_it_held,
    attaching_a_directory_ends_just_in_time_creation,
    connections_are_changed_and_deleted,
);

async fn anothers_rows_are_invisible(world: World) {
    let (ours, theirs) = (world.company("acme").await, world.company("bolt").await);
    let directory = world.directory(&theirs.organization).await;
    let user = theirs.user.id;
    let mut tx = world.write().await;
    let (our_id, their_id) = (ours.organization.id, theirs.organization.id);
    assert!(tx.find_user(our_id, user).await.unwrap().is_none());
    assert!(tx.lock_user(our_id, user).await.unwrap().is_none());
    assert!(tx.find_user(their_id, user).await.unwrap().is_some());
    let named = tx.list_users_named(our_id, &theirs.user.user_name).await;
    assert!(named.unwrap().is_empty());
    let listed = tx.list_users(our_id, None, 10).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].id, ours.user.id);
    assert!(tx.list_directories(our_id).await.unwrap().is_empty());
    assert_eq!(tx.list_directories(their_id).await.unwrap().len(), 1);
    let connections = tx.list_connections(our_id).await.unwrap();
    assert_eq!(connections.len(), 1);
    assert_eq!(connections[0].id, ours.connection.id);
    // A directory's id beside the wrong organization reaches nobody.
    let query = UserQuery {
        organization_id: our_id,
        directory_id: directory.id,
        reach: Reach::Owned,
        conditions: Vec::new(),
    };
    assert_eq!(tx.count_directory_users(&query).await.unwrap(), 0);
}

async fn a_connection_lets_its_own_organizations_people_in_only(world: World) {
    let (ours, theirs) = (world.company("acme").await, world.company("bolt").await);
    let crossed = world.try_login(&ours.user, &theirs.connection).await;
    assert!(crossed.is_none());
    assert!(
        world
            .try_login(&ours.user, &ours.connection)
            .await
            .is_some()
    );
}

async fn a_verified_domain_belongs_to_one_organization(world: World) {
    let ours = world.organization("acme").await;
    let theirs = world.organization("bolt").await;
    let domain = "acme.com".parse().unwrap();
    let mut tx = world.write().await;
    tx.add_domain(ours.id, &domain, "txt-1", None)
        .await
        .unwrap();
    tx.add_domain(theirs.id, &domain, "txt-2", None)
        .await
        .unwrap();
    let found = tx.find_organization_by_domain("acme.com").await.unwrap();
    assert!(found.is_none(), "naming a domain proves nothing");
    assert!(tx.set_domain_verified(ours.id, "acme.com").await.unwrap());
    assert!(!tx.set_domain_verified(ours.id, "bolt.com").await.unwrap());
    assert!(tx.has_verified_domain(ours.id, "acme.com").await.unwrap());
    assert!(!tx.has_verified_domain(theirs.id, "acme.com").await.unwrap());
    tx.commit().await.unwrap();

    let mut tx = world.write().await;
    let refused = tx.set_domain_verified(theirs.id, "acme.com").await;
    assert!(refused.unwrap_err().is_taken());
    drop(tx);
    let third = world.organization("third").await;
    let mut tx = world.write().await;
    let refused = tx.add_domain(third.id, &domain, "t", Some(world.now()));
    assert!(refused.await.unwrap_err().is_taken());
    drop(tx);

    let mut tx = world.write().await;
    let found = tx.find_organization_by_domain("acme.com").await.unwrap();
    assert_eq!(found.unwrap().id, ours.id);
    let listed = tx.list_domains(ours.id).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].txt_token, "txt-1");
    assert_eq!(listed[0].verified_at, Some(world.now()));
    assert!(tx.remove_domain(ours.id, "acme.com").await.unwrap());
    assert!(!tx.remove_domain(ours.id, "acme.com").await.unwrap());
    assert!(tx.set_domain_verified(theirs.id, "acme.com").await.unwrap());
    tx.commit().await.unwrap();
}

async fn an_organizations_external_id_is_its_own(world: World) {
    let mut tx = world.write().await;
    let policy = Policy {
        password_login: true,
        ..Policy::default()
    };
    let made = tx
        .add_organization("Acme", Some("customer-1"), &policy)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut tx = world.write().await;
    let refused = tx
        .add_organization("Other", Some("customer-1"), &policy)
        .await;
    assert!(refused.unwrap_err().is_taken());
    drop(tx);
    let mut tx = world.read().await;
    let found = tx.find_organization_by_external_id("customer-1").await;
    let found = found.unwrap().unwrap();
    assert_eq!((found.id, &found.policy), (made.id, &policy));
    assert!(found.active && found.epoch == 1);
}

async fn a_deleted_organization_frees_what_it_held(world: World) {
    let company = world.company("acme").await;
    let id = company.organization.id;
    let domain = "acme.com".parse().unwrap();
    let mut tx = world.write().await;
    let mut organization = tx.lock_organization(id).await.unwrap().unwrap();
    organization.external_id = Some("customer-1".to_owned());
    "Acme & Sons".clone_into(&mut organization.name);
    tx.set_organization(&organization).await.unwrap();
    tx.add_domain(id, &domain, "t", Some(world.now()))
        .await
        .unwrap();
    let stored = tx.find_organization(id).await.unwrap().unwrap();
    assert_eq!(stored.name, "Acme & Sons");
    tx.delete_organization(id).await.unwrap();
    assert!(tx.find_organization(id).await.unwrap().is_none());
    assert!(tx.lock_organization(id).await.unwrap().is_none());
    tx.commit().await.unwrap();

    assert!(
        world
            .try_login(&company.user, &company.connection)
            .await
            .is_none()
    );
    let mut tx = world.write().await;
    let listed = tx.list_organizations(None, None, 10).await.unwrap();
    assert!(listed.is_empty());
    let policy = Policy::default();
    let again = tx.add_organization("Acme", Some("customer-1"), &policy);
    let again = again.await.unwrap();
    tx.add_domain(again.id, &domain, "t", Some(world.now()))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut tx = world.read().await;
    let only = tx.list_organizations(Some(again.id), None, 10).await;
    assert_eq!(only.unwrap().len(), 1);
    let after = tx.list_organizations(None, Some(again.id), 10).await;
    assert!(after.unwrap().is_empty());
}

async fn attaching_a_directory_ends_just_in_time_creation(world: World) {
    let company = world.company("acme").await;
    let mut connection = company.connection.clone();
    connection.jit = true;
    let mut tx = world.write().await;
    tx.set_connection(&connection).await.unwrap();
    tx.commit().await.unwrap();
    let first = world.directory(&company.organization).await;
    let find = async || {
        let found = world.read().await.find_connection(connection.id).await;
        found.unwrap().unwrap()
    };
    assert_eq!((find().await.jit, find().await.directory_id), (false, None));
    let second = world.directory(&company.organization).await;
    assert_eq!(
        find().await.directory_id,
        Some(first.id),
        "with a second one it names the first"
    );

    let mut tx = world.write().await;
    let mut directory = tx.find_directory(second.id).await.unwrap().unwrap();
    directory.state = DirectoryState::Adopting;
    "okta".clone_into(&mut directory.dialect);
    tx.set_directory(&directory).await.unwrap();
    tx.commit().await.unwrap();
    let stored = world.read().await.find_directory(second.id).await;
    let stored = stored.unwrap().unwrap();
    assert_eq!(
        (stored.state, stored.dialect.as_str()),
        (DirectoryState::Adopting, "okta")
    );
}

async fn connections_are_changed_and_deleted(world: World) {
    let company = world.company("acme").await;
    let mut connection = world
        .connection(&company.organization, Protocol::Saml)
        .await;
    connection.state = ConnectionState::Inactive;
    connection.client_secret_sealed = Some(vec![1, 2]);
    connection.settings = serde_json::json!({ "entity_id": "x" });
    connection.join_directory = Some("externalId".to_owned());
    connection.default_application_id = Some(company.application.id);
    let mut tx = world.write().await;
    tx.set_connection(&connection).await.unwrap();
    tx.add_identity(connection.id, "i", "s", &company.user)
        .await
        .unwrap();
    let stored = tx.find_connection(connection.id).await.unwrap().unwrap();
    assert_eq!(stored.settings, connection.settings);
    assert_eq!(stored.client_secret_sealed, connection.client_secret_sealed);
    assert_eq!(stored.state, ConnectionState::Inactive);
    assert_eq!(stored.default_application_id, Some(company.application.id));
    tx.delete_connection(connection.id).await.unwrap();
    assert!(tx.find_connection(connection.id).await.unwrap().is_none());
    assert!(
        !tx.is_linked(connection.id, "i", company.user.id)
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();
    let sealed = "SELECT COUNT(*) FROM connections WHERE client_secret_sealed IS NOT NULL";
    assert_eq!(world.database.number(sealed).await, 0);
}
