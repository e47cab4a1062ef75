//! The endpoints, driven through the router against a directory in memory.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "helpers of tests fail loudly and read shortly"
)]

#[path = "../memory/mod.rs"]
mod memory;
mod reads;
mod refusals;
mod server;
mod writes;
