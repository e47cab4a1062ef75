-- third_party: whether people are asked before it learns about them; jwks_uri: where its keys are, if it does not hand them in.
ALTER TABLE applications ADD COLUMN third_party BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE applications ADD COLUMN jwks_uri TEXT;

-- What people let third-party applications know. claims: the names of the further claims that they were shown.
CREATE TABLE consents (
    user_id TEXT NOT NULL,
    application_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    claims JSONB NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, application_id)
);

-- How the pages of an organization look. logo_id: the start of the image's SHA-256, which its address carries.
ALTER TABLE organizations ADD COLUMN brand_name TEXT;
ALTER TABLE organizations ADD COLUMN brand_color TEXT;
ALTER TABLE organizations ADD COLUMN logo_id TEXT;
ALTER TABLE organizations ADD COLUMN logo_type TEXT;
ALTER TABLE organizations ADD COLUMN logo_width BIGINT;
ALTER TABLE organizations ADD COLUMN logo_height BIGINT;

CREATE TABLE organization_logos (
    organization_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    image BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

-- What OpenID Providers said is over, while logins may still be on their way from them. name: 'sid:' or 'sub:' and the name there;
-- issued_at: the provider's own time, in seconds, and 0 where a login only keeps others waiting.
CREATE TABLE upstream_endings (
    connection_id TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (connection_id, name)
);
CREATE INDEX upstream_endings_expiry ON upstream_endings (expires_at);

-- The ID tokens that a logout at the OpenID Provider names, sealed; only where a connection logs out there.
CREATE TABLE logout_hints (
    user_session_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    user_id TEXT COLLATE "C" NOT NULL,
    id_token_sealed BYTEA NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX logout_hints_user ON logout_hints (user_id);
CREATE INDEX logout_hints_expiry ON logout_hints (expires_at);
