//! Browsers that come back with a wrong answer.

use vestibule_support::{on_every_server, server::TestServer};

use super::{PERSON, PROVIDER, Tenant, refuse_all, way};

on_every_server!(wrong_answers_let_nobody_in);

fn returns(change: fn(&mut Vec<(String, String)>)) -> impl Fn(&mut Tenant) {
    move |tenant: &mut Tenant| tenant.returns = Some(change)
}

fn set(pairs: &mut Vec<(String, String)>, name: &str, value: &str) {
    pairs.retain(|pair| pair.0 != name);
    pairs.push((name.to_owned(), value.to_owned()));
}

async fn wrong_answers_let_nobody_in(server: TestServer) {
    let ways = vec![
        way(
            "no issuer, though it was promised (RFC 9207)",
            ("callback_iss_missing", PROVIDER),
            returns(|pairs| pairs.retain(|pair| pair.0 != "iss")),
        ),
        way(
            "another issuer: a mix-up",
            ("callback_iss", PROVIDER),
            returns(|pairs| set(pairs, "iss", "https://other.example")),
        ),
        way(
            "the issuer with a slash",
            ("callback_iss", PROVIDER),
            returns(|pairs| {
                let issuer = pairs.iter().find(|pair| pair.0 == "iss").unwrap().1.clone();
                set(pairs, "iss", &format!("{issuer}/"));
            }),
        ),
        way(
            "the issuer twice",
            ("callback_duplicate", PERSON),
            returns(|pairs| pairs.push(("iss".to_owned(), "https://other.example".to_owned()))),
        ),
        way(
            "the code twice",
            ("callback_duplicate", PERSON),
            returns(|pairs| pairs.push(("code".to_owned(), "another".to_owned()))),
        ),
        way(
            "the state twice",
            ("callback_duplicate", PERSON),
            returns(|pairs| pairs.push(("state".to_owned(), "another".to_owned()))),
        ),
        way(
            "a refusal",
            ("provider_refused", PROVIDER),
            returns(|pairs| set_error(pairs, "access_denied")),
        ),
        way(
            "a refusal with a long explanation in HTML",
            ("provider_refused", PROVIDER),
            returns(|pairs| {
                set_error(pairs, "server_error");
                set(pairs, "error_description", "<script>alert(1)</script>");
            }),
        ),
        way(
            "a refusal from another issuer",
            ("callback_iss", PROVIDER),
            returns(|pairs| {
                set_error(pairs, "access_denied");
                set(pairs, "iss", "https://other.example");
            }),
        ),
        way(
            "a refusal that forgets the state",
            ("provider_refused", PROVIDER),
            returns(|pairs| {
                set_error(pairs, "access_denied");
                pairs.retain(|pair| pair.0 != "state");
            }),
        ),
        way(
            "a code and a refusal",
            ("callback_ambiguous", PERSON),
            returns(|pairs| set(pairs, "error", "access_denied")),
        ),
        way(
            "no state",
            ("callback_incomplete", PERSON),
            returns(|pairs| pairs.retain(|pair| pair.0 != "state")),
        ),
        way(
            "no code",
            ("callback_incomplete", PERSON),
            returns(|pairs| pairs.retain(|pair| pair.0 != "code")),
        ),
        way(
            "an empty code",
            ("callback_incomplete", PERSON),
            returns(|pairs| set(pairs, "code", "")),
        ),
        way(
            "a code without end",
            ("callback_too_long", PERSON),
            returns(|pairs| set(pairs, "code", &"x".repeat(9000))),
        ),
        way(
            "a code of nobody",
            ("token_refused", PROVIDER),
            returns(|pairs| set(pairs, "code", "invented")),
        ),
    ];
    refuse_all(&server, ways).await;
}

fn set_error(pairs: &mut Vec<(String, String)>, error: &str) {
    pairs.retain(|pair| pair.0 != "code");
    set(pairs, "error", error);
}
