//! Bulk requests (RFC 7644 §3.7): reading them, what refers to what, and in which order they run.

mod order;

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use crate::dialect::Dialect;
use crate::directory::BulkLimits;
use crate::error::Error;
use crate::list::check_message;
use crate::patch::PATCH_URN;

pub(crate) use order::{Turn, order};

/// URN of the request.
const REQUEST_URN: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
/// URN of the response.
const RESPONSE_URN: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
/// What a reference to a resource of the same request begins with.
const MARK: &str = "bulkId:";

/// A bulk request.
#[derive(Debug)]
pub(crate) struct Request {
    /// After so many errors the rest is left alone; `None` for never.
    pub(crate) fail_on_errors: Option<usize>,
    /// The operations, in the order in which they were sent.
    pub(crate) items: Vec<Item>,
}

/// One operation, which may be unreadable by itself.
#[derive(Debug)]
pub(crate) struct Item {
    /// The method as it was sent, in capitals; empty where there is none.
    pub(crate) method: String,
    /// The client's name for it.
    pub(crate) bulk_id: Option<String>,
    /// The operation, or why it is none.
    pub(crate) operation: Result<Operation, Error>,
}

/// A readable operation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    /// Where it goes, as it was sent.
    pub(crate) path: String,
    /// The version that the client expects.
    pub(crate) version: Option<String>,
    pub(crate) data: Value,
}

/// The methods of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    pub(crate) fn http(self) -> http::Method {
        match self {
            Self::Post => http::Method::POST,
            Self::Put => http::Method::PUT,
            Self::Patch => http::Method::PATCH,
            Self::Delete => http::Method::DELETE,
        }
    }
}

impl Request {
    /// Reads the body of a bulk request.
    ///
    /// Fails with `invalid_syntax` where it is none, with `invalid_value` where `failOnErrors` is no count, and with
    /// `payload_too_large`, naming the limit, where there are too many operations (RFC 7644 §3.7.4).
    pub(crate) fn parse(body: Value, dialect: Dialect, limits: BulkLimits) -> Result<Self, Error> {
        check_message(&body, REQUEST_URN, dialect)?;
        let Value::Object(mut body) = body else {
            return Err(Error::invalid_syntax("the body is a JSON object"));
        };
        let fail_on_errors = match take(&mut body, "failOnErrors") {
            None => None,
            Some(count) => Some(fail_on_errors(&count)?),
        };
        let Some(Value::Array(operations)) = take(&mut body, "Operations") else {
            return Err(Error::invalid_syntax(
                "a bulk request has a list of Operations",
            ));
        };
        if operations.len() > limits.operations {
            return Err(Error::payload_too_large(format!(
                "the request has more operations than maxOperations, which is {}",
                limits.operations
            )));
        }
        let mut names: HashSet<String> = HashSet::new();
        let items = operations.into_iter().map(|operation| {
            let mut item = Item::parse(operation);
            let is_post =
                matches!(&item.operation, Ok(operation) if operation.method == Method::Post);
            if let (true, Some(name)) = (is_post, &item.bulk_id)
                && !names.insert(name.clone())
            {
                item.operation = Err(Error::invalid_value(
                    "the bulkId names another operation of this request",
                ));
            }
            item
        });
        Ok(Self {
            fail_on_errors,
            items: items.collect(),
        })
    }
}

/// Takes a member of any letter case; null is none.
fn take(object: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let key = object
        .keys()
        .find(|key| key.eq_ignore_ascii_case(name))?
        .clone();
    object.remove(&key).filter(|value| !value.is_null())
}

fn fail_on_errors(value: &Value) -> Result<usize, Error> {
    value
        .as_u64()
        .and_then(|count| usize::try_from(count).ok())
        .filter(|count| *count > 0)
        .ok_or_else(|| Error::invalid_value("failOnErrors is a whole number from 1"))
}

