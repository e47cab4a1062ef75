//! How fast directories are served, by `vestibule serve` as it runs in production.
//!
//! `VESTIBULE_THROUGHPUT_USERS` says how many people the directory gets (default 200).
//! `VESTIBULE_TEST_BINARY` names the server; only one that was built with `--release` says anything about speed.
//! Nothing here fails because a machine is slow: what fails is an answer that is not the right one.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod load;

use std::net::SocketAddr;

use serde_json::{Value, json};
use url::{Url, form_urlencoded};
use vestibule_support::{Database, installation::Installation};

use load::{Answer, Run, as_number, cpu_time, request, send_all, setting};

/// As many as a server in front of one node keeps open.
const CONNECTIONS: usize = 16;
const USERS: usize = 200;
/// Resources on a page.
const PAGE: usize = 100;
/// Members of the group that the large one is compared with.
const SMALL_GROUP: usize = 1000;
/// Members that one request adds.
const MEMBERS_AT_ONCE: usize = 1000;
/// How often what is slow to prepare is measured.
const ROUNDS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_is_served_on_sqlite() {
    let installation =
        tokio::task::block_in_place(|| Installation::of_one("sqlite://vestibule.db"));
    measure(&installation, "sqlite").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_is_served_on_postgres() {
    let Some(database) = Database::postgres().await else {
        eprintln!("skipped: TEST_POSTGRES_URL is not set");
        return;
    };
    let installation = tokio::task::block_in_place(|| Installation::of_one(&database.url));
    measure(&installation, "postgres").await;
}

async fn measure(installation: &Installation, database: &str) {
    let site = installation.site();
    let organization = site
        .admin
        .post("/organizations", json!({ "name": "Acme" }))
        .await;
    let organization = organization["id"].as_str().expect("an id").to_owned();
    let directory = site
        .admin
        .post(
            &format!("/organizations/{organization}/directories"),
            json!({}),
        )
        .await;
    let id = directory["id"].as_str().expect("an id");
    let token = site
        .admin
        .post(&format!("/directories/{id}/tokens"), json!({}))
        .await;
    let base: Url = directory["scim_url"]
        .as_str()
        .expect("a URL")
        .parse()
        .expect("a URL");
    let bench = Bench {
        address: base.socket_addrs(|| None).expect("an address")[0],
        base: base.path().to_owned(),
        authorization: format!("Bearer {}", token["token"].as_str().expect("a token")),
        process: installation.process_ids()[0],
        database: database.to_owned(),
    };
    tokio::task::block_in_place(|| bench.run(setting("VESTIBULE_THROUGHPUT_USERS", USERS)));
}

struct Bench {
    address: SocketAddr,
    base: String,
    authorization: String,
    process: u32,
    database: String,
}

impl Bench {
    fn run(&self, users: usize) {
        println!(
            "{} users on {}; memory at the start {} MiB",
            users,
            self.database,
            self.memory()
        );
        let ids = self.create(users);
        println!("memory after {users} users {} MiB", self.memory());
        self.look_up(users);
        self.read_pages(users);
        self.deactivate(&ids);
        self.change_groups(&ids);
        self.synchronize(users);
        println!("memory at the end {} MiB", self.memory());
    }

    fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Vec<u8> {
        let headers = [
            ("Authorization", self.authorization.as_str()),
            ("Content-Type", "application/scim+json"),
        ];
        let body = body.map(Value::to_string).unwrap_or_default();
        request(
            method,
            &format!("{}{path}", self.base),
            &headers,
            body.as_bytes(),
        )
    }

    /// Sends, and prints what it cost.
    fn send<T: Send>(
        &self,
        what: &str,
        connections: usize,
        requests: &[Vec<u8>],
        read: impl Fn(Answer) -> T + Sync,
    ) -> Run<T> {
        let before = cpu_time(self.process);
        let run = send_all(self.address, connections, requests, read);
        let used = cpu_time(self.process)
            .zip(before)
            .map(|(now, then)| now.saturating_sub(then));
        let each = used.map_or(0.0, |used| used.as_secs_f64() * 1000.0) / as_number(requests.len());
        println!(
            "{what}: {:.0}/s over {connections}, p50 {:.2} ms, p99 {:.2} ms, {each:.3} ms of CPU each, {} in all",
            run.rate(),
            run.percentile(50),
            run.percentile(99),
            requests.len(),
        );
        run
    }

    fn create(&self, users: usize) -> Vec<String> {
        let bodies: Vec<Vec<u8>> = (0..users)
            .map(|number| self.request("POST", "/Users", Some(&person("bench", number))))
            .collect();
        let run = self.send("POST /Users", CONNECTIONS, &bodies, |answer| {
            let user = parsed(&answer, 201);
            user["id"].as_str().expect("an id").to_owned()
        });
        run.read
    }

    fn look_up(&self, users: usize) {
        let requests: Vec<Vec<u8>> = scattered(users, users.clamp(2000, 50_000))
            .map(|number| {
                let filter = format!("userName eq \"BENCH{number}@example.com\"");
                self.request(
                    "GET",
                    &format!("/Users?{}", query(&[("filter", &filter)])),
                    None,
                )
            })
            .collect();
        self.send(
            "GET /Users?filter=userName eq",
            CONNECTIONS,
            &requests,
            |answer| {
                assert_eq!(parsed(&answer, 200)["totalResults"], 1);
            },
        );
    }

    fn read_pages(&self, users: usize) {
        let pages = users.div_ceil(PAGE).min(1000);
        let by_index: Vec<Vec<u8>> = (0..pages)
            .map(|page| {
                let start = (page * PAGE + 1).to_string();
                let parameters = query(&[("startIndex", &start), ("count", &PAGE.to_string())]);
                self.request("GET", &format!("/Users?{parameters}"), None)
            })
            .collect();
        let run = self.send(
            "a page of 100 by index, in sequence",
            1,
            &by_index,
            |answer| {
                let page = parsed(&answer, 200);
                assert_eq!(page["totalResults"], users);
                page["Resources"].as_array().map_or(0, Vec::len)
            },
        );
        assert_eq!(run.read.iter().sum::<usize>(), users.min(pages * PAGE));
        let jumps: Vec<Vec<u8>> = scattered(users, 20)
            .map(|start| {
                let parameters =
                    query(&[("startIndex", &(start + 1).to_string()), ("count", "100")]);
                self.request("GET", &format!("/Users?{parameters}"), None)
            })
            .collect();
        self.send("a page of 100 after a jump", 1, &jumps, |answer| {
            assert_eq!(parsed(&answer, 200)["totalResults"], users);
        });
        let mut cursor = Some(String::new());
        let (mut waited, mut seen) = (Vec::new(), 0);
        while let Some(at) = cursor.take().filter(|_| waited.len() < pages) {
            let parameters = query(&[("cursor", &at), ("count", "100")]);
            let request = self.request("GET", &format!("/Users?{parameters}"), None);
            let mut run = send_all(self.address, 1, &[request], |answer| parsed(&answer, 200));
            let page = run.read.pop().expect("one page");
            seen += page["Resources"].as_array().map_or(0, Vec::len);
            cursor = page["nextCursor"].as_str().map(str::to_owned);
            waited.extend(run.waited);
        }
        assert_eq!(seen, users.min(pages * PAGE));
        let run = Run {
            took: waited.iter().sum(),
            waited,
            read: Vec::<()>::new(),
        };
        println!(
            "a page of 100 by cursor: p50 {:.2} ms, p99 {:.2} ms, {} in all",
            run.percentile(50),
            run.percentile(99),
            run.waited.len()
        );
    }

    fn deactivate(&self, ids: &[String]) {
        let body = patch(&json!([{ "op": "replace", "path": "active", "value": false }]));
        let requests: Vec<Vec<u8>> = ids
            .iter()
            .take(20_000)
            .map(|id| self.request("PATCH", &format!("/Users/{id}"), Some(&body)))
            .collect();
        self.send("PATCH active", CONNECTIONS, &requests, |answer| {
            assert_eq!(parsed(&answer, 200)["active"], false);
        });
    }

    /// One member comes and goes, in a small group and in one of everybody.
    fn change_groups(&self, ids: &[String]) {
        let mut sizes = vec![SMALL_GROUP.min(ids.len()), ids.len()];
        sizes.dedup();
        for size in sizes {
            let name = format!("group of {size} {}", ids.len());
            let group = self.group(&name, &ids[1..size]);
            let change = |op: &str| {
                let members =
                    json!([{ "op": op, "path": "members", "value": [{ "value": ids[0] }] }]);
                self.request("PATCH", &format!("/Groups/{group}"), Some(&patch(&members)))
            };
            let both: Vec<Vec<u8>> = (0..ROUNDS)
                .flat_map(|_| [change("add"), change("remove")])
                .collect();
            self.send(
                &format!("a member of {size} comes or goes"),
                1,
                &both,
                |answer| {
                    assert!(matches!(answer.status, 200 | 204), "{}", answer.head);
                },
            );
            let filter = format!("displayName eq \"{name}\"");
            let parameters = query(&[("filter", &filter), ("excludedAttributes", "members")]);
            let find = self.request("GET", &format!("/Groups?{parameters}"), None);
            let finds = vec![find; ROUNDS];
            self.send(
                &format!("the group of {size} is found"),
                1,
                &finds,
                |answer| {
                    assert_eq!(parsed(&answer, 200)["totalResults"], 1);
                },
            );
        }
    }

    fn group(&self, name: &str, members: &[String]) -> String {
        let body = json!({ "schemas": [GROUP], "displayName": name });
        let request = self.request("POST", "/Groups", Some(&body));
        let mut made = send_all(self.address, 1, &[request], |answer| parsed(&answer, 201));
        let group = made.read.pop().expect("one group");
        let id = group["id"].as_str().expect("an id").to_owned();
        let adds: Vec<Vec<u8>> = members
            .chunks(MEMBERS_AT_ONCE)
            .map(|chunk| {
                let value: Vec<Value> = chunk.iter().map(|id| json!({ "value": id })).collect();
                let operations = json!([{ "op": "add", "path": "members", "value": value }]);
                self.request("PATCH", &format!("/Groups/{id}"), Some(&patch(&operations)))
            })
            .collect();
        if !adds.is_empty() {
            self.send(
                &format!("members of {name:?} are added by the thousand"),
                1,
                &adds,
                |answer| {
                    assert!(matches!(answer.status, 200 | 204), "{}", answer.head);
                },
            );
        }
        id
    }

    /// The first cycle of an identity provider: each person is looked for and made, then groups are filled.
    fn synchronize(&self, users: usize) {
        let people = users.min(10_000);
        let begun = std::time::Instant::now();
        let steps: Vec<Vec<u8>> = (0..people)
            .flat_map(|number| {
                let filter = format!("userName eq \"sync{number}@example.com\"");
                let find = format!("/Users?{}", query(&[("filter", &filter)]));
                [
                    self.request("GET", &find, None),
                    self.request("POST", "/Users", Some(&person("sync", number))),
                ]
            })
            .collect();
        // The two requests for a person go over one connection, one after the other.
        let run = send_pairs(self.address, 8, &steps, |answer| {
            let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
            (answer.status, body["id"].as_str().map(str::to_owned))
        });
        let made: Vec<String> = run
            .read
            .into_iter()
            .filter(|(status, _)| *status == 201)
            .filter_map(|(_, id)| id)
            .collect();
        assert_eq!(made.len(), people);
        let groups = (people / 100).max(1);
        for number in 0..groups {
            let body = json!({ "schemas": [GROUP], "displayName": format!("synced {number}") });
            let members: Vec<Value> = made
                .iter()
                .skip(number * 100)
                .take(100)
                .map(|id| json!({ "value": id }))
                .collect();
            let request = self.request("POST", "/Groups", Some(&body));
            let mut made = send_all(self.address, 1, &[request], |answer| parsed(&answer, 201));
            let group = made.read.pop().expect("one group");
            let operations = json!([{ "op": "add", "path": "members", "value": members }]);
            let path = format!("/Groups/{}", group["id"].as_str().expect("an id"));
            let add = self.request("PATCH", &path, Some(&patch(&operations)));
            send_all(self.address, 1, &[add], |answer| {
                assert!(matches!(answer.status, 200 | 204), "{}", answer.head);
            });
        }
        println!(
            "{people} people and {groups} groups synchronized in {:.2} s",
            begun.elapsed().as_secs_f64()
        );
    }

    /// The resident memory of the server.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok());
        kib.unwrap_or(0) / 1024
    }
}

