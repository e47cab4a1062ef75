//! A SCIM client that behaves like a company's directory.
//!
//! Every call answers with a [`Call`]: any HTTP status is a result, only a lost connection is an error.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde::Serialize;
use serde_json::{Value, json};

use crate::Person;
use crate::http::{Http, answer};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// How a directory product words its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// Microsoft Entra ID as it ships: `"op":"Replace"`, `"active"` as the string `"False"`.
    #[default]
    Entra,
    /// Okta: PATCH without a path, the attributes in `value`.
    Okta,
    /// What RFC 7644 §3.5.2 shows: lower-case `op`, a path, a JSON boolean.
    Standard,
}

/// One request and its answer.
#[derive(Debug, Clone, Serialize)]
pub struct Call {
    /// The HTTP method.
    pub method: String,
    /// The path and query below the base URL.
    pub path: String,
    /// The HTTP status.
    pub status: u16,
    /// From the first byte sent to the last byte read, in milliseconds.
    pub milliseconds: f64,
    /// The answer's body; null when empty.
    pub body: Value,
    /// When the request was sent.
    #[serde(skip)]
    pub sent: Instant,
    /// From the first byte sent to the last byte read.
    #[serde(skip)]
    pub duration: Duration,
}

impl Call {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The resource's id.
    pub fn id(&self) -> Option<&str> {
        self.body.get("id").and_then(Value::as_str)
    }

    /// The id of the only match of a look-up.
    pub fn only_match(&self) -> Option<&str> {
        match self
            .body
            .get("Resources")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
        {
            Some([only]) => only.get("id").and_then(Value::as_str),
            _ => None,
        }
    }

    /// The call if its status is 2xx, else an error that quotes the answer.
    pub fn success(self) -> anyhow::Result<Self> {
        let Self {
            method,
            path,
            status,
            body,
            ..
        } = &self;
        anyhow::ensure!(
            self.is_success(),
            "{method} {path} answered {status}: {body}"
        );
        Ok(self)
    }
}

/// What hiring somebody took.
#[derive(Debug, Clone, Serialize)]
pub struct Hired {
    /// The look-up by user name that directories make first.
    pub lookup: Call,
    /// The creation, or the update of a user that was there already.
    pub write: Option<Call>,
    /// The user's id, if there is a user now.
    pub id: Option<String>,
}

/// A directory that pushes people and groups to one SCIM base URL.
#[derive(Debug, Clone)]
pub struct ScimClient {
    http: Http,
    base_url: String,
    token: String,
    dialect: Dialect,
}

impl ScimClient {
    /// A directory that speaks as Entra does, with a bearer token.
    pub fn new(base_url: &str, token: &str) -> anyhow::Result<Self> {
        Ok(Self::with_http(base_url, token, Http::new(&[])?))
    }

    /// The same over a client of the caller, for example one that trusts a test's certificate.
    pub fn with_http(base_url: &str, token: &str, http: Http) -> Self {
        Self {
            http,
            base_url: base_url.trim_end_matches('/').to_owned(),
            token: token.to_owned(),
            dialect: Dialect::default(),
        }
    }

    /// Speaks in another product's way.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// The user as the directory sends it on creation.
    pub fn user_body(&self, person: &Person) -> Value {
        json!({
            "schemas": [USER],
            "externalId": person.oid,
            "userName": person.user_name,
            "displayName": person.name(),
            "name": {
                "formatted": person.name(),
                "givenName": person.given_name,
                "familyName": person.family_name,
            },
            "emails": [{"primary": true, "type": "work", "value": person.email}],
            "active": true,
        })
    }

    /// Brings a person in, in Entra's order: look-up by user name, then creation or reactivation.
    pub async fn hire(&self, person: &Person) -> anyhow::Result<Hired> {
        let lookup = self.find_user(&person.user_name).await?;
        if !lookup.is_success() {
            return Ok(Hired {
                lookup,
                write: None,
                id: None,
            });
        }
        if let Some(id) = lookup.only_match().map(str::to_owned) {
            let write = self.reactivate(&id).await?;
            return Ok(Hired {
                lookup,
                write: Some(write),
                id: Some(id),
            });
        }
        let write = self
            .call(Method::POST, "/Users", Some(&self.user_body(person)))
            .await?;
        let id = write
            .is_success()
            .then(|| write.id().map(str::to_owned))
            .flatten();
        Ok(Hired {
            lookup,
            write: Some(write),
            id,
        })
    }

    /// Looks a user up by user name.
    pub async fn find_user(&self, user_name: &str) -> anyhow::Result<Call> {
        self.call(Method::GET, &filter("/Users", "userName", user_name), None)
            .await
    }

    /// Looks a group up by display name, without its members, as Entra does.
    pub async fn find_group(&self, display_name: &str) -> anyhow::Result<Call> {
        let path = filter(
            "/Groups?excludedAttributes=members",
            "displayName",
            display_name,
        );
        self.call(Method::GET, &path, None).await
    }

    /// Reads a user.
    pub async fn read(&self, id: &str) -> anyhow::Result<Call> {
        self.call(Method::GET, &format!("/Users/{id}"), None).await
    }