impl Item {
    fn parse(value: Value) -> Self {
        let Value::Object(mut object) = value else {
            return Self {
                method: String::new(),
                bulk_id: None,
                operation: Err(Error::invalid_syntax("an operation is a JSON object")),
            };
        };
        let mut text = |name: &str| match take(&mut object, name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Error::invalid_syntax(format!("{name} holds text"))),
        };
        let (method, bulk_id) = (text("method"), text("bulkId"));
        let (path, version) = (text("path"), text("version"));
        let data = take(&mut object, "data");
        let name = match &bulk_id {
            Ok(name) => name.clone(),
            Err(_) => None,
        };
        let verb = match &method {
            Ok(method) => method.as_deref().unwrap_or_default().to_ascii_uppercase(),
            Err(_) => String::new(),
        };
        let read = || {
            method?;
            let method = match verb.as_str() {
                "POST" => Method::Post,
                "PUT" => Method::Put,
                "PATCH" => Method::Patch,
                "DELETE" => Method::Delete,
                _ => {
                    return Err(Error::invalid_syntax(
                        "the method of an operation is POST, PUT, PATCH or DELETE",
                    ));
                }
            };
            let has_name = bulk_id?.is_some_and(|name| !name.is_empty());
            if method == Method::Post && !has_name {
                return Err(Error::invalid_syntax("a POST has a bulkId"));
            }
            if method != Method::Delete && data.is_none() {
                return Err(Error::invalid_syntax("the operation has no data"));
            }
            Ok(Operation {
                method,
                path: path?.ok_or_else(|| Error::invalid_syntax("the operation has no path"))?,
                version: version?,
                data: data.unwrap_or_default(),
            })
        };
        let operation = read();
        Self {
            method: verb,
            bulk_id: name,
            operation,
        }
    }
}

impl Operation {
    /// The operations of the same request that this one refers to, by their bulkId.
    pub(crate) fn references(&mut self) -> Vec<String> {
        let (mut found, mut known) = (Vec::new(), HashSet::new());
        let mut visit = |text: &mut String| {
            if let Some(name) = reference(text)
                && known.insert(name.to_owned())
            {
                found.push(name.to_owned());
            }
        };
        visit(&mut self.path);
        self.visit(&mut visit);
        found
    }

    /// Puts ids in the place of references.
    ///
    /// Fails with `conflict` where one is left: the operation that it names failed, or there is none.
    pub(crate) fn resolve(&mut self, ids: &HashMap<String, String>) -> Result<(), Error> {
        let mut is_open = false;
        let mut visit = |text: &mut String| {
            let Some(name) = reference(text) else { return };
            match ids.get(name) {
                Some(id) => {
                    let end = text.len() - MARK.len() - name.len();
                    text.truncate(end);
                    text.push_str(id);
                }
                None => is_open = true,
            }
        };
        visit(&mut self.path);
        self.visit(&mut visit);
        if is_open {
            return Err(Error::conflict(
                "the operation refers to a bulkId that no successful operation of this request has",
            ));
        }
        Ok(())
    }

    /// Takes the references to these bulkIds out of a resource, and gives the change that puts them back later.
    ///
    /// Two groups that are members of each other cannot both be created with their members (RFC 7644 §3.7.1).
    pub(crate) fn split(&mut self, later: &[String]) -> Option<Value> {
        let Value::Object(data) = &mut self.data else {
            return None;
        };
        let later: &HashSet<&str> = &later.iter().map(String::as_str).collect();
        if later.is_empty() {
            return None;
        }
        let mut operations = Vec::new();
        let mut add = |path: String, value: Value| {
            operations.push(json!({ "op": "add", "path": path, "value": value }));
        };
        for (key, value) in data.iter_mut() {
            if is_reference(key) {
                if let Some(taken) = take_mentions(value, later) {
                    add(key.clone(), taken);
                }
            } else if let Value::Object(extension) = value {
                for (name, value) in extension.iter_mut().filter(|(name, _)| is_reference(name)) {
                    if let Some(taken) = take_mentions(value, later) {
                        add(format!("{key}:{name}"), taken);
                    }
                }
            }
        }
        (!operations.is_empty())
            .then(|| json!({ "schemas": [PATCH_URN], "Operations": operations }))
    }

