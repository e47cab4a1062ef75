-- jwks: the keys of an application that signs assertions; claims: what its tokens say beside the standard claims.
ALTER TABLE applications ADD COLUMN jwks TEXT;
ALTER TABLE applications ADD COLUMN require_pushed_requests INTEGER NOT NULL DEFAULT FALSE;
ALTER TABLE applications ADD COLUMN require_acr INTEGER NOT NULL DEFAULT FALSE;
ALTER TABLE applications ADD COLUMN claims TEXT NOT NULL DEFAULT '{}';

-- Authorization requests that applications handed in beforehand (RFC 9126), each for one use.
CREATE TABLE pushed_requests (
    hash BLOB NOT NULL PRIMARY KEY,
    application_id TEXT NOT NULL,
    request TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX pushed_requests_expiry ON pushed_requests (expires_at);
