//! How an organization's pages look, on the wire.

use serde::{Deserialize, Serialize};
use vestibule_engine::admin::{BrandingChange, Logo, OrganizationBrand};

use crate::api::body::{Nullable, nullable};

/// How its pages look; what is null is the installation's.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BrandingInput {
    /// The name on its pages; null is `name`.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    display_name: Nullable<String>,
    /// The color of buttons and links; text on it is black or white, whichever is read better.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, example = "#3355d1")]
    color: Nullable<String>,
}

impl From<BrandingInput> for BrandingChange {
    fn from(input: BrandingInput) -> Self {
        Self {
            display_name: input.display_name,
            color: input.color,
        }
    }
}

/// How an organization's pages look.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct BrandingView {
    display_name: Option<String>,
    color: Option<String>,
    logo: Option<LogoView>,
}

/// The logo on an organization's pages.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct LogoView {
    /// Another image has another id.
    id: String,
    media_type: String,
    width: i64,
    height: i64,
}

impl From<OrganizationBrand> for BrandingView {
    fn from(brand: OrganizationBrand) -> Self {
        Self {
            display_name: brand.display_name,
            color: brand.color.map(|color| color.to_string()),
            logo: brand.logo.map(Into::into),
        }
    }
}

impl From<Logo> for LogoView {
    fn from(logo: Logo) -> Self {
        Self {
            id: logo.id,
            media_type: logo.media_type,
            width: logo.width,
            height: logo.height,
        }
    }
}
