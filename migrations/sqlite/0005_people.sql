-- third_party: whether people are asked before it learns about them; jwks_uri: where its keys are, if it does not hand them in.
ALTER TABLE applications ADD COLUMN third_party INTEGER NOT NULL DEFAULT FALSE;
ALTER TABLE applications ADD COLUMN jwks_uri TEXT;

-- What people let third-party applications know. claims: the names of the further claims that they were shown.
CREATE TABLE consents (
    user_id TEXT NOT NULL,
    application_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    claims TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, application_id)
) STRICT;
