//! The provider's SAML metadata (saml-metadata §2.4.3).

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};

use super::super::pages::internal_error;
use super::super::state::State;
use crate::saml::{DS, EMAIL_ADDRESS, Element, PERSISTENT, SAMLP, TRANSIENT};

const MD: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
const REDIRECT: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
const POST: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";

pub(super) async fn get(Shared(state): Shared<Arc<State>>) -> Response {
    match document(&state) {
        Ok(xml) => ([(CONTENT_TYPE, "application/samlmetadata+xml")], xml).into_response(),
        Err(error) => internal_error(&error),
    }
}

/// The entity descriptor as text.
pub(in super::super) fn document(state: &State) -> anyhow::Result<String> {
    let keys = state.lock().saml.published()?;
    let keys = keys.iter().map(|key| {
        let certificate = Element::new("ds:X509Certificate").text(&key.certificate().base64());
        let data = Element::new("ds:X509Data").child(certificate);
        let info = Element::new("ds:KeyInfo").namespace("ds", DS).child(data);
        Element::new("md:KeyDescriptor")
            .attribute("use", "signing")
            .child(info)
    });
    let endpoints = |name: &'static str, path: &str| {
        let location = state.saml_url(path);
        [REDIRECT, POST].map(|binding| {
            Element::new(name)
                .attribute("Binding", binding)
                .attribute("Location", &location)
        })
    };
    let formats = [PERSISTENT, EMAIL_ADDRESS, TRANSIENT]
        .map(|format| Element::new("md:NameIDFormat").text(format));
    let descriptor = Element::new("md:IDPSSODescriptor")
        .attribute("WantAuthnRequestsSigned", "false")
        .attribute("protocolSupportEnumeration", SAMLP)
        .children(keys)
        .children(endpoints("md:SingleLogoutService", "slo"))
        .children(formats)
        .children(endpoints("md:SingleSignOnService", "sso"));
    let root = Element::new("md:EntityDescriptor")
        .namespace("md", MD)
        .attribute("entityID", &state.saml_entity_id())
        .child(descriptor);
    Ok(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>{}",
        root.to_xml()
    ))
}
