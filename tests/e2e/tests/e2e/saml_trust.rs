//! Whom a connection by SAML trusts: one provider of a federation's metadata, and what happens when trust is withdrawn.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use vestibule_core::{ConnectionId, EndCause, EndScope, Secret};
use vestibule_simulate::Browser;
use vestibule_store::Ending;
use vestibule_support::{
    on_every_server,
    server::{Company, TestServer},
};

use crate::{
    saml::response_page,
    saml_desk::{Described, Desk, PROVIDER, Publisher, fingerprint, key, sorted, trusted},
};

on_every_server!(
    of_several_providers_in_one_document_the_named_one_is_taken,
    trust_that_is_withdrawn_while_a_response_is_judged_signs_nobody_in,
);

const OTHER: &str = "https://other.acme.test/saml";

/// A federation's metadata.
fn aggregate(providers: &[&Described]) -> String {
    let inside: String = providers.iter().map(|provider| provider.xml()).collect();
    format!(
        "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" Name=\"urn:example:federation\">{inside}\
         </md:EntitiesDescriptor>"
    )
}

async fn of_several_providers_in_one_document_the_named_one_is_taken(server: TestServer) {
    let desk = Desk::at(&server).await;
    let (first, second, third) = (key(&server, 300), key(&server, 600), key(&server, 900));
    let other = Described {
        entity_id: OTHER.to_owned(),
        ..Described::with(&[&second])
    };
    let ours = Described::with(&[&first]);
    let several = aggregate(&[&other, &ours]);
    let publisher = Publisher::start(several.clone()).await;
    let sources = [
        json!({ "metadata_xml": several }),
        json!({ "metadata_url": publisher.url }),
    ];
    let named = |source: &Value, entity_id: &str| {
        let mut named = source.clone();
        named["entity_id"] = json!(entity_id);
        named
    };
    let mut followed = Value::Null;
    for source in &sources {
        // Without a name, or by another one, the answer says who is there.
        for asked in [source.clone(), named(source, "https://nobody.test")] {
            let refused = desk.ask(asked).await;
            assert_eq!(refused.status, 422, "{}", refused.body);
            for entity_id in [PROVIDER, OTHER] {
                assert!(
                    refused.text("detail").contains(entity_id),
                    "{}",
                    refused.body
                );
            }
        }
        let made = desk.connect(named(source, PROVIDER)).await;
        assert_eq!(made["saml"]["entity_id"], PROVIDER);
        assert_eq!(trusted(&made), sorted(&[&first]));
        // Given anew, it is about the provider that is known.
        let again = desk.patch(&made, source.clone()).await;
        assert_eq!(again.status, 200, "{}", again.body);
        assert_eq!(again.body["saml"]["entity_id"], PROVIDER);
        assert_eq!(trusted(&again.body), sorted(&[&first]));
        followed = made;
    }
    let renewed = Described::with(&[&first, &third]);
    publisher.publish(aggregate(&[&renewed, &other]));
    let looked = desk
        .call(Method::POST, &followed, "/metadata/refresh", None)
        .await;
    assert_eq!(
        looked.body["added_certificates"],
        json!([fingerprint(&third)]),
        "{}",
        looked.body
    );
    // Who is no longer in it is still trusted, and somebody is told.
    publisher.publish(aggregate(&[&other]));
    let looked = desk
        .call(Method::POST, &followed, "/metadata/refresh", None)
        .await;
    assert_eq!(looked.status, 409, "{}", looked.body);
    let now = desk.read(&followed).await;
    assert_eq!(trusted(&now), sorted(&[&first, &third]));
    let error = now["saml"]["metadata"]["last_error"].as_str().unwrap();
    assert!(error.contains("another identity provider"), "{error}");
    assert!(!error.contains(OTHER), "{error}");
}

async fn trust_that_is_withdrawn_while_a_response_is_judged_signs_nobody_in(server: TestServer) {
    let company = Company::by_saml(&server).await;
    let ada = company.hire("Ada", "Lovelace").await;
    let connection_id: ConnectionId = company.connection_id.parse().unwrap();
    let sessions = "SELECT COUNT(*) FROM user_sessions";
    // What is trusted has to be read before it changes. How long that takes is not ours to say, so there are several tries.
    for patience in (0..8).map(|doublings| Duration::from_millis(50 << doublings)) {
        let before = server.database.number(sessions).await;
        let mut browser = Browser::new().unwrap();
        let page = response_page(&company, &mut browser, &ada).await;
        let handle = Secret::new(page.forms()[0].value("RelayState").unwrap());
        let mut tx = server.database.store.write(server.now()).await.unwrap();
        let pending = tx.find_pending_login(handle.hash()).await.unwrap().unwrap();
        let sealed = pending.upstream_sealed.unwrap();
        // This holds the login that waits, so that judging goes on and accepting does not.
        assert!(
            tx.set_pending_upstream(handle.hash(), connection_id, &sealed)
                .await
                .unwrap()
        );
        let withdraw = async {
            tokio::time::sleep(patience).await;
            tx.end(Ending {
                scope: EndScope::Connection(connection_id),
                cause: EndCause::ConnectionEnded,
                actor: "test",
            })
            .await
            .unwrap();
            tx.commit().await.unwrap();
        };
        let (page, ()) = tokio::join!(browser.submit(&page, &[]), withdraw);
        server.engine.wake();
        let page = page.unwrap();
        if page.status != 403 {
            continue;
        }
        let login = company.last_login(&server).await;
        assert_eq!(login["rule"], "connection_changed", "{login}");
        assert_eq!(server.database.number(sessions).await, before);
        assert!(page.body.contains("Try again"), "{}", page.body);
        company.signed_in(&mut Browser::new().unwrap(), &ada).await;
        return;
    }
    panic!("the response was never read before the trust was withdrawn");
}
