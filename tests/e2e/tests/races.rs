//! Nothing survives a deactivation, whatever was under way when it came.
//!
//! In each round one person signs in, exchanges codes, refreshes, signs in silently and asks userinfo, all at once,
//! while the directory deactivates and reactivates them. `VESTIBULE_RACE_ROUNDS` says how many rounds there are
//! (default 40), `VESTIBULE_RACE_SEED` repeats the same choices.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "races/app.rs"]
mod app;
#[path = "races/dice.rs"]
mod dice;
#[path = "races/field.rs"]
mod field;
#[path = "races/round.rs"]
mod round;

use std::{sync::Arc, time::Duration};

use vestibule_support::{
    Database,
    installation::Installation,
    server::{Company, Site, TestServer},
};

use field::{Field, Losses};

/// People who race at the same time.
const PEOPLE: usize = 6;
/// Rounds in a usual run of the tests.
const ROUNDS: usize = 40;
/// How often a node is killed in a run on two processes, at least.
const KILLS: usize = 4;
/// Rounds after which another one is killed in a long run.
const ROUNDS_OF_A_LIFE: usize = 50;

mod nothing_survives_a_deactivation {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn on_sqlite() {
        super::race_in_this_process(super::Database::sqlite().await).await;
    }

    /// Two nodes in this process.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn on_postgres() {
        match super::Database::postgres().await {
            Some(database) => super::race_in_this_process(database).await,
            None => eprintln!("skipped: TEST_POSTGRES_URL is not set"),
        }
    }

    /// Two processes of the binary, one of which is killed again and again.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn on_two_processes() {
        match super::Database::postgres().await {
            Some(database) => super::race_on_two_processes(database).await,
            None => eprintln!("skipped: TEST_POSTGRES_URL is not set"),
        }
    }
}

async fn race_in_this_process(database: Database) {
    let name = database.name;
    let server = TestServer::start(database).await;
    let second = server.second_node().await;
    let site = Site::of(&server);
    let company = Company::at(&site, "acme.test").await;
    let nodes = [&server, &second].map(|node| Site::of(node).url);
    let field = Arc::new(Field::new(company, site, nodes.to_vec(), Losses::AreFaults));
    field::race(&field, PEOPLE, rounds()).await;
    server.settled().await;
    let outbox = server.database.texts(field::NOTICES).await;
    field.everybody_was_told(&outbox).await;
    // The second notices of young sessions leave too.
    server.pass(Duration::from_secs(60));
    server.settled().await;
    println!("{} on {name}, two listeners", field.summary());
}

async fn race_on_two_processes(database: Database) {
    let installation = Installation::of_two(&database).await;
    let site = installation.site();
    let company = Company::at(&site, "acme.test").await;
    let nodes = installation.node_urls();
    let field = Arc::new(Field::new(company, site, nodes, Losses::Happen));
    let rounds = rounds();
    let kills = (rounds / ROUNDS_OF_A_LIFE).max(KILLS);
    let racing = field::race(&field, PEOPLE, rounds);
    let storm = async {
        for kill in 1..=kills {
            field.played(rounds * kill / (kills + 1)).await;
            let node = kill % 2;
            installation.kill(node);
            tokio::time::sleep(Duration::from_millis(300)).await;
            tokio::task::block_in_place(|| installation.restart(node));
        }
    };
    tokio::join!(racing, storm);
    // A job that the killed node had claimed waits until its lease is over.
    let outbox = database.texts(field::NOTICES).await;
    field.everybody_was_told(&outbox).await;
    println!(
        "{} on two processes, one killed {kills} times",
        field.summary()
    );
}

fn rounds() -> usize {
    let asked = std::env::var("VESTIBULE_RACE_ROUNDS").ok();
    asked.map_or(ROUNDS, |rounds| {
        rounds.parse().expect("VESTIBULE_RACE_ROUNDS is a number")
    })
}
