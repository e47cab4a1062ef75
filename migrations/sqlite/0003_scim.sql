-- mode: lenient or strict; settings: schemas of its own, attribute mapping, indexed attributes.
ALTER TABLE directories ADD COLUMN mode TEXT NOT NULL DEFAULT 'lenient';
ALTER TABLE directories ADD COLUMN detected_dialect TEXT;
ALTER TABLE directories ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
-- The directory whose users this one takes over, one by one.
ALTER TABLE directories ADD COLUMN replaces_id TEXT;

ALTER TABLE directory_tokens ADD COLUMN scope TEXT NOT NULL DEFAULT 'write';
ALTER TABLE directory_tokens ADD COLUMN warned_days INTEGER;

-- Clients that sign assertions in the place of a bearer token (RFC 7523).
CREATE TABLE directory_clients (
    id TEXT NOT NULL PRIMARY KEY,
    directory_id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    name TEXT NOT NULL,
    scope TEXT NOT NULL,
    jwks TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE INDEX directory_clients_directory ON directory_clients (directory_id, id);

CREATE TABLE directory_access_tokens (
    hash BLOB NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL,
    directory_id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX directory_access_tokens_expiry ON directory_access_tokens (expires_at);

CREATE TABLE seen_client_assertions (
    client_id TEXT NOT NULL,
    jti TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (client_id, jti)
) STRICT;
CREATE INDEX seen_client_assertions_expiry ON seen_client_assertions (expires_at);

-- Members of the group get the role; no application: in every application.
CREATE TABLE role_mappings (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL,
    directory_id TEXT NOT NULL,
    group_id TEXT NOT NULL,
    application_id TEXT,
    role TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX role_mappings_once ON role_mappings (group_id, role, COALESCE(application_id, ''));
CREATE INDEX role_mappings_organization ON role_mappings (organization_id, id);

-- What /Roles and /Entitlements show.
CREATE TABLE directory_lookups (
    directory_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    display TEXT,
    type TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (directory_id, kind, value)
) STRICT;

-- Values of attributes that a directory's filters look people up by and that have no column of their own.
CREATE TABLE user_index (
    directory_id TEXT NOT NULL,
    attribute TEXT NOT NULL,
    value_key TEXT NOT NULL,
    user_id TEXT NOT NULL,
    single INTEGER NOT NULL,
    PRIMARY KEY (directory_id, attribute, value_key, user_id)
) STRICT;
CREATE INDEX user_index_user ON user_index (user_id);
-- A value whose schema says that it is unique (RFC 7643 §7).
CREATE UNIQUE INDEX user_index_single ON user_index (directory_id, attribute, value_key) WHERE single = TRUE;

CREATE INDEX groups_updated ON groups (directory_id, updated_at, id);

ALTER TABLE provisioning_log ADD COLUMN dialect TEXT;
ALTER TABLE provisioning_log ADD COLUMN changed INTEGER;
ALTER TABLE provisioning_log ADD COLUMN request_id TEXT;
-- The client whose assertion opened the directory, in the place of a token.
ALTER TABLE provisioning_log ADD COLUMN client_id TEXT;
CREATE INDEX provisioning_log_directory ON provisioning_log (directory_id, id);

-- A verified answer ends with the sign-in at the identity provider that it tells of.
ALTER TABLE login_answers ADD COLUMN upstream_issuer TEXT;
ALTER TABLE login_answers ADD COLUMN upstream_subject TEXT;
ALTER TABLE login_answers ADD COLUMN upstream_session TEXT;
ALTER TABLE login_answers ADD COLUMN ended_at INTEGER;
CREATE INDEX login_answers_subject ON login_answers (connection_id, upstream_subject);

-- What a person took away comes back only by a person, whatever metadata says later.
CREATE TABLE removed_certificates (
    connection_id TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    removed_at INTEGER NOT NULL,
    PRIMARY KEY (connection_id, fingerprint)
) STRICT;
