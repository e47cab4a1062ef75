//! The pages that people see, from the templates.

use askama::Template;
use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};

/// What the frame of every page shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frame {
    pub(crate) language: &'static str,
    pub(crate) brand_name: String,
    pub(crate) logo_url: String,
    pub(crate) style_url: String,
    pub(crate) brand_style_url: String,
}

impl Frame {
    /// The plain frame, below the path of the public URL.
    pub(crate) fn below(base: &str) -> Self {
        Self {
            language: "en",
            style_url: format!("{}/assets/people.css", base.trim_end_matches('/')),
            ..Self::default()
        }
    }
}

macro_rules! page {
    ($(#[$doc:meta])* $name:ident $path:literal { $($field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Template)]
        #[template(path = $path)]
        pub(crate) struct $name {
            pub(crate) page: Frame,
            $(pub(crate) $field: $type,)*
        }

        impl IntoResponse for $name {
            fn into_response(self) -> Response {
                match self.render() {
                    Ok(html) => Html(html).into_response(),
                    Err(error) => {
                        tracing::error!(%error, page = $path, "A page could not be rendered");
                        StatusCode::INTERNAL_SERVER_ERROR.into_response()
                    }
                }
            }
        }
    };
}

page! {
    /// Who is there?
    LoginPage "people/login.html" {
        action: String, csrf: String, handle: String, application: String, login_hint: String, error: String,
    }
}
page! {
    /// The password of somebody who said their name.
    PasswordPage "people/password.html" {
        action: String, csrf: String, handle: String, application: String, user_name: String, connection: String,
        back_url: String, error: String,
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
        wishes: Vec<String>,
    }
}
page! {
    /// A login that was refused.
    RefusedPage "people/refused.html" {
        title: String, explanation: String, who: String, next_step: String, rule: String, wanted: String, got: String,
        occurred_at: String, reference: String, retry_url: String,
    }
}
page! {
    /// A request that cannot be answered to anybody.
    ErrorPage "people/error.html" { title: String, explanation: String, next_step: String, reference: String, }
}
page! {
    /// May we sign you out?
    ConfirmLogoutPage "people/confirm_logout.html" {
        action: String, csrf: String, handle: String, user_name: String, application: String, cancel_url: String,
    }
}
page! {
    /// The sign-in is over.
    SignedOutPage "people/signed_out.html" { application: String, return_url: String, login_url: String, }
}
page! {
    /// Signed in, and nobody asked for it.
    SignedInPage "people/signed_in.html" { user_name: String, logout_url: String, }
}

page! {
    /// A message to the identity provider, which the browser posts.
    ForwardPage "people/forward.html" { action: String, parameter: String, message: String, relay_state: String, script_url: String, }
}

page! {
    /// An answer for the application, which the browser posts.
    AnswerPage "people/answer.html" { action: String, fields: Vec<(&'static str, String)>, script_url: String, }
}

/// One of several ways in.
#[derive(Debug)]
pub(crate) struct WayIn {
    pub(crate) label: String,
    pub(crate) detail: String,
    pub(crate) value: String,
}

/// One of several people who are signed in.
#[derive(Debug)]
pub(crate) struct SignedInAs {
    pub(crate) name: String,
    pub(crate) user_name: String,
    pub(crate) organization: String,
    pub(crate) value: String,
}

/// A fault of ours.
pub(crate) fn failed() -> ErrorPage {
    ErrorPage {
        page: Frame::below(""),
        title: "Something went wrong here".to_owned(),
        explanation: "This is not your mistake. Nothing was changed.".to_owned(),
        next_step: "Try again in a moment. If it keeps happening, tell whoever runs this service the time at which you saw this page.".to_owned(),
        reference: String::new(),
    }
}
