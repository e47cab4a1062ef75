use super::{
    AccountsTexts, Acting, Actors, Around, BreakGlassTexts, ChooseTexts, Common,
    ConfirmLogoutTexts, ConsentTexts, Explained, ForwardTexts, LoginTexts, PasswordTexts,
    RefusedTexts, SignedInTexts, SignedOutTexts, Texts, Troubles,
};

const WRONG_REQUEST: &str = "The application sent a wrong request";
const WRONG_LOGOUT: &str = "The application sent a wrong logout request";
const SHOW_APPLICATION: &str =
    "Sign out in the application, or tell whoever runs it what this page says.";

pub(super) const TEXTS: Texts = Texts {
    common: Common {
        continue_to: Around::new("to continue to ", ""),
        not_you: "Not you?",
        continue_: "Continue",
        sign_in: "Sign in",
        sign_out: "Sign out",
        next_step: "What to do next",
        reference: "Reference",
    },
    login: LoginTexts {
        title: "Sign in",
        lead: "with your organization’s account",
        email: "Work e-mail",
        placeholder: "you@company.com",
        note: "Your e-mail address leads you to your organization’s own sign-in page.",
        unknown_address: "No organization signs in with that address. Check the spelling, or ask your IT team whether the domain is set up.",
    },
    password: PasswordTexts {
        title: "Enter your password",
        password: "Password",
        wrong: "The name or the password is wrong. After many wrong tries, wait a quarter of an hour.",
        too_many: "Too many tries. Wait a quarter of an hour, then try again.",
    },
    break_glass: BreakGlassTexts {
        title: "Emergency sign-in",
        lead: "For when your organization’s own sign-in is out of order.",
        note: "The link works once, and this sign-in lasts an hour at most. It is recorded, and those responsible are told.",
    },
    choose: ChooseTexts {
        title: "Choose how to sign in",
    },
    accounts: AccountsTexts {
        title: "Choose an account",
        another: "Use another account",
    },
    consent: ConsentTexts {
        title: Around::new("Allow ", "?"),
        at: " at ",
        not_run_by: Around::new(" is not run by ", ". "),
        asks: "It asks to know:",
        openid: "Who you are, and which organization you belong to",
        profile: "Your name and user name",
        email: "Your e-mail address",
        groups: "The groups that you are a member of",
        roles: "Your roles",
        offline_access: "This also while you are not using it",
        claims: "Further attributes of yours:",
        allow: "Allow",
        deny: "Do not allow",
    },
    forward: ForwardTexts {
        to_provider: "To your identity provider",
        to_application: "Back to the application",
        lead: "Your browser is on the way. If nothing happens, press the button.",
    },
    signed_in: SignedInTexts {
        title: "You are signed in",
        lead: "Open an app of your organization: it lets you in without asking again.",
    },
    confirm_logout: ConfirmLogoutTexts {
        title: "Sign out?",
        asked: Around::new("", " asks to sign you out. "),
        lead: "This ends your session here and in every app that you opened with it.",
    },
    signed_out: SignedOutTexts {
        title: "You are signed out",
        lead: "Your session here is over, and the apps that you opened with it have been told.",
        again: "Sign in again",
        note: "On a shared computer, also sign out of your organization’s own account and close the browser.",
    },
    refused: RefusedTexts {
        title: "You are not signed in",
        who: "Who has to act:",
        try_again: "Try again",
        details: "Details for your administrator",
        rule: "Rule",
        wanted: "Wanted",
        got: "Got",
        time: "Time",
    },
    actors: Actors {
        person: Acting {
            who: "you",
            show: "",
        },
        identity_provider: Acting {
            who: "your company’s IT team, at the identity provider",
            show: "Show this page to your company’s IT team, who look after the identity provider.",
        },
        directory: Acting {
            who: "your company’s IT team, in the directory",
            show: "Show this page to your company’s IT team, who look after the directory.",
        },
        application: Acting {
            who: "whoever runs the application",
            show: "Show this page to whoever runs the application.",
        },
        administrator: Acting {
            who: "whoever set up this way of signing in",
            show: "Show this page to whoever set up this way of signing in.",
        },
        network: Acting {
            who: "whoever runs this service, if it stays so",
            show: "If it stays so, show this page to whoever runs this service.",
        },
    },
    troubles: Troubles {
        failed: Explained {
            title: "Something went wrong here",
            explanation: "This is not your mistake. Nothing was changed.",
            next_step: "Try again in a moment. If it keeps happening, tell whoever runs this service the time at which you saw this page.",
        },
        busy: Explained {
            title: "Too much is going on here",
            explanation: "This is not your mistake. Nothing was changed.",
            next_step: "Try again in a moment.",
        },
        gone: Explained {
            title: "This sign-in is over",
            explanation: "It was finished already, it took longer than fifteen minutes, or it began in another browser.",
            next_step: "Go back to the application and sign in again.",
        },
        too_many: Explained {
            title: "Too many refused sign-ins",
            explanation: "From where you are, too many sign-ins were refused within a minute.",
            next_step: "Wait a minute, then go back to the application and sign in again.",
        },
        not_found: Explained {
            title: "There is no such page",
            explanation: "The address is mistyped, or a link to it is out of date.",
            next_step: "Go back to the application and sign in from there.",
        },
        unreadable: Explained {
            title: "This request cannot be understood",
            explanation: "None of our pages sends a request like this one. Nothing was changed.",
            next_step: "Go back to the application and sign in again.",
        },
        too_large: Explained {
            title: "This request is too large",
            explanation: "More was sent than this page takes. Nothing was changed.",
            next_step: "Go back to the application and sign in again. If it keeps happening, tell your company’s IT team.",
        },
        client_id: Explained {
            title: WRONG_REQUEST,
            explanation: "You cannot be signed in: the client_id is missing or invalid.",
            next_step: "Whoever runs the application: send the client_id that the admin API answered when the application was registered.",
        },
        redirect_uri: Explained {
            title: WRONG_REQUEST,
            explanation: "You cannot be signed in: the redirect_uri is missing or invalid.",
            next_step: "Whoever runs the application: send one redirect_uri, the one that is registered.",
        },
        unknown_client: Explained {
            title: WRONG_REQUEST,
            explanation: "You cannot be signed in: the client is unknown.",
            next_step: "Whoever runs the application: send the client_id that the admin API answered when the application was registered.",
        },
        request_uri: Explained {
            title: WRONG_REQUEST,
            explanation: "You cannot be signed in: the request_uri is unknown, too old or used.",
            next_step: "Go back to the application and sign in again.",
        },
        unregistered_redirect_uri: Explained {
            title: WRONG_REQUEST,
            explanation: "You cannot be signed in: the redirect_uri is not registered for this client.",
            next_step: "Whoever runs the application: register this exact redirect_uri, byte for byte, with the application.",
        },
        logout_parameters: Explained {
            title: WRONG_LOGOUT,
            explanation: "You are still signed in: a parameter is too long, or is there twice.",
            next_step: SHOW_APPLICATION,
        },
        logout_hint: Explained {
            title: WRONG_LOGOUT,
            explanation: "You are still signed in: the id_token_hint is not a token of this service.",
            next_step: SHOW_APPLICATION,
        },
        logout_other_client: Explained {
            title: WRONG_LOGOUT,
            explanation: "You are still signed in: the id_token_hint was issued to another client.",
            next_step: SHOW_APPLICATION,
        },
        logout_unknown_client: Explained {
            title: WRONG_LOGOUT,
            explanation: "You are still signed in: post_logout_redirect_uri needs a client_id or an id_token_hint.",
            next_step: SHOW_APPLICATION,
        },
        logout_unregistered_uri: Explained {
            title: WRONG_LOGOUT,
            explanation: "You are still signed in: the post_logout_redirect_uri is not registered for this client.",
            next_step: SHOW_APPLICATION,
        },
    },
};
