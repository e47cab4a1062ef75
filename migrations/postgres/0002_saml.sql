ALTER TABLE user_sessions ADD COLUMN upstream_name_id JSONB;
CREATE INDEX user_sessions_subject ON user_sessions (connection_id, upstream_subject) WHERE upstream_subject IS NOT NULL;

ALTER TABLE logins ADD COLUMN report JSONB;

CREATE TABLE seen_assertions (
    connection_id TEXT COLLATE "C" NOT NULL,
    message_id TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (connection_id, message_id)
);
CREATE INDEX seen_assertions_expiry ON seen_assertions (expires_at);

CREATE TABLE login_answers (
    hash BYTEA NOT NULL PRIMARY KEY,
    browser_hash BYTEA NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    organization_id TEXT COLLATE "C" NOT NULL,
    connection_id TEXT COLLATE "C" NOT NULL,
    application_id TEXT COLLATE "C",
    user_epoch BIGINT NOT NULL,
    organization_epoch BIGINT NOT NULL,
    connection_epoch BIGINT NOT NULL,
    request JSONB NOT NULL,
    proof_sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    consumed_at BIGINT
);
CREATE INDEX login_answers_expiry ON login_answers (expires_at);

CREATE TABLE connection_keys (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    connection_id TEXT COLLATE "C" NOT NULL,
    organization_id TEXT COLLATE "C" NOT NULL,
    purpose TEXT NOT NULL,
    state TEXT NOT NULL,
    certificate TEXT NOT NULL,
    private_sealed BYTEA NOT NULL,
    not_after BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    activated_at BIGINT,
    retired_at BIGINT,
    warned_days BIGINT
);
CREATE INDEX connection_keys_connection ON connection_keys (connection_id, id);

CREATE TABLE connection_certificates (
    connection_id TEXT COLLATE "C" NOT NULL,
    fingerprint TEXT COLLATE "C" NOT NULL,
    organization_id TEXT COLLATE "C" NOT NULL,
    pem TEXT NOT NULL,
    not_after BIGINT NOT NULL,
    source TEXT NOT NULL,
    added_at BIGINT NOT NULL,
    warned_days BIGINT,
    PRIMARY KEY (connection_id, fingerprint)
);
CREATE INDEX connection_certificates_expiry ON connection_certificates (not_after);

CREATE TABLE connection_metadata (
    connection_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL,
    url TEXT NOT NULL,
    etag TEXT,
    checked_at BIGINT,
    changed_at BIGINT,
    next_check_at BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    last_error TEXT
);
CREATE INDEX connection_metadata_due ON connection_metadata (next_check_at);

CREATE TABLE upstream_logouts (
    handle_hash BYTEA NOT NULL PRIMARY KEY,
    connection_id TEXT COLLATE "C" NOT NULL,
    organization_id TEXT COLLATE "C" NOT NULL,
    request_id TEXT NOT NULL,
    return_to TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    consumed_at BIGINT
);
CREATE INDEX upstream_logouts_expiry ON upstream_logouts (expires_at);
