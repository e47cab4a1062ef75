-- mode: lenient or strict; settings: schemas of its own, attribute mapping, indexed attributes.
ALTER TABLE directories ADD COLUMN mode TEXT NOT NULL DEFAULT 'lenient';
ALTER TABLE directories ADD COLUMN detected_dialect TEXT;
ALTER TABLE directories ADD COLUMN settings JSONB NOT NULL DEFAULT '{}';
-- The directory whose users this one takes over, one by one.
ALTER TABLE directories ADD COLUMN replaces_id TEXT COLLATE "C";

ALTER TABLE directory_tokens ADD COLUMN scope TEXT NOT NULL DEFAULT 'write';
ALTER TABLE directory_tokens ADD COLUMN warned_days BIGINT;

-- Clients that sign assertions in the place of a bearer token (RFC 7523).
CREATE TABLE directory_clients (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    directory_id TEXT COLLATE "C" NOT NULL,
    organization_id TEXT COLLATE "C" NOT NULL,
    name TEXT NOT NULL,
    scope TEXT NOT NULL,
    jwks JSONB NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX directory_clients_directory ON directory_clients (directory_id, id);

CREATE TABLE directory_access_tokens (
    hash BYTEA NOT NULL PRIMARY KEY,
    client_id TEXT COLLATE "C" NOT NULL,
    directory_id TEXT COLLATE "C" NOT NULL,
    organization_id TEXT COLLATE "C" NOT NULL,
    scope TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX directory_access_tokens_expiry ON directory_access_tokens (expires_at);

CREATE TABLE seen_client_assertions (
    client_id TEXT COLLATE "C" NOT NULL,
    jti TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (client_id, jti)
);
CREATE INDEX seen_client_assertions_expiry ON seen_client_assertions (expires_at);

-- Members of the group get the role; no application: in every application.
CREATE TABLE role_mappings (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL,
    directory_id TEXT COLLATE "C" NOT NULL,
    group_id TEXT COLLATE "C" NOT NULL,
    application_id TEXT COLLATE "C",
    role TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX role_mappings_once ON role_mappings (group_id, role, COALESCE(application_id, ''));
CREATE INDEX role_mappings_organization ON role_mappings (organization_id, id);

-- What /Roles and /Entitlements show.
CREATE TABLE directory_lookups (
    directory_id TEXT COLLATE "C" NOT NULL,
    kind TEXT NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    display TEXT,
    type TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (directory_id, kind, value)
);

-- Values of attributes that a directory's filters look people up by and that have no column of their own.
CREATE TABLE user_index (
    directory_id TEXT COLLATE "C" NOT NULL,
    attribute TEXT COLLATE "C" NOT NULL,
    value_key TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    single BOOLEAN NOT NULL,
    PRIMARY KEY (directory_id, attribute, value_key, user_id)
);
CREATE INDEX user_index_user ON user_index (user_id);
-- A value whose schema says that it is unique (RFC 7643 §7).
CREATE UNIQUE INDEX user_index_single ON user_index (directory_id, attribute, value_key) WHERE single = TRUE;

CREATE INDEX groups_updated ON groups (directory_id, updated_at, id);

ALTER TABLE provisioning_log ADD COLUMN dialect TEXT;
ALTER TABLE provisioning_log ADD COLUMN changed BOOLEAN;
ALTER TABLE provisioning_log ADD COLUMN request_id TEXT COLLATE "C";
-- The client whose assertion opened the directory, in the place of a token.
ALTER TABLE provisioning_log ADD COLUMN client_id TEXT COLLATE "C";
CREATE INDEX provisioning_log_directory ON provisioning_log (directory_id, id);

-- A verified answer ends with the sign-in at the identity provider that it tells of.
ALTER TABLE login_answers ADD COLUMN upstream_issuer TEXT COLLATE "C";
ALTER TABLE login_answers ADD COLUMN upstream_subject TEXT COLLATE "C";
ALTER TABLE login_answers ADD COLUMN upstream_session TEXT COLLATE "C";
ALTER TABLE login_answers ADD COLUMN ended_at BIGINT;
CREATE INDEX login_answers_subject ON login_answers (connection_id, upstream_subject);

-- What a person took away comes back only by a person, whatever metadata says later.
CREATE TABLE removed_certificates (
    connection_id TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    removed_at BIGINT NOT NULL,
    PRIMARY KEY (connection_id, fingerprint)
);
