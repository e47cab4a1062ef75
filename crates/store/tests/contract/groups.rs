//! Groups with members as rows, and the questions that directories ask.

use std::time::Duration;

use vestibule_core::{DirectoryId, GroupId, OrganizationId};
use vestibule_store::{
    Direction, Group, GroupCondition, GroupQuery, GroupRecord, ListOrder, MemberId, Reach, Slice,
    UserCondition, UserQuery, When,
};
use vestibule_support::{World, on_every_database};

on_every_database!(
    a_group_is_made_changed_and_deleted,
    members_are_rows_and_each_change_says_what_it_changed,
    a_deleted_group_leaves_the_groups_it_was_in,
    members_of_another_directory_cannot_be_held,
    groups_inside_groups_are_followed_and_come_to_an_end,
    users_are_found_by_each_condition,
    an_adopting_directory_reaches_unowned_users,
);

fn record(name: &str) -> GroupRecord {
    GroupRecord {
        display_name: name.to_owned(),
        external_id: Some(format!("ext-{name}")),
        attributes: serde_json::Map::new(),
    }
}

async fn group(
    world: &World,
    organization: OrganizationId,
    directory: DirectoryId,
    name: &str,
) -> Group {
    let mut tx = world.write().await;
    let made = tx.add_group(organization, directory, &record(name)).await;
    let made = made.unwrap();
    tx.commit().await.unwrap();
    world.clock.advance(Duration::from_millis(1));
    made
}

async fn count_events(world: &World, kind: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM events WHERE kind = '{kind}'");
    world.database.number(&sql).await
}

const FIRST_TEN: Slice = Slice {
    order: ListOrder::Name(Direction::Ascending),
    offset: 0,
    limit: 10,
};

async fn a_group_is_made_changed_and_deleted(world: World) {
    let organization = world.organization("acme").await;
    let directory = world.directory(&organization).await;
    let (org, dir) = (organization.id, directory.id);
    let other = world.directory(&organization).await;
    let made = group(&world, org, dir, "Engineering").await;
    let second = group(&world, org, dir, "Board").await;

    let mut tx = world.write().await;
    let refused = tx.add_group(org, dir, &record("ENGINEERING")).await;
    assert!(refused.unwrap_err().is_taken());
    drop(tx);
    group(&world, org, other.id, "Engineering").await;

    let mut tx = world.write().await;
    assert!(tx.find_group(other.id, made.id).await.unwrap().is_none());
    let locked = tx.lock_group(dir, made.id).await.unwrap().unwrap();
    let changed = ["displayName".to_owned()];
    let after = tx.set_group(&locked, &record("Builders"), &changed).await;
    let after = tx.touch_group(&after.unwrap()).await.unwrap();
    assert_eq!(after.version, 3);
    tx.commit().await.unwrap();

    let query = |conditions| GroupQuery {
        organization_id: org,
        directory_id: dir,
        conditions,
    };
    let mut tx = world.read().await;
    for (condition, wanted) in [
        (GroupCondition::Id(made.id), vec![made.id]),
        (
            GroupCondition::DisplayName("BUILDERS".to_owned()),
            vec![made.id],
        ),
        (
            GroupCondition::DisplayName("Engineering".to_owned()),
            vec![],
        ),
        (
            GroupCondition::ExternalId("ext-Board".to_owned()),
            vec![second.id],
        ),
        (
            GroupCondition::Updated(When::From(world.now())),
            vec![made.id],
        ),
        (
            GroupCondition::Updated(When::Before(world.now())),
            vec![second.id],
        ),
    ] {
        let query = query(vec![condition]);
        let found = tx.list_groups(&query, FIRST_TEN).await.unwrap();
        let found: Vec<GroupId> = found.iter().map(|group| group.id).collect();
        assert_eq!(found, wanted, "{:?}", query.conditions);
        let count = tx.count_groups(&query).await.unwrap();
        assert_eq!(count, wanted.len() as u64);
    }
    let all = query(Vec::new());
    let after = tx.list_groups_after(&all, Some(made.id), 10).await;
    assert_eq!(after.unwrap()[0].id, second.id);
    let by_id = tx.list_groups_by_id(&all, &[second.id, made.id]).await;
    assert_eq!(by_id.unwrap().len(), 2);
    drop(tx);

    let mut tx = world.write().await;
    let locked = tx.lock_group(dir, made.id).await.unwrap().unwrap();
    tx.delete_group(&locked, "directory:d").await.unwrap();
    assert!(tx.find_group(dir, made.id).await.unwrap().is_none());
    let again = tx.add_group(org, dir, &record("Builders")).await.unwrap();
    assert_ne!(again.id, made.id);
    tx.commit().await.unwrap();
    let kinds = ["group.created", "group.updated", "group.deleted"];
    let mut told = Vec::new();
    for kind in kinds {
        told.push(count_events(&world, kind).await);
    }
    assert_eq!(told, [4, 1, 1]);
}

