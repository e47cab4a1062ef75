//! Rows in numbers that nobody signs in for: copies of one that the server made.

use vestibule_support::{Database, DatabaseKind};

/// Rows that one statement makes.
const AT_ONCE: usize = 100_000;
/// Sign-ins of one of the other people.
pub(crate) const SIGN_INS_EACH: usize = 10;

/// Somebody who signed in to an application, by the ids of the rows.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) user: String,
    pub(crate) user_session: String,
    pub(crate) app_session: String,
}

/// Gives the template's own user so many further sign-ins, each with its application's share.
pub(crate) async fn add_sign_ins(
    database: &Database,
    template: &Template,
    first: usize,
    count: usize,
) {
    let user = format!("'{}'", template.user);
    add_rows(database, template, &user, first, count).await;
}

/// Adds people like the template's, and gives them so many sign-ins.
pub(crate) async fn add_people(
    database: &Database,
    template: &Template,
    first: usize,
    sign_ins: usize,
) {
    let people = sign_ins.div_ceil(SIGN_INS_EACH);
    let whose = format!("i / {SIGN_INS_EACH}");
    let user = named(database, &template.user, &whose);
    let changes = [
        ("id", named(database, &template.user, "i")),
        ("user_name", "'bulk-' || CAST(i AS TEXT)".to_owned()),
        ("user_name_key", "'bulk-' || CAST(i AS TEXT)".to_owned()),
        ("external_id", "NULL".to_owned()),
    ];
    let from = first / SIGN_INS_EACH;
    copy(
        database,
        "users",
        &template.user,
        &changes,
        from,
        people + 1,
    )
    .await;
    add_rows(database, template, &user, first, sign_ins).await;
}

async fn add_rows(
    database: &Database,
    template: &Template,
    user: &str,
    first: usize,
    count: usize,
) {
    let user_session = named(database, &template.user_session, "i");
    let changes = [
        ("id", user_session.clone()),
        ("user_id", user.to_owned()),
        ("upstream_session", "'bulk-' || CAST(i AS TEXT)".to_owned()),
        (
            "upstream_subject",
            format!("'bulk-' || CAST(i / {SIGN_INS_EACH} AS TEXT)"),
        ),
    ];
    let from = &template.user_session;
    copy(database, "user_sessions", from, &changes, first, count).await;
    let changes = [
        ("id", named(database, &template.app_session, "i")),
        ("user_session_id", user_session),
        ("user_id", user.to_owned()),
        // No second notice: these applications have had their sessions for long.
        ("last_issued_at", "last_issued_at - 600000000".to_owned()),
    ];
    let from = &template.app_session;
    copy(database, "app_sessions", from, &changes, first, count).await;
}

/// An expression for the id of row `number`, of the same kind as the template's.
fn named(database: &Database, template: &str, number: &str) -> String {
    let (kind, _) = template.split_once('_').expect("a typed id");
    match database.kind {
        DatabaseKind::Sqlite => format!("'{kind}_' || printf('%026d', {number})"),
        DatabaseKind::Postgres => {
            format!("'{kind}_' || lpad(CAST({number} AS TEXT), 26, '0')")
        }
    }
}

/// Copies one row so many times; the numbers `i` of the copies begin at `first`.
async fn copy(
    database: &Database,
    table: &str,
    template: &str,
    changes: &[(&str, String)],
    first: usize,
    count: usize,
) {
    let columns = match database.kind {
        DatabaseKind::Sqlite => format!("SELECT name FROM pragma_table_info('{table}')"),
        DatabaseKind::Postgres => format!(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = '{table}'"
        ),
    };
    let columns = database.texts(&columns).await;
    let values: Vec<&str> = columns
        .iter()
        .map(|column| {
            let change = changes.iter().find(|(name, _)| name == column);
            change.map_or(column.as_str(), |(_, value)| value)
        })
        .collect();
    let mut from = first;
    while from < first + count {
        let last = (from + AT_ONCE).min(first + count) - 1;
        let sql = format!(
            "WITH RECURSIVE n(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {last})
             INSERT INTO {table} ({}) SELECT {} FROM n CROSS JOIN {table} WHERE id = '{template}'",
            columns.join(", "),
            values.join(", "),
        );
        database.execute(&sql).await;
        from = last + 1;
    }
}
