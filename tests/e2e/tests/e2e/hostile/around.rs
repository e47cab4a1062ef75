//! What happens around the logins at a provider: set-up, changes of keys, another try, logout.

use serde_json::json;
use url::Url;
use vestibule_simulate::{Browser, Page};
use vestibule_support::{on_every_server, server::TestServer};

use super::{
    CLIENT_ID, Key, Said, Stage, changed,
    honest::{TENANT, is_in},
};
use crate::relying::{Tokens, answer};

on_every_server!(
    a_logout_reaches_the_provider_where_the_connection_wants_it,
    another_try_goes_on_with_the_apps_request,
    keys_of_the_provider_before_count_no_more,
    a_rotation_at_the_provider_lets_nobody_wait,
    endpoints_that_moved_are_found_by_the_next_login,
    set_up_refuses_what_cannot_be_safe,
);

async fn a_logout_reaches_the_provider_where_the_connection_wants_it(server: TestServer) {
    let stage = Stage::set_up(&server).await;
    let after = stage.company.app.urls().post_logout_redirect_uri.clone();
    for (name, wanted) in [("silent", false), ("told", true)] {
        let id = stage
            .connect(&server, name, json!({"logout_at_provider": wanted}))
            .await;
        let mut browser = Browser::new().unwrap();
        let code = answer(&stage.enter(&mut browser, &id, &[]).await)["code"].clone();
        let tokens = Tokens::of(&stage.app.exchange(&code).await);
        let kept = "SELECT COUNT(*) FROM logout_hints";
        assert_eq!(
            server.database.number(kept).await,
            i64::from(wanted),
            "only what is needed is kept"
        );
        let upstream = stage.hostile.seen(name).token;
        let mut logout = server.url("/oauth/logout");
        logout
            .query_pairs_mut()
            .append_pair("id_token_hint", &tokens.id)
            .append_pair("post_logout_redirect_uri", &after)
            .append_pair("state", "bye");
        browser.stop_before(&after.parse().unwrap());
        let page = browser.get(&logout).await.unwrap();
        browser.stop_nowhere();
        let location = page
            .location()
            .unwrap_or_else(|| panic!("{} {}", page.url, page.body));
        assert_eq!(
            location.as_str(),
            format!("{after}?state=bye"),
            "back at the app"
        );
        let seen = stage.hostile.seen(name).logout;
        assert_eq!(seen.contains_key("post_logout_redirect_uri"), wanted);
        if wanted {
            let hint = crate::relying::claims(&seen["id_token_hint"]);
            assert_eq!(
                (&hint["aud"], &hint["sid"]),
                (&json!(CLIENT_ID), &json!("session-1"))
            );
            assert_eq!(seen["client_id"], CLIENT_ID);
            assert!(
                seen["post_logout_redirect_uri"].ends_with(&format!("/sso/oidc/{id}/signed-out"))
            );
        }
        assert!(upstream.contains_key("code_verifier"));
        assert_eq!(server.database.number(kept).await, 0, "it is used once");
        let silent = stage.app.ask(&mut browser, &[("prompt", "none")]).await;
        assert_eq!(crate::provider::error(&silent), "login_required");
        // A state that nobody waits for leads to our own page.
        for query in [
            "",
            "?state=invented",
            &format!("?state={}", seen.get("state").map_or("x", |state| state)),
        ] {
            let url = server.url(&format!("/sso/oidc/{id}/signed-out{query}"));
            let page = Browser::new().unwrap().get(&url).await.unwrap();
            assert!(
                page.url.path().ends_with("/logout/done"),
                "{query}: {}",
                page.url
            );
        }
    }
    server.settled().await;
}

/// The address of "Try again" on the page of a refusal.
fn another_try(page: &Page) -> Option<Url> {
    let link = page
        .links()
        .into_iter()
        .find(|link| link.href.contains("/login"));
    link.map(|link| page.url.join(&link.href).unwrap())
}

