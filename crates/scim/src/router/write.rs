//! Requests that change something.

use axum::extract::Request;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

use super::answer::Answer;
use super::{Call, headers};
use crate::directory::{Directory, Load, Precondition, Update, Updated, Wanted};
use crate::error::Error;
use crate::list::Parameters;
use crate::patch::Change;
use crate::project::Projection;
use crate::resource::Draft;
use crate::schema::ResourceType;

impl<D: Directory> Call<'_, D> {
    pub(super) async fn create(
        self,
        kind: ResourceType,
        request: Request,
    ) -> Result<Answer, Error> {
        let projection = self.projection(kind, &request)?;
        let schema = self.schema(kind);
        let body = headers::json(request).await?;
        let mut draft = Draft::parse(body, &schema, self.profile.dialect, &mut self.trace.repairs)?;
        if !self.profile.accept_password {
            draft.password = None;
        }
        // Said in the answer too: Okta looks for it.
        if kind == ResourceType::User && !draft.resource.attributes().contains_key("active") {
            draft.resource.set_active(true);
        }
        let wanted = projection.wanted(kind, Load::Everything);
        let created = self
            .directory
            .create(&self.access, kind, draft, wanted)
            .await?;
        let stored = created.stored;
        self.trace.repairs.extend(&created.repairs);
        self.trace.resource_id = Some(stored.id.clone());
        self.trace.changed = Some(true);
        let body = self.project(kind, &stored, &projection);
        Ok(Answer {
            status: StatusCode::CREATED,
            body: Some(Value::Object(body)),
            etag: Some(stored.etag()),
            location: Some(stored.location(kind, &self.base)),
        })
    }

    pub(super) async fn update(
        mut self,
        kind: ResourceType,
        id: &str,
        request: Request,
    ) -> Result<Answer, Error> {
        let precondition = headers::precondition(request.headers());
        let headers = request.headers().clone();
        let is_patch = request.method() == Method::PATCH;
        let change = match self.read_change(kind, request).await {
            Ok(change) => change,
            Err(error) => return Err(self.refused(kind, id, &precondition, error).await),
        };
        let (change, projection) = change;
        let wanted = self.wanted(kind, is_patch, &projection);
        let update = Update::new(&change, &precondition, wanted);
        let updated = self
            .directory
            .update(&self.access, kind, id, update)
            .await?;
        self.trace.changed = Some(updated.changed);
        self.trace.repairs.extend(&updated.repairs);
        Ok(self.updated(kind, &updated, &projection, is_patch.then_some(&headers)))
    }

    async fn read_change(
        &mut self,
        kind: ResourceType,
        request: Request,
    ) -> Result<(Change, Projection), Error> {
        let projection = self.projection(kind, &request)?;
        let schema = self.schema(kind);
        let (dialect, repairs) = (self.profile.dialect, &mut self.trace.repairs);
        let is_patch = request.method() == Method::PATCH;
        let body = headers::json(request).await?;
        let change = if is_patch {
            Change::patch(body, &schema, dialect, repairs)?
        } else {
            Change::put(body, &schema, dialect, repairs)?
        };
        if self.profile.accept_password {
            return Ok((change, projection));
        }
        Ok((change.without_password(), projection))
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
    fn wanted(&self, kind: ResourceType, is_patch: bool, projection: &Projection) -> Wanted {
        let load = if is_patch && kind == ResourceType::Group && !projection.is_chosen() {
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
        updated: &Updated,
        projection: &Projection,
        patch: Option<&HeaderMap>,
    ) -> Answer {
        let stored = &updated.stored;
        let brief = patch.is_some_and(|headers| {
            let too_large = kind == ResourceType::Group
                && projection.carries("members")
                && stored.members.is_none();
            too_large || headers::prefers_minimal(headers)
        });
        if brief && !projection.is_chosen() {
            return Answer::empty(StatusCode::NO_CONTENT).version_of(stored);
        }
        let body = self.project(kind, stored, projection);
        Answer::ok(Value::Object(body)).version_of(stored)
    }

    pub(super) async fn delete(
        self,
        kind: ResourceType,
        id: &str,
        parts: &Parts,
    ) -> Result<Answer, Error> {
        let precondition = headers::precondition(&parts.headers);
        self.directory
            .delete(&self.access, kind, id, &precondition)
            .await?;
        self.trace.changed = Some(true);
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }

    fn projection(&self, kind: ResourceType, request: &Request) -> Result<Projection, Error> {
        let parameters = Parameters::from_query(request.uri().query().unwrap_or_default())?;
        Ok(parameters.projection(&self.schema(kind)))
    }
}
