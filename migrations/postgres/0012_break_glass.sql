-- Accounts that no directory can claim, for the day on which the identity provider or the directory is out of order.
ALTER TABLE users ADD COLUMN break_glass BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX users_break_glass ON users (organization_id, id) WHERE break_glass = TRUE AND deleted_at IS NULL;

-- Each lets such an account's person come in once, together with the password.
CREATE TABLE break_glass_links (
    hash BYTEA NOT NULL PRIMARY KEY,
    user_id TEXT COLLATE "C" NOT NULL,
    organization_id TEXT COLLATE "C" NOT NULL,
    connection_id TEXT COLLATE "C" NOT NULL,
    user_epoch BIGINT NOT NULL,
    organization_epoch BIGINT NOT NULL,
    connection_epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    consumed_at BIGINT
);
CREATE INDEX break_glass_links_user ON break_glass_links (user_id);
CREATE INDEX break_glass_links_expiry ON break_glass_links (expires_at);
