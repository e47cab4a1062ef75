mod logo;

use serde_json::{Value, json};
use vestibule_core::{
    Color, ConnectionId, ConnectionState, Domain, EndCause, EndScope, EventKind, OrganizationId,
    Policy, Protocol, Resource, Timestamp, UnknownIpsieLevel,
};
use vestibule_store::{
    Connection, Ending, NewEvent, Organization, OrganizationBrand, OrganizationDomain, ReadTx,
    WriteTx,
};

use super::{Actor, AdminError, Done, Result, check, locked, taken, visible};
use crate::Engine;

const DOMAIN_TAKEN: &str = "another organization has verified one of these domains; a verified domain belongs to one organization";
const EXTERNAL_ID_TAKEN: &str = "another organization has this external_id";
const MAX_DOMAINS: usize = 1000;

/// What an organization is made of or changed to; what is absent stays, or takes its default.
#[derive(Debug, Default)]
pub struct OrganizationChange {
    /// Its name.
    pub name: Option<String>,
    /// The SaaS product's own id of it.
    pub external_id: Option<Option<String>>,
    /// All of its domains.
    pub domains: Option<Vec<String>>,
    /// What it decides about sign-ins.
    pub policy: Option<PolicyChange>,
    /// How its pages look.
    pub branding: Option<BrandingChange>,
    /// Whether its people may sign in.
    pub active: Option<bool>,
}

/// What changes of how an organization's pages look; the logo is set by itself.
#[derive(Debug, Default)]
pub struct BrandingChange {
    /// The name on its pages; none is the organization's name.
    pub display_name: Option<Option<String>>,
    /// The color of buttons and links, such as `#3355d1`; none is the installation's.
    pub color: Option<Option<String>>,
}

impl BrandingChange {
    fn apply(self, brand: &mut OrganizationBrand) -> Result<()> {
        if let Some(display_name) = self.display_name {
            brand.display_name = display_name
                .map(|text| check::name("branding.display_name", &text))
                .transpose()?;
        }
        if let Some(color) = self.color {
            let parsed = color.map(|text| text.parse::<Color>());
            brand.color = parsed.transpose().map_err(|error| {
                AdminError::invalid("branding.color", format!("{error}, like #3355d1"))
            })?;
        }
        Ok(())
    }
}

/// What changes of a policy; lifetimes are seconds.
#[derive(Debug, Default)]
pub struct PolicyChange {
    /// Whether people without a directory may sign in by password.
    pub password_login: Option<bool>,
    /// A sign-in ends after so long without use.
    pub session_idle: Option<u64>,
    /// A sign-in ends after so long in any case.
    pub session_max: Option<u64>,
    /// A refresh token that is not used for so long is over.
    pub refresh_idle: Option<u64>,
    /// An application's share of a sign-in ends after so long in any case.
    pub refresh_max: Option<u64>,
    /// The IPSIE level that its people's sign-ins keep to: `sl1` or `sl2`.
    pub ipsie: Option<Option<String>>,
}

impl PolicyChange {
    fn apply(&self, policy: &mut Policy) -> Result<()> {
        policy.password_login = self.password_login.unwrap_or(policy.password_login);
        policy.session_idle = self.session_idle.unwrap_or(policy.session_idle);
        policy.session_max = self.session_max.unwrap_or(policy.session_max);
        policy.refresh_idle = self.refresh_idle.unwrap_or(policy.refresh_idle);
        policy.refresh_max = self.refresh_max.unwrap_or(policy.refresh_max);
        if let Some(ipsie) = &self.ipsie {
            policy.ipsie = ipsie.as_deref().map(str::parse).transpose().map_err(
                |error: UnknownIpsieLevel| AdminError::invalid("policy.ipsie", error.to_string()),
            )?;
        }
        match policy.lifetime_out_of_bounds() {
            None => Ok(()),
            Some(name) => Err(AdminError::invalid(
                format!("policy.{name}"),
                "must be seconds, at least 60 and at most ten years",
            )),
        }
    }
}

/// An organization with its domains.
#[derive(Debug)]
pub struct OrganizationDetails {
    /// The organization.
    pub organization: Organization,
    /// Its domains, verified or not.
    pub domains: Vec<OrganizationDomain>,
}

impl OrganizationDetails {
    async fn read(tx: &mut ReadTx, organization: Organization) -> Result<Self> {
        let domains = tx.list_domains(organization.id).await?;
        Ok(Self {
            organization,
            domains,
        })
    }
}

