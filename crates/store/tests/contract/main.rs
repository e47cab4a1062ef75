//! The contract of the store: what it promises, on every database that it runs on.
//!
//! A test is a promise, run once on SQLite and once on PostgreSQL (with `TEST_POSTGRES_URL`).
//! What is about one database only says so.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets the unexpected has to fail"
)]

mod administration;
mod answers;
mod apps;
mod breakers;
mod directory_credentials;
mod endings;
mod events;
mod groups;
mod housekeeping;
mod liveness;
mod once;
mod outbox;
mod people;
mod provisioning_log;
mod races;
mod schema;
mod statistics;
mod streams;
mod tenants;
mod trust;
mod upstream;
mod writer;
