//! End-to-end tests: the whole server over real HTTP, and a simulated world around it.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]
#![expect(clippy::too_many_lines, reason = "tables of cases are long and simple")]

#[path = "e2e/accounts.rs"]
mod accounts;
#[path = "e2e/below_a_path.rs"]
mod below_a_path;
#[path = "e2e/break_glass.rs"]
mod break_glass;
#[path = "e2e/break_glass_walls.rs"]
mod break_glass_walls;
#[path = "e2e/consent.rs"]
mod consent;
#[path = "e2e/directories.rs"]
mod directories;
#[path = "e2e/directory_clients.rs"]
mod directory_clients;
#[path = "e2e/directory_health.rs"]
mod directory_health;
#[path = "e2e/event_streams.rs"]
mod event_streams;
#[path = "e2e/guard.rs"]
mod guard;
#[path = "e2e/hostile/mod.rs"]
mod hostile;
#[path = "e2e/ipsie.rs"]
mod ipsie;
#[path = "e2e/joins.rs"]
mod joins;
#[path = "e2e/journey.rs"]
mod journey;
#[path = "e2e/leaving.rs"]
mod leaving;
#[path = "e2e/oidc_logout.rs"]
mod oidc_logout;
#[path = "e2e/openid_clients.rs"]
mod openid_clients;
#[path = "e2e/pages.rs"]
mod pages;
#[path = "e2e/password.rs"]
mod password;
#[path = "e2e/provider.rs"]
mod provider;
#[path = "e2e/published_keys.rs"]
mod published_keys;
#[path = "e2e/refusals.rs"]
mod refusals;
#[path = "e2e/relying.rs"]
mod relying;
#[path = "e2e/replay.rs"]
mod replay;
#[path = "e2e/saml.rs"]
mod saml;
#[path = "e2e/saml_connections.rs"]
mod saml_connections;
#[path = "e2e/saml_desk.rs"]
mod saml_desk;
#[path = "e2e/saml_keys.rs"]
mod saml_keys;
#[path = "e2e/saml_logout.rs"]
mod saml_logout;
#[path = "e2e/saml_polling.rs"]
mod saml_polling;
#[path = "e2e/saml_refusals.rs"]
mod saml_refusals;
#[path = "e2e/saml_trust.rs"]
mod saml_trust;
#[path = "e2e/scim_bulk.rs"]
mod scim_bulk;
#[path = "e2e/scim_server.rs"]
mod scim_server;
#[path = "e2e/shared_signals.rs"]
mod shared_signals;
#[path = "e2e/signal_pairs.rs"]
mod signal_pairs;
#[path = "e2e/signals.rs"]
mod signals;
#[path = "e2e/stream_delivery.rs"]
mod stream_delivery;
#[path = "e2e/streams.rs"]
mod streams;
#[path = "e2e/tokens.rs"]
mod tokens;
#[path = "e2e/visit.rs"]
mod visit;
#[path = "e2e/walk.rs"]
mod walk;
#[path = "e2e/webhook_desk.rs"]
mod webhook_desk;
#[path = "e2e/webhooks.rs"]
mod webhooks;
#[path = "e2e/wrong_input.rs"]
mod wrong_input;
