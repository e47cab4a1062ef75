//! What operators do through the admin API: one function is one transaction, and each change leaves an audit row.
//!
//! Who may do what is decided here and nowhere above: every use case takes the [`Actor`], checks its scope, and answers
//! for another organization's row as for one that does not exist.

mod api_keys;
mod applications;
mod break_glass;
mod check;
mod connections;
mod consents;
mod deliveries;
mod directories;
mod directory_clients;
mod directory_tokens;
mod events;
mod idempotency;
mod ipsie;
mod operators;
mod organizations;
mod receipts;
mod records;
mod sessions;
mod user_attributes;
mod users;
mod webhooks;

use serde_json::Value;
use vestibule_core::{
    Access, ApiKeyId, ApiScope, InvalidDomain, OrganizationId, Resource, Secret, SecretHash,
    Timestamp,
};
use vestibule_store::{ReadTx, WriteTx};

use crate::{Engine, Fault};

pub use crate::provisioning::{AttributeMapping, DirectorySchema, DirectorySettings, SchemaOf};
pub use crate::saml::metadata::MetadataChanges;
pub use api_keys::{ApiKeyRequest, MadeApiKey};
pub use applications::{ApplicationChange, MadeApplication};
pub use break_glass::MadeBreakGlassLink;
pub use connections::{
    CertificateDetails, ConnectionChange, ConnectionDetails, Join, OidcChange, PollClientChange,
    Rotation, SamlChange, SamlDetails, SamlParts, SamlSource, SignalSourceChange,
    SignalSourceDetails, SsoBinding,
};
pub use deliveries::{DeliveryHistory, ReplayPoint, ReplayRange, Replayed};
pub use directories::{
    DirectoryChange, DirectoryDetails, DirectoryHealth, ExternalIdFinding, FormerUsers,
    GuardChange, HeldValues, LookupChange, NewRoleMapping, Release, RoleMappingChange,
    SettingsChange,
};
pub use directory_clients::DirectoryClientChange;
pub use directory_tokens::{DirectoryTokenChange, MadeDirectoryToken};
pub(crate) use events::Listeners;
pub use events::{EventStream, EventsWanted, Heard};
pub use idempotency::{IdempotencyKey, Idempotent};
pub use organizations::{BrandingChange, OrganizationChange, OrganizationDetails, PolicyChange};
pub use receipts::{Receipt, ReceiptState, due_at};
pub use users::UserChange;
pub use vestibule_store::{
    AdoptionConflict, AdoptionCounts, AdoptionSide, ApiKey, Application, AuditEntry,
    CertificateSource, ConflictKind, ConflictPlace, Connection, ConnectionKey, ConnectionMetadata,
    Consent, DeadLetter, DeadLetterQuery, Delivery, DeliveryAttempt, Destination, Directory,
    DirectoryClient, DirectoryGuard, DirectoryLookup, DirectoryToken, Event, Job, KeyPurpose,
    KeyState, LoginRecord, Logo, LookupKind, Offboarding, Operator, OrganizationBrand,
    OrganizationDomain, ProvisioningQuery, ProvisioningRecord, ReceiptApplication, ReceivedSignal,
    RoleMapping, SignalMethod, SignalSource, StoredSigningKey, User, UserSession, Webhook,
};
pub use webhooks::{MadeWebhook, WEBHOOK_SECRET_PLACE, WebhookChange};

/// Who asks: a key of the admin API, or the command line.
#[derive(Debug, Clone)]
pub struct Actor {
    /// As the audit log names it, such as `api_key:key_…`.
    pub name: String,
    /// The stored key, where there is one.
    pub key_id: Option<ApiKeyId>,
    /// The one organization that it may see, if it is bound to one.
    pub organization_id: Option<OrganizationId>,
    /// What it may do.
    pub scopes: Vec<ApiScope>,
    /// When it ends, if it does; what it makes for itself ends no later.
    pub expires_at: Option<Timestamp>,
}

/// Why a use case of the admin API did nothing.
#[derive(Debug)]
pub enum AdminError {
    /// There is no such row that the actor may see.
    NotFound,
    /// The actor may not do this, whatever the row.
    Forbidden {
        /// What it would need.
        detail: String,
    },
    /// The request is sound, and something that exists stands against it.
    Conflict {
        /// What stands against it, and what to do about it.
        detail: String,
    },
    /// A field's value cannot be used.
    Invalid {
        /// The field, as the request spells it.
        field: String,
        /// What is wrong with it, and what to write instead.
        detail: String,
    },
    /// The actor has as many of this as one may have at the same time.
    TooMany {
        /// How many those are.
        detail: String,
    },
    /// Our own fault; nothing was changed.
    Fault(Fault),
}

/// What a use case of the admin API gives.
pub type Result<T> = std::result::Result<T, AdminError>;

