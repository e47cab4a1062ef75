//! The pages that people see, from the templates.
//!
//! A handler gives a page as its response; the [door](crate::door) writes it, for only there it is known which language
//! the person reads.

use std::{fmt, sync::Arc};

use askama::Template;
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use vestibule_engine::{Brand, LoginPage as Person, LoginRefusal, RefusalActor};
use vestibule_issuer::scope::ScopeValue;

use crate::{
    assets,
    door::Door,
    language::Language,
    texts::{Acting, Explained, FieldTrouble, Texts, Trouble, refusal},
};

/// What the frame of every page shows.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    brand: Option<Brand>,
    wish: Option<Language>,
    returns_to: Option<String>,
    // The door fills in what follows.
    spoken: Language,
    t: &'static Texts,
    brand_name: String,
    logo: Option<ShownLogo>,
    style_url: String,
    brand_style_url: String,
}

/// A logo in its place.
#[derive(Debug, Clone)]
struct ShownLogo {
    url: String,
    width: i64,
    height: i64,
}

impl Frame {
    /// The frame of pages on which no organization is known.
    pub(crate) fn plain() -> Self {
        Self::branded(None)
    }

    /// The frame of an organization's pages.
    pub(crate) fn branded(brand: Option<Brand>) -> Self {
        let spoken = Language::default();
        Self {
            brand,
            wish: None,
            returns_to: None,
            spoken,
            t: Texts::of(spoken),
            brand_name: String::new(),
            logo: None,
            style_url: String::new(),
            brand_style_url: String::new(),
        }
    }

    /// The frame of a page on the way in.
    pub(crate) fn of_login(person: &Person) -> Self {
        Self::branded(person.brand.clone()).returning_to(person.returns_to.clone())
    }

    /// The page speaks the first of these languages that we speak, whatever the browser likes.
    pub(crate) fn wished(mut self, ui_locales: &str) -> Self {
        self.wish = Language::of_locales(ui_locales.split(' '));
        self
    }

    /// A form on the page leads to this address in the end, which browsers have to be told beforehand.
    pub(crate) fn returning_to(mut self, url: Option<String>) -> Self {
        self.returns_to = url;
        self
    }

    fn enter(&mut self, door: &Door, language: Language) {
        self.spoken = language;
        self.t = Texts::of(language);
        self.style_url = door.url(&assets::style_path());
        self.brand_name.clone_from(&door.name);
        if let Some(brand) = &self.brand {
            self.brand_name.clone_from(&brand.name);
            self.logo = brand.logo.as_ref().map(|logo| {
                let (width, height) = fitted(logo.width, logo.height);
                let url = door.url(&assets::logo_path(brand.organization_id, &logo.id));
                ShownLogo { url, width, height }
            });
            self.brand_style_url = brand
                .color
                .map(|color| door.url(&assets::accent_path(color)))
                .unwrap_or_default();
        }
    }
}

/// The size at which a logo is shown, in pixels of the page: at most 200 wide and 40 high.
fn fitted(width: i64, height: i64) -> (i64, i64) {
    let (width, height) = (width.max(1), height.max(1));
    match width * 40 > height * 200 {
        true => (width.min(200), (height * width.min(200) / width).max(1)),
        false => ((width * height.min(40) / height).max(1), height.min(40)),
    }
}

/// A page that waits for the door to write it.
pub(crate) trait Page: fmt::Debug + Send + Sync {
    fn write(&self, door: &Door, language: Language) -> askama::Result<String>;
    /// The language that somebody wishes for, before what the browser likes.
    fn wish(&self) -> Option<Language>;
    fn returns_to(&self) -> Option<&str>;
}

/// The page of a response.
#[derive(Debug, Clone)]
pub(crate) struct Unwritten(pub(crate) Arc<dyn Page>);

