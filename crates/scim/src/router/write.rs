//! Requests that change something.

use axum::extract::Request;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

use super::answer::Answer;
use super::{Call, headers};
use crate::dialect::Dialect;
use crate::directory::{Created, Directory, Load, Precondition, Update, Updated, Wanted};
use crate::error::Error;
use crate::list::{Parameters, check_message};
use crate::patch::{Change, PATCH_URN};
use crate::path::AttributePath;
use crate::project::Projection;
use crate::resource::{Draft, Resource};
use crate::schema::{ResourceSchema, ResourceType};

/// The two ways to change a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Put,
    Patch,
}

impl Verb {
    pub(super) fn of(method: &Method) -> Self {
        if *method == Method::PATCH {
            Self::Patch
        } else {
            Self::Put
        }
    }
}

impl<D: Directory> Call<'_, D> {
    pub(super) async fn create(
        mut self,
        kind: ResourceType,
        request: Request,
    ) -> Result<Answer, Error> {
        let projection = self.projection(kind, request.uri().query())?;
        let body = self.resource_body(kind, request).await?;
        let wanted = projection.wanted(kind, Load::Everything);
        let (created, touched) = self.create_stored(kind, body, wanted).await?;
        let stored = created.stored;
        let (etag, location) = (stored.etag(), stored.location(kind, self.base));
        let body = self.project(kind, stored, &projection, &touched);
        Ok(Answer {
            status: StatusCode::CREATED,
            body: Some(Value::Object(body)),
            etag: Some(etag),
            location: Some(location),
            preference: None,
        })
    }

    /// Creates a resource, and says which attributes the client named.
    pub(super) async fn create_stored(
        &mut self,
        kind: ResourceType,
        body: Value,
        wanted: Wanted,
    ) -> Result<(Created, Vec<AttributePath>), Error> {
        let schema = self.schema(kind);
        let reading = self.profile.reading();
        let mut draft = Draft::parse(body, &schema, reading, &mut self.trace.repairs)?;
        if !self.profile.accept_password {
            draft.password = None;
        }
        let touched = named(&draft.resource, &schema);
        // Said in the answer too: Okta looks for it.
        if kind == ResourceType::User && !draft.resource.attributes().contains_key("active") {
            draft.resource.set_active(true);
        }
        let created = self
            .directory
            .create(&self.access, kind, draft, wanted)
            .await?;
        self.trace.resource_id = Some(created.stored.id.clone());
        self.trace.changed = Some(true);
        self.trace.repairs.extend(&created.repairs);
        Ok((created, touched))
    }

    pub(super) async fn update(
        mut self,
        kind: ResourceType,
        id: &str,
        request: Request,
    ) -> Result<Answer, Error> {
        let precondition = headers::precondition(request.headers());
        let headers = request.headers().clone();
        let verb = Verb::of(request.method());
        let (projection, body) = match self.projection(kind, request.uri().query()) {
            Ok(projection) => (projection, self.resource_body(kind, request).await),
            Err(error) => (Projection::default(), Err(error)),
        };
        let wanted = self.wanted(kind, verb, &projection);
        let updated = self
            .update_stored(kind, id, (verb, body), &precondition, wanted)
            .await?;
        let patch = (verb == Verb::Patch).then_some(&headers);
        Ok(self.updated(kind, updated, &projection, patch))
    }

    /// Changes a resource; of a body that could not be read the refusal comes after those of id and version.
    pub(super) async fn update_stored(
        &mut self,
        kind: ResourceType,
        id: &str,
        (verb, body): (Verb, Result<Value, Error>),
        precondition: &Precondition,
        wanted: Wanted,
    ) -> Result<Updated, Error> {
        let change = body.and_then(|body| self.read_change(kind, verb, body));
        let change = match change.and_then(|change| change.check_id(id).map(|()| change)) {
            Ok(change) => change,
            Err(error) => return Err(self.refused(kind, id, precondition, error).await),
        };
        let update = Update::new(&change, precondition, wanted);
        let updated = self
            .directory
            .update(&self.access, kind, id, update)
            .await?;
        self.trace.changed = Some(updated.changed);
        self.trace.repairs.extend(&updated.repairs);
        Ok(updated)
    }

    fn read_change(
        &mut self,
        kind: ResourceType,
        verb: Verb,
        body: Value,
    ) -> Result<Change, Error> {
        let schema = self.schema(kind);
        let (reading, repairs) = (self.profile.reading(), &mut self.trace.repairs);
        let change = match verb {
            Verb::Put => Change::put(body, &schema, reading, repairs)?,
            Verb::Patch => {
                // What a strict directory wants of `schemas` the change itself checks.
                check_message(&body, PATCH_URN, Dialect::Lenient)?;
                Change::patch(body, &schema, reading, repairs)?
            }
        };
        if self.profile.accept_password {
            return Ok(change);
        }
        Ok(change.without_password())
    }

    /// The refusal of an unreadable body: that the resource does not exist, or has changed, comes first.
    async fn refused(
        &self,
        kind: ResourceType,
        id: &str,
        precondition: &Precondition,
        error: Error,
    ) -> Error {
        match self
            .directory
            .find(&self.access, kind, id, Wanted::NOTHING)
            .await
        {
            Ok(Some(stored)) => precondition.check(&stored.version).err().unwrap_or(error),
            Ok(None) => Error::no_such_resource(),
            Err(error) => error,
        }
    }

    /// A PATCH of a large group does not read the members back, unless the client named them.
    fn wanted(&self, kind: ResourceType, verb: Verb, projection: &Projection) -> Wanted {
        let is_brief = verb == Verb::Patch && kind == ResourceType::Group;
        let load = if is_brief && !projection.is_chosen() {
            Load::AtMost(self.options.patch_members)
        } else {
            Load::Everything
        };
        projection.wanted(kind, load)
    }

    /// `patch` are the headers of a PATCH, which may be answered without a body.
    fn updated(
        &self,
        kind: ResourceType,
        updated: Updated,
        projection: &Projection,
        patch: Option<&HeaderMap>,
    ) -> Answer {
        let Updated {
            stored, touched, ..
        } = updated;
        let etag = stored.etag();
        if let Some(headers) = patch.filter(|_| !projection.is_chosen()) {
            let is_minimal = headers::prefers_minimal(headers);
            let is_too_large = kind == ResourceType::Group
                && projection.carries("members")
                && stored.members.is_none();
            if is_minimal || is_too_large {
                let mut answer = Answer::empty(StatusCode::NO_CONTENT).version(etag);
                answer.preference = is_minimal.then_some("return=minimal");
                return answer;
            }
        }
        let body = self.project(kind, stored, projection, &touched);
        Answer::ok(Value::Object(body)).version(etag)
    }

    pub(super) async fn delete(
        self,
        kind: ResourceType,
        id: &str,
        parts: &Parts,
    ) -> Result<Answer, Error> {
        let precondition = headers::precondition(&parts.headers);
        self.delete_stored(kind, id, &precondition).await?;
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }

    pub(super) async fn delete_stored(
        self,
        kind: ResourceType,
        id: &str,
        precondition: &Precondition,
    ) -> Result<(), Error> {
        self.directory
            .delete(&self.access, kind, id, precondition)
            .await?;
        self.trace.changed = Some(true);
        Ok(())
    }

    fn projection(&self, kind: ResourceType, query: Option<&str>) -> Result<Projection, Error> {
        let parameters = Parameters::from_query(query.unwrap_or_default())?;
        Ok(parameters.projection(&self.schema(kind)))
    }
}

/// The attributes that a new resource was sent with.
fn named(resource: &Resource, schema: &ResourceSchema) -> Vec<AttributePath> {
    let mut paths = Vec::new();
    for (key, value) in resource.attributes() {
        match (schema.extension(key), value.as_object()) {
            (Some(extension), Some(object)) => {
                let urn = Some(extension.id.as_str());
                paths.extend(
                    object
                        .keys()
                        .map(|name| AttributePath::new(urn, name, None)),
                );
            }
            _ => paths.push(AttributePath::new(None, key, None)),
        }
    }
    paths
}
