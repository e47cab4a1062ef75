use sqlx::types::Json;
use vestibule_core::{Domain, OrganizationId, Policy, Timestamp};

use crate::{ReadTx, Result, WriteTx};

/// A customer of the SaaS product.
#[derive(Debug, Clone)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// Its name, as people see it.
    pub name: String,
    /// The SaaS product's own id of this customer.
    pub external_id: Option<String>,
    /// Whether its people may sign in.
    pub active: bool,
    /// Goes up with everything that ends all of its sign-ins.
    pub epoch: i64,
    /// What it decides about sign-ins.
    pub policy: Policy,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

macro_rules! columns {
    () => {
        "o.id, o.name, o.external_id, o.active, o.epoch, o.policy, o.created_at, o.updated_at"
    };
}

from_row!(Organization, row => Organization {
    id: row.id("id")?,
    name: row.try_get("name")?,
    external_id: row.try_get("external_id")?,
    active: row.try_get("active")?,
    epoch: row.try_get("epoch")?,
    policy: row.try_get::<Json<Policy>, _>("policy")?.0,
    created_at: row.time("created_at")?,
    updated_at: row.time("updated_at")?,
});

/// A domain that an organization named.
#[derive(Debug, Clone)]
pub struct OrganizationDomain {
    /// The domain, in lower case.
    pub domain: String,
    /// What the TXT record has to say.
    pub txt_token: String,
    /// When the organization proved that the domain is its own.
    pub verified_at: Option<Timestamp>,
}

from_row!(OrganizationDomain, row => OrganizationDomain {
    domain: row.try_get("domain")?,
    txt_token: row.try_get("txt_token")?,
    verified_at: row.time_or_null("verified_at")?,
});

impl ReadTx {
    /// An organization that is not deleted.
    pub async fn find_organization(&mut self, id: OrganizationId) -> Result<Option<Organization>> {
        Ok(
            each!(self, c => sqlx::query_as(concat!("SELECT ", columns!(), " FROM organizations o WHERE o.id = $1 AND o.deleted_at IS NULL"))
            .bind(id.to_string())
            .fetch_optional(&mut *c)
            .await?),
        )
    }

    /// The active organization that has verified a domain.
    pub async fn find_organization_by_domain(
        &mut self,
        domain: &str,
    ) -> Result<Option<Organization>> {
        Ok(each!(self, c => sqlx::query_as(concat!(
            "SELECT ", columns!(), " FROM domains d JOIN organizations o ON o.id = d.organization_id AND o.active AND o.deleted_at IS NULL
             WHERE d.domain = $1 AND d.verified_at IS NOT NULL"))
            .bind(domain)
            .fetch_optional(&mut *c)
            .await?))
    }

    /// Whether an organization has verified a domain.
    pub async fn has_verified_domain(&mut self, id: OrganizationId, domain: &str) -> Result<bool> {
        let found: Option<String> = each!(self, c => sqlx::query_scalar(
            "SELECT domain FROM domains WHERE organization_id = $1 AND domain = $2 AND verified_at IS NOT NULL")
            .bind(id.to_string())
            .bind(domain)
            .fetch_optional(&mut *c)
            .await?);
        Ok(found.is_some())
    }

    /// The domains of an organization.
    pub async fn list_domains(&mut self, id: OrganizationId) -> Result<Vec<OrganizationDomain>> {
        Ok(each!(self, c => sqlx::query_as(
            "SELECT domain, txt_token, verified_at FROM domains WHERE organization_id = $1 ORDER BY domain LIMIT 1000")
            .bind(id.to_string())
            .fetch_all(&mut *c)
            .await?))
    }
}

impl WriteTx {
    /// Adds a domain; one that is verified belongs to nobody else, else the error [`is_taken`](crate::Error::is_taken).
    pub async fn add_domain(
        &mut self,
        id: OrganizationId,
        domain: &Domain,
        txt_token: &str,
        verified: Option<Timestamp>,
    ) -> Result<()> {
        let now = self.now().micros();
        run!(self, c => sqlx::query(
            "INSERT INTO domains (organization_id, domain, txt_token, verified_at, created_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(id.to_string())
            .bind(domain.as_str())
            .bind(txt_token)
            .bind(verified.map(Timestamp::micros))
            .bind(now)
            .execute(&mut *c)
            .await?);
        Ok(())
    }
}
