use serde_json::{Map, Value, json};
use vestibule_core::{ApplicationId, EndCause, EndScope, Resource, Secret, Timestamp};
use vestibule_issuer::{
    client_assertion::ClientKeys, client_auth::ClientAuthMethod, id_token, redirect,
};
use vestibule_store::{Application, ApplicationRecord, Ending, WriteTx};

use super::{Actor, AdminError, Done, Result, check};
use crate::Engine;

const AUTH_METHODS: &[&str] = &[
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
    "none",
];
const TOKEN_FORMATS: &[&str] = &["opaque", "jwt"];
const ALGORITHMS: &[&str] = &["ES256", "RS256", "EdDSA"];
const MAX_URIS: usize = 100;
const MAX_CLAIMS: usize = 50;
const MAX_CLAIM: usize = 200;

/// What an application is made of or changed to; what is absent stays, or takes its default.
#[derive(Debug, Default)]
pub struct ApplicationChange {
    /// Its name, as people see it.
    pub name: Option<String>,
    /// Where codes may be sent to.
    pub redirect_uris: Option<Vec<String>>,
    /// Where the browser may be sent to after a logout.
    pub post_logout_redirect_uris: Option<Vec<String>>,
    /// Where logout tokens go.
    pub backchannel_logout_uri: Option<Option<String>>,
    /// Where a login that somebody else begins is sent to.
    pub initiate_login_uri: Option<Option<String>>,
    /// `client_secret_basic`, `client_secret_post`, `private_key_jwt` or `none`.
    pub token_endpoint_auth_method: Option<String>,
    /// The public keys by which it signs assertions.
    pub jwks: Option<Option<Value>>,
    /// Where its public keys are, if it does not hand them in.
    pub jwks_uri: Option<Option<String>>,
    /// Whether it is somebody else's, so that people are asked before it learns about them.
    pub third_party: Option<bool>,
    /// Whether its authorization requests have to be pushed.
    pub require_pushed_requests: Option<bool>,
    /// Whether a sign-in that is none of the asked `acr_values` is refused.
    pub require_acr: Option<bool>,
    /// Further claims of its tokens: name → attribute.
    pub claims: Option<Map<String, Value>>,
    /// `opaque` or `jwt`.
    pub access_token_format: Option<String>,
    /// `ES256`, `RS256` or `EdDSA`.
    pub id_token_signed_response_alg: Option<String>,
    /// Within so many seconds the same refresh may be asked again; at most 10.
    pub refresh_retry_seconds: Option<i64>,
    /// Whether it may be used.
    pub active: Option<bool>,
}

/// An application with a secret that was made just now; a public one has none.
#[derive(Debug)]
pub struct MadeApplication {
    /// The application.
    pub application: Application,
    /// Its secret, in clear this once.
    pub client_secret: Option<Secret>,
}

impl Engine {
    /// Registers an application.
    pub async fn add_application(
        &self,
        actor: &Actor,
        new: ApplicationChange,
        now: Timestamp,
    ) -> Result<MadeApplication> {
        actor.may_write(Resource::Applications)?;
        actor.is_unbound()?;
        let mut record = ApplicationRecord {
            name: String::new(),
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            backchannel_logout_uri: None,
            initiate_login_uri: None,
            token_endpoint_auth_method: "client_secret_basic".to_owned(),
            jwks: None,
            jwks_uri: None,
            third_party: false,
            require_pushed_requests: false,
            require_acr: false,
            claims: Map::new(),
            access_token_format: "opaque".to_owned(),
            id_token_signed_response_alg: "ES256".to_owned(),
            refresh_retry_seconds: 0,
            active: true,
        };
        self.apply_application(&mut record, new)?;
        if record.name.is_empty() {
            return Err(AdminError::invalid("name", "is required"));
        }
        if record.redirect_uris.is_empty() {
            return Err(AdminError::invalid(
                "redirect_uris",
                "needs at least one URI",
            ));
        }
        let mut tx = self.store().write(now).await?;
        let client_secret = has_secret(&record).then(|| tx.generator().token("vcs_"));
        let application = tx
            .add_application(&record, client_secret.as_ref().map(Secret::hash))
            .await?;
        audit(
            &mut tx,
            actor,
            "application.create",
            application.id,
            &record,
        )
        .await?;
        tx.commit().await?;
        Ok(MadeApplication {
            application,
            client_secret,
        })
    }