async fn members_are_rows_and_each_change_says_what_it_changed(world: World) {
    let organization = world.organization("acme").await;
    let directory = world.directory(&organization).await;
    let group = group(&world, organization.id, directory.id, "All").await;
    let mut ids = Vec::new();
    for place in 0..4 {
        let name = format!("u{place}");
        let user = world.user(&organization, Some(directory.id), &name).await;
        ids.push(MemberId::User(user.id));
        world.clock.advance(Duration::from_millis(1));
    }
    let mut tx = world.write().await;
    let held = tx
        .hold_members(organization.id, directory.id, Reach::Owned, &ids)
        .await
        .unwrap();
    assert_eq!(held, ids);
    let added = tx.add_members(&group, &ids[..3]).await.unwrap();
    assert_eq!(added.len(), 3);
    let added = tx.add_members(&group, &ids).await.unwrap();
    assert_eq!(added, ids[3..], "who was in it already is not added again");
    assert!(tx.add_members(&group, &ids).await.unwrap().is_empty());
    assert_eq!(tx.remove_members(&group, &ids[..1]).await.unwrap(), 1);
    assert_eq!(tx.remove_members(&group, &ids[..1]).await.unwrap(), 0);
    let removed = tx.remove_members_except(&group, &ids[1..3]).await;
    assert_eq!(removed.unwrap(), 1);
    tx.commit().await.unwrap();
    assert_eq!(count_events(&world, "group.member_added").await, 2);
    assert_eq!(count_events(&world, "group.member_removed").await, 2);

    let mut tx = world.read().await;
    let counted = tx.count_members(&[group.id], 100).await.unwrap();
    assert_eq!(counted[&group.id], 2);
    let counted = tx.count_members(&[group.id], 1).await.unwrap();
    assert_eq!(counted[&group.id], 1, "counted no further");
    let listed = tx.list_members_of(&[group.id]).await.unwrap();
    let listed: Vec<MemberId> = listed.iter().map(|member| member.id).collect();
    assert_eq!(listed, ids[1..3]);
    let page = tx.list_members(group.id, Some(ids[1]), 10).await.unwrap();
    assert_eq!(page.len(), 1);
    assert_eq!(page[0].display.as_deref(), Some("u2"));
    let MemberId::User(user) = ids[1] else {
        panic!("it is a user");
    };
    assert_eq!(tx.list_group_names(user).await.unwrap(), ["All"]);
    drop(tx);

    // Who is deleted is in no group any more, and the group is another one for it.
    let mut tx = world.read().await;
    let before = tx.find_group(directory.id, group.id).await.unwrap();
    drop(tx);
    world.clock.advance(Duration::from_secs(1));
    let mut tx = world.write().await;
    let locked = tx.lock_user(organization.id, user).await.unwrap();
    tx.delete_user(&locked.unwrap(), "operator").await.unwrap();
    let counted = tx.count_members(&[group.id], 100).await.unwrap();
    assert_eq!(counted[&group.id], 1);
    let after = tx.find_group(directory.id, group.id).await.unwrap();
    tx.commit().await.unwrap();
    let (before, after) = (before.unwrap(), after.unwrap());
    assert_eq!(after.version, before.version + 1);
    assert!(after.updated_at > before.updated_at);
    assert_eq!(count_events(&world, "group.member_removed").await, 3);
}

