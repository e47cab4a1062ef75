//! Connections by OpenID Connect.

use vestibule_core::{Domain, Protocol, Secret, Timestamp};
use vestibule_oidc::{AssertionAudience, ProviderKind, PushedRequests, UserInfo};
use vestibule_store::{Connection, KeyPurpose, KeyState, WriteTx};

use super::{
    ConnectionChange, Join, checked_directory_attribute,
    saml::{Prepared, has_active},
};
use crate::{
    Engine, Fault,
    admin::{AdminError, Result, check},
    upstream::{CLIENT_SECRET_PLACE, OidcSettings},
};

const CLIENT_AUTH: &[&str] = &[
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
    "none",
];
/// Far more than any organization has at Google.
const MOST_HOSTED_DOMAINS: usize = 100;

/// What changes of a connection by OpenID Connect.
#[derive(Debug, Default)]
pub struct OidcChange {
    /// The issuer, exactly as its discovery document writes it.
    pub issuer: Option<String>,
    /// Our client id there.
    pub client_id: Option<String>,
    /// Our client secret there.
    pub client_secret: Option<Option<Secret>>,
    /// How we prove who we are.
    pub client_auth: Option<String>,
    /// The scopes asked for.
    pub scopes: Option<Vec<String>>,
    /// Whom assertions are for; none leaves it to the provider's kind.
    pub assertion_audience: Option<Option<AssertionAudience>>,
    /// Whether requests are handed in beforehand.
    pub pushed_requests: Option<PushedRequests>,
    /// When userinfo is asked.
    pub userinfo: Option<UserInfo>,
    /// Whose provider it is; none leaves it to the issuer.
    pub provider: Option<Option<ProviderKind>>,
    /// The Google Workspace domains whose accounts come in.
    pub hosted_domains: Option<Vec<String>>,
    /// Whether addresses count as verified that the provider says nothing about.
    pub trust_email: Option<bool>,
    /// Whether who signs out here signs out at the provider too.
    pub logout_at_provider: Option<bool>,
}

impl Engine {
    pub(super) fn apply_oidc(
        &self,
        connection: &mut Connection,
        change: &ConnectionChange,
    ) -> Result<()> {
        let stored = serde_json::from_value::<OidcSettings>(connection.settings.clone()).ok();
        let empty = OidcChange::default();
        let oidc = change.oidc.as_ref().unwrap_or(&empty);
        let kept = stored
            .as_ref()
            .map(|stored| stored.client_auth.clone())
            .filter(|_| oidc.client_secret.is_none());
        let mut settings = match stored {
            Some(stored) => stored,
            None => first_settings(oidc)?,
        };
        if let Some(issuer) = &oidc.issuer {
            settings.issuer.clone_from(issuer);
        }
        if let Some(client_id) = &oidc.client_id {
            settings.client_id.clone_from(client_id);
        }
        if settings.issuer == "accounts.google.com" {
            "https://accounts.google.com".clone_into(&mut settings.issuer);
        }
        settings.issuer = self.checked_url("oidc.issuer", &settings.issuer)?;
        settings.client_id = check::name("oidc.client_id", &settings.client_id)?;
        if settings.client_id == self.issuer().as_str() {
            return Err(AdminError::invalid(
                "oidc.client_id",
                "must not be this server's own address",
            ));
        }
        settings.client_auth = self.checked_client_auth(connection, oidc, kept)?;
        if let Some(scopes) = &oidc.scopes {
            settings.scopes = checked_scopes(scopes)?;
        }
        set_options(&mut settings, oidc)?;
        check_provider(&settings)?;
        let join = match (&change.join, &connection.join_directory) {
            (Some(join), _) => Some(checked_join(join)?),
            (None, None) => Some(default_join(&settings)),
            (None, Some(_)) => None,
        };
        if let Some(join) = join {
            (connection.join_directory, connection.join_claim) =
                (Some(join.directory), Some(join.claim));
        }
        connection.settings = serde_json::to_value(settings)
            .map_err(|_| Fault::internal("a connection's settings could not be written"))?;
        Ok(())
    }

