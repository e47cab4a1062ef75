//! The one user store, on SQLite and PostgreSQL.
