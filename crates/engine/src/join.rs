//! The join: from a subject that an identity provider vouches for to the one user it means, or to a refusal.

use serde_json::{Map, Value};
use vestibule_core::{DirectoryId, DirectoryState, Protocol, email_domain, name_key};
use vestibule_oidc::ProviderKind;
use vestibule_store::{Connection, Directory, JoinAttribute, User, UserRecord, WriteTx};

use crate::{
    Fault,
    provisioning::{DirectorySettings, mapping},
    refusal::{Actor, LoginRefusal},
    upstream::OidcSettings,
};

/// Entra's optional claim: the address is in a domain that its tenant has verified.
const EDOV: &str = "xms_edov";

/// What an identity provider says about a person, whatever the protocol.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) issuer: String,
    /// The subject that lasts; none for a value that can be renamed or reassigned.
    pub(crate) lasting: Option<String>,
    pub(crate) claims: Map<String, Value>,
}

/// Whom a subject means.
pub(crate) enum Joined {
    User(Box<User>),
    Refused(LoginRefusal, Option<Box<User>>),
}

impl Joined {
    fn refused(refusal: LoginRefusal) -> Self {
        Self::Refused(refusal, None)
    }
}

impl Subject {
    fn claim(&self, name: &str) -> Option<&str> {
        let name = name.strip_prefix("attribute:").unwrap_or(name);
        let value = match self.claims.get(name)? {
            Value::String(value) => value.as_str(),
            // A provider that sends a list of one means its one value; of several none is chosen.
            Value::Array(values) => match values.as_slice() {
                [Value::String(value)] => value.as_str(),
                _ => return None,
            },
            _ => return None,
        };
        (!value.is_empty()).then_some(value)
    }
}

/// Finds the user. Links are made here, users only where the connection says so and no directory is attached.
pub(crate) async fn join(
    tx: &mut WriteTx,
    connection: &Connection,
    subject: &Subject,
) -> Result<Joined, Fault> {
    let directories = tx.list_directories(connection.organization_id).await?;
    let directory = match (connection.directory_id, directories.as_slice()) {
        (Some(id), all) => match all.iter().find(|directory| directory.id == id) {
            Some(directory) => Some(directory),
            None => return Ok(Joined::refused(directory_missing())),
        },
        (None, []) => None,
        (None, [only]) => Some(only),
        (None, _) => return Ok(Joined::refused(directory_missing())),
    };
    if let Some(lasting) = &subject.lasting
        && let Some(user) = tx
            .find_linked_user(connection.id, &subject.issuer, lasting)
            .await?
    {
        return Ok(admit(user, directory));
    }
    let Some((attribute, claim)) = pair(connection) else {
        return Ok(Joined::refused(LoginRefusal::new(
            "join_missing",
            "this way of signing in does not say how people are recognised",
            Actor::Administrator,
            "set `join` on the connection: one directory attribute and the claim that equals it",
        )));
    };
    let Some(value) = subject.claim(claim) else {
        return Ok(Joined::refused(
            LoginRefusal::new(
                "claim_missing",
                "your identity provider did not say who you are",
                Actor::IdentityProvider,
                format!("release the claim `{claim}` to this application, with one value"),
            )
            .compared(
                format!("the claim `{claim}`"),
                "no such claim, or several values",
            ),
        ));
    };
    if let Some(refusal) = check_address(tx, connection, subject, attribute, claim, value).await? {
        return Ok(Joined::refused(refusal));
    }
    let found = candidates(tx, connection, directory, attribute, value).await?;
    let user = match found.as_slice() {
        [user] => user.clone(),
        [] if directory.is_none() && connection.jit => {
            return create(tx, connection, subject, attribute, value).await;
        }
        [] => {
            return Ok(Joined::refused(not_provisioned(
                directory, attribute, claim,
            )));
        }
        _ => {
            return Ok(Joined::refused(
                LoginRefusal::new(
                    "ambiguous",
                    "more than one account could be yours",
                    Actor::Directory,
                    "make the attribute unique in the directory, or join on another one",
                )
                .compared("exactly one user", "several users"),
            ));
        }
    };
    match admit(user, directory) {
        Joined::User(user) => link(tx, connection, subject, user).await,
        refused @ Joined::Refused(..) => Ok(refused),
    }
}

