-- Ids are TypeIDs, compared by byte as on SQLite; times are microseconds since 1970.
CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE counters (
    name TEXT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('event_position', 0);

CREATE TABLE organizations (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    external_id TEXT COLLATE "C",
    active BOOLEAN NOT NULL,
    epoch BIGINT NOT NULL,
    policy JSONB NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE UNIQUE INDEX organizations_external_id ON organizations (external_id) WHERE external_id IS NOT NULL AND deleted_at IS NULL;

CREATE TABLE domains (
    organization_id TEXT COLLATE "C" NOT NULL,
    domain TEXT COLLATE "C" NOT NULL,
    txt_token TEXT NOT NULL,
    verified_at BIGINT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (organization_id, domain)
);
CREATE UNIQUE INDEX domains_verified ON domains (domain) WHERE verified_at IS NOT NULL;

CREATE TABLE connections (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL,
    directory_id TEXT COLLATE "C",
    default_application_id TEXT COLLATE "C",
    name TEXT NOT NULL,
    protocol TEXT NOT NULL,
    settings JSONB NOT NULL,
    client_secret_sealed BYTEA,
    join_directory TEXT,
    join_claim TEXT,
    jit BOOLEAN NOT NULL,
    allow_idp_initiated BOOLEAN NOT NULL,
    state TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE INDEX connections_organization ON connections (organization_id, id);

CREATE TABLE identities (
    connection_id TEXT COLLATE "C" NOT NULL,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    organization_id TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (connection_id, issuer, subject)
);
CREATE UNIQUE INDEX identities_user ON identities (connection_id, issuer, user_id);
CREATE INDEX identities_by_user ON identities (user_id);

CREATE TABLE directories (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL,
    name TEXT NOT NULL,
    dialect TEXT NOT NULL,
    accept_password BOOLEAN NOT NULL,
    state TEXT NOT NULL,
    last_seen_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE INDEX directories_organization ON directories (organization_id, id);

CREATE TABLE directory_tokens (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    hash BYTEA NOT NULL,
    directory_id TEXT COLLATE "C" NOT NULL,
    organization_id TEXT COLLATE "C" NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at BIGINT
);
CREATE UNIQUE INDEX directory_tokens_hash ON directory_tokens (hash);
CREATE INDEX directory_tokens_directory ON directory_tokens (directory_id, id);

CREATE TABLE users (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL,
    directory_id TEXT COLLATE "C",
    user_name TEXT NOT NULL,
    user_name_key TEXT COLLATE "C" NOT NULL,
    external_id TEXT COLLATE "C",
    display_name_key TEXT COLLATE "C",
    email TEXT,
    active BOOLEAN NOT NULL,
    deleted_at BIGINT,
    epoch BIGINT NOT NULL,
    version BIGINT NOT NULL,
    attributes JSONB NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
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
    user_id TEXT COLLATE "C" NOT NULL,
    value_key TEXT NOT NULL,
    organization_id TEXT COLLATE "C" NOT NULL,
    directory_id TEXT COLLATE "C",
    PRIMARY KEY (user_id, value_key)
);
CREATE INDEX user_emails_value ON user_emails (organization_id, value_key);

CREATE TABLE user_sequences (
    user_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);

CREATE TABLE passwords (
    user_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    phc TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    locked_until BIGINT
);

CREATE TABLE groups (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL,
    directory_id TEXT COLLATE "C" NOT NULL,
    display_name TEXT NOT NULL,
    display_name_key TEXT COLLATE "C" NOT NULL,
    external_id TEXT COLLATE "C",
    version BIGINT NOT NULL,
    attributes JSONB NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE UNIQUE INDEX groups_name ON groups (directory_id, display_name_key) WHERE deleted_at IS NULL;
CREATE INDEX groups_directory ON groups (directory_id, id) WHERE deleted_at IS NULL;
CREATE INDEX groups_external_id ON groups (directory_id, external_id);

CREATE TABLE group_members (
    group_id TEXT COLLATE "C" NOT NULL,
    member_id TEXT COLLATE "C" NOT NULL,
    directory_id TEXT COLLATE "C" NOT NULL,
    kind TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (group_id, member_id)
);
CREATE INDEX group_members_member ON group_members (member_id, group_id);

CREATE TABLE applications (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    client_secret_hash BYTEA,
    redirect_uris JSONB NOT NULL,
    post_logout_redirect_uris JSONB NOT NULL,
    backchannel_logout_uri TEXT,
    initiate_login_uri TEXT,
    token_endpoint_auth_method TEXT NOT NULL,
    access_token_format TEXT NOT NULL,
    id_token_signed_response_alg TEXT NOT NULL,
    refresh_retry_seconds BIGINT NOT NULL,
    active BOOLEAN NOT NULL,
    epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT
);

CREATE TABLE pending_logins (
    handle_hash BYTEA NOT NULL PRIMARY KEY,
    browser_hash BYTEA NOT NULL,
    application_id TEXT COLLATE "C",
    organization_id TEXT COLLATE "C",
    connection_id TEXT COLLATE "C",
    request JSONB NOT NULL,
    upstream_sealed BYTEA,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    consumed_at BIGINT
);
CREATE INDEX pending_logins_expiry ON pending_logins (expires_at);

CREATE TABLE user_sessions (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    secret_hash BYTEA NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    organization_id TEXT COLLATE "C" NOT NULL,
    connection_id TEXT COLLATE "C" NOT NULL,
    user_epoch BIGINT NOT NULL,
    organization_epoch BIGINT NOT NULL,
    connection_epoch BIGINT NOT NULL,
    auth_time BIGINT NOT NULL,
    acr TEXT NOT NULL,
    amr JSONB NOT NULL,
    upstream_issuer TEXT,
    upstream_subject TEXT,
    upstream_session TEXT,
    idle_seconds BIGINT NOT NULL,
    idle_expires_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    touched_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at BIGINT,
    end_reason TEXT
);
CREATE INDEX user_sessions_user ON user_sessions (user_id, created_at);
CREATE INDEX user_sessions_upstream ON user_sessions (connection_id, upstream_session) WHERE upstream_session IS NOT NULL;
CREATE INDEX user_sessions_expiry ON user_sessions (expires_at);

CREATE TABLE app_sessions (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    user_session_id TEXT COLLATE "C" NOT NULL,
    application_id TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    organization_id TEXT COLLATE "C" NOT NULL,
    connection_id TEXT COLLATE "C" NOT NULL,
    user_epoch BIGINT NOT NULL,
    organization_epoch BIGINT NOT NULL,
    connection_epoch BIGINT NOT NULL,
    application_epoch BIGINT NOT NULL,
    scope TEXT NOT NULL,
    offline BOOLEAN NOT NULL,
    min_generation BIGINT NOT NULL,
    last_issued_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at BIGINT,
    end_reason TEXT
);
CREATE INDEX app_sessions_user_session ON app_sessions (user_session_id);
CREATE INDEX app_sessions_user ON app_sessions (user_id) WHERE ended_at IS NULL;
CREATE INDEX app_sessions_organization ON app_sessions (organization_id, id) WHERE ended_at IS NULL;
CREATE INDEX app_sessions_connection ON app_sessions (connection_id, id) WHERE ended_at IS NULL;
CREATE INDEX app_sessions_application ON app_sessions (application_id, id) WHERE ended_at IS NULL;
CREATE INDEX app_sessions_expiry ON app_sessions (expires_at);

CREATE TABLE codes (
    hash BYTEA NOT NULL PRIMARY KEY,
    app_session_id TEXT COLLATE "C" NOT NULL,
    user_session_id TEXT COLLATE "C" NOT NULL,
    application_id TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    organization_id TEXT COLLATE "C" NOT NULL,
    connection_id TEXT COLLATE "C" NOT NULL,
    user_epoch BIGINT NOT NULL,
    organization_epoch BIGINT NOT NULL,
    connection_epoch BIGINT NOT NULL,
    application_epoch BIGINT NOT NULL,
    scope TEXT NOT NULL,
    nonce TEXT,
    redirect_uri TEXT NOT NULL,
    code_challenge TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    consumed_at BIGINT
);
CREATE INDEX codes_expiry ON codes (expires_at);

CREATE TABLE refresh_tokens (
    hash BYTEA NOT NULL PRIMARY KEY,
    app_session_id TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    generation BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    consumed_at BIGINT
);
CREATE UNIQUE INDEX refresh_tokens_generation ON refresh_tokens (app_session_id, generation);
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);

CREATE TABLE logins (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization_id TEXT COLLATE "C",
    connection_id TEXT COLLATE "C",
    application_id TEXT COLLATE "C",
    user_id TEXT COLLATE "C",
    outcome TEXT NOT NULL,
    rule TEXT,
    wanted TEXT,
    got TEXT,
    fault TEXT,
    remedy TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX logins_organization ON logins (organization_id, id);
CREATE INDEX logins_age ON logins (created_at);

CREATE TABLE provisioning_log (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL,
    directory_id TEXT COLLATE "C" NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    resource_id TEXT COLLATE "C",
    token_id TEXT COLLATE "C",
    user_agent TEXT,
    status BIGINT NOT NULL,
    scim_type TEXT,
    detail TEXT,
    repairs JSONB NOT NULL,
    duration_micros BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX provisioning_log_organization ON provisioning_log (organization_id, id);
CREATE INDEX provisioning_log_age ON provisioning_log (created_at);

CREATE TABLE events (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    position BIGINT,
    kind TEXT NOT NULL,
    organization_id TEXT COLLATE "C",
    user_id TEXT COLLATE "C",
    sequence BIGINT,
    data JSONB NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX events_position ON events (position) WHERE position IS NOT NULL;
CREATE INDEX events_unplaced ON events (id) WHERE position IS NULL;
CREATE INDEX events_age ON events (created_at);

CREATE TABLE outbox (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    destination TEXT NOT NULL,
    kind TEXT NOT NULL,
    organization_id TEXT COLLATE "C",
    user_id TEXT COLLATE "C",
    cause_id TEXT COLLATE "C",
    sequence BIGINT,
    payload JSONB NOT NULL,
    not_before BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    claimed_until BIGINT,
    done_at BIGINT,
    dead_at BIGINT,
    last_error TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX outbox_due ON outbox (kind, not_before) WHERE done_at IS NULL AND dead_at IS NULL;
CREATE INDEX outbox_destination ON outbox (destination, id);
CREATE INDEX outbox_cause ON outbox (cause_id);
CREATE INDEX outbox_age ON outbox (created_at);

CREATE TABLE webhooks (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    url TEXT NOT NULL,
    organization_id TEXT COLLATE "C",
    kinds JSONB NOT NULL,
    secret_sealed BYTEA NOT NULL,
    active BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT
);

CREATE TABLE webhook_kinds (
    webhook_id TEXT COLLATE "C" NOT NULL,
    kind TEXT NOT NULL,
    PRIMARY KEY (kind, webhook_id)
);

CREATE TABLE webhook_deliveries (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    webhook_id TEXT COLLATE "C" NOT NULL,
    outbox_id TEXT COLLATE "C" NOT NULL,
    attempt BIGINT NOT NULL,
    status BIGINT,
    error TEXT,
    duration_micros BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX webhook_deliveries_outbox ON webhook_deliveries (outbox_id);
CREATE INDEX webhook_deliveries_age ON webhook_deliveries (created_at);

CREATE TABLE offboardings (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL,
    scope TEXT NOT NULL,
    subject_id TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C",
    cause TEXT NOT NULL,
    actor TEXT NOT NULL,
    user_sessions BIGINT NOT NULL,
    app_sessions BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    completed_at BIGINT
);
CREATE INDEX offboardings_organization ON offboardings (organization_id, id);
CREATE INDEX offboardings_open ON offboardings (id) WHERE completed_at IS NULL;
CREATE INDEX offboardings_age ON offboardings (started_at);

CREATE TABLE audit (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization_id TEXT COLLATE "C",
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    data JSONB NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX audit_organization ON audit (organization_id, id);
CREATE INDEX audit_age ON audit (created_at);

CREATE TABLE operators (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL,
    phc TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX operators_email ON operators (email_key);

CREATE TABLE api_keys (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    hash BYTEA NOT NULL,
    name TEXT NOT NULL,
    scopes JSONB NOT NULL,
    organization_id TEXT COLLATE "C",
    operator_id TEXT COLLATE "C",
    operator_epoch BIGINT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,
    revoked_at BIGINT
);
CREATE UNIQUE INDEX api_keys_hash ON api_keys (hash);

CREATE TABLE signing_keys (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    algorithm TEXT NOT NULL,
    state TEXT NOT NULL,
    private_sealed BYTEA NOT NULL,
    public_jwk JSONB NOT NULL,
    created_at BIGINT NOT NULL,
    activated_at BIGINT,
    retired_at BIGINT
);

CREATE TABLE idempotency (
    key_hash BYTEA NOT NULL PRIMARY KEY,
    body_hash BYTEA NOT NULL,
    status BIGINT,
    answer_sealed BYTEA,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX idempotency_expiry ON idempotency (expires_at);

CREATE TABLE page_states (
    hash BYTEA NOT NULL PRIMARY KEY,
    data JSONB NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX page_states_expiry ON page_states (expires_at);
