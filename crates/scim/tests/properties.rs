//! What holds for every filter, path and patch.

#![expect(
    clippy::expect_used,
    clippy::needless_pass_by_value,
    reason = "helpers of tests fail loudly and read shortly"
)]

use std::{collections::BTreeSet, sync::Arc};

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use vestibule_scim::{
    AttributePath, Change, ChangeSet, Comparison, DateTime, Dialect, Filter, Member, MemberChange,
    Operand, Operator, Path, Registry, Repairs, Resource, ResourceSchema, ResourceType,
    evaluate::matches_element,
};

fn users() -> Arc<ResourceSchema> {
    Arc::clone(Registry::standard().of(ResourceType::User))
}

fn comparison(path: AttributePath, operator: Operator, value: Operand) -> Filter {
    let schema = users();
    let found = schema
        .at(&path)
        .expect("the generators use known attributes");
    Filter::Compare(Comparison::new(&found, operator, value))
}

const TEXT_OPERATORS: [Operator; 9] = [
    Operator::Equal,
    Operator::NotEqual,
    Operator::Contains,
    Operator::StartsWith,
    Operator::EndsWith,
    Operator::Greater,
    Operator::GreaterOrEqual,
    Operator::Less,
    Operator::LessOrEqual,
];

fn top() -> impl Strategy<Value = Filter> {
    let text = prop::sample::select(vec![
        "userName",
        "externalId",
        "id",
        "name.familyName",
        "emails.value",
        "department",
        "manager.value",
    ]);
    let path = |name: &str| users().find(name).expect("a known attribute").path;
    prop_oneof![
        (text, prop::sample::select(TEXT_OPERATORS.to_vec()), ".*").prop_map(
            move |(name, operator, value)| comparison(path(name), operator, Operand::Text(value))
        ),
        any::<bool>().prop_map(move |value| comparison(
            path("active"),
            Operator::Equal,
            Operand::Boolean(value)
        )),
        (0_i64..4_000_000_000_000_000).prop_map(move |micros| {
            let moment = DateTime::from_unix_micros(micros).expect("before the year 2100");
            comparison(
                path("meta.created"),
                Operator::Less,
                Operand::DateTime(moment),
            )
        }),
        prop::sample::select(vec!["title", "emails", "name", "name.givenName"])
            .prop_map(move |name| Filter::Present(path(name))),
        tree(element().boxed()).prop_map(|inner| Filter::Element(
            AttributePath::new(None, "emails", None),
            Box::new(inner)
        )),
    ]
}

fn element() -> impl Strategy<Value = Filter> {
    let sub = |name: &str| AttributePath::new(None, "emails", Some(name));
    prop_oneof![
        (
            prop::sample::select(vec!["type", "value", "display"]),
            prop::sample::select(TEXT_OPERATORS.to_vec()),
            ".*"
        )
            .prop_map(move |(name, operator, value)| comparison(
                sub(name),
                operator,
                Operand::Text(value)
            )),
        any::<bool>().prop_map(move |value| comparison(
            sub("primary"),
            Operator::NotEqual,
            Operand::Boolean(value)
        )),
        Just(Filter::Present(sub("value"))),
    ]
}

