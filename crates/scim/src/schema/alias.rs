//! Names that schemas had before SCIM 2.0, and misspellings that are in the field.

use super::{ENTERPRISE_URN, GROUP_URN, ResourceSchema, USER_URN, strip_urn};

/// What an alias stands for.
#[derive(Clone, Copy)]
enum Named {
    Schema(&'static str),
    /// The core schema of the resource at hand.
    Core,
}

/// Longer names before those that they begin with.
const ALIASES: [(&str, Named); 9] = [
    // A typing error in Entra's documentation, and so in requests.
    (
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0User",
        Named::Schema(ENTERPRISE_URN),
    ),
    // Drafts of SCIM 2.0, which OneLogin's template for administrators still has.
    (
        "urn:scim:schemas:extension:enterprise:2.0:User",
        Named::Schema(ENTERPRISE_URN),
    ),
    (
        "urn:scim:schemas:extension:enterprise:2.0",
        Named::Schema(ENTERPRISE_URN),
    ),
    ("urn:scim:schemas:core:2.0:User", Named::Schema(USER_URN)),
    ("urn:scim:schemas:core:2.0:Group", Named::Schema(GROUP_URN)),
    ("urn:scim:schemas:core:2.0", Named::Core),
    // SCIM 1.1.
    (
        "urn:scim:schemas:extension:enterprise:1.0",
        Named::Schema(ENTERPRISE_URN),
    ),
    ("urn:scim:schemas:core:1.0", Named::Core),
    ("urn:ietf:params:scim:schemas:core:2.0", Named::Core),
];

/// A URN, or an attribute behind one, with the schema's own name; and the alias that stood there.
///
/// `None` where the text begins with no alias of a schema of this resource type.
pub(super) fn canonical(text: &str, schema: &ResourceSchema) -> Option<(String, &'static str)> {
    ALIASES.iter().find_map(|&(alias, named)| {
        let rest = if text.eq_ignore_ascii_case(alias) {
            None
        } else {
            Some(strip_urn(text, alias)?)
        };
        let urn = match named {
            Named::Core => schema.core().id.as_str(),
            Named::Schema(urn) => schema.urn(urn)?,
        };
        let text = match rest {
            None => urn.to_owned(),
            Some(rest) => format!("{urn}:{rest}"),
        };
        Some((text, alias))
    })
}

/// Whether a URN is an alias of a standard schema, and so cannot be that of another one.
pub(super) fn is_alias(urn: &str) -> bool {
    ALIASES
        .iter()
        .any(|(alias, _)| urn.eq_ignore_ascii_case(alias))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{Dialect, Repairs};
    use crate::schema::{Registry, ResourceType};

    #[test]
    fn old_names_stand_for_the_schemas() {
        let registry = Registry::standard();
        let users = registry.of(ResourceType::User);
        let canonical = |text| canonical(text, users).map(|(text, _)| text);
        assert_eq!(
            canonical("URN:SCIM:schemas:extension:enterprise:1.0"),
            Some(ENTERPRISE_URN.to_owned())
        );
        assert_eq!(
            canonical("urn:ietf:params:scim:schemas:extension:enterprise:2.0User:department"),
            Some(format!("{ENTERPRISE_URN}:department"))
        );
        assert_eq!(
            canonical("urn:scim:schemas:core:2.0:User:title"),
            Some(format!("{USER_URN}:title"))
        );
        assert_eq!(canonical("urn:scim:schemas:core:3.0"), None);
        let mut repairs = Repairs::default();
        let other = "urn:scim:schemas:core:2.0:Group";
        assert_eq!(users.urn_as(other, Dialect::Lenient, &mut repairs), None);
        assert!(repairs.is_empty());
    }
}
