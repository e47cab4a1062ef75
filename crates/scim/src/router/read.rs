//! Requests that change nothing.

use axum::extract::Request;
use http::StatusCode;
use http::request::Parts;
use serde_json::{Map, Value};

use super::answer::Answer;
use super::endpoint::Endpoint;
use super::{Call, headers, no_such_endpoint};
use crate::directory::{Directory, Load, Profile, Stored, Wanted};
use crate::discovery;
use crate::error::Error;
use crate::list::{self, Parameters};
use crate::path::AttributePath;
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
        Endpoint::ResourceTypes => all(discovery::resource_types(profile, base)),
        Endpoint::ResourceType(name) => one(discovery::resource_types(profile, base), name)?,
        Endpoint::Schemas => all(discovery::schemas(profile, base)),
        Endpoint::Schema(urn) => one(discovery::schemas(profile, base), urn)?,
        _ => return Err(no_such_endpoint()),
    };
    Ok(Answer::ok(body))
}

fn all(resources: Vec<Map<String, Value>>) -> Value {
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

/// Whether the entity tag of a resource says everything about the answer.
///
/// The names of members change without it; who asks for those is sent them anew.
fn is_tagged(kind: ResourceType, projection: &Projection) -> bool {
    kind == ResourceType::User || !(projection.is_chosen() && projection.carries("members"))
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
        if headers::names_versions(&parts.headers) && is_tagged(kind, &projection) {
            let mut tagged = wanted;
            tagged.members = Load::Nothing;
            let stored = self.find_stored(kind, id, tagged).await?;
            if headers::has_version(&parts.headers, &stored.tag()) {
                return Ok(Answer::empty(StatusCode::NOT_MODIFIED).version(stored.etag()));
            }
        }
        let stored = self.find_stored(kind, id, wanted).await?;
        let etag = stored.etag();
        let body = self.project(kind, stored, &projection, &[]);
        Ok(Answer::ok(Value::Object(body)).version(etag))
    }

    async fn find_stored(
        &self,
        kind: ResourceType,
        id: &str,
        wanted: Wanted,
    ) -> Result<Stored, Error> {
        let found = self.directory.find(&self.access, kind, id, wanted).await?;
        found.ok_or_else(Error::no_such_resource)
    }

    /// The answer for a resource; `touched` are the attributes that the request wrote.
    pub(super) fn project(
        &self,
        kind: ResourceType,
        stored: Stored,
        projection: &Projection,
        touched: &[AttributePath],
    ) -> Map<String, Value> {
        let schema = self.profile.registry.of(kind);
        let document = stored.into_document(schema, self.base);
        projection.apply(document, schema, touched)
    }
}
