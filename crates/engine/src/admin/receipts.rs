//! Receipts: what ended, why, and which application has been told.

use std::time::Duration;

use vestibule_core::{OffboardingId, OrganizationId, Resource, Timestamp};
use vestibule_issuer::keys::Algorithm;
use vestibule_store::{Job, Offboarding, ReceiptApplication};

use super::{Actor, AdminError, Result, visible};
use crate::{Engine, Fault};

/// How long applications may take to accept what they are told; IPSIE wants the end of access within five minutes.
const DUE: Duration = Duration::from_mins(5);
/// The type of a signed receipt, so that nobody takes it for a token.
const RECEIPT_TYP: &str = "offboarding-receipt+jwt";

/// How far an offboarding has come. Everything of it is over at its instant; this is about telling the applications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptState {
    /// Applications are being told.
    Pending,
    /// Some application has still not accepted its notices five minutes later; they are tried on.
    Overdue,
    /// Every notice was accepted.
    Complete,
    /// Some notice was given up: that application has to be looked at.
    Incomplete,
}

impl ReceiptState {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Overdue => "overdue",
            Self::Complete => "complete",
            Self::Incomplete => "incomplete",
        }
    }

    /// The state of a receipt at an instant.
    pub fn of(receipt: &Offboarding, now: Timestamp) -> Self {
        match receipt.completed_at {
            Some(_) if receipt.dead > 0 => Self::Incomplete,
            Some(_) => Self::Complete,
            None if now > due_at(receipt) => Self::Overdue,
            None => Self::Pending,
        }
    }
}

/// By when every application should have accepted its notices.
pub fn due_at(receipt: &Offboarding) -> Timestamp {
    receipt.started_at.after(DUE)
}

/// The receipt of an ending, with what it says of each application and with the notices that are still kept.
#[derive(Debug)]
pub struct Receipt {
    /// The receipt.
    pub offboarding: Offboarding,
    /// How far it has come.
    pub state: ReceiptState,
    /// The applications, in the order of their ids.
    pub applications: Vec<ReceiptApplication>,
    /// The notices, the oldest first.
    pub notices: Vec<Job>,
}

impl Engine {
    /// Receipts of an organization, the newest first.
    pub async fn list_offboardings(
        &self,
        actor: &Actor,
        organization_id: OrganizationId,
        before: Option<OffboardingId>,
        limit: i64,
        now: Timestamp,
    ) -> Result<Vec<Offboarding>> {
        actor.may_read(Resource::Audit)?;
        let mut tx = self.store().read(now).await?;
        visible(&mut tx, actor, organization_id).await?;
        Ok(tx.list_offboardings(organization_id, before, limit).await?)
    }

    /// One receipt with its applications and notices.
    pub async fn read_offboarding(
        &self,
        actor: &Actor,
        id: OffboardingId,
        now: Timestamp,
    ) -> Result<Receipt> {
        actor.may_read(Resource::Audit)?;
        let mut tx = self.store().read(now).await?;
        let offboarding = tx.find_offboarding(id).await?.ok_or(AdminError::NotFound)?;
        actor.sees(offboarding.organization_id)?;
        let applications = tx.list_receipt_applications(id).await?;
        let mut notices = tx.list_jobs_of(id).await?;
        // A fan-out writes notices and is none itself.
        notices.retain(|job| job.payload.get("sid").is_some());
        notices.sort_by_key(|job| (job.created_at, job.is_again()));
        Ok(Receipt {
            state: ReceiptState::of(&offboarding, now),
            offboarding,
            applications,
            notices,
        })
    }

    /// Signs a receipt as a JWT (RFC 7519) of its own type, for auditors: our published keys verify it.
    ///
    /// It has neither `aud` nor `exp`, so nothing that takes tokens takes it.
    pub fn sign_receipt(&self, receipt: &impl serde::Serialize, now: Timestamp) -> Result<String> {
        let claims = serde_json::json!({
            "iss": self.issuer().as_str(),
            "iat": now.unix_seconds(),
            "jti": self.generator().uuid().to_string(),
            "receipt": receipt,
        });
        let signed = self.keys().sign(Algorithm::Es256, RECEIPT_TYP, &claims);
        Ok(signed.map_err(Fault::from)?)
    }
}
