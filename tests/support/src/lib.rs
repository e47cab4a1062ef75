//! The test harness: throw-away databases, a clock that stands still, and a company with people in it.
//!
//! [`Databases::all`] gives a fresh, migrated SQLite file and, when `TEST_POSTGRES_URL` names a server,
//! a fresh database there; both go away when they are dropped.
//! [`on_every_database!`] turns one async function into a test for each of them, named after it.
//! [`World`] brings the clock and the fixtures; tests say what they need and nothing else.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a harness that cannot set the stage has to fail the test"
)]
#![cfg_attr(
    feature = "server",
    expect(
        clippy::indexing_slicing,
        reason = "what an answer lacks fails the test, as it should"
    )
)]

mod clock;
mod database;
#[cfg(feature = "server")]
pub mod installation;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "server")]
pub mod webdriver;
mod world;

pub use clock::TestClock;
pub use database::{Database, DatabaseKind, Databases};
pub use world::{
    Company, Grant, Lasting, SHARE_TTL, Share, SignIn, World, application_record, person,
};

/// Turns async functions that take a [`World`] into one test for each database.
///
/// A test is called `promise::on_sqlite` or `promise::on_postgres`, so a failure names its database.
/// Without `TEST_POSTGRES_URL` the second says so and passes.
#[macro_export]
macro_rules! on_every_database {
    ($($test:ident),+ $(,)?) => {
        $(
            mod $test {
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_sqlite() {
                    super::$test($crate::World::on($crate::Database::sqlite().await)).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_postgres() {
                    match $crate::Database::postgres().await {
                        Some(database) => super::$test($crate::World::on(database)).await,
                        None => eprintln!("skipped: TEST_POSTGRES_URL is not set"),
                    }
                }
            }
        )+
    };
}