    /// How we prove who we are; seals or forgets the secret that goes with it.
    fn checked_client_auth(
        &self,
        connection: &mut Connection,
        oidc: &OidcChange,
        kept: Option<String>,
    ) -> Result<String> {
        match &oidc.client_secret {
            Some(Some(secret)) => {
                let secret = check::name("oidc.client_secret", secret.expose())?;
                let sealed = self.vault().seal(
                    CLIENT_SECRET_PLACE,
                    &connection.id.to_string(),
                    secret.as_bytes(),
                );
                connection.client_secret_sealed = Some(sealed);
            }
            Some(None) => connection.client_secret_sealed = None,
            None => {}
        }
        let by_key = oidc.client_auth.as_deref() == Some("private_key_jwt");
        if by_key && oidc.client_secret.is_none() {
            // A secret that proves nothing any more is not kept.
            connection.client_secret_sealed = None;
        }
        let implied = match connection.client_secret_sealed {
            Some(_) => "client_secret_basic",
            None => "none",
        };
        let client_auth = oidc.client_auth.clone().or(kept);
        let client_auth = client_auth.as_deref().unwrap_or(implied);
        let client_auth = check::word("oidc.client_auth", client_auth, CLIENT_AUTH)?;
        let needs_secret = client_auth.starts_with("client_secret");
        if needs_secret != connection.client_secret_sealed.is_some() {
            return Err(AdminError::invalid(
                "oidc.client_auth",
                "client_secret_basic and client_secret_post need a client_secret, and private_key_jwt and none go without one",
            ));
        }
        Ok(client_auth)
    }

    /// Makes the key that a change needs, before its transaction begins.
    pub(super) async fn prepare_oidc(
        &self,
        change: &ConnectionChange,
        stored: Option<&Connection>,
        now: Timestamp,
    ) -> Result<Prepared> {
        let mut prepared = Prepared::default();
        let asked = change
            .oidc
            .as_ref()
            .and_then(|oidc| oidc.client_auth.as_deref());
        if asked != Some("private_key_jwt") {
            return Ok(prepared);
        }
        let known = match stored {
            Some(connection) => {
                let mut tx = self.store().read(now).await?;
                tx.list_connection_keys(connection.id).await?
            }
            None => Vec::new(),
        };
        if !has_active(&known, KeyPurpose::Signing) {
            let made = self.make_connection_key(now).await?;
            prepared.keys.push((KeyPurpose::Signing, made));
        }
        Ok(prepared)
    }

    /// Sees that there is a key where assertions are signed, and none in use where they are not.
    pub(super) async fn keep_client_key(
        &self,
        tx: &mut WriteTx,
        connection: &Connection,
        prepared: &Prepared,
    ) -> Result<()> {
        if connection.protocol != Protocol::Oidc {
            return Ok(());
        }
        let now = tx.now();
        let known = tx.list_connection_keys(connection.id).await?;
        let settings = OidcSettings::of(connection)?;
        if !settings.signs_assertions() {
            for key in known.iter().filter(|key| key.state != KeyState::Retired) {
                tx.set_connection_key_state(connection.id, key.id, KeyState::Retired)
                    .await?;
            }
            return Ok(());
        }
        if has_active(&known, KeyPurpose::Signing) {
            return Ok(());
        }
        let (purpose, made) = prepared.keys.first().ok_or_else(|| {
            AdminError::conflict("the connection was changed meanwhile; repeat the request")
        })?;
        let key = self.connection_key(connection, *purpose, KeyState::Active, made, now);
        tx.add_connection_key(&key).await?;
        Ok(())
    }
}

fn first_settings(oidc: &OidcChange) -> Result<OidcSettings> {
    let needed = |value: &Option<String>, field| {
        value
            .clone()
            .ok_or_else(|| AdminError::invalid(field, "is required"))
    };
    Ok(OidcSettings {
        issuer: needed(&oidc.issuer, "oidc.issuer")?,
        client_id: needed(&oidc.client_id, "oidc.client_id")?,
        client_auth: String::new(),
        scopes: OidcSettings::default_scopes(),
        assertion_audience: None,
        pushed_requests: PushedRequests::default(),
        userinfo: OidcSettings::default_userinfo(),
        provider: None,
        hosted_domains: Vec::new(),
        trust_email: false,
        logout_at_provider: false,
    })
}

