use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The text is no state or protocol that we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown value")]
pub struct InvalidState;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// The word in rows and on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl FromStr for $name {
            type Err = InvalidState;

            fn from_str(text: &str) -> Result<Self, InvalidState> {
                match text { $($text => Ok(Self::$variant),)+ _ => Err(InvalidState) }
            }
        }
    };
}

words! {
    /// How people come in through a connection.
    Protocol {
        /// SAML 2.0, we are the service provider.
        Saml "saml",
        /// OpenID Connect, we are the relying party.
        Oidc "oidc",
        /// A password that we keep.
        Password "password",
        /// A single-use link and a password, for accounts that no directory can claim.
        BreakGlass "break_glass",
    }
}

words! {
    /// Whether a connection can be used.
    ConnectionState {
        /// Made in the portal, its test sign-in has not passed.
        Draft "draft",
        /// In use.
        Active "active",
        /// Switched off.
        Inactive "inactive",
    }
}

words! {
    /// What a directory may do.
    DirectoryState {
        /// It provisions.
        Active "active",
        /// It provisions and claims users that no directory owns.
        Adopting "adopting",
        /// Its requests are answered 503 until somebody resumes it.
        Paused "paused",
    }
}

words! {
    /// How a directory judges what its client sends.
    DirectoryMode {
        /// It repairs what real clients are known to send, and notes each repair.
        Lenient "lenient",
        /// It holds the client to RFC 7643 and 7644, as the interoperability profiles do.
        Strict "strict",
    }
}

words! {
    /// What a credential of a directory allows.
    DirectoryScope {
        /// Looking: GET and searches.
        Read "read",
        /// Everything.
        Write "write",
    }
}
