//! Reads, lists, searches and discovery.

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::server::{BASE, server};

#[tokio::test]
async fn short_base_is_the_same_base() {
    let server = server();
    let id = server.user("ann").await;
    let request = Request::get(format!("/scim/dir/Users/{id}")).header("authorization", "bearer T");
    let answer = server.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(
        answer.body["meta"]["location"],
        json!(format!("{BASE}/Users/{id}"))
    );
}

#[tokio::test]
async fn pages_follow_the_rules() {
    let server = server();
    for name in ["a", "b", "c", "d", "e"] {
        server.user(name).await;
    }
    for (query, start, returned) in [
        ("", 1, 5),
        ("?count=0", 1, 0),
        ("?count=-3", 1, 0),
        ("?count=2", 1, 2),
        ("?startIndex=0&count=2", 1, 2),
        ("?startindex=-5&count=2", 1, 2),
        ("?startIndex=5&count=2&", 5, 1),
        ("?startIndex=6", 6, 0),
        ("?unknown=1", 1, 5),
    ] {
        let body = server.get(&format!("/Users{query}")).await.body;
        assert_eq!(body["totalResults"], json!(5), "{query}");
        assert_eq!(body["startIndex"], json!(start), "{query}");
        assert_eq!(body["itemsPerPage"], json!(returned), "{query}");
        assert_eq!(
            body["Resources"].as_array().unwrap().len(),
            returned,
            "{query}"
        );
    }
}

#[tokio::test]
async fn lists_are_sorted_by_the_attributes_rules() {
    let server = server();
    for name in ["b", "C", "a"] {
        server.user(name).await;
    }
    let names = |body: Value| -> Vec<Value> {
        let users = body["Resources"].as_array().unwrap().iter();
        users.map(|user| user["userName"].clone()).collect()
    };
    let sorted = server
        .get("/Users?sortBy=userName&attributes=userName")
        .await
        .body;
    assert_eq!(names(sorted), ["a", "b", "C"]);
    let reversed = server
        .get("/Users?sortBy=USERNAME&sortOrder=descending")
        .await
        .body;
    assert_eq!(names(reversed), ["C", "b", "a"]);
    server
        .get("/Users?sortBy=name")
        .await
        .refused(400, Some("invalidValue"));
}

#[tokio::test]
async fn lookups_of_identity_providers_find() {
    let server = server();
    let id = server.user("Ann Example").await;
    for query in [
        "filter=userName+eq+%22ann+example%22&".to_owned(),
        "filter=userName%20eq%20%22ANN%20EXAMPLE%22&startIndex=1&count=100".to_owned(),
        "filter=externalId%20eq%20%22Ann%20Example%22&aadOptscim062020".to_owned(),
        format!("filter=id%20eq%20%22{id}%22&attributes=id"),
    ] {
        let answer = server.get(&format!("/Users?{query}")).await;
        assert_eq!(answer.body["Resources"][0]["id"], json!(id), "{query}");
    }
    let nobody = server
        .get("/Users?filter=userName%20eq%20%220f8fad5b%22")
        .await;
    assert_eq!(nobody.status, StatusCode::OK);
    assert_eq!(nobody.body["Resources"], json!([]));
    assert_eq!(nobody.body["totalResults"], json!(0));
    let group = server.group("g", std::slice::from_ref(&id)).await;
    let check = format!(
        "/Groups?filter=id%20eq%20%22{group}%22%20and%20members%20eq%20%22{id}%22&attributes=id"
    );
    assert_eq!(server.get(&check).await.body["totalResults"], json!(1));
}

#[tokio::test]
async fn microsofts_collection_finds_paths_and_attributes_in_its_own_spelling() {
    let server = server();
    let body = json!({
        "userName": "ann", "title": "x",
        "emails": [{ "value": "ann@example.test", "type": "work" }],
    });
    server.call("POST", "/Users", body).await.created();
    for chosen in [
        "emails%5Btype+eq+%22work%22%5D",
        "emails%5Bvalue+eq+%22a,b%22%5D.value",
    ] {
        let answer = server.get(&format!("/users?attributes={chosen}")).await;
        let user = &answer.body["Resources"][0];
        assert_eq!(user["emails"][0]["value"], "ann@example.test", "{chosen}");
        assert!(user.get("title").is_none());
    }
    let schemas = server.get("/Schemas").await;
    assert!(schemas.body.to_string().contains("User Account"));
}