    /// Applications in the order of their making.
    pub async fn list_applications(
        &self,
        actor: &Actor,
        after: Option<ApplicationId>,
        limit: i64,
        now: Timestamp,
    ) -> Result<Vec<Application>> {
        actor.may_read(Resource::Applications)?;
        actor.is_unbound()?;
        Ok(self
            .store()
            .read(now)
            .await?
            .list_applications(after, limit)
            .await?)
    }

    /// One application.
    pub async fn read_application(
        &self,
        actor: &Actor,
        id: ApplicationId,
        now: Timestamp,
    ) -> Result<Application> {
        actor.may_read(Resource::Applications)?;
        actor.is_unbound()?;
        let found = self.store().read(now).await?.find_application(id).await?;
        found.ok_or(AdminError::NotFound)
    }

    /// Changes an application. A change of `active` ends every share that it has, in either direction.
    pub async fn set_application(
        &self,
        actor: &Actor,
        id: ApplicationId,
        change: ApplicationChange,
        now: Timestamp,
    ) -> Result<MadeApplication> {
        actor.may_write(Resource::Applications)?;
        actor.is_unbound()?;
        let mut tx = self.store().write(now).await?;
        let before = tx.lock_application(id).await?.ok_or(AdminError::NotFound)?;
        let mut record = before.record();
        self.apply_application(&mut record, change)?;
        tx.set_application(id, &record).await?;
        let client_secret = match (before.is_confidential(), has_secret(&record)) {
            (true, false) => {
                tx.set_application_secret(id, None).await?;
                None
            }
            (false, true) => Some(new_secret(&mut tx, id).await?),
            _ => None,
        };
        if before.active != record.active {
            let cause = if record.active {
                EndCause::Reactivated
            } else {
                EndCause::ApplicationEnded
            };
            tx.end(Ending {
                scope: EndScope::Application(id),
                cause,
                actor: &actor.name,
            })
            .await?;
        }
        audit(&mut tx, actor, "application.update", id, &record).await?;
        let application = tx.find_application(id).await?.ok_or(AdminError::NotFound)?;
        tx.commit().await?;
        self.wake();
        Ok(MadeApplication {
            application,
            client_secret,
        })
    }

    /// Gives an application a new secret; the old one is refused from now on.
    pub async fn rotate_application_secret(
        &self,
        actor: &Actor,
        id: ApplicationId,
        now: Timestamp,
    ) -> Result<MadeApplication> {
        actor.may_write(Resource::Applications)?;
        actor.is_unbound()?;
        let mut tx = self.store().write(now).await?;
        let application = tx.lock_application(id).await?.ok_or(AdminError::NotFound)?;
        if !has_secret(&application.record()) {
            return Err(AdminError::conflict(
                "an application without a secret, public or with keys of its own, has none to replace; set token_endpoint_auth_method to client_secret_basic first",
            ));
        }
        let client_secret = new_secret(&mut tx, id).await?;
        audit(
            &mut tx,
            actor,
            "application.rotate_secret",
            id,
            &application.record(),
        )
        .await?;
        tx.commit().await?;
        Ok(MadeApplication {
            application,
            client_secret: Some(client_secret),
        })
    }

