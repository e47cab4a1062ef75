//! A SCIM server on loopback that keeps everything in memory: `cargo run -p vestibule-scim --example memory -- 8800`.
//!
//! Its base URL is `http://127.0.0.1:8800/scim/v2/demo`, its token `T`.

#[path = "../tests/memory/mod.rs"]
mod memory;

use std::sync::Arc;

use vestibule_scim::directory::Profile;
use vestibule_scim::{Options, router};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port: u16 = std::env::args()
        .nth(1)
        .unwrap_or("8800".to_owned())
        .parse()?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let base = format!("http://{}/scim/v2", listener.local_addr()?);
    let directory = Arc::new(memory::Memory::new(Profile::new()));
    let scim: axum::Router = router(directory, Options::new(base.parse()?));
    println!("{base}/demo with the token {}", memory::TOKEN);
    axum::serve(listener, axum::Router::new().nest("/scim/v2", scim)).await?;
    Ok(())
}
