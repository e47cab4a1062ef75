//! Pages by cursor (RFC 9865).

use std::sync::atomic::Ordering;

use http::StatusCode;
use serde_json::{Value, json};
use vestibule_scim::directory::Profile;

use crate::server::{Server, server, server_of};

async fn people(server: &Server, count: usize) {
    for number in 0..count {
        server.user(&format!("u{number:02}")).await;
    }
}

fn names(body: &Value) -> Vec<String> {
    let resources = body["Resources"].as_array().unwrap().iter();
    resources
        .map(|resource| {
            let name = resource["userName"].as_str();
            name.or(resource["displayName"].as_str())
                .unwrap()
                .to_owned()
        })
        .collect()
}

/// Walks to the end, and gives the names of each page.
async fn walk(server: &Server, path: &str) -> Vec<Vec<String>> {
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = server.get(&format!("{path}&cursor={cursor}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert!(answer.body.get("startIndex").is_none());
        assert!(answer.body.get("previousCursor").is_none());
        let page = names(&answer.body);
        assert_eq!(answer.body["itemsPerPage"], json!(page.len()));
        pages.push(page);
        match answer.body.get("nextCursor") {
            None => return pages,
            Some(next) => next.as_str().unwrap().clone_into(&mut cursor),
        }
    }
}

#[tokio::test]
async fn walk_tells_everybody_once() {
    let server = server();
    people(&server, 7).await;
    let pages = walk(&server, "/Users?count=3").await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
    let mut all = pages.concat();
    all.dedup();
    assert_eq!(all.len(), 7);
    let sorted = walk(
        &server,
        "/Users?count=4&sortBy=userName&sortOrder=descending&filter=userName+gt+%22u01%22",
    )
    .await;
    assert_eq!(sorted.concat(), ["u06", "u05", "u04", "u03", "u02"]);
    assert_eq!(
        walk(&server, "/Users?count=7").await.len(),
        1,
        "no empty page behind the last"
    );
    assert_eq!(
        walk(&server, "/Groups?count=3").await,
        [Vec::<String>::new()]
    );
    let default = server.get("/Users?cursor").await.body;
    assert_eq!(
        (&default["totalResults"], names(&default).len()),
        (&json!(7), 7)
    );
}

#[tokio::test]
async fn walk_goes_on_where_it_was_though_people_come_and_go() {
    let server = server();
    people(&server, 4).await;
    let first = server.get("/Users?count=2&cursor=").await.body;
    let gone = first["Resources"][0]["id"].as_str().unwrap();
    server
        .call("DELETE", &format!("/Users/{gone}"), Value::Null)
        .await;
    server.user("u99").await;
    let next = first["nextCursor"].as_str().unwrap();
    let rest = server
        .get(&format!("/Users?count=9&cursor={next}"))
        .await
        .body;
    assert_eq!(names(&rest), ["u02", "u03", "u99"]);
}

#[tokio::test]
async fn search_walks_too() {
    let server = server();
    people(&server, 3).await;
    let mut question = json!({ "cursor": "", "count": 2, "attributes": ["userName"] });
    let first = server
        .call("POST", "/Users/.search", question.clone())
        .await
        .body;
    question["cursor"] = first["nextCursor"].clone();
    let last = server
        .call("POST", "/Users/.search", question.clone())
        .await
        .body;
    assert_eq!(
        (names(&last), last.get("nextCursor")),
        (vec!["u02".to_owned()], None)
    );
    // What a search began, a GET goes on with: the walk is the same.
    let cursor = first["nextCursor"].as_str().unwrap();
    let get = server.get(&format!("/Users?cursor={cursor}")).await.body;
    assert_eq!(names(&get), ["u02"]);
}

#[tokio::test]
async fn walk_over_all_kinds_ends_with_the_groups() {
    let server = server();
    people(&server, 3).await;
    server.group("g1", &[]).await;
    server.group("g2", &[]).await;
    let pages = walk(&server, "/?count=2").await;
    assert_eq!(pages, [vec!["u00", "u01"], vec!["u02", "g1"], vec!["g2"]]);
    assert_eq!(
        walk(&server, "/?count=3&filter=displayName+pr")
            .await
            .concat(),
        ["g1", "g2"]
    );
    server
        .get("/?cursor=&sortBy=displayName")
        .await
        .refused(400, Some("invalidValue"));
}

#[tokio::test]
async fn cursor_of_another_question_is_refused() {
    let server = server();
    people(&server, 3).await;
    server.group("g", &[]).await;
    let first = server
        .get("/Users?count=1&cursor=&filter=userName+pr")
        .await
        .body;
    let cursor = first["nextCursor"].as_str().unwrap();
    let same = server
        .get(&format!(
            "/Users?count=2&cursor={cursor}&filter=USERNAME%20%20pr"
        ))
        .await;
    assert_eq!(names(&same.body), ["u01", "u02"]);
    let altered = format!("{}AA", &cursor[..cursor.len() - 2]);
    let mut bodies = Vec::new();
    for path in [
        format!("/Users?cursor={cursor}"),
        format!("/Users?cursor={cursor}&filter=userName+eq+%22u00%22"),
        format!("/Users?cursor={cursor}&filter=userName+pr&sortBy=userName"),
        format!("/Groups?cursor={cursor}&filter=userName+pr"),
        format!("/?cursor={cursor}&filter=userName+pr"),
        format!("/Users?cursor={altered}&filter=userName+pr"),
        "/Users?cursor=zzz&filter=userName+pr".to_owned(),
    ] {
        let answer = server.get(&path).await;
        if path.starts_with("/Groups") {
            // There the filter is the first thing that is wrong.
            answer.refused(400, Some("invalidFilter"));
            continue;
        }
        answer.refused(400, Some("invalidCursor"));
        bodies.push(answer.body);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "one error for all of them");
    let other = http::Request::get(format!(
        "/scim/v2/other/Users?cursor={cursor}&filter=userName+pr"
    ));
    let other = other.header("authorization", "Bearer T");
    let other = server
        .send(other.body(axum::body::Body::empty()).unwrap())
        .await;
    other.refused(400, Some("invalidCursor"));
    assert_eq!(other.body, bodies[0]);
}

#[tokio::test]
async fn cursor_expires() {
    let server = server();
    people(&server, 2).await;
    let first = server.get("/Users?count=1&cursor=").await.body;
    let path = format!(
        "/Users?count=1&cursor={}",
        first["nextCursor"].as_str().unwrap()
    );
    server.memory.seconds.fetch_add(3_600, Ordering::Relaxed);
    assert_eq!(server.get(&path).await.status, StatusCode::OK);
    server.memory.seconds.fetch_add(1, Ordering::Relaxed);
    server.get(&path).await.refused(400, Some("expiredCursor"));
}

#[tokio::test]
async fn counts_of_a_walk_are_counts() {
    let server = server();
    people(&server, 1).await;
    for count in ["0", "-1", "x", "1.5"] {
        server
            .get(&format!("/Users?cursor=&count={count}"))
            .await
            .refused(400, Some("invalidCount"));
    }
    let search = json!({ "cursor": "", "count": "1" });
    server
        .call("POST", "/Users/.search", search)
        .await
        .refused(400, Some("invalidCount"));
    let large = server
        .get("/Users?cursor=&count=99999999999999999999")
        .await;
    assert_eq!(large.body["itemsPerPage"], json!(1));
    server
        .get("/Users?cursor=&startIndex=1")
        .await
        .refused(400, Some("invalidValue"));
}

#[tokio::test]
async fn configuration_says_how_pages_are_told() {
    let config = server().get("/ServiceProviderConfig").await.body;
    assert_eq!(
        config["pagination"],
        json!({
            "cursor": true, "index": true, "defaultPaginationMethod": "index",
            "defaultPageSize": 100, "maxPageSize": 1000, "cursorTimeout": 3600,
        })
    );
    let mut profile = Profile::new();
    profile.cursor_ttl = None;
    let server = server_of(profile);
    let config = server.get("/ServiceProviderConfig").await.body;
    assert_eq!(config["pagination"]["cursor"], json!(false));
    // To ignore it would let the client take the first page for the whole list.
    server.get("/Users?cursor=").await.refused(501, None);
}
