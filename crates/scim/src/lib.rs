//! SCIM 2.0 service provider: schemas, filters, patches, and an axum router.
