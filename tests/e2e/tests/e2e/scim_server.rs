//! The directory's side over the real store.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use vestibule_simulate::scim::Call;
use vestibule_support::{
    on_every_server,
    server::{Company, Reply, TestServer, http_client},
};

on_every_server!(
    users_are_made_read_changed_and_deleted,
    filters_find_whom_they_name,
    pages_cover_everybody_once,
    groups_have_members,
    a_version_guards_a_write,
    discovery_needs_no_token,
    what_was_forgiven_is_written_down,
    a_client_that_goes_away_is_written_down,
    the_log_is_searched_and_read,
);

async fn call(company: &Company, method: Method, path: &str, body: Option<&Value>) -> Call {
    company.scim.call(method, path, body).await.unwrap()
}

async fn found(company: &Company, filter: &str) -> Vec<String> {
    let filter: String = url::form_urlencoded::byte_serialize(filter.as_bytes())
        .collect::<String>()
        .replace('+', "%20");
    let list = call(
        company,
        Method::GET,
        &format!("/Users?filter={filter}"),
        None,
    )
    .await
    .success()
    .unwrap();
    assert_eq!(
        list.body["totalResults"].as_u64().unwrap(),
        list.body["Resources"].as_array().map_or(0, Vec::len) as u64
    );
    let users = list.body["Resources"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let mut names: Vec<String> = users
        .iter()
        .map(|user| user["name"]["familyName"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

async fn users_are_made_read_changed_and_deleted(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let read = company
        .scim
        .read(&ada.user_id)
        .await
        .unwrap()
        .success()
        .unwrap()
        .body;
    assert_eq!(
        (read["userName"].as_str(), read["externalId"].as_str()),
        (
            Some(ada.person.user_name.as_str()),
            Some(ada.person.oid.as_str())
        )
    );
    let location = read["meta"]["location"].as_str().unwrap();
    assert_eq!(
        location,
        format!("{}/Users/{}", company.scim_url, ada.user_id)
    );
    let twice = call(
        &company,
        Method::POST,
        "/Users",
        Some(&company.scim.user_body(&ada.person)),
    )
    .await;
    assert_eq!(
        (twice.status, twice.body["scimType"].as_str()),
        (409, Some("uniqueness"))
    );
    let title = [
        ("title", json!("Countess")),
        ("name.familyName", json!("Byron")),
    ];
    let changed = company
        .scim
        .update(&ada.user_id, &title)
        .await
        .unwrap()
        .success()
        .unwrap()
        .body;
    assert_eq!(
        (
            changed["title"].as_str(),
            changed["name"]["familyName"].as_str()
        ),
        (Some("Countess"), Some("Byron"))
    );
    let replaced = company
        .scim
        .replace(&ada.user_id, &ada.person, json!(true))
        .await
        .unwrap()
        .success()
        .unwrap()
        .body;
    assert_eq!(
        (
            replaced.get("title"),
            replaced["name"]["familyName"].as_str()
        ),
        (None, Some("Lovelace"))
    );
    assert!(!replaced.to_string().contains("password"));
    assert_eq!(company.scim.delete(&ada.user_id).await.unwrap().status, 204);
    assert_eq!(company.scim.read(&ada.user_id).await.unwrap().status, 404);
    assert_eq!(company.scim.delete(&ada.user_id).await.unwrap().status, 404);
    // What was personal is gone from the store.
    let row = server
        .database
        .texts(&format!(
            "SELECT CAST(attributes AS TEXT) FROM users WHERE id = '{}'",
            ada.user_id
        ))
        .await;
    assert!(row.len() == 1 && !row[0].contains("Lovelace"), "{row:?}");
}

async fn filters_find_whom_they_name(server: TestServer) {
    let company = Company::set_up(&server).await;
    let (ada, bob) = (
        company.hire("Ada", "Lovelace").await,
        company.hire("Bob", "Kahn").await,
    );
    company.hire("Cy", "O\"Neil").await;
    company
        .scim
        .deactivate(&bob.user_id)
        .await
        .unwrap()
        .success()
        .unwrap();
    let (name, oid) = (ada.person.user_name.to_uppercase(), &ada.person.oid);
    for (filter, wanted) in [
        (format!("userName eq \"{name}\""), &["Lovelace"][..]),
        (format!("externalId eq \"{oid}\""), &["Lovelace"]),
        (format!("id eq \"{}\"", bob.user_id), &["Kahn"]),
        (
            format!("emails.value eq \"{}\"", ada.person.email),
            &["Lovelace"],
        ),
        (
            "emails[type eq \"work\" and value co \"kahn\"]".to_owned(),
            &["Kahn"],
        ),
        ("active eq false".to_owned(), &["Kahn"]),
        (
            "name.familyName sw \"Lo\" or name.familyName ew \"hn\"".to_owned(),
            &["Kahn", "Lovelace"],
        ),
        ("not (active eq true)".to_owned(), &["Kahn"]),
        ("name.familyName eq \"O\\\"Neil\"".to_owned(), &["O\"Neil"]),
        ("title pr".to_owned(), &[]),
        (
            "urn:ietf:params:scim:schemas:core:2.0:User:userName sw \"bob\"".to_owned(),
            &["Kahn"],
        ),
        (
            "meta.lastModified gt \"2020-01-01T00:00:00Z\" and active eq true".to_owned(),
            &["Lovelace", "O\"Neil"],
        ),
    ] {
        assert_eq!(found(&company, &filter).await, wanted, "{filter}");
    }
}

async fn pages_cover_everybody_once(server: TestServer) {
    let company = Company::set_up(&server).await;
    let mut wanted = Vec::new();
    for number in 0..7 {
        wanted.push(
            company
                .hire("Ada", &format!("Number{number}"))
                .await
                .user_id,
        );
    }
    let mut seen = Vec::new();
    let mut start = 1;
    while start <= 7 {
        let page = call(
            &company,
            Method::GET,
            &format!("/Users?startIndex={start}&count=3"),
            None,
        )
        .await
        .success()
        .unwrap()
        .body;
        assert_eq!(
            (page["totalResults"].as_u64(), page["startIndex"].as_u64()),
            (Some(7), Some(start))
        );
        let users = page["Resources"].as_array().unwrap();
        assert_eq!(page["itemsPerPage"].as_u64(), Some(users.len() as u64));
        seen.extend(
            users
                .iter()
                .map(|user| user["id"].as_str().unwrap().to_owned()),
        );
        start += users.len() as u64;
    }
    seen.sort();
    wanted.sort();
    assert_eq!(seen, wanted);
    let none = call(&company, Method::GET, "/Users?count=0", None)
        .await
        .success()
        .unwrap()
        .body;
    assert_eq!(
        (
            none["totalResults"].as_u64(),
            none["Resources"].as_array().map_or(0, Vec::len)
        ),
        (Some(7), 0)
    );
    let projected = call(
        &company,
        Method::GET,
        "/Users?count=1&attributes=userName",
        None,
    )
    .await
    .success()
    .unwrap()
    .body;
    let user = projected["Resources"][0].as_object().unwrap();
    assert!(
        user.contains_key("userName") && user.contains_key("id") && !user.contains_key("emails"),
        "{user:?}"
    );
    let slim = call(
        &company,
        Method::GET,
        "/Users?count=1&excludedAttributes=emails",
        None,
    )
    .await
    .success()
    .unwrap()
    .body;
    assert!(
        slim["Resources"][0].get("emails").is_none()
            && slim["Resources"][0].get("active").is_some()
    );
}

async fn groups_have_members(server: TestServer) {
    let company = Company::set_up(&server).await;
    let (ada, bob) = (
        company.hire("Ada", "Lovelace").await,
        company.hire("Bob", "Kahn").await,
    );
    let group = company
        .scim
        .push_group("Engineers", "g-1")
        .await
        .unwrap()
        .id
        .unwrap();
    let both = [ada.user_id.as_str(), bob.user_id.as_str()];
    company
        .scim
        .add_members(&group, &both)
        .await
        .unwrap()
        .success()
        .unwrap();
    company
        .scim
        .add_members(&group, &both)
        .await
        .unwrap()
        .success()
        .unwrap();
    let members = async || {
        let read = call(&company, Method::GET, &format!("/Groups/{group}"), None)
            .await
            .success()
            .unwrap()
            .body;
        let members = read["members"].as_array().cloned().unwrap_or_default();
        let mut ids: Vec<String> = members
            .iter()
            .map(|member| member["value"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    };
    let mut wanted = both.map(str::to_owned).to_vec();
    wanted.sort();
    assert_eq!(members().await, wanted);
    assert_eq!(
        company.scim.read(&ada.user_id).await.unwrap().body["groups"][0]["value"].as_str(),
        Some(group.as_str())
    );
    company
        .scim
        .remove_members(&group, &[&ada.user_id])
        .await
        .unwrap()
        .success()
        .unwrap();
    assert_eq!(members().await, std::slice::from_ref(&bob.user_id));
    let okta = company
        .scim
        .clone()
        .dialect(vestibule_simulate::scim::Dialect::Okta);
    okta.remove_members(&group, &[&bob.user_id])
        .await
        .unwrap()
        .success()
        .unwrap();
    assert!(members().await.is_empty());
    company
        .scim
        .add_members(&group, &[&bob.user_id])
        .await
        .unwrap()
        .success()
        .unwrap();
    company.scim.delete(&bob.user_id).await.unwrap();
    assert!(members().await.is_empty(), "who is deleted is in no group");
    let lookup = company.scim.find_group("engineers").await.unwrap();
    assert_eq!(lookup.only_match(), Some(group.as_str()));
    assert_eq!(
        call(&company, Method::DELETE, &format!("/Groups/{group}"), None)
            .await
            .status,
        204
    );
    assert_eq!(
        company.scim.read(&ada.user_id).await.unwrap().status,
        200,
        "a group takes nobody along"
    );
}

async fn a_version_guards_a_write(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    // The groups of a user are no part of the version, so only an answer without them can be unmodified.
    let place = format!(
        "{}/Users/{}?excludedAttributes=groups",
        company.scim_url, ada.user_id
    );
    let send = async |method: Method, header: &str, value: &str| {
        let patch = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{ "op": "replace", "path": "title", "value": value }] });
        let request = http_client()
            .request(method.clone(), &place)
            .bearer_auth(&company.scim_token)
            .header(header, value);
        let request = match method {
            Method::GET => request,
            _ => request
                .header("content-type", "application/scim+json")
                .body(patch.to_string()),
        };
        Reply::read(request.send().await.unwrap()).await
    };
    let first = send(Method::GET, "x-nothing", "x").await;
    let etag = first.header("etag").to_owned();
    assert!(
        etag.starts_with("W/\"") && first.body["meta"]["version"].as_str() == Some(&etag),
        "{etag}"
    );
    assert_eq!(send(Method::GET, "if-none-match", &etag).await.status, 304);
    assert_eq!(send(Method::PATCH, "if-match", &etag).await.status, 200);
    let stale = send(Method::PATCH, "if-match", &etag).await;
    assert_eq!(stale.status, 412, "{}", stale.body);
    assert_eq!(send(Method::GET, "if-none-match", &etag).await.status, 200);
}

async fn discovery_needs_no_token(server: TestServer) {
    let company = Company::set_up(&server).await;
    for path in ["ServiceProviderConfig", "Schemas", "ResourceTypes"] {
        let reply = Reply::read(
            http_client()
                .get(format!("{}/{path}", company.scim_url))
                .send()
                .await
                .unwrap(),
        )
        .await;
        assert_eq!(reply.status, 200, "{path}");
        assert!(
            reply
                .header("content-type")
                .starts_with("application/scim+json")
        );
    }
    let reply = Reply::read(
        http_client()
            .get(format!("{}/Users", company.scim_url))
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!((reply.status, reply.text("status")), (401, "401"));
    assert!(reply.header("www-authenticate").starts_with("Bearer"));
}

async fn what_was_forgiven_is_written_down(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    company
        .scim
        .deactivate(&ada.user_id)
        .await
        .unwrap()
        .success()
        .unwrap();
    let record = logged(&server, &company, "PATCH", 200).await;
    assert_eq!(record["resource_id"].as_str(), Some(ada.user_id.as_str()));
    assert!(
        record["repairs"]
            .as_array()
            .is_some_and(|repairs| !repairs.is_empty()),
        "\"False\" is no boolean: {record}"
    );
    company
        .scim
        .read("usr_01h455vb4pex5vsknk084sn02q")
        .await
        .unwrap();
    let record = logged(&server, &company, "GET", 404).await;
    assert!(!record.to_string().contains(&company.scim_token));
}

/// The record of a request; records are written in batches beside the requests.
async fn logged(server: &TestServer, company: &Company, method: &str, status: i64) -> Value {
    let begun = Instant::now();
    loop {
        let log = server
            .admin
            .get(&format!(
                "/organizations/{}/provisioning-log",
                company.organization_id
            ))
            .await;
        let is_wanted = |record: &&Value| record["method"] == method && record["status"] == status;
        if let Some(record) = log["data"].as_array().unwrap().iter().find(is_wanted) {
            return record.clone();
        }
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "no {method} with {status} in {log}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn a_client_that_goes_away_is_written_down(server: TestServer) {
    let company = Company::set_up(&server).await;
    let path = company.scim_url.replace(server.issuer(), "");
    let url = server.url(&format!("{path}/Users"));
    let address = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    for number in 0..20 {
        let body = json!({ "userName": format!("gone-{number}") }).to_string();
        let request = format!(
            "POST {} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nUser-Agent: gone\r\n\
             Content-Type: application/scim+json\r\nContent-Length: {}\r\n\r\n{body}",
            url.path(),
            company.scim_token,
            body.len()
        );
        let mut stream = std::net::TcpStream::connect(&address).unwrap();
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        // Nobody waits for the answer.
        drop(stream);
    }
    let made = "SELECT COUNT(*) FROM users WHERE user_name LIKE 'gone-%'";
    let written =
        "SELECT COUNT(*) FROM provisioning_log WHERE user_agent = 'gone' AND status = 201";
    let begun = Instant::now();
    loop {
        server.engine.flush_records().await;
        let counts = (
            server.database.number(made).await,
            server.database.number(written).await,
        );
        if counts.0 > 0 && counts.0 == counts.1 {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{counts:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn the_log_is_searched_and_read(server: TestServer) {
    let company = Company::set_up(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let repaired = company.scim.deactivate(&ada.user_id).await.unwrap();
    repaired.success().unwrap();
    let nobody = "usr_01h455vb4pex5vsknk084sn02q";
    company.scim.read(nobody).await.unwrap();
    server.engine.flush_records().await;
    let place = format!(
        "/organizations/{}/provisioning-log",
        company.organization_id
    );
    let search = async |query: &str| {
        let found = server.admin.get(&format!("{place}?{query}")).await;
        let found = found["data"].as_array().unwrap().clone();
        let brief = |record: &Value| {
            let method = record["method"].as_str().unwrap();
            format!("{method} {}", record["status"])
        };
        found.iter().map(brief).collect::<Vec<_>>()
    };
    assert_eq!(search("status=4xx").await, ["GET 404"]);
    assert_eq!(search("repaired=true").await, ["PATCH 200"]);
    let of_ada = format!("resource_id={}", ada.user_id);
    assert_eq!(search(&of_ada).await, ["PATCH 200", "POST 201"]);
    let of_directory = format!("directory_id={}&limit=1", company.directory_id);
    assert_eq!(search(&of_directory).await, ["GET 404"]);
    let unknown = format!("{place}?status=9");
    let refused = server.admin.call(Method::GET, &unknown, None).await;
    assert_eq!(refused.status, 400);

    let list = server.admin.get(&format!("{place}?repaired=true")).await;
    let record = &list["data"][0];
    let id = record["id"].as_str().unwrap();
    let read = server.admin.get(&format!("/provisioning-log/{id}")).await;
    assert_eq!(&read, record);
    assert_eq!(
        (read["changed"].as_bool(), read["dialect"].as_str()),
        (Some(true), Some("entra"))
    );
    assert!(read["request_id"].is_string() && read["token_id"].is_string());
}
