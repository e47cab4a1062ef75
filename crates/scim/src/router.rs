//! The SCIM endpoints as an axum router (feature `axum`).

mod answer;
mod bulk;
mod endpoint;
mod headers;
mod lookups;
mod pages;
mod read;
mod write;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::response::Response;
use axum::routing::any;
use http::Method;
use serde_json::Value;
use url::Url;

use crate::dialect::Repairs;
use crate::directory::{Directory, Exchange, Failure, Hints, Profile};
use crate::error::Error;
use crate::schema::{ResourceSchema, ResourceType};
use answer::{Answer, refusal};
use endpoint::Endpoint;

/// Settings of the router.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The URL under which clients reach the router, such as `https://host/scim/v2`; `meta.location` and
    /// `Location` begin with it.
    pub base_url: Url,
    /// A PATCH of a group is answered with the group while it has at most this many members, else with 204.
    pub patch_members: usize,
}

impl Options {
    /// The settings with their defaults: patched groups are answered up to 100 members.
    pub fn new(base_url: Url) -> Self {
        Self {
            base_url,
            patch_members: 100,
        }
    }

    /// The URL of a directory, without a slash at the end.
    fn directory_url(&self, directory: &str) -> String {
        let mut url = self.base_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push(directory);
        }
        url.into()
    }
}

/// Where a request comes from, put into its extensions by the host, who knows which proxies to trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// The endpoints under `/{directory}`, to be nested where [`Options::base_url`] points.
///
/// The same router may be nested a second time, for instance under `/scim` beside `/scim/v2`.
pub fn router<D: Directory, S: Clone + Send + Sync + 'static>(
    directory: Arc<D>,
    options: Options,
) -> Router<S> {
    Router::new()
        .route("/{scim_directory}", any(handle::<D>))
        .route("/{scim_directory}/", any(handle::<D>))
        .route("/{scim_directory}/{*scim_path}", any(handle::<D>))
        .with_state(Service {
            directory,
            options: Arc::new(options),
        })
}

struct Service<D> {
    directory: Arc<D>,
    options: Arc<Options>,
}

impl<D> Clone for Service<D> {
    fn clone(&self) -> Self {
        Self {
            directory: Arc::clone(&self.directory),
            options: Arc::clone(&self.options),
        }
    }
}

/// What is known of a request before it is answered.
#[derive(Debug, Clone)]
struct Opening {
    id: Arc<str>,
    directory: String,
    user_agent: Option<String>,
}

/// What is learned about a request while it is answered.
struct Trace<A> {
    access: Option<A>,
    resource_id: Option<String>,
    changed: Option<bool>,
    repairs: Repairs,
    hints: Hints,
}

impl<A> Trace<A> {
    fn new(access: Option<A>, hints: Hints) -> Self {
        Self {
            access,
            resource_id: None,
            changed: None,
            repairs: Repairs::default(),
            hints,
        }
    }

    /// Notes what the schemas of a body say about the product that sent it.
    fn note_schemas(&mut self, body: &Value) {
        let schemas = body.get("schemas").and_then(Value::as_array);
        for schema in schemas.into_iter().flatten().filter_map(Value::as_str) {
            let begins = |prefix: &str| {
                schema
                    .get(..prefix.len())
                    .is_some_and(|head| head.eq_ignore_ascii_case(prefix))
            };
            self.hints.adscim_urn |= schema.contains("/ADSCIM/");
            self.hints.old_urns |= begins("urn:scim:schemas:");
        }
    }
}

/// An authorized request.
struct Call<'a, D: Directory> {
    directory: &'a D,
    options: &'a Options,
    opening: &'a Opening,
    /// The URL of the directory.
    base: &'a str,
    access: D::Access,
    profile: Arc<Profile>,
    trace: &'a mut Trace<D::Access>,
}

