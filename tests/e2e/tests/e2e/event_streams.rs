//! Events as they happen: whoever waits hears of them, whichever node they happen on.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use vestibule_support::{
    on_every_server,
    server::{Company, TestServer, http_client},
};

on_every_server!(
    a_request_waits_for_the_next_event,
    an_event_of_another_node_is_heard,
    a_stream_goes_on_where_it_ended,
    a_stream_ends_with_its_key,
    a_bound_key_follows_its_own_organization,
);

async fn key(server: &TestServer, organization_id: Option<&str>) -> (String, String) {
    let wanted = json!({ "name": "listener", "scopes": ["events:read"], "organization_id": organization_id });
    let made = server.admin.post("/api-keys", wanted).await;
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

async fn cursor(server: &TestServer) -> String {
    let mut cursor = "0".to_owned();
    loop {
        let page = server
            .admin
            .get(&format!("/events?limit=500&after={cursor}"))
            .await;
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return cursor,
        }
    }
}

async fn a_request_waits_for_the_next_event(server: TestServer) {
    let company = Company::set_up(&server).await;
    let last = cursor(&server).await;
    let path = format!("/events?after={last}&type=user.created&wait=20");
    let (heard, hired) = tokio::join!(server.admin.get(&path), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        company.hire("Ada", "Lovelace").await
    });
    assert_eq!(heard["data"][0]["data"]["user_id"], json!(hired.user_id));
    let nothing = server.admin.get("/events?type=user.deleted&wait=1").await;
    assert_eq!(
        (&nothing["data"], &nothing["next_cursor"]),
        (&json!([]), &Value::Null)
    );
}

async fn an_event_of_another_node_is_heard(server: TestServer) {
    let company = Company::set_up(&server).await;
    let second = server.second_node().await;
    let last = cursor(&server).await;
    let path = format!("/events?after={last}&type=user.created&wait=20");
    let begun = Instant::now();
    let (heard, hired) = tokio::join!(second.admin.get(&path), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        company.hire("Ada", "Lovelace").await
    });
    assert_eq!(heard["data"][0]["data"]["user_id"], json!(hired.user_id));
    println!(
        "an event of another node was heard after {:?}",
        begun.elapsed()
    );
}

/// Server-sent events of one connection.
struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    async fn open(server: &TestServer, key: &str, query: &str, last: Option<&str>) -> Self {
        let url = server.url(&format!("/api/v1/events/stream{query}"));
        let mut request = http_client().get(url).bearer_auth(key);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            text: String::new(),
        }
    }

    /// The id and the event that come next; none at the end.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((message, rest)) = self.text.split_once("\n\n") {
                let (message, rest) = (message.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    message
                        .lines()
                        .find_map(|line| line.strip_prefix(name).map(str::to_owned))
                };
                if let (Some(id), Some(data)) = (field("id: "), field("data: ")) {
                    return Some((id, serde_json::from_str(&data).unwrap()));
                }
                continue;
            }
            let chunk = self.response.chunk().await.ok()??;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

async fn a_stream_goes_on_where_it_ended(server: TestServer) {
    let company = Company::set_up(&server).await;
    let (_, key) = key(&server, None).await;
    let last = cursor(&server).await;
    let only = format!("?type=user.created&after={last}");
    let mut stream = Stream::open(&server, &key, &only, None).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let (id, event) = stream.next().await.unwrap();
    assert_eq!(event["data"]["user_id"], json!(ada.user_id));
    drop(stream);
    let bob = company.hire("Bob", "Kahn").await;
    let eve = company.hire("Eve", "Young").await;
    let mut stream = Stream::open(&server, &key, "?type=user.created", Some(&id)).await;
    for person in [bob, eve] {
        assert_eq!(
            stream.next().await.unwrap().1["data"]["user_id"],
            json!(person.user_id)
        );
    }
    // A key has ten streams, and when one ends there is room for another.
    let mut others = Vec::new();
    for _ in 0..9 {
        others.push(Stream::open(&server, &key, "", None).await);
    }
    let own = server.admin.with_key(&key);
    assert_eq!(
        own.call(Method::GET, "/events/stream", None).await.status,
        429
    );
    server.engine.end_streams();
    while stream.next().await.is_some() {}
}

async fn a_stream_ends_with_its_key(server: TestServer) {
    let company = Company::set_up(&server).await;
    let (id, key) = key(&server, None).await;
    let last = cursor(&server).await;
    let mut stream = Stream::open(&server, &key, &format!("?after={last}"), None).await;
    server.admin.delete(&format!("/api-keys/{id}")).await;
    company.hire("Ada", "Lovelace").await;
    assert_eq!(stream.next().await, None, "it is told nothing more");
}

async fn a_bound_key_follows_its_own_organization(server: TestServer) {
    let acme = Company::set_up(&server).await;
    let globex = Company::with_domain(&server, "globex.test").await;
    let (_, key) = key(&server, Some(&globex.organization_id)).await;
    let mut stream = Stream::open(&server, &key, "?type=user.created", None).await;
    acme.hire("Ada", "Lovelace").await;
    let bob = globex.hire("Bob", "Kahn").await;
    assert_eq!(
        stream.next().await.unwrap().1["data"]["user_id"],
        json!(bob.user_id)
    );
}
