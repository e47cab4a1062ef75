//! Connections by OpenID Connect.

use vestibule_core::Secret;
use vestibule_store::Connection;

use super::{ConnectionChange, Join, checked_directory_attribute};
use crate::{
    Engine, Fault,
    admin::{AdminError, Result, check},
    upstream::{CLIENT_SECRET_PLACE, OidcSettings},
};

const CLIENT_AUTH: &[&str] = &["client_secret_basic", "client_secret_post", "none"];

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
        let issuer = oidc
            .issuer
            .clone()
            .or_else(|| stored.as_ref().map(|stored| stored.issuer.clone()));
        let issuer = issuer.ok_or_else(|| AdminError::invalid("oidc.issuer", "is required"))?;
        let client_id = oidc
            .client_id
            .clone()
            .or_else(|| stored.as_ref().map(|stored| stored.client_id.clone()));
        let client_id =
            client_id.ok_or_else(|| AdminError::invalid("oidc.client_id", "is required"))?;
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
        let implied = match connection.client_secret_sealed {
            Some(_) => "client_secret_basic",
            None => "none",
        };
        let kept = stored
            .as_ref()
            .map(|stored| stored.client_auth.as_str())
            .filter(|_| oidc.client_secret.is_none());
        let client_auth = oidc.client_auth.as_deref().or(kept).unwrap_or(implied);
        let client_auth = check::word("oidc.client_auth", client_auth, CLIENT_AUTH)?;
        if (client_auth == "none") != connection.client_secret_sealed.is_none() {
            return Err(AdminError::invalid(
                "oidc.client_auth",
                "client_secret_basic and client_secret_post need a client_secret, and none goes without one",
            ));
        }
        let scopes = match (&oidc.scopes, stored) {
            (Some(scopes), _) => checked_scopes(scopes)?,
            (None, Some(stored)) => stored.scopes,
            (None, None) => OidcSettings::default_scopes(),
        };
        let settings = OidcSettings {
            issuer: self.checked_url("oidc.issuer", &issuer)?,
            client_id: check::name("oidc.client_id", &client_id)?,
            client_auth,
            scopes,
        };
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
    let is_entra = [
        "https://login.microsoftonline.com/",
        "https://login.microsoftonline.us/",
        "https://login.partner.microsoftonline.cn/",
    ]
    .iter()
    .any(|prefix| settings.issuer.starts_with(prefix));
    let claim = if is_entra { "oid" } else { "sub" };
    Join {
        directory: "externalId".to_owned(),
        claim: claim.to_owned(),
    }
}
