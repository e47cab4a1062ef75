//! Off to the identity provider: the request.

use serde_json::json;
use vestibule_core::{Secret, Timestamp};
use vestibule_saml::{AuthnRequest, MessageError, SigningKey};
use vestibule_store::{Connection, PendingLogin};

use super::{Outgoing, UPSTREAM_PLACE};
use crate::{
    Engine, Fault, LoginRefusal, SamlAddresses, SamlSettings,
    authorize::Purpose,
    login::{LoginPage, LoginStep, record_of},
    refusal::Actor,
};

impl Engine {
    pub(in crate::login) async fn begin_saml(
        &self,
        handle: &Secret,
        pending: &PendingLogin,
        connection: &Connection,
        page: &LoginPage,
        now: Timestamp,
    ) -> Result<LoginStep, Fault> {
        let settings = SamlSettings::of(connection)?;
        let mut tx = self.store().read(now).await?;
        let key = match settings.sign_requests {
            true => self.saml_signing_key(&mut tx, connection).await?,
            false => None,
        };
        drop(tx);
        let asked = Asked::of(pending, &settings);
        let begun = Outgoing {
            begun_at: now.unix_seconds(),
            force_authn: asked.force_authn,
            max_age: asked.max_age,
        };
        let request = Request {
            ours: self.saml_addresses(connection.id),
            handle,
            settings: &settings,
            asked,
            login_hint: page.login_hint.as_deref(),
            key: key.as_ref(),
        };
        let step = match request.step(now) {
            Ok(step) => step,
            Err(error) => {
                return self
                    .refuse_login(
                        incomplete(&error.to_string()),
                        record_of(pending, connection),
                        now,
                    )
                    .await
                    .map(LoginStep::Refused);
            }
        };
        let sealed = self.vault().seal(
            UPSTREAM_PLACE,
            &connection.id.to_string(),
            json!(begun).to_string().as_bytes(),
        );
        let mut tx = self.store().write(now).await?;
        let waits = tx
            .set_pending_upstream(handle.hash(), connection.id, &sealed)
            .await?;
        tx.commit().await?;
        Ok(match waits {
            true => step,
            false => LoginStep::Gone,
        })
    }
}

/// What a request is made of.
struct Request<'a> {
    ours: SamlAddresses,
    handle: &'a Secret,
    settings: &'a SamlSettings,
    asked: Asked,
    login_hint: Option<&'a str>,
    key: Option<&'a SigningKey>,
}

impl Request<'_> {
    /// By whichever binding the identity provider has.
    fn step(self, now: Timestamp) -> Result<LoginStep, MessageError> {
        let (destination, redirect) = match (&self.settings.sso_url, &self.settings.sso_post_url) {
            (Some(url), _) => (url, true),
            (None, Some(url)) => (url, false),
            (None, None) => return Err(MessageError::Address),
        };
        let mut request = AuthnRequest::new(
            request_id(self.handle),
            now.unix_seconds(),
            self.ours.sp_entity_id,
            destination,
            self.ours.acs_url,
        )?
        .authn_context(self.asked.classes)?;
        // SAML has no word for how old a sign-in may be: whoever limits that asks for a new one.
        if self.asked.force_authn || self.asked.max_age.is_some() {
            request = request.force_authn();
        }
        if let Some(format) = &self.settings.name_id_format {
            request = request.name_id_format(format)?;
        }
        // The handle again: providers that lose it lose nothing, the answer names the request.
        let relay_state = Some(self.handle.expose());
        if !redirect {
            return Ok(LoginStep::Post(request.post_form(relay_state, self.key)?));
        }
        let mut url = request.redirect_url(relay_state, self.key)?;
        if let Some(hint) = self.login_hint
            && destination.starts_with("https://login.microsoftonline.")
        {
            let hint: String = url::form_urlencoded::byte_serialize(hint.as_bytes()).collect();
            url = format!("{url}&login_hint={hint}");
        }
        Ok(LoginStep::Upstream(url))
    }
}

/// What a request asks for beyond a sign-in.
struct Asked {
    force_authn: bool,
    max_age: Option<u32>,
    classes: Vec<String>,
}

impl Asked {
    fn of(pending: &PendingLogin, settings: &SamlSettings) -> Self {
        let mut asked = Self {
            force_authn: settings.force_authn,
            max_age: None,
            classes: settings.authn_context.clone(),
        };
        let purpose = Purpose::of(pending);
        if let Some(authorization) = purpose.as_ref().ok().and_then(Purpose::authorization) {
            asked.max_age = authorization.max_age;
            // SAML has no other way to ask for another account.
            asked.force_authn |= authorization.prompt.wants_login()
                || authorization.max_age == Some(0)
                || matches!(purpose, Ok(Purpose::AsAnother(_)));
            // Only names of classes: an application's short words mean nothing to an identity provider.
            let classes = authorization
                .acr_values
                .iter()
                .filter(|value| value.contains(':'));
            if asked.classes.is_empty() {
                asked.classes = classes.cloned().collect();
            }
        }
        asked
    }
}

/// The request's ID is the login's handle: unguessable, and enough to find the login by.
fn request_id(handle: &Secret) -> String {
    format!("_{}", handle.expose())
}

fn incomplete(reason: &str) -> LoginRefusal {
    LoginRefusal::new(
        "settings",
        "this way of signing in is not set up completely",
        Actor::Administrator,
        "import the identity provider's metadata again",
    )
    .compared("complete settings", reason)
}
