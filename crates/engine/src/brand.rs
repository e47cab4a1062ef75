//! How the pages of an organization look.

use vestibule_core::{Color, OrganizationId, Timestamp};
use vestibule_store::{Logo, Organization, ReadTx};

use crate::{Engine, Fault};

/// How the pages of an organization look.
#[derive(Debug, Clone)]
pub struct Brand {
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// The name on the pages.
    pub name: String,
    /// The color of buttons and links; none: the installation's.
    pub color: Option<Color>,
    /// The logo, without the image.
    pub logo: Option<Logo>,
}

impl Brand {
    /// The brand of an organization; none when it is not known or not there.
    pub(crate) async fn find(
        tx: &mut ReadTx,
        organization_id: Option<OrganizationId>,
    ) -> Result<Option<Self>, Fault> {
        let Some(id) = organization_id else {
            return Ok(None);
        };
        Ok(tx.find_organization(id).await?.map(Self::from))
    }
}

impl From<Organization> for Brand {
    fn from(organization: Organization) -> Self {
        let brand = organization.brand;
        Self {
            organization_id: organization.id,
            name: brand.display_name.unwrap_or(organization.name),
            color: brand.color,
            logo: brand.logo,
        }
    }
}

impl Engine {
    /// The brand of an organization.
    pub async fn brand_of(
        &self,
        organization_id: OrganizationId,
        now: Timestamp,
    ) -> Result<Option<Brand>, Fault> {
        let mut tx = self.store().read(now).await?;
        Brand::find(&mut tx, Some(organization_id)).await
    }

    /// The image of an organization's logo and its media type, while the logo is the one with this id.
    pub async fn logo_image(
        &self,
        organization_id: OrganizationId,
        logo_id: &str,
        now: Timestamp,
    ) -> Result<Option<(String, Vec<u8>)>, Fault> {
        let mut tx = self.store().read(now).await?;
        Ok(tx.find_logo_image(organization_id, logo_id).await?)
    }
}
