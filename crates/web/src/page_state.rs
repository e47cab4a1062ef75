//! tower-sessions on our own store, for anonymous page state only.
//!
//! Its `save` never inserts: a request in flight cannot bring back what another one ended. Authority lives elsewhere,
//! in sign-ins that the store's liveness query answers for.

use std::collections::HashMap;

use async_trait::async_trait;
use serde_json::Map;
use time::OffsetDateTime;
use tower_sessions::{
    Expiry, SessionManagerLayer, SessionStore,
    cookie::SameSite,
    session::{Id, Record},
    session_store::{Error, Result},
};
use vestibule_core::{SecretHash, Timestamp};
use vestibule_engine::{Clock, Engine, Fault};

use crate::Web;

const LIFETIME: time::Duration = time::Duration::hours(2);

/// The layer for routes whose pages have forms.
pub(crate) fn layer(web: &Web) -> SessionManagerLayer<PageStates> {
    SessionManagerLayer::new(PageStates {
        engine: web.engine.clone(),
        clock: web.clock.clone(),
    })
    .with_name(web.cookies.page.clone())
    .with_secure(web.cookies.is_secure())
    .with_http_only(true)
    .with_same_site(SameSite::Lax)
    .with_path("/")
    .with_expiry(Expiry::OnInactivity(LIFETIME))
}

#[derive(Clone, Debug)]
pub(crate) struct PageStates {
    engine: Engine,
    clock: Clock,
}

fn key(id: Id) -> SecretHash {
    SecretHash::of(&id.0.to_be_bytes())
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that `map_err` wants"
)]
fn failed(fault: Fault) -> Error {
    Error::Backend(fault.to_string())
}

fn expiry(record: &Record) -> Timestamp {
    Timestamp::from_unix_seconds(record.expiry_date.unix_timestamp())
}

fn data(record: &Record) -> Map<String, serde_json::Value> {
    record.data.clone().into_iter().collect()
}

#[async_trait]
impl SessionStore for PageStates {
    async fn create(&self, record: &mut Record) -> Result<()> {
        loop {
            if self
                .engine
                .add_page_state(
                    key(record.id),
                    &data(record),
                    expiry(record),
                    self.clock.now(),
                )
                .await
                .map_err(failed)?
            {
                return Ok(());
            }
            record.id = Id::default();
        }
    }

    async fn save(&self, record: &Record) -> Result<()> {
        self.engine
            .set_page_state(
                key(record.id),
                &data(record),
                expiry(record),
                self.clock.now(),
            )
            .await
            .map_err(failed)
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let found = self
            .engine
            .find_page_state(key(*id), self.clock.now())
            .await
            .map_err(failed)?;
        Ok(found.map(|(data, expires_at)| Record {
            id: *id,
            data: data.into_iter().collect::<HashMap<_, _>>(),
            expiry_date: OffsetDateTime::from_unix_timestamp(expires_at.unix_seconds())
                .unwrap_or(OffsetDateTime::UNIX_EPOCH),
        }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.engine
            .delete_page_state(key(*id), self.clock.now())
            .await
            .map_err(failed)
    }
}
