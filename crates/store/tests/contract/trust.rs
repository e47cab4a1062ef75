//! What a connection and its identity provider know of each other: our keys, their certificates, their metadata.

use std::{sync::Arc, time::Duration};

use vestibule_core::{ConnectionState, Protocol, Timestamp};
use vestibule_store::{
    CertificateSource, Connection, ConnectionCertificate, ConnectionKey, ConnectionMetadata,
    KeyPurpose, KeyState, MetadataCheck,
};
use vestibule_support::{World, on_every_database};

use crate::once::count_winners;

on_every_database!(
    a_key_is_made_rotated_and_removed,
    a_key_is_its_own_connections_only,
    a_certificate_is_pinned_once_and_removed,
    a_removed_certificate_is_remembered_until_it_is_pinned_again,
    expiring_certificates_of_connections_in_use_are_listed,
    somebody_is_warned_once,
    metadata_is_due_at_once_and_again_when_it_was_checked,
    due_metadata_is_claimed_by_exactly_one,
    what_was_read_elsewhere_is_not_noted,
    metadata_of_what_is_switched_off_is_left_alone,
    a_deleted_connection_keeps_no_trust,
);

const DAY: Duration = Duration::from_hours(24);

fn key(world: &World, connection: &Connection, purpose: KeyPurpose) -> ConnectionKey {
    let now = world.now();
    ConnectionKey {
        id: world.store.generator().id(now),
        connection_id: connection.id,
        organization_id: connection.organization_id,
        purpose,
        state: KeyState::Next,
        certificate: "-----BEGIN CERTIFICATE-----".to_owned(),
        private_sealed: vec![0, 255, 1],
        not_after: now.after(30 * DAY),
        created_at: now,
        activated_at: None,
        retired_at: None,
    }
}

fn certificate(
    connection: &Connection,
    fingerprint: &str,
    not_after: Timestamp,
) -> ConnectionCertificate {
    ConnectionCertificate {
        connection_id: connection.id,
        fingerprint: fingerprint.to_owned(),
        organization_id: connection.organization_id,
        pem: "pem".to_owned(),
        not_after,
        source: CertificateSource::Metadata,
        added_at: connection.created_at,
        warned_days: None,
    }
}

async fn pin(world: &World, certificate: &ConnectionCertificate) -> bool {
    let mut tx = world.write().await;
    let added = tx.add_connection_certificate(certificate).await.unwrap();
    tx.commit().await.unwrap();
    added
}

