//! What must hold for every input, for `tests/fuzz` and the property tests; no part of the public face.
//!
//! Each function gives `Err` with what was found when its property does not hold.

mod effect;
mod words;

use std::fmt;
use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value, json};

use crate::dialect::{Dialect, Repairs};
use crate::error::ErrorKind;
use crate::evaluate::matches;
use crate::filter::{Budget, Filter, Outcome};
use crate::patch::{Change, ChangeSet};
use crate::path::Path;
use crate::resource::{Draft, Resource};
use crate::schema::{Need, Registry, ResourceSchema, ResourceType, Schema};

/// Whether the property holds; else what was found.
pub type Finding = Result<(), String>;

const KINDS: [ResourceType; 2] = [ResourceType::User, ResourceType::Group];
const DIALECTS: [Dialect; 2] = [Dialect::Lenient, Dialect::Strict];

/// The standard schemas and one that has an attribute of every type.
static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let extension = json!({
        "id": "urn:example:fuzz:1.0:User",
        "attributes": [
            { "name": "number", "type": "integer" },
            { "name": "share", "type": "decimal" },
            { "name": "since", "type": "dateTime" },
            { "name": "blob", "type": "binary" },
            { "name": "tags", "multiValued": true },
            { "name": "numbers", "type": "integer", "multiValued": true },
            { "name": "doors", "type": "complex", "multiValued": true, "subAttributes": [
                { "name": "value", "type": "integer" },
                { "name": "type", "caseExact": true },
                { "name": "open", "type": "boolean" },
            ] },
        ],
    });
    let standard = Registry::standard();
    match Schema::parse(&extension) {
        Ok(schema) => standard
            .clone()
            .try_with_extension(ResourceType::User, schema, Need::Optional)
            .unwrap_or(standard),
        Err(_) => standard,
    }
});

static SOMEBODY: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    let document = json!({
        "id": "u1", "userName": "Ann", "externalId": "X", "active": true, "title": "",
        "name": { "givenName": "Änn" },
        "emails": [{ "value": "a@x.test", "type": "work", "primary": true }, { "value": "b" }],
        "groups": [{ "value": "g1", "type": "direct" }],
        "members": [{ "value": "u1", "type": "User" }],
        "displayName": "ΑΣ",
        "urn:example:fuzz:1.0:User": { "number": 1, "share": 0.5, "since": "2026-01-01T00:00:00Z", "tags": ["a"] },
        "meta": { "created": "2026-01-01T00:00:00Z", "lastModified": "0001-01-01T00:00:00Z" },
    });
    document.as_object().cloned().unwrap_or_default()
});

fn check(holds: bool, found: impl FnOnce() -> String) -> Finding {
    if holds { Ok(()) } else { Err(found()) }
}

/// What is printed reads as the same, strictly; unless it came to be longer or deeper than the budget.
fn check_printed<T: PartialEq + fmt::Debug>(
    printed: &str,
    parsed: &T,
    again: Result<T, crate::Error>,
) -> Finding {
    match again {
        Ok(again) => check(again == *parsed, || {
            format!("{printed} reads as {again:?} and was {parsed:?}")
        }),
        Err(error) if error.kind() == ErrorKind::TooMany => Ok(()),
        Err(error) => Err(format!("{printed} is refused: {error}")),
    }
}

