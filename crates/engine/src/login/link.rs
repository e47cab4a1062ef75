//! Logins that a link of the identity provider begins: each becomes one that we begin (OpenID Connect Core §4).

use url::Url;
use vestibule_core::{ApplicationId, ConnectionId, ConnectionState, Protocol, Timestamp};
use vestibule_store::{Connection, ReadTx};

use crate::{
    Browser, Engine, Fault,
    authorize::{Limits, LoginBegun, Purpose},
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
    /// A link of the identity provider begins a login: at the default application, or here.
    pub async fn begin_saml_link(
        &self,
        connection_id: ConnectionId,
        browser: Browser,
        now: Timestamp,
    ) -> Result<Option<LoginLink>, Fault> {
        let mut tx = self.store().read(now).await?;
        match linked(&mut tx, connection_id, Protocol::Saml).await? {
            Some(connection) => self.begin_link(tx, &connection, None, browser).await,
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
        let Some(connection) = linked(&mut tx, connection_id, Protocol::Oidc).await? else {
            return Ok(None);
        };
        let settings: OidcSettings = serde_json::from_value(connection.settings.clone())
            .map_err(|_| Fault::internal("a connection's settings cannot be read"))?;
        if issuer.is_some_and(|issuer| issuer != settings.issuer) {
            return Ok(None);
        }
        let hint = login_hint.filter(|hint| (1..=LONGEST_HINT).contains(&hint.len()));
        self.begin_link(tx, &connection, hint, browser).await
    }

    async fn begin_link(
        &self,
        mut tx: ReadTx,
        connection: &Connection,
        login_hint: Option<&str>,
        browser: Browser,
    ) -> Result<Option<LoginLink>, Fault> {
        let now = tx.now();
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
    pub(super) async fn start_of(
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

/// The connection, while logins may begin at it.
async fn linked(
    tx: &mut ReadTx,
    id: ConnectionId,
    protocol: Protocol,
) -> Result<Option<Connection>, Fault> {
    let found = tx.find_connection(id).await?;
    Ok(found.filter(|found| found.protocol == protocol && found.state == ConnectionState::Active))
}
