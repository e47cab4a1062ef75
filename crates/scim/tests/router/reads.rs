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