fn set_options(settings: &mut OidcSettings, oidc: &OidcChange) -> Result<()> {
    settings.assertion_audience = oidc
        .assertion_audience
        .unwrap_or(settings.assertion_audience);
    settings.pushed_requests = oidc.pushed_requests.unwrap_or(settings.pushed_requests);
    settings.userinfo = oidc.userinfo.unwrap_or(settings.userinfo);
    settings.provider = oidc.provider.unwrap_or(settings.provider);
    settings.trust_email = oidc.trust_email.unwrap_or(settings.trust_email);
    settings.logout_at_provider = oidc
        .logout_at_provider
        .unwrap_or(settings.logout_at_provider);
    if let Some(domains) = &oidc.hosted_domains {
        let wrong = |_| {
            AdminError::invalid(
                "oidc.hosted_domains",
                "must be domains, like acme.example, as Google writes them in the claim hd",
            )
        };
        if domains.len() > MOST_HOSTED_DOMAINS {
            return Err(AdminError::invalid(
                "oidc.hosted_domains",
                "must be at most 100 domains",
            ));
        }
        settings.hosted_domains = domains
            .iter()
            .map(|domain| domain.parse::<Domain>().map(|domain| domain.to_string()))
            .collect::<std::result::Result<_, _>>()
            .map_err(wrong)?;
    }
    Ok(())
}

/// What the provider's kind demands, said while somebody is there to change it.
fn check_provider(settings: &OidcSettings) -> Result<()> {
    let shown = ProviderKind::of_issuer(&settings.issuer);
    if shown != ProviderKind::Generic && settings.provider.is_some_and(|provider| provider != shown)
    {
        return Err(AdminError::invalid(
            "oidc.provider",
            format!(
                "is {} by the issuer, and its rules cannot be left out",
                shown.as_str()
            ),
        ));
    }
    let kind = settings.kind();
    kind.check_issuer(&settings.issuer)
        .map_err(|error| AdminError::invalid("oidc.issuer", error.remedy()))?;
    if kind != ProviderKind::Google && !settings.hosted_domains.is_empty() {
        return Err(AdminError::invalid(
            "oidc.hosted_domains",
            "belongs to Google alone; no other provider has the claim hd",
        ));
    }
    if kind == ProviderKind::Entra && settings.trust_email {
        return Err(AdminError::invalid(
            "oidc.trust_email",
            "cannot be set for Entra ID, where the claim email is nobody's proof; join on oid, or let the optional claim xms_edov be sent",
        ));
    }
    Ok(())
}

fn checked_scopes(scopes: &[String]) -> Result<Vec<String>> {
    let is_token = |scope: &String| {
        !scope.is_empty()
            && scope.len() <= 200
            && scope
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
    };
    if scopes.len() > 50 || !scopes.iter().all(is_token) {
        return Err(AdminError::invalid(
            "oidc.scopes",
            "must be at most 50 scope names without spaces and quotes",
        ));
    }
    let mut scopes = scopes.to_vec();
    if !scopes.iter().any(|scope| scope == "openid") {
        scopes.insert(0, "openid".to_owned());
    }
    Ok(scopes)
}

fn checked_join(join: &Join) -> Result<Join> {
    let directory = checked_directory_attribute(join)?;
    let claim = join.claim.strip_prefix("attribute:").unwrap_or(&join.claim);
    let is_name =
        (1..=200).contains(&claim.len()) && claim.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_name || claim == "name_id" {
        return Err(AdminError::invalid(
            "join.claim",
            "must name a claim of the ID token, such as sub, oid or preferred_username",
        ));
    }
    Ok(Join {
        directory,
        claim: claim.to_owned(),
    })
}

/// `oid` is the same in Entra's provisioning and in all of its ID tokens; its `sub` is another one for every client.
fn default_join(settings: &OidcSettings) -> Join {
    let claim = match settings.kind() {
        ProviderKind::Entra => "oid",
        _ => "sub",
    };
    Join {
        directory: "externalId".to_owned(),
        claim: claim.to_owned(),
    }
}
