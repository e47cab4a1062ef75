/// Every table whose rows can grant access; a test walks the schema and fails on one that is not listed (I15).
///
/// Whoever adds a table here has to show, in the same change, which `live_…` query reads it and how `end` makes it end.
pub const CREDENTIAL_KINDS: &[&str] = &[
    "api_keys",
    "break_glass_links",
    "app_sessions",
    "codes",
    "directory_tokens",
    "login_answers",
    "passwords",
    "pending_logins",
    "refresh_tokens",
    "user_sessions",
    "operators",
    "applications",
    "directory_access_tokens",
    "stream_tokens",
];

/// Tables that look like credentials to that test (they name a user or hold a hash or a sealed value) and are none.
pub const NOT_CREDENTIALS: &[(&str, &str)] = &[
    (
        "connections",
        "the sealed value is our secret at the identity provider",
    ),
    (
        "connection_keys",
        "our own keys at an identity provider; nobody presents one",
    ),
    (
        "consents",
        "what a person lets an application know; it opens nothing without a sign-in",
    ),
    ("directory_departures", "whom a guarded directory took away"),
    ("events", "tells about a user"),
    (
        "idempotency",
        "answers of the admin API, sealed, bound to the key that asked",
    ),
    ("identities", "a link; it opens nothing without a login"),
    ("logins", "the record of a login"),
    (
        "logout_hints",
        "ID tokens for the logout at their provider; nobody here takes one",
    ),
    ("offboardings", "the receipt of an ending"),
    ("outbox", "a notice about a user"),
    ("page_states", "anonymous page state, never authority"),
    (
        "pushed_requests",
        "what an application asks; it opens nothing without a login",
    ),
    (
        "received_signals",
        "what an identity provider told about a user",
    ),
    (
        "signal_sources",
        "who proves the secret may tell what an identity provider says; it ends sign-ins and opens none",
    ),
    (
        "stream_events",
        "news about a user for an application that proves itself",
    ),
    (
        "streams",
        "the sealed value is our secret at the application",
    ),
    ("signing_keys", "our own keys; nobody presents one"),
    (
        "upstream_logouts",
        "where a browser goes after its logout; it opens nothing",
    ),
    ("user_emails", "an index of addresses"),
    ("user_index", "an index of attributes"),
    ("user_sequences", "a counter"),
    ("webhooks", "the sealed value signs what we send"),
];
