//! `/Bulk`: many writes in one request, each a transaction and a record of its own (RFC 7644 §3.7).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::Request;
use serde_json::Value;

use super::answer::Answer;
use super::endpoint::Endpoint;
use super::write::Verb;
use super::{Call, Ending, Trace, exchange, headers};
use crate::bulk::{self, Item, Method, Operation, Outcome, Turn};
use crate::directory::{Directory, Failure, Precondition, Stored, Wanted};
use crate::error::Error;
use crate::schema::ResourceType;

/// The state of a bulk request while its operations run.
struct Run {
    items: Vec<Item>,
    outcomes: Vec<Option<Outcome>>,
    /// The ids of the resources that were created, by bulkId.
    ids: HashMap<String, String>,
    /// What has to be put back into resources that were created before what they refer to.
    links: Vec<Link>,
    errors: usize,
    changed: bool,
}

/// The change that closes a circle of references.
struct Link {
    index: usize,
    kind: ResourceType,
    id: String,
    change: Operation,
}

/// What a done operation tells: its resource, and the resource after it unless that is gone.
struct Done {
    kind: ResourceType,
    id: String,
    stored: Option<Stored>,
}

impl<D: Directory> Call<'_, D> {
    pub(super) async fn bulk(mut self, request: Request) -> Result<Answer, Error> {
        let Some(limits) = self.profile.bulk else {
            return Err(Error::not_implemented(
                "bulk requests are not offered; send the operations one by one",
            ));
        };
        let body = headers::json(request, limits.payload, "maxPayloadSize").await?;
        let request = bulk::Request::parse(body, self.profile.dialect, limits)?;
        let most = request.fail_on_errors.unwrap_or(usize::MAX);
        let mut run = Run::new(request.items);
        for turn in bulk::order(&mut run.items) {
            if run.errors >= most {
                break;
            }
            self.take_turn(&mut run, turn).await;
        }
        for link in std::mem::take(&mut run.links) {
            self.close_circle(&mut run, link).await;
        }
        self.trace.changed = Some(run.changed);
        let entries: Vec<Value> = run
            .items
            .iter()
            .zip(run.outcomes)
            .filter_map(|(item, outcome)| Some(outcome?.entry(item)))
            .collect();
        Ok(Answer::ok(bulk::response(&entries)))
    }

    /// Runs one operation and records it.
    async fn take_turn(&mut self, run: &mut Run, turn: Turn) {
        let started = Instant::now();
        let mut trace = Trace::new(Some(self.access.clone()), self.trace.hints);
        let mut endpoint = Endpoint::Unknown;
        let outcome = self.operate(run, &turn, &mut trace, &mut endpoint).await;
        let Some(item) = run.items.get(turn.index) else {
            return;
        };
        let method = match &item.operation {
            Ok(operation) => operation.method,
            Err(_) => Method::Post,
        };
        run.changed |= trace.changed == Some(true);
        let failure = outcome.as_ref().err().map(Failure::of);
        let outcome = match outcome {
            Ok(done) => {
                if let (Method::Post, Some(name)) = (method, &item.bulk_id) {
                    run.ids.insert(name.clone(), done.id.clone());
                }
                Outcome {
                    status: status(method),
                    location: Some(self.location(done.kind, &done.id)),
                    version: done.stored.as_ref().map(Stored::etag),
                    error: None,
                }
            }
            Err(error) => {
                run.errors += 1;
                let known = match &endpoint {
                    Endpoint::Resource(kind, id) if !bulk::is_mark(id) => {
                        Some(self.location(*kind, id))
                    }
                    _ => None,
                };
                failed(&error, known)
            }
        };
        let ending = Ending {
            method: method.http(),
            endpoint: endpoint.template(),
            operation: Some(turn.index + 1),
            status: outcome.status,
            failure,
            started,
        };
        if let Some(place) = run.outcomes.get_mut(turn.index) {
            *place = Some(outcome);
        }
        let exchange = exchange(self.opening, trace, ending);
        self.directory.observe(exchange).await;
    }

    async fn operate(
        &mut self,
        run: &mut Run,
        turn: &Turn,
        trace: &mut Trace<D::Access>,
        endpoint: &mut Endpoint,
    ) -> Result<Done, Error> {
        let Some(item) = run.items.get_mut(turn.index) else {
            return Err(Error::internal("a turn without an operation"));
        };
        let mut operation = match &mut item.operation {
            Ok(operation) => Operation {
                method: operation.method,
                path: operation.path.clone(),
                version: operation.version.take(),
                data: operation.data.take(),
            },
            Err(error) => return Err(Error::new(error.kind(), error.detail().to_owned())),
        };
        *endpoint = self.endpoint(&operation.path);
        let link = operation.split(&turn.later);
        let resolved = operation.resolve(&run.ids);
        *endpoint = self.endpoint(&operation.path);
        resolved?;
        let call = self.within(trace);
        call.trace.note_schemas(&operation.data);
        let done = call.run_operation(operation, endpoint).await?;
        if let Some(change) = link {
            run.links.push(Link {
                index: turn.index,
                kind: done.kind,
                id: done.id.clone(),
                change: Operation {
                    method: Method::Patch,
                    path: String::new(),
                    version: None,
                    data: change,
                },
            });
        }
        Ok(done)
    }

    async fn run_operation(
        mut self,
        operation: Operation,
        endpoint: &Endpoint,
    ) -> Result<Done, Error> {
        let precondition = match &operation.version {
            None => Precondition::None,
            Some(version) => Precondition::parse(version),
        };
        match (operation.method, endpoint) {
            (Method::Post, Endpoint::Collection(kind)) => {
                let created = self.create_stored(*kind, operation.data, Wanted::NOTHING);
                let (created, _) = created.await?;
                Ok(Done {
                    kind: *kind,
                    id: created.stored.id.clone(),
                    stored: Some(created.stored),
                })
            }
            (Method::Delete, Endpoint::Resource(kind, id)) => {
                self.trace.resource_id = Some(id.clone());
                self.delete_stored(*kind, id, &precondition).await?;
                Ok(Done {
                    kind: *kind,
                    id: id.clone(),
                    stored: None,
                })
            }
            (method @ (Method::Put | Method::Patch), Endpoint::Resource(kind, id)) => {
                self.trace.resource_id = Some(id.clone());
                let body = (Verb::of(&method.http()), Ok(operation.data));
                let updated = self
                    .update_stored(*kind, id, body, &precondition, Wanted::NOTHING)
                    .await?;
                Ok(Done {
                    kind: *kind,
                    id: id.clone(),
                    stored: Some(updated.stored),
                })
            }
            (_, Endpoint::Collection(_) | Endpoint::Resource(..)) => Err(
                Error::method_not_allowed("this endpoint does not take this method"),
            ),
            _ => Err(Error::not_found(
                "operations go to /Users, /Groups and what is below them",
            )),
        }
    }

    /// Puts references back that were left out when the resource was created; recorded as the change that it is.
    async fn close_circle(&mut self, run: &mut Run, mut link: Link) {
        let started = Instant::now();
        let mut trace = Trace::new(Some(self.access.clone()), self.trace.hints);
        let linked = if let Err(error) = link.change.resolve(&run.ids) {
            Err(error)
        } else {
            let mut call = self.within(&mut trace);
            let body = (Verb::Patch, Ok(link.change.data));
            let any = Precondition::None;
            call.update_stored(link.kind, &link.id, body, &any, Wanted::NOTHING)
                .await
        };
        trace.resource_id = Some(link.id.clone());
        let failure = linked.as_ref().err().map(Failure::of);
        let endpoint = Endpoint::Resource(link.kind, link.id);
        let mut code = status(Method::Patch);
        if let Some(Some(outcome)) = run.outcomes.get_mut(link.index) {
            match linked {
                Ok(updated) => outcome.version = Some(updated.stored.etag()),
                Err(error) => {
                    code = error.status().as_u16();
                    *outcome = failed(&error, outcome.location.take());
                }
            }
        }
        let ending = Ending {
            method: Method::Patch.http(),
            endpoint: endpoint.template(),
            operation: Some(link.index + 1),
            status: code,
            failure,
            started,
        };
        let exchange = exchange(self.opening, trace, ending);
        self.directory.observe(exchange).await;
    }

    /// A call for one operation, with a trace of its own.
    fn within<'b>(&'b self, trace: &'b mut Trace<D::Access>) -> Call<'b, D> {
        Call {
            directory: self.directory,
            options: self.options,
            opening: self.opening,
            base: self.base,
            access: self.access.clone(),
            profile: Arc::clone(&self.profile),
            trace,
        }
    }

    /// The endpoint of an operation, whose path is relative to the directory or a URL in it.
    fn endpoint(&self, path: &str) -> Endpoint {
        let path = path.split(['?', '#']).next().unwrap_or(path);
        let below = path.strip_prefix(self.base).unwrap_or(path);
        if below.contains("://") {
            return Endpoint::Unknown;
        }
        Endpoint::parse(below)
    }

    fn location(&self, kind: ResourceType, id: &str) -> String {
        format!("{}/{}/{id}", self.base, kind.endpoint())
    }
}

impl Run {
    fn new(items: Vec<Item>) -> Self {
        Self {
            outcomes: items.iter().map(|_| None).collect(),
            items,
            ids: HashMap::new(),
            links: Vec::new(),
            errors: 0,
            changed: false,
        }
    }
}

const fn status(method: Method) -> u16 {
    match method {
        Method::Post => 201,
        Method::Put | Method::Patch => 200,
        Method::Delete => 204,
    }
}

fn failed(error: &Error, location: Option<String>) -> Outcome {
    Outcome {
        status: error.status().as_u16(),
        location,
        version: None,
        error: Some(error.body()),
    }
}