#[tokio::test]
async fn search_takes_the_same_question_as_a_body() {
    let server = server();
    let ann = server.user("ann").await;
    server.group("ann", std::slice::from_ref(&ann)).await;
    let question = json!({
        "filter": "userName eq \"ann\"", "attributes": ["userName"], "startIndex": 1, "count": 10,
    });
    let users = server
        .call("POST", "/Users/.search", question.clone())
        .await;
    assert_eq!(users.body["Resources"].as_array().unwrap().len(), 1);
    assert!(users.body["Resources"][0].get("meta").is_none());
    let everywhere = server.call("POST", "/.search", question).await;
    assert_eq!(everywhere.body["totalResults"], json!(1));
    let question =
        json!({ "filter": "userName pr or displayName eq \"ANN\"", "count": 1, "startIndex": 2 });
    let both = server.call("POST", "/.search", question).await;
    assert_eq!(both.body["totalResults"], json!(2));
    assert_eq!(
        both.body["Resources"][0]["meta"]["resourceType"],
        json!("Group")
    );
    let not_user = server.get("/?filter=userName%20ne%20%22ann%22").await;
    assert_eq!(not_user.body["totalResults"], json!(1));
    let wrong = json!({ "filter": 1 });
    server
        .call("POST", "/Users/.search", wrong)
        .await
        .refused(400, Some("invalidValue"));
}

#[tokio::test]
async fn discovery_is_open_and_read_only() {
    let server = server();
    for path in [
        "/ServiceProviderConfig",
        "/ResourceTypes",
        "/ResourceTypes/User",
        "/Schemas",
        "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User",
    ] {
        let open = |method: &str, query: &str| {
            let request = Request::builder()
                .method(method)
                .uri(format!("/scim/v2/dir{path}{query}"));
            request.body(Body::empty()).unwrap()
        };
        let answer = server.send(open("GET", "?count=1")).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert!(!answer.body.to_string().contains("null"), "{path}");
        server
            .send(open("GET", "?filter=a%20pr"))
            .await
            .refused(403, None);
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let refused = server.send(open(method, "")).await;
            refused.refused(405, None);
            assert_eq!(refused.header("allow"), "GET, HEAD");
        }
    }
    let config = server.get("/ServiceProviderConfig").await.body;
    assert_eq!(config["patch"]["supported"], json!(true));
    assert_eq!(
        config["bulk"],
        json!({ "supported": true, "maxOperations": 1000, "maxPayloadSize": 4_194_304 })
    );
    assert_eq!(config["filter"]["maxResults"], json!(1000));
    assert_eq!(server.get("/Schemas").await.body["totalResults"], json!(6));
    server.get("/Schemas/urn:none").await.refused(404, None);
    let hidden = Request::get("/scim/v2/secret/Schemas")
        .body(Body::empty())
        .unwrap();
    server.send(hidden).await.refused(404, None);
}