async fn another_try_goes_on_with_the_apps_request(server: TestServer) {
    let stage = Stage::set_up(&server).await;
    let id = stage.connect(&server, "shaky", json!({})).await;
    let redirect_uri: Url = stage.app.redirect_uri.parse().unwrap();
    for (what, discovery, token) in [
        ("before the provider was asked", Some(Said::Redirect), None),
        ("after it answered", None, Some(Said::Redirect)),
    ] {
        let id = match discovery {
            Some(_) => stage.connect(&server, "unreachable", json!({})).await,
            None => id.clone(),
        };
        let name = if discovery.is_some() {
            "unreachable"
        } else {
            "shaky"
        };
        stage.hostile.at(name, |tenant| {
            (tenant.discovery, tenant.token) = (discovery, token);
        });
        let mut browser = Browser::new().unwrap();
        let page = stage.enter(&mut browser, &id, &[]).await;
        assert_eq!(page.status, 403, "{what}: {}", page.body);
        let again = another_try(&page).unwrap_or_else(|| panic!("{what}: {}", page.body));
        assert!(
            again
                .query()
                .is_some_and(|query| query.starts_with("handle=")),
            "{what}: {again}"
        );
        // In another browser it is worth nothing.
        let foreign = Browser::new().unwrap().get(&again).await.unwrap();
        assert_eq!(foreign.status, 400, "{what}");
        stage.hostile.at(name, |tenant| {
            (tenant.discovery, tenant.token) = (None, None);
        });
        browser.stop_before(&redirect_uri);
        let page = browser.get(&again).await.unwrap();
        browser.stop_nowhere();
        is_in(&page);
        let answer = answer(&page);
        assert_eq!(
            answer["state"],
            crate::relying::STATE,
            "{what}: the app's own request"
        );
        Tokens::of(&stage.app.exchange(&answer["code"]).await);
    }
    // Where somebody else has to act first, there is nothing to try.
    stage
        .hostile
        .at("shaky", |tenant| tenant.claims = json!({"oid": "nobody"}));
    let page = stage.enter(&mut Browser::new().unwrap(), &id, &[]).await;
    assert!(another_try(&page).is_none(), "{}", page.body);
    server.settled().await;
}

async fn keys_of_the_provider_before_count_no_more(server: TestServer) {
    let stage = Stage::set_up(&server).await;
    let id = stage.connect(&server, "before", json!({})).await;
    is_in(&stage.enter(&mut Browser::new().unwrap(), &id, &[]).await);
    let old = stage.hostile.at("before", |tenant| tenant.key.clone());
    let issuer = stage.hostile.add("after", &stage.ada.person);
    server
        .admin
        .patch(
            &format!("/connections/{id}"),
            json!({"oidc": {"issuer": issuer}}),
        )
        .await;
    // The provider that was left signs in the name of the one that came: same key id, its own key.
    stage.hostile.at("after", |tenant| {
        tenant.mint = Some(Box::new(move |minting| {
            old.sign(&minting.header.to_string(), &minting.claims.to_string())
        }));
    });
    let page = stage.enter(&mut Browser::new().unwrap(), &id, &[]).await;
    assert_eq!(page.status, 403, "{}", page.body);
    assert_eq!(stage.company.last_login(&server).await["rule"], "signature");
    stage.hostile.at("after", |tenant| tenant.mint = None);
    is_in(&stage.enter(&mut Browser::new().unwrap(), &id, &[]).await);
    server.settled().await;
}

async fn a_rotation_at_the_provider_lets_nobody_wait(server: TestServer) {
    let stage = Stage::set_up(&server).await;
    let id = stage.connect(&server, "rotating", json!({})).await;
    is_in(&stage.enter(&mut Browser::new().unwrap(), &id, &[]).await);
    stage
        .hostile
        .at("rotating", |tenant| tenant.key = Key::new("key-2"));
    is_in(&stage.enter(&mut Browser::new().unwrap(), &id, &[]).await);
    is_in(&stage.enter(&mut Browser::new().unwrap(), &id, &[]).await);
    assert_eq!(
        stage.hostile.seen("rotating").key_fetches,
        2,
        "one fetch for each key"
    );
    // Invented key ids do not make us ask again and again.
    stage.hostile.at("rotating", |tenant| {
        tenant.header = json!({"kid": "invented"});
    });
    for _ in 0..4 {
        let page = stage.enter(&mut Browser::new().unwrap(), &id, &[]).await;
        assert_eq!(page.status, 403);
    }
    assert_eq!(stage.hostile.seen("rotating").key_fetches, 2);
    server.settled().await;
}