async fn publish(world: &World, connection: &Connection, url: Option<&str>) {
    let mut tx = world.write().await;
    tx.set_connection_metadata(connection.id, connection.organization_id, url)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn claim(world: &World) -> Option<ConnectionMetadata> {
    let mut tx = world.write().await;
    let until = world.now().after(Duration::from_mins(5));
    let claimed = tx.claim_connection_metadata(until).await.unwrap();
    tx.commit().await.unwrap();
    claimed
}

async fn note(world: &World, checked: &ConnectionMetadata, check: MetadataCheck<'_>) -> bool {
    let mut tx = world.write().await;
    let next = world.now().after(Duration::from_hours(1));
    let noted = tx.record_metadata_check(checked, check, next).await;
    tx.commit().await.unwrap();
    noted.unwrap()
}

async fn metadata(world: &World, connection: &Connection) -> ConnectionMetadata {
    let found = world
        .read()
        .await
        .find_connection_metadata(connection.id)
        .await;
    found.unwrap().unwrap()
}

async fn a_key_is_made_rotated_and_removed(world: World) {
    let connection = world.company("acme").await.connection;
    let made = key(&world, &connection, KeyPurpose::Signing);
    world.clock.advance(Duration::from_millis(1));
    let second = key(&world, &connection, KeyPurpose::Encryption);
    let mut tx = world.write().await;
    tx.add_connection_key(&made).await.unwrap();
    tx.add_connection_key(&second).await.unwrap();
    let listed = tx.list_connection_keys(connection.id).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!((listed[0].id, listed[1].id), (made.id, second.id));
    assert_eq!(listed[0].purpose, KeyPurpose::Signing);
    assert_eq!(listed[1].purpose, KeyPurpose::Encryption);
    assert_eq!(listed[0].organization_id, connection.organization_id);
    assert_eq!(listed[0].certificate, made.certificate);
    assert_eq!(listed[0].private_sealed, made.private_sealed);
    assert_eq!(listed[0].not_after, made.not_after);
    tx.commit().await.unwrap();

    let begun = world.now();
    for (state, activated_at, retired_at) in [
        (KeyState::Active, Some(begun), None),
        (KeyState::Retired, Some(begun), Some(begun.after(2 * DAY))),
    ] {
        let mut tx = world.write().await;
        let set = tx.set_connection_key_state(connection.id, made.id, state);
        assert!(set.await.unwrap());
        let listed = tx.list_connection_keys(connection.id).await.unwrap();
        assert_eq!(listed[0].state, state);
        assert_eq!(listed[0].activated_at, activated_at);
        assert_eq!(listed[0].retired_at, retired_at);
        assert_eq!(listed[1].state, KeyState::Next);
        tx.commit().await.unwrap();
        world.clock.advance(2 * DAY);
    }
    // Saying it again moves no time.
    let mut tx = world.write().await;
    let again = tx.set_connection_key_state(connection.id, made.id, KeyState::Retired);
    assert!(again.await.unwrap());
    let listed = tx.list_connection_keys(connection.id).await.unwrap();
    assert_eq!(listed[0].retired_at, Some(begun.after(2 * DAY)));
    let removed = tx.delete_connection_key(connection.id, made.id).await;
    assert!(removed.unwrap());
    let removed = tx.delete_connection_key(connection.id, made.id).await;
    assert!(!removed.unwrap());
    let listed = tx.list_connection_keys(connection.id).await.unwrap();
    assert_eq!(listed.len(), 1);
}

async fn a_key_is_its_own_connections_only(world: World) {
    let (ours, theirs) = (world.company("acme").await, world.company("bolt").await);
    let made = key(&world, &ours.connection, KeyPurpose::Signing);
    let mut tx = world.write().await;
    tx.add_connection_key(&made).await.unwrap();
    let other = theirs.connection.id;
    assert!(tx.list_connection_keys(other).await.unwrap().is_empty());
    let set = tx.set_connection_key_state(other, made.id, KeyState::Active);
    assert!(!set.await.unwrap());
    assert!(!tx.delete_connection_key(other, made.id).await.unwrap());
    let kept = tx.list_connection_keys(ours.connection.id).await.unwrap();
    assert_eq!(kept[0].state, KeyState::Next);
}

async fn a_certificate_is_pinned_once_and_removed(world: World) {
    let (ours, theirs) = (world.company("acme").await, world.company("bolt").await);
    let connection = &ours.connection;
    let pinned = certificate(connection, "ab", world.now().after(DAY));
    assert!(pin(&world, &pinned).await);
    let again = ConnectionCertificate {
        source: CertificateSource::Operator,
        ..pinned.clone()
    };
    assert!(!pin(&world, &again).await, "the first one stays");
    let elsewhere = certificate(&theirs.connection, "ab", world.now());
    assert!(pin(&world, &elsewhere).await, "each connection has its own");
    let mut tx = world.write().await;
    let listed = tx.list_connection_certificates(connection.id).await;
    assert_eq!(listed.unwrap(), std::slice::from_ref(&pinned));
    let unknown = tx.delete_connection_certificate(connection.id, "cd").await;
    assert!(!unknown.unwrap());
    let removed = tx.delete_connection_certificate(connection.id, "ab").await;
    assert!(removed.unwrap());
    let listed = tx.list_connection_certificates(connection.id).await;
    assert!(listed.unwrap().is_empty());
    let kept = tx.list_connection_certificates(theirs.connection.id).await;
    assert_eq!(kept.unwrap(), [elsewhere]);
}

async fn a_removed_certificate_is_remembered_until_it_is_pinned_again(world: World) {
    let (ours, theirs) = (world.company("acme").await, world.company("bolt").await);
    let id = ours.connection.id;
    let (first, second) = (
        certificate(&ours.connection, "ab", world.now().after(DAY)),
        certificate(&ours.connection, "cd", world.now().after(DAY)),
    );
    for pinned in [
        &first,
        &second,
        &certificate(&theirs.connection, "ab", world.now()),
    ] {
        assert!(pin(&world, pinned).await);
    }
    let removed = async || {
        let removed = world.read().await.list_removed_certificates(id).await;
        removed.unwrap()
    };
    let remove = async |fingerprint: &str| {
        let mut tx = world.write().await;
        let gone = tx.delete_connection_certificate(id, fingerprint).await;
        tx.commit().await.unwrap();
        gone.unwrap()
    };
    assert!(removed().await.is_empty());
    assert!(!remove("ef").await, "nobody ever trusted it");
    for fingerprint in ["cd", "ab"] {
        assert!(remove(fingerprint).await);
        assert!(!remove(fingerprint).await, "it is gone");
        world.clock.advance(Duration::from_millis(1));
    }
    assert_eq!(removed().await, ["cd", "ab"]);
    let elsewhere = theirs.connection.id;
    let elsewhere = world
        .read()
        .await
        .list_removed_certificates(elsewhere)
        .await;
    assert!(elsewhere.unwrap().is_empty(), "each connection has its own");
    assert!(pin(&world, &first).await);
    assert_eq!(removed().await, ["cd"]);
    let mut tx = world.write().await;
    tx.delete_connection(id).await.unwrap();
    let left = tx.list_removed_certificates(id).await;
    assert!(left.unwrap().is_empty());
}

async fn expiring_certificates_of_connections_in_use_are_listed(world: World) {
    let company = world.company("acme").await;
    let (organization, connection) = (company.organization, company.connection);
    let other = world.connection(&organization, Protocol::Saml).await;
    let now = world.now();
    for (of, fingerprint, days) in [
        (&connection, "in 20 days", 20),
        (&other, "in 3 days", 3),
        (&connection, "in 40 days", 40),
        (&connection, "in 2 days", 2),
    ] {
        assert!(pin(&world, &certificate(of, fingerprint, now.after(days * DAY))).await);
    }
    assert!(pin(&world, &certificate(&other, "over", now.before(DAY))).await);
    let list = async |limit| {
        let before = now.after(30 * DAY);
        let listed = world
            .read()
            .await
            .list_expiring_certificates(before, 30, limit)
            .await;
        let listed = listed.unwrap().into_iter();
        let listed = listed.map(|found| (found.connection_id, found.fingerprint));
        listed.collect::<Vec<_>>()
    };
    let named = |of: &Connection, fingerprint: &str| (of.id, fingerprint.to_owned());
    let all = [
        named(&other, "over"),
        named(&connection, "in 2 days"),
        named(&other, "in 3 days"),
        named(&connection, "in 20 days"),
    ];
    assert_eq!(list(10).await, all);
    assert_eq!(list(2).await, all[..2]);

    let mut inactive = other.clone();
    inactive.state = ConnectionState::Inactive;
    let mut tx = world.write().await;
    tx.set_connection(&inactive).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(list(10).await, [all[1].clone(), all[3].clone()]);
    let mut tx = world.write().await;
    tx.delete_organization(organization.id).await.unwrap();
    tx.commit().await.unwrap();
    assert!(list(10).await.is_empty());
}

async fn somebody_is_warned_once(world: World) {
    let world = Arc::new(world);
    let connection = world.company("acme").await.connection;
    let before = world.now().after(30 * DAY);
    for fingerprint in ["ab", "cd"] {
        let soon = certificate(&connection, fingerprint, world.now().after(DAY));
        assert!(pin(&world, &soon).await);
    }
    let id = connection.id;
    let winners = count_winners(&world, move |world| async move {
        let mut tx = world.write().await;
        let won = tx.set_certificate_warned(id, "ab", 30).await.unwrap();
        tx.commit().await.unwrap();
        won
    })
    .await;
    assert_eq!(winners, 1);
    let mut tx = world.write().await;
    let listed = tx.list_expiring_certificates(before, 30, 10).await.unwrap();
    assert_eq!(listed.len(), 1, "who was warned makes room");
    assert_eq!(listed[0].fingerprint, "cd");
    let listed = tx.list_expiring_certificates(before, 7, 10).await.unwrap();
    assert_eq!(listed.len(), 2, "a nearer end is another warning");
    assert!(tx.set_certificate_warned(id, "ab", 7).await.unwrap());
    assert!(!tx.set_certificate_warned(id, "ab", 30).await.unwrap());
    assert!(!tx.set_certificate_warned(id, "ef", 30).await.unwrap());
    let listed = tx.list_connection_certificates(id).await.unwrap();
    assert_eq!(listed[0].warned_days, Some(7));
}

async fn metadata_is_due_at_once_and_again_when_it_was_checked(world: World) {
    let connection = world.company("acme").await.connection;
    assert!(claim(&world).await.is_none());
    publish(&world, &connection, Some("https://idp.test/metadata")).await;
    let claimed = claim(&world).await.unwrap();
    assert_eq!(claimed.connection_id, connection.id);
    assert_eq!(claimed.url, "https://idp.test/metadata");
    assert_eq!((claimed.etag.clone(), claimed.checked_at), (None, None));
    assert!(claim(&world).await.is_none(), "it is somebody's");
    // Its worker died: another one gets it when the lease runs out.
    world.clock.advance(Duration::from_mins(5));
    let claimed = claim(&world).await.unwrap();

    let etag = Some("\"1\"");
    assert!(note(&world, &claimed, MetadataCheck::Changed { etag }).await);
    let first = world.now();
    let found = metadata(&world, &connection).await;
    assert_eq!(found.etag.as_deref(), etag);
    assert_eq!(found.checked_at, Some(first));
    assert_eq!(found.changed_at, Some(first));
    assert_eq!(found.next_check_at, first.after(Duration::from_hours(1)));
    assert!(claim(&world).await.is_none());

    for failures in 1..=2 {
        world.clock.advance(Duration::from_hours(1));
        let claimed = claim(&world).await.unwrap();
        let error = "the answer took too long";
        assert!(note(&world, &claimed, MetadataCheck::Failed { error }).await);
        let found = metadata(&world, &connection).await;
        assert_eq!(found.failures, failures);
        assert_eq!(found.last_error.as_deref(), Some(error));
        assert_eq!(found.etag.as_deref(), etag, "what is known stays");
        assert_eq!(found.checked_at, Some(first));
    }
    world.clock.advance(Duration::from_hours(1));
    let claimed = claim(&world).await.unwrap();
    assert!(note(&world, &claimed, MetadataCheck::Unchanged { etag }).await);
    let found = metadata(&world, &connection).await;
    assert_eq!((found.failures, found.last_error), (0, None));
    assert_eq!(found.checked_at, Some(world.now()));
    assert_eq!(found.changed_at, Some(first));
}

async fn due_metadata_is_claimed_by_exactly_one(world: World) {
    let world = Arc::new(world);
    let company = world.company("acme").await;
    let mut claimed = 0;
    for _ in 0..3 {
        let connection = world
            .connection(&company.organization, Protocol::Saml)
            .await;
        publish(&world, &connection, Some("https://idp.test/")).await;
        claimed += 1;
    }
    let winners = count_winners(&world, |world| async move {
        // Whoever comes upon one that is just being claimed looks again.
        for _ in 0..3 {
            if claim(&world).await.is_some() {
                return true;
            }
        }
        false
    })
    .await;
    assert_eq!(winners, claimed, "each went to one worker");
}

async fn what_was_read_elsewhere_is_not_noted(world: World) {
    let connection = world.company("acme").await.connection;
    publish(&world, &connection, Some("https://old.test/")).await;
    let claimed = claim(&world).await.unwrap();
    let etag = Some("\"1\"");
    assert!(note(&world, &claimed, MetadataCheck::Changed { etag }).await);
    let known = metadata(&world, &connection).await;
    publish(&world, &connection, Some("https://old.test/")).await;
    let same = metadata(&world, &connection).await;
    assert_eq!(
        (same.etag.as_deref(), same.next_check_at),
        (etag, known.next_check_at)
    );

    publish(&world, &connection, Some("https://new.test/")).await;
    let error = "gone";
    for check in [
        MetadataCheck::Changed { etag },
        MetadataCheck::Unchanged { etag },
        MetadataCheck::Failed { error },
    ] {
        assert!(!note(&world, &claimed, check).await, "{check:?}");
    }
    let fresh = claim(&world).await.unwrap();
    assert_eq!(fresh.url, "https://new.test/");
    assert_eq!(
        (fresh.etag, fresh.changed_at, fresh.failures),
        (None, None, 0)
    );

    publish(&world, &connection, None).await;
    let mut tx = world.read().await;
    let found = tx.find_connection_metadata(connection.id).await;
    assert!(found.unwrap().is_none());
}

async fn metadata_of_what_is_switched_off_is_left_alone(world: World) {
    let company = world.company("acme").await;
    let mut connection = company.connection;
    publish(&world, &connection, Some("https://idp.test/")).await;
    let set = async |connection: &Connection| {
        let mut tx = world.write().await;
        tx.set_connection(connection).await.unwrap();
        tx.commit().await.unwrap();
    };
    connection.state = ConnectionState::Inactive;
    set(&connection).await;
    assert!(claim(&world).await.is_none());
    connection.state = ConnectionState::Draft;
    set(&connection).await;
    assert!(claim(&world).await.is_some(), "a draft is being set up");
    world.clock.advance(Duration::from_hours(1));
    let mut tx = world.write().await;
    tx.delete_organization(company.organization.id)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert!(claim(&world).await.is_none());
}

async fn a_deleted_connection_keeps_no_trust(world: World) {
    let (ours, theirs) = (world.company("acme").await, world.company("bolt").await);
    for connection in [&ours.connection, &theirs.connection] {
        let mut tx = world.write().await;
        tx.add_connection_key(&key(&world, connection, KeyPurpose::Signing))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        assert!(pin(&world, &certificate(connection, "ab", world.now())).await);
        publish(&world, connection, Some("https://idp.test/")).await;
    }
    let mut tx = world.write().await;
    tx.delete_connection(ours.connection.id).await.unwrap();
    for (connection, kept) in [(ours.connection.id, 0), (theirs.connection.id, 1)] {
        let keys = tx.list_connection_keys(connection).await.unwrap();
        let certificates = tx.list_connection_certificates(connection).await.unwrap();
        let metadata = tx.find_connection_metadata(connection).await.unwrap();
        let found = [
            keys.len(),
            certificates.len(),
            usize::from(metadata.is_some()),
        ];
        assert_eq!(found, [kept; 3]);
    }
}