/// A filter: what is read is printed and read as the same; what a strict directory reads a lenient one reads alike
/// and without a repair; it is within the budget, and its negation matches what it does not.
///
/// # Errors
///
/// What was found.
pub fn filter(text: &str) -> Finding {
    for kind in KINDS {
        let schema = REGISTRY.of(kind);
        let mut repairs = Repairs::default();
        let lenient = Filter::parse_as(text, schema, Dialect::Lenient, &mut repairs).ok();
        if let Ok(strict) = Filter::parse(text, schema) {
            check(
                lenient.as_ref() == Some(&strict) && repairs.is_empty(),
                || format!("{text}: strictly {strict:?}, leniently {lenient:?} with {repairs:?}"),
            )?;
        }
        let any = Filter::parse_any(text, schema, Dialect::Lenient, &mut Repairs::default());
        let Some(filter) = lenient else {
            continue;
        };
        check(any.ok() == Some(Outcome::Filter(filter.clone())), || {
            format!("{text} is another filter over all types")
        })?;
        let printed = filter.to_string();
        check_printed(&printed, &filter, Filter::parse(&printed, schema))?;
        let most = u64::try_from(Budget::DEFAULT.terms).unwrap_or(u64::MAX);
        check(filter.cost() <= most, || {
            format!("{text} costs {}", filter.cost())
        })?;
        let negation = Filter::Not(Box::new(filter.clone()));
        check(
            matches(&filter, &SOMEBODY) != matches(&negation, &SOMEBODY),
            || format!("{text} and its negation match the same"),
        )?;
    }
    Ok(())
}

/// A path: what is read is printed and read as the same; what a strict directory reads a lenient one reads alike.
///
/// # Errors
///
/// What was found.
pub fn path(text: &str) -> Finding {
    for kind in KINDS {
        let schema = REGISTRY.of(kind);
        let mut repairs = Repairs::default();
        let lenient = Path::parse_as(text, schema, Dialect::Lenient, &mut repairs).ok();
        if let Ok(strict) = Path::parse(text, schema) {
            check(
                lenient.as_ref() == Some(&strict) && repairs.is_empty(),
                || format!("{text}: strictly {strict:?}, leniently {lenient:?} with {repairs:?}"),
            )?;
        }
        if let Some(path) = lenient {
            let printed = path.to_string();
            check_printed(&printed, &path, Path::parse(&printed, schema))?;
        }
    }
    Ok(())
}

/// A PATCH of a resource: `{"current": {…}, "Operations": […]}`, or bytes that choose one from the words of
/// operations.
///
/// What comes out is what a strict directory takes as it is, applying is a function, and a success changes
/// something, or says what is so already, or notes a repair.
///
/// # Errors
///
/// What was found.
pub fn patch(json: &[u8]) -> Finding {
    let mut input = match serde_json::from_slice(json) {
        Ok(Value::Object(input)) => input,
        _ => words::input(json),
    };
    let current = input.remove("current").unwrap_or_default();
    for kind in KINDS {
        let schema = REGISTRY.of(kind);
        let Some(current) = resource(&current, schema) else {
            continue;
        };
        for dialect in DIALECTS {
            let mut body = input.clone();
            body.insert("schemas".to_owned(), json!([crate::patch::PATCH_URN]));
            patch_as(&Value::Object(body), schema, dialect, &current)?;
        }
    }
    Ok(())
}

/// The resource of a body, with the names that it lacks.
fn resource(body: &Value, schema: &ResourceSchema) -> Option<Resource> {
    let mut body = body.as_object().cloned().unwrap_or_default();
    body.entry("userName").or_insert(json!("ann"));
    body.entry("displayName").or_insert(json!("ann"));
    let draft = Draft::parse(
        Value::Object(body),
        schema,
        Dialect::Lenient,
        &mut Repairs::default(),
    );
    draft.ok().map(|draft| draft.resource)
}

fn patch_as(
    body: &Value,
    schema: &Arc<ResourceSchema>,
    dialect: Dialect,
    current: &Resource,
) -> Finding {
    let mut repairs = Repairs::default();
    let Ok(change) = Change::patch(body.clone(), schema, dialect, &mut repairs) else {
        return Ok(());
    };
    let Ok(set) = change.apply(current) else {
        return Ok(());
    };
    let shown = || format!("{dialect:?} {body} on {:?}", current.attributes());
    check(
        change.apply(current).is_ok_and(|again| again == set),
        || format!("{} comes out differently", shown()),
    )?;
    check(set.touched.is_empty() == (set.resource == *current), || {
        format!("{} touches {:?}", shown(), set.touched)
    })?;
    check_canonical(&set, schema).map_err(|found| format!("{}: {found}", shown()))?;
    repairs.extend(&set.repairs);
    let operations = body.get("Operations").and_then(Value::as_array);
    let [operation] = operations.map_or(&[][..], Vec::as_slice) else {
        return Ok(());
    };
    let is_silent = set.is_noop() && repairs.is_empty();
    check(
        !is_silent || effect::holds(operation, schema, current),
        || format!("{} succeeds in silence", shown()),
    )
}