fn tree(leaf: BoxedStrategy<Filter>) -> impl Strategy<Value = Filter> {
    leaf.prop_recursive(3, 12, 3, |inner| {
        let many = prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            many.clone()
                .prop_map(|filters| Filter::and(filters).expect("at least two")),
            many.prop_map(|filters| Filter::or(filters).expect("at least two")),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
}

/// A resource as this crate writes it.
fn resource() -> impl Strategy<Value = Resource> {
    let email = (
        "[a-c]{1,2}",
        prop::sample::select(vec!["work", "home"]),
        any::<bool>(),
    )
        .prop_map(
            |(value, kind, primary)| json!({ "value": value, "type": kind, "primary": primary }),
        );
    (
        prop::option::of("[a-z]{0,3}"),
        prop::option::of(any::<bool>()),
        prop::collection::vec(email, 0..4),
    )
        .prop_map(|(title, active, emails)| {
            let mut repairs = Repairs::default();
            let body =
                json!({ "userName": "ann", "title": title, "active": active, "emails": emails });
            vestibule_scim::Draft::parse(body, &users(), Dialect::Lenient, &mut repairs)
                .expect("a good body")
                .resource
        })
}

fn operation() -> impl Strategy<Value = Value> {
    let op = prop::sample::select(vec!["add", "replace", "remove", "Replace"]);
    let path = prop::sample::select(vec![
        "title",
        "active",
        "name",
        "name.givenName",
        "emails",
        "emails[type eq \"work\"]",
        "emails[type eq \"home\"].value",
        "emails.type",
        "roles",
    ]);
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from),
        "[a-c]{1,2}".prop_map(|text| json!([{ "value": text, "type": "work", "primary": true }])),
        "[a-c]{1,2}".prop_map(|text| json!({ "givenName": text, "value": text })),
    ];
    (op, path, value)
        .prop_map(|(op, path, value)| json!({ "op": op, "path": path, "value": value }))
}

fn apply(current: &Resource, operations: Vec<Value>) -> Option<ChangeSet> {
    let body = json!({ "Operations": operations });
    let change = Change::patch(body, &users(), Dialect::Lenient, &mut Repairs::default()).ok()?;
    change.apply(current).ok()
}

/// An operation on the members of a group, and what it means for the set of their ids.
#[derive(Debug, Clone)]
enum Membership {
    Add(Vec<u8>),
    Remove(Vec<u8>, u8),
}

impl Membership {
    fn ids(&self) -> &[u8] {
        match self {
            Self::Add(ids) | Self::Remove(ids, _) => ids,
        }
    }

    /// As a client writes it: additions as a list or one object, removals by filters or as a list beside the path.
    fn operation(&self) -> Value {
        let listed = |ids: &[u8]| -> Value {
            ids.iter()
                .map(|id| json!({ "value": id.to_string() }))
                .collect()
        };
        match self {
            Self::Add(ids) => match ids.as_slice() {
                [id] => {
                    json!({ "op": "add", "path": "members", "value": { "value": id.to_string() } })
                }
                ids => json!({ "op": "Add", "path": "members", "value": listed(ids) }),
            },
            Self::Remove(ids, 0) => {
                json!({ "op": "remove", "path": "members", "value": listed(ids) })
            }
            Self::Remove(ids, how) => {
                let terms: Vec<String> =
                    ids.iter().map(|id| format!("value eq \"{id}\"")).collect();
                let joined = terms.join(" or ");
                // The second form is one that only an evaluator understands.
                let filter = if *how == 1 {
                    joined
                } else {
                    format!("not (not ({joined}))")
                };
                json!({ "op": "remove", "path": format!("members[{filter}]") })
            }
        }
    }
}

fn membership() -> impl Strategy<Value = Membership> {
    let ids = || prop::collection::vec(0_u8..8, 1..4);
    prop_oneof![
        ids().prop_map(Membership::Add),
        (ids(), 0_u8..3).prop_map(|(ids, how)| Membership::Remove(ids, how)),
    ]
}

