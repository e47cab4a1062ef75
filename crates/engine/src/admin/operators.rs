//! The people who run an installation.

use serde_json::json;
use vestibule_core::{Resource, Secret, Timestamp};
use vestibule_store::Operator;

use super::{Actor, Result, taken};
use crate::Engine;

impl Engine {
    /// Adds an operator, who can make keys and is therefore made only by who may make any key.
    pub async fn add_operator(
        &self,
        actor: &Actor,
        email: &str,
        password: Secret,
        now: Timestamp,
    ) -> Result<Operator> {
        actor.is_unbound()?;
        actor.may_write(Resource::ApiKeys)?;
        let phc = self.hash_password(password).await?;
        let mut tx = self.store().write(now).await?;
        let operator = tx.add_operator(email, &phc).await.map_err(taken(
            "an operator with this address exists already; choose another address",
        ))?;
        let (id, data) = (operator.id.to_string(), json!({ "email": email }));
        tx.add_audit(None, &actor.name, "operator.create", &id, &data)
            .await?;
        tx.commit().await?;
        Ok(operator)
    }
}