macro_rules! page {
    ($(#[$doc:meta])* $name:ident $path:literal { $($field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Template)]
        #[template(path = $path)]
        pub(crate) struct $name {
            pub(crate) page: Frame,
            $(pub(crate) $field: $type,)*
        }

        impl Page for $name {
            fn write(&self, door: &Door, language: Language) -> askama::Result<String> {
                let mut page = self.clone();
                page.page.enter(door, language);
                page.render()
            }

            fn wish(&self) -> Option<Language> {
                self.page.wish
            }

            fn returns_to(&self) -> Option<&str> {
                self.page.returns_to.as_deref()
            }
        }

        impl IntoResponse for $name {
            fn into_response(self) -> Response {
                let mut response = Response::new(Body::empty());
                response.extensions_mut().insert(Unwritten(Arc::new(self)));
                response
            }
        }
    };
}

page! {
    /// Who is there?
    LoginPage "people/login.html" {
        action: String, csrf: String, handle: String, application: String, login_hint: String, error: Option<FieldTrouble>,
    }
}
page! {
    /// The password of somebody who said their name.
    PasswordPage "people/password.html" {
        action: String, csrf: String, handle: String, application: String, user_name: String, connection: String,
        back_url: String, error: Option<FieldTrouble>,
    }
}
page! {
    /// The password of a break-glass account, for whoever has an operator's link.
    BreakGlassPage "people/break_glass.html" {
        action: String, csrf: String, link: String, user_name: String, error: Option<FieldTrouble>,
    }
}
page! {
    /// Several ways in.
    ChoosePage "people/choose.html" {
        action: String, csrf: String, handle: String, application: String, user_name: String, back_url: String, options: Vec<WayIn>,
    }
}
page! {
    /// Several people are signed in.
    AccountsPage "people/accounts.html" {
        action: String, csrf: String, handle: String, application: String, accounts: Vec<SignedInAs>,
    }
}
page! {
    /// May an application learn about you?
    ConsentPage "people/consent.html" {
        action: String, csrf: String, handle: String, application: String, host: String, user_name: String, organization: String,
        scope: Vec<ScopeValue>, claims: String,
    }
}
page! {
    /// A login that was refused.
    RefusedPage "people/refused.html" { refusal: LoginRefusal, occurred_at: String, reference: String, retry_url: String, }
}
page! {
    /// A request that cannot be answered to anybody.
    ErrorPage "people/error.html" { trouble: Trouble, }
}
page! {
    /// May we sign you out?
    ConfirmLogoutPage "people/confirm_logout.html" {
        action: String, csrf: String, user_name: String, application: String,
    }
}
page! {
    /// The sign-in is over.
    SignedOutPage "people/signed_out.html" { login_url: String, }
}
page! {
    /// Signed in, and nobody asked for it.
    SignedInPage "people/signed_in.html" { user_name: String, logout_url: String, }
}
page! {
    /// A message to another site that the browser posts by itself.
    ForwardPage "people/forward.html" { to: Toward, action: String, fields: Vec<(&'static str, String)>, script_url: String, }
}

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Toward {
    /// To the identity provider.
    Provider,
    /// To the application.
    Application,
}

/// One of several ways in.
#[derive(Debug, Clone)]
pub(crate) struct WayIn {
    /// None for the password, which every language has a word for.
    pub(crate) name: Option<String>,
    pub(crate) value: String,
}

/// One of several people who are signed in.
#[derive(Debug, Clone)]
pub(crate) struct SignedInAs {
    pub(crate) name: String,
    pub(crate) user_name: String,
    pub(crate) organization: String,
    pub(crate) value: String,
}

impl LoginPage {
    fn error(&self) -> &'static str {
        self.error.map_or("", |error| self.page.t.field(error))
    }
}

impl PasswordPage {
    fn error(&self) -> &'static str {
        self.error.map_or("", |error| self.page.t.field(error))
    }
}

impl BreakGlassPage {
    fn error(&self) -> &'static str {
        self.error.map_or("", |error| self.page.t.field(error))
    }
}

impl ConsentPage {
    /// What the application would learn, a line each.
    fn wishes(&self) -> Vec<&'static str> {
        let wish = |value: &ScopeValue| self.page.t.wish(*value);
        self.scope.iter().map(wish).collect()
    }
}

impl ForwardPage {
    const fn title(&self) -> &'static str {
        match self.to {
            Toward::Provider => self.page.t.forward.to_provider,
            Toward::Application => self.page.t.forward.to_application,
        }
    }
}

impl ErrorPage {
    const fn text(&self) -> &'static Explained {
        self.page.t.trouble(self.trouble)
    }
}

impl RefusedPage {
    fn explanation(&self) -> String {
        refusal(self.page.spoken, self.refusal.title)
    }

    fn remedy(&self) -> String {
        refusal(self.page.spoken, &self.refusal.remedy)
    }

    const fn acting(&self) -> &'static Acting {
        self.page.t.acting(self.refusal.fault)
    }

    /// Where somebody else has to act first, trying again is not what the eye should fall on.
    fn is_for_the_person(&self) -> bool {
        self.refusal.fault == RefusalActor::Person
    }
}

/// An error page on which no organization is known.
pub(crate) fn trouble(trouble: Trouble) -> ErrorPage {
    ErrorPage {
        page: Frame::plain(),
        trouble,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logos_are_shown_in_their_proportions_and_never_larger_than_they_are() {
        for (size, shown) in [
            ((400, 80), (200, 40)),
            ((2048, 2048), (40, 40)),
            ((2048, 1), (200, 1)),
            ((1, 2048), (1, 40)),
            ((16, 16), (16, 16)),
            ((1000, 100), (200, 20)),
        ] {
            assert_eq!(fitted(size.0, size.1), shown, "{size:?}");
        }
    }
}
