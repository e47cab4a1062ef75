use vestibule_core::{OperatorId, Timestamp, email_key};

use crate::{ReadTx, Result, WriteTx, query::query, row::text};

/// A person who runs this installation.
#[derive(Debug, Clone)]
pub struct Operator {
    /// Their id.
    pub id: OperatorId,
    /// Their address, which they sign in with.
    pub email: String,
    /// The hash of their password.
    pub phc: String,
    /// Whether they may sign in.
    pub active: bool,
    /// Goes up with everything that ends their sign-ins and keys.
    pub epoch: i64,
    /// When they were added.
    pub created_at: Timestamp,
    /// When they were last changed.
    pub updated_at: Timestamp,
}

macro_rules! columns {
    () => {
        "r.id, r.email, r.phc, r.active, r.epoch, r.created_at, r.updated_at"
    };
}

from_row!(Operator, row => Operator {
    id: row.id("id")?,
    email: row.get("email")?,
    phc: row.get("phc")?,
    active: row.get("active")?,
    epoch: row.get("epoch")?,
    created_at: row.time("created_at")?,
    updated_at: row.time("updated_at")?,
});

impl ReadTx {
    /// The operator with an address.
    pub async fn find_operator_by_email(&mut self, email: &str) -> Result<Option<Operator>> {
        query(concat!(
            "SELECT ",
            columns!(),
            " FROM operators r WHERE r.email_key = $1"
        ))
        .bind(email_key(email))
        .fetch_optional(self)
        .await
    }

    /// Operators in the order of their making, after one where wanted.
    pub async fn list_operators(
        &mut self,
        after: Option<OperatorId>,
        limit: i64,
    ) -> Result<Vec<Operator>> {
        query(concat!(
            "SELECT ",
            columns!(),
            " FROM operators r WHERE (CAST($1 AS TEXT) IS NULL OR r.id > $1) ORDER BY r.id LIMIT $2"
        ))
        .bind(text(after))
        .bind(limit)
        .fetch_all(self)
        .await
    }
}

impl WriteTx {
    /// Adds an operator. An error that [`is_taken`](crate::Error::is_taken) means that the address is.
    pub async fn add_operator(&mut self, email: &str, phc: &str) -> Result<Operator> {
        let now = self.now();
        let operator = Operator {
            id: self.generator().id(now),
            email: email.to_owned(),
            phc: phc.to_owned(),
            active: true,
            epoch: 1,
            created_at: now,
            updated_at: now,
        };
        query(
            "INSERT INTO operators (id, email, email_key, phc, active, epoch, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7)")
            .bind(operator.id.to_string())
            .bind(email)
            .bind(email_key(email))
            .bind(phc)
            .bind(operator.active)
            .bind(operator.epoch)
            .bind(now.micros())
            .execute(self)
            .await?;
        Ok(operator)
    }

    /// Changes an operator's password; what they were given before is over.
    pub async fn set_operator_password(&mut self, id: OperatorId, phc: &str) -> Result<()> {
        let now = self.now().micros();
        query("UPDATE operators SET phc = $2, epoch = epoch + 1, updated_at = $3 WHERE id = $1")
            .bind(id.to_string())
            .bind(phc)
            .bind(now)
            .execute(self)
            .await?;
        Ok(())
    }
}
