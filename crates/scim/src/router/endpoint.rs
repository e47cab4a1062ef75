//! Which endpoint a path below the directory's URL names.

use http::Method;

use crate::directory::LookupKind;
use crate::schema::ResourceType;

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// `/ServiceProviderConfig`
    Config,
    /// `/ResourceTypes`
    ResourceTypes,
    /// `/ResourceTypes/{name}`
    ResourceType(String),
    /// `/Schemas`
    Schemas,
    /// `/Schemas/{urn}`
    Schema(String),
    /// `/`
    Root,
    /// `/.search`
    RootSearch,
    /// `/Users` or `/Groups`
    Collection(ResourceType),
    /// `/Users/.search` or `/Groups/.search`
    Search(ResourceType),
    /// `/Users/{id}` or `/Groups/{id}`
    Resource(ResourceType, String),
    /// `/Roles` or `/Entitlements`
    Lookups(LookupKind),
    /// `/Roles/{value}` or `/Entitlements/{value}`
    Lookup(LookupKind, String),
    /// `/Me`
    Me,
    /// `/Bulk`
    Bulk,
    /// Anything else.
    Unknown,
}

impl Endpoint {
    /// Reads the path behind the directory's segment.
    ///
    /// Entra's `aadOptscim062020` belongs into the query; where an administrator put it into the path it is skipped.
    pub(super) fn parse(path: &str) -> Self {
        let segments: Vec<&str> = path
            .split('/')
            .filter(|segment| {
                !segment.is_empty() && !segment.eq_ignore_ascii_case("aadOptscim062020")
            })
            .collect();
        match segments.as_slice() {
            [] => Self::Root,
            [".search"] => Self::RootSearch,
            ["ServiceProviderConfig"] => Self::Config,
            ["ResourceTypes"] => Self::ResourceTypes,
            ["ResourceTypes", name] => Self::ResourceType((*name).to_owned()),
            ["Schemas"] => Self::Schemas,
            ["Schemas", urn] => Self::Schema((*urn).to_owned()),
            ["Me", ..] => Self::Me,
            ["Bulk"] => Self::Bulk,
            [name] => match (resource_type(name), lookup_kind(name)) {
                (Some(kind), _) => Self::Collection(kind),
                (None, Some(kind)) => Self::Lookups(kind),
                (None, None) => Self::Unknown,
            },
            [name, rest @ ..] => match (resource_type(name), lookup_kind(name), rest) {
                (Some(kind), _, [".search"]) => Self::Search(kind),
                (Some(kind), _, [id]) => Self::Resource(kind, (*id).to_owned()),
                // A value may hold slashes; they come here decoded.
                (None, Some(kind), rest) => Self::Lookup(kind, rest.join("/")),
                _ => Self::Unknown,
            },
        }
    }

    /// Whether a path or query carries Entra's flag.
    pub(super) fn has_aad_flag(path: &str, query: Option<&str>) -> bool {
        let is_flag = |text: &str| text.eq_ignore_ascii_case("aadOptscim062020");
        path.split('/').any(is_flag)
            || query.unwrap_or_default().split('&').any(|pair| {
                let name = pair.split('=').next().unwrap_or_default();
                is_flag(name)
            })
    }

    /// Whether it answers without credentials.
    pub(super) fn is_discovery(&self) -> bool {
        matches!(
            self,
            Self::Config
                | Self::ResourceTypes
                | Self::ResourceType(_)
                | Self::Schemas
                | Self::Schema(_)
        )
    }