/// The members after one PATCH, as a host that keeps rows applies its change set.
fn members_after(before: &BTreeSet<String>, operations: &[Membership]) -> BTreeSet<String> {
    let groups = Arc::clone(Registry::standard().of(ResourceType::Group));
    let body: Vec<Value> = operations.iter().map(Membership::operation).collect();
    let body = json!({ "Operations": body });
    let change = Change::patch(body, &groups, Dialect::Lenient, &mut Repairs::default());
    let group = Resource::from_stored(Map::from_iter([("displayName".to_owned(), json!("Staff"))]));
    let set = change
        .expect("good operations")
        .apply(&group)
        .expect("operations that always apply");
    assert!(
        set.touched.is_empty(),
        "members are no attribute of the resource"
    );
    let mut members = before.clone();
    for change in set.members {
        match change {
            MemberChange::Add(new) => members.extend(new.into_iter().map(|member| member.value)),
            MemberChange::Remove(ids) => members.retain(|id| !ids.contains(id)),
            MemberChange::RemoveWhere(filter) => members.retain(|id| {
                !matches_element(&filter, &Member::new(id.clone()).to_json("https://a.test"))
            }),
            MemberChange::ReplaceAll(new) => {
                members = new.into_iter().map(|member| member.value).collect();
            }
        }
    }
    members
}

