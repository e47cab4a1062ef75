use serde_json::json;
use vestibule_core::{ApiKeyId, ApiScope, OrganizationId, Resource, Secret, Timestamp};
use vestibule_store::{ApiKey, ApiKeyMaker, NewApiKey};

use super::{Actor, AdminError, Done, Result, check, visible};
use crate::Engine;

/// What a key of the admin API is made of.
#[derive(Debug)]
pub struct ApiKeyRequest {
    /// What it is for.
    pub name: String,
    /// What it may do; never more than who makes it.
    pub scopes: Vec<ApiScope>,
    /// The one organization that it is bound to.
    pub organization_id: Option<OrganizationId>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// A key that was made just now.
#[derive(Debug)]
pub struct MadeApiKey {
    /// The key, in clear this once.
    pub key: Secret,
    /// What is kept of it.
    pub stored: ApiKey,
}

impl Engine {
    /// Makes a key of the admin API. It can do no more, see no more and live no longer than the key that makes it.
    pub async fn add_api_key(
        &self,
        actor: &Actor,
        new: ApiKeyRequest,
        now: Timestamp,
    ) -> Result<MadeApiKey> {
        actor.may_write(Resource::ApiKeys)?;
        let name = check::name("name", &new.name)?;
        if new.organization_id.is_none() {
            actor.is_unbound()?;
        }
        check_scopes(actor, &new.scopes)?;
        let expires_at = checked_expiry(actor, new.expires_at, now)?;
        let mut tx = self.store().write(now).await?;
        if let Some(organization_id) = new.organization_id {
            visible(&mut tx, actor, organization_id).await?;
        }
        let key = tx.generator().token("vak_");
        let stored = tx
            .add_api_key(&NewApiKey {
                name: &name,
                hash: key.hash(),
                scopes: &new.scopes,
                organization_id: new.organization_id,
                expires_at,
                maker: actor
                    .key_id
                    .map_or(ApiKeyMaker::Installation, ApiKeyMaker::Key),
            })
            .await?;
        let done = Done {
            organization_id: stored.organization_id,
            action: "api_key.create",
            subject: stored.id.to_string(),
            data: json!({ "name": name, "scopes": stored.scopes, "expires_at": stored.expires_at }),
        };
        actor.audit(&mut tx, done).await?;
        tx.commit().await?;
        Ok(MadeApiKey { key, stored })
    }

    /// Keys that the actor may see, in the order of their making, revoked ones left out.
    pub async fn list_api_keys(
        &self,
        actor: &Actor,
        after: Option<ApiKeyId>,
        limit: i64,
        now: Timestamp,
    ) -> Result<Vec<ApiKey>> {
        actor.may_read(Resource::ApiKeys)?;
        Ok(self
            .store()
            .read(now)
            .await?
            .list_api_keys(actor.organization_id, after, limit)
            .await?)
    }

    /// One key that is not revoked.
    pub async fn read_api_key(
        &self,
        actor: &Actor,
        id: ApiKeyId,
        now: Timestamp,
    ) -> Result<ApiKey> {
        actor.may_read(Resource::ApiKeys)?;
        let key = self
            .store()
            .read(now)
            .await?
            .find_api_key(id)
            .await?
            .ok_or(AdminError::NotFound)?;
        actor.sees_optional(key.organization_id)?;
        Ok(key)
    }

    /// Revokes a key.
    pub async fn revoke_api_key(&self, actor: &Actor, id: ApiKeyId, now: Timestamp) -> Result<()> {
        actor.may_write(Resource::ApiKeys)?;
        let mut tx = self.store().write(now).await?;
        let key = tx.find_api_key(id).await?.ok_or(AdminError::NotFound)?;
        actor.sees_optional(key.organization_id)?;
        if !tx.revoke_api_key(id).await? {
            return Err(AdminError::NotFound);
        }
        let organization_id = key.organization_id;
        let done = Done {
            organization_id,
            action: "api_key.revoke",
            subject: id.to_string(),
            data: json!({ "name": key.name }),
        };
        actor.audit(&mut tx, done).await?;
        tx.commit().await?;
        Ok(())
    }
}

fn check_scopes(actor: &Actor, scopes: &[ApiScope]) -> Result<()> {
    if scopes.is_empty() {
        return Err(AdminError::invalid(
            "scopes",
            "needs at least one scope, such as users:read or *",
        ));
    }
    let is_covered = |wanted: &ApiScope| match wanted {
        ApiScope::All => actor.scopes.contains(&ApiScope::All),
        ApiScope::One(resource, access) => actor
            .scopes
            .iter()
            .any(|own| own.allows(*resource, *access)),
    };
    match scopes.iter().find(|wanted| !is_covered(wanted)) {
        None => Ok(()),
        Some(wanted) => Err(AdminError::Forbidden {
            detail: format!("the key lacks the scope {wanted} and cannot give it on"),
        }),
    }
}

fn checked_expiry(
    actor: &Actor,
    wanted: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<Timestamp>> {
    if wanted.is_some_and(|expires_at| expires_at <= now) {
        return Err(AdminError::invalid("expires_at", "must lie ahead"));
    }
    match (wanted, actor.expires_at) {
        (Some(wanted), Some(own)) if wanted > own => Err(AdminError::invalid(
            "expires_at",
            "must not be later than the end of the key that makes it",
        )),
        (None, Some(own)) => Ok(Some(own)),
        (wanted, _) => Ok(wanted),
    }
}
