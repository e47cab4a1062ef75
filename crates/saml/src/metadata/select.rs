//! Which descriptor of a document counts, and how long.

use std::collections::HashSet;

use crate::{
    Error, Rule,
    names::{MD, SAMLP},
    profile::instant,
    xml::{Document, Element},
};

/// Entity IDs that an error lists; more are no help.
const MOST_LISTED: usize = 10;
/// Characters of an entity ID (SAML core §8.3.6).
const LONGEST_ENTITY_ID: usize = 1024;

/// An entity and its ID.
type Entity<'d, 'a> = (&'d str, Element<'d, 'a>);

/// The identity provider that was asked for.
pub(super) struct Selected<'d, 'a> {
    pub(super) entity_id: &'d str,
    pub(super) entity: Element<'d, 'a>,
    pub(super) role: Element<'d, 'a>,
}

/// The wanted identity provider of a document, or its only one.
pub(super) fn select<'d, 'a>(
    document: &'d Document<'a>,
    wanted: Option<&str>,
) -> Result<Selected<'d, 'a>, Error> {
    let entities = entities(document.root())?;
    let providers: Vec<_> = entities
        .into_iter()
        .filter(|(_, entity)| entity.child(MD, "IDPSSODescriptor").is_some())
        .collect();
    if providers.is_empty() {
        return Err(Error::compared(
            Rule::MetadataForm,
            "an IDPSSODescriptor",
            "none, perhaps the metadata of a service provider",
        ));
    }
    let (entity_id, entity) = match wanted {
        Some(wanted) => providers
            .iter()
            .copied()
            .find(|(entity_id, _)| *entity_id == wanted)
            .ok_or_else(|| Error::compared(Rule::MetadataEntity, wanted, listed(&providers)))?,
        None => only(&providers)?,
    };
    let mut roles = roles(entity);
    match (roles.next(), roles.next()) {
        (Some(role), None) => Ok(Selected {
            entity_id,
            entity,
            role,
        }),
        (None, _) => Err(other_protocols()),
        _ => Err(Error::compared(
            Rule::MetadataForm,
            "one IDPSSODescriptor for SAML 2.0",
            "several",
        )),
    }
}

/// The only identity provider that speaks SAML 2.0.
fn only<'d, 'a>(providers: &[Entity<'d, 'a>]) -> Result<Entity<'d, 'a>, Error> {
    let fitting: Vec<_> = providers
        .iter()
        .copied()
        .filter(|(_, entity)| roles(*entity).next().is_some())
        .collect();
    match fitting.as_slice() {
        [] => Err(other_protocols()),
        [only] => Ok(*only),
        several => Err(Error::compared(
            Rule::MetadataChoice,
            "the entity ID of one",
            listed(several),
        )),
    }
}

fn other_protocols() -> Error {
    Error::compared(Rule::MetadataProtocol, SAMLP, "other protocols only")
}

/// The descriptors for SAML 2.0; one for an older version may stand beside it.
fn roles<'d, 'a>(entity: Element<'d, 'a>) -> impl Iterator<Item = Element<'d, 'a>> {
    entity
        .children_named(MD, "IDPSSODescriptor")
        .filter(|role| speaks_saml2(*role))
}

/// Every entity of a document with its ID; refuses an ID that occurs twice, since nobody knows which one is meant.
fn entities<'d, 'a>(root: Element<'d, 'a>) -> Result<Vec<Entity<'d, 'a>>, Error> {
    if !root.is(MD, "EntityDescriptor") && !root.is(MD, "EntitiesDescriptor") {
        return Err(Error::compared(
            Rule::MetadataForm,
            "md:EntityDescriptor or md:EntitiesDescriptor",
            root.local(),
        ));
    }
    let mut seen = HashSet::new();
    let mut entities = Vec::new();
    for entity in root
        .descendants()
        .filter(|element| element.is(MD, "EntityDescriptor"))
    {
        // One inside an extension or a signature is somebody else's matter, and a place to hide.
        if !with_ancestors(entity)
            .skip(1)
            .all(|around| around.is(MD, "EntitiesDescriptor"))
        {
            return Err(Error::compared(
                Rule::MetadataForm,
                "an EntityDescriptor in an EntitiesDescriptor",
                "one elsewhere",
            ));
        }
        let entity_id = entity.attribute("entityID").unwrap_or_default();
        if entity_id.trim() != entity_id
            || entity_id.is_empty()
            || entity_id.chars().count() > LONGEST_ENTITY_ID
        {
            return Err(Error::compared(
                Rule::MetadataForm,
                "an entityID of 1 to 1024 characters",
                entity_id,
            ));
        }
        if !seen.insert(entity_id) {
            return Err(Error::compared(
                Rule::MetadataForm,
                "each entityID once",
                entity_id,
            ));
        }
        entities.push((entity_id, entity));
    }
    Ok(entities)
}

fn speaks_saml2(role: Element<'_, '_>) -> bool {
    role.attribute("protocolSupportEnumeration")
        .unwrap_or_default()
        .split([' ', '\t', '\n', '\r'])
        .any(|protocol| protocol == SAMLP)
}

fn listed(entities: &[Entity<'_, '_>]) -> String {
    let mut ids: Vec<&str> = entities
        .iter()
        .map(|(entity_id, _)| *entity_id)
        .take(MOST_LISTED)
        .collect();
    if entities.len() > MOST_LISTED {
        ids.push("…");
    }
    ids.join(", ")
}

/// The nearest end of validity that the descriptor or one around it names; refuses what is over.
pub(super) fn valid_until(role: Element<'_, '_>, now: i64) -> Result<Option<i64>, Error> {
    let mut nearest: Option<i64> = None;
    for element in with_ancestors(role) {
        if let Some(end) = instant(element, "validUntil")? {
            nearest = Some(nearest.map_or(end, |known| known.min(end)));
        }
    }
    match nearest {
        Some(end) if end <= now => Err(Error::compared(
            Rule::MetadataExpired,
            "a validUntil in the future",
            format!("one {} seconds ago by our clock", now.saturating_sub(end)),
        )),
        other => Ok(other),
    }
}

/// An element and those around it, from the inside out.
pub(super) fn with_ancestors<'d, 'a>(
    element: Element<'d, 'a>,
) -> impl Iterator<Item = Element<'d, 'a>> {
    std::iter::successors(Some(element), |inner| inner.parent())
}