#[tokio::test]
async fn all_kinds_are_sorted_into_one_list() {
    let server = server();
    for name in ["b", "D", "f"] {
        let body = json!({ "userName": format!("u{name}"), "displayName": name });
        server.call("POST", "/Users", body).await;
    }
    for name in ["A", "c", "e"] {
        server.group(name, &[]).await;
    }
    let names = |body: &Value| -> String {
        let resources = body["Resources"].as_array().unwrap().iter();
        resources
            .map(|one| one["displayName"].as_str().unwrap_or("-"))
            .collect()
    };
    for (query, expected) in [
        ("sortBy=displayName", "AbcDef"),
        ("sortBy=displayName&sortOrder=descending", "feDcbA"),
        ("sortBy=displayName&startIndex=3&count=2", "cD"),
        ("sortBy=displayName&startIndex=7", ""),
        ("sortBy=displayName&count=0", ""),
        // Groups have no userName: they come behind, and before all others in the other direction.
        ("sortBy=userName", "bDfAce"),
        ("sortBy=userName&sortOrder=descending", "AcefDb"),
        ("sortBy=displayName&filter=displayName+gt+%22b%22", "cDef"),
    ] {
        let body = server.get(&format!("/?{query}")).await.body;
        assert_eq!(names(&body), expected, "{query}");
        let total = if query.contains("filter") { 4 } else { 6 };
        assert_eq!(body["totalResults"], json!(total), "{query}");
    }
    server
        .get("/?sortBy=nothing")
        .await
        .refused(400, Some("invalidValue"));
    server
        .get("/?sortBy=displayName&startIndex=10000&count=2")
        .await
        .refused(400, Some("tooMany"));
}

#[tokio::test]
async fn host_may_make_pages_shorter() {
    let server = server();
    for name in ["a", "b", "c"] {
        server.user(name).await;
    }
    server.group("g", &[]).await;
    server
        .memory
        .shortest_page
        .store(2, std::sync::atomic::Ordering::Relaxed);
    let users = server.get("/Users?count=3").await.body;
    assert_eq!(
        (&users["itemsPerPage"], &users["totalResults"]),
        (&json!(2), &json!(3))
    );
    // No group stands where the third user belongs.
    let all = server.get("/?count=4").await.body;
    assert_eq!(
        (&all["itemsPerPage"], &all["totalResults"]),
        (&json!(2), &json!(4))
    );
    let rest = server.get("/?count=4&startIndex=3").await.body;
    let kinds = rest["Resources"].as_array().unwrap().iter();
    let kinds: Vec<_> = kinds.map(|one| &one["meta"]["resourceType"]).collect();
    assert_eq!(kinds, ["User", "Group"]);
    let sorted = server.get("/?sortBy=id&count=4").await.body;
    assert_eq!(sorted["itemsPerPage"], json!(4));
}

#[tokio::test]
async fn of_two_filters_none_is_ignored() {
    let server = server();
    server.user("ann").await;
    for path in [
        "/Users?filter=userName+eq+%22ann%22&filter=userName+eq+%22bob%22",
        "/Users?filter=userName+eq+%22bob%22&FILTER=userName+eq+%22ann%22",
    ] {
        server.get(path).await.refused(400, Some("invalidFilter"));
    }
    let body = json!({ "filter": "userName eq \"ann\"", "Filter": "userName eq \"bob\"" });
    let answer = server.call("POST", "/Users/.search", body).await;
    answer.refused(400, Some("invalidFilter"));
    let one = server
        .get("/Users?filter=userName+eq+%22ann%22&filter=")
        .await;
    assert_eq!(one.body["totalResults"], json!(1));
}

#[tokio::test]
async fn numbers_and_orders_are_read_as_such() {
    let server = server();
    server.user("ann").await;
    let large = server.get("/Users?count=99999999999999999999").await.body;
    assert_eq!(large["itemsPerPage"], json!(1));
    let behind = server
        .get("/Users?startIndex=99999999999999999999")
        .await
        .body;
    assert_eq!(
        (&behind["itemsPerPage"], &behind["totalResults"]),
        (&json!(0), &json!(1))
    );
    let below = server
        .get("/Users?startIndex=-99999999999999999999")
        .await
        .body;
    assert_eq!(below["startIndex"], json!(1));
    let huge = json!({ "count": u64::MAX, "sortOrder": "Descending" });
    let huge = server.call("POST", "/Users/.search", huge).await.body;
    assert_eq!(huge["itemsPerPage"], json!(1));
    for query in ["count=x", "startIndex=1.5", "sortBy=id&sortOrder=up"] {
        server
            .get(&format!("/Users?{query}"))
            .await
            .refused(400, Some("invalidValue"));
    }
}
