//! Every sentence that people read on our pages, in each language.
//!
//! A text is a field of [`Texts`], so a language that lacks one does not compile. Where a name stands inside a sentence the
//! field is an [`Around`]: what comes before and what comes after, which templates can write around an element.
//!
//! What a refused login says is written where the rule is, in English, for it stands in the record too; the other
//! languages have it in a table, and a test reads the sources so that none is missing.

mod english;
mod french;
mod french_refusals;

use std::borrow::Cow;

use vestibule_engine::RefusalActor;
use vestibule_issuer::{authorize::PageError, logout::LogoutError, scope::ScopeValue};

use crate::language::Language;

/// A sentence around something that is not ours to write, such as a name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around {
    pub(crate) before: &'static str,
    pub(crate) after: &'static str,
}

impl Around {
    const fn new(before: &'static str, after: &'static str) -> Self {
        Self { before, after }
    }
}

/// What went wrong, and what to do about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Explained {
    pub(crate) title: &'static str,
    pub(crate) explanation: &'static str,
    pub(crate) next_step: &'static str,
}

/// Somebody who has to act, and the sentence that sends the reader there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Acting {
    pub(crate) who: &'static str,
    /// Empty where it is the reader.
    pub(crate) show: &'static str,
}

macro_rules! texts {
    ($($(#[$doc:meta])* $group:ident: $name:ident { $($field:ident: $kind:ty,)+ })+) => {
        /// The texts of one language.
        #[derive(Debug)]
        pub(crate) struct Texts {
            $($(#[$doc])* pub(crate) $group: $name,)+
        }

        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub(crate) struct $name { $(pub(crate) $field: $kind,)+ }
        )+

        #[cfg(test)]
        impl Texts {
            /// Every text with its place.
            fn all(&self) -> Vec<(String, &'static str)> {
                use tests::Listed as _;
                let mut all = Vec::new();
                $($(self.$group.$field.list(concat!(stringify!($group), ".", stringify!($field)), &mut all);)+)+
                all
            }
        }
    };
}

texts! {
    /// What several pages say.
    common: Common {
        continue_to: Around,
        not_you: &'static str,
        continue_: &'static str,
        sign_in: &'static str,
        sign_out: &'static str,
        next_step: &'static str,
        reference: &'static str,
    }
    /// The first question.
    login: LoginTexts {
        title: &'static str,
        lead: &'static str,
        email: &'static str,
        placeholder: &'static str,
        note: &'static str,
        unknown_address: &'static str,
    }
    /// The password.
    password: PasswordTexts {
        title: &'static str,
        password: &'static str,
        wrong: &'static str,
        too_many: &'static str,
    }
    /// The password of a break-glass account.
    break_glass: BreakGlassTexts {
        title: &'static str,
        lead: &'static str,
        note: &'static str,
    }
    /// Several ways in.
    choose: ChooseTexts {
        title: &'static str,
    }
    /// Several people who are signed in.
    accounts: AccountsTexts {
        title: &'static str,
        another: &'static str,
    }
    /// May an application learn about you?
    consent: ConsentTexts {
        title: Around,
        at: &'static str,
        not_run_by: Around,
        asks: &'static str,
        openid: &'static str,
        profile: &'static str,
        email: &'static str,
        groups: &'static str,
        roles: &'static str,
        offline_access: &'static str,
        claims: &'static str,
        allow: &'static str,
        deny: &'static str,
    }
    /// Forms that the browser posts by itself.
    forward: ForwardTexts {
        to_provider: &'static str,
        to_application: &'static str,
        lead: &'static str,
    }
    /// Signed in, and nobody asked for it.
    signed_in: SignedInTexts {
        title: &'static str,
        lead: &'static str,
    }
    /// May we sign you out?
    confirm_logout: ConfirmLogoutTexts {
        title: &'static str,
        asked: Around,
        lead: &'static str,
    }
    /// The sign-in is over.
    signed_out: SignedOutTexts {
        title: &'static str,
        lead: &'static str,
        again: &'static str,
        note: &'static str,
    }
    /// A login that was refused.
    refused: RefusedTexts {
        title: &'static str,
        who: &'static str,
        try_again: &'static str,
        details: &'static str,
        rule: &'static str,
        wanted: &'static str,
        got: &'static str,
        time: &'static str,
    }
    /// Who has to act after a refusal.
    actors: Actors {
        person: Acting,
        identity_provider: Acting,
        directory: Acting,
        application: Acting,
        administrator: Acting,
        network: Acting,
    }
    /// Requests that are answered with an error.
    troubles: Troubles {
        failed: Explained,
        busy: Explained,
        gone: Explained,
        too_many: Explained,
        not_found: Explained,
        unreadable: Explained,
        too_large: Explained,
        client_id: Explained,
        redirect_uri: Explained,
        unknown_client: Explained,
        request_uri: Explained,
        unregistered_redirect_uri: Explained,
        logout_parameters: Explained,
        logout_hint: Explained,
        logout_other_client: Explained,
        logout_unknown_client: Explained,
        logout_unregistered_uri: Explained,
    }
}

/// What is wrong with what a person entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldTrouble {
    UnknownAddress,
    WrongPassword,
    TooManyTries,
}

/// Why a request is answered with an error page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// A fault of ours.
    Failed,
    /// Too much at once; worth another try.
    Busy,
    /// A login that waits no more.
    Gone,
    /// Too many answers of an identity provider were refused from this address.
    TooMany,
    /// There is no such page.
    NotFound,
    /// The request is not one that a page of ours makes.
    Unreadable,
    /// The request is longer than any that a page of ours makes.
    TooLarge,
    /// Nothing may be sent to a redirect URI that is not known to be the application's (RFC 6749 §4.1.2.1).
    Authorize(AuthorizeTrouble),
    /// A logout request that nobody can be sent back for (RP-Initiated Logout 1.0 §4).
    Logout(LogoutTrouble),
}

/// What is wrong with an authorization request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuthorizeTrouble {
    ClientId,
    RedirectUri,
    UnknownClient,
    RequestUri,
    UnregisteredRedirectUri,
}

