//! The endpoints, driven through the router against a directory in memory.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "helpers of tests fail loudly and read shortly"
)]

mod bulk;
mod cursor;
mod examples;
mod lookups;
#[path = "../memory/mod.rs"]
mod memory;
mod reads;
mod refusals;
mod server;
mod wire;
mod writes;
