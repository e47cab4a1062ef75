use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};
use vestibule_core::DirectoryMode;
use vestibule_scim::{Directory as _, ErrorKind, Load, MemberChange, Rule, Stored, Wanted};

use crate::setup::{GROUP, Setup, USER, on_both};

fn ids(group: &Stored) -> BTreeSet<String> {
    let members = group.members.as_ref().expect("members were wanted");
    members.iter().map(|member| member.value.clone()).collect()
}

fn add(ids: &[&str]) -> Value {
    let members: Vec<Value> = ids.iter().map(|id| json!({ "value": id })).collect();
    json!([{ "op": "add", "path": "members", "value": members }])
}

async fn users(setup: &Setup, count: usize) -> Vec<String> {
    let grant = setup.grant().await;
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(setup.user(&grant, &format!("user{number}")).await.id);
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_writers_lose_no_member() {
    on_both(async |setup| {
        let setup = Arc::new(setup);
        let grant = setup.grant().await;
        let users = users(&setup, 64).await;
        let group = setup
            .create(&grant, GROUP, json!({ "displayName": "Staff" }))
            .await;
        let mut tasks = tokio::task::JoinSet::new();
        for part in users.chunks(4) {
            let (setup, grant) = (Arc::clone(&setup), grant.clone());
            let (id, part) = (group.id.clone(), part.to_vec());
            tasks.spawn(async move {
                for user in part {
                    let updated = setup
                        .patch(&grant, GROUP, &id, add(&[&user]))
                        .await
                        .unwrap();
                    assert!(updated.changed);
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        let after = setup.find(&grant, GROUP, &group.id).await.unwrap();
        assert_eq!(ids(&after), users.iter().cloned().collect());
        assert_eq!(after.version, "65");
        let told: BTreeSet<String> = setup
            .events("group.member_added")
            .await
            .iter()
            .flat_map(|event| event["member_ids"].as_array().unwrap().clone())
            .map(|id| id.as_str().unwrap().to_owned())
            .collect();
        assert_eq!(told, users.into_iter().collect());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_come_and_go_as_told_and_events_name_only_those_who_did() {
    on_both(async |setup| {
        let grant = setup.grant().await;
        let users = users(&setup, 5).await;
        let [ann, bob, cat, dan, eve] = users.first_chunk().unwrap().each_ref().map(String::as_str);
        let body = json!({ "displayName": "Staff", "members": [{ "value": ann }, { "value": bob }] });
        let group = setup.create(&grant, GROUP, body).await;
        let check = async |operations: Value, expected: &[&str]| {
            let updated = setup.patch(&grant, GROUP, &group.id, operations).await.unwrap();
            let expected: BTreeSet<String> = expected.iter().map(|&id| id.to_owned()).collect();
            assert_eq!(ids(&updated.stored), expected);
            updated
        };
        let same = check(add(&[ann, bob, bob]), &[ann, bob]).await;
        assert!(!same.changed);
        assert_eq!(same.stored, group);
        assert!(check(add(&[bob, cat, dan]), &[ann, bob, cat, dan]).await.changed);
        let filter = format!("members[value eq \"{ann}\"]");
        check(json!([{ "op": "remove", "path": filter }]), &[bob, cat, dan]).await;
        let filter = format!("members[value eq \"{bob}\" and type eq \"User\"]");
        check(json!([{ "op": "remove", "path": filter }]), &[cat, dan]).await;
        let listed = json!([{ "op": "Remove", "path": "members", "value": [{ "value": cat }] }]);
        check(listed.clone(), &[dan]).await;
        assert!(!check(listed, &[dan]).await.changed);
        let all = json!([{ "op": "replace", "path": "members", "value": [{ "value": dan }, { "value": eve }] }]);
        check(all, &[dan, eve]).await;
        check(json!([{ "op": "remove", "path": "members" }]), &[]).await;
        let removed: Vec<Value> = setup
            .events("group.member_removed")
            .await
            .iter()
            .map(|event| event["member_ids"].clone())
            .collect();
        let mut last = [dan, eve];
        last.sort_unstable();
        assert_eq!(removed[..3], [json!([ann]), json!([bob]), json!([cat])]);
        let mut told: Vec<&str> =
            removed[3].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        told.sort_unstable();
        assert_eq!(told, last);
    })
    .await;
}

/// Changes of one group at once, each by a writer of its own, in an order that nobody knows.
async fn at_once(setup: &Arc<Setup>, group: &str, changes: Vec<Value>) {
    let grant = setup.grant().await;
    let mut tasks = tokio::task::JoinSet::new();
    for change in changes {
        let (setup, grant, group) = (Arc::clone(setup), grant.clone(), group.to_owned());
        tasks.spawn(async move {
            setup.patch(&grant, GROUP, &group, change).await.unwrap();
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_changes_of_members_commute() {
    on_both(async |setup| {
        let setup = Arc::new(setup);
        let grant = setup.grant().await;
        let users = users(&setup, 30).await;
        let group = setup.create(&grant, GROUP, json!({ "displayName": "Staff" })).await.id;
        let some = |from: usize, many: usize| -> Vec<&str> {
            (from..from + many).map(|at| users[at % users.len()].as_str()).collect()
        };
        let remove = |ids: &[&str]| -> Value {
            let one = |id: &&str| json!({ "op": "remove", "path": format!("members[value eq \"{id}\"]") });
            ids.iter().map(one).collect()
        };
        let are = async |expected: &BTreeSet<&str>, what: &str| {
            let after = setup.find(&grant, GROUP, &group).await.unwrap();
            assert_eq!(ids(&after), expected.iter().map(|&id| id.to_owned()).collect(), "{what}");
        };
        // Additions that overlap, then removals that do, then both of different people.
        at_once(&setup, &group, (0..12).map(|writer| add(&some(writer * 2, 5))).collect()).await;
        let mut expected: BTreeSet<&str> = some(0, 27).into_iter().collect();
        are(&expected, "additions").await;
        at_once(&setup, &group, (0..6).map(|writer| remove(&some(writer, 4))).collect()).await;
        expected.retain(|id| !some(0, 9).contains(id));
        are(&expected, "removals").await;
        let mut both: Vec<Value> = (0..3).map(|writer| add(&some(writer * 3, 3))).collect();
        both.extend((4..8).map(|writer| remove(&some(writer * 3, 3))));
        at_once(&setup, &group, both).await;
        expected.extend(some(0, 9));
        expected.retain(|id| !some(12, 12).contains(id));
        are(&expected, "both").await;
        // Each one's coming and going was told as often as it happened.
        let mut balance: std::collections::BTreeMap<String, i32> = std::collections::BTreeMap::new();
        for (kind, step) in [("group.member_added", 1), ("group.member_removed", -1)] {
            for event in setup.events(kind).await {
                for id in event["member_ids"].as_array().unwrap() {
                    *balance.entry(id.as_str().unwrap().to_owned()).or_default() += step;
                }
            }
        }
        for user in &users {
            let told = balance.get(user).copied().unwrap_or_default();
            assert_eq!(told, i32::from(expected.contains(user.as_str())), "{user}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_replacement_tells_a_thousand_ids_an_event() {
    on_both(async |setup| {
        let grant = setup.grant().await;
        let mut tx = setup.store.write(setup.now()).await.unwrap();
        let mut users = Vec::new();
        for number in 0..2_100 {
            let record = vestibule_store::UserRecord {
                user_name: format!("user{number}"),
                external_id: None,
                display_name: None,
                email: None,
                emails: Vec::new(),
                active: true,
                attributes: serde_json::Map::new(),
                indexed: None,
            };
            let user = tx
                .add_user(setup.organization_id, Some(setup.directory.id), &record)
                .await
                .unwrap();
            users.push(user.id.to_string());
        }
        tx.commit().await.unwrap();
        let members: Vec<Value> = users.iter().map(|id| json!({ "value": id })).collect();
        let body = json!({ "displayName": "Staff", "members": members });
        let group = setup.create(&grant, GROUP, body).await;
        assert_eq!(ids(&group), users.iter().cloned().collect());
        assert_eq!(setup.events("group.member_added").await.len(), 3);
        let mut limited = Wanted::NOTHING;
        limited.members = Load::AtMost(100);
        let small = setup
            .provisioning
            .find(&grant, GROUP, &group.id, limited)
            .await
            .unwrap();
        assert_eq!(small.unwrap().members, None);
        let body = json!({ "displayName": "Staff", "members": [{ "value": users[7] }] });
        let put = setup.put(&grant, GROUP, &group.id, body).await.unwrap();
        assert_eq!(ids(&put.stored), BTreeSet::from([users[7].clone()]));
        let removed = setup.events("group.member_removed").await;
        let told: usize = removed
            .iter()
            .map(|event| event["member_ids"].as_array().unwrap().len())
            .sum();
        assert_eq!(told, 2_099);
        assert!(
            removed
                .iter()
                .all(|event| event["member_ids"].as_array().unwrap().len() <= 1_000)
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_who_are_deleted_while_they_join_leave_no_trace_in_the_group() {
    on_both(async |setup| {
        let setup = Arc::new(setup);
        let grant = setup.grant().await;
        let users = users(&setup, 24).await;
        let group = setup
            .create(&grant, GROUP, json!({ "displayName": "Staff" }))
            .await;
        let mut tasks = tokio::task::JoinSet::new();
        for user in users.clone() {
            let joining = (Arc::clone(&setup), grant.clone(), group.id.clone());
            let leaving = (Arc::clone(&setup), grant.clone());
            let joiner = user.clone();
            tasks.spawn(async move {
                let (setup, grant, group) = joining;
                // Refused where the deletion came first; what counts is what is left.
                if let Err(error) = setup.patch(&grant, GROUP, &group, add(&[&joiner])).await {
                    assert_eq!(error.kind(), ErrorKind::InvalidValue);
                }
            });
            tasks.spawn(async move {
                let (setup, grant) = leaving;
                setup.delete(&grant, USER, &user).await.unwrap();
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        let after = setup.find(&grant, GROUP, &group.id).await.unwrap();
        assert_eq!(after.members, Some(Vec::new()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_member_is_left_out_and_noted_and_refused_by_a_strict_directory() {
    on_both(async |mut setup| {
        let users = users(&setup, 2).await;
        let grant = setup.grant().await;
        let group = setup.create(&grant, GROUP, json!({ "displayName": "Staff" })).await;
        setup.delete(&grant, USER, &users[1]).await.unwrap();
        let unknown = [users[1].clone(), "string id 1".to_owned(), group.id.replace("grp", "usr")];
        let push = |unknown: &str| {
            json!([
                { "op": "replace", "path": "externalId", "value": unknown },
                { "op": "add", "path": "members", "value": [{ "value": users[0] }, { "value": unknown }] },
            ])
        };
        setup.set_directory(|directory| directory.mode = DirectoryMode::Strict).await;
        let strict = setup.grant().await;
        for unknown in &unknown {
            let refused = setup.patch(&strict, GROUP, &group.id, push(unknown)).await;
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidValue);
        }
        assert_eq!(setup.find(&strict, GROUP, &group.id).await, Some(group.clone()));
        setup.set_directory(|directory| directory.mode = DirectoryMode::Lenient).await;
        let lenient = setup.grant().await;
        for unknown in &unknown {
            let updated = setup.patch(&lenient, GROUP, &group.id, push(unknown)).await.unwrap();
            let noted: Vec<Rule> = updated.repairs.as_slice().iter().map(|repair| repair.rule).collect();
            assert_eq!(noted, [Rule::UnknownMember]);
        }
        let after = setup.find(&lenient, GROUP, &group.id).await.unwrap();
        let members: Vec<String> = after.members.unwrap().into_iter().map(|member| member.value).collect();
        assert_eq!(members, [users[0].clone()]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_of_a_user_follow_groups_inside_groups_even_in_a_circle() {
    on_both(async |setup| {
        let grant = setup.grant().await;
        let bob = setup.user(&grant, "bob").await.id;
        let make = async |name: &str, member: &str| {
            let body = json!({ "displayName": name, "members": [{ "value": member }] });
            setup.create(&grant, GROUP, body).await.id
        };
        let inner = make("Inner", &bob).await;
        let outer = make("Outer", &inner).await;
        setup
            .patch(&grant, GROUP, &inner, add(&[&outer]))
            .await
            .unwrap();
        let user = setup.find(&grant, USER, &bob).await.unwrap();
        let groups: Vec<(String, bool)> = user
            .groups
            .unwrap()
            .into_iter()
            .map(|group| (group.display.unwrap(), group.direct))
            .collect();
        assert_eq!(
            groups,
            [("Inner".to_owned(), true), ("Outer".to_owned(), false)]
        );
        for group in [&inner, &outer] {
            let page = setup
                .search(&grant, USER, &format!("groups.value eq \"{group}\""))
                .await;
            assert_eq!(page.total, Some(1));
        }
        setup.delete(&grant, GROUP, &inner).await.unwrap();
        let user = setup.find(&grant, USER, &bob).await.unwrap();
        assert_eq!(user.groups, Some(Vec::new()));
        let outer = setup.find(&grant, GROUP, &outer).await.unwrap();
        assert_eq!(outer.members, Some(Vec::new()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn group_names_are_unique_until_deleted_and_a_deleted_member_leaves() {
    on_both(async |setup| {
        let grant = setup.grant().await;
        let bob = setup.user(&grant, "bob").await.id;
        let body = json!({ "displayName": "Staff", "members": [{ "value": bob }] });
        let group = setup.create(&grant, GROUP, body.clone()).await;
        let taken = setup
            .try_create(&grant, GROUP, json!({ "displayName": "STAFF" }))
            .await;
        assert_eq!(taken.unwrap_err().kind(), ErrorKind::Uniqueness);
        setup.delete(&grant, USER, &bob).await.unwrap();
        let after = setup.find(&grant, GROUP, &group.id).await.unwrap();
        assert_eq!(after.members, Some(Vec::new()));
        setup.delete(&grant, GROUP, &group.id).await.unwrap();
        assert!(setup.find(&grant, GROUP, &group.id).await.is_none());
        assert_eq!(setup.events("group.deleted").await.len(), 1);
        let again = setup
            .create(&grant, GROUP, json!({ "displayName": "Staff" }))
            .await;
        assert_ne!(again.id, group.id);
    })
    .await;
}

#[test]
fn removal_by_filter_is_what_the_parser_makes_of_brackets() {
    // The fast path for one id rests on this form.
    let registry = vestibule_scim::Registry::standard();
    let schema = registry.of(GROUP);
    let change = vestibule_scim::Change::patch(
        json!({ "Operations": [{ "op": "remove", "path": "members[value eq \"x\"]" }] }),
        schema,
        vestibule_scim::Dialect::Lenient,
        &mut vestibule_scim::Repairs::default(),
    )
    .unwrap();
    let current = vestibule_scim::Resource::from_stored(
        json!({ "displayName": "Staff" })
            .as_object()
            .unwrap()
            .clone(),
    );
    let set = change.apply(&current).unwrap();
    assert!(
        matches!(
            set.members.as_slice(),
            [MemberChange::RemoveWhere(vestibule_scim::Filter::Compare(comparison))]
                if comparison.path.to_string() == "members.value"
        ) || matches!(set.members.as_slice(), [MemberChange::Remove(ids)] if ids == &["x"]),
        "{:?}",
        set.members
    );
}
