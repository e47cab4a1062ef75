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
