//! Vestibule inside an axum app.

fn main() {}
