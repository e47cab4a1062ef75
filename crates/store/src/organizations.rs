use vestibule_core::{Color, Domain, OrganizationId, Policy, Timestamp};

use crate::{
    Error, ReadTx, Result, WriteTx,
    query::query,
    row::{Json, text},
};

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
    /// How its pages look.
    pub brand: OrganizationBrand,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// How an organization's pages look; what is absent is the installation's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrganizationBrand {
    /// The name on its pages; none: the organization's name.
    pub display_name: Option<String>,
    /// The color of buttons and links.
    pub color: Option<Color>,
    /// The logo, without the image.
    pub logo: Option<Logo>,
}

/// A logo, without the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logo {
    /// The start of the image's SHA-256, in hexadecimal: another image has another address.
    pub id: String,
    /// Its media type, as found in the image itself.
    pub media_type: String,
    /// Its width in pixels.
    pub width: i64,
    /// Its height in pixels.
    pub height: i64,
}

macro_rules! columns {
    () => {
        "o.id, o.name, o.external_id, o.active, o.epoch, o.policy, o.brand_name, o.brand_color,
         o.logo_id, o.logo_type, o.logo_width, o.logo_height, o.created_at, o.updated_at"
    };
}

from_row!(Organization, row => Organization {
    id: row.id("id")?,
    name: row.get("name")?,
    external_id: row.get("external_id")?,
    active: row.get("active")?,
    epoch: row.get("epoch")?,
    policy: row.get::<Json<Policy>>("policy")?.0,
    brand: OrganizationBrand {
        display_name: row.get("brand_name")?,
        color: row
            .get::<Option<String>>("brand_color")?
            .map(|text| text.parse().map_err(|_| Error::corrupt("brand_color")))
            .transpose()?,
        logo: match row.get::<Option<String>>("logo_id")? {
            Some(id) => Some(Logo {
                id,
                media_type: row.get("logo_type")?,
                width: row.get("logo_width")?,
                height: row.get("logo_height")?,
            }),
            None => None,
        },
    },
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
    domain: row.get("domain")?,
    txt_token: row.get("txt_token")?,
    verified_at: row.time_or_null("verified_at")?,
});

impl ReadTx {
    /// An organization that is not deleted.
    pub async fn find_organization(&mut self, id: OrganizationId) -> Result<Option<Organization>> {
        query(concat!(
            "SELECT ",
            columns!(),
            " FROM organizations o WHERE o.id = $1 AND o.deleted_at IS NULL"
        ))
        .bind(id.to_string())
        .fetch_optional(self)
        .await
    }