proptest! {
    #[test]
    fn printed_filter_parses_to_the_same(filter in tree(top().boxed())) {
        let text = filter.to_string();
        let parsed = Filter::parse(&text, &users());
        prop_assert_eq!(parsed.ok(), Some(filter), "{}", text);
    }

    #[test]
    fn printed_path_parses_to_the_same(filter in tree(element().boxed()), sub in prop::option::of(prop::sample::select(vec!["value", "type"]))) {
        let path = Path::Elements {
            list: AttributePath::new(None, "emails", None),
            filter,
            sub: sub.map(str::to_owned),
        };
        let text = path.to_string();
        prop_assert_eq!(Path::parse(&text, &users()).ok(), Some(path), "{}", text);
    }

    #[test]
    fn no_text_makes_the_parsers_panic(text in ".{0,60}", words in prop::collection::vec(prop::sample::select(vec![
        "emails", "[", "]", ".value", "(", ")", "not", "and", "or", "eq", "pr", "\"x\"", "\"", "true", "null", "userName", "nothing", " ",
    ]), 0..20)) {
        let schema = users();
        for text in [text, words.join(" "), words.concat()] {
            let mut repairs = Repairs::default();
            let filter = Filter::parse_as(&text, &schema, Dialect::Lenient, &mut repairs);
            let path = Path::parse_as(&text, &schema, Dialect::Lenient, &mut repairs);
            if let Ok(filter) = filter {
                prop_assert_eq!(Filter::parse(&filter.to_string(), &schema).ok(), Some(filter));
            }
            if let Ok(path) = path {
                prop_assert_eq!(Path::parse(&path.to_string(), &schema).ok(), Some(path));
            }
        }
    }

    #[test]
    fn patch_leaves_canonical_resources(current in resource(), operations in prop::collection::vec(operation(), 0..6)) {
        let Some(set) = apply(&current, operations) else { return Ok(()) };
        // Reading the result again as a client's body changes nothing: names, types and primaries are in order.
        let mut body = Value::Object(set.resource.attributes().clone());
        body["schemas"] = set.resource.schemas(&users()).collect();
        let mut repairs = Repairs::default();
        let again = vestibule_scim::Draft::parse(body, &users(), Dialect::Strict, &mut repairs);
        prop_assert_eq!(again.map(|draft| draft.resource).map_err(|error| error.to_string()), Ok(set.resource.clone()));
        prop_assert_eq!(set.touched.is_empty(), set.resource == current);
    }

    #[test]
    fn replacing_with_what_is_there_is_no_change(current in resource()) {
        let operations = current.attributes().iter().map(|(name, value)| json!({ "op": "replace", "path": name, "value": value })).collect();
        let set = apply(&current, operations).expect("canonical values are good values");
        prop_assert!(set.is_noop());
        let whole = vec![json!({ "op": "add", "value": current.attributes() })];
        prop_assert!(apply(&current, whole).expect("canonical values are good values").is_noop());
    }

    #[test]
    fn last_replace_wins(current in resource(), first in "[a-z]{1,4}", last in "[a-z]{1,4}") {
        let replace = |value: &str| json!({ "op": "replace", "value": { "title": value, "emails": [{ "value": value }] } });
        let both = apply(&current, vec![replace(&first), replace(&last)]).expect("good operations");
        let one = apply(&current, vec![replace(&last)]).expect("good operations");
        prop_assert_eq!(&both.resource, &one.resource);
        let repeated = apply(&both.resource, vec![replace(&last)]).expect("good operations");
        prop_assert!(repeated.is_noop());
    }

    #[test]
    fn member_operations_commute(
        before in prop::collection::btree_set((0_u8..8).prop_map(|id| id.to_string()), 0..8),
        operations in prop::collection::vec(membership(), 1..6),
        keys in prop::collection::vec(any::<u32>(), 6),
        cut in 0_usize..6,
    ) {
        // What one operation after the other means.
        let mut expected = before.clone();
        for operation in &operations {
            let ids = operation.ids().iter().map(u8::to_string);
            match operation {
                Membership::Add(_) => expected.extend(ids),
                Membership::Remove(..) => ids.for_each(|id| { expected.remove(&id); }),
            }
        }
        prop_assert_eq!(members_after(&before, &operations), expected.clone());
        // In one request or in two, it is the same.
        let (first, second) = operations.split_at(cut.min(operations.len()));
        let between = if first.is_empty() { before.clone() } else { members_after(&before, first) };
        let after = if second.is_empty() { between } else { members_after(&between, second) };
        prop_assert_eq!(after, expected.clone());
        // In any order, as long as operations of different kinds are about different members.
        let conflicts = |left: &Membership, right: &Membership| {
            matches!(left, Membership::Add(_)) != matches!(right, Membership::Add(_))
                && left.ids().iter().any(|id| right.ids().contains(id))
        };
        let mut shuffled: Vec<(u32, &Membership)> = keys.iter().copied().zip(&operations).collect();
        shuffled.sort_by_key(|(key, _)| *key);
        let independent = operations.iter().enumerate().all(|(at, left)| operations[at + 1..].iter().all(|right| !conflicts(left, right)));
        if independent {
            let shuffled: Vec<Membership> = shuffled.into_iter().map(|(_, operation)| operation.clone()).collect();
            prop_assert_eq!(members_after(&before, &shuffled), expected);
        }
    }

    #[test]
    fn adding_twice_is_adding_once(current in resource(), value in "[a-c]{1,2}") {
        let add = vec![json!({ "op": "add", "path": "emails", "value": [{ "value": value, "type": "other" }] })];
        let once = apply(&current, add.clone()).expect("a good operation");
        prop_assert!(apply(&once.resource, add).expect("a good operation").is_noop());
    }
}

#[test]
fn resource_survives_storage() {
    let resource = Resource::from_stored(Map::from_iter([("userName".to_owned(), json!("ann"))]));
    let stored = serde_json::to_string(&resource).unwrap();
    assert_eq!(stored, r#"{"userName":"ann"}"#);
    assert_eq!(serde_json::from_str::<Resource>(&stored).unwrap(), resource);
}

/// Found by `patch_leaves_canonical_resources`.
#[test]
fn elements_without_value_stay_one_when_another_becomes_primary() {
    let emails = |emails: Value| {
        let name = ("userName".to_owned(), json!("ann"));
        Resource::from_stored(Map::from_iter([name, ("emails".to_owned(), emails)]))
    };
    let current = emails(json!([
        { "value": "a", "type": "home" },
        { "value": "b", "type": "home", "primary": true },
    ]));
    let work = json!({ "value": "c", "type": "work", "primary": true });
    let operations = vec![
        json!({ "op": "replace", "path": "emails[type eq \"home\"].value", "value": null }),
        json!({ "op": "add", "path": "emails", "value": [work] }),
    ];
    let set = apply(&current, operations).unwrap();
    let home = json!({ "type": "home", "primary": false });
    assert_eq!(set.resource, emails(json!([home, work])));
}
