//! Logins that the identity provider begins: each becomes one that we begin (OpenID Connect Core §4).

use serde_json::value::RawValue;
use url::Url;
use vestibule_core::{ApplicationId, ConnectionId, ConnectionState, Protocol, Timestamp};
use vestibule_saml::Verified;
use vestibule_store::{Connection, ReadTx};

use super::{SamlAnswer, record, remember, replayed, subject::hint_of};
use crate::{
    Browser, Engine, Fault, LoginRefusal,
    authorize::{Limits, LoginBegun, Purpose},
    refusal::Actor,
    upstream::OidcSettings,
};

/// A longer hint names nobody.
const LONGEST_HINT: usize = 512;

/// Where a link of the identity provider leads.
#[derive(Debug)]
pub enum LoginLink {
    /// To the application, which begins a login.
    Application(String),
    /// To our login page.
    Login(LoginBegun),
}

impl Engine {
    /// Nobody asked for this response: it is dropped, and the application is asked to begin (Core §4).
    pub(super) async fn restart(
        &self,
        connection: &Connection,
        verified: &Verified,
        report: Box<RawValue>,
        now: Timestamp,
    ) -> Result<SamlAnswer, Fault> {
        let mut login = record(connection);
        login.report = Some(report);
        let mut tx = self.store().write(now).await?;
        if !remember(&mut tx, connection, verified).await? {
            return self.refused(tx, replayed(), login).await;
        }
        let Some((application_id, mut start)) = self.start_of(&mut tx, connection).await? else {
            let refusal = LoginRefusal::new(
                "no_default_application",
                "your identity provider began this sign-in, and no application is set up for that",
                Actor::Administrator,
                "set `default_application_id` on the connection to an application with an `initiate_login_uri`",
            );
            return self.refused(tx, refusal, login).await;
        };
        start
            .query_pairs_mut()
            .append_pair("login_hint", &hint_of(verified));
        login.application_id = Some(application_id);
        "restarted".clone_into(&mut login.outcome);
        tx.add_login(&login).await?;
        tx.commit().await?;
        self.wake();
        Ok(SamlAnswer::Restart(start.into()))
    }

    /// A link of the identity provider begins a login: at the default application, or here.
    pub async fn begin_saml_link(
        &self,
        connection_id: ConnectionId,
        browser: Browser,
        now: Timestamp,
    ) -> Result<Option<LoginLink>, Fault> {
        let mut tx = self.store().read(now).await?;
        let connection = tx.find_connection(connection_id).await?;
        drop(tx);
        match connection.filter(|found| found.protocol == Protocol::Saml) {
            Some(connection) => self.begin_link(&connection, None, browser, now).await,
            None => Ok(None),
        }
    }

    /// An OpenID Provider begins a login (OpenID Connect Core §4); `issuer` says which one it is.
    ///
    /// Its `target_link_uri` is left aside: where the person goes is the connection's to say, not a link's.
    pub async fn begin_oidc_link(
        &self,
        connection_id: ConnectionId,
        issuer: Option<&str>,
        login_hint: Option<&str>,
        browser: Browser,
        now: Timestamp,
    ) -> Result<Option<LoginLink>, Fault> {
        let mut tx = self.store().read(now).await?;
        let connection = tx.find_connection(connection_id).await?;
        drop(tx);
        let Some(connection) = connection.filter(|found| found.protocol == Protocol::Oidc) else {
            return Ok(None);
        };
        let settings: OidcSettings = serde_json::from_value(connection.settings.clone())
            .map_err(|_| Fault::internal("a connection's settings cannot be read"))?;
        if issuer.is_some_and(|issuer| issuer != settings.issuer) {
            return Ok(None);
        }
        let hint = login_hint.filter(|hint| (1..=LONGEST_HINT).contains(&hint.len()));
        self.begin_link(&connection, hint, browser, now).await
    }

    async fn begin_link(
        &self,
        connection: &Connection,
        login_hint: Option<&str>,
        browser: Browser,
        now: Timestamp,
    ) -> Result<Option<LoginLink>, Fault> {
        if connection.state != ConnectionState::Active {
            return Ok(None);
        }
        let mut tx = self.store().read(now).await?;
        let start = self.start_of(&mut tx, connection).await?;
        drop(tx);
        if let Some((_, mut start)) = start {
            if let Some(hint) = login_hint {
                start.query_pairs_mut().append_pair("login_hint", hint);
            }
            return Ok(Some(LoginLink::Application(start.into())));
        }
        let limits = Limits {
            organization_id: Some(connection.organization_id),
            connection_id: Some(connection.id),
        };
        self.add_pending(Purpose::SignIn, None, limits, browser, now)
            .await
            .map(|begun| Some(LoginLink::Login(begun)))
    }

    /// Where a login begins at the connection's default application, which learns who sends the person.
    async fn start_of(
        &self,
        tx: &mut ReadTx,
        connection: &Connection,
    ) -> Result<Option<(ApplicationId, Url)>, Fault> {
        let Some(id) = connection.default_application_id else {
            return Ok(None);
        };
        let application = tx.find_application(id).await?.filter(|found| found.active);
        let uri = application.and_then(|application| application.initiate_login_uri);
        let Some(mut start) = uri.and_then(|uri| Url::parse(&uri).ok()) else {
            return Ok(None);
        };
        start
            .query_pairs_mut()
            .append_pair("iss", self.issuer().as_str());
        Ok(Some((id, start)))
    }
}