    /// Visits every text that may be a reference: in `members`, `manager` and `$ref`, in whatever shape.
    fn visit(&mut self, visit: &mut dyn FnMut(&mut String)) {
        if self.method != Method::Patch {
            walk(&mut self.data, false, visit);
            return;
        }
        let Value::Object(data) = &mut self.data else {
            return;
        };
        let operations = data
            .iter_mut()
            .filter(|(key, _)| key.eq_ignore_ascii_case("Operations"))
            .filter_map(|(_, operations)| operations.as_array_mut())
            .flatten()
            .filter_map(Value::as_object_mut);
        for operation in operations {
            let path = |key: &String| key.eq_ignore_ascii_case("path");
            let inside = operation
                .iter()
                .find(|(key, _)| path(key))
                .and_then(|(_, path)| path.as_str())
                .is_some_and(is_reference);
            for (key, value) in operation.iter_mut() {
                match value {
                    Value::String(text) if inside && path(key) => visit_quoted(text, visit),
                    value if key.eq_ignore_ascii_case("value") => walk(value, inside, visit),
                    _ => {}
                }
            }
        }
    }
}

/// The bulkId that a text refers to, at its end: `bulkId:x`, or a URL that ends so.
fn reference(text: &str) -> Option<&str> {
    let tail = text.rsplit('/').next().unwrap_or(text);
    tail.strip_prefix(MARK).filter(|name| !name.is_empty())
}

/// Whether an id is a reference that is not resolved.
pub(crate) fn is_mark(id: &str) -> bool {
    id.starts_with(MARK)
}

/// Whether a key or path names an attribute that holds ids of resources.
fn is_reference(key: &str) -> bool {
    let key = key.split('[').next().unwrap_or(key);
    let name = key.rsplit(':').next().unwrap_or(key);
    let name = name.split('.').next().unwrap_or(name);
    ["members", "manager", "$ref"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name))
}

fn walk(value: &mut Value, inside: bool, visit: &mut dyn FnMut(&mut String)) {
    match value {
        Value::String(text) if inside => visit(text),
        Value::Array(elements) => {
            for element in elements {
                walk(element, inside, visit);
            }
        }
        Value::Object(object) => {
            for (key, value) in object.iter_mut() {
                walk(value, inside || is_reference(key), visit);
            }
        }
        _ => {}
    }
}

/// Visits what stands between quotation marks in a path such as `members[value eq "bulkId:x"]`.
fn visit_quoted(path: &mut String, visit: &mut dyn FnMut(&mut String)) {
    let mut parts: Vec<String> = path.split('"').map(str::to_owned).collect();
    for quoted in parts.iter_mut().skip(1).step_by(2) {
        visit(quoted);
    }
    *path = parts.join("\"");
}

/// Takes what mentions one of these bulkIds: elements of a list, or the whole value.
fn take_mentions(value: &mut Value, later: &HashSet<&str>) -> Option<Value> {
    if let Value::Array(elements) = value {
        let (taken, kept) = std::mem::take(elements)
            .into_iter()
            .partition::<Vec<_>, _>(|element| mentions(element, later));
        *elements = kept;
        return (!taken.is_empty()).then_some(Value::Array(taken));
    }
    mentions(value, later).then(|| value.take())
}

fn mentions(value: &Value, later: &HashSet<&str>) -> bool {
    match value {
        Value::String(text) => reference(text).is_some_and(|name| later.contains(name)),
        Value::Array(elements) => elements.iter().any(|element| mentions(element, later)),
        Value::Object(object) => object.values().any(|value| mentions(value, later)),
        _ => false,
    }
}

/// What became of one operation.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Outcome {
    /// The status, 201 or 200 or 204 where it was done.
    pub(crate) status: u16,
    /// The URL of the resource; none of one that could not be created.
    pub(crate) location: Option<String>,
    /// The version of the resource after it.
    pub(crate) version: Option<String>,
    /// The error message of one that failed.
    pub(crate) error: Option<Value>,
}

impl Outcome {
    /// The entry in the response (RFC 7644 §3.7.3); `status` is text there.
    pub(crate) fn entry(self, item: &Item) -> Value {
        let mut entry = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                entry.insert(name.to_owned(), value);
            }
        };
        put(
            "method",
            (!item.method.is_empty()).then(|| json!(item.method)),
        );
        put("bulkId", item.bulk_id.as_ref().map(|name| json!(name)));
        put("location", self.location.map(Value::from));
        put("version", self.version.map(Value::from));
        put("status", Some(json!(self.status.to_string())));
        put("response", self.error);
        Value::Object(entry)
    }
}

