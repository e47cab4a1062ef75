ALTER TABLE user_sessions ADD COLUMN upstream_name_id TEXT;
CREATE INDEX user_sessions_subject ON user_sessions (connection_id, upstream_subject) WHERE upstream_subject IS NOT NULL;

ALTER TABLE logins ADD COLUMN report TEXT;

CREATE TABLE seen_assertions (
    connection_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (connection_id, message_id)
) STRICT;
CREATE INDEX seen_assertions_expiry ON seen_assertions (expires_at);

CREATE TABLE login_answers (
    hash BLOB NOT NULL PRIMARY KEY,
    browser_hash BLOB NOT NULL,
    user_id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    application_id TEXT,
    user_epoch INTEGER NOT NULL,
    organization_epoch INTEGER NOT NULL,
    connection_epoch INTEGER NOT NULL,
    request TEXT NOT NULL,
    proof_sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    consumed_at INTEGER
) STRICT;
CREATE INDEX login_answers_expiry ON login_answers (expires_at);

CREATE TABLE connection_keys (
    id TEXT NOT NULL PRIMARY KEY,
    connection_id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    purpose TEXT NOT NULL,
    state TEXT NOT NULL,
    certificate TEXT NOT NULL,
    private_sealed BLOB NOT NULL,
    not_after INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    activated_at INTEGER,
    retired_at INTEGER,
    warned_days INTEGER
) STRICT;
CREATE INDEX connection_keys_connection ON connection_keys (connection_id, id);

CREATE TABLE connection_certificates (
    connection_id TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    pem TEXT NOT NULL,
    not_after INTEGER NOT NULL,
    source TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    warned_days INTEGER,
    PRIMARY KEY (connection_id, fingerprint)
) STRICT;
CREATE INDEX connection_certificates_expiry ON connection_certificates (not_after);

CREATE TABLE connection_metadata (
    connection_id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL,
    url TEXT NOT NULL,
    etag TEXT,
    checked_at INTEGER,
    changed_at INTEGER,
    next_check_at INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    last_error TEXT
) STRICT;
CREATE INDEX connection_metadata_due ON connection_metadata (next_check_at);

CREATE TABLE upstream_logouts (
    handle_hash BLOB NOT NULL PRIMARY KEY,
    connection_id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    return_to TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    consumed_at INTEGER
) STRICT;
CREATE INDEX upstream_logouts_expiry ON upstream_logouts (expires_at);
