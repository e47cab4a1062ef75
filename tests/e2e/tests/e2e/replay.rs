//! What real clients send, request by request, from `tests/data/scim`.
//!
//! Each file is one client in one situation. It is replayed on a directory of its own: every answer, every repair in the
//! provisioning log and the product that was detected have to be those of the file.
//! `tests/data/scim/README.md` says how a file is written.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value, json};
use vestibule_support::{
    on_every_server,
    server::{Reply, TestServer, http_client},
};

on_every_server!(every_client_is_answered_as_its_file_says);

/// Answered without a token, and recorded only so often.
const DISCOVERY: [&str; 3] = ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas"];

async fn every_client_is_answered_as_its_file_says(server: TestServer) {
    server.may_leave_deliveries();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/scim");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
        .collect();
    files.sort();
    assert!(files.len() >= 20, "{} files", files.len());
    let mut wrong = Vec::new();
    for path in files {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let file: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut replay = Replay::on(&server, &name).await;
        replay.run(&file).await;
        wrong.extend(replay.wrong.iter().map(|what| format!("{name}, {what}")));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// A directory of its own, and what was learned from its answers.
struct Replay<'s> {
    server: &'s TestServer,
    variables: BTreeMap<String, Value>,
    /// Requests so far that the log has to tell of.
    sent: i64,
    wrong: Vec<String>,
}

impl<'s> Replay<'s> {
    async fn on(server: &'s TestServer, name: &str) -> Self {
        let admin = &server.admin;
        let organization = admin.post("/organizations", json!({ "name": name })).await;
        let id = organization["id"].as_str().unwrap();
        let place = format!("/organizations/{id}/directories");
        let directory = admin.post(&place, json!({ "name": name })).await;
        let place = format!("/directories/{}/tokens", directory["id"].as_str().unwrap());
        let token = admin.post(&place, json!({})).await;
        let variables = [
            ("organization", &organization["id"]),
            ("directory", &directory["id"]),
            ("scim", &directory["scim_url"]),
            ("token", &token["token"]),
            ("token_id", &token["id"]),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.clone()));
        Self {
            server,
            variables: variables.into_iter().collect(),
            sent: 0,
            wrong: Vec::new(),
        }
    }

    async fn run(&mut self, file: &Value) {
        let steps = file["exchanges"].as_array().unwrap();
        for (place, step) in steps.iter().enumerate() {
            let times = step["repeat"].as_u64().unwrap_or(1);
            for number in 1..=times {
                self.variables.insert("n".to_owned(), json!(number));
                let before = self.wrong.len();
                if step["admin"].is_object() {
                    self.administer(step).await;
                } else {
                    self.exchange(file, step, number == times).await;
                }
                for what in &mut self.wrong[before..] {
                    *what = format!("exchange {}: {what}", place + 1);
                }
            }
        }
        let directory = self.variables["directory"].as_str().unwrap();
        let place = format!("/directories/{directory}");
        let directory = self.server.admin.get(&place).await;
        if directory["detected_dialect"] != file["dialect"] {
            let (got, wanted) = (&directory["detected_dialect"], &file["dialect"]);
            self.wrong
                .push(format!("{got} is detected and not {wanted}"));
        }
    }

    /// What an administrator does meanwhile.
    async fn administer(&mut self, step: &Value) {
        let asked = self.filled(&step["admin"]);
        let method: Method = asked["method"].as_str().unwrap().parse().unwrap();
        let path = asked["path"].as_str().unwrap();
        let body = asked.get("body");
        let reply = self.server.admin.call(method, path, body).await;
        self.judge(step, &reply);
    }

    async fn exchange(&mut self, file: &Value, step: &Value, is_last: bool) {
        let request = self.filled(&step["request"]);
        let text = |member: &str| request[member].as_str().map(str::to_owned);
        let base = text("at").or_else(|| self.variables["scim"].as_str().map(str::to_owned));
        let base = base.unwrap().replace(
            self.server.issuer(),
            self.server.url("").as_str().trim_end_matches('/'),
        );
        let path = text("path").unwrap();
        let method: Method = text("method").unwrap().parse().unwrap();
        let token = text("token").or_else(|| self.variables["token"].as_str().map(str::to_owned));
        let mut sending = http_client()
            .request(method, format!("{base}{path}"))
            .bearer_auth(token.unwrap());
        let headers = [&file["headers"], &request["headers"]];
        let headers = headers.into_iter().filter_map(Value::as_object).flatten();
        for (name, value) in headers {
            sending = sending.header(name, value.as_str().unwrap());
        }
        if let Some(body) = request.get("body") {
            sending = sending.body(body.to_string());
        }
        let reply = Reply::read(sending.send().await.unwrap()).await;
        self.judge(step, &reply);
        if DISCOVERY.iter().any(|open| path.starts_with(open)) {
            return;
        }
        self.sent += 1;
        if is_last {
            self.look_up(step, &reply).await;
        }
    }

    fn judge(&mut self, step: &Value, reply: &Reply) {
        let answer = self.filled(&step["answer"]);
        let wrong = &mut self.wrong;
        if answer["status"] != json!(reply.status) {
            wrong.push(format!("answered {}: {}", reply.status, reply.body));
            return;
        }
        for (name, wanted) in answer["headers"].as_object().into_iter().flatten() {
            if !reply.header(name).starts_with(wanted.as_str().unwrap()) {
                wrong.push(format!("{name} is {:?}", reply.header(name)));
            }
        }
        if let Some(wanted) = answer.get("body") {
            differences("", wanted, &reply.body, wrong);
        }
        for pointer in answer["absent"].as_array().into_iter().flatten() {
            if let Some(found) = reply.body.pointer(pointer.as_str().unwrap()) {
                wrong.push(format!("{pointer} is {found}"));
            }
        }
        for (name, pointer) in step["save"].as_object().into_iter().flatten() {
            let found = reply.body.pointer(pointer.as_str().unwrap());
            let found = found.cloned().unwrap_or_default();
            match name.strip_suffix("[]") {
                None => drop(self.variables.insert(name.clone(), found)),
                Some(list) => {
                    let list = self.variables.entry(list.to_owned());
                    let list = list.or_insert_with(|| json!([]));
                    list.as_array_mut().unwrap().push(found);
                }
            }
        }
    }

    /// Compares what the log tells of the request.
    async fn look_up(&mut self, step: &Value, reply: &Reply) {
        let organization = self.variables["organization"].as_str().unwrap();
        let count = format!(
            "SELECT COUNT(*) FROM provisioning_log WHERE organization_id = '{organization}'
             AND path NOT LIKE '/Schemas%' AND path NOT LIKE '/ResourceTypes%' AND path <> '/ServiceProviderConfig'"
        );
        let begun = Instant::now();
        while self.server.database.number(&count).await < self.sent {
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "a record is missing"
            );
            self.server.engine.flush_records().await;
            tokio::task::yield_now().await;
        }
        let place = format!("/organizations/{organization}/provisioning-log?limit=1");
        let record = &self.server.admin.get(&place).await["data"][0];
        let mut rules: Vec<u64> = record["repairs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|repair| repair["rule"].as_u64().unwrap())
            .collect();
        rules.sort_unstable();
        rules.dedup();
        let wanted = step.get("repairs").cloned().unwrap_or_else(|| json!([]));
        if json!(rules) != wanted {
            let repairs = &record["repairs"];
            self.wrong
                .push(format!("repairs are {rules:?} and not {wanted}: {repairs}"));
        }
        if record["status"] != json!(reply.status) {
            self.wrong
                .push(format!("the log tells of {}", record["status"]));
        }
        if let Some(changed) = step.get("changed")
            && record["changed"] != *changed
        {
            self.wrong.push(format!("changed is {}", record["changed"]));
        }
    }

    /// A value with its variables filled in, its lists written out.
    fn filled(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => {
                let items = items.iter().flat_map(|item| self.items(item));
                Value::Array(items.collect())
            }
            Value::Object(members) => {
                let members = members.iter();
                let members = members.map(|(name, value)| {
                    let name = self.text(name);
                    (name.as_str().unwrap().to_owned(), self.filled(value))
                });
                Value::Object(members.collect())
            }
            other => other.clone(),
        }
    }

    /// `{"each": "people", "item": …}` stands for one item for each, with `${it}`.
    fn items(&self, item: &Value) -> Vec<Value> {
        let Some(list) = item["each"].as_str() else {
            return vec![self.filled(item)];
        };
        let each = self.variables[list].as_array().unwrap().iter();
        let template = item["item"].to_string();
        let item = |it: &Value| {
            let text = template.replace("${it}", it.as_str().unwrap());
            self.filled(&serde_json::from_str(&text).unwrap())
        };
        each.map(item).collect()
    }

    fn text(&self, text: &str) -> Value {
        let mut filled = text.to_owned();
        for (name, value) in &self.variables {
            let place = format!("${{{name}}}");
            if text == place {
                return value.clone();
            }
            if filled.contains(&place) {
                let shown = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                filled = filled.replace(&place, &shown);
            }
        }
        Value::String(filled)
    }
}

/// Whether the answer has everything that is wanted. A list has to have as many items, in any order; `"*"` is any text.
fn differences(place: &str, wanted: &Value, got: &Value, wrong: &mut Vec<String>) {
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => {
            for (name, wanted) in wanted {
                let got = got.get(name).unwrap_or(&Value::Null);
                differences(&format!("{place}/{name}"), wanted, got, wrong);
            }
        }
        (Value::Array(wanted), Value::Array(got)) => {
            let fits = |wanted: &Value| {
                got.iter().any(|got| {
                    let mut wrong = Vec::new();
                    differences("", wanted, got, &mut wrong);
                    wrong.is_empty()
                })
            };
            let (asked, found) = (wanted.len(), got.len());
            if asked != found {
                wrong.push(format!("{place} has {found} items and not {asked}"));
            } else if let Some(missing) = wanted.iter().find(|item| !fits(item)) {
                wrong.push(format!("{place} has no {missing}: {}", json!(got)));
            }
        }
        (Value::String(any), Value::String(_)) if any == "*" => {}
        _ if wanted == got => {}
        _ => wrong.push(format!("{place} is {got} and not {wanted}")),
    }
}
