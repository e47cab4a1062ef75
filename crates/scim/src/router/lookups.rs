//! `/Roles` and `/Entitlements`: the values that an identity provider may assign to users.

use axum::http::request::Parts;
use serde_json::{Map, Value};

use super::answer::Answer;
use super::pages::order_text;
use super::{Call, no_such_endpoint};
use crate::cursor::{self, Walk};
use crate::directory::{After, Directory, LookupKind};
use crate::discovery;
use crate::error::Error;
use crate::evaluate::{compare_documents, matches};
use crate::filter::Filter;
use crate::list::{self, Parameters};

impl<D: Directory> Call<'_, D> {
    /// One page of the values; filters, orders, projections and cursors work as on users.
    pub(super) async fn lookups(self, kind: LookupKind, parts: &Parts) -> Result<Answer, Error> {
        let mut documents = self.lookup_documents(kind).await?;
        let schema = discovery::lookup_resource(kind);
        let parameters = Parameters::from_query(parts.uri.query().unwrap_or_default())?;
        let filter = match &parameters.filter {
            None => None,
            Some(filter) => {
                let (dialect, repairs) = (self.profile.dialect, &mut self.trace.repairs);
                Some(Filter::parse_as(filter, &schema, dialect, repairs)?)
            }
        };
        let sort = parameters.sort(&self.profile, &schema)?;
        documents.retain(|document| {
            let filter = filter.as_ref();
            filter.is_none_or(|filter| matches(filter, document))
        });
        if let Some(sort) = &sort {
            documents.sort_by(|left, right| compare_documents(sort, left, right));
        }
        let query = parameters.page(&self.profile);
        let total = u64::try_from(documents.len()).unwrap_or(u64::MAX);
        let projection = parameters.projection(&schema);
        let page = |start: u64| -> Vec<Map<String, Value>> {
            let skip = usize::try_from(start.saturating_sub(1)).unwrap_or(usize::MAX);
            let take = usize::try_from(query.count).unwrap_or(usize::MAX);
            let documents = documents.iter().skip(skip).take(take).cloned();
            documents
                .map(|document| projection.apply(document, &schema, &[]))
                .collect()
        };
        let Some(cursor) = &parameters.cursor else {
            let response = list::response(total, query.start_index, page(query.start_index));
            return Ok(Answer::ok(response));
        };
        let filter = filter.as_ref().map(ToString::to_string);
        let order = sort.as_ref().map(order_text);
        let walk = Walk {
            directory: self.base,
            endpoint: kind.endpoint(),
            filter: filter.as_deref().unwrap_or_default(),
            order: order.as_deref().unwrap_or_default(),
        };
        let start = match self.after(&walk, cursor)? {
            After::Start => 1,
            After::Position(position) => position.parse().map_err(|_| cursor::invalid())?,
        };
        let resources = page(start);
        let behind = start.saturating_add(resources.len().try_into().unwrap_or(u64::MAX));
        let position = (behind <= total).then(|| behind.to_string());
        let next = self.next(&walk, position.as_deref())?;
        let response = list::cursor_response(Some(total), next, resources);
        Ok(Answer::ok(response))
    }

    pub(super) async fn lookup(
        self,
        kind: LookupKind,
        value: &str,
        parts: &Parts,
    ) -> Result<Answer, Error> {
        let documents = self.lookup_documents(kind).await?;
        let parameters = Parameters::from_query(parts.uri.query().unwrap_or_default())?;
        let schema = discovery::lookup_resource(kind);
        let mut documents = documents.into_iter();
        let found = documents
            .find(|document| document.get("id").and_then(Value::as_str) == Some(value))
            .ok_or_else(Error::no_such_resource)?;
        let projection = parameters.projection(&schema);
        let document = projection.apply(found, &schema, &[]);
        Ok(Answer::ok(Value::Object(document)))
    }

    async fn lookup_documents(&self, kind: LookupKind) -> Result<Vec<Map<String, Value>>, Error> {
        if !self.profile.tells(kind) {
            return Err(no_such_endpoint());
        }
        let lookups = self.directory.lookups(&self.access, kind).await?;
        let documents = lookups.iter();
        Ok(documents
            .map(|lookup| discovery::lookup_document(kind, lookup, self.base))
            .collect())
    }
}
