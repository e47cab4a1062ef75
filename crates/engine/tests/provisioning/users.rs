use serde_json::{Value, json};
use vestibule_core::UserId;
use vestibule_scim::{ErrorKind, Precondition};

use crate::setup::{USER, on_both};

fn active(active: bool) -> Value {
    json!([{ "op": "Replace", "path": "active", "value": active }])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_of_deactivation_ends_the_sessions_and_tells_the_application() {
    for way in ["patch", "put", "delete"] {
        on_both(async |setup| {
            let grant = setup.grant().await;
            let user = setup.user(&grant, "bob").await;
            let user_id: UserId = user.id.parse().unwrap();
            let signed_in = setup.sign_in(user_id).await;
            assert_eq!(setup.is_live(&signed_in).await, (true, true));
            match way {
                "patch" => {
                    let updated = setup
                        .patch(&grant, USER, &user.id, active(false))
                        .await
                        .unwrap();
                    assert!(updated.changed && !updated.stored.resource.active());
                }
                "put" => {
                    let body = json!({ "userName": "bob", "active": false });
                    setup.put(&grant, USER, &user.id, body).await.unwrap();
                }
                _ => setup.delete(&grant, USER, &user.id).await.unwrap(),
            }
            assert_eq!(setup.is_live(&signed_in).await, (false, false), "{way}");
            // Two: the application's share is younger than a minute.
            assert_eq!(setup.notices(&signed_in).await, 2, "{way}");
            let kind = match way {
                "delete" => "user.deleted",
                _ => "user.deactivated",
            };
            let events = setup.events(kind).await;
            assert_eq!(events.len(), 1, "{way}");
            assert_eq!(
                events[0]["actor"],
                format!("directory:{}", setup.directory.id)
            );
            assert_eq!(setup.events("session.ended").await.len(), 1, "{way}");
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reactivation_revives_nothing() {
    on_both(async |setup| {
        let grant = setup.grant().await;
        let user = setup.user(&grant, "bob").await;
        let signed_in = setup.sign_in(user.id.parse().unwrap()).await;
        setup
            .patch(&grant, USER, &user.id, active(false))
            .await
            .unwrap();
        setup
            .patch(&grant, USER, &user.id, active(true))
            .await
            .unwrap();
        assert_eq!(setup.is_live(&signed_in).await, (false, false));
        assert_eq!(setup.events("user.activated").await.len(), 1);
        let anew = setup.sign_in(user.id.parse().unwrap()).await;
        assert_eq!(setup.is_live(&anew).await, (true, true));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_an_incomplete_put_nor_a_removal_of_the_attribute_reactivates() {
    on_both(async |setup| {
        let grant = setup.grant().await;
        let user = setup.user(&grant, "bob").await;
        setup
            .patch(&grant, USER, &user.id, active(false))
            .await
            .unwrap();
        let put = setup
            .put(
                &grant,
                USER,
                &user.id,
                json!({ "userName": "bob", "title": "x" }),
            )
            .await
            .unwrap();
        assert!(!put.stored.resource.active());
        let removed = setup
            .patch(
                &grant,
                USER,
                &user.id,
                json!([{ "op": "remove", "path": "active" }]),
            )
            .await
            .unwrap();
        assert_eq!(removed.stored.resource.attributes().get("active"), None);
        let shown = async || {
            let read = setup.find(&grant, USER, &user.id).await.unwrap();
            read.resource.attributes().get("active").cloned()
        };
        assert_eq!(shown().await, None, "the client itself removed it");
        assert_eq!(
            setup.search(&grant, USER, "active eq false").await.total,
            Some(1)
        );
        setup
            .put(&grant, USER, &user.id, json!({ "userName": "bob" }))
            .await
            .unwrap();
        assert_eq!(
            setup.search(&grant, USER, "active eq false").await.total,
            Some(1)
        );
        // Who reads no `active` takes the person for active.
        assert_eq!(shown().await, Some(json!(false)));
        let remove = json!([{ "op": "remove", "path": "active" }]);
        setup.patch(&grant, USER, &user.id, remove).await.unwrap();
        let title = json!([{ "op": "replace", "path": "title", "value": "y" }]);
        setup.patch(&grant, USER, &user.id, title).await.unwrap();
        assert_eq!(shown().await, Some(json!(false)));
        assert_eq!(setup.events("user.activated").await.len(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_the_attribute_hides_it_and_ends_nothing() {
    on_both(async |setup| {
        let grant = setup.grant().await;
        let user = setup.user(&grant, "bob").await;
        let signed_in = setup.sign_in(user.id.parse().unwrap()).await;
        let remove = json!([{ "op": "remove", "path": "active" }]);
        let shown = async || {
            let stored = setup.find(&grant, USER, &user.id).await.unwrap();
            stored.resource.attributes().get("active").cloned()
        };
        setup
            .patch(&grant, USER, &user.id, remove.clone())
            .await
            .unwrap();
        assert_eq!(shown().await, None);
        assert_eq!(setup.is_live(&signed_in).await, (true, true));
        assert_eq!(
            setup.search(&grant, USER, "active eq true").await.total,
            Some(1)
        );
        let again = setup.patch(&grant, USER, &user.id, remove).await.unwrap();
        assert!(!again.changed);

        setup
            .patch(&grant, USER, &user.id, active(false))
            .await
            .unwrap();
        assert_eq!(shown().await, Some(json!(false)));
        assert_eq!(setup.is_live(&signed_in).await, (false, false));
        setup
            .patch(&grant, USER, &user.id, active(true))
            .await
            .unwrap();
        assert_eq!(shown().await, Some(json!(true)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_user_is_gone_and_the_name_is_free() {
    on_both(async |setup| {
        let grant = setup.grant().await;
        let user = setup.user(&grant, "bob").await;
        setup.delete(&grant, USER, &user.id).await.unwrap();
        assert!(setup.find(&grant, USER, &user.id).await.is_none());
        assert_eq!(
            setup
                .search(&grant, USER, "userName eq \"bob\"")
                .await
                .total,
            Some(0)
        );
        let again = setup.delete(&grant, USER, &user.id).await;
        assert_eq!(again.unwrap_err().kind(), ErrorKind::NotFound);
        let patched = setup.patch(&grant, USER, &user.id, active(true)).await;
        assert_eq!(patched.unwrap_err().kind(), ErrorKind::NotFound);
        assert_ne!(setup.user(&grant, "bob").await.id, user.id);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn change_without_effect_keeps_version_time_and_silence() {
    on_both(async |setup| {
        let grant = setup.grant().await;
        let body =
            json!({ "userName": "bob", "active": true, "emails": [{ "value": "b@a.test" }] });
        let user = setup.create(&grant, USER, body.clone()).await;
        let same = json!([{ "op": "add", "path": "emails", "value": [{ "value": "b@a.test" }] }]);
        for updated in [
            setup.patch(&grant, USER, &user.id, same).await.unwrap(),
            setup.put(&grant, USER, &user.id, body).await.unwrap(),
            setup
                .patch(&grant, USER, &user.id, active(true))
                .await
                .unwrap(),
        ] {
            assert!(!updated.changed);
            assert_eq!(updated.stored, user);
        }
        assert_eq!(setup.events("user.updated").await.len(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn taken_name_is_refused_in_any_letter_case_and_nothing_changes() {
    on_both(async |setup| {
        let grant = setup.grant().await;
        setup.user(&grant, "Bob@Acme.test").await;
        let eve = setup.user(&grant, "eve").await;
        let created = setup
            .try_create(&grant, USER, json!({ "userName": "BOB@acme.TEST" }))
            .await;
        assert_eq!(created.unwrap_err().kind(), ErrorKind::Uniqueness);
        let renamed = setup
            .put(
                &grant,
                USER,
                &eve.id,
                json!({ "userName": "bob@acme.test", "title": "x" }),
            )
            .await;
        assert_eq!(renamed.unwrap_err().kind(), ErrorKind::Uniqueness);
        assert_eq!(setup.find(&grant, USER, &eve.id).await, Some(eve));
        assert_eq!(setup.events("user.created").await.len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn older_version_is_refused() {
    on_both(async |setup| {
        let grant = setup.grant().await;
        let user = setup.user(&grant, "bob").await;
        let change = setup.change(&grant, USER, &active(false)).unwrap();
        let stale = Precondition::Versions(vec!["0".to_owned()]);
        let refused = setup.apply(&grant, USER, &user.id, &change, &stale).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::PreconditionFailed);
        let current = Precondition::Versions(vec![user.version.clone()]);
        let updated = setup.apply(&grant, USER, &user.id, &change, &current).await;
        assert_ne!(updated.unwrap().stored.version, user.version);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_databases_cannot_hold_is_refused_by_name() {
    on_both(async |setup| {
        let grant = setup.grant().await;
        for body in [
            json!({ "userName": "bob\u{0}" }),
            json!({ "userName": "bob", "title": "a\u{0}b" }),
            json!({ "userName": "b".repeat(3_000) }),
            // One character that its comparison key spells with eighteen.
            json!({ "userName": "\u{fdfa}".repeat(200) }),
            json!({ "userName": "bob", "externalId": "b".repeat(3_000) }),
            json!({ "userName": "bob", "title": "b".repeat(300 * 1024) }),
        ] {
            let refused = setup.try_create(&grant, USER, body).await;
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidValue);
        }
        let page = setup
            .search(&grant, USER, "userName eq \"bob\\u0000\"")
            .await;
        assert_eq!(page.total, Some(0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn password_is_dropped_unless_the_directory_keeps_it() {
    on_both(async |mut setup| {
        let grant = setup.grant().await;
        let dropped = setup
            .create(
                &grant,
                USER,
                json!({ "userName": "eve", "password": "1mz050nq" }),
            )
            .await;
        let stored = async |id: &str| {
            let mut tx = setup.store.read(setup.now()).await.unwrap();
            tx.find_password(id.parse().unwrap()).await.unwrap()
        };
        assert!(stored(&dropped.id).await.is_none());
        let set = json!([{ "op": "replace", "path": "password", "value": "1mz050nq" }]);
        let updated = setup.patch(&grant, USER, &dropped.id, set).await.unwrap();
        assert!(!updated.changed && stored(&dropped.id).await.is_none());

        setup
            .set_directory(|directory| directory.accept_password = true)
            .await;
        let grant = setup.grant().await;
        let user = setup
            .create(
                &grant,
                USER,
                json!({ "userName": "bob", "password": "1mz050nq" }),
            )
            .await;
        let stored = async |id: &str| {
            let mut tx = setup.store.read(setup.now()).await.unwrap();
            tx.find_password(id.parse().unwrap()).await.unwrap()
        };
        let phc = stored(&user.id).await.unwrap().phc;
        assert!(phc.starts_with("$argon2id$"));
        let signed_in = setup.sign_in(user.id.parse().unwrap()).await;
        let set = |text: &str| json!([{ "op": "replace", "path": "password", "value": text }]);
        // The same password again signs nobody out.
        let same = setup
            .patch(&grant, USER, &user.id, set("1mz050nq"))
            .await
            .unwrap();
        assert!(!same.changed);
        assert_eq!(setup.is_live(&signed_in).await, (true, true));
        let other = setup
            .patch(&grant, USER, &user.id, set("another one"))
            .await
            .unwrap();
        assert!(other.changed);
        assert_eq!(setup.is_live(&signed_in).await, (false, false));
        assert_ne!(stored(&user.id).await.unwrap().phc, phc);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn request_whose_client_goes_away_is_carried_out_to_the_end() {
    on_both(async |setup| {
        let grant = setup.grant().await;
        let user = setup.user(&grant, "bob").await;
        let signed_in = setup.sign_in(user.id.parse().unwrap()).await;
        let request = setup.patch(&grant, USER, &user.id, active(false));
        // Polled once and dropped, as when a socket closes.
        let mut request = Box::pin(request);
        let polled = std::future::poll_fn(|context| {
            std::task::Poll::Ready(request.as_mut().poll(context).is_ready())
        });
        polled.await;
        drop(request);
        for _ in 0..1_000 {
            if setup.is_live(&signed_in).await == (false, false) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("the deactivation was cancelled half-way");
    })
    .await;
}
