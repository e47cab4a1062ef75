//! End-to-end tests: the whole server over real HTTP, and a simulated world around it.

#[path = "e2e/journey.rs"]
mod journey;
#[path = "e2e/provider.rs"]
mod provider;
#[path = "e2e/relying.rs"]
mod relying;
#[path = "e2e/tokens.rs"]
mod tokens;