    /// The methods that it takes, as `Allow` lists them; `None` where every method gets the same refusal.
    pub(super) fn allow(&self) -> Option<&'static str> {
        match self {
            Self::Config
            | Self::ResourceTypes
            | Self::ResourceType(_)
            | Self::Schemas
            | Self::Schema(_)
            | Self::Lookups(_)
            | Self::Lookup(..)
            | Self::Root => Some("GET, HEAD"),
            Self::RootSearch | Self::Search(_) | Self::Bulk => Some("POST"),
            Self::Collection(_) => Some("GET, HEAD, POST"),
            Self::Resource(..) => Some("GET, HEAD, PUT, PATCH, DELETE"),
            Self::Me | Self::Unknown => None,
        }
    }

    /// Whether it takes this method.
    pub(super) fn takes(&self, method: &Method) -> bool {
        self.allow()
            .is_none_or(|allow| allow.split(", ").any(|allowed| allowed == method.as_str()))
    }

    /// Whether this method changes something here.
    pub(super) fn writes(&self, method: &Method) -> bool {
        match self {
            Self::Bulk => true,
            Self::Collection(_) | Self::Resource(..) => {
                !matches!(*method, Method::GET | Method::HEAD)
            }
            _ => false,
        }
    }

    /// The path with placeholders, for logs.
    pub(super) fn template(&self) -> &'static str {
        match self {
            Self::Config => "/ServiceProviderConfig",
            Self::ResourceTypes => "/ResourceTypes",
            Self::ResourceType(_) => "/ResourceTypes/{name}",
            Self::Schemas => "/Schemas",
            Self::Schema(_) => "/Schemas/{urn}",
            Self::Root => "/",
            Self::RootSearch => "/.search",
            Self::Collection(ResourceType::User) => "/Users",
            Self::Collection(ResourceType::Group) => "/Groups",
            Self::Search(ResourceType::User) => "/Users/.search",
            Self::Search(ResourceType::Group) => "/Groups/.search",
            Self::Resource(ResourceType::User, _) => "/Users/{id}",
            Self::Resource(ResourceType::Group, _) => "/Groups/{id}",
            Self::Lookups(LookupKind::Role) => "/Roles",
            Self::Lookups(LookupKind::Entitlement) => "/Entitlements",
            Self::Lookup(LookupKind::Role, _) => "/Roles/{value}",
            Self::Lookup(LookupKind::Entitlement, _) => "/Entitlements/{value}",
            Self::Me => "/Me",
            Self::Bulk => "/Bulk",
            Self::Unknown => "unknown",
        }
    }
}

fn resource_type(segment: &str) -> Option<ResourceType> {
    [ResourceType::User, ResourceType::Group]
        .into_iter()
        // Microsoft's test collection asks for `/users`; a path in other letters means nothing else.
        .find(|kind| kind.endpoint().eq_ignore_ascii_case(segment))
}

fn lookup_kind(segment: &str) -> Option<LookupKind> {
    [LookupKind::Role, LookupKind::Entitlement]
        .into_iter()
        // Microsoft's test collection asks for `/users`; a path in other letters means nothing else.
        .find(|kind| kind.endpoint().eq_ignore_ascii_case(segment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_endpoints() {
        for (path, endpoint) in [
            ("", Endpoint::Root),
            ("/Users", Endpoint::Collection(ResourceType::User)),
            ("/Users/", Endpoint::Collection(ResourceType::User)),
            (
                "aadOptscim062020/Users",
                Endpoint::Collection(ResourceType::User),
            ),
            ("Groups/.search", Endpoint::Search(ResourceType::Group)),
            (
                "Users/a",
                Endpoint::Resource(ResourceType::User, "a".to_owned()),
            ),
            ("Users/a/b", Endpoint::Unknown),
            ("Roles", Endpoint::Lookups(LookupKind::Role)),
            (
                "Entitlements/gold",
                Endpoint::Lookup(LookupKind::Entitlement, "gold".to_owned()),
            ),
            (
                "Roles/a/b",
                Endpoint::Lookup(LookupKind::Role, "a/b".to_owned()),
            ),
            ("users", Endpoint::Collection(ResourceType::User)),
            ("user", Endpoint::Unknown),
        ] {
            assert_eq!(Endpoint::parse(path), endpoint, "{path}");
        }
    }
}
