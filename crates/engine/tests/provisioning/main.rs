//! What directories push, on SQLite always and on PostgreSQL when `TEST_POSTGRES_URL` is set.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod access;
mod adoption;
mod filters;
mod groups;
mod mapping;
mod records;
mod schemas;
mod setup;
mod users;