impl From<PageError> for Trouble {
    fn from(error: PageError) -> Self {
        match error {
            PageError::ClientId => Self::Authorize(AuthorizeTrouble::ClientId),
            PageError::RedirectUri => Self::Authorize(AuthorizeTrouble::RedirectUri),
            PageError::UnknownClient => Self::Authorize(AuthorizeTrouble::UnknownClient),
            PageError::RequestUri => Self::Authorize(AuthorizeTrouble::RequestUri),
            PageError::UnregisteredRedirectUri => {
                Self::Authorize(AuthorizeTrouble::UnregisteredRedirectUri)
            }
            // The enum may grow in its own crate.
            _ => Self::Unreadable,
        }
    }
}

/// What is wrong with a logout request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogoutTrouble {
    Parameters,
    Hint,
    OtherClient,
    UnknownClient,
    UnregisteredUri,
}

impl From<LogoutError> for Trouble {
    fn from(error: LogoutError) -> Self {
        match error {
            LogoutError::Duplicate(_) | LogoutError::TooLong => {
                Self::Logout(LogoutTrouble::Parameters)
            }
            LogoutError::Hint(_) => Self::Logout(LogoutTrouble::Hint),
            LogoutError::OtherClient => Self::Logout(LogoutTrouble::OtherClient),
            LogoutError::UnknownClient => Self::Logout(LogoutTrouble::UnknownClient),
            LogoutError::UnregisteredUri => Self::Logout(LogoutTrouble::UnregisteredUri),
            // The enum may grow in its own crate.
            _ => Self::Unreadable,
        }
    }
}

impl Texts {
    /// The texts of a language.
    pub(crate) const fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &english::TEXTS,
            Language::French => &french::TEXTS,
        }
    }

    /// What is said beside a field.
    pub(crate) const fn field(&self, trouble: FieldTrouble) -> &'static str {
        match trouble {
            FieldTrouble::UnknownAddress => self.login.unknown_address,
            FieldTrouble::WrongPassword => self.password.wrong,
            FieldTrouble::TooManyTries => self.password.too_many,
        }
    }

    /// What an application would learn by a scope value.
    pub(crate) const fn wish(&self, value: ScopeValue) -> &'static str {
        match value {
            ScopeValue::OpenId => self.consent.openid,
            ScopeValue::Profile => self.consent.profile,
            ScopeValue::Email => self.consent.email,
            ScopeValue::Groups => self.consent.groups,
            ScopeValue::Roles => self.consent.roles,
            ScopeValue::OfflineAccess => self.consent.offline_access,
        }
    }

    /// Who has to act after a refusal.
    pub(crate) const fn acting(&self, actor: RefusalActor) -> &Acting {
        match actor {
            RefusalActor::Person => &self.actors.person,
            RefusalActor::IdentityProvider => &self.actors.identity_provider,
            RefusalActor::Directory => &self.actors.directory,
            RefusalActor::Application => &self.actors.application,
            RefusalActor::Administrator => &self.actors.administrator,
            RefusalActor::Network => &self.actors.network,
        }
    }

    /// What an error page says.
    pub(crate) const fn trouble(&self, trouble: Trouble) -> &Explained {
        let texts = &self.troubles;
        match trouble {
            Trouble::Failed => &texts.failed,
            Trouble::Busy => &texts.busy,
            Trouble::Gone => &texts.gone,
            Trouble::TooMany => &texts.too_many,
            Trouble::NotFound => &texts.not_found,
            Trouble::Unreadable => &texts.unreadable,
            Trouble::TooLarge => &texts.too_large,
            Trouble::Authorize(trouble) => match trouble {
                AuthorizeTrouble::ClientId => &texts.client_id,
                AuthorizeTrouble::RedirectUri => &texts.redirect_uri,
                AuthorizeTrouble::UnknownClient => &texts.unknown_client,
                AuthorizeTrouble::RequestUri => &texts.request_uri,
                AuthorizeTrouble::UnregisteredRedirectUri => &texts.unregistered_redirect_uri,
            },
            Trouble::Logout(trouble) => match trouble {
                LogoutTrouble::Parameters => &texts.logout_parameters,
                LogoutTrouble::Hint => &texts.logout_hint,
                LogoutTrouble::OtherClient => &texts.logout_other_client,
                LogoutTrouble::UnknownClient => &texts.logout_unknown_client,
                LogoutTrouble::UnregisteredUri => &texts.logout_unregistered_uri,
            },
        }
    }
}

/// What a refusal says, from the English of the rule: a sentence, with its capital and its full stop.
pub(crate) fn refusal(language: Language, english: &str) -> String {
    let text = match language {
        Language::English => Cow::Borrowed(english),
        Language::French => french_refusals::translate(english).unwrap_or(Cow::Borrowed(english)),
    };
    let text = text.replace('`', "\"");
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).chain(['.']).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