/// The users whom the value may mean: the directory's own; while it adopts and has none, those of the directory that it
/// replaces; and last those that no directory owns, in the order in which it would claim them.
async fn candidates(
    tx: &mut WriteTx,
    connection: &Connection,
    directory: Option<&Directory>,
    attribute: JoinAttribute,
    value: &str,
) -> Result<Vec<User>, Fault> {
    let mut owners = vec![directory.map(|directory| directory.id)];
    if let Some(directory) = directory
        && directory.state == DirectoryState::Adopting
    {
        owners.extend(directory.replaces_id.map(Some));
        owners.push(None);
    }
    for owner in owners {
        let found = candidates_of(tx, connection, owner, attribute, value).await?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// The users of one owner whom the value may mean. Where a directory says which attribute is the login name or the
/// address, that one is compared instead.
async fn candidates_of(
    tx: &mut WriteTx,
    connection: &Connection,
    owner: Option<DirectoryId>,
    attribute: JoinAttribute,
    value: &str,
) -> Result<Vec<User>, Fault> {
    let organization_id = connection.organization_id;
    if let Some(id) = owner {
        let mapping = DirectorySettings::find(tx, id).await?.mapping;
        let mapped = match attribute {
            JoinAttribute::UserName => mapping.login_name.map(|_| mapping::LOGIN_NAME),
            JoinAttribute::Email => mapping.email.map(|_| mapping::EMAIL),
            JoinAttribute::ExternalId => None,
        };
        if let Some(name) = mapped {
            return Ok(tx
                .list_indexed_users(organization_id, id, name, &name_key(value))
                .await?);
        }
    }
    Ok(tx
        .list_join_candidates(organization_id, owner, attribute, value)
        .await?)
}

/// The one configured pair; there is no chain of fallbacks.
fn pair(connection: &Connection) -> Option<(JoinAttribute, &str)> {
    let attribute = match connection.join_directory.as_deref()? {
        "externalId" => JoinAttribute::ExternalId,
        "userName" => JoinAttribute::UserName,
        "emails.value" => JoinAttribute::Email,
        _ => return None,
    };
    Some((attribute, connection.join_claim.as_deref()?))
}

/// An address joins only inside the organization's verified domains, and only where somebody vouches for it.
async fn check_address(
    tx: &mut WriteTx,
    connection: &Connection,
    subject: &Subject,
    attribute: JoinAttribute,
    claim: &str,
    value: &str,
) -> Result<Option<LoginRefusal>, Fault> {
    if attribute != JoinAttribute::Email && claim != "email" {
        return Ok(None);
    }
    if let Some(refusal) = check_verified(connection, subject, claim)? {
        return Ok(Some(refusal));
    }
    let domain = email_domain(value);
    let owned = match &domain {
        Some(domain) => {
            tx.has_verified_domain(connection.organization_id, domain)
                .await?
        }
        None => false,
    };
    Ok((!owned).then(|| {
        LoginRefusal::new(
            "domain_unverified",
            "your address is not in a domain of this organization",
            Actor::Administrator,
            "verify the domain for the organization, or join on a claim that is not an address",
        )
        .compared(
            "an address in a verified domain",
            domain.unwrap_or_else(|| "no domain".to_owned()),
        )
    }))
}

/// Whether the provider vouches for an address, or the connection does in its place.
fn check_verified(
    connection: &Connection,
    subject: &Subject,
    claim: &str,
) -> Result<Option<LoginRefusal>, Fault> {
    let says = |name: &str| match subject.claims.get(name) {
        Some(Value::Bool(verified)) => Some(*verified),
        Some(Value::String(verified)) => {
            Some(verified == "true" || (name == EDOV && verified == "1"))
        }
        Some(Value::Number(verified)) => Some(name == EDOV && verified.as_u64() == Some(1)),
        Some(Value::Null) | None => None,
        Some(_) => Some(false),
    };
    // A provider by SAML says nothing of the kind: the organization's own one is believed within its domains.
    let (name, trusted) = if connection.protocol == Protocol::Oidc {
        let settings = OidcSettings::of(connection)?;
        match settings.kind() {
            // Whoever administers a tenant writes what they like into `email`, and nothing says whether it is theirs.
            ProviderKind::Entra => (EDOV, false),
            _ => ("email_verified", settings.trust_email),
        }
    } else {
        ("email_verified", true)
    };
    // It is about the claim `email` and about no other one.
    let said = says(name).filter(|_| claim == "email" || connection.protocol != Protocol::Oidc);
    let refusal = match said {
        Some(true) => return Ok(None),
        None if trusted => return Ok(None),
        Some(false) => LoginRefusal::new(
            "email_unverified",
            "your identity provider says that your address is not verified",
            Actor::IdentityProvider,
            "verify the address at the identity provider, or join on a claim that is not an address",
        )
        .compared(format!("{name} true"), "false"),
        None => LoginRefusal::new(
            "email_unverified",
            "your identity provider does not say that your address is verified",
            Actor::IdentityProvider,
            format!("let the identity provider send `{name}` with the address, or join on a claim that is not an address"),
        )
        .compared(format!("{name} true"), "nothing of the kind"),
    };
    Ok(Some(refusal))
}

fn admit(user: User, directory: Option<&Directory>) -> Joined {
    let owned_here = match directory {
        // An operator lets its person in, and no identity provider.
        _ if user.break_glass => false,
        None => user.directory_id.is_none(),
        Some(directory) => {
            user.directory_id == Some(directory.id)
                || (directory.state == DirectoryState::Adopting
                    && (user.directory_id.is_none() || user.directory_id == directory.replaces_id))
        }
    };
    if !owned_here {
        let refusal = LoginRefusal::new(
            "not_provisioned",
            "your account is not provisioned",
            Actor::Directory,
            "assign the person to the application in the directory, so that it provisions the account",
        )
        .compared("a user of the connection's directory", "a user that it does not own");
        return Joined::Refused(refusal, Some(Box::new(user)));
    }
    if !user.active {
        let refusal = LoginRefusal::new(
            "deactivated",
            "your account is deactivated",
            Actor::Directory,
            "activate the account in the directory if the person should have access",
        )
        .compared("an active user", "a deactivated one");
        return Joined::Refused(refusal, Some(Box::new(user)));
    }
    Joined::User(Box::new(user))
}

async fn link(
    tx: &mut WriteTx,
    connection: &Connection,
    subject: &Subject,
    user: Box<User>,
) -> Result<Joined, Fault> {
    let Some(lasting) = &subject.lasting else {
        return Ok(Joined::User(user));
    };
    if tx
        .add_identity(connection.id, &subject.issuer, lasting, &user)
        .await?
    {
        return Ok(Joined::User(user));
    }
    // Two first logins at the same time may both come here; the second finds the link of the first.
    match tx.find_linked_user(connection.id, &subject.issuer, lasting).await? {
        Some(linked) if linked.id == user.id => Ok(Joined::User(user)),
        _ => Ok(Joined::Refused(
            LoginRefusal::new(
                "linked_to_another",
                "this account belongs to another identity",
                Actor::Administrator,
                "if the person's identity at the provider was replaced, remove the old link of the user first",
            )
            .compared("a user without a link on this connection", "a user linked to another subject"),
            Some(user),
        )),
    }
}

async fn create(
    tx: &mut WriteTx,
    connection: &Connection,
    subject: &Subject,
    attribute: JoinAttribute,
    value: &str,
) -> Result<Joined, Fault> {
    let text = |name: &str| subject.claim(name).map(str::to_owned);
    let email = text("email");
    let mut attributes = Map::new();
    let mut name = Map::new();
    for (claim, member) in [("given_name", "givenName"), ("family_name", "familyName")] {
        if let Some(part) = text(claim) {
            name.insert(member.to_owned(), part.into());
        }
    }
    if !name.is_empty() {
        attributes.insert("name".to_owned(), name.into());
    }
    if let Some(email) = &email {
        attributes.insert(
            "emails".to_owned(),
            serde_json::json!([{ "value": email, "primary": true }]),
        );
    }
    let user_name = match attribute {
        JoinAttribute::UserName | JoinAttribute::Email => value.to_owned(),
        JoinAttribute::ExternalId => email.clone().unwrap_or_else(|| value.to_owned()),
    };
    attributes.insert("userName".to_owned(), user_name.clone().into());
    let record = UserRecord {
        user_name,
        external_id: (attribute == JoinAttribute::ExternalId).then(|| value.to_owned()),
        display_name: text("name"),
        emails: email.clone().into_iter().collect(),
        email,
        active: true,
        attributes,
        indexed: None,
    };
    // A taken name rolls the whole login back as a conflict; asking first keeps it an explained refusal.
    if !tx
        .list_users_named(connection.organization_id, &record.user_name)
        .await?
        .is_empty()
    {
        return Ok(Joined::refused(LoginRefusal::new(
            "user_name_taken",
            "an account with your name exists already",
            Actor::Administrator,
            "join on the attribute that the existing account has, or remove it",
        )));
    }
    let user = tx
        .add_user(connection.organization_id, None, &record)
        .await?;
    link(tx, connection, subject, Box::new(user)).await
}

fn directory_missing() -> LoginRefusal {
    LoginRefusal::new(
        "directory_missing",
        "this way of signing in does not say whose people it brings",
        Actor::Administrator,
        "set `directory_id` on the connection to one of the organization's directories",
    )
}

fn not_provisioned(
    directory: Option<&Directory>,
    attribute: JoinAttribute,
    claim: &str,
) -> LoginRefusal {
    let attribute = match attribute {
        JoinAttribute::ExternalId => "externalId",
        JoinAttribute::UserName => "userName",
        JoinAttribute::Email => "emails.value",
    };
    let (fault, remedy) = match directory {
        Some(_) => (
            Actor::Directory,
            format!("assign the person to the application in the directory, and see that it sends `{attribute}` equal to the claim `{claim}`"),
        ),
        None => (
            Actor::Administrator,
            "this organization has neither a directory nor just-in-time accounts: attach a directory, create the user, or set `jit` on the connection".to_owned(),
        ),
    };
    LoginRefusal::new(
        "not_provisioned",
        "your account is not provisioned",
        fault,
        remedy,
    )
    .compared(
        format!("one user whose {attribute} equals the claim `{claim}`"),
        "none",
    )
}
