//! What claims say about a person.

use serde_json::{Map, Value};
use vestibule_core::email_domain;
use vestibule_issuer::{Scope, ScopeValue, id_token::Profile};
use vestibule_store::{Application, ReadTx, User};

use crate::{
    Fault,
    provisioning::{DirectorySettings, mapping},
};

/// What we know about a person; groups, roles and the directory's mapping are read only where the scope asks for them.
pub(super) async fn profile(
    tx: &mut ReadTx,
    user: &User,
    scope: Scope,
    application: &Application,
) -> Result<Profile, Fault> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let name = user.attributes.get("name");
    let part = |member: &str| text(name.and_then(|name| name.get(member)));
    let (given_name, family_name) = (part("givenName"), part("familyName"));
    let joined = || match (&given_name, &family_name) {
        (Some(given), Some(family)) => Some(format!("{given} {family}")),
        (Some(one), None) | (None, Some(one)) => Some(one.clone()),
        (None, None) => None,
    };
    let asks = |value| scope.contains(value);
    let mapping = match user.directory_id {
        Some(id) if asks(ScopeValue::Profile) || asks(ScopeValue::Roles) => {
            DirectorySettings::find(tx, id).await?.mapping
        }
        _ => mapping::standard(),
    };
    // All of them: a part of the groups would be taken for the whole.
    let groups = if asks(ScopeValue::Groups) {
        tx.list_group_names(user.id).await?
    } else {
        Vec::new()
    };
    let roles = if asks(ScopeValue::Roles) {
        let mut roles = mapping::roles(&mapping, &user.attributes);
        let mapped = tx
            .list_mapped_roles(user.organization_id, user.id, application.id)
            .await?;
        for role in mapped {
            if !roles.contains(&role) {
                roles.push(role);
            }
        }
        roles
    } else {
        Vec::new()
    };
    // True only inside the organization's verified domains, whatever anybody else says (promise 4).
    let email_verified = match user.email.as_deref().and_then(email_domain) {
        Some(domain) => {
            tx.has_verified_domain(user.organization_id, &domain)
                .await?
        }
        None => false,
    };
    let login_name = mapping::login_name(&mapping, &user.attributes).unwrap_or(&user.user_name);
    Ok(Profile {
        email: user.email.clone(),
        email_verified,
        name: text(user.attributes.get("displayName"))
            .or_else(|| part("formatted"))
            .or_else(joined),
        given_name,
        family_name,
        preferred_username: Some(login_name.to_owned()),
        groups,
        roles,
        further: further(&application.claims, user),
    })
}

/// The claims that the application's mapping adds: an attribute's first value, or behind `[]` the list of them.
fn further(wanted: &Map<String, Value>, user: &User) -> Map<String, Value> {
    let mut claims = Map::new();
    for (claim, path) in wanted {
        let Some(path) = path.as_str() else { continue };
        let (path, list) = match path.strip_suffix("[]") {
            Some(path) => (path, true),
            None => (path, false),
        };
        let texts = match path {
            "userName" => vec![user.user_name.as_str()],
            "externalId" => user.external_id.as_deref().into_iter().collect(),
            _ => mapping::texts(&user.attributes, path),
        };
        match (list, texts.first()) {
            (true, _) => claims.insert(claim.clone(), texts.into()),
            (false, Some(first)) => claims.insert(claim.clone(), (*first).into()),
            (false, None) => None,
        };
    }
    claims
}
