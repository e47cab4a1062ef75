//! The admin API, as far as the demo needs it.

use serde_json::Value;
use url::Url;

use crate::http::{Http, join};

/// A caller of Vestibule's admin API.
#[derive(Debug, Clone)]
pub(super) struct AdminApi {
    http: Http,
    base: Url,
    key: String,
}

/// What Vestibule knows about a user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// None: there is no such user.
    pub(super) active: Option<bool>,
    /// How many browser sessions live.
    pub(super) sessions: usize,
}

impl AdminApi {
    pub(super) fn new(http: Http, vestibule_url: &Url, key: &str) -> Self {
        Self {
            http,
            base: vestibule_url.clone(),
            key: key.to_owned(),
        }
    }

    /// Creates a thing and returns it.
    pub(super) async fn create(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let answer = self
            .http
            .post_json(&self.url(path), Some(&self.key), body)
            .await?;
        answer.success(&format!("POST /api/v1{path}"))
    }

    /// What is known about a user right now.
    pub(super) async fn known(&self, user_id: &str) -> anyhow::Result<Known> {
        let user = self.get(&format!("/users/{user_id}")).await?;
        let Some(user) = user else {
            return Ok(Known::default());
        };
        let sessions = self.get(&format!("/users/{user_id}/sessions")).await?;
        let sessions = sessions
            .as_ref()
            .and_then(|list| list.get("data"))
            .and_then(Value::as_array)
            .map_or(0, |list| {
                list.iter().filter(|session| is_live(session)).count()
            });
        Ok(Known {
            active: user.get("active").and_then(Value::as_bool),
            sessions,
        })
    }

    async fn get(&self, path: &str) -> anyhow::Result<Option<Value>> {
        let answer = self.http.get_json(&self.url(path), Some(&self.key)).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        answer.success(&format!("GET /api/v1{path}")).map(Some)
    }

    fn url(&self, path: &str) -> String {
        join(&self.base, &format!("/api/v1{path}"))
    }
}

fn is_live(session: &Value) -> bool {
    session.get("ended_at").is_none_or(Value::is_null)
}
