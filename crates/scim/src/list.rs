//! Lists: paging, sorting and the ListResponse message (RFC 7644 §3.4.2, RFC 9865 §2).

use std::num::IntErrorKind;

use serde_json::{Map, Value, json};

use crate::dialect::Dialect;
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
    /// `cursor`, empty for the first page (RFC 9865 §2); `None` for pages by index.
    pub cursor: Option<String>,
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
    /// Fails with `invalid_value` where a number or an order is none, or where `cursor` and `startIndex` are both
    /// there, and with `invalid_count` where the count of a walk by cursor is none.
    pub fn from_query(query: &str) -> Result<Self, Error> {
        let mut parameters = Self::default();
        let mut count = Number::Absent;
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match name.to_ascii_lowercase().as_str() {
                "filter" if !value.trim().is_empty() => {
                    parameters.set_filter(value.into_owned())?;
                }
                "startindex" => parameters.start_index = Number::of_text(&value).index()?,
                "count" => count = Number::of_text(&value),
                "cursor" => parameters.cursor = Some(value.into_owned()),
                "sortby" if !value.trim().is_empty() => {
                    parameters.sort_by = Some(value.into_owned());
                }
                "sortorder" => parameters.order = order(&value)?,
                "attributes" => parameters.attributes.push(value.into_owned()),
                "excludedattributes" => parameters.excluded.push(value.into_owned()),
                _ => {}
            }
        }
        parameters.counted(count)
    }

    /// Reads the body of a `.search` request (RFC 7644 §3.4.3).
    ///
    /// Fails as [`from_query`](Self::from_query) does, with `invalid_value` where a value has the wrong type, with
    /// `invalid_syntax` where the body is no search, and with `invalid_vers` where it is one of another version.
    pub fn from_body(body: &Value, dialect: Dialect) -> Result<Self, Error> {
        check_message(body, SEARCH_URN, dialect)?;
        let Value::Object(body) = body else {
            return Err(Error::invalid_syntax("the body is a JSON object"));
        };
        let mut parameters = Self::default();
        let mut count = Number::Absent;
        for (name, value) in body.iter().filter(|(_, value)| !value.is_null()) {
            match name.to_ascii_lowercase().as_str() {
                "filter" => parameters.set_filter(text(value)?)?,
                "startindex" => parameters.start_index = Number::of_json(value).index()?,
                "count" => count = Number::of_json(value),
                "cursor" => parameters.cursor = Some(text(value)?),
                "sortby" => parameters.sort_by = Some(text(value)?),
                "sortorder" => parameters.order = order(&text(value)?)?,
                "attributes" => parameters.attributes = texts(value)?,
                "excludedattributes" => parameters.excluded = texts(value)?,
                _ => {}
            }
        }
        parameters.counted(count)
    }

    /// Of two filters one would be ignored, and a wrong person found.
    fn set_filter(&mut self, filter: String) -> Result<(), Error> {
        match self.filter.replace(filter) {
            None => Ok(()),
            Some(_) => Err(Error::invalid_filter(
                "there are two filters; join them by and, or by or",
            )),
        }
    }

    /// What a count means depends on how the pages are told.
    fn counted(mut self, count: Number) -> Result<Self, Error> {
        if self.cursor.is_none() {
            self.count = count.index()?;
            return Ok(self);
        }
        if self.start_index.is_some() {
            return Err(Error::invalid_value(
                "a page is told by cursor or by startIndex, not by both",
            ));
        }
        self.count = match count {
            Number::Absent => None,
            Number::Whole(count) if count > 0 => Some(count),
            _ => {
                return Err(Error::invalid_count(
                    "count is a whole number from 1 to the largest page of this directory",
                ));
            }
        };
        Ok(self)
    }

    /// The attributes that the answer carries.
    pub fn projection(&self, schema: &ResourceSchema) -> Projection {
        Projection::new(&self.attributes, &self.excluded, schema)
    }

    /// The page that is asked for, within the limits of the directory; filter, order and cursor are not in it yet.
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

/// What stands where a whole number belongs.
#[derive(Debug, Clone, Copy)]
enum Number {
    Absent,
    Whole(i64),
    Wrong,
}

