//! The endpoints, driven through the router against a directory in memory.

mod memory;
