//! The store's answer and the evaluator's are the same.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use vestibule_core::Generator;
use vestibule_scim::{
    Directory as _, Filter, Order, Query, ResourceType, Sort, Stored, Wanted, evaluate::matches,
};

use crate::setup::{GROUP, Setup, USER, on_both};

/// A repeatable source of choices.
struct Dice(Generator);

impl Dice {
    fn below(&self, limit: usize) -> usize {
        let bytes: [u8; 8] = self.0.bytes();
        usize::try_from(u64::from_le_bytes(bytes) % u64::try_from(limit).unwrap()).unwrap()
    }

    fn pick<'a, T>(&self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    fn one_in(&self, chances: usize) -> bool {
        self.below(chances) == 0
    }
}

const NAMES: [&str; 12] = [
    "ann", "Anna", "bob", "BOBBY", "é", "Éva", "a_%b", "zoe", "ﬁona", "ΑΣΑ", "Straße", "Ｗide",
];
const TITLES: [&str; 4] = ["Boss", "boss", "it's", "a\"b"];

fn user_body(dice: &Dice, number: usize) -> Value {
    let name = dice.pick(&NAMES);
    let mut body = json!({ "userName": format!("{name}{number}") });
    let mut put = |name: &str, value: Value| {
        body[name] = value;
    };
    if !dice.one_in(3) {
        put("displayName", json!(dice.pick(&NAMES)));
    }
    if !dice.one_in(3) {
        put("externalId", json!(dice.pick(&["x1", "X1", "x2"])));
    }
    if dice.one_in(3) {
        put("title", json!(dice.pick(&TITLES)));
    }
    if !dice.one_in(4) {
        put("active", json!(dice.one_in(2)));
    }
    let mut emails: Vec<Value> = Vec::new();
    for kind in ["work", "home"] {
        if dice.one_in(2) {
            let address = format!("{}@A.test", dice.pick(&NAMES[..4]));
            emails.push(json!({ "value": address, "type": kind }));
        }
    }
    put("emails", Value::Array(emails));
    body
}

fn text<T: AsRef<str> + ?Sized>(value: &T) -> String {
    Value::from(value.as_ref()).to_string()
}

/// A random filter over users.
fn user_filter(dice: &Dice, depth: usize, seen: &[Stored], groups: &[String]) -> String {
    if depth > 0 && dice.one_in(2) {
        let left = user_filter(dice, depth - 1, seen, groups);
        let right = user_filter(dice, depth - 1, seen, groups);
        return match dice.below(6) {
            0 => format!("not ({left})"),
            1 => format!("({left}) or ({right})"),
            _ => format!("({left}) and ({right})"),
        };
    }
    let someone = dice.pick(seen);
    let name = text(dice.pick(&NAMES));
    let address = text(&format!("{}@a.TEST", dice.pick(&NAMES[..4])).to_lowercase());
    match dice.below(18) {
        0 => format!("id eq {}", text(&someone.id)),
        1 => format!(
            "userName eq {}",
            text(&someone.resource.user_name().unwrap().to_uppercase())
        ),
        2 => format!("userName sw {name}"),
        3 => format!(
            "userName sw {}",
            text(NAMES[dice.below(4)].get(..1).unwrap())
        ),
        4 => format!("externalId eq {}", text(dice.pick(&["x1", "X1", "x3"]))),
        5 => format!("emails.value eq {address}"),
        6 => format!("emails[value eq {address}]"),
        7 => format!("emails[type eq \"work\" and value eq {address}]"),
        8 => format!("displayName eq {name}"),
        9 => format!("active eq {}", dice.one_in(2)),
        10 => format!("active ne {}", dice.one_in(2)),
        11 => {
            let operator = dice.pick(&["gt", "ge", "lt", "le", "eq", "ne"]);
            format!("meta.lastModified {operator} \"{}\"", someone.last_modified)
        }
        12 => format!("userName co {name}"),
        13 => format!("title eq {}", text(dice.pick(&TITLES))),
        14 => (*dice.pick(&["title pr", "emails pr", "externalId pr", "groups pr"])).to_owned(),
        15 => format!("groups.value eq {}", text(dice.pick(groups))),
        16 => format!(
            "groups[value eq {} and type eq \"direct\"]",
            text(dice.pick(groups))
        ),
        _ => format!("emails.type eq \"home\" and emails.value ew {name}"),
    }
}

fn group_filter(dice: &Dice, depth: usize, seen: &[Stored], users: &[Stored]) -> String {
    if depth > 0 && dice.one_in(2) {
        let left = group_filter(dice, depth - 1, seen, users);
        let right = group_filter(dice, depth - 1, seen, users);
        return match dice.below(5) {
            0 => format!("not ({left})"),
            1 => format!("({left}) or ({right})"),
            _ => format!("({left}) and ({right})"),
        };
    }
    let (group, user) = (dice.pick(seen), dice.pick(users));
    match dice.below(8) {
        0 => format!("id eq {}", text(&group.id)),
        1 => format!(
            "displayName eq {}",
            text(&group.resource.display_name().unwrap().to_lowercase())
        ),
        2 => format!("externalId eq {}", text(dice.pick(&["x1", "X1"]))),
        3 => format!("members eq {}", text(&user.id)),
        4 => format!("members[value eq {} and type eq \"User\"]", text(&user.id)),
        5 => format!("members.value eq {}", text(&group.id)),
        6 => "members.type eq \"Group\"".to_owned(),
        _ => format!("meta.lastModified ge \"{}\"", group.last_modified),
    }
}

