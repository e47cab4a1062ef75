use vestibule_core::Generator;

use super::*;
use crate::{Store, statement::Statement};

#[test]
fn prefixes_end_where_the_next_text_begins() {
    for (prefix, end) in [
        ("ab", Some("ac")),
        ("a\u{d7ff}", Some("a\u{e000}")),
        ("a\u{10ffff}", Some("b")),
        ("\u{10ffff}", None),
        ("", None),
    ] {
        assert_eq!(after_prefix(prefix).as_deref(), end, "{prefix:?}");
    }
}

/// The steps of SQLite's plan for a statement.
async fn plan(store: &Store, statement: Statement) -> Vec<String> {
    let now = Timestamp::from_unix_seconds(1_790_000_000);
    let mut tx = store.read(now).await.unwrap();
    let steps: Vec<(i64, i64, i64, String)> = tx.fetch(statement.explained()).await.unwrap();
    steps.into_iter().map(|(_, _, _, step)| step).collect()
}

#[tokio::test]
async fn every_condition_is_answered_from_its_index_in_every_order() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("plan.db").display());
    let generator = Generator::system();
    let store = Store::open(&url, generator.clone()).await.unwrap();
    store.migrate().await.unwrap();
    let now = Timestamp::from_unix_seconds(1_790_000_000);
    let text = || "x".to_owned();
    for (condition, index) in [
        (UserCondition::Id(generator.id(now)), "id=?"),
        (UserCondition::UserName(text()), "users_organization_name"),
        (
            UserCondition::UserNamePrefix(text()),
            "users_directory_name",
        ),
        (UserCondition::ExternalId(text()), "users_external_id"),
        (UserCondition::Email(text()), "user_emails_value"),
        (UserCondition::DisplayName(text()), "users_display_name"),
        (UserCondition::Active(false), "users_inactive"),
        (
            UserCondition::Updated(When::After(now)),
            "users_updated (directory_id=? AND updated_at>?)",
        ),
        (UserCondition::Group(generator.id(now)), "(group_id=?)"),
        (
            UserCondition::Indexed("title".to_owned(), text()),
            "autoindex_user_index_1 (directory_id=? AND attribute=? AND value_key=?)",
        ),
        (
            UserCondition::Any(vec![
                vec![UserCondition::UserName(text())],
                vec![
                    UserCondition::ExternalId(text()),
                    UserCondition::Active(true),
                ],
            ]),
            "users_external_id",
        ),
    ] {
        for reach in [Reach::Owned, Reach::Adopting] {
            let named = matches!(condition, UserCondition::Id(_) | UserCondition::UserName(_));
            if reach == Reach::Adopting && !named {
                continue;
            }
            let query = UserQuery {
                organization_id: generator.id(now),
                directory_id: generator.id(now),
                reach,
                conditions: vec![condition.clone()],
            };
            let slice = |order| Slice {
                order,
                offset: 100,
                limit: 100,
            };
            let mut statements = vec![query.count(), query.after(Some(generator.id(now)), 500)];
            if condition != UserCondition::Active(false) {
                statements.extend(
                    [ListOrder::Name, ListOrder::Updated]
                        .map(|order| query.slice(slice(order(Direction::Ascending)))),
                );
            }
            statements.push(query.slice(slice(ListOrder::Id(Direction::Ascending))));
            for statement in statements {
                let sql = format!("{statement:?}");
                let steps = plan(&store, statement).await;
                assert!(
                    steps.iter().any(|step| step.contains(index)),
                    "{condition:?}: {steps:#?}"
                );
                // The users themselves are found one by one, unless they are the inactive ones.
                let walks = steps.iter().any(|step| {
                    step.starts_with("SCAN u")
                        || (step.starts_with("SEARCH u ")
                            && !step.contains("id=? AND id=?")
                            && !step.contains("(id=?)")
                            && !step.contains("users_inactive"))
                });
                assert!(!walks, "{condition:?} {sql}: {steps:#?}");
            }
        }
    }
}

#[tokio::test]
async fn counting_a_directory_walks_no_users_and_a_jump_only_their_index() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("plan.db").display());
    let generator = Generator::system();
    let store = Store::open(&url, generator.clone()).await.unwrap();
    store.migrate().await.unwrap();
    let now = Timestamp::from_unix_seconds(1_790_000_000);
    let query = UserQuery {
        organization_id: generator.id(now),
        directory_id: generator.id(now),
        reach: Reach::Owned,
        conditions: Vec::new(),
    };
    let slice = Slice {
        order: ListOrder::Id(Direction::Ascending),
        offset: 900_000,
        limit: 100,
    };
    let jump = plan(&store, query.slice(slice)).await;
    let covered = "COVERING INDEX users_directory (directory_id=?)";
    assert!(jump.iter().any(|step| step.contains(covered)), "{jump:#?}");
    let active = UserQuery {
        conditions: vec![UserCondition::Active(true)],
        ..query.clone()
    };
    for counted in [query, active] {
        let steps = plan(&store, counted.count()).await;
        let walks = |step: &String| {
            step.starts_with("SCAN") && !step.contains("CONSTANT ROW")
                || step.contains(" u ") && !step.contains("users_inactive")
        };
        assert!(!steps.iter().any(walks), "{steps:#?}");
    }
}
