//! The log of SCIM requests: what is asked of it, and by whom.

use std::time::Duration;

use vestibule_core::Generator;
use vestibule_store::{Directory, NewProvisioningRecord, ProvisioningQuery};
use vestibule_support::{World, on_every_database};

on_every_database!(
    records_are_listed_newest_first,
    records_are_found_by_what_became_of_them,
);

fn record(world: &World, directory: &Directory, seconds: u64) -> NewProvisioningRecord {
    NewProvisioningRecord {
        organization_id: directory.organization_id,
        directory_id: directory.id,
        token_id: None,
        client_id: None,
        request_id: Some(format!("r-{seconds}")),
        method: "POST".to_owned(),
        path: "/Users".to_owned(),
        resource_id: None,
        user_agent: Some("okta".to_owned()),
        dialect: Some("okta".to_owned()),
        changed: Some(true),
        status: 201,
        scim_type: None,
        detail: None,
        repairs: serde_json::json!([]),
        duration_micros: 5,
        created_at: world.now().after(Duration::from_secs(seconds)),
    }
}

async fn records_are_listed_newest_first(world: World) {
    let organization = world.organization("acme").await;
    let directory = world.directory(&organization).await;
    let records: Vec<_> = (0..3)
        .map(|seconds| NewProvisioningRecord {
            status: 201 + i64::try_from(seconds).unwrap(),
            ..record(&world, &directory, seconds)
        })
        .collect();
    let mut tx = world.write().await;
    tx.add_provisioning_records(&records).await.unwrap();
    tx.add_provisioning_records(&[]).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = world.read().await;
    let of_directory = ProvisioningQuery {
        directory_id: Some(directory.id),
        ..ProvisioningQuery::default()
    };
    let listed = tx
        .list_provisioning_records(organization.id, &of_directory, 2)
        .await
        .unwrap();
    let statuses: Vec<i64> = listed.iter().map(|record| record.request.status).collect();
    assert_eq!(statuses, [203, 202]);
    for directory_id in [None, Some(directory.id)] {
        let older = ProvisioningQuery {
            directory_id,
            before: Some(listed[1].id),
            ..ProvisioningQuery::default()
        };
        let older = tx
            .list_provisioning_records(organization.id, &older, 10)
            .await;
        assert_eq!(older.unwrap().len(), 1);
    }
    let elsewhere = world.store.generator().id(world.now());
    for wanted in [ProvisioningQuery::default(), of_directory] {
        let none = tx.list_provisioning_records(elsewhere, &wanted, 10).await;
        assert!(none.unwrap().is_empty(), "another organization's records");
    }
    let read = tx.find_provisioning_record(listed[0].id).await.unwrap();
    let read = read.unwrap().request;
    assert_eq!(read.request_id.as_deref(), Some("r-2"));
    assert_eq!(read.dialect.as_deref(), Some("okta"));
    assert_eq!(read.changed, Some(true));
    let unknown = Generator::system().id(world.now());
    assert!(
        tx.find_provisioning_record(unknown)
            .await
            .unwrap()
            .is_none()
    );
}

async fn records_are_found_by_what_became_of_them(world: World) {
    let organization = world.organization("acme").await;
    let (directory, other) = (
        world.directory(&organization).await,
        world.directory(&organization).await,
    );
    let mut repaired = record(&world, &directory, 1);
    repaired.repairs = serde_json::json!([{ "rule": 2, "place": "active" }]);
    repaired.resource_id = Some("usr_a".to_owned());
    let mut refused = record(&world, &directory, 2);
    (refused.status, refused.changed) = (409, None);
    let mut failed = record(&world, &other, 3);
    failed.status = 500;
    let records = [record(&world, &directory, 0), repaired, refused, failed];
    let mut tx = world.write().await;
    tx.add_provisioning_records(&records).await.unwrap();
    tx.commit().await.unwrap();
    let any = ProvisioningQuery::default;
    let cases: [(ProvisioningQuery, &[&str]); 8] = [
        (any(), &["r-3", "r-2", "r-1", "r-0"]),
        (
            ProvisioningQuery {
                status_class: Some(4),
                ..any()
            },
            &["r-2"],
        ),
        (
            ProvisioningQuery {
                status_class: Some(2),
                ..any()
            },
            &["r-1", "r-0"],
        ),
        (
            ProvisioningQuery {
                repaired: Some(true),
                ..any()
            },
            &["r-1"],
        ),
        (
            ProvisioningQuery {
                repaired: Some(false),
                status_class: Some(2),
                ..any()
            },
            &["r-0"],
        ),
        (
            ProvisioningQuery {
                resource_id: Some("usr_a".to_owned()),
                ..any()
            },
            &["r-1"],
        ),
        (
            ProvisioningQuery {
                directory_id: Some(other.id),
                ..any()
            },
            &["r-3"],
        ),
        (
            ProvisioningQuery {
                directory_id: Some(other.id),
                repaired: Some(true),
                ..any()
            },
            &[],
        ),
    ];
    for (wanted, found) in cases {
        let mut tx = world.read().await;
        let listed = tx.list_provisioning_records(organization.id, &wanted, 10);
        let listed = listed.await.unwrap();
        let names: Vec<_> = listed
            .iter()
            .map(|record| record.request.request_id.as_deref().unwrap())
            .collect();
        assert_eq!(names, found, "{wanted:?}");
    }
}