    /// Deletes an application; every share that it has in a sign-in is over.
    pub async fn delete_application(
        &self,
        actor: &Actor,
        id: ApplicationId,
        now: Timestamp,
    ) -> Result<()> {
        actor.may_write(Resource::Applications)?;
        actor.is_unbound()?;
        let mut tx = self.store().write(now).await?;
        let application = tx.lock_application(id).await?.ok_or(AdminError::NotFound)?;
        tx.end(Ending {
            scope: EndScope::Application(id),
            cause: EndCause::ApplicationEnded,
            actor: &actor.name,
        })
        .await?;
        tx.delete_application(id).await?;
        audit(
            &mut tx,
            actor,
            "application.delete",
            id,
            &application.record(),
        )
        .await?;
        tx.commit().await?;
        self.wake();
        Ok(())
    }

    fn apply_application(
        &self,
        record: &mut ApplicationRecord,
        change: ApplicationChange,
    ) -> Result<()> {
        if let Some(name) = &change.name {
            record.name = check::name("name", name)?;
        }
        if let Some(uris) = change.redirect_uris {
            record.redirect_uris = checked_uris("redirect_uris", uris)?;
            if record.redirect_uris.is_empty() {
                return Err(AdminError::invalid(
                    "redirect_uris",
                    "needs at least one URI",
                ));
            }
        }
        if let Some(uris) = change.post_logout_redirect_uris {
            record.post_logout_redirect_uris = checked_uris("post_logout_redirect_uris", uris)?;
        }
        if let Some(uri) = change.backchannel_logout_uri {
            record.backchannel_logout_uri = uri
                .map(|uri| self.checked_url("backchannel_logout_uri", &uri))
                .transpose()?;
        }
        if let Some(uri) = change.initiate_login_uri {
            record.initiate_login_uri = uri
                .map(|uri| self.checked_url("initiate_login_uri", &uri))
                .transpose()?;
        }
        if let Some(method) = &change.token_endpoint_auth_method {
            record.token_endpoint_auth_method =
                check::word("token_endpoint_auth_method", method, AUTH_METHODS)?;
        }
        if let Some(jwks) = change.jwks {
            if let Some(jwks) = &jwks {
                ClientKeys::parse(jwks)
                    .map_err(|error| AdminError::invalid("jwks", error.to_string()))?;
            }
            record.jwks = jwks;
        }
        if let Some(uri) = change.jwks_uri {
            record.jwks_uri = uri
                .map(|uri| self.checked_url("jwks_uri", &uri))
                .transpose()?;
        }
        check_keys(record)?;
        record.third_party = change.third_party.unwrap_or(record.third_party);
        record.require_pushed_requests = change
            .require_pushed_requests
            .unwrap_or(record.require_pushed_requests);
        record.require_acr = change.require_acr.unwrap_or(record.require_acr);
        if let Some(claims) = change.claims {
            check_claims(&claims)?;
            record.claims = claims;
        }
        if let Some(format) = &change.access_token_format {
            record.access_token_format = check::word("access_token_format", format, TOKEN_FORMATS)?;
        }
        if let Some(algorithm) = &change.id_token_signed_response_alg {
            record.id_token_signed_response_alg =
                check::word("id_token_signed_response_alg", algorithm, ALGORITHMS)?;
        }
        record.refresh_retry_seconds = change
            .refresh_retry_seconds
            .unwrap_or(record.refresh_retry_seconds);
        if !(0..=10).contains(&record.refresh_retry_seconds) {
            return Err(AdminError::invalid(
                "refresh_retry_seconds",
                "must be 0 to 10",
            ));
        }
        record.active = change.active.unwrap_or(record.active);
        Ok(())
    }
}

/// Keys belong to an application that signs assertions, in exactly one of both ways (RFC 7591 §2).
fn check_keys(record: &ApplicationRecord) -> Result<()> {
    let signs = record.token_endpoint_auth_method == "private_key_jwt";
    match (signs, &record.jwks, &record.jwks_uri) {
        (true, Some(_), None) | (true, None, Some(_)) | (false, None, None) => Ok(()),
        (true, Some(_), Some(_)) => Err(AdminError::invalid(
            "jwks_uri",
            "does not go with jwks; set the other one to null",
        )),
        _ => Err(AdminError::invalid(
            "jwks",
            "belongs, as jwks_uri does, to token_endpoint_auth_method private_key_jwt, which needs one of them",
        )),
    }
}

