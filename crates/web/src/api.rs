//! The admin API: `/api/v1/…` for operators, JSON in snake_case, errors as problem details (RFC 9457).
//!
//! Every route below runs behind the same two doors: [`access`] turns the bearer key into an actor, [`idempotency`]
//! gives the answer of a POST again when the same request comes again. What an actor may do is the engine's decision.

mod access;
mod api_keys;
mod applications;
mod body;
mod connections;
mod deliveries;
mod directories;
mod directory_clients;
mod directory_tokens;
mod events;
mod idempotency;
mod offboardings;
mod organizations;
mod page;
mod problem;
mod provisioning_log;
mod records;
mod users;
mod webhooks;

use std::iter;

use axum::{Json, Router, extract::DefaultBodyLimit, middleware, routing::get};
use utoipa::{
    Modify, OpenApi as _,
    openapi::{
        ContentBuilder, OpenApi, Ref, ResponseBuilder,
        path::Operation,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::router::OpenApiRouter;
use vestibule_engine::Engine;

use problem::Problem;

const PREFIX: &str = "/api/v1";

/// Routes for operators, under `/api/v1`. The host adds an `Extension` with its [`Clock`](vestibule_engine::Clock).
pub fn api_router<S: Clone + Send + Sync + 'static>(engine: Engine) -> Router<S> {
    let (guarded, _) = routes().split_for_parts();
    let guarded = guarded
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(middleware::from_fn_with_state(
            engine.clone(),
            idempotency::replay,
        ))
        .layer(middleware::from_fn_with_state(
            engine.clone(),
            access::authenticate,
        ))
        .layer(DefaultBodyLimit::disable())
        .with_state(engine);
    let open = Router::new()
        .route("/openapi.json", get(async || Json(openapi())))
        .merge(guarded)
        .fallback(async || Problem::not_found());
    Router::new().nest(PREFIX, open)
}

/// The OpenAPI 3.1 document of the admin API, made from its handlers.
pub fn openapi() -> OpenApi {
    let mut document = OpenApiRouter::with_openapi(Document::openapi())
        .nest(PREFIX, routes())
        .into_openapi();
    for (path, item) in &mut document.paths.paths {
        let operations = [
            ("get", &mut item.get),
            ("post", &mut item.post),
            ("put", &mut item.put),
            ("patch", &mut item.patch),
            ("delete", &mut item.delete),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                complete(operation, method, path);
            }
        }
    }
    document
}

/// What every operation has in common: a name of its own, and problem details as its refusals.
fn complete(operation: &mut Operation, method: &str, path: &str) {
    let words = path
        .trim_start_matches(PREFIX)
        .split(['/', '{', '}', '-'])
        .filter(|word| !word.is_empty());
    operation.operation_id = Some(
        iter::once(method)
            .chain(words)
            .collect::<Vec<_>>()
            .join("_"),
    );
    let problem = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("ProblemBody")))
        .build();
    let refusal = ResponseBuilder::new()
        .description("A refusal")
        .content("application/problem+json", problem)
        .build();
    operation
        .responses
        .responses
        .insert("default".to_owned(), refusal.into());
}

fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .merge(organizations::routes())
        .merge(connections::routes())
        .merge(directories::routes())
        .merge(directory_tokens::routes())
        .merge(directory_clients::routes())
        .merge(applications::routes())
        .merge(users::routes())
        .merge(webhooks::routes())
        .merge(deliveries::routes())
        .merge(events::routes())
        .merge(api_keys::routes())
        .merge(provisioning_log::routes())
        .merge(offboardings::routes())
        .merge(records::routes())
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Vestibule admin API",
        description = "Organizations, their ways in, their directories and users, and what is told about them.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    components(schemas(problem::ProblemBody)),
    modifiers(&BearerKey),
    security(("api_key" = []))
)]
struct Document;

struct BearerKey;

impl Modify for BearerKey {
    fn modify(&self, document: &mut OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "a key of the admin API, `vak_…`, or the bootstrap key",
            ))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("api_key", SecurityScheme::Http(scheme));
    }
}
