//! Vestibule's axum routers, pages and wire errors.
