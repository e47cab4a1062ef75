//! `/organizations`, their domains and how their pages look.

mod branding;

use axum::{
    body::Body as RawBody,
    extract::{Path, State},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use vestibule_core::{OrganizationId, Policy};
use vestibule_engine::{
    Engine, IpsieFinding, Verdict,
    admin::{OrganizationChange, OrganizationDetails, OrganizationDomain, PolicyChange},
};

use self::branding::{BrandingInput, BrandingView};
use super::{
    access::By,
    body::{self, Answer, Body, Handled, Nullable, Params, Target, nullable},
    page::{List, PageQuery},
    problem::Problem,
};
use crate::now::Now;

pub(super) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(read, update, delete))
        .routes(routes!(create_domain, list_domains))
        .routes(routes!(delete_domain))
        .routes(routes!(verify_domain))
        .routes(routes!(set_logo, delete_logo))
        .routes(routes!(ipsie))
}

/// What an organization is made of, or changed to; `name` is required to make one.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct OrganizationInput {
    /// Its name, as people see it.
    name: Option<String>,
    /// Your own id of this customer.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    external_id: Nullable<String>,
    /// All of its domains; given by the operator, they count as verified.
    #[schema(example = json!(["acme.test"]))]
    domains: Option<Vec<String>>,
    policy: Option<PolicyInput>,
    branding: Option<BrandingInput>,
    /// Whether its people may sign in; every change ends what was issued before.
    active: Option<bool>,
}

/// What changes of a policy; lifetimes are seconds.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct PolicyInput {
    /// Whether people without a directory may sign in by password; false unless said otherwise.
    password_login: Option<bool>,
    /// A sign-in ends after so long without use.
    session_idle: Option<u64>,
    /// A sign-in ends after so long in any case.
    session_max: Option<u64>,
    /// A refresh token that is not used for so long is over.
    refresh_idle: Option<u64>,
    /// An application's share of a sign-in ends after so long in any case.
    refresh_max: Option<u64>,
    /// The IPSIE session lifecycle level that its people's sign-ins keep to: `sl1`, `sl2`, or null for none. A stricter
    /// one ends what was issued before.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    ipsie: Nullable<String>,
}

impl From<OrganizationInput> for OrganizationChange {
    fn from(input: OrganizationInput) -> Self {
        Self {
            name: input.name,
            external_id: input.external_id,
            domains: input.domains,
            policy: input.policy.map(|policy| PolicyChange {
                password_login: policy.password_login,
                session_idle: policy.session_idle,
                session_max: policy.session_max,
                refresh_idle: policy.refresh_idle,
                refresh_max: policy.refresh_max,
                ipsie: policy.ipsie,
            }),
            branding: input.branding.map(Into::into),
            active: input.active,
        }
    }
}

/// A customer of the SaaS product.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Organization {
    id: String,
    name: String,
    external_id: Option<String>,
    active: bool,
    domains: Vec<Domain>,
    policy: PolicyView,
    branding: BrandingView,
    created_at: String,
    updated_at: String,
}

/// A domain of an organization.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[expect(
    clippy::struct_field_names,
    reason = "the field's name is part of the public surface"
)]
struct Domain {
    domain: String,
    verified: bool,
    verified_at: Option<String>,
    /// What a TXT record of the domain has to say, until it is verified.
    txt_record: Option<String>,
}

/// What an organization decides about its sign-ins; lifetimes are seconds.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct PolicyView {
    password_login: bool,
    session_idle: u64,
    session_max: u64,
    refresh_idle: u64,
    refresh_max: u64,
    ipsie: Option<String>,
}

impl From<Policy> for PolicyView {
    fn from(policy: Policy) -> Self {
        Self {
            password_login: policy.password_login,
            session_idle: policy.session_idle,
            session_max: policy.session_max,
            refresh_idle: policy.refresh_idle,
            refresh_max: policy.refresh_max,
            ipsie: policy.ipsie.map(|level| level.as_str().to_owned()),
        }
    }
}

impl From<OrganizationDomain> for Domain {
    fn from(domain: OrganizationDomain) -> Self {
        Self {
            verified: domain.verified_at.is_some(),
            txt_record: domain.verified_at.is_none().then_some(domain.txt_token),
            verified_at: domain.verified_at.map(|at| at.to_string()),
            domain: domain.domain,
        }
    }
}

impl From<OrganizationDetails> for Organization {
    fn from(details: OrganizationDetails) -> Self {
        let organization = details.organization;
        Self {
            id: organization.id.to_string(),
            name: organization.name,
            external_id: organization.external_id,
            active: organization.active,
            domains: details.domains.into_iter().map(Into::into).collect(),
            policy: organization.policy.into(),
            branding: organization.brand.into(),
            created_at: organization.created_at.to_string(),
            updated_at: organization.updated_at.to_string(),
        }
    }
}

/// Make an organization
#[utoipa::path(post, path = "/organizations", tag = "organizations", request_body = OrganizationInput,
    responses((status = 201, body = Organization)))]
async fn create(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Body(input): Body<OrganizationInput>,
) -> Handled<Organization> {
    let made = engine.add_organization(&actor, input.into(), now).await?;
    Ok(Answer::created(made.into()))
}

/// List organizations
#[utoipa::path(get, path = "/organizations", tag = "organizations", params(PageQuery),
    responses((status = 200, body = List<Organization>)))]
async fn list(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Params(query): Params<PageQuery>,
) -> Handled<List<Organization>> {
    let page = query.parse()?;
    let found = engine
        .list_organizations(&actor, page.after, page.limit, now)
        .await?;
    Ok(Answer::ok(List::page(
        found,
        page.limit,
        |row: &OrganizationDetails| row.organization.id.to_string(),
    )))
}