    /// The active organization that has verified a domain.
    pub async fn find_organization_by_domain(
        &mut self,
        domain: &str,
    ) -> Result<Option<Organization>> {
        query(concat!(
            "SELECT ", columns!(), " FROM domains d JOIN organizations o ON o.id = d.organization_id AND o.active AND o.deleted_at IS NULL
             WHERE d.domain = $1 AND d.verified_at IS NOT NULL"))
            .bind(domain)
            .fetch_optional(self)
            .await
    }

    /// Whether an organization has verified a domain.
    pub async fn has_verified_domain(&mut self, id: OrganizationId, domain: &str) -> Result<bool> {
        let found: Option<String> = query(
            "SELECT domain FROM domains WHERE organization_id = $1 AND domain = $2 AND verified_at IS NOT NULL")
            .bind(id.to_string())
            .bind(domain)
            .fetch_optional(self)
            .await?;
        Ok(found.is_some())
    }

    /// Organizations in the order of their making, after one where wanted; of one, only that one.
    pub async fn list_organizations(
        &mut self,
        only: Option<OrganizationId>,
        after: Option<OrganizationId>,
        limit: i64,
    ) -> Result<Vec<Organization>> {
        query(concat!(
            "SELECT ", columns!(), " FROM organizations o WHERE o.deleted_at IS NULL AND (CAST($1 AS TEXT) IS NULL OR o.id = $1)
             AND (CAST($2 AS TEXT) IS NULL OR o.id > $2) ORDER BY o.id LIMIT $3"))
            .bind(text(only))
            .bind(text(after))
            .bind(limit)
            .fetch_all(self)
            .await
    }

    /// The organization that the SaaS product knows under this id of its own.
    pub async fn find_organization_by_external_id(
        &mut self,
        external_id: &str,
    ) -> Result<Option<Organization>> {
        query(concat!(
            "SELECT ",
            columns!(),
            " FROM organizations o WHERE o.external_id = $1 AND o.deleted_at IS NULL"
        ))
        .bind(external_id)
        .fetch_optional(self)
        .await
    }

    /// The image of an organization's logo and its media type, while the logo is the one with this id.
    pub async fn find_logo_image(
        &mut self,
        id: OrganizationId,
        logo_id: &str,
    ) -> Result<Option<(String, Vec<u8>)>> {
        query(
            "SELECT o.logo_type, l.image FROM organizations o JOIN organization_logos l ON l.organization_id = o.id
             WHERE o.id = $1 AND o.logo_id = $2 AND o.deleted_at IS NULL")
            .bind(id.to_string())
            .bind(logo_id)
            .fetch_optional(self)
            .await
    }

    /// The domains of an organization.
    pub async fn list_domains(&mut self, id: OrganizationId) -> Result<Vec<OrganizationDomain>> {
        query(
            "SELECT domain, txt_token, verified_at FROM domains WHERE organization_id = $1 ORDER BY domain LIMIT 1000")
            .bind(id.to_string())
            .fetch_all(self)
            .await
    }
}

impl WriteTx {
    /// Makes an organization. An error that [`is_taken`](crate::Error::is_taken) means that the external id is.
    pub async fn add_organization(
        &mut self,
        name: &str,
        external_id: Option<&str>,
        policy: &Policy,
    ) -> Result<Organization> {
        let now = self.now();
        let organization = Organization {
            id: self.generator().id(now),
            name: name.to_owned(),
            external_id: external_id.map(str::to_owned),
            active: true,
            epoch: 1,
            policy: policy.clone(),
            brand: OrganizationBrand::default(),
            created_at: now,
            updated_at: now,
        };
        query(
            "INSERT INTO organizations (id, name, external_id, active, epoch, policy, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7)")
            .bind(organization.id.to_string())
            .bind(name)
            .bind(external_id)
            .bind(organization.active)
            .bind(organization.epoch)
            .bind(Json(policy))
            .bind(now.micros())
            .execute(self)
            .await?;
        Ok(organization)
    }

    /// Reads an organization whose row, connections, directories or domains are going to be changed; others who do wait.
    pub async fn lock_organization(&mut self, id: OrganizationId) -> Result<Option<Organization>> {
        query("UPDATE organizations SET epoch = epoch WHERE id = $1 AND deleted_at IS NULL")
            .bind(id.to_string())
            .execute(self)
            .await?;
        self.find_organization(id).await
    }

    /// Changes an organization that was read under [`lock_organization`](Self::lock_organization).
    ///
    /// Whoever changes `active` ends the organization's credentials beside it.
    /// An error that [`is_taken`](crate::Error::is_taken) means that the external id is.
    pub async fn set_organization(&mut self, organization: &Organization) -> Result<()> {
        let now = self.now().micros();
        query(
            "UPDATE organizations SET name = $2, external_id = $3, active = $4, policy = $5, brand_name = $6, brand_color = $7,
             updated_at = $8 WHERE id = $1")
            .bind(organization.id.to_string())
            .bind(&organization.name)
            .bind(&organization.external_id)
            .bind(organization.active)
            .bind(Json(&organization.policy))
            .bind(&organization.brand.display_name)
            .bind(organization.brand.color.map(|color| color.to_string()))
            .bind(now)
            .execute(self)
            .await?;
        Ok(())
    }

    /// Gives an organization its logo in the place of another one.
    pub async fn set_logo(&mut self, id: OrganizationId, logo: &Logo, image: &[u8]) -> Result<()> {
        let (now, id) = (self.now().micros(), id.to_string());
        query(
            "INSERT INTO organization_logos (organization_id, image, created_at) VALUES ($1, $2, $3)
             ON CONFLICT (organization_id) DO UPDATE SET image = EXCLUDED.image, created_at = EXCLUDED.created_at")
            .bind(&id)
            .bind(image)
            .bind(now)
            .execute(self)
            .await?;
        query(
            "UPDATE organizations SET logo_id = $2, logo_type = $3, logo_width = $4, logo_height = $5, updated_at = $6 WHERE id = $1")
            .bind(&id)
            .bind(&logo.id)
            .bind(&logo.media_type)
            .bind(logo.width)
            .bind(logo.height)
            .bind(now)
            .execute(self)
            .await?;
        Ok(())
    }

    /// Takes an organization's logo away; false when it has none.
    pub async fn remove_logo(&mut self, id: OrganizationId) -> Result<bool> {
        let (now, id) = (self.now().micros(), id.to_string());
        query("DELETE FROM organization_logos WHERE organization_id = $1")
            .bind(&id)
            .execute(self)
            .await?;
        let removed = query(
            "UPDATE organizations SET logo_id = NULL, logo_type = NULL, logo_width = NULL, logo_height = NULL, updated_at = $2
             WHERE id = $1 AND logo_id IS NOT NULL")
            .bind(&id)
            .bind(now)
            .execute(self)
            .await?;
        Ok(removed == 1)
    }

    /// Leaves a tombstone of an organization and frees its domains; the caller ends its credentials beside it.
    pub async fn delete_organization(&mut self, id: OrganizationId) -> Result<()> {
        let (now, id) = (self.now().micros(), id.to_string());
        {
            query("UPDATE organizations SET active = FALSE, deleted_at = $2, updated_at = $2 WHERE id = $1")
                .bind(&id)
                .bind(now)
                .execute(self)
                .await?;
            for statement in [
                "DELETE FROM domains WHERE organization_id = $1",
                "DELETE FROM organization_logos WHERE organization_id = $1",
            ] {
                query(statement).bind(&id).execute(self).await?;
            }
            query("UPDATE webhooks SET active = FALSE, deleted_at = $2, updated_at = $2 WHERE organization_id = $1 AND deleted_at IS NULL")
                .bind(&id)
                .bind(now)
                .execute(self)
                .await?;
        };
        Ok(())
    }

    /// Notes that a domain is proven; false when the organization has not named it.
    /// An error that [`is_taken`](crate::Error::is_taken) means that another organization has proven it.
    pub async fn set_domain_verified(&mut self, id: OrganizationId, domain: &str) -> Result<bool> {
        let now = self.now().micros();
        let changed = query(
            "UPDATE domains SET verified_at = COALESCE(verified_at, $3) WHERE organization_id = $1 AND domain = $2")
            .bind(id.to_string())
            .bind(domain)
            .bind(now)
            .execute(self)
            .await?;
        Ok(changed == 1)
    }

    /// Removes a domain; false when the organization has not named it.
    pub async fn remove_domain(&mut self, id: OrganizationId, domain: &str) -> Result<bool> {
        let removed = query("DELETE FROM domains WHERE organization_id = $1 AND domain = $2")
            .bind(id.to_string())
            .bind(domain)
            .execute(self)
            .await?;
        Ok(removed == 1)
    }

    /// Adds a domain; one that is verified belongs to nobody else, else the error [`is_taken`](crate::Error::is_taken).
    pub async fn add_domain(
        &mut self,
        id: OrganizationId,
        domain: &Domain,
        txt_token: &str,
        verified: Option<Timestamp>,
    ) -> Result<()> {
        let now = self.now().micros();
        query(
            "INSERT INTO domains (organization_id, domain, txt_token, verified_at, created_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(id.to_string())
            .bind(domain.as_str())
            .bind(txt_token)
            .bind(verified.map(Timestamp::micros))
            .bind(now)
            .execute(self)
            .await?;
        Ok(())
    }
}