async fn a_deleted_group_leaves_the_groups_it_was_in(world: World) {
    let organization = world.organization("acme").await;
    let directory = world.directory(&organization).await;
    let outer = group(&world, organization.id, directory.id, "Outer").await;
    let inner = group(&world, organization.id, directory.id, "Inner").await;
    let alone = group(&world, organization.id, directory.id, "Alone").await;
    let mut tx = world.write().await;
    let member = [MemberId::Group(inner.id)];
    tx.add_members(&outer, &member).await.unwrap();
    let around = tx.lock_groups_of(member[0]).await.unwrap();
    assert_eq!(around.len(), 1);
    assert_eq!(around[0].id, outer.id);
    let locked = tx.lock_group(directory.id, inner.id).await.unwrap();
    tx.delete_group(&locked.unwrap(), "operator").await.unwrap();
    let after = tx.find_group(directory.id, outer.id).await.unwrap();
    assert_eq!(after.unwrap().version, outer.version + 1);
    let after = tx.find_group(directory.id, alone.id).await.unwrap();
    assert_eq!(after.unwrap().version, alone.version);
    tx.commit().await.unwrap();
    assert_eq!(count_events(&world, "group.member_removed").await, 1);
}

async fn members_of_another_directory_cannot_be_held(world: World) {
    let organization = world.organization("acme").await;
    let elsewhere = world.organization("bolt").await;
    let ours = world.directory(&organization).await;
    let second = world.directory(&organization).await;
    let theirs = world.directory(&elsewhere).await;
    let own = world.user(&organization, Some(ours.id), "own").await.id;
    let unowned = world.user(&organization, None, "unowned").await.id;
    let of_second = world.user(&organization, Some(second.id), "second").await;
    let of_theirs = world.user(&elsewhere, Some(theirs.id), "theirs").await;
    let group_of_theirs = group(&world, elsewhere.id, theirs.id, "G").await;
    let ids = [
        MemberId::User(own),
        MemberId::User(unowned),
        MemberId::User(of_second.id),
        MemberId::User(of_theirs.id),
        MemberId::Group(group_of_theirs.id),
    ];
    for (reach, wanted) in [
        (Reach::Owned, vec![own]),
        (Reach::Adopting, vec![own, unowned]),
    ] {
        let mut tx = world.write().await;
        let mut held = tx
            .hold_members(organization.id, ours.id, reach, &ids)
            .await
            .unwrap();
        held.sort();
        let mut wanted: Vec<_> = wanted.into_iter().map(MemberId::User).collect();
        wanted.sort();
        assert_eq!(held, wanted, "{reach:?}");
    }
}