impl Engine {
    /// Makes an organization, with a password connection that is in use if its policy says so.
    pub async fn add_organization(
        &self,
        actor: &Actor,
        new: OrganizationChange,
        now: Timestamp,
    ) -> Result<OrganizationDetails> {
        actor.may_write(Resource::Organizations)?;
        actor.is_unbound()?;
        let name = check::name("name", new.name.as_deref().unwrap_or_default())?;
        let external_id = checked_external_id(new.external_id.flatten())?;
        let mut policy = Policy::default();
        new.policy.unwrap_or_default().apply(&mut policy)?;
        let mut brand = OrganizationBrand::default();
        new.branding.unwrap_or_default().apply(&mut brand)?;
        let domains = parsed_domains(&new.domains.unwrap_or_default())?;

        let mut tx = self.store().write(now).await?;
        let mut organization = tx
            .add_organization(&name, external_id.as_deref(), &policy)
            .await
            .map_err(taken(EXTERNAL_ID_TAKEN))?;
        let active = new.active.unwrap_or(true);
        if !active || brand != organization.brand {
            (organization.active, organization.brand) = (active, brand);
            tx.set_organization(&organization).await?;
        }
        let state = password_state(&organization.policy);
        add_own_connection(&mut tx, organization.id, (Protocol::Password, state)).await?;
        for domain in &domains {
            add_domain(&mut tx, actor, organization.id, domain, now).await?;
        }
        audit(
            &mut tx,
            actor,
            "organization.create",
            organization.id,
            json!({ "name": name }),
        )
        .await?;
        let made = OrganizationDetails::read(&mut tx, organization).await?;
        tx.commit().await?;
        Ok(made)
    }

    /// Organizations that the actor may see, in the order of their making.
    pub async fn list_organizations(
        &self,
        actor: &Actor,
        after: Option<OrganizationId>,
        limit: i64,
        now: Timestamp,
    ) -> Result<Vec<OrganizationDetails>> {
        actor.may_read(Resource::Organizations)?;
        let mut tx = self.store().read(now).await?;
        let mut found = Vec::new();
        for organization in tx
            .list_organizations(actor.organization_id, after, limit)
            .await?
        {
            found.push(OrganizationDetails::read(&mut tx, organization).await?);
        }
        Ok(found)
    }

    /// One organization.
    pub async fn read_organization(
        &self,
        actor: &Actor,
        id: OrganizationId,
        now: Timestamp,
    ) -> Result<OrganizationDetails> {
        actor.may_read(Resource::Organizations)?;
        let mut tx = self.store().read(now).await?;
        let organization = visible(&mut tx, actor, id).await?;
        OrganizationDetails::read(&mut tx, organization).await
    }

    /// Changes an organization. A change of `active` ends everything of its people, in either direction.
    pub async fn set_organization(
        &self,
        actor: &Actor,
        id: OrganizationId,
        change: OrganizationChange,
        now: Timestamp,
    ) -> Result<OrganizationDetails> {
        actor.may_write(Resource::Organizations)?;
        let external_id = change.external_id.map(checked_external_id).transpose()?;
        let domains = change.domains.as_deref().map(parsed_domains).transpose()?;
        let mut tx = self.store().write(now).await?;
        let before = locked(&mut tx, actor, id).await?;
        if change.active.is_some_and(|active| active != before.active) {
            actor.is_unbound()?;
        }
        let mut after = before.clone();
        if let Some(name) = &change.name {
            after.name = check::name("name", name)?;
        }
        after.external_id = external_id.unwrap_or(after.external_id);
        after.active = change.active.unwrap_or(after.active);
        change.policy.unwrap_or_default().apply(&mut after.policy)?;
        change
            .branding
            .unwrap_or_default()
            .apply(&mut after.brand)?;
        after.updated_at = now;
        tx.set_organization(&after)
            .await
            .map_err(taken(EXTERNAL_ID_TAKEN))?;
        if before.policy.password_login != after.policy.password_login {
            switch_password_connection(&mut tx, actor, &after).await?;
        }
        if let Some(domains) = &domains {
            replace_domains(&mut tx, actor, id, domains, now).await?;
        }
        // None stays that weaker rules let in.
        let stricter = before.policy.ipsie < after.policy.ipsie;
        if before.active != after.active || stricter {
            let cause = match (after.active, stricter) {
                (false, _) => EndCause::OrganizationEnded,
                (true, true) => EndCause::Operator,
                (true, false) => EndCause::Reactivated,
            };
            tx.end(Ending {
                scope: EndScope::Organization(id),
                cause,
                actor: &actor.name,
            })
            .await?;
            after.epoch += 1;
        }
        let data = json!({ "name": after.name, "active": after.active, "policy": after.policy, "domains": domains, "branding": told(&after.brand) });
        audit(&mut tx, actor, "organization.update", id, data).await?;
        let details = OrganizationDetails::read(&mut tx, after).await?;
        tx.commit().await?;
        self.wake();
        Ok(details)
    }

