use std::{fmt, marker::PhantomData, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// Crockford's alphabet in lower case, as the TypeID specification uses it.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SUFFIX_LENGTH: usize = 26;

/// A noun that has ids: its prefix names it in logs, URLs and tokens.
pub trait Noun {
    /// The part before the underscore, such as `usr`.
    const PREFIX: &'static str;
}

/// A TypeID: a noun's prefix and a UUIDv7, never reused.
///
/// The text form is `usr_01h2xcejqtf2nbrexx3vqjhp41`; equal ids have equal texts.
pub struct Id<N> {
    uuid: Uuid,
    noun: PhantomData<fn() -> N>,
}

/// The text is not an id of the wanted noun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the kind {expected}_…")]
pub struct InvalidId {
    expected: &'static str,
}

impl<N: Noun> Id<N> {
    /// The prefix of this noun's ids.
    pub const PREFIX: &'static str = N::PREFIX;

    /// Names a row by a UUID that the [`Generator`](crate::Generator) made.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self {
            uuid,
            noun: PhantomData,
        }
    }

    /// The 128 bits of the id.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.uuid.into_bytes()
    }

    /// The id whose 128 bits these are.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self::from_uuid(Uuid::from_bytes(bytes))
    }

    /// The text without prefix and underscore, for URLs whose readers refuse an underscore (Okta's SCIM base URL).
    pub fn suffix(self) -> String {
        let bits = self.uuid.as_u128();
        // 26 digits of 5 bits hold 130 bits; the first digit carries only three.
        (0..SUFFIX_LENGTH)
            .map(|place| {
                let shift = 5 * (SUFFIX_LENGTH - 1 - place);
                let digit = usize::try_from((bits >> shift) & 31).unwrap_or_default();
                char::from(ALPHABET.get(digit).copied().unwrap_or(b'0'))
            })
            .collect()
    }

    /// Reads the text that [`suffix`](Self::suffix) writes.
    pub fn from_suffix(text: &str) -> Result<Self, InvalidId> {
        let invalid = InvalidId {
            expected: N::PREFIX,
        };
        if text.len() != SUFFIX_LENGTH {
            return Err(invalid);
        }
        let mut bits = 0_u128;
        for (place, byte) in text.bytes().enumerate() {
            let digit = ALPHABET
                .iter()
                .position(|known| *known == byte)
                .ok_or(invalid)?;
            if place == 0 && digit > 7 {
                return Err(invalid);
            }
            bits = (bits << 5) | digit as u128;
        }
        Ok(Self::from_uuid(Uuid::from_u128(bits)))
    }
}

impl<N: Noun> FromStr for Id<N> {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let suffix = text
            .strip_prefix(N::PREFIX)
            .and_then(|rest| rest.strip_prefix('_'))
            .ok_or(InvalidId {
                expected: N::PREFIX,
            })?;
        Self::from_suffix(suffix)
    }
}

impl<N: Noun> fmt::Display for Id<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", N::PREFIX, self.suffix())
    }
}

impl<N: Noun> fmt::Debug for Id<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<N> Clone for Id<N> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<N> Copy for Id<N> {}
impl<N> PartialEq for Id<N> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}
impl<N> Eq for Id<N> {}
impl<N> PartialOrd for Id<N> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<N> Ord for Id<N> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.uuid.cmp(&other.uuid)
    }
}
impl<N> std::hash::Hash for Id<N> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}

impl<N: Noun> Serialize for Id<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, N: Noun> Deserialize<'de> for Id<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

macro_rules! nouns {
    ($($(#[$doc:meta])* $noun:ident $id:ident $prefix:literal;)+) => {
        /// The nouns behind the ids; they hold nothing.
        pub mod nouns {
            $($(#[$doc])* #[derive(Debug)] pub enum $noun {}
            impl super::Noun for $noun {
                const PREFIX: &'static str = $prefix;
            })+
        }
        $($(#[$doc])* pub type $id = Id<nouns::$noun>;)+
    };
}

nouns! {
    /// A customer of the SaaS product; all tenant data hangs on one.
    Organization OrganizationId "org";
    /// A way in: one identity provider, or the password sign-in, of one organization.
    Connection ConnectionId "con";
    /// A key pair of ours at one identity provider.
    ConnectionKey ConnectionKeyId "cky";
    /// A source of users and groups that pushes over SCIM.
    Directory DirectoryId "dir";
    /// A bearer token of a directory.
    DirectoryToken DirectoryTokenId "dtk";
    /// A client that opens a directory with signed assertions; also its `client_id`.
    DirectoryClient DirectoryClientId "dcl";
    /// A person in one organization; the `sub` that apps see.
    User UserId "usr";
    /// A group that a directory pushed.
    Group GroupId "grp";
    /// A role that the members of a group get.
    RoleMapping RoleMappingId "rmp";
    /// An app that signs its users in through us; also its `client_id`.
    Application ApplicationId "app";
    /// A browser's sign-in.
    UserSession UserSessionId "ses";
    /// One application's share of a sign-in; the `sid` that the app sees.
    AppSession AppSessionId "sid";
    /// Something that happened, told to webhooks and the events API.
    Event EventId "evt";
    /// A receiver of events.
    Webhook WebhookId "whk";
    /// One attempt to deliver to a webhook.
    Delivery DeliveryId "dlv";
    /// Something that has to happen after a commit.
    Outbox OutboxId "obx";
    /// A credential of the admin API.
    ApiKey ApiKeyId "key";
    /// A person who runs this installation.
    Operator OperatorId "opr";
    /// The record of one login, good or bad.
    Login LoginId "lgn";
    /// The record of one SCIM request.
    Provisioning ProvisioningId "prv";
    /// The receipt of one ending.
    Offboarding OffboardingId "off";
    /// What an identity provider told about somebody.
    Signal SignalId "sgl";
    /// What an application hears about by security event tokens.
    Stream StreamId "str";
    /// A line of the audit log.
    Audit AuditId "aud";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_the_one_of_the_typeid_specification() {
        let uuid = Uuid::parse_str("01890a5d-ac96-774b-bcce-b302099a8057").unwrap();
        let id = UserId::from_uuid(uuid);
        assert_eq!(id.to_string(), "usr_01h455vb4pex5vsknk084sn02q");
        assert_eq!("usr_01h455vb4pex5vsknk084sn02q".parse(), Ok(id));
    }

    #[test]
    fn foreign_prefix_wrong_length_upper_case_and_overflow_are_refused() {
        for text in [
            "org_01h455vb4pex5vsknk084sn02q",
            "usr_01h455vb4pex5vsknk084sn02",
            "usr_01H455VB4PEX5VSKNK084SN02Q",
            "usr_81h455vb4pex5vsknk084sn02q",
            "usr01h455vb4pex5vsknk084sn02q",
            "",
        ] {
            assert!(text.parse::<UserId>().is_err(), "{text}");
        }
    }
}
