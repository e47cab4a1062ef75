//! Vestibule's use cases: one function is one transaction.

pub mod outbound;