    /// Deletes an organization: everything of its people is over, and its domains are free.
    pub async fn delete_organization(
        &self,
        actor: &Actor,
        id: OrganizationId,
        now: Timestamp,
    ) -> Result<()> {
        actor.may_write(Resource::Organizations)?;
        let mut tx = self.store().write(now).await?;
        locked(&mut tx, actor, id).await?;
        actor.is_unbound()?;
        tx.end(Ending {
            scope: EndScope::Organization(id),
            cause: EndCause::OrganizationEnded,
            actor: &actor.name,
        })
        .await?;
        tx.delete_organization(id).await?;
        audit(&mut tx, actor, "organization.delete", id, json!({})).await?;
        tx.commit().await?;
        self.wake();
        Ok(())
    }

    /// Adds a domain to an organization. What the operator gives counts as verified; what a key that is bound to
    /// the organization gives waits for its TXT record.
    pub async fn add_organization_domain(
        &self,
        actor: &Actor,
        id: OrganizationId,
        domain: &str,
        now: Timestamp,
    ) -> Result<OrganizationDetails> {
        actor.may_write(Resource::Organizations)?;
        let domain: Domain = domain
            .parse()
            .map_err(|error: vestibule_core::InvalidDomain| {
                AdminError::invalid("domain", error.to_string())
            })?;
        let mut tx = self.store().write(now).await?;
        let organization = locked(&mut tx, actor, id).await?;
        let known = tx.list_domains(id).await?;
        if known.len() >= MAX_DOMAINS {
            return Err(AdminError::conflict(
                "an organization has at most 1000 domains",
            ));
        }
        if known.iter().any(|known| known.domain == domain.as_str()) {
            return Err(AdminError::conflict(
                "the organization has this domain already",
            ));
        }
        add_domain(&mut tx, actor, id, &domain, now).await?;
        audit(
            &mut tx,
            actor,
            "domain.create",
            id,
            json!({ "domain": domain }),
        )
        .await?;
        let details = OrganizationDetails::read(&mut tx, organization).await?;
        tx.commit().await?;
        Ok(details)
    }

    /// Declares a domain verified, on the operator's word.
    pub async fn verify_organization_domain(
        &self,
        actor: &Actor,
        id: OrganizationId,
        domain: &str,
        now: Timestamp,
    ) -> Result<OrganizationDetails> {
        actor.may_write(Resource::Organizations)?;
        let mut tx = self.store().write(now).await?;
        let organization = locked(&mut tx, actor, id).await?;
        actor.is_unbound()?;
        if !tx
            .set_domain_verified(id, domain)
            .await
            .map_err(taken(DOMAIN_TAKEN))?
        {
            return Err(AdminError::NotFound);
        }
        audit(
            &mut tx,
            actor,
            "domain.verify",
            id,
            json!({ "domain": domain }),
        )
        .await?;
        let details = OrganizationDetails::read(&mut tx, organization).await?;
        tx.commit().await?;
        Ok(details)
    }

    /// Removes a domain from an organization.
    pub async fn remove_organization_domain(
        &self,
        actor: &Actor,
        id: OrganizationId,
        domain: &str,
        now: Timestamp,
    ) -> Result<()> {
        actor.may_write(Resource::Organizations)?;
        let mut tx = self.store().write(now).await?;
        locked(&mut tx, actor, id).await?;
        if !tx.remove_domain(id, domain).await? {
            return Err(AdminError::NotFound);
        }
        audit(
            &mut tx,
            actor,
            "domain.delete",
            id,
            json!({ "domain": domain }),
        )
        .await?;
        tx.commit().await?;
        Ok(())
    }
}

/// What the audit says of a brand.
fn told(brand: &OrganizationBrand) -> Value {
    let color = brand.color.map(|color| color.to_string());
    json!({ "display_name": brand.display_name, "color": color })
}

fn checked_external_id(external_id: Option<String>) -> Result<Option<String>> {
    external_id
        .map(|text| check::name("external_id", &text))
        .transpose()
}

