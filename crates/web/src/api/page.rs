//! Lists come in pages; a cursor says where the next one begins.

use serde::{Deserialize, Serialize};
use vestibule_core::{Id, Noun};

use super::problem::Problem;

const DEFAULT_LIMIT: i64 = 50;
const MAX_LIMIT: i64 = 500;

/// A page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct List<T: utoipa::ToSchema> {
    /// The items.
    pub(super) data: Vec<T>,
    /// Where the next page begins; null when there is none.
    pub(super) next_cursor: Option<String>,
}

/// Which page is wanted.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    /// How many items, at most 500.
    pub(super) limit: Option<i64>,
    /// `next_cursor` of the page before.
    pub(super) after: Option<String>,
    /// Another name for `after`.
    pub(super) cursor: Option<String>,
}

/// A page of things with ids.
pub(super) struct Page<N> {
    /// The last id of the page before.
    pub(super) after: Option<Id<N>>,
    /// How many items.
    pub(super) limit: i64,
}

impl PageQuery {
    /// The page in ids of a noun.
    pub(super) fn parse<N: Noun>(self) -> Result<Page<N>, Problem> {
        let limit = checked_limit(self.limit)?;
        let after = self
            .after
            .or(self.cursor)
            .filter(|cursor| !cursor.is_empty());
        let after = after
            .map(|cursor| cursor.parse().map_err(|_| Problem::cursor()))
            .transpose()?;
        Ok(Page { after, limit })
    }
}

/// How many items a page has.
pub(super) fn checked_limit(limit: Option<i64>) -> Result<i64, Problem> {
    match limit {
        Some(limit) if limit < 1 => Err(Problem::query("limit has to be 1 to 500")),
        limit => Ok(limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT)),
    }
}

impl<T: utoipa::ToSchema> List<T> {
    /// A list that always fits into one page.
    pub(super) fn whole<R: Into<T>>(rows: Vec<R>) -> Self {
        Self {
            data: rows.into_iter().map(Into::into).collect(),
            next_cursor: None,
        }
    }

    /// A page of rows; a full one may be followed by another.
    pub(super) fn page<R: Into<T>>(rows: Vec<R>, limit: i64, id: impl Fn(&R) -> String) -> Self {
        let is_full = i64::try_from(rows.len()).is_ok_and(|count| count >= limit);
        let next_cursor = rows.last().filter(|_| is_full).map(id);
        Self {
            data: rows.into_iter().map(Into::into).collect(),
            next_cursor,
        }
    }
}