/// Read an organization
#[utoipa::path(get, path = "/organizations/{id}", tag = "organizations", params(("id" = String, Path)),
    responses((status = 200, body = Organization)))]
async fn read(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<OrganizationId>,
) -> Handled<Organization> {
    Ok(Answer::ok(
        engine.read_organization(&actor, id, now).await?.into(),
    ))
}

/// Change an organization
#[utoipa::path(patch, path = "/organizations/{id}", tag = "organizations", params(("id" = String, Path)),
    request_body = OrganizationInput, responses((status = 200, body = Organization)))]
async fn update(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<OrganizationId>,
    Body(input): Body<OrganizationInput>,
) -> Handled<Organization> {
    let changed = engine
        .set_organization(&actor, id, input.into(), now)
        .await?;
    Ok(Answer::ok(changed.into()))
}

/// Delete an organization
///
/// Everything of its people is over at once, and its domains are free.
#[utoipa::path(delete, path = "/organizations/{id}", tag = "organizations", params(("id" = String, Path)),
    responses((status = 204)))]
async fn delete(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<OrganizationId>,
) -> Result<StatusCode, Problem> {
    engine.delete_organization(&actor, id, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A domain to add.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct DomainInput {
    /// The domain, such as `acme.test`.
    domain: String,
}

/// Add a domain to an organization
#[utoipa::path(post, path = "/organizations/{id}/domains", tag = "organizations", params(("id" = String, Path)),
    request_body = DomainInput, responses((status = 201, body = Organization)))]
async fn create_domain(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<OrganizationId>,
    Body(input): Body<DomainInput>,
) -> Handled<Organization> {
    let details = engine
        .add_organization_domain(&actor, id, &input.domain, now)
        .await?;
    Ok(Answer::created(details.into()))
}

/// List the domains of an organization
#[utoipa::path(get, path = "/organizations/{id}/domains", tag = "organizations", params(("id" = String, Path)),
    responses((status = 200, body = List<Domain>)))]
async fn list_domains(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<OrganizationId>,
) -> Handled<List<Domain>> {
    let details = engine.read_organization(&actor, id, now).await?;
    Ok(Answer::ok(List::whole(details.domains)))
}

type DomainPath = Path<(String, String)>;

fn domain_target(path: DomainPath) -> Result<(OrganizationId, String), Problem> {
    let Path((id, domain)) = path;
    let id = id.parse().map_err(|_| Problem::not_found())?;
    Ok((id, domain.to_ascii_lowercase()))
}

/// Remove a domain from an organization
#[utoipa::path(delete, path = "/organizations/{id}/domains/{domain}", tag = "organizations",
    params(("id" = String, Path), ("domain" = String, Path)), responses((status = 204)))]
async fn delete_domain(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    path: DomainPath,
) -> Result<StatusCode, Problem> {
    let (id, domain) = domain_target(path)?;
    engine
        .remove_organization_domain(&actor, id, &domain, now)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Declare a domain verified
///
/// The operator's word stands for the TXT record.
#[utoipa::path(post, path = "/organizations/{id}/domains/{domain}/verify", tag = "organizations",
    params(("id" = String, Path), ("domain" = String, Path)), responses((status = 200, body = Organization)))]
async fn verify_domain(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    path: DomainPath,
) -> Handled<Organization> {
    let (id, domain) = domain_target(path)?;
    let details = engine
        .verify_organization_domain(&actor, id, &domain, now)
        .await?;
    Ok(Answer::ok(details.into()))
}

/// Set the logo of an organization
///
/// The body is the image: PNG, JPEG or WebP, at most 256 KiB and 2048 pixels wide and high.
#[utoipa::path(put, path = "/organizations/{id}/logo", tag = "organizations", params(("id" = String, Path)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses((status = 200, body = Organization)))]
async fn set_logo(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<OrganizationId>,
    image: RawBody,
) -> Handled<Organization> {
    let image = body::read(image).await?;
    let details = engine
        .set_organization_logo(&actor, id, &image, now)
        .await?;
    Ok(Answer::ok(details.into()))
}

/// Remove the logo of an organization
#[utoipa::path(delete, path = "/organizations/{id}/logo", tag = "organizations", params(("id" = String, Path)),
    responses((status = 204)))]
async fn delete_logo(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<OrganizationId>,
) -> Result<StatusCode, Problem> {
    engine.remove_organization_logo(&actor, id, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// One requirement of the IPSIE profile.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct IpsieRequirement {
    /// `sl1` or `sl2`.
    level: &'static str,
    /// `apps` or `providers`: on which side of us it counts.
    toward: &'static str,
    requirement: &'static str,
    /// Whether the profile says MUST; otherwise it says SHOULD.
    must: bool,
    /// `met`, `not_met` or `not_applicable`.
    #[schema(value_type = String)]
    verdict: Verdict,
    /// Why, and what to do.
    why: String,
}

impl From<IpsieFinding> for IpsieRequirement {
    fn from(finding: IpsieFinding) -> Self {
        Self {
            level: finding.level,
            toward: finding.toward,
            requirement: finding.requirement,
            must: finding.must,
            verdict: finding.verdict,
            why: finding.why,
        }
    }
}

/// Say how an organization stands to the IPSIE session lifecycle levels 1 and 2
#[utoipa::path(get, path = "/organizations/{id}/ipsie", tag = "organizations", params(("id" = String, Path)),
    responses((status = 200, body = List<IpsieRequirement>)))]
async fn ipsie(
    State(engine): State<Engine>,
    Now(now): Now,
    By(actor): By,
    Target(id): Target<OrganizationId>,
) -> Handled<List<IpsieRequirement>> {
    Ok(Answer::ok(List::whole(
        engine.examine_ipsie(&actor, id, now).await?,
    )))
}