fn parsed_domains(texts: &[String]) -> Result<Vec<Domain>> {
    if texts.len() > MAX_DOMAINS {
        return Err(AdminError::invalid(
            "domains",
            "an organization has at most 1000 domains",
        ));
    }
    let mut domains = texts
        .iter()
        .enumerate()
        .map(|(place, text)| {
            text.parse()
                .map_err(|error| AdminError::domain(place, error))
        })
        .collect::<Result<Vec<Domain>>>()?;
    domains.sort_unstable();
    domains.dedup();
    Ok(domains)
}

/// Only who runs the installation is believed without proof: a customer's key could name a stranger's domain.
async fn add_domain(
    tx: &mut WriteTx,
    actor: &Actor,
    id: OrganizationId,
    domain: &Domain,
    now: Timestamp,
) -> Result<()> {
    let token = tx.generator().token("vestibule-verification=");
    let verified = actor.organization_id.is_none().then_some(now);
    tx.add_domain(id, domain, token.expose(), verified)
        .await
        .map_err(taken(DOMAIN_TAKEN))
}

async fn replace_domains(
    tx: &mut WriteTx,
    actor: &Actor,
    id: OrganizationId,
    domains: &[Domain],
    now: Timestamp,
) -> Result<()> {
    let known = tx.list_domains(id).await?;
    for gone in known
        .iter()
        .filter(|known| !domains.iter().any(|domain| domain.as_str() == known.domain))
    {
        tx.remove_domain(id, &gone.domain).await?;
    }
    for domain in domains {
        match known.iter().find(|known| known.domain == domain.as_str()) {
            None => add_domain(tx, actor, id, domain, now).await?,
            Some(known) if known.verified_at.is_none() && actor.organization_id.is_none() => {
                tx.set_domain_verified(id, domain.as_str())
                    .await
                    .map_err(taken(DOMAIN_TAKEN))?;
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Makes one of the connections that lead to no identity provider.
pub(super) async fn add_own_connection(
    tx: &mut WriteTx,
    organization_id: OrganizationId,
    (protocol, state): (Protocol, ConnectionState),
) -> Result<()> {
    let now = tx.now();
    let id: ConnectionId = tx.generator().id(now);
    let name = match protocol {
        Protocol::BreakGlass => "Break glass",
        Protocol::Password | Protocol::Saml | Protocol::Oidc => "Password",
    };
    tx.add_connection(&Connection {
        id,
        organization_id,
        directory_id: None,
        default_application_id: None,
        name: name.to_owned(),
        protocol,
        settings: json!({}),
        client_secret_sealed: None,
        join_directory: None,
        join_claim: None,
        jit: false,
        allow_idp_initiated: false,
        state,
        epoch: 1,
        created_at: now,
        updated_at: now,
    })
    .await?;
    Ok(())
}

async fn switch_password_connection(
    tx: &mut WriteTx,
    actor: &Actor,
    organization: &Organization,
) -> Result<()> {
    let state = password_state(&organization.policy);
    for mut connection in tx.list_connections(organization.id).await? {
        if connection.protocol != Protocol::Password || connection.state == state {
            continue;
        }
        connection.state = state;
        tx.set_connection(&connection).await?;
        tell_connection_state(tx, actor, &connection).await?;
    }
    Ok(())
}

/// Tells that a connection's state has changed; one that goes out of use takes along what came through it.
pub(super) async fn tell_connection_state(
    tx: &mut WriteTx,
    actor: &Actor,
    connection: &Connection,
) -> Result<()> {
    let kind = match connection.state {
        ConnectionState::Active => EventKind::ConnectionActivated,
        ConnectionState::Inactive | ConnectionState::Draft => {
            tx.end(Ending {
                scope: EndScope::Connection(connection.id),
                cause: EndCause::ConnectionEnded,
                actor: &actor.name,
            })
            .await?;
            EventKind::ConnectionDeactivated
        }
    };
    tx.push_event(NewEvent {
        kind,
        organization_id: Some(connection.organization_id),
        user_id: None,
        data: json!({ "connection_id": connection.id, "protocol": connection.protocol, "actor": actor.name }),
    })
    .await?;
    Ok(())
}

const fn password_state(policy: &Policy) -> ConnectionState {
    match policy.password_login {
        true => ConnectionState::Active,
        false => ConnectionState::Inactive,
    }
}

async fn audit(
    tx: &mut WriteTx,
    actor: &Actor,
    action: &str,
    id: OrganizationId,
    data: Value,
) -> Result<()> {
    let done = Done {
        organization_id: Some(id),
        action,
        subject: id.to_string(),
        data,
    };
    actor.audit(tx, done).await
}
