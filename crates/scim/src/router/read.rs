//! Requests that change nothing.

use axum::extract::Request;
use http::StatusCode;
use http::request::Parts;
use serde_json::{Map, Value};

use super::answer::Answer;
use super::endpoint::Endpoint;
use super::{Call, headers};
use crate::directory::{Directory, Load, Profile, Query, Stored};
use crate::discovery;
use crate::error::Error;
use crate::filter::{Filter, Outcome};
use crate::list::{self, Parameters};
use crate::project::Projection;
use crate::schema::ResourceType;

/// Fails where the client accepts no form of JSON.
pub(super) fn check_accept(request: &Request) -> Result<(), Error> {
    match headers::accepted(request.headers()) {
        Some(_) => Ok(()),
        None => Err(Error::not_acceptable("answers are application/scim+json")),
    }
}

/// Answers a discovery endpoint; a filter there is refused (RFC 7644 §4).
pub(super) fn discovery(
    endpoint: &Endpoint,
    profile: &Profile,
    base: &str,
    query: Option<&str>,
) -> Result<Answer, Error> {
    let mut parameters = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    if parameters.any(|(name, _)| name.eq_ignore_ascii_case("filter")) {
        return Err(Error::forbidden("this endpoint takes no filter"));
    }
    let body = match endpoint {
        Endpoint::Config => discovery::service_provider_config(profile, base),
        Endpoint::ResourceTypes => all(&discovery::resource_types(&profile.registry, base)),
        Endpoint::ResourceType(name) => {
            one(discovery::resource_types(&profile.registry, base), name)?
        }
        Endpoint::Schemas => all(&discovery::schemas(&profile.registry, base)),
        Endpoint::Schema(urn) => one(discovery::schemas(&profile.registry, base), urn)?,
        _ => return Err(Error::not_found("there is no such endpoint")),
    };
    Ok(Answer::ok(body))
}

fn all(resources: &[Map<String, Value>]) -> Value {
    let total = u64::try_from(resources.len()).unwrap_or(u64::MAX);
    list::response(total, 1, resources)
}

fn one(resources: Vec<Map<String, Value>>, id: &str) -> Result<Value, Error> {
    let is_named = |resource: &Map<String, Value>| {
        let named = resource.get("id").and_then(Value::as_str);
        named.is_some_and(|named| named.eq_ignore_ascii_case(id))
    };
    let resource = resources.into_iter().find(is_named);
    resource
        .map(Value::Object)
        .ok_or_else(|| Error::not_found("there is nothing of this name"))
}

impl<D: Directory> Call<'_, D> {
    pub(super) async fn find(
        self,
        kind: ResourceType,
        id: &str,
        parts: &Parts,
    ) -> Result<Answer, Error> {
        let parameters = Parameters::from_query(parts.uri.query().unwrap_or_default())?;
        let projection = parameters.projection(&self.schema(kind));
        let wanted = projection.wanted(kind, Load::Everything);
        let found = self.directory.find(&self.access, kind, id, wanted).await?;
        let stored = found.ok_or_else(Error::no_such_resource)?;
        if headers::has_version(&parts.headers, &stored.version) {
            return Ok(Answer::empty(StatusCode::NOT_MODIFIED).version_of(&stored));
        }
        let body = self.project(kind, &stored, &projection);
        Ok(Answer::ok(Value::Object(body)).version_of(&stored))
    }

    pub(super) async fn list(self, kind: ResourceType, parts: &Parts) -> Result<Answer, Error> {
        let parameters = Parameters::from_query(parts.uri.query().unwrap_or_default())?;
        self.answer_list(kind, &parameters).await
    }

    pub(super) async fn search(
        self,
        kind: ResourceType,
        request: Request,
    ) -> Result<Answer, Error> {
        let parameters = Parameters::from_body(&headers::json(request).await?)?;
        self.answer_list(kind, &parameters).await
    }

    async fn answer_list(
        self,
        kind: ResourceType,
        parameters: &Parameters,
    ) -> Result<Answer, Error> {
        let schema = self.schema(kind);
        let projection = parameters.projection(&schema);
        let mut query = parameters.page(&self.profile);
        query.sort = parameters.sort(&self.profile, &schema)?;
        query.wanted = projection.wanted(kind, Load::Everything);
        if let Some(filter) = &parameters.filter {
            let dialect = self.profile.dialect;
            query.filter = Some(Filter::parse_as(
                filter,
                &schema,
                dialect,
                &mut self.trace.repairs,
            )?);
        }
        let page = self.directory.list(&self.access, kind, &query).await?;
        let resources: Vec<_> = page
            .resources
            .iter()
            .map(|stored| self.project(kind, stored, &projection))
            .collect();
        Ok(Answer::ok(list::response(
            page.total.unwrap_or_default(),
            query.start_index,
            &resources,
        )))
    }

    pub(super) async fn list_all(self, parts: &Parts) -> Result<Answer, Error> {
        let parameters = Parameters::from_query(parts.uri.query().unwrap_or_default())?;
        self.answer_all(&parameters).await
    }

    pub(super) async fn search_all(self, request: Request) -> Result<Answer, Error> {
        let parameters = Parameters::from_body(&headers::json(request).await?)?;
        self.answer_all(&parameters).await
    }

    /// All users, then all groups; sorting orders each of the two.
    async fn answer_all(mut self, parameters: &Parameters) -> Result<Answer, Error> {
        let page = parameters.page(&self.profile);
        let mut resources = Vec::new();
        let mut total: u64 = 0;
        for kind in [ResourceType::User, ResourceType::Group] {
            let taken = u64::try_from(resources.len()).unwrap_or(u64::MAX);
            let mut query = Query::new(page.count.saturating_sub(taken));
            query.start_index = page.start_index.saturating_sub(total).max(1);
            total = total.saturating_add(
                self.list_kind(kind, parameters, query, &mut resources)
                    .await?,
            );
        }
        Ok(Answer::ok(list::response(
            total,
            page.start_index,
            &resources,
        )))
    }

    async fn list_kind(
        &mut self,
        kind: ResourceType,
        parameters: &Parameters,
        mut query: Query,
        resources: &mut Vec<Map<String, Value>>,
    ) -> Result<u64, Error> {
        let schema = self.schema(kind);
        if let Some(filter) = &parameters.filter {
            let dialect = self.profile.dialect;
            match Filter::parse_any(filter, &schema, dialect, &mut self.trace.repairs)? {
                Outcome::Filter(filter) => query.filter = Some(filter),
                Outcome::Constant(true) => {}
                Outcome::Constant(false) => return Ok(0),
            }
        }
        let projection = parameters.projection(&schema);
        query.sort = parameters.sort(&self.profile, &schema).unwrap_or_default();
        query.wanted = projection.wanted(kind, Load::Everything);
        let page = self.directory.list(&self.access, kind, &query).await?;
        for stored in &page.resources {
            resources.push(self.project(kind, stored, &projection));
        }
        Ok(page.total.unwrap_or_default())
    }

    pub(super) fn project(
        &self,
        kind: ResourceType,
        stored: &Stored,
        projection: &Projection,
    ) -> Map<String, Value> {
        let schema = self.schema(kind);
        let document = stored.document(&schema, &self.base);
        projection.apply(document, &schema, &[])
    }
}