async fn groups_inside_groups_are_followed_and_come_to_an_end(world: World) {
    let organization = world.organization("acme").await;
    let directory = world.directory(&organization).await;
    let outer = group(&world, organization.id, directory.id, "Outer").await;
    let inner = group(&world, organization.id, directory.id, "Inner").await;
    let user = world.user(&organization, Some(directory.id), "ada").await;
    let mut tx = world.write().await;
    tx.add_members(&outer, &[MemberId::Group(inner.id)])
        .await
        .unwrap();
    // Each inside the other: a walk that remembers nothing would never end.
    tx.add_members(
        &inner,
        &[MemberId::Group(outer.id), MemberId::User(user.id)],
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let mut tx = world.read().await;
    let groups = tx.list_groups_of_users(&[user.id]).await.unwrap();
    let groups: Vec<(&str, bool)> = groups
        .iter()
        .map(|group| (group.display_name.as_str(), group.direct))
        .collect();
    assert_eq!(groups, [("Inner", true), ("Outer", false)]);
    let query = UserQuery {
        organization_id: organization.id,
        directory_id: directory.id,
        reach: Reach::Owned,
        conditions: vec![UserCondition::Group(outer.id)],
    };
    assert_eq!(tx.count_directory_users(&query).await.unwrap(), 1);
    let inside = |condition| GroupQuery {
        organization_id: organization.id,
        directory_id: directory.id,
        conditions: vec![condition],
    };
    for (condition, wanted) in [
        (GroupCondition::User(user.id), 1),
        (GroupCondition::Group(inner.id), 1),
    ] {
        let count = tx.count_groups(&inside(condition)).await.unwrap();
        assert_eq!(count, wanted);
    }
}

async fn users_are_found_by_each_condition(world: World) {
    let organization = world.organization("acme").await;
    let directory = world.directory(&organization).await;
    let mut users = Vec::new();
    for name in ["ada@acme.test", "Adam@acme.test", "bob@acme.test"] {
        users.push(world.user(&organization, Some(directory.id), name).await);
        world.clock.advance(Duration::from_secs(1));
    }
    world.user(&organization, None, "ada@acme.test").await;
    let changed = world.now();
    world.set_active(&users[2], false).await;
    let query = |conditions| UserQuery {
        organization_id: organization.id,
        directory_id: directory.id,
        reach: Reach::Owned,
        conditions,
    };
    let mut tx = world.read().await;
    for (condition, wanted) in [
        (UserCondition::Id(users[1].id), vec![1]),
        (
            UserCondition::UserName("ADAM@acme.test".to_owned()),
            vec![1],
        ),
        (UserCondition::UserNamePrefix("ADA".to_owned()), vec![0, 1]),
        (UserCondition::UserNamePrefix("ada@".to_owned()), vec![0]),
        (
            UserCondition::ExternalId("ext-ada@acme.test".to_owned()),
            vec![0],
        ),
        (
            UserCondition::ExternalId("EXT-ada@acme.test".to_owned()),
            vec![],
        ),
        (UserCondition::Email("BOB@acme.test".to_owned()), vec![2]),
        (UserCondition::Active(false), vec![2]),
        (UserCondition::Active(true), vec![0, 1]),
        (UserCondition::Updated(When::From(changed)), vec![2]),
        (
            UserCondition::Updated(When::Until(users[0].updated_at)),
            vec![0],
        ),
        (
            UserCondition::DisplayName("adam@ACME.test".to_owned()),
            vec![1],
        ),
    ] {
        let query = query(vec![condition]);
        let found = tx.list_directory_users(&query, FIRST_TEN).await.unwrap();
        let found: Vec<_> = found.iter().map(|user| user.id).collect();
        let wanted: Vec<_> = wanted
            .iter()
            .map(|&place: &usize| users[place].id)
            .collect();
        assert_eq!(found, wanted, "{:?}", query.conditions);
        let count = tx.count_directory_users(&query).await.unwrap();
        assert_eq!(count, wanted.len() as u64);
    }
    let all = query(Vec::new());
    let by_name = ListOrder::Name(Direction::Descending);
    let slice = Slice {
        order: by_name,
        offset: 1,
        limit: 1,
    };
    let listed = tx.list_directory_users(&all, slice).await.unwrap();
    assert_eq!(listed[0].id, users[1].id);
    let after = Some(users[1].id);
    let listed = tx.list_directory_users_after(&all, after, 10).await;
    assert_eq!(listed.unwrap()[0].id, users[2].id);
    let ids = [users[2].id, users[0].id];
    let listed = tx.list_directory_users_by_id(&all, &ids).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0].id, users[0].id);
}

async fn an_adopting_directory_reaches_unowned_users(world: World) {
    let organization = world.organization("acme").await;
    let directory = world.directory(&organization).await;
    let own = world.user(&organization, Some(directory.id), "same").await;
    world.user(&organization, None, "SAME").await;
    let unowned = world.user(&organization, None, "free").await;
    let query = UserQuery {
        organization_id: organization.id,
        directory_id: directory.id,
        reach: Reach::Adopting,
        conditions: Vec::new(),
    };
    let mut tx = world.read().await;
    let found = tx.list_directory_users(&query, FIRST_TEN).await.unwrap();
    let found: Vec<_> = found.iter().map(|user| user.id).collect();
    assert_eq!(found, [unowned.id, own.id], "its own hides the unowned one");
}
