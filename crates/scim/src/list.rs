//! Lists: paging, sorting and the ListResponse message (RFC 7644 §3.4.2).

use serde_json::{Map, Value, json};

use crate::path::AttributePath;

/// URN of the list message.
pub const LIST_URN: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
/// URN of the search message.
pub const SEARCH_URN: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// The order of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sort {
    /// The attribute; of a list the primary value counts, else the first.
    pub by: AttributePath,
    /// The direction.
    pub order: Order,
}

impl Sort {
    /// An order.
    pub fn new(by: AttributePath, order: Order) -> Self {
        Self { by, order }
    }
}

/// The direction of a sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Order {
    /// Smallest first; resources without a value last.
    #[default]
    Ascending,
    /// Largest first; resources without a value first.
    Descending,
}

/// The ListResponse message.
pub fn response(total: u64, start_index: u64, resources: Vec<Map<String, Value>>) -> Value {
    json!({
        "schemas": [LIST_URN],
        "totalResults": total,
        "startIndex": start_index,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    })
}