async fn endpoints_that_moved_are_found_by_the_next_login(server: TestServer) {
    let stage = Stage::set_up(&server).await;
    let id = stage.connect(&server, "moving", json!({})).await;
    // Its document says where the endpoints were; it is kept for a day where it works.
    for place in [
        "token_endpoint",
        "pushed_authorization_request_endpoint",
        "jwks_uri",
    ] {
        stage.hostile.at("moving", |tenant| {
            tenant.metadata = json!({place: "http://127.0.0.1:1/gone"});
        });
        server.pass(std::time::Duration::from_secs(24 * 3600));
        stage
            .hostile
            .at("moving", |tenant| tenant.ahead += 24 * 3600);
        let page = stage.enter(&mut Browser::new().unwrap(), &id, &[]).await;
        assert_eq!(page.status, 403, "{place}: {}", page.body);
        assert_eq!(stage.company.last_login(&server).await["rule"], "http");
        stage
            .hostile
            .at("moving", |tenant| tenant.metadata = json!({}));
        is_in(&stage.enter(&mut Browser::new().unwrap(), &id, &[]).await);
    }
    server.settled().await;
}

async fn set_up_refuses_what_cannot_be_safe(server: TestServer) {
    let stage = Stage::set_up(&server).await;
    let place = format!(
        "/organizations/{}/connections",
        stage.company.organization_id
    );
    let tenant = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    for (what, oidc, field, said) in [
        (
            "every tenant of Entra",
            json!({"issuer": "https://login.microsoftonline.com/common/v2.0"}),
            "oidc.issuer",
            "<tenant id>",
        ),
        (
            "every organization of Entra",
            json!({"issuer": "https://login.microsoftonline.com/organizations/v2.0"}),
            "oidc.issuer",
            "<tenant id>",
        ),
        (
            "a tenant by its name",
            json!({"issuer": "https://login.microsoftonline.com/acme.onmicrosoft.com/v2.0"}),
            "oidc.issuer",
            "<tenant id>",
        ),
        (
            "personal accounts",
            json!({"issuer": "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"}),
            "oidc.issuer",
            "personal",
        ),
        (
            "Okta's admin console",
            json!({"issuer": "https://acme-admin.okta.com"}),
            "oidc.issuer",
            "-admin",
        ),
        (
            "Okta with a slash",
            json!({"issuer": "https://acme.okta.com/"}),
            "oidc.issuer",
            "slash",
        ),
        (
            "Entra without its rules",
            json!({"issuer": tenant, "provider": "generic"}),
            "oidc.provider",
            "cannot be left out",
        ),
        (
            "Entra's addresses",
            json!({"issuer": tenant, "trust_email": true}),
            "oidc.trust_email",
            "oid",
        ),
        (
            "Google's domains elsewhere",
            json!({"issuer": "https://idp.example", "hosted_domains": ["acme.test"]}),
            "oidc.hosted_domains",
            "Google",
        ),
        (
            "a domain that is none",
            json!({"issuer": "https://accounts.google.com", "hosted_domains": ["*"]}),
            "oidc.hosted_domains",
            "domains",
        ),
        (
            "a secret beside a key",
            json!({"issuer": "https://idp.example", "client_auth": "private_key_jwt"}),
            "oidc.client_auth",
            "without",
        ),
        (
            "our own name",
            json!({"issuer": "https://idp.example", "client_id": server.issuer()}),
            "oidc.client_id",
            "own address",
        ),
    ] {
        let oidc = changed(json!({"client_id": "x", "client_secret": "y"}), &oidc);
        let body = json!({"protocol": "oidc", "oidc": oidc});
        let reply = server
            .admin
            .call(reqwest::Method::POST, &place, Some(&body))
            .await;
        let told = reply.body.to_string();
        assert_eq!(reply.status, 422, "{what}: {told}");
        assert!(
            told.contains(field) && told.contains(said),
            "{what}: {told}"
        );
    }
    // What is known of a provider is set without being asked for.
    for (issuer, provider, audience, claim) in [
        (tenant.as_str(), "entra", "endpoint", "oid"),
        (
            "https://acme.okta.com/oauth2/default",
            "okta",
            "endpoint",
            "sub",
        ),
        ("accounts.google.com", "google", "issuer", "sub"),
        ("https://idp.example", "generic", "issuer", "sub"),
    ] {
        let body = json!({"protocol": "oidc", "oidc": {"issuer": issuer, "client_id": "x", "client_secret": "y"}});
        let made = server.admin.post(&place, body).await;
        let oidc = &made["oidc"];
        assert_eq!(
            (&oidc["provider"], &oidc["assertion_audience"]),
            (&json!(provider), &json!(audience)),
            "{made}"
        );
        assert_eq!(made["join"]["claim"], claim, "{made}");
        assert_eq!(
            (&oidc["userinfo"], &oidc["pushed_requests"]),
            (&json!("missing"), &json!("auto"))
        );
        assert_eq!(oidc["logout_at_provider"], false);
    }
}