    /// Replaces single attributes: pairs of a SCIM path and its value.
    pub async fn update(&self, id: &str, changes: &[(&str, Value)]) -> anyhow::Result<Call> {
        let operations: Vec<Value> = match self.dialect {
            Dialect::Okta => {
                let value: serde_json::Map<String, Value> = changes
                    .iter()
                    .map(|(path, value)| ((*path).to_owned(), value.clone()))
                    .collect();
                vec![json!({"op": "replace", "value": value})]
            }
            Dialect::Entra | Dialect::Standard => changes
                .iter()
                .map(
                    |(path, value)| json!({"op": self.op("replace"), "path": path, "value": value}),
                )
                .collect(),
        };
        self.patch(&format!("/Users/{id}"), &operations).await
    }

    /// Replaces the whole user (PUT), with `active` as given.
    pub async fn replace(&self, id: &str, person: &Person, active: Value) -> anyhow::Result<Call> {
        let mut body = self.user_body(person);
        if let Some(members) = body.as_object_mut() {
            members.insert("id".to_owned(), json!(id));
            members.insert("active".to_owned(), active);
        }
        self.call(Method::PUT, &format!("/Users/{id}"), Some(&body))
            .await
    }

    /// Fires a person: `active` becomes false, in the dialect's words.
    pub async fn deactivate(&self, id: &str) -> anyhow::Result<Call> {
        let value = match self.dialect {
            Dialect::Entra => json!("False"),
            Dialect::Okta | Dialect::Standard => json!(false),
        };
        self.update(id, &[("active", value)]).await
    }

    /// Takes a person back: `active` becomes true, in the dialect's words.
    pub async fn reactivate(&self, id: &str) -> anyhow::Result<Call> {
        let value = match self.dialect {
            Dialect::Entra => json!("True"),
            Dialect::Okta | Dialect::Standard => json!(true),
        };
        self.update(id, &[("active", value)]).await
    }

    /// Deletes a user for good.
    pub async fn delete(&self, id: &str) -> anyhow::Result<Call> {
        self.call(Method::DELETE, &format!("/Users/{id}"), None)
            .await
    }

    /// Creates a group without members, after the look-up that directories make first.
    pub async fn push_group(&self, display_name: &str, external_id: &str) -> anyhow::Result<Hired> {
        let lookup = self.find_group(display_name).await?;
        if !lookup.is_success() {
            return Ok(Hired {
                lookup,
                write: None,
                id: None,
            });
        }
        if let Some(id) = lookup.only_match().map(str::to_owned) {
            return Ok(Hired {
                lookup,
                write: None,
                id: Some(id),
            });
        }
        let body = json!({
            "schemas": [GROUP],
            "displayName": display_name,
            "externalId": external_id,
        });
        let write = self.call(Method::POST, "/Groups", Some(&body)).await?;
        let id = write
            .is_success()
            .then(|| write.id().map(str::to_owned))
            .flatten();
        Ok(Hired {
            lookup,
            write: Some(write),
            id,
        })
    }

    /// Adds members, by user id, to a group.
    pub async fn add_members(&self, group: &str, members: &[&str]) -> anyhow::Result<Call> {
        let values: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
        let operation = json!({"op": self.op("add"), "path": "members", "value": values});
        self.patch(&format!("/Groups/{group}"), &[operation]).await
    }

    /// Removes members, by user id, from a group.
    ///
    /// Entra names them in `value`, which RFC 7644 does not know; the others filter in the path.
    pub async fn remove_members(&self, group: &str, members: &[&str]) -> anyhow::Result<Call> {
        let operations: Vec<Value> = match self.dialect {
            Dialect::Entra => {
                let values: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
                vec![json!({"op": "Remove", "path": "members", "value": values})]
            }
            Dialect::Okta | Dialect::Standard => members
                .iter()
                .map(|id| json!({"op": "remove", "path": format!("members[value eq \"{id}\"]")}))
                .collect(),
        };
        self.patch(&format!("/Groups/{group}"), &operations).await
    }

    /// Any request below the base URL, for what the methods above do not say.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Call> {
        let url = format!("{}{path}", self.base_url);
        let mut request = self
            .http
            .raw()
            .request(method.clone(), &url)
            .bearer_auth(&self.token)
            .header(ACCEPT, "application/scim+json");
        if let Some(body) = body {
            request = request
                .header(CONTENT_TYPE, "application/scim+json")
                .body(body.to_string());
        }
        let sent = Instant::now();
        let answer = answer(request)
            .await
            .with_context(|| format!("{method} {url}"))?;
        let duration = sent.elapsed();
        Ok(Call {
            method: method.to_string(),
            path: path.to_owned(),
            status: answer.status,
            milliseconds: duration.as_secs_f64() * 1000.0,
            body: answer.body,
            sent,
            duration,
        })
    }

    async fn patch(&self, path: &str, operations: &[Value]) -> anyhow::Result<Call> {
        let body = json!({"schemas": [PATCH_OP], "Operations": operations});
        self.call(Method::PATCH, path, Some(&body)).await
    }

    fn op(&self, name: &'static str) -> &'static str {
        match (self.dialect, name) {
            (Dialect::Entra, "replace") => "Replace",
            (Dialect::Entra, "add") => "Add",
            (_, name) => name,
        }
    }
}

/// A path with a filter `attribute eq "value"` in its query (RFC 7644 §3.4.2.2).
fn filter(path: &str, attribute: &str, value: &str) -> String {
    let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
    let filter = format!("{attribute} eq \"{quoted}\"");
    let encoded: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
    // A space as `+` is form encoding, which URI queries outside of forms do not know.
    let encoded = encoded.replace('+', "%20");
    let separator = if path.contains('?') { '&' } else { '?' };
    format!("{path}{separator}filter={encoded}")
}