impl AdminError {
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::Conflict {
            detail: detail.into(),
        }
    }

    pub(crate) fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid {
            field: field.into(),
            detail: detail.into(),
        }
    }

    fn domain(place: usize, error: InvalidDomain) -> Self {
        Self::invalid(format!("domains[{place}]"), error.to_string())
    }
}

impl From<Fault> for AdminError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<vestibule_store::Error> for AdminError {
    fn from(error: vestibule_store::Error) -> Self {
        Self::Fault(error.into())
    }
}

/// Turns a unique rule that a write ran into to what it means there.
fn taken(detail: &'static str) -> impl Fn(vestibule_store::Error) -> AdminError {
    move |error| match error.is_taken() {
        true => AdminError::conflict(detail),
        false => error.into(),
    }
}

impl Actor {
    /// The command line on the machine itself: it may do everything.
    pub fn command_line() -> Self {
        Self {
            name: "command_line".to_owned(),
            key_id: None,
            organization_id: None,
            scopes: vec![ApiScope::All],
            expires_at: None,
        }
    }

    fn bootstrap() -> Self {
        Self {
            name: "api_key:bootstrap".to_owned(),
            ..Self::command_line()
        }
    }

    fn may(&self, resource: Resource, access: Access) -> Result<()> {
        if self
            .scopes
            .iter()
            .any(|scope| scope.allows(resource, access))
        {
            return Ok(());
        }
        let needed = ApiScope::One(resource, access);
        Err(AdminError::Forbidden {
            detail: format!("the key lacks the scope {needed}; use a key that has it"),
        })
    }

    fn may_read(&self, resource: Resource) -> Result<()> {
        self.may(resource, Access::Read)
    }

    fn may_write(&self, resource: Resource) -> Result<()> {
        self.may(resource, Access::Write)
    }

    /// Refuses actors that are bound to one organization what concerns all of them.
    fn is_unbound(&self) -> Result<()> {
        match self.organization_id {
            None => Ok(()),
            Some(_) => Err(AdminError::Forbidden {
                detail:
                    "a key that is bound to one organization cannot do this; use one that is not"
                        .to_owned(),
            }),
        }
    }

    fn sees(&self, organization_id: OrganizationId) -> Result<()> {
        match self.organization_id {
            Some(own) if own != organization_id => Err(AdminError::NotFound),
            _ => Ok(()),
        }
    }

    fn sees_optional(&self, organization_id: Option<OrganizationId>) -> Result<()> {
        match (self.organization_id, organization_id) {
            (Some(_), None) => Err(AdminError::NotFound),
            (_, Some(organization_id)) => self.sees(organization_id),
            (None, None) => Ok(()),
        }
    }
}

/// The organization, if it exists and the actor may see it.
async fn visible(
    tx: &mut ReadTx,
    actor: &Actor,
    id: OrganizationId,
) -> Result<vestibule_store::Organization> {
    actor.sees(id)?;
    tx.find_organization(id).await?.ok_or(AdminError::NotFound)
}

/// As [`visible`], for an organization in which something is going to be changed; others who do wait.
async fn locked(
    tx: &mut WriteTx,
    actor: &Actor,
    id: OrganizationId,
) -> Result<vestibule_store::Organization> {
    actor.sees(id)?;
    tx.lock_organization(id).await?.ok_or(AdminError::NotFound)
}

/// Something that was done, for the audit log.
struct Done<'a> {
    organization_id: Option<OrganizationId>,
    action: &'a str,
    subject: String,
    data: Value,
}

impl Actor {
    async fn audit(&self, tx: &mut WriteTx, done: Done<'_>) -> Result<()> {
        tx.add_audit(
            done.organization_id,
            &self.name,
            done.action,
            &done.subject,
            &done.data,
        )
        .await?;
        Ok(())
    }
}

impl Engine {
    /// Who is behind a bearer token of the admin API; `None` is a refusal.
    pub async fn authenticate_api_key(
        &self,
        bearer: &Secret,
        now: Timestamp,
    ) -> std::result::Result<Option<Actor>, Fault> {
        let hash = bearer.hash();
        if is_bootstrap_key(self.settings().bootstrap_api_key, hash) {
            return Ok(Some(Actor::bootstrap()));
        }
        let Some(key) = self.store().read(now).await?.live_api_key(hash).await? else {
            return Ok(None);
        };
        let key = key.into_inner();
        if key.is_due_for_touch(now) {
            let mut tx = self.store().write(now).await?;
            tx.touch_api_key(key.id).await?;
            tx.commit().await?;
        }
        Ok(Some(Actor {
            name: format!("api_key:{}", key.id),
            key_id: Some(key.id),
            organization_id: key.organization_id,
            scopes: key.scopes,
            expires_at: key.expires_at,
        }))
    }
}

fn is_bootstrap_key(bootstrap: Option<SecretHash>, presented: SecretHash) -> bool {
    bootstrap.is_some_and(|bootstrap| presented.is(bootstrap.as_bytes()))
}