/// The BulkResponse message.
pub(crate) fn response(entries: &[Value]) -> Value {
    json!({ "schemas": [RESPONSE_URN], "Operations": entries })
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn parse(operations: &Value) -> Vec<Item> {
        let body = json!({ "operations": operations });
        let request = Request::parse(body, Dialect::Lenient, BulkLimits::default());
        request.unwrap().items
    }

    pub(super) fn group(name: &str, members: &[&str]) -> Value {
        let members: Vec<Value> = members
            .iter()
            .map(|name| json!({ "value": format!("bulkId:{name}") }))
            .collect();
        json!({ "Method": "post", "PATH": "/Groups", "bulkId": name, "data": { "displayName": name, "Members": members } })
    }

    #[test]
    fn references_are_found_where_ids_stand_and_nowhere_else() {
        let mut items = parse(&json!([{
            "method": "PATCH", "path": "/Groups/bulkId:g",
            "data": { "Operations": [
                { "op": "add", "path": "members", "value": [{ "value": "bulkId:a", "display": "bulkId:not" }] },
                { "op": "remove", "path": "members[value eq \"bulkId:b\"]" },
                { "op": "replace", "path": "displayName", "value": "bulkId:no" },
                { "op": "replace", "value": { "urn:x:User": { "manager": { "$ref": "../Users/bulkId:c" } } } },
                { "op": "replace", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value", "value": "bulkId:d" },
            ] },
        }]));
        let operation = items[0].operation.as_mut().unwrap();
        let mut found = operation.references();
        found.sort();
        assert_eq!(found, ["a", "b", "c", "d", "g", "not"]);
        let ids = found
            .iter()
            .map(|name| (name.clone(), format!("id-{name}")));
        operation.resolve(&ids.collect()).unwrap();
        assert_eq!(operation.path, "/Groups/id-g");
        let operations = &operation.data["Operations"];
        assert_eq!(operations[0]["value"][0]["value"], json!("id-a"));
        assert_eq!(operations[1]["path"], json!("members[value eq \"id-b\"]"));
        assert_eq!(operations[2]["value"], json!("bulkId:no"));
        assert_eq!(
            operations[3]["value"]["urn:x:User"]["manager"]["$ref"],
            json!("../Users/id-c")
        );
        assert_eq!(operations[4]["value"], json!("id-d"));
    }

    #[test]
    fn circle_is_linked_by_a_change_of_its_own() {
        let mut items = parse(&json!([group("a", &["b", "c"])]));
        let operation = items[0].operation.as_mut().unwrap();
        let link = operation.split(&["b".to_owned()]).unwrap();
        assert_eq!(
            link["Operations"],
            json!([{ "op": "add", "path": "Members", "value": [{ "value": "bulkId:b" }] }])
        );
        assert_eq!(operation.data["Members"], json!([{ "value": "bulkId:c" }]));
        operation.data =
            json!({ "urn:x:User": { "manager": { "value": "bulkId:b" }, "division": "D" } });
        let link = operation.split(&["b".to_owned()]).unwrap();
        assert_eq!(link["Operations"][0]["path"], json!("urn:x:User:manager"));
        assert_eq!(operation.data["urn:x:User"]["division"], json!("D"));
        assert!(operation.split(&["b".to_owned()]).is_none());
    }

    #[test]
    fn unreadable_operations_fail_by_themselves() {
        let items = parse(&json!([
            1,
            { "method": "GET", "path": "/Users/1" },
            { "method": "POST", "path": "/Users", "data": {} },
            { "method": "POST", "path": "/Users", "bulkId": "x", "data": {} },
            { "method": "POST", "path": "/Users", "bulkId": "x", "data": {} },
            { "method": "PUT", "path": "/Users/1" },
            { "method": "PUT", "bulkId": 1, "path": "/Users/1", "data": {} },
            { "method": "DELETE" },
        ]));
        let good: Vec<bool> = items.iter().map(|item| item.operation.is_ok()).collect();
        assert_eq!(
            good,
            [false, false, false, true, false, false, false, false]
        );
    }
}
