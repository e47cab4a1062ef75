-- jwks: the keys of an application that signs assertions; claims: what its tokens say beside the standard claims.
ALTER TABLE applications ADD COLUMN jwks JSONB;
ALTER TABLE applications ADD COLUMN require_pushed_requests BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE applications ADD COLUMN require_acr BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE applications ADD COLUMN claims JSONB NOT NULL DEFAULT '{}';

-- Authorization requests that applications handed in beforehand (RFC 9126), each for one use.
CREATE TABLE pushed_requests (
    hash BYTEA NOT NULL PRIMARY KEY,
    application_id TEXT COLLATE "C" NOT NULL,
    request JSONB NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX pushed_requests_expiry ON pushed_requests (expires_at);