impl Number {
    /// A number beyond 64 bits is beyond every list as well, so the largest one stands for it.
    fn of_text(text: &str) -> Self {
        let text = text.trim();
        if text.is_empty() {
            return Self::Absent;
        }
        match text.parse() {
            Ok(number) => Self::Whole(number),
            Err(error) => match error.kind() {
                IntErrorKind::PosOverflow => Self::Whole(i64::MAX),
                IntErrorKind::NegOverflow => Self::Whole(i64::MIN),
                _ => Self::Wrong,
            },
        }
    }

    fn of_json(value: &Value) -> Self {
        match value {
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(number), _) => Self::Whole(number),
                (None, Some(_)) => Self::Whole(i64::MAX),
                (None, None) => Self::Wrong,
            },
            _ => Self::Wrong,
        }
    }

    fn index(self) -> Result<Option<i64>, Error> {
        match self {
            Self::Absent => Ok(None),
            Self::Whole(number) => Ok(Some(number)),
            Self::Wrong => Err(Error::invalid_value(
                "startIndex and count are whole numbers",
            )),
        }
    }
}

fn order(text: &str) -> Result<Order, Error> {
    match text.trim().to_ascii_lowercase().as_str() {
        "" | "ascending" => Ok(Order::Ascending),
        "descending" => Ok(Order::Descending),
        _ => Err(Error::invalid_value("sortOrder is ascending or descending")),
    }
}

fn text(value: &Value) -> Result<String, Error> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| Error::invalid_value("a parameter of the search has the wrong type"))
}

fn texts(value: &Value) -> Result<Vec<String>, Error> {
    match value {
        Value::Array(values) => values.iter().map(text).collect(),
        value => text(value).map(|text| vec![text]),
    }
}

/// Checks that a body says of itself that it is the message that is expected here.
///
/// Fails with `invalid_vers` where it is the same message of another version of SCIM, and with `invalid_syntax`
/// where it is something else, which only a strict directory minds.
pub(crate) fn check_message(body: &Value, urn: &str, dialect: Dialect) -> Result<(), Error> {
    let named = body
        .as_object()
        .and_then(|body| {
            body.iter()
                .find(|(key, _)| key.eq_ignore_ascii_case("schemas"))
        })
        .map(|(_, schemas)| schemas);
    let schemas: Vec<&str> = named
        .and_then(Value::as_array)
        .map(|schemas| schemas.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    if schemas
        .iter()
        .any(|schema| schema.eq_ignore_ascii_case(urn))
    {
        return Ok(());
    }
    if schemas.iter().any(|schema| is_other_version(schema, urn)) {
        return Err(Error::invalid_vers("messages are those of SCIM 2.0"));
    }
    if dialect == Dialect::Strict {
        return Err(Error::invalid_syntax(format!("schemas names {urn}")));
    }
    Ok(())
}

/// Whether two URNs differ in nothing but the version before the last colon.
fn is_other_version(schema: &str, urn: &str) -> bool {
    let parts = |urn: &str| {
        let (rest, name) = urn.rsplit_once(':')?;
        let (space, _) = rest.rsplit_once(':')?;
        Some((space.to_ascii_lowercase(), name.to_ascii_lowercase()))
    };
    parts(schema).is_some_and(|parts_of_schema| parts(urn) == Some(parts_of_schema))
}

/// The ListResponse message of a page by index.
pub fn response(total: u64, start_index: u64, resources: Vec<Map<String, Value>>) -> Value {
    Value::Object(Map::from_iter([
        ("schemas".to_owned(), json!([LIST_URN])),
        ("totalResults".to_owned(), json!(total)),
        ("startIndex".to_owned(), json!(start_index)),
        ("itemsPerPage".to_owned(), json!(resources.len())),
        ("Resources".to_owned(), array(resources)),
    ]))
}

/// The ListResponse message of a page by cursor (RFC 9865 §2.1), with `nextCursor` unless it is the last one.
pub fn cursor_response(
    total: Option<u64>,
    next: Option<String>,
    resources: Vec<Map<String, Value>>,
) -> Value {
    let mut response = Map::from_iter([
        ("schemas".to_owned(), json!([LIST_URN])),
        ("itemsPerPage".to_owned(), json!(resources.len())),
        ("Resources".to_owned(), array(resources)),
    ]);
    if let Some(total) = total {
        response.insert("totalResults".to_owned(), json!(total));
    }
    if let Some(next) = next {
        response.insert("nextCursor".to_owned(), json!(next));
    }
    Value::Object(response)
}

fn array(resources: Vec<Map<String, Value>>) -> Value {
    resources.into_iter().map(Value::Object).collect()
}
