//! The admin API through its router, on SQLite always and on PostgreSQL when `TEST_POSTGRES_URL` is set.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod credentials;
mod directories;
mod nouns;
mod people;
mod setup;
mod walls;
mod wire;