/// Whether the resource that came out is read by a strict directory as it is.
fn check_canonical(set: &ChangeSet, schema: &ResourceSchema) -> Finding {
    let mut body = set.resource.attributes().clone();
    let urns: Value = set.resource.schemas(schema).collect();
    body.insert("schemas".to_owned(), urns);
    let mut repairs = Repairs::default();
    let again = Draft::parse(Value::Object(body), schema, Dialect::Strict, &mut repairs);
    match again {
        Ok(again) => check(again.resource == set.resource, || {
            format!("{:?} reads as {:?}", set.resource, again.resource)
        }),
        Err(error) => Err(format!("{:?} is refused: {error}", set.resource)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Names, values and shapes that operations are made of.
    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0_i64..3).prop_map(Value::from),
            prop::sample::select(words::TEXTS.to_vec()).prop_map(Value::from),
        ];
        let name = prop::sample::select(words::NAMES.to_vec());
        leaf.prop_recursive(3, 12, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::vec((name.clone(), inner), 0..4).prop_map(|entries| {
                    entries
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect()
                }),
            ]
        })
    }

    fn operation() -> impl Strategy<Value = Value> {
        let op = prop::sample::select(vec!["add", "replace", "remove", "Add"]);
        let path = prop::option::of(prop::sample::select(words::PATHS.to_vec()));
        (op, path, prop::option::of(json())).prop_map(|(op, path, value)| {
            let mut operation = json!({ "op": op });
            if let Some(path) = path {
                operation["path"] = json!(path);
            }
            if let Some(value) = value {
                operation["value"] = value;
            }
            operation
        })
    }

    fn current() -> impl Strategy<Value = Value> {
        let email = (
            prop::sample::select(vec!["a", "b", "c"]),
            prop::option::of(prop::sample::select(vec!["work", "home"])),
            any::<bool>(),
        )
            .prop_map(|(value, kind, primary)| json!({ "value": value, "type": kind, "primary": primary }));
        (
            prop::option::of(prop::sample::select(vec!["a", "b"])),
            prop::collection::vec(email, 0..4),
            json(),
        )
            .prop_map(|(title, emails, extension)| {
                let mut current = json!({
                    "title": title,
                    "emails": emails,
                    "name": { "givenName": title },
                    "manager": { "value": title },
                });
                if extension.is_object() {
                    current["urn:example:fuzz:1.0:User"] = extension;
                }
                current
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn success_has_an_effect_or_a_reason(current in current(), operation in operation()) {
            let input = json!({ "current": current, "Operations": [operation] });
            prop_assert_eq!(patch(input.to_string().as_bytes()), Ok(()));
        }

        #[test]
        fn operations_leave_what_a_strict_directory_takes(current in current(), operations in prop::collection::vec(operation(), 0..6)) {
            let input = json!({ "current": current, "Operations": operations });
            prop_assert_eq!(patch(input.to_string().as_bytes()), Ok(()));
        }

        #[test]
        fn texts_of_filters_and_paths_hold(words in prop::collection::vec(prop::sample::select(vec![
            "emails", "[", "]", ".value", "(", ")", "not", "and", "or", "eq", "co", "pr", "\"ΑΣ \"", "\"x\"", "\"", "true", "null",
            "userName", "nothing", " ", "number", "share", "1", "0.5", "1e400", "since", "\"2026-01-01T24:00:00Z\"", "doors", "type",
            "urn:example:fuzz:1.0:User:", "manager", "active", "members", "\u{a0}",
        ]), 0..20)) {
            for text in [words.join(" "), words.concat()] {
                prop_assert_eq!(filter(&text), Ok(()));
                prop_assert_eq!(path(&text), Ok(()));
            }
        }
    }
}
