//! Vestibule's own tasks.

fn main() {}