async fn handle<D: Directory>(
    State(service): State<Service<D>>,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> Response {
    let named = |name: &str| {
        // A path that is no UTF-8 names no directory.
        let mut parameters = parameters.iter().flat_map(RawPathParams::iter);
        let parameter = parameters.find(|(key, _)| *key == name);
        parameter.map_or("", |(_, value)| value).to_owned()
    };
    let opening = Opening {
        id: service.directory.request_id(),
        directory: named("scim_directory"),
        user_agent: headers::user_agent(request.headers()),
    };
    let path = named("scim_path");
    let (endpoint, method) = (Endpoint::parse(&path), request.method().clone());
    let started = Instant::now();
    // In a task of its own, so that a client that goes away leaves neither half a request nor none in the log.
    let task = serve(service.clone(), opening.clone(), path, request);
    if let Ok(response) = tokio::spawn(task).await {
        return response;
    }
    let error = Error::internal("the task of the request panicked");
    let response = refusal(&error, None, None);
    let ending = Ending {
        method,
        endpoint: endpoint.template(),
        operation: None,
        status: response.status().as_u16(),
        failure: Some(Failure::of(&error)),
        started,
    };
    let trace = Trace::new(None, Hints::default());
    let exchange = exchange(&opening, trace, ending);
    service.directory.observe(exchange).await;
    response
}

async fn serve<D: Directory>(
    service: Service<D>,
    opening: Opening,
    path: String,
    request: Request,
) -> Response {
    let started = Instant::now();
    let endpoint = Endpoint::parse(&path);
    let method = request.method().clone();
    let media = headers::accepted(request.headers());
    let hints = Hints {
        aad_flag: Endpoint::has_aad_flag(&path, request.uri().query()),
        ..Hints::default()
    };
    let mut trace = Trace::new(None, hints);
    let outcome = answer(&service, &opening, &endpoint, request, &mut trace).await;
    let failure = outcome.as_ref().err().map(Failure::of);
    let response = match outcome {
        Ok(answer) => answer.into_response(media.unwrap_or(headers::SCIM_JSON)),
        Err(error) => refusal(&error, endpoint.allow(), media),
    };
    let ending = Ending {
        method,
        endpoint: endpoint.template(),
        operation: None,
        status: response.status().as_u16(),
        failure,
        started,
    };
    let exchange = exchange(&opening, trace, ending);
    service.directory.observe(exchange).await;
    response
}

/// How a request, or one operation of a bulk request, came out.
struct Ending {
    method: Method,
    endpoint: &'static str,
    operation: Option<usize>,
    status: u16,
    failure: Option<Failure>,
    started: Instant,
}

fn exchange<A>(opening: &Opening, trace: Trace<A>, ending: Ending) -> Exchange<A> {
    Exchange {
        request_id: Arc::clone(&opening.id),
        operation: ending.operation,
        directory: opening.directory.clone(),
        access: trace.access,
        method: ending.method,
        endpoint: ending.endpoint,
        resource_id: trace.resource_id,
        user_agent: opening.user_agent.clone(),
        status: ending.status,
        failure: ending.failure,
        changed: trace.changed,
        repairs: trace.repairs.as_slice().to_vec(),
        hints: trace.hints,
        duration: ending.started.elapsed(),
    }
}

/// Checks in the order of RFC 7644 and of what clients expect: credentials, directory, endpoint, right to write,
/// existence, version, body.
async fn answer<D: Directory>(
    service: &Service<D>,
    opening: &Opening,
    endpoint: &Endpoint,
    request: Request,
    trace: &mut Trace<D::Access>,
) -> Result<Answer, Error> {
    let name = opening.directory.as_str();
    let base = service.options.directory_url(name);
    if endpoint.is_discovery() {
        check_method(endpoint, request.method())?;
        read::check_accept(&request)?;
        let address = request.extensions().get::<ClientAddress>();
        let address = address.map(|ClientAddress(address)| *address);
        let profile = service.directory.public_profile(name, address).await?;
        return read::discovery(endpoint, &profile, &base, request.uri().query());
    }
    let bearer = headers::bearer(request.headers());
    let access = service.directory.authorize(name, bearer).await?;
    let access = service.directory.for_request(access, &opening.id);
    trace.access = Some(access.clone());
    if let Endpoint::Resource(_, id) = endpoint {
        trace.resource_id = Some(id.clone());
    }
    check_method(endpoint, request.method())?;
    read::check_accept(&request)?;
    if endpoint.writes(request.method()) && !service.directory.may_write(&access) {
        return Err(Error::forbidden("this token may read and not write"));
    }
    let call = Call {
        directory: &*service.directory,
        options: &service.options,
        opening,
        base: &base,
        profile: service.directory.profile(&access),
        access,
        trace,
    };
    call.dispatch(endpoint, request).await
}

fn check_method(endpoint: &Endpoint, method: &Method) -> Result<(), Error> {
    if endpoint.takes(method) {
        return Ok(());
    }
    Err(Error::method_not_allowed(
        "this endpoint does not take this method",
    ))
}

impl<D: Directory> Call<'_, D> {
    async fn dispatch(self, endpoint: &Endpoint, request: Request) -> Result<Answer, Error> {
        let method = request.method().clone();
        match endpoint {
            Endpoint::Root => self.list_all(&request.into_parts().0).await,
            Endpoint::RootSearch => self.search_all(request).await,
            Endpoint::Collection(kind) if method == Method::POST => {
                self.create(*kind, request).await
            }
            Endpoint::Collection(kind) => self.list(*kind, &request.into_parts().0).await,
            Endpoint::Search(kind) => self.search(*kind, request).await,
            Endpoint::Resource(kind, id) => match method {
                Method::PUT | Method::PATCH => self.update(*kind, id, request).await,
                Method::DELETE => self.delete(*kind, id, &request.into_parts().0).await,
                _ => self.find(*kind, id, &request.into_parts().0).await,
            },
            Endpoint::Lookups(kind) => self.lookups(*kind, &request.into_parts().0).await,
            Endpoint::Lookup(kind, value) => {
                self.lookup(*kind, value, &request.into_parts().0).await
            }
            Endpoint::Bulk => self.bulk(request).await,
            Endpoint::Me => Err(Error::not_implemented(
                "a directory token stands for no user, so there is no /Me",
            )),
            _ => Err(no_such_endpoint()),
        }
    }

    fn schema(&self, kind: ResourceType) -> Arc<ResourceSchema> {
        Arc::clone(self.profile.registry.of(kind))
    }

    /// Reads the body of a request that writes no resource of its own, such as a search.
    async fn body(&mut self, request: Request) -> Result<Value, Error> {
        headers::json(request, self.profile.body_limit, "the largest body").await
    }

    /// Reads the body of a resource, or of a change to one; that of a group may carry its whole member list.
    async fn resource_body(
        &mut self,
        kind: ResourceType,
        request: Request,
    ) -> Result<Value, Error> {
        let limit = match kind {
            ResourceType::User => self.profile.body_limit,
            ResourceType::Group => self.profile.group_body_limit,
        };
        let body = headers::json(request, limit, "the largest body").await?;
        self.trace.note_schemas(&body);
        Ok(body)
    }
}

fn no_such_endpoint() -> Error {
    Error::not_found("there is no such endpoint")
}
