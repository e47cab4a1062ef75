//! `/connections/{id}/certificates` and `/connections/{id}/metadata/refresh`.

use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use vestibule_core::ConnectionId;
use vestibule_engine::{
    Engine,
    admin::{CertificateDetails, MetadataChanges},
};

use crate::{
    api::{
        access::By,
        body::{Answer, Body, Handled, Target},
        page::List,
        problem::Problem,
    },
    now::Now,
};

pub(super) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(delete))
        .routes(routes!(refresh))
}

/// A certificate to trust.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct CertificateInput {
    /// The certificate, PEM or base64.
    certificate: String,
}

/// A certificate of the identity provider that a connection trusts.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Certificate {
    /// SHA-256 of the certificate in hexadecimal.
    fingerprint: String,
    /// The common name of its subject.
    subject: Option<String>,
    not_before: String,
    not_after: String,
    /// `operator`, or `metadata`.
    source: String,
    added_at: String,
    /// Whether it has ended; it is trusted nevertheless.
    expired: bool,
    /// Whether the metadata that was read last has it; absent where there never was metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_metadata: Option<bool>,
}

impl From<CertificateDetails> for Certificate {
    fn from(details: CertificateDetails) -> Self {
        Self {
            fingerprint: details.fingerprint,
            subject: details.subject,
            not_before: details.not_before.to_string(),
            not_after: details.not_after.to_string(),
            source: details.source.as_str().to_owned(),
            added_at: details.added_at.to_string(),
            expired: details.expired,
            in_metadata: details.in_metadata,
        }
    }
}

/// What a look at metadata changed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Refreshed {
    /// Whether anything changed.
    changed: bool,
    /// The fingerprints of the certificates that are trusted from now on.
    added_certificates: Vec<String>,
    /// The fingerprints of certificates that are no longer in the metadata; they stay trusted.
    vanished_certificates: Vec<String>,
    /// The settings that changed.
    settings: Vec<String>,
}

impl From<MetadataChanges> for Refreshed {
    fn from(changes: MetadataChanges) -> Self {
        Self {
            changed: !changes.is_empty(),
            added_certificates: changes.added_certificates,
            vanished_certificates: changes.vanished_certificates,
            settings: changes.settings.into_iter().map(str::to_owned).collect(),
        }
    }
}

/// Trust a further certificate
///
/// Nothing ends by it.
#[utoipa::path(post, path = "/connections/{id}/certificates", tag = "connections", params(("id" = String, Path)),
    request_body = CertificateInput, responses((status = 201, body = Certificate)))]
async fn create(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<ConnectionId>,
    Body(input): Body<CertificateInput>,
) -> Handled<Certificate> {
    let added = engine
        .add_certificate(&actor, id, &input.certificate, now)
        .await?;
    Ok(Answer::created(added.into()))
}

/// List the certificates that a connection trusts
#[utoipa::path(get, path = "/connections/{id}/certificates", tag = "connections", params(("id" = String, Path)),
    responses((status = 200, body = List<Certificate>)))]
async fn list(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<ConnectionId>,
) -> Handled<List<Certificate>> {
    let found = engine.list_certificates(&actor, id, now).await?;
    let data: Vec<Certificate> = found.into_iter().map(Into::into).collect();
    Ok(Answer::ok(List::whole(data)))
}

/// Trust a certificate no longer
///
/// What came through the connection ends. The last certificate of an active connection stays.
#[utoipa::path(delete, path = "/connections/{id}/certificates/{fingerprint}", tag = "connections",
    params(("id" = String, Path), ("fingerprint" = String, Path)), responses((status = 204)))]
async fn delete(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Path((id, fingerprint)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let id: ConnectionId = id.parse().map_err(|_| Problem::not_found())?;
    engine
        .remove_certificate(&actor, id, &fingerprint, now)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Look at a connection's metadata at once
#[utoipa::path(post, path = "/connections/{id}/metadata/refresh", tag = "connections", params(("id" = String, Path)),
    responses((status = 200, body = Refreshed)))]
async fn refresh(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<ConnectionId>,
) -> Handled<Refreshed> {
    let changes = engine.refresh_metadata(&actor, id, now).await?;
    Ok(Answer::ok(changes.into()))
}
