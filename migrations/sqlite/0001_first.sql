-- Ids are TypeIDs, times are microseconds since 1970, booleans are 0 or 1, JSON is text.
CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE counters (
    name TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;
INSERT INTO counters (name, value) VALUES ('event_position', 0);

CREATE TABLE organizations (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    external_id TEXT,
    active INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    policy TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;
CREATE UNIQUE INDEX organizations_external_id ON organizations (external_id) WHERE external_id IS NOT NULL AND deleted_at IS NULL;

CREATE TABLE domains (
    organization_id TEXT NOT NULL,
    domain TEXT NOT NULL,
    txt_token TEXT NOT NULL,
    verified_at INTEGER,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, domain)
) STRICT;
CREATE UNIQUE INDEX domains_verified ON domains (domain) WHERE verified_at IS NOT NULL;

CREATE TABLE connections (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL,
    directory_id TEXT,
    default_application_id TEXT,
    name TEXT NOT NULL,
    protocol TEXT NOT NULL,
    settings TEXT NOT NULL,
    client_secret_sealed BLOB,
    join_directory TEXT,
    join_claim TEXT,
    jit INTEGER NOT NULL,
    allow_idp_initiated INTEGER NOT NULL,
    state TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;
CREATE INDEX connections_organization ON connections (organization_id, id);

CREATE TABLE identities (
    connection_id TEXT NOT NULL,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (connection_id, issuer, subject)
) STRICT;
CREATE UNIQUE INDEX identities_user ON identities (connection_id, issuer, user_id);
CREATE INDEX identities_by_user ON identities (user_id);

CREATE TABLE directories (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL,
    name TEXT NOT NULL,
    dialect TEXT NOT NULL,
    accept_password INTEGER NOT NULL,
    state TEXT NOT NULL,
    last_seen_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;
CREATE INDEX directories_organization ON directories (organization_id, id);

CREATE TABLE directory_tokens (
    id TEXT NOT NULL PRIMARY KEY,
    hash BLOB NOT NULL,
    directory_id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE UNIQUE INDEX directory_tokens_hash ON directory_tokens (hash);
CREATE INDEX directory_tokens_directory ON directory_tokens (directory_id, id);

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL,
    directory_id TEXT,
    user_name TEXT NOT NULL,
    user_name_key TEXT NOT NULL,
    external_id TEXT,
    display_name_key TEXT,
    email TEXT,
    active INTEGER NOT NULL,
    deleted_at INTEGER,
    epoch INTEGER NOT NULL,
    version INTEGER NOT NULL,
    attributes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX users_directory_name ON users (directory_id, user_name_key) WHERE directory_id IS NOT NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX users_unowned_name ON users (organization_id, user_name_key) WHERE directory_id IS NULL AND deleted_at IS NULL;
CREATE INDEX users_organization_name ON users (organization_id, user_name_key);
CREATE INDEX users_organization ON users (organization_id, id);
-- deleted_at: SQLite counts in the index alone only where every column of the question stands in it.
CREATE INDEX users_directory ON users (directory_id, id, deleted_at) WHERE deleted_at IS NULL;
CREATE INDEX users_external_id ON users (directory_id, external_id);
CREATE INDEX users_display_name ON users (directory_id, display_name_key);
CREATE INDEX users_updated ON users (directory_id, updated_at, id);
CREATE INDEX users_inactive ON users (directory_id, id) WHERE active = FALSE AND deleted_at IS NULL;

CREATE TABLE user_emails (
    user_id TEXT NOT NULL,
    value_key TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    directory_id TEXT,
    PRIMARY KEY (user_id, value_key)
) STRICT;
CREATE INDEX user_emails_value ON user_emails (organization_id, value_key);

CREATE TABLE user_sequences (
    user_id TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;

CREATE TABLE passwords (
    user_id TEXT NOT NULL PRIMARY KEY,
    phc TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    locked_until INTEGER
) STRICT;

CREATE TABLE groups (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL,
    directory_id TEXT NOT NULL,
    display_name TEXT NOT NULL,
    display_name_key TEXT NOT NULL,
    external_id TEXT,
    version INTEGER NOT NULL,
    attributes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;
CREATE UNIQUE INDEX groups_name ON groups (directory_id, display_name_key) WHERE deleted_at IS NULL;
CREATE INDEX groups_directory ON groups (directory_id, id) WHERE deleted_at IS NULL;
CREATE INDEX groups_external_id ON groups (directory_id, external_id);

CREATE TABLE group_members (
    group_id TEXT NOT NULL,
    member_id TEXT NOT NULL,
    directory_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (group_id, member_id)
) STRICT;
CREATE INDEX group_members_member ON group_members (member_id, group_id);

CREATE TABLE applications (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    client_secret_hash BLOB,
    redirect_uris TEXT NOT NULL,
    post_logout_redirect_uris TEXT NOT NULL,
    backchannel_logout_uri TEXT,
    initiate_login_uri TEXT,
    token_endpoint_auth_method TEXT NOT NULL,
    access_token_format TEXT NOT NULL,
    id_token_signed_response_alg TEXT NOT NULL,
    refresh_retry_seconds INTEGER NOT NULL,
    active INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;

CREATE TABLE pending_logins (
    handle_hash BLOB NOT NULL PRIMARY KEY,
    browser_hash BLOB NOT NULL,
    application_id TEXT,
    organization_id TEXT,
    connection_id TEXT,
    request TEXT NOT NULL,
    upstream_sealed BLOB,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    consumed_at INTEGER
) STRICT;
CREATE INDEX pending_logins_expiry ON pending_logins (expires_at);

CREATE TABLE user_sessions (
    id TEXT NOT NULL PRIMARY KEY,
    secret_hash BLOB NOT NULL,
    user_id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    user_epoch INTEGER NOT NULL,
    organization_epoch INTEGER NOT NULL,
    connection_epoch INTEGER NOT NULL,
    auth_time INTEGER NOT NULL,
    acr TEXT NOT NULL,
    amr TEXT NOT NULL,
    upstream_issuer TEXT,
    upstream_subject TEXT,
    upstream_session TEXT,
    idle_seconds INTEGER NOT NULL,
    idle_expires_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    touched_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    end_reason TEXT
) STRICT;
CREATE INDEX user_sessions_user ON user_sessions (user_id, created_at);
CREATE INDEX user_sessions_upstream ON user_sessions (connection_id, upstream_session) WHERE upstream_session IS NOT NULL;
CREATE INDEX user_sessions_expiry ON user_sessions (expires_at);

CREATE TABLE app_sessions (
    id TEXT NOT NULL PRIMARY KEY,
    user_session_id TEXT NOT NULL,
    application_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    user_epoch INTEGER NOT NULL,
    organization_epoch INTEGER NOT NULL,
    connection_epoch INTEGER NOT NULL,
    application_epoch INTEGER NOT NULL,
    scope TEXT NOT NULL,
    offline INTEGER NOT NULL,
    min_generation INTEGER NOT NULL,
    last_issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    end_reason TEXT
) STRICT;
CREATE INDEX app_sessions_user_session ON app_sessions (user_session_id);
CREATE INDEX app_sessions_user ON app_sessions (user_id) WHERE ended_at IS NULL;
CREATE INDEX app_sessions_organization ON app_sessions (organization_id, id) WHERE ended_at IS NULL;
CREATE INDEX app_sessions_connection ON app_sessions (connection_id, id) WHERE ended_at IS NULL;
CREATE INDEX app_sessions_application ON app_sessions (application_id, id) WHERE ended_at IS NULL;
CREATE INDEX app_sessions_expiry ON app_sessions (expires_at);

CREATE TABLE codes (
    hash BLOB NOT NULL PRIMARY KEY,
    app_session_id TEXT NOT NULL,
    user_session_id TEXT NOT NULL,
    application_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    user_epoch INTEGER NOT NULL,
    organization_epoch INTEGER NOT NULL,
    connection_epoch INTEGER NOT NULL,
    application_epoch INTEGER NOT NULL,
    scope TEXT NOT NULL,
    nonce TEXT,
    redirect_uri TEXT NOT NULL,
    code_challenge TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    consumed_at INTEGER
) STRICT;
CREATE INDEX codes_expiry ON codes (expires_at);

CREATE TABLE refresh_tokens (
    hash BLOB NOT NULL PRIMARY KEY,
    app_session_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    generation INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    consumed_at INTEGER
) STRICT;
CREATE UNIQUE INDEX refresh_tokens_generation ON refresh_tokens (app_session_id, generation);
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);

CREATE TABLE logins (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT,
    connection_id TEXT,
    application_id TEXT,
    user_id TEXT,
    outcome TEXT NOT NULL,
    rule TEXT,
    wanted TEXT,
    got TEXT,
    fault TEXT,
    remedy TEXT,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX logins_organization ON logins (organization_id, id);
CREATE INDEX logins_age ON logins (created_at);

CREATE TABLE provisioning_log (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL,
    directory_id TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    resource_id TEXT,
    token_id TEXT,
    user_agent TEXT,
    status INTEGER NOT NULL,
    scim_type TEXT,
    detail TEXT,
    repairs TEXT NOT NULL,
    duration_micros INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX provisioning_log_organization ON provisioning_log (organization_id, id);
CREATE INDEX provisioning_log_age ON provisioning_log (created_at);

CREATE TABLE events (
    id TEXT NOT NULL PRIMARY KEY,
    position INTEGER,
    kind TEXT NOT NULL,
    organization_id TEXT,
    user_id TEXT,
    sequence INTEGER,
    data TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_position ON events (position) WHERE position IS NOT NULL;
CREATE INDEX events_unplaced ON events (id) WHERE position IS NULL;
CREATE INDEX events_age ON events (created_at);

CREATE TABLE outbox (
    id TEXT NOT NULL PRIMARY KEY,
    destination TEXT NOT NULL,
    kind TEXT NOT NULL,
    organization_id TEXT,
    user_id TEXT,
    cause_id TEXT,
    sequence INTEGER,
    payload TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    claimed_until INTEGER,
    done_at INTEGER,
    dead_at INTEGER,
    last_error TEXT,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_due ON outbox (kind, not_before) WHERE done_at IS NULL AND dead_at IS NULL;
CREATE INDEX outbox_destination ON outbox (destination, id);
CREATE INDEX outbox_cause ON outbox (cause_id);
CREATE INDEX outbox_age ON outbox (created_at);

CREATE TABLE webhooks (
    id TEXT NOT NULL PRIMARY KEY,
    url TEXT NOT NULL,
    organization_id TEXT,
    kinds TEXT NOT NULL,
    secret_sealed BLOB NOT NULL,
    active INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;

CREATE TABLE webhook_kinds (
    webhook_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    PRIMARY KEY (kind, webhook_id)
) STRICT;

CREATE TABLE webhook_deliveries (
    id TEXT NOT NULL PRIMARY KEY,
    webhook_id TEXT NOT NULL,
    outbox_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    status INTEGER,
    error TEXT,
    duration_micros INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX webhook_deliveries_outbox ON webhook_deliveries (outbox_id);
CREATE INDEX webhook_deliveries_age ON webhook_deliveries (created_at);

CREATE TABLE offboardings (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    user_id TEXT,
    cause TEXT NOT NULL,
    actor TEXT NOT NULL,
    user_sessions INTEGER NOT NULL,
    app_sessions INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    completed_at INTEGER
) STRICT;
CREATE INDEX offboardings_organization ON offboardings (organization_id, id);
CREATE INDEX offboardings_open ON offboardings (id) WHERE completed_at IS NULL;
CREATE INDEX offboardings_age ON offboardings (started_at);

CREATE TABLE audit (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    data TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX audit_organization ON audit (organization_id, id);
CREATE INDEX audit_age ON audit (created_at);

CREATE TABLE operators (
    id TEXT NOT NULL PRIMARY KEY,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL,
    phc TEXT NOT NULL,
    active INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX operators_email ON operators (email_key);

CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    hash BLOB NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    organization_id TEXT,
    operator_id TEXT,
    operator_epoch INTEGER,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE UNIQUE INDEX api_keys_hash ON api_keys (hash);

CREATE TABLE signing_keys (
    id TEXT NOT NULL PRIMARY KEY,
    algorithm TEXT NOT NULL,
    state TEXT NOT NULL,
    private_sealed BLOB NOT NULL,
    public_jwk TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    activated_at INTEGER,
    retired_at INTEGER
) STRICT;

CREATE TABLE idempotency (
    key_hash BLOB NOT NULL PRIMARY KEY,
    body_hash BLOB NOT NULL,
    status INTEGER,
    answer_sealed BLOB,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX idempotency_expiry ON idempotency (expires_at);

CREATE TABLE page_states (
    hash BLOB NOT NULL PRIMARY KEY,
    data TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX page_states_expiry ON page_states (expires_at);
