//! What a directory speaks: strictly or leniently, and schemas of its own.

use serde_json::{Value, json};
use vestibule_core::DirectoryMode;
use vestibule_engine::admin::{
    Actor, AdminError, DirectoryChange, DirectorySchema, HeldValues, LookupChange, LookupKind,
    SchemaOf, SettingsChange,
};
use vestibule_scim::{Directory as _, ErrorKind, ResourceType};

use crate::setup::{Setup, USER, on_both};

const BADGE: &str = "urn:example:scim:schemas:badge:1.0:User";

fn badge() -> Value {
    json!({ "id": BADGE, "name": "Badge", "attributes": [
        { "name": "number", "type": "string" },
        { "name": "doors", "type": "string", "multiValued": true },
    ] })
}

async fn add(setup: &Setup, schema: Value) -> Result<DirectorySchema, AdminError> {
    let new = DirectorySchema {
        extends: SchemaOf::User,
        required: false,
        schema,
    };
    setup
        .engine
        .add_directory_schema(&Actor::command_line(), setup.directory.id, new, setup.now())
        .await
}

async fn remove(setup: &Setup, values: Option<HeldValues>) -> Result<(), AdminError> {
    let id = setup.directory.id;
    setup
        .engine
        .delete_directory_schema(&Actor::command_line(), id, BADGE, values, setup.now())
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_directory_refuses_what_a_lenient_one_repairs() {
    on_both(async |setup| {
        let grant = setup.grant().await;
        let bob = setup.user(&grant, "bob").await;
        let shouted = json!([{ "op": "Replace", "path": "active", "value": "False" }]);
        let repaired = setup.patch(&grant, USER, &bob.id, shouted.clone()).await;
        assert!(!repaired.unwrap().stored.resource.active());
        let mode = async |mode| {
            let change = DirectoryChange {
                mode: Some(mode),
                ..DirectoryChange::default()
            };
            let actor = Actor::command_line();
            // The clock stands still: what was known of the directory before must not be used again.
            setup
                .engine
                .set_directory(
                    &actor,
                    setup.directory.id,
                    change,
                    setup.directory.updated_at,
                )
                .await
                .unwrap();
            setup.grant().await
        };
        let strict = mode(DirectoryMode::Strict).await;
        let refused = setup.patch(&strict, USER, &bob.id, shouted.clone()).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidSyntax);
        let lenient = mode(DirectoryMode::Lenient).await;
        setup.patch(&lenient, USER, &bob.id, shouted).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_of_a_directory_is_kept_filtered_changed_and_told() {
    on_both(async |setup| {
        let made = add(&setup, badge()).await.unwrap();
        assert_eq!(made.schema["attributes"][0]["mutability"], "readWrite");
        assert!(matches!(
            add(&setup, badge()).await,
            Err(AdminError::Conflict { .. })
        ));
        let grant = setup.grant().await;
        let profile = setup.provisioning.profile(&grant);
        assert!(profile.registry.schemas().any(|schema| schema.id == BADGE));
        let bob = json!({ "userName": "bob", BADGE: { "number": "7", "doors": ["a"] } });
        let bob = setup.create(&grant, USER, bob).await;
        setup.user(&grant, "eve").await;
        let path = format!("{BADGE}:doors");
        let open = json!([{ "op": "add", "path": path, "value": ["b"] }]);
        setup.patch(&grant, USER, &bob.id, open).await.unwrap();
        for filter in [
            format!("{BADGE}:number eq \"7\""),
            format!("{path} eq \"b\""),
        ] {
            let page = setup.search(&grant, USER, &filter).await;
            assert_eq!(page.total, Some(1), "{filter}");
            assert_eq!(page.resources[0].id, bob.id);
        }
        // The other directory knows nothing of it.
        let other = setup.other_grant().await;
        let profile = setup.provisioning.profile(&other);
        assert!(
            profile
                .registry
                .of(ResourceType::User)
                .extension(BADGE)
                .is_none()
        );

        let mapped = SettingsChange {
            roles: Some(Some(path)),
            ..SettingsChange::default()
        };
        let actor = Actor::command_line();
        let id = setup.directory.id;
        let set = setup
            .engine
            .set_directory_settings(&actor, id, mapped, setup.now());
        set.await.unwrap();
        assert!(matches!(
            remove(&setup, None).await,
            Err(AdminError::Conflict { .. })
        ));
        let standard = SettingsChange {
            roles: Some(None),
            ..SettingsChange::default()
        };
        let set = setup
            .engine
            .set_directory_settings(&actor, id, standard, setup.now());
        set.await.unwrap();
        assert!(matches!(
            remove(&setup, None).await,
            Err(AdminError::Conflict { .. })
        ));
        remove(&setup, Some(HeldValues::Remove)).await.unwrap();
        assert!(matches!(
            remove(&setup, None).await,
            Err(AdminError::NotFound)
        ));
        let grant = setup.grant().await;
        let bob = setup.find(&grant, USER, &bob.id).await.unwrap();
        assert!(!bob.resource.attributes().contains_key(BADGE));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_that_is_none_is_refused_with_the_reason() {
    on_both(async |setup| {
        for schema in [
            json!({}),
            json!({ "id": "badge", "name": "Badge", "attributes": [{ "name": "a", "type": "string" }] }),
            json!({ "id": "urn:ietf:params:scim:schemas:core:2.0:User", "name": "U", "attributes": [{ "name": "a", "type": "string" }] }),
            json!({ "id": BADGE, "name": "Badge", "attributes": [{ "name": "userName", "type": "string" }] }),
            json!({ "id": BADGE, "name": "Badge", "attributes": [{ "name": "a", "type": "text" }] }),
        ] {
            let refused = add(&setup, schema.clone()).await;
            assert!(
                matches!(&refused, Err(AdminError::Invalid { field, detail }) if field == "schema" && !detail.is_empty()),
                "{schema}: {refused:?}"
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_schema_says_is_unique_nobody_has_twice() {
    on_both(async |setup| {
        let unique = |name: &str, kind: &str, exact: bool| json!({ "name": name, "type": kind, "uniqueness": "server", "caseExact": exact });
        let schema = json!({ "id": BADGE, "name": "Badge", "attributes": [
            unique("number", "integer", false), unique("key", "string", true), unique("since", "dateTime", false),
            { "name": "doors", "type": "complex", "multiValued": true, "subAttributes": [unique("lock", "string", false)] },
        ] });
        add(&setup, schema.clone()).await.unwrap();
        let grant = setup.grant().await;
        let person = async |name: &str, badge: Value| {
            setup.try_create(&grant, USER, json!({ "userName": name, BADGE: badge })).await
        };
        let doors = |locks: &[&str]| -> Value { locks.iter().map(|lock| json!({ "lock": lock })).collect() };
        let badge = json!({ "number": 7, "key": "a", "since": "2026-01-01T01:00:00+01:00", "doors": doors(&["Gate", "Roof"]) });
        let ann = person("ann", badge.clone()).await.unwrap();
        for taken in [
            json!({ "number": 7 }),
            json!({ "key": "a" }),
            json!({ "since": "2026-01-01T00:00:00.000Z" }),
            json!({ "doors": doors(&["cellar", "ROOF"]) }),
        ] {
            let refused = person("bob", taken.clone()).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Uniqueness, "{taken}");
            assert!(refused.detail().contains("unique"), "{}", refused.detail());
        }
        // Nothing is left of what was refused, and another letter case is another key.
        let bob = person("bob", json!({ "number": 8, "key": "A", "doors": doors(&["cellar"]) })).await.unwrap();
        let replace = |value: Value| json!([{ "op": "replace", "path": format!("{BADGE}:number"), "value": value }]);
        let refused = setup.patch(&grant, USER, &bob.id, replace(json!(7))).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Uniqueness);
        // Who gives a value up, or goes, leaves it to others; the own one is no obstacle.
        setup.patch(&grant, USER, &ann.id, replace(json!(9))).await.unwrap();
        setup.patch(&grant, USER, &ann.id, json!([{ "op": "replace", "path": "title", "value": "x" }])).await.unwrap();
        setup.patch(&grant, USER, &bob.id, replace(json!(7))).await.unwrap();
        setup.delete(&grant, USER, &ann.id).await.unwrap();
        person("cat", json!({ "number": 9, "doors": doors(&["gate"]) })).await.unwrap();
        // Another directory has its own values, and the schema's end frees them.
        let other = setup.other_grant().await;
        setup.user(&other, "ann").await;
        remove(&setup, Some(HeldValues::Remove)).await.unwrap();
        add(&setup, schema).await.unwrap();
        setup.try_create(&setup.grant().await, USER, json!({ "userName": "dan", BADGE: badge })).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_who_want_a_unique_value_at_once_one_gets_it() {
    on_both(async |setup| {
        let schema = json!({ "id": BADGE, "name": "Badge", "attributes": [
            { "name": "number", "type": "string", "uniqueness": "global" },
        ] });
        add(&setup, schema).await.unwrap();
        let grant = setup.grant().await;
        let setup = std::sync::Arc::new(setup);
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..16 {
            let (setup, grant) = (std::sync::Arc::clone(&setup), grant.clone());
            tasks.spawn(async move {
                let body = json!({ "userName": format!("user{number}"), BADGE: { "number": "7" } });
                setup
                    .try_create(&grant, USER, body)
                    .await
                    .map_err(|error| error.kind())
            });
        }
        let outcomes = tasks.join_all().await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        assert!(
            outcomes
                .iter()
                .all(|outcome| matches!(outcome, Ok(_) | Err(ErrorKind::Uniqueness)))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uniqueness_that_cannot_be_kept_is_refused() {
    on_both(async |setup| {
        let refused = |outcome: Result<DirectorySchema, AdminError>| {
            assert!(
                matches!(&outcome, Err(AdminError::Invalid { field, detail }) if field == "schema" && detail.contains("uniq")),
                "{outcome:?}"
            );
        };
        let attribute = json!({ "name": "a", "type": "boolean", "uniqueness": "server" });
        refused(add(&setup, json!({ "id": BADGE, "name": "Badge", "attributes": [attribute] })).await);
        let attribute = json!({ "name": "a", "type": "string", "uniqueness": "server" });
        let urn = "urn:example:scim:schemas:badge:1.0:Group";
        let of_groups = DirectorySchema {
            extends: SchemaOf::Group,
            required: false,
            schema: json!({ "id": urn, "name": "Badge", "attributes": [attribute] }),
        };
        let (actor, id) = (Actor::command_line(), setup.directory.id);
        refused(setup.engine.add_directory_schema(&actor, id, of_groups, setup.now()).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ways_to_prove_itself_are_told() {
    on_both(async |setup| {
        let profile = setup.provisioning.profile(&setup.grant().await);
        let config =
            vestibule_scim::discovery::service_provider_config(&profile, "https://a.test/d");
        let schemes = config["authenticationSchemes"].as_array().unwrap();
        let kinds: Vec<_> = schemes
            .iter()
            .map(|scheme| scheme["type"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["oauthbearertoken", "oauth2"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_roles_are_told_once_there_are_any() {
    on_both(async |setup| {
        let grant = setup.grant().await;
        assert!(!setup.provisioning.profile(&grant).roles);
        let actor = Actor::command_line();
        let place = (setup.directory.id, LookupKind::Role);
        for value in ["viewer", "admin"] {
            let change = LookupChange {
                display: Some(Some(value.to_uppercase())),
                ..LookupChange::default()
            };
            setup
                .engine
                .add_directory_lookup(&actor, place, value, change, setup.now())
                .await
                .unwrap();
        }
        let twice = setup
            .engine
            .add_directory_lookup(&actor, place, "admin", LookupChange::default(), setup.now())
            .await;
        assert!(matches!(twice, Err(AdminError::Conflict { .. })));
        let grant = setup.grant().await;
        let profile = setup.provisioning.profile(&grant);
        assert_eq!((profile.roles, profile.entitlements), (true, false));
        let told = setup
            .provisioning
            .lookups(&grant, vestibule_scim::LookupKind::Role)
            .await
            .unwrap();
        let told: Vec<_> = told
            .iter()
            .map(|lookup| (lookup.value.as_str(), lookup.display.as_deref()))
            .collect();
        assert_eq!(told, [("admin", Some("ADMIN")), ("viewer", Some("VIEWER"))]);
    })
    .await;
}
