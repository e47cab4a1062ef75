//! Lists: paging, sorting and the ListResponse message (RFC 7644 §3.4.2).

use serde_json::{Map, Value, json};

use crate::directory::{Profile, Query};
use crate::error::Error;
use crate::path::AttributePath;
use crate::project::Projection;
use crate::schema::{Mutability, ResourceSchema, Returned, Type};

/// URN of the list message.
pub const LIST_URN: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
/// URN of the search message.
pub const SEARCH_URN: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// The order of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sort {
    /// The attribute, never a complex one; of a list the primary value counts, else the first.
    pub by: AttributePath,
    /// The direction.
    pub order: Order,
    /// The attribute's type.
    pub kind: Type,
    /// Whether letter case counts.
    pub case_exact: bool,
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

impl Sort {
    /// The order by what a client wrote.
    ///
    /// Fails with `invalid_value` where that is no attribute, a secret one, or a complex one without `value`.
    pub fn parse(by: &str, order: Order, schema: &ResourceSchema) -> Result<Self, Error> {
        let unknown = || Error::invalid_value("sortBy names no attribute that can be sorted by");
        let found = schema.find(by.trim()).ok_or_else(unknown)?;
        let leaf = found.leaf();
        let (by, leaf) = match leaf.kind {
            Type::Complex => {
                let value = leaf.sub_attribute("value").ok_or_else(unknown)?;
                (found.path.child(&value.name), value)
            }
            _ => (found.path.clone(), leaf),
        };
        // An order by a secret would tell it bit by bit.
        if leaf.mutability == Mutability::WriteOnly || leaf.returned == Returned::Never {
            return Err(unknown());
        }
        Ok(Self {
            by,
            order,
            kind: leaf.kind,
            case_exact: leaf.case_exact,
        })
    }
}

/// The parameters of a list or search as the client sent them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Parameters {
    /// `filter`.
    pub filter: Option<String>,
    /// `startIndex`.
    pub start_index: Option<i64>,
    /// `count`.
    pub count: Option<i64>,
    /// `sortBy`.
    pub sort_by: Option<String>,
    /// `sortOrder`.
    pub order: Order,
    /// `attributes`.
    pub attributes: Vec<String>,
    /// `excludedAttributes`.
    pub excluded: Vec<String>,
}

impl Parameters {
    /// Reads the query of a URL; names in any letter case, unknown ones ignored (RFC 7644 §3.4.2).
    ///
    /// Fails with `invalid_value` where a number is none.
    pub fn from_query(query: &str) -> Result<Self, Error> {
        let mut parameters = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match name.to_ascii_lowercase().as_str() {
                "filter" if !value.trim().is_empty() => {
                    parameters.filter = Some(value.into_owned());
                }
                "startindex" => parameters.start_index = number(&value)?,
                "count" => parameters.count = number(&value)?,
                "sortby" if !value.trim().is_empty() => {
                    parameters.sort_by = Some(value.into_owned());
                }
                "sortorder" => parameters.order = order(&value),
                "attributes" => parameters.attributes.push(value.into_owned()),
                "excludedattributes" => parameters.excluded.push(value.into_owned()),
                _ => {}
            }
        }
        Ok(parameters)
    }

    /// Reads the body of a `.search` request (RFC 7644 §3.4.3).
    ///
    /// Fails with `invalid_syntax` where the body is no object and `invalid_value` where a value has the wrong type.
    pub fn from_body(body: &Value) -> Result<Self, Error> {
        let Value::Object(body) = body else {
            return Err(Error::invalid_syntax("the body is a JSON object"));
        };
        let mut parameters = Self::default();
        for (name, value) in body.iter().filter(|(_, value)| !value.is_null()) {
            match name.to_ascii_lowercase().as_str() {
                "filter" => parameters.filter = Some(text(value)?),
                "startindex" => parameters.start_index = Some(integer(value)?),
                "count" => parameters.count = Some(integer(value)?),
                "sortby" => parameters.sort_by = Some(text(value)?),
                "sortorder" => parameters.order = order(&text(value)?),
                "attributes" => parameters.attributes = texts(value)?,
                "excludedattributes" => parameters.excluded = texts(value)?,
                _ => {}
            }
        }
        Ok(parameters)
    }

    /// The attributes that the answer carries.
    pub fn projection(&self, schema: &ResourceSchema) -> Projection {
        Projection::new(&self.attributes, &self.excluded, schema)
    }

    /// The page that is asked for, within the limits of the directory; filter and order are not in it yet.
    pub fn page(&self, profile: &Profile) -> Query {
        let default = profile.default_page.min(profile.max_page);
        let mut query = Query::new(match self.count {
            None => default,
            Some(count) => u64::try_from(count).unwrap_or(0).min(profile.max_page),
        });
        query.start_index = self
            .start_index
            .and_then(|index| u64::try_from(index).ok())
            .map_or(1, |index| index.max(1));
        query
    }

    /// The order that is asked for; `None` where the directory does not sort.
    pub fn sort(&self, profile: &Profile, schema: &ResourceSchema) -> Result<Option<Sort>, Error> {
        match &self.sort_by {
            Some(by) if profile.sort => Sort::parse(by, self.order, schema).map(Some),
            _ => Ok(None),
        }
    }
}

fn number(text: &str) -> Result<Option<i64>, Error> {
    match text.trim() {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| Error::invalid_value("startIndex and count are whole numbers")),
    }
}

fn order(text: &str) -> Order {
    if text.eq_ignore_ascii_case("descending") {
        Order::Descending
    } else {
        Order::Ascending
    }
}

fn text(value: &Value) -> Result<String, Error> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| Error::invalid_value("a parameter of the search has the wrong type"))
}

fn integer(value: &Value) -> Result<i64, Error> {
    value
        .as_i64()
        .ok_or_else(|| Error::invalid_value("startIndex and count are whole numbers"))
}

fn texts(value: &Value) -> Result<Vec<String>, Error> {
    match value {
        Value::Array(values) => values.iter().map(text).collect(),
        value => text(value).map(|text| vec![text]),
    }
}

/// The ListResponse message.
pub fn response(total: u64, start_index: u64, resources: &[Map<String, Value>]) -> Value {
    json!({
        "schemas": [LIST_URN],
        "totalResults": total,
        "startIndex": start_index,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    })
}