async fn everything(setup: &Setup, kind: ResourceType) -> Vec<Stored> {
    let mut query = Query::new(1000);
    query.wanted = Wanted::EVERYTHING;
    let grant = setup.grant().await;
    let page = setup.provisioning.list(&grant, kind, &query).await.unwrap();
    assert_eq!(page.total, Some(page.resources.len() as u64));
    page.resources
}

async fn check_agreement(setup: &Setup, kind: ResourceType, all: &[Stored], filter: &Filter) {
    let grant = setup.grant().await;
    let profile = setup.provisioning.profile(&grant);
    let schema = profile.registry.of(kind);
    let base = format!(
        "http://127.0.0.1:8080/scim/v2/{}",
        setup.directory.id.suffix()
    );
    let expected: Vec<&str> = all
        .iter()
        .filter(|stored| matches(filter, &stored.document(schema, &base)))
        .map(|stored| stored.id.as_str())
        .collect();
    let mut found = Vec::new();
    let mut query = Query::new(7);
    query.filter = Some(filter.clone());
    loop {
        query.start_index = found.len() as u64 + 1;
        let page = setup.provisioning.list(&grant, kind, &query).await.unwrap();
        assert_eq!(page.total, Some(expected.len() as u64), "{filter}");
        if page.resources.is_empty() {
            break;
        }
        found.extend(page.resources.into_iter().map(|stored| stored.id));
    }
    assert_eq!(found, expected, "{filter}");
}

#[tokio::test(flavor = "multi_thread")]
async fn index_and_evaluator_agree_on_random_filters() {
    on_both(async |setup| {
        let dice = Dice(Generator::seeded_for_tests(11));
        let grant = setup.grant().await;
        for number in 0..60 {
            setup.create(&grant, USER, user_body(&dice, number)).await;
        }
        let users = everything(&setup, USER).await;
        let mut groups: Vec<String> = Vec::new();
        for number in 0..12 {
            let mut members: Vec<Value> = Vec::new();
            for _ in 0..dice.below(8) {
                members.push(json!({ "value": dice.pick(&users).id }));
            }
            if !groups.is_empty() && dice.one_in(2) {
                members.push(json!({ "value": dice.pick(&groups) }));
            }
            let mut body = json!({ "displayName": format!("Group {number}"), "members": members });
            if dice.one_in(2) {
                body["externalId"] = json!(dice.pick(&["x1", "X1"]));
            }
            groups.push(setup.create(&grant, GROUP, body).await.id);
        }
        let users = everything(&setup, USER).await;
        let filled = everything(&setup, GROUP).await;
        for _ in 0..250 {
            let text = user_filter(&dice, 2, &users, &groups);
            check_agreement(&setup, USER, &users, &setup.filter(&grant, USER, &text)).await;
        }
        for _ in 0..100 {
            let text = group_filter(&dice, 2, &filled, &users);
            check_agreement(&setup, GROUP, &filled, &setup.filter(&grant, GROUP, &text)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_cover_everything_once_in_every_order() {
    on_both(async |setup| {
        let dice = Dice(Generator::seeded_for_tests(12));
        let grant = setup.grant().await;
        for number in 0..23 {
            setup.create(&grant, USER, user_body(&dice, number)).await;
        }
        let profile = setup.provisioning.profile(&grant);
        let schema = profile.registry.of(USER);
        let all: BTreeSet<String> = everything(&setup, USER)
            .await
            .into_iter()
            .map(|stored| stored.id)
            .collect();
        for by in [
            "",
            "id",
            "userName",
            "meta.lastModified",
            "meta.created",
            "displayName",
            "title",
            "emails",
        ] {
            for order in [Order::Ascending, Order::Descending] {
                let mut query = Query::new(5);
                query.sort = (!by.is_empty()).then(|| Sort::parse(by, order, schema).unwrap());
                let mut found: Vec<Stored> = Vec::new();
                while found.len() < 23 {
                    query.start_index = found.len() as u64 + 1;
                    let page = setup.provisioning.list(&grant, USER, &query).await.unwrap();
                    assert_eq!(page.total, Some(23));
                    assert!(!page.resources.is_empty(), "{by}");
                    found.extend(page.resources);
                }
                let ids: BTreeSet<String> = found.iter().map(|stored| stored.id.clone()).collect();
                assert_eq!((ids, found.len()), (all.clone(), 23), "{by}");
                if let Some(sort) = &query.sort {
                    let documents: Vec<_> = found
                        .iter()
                        .map(|stored| stored.document(schema, ""))
                        .collect();
                    assert!(
                        documents.is_sorted_by(|left, right| {
                            vestibule_scim::evaluate::compare_documents(sort, left, right).is_le()
                        }),
                        "{by}"
                    );
                }
            }
        }
        let mut query = Query::new(0);
        let none = setup.provisioning.list(&grant, USER, &query).await.unwrap();
        assert_eq!((none.total, none.resources.len()), (Some(23), 0));
        query.count = 5;
        query.start_index = 24;
        let behind = setup.provisioning.list(&grant, USER, &query).await.unwrap();
        assert_eq!((behind.total, behind.resources.len()), (Some(23), 0));
    })
    .await;
}