const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// As [`send_all`], with two requests after each other on one connection.
fn send_pairs<T: Send>(
    address: SocketAddr,
    connections: usize,
    steps: &[Vec<u8>],
    read: impl Fn(Answer) -> T + Sync,
) -> Run<T> {
    // A connection takes every `connections`th request, so pairs are laid out in columns.
    let columns = connections;
    let mut laid_out = Vec::with_capacity(steps.len());
    for block in steps.chunks(2 * columns) {
        laid_out.extend(block.iter().step_by(2).cloned());
        laid_out.extend(block.iter().skip(1).step_by(2).cloned());
    }
    send_all(address, connections, &laid_out, read)
}

fn person(prefix: &str, number: usize) -> Value {
    let name = format!("{prefix}{number}@example.com");
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": name,
        "externalId": format!("{prefix}-{number}"),
        "name": { "givenName": "Ada", "familyName": format!("L{number}") },
        "emails": [{ "primary": true, "value": name, "type": "work" }],
        "displayName": format!("Ada L{number}"),
        "active": true,
    })
}

fn patch(operations: &Value) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations })
}

fn query(pairs: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    query.finish()
}

fn parsed(answer: &Answer, status: u16) -> Value {
    let body = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, status, "{} {body}", answer.head);
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

/// Numbers below `most`, spread by a step that hits each before one comes again.
fn scattered(most: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |turn| turn.wrapping_mul(7919) % most)
}
