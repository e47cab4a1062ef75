//! The words that operations are made of, and the operations that bytes choose from them.

use std::slice::Iter;

use serde_json::{Map, Value, json};

/// Values.
pub(super) const TEXTS: [&str; 11] = [
    "",
    "a",
    "A",
    "b",
    "work",
    "Work",
    "True",
    "2026-01-01T00:00:00Z",
    "\0",
    "ΑΣ",
    "https://x/Users/a",
];

/// Keys of values.
pub(super) const NAMES: [&str; 18] = [
    "value",
    "type",
    "primary",
    "display",
    "$ref",
    "givenName",
    "title",
    "emails",
    "VALUE",
    "department",
    "manager",
    "schemas",
    "id",
    "tags",
    "open",
    "name.givenName",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
    "urn:example:fuzz:1.0:User",
];

/// Paths of operations.
pub(super) const PATHS: [&str; 33] = [
    "",
    "title",
    "active",
    "name",
    "name.givenName",
    "emails",
    "emails.type",
    "emails.value",
    "emails[type eq \"work\"]",
    "emails[type eq \"work\"].value",
    "emails[type eq \"work\" and value eq \"a\"].display",
    "emails[not (type eq \"a\")]",
    "roles",
    "manager",
    "manager.value",
    "manager.$ref",
    "manager.displayName",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
    "urn:example:fuzz:1.0:User",
    "tags",
    "numbers",
    "doors",
    "doors[value eq 1].open",
    "doors.open",
    "number",
    "schemas",
    "id",
    "meta",
    "groups",
    "photos",
    "addresses",
    "addresses[type eq \"work\"].country",
];

/// The input of a PATCH that the bytes choose; behind their end the first choice is always taken.
pub(super) fn input(bytes: &[u8]) -> Map<String, Value> {
    let mut choices = Choices(bytes.iter());
    let current = choices.object(2);
    let mut operations = Vec::new();
    for _ in 0..=choices.below(4) {
        let mut operation = Map::new();
        let op = choices.of(&["add", "replace", "remove", "Add"]);
        operation.insert("op".to_owned(), Value::from(op));
        if choices.below(4) > 0 {
            let path = choices.of(&PATHS);
            operation.insert("path".to_owned(), Value::from(path));
        }
        if choices.below(4) > 0 {
            operation.insert("value".to_owned(), choices.value(3));
        }
        operations.push(Value::Object(operation));
    }
    Map::from_iter([
        ("current".to_owned(), Value::Object(current)),
        ("Operations".to_owned(), Value::Array(operations)),
    ])
}

struct Choices<'a>(Iter<'a, u8>);

impl Choices<'_> {
    fn below(&mut self, limit: usize) -> usize {
        self.0.next().map_or(0, |&byte| usize::from(byte) % limit)
    }

    fn of(&mut self, words: &[&'static str]) -> &'static str {
        let choice = self.below(words.len());
        words.get(choice).copied().unwrap_or_default()
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 5 } else { 9 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 1),
            2 => json!(self.below(3)),
            3 | 4 => Value::from(self.of(&TEXTS)),
            5 | 6 => {
                let length = self.below(3);
                (0..length).map(|_| self.value(depth - 1)).collect()
            }
            _ => Value::Object(self.object(depth - 1)),
        }
    }

    fn object(&mut self, depth: usize) -> Map<String, Value> {
        let length = self.below(4);
        (0..length)
            .map(|_| (self.of(&NAMES).to_owned(), self.value(depth)))
            .collect()
    }
}