fn has_secret(record: &ApplicationRecord) -> bool {
    let method = ClientAuthMethod::parse(&record.token_endpoint_auth_method);
    matches!(
        method,
        Some(ClientAuthMethod::ClientSecretBasic | ClientAuthMethod::ClientSecretPost)
    )
}

/// Claims under names that are free, each from an attribute's path such as `title`, `name.givenName`, `emails.value[]`,
/// or one behind the URN of an extension.
fn check_claims(claims: &Map<String, Value>) -> Result<()> {
    if claims.len() > MAX_CLAIMS {
        return Err(AdminError::invalid("claims", "must have at most 50 claims"));
    }
    for (claim, path) in claims {
        let field = || format!("claims.{}", claim.escape_debug());
        let named = (1..=MAX_CLAIM).contains(&claim.len())
            && claim.bytes().all(|byte| byte.is_ascii_graphic());
        if !named || id_token::is_reserved(claim) {
            let rule = "must be a free name of at most 200 printable characters; the standard claims are not for mapping";
            return Err(AdminError::invalid(field(), rule));
        }
        let path = path
            .as_str()
            .map(|path| path.strip_suffix("[]").unwrap_or(path));
        let readable = path.is_some_and(|path| {
            let name = path.rsplit(':').next().unwrap_or_default();
            let is_part = |part: &str| {
                part.starts_with(|letter: char| letter.is_ascii_alphabetic())
                    && part.bytes().all(|byte| {
                        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'$')
                    })
            };
            path.len() <= MAX_CLAIM
                && path.bytes().all(|byte| byte.is_ascii_graphic())
                && name.split('.').count() <= 2
                && name.split('.').all(is_part)
                && !name.eq_ignore_ascii_case("password")
        });
        if !readable {
            return Err(AdminError::invalid(
                field(),
                "must be an attribute such as title, name.givenName, emails.value[] or one behind the URN of an extension",
            ));
        }
    }
    Ok(())
}

fn checked_uris(field: &str, uris: Vec<String>) -> Result<Vec<String>> {
    if uris.len() > MAX_URIS {
        return Err(AdminError::invalid(field, "must have at most 100 URIs"));
    }
    for (place, uri) in uris.iter().enumerate() {
        redirect::validate(uri)
            .map_err(|error| AdminError::invalid(format!("{field}[{place}]"), error.to_string()))?;
    }
    Ok(uris)
}

async fn new_secret(tx: &mut WriteTx, id: ApplicationId) -> Result<Secret> {
    let secret = tx.generator().token("vcs_");
    tx.set_application_secret(id, Some(secret.hash())).await?;
    Ok(secret)
}

async fn audit(
    tx: &mut WriteTx,
    actor: &Actor,
    action: &str,
    id: ApplicationId,
    record: &ApplicationRecord,
) -> Result<()> {
    let done = Done {
        organization_id: None,
        action,
        subject: id.to_string(),
        data: json!({
            "name": record.name, "redirect_uris": record.redirect_uris, "active": record.active,
            "post_logout_redirect_uris": record.post_logout_redirect_uris,
            "backchannel_logout_uri": record.backchannel_logout_uri, "initiate_login_uri": record.initiate_login_uri,
            "token_endpoint_auth_method": record.token_endpoint_auth_method, "access_token_format": record.access_token_format,
            "jwks": record.jwks, "jwks_uri": record.jwks_uri, "third_party": record.third_party, "require_pushed_requests": record.require_pushed_requests,
            "require_acr": record.require_acr, "claims": record.claims,
        }),
    };
    actor.audit(tx, done).await
}
