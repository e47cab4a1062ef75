//! The SCIM endpoints as an axum router (feature `axum`).

mod answer;
mod endpoint;
mod headers;
mod read;
mod write;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{DefaultBodyLimit, RawPathParams, Request, State};
use axum::response::Response;
use axum::routing::any;
use http::Method;
use url::Url;

use crate::dialect::Repairs;
use crate::directory::{Directory, Exchange, Failure, Hints, Profile};
use crate::error::Error;
use crate::schema::ResourceType;
use answer::{Answer, refusal};
use endpoint::Endpoint;

/// Settings of the router.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The URL under which clients reach the router, such as `https://host/scim/v2`; `meta.location` and
    /// `Location` begin with it.
    pub base_url: Url,
    /// Largest body, in bytes.
    pub body_limit: usize,
    /// A PATCH of a group is answered with the group while it has at most this many members, else with 204.
    pub patch_members: usize,
}

impl Options {
    /// The settings with their defaults: bodies of at most 10 MiB, patched groups of at most 100 members.
    pub fn new(base_url: Url) -> Self {
        Self {
            base_url,
            body_limit: 10 * 1024 * 1024,
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
    let limit = DefaultBodyLimit::max(options.body_limit);
    Router::new()
        .route("/{scim_directory}", any(handle::<D>))
        .route("/{scim_directory}/", any(handle::<D>))
        .route("/{scim_directory}/{*scim_path}", any(handle::<D>))
        .layer(limit)
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

/// What is learned about a request while it is answered.
struct Trace<A> {
    access: Option<A>,
    resource_id: Option<String>,
    changed: Option<bool>,
    repairs: Repairs,
}

/// An authorized request.
struct Call<'a, D: Directory> {
    directory: &'a D,
    options: &'a Options,
    /// The URL of the directory.
    base: String,
    access: D::Access,
    profile: Arc<Profile>,
    trace: &'a mut Trace<D::Access>,
}

async fn handle<D: Directory>(
    State(service): State<Service<D>>,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> Response {
    let started = Instant::now();
    let named = |name: &str| {
        // A path that is no UTF-8 names no directory.
        let mut parameters = parameters.iter().flat_map(RawPathParams::iter);
        let parameter = parameters.find(|(key, _)| *key == name);
        parameter.map_or("", |(_, value)| value).to_owned()
    };
    let name = named("scim_directory");
    let endpoint = Endpoint::parse(&named("scim_path"));
    let method = request.method().clone();
    let user_agent = headers::user_agent(request.headers());
    let media = headers::accepted(request.headers());
    let mut trace = Trace {
        access: None,
        resource_id: None,
        changed: None,
        repairs: Repairs::default(),
    };
    let outcome = answer(&service, &name, &endpoint, request, &mut trace).await;
    let failure = outcome.as_ref().err().map(Failure::of);
    let response = match outcome {
        Ok(answer) => answer.into_response(media.unwrap_or(headers::SCIM_JSON)),
        Err(error) => refusal(&error, endpoint.allow(), media),
    };
    let exchange = Exchange {
        request_id: service.directory.request_id(),
        operation: None,
        hints: Hints::default(),
        directory: name,
        access: trace.access,
        method,
        endpoint: endpoint.template(),
        resource_id: trace.resource_id,
        user_agent,
        status: response.status().as_u16(),
        failure,
        changed: trace.changed,
        repairs: trace.repairs.as_slice().to_vec(),
        duration: started.elapsed(),
    };
    service.directory.observe(exchange).await;
    response
}

/// Checks in the order of RFC 7644 and of what clients expect: credentials, directory, endpoint, existence,
/// version, body.
async fn answer<D: Directory>(
    service: &Service<D>,
    name: &str,
    endpoint: &Endpoint,
    request: Request,
    trace: &mut Trace<D::Access>,
) -> Result<Answer, Error> {
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
    trace.access = Some(access.clone());
    if let Endpoint::Resource(_, id) = endpoint {
        trace.resource_id = Some(id.clone());
    }
    check_method(endpoint, request.method())?;
    read::check_accept(&request)?;
    let call = Call {
        directory: &*service.directory,
        options: &service.options,
        base,
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
        let writes = *request.method() == Method::POST
            || *request.method() == Method::PUT
            || *request.method() == Method::PATCH;
        if writes {
            return self.dispatch_body(endpoint, request).await;
        }
        let (parts, _) = request.into_parts();
        match endpoint {
            Endpoint::Root => self.list_all(&parts).await,
            Endpoint::Collection(kind) => self.list(*kind, &parts).await,
            Endpoint::Resource(kind, id) if parts.method == Method::DELETE => {
                self.delete(*kind, id, &parts).await
            }
            Endpoint::Resource(kind, id) => self.find(*kind, id, &parts).await,
            _ => Err(not_offered(endpoint)),
        }
    }

    async fn dispatch_body(self, endpoint: &Endpoint, request: Request) -> Result<Answer, Error> {
        match endpoint {
            Endpoint::RootSearch => self.search_all(request).await,
            Endpoint::Search(kind) => self.search(*kind, request).await,
            Endpoint::Collection(kind) => self.create(*kind, request).await,
            Endpoint::Resource(kind, id) => self.update(*kind, id, request).await,
            _ => Err(not_offered(endpoint)),
        }
    }

    fn schema(&self, kind: ResourceType) -> Arc<crate::schema::ResourceSchema> {
        Arc::clone(self.profile.registry.of(kind))
    }
}

fn not_offered(endpoint: &Endpoint) -> Error {
    match endpoint {
        Endpoint::Me => {
            Error::not_implemented("a directory token stands for no user, so there is no /Me")
        }
        Endpoint::Bulk => {
            Error::not_implemented("bulk requests are not offered; send the operations one by one")
        }
        _ => Error::not_found("there is no such endpoint"),
    }
}
